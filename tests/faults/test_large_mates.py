"""Two processes fetch one round of large files: all of it, once, by the same rules, whatever becomes of either."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from dlm.model.digest import Digests
from tests.faults.test_mates import asked, begin, children, ended, gone
from tests.support.mated import body
from tests.support.origin import Close, Handler, Hold, Origin, Raw, Request, Reset, Response, redirect
from tests.support.stores import a_store

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a second process is forked on Linux alone")

COUNT = 24
ALL = list(range(COUNT))
TOTAL = sum(len(body(number, large=True)) for number in ALL)


@pytest.fixture
def origin() -> Iterator[Origin]:
    with Origin() as one:
        one.otherwise(right)
        yield one


def large(request: Request) -> bytes:
    return body(int(request.path[1:]), large=True)


def right(request: Request) -> Response | Raw:
    """The file, or what a range asks for of it."""
    data = large(request)
    span = request.get("range")
    if span is None:
        return Response(headers=(("ETag", '"v"'), ("Accept-Ranges", "bytes")), body=data)
    start = int(span.removeprefix("bytes=").split("-")[0])
    end = span.split("-")[1]
    stop = int(end) + 1 if end else len(data)
    headers = (("ETag", '"v"'), ("Content-Range", f"bytes {start}-{stop - 1}/{len(data)}"))
    return Response(206, headers=headers, body=data[start:stop])


def run(origin: Origin, cache: Path, *more: str) -> subprocess.Popen[str]:
    return begin(origin, cache, "--large", *more, count=COUNT)


def check_store(cache: Path, numbers: list[int]) -> None:
    """All is there and known to be good, and nothing else is."""
    store = a_store(cache)
    pins = {number: Digests.sha256_of(body(number, large=True)) for number in numbers}
    assert {blob.sha256 for blob in store.blobs()} == {pin.sha256 for pin in pins.values()}
    assert all(good for _, good in store.verify_all())
    store.close()
    assert os.listdir(cache / "tmp") == []
    assert os.listdir(cache / "using") == []


def test_each_file_comes_once_and_both_have_fetched(origin: Origin, tmp_path: Path) -> None:
    found = ended(run(origin, tmp_path))
    assert sorted(found["own"] + found["mates"]) == ALL
    assert found["mates"]
    assert found["own"]
    assert found["spares"] == COUNT
    assert found["transferred"] == TOTAL
    assert asked(origin) == {f"/{number}": 1 for number in ALL}
    assert sorted(found["heard"]["Fetching"]) == sorted(found["heard"]["Fetched"]) == sorted(map(str, ALL))
    check_store(tmp_path, ALL)


ODD: list[tuple[str, Handler | Response | Raw]] = [
    ("404", Response(404)),
    ("500", Response(500)),
    ("redirect", lambda request: redirect(f"/7{request.path[1:]}")),
    ("wrong", Response(body=b"wrong")),
    ("wrong bytes", lambda request: Response(body=bytes(len(large(request))))),
    ("gzip", lambda request: Response(headers=(("Content-Encoding", "gzip"),), body=large(request))),
    ("reset", Raw((Reset(),))),
    ("cut", lambda request: Response(body=(large(request)[:-1], Close()), length=len(large(request)))),
    ("too long", lambda request: Response(body=large(request) + b"?")),
    ("chunked", lambda request: Response(body=large(request), chunked=True)),
]


@pytest.mark.parametrize(("name", "odd"), ODD, ids=[name for name, _ in ODD])
def test_what_is_out_of_the_ordinary_ends_as_with_one_process(
    origin: Origin, tmp_path: Path, name: str, odd: Handler | Response | Raw
) -> None:
    for number in range(5, COUNT, 6):
        origin.route(f"/{number}", odd)
        # Where a redirect leads to.
        data = body(number, large=True)
        origin.route(f"/7{number}", Response(body=data))
    alone = ended(run(origin, tmp_path / "alone", "--alone"))
    together = ended(run(origin, tmp_path / "together"))
    assert alone["mates"] == []
    assert together["lost"] == alone["lost"]
    assert sorted(together["own"] + together["mates"]) == sorted(alone["own"])
    check_store(tmp_path / "together", [int(number) for number in alone["own"]])


def test_what_the_parent_gets_at_a_second_attempt_is_no_failure(origin: Origin, tmp_path: Path) -> None:
    for number in range(0, COUNT, 3):
        data = body(number, large=True)
        first = Response(headers=(("ETag", '"v"'),), body=(data[:1_200_000], Close()), length=len(data))
        origin.route(f"/{number}", first, right)
    found = ended(run(origin, tmp_path, "--retries", "2"))
    assert found["lost"] == {}
    assert sorted(found["own"] + found["mates"]) == ALL
    # Nothing that came before a cut came twice.
    for number in range(0, COUNT, 3):
        _, again = origin.of(f"/{number}")
        assert again.get("range") == "bytes=1200000-"
    check_store(tmp_path, ALL)


def test_a_warning_of_the_childs_is_told(origin: Origin, tmp_path: Path) -> None:
    wrong = "1B2M2Y8AsgTpgAmY7PhCfg=="  # of nothing at all
    origin.otherwise(lambda request: Response(headers=(("Content-MD5", wrong),), body=large(request)))
    found = ended(run(origin, tmp_path))
    assert found["mates"]
    assert sorted(found["heard"]["Warned"]) == sorted(map(str, ALL))


def test_a_child_that_is_killed_is_done_without(origin: Origin, tmp_path: Path) -> None:
    process = run(origin, tmp_path)
    killed = threading.Event()

    def kill(request: Request) -> Response | Raw:
        for pid in children(process):
            os.kill(pid, signal.SIGKILL)
            killed.set()
        return right(request)

    origin.route("/4", kill)
    found = ended(process)
    assert killed.is_set()
    assert found["lost"] == {}
    assert sorted(found["own"] + found["mates"]) == ALL
    store = a_store(tmp_path)
    assert all(good for _, good in store.verify_all())
    assert len(list(store.blobs())) == COUNT


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_the_end_of_the_parent_is_the_end_of_both(
    origin: Origin, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    gate = origin.gate()
    for held in ALL[8:]:
        data = body(held, large=True)
        origin.route(
            f"/{held}", Response(headers=(("ETag", '"v"'),), body=(data[:1_300_000], Hold(gate), data[1_300_000:]))
        )
    process = run(origin, tmp_path)
    origin.wait_for(20)
    [child] = children(process)
    os.killpg(process.pid, number) if number == signal.SIGINT else os.kill(process.pid, number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    # The gate is closed: it does not wait for the server.
    assert gone(child)
    gate.set()
    for held in ALL[8:]:
        origin.route(f"/{held}", right)
    found = ended(run(origin, tmp_path))
    assert found["lost"] == {}
    check_store(tmp_path, ALL)


def test_what_the_child_had_of_a_file_outlives_an_interrupt(origin: Origin, tmp_path: Path) -> None:
    """As of what its parent had, nothing of it comes twice."""
    gate = origin.gate()
    for number in ALL:
        data = body(number, large=True)
        origin.route(
            f"/{number}", Response(headers=(("ETag", '"v"'),), body=(data[:1_300_000], Hold(gate), data[1_300_000:]))
        )
    process = run(origin, tmp_path)
    origin.wait_for(16)
    began = {int(request.path[1:]) for request in origin.requests}
    partial = tmp_path / "partial"
    while sum(one.suffix != ".json" for one in partial.iterdir()) < len(began):
        os.sched_yield()
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    gate.set()
    first = len(origin.requests)
    for number in ALL:
        origin.route(f"/{number}", right)
    assert ended(run(origin, tmp_path))["lost"] == {}
    ranges = {int(request.path[1:]): request.get("range") for request in origin.requests[first:]}
    assert {number for number, span in ranges.items() if span is not None} == began
    check_store(tmp_path, ALL)


def test_an_interrupt_that_waited_for_the_fork_ends_both(origin: Origin, tmp_path: Path) -> None:
    gate = origin.gate()
    origin.otherwise(lambda request: Response(body=(Hold(gate), large(request))))
    process = run(origin, tmp_path, "--interrupted")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    gate.set()
    origin.otherwise(right)
    assert ended(run(origin, tmp_path))["lost"] == {}
    check_store(tmp_path, ALL)


def test_an_interrupt_that_python_drops_ends_both(origin: Origin, tmp_path: Path) -> None:
    gate = origin.gate()
    origin.otherwise(lambda request: Response(body=(Hold(gate), large(request))))
    process = run(origin, tmp_path, "--losing")
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "")
    gate.set()
    origin.otherwise(right)
    assert ended(run(origin, tmp_path))["lost"] == {}
    check_store(tmp_path, ALL)


@pytest.mark.parametrize("turn", range(3))
def test_a_backend_with_threads_hashes_in_one_process_too(origin: Origin, tmp_path: Path, turn: int) -> None:
    found = ended(run(origin, tmp_path, "--backend", "requests"))
    assert found["lost"] == {}
    assert sorted(found["own"]) == ALL
    check_store(tmp_path, ALL)


def test_two_such_runs_fetch_everything_once(origin: Origin, tmp_path: Path) -> None:
    one, other = run(origin, tmp_path), run(origin, tmp_path)
    for process in (one, other):
        found = ended(process)
        assert found["lost"] == {}
        assert sorted(found["own"] + found["mates"]) == ALL
    assert set(asked(origin).values()) == {1}
    check_store(tmp_path, ALL)
