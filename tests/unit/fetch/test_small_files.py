"""Small files one behind another: what is made ready early, and what need not wait for the disk."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Self

import pytest

from dlm.fetch.curl_backend import CurlBackend
from dlm.fetch.fetcher import HttpFetcher
from dlm.fetch.round import Round
from dlm.model.artifact import Blob
from dlm.model.digest import Digests
from dlm.model.transfer import Arrived, Carried, Lost, Order
from dlm.ports import Tray, Wire
from dlm.store.index import Signature
from dlm.store.local import LocalStore
from tests.support.fetching import kit, order, sha256
from tests.support.origin import Origin, Request, Response
from tests.unit.fetch.test_loop import Bench

LONG = 30.0


def body(number: int) -> bytes:
    return b"%d " % number * 100


def small(origin: str, number: int) -> Order:
    return order(f"{origin}/{number}.bin", digests=sha256(body(number)), size=len(body(number)), name=f"r{number}")


def serve(origin: Origin) -> str:
    """Answers every path ``/N.bin`` with the body of that number; the address of all of them."""

    def answer(request: Request) -> Response:
        return Response(body=body(int(request.path.removeprefix("/").removesuffix(".bin"))))

    origin.otherwise(answer)
    return origin.url


class Patient:
    """A tray that stores nothing before an event."""

    def __init__(self, tray: Tray, event: threading.Event) -> None:
        self._tray = tray
        self._event = event
        self.claim, self.reserve, self.release, self.claimed = tray.claim, tray.reserve, tray.release, tray.claimed
        self.note_all, self.announce, self.lay_by = tray.note_all, tray.announce, tray.lay_by

    def keep(self, sha256: str, data: bytes) -> tuple[int, int, int, int]:
        assert self._event.wait(LONG), "nothing else was asked for"
        return self._tray.keep(sha256, data)

    def put(self, digests: Digests, pieces: Sequence[bytes], size: int, name: str) -> Blob:
        assert self._event.wait(LONG), "nothing else was asked for"
        return self._tray.put(digests, pieces, size, name)

    def close(self) -> None:
        self._tray.close()


class PatientStore(LocalStore):
    """A store on a slow disk."""

    event = threading.Event()

    def tray(self, told: Callable[[str, Signature], None] | None = None) -> Tray | None:
        tray = super().tray(told)
        return None if tray is None else Patient(tray, self.event)


@pytest.mark.parametrize("protocol", ["http", "h2"])
def test_the_next_is_asked_for_before_the_last_is_stored(tmp_path: Path, protocol: str) -> None:
    with kit(tmp_path, "curl", protocol, jobs=1, jobs_per_host=1) as made:
        asked = threading.Event()

        def second(_: Request) -> Response:
            asked.set()
            return Response(body=body(1))

        there = serve(made.origin)
        made.origin.route("/1.bin", second)
        store = PatientStore(str(tmp_path / "slow"), made.clock, made.heard)
        store.event = asked
        found = list(made.fetcher.fetch([small(there, 0), small(there, 1)], store))
        assert [one.order.artifact.resource for one in found if isinstance(one, Arrived)] == ["r0", "r1"]
        store.close()


class Taken:
    """A round of small files, and how many of them were asked for."""

    def __init__(self, there: str, count: int) -> None:
        self.count = 0
        self.round = Round(count, partial(self._make, there))

    def _make(self, there: str, number: int) -> Order:
        self.count += 1
        return replace(small(there, number), bare=True, number=number)


@pytest.mark.parametrize(
    ("jobs", "per_host", "made_ready"), [(4, 4, True), (1, 1, False), (8, 1, False)], ids=["shared", "one", "per-host"]
)
def test_many_are_made_ready_while_the_server_is_silent(
    tmp_path: Path, jobs: int, per_host: int, made_ready: bool
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        there = f"https://127.0.0.1:{silent.getsockname()[1]}"
        changes = {"jobs": jobs, "jobs_per_host": per_host, "retries": 0, "connect_timeout": 2.0}
        with kit(tmp_path, "curl", "h2", **changes) as made:
            taken = Taken(there, 100)
            run = made.fetcher.fetch_round(taken.round, made.store)
            assert isinstance(next(run), Lost)
            assert taken.count == 100 if made_ready else taken.count <= 8 + 1
            run.close()
            # All is let go of.
            for number in range(100):
                claim = made.store.claim(small(there, number).key)
                assert claim is not None
                claim.close()


class TurnCounter(CurlBackend):
    """The backend, and how often its wire had its turn."""

    turns = 0

    def open(self) -> Wire:
        wire = super().open()
        turn = wire.turn

        def counted(timeout: float) -> None:
            self.turns += 1
            turn(timeout)

        wire.turn = counted  # type: ignore[method-assign]
        return wire


def test_orders_that_come_slowly_do_not_keep_the_wire_waiting(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        there = f"https://127.0.0.1:{silent.getsockname()[1]}"
        with kit(tmp_path, "curl", "h2", jobs=4, retries=0, connect_timeout=2.0) as made:
            backend = TurnCounter(made.settings)
            fetcher = HttpFetcher(made.settings, made.clock, made.heard, backend, version="0")
            turns: list[int] = []

            def make(number: int) -> Order:
                turns.append(backend.turns)
                made.clock.sleep(1.0)  # on this clock alone
                return replace(small(there, number), bare=True, number=number)

            run = fetcher.fetch_round(Round(40, make), made.store)
            next(run)
            run.close()
            early = turns[10:]
            assert len(early) == 30
            assert all(later > sooner for sooner, later in itertools.pairwise(early))


def test_none_are_where_they_cannot_share_a_connection(tmp_path: Path) -> None:
    with kit(tmp_path, "curl", "http", jobs=4) as made:
        taken = Taken(serve(made.origin), 100)
        before: list[int] = []

        def first(_: Request) -> Response:
            before.append(taken.count)
            return Response(body=body(0))

        made.origin.route("/0.bin", first)
        assert all(isinstance(one, Carried) for one in made.fetcher.fetch_round(taken.round, made.store))
        assert before[0] <= 8


@pytest.mark.parametrize("protocol", ["https", "h2"])
def test_those_that_were_made_ready_keep_to_the_caps(tmp_path: Path, protocol: str) -> None:
    with kit(tmp_path, "curl", protocol, jobs=3, jobs_per_host=3) as made:
        there = serve(made.origin)
        found = list(made.fetcher.fetch_round(Taken(there, 300).round, made.store))
        assert sum(isinstance(one, Carried) for one in found) == 300
        assert len(made.origin.requests) == 300
        assert made.origin.connections <= 3


def test_answers_that_wait_to_be_stored_are_let_go_of(tmp_path: Path) -> None:
    with kit(tmp_path, "curl", "h2") as made:
        there = serve(made.origin)
        orders = [small(there, number) for number in range(150)]
        run = made.fetcher.fetch(orders, made.store)
        next(run)
        run.close()
        again = list(made.fetcher.fetch(orders, made.store))
        assert sum(isinstance(one, Arrived) for one in again) == len(orders)


def test_a_place_is_free_when_the_answer_is_there() -> None:
    bench = Bench(jobs=1, jobs_per_host=1)
    first, second = bench.start(taker=lambda _lines, _pieces: True), bench.start()
    bench.wire.during = first.arrived
    bench.loop.turn()
    assert bench.wire.running == [first, second]
    bench.wire.during = lambda: bench.wire.finish(second)
    bench.loop.turn()
    assert bench.loop.busy
    turns = len(bench.wire.turns)
    bench.wire.during = lambda: bench.wire.running.remove(first) if first.whole((), ()) else None
    bench.loop.turn()
    assert len(bench.wire.turns) == turns + 1
    assert not bench.loop.busy


def test_one_that_waits_to_be_taken_can_be_cancelled() -> None:
    bench = Bench(jobs=1, jobs_per_host=1)
    first = bench.start(taker=lambda _lines, _pieces: True)
    bench.loop.turn()
    bench.wire.during = first.arrived
    bench.loop.turn()
    bench.loop.cancel(first)
    assert bench.wire.cancelled == [first]
    assert not bench.loop.busy
    assert bench.handler.endings == []


def test_the_wire_hears_what_may_come() -> None:
    bench = Bench(jobs=2, jobs_per_host=2)
    for _ in range(40):
        bench.start(light=True)
    bench.loop.turn()
    bench.loop.foresee()
    assert bench.wire.foreseen == [2 * 8 - 2]
    bench.wire.streaming.add("https://a.example")
    assert not bench.loop.room
    bench.loop.turn()
    assert len(bench.wire.running) == 16
    for one in bench.wire.running[:12]:
        bench.wire.finish(one)
    bench.loop.turn()
    for one in list(bench.wire.running):
        bench.wire.finish(one)
    bench.loop.turn()
    assert bench.loop.room


def test_small_answers_wait_for_no_large_ones(tmp_path: Path) -> None:
    # Each large answer that ends is an event in which nothing else would be done.
    with kit(tmp_path, "curl", "http") as made:
        there = serve(made.origin)
        rare = range(100, 500, 50)
        orders = []
        for number in range(600):
            if number in rare:
                orders.append(small(there, number))
                continue
            content = b"%d " % number * 20_000
            url = made.origin.route(f"/{number}.big", Response(body=content))
            orders.append(order(url, digests=sha256(content), size=len(content), name=f"r{number}"))
        names = [one.order.artifact.resource for one in made.fetcher.fetch(orders, made.store)]
        assert len(names) == 600
        assert all(names.index(f"r{number}") < number + 50 for number in rare)


class Interrupts:
    """Raises KeyboardInterrupt at one of the moments at which Python code of the fetcher meets the rest.

    Args:
        places: the names of its modules in which moments count; none for all.
    """

    def __init__(self, moment: int, *places: str) -> None:
        self._left = moment
        self._places = tuple(f"{os.sep}{name}.py" for name in places)
        self.came = False

    def __enter__(self) -> Self:
        sys.setprofile(self._look)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _look(self, frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event not in {"call", "c_return"} or code.co_name == "<genexpr>":  # whose end nobody hears of
            return
        if f"{os.sep}dlm{os.sep}fetch{os.sep}" in code.co_filename and code.co_filename.endswith(self._places or ""):
            self._left -= 1
            if self._left == 0:
                sys.setprofile(None)
                self.came = True
                raise KeyboardInterrupt


@pytest.mark.parametrize("protocol", ["http", "h2"])
@pytest.mark.parametrize("first", range(8))
def test_an_interrupt_at_any_moment_leaves_nothing_claimed(tmp_path: Path, protocol: str, first: int) -> None:
    with kit(tmp_path, "curl", protocol, retries=0, jobs=4) as made:
        there = serve(made.origin)
        made.origin.route("/3.bin", Response(body=b"others"))
        orders = [small(there, number) for number in range(10)]
        moment = 1 + first * 7
        came = True
        while came:
            with contextlib.closing(LocalStore(str(tmp_path / f"cache-{moment}"), made.clock, made.heard)) as store:
                with Interrupts(moment) as interrupts, contextlib.suppress(KeyboardInterrupt):
                    list(made.fetcher.fetch(orders, store))
                came = interrupts.came
                for one in orders:
                    claim = store.claim(one.key)
                    assert claim is not None, moment
                    claim.close()
            moment += 56
        assert moment > 500, "that were a few moments only"
