"""Many transfers at once over one backend: orders into a store, and small documents into memory."""

from __future__ import annotations

import importlib.util
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

from dlm.errors import SettingsError
from dlm.fetch.descriptors import within_limit
from dlm.fetch.loop import STREAMS, Loop
from dlm.fetch.parcel import Depot, Parcel, may_share
from dlm.fetch.workbench import Workbench
from dlm.model.events import Note
from dlm.model.frozen import dataclass, replace
from dlm.model.transfer import Arrived, Carried, Lost

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dlm.errors import DlmError
    from dlm.fetch.flight import Flight
    from dlm.fetch.lanes import Landed, Lanes
    from dlm.fetch.mate import Mate
    from dlm.model.artifact import Blob
    from dlm.model.settings import Settings
    from dlm.model.transfer import Answered, Order, Outcome, Page
    from dlm.ports import Backend, Clock, Credentials, Orders, Reporter, Store, Wire

__all__ = ["HttpFetcher", "choose_backend"]


#: Turns until all is sent that needs no answer: a connection is begun, and stands at once if the server is near.
_AHEAD = 3
#: Small files that are made ready, before the first answer comes, to be asked for at once where the server lets many
#: share a connection; and how many of them between two looks whether it has said something.
_EARLY = 256
_FEW = 16
#: Seconds that pass at most, beside the last of these orders, before the wire has its turn.
_MOMENT = 0.01


def choose_backend(settings: Settings) -> Backend:
    """The backend that ``settings.backend`` names; ``auto`` is curl where pycurl can be imported, else requests.

    Raises:
        SettingsError: there is no such backend, its library is missing, or ``ca_file`` cannot be used.
    """
    name = settings.backend
    if name == "auto":
        name = "curl" if importlib.util.find_spec("pycurl") is not None else "requests"
    if name == "curl":
        from dlm.fetch.curl_backend import CurlBackend

        return CurlBackend(settings)
    if name == "requests":
        from dlm.fetch.requests_backend import RequestsBackend

        return RequestsBackend(settings)
    raise SettingsError(f"backend is {name!r}", hint="it is auto, curl or requests")


