"""Which proxy a request goes through: one rule for both backends, whose own reading of the environment is off.

``Settings.proxy`` serves every request; otherwise the border hands in what ``HTTP_PROXY``, ``HTTPS_PROXY``,
``ALL_PROXY`` and ``NO_PROXY`` say, under the keys ``http``, ``https``, ``all`` and ``no_proxy``.
"""

from __future__ import annotations

from dlm.errors import SettingsError
from dlm.model.url import Url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dlm.model.settings import Settings

__all__ = ["proxy_for"]

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


def _parse(text: str, name: str) -> Url:
    try:
        return Url.parse(text if "://" in text else f"http://{text}")
    except ValueError as error:
        raise SettingsError(
            f"{name} is not the address of a proxy: {error}", hint="write it as http://host:port"
        ) from None


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
