"""A proxy: forwards absolute-form requests, opens tunnels for CONNECT, or refuses both."""

from __future__ import annotations

import base64
import select
import socket
import ssl

from tests.support.loopback import Loopback, pump


class Proxy(Loopback):
    """A proxy on the loopback; use it as a context manager.

    Attributes:
        heads: the head of each request that came to the proxy itself, in order.
        shown: for each connection over TLS, the certificate that the client showed, or None.
    """

    def __init__(
        self,
        *,
        login: str | None = None,
        refuse: int | None = None,
        opened: bytes = b"HTTP/1.1 200 Connection established\r\nX-Proxy: yes\r\n\r\n",
        only: bytes | None = None,
        tls: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        """Args:
        login: ``user:password`` that it asks for.
        refuse: a status that it answers everything with.
        opened: what it says when there is a tunnel.
        only: all that it says to CONNECT before it hangs up.
        tls: it is spoken with over TLS.
        host: the address that it listens at.
        """
        super().__init__(host)
        self.heads: list[str] = []
        self.shown: list[object] = []
        self._login = login
        self._refuse = refuse
        self._opened = opened
        self._only = only
        self._tls = tls

    @property
    def url(self) -> str:
        """The proxy's address, without a slash at the end."""
        return super().url if self._tls is None else super().url.replace("http:", "https:")

    def serve(self, client: socket.socket) -> None:
        """Requests, until one of them is led on."""
        if self._tls is None:
            self._attend(client)
            return
        with self._tls.wrap_socket(client, server_side=True) as safe:
            with self._lock:
                self._sockets.add(safe)
            self.shown.append(safe.getpeercert() or None)
            self._attend(safe)

    def tunnel(self, client: socket.socket, server: socket.socket) -> None:
        """Bytes, both ways. What speaks TLS bears one thread at a time; it is over when one side is."""
        if not isinstance(client, ssl.SSLSocket):
            super().tunnel(client, server)
            return
        with self._lock:
            self._sockets.add(server)
        while True:
            ready = [client] if client.pending() else select.select([client, server], [], [])[0]
            for one in ready:
                data = one.recv(65536)
                if not data:
                    return
                (server if one is client else client).sendall(data)

    def _attend(self, client: socket.socket) -> None:
        with client.makefile("rb") as reader:
            while lines := _read_head(reader):
                head = b"".join(lines).decode("latin-1")
                self.heads.append(head)
                if self._refuse is not None or not self._admitted(head):
                    status = self._refuse or 407
                    client.sendall(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % status)
                    continue
                method, target, _ = head.split(" ", 2)
                if method == "CONNECT" and self._only is not None:
                    client.sendall(self._only)
                    return
                if method == "CONNECT":
                    host, _, port = target.rpartition(":")
                    with socket.create_connection((host.strip("[]"), int(port))) as server:
                        client.sendall(self._opened)
                        self.tunnel(client, server)
                    return
                self._forward(client, target, lines)
                return

    def _admitted(self, head: str) -> bool:
        if self._login is None:
            return True
        token = base64.b64encode(self._login.encode(errors="surrogateescape")).decode()
        return f"proxy-authorization: basic {token}".lower() in head.lower()

    def _forward(self, client: socket.socket, target: str, lines: list[bytes]) -> None:
        authority, _, path = target.removeprefix("http://").partition("/")
        host, _, port = authority.partition(":")
        kept = [line for line in lines[1:-1] if not line.lower().startswith((b"proxy-", b"connection:"))]
        with socket.create_connection((host, int(port or 80))) as server:
            server.sendall(b"GET /%s HTTP/1.1\r\n" % path.encode() + b"".join(kept) + b"Connection: close\r\n\r\n")
            server.shutdown(socket.SHUT_WR)
            pump(server, client)


def _read_head(reader: object) -> list[bytes]:
    lines: list[bytes] = []
    while line := reader.readline():  # type: ignore[attr-defined]
        lines.append(line)
        if line == b"\r\n":
            return lines
    return []
