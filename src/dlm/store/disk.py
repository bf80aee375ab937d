"""What every part of the store does with a disk: reads and writes all of something, and says what it refuses."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence

from dlm.errors import TOO_MANY_OPEN, LocalError

__all__ = ["BACK_NS", "BLOCK", "disk_error", "read_at", "write_all", "write_pieces"]

BLOCK = 1024 * 1024
"""Bytes that are collected before they go to the disk, and read at once."""
BACK_NS = 10_000_000_000
"""How far a blob's mtime lies back. Whoever writes to the blob later, however soon and however coarse the file system's
clock, leaves a different one."""
_MOST_PIECES = 512  # systems take at least 1,024 at once on Linux and macOS
_HINTS = {
    errno.ENOSPC: "make room on the disk (`dlm cache clean` empties the cache), or set DLM_CACHE_DIR to another disk",
    errno.EDQUOT: "make room in your quota (`dlm cache clean` empties the cache), or set DLM_CACHE_DIR elsewhere",
    errno.EFBIG: "the file is larger than this system allows; set DLM_CACHE_DIR to another file system",
    errno.EIO: "check the disk, or set DLM_CACHE_DIR to another one",
    errno.EMFILE: TOO_MANY_OPEN,
    errno.ENFILE: TOO_MANY_OPEN,
}
_OTHER_HINT = "check the permissions of the cache folder, or set DLM_CACHE_DIR to a folder that you can write"


def disk_error(operation: str, path: str, error: OSError) -> LocalError:
    """The error for a failed operation on a file of the cache: operation, path, reason and what to try."""
    reason = error.strerror or str(error)
    hint = _HINTS.get(error.errno or 0, _OTHER_HINT)
    return LocalError(f"cannot {operation} {path}: {reason}", hint=hint)


def write_pieces(descriptor: int, pieces: Sequence[bytes], at: int) -> None:
    """Write pieces that follow one another at byte ``at`` of an open file. Raises OSError."""
    written = 0
    if hasattr(os, "pwritev") and 1 < len(pieces) <= _MOST_PIECES:
        written = os.pwritev(descriptor, pieces, at)
        if written == sum(map(len, pieces)):
            return
    data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
    write_all(descriptor, data[written:], at + written)


def write_all(descriptor: int, data: bytes, at: int) -> None:
    """Write all of ``data`` at byte ``at`` of an open file. Raises OSError."""
    rest = memoryview(data)
    while rest:
        count = _write_at(descriptor, rest, at)
        rest, at = rest[count:], at + count


def _write_at(descriptor: int, data: memoryview, at: int) -> int:
    if hasattr(os, "pwrite"):
        return os.pwrite(descriptor, data, at)
    os.lseek(descriptor, at, os.SEEK_SET)
    return os.write(descriptor, data)


def read_at(descriptor: int, size: int, at: int) -> bytes:
    """Up to ``size`` bytes at byte ``at`` of an open file. Raises OSError."""
    if hasattr(os, "pread"):
        return os.pread(descriptor, size, at)
    os.lseek(descriptor, at, os.SEEK_SET)
    return os.read(descriptor, size)