class HttpFetcher:
    """Fetches over HTTP: a ``ports.Fetcher``.

    It may be used by several threads and from within its own iterations: every call has a wire of its own, and
    wires, with the connections they hold open, serve one call after another.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        reporter: Reporter,
        backend: Backend | None = None,
        *,
        version: str,
        credentials: Credentials | None = None,
        mates: Callable[[Orders, int], bool] | None = None,
    ) -> None:
        """Args:
        settings: caps, timeouts, retries, proxies.
        clock: time and chance.
        reporter: is told what happens.
        backend: speaks HTTP; by default the one that ``settings`` name.
        version: dlm's own, for the User-Agent.
        credentials: what the user's configuration sends with the request for a page; orders bring theirs.
        mates: says of a round and of how much is allowed at once whether a second process shall take part, for a
            program whose process is dlm's own to fork; see :func:`dlm.fetch.worth.is_worth_it`. None: never.

        Raises:
            SettingsError: as :func:`choose_backend` does.
        """
        self._bench = Workbench(within_limit(settings), clock, reporter, version, credentials)
        self._backend = choose_backend(settings) if backend is None else backend
        if settings.rewrite:
            from dlm.fetch.files import with_files

            self._backend = with_files(self._backend, settings)
        self._mates = mates
        self._idle: list[Wire] = []
        self._lock = threading.Lock()

    def fetch(self, orders: Iterable[Order], store: Store) -> Generator[Outcome]:
        """The outcome of each order, as they come; ``orders`` is read no further than there is room to work on.

        An iteration that is given up, or interrupted, leaves what has arrived so far for a later run.
        """
        waiting = iter(orders)
        for outcome in self._carry_out(lambda: next(waiting, None), store):
            assert not isinstance(outcome, Carried), "only a round has numbers"
            yield outcome

    def fetch_round(
        self, orders: Orders, store: Store, meanwhile: Callable[[], None] | None = None
    ) -> Generator[Outcome | Carried]:
        """As :meth:`fetch`, for many orders of which nobody needs to know how they were fulfilled.

        Those of bare orders that came the short way, or that a second process has fulfilled, are told by their numbers.

        Args:
            meanwhile: called when the first requests are on their way.
        """
        jobs = min(self._bench.limits.jobs, self._bench.limits.jobs_per_host)
        try:
            worth = self._mates is not None and self._mates(orders, jobs)
            sharing = _Sharing(orders, self._backend) if worth else None
            yield from self._carry_out(orders.next, store, sharing, meanwhile, orders)
        finally:
            orders.close()

    def _carry_out(
        self,
        following: Callable[[], Order | None],
        store: Store,
        sharing: _Sharing | None = None,
        meanwhile: Callable[[], None] | None = None,
        orders: Orders | None = None,
    ) -> Generator[Outcome | Carried]:
        wire = self._borrow()
        run = _Run(
            self._bench,
            wire,
            self._loop(wire),
            store,
            following=following,
            sharing=sharing,
            meanwhile=meanwhile,
            orders=orders,
        )
        try:
            yield from run.outcomes()
        except BaseException:
            # Also when nobody asks for more (GeneratorExit) and when the user interrupts.
            run.abandon()
            wire.close()
            raise
        finally:
            run.close()
        self._give_back(wire)

    def read(self, urls: Sequence[str]) -> list[Page | DlmError]:
        """Each small document, or why it could not be had, in the order of ``urls``; read at the same time."""
        from dlm.fetch.page import Reading

        wire = self._borrow()
        loop = self._loop(wire)
        readings = {url: Reading(self._bench, loop, url) for url in dict.fromkeys(urls)}
        try:
            for reading in readings.values():
                reading.start()
            while any(reading.result is None for reading in readings.values()):
                loop.turn()
        except BaseException:
            wire.close()
            raise
        self._give_back(wire)
        return [result for url in urls if (result := readings[url].result) is not None]

    def ask(self, orders: Sequence[Order]) -> list[Answered]:
        """Whether each order's first source still has what was got there, in the order of ``orders``."""
        from dlm.fetch.ask import Asking

        wire = self._borrow()
        loop = self._loop(wire)
        asked = [Asking(self._bench, loop, replace(order, sources=order.sources[:1])) for order in orders]
        try:
            for one in asked:
                one.start()
            while any(one.result is None for one in asked):
                loop.turn()
        except BaseException:
            wire.close()
            raise
        self._give_back(wire)
        return [one.result for one in asked if one.result is not None]

    def close(self) -> None:
        """Close the connections that no call is using."""
        with self._lock:
            idle, self._idle = self._idle, []
        for wire in idle:
            wire.close()

    def _loop(self, wire: Wire) -> Loop:
        return Loop(wire, self._bench.clock, self._bench.limits)

    def _borrow(self) -> Wire:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return self._backend.open()

    def _give_back(self, wire: Wire) -> None:
        with self._lock:
            self._idle.append(wire)


@dataclass(frozen=True, slots=True)
class _Sharing:
    """What a second process takes part in."""

    orders: Orders
    backend: Backend


