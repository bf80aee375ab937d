"""What a killed run left beside its destinations, under temporary names, goes: ``remove_leftovers``."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable

from dlm.errors import PolicyError
from dlm.place.tree import NotAFolderError, Tree, disk_error
from dlm.place.treedigest import remove_tree

__all__ = ["remove_leftovers"]

_TEMPORARY = re.compile(r"\.dlm-[0-9a-f]+-[0-9]+\.tmp\Z")


def remove_leftovers(root: str, leftovers: Iterable[str], allow_outside: Iterable[str] = ()) -> tuple[str, ...]:
    """Remove the temporary files and folders that a killed run left; those that were there, relative and POSIX.

    Args:
        leftovers: from the journal. Nothing is removed that does not have a temporary name.

    Raises:
        LocalError: the disk refuses.
    """
    removed: list[str] = []
    with Tree(root, allow_outside) as tree:
        for path in leftovers:
            try:
                folder, name = tree.parent(path)
                seen = folder.stat(name)
                if seen is None or not _TEMPORARY.match(name):
                    continue
                if stat.S_ISDIR(seen.st_mode):
                    remove_tree(folder, name)
                else:
                    os.unlink(folder.name(name), dir_fd=folder.descriptor)
                removed.append(path)
            except (FileNotFoundError, NotAFolderError, PolicyError):
                continue  # where it was there is another thing now, and it is not in that
            except OSError as error:
                raise disk_error("remove", tree.shown(path), error) from error
    return tuple(removed)
