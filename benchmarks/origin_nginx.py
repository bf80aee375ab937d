"""The origin of all comparisons: nginx on the loopback, from one folder, at three ports.

* ``plain``: HTTP/1.1;
* ``secure``: TLS, with HTTP/2 for those who ask for it;
* ``limited``: HTTP/1.1, 8 MiB a second for each connection.

Half of the machine's cores are its own, at least one, since whoever downloads runs on the same machine. Nothing is
logged, and connections stay open as long as clients want them to; all else is as nginx has it.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["RATE", "Nginx"]

RATE = 8 * 1024 * 1024
"""Bytes a second that the limited port gives a connection."""

_CONFIGURATION = """\
daemon off;
{user}
worker_processes {workers};
worker_rlimit_nofile 8192;
pid {folder}/nginx.pid;
error_log stderr error;
events {{ worker_connections 2048; }}
http {{
    types {{ }}
    default_type application/octet-stream;
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    root {documents};
    ssl_certificate {folder}/server.pem;
    ssl_certificate_key {folder}/server.key;
    ssl_protocols TLSv1.2 TLSv1.3;
    server {{ listen 127.0.0.1:{plain} backlog=1024; }}
    server {{ listen 127.0.0.1:{secure} ssl http2 backlog=1024; }}
    server {{ listen 127.0.0.1:{limited} backlog=1024; limit_rate {rate}; }}
}}
"""


class Nginx:
    """A server while the ``with`` block lasts.

    Raises:
        RuntimeError: nginx does not begin to serve; the message has what it said.
        subprocess.CalledProcessError: openssl makes no certificate.
    """

    def __init__(self, program: str, openssl: str, folder: Path, documents: Path) -> None:
        self._program = program
        self._folder = folder
        self._said = folder / "nginx.log"
        self.plain, self.secure, self.limited = _free_ports(3)
        self.authority = folder / "authority.pem"
        """Who vouches for the certificate of ``secure``."""
        folder.mkdir(parents=True)
        _certify(openssl, folder)
        configuration = _CONFIGURATION.format(
            user="user root;" if os.geteuid() == 0 else "",  # the folders are this user's alone
            workers=max(1, (os.cpu_count() or 1) // 2),
            folder=folder,
            documents=documents,
            plain=self.plain,
            secure=self.secure,
            limited=self.limited,
            rate=RATE,
        )
        (folder / "nginx.conf").write_text(configuration, encoding="utf-8")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self._said.open("wb") as said:
            self._process = subprocess.Popen(
                [self._program, "-p", str(self._folder), "-c", str(self._folder / "nginx.conf")],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )
        try:
            for port in (self.plain, self.secure, self.limited):
                self._wait_for(port)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _wait_for(self, port: int) -> None:
        assert self._process is not None
        until = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=5).close()
            except OSError:
                if self._process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError(f"nginx does not serve: {self._said.read_text(errors='replace')}") from None
                time.sleep(0.02)
            else:
                return


def _free_ports(count: int) -> list[int]:
    """Ports that nobody listens on. nginx cannot be asked to choose its own."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]
    finally:
        for each in sockets:
            each.close()


def _certify(openssl: str, folder: Path) -> None:
    """An authority, and a certificate of it for 127.0.0.1 and localhost."""
    (folder / "server.ext").write_text(
        "subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\nkeyUsage=digitalSignature\n"
        "basicConstraints=CA:FALSE\nauthorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n",
        encoding="ascii",
    )
    new_key = "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
    signs = "-x509 -days 30 -subj /CN=authority -addext keyUsage=critical,keyCertSign,cRLSign"
    signed = "-CA authority.pem -CAkey authority.key -CAcreateserial -days 30 -extfile server.ext"
    for arguments in (
        f"{new_key} {signs} -keyout authority.key -out authority.pem",
        f"{new_key} -subj /CN=localhost -keyout server.key -out server.csr",
        f"x509 -req -in server.csr {signed} -out server.pem",
    ):
        subprocess.run([openssl, *arguments.split()], cwd=folder, check=True, capture_output=True)
