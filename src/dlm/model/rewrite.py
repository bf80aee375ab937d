"""Rules of the user's that put other addresses in the place of some: patterns, and where to go instead. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from dlm.model.frozen import dataclass, field
from dlm.model.url import DEFAULT_PORTS, canonical_host, canonical_piece, file_url

if TYPE_CHECKING:
    from dlm.model.url import Url

__all__ = ["OriginMode", "RewriteRule", "first_match"]

#: What becomes of an address that a rule matches: it keeps its place behind the rule's sources (``allow``), it comes
#: behind every other source (``last``), or it is never asked (``block``).
OriginMode = Literal["allow", "last", "block"]

_PLACE = re.compile(r"(?<!\$)\{([^{}]*)\}")
_PREFIX = re.compile(r"(https?|\*)://([^/]+)(/.*)?\Z", re.DOTALL)
#: Host and port.
_AUTHORITY = re.compile(r"(\[[^\]]*\]|[^:]*)(?::([0-9]{1,5}))?\Z")
_DIGEST = re.compile(r"sha256(?::([1-9][0-9]?))?\Z")
#: Slashes of a folder's address, as in file:///mnt/.
_FOLDER = 4
_WORDS = ("host", "path", "filename")


@dataclass(frozen=True, slots=True)
class RewriteRule:
    """One rule.

    Attributes:
        match: as the user wrote it.
        to: templates of addresses, in the order in which they are tried.
        origin: what becomes of the address itself.
        pattern: what ``match`` means.
    """

    match: str
    to: tuple[str, ...]
    origin: OriginMode
    pattern: re.Pattern[str] = field(repr=False)

    @classmethod
    def of(cls, match: str, to: tuple[str, ...], origin: OriginMode = "last") -> RewriteRule:
        """A rule that was checked.

        Args:
            match: the beginning of an address, in which ``*`` stands for anything; or, where it begins with ``^``,
                a regular expression for the beginning of an address.
            to: templates with ``{host}``, ``{path}``, ``{filename}``, ``{sha256}``, ``{sha256:N}`` (its first N
                digits) and ``{1}``, ``{2}``, … (what each ``*``, or each group, stood for).

        Raises:
            ValueError: a pattern or template that makes no sense.
        """
        pattern = _pattern(match)
        if not to and origin != "block":
            raise ValueError("a rule without sources is of use with origin: block alone")
        for template in to:
            _check(template, pattern.groups)
        return cls(match, to, origin, pattern)

    def sources(self, url: Url, sha256: str | None) -> tuple[str, ...]:
        """The addresses for ``url``, which the rule matches.

        A template that names the digest is left out where no digest is known; one that would carry a ``${NAME}``
        from ``url`` to another host is left out in any case, since what stands behind the name is not for that host.
        """
        found = self.pattern.match(str(url))
        if found is None:
            return ()
        filled = (_filled(template, url, found, sha256) for template in self.to)
        return tuple(text for text in filled if text is not None)


def first_match(rules: tuple[RewriteRule, ...], url: Url, sha256: str | None) -> tuple[RewriteRule, int] | None:
    """The first rule for ``url`` and its number from 1; None where all pass it over.

    A rule whose every source needs a digest that is not known is passed over, unless it blocks: what is blocked
    stays so.
    """
    for number, rule in enumerate(rules, 1):
        if rule.pattern.match(str(url)) and (rule.origin == "block" or rule.sources(url, sha256)):
            return rule, number
    return None


def _pattern(match: str) -> re.Pattern[str]:
    if match.startswith("^"):
        try:
            return re.compile(match)
        except re.error as error:
            raise ValueError(f"match is no regular expression: {error}") from None
    parts = _PREFIX.match("*://*/" if match == "*" else match)
    if parts is None:
        raise ValueError("match begins with https://, http:// or *:// and a host, or with ^ as a regular expression")
    scheme, authority, rest = parts[1], parts[2], parts[3] or "/"
    if "@" in authority:
        raise ValueError("match holds no credentials: addresses are compared without them")
    path, mark, query = rest.partition("?")
    if "#" in rest or any(segment in {".", ".."} for segment in path.split("/")):
        raise ValueError("match has no . or .. and no # in its path: addresses are compared without them")
    # A host ends where it ends: example.org is not the beginning of example.org.evil.example.
    return re.compile(
        _place(scheme, authority)
        + _starred(path, "(.*)", canonical_piece)
        + (re.escape(mark) + _starred(query, "(.*)", lambda piece: canonical_piece(piece, query=True)) if mark else ""),
        re.DOTALL,
    )


def _place(scheme: str, authority: str) -> str:
    """Scheme, host and port, which stand in an address as ``Url`` writes it."""
    schemes = "https?" if scheme == "*" else scheme
    parts = _AUTHORITY.match(authority)
    if parts is None:  # a star where a port may stand
        return f"{schemes}://{_starred(authority, '([^/]*)', _host)}"
    name, port = parts.groups()
    host = _starred(name, "([^/]*)", _host) if "*" in name else re.escape(canonical_host(name))
    if port is None:
        return f"{schemes}://{host}"
    usual = next((one for one, number in DEFAULT_PORTS.items() if number == int(port)), None)
    if usual is None or (scheme not in {"*", usual}):
        return f"{schemes}://{host}:{int(port)}"
    if scheme == usual:
        return f"{scheme}://{host}"
    # An address has the port of its own scheme unwritten, and that of the other one written.
    other = "http" if usual == "https" else "https"
    return rf"(?!{other}://(?:\[[^\]]*\]|[^/:]*)/){schemes}://{host}(?::{int(port)})?"


def _host(piece: str) -> str:
    """A piece of a host between two stars."""
    if piece.isascii():
        return piece.lower()
    return ".".join(label if label.isascii() else canonical_host(label) for label in piece.lower().split("."))


def _starred(text: str, star: str, canonical: Callable[[str], str]) -> str:
    return star.join(re.escape(canonical(piece)) for piece in text.split("*"))


def _check(template: str, groups: int) -> None:
    for found in _PLACE.finditer(template):
        name = found[1]
        digest = _DIGEST.match(name)
        if name in _WORDS or (digest is not None and int(digest[1] or 1) <= 64):
            continue
        if name.isascii() and name.isdigit() and 1 <= int(name) <= groups:
            continue
        raise ValueError(
            f"{{{name[:40]}}} has no meaning; there are {{host}}, {{path}}, {{filename}}, {{sha256}}, {{sha256:2}}"
            + (f" and {{1}} to {{{groups}}}" if groups > 1 else " and {1}" if groups else "")
        )
    if template.startswith("file:"):
        _check_file(template)
    elif not re.match(r"https?://[^/@]+(/|\Z)", template):
        raise ValueError("a source begins with https:// or http:// and a host, without credentials, or with file:///")


def _check_file(template: str) -> None:
    """What is filled in comes from manifests: it may name files below a folder, and no folder."""
    if "${" in template:
        raise ValueError("a source below file:/// has no ${} in it")
    fixed = template.partition("{")[0]
    file_url(fixed)
    if fixed.count("/") < _FOLDER:
        raise ValueError("a source below file:/// begins with a folder, as in file:///mnt/mirror/{path}")


def _filled(template: str, url: Url, found: re.Match[str], sha256: str | None) -> str | None:
    missing = False

    def put(place: re.Match[str]) -> str:
        nonlocal missing
        value = _value(place[1], url, found, sha256)
        if value is None or "${" in value:
            missing = True
        return value or ""

    text = _PLACE.sub(put, template)
    return None if missing else text


def _value(name: str, url: Url, found: re.Match[str], sha256: str | None) -> str | None:
    digest = _DIGEST.match(name)
    if digest is not None:
        return None if sha256 is None else sha256[: int(digest[1] or 64)]
    match name:
        case "host":
            return url.host
        case "path":
            # With its query, without which it may be another file.
            return url.path.removeprefix("/") + ("" if url.query is None else f"?{url.query}")
        case "filename":
            return url.path.rsplit("/", 1)[-1]
        case _:
            return found[int(name)] or ""
