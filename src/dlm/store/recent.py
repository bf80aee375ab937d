"""Rows of the index that came lately, in a file that is only appended to: ``RecentRows``.

A run that stores ten thousand blobs has as many rows to write, and nobody asks for most of them for a long time. A
database puts each of them in its place; here all that were flushed together are one record, written by one call and
sealed as one, for a tenth of the time and without loading sqlite. When it has grown, the index takes its rows over.

As of the rest of the index, nothing of it is needed and little is believed: a record counts if its seal is right,
whatever stands before and behind it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import struct
from collections.abc import Collection, Iterator, Sequence
from itertools import accumulate

__all__ = ["RecentRows", "Row"]

#: How a blob's file looked (size, mtime and ctime in nanoseconds, inode), its name for people, and when it was used.
Row = tuple[tuple[int, int, int, int], str, float]

_MAGIC = b"dlm rows"
#: Magic, number of rows, bytes of all names, and the seal of what follows.
_HEAD = struct.Struct("<8sII16s")
#: sha256, size, mtime, ctime, inode, last use, bytes of the name.
_ROW = struct.Struct("<32sqqqQdH")
#: Bytes from which on it is time to take the rows over, and records.
_LARGE, _MANY = 2 * 1024 * 1024, 200
#: Rows that are asked for together, from which on all are looked at.
_TOGETHER = 32
_APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
_READ = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_BINARY = getattr(os, "O_BINARY", 0)


class RecentRows:
    """One such file, for any number of processes. No method raises for anything that is wrong with it.

    Args:
        path: the file; it is made by the first rows.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._look: tuple[int, int, int] | None = None
        self._data = b""
        self._size = 0
        #: Where the rows of each record begin, how many there are, and where their names begin.
        self._records: list[tuple[int, int, int]] = []

    @property
    def is_large(self) -> bool:
        """Whether its rows had better be taken over, as far as this process has seen it."""
        return self._size > _LARGE or len(self._records) > _MANY

    def append(self, rows: Sequence[tuple[str, Row]]) -> bool:
        """Whether rows were written: the sha256 of each blob, and what is known of it."""
        try:
            names = [name.encode("utf-8", "surrogatepass") for _, (_, name, _) in rows]
            pack = _ROW.pack
            body = b"".join([
                *(
                    pack(bytes.fromhex(sha256), size, mtime_ns, ctime_ns, inode, used, len(name))
                    for (sha256, ((size, mtime_ns, ctime_ns, inode), _, used)), name in zip(rows, names, strict=True)
                ),
                *names,
            ])  # fmt: skip
            record = _HEAD.pack(_MAGIC, len(rows), sum(map(len, names)), _seal(body)) + body
            descriptor = os.open(self._path, _APPEND | _BINARY, 0o644)
        except (OSError, ValueError, struct.error):
            return False
        try:
            written = os.write(descriptor, record)
            self._size = os.fstat(descriptor).st_size
            return written == len(record)
        except OSError:
            return False
        finally:
            os.close(descriptor)

    def find(self, names: Collection[str]) -> dict[str, Row]:
        """What it says of some blobs, by sha256."""
        self._load()
        if not self._records:
            return {}
        if len(names) >= _TOGETHER:
            wanted = names if isinstance(names, set | frozenset | dict) else frozenset(names)
            return {sha256: row for sha256, row in self._rows() if sha256 in wanted}
        found: dict[str, Row] = {}
        for sha256 in names:
            row = self._one(sha256)
            if row is not None:
                found[sha256] = row
        return found

    def all(self) -> dict[str, Row]:
        """All that it says, by sha256."""
        self._load()
        return dict(self._rows())

    def remove(self) -> None:
        """Remove the file whose rows :meth:`all` has given, unless more have come."""
        with contextlib.suppress(OSError):
            if self._look is not None and self._look == _look(os.lstat(self._path)):
                os.unlink(self._path)

    def _one(self, sha256: str) -> Row | None:
        digest = bytes.fromhex(sha256)
        # The last word counts.
        for start, _, names in reversed(self._records):
            at = names
            while (at := self._data.rfind(digest, start, at)) >= 0:
                if (at - start) % _ROW.size == 0:
                    _, size, mtime_ns, ctime_ns, inode, used, length = _ROW.unpack_from(self._data, at)
                    rows = _ROW.iter_unpack(self._data[start:at])
                    begin = names + sum(row[6] for row in rows)
                    return (size, mtime_ns, ctime_ns, inode), self._name(begin, length), used
                at += len(digest) - 1
        return None

    def _rows(self) -> Iterator[tuple[str, Row]]:
        for start, count, names in self._records:
            rows = list(_ROW.iter_unpack(self._data[start : start + count * _ROW.size]))
            begins = accumulate((row[6] for row in rows), initial=names)
            for (digest, size, mtime_ns, ctime_ns, inode, used, length), begin in zip(rows, begins, strict=False):
                yield digest.hex(), ((size, mtime_ns, ctime_ns, inode), self._name(begin, length), used)

    def _name(self, begin: int, length: int) -> str:
        return self._data[begin : begin + length].decode("utf-8", "replace")

    def _load(self) -> None:
        """Read what is there now, if it is not what was read before."""
        try:
            found = os.lstat(self._path)
            if _look(found) == self._look:
                return
            self._forget()
            descriptor = os.open(self._path, _READ | _BINARY)
            with open(descriptor, "rb", buffering=0) as file:
                self._look = _look(os.fstat(descriptor))
                self._data = file.readall()
                self._size = len(self._data)
        except (OSError, ValueError):
            self._forget()
            return
        self._records = list(_records(self._data))

    def _forget(self) -> None:
        self._look, self._data, self._size, self._records = None, b"", 0, []


def _look(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_ino, found.st_size, found.st_mtime_ns


def _records(data: bytes) -> Iterator[tuple[int, int, int]]:
    """The records whose seals are right; whoever was killed or ran out of disk may have left part of one."""
    at = data.find(_MAGIC)
    while at >= 0 and at + _HEAD.size <= len(data):
        _, count, length, seal = _HEAD.unpack_from(data, at)
        start = at + _HEAD.size
        names = start + count * _ROW.size
        end = names + length
        if end <= len(data) and _seal(data[start:end]) == seal:
            yield start, count, names
            at = data.find(_MAGIC, end)
        else:
            at = data.find(_MAGIC, at + 1)


def _seal(body: bytes) -> bytes:
    return hashlib.sha256(body, usedforsecurity=False).digest()[:16]
