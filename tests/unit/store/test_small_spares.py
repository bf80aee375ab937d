"""Small bodies have spares, too: of their very bytes, sorted by folders, and none of them outlives its run."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dlm.model.artifact import Spare, unpacked_look
from dlm.model.digest import Digests
from dlm.ports import Tray
from dlm.store.spare import Spares, remove_private, stage_name
from tests.support.processes import start
from tests.support.stores import a_store
from tests.unit.store.test_shared import a_shared_store

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="spares are made on Linux alone")


class Scene:
    """A store that makes small spares, and a tray of it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = a_store(root)
        assert self.store.spares(1) == str(self.temporary)
        self.tray = self.new_tray()

    @property
    def temporary(self) -> Path:
        return self.root / "tmp"

    def new_tray(self) -> Tray:
        tray = self.store.tray()
        assert tray is not None
        return tray

    def lay_by(self, data: bytes, dest: str = "", mode: int = 0o644, tray: Tray | None = None) -> Spare | None:
        """Keep a body and lay a spare of it by."""
        tray = tray or self.tray
        sha256 = Digests.sha256_of(data).sha256 or ""
        [name] = tray.reserve([sha256])
        assert name is not None
        tray.announce([sha256])
        tray.keep(sha256, data)
        tray.release([name])
        return tray.lay_by(data, mode, dest)

    def names(self) -> set[str]:
        """What lies where private files do, without the folders' own names."""
        return {
            path.relative_to(self.temporary).as_posix().rpartition("/")[2]
            for path in self.temporary.rglob("*")
            if path.is_file()
        }


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path / "cache")
    yield made
    made.tray.close()
    made.store.close()


def at(spare: Spare | None) -> Path:
    assert spare is not None
    return Path(spare.path)


@pytest.mark.parametrize("dest", ["", "a/b/one"])
@pytest.mark.parametrize("mode", [0o644, 0o755])
def test_it_has_the_bytes_and_the_permissions_of_a_new_file(scene: Scene, mode: int, dest: str) -> None:
    old = os.umask(0o027)
    try:
        spare = scene.lay_by(b"one", dest, mode)
    finally:
        os.umask(old)
    path = at(spare)
    assert spare is not None
    assert path.read_bytes() == b"one"
    assert spare.permissions == mode
    seen = path.stat()
    assert stat.S_IMODE(seen.st_mode) == mode & ~0o027
    assert spare.look is not None
    assert (seen.st_mtime_ns, seen.st_ctime_ns, seen.st_ino) == unpacked_look(spare.look)
    assert seen.st_nlink == 1
    if not dest:
        # More than a tick: a later edit leaves another one. Those of a folder get theirs when it moves.
        assert seen.st_ctime_ns - seen.st_mtime_ns > 10_000_000
    if dest:
        assert path.name == "one"
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o750


def test_those_of_one_folder_lie_together_whoever_makes_them(scene: Scene) -> None:
    other = scene.new_tray()
    folders = [
        at(scene.lay_by(b"1", "a/one")).parent,
        at(scene.lay_by(b"2", "a/two", tray=other)).parent,
        at(scene.lay_by(b"3", "a/b/one")).parent,
        at(scene.lay_by(b"4", "a/b/two")).parent,
        at(scene.lay_by(b"5")).parent,
    ]
    assert folders[0] == folders[1] != folders[2] == folders[3]
    assert folders[4] == scene.temporary
    assert {len(path.name) for path in scene.temporary.iterdir()} == {32}
    other.close()


