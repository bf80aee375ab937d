"""The index of python.org by itself: what there is, what is newest, and a file from it, without manifest or lockfile.

Listings are judged by the dates that the root shows at this moment, so that what was released a minute ago is seen:
one request where nothing changed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from urllib.parse import quote

from packaging.version import Version

from dlm.errors import IntegrityError, LocalError, ResolutionError
from dlm.model.artifact import Artifact, Blob
from dlm.model.candidate import Candidate
from dlm.model.events import Note
from dlm.model.frozen import dataclass
from dlm.model.selector import Selector
from dlm.model.settings import DEFAULT_PYTHON_ORG
from dlm.place.survey import look
from dlm.resolve.choose import choose
from dlm.resolve.python_org.index import PythonOrg
from dlm.resolve.specifier import Spec, parse_version
from dlm.workflows.fetch import put
from dlm.workflows.orders import gather
from dlm.workflows.run import ListingAge, Run, one_or_all

__all__ = [
    "SOURCES",
    "Delivered",
    "Release",
    "TreeFile",
    "deliver",
    "every_release",
    "files_of",
    "index_of",
    "newest",
    "newest_of_each_line",
    "obtain",
    "select",
    "selector_for",
    "tree_file",
]

#: The folder that holds the sources up to 2.0.
SOURCES = "src"
_LAST_IN_SOURCES = (2, 0, 0)

#: Options of a selector that are flags and tell files of one version apart.
_OPTIONS = frozenset({"debug", "embed", "embeddable", "freethreaded", "no_lto", "pdb", "test", "webinstall"})
_VALUES = frozenset({"arch", "build", "min_macos", "post"})


@dataclass(frozen=True, slots=True)
class Release:
    """One version, final or pre-release, with its files in the order of the listing."""

    version: str
    files: tuple[Candidate, ...]

    @property
    def key(self) -> Version:
        """What versions are compared by."""
        return Version(self.version)

    @property
    def line(self) -> str:
        """Its major and minor number, ``3.13``."""
        return f"{self.key.major}.{self.key.minor}"

    @property
    def is_final(self) -> bool:
        """Whether it is no pre-release."""
        return not self.key.is_prerelease

    @property
    def withdrawn(self) -> bool:
        """Whether it was recalled."""
        return any(one.withdrawn for one in self.files)

    @property
    def types(self) -> tuple[str, ...]:
        """The types of its files, sorted."""
        return tuple(sorted({one.type for one in self.files}))


def index_of(run: Run, age: ListingAge = "dated") -> PythonOrg:
    """The index as this run sees it."""
    index = run.resolver("python", age)
    assert isinstance(index, PythonOrg), "the border builds the scheme python itself"
    return index


def every_release(index: PythonOrg, *, pre: bool) -> list[Release]:
    """All there is, newest first; pre-releases where ``pre`` says so.

    Raises:
        NetworkError: a listing cannot be read.
    """
    return [one for batch in index.list_all() for one in _releases(batch) if pre or one.is_final]


def newest_of_each_line(index: PythonOrg, *, pre: bool) -> list[Release]:
    """The newest release of each line (3.14, 3.13, …), newest line first; recalled ones do not count.

    Read are the newest folder of each line, and older ones only where that holds nothing suitable.

    Raises:
        NetworkError: a listing cannot be read.
    """
    lines: dict[tuple[int, int], list[str]] = {}
    for folder in index.releases():
        version = Version(folder)
        lines.setdefault((version.major, version.minor), []).append(folder)
    found: dict[str, Release] = {}
    asked = [SOURCES, *(folders.pop(0) for folders in lines.values())]
    while asked:
        for release in _releases(one for batch in index.read(asked) for one in batch):
            if (pre or release.is_final) and not release.withdrawn:
                found.setdefault(release.line, release)
        asked = [folders.pop(0) for line, folders in lines.items() if folders and f"{line[0]}.{line[1]}" not in found]
    return sorted(found.values(), key=lambda one: one.key, reverse=True)


def files_of(index: PythonOrg, release: tuple[int, int, int]) -> tuple[Candidate, ...] | None:
    """The files of a release and of its pre-releases, or None where there is no such release.

    Raises:
        NetworkError: a listing cannot be read.
    """
    folders = [folder for folder in index.releases() if Version(folder) == Version(".".join(map(str, release)))]
    read = index.read([*folders, SOURCES] if release <= _LAST_IN_SOURCES else folders)
    files = tuple(one for batch in read for one in batch if _release_numbers(one) == release)
    return files if files or (folders and not index.remarks()) else None


def newest(index: PythonOrg, selector: Selector) -> Release:
    """The newest release that the selector's SPEC means, whatever files it has; a recalled one only if named exactly.

    Raises:
        ResolutionError: there is none.
        NetworkError: a listing cannot be read.
    """
    spec = Spec.of(selector)
    passed: Release | None = None
    for batch in index.candidates(Selector(selector.scheme, selector.spec, options=selector.options)):
        for release in _releases(batch):
            against = spec.reason_against(release.key)
            if against is None and (not release.withdrawn or spec.exact == release.key):
                return release
            if against == "pre-release" and passed is None:
                passed = release
    if passed is not None:
        raise ResolutionError(
            f"{selector.spec} means no final release yet; there is {passed.version}",
            details=index.remarks(),
            hint="let pre-releases count with --pre",
        )
    raise ResolutionError(
        f"there is no release {selector.spec}",
        details=index.remarks(),
        hint="see what there is with dlm python versions",
    )


def select(index: PythonOrg, selector: Selector) -> tuple[tuple[Candidate, ...], tuple[str, ...]]:
    """The files that a selector means, and why newer releases were passed over.

    Raises:
        ResolutionError: nothing matches, or several files do.
        NetworkError: a listing cannot be read.
    """
    choice = choose(selector, index.candidates(selector), nearby=index.candidates, remarks=index.remarks)
    return choice.chosen, choice.sentences()


def selector_for(one: Candidate, siblings: Sequence[Candidate]) -> str:
    """A selector that means ``one`` alone of the files of its version.

    Args:
        siblings: all files of that version, ``one`` among them.
    """
    words = [f"python:=={one.version}", one.type, one.format, *sorted(one.flags & _OPTIONS)]
    words += [f"{name}={value}" for name, value in sorted(one.values.items()) if name in _VALUES]
    selector = Selector.parse(":".join(words))
    try:
        means = choose(selector, iter([tuple(siblings)])).chosen
    except ResolutionError:
        means = ()
    if means != (one,):
        selector = Selector.parse(f"python:=={one.version}:{one.type}:file={one.filename}")
    return str(selector)


@dataclass(frozen=True, slots=True)
class TreeFile:
    """One file below the tree's root: its path there, and its size in bytes where a listing told it."""

    path: str
    size: int | None = None

    @property
    def name(self) -> str:
        """Its own name."""
        return self.path.rpartition("/")[2]

    @property
    def folder(self) -> str:
        """The folder that it stands in."""
        return self.path.rpartition("/")[0]

    @property
    def url(self) -> str:
        """Its address at python.org."""
        return DEFAULT_PYTHON_ORG + quote(self.path, safe="/+~")


