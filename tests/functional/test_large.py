"""Large files: what is made while they come, and what is left of that."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.support.cli import Desk
from tests.support.origin import Response
from tests.support.world import World

A, B = bytes(range(256)) * 9_000, bytes(range(255, -1, -1)) * 9_000


@pytest.fixture
def locked(world: World, desk: Desk) -> Desk:
    """Two large files, one of them a program; locked, with an empty cache."""
    world.file("/a.bin", A)
    world.file("/b.bin", B)
    desk.manifest(
        f"version: 1\nresources:\n- {{url: '{world.url}/a.bin', dest: d/}}\n"
        f"- {{url: '{world.url}/b.bin', dest: d/, executable: true}}\n"
    )
    desk.dlm("lock").ok()
    shutil.rmtree(desk.cache)
    return desk


def private(desk: Desk) -> list[str]:
    return os.listdir(desk.cache / "tmp")


def test_a_large_file_is_one_of_its_own_with_the_modes_of_any(locked: Desk) -> None:
    locked.dlm("sync", "--frozen").ok()
    for name, body, mode in (("a.bin", A, 0o644), ("b.bin", B, 0o755)):
        path = locked.root / "d" / name
        assert path.read_bytes() == body
        assert path.stat().st_nlink == 1
        assert path.stat().st_mode & 0o777 == mode & ~_umask()
    assert private(locked) == []
    (locked.root / "d" / "a.bin").write_bytes(b"edited")
    locked.dlm("cache", "verify").ok()


def test_a_run_that_fails_leaves_neither_tree_nor_copies(locked: Desk, world: World) -> None:
    world.route("/b.bin", Response(404))
    assert locked.dlm("sync", "--frozen", "--retries", "0").code == 1
    assert not (locked.root / "d").exists()
    assert private(locked) == []


def test_one_body_for_two_paths_is_there_twice(world: World, desk: Desk) -> None:
    world.file("/a.bin", A)
    desk.manifest(
        f"version: 1\nresources:\n- {{name: x, url: '{world.url}/a.bin', dest: x/}}\n"
        f"- {{name: y, url: '{world.url}/a.bin', dest: y/, executable: true}}\n"
    )
    desk.dlm("lock").ok()
    shutil.rmtree(desk.cache)
    desk.dlm("sync", "--frozen").ok()
    one, other = (desk.root / above / "a.bin" for above in "xy")
    assert one.read_bytes() == other.read_bytes() == A
    assert not one.samefile(other)
    assert [bool(path.stat().st_mode & 0o100) for path in (one, other)] == [False, True]
    assert private(desk) == []


def _umask() -> int:
    old = os.umask(0)
    os.umask(old)
    return old


def test_an_unchanged_run_finds_it_in_sync(locked: Desk) -> None:
    locked.dlm("sync", "--frozen").ok()
    before = {path: path.stat() for path in (locked.root / "d").iterdir()}
    assert "In sync" in locked.dlm("sync", "--frozen").ok().err
    assert {path: path.stat().st_ino for path in before} == {path: seen.st_ino for path, seen in before.items()}


@pytest.mark.parametrize("command", [("lock",), ("sync",), ("fetch",), ("fetch", "{url}")], ids=" ".join)
def test_a_flag_says_over_how_many_connections(world: World, tmp_path: Path, command: tuple[str, ...]) -> None:
    body = A * 4
    url = world.file("/big.bin", body)
    for said, variable, spans in (("3", "off", True), ("off", "3", False)):
        desk = world.desk(tmp_path / said, "requests")
        desk.variables["DLM_SPLIT"] = variable
        desk.manifest(f"version: 1\nresources: ['{url}']\n")
        before = world.count
        desk.dlm(*(word.format(url=url) for word in command), "--split", said).ok()
        assert any(one.range is not None for one in world.origin.requests[before:]) is spans, said
        wrong = desk.dlm(*(word.format(url=url) for word in command), "--split", "many")
        assert (wrong.code, "expected auto, off or a number of connections" in wrong.err) == (2, True)