def test_none_is_made_unless_somebody_asks(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    store.spares()  # for large ones
    tray = store.tray()
    assert tray is not None
    assert tray.lay_by(b"one", 0o644, "a/one") is None
    assert list((tmp_path / "tmp").iterdir()) == []
    tray.close()
    store.close()


def test_a_shared_cache_makes_none(tmp_path: Path) -> None:
    assert a_shared_store(tmp_path).spares(1) is None


def test_none_is_made_where_the_disk_has_little_room(tmp_path: Path) -> None:
    found = os.statvfs(tmp_path)
    store = a_store(tmp_path)
    assert store.spares(found.f_bavail * found.f_frsize) is None
    tray = store.tray()
    assert tray is not None
    assert tray.lay_by(b"one", 0o644, "") is None
    tray.close()
    store.close()


def test_a_name_that_cannot_be_given_ends_them(scene: Scene) -> None:
    kept = at(scene.lay_by(b"one", "a/one"))
    assert scene.lay_by(b"long", f"a/{'n' * 256}") is None
    assert scene.lay_by(b"two", "a/two") is None
    assert kept.read_bytes() == b"one"
    assert scene.names() == {"one"}


@pytest.mark.parametrize("how", ["nothing", "half"])
def test_a_full_disk_ends_them(scene: Scene, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    write = os.write

    def full(descriptor: int, data: bytes) -> int:
        if how == "half":
            return write(descriptor, data[:1])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        assert scene.tray.lay_by(b"one", 0o644, "a/one") is None
    assert scene.names() == set()
    assert scene.lay_by(b"two", "a/two") is None, "it is not tried again"


def test_what_another_one_has_made_stays(scene: Scene) -> None:
    other = scene.new_tray()
    kept = at(scene.lay_by(b"one", "a/one"))
    assert scene.lay_by(b"two", "a/one", tray=other) is None
    assert kept.read_bytes() == b"one"
    other.close()


def test_the_folder_goes_while_they_are_made(scene: Scene) -> None:
    """Another process empties the cache."""
    path = at(scene.lay_by(b"one", "a/one"))
    path.unlink()
    path.parent.rmdir()
    assert scene.tray.lay_by(b"two", 0o644, "a/two") is None
    assert [one for one in scene.temporary.rglob("*") if one.is_file()] == []


def test_they_go_with_the_store(scene: Scene) -> None:
    scene.lay_by(b"one", "a/one")
    scene.lay_by(b"two", "a/b/two")
    scene.lay_by(b"three")
    mine = scene.temporary / ("f" * 32)
    mine.write_bytes(b"of another process")
    scene.tray.close()
    scene.store.close()
    assert list(scene.temporary.iterdir()) == [mine]
    scene.store.close()


def test_they_go_with_a_store_that_nobody_closes(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "cache")
    temporary = scene.temporary
    scene.lay_by(b"one", "a/one")
    scene.tray.close()
    del scene
    assert list(temporary.iterdir()) == []


KILLED = """
import os, sys
from pathlib import Path
from tests.unit.store.test_small_spares import Scene
scene = Scene(Path(sys.argv[1]))
scene.lay_by(b"one", "a/one")
scene.lay_by(b"two", "a/two")
scene.lay_by(b"three")
print("laid by", flush=True)
sys.stdin.readline()
"""


@pytest.mark.promise(3)
def test_the_next_process_that_is_alone_sweeps_what_a_killed_one_left(tmp_path: Path) -> None:
    root, outside = tmp_path / "cache", tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("precious")
    with start(KILLED, root) as running:
        assert running.line() == "laid by"
        others = Scene(root)  # while it runs, nothing is taken from it
        assert {"one", "two"} <= others.names()
        counted = sum(path.lstat().st_size for path in root.rglob("*") if path.is_file())
        assert others.store.size() == counted
        others.tray.close()
        others.store.close()
        assert {"one", "two"} <= others.names()
        running.kill()
    del others
    (root / "tmp" / ("e" * 32)).symlink_to(outside)
    Scene(root).tray.close()
    assert list((root / "tmp").iterdir()) == []
    assert (outside / "precious").read_text() == "precious"


def test_cleaning_takes_them_and_nothing_else(tmp_path: Path) -> None:
    root, outside = tmp_path / "cache", tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("precious")
    with start(KILLED, root) as running:
        assert running.line() == "laid by"
        running.kill()
    (root / "tmp" / ("e" * 32)).symlink_to(outside)
    mine = root / "tmp" / "mine"
    mine.mkdir()
    (mine / "mine.txt").write_text("mine")
    store = a_store(root)
    before = sum(path.lstat().st_size for path in root.rglob("*") if path.is_file() and path.name != "mine.txt")
    blobs, size = store.clean()
    assert blobs == 3
    assert size >= before - (outside / "precious").stat().st_size
    assert [path for path in root.rglob("*") if path.is_file()] == [mine / "mine.txt"]
    assert (outside / "precious").read_text() == "precious"


def test_a_private_name_is_removed_whatever_it_is(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "inside").write_bytes(b"")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "inside").mkdir()
    (tmp_path / "link").symlink_to("other")
    for name in ("file", "folder", "link", "none", "other"):
        remove_private(str(tmp_path / name))
    assert [path.name for path in tmp_path.iterdir()] == ["other"], "no private folder has folders in it"


def test_names_of_folders_tell_them_apart(tmp_path: Path) -> None:
    names = {stage_name("0123456789ab", folder) for folder in ("a", "b", "a/b", "ab", "\udc80", "ä")}
    assert len(names) == 6
    assert {(len(name), name[:12]) for name in names} == {(32, "0123456789ab")}
    spares = Spares()
    spares.begin(str(tmp_path))
    first = spares.prefix
    spares.begin(str(tmp_path))
    assert first is not None
    assert spares.prefix == first
    (tmp_path / stage_name(first, "a")).mkdir()
    spares.remove()
    assert list(tmp_path.iterdir()) == []
