"""A small pinned artifact on its short way into a store: ``Parcel``.

Most files of most projects are small, pinned, and come at the first request, whole and right. Nothing about such an
answer is left to decide: its bytes have the digest or they have not. So a parcel asks as any transfer would, has the
answer kept back until it is complete, and takes it in one step. Whatever is not ordinary, a claim that another process
holds, bytes of an earlier run, any other status, any header that says something about the body's form, an answer that
takes its time, goes its ordinary way as a :class:`Flight`, which carries on with the very exchange that is under way.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from dlm.errors import DlmError
from dlm.fetch.loop import Exchange
from dlm.model.artifact import KEPT_HEADERS, Receipt, kept_headers
from dlm.model.late import late
from dlm.model.transfer import Arrived, Lost, Order, Outcome
from dlm.model.wire import Ending, Head

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dlm.fetch.flight import Flight
    from dlm.fetch.loop import Handler, Loop, Sink
    from dlm.fetch.workbench import Workbench
    from dlm.model.artifact import Blob
    from dlm.ports import Claim, Store, Tray

__all__ = ["LIGHT", "SMALL", "Depot", "Parcel", "body_of", "may_share"]

SMALL = 1024 * 1024
"""Bytes of a body that is kept in memory until it is complete."""
LIGHT = 64 * 1024
"""Bytes of one that many may share a connection with at the same time."""
#: The status line of an ordinary answer to an ordinary request.
_STATUS = re.compile(rb"HTTP/(?:1\.1|2|3) 200(?: [^\0\r\n]*)?\r\n\Z")
#: A field that says nothing about how the body is framed, coded or cut, and promises nothing about its bytes.
_IDLE = re.compile(
    rb"(?!(?i:transfer-encoding|content-length|content-encoding|content-range|content-md5|content-digest|repr-digest"
    rb"|digest):)[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[^\0\r\n]*\r\n\Z"
)
_LENGTH = re.compile(rb"(?i)content-length:[ \t]*([0-9]{1,10})[ \t]*\r\n\Z")
_KEPT = late(
    rb"(?i)^(" + b"|".join(name.encode() for name in KEPT_HEADERS) + rb"):[ \t]*([^\r]*?)[ \t]*\r$", re.MULTILINE
)
_NOTHING: Mapping[str, str] = MappingProxyType({})
#: No honest head of a small file is longer; a longer one is read with care.
_HEAD = 8 * 1024
#: Fields that are remembered.
_REMEMBERED = 256


def body_of(lines: Sequence[bytes], pieces: Sequence[bytes], size: int, sha256: str, idle: set[bytes]) -> bytes | None:
    """The body of a complete answer, if it is an ordinary one with the right bytes; else None.

    Args:
        lines: of its head, or of all heads that came, one by one.
        idle: remembers fields that were seen to be of no account: a server sends most of them each time.
    """
    if len(lines) < 2 or lines[-1] != b"\r\n" or _STATUS.match(lines[0]) is None:
        return None
    lengths = 0
    for line in lines[1:-1]:
        if line in idle:
            continue
        if _IDLE.match(line) is not None:
            if len(idle) < _REMEMBERED:
                idle.add(line)
            continue
        length = _LENGTH.match(line)
        if length is None or int(length[1]) != size:
            return None
        lengths += 1
    if lengths != 1 or sum(map(len, lines)) > _HEAD:
        return None
    body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
    if len(body) != size or hashlib.sha256(body, usedforsecurity=False).hexdigest() != sha256:
        return None
    return body


def may_share(order: Order) -> bool:
    """Whether the requests to an order's origin may come to share one connection, which shows with the first answer."""
    return order.sources[0].url.scheme == "https"


class Depot:
    """What the parcels of one run share.

    Args:
        give_back: takes the orders that do not go the short way, each with the status of the answer, 0 for none;
            without it they go the ordinary one.
    """

    def __init__(
        self,
        bench: Workbench,
        loop: Loop,
        store: Store,
        tray: Tray,
        give_back: Callable[[Order, int], None] | None = None,
    ) -> None:
        self.bench = bench
        self.loop = loop
        self.store = store
        self.tray = tray
        self.give_back = give_back
        #: See :func:`body_of`.
        self.idle_lines: set[bytes] = set()

    def accepts(self, order: Order) -> bool:
        """Whether an order is for a small pinned file, and asks for it in no special way."""
        size = order.artifact.size
        return size is not None and 0 < size <= SMALL and self.ordinary(order)

    def ordinary(self, order: Order) -> bool:
        """Whether an order is for a pinned file of known size, and asks for it in no special way."""
        artifact = order.artifact
        size, source = artifact.size, order.sources[0]
        limit = self.bench.size_limit
        return (
            size is not None
            and len(artifact.digests) == 1
            and artifact.digests.sha256 is not None
            and source.body is None
            and source.method == "GET"
            and order.known is None
            and order.most is None
            and not source.secrets
            and (limit is None or size <= limit.size)
        )


