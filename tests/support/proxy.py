"""A proxy: forwards absolute-form requests, opens tunnels for CONNECT, or refuses both."""

from __future__ import annotations

import base64
import contextlib
import socket
import threading
from types import TracebackType
from typing import Self


class Proxy:
    """A proxy on the loopback; use it as a context manager.

    Attributes:
        heads: the head of each request that came to the proxy itself, in order.
    """

    def __init__(self, *, login: str | None = None, refuse: int | None = None) -> None:
        """Args:
        login: ``user:password`` that it asks for.
        refuse: a status that it answers everything with.
        """
        self.heads: list[str] = []
        self._login = login
        self._refuse = refuse
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._spawn(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for one in self._sockets:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
        while self._threads:
            self._threads.pop().join(timeout=30)

    def _spawn(self, target: object, *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True, name="proxy")  # type: ignore[arg-type]
        thread.start()
        self._threads.append(thread)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._sockets.add(client)
            self._spawn(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError), client.makefile("rb") as reader:
            while lines := _read_head(reader):
                head = b"".join(lines).decode("latin-1")
                self.heads.append(head)
                if self._refuse is not None or not self._admitted(head):
                    status = self._refuse or 407
                    client.sendall(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % status)
                    continue
                method, target, _ = head.split(" ", 2)
                if method == "CONNECT":
                    host, _, port = target.rpartition(":")
                    with socket.create_connection((host.strip("[]"), int(port))) as server:
                        client.sendall(b"HTTP/1.1 200 Connection established\r\nX-Proxy: yes\r\n\r\n")
                        self._pump_both(client, server)
                    return
                self._forward(client, target, lines)
                return

    def _admitted(self, head: str) -> bool:
        if self._login is None:
            return True
        token = base64.b64encode(self._login.encode()).decode()
        return f"proxy-authorization: basic {token}".lower() in head.lower()

    def _forward(self, client: socket.socket, target: str, lines: list[bytes]) -> None:
        authority, _, path = target.removeprefix("http://").partition("/")
        host, _, port = authority.partition(":")
        kept = [line for line in lines[1:-1] if not line.lower().startswith((b"proxy-", b"connection:"))]
        with socket.create_connection((host, int(port or 80))) as server:
            server.sendall(b"GET /%s HTTP/1.1\r\n" % path.encode() + b"".join(kept) + b"Connection: close\r\n\r\n")
            server.shutdown(socket.SHUT_WR)
            _pump(server, client)

    def _pump_both(self, client: socket.socket, server: socket.socket) -> None:
        with self._lock:
            self._sockets.add(server)
        back = threading.Thread(target=_pump, args=(server, client), daemon=True)
        back.start()
        _pump(client, server)
        back.join(timeout=30)
        with self._lock:
            self._sockets.discard(server)


def _read_head(reader: object) -> list[bytes]:
    lines: list[bytes] = []
    while line := reader.readline():  # type: ignore[attr-defined]
        lines.append(line)
        if line == b"\r\n":
            return lines
    return []


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_RDWR)
