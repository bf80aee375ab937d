"""Does a lock entry still say what the manifest asks for? Pure.

An entry is stale when its ``request`` differs from the manifest's, and for no other reason. What differs decides
what it costs: another identity resolves anew, another placement is rewritten without the network.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from dlm.model.frozen import dataclass
from dlm.model.manifest import IDENTITY

if TYPE_CHECKING:
    from dlm.model.lockfile import LockEntry, Lockfile
    from dlm.model.manifest import Manifest, Resource

__all__ = ["Stale", "differences", "stale_entries"]

_PINS = frozenset({"digests", "size"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Stale:
    """One entry that the manifest and the lockfile disagree on.

    Attributes:
        kind: ``missing`` (only in the manifest), ``extra`` (only in the lockfile), ``identity`` (other bytes are
            meant), ``pins`` (other digests or another size), ``placement`` (the same bytes, elsewhere).
        fields: which parts of the request differ.
        details: each difference in words, old and new.
    """

    name: str
    kind: Literal["missing", "extra", "identity", "pins", "placement"]
    fields: tuple[str, ...] = ()
    details: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.kind == "missing":
            return f"{self.name}: not in the lockfile"
        if self.kind == "extra":
            return f"{self.name}: not in the manifest any more"
        return f"{self.name}: {'; '.join(self.details)}"


def differences(resource: Resource, entry: LockEntry | None) -> Stale | None:
    """How an entry differs from its resource, or None where it does not."""
    if entry is None:
        return Stale(name=resource.name, kind="missing")
    old, new = entry.request, resource.request()
    if old == new:
        return None
    fields = tuple(sorted(key for key in {*old, *new} if old.get(key) != new.get(key)))
    kind: Literal["identity", "pins", "placement"] = "placement"
    if any(field in IDENTITY for field in fields):
        kind = "identity"
    elif any(field in _PINS for field in fields):
        kind = "pins"
    return Stale(name=resource.name, kind=kind, fields=fields, details=tuple(_words(old, new, fields)))


def stale_entries(manifest: Manifest, lockfile: Lockfile) -> tuple[Stale, ...]:
    """Every disagreement, by name. An optional resource may lack its entry: getting it may have failed."""
    found = [
        stale
        for resource in manifest.resources
        if (stale := differences(resource, lockfile.entries.get(resource.name))) is not None
        and not (stale.kind == "missing" and resource.optional)
    ]
    names = {resource.name for resource in manifest.resources}
    found.extend(Stale(name=name, kind="extra") for name in lockfile.entries if name not in names)
    return tuple(sorted(found, key=lambda stale: stale.name))


def _words(old: Mapping[str, Any], new: Mapping[str, Any], fields: Sequence[str]) -> list[str]:
    return [f"{field} {_shown(old.get(field))} -> {_shown(new.get(field))}" for field in fields]


def _shown(value: Any) -> str:
    if value is None:
        return "(none)"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= 80 else f"{text[:77]}…"
