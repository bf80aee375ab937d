"""``dlm sync --dry-run``: resolved, surveyed, planned and said; and nothing is fetched or written."""

from __future__ import annotations

import hashlib
import shutil
from typing import Any

import pytest

from dlm.cli.host import host_platform
from tests.functional.test_extract import NEWER, offer, resource
from tests.support.cli import Desk
from tests.support.world import World

A, B, NEW = b"a" * 500, b"b" * 700, b"new" * 300


@pytest.fixture
def project(world: World, desk: Desk) -> Desk:
    """A selector, a URL, and one with a file for this platform and one for another; nothing is locked."""
    world.file("/a.csv", A)
    for name in ("here", "there"):
        world.file(f"/tool-{name}.bin", B + name.encode())
    desk.manifest(
        f"""version: 1
resources:
  - {{name: cpython, selector: "python:3.13.*:source-release:xz", dest: vendor/}}
  - {{url: "{world.url}/a.csv", groups: [data]}}
  - name: tool
    url: "{world.url}/tool-{{kind}}.bin"
    dest: tool.bin
    platforms: {{{host_platform()}: {{kind: here}}, plan9-mips: {{kind: there}}}}
"""
    )
    return desk


def written(desk: Desk) -> dict[str, bytes]:
    """The lockfile, the tree, the state, and the blobs."""
    found = [*desk.root.rglob("*"), *desk.state.rglob("*"), *(desk.cache / "blobs").rglob("*")]
    kept = (one for one in found if one.is_file() and one.name != "downloads.yaml")
    return {str(one.relative_to(desk.base)): one.read_bytes() for one in kept}


def dry(desk: Desk, *flags: str, code: int = 0) -> dict[str, Any]:
    """What a dry run would do; it leaves nothing but what it learned of listings."""
    before = written(desk)
    run = desk.dlm("sync", "--dry-run", "--format", "json", *flags)
    assert run.code == code, str(run)
    assert written(desk) == before
    found: dict[str, Any] = run.document
    return found


def dests(document: dict[str, Any]) -> list[str]:
    return [one["dest"] for one in document["result"]["placed"]]


def names(document: dict[str, Any]) -> list[str]:
    return sorted(one["filename"] for one in document["result"]["missing"])


def test_what_is_not_locked_is_looked_up_and_planned(project: Desk, world: World) -> None:
    planned = dry(project)["result"]
    asked = set(world.paths)
    assert asked
    assert not any(path.endswith((".csv", ".bin", ".xz")) for path in asked)
    assert [(one["name"], one["action"], one["details"]) for one in planned["changes"]] == [
        ("a.csv", "added", ["a.csv would be fetched"]),
        ("cpython", "added", ["Python-3.13.15.tar.xz would be fetched"]),
        ("tool", "added", ["tool-here.bin would be fetched", "tool-there.bin would be fetched"]),
    ]
    # All platforms are locked, so their files are fetched, too.
    assert sorted(one["filename"] for one in planned["missing"]) == [
        "Python-3.13.15.tar.xz", "a.csv", "tool-here.bin", "tool-there.bin",
    ]  # fmt: skip
    done = project.dlm("sync", "--format", "json").ok().document["result"]
    assert [one["dest"] for one in planned["placed"]] == [one["dest"] for one in done["placed"]]
    assert len(planned["missing"]) == done["fetched"]
    assert dry(project)["result"]["changes"] == []


def test_it_says_so(project: Desk) -> None:
    said = project.dlm("sync", "--dry-run").ok().err
    assert "Would lock: 3 added." in said
    assert "Would fetch 4 files (of unknown size)." in said
    assert "Would place 3 files, would remove 0, kept 0." in said
    assert " + vendor/Python-3.13.15.tar.xz" in said


def test_a_stale_entry_is_planned_by_what_it_would_become(project: Desk, world: World) -> None:
    project.dlm("sync").ok()
    text = (project.root / "downloads.yaml").read_text(encoding="utf-8")
    world.file("/b.csv", NEW)
    project.manifest(
        text.replace("3.13.*", "3.12.*").replace(
            f'"{world.url}/a.csv"', f'"{world.url}/b.csv", name: a.csv, dest: a.csv'
        )
    )
    planned = dry(project)
    assert dests(planned) == ["a.csv", "vendor/Python-3.12.14.tar.xz"]
    assert [one["replaced"] for one in planned["result"]["placed"]] == [True, False]
    assert planned["result"]["removed"] == ["vendor/Python-3.13.15.tar.xz"]
    assert names(planned) == ["Python-3.12.14.tar.xz", "b.csv"]
    done = project.dlm("sync", "--format", "json").ok().document
    assert (dests(done), done["result"]["removed"]) == (dests(planned), planned["result"]["removed"])


