"""Finding a project's documents, reading them, and replacing the lockfile atomically."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from dlm.cli.files import find_project, write_atomically
from dlm.errors import LocalError, UsageError
from tests.support.processes import start


def touch(path: Path, text: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["downloads.yaml", "downloads.yml"])
def test_the_manifest_is_found_from_below(tmp_path: Path, name: str) -> None:
    touch(tmp_path / name)
    (tmp_path / "a" / "b").mkdir(parents=True)
    files = find_project(str(tmp_path / "a" / "b"), None)
    assert files.root == str(tmp_path)
    assert (files.manifest_name, files.lockfile_name) == (name, "downloads.lock")
    assert files.read_manifest() == b"x"
    assert files.read_lockfile() is None


def test_both_spellings_are_an_error(tmp_path: Path) -> None:
    touch(tmp_path / "downloads.yaml")
    touch(tmp_path / "downloads.yml")
    with pytest.raises(UsageError, match=r"holds both downloads\.yaml and downloads\.yml") as caught:
        find_project(str(tmp_path), None)
    assert caught.value.hint == "remove one of them"


@pytest.mark.parametrize("mark", [".git", ".hg", ".jj"])
def test_the_search_ends_at_the_root_of_the_repository(tmp_path: Path, mark: str) -> None:
    touch(tmp_path / "downloads.yaml")
    (tmp_path / "repository" / mark).mkdir(parents=True)
    (tmp_path / "repository" / "deep").mkdir()
    with pytest.raises(UsageError, match=r"no downloads\.yaml in .*deep or above it") as caught:
        find_project(str(tmp_path / "repository" / "deep"), None)
    assert "dlm init" in (caught.value.hint or "")
    touch(tmp_path / "repository" / "downloads.yaml")
    assert find_project(str(tmp_path / "repository" / "deep"), None).root == str(tmp_path / "repository")


def test_a_worktree_has_a_file_of_that_name(tmp_path: Path) -> None:
    touch(tmp_path / "downloads.yaml")
    touch(tmp_path / "worktree" / ".git", "gitdir: elsewhere")
    with pytest.raises(UsageError):
        find_project(str(tmp_path / "worktree"), None)


def test_a_manifest_can_be_named(tmp_path: Path) -> None:
    touch(tmp_path / "sub" / "other.yaml", "named")
    files = find_project(str(tmp_path), "sub/other.yaml")
    assert files.root == str(tmp_path / "sub")
    assert (files.manifest_name, files.lockfile_name) == ("other.yaml", "other.lock")
    assert files.lockfile_path == str(tmp_path / "sub" / "other.lock")
    with pytest.raises(UsageError, match=r"sub/missing\.yaml does not exist"):
        find_project(str(tmp_path), "sub/missing.yaml")


def test_a_lockfile_alone_is_enough_where_no_manifest_is_needed(tmp_path: Path) -> None:
    touch(tmp_path / ".git" / "x")
    touch(tmp_path / "downloads.lock", "locked")
    with pytest.raises(UsageError):
        find_project(str(tmp_path), None)
    files = find_project(str(tmp_path), None, need_manifest=False)
    assert files.read_lockfile() == b"locked"
    with pytest.raises(UsageError, match=r"no downloads\.yaml"):
        files.read_manifest()


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no folder"):
        find_project(str(tmp_path / "missing"), None)


@pytest.mark.fault("L05")
def test_a_manifest_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "downloads.yaml").mkdir()
    files = find_project(str(tmp_path), None)
    with pytest.raises(LocalError, match=r"downloads\.yaml cannot be read: Is a directory"):
        files.read_manifest()


def test_a_manifest_that_goes_away_in_between(tmp_path: Path) -> None:
    path = touch(tmp_path / "downloads.yaml")
    files = find_project(str(tmp_path), None)
    path.unlink()
    with pytest.raises(UsageError, match="does not exist"):
        files.read_manifest()


@pytest.mark.fault("L03")
def test_writing_replaces_the_whole_file_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = touch(tmp_path / "downloads.lock", "old")
    path.chmod(0o640)
    before = path.stat().st_ino
    write_atomically(str(path), b"new")
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert path.stat().st_ino != before
    assert [one.name for one in tmp_path.iterdir()] == ["downloads.lock"]


def test_a_new_file_follows_the_umask(tmp_path: Path) -> None:
    path = tmp_path / "downloads.lock"
    write_atomically(str(path), b"new")
    plain = touch(tmp_path / "plain")
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


def test_a_link_is_followed_to_the_file_it_names(tmp_path: Path) -> None:
    target = touch(tmp_path / "elsewhere" / "real.lock", "old")
    link = tmp_path / "downloads.lock"
    link.symlink_to(target)
    write_atomically(str(link), b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


@pytest.mark.promise(6)
def test_a_link_that_came_with_a_repository_makes_no_file_elsewhere(tmp_path: Path) -> None:
    link = tmp_path / "downloads.lock"
    link.symlink_to(tmp_path / "autostart")
    with pytest.raises(LocalError, match="which does not exist"):
        write_atomically(str(link), b"new")
    assert not (tmp_path / "autostart").exists()


@pytest.mark.fault("L13")
def test_what_is_no_file_is_left_as_it_is(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    link = tmp_path / "downloads.lock"
    link.symlink_to(fifo)
    for path in (fifo, link, tmp_path):
        with pytest.raises(LocalError, match="is no file and is left as it is"):
            write_atomically(str(path), b"new")
    assert stat.S_ISFIFO(fifo.stat().st_mode)


@pytest.mark.fault("L02")
def test_a_failing_flush_is_a_failed_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = touch(tmp_path / "downloads.lock", "old")

    def fail(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(LocalError, match="cannot be written: Input/output error") as caught:
        write_atomically(str(path), b"new")
    assert caught.value.code == 1
    assert path.read_bytes() == b"old"
    assert [one.name for one in tmp_path.iterdir()] == ["downloads.lock"]


@pytest.mark.fault("L05")
def test_a_folder_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match="cannot be written: No such file or directory"):
        write_atomically(str(tmp_path / "missing" / "downloads.lock"), b"new")


#: Writes b"theirs" to the path it is given, and says a line before each event named behind that; then it waits for one.
WRITER = """
import sys
path, *events = sys.argv[1:]
def hook(event, args):
    if events and event == events[0]:
        events.pop(0)
        print(event, flush=True)
        input()
