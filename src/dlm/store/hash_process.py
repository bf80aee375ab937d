"""A second process that hashes what this one writes, for a program whose process is dlm's own: ``HashProcess``.

As a second thread does (:mod:`dlm.store.follower`), it reads what was written, a block at a time, hashes it, and writes
it to the spare where there is one; but threads of one interpreter hand its lock to and fro for every piece that the
network brings, which costs a third of a large transfer on a fast network. One process serves all writers of a store.

It is forked, holds nothing that its parent has open but what it is sent, knows no path, and ends with its parent. What
it says is a count and digests. If it ends before its time, for whatever reason, the file is read and hashed here.
"""

from __future__ import annotations

import _socket  # the module around it costs a start more than all that is used of it
import contextlib
import gc
import itertools
import marshal
import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Literal

from dlm.model.digest import new_hash
from dlm.store.follower import BLOCK, GoneError

if TYPE_CHECKING:
    from dlm.model.digest import Hash
    from dlm.store.spare import SpareFile

__all__ = ["HashProcess", "ProcessFollower", "can_fork"]

_MESSAGE = 4096
_DESCRIPTOR = 4
#: A terminal or a service manager sends these to both; the parent decides what becomes of it, and of its child.
_PARENTS_BUSINESS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
_Order = Literal["follow", "advance", "stop"]


def can_fork() -> bool:
    """Whether a second process is of use, and can be had: a child has one thread, and may wait for ever for what
    another one holds."""
    return sys.platform == "linux" and len(os.sched_getaffinity(0)) > 1 and threading.active_count() == 1


