"""The lockfile's text <-> ``Lockfile``: strict in, byte for byte the same out.

Read with the standard library alone, so that ``sync --frozen`` needs neither pydantic nor yaml. A lockfile with
merge-conflict markers is read as both of its sides, joined by name.
"""

from __future__ import annotations

import codecs
import io
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from json.encoder import encode_basestring
from types import MappingProxyType

from dlm.errors import LockfileError
from dlm.model.artifact import KEPT_HEADERS
from dlm.model.digest import Digests
from dlm.model.frozen import dataclass, replace
from dlm.model.late import late
from dlm.model.lockfile import REVISION, VERSION, LockedArtifact, LockEntry, Lockfile
from dlm.model.manifest import NAME
from dlm.model.paths import check_filename, collision_key, names_file
from dlm.model.url import has_userinfo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO, NoReturn, TypeGuard

    from dlm.model.extract import Extracted

__all__ = ["ReadLockfile", "read_lockfile", "write_lockfile"]

_NOTHING: Mapping[str, Any] = MappingProxyType({})
_INFINITE = float("inf")
#: From so many bytes on, a lockfile of some hundred files, it pays to load what reads long ones.
_LONG = 200_000
_TOP = frozenset({"version", "revision", "resources"})
_ENTRY = frozenset({"request", "artifacts"})
_ARTIFACT = frozenset({
    "platform",
    "filename",
    "version",
    "url",
    "final-url",
    "dest",
    "size",
    "digests",
    "verified",
    "extracted",
    "headers",
    "evidence",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class ReadLockfile:
    """A lockfile and what was noticed while reading it.

    Attributes:
        warnings: unknown keys, and entries joined from two sides.
        conflicted: whether the text held merge-conflict markers, so that it has to be written anew.
    """

    lockfile: Lockfile
    warnings: tuple[str, ...] = ()
    conflicted: bool = False


def write_lockfile(lockfile: Lockfile) -> bytes:
    """The one text of ``lockfile``: sorted, indented by two, LF, with a final newline.

    An artifact at a time: of a hundred thousand, the words of all at once would take four times as much as the text.
    """
    out = io.BytesIO()
    out.write(f'{{\n  "version": {lockfile.version},\n  "revision": {lockfile.revision},\n  "resources": {{'.encode())
    for number, name in enumerate(sorted(lockfile.entries)):
        out.write(f"{',' if number else ''}\n    {encode_basestring(name)}: {{".encode())
        _write_entry(out, lockfile.entries[name])
        out.write(b"\n    }")
    out.write(b"\n  }" if lockfile.entries else b"}")
    for name, value in sorted(lockfile.extra.items()):
        out.write(f",\n  {encode_basestring(name)}: {_json(value, 1)}".encode())
    out.write(b"\n}\n")
    return out.getvalue()


def _write_entry(out: BinaryIO, entry: LockEntry) -> None:
    """What stands between the braces of an entry."""
    out.write(f'\n      "request": {_json(entry.request, 3)},\n      "artifacts": ['.encode())
    for number, one in enumerate(sorted_artifacts(entry.artifacts)):
        out.write(f"{',' if number else ''}\n        {_json(_artifact_out(one), 4)}".encode())
    out.write(b"\n      ]" if entry.artifacts else b"]")
    for name, value in sorted(entry.extra.items()):
        out.write(f",\n      {encode_basestring(name)}: {_json(value, 3)}".encode())


def _json(value: Any, depth: int) -> str:
    """The text of a value that stands so deep, as ``json.dumps(value, indent=2, ensure_ascii=False)`` has it.

    What the library writes with an indent it writes in Python, a word at a time, which takes twice the time.
    """
    if type(value) is str:
        return encode_basestring(value)
    if isinstance(value, dict) and value:
        line = ",\n" + "  " * (depth + 1)
        pairs = [f"{encode_basestring(key)}: {_json(one, depth + 1)}" for key, one in value.items()]
        return f"{{{line[1:]}{line.join(pairs)}\n{'  ' * depth}}}"
    if isinstance(value, (list, tuple)) and value:
        line = ",\n" + "  " * (depth + 1)
        return f"[{line[1:]}{line.join([_json(one, depth + 1) for one in value])}\n{'  ' * depth}]"
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _artifact_out(one: LockedArtifact) -> dict[str, Any]:
    out: dict[str, Any] = {}
    if one.platform is not None:
        out["platform"] = one.platform
    out["filename"] = one.filename
    if one.version is not None:
        out["version"] = one.version
    out["url"] = one.url
    if one.final_url is not None:
        out["final-url"] = one.final_url
    out["dest"] = one.dest
    out["size"] = one.size
    out["digests"] = one.digests.as_mapping()
    if not one.verified:
        out["verified"] = False
    if one.extracted is not None:
        out["extracted"] = one.extracted.as_mapping()
    if one.headers:
        out["headers"] = {name: one.headers[name] for name in KEPT_HEADERS if name in one.headers}
    if one.evidence:
        out["evidence"] = [dict(step) for step in one.evidence]
    out.update(sorted(one.extra.items()))
    return out


def sorted_artifacts(artifacts: Sequence[LockedArtifact]) -> tuple[LockedArtifact, ...]:
    """By platform, version in PEP 440 order, file name."""
    if len(artifacts) < 2:
        return tuple(artifacts)
    from packaging.version import InvalidVersion, Version  # only where there is something to sort

    versions: dict[str, tuple[bool, Any]] = {}

    def version_key(text: str) -> tuple[bool, Any]:
        try:
            return True, Version(text)
        except InvalidVersion:
            return False, text

    for one in artifacts:
        text = one.version or "0"
        if text not in versions:
            versions[text] = version_key(text)
    return tuple(
        sorted(artifacts, key=lambda one: (one.platform or "", *versions[one.version or "0"], one.filename, one.dest))
    )


def read_lockfile(
    given: bytes | BinaryIO,
    file: str,
    *,
    wanted: Callable[[str], bool] | None = None,
    documents: Sequence[str] = (),
    hint: str | None = None,
) -> ReadLockfile:
    """Read and check a lockfile.

    Args:
        given: the file's bytes, or the file, of which a long one is not in memory as a whole then.
        file: its name, for messages.
        wanted: whether the manifest asks for a name; it judges an entry that only one side of a merge conflict has
            where the text shows no common ancestor.
        documents: the names of the project's own documents, whose places no file may take.
        hint: the next command to try when the file is damaged.

    Raises:
        LockfileError: it is damaged, comes from a later dlm, or its two sides pin one name to different bytes.
        OSError: the file cannot be read.
    """
    reader = _Reader(file, hint or "restore the file from version control, or remove it and run `dlm lock`")
    opened = io.BytesIO(given) if isinstance(given, bytes) else given
    data = opened.read(_LONG)
    if len(data) == _LONG:
        if not opened.seekable():
            opened = io.BytesIO(data + opened.read())
        opened.seek(0)
        found = reader.read_long(opened)
        if found is not None:
            _check_places(found, file, documents, hint)
            return ReadLockfile(found, tuple(reader.warnings))
        opened.seek(0)
        data = opened.read()
    try:
        text = data.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError:
        reader.damaged("not UTF-8")
    sides = _sides(text, reader)
    if sides is None:
        lockfile = reader.read(text)
        _check_places(lockfile, file, documents, hint)
        return ReadLockfile(lockfile, tuple(reader.warnings))
    reader.merging = True
    ours, base, theirs = reader.read(sides[0]), _ancestor(sides[1], reader), reader.read(sides[2])
    joined = _join(ours, base, theirs, wanted or (lambda name: True), reader)
    if wanted is None:  # else the manifest, which tells places apart, is what these entries are made to match
        _check_places(joined, file, documents, hint)
    reader.warnings.append(f"{file} held a merge conflict; both sides are joined")
    return ReadLockfile(joined, tuple(dict.fromkeys(reader.warnings)), conflicted=True)


def _ancestor(text: str | None, reader: _Reader) -> Lockfile | None:
    """The common ancestor, or None where it cannot be told: that of a criss-cross merge may hold conflicts itself."""
    if text is None:
        return None
    try:
        return reader.read(text)
    except LockfileError:
        return None


def _check_places(lockfile: Lockfile, file: str, documents: Sequence[str], hint: str | None) -> None:
    """Raise LockfileError where two files share a place, or one takes that of a document of the project.

    Nearly all lockfiles are found to be in order by a set and a look at one text, however many files they have.
    """
    dests = [one.dest for entry in lockfile.entries.values() for one in entry.artifacts]
    places = set(dests)
    if len(places) == len(dests):
        text = collision_key("\n".join(("", *places, "")))  # no dest holds the end of a line
        keys = [f"\n{collision_key(name)}" for name in documents]
        if not any(f"{key}\n" in text or f"{key}/" in text for key in keys):
            return
    from dlm.documents.lockfile_places import misplaced

    found = misplaced(lockfile, documents)
    if found is not None:
        name, why = found
        raise LockfileError(
            f"{file} cannot be read: {name}: {why}",
            hint=hint or f"take the entry of {name} out of {file} and run `dlm lock`",
        )


class _Reader:
    """Checks one text; everything odd but harmless goes to ``warnings``. ``merging``: it is one side of a conflict."""

    def __init__(self, file: str, hint: str) -> None:
        self.file = file
        self.hint = hint
        self.merging = False
        self.warnings: list[str] = []
        self._ready = 0  # so many resources whose artifacts were read before

    def damaged(self, why: str) -> NoReturn:
        raise LockfileError(f"{self.file} cannot be read: {why}", hint=self.hint)

    def read(self, text: str) -> Lockfile:
        return self._lockfile(self._parse(text))

    def read_long(self, file: BinaryIO) -> Lockfile | None:
        """The lockfile as dlm itself writes it; None where anything is out of the ordinary, which takes more care."""
        from dlm.documents.lockfile_plain import PlainArtifacts

        noticed = len(self.warnings)
        self._ready = 0
        try:
            plain = PlainArtifacts(file, self._one_artifact, self._some_evidence)
            if _HALF.search(plain.rest) is not None:
                return None
            found = self._lockfile(self._parse(plain.rest, constant=plain.list_for))
            if self._ready == len(plain.lists):
                return found
        except (ValueError, LockfileError):
            pass
        del self.warnings[noticed:]
        return None

    def _one_artifact(self, text: str) -> LockedArtifact:
        """An artifact that stands alone. Raises ValueError, LockfileError."""
        one = self._parse(text)
        if not one.keys() <= _ARTIFACT:
            raise ValueError("unknown keys, which are told with the name of the resource")
        return self._artifact("", one, warn=False)

    def _some_evidence(self, text: str) -> tuple[Mapping[str, Any], ...]:
        """A list of evidence that stands alone. Raises ValueError, LockfileError."""
        return _evidence(self._parse(f'{{"evidence": {text}}}')["evidence"])

    def _lockfile(self, document: dict[str, Any]) -> Lockfile:
        version = document.get("version")
        if not _is_int(version) or version < 1:
            self.damaged("no version")
        if version > VERSION:
            raise LockfileError(
                f"{self.file} has version {version}, and this dlm reads version {VERSION}",
                hint="upgrade dlm to read it; the file is left as it is",
            )
        revision = document.get("revision", 0)
        if not _is_int(revision) or revision < 0:
            self.damaged("the revision is no whole number")
        resources = document.get("resources")
        if not isinstance(resources, dict):
            self.damaged("no resources")
        known = revision <= REVISION
        extra = self._extra(document, _TOP, "", warn=known)
        entries = {name: self._entry(name, entry, warn=known) for name, entry in resources.items()}
        return Lockfile(entries=entries, version=version, revision=revision, extra=extra)

    def _parse(self, text: str, *, constant: Callable[[str], Any] | None = None) -> dict[str, Any]:
        def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
            found = dict(items)
            if len(found) == len(items):
                return found
            found = {}
            for key, value in items:
                # A merge that aligns lines can bring in twice what both sides added.
                if key in found and not (self.merging and found[key] == value):
                    self.damaged(f"the key {key!r} stands twice in one object")
                found[key] = value
            return found

        def number(word: str) -> Any:
            self.damaged(f"{word[:40]} is no number that a lockfile holds")

        def fraction(word: str) -> float:
            # The JSON body of a request may hold one; 1e400 would become infinity, which JSON has no word for.
            value = float(word)
            return number(word) if value in {_INFINITE, -_INFINITE} else value

        def integer(word: str) -> int:
            return int(word) if len(word.lstrip("-")) < 20 else number(word)

        try:
            document = json.loads(
                text,
                object_pairs_hook=pairs,
                parse_constant=constant or number,
                parse_float=fraction,
                parse_int=integer,
            )
            if _HALF.search(text) is not None:
                json.dumps(document, ensure_ascii=False).encode()  # an escaped lone surrogate is no character
        except json.JSONDecodeError as error:
            self.damaged(f"line {error.lineno}: {error.msg}")
        except UnicodeEncodeError:
            self.damaged("it holds a lone surrogate")
        except RecursionError:
            self.damaged("it is nested too deeply")
        if not isinstance(document, dict):
            self.damaged("it is no JSON object")
        return document

    def _extra(self, given: Mapping[str, Any], known: AbstractSet[str], where: str, *, warn: bool) -> Mapping[str, Any]:
        if given.keys() <= known:
            return _NOTHING
        extra = {key: value for key, value in given.items() if key not in known}
        if warn:
            names = ", ".join(sorted(extra))
            self.warnings.append(f"{self.file}: {where}unknown key {names}; ignored and kept")
        return extra

    def _entry(self, name: str, entry: Any, *, warn: bool) -> LockEntry:
        if NAME.match(name) is None or not name.isprintable():
            self.damaged(f"{name!r} is no name of a resource")
        if not isinstance(entry, dict):
            self.damaged(f"{name} is no object")
        request, artifacts = entry.get("request"), entry.get("artifacts")
        if not isinstance(request, dict) or not isinstance(artifacts, list | tuple):
            self.damaged(f"{name} lacks request or artifacts")
        if not artifacts:
            # Whatever can be asked for is at least one file, and one that asks for none would take away what is placed.
            self.damaged(f"{name} has no artifacts")
        if isinstance(artifacts, tuple):
            self._ready += 1
        else:
            artifacts = tuple(self._artifact(name, one, warn=warn) for one in artifacts)
        return LockEntry(
            name=name,
            request=request,
            artifacts=artifacts,
            extra=self._extra(entry, _ENTRY, f"{name}: ", warn=warn),
        )

    def _artifact(self, name: str, one: Any, *, warn: bool) -> LockedArtifact:
        if not isinstance(one, dict):
            self.damaged(f"an artifact of {name} is no object")
        get = one.get
        try:
            digests = Digests.from_mapping(_text_mapping(get("digests"), "digests"))
            if digests.sha256 is None:
                raise ValueError("no sha256")
            dest = _text(get("dest"), "dest")
            if not names_file(dest):
                raise ValueError(f"the dest {dest!r} names no file of the project")
            url = _address(get("url"), "url")
            size = get("size")
            if type(size) is not int or size < 0:
                raise ValueError("no size")
            verified = get("verified", True)
            if not isinstance(verified, bool):
                raise ValueError("verified is neither true nor false")
            evidence = _evidence(one["evidence"]) if "evidence" in one else ()
            return LockedArtifact(
                filename=check_filename(_text(get("filename"), "filename")),
                url=url,
                dest=dest,
                size=size,
                digests=digests,
                # Many artifacts share these words.
                platform=sys.intern(_text(one["platform"], "platform")) if "platform" in one else None,
                version=sys.intern(_text(one["version"], "version")) if "version" in one else None,
                final_url=_address(one["final-url"], "final-url") if "final-url" in one else None,
                verified=verified,
                extracted=_extracted(one["extracted"]) if "extracted" in one else None,
                headers=_text_mapping(one["headers"], "headers") if "headers" in one else _NOTHING,
                evidence=evidence,
                extra=self._extra(one, _ARTIFACT, f"{name}: ", warn=warn),
            )
        except ValueError as error:
            self.damaged(f"an artifact of {name}: {error}")


def _is_int(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"no {what}")
    if not value.isprintable():
        raise ValueError(f"the {what} holds control characters")
    return value


def _address(value: Any, what: str) -> str:
    text = _text(value, what)
    if has_userinfo(text):
        raise ValueError(f"the {what} holds credentials, which no lockfile does")
    return text


def _text_mapping(value: Any, what: str) -> dict[str, str]:
    if isinstance(value, dict):
        for one in value.values():
            if not isinstance(one, str) or not one.isprintable():
                break
        else:
            return value
    raise ValueError(f"{what} is no object of printable texts")


def _evidence(value: Any) -> tuple[Mapping[str, Any], ...]:
    if isinstance(value, list) and all(isinstance(step, dict) for step in value):
        return tuple(value)
    raise ValueError("evidence is no list of objects")


def _extracted(found: object) -> Extracted:
    from dlm.model.extract import Extracted

    return Extracted.from_mapping(found)


# The escape of half a character, or of one that has two of them.
_HALF = late(r"\\u[dD]")
# Git's markers have seven signs; longer ones belong to a conflict inside the common ancestor.
_MARK = late(r"(<{7}|\|{7}|={7}|>{7})(?:[ \r\n]|\Z)")


def _sides(text: str, reader: _Reader) -> tuple[str, str | None, str] | None:
    """Our text, the common ancestor's where the markers show it, and theirs; None without markers."""
    if "<<<<<<<" not in text:
        return None
    ours: list[str] = []
    base: list[str] = []
    theirs: list[str] = []
    everywhere = (ours, base, theirs)
    into: tuple[list[str], ...] = everywhere
    shows_base = False
    found = False
    for line in io.StringIO(text, newline="\n"):
        match = _MARK.match(line)
        mark = match[1] if match is not None else ""
        if mark == "<<<<<<<" and into is everywhere:
            into, found = (ours,), True
        elif mark == "|||||||" and into[0] is ours and into is not everywhere:
            into, shows_base = (base,), True
        elif mark == "=======" and into is not everywhere and into[0] is not theirs:
            into = (theirs,)
        elif mark == ">>>>>>>" and into[0] is theirs:
            into = everywhere
        else:
            for side in into:
                side.append(line)
    if not found:
        return None
    if into is not everywhere:
        reader.damaged("a merge conflict whose markers do not pair")
    return "".join(ours), "".join(base) if shows_base else None, "".join(theirs)


def _join(
    ours: Lockfile, base: Lockfile | None, theirs: Lockfile, wanted: Callable[[str], bool], reader: _Reader
) -> Lockfile:
    """Both sides by name. A name that one side alone has was added there, or deleted on the other: the common
    ancestor tells, and without one the manifest does."""
    entries: dict[str, LockEntry] = {}
    conflicts: list[str] = []
    for name in sorted({*ours.entries, *theirs.entries}):
        our, their = ours.entries.get(name), theirs.entries.get(name)
        old = base.entries.get(name) if base is not None else None
        if our is not None and their is not None:
            if their in (our, old):
                entries[name] = our
            elif our == old:
                entries[name] = their
            elif _pins(our) == _pins(their):
                entries[name] = our if all(one.verified for one in our.artifacts) else their
            else:
                conflicts.append(name)
            continue
        only = our if our is not None else their
        if only is None:
            continue
        # Deleted on one side and changed on the other: only the manifest knows what is meant.
        deleted_there = only == old or ((base is None or old is not None) and not wanted(name))
        if not deleted_there:
            entries[name] = only
    if conflicts:
        names = ", ".join(conflicts)
        raise LockfileError(
            f"{reader.file} holds a merge conflict in which {names} {'is' if len(conflicts) == 1 else 'are'} pinned"
            " to two different things",
            hint=f"keep one side of {conflicts[0]} in the file, or remove its entry and run `dlm lock`",
            details=conflicts,
        )
    return replace(
        ours, entries=entries, revision=max(ours.revision, theirs.revision), extra={**theirs.extra, **ours.extra}
    )


def _pins(entry: LockEntry) -> tuple[tuple[str | None, str, str, str], ...]:
    return tuple(
        (one.platform, one.url, one.dest, str(one.digests.as_mapping())) for one in sorted_artifacts(entry.artifacts)
    )
