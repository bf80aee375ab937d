"""Replacing a small file of the state as a whole, on the disk before anything relies on it."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable

from dlm.errors import LocalError

__all__ = ["remove_file", "replace_file"]

_NO_FOLDER_FLUSH = {errno.EINVAL, errno.ENOTSUP, errno.EBADF}
_HINT = "check the permissions of the state folder, or set DLM_STATE_DIR to a folder that you can write"


def replace_file(path: str, data: Iterable[bytes]) -> int:
    """Give ``path`` the bytes of ``data``: written beside it, flushed, renamed, the folder flushed.

    The caller holds the lock of the state, so one name for the draft is enough, and a kill leaves at most one.

    Args:
        data: one piece after the other.

    Returns:
        the mtime of the new file, in ns since the epoch.

    Raises:
        LocalError: the disk refuses; the old file is whole.
    """
    folder = os.path.dirname(path)
    draft = f"{path}.new"
    try:
        os.makedirs(folder, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(draft)
        with open(draft, "xb") as file:
            file.writelines(data)
            file.flush()
            os.fsync(file.fileno())
            written_ns = os.fstat(file.fileno()).st_mtime_ns
        os.replace(draft, path)
        _flush_folder(folder)
    except OSError as error:
        raise LocalError(f"cannot write {path}: {error.strerror}", hint=_HINT) from error
    return written_ns


def remove_file(path: str) -> None:
    """Remove ``path`` if it is there, and flush the folder. Raises LocalError."""
    try:
        os.unlink(path)
        _flush_folder(os.path.dirname(path))
    except FileNotFoundError:
        return
    except OSError as error:
        raise LocalError(f"cannot remove {path}: {error.strerror}", hint=_HINT) from error


def _flush_folder(path: str) -> None:
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FOLDER_FLUSH:
            raise
    finally:
        os.close(descriptor)
