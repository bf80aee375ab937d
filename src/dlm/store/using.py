"""Which blobs running processes use, so that pruning leaves them: ``Uses`` says it, :func:`in_use` hears it.

Each process that uses a cache has a file below ``using/`` that it holds locked for as long as it lives, with the sha256
(32 bytes) of every blob that it asked for. A blob is named there before anybody looks whether its file is there, and
both the naming and the pruning pass one gate (``Claims.gate``): so a blob is either named before pruning looks, or is
seen as gone by whoever names it. A file that nobody holds belongs to a process that has ended.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator

from dlm.store.guard import holds_whole, try_whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dlm.store.guard import Claims

__all__ = ["Uses", "in_use"]

_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


class Uses:
    """What this process uses of one cache.

    Args:
        folder: ``using/``.
        claims: of that cache.
    """

    def __init__(self, folder: str, claims: Claims) -> None:
        self._folder = folder
        self._claims = claims
        self._said: set[str] = set()
        self._descriptor: int | None = None
        self._path = ""
        self._pid = 0
        self._lock = threading.Lock()

    def said(self, sha256: str) -> bool:
        """Whether this process has said so of a blob."""
        return sha256 in self._said and self._pid == os.getpid()

    def say(self, *names: str) -> None:
        """Say that blobs are used from now on, each by its sha256. Raises OSError."""
        with self._lock:
            if self._pid != os.getpid():
                # A child says for itself what it uses; the descriptor and its lock are the parent's.
                self._said, self._descriptor, self._pid = set(), None, os.getpid()
            unsaid = [name for name in names if name not in self._said]
            if not unsaid:
                return
            with self._claims.gate(alone=False):
                if self._descriptor is None:
                    self._open()
                assert self._descriptor is not None
                os.write(self._descriptor, bytes.fromhex("".join(unsaid)))
            self._said.update(unsaid)

    def close(self) -> None:
        """Nothing is used any more."""
        with self._lock:
            self._said.clear()
            descriptor, self._descriptor = self._descriptor, None
            if descriptor is None or self._pid != os.getpid():
                return
            with contextlib.suppress(OSError):
                os.unlink(self._path)
            os.close(descriptor)

    def _open(self) -> None:
        path = os.path.join(self._folder, os.urandom(16).hex())
        descriptor = os.open(path, _NEW, 0o644)
        try:
            try_whole(descriptor)
        except OSError:
            os.close(descriptor)
            os.unlink(path)
            raise
        self._descriptor, self._path = descriptor, path


def in_use(folder: str, *, sweep: bool) -> Iterator[str]:
    """The sha256 of every blob that a running process uses; the caller has the gate alone.

    Args:
        folder: ``using/``.
        sweep: remove what ended processes left.

    Raises:
        OSError: one cannot be read, so that what its process uses is not known.
    """
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        try:
            descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0))
        except FileNotFoundError:
            continue
        try:
            if not holds_whole(descriptor):
                if sweep:
                    with contextlib.suppress(OSError):
                        os.unlink(path)
                continue
            with open(descriptor, "rb", closefd=False) as file:
                while len(name_of := file.read(32)) == 32:
                    yield name_of.hex()
        finally:
            os.close(descriptor)
