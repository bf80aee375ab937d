"""``dlm list``, ``show`` and ``path``: what is asked for, what is locked, what is here."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Literal

from dlm.errors import DriftError, StaleError, UsageError
from dlm.model.frozen import dataclass
from dlm.model.lockfile import LockedArtifact, LockEntry, Lockfile
from dlm.model.manifest import Manifest, Resource
from dlm.model.plan import Found, Owned
from dlm.model.suggest import suggest
from dlm.staleness import differences
from dlm.workflows.extraction import is_folder, shows_locked, survey
from dlm.workflows.orders import for_platform
from dlm.workflows.pins import size_here, wrong_size
from dlm.workflows.run import Run

__all__ = ["Listed", "list_resources", "locate", "one_resource"]

Standing = Literal["placed", "missing", "differs", "elsewhere", "unlocked", "stale", "orphaned"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One resource as ``list`` and ``show`` tell of it.

    Attributes:
        standing: ``placed`` (the tree shows it), ``missing``, ``differs`` (another file stands there), ``elsewhere``
            (not for this platform), ``unlocked``, ``stale`` (locked, and edited in the manifest since) or
            ``orphaned`` (locked, and no longer in the manifest).
        request: the resource, normalised.
    """

    name: str
    standing: Standing
    request: dict[str, Any]
    artifacts: tuple[LockedArtifact, ...] = ()


def list_resources(run: Run) -> tuple[Listed, ...]:
    """Everything that manifest or lockfile know, by name."""
    manifest = run.manifest()
    lockfile = run.locked(manifest)
    found = [_listed(run, name, manifest, lockfile) for name in _names(manifest, lockfile)]
    return tuple(found)


def one_resource(run: Run, name: str) -> Listed:
    """One of them.

    Raises:
        UsageError: there is none of that name.
    """
    manifest = run.manifest()
    lockfile = run.locked(manifest)
    names = _names(manifest, lockfile)
    if name not in names:
        raise UsageError(f"the manifest has no resource {name!r}{suggest(name, names)}", hint="run `dlm list`")
    return _listed(run, name, manifest, lockfile)


def locate(run: Run, name: str) -> tuple[str, ...]:
    """The absolute paths of a resource in the tree, checked against the lockfile.

    Raises:
        UsageError: the lockfile has no such resource.
        StaleError: there is no lockfile.
        DriftError: a path is missing or shows something else.
        IntegrityError: a path shows what has the locked digest and not the locked size.
    """
    read = run.lockfile()
    if read is None:
        raise StaleError(f"{run.files.lockfile_name} is missing", hint="run `dlm sync`")
    entries = read.lockfile.entries
    if name not in entries:
        raise UsageError(f"the lockfile has no resource {name!r}{suggest(name, entries)}", hint="run `dlm list`")
    here = for_platform(entries[name], run.platform)
    if not here:
        raise UsageError(f"nothing of it is meant for {run.platform}", resource=name, hint=f"run `dlm show {name}`")
    owned, found = _survey(run, entries[name], here)
    shown = _shown(entries[name], here, found, owned)
    wrong = [one.dest for one in here if not shown[one.dest]]
    if wrong:
        again = "run `dlm sync`"
        if _needs_force(found[wrong[0]], owned.get(wrong[0])):
            again = "move it away, or run `dlm sync --force` to overwrite it"
        raise DriftError(f"{wrong[0]} is missing or was edited", resource=name, hint=again)
    for one in here:
        size = size_here(run, one.sha256, found[one.dest])
        if size not in {None, one.size}:
            raise wrong_size(run, Resource.from_request(name, entries[name].request), one.size, size or 0)
    return tuple(os.path.join(run.files.root, *one.dest.split("/")) for one in here)


def _needs_force(found: Found, known: Owned | None) -> bool:
    """Whether a sync would leave alone what shows something else, since dlm did not put it there."""
    if found.kind in {"absent", "other"} or found.problem is not None or found.empty:
        return False
    if found.kind == "directory" and found.sha256 is None:
        return False  # a folder that is not dlm's is not overwritten with force either
    return known is None or found.sha256 not in known.digests


def _names(manifest: Manifest, lockfile: Lockfile) -> list[str]:
    return sorted({*lockfile.entries, *(resource.name for resource in manifest.resources)})


def _listed(run: Run, name: str, manifest: Manifest, lockfile: Lockfile) -> Listed:
    resource = manifest.get(name)
    entry = lockfile.entries.get(name)
    request = resource.request() if resource is not None else dict(entry.request) if entry is not None else {}
    artifacts = entry.artifacts if entry is not None else ()
    standing: Standing
    if entry is None:
        standing = "unlocked"
    elif resource is None:
        standing = "orphaned"
    elif differences(resource, entry) is not None:
        standing = "stale"
    else:
        standing = _in_tree(run, entry)
    return Listed(name=name, standing=standing, request=request, artifacts=artifacts)


def _in_tree(run: Run, entry: LockEntry) -> Standing:
    here = for_platform(entry, run.platform)
    if not here:
        return "elsewhere"
    owned, found = _survey(run, entry, here)
    shown = _shown(entry, here, found, owned)
    if all(shown.values()):
        return "placed"
    return "differs" if any(value is False for value in shown.values()) else "missing"


def _survey(
    run: Run, entry: LockEntry, artifacts: tuple[LockedArtifact, ...]
) -> tuple[Mapping[str, Owned], Mapping[str, Found]]:
    """What dlm placed, and what stands at each destination."""
    owned = run.state.owned()
    folders = {one.dest for one in artifacts if is_folder(entry, one)}
    return owned, survey(run, [one.dest for one in artifacts], owned, folders=folders)


def _shown(
    entry: LockEntry, artifacts: tuple[LockedArtifact, ...], found: Mapping[str, Found], owned: Mapping[str, Owned]
) -> dict[str, bool | None]:
    """For each destination whether it shows what is locked; None where nothing stands there."""
    return {
        one.dest: None
        if found[one.dest].kind == "absent"
        else found[one.dest].only_added or shows_locked(entry, one, found[one.dest], owned)
        for one in artifacts
    }
