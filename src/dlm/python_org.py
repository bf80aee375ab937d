"""``PythonOrgDownloads``: the index of python.org with the API of the package python-org-downloads.

Names, arguments, defaults and shapes are that package's; the work is done by dlm's own resolver, fetcher and store.
What differs is what was wrong there: errors are raised (each is a ``dlm.DlmError``, and a ``ValueError`` where that was
raised), transfers are atomic, verified and resumed, listings are read concurrently and only where they changed, and
lists are in the order of versions. Importing this module loads next to nothing.
"""

from __future__ import annotations

import functools
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePath, PurePosixPath
from types import MappingProxyType, MethodType
from typing import TYPE_CHECKING, Any, Concatenate, Generic, Literal, ParamSpec, Self, TypeVar

from dlm.errors import LocalError, ResolutionError, UsageError

if TYPE_CHECKING:
    from dlm.model.candidate import Candidate
    from dlm.resolve.python_org.index import PythonOrg
    from dlm.resolve.python_org.names import ArtifactName
    from dlm.workflows.run import Run

__all__ = [
    "InvalidVersionStringError",
    "NormalizedPythonVersion",
    "PythonOrgArtifact",
    "PythonOrgDownloads",
    "ReleaseNotFound",
]

StrPath = str | os.PathLike[str]
P = ParamSpec("P")
R = TypeVar("R")

#: What ``download_release`` takes for granted. Only where this very object arrives was no format asked for.
_DEFAULT_FORMAT: Mapping[str, str | bool] = MappingProxyType({"format": "tarball_lzma"})
#: Formats of a source release by preference, for releases that lack the default one (xz begins with 2.7.2).
_NEXT_BEST = ("tarball_lzma", "tarball_deflate", "tarball_bzip2", "archive_deflate")


class ReleaseNotFound(ResolutionError, ValueError):  # noqa: N818 - what happened, as with FileNotFoundError's kin
    """There is no such release, or it has no such artifact; or several artifacts are meant (exit code 1)."""


class InvalidVersionStringError(UsageError, ValueError):
    """A name that is no artifact's, or numbers that are no version's (exit code 2)."""


class NormalizedPythonVersion(tuple[Any, ...]):  # noqa: SLOT001 - it carries a path
    """A version: ``(3, 14, 0)``, or with its stage ``(3, 14, 0, "candidate", 1)``. Sorts as versions do.

    Stages are ``alpha``, ``beta``, ``candidate`` and ``final``; a final has the serial 0.
    """

    _path: str | None

    def __new__(  # noqa: PLR0917 - as programs call it
        cls,
        major: int,
        minor: int,
        micro: int = 0,
        releaselevel: str | None = None,
        serial: int | None = None,
        path: str | PurePosixPath | None = None,
    ) -> Self:
        parts: tuple[int | str, ...] = _release_numbers(major, minor, micro)
        if releaselevel is not None:
            parts = (*parts, _stage(releaselevel), _number(serial, "serial"))
        self = super().__new__(cls, parts)
        self._path = None if path is None else str(path)
        return self

    def __getnewargs__(self) -> tuple[Any, ...]:
        return (*self, *(None,) * (5 - len(self)), self._path)

    @property
    def path(self) -> PurePosixPath | None:
        """The folder or the artifact that it was read from, relative to the base URL; None where there is none."""
        return None if self._path is None else PurePosixPath(self._path)

    @property
    def major(self) -> int:
        """The first number."""
        return int(self[0])

    @property
    def minor(self) -> int:
        """The second number."""
        return int(self[1])

    @property
    def micro(self) -> int:
        """The third number."""
        return int(self[2])

    @property
    def releaselevel(self) -> str:
        """The stage. A version of three parts has none: AttributeError."""
        return str(self._part(3, "releaselevel"))

    @property
    def serial(self) -> int:
        """The number of the alpha, beta or candidate. A version of three parts has none: AttributeError."""
        return int(self._part(4, "serial"))

    @property
    def text(self) -> str:
        """As PEP 440 writes it: ``3.14.0rc1``."""
        release = ".".join(map(str, self[:3]))
        if len(self) == 3 or self.releaselevel == "final":
            return release
        return f"{release}{ {'alpha': 'a', 'beta': 'b', 'candidate': 'rc'}[self.releaselevel] }{self.serial}"

    def rebuild_simplified(self) -> NormalizedPythonVersion:
        """The same version in three parts."""
        return _three(self, self.path)

    def _part(self, index: int, name: str) -> Any:
        if len(self) <= index:
            raise AttributeError(f"a version of three parts has no {name}")
        return self[index]