def test_what_the_manifest_knows_is_known(world: World, desk: Desk) -> None:
    sha256, sha512 = (getattr(hashlib, name)(A).hexdigest() for name in ("sha256", "sha512"))
    world.file("/a.csv", A)
    desk.manifest(
        f"version: 1\nresources:\n- {{url: '{world.url}/a.csv', sha256: {sha256}, size: {len(A)}}}\n"
        f"- {{name: b, url: '{world.url}/b.csv', digests: {{sha512: {sha512}}}}}\n"
    )
    planned = dry(desk)
    assert [one["details"] for one in planned["result"]["changes"]] == [[], ["b.csv would be fetched"]]
    assert {one["filename"]: one["size"] for one in planned["result"]["missing"]} == {"a.csv": len(A), "b.csv": None}
    assert "Would fetch 2 files (500 B and 1 of unknown size)." in desk.dlm("sync", "--dry-run").err
    assert world.count == 0
    (desk.root / "b.csv").write_bytes(A)
    assert [one["dest"] for one in dry(desk)["result"]["differs"]] == ["b.csv"]
    (desk.root / "b.csv").unlink()
    world.file("/b.csv", A)
    desk.dlm("lock").ok()
    desk.lockfile.unlink()
    assert names(dry(desk)) == []
    (desk.root / "b.csv").write_bytes(A)
    planned = dry(desk)
    assert (dests(planned), planned["result"]["kept"]) == (["a.csv"], 1)


def test_a_file_that_may_be_the_same_stops_no_dry_run(project: Desk) -> None:
    (project.root / "a.csv").write_bytes(A)
    planned = dry(project)
    assert dests(planned) == ["vendor/Python-3.13.15.tar.xz", "tool.bin"]
    (differs,) = planned["result"]["differs"]
    assert (differs["dest"], "unless it is what would be fetched" in differs["reason"]) == ("a.csv", True)
    assert " ! a.csv: a file stands there that dlm did not place, and a sync" in project.dlm("sync", "--dry-run").err
    assert dests(dry(project, "--force")) == ["a.csv", "vendor/Python-3.13.15.tar.xz", "tool.bin"]
    (project.root / "tool.bin").mkdir()
    planned = dry(project, code=1)
    assert [one["message"] for one in planned["errors"]] == ["tool.bin: a folder stands there"]
    assert " ! a.csv: a file stands there" in project.dlm("sync", "--dry-run").err


def test_an_archive_is_planned_as_the_folder_that_it_becomes(world: World, desk: Desk) -> None:
    desk.manifest(resource(offer(world)))
    assert dests(dry(desk)) == ["vendor/tool"]
    desk.dlm("sync").ok()
    desk.manifest(resource(offer(world, NEWER, "/tool-2.0.tar.gz")))
    planned = dry(desk)
    assert [(one["dest"], one["replaced"]) for one in planned["result"]["placed"]] == [("vendor/tool", True)]


def test_the_modes_keep_their_meaning(project: Desk, world: World) -> None:
    for flags, code in ((("--locked",), 3), (("--frozen",), 3), (("--check",), 3)):
        before = world.count
        assert project.dlm("sync", "--dry-run", *flags).code == code
        assert world.count == before
    found = dry(project, "--offline", code=5)
    assert world.count == 0
    assert [one["resource"] for one in found["errors"]] == ["cpython", "a.csv", "tool", "tool"]
    project.dlm("lock").ok()
    count = world.count
    text = (project.root / "downloads.yaml").read_text(encoding="utf-8")
    project.manifest(text + f"  - {world.url}/more.csv\n")
    assert project.dlm("sync", "--dry-run", variables={"CI": "1"}).code == 3
    assert "more.csv is not in the cache" in project.dlm("sync", "--dry-run", "--offline").err
    assert world.count == count
    project.manifest(text)
    assert dests(dry(project, "--offline")) == ["a.csv", "vendor/Python-3.13.15.tar.xz", "tool.bin"]
    shutil.rmtree(project.cache)
    found = dry(project, "--offline", code=5)
    assert [one["resource"] for one in found["errors"]] == ["a.csv", "cpython", "tool"]
    assert dests(found) == ["a.csv", "vendor/Python-3.13.15.tar.xz", "tool.bin"]


def test_lock_says_the_same_of_offline(project: Desk, world: World) -> None:
    run = project.dlm("lock", "--dry-run", "--offline")
    assert (run.code, world.count) == (5, 0)
    assert run.err.count("forbids") == 4


def test_a_group_narrows_what_is_placed_and_not_what_is_locked(project: Desk) -> None:
    planned = dry(project, "--group", "data")
    assert dests(planned) == ["a.csv"]
    assert len(planned["result"]["missing"]) == 4
    assert len(planned["result"]["changes"]) == 3


def test_what_cannot_be_looked_up_is_an_error_beside_the_rest(project: Desk, world: World) -> None:
    text = (project.root / "downloads.yaml").read_text(encoding="utf-8")
    project.manifest(text + "  - python:9.9.*\n  - {selector: 'python:9.8.*', optional: true}\n")
    planned = dry(project, code=1)
    assert [one["resource"] for one in planned["errors"]] == ["python-9.9.x-source-release-xz"]
    assert len(planned["warnings"]) == 1
    assert dests(planned) == ["a.csv", "vendor/Python-3.13.15.tar.xz", "tool.bin"]


def test_an_entry_that_fails_keeps_its_place(project: Desk, world: World) -> None:
    project.dlm("sync").ok()
    text = (project.root / "downloads.yaml").read_text(encoding="utf-8")
    project.manifest(text.replace("3.13.*", "9.9.*"))
    assert dry(project, code=1)["result"]["removed"] == []
