"""Copies that were made while a blob arrived, and only have to be moved into the tree: ``serves``, ``take``.

Such a file was made in a folder of the store, so it may stand in for one made in the tree only where nothing tells the
two apart: on one file system, whose folders hand down no group, no access list and no other label to new files. Both
have to be reached by one mount, too: nothing is renamed from one mount to another. Where the file system shares bytes
between files there is nothing to gain, and none are made.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat

from dlm.model.artifact import unpacked_look
from dlm.place.link import BACK_NS, permissions, share
from dlm.place.tree import Folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dlm.model.artifact import Blob, Spare
    from dlm.place.link import Habits

__all__ = ["OPEN_FOLDER", "is_ready", "open_stage", "past", "serves", "take"]

_ABSENT = {errno.ENODATA, errno.ENOTSUP, errno.EOPNOTSUPP}
_OPEN = os.O_WRONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)

OPEN_FOLDER = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_DIRECTORY", 0)


#: What a folder hands down to files that are made in it: the device, the group, the label.
_Traits = tuple[int, int, "bytes | None"]


def serves(folder: str, root: str) -> bool:
    """Whether copies that are made in ``folder`` can be expected to be of use in a tree below ``root``."""
    traits = _traits(folder)
    return traits is not None and traits == _traits(root) and _mount(folder) == _mount(root) and not _shares(folder)


def take(blob: Blob, folder: Folder, name: str, habits: Habits, *, executable: bool) -> int | None:
    """Move a blob's spare into an open folder of the tree.

    Returns:
        its descriptor, open for writing; None where there is no spare, or none that is as a copy would be.
    """
    if blob.spare is None or not _fits(blob.spare, folder, habits, executable=executable):
        return None
    try:
        os.rename(blob.spare.path, name, dst_dir_fd=folder.descriptor)
    except OSError:
        return None  # making a copy will tell what is wrong, if anything is
    descriptor = -1
    with contextlib.suppress(OSError):
        descriptor = os.open(name, _OPEN, dir_fd=folder.descriptor)
        found = os.fstat(descriptor)
        if stat.S_ISREG(found.st_mode) and found.st_nlink == 1 and found.st_size == blob.size:
            return descriptor
    if descriptor >= 0:
        os.close(descriptor)
    os.unlink(name, dir_fd=folder.descriptor)
    return None


def is_ready(spare: Spare, folder: Folder, habits: Habits, *, executable: bool) -> bool:
    """Whether a small spare, which was made complete, can be moved right to its place in an open folder of the tree.

    That is so for one path at most: it is spoken for then.
    """
    if not _fits(spare, folder, habits, executable=executable):
        return False
    where, name = spare.folder, spare.name
    there = habits.there.get(where)
    if there is None:
        # Once for all: another process may have emptied the cache since they were made, and nothing has changed yet.
        there = set()
        habits.since[where] = 0
        with contextlib.suppress(OSError):
            habits.since[where] = past(where)
            there.update(os.listdir(where))
        habits.there[where] = there
    if name not in there or spare.look is None or unpacked_look(spare.look)[0] > habits.since.get(where, 0):
        return False
    there.remove(name)
    return True


def open_stage(path: str, folder: Folder, habits: Habits) -> Folder | None:
    """The open folder of the store that may move into an open one of the tree, with the files that were made in it, as
    if they had been made there; None where it may not."""
    if folder.descriptor is None:
        return None
    traits = _traits(path)
    if traits is None or traits != _traits(folder.descriptor):
        return None
    if not _one_mount(os.path.dirname(path), folder, habits):
        return None
    try:
        return Folder(path, os.open(path, OPEN_FOLDER))
    except OSError:
        return None


def past(folder: str | int) -> int:
    """A moment in nanoseconds since the epoch, by the clock of a folder's file system, so far back that a file which
    has that mtime gets another one by whatever is written to it from now on. Raises OSError."""
    os.utime(folder)
    return os.stat(folder).st_mtime_ns - BACK_NS


def _fits(spare: Spare, folder: Folder, habits: Habits, *, executable: bool) -> bool:
    """Whether a spare can take the place of a copy in a folder."""
    if folder.descriptor is None or spare.permissions != permissions(executable=executable):
        return False
    pair = (spare.folder, folder.path)
    fits = habits.fits.get(pair)
    if fits is None:
        traits = _traits(pair[0])
        fits = traits is not None and traits == _traits(folder.descriptor) and _one_mount(pair[0], folder, habits)
        habits.fits[pair] = fits
    return fits


def _one_mount(where: str, folder: Folder, habits: Habits) -> bool:
    """Whether a folder of the store and an open one of the tree are reached by one mount."""
    pair = (where, folder.path)
    found = habits.mounts.get(pair)
    if found is None:
        found = habits.mounts[pair] = _mount(where) == _mount(folder.descriptor)
    return found


def _mount(folder: str | int | None) -> bytes | None:
    """Which mount a folder is reached by: two of one file system are one device. None where nobody tells."""
    if not isinstance(folder, int):
        try:
            descriptor = os.open(folder or "", OPEN_FOLDER)
        except OSError:
            return None
        try:
            return _mount(descriptor)
        finally:
            os.close(descriptor)
    try:
        with open(f"/proc/self/fdinfo/{folder}", "rb", buffering=0) as file:
            lines = file.read().splitlines()
    except OSError:
        return None  # a rename that fails is replaced by a copy, late
    return next((line for line in lines if line.startswith(b"mnt_id:")), None)


def _traits(folder: str | int) -> _Traits | None:
    """What an existing folder hands down; None where that is more than can be compared."""
    try:
        found = os.stat(folder)
        if found.st_mode & stat.S_ISGID or _attribute(folder, "system.posix_acl_default") is not None:
            return None
        return found.st_dev, found.st_gid, _attribute(folder, "security.selinux")
    except OSError:
        return None


def _attribute(folder: str | int, name: str) -> bytes | None:
    """An extended attribute. Raises OSError: it cannot be known."""
    if not hasattr(os, "getxattr"):
        return None
    try:
        return os.getxattr(folder, name)
    except OSError as error:
        if error.errno in _ABSENT:
            return None
        raise


def _shares(folder: str) -> bool:
    """Whether the file system of a folder shares bytes between files, or cannot be asked."""
    flags = getattr(os, "O_TMPFILE", None)
    if flags is None:
        return True
    try:
        source = os.open(folder, flags | os.O_RDWR, 0o600)
        try:
            os.write(source, b"\n")
            target = os.open(folder, flags | os.O_RDWR, 0o600)
            try:
                return share(source, target)[0] is None
            finally:
                os.close(target)
        finally:
            os.close(source)
    except OSError:
        return True