class PythonOrgArtifact(PurePosixPath):
    """A file of a release, by its path below the base URL: ``3.13.0/Python-3.13.0.tar.xz``.

    All that it tells follows from its path, so that two of one path are equal and equal to that path. They sort by
    version, then by name. Paths made from it (``parent``, ``with_suffix``, ``/`` and so on) are plain PurePosixPaths:
    ``artifact.with_name(artifact.name + ".sigstore")`` is a sidecar's path, and ``download_artifact`` takes that, too.

    Attributes:
        release_version: in five parts.
        release_type: ``source-release``, ``macos-release``, ``windows-release``, ``windows-support``,
            ``android-release`` or ``ios-release``.
        release_format: what sets it apart, such as ``{"format": "executable", "arch": "amd64"}``.
        related: what to add to its name for the files beside it that vouch for it: ``[".asc", ".sigstore"]``.
        size: in bytes, where the listing told.
    """

    release_version: NormalizedPythonVersion
    release_type: str
    release_format: dict[str, str | bool]
    related: list[str]
    size: int | None

    def __new__(cls, path: StrPath, parent_path: StrPath | None = None) -> Self:
        """Read a path.

        Args:
            path: the file's name, or its path below the base URL.
            parent_path: the folder that it stands in, where ``path`` does not say.

        Raises:
            InvalidVersionStringError: it is no artifact of a release.
        """
        from dlm.resolve.python_org.names import ArtifactName, classify

        plain = PurePosixPath(path) if parent_path is None else PurePosixPath(parent_path) / path
        name = classify(plain.name, plain.parent.name)
        if not isinstance(name, ArtifactName):
            raise InvalidVersionStringError(f"{str(plain)!r} is no artifact of a release of Python")
        return cls._made(str(plain), name)

    def __init__(self, path: StrPath, parent_path: StrPath | None = None) -> None:
        """All is there already."""

    @classmethod
    def _made(cls, path: str, name: ArtifactName | Candidate) -> Self:
        from dlm.resolve.python_org.shapes import shape, version_parts

        if sys.version_info >= (3, 12):
            self = super().__new__(cls)
            PurePosixPath.__init__(self, path)
        else:
            self = super().__new__(cls, path)
        self.release_version = NormalizedPythonVersion(*version_parts(name.version), path=path)
        self.release_type, self.release_format = shape(name)
        self.related = []
        self.size = None
        return self

    @property
    def is_final(self) -> bool:
        """Whether it belongs to a final release."""
        return self.release_version.releaselevel == "final"

    # From here on: a path made from this one is no artifact. Python 3.11 would make an artifact of it without asking.

    def with_segments(self, *segments: StrPath) -> PurePosixPath:  # type: ignore[override,unused-ignore]
        """A plain path (``pathlib`` of Python 3.12 and later makes all of its paths by this)."""
        return PurePosixPath(*segments)

    @property
    def parent(self) -> PurePosixPath:  # type: ignore[override,unused-ignore]
        """The folder that it stands in."""
        return PurePosixPath(self).parent

    @property
    def parents(self) -> Sequence[PurePosixPath]:  # type: ignore[override,unused-ignore]
        """That folder and all above it."""
        return PurePosixPath(self).parents

    def __truediv__(self, key: StrPath) -> PurePosixPath:  # type: ignore[override,unused-ignore]
        return PurePosixPath(self) / key

    def __rtruediv__(self, key: StrPath) -> PurePosixPath:  # type: ignore[override,unused-ignore]
        return PurePosixPath(key) / PurePosixPath(self)

    def joinpath(self, *segments: StrPath) -> PurePosixPath:  # type: ignore[override,unused-ignore]
        """A path below this one."""
        return PurePosixPath(self).joinpath(*segments)

    def with_name(self, name: str) -> PurePosixPath:  # type: ignore[override,unused-ignore]
        """A file beside this one."""
        return PurePosixPath(self).with_name(name)

    def with_stem(self, stem: str) -> PurePosixPath:  # type: ignore[override,unused-ignore]
        """The same suffix under another stem."""
        return PurePosixPath(self).with_stem(stem)

    def with_suffix(self, suffix: str) -> PurePosixPath:  # type: ignore[override,unused-ignore]
        """The same stem with another suffix."""
        return PurePosixPath(self).with_suffix(suffix)

    def relative_to(self, other: StrPath, *further: StrPath, **options: Any) -> PurePosixPath:  # type: ignore[override,unused-ignore]
        """The path from ``other`` to this one."""
        return PurePosixPath(self).relative_to(other, *further, **options)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self),), {"related": list(self.related), "size": self.size}

    def _order(self) -> tuple[Any, ...]:
        return tuple(self.release_version), str(self)

    def __lt__(self, other: PurePath) -> bool:
        return self._order() < other._order() if isinstance(other, PythonOrgArtifact) else super().__lt__(other)

    def __le__(self, other: PurePath) -> bool:
        return self._order() <= other._order() if isinstance(other, PythonOrgArtifact) else super().__le__(other)

    def __gt__(self, other: PurePath) -> bool:
        return self._order() > other._order() if isinstance(other, PythonOrgArtifact) else super().__gt__(other)

    def __ge__(self, other: PurePath) -> bool:
        return self._order() >= other._order() if isinstance(other, PythonOrgArtifact) else super().__ge__(other)


