"""A server that asks for a client certificate, trusts nobody's, and says so before it closes the connection.

``SSLSocket`` would close it at once, and what is unread then makes for a reset (RST), which may overtake the alert.
"""

from __future__ import annotations

import socket
import ssl

from tests.support.loopback import Loopback
from tests.support.tls import authority, stranger


class Doorkeeper(Loopback):
    """Lets nobody in; use it as a context manager.

    Attributes:
        callers: connections so far.
    """

    def __init__(self, *, version: ssl.TLSVersion, http2: bool = False) -> None:
        """Args:
        version: of TLS.
        http2: it would speak that.
        """
        super().__init__()
        self.callers = 0
        self._context = authority().server(http2=http2)
        self._context.minimum_version = self._context.maximum_version = version
        self._context.verify_mode = ssl.CERT_REQUIRED
        self._context.load_verify_locations(cafile=stranger().ca_file)

    @property
    def url(self) -> str:
        """Its address."""
        return super().url.replace("http:", "https:")

    def serve(self, client: socket.socket) -> None:
        """One handshake, which fails."""
        self.callers += 1
        heard, said = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = self._context.wrap_bio(heard, said, server_side=True)
        while True:
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                client.sendall(said.read())
                data = client.recv(65536)
                if not data:
                    return
                heard.write(data)
            except ssl.SSLError:
                client.sendall(said.read())
                break
        client.shutdown(socket.SHUT_WR)
        while client.recv(65536):
            pass
