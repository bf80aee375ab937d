"""``dlm sync``: one pass from the manifest to the tree, in the order that keeps every promise.

Settle the lockfile, survey the tree, plan, fetch, place, and write the lockfile last. The tree begins to change only
when all that this run needs is fetched and verified.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial

from dlm.documents.lockfile_json import read_lockfile
from dlm.errors import DlmError, LocalError, PolicyError
from dlm.fetch.parcel import LIGHT
from dlm.model.events import Note, Warned
from dlm.model.frozen import dataclass, field, replace
from dlm.model.lockfile import Lockfile
from dlm.model.plan import ABSENT, Found, Placing, Survey, Wanted
from dlm.model.platforms import matches
from dlm.place.survey import missing_folders
from dlm.planning import bytes_wanted, make_plan, nested, shows
from dlm.workflows.extraction import Inspector, is_folder, look_in_the_way, notes, survey, wish_of
from dlm.workflows.orders import artifacts_of, blobs, for_platform, gather
from dlm.workflows.policy import meets, policy_of, refusals
from dlm.workflows.run import one_or_all
from dlm.workflows.settle import alone, refuse_unknown_groups, settle
from dlm.workflows.stamping import no_op_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dlm.model.artifact import Artifact, Blob, Placement
    from dlm.model.lockfile import LockedArtifact, LockEntry
    from dlm.model.manifest import Resource
    from dlm.model.plan import Conflict, Plan, Removal, Shared
    from dlm.place.place import Done
    from dlm.workflows.lock import Change
    from dlm.workflows.orders import Haul
    from dlm.workflows.run import Run
    from dlm.workflows.settle import Modes, Settled

__all__ = ["Shown", "SyncReport", "SyncWish", "sync"]

#: Bytes up to which a file of some hundred is copied as quickly as it is moved.
_LARGE = 1024 * 1024
#: Small files that are many: together they are flushed at once, and moved with less ado than copied.
_MANY = 64
# Of so many resources that could not be locked, each is named beside the changes that were not written.
_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncWish:
    """What is asked of a sync.

    Attributes:
        groups: place only what is in one of them; removals are judged against the whole manifest all the same.
        inexact: remove nothing.
        force: change paths that are not dlm's, too.
        check: only look; the report's ``drift`` says whether anything differs.
        dry_run: only resolve and plan.
        keep_going: place what could be had though other things could not.
        only: the paths that may be placed, None for all of them.
    """

    groups: tuple[str, ...] = ()
    inexact: bool = False
    force: bool = False
    check: bool = False
    dry_run: bool = False
    keep_going: bool = False
    only: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A path that was, or would be, changed. ``replaced``: something stood there before."""

    resource: str
    dest: str
    mode: str
    replaced: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncReport:
    """What a sync did, or with ``dry_run`` or ``check`` would do.

    Attributes:
        kept: how many paths were right already.
        missing: what would have to be fetched, to place it or to lock it; empty after a run.
        left: paths that stay though nothing asks for them, since they were edited, cannot be got at, or are another
            lockfile's, too.
        passed_over: resources that do not know this platform.
        changes: what locking changed first.
        written: whether the lockfile was replaced.
        unwritten: why ``changes`` did not get into the lockfile, None where they did.
        differs: paths that show something else, or may do so, and that a sync would not change unasked.
        drift: whether the tree differs from what was asked for.
        errors: what could not be done under ``keep_going``.
    """

    placed: tuple[Shown, ...] = ()
    removed: tuple[str, ...] = ()
    kept: int = 0
    missing: tuple[Artifact, ...] = ()
    left: tuple[Conflict, ...] = ()
    passed_over: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()
    fetched: int = 0
    transferred: int = 0
    written: bool = False
    unwritten: str | None = None
    differs: tuple[Conflict, ...] = ()
    drift: bool = False
    errors: tuple[DlmError, ...] = ()


