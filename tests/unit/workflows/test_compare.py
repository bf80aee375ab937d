"""Two lockfiles next to each other."""

from __future__ import annotations

from dataclasses import replace

from dlm.model.digest import Digests
from dlm.model.lockfile import LockedArtifact, LockEntry, Lockfile
from dlm.workflows.compare import compare


def artifact(version: str, platform: str | None = None) -> LockedArtifact:
    return LockedArtifact(
        filename=f"tool-{version}",
        url=f"https://example.org/{platform}/tool-{version}",
        dest="tool",
        size=1,
        digests=Digests.from_mapping({"sha256": version.replace(".", "").ljust(64, "0")}),
        platform=platform,
        version=version,
    )


def lockfile(*artifacts: LockedArtifact, name: str = "tool", **request: str) -> Lockfile:
    return Lockfile(entries={name: LockEntry(name=name, request=request, artifacts=artifacts)})


def test_what_is_the_same_is_no_difference() -> None:
    assert compare(lockfile(artifact("1.0")), lockfile(artifact("1.0"))) == ()
    assert compare(Lockfile(), Lockfile()) == ()


def test_a_new_version_stands_beside_the_old_one_of_its_platform() -> None:
    old = lockfile(artifact("1.0", "linux"), artifact("1.0", "macos"))
    new = lockfile(artifact("1.1", "macos"), artifact("1.1", "linux"), url="x")
    (found,) = compare(old, new)
    assert (found.action, found.versions, found.request) == ("changed", ("1.0", "1.1"), ("url",))
    assert [(one.old and one.old.platform, one.new and one.new.platform) for one in found.files] == [
        ("linux", "linux"),
        ("macos", "macos"),
    ]
    assert {name for name, _, _ in found.files[0].fields} == {"version", "url", "sha256"}


def test_files_that_came_and_went() -> None:
    (found,) = compare(lockfile(artifact("1.0"), artifact("1.1")), lockfile(artifact("1.1"), artifact("1.2", "linux")))
    assert [(one.old and one.old.version, one.new and one.new.version) for one in found.files] == [
        ("1.0", None),
        (None, "1.2"),
    ]


def test_headers_alone() -> None:
    one = artifact("1.0")
    (found,) = compare(lockfile(one), lockfile(replace(one, headers={"etag": '"b"'}, verified=False)))
    assert found.files[0].fields == (("etag", None, '"b"'), ("verified", None, "no"))


def test_entries_that_came_and_went() -> None:
    found = compare(lockfile(artifact("1.0"), name="a"), lockfile(artifact("1.0"), name="b"))
    assert [(one.name, one.action) for one in found] == [("a", "removed"), ("b", "added")]
