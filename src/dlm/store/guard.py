"""Where processes meet: locks that the kernel keeps, and drops when their process dies.

Claims are byte ranges of one file, one byte for each key, at an offset that the key's sha256 gives. So there is one
lock file however many keys there are, nothing has to be unlinked (unlinking lock files is where the races live), and a
claim costs one system call. Two keys share a byte once in two thousand million; then one process waits for the other
a little longer than it must, and since claims only ever *try*, that cannot deadlock. No process id is ever written
down: a number says nothing about who is alive.

Range locks (``fcntl.lockf``) belong to a process. Two rules follow, and :class:`_Slots` keeps both. Threads of one
process are kept apart by a table in memory. Closing *any* descriptor of the file drops *all* of the process's locks on
it, so a process holds one descriptor for each lock file, shared by all stores in it, and closes it with the last user.
The file is opened without following a link and is never truncated.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
import sys
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import TracebackType

from dlm.errors import LocalError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

__all__ = ["Bundle", "Claims", "NullClaim", "RangeClaim", "hold", "holds_whole", "try_whole"]

# What a file system answers that has no locks: NFS without its lock service, some FUSE and cloud mounts.
_UNSUPPORTED = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}
_BUSY = {errno.EACCES, errno.EAGAIN, errno.EDEADLK}
_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)

# Byte 0 is held in common by every process that writes; keys have the bytes behind it. 31 bits, because the C library
# of Windows takes no larger offset.
_PRESENCE = 0
_KEYS = 2**31 - 3
#: The byte that is held in common for a moment by whoever says what it uses, and alone by whoever removes.
_GATE = _KEYS + 1


class NullClaim:
    """A claim that excludes nobody, where the file system has no locks."""

    def close(self) -> None:
        """Nothing to let go of."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.close()


class RangeClaim:
    """The right to produce what one key names, until closed or until the process dies."""

    __slots__ = ("_key", "_slots")

    def __init__(self, slots: _Slots, key: bytes) -> None:
        self._slots: _Slots | None = slots
        self._key = key

    def close(self) -> None:
        """Let go; a second time does nothing."""
        slots = self._slots
        if slots is not None:
            slots.release(self._key)  # first, so that an interrupt leaves something to close
            self._slots = None
            _give_back(slots)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.close()


class Claims:
    """The claims of one store.

    Args:
        path: the lock file; it is created on the first claim.
        on_unsupported: called once with the reason if the file system has no locks.
    """

    def __init__(self, path: str, on_unsupported: Callable[[str], None]) -> None:
        self._path = path
        self._on_unsupported = on_unsupported
        self._unsupported = False
        self._slots: _Slots | None = None
        self._finalizer: weakref.finalize[[_Slots], Claims] | None = None
        self._lock = threading.Lock()

    @property
    def unsupported(self) -> bool:
        """Whether it turned out that claims exclude nobody here; names must then be private to each writer."""
        return self._unsupported

    def claim(self, key: str) -> RangeClaim | NullClaim | None:
        """The right to produce what ``key`` names, or None while somebody else has it.

        Raises:
            OSError: the lock file cannot be opened.
        """
        return self.claim_name(hashlib.sha256(key.encode("utf-8", "surrogatepass"), usedforsecurity=False).digest())

    def claim_name(self, name: bytes, *, look: bool = True) -> RangeClaim | NullClaim | None:
        """As :meth:`claim`, for a key of which the sha256 alone is known.

        Args:
            look: whether to look first that the lock file is still the one that has its path. Who claims many keys in
                a row need not do that for each; if the cache was cleaned meanwhile, a claim excludes less, no more.

        Raises:
            OSError: the lock file cannot be opened.
        """
        if self._unsupported:
            return NullClaim()
        slots = self.borrow(look=look)
        try:
            got = slots.acquire(name)
        except OSError as error:
            _give_back(slots)
            if error.errno not in _UNSUPPORTED:
                raise
            self.refuse(error)
            return NullClaim()
        if got:
            return RangeClaim(slots, name)
        _give_back(slots)
        return None

    def enter(self, sweep: Callable[[], None]) -> None:
        """Say that this process writes; if no other does at this moment, call ``sweep`` before one can begin to.

        Where that cannot be known, ``sweep`` is not called.

        Raises:
            OSError: the lock file cannot be opened.
        """
        if self._unsupported:
            return
        slots = self.borrow()
        try:
            slots.enter(sweep)
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise
            self.refuse(error)
        finally:
            _give_back(slots)

    @contextlib.contextmanager
    def gate(self, *, alone: bool) -> Iterator[bool]:
        """Be with others who say what they use, or alone while what nobody uses is removed. Waits for the others.

        Yields:
            whether the gate holds; not where the file system has no locks.

        Raises:
            OSError: the lock file cannot be opened.
        """
        if self._unsupported:
            yield False
            return
        slots = self.borrow()
        try:
            with slots.gate(alone=alone) as held:
                yield held
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise
            self.refuse(error)
            yield False
        finally:
            _give_back(slots)

    def refuse(self, error: OSError) -> None:
        """The file system has no locks: said once, and never asked again."""
        with self._lock:
            first, self._unsupported = not self._unsupported, True
        if first:
            self._on_unsupported(os.strerror(error.errno or 0))

    def borrow(self, *, look: bool = True) -> _Slots:
        """The slots of the file that has the path now (after ``cache clean`` another than before), with a user more.

        Raises:
            OSError: it cannot be opened.
        """
        with self._lock:
            slots = self._slots
            if slots is None or not (slots.current(self._path) if look else slots.own):
                if self._finalizer is not None:
                    self._slots = None
                    self._finalizer()
                slots = self._slots = _slots_of(self._path)
                self._finalizer = weakref.finalize(self, _give_back, slots)
            with _ALL_LOCK:
                slots.users += 1
            return slots


