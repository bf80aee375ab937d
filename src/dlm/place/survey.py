"""What stands in the tree, before anything is decided: ``look``.

A file is not read where the stat signature of its placement still holds. Two exceptions make that sound: a file that
may have been written in the same tick of the clock as the state (git calls that racily clean), and one whose ctime
alone changed, are hashed; that never means "edited" by itself. Devices and FIFOs are never opened.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Mapping

from dlm.errors import DlmError, PolicyError
from dlm.model.artifact import Placement
from dlm.model.frozen import dataclass
from dlm.model.plan import ABSENT, Found
from dlm.place.tree import NotAFolderError, Tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dlm.model.plan import Owned
    from dlm.place.tree import Folder

__all__ = ["certainly_before", "hash_name", "look", "missing_folders", "same_file"]

_BLOCK = 1024 * 1024
_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_BINARY", 0)
)
#: How far apart two stamps may be that a file system takes for one moment: its clock's tick, or two seconds where it
#: keeps no fractions (FAT; others keep one second).
_TICK_NS = 10_000_000
_COARSE_NS = 2_000_000_000


@dataclass(frozen=True, slots=True)
class _Spot:
    """A destination where something stands, and what dlm placed there last."""

    tree: Tree
    folder: Folder
    name: str
    dest: str
    seen: os.stat_result
    placement: Placement | None


def look(
    root: str,
    dests: Iterable[str],
    owned: Mapping[str, Owned],
    *,
    written_ns: int = 0,
    blob_path: Callable[[str], str] | None = None,
    allow_outside: Iterable[str] = (),
    rehash: bool = False,
) -> dict[str, Found]:
    """What stands at each of ``dests``; every file is hashed unless it is certain that it need not be.

    Args:
        root: the project's folder.
        owned: what dlm placed, from the state.
        written_ns: when that state was written, ns since the epoch.
        blob_path: where the store shows a sha256; tells dlm's own symbolic links.
        allow_outside: folders outside the project that links in it may lead to.
        rehash: read every file, whatever its signature says.
    """
    found: dict[str, Found] = {}
    missing: set[str] = set()
    with Tree(root, allow_outside) as tree:
        for dest in dests:
            above = dest.rpartition("/")[0]
            if above in missing:
                found[dest] = ABSENT
                continue
            try:
                folder, name = tree.parent(dest)
                seen = folder.stat(name)
            except FileNotFoundError:
                missing.add(above)
                found[dest] = ABSENT
                continue
            except DlmError as error:
                policy, barred = isinstance(error, PolicyError), not isinstance(error, NotAFolderError)
                found[dest] = Found(kind="absent", problem=error.message, policy=policy, barred=barred)
                continue
            except OSError as error:
                found[dest] = Found(kind="absent", problem=_refused(tree.shown(dest), error), barred=True)
                continue
            if seen is None:
                found[dest] = ABSENT
                continue
            known = owned.get(dest)
            placement = known.placement if known else None
            spot = _Spot(tree, folder, name, dest, seen, placement)
            if stat.S_ISREG(seen.st_mode):
                trusted = placement is not None and not rehash and _still(placement, seen, written_ns)
                found[dest] = _file(spot, trusted=trusted)
            elif stat.S_ISLNK(seen.st_mode):
                found[dest] = _link(spot, blob_path)
            else:
                found[dest] = Found(kind="directory" if stat.S_ISDIR(seen.st_mode) else "other")
    return found


def missing_folders(root: str, dests: Iterable[str]) -> tuple[str, ...]:
    """The folders that have to be made for ``dests``, relative and POSIX, outer ones first."""
    missing: dict[str, bool] = {}
    for above in dict.fromkeys(dest.rpartition("/")[0] for dest in dests):
        parts = above.split("/") if above else []
        for count in range(1, len(parts) + 1):
            path = "/".join(parts[:count])
            if path not in missing:
                missing[path] = not os.path.lexists(os.path.join(root, *parts[:count]))
    return tuple(path for path, gone in missing.items() if gone)


def same_file(placement: Placement, seen: os.stat_result) -> bool:
    """Whether a stat result is that of a placement: nobody wrote to the file since."""
    return (
        (placement.size, placement.mtime_ns, placement.inode) == (seen.st_size, seen.st_mtime_ns, seen.st_ino)
        and placement.ctime_ns in {0, seen.st_ctime_ns}
        and (placement.mode == "symlink") == stat.S_ISLNK(seen.st_mode)
    )


def certainly_before(mtime_ns: int, written_ns: int) -> bool:
    """Whether a file was written before the state for certain, so that a later edit must have left another mtime."""
    tick = _TICK_NS if mtime_ns % 1_000_000_000 else _COARSE_NS
    return mtime_ns < written_ns - tick


def hash_name(folder: Folder, name: str) -> str:
    """The sha256 of a plain file. Raises OSError, also where it is none by now."""
    descriptor = os.open(folder.name(name), _FLAGS, dir_fd=folder.descriptor)
    with open(descriptor, "rb", buffering=0) as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(f"{name} is not a plain file any more")
        hasher = hashlib.sha256(usedforsecurity=False)
        block = bytearray(_BLOCK)
        view = memoryview(block)
        while count := file.readinto(block):
            hasher.update(view[:count])
    return hasher.hexdigest()


def _still(placement: Placement, seen: os.stat_result, written_ns: int) -> bool:
    """Whether a file certainly still shows what was placed."""
    if not same_file(placement, seen):
        return False
    return certainly_before(seen.st_mtime_ns, written_ns)


def _file(spot: _Spot, *, trusted: bool) -> Found:
    dest, seen, placement = spot.dest, spot.seen, spot.placement
    executable = bool(seen.st_mode & 0o100)
    if trusted and placement is not None:
        sha256 = placement.sha256
    else:
        try:
            sha256 = hash_name(spot.folder, spot.name)
        except OSError as error:
            problem = _refused(spot.tree.shown(dest), error)
            return Found(kind="file", executable=executable, problem=problem, barred=True)
    mode = placement.mode if placement is not None and placement.mode != "symlink" else "copy"
    looks = Placement(
        dest=dest,
        sha256=sha256,
        mode=mode,
        size=seen.st_size,
        mtime_ns=seen.st_mtime_ns,
        inode=seen.st_ino,
        executable=executable,
        ctime_ns=0 if mode == "hardlink" else seen.st_ctime_ns,
    )
    return Found(kind="file", sha256=sha256, placement=looks, executable=executable)


def _link(spot: _Spot, blob_path: Callable[[str], str] | None) -> Found:
    """A symbolic link: dlm's own into the store, or somebody's."""
    dest, seen, placement = spot.dest, spot.seen, spot.placement
    try:
        target = os.readlink(spot.folder.name(spot.name), dir_fd=spot.folder.descriptor)
    except OSError as error:
        return Found(kind="symlink", problem=_refused(spot.tree.shown(dest), error))
    sha256 = os.path.basename(target)
    if blob_path is not None and len(sha256) == 64 and target == blob_path(sha256):
        looks = Placement(
            dest=dest,
            sha256=sha256,
            mode="symlink",
            size=seen.st_size,
            mtime_ns=seen.st_mtime_ns,
            inode=seen.st_ino,
        )
        return Found(kind="symlink", sha256=sha256, placement=looks)
    if placement is not None and same_file(placement, seen):
        # Dlm's, into a store that was elsewhere then: it may be replaced, but shows nothing that can be relied on.
        return Found(kind="symlink", sha256=placement.sha256)
    problem = spot.tree.link_problem(spot.folder, spot.name, dest)
    return Found(kind="symlink", problem=problem, policy=problem is not None)


def _refused(path: str, error: OSError) -> str:
    return f"cannot read {path}: {error.strerror or error}"
