"""(what is wanted, what is there) -> what to do; pure, so that ``--dry-run`` and the run are the same."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from dlm.model.frozen import replace
from dlm.model.plan import Conflict, Plan, Removal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dlm.model.artifact import Artifact
    from dlm.model.plan import Found, Owned, Shared, Survey, Wanted

__all__ = ["bytes_wanted", "make_plan", "nested", "shows"]


def make_plan(
    wanted: Sequence[Wanted],
    survey: Survey,
    *,
    asked: Iterable[str],
    pinned: Mapping[str, frozenset[str]],
    force: bool = False,
    prune: bool = True,
) -> Plan:
    """Decide about every path.

    A path is dlm's to change when what it shows is what dlm put there: the state, the journal and the old and new
    lockfile tell (promise 5), and dlm did not put it there for another lockfile as well. Everything else is a conflict
    unless ``force`` is given. What nothing asks for any more makes way for a path that comes to lie in it, or to stand
    where it lies; what another lockfile has, too, is left whatever is forced.

    Args:
        wanted: the paths that this run shall show, with their artifacts; each artifact has a sha256, but for those of a
            dry run that would be locked first.
        survey: what is here.
        asked: every path that the whole manifest asks for on this platform, however narrow the run.
        pinned: for each path where something stands, the sha256 and tree digests that old and new lockfile know for it.
        force: change paths that are not dlm's, too.
        prune: remove what dlm placed and nothing asks for any more.
    """
    keep: list[Wanted] = []
    adopt: list[Wanted] = []
    grown: list[Wanted] = []
    place: list[Wanted] = []
    fetch: dict[str, Artifact] = {}
    conflicts: list[Conflict] = []
    instead: dict[str, tuple[str, ...]] = {}
    asked = set(asked)
    remove, left = _removals(survey, asked, pinned, force=force)
    ways = _Ways(survey, {one.dest for one in remove}, {one.dest: one for one in left}, force=force, prune=prune)
    others = nested((want.artifact.dest for want in wanted), survey.found, survey.owned, asked)
    for want in wanted:
        dest = want.artifact.dest
        found = survey.found[dest]
        sha256 = want.artifact.digests.sha256 or ""
        way = ways.make(want, others.get(dest, ())) if dest in others or found.strangers is not None else None
        if isinstance(way, Conflict):
            if all(one.dest != way.dest for one in conflicts):
                conflicts.append(way)
            continue
        if way is not None:
            instead[dest] = way
            if sha256 not in survey.blobs:
                fetch.setdefault(sha256 or bytes_wanted(want.artifact), want.artifact)
            place.append(want)
            continue
        if found.kind == "absent" and found.problem is None:
            if sha256 not in survey.blobs:
                fetch.setdefault(sha256 or bytes_wanted(want.artifact), want.artifact)
            place.append(want)
            continue
        if shows(found, want):
            (keep if dest in survey.owned else adopt).append(want)
            continue
        if not force and _only_grown(found, want, survey.owned.get(dest)):
            grown.append(want)
            continue
        if sha256 not in survey.blobs:
            fetch.setdefault(sha256 or bytes_wanted(want.artifact), want.artifact)
        ours = _ours(dest, survey.owned, pinned)
        conflict = None if force else _anothers(found, want, survey.shared.get(dest))
        conflict = conflict or _in_the_way(found, ours, want, placed=dest in survey.owned, force=force)
        if conflict is not None:
            conflicts.append(conflict)
        else:
            place.append(want)
    if not prune:
        remove, left = [], []
    barring = {one.dest for one in conflicts}
    return Plan(
        keep=(*keep, *adopt, *grown),
        adopt=tuple(adopt),
        grown=tuple(grown),
        place=tuple(place),
        fetch=tuple(fetch.values()),
        remove=tuple(remove),
        left=tuple(one for one in left if one.dest not in barring),
        conflicts=tuple(conflicts),
        instead=instead,
    )


def nested(
    dests: Iterable[str], found: Mapping[str, Found], owned: Collection[str], asked: Collection[str]
) -> dict[str, tuple[str, ...]]:
    """For each of ``dests``, the paths of dlm's above and below it that nothing asks for any more.

    Args:
        found: what stands at these paths, and at all that dlm knows.
        owned: what dlm placed; gone or not, a run that was killed may have been about to put another path in its stead.
        asked: every path that the manifest asks for.
    """
    others = [
        dest
        for dest, there in found.items()
        if dest not in asked and (there.kind != "absent" or (dest in owned and not there.barred))
    ]
    if not others:
        return {}
    below: dict[str, list[str]] = {}
    for other in others:
        for above in _above(other):
            below.setdefault(above, []).append(other)
    known = set(others)
    related: dict[str, tuple[str, ...]] = {}
    for dest in dests:
        near = [*(above for above in _above(dest) if above in known), *below.get(dest, ())]
        if dest in owned:
            # Here already, or journaled: of what only a lockfile knows, nothing is left but what is its own by now.
            near = [other for other in near if other in owned]
        if near:
            related[dest] = tuple(near)
    return related


def _settled(survey: Survey, asked: Collection[str]) -> set[str]:
    """Paths that nothing asks for and that only a lockfile knows, above or below one that dlm has placed since.

    The lockfile is written last: a run that was killed before that has put the one in the other's stead.
    """
    others = {dest for dest in survey.found if dest not in asked and dest not in survey.owned}
    if not others:
        return set()
    here = {dest for dest in asked if dest in survey.owned}
    folders = {above for dest in here for above in _above(dest)}
    return {dest for dest in others if dest in folders or any(above in here for above in _above(dest))}


def _above(dest: str) -> Iterable[str]:
    """The paths of the folders that a path lies in, outer ones first."""
    return (dest[:at] for at in range(len(dest)) if dest[at] == "/")


def bytes_wanted(artifact: Artifact) -> str:
    """What is the same for artifacts that are fetched once together: the bytes, else where they are asked for."""
    return artifact.digests.sha256 or f"{artifact.ask.key()} {artifact.url}"


def shows(found: Found, want: Wanted) -> bool:
    """Whether a path shows what it should, in a way that its link mode allows."""
    if found.problem is not None or found.sha256 is None or found.sha256 != want.artifact.shown:
        return False
    if want.artifact.is_folder:
        return found.kind == "directory"
    if found.kind == "symlink":
        return want.link in {"symlink", "auto"} and found.placement is not None
    return found.kind == "file" and found.executable == want.artifact.program and want.link != "symlink"


class _Ways:
    """What has to go before a path can be shown.

    Args:
        going: the paths that a run removes.
        left: those that it would remove if nobody had edited them.
        prune: whether it removes anything.
    """

    def __init__(
        self, survey: Survey, going: Collection[str], left: Mapping[str, Conflict], *, force: bool, prune: bool
    ) -> None:
        self._survey = survey
        self._going = going
        self._left = left
        self._force = force
        self._prune = prune

    def make(self, want: Wanted, others: Iterable[str]) -> tuple[str, ...] | Conflict | None:
        """The paths in whose stead a path comes, why it cannot, or None where it stands in nobody's place.

        Args:
            others: from :func:`nested`.
        """
        dest = want.artifact.dest
        found = self._survey.found[dest]
        first: list[str] = []
        for other in others:
            is_below = other.startswith(f"{dest}/")
            if is_below and found.kind not in {"absent", "directory"}:
                continue
            if self._survey.found[other].kind == "absent" or (self._prune and other in self._going):
                first.append(other)
            elif other in self._going:
                reason = f"{dest} needs its place, and --inexact keeps what dlm once placed"
                return Conflict(dest=other, resource=want.artifact.resource, reason=reason)
            elif other in self._left:
                why = self._left[other]
                return replace(why, resource=want.artifact.resource, reason=f"{why.reason}, and {dest} needs its place")
            elif is_below:
                return _not_empty(want, (other,))
        if found.kind == "directory" and found.strangers and any(one.startswith(f"{dest}/") for one in first):
            return tuple(first) if self._force and want.artifact.is_folder else _not_empty(want, found.strangers)
        return tuple(first) if first or (found.kind == "directory" and found.strangers == ()) else None


def _not_empty(want: Wanted, strangers: tuple[str, ...]) -> Conflict:
    reason = f"a folder stands there that holds what dlm did not put there: {', '.join(strangers)}"
    forcible = want.artifact.is_folder
    return Conflict(dest=want.artifact.dest, resource=want.artifact.resource, reason=reason, forcible=forcible)


def _only_grown(found: Found, want: Wanted, known: Owned | None) -> bool:
    """Whether a folder holds all that it should, and files of others beside that."""
    placed = known.placement if known is not None else None
    return found.only_added and want.artifact.is_folder and placed is not None and placed.sha256 == want.artifact.shown


def _ours(dest: str, owned: Mapping[str, Owned], pinned: Mapping[str, frozenset[str]]) -> frozenset[str]:
    known = owned.get(dest)
    return (known.digests if known is not None else frozenset()) | pinned.get(dest, frozenset())


def _anothers(found: Found, want: Wanted, shared: Shared | None) -> Conflict | None:
    """The conflict where dlm put other bytes there for another lockfile, whoever else they belong to."""
    if shared is None or found.problem is not None:
        return None
    if found.sha256 not in shared.digests or found.sha256 == want.artifact.shown:
        return None
    reason = f"dlm placed what stands there for {shared}"
    return Conflict(dest=want.artifact.dest, resource=want.artifact.resource, reason=reason, forcible=True, shared=True)


def _in_the_way(found: Found, ours: frozenset[str], want: Wanted, *, placed: bool, force: bool) -> Conflict | None:
    resource, dest = want.artifact.resource, want.artifact.dest
    if found.problem is not None:
        return Conflict(dest=dest, resource=resource, reason=found.problem, policy=found.policy)
    if found.kind == "directory":
        return _folder_in_the_way(found, ours, want, placed=placed, force=force)
    if found.kind == "other":
        return Conflict(dest=dest, resource=resource, reason="a device, a FIFO or a socket stands there")
    if force or (found.sha256 is not None and found.sha256 in ours):
        return None
    # A lockfile's word makes bytes dlm's own, and says nothing of who put other bytes there.
    reason = "the file was edited since dlm placed it" if placed else "a file stands there that dlm did not place"
    return Conflict(dest=dest, resource=resource, reason=reason, forcible=True)


def _folder_in_the_way(
    found: Found, ours: frozenset[str], want: Wanted, *, placed: bool, force: bool
) -> Conflict | None:
    resource, dest = want.artifact.resource, want.artifact.dest
    looked_into = found.empty or found.sha256 is not None
    if not want.artifact.is_folder and not looked_into:
        return Conflict(dest=dest, resource=resource, reason="a folder stands there")
    if force or found.empty or found.sha256 in ours:
        return None
    reason = "the folder was edited since dlm unpacked it" if placed else "a folder stands there that dlm did not make"
    return Conflict(dest=dest, resource=resource, reason=reason, forcible=True, details=found.edits)


def _removals(
    survey: Survey, asked: set[str], pinned: Mapping[str, frozenset[str]], *, force: bool
) -> tuple[list[Removal], list[Conflict]]:
    """What goes, and what stays because it was edited since, cannot be got at, or is another lockfile's, too."""
    remove: list[Removal] = []
    left: list[Conflict] = []
    settled = _settled(survey, asked)
    for dest, found in sorted(survey.found.items()):
        if dest in asked or dest in settled:
            continue
        ours = _ours(dest, survey.owned, pinned)
        folder = found.kind == "directory"
        also = _also(dest, found, survey.shared) if ours else None
        if also is not None:
            left.append(Conflict(dest=dest, resource=None, reason=also, shared=True))
            continue
        if ours and found.barred and found.problem is not None:
            reason = f"dlm placed it, and cannot get at it now: {found.problem}"
            left.append(Conflict(dest=dest, resource=None, reason=reason, policy=found.policy, barred=True))
            continue
        if not ours or found.kind in {"absent", "other"} or found.problem is not None:
            continue
        if folder and found.sha256 is None and not found.empty:
            continue  # never dlm's
        if force or found.sha256 in ours or (folder and found.empty):
            remove.append(Removal(dest=dest, sha256=found.sha256, folder=folder))
        else:
            reason = "it was edited since dlm placed it"
            left.append(Conflict(dest=dest, resource=None, reason=reason, forcible=True, details=found.edits))
    return remove, left


def _also(dest: str, found: Found, shared: Mapping[str, Shared]) -> str | None:
    """Why a path is another lockfile's, too, or None."""
    if not shared or found.kind == "absent":
        return None
    if dest in shared:
        return f"dlm placed it for {shared[dest]}, too"
    if found.kind != "directory":
        return None
    inside = next((path for path in sorted(shared) if path.startswith(f"{dest}/")), None)
    return None if inside is None else f"dlm placed {inside} in it for {shared[inside]}"
