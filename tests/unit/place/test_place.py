"""Files of the tree come, change and go, each at one moment, and none that is not dlm's."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from dlm.errors import LocalError, PolicyError
from dlm.model.events import LinkFellBack, Placed, Removed
from dlm.place import link as link_module
from dlm.place import place as place_module
from tests.support.projects import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.mark.parametrize("link", ["auto", "copy", "reflink", "hardlink", "symlink"])
def test_each_link_mode_shows_the_blob_and_says_what_it_did(project: Project, link: str) -> None:
    done = project.sync({"vendor/a.bin": b"data" * 1000, "vendor/b.bin": b"b"}, link=link)
    assert project.files() == {"vendor/a.bin": b"data" * 1000, "vendor/b.bin": b"b"}
    assert done.folders == ("vendor",)
    modes = {placement.mode for placement in done.placements}
    fell_back = [event for event in project.heard.events if isinstance(event, LinkFellBack)]
    if link in {"copy", "hardlink", "symlink"}:
        assert modes == {link}
        assert fell_back == []
    else:
        assert modes <= {"copy", "reflink"}
        assert len(fell_back) == (1 if link == "reflink" and modes == {"copy"} else 0)
    path = project.root / "vendor" / "a.bin"
    assert path.is_symlink() == (link == "symlink")
    blob = Path(project.store.path_of(done.placements[0].sha256))
    assert path.samefile(blob) == (link in {"hardlink", "symlink"})


@pytest.mark.parametrize(("executable", "mode"), [(False, 0o644), (True, 0o755)])
def test_modes_follow_the_umask(project: Project, executable: bool, mode: int) -> None:
    old = os.umask(0o027)
    try:
        project.sync({"tool": b"#!/bin/sh\n"}, executable=executable)
    finally:
        os.umask(old)
    assert stat.S_IMODE((project.root / "tool").stat().st_mode) == mode & ~0o027


@pytest.mark.parametrize("link", ["hardlink", "symlink"])
def test_an_executable_is_never_a_link_to_a_blob_that_is_none(project: Project, link: str) -> None:
    project.sync({"tool": b"#!/bin/sh\n", "tool2": b"#!/bin/sh\n2"}, link=link, executable=True)
    assert os.access(project.root / "tool", os.X_OK)
    events = [event for event in project.heard.events if isinstance(event, LinkFellBack)]
    assert events == [LinkFellBack(link, "copy", "an executable file needs a mode of its own")]


@pytest.mark.parametrize(("link", "call"), [("hardlink", "link"), ("symlink", "symlink"), ("copy", "copy_file_range")])
@pytest.mark.parametrize("code", [errno.EXDEV, errno.EPERM])
def test_what_a_file_system_cannot_do_becomes_a_copy(
    project: Project, monkeypatch: pytest.MonkeyPatch, link: str, call: str, code: int
) -> None:
    project.blob(b"data")

    def cannot(*_: object, **__: object) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, call, cannot)
    done = project.sync({"a": b"data"}, link=link)
    assert [placement.mode for placement in done.placements] == ["copy"]
    assert project.files() == {"a": b"data"}
    assert any(isinstance(event, LinkFellBack) for event in project.heard.events) == (link != "copy")


@pytest.mark.promise(9)
@pytest.mark.parametrize("link", ["auto", "copy", "reflink"])
def test_what_is_done_to_a_copy_cannot_harm_the_cache(project: Project, link: str) -> None:
    project.sync({"a": b"data"}, link=link)
    blob = project.blob(b"data")
    (project.root / "a").write_bytes(b"evil")
    assert Path(blob.path).read_bytes() == b"data"
    assert project.store.get(blob.digests) == blob


@pytest.mark.promise(9)
@pytest.mark.parametrize("link", ["hardlink", "symlink"])
def test_harm_through_a_link_is_noticed_before_the_blob_is_used_again(project: Project, link: str) -> None:
    project.sync({"a": b"data"}, link=link)
    blob = project.blob(b"data")
    before = os.stat(blob.path)
    os.chmod(blob.path, 0o644)
    with open(project.root / "a", "r+b") as file:
        file.write(b"evil")
    os.utime(blob.path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert project.store.get(blob.digests) is None


def test_a_hard_link_to_the_same_blob_is_placed_again_without_a_leftover(project: Project) -> None:
    project.sync({"a": b"data"}, link="hardlink")
    project.sync({"a": b"data"}, link="hardlink")
    assert project.files() == {"a": b"data"}


def test_a_file_is_replaced_and_a_removed_one_goes_with_its_folders(project: Project) -> None:
    project.sync({"deep/er/a": b"1", "deep/b": b"2", "mine/c": b"3"})
    (project.root / "mine" / "notes.txt").write_text("mine")
    done = project.sync({"deep/b": b"two"}, remove=["deep/er/a", "mine/c"])
    assert project.files() == {"deep/b": b"two", "mine/notes.txt": b"mine"}
    assert done.folders_removed == ("deep/er",)
    assert project.state.folders == {"deep", "mine"}
    assert {event for event in project.heard.events if isinstance(event, Removed)} == {
        Removed("deep/er/a"),
        Removed("mine/c"),
    }
    project.sync({}, remove=["deep/b"])
    assert not (project.root / "deep").exists()
    assert dict(project.state.owned()) == {}


def test_a_folder_of_the_users_stays_when_it_becomes_empty(project: Project) -> None:
    (project.root / "theirs").mkdir()
    project.sync({"theirs/a": b"1"})
    project.sync({}, remove=["theirs/a"])
    assert (project.root / "theirs").is_dir()


@pytest.mark.fault("L12")
@pytest.mark.promise(5)
def test_a_file_that_changes_while_dlm_is_at_work_is_left_alone(tmp_path: Path) -> None:
    class Editor:
        """Edits the next files when the first one has been placed."""

        def emit(self, event: object) -> None:
            if isinstance(event, Placed) and event.dest == "a":
                (root / "b").write_bytes(b"edited")
                (root / "new").write_bytes(b"also mine")
                (root / "gone").write_bytes(b"edited as well")

    project = Project(tmp_path)
    root = project.root
    project.sync({"a": b"1", "b": b"1", "gone": b"1"})
    project.reporter = Editor()
    done = project.sync({"a": b"2", "b": b"2", "new": b"2"}, remove=["gone"])
    assert {conflict.dest for conflict in done.left} == {"b", "new", "gone"}
    assert project.files() == {"a": b"2", "b": b"edited", "new": b"also mine", "gone": b"edited as well"}
    assert set(project.state.owned()) >= {"a", "b"}
    project.reporter = project.heard
    project.sync({"b": b"2", "new": b"2"}, remove=["gone"], force=True)
    assert project.files() == {"a": b"2", "b": b"2", "new": b"2"}


@pytest.mark.promise(5)
def test_a_removal_trusts_the_bytes_where_the_signature_is_another(project: Project) -> None:
    project.sync({"a": b"1"})
    os.utime(project.root / "a")
    assert project.sync({}, remove=["a"]).removed == ("a",)
    assert project.files() == {}


@pytest.mark.fault("L13")
def test_a_folder_or_a_fifo_is_never_replaced(project: Project) -> None:
    project.sync({"a": b"1", "b": b"1"})
    for name in ("a", "b"):
        (project.root / name).unlink()
    (project.root / "a").mkdir()
    os.mkfifo(project.root / "b")
    done = project.sync({"a": b"2", "b": b"2"}, force=True)
    assert len(done.errors) == 2
    assert all(str(project.root) in error.message for error in done.errors)
    assert (project.root / "a").is_dir()
    assert stat.S_ISFIFO((project.root / "b").stat().st_mode)
    assert sorted(os.listdir(project.root)) == ["a", "b"]


@pytest.mark.fault("L13")
def test_a_parent_that_is_a_file_stops_everything_before_it_begins(project: Project) -> None:
    (project.root / "file").write_text("mine")
    with pytest.raises(LocalError, match="file is not a folder"):
        project.sync({"new/a": b"1", "file/b": b"1"})
    assert project.files() == {"file": b"mine"}
    assert not (project.root / "new").exists()


@pytest.mark.promise(6)
def test_a_parent_that_leads_out_is_refused_unless_it_is_allowed(project: Project, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (project.root / "data").symlink_to(outside)
    with pytest.raises(PolicyError, match="leads out of the project"):
        project.sync({"data/a": b"1"})
    assert os.listdir(outside) == []
    project.allow = (str(outside),)
    project.sync({"data/a": b"1", "data/deep/b": b"2"})
    assert (outside / "a").read_bytes() == b"1"
    assert (outside / "deep" / "b").read_bytes() == b"2"


@pytest.mark.promise(6)
def test_a_link_inside_the_project_is_followed(project: Project) -> None:
    (project.root / "real" / "inner").mkdir(parents=True)
    (project.root / "link").symlink_to("real/inner")
    project.sync({"link/a": b"1"})
    assert (project.root / "real" / "inner" / "a").read_bytes() == b"1"
    (project.root / "nothing").symlink_to("nowhere")
    with pytest.raises(LocalError, match="leads to nothing"):
        project.sync({"nothing/a": b"1"})


@pytest.mark.promise(6)
@pytest.mark.parametrize("dest", ["../a", "x/../../a", "/a", "x//a", "./a", "x/.."])
def test_a_path_that_could_lead_out_is_refused(project: Project, dest: str, tmp_path: Path) -> None:
    found = project.look(dest)[dest]
    assert found.problem is not None
    assert found.policy
    with pytest.raises(PolicyError):
        project.sync({dest: b"1"})
    assert not (tmp_path / "a").exists()


@pytest.mark.promise(6)
def test_a_parent_that_is_swapped_for_a_link_writes_nothing_outside(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()

    class Swapper:
        """Swaps the parent of the next file for a link, once the first file is placed."""

        def emit(self, event: object) -> None:
            if isinstance(event, Placed) and event.dest == "first":
                os.rename(root / "data", root / "moved")
                (root / "data").symlink_to(outside)

    project = Project(tmp_path)
    root = project.root
    (project.root / "data").mkdir()
    project.reporter = Swapper()
    project.sync({"first": b"1", "data/second": b"2"})
    assert os.listdir(outside) == []


@pytest.mark.fault("L21")
def test_the_temporary_name_is_not_what_makes_a_name_too_long(project: Project) -> None:
    long = "x" * 255
    project.sync({long: b"1"})
    assert project.files() == {long: b"1"}
    with pytest.raises(LocalError, match="File name too long") as caught:
        project.sync({"x" * 256: b"1"})
    assert "shorter dest" in str(caught.value.hint)
    deep = "/".join(["y" * 200] * 30)
    project.sync({deep: b"deeper than PATH_MAX"})
    assert project.look(deep)[deep].kind == "file"


@pytest.mark.fault("L14")
def test_a_file_that_another_program_has_open_is_tried_again(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.sync({"a": b"1"})
    real = os.replace
    refused: list[str] = []

    def busy(old: str, new: str, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None) -> None:
        if new == "a" and len(refused) < 3:
            refused.append(new)
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        real(old, new, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

    monkeypatch.setattr(place_module, "_REFUSES_OPEN_FILES", True)
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", busy)
        project.sync({"a": b"2"})
    assert project.files() == {"a": b"2"}
    assert len(project.clock.slept) == len(refused) == 3


@pytest.mark.fault("L14")
def test_a_file_that_stays_open_is_an_error_and_the_old_one_is_whole(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.sync({"a": b"1", "b": b"1"})
    real = os.replace

    def busy(old: str, new: str, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None) -> None:
        if new == "a":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        real(old, new, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", busy)
        done = project.sync({"a": b"2", "b": b"2"})
    assert [error.message for error in done.errors] == [f"cannot replace {project.root / 'a'}: Permission denied"]
    assert project.files() == {"a": b"1", "b": b"2"}


@pytest.mark.fault("L02")
@pytest.mark.promise(2)
@pytest.mark.parametrize("count", [2, 40])
@pytest.mark.parametrize("failing", ["flush", "space"])
def test_what_fails_while_files_are_made_ready_changes_nothing(
    project: Project, monkeypatch: pytest.MonkeyPatch, count: int, failing: str
) -> None:
    project.sync({"old": b"1"})
    wanted = {"old": b"2"} | {f"new/{number}": b"%d" % number for number in range(count)}
    for data in wanted.values():
        project.blob(data)

    def full(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        if failing == "space":
            patch.setattr(link_module, "_copy", full)
        elif count > 16:
            patch.setattr("dlm.place.flush._flush_system", full)
        else:
            patch.setattr("dlm.place.flush.os.fsync", _failing_for_files(full))
        with pytest.raises(LocalError, match="No space left") as caught:
            project.sync(wanted)
    assert str(project.root) in caught.value.message
    assert project.files() == {"old": b"1"}
    assert os.listdir(project.root) == ["old"]
    project.sync(wanted)
    assert project.files() == wanted


def _failing_for_files(full: object) -> object:
    real = os.fsync

    def fsync(descriptor: int) -> None:
        # The journal is flushed as well; only files that are being placed are to fail.
        if os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}")).startswith(".dlm-"):
            assert callable(full)
            full()
        real(descriptor)

    return fsync


def test_many_files_are_flushed_together(project: Project) -> None:
    wanted = {f"d{number % 5}/{number}": b"%d" % number for number in range(100)}
    assert len(project.sync(wanted).placements) == 100
    assert project.files() == wanted
