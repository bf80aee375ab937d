"""The index of python.org: root, release folders and ``src/``, read lazily, each page at most once in a run.

Listings carry no validators, so that no conditional request can spare one. What has to be read again is told by three
things: the root's page shows a date for each folder, and a noted listing is good while that date stands; the root
itself is good for ``listing_ttl`` seconds; and ``refresh`` reads everything anew. A date is exact to the minute only:
a folder that changed about when it was read is read again.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ClassVar, Generic, TypeGuard, TypeVar

from packaging.version import Version

from dlm.errors import DlmError, NetworkError, RefusedError, SettingsError
from dlm.model.candidate import Candidate
from dlm.model.frozen import dataclass
from dlm.model.selector import Selector
from dlm.model.settings import DEFAULT_PYTHON_ORG, Settings
from dlm.model.transfer import Page
from dlm.model.url import Url
from dlm.ports import Clock, Notebook, Pages
from dlm.resolve.python_org.listing import Entry, parse_listing
from dlm.resolve.python_org.names import WITHDRAWN, ArtifactName, Directory, Sidecar, classify, release_of
from dlm.resolve.specifier import Spec

__all__ = ["PythonOrg"]

_SOURCES = "src"
_LAST_IN_SOURCES = Version("2.0")
#: What ``src/`` may hold: enough to ask a SPEC whether the page is worth reading, without reading it.
_MAYBE_IN_SOURCES = tuple(
    Version(f"{line}.{micro}")
    for line in ("0.9", "1.0", "1.1", "1.2", "1.3", "1.4", "1.5", "1.6", "2.0")
    for micro in range(10)
)

# After the first, second … folder that had nothing suitable, ever more at once: two requests where the newest release
# has the file, and few round trips where the hundredth has.
_LARGEST_GROUP = 32
#: Of very many pages, so many are read before they are looked at: a few rounds at the cap per host.
_MOST_AT_ONCE = 64
_RACY_SECONDS = 120
_LARGEST_NOTE = 1024 * 1024
_NOTE_FORMAT = 2

K = TypeVar("K")
T = TypeVar("T")


class PythonOrg:
    """The resolver of ``python:`` selectors. One object serves all threads of a run."""

    scheme: ClassVar[str] = "python"

    def __init__(
        self,
        pages: Pages,
        notebook: Notebook,
        clock: Clock,
        *,
        root_url: str = DEFAULT_PYTHON_ORG,
        listing_ttl: float,
        refresh: bool = False,
    ) -> None:
        """
        Args:
            pages: reads listings.
            notebook: keeps them between runs.
            root_url: the tree's root, python.org's own or a mirror's; a final slash is added where it lacks.
            listing_ttl: seconds for which the root's listing is taken as it was read.
            refresh: read every listing anew, though still once.

        Raises:
            SettingsError: ``root_url`` is no http or https address, or has a query or user info.
        """
        self._root_text = str(_root(root_url))
        self._pages = pages
        self._notebook = notebook
        self._clock = clock
        self._ttl = listing_ttl
        self._refresh = refresh
        self._lock = threading.Lock()
        self._gone: dict[str, str] = {}
        self._roots: _Once[str, dict[str, Entry]] = _Once(lambda urls: [self._read_root(url) for url in urls])
        self._folders: _Once[str, tuple[Candidate, ...] | DlmError] = _Once(self._read_folders)

    @classmethod
    def build(
        cls, pages: Pages, notebook: Notebook, clock: Clock, settings: Settings, /, *, refresh: bool
    ) -> PythonOrg:
        """The resolver that the settings describe; see ``dlm.ports.ResolverPlugin``."""
        return cls(
            pages,
            notebook,
            clock,
            root_url=settings.python_org_url,
            listing_ttl=settings.listing_ttl,
            refresh=refresh,
        )

    @staticmethod
    def grammar(parts: tuple[str, ...], /) -> Selector:
        """The grammar of ``python:`` selectors; see ``dlm.ports.ResolverPlugin``."""
        return Selector.parse(":".join(("python", *parts)))

    def candidates(self, selector: Selector) -> Iterator[tuple[Candidate, ...]]:
        """The artifacts of every release that may match, newest first, one release's folder a batch.

        A batch holds all artifacts of its folder, of other types too, so that a chooser can say what there is instead.

        Raises:
            NetworkError: a listing cannot be read; its message names the page.
        """
        units = self._units(selector)
        size = len(units) if selector.has("all") else 1
        while units:
            group, units = units[:size], units[size:]
            size = min(2 * size, _LARGEST_GROUP)
            read = iter(self._folders.get([folder for unit in group for folder in unit]))
            for unit in group:
                batch: list[Candidate] = []
                for _ in unit:
                    found = next(read)
                    if isinstance(found, DlmError):  # only now: an earlier batch may have settled it
                        raise found
                    batch.extend(found)
                if batch:
                    yield tuple(batch)

    def list_all(self) -> Iterator[tuple[Candidate, ...]]:
        """Every artifact of the tree, newest release first; reads all listings, concurrently.

        Raises:
            NetworkError: a listing cannot be read.
        """
        return self.candidates(Selector("python", "latest", options=(("all", ""), ("pre", ""))))

    def releases(self) -> tuple[str, ...]:
        """The names of the release folders, newest first: one request. Some may hold only pre-releases.

        Raises:
            NetworkError: the root's listing cannot be read.
        """
        return tuple(folder for _, folder in self._release_folders())

    def read(self, folders: Sequence[str]) -> list[tuple[Candidate, ...]]:
        """The artifacts of each of some folders, read concurrently; none for a folder that is not there.

        Args:
            folders: names as :meth:`releases` gives them, or ``src``, which holds the sources up to 2.0.

        Raises:
            NetworkError: a listing cannot be read.
        """
        listed = self._root()
        there = [folder for folder in folders if folder in listed]
        found: dict[str, tuple[Candidate, ...]] = {}
        for folder, candidates in zip(there, self._folders.get(there), strict=True):
            if isinstance(candidates, DlmError):
                raise candidates
            found[folder] = candidates
        return [found.get(folder, ()) for folder in folders]

    def remarks(self) -> tuple[str, ...]:
        """What was met on the way and explains a missing match: folders that the root lists and that are gone."""
        with self._lock:
            return tuple(self._gone[folder] for folder in sorted(self._gone))

    def canonical_url(self, candidate: Candidate) -> str:
        """The address at python.org of a candidate of this index.

        Raises:
            ValueError: the candidate is not from here.
        """
        root = self._root_text
        if not candidate.url.startswith(root):
            raise ValueError(f"{candidate.url} is not below {root}")
        return DEFAULT_PYTHON_ORG + candidate.url.removeprefix(root)

    def _units(self, selector: Selector) -> list[tuple[str, ...]]:
        """The folders that may hold what is asked for, newest first; what has to come in one batch stands together."""
        spec = Spec.of(selector)
        named = classify(selector.option("file") or "")
        only = release_of(named.version) if isinstance(named, ArtifactName) else None
        units: list[tuple[str, ...]] = []
        oldest: list[str] = []
        for version, folder in self._release_folders():
            if only not in {None, release_of(folder)} or not spec.may_match(version):
                continue
            if version > _LAST_IN_SOURCES:
                units.append((folder,))
            else:
                oldest.append(folder)
        sources = selector.has("file") or selector.type in {"", "source-release"}
        if (
            sources
            and self._lists_sources()
            and any(
                spec.may_match(version) and only in {None, release_of(str(version))} for version in _MAYBE_IN_SOURCES
            )
        ):
            oldest.append(_SOURCES)
        if oldest:  # 2.0 has a folder, and its source is in src/
            units.append(tuple(oldest))
        return units

    def _release_folders(self) -> list[tuple[Version, str]]:
        found: list[tuple[Version, str]] = []
        for entry in self._root().values():
            directory = classify(f"{entry.name}/")
            if isinstance(directory, Directory) and directory.kind == "release" and directory.version is not None:
                found.append((Version(directory.version), entry.name))
        return sorted(found, reverse=True)

    def _lists_sources(self) -> bool:
        return _SOURCES in self._root()

    def _root(self) -> dict[str, Entry]:
        """The folders that the root lists, by name."""
        return self._roots.get([self._root_text])[0]

    def _read_root(self, url: str) -> dict[str, Entry]:
        noted = None if self._refresh else self._recall(url)
        if noted is not None and 0 <= self._clock.time() - noted.read_at < self._ttl:
            return _folders_of(noted.entries)
        read_at = self._clock.time()
        page = self._pages.read([url])[0]
        if isinstance(page, DlmError):
            raise _unreadable(url, page)
        entries = parse_listing(page.text, page.url).entries
        folders = _folders_of(entries)
        if not any(isinstance(classify(f"{name}/"), Directory) for name in folders):
            raise NetworkError(
                f"{url} lists no releases of Python",
                hint="check the setting python_org_url; a proxy's sign-in page looks like this, too",
            )
        self._note(url, _Note(read_at, None, entries))
        return folders

    def _read_folders(self, folders: Sequence[str]) -> list[tuple[Candidate, ...] | DlmError]:
        root = self._root()
        listed: dict[str, tuple[Candidate, ...] | DlmError] = {}
        missing: list[str] = []
        for folder in folders:
            noted = None if self._refresh else self._recall(f"{self._root_text}{folder}/")
            if noted is not None and self._still_good(noted, root[folder].modified):
                listed[folder] = self._candidates_of(folder, noted.entries)
            else:
                missing.append(folder)
        groups = [missing[start : start + _MOST_AT_ONCE] for start in range(0, len(missing), _MOST_AT_ONCE)]
        if len(groups) == 1:
            listed.update(self._take_all(missing, *self._ask(missing)))
        elif groups:
            # What has come is looked at aside, so that the network need not wait for that; and read here, so that an
            # interrupt ends it.
            with ThreadPoolExecutor(1, "dlm-listings") as aside:
                taken = [aside.submit(self._take_all, group, *self._ask(group)) for group in groups]
                for one in taken:
                    listed.update(one.result())
        return [listed[folder] for folder in folders]

    def _ask(self, folders: Sequence[str]) -> tuple[float, list[Page | DlmError]]:
        """When the listings of some folders were asked for, and what came."""
        read_at = self._clock.time()
        return read_at, self._pages.read([f"{self._root_text}{folder}/" for folder in folders])

    def _take_all(
        self, folders: Sequence[str], read_at: float, answers: Sequence[Page | DlmError]
    ) -> dict[str, tuple[Candidate, ...] | DlmError]:
        root = self._root()
        return {
            folder: self._take(folder, f"{self._root_text}{folder}/", answer, read_at, root[folder].modified)
            for folder, answer in zip(folders, answers, strict=True)
        }

    def _take(
        self, folder: str, url: str, answer: Page | DlmError, read_at: float, date: int | None
    ) -> tuple[Candidate, ...] | DlmError:
        if isinstance(answer, RefusedError) and answer.status == 404:
            with self._lock:
                self._gone[folder] = f"{folder}/ is listed by {self._root_text} and is not there (404)"
            return ()
        if isinstance(answer, DlmError):
            return _unreadable(url, answer)
        listing = parse_listing(answer.text, answer.url)
        found = self._candidates_of(folder, listing.entries)
        if found or listing.is_index:  # any other page without files may be something else than a listing
            self._note(url, _Note(read_at, date, listing.entries))
        return found

    def _candidates_of(self, folder: str, entries: Sequence[Entry]) -> tuple[Candidate, ...]:
        names = [(entry, classify(entry.name, folder)) for entry in entries if not entry.is_directory]
        sidecars: dict[str, list[str]] = {}
        for entry, name in names:
            # A replaced file's signature (X.asc_superceded beside X_superceded) is not called after its file.
            if isinstance(name, Sidecar) and entry.name.startswith(f"{name.of}."):
                sidecars.setdefault(name.of, []).append(entry.name.removeprefix(name.of))
        return tuple(
            Candidate(
                # Built from the address that was asked, so that a redirect of a page moves no artifact.
                url=f"{self._root_text}{folder}/{name.name}",
                filename=name.name,
                version=name.version,
                type=name.type,
                format=name.format,
                flags=name.flags,
                values=name.values,
                size=entry.size,
                withdrawn=name.version in WITHDRAWN,
                sidecars=tuple(sidecars.get(name.name, ())),
            )
            for entry, name in names
            if isinstance(name, ArtifactName)
        )

    def _still_good(self, noted: _Note, date: int | None) -> bool:
        age = self._clock.time() - noted.read_at
        if age < 0 or noted.date != date:  # a clock that jumped back proves nothing
            return False
        if date is None:  # a mirror that shows no dates
            return age < self._ttl
        return noted.read_at >= (date + 1) * 60 + _RACY_SECONDS

    def _recall(self, url: str) -> _Note | None:
        found = self._notebook.read(f"listing {url}")
        return None if found is None else _Note.from_text(found[0])

    def _note(self, url: str, note: _Note) -> None:
        text = note.as_text()
        if len(text) <= _LARGEST_NOTE:
            self._notebook.write(f"listing {url}", text)


@dataclass(frozen=True, slots=True)
class _Note:
    """What a page listed: ``read_at`` seconds since the epoch, while the root showed ``date`` for its folder.

    Entries are noted and not what their names mean, so that a later dlm may know more names.
    """

    read_at: float
    date: int | None
    entries: tuple[Entry, ...]

    def as_text(self) -> str:
        rows = [[entry.name, entry.is_directory, entry.modified, entry.size] for entry in self.entries]
        note = {"format": _NOTE_FORMAT, "read_at": self.read_at, "date": self.date, "entries": rows}
        return json.dumps(note, separators=(",", ":"))

    @classmethod
    def from_text(cls, text: str) -> _Note | None:
        """None for anything else than what :meth:`as_text` wrote: a note is cheap to lose."""
        try:
            raw = json.loads(text)
            if not isinstance(raw, dict) or raw.get("format") != _NOTE_FORMAT:
                return None
            read_at, date = raw["read_at"], raw["date"]
            entries = tuple(_entry(*row) for row in raw["entries"])
        except (ValueError, KeyError, TypeError, RecursionError):
            return None
        if not isinstance(read_at, (int, float)) or not _is_count(date):
            return None
        return cls(read_at, date, entries)


def _entry(name: object, is_directory: object, modified: object, size: object) -> Entry:
    """One row of a note. Raises ValueError for what none ever was."""
    if not isinstance(name, str) or not isinstance(is_directory, bool) or not (_is_count(modified) and _is_count(size)):
        raise ValueError("a row that no note holds")
    return Entry(name, is_directory, modified, size)


def _is_count(value: object) -> TypeGuard[int | None]:
    return value is None or type(value) is int


class _Once(Generic[K, T]):
    """Loads each key once, whichever threads ask for it, and many keys in one go.

    A thread loads the keys that nobody has asked for yet and then waits for those that others are loading. A failure is
    an answer like any other: whoever asks gets it.
    """

    def __init__(self, load: Callable[[Sequence[K]], list[T]]) -> None:
        self._load = load
        self._lock = threading.Lock()
        self._found: dict[K, Future[T]] = {}

    def get(self, keys: Sequence[K]) -> list[T]:
        mine: dict[K, Future[T]] = {}
        with self._lock:
            for key in keys:
                if key not in self._found:
                    self._found[key] = mine[key] = Future()
            futures = [self._found[key] for key in keys]
        if mine:
            try:
                for future, value in zip(mine.values(), self._load(list(mine)), strict=True):
                    future.set_result(value)
            except BaseException as error:
                for future in mine.values():
                    if not future.done():
                        future.set_exception(error)
                raise
        return [future.result() for future in futures]


def _root(text: str) -> Url:
    try:
        url = Url.parse(text if text.endswith("/") else f"{text}/")
    except ValueError as error:
        raise SettingsError(f"python_org_url: {error}") from None
    if url.query is not None or url.userinfo is not None:
        raise SettingsError(
            f"python_org_url: {url.redacted} is written without a query and without user info",
            hint="credentials for a mirror stand under hosts: in the configuration",
        )
    return url


def _folders_of(entries: Sequence[Entry]) -> dict[str, Entry]:
    return {entry.name: entry for entry in entries if entry.is_directory}


def _unreadable(url: str, error: DlmError) -> DlmError:
    """The error for a page that could not be read; what is no network's fault stays what it is."""
    if not isinstance(error, NetworkError):
        return error
    return NetworkError(
        f"the listing {url} could not be read: {error.message}",
        details=error.details,
        hint=error.hint or "try again, or set python_org_url to a mirror",
    )
