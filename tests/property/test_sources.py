"""An artifact that is asked for as it stands has the one source that the rules for all artifacts give it."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dlm.errors import DlmError
from dlm.fetch.mirrors import sources
from dlm.model.artifact import Artifact
from dlm.model.manifest import FileWish, Resource
from dlm.model.request import RequestWish
from dlm.model.rewrite import RewriteRule
from dlm.model.url import Url
from dlm.resolve import direct

#: A rule for no address of these tests: with any rule at all, every address goes the long way.
ELSEWHERE = RewriteRule.of("https://elsewhere.example/*", ("https://mirror.example/{path}",))


class Values:
    """Every variable has one value."""

    def value(self, name: str, url: Url) -> str:
        return f"{name} of {url.host}"


PIECES = ("/", "a", "B.bin", "${X}", "$", "?", "=", "&", "token=1", "%20", "..", "@")
addresses = st.builds(
    lambda authority, pieces: f"https://{authority}/{''.join(pieces)}",
    st.sampled_from(("example.org", "127.0.0.1:80", "user:${X}@example.org")),
    st.lists(st.sampled_from(PIECES), max_size=6),
)
headers: st.SearchStrategy[Mapping[str, str]] = st.sampled_from(({}, {"X-Key": "${X}"}))


@given(addresses, headers)
@example("http://127.0.0.1:8099/b/000000.bin", {})
def test_a_plain_address_has_one_source(address: str, sent: Mapping[str, str]) -> None:
    artifact = Artifact(resource="r", filename="f", url=address, dest="f", headers=sent)
    assert asked(artifact) == asked(artifact, ELSEWHERE)


def asked(artifact: Artifact, *rules: RewriteRule) -> object:
    try:
        found = sources(artifact, Values(), rewrite=rules)
    except DlmError as error:
        return error.message
    # Secrets and the like are no part of a repr.
    return [(one, str(one.url), one.headers, one.secrets) for one in found]


@pytest.mark.parametrize(
    "resource",
    [
        Resource(name="r", url="https://example.org/{version}/a?b=c", version="1"),
        Resource(name="r", base="https://example.org/b/", files=(FileWish(name="x y"), FileWish(name="z/a"))),
        Resource(name="r", url="https://${DLM_AUTH_X}@example.org/a"),
        Resource(name="r", url="https://{user}example.org/a", vars={"user": "u@"}),
        Resource(name="r", url="https://example.org/a", headers={"A": "b"}),
        Resource(name="r", url="https://example.org/a", userinfo="u:p"),
        Resource(name="r", url="https://example.org/a", mirrors=("https://mirror.example/a",)),
    ],
)
def test_a_resource_that_adds_nothing_is_one_whose_artifacts_have_nothing_more(resource: Resource) -> None:
    more = [
        one
        for one in direct.artifacts(resource)
        if one.mirrors or one.headers or one.ask != RequestWish() or one.url != str(Url.parse(one.url))
    ]
    assert direct.adds_nothing(resource) == (not more)
