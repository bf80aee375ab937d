"""What passes between the rules of a transfer and a backend: a request, the head of an answer, and how it ended.

A backend speaks HTTP and decides nothing: it sends one request, hands over the head and the body as they come,
and names how the exchange ended in one of the words of :class:`Failure`.
"""

from __future__ import annotations

from enum import StrEnum

from dlm.model.frozen import dataclass, field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dlm.model.hosts import ClientCertificate
    from dlm.model.url import Url

__all__ = ["Ending", "Failure", "Head", "Request"]


class Failure(StrEnum):
    """How an exchange ends when it does not end well. Every backend uses these words for the same things."""

    #: The name of the host has no address.
    DNS = "dns"
    #: Nothing listens at the port.
    REFUSED = "refused"
    #: No route, or another reason why no connection came about.
    UNREACHABLE = "unreachable"
    CONNECT_TIMEOUT = "connect-timeout"
    #: No trust in the other side, or no common TLS.
    TLS = "tls"
    #: The other side ended TLS with an alert, most often for want of a client certificate that it trusts.
    TLS_REFUSED = "tls-refused"
    #: The proxy cannot be reached, or could not connect to the host.
    PROXY = "proxy"
    #: No trust in the proxy, or no common TLS with it.
    PROXY_TLS = "proxy-tls"
    #: The proxy does not allow it.
    PROXY_DENIED = "proxy-denied"
    #: The proxy asks for credentials.
    PROXY_LOGIN = "proxy-login"
    #: Connected, and no complete head of an answer in time.
    HEAD_TIMEOUT = "head-timeout"
    #: The connection was closed before the head of an answer was complete.
    CLOSED = "closed"
    #: The connection was closed, or the stream reset, before the body was complete.
    CUT = "cut"
    #: The body comes too slowly.
    STALLED = "stalled"
    #: What came is not valid HTTP.
    PROTOCOL = "protocol"
    #: The head of the answer is larger than any honest one.
    HEAD_SIZE = "head-size"
    #: HTTP/2: the server did not begin on the request (REFUSED_STREAM, RFC 9113 8.7).
    STREAM_REFUSED = "stream-refused"
    #: The connected address is not a public one though it has to be.
    PRIVATE = "private"
    #: More body than the exchange may take.
    TOO_LONG = "too-long"
    #: Whoever asked wanted no more of it.
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request.

    Attributes:
        url: the address, without anything left to fill in.
        headers: all headers to send but Host and those that frame the body.
        method, body: ``GET`` and None, or what is asked otherwise.
        proxy: the proxy to go through, with its credentials, or None for none.
        public_only: end with :attr:`Failure.PRIVATE`, before anything is sent, where the connected address is not
            a public one.
        client: what to show to a server that asks who we are.
    """

    url: Url = field(repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    method: str = "GET"
    body: bytes | None = field(default=None, repr=False)
    proxy: Url | None = field(default=None, repr=False)
    public_only: bool = False
    client: ClientCertificate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Status and headers of a final answer (1xx are none).

    Attributes:
        version: ``"1.0"``, ``"1.1"``, ``"2"`` or ``"3"``.
        fields: names in lower case, in the order in which they came, repetitions kept; values as Latin-1.
        peer: the address that was connected to, None behind a proxy.
    """

    status: int
    version: str = "1.1"
    fields: tuple[tuple[str, str], ...] = ()
    peer: str | None = None

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of the header ``name`` (lower case)."""
        return tuple(value for key, value in self.fields if key == name)

    def get(self, name: str) -> str | None:
        """The values of ``name`` (lower case) as one, joined by commas (RFC 9110 5.3), or None."""
        values = self.all(name)
        return ", ".join(values) if values else None


@dataclass(frozen=True, slots=True)
class Ending:
    """How an exchange ended: well where ``failure`` is None.

    Attributes:
        note: what the library said, for ``-v``; never part of a decision.
    """

    failure: Failure | None = None
    note: str = ""
