"""What the store remembers beside its files, in sqlite: how each blob's file looked when it was last known good.

Nothing here is needed and little is believed: a digest, for as long as the blob's file has the stat signature it had
when it was hashed. Rows are written after their blobs are on the disk, never before (``LocalStore.settle``): a row
outlives a power cut that its blob does not. Every row carries a seal over its fields, so that a page that was scribbled
on is no row. Whatever sqlite says is wrong with the file (damaged, not a
database, of another schema) sets it aside, and an empty one takes its place; a file that is locked for too long or
cannot be written is left alone and done without.

The journal is sqlite's ordinary rollback journal: a write-ahead log needs shared memory, which network file systems
lack, and a folder that readers may write, which a read-only cache is not. Nothing is flushed to the disk for the
index: a lost row costs reading the blob once more.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from functools import partial

from dlm.model.digest import Digests, checked_sha256
from dlm.model.frozen import dataclass, field, replace
from dlm.store.recent import RecentRows

TYPE_CHECKING = False
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection, Sequence
    from typing import Any, Self, TypeVar

    from dlm.ports import Clock
    from dlm.store.recent import Row

    T = TypeVar("T")

__all__ = ["BlobRow", "Index", "Look", "Signature"]

_SCHEMA = 4
_TABLES = """
CREATE TABLE IF NOT EXISTS blobs (
    sha256 TEXT PRIMARY KEY, size INTEGER, mtime_ns INTEGER, ctime_ns INTEGER, inode TEXT, digests TEXT,
    name TEXT, used REAL, seal TEXT
) WITHOUT ROWID;
"""
_BUSY_SECONDS = 5.0
#: Rows that are asked for at once; sqlite allows 999 values in its oldest builds.
_AT_ONCE = 500
_MOVED = 1032  # SQLITE_READONLY_DBMOVED, which the module names only from Python 3.11 on some builds
#: Reading a blob is noted at most this often, so that a run that only reads writes next to nothing.
_USED_STEP = 3600.0

#: The values of a :class:`Signature`, of which a run may have very many.
Look = tuple[int, int, int, int]


class Signature(tuple[int, int, int, int]):
    """What ``stat`` says of a file: size, mtime and ctime in nanoseconds, inode. While it says the same, the file was
    not written to.

    ctime is part of it because mtime can be set back, ctime not.
    """

    # A named tuple by hand: to have one made takes as long as to load five modules.
    __slots__ = ()

    def __new__(cls, size: int, mtime_ns: int, ctime_ns: int, inode: int) -> Self:
        """Its values in this order."""
        return tuple.__new__(cls, (size, mtime_ns, ctime_ns, inode))

    @property
    def size(self) -> int:
        """In bytes."""
        return self[0]

    @property
    def ctime_ns(self) -> int:
        """Of the last change, in nanoseconds since the epoch."""
        return self[2]

    @classmethod
    def of(cls, found: os.stat_result) -> Signature:
        """The signature of a stat result."""
        return cls(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobRow:
    """A blob as it was when it was last hashed.

    Attributes:
        digests: all that were computed, a sha256 always.
        signature: of its file then.
        name: how people know it, ``""`` where nobody said.
        used: when it was last asked for, seconds since the epoch.
    """

    digests: Digests
    signature: Signature
    name: str = ""
    used: float = 0.0

    @property
    def sha256(self) -> str:
        """The name of the blob."""
        value = self.digests.sha256
        if value is None:
            raise ValueError("a blob has a sha256")
        return value


@dataclass(slots=True)
class _State:
    """The connection, and what waits to be written; all of it under the lock."""

    connection: sqlite3.Connection | None = None
    pid: int = 0
    writable: bool = True
    #: Rows of blobs that came a moment ago, and that hardly anybody asks for before they are written.
    young: dict[str, tuple[Look, str, float]] = field(default_factory=dict)
    pending: dict[str, BlobRow] = field(default_factory=dict)
    checked: dict[str, BlobRow] = field(default_factory=dict)


class Index:
    """The index of one store, for any number of threads and processes.

    No method raises for anything that is wrong with the file.

    Args:
        path: the database.
        recent: a file for the rows of many blobs that come at once, see :mod:`dlm.store.recent`; None for none.
    """

    def __init__(self, path: str, clock: Clock, recent: str | None = None) -> None:
        self._path = path
        self._recent = None if recent is None else RecentRows(recent)
        self._clock = clock
        self._lock = threading.RLock()
        self._state = _State()

    def blob(self, sha256: str) -> BlobRow | None:
        """What was recorded for a blob, or None."""
        with self._lock:
            row = self._state.checked.get(sha256) or self._state.pending.get(sha256) or self._grown(sha256)
            if row is not None:
                return row
            row = self._try(lambda connection: _read_blob(connection, sha256), write=False)
            row = _newer(row, self._recently((sha256,)).get(sha256))
            if row is not None:
                self._state.checked[sha256] = row
            return row

    def recall(self, names: Iterable[str]) -> None:
        """Read what is recorded for many blobs together; :meth:`blob` has it then."""
        with self._lock:
            state = self._state
            known = (state.checked, state.pending, state.young)
            unknown = [name for name in names if not any(name in rows for rows in known)]
            rows = self._recently(frozenset(unknown))
            for row in self._some(unknown):
                rows[row.sha256] = _newer(row, rows.get(row.sha256)) or row
            state.checked.update(rows)

    def fresh(self, sha256: str) -> BlobRow | None:
        """As :meth:`blob`, past what this process remembers: another one may have recorded more."""
        with self._lock:
            self._state.checked.pop(sha256, None)
            return self.blob(sha256)

    def set_blob(self, row: BlobRow) -> None:
        """Record a blob that was just hashed; it is written by :meth:`flush`, which comes after the blob's own."""
        with self._lock:
            self._note(row if row.used else replace(row, used=self._clock.time()))

    def set_new(self, sha256: str, signature: Signature, name: str) -> None:
        """As :meth:`set_blob`, for one of many blobs that came just now, of which no other digest is known."""
        with self._lock:
            self._state.young[sha256] = (signature, name, self._clock.time())

    def set_all(self, blobs: Iterable[tuple[str, Look, str]]) -> None:
        """As :meth:`set_new`, for many."""
        with self._lock:
            now = self._clock.time()
            self._state.young.update({sha256: (signature, name, now) for sha256, signature, name in blobs})

    def write_blob(self, row: BlobRow) -> None:
        """Write the row of a blob that is on the disk already."""
        with self._lock:
            row = replace(row, used=self._clock.time())
            self._state.checked[row.sha256] = row
            self._state.pending.pop(row.sha256, None)
            self._state.young.pop(row.sha256, None)
            self._insert([_blob_values(row)])

    def prepare(self) -> None:
        """Open the database, or make it: rows for it will come."""
        with self._lock:
            self._try(lambda connection: None)

    def use(self, row: BlobRow) -> None:
        """Note that a blob was asked for."""
        now = self._clock.time()
        if abs(now - row.used) >= _USED_STEP:
            with self._lock:
                self._note(replace(row, used=now))

    def forget(self, sha256: str) -> None:
        """Drop a blob's row."""
        with self._lock:
            self._state.checked.pop(sha256, None)
            self._state.pending.pop(sha256, None)
            self._state.young.pop(sha256, None)
            if self._recently((sha256,)):
                self._take_over()
            if os.path.lexists(self._path):
                self._try(lambda connection: _write(connection, "DELETE FROM blobs WHERE sha256 = ?", [(sha256,)]))

    def name(self, sha256: str, name: str) -> None:
        """Note the name by which people know a blob; the first one stays."""
        with self._lock:
            row = self.blob(sha256)
            if row is not None and name and not row.name:
                self._note(replace(row, name=name))

    def rows(self) -> Mapping[str, BlobRow]:
        """All blobs that the index knows, by sha256."""
        with self._lock:
            for sha256 in tuple(self._state.young):
                self._grown(sha256)
            rows = self._recently(None)
            for row in self._try(lambda connection: list(_read_blobs(connection)), write=False) or []:
                rows[row.sha256] = _newer(row, rows.get(row.sha256)) or row
            return rows | self._state.pending

    def waiting(self) -> tuple[str, ...]:
        """The sha256 of each row that waits to be written."""
        with self._lock:
            return (*self._state.pending, *self._state.young)

    def flush(self, only: Iterable[str]) -> None:
        """Write the rows of these blobs, as far as they wait."""
        with self._lock:
            pending, young = self._state.pending, self._state.young
            values: list[tuple[object, ...]] = []
            rows: list[BlobRow] = []
            recent: list[tuple[str, Row]] = []
            for sha256 in only:
                new, row = young.pop(sha256, None), pending.pop(sha256, None)
                if new is not None:
                    recent.append((sha256, new))
                elif row is not None:
                    rows.append(row)
                    values.append(_blob_values(row))
            if recent and (self._recent is None or not self._recent.append(recent)):
                values += [
                    _values(sha256, Signature(*look), f"sha256:{sha256}", name, used)
                    for sha256, (look, name, used) in recent
                ]
            elif recent and self._recent is not None and self._recent.is_large:
                self._take_over()
            if values and self._insert(values):
                # Read again by whoever asks, which hardly anybody does of what he has just fetched.
                for row in rows:
                    self._state.checked.pop(row.sha256, None)

    def close(self) -> None:
        """Let go of the file; the next use opens it again. What waits is not written."""
        with self._lock:
            self._drop()

    def _grown(self, sha256: str) -> BlobRow | None:
        """The row of a blob that came a moment ago, as that of any other from now on."""
        new = self._state.young.pop(sha256, None)
        if new is None:
            return None
        row = BlobRow(digests=Digests.of_sha256(sha256), signature=Signature(*new[0]), name=new[1], used=new[2])
        self._note(row)
        return row

    def _recently(self, names: Collection[str] | None) -> dict[str, BlobRow]:
        """The rows that came lately, of some blobs or of all."""
        if self._recent is None:
            return {}
        found = self._recent.all() if names is None else self._recent.find(names)
        return {
            sha256: BlobRow(digests=checked_sha256(sha256), signature=Signature(*look), name=name, used=used)
            for sha256, (look, name, used) in found.items()
        }

    def _some(self, names: Sequence[str]) -> Iterator[BlobRow]:
        """The rows of some blobs in the database."""
        for first in range(0, len(names), _AT_ONCE):
            yield from self._try(partial(_read_some, names=list(names[first : first + _AT_ONCE])), write=False) or ()

    def _take_over(self) -> None:
        """Put the rows that came lately into the database."""
        rows = self._recently(None)
        for row in self._some(tuple(rows)):
            if _newer(row, rows[row.sha256]) is row:
                del rows[row.sha256]
        if self._recent is not None and self._insert([_blob_values(row) for row in rows.values()]):
            self._recent.remove()

    def _insert(self, values: list[tuple[object, ...]]) -> bool:
        """Whether the rows are written."""
        # In the order of the table: neighbours are written together, and a large table is gone through once.
        values.sort()
        statement = "INSERT OR REPLACE INTO blobs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
        return bool(self._try(lambda connection: _write(connection, statement, values)))

    def _note(self, row: BlobRow) -> None:
        sha256 = row.sha256
        self._state.young.pop(sha256, None)
        self._state.pending[sha256] = self._state.checked[sha256] = row

    def _try(self, work: Callable[[sqlite3.Connection], T], *, write: bool = True) -> T | None:
        """Do ``work`` on the database; None if it cannot be done. A damaged file is replaced and tried once more."""
        if self._state.connection is None and not write and not os.path.lexists(self._path):
            return None
        import sqlite3

        for _ in range(2):
            try:
                connection = self._open(write=write)
                if connection is None:
                    return None
                return work(connection)
            except sqlite3.OperationalError as error:
                if getattr(error, "sqlite_errorcode", 0) == _MOVED:
                    self._drop()  # somebody removed the file that is open here; there may be another by now
                elif not _damaged(error):
                    # Locked for longer than we wait, read-only, the disk is full: the file may be good.
                    self._drop()
                    self._state.writable = self._state.writable and not _read_only(error)
                    return None
                else:
                    self._set_aside()
            except sqlite3.Error:
                self._set_aside()
            except OSError:
                return None
        return None

    def _open(self, *, write: bool) -> sqlite3.Connection | None:
        state = self._state
        if state.connection is not None and state.pid == os.getpid():
            return state.connection if state.writable or not write else None
        if write and not state.writable:
            return None
        if not write and not os.path.lexists(self._path):
            return None
        state.connection = None  # of a parent process; closing it here could drop that one's locks
        connection, state.writable = _connect(self._path)
        state.connection, state.pid = connection, os.getpid()
        return connection if state.writable or not write else None

    def _drop(self) -> None:
        connection, self._state.connection = self._state.connection, None
        if connection is not None and self._state.pid == os.getpid():
            import sqlite3

            with contextlib.suppress(sqlite3.Error):
                connection.close()

    def _set_aside(self) -> None:
        """Remove a database that cannot be used; the files of the store say all that it did."""
        self._drop()
        for path in (self._path + "-journal", self._path):
            try:
                os.unlink(path)
            except FileNotFoundError:
                continue
            except OSError:
                self._state.writable = False


