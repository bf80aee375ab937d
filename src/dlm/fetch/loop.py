"""Who may use the wire when: a cap on all exchanges and on those of one host, timers, and a watch on slow servers.

One thread turns a loop. Only :meth:`Exchange.body` may run on another one, where a backend has threads of its own.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Sequence

from dlm.model.frozen import dataclass, replace
from dlm.model.wire import Ending, Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from dlm.model.settings import Settings
    from dlm.model.wire import Head, Request
    from dlm.ports import Clock, Wire

__all__ = ["STREAMS", "Exchange", "Limits", "Loop", "Sink"]

#: Takes pieces of a body; False where no more is wanted.
Sink = Callable[[Sequence[bytes]], bool]

#: Takes the lines of a complete head and the pieces of a complete body; False where it can do nothing with them.
Taker = Callable[[Sequence[bytes], Sequence[bytes]], bool]

#: Seconds within which an answer may be kept back until it is complete.
_PATIENCE = 1.0
#: Parts of a job: so many small files share a connection in the place of a large one, where the connection allows it.
STREAMS = 8
#: The longest that one turn waits, so that nothing depends on a wake-up that never comes.
_LONGEST_TURN = 1.0
#: Seconds that the rest of a body may take which is of no use but to keep its connection.
_DRAINING = 0.5
#: A pause between two turns that is the consumer's doing and not a server's.
_OUR_OWN_PAUSE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much at once, and how slow is too slow.

    Attributes:
        jobs: exchanges at once.
        jobs_per_host: of these, with one host.
        head_timeout: seconds from the beginning of an exchange until the head of its answer is complete.
        stall_timeout: seconds over which the rate of a body is measured.
        stall_rate: bytes per second below which a body is cut.
    """

    jobs: int = 16
    jobs_per_host: int = 16
    head_timeout: float = 20.0
    stall_timeout: float = 30.0
    stall_rate: int = 1024

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        """The limits that ``settings`` ask for. Reaching a server and its first line have ``connect_timeout`` each."""
        return cls(
            jobs=max(1, settings.jobs),
            jobs_per_host=max(1, settings.jobs_per_host),
            head_timeout=2 * settings.connect_timeout,
            stall_timeout=settings.stall_timeout,
            stall_rate=settings.stall_rate,
        )

    def halves(self) -> tuple[Limits, Limits]:
        """What two processes may do that together do no more than this."""
        jobs, per_host = self.jobs // 2, self.jobs_per_host // 2
        return (
            replace(self, jobs=max(1, jobs), jobs_per_host=max(1, per_host)),
            replace(self, jobs=self.jobs - jobs, jobs_per_host=self.jobs_per_host - per_host),
        )


if TYPE_CHECKING:

    class Handler(Protocol):
        """What an exchange belongs to."""

        def answered(self, number: int, head: Head) -> Sink | None:
            """The head came; what takes the body, or None where none is wanted."""
            ...

        def ended(self, number: int, ending: Ending) -> None:
            """The exchange is over."""
            ...


class Exchange:
    """One request on its way, as the backend sees it: counts, and passes on to its handler."""

    __slots__ = (
        "_handler", "_loop", "_sink", "_taker", "answered", "begun", "deadline", "host", "light", "limit", "mark",
        "number", "received", "request", "weight",
    )  # fmt: skip

    def __init__(
        self,
        loop: Loop,
        handler: Handler,
        number: int,
        request: Request,
        taker: Taker | None = None,
        *,
        light: bool = False,
    ) -> None:
        """Args:
        taker: may take the whole answer at once.
        light: whether the answer is so small that many may share a connection at the same time.
        """
        self._loop = loop
        self._handler = handler
        self._taker = taker
        self._sink: Sink | None = None
        self.light = light
        self.weight = 0
        self.limit = 0.0
        self.number = number
        self.request = request
        self.host = request.url.origin
        self.answered = False
        self.received = 0
        self.mark = 0
        self.begun = 0.0
        self.deadline = 0.0

    @property
    def patient(self) -> bool:
        return self._taker is not None

    def arrived(self) -> None:
        self._loop.arrived(self)

    def whole(self, lines: Sequence[bytes], pieces: Sequence[bytes]) -> bool:
        taker, self._taker = self._taker, None
        if taker is None or not taker(lines, pieces):
            return False
        self._loop.release(self)
        return True

    def hurry(self) -> None:
        """Keep nothing back any longer."""
        self._taker = None

    def hand_to(self, handler: Handler, number: int) -> None:
        """Belong to another handler from now on, by the number that it gives."""
        self._taker = None
        self._handler = handler
        self.number = number

    def head(self, head: Head) -> bool:
        self.answered = True
        self._taker = None
        self._loop.watch_body(self)
        self._sink = self._handler.answered(self.number, head)
        return self._sink is not None

    def body(self, pieces: Sequence[bytes]) -> bool:
        self.received += sum(map(len, pieces))
        return self._sink is not None and self._sink(pieces)

    def ended(self, ending: Ending) -> None:
        self._loop.release(self)
        self._handler.ended(self.number, ending)

    def postponed(self) -> None:
        self._loop.postpone(self)


