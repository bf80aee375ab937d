"""How many connections one file gets, judged by the rate at which its bytes come: pure.

A limit on a connection shows in two ways: the rate of one connection does not grow any more, and further connections
bring as much as it does without taking anything from it. So the first connection is watched until its rate has stopped
growing, then two more are tried; where all together are faster almost in proportion, as many follow as are allowed.
Nothing is lost while that is found out: every byte that any of them brings counts.

Limiters send in bursts, and each burst is followed by silence: nginx (1.22, ``limit_rate 8m``) sends 2 MiB (its
``sendfile_max_chunk``) at once and sleeps 250 ms; without that bound, 4 to 6 MiB and 450 to 650 ms, or until the next
second; a token bucket sends what it has saved and is smooth from then on. A rate over a tenth of a second says nothing
there. So what is compared is always the most that came within a window of one length: a new connection begins with
the same burst as the first one did, and two new ones at least double the best that one alone ever did. Where the link
is what is full, the best of one alone is all of it, and no number of connections is better.
"""

from __future__ import annotations

from bisect import bisect_left
from enum import Enum, auto

__all__ = ["Ramp"]

#: Seconds of half a window, at least and at most; between these it is as long as the first answer took, since before a
#: connection is up to speed bytes come once in a round trip, ever more of them.
_SHORTEST, _LONGEST = 0.1, 0.5
#: Seconds over which the rate of a moment is taken.
_MOMENT = 0.05
#: A rate that is higher by no more than this has not grown.
_FLAT = 0.25
#: Bytes per second at which one connection fills most links, and no server that limits one has a reason to.
_FAST = 128 * 1024 * 1024
#: Seconds in which one connection brings the rest, where no other is asked for.
_SOON = 2.0
#: Connections that are tried beside the first one.
_PROBES = 2
#: What each of them has to bring, as a part of what the first one brought at its best.
_SHARE = 0.4
#: Seconds after the answer of the last of them within which they have to.
_PATIENCE = 0.6
#: As often as that they are tried for one file: once more where the rate has fallen to this part of what it was, since
#: some servers limit what lies behind the first megabytes only.
_TRIALS, _FALLEN = 3, 0.6
#: Seconds until all connections have to be faster than the few would be that were tried, and by how much, lest there be
#: few again.
_CHECK, _FASTER = 1.0, 1.2
#: Seconds of samples that are kept.
_MEMORY = 4.0


class _Phase(Enum):
    ALONE = auto()
    PROBING = auto()
    WATCHING = auto()
    MANY = auto()
    SETTLED = auto()


