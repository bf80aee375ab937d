"""A resource that moves into, or out of, its own old place: what dlm placed there makes way, in one sync."""

from __future__ import annotations

import gzip
import signal
import sys

import pytest

from tests.functional.test_extract import TOOL, tar
from tests.support.cli import Desk
from tests.support.world import World

A = b"a" * 1000
UNPACKED = {name.removeprefix("tool-1.0/"): body for name, body in TOOL.items()}


def ask(desk: Desk, url: str, dest: str, more: str = "") -> None:
    """A manifest with one resource."""
    desk.manifest(f"version: 1\nresources: [{{name: one, url: '{url}', dest: '{dest}'{more}}}]\n")


def below(folder: str, members: dict[str, bytes]) -> dict[str, bytes]:
    """Files as they stand in a folder of the project."""
    return {f"{folder}{name}": body for name, body in members.items()}


@pytest.fixture
def file(world: World) -> str:
    """The address of a file that is called ``data``."""
    return world.file("/data", A)


@pytest.fixture
def archive(world: World) -> str:
    """The address of an archive."""
    return world.file("/ok.tar.gz", gzip.compress(tar(TOOL), mtime=0))


def moves(file: str, archive: str) -> dict[str, tuple[tuple[str, str, str], dict[str, bytes]]]:
    """Wishes (address, dest, more keys) that stand in each other's place, with what the tree shows."""
    unpack = ", extract: {strip: 1}"
    return {
        "file": ((file, "data", ""), {"data": A}),
        "file in a folder": ((file, "data/", ""), {"data/data": A}),
        "file far below": ((file, "data/deep/down/x", ""), {"data/deep/down/x": A}),
        "folder": ((archive, "data/", unpack), below("data/", UNPACKED)),
        "folder below": ((archive, "data/v1/", unpack), below("data/v1/", UNPACKED)),
        "folder where one was": ((archive, "data/bin/", unpack), below("data/bin/", UNPACKED)),
        "member": (
            (archive, "data/README", ", extract: {member: tool-1.0/README}"),
            {"data/README": UNPACKED["README"]},
        ),
    }


#: Those of which one stands in the other's place.
TOPS = {"file", "folder"}
KINDS = list(moves("", ""))
NESTED = [(one, other) for one in KINDS for other in KINDS if one != other and TOPS & {one, other}]
#: Runs dlm, and kills it before the n-th change to any folder, counted from the journal on.
KILLED = """
import os, signal, sys
left = int(sys.argv.pop(1))
begun = False
def hook(event, args):
    global begun, left
    if event in {"os.rename", "os.remove", "os.rmdir", "os.mkdir"}:
        if begun:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        elif event == "os.rename" and str(args[1]).endswith("journal.json"):
            begun = True
sys.addaudithook(hook)
from dlm.__main__ import main
sys.exit(main())
"""


@pytest.mark.promise(5)
@pytest.mark.parametrize(("before", "after"), [*NESTED, ("folder below", "member"), ("member", "folder below")])
def test_what_dlm_placed_makes_way(desk: Desk, file: str, archive: str, before: str, after: str) -> None:
    table = moves(file, archive)
    ask(desk, *table[before][0])
    desk.dlm("sync").ok()
    assert desk.tree() == table[before][1]
    ask(desk, *table[after][0])
    desk.dlm("sync", "--dry-run").ok()
    assert desk.tree() == table[before][1]
    run = desk.dlm("sync").ok()
    assert desk.tree() == table[after][1], str(run)
    assert "warning" not in run.err
    again = desk.dlm("sync").ok()
    assert "warning" not in again.err
    assert "Placed" not in again.err
    desk.dlm("clean").ok()
    assert desk.tree() == {}
    assert not (desk.root / "data").exists()


@pytest.mark.promise(5)
@pytest.mark.parametrize(("before", "after"), NESTED)
def test_what_was_edited_stays_and_stops_it_before_anything_changes(
    desk: Desk, file: str, archive: str, before: str, after: str
) -> None:
    table = moves(file, archive)
    ask(desk, *table[before][0])
    desk.dlm("sync").ok()
    edited = sorted(table[before][1])[-1]
    (desk.root / edited).write_text("edited")
    tree, lock = desk.tree(), desk.lockfile.read_bytes()
    ask(desk, *table[after][0])
    run = desk.dlm("sync")
    assert (run.code, desk.tree()) == (1, tree), str(run)
    assert "edited" in run.err, str(run)
    assert desk.lockfile.read_bytes() == lock
    desk.dlm("sync", "--force").ok()
    assert desk.tree() == table[after][1]


