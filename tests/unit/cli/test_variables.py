"""``${NAME}``: a manifest gets the variables that are meant for it, and no other."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from dlm.cli.variables import EnvironmentVariables
from dlm.errors import PolicyError, UsageError
from dlm.model.hosts import HostSettings
from dlm.model.settings import Settings
from dlm.model.url import Url

ENVIRONMENT = {"DLM_AUTH_TOKEN": "hunter2", "AWS_SECRET_ACCESS_KEY": "hunter3", "EMPTY": "", "DLM_AUTH_EMPTY": ""}


ORG = Url.parse("https://example.org/a")


def variables(proxy: str | None = None, **allowed: str) -> EnvironmentVariables:
    """With names that the user allows, by host."""
    hosts = {host: HostSettings(variables=(name,)) for host, name in allowed.items()}
    return EnvironmentVariables(ENVIRONMENT, Settings(hosts=hosts, proxy=proxy))


@pytest.mark.promise(7)
def test_only_names_with_the_prefix_are_expanded() -> None:
    assert variables().value("DLM_AUTH_TOKEN", ORG) == "hunter2"
    with pytest.raises(PolicyError) as caught:
        variables().value("AWS_SECRET_ACCESS_KEY", Url.parse("https://evil.example/"))
    assert "hunter3" not in str(caught.value)
    assert "only names that begin with DLM_AUTH_ are" in caught.value.message
    assert "hosts: {evil.example: {variables: [AWS_SECRET_ACCESS_KEY]}}" in (caught.value.hint or "")


@pytest.mark.promise(7)
def test_the_user_allows_further_names_for_one_host() -> None:
    allowed = variables(**{"example.org": "AWS_SECRET_ACCESS_KEY"})
    assert allowed.value("AWS_SECRET_ACCESS_KEY", ORG) == "hunter3"
    with pytest.raises(PolicyError):
        allowed.value("AWS_SECRET_ACCESS_KEY", Url.parse("https://sub.example.org/"))


@pytest.mark.promise(7)
@pytest.mark.parametrize(
    ("entry", "address"),
    [
        ("https://example.org:8443", "http://example.org/a"),
        ("example.org:8443", "https://example.org/a"),
        ("example.org", "http://example.org/a"),
        ("example.org", "https://example.org:8443/a"),
        ("http://example.org", "https://example.org/a"),
        ("*.example.org", "http://sub.example.org/a"),
    ],
)
def test_what_the_user_allows_is_bound_to_an_origin(entry: str, address: str) -> None:
    allowed = variables(**{entry: "AWS_SECRET_ACCESS_KEY"})
    with pytest.raises(PolicyError) as caught:
        allowed.value("AWS_SECRET_ACCESS_KEY", Url.parse(address))
    # What the hint says to write does what it promises.
    hint = caught.value.hint or ""
    written: dict[str, Any] = yaml.safe_load(hint.partition("allow it: ")[2].removesuffix(" in your config.yaml"))
    [(key, given)] = written["hosts"].items()
    assert variables(**{key: given["variables"][0]}).value("AWS_SECRET_ACCESS_KEY", Url.parse(address)) == "hunter3"


@pytest.mark.promise(7)
def test_what_is_for_this_machine_does_not_go_through_another() -> None:
    here = Url.parse("http://localhost:8080/a")
    entry = {"localhost": "AWS_SECRET_ACCESS_KEY"}
    assert variables(**entry).value("AWS_SECRET_ACCESS_KEY", here) == "hunter3"
    assert variables("http://127.0.0.1:3128", **entry).value("AWS_SECRET_ACCESS_KEY", here) == "hunter3"
    with pytest.raises(PolicyError):
        variables("http://proxy.example:3128", **entry).value("AWS_SECRET_ACCESS_KEY", here)


@pytest.mark.parametrize("name", ["DLM_AUTH_MISSING", "DLM_AUTH_EMPTY"])
def test_a_variable_without_a_value_is_an_error(name: str) -> None:
    with pytest.raises(
        UsageError, match=f"the variable {name} is not set, and a request to example.org needs it"
    ) as caught:
        variables().value(name, ORG)
    assert caught.value.hint == f"export {name}=…"
