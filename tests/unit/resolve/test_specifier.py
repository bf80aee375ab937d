"""Which folders a SPEC needs: none that matters is left out."""

from __future__ import annotations

import pytest
from packaging.version import Version

from dlm.model.selector import Selector
from dlm.resolve.python_org.names import ArtifactName, classify, release_of
from dlm.resolve.specifier import Spec
from tests.support.python_org.records import records

VERSIONS = sorted(
    {found.version for record in records() if isinstance(found := classify(record.name, record.folder), ArtifactName)}
)
SPECS = [
    "latest", "3.13", "3.*", "2.7", "3.13.2", "==2.7", "3.14.0rc1", "3.14.0rc*", "3.14.0a*", ">=3.12,<3.14", "~=3.12.1",
    ">=3.14.0b1", "<3.14.0b2,>=3.13", ">3.13.0rc1", "!=3.14.0,>=3.14.0a1", "<=2.0", "===2.7.18", "==3.9.3", "<3.0a3",
]  # fmt: skip


@pytest.mark.parametrize("pre", ["", ":source:xz:pre"])
@pytest.mark.parametrize("text", SPECS)
def test_no_folder_of_a_match_is_left_out(text: str, pre: str) -> None:
    spec = Spec.of(Selector.parse(f"python:{text}{pre}"))
    for version in VERSIONS:
        if spec.reason_against(Version(version)) is None:
            release = release_of(version)
            assert release is not None
            assert spec.may_match(Version("{}.{}.{}".format(*release))), version


def test_few_folders_that_cannot_match_are_kept() -> None:
    releases = {Version("{}.{}.{}".format(*release)) for version in VERSIONS if (release := release_of(version))}

    def kept(text: str) -> int:
        spec = Spec.of(Selector.parse(f"python:{text}"))
        return sum(spec.may_match(release) for release in releases)

    assert kept("3.13.2") == 1
    assert kept("3.14.0rc1") == 1
    assert kept("3.14.0rc*") == 1
    assert kept("3.12.*") == 15
    assert kept("latest") == len(releases)


def test_what_a_spec_names() -> None:
    assert Spec.of(Selector.parse("python:3.9.3")).exact == Version("3.9.3")
    assert Spec.of(Selector.parse("python:==2.7")).exact == Version("2.7.0")
    assert Spec.of(Selector.parse("python:3.9.*")).exact is None
    assert not Spec.of(Selector.parse("python:!=3.9.0rc1")).pre
    assert Spec.of(Selector.parse("python:>=3.9.0rc1")).pre
