"""``dlm lock``: resolve what the lockfile does not settle, fetch it into the store, check it, write it down."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Literal

from dlm.documents.lockfile_json import sorted_artifacts, write_lockfile
from dlm.errors import (
    DlmError,
    LocalError,
    OfflineError,
    PolicyError,
    StaleError,
    UsageError,
)
from dlm.model.artifact import Artifact
from dlm.model.digest import Digests
from dlm.model.events import Resolved, Resolving, Warned
from dlm.model.evidence import Piece, Provenance
from dlm.model.frozen import dataclass, field, replace
from dlm.model.lockfile import LockedArtifact, LockEntry, Lockfile
from dlm.model.paths import check_filename, check_path, collision_key
from dlm.model.places import Taken
from dlm.model.policy import Step
from dlm.model.request import RequestWish
from dlm.model.selector import Selector
from dlm.model.suggest import suggest
from dlm.model.url import Url
from dlm.resolve import direct
from dlm.resolve.choose import choose
from dlm.staleness import differences, stale_entries
from dlm.workflows.evidence import Case, Inquiry, fallen
from dlm.workflows.extraction import Inspector, is_folder
from dlm.workflows.pins import explain
from dlm.workflows.policy import host_of, meets, policy_of, refusals
from dlm.workflows.run import one_or_all

if TYPE_CHECKING:
    from dlm.documents.lockfile_json import ReadLockfile
    from dlm.model.artifact import Receipt
    from dlm.model.digest import Digest
    from dlm.model.manifest import Manifest, Resource
    from dlm.staleness import Stale
    from dlm.workflows.orders import Haul
    from dlm.workflows.run import ListingAge, Run

__all__ = ["Change", "LockReport", "LockWish", "Relocked", "lock", "refuse_stale", "relock"]

_PAGES = frozenset({"text/html", "application/xhtml+xml"})
_PAGE_SUFFIXES = frozenset({"html", "htm", "xhtml"})
#: Of so many files of one resource, each is named in a warning.
_NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class LockWish:
    """What is asked of a lock beyond filling what is missing.

    Attributes:
        upgrade: selectors and ``mutable`` URLs are looked up anew.
        names: the same for these names alone.
        accept: names whose changed bytes are accepted, with the digest they must have, if one is given.
        allow_downgrade: a selector may come back to an older version than the one locked.
        allow_weaker: an artifact may be vouched for by less than the one whose place it takes.
        offline: the flag or variable that forbids the network, or None.
        dry_run: resolve, and fetch and write nothing; what forbids fetching is an error all the same.
        refresh: read listings anew whatever their age.
    """

    upgrade: bool = False
    names: tuple[str, ...] = ()
    accept: Mapping[str, Digest | None] = field(default_factory=dict)
    allow_downgrade: bool = False
    allow_weaker: bool = False
    offline: str | None = None
    dry_run: bool = False
    refresh: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What became of one entry; ``artifacts`` are what it holds now, as far as that is known."""

    name: str
    action: Literal["added", "updated", "moved", "removed"]
    details: tuple[str, ...] = ()
    artifacts: tuple[LockedArtifact, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LockReport:
    """What a lock did, or with ``dry_run`` or ``check`` would do.

    Attributes:
        entries: how many entries the lockfile has now.
        changes: what changed, by name.
        stale: what ``--check`` found.
        written: whether the file was replaced.
        fetched: how many artifacts came over the wire, and ``transferred`` their bytes.
    """

    entries: int
    changes: tuple[Change, ...] = ()
    stale: tuple[Stale, ...] = ()
    written: bool = False
    fetched: int = 0
    transferred: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Relocked:
    """A new lockfile and how it came about; ``errors`` says why some entries are not in it.

    Attributes:
        pending: of a dry run, by name, the artifacts of entries that are not in it because something would have to be
            fetched for them first, each with what is known of it.
        unfetched: those among them that would be.
    """

    lockfile: Lockfile
    changes: tuple[Change, ...]
    errors: tuple[DlmError, ...]
    fetched: int = 0
    transferred: int = 0
    pending: Mapping[str, tuple[Artifact, ...]] = field(default_factory=dict)
    unfetched: tuple[Artifact, ...] = ()


def lock(run: Run, wish: LockWish, *, check: bool = False) -> LockReport:
    """Carry out ``dlm lock``.

    Raises:
        StaleError: ``check`` is given and the lockfile does not match the manifest.
        DlmError: something could not be locked; the old lockfile stands as it was.
    """
    manifest = run.manifest()
    read = run.lockfile(manifest)
    if check:
        refuse_stale(run, manifest, read, because="--check")
        _refuse_by_policy(run, manifest, read.lockfile if read else Lockfile())
        return LockReport(entries=len(read.lockfile.entries) if read else 0)
    old = read.lockfile if read else Lockfile()
    new = relock(run, manifest, old, wish)
    _refuse_by_policy(run, manifest, new.lockfile, new.errors)
    report = LockReport(
        entries=len(manifest.resources) if wish.dry_run else len(new.lockfile.entries),
        changes=new.changes,
        fetched=new.fetched,
        transferred=new.transferred,
    )
    if wish.dry_run:
        return report
    return replace(report, written=save(run, new.lockfile, read))


def _refuse_by_policy(run: Run, manifest: Manifest, lockfile: Lockfile, errors: Iterable[DlmError] = ()) -> None:
    """Raise ``errors``, and one for each entry that lacks the evidence that policy demands."""
    refused = refusals(policy_of(run, manifest), lockfile.artifacts(), run.files.lockfile_name)
    failure = one_or_all([*errors, *refused])
    if failure is not None:
        raise failure


def save(run: Run, lockfile: Lockfile, read: ReadLockfile | None) -> bool:
    """Write the lockfile if its text would differ."""
    if read is not None and not read.conflicted and lockfile == read.lockfile:
        return False
    data = write_lockfile(lockfile)
    if run.files.read_lockfile() == data:
        return False
    run.store.settle()
    run.state.register()
    run.files.write_lockfile(data)
    return True


def refuse_stale(run: Run, manifest: Manifest, read: ReadLockfile | None, *, because: str) -> None:
    """Raise StaleError unless the lockfile is there and matches the manifest."""
    name = run.files.lockfile_name
    if read is None:
        if not manifest.resources and because == "--check":
            return
        raise StaleError(f"{name} is missing, and {because} forbids making one", hint="run `dlm lock` and commit it")
    if read.conflicted:
        raise StaleError(f"{name} holds a merge conflict, and {because} forbids writing it", hint="run `dlm lock`")
    stale = stale_entries(manifest, read.lockfile)
    if stale:
        count = len(stale)
        raise StaleError(
            f"{name} does not match {run.files.manifest_name} in {count} place{'s' if count != 1 else ''}, and"
            f" {because} forbids changing it",
            hint="run `dlm lock` and commit the lockfile",
            details=[str(one) for one in stale],
        )


def relock(run: Run, manifest: Manifest, old: Lockfile, wish: LockWish) -> Relocked:
    """The lockfile that the manifest asks for. Entries that are not stale stay as they are and cost no request."""
    _check_names(manifest, wish)
    work = _Work(run, manifest, old, wish)
    work.sort_out()
    work.resolve()
    work.fetch()
    return work.result()


def _check_names(manifest: Manifest, wish: LockWish) -> None:
    known = [resource.name for resource in manifest.resources]
    for name in (*wish.names, *wish.accept):
        if name not in known:
            raise UsageError(f"the manifest has no resource {name!r}{suggest(name, known)}", hint="run `dlm list`")


@dataclass(slots=True)
class _Pending:
    """An entry in the making: one locked artifact, or still None, for each artifact."""

    resource: Resource
    artifacts: list[Artifact]
    done: list[LockedArtifact | None]


class _Work:
    """One relock. Kept entries go to ``_entries`` at once; the others pass through ``_pending``."""

    def __init__(self, run: Run, manifest: Manifest, old: Lockfile, wish: LockWish) -> None:
        self._run = run
        self._manifest = manifest
        self._old = old
        self._wish = wish
        self._entries: dict[str, LockEntry] = {}
        self._todo: list[Resource] = []
        self._pending: list[_Pending] = []
        self._errors: list[DlmError] = []
        self._failed: set[str] = set()
        # Files, by resource, in whose stead a page may have come.
        self._pages: dict[str, list[str]] = {}
        self._fetched = 0
        self._transferred = 0
        self._policy = policy_of(run, manifest)
        # What is locked stays locked wherever its URL turns up again, under another name too.
        self._pins = {(one.url, _asked(entry)): one for entry, one in old.artifacts()}
        self._unpacked = {(one.url, _asked(entry)): entry.request.get("extract") for entry, one in old.artifacts()}
        self._inspector = Inspector()

    def sort_out(self) -> None:
        """Keep, move, or put on the list."""
        for resource in self._manifest.resources:
            entry = self._old.entries.get(resource.name)
            stale = differences(resource, entry)
            if self._asked_anew(resource):
                self._todo.append(resource)
            elif stale is None and entry is not None:
                self._entries[resource.name] = entry
            elif entry is not None and stale is not None and stale.kind == "placement" and _movable(resource, entry):
                self._move(resource, entry)
            else:
                self._todo.append(resource)

    def resolve(self) -> None:
        """Every resource on the list becomes artifacts."""
        selectors = [resource for resource in self._todo if resource.selector is not None]
        found: dict[str, list[Artifact] | DlmError] = {}
        if selectors:
            self._run.reporter.emit(Resolving(len(selectors)))
            workers = max(1, min(8, self._run.settings.jobs_per_host, len(selectors)))
            with ThreadPoolExecutor(workers) as pool:
                found.update(zip((one.name for one in selectors), pool.map(self._select, selectors), strict=True))
        for resource in self._todo:
            try:
                result = found.get(resource.name)
                if isinstance(result, DlmError):
                    raise result
                artifacts = result if result is not None else list(direct.artifacts(resource))
            except DlmError as error:
                self._fail(resource, error)
                continue
            self._pending.append(_Pending(resource, artifacts, [None] * len(artifacts)))

    def fetch(self) -> None:
        """Settle each artifact: from its old pin, from the manifest's word, or from its bytes."""
        open_places: list[tuple[_Pending, int]] = []
        cases: list[Case] = []
        for pending in self._pending:
            for index, artifact in enumerate(pending.artifacts):
                settled, wanted = self._settle(pending.resource, artifact)
                pending.artifacts[index] = wanted
                pending.done[index] = settled
                if settled is None:
                    open_places.append((pending, index))
                    cases.append(Case(resource=pending.resource, artifact=wanted, stated=bool(artifact.digests)))
        if self._wish.dry_run and self._wish.offline is None:
            return  # without the network nothing would be fetched, and what fails for that is known already
        inquiry = Inquiry(self._run, self._policy, cases)
        haul = inquiry.gather(offline=self._wish.offline)
        for number, place in enumerate(open_places):
            self._take(haul, inquiry, number, place)
        self._say_pages()
        inquiry.say_unchecked()

    def result(self) -> Relocked:
        """The new lockfile."""
        for pending in self._pending:
            if all(one is not None for one in pending.done):
                entry = self._entry(pending)
                if entry is not None:
                    self._entries[pending.resource.name] = entry
        self._check_destinations()
        self._check_folders()
        lockfile = replace(self._old, entries=dict(sorted(self._entries.items())))
        waiting = self._waiting() if self._wish.dry_run else []
        return Relocked(
            lockfile=lockfile,
            changes=self._changes(),
            errors=tuple(self._errors),
            fetched=self._fetched,
            transferred=self._transferred,
            pending={one.resource.name: tuple(one.artifacts) for one in waiting},
            unfetched=tuple(
                artifact
                for one in waiting
                for artifact, settled in zip(one.artifacts, one.done, strict=True)
                if settled is None
            ),
        )

    def _waiting(self) -> list[_Pending]:
        """What only its bytes are missing for."""
        return [one for one in self._pending if None in one.done and one.resource.name not in self._failed]

    def _move(self, resource: Resource, entry: LockEntry) -> None:
        moved = _moved(resource, entry)
        try:
            artifacts = tuple(self._with_extracted(resource, one) for one in moved.artifacts)
        except DlmError as error:
            self._fail(resource, error)
        else:
            self._entries[resource.name] = replace(moved, artifacts=artifacts)

    def _with_extracted(self, resource: Resource, one: LockedArtifact) -> LockedArtifact:
        """With what comes out of it: as it was locked, else from the store; left out where it is not at hand.

        Raises:
            PolicyError: the archive is refused.
            ArchiveError: it cannot be unpacked.
        """
        wish = resource.extract
        if wish is None:
            return one if one.extracted is None else replace(one, extracted=None)
        key = (one.url, resource.ask.key())
        old = self._pins.get(key)
        if old is not None and old.extracted is not None and old.sha256 == one.sha256:
            same = self._unpacked[key] == wish.request() and wish.shape(old.filename) == wish.shape(one.filename)
            if same:
                return replace(one, extracted=old.extracted)
        blob = self._run.store.get(one.digests) if one.verified else None
        if blob is None:
            return replace(one, extracted=None)
        found = self._inspector.look(blob, wish, filename=one.filename, resource=resource.name)
        return replace(one, extracted=found)

    def _asked_anew(self, resource: Resource) -> bool:
        if resource.name in self._wish.accept:
            return True
        if resource.name in self._wish.names:
            if resource.selector is None and not resource.mutable:
                self._run.reporter.emit(
                    Warned(
                        "there is nothing to upgrade at a fixed URL; to take changed bytes there, run"
                        f" `dlm lock --accept-hash {resource.name}`",
                        resource.name,
                    )
                )
                return False
            return True
        if not self._wish.upgrade or resource.freeze:
            return False
        return resource.selector is not None or resource.mutable

    def _select(self, resource: Resource) -> list[Artifact] | DlmError:
        """The artifacts of a selector; runs in the pool, so errors come back as values."""
        try:
            if self._wish.offline is not None:
                raise OfflineError(
                    f"{resource.selector} is not locked, and {self._wish.offline} forbids looking it up",
                    hint="run `dlm lock` once with the network",
                )
            selector = Selector.parse(resource.selector or "", self._run.grammars)
            age: ListingAge = "anew" if self._wish.refresh else "dated" if self._upgrading(resource) else "noted"
            resolver = self._run.resolver(selector.scheme, age)
            choice = choose(
                selector, resolver.candidates(selector), nearby=resolver.candidates, remarks=resolver.remarks
            )
            artifacts = [
                Artifact(
                    resource=resource.name,
                    filename=check_filename(candidate.filename),
                    url=resolver.canonical_url(candidate),
                    dest=self._dest(resource, candidate.filename, many=len(choice.chosen) > 1),
                    version=candidate.version,
                    executable=resource.executable,
                    extract=resource.extract,
                    sidecars=candidate.sidecars,
                )
                for candidate in choice.chosen
            ]
        except ValueError as error:
            return LocalError(str(error), resource=resource.name)
        except DlmError as error:
            return error
        versions = {artifact.version for artifact in artifacts}
        only = versions.pop() if len(versions) == 1 else None
        self._run.reporter.emit(Resolved(resource.name, len(artifacts), only))
        return artifacts

    def _upgrading(self, resource: Resource) -> bool:
        return self._wish.upgrade or resource.name in self._wish.names

    def _dest(self, resource: Resource, filename: str, *, many: bool) -> str:
        if many and resource.extract is not None and resource.extract.shape(filename) == "folder":
            raise UsageError(
                "the selector means several archives, which cannot become one folder",
                hint=f"give each a resource of its own in {self._run.files.manifest_name}",
            )
        if many and resource.dest and not resource.dest.endswith("/"):
            raise UsageError(
                f"the selector means several files, and dest {resource.dest!r} is one",
                hint=f"write dest: {resource.dest}/ in {self._run.files.manifest_name}",
            )
        # What comes out of a compressed file has a name of its own, which nobody has looked at yet.
        return check_path(resource.destination(filename))

    def _settle(self, resource: Resource, artifact: Artifact) -> tuple[LockedArtifact | None, Artifact]:
        """What is known of an artifact without a request, and the artifact with all that it must match."""
        wish = self._wish
        pin = self._pins.get((str(Url.parse(artifact.url)), artifact.ask.key()))
        if resource.name in wish.accept:
            accepted = wish.accept[resource.name]
            return None, replace(artifact, digests=Digests((accepted,)) if accepted else artifact.digests, size=None)
        if pin is not None and self._upgrading(resource) and resource.mutable and not resource.freeze:
            pin = None
        if pin is not None and artifact.digests.contradiction(pin.digests):
            pin = None  # the manifest's digest differs: the user accepts other bytes
        if pin is not None and artifact.size is not None and artifact.size != pin.size:
            pin = None
        if pin is not None:
            wanted = replace(artifact, digests=artifact.digests.joined(pin.digests), size=pin.size)
            if not self._vouched_for(resource, pin):
                return None, wanted
            missing = set(artifact.digests.algorithms) - set(pin.digests.algorithms)
            settled = self._from_store(wanted, pin) if missing else _placed(pin, wanted)
            if settled is None or not artifact.digests:
                return settled, wanted
            return replace(settled, evidence=_with_manifest_digest(pin)), wanted
        if artifact.digests.sha256 is None or artifact.size is None or resource.evidence:
            return None, artifact
        if self._policy.demanded(host_of(artifact.url)) > Step.MANIFEST_DIGEST:
            return None, artifact
        held = self._from_store(artifact, None) or _unverified(artifact)
        return replace(held, evidence=_with_manifest_digest(held)), artifact

    def _vouched_for(self, resource: Resource, pin: LockedArtifact) -> bool:
        """Whether what was checked when a pin was made is what the manifest and policy ask for now."""
        if resource.evidence:
            old = self._old.entries.get(resource.name)
            if old is None or old.request.get("evidence") != resource.evidence.request():
                return False
        return meets(self._policy, pin)

    def _from_store(self, artifact: Artifact, pin: LockedArtifact | None) -> LockedArtifact | None:
        blob = self._run.store.get(artifact.digests)
        if blob is None or (artifact.size is not None and artifact.size != blob.size):
            return None
        known = self._run.store.known(f"sha256:{blob.sha256}")
        headers = pin.headers if pin is not None else known.headers if known is not None else {}
        locked = _locked(artifact, blob.digests, blob.size, headers, final_url=known.final_url if known else None)
        return locked if pin is None else replace(locked, evidence=pin.evidence)

    def _take(self, haul: Haul, inquiry: Inquiry, number: int, place: tuple[_Pending, int]) -> None:
        pending, index = place
        error = haul.errors.get(number)
        if error is not None:
            self._fail(pending.resource, error)
            return
        arrived = haul.arrived[number]
        receipt: Receipt = arrived.receipt
        if receipt.transferred:
            self._fetched += 1
            self._transferred += receipt.transferred
        try:
            provenance = inquiry.provenance(number, arrived)
        except DlmError as failure:
            self._fail(pending.resource, failure)
            return
        artifact = pending.artifacts[index]
        if not artifact.digests and _is_page(receipt) and not _may_be_page(artifact.filename):
            self._pages.setdefault(pending.resource.name, []).append(artifact.filename)
        locked = _locked(
            artifact,
            arrived.blob.digests,
            arrived.blob.size,
            receipt.headers if receipt.from_origin else {},
            final_url=receipt.final_url if receipt.from_origin else None,
        )
        pending.done[index] = replace(locked, evidence=provenance.as_documents())

    def _say_pages(self) -> None:
        """Warn of pages under the names of other files: an error or a form to log in, and not what was meant."""
        for name, files in self._pages.items():
            which = "" if files == [name] else f" for {', '.join(files[:_NAMED])}"
            more = f" and {len(files) - _NAMED} more" if len(files) > _NAMED else ""
            look = "look whether that is the file" if len(files) == 1 else "look whether these are the files"
            self._run.reporter.emit(Warned(f"the server answered with an HTML page{which}{more}; {look}", name))

    def _fail(self, resource: Resource, error: DlmError) -> None:
        repeated = resource.name in self._failed
        self._failed.add(resource.name)
        error.resource = error.resource or resource.name
        explain(self._run, resource, error)
        if not resource.optional:
            self._errors.append(error)
            return
        if not repeated:
            self._run.reporter.emit(Warned(f"optional, and could not be had: {error.message}", resource.name))
        entry = self._old.entries.get(resource.name)
        if entry is not None and differences(resource, entry) is None:
            self._entries[resource.name] = entry

    def _entry(self, pending: _Pending) -> LockEntry | None:
        """The entry, or None where less vouches for it than for the one before."""
        resource = pending.resource
        try:
            done = tuple(self._with_extracted(resource, one) for one in pending.done if one is not None)
        except DlmError as error:
            self._fail(resource, error)
            return None
        old = self._old.entries.get(resource.name)
        if old is not None:
            # A header that changed alone is no reason to rewrite anything.
            before = {(one.platform, one.url): one for one in old.artifacts}
            done = tuple(_unless_same(before.get((one.platform, one.url)), one) for one in done)
            self._refuse_downgrade(resource, old, done)
            if not self._may_fall(resource, old, done):
                return None
        # In the order in which they are written: what is the same must look the same as what was read.
        return LockEntry(name=resource.name, request=resource.request(), artifacts=sorted_artifacts(done))

    def _may_fall(self, resource: Resource, old: LockEntry, done: tuple[LockedArtifact, ...]) -> bool:
        """Whether the new artifacts may take the old ones' place; what they have less evidence of is said."""
        allowed = True
        for one, was, now in fallen(old, done):
            lost = ", ".join(piece.shown for piece in was.dropped_by(now))
            # What a server states of its own bytes comes and goes with servers, and is worth a word only.
            if was.falls_to(now) and was.strongest >= Step.MANIFEST_DIGEST and not self._wish.allow_weaker:
                allowed = False
                self._errors.append(
                    PolicyError(
                        f"{one.filename} would be vouched for by {now.strongest.word} only; what is locked has"
                        f" {was.strongest.word}",
                        resource=resource.name,
                        hint="if that is right, run `dlm lock --allow-weaker-evidence` with what you asked for",
                        details=[f"lost: {lost}"],
                    )
                )
            else:
                self._run.reporter.emit(Warned(f"{one.filename} is no longer vouched for by {lost}", resource.name))
        return allowed

    def _refuse_downgrade(self, resource: Resource, old: LockEntry, done: tuple[LockedArtifact, ...]) -> None:
        """A listing that lost its newest release must not take a project back unnoticed."""
        if self._wish.allow_downgrade or resource.selector is None or old.request.get("selector") != resource.selector:
            return
        before, after = _newest(old.artifacts), _newest(done)
        if before is None or after is None or not _is_older(after, before):
            return
        self._errors.append(
            PolicyError(
                f"{before} is locked, and the site now offers {after} as the newest",
                resource=resource.name,
                hint=f"if that is right, run `dlm lock -P {resource.name} --allow-downgrade`",
            )
        )

    def _check_destinations(self) -> None:
        """What the manifest could not tell: a selector's file name may meet another resource's."""
        files = self._run.files
        documents = {collision_key(name): name for name in (files.manifest_name, files.lockfile_name)}
        taken: Taken[str] = Taken()
        for name, entry in self._entries.items():
            for one in entry.artifacts:
                key = self._place(one.dest)
                other = taken.by(key, one.platform)
                taken.take(key, one.platform, name)
                document = documents.get(collision_key(one.dest.partition("/")[0]))
                if other is not None:
                    why = "two of its files" if other == name else f"{other!r} too"
                    self._errors.append(
                        UsageError(
                            f"{one.dest!r} is the destination of {why}",
                            resource=name,
                            hint=f"change the dest of one of them in {files.manifest_name}",
                        )
                    )
                elif document is not None:
                    self._errors.append(
                        UsageError(
                            f"{one.dest!r} would take the place of {document}",
                            resource=name,
                            hint=f"change the dest in {files.manifest_name}",
                        )
                    )

    def _check_folders(self) -> None:
        """A folder that an archive becomes is dlm's as a whole: nobody else's file has a place in it."""
        folders = {
            (one.platform, self._place(one.dest)): name
            for name, entry in self._entries.items()
            for one in entry.artifacts
            if is_folder(entry, one)
        }
        if not folders:
            return
        platforms = {platform for platform, _ in folders}
        for name, entry in self._entries.items():
            for one in entry.artifacts:
                parts = self._place(one.dest).split("/")
                aboves = ["/".join(parts[:count]) for count in range(1, len(parts))]
                near = platforms if one.platform is None else {one.platform, None}
                owner = next(
                    (folders[at] for above in aboves for at in ((here, above) for here in near) if at in folders), ""
                )
                if owner:
                    self._errors.append(
                        UsageError(
                            f"{one.dest!r} lies in the folder that {owner!r} is unpacked into",
                            resource=name,
                            hint=f"change the dest of one of them in {self._run.files.manifest_name}",
                        )
                    )

    def _place(self, dest: str) -> str:
        return collision_key(dest) if self._run.fold_case else dest

    def _changes(self) -> tuple[Change, ...]:
        changes: list[Change] = []
        moved = {name for name in self._entries if name not in {one.resource.name for one in self._pending}}
        for name, entry in sorted(self._entries.items()):
            old = self._old.entries.get(name)
            if old is None:
                changes.append(Change(name=name, action="added", details=_described(entry), artifacts=entry.artifacts))
            elif old != entry:
                action: Literal["moved", "updated"] = "moved" if name in moved else "updated"
                changes.append(
                    Change(name=name, action=action, details=_difference(old, entry), artifacts=entry.artifacts)
                )
        if self._wish.dry_run:
            changes.extend(self._would_change())
        kept = {*self._entries, *(one.resource.name for one in self._pending)}
        wanted = {resource.name for resource in self._manifest.resources}
        changes.extend(
            Change(name=name, action="removed") for name in sorted(self._old.entries) if name not in {*kept, *wanted}
        )
        return tuple(sorted(changes, key=lambda change: change.name))

    def _would_change(self) -> Iterable[Change]:
        for pending in self._waiting():
            name = pending.resource.name
            names = tuple(f"{one.filename} would be fetched" for one in pending.artifacts)
            yield Change(name=name, action="updated" if name in self._old.entries else "added", details=names)


def _asked(entry: LockEntry) -> str:
    """What two entries share beside a URL if they ask it the same; empty for a plain GET."""
    document = entry.request.get("request")
    if not isinstance(document, dict):
        return ""
    try:
        return RequestWish.from_request(document).key()
    except (TypeError, ValueError):
        return "unknown"  # what nobody understands pins nothing but itself


def _movable(resource: Resource, entry: LockEntry) -> bool:
    """Whether each locked artifact's new place can be told from the request alone."""
    if resource.selector is None or len(entry.artifacts) == 1:
        return True
    return resource.extract is None and (resource.dest == "" or resource.dest.endswith("/"))


def _moved(resource: Resource, entry: LockEntry) -> LockEntry:
    """The entry with the new request and the places that follow from it."""
    places: dict[tuple[str | None, str], str] = {}
    if resource.selector is None:
        places = {(one.platform, str(Url.parse(one.url))): one.dest for one in direct.artifacts(resource)}
    artifacts: list[LockedArtifact] = []
    for one in entry.artifacts:
        dest = places.get((one.platform, one.url)) or resource.destination(one.filename)
        artifacts.append(replace(one, dest=dest))
    return replace(entry, request=resource.request(), artifacts=tuple(artifacts))


def _placed(pin: LockedArtifact, artifact: Artifact) -> LockedArtifact:
    """A pin that goes on as it is, where the artifact now stands."""
    return replace(
        pin, filename=artifact.filename, dest=artifact.dest, platform=artifact.platform, version=artifact.version
    )


def _locked(
    artifact: Artifact, digests: Digests, size: int, headers: Mapping[str, str], *, final_url: str | None = None
) -> LockedArtifact:
    """An artifact whose bytes are known; of the digests the sha256 and those that were asked for."""
    wanted = {"sha256", *artifact.digests.algorithms}
    return LockedArtifact(
        filename=artifact.filename,
        url=str(Url.parse(artifact.url)),
        dest=artifact.dest,
        size=size,
        digests=Digests(tuple(digest for digest in digests if digest.algorithm in wanted)),
        platform=artifact.platform,
        version=artifact.version,
        final_url=final_url,
        headers=headers,
    )


def _is_page(receipt: Receipt) -> bool:
    """Whether a server calls what it sent a page for people."""
    kind = next((value for name, value in receipt.headers.items() if name.lower() == "content-type"), "")
    return kind.partition(";")[0].strip().lower() in _PAGES


def _may_be_page(filename: str) -> bool:
    """Whether a name is that of a page, or says nothing of what the file is."""
    _, dot, suffix = filename.lower().rpartition(".")
    return not dot or suffix in _PAGE_SUFFIXES or not any(letter.isalpha() for letter in suffix)


def _unverified(artifact: Artifact) -> LockedArtifact:
    """An artifact that the manifest alone vouches for."""
    return replace(_locked(artifact, artifact.digests, artifact.size or 0, {}), verified=False)


def _unless_same(old: LockedArtifact | None, new: LockedArtifact) -> LockedArtifact:
    if old is None:
        return new
    if old.sha256 == new.sha256:
        new = replace(new, evidence=_joined(old, new))
    if not new.verified:
        return new
    same = replace(new, headers=old.headers, final_url=old.final_url, extra=old.extra)
    return old if same == old else new


def _joined(old: LockedArtifact, new: LockedArtifact) -> tuple[Mapping[str, Any], ...]:
    """What vouches for the same bytes, once checked, does so for good; a header that is new is no reason to write."""
    before, after = Provenance.from_documents(old.evidence), Provenance.from_documents(new.evidence)
    both = before.kept_by(after)
    gained = [piece for piece in both if piece not in before.pieces]
    if all(piece.step is Step.TRANSPORT_DIGEST for piece in gained) and both.absences == before.absences:
        return old.evidence
    return both.as_documents()


def _with_manifest_digest(locked: LockedArtifact) -> tuple[Mapping[str, Any], ...]:
    provenance = Provenance.from_documents(locked.evidence)
    if "manifest-digest" in provenance.kinds:
        return locked.evidence
    return provenance.with_(Piece(kind="manifest-digest")).as_documents()


def _newest(artifacts: Iterable[LockedArtifact]) -> str | None:
    from packaging.version import InvalidVersion, Version

    try:
        return max((one.version for one in artifacts if one.version), key=Version, default=None)
    except InvalidVersion:
        return None


def _is_older(version: str, than: str) -> bool:
    from packaging.version import Version

    return Version(version) < Version(than)


def _described(entry: LockEntry) -> tuple[str, ...]:
    words = [one.version or one.filename for one in entry.artifacts[:3]]
    return tuple(word for word in dict.fromkeys(words) if word != entry.name)


def _difference(old: LockEntry, new: LockEntry) -> tuple[str, ...]:
    before, after = _newest(old.artifacts), _newest(new.artifacts)
    if before != after and before and after:
        return (f"{before} -> {after}",)
    fields = [key for key in sorted({*old.request, *new.request}) if old.request.get(key) != new.request.get(key)]
    pins_differ = [one.digests for one in old.artifacts] != [one.digests for one in new.artifacts]
    return (*fields, *(("other bytes",) if pins_differ else ()))