def _newer(one: BlobRow | None, other: BlobRow | None) -> BlobRow | None:
    """What was recorded later of two rows of a blob; the first one where they are of one time."""
    if one is None or other is None:
        return one or other
    when = (other.signature.ctime_ns, other.used)
    return other if when > (one.signature.ctime_ns, one.used) else one


def _damaged(error: sqlite3.OperationalError) -> bool:
    import sqlite3

    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    # A plain SQLITE_ERROR is a missing table or column: a database, but not this one.
    return code in {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_SCHEMA}


def _read_only(error: sqlite3.OperationalError) -> bool:
    import sqlite3

    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM}


def _connect(path: str) -> tuple[sqlite3.Connection, bool]:
    """A connection, and whether it may write."""
    import sqlite3

    folder = os.path.dirname(path)
    writable = os.access(folder, os.W_OK) and (not os.path.lexists(path) or os.access(path, os.W_OK))
    address = "file:" + _quoted(path) + ("?mode=rwc" if writable else "?mode=ro")
    connection = sqlite3.connect(
        address, uri=True, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=16
    )
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version not in {0, _SCHEMA}:
            raise sqlite3.DatabaseError("another schema")
        if writable:
            connection.execute("PRAGMA synchronous = OFF")
            if version == 0:
                connection.executescript(f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version = {_SCHEMA}; COMMIT;")
        elif version == 0:
            raise sqlite3.OperationalError("no tables, and none can be made")
    except BaseException:
        connection.close()
        raise
    return connection, writable


def _quoted(path: str) -> str:
    """A path as a part of a URI as sqlite reads it (https://www.sqlite.org/uri.html): nothing else means anything."""
    quoted = path.replace(os.sep, "/").replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    # Two slashes at the beginning would name a host.
    return f"//{quoted}" if quoted.startswith("//") else quoted


def _write(connection: sqlite3.Connection, statement: str, rows: Iterable[tuple[Any, ...]]) -> bool:
    """Run one statement for each row, as one transaction."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.executemany(statement, rows)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return True


def _seal(sha256: object, numbers: tuple[object, ...], inode: object, digests: object, name: object) -> str:
    """What tells a row from one that was scribbled on; the name, which may hold anything, stands last."""
    text = f"{sha256} {numbers} {inode} {digests} {name}".encode("utf-8", "surrogatepass")
    return hashlib.sha256(text, usedforsecurity=False).hexdigest()[:16]


def _blob_values(row: BlobRow) -> tuple[object, ...]:
    return _values(row.sha256, row.signature, _packed(row.digests), row.name, row.used)


def _values(sha256: str, signature: Signature, digests: str, name: str, used: float) -> tuple[object, ...]:
    size, mtime_ns, ctime_ns, inode = signature
    # An inode of 64 bits without a sign does not fit sqlite's integers.
    seal = _seal(sha256, (size, mtime_ns, ctime_ns, used), inode, digests, name)
    return (sha256, size, mtime_ns, ctime_ns, str(inode), digests, name, used, seal)


def _blob_of(values: tuple[Any, ...]) -> BlobRow | None:
    sha256, size, mtime_ns, ctime_ns, inode, digests, name, used, seal = values
    if _seal(sha256, (size, mtime_ns, ctime_ns, used), inode, digests, name) != seal:
        return None
    row = BlobRow(
        digests=_unpacked(digests), signature=Signature(size, mtime_ns, ctime_ns, int(inode)), name=name, used=used
    )
    return row if row.digests.sha256 == sha256 else None


def _read_blob(connection: sqlite3.Connection, sha256: str) -> BlobRow | None:
    values = connection.execute("SELECT * FROM blobs WHERE sha256 = ?", (sha256,)).fetchone()
    return None if values is None else _blob_of(values)


def _read_some(connection: sqlite3.Connection, names: list[str]) -> list[BlobRow]:
    marks = ",".join("?" * len(names))
    found = connection.execute(f"SELECT * FROM blobs WHERE sha256 IN ({marks})", names)  # noqa: S608 - but marks
    return [row for row in map(_blob_of, found) if row is not None]


def _read_blobs(connection: sqlite3.Connection) -> Iterator[BlobRow]:
    for values in connection.execute("SELECT * FROM blobs"):
        row = _blob_of(values)
        if row is not None:
            yield row


def _packed(digests: Digests) -> str:
    if len(digests) == 1:
        return str(digests.items[0])
    return " ".join(str(digest) for digest in digests)


def _unpacked(text: str) -> Digests:
    return Digests.from_mapping(dict(part.split(":", 1) for part in text.split(" ") if part))
