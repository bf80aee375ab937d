"""Which projects there are on this machine: what pruning the cache takes its roots from.

Each project's state folder holds the path of its lockfile. A lockfile that is gone asks for nothing any more.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

from dlm.errors import LocalError
from dlm.model.late import late
from dlm.state.replace import replace_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["known_lockfiles", "named_blobs", "register"]

_VERSION = 1
_NAME = "project.json"
#: Wherever a lockfile says a sha256, of whatever version it is, and whatever conflict it holds.
_SHA256 = late(rb"(?<![0-9A-Za-z])[0-9a-f]{64}(?![0-9A-Za-z])")


def register(folder: str, lockfile: str) -> None:
    """Note in a project's state folder where its lockfile is.

    Args:
        folder: from :func:`dlm.state.ownership.project_folder`.
        lockfile: absolute.

    Raises:
        LocalError: the disk refuses.
    """
    path = os.path.join(folder, _NAME)
    if _read(path) != lockfile:
        replace_file(path, [json.dumps({"version": _VERSION, "lockfile": lockfile}).encode()])


def known_lockfiles(state_dir: str) -> Iterator[str]:
    """The path of every known project's lockfile; those that are gone included.

    Raises:
        LocalError: the state folder cannot be read.
    """
    folder = os.path.join(state_dir, "projects")
    try:
        names = sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise LocalError(f"cannot read {folder}: {error.strerror}", hint="check its permissions") from error
    for name in names:
        lockfile = _read(os.path.join(folder, name, _NAME))
        if lockfile is not None:
            yield lockfile


def named_blobs(lockfile: str) -> frozenset[str]:
    """Every sha256 that a lockfile names; none where it is gone.

    Raises:
        LocalError: it cannot be read, so that nobody knows what it names.
    """
    try:
        with open(lockfile, "rb") as file:
            data = file.read()
    except (FileNotFoundError, NotADirectoryError):
        return frozenset()
    except OSError as error:
        raise LocalError(
            f"cannot read {lockfile}: {error.strerror}; nobody knows what it needs of the cache",
            hint="check its permissions, or prune with --ignore-projects",
        ) from error
    return frozenset(found.decode() for found in _SHA256.findall(data))


def _read(path: str) -> str | None:
    try:
        with open(path, "rb") as file:
            found: Any = json.loads(file.read())
    except (OSError, ValueError, RecursionError):
        return None
    lockfile = found.get("lockfile") if isinstance(found, dict) else None
    return lockfile if isinstance(lockfile, str) and os.path.isabs(lockfile) else None
