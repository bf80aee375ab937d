"""``dlm add`` and ``dlm remove``: the manifest's text is edited in place, and the lockfile follows.

Nothing is written before all is checked and, unless that is not wanted, locked: where something fails, both documents
are as they were.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from dlm.documents.lockfile_json import ReadLockfile
from dlm.documents.manifest_edit import Entry, Plain, add_resources, remove_resources
from dlm.errors import DlmError, ManifestError, UsageError
from dlm.model.digest import Digest
from dlm.model.events import Warned
from dlm.model.frozen import dataclass, replace
from dlm.model.lockfile import Lockfile
from dlm.model.manifest import Manifest
from dlm.model.suggest import suggest
from dlm.workflows.lock import Change, LockWish, relock, save
from dlm.workflows.run import Run, one_or_all
from dlm.workflows.settle import alone

__all__ = ["AddReport", "AddWish", "RemoveReport", "add", "remove"]

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|https?:", re.IGNORECASE)
_PLACE = re.compile(r"resources\[([0-9]+)\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class AddWish:
    """What is to be added: ``words`` are URLs and selectors, the rest holds for each of them.

    Attributes:
        name, sha256: only where there is one word.
        find_evidence: look beside each file for what vouches for it, and ask for that.
    """

    words: tuple[str, ...]
    name: str | None = None
    dest: str | None = None
    groups: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()
    sha256: str | None = None
    optional: bool = False
    executable: bool = False
    find_evidence: bool = False

    def entries(self) -> tuple[Entry, ...]:
        """Each word as the manifest is to have it: the short form where nothing else is said.

        Raises:
            UsageError: what holds for one resource is said of several, or the digest is none.
        """
        if len(self.words) > 1:
            for flag, value in (("--name", self.name), ("--sha256", self.sha256)):
                if value is not None:
                    raise UsageError(f"{flag} goes with one resource", hint="add them one by one")
        return tuple(self._entry(word.strip()) for word in self.words)

    def _entry(self, word: str) -> Entry:
        said: dict[str, Plain] = {}
        if self.platforms:
            said["platforms"] = self.platforms
        if self.sha256 is not None:
            said["sha256"] = _sha256(self.sha256)
        if self.dest is not None:
            said["dest"] = self.dest
        if self.groups:
            said["groups"] = self.groups
        if self.executable:
            said["executable"] = True
        if self.optional:
            said["optional"] = True
        if not said and self.name is None:
            return word
        kind = "url" if _URL.match(word) else "selector"
        return {**({"name": self.name} if self.name is not None else {}), kind: word, **said}


@dataclass(frozen=True, slots=True, kw_only=True)
class AddReport:
    """What an add did.

    Attributes:
        names: of the new resources.
        locked: whether the lockfile has them.
        changes, fetched, transferred: what locking did.
    """

    names: tuple[str, ...]
    locked: bool
    changes: tuple[Change, ...] = ()
    fetched: int = 0
    transferred: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveReport:
    """What a remove did: the resources that are gone, and those of them that the lockfile had."""

    names: tuple[str, ...]
    unlocked: tuple[str, ...]


def add(run: Run, wish: AddWish, *, lock: bool = True, offline: str | None = None) -> AddReport:
    """Add resources behind the manifest's last, and pin them.

    Args:
        lock: False leaves the lockfile as it is.
        offline: the flag or variable that forbids the network, or None.

    Raises:
        UsageError: a word is neither URL nor selector, a name or a destination is taken.
        ManifestError: the manifest is wrong already, or cannot be edited.
        DlmError: something could not be locked. Whatever is raised, the documents are as they were.
    """
    entries = wish.entries()
    with alone(run):
        data = run.files.read_manifest()
        old = _read(run, data)
        names = tuple(_check(run, old, entries, wish.words))
        if wish.find_evidence:
            entries = tuple(
                _with_evidence(run, entry, name, offline) for entry, name in zip(entries, names, strict=True)
            )
        changed = add_resources(data.decode(), entries).encode()
        try:
            new = _read(run, changed)
        except ManifestError as error:
            raise _words(error, wish.words, len(old.resources)) from error
        for warning in new.warnings:
            if warning not in old.warnings:
                run.reporter.emit(Warned(warning))
        if not lock:
            run.files.write_manifest(changed)
            return AddReport(names=names, locked=False)
        read = run.lockfile(new)
        relocked = relock(run, new, read.lockfile if read is not None else Lockfile(), LockWish(offline=offline))
        failure = one_or_all(relocked.errors)
        if failure is not None:
            raise failure
        _write(run, data, changed, relocked.lockfile, read)
        return AddReport(
            names=names,
            locked=True,
            changes=relocked.changes,
            fetched=relocked.fetched,
            transferred=relocked.transferred,
        )


def remove(run: Run, names: Sequence[str]) -> RemoveReport:
    """Take resources out of the manifest and the lockfile. No network, whatever else is stale.

    Raises:
        UsageError: the manifest has no such resource.
        ManifestError: the manifest is wrong already, or cannot be edited. The documents are as they were.
    """
    with alone(run):
        data = run.files.read_manifest()
        old = _read(run, data)
        places = {resource.name: place for place, resource in enumerate(old.resources)}
        for name in names:
            if name not in places:
                raise UsageError(f"the manifest has no resource {name!r}{suggest(name, places)}", hint="run `dlm list`")
        gone = tuple(dict.fromkeys(names))
        changed = remove_resources(data.decode(), {places[name] for name in gone}).encode()
        new = _read(run, changed)
        read = run.lockfile(new)
        if read is None:
            run.files.write_manifest(changed)
            return RemoveReport(names=gone, unlocked=())
        entries = {name: entry for name, entry in read.lockfile.entries.items() if name not in gone}
        _write(run, data, changed, replace(read.lockfile, entries=entries), read)
        return RemoveReport(names=gone, unlocked=tuple(name for name in gone if name in read.lockfile.entries))


def _sha256(text: str) -> str:
    try:
        digest = Digest.parse(text)
    except ValueError as error:
        raise UsageError(f"--sha256: {error}") from error
    if digest.algorithm != "sha256":
        raise UsageError(
            f"--sha256 takes a sha256, not a {digest.algorithm}", hint="write digests: into the manifest by hand"
        )
    return digest.value


def _read(run: Run, data: bytes) -> Manifest:
    from dlm.documents.manifest_yaml import read_manifest

    return read_manifest(
        data,
        run.files.manifest_name,
        dlm_version=run.version,
        grammars=run.grammars,
        fold_case=run.fold_case,
        lockfile=run.files.lockfile_name,
    )


def _check(run: Run, old: Manifest, entries: Sequence[Entry], words: Sequence[str]) -> list[str]:
    """The name of each entry, if it can be read and its name is free."""
    names: list[str] = []
    errors: list[DlmError] = []
    for entry, word in zip(entries, words, strict=True):
        alone_in_a_file = json.dumps({"version": 1, "resources": [entry]}).encode()
        try:
            name = _read(run, alone_in_a_file).resources[0].name
        except ManifestError as error:
            errors.append(_words(error, (word,), 0))
            continue
        if old.get(name) is not None or name in names:
            errors.append(_taken(run, old, name, word))
        names.append(name)
    failure = one_or_all(errors)
    if failure is not None:
        raise failure
    return names


def _with_evidence(run: Run, entry: Entry, name: str, offline: str | None) -> Entry:
    """The entry, asking for what was found beside its file and holds."""
    from dlm.workflows.discover import find_evidence

    resource = _read(run, json.dumps({"version": 1, "resources": [entry]}).encode()).resources[0]
    proposal = find_evidence(run, resource, offline=offline)
    for note in proposal.notes:
        run.reporter.emit(Warned(note, name))
    if not proposal.wish:
        run.reporter.emit(Warned("nothing beside it vouches for it", name))
        return entry
    written = {"url": entry} if isinstance(entry, str) else dict(entry)
    return {**written, "evidence": proposal.wish.request()}


def _taken(run: Run, old: Manifest, name: str, word: str) -> UsageError:
    line = old.lines.get(name)
    where = f" in line {line} of {run.files.manifest_name}" if line is not None else ""
    known = "is there already" if old.get(name) is not None else "is given twice"
    return UsageError(
        f"{_shown(word)}: a resource called {name!r} {known}{where}",
        hint="give this one another name with --name and another place with --dest",
    )


def _words(error: ManifestError, words: Sequence[str], before: int) -> DlmError:
    """What is wrong with the new resources, said of the words that the user gave and not of a file that is not there.

    Args:
        before: how many resources stand before them.
    """
    found: list[DlmError] = []
    for problem in error.problems:
        match = _PLACE.match(problem.key)
        place = int(match[1]) - before if match is not None else -1
        if not 0 <= place < len(words):
            return error
        found.append(
            UsageError(f"{_shown(words[place])}: {problem.message}", hint=problem.hint or "run `dlm add --help`")
        )
    return one_or_all(found) or error


def _shown(word: str) -> str:
    """A word for messages: what may be secret in an address is left out."""
    plain = re.sub(r"//[^/?#]*@", "//", word.strip().partition("?")[0])
    return plain if len(plain) <= 100 else f"{plain[:99]}…"


def _write(run: Run, before: bytes, after: bytes, lockfile: Lockfile, read: ReadLockfile | None) -> None:
    """Both documents, the lockfile last; if it cannot be written, the manifest is as it was."""
    run.files.write_manifest(after)
    try:
        save(run, lockfile, read)
    except BaseException:
        run.files.write_manifest(before)
        raise
