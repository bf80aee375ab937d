"""Folders that archives become: made ready aside, shown by a rename, taken away by one, never mixed with the user's.

A folder of dlm's is whole: everything in it came out of one archive. It is unpacked beside its destination under a
temporary name and then changes places with what stood there, at one moment where the system can (Linux), else by two
renames, between which nothing stands there (promise 2). What a killed run leaves has names that the journal knows.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from dlm.errors import DlmError, IntegrityError, PolicyError
from dlm.model.artifact import Placement
from dlm.model.extract import DEFAULT_LIMITS
from dlm.model.listing import Listing, difference
from dlm.model.plan import ABSENT, Found
from dlm.place.survey import certainly_before
from dlm.place.tree import Tree, disk_error
from dlm.place.treedigest import is_empty, remove_tree, signature_of, tree_of
from dlm.place.unpack import unpack

if TYPE_CHECKING:
    from dlm.errors import LocalError
    from dlm.model.artifact import Blob
    from dlm.model.extract import Extract, Extracted, Limits
    from dlm.model.plan import FoundKind
    from dlm.place.tree import Folder
    from dlm.ports import Clock

__all__ = [
    "drop_folder",
    "look_folder",
    "make_folder",
    "move_folder",
    "placement_of",
    "remove_folder",
    "still_as_found",
    "swap_folder",
]

_RENAME_EXCHANGE = 2  # linux/fs.h
_CANNOT_EXCHANGE = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EPERM}
#: Windows does not rename a folder while a program has something in it open, such as a virus scanner, for a moment.
_REFUSES_OPEN_FILES = os.name == "nt"
_WAITS = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8)

Noted = Callable[[str], Listing | None]


def look_folder(
    tree: Tree,
    dest: str,
    placement: Placement | None,
    *,
    written_ns: int = 0,
    noted: Noted = lambda _: None,
    rehash: bool = False,
) -> Found:
    """What stands at the destination of a folder; no file in it is read if it is certain that none need be.

    Args:
        placement: the folder as dlm placed it last, from the state.
        written_ns: when that state was written, ns since the epoch.
        noted: what came out for a tree digest, where that was noted; it tells what was edited.
        rehash: read every file, whatever the signature says.

    Returns:
        for a folder, ``sha256`` is the tree digest of what is in it, None for an empty one.
    """
    try:
        folder, name = tree.parent(dest)
        seen = folder.stat(name)
    except FileNotFoundError:
        return ABSENT
    except (DlmError, OSError) as error:
        return _problem(tree, dest, error)
    if seen is None:
        return ABSENT
    if stat.S_ISLNK(seen.st_mode):
        problem = tree.link_problem(folder, name, dest)
        return Found(kind="symlink", problem=problem, policy=problem is not None)
    if not stat.S_ISDIR(seen.st_mode):
        return Found(kind="file" if stat.S_ISREG(seen.st_mode) else "other")
    try:
        inner = folder.enter(name)
        try:
            return _look_inside(inner, dest, placement, written_ns, noted, rehash=rehash)
        finally:
            inner.close()
    except (DlmError, OSError) as error:
        return _problem(tree, dest, error, kind_is_folder=True)


def make_folder(
    blob: Blob,
    wish: Extract,
    folder: Folder,
    temporary: str,
    *,
    shown: str,
    expected: Extracted | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Listing:
    """Unpack an archive into the folder ``temporary``, which does not exist yet. All of it is on the disk afterwards.

    Args:
        shown: how messages call the folder that it becomes.
        expected: what the lockfile says came out.

    Raises:
        PolicyError: the archive is refused.
        ArchiveError: it cannot be unpacked.
        IntegrityError: something else came out than the lockfile says.
        LocalError: the disk refuses. Of all these, nothing is left.
    """
    try:
        # A run with this very token was killed here, or there is nothing.
        remove_tree(folder, temporary)
        os.mkdir(folder.name(temporary), dir_fd=folder.descriptor)
        inner = folder.enter(temporary)
    except OSError as error:
        raise disk_error("make the folder", shown, error) from error
    done = False
    try:
        mode = _hide(inner)
        listing = unpack(blob, wish, inner, shown=shown, limits=limits)
        if expected is not None and (listing.tree, listing.files) != (expected.tree, expected.files):
            raise IntegrityError(
                f"{listing.files} files came out of the archive that are not the {expected.files} of the lockfile",
                hint="lock it anew: dlm lock --accept-hash NAME",
                details=[f"expected tree {expected.tree}", f"unpacked tree {listing.tree}"],
            )
        _unhide(inner, mode)
        done = True
    except OSError as error:
        raise disk_error("unpack into", shown, error) from error
    finally:
        inner.close()
        if not done:
            drop_folder(folder, temporary)
    return listing


def placement_of(folder: Folder, name: str, dest: str, listing: Listing) -> Placement:
    """How a folder looks, to be noted in the state. Raises OSError.

    Taken from the temporary name, before the folder is shown: what somebody writes afterwards is not dlm's.
    """
    inner = folder.enter(name)
    try:
        signature = signature_of(inner)
    finally:
        inner.close()
    seen = folder.stat(name)
    return Placement(
        dest=dest,
        sha256=listing.tree,
        mode="copy",
        size=listing.size,
        mtime_ns=signature.newest_ns,
        inode=0 if seen is None else seen.st_ino,
        signature=signature.value,
    )


def swap_folder(folder: Folder, ready: str, name: str, aside: str, *, clock: Clock) -> LocalError | None:
    """Show the folder ``ready`` under ``name``, and remove what stood there.

    Args:
        aside: a temporary name for what stood there, where the system cannot exchange two names at once.

    Returns:
        why what stood there lies about under a temporary name, None where it is gone.

    Raises:
        OSError: the disk refuses; what stood there stands there.
    """
    if folder.stat(name) is None:
        _rename(folder, ready, name, clock)
        return None
    if _exchange(folder, ready, name):
        return _clear(folder, ready)
    _rename(folder, name, aside, clock)
    try:
        _rename(folder, ready, name, clock)
    except OSError:
        _rename(folder, aside, name, clock)
        raise
    return _clear(folder, aside)


def remove_folder(folder: Folder, name: str, aside: str, *, clock: Clock) -> LocalError | None:
    """Take a folder away at one moment, and then remove what was in it.

    Returns:
        why it lies about under a temporary name, None where it is gone.

    Raises:
        OSError: the disk refuses; it stands where it stood.
    """
    _rename(folder, name, aside, clock)
    return _clear(folder, aside)


def move_folder(source: Folder, ready: str, folder: Folder, name: str, *, clock: Clock) -> None:
    """Show the folder ``ready`` of another folder under ``name``, where nothing stands. Raises OSError."""
    _rename(source, ready, name, clock, into=folder)


def drop_folder(folder: Folder, temporary: str) -> None:
    """Remove a folder that was made ready and is not wanted any more."""
    with contextlib.suppress(OSError):  # the journal has the name; the next run tries again
        remove_tree(folder, temporary)


def still_as_found(folder: Folder, name: str, found: Found) -> bool:
    """Whether a destination is still what :func:`look_folder` saw, right before it changes. Raises OSError."""
    seen = folder.stat(name)
    if seen is None or found.kind == "absent":
        return seen is None and found.kind == "absent"
    if found.kind != "directory":
        return found.kind == "symlink" and stat.S_ISLNK(seen.st_mode)
    if not stat.S_ISDIR(seen.st_mode):
        return False
    inner = folder.enter(name)
    try:
        if found.empty:
            return is_empty(inner)
        return found.placement is not None and signature_of(inner).value == found.placement.signature
    finally:
        inner.close()


# Looking


def _look_inside(
    inner: Folder, dest: str, placement: Placement | None, written_ns: int, noted: Noted, *, rehash: bool
) -> Found:
    signature = signature_of(inner)
    same = placement is not None and placement.signature == signature.value
    if placement is not None and same and not rehash and certainly_before(signature.newest_ns, written_ns):
        return Found(kind="directory", sha256=placement.sha256, placement=placement)
    if is_empty(inner):
        return Found(kind="directory", empty=True)
    before = noted(placement.sha256) if placement is not None else None
    listing = tree_of(inner, before)
    seen = os.stat(inner.path if inner.descriptor is None else inner.descriptor)
    looks = Placement(
        dest=dest,
        sha256=listing.tree,
        mode="copy",
        size=signature.size,
        mtime_ns=signature.newest_ns,
        inode=seen.st_ino,
        signature=signature.value,
    )
    edits: tuple[str, ...] = ()
    only_added = False
    if placement is not None and placement.sha256 != listing.tree:
        if before is None:
            edits = ("it is not what dlm unpacked there; what that was is not known any more",)
        else:
            differs = difference(before, listing)
            edits, only_added = differs.lines(), differs.only_added
    return Found(kind="directory", sha256=listing.tree, placement=looks, edits=edits, only_added=only_added)


def _problem(tree: Tree, dest: str, error: DlmError | OSError, *, kind_is_folder: bool = False) -> Found:
    if isinstance(error, OSError):
        where = error.filename if isinstance(error.filename, str) and os.path.isabs(error.filename) else None
        problem, policy = f"cannot read {where or tree.shown(dest)}: {error.strerror or error}", False
    else:
        problem, policy = error.message, isinstance(error, PolicyError)
    kind: FoundKind = "directory" if kind_is_folder else "absent"
    return Found(kind=kind, problem=problem, policy=policy, barred=True)


# Changing


def _hide(inner: Folder) -> int:
    """Let nobody else into a folder while it is filled; the mode that it had."""
    if inner.descriptor is None or os.chmod not in os.supports_fd:
        return 0
    mode = stat.S_IMODE(os.fstat(inner.descriptor).st_mode)
    os.chmod(inner.descriptor, stat.S_IRWXU)
    return mode


def _unhide(inner: Folder, mode: int) -> None:
    if inner.descriptor is not None and mode:
        os.chmod(inner.descriptor, mode)


def _rename(folder: Folder, old: str, new: str, clock: Clock, *, into: Folder | None = None) -> None:
    into = into or folder
    waits = list(_WAITS) if _REFUSES_OPEN_FILES else []
    while True:
        try:
            os.rename(folder.name(old), into.name(new), src_dir_fd=folder.descriptor, dst_dir_fd=into.descriptor)
        except PermissionError:
            if not waits:
                raise
            clock.sleep(waits.pop(0))
        else:
            return


def _clear(folder: Folder, temporary: str) -> LocalError | None:
    try:
        remove_tree(folder, temporary)
    except OSError as error:
        return disk_error("remove", os.path.join(folder.path, temporary), error)
    return None


def _exchange(folder: Folder, one: str, other: str) -> bool:
    """Let two names change places at one moment; False where this system cannot. Raises OSError."""
    if sys.platform != "linux" or folder.descriptor is None:
        return False
    import ctypes

    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    at = folder.descriptor
    if rename(at, os.fsencode(one), at, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in _CANNOT_EXCHANGE:
        return False
    raise OSError(code, os.strerror(code))
