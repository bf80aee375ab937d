"""``dlm verify``: hash the tree and the store anew and hold them against the lockfile."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Literal

from dlm.errors import StaleError
from dlm.model.frozen import dataclass, replace
from dlm.model.manifest import Resource
from dlm.workflows.extraction import is_folder, shows_locked, survey
from dlm.workflows.orders import artifacts_of, for_platform, gather
from dlm.workflows.pins import wrong_size
from dlm.workflows.settle import Modes
from dlm.workflows.sync import SyncWish, sync

if TYPE_CHECKING:
    from dlm.errors import DlmError
    from dlm.model.lockfile import LockedArtifact, LockEntry, Lockfile
    from dlm.model.plan import Found, Owned
    from dlm.workflows.run import Run
    from dlm.workflows.sync import SyncReport

__all__ = ["Flaw", "VerifyReport", "verify"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """One thing that is not as the lockfile says.

    Attributes:
        where: ``tree`` or ``cache``.
        what: ``missing``, ``differs`` (in the tree) or ``rotted`` (in the cache).
        subject: the path in the tree, or the file's name and digest.
        expected, actual: sha256 or tree digest.
        details: for a folder that an archive was unpacked into, what differs, one line each.
    """

    resource: str
    where: Literal["tree", "cache"]
    what: Literal["missing", "differs", "rotted"]
    subject: str
    expected: str
    actual: str | None = None
    details: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.what == "missing":
            return f"{self.resource}: {self.subject} is missing"
        if self.what == "rotted":
            return f"{self.resource}: {self.subject} rotted in the cache and was set aside"
        if self.details:
            return f"{self.resource}: {self.subject} differs: {', '.join(self.details)}"
        seen = f"sha256 {self.actual}" if self.actual else "no plain file"
        return f"{self.resource}: {self.subject} differs: expected sha256 {self.expected}, found {seen}"


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReport:
    """What was hashed, and what was wrong with it.

    Attributes:
        tree, cache: how many files were hashed there.
        repaired: what ``--repair`` did about the tree, None without.
        refilled: how many blobs it fetched in place of those that rotted.
        errors: which locked sizes are not those of the bytes, and why a blob could not be had again.
    """

    tree: int
    cache: int
    flaws: tuple[Flaw, ...]
    repaired: SyncReport | None = None
    refilled: int = 0
    errors: tuple[DlmError, ...] = ()

    @property
    def rotted(self) -> bool:
        """Whether the cache held wrong bytes."""
        return any(flaw.what == "rotted" for flaw in self.flaws)


def verify(run: Run, modes: Modes, *, repair: bool = False) -> VerifyReport:
    """Carry out ``dlm verify``.

    Raises:
        StaleError: there is no lockfile.
        DlmError: a repair failed.
    """
    read = run.lockfile()
    if read is None:
        raise StaleError(f"{run.files.lockfile_name} is missing, so there is nothing to verify", hint="run `dlm lock`")
    resources = _resources(read.lockfile)
    sizes: dict[str, int] = {}
    tree, tree_flaws = _verify_tree(run, read.lockfile, resources, sizes)
    cache, cache_flaws = _verify_cache(run, read.lockfile, sizes)
    flaws = (*tree_flaws, *cache_flaws)
    wrong = tuple(
        wrong_size(run, resources[entry.name], one.size, sizes[one.sha256])
        for entry, one in read.lockfile.artifacts()
        if sizes.get(one.sha256, one.size) != one.size
    )
    report = VerifyReport(tree=tree, cache=cache, flaws=flaws, errors=wrong)
    if not repair or not flaws:
        return report
    # The lockfile alone counts: a repair brings back what was locked, whatever the manifest says by now.
    broken = frozenset(flaw.subject for flaw in tree_flaws)
    wish = SyncWish(force=True, inexact=True, only=broken)
    repaired = sync(run, Modes(frozen="--repair", offline=modes.offline), wish)
    refilled, errors = _refill(run, read.lockfile, resources, cache_flaws, modes)
    return replace(report, repaired=repaired, refilled=refilled, errors=(*wrong, *repaired.errors, *errors))


def _refill(
    run: Run, lockfile: Lockfile, resources: Mapping[str, Resource], flaws: Iterable[Flaw], modes: Modes
) -> tuple[int, tuple[DlmError, ...]]:
    """Fetch what rotted in the store and was not needed for the tree."""
    rotted = {flaw.expected for flaw in flaws}
    wanted = {
        one.sha256: artifact
        for entry in lockfile.entries.values()
        for one, artifact in zip(entry.artifacts, artifacts_of(resources[entry.name], entry.artifacts), strict=True)
    }
    missing = [
        artifact for sha256, artifact in wanted.items() if sha256 in rotted and run.store.get(artifact.digests) is None
    ]
    haul = gather(run, missing, offline=modes.offline)
    return len(haul.arrived), tuple(haul.errors.values())


def _resources(lockfile: Lockfile) -> Mapping[str, Resource]:
    return {entry.name: Resource.from_request(entry.name, entry.request) for entry in lockfile.entries.values()}


def _verify_tree(
    run: Run, lockfile: Lockfile, resources: Mapping[str, Resource], sizes: dict[str, int]
) -> tuple[int, list[Flaw]]:
    """Hash what is placed; ``sizes`` is told, by sha256, how many bytes the files have."""
    wanted = [(entry, one) for entry in lockfile.entries.values() for one in for_platform(entry, run.platform)]
    owned = run.state.owned()
    folders = {one.dest for entry, one in wanted if is_folder(entry, one)}
    found = survey(run, [one.dest for _, one in wanted], owned, folders=folders, rehash=True)
    for one in found.values():
        if one.kind == "file" and one.placement is not None and one.sha256 is not None:
            sizes[one.sha256] = one.placement.size
    flaws = [
        flaw
        for entry, one in wanted
        if (flaw := _tree_flaw(entry, one, found[one.dest], owned, optional=resources[entry.name].optional)) is not None
    ]
    return sum(one.sha256 is not None for one in found.values()), flaws


def _tree_flaw(
    entry: LockEntry, one: LockedArtifact, found: Found, owned: Mapping[str, Owned], *, optional: bool
) -> Flaw | None:
    if shows_locked(entry, one, found, owned):
        return None
    name = entry.name
    expected = one.sha256 if one.extracted is None else one.extracted.tree
    if found.kind == "absent" and found.problem is None:
        if optional:
            return None
        return Flaw(resource=name, where="tree", what="missing", subject=one.dest, expected=expected)
    return Flaw(
        resource=name,
        where="tree",
        what="differs",
        subject=one.dest,
        expected=expected,
        actual=found.sha256,
        details=found.edits,
    )


def _verify_cache(run: Run, lockfile: Lockfile, sizes: dict[str, int]) -> tuple[int, list[Flaw]]:
    """Hash the blobs that the lockfile names. A blob that is not there is no flaw: the cache may be deleted.

    ``sizes`` is told, by sha256, how many bytes the good ones have.
    """
    named = {one.sha256: (entry.name, one) for entry, one in lockfile.artifacts()}
    hashed = 0
    flaws: list[Flaw] = []
    for sha256, good in run.store.verify_all(named):
        hashed += 1
        if good:
            with contextlib.suppress(OSError):
                sizes[sha256] = os.stat(run.store.path_of(sha256)).st_size
        else:
            name, one = named[sha256]
            subject = f"{one.filename} ({sha256[:16]}…)"
            flaws.append(Flaw(resource=name, where="cache", what="rotted", subject=subject, expected=sha256))
    return hashed, flaws
