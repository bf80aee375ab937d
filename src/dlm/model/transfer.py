"""What a transfer is asked to do and how it ended: ``Order`` -> ``Arrived`` or ``Lost``."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from dlm.model.frozen import dataclass, field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    from dlm.errors import DlmError
    from dlm.model.artifact import Artifact, Blob, Receipt, Validators
    from dlm.model.digest import Digests
    from dlm.model.url import Url

__all__ = ["Answered", "Arrived", "Carried", "Known", "Lost", "Order", "Outcome", "Page", "Source", "Standing"]

_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One address that may deliver an artifact, ready to be asked.

    Attributes:
        url: with every ``${NAME}`` filled in; never printed but as ``url.redacted``.
        origin: whether it is the artifact's own address, not a mirror.
        headers: request headers with values filled in, for this source's own origin alone.
        method, body: ``GET`` and None, unless the artifact asks otherwise; a body goes to this source's origin alone.
        secrets: values that must not appear in any text, whoever wrote it.
        problem: why it cannot be asked, when its turn comes; None for nearly all.
    """

    url: Url = field(repr=False)
    origin: bool = True
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    method: str = "GET"
    body: bytes | None = field(default=None, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    problem: DlmError | None = None

    @property
    def shown(self) -> str:
        """The address for messages."""
        return self.url.redacted


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the store remembers of an origin's last answer for one URL.

    Attributes:
        digests, size: of the body that came then.
        validators: to ask whether it is still the same.
        headers: the kept headers of that answer.
        final_url: where permanent redirects led.
        serial: changes whenever a process records a new answer; tells whether one came while this one waited.
    """

    digests: Digests
    size: int
    validators: Validators
    headers: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    final_url: str | None = None
    serial: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One artifact to fetch, with its sources in the order in which they are tried.

    Attributes:
        most: the most bytes that it may have, None for the user's setting.
        known: the blob that is at hand from the same origin, to be confirmed by a conditional request; only where
            the artifact has no digest yet.
        seen: the serial of what was known of the address when the order was made, 0 for nothing: another serial later
            means that somebody has fetched it meanwhile. None: when the transfer begins is early enough to look.
        lenient: whether any whole answer will do: an empty one, and 201 and 203 as well as 200.
        bare: whether nobody will read the headers of the answer.
        spare: permissions of a second file that is wanted of a large body, None for none; as in ``Store.writer``.
        variant: sets apart what is asked for with other values at one address, in the key.
        number: its place in a round.
    """

    artifact: Artifact
    sources: tuple[Source, ...]
    known: Known | None = None
    most: int | None = None
    seen: int | None = None
    lenient: bool = False
    bare: bool = False
    spare: int | None = None
    variant: str = ""
    number: int = 0

    @property
    def key(self) -> str:
        """What two orders for the same bytes share: the pinned digest, else the canonical address and headers."""
        sha256 = self.artifact.digests.sha256
        if sha256 is not None:
            return f"sha256:{sha256}"
        names = ",".join(sorted(name.lower() for name in self.artifact.headers))
        asked = self.artifact.ask.key()
        key = f"url:{self.artifact.url}#{names}" + (f"#{asked}" if asked else "")
        return f"{key}#={self.variant}" if self.variant else key


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """The artifact of an order is in the store."""

    order: Order
    blob: Blob
    receipt: Receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """An order failed at every source."""

    order: Order
    error: DlmError


Outcome = Arrived | Lost


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """The artifacts of some orders are in the store, and nobody asks how they came there.

    Attributes:
        numbers: of the orders in their round.
        blobs: of each, as in ``Arrived``.
        transferred: the bytes that came over the wire.
    """

    numbers: tuple[int, ...]
    blobs: tuple[Blob, ...]
    transferred: int


#: What an origin has at an address now, next to what was got there: ``unknown`` where its answer does not tell.
Standing: TypeAlias = "Literal['same', 'changed', 'gone', 'unknown']"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What an origin answered to the question whether it still has what was got there.

    Attributes:
        moved: where permanent redirects led, as in ``Receipt.final_url``; known only of what is the same.
        error: why it is gone, or why nothing is known.
        size: of what is there now, where the origin began to send it and said how long it is.
    """

    order: Order
    standing: Standing
    moved: str | None = None
    error: DlmError | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A small document read into memory, such as a listing.

    Attributes:
        url: the address that answered, after redirects.
        text: the body, decoded as UTF-8 with replacements.
        headers: lower-case names.
    """

    url: Url
    text: str
    headers: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