@pytest.mark.promise(5)
def test_files_of_others_stay_where_they_are(desk: Desk, file: str) -> None:
    """What dlm did not put into a folder keeps the folder there, whatever is forced."""
    ask(desk, file, "data/")
    desk.dlm("sync").ok()
    (desk.root / "data" / "mine").write_text("mine")
    ask(desk, file, "data")
    for flags in ((), ("--force",)):
        run = desk.dlm("sync", *flags)
        assert run.code == 1
        assert "data: a folder stands there that holds what dlm did not put there: data/mine" in run.err, str(run)
    assert desk.tree() == {"data/data": A, "data/mine": b"mine"}


@pytest.mark.promise(5)
def test_inexact_keeps_what_stands_in_the_way_and_says_so(desk: Desk, file: str) -> None:
    ask(desk, file, "data")
    desk.dlm("sync").ok()
    ask(desk, file, "data/")
    run = desk.dlm("sync", "--inexact")
    assert run.code == 1
    assert "data: data/data needs its place, and --inexact keeps what dlm once placed" in run.err
    assert desk.tree() == {"data": A}


def test_many_files_in_the_stead_of_one_and_back(desk: Desk, world: World, file: str) -> None:
    names = [f"{number}.bin" for number in range(20)]
    for name in names:
        world.file(f"/many/{name}", name.encode())
    ask(desk, file, "data")
    desk.dlm("sync").ok()
    many = f"{{name: many, base: '{world.url}/many/', dest: data/, files: [{', '.join(names)}]}}"
    desk.manifest(f"version: 1\nresources: [{many}]\n")
    desk.dlm("sync").ok()
    assert desk.tree() == {f"data/{name}": name.encode() for name in names}
    ask(desk, file, "data")
    assert "removed 20" in desk.dlm("sync").ok().err
    assert desk.tree() == {"data": A}


@pytest.mark.promise(2)
def test_what_cannot_be_made_ready_leaves_the_old_place_as_it_was(desk: Desk, file: str) -> None:
    ask(desk, file, "data")
    desk.dlm("sync").ok()
    ask(desk, file, f"data/{'é' * 200}/x")
    assert desk.dlm("sync").code in {1, 2}
    assert desk.tree() == {"data": A}


@pytest.mark.promise(2)
@pytest.mark.promise(3)
@pytest.mark.parametrize(
    ("one", "other", "begin", "by_hand"),
    [
        ("file", "file far below", 1, False),
        ("file", "file in a folder", 2, True),
        ("folder", "folder where one was", 2, False),
        ("folder", "file in a folder", 1, False),
    ],
)
def test_killed_at_any_step(
    desk: Desk, file: str, archive: str, one: str, other: str, *, begin: int, by_hand: bool
) -> None:
    """There and back again; each time the next run completes it, and nobody's file is taken for another's.

    Every second step is taken, from ``begin`` on. ``by_hand``: the user made the folder, so that dlm does not take it
    away for its own.
    """
    table = moves(file, archive)
    places = [table[one], table[other]]
    for wish, _ in (*places, places[0]):
        ask(desk, *wish)
        desk.dlm("sync").ok()
    steps = 0
    for now in range(begin, 100, 2):
        killed = 0
        for (_, old), (wish, new) in (places, places[::-1]):
            if by_hand and new == places[1][1]:
                (desk.root / "data").unlink()
                (desk.root / "data").mkdir()
            ask(desk, *wish)
            ran = desk.dlm(str(now), "sync", program=[sys.executable, "-c", KILLED])
            assert ran.code in {0, -signal.SIGKILL}, str(ran)
            killed += ran.code != 0
            for path, body in shown(desk).items():
                assert body in {old.get(path), new.get(path)}, path
            run = desk.dlm("sync").ok()
            assert shown(desk) == new, f"{now}: {run}"
            assert "warning" not in run.err, f"{now}: {run}"
        steps += killed
        if not killed:
            break
    assert steps > 4
    desk.dlm("clean").ok()
    assert shown(desk) == {}


def shown(desk: Desk) -> dict[str, bytes]:
    """The files of the tree that are not temporary."""
    return {path: body for path, body in desk.tree().items() if "/.dlm-" not in f"/{path}"}


@pytest.mark.parametrize("flags", [("--dry-run",), ("--check",), ()])
@pytest.mark.parametrize(("before", "after"), [("data", "data/"), ("data/x", "data")])
def test_what_was_edited_and_is_in_the_way_is_said_once(
    desk: Desk, file: str, before: str, after: str, flags: tuple[str, ...]
) -> None:
    ask(desk, file, before)
    desk.dlm("sync").ok()
    edited = before if before != "data/" else "data/data"
    (desk.root / edited).write_text("edited")
    ask(desk, file, after)
    if flags == ("--check",):
        desk.dlm("lock").ok()
    run = desk.dlm("sync", *flags)
    assert run.err.count("edited since dlm placed it") == 1, str(run)
    found = desk.dlm("sync", "--format", "json", *flags).document
    assert found["warnings"] == []
