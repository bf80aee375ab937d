"""Many processes and many deaths: 200 kills at random points of lock, sync, fetch and prune, and twenty in a race."""

from __future__ import annotations

import hashlib
import itertools
import random
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli import Desk, console_script
from tests.support.origin import Static
from tests.support.world import World, a_world
from tests.support.zygote import Ended, Zygote, zygote

#: For each of the four commands; so it is 200 in all.
KILLS = 50
FILES = 6


@pytest.fixture
def world() -> Iterator[World]:
    """An origin of the test's own."""
    with a_world() as one:
        yield one


@pytest.fixture
def desk(world: World, tmp_path: Path) -> Desk:
    """A user's machine."""
    return world.desk(tmp_path / "desk")


def bodies(round_: int) -> dict[str, bytes]:
    """Small files, and one that goes through a partial file."""
    made = {f"f{number}.bin": hashlib.sha256(b"%d %d" % (round_, number)).digest() * 50 for number in range(FILES)}
    made["large.bin"] = hashlib.sha256(b"large %d" % round_).digest() * 40_000
    return made


def serve(world: World, desk: Desk, round_: int) -> dict[str, bytes]:
    """The files of one round at addresses of their own, and a manifest that asks for them."""
    wanted = bodies(round_)
    for name, body in wanted.items():
        world.route(f"/{round_}/{name}", Static(body, etag=f'"{round_}"'))
    names = "".join(f"    - {name}\n" for name in wanted)
    desk.manifest(
        f"version: 1\nresources:\n- name: all\n  base: {world.url}/{round_}/\n  dest: data/\n  files:\n{names}"
    )
    return wanted


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def blobs(desk: Desk) -> set[str]:
    """The names in the cache; each is that of its bytes."""
    found = {path.name: path for path in desk.cache.glob("cas/??/*")}
    for name, path in found.items():
        assert sha256(path.read_bytes()) == name, f"wrong bytes under the final name {name}"
    return set(found)


def shown(desk: Desk) -> dict[str, bytes]:
    """What the tree shows, temporary files left out."""
    return {path.name: path.read_bytes() for path in (desk.root / "data").glob("*.bin")}


def bodies_sent(world: World, round_: int) -> Counter[str]:
    """How often each file of a round was asked for without a condition."""
    return Counter(
        request.target.rsplit("/", 1)[1]
        for request in world.origin.requests
        if request.target.startswith(f"/{round_}/") and not request.get("if-none-match")
    )


class Strikes:
    """Kills commands at random points until it has been enough."""

    def __init__(self, seed: int, parent: Zygote) -> None:
        self._chance = random.Random(seed)
        self._parent = parent
        self.killed = 0

    def strike(self, *arguments: str, calls: int) -> Ended:
        """Kill a command at one of its first so many calls, if it makes as many."""
        ended = self._parent.run(arguments, kill_at=self._chance.randrange(1, calls))
        self.killed += ended.killed
        assert ended.killed or ended.code == 0, ended.said
        return ended

    def some(self, most: int) -> int:
        """How often to strike before it is let through."""
        return self._chance.randrange(1, most)

    def done(self) -> bool:
        return self.killed >= KILLS


@pytest.mark.promise(1)
@pytest.mark.promise(3)
@pytest.mark.parametrize("command", ["lock", "fetch", "sync"])
def test_kills_lose_nothing_that_was_complete(world: World, desk: Desk, command: str) -> None:
    with zygote(desk) as parent:
        strikes, calls = Strikes(20_261, parent), 0
        wanted: dict[str, bytes] = {}
        for round_ in itertools.count():
            wanted = serve(world, desk, round_)
            names = {sha256(body): name for name, body in wanted.items()}
            if command == "fetch":
                # Pins and an empty cache: what is fetched is known by its digest.
                assert parent.run(["lock"]).code == 0
                shutil.rmtree(desk.cache)
            locked = desk.lockfile.read_bytes() if desk.lockfile.exists() else b""
            complete: set[str] = set()
            for _ in range(strikes.some(9) if calls else 0):
                sent = bodies_sent(world, round_)
                ended = strikes.strike(command, calls=calls)
                held = blobs(desk)
                assert complete <= held, "a blob was lost"
                again = {names[one] for one in complete if bodies_sent(world, round_)[names[one]] > sent[names[one]]}
                assert not again, f"{again} was complete, and was fetched again"
                complete = held & set(names)
                if ended.killed and desk.lockfile.exists() and desk.lockfile.read_bytes() != locked:
                    assert complete == set(names), "the lockfile names what is not there"
                for name, body in shown(desk).items():
                    assert body in (wanted[name], bodies(round_ - 1)[name]), "half a file is in view"
            last = parent.run([command])
            calls = calls or last.calls
            assert last.code == 0, last.said
            assert "warning" not in last.said, "somebody has to repair something"
            assert set(names) <= blobs(desk)
            assert list(desk.cache.glob("partial/*")) == []
            if command == "sync":
                assert shown(desk) == wanted
            if strikes.done():
                break
        assert parent.run(["sync"]).code == 0
        assert shown(desk) == wanted
        assert parent.run(["cache", "verify"]).code == 0
    assert strikes.killed >= KILLS


