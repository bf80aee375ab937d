"""URLs: one parser for every decision and for both backends, so that no two parts can read one address differently.

What comes out is canonical: lower-case scheme and host, IDNA host without the root's dot, no default port, dot segments
resolved, unreserved characters unescaped, everything else escaped, no fragment. User info is kept beside the URL and
never printed. ``${NAME}`` stays as it is until a request is made.

Rules: RFC 3986 (syntax, 5.2 reference resolution), RFC 9110 4.2 (http and https), IDNA 2008 for host names.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import lru_cache

from dlm.model.frozen import dataclass, field, replace
from dlm.model.late import late

__all__ = [
    "DEFAULT_PORTS",
    "FILE",
    "REFERENCE",
    "Url",
    "canonical_host",
    "canonical_piece",
    "file_url",
    "has_userinfo",
    "is_plain",
    "path_of",
    "secret_parameters",
]

#: ``${NAME}``: a value of the environment, put in when the request is made.
REFERENCE = late(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")

_SCHEME = late(r"([A-Za-z][A-Za-z0-9+.\-]*):")
_ODD = late(r'[\x00-\x20\x7f-\x9f\\<>"^`|\ud800-\udfff]')
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_PATH_SAFE = _UNRESERVED | frozenset("!$&'()*+,;=:@/")
_QUERY_SAFE = _PATH_SAFE | frozenset("?[]")
_USER_SAFE = _UNRESERVED | frozenset("!$&'()*+,;=:")
_LABEL = late(r"(?!-)[a-z0-9_-]{1,63}(?<!-)\Z")
#: Characters of a text in a message, at most: a host's name has no more.
_SHOWN = 253
DEFAULT_PORTS = {"http": 80, "https": 443}

# An address whose path stands in canonical form already, unless it has dot segments: no user info, query, fragment,
# escape or ${NAME}. Nearly all are such, and thousands share one host.
_PLAIN = re.compile(r"(https?)://([A-Za-z0-9.:_\[\]-]+)(/[A-Za-z0-9\-._~!$&'()*+,;=:@/]*)\Z")
_PLAIN_PATH = late(r"/[A-Za-z0-9\-._~!$&'()*+,;=:@/]*\Z")
# What a reference of a listing or a list of files nearly always is: a path below the folder that it stands in.
_PLAIN_BELOW = late(r"[A-Za-z0-9\-_~!$&'()*+,;=@][A-Za-z0-9\-._~!$&'()*+,;=@/]*\Z")

# Query parameters that carry a secret, or prove that the URL was signed for one person and a short time.
_SECRET_PARAMETERS = frozenset({
    "access_token", "accesskey", "access_key", "api-key", "api_key", "apikey", "auth", "auth_token", "authorization",
    "awsaccesskeyid", "client_secret", "credential", "id_token", "jwt", "key-pair-id", "oauth_token", "passwd",
    "password", "private_token", "pwd", "refresh_token", "secret", "session_token", "sig", "signature", "token",
    "x-amz-credential", "x-amz-security-token", "x-amz-signature", "x-goog-credential", "x-goog-signature",
    "x-ms-signature", "x-oss-signature", "x-cos-signature", "private-token", "job_token",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Url:
    """An http or https address in canonical form.

    ``str(url)`` is the canonical text without user info; ``url.redacted`` has no query either and is what
    messages show. ``userinfo`` never appears in ``repr``.
    """

    scheme: str
    host: str
    port: int | None
    path: str
    query: str | None = None
    userinfo: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, text: str) -> Url:
        """Read an absolute http or https URL.

        Raises:
            ValueError: it is not one; the message says why, without the URL's secrets.
        """
        plain = _PLAIN.match(text)
        if plain is not None:
            scheme, authority, path = plain.groups()
            if "/." not in path:
                host, port = _plain_authority(authority, scheme)
                return cls(scheme, host, port, path)
        return cls._parse_any(text)

    @classmethod
    def _parse_any(cls, text: str) -> Url:
        """Any URL, by all of the rules; :meth:`parse` is this function made quick."""
        if not text:
            raise ValueError("an empty URL")
        _refuse_odd_characters(text)
        match = _SCHEME.match(text)
        if match is None:
            raise ValueError("not an absolute URL; it begins with https:// or http://")
        scheme = match[1].lower()
        if scheme not in DEFAULT_PORTS:
            raise ValueError(f"only http and https are fetched, not {_shortened(scheme)}:")
        rest = text[match.end() :]
        if not rest.startswith("//"):
            raise ValueError(f"{scheme}: is followed by two slashes and a host")
        body = rest[2:].partition("#")[0]
        authority, path, query = _split(body)
        userinfo, host, port = _authority(authority, scheme)
        return cls(
            scheme,
            host,
            port,
            _path(path),
            _escape(query, _QUERY_SAFE) if query is not None else None,
            userinfo,
        )

    def resolve(self, reference: str) -> Url:
        """The absolute URL that ``reference`` (of a Location header or an ``href``) means from here, by RFC 3986 5.2.

        Blanks around it are dropped and inside it escaped, since servers send them. User info is never inherited.

        Raises:
            ValueError: it leads to something that is not an http or https URL.
        """
        if _PLAIN_BELOW.match(reference) is not None and "/." not in reference:
            return Url(self.scheme, self.host, self.port, self.path[: self.path.rindex("/") + 1] + reference)
        return self._resolve_any(reference)

    def _resolve_any(self, reference: str) -> Url:
        """Any reference, by all of the rules."""
        text = reference.strip(" \t\r\n\f").replace(" ", "%20").partition("#")[0]
        match = _SCHEME.match(text)
        if match is not None and "/" not in match[1]:
            return Url.parse(text)
        if text.startswith("//"):
            return Url.parse(f"{self.scheme}:{text}")
        _refuse_odd_characters(text)
        path, mark, query = text.partition("?")
        if not path:
            keep = self.query if not mark else _escape(query, _QUERY_SAFE)
            return replace(self, query=keep, userinfo=None)
        if not path.startswith("/"):
            path = self.path[: self.path.rindex("/") + 1] + path
        return replace(self, path=_path(path), query=_escape(query, _QUERY_SAFE) if mark else None, userinfo=None)

    @property
    def netloc(self) -> str:
        """Host and, where it is not the scheme's own, port; an IPv6 address in brackets."""
        return _netloc(self.host, self.port)

    @property
    def origin(self) -> str:
        """Scheme, host and port: what a credential is bound to (RFC 6454)."""
        return _origin(self.scheme, self.host, self.port)

    @property
    def effective_port(self) -> int:
        """The port that is connected to."""
        return self.port or DEFAULT_PORTS[self.scheme]

    @property
    def redacted(self) -> str:
        """The URL for messages: without user info and query."""
        return f"{self.origin}{self.path}"

    @property
    def filename(self) -> str:
        """The last segment of the path, unescaped; empty where the path ends in a slash."""
        segment = self.path.rsplit("/", 1)[-1]
        return _unescape(segment)

    def __str__(self) -> str:
        return self.redacted if self.query is None else f"{self.redacted}?{self.query}"


