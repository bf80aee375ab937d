"""Small pinned files of one origin, one behind the other, without anything of their own: ``Lanes``.

Where a server answers the first small file as is ordinary, the thousands behind it will be answered so, too. Each takes
a free lane on the wire as soon as there is one: it is an address, a digest and a size, and its answer has them or has
not. What an order, an exchange and a flight would know of it comes about only where the answer is out of the ordinary,
or takes its time; then it goes the way of every other file, with the very request that is under way. Over TLS lanes
open with the first answer, which tells whether many share one connection.

``tests/contract/test_lanes.py`` holds both ways together.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from dlm.errors import DlmError
from dlm.fetch.loop import Exchange
from dlm.fetch.parcel import Parcel, body_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dlm.fetch.parcel import Depot
    from dlm.model.artifact import Artifact, Spare
    from dlm.model.transfer import Order
    from dlm.model.wire import Request
    from dlm.ports import Lane, Orders, Track

__all__ = ["Landed", "Lanes"]

#: Seconds that an answer may take before its file goes the way of every other.
_PATIENCE = 1.0
#: Requests that begin at once, at most.
_AT_ONCE = 64

#: A file that is there: its lane, how it looks in the store, the seconds that it took, and its spare.
Landed = tuple["Lane", tuple[int, int, int, int], float, "Spare | None"]


class Lanes:
    """The lanes of one run: a ``ports.Relay``.

    Args:
        depot: what the run's parcels share.
        track: carries the requests.
        orders: the files, by their numbers.
        known: whether something else is under way, or settled, for a digest.
        landed: told of the files that have come, some at a time.
        parcel: makes the parcel that goes on with a file.
    """

    def __init__(
        self,
        depot: Depot,
        track: Track,
        orders: Orders,
        *,
        known: Callable[[str], bool],
        landed: Callable[[Sequence[Landed]], None],
        parcel: Callable[[Order], Parcel],
    ) -> None:
        self._depot = depot
        self._track = track
        self._orders = orders
        self._known = known
        self._landed = landed
        self._parcel = parcel
        self._origin = ""
        self._request: Request | None = None
        self._stopped = False
        #: By digest, in the order in which they began.
        self._lanes: dict[str, Lane] = {}
        #: Those that begin next: number and file.
        self._next: deque[tuple[int, Artifact]] = deque()

    @property
    def open(self) -> bool:
        """Whether files take lanes as they become free."""
        return self._request is not None and not self._depot.loop.holds(self._origin)

    @property
    def busy(self) -> bool:
        """Whether any is under way."""
        return bool(self._lanes)

    @property
    def more(self) -> bool:
        """Whether there may be more than is under way."""
        return bool(self._next) or not self._orders.over

    def following(self) -> Order | None:
        """The next order; None where there is none left, for now, and where those that come next take lanes."""
        if self.open:
            order = self._orders.slow()
            if order is None:
                self._track.fill()  # which comes across those that take none
                order = self._orders.slow()
            return order
        while self._next:
            order = self._orders.make(self._next.popleft()[0])
            if order is not None:
                return order
        return self._orders.next()

    def has(self, sha256: str | None) -> bool:
        """Whether a file with that digest is under way."""
        return sha256 in self._lanes

    def offer(self, order: Order) -> None:
        """An order was fulfilled the short way: others of its origin may be so without one."""
        source = order.sources[0]
        if self._request is None and not source.headers and len(order.sources) == 1:
            self._origin = source.url.origin
            self._request = self._depot.bench.request(source)
            self._track.attend(self, self._request)

    def fill(self) -> None:
        """Begin what finds a lane."""
        self._track.fill()
        now = self._depot.bench.clock.monotonic()
        for lane in list(self._lanes.values()):
            if now - lane[3] < _PATIENCE:
                break
            self._track.grow(lane)

    def stop(self) -> None:
        """Begin nothing more; what is under way goes on."""
        self._stopped = True

    def close(self) -> None:
        """Begin nothing more; what is under way is forgotten."""
        self._lanes.clear()
        if self._request is not None:
            self._track.attend(None, None)

    # -- for the wire --------------------------------------------------------------------------------------------

    def begin(self) -> list[tuple[Lane, str]]:
        """Those that begin now, each with its address."""
        loop, orders = self._depot.loop, self._orders
        if self._stopped or loop.holds(self._origin):
            return []
        if not self._next:
            # Also where no lane is free: what takes none shall not wait for one.
            self._fetch_next()
        count = loop.lend(self._origin, min(_AT_ONCE, len(self._next)))
        if not count:
            return []
        began: list[tuple[Lane, str]] = []
        try:
            files = [self._next.popleft() for _ in range(count)]
            pins = [artifact.digests.sha256 or "" for _, artifact in files]
            now = self._depot.bench.clock.monotonic()
            for (number, artifact), sha256, name in zip(files, pins, self._reserved(pins), strict=True):
                if name is None or sha256 in self._lanes or self._known(sha256):
                    if name is not None:
                        self._depot.tray.release((name,))
                    orders.pass_over(number)
                    continue
                lane = self._lanes[sha256] = (number, artifact, name, now)
                began.append((lane, artifact.url))
        finally:
            loop.repay(self._origin, count - len(began))
        return began

    def arrived(self, count: int) -> None:
        """So many answers are complete, and will be handed in: others may begin in their places meanwhile."""
        self._depot.loop.repay(self._origin, count)

    def take(self, answers: Sequence[tuple[Lane, Sequence[bytes], Sequence[bytes]]]) -> list[bool]:
        """Which of some complete answers were taken: the lines of each head, and its body."""
        taken: list[bool] = []
        landed: list[Landed] = []
        tray, clock, spare = self._depot.tray, self._depot.bench.clock, self._orders.spare
        try:
            for lane, lines, pieces in answers:
                artifact = lane[1]
                sha256 = artifact.digests.sha256 or ""
                body = body_of(lines, pieces, artifact.size or 0, sha256, self._depot.idle_lines)
                if body is None:
                    taken.append(False)
                    continue
                taken.append(True)
                try:
                    look = tray.keep(sha256, body)
                except DlmError as error:
                    self._fail(lane, error)
                    continue
                wish = spare(artifact)
                laid_by = None if wish is None else tray.lay_by(body, *wish)
                landed.append((lane, look, clock.monotonic() - lane[3], laid_by))
        finally:
            if landed:
                self._land(landed)
        return taken

    def carry_on(self, lane: Lane, *, arrived: bool = False) -> Exchange | None:
        """What goes on with a lane whose answer is not an ordinary one; None where nothing does."""
        loop = self._depot.loop
        if arrived:
            loop.repay(self._origin, -1)  # it is not over yet
        order = self._orders.make(lane[0])
        if order is None:
            self._end(lane)
            loop.repay(self._origin, 1)
            return None
        exchange = self._parcel(order).carry_on(lane[2], lane[3])
        del self._lanes[lane[1].digests.sha256 or ""]
        loop.adopt(exchange, lane[3])
        return exchange

    # -- the rest ------------------------------------------------------------------------------------------------

    def _fetch_next(self) -> None:
        """See what comes next: some at once, since one word to the store serves for all of them."""
        self._next.extend(self._orders.quick(self._origin, _AT_ONCE, self._fits))
        if self._next:
            try:
                self._depot.tray.announce([artifact.digests.sha256 or "" for _, artifact in self._next])
            except DlmError:
                # The ordinary way comes to the same, and has the words for it.
                for number, _ in self._next:
                    self._orders.pass_over(number)
                self._next.clear()

    def _fits(self, artifact: Artifact) -> bool:
        limit = self._depot.bench.size_limit
        return artifact.digests.sha256 is not None and (limit is None or (artifact.size or 0) <= limit.size)

    def _reserved(self, pins: list[str]) -> list[bytes | None]:
        try:
            return self._depot.tray.reserve(pins)
        except DlmError:
            return [None] * len(pins)  # the ordinary way comes to the same, and has the words for it

    def _land(self, landed: list[Landed]) -> None:
        for lane, *_ in landed:
            del self._lanes[lane[1].digests.sha256 or ""]
        # Before anything is told: a file that waited for the same bytes may be looked for at once.
        self._depot.tray.release([lane[2] for lane, *_ in landed])
        try:
            self._landed(landed)
        except DlmError as error:
            # The disk does not take what came before; these were not told of, and are lost like any other.
            for lane, *_ in landed:
                self._lose(lane, error)

    def _fail(self, lane: Lane, error: DlmError) -> None:
        self._end(lane)
        self._lose(lane, error)

    def _lose(self, lane: Lane, error: DlmError) -> None:
        order = self._orders.make(lane[0])
        if order is not None:
            self._parcel(order).fail(error)

    def _end(self, lane: Lane) -> None:
        """Nobody goes on with what had a lane."""
        del self._lanes[lane[1].digests.sha256 or ""]
        self._depot.tray.release((lane[2],))