class _OnClassAndObject(Generic[P, R]):
    """A method that a class answers with its defaults, and an object with its own configuration."""

    def __init__(self, function: Callable[Concatenate[Any, P], R]) -> None:
        self._function = function
        functools.update_wrapper(self, function)  # type: ignore[arg-type]  # an object with a __doc__ is enough

    def __get__(self, instance: object | None, owner: type) -> Callable[P, R]:
        return MethodType(self._function, owner if instance is None else instance)


class PythonOrgDownloads:
    """What there is at python.org, and files from it.

    The class itself does the work with the defaults; an object has a configuration of its own, and a subclass may set
    the attributes below. Everything else (proxy, certificates, retries, backend, …) comes from dlm's settings.

    Attributes:
        BASE_URL: the tree's root. While it is python.org's, the setting ``python_org_url`` may name a mirror instead.
        TIMEOUT: seconds to reach the server, and again without progress, before an attempt is given up; None takes the
            settings' ``connect_timeout`` and ``stall_timeout``.
        CACHE: the folder of the store that keeps listings and files; None for dlm's own, False for none.
    """

    BASE_URL: str = "https://www.python.org/ftp/python"
    TIMEOUT: float | None = None
    CACHE: StrPath | Literal[False] | None = None

    def __init__(
        self,
        base_url: str | None = None,
        *,
        timeout: float | None = None,
        cache: StrPath | Literal[False] | None = None,
    ) -> None:
        """A configuration of its own; None leaves what the class has."""
        if base_url is not None:
            self.BASE_URL = base_url
        if timeout is not None:
            self.TIMEOUT = timeout
        if cache is not None:
            self.CACHE = cache

    @_OnClassAndObject
    def list_release_versions(self, final_only: bool = True) -> list[NormalizedPythonVersion]:
        """The versions there are, in three parts, in order.

        Args:
            final_only: leave out those that have no final artifact; every folder has to be looked into for that (all at
                once, and only those that changed since the last time). Otherwise two pages are enough, and a version
                may have pre-releases alone.

        Raises:
            NetworkError: a listing cannot be read.
        """
        from dlm.workflows.python_org import SOURCES, index_of

        found: dict[NormalizedPythonVersion, None] = {}
        with _session(self) as run:
            index = index_of(run)
            if final_only:
                for artifact in _artifacts(index, (one for batch in index.list_all() for one in batch)):
                    if artifact.is_final:
                        found[_three(artifact.release_version, artifact.parent)] = None
            else:
                for folder in index.releases():
                    found[_three([int(part) for part in f"{folder}.0".split(".")], PurePosixPath(folder))] = None
                for artifact in _artifacts(index, index.read([SOURCES])[0]):
                    found[_three(artifact.release_version, artifact.parent)] = None
        return sorted(found)

    @_OnClassAndObject
    def list_version_artifacts(
        self, major: int, minor: int, micro: int = 0, final_only: bool = True
    ) -> list[PythonOrgArtifact]:
        """The artifacts of one version, in order.

        Args:
            final_only: leave out those of its pre-releases.

        Raises:
            ReleaseNotFound: there is no such version (a ValueError).
            NetworkError: a listing cannot be read.
        """
        with _session(self) as run:
            return _of_version(run, _release_numbers(major, minor, micro), final_only=final_only)

    @_OnClassAndObject
    def list_all_release_artifacts(self, final_only: bool = False) -> list[PythonOrgArtifact]:
        """Everything there is, in order of versions, then of names.

        Raises:
            NetworkError: a listing cannot be read.
        """
        from dlm.workflows.python_org import index_of

        with _session(self) as run:
            index = index_of(run)
            found = _artifacts(index, (one for batch in index.list_all() for one in batch))
        return _in_order(one for one in found if one.is_final or not final_only)

    @_OnClassAndObject
    def latest_version(
        self, final_only: bool = True, download_tarball: bool = False
    ) -> NormalizedPythonVersion | tuple[NormalizedPythonVersion, Path]:
        """The highest version there is: in three parts, or in five where pre-releases count.

        Args:
            final_only: let final releases alone count.
            download_tarball: download its source into the current folder, as :meth:`download_release` does by default,
                and return the version and the file's path. The highest version that has a source counts then.

        Raises:
            ReleaseNotFound: there is none (a ValueError).
            NetworkError: a listing cannot be read, or the file is not to be had.
        """
        with _session(self) as run:
            artifacts = _newest(run, final_only=final_only, sources=download_tarball)
            version = artifacts[0].release_version
            if final_only:
                version = _three(version, artifacts[0].parent)
            if not download_tarball:
                return version
            return version, _download(run, _match(artifacts, "source-release", _DEFAULT_FORMAT), ".", overwrite=False)

    @_OnClassAndObject
    def download_artifact(
        self,
        artifact: PurePosixPath | str,
        stream_chunk_size: int = 1048576,
        destination_dir: StrPath | None = ".",
        overwrite: bool = False,
    ) -> Path:
        """Download a file and return its path. It appears whole and verified, or not at all.

        Args:
            artifact: an artifact of a list, or the path of any file below the base URL, such as a sidecar's.
            stream_chunk_size: has no effect: the fetcher chooses its own.
            destination_dir: the folder to put it in, made where it is missing; None for a new temporary one.
            overwrite: replace a file of that name, once the new one is here. Otherwise an existing file is returned
                without looking at it.

        Raises:
            NetworkError: the file is not to be had; what stood there before still does.
            IntegrityError: it is not what the listing says.
            LocalError: the disk refuses.
        """
        with _session(self) as run:
            return _download(run, artifact, destination_dir, overwrite=overwrite)

    @_OnClassAndObject
    def download_release(  # noqa: PLR0917 - as programs call it
        self,
        major: int,
        minor: int,
        micro: int = 0,
        releaselevel: str = "final",
        serial: int = 0,
        artifact_type: str = "source-release",
        artifact_format: Mapping[str, str | bool] = _DEFAULT_FORMAT,
        stream_chunk_size: int = 1048576,
        destination_dir: StrPath | None = ".",
        overwrite: bool = False,
    ) -> Path:
        """Download one artifact of a version and return its path.

        Args:
            releaselevel: ``final``, ``alpha``, ``beta`` or ``candidate``.
            serial: the number of the alpha, beta or candidate.
            artifact_type: as in ``release_type``.
            artifact_format: as in ``release_format``, as much of it as tells the file from the others; False stands for
                "without". By default the best source there is: xz, else tgz, else bz2.
            stream_chunk_size: see :meth:`download_artifact`, as for the other arguments.

        Raises:
            ReleaseNotFound: there is no such version or artifact, or several are meant (a ValueError).
            NetworkError, IntegrityError, LocalError: as :meth:`download_artifact` does.
        """
        version = NormalizedPythonVersion(major, minor, micro, releaselevel, serial)
        with _session(self) as run:
            listed = _of_version(run, (version.major, version.minor, version.micro), final_only=False)
            artifacts = [one for one in listed if one.release_version == version]
            if not artifacts:
                raise ReleaseNotFound(
                    f"there is no {version.text}",
                    details=sorted({f"there is {one.release_version.text}" for one in listed}),
                )
            return _download(
                run, _match(artifacts, artifact_type, artifact_format), destination_dir, overwrite=overwrite
            )

    @_OnClassAndObject
    def report_version_artifacts(self, major: int, minor: int, micro: int = 0) -> str:
        """Show the artifacts of a version: a table on a terminal, elsewhere a line for each, with tabs between columns.

        Returns:
            The empty text.
        """
        with _session(self) as run:
            artifacts = _of_version(run, _release_numbers(major, minor, micro), final_only=False)
        return _report(artifacts)

    @_OnClassAndObject
    def report_all_release_artifacts(self, final_only: bool = False) -> str:
        """Show every artifact there is, as :meth:`report_version_artifacts` does."""
        return _report(self.list_all_release_artifacts(final_only=final_only))


