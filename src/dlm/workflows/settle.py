"""What every verb on a project begins with: the documents, and a lockfile that matches as far as the mode allows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from dlm.errors import LockfileError, StaleError, UsageError
from dlm.model.events import Note, Waiting, Warned
from dlm.model.frozen import dataclass, field
from dlm.model.lockfile import Lockfile
from dlm.model.manifest import Resource
from dlm.resolve import direct
from dlm.store.guard import hold

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dlm.documents.lockfile_json import ReadLockfile
    from dlm.errors import DlmError
    from dlm.model.artifact import Artifact
    from dlm.model.manifest import Manifest
    from dlm.workflows.lock import Change
    from dlm.workflows.run import Run

__all__ = ["Modes", "Settled", "alone", "refuse_unknown_groups", "settle"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Modes:
    """What a run may do, each as the flag or variable that says so, or None.

    Attributes:
        locked: the lockfile must match the manifest and is not written.
        frozen: the manifest is not read, and the lockfile is not written.
        offline: no socket is opened.
    """

    locked: str | None = None
    frozen: str | None = None
    offline: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """The documents of a run.

    Attributes:
        manifest: None under ``--frozen``.
        lockfile: what this run goes by.
        read: the lockfile as it stood before, None where there was none.
        writable: whether this run may write the lockfile.
        changes, errors, fetched, transferred: what bringing it up to date did.
        resources: what is asked for, by name.
        pending, unfetched: of a dry run, what would be locked once it is fetched; see ``Relocked``.
    """

    manifest: Manifest | None
    lockfile: Lockfile
    read: ReadLockfile | None
    writable: bool
    changes: tuple[Change, ...] = ()
    errors: tuple[DlmError, ...] = ()
    fetched: int = 0
    transferred: int = 0
    resources: Mapping[str, Resource] = field(default_factory=dict)
    pending: Mapping[str, tuple[Artifact, ...]] = field(default_factory=dict)
    unfetched: tuple[Artifact, ...] = ()

    @property
    def before(self) -> Lockfile:
        """The lockfile as it stood before, empty where there was none."""
        return self.read.lockfile if self.read is not None else Lockfile()


@contextmanager
def alone(run: Run) -> Iterator[None]:
    """Hold the project against other processes of dlm: two of them would undo each other's work."""
    name = run.files.manifest_name

    def unsupported(reason: str) -> None:
        run.reporter.emit(Warned(f"this file system has no locks ({reason}); do not run two dlm on one project"))

    with hold(
        run.state.lock_path,
        on_wait=lambda: run.reporter.emit(Waiting(f"it works on {name} of this project")),
        on_unsupported=unsupported,
    ):
        if run.stamp is not None:
            run.stamp.forget()
        run.state.register()
        yield


def settle(run: Run, modes: Modes, *, dry: bool = False) -> Settled:
    """Read the documents; lock what is missing or stale where that is allowed, never a newer release.

    Args:
        dry: resolve, and fetch and write nothing; what is stale is reported as a change that would be made.

    Raises:
        StaleError: the lockfile is missing or does not match, and the mode forbids to change it.
        ManifestError, LockfileError: a document cannot be used.
    """
    if modes.frozen is not None:
        return _frozen(run, modes.frozen)
    from dlm.workflows.lock import LockWish, refuse_stale, relock

    manifest = run.manifest()
    read = run.lockfile(manifest)
    resources = {resource.name: resource for resource in manifest.resources}
    if modes.locked is not None:
        refuse_stale(run, manifest, read, because=modes.locked)
        lockfile = read.lockfile if read is not None else Lockfile()
        return Settled(manifest=manifest, lockfile=lockfile, read=read, writable=False, resources=resources)
    old = read.lockfile if read is not None else Lockfile()
    new = relock(run, manifest, old, LockWish(offline=modes.offline, dry_run=dry))
    return Settled(
        manifest=manifest,
        lockfile=new.lockfile,
        read=read,
        writable=not dry,
        changes=new.changes,
        errors=new.errors,
        fetched=new.fetched,
        transferred=new.transferred,
        resources=resources,
        pending=new.pending,
        unfetched=new.unfetched,
    )


def refuse_unknown_groups(settled: Settled, groups: Iterable[str]) -> None:
    """Raise UsageError for a group that nothing is in: a slip of the pen would place nothing and look like success."""
    known = sorted({group for resource in settled.resources.values() for group in resource.groups})
    for group in groups:
        if group not in known:
            from dlm.model.suggest import suggest

            raise UsageError(
                f"no resource is in the group {group!r}{suggest(group, known) if known else ''}",
                hint="run `dlm list --format json` to see each resource's groups",
            )


def _frozen(run: Run, because: str) -> Settled:
    read = run.lockfile()
    name = run.files.lockfile_name
    if read is None:
        raise StaleError(f"{name} is missing, and {because} goes by it alone", hint="run `dlm lock` and commit it")
    if read.conflicted:
        run.reporter.emit(Note(f"{name} holds a merge conflict; {because} goes by both sides"))
    resources: dict[str, Resource] = {}
    for entry in read.lockfile.entries.values():
        try:
            resource = Resource.from_request(entry.name, entry.request, bare=True)
            if not direct.adds_nothing(resource):
                resource = Resource.from_request(entry.name, entry.request)
            resources[entry.name] = resource
        except ValueError as error:
            raise LockfileError(f"{name}: {error}", hint="run `dlm lock`") from error
    return Settled(manifest=None, lockfile=read.lockfile, read=read, writable=False, resources=resources)
