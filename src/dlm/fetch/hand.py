"""A child at work: it fetches what is ordinary of a round that it shares with its parent (:mod:`dlm.fetch.mate`).

Small files go the short way, larger ones the ordinary one, with one source and one attempt: what does not come of that
is given back. It says nothing to the user; what is worth telling is told with what was stored.
"""

from __future__ import annotations

import marshal
import os
from collections.abc import Iterable, Sequence
from functools import partial

from dlm.fetch.loop import STREAMS, Loop
from dlm.fetch.parcel import Depot, Parcel, may_share
from dlm.model.events import Fetching, Progress, Waiting
from dlm.model.frozen import replace
from dlm.model.transfer import Arrived

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dlm.fetch.flight import Flight
    from dlm.fetch.lanes import Landed, Lanes
    from dlm.fetch.workbench import Workbench
    from dlm.model.artifact import Blob, Spare
    from dlm.model.events import Event
    from dlm.model.transfer import Order, Outcome
    from dlm.ports import Backend, Orders, Store, Track

__all__ = ["LENGTH", "Hand"]

LENGTH = 4
"""Bytes that say how long a report is, before each."""
#: Small files between two reports, and seconds: a report costs what some files do, and on a slow network they are few.
_REPORT = 128
_SOON = 0.1
#: Files that the child gives back at most before it ends.
_ODD = 8
#: Too Many Requests and Service Unavailable (RFC 6585, RFC 9110): one process judges how long to wait.
_TOO_MUCH = frozenset({429, 503})