FILE = "file:///"
"""How the address of a file of this machine begins."""
_FILE_PATH = late(r"(?:/(?:[A-Za-z0-9\-._~!$&'()*+,;=:@ ]|%[0-9A-Fa-f]{2})*)+\Z")


def file_url(text: str) -> Url:
    """The address of a file of this machine, as only the user's own settings have any; :meth:`Url.parse` knows none.

    Raises:
        ValueError: it is not one, or leads back up: what is filled in may come from a hostile manifest.
    """
    path = text.removeprefix("file://")
    if not text.startswith(FILE) or _FILE_PATH.match(path) is None:
        raise ValueError(f"{FILE} is followed by a path, with what is special in it escaped")
    for segment in map(_unescape, path.split("/")):
        if segment in {".", ".."} or any(sign in segment for sign in "/\\\0"):
            raise ValueError("a file's address does not lead back up")
    return Url("file", "", None, path)


def path_of(url: Url) -> str:
    """The file that an address of :func:`file_url` means, as this system writes it."""
    path = _unescape(url.path)
    return path.lstrip("/").replace("/", os.sep) if os.name == "nt" else path


def canonical_host(text: str) -> str:
    """A host without a port as it stands in a canonical address; an IPv6 address in brackets, here and there.

    Raises:
        ValueError: it is none.
    """
    host, _ = _hostport(text)
    return _netloc(host, None)


