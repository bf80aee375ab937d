"""An origin that can misbehave: HTTP/1.1 written straight onto sockets, TLS, and HTTP/2, with one kind of handler.

A handler is a :class:`Response`, a :class:`Raw`, a :class:`Static`, or a function from :class:`Request` to one of
these. A body may hold actions between its bytes: close, reset, wait for a gate. Nothing here looks at a clock.
"""

from __future__ import annotations

import contextlib
import email.utils
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self

from tests.support.tls import authority

DATE = "Sat, 21 Nov 2026 12:00:00 GMT"


# -- what handlers say -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Request:
    """One request as it came."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    connection: int
    body: bytes = b""
    tls: bool = False
    http2: bool = False

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    def get(self, name: str) -> str | None:
        """The value of a header, or None."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    @property
    def range(self) -> tuple[int, int | None] | None:
        """First byte and byte after the last of a Range header."""
        text = self.get("range")
        if text is None:
            return None
        first, _, last = text.removeprefix("bytes=").partition("-")
        return int(first), int(last) + 1 if last else None


@dataclass(frozen=True)
class Close:
    """Close the connection in an orderly way."""


@dataclass(frozen=True)
class Reset:
    """Send RST (TCP), or close without a word where there is TLS."""


@dataclass(frozen=True)
class Hold:
    """Send nothing before the gate is open."""

    gate: threading.Event


@dataclass(frozen=True)
class ResetStream:
    """HTTP/2: end the stream with an error."""

    code: int = 2


@dataclass(frozen=True)
class GoAway:
    """HTTP/2: say that no stream behind ``last`` was looked at (None: all were)."""

    last: int | None = None
    code: int = 0


Part = bytes | Close | Reset | Hold | ResetStream | GoAway


@dataclass(frozen=True)
class Response:
    """An answer. ``length`` None means: as long as the bytes of the body; ``"none"``: no Content-Length at all."""

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | Iterable[Part] = b""
    length: int | str | None = None
    chunked: bool = False
    before: tuple[Part, ...] = ()


@dataclass(frozen=True)
class Raw:
    """Bytes for the connection as they are, and actions between them; the connection is closed behind them."""

    parts: Sequence[Part]
    keep: bool = False


class Handler(Protocol):
    """From a request to an answer."""

    def __call__(self, request: Request, /) -> Response | Raw: ...


@dataclass
class Static:
    """A file of an honest server: ranges, validators, conditional requests."""

    body: bytes
    etag: str | None = '"v1"'
    last_modified: str | None = None
    ranges: bool = True
    content_type: str = "application/octet-stream"
    headers: tuple[tuple[str, str], ...] = ()
    date: str = DATE

    def __call__(self, request: Request) -> Response:
        fields = [("Date", self.date), ("Content-Type", self.content_type), *self.headers]
        fields += [("ETag", self.etag)] if self.etag else []
        fields += [("Last-Modified", self.last_modified)] if self.last_modified else []
        if self._unchanged(request):
            return Response(304, tuple(fields))
        if self.ranges:
            fields.append(("Accept-Ranges", "bytes"))
            asked = request.range
            if asked is not None and self._may_cut(request):
                return self._piece(asked, fields)
        return Response(200, tuple(fields), self.body)

    def _piece(self, asked: tuple[int, int | None], fields: list[tuple[str, str]]) -> Response:
        size = len(self.body)
        start, end = asked[0], size if asked[1] is None else min(asked[1], size)
        if start >= size:
            return Response(416, (*fields, ("Content-Range", f"bytes */{size}")))
        fields.append(("Content-Range", f"bytes {start}-{end - 1}/{size}"))
        return Response(206, tuple(fields), self.body[start:end])

    def _may_cut(self, request: Request) -> bool:
        condition = request.get("if-range")
        if condition is None:
            return True
        if condition.startswith(('"', "W/")):
            return condition == self.etag and not condition.startswith("W/")
        return condition == self.last_modified

    def _unchanged(self, request: Request) -> bool:
        wanted = request.get("if-none-match")
        if wanted is not None:
            return self.etag is not None and wanted.removeprefix("W/") == self.etag.removeprefix("W/")
        since = request.get("if-modified-since")
        return since is not None and since == self.last_modified