class _Run:
    """One call of :meth:`HttpFetcher.fetch`."""

    def __init__(
        self,
        bench: Workbench,
        wire: Wire,
        loop: Loop,
        store: Store,
        *,
        following: Callable[[], Order | None],
        sharing: _Sharing | None,
        meanwhile: Callable[[], None] | None,
        orders: Orders | None,
    ) -> None:
        """Args:
        orders: where ``following`` takes from, if that is a round.
        """
        self._bench = bench
        self._meanwhile = meanwhile
        self._loop = loop
        self._following = following
        self._store = store
        tray = store.tray() if wire.keeps_back else None
        self._depot = None if tray is None else Depot(bench, loop, store, tray)
        self._flights: dict[str, Flight | Parcel] = {}
        self._followers: dict[str, list[Order]] = {}
        self._settled: dict[str, Outcome] = {}
        self._ready: deque[Outcome | Carried] = deque()
        # Flights may wait, for a server's patience or for another process, and keep no place on the wire meanwhile.
        self._most = max(4, STREAMS) * bench.limits.jobs
        self._sharing = sharing
        self._mate: Mate | None = None
        self._turns = 0
        # Only for rounds: whoever has orders one by one may take an outcome, and ask for another order, in between.
        shared = self._depot is not None and sharing is None and loop.shares
        self._early = _EARLY if orders is not None and shared else 0
        self._orders = orders
        self._track = wire.track() if orders is not None and self._depot is not None else None
        self._lanes: Lanes | None = None

    def outcomes(self) -> Iterator[Outcome | Carried]:
        """All of them."""
        more = True
        if self._sharing is not None and self._depot is not None:
            self._begin_mate(self._sharing.orders, self._sharing.backend)
        while more or self._under_way or self._ready or self._mate is not None:
            while more and self._loop.room and len(self._flights) < self._most:
                lanes = self._lanes
                order = self._following() if lanes is None else lanes.following()
                if order is not None:
                    self._take(order)
                    continue
                more = lanes is not None and lanes.more
                break
            while self._ready:
                self._early = 0
                yield self._ready.popleft()
            self._bench.tell_sum()
            if self._mate is not None:
                yield from self._mate.collect(wait=not (more or self._under_way))
                if self._mate.over:
                    # Not all that this process has of the round has begun.
                    more = self._dismiss(self._mate) or more
            if self._lanes is not None:
                self._lanes.fill()
            if self._under_way:
                if more and self._early > 0 and self._turns >= _AHEAD:
                    more = self._take_early()
                idle = not self._ready and not (more and self._early > 0)
                self._loop.turn(patient=idle and self._turns >= _AHEAD)
                self._turns += 1
                if self._turns == _AHEAD:
                    # The first requests are on their way, and it is a while until answers come.
                    self._store.prepare(rows=self._orders is None or self._orders.large[0] > 0)
                    if self._meanwhile is not None:
                        self._meanwhile()
        self._bench.tell_sum()

    @property
    def _under_way(self) -> bool:
        return bool(self._flights) or (self._lanes is not None and self._lanes.busy)

    def _take_early(self) -> bool:
        """Make a few more small files ready, though there is no room for them yet; whether there may be more orders.

        Until the first answer there is nothing else to do; behind it, each takes its time from those that arrive.
        """
        end = self._bench.clock.monotonic() + _MOMENT
        for _ in range(_FEW):
            if self._bench.clock.monotonic() > end:
                break  # the connection has a time of its own in which it has to be attended to
            order = self._following()
            if order is None:
                return False
            self._take(order)
            self._early -= 1
            if not self._shares(order):
                self._early = 0
                break
        self._loop.foresee()
        return True

    def _shares(self, order: Order) -> bool:
        """Whether an order may turn out to be one of many on one connection."""
        return self._depot is not None and self._depot.accepts(order) and may_share(order)

    def _begin_mate(self, orders: Orders, backend: Backend) -> None:
        """Let a second process take part, from the beginning."""
        from dlm.fetch.mate import Mate

        own, other = self._bench.limits.halves()
        # From here on the other processor has work of its own.
        self._store.hash_beside(allowed=False)
        self._loop.narrow(own)
        try:
            self._mate = Mate(self._bench, other, backend, self._store, orders)
        except OSError as error:
            # One process does it all, as everywhere else.
            self._bench.reporter.emit(Note(f"no second process: {error.strerror}"))
            self._alone()

    def _alone(self) -> None:
        self._store.hash_beside(allowed=True)
        self._loop.narrow(self._bench.limits)

    def _dismiss(self, mate: Mate) -> bool:
        """Take over what the second process has left; whether there is anything."""
        self._mate = None
        self._alone()
        return mate.dismiss()

    def abandon(self) -> None:
        """Let go of everything that is under way."""
        if self._mate is not None:
            self._mate.abandon()
            self._store.hash_beside(allowed=True)
        for flight in self._flights.values():
            flight.abandon()

    def close(self) -> None:
        """Let go of what is open."""
        if self._lanes is not None:
            self._lanes.close()
        if self._depot is not None:
            self._depot.tray.close()

    def _take(self, order: Order) -> None:
        key = order.key
        if key in self._flights or (self._lanes is not None and self._lanes.has(order.artifact.digests.sha256)):
            self._followers.setdefault(key, []).append(order)
            return
        settled = self._settled.get(key)
        if settled is not None:
            outcome = _shared(order, settled)
            if outcome is not None:
                self._ready.append(outcome)
                return
        depot = self._depot
        flight: Flight | Parcel
        light = depot is not None and depot.accepts(order)
        if depot is not None and light:
            flight = self._parcel(depot, order)
        else:
            from dlm.fetch.flight import Flight

            flight = Flight(self._bench, self._loop, self._store, order, self._done)
        self._flights[key] = flight
        flight.launch()
        if light and order.bare and self._lanes is None and not may_share(order):
            self._open_lanes(order)

    def _parcel(self, depot: Depot, order: Order) -> Parcel:
        return Parcel(depot, order, self._done, self._carried if self._orders is not None and order.bare else None)

    def _open_lanes(self, order: Order) -> None:
        """One order went the short way, or will: those behind it may need no more than that."""
        if self._track is None or self._orders is None or self._depot is None:
            return
        if self._lanes is None:
            if self._orders.over or not self._orders.has_quick:
                return
            from dlm.fetch.lanes import Lanes

            self._early = 0  # from here on they say what comes next, and when there is no more of it
            self._lanes = Lanes(
                self._depot, self._track, self._orders, known=self._is_known, landed=self._landed, parcel=self._grown
            )
        self._lanes.offer(order)

    def _is_known(self, sha256: str) -> bool:
        key = f"sha256:{sha256}"
        return key in self._flights or key in self._settled

    def _grown(self, order: Order) -> Parcel:
        """The parcel that goes on with what took a lane."""
        assert self._depot is not None
        parcel = self._flights[order.key] = self._parcel(self._depot, order)
        return parcel

    def _landed(self, landed: Sequence[Landed]) -> None:
        """Some files have come over lanes."""
        assert self._depot is not None
        blobs = self._depot.tray.note_all(
            [(lane[1].digests, look, lane[1].filename, spare) for lane, look, _, spare in landed]
        )
        self._bench.tell_all((lane[1], seconds) for lane, _, seconds, _ in landed)
        self._ready.append(
            Carried(
                numbers=tuple(lane[0] for lane, *_ in landed),
                blobs=tuple(blobs),
                transferred=sum(blob.size for blob in blobs),
            )
        )
        if self._followers:
            for blob in blobs:
                for follower in self._followers.pop(f"sha256:{blob.sha256}", []):
                    self._take(follower)

    def _carried(self, order: Order, blob: Blob, seconds: float) -> None:
        artifact = order.artifact
        self._bench.tell(artifact.resource, artifact.filename, blob.size, order.sources[0].shown, seconds)
        key = order.key
        del self._flights[key]
        self._ready.append(Carried(numbers=(order.number,), blobs=(blob,), transferred=blob.size))
        self._open_lanes(order)
        for follower in self._followers.pop(key, []):
            self._take(follower)

    def _done(self, outcome: Outcome) -> None:
        key = outcome.order.key
        del self._flights[key]
        if isinstance(outcome, Lost) or not outcome.order.artifact.digests:
            # Pinned bytes that have arrived are found in the store.
            self._settled[key] = outcome
        self._ready.append(outcome)
        for follower in self._followers.pop(key, []):
            self._take(follower)


def _shared(order: Order, settled: Outcome) -> Outcome | None:
    """The outcome for another order with the same key, or None where it has to be found out."""
    first = settled.order
    if isinstance(settled, Lost):
        if [str(source.url) for source in first.sources] != [str(source.url) for source in order.sources]:
            return None
        error = settled.error
        again = type(error)(error.message, resource=order.artifact.resource, hint=error.hint, details=error.details)
        return Lost(order=order, error=again)
    if order.artifact.digests != first.artifact.digests or order.artifact.size not in {None, settled.blob.size}:
        return None
    return Arrived(order=order, blob=settled.blob, receipt=settled.receipt)