def canonical_piece(text: str, *, query: bool = False) -> str:
    """A piece of a path, or of a query, as it stands in a canonical address; dot segments stay.

    Raises:
        ValueError: no address holds that.
    """
    return _escape(text, _QUERY_SAFE if query else _PATH_SAFE)


def is_plain(text: str, origin: str) -> bool:
    """Whether an address is one below ``origin``, in canonical form, with nothing but a path."""
    return (
        text.startswith(origin) and "/." not in text[len(origin) :] and _PLAIN_PATH.match(text, len(origin)) is not None
    )


def _netloc(host: str, port: int | None) -> str:
    shown = f"[{host}]" if ":" in host else host
    return shown if port is None else f"{shown}:{port}"


@lru_cache(maxsize=256)
def _origin(scheme: str, host: str, port: int | None) -> str:
    """Thousands of files share one."""
    return f"{scheme}://{_netloc(host, port)}"


def has_userinfo(text: str) -> bool:
    """Whether an address carries credentials; as ``Url.parse(text).userinfo`` tells, for less.

    Raises:
        ValueError: as :meth:`Url.parse` does.
    """
    plain = _PLAIN.match(text)
    if plain is None:
        return Url.parse(text).userinfo is not None
    _plain_authority(plain[2], plain[1])
    return False


def secret_parameters(query: str | None) -> tuple[str, ...]:
    """Names of query parameters that are known to carry a secret and stand there with a literal value."""
    return tuple(dict.fromkeys(_secret_names(query or "")))


def _secret_names(query: str) -> Iterator[str]:
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        if value and name.lower() in _SECRET_PARAMETERS and REFERENCE.sub("", value):
            yield name


def _refuse_odd_characters(text: str) -> None:
    match = _ODD.search(text)
    if match is None:
        return
    if match[0] in '\\<>"^`|' or match[0] >= "\ud800":
        raise ValueError(f"a URL does not hold the character {match[0]!r}")
    raise ValueError("a URL has no blanks and no control characters; write them as %20 and the like")


def _split(body: str) -> tuple[str, str, str | None]:
    """Authority, path and query of what stands behind ``//``; ``${NAME}`` does not hide a delimiter."""
    end = min((index for index in (body.find("/"), body.find("?")) if index >= 0), default=len(body))
    authority, rest = body[:end], body[end:]
    path, mark, query = rest.partition("?")
    return authority, path, query if mark else None


def _authority(text: str, scheme: str) -> tuple[str | None, str, int | None]:
    userinfo, at, hostport = text.rpartition("@")
    if "@" in userinfo:
        raise ValueError("more than one @ before the path; escape the one in the password as %40")
    checked = (_escape(userinfo, _USER_SAFE) or None) if at else None
    host, port = _hostport(hostport)
    if port == DEFAULT_PORTS[scheme]:
        port = None
    return checked, host, port


@lru_cache(maxsize=256)
def _plain_authority(text: str, scheme: str) -> tuple[str, int | None]:
    """Host and port of an authority that has no user info, so that no secret is kept."""
    _, host, port = _authority(text, scheme)
    return host, port


