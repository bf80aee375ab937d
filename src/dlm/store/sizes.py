"""How large the cache is, told at once: the totals of each folder are kept with the folder's mtime.

Whoever adds a file to a folder or takes one away changes its mtime; blobs are never written in place. So one stat for
each folder tells which ones must be counted anew, however many blobs there are.
"""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dlm.store.layout import Layout

__all__ = ["total_size"]

#: A folder that changed so short a time ago may change again and keep its mtime.
_SETTLED_NS = 100_000_000
_COUNTED = {"cas", "origins", "alias", "notes"}


def total_size(layout: Layout) -> int:
    """How many bytes the files of a cache have together."""
    path = layout.at("sizes")
    draft, now_ns = _begin(layout.at("tmp"))
    known = _read(path)
    fresh: dict[str, list[int]] = {}
    total = 0
    for folder in layout.own_folders():
        try:
            mtime_ns = os.stat(folder, follow_symlinks=False).st_mtime_ns
        except (FileNotFoundError, NotADirectoryError):
            continue
        name = os.path.relpath(folder, layout.root)
        spread = name.split(os.sep)[0] in _COUNTED
        noted = known.get(name) if spread else None
        size = noted[1] if noted and noted[0] == mtime_ns else sum(size for _, size in layout.files_in(folder))
        if spread and mtime_ns < now_ns - _SETTLED_NS:
            fresh[name] = [mtime_ns, size]
        total += size
    if draft is not None:
        _end(draft, path, fresh if fresh != known else None)
    return total


def _begin(temporary: str) -> tuple[str | None, int]:
    """A draft, and the time by the file system's own clock; no draft in a cache that cannot be written."""
    draft = os.path.join(temporary, os.urandom(16).hex())
    try:
        with open(draft, "xb") as file:
            return draft, os.fstat(file.fileno()).st_mtime_ns
    except OSError:
        return None, 0


def _end(draft: str, path: str, totals: dict[str, list[int]] | None) -> None:
    with contextlib.suppress(OSError):
        if totals is None:
            os.unlink(draft)
            return
        with open(draft, "wb") as file:
            file.write(json.dumps(totals).encode())
        os.replace(draft, path)


def _read(path: str) -> dict[str, list[int]]:
    try:
        with open(path, "rb") as file:
            found: Any = json.loads(file.read())
        if not isinstance(found, dict):
            return {}
        return {
            name: noted
            for name, noted in found.items()
            if isinstance(noted, list) and len(noted) == 2 and all(type(number) is int for number in noted)
        }
    except (OSError, ValueError, RecursionError):
        return {}
