"""The short way of small pinned files comes to the same as the ordinary one: outcome, words and requests."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from dlm.fetch.flight import Flight
from dlm.model import events
from dlm.model.artifact import Receipt
from dlm.model.transfer import Arrived, Lost, Order, Outcome
from dlm.store.local import LocalStore
from tests.support.fetching import BODY, WRONG, Kit, kit, order, sha256
from tests.support.origin import (
    DATE,
    Close,
    Handler,
    Hold,
    Raw,
    Reset,
    Response,
    Static,
    closed_port,
    redirect,
)

SMALL = BODY[:20_000]
LENGTH = ("Content-Length", str(len(SMALL)))


#: What a server answers to one request after the other.
ANSWERS: list[tuple[Handler | Response | Raw, ...]] = [
    (Static(SMALL, etag='"v1"'),),
    (Static(SMALL, etag='W/"v1"'),),
    (Response(200, (("Content-Type", "text/plain"), ("Last-Modified", DATE), ("ETAG", '"x"')), SMALL),),
    (Response(200, (("Content-Type", " a/b \t"), ("Content-Type", "c/d")), SMALL),),
    (Response(200, (("X-Long", "x" * 9000),), SMALL),),
    (Response(200, (("Etag", "x" * 1500), ("Content-Disposition", "attachment; filename=a\u00e4.bin")), SMALL),),
    (Response(200, (("Content-MD5", "AAAAAAAAAAAAAAAAAAAAAA=="),), SMALL),),
    (Response(200, (("Repr-Digest", "sha-256=:AAAA:"),), SMALL),),
    (Response(200, (("Content-Encoding", "gzip"),), SMALL),),
    (Response(200, (("Content-Encoding", "identity"),), SMALL),),
    (Response(200, (("Content-Range", "bytes 0-19999/20000"),), SMALL),),
    (Response(200, (), b"x" + SMALL[1:]),),
    (Response(200, (("Content-Type", "text/html"),), b"x" + SMALL[1:]),),
    (Response(200, (), SMALL[:-1]),),
    (Response(200, (), SMALL + b"x"),),
    (Response(200, (), b""),),
    (Response(206, (("Content-Range", "bytes 0-19999/20000"),), SMALL),),
    (Response(203, (), SMALL),),
    (Response(204, (), b""),),
    (Response(304, (), b""),),
    (Response(401, (), b"who are you"),),
    (Response(403, (), b"no"),),
    (Response(404, (), b"not here"),),
    (Response(410, (), b"x" * 100_000),),
    (Response(500, (), b"oh"), Static(SMALL)),
    (Response(503, (("Retry-After", "1"),), b""), Static(SMALL)),
    (Response(429, (("Retry-After", "99999999"),), b""),),
    (redirect("/elsewhere"),),
    (redirect("http://"),),
    (Response(301, (("Location", "/thing.bin"),), b"x" * 70_000),),
]
#: An answer as it stands on the wire; %L is the right Content-Length.
WRITTEN: list[tuple[object, ...]] = [
    (b"HTTP/1.1 200 OK\r\n%L\r\n", SMALL),
    (b"HTTP/1.1 200\r\n%L\r\n", SMALL),
    (b"HTTP/1.1 200 OK\n%L\r\n", SMALL),
    (b"HTTP/1.0 200 OK\r\n%L\r\n", SMALL),
    (b"HTTP/1.0 200 OK\r\n\r\n", SMALL, Close()),
    (b"HTTP/1.1 200 OK\r\n%L%L\r\n", SMALL),
    (b"HTTP/1.1 200 OK\r\n%LContent-Length: 7\r\n\r\n", SMALL, Close()),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 20000, 20000\r\n\r\n", SMALL, Close()),
    (b"HTTP/1.1 200 OK\r\n%LX: a\0b\r\n\r\n", SMALL),
    (b"HTTP/1.1 200 OK\r\n%LX: a\rb\r\n\r\n", SMALL),
    (b"HTTP/1.1 200 OK\r\n%LX : a\r\n\r\n", SMALL),
    (b"HTTP/1.1 200 OK\r\n%LX: a\r\n b\r\n\r\n", SMALL),
    (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n%L\r\n", SMALL),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4E20\r\n", SMALL, b"\r\n0\r\nEtag: x\r\n\r\n"),
    (b"HTTP/1.1 200 OK\r\n%L\r\n", SMALL[:7000], Close()),
    (b"HTTP/1.1 200 OK\r\n%L\r\n", SMALL[:7000], Reset()),
    (b"HTTP/1.1 200 OK\r\n%L", Close()),
    (Close(),),
    (Reset(),),
    (b"hello\r\n\r\n", Close()),
]


def as_written(parts: tuple[object, ...]) -> Raw:
    """An answer of :data:`WRITTEN`."""
    full = (part.replace(b"%L", b"Content-Length: 20000\r\n") if isinstance(part, bytes) else part for part in parts)
    return Raw(tuple(full))  # type: ignore[arg-type]


class Ordinary(LocalStore):
    """A store that offers no short way."""

    def tray(self, told: Callable[..., None] | None = None) -> None:
        return None


@dataclass
class Twins:
    """Two kits alike, but that one has no short way."""

    short: Kit
    ordinary: Kit

    def compare(
        self, *handlers: Handler | Response | Raw, change: Callable[[Order, Kit], Order] = lambda one, _: one
    ) -> Arrived | Lost:
        """Ask both for a small pinned file; what the short way came to."""
        found: list[Arrived | Lost] = []
        seen: list[object] = []
        for one in (self.short, self.ordinary):
            url = one.origin.route("/thing.bin", *handlers)
            asked = change(order(url, digests=sha256(SMALL), size=len(SMALL)), one)
            outcome = one.outcome(asked)
            found.append(outcome)
            requests = [(request.method, request.target, request.headers) for request in one.origin.requests]
            # How far a transfer is, is told now and then, by the clock.
            told = [_timeless(event) for event in one.heard.events if not isinstance(event, events.Progress)]
            seen.append((_facts(outcome), requests, told, sorted(_left(one))))
        first, second = (timeless(str(one)).replace(self.short.origin.netloc, "HOST") for one in seen)
        assert first == second.replace(self.ordinary.origin.netloc, "HOST")
        return found[0]


def timeless(text: str) -> str:
    """What a library says, without how long it took."""
    return re.sub(r"after \d+ ms", "after some ms", text)


def _timeless(event: events.Event) -> events.Event:
    return replace(event, seconds=0.0) if isinstance(event, events.Fetched) else event


def _facts(outcome: Arrived | Lost) -> object:
    if isinstance(outcome, Lost):
        error = outcome.error
        return type(error), error.message, error.hint, error.details, error.resource
    receipt: Receipt = replace(outcome.receipt, seconds=0.0, headers={})
    return outcome.blob.digests, outcome.blob.size, receipt, list(outcome.receipt.headers.items())


def _left(one: Kit) -> Iterator[str]:
    """Every file of the cache but the databases, and what has a random name."""
    for path in (one.folder / "cache").rglob("*"):
        if path.is_file() and path.parent.name not in {"using", "tmp"} and not path.name.startswith("index"):
            yield f"{path.relative_to(one.folder)} {oct(path.stat().st_mode)} {path.stat().st_size}"


def _once(one: Kit, kind: type[events.Event], act: Callable[[], object]) -> None:
    """Do something as soon as an event of a kind is told."""

    def wait() -> None:
        one.heard.wait_for(kind)
        act()

    threading.Thread(target=wait).start()


@pytest.fixture(params=["http", "h2"])
def twins(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Twins]:
    with (
        kit(tmp_path / "short", "curl", request.param) as short,
        kit(tmp_path / "ordinary", "curl", request.param) as ordinary,
    ):
        other = Ordinary(str(tmp_path / "ordinary" / "cache"), ordinary.clock, ordinary.heard)
        yield Twins(short, replace(ordinary, store=other))
        other.close()


class TestTheShortWay:
    def test_it_is_taken(self, twins: Twins, monkeypatch: pytest.MonkeyPatch) -> None:
        flown: list[Flight] = []
        launch = Flight.launch

        def watched(flight: Flight) -> None:
            flown.append(flight)
            launch(flight)

        monkeypatch.setattr(Flight, "launch", watched)
        twins.compare(Static(SMALL, etag='"v1"'))
        assert len(flown) == 1, "the ordinary one alone"

    @pytest.mark.parametrize(
        "changes",
        [{"size": None}, {"size": len(SMALL), "digests": sha256(b"")}],
        ids=["no size", "wrong pin"],
    )
    def test_what_is_not_for_it_goes_the_other(self, twins: Twins, changes: dict[str, object]) -> None:
        def change(one: Order, _kit: Kit) -> Order:
            return replace(one, artifact=replace(one.artifact, **changes))  # type: ignore[arg-type]

        twins.compare(Static(SMALL), change=change)


class TestTheSame:
    @pytest.mark.parametrize(
        "handlers",
        ANSWERS,
        ids=[str(number) for number in range(len(ANSWERS))],
    )
    def test_of_every_answer(self, twins: Twins, handlers: tuple[Handler | Response | Raw, ...]) -> None:
        for one in (twins.short, twins.ordinary):
            one.origin.route("/elsewhere", Static(SMALL, etag='"there"'))
        twins.compare(*handlers)

    @pytest.mark.parametrize(
        "parts",
        WRITTEN,
        ids=[str(number) for number in range(len(WRITTEN))],
    )
    def test_of_every_way_to_write_one(self, tmp_path: Path, parts: tuple[object, ...]) -> None:
        with kit(tmp_path / "short", retries=1) as short, kit(tmp_path / "ordinary", retries=1) as ordinary:
            other = Ordinary(str(tmp_path / "ordinary" / "cache"), ordinary.clock, ordinary.heard)
            twins = Twins(short, replace(ordinary, store=other))
            twins.compare(as_written(parts), Static(SMALL))
            other.close()

    def test_of_a_mirror_behind_a_dead_origin(self, twins: Twins) -> None:
        dead = f"http://127.0.0.1:{closed_port()}/thing.bin"

        def change(one: Order, where: Kit) -> Order:
            there = where.origin.route("/mirror.bin", Static(SMALL))
            return order(dead, mirrors=(there,), digests=sha256(SMALL), size=len(SMALL))

        assert isinstance(twins.compare(Static(SMALL), change=change), Arrived)

    def test_of_a_mirror_behind_wrong_bytes(self, twins: Twins) -> None:
        def change(one: Order, where: Kit) -> Order:
            there = where.origin.route("/mirror.bin", Static(SMALL))
            return order(one.artifact.url, mirrors=(there,), digests=sha256(SMALL), size=len(SMALL))

        assert isinstance(twins.compare(Response(200, (), b"x" * len(SMALL)), change=change), Arrived)

    def test_of_users_headers(self, twins: Twins) -> None:
        def change(one: Order, _kit: Kit) -> Order:
            return order(
                one.artifact.url,
                digests=sha256(SMALL),
                size=len(SMALL),
                headers={"Accept": "a/b", "X-Mine": "1", "Content-Type": "none/such"},
            )

        assert isinstance(twins.compare(Static(SMALL), change=change), Arrived)

    def test_where_nothing_but_a_wrong_pin_is_asked_for(self, twins: Twins) -> None:
        def change(one: Order, _kit: Kit) -> Order:
            return replace(one, artifact=replace(one.artifact, digests=WRONG))

        assert isinstance(twins.compare(Static(SMALL), change=change), Lost)

    def test_where_an_earlier_run_left_something(self, twins: Twins) -> None:
        def change(one: Order, where: Kit) -> Order:
            where.seed(one, SMALL[:9000], total=len(SMALL))
            return one

        assert isinstance(twins.compare(Static(SMALL, etag='"v1"'), change=change), Arrived)

    def test_where_another_process_has_the_claim(self, twins: Twins) -> None:
        def change(one: Order, where: Kit) -> Order:
            claim = where.store.claim(one.key)
            assert claim is not None
            _once(where, events.Waiting, claim.close)
            return one

        assert isinstance(twins.compare(Static(SMALL), change=change), Arrived)

    def test_where_the_blob_is_there_by_now(self, twins: Twins) -> None:
        def change(one: Order, where: Kit) -> Order:
            where.arrive(one)
            return one

        found = twins.compare(Static(SMALL), change=change)
        assert isinstance(found, Arrived)
        assert found.receipt.attempts == 0


@pytest.mark.fault("H08")
def test_an_answer_that_takes_its_time_is_taken_the_ordinary_way(tmp_path: Path) -> None:
    with kit(tmp_path) as one:
        gate = one.origin.gate()
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n"
        url = one.origin.route("/slow.bin", Raw((head, SMALL[:50], Hold(gate), SMALL[50:])))
        # That the transfer was begun is told once nothing is kept back any more.
        _once(one, events.Fetching, gate.set)
        found = one.arrive(order(url, digests=sha256(SMALL), size=len(SMALL)))
        assert one.bytes_of(found) == SMALL
        assert len(one.origin.requests) == 1


def test_small_files_share_a_connection_before_the_first_answer(tmp_path: Path) -> None:
    """The handshake tells that the origin speaks HTTP/2; nobody waits one round trip more to use it."""
    with kit(tmp_path, "curl", "h2") as one:
        gate = one.origin.gate()
        orders: list[Order] = []
        for number in range(100):
            body = SMALL[number : number + 1000]
            url = one.origin.route(f"/{number}", Response(body=(Hold(gate), body), length=len(body)))
            orders.append(order(url, digests=sha256(body), size=len(body), name=str(number)))
        found: list[Outcome] = []
        fetching = threading.Thread(target=lambda: found.extend(one.fetcher.fetch(orders, one.store)))
        fetching.start()
        one.origin.wait_for(100)
        assert one.origin.connections == 1
        gate.set()
        fetching.join(timeout=30)
        assert [type(outcome) for outcome in found] == [Arrived] * 100