def _hostport(text: str) -> tuple[str, int | None]:
    if text.startswith("["):
        address, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError("an IPv6 address stands in brackets, as in https://[::1]:8080/")
        import ipaddress

        try:
            host = ipaddress.IPv6Address(address).compressed
        except ValueError:
            raise ValueError(f"[{_shortened(address)}] is not an IPv6 address") from None
        if "%" in address:
            raise ValueError("an IPv6 address in a URL has no zone")
        port_text = rest[1:] if rest else ""
    else:
        name, colon, port_text = text.partition(":")
        if ":" in port_text:
            raise ValueError("an IPv6 address stands in brackets, as in https://[::1]:8080/")
        host = _host(name)
        if not colon:
            return host, None
    if not port_text:
        return host, None
    if not (port_text.isascii() and port_text.isdigit()) or len(port_text) > 5 or not 0 < int(port_text) <= 65535:
        raise ValueError("the port is not a number from 1 to 65535")  # it may be a password cut short by a slash
    return host, int(port_text)


def _host(name: str) -> str:
    if not name:
        raise ValueError("the host is missing")
    if "%" in name or "{" in name:
        raise ValueError("the host is written plainly, without escapes or ${NAME}")
    if not name.isascii():
        import idna  # only where a name needs it: its tables are large

        try:
            name = idna.encode(name, uts46=True).decode("ascii")
        except idna.IDNAError as error:
            raise ValueError(f"{_shortened(name)!r} is not a host name: {_shortened(str(error))}") from None
    host = name.lower()
    labels = host.removesuffix(".").split(".")
    if len(host) > 253 or not all(_LABEL.match(label) for label in labels):
        raise ValueError(f"{_shortened(name)!r} is not a host name")
    is_address = len(labels) == 4 and not host.endswith(".") and all(map(_is_octet, labels))
    if not is_address and re.fullmatch(r"[0-9]+|0x[0-9a-f]*", labels[-1]):
        # 0x7f.1, 2130706433 and 010.0.0.1 mean different addresses to different libraries.
        raise ValueError(f"{_shortened(name)!r} is not an IPv4 address of four decimal numbers")
    # With and without the dot of the root it is one host: what the user says of it counts for both.
    return host.removesuffix(".")


def _shortened(text: str) -> str:
    """What a server wrote may be of any length."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _is_octet(text: str) -> bool:
    """Whether it is a number from 0 to 255 without needless zeros, which some read as octal."""
    return text.isdigit() and len(text) <= 3 and int(text) < 256 and (text == "0" or not text.startswith("0"))


def _path(text: str) -> str:
    escaped = _escape(text, _PATH_SAFE)
    segments: list[str] = []
    parts = escaped.split("/")[1:] if escaped else [""]
    for index, segment in enumerate(parts):
        last = index == len(parts) - 1
        if segment == "..":
            if segments:
                segments.pop()
            if last:
                segments.append("")
        elif segment == ".":
            if last:
                segments.append("")
        else:
            segments.append(segment)
    return "/" + "/".join(segments)


def _escape(text: str, safe: frozenset[str]) -> str:
    """Escape what must be, unescape what need not be; ``${NAME}`` is copied as it stands."""
    pieces: list[str] = []
    position = 0
    for match in REFERENCE.finditer(text):
        pieces.append(_escape_plain(text[position : match.start()], safe))
        pieces.append(match[0])
        position = match.end()
    pieces.append(_escape_plain(text[position:], safe))
    return "".join(pieces)


def _escape_plain(text: str, safe: frozenset[str]) -> str:
    if not (set(text) - safe):
        return text
    out: list[str] = []
    index = 0
    while index < len(text):
        character = text[index]
        if character == "%":
            code = text[index + 1 : index + 3]
            if len(code) == 2 and not set(code) - set("0123456789abcdefABCDEF"):
                value = int(code, 16)
                if value in {0, 10, 13}:
                    raise ValueError(f"a URL does not hold %{code}")
                plain = chr(value)
                out.append(plain if plain in _UNRESERVED else f"%{code.upper()}")
                index += 3
                continue
            out.append("%25")
        elif character in safe:
            out.append(character)
        else:
            out.extend(f"%{byte:02X}" for byte in character.encode())
        index += 1
    return "".join(out)


def _unescape(text: str) -> str:
    if "%" not in text:
        return text
    raw = re.sub(rb"%([0-9A-Fa-f]{2})", lambda match: bytes([int(match[1], 16)]), text.encode())
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return text
