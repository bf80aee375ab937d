"""Whether the disk has room for what is about to come."""

from __future__ import annotations

import os

from dlm.errors import LocalError

__all__ = ["free_space", "require_space"]

#: Bodies up to this size are not looked at: writing one tells as soon.
_SMALL = 1024 * 1024
#: Bytes that stay free: for the index, notes and locks beside a body.
_MARGIN = 4 * 1024 * 1024
_UNITS = ("KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def require_space(folder: str, size: int) -> None:
    """See that ``size`` more bytes find room on the file system of ``folder``.

    Raises:
        LocalError: they do not.
    """
    if size <= _SMALL:
        return
    try:
        free = free_space(folder)
    except OSError:
        return  # a file system that does not say; writing will show
    if size + _MARGIN > free:
        raise LocalError(
            f"the disk of {folder} has too little room: {_shown(size)} are needed, {_shown(free)} are free",
            hint="make room (`dlm cache clean` empties the cache), or set DLM_CACHE_DIR to a folder on another disk",
        )


def free_space(folder: str) -> int:
    """Bytes that this user may still write to the file system of ``folder``. Raises OSError."""
    if hasattr(os, "statvfs"):
        found = os.statvfs(folder)
        return found.f_bavail * found.f_frsize
    import shutil  # which knows how to ask Windows, and costs time to import

    return shutil.disk_usage(folder).free


def _shown(size: int) -> str:
    value = float(size)
    unit = "bytes"
    for larger in _UNITS:
        if value < 1024:
            break
        value, unit = value / 1024, larger
    return f"{size} bytes" if unit == "bytes" else f"{value:.1f} {unit}"
