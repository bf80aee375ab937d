"""Checksum files, as ``sha256sum``, ``shasum``, BSD's ``sha256``, ``openssl dgst`` and people write them.

- GNU: ``HEX  name`` and ``HEX *name``; a backslash before HEX says that ``\\n``, ``\\r`` and ``\\\\`` in the name are
  escapes (GNU coreutils manual, "md5sum invocation").
- BSD: ``SHA256 (name) = HEX``; OpenSSL writes ``SHA2-256(name)= HEX``.
- HEX alone, in a file that is about one artifact, such as ``file.sha256``.

An OpenPGP cleartext wrapper (RFC 9580 7) is taken off and not checked. Lines of other algorithms prove nothing.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from typing import ClassVar

from dlm.errors import EvidenceError
from dlm.model.digest import STRENGTH, Digest
from dlm.model.evidence import ChecksumsWish, Piece, Subject, Wish
from dlm.model.frozen import dataclass
from dlm.model.url import Url
from dlm.verify.content import address, digest_of, refuse_large

__all__ = ["ChecksumsVerifier", "Line", "parse", "stated_for"]

_HEX = r"[0-9A-Fa-f]"
_GNU = re.compile(rf"(?P<escaped>\\?)(?P<hex>{_HEX}{{32,128}})(?: [ *]|[ \t]+\*?|\*)[ \t]*(?P<name>\S.*)")
_BSD = re.compile(rf"(?P<escaped>\\?)(?P<tag>[A-Za-z0-9/-]+) ?\((?P<name>.+)\) ?= ?(?P<hex>{_HEX}{{32,128}})\s*")
_BARE = re.compile(rf"(?:(?P<tag>[A-Za-z0-9-]+)[:=])?\s*(?P<hex>{_HEX}{{32,128}})\s*")
_LONGEST_LINE = 8192

_BY_TAG = {
    "sha256": "sha256",
    "sha2-256": "sha256",
    "sha-256": "sha256",
    "sha384": "sha384",
    "sha2-384": "sha384",
    "sha-384": "sha384",
    "sha512": "sha512",
    "sha2-512": "sha512",
    "sha-512": "sha512",
}
_BY_LENGTH = {2 * length: algorithm for algorithm, length in STRENGTH.items()}


@dataclass(frozen=True, slots=True)
class Line:
    """What one line of a checksum file says.

    Attributes:
        name: which file it is about, None where it does not say.
        algorithm: ``sha256``, ``sha384`` or ``sha512``; None for one that proves nothing.
        value: lower-case hexadecimal.
    """

    name: str | None
    algorithm: str | None
    value: str


def parse(data: bytes) -> tuple[Line, ...]:
    """Every checksum in a file, in its order; lines that hold none are passed over.

    Raises:
        ValueError: it is no text.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("it is no text in UTF-8") from None
    if "\0" in text:
        raise ValueError("it is no text")
    return tuple(
        line
        for raw in _unwrapped(line.removesuffix("\r") for line in text.split("\n"))
        if (line := _line(raw)) is not None
    )


def _unwrapped(lines: Iterable[str]) -> Iterator[str]:
    """The lines without an OpenPGP cleartext wrapper: its header, its dash escapes, its signature."""
    state = "plain"
    for line in lines:
        if state == "plain" and line.rstrip() == "-----BEGIN PGP SIGNED MESSAGE-----":
            state = "header"
        elif state == "header":
            state = "signed" if not line.strip() else state
        elif line.rstrip() == "-----BEGIN PGP SIGNATURE-----":
            state = "signature"
        elif state == "signature":
            state = "plain" if line.rstrip() == "-----END PGP SIGNATURE-----" else state
        else:
            yield line.removeprefix("- ") if state == "signed" else line


def _line(raw: str) -> Line | None:
    if len(raw) > _LONGEST_LINE or raw.lstrip().startswith(("#", ";", "//")):
        return None
    text = raw.lstrip(" \t")
    match = _BSD.fullmatch(text)
    if match is not None:
        value = match["hex"].lower()
        algorithm = _BY_TAG.get(match["tag"].lower())
        if algorithm is not None and len(value) != 2 * STRENGTH[algorithm]:
            return None
        return Line(_name(match["name"], match["escaped"]), algorithm, value)
    match = _GNU.fullmatch(text.rstrip(" \t"))
    if match is not None:
        value = match["hex"].lower()
        name = None if match["name"] == "-" else _name(match["name"], match["escaped"])  # what came by a pipe
        return Line(name, _BY_LENGTH.get(len(value)), value)
    match = _BARE.fullmatch(text)
    if match is not None:
        value = match["hex"].lower()
        algorithm = _BY_LENGTH.get(len(value))
        if match["tag"] is not None and _BY_TAG.get(match["tag"].lower()) != algorithm:
            algorithm = None
        return Line(None, algorithm, value)
    return None


