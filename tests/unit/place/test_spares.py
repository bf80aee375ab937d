"""A copy that was made in the store's folder takes the place of one made in the tree only where both are the same."""

from __future__ import annotations

import errno
import os
import stat
import struct
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from dlm.model.artifact import Blob, Spare
from dlm.place.flush import Flush
from dlm.place.link import Habits, Look, Made, make_file, permissions, share
from dlm.place.spares import serves
from dlm.place.tree import Tree
from tests.support.stores import a_store, put

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="spares are made on Linux alone")

BODY = b"spare " * 200_000


class Scene:
    """A store, a tree, and a blob with a spare."""

    def __init__(self, folder: Path) -> None:
        self.store = a_store(folder / "cache")
        self.tree = folder / "tree"
        self.tree.mkdir()
        self.spares = Path(self.store.spares() or "")
        self.blob = put(self.store, BODY)

    def with_spare(self, mode: int = 0o644, body: bytes = BODY) -> Blob:
        path = self.spares / ("0" * 32)
        with path.open("xb") as file:
            file.write(body)
            os.fchmod(file.fileno(), mode)
        return replace(self.blob, spare=Spare(str(path.parent), path.name, mode))

    def make(self, blob: Blob, name: str = "a", link: str = "auto", *, executable: bool = False) -> Made:
        with Tree(str(self.tree)) as tree:
            folder, name = tree.parent(name)
            flush = Flush(1)
            return make_file(blob, folder, name, link, executable=executable, flush=flush, habits=Habits())


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def of(blob: Blob) -> str:
    assert blob.spare is not None
    return blob.spare.path


def inode(path: str | Path) -> int:
    return os.lstat(path).st_ino


@pytest.mark.parametrize("link", ["auto", "copy"])
@pytest.mark.parametrize("executable", [False, True])
def test_it_is_moved_and_looks_like_a_copy(scene: Scene, link: str, executable: bool) -> None:
    blob = scene.with_spare(permissions(executable=executable))
    was = inode(of(blob))
    made = scene.make(blob, link=link, executable=executable)
    path = scene.tree / "a"
    assert (made.mode, made.reason) == ("copy", None)
    assert inode(path) == was
    assert path.read_bytes() == BODY
    assert made.seen is not None
    found = path.stat()
    assert made.seen == Look(found.st_size, found.st_mtime_ns, found.st_ino)
    assert not os.path.lexists(of(blob))


def test_the_second_path_gets_a_copy(scene: Scene) -> None:
    blob = scene.with_spare()
    scene.make(blob, "a")
    scene.make(blob, "b")
    assert (scene.tree / "b").read_bytes() == BODY
    assert inode(scene.tree / "b") != inode(scene.tree / "a")


@pytest.mark.parametrize("link", ["hardlink", "symlink"])
def test_links_have_no_use_for_it(scene: Scene, link: str) -> None:
    blob = scene.with_spare()
    assert scene.make(blob, link=link).mode == link
    assert os.path.lexists(of(blob))


def test_a_file_that_is_not_executable_becomes_none(scene: Scene) -> None:
    blob = scene.with_spare(0o644)
    scene.make(blob, executable=True)
    assert stat.S_IMODE((scene.tree / "a").stat().st_mode) == 0o755 & ~_umask()
    assert (scene.tree / "a").read_bytes() == BODY


@pytest.mark.parametrize("body", [b"", BODY + b"?", BODY[:-1]])
def test_one_of_another_size_is_not_taken(scene: Scene, body: bytes) -> None:
    blob = scene.with_spare(body=body)
    scene.make(blob)
    assert (scene.tree / "a").read_bytes() == BODY


def test_one_with_a_second_name_is_not_taken(scene: Scene) -> None:
    blob = scene.with_spare()
    os.link(of(blob), scene.tree / "other")
    scene.make(blob)
    assert inode(scene.tree / "a") != inode(scene.tree / "other")
    assert (scene.tree / "a").read_bytes() == BODY


def test_a_link_in_its_place_is_not_followed(scene: Scene, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(BODY)
    os.symlink(outside, scene.spares / ("0" * 32))
    scene.make(replace(scene.blob, spare=Spare(str(scene.spares), "0" * 32, 0o644)))
    path = scene.tree / "a"
    assert not path.is_symlink()
    assert path.read_bytes() == BODY
    assert outside.exists()


def test_a_folder_that_hands_down_its_group_gets_a_copy(scene: Scene) -> None:
    scene.tree.chmod(0o2755)
    assert not serves(str(scene.spares), str(scene.tree))
    blob = scene.with_spare()
    was = inode(of(blob))
    scene.make(blob)
    assert inode(scene.tree / "a") != was


def test_a_folder_that_hands_down_an_access_list_gets_a_copy(scene: Scene) -> None:
    entries = ((0x01, 7, -1), (0x02, 6, 12345), (0x04, 5, -1), (0x10, 7, -1), (0x20, 5, -1))
    value = struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *entry) for entry in entries)
    try:
        os.setxattr(scene.tree, "system.posix_acl_default", value)
    except OSError as error:
        if error.errno in {errno.ENOTSUP, errno.EOPNOTSUPP}:
            pytest.skip("this file system has no access lists")
        raise
    assert not serves(str(scene.spares), str(scene.tree))
    blob = scene.with_spare()
    was = inode(of(blob))
    scene.make(blob)
    assert inode(scene.tree / "a") != was
    assert (scene.tree / "a").read_bytes() == BODY


@pytest.mark.skipif(not os.path.ismount("/dev/shm"), reason="there is no second file system")
def test_another_file_system_gets_a_copy(scene: Scene) -> None:
    if os.stat("/dev/shm").st_dev == os.stat(scene.spares).st_dev:
        pytest.skip("the tests run in memory")
    assert not serves(str(scene.spares), "/dev/shm")


def test_it_serves_unless_the_file_system_shares_bytes(scene: Scene) -> None:
    source, target = scene.tree / "s", scene.tree / "t"
    source.write_bytes(b"x" * 8192)
    with source.open("rb") as one, target.open("wb") as other:
        shares = share(one.fileno(), other.fileno())[0] is None
    assert serves(str(scene.spares), str(scene.tree)) == (not shares)
    assert not serves(str(scene.spares / "none"), str(scene.tree))


def _umask() -> int:
    old = os.umask(0)
    os.umask(old)
    return old
