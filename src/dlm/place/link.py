"""One file that shows a blob, under a temporary name: by reflink, hard link, symbolic link or copy.

``auto`` is a reflink where the file system has them, else a copy: nothing done to such a file can harm the cache. A
mode that was asked for by name and cannot be had is replaced by a copy, and the reason is told.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Callable

from dlm.errors import LocalError
from dlm.model.artifact import unpacked_look
from dlm.model.frozen import dataclass, field
from dlm.place.tree import disk_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dlm.model.artifact import Blob, LinkMode
    from dlm.place.flush import Flush
    from dlm.place.tree import Folder

__all__ = ["BACK_NS", "Habits", "Look", "Made", "make_file", "permissions", "share"]

_NEW = (os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)) | getattr(
    os, "O_BINARY", 0
)
_SOURCE = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_FICLONE = 0x40049409  # linux/fs.h: _IOW(0x94, 9, int)
_CANNOT = {
    errno.EXDEV,
    errno.EMLINK,
    errno.EPERM,
    errno.EACCES,
    errno.EINVAL,
    errno.ENOTTY,
    errno.ENOSYS,
    errno.ENOTSUP,
    errno.EOPNOTSUPP,
}
#: Those that are no matter of one file.
_NEVER = {errno.EXDEV, errno.ENOTTY, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}
_BLOCK = 1024 * 1024
#: A file that is read and written at once: that takes fewer calls than a copy in the kernel.
_SMALL = 64 * 1024
_AT_ONCE = 2**30
#: How far the mtime of a new file lies back: more than a tick of the clock, so that a later edit leaves another one.
BACK_NS = 20_000_000
#: So many files of one folder share an mtime.
_SERVES = 256


@dataclass(frozen=True, slots=True)
class Look:
    """What of a file's stat tells it from another; kept of every new file, so no more than that."""

    st_size: int
    st_mtime_ns: int
    st_ino: int


@dataclass(frozen=True, slots=True)
class Made:
    """How a file was made.

    Attributes:
        mode: the link mode that was really used.
        reason: why it is not the one that was asked for, else None.
        seen: how a file of its own looks, complete.
        spare: where that file lies, if it is not under the name that was asked for, but moves right into its place.
    """

    mode: LinkMode
    reason: str | None = None
    seen: Look | None = None
    spare: str | None = None


@dataclass(slots=True)
class Habits:
    """What the first files of a run found out, so that the others need not ask again.

    Attributes:
        cloneless: why the file systems of a folder of the store and one of the tree share no bytes.
        back: an mtime for the files of a folder of the tree, before anything that happens to them; and for how many
            files more it serves.
        fits: whether a copy that was made in a folder of the store is as one made in a folder of the tree.
        mounts: whether a folder of the store and one of the tree are reached by one mount.
        there: what lies in a folder of the store where small spares are, and is nobody's yet.
        since: the mtime behind which a spare of such a folder is too young to be moved as it is.
    """

    cloneless: dict[tuple[str, str], str] = field(default_factory=dict)
    back: dict[str, tuple[int, int]] = field(default_factory=dict)
    fits: dict[tuple[str, str], bool] = field(default_factory=dict)
    mounts: dict[tuple[str, str], bool] = field(default_factory=dict)
    there: dict[str, set[str]] = field(default_factory=dict)
    since: dict[str, int] = field(default_factory=dict)


def permissions(*, executable: bool) -> int:
    """Those of a new file of the tree, of which the umask takes its part."""
    return 0o755 if executable else 0o644


def make_file(
    blob: Blob,
    folder: Folder,
    name: str,
    link: str,
    *,
    executable: bool,
    flush: Flush,
    habits: Habits,
    direct: bool = False,
) -> Made:
    """Make the file ``name``, which does not exist yet, show ``blob``.

    Args:
        link: ``auto`` or a link mode.
        direct: where the blob has a small spare that fits, make nothing: it will move right into its place.

    Raises:
        OSError: the tree refuses; no file is left.
        LocalError: the blob cannot be read; likewise.
    """
    try:
        try:
            return _make(blob, folder, name, link, executable=executable, flush=flush, habits=habits, direct=direct)
        except FileExistsError:
            # The name is random and ours alone: a run with this very token was killed here.
            os.unlink(folder.name(name), dir_fd=folder.descriptor)
            return _make(blob, folder, name, link, executable=executable, flush=flush, habits=habits, direct=direct)
    except (OSError, LocalError):
        with contextlib.suppress(OSError):
            os.unlink(folder.name(name), dir_fd=folder.descriptor)
        raise


def _make(
    blob: Blob,
    folder: Folder,
    name: str,
    link: str,
    *,
    executable: bool,
    flush: Flush,
    habits: Habits,
    direct: bool,
) -> Made:
    if link in {"hardlink", "symlink"}:
        if executable:
            reason = "an executable file needs a mode of its own"
        elif blob.lower and link == "hardlink":
            reason = "the blob is in a read-only cache"  # one more name is a change to the file
        else:
            try:
                return Made(_LINKS[link](blob.path, folder, name))
            except FileExistsError:
                raise
            except (OSError, NotImplementedError) as error:
                if isinstance(error, OSError) and error.errno not in _CANNOT:
                    raise
                reason = _reason(error)
        made = _file(blob, folder, name, executable=executable, flush=flush, habits=habits, clone=False)
        return Made("copy", reason, made.seen)
    if blob.spare is not None and link != "reflink":
        moved = _moved(blob, folder, name, executable=executable, flush=flush, habits=habits, direct=direct)
        if moved is not None:
            return moved
    made = _file(blob, folder, name, executable=executable, flush=flush, habits=habits, clone=link != "copy")
    return made if link == "reflink" else Made(made.mode, None, made.seen)