class HashProcess:
    """The parent's side.

    Raises:
        OSError: the system gives no further process.
    """

    def __init__(self) -> None:
        self._followers: dict[int, ProcessFollower] = {}
        self._numbers = itertools.count(1)
        self.gone = False
        ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET | _socket.SOCK_CLOEXEC)
        # No interrupt shall find a child that takes itself for its parent.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _PARENTS_BUSINESS)
        try:
            pid = os.fork()
            if pid == 0:
                try:
                    ours.close()  # or it would keep its own end from coming
                    _be_the_child(theirs, before)
                finally:
                    os._exit(1)  # whatever it is, the parent sees that nothing comes any more, and does the work
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self._pid = pid
        self._socket = ours
        # Bodies may come on several threads, and a report is for whichever asks. Who waits for one holds the lock.
        self._listening = threading.Lock()

    def follow(self, descriptor: int, algorithms: Sequence[str], spare: SpareFile | None) -> ProcessFollower | None:
        """Have an open file hashed from its first byte on; None where this process serves nobody any more."""
        number = next(self._numbers)  # one step: each of many threads may come here at this moment
        follower = ProcessFollower(self, number, spare)
        sent = [descriptor] if spare is None or spare.descriptor is None else [descriptor, spare.descriptor]
        self._followers[number] = follower
        self.send(("follow", number, tuple(algorithms)), sent)
        return None if self.gone else follower

    def send(self, message: tuple[_Order, int, tuple[str, ...] | int], descriptors: Sequence[int] = ()) -> None:
        """Say something, unless nobody listens any more."""
        if self.gone:
            return
        rights = b"".join(one.to_bytes(_DESCRIPTOR, sys.byteorder) for one in descriptors)
        beside = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, rights)] if rights else []
        try:
            self._socket.sendmsg([marshal.dumps(message)], beside)
        except OSError:
            self._lose()

    def glance(self) -> None:
        """Take note of what the child has said, unless another thread does so at this moment."""
        if self._listening.acquire(blocking=False):
            try:
                self._receive(wait=False)
            finally:
                self._listening.release()

    def wait_for(self, enough: Callable[[], bool]) -> None:
        """Take note of what the child says until there is ``enough``, which raises where that will never be."""
        with self._listening:
            self._receive(wait=False)
            while not enough():
                self._receive(wait=True)

    def _receive(self, *, wait: bool) -> None:
        while not self.gone:
            try:
                data = self._socket.recv(_MESSAGE, 0 if wait else _socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._lose()
                return
            wait = False
            number, done, digests, spared = marshal.loads(data)  # noqa: S302 - our own child wrote it
            follower = self._followers.get(number)
            if follower is not None:
                follower.note(done, digests, spared)

    def forget(self, number: int) -> None:
        """Follow one of the files no longer."""
        if self._followers.pop(number, None) is not None:
            self.send(("stop", number, 0))

    def close(self) -> None:
        """End the child; what it followed is not followed any more."""
        self._lose()
        pid, self._pid = self._pid, 0
        if pid:
            with contextlib.suppress(ChildProcessError):  # where SIGCHLD is ignored, nobody is left to wait for
                os.waitpid(pid, 0)

    def _lose(self) -> None:
        self.gone = True
        self._socket.close()


class ProcessFollower:
    """Follows one open file from its first byte on; as :class:`dlm.store.follower.Follower` does."""

    def __init__(self, process: HashProcess, number: int, spare: SpareFile | None) -> None:
        self._process = process
        self._number = number
        self._spare = spare
        self._goal = 0
        self._done = 0
        self._digests = {"sha256": new_hash("sha256").hexdigest()}

    @property
    def mark(self) -> tuple[int, str]:
        """How many bytes are hashed, and their sha256."""
        self._process.glance()
        return self._done, self._digests["sha256"]

    @property
    def digests(self) -> dict[str, str]:
        """Of the bytes of :attr:`mark`, by algorithm."""
        return self._digests

    @property
    def behind(self) -> bool:
        """Whether something is still to be hashed.

        Raises:
            GoneError: nobody hashes it.
        """
        self._process.glance()
        self._need()
        return self._done < self._goal

    def advance(self, goal: int) -> None:
        """The file has ``goal`` bytes without a gap by now."""
        self._goal = goal
        self._process.send(("advance", self._number, goal))

    def catch_up(self, within: int = 0) -> None:
        """Wait until all that was told of is hashed but ``within`` bytes.

        Raises:
            GoneError: nobody hashes it.
        """
        # Said once more: an interrupt may have come between the goal and its message, or behind an answer.
        self.advance(self._goal)
        goal = self._goal - within

        def enough() -> bool:
            if self._done < goal:
                self._need()
            return self._done >= goal

        self._process.wait_for(enough)

    def stop(self) -> None:
        """Be told no more."""
        self._process.forget(self._number)

    def note(self, done: int, digests: dict[str, str], spared: int) -> None:
        """What the child says: ``done`` bytes are hashed; ``spared`` bytes are in the spare."""
        if done < 0:
            self._process.forget(self._number)
            self._number = 0
            return
        self._done, self._digests = done, digests
        if self._spare is not None:
            self._spare.written = spared

    def _need(self) -> None:
        if self._process.gone or not self._number:
            raise GoneError


class _Followed:
    """A file that the child follows."""

    def __init__(self, algorithms: Sequence[str], descriptors: Sequence[int]) -> None:
        self.descriptors = descriptors
        self.hashes: dict[str, Hash] = {name: new_hash(name) for name in algorithms}
        self.goal = self.done = self.spared = 0

    def advance(self, view: memoryview) -> None:
        """Hash one block. Raises OSError: it cannot be read."""
        count = os.preadv(self.descriptors[0], [view[: min(BLOCK, self.goal - self.done)]], self.done)
        if count == 0:
            raise OSError("it became shorter while it was written")
        data = view[:count]
        for one in self.hashes.values():
            one.update(data)
        if len(self.descriptors) > 1 and self.spared == self.done:
            # What the disk refuses ends the spare: the copy that is made in its place tells of it.
            with contextlib.suppress(OSError):
                self.spared += os.pwrite(self.descriptors[1], data, self.done)
        self.done += count

    def report(self, number: int) -> bytes:
        digests = {name: one.hexdigest() for name, one in self.hashes.items()}
        return marshal.dumps((number, self.done, digests, self.spared))

    def close(self) -> None:
        for descriptor in self.descriptors:
            os.close(descriptor)


class _Child:
    """The child at work."""

    def __init__(self, socket: _socket.socket) -> None:
        self._socket = socket
        self._files: dict[int, _Followed] = {}
        #: Of which something new is to be said.
        self._unsaid: dict[int, None] = {}

    def work(self) -> None:
        """Hash what there is to hash, one file after the other, until the parent is gone."""
        with memoryview(bytearray(BLOCK)) as view:
            while self._hear():
                for number, file in self._files.items():
                    if file.done < file.goal:
                        self._advance(number, file, view)
                        break
                self._say()

    def _advance(self, number: int, file: _Followed, view: memoryview) -> None:
        self._unsaid[number] = None
        try:
            file.advance(view)
        except OSError:
            file.done = -1  # the parent reads it itself, and tells of what is wrong
            file.goal = -1

    def _hear(self) -> bool:
        """Take what has come, and wait for more where there is nothing to do; False where the parent is gone."""
        busy = any(file.done < file.goal for file in self._files.values())
        while True:
            if not busy and self._unsaid:
                # It does not listen at this moment. One of the two will go on first.
                select.select([self._socket], [self._socket], [])
                self._say()
            try:
                data, beside, _, _ = self._socket.recvmsg(
                    _MESSAGE,
                    _socket.CMSG_SPACE(2 * _DESCRIPTOR),
                    (_socket.MSG_DONTWAIT if busy or self._unsaid else 0) | _socket.MSG_CMSG_CLOEXEC,
                )
            except BlockingIOError:
                if busy:
                    return True
                continue
            if not data:
                return False
            order, number, told = marshal.loads(data)  # noqa: S302 - our own parent wrote it
            self._obey(order, number, told, [one for _, _, rights in beside for one in _descriptors(rights)])
            busy = any(file.done < file.goal for file in self._files.values())

    def _obey(self, order: _Order, number: int, told: object, descriptors: Sequence[int]) -> None:
        if order == "follow" and isinstance(told, tuple):
            self._files[number] = _Followed(told, descriptors)
        elif order == "advance" and isinstance(told, int) and number in self._files:
            file = self._files[number]
            if file.done >= 0:
                file.goal = told
            if file.done >= told or file.done < 0:
                self._unsaid[number] = None
        elif order == "stop" and number in self._files:
            self._files.pop(number).close()
            self._unsaid.pop(number, None)

    def _say(self) -> None:
        """Tell the latest of each file; what finds no room is told later."""
        for number in list(self._unsaid):
            try:
                self._socket.send(self._files[number].report(number), _socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            del self._unsaid[number]


def _descriptors(rights: bytes) -> list[int]:
    ends = range(_DESCRIPTOR, len(rights) + 1, _DESCRIPTOR)
    return [int.from_bytes(rights[end - _DESCRIPTOR : end], sys.byteorder) for end in ends]


def _be_the_child(theirs: _socket.socket, signals: Iterable[int]) -> None:
    """Work until the parent is gone. Does not return."""
    for number in _PARENTS_BUSINESS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, signals)
    gc.disable()
    _keep_only(theirs.fileno())
    _Child(theirs).work()
    os._exit(0)


def _keep_only(descriptor: int) -> None:
    """Close all else: the parent's connections, locks and pipes are over when it says so."""
    # What the interpreter might have to say at its end shall go nowhere, and least of all into a file.
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        if standard != descriptor:
            os.dup2(nowhere, standard)
    with contextlib.suppress(FileNotFoundError):  # where there is no /proc
        for name in os.listdir("/proc/self/fd"):
            if int(name) > 2 and int(name) != descriptor:
                with contextlib.suppress(OSError):  # the one that the list was read from
                    os.close(int(name))
