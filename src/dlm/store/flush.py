"""When bytes are on the disk: the one place of this room that decides what is flushed, and how.

A blob gets its name when its bytes are checked, and is flushed later, together with others: one request to the file
system for a thousand files costs a fraction of a thousand requests. Until then nothing relies on it: that a blob is
known to be good is written into the index after the flush alone, and a blob that the index does not vouch for is
hashed before it is used. So a power cut leaves names with bytes that are right, or that are found to be wrong.

Large blobs are flushed one by one when they are complete: that costs no more, and the disk works while others arrive.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterable

__all__ = ["flush_file", "flush_files", "flushes_at_once"]

# Some file systems cannot flush a folder, or need not; no data depends on the answer.
_NO_FOLDER_FLUSH = {errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EROFS}
#: From this size on a file takes longer to write than to ask for.
_LARGE = 8 * 1024 * 1024
#: Up to so many files are flushed one by one: asking the whole file system makes dlm wait for other people's files.
_FEW = 16
_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
_FILE = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


def flushes_at_once(size: int) -> bool:
    """Whether a file of that many bytes is flushed before it gets its name."""
    # Windows flushes a file only through a descriptor that may write to it, and a blob has none any more.
    return size >= _LARGE or os.name == "nt"


def flush_file(descriptor: int) -> None:
    """Wait until the data of an open file is on the disk. Raises OSError."""
    os.fsync(descriptor)


def flush_files(paths: Iterable[str], folders: Iterable[str]) -> dict[str, OSError]:
    """Wait until files, and the names in folders, are on the disk.

    Args:
        paths: files; one that is gone needs no flush.
        folders: likewise.

    Returns:
        what could not be flushed, and why.
    """
    files, above = list(paths), list(dict.fromkeys(folders))
    if len(files) > _FEW and sys.platform == "linux":
        try:
            _flush_systems(above)
        except OSError:
            pass  # whose file it was is found out one by one; it may be somebody else's
        else:
            return {}
    failed: dict[str, OSError] = {}
    for path, flags in [*((one, _FILE) for one in files), *((one, _FOLDER) for one in above)]:
        if flags == _FOLDER and os.name == "nt":
            continue  # Windows opens no folders; its renames are journaled by the file system
        try:
            _flush_path(path, flags)
        except FileNotFoundError:
            continue
        except OSError as error:
            failed[path] = error
    return failed


def _flush_path(path: str, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if flags != _FOLDER or error.errno not in _NO_FOLDER_FLUSH:
            raise
    finally:
        os.close(descriptor)


def _flush_systems(folders: Iterable[str]) -> None:
    """Ask each file system that the folders lie on, once."""
    import ctypes  # costs time to import, and only many files need it

    library = ctypes.CDLL(None, use_errno=True)
    done: set[int] = set()
    for folder in folders:
        try:
            device = os.stat(folder).st_dev
            if device in done:
                continue
            descriptor = os.open(folder, _FOLDER)
        except FileNotFoundError:
            continue
        try:
            if library.syncfs(descriptor) != 0:
                code = ctypes.get_errno()
                raise OSError(code, os.strerror(code), folder)
        finally:
            os.close(descriptor)
        done.add(device)
