"""``dlm diff`` and ``dlm why-stale``: two lockfiles, and lockfile and manifest, next to each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from dlm.errors import UsageError
from dlm.model.frozen import dataclass
from dlm.model.suggest import suggest
from dlm.staleness import stale_entries

if TYPE_CHECKING:
    from dlm.model.lockfile import LockedArtifact, LockEntry, Lockfile
    from dlm.staleness import Stale
    from dlm.workflows.run import Run

__all__ = ["Difference", "FileChange", "compare", "why_stale"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChange:
    """One artifact then and now; None where it was not, or is not any more."""

    old: LockedArtifact | None
    new: LockedArtifact | None

    @property
    def fields(self) -> tuple[tuple[str, str | None, str | None], ...]:
        """What differs: the field, its old and its new value."""
        before, after = _fields(self.old), _fields(self.new)
        return tuple(
            (name, before.get(name), after.get(name))
            for name in {**before, **after}
            if before.get(name) != after.get(name)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One entry that two lockfiles disagree on.

    Attributes:
        request: which parts of the request differ.
        files: which artifacts do.
    """

    name: str
    action: Literal["added", "removed", "changed"]
    request: tuple[str, ...] = ()
    files: tuple[FileChange, ...] = ()

    @property
    def versions(self) -> tuple[str, str]:
        """Old and new versions in words, empty where there are none."""
        return _versions(one.old for one in self.files), _versions(one.new for one in self.files)


def compare(old: Lockfile, new: Lockfile) -> tuple[Difference, ...]:
    """Every entry that differs, by name."""
    found: list[Difference] = []
    for name in sorted({*old.entries, *new.entries}):
        before, after = old.entries.get(name), new.entries.get(name)
        if before == after:
            continue
        action: Literal["added", "removed", "changed"] = "changed"
        if before is None or after is None:
            action = "added" if before is None else "removed"
        found.append(Difference(name=name, action=action, request=_request(before, after), files=_files(before, after)))
    return tuple(found)


def why_stale(run: Run, names: Sequence[str] = ()) -> tuple[Stale, ...]:
    """How manifest and lockfile disagree, about ``names`` or everything.

    Raises:
        UsageError: neither has such a resource.
    """
    manifest = run.manifest()
    lockfile = run.locked(manifest)
    known = sorted({*lockfile.entries, *(resource.name for resource in manifest.resources)})
    for name in names:
        if name not in known:
            raise UsageError(f"the manifest has no resource {name!r}{suggest(name, known)}", hint="run `dlm list`")
    return tuple(one for one in stale_entries(manifest, lockfile) if not names or one.name in names)


def _request(before: LockEntry | None, after: LockEntry | None) -> tuple[str, ...]:
    if before is None or after is None:
        return ()
    keys = sorted({*before.request, *after.request})
    return tuple(key for key in keys if before.request.get(key) != after.request.get(key))


def _files(before: LockEntry | None, after: LockEntry | None) -> tuple[FileChange, ...]:
    """Artifacts side by side: by platform and address, what is left by platform and order."""
    old = {(one.platform, one.url): one for one in (before.artifacts if before else ())}
    new = {(one.platform, one.url): one for one in (after.artifacts if after else ())}
    pairs = [FileChange(old=old[key], new=new[key]) for key in old if key in new and old[key] != new[key]]
    gone = [one for key, one in old.items() if key not in new]
    came = [one for key, one in new.items() if key not in old]
    for one in gone:
        match = next((other for other in came if other.platform == one.platform), None)
        if match is not None:
            came.remove(match)
        pairs.append(FileChange(old=one, new=match))
    return (*pairs, *(FileChange(old=None, new=one) for one in came))


def _fields(one: LockedArtifact | None) -> Mapping[str, str]:
    if one is None:
        return {}
    found = {
        "version": one.version,
        "url": one.url,
        "final-url": one.final_url,
        "dest": one.dest,
        "size": str(one.size),
        **one.digests.as_mapping(),
        **one.headers,
        "verified": None if one.verified else "no",
        "extracted": None if one.extracted is None else f"{one.extracted.files} files, tree {one.extracted.tree}",
        "evidence": ", ".join(str(step.get("kind")) for step in one.evidence) or None,
    }
    return {key: value for key, value in found.items() if value is not None}


def _versions(artifacts: Iterable[LockedArtifact | None]) -> str:
    return ", ".join(dict.fromkeys(one.version for one in artifacts if one is not None and one.version is not None))
