"""A model of python.org's download server: a path in, an answer out, without sockets.

Names are the real ones of :mod:`tests.support.python_org.records`; bodies are made up, small, and the same each time.
Index pages are nginx's to the byte, and carry no validators; files carry ETag and Last-Modified as nginx makes them.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

from tests.support.python_org.records import Record, records

__all__ = ["PREFIX", "Answer", "PythonOrgSite", "index_page"]

PREFIX = "/ftp/python/"

# Where no record tells a date: some minute from January 2023 to June 2026, by the path.
_EARLIEST, _SPAN = 27_875_520, 1_800_000
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: ``headers`` without Date and Connection, which a server adds; ``chunked`` where it has no length."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def chunked(self) -> bool:
        return "Content-Length" not in self.headers and self.status == 200


@dataclass(slots=True)
class _File:
    path: str
    modified: int
    replaced: bytes | None = None

    @property
    def size(self) -> int:
        return len(self.replaced) if self.replaced is not None else _made_up_size(self.path)

    @property
    def body(self) -> bytes:
        if self.replaced is not None:
            return self.replaced
        return hashlib.shake_256(self.path.encode()).digest(_made_up_size(self.path))

    @property
    def etag(self) -> str:
        return f'"{self.modified * 60:x}-{self.size:x}"'

    @property
    def last_modified(self) -> str:
        when = time.gmtime(self.modified * 60)
        day, month = _DAYS[when.tm_wday], _MONTHS[when.tm_mon - 1]
        return f"{day}, {when.tm_mday:02} {month} {when.tm_year} {when.tm_hour:02}:{when.tm_min:02}:00 GMT"


def _made_up_size(path: str) -> int:
    return 1024 + int.from_bytes(hashlib.sha256(path.encode()).digest()[:4]) % (39 * 1024)


class PythonOrgSite:
    """The site's state; tests change it between requests. Paths are relative to the tree's root, as in the records."""

    def __init__(self, listed: Iterable[Record] | None = None, *, prefix: str = PREFIX) -> None:
        self.prefix = prefix
        self._files: dict[str, _File] = {}
        self._folders: dict[str, int] = {"": _EARLIEST}
        self._pages: dict[str, bytes] = {}
        for record in records() if listed is None else listed:
            modified = _guessed_date(record.path) if record.modified is None else record.modified
            if record.is_directory:
                self._folders[record.path] = modified
            else:
                self._files[record.path] = _File(record.path, modified)

    def respond(self, target: str, headers: Mapping[str, str] | None = None) -> Answer:
        """The answer to a GET for a request target (a path, perhaps with a query), with the request's ``headers``."""
        path = unquote(target.partition("?")[0])
        if not path.startswith(self.prefix):
            if f"{path}/" == self.prefix:
                return Answer(301, {"Location": self.prefix, "Content-Length": "0"})
            return _not_found()
        below = path.removeprefix(self.prefix)
        if below in self._folders:
            page = self._pages.get(below)
            if page is None:
                page = self._pages[below] = self._page(below)
            return Answer(200, {"Server": "nginx", "Content-Type": "text/html"}, page)
        if f"{below}/" in self._folders:
            return Answer(301, {"Location": quote(f"{path}/"), "Content-Length": "0"})
        if below in self._files:
            return _file_answer(self._files[below], {key.lower(): value for key, value in (headers or {}).items()})
        return _not_found()

    def put(self, path: str, body: bytes | None = None, *, modified: int = _EARLIEST + _SPAN) -> None:
        """Add a file, or replace its bytes; its folders come with it, and the folder it stands in gets the date."""
        self._files[path] = _File(path, modified, body)
        folder = path.rpartition("/")[0]
        while folder:
            self._folders.setdefault(f"{folder}/", modified)
            folder = folder.rpartition("/")[0]
        self.date(path.rpartition("/")[0], modified)

    def remove(self, path: str, *, modified: int = _EARLIEST + _SPAN) -> None:
        """Remove a file, or a folder (with a final slash) and all below it."""
        if path.endswith("/"):
            self._folders = {name: date for name, date in self._folders.items() if not name.startswith(path)}
            self._files = {name: file for name, file in self._files.items() if not name.startswith(path)}
        else:
            del self._files[path]
        self.date(path.rstrip("/").rpartition("/")[0], modified)

    def date(self, folder: str, modified: int) -> None:
        """Set a folder's date, in minutes since the epoch."""
        self._folders[f"{folder}/" if folder else ""] = modified
        self._pages.clear()  # every change of the tree comes by here

    def dated(self, folder: str) -> int:
        """A folder's date."""
        return self._folders[f"{folder.rstrip('/')}/" if folder else ""]

    def body(self, path: str) -> bytes:
        """The bytes that a file has here."""
        return self._files[path].body

    def paths(self) -> tuple[str, ...]:
        """Every file's path, in byte order."""
        return tuple(sorted(self._files))

    def _page(self, folder: str) -> bytes:
        rows: list[tuple[str, int, int | None]] = []
        for name, date in self._folders.items():
            if name and name.startswith(folder) and name != folder and "/" not in name[len(folder) : -1]:
                rows.append((name[len(folder) :], date, None))
        for name, file in self._files.items():
            if name.startswith(folder) and "/" not in name[len(folder) :]:
                rows.append((name[len(folder) :], file.modified, file.size))
        return index_page(f"{self.prefix}{folder}", rows).encode()


