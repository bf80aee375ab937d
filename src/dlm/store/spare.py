"""A second file with the bytes of a body, made while they are at hand, for one tree that wants a copy: ``SpareFile``.

It lies in the store's folder for private files until somebody moves it away, and goes with the run if nobody does. A
spare is never owed: where anything keeps it from being made, whoever wants a copy copies the blob.

Those of small bodies are the tray's (``LocalTray.lay_by``); here is only what removes them: :class:`Spares`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Sequence

from dlm.model.artifact import Spare
from dlm.store.disk import write_pieces

__all__ = ["SpareFile", "Spares", "remove_private", "stage_name"]

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)

#: Characters of a private name.
_NAME = 32


def stage_name(prefix: str, folder: str) -> str:
    """How the folder is called in which the spares for one folder of a tree lie together."""
    name = hashlib.sha256(folder.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()
    return prefix + name[: _NAME - len(prefix)]


def remove_private(path: str) -> None:
    """Remove a private file, or a folder of spares. What cannot be removed stays for the next sweep."""
    try:
        os.unlink(path)
    except (IsADirectoryError, PermissionError):
        with contextlib.suppress(OSError):
            for name in os.listdir(path):
                with contextlib.suppress(OSError):
                    os.unlink(os.path.join(path, name))
            os.rmdir(path)
    except OSError:
        return


class Spares:
    """The spares of one store, and of the children that are forked with it: where they are, so that they can go.

    Attributes:
        prefix: how the names of small ones begin, which are too many to be told one by one; None before there are any.
    """

    def __init__(self) -> None:
        self._paths: list[str] = []
        self._folder = ""
        self.prefix: str | None = None

    def begin(self, folder: str) -> None:
        """There will be small ones, in that folder."""
        self._folder = folder
        self.prefix = self.prefix or os.urandom(6).hex()

    def add(self, path: str) -> None:
        """A large one will be there."""
        self._paths.append(path)

    def remove(self) -> None:
        """Remove those that nobody has moved away."""
        while self._paths:
            remove_private(self._paths.pop())
        prefix, self.prefix = self.prefix, None
        if prefix is None:
            return
        with contextlib.suppress(OSError):
            for name in os.listdir(self._folder):
                if name.startswith(prefix):
                    remove_private(os.path.join(self._folder, name))


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
        from dlm.store.space import free_space  # small ones, which are many, do without

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
        return Spare(*os.path.split(self._path), self._mode)

    def drop(self) -> None:
        """Remove the file."""
        descriptor, self.descriptor = self.descriptor, None
        if descriptor is not None:
            os.close(descriptor)
            self._unlink()

    def _unlink(self) -> None:
        with contextlib.suppress(OSError):  # the next process that is alone sweeps it away
            os.unlink(self._path)
