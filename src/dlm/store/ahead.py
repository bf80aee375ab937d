"""What of a body is on the disk behind the first gap, and what proves that it still is: pure.

Spans come in order within themselves, several at the same time. Of each, a CRC-32 grows with it; that of two spans that
meet is computed from theirs, without reading. It is there to find what a disk or a power cut did to bytes that nobody
meant to change; against anyone who does there is no other protection than the digest of the whole. The sha256, which
vouches for what has no gap before it, cannot do this: that of two spans does not tell that of both.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence

__all__ = ["MOST_NOTED", "Ahead", "Noted", "joined_crc", "read_noted"]

#: Spans that are noted at most; the longest ones.
MOST_NOTED = 64

#: A span as it is noted: first byte, the byte behind the last, CRC-32.
Noted = tuple[int, int, int]

_POLYNOMIAL = 0xEDB88320  # of CRC-32, lowest bit first (RFC 1952 8)
_ONE = 1 << 31


class Ahead:
    """Spans of a body, in order, that neither overlap nor touch."""

    def __init__(self, noted: Sequence[Noted] = ()) -> None:
        self._spans: list[Noted] = []
        self._taken: list[Noted] = []
        for start, end, crc in sorted(noted):
            self._insert(start, end, crc)

    def __bool__(self) -> bool:
        return bool(self._spans)

    @property
    def spans(self) -> tuple[tuple[int, int], ...]:
        """First byte of each, and the byte behind its last."""
        return tuple((start, end) for start, end, _ in self._spans)

    @property
    def first(self) -> int:
        """The first byte of the first one."""
        return self._spans[0][0]

    @property
    def reach(self) -> int:
        """The byte behind the last one's last, 0 where there is none."""
        return self._spans[-1][1] if self._spans else 0

    @property
    def size(self) -> int:
        """How many bytes they are together."""
        return sum(end - start for start, end, _ in self._spans)

    def covers(self, start: int, end: int) -> bool:
        """Whether any byte from ``start`` to ``end`` is here."""
        index = bisect_left(self._spans, (end,))
        return index > 0 and self._spans[index - 1][1] > start

    def missing(self, data: bytes, at: int) -> Iterator[tuple[bytes, int]]:
        """What of ``data``, which belongs at byte ``at``, is not here yet, and where it belongs."""
        end = at + len(data)
        place = at
        for start, stop, _ in list(self._spans):
            if stop <= place:
                continue
            if start >= end:
                break
            if place < start:
                yield data[place - at : start - at], place
            place = stop
        if place < end:
            yield (data if place == at else data[place - at :]), place

    def add(self, pieces: Iterable[bytes], size: int, at: int) -> None:
        """``pieces``, ``size`` bytes, are on the disk from byte ``at`` on; nothing of them was here before."""
        from zlib import crc32  # for files that come in several pieces at the same time alone

        index = bisect_left(self._spans, (at,))
        start, crc = at, 0
        if index and self._spans[index - 1][1] == at:
            # The usual case: a span goes on.
            start, _, crc = self._spans.pop(index - 1)
        for piece in pieces:
            crc = crc32(piece, crc)
        self._insert(start, at + size, crc)

    def take(self, offset: int) -> int | None:
        """Forget the first span if it begins at ``offset`` or before; where it ends."""
        if not self._spans or self._spans[0][0] > offset:
            return None
        self._taken.append(self._spans.pop(0))
        return self._taken[-1][1]

    def noted(self, length: int) -> list[Noted]:
        """What to write down where the first ``length`` bytes are vouched for: the longest ones, in order.

        Those that were taken are among them as long as their bytes are not.
        """
        self._taken = [span for span in self._taken if span[1] > length]
        longest = sorted([*self._taken, *self._spans], key=lambda span: span[0] - span[1])[:MOST_NOTED]
        return sorted(longest)

    def _insert(self, start: int, end: int, crc: int) -> None:
        index = bisect_left(self._spans, (start,))
        if index and self._spans[index - 1][1] == start:
            index -= 1
            begin, _, before = self._spans.pop(index)
            start, crc = begin, joined_crc(before, crc, end - start)
        if index < len(self._spans) and self._spans[index][0] == end:
            _, stop, after = self._spans.pop(index)
            crc, end = joined_crc(crc, after, stop - end), stop
        self._spans.insert(index, (start, end, crc))


def joined_crc(first: int, second: int, length: int) -> int:
    """The CRC-32 of two pieces, from those of each and the ``length`` of the second one."""
    # A CRC is a remainder of polynomials over two elements: that of the first piece counts times x to the power of the
    # bits behind it (as in zlib's crc32_combine).
    factor, power, bytes_left = _ONE, _ONE >> 8, length  # 1, and x to the power of 8
    while bytes_left:
        if bytes_left & 1:
            factor = _product(factor, power)
        power = _product(power, power)
        bytes_left >>= 1
    return _product(factor, first) ^ second


def _product(one: int, other: int) -> int:
    """The product of two polynomials, lowest power in the highest bit, without what the CRC's own divides."""
    result, bit = 0, _ONE
    while bit:
        if one & bit:
            result ^= other
        other = (other >> 1) ^ _POLYNOMIAL if other & 1 else other >> 1
        bit >>= 1
    return result


def read_noted(found: object, length: int, total: int | None) -> tuple[Noted, ...]:
    """The spans of a note about a body of which ``length`` bytes are at hand without a gap, in order.

    Raises:
        ValueError: they are none.
    """
    if not isinstance(found, list):
        raise ValueError("no list of spans")
    spans: list[Noted] = []
    reached = 0
    for one in found:
        if not isinstance(one, list) or len(one) != 3 or not all(type(number) is int for number in one):
            raise ValueError("a span is three numbers")
        start, end, crc = one
        # The first one may begin before ``length``: a checksum cannot be cut.
        if not reached <= start < end > length or (total is not None and end > total) or not 0 <= crc < 1 << 32:
            raise ValueError("a span out of place")
        spans.append((start, end, crc))
        reached = end
    return tuple(spans)
