"""Resources that say themselves where their bytes are: a URL, a URL per platform, or many files below one address."""

from __future__ import annotations

from collections.abc import Mapping

from dlm.errors import ResolutionError, UsageError
from dlm.model.artifact import Artifact
from dlm.model.frozen import replace
from dlm.model.manifest import fill
from dlm.model.paths import check_filename
from dlm.model.url import Url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dlm.model.digest import Digests
    from dlm.model.manifest import Resource, Variant
    from dlm.model.request import RequestWish

__all__ = ["adds_nothing", "artifacts"]


def adds_nothing(resource: Resource) -> bool:
    """Whether a locked URL says all about asking for an artifact that the resource would: no mirrors, no headers, no
    credentials, a plain GET. It goes by the text alone, and says no where that leaves a doubt."""
    if resource.mirrors or resource.headers or resource.userinfo is not None:
        return False
    if resource.ask.body is not None or resource.ask.method != "GET":
        return False
    written = [resource.url, resource.base, resource.version, *resource.vars.values()]
    for variant in resource.platforms:
        written += [variant.url, *variant.vars.values()]
    return not any(text is not None and "@" in text for text in written)


def artifacts(resource: Resource) -> tuple[Artifact, ...]:
    """The artifacts of a resource with ``url`` or ``base``, one for each platform or file; pure.

    Raises:
        ResolutionError: a template cannot be filled, which a checked manifest rules out and a lockfile does not.
    """
    try:
        if resource.base is not None:
            return tuple(_below(resource, resource.base, file.name, file.digests) for file in resource.files)
        if resource.platforms:
            return tuple(_for(resource, variant) for variant in resource.platforms)
        return (_for(resource, None),)
    except ValueError as error:
        raise ResolutionError(str(error), resource=resource.name, hint="edit the resource in the manifest") from error


def _below(resource: Resource, base: str, name: str, digests: Digests) -> Artifact:
    values = _values(resource, None)
    address = Url.parse(fill(base, values)).resolve(_escaped(name))
    return Artifact(
        resource=resource.name,
        filename=address.filename,
        url=_with_userinfo(address, Url.parse(fill(base, values))),
        dest=resource.destination(name),
        version=resource.version,
        mirrors=tuple(str(Url.parse(fill(one, values)).resolve(_escaped(name))) for one in resource.mirrors),
        digests=digests,
        headers=_headers(resource),
        executable=resource.executable,
        extract=resource.extract,
    )


def _for(resource: Resource, variant: Variant | None) -> Artifact:
    values = _values(resource, variant)
    template = (variant.url if variant is not None else None) or resource.url or ""
    address = _with_query(Url.parse(fill(template, values)), resource.ask)
    filename = _filename(address, resource.dest if resource.extract is None else resource.dest.removesuffix("/"))
    digests = (variant.digests if variant is not None else None) or resource.digests
    size = variant.size if variant is not None and variant.size is not None else resource.size
    return Artifact(
        resource=resource.name,
        filename=filename,
        url=_with_userinfo(address, address),
        dest=resource.destination(filename),
        version=resource.version,
        platform=variant.platform if variant is not None else None,
        mirrors=tuple(_with_userinfo(url, url) for url in (Url.parse(fill(one, values)) for one in resource.mirrors)),
        digests=digests,
        size=size,
        headers=_headers(resource),
        ask=replace(resource.ask, query=()),
        executable=resource.executable,
        extract=resource.extract,
    )


def _with_query(url: Url, ask: RequestWish) -> Url:
    """The address with the request's query joined to its own."""
    if not ask.query:
        return url
    query = f"{url.query}&{ask.query_text()}" if url.query else ask.query_text()
    return replace(Url.parse(f"{url.redacted}?{query}"), userinfo=url.userinfo)


def _filename(address: Url, dest: str) -> str:
    """The last segment of the URL's path, or where that cannot name a file, what the destination is called."""
    try:
        return check_filename(address.filename)
    except ValueError:
        return check_filename(dest.rsplit("/", 1)[-1])


def _values(resource: Resource, variant: Variant | None) -> dict[str, str]:
    values = dict(resource.vars)
    if resource.version is not None:
        values["version"] = resource.version
    if variant is not None:
        values.update(variant.vars)
    return values


def _headers(resource: Resource) -> Mapping[str, str]:
    """The resource's headers; literal credentials of its URL become one of them, so that no URL carries them."""
    if resource.userinfo is None or any(name.lower() == "authorization" for name in resource.headers):
        return resource.headers
    from dlm.model.basic import basic

    user, _, password = resource.userinfo.partition(":")
    try:
        value = basic(_unescaped(user), _unescaped(password))
    except ValueError as error:
        raise UsageError(f"the user in its address {error}", resource=resource.name) from None
    return {**resource.headers, "Authorization": value}


def _with_userinfo(address: Url, source: Url) -> str:
    """The address; credentials that the environment gives stay before the host, as they were written."""
    if source.userinfo is None:
        return str(address)
    return f"{address.scheme}://{source.userinfo}@{str(address).partition('://')[2]}"


def _escaped(name: str) -> str:
    from urllib.parse import quote

    return quote(name, safe="/!$&'()*+,;=@~._-")


def _unescaped(text: str) -> str:
    from urllib.parse import unquote

    return unquote(text)
