"""Several spans of one file at the same time, for servers that limit a connection and not the link: pure.

Spans are handed out on demand, in the order of the file, so that what lies without a gap before it grows as the whole
does, and smaller ones as less is left; in the end, whoever is idle takes half of the largest rest. How many run at once
is measured, see :mod:`dlm.fetch.ramp`.

Where a span is taken from an attempt that is under way, that one goes on as if nothing was until the other is answered:
a server may give a file once and then never again, and what one connection would have brought is not to be lost over
that. Who was overtaken until then is not needed; what a failed one leaves goes back to whoever is on the way there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from dlm.fetch.commands import Span
from dlm.fetch.ramp import Ramp
from dlm.model.frozen import dataclass

if TYPE_CHECKING:
    from dlm.model.settings import Settings

__all__ = ["Split", "SplitPolicy"]

_MIB = 1024 * 1024
#: Bytes of a file that is worth looking at: by itself, and where the user names a number of connections.
_LARGE, _LARGE_ENOUGH = 64 * _MIB, 4 * _MIB
#: The fewest and most bytes that are asked for at once.
_SMALLEST, _LARGEST = _MIB, 16 * _MIB
#: Bytes whose multiples spans are.
_BLOCK = 64 * 1024
#: Connections for one file.
_MOST = 16
#: Seconds that a connection is busy with what it is asked for, at least.
_BRIEF = 0.5


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


@dataclass(slots=True)
class _Part:
    """What one attempt is to bring: bytes ``start`` up to ``end``, of which ``taken`` are here.

    Attributes:
        reach: up to where its answer goes.
        limit: up to where it is let, so far.
        answered: whether its bytes are on their way.
        late: whether another one had come there when it was answered.
    """

    start: int
    end: int
    reach: int
    limit: int
    answered: bool = False
    late: bool = False
    taken: int = 0

    @property
    def position(self) -> int:
        return min(self.start + self.taken, self.end)

    @property
    def rest(self) -> int:
        return self.end - self.position


class Split:
    """The spans of one file of which attempt ``first`` brings what lies behind byte ``at``, up to what is at hand.

    Args:
        policy: when and how far to split.
        first: the attempt that was there before.
        at: the first byte that it brings; all before are at hand.
        total: the size of the file.
        ahead: spans behind ``at`` that are at hand too.
    """

    def __init__(
        self, policy: SplitPolicy, first: int, at: int, total: int, ahead: Sequence[tuple[int, int]] = ()
    ) -> None:
        self._most = max(1, policy.most)
        self._total = total
        self._done = _merged([(0, at), *ahead])
        (_, free), *rest = [*self._done, (total, total)]
        self._free: list[tuple[int, int]] = []
        for start, end in rest:
            if free < start:
                self._free.append((free, start))
            free = end
        start, end = self._free.pop(0) if self._free else (at, total)
        self._parts: dict[int, _Part] = {first: _Part(start, end, end, end, answered=True)}
        self._ramp = Ramp(self._most, at_once=policy.at_once)
        #: Whether there ever was more than the first attempt.
        self.shared = False

    def __contains__(self, number: int) -> bool:
        return number in self._parts

    @property
    def running(self) -> int:
        """How many attempts are under way."""
        return len(self._parts)

    @property
    def settled(self) -> bool:
        """Whether nothing is to be measured any more."""
        return self._ramp.settled

    @property
    def held(self) -> int:
        """How many bytes from the beginning are here without a gap."""
        return self._here()[0][1]

    @property
    def ahead(self) -> tuple[tuple[int, int], ...]:
        """The spans that are here behind the first gap."""
        return tuple(self._here()[1:])

    @property
    def complete(self) -> bool:
        """Whether all bytes are here."""
        return self.held >= self._total

    @property
    def rest(self) -> int:
        """How many bytes are missing."""
        return sum(end - start for start, end in self._free) + sum(part.rest for part in self._parts.values())

    def end_of(self, number: int) -> int:
        """Where the span of attempt ``number`` ends by now."""
        return self._parts[number].end

    def note(self, taken: Mapping[int, int]) -> None:
        """How many bytes each attempt has brought."""
        for number, count in taken.items():
            if number in self._parts:
                self._parts[number].taken = count

    def measure(self, now: float, received: int, latency: float = 0.0) -> None:
        """Judge how many to run, from all bytes ``received`` until ``now`` (monotonic seconds)."""
        silent = sum(part.taken == 0 for part in self._parts.values())
        self._ramp.measure(now, received, self.rest, self.running, silent, latency)

    def claim(self) -> Span | None:
        """The next span to ask for, or None where enough are under way. Tell :meth:`began` before asking again."""
        if self.running >= self._ramp.wanted:
            return None
        if self._ramp.probing:
            return self._at_the_end()
        if self._free:
            return self._portion()
        if not self._parts:
            return None
        part = self._largest()
        if part.rest < 2 * _SMALLEST:
            return None
        # An attempt that has a large rest keeps a span like any other, and what lies behind is for all.
        size = self._size
        cut, stop = part.position + (size if part.rest > 2 * size else _even(part.rest // 2)), part.end
        part.end = cut
        # Others may be under way there too, where it was to bring all that they had failed to bring.
        known = _merged([*self._done, *((one.start, one.end) for one in self._parts.values())])
        self._free = _without(known, cut, stop)
        return self._portion() if self._free else None

    def began(self, number: int, span: Span) -> None:
        """Attempt ``number`` asks for ``span``."""
        self.shared = True
        end = self._total if span.end is None else span.end
        self._parts[number] = _Part(span.start, end, end, end)

    def answered(self, number: int) -> bool:
        """Attempt ``number`` is answered with its span; False where that is not needed any more."""
        part = self._parts[number]
        overtook = [one for one in self._parts.values() if one.start <= part.start < one.start + one.taken]
        for one in overtook:
            one.end = max(one.end, min(one.start + one.taken, one.reach))
        part.late = bool(overtook) or any(start <= part.start < end for start, end in self._done)
        part.answered = not part.late
        return part.answered

    def limits(self) -> list[tuple[int, int]]:
        """The attempts that are to end elsewhere than was said last, and before which byte."""
        # Those in front do not go into what another one brings or has brought, unless they have to.
        starts = [part.start for part in self._parts.values() if part.answered] + [start for start, _ in self._done]
        changed: list[tuple[int, int]] = []
        for number, part in self._parts.items():
            limit = min((start for start in starts if part.end <= start < part.reach), default=part.reach)
            if part.answered and limit != part.limit:
                part.limit = limit
                changed.append((number, limit))
        return changed

    def ended(self, number: int, received: int, *, refused: bool = False) -> bool:
        """Attempt ``number`` is over after ``received`` bytes; False where it failed to bring all of its span.

        Args:
            refused: whether the server would not give this span to the next one either.
        """
        part = self._parts.pop(number)
        stop = part.start + received
        if received:
            self._done = _merged([*self._done, (part.start, stop)])
        if stop >= part.end:
            return True
        self._free = sorted([*self._free, *_without(self._done, stop, part.end)])
        failed = not part.late and received < _SMALLEST
        if failed:
            self._ramp.failed(0 if refused else self.running)
        self._give_back(further=failed)
        return part.late

    @property
    def _size(self) -> int:
        """Bytes to ask for at once: less and less, so that all end at the same time, but not for moments only."""
        least = max(_SMALLEST, int(_BRIEF * self._ramp.pace))
        return _even(max(min(self.rest // (2 * self._most), _LARGEST), min(least, _LARGEST)))

    def _portion(self) -> Span:
        """Of what nobody brings, the first bytes; all up to the next span at hand where one attempt is alone."""
        size = self._size
        start, end = self._free.pop(0)
        stop = start + size
        if self._ramp.wanted > 1 and end - stop >= _SMALLEST:
            self._free.insert(0, (stop, end))
            end = stop
        return Span(start, end)

    def _at_the_end(self) -> Span | None:
        """For a trial: what would come last, so that those that work go on as if nothing was if it comes to nothing."""
        size = min(self._size, max(_SMALLEST, _even(int(self._ramp.pace))))
        if self._free:
            start, end = self._free.pop()
            cut = end - size if end - size - start >= _SMALLEST else start
            if cut > start:
                self._free.append((start, cut))
            return Span(cut, end)
        part = self._largest()
        if part.rest < 4 * size:
            return None
        stop = part.end
        part.end = stop - size
        return Span(part.end, stop)

    def _largest(self) -> _Part:
        return max(self._parts.values(), key=lambda part: part.rest)

    def _give_back(self, *, further: bool) -> None:
        """What nobody brings goes to those on whose way it lies.

        Args:
            further: also where more than a little comes again on that way, if less of it does than is missing there.
        """
        for part in sorted(self._parts.values(), key=lambda part: part.start, reverse=True):
            ahead = [(start, min(end, part.reach)) for start, end in self._free if part.end <= start < part.reach]
            least = _SMALLEST
            if further and ahead and 2 * sum(end - start for start, end in ahead) >= ahead[-1][1] - part.end:
                least = self._total
            for start, end in ahead:
                if start - part.end < least:
                    part.end = end
            own = [(part.start, part.end)]
            self._free = [piece for start, end in self._free for piece in _without(own, start, end)]

    def _here(self) -> list[tuple[int, int]]:
        live = [(part.start, part.start + part.taken) for part in self._parts.values() if part.taken]
        return _merged([*self._done, *live])


def _even(size: int) -> int:
    """As many whole blocks as ``size`` bytes are."""
    return size // _BLOCK * _BLOCK


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _without(taken: list[tuple[int, int]], start: int, end: int) -> list[tuple[int, int]]:
    """What of ``start`` up to ``end`` lies in none of ``taken``, which are in order and apart."""
    left: list[tuple[int, int]] = []
    for first, last in (*taken, (end, end)):
        if start < min(first, end):
            left.append((start, min(first, end)))
        start = max(start, last)
    return left