def tree_file(index: PythonOrg, candidate: Candidate) -> TreeFile:
    """Where a candidate stands."""
    return TreeFile(index.canonical_url(candidate).removeprefix(DEFAULT_PYTHON_ORG), candidate.size)


def obtain(run: Run, files: Sequence[TreeFile]) -> list[Blob]:
    """Fetch files into the store, all at once.

    A size that a listing told is checked. python.org replaces files in place, and listings are cached by its edges and
    by dlm: where the two differ, the listing is read anew before it is believed.

    Raises:
        NetworkError: a file is not to be had.
        IntegrityError: a file is not as long as its listing says at this moment.
    """
    wanted = [Artifact(resource=one.name, filename=one.name, url=one.url, dest="") for one in files]
    haul = gather(run, wanted)
    failure = one_or_all(haul.errors.values())
    if failure is not None:
        raise failure
    blobs = [haul.arrived[number].blob for number in range(len(files))]
    doubtful = [
        (one, blob) for one, blob in zip(files, blobs, strict=True) if one.size is not None and one.size != blob.size
    ]
    if doubtful:
        _check_sizes(run, doubtful)
    return blobs


def _check_sizes(run: Run, doubtful: Sequence[tuple[TreeFile, Blob]]) -> None:
    folders = list(dict.fromkeys(one.folder for one, _ in doubtful))
    read = index_of(run, "anew").read(folders)
    sizes: Mapping[tuple[str, str], int | None] = {
        (folder, one.filename): one.size for folder, batch in zip(folders, read, strict=True) for one in batch
    }
    for one, blob in doubtful:
        told = sizes.get((one.folder, one.name), one.size)
        if told is not None and told != blob.size:
            raise IntegrityError(
                f"{blob.size} bytes came, and the listing says {told}",
                resource=one.name,
                hint="try again later: a mirror or a cache on the way may hold an older file",
            )
        run.reporter.emit(Note(f"{one.name} was replaced since its listing was read: {one.size} -> {blob.size} bytes"))


@dataclass(frozen=True, slots=True)
class Delivered:
    """A file in a folder of the user's choice; ``unchanged`` where it stood there already with these bytes."""

    path: str
    blob: Blob
    unchanged: bool = False


def deliver(run: Run, files: Sequence[TreeFile], folder: str, *, replace: bool) -> list[Delivered]:
    """Fetch files and put them into ``folder``, which is made where it is missing; each appears whole or not at all.

    Args:
        replace: whether a file of that name with other bytes gives way.

    Raises:
        NetworkError, IntegrityError: as :func:`obtain` does; nothing in ``folder`` has changed then.
        LocalError: another file stands there, or the disk refuses.
    """
    blobs = obtain(run, files)
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise LocalError(f"{folder} cannot be made: {error.strerror}", hint="name another folder") from error
    found = look(folder, [one.name for one in files], {})
    standing = [
        one.name
        for one, blob in zip(files, blobs, strict=True)
        if found[one.name].kind != "absent" and found[one.name].sha256 != blob.sha256
    ]
    if standing and not replace:
        raise LocalError(
            f"{os.path.join(folder, standing[0])} is there already, with other bytes",
            details=standing[1:],
            hint="replace it with --force, or name another folder",
        )
    done: list[Delivered] = []
    for one, blob in zip(files, blobs, strict=True):
        path = os.path.join(folder, one.name)
        same = found[one.name].kind == "file" and found[one.name].sha256 == blob.sha256
        if not same:
            put(run, blob, path)
        done.append(Delivered(path, blob, same))
    return done


def _releases(files: Iterable[Candidate]) -> Iterator[Release]:
    """Files by their version, newest first."""
    grouped: dict[Version, list[Candidate]] = {}
    for one in files:
        version = parse_version(one.version)
        if version is not None:
            grouped.setdefault(version, []).append(one)
    for version in sorted(grouped, reverse=True):
        yield Release(grouped[version][0].version, tuple(grouped[version]))


def _release_numbers(one: Candidate) -> tuple[int, int, int]:
    version = Version(one.version)
    return version.major, version.minor, version.micro
