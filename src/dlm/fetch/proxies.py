"""Which proxy a request goes through: one rule for both backends, whose own reading of the environment is off.

``Settings.proxy`` serves every request; otherwise the border hands in what ``HTTP_PROXY``, ``HTTPS_PROXY``,
``ALL_PROXY`` and ``NO_PROXY`` say, under the keys ``http``, ``https``, ``all`` and ``no_proxy``.
"""

from __future__ import annotations

from dlm.errors import SettingsError
from dlm.model.url import Url
from dlm.model.wire import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dlm.model.settings import Settings
    from dlm.model.wire import Request

__all__ = ["authorization", "blamed", "proxy_for", "refusal"]

#: Of a port, at most.
_DIGITS = 5


def proxy_for(url: Url, settings: Settings) -> Url | None:
    """The proxy for ``url``, or None for a direct connection.

    Raises:
        SettingsError: the proxy's address is not one; its credentials are not shown.
    """
    if url.scheme == "file":
        return None
    if settings.proxy is not None:
        return _parse(settings.proxy, "proxy") if settings.proxy else None
    name = next((name for name in (url.scheme, "all") if settings.proxies.get(name)), None)
    if name is None or _passed_over(url, settings.proxies.get("no_proxy", "")):
        return None
    return _parse(settings.proxies[name], f"{name}_proxy")


def authorization(proxy: Url) -> str | None:
    """What a proxy is sent as Proxy-Authorization: what libcurl makes of the same user info, to the byte."""
    userinfo = proxy.userinfo
    if userinfo is None or userinfo == ":":
        return None
    from urllib.parse import unquote

    from dlm.model.basic import basic

    user, _, password = userinfo.partition(":")
    return basic(unquote(user, errors="surrogateescape"), unquote(password, errors="surrogateescape"))


def refusal(status: int) -> Failure:
    """What a proxy means that answers CONNECT with ``status``, which is not 2xx."""
    if status == 407:
        return Failure.PROXY_LOGIN
    return Failure.PROXY_DENIED if 400 <= status < 500 else Failure.PROXY


def blamed(failure: Failure, request: Request, *, beyond: bool) -> Failure:
    """``failure`` before there was an answer, in words for a proxy where it is the proxy's.

    ``beyond``: the connection goes beyond the proxy: there is a tunnel, or the request is under way, or there is no
    proxy. What is asked for by plain http has no TLS beyond it.
    """
    if request.proxy is None:
        return failure
    if failure in {Failure.TLS, Failure.TLS_REFUSED} and (not beyond or request.url.scheme == "http"):
        return Failure.PROXY_TLS
    return failure if beyond or failure in _OF_PROXIES else Failure.PROXY


_OF_PROXIES = frozenset({Failure.PROXY_DENIED, Failure.PROXY_LOGIN})


def _parse(text: str, name: str) -> Url:
    try:
        proxy = Url.parse(text if "://" in text else f"http://{text}")
        if "%3A" in (proxy.userinfo or "").partition(":")[0]:
            raise ValueError("its user holds a colon, which HTTP cannot send")
    except ValueError as error:
        raise SettingsError(
            f"{name} is not the address of a proxy: {error}", hint="write it as http://host:port"
        ) from None
    return proxy


def _passed_over(url: Url, no_proxy: str) -> bool:
    """Whether ``no_proxy`` names the host: ``*``, a name and all below it, an address or network; a port may follow."""
    for entry in no_proxy.replace(",", " ").split():
        if entry == "*":
            return True
        name, port = _split_port(entry.lower())
        if port is not None and port != url.effective_port:
            continue
        if _covers(name, url.host):
            return True
    return False


def _split_port(entry: str) -> tuple[str, int | None]:
    if entry.startswith("["):
        name, _, rest = entry[1:].partition("]")
        port = rest.removeprefix(":")
    elif entry.count(":") == 1:
        name, _, port = entry.partition(":")
    else:
        name, port = entry, ""
    return name, int(port[: _DIGITS + 1]) if port.isascii() and port.isdigit() else None


def _covers(name: str, host: str) -> bool:
    import ipaddress  # only where somebody has an entry in NO_PROXY

    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        bare = name.lstrip("*").strip(".")
        plain = host.rstrip(".")
        return bool(bare) and (plain == bare or plain.endswith(f".{bare}"))
    try:
        network = ipaddress.ip_network(name, strict=False)
    except ValueError:
        return False
    return address.version == network.version and address in network
