"""Bodies of requests: a form, JSON, multipart or plain bytes, as a manifest or a program asks.

A body is a template: ``${NAME}`` in it is filled in when the request is made. Pins, keys and retries follow the method,
the canonical URL and the template, so two different questions to one address are two artifacts.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlencode

from dlm.model.frozen import dataclass

__all__ = ["Body", "Part"]

#: Fills in the ``${NAME}`` of one text.
Expand = Callable[[str], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of a multipart body.

    Attributes:
        text: its content, or None where ``data`` has it.
        data: bytes that are sent as they are, from programs only: a manifest uploads no files of its reader's.
        filename, content_type: told to the server where given.
    """

    name: str
    text: str | None = None
    data: bytes | None = None
    filename: str | None = None
    content_type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What is sent. Exactly one of the fields is set.

    Attributes:
        form: pairs for ``application/x-www-form-urlencoded``.
        json: JSON text in canonical form (sorted keys, no blanks).
        parts: for ``multipart/form-data`` (RFC 7578).
        raw: bytes as they are, with ``content_type``.
    """

    form: tuple[tuple[str, str], ...] | None = None
    json: str | None = None
    parts: tuple[Part, ...] | None = None
    raw: bytes | None = None
    content_type: str | None = None

    def encode(self, expand: Expand) -> tuple[str, bytes]:
        """The content type and the bytes, with every reference filled in."""
        if self.form is not None:
            pairs = [(name, expand(value)) for name, value in self.form]
            return self.content_type or "application/x-www-form-urlencoded", urlencode(pairs).encode()
        if self.json is not None:
            filled = _fill_json(json.loads(self.json), expand)
            text = json.dumps(filled, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
            return self.content_type or "application/json", text.encode()
        if self.parts is not None:
            return _multipart(self.parts, expand)
        return self.content_type or "application/octet-stream", self.raw or b""

    def key(self) -> str:
        """What two bodies share if they are the same template."""
        if self.form is not None:
            return "form " + urlencode(self.form)
        if self.json is not None:
            return "json " + self.json
        hasher = hashlib.sha256(usedforsecurity=False)
        for part in self.parts or ():
            for piece in (part.name, part.text or "", part.filename or "", part.content_type or ""):
                hasher.update(piece.encode() + b"\0")
            hasher.update(part.data or b"")
        hasher.update(self.raw or b"")
        return f"{'parts' if self.parts is not None else 'raw'} {self.content_type or ''} {hasher.hexdigest()}"

    def texts(self) -> Iterable[str]:
        """Every text that may hold references."""
        for _, value in self.form or ():
            yield value
        if self.json is not None:
            yield self.json
        for part in self.parts or ():
            yield part.text or ""


def _fill_json(value: Any, expand: Expand) -> Any:
    if isinstance(value, str):
        return expand(value)
    if isinstance(value, list):
        return [_fill_json(one, expand) for one in value]
    if isinstance(value, dict):
        return {name: _fill_json(one, expand) for name, one in value.items()}
    return value


def _multipart(parts: tuple[Part, ...], expand: Expand) -> tuple[str, bytes]:
    """The parts between boundaries. The boundary comes from the content, so that one request has one form."""
    filled = [(part, part.data if part.data is not None else expand(part.text or "").encode()) for part in parts]
    hasher = hashlib.sha256(usedforsecurity=False)
    for part, data in filled:
        hasher.update(f"{part.name}\0{len(data)}\0".encode())
        hasher.update(data)
    boundary = f"dlm-{hasher.hexdigest()[:40]}"
    out: list[bytes] = []
    for part, data in filled:
        disposition = f'form-data; name="{_in_quotes(part.name)}"'
        if part.filename is not None:
            disposition += f'; filename="{_in_quotes(part.filename)}"'
        out.append(f"--{boundary}\r\nContent-Disposition: {disposition}\r\n".encode())
        if part.content_type is not None:
            out.append(f"Content-Type: {part.content_type}\r\n".encode())
        out.append(b"\r\n" + data + b"\r\n")
    out.append(f"--{boundary}--\r\n".encode())
    return f"multipart/form-data; boundary={boundary}", b"".join(out)


def _in_quotes(text: str) -> str:
    """A name between quotes, as browsers escape it (WHATWG, multipart/form-data encoding)."""
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
