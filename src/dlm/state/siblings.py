"""Other lockfiles in a project's folder, of which dlm knows what it placed for them."""

from __future__ import annotations

import os
from collections.abc import Iterator

from dlm.errors import LocalError

__all__ = ["siblings"]

_DOCUMENTS = (".lock", ".yaml", ".yml", ".json")


def siblings(lockfile: str) -> Iterator[str]:
    """The paths of the other lockfiles that manifests or lockfiles in the same folder mean, there or not.

    One of which both documents are gone asks for nothing any more.

    Raises:
        LocalError: the folder cannot be read.
    """
    folder, own = os.path.split(lockfile)
    try:
        names = os.listdir(folder)
    except OSError as error:
        raise LocalError(
            f"cannot read {folder}: {error.strerror}; nobody knows what other manifests in it ask for",
            hint="check its permissions",
        ) from error
    stems = {os.path.splitext(name)[0] for name in names if name.endswith(_DOCUMENTS)}
    for name in sorted(f"{stem}.lock" for stem in stems):
        if name != own:
            yield os.path.join(folder, name)
