"""``dlm outdated``: what ``dlm lock -U`` would change, found out without bodies."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

from dlm.errors import DlmError, UsageError
from dlm.model.frozen import dataclass
from dlm.model.lockfile import LockedArtifact, LockEntry
from dlm.model.manifest import Resource
from dlm.model.selector import Selector
from dlm.model.suggest import suggest
from dlm.resolve.choose import choose
from dlm.workflows.run import ListingAge, Run
from dlm.workflows.upstream import Upstream, ask

__all__ = ["Aged", "AgedStanding", "OutdatedReport", "outdated"]

AgedStanding = Literal["current", "outdated", "held", "withdrawn", "unlocked", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Aged:
    """A pin next to what it would be if it were made now.

    Attributes:
        standing: ``held`` is outdated and frozen; ``withdrawn``: the newest is older than what is locked;
            ``unlocked``: there is no pin yet; ``unknown``: the origin of a ``mutable`` URL does not tell.
        locked, latest: versions, or file names where there are none.
    """

    name: str
    standing: AgedStanding
    locked: tuple[str, ...] = ()
    latest: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OutdatedReport:
    """Every pin that may age, by name, and why some could not be looked at."""

    found: tuple[Aged, ...]
    errors: tuple[DlmError, ...] = ()

    @property
    def outdated(self) -> bool:
        """Whether ``dlm lock -U`` would change a pin, or refuse to take one back."""
        return any(one.standing in {"outdated", "withdrawn"} for one in self.found)


def outdated(run: Run, names: Sequence[str] = (), *, refresh: bool = False) -> OutdatedReport:
    """Compare selectors and ``mutable`` URLs with what they stand for now.

    Args:
        names: these alone; all, where none is given.
        refresh: read listings anew whatever their age.

    Raises:
        UsageError: the manifest has no such resource.
    """
    manifest = run.manifest()
    known = [resource.name for resource in manifest.resources]
    for name in names:
        if name not in known:
            raise UsageError(f"the manifest has no resource {name!r}{suggest(name, known)}", hint="run `dlm list`")
    entries = run.locked(manifest).entries
    asked = [one for one in manifest.resources if not names or one.name in names]
    selectors = [one for one in asked if one.selector is not None]
    mutable = [one for one in asked if one.selector is None and one.mutable]
    found: list[Aged] = []
    errors: list[DlmError] = []
    age: ListingAge = "anew" if refresh else "dated"
    with ThreadPoolExecutor(max(1, min(8, run.settings.jobs_per_host, len(selectors)))) as pool:
        for result in pool.map(lambda one: _selected(run, one, entries.get(one.name), age), selectors):
            if isinstance(result, Aged):
                found.append(result)
            else:
                errors.append(result)
    pairs = [(one, locked) for one in mutable if one.name in entries for locked in entries[one.name].artifacts]
    answers = ask(run, pairs)
    found.extend(_mutable(one, [each for each in answers if each.resource == one.name]) for one in mutable)
    return OutdatedReport(found=tuple(sorted(found, key=lambda one: one.name)), errors=tuple(errors))


def _selected(run: Run, resource: Resource, entry: LockEntry | None, age: ListingAge) -> Aged | DlmError:
    """A selector's pin; runs in the pool, so errors come back as values."""
    try:
        selector = Selector.parse(resource.selector or "", run.grammars)
        resolver = run.resolver(selector.scheme, age)
        choice = choose(selector, resolver.candidates(selector), nearby=resolver.candidates, remarks=resolver.remarks)
    except DlmError as error:
        error.resource = error.resource or resource.name
        return error
    latest = _named([(one.version, one.filename) for one in choice.chosen])
    if entry is None:
        return Aged(name=resource.name, standing="unlocked", latest=latest)
    locked = _named([(one.version, one.filename) for one in entry.artifacts])
    standing: AgedStanding = "outdated"
    if {one.url for one in entry.artifacts} == {resolver.canonical_url(one) for one in choice.chosen}:
        standing = "current"
    elif resource.freeze:
        standing = "held"
    elif _older([one.version for one in choice.chosen], entry.artifacts):
        standing = "withdrawn"
    return Aged(name=resource.name, standing=standing, locked=locked, latest=latest)


def _mutable(resource: Resource, answers: Sequence[Upstream]) -> Aged:
    """A URL whose bytes may change. An address that is gone is no newer file; the next lock will say so."""
    if not answers:
        return Aged(name=resource.name, standing="unlocked")
    standing: AgedStanding = "current"
    if any(one.standing == "changed" for one in answers):
        standing = "held" if resource.freeze else "outdated"
    elif any(one.standing in {"gone", "unknown"} for one in answers):
        standing = "unknown"
    locked = tuple(one.artifact.version or one.artifact.filename for one in answers)
    return Aged(name=resource.name, standing=standing, locked=locked, latest=("other bytes",) if _new(standing) else ())


def _new(standing: AgedStanding) -> bool:
    return standing in {"outdated", "held"}


def _named(files: Sequence[tuple[str | None, str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(version or filename for version, filename in files))


def _older(versions: Sequence[str | None], locked: Sequence[LockedArtifact]) -> bool:
    """Whether the newest of ``versions`` is older than the newest that is locked."""
    from packaging.version import InvalidVersion, Version

    try:
        now = max((Version(one) for one in versions if one), default=None)
        before = max((Version(one.version) for one in locked if one.version), default=None)
    except InvalidVersion:
        return False
    return now is not None and before is not None and now < before