@contextmanager
def _session(where: PythonOrgDownloads | type[PythonOrgDownloads]) -> Iterator[Run]:
    """A run with the settings of a class or an object, and no project."""
    from dlm import __version__
    from dlm.api import LogReporter
    from dlm.cli.files import DocumentFiles
    from dlm.cli.host import build_run
    from dlm.cli.settings import load_settings

    given: dict[str, object] = {"connect_timeout": where.TIMEOUT, "stall_timeout": where.TIMEOUT}
    # python.org itself is asked wherever the settings say that it is read.
    if where.BASE_URL.rstrip("/") != _PYTHON_ORG:
        given["python_org_url"] = where.BASE_URL
    with ExitStack() as stack:
        if where.CACHE is False:
            given["cache_dir"] = stack.enter_context(
                tempfile.TemporaryDirectory(prefix="dlm-", ignore_cleanup_errors=True)
            )
        elif where.CACHE is not None:
            given["cache_dir"] = os.fspath(where.CACHE)
        environment = dict(os.environ)
        settings, _ = load_settings(environment, given)
        folder = os.path.abspath(os.sep)  # the run is about no project, and needs the place of one
        files = DocumentFiles(folder, None, os.path.join(folder, "downloads.lock"))
        run = build_run(settings, files, LogReporter(), environment, __version__)
        yield run


