"""Folders that come into the tree by one rename: all of what they hold, nothing else, and only where nothing stands."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import struct
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dlm.model.events import Event, Placed
from dlm.model.plan import ABSENT, Found, Placing
from dlm.place.flush import Flush
from dlm.place.link import Habits, Look, make_file
from dlm.place.place import Done
from dlm.place.spares import past
from dlm.place.tree import Tree
from dlm.place.whole import find_wholes
from tests.support.laid_by import LaidBy, many

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="folders come whole on Linux alone")


@pytest.fixture
def project(tmp_path: Path) -> LaidBy:
    return LaidBy(tmp_path)


class Meddler:
    """A reporter that does something once, when the first path has changed."""

    def __init__(self, act: Callable[[], None]) -> None:
        self._act: Callable[[], None] | None = act

    def emit(self, event: Event) -> None:
        if isinstance(event, Placed) and self._act is not None:
            act, self._act = self._act, None
            act()


def placings(project: LaidBy, wanted: dict[str, bytes]) -> list[Placing]:
    return [Placing(dest=dest, blob=project.blob(data), resource=dest, found=ABSENT) for dest, data in wanted.items()]


def synced(project: LaidBy, wanted: dict[str, bytes], *, executable: bool = False) -> tuple[Done, set[str]]:
    """Sync; what came of it, and the folders that are the ones which had been made ready."""
    ready = {path.stat().st_ino for path in project.stages}
    done = project.sync(wanted, executable=executable)
    return done, {path for path in done.folders if (project.root / path).stat().st_ino in ready}


def check(project: LaidBy, done: Done, wanted: dict[str, bytes]) -> None:
    """The tree shows what it should, and what is known of it is true."""
    assert done.errors == ()
    assert done.left == ()
    assert project.files() == wanted
    assert {one.dest for one in done.placements} == wanted.keys()
    for one in done.placements:
        seen = os.lstat(project.root / one.dest)
        assert (one.size, one.mtime_ns, one.inode) == (seen.st_size, seen.st_mtime_ns, seen.st_ino)
        assert one.ctime_ns == seen.st_ctime_ns
        # More than a tick before it came into the tree, so that a later edit leaves another one. A file that has been
        # lying by for so long keeps its own: then it is its folder that came later.
        came = max(seen.st_ctime_ns, os.lstat((project.root / one.dest).parent).st_ctime_ns)
        assert came - one.mtime_ns > 10_000_000
    project.store.close()
    assert list(project.temporary.iterdir()) == []


def test_a_missing_folder_is_the_one_that_was_made_ready(project: LaidBy) -> None:
    wanted = many("data")
    project.fetch(wanted)
    [stage] = project.stages
    inodes = {stage.stat().st_ino} | {path.stat().st_ino for path in stage.iterdir()}
    done = project.sync(wanted)
    assert project.stages == []
    shown = project.root / "data"
    assert {shown.stat().st_ino} | {path.stat().st_ino for path in shown.iterdir()} == inodes
    assert done.folders == ("data",)
    assert project.state.folders == {"data"}
    check(project, done, wanted)
    # What was placed is known without being read, in the order that was asked for, and goes with its folder.
    assert [one.dest for one in done.placements] == list(wanted)
    assert [event.dest for event in project.heard.events if isinstance(event, Placed)] == list(wanted)
    found = project.look(*wanted)
    assert all(one.placement == project.state.owned()[dest].placement for dest, one in found.items())
    project.sync({}, remove=list(wanted))
    assert list(project.root.iterdir()) == []


def test_an_edit_behind_it_is_seen(project: LaidBy) -> None:
    wanted = many("data")
    project.fetch(wanted)
    project.sync(wanted)
    (project.root / "data" / "3.bin").write_bytes(b"DATA 3")
    found = project.look(*wanted)
    assert [dest for dest, one in found.items() if one.placement != project.state.owned()[dest].placement] == [
        "data/3.bin"
    ]


def test_folders_in_folders(project: LaidBy) -> None:
    wanted = {**many("a/x"), **many("a/b/y"), **many("z"), "a/b/1.bin": b"a/b 1", "top.bin": b"top"}
    project.fetch(wanted)
    done, whole = synced(project, wanted)
    assert whole == {"a/x", "a/b/y", "z"}
    assert sorted(done.folders) == ["a", "a/b", "a/b/y", "a/x", "z"]
    assert project.state.folders == set(done.folders)
    check(project, done, wanted)
    assert [one.dest for one in done.placements] == list(wanted)


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077])
def test_modes_follow_the_umask(project: LaidBy, umask: int) -> None:
    wanted = many("data")
    old = os.umask(umask)
    try:
        project.fetch(wanted, executable=wanted)
        done, whole = synced(project, wanted, executable=True)
    finally:
        os.umask(old)
    assert whole == {"data"}
    check(project, done, wanted)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in [project.root / "data", *project.root.glob("data/*")]}
    assert modes == {0o777 & ~umask, 0o755 & ~umask}


def test_what_becomes_executable_is_copied(project: LaidBy) -> None:
    wanted = many("data")
    project.fetch(wanted, executable=["data/3.bin"])
    done, whole = synced(project, wanted)
    assert whole == set()
    check(project, done, wanted)
    assert {stat.S_IMODE(path.stat().st_mode) & 0o111 for path in project.root.glob("data/*")} == {0}


@pytest.mark.parametrize("link", ["hardlink", "symlink", "reflink"])
def test_links_have_no_use_for_it(project: LaidBy, link: str) -> None:
    wanted = many("data")
    project.fetch(wanted)
    ready = {path.stat().st_ino for path in project.stages}
    done = project.sync(wanted, link=link)
    assert (project.root / "data").stat().st_ino not in ready
    assert project.files() == wanted
    assert len(done.placements) == len(wanted)


def test_what_was_at_hand_before_comes_along(project: LaidBy) -> None:
    wanted = many("data")
    project.fetch({dest: data for dest, data in wanted.items() if int(data.split()[1]) % 2})
    done, whole = synced(project, wanted)
    assert whole == {"data"}
    check(project, done, wanted)


def test_a_folder_that_cannot_move_after_all_leaves_its_files_as_they_are_known(project: LaidBy) -> None:
    """What was known of a file from when it was made does not hold once its times have been set."""
    wanted = many("data")
    blobs = project.fetch({dest: data for dest, data in wanted.items() if dest != "data/3.bin"})
    spare = blobs["data/0.bin"].spare
    assert spare is not None
    assert spare.look is not None
    place = placings(project, wanted)
    os.unlink(project.blob(wanted["data/3.bin"]).path)
    habits = Habits()
    with Tree(str(project.root)) as tree:
        flush = Flush(len(place))
        try:
            assert find_wholes(tree, place, habits, flush) == {}
            folder = tree.parent("data/0.bin", make=True)[0]
            while past(str(project.stages[0])) < spare.look[0]:
                pass  # by then it would do as it was made
            made = make_file(
                place[0].blob, folder, "0", "copy", executable=False, flush=flush, habits=habits, direct=True
            )
        finally:
            flush.drop()
    found = os.stat(made.spare or project.root / "data" / "0")
    assert made.seen == Look(found.st_size, found.st_mtime_ns, found.st_ino)


def test_where_little_lies_already_the_files_come_one_by_one(project: LaidBy) -> None:
    wanted = many("data")
    project.fetch({"data/0.bin": wanted["data/0.bin"]})
    done, whole = synced(project, wanted)
    assert whole == set()
    check(project, done, wanted)


def test_a_file_that_nobody_wants_after_all_keeps_its_folder_from_moving(project: LaidBy) -> None:
    wanted = many("data")
    project.fetch({**wanted, "data/refused.bin": b"refused"})
    check(project, project.sync(wanted), wanted)


@pytest.mark.parametrize("first", ["one", "other"])
def test_the_same_bytes_in_two_folders(project: LaidBy, first: str) -> None:
    """What lies ready for one folder is not taken for the other, and nothing is put into it that belongs there."""
    one = many("one")
    other = {f"other/{dest.rpartition('/')[2]}": data for dest, data in one.items()}
    other["other/more.bin"] = b"more"
    wanted = {**one, **other} if first == "one" else {**other, **one}
    project.fetch(one)
    done, whole = synced(project, wanted)
    assert len(whole) == 1
    check(project, done, wanted)


def test_some_of_the_same_bytes_in_two_folders(project: LaidBy) -> None:
    one, other = many("one"), many("other", 3)
    shared = {f"other/as-{number}.bin": one[f"one/{number}.bin"] for number in range(4)}
    wanted = {**shared, **other, **one}
    project.fetch(one)  # the others were at hand
    done, whole = synced(project, wanted)
    assert whole == {"one"}
    check(project, done, wanted)


def test_the_same_bytes_twice_in_one_folder(project: LaidBy) -> None:
    wanted = many("data")
    project.fetch(wanted)
    wanted["data/again.bin"] = wanted["data/3.bin"]
    done, whole = synced(project, wanted)
    assert whole == {"data"}
    check(project, done, wanted)


def test_the_same_bytes_in_a_folder_that_is_there(project: LaidBy) -> None:
    """A spare that lies by itself serves one of its paths; none is made anywhere but there."""
    (project.root / "here").mkdir()
    here = many("here")
    project.fetch(here)
    wanted = {**{f"new/{dest.rpartition('/')[2]}": data for dest, data in here.items()}, "new/more": b"more", **here}
    assert {len(path.name) for path in project.temporary.iterdir()} == {32}
    done, whole = synced(project, wanted)
    assert whole == set()
    check(project, done, wanted)


def test_a_folder_that_is_there_gets_its_files_one_by_one(project: LaidBy) -> None:
    wanted = many("data")
    project.fetch(wanted)
    (project.root / "data").mkdir()
    before = (project.root / "data").stat().st_ino
    check(project, project.sync(wanted), wanted)
    assert (project.root / "data").stat().st_ino == before


def test_a_folder_that_is_reached_by_a_link(project: LaidBy) -> None:
    (project.root / "real").mkdir()
    (project.root / "way").symlink_to("real")
    wanted = many("way/data")
    project.fetch(wanted)
    done = project.sync(wanted)
    assert done.folders == ("way/data",)
    assert not (project.root / "way" / "data").is_symlink()
    assert project.files() == {**{f"real/{dest[4:]}": data for dest, data in wanted.items()}}


def test_one_folder_under_two_names(project: LaidBy) -> None:
    (project.root / "real").mkdir()
    (project.root / "way").symlink_to("real")
    one, other = many("real/data"), {f"way/data/other-{n}.bin": b"other %d" % n for n in range(20)}
    project.fetch({**one, **other})
    done = project.sync({**one, **other})
    assert done.errors == ()
    assert project.files() == {**one, **{dest.replace("way", "real"): data for dest, data in other.items()}}


def test_a_link_that_leads_out_is_refused_and_nothing_changes(project: LaidBy, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    wanted = {**many("data"), **many("way/in")}
    project.fetch(wanted)
    (project.root / "way").symlink_to(outside)
    with pytest.raises(Exception, match="leads out of the project"):
        project.sync(wanted)
    assert project.files() == {}
    assert list(outside.iterdir()) == []
    assert [path.name for path in project.root.iterdir()] == ["way"]


@pytest.mark.promise(4)
@pytest.mark.parametrize("made", ["empty", "file", "link", "stranger", "same"])
def test_what_somebody_puts_there_meanwhile_stays(project: LaidBy, made: str) -> None:
    """The first folder has come when something turns up where the second one will be."""
    wanted = {**many("one"), **many("two")}
    project.fetch(wanted)
    place = project.root / "two"

    def meddle() -> None:
        if made == "file":
            place.write_bytes(b"mine")
        elif made == "link":
            place.symlink_to("one")
        else:
            place.mkdir(mode=0o700)
            if made != "empty":
                (place / ("5.bin" if made == "same" else "mine.txt")).write_bytes(b"mine")

    project.reporter = Meddler(meddle)
    done = project.sync(wanted)
    files = project.files()
    assert {dest: files[dest] for dest in many("one")} == many("one")
    if made == "file":
        assert place.read_bytes() == b"mine"
        assert len(done.errors) == 20
    elif made == "link":
        # A link inside the project leads to a folder: what stands there under these names was not there before.
        assert place.is_symlink()
        assert len(done.left) == 20
        assert files == many("one")
    else:
        assert stat.S_IMODE(place.stat().st_mode) == 0o700
        theirs = {"empty": {}, "stranger": {"two/mine.txt": b"mine"}, "same": {"two/5.bin": b"mine"}}[made]
        assert files == {**wanted, **theirs}
        assert [conflict.dest for conflict in done.left] == (["two/5.bin"] if made == "same" else [])
        assert "two" not in done.folders
    project.store.close()
    assert list(project.temporary.iterdir()) == []


@pytest.mark.parametrize("gone", ["all", "some", "one"])
def test_the_cache_is_emptied_before_the_folder_moves(project: LaidBy, gone: str) -> None:
    wanted = {**many("one"), **many("two")}
    blobs = project.fetch(wanted)
    spare = blobs["two/0.bin"].spare
    assert spare is not None
    stage = Path(spare.path).parent

    def meddle() -> None:
        if gone == "all":
            shutil.rmtree(stage)
            return
        for path in sorted(stage.iterdir())[: 1 if gone == "one" else 10]:
            path.unlink()

    project.reporter = Meddler(meddle)
    check(project, project.sync(wanted), wanted)


def test_the_cache_is_emptied_before_anything_changes(project: LaidBy) -> None:
    wanted = {**many("one"), **many("two"), **{f"{number}.bin": b"%d" % number for number in range(20)}}
    project.fetch(wanted)
    for path in project.temporary.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    check(project, project.sync(wanted), wanted)


def test_spares_go_before_their_places_change(project: LaidBy) -> None:
    """They were there when all was made ready; copies stand in for them."""
    wanted = {**many("one"), **{f"{number}.bin": b"%d" % number for number in range(20)}}
    project.fetch(wanted)

    def meddle() -> None:
        for path in project.temporary.iterdir():
            path.unlink()

    project.reporter = Meddler(meddle)
    check(project, project.sync(wanted), wanted)


def test_a_blob_that_is_gone_too_leaves_everything_as_it_was(project: LaidBy) -> None:
    wanted = many("a/data")
    project.fetch(wanted)
    blob = project.blob(wanted["a/data/3.bin"])
    shutil.rmtree(project.temporary)
    project.temporary.mkdir()
    os.unlink(blob.path)
    with pytest.raises(Exception, match="cannot read"):
        project.sync(wanted)
    assert list(project.root.iterdir()) == []


def test_a_folder_that_hands_down_its_group_gets_copies(project: LaidBy) -> None:
    above = project.root / "above"
    above.mkdir()
    above.chmod(0o2755)
    wanted = many("above/data")
    project.fetch(wanted)
    done, whole = synced(project, wanted)
    assert whole == set()
    check(project, done, wanted)
    assert (above / "data").stat().st_mode & stat.S_ISGID


def test_a_folder_that_hands_down_an_access_list_gets_copies(project: LaidBy) -> None:
    above = project.root / "above"
    above.mkdir()
    entries = ((0x01, 7, -1), (0x02, 6, 12345), (0x04, 5, -1), (0x10, 7, -1), (0x20, 5, -1))
    value = struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *entry) for entry in entries)
    try:
        os.setxattr(above, "system.posix_acl_default", value)
    except OSError as error:
        if error.errno in {errno.ENOTSUP, errno.EOPNOTSUPP}:
            pytest.skip("this file system has no access lists")
        raise
    wanted = many("above/data")
    project.fetch(wanted)
    done, whole = synced(project, wanted)
    assert whole == set()
    check(project, done, wanted)
    assert os.getxattr(above / "data", "system.posix_acl_default") == value


def test_a_name_that_is_too_long_is_told_of_before_anything_changes(project: LaidBy) -> None:
    wanted = {**many("data"), f"data/{'n' * 256}": b"long"}
    project.fetch(wanted)
    with pytest.raises(Exception, match="name too long"):
        project.sync(wanted)
    assert list(project.root.iterdir()) == []


def test_a_file_in_the_place_of_an_empty_folder(project: LaidBy) -> None:
    """The folder changes places with a file that is made ready beside it, though a spare lies in the store."""
    wanted = {f"{number}.bin": b"%d" % number for number in range(20)}
    project.fetch(wanted)
    (project.root / "3.bin").mkdir()
    blobs = placings(project, wanted)
    empty = [replace(one, found=Found(kind="directory", empty=True)) for one in blobs[3:4]]
    assert empty[0].swaps
    from dlm.place.place import carry_out

    done = carry_out(
        str(project.root),
        [*blobs[:3], *empty, *blobs[4:]],
        [],
        {},
        token="0a",
        folders=(),
        reporter=project.heard,
        clock=project.clock,
    )
    check(project, done, wanted)
