"""Orders by their numbers, made when there is room for them, and handed out to one process or to two: ``Round``."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Container, Iterable, Sequence

from dlm.fetch.parcel import SMALL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dlm.model.artifact import Artifact
    from dlm.model.transfer import Order

__all__ = ["Round"]

#: Numbers that a process takes at once, at least.
_BATCH = 32
#: Bytes that a pipe holds before it is read, everywhere.
_PIPE = 32 * 1024
_NUMBER = 4


class Round:
    """The orders of one call, each handed out once.

    Args:
        count: how many there are.
        make: the order of a number; None where there is none, which ``make`` takes note of.
        first: an order that is made already.
        at: the number behind that; those before are not asked for.
        sizes: in bytes, as far as they are known.
        artifacts: what the orders are for, by their numbers, as far as anybody wants them quickly.
        plain: whether an artifact is small, pinned, and asked for at its own address below that origin, and with
            nothing else.
        spare: whether a spare is wanted of one of those, and how: see ``Orders.spare``.
    """

    def __init__(
        self,
        count: int,
        make: Callable[[int], Order | None],
        first: Order | None = None,
        at: int = 0,
        *,
        sizes: Iterable[int] = (),
        artifacts: Sequence[Artifact] = (),
        plain: Callable[[Artifact, str], bool] | None = None,
        spare: Callable[[Artifact], tuple[int, str] | None] = lambda _: None,
    ) -> None:
        self._count = count
        self._make = make
        self._first = first
        self._at = at
        self._again: deque[int] = deque()
        self._artifacts = artifacts
        self._plain = plain
        self.spare = spare
        #: Those that are no quick ones.
        self._slow: deque[int] = deque()
        self._in_vain = False
        self._batch = _BATCH
        large = [size for size in sizes if size > SMALL]
        self._large = len(large)
        self._volume = sum(large)
        self._pipe = -1
        self._mine = bytearray()
        self._rest = iter(range(0))

    @property
    def left(self) -> int:
        """How many were not handed out yet; before :meth:`share`."""
        return self._count - self._at

    @property
    def large(self) -> tuple[int, int]:
        """How many of them are too large to be kept in memory, and how many bytes those have together."""
        return self._large, self._volume

    def next(self) -> Order | None:
        """One more order; None where there is none left, for now."""
        first, self._first = self._first, None
        if first is not None:
            return first
        order = self.slow()
        if order is not None:
            return order
        while (number := self._number()) is not None:
            order = self._make(number)
            if order is not None:
                return order
        self._in_vain = True
        return None

    @property
    def over(self) -> bool:
        """Whether nothing was left when somebody asked, and nothing has come back since."""
        return self._in_vain and not (self._again or self._slow)

    def make(self, number: int) -> Order | None:
        """The order of a number that was handed out."""
        return self._make(number)

    def artifact(self, number: int) -> Artifact:
        """What the order of a number is for, where it is a quick one."""
        return self._artifacts[number]

    @property
    def has_quick(self) -> bool:
        """Whether any may be quick ones."""
        return self._plain is not None

    def quick(self, origin: str, most: int, fits: Callable[[Artifact], bool]) -> list[tuple[int, Artifact]]:
        """Some more, up to the first that has to be an order: that is the next of :meth:`slow`.

        Args:
            fits: what else they have to be.
        """
        found: list[tuple[int, Artifact]] = []
        plain = self._plain
        if plain is None or self._slow or self._first is not None:
            return found
        seen: set[str | None] = set()
        while len(found) < most:
            number = self._number()
            if number is None:
                self._in_vain = True
                break
            artifact = self._artifacts[number]
            if not plain(artifact, origin) or not fits(artifact) or artifact.digests.sha256 in seen:
                self._slow.append(number)
                break
            seen.add(artifact.digests.sha256)
            found.append((number, artifact))
        return found

    def slow(self) -> Order | None:
        """One of those that were passed over."""
        while self._slow:
            order = self._make(self._slow.popleft())
            if order is not None:
                return order
        return None

    def pass_over(self, number: int) -> None:
        """Let one that was handed out quickly be an order."""
        self._slow.append(number)

    def share(self) -> None:
        """From now on a child that is forked takes part: what is left goes to whoever asks first."""
        count = self._count - self._at
        # Large files one by one: who has more of them at the end works alone.
        self._batch = max(1 if self._large else _BATCH, -(-count * _NUMBER // _PIPE))
        self._mine = bytearray(count)
        while not self._offer():
            self._batch *= 2

    def _offer(self) -> bool:
        """Put the first number of each batch into a pipe; whether there was room for all."""
        starts = b"".join(start.to_bytes(_NUMBER, "little") for start in range(self._at, self._count, self._batch))
        reading, writing = os.pipe()
        try:
            os.set_blocking(writing, False)
            # Whoever has many pipes gets small ones (pipe(7), "pipe-user-pages-soft").
            done = not starts or os.write(writing, starts) == len(starts)
        except BlockingIOError:
            done = False
        finally:
            os.close(writing)
        if done:
            self._pipe = reading
        else:
            os.close(reading)
        return done

    def reclaim(self, done: Container[int]) -> int:
        """The child is gone: this process gets all that it did not get yet and that is not ``done``.

        Returns:
            how many those are.
        """
        self.close()
        self._rest = iter(range(0))
        before = len(self._again)
        self._again.extend(
            number for number, mine in enumerate(self._mine, start=self._at) if not mine and number not in done
        )
        return len(self._again) - before

    def close(self) -> None:
        """Hand out nothing more."""
        if self._pipe >= 0:
            os.close(self._pipe)
        self._pipe = -1

    def forget(self) -> None:
        """All is over: keep no artifact in memory, whoever still knows this round."""
        self._artifacts, self._first, self._make, self._plain = (), None, _nothing, None

    def _number(self) -> int | None:
        if self._again:
            return self._again.popleft()
        if not self._mine:
            if self._at >= self._count:
                return None
            self._at += 1
            return self._at - 1
        number = next(self._rest, None)
        if number is None and self._pipe >= 0:
            # So few bytes are read as one, whoever else reads.
            start = os.read(self._pipe, _NUMBER)
            if start:
                first = int.from_bytes(start, "little")
                self._rest = iter(range(first, min(first + self._batch, self._count)))
                number = next(self._rest)
            else:
                self.close()
        if number is not None:
            self._mine[number - self._at] = 1
        return number


def _nothing(_: int) -> None:
    """No order."""
