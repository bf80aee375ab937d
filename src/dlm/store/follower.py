"""Hashes of a file that grows, computed behind its writer's back on a second thread: ``Follower``.

The writer says how far the file goes without a gap; the follower reads what was written, a block at a time, and hashes
it. Reading from the page cache costs a fraction of hashing, and keeps nothing in memory but one block, however far
behind the follower is; whoever brings the bytes goes on meanwhile, since neither reading nor hashing holds Python's
interpreter lock. What it has just hashed it can also write to a second file, a spare, which costs less here than a copy
of the whole at the end.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

from dlm.errors import LocalError

if TYPE_CHECKING:
    from dlm.model.digest import Hash

__all__ = ["BLOCK", "Follower", "Follows", "GoneError", "can_follow"]

BLOCK = 256 * 1024
"""Bytes: few enough to stay in a core's cache between reading, hashing and writing."""
#: Blocks of followers that have ended: the system need not give new memory to each.
_BLOCKS: list[bytearray] = []
_MOST_BLOCKS = 16
#: Seconds without anything new.
_MOMENT = 0.05


def can_follow() -> bool:
    """Whether this system reads at a place of a file without moving its position, which a second thread needs."""
    return hasattr(os, "preadv")


class GoneError(Exception):
    """Nobody hashes the file any more."""


class Follows(Protocol):
    """What hashes a file that grows."""

    @property
    def mark(self) -> tuple[int, str]:
        """How many bytes are hashed, and their sha256."""
        ...

    @property
    def digests(self) -> dict[str, str]:
        """Of the same bytes, by algorithm; behind :meth:`catch_up`."""
        ...

    @property
    def behind(self) -> bool:
        """Whether something is still to be hashed. Raises GoneError."""
        ...

    def advance(self, goal: int) -> None:
        """The file has ``goal`` bytes without a gap by now."""
        ...

    def catch_up(self, within: int = 0) -> None:
        """Wait until all that was told of is hashed but ``within`` bytes. Raises OSError, LocalError, GoneError."""
        ...

    def stop(self) -> None:
        """Hash no more."""
        ...


class Follower:
    """Follows one open file, from a second thread.

    Args:
        descriptor: of the file; it stays open until :meth:`stop` has returned.
        hashes: by algorithm, with all that comes before byte ``at``; the follower's own until :meth:`stop`.
        idle: told, on the second thread, how many bytes are hashed and their sha256, when nothing more has come for a
            moment; what it raises is raised by :meth:`catch_up`.
        spare: takes each block after it was hashed, and where it belongs; on the second thread, too.
    """

    def __init__(
        self,
        descriptor: int,
        hashes: Mapping[str, Hash],
        at: int,
        idle: Callable[[int, str], None],
        spare: Callable[[memoryview, int], None] | None = None,
    ) -> None:
        self._descriptor = descriptor
        self._hashes = hashes
        self._changed = threading.Condition()
        self._goal = at
        self._done = at
        self._awaited = at
        self._mark = (at, hashes["sha256"].hexdigest())
        self._error: OSError | LocalError | None = None
        self._idle = idle
        self._spare = spare
        self._stopping = False
        # Nobody waits for it when the process ends: what it computes is of use to this process alone.
        self._thread = threading.Thread(target=self._run, name="dlm-hash", daemon=True)
        self._thread.start()

    @property
    def mark(self) -> tuple[int, str]:
        """How many bytes are hashed, and their sha256."""
        return self._mark

    @property
    def digests(self) -> dict[str, str]:
        """Of the bytes of :attr:`mark`, by algorithm; behind :meth:`catch_up`."""
        return {name: one.hexdigest() for name, one in self._hashes.items()}

    @property
    def behind(self) -> bool:
        """Whether something is still to be hashed."""
        return self._done < self._goal and self._error is None

    def advance(self, goal: int) -> None:
        """The file has ``goal`` bytes without a gap by now."""
        with self._changed:
            self._goal = goal
            self._changed.notify_all()

    def catch_up(self, within: int = 0) -> None:
        """Wait until all that was told of is hashed but ``within`` bytes.

        Raises:
            OSError: the file cannot be read, or became shorter.
            LocalError: what ``idle`` raised.
        """
        with self._changed:
            self._awaited = self._goal - within
            while self._done < self._awaited and self._error is None:
                self._changed.wait()
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """Wait for the block that is being hashed, if any, and end; the hashes then cover the bytes of :attr:`mark`."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._thread.join()

    def _wait(self) -> int:
        """How many bytes to hash next, once there are some; 0 at the end."""
        told = False
        with self._changed:
            while self._done >= self._goal and not self._stopping:
                if self._changed.wait(None if told else _MOMENT) or told:
                    continue
                told = True
                # Without the lock: whoever brings bytes shall not wait for it.
                self._changed.release()
                try:
                    self._idle(*self._mark)
                finally:
                    self._changed.acquire()
            return 0 if self._stopping else min(BLOCK, self._goal - self._done)

    def _run(self) -> None:
        try:
            block = _BLOCKS.pop()
        except IndexError:
            block = bytearray(BLOCK)
        with memoryview(block) as view:
            self._follow(view)
        if len(_BLOCKS) < _MOST_BLOCKS:
            _BLOCKS.append(block)

    def _follow(self, view: memoryview) -> None:
        while True:
            try:
                wanted = self._wait()
                if wanted == 0:
                    return
                count = os.preadv(self._descriptor, [view[:wanted]], self._done)
                if count == 0:
                    raise OSError("it became shorter while it was written")
            except (OSError, LocalError) as error:
                with self._changed:
                    self._error = error
                    self._changed.notify_all()
                return
            for one in self._hashes.values():
                one.update(view[:count])
            if self._spare is not None:
                self._spare(view[:count], self._done)
            mark = (self._done + count, self._hashes["sha256"].hexdigest())
            with self._changed:
                self._done, self._mark = mark[0], mark
                if self._done >= self._awaited:
                    self._changed.notify_all()
