"""One download in one line, for programs: ``fetch`` a URL, ``open`` it, or read a shipped lockfile (``Locked``).

All of them go by dlm's own settings and the user's shared cache.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, overload

from dlm import __version__, api
from dlm.errors import LocalError, LockfileError, ResolutionError, UsageError
from dlm.model.artifact import Artifact
from dlm.model.digest import Digest, Digests
from dlm.model.disposition import safe_name
from dlm.model.frozen import replace
from dlm.model.lockfile import LockedArtifact, LockEntry
from dlm.model.suggest import suggest
from dlm.model.url import Url
from dlm.ports import Reporter
from dlm.workflows.fetch import FetchReport, fetch_alone
from dlm.workflows.run import Run
from dlm.workflows.settle import Modes

__all__ = ["Locked", "fetch", "open"]

StrPath = str | os.PathLike[str]


@overload
def fetch(  # type: ignore[overload-overlap]  # a str is a sequence of strs, too; it is meant as one
    names: str,
    *,
    sha256: str | None = None,
    headers: Mapping[str, str] | None = None,
    offline: bool = False,
    settings: Mapping[str, object] | None = None,
    reporter: Reporter | None = None,
) -> Path: ...
@overload
def fetch(
    names: Sequence[str] = (),
    directory: StrPath = ".",
    *,
    manifest: StrPath | None = None,
    platform: str | None = None,
    locked: bool = False,
    frozen: bool = False,
    offline: bool = False,
    settings: Mapping[str, object] | None = None,
    reporter: Reporter | None = None,
) -> FetchReport: ...
def fetch(
    names: str | Sequence[str] = (),
    directory: StrPath = ".",
    *,
    sha256: str | None = None,
    headers: Mapping[str, str] | None = None,
    manifest: StrPath | None = None,
    platform: str | None = None,
    locked: bool = False,
    frozen: bool = False,
    offline: bool = False,
    settings: Mapping[str, object] | None = None,
    reporter: Reporter | None = None,
) -> Path | FetchReport:
    """A URL: get it into the cache, and say where it is. Otherwise the verb: fill the cache for a project.

    With ``sha256`` a URL is not asked for again while the cache holds those bytes, and other bytes are an error.
    Without it the server is asked each time whether it has something new. The file is the cache's own: read it, and
    leave it as it is. A list of names, or none, fetches what a project's manifest asks for, as ``dlm fetch`` does.

    Args:
        names: a URL, or names of a project's resources.
        directory: the project's folder.
        sha256: what the bytes of the URL must hash to.
        headers: sent with the request for the URL, to its own origin alone; ``${DLM_AUTH_…}`` in them comes from the
            environment.
        offline: open no socket.
        settings: single settings by their names in ``dlm.Settings``.

    Raises:
        IntegrityError: the bytes are others than ``sha256`` says.
        RefusedError, NetworkError, OfflineError: they could not be had.
    """
    if isinstance(names, str):
        if directory != "." or manifest is not None or platform is not None or locked or frozen:
            raise UsageError("a URL is fetched alone, and belongs to no project")
        artifact = _artifact_of_url(names, sha256, headers or {})
        with _run(settings, reporter) as run:
            return Path(fetch_alone(run, artifact, _modes(offline)).path)
    if sha256 is not None or headers is not None:
        raise UsageError("sha256 and headers go with a URL")
    return api.fetch(
        names,
        directory,
        manifest=manifest,
        platform=platform,
        locked=locked,
        frozen=frozen,
        offline=offline,
        settings=settings,
        reporter=reporter,
    )


def open(  # noqa: A001 - dlm.open reads as what it does
    url: str,
    *,
    sha256: str | None = None,
    headers: Mapping[str, str] | None = None,
    offline: bool = False,
    settings: Mapping[str, object] | None = None,
    reporter: Reporter | None = None,
) -> BinaryIO:
    """The bytes of a URL, open for reading, once all of them are here and checked. Arguments as for :func:`fetch`."""
    return fetch(url, sha256=sha256, headers=headers, offline=offline, settings=settings, reporter=reporter).open("rb")


class Locked:
    """A lockfile that a program ships with it: each file is fetched when it is first asked for, and always checked.

    No manifest is needed, nothing is placed, and the lockfile is not written.

    Args:
        lockfile: its path, or its bytes, as from a package's resources.
        offline: open no socket; what is not in the cache is an ``OfflineError``.
        settings: single settings by their names in ``dlm.Settings``.

    Raises:
        LocalError: it cannot be read.
        LockfileError: it is damaged.
    """

    def __init__(
        self,
        lockfile: StrPath | bytes,
        *,
        offline: bool = False,
        settings: Mapping[str, object] | None = None,
        reporter: Reporter | None = None,
    ) -> None:
        from dlm.documents.lockfile_json import read_lockfile

        if isinstance(lockfile, bytes):
            data, self._name = lockfile, "the lockfile"
        else:
            self._name = os.fspath(lockfile)
            try:
                data = Path(lockfile).read_bytes()
            except OSError as error:
                raise LocalError(
                    f"{self._name} cannot be read: {error.strerror}", hint="give a lockfile's path"
                ) from error
        hint = "take the lockfile that belongs to this program"
        self._entries: Mapping[str, LockEntry] = read_lockfile(data, self._name, hint=hint).lockfile.entries
        self._offline = offline
        self._settings = dict(settings or {})
        self._reporter = reporter

    def __iter__(self) -> Iterator[str]:
        """The names of the resources."""
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def path(self, name: str, *, filename: str | None = None, platform: str | None = None) -> Path:
        """The file of a resource in the cache; fetched, if it is not there.

        Args:
            filename: which one, where the resource has several for one platform.
            platform: such as ``linux-x86_64``; this machine's by default.

        Raises:
            ResolutionError: the lockfile has no such resource or file, or several.
            IntegrityError, NetworkError, OfflineError: its bytes could not be had.
        """
        return self.paths([name], filename=filename, platform=platform)[name]

    def paths(
        self, names: Sequence[str] = (), *, filename: str | None = None, platform: str | None = None
    ) -> dict[str, Path]:
        """The files of several resources (of all, where none is named), as :meth:`path` gives them."""
        chosen = {name: self._choose(name, filename, platform) for name in names or self._entries}
        with _run(self._settings, self._reporter) as run:
            found: dict[str, Path] = {}
            for name, one in chosen.items():
                artifact = _artifact(self._entries[name], one)
                found[name] = Path(fetch_alone(run, artifact, _modes(self._offline)).path)
            return found

    def open(self, name: str, *, filename: str | None = None, platform: str | None = None) -> BinaryIO:
        """The bytes of a resource, open for reading."""
        return self.path(name, filename=filename, platform=platform).open("rb")

    def _choose(self, name: str, filename: str | None, platform: str | None) -> LockedArtifact:
        from dlm.cli.host import host_platform
        from dlm.workflows.orders import for_platform

        entry = self._entries.get(name)
        if entry is None:
            raise ResolutionError(f"{self._name} has no resource {name!r}{suggest(name, list(self._entries))}")
        target = platform or host_platform()
        here = [one for one in for_platform(entry, target) if filename in {None, one.filename}]
        if not here:
            raise ResolutionError(f"{self._name} has no such file for {target}", resource=name)
        if len(here) > 1:
            listed = ", ".join(one.filename for one in here)
            raise ResolutionError(f"it has several files: {listed}", resource=name, hint="name one as filename")
        return here[0]


def _artifact_of_url(url: str, sha256: str | None, headers: Mapping[str, str]) -> Artifact:
    try:
        parsed = Url.parse(url)
        digests = Digests((Digest.parse(sha256),)) if sha256 is not None else Digests()
    except ValueError as error:
        raise UsageError(str(error), hint="give an http or https address, and a sha256 in hexadecimal") from error
    name = safe_name(parsed.filename, parsed.host)
    return Artifact(resource=name, filename=name, url=url, dest="", digests=digests, headers=dict(headers))


def _artifact(entry: LockEntry, locked: LockedArtifact) -> Artifact:
    """What to fetch: pins from the lockfile, and the mirrors that its request names."""
    from dlm.model.manifest import Resource
    from dlm.workflows.orders import artifact_of

    try:
        return artifact_of(Resource.from_request(entry.name, entry.request), locked)
    except ValueError as error:
        raise LockfileError(f"the request of {entry.name} cannot be read: {error}") from error


def _modes(offline: bool) -> Modes:
    return Modes(offline="offline" if offline else None)


@contextmanager
def _run(settings: Mapping[str, object] | None, reporter: Reporter | None) -> Iterator[Run]:
    """A run of no project."""
    from dlm.cli.files import DocumentFiles
    from dlm.cli.host import build_run
    from dlm.cli.settings import load_settings

    environment = dict(os.environ)
    found, _ = load_settings(environment, dict(settings or {}))
    folder = os.path.abspath(os.sep)  # the run is about no project, and needs the place of one
    files = DocumentFiles(folder, None, os.path.join(folder, "downloads.lock"))
    run = build_run(found, files, reporter or api.LogReporter(), environment, __version__)
    try:
        yield replace(run, stamp=None)
    finally:
        run.store.close()