class Bundle:
    """The rights to produce many things, taken and let go of by the dozen, all of them until closed.

    Args:
        claims: of the store. Where its file system has no locks, a bundle gets nothing, and the claims say why.
    """

    def __init__(self, claims: Claims) -> None:
        self._claims = claims
        self._slots: _Slots | None = None
        self._before: list[_Slots] = []

    def take(self, names: Sequence[bytes]) -> list[bool]:
        """Which of some keys, by their sha256, could be claimed; those are held from now on.

        Raises:
            OSError: the lock file cannot be opened.
        """
        claims = self._claims
        if claims.unsupported:
            return [False] * len(names)
        slots = claims.borrow()
        if slots is self._slots:
            _give_back(slots)  # one use of it is enough
        else:
            if self._slots is not None:
                self._before.append(self._slots)  # the cache was cleaned: there is another lock file
            self._slots = slots
        try:
            return slots.acquire_many(names, self)
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise
            claims.refuse(error)
            return [False] * len(names)

    def free(self, names: Sequence[bytes]) -> None:
        """Let go of some keys."""
        if self._slots is not None:
            self._slots.release_many(names, self)
            for slots in self._before:
                slots.release_many(names, self)

    def part(self, name: bytes) -> RangeClaim:
        """One key that is held, as a claim by itself from now on."""
        holders = [slots for slots in (self._slots, *self._before) if slots is not None and slots.owner(name) is self]
        with _ALL_LOCK:
            holders[0].users += 1
        claim = RangeClaim(holders[0], name)
        holders[0].hand_on(name)
        return claim

    def close(self) -> None:
        """Let go of everything."""
        while self._slots is not None or self._before:
            slots = self._slots or self._before[-1]
            slots.release_all(self)
            if self._slots is None:
                self._before.pop()
            self._slots = None
            _give_back(slots)


