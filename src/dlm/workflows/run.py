"""What a verb is carried out with, handed in by the border: ports, settings, one project."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from dlm.documents.lockfile_json import read_lockfile
from dlm.errors import Failures
from dlm.model.events import Warned
from dlm.model.frozen import dataclass, field
from dlm.model.lockfile import Lockfile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    from dlm.documents.lockfile_json import ReadLockfile
    from dlm.errors import DlmError
    from dlm.model.manifest import Manifest
    from dlm.model.selector import Grammar
    from dlm.model.settings import Settings
    from dlm.ports import Cache, Clock, Credentials, Fetcher, ProjectFiles, Reporter, Resolver, Variables
    from dlm.state.ownership import ProjectState
    from dlm.verify.registry import Verifiers
    from dlm.workflows.stamping import Stamp

__all__ = ["ListingAge", "Run", "one_or_all"]

#: How fresh a listing must be: as noted within its time to live; checked against the site's own dates; read anew.
ListingAge: TypeAlias = "Literal['noted', 'dated', 'anew']"


def _verifiers() -> Verifiers:
    from dlm.verify.registry import built_in  # only where something is checked

    return built_in()


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Everything that a verb needs from outside.

    Attributes:
        fetcher: makes the fetcher at first need, since its library costs time to import.
        resolver: the resolver of a scheme, made at first need, for listings of an age.
        verifiers: makes what checks evidence at first need, since keys are read for it.
        platform: this machine, as ``os-arch``.
        stamp: where a sync notes that all is in sync, for projects that have a stamp.
        version: of dlm itself.
        credentials: what the user's configuration sends to an origin, None for nothing.
        fold_case: whether this machine's file systems take ``A`` and ``a`` for one name.
        forks: whether this process is dlm's own, which may have a second one help.
    """

    files: ProjectFiles
    settings: Settings
    store: Cache
    state: ProjectState
    fetcher: Callable[[], Fetcher]
    resolver: Callable[[str, ListingAge], Resolver]
    variables: Variables
    clock: Clock
    reporter: Reporter
    platform: str
    version: str
    stamp: Stamp | None = None
    verifiers: Callable[[], Verifiers] = _verifiers
    grammars: Mapping[str, Grammar] = field(default_factory=dict)
    fold_case: bool = False
    credentials: Credentials | None = None
    forks: bool = False

    def manifest(self) -> Manifest:
        """Read and check the manifest; its warnings are reported."""
        from dlm.documents.manifest_yaml import read_manifest  # pydantic and yaml: only where a manifest is read

        manifest = read_manifest(
            self.files.read_manifest(),
            self.files.manifest_name,
            dlm_version=self.version,
            grammars=self.grammars,
            fold_case=self.fold_case,
            lockfile=self.files.lockfile_name,
        )
        for warning in manifest.warnings:
            self.reporter.emit(Warned(warning))
        return manifest

    def lockfile(self, manifest: Manifest | None = None) -> ReadLockfile | None:
        """Read the lockfile, or None where there is none; its warnings are reported."""
        names = None if manifest is None else {resource.name for resource in manifest.resources}
        wanted = None if names is None else names.__contains__
        documents = (self.files.manifest_name, self.files.lockfile_name)
        with self.files.open_lockfile() as file:
            if file is None:
                return None
            read = read_lockfile(file, self.files.lockfile_name, wanted=wanted, documents=documents)
        for warning in read.warnings:
            self.reporter.emit(Warned(warning))
        return read

    def locked(self, manifest: Manifest | None = None) -> Lockfile:
        """The lockfile, empty where there is none."""
        read = self.lockfile(manifest)
        return Lockfile() if read is None else read.lockfile


def one_or_all(errors: Iterable[DlmError]) -> DlmError | None:
    """The one error, several as one, or None."""
    found = list(errors)
    if len(found) <= 1:
        return found[0] if found else None
    return Failures(found)