sys.addaudithook(hook)
from dlm.cli.files import write_atomically
write_atomically(path, b"theirs")
print("written")
"""
DRAFT = ".dlm-draft-0123456789ab.tmp"


def names(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


@pytest.mark.promise(3)
@pytest.mark.parametrize("mode", [0o644, 0o444])
def test_the_next_writer_removes_what_a_killed_one_left(tmp_path: Path, mode: int) -> None:
    path = touch(tmp_path / "downloads.lock", "old")
    path.chmod(mode)
    for _ in range(2):
        with start(WRITER, path, "os.rename") as program:
            assert program.line() == "os.rename"
            program.kill()
        draft, lockfile = names(tmp_path)
        assert (draft.startswith(".dlm-"), lockfile) == (True, "downloads.lock")
        assert path.read_bytes() == b"old"
    # Whatever document it was to become: a manifest's goes with the next lockfile.
    write_atomically(str(tmp_path / "downloads.yaml"), b"new")
    assert names(tmp_path) == ["downloads.lock", "downloads.yaml"]


@pytest.mark.promise(3)
def test_the_draft_of_a_writer_that_lives_is_its_own(tmp_path: Path) -> None:
    path = touch(tmp_path / "downloads.lock", "old")
    with start(WRITER, path, "os.rename") as program:
        assert program.line() == "os.rename"
        draft = names(tmp_path)[0]
        write_atomically(str(path), b"ours")
        assert names(tmp_path) == [draft, "downloads.lock"]
        assert path.read_bytes() == b"ours"
        program.tell("")
        assert program.end() == "written\n"
    assert path.read_bytes() == b"theirs"
    assert names(tmp_path) == ["downloads.lock"]


@pytest.mark.promise(3)
def test_a_draft_that_is_taken_for_a_dead_one_is_made_again(tmp_path: Path) -> None:
    """Another writer comes between the making of a draft and its lock."""
    path = touch(tmp_path / "downloads.lock", "old")
    with start(WRITER, path, "fcntl.flock", "os.rename") as program:
        assert program.line() == "fcntl.flock"
        assert len(names(tmp_path)) == 2
        write_atomically(str(path), b"ours")
        assert names(tmp_path) == ["downloads.lock"]
        program.tell("")
        assert program.line() == "os.rename"
        write_atomically(str(path), b"ours again")
        program.tell("")
        assert program.end() == "written\n"
    assert path.read_bytes() == b"theirs"
    assert names(tmp_path) == ["downloads.lock"]


@pytest.mark.promise(5)
@pytest.mark.parametrize("what", ["link", "dead link", "fifo", "folder"])
def test_what_no_writer_left_stays(tmp_path: Path, what: str) -> None:
    """Names that are not quite a draft's, and things under such a name that no draft is."""
    others = [".dlm-draft-.tmp", ".dlm-draft-0123456789AB.tmp", f"{DRAFT}.tmp", f"my{DRAFT}", ".dlm-0123456789ab.tmp"]
    for name in others:
        touch(tmp_path / name, "mine")
    target = tmp_path / "mine"
    if what == "fifo":
        os.mkfifo(tmp_path / DRAFT)
    elif what == "folder":
        touch(tmp_path / DRAFT / "mine")
    else:
        (tmp_path / DRAFT).symlink_to(target)
        if what == "link":
            touch(target, "mine")
    before = names(tmp_path)
    write_atomically(str(tmp_path / "downloads.lock"), b"new")
    assert names(tmp_path) == sorted([*before, "downloads.lock"])
    assert what != "link" or target.read_text(encoding="utf-8") == "mine"