def redirect(location: str, status: int = 302, *more: tuple[str, str]) -> Response:
    """A redirect."""
    return Response(status, (("Location", location), *more))


def sequence(*handlers: Handler | Response | Raw) -> Handler:
    """Each of ``handlers`` for one request, the last for all that come after."""
    left = list(handlers)
    lock = threading.Lock()

    def handle(request: Request) -> Response | Raw:
        with lock:
            handler = left.pop(0) if len(left) > 1 else left[0]
        return _ask(handler, request)

    return handle


class Answer(Protocol):
    """What a stand-in for a whole site says."""

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Iterable[tuple[str, str]]: ...
    @property
    def body(self) -> bytes: ...


class Site(Protocol):
    """A stand-in for a whole site."""

    def respond(self, path: str, /) -> Answer: ...


def site(stand_in: Site) -> Handler:
    """Serve a stand-in."""

    def handle(request: Request) -> Response:
        answer = stand_in.respond(request.path)
        return Response(answer.status, tuple(answer.headers), answer.body)

    return handle


def _ask(handler: Handler | Response | Raw, request: Request) -> Response | Raw:
    return handler if isinstance(handler, (Response, Raw)) else handler(request)


class _GoneError(Exception):
    """The connection is over, on purpose or not."""


# -- the server --------------------------------------------------------------------------------------------------


