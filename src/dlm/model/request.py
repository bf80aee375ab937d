"""Requests that are more than a GET of a URL: a query, a form, JSON or multipart, as a manifest or a program asks.

A body is a template: ``${NAME}`` in it is filled in when the request is made. Pins, keys and retries follow the method,
the canonical URL and the template, so two different questions to one address are two artifacts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Body", "Part", "RequestWish", "canonical_json", "pairs_of"]

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
            from urllib.parse import urlencode

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
            from urllib.parse import urlencode

            return "form " + urlencode(self.form)
        if self.json is not None:
            return "json " + self.json
        import hashlib

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


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestWish:
    """How a resource is asked for. The query has become part of its URL by then.

    Attributes:
        method: ``GET`` or ``POST``.
        query: pairs that are added to the URL's query, as written.
        body: what is sent, None for nothing.
    """

    method: str = "GET"
    query: tuple[tuple[str, str], ...] = ()
    body: Body | None = None

    def request(self) -> dict[str, Any]:
        """The normal form for the lockfile, defaults dropped."""
        out: dict[str, Any] = {}
        if self.body is not None:
            if self.body.form is not None:
                out["form"] = [list(pair) for pair in self.body.form]
            if self.body.json is not None:
                out["json"] = json.loads(self.body.json)
            if self.body.parts is not None:
                out["multipart"] = {part.name: part.text or "" for part in self.body.parts}
        if self.method != ("GET" if self.body is None else "POST"):
            out["method"] = self.method
        if self.query:
            out["query"] = [list(pair) for pair in self.query]
        return dict(sorted(out.items()))

    @classmethod
    def from_request(cls, document: Mapping[str, Any]) -> RequestWish:
        """From the normal form that ``request`` gives.

        Raises:
            ValueError, TypeError: it has another form.
        """
        body: Body | None = None
        if "form" in document:
            body = Body(form=tuple((str(name), str(value)) for name, value in document["form"]))
        elif "json" in document:
            body = Body(json=canonical_json(document["json"]))
        elif "multipart" in document:
            body = Body(parts=tuple(Part(name=name, text=text) for name, text in document["multipart"].items()))
        query = tuple((str(name), str(value)) for name, value in document.get("query", ()))
        return cls(method=document.get("method", "GET" if body is None else "POST"), query=query, body=body)

    def key(self) -> str:
        """What two requests to one URL share if they ask the same; empty for a plain GET."""
        if self.method == "GET" and self.body is None:
            return ""
        return f"{self.method} {self.body.key() if self.body is not None else ''}"

    def query_text(self) -> str:
        """The pairs as a query; ``${NAME}`` stays as it is."""
        return "&".join(f"{_quoted(name)}={_quoted(value)}" for name, value in self.query)


def pairs_of(fields: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Pairs from a mapping: a list gives one pair for each of its values; true and false are words.

    Raises:
        ValueError: a value is neither text, a number, true or false, nor a list of these.
    """
    found: list[tuple[str, str]] = []
    for name, value in fields.items():
        for one in value if isinstance(value, list | tuple) else (value,):
            if isinstance(one, bool):
                found.append((name, "true" if one else "false"))
            elif isinstance(one, str | int | float):
                found.append((name, str(one)))
            else:
                raise ValueError(f"{name} is neither text nor a number, nor a list of these")
    return tuple(found)


def canonical_json(value: Any) -> str:
    """One text for one JSON value."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False)


def _quoted(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe="${}-._~")


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
    import hashlib

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