def sync(run: Run, modes: Modes, wish: SyncWish) -> SyncReport:
    """Carry out ``dlm sync``.

    Raises:
        StaleError: the lockfile does not match where it has to.
        DlmError: something could not be had or done. Unless ``keep_going`` is given, the tree and the lockfile are
            then as they were; what was fetched stays in the store.
    """
    if wish.check or wish.dry_run:
        return _only_look(run, modes, wish)
    with alone(run):
        run.state.reload()
        before = run.stamp.before(run.clock) if run.stamp is not None else None
        work = _Sync(run, modes, wish, settle(run, modes))
        report = work.carry_out()
        if run.stamp is not None and before is not None and work.clean:
            from dlm.documents.lockfile_json import write_lockfile

            owned = run.state.owned()
            run.stamp.leave(
                before,
                run.clock,
                lockfile=write_lockfile(work.lockfile),
                wanted=work.wanted,
                placements={dest: one.placement for dest, one in owned.items() if one.placement is not None},
                fresh={one.dest for one in report.placed},
                text=no_op_text(report.kept + len(report.placed), report.passed_over),
            )
        return report


def _stop_at(errors: Iterable[DlmError], wish: SyncWish) -> None:
    failure = one_or_all(errors)
    if failure is not None and not wish.keep_going:
        raise failure


def _only_look(run: Run, modes: Modes, wish: SyncWish) -> SyncReport:
    if wish.check and modes.locked is None and modes.frozen is None:
        modes = replace(modes, locked="--check")
    settled = settle(run, modes, dry=True)
    refuse_unknown_groups(settled, wish.groups)
    wants = _wants(run, settled, wish.groups)
    plan, found, wants = _plan(run, settled, wants, wish, Inspector())
    plan, unsure = _unsure(plan, wants)
    missing = _missing(run, plan, settled)
    errors = [*settled.errors, *wants.refused]
    if wish.dry_run:
        errors += map(_conflict_error, plan.conflicts)
        errors += _forbidden(run, settled, plan, modes.offline)
    shown = tuple(
        Shown(
            resource=want.artifact.resource,
            dest=want.artifact.dest,
            mode=want.link,
            replaced=found.found[want.artifact.dest].kind != "absent",
        )
        for want in plan.place
    )
    return SyncReport(
        placed=shown,
        removed=tuple(one.dest for one in plan.remove),
        kept=len(plan.keep),
        missing=missing,
        left=plan.left,
        passed_over=wants.passed_over,
        changes=settled.changes,
        differs=(*plan.conflicts, *unsure),
        drift=plan.changes or bool(settled.changes) or bool(plan.conflicts),
        errors=tuple(errors),
    )


def _unsure(plan: Plan, wants: _Wants) -> tuple[Plan, tuple[Conflict, ...]]:
    """The plan without conflicts that may turn out to be none, and those: nobody knows the new bytes yet, and who put
    a file there may have put the same."""
    artifacts = (want.artifact for want in wants.wanted)
    unknown = {one.dest for one in artifacts if one.digests.sha256 is None and one.extract is None}
    unsure = tuple(
        replace(one, reason=f"{one.reason}, and a sync stops there unless it is what would be fetched")
        for one in plan.conflicts
        if one.dest in unknown and one.forcible
    )
    if not unsure:
        return plan, ()
    dests = {one.dest for one in unsure}
    return replace(plan, conflicts=tuple(one for one in plan.conflicts if one.dest not in dests)), unsure


def _missing(run: Run, plan: Plan, settled: Settled) -> tuple[Artifact, ...]:
    """What would be fetched: to place it, and to lock it, for whatever platform it is."""
    if not settled.unfetched:
        return plan.fetch
    found = {bytes_wanted(one): one for one in plan.fetch}
    for one in settled.unfetched:
        if not one.digests or run.store.get(one.digests) is None:
            found.setdefault(bytes_wanted(one), one)
    return tuple(found.values())


def _forbidden(run: Run, settled: Settled, plan: Plan, offline: str | None) -> Iterator[DlmError]:
    """Under ``--offline``, an error for each artifact that a sync would have to fetch."""
    if offline is None:
        return
    for index, error in gather(run, plan.fetch, offline=offline).errors.items():
        if not settled.resources[plan.fetch[index].resource].optional:
            yield error


@dataclass(frozen=True, slots=True)
class _Wants:
    """The paths of this run, and those of the whole manifest; ``refused`` says what policy keeps from being placed."""

    wanted: tuple[Wanted, ...]
    asked: frozenset[str]
    passed_over: tuple[str, ...]
    refused: tuple[DlmError, ...]
    resources: Mapping[str, Resource] = field(default_factory=dict)


