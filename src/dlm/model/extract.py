"""What becomes of an archive: the wish (``Extract``), its bounds (``Limits``), and what came out (``Extracted``).

Patterns are matched against a member's path after ``strip``, folders parted by ``/``, letter case counted:

* ``*`` and ``?`` stand for any and for one character within a segment, also for a leading dot; ``[ab]``, ``[a-z]`` and
  ``[!a]`` for one of some.
* ``**`` as a whole segment stands for any number of segments, none included.
* a pattern that ends in ``/`` stands for everything below that folder.

Patterns choose files and links; the folders that these need are made.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal

from dlm.model.digest import Digest
from dlm.model.frozen import dataclass
from dlm.model.paths import check_path

__all__ = ["DEFAULT_LIMITS", "Extract", "Extracted", "Limits", "Shape", "single_name"]

#: What extraction makes of an artifact: a folder that dlm owns, or one file.
Shape = Literal["folder", "file"]

_MOST_STRIP = 64
_TARS = (".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst")
_SINGLES = (".gz", ".bz2", ".xz", ".zst")


@dataclass(frozen=True, slots=True, kw_only=True)
class Extract:
    """What shall come out of an archive.

    Attributes:
        strip: how many leading folders each member's path loses; members that have no more than these are left out.
        include: patterns of members to take, empty for all.
        exclude: patterns of members to leave out of these.
        member: the one file to take, by its whole path in the archive; ``dest`` is then that file's.

    Raises:
        ValueError: a part cannot be meant so; the message says which and why.
    """

    strip: int = 0
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    member: str | None = None

    def __post_init__(self) -> None:
        if type(self.strip) is not int or not 0 <= self.strip <= _MOST_STRIP:
            raise ValueError(f"strip is a number of folders from 0 to {_MOST_STRIP}")
        for pattern in (*self.include, *self.exclude):
            _check_pattern(pattern)
        if self.member is None:
            return
        if self.strip or self.include or self.exclude:
            raise ValueError("member names one file by itself; strip, include and exclude have nothing to do there")
        try:
            path = check_path(self.member)
        except ValueError as error:
            raise ValueError(f"member cannot be a file in an archive: {error}") from None
        if not path or path.endswith("/"):
            raise ValueError("member names a file, not a folder")
        object.__setattr__(self, "member", path)

    def takes(self, path: str) -> bool:
        """Whether a member is wanted, by its path after ``strip``."""
        parts = path.split("/")
        if self.include and not any(_matches(_segments(one), parts) for one in self.include):
            return False
        return not any(_matches(_segments(one), parts) for one in self.exclude)

    def shape(self, filename: str) -> Shape:
        """What comes out of an artifact of that name.

        It is the name that tells a compressed file (``iris.csv.gz``) from an archive, so that a manifest means the
        same before and after its artifacts are at hand.
        """
        return "file" if self.member is not None or single_name(filename) is not None else "folder"

    def file_name(self, filename: str) -> str:
        """How the one file is called where ``dest`` names a folder. Raises ValueError where there is no one file."""
        if self.member is not None:
            return self.member.rpartition("/")[2]
        name = single_name(filename)
        if name is None:
            raise ValueError(f"{filename!r} is no single compressed file")
        return name

    def request(self) -> dict[str, Any]:
        """The normal form for the lockfile: sorted, defaults dropped; empty for "all of it"."""
        out: dict[str, Any] = {}
        if self.exclude:
            out["exclude"] = sorted(set(self.exclude))
        if self.include:
            out["include"] = sorted(set(self.include))
        if self.member is not None:
            out["member"] = self.member
        if self.strip:
            out["strip"] = self.strip
        return out

    @classmethod
    def from_request(cls, request: object) -> Extract:
        """The wish from its normal form. Raises ValueError for anything that :meth:`request` would not give."""
        if not isinstance(request, Mapping):
            raise ValueError("extract is a mapping")
        unknown = sorted(set(request) - {"exclude", "include", "member", "strip"})
        if unknown:
            raise ValueError(f"extract has no {unknown[0]!r}")
        lists = [request.get(name, ()) for name in ("include", "exclude")]
        member = request.get("member")
        if not all(isinstance(one, (list, tuple)) for one in lists) or not isinstance(member, str | None):
            raise ValueError("extract has a part of an unknown form")
        return cls(strip=request.get("strip", 0), include=tuple(lists[0]), exclude=tuple(lists[1]), member=member)


@dataclass(frozen=True, slots=True, kw_only=True)
class Extracted:
    """What came out, as the lockfile says it.

    Attributes:
        files: how many files and links.
        tree: for a folder its tree digest (see ``dlm.model.listing``), for one file that file's sha256.
        executable: for one file, that the archive calls it a program.
    """

    files: int
    tree: str
    executable: bool = False

    def __post_init__(self) -> None:
        if type(self.files) is not int or self.files < 0:
            raise ValueError("files is a count")
        Digest("sha256", self.tree)

    def as_mapping(self) -> dict[str, Any]:
        """The form of the lockfile."""
        out: dict[str, Any] = {"files": self.files, "tree": self.tree}
        if self.executable:
            out["executable"] = True
        return out

    @classmethod
    def from_mapping(cls, found: object) -> Extracted:
        """From the form of the lockfile. Raises ValueError."""
        if not isinstance(found, Mapping) or not {"files", "tree"} <= set(found) <= {"files", "tree", "executable"}:
            raise ValueError("extracted has files and tree")
        tree, executable = found["tree"], found.get("executable", False)
        if not isinstance(tree, str) or type(executable) is not bool:
            raise ValueError("extracted has a part of an unknown form")
        return cls(files=found["files"], tree=Digest("sha256", tree).value, executable=executable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much may come out of one archive.

    Attributes:
        max_bytes: of all files together.
        max_ratio: how many times the archive's own size, looked at beyond ``free_bytes``.
        free_bytes: what may come out whatever the ratio.
        max_members: files, links and folders, those that are left out included.
        max_depth: folders above a file.
        max_memory: bytes that a decoder may ask for.
    """

    max_bytes: int = 32 * 2**30
    max_ratio: int = 250
    free_bytes: int = 256 * 2**20
    max_members: int = 500_000
    max_depth: int = 64
    max_memory: int = 256 * 2**20

    def problem(self, unpacked: int, packed: int) -> str | None:
        """What is wrong with ``unpacked`` bytes out of ``packed``, or None."""
        if unpacked > self.max_bytes:
            return f"more than {self.max_bytes} bytes would come out of it"
        if unpacked > max(self.free_bytes, packed * self.max_ratio):
            return f"more than {self.max_ratio} times its own size would come out of it"
        return None


