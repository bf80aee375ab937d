"""Two processes fetch one round: all of it, once, by the same rules, whichever of them ends too soon."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dlm.model.digest import Digests
from tests.support.mated import body
from tests.support.origin import Close, Handler, Hold, Origin, Raw, Request, Reset, Response, redirect
from tests.support.stores import a_store

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a second process is forked on Linux alone")

COUNT = 400


@pytest.fixture
def origin() -> Iterator[Origin]:
    with Origin() as one:
        one.otherwise(right)
        yield one


def right(request: Request) -> Response | Raw:
    return Response(body=body(int(request.path[1:])))


def begin(origin: Origin, cache: Path, *more: str, count: int = COUNT) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.support.mated", origin.url, str(cache), str(count), *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def ended(process: subprocess.Popen[str], code: int = 0) -> dict[str, Any]:
    out, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert code or not err
    return json.loads(out) if out else {}


def children(process: subprocess.Popen[str]) -> list[int]:
    text = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return [int(pid) for pid in text.split()]


def gone(pid: int) -> bool:
    """Whether a process ends; waits for that."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], 30)[0])
    finally:
        os.close(descriptor)


def check_store(cache: Path, numbers: range | list[int]) -> None:
    """All is there and known to be good, and nothing else is."""
    store = a_store(cache)
    wanted = {str(pin.sha256): pin for pin in (Digests.sha256_of(body(number)) for number in numbers)}
    assert store.get_many(wanted).keys() == wanted.keys()
    assert all(good for _, good in store.verify_all())
    names = {blob.sha256: blob.name for blob in store.blobs()}
    assert names.keys() == wanted.keys()
    store.close()
    assert os.listdir(cache / "tmp") == []


def asked(origin: Origin) -> Counter[str]:
    return Counter(request.path for request in origin.requests)


def test_each_file_comes_once_and_both_have_fetched(origin: Origin, tmp_path: Path) -> None:
    found = ended(begin(origin, tmp_path))
    assert sorted(found["own"] + found["mates"]) == list(range(COUNT))
    assert found["mates"]
    assert found["own"]
    assert asked(origin) == {f"/{number}": 1 for number in range(COUNT)}
    check_store(tmp_path, range(COUNT))
    assert os.listdir(tmp_path / "using") == []


def test_what_it_noted_is_believed_without_reading(origin: Origin, tmp_path: Path) -> None:
    """The rows that a parent writes for its child's blobs are those of the files as they are."""
    ended(begin(origin, tmp_path))
    store = a_store(tmp_path)
    for number in range(COUNT):
        pin = Digests.sha256_of(body(number))
        Path(store.path_of(str(pin.sha256))).chmod(0o444)
    store.close()
    again = a_store(tmp_path)
    found = again.get_many({str(pin.sha256): pin for pin in (Digests.sha256_of(body(n)) for n in range(COUNT))})
    assert len(found) == COUNT
    again.close()


def cut(data: bytes) -> Response:
    return Response(body=(data[:-1], Close()), length=len(data))


ODD: list[tuple[str, Handler | Response | Raw]] = [
    ("404", Response(404)),
    ("500", Response(500)),
    ("redirect", lambda request: redirect(f"/7{request.path[1:]}")),
    ("wrong", Response(body=b"wrong")),
    ("wrong bytes", lambda request: Response(body=bytes(len(body(int(request.path[1:])))))),
    ("gzip", lambda request: Response(headers=(("Content-Encoding", "gzip"),), body=body(int(request.path[1:])))),
    ("reset", Raw((Reset(),))),
    ("cut", lambda request: cut(body(int(request.path[1:])))),
    ("chunked", lambda request: Response(body=body(int(request.path[1:])), chunked=True)),
]


@pytest.mark.parametrize("lanes", [True, False], ids=["lanes", "orders"])
@pytest.mark.parametrize(("name", "odd"), ODD, ids=[name for name, _ in ODD])
def test_what_is_out_of_the_ordinary_ends_as_with_one_process(
    origin: Origin, tmp_path: Path, name: str, odd: Handler | Response | Raw, lanes: bool
) -> None:
    how = () if lanes else ("--orders",)
    numbers = range(25, COUNT, 40)
    for number in numbers:
        origin.route(f"/{number}", odd)
        # Where a redirect leads to.
        origin.route(f"/7{number}", lambda request: Response(body=body(int(request.path[2:]))))
    alone = ended(begin(origin, tmp_path / "alone", "--alone", *how))
    together = ended(begin(origin, tmp_path / "together", *how))
    assert alone["mates"] == []
    assert together["mates"]
    assert together["lost"] == alone["lost"]
    assert sorted(together["own"] + together["mates"]) == sorted(alone["own"])
    check_store(tmp_path / "together", [int(number) for number in alone["own"]])


def test_a_server_that_refuses_everything_is_not_asked_everything_twice(origin: Origin, tmp_path: Path) -> None:
    origin.otherwise(lambda request: right(request) if int(request.path[1:]) < 60 else Response(404))
    found = ended(begin(origin, tmp_path))
    assert sorted(found["own"] + found["mates"]) == list(range(60))
    assert len(found["lost"]) == COUNT - 60
    # What the child had under way when it had seen enough.
    assert len(origin.requests) - COUNT <= 8 + 8