class _Slots:
    """This process's locks on one file, shared by every store that uses it."""

    def __init__(self, identity: tuple[int, int], descriptor: int) -> None:
        self.identity = identity
        self.descriptors = [descriptor]
        self.users = 1
        self._pid = os.getpid()
        self._lock = threading.Lock()
        #: The bundle that a key belongs to; None for a claim by itself.
        self._keys: dict[bytes, Bundle | None] = {}
        self._offsets: dict[int, int] = {}
        self._present = False
        self._gate = threading.Lock()

    @property
    def own(self) -> bool:
        """Whether it was this very process that opened the file; a forked child has none of its parent's locks."""
        return self._pid == os.getpid()

    def current(self, path: str) -> bool:
        if not self.own:
            return False
        try:
            found = os.lstat(path)
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == self.identity

    def acquire(self, key: bytes) -> bool:
        offset = _offset(key)
        with self._lock:
            if key in self._keys:
                return False
            if not self._offsets.get(offset) and not _try_range(self.descriptors[0], offset):
                return False
            self._keys[key] = None
            self._offsets[offset] = self._offsets.get(offset, 0) + 1
            return True

    def acquire_many(self, keys: Sequence[bytes], owner: Bundle) -> list[bool]:
        """As :meth:`acquire`, for each of some keys: for all of them, or with an OSError for none."""
        got: list[bool] = []
        with self._lock:
            descriptor, known, offsets = self.descriptors[0], self._keys, self._offsets
            try:
                for key in keys:
                    offset = _offset(key)
                    if key in known or (offset not in offsets and not _try_range(descriptor, offset)):
                        got.append(False)
                        continue
                    known[key] = owner
                    offsets[offset] = offsets.get(offset, 0) + 1
                    got.append(True)
            except OSError:
                for key, one in zip(keys, got, strict=False):
                    if one:
                        self._let_go(key)
                raise
        return got

    def release_many(self, keys: Iterable[bytes], owner: Bundle) -> None:
        """Let go of those among some keys that belong to ``owner``."""
        if not self.own:
            return
        with self._lock:
            for key in keys:
                if self._keys.get(key) is owner:
                    self._let_go(key)

    def release_all(self, owner: Bundle) -> None:
        self.release_many([key for key, one in list(self._keys.items()) if one is owner], owner)

    def owner(self, key: bytes) -> Bundle | None:
        return self._keys.get(key)

    def hand_on(self, key: bytes) -> None:
        """Let a key of a bundle be one by itself."""
        self._keys[key] = None

    def release(self, key: bytes) -> None:
        if not self.own:
            return
        with self._lock:
            if key in self._keys:
                self._let_go(key)

    def _let_go(self, key: bytes) -> None:
        """Of a key that is held; under the lock."""
        offset = _offset(key)
        del self._keys[key]
        left = self._offsets.get(offset, 0) - 1
        if left > 0:
            self._offsets[offset] = left
            return
        self._offsets.pop(offset, None)
        _free_range(self.descriptors[0], offset)

    def enter(self, sweep: Callable[[], None]) -> None:
        with self._lock:
            if not self._present:
                self._present = True
                _enter(self.descriptors[0], sweep)

    @contextlib.contextmanager
    def gate(self, *, alone: bool) -> Iterator[bool]:
        # One thread at a time: the lock belongs to the process, and the first thread to leave would open the gate.
        with self._gate:
            _wait_range(self.descriptors[0], _GATE, alone=alone)
            try:
                yield True
            finally:
                _free_range(self.descriptors[0], _GATE)


def _offset(key: bytes) -> int:
    return 1 + int.from_bytes(key[:4], "big") % _KEYS


# All lock files of this process by (device, inode). Reentrant, since a store may be collected, and give its slots
# back, at any allocation made while the lock is held.
_ALL: dict[tuple[int, int], _Slots] = {}
_ALL_LOCK = threading.RLock()


def _forget_parent() -> None:
    """In a forked child: the descriptors are the parent's, the locks are not there, and any lock may be held."""
    global _ALL_LOCK  # noqa: PLW0603 - the only way to replace a lock that another thread may have held
    _ALL_LOCK = threading.RLock()
    _ALL.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parent)


def _slots_of(path: str) -> _Slots:
    """The slots of the file ``path``, with one user more."""
    with _ALL_LOCK:
        with contextlib.suppress(FileNotFoundError):
            # Looked up by name first: to open the file once more and close it would drop every lock on it.
            found = os.lstat(path)
            known = _ALL.get((found.st_dev, found.st_ino))
            if known is not None and _lend(known):
                return known
        descriptor = _open_lock(path)
        opened = os.fstat(descriptor)
        identity = (opened.st_dev, opened.st_ino)
        slots = _ALL.get(identity)
        if slots is not None and _lend(slots):
            slots.descriptors.append(descriptor)
        else:
            slots = _ALL[identity] = _Slots(identity, descriptor)
        return slots


def _lend(slots: _Slots) -> bool:
    """Count one user more, under the lock; False if the last one left since the slots were found.

    The lock does not keep that out: the last user may be a store that is collected in this very thread, at any
    allocation between finding and counting.
    """
    slots.users += 1
    if slots.descriptors:
        return True
    slots.users -= 1
    return False