def _wants(run: Run, settled: Settled, groups: tuple[str, ...], only: frozenset[str] | None = None) -> _Wants:
    wanted: list[Wanted] = []
    passed_over: list[str] = []
    asked: set[str] = set()
    refused: list[DlmError] = []
    policy = policy_of(run, settled.manifest)
    for entry in settled.lockfile.entries.values():
        resource = settled.resources.get(entry.name)
        here = for_platform(entry, run.platform)
        asked.update(one.dest for one in here)
        if resource is None or (groups and not set(groups) & set(resource.groups)):
            continue
        if not here:
            passed_over.append(entry.name)
        link = "copy" if resource.extract is not None else resource.link or run.settings.link
        chosen = here if only is None else tuple(one for one in here if one.dest in only)
        met = artifacts_of(resource, [one for one in chosen if meets(policy, one)] if policy else chosen)
        wanted.extend(Wanted(artifact=artifact, link=link) for artifact in met)
        refused.extend(refusals(policy, ((entry, one) for one in chosen), run.files.lockfile_name))
    for name, artifacts in settled.pending.items():
        resource = settled.resources[name]
        meant = [one for one in artifacts if one.platform is None or matches(one.platform, run.platform)]
        asked.update(one.dest for one in meant)
        if groups and not set(groups) & set(resource.groups):
            continue
        if not meant:
            passed_over.append(name)
        link = "copy" if resource.extract is not None else resource.link or run.settings.link
        wanted.extend(Wanted(artifact=_as_known(run, one), link=link) for one in meant)
    if settled.pending:
        wanted.sort(key=lambda want: want.artifact.resource)
    for entry in settled.before.entries.values():
        # What the manifest still asks for and could not be locked this time stays where it is.
        names = (settled.lockfile.entries, settled.pending)
        if entry.name in settled.resources and not any(entry.name in one for one in names):
            asked.update(one.dest for one in for_platform(entry, run.platform))
    return _Wants(tuple(wanted), frozenset(asked), tuple(passed_over), tuple(refused), settled.resources)


def _as_known(run: Run, artifact: Artifact) -> Artifact:
    """With the digests of its blob, where the store has it by those that the manifest gives."""
    blob = run.store.get(artifact.digests) if artifact.digests and artifact.digests.sha256 is None else None
    return artifact if blob is None else replace(artifact, digests=artifact.digests.joined(blob.digests))


def _plan(
    run: Run, settled: Settled, wants: _Wants, wish: SyncWish, inspector: Inspector
) -> tuple[Plan, Survey, _Wants]:
    """The plan, what it goes by, and the wants with what can be known of archives before anything is fetched."""
    wants = _inspected(run, wants, inspector)
    owned = run.state.owned()
    dests = dict.fromkeys(want.artifact.dest for want in wants.wanted)
    dests.update(dict.fromkeys(owned))
    dests.update(dict.fromkeys(one.dest for one in _locked(run, settled.before, settled.lockfile)))
    folders = _folders(run, settled.before, settled.lockfile)
    if any(resource.extract is not None for resource in wants.resources.values()):
        folders |= {want.artifact.dest for want in wants.wanted if want.artifact.is_folder}
    found = survey(run, dests, owned, folders=folders)
    # In a tree that is still empty, little has to be looked at file by file.
    standing = [dest for dest, one in found.items() if one.kind != "absent"]
    pinned = _pinned(_locked(run, settled.before, settled.lockfile), found) if standing else {}
    others = nested((want.artifact.dest for want in wants.wanted), found, owned, wants.asked)
    if standing:
        look_in_the_way(run, (want.artifact.dest for want in wants.wanted), found, others)
    needed: list[Artifact] = [] if standing else [want.artifact for want in wants.wanted]
    wrong: dict[str, int] = {}
    for want in wants.wanted if standing else ():
        artifact = want.artifact
        if artifact.dest in others or not shows(found[artifact.dest], want):
            needed.append(artifact)
        elif artifact.size is not None:
            size = _size_shown(run, artifact, found[artifact.dest])
            if size != artifact.size and size is not None:
                wrong[artifact.dest] = size
    held = blobs(run, needed)
    for artifact in needed if held else ():
        blob = held.get(artifact.digests.sha256 or "")
        if blob is not None and blob.size != artifact.size and artifact.size is not None:
            wrong[artifact.dest] = blob.size
    if wrong:
        wants = _without(run, wants, wrong)
    # Where nothing that stands here may change, nobody need know what other manifests in the folder have placed.
    changing = {artifact.dest for artifact in needed} if standing else set()
    touched = any(dest in changing or dest not in wants.asked for dest in standing)
    shared = _disputed(run, needed, run.state.shared()) if touched else {}
    here = Survey(blobs=held, found=found, owned=owned, shared=shared)
    plan = make_plan(wants.wanted, here, asked=wants.asked, pinned=pinned, force=wish.force, prune=not wish.inexact)
    return plan, here, wants


