"""What the user sets for single hosts: credentials, a client certificate, variables. And which entry serves a URL.

A credential is bound to an origin: scheme, host and port. So an entry for a plain host name is meant for https at its
usual port; another port, or plain http, is written out. Only this machine itself (the loopback) is one place under
every scheme and port.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from dlm.model.frozen import dataclass, field

if TYPE_CHECKING:
    from dlm.model.url import Url

__all__ = ["ClientCertificate", "HostSettings", "Login", "client_certificate", "entry_for", "is_safe"]


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """Files (PEM) that a client shows to a server: the certificate, and its key where that is in a file of its own."""

    certificate: str
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSettings:
    """One entry of ``hosts``. ``${NAME}`` in its values is filled in from the environment when a request is made.

    Attributes:
        variables: names beyond ``DLM_AUTH_*`` that a manifest may take from the environment for this host.
        user, password: for HTTP Basic (RFC 7617).
        token: for ``Authorization: Bearer`` (RFC 6750).
        headers: further request headers.
        client: what to show to a server that asks for a certificate.
        helper: a command that is asked for headers, word by word.
    """

    variables: tuple[str, ...] = ()
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    client: ClientCertificate | None = None
    helper: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Login:
    """What a request to one origin is sent with, beyond what the manifest says.

    Attributes:
        headers: names with values.
        secrets: further values that must not appear in any text.
    """

    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)


def entry_for(url: Url, hosts: Mapping[str, HostSettings], proxy: Url | None = None) -> HostSettings | None:
    """The most specific entry that is meant for ``url``: its origin, host and port, host, ``*.`` and a domain above.

    Args:
        proxy: what requests to ``url`` go through.
    """
    return next((hosts[key] for key in _keys(url, proxy) if key in hosts), None) if hosts else None


def client_certificate(url: Url, hosts: Mapping[str, HostSettings]) -> ClientCertificate | None:
    """What to show to the server of ``url``, None where nothing is set."""
    entry = entry_for(url, hosts) if url.scheme == "https" else None
    return None if entry is None else entry.client


def is_safe(url: Url, proxy: Url | None = None) -> bool:
    """Whether nobody on the way to ``url`` can read along: TLS, or no way at all.

    A proxy on another machine is a way, and what it takes for this machine is its own.
    """
    if url.scheme == "https":
        return True
    return _is_loopback(url.host) and (proxy is None or _is_loopback(proxy.host))


def _keys(url: Url, proxy: Url | None) -> Iterator[str]:
    yield url.origin
    if not is_safe(url, proxy):
        return
    yield url.netloc
    if url.port is not None and not _is_loopback(url.host):
        return
    yield f"[{url.host}]" if ":" in url.host else url.host
    labels = url.host.split(".")
    for index in range(1, len(labels)):
        yield f"*.{'.'.join(labels[index:])}"


def _is_loopback(host: str) -> bool:
    # An IPv4 address is four plain decimal numbers by now, and an IPv6 address is in its shortest form.
    numbers = host.split(".")
    if len(numbers) == 4 and numbers[0] == "127" and all(number.isdigit() for number in numbers):
        return True
    return host in {"localhost", "::1"} or host.endswith(".localhost")
