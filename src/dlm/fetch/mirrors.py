"""From an artifact to the addresses that may deliver it, with every ``${NAME}`` and credential filled in.

Pure but for ``Variables`` and ``Credentials``. Credentials stay with the origin that they are meant for: headers go to
the origin of the artifact's own URL, user info to that of the URL it stands in, which never carries it over the wire;
the user's own configuration is asked about each address after rewriting. Of the headers of one name, those of the
manifest beat user info, and that beats the configuration.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from dlm.errors import LocalError, PolicyError, SettingsError, UsageError
from dlm.model.frozen import dataclass, replace
from dlm.model.late import late
from dlm.model.transfer import Source
from dlm.model.url import REFERENCE, Url, file_url, secret_parameters

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dlm.model.artifact import Artifact
    from dlm.model.rewrite import RewriteRule
    from dlm.ports import Credentials, Variables

__all__ = ["RESERVED_HEADERS", "sources"]

#: Request headers that the transfer itself decides about.
RESERVED_HEADERS = frozenset({
    "accept-encoding", "connection", "content-length", "expect", "host", "if-match",
    "if-modified-since", "if-none-match", "if-range", "if-unmodified-since", "keep-alive",
    "proxy-authorization", "proxy-connection", "range", "te", "trailer", "transfer-encoding", "upgrade",
})  # fmt: skip

_NAME = late(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")
_VALUE = late(r"[\t\x20-\x7e\x80-\xff]*\Z")


def sources(
    artifact: Artifact,
    variables: Variables,
    *,
    preferred: tuple[str, ...] = (),
    rewrite: tuple[RewriteRule, ...] = (),
    credentials: Credentials | None = None,
) -> tuple[Source, ...]:
    """The addresses of ``artifact`` in the order in which they are tried: preferred ones, its own, its mirrors.

    Each of them gives way to what the first rule of ``rewrite`` that fits puts in its place.

    Args:
        artifact: what to fetch; its addresses may hold ``${NAME}`` and user info.
        variables: the values behind ``${NAME}``.
        preferred: addresses that stand before the artifact's own, such as a mirror of the site that listed it.
        rewrite: the user's rules, in their order.
        credentials: what the user's configuration sends to an origin.

    What is wrong with the first of them is raised; another one is passed over for it, when its turn comes.

    Raises:
        UsageError: a variable is not set, or its value does not fit where it stands.
        PolicyError: a variable may not be used for a host, or rules leave no address to ask.
        SettingsError: a rule makes what is no address, or the configured credentials cannot be used.
        LocalError: a helper command for credentials failed.
    """
    own = _parse(artifact, artifact.url)
    if not (preferred or rewrite or artifact.mirrors) and _is_plain(artifact, own, credentials):
        return (Source(url=own),)
    plain = (
        *((_parse(artifact, address), False) for address in preferred),
        (own, True),
        *((_parse(artifact, address), False) for address in artifact.mirrors),
    )
    found: dict[str, Source] = {}
    for url, origin in _rewritten(plain, rewrite, artifact.digests.sha256):
        if artifact.ask.body is not None and url.origin != own.origin:
            continue  # what is sent may be secret, and is meant for the artifact's own origin alone
        headers = artifact.headers if url.origin == own.origin else {}
        try:
            source = _source(artifact, url, headers, variables, credentials, origin=origin)
        except (SettingsError, UsageError, LocalError) as error:
            if not found:
                raise
            # It may never come to its turn; what it lacks is no reason not to ask those before it.
            source = Source(url=replace(url, userinfo=None), origin=origin, problem=error)
        key = str(source.url)
        if key not in found:
            found[key] = source
        elif origin:
            # The artifact's own address named as preferred too: it keeps its place, and it is the origin.
            found[key] = replace(found[key], origin=True)
    if not found:
        raise PolicyError(
            f"rewrite rules leave no address to ask for {own.redacted}",
            resource=artifact.resource or None,
            hint="a rule with origin: block matches it; give that rule a source that can serve it (one with {sha256}"
            " needs a digest in the manifest), or change the rule",
        )
    return tuple(found.values())


def _is_plain(artifact: Artifact, own: Url, credentials: Credentials | None) -> bool:
    """Whether an address is asked as it stands, with nothing filled in and nothing sent along: nearly all are."""
    if own.userinfo is not None or own.query is not None or "{" in own.path or artifact.headers:
        return False
    if artifact.ask.body is not None or artifact.ask.method != "GET":
        return False
    if credentials is None:
        return True
    login = credentials.for_url(own, authorized=False)
    return not (login.headers or login.secrets)


def _rewritten(
    addresses: tuple[tuple[Url, bool], ...], rules: tuple[RewriteRule, ...], sha256: str | None
) -> list[tuple[Url, bool]]:
    """Every address to ask, and whether it is the artifact's own."""
    if not rules:
        return list(addresses)
    from dlm.model.rewrite import first_match

    found: list[tuple[Url, bool]] = []
    late: list[tuple[Url, bool]] = []
    for url, origin in addresses:
        hit = first_match(rules, url, sha256)
        if hit is None:
            found.append((url, origin))
            continue
        rule, number = hit
        found += [(_parse_filled(text, number), False) for text in rule.sources(url, sha256)]
        if rule.origin == "allow":
            found.append((url, origin))
        elif rule.origin == "last":
            late.append((url, origin))
    return found + late


