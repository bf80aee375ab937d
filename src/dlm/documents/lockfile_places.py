"""Which file of a lockfile has a place that is not free; asked where a glance has not shown that all of them are."""

from __future__ import annotations

from collections.abc import Sequence

from dlm.model.lockfile import Lockfile
from dlm.model.paths import collision_key
from dlm.model.places import Taken

__all__ = ["misplaced"]


def misplaced(lockfile: Lockfile, documents: Sequence[str]) -> tuple[str, str] | None:
    """The first resource with such a file, and what is wrong; None where all is well.

    Files for different platforms may share a place.

    Args:
        documents: the names of the project's own documents.
    """
    keys = {collision_key(name): name for name in documents}
    taken: Taken[str] = Taken()
    for entry, one in lockfile.artifacts():
        document = keys.get(collision_key(one.dest.partition("/")[0]))
        if document is not None:
            return entry.name, f"{one.dest!r} would take the place of {document}"
        other = taken.by(one.dest, one.platform)
        if other is not None:
            whose = "two of its files" if other == entry.name else f"a file of {other!r} too"
            return entry.name, f"{one.dest!r} is the place of {whose}"
        taken.take(one.dest, one.platform, entry.name)
    return None