def _disputed(run: Run, needed: Iterable[Artifact], shared: Mapping[str, Shared]) -> Mapping[str, Shared]:
    """What dlm placed for other lockfiles, without the paths where none of them asks for other bytes by now.

    Args:
        needed: what this run may place.
    """
    near = {one.dest: one.shown for one in needed if one.dest in shared}
    locked = {name: _pins(run, name) for name in {name for dest in near for name in shared[dest].lockfiles}}

    def agrees(name: str, dest: str) -> bool:
        pins = locked[name]
        return pins is not None and pins.get(dest, near[dest]) == near[dest]

    agreed = {dest for dest in near if all(agrees(name, dest) for name in shared[dest].lockfiles)}
    return {dest: one for dest, one in shared.items() if dest not in agreed} if agreed else shared


def _pins(run: Run, lockfile: str) -> dict[str, str] | None:
    """The sha256 or tree digest that another lockfile of the folder has for each path; None where nobody can tell."""
    try:
        with open(os.path.join(run.files.root, lockfile), "rb") as file:
            read = read_lockfile(file.read(), lockfile)
    except (OSError, DlmError):
        return None
    entries = read.lockfile.entries.values()
    locked = (one for entry in entries for one in for_platform(entry, run.platform))
    return {one.dest: one.sha256 if one.extracted is None else one.extracted.tree for one in locked}


def _size_shown(run: Run, artifact: Artifact, found: Found) -> int | None:
    """How many bytes the artifact has that a path shows already; None where nothing here tells."""
    if found.kind == "file" and found.placement is not None and artifact.extract is None:
        return found.placement.size
    from dlm.workflows.pins import size_here

    return size_here(run, artifact.digests.sha256 or "", found)


def _without(run: Run, wants: _Wants, wrong: Mapping[str, int]) -> _Wants:
    """The wants without those whose bytes are here and have another size than their pin says.

    To fetch them would bring the same bytes again, and what shows them is not to be relied on.

    Args:
        wrong: the bytes that there are, by destination.
    """
    refused = list(wants.refused)
    for want in wants.wanted:
        artifact = want.artifact
        if artifact.dest in wrong:
            resource = wants.resources[artifact.resource]
            error = _wrong_size(run, resource, artifact.size or 0, wrong[artifact.dest])
            refused.extend(() if error is None else (error,))
    kept = tuple(want for want in wants.wanted if want.artifact.dest not in wrong)
    return replace(wants, wanted=kept, refused=tuple(refused))


def _wrong_size(run: Run, resource: Resource, expected: int, found: int) -> DlmError | None:
    """The error, or a warning and None where the resource is optional."""
    from dlm.workflows.pins import wrong_size

    error = wrong_size(run, resource, expected, found)
    if not resource.optional:
        return error
    run.reporter.emit(Warned(f"optional, and could not be had: {error.message}", resource.name))
    return None


def _inspected(run: Run, wants: _Wants, inspector: Inspector) -> _Wants:
    """The wants, each archive with what comes out of it if the lockfile says so or the store holds it."""
    if not any(map(_unknown, wants.wanted)):
        return wants
    wanted: list[Wanted] = []
    refused = list(wants.refused)
    for want in wants.wanted:
        blob = run.store.get(want.artifact.digests) if _unknown(want) else None
        if blob is not None and want.artifact.size not in {None, blob.size}:
            blob = None
        try:
            wanted.append(want if blob is None else _with_extracted(want, blob, inspector))
        except DlmError as error:
            refused.append(error)
    return replace(wants, wanted=tuple(wanted), refused=tuple(refused))


