"""A second process that fetches pinned files of a round while this one does, too: ``Mate``.

A small file costs the time of a processor, not of a network, a large one that has to be hashed and written twice does
so on a fast network, and one process uses one processor. So where many are missing, and there is a second processor, a
child is forked that takes orders from the same round. It has its own wire, its own claims, and a tray of its own into
the same store; what it has stored it reports, and what is out of the ordinary in any way it gives back, so that
everything that needs judgement, words or an error happens in one process alone. If it ends before its time, for
whatever reason, what it did not report is done here.

The child uses what the parent had loaded and nothing that the parent has open. It leaves the index, the journal and the
user to the parent; it holds on to what it uses in the cache until the parent has said so of the same blobs.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import marshal
import os
import signal
from collections.abc import Iterable, Iterator, Sequence

from dlm.fetch.hand import LENGTH, Hand
from dlm.model import events
from dlm.model.artifact import Spare
from dlm.model.digest import Digests
from dlm.model.transfer import Carried
from dlm.signals import Insisting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from dlm.fetch.loop import Limits
    from dlm.fetch.workbench import Workbench
    from dlm.model.artifact import Artifact
    from dlm.ports import Backend, Orders, Store

__all__ = ["Mate"]

_INTERRUPTS = (signal.SIGINT, signal.SIGTERM)


class Mate:
    """The parent's side of a child at work.

    Args:
        bench: of the parent.
        limits: of the child alone.
        backend: opens the child's wire.
        store: gives trays.
        orders: what there is to do, from now on for both.

    Raises:
        OSError: the system gives no further process.
    """

    def __init__(self, bench: Workbench, limits: Limits, backend: Backend, store: Store, orders: Orders) -> None:
        self._bench = bench
        self._store = store
        self._orders = orders
        self._unread = b""
        self._done: set[int] = set()
        self.over = False
        self._pid = 0
        if orders.large[0]:
            bench.prepare()
        orders.share()
        self._reports, reporting = os.pipe()
        leaving, self._leave = os.pipe()
        # No interrupt shall find a child that takes itself for its parent.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _INTERRUPTS)
        try:
            pid = os.fork()
            if pid == 0:
                try:
                    os.close(self._reports)
                    os.close(self._leave)
                    _be_the_child(Hand(bench.quiet(limits), backend, store, orders, reporting), leaving, before)
                finally:
                    # What was not reported is done by the parent; what went wrong here goes wrong there, in words.
                    os._exit(1)
            self._pid = pid
        except OSError:
            os.close(self._reports)
            os.close(self._leave)
            raise
        finally:
            os.close(reporting)
            os.close(leaving)
            self._unmask(before)
        os.set_blocking(self._reports, False)

    def _unmask(self, before: Iterable[int]) -> None:
        """Let interrupts come again. One that waited comes now, and then nobody will have heard of the child."""
        try:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        except BaseException:
            if self._pid:
                self.abandon()
            raise

    def collect(self, *, wait: bool) -> Iterator[Carried]:
        """What the child has stored since; ``over`` is true when it will bring no more.

        Args:
            wait: whether there is nothing else to do.

        Raises:
            LocalError: the disk refuses to say that a blob is used.
        """
        os.set_blocking(self._reports, wait)
        while True:
            try:
                data = os.read(self._reports, 65536)
            except BlockingIOError:
                return
            if not data:
                self.over = True
                return
            self._unread += data
            yield from self._read()
            if wait:
                return

    def dismiss(self) -> bool:
        """Let the child go, and take back what it did not do; whether there is anything."""
        self._let_go()
        # The system takes its time to clear up after a process, and nothing here depends on that.
        atexit.register(_wait_for, self._pid)
        return self._orders.reclaim(self._done) > 0

    def abandon(self) -> None:
        """End the child; it keeps what has come of larger files for a later run."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGTERM)
        self._let_go()
        _wait_for(self._pid)

    def _let_go(self) -> None:
        self.over = True
        for descriptor in (self._reports, self._leave):
            os.close(descriptor)

    def _read(self) -> Iterator[Carried]:
        while len(self._unread) >= LENGTH:
            end = LENGTH + int.from_bytes(self._unread[:LENGTH], "little")
            if len(self._unread) < end:
                return
            told, done, light = marshal.loads(self._unread[LENGTH:end])  # noqa: S302 - our own child wrote it
            self._unread = self._unread[end:]
            emit = self._bench.reporter.emit
            for kind, *values in told:
                emit(getattr(events, kind)(*values))
            blobs = (
                self._store.adopt(
                    [
                        (Digests.of_sha256(sha256), look, name, spare and Spare(*spare))
                        for _, sha256, look, spare, name, *_ in done
                    ]
                )
                if done
                else ()
            )
            for blob, (number, _, _, _, name, resource, transferred, told_of) in zip(blobs, done, strict=True):
                self._done.add(number)
                if told_of is not None:
                    self._bench.tell(resource, name, blob.size, *told_of)
                yield Carried(numbers=(number,), blobs=(blob,), transferred=transferred)
            if light:
                yield self._adopted(light)

    def _adopted(self, light: Sequence[tuple[int, tuple[int, int, int, int], float, Any]]) -> Carried:
        """What came over lanes: the number of each file, how it looks, the seconds that it took, and its spare."""
        files = [self._orders.artifact(number) for number, *_ in light]
        blobs = self._store.adopt(
            [
                (one.digests, look, one.filename, spare and _spare(one, *spare))
                for one, (_, look, _, spare) in zip(files, light, strict=True)
            ]
        )
        numbers = tuple(number for number, *_ in light)
        self._done.update(numbers)
        self._bench.tell_all((one, seconds) for one, (_, _, seconds, _) in zip(files, light, strict=True))
        return Carried(numbers=numbers, blobs=tuple(blobs), transferred=sum(blob.size for blob in blobs))


def _spare(artifact: Artifact, folder: str, dest: str, permissions: int, look: bytes) -> Spare:
    """As a child tells of it. Of what this process has in memory already, it needs no second one."""
    return Spare(folder, artifact.dest if dest == artifact.dest else dest, permissions, look)


def _wait_for(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):  # where SIGCHLD is ignored, nobody is left to wait for
        os.waitpid(pid, 0)


class _DismissedError(BaseException):
    """The parent has no use for its child any more."""


def _dismiss(_number: int, _frame: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise _DismissedError


def _be_the_child(hand: Hand, leaving: int, signals: Iterable[int]) -> None:
    """Work until nothing is left, and leave without touching the parent's business. Does not return."""
    # A terminal sends its interrupt to both. The parent decides what becomes of it, and of this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _dismiss)
    signal.pthread_sigmask(signal.SIG_SETMASK, signals)
    gc.disable()
    try:
        with Insisting(_DismissedError):
            hand.work()
    except _DismissedError:
        hand.drop()
        os._exit(1)
    os.read(leaving, 1)  # the parent has said that it uses what was stored here, or is gone
    hand.leave()
    os._exit(0)