DEFAULT_LIMITS = Limits()


def single_name(filename: str) -> str | None:
    """``filename`` without its compression's ending; None where it is not that of a single compressed file."""
    lowered = filename.lower()
    ending = next((one for one in _SINGLES if lowered.endswith(one)), None)
    if ending is None or lowered.endswith(_TARS):
        return None
    return filename[: -len(ending)] or None


# Patterns


def _check_pattern(pattern: str) -> None:
    if not pattern:
        raise ValueError("an empty pattern matches nothing")
    if "\\" in pattern:
        raise ValueError(f"the pattern {pattern!r} holds a backslash; write folders with /")
    parts = pattern.removesuffix("/").split("/")
    if {"", ".", ".."} & set(parts):
        raise ValueError(f"the pattern {pattern!r} is no path of a member; write it without leading /, //, . and ..")
    if any("**" in part and part != "**" for part in parts):
        raise ValueError(f"the pattern {pattern!r} holds ** within a segment; it stands for whole segments")


#: None stands for ``**``.
_Segment = re.Pattern[str] | None


@lru_cache(maxsize=256)
def _segments(pattern: str) -> tuple[_Segment, ...]:
    parts = pattern.removesuffix("/").split("/") + (["**", "*"] if pattern.endswith("/") else [])
    # The standard library's translation never tries a star's lengths over again, so no pattern takes for ever.
    return tuple(None if part == "**" else re.compile(fnmatch.translate(part)) for part in parts)


def _matches(segments: tuple[_Segment, ...], parts: list[str]) -> bool:
    """Whether segments match a path. Going back to the last ``**`` alone is enough, so this takes no longer than
    the product of both lengths."""
    at = part = 0
    star = resume = -1
    while part < len(parts):
        segment = segments[at] if at < len(segments) else ...
        if segment is None:
            star, resume = at, part
            at += 1
        elif segment is not ... and segment.match(parts[part]):
            at += 1
            part += 1
        elif star >= 0:
            resume += 1
            at, part = star + 1, resume
        else:
            return False
    return all(segment is None for segment in segments[at:])
