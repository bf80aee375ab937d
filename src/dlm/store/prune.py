"""Which blobs may go: pure. ``LocalStore.prune`` carries it out."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet

from dlm.model.frozen import dataclass

__all__ = ["Pruned", "StoredBlob", "victims"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredBlob:
    """A blob as listings show it, not checked.

    Attributes:
        name: how people know it, ``""`` where nobody said.
        size: in bytes.
        used: when it was last asked for or written, seconds since the epoch.
    """

    sha256: str
    name: str
    size: int
    used: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What a prune removed, or would remove.

    Attributes:
        removed: the blobs, least recently used first.
        freed: bytes, of other files too.
        locked: how many more would have gone if no lockfile named them.
        used: how many more would have gone if no running process used them.
        left: bytes of all blobs that stay.
    """

    removed: tuple[StoredBlob, ...]
    freed: int
    locked: int
    used: int
    left: int


def victims(
    blobs: Iterable[StoredBlob],
    keep: AbstractSet[str],
    *,
    now: float,
    max_size: int | None,
    max_age: float | None,
) -> tuple[list[StoredBlob], list[StoredBlob]]:
    """The blobs that go, least recently used first, and those that would go as well if nothing kept them.

    Args:
        keep: the sha256 of blobs that stay in any case.
        now: seconds since the epoch.
        max_size: bytes that blobs may have together; as many of the least recently used go as it takes.
        max_age: seconds since a blob was last used after which it goes. With neither, all go that nothing keeps.
    """
    going: list[StoredBlob] = []
    kept: list[StoredBlob] = []
    ordered = sorted(blobs, key=lambda blob: (blob.used, blob.sha256))
    total = sum(blob.size for blob in ordered)
    for blob in ordered:
        old = max_age is not None and now - blob.used > max_age
        large = max_size is not None and total > max_size
        if not old and not large and (max_age is not None or max_size is not None):
            continue
        if blob.sha256 in keep:
            kept.append(blob)
        else:
            going.append(blob)
            total -= blob.size
    return going, kept
