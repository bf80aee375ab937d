"""What an archive says of one of its members, whatever the archive's format."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Protocol

from dlm.errors import ArchiveError, PolicyError
from dlm.model.frozen import dataclass

__all__ = ["Archive", "Member", "MemberKind", "damaged", "refused", "shown"]

MemberKind = Literal["file", "folder", "symlink", "hardlink"]

_SHOWN = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One member, as the archive has it; nothing of it is checked yet.

    Attributes:
        name: its path in the archive.
        size: the bytes of a file, 0 for everything else.
        target: what a link says; for a hard link the name of another member.
        executable: whether its owner may run it.
    """

    name: str
    kind: MemberKind
    size: int = 0
    target: str = ""
    executable: bool = False


class Archive(Protocol):
    """An open archive."""

    def members(self) -> Iterator[tuple[Member, Iterator[bytes]]]:
        """Every member with its bytes, in the archive's order. Bytes that are not taken are passed over.

        Raises:
            ArchiveError: it is damaged, or has something that dlm cannot unpack.
            PolicyError: it can be read in more than one way, or holds what no download may bring.
        """
        ...


def refused(reason: str, details: tuple[str, ...] = ()) -> PolicyError:
    """The error for an archive that must not be unpacked."""
    return PolicyError(f"the archive is refused: {reason}", details=details)


def damaged(reason: str) -> ArchiveError:
    """The error for an archive that cannot be read."""
    return ArchiveError(f"the archive is damaged: {reason}", hint="ask its makers; the bytes are as locked")


def shown(name: str) -> str:
    """A member's name for people: one line, no control characters, not endless."""
    text = repr(name if len(name) <= _SHOWN else name[: _SHOWN - 1] + "…")
    return text.encode("ascii", "backslashreplace").decode() if not text.isprintable() else text
