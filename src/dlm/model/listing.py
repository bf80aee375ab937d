"""What an unpacked folder holds (``Listing``), and the digest that stands for all of it.

The tree digest is the sha256 of this text, so it depends on what the folder shows and on nothing else: not on how the
archive was compressed, in which order its members came, on times, owners or the platform::

    "dlm tree 1" LF
    for each entry, sorted by the bytes of its path:  kind SP size SP value NUL path NUL

======  ===============================  ==========================  =======================
kind    entry                            size                        value
======  ===============================  ==========================  =======================
``d``   a folder, the top one left out   0                           ``-``
``f``   a file                           its bytes                   its sha256, lowercase
``x``   a file that its owner may run    its bytes                   its sha256, lowercase
``l``   a symbolic link                  bytes of the target         the target
``o``   a device, a FIFO or a socket     0                           ``-``
======  ===============================  ==========================  =======================

Paths are relative and POSIX, in UTF-8 and in Unicode's form C, since some file systems keep names in another form than
they were given. An archive never makes an ``o``; somebody else may.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Literal, get_args

from dlm.model.frozen import dataclass

__all__ = ["Difference", "Entry", "Kind", "Listing", "difference"]

Kind = Literal["d", "f", "x", "l", "o"]
_KINDS: dict[str, Kind] = {kind: kind for kind in get_args(Kind)}
_HEAD = b"dlm tree 1\n"
_ENTRY = re.compile(rb"([dfxlo]) (0|[1-9][0-9]*) ([^\0]+)\0([^\0]+)\0")


@dataclass(frozen=True, slots=True)
class Entry:
    """One name in a folder; see the table above."""

    path: str
    kind: Kind
    size: int = 0
    value: str = "-"


class Listing:
    """Everything in a folder, sorted."""

    __slots__ = ("_digest", "entries")

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.entries: tuple[Entry, ...] = tuple(sorted(entries, key=_sorting))
        self._digest: str | None = None

    @property
    def tree(self) -> str:
        """The tree digest."""
        if self._digest is None:
            hasher = hashlib.sha256(_HEAD, usedforsecurity=False)
            for entry in self.entries:
                hasher.update(_line(entry))
            self._digest = hasher.hexdigest()
        return self._digest

    @property
    def files(self) -> int:
        """How many files and links it has."""
        return sum(entry.kind != "d" for entry in self.entries)

    @property
    def size(self) -> int:
        """The bytes of all files together."""
        return sum(entry.size for entry in self.entries if entry.kind in "fx")

    def text(self) -> bytes:
        """The text that the tree digest is of."""
        return _HEAD + b"".join(map(_line, self.entries))

    @classmethod
    def read(cls, text: bytes) -> Listing:
        """The listing that a text says. Raises ValueError for any other text."""
        if not text.startswith(_HEAD):
            raise ValueError("no listing")
        listing = cls(_entries(text))
        if listing.text() != text:
            raise ValueError("not in canonical form")
        return listing

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Listing) and self.entries == other.entries

    def __hash__(self) -> int:
        return hash(self.entries)

    def __repr__(self) -> str:
        return f"Listing({self.tree[:12]}…, {len(self.entries)} entries)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How a folder differs from what dlm put there, by paths."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.missing)

    @property
    def only_added(self) -> bool:
        """Whether all that dlm put there is as it was."""
        return bool(self.added) and not self.changed and not self.missing

    def lines(self, most: int = 10) -> tuple[str, ...]:
        """One line for each path, and one for how many more there are."""
        said = [
            *(f"{path} was changed" for path in self.changed),
            *(f"{path} is missing" for path in self.missing),
            *(f"{path} was added" for path in self.added),
        ]
        if len(said) > most:
            return (*said[:most], f"and {len(said) - most} more")
        return tuple(said)


def difference(noted: Listing, found: Listing) -> Difference:
    """How ``found`` differs from ``noted``."""
    before = {_path(entry): entry for entry in noted.entries}
    after = {_path(entry): entry for entry in found.entries}
    return Difference(
        added=tuple(_shown(path) for path in after if path not in before),
        changed=tuple(_shown(path) for path, entry in before.items() if path in after and _unlike(after[path], entry)),
        missing=tuple(_shown(path) for path in before if path not in after),
    )


def _unlike(one: Entry, other: Entry) -> bool:
    return (one.kind, one.size, one.value) != (other.kind, other.size, other.value)


def _path(entry: Entry) -> bytes:
    return unicodedata.normalize("NFC", entry.path).encode("utf-8", "surrogateescape")


def _sorting(entry: Entry) -> tuple[bytes, str]:
    return _path(entry), entry.path


def _line(entry: Entry) -> bytes:
    value = entry.value.encode("utf-8", "surrogateescape")
    return b"%s %d %s\0%s\0" % (entry.kind.encode(), entry.size, value, _path(entry))


def _entries(text: bytes) -> Iterator[Entry]:
    at = len(_HEAD)
    while at < len(text):
        match = _ENTRY.match(text, at)
        if match is None:
            raise ValueError("no entry")
        kind, size, value, path = (part.decode("utf-8", "surrogateescape") for part in match.groups())
        yield Entry(path, _KINDS[kind], int(size), value)
        at = match.end()


def _shown(path: bytes) -> str:
    """A path for people: whatever somebody put there, one line and no control characters."""
    text = path.decode("utf-8", "replace")
    return text if text.isprintable() else repr(text)
