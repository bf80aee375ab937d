"""A second file with the bytes of a large body, made while they arrive, for one tree that wants a copy: ``SpareFile``.

It lies in the store's folder for private files until somebody moves it away, and goes with the run if nobody does. A
spare is never owed: where anything keeps it from being made, whoever wants a copy copies the blob.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence

from dlm.model.artifact import Spare
from dlm.store.disk import write_pieces
from dlm.store.space import free_space

__all__ = ["SpareFile"]

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)


class SpareFile:
    """One spare; written by one thread or process, and finished with by another when that has ended.

    Args:
        path: where nothing is yet.
        mode: permissions of the file, of which the umask takes its part.
        size: bytes of the whole body.

    Attributes:
        descriptor: of the file, as long as it is open.
        written: how many of its bytes are there.
    """

    def __init__(self, path: str, mode: int, size: int) -> None:
        self._path = path
        self._mode = mode
        self._size = size
        self.written = 0
        self.descriptor: int | None = None
        with contextlib.suppress(OSError):
            # The body itself comes first: a spare takes only room that is left by it.
            if free_space(os.path.dirname(path)) > 3 * size:
                self.descriptor = os.open(path, _NEW, mode)

    def write(self, data: memoryview, at: int) -> None:
        """Take the next piece. What the disk refuses, or what does not follow the piece before, ends the spare."""
        descriptor = self.descriptor
        if descriptor is None:
            return
        try:
            if at == self.written and os.pwrite(descriptor, data, at) == len(data):
                self.written += len(data)
                return
        except OSError:
            pass  # a full disk, or a quota: the copy that is made in its place tells of it
        self.drop()

    def write_pieces(self, pieces: Sequence[bytes], size: int, at: int) -> None:
        """As :meth:`write`, of ``size`` bytes in pieces that follow one another."""
        descriptor = self.descriptor
        if descriptor is None:
            return
        try:
            if at == self.written:
                write_pieces(descriptor, pieces, at)
                self.written += size
                return
        except OSError:
            pass  # as above
        self.drop()

    def finish(self) -> Spare | None:
        """No more comes; None where the file does not hold the whole body."""
        if self.written < self._size:
            self.drop()
        descriptor, self.descriptor = self.descriptor, None
        if descriptor is None:
            return None
        os.close(descriptor)
        return Spare(self._path, self._mode)

    def drop(self) -> None:
        """Remove the file."""
        descriptor, self.descriptor = self.descriptor, None
        if descriptor is not None:
            os.close(descriptor)
            self._unlink()

    def _unlink(self) -> None:
        with contextlib.suppress(OSError):  # the next process that is alone sweeps it away
            os.unlink(self._path)
