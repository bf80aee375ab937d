"""The survey sees every change to a file, and reads none that did not change."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dlm.place import survey
from dlm.place.survey import look, missing_folders
from tests.support.projects import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def sha256(project: Project, data: bytes) -> str:
    return project.blob(data).sha256


def test_what_was_placed_is_known_without_reading_it(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.sync({"d/a": b"data"})

    def read(*_: object) -> str:
        raise AssertionError("it was read")

    with monkeypatch.context() as patch:
        patch.setattr(survey, "hash_name", read)
        found = project.look()["d/a"]
    assert (found.kind, found.sha256, found.executable) == ("file", sha256(project, b"data"), False)
    assert found.placement == project.state.owned()["d/a"].placement


@pytest.mark.promise(5)
@pytest.mark.parametrize("link", ["copy", "hardlink"])
def test_an_edit_is_seen_even_with_its_times_set_back(project: Project, link: str) -> None:
    project.sync({"a": b"data"}, link=link)
    path = project.root / "a"
    before = path.stat()
    path.chmod(0o644)
    with open(path, "r+b") as file:
        file.write(b"evil")
    if link == "copy":
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert project.look()["a"].sha256 == sha256(project, b"evil")


def test_a_touched_file_is_read_and_found_unchanged(project: Project) -> None:
    project.sync({"a": b"data"})
    os.utime(project.root / "a")
    found = project.look()["a"]
    assert found.sha256 == sha256(project, b"data")
    assert found.placement != project.state.owned()["a"].placement
    os.chmod(project.root / "a", 0o755)
    found = project.look()["a"]
    assert found.executable
    assert found.sha256 == sha256(project, b"data")


@pytest.mark.parametrize("whole_seconds", [True, False])
def test_a_file_as_young_as_the_state_is_read(project: Project, whole_seconds: bool) -> None:
    project.sync({"a": b"data"})
    path = project.root / "a"
    stamp = 1_700_000_000_000_000_000 + (0 if whole_seconds else 5)
    os.utime(path, ns=(stamp, stamp))
    placement = project.look()["a"].placement
    assert placement is not None
    project.state.finish([placement])
    reads: list[str] = []
    real = survey.hash_name

    def counted(*arguments: object) -> str:
        reads.append("read")
        return real(*arguments)  # type: ignore[arg-type]

    owned = project.state.owned()
    tick = 2_000_000_000 if whole_seconds else 10_000_000
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(survey, "hash_name", counted)
        for written_ns in (stamp, stamp + tick // 2, stamp + tick):
            look(str(project.root), ["a"], owned, written_ns=written_ns)
            assert reads == ["read"]
            reads.clear()
        look(str(project.root), ["a"], owned, written_ns=stamp + tick + 1)
        assert reads == []
        look(str(project.root), ["a"], owned, written_ns=stamp + tick + 1, rehash=True)
        assert reads == ["read"]


@pytest.mark.fault("L13")
def test_folders_devices_and_fifos_are_told_and_not_opened(project: Project) -> None:
    (project.root / "folder").mkdir()
    os.mkfifo(project.root / "fifo")
    (project.root / "file").write_text("")
    found = project.look("folder", "fifo", "file/below", "missing/below", "missing")
    kinds = {dest: (one.kind, one.problem is not None, one.policy) for dest, one in found.items()}
    assert kinds == {
        "folder": ("directory", False, False),
        "fifo": ("other", False, False),
        "file/below": ("absent", True, False),
        "missing/below": ("absent", False, False),
        "missing": ("absent", False, False),
    }
    assert "is not a folder" in str(found["file/below"].problem)


def test_dlms_own_link_shows_its_blob_and_a_strangers_does_not(project: Project) -> None:
    project.sync({"a": b"data"}, link="symlink")
    found = project.look()["a"]
    assert (found.kind, found.sha256) == ("symlink", sha256(project, b"data"))
    assert found.placement is not None
    (project.root / "b").write_text("data")
    (project.root / "theirs").symlink_to("b")
    found = project.look("theirs")["theirs"]
    assert (found.kind, found.sha256, found.problem) == ("symlink", None, None)


def test_a_link_into_a_store_that_has_moved_is_dlms_but_shows_nothing(project: Project) -> None:
    project.sync({"a": b"data"}, link="symlink")
    found = look(str(project.root), ["a"], project.state.owned(), blob_path=lambda sha256: f"/elsewhere/{sha256}")["a"]
    assert (found.kind, found.sha256, found.placement) == ("symlink", sha256(project, b"data"), None)


@pytest.mark.promise(6)
def test_links_that_lead_out_are_told_as_a_matter_of_policy(project: Project, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").write_text("")
    (project.root / "file").symlink_to(tmp_path / "outside" / "file")
    (project.root / "folder").symlink_to(tmp_path / "outside")
    for found in project.look("file", "folder/file").values():
        assert found.policy
        assert "leads out of the project" in str(found.problem)
    project.allow = (str(tmp_path / "outside"),)
    found_below = project.look("folder/file")["folder/file"]
    assert (found_below.kind, found_below.problem) == ("file", None)


def test_missing_folders_come_outer_ones_first(project: Project) -> None:
    (project.root / "there").mkdir()
    assert missing_folders(str(project.root), ["a/b/c", "a/x", "there/y/z", "top"]) == ("a", "a/b", "there/y")
