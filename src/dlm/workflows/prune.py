"""``dlm cache prune``: remove from the cache what was not used for longest, and nothing that is needed."""

from __future__ import annotations

import os

from dlm.documents.lockfile_json import read_lockfile
from dlm.errors import DlmError, UsageError
from dlm.model.frozen import dataclass
from dlm.state.projects import known_lockfiles, named_blobs
from dlm.store.local import LocalStore
from dlm.store.prune import Pruned

__all__ = ["PruneWish", "blob_names", "prune"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneWish:
    """What is asked of a prune.

    Attributes:
        max_size: bytes that blobs may have together afterwards.
        max_age: seconds since its last use after which a blob goes. With neither, all go that nobody keeps.
        keep: lockfiles, or folders with a ``downloads.lock``, whose blobs stay, besides those of known projects.
        ignore_projects: known projects keep nothing.
        dry_run: only say what would go.
    """

    max_size: int | None = None
    max_age: float | None = None
    keep: tuple[str, ...] = ()
    ignore_projects: bool = False
    dry_run: bool = False


def prune(store: LocalStore, state_dir: str, wish: PruneWish) -> Pruned:
    """Carry out ``dlm cache prune``.

    Raises:
        UsageError: a lockfile to keep by does not exist.
        LocalError: the disk refuses, or a lockfile cannot be read.
    """
    lockfiles = [_lockfile(path) for path in wish.keep]
    if not wish.ignore_projects:
        lockfiles.extend(known_lockfiles(state_dir))
    locked = frozenset(name for path in lockfiles for name in named_blobs(path))
    return store.prune(locked, max_size=wish.max_size, max_age=wish.max_age, dry_run=wish.dry_run)


def blob_names(state_dir: str) -> dict[str, str]:
    """The file name of each blob by its sha256, as known lockfiles say it; those that cannot be read say nothing."""
    names: dict[str, str] = {}
    for path in known_lockfiles(state_dir):
        try:
            with open(path, "rb") as file:
                read = read_lockfile(file.read(), os.path.basename(path))
        except (OSError, DlmError):
            continue
        names |= {one.sha256: one.filename for _, one in read.lockfile.artifacts()}
    return names


def _lockfile(path: str) -> str:
    found = os.path.join(path, "downloads.lock") if os.path.isdir(path) else path
    if not os.path.exists(found):
        raise UsageError(f"{path} holds no lockfile", hint="name a downloads.lock, or the folder that it lies in")
    return os.path.abspath(found)
