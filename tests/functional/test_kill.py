"""``kill -9`` at any moment of placing: the next run completes it, and takes nothing of its own for a stranger's."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import signal
import sys
import threading
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import BACKENDS, Desk
from tests.support.origin import Hold, Origin, Request, Response, Static
from tests.support.world import World

FILES = 40
KILLS = 50
#: How far a writer's checkpoint moves at once.
STEP = 1024 * 1024


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

    The checkpoint lies behind what came: the last bytes are in memory still or not hashed yet, and it moves by ``STEP``
    and more at once. Waiting for all bytes would be waiting until the held answer counts as stalled and its rest is
    asked for in the same run; so much more than one step is sent, and the first is waited for.
    """
    done = hashlib.sha256(b"done").digest() * 4096
    large = hashlib.sha256(b"large").digest() * (1 << 20)
    sent = 16 * STEP
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
            _vouched_for(desk) >= STEP and any(desk.cache.glob("cas/*/*")) and any(desk.cache.glob("origins/*/*"))
        ):
            pass
        assert process.poll() is None
    finally:
        desk.kill(process)
    kept = _vouched_for(desk)
    assert STEP <= kept <= sent
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


SPLIT_BODY = random.Random(20261122).randbytes(64 << 20)


class _Stopping:
    """An origin that gives every answer's first part, and the rest once its gate is open: several are under way."""

    def __init__(self, honest: Static, gate: threading.Event) -> None:
        self._honest, self._gate = honest, gate
        self.open = False
        self._spans = 0

    def __call__(self, request: Request) -> Response:
        answer = self._honest(request)
        assert isinstance(answer.body, bytes)
        if self.open:
            return answer
        # Of the first answer little; of what is asked for beside it, all of the first two and a half of the others.
        beside = request.range is not None and request.range[0] > 0
        self._spans += beside
        size = len(answer.body)
        first = (size if self._spans <= 2 else size // 2) if beside else 1 << 20
        if first == size:
            return answer
        return replace(answer, body=[answer.body[:first], Hold(self._gate), answer.body[first:]], length=size)


@pytest.fixture
def origin() -> Iterator[Origin]:
    """One that speaks HTTP/1.1: streams of one connection are not split."""
    with Origin.secure() as made:
        yield made


@pytest.mark.promise(3)
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("pinned", [True, False])
def test_killed_while_several_bring_one_file(origin: Origin, desk: Desk, backend: str, pinned: bool) -> None:
    """The second run asks for what is missing and little more, though most of what is there lies behind gaps."""
    stopping = _Stopping(Static(SPLIT_BODY), origin.gate())
    sidecar, note = _killed_midway(origin, desk, stopping, backend, pinned=pinned)
    assert sum(end - start for start, end, _ in note["ahead"]) > len(SPLIT_BODY) // 4
    here = note["length"] + sum(end - start for start, end, _ in note["ahead"])
    asked = _second_run(origin, desk, stopping)
    assert asked <= (len(SPLIT_BODY) - here) * 1.05
    assert not sidecar.exists()


@pytest.mark.fault("I01")
@pytest.mark.parametrize("known", [True, False])
def test_killed_and_rotten_behind_a_gap(origin: Origin, desk: Desk, known: bool) -> None:
    """Wrong bytes never get out: a checksum finds them, and where even that lies, the pin does, and all comes anew."""
    stopping = _Stopping(Static(SPLIT_BODY), origin.gate())
    sidecar, note = _killed_midway(origin, desk, stopping, "curl", pinned=True)
    start, end, _ = max(note["ahead"], key=lambda span: span[1] - span[0])
    data = sidecar.with_suffix("")
    with data.open("r+b") as file:
        file.seek(start + 5)
        file.write(b"rotten")
        file.seek(start)
        crc = zlib.crc32(file.read(end - start))
    if not known:
        note["ahead"] = [[start, end, crc] if span[0] == start else span for span in note["ahead"]]
        sidecar.write_text(json.dumps(note))
    asked = _second_run(origin, desk, stopping)
    assert end - start <= asked <= 2 * len(SPLIT_BODY)


def _killed_midway(
    origin: Origin, desk: Desk, stopping: _Stopping, backend: str, *, pinned: bool
) -> tuple[Path, dict[str, Any]]:
    """Kill a run that has brought what the origin gives by itself; its sidecar, and what that says."""
    origin.route("/large.bin", stopping)
    desk.variables |= {"DLM_SPLIT": "4", "DLM_BACKEND": backend}
    pin = f"\n  sha256: {hashlib.sha256(SPLIT_BODY).hexdigest()}" if pinned else ""
    desk.manifest(f"version: 1\nresources:\n- url: {origin.url}/large.bin{pin}\n")
    process = desk.start("sync")
    note: dict[str, Any] = {"ahead": []}
    try:
        while process.poll() is None and sum(end - start for start, end, _ in note["ahead"]) <= len(SPLIT_BODY) // 4:
            found = list(desk.cache.rglob("partial/*.json"))
            with contextlib.suppress(ValueError):
                note = json.loads(found[0].read_bytes()) if found else note
        assert process.poll() is None
    finally:
        desk.kill(process)
    [sidecar] = desk.cache.rglob("partial/*.json")
    return sidecar, json.loads(sidecar.read_bytes())


def _second_run(origin: Origin, desk: Desk, stopping: _Stopping) -> int:
    """Let a second run complete it; how many bytes it asked for."""
    before = len(origin.requests)
    stopping.open = True
    desk.dlm("sync").ok()
    assert desk.tree() == {"large.bin": SPLIT_BODY}
    ranges = [request.range or (0, None) for request in origin.requests[before:]]
    return sum((len(SPLIT_BODY) if end is None else end) - start for start, end in ranges)


#: Dies when a document is about to take its place.
KILLED = """
import os, signal, sys
name = sys.argv.pop(1)
def hook(event, args):
    if event == "os.rename" and str(args[1]).endswith(name):
        os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
from dlm.__main__ import main
sys.exit(main())
"""


@pytest.mark.promise(3)
@pytest.mark.parametrize(
    ("command", "document"),
    [("lock", "downloads.lock"), ("sync", "downloads.lock"), ("add", "downloads.yaml"), ("add", "downloads.lock")],
)
def test_killed_while_it_writes_a_document(world: World, desk: Desk, command: str, document: str) -> None:
    """The draft goes with the next run that writes one, whichever that is."""
    desk.manifest(f"version: 1\nresources: ['{world.file('/a.csv', b'a')}']\n")
    arguments = ("add", world.file("/b.csv", b"b")) if command == "add" else (command,)
    ran = desk.dlm(document, *arguments, program=[sys.executable, "-c", KILLED])
    assert ran.code == -signal.SIGKILL, str(ran)
    assert len(list(desk.root.glob(".dlm-*"))) == 1
    assert not desk.lockfile.exists()
    desk.dlm("sync").ok()
    assert list(desk.root.glob(".dlm-*")) == []
    assert desk.dlm("sync", "--check").code == 0
