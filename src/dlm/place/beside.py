"""A second process that makes new files ready while this one does, too: ``Beside``.

A copy of a small file costs the time of a processor, not of a disk, and one process uses one processor. So where there
are many, a child is forked that makes the second half of them ready under their temporary names, which the journal
knows, and tells how they look. Nothing that anybody sees changes there: every rename is the parent's. What the child
did not tell of, for whatever reason, the parent makes, and so every error comes in its words.
"""

from __future__ import annotations

import contextlib
import gc
import marshal
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from dlm.place.link import Look, Made

if TYPE_CHECKING:
    from dlm.model.plan import Placing

__all__ = ["Beside", "suits"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def suits(change: Placing) -> bool:
    """Whether a new file is nothing but a copy of its blob, or shares its bytes."""
    return (
        change.extract is None
        and change.instead is None
        and change.blob.spare is None
        and change.link in {"auto", "copy"}
        and change.found.kind != "directory"
    )


class Beside:
    """The parent's side of a child at work.

    Args:
        numbers: of the files that the child makes, in their order.
        make: makes one of them; called in the child.

    Raises:
        OSError: the system gives no further process.
    """

    def __init__(self, numbers: Sequence[int], make: Callable[[int], Made]) -> None:
        self._numbers = numbers
        self._reports, reporting = os.pipe()
        # No interrupt shall find a child that takes itself for its parent.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        self._pid = 0
        try:
            self._pid = os.fork()
            if self._pid == 0:
                try:
                    _be_the_child(numbers, make, reporting)
                finally:
                    os._exit(1)  # what was not told is made by the parent; what went wrong here goes wrong there
        except OSError:
            os.close(self._reports)
            raise
        finally:
            os.close(reporting)
            try:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
            except BaseException:
                self.end()  # an interrupt that waited comes now, and nobody would have heard of the child
                raise

    @classmethod
    def of(cls, place: Sequence[tuple[int, Placing]], make: Callable[[int], Made], least: int) -> Beside | None:
        """A child for half of what suits it, if that is ``least`` files; None where it is not, or none is to be had."""
        if sys.platform != "linux" or len(os.sched_getaffinity(0)) < 2:
            return None
        if threading.active_count() > 1:
            return None  # a child has this thread alone, and may wait for ever for what another one holds
        numbers = [number for number, change in place if suits(change)]
        if len(numbers) < least:
            return None
        try:
            return cls(numbers[len(numbers) // 2 :], make)
        except OSError:
            return None  # one process does it all, as everywhere else

    @property
    def first(self) -> int:
        """The number of the first file that the child was asked for."""
        return self._numbers[0]

    def made(self) -> dict[int, Made]:
        """Wait for the child; how each file was made that it tells of, by its number."""
        with open(self._reports, "rb", closefd=False) as reports:
            data = reports.read()
        self.end()
        try:
            told = marshal.loads(data)  # noqa: S302 - our own child wrote it
        except (EOFError, ValueError, TypeError):
            told = []  # it ended before its time
        return {
            number: Made(mode, None, Look(*look)) for number, (mode, *look) in zip(self._numbers, told, strict=False)
        }

    def end(self) -> None:
        """See that the child is gone; a second time does nothing."""
        pid, self._pid = self._pid, 0
        if not pid:
            return
        os.close(self._reports)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):  # where SIGCHLD is ignored, nobody is left to wait for
            os.waitpid(pid, 0)


def _be_the_child(numbers: Sequence[int], make: Callable[[int], Made], reporting: int) -> None:
    """Make files ready, and tell how they look. Does not return."""
    # A terminal sends its interrupt to both. The parent decides what becomes of it, and of this process.
    for interrupt in _SIGNALS:
        signal.signal(interrupt, signal.SIG_IGN)
    gc.disable()
    parent = os.getppid()
    told: list[tuple[object, ...]] = []
    for number in numbers:
        made = make(number)
        if made.seen is None or os.getppid() != parent:
            break
        told.append((made.mode, made.seen.st_size, made.seen.st_mtime_ns, made.seen.st_ino))
    rest = memoryview(marshal.dumps(told))
    while rest:
        rest = rest[os.write(reporting, rest) :]
    os._exit(0)
