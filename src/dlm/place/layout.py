"""Where each member of an archive goes, decided before anything is written: ``Layout``.

All rules that keep an archive inside its folder are here, and none of them asks the file system. The folder is empty
and private when unpacking begins, so what its members will make of it is known to the last link: each link's target is
followed through the members themselves, however long the way, with names compared as the most forgetful platform does.

One member that would lead out, or that two programs would read in two ways, refuses the whole archive, also where
``include`` leaves it out. Names that only some platform cannot hold matter for the members that are wanted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dlm.errors import ArchiveError, PolicyError
from dlm.model.frozen import dataclass
from dlm.model.paths import check_filename, check_path, collision_key, names_git
from dlm.place.member import refused, shown
from dlm.place.streams import Meter

if TYPE_CHECKING:
    from dlm.model.extract import Extract, Limits
    from dlm.place.member import Member

__all__ = ["Layout", "Spot"]

_DRIVE = re.compile(r"[A-Za-z]:")
_MOST_FOLLOWED = 40
_MOST_TARGET = 1024
_SOME = 5


@dataclass(frozen=True, slots=True)
class Spot:
    """Where one wanted member goes.

    Attributes:
        path: relative to the folder, POSIX.
        member: as the archive has it.
        source: for a hard link, the path of the file that it is another name of.
    """

    path: str
    member: Member
    source: str | None = None


@dataclass(frozen=True, slots=True)
class _Node:
    """A name in the folder to come. ``given``: a member says it, it is not only needed by another."""

    path: str
    kind: str
    target: str
    given: bool


class Layout:
    """The folder to come, built member by member.

    Args:
        packed: the size of the archive in bytes.
    """

    def __init__(self, wish: Extract, limits: Limits, packed: int) -> None:
        self._wish = wish
        self._limits = limits
        self._announced = Meter(limits, packed)
        self._count = 0
        #: Every member by its whole path: its kind, and where it goes if it is wanted.
        self._seen: dict[str, tuple[str, Spot | None]] = {}
        self._nodes: dict[str, _Node] = {}
        self._some: list[str] = []

    def add(self, member: Member) -> Spot | None:
        """Where the next member goes; None where it is not wanted.

        Raises:
            PolicyError: the archive is refused.
            ArchiveError: a wanted member needs one that is not wanted.
        """
        self._count += 1
        if self._count > self._limits.max_members:
            raise refused(f"it has more than {self._limits.max_members} members")
        parts = _parts(member.name)
        if len(parts) > self._limits.max_depth:
            raise refused(f"{shown(member.name)} lies more than {self._limits.max_depth} folders deep")
        if not parts:
            if member.kind != "folder":
                raise refused(f"{shown(member.name)} is no name of a file")
            return None
        whole = "/".join(parts)
        known = self._seen.get(whole)
        if known is not None and (known[0], member.kind) != ("folder", "folder"):
            raise refused(f"{shown(member.name)} is there twice")
        if len(self._some) < _SOME and member.kind != "folder":
            self._some.append(whole)
        path = self._wanted(whole, parts)
        spot = self._spot(member, path) if path is not None else None
        self._seen[whole] = (member.kind, spot)
        if member.kind == "file" and spot is not None:
            self._announced.take(member.size)
        return spot

    def finish(self) -> None:
        """Every member is added: check how they go together.

        Raises:
            PolicyError: the archive is refused.
            ArchiveError: nothing of it is wanted.
        """
        for node in self._nodes.values():
            if node.kind == "symlink":
                self._follow(node)
        if self._nodes:
            return
        if not self._seen:
            raise ArchiveError("the archive holds nothing", hint="look at what was downloaded: dlm path NAME")
        what = (
            f"no member {self._wish.member!r}" if self._wish.member is not None else "no member that extract asks for"
        )
        raise ArchiveError(
            f"the archive has {what}",
            hint="correct extract: in the manifest",
            details=[f"it has {shown(name)}" for name in self._some],
        )

    @property
    def folders(self) -> Iterator[str]:
        """Every folder to make, outer ones first."""
        return (node.path for node in sorted(self._nodes.values(), key=_by_depth) if node.kind == "folder")

    # One member

    def _wanted(self, whole: str, parts: list[str]) -> str | None:
        if self._wish.member is not None:
            return whole if whole == self._wish.member else None
        if len(parts) <= self._wish.strip:
            return None
        path = "/".join(parts[self._wish.strip :])
        return path if self._wish.takes(path) else None

    def _spot(self, member: Member, path: str) -> Spot:
        try:
            check_path(path)
        except ValueError as error:
            why = f"not every platform can hold {shown(path)}"
            if _in_git(path):
                why = f"{shown(path)} lies in git's own folder"
            raise PolicyError(
                f"the archive is refused: {why}",
                hint="leave it out with exclude: under extract:",
                details=[str(error)],
            ) from None
        if member.kind == "symlink":
            _check_target(member)
        self._take_place(path, member.kind, member.target)
        return Spot(path, member, self._source(member) if member.kind == "hardlink" else None)

    def _take_place(self, path: str, kind: str, target: str) -> None:
        parts = path.split("/")
        for count in range(1, len(parts)):
            self._node("/".join(parts[:count]), "folder", "", given=False)
        self._node(path, kind, target, given=True)

    def _node(self, path: str, kind: str, target: str, *, given: bool) -> None:
        key = collision_key(path)
        known = self._nodes.get(key)
        if known is None:
            self._nodes[key] = _Node(path, kind, target, given)
            return
        if known.path != path:
            raise PolicyError(
                f"the archive is refused: {shown(known.path)} and {shown(path)} are one name on some platforms",
                hint="leave one of them out with exclude: under extract:",
            )
        if known.kind == kind == "folder":
            return
        if "symlink" in {known.kind, kind}:
            raise refused(f"a member lies below the link {shown(path)}")
        raise refused(f"{shown(path)} is a file and a folder")

    def _source(self, member: Member) -> str:
        """The path of the file that a hard link names: one that came before, and no link itself."""
        found = self._seen.get("/".join(_parts(member.target)))
        if found is None or found[0] not in {"file", "hardlink"}:
            raise refused(f"{shown(member.name)} is a hard link to {shown(member.target)}, no file that came before")
        if found[1] is None:
            raise ArchiveError(
                f"{shown(member.name)} is a hard link to {shown(member.target)}, which extract leaves out",
                hint="include that one, too, or name it instead",
            )
        return found[1].source or found[1].path

    # Links

    def _follow(self, link: _Node) -> None:
        """Refuse a link that leads out, by itself or with the help of others, or that leads nowhere for ever."""
        way = link.path.split("/")[:-1]
        ahead = link.target.split("/")[::-1]
        followed = 0
        while ahead:
            part = ahead.pop()
            if part in {"", "."}:
                continue
            if part == "..":
                if not way:
                    raise refused(f"the link {shown(link.path)} leads out, to {shown(link.target)}")
                way.pop()
                continue
            node = self._nodes.get(collision_key("/".join((*way, part))))
            if node is None or node.kind != "symlink":
                way.append(part)
                continue
            followed += 1
            if followed > _MOST_FOLLOWED:
                raise refused(f"the link {shown(link.path)} leads in a circle, or over too many others")
            ahead.extend(node.target.split("/")[::-1])


def _by_depth(node: _Node) -> tuple[int, str]:
    return node.path.count("/"), node.path


def _parts(name: str) -> list[str]:
    """The segments of a member's name. Raises PolicyError where it leads anywhere but down."""
    if name.startswith("/"):
        raise refused(f"the name {shown(name)} is absolute")
    if "\\" in name:
        raise refused(f"the name {shown(name)} holds a backslash, which parts folders on Windows")
    if _DRIVE.match(name):
        raise refused(f"the name {shown(name)} begins with a drive")
    if "\0" in name:
        raise refused(f"the name {shown(name)} holds a NUL")
    parts = [part for part in name.split("/") if part not in {"", "."}]
    if any(part.rstrip(" .") == "" and part.startswith("..") for part in parts):
        raise refused(f"the name {shown(name)} leads out of its folder")
    return parts


def _in_git(path: str) -> bool:
    return any(map(names_git, path.split("/")))


def _check_target(member: Member) -> None:
    """What a link's target must be by itself, so that every platform reads it alike."""
    target = member.target
    if not target or len(target) > _MOST_TARGET:
        raise refused(f"the link {shown(member.name)} has no usable target")
    if target.startswith("/") or _DRIVE.match(target) or "\\" in target:
        raise refused(f"the link {shown(member.name)} leads out, to {shown(target)}")
    for part in target.split("/"):
        if part in {"", ".", ".."}:
            continue
        try:
            check_filename(part)
        except ValueError as error:
            if names_git(part):
                raise refused(f"the link {shown(member.name)} leads into git's own folder") from None
            raise refused(f"not every platform reads the link {shown(member.name)} in one way", (str(error),)) from None