def _unknown(want: Wanted) -> bool:
    return want.artifact.extract is not None and want.artifact.extracted is None


def _with_extracted(want: Wanted, blob: Blob, inspector: Inspector) -> Wanted:
    """Raises DlmError: the archive is refused, or cannot be read."""
    artifact = want.artifact
    if artifact.extract is None:
        return want
    found = inspector.look(blob, artifact.extract, filename=artifact.filename, resource=artifact.resource)
    return replace(want, artifact=replace(artifact, extracted=found))


def _folders(run: Run, *lockfiles: Lockfile) -> set[str]:
    """Where old and new lockfile have archives unpacked."""
    return {
        one.dest
        for lockfile in _different(lockfiles)
        for entry in lockfile.entries.values()
        if "extract" in entry.request
        for one in for_platform(entry, run.platform)
        if is_folder(entry, one)
    }


def _locked(run: Run, *lockfiles: Lockfile) -> Iterator[LockedArtifact]:
    """What old and new lockfile have for this platform."""
    for lockfile in _different(lockfiles):
        for entry in lockfile.entries.values():
            yield from for_platform(entry, run.platform)


def _pinned(locked: Iterable[LockedArtifact], found: Mapping[str, Found]) -> dict[str, frozenset[str]]:
    """What old and new lockfile know of each path where something stands: of the others nobody asks."""
    pinned: dict[str, frozenset[str]] = {}
    for one in locked:
        if found[one.dest].kind == "absent":
            continue
        digest = one.sha256 if one.extracted is None else one.extracted.tree
        pinned[one.dest] = pinned.get(one.dest, frozenset()) | {digest}
    return pinned


def _different(lockfiles: Iterable[Lockfile]) -> Iterable[Lockfile]:
    """Each once: a run that changes no entry has one lockfile before and after."""
    return {id(lockfile): lockfile for lockfile in lockfiles}.values()


