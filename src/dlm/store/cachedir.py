"""The on-disk layout of the package ``cachedir`` 0.1, read and written without it: ``Cachedir``.

::

    <folder>/
      cache.sqlite           the registry: a table ``main`` with one row for each version of an item, and a table of
                             attributes for each type of value (``attr_varchar``, ``attr_int``, …)
      <key>-<version>[.ext]  the files; the key is the MD5 of the request in a written form

Entries that the package made are used when their status is READY and their bytes have the sha256 that was noted; what
is half written, failed or has no digest is passed over. Entries made here appear in one transaction, with their file in
place, so that nobody ever sees them half written. Two things of the package are avoided: it removes any file in the
folder whose name holds 32 hexadecimal digits, a hyphen and a digit, so no other file has such a name; and it stores
request headers in clear, which is left to callers that know them to be harmless.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from dlm.errors import LocalError
from dlm.model.frozen import dataclass, field
from dlm.ports import Clock
from dlm.store.flush import flush_file, flush_files
from dlm.store.index import Signature
from dlm.store.reading import Contents, read_contents

__all__ = ["Cachedir", "CachedirEntry", "Value", "cachedir_key", "local_stamp"]

#: A value of an attribute: a text, a number, or what JSON can hold; one level of mappings is a namespace.
Value = str | int | float | Sequence[Any] | Mapping[str, Any]

_READY, _FAILED, _DELETED = 3, 2, -2
_WAIT_SECONDS = 30.0
_EXTENSION = re.compile(r"[A-Za-z0-9_]{1,32}\Z")
_TYPES = {"varchar": "VARCHAR", "int": "INT", "datetime": "DATETIME", "float": "FLOAT", "text": "TEXT"}
_MAIN = (
    "id INTEGER PRIMARY KEY AUTOINCREMENT, item_id VARCHAR, version_id VARCHAR, version INT, status INT,"
    " file_name VARCHAR, label VARCHAR, date DATETIME, ext VARCHAR, last_read DATETIME, last_search DATETIME,"
    " read_count INT, search_count INT"
)
_ROW = "id, item_id, version, file_name, ext, date, status, last_read, read_count"
_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedirEntry:
    """One version of one item: READY, unless records of all were asked for.

    Attributes:
        row: its number in the registry.
        key: of the item.
        path: of its file, absolute.
        file_name: how people know it, ``""`` where nobody said.
        date: when it was last changed, local time, ``YYYY-MM-DD HH:MM:SS``.
        uri: what was asked for.
        sha256: of its bytes, as noted; None where it was not.
        attrs: all its attributes; those of a namespace as a mapping below its name.
        params: of its request, likewise.
        status: 3 is READY, 2 is FAILED; ``path`` is ``""`` where there is no file.
        last_read: as ``date``, ``""`` for never.
    """

    row: int
    key: str
    version: int
    path: str
    file_name: str
    date: str
    uri: str
    sha256: str | None
    attrs: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    params: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    status: int = _READY
    last_read: str = ""
    read_count: int = 0


def cachedir_key(uri: str, params: Mapping[str, Any]) -> str:
    """The key of an item: the MD5 of what was asked for, in the package's written form.

    Args:
        params: such as ``{"dl_params": {"headers": [], "query": {…}}}``.
    """
    written = _written({**params, "_uri": uri})
    return hashlib.md5(written.encode(), usedforsecurity=False).hexdigest()


def local_stamp(seconds: float) -> str:
    """Seconds since the epoch as the package writes times: local, without a zone."""
    return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


class Cachedir:
    """One such folder, for any number of threads and processes; each operation has a connection of its own.

    Args:
        path: the folder, or the registry's file in it (any name that has an extension).
    """

    def __init__(self, path: str, clock: Clock) -> None:
        path = os.path.abspath(path)
        is_file = not os.path.isdir(path) and bool(os.path.splitext(path)[1])
        self._folder = os.path.dirname(path) if is_file else path
        self._registry = path if is_file else os.path.join(path, "cache.sqlite")
        self._clock = clock
        self._good: dict[str, tuple[str, Signature]] = {}

    @property
    def folder(self) -> str:
        """Where the files are, absolute."""
        return self._folder

    def lookup(
        self,
        uri: str,
        params: Mapping[str, Any],
        *,
        newer_than: str | None = None,
        older_than: str | None = None,
        read: bool = True,
    ) -> CachedirEntry | None:
        """The newest version of an item that is READY and whose bytes have the digest that was noted.

        Args:
            newer_than, older_than: bounds of its date, written as dates are.
            read: whether this counts as a reading.

        Raises:
            LocalError: registry or file cannot be read.
        """
        where, values = "item_id = ?", [cachedir_key(uri, params)]
        for bound, sign in ((newer_than, ">"), (older_than, "<")):
            if bound is not None:
                where, values = f"{where} AND date {sign} ?", [*values, bound]
        for entry in self._entries(where, values):
            if self.is_good(entry):
                if read:
                    self.read(entry)
                return entry
        return None

    def find(self, sha256: str) -> CachedirEntry | None:
        """An entry with these bytes, whatever was asked for. Raises LocalError."""
        where = "id IN (SELECT id FROM attr_varchar WHERE name = 'sha256' AND value = ?)"
        return next((one for one in self._entries(where, [sha256]) if one.sha256 == sha256 and self.is_good(one)), None)

    def records(self) -> Iterator[CachedirEntry]:
        """Every entry that is READY; its bytes are not looked at. Raises LocalError."""
        yield from self._entries("1 = 1", [])

    def everything(self) -> Iterator[CachedirEntry]:
        """Every version of every item, whatever became of it. Raises LocalError."""
        yield from self._entries("1 = 1", [], ready=False)

    def by_key(self, key: str) -> Iterator[CachedirEntry]:
        """The READY versions of one item, newest first; their bytes are not looked at. Raises LocalError."""
        yield from self._entries("item_id = ?", [key])

    def trash(self, entry: CachedirEntry) -> None:
        """Remove a version: its file, and what the registry says of it but that there was one. Raises LocalError."""
        with self._session(write=True) as connection:
            connection.execute("UPDATE main SET status = ? WHERE id = ?", (_DELETED, entry.row))
        with contextlib.suppress(OSError):
            os.unlink(entry.path)

    def is_good(self, entry: CachedirEntry, *, anew: bool = False) -> bool:
        """Whether an entry's file has the bytes that were noted; hashed once, and again when the file changes.

        Raises:
            LocalError: it cannot be read.
        """
        if entry.sha256 is None:
            return False
        try:
            found = Signature.of(os.lstat(entry.path))
        except OSError:
            return False
        if not anew and self._good.get(entry.path) == (entry.sha256, found):
            return True
        contents = read_contents(entry.path, ("sha256",))
        if not isinstance(contents, Contents) or contents.digests.sha256 != entry.sha256:
            return False
        if contents.signature is not None:
            self._good[entry.path] = (entry.sha256, contents.signature)
        return True

    def fail(self, entry: CachedirEntry) -> None:
        """Say that an entry's file is not what it ought to be. Raises LocalError."""
        with self._session(write=True) as connection:
            connection.execute("UPDATE main SET status = ? WHERE id = ?", (_FAILED, entry.row))

    def temporary(self) -> str:
        """A fresh path in the folder for a file on its way in; never one that the package would remove."""
        os.makedirs(self._folder, exist_ok=True)
        return os.path.join(self._folder, f".dlm-{secrets.token_hex(8)}.part")

    def publish(
        self,
        source: str,
        uri: str,
        params: Mapping[str, Any],
        attrs: Mapping[str, Value],
        *,
        sha256: str,
        file_name: str = "",
        shown: Mapping[str, Any] | None = None,
    ) -> CachedirEntry:
        """Make a file the newest version of an item; it is moved.

        Args:
            source: a finished file on the file system of the folder, with the digest ``sha256``.
            attrs: what is noted of it beside ``sha256``; None and true or false have no place there.
            file_name: how people know it; its extension is that of the file.
            shown: what is noted of the request in place of ``params`` and ``uri`` (as ``_uri``), where these hold what
                nobody else should read. The key is made of ``params`` and ``uri`` all the same.

        Raises:
            LocalError: the disk refuses, or the registry cannot be written; the file stays where it is.
        """
        key = cachedir_key(uri, params)
        name = file_name or os.path.basename(uri.split("?", 1)[0])
        ext = os.path.splitext(name)[1][1:]
        ext = ext if _EXTENSION.match(ext) else ""
        try:
            _make_ready(source)
            with self._session(write=True) as connection:
                version = self._next_version(connection, key, ext)
                path = self._file(key, version, ext)
                now = local_stamp(self._clock.time())
                noted: dict[str, Value] = {**attrs, "sha256": sha256}
                asked = {**params, "_uri": uri} if shown is None else shown
                row = _insert(connection, key, version, _READY, now, name, ext, noted, asked)
                # The last step before the commit: a registry that refuses leaves the file where it was.
                os.replace(source, path)
                failed = flush_files((), (self._folder,))
                if failed:
                    raise next(iter(failed.values()))
        except OSError as error:
            raise LocalError(
                f"cannot write to the cache {self._folder}: {error.strerror}", hint="check its permissions and space"
            ) from error
        return CachedirEntry(
            row=row,
            key=key,
            version=version,
            path=path,
            file_name=name,
            date=now,
            uri=uri,
            sha256=sha256,
            attrs=noted,
            params=asked,
        )

    def note_failure(
        self,
        uri: str,
        params: Mapping[str, Any],
        attrs: Mapping[str, Value],
        *,
        file_name: str = "",
        shown: Mapping[str, Any] | None = None,
    ) -> None:
        """Note a request that failed, as a version without a file; arguments as for :meth:`publish`.

        Raises:
            LocalError: the registry cannot be written.
        """
        key = cachedir_key(uri, params)
        asked = {**params, "_uri": uri} if shown is None else shown
        with self._session(write=True) as connection:
            version, now = self._next_version(connection, key, ""), local_stamp(self._clock.time())
            _insert(connection, key, version, _FAILED, now, file_name, "", attrs, asked)

    # The registry

    def _next_version(self, connection: sqlite3.Connection, key: str, ext: str) -> int:
        """One more than any version, trashed ones too, and never one whose file is there already."""
        (last,) = connection.execute("SELECT max(version) FROM main WHERE item_id = ?", (key,)).fetchone()
        version = (last if isinstance(last, int) else 0) + 1
        while os.path.lexists(self._file(key, version, ext)):
            version += 1
        return version

    def _entries(self, where: str, values: list[Any], *, ready: bool = True) -> Iterator[CachedirEntry]:
        """Entries, newest version first; READY ones alone unless told otherwise."""
        if not os.path.exists(self._registry):
            return
        with self._session(write=False) as connection:
            if not _has_tables(connection):
                return
            if ready:
                where = f"status = {_READY} AND {where}"
            rows = connection.execute(
                f"SELECT {_ROW} FROM main WHERE {where} ORDER BY version DESC, id DESC",  # noqa: S608 - our own words
                values,
            ).fetchall()
            found = [(row, _attributes(connection, row[0])) for row in rows]
        for (row, key, version, file_name, ext, date, status, last_read, read_count), (attrs, params) in found:
            path = self._existing(str(key), version, ext)
            if path is None and ready:
                continue
            sha256 = attrs.get("sha256")
            yield CachedirEntry(
                row=row,
                key=str(key),
                version=version,
                path=path or "",
                file_name=str(file_name or ""),
                date=str(date or ""),
                uri=str(params.get("_uri", "")),
                sha256=sha256 if isinstance(sha256, str) and re.fullmatch(r"[0-9a-f]{64}", sha256) else None,
                attrs=attrs,
                params=params,
                status=status if isinstance(status, int) else 0,
                last_read=str(last_read or ""),
                read_count=read_count if isinstance(read_count, int) else 0,
            )

    def _file(self, key: str, version: int, ext: str | None) -> str:
        return os.path.join(self._folder, f"{key}-{version}" + (f".{ext}" if ext else ""))

    def _existing(self, key: str, version: Any, ext: Any) -> str | None:
        """The file of an entry. The package notes another extension than it used when a server names the file."""
        if type(version) is not int or not re.fullmatch(r"[0-9a-f]{32}", key):
            return None
        if isinstance(ext, str) and _EXTENSION.match(ext) and os.path.isfile(self._file(key, version, ext)):
            return self._file(key, version, ext)
        stem = f"{key}-{version}"
        with contextlib.suppress(OSError):
            for name in sorted(os.listdir(self._folder)):
                if name == stem or (name.startswith(f"{stem}.") and _EXTENSION.match(name[len(stem) + 1 :])):
                    return os.path.join(self._folder, name)
        return None

    def read(self, entry: CachedirEntry) -> None:
        """Count the reading, where that can be done."""
        with contextlib.suppress(LocalError), self._session(write=True, wait=0.0) as connection:
            connection.execute(
                "UPDATE main SET last_read = ?, read_count = coalesce(read_count, 0) + 1 WHERE id = ?",
                (local_stamp(self._clock.time()), entry.row),
            )

    @contextlib.contextmanager
    def _session(self, *, write: bool, wait: float = _WAIT_SECONDS) -> Iterator[sqlite3.Connection]:
        """A connection; with ``write`` inside one transaction, which other writers wait for."""
        try:
            if write:
                os.makedirs(self._folder, exist_ok=True)
            address = "file:" + _quoted(self._registry) + ("?mode=rwc" if write else "?mode=ro")
            with contextlib.closing(
                sqlite3.connect(address, uri=True, timeout=wait, isolation_level=None)
            ) as connection:
                if not write:
                    yield connection
                    return
                connection.execute("BEGIN IMMEDIATE")
                try:
                    _make_tables(connection)
                    yield connection
                    connection.execute("COMMIT")
                except BaseException:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
                    raise
        except sqlite3.Error as error:
            raise LocalError(
                f"the registry {self._registry} cannot be {'written' if write else 'read'}: {error}",
                hint="if it is damaged, move it away; the files it speaks of are then fetched again",
            ) from error


