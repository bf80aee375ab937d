"""The lockfile as values: what was got, for every resource and platform."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from dlm.model.frozen import dataclass, field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from dlm.model.digest import Digests
    from dlm.model.extract import Extracted

__all__ = ["REVISION", "VERSION", "LockEntry", "LockedArtifact", "Lockfile"]

#: The format that this dlm writes. A newer version is refused; a newer revision is read on.
VERSION = 1
REVISION = 0

_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedArtifact:
    """One file as it was got: the fields of the lockfile in the lockfile's order.

    Attributes:
        verified: False while only the manifest vouches for ``digests`` and ``size`` and no byte was seen.
        extracted: what came out of it, where it is unpacked and was at hand.
        extra: keys that a later dlm wrote; kept as they are.
    """

    filename: str
    url: str
    dest: str
    size: int
    digests: Digests
    platform: str | None = None
    version: str | None = None
    final_url: str | None = None
    verified: bool = True
    extracted: Extracted | None = None
    headers: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    evidence: tuple[Mapping[str, Any], ...] = ()
    extra: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)

    @property
    def sha256(self) -> str:
        """The digest that names its blob."""
        value = self.digests.sha256
        if value is None:
            raise ValueError("a locked artifact has a sha256")
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class LockEntry:
    """One resource: the request as the manifest had it, and the artifacts it stands for."""

    name: str
    request: Mapping[str, Any]
    artifacts: tuple[LockedArtifact, ...]
    extra: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lockfile:
    """All entries by name."""

    entries: Mapping[str, LockEntry] = field(default_factory=lambda: _NOTHING)
    version: int = VERSION
    revision: int = REVISION
    extra: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)

    def artifacts(self) -> tuple[tuple[LockEntry, LockedArtifact], ...]:
        """Every artifact with its entry, in the lockfile's order."""
        return tuple((entry, one) for _, entry in sorted(self.entries.items()) for one in entry.artifacts)
