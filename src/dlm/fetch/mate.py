"""A second process that fetches small pinned files of a round while this one does, too: ``Mate``.

A small file costs the time of a processor, not of a network, and one process uses one processor. So where thousands are
missing, the network keeps up, and there is a second processor, a child is forked that takes orders from the same round.
It has its own wire, its own claims, and a tray of its own into the same store; what it has stored it reports, and what
is out of the ordinary in any way it gives back, so that everything that needs judgement, words or an error happens in
one process alone. If it ends before its time, for whatever reason, what it did not report is done here.

The child uses what the parent had loaded and nothing that the parent has open. It leaves the index, the journal and the
user to the parent; it holds on to what it uses in the cache until the parent has said so of the same blobs.
"""

from __future__ import annotations

import gc
import marshal
import os
import signal
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from dlm.fetch.loop import Loop
from dlm.fetch.parcel import Depot, Parcel
from dlm.model.events import Fetched, Fetching
from dlm.model.transfer import Arrived, Carried

if TYPE_CHECKING:
    from dlm.fetch.loop import Limits
    from dlm.fetch.workbench import Workbench
    from dlm.model.transfer import Order, Outcome
    from dlm.ports import Backend, Orders, Store

__all__ = ["Mate"]

#: Files between two reports.
_REPORT = 32
_LENGTH = 4
_INTERRUPTS = (signal.SIGINT, signal.SIGTERM)
#: Files that the child gives back at most before it ends.
_ODD = 8
#: Too Many Requests and Service Unavailable (RFC 6585, RFC 9110): one process judges how long to wait.
_TOO_MUCH = frozenset({429, 503})


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
                    _be_the_child(_Hand(bench.quiet(limits), backend, store, orders, reporting), leaving, before)
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
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.set_blocking(self._reports, False)

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
        self._end()
        return self._orders.reclaim(self._done) > 0

    def abandon(self) -> None:
        """End the child at once."""
        os.kill(self._pid, signal.SIGKILL)
        self._end()

    def _end(self) -> None:
        self.over = True
        for descriptor in (self._reports, self._leave):
            os.close(descriptor)
        os.waitpid(self._pid, 0)

    def _read(self) -> Iterator[Carried]:
        while len(self._unread) >= _LENGTH:
            end = _LENGTH + int.from_bytes(self._unread[:_LENGTH], "little")
            if len(self._unread) < end:
                return
            done = marshal.loads(self._unread[_LENGTH:end])  # noqa: S302 - our own child wrote it
            self._unread = self._unread[end:]
            blobs = self._store.adopt([(sha256, look, name) for _, sha256, look, name, *_ in done])
            emit = self._bench.reporter.emit
            for blob, (number, _, _, name, resource, shown, seconds) in zip(blobs, done, strict=True):
                self._done.add(number)
                emit(Fetching(resource, name, shown, blob.size))
                emit(Fetched(resource, name, blob.size, seconds, blob.size, shown))
                yield Carried(number=number, blob=blob)


def _be_the_child(hand: _Hand, leaving: int, signals: Iterable[int]) -> None:
    """Work until nothing is left, and leave without touching the parent's business. Does not return."""
    # A terminal sends its interrupt to both. The parent decides what becomes of it, and of this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, signals)
    gc.disable()
    hand.work()
    os.read(leaving, 1)  # the parent has said that it uses what was stored here, or is gone
    hand.leave()
    os._exit(0)


class _Hand:
    """The child at work."""

    def __init__(self, bench: Workbench, backend: Backend, store: Store, orders: Orders, reporting: int) -> None:
        self._bench = bench
        self._backend = backend
        self._store = store
        self._orders = orders
        self._reporting = reporting
        self._looks: dict[str, tuple[int, int, int, int]] = {}
        self._under_way: dict[str, tuple[int, Parcel]] = {}
        self._done: list[tuple[object, ...]] = []
        self._odd = 0
        self._more = True

    def work(self) -> None:
        """Fetch until there is no more, and tell of all of it."""
        tray = self._store.tray(self._stored)
        if tray is not None:
            loop = Loop(self._backend.open(), self._bench.clock, self._bench.limits)
            depot = Depot(self._bench, loop, self._store, tray, self._give_back)
            while self._begin(depot) or self._under_way:
                if len(self._done) >= _REPORT:
                    self._report()
                loop.turn()
        self._report()
        os.close(self._reporting)

    def _begin(self, depot: Depot) -> bool:
        """Begin what finds room; whether there may be more."""
        while self._more and depot.loop.room:
            found = self._orders.numbered()
            if found is None:
                self._more = False
                break
            number, order = found
            key = order.artifact.digests.sha256 or ""
            if key in self._under_way or not depot.accepts(order):
                continue
            parcel = Parcel(depot, order, self._arrived)
            self._under_way[key] = (number, parcel)
            parcel.launch()
        return self._more

    def leave(self) -> None:
        """Nothing is used here any more."""
        self._store.leave()

    def _stored(self, sha256: str, look: tuple[int, int, int, int]) -> None:
        self._looks[sha256] = look

    def _arrived(self, outcome: Outcome) -> None:
        order = outcome.order
        artifact = order.artifact
        sha256 = artifact.digests.sha256 or ""
        number, _ = self._under_way.pop(sha256)
        look = self._looks.pop(sha256)
        assert isinstance(outcome, Arrived), "what fails is given back"
        self._done.append(
            (
                number,
                sha256,
                tuple(look),
                artifact.filename,
                artifact.resource,
                outcome.receipt.source,
                outcome.receipt.seconds,
            )
        )

    def _give_back(self, order: Order, status: int) -> None:
        """What is not reported is the parent's to do; and all the rest, where the server has enough or little is as
        it should be: an answer that one process cannot use is asked for twice."""
        del self._under_way[order.artifact.digests.sha256 or ""]
        self._odd += 1
        if self._odd >= _ODD or status in _TOO_MUCH:
            self._more = False

    def _report(self) -> None:
        if not self._done:
            return
        data = marshal.dumps(self._done)
        self._done = []
        rest = memoryview(len(data).to_bytes(_LENGTH, "little") + data)
        while rest:
            rest = rest[os.write(self._reporting, rest) :]