class Parcel:
    """Carries one order to its outcome, and tells it once.

    Args:
        carried: gets what came the short way, with the seconds that it took, where nobody asks for more.
    """

    __slots__ = ("_begun", "_carried", "_claim", "_depot", "_done", "_exchange", "_flight", "_order", "_over")

    def __init__(
        self,
        depot: Depot,
        order: Order,
        done: Callable[[Outcome], None],
        carried: Callable[[Order, Blob, float], None] | None = None,
    ) -> None:
        self._depot = depot
        self._carried = carried
        self._order = order
        self._done = done
        self._claim: Claim | None = None
        self._exchange: Exchange | None = None
        self._flight: Flight | None = None
        self._begun = 0.0
        self._over = False

    def launch(self) -> None:
        """Ask, unless there is more to it than asking."""
        depot, order = self._depot, self._order
        try:
            claim = self._claim = depot.tray.claim(order.artifact.digests.sha256 or "")
            request = None if claim is None else depot.bench.request(order.sources[0])
        except DlmError as error:
            self.fail(error)
            return
        if request is None:
            if not self._give_back():
                self._fly().launch()
            return
        self._begun = depot.bench.clock.monotonic()
        exchange = self._exchange = Exchange(
            depot.loop, self, 0, request, self._take, light=(order.artifact.size or SMALL) <= LIGHT
        )
        depot.loop.start(exchange)

    def carry_on(self, name: bytes, begun: float) -> Exchange:
        """Go on with a request that was sent before anybody knew of this parcel; ``name``: by which it is reserved."""
        depot = self._depot
        self._claim = depot.tray.claimed(name)  # here, so that an interrupt finds it with somebody who lets go of it
        self._begun = begun
        request = depot.bench.request(self._order.sources[0])
        exchange = self._exchange = Exchange(depot.loop, self, 0, request, light=True)
        return exchange

    def abandon(self) -> None:
        """Stop. Of a body that is small enough for this nothing is kept."""
        self._over = True
        if self._flight is not None:
            self._flight.abandon()
        elif self._exchange is not None:
            self._depot.loop.cancel(self._exchange)
        self._release()

    # -- the ordinary answer -------------------------------------------------------------------------------------

    def _take(self, lines: Sequence[bytes], pieces: Sequence[bytes]) -> bool:
        """Take a complete answer, if it is an ordinary one with the right bytes."""
        order, bench = self._order, self._depot.bench
        artifact = order.artifact
        size, digests = artifact.size or 0, artifact.digests
        body = body_of(lines, pieces, size, digests.sha256 or "", self._depot.idle_lines)
        if body is None:
            return False
        try:
            blob = self._depot.tray.put(digests, (body,), size, artifact.filename)
        except DlmError as error:
            self.fail(error)
            return True
        seconds = bench.clock.monotonic() - self._begun
        self._over = True
        self._release()
        if self._carried is not None:
            self._carried(order, blob, seconds)
            return True
        source = order.sources[0]
        shown = source.shown
        receipt = Receipt(
            source=shown,
            from_origin=source.origin,
            headers=_kept(b"".join(lines)) if source.origin and not order.bare else _NOTHING,
            transferred=size,
            seconds=seconds,
            status=200,
        )
        bench.tell(artifact.resource, artifact.filename, size, shown, seconds)
        self._done(Arrived(order=order, blob=blob, receipt=receipt))
        return True

    # -- any other -----------------------------------------------------------------------------------------------

    def answered(self, number: int, head: Head) -> Sink | None:
        """The answer is not kept back any longer: a flight takes over."""
        exchange = self._exchange
        handler = self._hand_over(head.status)
        return None if handler is None or exchange is None else handler.answered(exchange.number, head)

    def ended(self, number: int, ending: Ending) -> None:
        """The exchange ended without an answer: a flight knows what is to be done then."""
        exchange = self._exchange
        handler = self._hand_over()
        if handler is not None and exchange is not None:
            handler.ended(exchange.number, ending)

    def _hand_over(self, status: int = 0) -> Handler | None:
        exchange, self._exchange = self._exchange, None
        claim = self._claim
        if self._over or exchange is None or claim is None:
            return None
        if self._give_back(status):
            return None
        handler = self._fly().carry_on(claim, exchange, self._begun)
        self._claim = None  # not before: until here an interrupt would leave it to nobody
        return handler

    def _fly(self) -> Flight:
        from dlm.fetch.flight import Flight

        depot = self._depot
        self._flight = Flight(depot.bench, depot.loop, depot.store, self._order, self._done)
        return self._flight

    def _give_back(self, status: int = 0) -> bool:
        """Leave the order to whoever takes back what does not go the short way; whether somebody does."""
        if self._depot.give_back is None:
            return False
        self._over = True
        self._release()
        self._depot.give_back(self._order, status)
        return True

    def fail(self, error: DlmError) -> None:
        """Nothing comes of it, for a reason that no server can help with."""
        if self._give_back():
            return
        if error.resource is None:
            error.resource = self._order.artifact.resource
        self._over = True
        self._release()
        self._done(Lost(order=self._order, error=error))

    def _release(self) -> None:
        self._exchange = None  # it knows this parcel: what is finished shall not wait for the collector
        if self._claim is not None:
            self._claim.close()
            self._claim = None


def _kept(head: bytes) -> dict[str, str]:
    """What a lockfile may keep of an ordinary head; as ``kept_headers`` has it."""
    return kept_headers({name.decode("ascii"): value.decode("latin-1") for name, value in _KEPT.findall(head)})
