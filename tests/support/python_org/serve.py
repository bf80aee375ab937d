"""Serve the stand-in for python.org on loopback: ``python -m tests.support.python_org.serve --port-file FILE``.

Once the server listens, the port that it was given is written to FILE and the tree's address printed. SIGINT or SIGTERM
ends it.
"""

from __future__ import annotations

import argparse
import os
import signal
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.support.python_org.site import PythonOrgSite

__all__ = ["SiteServer", "main"]


class SiteServer(ThreadingHTTPServer):
    """The site behind a socket of 127.0.0.1; port 0 takes a free one."""

    daemon_threads = True
    # The default of 5 drops connections that come at once, and each of them costs its client a second.
    request_queue_size = 128

    def __init__(self, site: PythonOrgSite, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.site = site

    @property
    def root_url(self) -> str:
        """Where the tree begins, for the setting ``python_org_url``."""
        return f"http://127.0.0.1:{self.server_port}{self.site.prefix}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body go out in two writes; the second shall not wait until the first is acknowledged.
    disable_nagle_algorithm = True
    server: SiteServer

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def _answer(self, *, with_body: bool) -> None:
        answer = self.server.site.respond(self.path, dict(self.headers.items()))
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            if name != "Server":  # send_response has sent one
                self.send_header(name, value)
        if answer.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if not with_body or not answer.body:
            if answer.chunked and with_body:
                self.wfile.write(b"0\r\n\r\n")
            return
        if answer.chunked:
            self.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(answer.body), answer.body))
        else:
            self.wfile.write(answer.body)

    def log_message(self, *_: object) -> None:
        """Nothing: who runs the server has the client's words."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until a signal comes."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.python_org.serve", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="the port to listen on; 0 takes a free one")
    parser.add_argument("--port-file", type=Path, help="where to write the port once the server listens")
    options = parser.parse_args(arguments)
    with SiteServer(PythonOrgSite(), options.port) as server:
        for number in (signal.SIGINT, signal.SIGTERM):
            # shutdown() waits for serve_forever(), which this very thread runs: another one has to call it.
            signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
        if options.port_file is not None:
            partial = options.port_file.with_name(f"{options.port_file.name}.{os.getpid()}")
            partial.write_text(f"{server.server_port}\n", encoding="ascii")
            partial.replace(options.port_file)
        print(server.root_url, flush=True)
        server.serve_forever(poll_interval=0.05)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
