"""Digests that a server states beside a body. They pin nothing, since whoever forged the body would forge them too;
one that disagrees is worth a word.

Rules: RFC 9530 (Repr-Digest, Content-Digest), RFC 3230 (Digest), RFC 1864 (Content-MD5).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dlm.model.wire import Head

__all__ = ["disagreement", "stated"]

#: Names in the headers -> names in hashlib.
_ALGORITHMS = {"sha-256": "sha256", "sha-512": "sha512", "md5": "md5"}
_ITEM = re.compile(r"\s*([A-Za-z0-9*._-]+)\s*=\s*(?::([A-Za-z0-9+/=]*):|([A-Za-z0-9+/=]+))\s*\Z")


def stated(head: Head) -> list[tuple[str, str, str]]:
    """Header, algorithm and hexadecimal value of each digest that the head of a whole answer states."""
    found: list[tuple[str, str, str]] = []
    for header in ("repr-digest", "content-digest", "digest"):
        for algorithm, encoded in _items(head.get(header) or ""):
            value = _hex(encoded)
            if value is not None:
                found.append((header, algorithm, value))
    value = _hex((head.get("content-md5") or "").strip())
    if value is not None:
        found.append(("content-md5", "md5", value))
    return found


def disagreement(head: Head, actual: Mapping[str, str]) -> str | None:
    """The first header whose digest differs from that of ``actual`` (hexadecimal by algorithm), or None."""
    for header, algorithm, value in stated(head):
        if algorithm in actual and actual[algorithm] != value:
            return header
    return None


def _items(text: str) -> Iterator[tuple[str, str]]:
    for part in text.split(","):
        match = _ITEM.match(part)
        if match is not None and match[1].lower() in _ALGORITHMS:
            yield _ALGORITHMS[match[1].lower()], match[2] or match[3] or ""


def _hex(encoded: str) -> str | None:
    if not encoded:
        return None
    import base64
    import binascii

    try:
        raw = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw.hex() if len(raw) in {16, 32, 64} else None
