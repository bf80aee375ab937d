"""What a folder of the tree holds (``tree_of``), whether anybody touched it (``signature_of``), and its removal.

Nothing here follows a link: a link is an entry, and what it leads to is none of this folder's business.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dlm.errors import LocalError
from dlm.model.frozen import dataclass
from dlm.model.listing import Entry, Listing
from dlm.place.survey import hash_name

if TYPE_CHECKING:
    from dlm.model.listing import Kind
    from dlm.place.tree import Folder

__all__ = ["Signature", "is_empty", "remove_inside", "remove_tree", "signature_of", "tree_of"]

_MOST_DEEP = 200
#: Windows keeps no bit that says "program".
_KEEPS_EXECUTABLE = os.name != "nt"
_STAT_BITS = 0o170000 | stat.S_IXUSR


@dataclass(frozen=True, slots=True)
class Signature:
    """What the stats of a folder's content come to; while it is the same, nobody touched anything in it.

    Attributes:
        value: a sha256 over names, types, the owner's right to run, sizes, mtimes, ctimes and inodes; of folders, over
            names alone.
        newest_ns: the newest mtime of a file; whoever changes a link makes another one, with another inode.
        size: the bytes of all files.
    """

    value: str
    newest_ns: int
    size: int


@dataclass(frozen=True, slots=True)
class _Name:
    """One name below the folder."""

    folder: Folder
    name: str
    path: str
    seen: os.stat_result


def tree_of(folder: Folder, like: Listing | None = None) -> Listing:
    """Everything in a folder, every file hashed.

    Args:
        like: what should be there; where the file system keeps no executable bit, it is taken from here.

    Raises:
        OSError: something cannot be read.
        LocalError: the folder goes deeper than anything that dlm made.
    """
    programs = set() if like is None or _KEEPS_EXECUTABLE else {one.path for one in like.entries if one.kind == "x"}
    entries: list[Entry] = []
    for one in _below(folder):
        try:
            entries.append(_entry(one, programs))
        except OSError as error:
            raise _placed(error, one.folder, one.name) from error
    return Listing(entries)


def signature_of(folder: Folder) -> Signature:
    """The signature of a folder; no file is opened. Raises OSError and LocalError."""
    lines: list[bytes] = []
    newest = size = 0
    for one in _below(folder):
        seen = one.seen
        facts: tuple[int, ...] = (stat.S_IFDIR,)
        if not stat.S_ISDIR(seen.st_mode):
            facts = (
                seen.st_mode & _STAT_BITS,
                seen.st_size,
                seen.st_mtime_ns,
                seen.st_ctime_ns,
                seen.st_ino,
            )
        if stat.S_ISREG(seen.st_mode):
            size += seen.st_size
            newest = max(newest, seen.st_mtime_ns)
        lines.append(b"%s\0%s\n" % (os.fsencode(one.path), repr(facts).encode()))
    return Signature(hashlib.sha256(b"".join(sorted(lines)), usedforsecurity=False).hexdigest(), newest, size)


def is_empty(folder: Folder) -> bool:
    """Whether nothing is in a folder. Raises OSError."""
    return not _names(folder)


def remove_inside(folder: Folder) -> None:
    """Remove everything in a folder. Raises OSError."""
    for name in _names(folder):
        remove_tree(folder, name)


def remove_tree(folder: Folder, name: str) -> None:
    """Remove a name and everything below it; nothing is fine, too. Raises OSError."""
    seen = folder.stat(name)
    if seen is None:
        return
    if not stat.S_ISDIR(seen.st_mode):
        os.unlink(folder.name(name), dir_fd=folder.descriptor)
        return
    inner = _enter_to_remove(folder, name, seen)
    try:
        remove_inside(inner)
    finally:
        inner.close()
    os.rmdir(folder.name(name), dir_fd=folder.descriptor)


def _enter_to_remove(folder: Folder, name: str, seen: os.stat_result) -> Folder:
    """Open a folder that will go, also where somebody took away the rights to it."""
    if seen.st_mode & stat.S_IRWXU != stat.S_IRWXU and os.chmod in os.supports_dir_fd:
        os.chmod(folder.name(name), stat.S_IRWXU, dir_fd=folder.descriptor)
    return folder.enter(name)


def _names(folder: Folder) -> list[str]:
    return os.listdir(folder.path if folder.descriptor is None else folder.descriptor)


def _below(folder: Folder, above: str = "", depth: int = 0) -> Iterator[_Name]:
    if depth > _MOST_DEEP:
        raise LocalError(f"{folder.path} lies deeper than anything that dlm made", hint="move away what was put there")
    for name in _names(folder):
        seen = folder.stat(name)
        if seen is None:
            continue  # gone, just now
        path = f"{above}{name}"
        yield _Name(folder, name, path, seen)
        if stat.S_ISDIR(seen.st_mode):
            try:
                inner = folder.enter(name)
            except OSError as error:
                raise _placed(error, folder, name) from error
            try:
                yield from _below(inner, f"{path}/", depth + 1)
            finally:
                inner.close()


def _placed(error: OSError, folder: Folder, name: str) -> OSError:
    """The same error, with the whole path."""
    return OSError(error.errno, error.strerror or str(error), os.path.join(folder.path, name))


def _entry(one: _Name, programs: set[str]) -> Entry:
    mode = one.seen.st_mode
    if stat.S_ISDIR(mode):
        return Entry(one.path, "d")
    if stat.S_ISLNK(mode):
        target = os.readlink(one.folder.name(one.name), dir_fd=one.folder.descriptor)
        if os.sep != "/":
            target = target.replace(os.sep, "/")
        return Entry(one.path, "l", len(os.fsencode(target)), target)
    if not stat.S_ISREG(mode):
        return Entry(one.path, "o")
    executable = mode & stat.S_IXUSR if _KEEPS_EXECUTABLE else one.path in programs
    kind: Kind = "x" if executable else "f"
    return Entry(one.path, kind, one.seen.st_size, hash_name(one.folder, one.name))