class Ramp:
    """Judges how many connections to run.

    Args:
        most: as many as are allowed.
        at_once: do not measure, run as many.

    Attributes:
        wanted: how many are to run.
        pace: bytes per second that one of them brings, 0 where that is not known.
    """

    def __init__(self, most: int, *, at_once: bool = False) -> None:
        self._most = most
        self.wanted = most if at_once else 1
        self.pace = 0.0
        self._phase = _Phase.SETTLED if at_once or most < 2 else _Phase.ALONE
        self._times: list[float] = []
        self._counts: list[int] = []
        self._half = _SHORTEST
        self._since = 0.0
        self._brought = 0
        self._answered: float | None = None
        self._best = 0.0
        self._few = 0.0
        self._trials = 0

    @property
    def probing(self) -> bool:
        """Whether those beside the first one are a trial."""
        return self._phase is _Phase.PROBING

    @property
    def settled(self) -> bool:
        """Whether nothing will be learnt from further measurements."""
        return self._phase is _Phase.SETTLED

    def failed(self, running: int) -> None:
        """A connection brought nothing to speak of; ``running`` are left. Whatever the reason, fewer are safer."""
        self.wanted = max(1, min(self.wanted - 1, running))
        self._phase = _Phase.SETTLED

    def measure(  # noqa: PLR0917 - one measurement
        self, now: float, received: int, rest: int, running: int, silent: int, latency: float = 0.0
    ) -> None:
        """Take a measurement, and judge.

        Args:
            now: monotonic seconds.
            received: bytes that all connections brought together so far.
            rest: bytes that are missing.
            running: connections that are asked for something.
            silent: of these, how many have not brought anything yet.
            latency: seconds that the first answer took.
        """
        if self.settled or (self._times and now <= self._times[-1]):
            return
        if self._counts and self._counts[0] == received:
            self._start_over()  # nothing came yet
        self._times.append(now)
        self._counts.append(received)
        while self._times[0] < now - _MEMORY:
            del self._times[0], self._counts[0]
        self._half = min(max(latency, _SHORTEST), _LONGEST)
        match self._phase:
            case _Phase.ALONE:
                self._alone(now, rest)
            case _Phase.PROBING:
                self._probe(now, running, silent)
            case _Phase.WATCHING:
                self._watch(now, running)
            case _:
                self._check(now, running, silent)

    def _alone(self, now: float, rest: int) -> None:
        window = 2 * self._half
        first = self._times[0]
        if now - first < window:
            return
        rate = self._rate(now, window)
        if rate <= 0 or rate >= _FAST or rest < _SOON * rate:
            return
        if self._peak(now - self._half, now, _MOMENT) > (1 + _FLAT) * self._peak(first, now - self._half, _MOMENT):
            return
        self._best = max(rate, self._peak(first, now, window))
        self.pace = rate
        self._trials += 1
        self._enter(_Phase.PROBING, min(self._most, 1 + _PROBES))

    def _probe(self, now: float, running: int, silent: int) -> None:
        rate = self._rate(now, 2 * self._half)
        beside = running - 1
        if beside > 0 and now - self._since >= self._half and rate >= (1 + _SHARE * beside) * self._best:
            self._few = running * self.pace
            self._enter(_Phase.MANY, self._most)
        elif self._heard(now, silent <= 0) >= max(_PATIENCE, 6 * self._half):
            # The link is what is full: more would only take from others.
            self._enter(_Phase.WATCHING, 1)

    def _watch(self, now: float, running: int) -> None:
        if self._trials >= _TRIALS:
            self._phase = _Phase.SETTLED
        elif running <= 1 and now - self._since >= 2.0**self._trials and self._rate(now, 1.0) < _FALLEN * self._best:
            self._enter(_Phase.ALONE, 1)
            self._start_over()

    def _check(self, now: float, running: int, silent: int) -> None:
        if self._heard(now, 2 * silent <= running) < _CHECK:
            return
        self._phase = _Phase.SETTLED
        if self._counts[-1] - self._brought < _FASTER * self._few * (now - self._since):
            # The link was full with less than all.
            self.wanted = min(self.wanted, 1 + _PROBES)

    def _enter(self, phase: _Phase, wanted: int) -> None:
        self._phase, self.wanted = phase, wanted
        self._since, self._brought = self._times[-1], self._counts[-1]
        self._answered = None

    def _heard(self, now: float, answered: bool) -> float:
        """Seconds since those that were asked for have answered."""
        if self._answered is None and answered and now > self._since:
            self._answered = now
        return 0.0 if self._answered is None else now - self._answered

    def _start_over(self) -> None:
        self._times.clear()
        self._counts.clear()

    def _rate(self, now: float, window: float) -> float:
        """Bytes per second within the last ``window`` seconds."""
        return (self._counts[-1] - self._count_at(now - window)) / window

    def _peak(self, start: float, end: float, window: float) -> float:
        """The most bytes per second that came within ``window`` seconds, of those that end in ``start`` to ``end``."""
        rates = [
            (count - self._count_at(time - window)) / window
            for time, count in zip(self._times, self._counts, strict=True)
            if start < time <= end
        ]
        return max(rates, default=0.0)

    def _count_at(self, time: float) -> float:
        """Bytes that were here at ``time``, as if they came evenly between two measurements."""
        index = bisect_left(self._times, time)
        if index == 0:
            return self._counts[0]
        if index == len(self._times):
            return self._counts[-1]
        earlier, later = self._times[index - 1], self._times[index]
        part = (time - earlier) / (later - earlier)
        return self._counts[index - 1] + part * (self._counts[index] - self._counts[index - 1])
