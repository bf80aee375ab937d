"""When placed files are on the disk: all data before the first rename, all names before the state says so.

A few files are flushed one by one. For many that would take longer than all the rest together, so there the system is
asked once for each file system that they lie on, where it can be asked that (Linux).
"""

from __future__ import annotations

import errno
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dlm.place.tree import Folder

__all__ = ["FEW", "Flush"]

FEW = 16
"""Files up to which each is flushed by itself."""
_NO_FOLDER_FLUSH = {errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EROFS}


class Flush:
    """The flushes of one run.

    Args:
        count: how many files there will be.
    """

    def __init__(self, count: int) -> None:
        #: Whether whole file systems are flushed at once.
        self.together = count > FEW and sys.platform == "linux"
        self._systems: dict[int, int] = {}
        self._folders: set[str] = set()

    def file(self, descriptor: int, device: int | None = None) -> None:
        """The data of an open file shall be on the disk after :meth:`data`. Raises OSError.

        Args:
            device: the file system that it lies on, where that is known already.
        """
        if self.together:
            if device is None or device not in self._systems:
                self._later(descriptor)
        else:
            os.fsync(descriptor)

    def folder(self, folder: Folder) -> None:
        """As :meth:`file`, for what another process has written to a folder; only of many files. Raises OSError."""
        if folder.path not in self._folders and folder.descriptor is not None:
            self._folders.add(folder.path)
            self._later(folder.descriptor)

    def data(self) -> None:
        """Wait for the data of all files. Raises OSError."""
        for descriptor in self._systems.values():
            _flush_system(descriptor)

    def names(self, folder: Folder) -> None:
        """The names in a folder shall be on the disk after :meth:`close`. Raises OSError."""
        if folder.descriptor is None:
            return
        if self.together:
            self._later(folder.descriptor)
            return
        try:
            os.fsync(folder.descriptor)
        except OSError as error:
            if error.errno not in _NO_FOLDER_FLUSH:
                raise

    def _later(self, descriptor: int) -> None:
        device = os.fstat(descriptor).st_dev
        if device not in self._systems:
            self._systems[device] = os.dup(descriptor)

    def close(self) -> None:
        """Wait for what is left, and let go. Raises OSError."""
        try:
            self.data()
        finally:
            self.drop()

    def drop(self) -> None:
        """Let go without waiting."""
        for descriptor in self._systems.values():
            os.close(descriptor)
        self._systems.clear()


def _flush_system(descriptor: int) -> None:
    import ctypes  # costs time to import, and only many files need it

    if ctypes.CDLL(None, use_errno=True).syncfs(descriptor) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
