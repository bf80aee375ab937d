"""Folders that come into the tree by one rename, with all that will be in them: ``find_wholes``, ``Whole``.

Where a folder is missing, and what will be in it was laid by together while it arrived (:mod:`dlm.place.spares`), under
the very names that it will have, little is left to be done file by file: the folder moves. It is there with all of its
files or not at all, and nobody's file can be in the way in a folder that was not there.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Sequence
from functools import cache

from dlm.errors import DlmError
from dlm.model.artifact import Placement, packed_look, unpacked_look
from dlm.model.frozen import dataclass
from dlm.place.link import Look, Made, make_file, permissions
from dlm.place.spares import OPEN_FOLDER, open_stage, past

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from dlm.model.plan import Placing
    from dlm.place.flush import Flush
    from dlm.place.link import Habits
    from dlm.place.tree import Folder, Tree

__all__ = ["Whole", "find_wholes"]

_RENAME_NOREPLACE = 1  # linux/fs.h
_CANNOT = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP}


@dataclass(frozen=True, slots=True)
class Whole:
    """One folder that moves.

    Attributes:
        path: where to, relative to the tree and POSIX.
        source: where it lies.
        files: the placings that it holds, by their numbers: how each looks, packed.
    """

    path: str
    source: str
    files: dict[int, bytes]

    def move(self, tree: Tree) -> frozenset[str] | None:
        """Move the folder to its place; the names that are in it. None if it cannot be, and nothing has changed."""
        try:
            folder, name = tree.parent(self.path)
            inner = os.open(self.source, OPEN_FOLDER)
        except (OSError, DlmError):
            return None  # placing the files one by one will tell what is wrong
        try:
            _rename(self.source, folder, name)
            tree.made.append(self.path)
            # Whoever empties the cache at this moment may have begun with this folder. Here nobody takes it for theirs.
            return frozenset(os.listdir(inner))
        except OSError:
            return None  # as above; or somebody made the folder meanwhile, and what is in it is theirs
        finally:
            os.close(inner)

    def placement(self, number: int, change: Placing) -> Placement:
        """One of its files, which shows its blob since the folder has moved."""
        # Moving a folder changes nothing of the files in it, not even their ctime.
        mtime_ns, ctime_ns, inode = unpacked_look(self.files[number])
        return Placement(
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
        mtime_ns, _, inode = unpacked_look(self.files[number])
        path = os.path.join(self.source, change.dest.rpartition("/")[2])
        return Made("copy", None, Look(change.blob.size, mtime_ns, inode), path)


def find_wholes(tree: Tree, place: Sequence[Placing], habits: Habits, flush: Flush) -> dict[str, Whole]:
    """The folders that can move, by their paths. What they lie in is made.

    What goes wrong with one of them is not told: its files are placed one by one then, which will tell.
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
        if source is None or source in habits.there:
            continue
        with contextlib.suppress(OSError, DlmError):
            folder, name = tree.parent(path, make=True)
            stage = open_stage(source, folder, habits) if folder.stat(name) is None else None
            if stage is None:
                continue
            try:
                files = _fill(stage, place, numbers, habits, flush)
            finally:
                stage.close()
            if files is not None:
                flush.folder(folder)
                # Where several paths show one blob, no other one takes what is in here.
                habits.there[source] = set()
                found[path] = Whole(path, source, files)
    return found


def _stage(changes: Sequence[Placing]) -> str | None:
    """The folder in which most of them lie already; None where there is none, or one of them is no plain copy."""
    laid_by: dict[str, int] = {}
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
            laid_by[spare.folder] = laid_by.get(spare.folder, 0) + 1
    source = max(laid_by, key=laid_by.__getitem__, default=None)
    return source if source is not None and 2 * laid_by[source] >= len(changes) else None


def _fill(
    stage: Folder, place: Sequence[Placing], numbers: Sequence[int], habits: Habits, flush: Flush
) -> dict[int, bytes] | None:
    """See that a folder holds all of some files and nothing else; how they look, by their numbers. None if it cannot
    be, as where it was made for another folder of the tree; then nothing has come into it unless the disk refused.

    Raises:
        OSError: the disk refuses.
        LocalError: a blob cannot be read.
    """
    there = set(os.listdir(stage.path if stage.descriptor is None else stage.descriptor))
    files: dict[int, bytes] = {}
    missing: dict[int, str] = {}
    young: dict[int, str] = {}
    since = past(stage.path if stage.descriptor is None else stage.descriptor)
    for number in numbers:
        change = place[number]
        spare = change.blob.spare
        name = change.dest.rpartition("/")[2]
        if name not in there:
            missing[number] = name
            continue
        if (
            spare is None
            or spare.look is None
            or spare.permissions != permissions(executable=change.executable)
            or spare.name != name
            or spare.folder != stage.path
        ):
            return None
        there.remove(name)
        files[number] = spare.look
        if unpacked_look(spare.look)[0] > since:
            young[number] = name
    if there:
        return None
    if young:
        # What is known of them from when they were made is over: placed one by one after all, they are copied.
        habits.there[stage.path] = set()
    for number, name in young.items():
        # As other new files of a tree: a later edit shall leave another mtime.
        os.utime(name, ns=(since, since), dir_fd=stage.descriptor, follow_symlinks=False)
        files[number] = _look(stage, name)
    for number, name in missing.items():
        # It was at hand before, or came another way.
        change = place[number]
        make_file(change.blob, stage, name, "copy", executable=change.executable, flush=flush, habits=habits)
        files[number] = _look(stage, name)
    return files


def _look(stage: Folder, name: str) -> bytes:
    """How a file looks. Raises OSError."""
    found = os.stat(stage.name(name), dir_fd=stage.descriptor, follow_symlinks=False)
    return packed_look(found.st_mtime_ns, found.st_ctime_ns, found.st_ino)


def _rename(source: str, folder: Folder, name: str) -> None:
    """Move a folder where nothing stands, not even an empty one. Raises OSError."""
    rename = _renameat2()
    if rename is not None and folder.descriptor is not None:
        import ctypes

        here = -100  # AT_FDCWD, which an absolute path has no use for
        if rename(here, os.fsencode(source), folder.descriptor, os.fsencode(name), _RENAME_NOREPLACE) == 0:
            return
        code = ctypes.get_errno()
        if code not in _CANNOT:
            raise OSError(code, os.strerror(code))
    if folder.stat(name) is not None:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
    os.rename(source, folder.name(name), dst_dir_fd=folder.descriptor)


@cache
def _renameat2() -> Any:
    import ctypes

    return getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
