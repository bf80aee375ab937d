"""The commands of a transfer: what :class:`dlm.fetch.download.Download` asks to be done, one value each.

Every attempt has a number of its own and a span of the file, so that several may run at the same time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlm.model.frozen import dataclass, field

if TYPE_CHECKING:
    from dlm.errors import DlmError
    from dlm.model.artifact import Validators
    from dlm.model.digest import Digests
    from dlm.model.events import Event
    from dlm.model.url import Url

__all__ = [
    "Accept",
    "Begin",
    "Cancel",
    "Command",
    "Commit",
    "Drop",
    "Fail",
    "Reuse",
    "Span",
    "Start",
    "Tell",
    "Trim",
    "Wait",
]


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes ``start`` up to, not including, ``end`` of a file; to its end where ``end`` is None."""

    start: int = 0
    end: int | None = None

    @property
    def whole(self) -> bool:
        """Whether nothing is left out."""
        return self.start == 0 and self.end is None

    @property
    def header(self) -> str:
        """The value of a Range header (RFC 9110 14.2)."""
        return f"bytes={self.start}-" if self.end is None else f"bytes={self.start}-{self.end - 1}"


@dataclass(frozen=True, slots=True)
class Start:
    """Send attempt ``attempt``: ask for ``span`` of what is at ``url``; a GET unless the artifact asks otherwise."""

    attempt: int
    url: Url = field(repr=False)
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    span: Span = Span()
    public_only: bool = False
    method: str = "GET"
    body: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Cancel:
    """End an attempt at once; no event of it is wanted any more."""

    attempt: int


@dataclass(frozen=True, slots=True)
class Begin:
    """A whole body begins: what the writer holds is of no use."""

    validators: Validators
    total: int | None


@dataclass(frozen=True, slots=True)
class Accept:
    """The body of an attempt belongs at byte ``at``; more than ``limit`` bytes of it end the attempt."""

    attempt: int
    at: int
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Trim:
    """The body of an attempt is wanted up to byte ``end`` of the file, where it goes so far; then the attempt ends.

    The last word counts: who was to end earlier may go on after all, while it has not ended.
    """

    attempt: int
    end: int


@dataclass(frozen=True, slots=True)
class Drop:
    """The body of an attempt is not wanted; a small one may be read to keep the connection."""

    attempt: int
    small: bool


@dataclass(frozen=True, slots=True)
class Wait:
    """Come back in ``seconds``; where ``host`` is given, nothing else is to be asked of it before."""

    seconds: float
    host: str | None = None


@dataclass(frozen=True, slots=True)
class Commit:
    """All bytes are there: check them and give them their name."""

    expected: Digests
    size: int | None


@dataclass(frozen=True, slots=True)
class Reuse:
    """The origin confirmed the blob that the order knew."""


@dataclass(frozen=True, slots=True)
class Fail:
    """No source delivered. ``keep`` tells whether what the writer holds may serve a later run."""

    error: DlmError
    keep: bool


@dataclass(frozen=True, slots=True)
class Tell:
    """Something to report."""

    event: Event


Command = Start | Cancel | Begin | Accept | Trim | Drop | Wait | Commit | Reuse | Fail | Tell