def test_a_child_stops_where_a_server_has_too_much_to_do(origin: Origin, tmp_path: Path) -> None:
    for number in range(60, COUNT):
        origin.route(f"/{number}", Response(429, headers=(("Retry-After", "0"),)), Response(body=body(number)))
    found = ended(begin(origin, tmp_path, "--retries", "3"))
    assert sorted(found["own"] + found["mates"]) == list(range(COUNT))
    assert set(found["mates"]) <= set(range(60))


def test_a_child_that_is_killed_is_done_without(origin: Origin, tmp_path: Path) -> None:
    process = begin(origin, tmp_path)
    killed = threading.Event()

    def kill(request: Request) -> Response | Raw:
        for pid in children(process):
            os.kill(pid, signal.SIGKILL)
            killed.set()
        return right(request)

    origin.route("/200", kill)
    found = ended(process)
    assert killed.is_set()
    assert sorted(found["own"] + found["mates"]) == list(range(COUNT))
    assert found["lost"] == {}
    check = a_store(tmp_path)
    assert all(good for _, good in check.verify_all())
    assert len(list(check.blobs())) == COUNT


def stopped(origin: Origin, tmp_path: Path, number: int, code: int) -> None:
    """Stop a process while its child is at work, and see that the child ends, and that another run makes it whole."""
    gate = origin.gate()

    def hold(request: Request) -> Response:
        data = body(int(request.path[1:]))
        return Response(body=(Hold(gate), data), length=len(data))

    for held in range(60, COUNT, 10):
        origin.route(f"/{held}", hold)
    process = begin(origin, tmp_path)
    origin.wait_for(70)
    [child] = children(process)
    os.killpg(process.pid, number) if number == signal.SIGINT else os.kill(process.pid, number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    gate.set()
    assert gone(child)
    origin.otherwise(right)
    for held in range(60, COUNT, 10):
        origin.route(f"/{held}", right)
    found = ended(begin(origin, tmp_path))
    assert found["lost"] == {}
    check_store(tmp_path, range(COUNT))


def test_an_interrupt_ends_both(origin: Origin, tmp_path: Path) -> None:
    stopped(origin, tmp_path, signal.SIGINT, 130)


def test_a_killed_parent_takes_its_child_along(origin: Origin, tmp_path: Path) -> None:
    stopped(origin, tmp_path, signal.SIGKILL, -signal.SIGKILL)


def test_both_together_keep_the_limit(origin: Origin, tmp_path: Path) -> None:
    lock = threading.Lock()
    now, most = 0, 0
    meeting = threading.Barrier(2)

    def counted(request: Request) -> Response | Raw:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        try:
            if int(request.path[1:]) % 50 == 49:
                # Two that are there at the same time: that limits are used shows, too.
                try:
                    meeting.wait(timeout=1)
                except threading.BrokenBarrierError:
                    meeting.reset()
            return right(request)
        finally:
            with lock:
                now -= 1

    origin.otherwise(counted)
    found = ended(begin(origin, tmp_path, "--jobs", "4"))
    assert found["mates"]
    assert len(found["own"]) + len(found["mates"]) == COUNT
    assert 2 <= most <= 4


def test_with_one_job_there_is_one_process(origin: Origin, tmp_path: Path) -> None:
    found = ended(begin(origin, tmp_path, "--jobs", "1"))
    assert found["mates"] == []
    assert sorted(found["own"]) == list(range(COUNT))


def test_two_such_runs_fetch_everything_once(origin: Origin, tmp_path: Path) -> None:
    one, other = begin(origin, tmp_path), begin(origin, tmp_path)
    for process in (one, other):
        found = ended(process)
        assert found["lost"] == {}
        assert sorted(found["own"] + found["mates"]) == list(range(COUNT))
    assert set(asked(origin).values()) == {1}
    check_store(tmp_path, range(COUNT))


def test_what_one_process_has_not_begun_is_fetched_when_the_other_is_done(origin: Origin, tmp_path: Path) -> None:
    count = 128  # of which whoever comes first takes half at once, and the parent the first 32 in any case
    asked_for, gates = threading.Event(), [origin.gate(), origin.gate()]

    def held(request: Request) -> Response:
        asked_for.set()
        return Response(body=body(5), before=(Hold(gates[0]),))

    origin.route("/5", held)
    for number in (40, 100):  # one of them is the child's
        origin.route(f"/{number}", Response(body=body(number), before=(Hold(gates[1]),)))
    process = begin(origin, tmp_path, "--jobs", "2", count=count)
    assert asked_for.wait(30)
    [child] = children(process)
    # One that would have a lane next takes none after all.
    store = a_store(tmp_path)
    tray = store.tray()
    assert tray is not None
    tray.put(Digests.sha256_of(body(20)), (body(20),), len(body(20)), "20")
    tray.close()
    store.close()
    gates[1].set()
    assert gone(child)
    gates[0].set()
    found = ended(process)
    assert sorted(found["own"] + found["mates"]) == list(range(count))
    assert found["mates"]