_PYTHON_ORG = PythonOrgDownloads.BASE_URL


def _artifacts(index: PythonOrg, candidates: Iterable[Candidate]) -> Iterator[PythonOrgArtifact]:
    """Candidates as artifacts."""
    from dlm.workflows.python_org import tree_file

    for candidate in candidates:
        artifact = PythonOrgArtifact._made(tree_file(index, candidate).path, candidate)
        artifact.related = list(candidate.sidecars)
        artifact.size = candidate.size
        yield artifact


def _in_order(artifacts: Iterable[PythonOrgArtifact]) -> list[PythonOrgArtifact]:
    return sorted(artifacts, key=PythonOrgArtifact._order)


def _of_version(run: Run, numbers: tuple[int, int, int], *, final_only: bool) -> list[PythonOrgArtifact]:
    from dlm.workflows.python_org import files_of, index_of

    index = index_of(run)
    found = files_of(index, numbers)
    if found is None:
        raise ReleaseNotFound(
            f"there is no release {'.'.join(map(str, numbers))}",
            details=index.remarks(),
            hint="see what there is with list_release_versions() or dlm python versions",
        )
    return _in_order(one for one in _artifacts(index, found) if one.is_final or not final_only)


def _newest(run: Run, *, final_only: bool, sources: bool) -> list[PythonOrgArtifact]:
    """The artifacts of the newest version that counts; with ``sources`` of the newest that has a source."""
    from dlm.model.selector import Selector
    from dlm.workflows.python_org import index_of

    index = index_of(run)
    for batch in index.candidates(Selector("python", "latest", options=(("pre", ""),))):
        found = sorted(_artifacts(index, (one for one in batch if not one.withdrawn)), reverse=True)
        for version in dict.fromkeys(one.release_version for one in found):
            artifacts = sorted(one for one in found if one.release_version == version)
            usable = not sources or any(one.release_type == "source-release" for one in artifacts)
            if usable and (artifacts[0].is_final or not final_only):
                return artifacts
    raise ReleaseNotFound(f"{run.settings.python_org_url} has no {'final ' if final_only else ''}release")