def _give_back(slots: _Slots) -> None:
    with _ALL_LOCK:
        slots.users -= 1
        if slots.users > 0 or not slots.own:
            return
        if _ALL.get(slots.identity) is slots:
            del _ALL[slots.identity]
        for descriptor in slots.descriptors:
            with contextlib.suppress(OSError):  # nothing was written to it
                os.close(descriptor)
        slots.descriptors.clear()


def _open_lock(path: str) -> int:
    descriptor = os.open(path, _FLAGS, 0o644)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "a lock file must be a plain file", path)
    return descriptor


def try_whole(descriptor: int) -> bool:
    """Lock a whole open file until it is closed; False while somebody else holds it. Raises OSError."""
    return _try_whole(descriptor)


def holds_whole(descriptor: int) -> bool:
    """Whether somebody holds the whole of an open file; also where that cannot be known."""
    try:
        if not _try_whole(descriptor):
            return True
        _free_whole(descriptor)
    except OSError:
        return True
    return False


@contextlib.contextmanager
def hold(
    path: str,
    on_wait: Callable[[], None],
    on_unsupported: Callable[[str], None] | None = None,
) -> Iterator[None]:
    """Hold the file ``path`` against all other processes and threads while the body runs.

    Folders above it are created. The file stays behind, empty.

    Args:
        on_wait: called once if somebody else holds it, before waiting for them.
        on_unsupported: called with the reason if the file system has no locks; the body then runs without.

    Raises:
        LocalError: the file cannot be opened, or is a link.
    """
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        descriptor = _open_lock(path)
    except OSError as error:
        raise LocalError(
            f"cannot open the lock file {path}: {error.strerror}", hint="check the permissions of its folder"
        ) from error
    try:
        try:
            if not _try_whole(descriptor):
                on_wait()
                _wait_whole(descriptor)
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise LocalError(f"cannot lock {path}: {error.strerror}") from error
            if on_unsupported is not None:
                on_unsupported(os.strerror(error.errno or 0))
        yield
    finally:
        os.close(descriptor)


if sys.platform == "win32":
    import msvcrt

    def _try_range(descriptor: int, offset: int) -> bool:
        os.lseek(descriptor, offset, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            if error.errno in _BUSY:
                return False
            raise
        return True

    def _free_range(descriptor: int, offset: int) -> None:
        os.lseek(descriptor, offset, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

    def _wait_range(descriptor: int, offset: int, *, alone: bool) -> None:
        """Locks are not shared in this interface; each is short, so everybody waits for everybody."""
        while not _try_range(descriptor, offset):
            with contextlib.suppress(OSError):
                os.lseek(descriptor, offset, os.SEEK_SET)
                msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)
                return

    def _enter(descriptor: int, sweep: Callable[[], None]) -> None:
        """Locks are not shared in this interface, so nobody can know that they are alone."""

    def _try_whole(descriptor: int) -> bool:
        return _try_range(descriptor, 0)

    def _free_whole(descriptor: int) -> None:
        _free_range(descriptor, 0)

    def _wait_whole(descriptor: int) -> None:
        while True:
            os.lseek(descriptor, 0, os.SEEK_SET)
            try:
                msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)  # waits ten seconds, then gives up
            except OSError as error:
                if error.errno not in _BUSY:
                    raise
            else:
                return

else:
    import fcntl

    def _try_range(descriptor: int, offset: int) -> bool:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, offset, os.SEEK_SET)
        except OSError as error:
            if error.errno in _BUSY:
                return False
            raise
        return True

    def _free_range(descriptor: int, offset: int) -> None:
        fcntl.lockf(descriptor, fcntl.LOCK_UN, 1, offset, os.SEEK_SET)

    def _wait_range(descriptor: int, offset: int, *, alone: bool) -> None:
        kind = fcntl.LOCK_EX if alone else fcntl.LOCK_SH
        fcntl.lockf(descriptor, kind, 1, offset, os.SEEK_SET)

    def _enter(descriptor: int, sweep: Callable[[], None]) -> None:
        try:
            if _try_range(descriptor, _PRESENCE):
                sweep()
        finally:
            # Turned from exclusive into common without a gap; or taken, after the moment that a sweep lasts.
            fcntl.lockf(descriptor, fcntl.LOCK_SH, 1, _PRESENCE, os.SEEK_SET)

    def _try_whole(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _BUSY:
                return False
            raise
        return True

    def _free_whole(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)

    def _wait_whole(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
