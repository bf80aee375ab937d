"""An HTTP proxy on the loopback that leads every host to one origin: ``CONNECT`` and then bytes, both ways.

With it a test may use real addresses (``https://example.org/…``) while nothing leaves this machine.
"""

from __future__ import annotations

import socket

from tests.support.loopback import Loopback

__all__ = ["ConnectProxy"]


class ConnectProxy(Loopback):
    """Leads all tunnels to ``port``; use it as a context manager.

    Attributes:
        targets: the ``host:port`` of every tunnel that was asked for.
    """

    def __init__(self, port: int) -> None:
        super().__init__()
        self._origin = port
        self.targets: list[str] = []

    def serve(self, client: socket.socket) -> None:
        """One tunnel."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            piece = client.recv(1)  # not one byte of what follows: that belongs to the tunnel
            if not piece:
                return
            head += piece
        method, target, _ = head.split(b"\r\n", 1)[0].decode("ascii").split(" ")
        if method != "CONNECT":
            client.sendall(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n")
            return
        with self._lock:
            self.targets.append(target)
        with socket.create_connection(("127.0.0.1", self._origin)) as server:
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            self.tunnel(client, server)