def _parse_filled(text: str, number: int) -> Url:
    try:
        # A file has no query, which belongs to the name of what is there instead.
        return file_url(text.partition("?")[0]) if text.startswith("file:") else Url.parse(text)
    except ValueError as error:
        raise SettingsError(
            f"rewrite: rule {number} makes an address that cannot be used: {error}", hint="correct the rule"
        ) from None


def _quote(text: str, safe: str) -> str:
    from urllib.parse import quote  # most addresses hold no reference

    return quote(text, safe=safe)


@dataclass(frozen=True, slots=True)
class _Filler:
    """Fills in references for one address and remembers what it filled in."""

    variables: Variables
    url: Url
    secrets: list[str]

    def value(self, match: re.Match[str]) -> str:
        value = self.variables.value(match[1], self.url)
        self.secrets.append(value)
        return value

    def plain(self, text: str) -> str:
        return REFERENCE.sub(self.value, text)

    def path(self, text: str) -> str:
        return self._quoted(text, lambda value: _quote(value, ""))

    def query(self, text: str) -> str:
        """Behind ``=`` a reference is a value and escaped whole; elsewhere it is a piece of the query as it stands.

        So ``?key=${KEY}`` and ``?${SIGNED}`` both do what they look like: signed queries come ready-made.
        """
        return "&".join(self._parameter(part) for part in text.split("&"))

    def _parameter(self, part: str) -> str:
        name, equals, value = part.partition("=")
        filled = self._quoted(name, lambda text: _quote(text, "!$&'()*+,;=:@/?%-._~"))
        return filled + equals + (self.path(value) if equals else "")

    def _quoted(self, text: str, quote: Callable[[str], str]) -> str:
        def put(match: re.Match[str]) -> str:
            raw = self.value(match)
            quoted = quote(raw)
            if quoted != raw:
                self.secrets.append(quoted)
            return quoted

        return REFERENCE.sub(put, text)


def _parse(artifact: Artifact, text: str) -> Url:
    try:
        return Url.parse(text)
    except ValueError as error:
        raise UsageError(f"an address of it cannot be used: {error}", resource=artifact.resource) from None


