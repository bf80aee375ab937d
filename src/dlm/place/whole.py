"""Folders that come into the tree by one rename, with all that will be in them: ``find_wholes``, ``Whole``.

Where a folder is missing, and what will be in it was laid by together while it arrived (:mod:`dlm.place.spares`), under
the very names that it will have, little is left to be done file by file: the folder moves. It is there with all of its
files or not at all, and nobody's file can be in the way in a folder that was not there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from dlm.errors import DlmError
from dlm.model.artifact import Placement
from dlm.model.frozen import dataclass
from dlm.place.link import Look, Made, make_file, permissions
from dlm.place.spares import open_stage

if TYPE_CHECKING:
    from dlm.model.plan import Placing
    from dlm.place.flush import Flush
    from dlm.place.link import Habits
    from dlm.place.tree import Folder, Tree

__all__ = ["Whole", "find_wholes"]


@dataclass(frozen=True, slots=True)
class Whole:
    """One folder that moves.

    Attributes:
        path: where to, relative to the tree and POSIX.
        source: where it lies.
        files: the placings that it holds, by their numbers: the mtime and ctime of each, and its inode.
    """

    path: str
    source: str
    files: dict[int, tuple[int, int, int]]

    def move(self, tree: Tree) -> bool:
        """Whether the folder is in its place now; if not, nothing has changed."""
        try:
            folder, name = tree.parent(self.path)
            if folder.stat(name) is not None:
                return False  # somebody made it meanwhile, and what is in it is theirs
            os.rename(self.source, folder.name(name), dst_dir_fd=folder.descriptor)
        except (OSError, DlmError):
            return False  # placing the files one by one will tell what is wrong
        tree.made.append(self.path)
        return True

    def placements(self, place: Sequence[Placing]) -> Iterator[Placement]:
        """The paths that show their blobs since the folder has moved."""
        for number, (mtime_ns, ctime_ns, inode) in self.files.items():
            change = place[number]
            # Moving a folder changes nothing of the files in it, not even their ctime.
            yield Placement(
                dest=change.dest,
                sha256=change.blob.sha256,
                mode="copy",
                size=change.blob.size,
                mtime_ns=mtime_ns,
                inode=inode,
                executable=change.executable,
                ctime_ns=ctime_ns,
            )

    def made(self, number: int, change: Placing) -> Made:
        """One of its files, to be placed by itself."""
        mtime_ns, _, inode = self.files[number]
        path = os.path.join(self.source, change.dest.rpartition("/")[2])
        return Made("copy", None, Look(change.blob.size, mtime_ns, inode), path)


def find_wholes(tree: Tree, place: Sequence[Placing], habits: Habits, flush: Flush) -> dict[str, Whole]:
    """The folders that can move, by their paths. What they lie in is made.

    Raises:
        DlmError: as ``Tree.parent`` does, and where the disk refuses.
        OSError: likewise.
    """
    groups: dict[str, list[int]] = {}
    for number, change in enumerate(place):
        groups.setdefault(change.dest.rpartition("/")[0], []).append(number)
    # A folder in which there will be others is made here, where they find it.
    outer: set[str] = set()
    for path in groups:
        above = path.rpartition("/")[0]
        while above and above not in outer:
            outer.add(above)
            above = above.rpartition("/")[0]
    found: dict[str, Whole] = {}
    for path, numbers in groups.items():
        source = None if not path or path in outer else _stage([place[number] for number in numbers])
        if source is None:
            continue
        folder, name = tree.parent(path, make=True)
        if folder.stat(name) is not None:
            continue
        stage = open_stage(source, folder)
        if stage is None:
            continue
        try:
            files = _fill(stage, place, numbers, habits, flush)
        finally:
            stage.close()
        if files is not None:
            flush.folder(folder)
            found[path] = Whole(path, source, files)
    return found


def _stage(changes: Sequence[Placing]) -> str | None:
    """The folder in which most of them lie already; None where there is none, or one of them is no plain copy."""
    source = None
    laid_by = 0
    for change in changes:
        if (
            change.found.kind != "absent"
            or change.extract is not None
            or change.instead is not None
            or change.link not in {"auto", "copy"}
        ):
            return None
        spare = change.blob.spare
        if spare is not None and spare.look is not None:
            source = source or os.path.dirname(spare.path)
            laid_by += 1
    return source if 2 * laid_by >= len(changes) else None


def _fill(
    stage: Folder, place: Sequence[Placing], numbers: Sequence[int], habits: Habits, flush: Flush
) -> dict[int, tuple[int, int, int]] | None:
    """See that a folder holds all of some files and nothing else; how they look, by their numbers. None if it cannot
    be."""
    there = set(os.listdir(stage.path))
    files: dict[int, tuple[int, int, int]] = {}
    for number in numbers:
        change = place[number]
        spare = change.blob.spare
        name = change.dest.rpartition("/")[2]
        mode = permissions(executable=change.executable)
        if name in there:
            if spare is None or spare.look is None or spare.permissions != mode:
                return None
            if spare.path != f"{stage.path}{os.sep}{name}":
                return None
            there.remove(name)
            files[number] = spare.look
            continue
        # It was at hand before, or came another way.
        make_file(change.blob, stage, name, "copy", executable=change.executable, flush=flush, habits=habits)
        found = stage.stat(name)
        if found is None:
            return None
        files[number] = (found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
    return None if there else files
