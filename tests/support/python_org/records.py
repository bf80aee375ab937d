"""What public records say is at python.org: paths below ``/ftp/python/``, with sizes and dates where they are known.

``names.txt.xz`` has one path a line, then the size in bytes and the date (UTC, to the minute) behind tabs, each empty
where no record tells it; a folder ends in a slash. It holds only paths that at least one record quotes, up to October
2026: none was made by a naming rule. ``listings/`` has four index pages as nginx sent them.
"""

from __future__ import annotations

import calendar
import functools
import lzma
import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Record", "listing_page", "records"]

_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Record:
    """One path: ``size`` in bytes and ``modified`` in minutes since the epoch, where known."""

    path: str
    size: int | None
    modified: int | None

    @property
    def is_directory(self) -> bool:
        return self.path.endswith("/")

    @property
    def folder(self) -> str:
        """The folder that it stands in, without slashes around it; empty for the root."""
        return self.path.rstrip("/").rpartition("/")[0]

    @property
    def name(self) -> str:
        """Its own segment; a folder's with the final slash."""
        return self.path[len(self.folder) :].lstrip("/")


@functools.cache
def records() -> tuple[Record, ...]:
    """All of them, in byte order."""
    with lzma.open(_HERE / "names.txt.xz", "rt", encoding="ascii", newline="\n") as lines:
        return tuple(_record(line.rstrip("\n")) for line in lines)


def _record(line: str) -> Record:
    path, size, date = (*line.split("\t"), "", "")[:3]
    return Record(path, int(size) if size else None, _minutes(date) if date else None)


def _minutes(text: str) -> int:
    year, month, day, hour, minute = (int(part) for part in re.split("[-T:]", text))
    return calendar.timegm((year, month, day, hour, minute, 0)) // 60


def listing_page(name: str) -> str:
    """A real index page, line ends as kept: ``root-2019-01``, ``root-2022-10``, ``src-2022-10``, ``3.7.3-2022-10``."""
    return (_HERE / "listings" / f"{name}.html").read_bytes().decode()