def index_page(path: str, rows: Iterable[tuple[str, int, int | None]]) -> str:
    """nginx's page for the folder at ``path``: rows of name (a folder's with its slash), date in minutes, and size."""
    lines = [
        "<html>",
        f"<head><title>Index of {path}</title></head>",
        "<body>",
        f'<h1>Index of {path}</h1><hr><pre><a href="../">../</a>',
    ]
    for name, date, size in sorted(rows, key=lambda row: (not row[0].endswith("/"), row[0].rstrip("/").encode())):
        text, width = (name, len(name)) if len(name) <= 50 else (f"{name[:47]}..&gt;", 50)
        when = time.gmtime(date * 60)
        shown = f"{when.tm_mday:02}-{_MONTHS[when.tm_mon - 1]}-{when.tm_year} {when.tm_hour:02}:{when.tm_min:02}"
        lines.append(
            f'<a href="{quote(name)}">{text}</a>{" " * (51 - width)}{shown} {"-" if size is None else size:>19}'
        )
    return "\r\n".join([*lines, "</pre><hr></body>", "</html>", ""])


def _file_answer(file: _File, asked: Mapping[str, str]) -> Answer:
    headers = {
        "Server": "nginx",
        "Content-Type": _content_type(file.path),
        "Last-Modified": file.last_modified,
        "ETag": file.etag,
    }
    tags = asked.get("if-none-match")
    since = asked.get("if-modified-since")
    if tags is not None and file.etag in re.split(r"\s*,\s*", tags):
        return Answer(304, headers)
    if tags is None and since == file.last_modified:
        return Answer(304, headers)
    headers["Accept-Ranges"] = "bytes"
    body = file.body
    piece = _piece(asked, file)
    if piece is None:
        return Answer(200, {**headers, "Content-Length": str(len(body))}, body)
    first, last = piece
    if first >= len(body):
        return Answer(416, {"Content-Range": f"bytes */{len(body)}", "Content-Length": "0"})
    part = body[first : last + 1]
    headers |= {"Content-Range": f"bytes {first}-{first + len(part) - 1}/{len(body)}"}
    return Answer(206, {**headers, "Content-Length": str(len(part))}, part)


def _piece(asked: Mapping[str, str], file: _File) -> tuple[int, int] | None:
    """First and last byte of the one range asked for; several, or a stale If-Range, mean the whole."""
    match = re.fullmatch(r"bytes=([0-9]*)-([0-9]*)", asked.get("range", ""))
    if match is None or asked.get("if-range", file.etag) not in {file.etag, file.last_modified}:
        return None
    if not match[1]:
        return (max(file.size - int(match[2]), 0), file.size - 1) if match[2] else None
    last = int(match[2]) if match[2] else file.size - 1
    return (int(match[1]), last) if last >= int(match[1]) or int(match[1]) >= file.size else None


def _content_type(path: str) -> str:
    endings = {".html": "text/html", ".json": "application/json"}
    return next((kind for ending, kind in endings.items() if path.endswith(ending)), "application/octet-stream")


def _not_found() -> Answer:
    body = b"<html>\r\n<head><title>404 Not Found</title></head>\r\n</html>\r\n"
    return Answer(404, {"Content-Type": "text/html", "Content-Length": str(len(body))}, body)


def _guessed_date(path: str) -> int:
    return _EARLIEST + int.from_bytes(hashlib.sha256(path.encode()).digest()[4:8]) % _SPAN
