"""How a resource is asked for: ``RequestWish``, a plain GET unless the manifest says otherwise."""

from __future__ import annotations

import json
from collections.abc import Mapping

from dlm.model.frozen import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from dlm.model.body import Body

__all__ = ["RequestWish", "canonical_json", "pairs_of"]


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
        body = _body(document)
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


def _body(document: Mapping[str, Any]) -> Body | None:
    if not any(kind in document for kind in ("form", "json", "multipart")):
        return None
    from dlm.model.body import Body, Part

    if "form" in document:
        return Body(form=tuple((str(name), str(value)) for name, value in document["form"]))
    if "json" in document:
        return Body(json=canonical_json(document["json"]))
    return Body(parts=tuple(Part(name=name, text=text) for name, text in document["multipart"].items()))


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