def _source(
    artifact: Artifact,
    url: Url,
    headers: Mapping[str, str],
    variables: Variables,
    credentials: Credentials | None,
    *,
    origin: bool,
) -> Source:
    if url.scheme == "file":
        return Source(url=url, origin=False)  # nobody to send anything to
    secrets: list[str] = []
    filler = _Filler(variables, url, secrets)
    sent = list(_headers(artifact, headers, filler))
    names = {name.lower() for name, _ in sent}
    login = _login(url, filler)
    if login is not None and "authorization" not in names:
        sent.append(("Authorization", _own_login(artifact, login)))
        names.add("authorization")
    if login is not None:
        secrets.extend(login)
    if credentials is not None:
        users = credentials.for_url(replace(url, userinfo=None), authorized="authorization" in names)
        sent += [(name, _users(url, name, value)) for name, value in users.headers if name.lower() not in names]
        names.update(name.lower() for name, _ in users.headers)
        secrets.extend(users.secrets)
    for _, value in sent:
        secrets.append(value)
        # The token behind "Bearer " or "Basic " alone is as secret as the whole value.
        secrets.extend(part for part in value.split() if len(part) >= 8)
    body: bytes | None = None
    if artifact.ask.body is not None:
        kind, body = artifact.ask.body.encode(filler.plain)
        if "content-type" not in names:
            sent.append(("Content-Type", kind))
    query = None if url.query is None else filler.query(url.query)
    secrets.extend(_signed(query))
    text = f"{url.origin}{filler.path(url.path)}" + ("" if query is None else f"?{query}")
    return Source(
        url=_parse(artifact, text),
        origin=origin,
        headers=tuple(sent),
        method=artifact.ask.method,
        body=body,
        secrets=tuple(dict.fromkeys(secret for secret in secrets if secret)),
    )


def _headers(artifact: Artifact, headers: Mapping[str, str], filler: _Filler) -> Iterator[tuple[str, str]]:
    for name, text in headers.items():
        if not _NAME.match(name):
            raise UsageError(f"{name!r} is not the name of a header", resource=artifact.resource)
        if name.lower() in RESERVED_HEADERS:
            raise UsageError(f"the header {name} is dlm's own to send", resource=artifact.resource)
        value = filler.plain(text).strip(" \t")
        if not _VALUE.match(value):
            raise UsageError(
                f"the value of the header {name} holds a line end or another character that no header may hold",
                resource=artifact.resource,
                hint=f"look at what {_names(text)} holds; a trailing newline is the usual reason",
            )
        yield name, value


def _users(url: Url, name: str, value: str) -> str:
    """The value of a header from the user's configuration, checked."""
    if not _NAME.match(name) or name.lower() in RESERVED_HEADERS or not _VALUE.match(value):
        shown = repr(name[:40]) if not _NAME.match(name) else name
        raise SettingsError(
            f"the credentials for {url.netloc} hold the header {shown}, which cannot be sent so",
            hint="look at hosts in your config.yaml, and at the helper command that it names",
        )
    return value.strip(" \t")


def _names(text: str) -> str:
    found = REFERENCE.findall(text)
    return " and ".join(found) if found else "it"


def _login(url: Url, filler: _Filler) -> tuple[str, str] | None:
    if url.userinfo is None:
        return None
    user, _, password = url.userinfo.partition(":")
    return _unescaped(user, filler), _unescaped(password, filler)


def _unescaped(text: str, filler: _Filler) -> str:
    """What is escaped in the URL is unescaped; what a variable holds is taken as it is."""
    from urllib.parse import unquote

    pieces: list[str] = []
    position = 0
    for match in REFERENCE.finditer(text):
        pieces += [unquote(text[position : match.start()]), filler.value(match)]
        position = match.end()
    pieces.append(unquote(text[position:]))
    return "".join(pieces)


def _own_login(artifact: Artifact, login: tuple[str, str]) -> str:
    from dlm.model.basic import basic  # few addresses carry a login

    try:
        return basic(*login)
    except ValueError as error:
        raise UsageError(f"the user in its address {error}", resource=artifact.resource) from None


def _signed(query: str | None) -> Iterator[str]:
    """The values of parameters that are known to carry a secret."""
    names = {name.lower() for name in secret_parameters(query)}
    for pair in (query or "").split("&") if names else ():
        name, _, value = pair.partition("=")
        if name.lower() in names:
            yield value
