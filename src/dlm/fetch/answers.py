"""What the head of an answer says, read strictly: lengths, framing, ranges, validators. Pure.

Rules: RFC 9112 6 (length and coding of a body), RFC 9110 8.8 (validators) and 14.4 (Content-Range).
"""

from __future__ import annotations

from dlm.fetch.retry import http_date
from dlm.model.artifact import Validators

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ipaddress

    from dlm.model.wire import Head

__all__ = [
    "as_utf8",
    "body_length",
    "content_range",
    "ends_clearly",
    "framed",
    "is_public",
    "opaque_tag",
    "phrase",
    "resumable",
]

#: No honest length needs more (and a signed 64-bit integer holds no more).
_MAX_LENGTH = 2**63 - 1
#: RFC 9110 8.8.2.2: how much older than the answer a Last-Modified must be to prove that nothing changed since.
_STRONG_AGE = 60.0
_NAT64 = 0x0064FF9B << 96  # 64:ff9b::/96


def framed(head: Head) -> bool:
    """Whether length and coding of a body are stated at most once, validly, and not both (RFC 9112 6)."""
    codings = head.all("transfer-encoding")
    if codings and (head.version.startswith(("2", "3")) or [value.strip().lower() for value in codings] != ["chunked"]):
        return False
    lengths = {value.strip() for text in head.all("content-length") for value in text.split(",")}
    if not lengths:
        return True
    return not codings and len(lengths) == 1 and body_length(head) is not None


def body_length(head: Head) -> int | None:
    values = {value.strip() for text in head.all("content-length") for value in text.split(",")}
    text = values.pop() if len(values) == 1 else ""
    if not (text.isascii() and text.isdigit()) or len(text) > 19:
        return None
    return int(text) if int(text) <= _MAX_LENGTH else None


def ends_clearly(head: Head) -> bool:
    """Whether the end of a body without a length can be told from a cut."""
    return bool(head.all("transfer-encoding")) or head.version.startswith(("2", "3"))


def content_range(head: Head) -> tuple[int, int, int] | None:
    """First byte, the byte after the last, and the whole size, from a Content-Range; None where it does not say so."""
    values = head.all("content-range")
    if len(values) != 1:
        return None
    unit, _, rest = values[0].strip().partition(" ")
    pair, slash, total = rest.strip().partition("/")
    first, dash, last = pair.partition("-")
    numbers = [first, last, total]
    if unit.lower() != "bytes" or not slash or not dash:
        return None
    if not all(number.isascii() and number.isdigit() and len(number) <= 19 for number in numbers):
        return None
    start, end, size = int(first), int(last) + 1, int(total)
    return (start, end, size) if start < end <= size <= _MAX_LENGTH else None


def resumable(head: Head) -> Validators:
    """The validators that can prove that two pieces are of one whole: a Last-Modified only where it is a strong one."""
    etag, modified = head.get("etag"), head.get("last-modified")
    changed, answered = http_date(modified or ""), http_date(head.get("date") or "")
    if changed is None or answered is None or answered - changed < _STRONG_AGE:
        modified = None
    return Validators(etag, modified)


def opaque_tag(etag: str) -> str:
    """An ETag for weak comparison (RFC 9110 8.8.3.2)."""
    return etag.strip().removeprefix("W/")


def as_utf8(text: str) -> str:
    """A header value as the UTF-8 that many servers mean."""
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


def phrase(status: int) -> str:
    from http import HTTPStatus

    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def is_public(peer: str | None) -> bool:
    """Whether ``peer`` is an address that anyone on the internet could have meant; False where it is not known."""
    if peer is None:
        return False
    import ipaddress

    try:
        address = ipaddress.ip_address(peer.partition("%")[0])
    except ValueError:
        return False
    within = _embedded(address) if isinstance(address, ipaddress.IPv6Address) else None
    reached = within or address
    return reached.is_global and not reached.is_multicast and not reached.is_reserved


def _embedded(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that packets to an IPv6 address end at: mapped, 6to4 (RFC 3056), Teredo, NAT64 (RFC 6052)."""
    import ipaddress

    if int(address) >> 32 == _NAT64 >> 32:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (None if teredo is None else teredo[1])
