"""Files of this machine as sources: ``with_files``.

Only the user's own settings name them, as what a rewrite rule puts in the place of an address: a mirror on a disk that
came through the door, or on a mounted share. To the rules of a transfer such a file is a server like any other: it has
it or has not (404), may show it or not (403), gives the rest of it where the version is still the same, and what it
gives is checked as ever. No library for HTTP is asked.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, ClassVar

from dlm.model.frozen import dataclass
from dlm.model.late import late
from dlm.model.url import FILE, path_of
from dlm.model.wire import Ending, Failure, Head

if TYPE_CHECKING:
    from dlm.model.settings import Settings
    from dlm.model.wire import Request
    from dlm.ports import Backend, Exchange, Track, Wire

__all__ = ["with_files"]

#: Bytes that are read before other transfers have their turn.
_AT_ONCE = 4 * 1024 * 1024
_FLAGS = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_RANGE = late(r"bytes=([0-9]{1,19})-([0-9]{0,19})\Z")


def with_files(backend: Backend, settings: Settings) -> Backend:
    """A backend that reads files, too, where a rule of the user's names any; else the same one."""
    if any(one.startswith(FILE) for rule in settings.rewrite for one in rule.to):
        return _Files(backend)
    return backend


class _Files:
    """A backend beside another one."""

    name: ClassVar[str] = "files"

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def open(self) -> Wire:
        """A wire of its own."""
        return _FileWire(self._backend.open())


@dataclass(slots=True)
class _Reading:
    """A file that is read: what is left of the span that was asked for."""

    descriptor: int
    left: int


class _FileWire:
    """Reads files, and hands all other exchanges to a wire."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._new: list[Exchange] = []
        self._running: dict[Exchange, _Reading] = {}

    @property
    def keeps_back(self) -> bool:
        """As the other wire does; what is read here is told piece by piece."""
        return self._wire.keeps_back

    def start(self, exchange: Exchange) -> None:
        """Read the file that a request names, or send the request."""
        if exchange.request.url.scheme == "file":
            self._new.append(exchange)
        else:
            self._wire.start(exchange)

    def cancel(self, exchange: Exchange) -> None:
        """End an exchange."""
        if exchange in self._new:
            self._new.remove(exchange)
        elif exchange in self._running:
            self._close(exchange)
        else:
            self._wire.cancel(exchange)

    def foresee(self, count: int) -> None:
        """Tell the other wire."""
        self._wire.foresee(count)

    def multiplexes(self, origin: str | None) -> bool:
        """Ask the other wire."""
        return self._wire.multiplexes(origin)

    def track(self) -> Track | None:
        """That of the other wire."""
        return self._wire.track()

    def turn(self, timeout: float) -> None:
        """Read on, and let the other exchanges go on."""
        new, self._new = self._new, []
        for exchange in new:
            self._begin(exchange)
        for exchange in list(self._running):
            if exchange in self._running:  # what came of another may have ended it
                self._read(exchange)
        self._wire.turn(0.0 if new or self._running or self._new else timeout)

    def close(self) -> None:
        """Let go of everything."""
        for exchange in list(self._running):
            self._close(exchange)
        self._new.clear()
        self._wire.close()

    def _begin(self, exchange: Exchange) -> None:
        request = exchange.request
        path = path_of(request.url)
        try:
            descriptor = os.open(path, _FLAGS)
        except PermissionError:
            self._answer(exchange, Head(status=403))
            return
        except OSError as error:
            if isinstance(error, FileNotFoundError | NotADirectoryError | IsADirectoryError):
                self._answer(exchange, Head(status=404))
            else:
                exchange.ended(Ending(Failure.UNREACHABLE, str(error)))
            return
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            os.close(descriptor)
            self._answer(exchange, Head(status=404))
            return
        head, start, left = _answer_of(request, found)
        os.lseek(descriptor, start, os.SEEK_SET)
        self._running[exchange] = _Reading(descriptor, left)
        if not exchange.head(head) and exchange in self._running:
            self._close(exchange)
            exchange.ended(Ending(Failure.STOPPED))

    def _answer(self, exchange: Exchange, head: Head) -> None:
        """An answer without a body."""
        wanted = exchange.head(head)
        exchange.ended(Ending() if wanted else Ending(Failure.STOPPED))

    def _read(self, exchange: Exchange) -> None:
        reading = self._running[exchange]
        try:
            data = os.read(reading.descriptor, min(_AT_ONCE, reading.left)) if reading.left else b""
        except OSError as error:
            self._close(exchange)
            exchange.ended(Ending(Failure.CUT, str(error)))
            return
        reading.left -= len(data)
        ended = not reading.left or not data
        if ended:
            self._close(exchange)
        if data and not exchange.body([data]):
            if not ended and exchange in self._running:
                self._close(exchange)
            exchange.ended(Ending(Failure.STOPPED))
        elif ended:
            # A file that became shorter meanwhile is a body that was cut.
            exchange.ended(Ending(Failure.CUT) if reading.left else Ending())

    def _close(self, exchange: Exchange) -> None:
        os.close(self._running.pop(exchange).descriptor)


def _answer_of(request: Request, found: os.stat_result) -> tuple[Head, int, int]:
    """The head for a file, where its body begins, and how many bytes it has (RFC 9110 13 and 14)."""
    size = found.st_size
    # Whoever writes to the file changes one of these.
    tag = f'"{size:x}-{found.st_mtime_ns:x}-{found.st_ino:x}"'
    asked = {name.lower(): value for name, value in request.headers}
    if tag in asked.get("if-none-match", ""):
        return Head(status=304, fields=(("etag", tag),)), 0, 0
    span = _RANGE.match(asked.get("range", ""))
    if span is None or asked.get("if-range", tag) != tag:
        return Head(status=200, fields=(("content-length", str(size)), ("etag", tag))), 0, size
    start, end = int(span[1]), min(int(span[2] or size) + 1, size)
    if start >= size:
        return Head(status=416, fields=(("content-range", f"bytes */{size}"), ("content-length", "0"))), 0, 0
    fields = (
        ("content-length", str(end - start)),
        ("content-range", f"bytes {start}-{end - 1}/{size}"),
        ("etag", tag),
    )
    return Head(status=206, fields=fields), start, end - start
