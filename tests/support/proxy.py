"""A proxy: forwards absolute-form requests, opens tunnels for CONNECT, or refuses both."""

from __future__ import annotations

import base64
import socket

from tests.support.loopback import Loopback, pump


class Proxy(Loopback):
    """A proxy on the loopback; use it as a context manager.

    Attributes:
        heads: the head of each request that came to the proxy itself, in order.
    """

    def __init__(self, *, login: str | None = None, refuse: int | None = None) -> None:
        """Args:
        login: ``user:password`` that it asks for.
        refuse: a status that it answers everything with.
        """
        super().__init__()
        self.heads: list[str] = []
        self._login = login
        self._refuse = refuse

    def serve(self, client: socket.socket) -> None:
        """Requests, until one of them is led on."""
        with client.makefile("rb") as reader:
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
                        self.tunnel(client, server)
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
            pump(server, client)


def _read_head(reader: object) -> list[bytes]:
    lines: list[bytes] = []
    while line := reader.readline():  # type: ignore[attr-defined]
        lines.append(line)
        if line == b"\r\n":
            return lines
    return []