class _Sync:
    """One run that changes things."""

    def __init__(self, run: Run, modes: Modes, wish: SyncWish, settled: Settled) -> None:
        self._run = run
        self._modes = modes
        self._wish = wish
        self._settled = settled
        self._errors = list(settled.errors)
        self.lockfile = settled.lockfile
        self.wanted: tuple[Wanted, ...] = ()
        self.clean = False
        self._inspector = Inspector()

    def carry_out(self) -> SyncReport:
        """Plan, fetch, place, write the lockfile, report."""
        run = self._run
        refuse_unknown_groups(self._settled, self._wish.groups)
        if run.state.interrupted:
            from dlm.place.leftovers import remove_leftovers

            run.reporter.emit(Note("the run before was interrupted; this one completes it"))
            remove_leftovers(run.files.root, run.state.leftovers, run.settings.allow_outside)
        asked = _wants(run, self._settled, self._wish.groups, self._wish.only)
        plan, survey, wants = _plan(run, self._settled, asked, self._wish, self._inspector)
        self._errors.extend(wants.refused)
        for want in plan.grown:
            run.reporter.emit(Warned(_grown(want, survey.found[want.artifact.dest]), want.artifact.resource))
        if plan.conflicts:
            self._errors.extend(_conflict_error(conflict) for conflict in plan.conflicts)
            _stop_at(self._errors, self._wish)
        # Also where something could not be locked: one failure does not hide another, and what arrives is kept.
        # What a server said of a file is written down once; where it was, its next words are of no use.
        told = all(one.verified for entry in self._settled.lockfile.entries.values() for one in entry.artifacts)
        if self._settled.manifest is None:
            # Under --frozen the lockfile is read and nothing more, and a hundred thousand files of it are 150 MiB.
            resources = {name: replace(one, files=one.files[:1]) for name, one in self._settled.resources.items()}
            self.lockfile = Lockfile()
            self._settled = replace(self._settled, lockfile=self.lockfile, read=None, resources=resources)
        else:
            self.wanted = asked.wanted
        settled = self._settled
        haul = gather(
            run,
            plan.fetch,
            offline=self._modes.offline,
            bare=told,
            spare=self._spare(plan),
            meanwhile=partial(_load_placing, len(plan.place)),
        )
        self._sort_errors(plan, haul)
        _stop_at(self._errors, self._wish)
        held = dict(survey.blobs)
        held.update((blob.sha256, blob) for blob in haul.blobs())
        place = self._inspect(plan.place, held)
        _stop_at(self._errors, self._wish)
        placings = [_placing(want, blob, survey, plan.instead.get(want.artifact.dest)) for want, blob in place]
        known, gone = _still_known(plan, survey), _gone(plan, survey)
        passed_over, count = wants.passed_over, len(asked.wanted)
        # What comes now goes by the placings, and makes something of its own for each of them.
        del asked, wants, place
        plan = replace(plan, place=(), fetch=())
        if not settled.writable:
            held.clear()  # the lockfile would be written by it
        fetched = haul.count
        haul.bare.clear()
        done = self._place(placings, plan.remove, survey, known=known, gone=gone)
        written = self._write(held, haul)
        plain = not (self._wish.groups or self._wish.inexact or self._wish.force or plan.left or self._errors)
        shown = len(plan.keep) + len(done.placements) == count and not plan.grown
        # What is optional and could not be locked is asked for again each time: it may be there by now.
        whole = all(name in settled.lockfile.entries for name in settled.resources)
        self.clean = plain and shown and whole and settled.manifest is not None and not settled.manifest.warnings
        return SyncReport(
            placed=_shown(done, placings, survey),
            removed=done.removed,
            kept=len(plan.keep),
            left=plan.left,
            passed_over=passed_over,
            changes=settled.changes,
            fetched=settled.fetched + fetched,
            transferred=settled.transferred + haul.transferred,
            written=written,
            unwritten=_unwritten(settled.errors) if settled.changes and not written else None,
            errors=tuple(self._errors),
        )

    def _spare(self, plan: Plan) -> Callable[[Artifact], tuple[int, str] | None]:
        """Says of a file that will be a copy of its blob with which permissions that is made as the bytes come.

        It is worth the while for large files, and for many small ones. Those whose folder is not there yet are made for
        their place in it, so that it can be moved into the tree whole.
        """
        copied = {want.artifact.resource for want in plan.place if _is_copy(want)}
        sizes = [one.size or 0 for one in plan.fetch if one.resource in copied]
        small = [size for size in sizes if size <= LIGHT]
        many = len(small) >= _MANY
        if not many and not any(size > _LARGE for size in sizes):
            return _no_spare
        folder = self._run.store.spares(sum(small) if many else 0)
        if folder is None:
            return _no_spare
        from dlm.place.link import permissions
        from dlm.place.spares import serves

        if not serves(folder, self._run.files.root):
            return _no_spare

        missing = frozenset(missing_folders(self._run.files.root, (want.artifact.dest for want in plan.place)))

        def spare(artifact: Artifact) -> tuple[int, str] | None:
            size = artifact.size or 0
            if artifact.resource not in copied or (size <= _LARGE and not (many and size <= LIGHT)):
                return None
            dest = artifact.dest
            return permissions(executable=artifact.program), dest if dest.rpartition("/")[0] in missing else ""

        return spare

    def _inspect(self, place: Iterable[Wanted], held: Mapping[str, Blob]) -> list[tuple[Wanted, Blob]]:
        """What can be placed, each with its blob; of every archive it is known what comes out of it, before anything
        changes."""
        ready: list[tuple[Wanted, Blob]] = []
        for want in place:
            artifact = want.artifact
            blob = held.get(artifact.digests.sha256 or "")
            if blob is None:
                continue
            size = artifact.size
            if blob.size != size and size is not None:
                # Came for another pin of the same digest, which has the right size.
                error = _wrong_size(self._run, self._settled.resources[artifact.resource], size, blob.size)
                self._errors.extend(() if error is None else (error,))
                continue
            if artifact.extract is None:
                ready.append((want, blob))
                continue
            try:
                ready.append((_with_extracted(want, blob, self._inspector) if _unknown(want) else want, blob))
            except DlmError as error:
                self._errors.append(error)
        return ready

    def _sort_errors(self, plan: Plan, haul: Haul) -> None:
        """Failing to get what is optional is a warning."""
        for index, error in haul.errors.items():
            resource = self._settled.resources.get(plan.fetch[index].resource)
            if resource is not None:
                from dlm.workflows.pins import explain

                explain(self._run, resource, error)
            if resource is not None and resource.optional:
                self._run.reporter.emit(
                    Warned(f"optional, and could not be had: {error.message}", plan.fetch[index].resource)
                )
            else:
                self._errors.append(error)

    def _place(
        self,
        placings: Sequence[Placing],
        remove: Sequence[Removal],
        survey: Survey,
        *,
        known: Sequence[Placement],
        gone: Sequence[str],
    ) -> Done:
        from dlm.place.place import Done, carry_out

        run = self._run
        if not placings and not remove:
            run.state.finish(known, gone)
            return Done()
        folders = _new_folders(run.files.root, placings)
        run.store.settle()  # a link may be all that a path will hold
        token = run.state.begin(placings, remove, folders)
        done = carry_out(
            run.files.root,
            placings,
            remove,
            survey.found,
            token=token,
            folders={*run.state.folders, *folders},
            reporter=run.reporter,
            clock=run.clock,
            allow_outside=run.settings.allow_outside,
            force=self._wish.force,
            forget=run.state.forget,
            forks=run.forks,
        )
        trees = notes(run)
        for listing in done.listings:
            trees.write(listing)
        run.state.finish(
            (*known, *done.placements),
            (*gone, *done.removed),
            folders=done.folders,
            folders_removed=done.folders_removed,
        )
        trees.keep(_noted(run))
        self._errors.extend(done.errors)
        self._errors.extend(_conflict_error(conflict) for conflict in done.left)
        _stop_at(self._errors, self._wish)
        return done

    def _write(self, held: Mapping[str, Blob], haul: Haul) -> bool:
        """The lockfile, last; not where part of it is missing or the mode forbids it."""
        if not self._settled.writable or self._settled.errors:
            return False
        from dlm.workflows.lock import save

        self.lockfile = _unpacked(_verified(self._settled.lockfile, held, haul), self._inspector)
        return save(self._run, self.lockfile, self._settled.read)