def _quoted(path: str) -> str:
    from urllib.parse import quote

    return quote(path.replace(os.sep, "/"), safe="/:")


def _written(value: Any) -> str:
    """A value in the form that keys are made of: lists and mappings in brackets, their parts in order."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        return str(value)
    if isinstance(value, Mapping):
        parts = [f"{_written(name)}={_written(one)}" for name, one in value.items()]
    else:
        parts = [_written(one) for one in value]
    return f"[{','.join(sorted(parts))}]"


def _make_ready(path: str) -> None:
    """Give a file the mode that the package would, and flush it. Raises OSError."""
    os.chmod(path, 0o644)
    descriptor = os.open(path, os.O_RDWR | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0))
    try:
        flush_file(descriptor)
    finally:
        os.close(descriptor)


def _make_tables(connection: sqlite3.Connection) -> None:
    connection.execute(f"CREATE TABLE IF NOT EXISTS main ({_MAIN})")
    for name, kind in _TYPES.items():
        connection.execute(
            f"CREATE TABLE IF NOT EXISTS attr_{name} (id INT, namespace VARCHAR, keyvar INT, name VARCHAR,"
            f" value {kind}, FOREIGN KEY(id) REFERENCES main(id))"
        )


def _has_tables(connection: sqlite3.Connection) -> bool:
    names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    return {"main", *(f"attr_{name}" for name in _TYPES)} <= names


def _insert(  # noqa: PLR0917 - a row has many columns
    connection: sqlite3.Connection,
    key: str,
    version: int,
    status: int,
    now: str,
    name: str,
    ext: str,
    attrs: Mapping[str, Any],
    params: Mapping[str, Any],
) -> int:
    """A version of an item with its attributes; the number of its row."""
    row = connection.execute(
        "INSERT INTO main (item_id, version_id, version, status, file_name, label, date, ext, last_read,"
        " last_search, read_count, search_count) VALUES (?, ?, ?, ?, ?, NULL, ?, ?, NULL, ?, 0, 0)",
        (key, f"{key}-{version}", version, status, name or None, now, ext or None, now),
    ).lastrowid
    assert row is not None
    for keyvar, values in enumerate((attrs, params)):
        _insert_attributes(connection, row, keyvar, values)
    return row


def _insert_attributes(connection: sqlite3.Connection, row: int, keyvar: int, values: Mapping[str, Any]) -> None:
    for group, value in values.items():
        named = value.items() if isinstance(value, Mapping) else [(group, value)]
        namespace = group if isinstance(value, Mapping) else None
        for name, one in named:
            table, stored = _typed(one)
            if table is not None:
                connection.execute(
                    f"INSERT INTO attr_{table} (id, namespace, keyvar, name, value) VALUES (?, ?, ?, ?, ?)",  # noqa: S608
                    (row, namespace, keyvar, name, stored),
                )


def _typed(value: Any) -> tuple[str | None, Any]:
    """The table of a value, and how it stands there; no table for what the package has none for."""
    if value is None or isinstance(value, bool):
        return None, None
    if isinstance(value, int):
        return "int", value
    if isinstance(value, float):
        return "float", value
    if isinstance(value, str):
        return "varchar", value
    if isinstance(value, list | tuple | Mapping):
        return "text", json.dumps(value, separators=(",", ":"))
    return None, None


def _attributes(connection: sqlite3.Connection, row: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """The attributes of an entry, and the parameters of its request. Of a name with several rows the last one counts:
    the package adds a row where it means to change one."""
    both: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
    for table in _TYPES:
        rows = connection.execute(
            f"SELECT namespace, keyvar, name, value FROM attr_{table} WHERE id = ? ORDER BY rowid",  # noqa: S608
            (row,),
        )
        for namespace, keyvar, name, value in rows:
            if table == "text":
                with contextlib.suppress(ValueError, TypeError):
                    value = json.loads(value)
            into = both[1 if keyvar == 1 else 0]
            if namespace:
                inner = into.setdefault(namespace, {})
                into = inner if isinstance(inner, dict) else into
            into[name] = value
    return both
