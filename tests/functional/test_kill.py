"""``kill -9`` at any moment of placing: the next run completes it, and takes nothing of its own for a stranger's."""

from __future__ import annotations

import hashlib
import json
import os
import random
from pathlib import Path

import pytest

from tests.support.cli import Desk
from tests.support.world import World

FILES = 40
KILLS = 50
#: What a writer collects at most of a large body before it goes to the disk.
COLLECTED = 256 * 1024


def bodies(round_: int) -> dict[str, bytes]:
    """What the tree shows in one round: many files, all different from the round before."""
    return {
        f"file-{number:02}.bin": hashlib.sha256(b"%d-%d" % (round_, number)).digest() * 64 for number in range(FILES)
    }


def manifest(world: World, round_: int) -> str:
    """One entry with many files, and in each round other bytes at other addresses for the same places."""
    names = "".join(f"    - {name}\n" for name in bodies(round_))
    return (
        f"version: 1\nresources:\n- name: many\n  base: {world.url}/round-{round_}/\n  dest: data/\n  files:\n{names}"
    )


def seen(root: Path) -> dict[str, bytes]:
    """What stands in the folder now, temporary files left out."""
    folder = root / "data"
    if not folder.is_dir():
        return {}
    return {one.name: one.read_bytes() for one in folder.iterdir() if one.suffix == ".bin"}


@pytest.mark.promise(2)
@pytest.mark.promise(3)
def test_killed_fifty_times_while_it_places(world: World, desk: Desk) -> None:
    chance = random.Random(20261121)
    rounds = (0, 1)
    for round_ in rounds:
        for name, body in bodies(round_).items():
            world.file(f"/round-{round_}/{name}", body)
    locks: list[bytes] = []
    for round_ in rounds:
        desk.manifest(manifest(world, round_))
        desk.dlm("lock").ok()
        locks.append(desk.lockfile.read_bytes())
    requests = world.count
    # The first tree, placed whole; from then on each run changes every file of it.
    desk.manifest(manifest(world, 0))
    desk.lockfile.write_bytes(locks[0])
    desk.dlm("sync").ok()
    killed = 0
    shown, wanted = 0, 1
    while killed < KILLS:
        desk.manifest(manifest(world, wanted))
        before, after = bodies(shown), bodies(wanted)
        if _killed_after(desk, after, chance.randrange(0, FILES)):
            killed += 1
        for name, body in seen(desk.root).items():
            assert body in (before[name], after[name]), f"{name} shows neither the old nor the new bytes"
        assert desk.lockfile.read_bytes() in locks, "the lockfile is one of the two, whole"
        if chance.random() < 0.3:
            _complete(desk, after)
            shown, wanted = wanted, 1 - wanted
    _complete(desk, bodies(wanted))
    assert desk.dlm("verify").code == 0
    later = world.origin.requests[requests:]
    assert all(request.get("if-none-match") for request in later), "nothing that was complete is fetched again"


def _complete(desk: Desk, wanted: dict[str, bytes]) -> None:
    """One more run: everything is there, nothing is refused, nothing is left over."""
    run = desk.dlm("sync").ok()
    assert "did not place" not in run.err
    assert "edited" not in run.err
    assert seen(desk.root) == wanted
    assert [one.name for one in (desk.root / "data").iterdir() if one.name.startswith(".dlm")] == []
    assert desk.dlm("sync", "--check").code == 0


def _killed_after(desk: Desk, wanted: dict[str, bytes], count: int) -> bool:
    """Begin a sync and kill it as soon as ``count`` of its files are in place; whether it was still at work.

    With 0 it is killed as soon as its journal is there: before the first file changed.
    """
    process = desk.start("sync")
    names = list(wanted)[: count or 1]
    folder = desk.root / "data"
    try:
        while process.poll() is None:
            if count == 0:
                if any(desk.state.rglob("journal.json")):
                    break
            elif all(_shows(folder / name, wanted[name]) for name in names):
                break
        alive = process.poll() is None
    finally:
        desk.kill(process)
    return alive


def _shows(path: Path, body: bytes) -> bool:
    try:
        return os.path.getsize(path) == len(body) and path.read_bytes() == body
    except FileNotFoundError:
        return False


@pytest.mark.promise(3)
def test_killed_while_it_fetches(world: World, desk: Desk) -> None:
    """What was complete is not fetched again; a partial body goes on where its checkpoint is.

    Of the bytes that came, the last ones may be in memory still, always fewer than ``COLLECTED``: waiting for all of
    them would be waiting until the held answer counts as stalled and its rest is asked for in the same run.
    """
    from tests.support.origin import Hold, Response, Static

    done = hashlib.sha256(b"done").digest() * 4096
    large = hashlib.sha256(b"large").digest() * 65536
    sent = 1 << 20
    world.file("/done.bin", done)
    gate = world.origin.gate()
    world.route(
        "/large.bin",
        Response(200, (("ETag", '"v1"'), ("Accept-Ranges", "bytes")), [large[:sent], Hold(gate)], length=len(large)),
        Static(large),
    )
    desk.manifest(f"version: 1\nresources: ['{world.url}/done.bin', '{world.url}/large.bin']\n")
    process = desk.start("sync")
    try:
        while process.poll() is None and not (
            _vouched_for(desk) > sent - COLLECTED
            and any(desk.cache.glob("cas/*/*"))
            and any(desk.cache.glob("origins/*/*"))
        ):
            pass
        assert process.poll() is None
    finally:
        desk.kill(process)
    kept = _vouched_for(desk)
    assert sent - COLLECTED < kept <= sent
    assert desk.tree() == {}
    assert not desk.lockfile.exists()
    desk.dlm("sync").ok()
    assert desk.tree() == {"done.bin": done, "large.bin": large}
    asked = [(request.get("range"), request.get("if-range")) for request in world.origin.of("/large.bin")]
    assert asked == [(None, None), (f"bytes={kept}-", '"v1"')]
    _, *later = world.origin.of("/done.bin")
    assert all(request.get("if-none-match") for request in later)


def _vouched_for(desk: Desk) -> int:
    """How many bytes of the one transfer that is under way a later run may take up."""
    try:
        (sidecar,) = desk.cache.glob("partial/*.json")
        return int(json.loads(sidecar.read_bytes())["length"])
    except ValueError:  # none is there yet, or it is being written
        return 0


@pytest.mark.parametrize("signal", [2, 15], ids=["SIGINT", "SIGTERM"])
def test_interrupted(world: World, either: Desk, signal: int) -> None:
    """130 and 143, one line, everything as it was."""
    from tests.support.origin import Hold, Response

    gate = world.origin.gate()
    world.route("/slow.bin", Response(200, (), [b"x", Hold(gate)], length=1000))
    either.manifest(f"version: 1\nresources: ['{world.url}/slow.bin']\n")
    process = either.start("sync")
    world.origin.wait_for(1)
    process.send_signal(signal)
    run = either.end(process, "sync")
    assert run.code == 128 + signal, str(run)
    assert run.err.splitlines()[-1].startswith("error: interrupted")
    assert "Traceback" not in run.err
    assert either.tree() == {}
    assert not either.lockfile.exists()