def _unwritten(errors: Sequence[DlmError]) -> str | None:
    """Why the lockfile stays as it was: it is written whole, or not at all."""
    names = list(dict.fromkeys(error.resource for error in errors if error.resource is not None))
    if not errors:
        return None
    what = ", ".join(names) if 0 < len(names) <= _NAMED else f"{len(names) or len(errors)} resources"
    return f"{what} could not be locked"


def _no_spare(_: Artifact) -> None:
    """Nobody wants a second file."""


def _load_placing(count: int) -> None:
    """Load what placing so many files needs, in time that nothing else has a use for."""
    import dlm.place.place

    if count > dlm.place.flush.FEW:
        import ctypes  # noqa: F401 - for asking whole file systems to flush
    if count >= _MANY:
        import dlm.place.whole  # for folders that come by one rename


def _is_copy(want: Wanted) -> bool:
    """Whether a path shows its blob by a file with bytes of its own, unless the file system can share them."""
    return want.link in {"auto", "copy"} and want.artifact.extract is None


def _noted(run: Run) -> Iterator[str]:
    """Every digest that the state knows, looked up only if somebody asks."""
    for one in run.state.owned().values():
        yield from one.digests


def _conflict_error(conflict: Conflict) -> DlmError:
    kind = PolicyError if conflict.policy else LocalError
    way = "give one of the two another dest" if conflict.shared else "move it away"
    hint = f"{way}, or run `dlm sync --force` to overwrite it" if conflict.forcible else way
    if conflict.policy:
        hint = "remove the link, or name its target under allow_outside in your config.yaml"
    return kind(f"{conflict.dest}: {conflict.reason}", resource=conflict.resource, hint=hint, details=conflict.details)


def _grown(want: Wanted, found: Found) -> str:
    return f"{want.artifact.dest} holds what dlm did not unpack there; it stays: {', '.join(found.edits)}"


