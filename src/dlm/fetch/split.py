"""Several spans of one file at the same time, for servers that limit a connection and not the link: pure.

Spans are handed out on demand, in the order of the file, so that what lies without a gap before it grows as the whole
does; in the end, whoever is idle takes half of the largest rest. How many run at once is measured: a second one when
the rate of the first stays flat, as many as are allowed when the second one was a gain.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dlm.fetch.commands import Span

if TYPE_CHECKING:
    from dlm.model.settings import Settings

__all__ = ["Claim", "Split", "SplitPolicy"]

_MIB = 1024 * 1024
#: Bytes of a file that is worth looking at: by itself, and where the user names a number of connections.
_LARGE, _LARGE_ENOUGH = 64 * _MIB, 4 * _MIB
#: The fewest and most bytes that are asked for at once.
_SMALLEST, _LARGEST = _MIB, 16 * _MIB
#: Connections for one file.
_MOST = 16
#: Rates that differ by less are the same.
_FLAT = 0.15
#: What a second connection has to bring for more to follow.
_GAIN = 1.6
#: Measurements that have to agree.
_SAMPLES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitPolicy:
    """When and how far to split.

    Attributes:
        most: connections for one file; 1 splits nothing.
        at_once: do not measure first.
        least: bytes that must be missing for it to be worth it.
    """

    most: int = 1
    at_once: bool = False
    least: int = _LARGE

    @classmethod
    def of(cls, settings: Settings) -> SplitPolicy:
        """What the setting ``split`` asks for: ``auto``, ``off`` or a number."""
        room = max(1, min(settings.jobs, settings.jobs_per_host))
        if settings.split == "off":
            return cls()
        if settings.split == "auto":
            return cls(most=min(_MOST, room))
        return cls(most=min(int(settings.split), room), at_once=True, least=_LARGE_ENOUGH)


@dataclass(frozen=True, slots=True)
class Claim:
    """A span to ask for, and the attempt that it is taken from, whose own span ends where it begins."""

    span: Span
    victim: int | None = None


@dataclass(slots=True)
class _Part:
    """What one attempt brings: bytes ``start`` up to ``end``, of which ``taken`` are here."""

    start: int
    end: int
    taken: int = 0

    @property
    def position(self) -> int:
        return min(self.start + self.taken, self.end)


class Split:
    """The spans of one file of which attempt ``first`` brings everything behind byte ``at``."""

    def __init__(self, policy: SplitPolicy, first: int, at: int, total: int) -> None:
        self._policy = policy
        self._total = total
        self._parts: dict[int, _Part] = {first: _Part(at, total)}
        self._done: list[tuple[int, int]] = [(0, at)]
        self._todo: list[tuple[int, int]] = []
        self._unclaimed = total
        self._size = max(_SMALLEST, min(_LARGEST, (total - at) // (2 * max(1, policy.most))))
        self._wanted = policy.most if policy.at_once else 1
        self._settled = policy.at_once
        self._rates: list[float] = []
        self._alone = 0.0
        self._counted: tuple[float, int] | None = None

    def __contains__(self, number: int) -> bool:
        return number in self._parts

    @property
    def running(self) -> int:
        """How many attempts are under way."""
        return len(self._parts)

    @property
    def held(self) -> int:
        """How many bytes from the beginning are here without a gap."""
        live = ((part.start, part.start + part.taken) for part in self._parts.values())
        end = 0
        for start, stop in sorted([*self._done, *live]):
            if start > end:
                break
            end = max(end, stop)
        return end

    @property
    def complete(self) -> bool:
        """Whether all bytes are here."""
        return self.held >= self._total

    def end_of(self, number: int) -> int:
        """Where the span of attempt ``number`` ends by now."""
        return self._parts[number].end

    def note(self, taken: Mapping[int, int]) -> None:
        """How many bytes each attempt has brought."""
        for number, count in taken.items():
            if number in self._parts:
                self._parts[number].taken = count

    def measure(self, now: float, received: int) -> None:
        """Judge how many to run, from all bytes ``received`` until ``now`` (monotonic seconds)."""
        before, self._counted = self._counted, (now, received)
        if before is None or self._settled or now <= before[0]:
            return
        self._rates.append((received - before[1]) / (now - before[0]))
        last = self._rates[-_SAMPLES:]
        if len(last) < _SAMPLES or min(last) <= 0 or max(last) > (1 + _FLAT) * min(last):
            return
        rate = sum(last) / len(last)
        if self._wanted == 1:
            self._alone, self._wanted = rate, 2
        else:
            # Where two are no gain, the link is what is full: more would only take it from others.
            self._wanted = self._policy.most if rate >= _GAIN * self._alone else 1
            self._settled = True
        # What a new connection does to the rate is no sample yet.
        self._rates.clear()
        self._counted = None

    def claim(self) -> Claim | None:
        """The next span to ask for, or None where enough are under way. Tell :meth:`began` before asking again."""
        if self.running >= self._wanted:
            return None
        if self._todo:
            start, end = self._todo.pop(0)
            return Claim(Span(start, end))
        if self._unclaimed < self._total:
            start, end = self._unclaimed, min(self._total, self._unclaimed + self._size)
            self._unclaimed = end
            return Claim(Span(start, end))
        if not self._parts:
            return None
        number, part = max(self._parts.items(), key=lambda item: item[1].end - item[1].position)
        rest = part.end - part.position
        if rest < 2 * _SMALLEST:
            return None
        # The first attempt has all of the file: it keeps a span like any other, and what lies behind is for all.
        cut = part.position + (self._size if rest > 2 * self._size else rest // 2)
        start, stop = cut, part.end
        part.end = cut
        if stop - start > 2 * self._size and stop == self._total:
            self._unclaimed = start + self._size
            stop = self._unclaimed
        return Claim(Span(start, stop), number)

    def began(self, number: int, span: Span) -> None:
        """Attempt ``number`` asks for ``span``."""
        self._parts[number] = _Part(span.start, self._total if span.end is None else span.end)

    def ended(self, number: int, received: int) -> bool:
        """Attempt ``number`` is over after ``received`` bytes; False where it did not bring all of its span."""
        part = self._parts.pop(number)
        stop = part.start + received
        self._done = _merged([*self._done, (part.start, stop)])
        if stop >= part.end:
            return True
        self._todo.append((stop, part.end))
        self._todo.sort()
        # Whatever the reason, fewer at once are safer, and the rest is brought by those that work.
        self._wanted = max(1, min(self._wanted - 1, self.running))
        self._settled = True
        return False


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