class Hand:
    """What a child does.

    Args:
        bench: the child's own, which says nothing to anybody.
        backend: opens the child's wire.
        store: gives trays and writers.
        orders: what there is to do.
        reporting: where reports are written.
    """

    def __init__(self, bench: Workbench, backend: Backend, store: Store, orders: Orders, reporting: int) -> None:
        self._bench = bench
        self._backend = backend
        self._store = store
        self._orders = orders
        self._reporting = reporting
        self._parent = os.getppid()
        self._most = max(4, STREAMS) * bench.limits.jobs
        self._looks: dict[str, tuple[int, int, int, int]] = {}
        self._under_way: dict[str, Parcel | Flight] = {}
        self._told: list[tuple[object, ...]] = []
        self._done: list[tuple[object, ...]] = []
        self._light: list[tuple[object, ...]] = []
        self._odd = 0
        self._reported = bench.clock.monotonic()
        self._more = True
        self._lanes: Lanes | None = None
        self._depot: Depot | None = None
        self._track: Track | None = None

    def work(self) -> None:
        """Fetch until there is no more, and tell of all of it."""
        tray = self._store.tray(self._stored)
        if tray is not None:
            wire = self._backend.open()
            loop = Loop(wire, self._bench.clock, self._bench.limits)
            depot = self._depot = Depot(self._bench, loop, self._store, tray, self._give_back)
            self._track = wire.track()
            while self._begin(depot) or self._under_way or (self._lanes is not None and self._lanes.busy):
                self._report_in_time()
                if os.getppid() != self._parent:
                    break
                loop.turn()
        # Nobody is there to take back what is under way, if anything is.
        self.drop()
        self._report()
        os.close(self._reporting)

    def drop(self) -> None:
        """Stop what is under way, and keep what has come of larger files for a later run."""
        if self._lanes is not None:
            self._lanes.close()
        for one in self._under_way.values():
            one.abandon()
        if self._depot is not None:
            self._depot.tray.close()

    def leave(self) -> None:
        """Nothing is used here any more."""
        self._store.leave()

    def tell(self, events: Iterable[Event]) -> None:
        """Have the parent tell of something."""
        for event in events:
            self._told.append((type(event).__name__, *(getattr(event, name) for name in type(event).__match_args__)))

    def _begin(self, depot: Depot) -> bool:
        """Begin what finds room; whether there may be more."""
        while self._more and depot.loop.room and len(self._under_way) < self._most:
            lanes = self._lanes
            order = self._orders.next() if lanes is None else lanes.following()
            if order is None:
                self._more = lanes is not None and lanes.more
                break
            key = order.artifact.digests.sha256 or ""
            if key in self._under_way or (lanes is not None and lanes.has(key)):
                continue
            light = depot.accepts(order)
            if light:
                one: Parcel | Flight = Parcel(depot, order, self._never, self._arrived)
            elif depot.ordinary(order):
                one = self._flight(depot, order)
            else:
                continue
            self._under_way[key] = one
            one.launch()
            if light and self._lanes is None and not may_share(order):
                self._open_lanes(order)
        if self._lanes is not None:
            self._lanes.fill()
        return self._more

    def _stop(self) -> None:
        """Take nothing more; all that is left is the parent's."""
        self._more = False
        if self._lanes is not None:
            self._lanes.stop()

    def _flight(self, depot: Depot, order: Order) -> Flight:
        from dlm.fetch.flight import Flight

        story = _Story(self)
        alone = replace(order, sources=order.sources[:1])
        bench = self._bench.quiet(self._bench.limits, story)
        return Flight(bench, depot.loop, self._store, alone, partial(self._landed, story))

    def _stored(self, sha256: str, look: tuple[int, int, int, int]) -> None:
        self._looks[sha256] = look

    def _arrived(self, order: Order, blob: Blob, seconds: float) -> None:
        """A small file is there."""
        self._note(order, blob, blob.size, (order.sources[0].shown, seconds))
        self._open_lanes(order)

    def _open_lanes(self, order: Order) -> None:
        """A small file came the short way, or will, and those behind it may come over lanes."""
        if self._track is None or self._depot is None:
            return
        if self._lanes is None:
            if self._orders.over or not self._orders.has_quick:
                return
            from dlm.fetch.lanes import Lanes

            self._lanes = Lanes(
                self._depot,
                self._track,
                self._orders,
                known=self._under_way.__contains__,
                landed=self._landed_light,
                parcel=self._grown,
            )
        self._lanes.offer(order)

    def _landed_light(self, landed: Sequence[Landed]) -> None:
        """Some files have come over lanes."""
        self._light.extend((lane[0], tuple(look), seconds, _as_told(spare)) for lane, look, seconds, spare in landed)

    def _grown(self, order: Order) -> Parcel:
        """The parcel that goes on with what took a lane."""
        assert self._depot is not None, "a lane is one of the depot's"
        parcel = Parcel(self._depot, order, self._never, self._arrived)
        self._under_way[order.artifact.digests.sha256 or ""] = parcel
        return parcel

    def _landed(self, story: _Story, outcome: Outcome) -> None:
        """A larger file is there, or is left to the parent, who knows more sources and more patience."""
        order = outcome.order
        if isinstance(outcome, Arrived) and order.artifact.digests.sha256 in self._looks:
            self._note(order, outcome.blob, outcome.receipt.transferred, None)
            self.tell(story.kept)
            self._report()
            return
        del self._under_way[order.artifact.digests.sha256 or ""]
        if not isinstance(outcome, Arrived):
            self._stop()

    def _note(self, order: Order, blob: Blob, transferred: int, told: tuple[str, float] | None) -> None:
        """Remember what to report; ``told``: the source and the seconds, where the parent is to tell of it."""
        artifact = order.artifact
        sha256 = artifact.digests.sha256 or ""
        del self._under_way[sha256]
        self._done.append(
            (
                order.number,
                sha256,
                tuple(self._looks.pop(sha256)),
                _as_told(blob.spare),
                artifact.filename,
                artifact.resource,
                transferred,
                told,
            )
        )

    def _never(self, outcome: Outcome) -> None:
        raise AssertionError("what fails is given back")

    def _give_back(self, order: Order, status: int) -> None:
        """What is not reported is the parent's to do; and all the rest, where the server has enough or little is as
        it should be: an answer that one process cannot use is asked for twice."""
        del self._under_way[order.artifact.digests.sha256 or ""]
        self._odd += 1
        if self._odd >= _ODD or status in _TOO_MUCH:
            self._stop()

    def _report_in_time(self) -> None:
        waiting = len(self._done) + len(self._light)
        late = waiting > 0 and self._bench.clock.monotonic() - self._reported >= _SOON
        if self._told or waiting >= _REPORT or late:
            self._report()

    def _report(self) -> None:
        if not (self._done or self._told or self._light):
            return
        data = marshal.dumps((self._told, self._done, self._light))
        self._told, self._done, self._light = [], [], []
        self._reported = self._bench.clock.monotonic()
        rest = memoryview(len(data).to_bytes(LENGTH, "little") + data)
        while rest:
            rest = rest[os.write(self._reporting, rest) :]


def _as_told(spare: Spare | None) -> tuple[str, str, int, bytes | None] | None:
    """What a ``Spare`` is made of."""
    return None if spare is None else (spare.folder, spare.dest, spare.permissions, spare.look)


class _Story:
    """What there is to tell of one larger file: how far it is, and whom it waits for, at once; all else when it is
    there."""

    def __init__(self, hand: Hand) -> None:
        self._hand = hand
        self.kept: list[Event] = []

    def emit(self, event: Event) -> None:
        """Something happened."""
        if isinstance(event, Fetching | Progress | Waiting):
            self._hand.tell((event,))
        else:
            self.kept.append(event)