@dataclass
class Origin:
    """A server on the loopback; use it as a context manager.

    Attributes:
        requests: all that came, in the order in which they were understood.
        connections: how many were accepted.
    """

    tls: ssl.SSLContext | None = None
    http2: bool = False
    host: str = "127.0.0.1"
    requests: list[Request] = field(default_factory=list)
    connections: int = 0

    def __post_init__(self) -> None:
        self._routes: dict[str, Handler | Response | Raw] = {}
        self._fallback: Handler | Response | Raw = Response(404, body=b"nothing here")
        self._changed = threading.Condition()
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._gates: list[threading.Event] = []
        self._closing = False
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        self._listener = socket.create_server((self.host, 0), family=family, backlog=128)
        self.port: int = self._listener.getsockname()[1]

    @classmethod
    def secure(cls, *, http2: bool = False) -> Origin:
        """An origin with TLS and a certificate that is trusted by whoever trusts ``authority().ca_file``."""
        return cls(tls=authority().server(http2=http2), http2=http2)

    @property
    def netloc(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The origin's address, without a slash at the end."""
        return f"{'https' if self.tls else 'http'}://{self.netloc}"

    def route(self, path: str, *handlers: Handler | Response | Raw) -> str:
        """Answer requests for ``path`` by these handlers in turn; returns the whole URL."""
        self._routes[path] = handlers[0] if len(handlers) == 1 else sequence(*handlers)
        return self.url + path

    def otherwise(self, handler: Handler | Response | Raw) -> None:
        """Answer all other paths."""
        self._fallback = handler

    def gate(self) -> threading.Event:
        """Something for :class:`Hold` to wait for; opened at the latest when the origin closes."""
        gate = threading.Event()
        self._gates.append(gate)
        return gate

    def wait_for(self, count: int) -> None:
        """Wait until ``count`` requests have come."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.requests) >= count, timeout=30), self.requests

    def of(self, path: str) -> list[Request]:
        """The requests for ``path``."""
        return [request for request in self.requests if request.path == path]

    # -- machinery -----------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self._spawn(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing = True
        for gate in self._gates:
            gate.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._changed:
            open_sockets = list(self._sockets)
        for one in open_sockets:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(one, socket.SHUT_RDWR)
        while self._threads:
            self._threads.pop().join(timeout=30)

    def _spawn(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True, name="origin")
        thread.start()
        self._threads.append(thread)

    def _accept(self) -> None:
        while not self._closing:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            with self._changed:
                self.connections += 1
                number = self.connections
            self._spawn(self._serve, plain, number)

    def _serve(self, plain: socket.socket, number: int) -> None:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = plain
        with self._changed:
            self._sockets.add(plain)
        try:
            if self.tls is not None:
                connection = self.tls.wrap_socket(plain, server_side=True, suppress_ragged_eofs=True)
                with self._changed:
                    self._sockets.discard(plain)
                    self._sockets.add(connection)
            if isinstance(connection, ssl.SSLSocket) and connection.selected_alpn_protocol() == "h2":
                from tests.support.origin_h2 import serve_h2

                serve_h2(self, connection, number)
            else:
                _Http1(self, connection, number).serve()
        except (OSError, _GoneError):
            pass
        finally:
            with self._changed:
                self._sockets.discard(connection)
            connection.close()
            plain.close()

    def answer(self, request: Request) -> Response | Raw:
        """Record a request and ask its handler."""
        with self._changed:
            self.requests.append(request)
            self._changed.notify_all()
        return _ask(self._routes.get(request.path, self._fallback), request)

    @property
    def closing(self) -> bool:
        return self._closing

    def spawn(self, target: Callable[..., None], *arguments: object) -> None:
        """A thread that is waited for at the end."""
        self._spawn(target, *arguments)


class _Http1:
    """One connection that speaks HTTP/1.1."""

    def __init__(self, origin: Origin, connection: socket.socket, number: int) -> None:
        self._origin = origin
        self._connection = connection
        self._number = number
        self._reader = connection.makefile("rb")

    def serve(self) -> None:
        try:
            while not self._origin.closing:
                request = self._read()
                if request is None or not self._write(request, self._origin.answer(request)):
                    return
        finally:
            self._reader.close()

    def _read(self) -> Request | None:
        line = self._reader.readline()
        if not line.strip():
            return None
        method, target, _ = line.decode("latin-1").split(" ", 2)
        headers = list(self._headers())
        length = next((int(value) for name, value in headers if name.lower() == "content-length"), 0)
        return Request(
            method=method,
            target=target,
            headers=tuple(headers),
            connection=self._number,
            body=self._reader.read(length) if length else b"",
            tls=self._origin.tls is not None,
        )

    def _headers(self) -> Iterator[tuple[str, str]]:
        while True:
            line = self._reader.readline().rstrip(b"\r\n")
            if not line:
                return
            name, _, value = line.decode("latin-1").partition(":")
            yield name, value.strip()

    def _write(self, request: Request, answer: Response | Raw) -> bool:
        """Send an answer; whether the connection goes on."""
        if isinstance(answer, Raw):
            self._send(answer.parts)
            return answer.keep
        self._send(answer.before)
        whole = answer.body if isinstance(answer.body, bytes) else None
        lines = [f"HTTP/1.1 {answer.status} {_reason(answer.status)}"]
        lines += [f"{name}: {value}" for name, value in answer.headers]
        bodiless = answer.status in {204, 304} or request.method == "HEAD"
        length = len(whole) if answer.length is None and whole is not None else answer.length
        if answer.chunked:
            lines.append("Transfer-Encoding: chunked")
        elif length != "none" and length is not None and answer.status not in {204, 304}:
            lines.append(f"Content-Length: {length}")
        self._connection.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
        if bodiless:
            return True
        parts: Iterable[Part] = [answer.body] if isinstance(answer.body, bytes) else answer.body
        if answer.chunked:
            self._send(_chunked(parts))
            return True
        self._send(parts)
        return length not in {None, "none"}

    def _send(self, parts: Iterable[Part]) -> None:
        for part in parts:
            match part:
                case bytes():
                    self._connection.sendall(part)
                case Hold():
                    part.gate.wait()
                    if self._origin.closing:
                        raise _GoneError
                case Reset():
                    reset(self._connection)
                    raise _GoneError
                case Close():
                    if isinstance(self._connection, ssl.SSLSocket):
                        with contextlib.suppress(OSError, ValueError):
                            self._connection.unwrap()
                    raise _GoneError
                case _:
                    raise AssertionError(f"{part} belongs to HTTP/2")


def reset(connection: socket.socket) -> None:
    """Have closing the socket send RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _chunked(parts: Iterable[Part]) -> Iterator[Part]:
    for part in parts:
        if isinstance(part, bytes):
            yield b"%x\r\n%s\r\n" % (len(part), part)
        else:
            yield part
    yield b"0\r\n\r\n"


def _reason(status: int) -> str:
    from http import HTTPStatus

    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Whatever"


def imf_date(moment: float) -> str:
    """Seconds since the epoch as HTTP writes them."""
    return email.utils.formatdate(moment, usegmt=True)


def closed_port() -> int:
    """A port at which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