def _match(artifacts: Sequence[PythonOrgArtifact], kind: str, wanted: Mapping[str, str | bool]) -> PythonOrgArtifact:
    """The one artifact of a version that has a type and a format.

    Raises:
        ReleaseNotFound: none has, or several that differ have.
    """
    from dlm.model.selector import PYTHON_TYPES
    from dlm.resolve.python_org.shapes import REPACKAGED, agrees

    kind = PYTHON_TYPES.get(kind, kind)
    typed = [one for one in artifacts if one.release_type == kind]
    if wanted is _DEFAULT_FORMAT:
        wanted = _best_format(typed) if kind == "source-release" else {}
    fitting = [one for one in typed if agrees(wanted, one.release_format)]
    exact = [one for one in fitting if agrees(one.release_format, wanted)]
    # A file that was packaged again gives way to the plain one, unless that was asked for.
    plain = [one for one in fitting if not (REPACKAGED & one.release_format.keys()) - wanted.keys()]
    chosen = exact or plain or fitting
    version = artifacts[0].release_version.text
    if not chosen:
        raise ReleaseNotFound(
            f"{version} has no {kind} with {_words(wanted)}",
            details=[f"{one.name}: {one.release_type}, {_words(one.release_format)}" for one in typed or artifacts],
        )
    if any(one.release_format != chosen[0].release_format for one in chosen):
        raise ReleaseNotFound(
            f"{version} has {len(chosen)} files that are a {kind} with {_words(wanted) or 'any format'}",
            details=[f"{one.name}: {_words(one.release_format)}" for one in chosen],
            hint="name more of its format",
        )
    return chosen[0]


def _best_format(typed: Sequence[PythonOrgArtifact]) -> Mapping[str, str | bool]:
    there = {one.release_format["format"] for one in typed if "debug" not in one.release_format}
    best = next((form for form in _NEXT_BEST if form in there), _NEXT_BEST[0])
    return {"format": best, "debug": False}


def _download(run: Run, artifact: PurePosixPath | str, folder: StrPath | None, *, overwrite: bool) -> Path:
    from dlm.model.paths import check_path
    from dlm.workflows.python_org import TreeFile, deliver

    try:
        path = check_path(str(artifact))
    except ValueError as error:
        raise InvalidVersionStringError(f"{str(artifact)!r} is no path below the base URL: {error}") from error
    file = TreeFile(path, artifact.size if isinstance(artifact, PythonOrgArtifact) else None)
    if not file.name:
        raise InvalidVersionStringError(f"{str(artifact)!r} is a folder")
    destination = Path(tempfile.mkdtemp(prefix="dlm-") if folder is None else folder)
    target = destination / file.name
    if not overwrite and target.exists():
        if target.is_dir():
            raise LocalError(f"{target} is a folder", hint="name another destination")
        return target
    deliver(run, [file], os.path.abspath(destination), replace=True)
    return target


def _report(artifacts: Iterable[PythonOrgArtifact]) -> str:
    from dlm.cli.python import show_table

    rows = [(one.release_version.text, one.release_type, _words(one.release_format), str(one)) for one in artifacts]
    show_table(("Version", "Type", "Format", "Path"), rows, sys.stdout)
    return ""


def _words(form: Mapping[str, object]) -> str:
    """A format in a line: ``executable, arch=amd64, webinstall``."""
    words = [str(value) if key == "format" else f"{key}={value}" for key, value in form.items() if value is not True]
    words += [key for key, value in form.items() if value is True]
    return ", ".join(word for word in words if not word.endswith("=False"))


def _number(value: object, name: str) -> int:
    if type(value) is int and value >= 0:
        return value
    text = str(value)
    if isinstance(value, bool) or not (text.isascii() and text.isdigit() and len(text) <= 6):
        raise InvalidVersionStringError(f"{name} is a number from 0 on, not {value!r}")
    return int(text)


def _release_numbers(major: object, minor: object, micro: object) -> tuple[int, int, int]:
    return _number(major, "major"), _number(minor, "minor"), _number(micro, "micro")


def _three(parts: Sequence[int], path: PurePosixPath | None) -> NormalizedPythonVersion:
    return NormalizedPythonVersion(parts[0], parts[1], parts[2], path=path)


_STAGES = {"a": "alpha", "b": "beta", "c": "candidate", "rc": "candidate"}


def _stage(text: str) -> str:
    stage = _STAGES.get(text, text)
    if stage not in {"alpha", "beta", "candidate", "final"}:
        raise InvalidVersionStringError(f"releaselevel is final, alpha, beta or candidate, not {text!r}")
    return stage
