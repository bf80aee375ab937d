"""Downloads that a program asks for as it runs: what it asks (``Ask``) and what is kept of each answer (``Kept``)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal
from urllib.parse import parse_qsl, quote

from dlm.model.artifact import Artifact
from dlm.model.frozen import dataclass, field
from dlm.model.url import Url, secret_parameters

__all__ = ["FAILED", "READY", "WITHHELD", "Ask", "CheckMethod", "Kept", "ask_key", "shown_headers", "shown_url"]

#: How a version stands; the numbers are the predecessor's.
FAILED, READY = 2, 3
#: What stands in a record where a value may be a secret.
WITHHELD = "***"
CheckMethod = Literal["auto", "etag", "modified", "size", "hash"]

_NOTHING: Mapping[str, Any] = MappingProxyType({})
#: Request headers whose values say nothing that is anyone's secret.
_HARMLESS = frozenset({"accept", "accept-language", "content-type", "user-agent"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request, and how it is called in records.

    Attributes:
        key: the same for the same request, and for no other.
        uri: the address without the query that was given beside it, fit to be shown.
        params: what else was asked, fit to be shown: what may be secret is withheld.
        legacy_uri, legacy_params: the same in the clear, as the package ``cachedir`` makes its keys of them.
    """

    artifact: Artifact
    key: str
    uri: str
    params: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    legacy_uri: str = field(default="", repr=False)
    legacy_params: Mapping[str, Any] = field(default_factory=lambda: _NOTHING, repr=False)

    @property
    def repeatable(self) -> bool:
        """Whether it is a plain GET, which may be made a conditional one."""
        return not self.artifact.ask.key()


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One version of what a request brought, or a request that failed.

    Attributes:
        status: READY or FAILED; nothing else is ever to be seen.
        path: of its file, absolute; ``""`` where it failed.
        filename: how people know it; a server may have said so.
        date: when its bytes came, seconds since the epoch.
        checked: when the server last said that they are still the same, or ``date``.
        last_read: when it was last handed out, None for never.
        sha256, size: of its bytes.
        row: what a registry calls it.
    """

    key: str
    version: int
    status: int
    path: str
    uri: str
    filename: str = ""
    date: float = 0.0
    checked: float = 0.0
    last_read: float | None = None
    read_count: int = 0
    sha256: str | None = None
    size: int = 0
    attrs: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    params: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    row: int = 0


def ask_key(artifact: Artifact) -> str:
    """What two requests share only if they ask the same: method, address, headers and body, whatever their order."""
    url = Url.parse(artifact.url)
    document = [
        artifact.ask.key() or "GET",
        str(url),
        url.userinfo,
        sorted((name.lower(), value) for name, value in artifact.headers.items()),
    ]
    return hashlib.sha256(json.dumps(document).encode(), usedforsecurity=False).hexdigest()[:40]


def shown_url(url: Url) -> str:
    """An address for records: without user info, and with the values of secret parameters withheld."""
    secret = {name.lower() for name in secret_parameters(url.query)}
    if url.query is None or not secret:
        return str(url)
    pairs = parse_qsl(url.query, keep_blank_values=True)
    shown = [(name, WITHHELD if name.lower() in secret else value) for name, value in pairs]
    return f"{url.redacted}?" + "&".join(f"{quote(name, safe='')}={quote(value, safe='*')}" for name, value in shown)


def shown_headers(headers: Mapping[str, str]) -> list[str]:
    """Headers for records, as ``Name: value``."""
    return [f"{name}: {value if name.lower() in _HARMLESS else WITHHELD}" for name, value in headers.items()]