def _hardlink(source: str, folder: Folder, name: str) -> LinkMode:
    os.link(source, folder.name(name), dst_dir_fd=folder.descriptor, follow_symlinks=False)
    return "hardlink"


def _symlink(source: str, folder: Folder, name: str) -> LinkMode:
    os.symlink(source, folder.name(name), dir_fd=folder.descriptor)
    return "symlink"


_LINKS: dict[str, Callable[[str, Folder, str], LinkMode]] = {"hardlink": _hardlink, "symlink": _symlink}


def _file(
    blob: Blob, folder: Folder, name: str, *, executable: bool, flush: Flush, habits: Habits, clone: bool
) -> Made:
    """A file of its own with the blob's bytes, which it shares with the blob if it can and shall."""
    try:
        source = _open_source(blob)
    except OSError as error:
        raise disk_error("read", blob.path, error) from error
    try:
        reason = habits.cloneless.get((blob.folder, folder.path)) if clone else "a copy was asked for"
        data = None
        if reason is not None and blob.size <= _SMALL:
            data = os.read(source, blob.size + 1)
        if (os.fstat(source).st_size if data is None else len(data)) != blob.size:
            raise LocalError(
                f"the cached blob {blob.path} has not the size it had a moment ago",
                hint="run the command again; it will be fetched anew",
            )
        target = os.open(folder.name(name), _NEW, permissions(executable=executable), dir_fd=folder.descriptor)
        try:
            if data is not None:
                _write(target, data)
            else:
                if reason is None:
                    reason = _cloned(source, target, blob, folder, habits)
                if reason is not None:
                    _copy(source, target, blob.size)
            _date_back(target, folder, habits)
            made = os.fstat(target)
            if made.st_size != blob.size:
                raise OSError(errno.EIO, f"{made.st_size} of {blob.size} bytes arrived")
            flush.file(target, made.st_dev)
        finally:
            os.close(target)
    finally:
        os.close(source)
    look = Look(made.st_size, made.st_mtime_ns, made.st_ino)
    return Made("reflink" if reason is None else "copy", reason, look)


def _moved(
    blob: Blob, folder: Folder, name: str, *, executable: bool, flush: Flush, habits: Habits, direct: bool
) -> Made | None:
    """The copy that was made while the blob arrived, in its place; None where there is none, or none that fits."""
    from dlm.place.spares import is_ready, take

    spare = blob.spare
    if spare is not None and spare.look is not None and flush.together:
        # Another path may show the same blob, and count on it where it lies.
        if not direct or not is_ready(spare, folder, habits, executable=executable):
            return None
        flush.folder(folder)
        mtime_ns, _, inode = unpacked_look(spare.look)
        return Made("copy", None, Look(blob.size, mtime_ns, inode), spare.path)
    target = take(blob, folder, name, habits, executable=executable)
    if target is None:
        return None
    try:
        _date_back(target, folder, habits)
        made = os.fstat(target)
        flush.file(target, made.st_dev)
    finally:
        os.close(target)
    return Made("copy", None, Look(made.st_size, made.st_mtime_ns, made.st_ino))


def _cloned(source: int, target: int, blob: Blob, folder: Folder, habits: Habits) -> str | None:
    """Share the bytes; None if that could be done, else why not. What no file of the two folders can is kept."""
    reason, always = share(source, target)
    if reason is not None and always:
        habits.cloneless[blob.folder, folder.path] = reason
    return reason


def _date_back(target: int, folder: Folder, habits: Habits) -> None:
    """Let the mtime of a file lie before this moment, by the clock of its file system."""
    if os.utime not in os.supports_fd:
        return
    back, left = habits.back.get(folder.path, (0, 0))
    if left == 0:
        back, left = os.fstat(target).st_mtime_ns - BACK_NS, _SERVES
    habits.back[folder.path] = (back, left - 1)
    os.utime(target, ns=(back, back))


def share(source: int, target: int) -> tuple[str | None, bool]:
    """Let ``target`` share the bytes of ``source``.

    Returns:
        None if it does, else why it cannot; and whether that holds for all files of the two file systems.
    """
    if sys.platform != "linux":
        return "dlm knows no reflinks on this system", True
    import fcntl

    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError as error:
        if error.errno not in _CANNOT:
            raise
        return _reason(error), error.errno in _NEVER
    return None, False


def _open_source(blob: Blob) -> int:
    """Open a blob; without leaving an access time, where it lies in a read-only cache and the system allows that."""
    if blob.lower and hasattr(os, "O_NOATIME"):
        with contextlib.suppress(PermissionError):  # the file is somebody else's
            return os.open(blob.path, _SOURCE | os.O_NOATIME)
    return os.open(blob.path, _SOURCE)


def _copy(source: int, target: int, size: int) -> None:
    """Copy all bytes, in the kernel where it can."""
    done = 0
    if hasattr(os, "copy_file_range"):
        try:
            while done < size:
                count = os.copy_file_range(source, target, min(_AT_ONCE, size - done))
                if count == 0:
                    break
                done += count
        except OSError as error:
            # Old kernels cannot do it across file systems, some file systems not at all.
            if error.errno not in _CANNOT:
                raise
    while done < size:
        block = os.read(source, _BLOCK)
        if not block:
            return
        done += len(block)
        _write(target, block)


def _write(target: int, data: bytes) -> None:
    count = os.write(target, data)
    if count < len(data):
        rest = memoryview(data)[count:]
        while rest:
            rest = rest[os.write(target, rest) :]


def _reason(error: BaseException) -> str:
    code = error.errno if isinstance(error, OSError) else None
    if code == errno.EXDEV:
        return "the cache is on another file system"
    if code == errno.EMLINK:
        return "the blob has as many links as the file system allows"
    return f"the file system says: {os.strerror(code)}" if code else "this system has no such links"