def _still_known(plan: Plan, survey: Survey) -> list[Placement]:
    """Paths that are right: adopted, or the same file with another signature, which the state should know."""
    known: list[Placement] = []
    for want in plan.keep:
        if want in plan.grown:
            continue  # what came in is not dlm's
        found: Found = survey.found[want.artifact.dest]
        owned = survey.owned.get(want.artifact.dest)
        if found.placement is not None and (owned is None or owned.placement != found.placement):
            known.append(found.placement)
    return known


def _placing(want: Wanted, blob: Blob, survey: Survey, instead: tuple[str, ...] | None) -> Placing:
    artifact = want.artifact
    # What stands there now goes with those in whose stead it comes.
    found = survey.found[artifact.dest] if instead is None else ABSENT
    return Placing(
        dest=artifact.dest,
        blob=blob,
        resource=artifact.resource,
        found=found,
        link=want.link,
        executable=artifact.program,
        filename=artifact.filename,
        extract=artifact.extract,
        extracted=artifact.extracted,
        instead=instead,
    )


def _new_folders(root: str, placings: Sequence[Placing]) -> tuple[str, ...]:
    """The folders that have to be made, also those in the stead of what stands there now."""
    folders = dict.fromkeys(missing_folders(root, [one.dest for one in placings]))
    for one in placings:
        if not one.instead:
            continue
        above = one.dest.rpartition("/")[0]
        while one.beside != one.dest and len(above) >= len(one.beside):
            folders[above] = None
            above = above.rpartition("/")[0]
    return tuple(folders)


def _gone(plan: Plan, survey: Survey) -> list[str]:
    """Paths that are not dlm's any more: somebody removed them, or edited them and nothing asks for them."""
    absent = ((dest, survey.found[dest]) for dest in survey.owned)
    gone = [dest for dest, found in absent if found.kind == "absent" and not found.barred]
    if gone:
        wanted = {want.artifact.dest for want in (*plan.keep, *plan.place)}
        gone = [dest for dest in gone if dest not in wanted]
    return [*gone, *(conflict.dest for conflict in plan.left if not conflict.barred)]


def _shown(done: Done, placings: Iterable[Placing], survey: Survey) -> tuple[Shown, ...]:
    resources = {one.dest: one.resource for one in placings}
    return tuple(
        Shown(
            resource=resources.get(one.dest, ""),
            dest=one.dest,
            mode=one.mode,
            replaced=survey.found[one.dest].kind != "absent",
        )
        for one in done.placements
    )


def _verified(lockfile: Lockfile, held: Mapping[str, Blob], haul: Haul) -> Lockfile:
    """The lockfile with the word "unverified" taken from what has been seen by now."""
    receipts = {one.blob.sha256: one.receipt for one in haul.arrived.values()}
    entries: dict[str, LockEntry] = {}
    for name, entry in lockfile.entries.items():
        if all(one.verified for one in entry.artifacts):
            entries[name] = entry
            continue
        seen: list[LockedArtifact] = []
        for one in entry.artifacts:
            if one.verified or one.sha256 not in held:
                seen.append(one)
                continue
            receipt = receipts.get(one.sha256)
            headers = receipt.headers if receipt is not None and receipt.from_origin else {}
            seen.append(replace(one, verified=True, headers=headers))
        entries[name] = replace(entry, artifacts=tuple(seen))
    return replace(lockfile, entries=entries)


def _unpacked(lockfile: Lockfile, inspector: Inspector) -> Lockfile:
    """The lockfile with what came out of archives that were not at hand when they were locked."""
    entries: dict[str, LockEntry] = {}
    for name, entry in lockfile.entries.items():
        wish = wish_of(entry)
        if wish is None or all(one.extracted is not None for one in entry.artifacts):
            entries[name] = entry
            continue
        artifacts: list[LockedArtifact] = []
        for one in entry.artifacts:
            found = inspector.known(one.sha256, wish, one.filename) if one.extracted is None else None
            # Whose content was looked at, its bytes were seen.
            artifacts.append(one if found is None else replace(one, verified=True, extracted=found))
        entries[name] = replace(entry, artifacts=tuple(artifacts))
    return replace(lockfile, entries=entries)
