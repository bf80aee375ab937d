"""Files that take lanes come to the same as those that have orders: outcomes, words, requests and what is left."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dlm.errors import LocalError
from dlm.fetch.curl_backend import CurlBackend
from dlm.fetch.fetcher import HttpFetcher
from dlm.fetch.parcel import LIGHT, Parcel
from dlm.fetch.round import Round
from dlm.model import events
from dlm.model.artifact import Artifact
from dlm.model.transfer import Arrived, Carried, Lost, Order
from dlm.model.wire import Request as ModelRequest
from dlm.ports import Lane, Wire
from dlm.store import local
from dlm.store.local import LocalStore
from tests.contract.test_parcels import ANSWERS, SMALL, WRITTEN, as_written, timeless
from tests.support.fetching import BODY, Kit, kit, order, sha256
from tests.support.origin import Handler, Hold, Raw, Response, Static, redirect
from tests.unit.fetch.test_small_files import Interrupts

COUNT = 24
#: The one that is answered in another way than the rest.
ODD = 9
PROTOCOLS = ["http", "h2"]


def body(number: int) -> bytes:
    return SMALL if number == ODD else BODY[number : number + 3000 + number]


def below(artifact: Artifact, origin: str) -> bool:
    return artifact.url.startswith(f"{origin}/")


def below_light(artifact: Artifact, origin: str) -> bool:
    return below(artifact, origin) and (artifact.size or 0) <= LIGHT


def serve(made: Kit, count: int = COUNT) -> list[Order]:
    """Orders for files that the origin has."""
    found: list[Order] = []
    for number in range(count):
        data = body(number)
        url = made.origin.route(f"/{number}.bin", Static(data))
        one = order(url, digests=sha256(data), size=len(data), name=f"r{number}")
        found.append(replace(one, bare=True, number=number))
    return found


def the_round(orders: list[Order], *, lanes: bool) -> Round:
    artifacts = [one.artifact for one in orders]
    return Round(len(orders), orders.__getitem__, artifacts=artifacts, plain=below if lanes else None)


def fetched(made: Kit, orders: list[Order], *, lanes: bool = True) -> dict[int, object]:
    """What became of each order, in comparable form."""
    found: dict[int, object] = {}
    for outcome in made.fetcher.fetch_round(the_round(orders, lanes=lanes), made.store):
        if isinstance(outcome, Carried):
            blobs = [(blob.digests, blob.size, made.store.get(blob.digests) == blob) for blob in outcome.blobs]
            assert outcome.transferred == sum(blob.size for blob in outcome.blobs)
            found.update(zip(outcome.numbers, blobs, strict=True))
        elif isinstance(outcome, Arrived):
            found[outcome.order.number] = (outcome.blob.digests, outcome.blob.size, True)
        else:
            error = outcome.error
            found[outcome.order.number] = (type(error), error.message, error.hint, error.details, error.resource)
    return found


def story(made: Kit) -> tuple[list[str], list[str], list[str]]:
    """What was asked, what was told, and what is left, without what tells one kit from another."""
    asked = sorted(f"{one.method} {one.target} {one.headers}" for one in made.origin.requests)
    told = sorted(
        str(replace(one, seconds=0.0) if isinstance(one, events.Fetched) else one)
        for one in made.heard.events
        if not isinstance(one, events.Progress)
    )
    cache = made.folder / "cache"
    left = sorted(
        f"{path.relative_to(cache)} {path.stat().st_size} {oct(path.stat().st_mode)}"
        for path in cache.rglob("*")
        if path.is_file() and path.parent.name != "using" and not path.name.startswith("index")
    )
    return (
        [line.replace(made.origin.netloc, "HOST") for line in asked],
        [timeless(line).replace(made.origin.netloc, "HOST") for line in told],
        left,
    )


def compare(tmp_path: Path, protocol: str, prepare: Callable[[Kit, list[Order]], None], **settings: Any) -> None:
    """Fetch the same files with lanes and without."""
    found: list[object] = []
    for lanes in (True, False):
        with kit(tmp_path / str(lanes), "curl", protocol, **settings) as made:
            orders = serve(made)
            prepare(made, orders)
            outcomes = fetched(made, orders, lanes=lanes)
            assert sorted(outcomes) == list(range(COUNT))
            made.store.settle()
            text = timeless(str(sorted(outcomes.items()))).replace(made.origin.netloc, "HOST")
            found.append((text, story(made)))
            assert list((made.folder / "cache" / "tmp").iterdir()) == []
            for one in orders:  # nothing stays claimed
                claim = made.store.claim(one.key)
                assert claim is not None
                claim.close()
    assert found[0] == found[1]


@pytest.fixture
def parcels(monkeypatch: pytest.MonkeyPatch) -> list[Parcel]:
    """Those that ask by themselves."""
    launched: list[Parcel] = []
    launch = Parcel.launch

    def noted(parcel: Parcel) -> None:
        launched.append(parcel)
        launch(parcel)

    monkeypatch.setattr(Parcel, "launch", noted)
    return launched


@pytest.mark.parametrize("protocol", [*PROTOCOLS, "https"])
@pytest.mark.parametrize("jobs", [1, 4])
def test_those_behind_the_first_take_lanes(tmp_path: Path, protocol: str, jobs: int, parcels: list[Parcel]) -> None:
    with kit(tmp_path, "curl", protocol, jobs=jobs, jobs_per_host=jobs) as made:
        found = fetched(made, serve(made, 300))
        assert len(found) == 300
        assert len(made.origin.requests) == 300
        assert made.origin.connections <= jobs
        if protocol == "http":
            assert len(parcels) <= 16 * jobs
        else:
            # Those that were made ready while the handshake lasted.
            assert len(parcels) < 300 or jobs > 1
        assert all(good for _, good in made.store.verify_all())


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("handlers", ANSWERS, ids=[str(number) for number in range(len(ANSWERS))])
def test_every_answer_comes_to_the_same(
    tmp_path: Path, protocol: str, handlers: tuple[Handler | Response | Raw, ...]
) -> None:
    def prepare(made: Kit, _orders: list[Order]) -> None:
        made.origin.route("/elsewhere", Static(SMALL, etag='"there"'))
        made.origin.route("/thing.bin", Static(SMALL))
        made.origin.route(f"/{ODD}.bin", *handlers)

    compare(tmp_path, protocol, prepare, jobs=1, jobs_per_host=1)


@pytest.mark.parametrize("parts", WRITTEN, ids=[str(number) for number in range(len(WRITTEN))])
def test_every_way_to_write_one_comes_to_the_same(tmp_path: Path, parts: tuple[object, ...]) -> None:
    def prepare(made: Kit, _orders: list[Order]) -> None:
        made.origin.route(f"/{ODD}.bin", as_written(parts), Static(SMALL))

    compare(tmp_path, "http", prepare, jobs=1, jobs_per_host=1, retries=1)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_many_at_once_with_all_kinds_of_answers(tmp_path: Path, protocol: str) -> None:
    def prepare(made: Kit, _orders: list[Order]) -> None:
        made.origin.route("/5.bin", Response(404))
        made.origin.route("/8.bin", redirect("/7.bin"))
        made.origin.route("/11.bin", Response(500), Static(body(11)))
        made.origin.route("/14.bin", Response(200, (("Content-Encoding", "gzip"),), body(14)))
        made.origin.route("/17.bin", Response(200, (), body(17)[1:] + b"?"))

    compare(tmp_path, protocol, prepare, jobs=3, jobs_per_host=3, retries=1)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_files_of_one_digest_come_once(tmp_path: Path, protocol: str) -> None:
    with kit(tmp_path, "curl", protocol, jobs=2, jobs_per_host=2) as made:
        orders = serve(made)
        first = orders[6].artifact
        for number in (7, 12, 20):
            made.origin.route(f"/{number}.bin", Static(body(6)))
            orders[number] = replace(
                orders[number], artifact=replace(first, resource=f"again{number}", url=orders[number].artifact.url)
            )
        found = fetched(made, orders)
        assert sorted(found) == list(range(COUNT))
        targets = [one.target for one in made.origin.requests]
        assert sum(target in {"/6.bin", "/7.bin", "/12.bin", "/20.bin"} for target in targets) == 1


def test_what_is_no_plain_file_in_between_goes_its_way(tmp_path: Path) -> None:
    with kit(tmp_path, "curl", "http", jobs=2, jobs_per_host=2) as made, kit(tmp_path / "other") as other:
        orders = serve(made)
        for number in range(4, COUNT, 5):
            data = BODY[: 200_000 + number] if number % 2 else body(number)
            where = other if number % 3 else made
            url = where.origin.route(f"/odd{number}.bin", Static(data))
            size = None if number == 9 else len(data)
            one = order(url, digests=sha256(data), size=size, name=f"odd{number}")
            orders[number] = replace(one, bare=True, number=number)
        kept = the_round(orders, lanes=True)
        found = list(made.fetcher.fetch_round(kept, made.store))
        assert not [one for one in found if isinstance(one, Lost)]
        assert sum(len(one.numbers) if isinstance(one, Carried) else 1 for one in found) == COUNT
        assert len(made.origin.requests) + len(other.origin.requests) == COUNT


def test_what_another_process_fetches_is_waited_for(tmp_path: Path) -> None:
    with kit(tmp_path, "curl", "http", jobs=2, jobs_per_host=2) as made:
        orders = serve(made)
        elsewhere = type(made.store)(str(made.folder / "cache"), made.clock, made.heard)
        claim = elsewhere.claim(orders[ODD].key)
        assert claim is not None

        def publish() -> None:
            made.heard.wait_for(events.Waiting)
            tray = elsewhere.tray()
            assert tray is not None
            tray.put(orders[ODD].artifact.digests, (SMALL,), len(SMALL), "x")
            tray.close()
            claim.close()

        other = threading.Thread(target=publish)
        other.start()
        found = fetched(made, orders)
        other.join(timeout=60)
        assert len(found) == COUNT
        assert len(made.origin.requests) == COUNT - 1
        elsewhere.close()


def test_one_that_cannot_take_a_lane_is_not_lost_where_the_first_answer_is_late(tmp_path: Path) -> None:
    """While the first answer is waited for, more would be made ready for a server on which many share a connection."""
    with kit(tmp_path, "curl", "http", jobs=2, jobs_per_host=2) as made:
        orders = serve(made)
        gate = made.origin.gate()
        for number in range(COUNT):
            made.origin.route(f"/{number}.bin", Response(body=(Hold(gate), body(number)), length=len(body(number))))
        elsewhere = type(made.store)(str(made.folder / "cache"), made.clock, made.heard)
        claim = elsewhere.claim(orders[ODD].key)
        assert claim is not None

        def let_go() -> None:
            made.heard.wait_for(events.Waiting)
            claim.close()

        other = threading.Thread(target=let_go)
        other.start()
        found: set[int] = set()
        for outcome in made.fetcher.fetch_round(the_round(orders, lanes=True), made.store, gate.set):
            found |= set(outcome.numbers) if isinstance(outcome, Carried) else {outcome.order.number}
        other.join(timeout=60)
        assert found == set(range(COUNT))
        elsewhere.close()


def test_what_is_there_by_now_is_not_asked_for(tmp_path: Path) -> None:
    with kit(tmp_path, "curl", "http", jobs=1, jobs_per_host=1) as made:
        orders = serve(made)

        def publish(_: object) -> Response:
            tray = made.store.tray()
            assert tray is not None
            tray.put(orders[ODD].artifact.digests, (SMALL,), len(SMALL), "x")
            tray.close()
            return Response(body=body(2))

        made.origin.route("/2.bin", publish)
        assert len(fetched(made, orders)) == COUNT
        assert len(made.origin.requests) == COUNT - 1


@pytest.mark.fault("H08")
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_answer_that_takes_its_time_goes_the_ordinary_way(tmp_path: Path, protocol: str) -> None:
    with kit(tmp_path, "curl", protocol, jobs=2, jobs_per_host=2) as made:
        orders = serve(made)
        gate = made.origin.gate()
        made.origin.route(f"/{ODD}.bin", Response(body=(SMALL[:50], Hold(gate), SMALL[50:]), length=len(SMALL)))

        def release() -> None:
            made.heard.wait_for(events.Fetching)  # told once nothing is kept back any more
            gate.set()

        other = threading.Thread(target=release)
        made.heard.events.clear()
        other.start()
        assert len(fetched(made, orders)) == COUNT
        other.join(timeout=60)
        assert len(made.origin.requests) == COUNT


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_server_that_has_too_much_to_do_is_left_alone(tmp_path: Path, protocol: str) -> None:
    def prepare(made: Kit, _orders: list[Order]) -> None:
        made.origin.route("/6.bin", Response(503, (("Retry-After", "20"),)), Static(body(6)))

    compare(tmp_path, protocol, prepare, jobs=1, jobs_per_host=1, retries=2)


def test_a_body_without_an_end_is_not_collected(tmp_path: Path) -> None:
    with kit(tmp_path, "curl", "http", jobs=1, jobs_per_host=1, retries=0) as made:
        orders = serve(made)
        endless = Response(200, (), (b"x" * 65536,) * 400, chunked=True)
        made.origin.route(f"/{ODD}.bin", endless)
        found = fetched(made, orders)
        assert sum(isinstance(one, tuple) and isinstance(one[0], type) for one in found.values()) == 1


@pytest.mark.fault("L02")
def test_a_file_that_the_disk_does_not_take_is_lost_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.rename

    def full(source: str, target: str, **folders: int) -> None:
        if target.endswith(sha256(SMALL).sha256 or "?"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(source, target, **folders)

    monkeypatch.setattr(os, "rename", full)
    compare(tmp_path, "http", lambda _made, _orders: None, jobs=1, jobs_per_host=1)


@pytest.mark.fault("L02")
def test_what_cannot_be_flushed_on_the_way_is_lost_and_the_rest_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "_MOST_UNSETTLED", 6)  # as if there were thousands
    real = os.fsync
    broken = [OSError(errno.EIO, os.strerror(errno.EIO))]

    def fail(descriptor: int) -> None:
        if broken and stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise broken.pop()
        real(descriptor)

    with kit(tmp_path, "curl", "http", jobs=2, jobs_per_host=2) as made:
        orders = serve(made)
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", fail)
            found = fetched(made, orders)
        assert sorted(found) == list(range(COUNT))
        lost = [one for one in found.values() if isinstance(one, tuple) and one[0] is LocalError]
        assert 0 < len(lost) <= 6
        assert not broken
        again = fetched(made, orders)
        assert not [one for one in again.values() if isinstance(one, tuple) and one[0] is LocalError]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("taken", [1, 4])
def test_whoever_stops_listening_leaves_nothing_claimed(tmp_path: Path, protocol: str, taken: int) -> None:
    with kit(tmp_path, "curl", protocol, jobs=3, jobs_per_host=3) as made:
        orders = serve(made, 200)
        run = made.fetcher.fetch_round(the_round(orders, lanes=True), made.store)
        for _ in range(taken):
            next(run)
        run.close()
        for one in orders:
            claim = made.store.claim(one.key)
            assert claim is not None
            claim.close()
        assert len(fetched(made, orders)) == 200


class Turns(CurlBackend):
    """The backend, and how often its wire had its turn."""

    count = 0

    def open(self) -> Wire:
        wire = super().open()
        turn = wire.turn

        def counted(timeout: float) -> None:
            self.count += 1
            turn(timeout)

        wire.turn = counted  # type: ignore[method-assign]
        return wire


@pytest.mark.parametrize("elsewhere", [False, True], ids=["larger", "elsewhere"])
def test_those_that_take_no_lane_wait_for_none_of_their_kind(tmp_path: Path, elsewhere: bool) -> None:
    jobs = 12
    with kit(tmp_path, "curl", jobs=jobs, jobs_per_host=jobs) as made, kit(tmp_path / "other") as other:
        orders = serve(made, jobs)
        where = other.origin if elsewhere else made.origin
        gate = where.gate()
        for number in range(jobs, 2 * jobs):
            data = body(number) if elsewhere else BODY[number : number + 90_000]
            url = where.route(f"/odd{number}.bin", Response(body=data, before=(Hold(gate),)))
            one = order(url, digests=sha256(data), size=len(data), name=f"odd{number}")
            orders.append(replace(one, bare=True, number=number))
        backend = Turns(made.settings)
        fetcher = HttpFetcher(made.settings, made.clock, made.heard, backend, version="0")
        landed: list[int] = []
        turns: set[int] = set()

        def make(number: int) -> Order:
            if len(landed) == jobs:  # so that there is room for all of the others
                turns.add(backend.count)
            if number == len(orders) - 1:
                gate.set()
            return orders[number]

        round_ = Round(len(orders), make, artifacts=[one.artifact for one in orders], plain=below_light)
        for outcome in fetcher.fetch_round(round_, made.store):
            landed += outcome.numbers if isinstance(outcome, Carried) else (outcome.order.number,)
        assert sorted(landed) == list(range(len(orders)))
        assert len(turns) <= 1
        fetcher.close()


def test_whoever_shares_a_digest_waits_for_no_other_process(tmp_path: Path) -> None:
    with kit(tmp_path, "curl", "http", jobs=2, jobs_per_host=2) as made:
        orders = serve(made)
        again = replace(orders[8].artifact, resource="again", url=orders[9].artifact.url)
        orders[9] = replace(orders[9], artifact=again)
        gate = made.origin.gate()
        made.origin.route("/8.bin", Response(body=body(8), before=(Hold(gate),)))
        made.origin.route("/9.bin", Static(body(8)))

        def make(number: int) -> Order:
            if number == 9:
                gate.set()  # its bytes are on their way, for another one
            return orders[number]

        def plain(artifact: Artifact, origin: str) -> bool:
            return below(artifact, origin) and not artifact.url.endswith("/7.bin")  # so that the next two come together

        round_ = Round(COUNT, make, artifacts=[one.artifact for one in orders], plain=plain)
        found = list(made.fetcher.fetch_round(round_, made.store))
        assert sum(len(one.numbers) if isinstance(one, Carried) else 1 for one in found) == COUNT
        assert len(made.origin.requests) == COUNT - 1
        assert made.events(events.Waiting) == []


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("first", range(4))
def test_an_interrupt_at_any_moment_leaves_nothing_claimed(tmp_path: Path, protocol: str, first: int) -> None:
    with kit(tmp_path, "curl", protocol, retries=0, jobs=1, jobs_per_host=1) as made:
        orders = serve(made, 6)
        made.origin.route("/3.bin", Response(body=b"others"))
        made.origin.route("/4.bin", Response(404))
        moment = 1 + first
        came = True
        while came:
            with contextlib.closing(LocalStore(str(tmp_path / f"cache-{moment}"), made.clock, made.heard)) as store:
                with Interrupts(moment, "lanes", "parcel") as interrupts, contextlib.suppress(KeyboardInterrupt):
                    list(made.fetcher.fetch_round(the_round(orders, lanes=True), store))
                came = interrupts.came
                for one in orders:
                    claim = store.claim(one.key)
                    assert claim is not None, moment
                    claim.close()
            moment += 4
        assert moment > 100, "that were a few moments only"


class Line:
    """Has some addresses asked for at once, and others wherever there is a chance to."""

    def __init__(self, first: Order, rest: Order) -> None:
        self._next = [first, rest]
        self.story: list[str] = []

    def begin(self) -> list[tuple[Lane, str]]:
        self.story.append("begin")
        return [((one.number, one.artifact, b"", 0.0), one.artifact.url) for one in (self._next.pop(0),)]

    def take(self, answers: Sequence[tuple[Lane, Sequence[bytes], Sequence[bytes]]]) -> list[bool]:
        self.story.append("take")
        return [True for _ in answers]

    def arrived(self, count: int) -> None:
        self.story.append(f"arrived {count}")

    def carry_on(self, lane: Lane, *, arrived: bool = False) -> None:
        raise AssertionError("all of them are taken")


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(("status", "begun"), [(200, 2), (503, 1), (404, 1)])
def test_the_next_begin_before_an_answer_is_taken_unless_it_may_ask_for_less(
    tmp_path: Path, protocol: str, status: int, begun: int
) -> None:
    with kit(tmp_path, "curl", protocol) as made:
        orders = serve(made, 2)
        made.origin.route("/0.bin", Response(status, body=b"x"))
        line = Line(*orders)
        wire = CurlBackend(made.settings).open()
        track = wire.track()
        assert track is not None
        track.attend(line, ModelRequest(url=orders[0].sources[0].url))
        track.fill()
        while "take" not in line.story:
            wire.turn(1.0)
        assert line.story[: begun + 2] == ["begin", "arrived 1", *["begin"] * (begun - 1), "take"]
        wire.close()