class Loop:
    """Turns a wire."""

    def __init__(self, wire: Wire, clock: Clock, limits: Limits) -> None:
        self._wire = wire
        self._clock = clock
        self._limits = limits
        self._queues: dict[str, deque[Exchange]] = {}
        self._queued = 0
        # What is active and what waits, in parts of a job.
        self._load = 0
        #: Whose turn it is as soon as there is enough room.
        self._next = ""
        self._waiting = 0
        self._active: dict[Exchange, None] = {}
        #: Those with complete answers that wait to be taken.
        self._arrived: set[Exchange] = set()
        #: The origins whose connections are known to be shared.
        self._shared: set[str] = set()
        self._per_host: dict[str, int] = {}
        #: Requests that are nobody's exchanges, and what each takes of the caps.
        self._lent = 0
        self._lane = STREAMS
        self._held: dict[str, float] = {}
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._next_check = float("inf")
        self._left = clock.monotonic()

    def narrow(self, limits: Limits) -> None:
        """Begin exchanges by other limits from now on."""
        self._limits = limits

    @property
    def room(self) -> bool:
        """Whether one more exchange would find a free place."""
        least = 1 if self._wide(None) else STREAMS
        return self._load + self._waiting + least <= self._limits.jobs * STREAMS

    @property
    def busy(self) -> bool:
        """Whether an exchange is under way or waits for its turn."""
        return bool(self._active or self._arrived or self._queued or self._lent)

    def idle(self, host: str) -> bool:
        """Whether a further connection to ``host`` (an origin) would take no place from anybody who waits for one."""
        own = self._per_host.get(host, 0) + STREAMS * len(self._queues.get(host, ()))
        free = self._load + self._waiting < self._limits.jobs * STREAMS
        return free and own < self._limits.jobs_per_host * STREAMS

    def start(self, exchange: Exchange) -> None:
        """Begin an exchange as soon as the caps allow."""
        self._queues.setdefault(exchange.host, deque()).append(exchange)
        self._queued += 1
        exchange.weight = self._weight(exchange)
        self._waiting += exchange.weight

    @property
    def shares(self) -> bool:
        """Whether small files may share a connection, where one allows it. Whoever allows one at once means one."""
        return self._limits.jobs_per_host > 1 and self._limits.jobs > 1

    def foresee(self) -> None:
        """Let the wire make itself ready for what waits, as far as that may be under way at once."""
        self._wire.foresee(min(self._queued, self._limits.jobs_per_host * STREAMS - len(self._active)))

    def cancel(self, exchange: Exchange) -> None:
        """End an exchange; nothing of it is told any more."""
        if exchange in self._active or exchange in self._arrived:
            self._wire.cancel(exchange)
            self.release(exchange)
            return
        queue = self._queues.get(exchange.host, deque())
        if exchange in queue:
            queue.remove(exchange)
            self._queued -= 1
            self._waiting -= exchange.weight

    def lend(self, host: str, most: int) -> int:
        """How many requests to ``host`` (an origin) may begin beside all exchanges, until they are repaid.

        What waits keeps its place. All that is lent at a time is lent for one origin.
        """
        if self.holds(host):
            return 0
        lane = 1 if self._wide(host) else STREAMS
        if lane != self._lane:
            lent = self._lent
            self.repay(host, lent)
            self._lane = lane
            self.repay(host, -lent)
        limits = self._limits
        waiting = sum(exchange.weight for exchange in self._queues.get(host, ()))
        own = limits.jobs_per_host * STREAMS - self._per_host.get(host, 0) - waiting
        count = min(most, min(limits.jobs * STREAMS - self._load - self._waiting, own) // lane)
        if count <= 0:
            return 0
        self.repay(host, -count)
        return count

    def repay(self, host: str, count: int) -> None:
        """So many of them are over, or did not begin."""
        self._lent -= count
        self._load -= count * self._lane
        self._per_host[host] = self._per_host.get(host, 0) - count * self._lane

    def adopt(self, exchange: Exchange, begun: float) -> None:
        """One of them is an exchange from now on, which began then."""
        self._lent -= 1
        exchange.weight = self._lane
        exchange.begun = begun
        exchange.limit = begun + self._limits.head_timeout
        self._active[exchange] = None
        self._set_deadline(exchange, exchange.limit)

    def holds(self, host: str) -> bool:
        """Whether nothing is begun with ``host`` at this moment, since it said that it has too much to do."""
        until = self._held.get(host)
        return until is not None and until > self._clock.monotonic()

    def after(self, seconds: float, call: Callable[[], None]) -> None:
        """Call ``call`` during the first turn that ends ``seconds`` from now or later."""
        from heapq import heappush  # what goes well waits for nothing

        heappush(self._timers, (self._clock.monotonic() + seconds, next(self._order), call))

    def hold(self, host: str, seconds: float) -> None:
        """Begin nothing with ``host`` (an origin) for ``seconds``: it said that it has too much to do."""
        until = self._clock.monotonic() + seconds
        self._held[host] = max(until, self._held.get(host, 0.0))

    def turn(self, *, patient: bool = True) -> None:
        """Begin what may begin, let everything go on, and call what is due.

        Args:
            patient: whether to wait until something comes.
        """
        now = self._clock.monotonic()
        self._excuse(now - self._left)
        self._launch(now)
        wait = max(0.0, min(self._due() - now, _LONGEST_TURN)) if patient else 0.0
        if self._active or self._arrived or self._lent:
            self._wire.turn(wait)
        elif self._timers or self._held:
            self._clock.sleep(max(0.0, self._due() - now) if patient else 0.0)
        self._reweigh()
        now = self._clock.monotonic()
        self._check(now)
        if self._timers:
            from heapq import heappop

            while self._timers and self._timers[0][0] <= now:
                heappop(self._timers)[2]()
        self._launch(now)
        self._left = self._clock.monotonic()

    def watch_body(self, exchange: Exchange) -> None:
        """From here on the rate of the body counts."""
        exchange.mark = exchange.received
        self._set_deadline(exchange, self._clock.monotonic() + self._limits.stall_timeout)

    def drain(self, exchange: Exchange) -> None:
        """Its body is not wanted, and read where it is here already, or nearly: another connection costs less."""
        self._set_deadline(exchange, min(exchange.deadline, self._clock.monotonic() + _DRAINING))

    def arrived(self, exchange: Exchange) -> None:
        """The answer to an exchange is complete: the next one shall not wait until it is taken."""
        self.release(exchange)
        self._arrived.add(exchange)

    def release(self, exchange: Exchange) -> None:
        """An exchange is over: its place is free."""
        self._arrived.discard(exchange)
        if exchange in self._active:
            del self._active[exchange]
            self._per_host[exchange.host] -= exchange.weight
            self._load -= exchange.weight

    def postpone(self, exchange: Exchange) -> None:
        """The wire has no place for one more: none begins before another is over, and this one first of its host."""
        self.release(exchange)
        self._limits = replace(self._limits, jobs=max(1, len(self._active)))
        self._queues.setdefault(exchange.host, deque()).appendleft(exchange)
        self._queued += 1
        self._waiting += exchange.weight

    def _launch(self, now: float) -> None:
        if not self._queued:
            return
        for host, until in list(self._held.items()):
            if until <= now:
                del self._held[host]
        # One of each host in turn, so that a long queue of one does not keep the others waiting.
        begun = True
        while begun and self._queued:
            begun = False
            several = len(self._queues) > 1
            hosts = list(self._queues.items())
            if several:
                hosts.sort(key=lambda item: item[0] != self._next)
            for host, queue in hosts:
                if not queue:
                    del self._queues[host]
                    continue
                weight = self._weight(queue[0])
                if host in self._held or self._per_host.get(host, 0) + weight > self._limits.jobs_per_host * STREAMS:
                    continue
                if self._load + weight > self._limits.jobs * STREAMS:
                    self._next = host  # nobody goes before it for needing less
                    return
                self._next = ""
                if several:
                    self._queues[host] = self._queues.pop(host)  # behind the others
                self._begin(queue.popleft(), weight, now)
                begun = True

    def _weight(self, exchange: Exchange) -> int:
        """What an exchange takes of the caps, in parts of a job."""
        return 1 if exchange.light and self._wide(exchange.host) else STREAMS

    def _wide(self, host: str | None) -> bool:
        """Whether small files share a connection to ``host``, or to any."""
        return self.shares and self._wire.multiplexes(host)

    def _reweigh(self) -> None:
        """Count for what they are the small files that were asked for before it was known that they share."""
        for host in self._per_host:
            if host not in self._shared and self._wide(host):
                self._shared.add(host)
                for exchange in self._queues.get(host, ()):
                    if exchange.light:
                        self._waiting += 1 - exchange.weight
                        exchange.weight = 1
                for exchange in self._active:
                    if exchange.light and exchange.host == host:
                        self._load += 1 - exchange.weight
                        self._per_host[host] += 1 - exchange.weight
                        exchange.weight = 1

    def _begin(self, exchange: Exchange, weight: int, now: float) -> None:
        self._queued -= 1
        self._waiting -= exchange.weight
        exchange.weight = weight
        self._load += weight
        self._per_host[exchange.host] = self._per_host.get(exchange.host, 0) + weight
        self._active[exchange] = None
        exchange.begun = now
        exchange.limit = now + self._limits.head_timeout
        self._set_deadline(exchange, min(exchange.limit, now + _PATIENCE) if exchange.patient else exchange.limit)
        self._wire.start(exchange)

    def _set_deadline(self, exchange: Exchange, deadline: float) -> None:
        exchange.deadline = deadline
        self._next_check = min(self._next_check, deadline)

    def _due(self) -> float:
        """When something has to be done at the latest."""
        moments = [self._next_check] if self._active else []
        if self._lent:
            moments.append(self._clock.monotonic() + _LONGEST_TURN)
        if self._timers:
            moments.append(self._timers[0][0])
        if self._queued:
            moments.extend(self._held.values())
        return min(moments, default=self._clock.monotonic())

    def _check(self, now: float) -> None:
        """Cut what is too slow. What arrived during this turn is counted already."""
        if now < self._next_check:
            return
        self._next_check = float("inf")
        for exchange in list(self._active):
            if exchange.deadline <= now and exchange in self._active:
                self._judge(exchange, now)
            self._next_check = min(self._next_check, exchange.deadline)

    def _judge(self, exchange: Exchange, now: float) -> None:
        if exchange.patient:
            # What has come so far is handed over during the next turn, and judged like that of any other.
            exchange.hurry()
            exchange.deadline = exchange.limit
            return
        enough = self._limits.stall_rate * self._limits.stall_timeout
        if exchange.answered and exchange.received - exchange.mark >= enough:
            exchange.mark = exchange.received
            exchange.deadline = now + self._limits.stall_timeout
            return
        exchange.deadline = float("inf")
        self._wire.cancel(exchange)
        exchange.ended(Ending(Failure.STALLED if exchange.answered else Failure.HEAD_TIMEOUT))

    def _excuse(self, pause: float) -> None:
        """Time that passed between two turns went to our own consumer: no server is to be blamed for it."""
        if pause < _OUR_OWN_PAUSE:
            return
        for exchange in self._active:
            exchange.deadline += pause
        self._next_check += pause
