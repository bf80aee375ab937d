"""When bytes are on the disk: the one place of this room that decides what is flushed, and how.

A file's data is flushed before it gets its final name, and the folder after it, so that a power cut leaves either
no name or a name with all of its bytes. A failure of either is a failure of the write.
"""

from __future__ import annotations

import errno
import os

__all__ = ["flush_file", "flush_folder"]

# Some file systems cannot flush a folder, or need not; no data depends on the answer.
_NO_FOLDER_FLUSH = {errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EROFS}


def flush_file(descriptor: int) -> None:
    """Wait until the data of an open file is on the disk. Raises OSError."""
    os.fsync(descriptor)


def flush_folder(path: str) -> None:
    """Wait until the names in a folder are on the disk. Raises OSError."""
    if os.name == "nt":  # Windows opens no folders; its renames are journaled by the file system
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FOLDER_FLUSH:
            raise
    finally:
        os.close(descriptor)