@pytest.mark.promise(3)
def test_kills_of_a_prune_take_nothing_that_is_needed(world: World, desk: Desk) -> None:
    with zygote(desk) as parent:
        strikes, round_, calls = Strikes(7, parent), 0, 0
        while not strikes.done():
            wanted = serve(world, desk, round_)
            assert parent.run(["sync"]).code == 0
            needed = {sha256(body) for body in wanted.values()}
            if not calls:
                calls = parent.run(["cache", "prune"]).calls
            for _ in range(strikes.some(12)):
                strikes.strike("cache", "prune", calls=calls + 500)
                assert needed <= blobs(desk)
            ended = parent.run(["cache", "prune"])
            assert ended.code == 0, ended.said
            assert blobs(desk) == needed
            sent = len(world.origin.requests)
            assert parent.run(["sync", "--frozen"]).code == 0
            assert parent.run(["cache", "verify"]).code == 0
            assert len(world.origin.requests) == sent
            round_ += 1
    assert strikes.killed >= KILLS


def test_kills_leave_no_rubbish_that_grows(world: World, desk: Desk) -> None:
    """What killed processes leave is swept by the next one that is alone."""
    with zygote(desk) as parent:
        serve(world, desk, 0)
        calls = parent.run(["sync"]).calls
        for round_ in range(1, 6):
            serve(world, desk, round_)
            parent.run(["sync"], kill_at=calls // 2)
        assert parent.run(["sync"]).code == 0
        assert parent.run(["cache", "prune", "--max-age", "0s"]).code == 0
        for folder in ("tmp", "using", "partial", "quarantine"):
            assert list((desk.cache / folder).iterdir()) == [], folder


@pytest.mark.promise(4)
@pytest.mark.parametrize("projects", [1, 20], ids=["one project", "twenty projects"])
def test_twenty_processes_race_on_one_cold_cache(world: World, desk: Desk, tmp_path: Path, projects: int) -> None:
    wanted = serve(world, desk, 0)
    manifest = (desk.root / "downloads.yaml").read_text()
    roots = [desk.root / f"p{number}" for number in range(projects)]
    for root in roots:
        root.mkdir()
        (root / ".git").mkdir()
        (root / "downloads.yaml").write_text(manifest)
    # All begin to run at once: each waits until the gate is open.
    program = [sys.executable, "-c", _AT_THE_GATE, str(tmp_path / "gate"), console_script()]
    (tmp_path / "gate").mkdir()
    racing = [desk.start("sync", cwd=roots[number % projects], program=program) for number in range(20)]
    (tmp_path / "gate").rmdir()
    ended = [desk.end(process, "sync") for process in racing]
    assert [run.code for run in ended] == [0] * 20, "\n".join(map(str, ended))
    for root in roots:
        assert {path.name: path.read_bytes() for path in (root / "data").iterdir()} == wanted
    assert bodies_sent(world, 0) == Counter(dict.fromkeys(wanted, 1))
    assert blobs(desk) == {sha256(body) for body in wanted.values()}
    assert not any("damaged" in run.err for run in ended)


_AT_THE_GATE = """
import os, sys
while os.path.isdir(sys.argv[1]):
    os.sched_yield()
os.execv(sys.argv[2], sys.argv[2:])
"""


@pytest.mark.fault("L02")
@pytest.mark.fault("L05")
@pytest.mark.parametrize("limit", [1, 1_000, 100_000])
def test_a_disk_that_is_full_is_said_and_loses_nothing(world: World, desk: Desk, limit: int) -> None:
    """No file may grow beyond ``limit`` bytes: the cache, the tree or the lockfile cannot be written."""
    wanted = serve(world, desk, 0)
    code = f"import os, resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}));"
    program = [sys.executable, "-c", code + "os.execv(sys.argv[1], sys.argv[1:])", console_script()]
    # A module's bytecode that the limit cuts off would stay, and be believed.
    run = desk.dlm("sync", program=program, variables={"PYTHONDONTWRITEBYTECODE": "1"})
    assert run.code == 1, str(run)
    assert "Traceback" not in run.err
    assert "cannot" in run.err
    assert "hint" in run.err
    assert not desk.lockfile.exists()
    blobs(desk)
    assert shown(desk) == {}
    desk.dlm("sync").ok()
    assert shown(desk) == wanted
