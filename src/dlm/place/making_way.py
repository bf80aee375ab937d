"""What dlm placed makes way for what is placed in its stead: the folders that it leaves behind.

A path may come to stand where a folder was, once all that dlm put into that folder is gone. Only folders without
anything in them go here; a file is never touched.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator
from itertools import islice
from typing import TYPE_CHECKING

from dlm.errors import DlmError

if TYPE_CHECKING:
    from dlm.place.tree import Folder, Tree

__all__ = ["remove_empty", "strangers"]

#: So many are enough for a message.
_MOST = 5


def strangers(tree: Tree, dest: str, known: Collection[str], folders: Collection[str]) -> tuple[str, ...]:
    """What is in a folder that dlm did not put there; a few paths, relative to the project and POSIX.

    Args:
        dest: the folder, relative and POSIX.
        known: what dlm placed below it; none of it is looked into.
        folders: those that dlm made.
    """
    above = {path[:at] for path in known for at in range(len(path)) if path[at] == "/"} | set(folders)
    try:
        folder, name = tree.parent(dest)
        return tuple(islice(_strangers(folder, name, dest, known, above), _MOST))
    except (DlmError, OSError):
        return (dest,)


def _strangers(folder: Folder, name: str, path: str, known: Collection[str], above: Collection[str]) -> Iterator[str]:
    inner = folder.enter(name)
    try:
        names = sorted(_names(inner))
        if not names and path not in above:
            yield path
        for one in names:
            below = f"{path}/{one}"
            seen = inner.stat(one)
            if below in known or seen is None:
                continue
            if stat.S_ISDIR(seen.st_mode):
                yield from _strangers(inner, one, below, known, above)
            else:
                yield below
    finally:
        inner.close()


def remove_empty(folder: Folder, name: str) -> None:
    """Remove a folder in which there are only folders without anything in them; what is no folder stays.

    Raises:
        OSError: something is in one of them, or the disk refuses.
    """
    seen = folder.stat(name)
    if seen is None or not stat.S_ISDIR(seen.st_mode):
        return
    inner = folder.enter(name)
    try:
        for one in _names(inner):
            remove_empty(inner, one)
    finally:
        inner.close()
    os.rmdir(folder.name(name), dir_fd=folder.descriptor)


def _names(folder: Folder) -> list[str]:
    return os.listdir(folder.path if folder.descriptor is None else folder.descriptor)