def _name(text: str, escaped: str) -> str:
    if not escaped:
        return text
    return re.sub(r"\\([nr\\])", lambda match: {"n": "\n", "r": "\r", "\\": "\\"}[match[1]], text)


def stated_for(lines: Iterable[Line], filename: str, path: str | None = None) -> tuple[Line, ...]:
    """The lines that are about a file: those that name ``path``, else ``filename``, else end in it, else say no name.

    Args:
        path: where the file lies, as seen from the folder of the checksum file.
    """
    listed = list(lines)

    def plain(line: Line) -> str | None:
        return None if line.name is None else posixpath.normpath(line.name.replace("\\", "/"))

    for wanted in (path, filename):
        found = tuple(line for line in listed if wanted is not None and plain(line) == wanted)
        if found:
            return found
    found = tuple(line for line in listed if posixpath.basename(plain(line) or "") == filename)
    if found:
        return found
    # A digest without a name is about this file only where the checksum file says nothing else.
    return tuple(listed) if listed and all(line.name is None for line in listed) else ()


def _path_from(source: str | None, url: str | None) -> str | None:
    """Where ``url`` lies, as seen from the folder of ``source``; None where that is not below it."""
    if source is None or url is None:
        return None
    try:
        folder, artifact = Url.parse(source), Url.parse(url)
    except ValueError:
        return None
    above = folder.path[: folder.path.rindex("/") + 1]
    if folder.origin != artifact.origin or not artifact.path.startswith(above):
        return None
    return artifact.path[len(above) :]


class ChecksumsVerifier:
    """Checks an artifact against a checksum file."""

    kind: ClassVar[str] = "checksums"

    def missing_extra(self) -> str | None:
        """Nothing is needed."""
        return None

    def verify(self, subject: Subject, sidecar: bytes, wish: Wish, /, *, source: str | None = None) -> Piece:
        """That a checksum file lists ``subject`` with the digests that it has.

        Where it lists several algorithms, all of them have to agree.

        Raises:
            EvidenceError: it is none (``malformed``), does not list the file (``not-listed``), lists two digests of one
                algorithm (``ambiguous``), only broken algorithms (``weak``), or another digest (``digest``).
            LocalError: a digest that is not at hand has to be computed, and the file cannot be read.
            TypeError: ``wish`` is of another kind.
        """
        if not isinstance(wish, ChecksumsWish):
            raise TypeError(f"checksums cannot meet a wish for {wish.kind}")
        refuse_large(self.kind, sidecar, subject)
        where = source or wish.url
        shown = address(where)
        try:
            lines = parse(sidecar)
        except ValueError as error:
            raise EvidenceError(f"{shown} is no checksum file: {error}", why="malformed") from error
        if not lines:
            raise EvidenceError(f"{shown} is no checksum file: not one checksum is in it", why="malformed")
        found = stated_for(lines, subject.filename, _path_from(where, subject.url))
        if not found:
            raise EvidenceError(
                f"{shown} does not list {subject.filename}",
                why="not-listed",
                details=[f"it lists {line.name}" for line in lines[:10] if line.name is not None],
            )
        for expected in _agreed(found, subject, shown):
            _compare(subject, expected, shown)
        return Piece(kind=self.kind, source=shown)


def _agreed(lines: Iterable[Line], subject: Subject, shown: str) -> tuple[Digest, ...]:
    strong: dict[str, str] = {}
    for line in lines:
        if line.algorithm is None:
            continue
        if strong.setdefault(line.algorithm, line.value) != line.value:
            raise EvidenceError(
                f"{shown} lists two different {line.algorithm} digests for {subject.filename}", why="ambiguous"
            )
    if not strong:
        raise EvidenceError(
            f"{shown} lists {subject.filename} without a sha256, sha384 or sha512, and weaker digests prove nothing",
            why="weak",
        )
    return tuple(Digest(algorithm, value) for algorithm, value in strong.items())


def _compare(subject: Subject, expected: Digest, shown: str) -> None:
    actual = digest_of(subject, expected.algorithm)
    if actual != expected.value:
        raise EvidenceError(
            f"{shown} lists another {expected.algorithm} for {subject.filename}",
            why="digest",
            details=[f"listed {expected.value}", f"got    {actual}"],
        )
