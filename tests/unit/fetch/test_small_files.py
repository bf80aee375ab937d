"""Small files one behind another: what is made ready early, and what need not wait for the disk."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from dlm.model.artifact import Blob
from dlm.model.digest import Digests
from dlm.model.transfer import Arrived, Order
from dlm.ports import Claim, Tray
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

    def claim(self, sha256: str) -> Claim | None:
        return self._tray.claim(sha256)

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


def test_many_are_made_ready_while_the_server_is_silent(tmp_path: Path) -> None:
    class EnoughError(Exception):
        pass

    def orders(there: str) -> Iterator[Order]:
        yield from (small(there, number) for number in range(100))
        raise EnoughError

    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        kit(tmp_path, "curl", "h2", jobs=4, retries=0, connect_timeout=2.0) as made,
    ):
        there = f"https://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(EnoughError):
            next(made.fetcher.fetch(orders(there), made.store))
        # All is let go of.
        for number in range(100):
            claim = made.store.claim(small(there, number).key)
            assert claim is not None
            claim.close()


def test_none_are_where_they_cannot_share_a_connection(tmp_path: Path) -> None:
    taken: list[int] = []

    def orders(there: str) -> Iterator[Order]:
        for number in range(100):
            taken.append(number)
            yield small(there, number)

    with kit(tmp_path, "curl", "http", jobs=4) as made:
        before: list[int] = []

        def first(_: Request) -> Response:
            before.append(len(taken))
            return Response(body=body(0))

        there = serve(made.origin)
        made.origin.route("/0.bin", first)
        assert all(isinstance(one, Arrived) for one in made.fetcher.fetch(orders(there), made.store))
        assert before[0] <= 8


@pytest.mark.parametrize("protocol", ["https", "h2"])
def test_those_that_were_made_ready_keep_to_the_caps(tmp_path: Path, protocol: str) -> None:
    with kit(tmp_path, "curl", protocol, jobs=3, jobs_per_host=3) as made:
        there = serve(made.origin)
        orders = [small(there, number) for number in range(300)]
        found = list(made.fetcher.fetch(orders, made.store))
        assert sum(isinstance(one, Arrived) for one in found) == len(orders)
        assert len(made.origin.requests) == len(orders)
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
