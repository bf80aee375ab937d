"""A certificate authority of the tests' own, and certificates for every way in which a server's may be wrong."""

from __future__ import annotations

import atexit
import datetime as dt
import functools
import shutil
import ssl
import tempfile
from pathlib import Path

import trustme

from dlm.model.hosts import ClientCertificate

NAMES = ("localhost", "127.0.0.1", "::1")


class Authority:
    """An authority, and the PEM file that clients may trust.

    Attributes:
        ca: what issues certificates.
        ca_file: its own one.
    """

    def __init__(self, folder: Path) -> None:
        self.ca = trustme.CA()
        self.ca_file = str(folder / "ca.pem")
        self.ca.cert_pem.write_to_path(self.ca_file)

    def server(self, *names: str, expired: bool = False, http2: bool = False) -> ssl.SSLContext:
        """A server's context for ``names`` (the loopback's by default)."""
        past = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
        context = showing(self.ca.issue_cert(*(names or NAMES), not_after=past if expired else None))
        context.set_alpn_protocols(["h2", "http/1.1"] if http2 else ["http/1.1"])
        return context

    def client(self, folder: Path) -> ClientCertificate:
        """A certificate with its key for a client, as files in ``folder``."""
        issued = self.ca.issue_cert("client@example.org")
        certificate, key = folder / "client.pem", folder / "client.key"
        for number, blob in enumerate(issued.cert_chain_pems):
            blob.write_to_path(certificate, append=number > 0)
        issued.private_key_pem.write_to_path(key)
        return ClientCertificate(str(certificate), str(key))


def showing(leaf: trustme.LeafCert) -> ssl.SSLContext:
    """A server's context with a certificate of one's own making."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf.configure_cert(context)
    return context


@functools.cache
def authority() -> Authority:
    """The authority that the tests trust."""
    return Authority(_folder())


@functools.cache
def stranger() -> Authority:
    """An authority that nobody trusts."""
    return Authority(_folder())


def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="dlm-tls-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
