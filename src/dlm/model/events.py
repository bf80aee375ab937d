"""What happens during a run, as values: rooms emit them, a ``Reporter`` shows them."""

from __future__ import annotations

from dlm.model.frozen import dataclass

__all__ = [
    "Event",
    "Fetched",
    "Fetching",
    "LinkFellBack",
    "Note",
    "Placed",
    "Progress",
    "Removed",
    "Resolved",
    "Resolving",
    "Retrying",
    "SourceFailed",
    "Waiting",
    "Warned",
]


@dataclass(frozen=True, slots=True)
class Resolving:
    """Selectors are being resolved against a site."""

    count: int


@dataclass(frozen=True, slots=True)
class Resolved:
    """A resource was resolved."""

    resource: str
    artifacts: int
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Fetching:
    """A transfer began; ``size`` in bytes where it is known, ``offset`` the bytes that an earlier run left."""

    resource: str
    filename: str
    url: str
    size: int | None
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """``received`` bytes of a transfer are here, of ``size`` where known."""

    resource: str
    filename: str
    received: int
    size: int | None


@dataclass(frozen=True, slots=True)
class Retrying:
    """A transfer failed and is tried again after ``wait`` seconds."""

    resource: str
    filename: str
    reason: str
    wait: float
    attempt: int


@dataclass(frozen=True, slots=True)
class SourceFailed:
    """One source of several could not deliver; the next is tried."""

    resource: str
    url: str
    reason: str


@dataclass(frozen=True, slots=True)
class Fetched:
    """An artifact's bytes are verified and in the store."""

    resource: str
    filename: str
    size: int
    seconds: float
    transferred: int
    source: str


@dataclass(frozen=True, slots=True)
class Placed:
    """A path shows its blob."""

    resource: str
    dest: str
    mode: str
    size: int


@dataclass(frozen=True, slots=True)
class Removed:
    """A path that nothing asks for any more is gone."""

    dest: str


@dataclass(frozen=True, slots=True)
class LinkFellBack:
    """A link mode could not be had; ``used`` was taken instead."""

    wanted: str
    used: str
    reason: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """Another process holds what this one needs."""

    what: str


@dataclass(frozen=True, slots=True)
class Warned:
    """Something that the user should know and that stops nothing."""

    message: str
    resource: str | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """A detail for ``-v``."""

    message: str


Event = (
    Resolving
    | Resolved
    | Fetching
    | Progress
    | Retrying
    | SourceFailed
    | Fetched
    | Placed
    | Removed
    | LinkFellBack
    | Waiting
    | Warned
    | Note
)
