"""The name that a server gives a file: Content-Disposition, and names made safe for a disk. Pure.

Rules: RFC 6266 4 (``filename*`` counts before ``filename``), RFC 9110 5.6 (tokens, quoted strings), RFC 8187
(``UTF-8''…``). The name is a remark about a file, never a path.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

from dlm.model.paths import check_filename

__all__ = ["disposition_name", "safe_name"]

_WORD = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_PARAMETER = re.compile(rf'\s*;\s*(?P<name>{_WORD})\s*=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^;]*))')
_KIND = re.compile(rf"\s*(?:{_WORD})?(?=\s*(?:;|\Z))")
_EXTENDED = re.compile(r"(?P<charset>utf-8|iso-8859-1)'[^']*'(?P<value>[^']*)\Z", re.IGNORECASE)
_REPLACED = re.compile(r'[<>:"|?*\\/]')
_LONGEST = 200


def disposition_name(header: str) -> str | None:
    """The file name in a Content-Disposition, as the server wrote it; None where there is none that can be read.

    Args:
        header: the value as Latin-1, as headers come.
    """
    found: dict[str, str] = {}
    for name, value in _parameters(header):
        found.setdefault(name, value)
    extended = _EXTENDED.match(found.get("filename*", "").strip())
    if extended is not None:
        try:
            return unquote_to_bytes(extended["value"]).decode(extended["charset"]) or None
        except UnicodeDecodeError:
            pass
    plain = found.get("filename")
    return _as_meant(plain) if plain else None


def safe_name(text: str, default: str = "download") -> str:
    """A name that every platform can hold, from whatever text somebody else chose: its last segment, made harmless."""
    last = re.split(r"[/\\]", text)[-1]
    kept = "".join("_" if unicodedata.category(one) in {"Cc", "Cf", "Cs", "Zl", "Zp"} else one for one in last)
    kept = _cut(_REPLACED.sub("_", kept).strip(" ").rstrip(". "))
    if not kept.strip("."):
        return default
    try:
        return check_filename(kept)
    except ValueError:
        return f"_{kept}"  # a reserved name of Windows


def _parameters(header: str) -> Iterator[tuple[str, str]]:
    kind = _KIND.match(header)
    # Some servers leave the kind out and begin with the name.
    text, position = (header, kind.end()) if kind is not None else (f";{header}", 0)
    while (match := _PARAMETER.match(text, position)) is not None:
        quoted = match["quoted"]
        value = match["plain"].strip() if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        yield match["name"].lower(), value
        position = match.end()


def _as_meant(text: str) -> str:
    """A plain name as the UTF-8 that many servers send."""
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


def _cut(name: str) -> str:
    """At most so many bytes, the suffix kept."""
    if len(name.encode()) <= _LONGEST:
        return name
    stem, dot, suffix = name.rpartition(".")
    if not dot or len(suffix) > 16:
        stem, suffix = name, ""
    room = _LONGEST - len(suffix.encode()) - 1
    return stem.encode()[:room].decode("utf-8", "ignore").rstrip(". ") + (f".{suffix}" if suffix else "")
