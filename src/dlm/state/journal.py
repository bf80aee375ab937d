"""The journal: which paths a run is about to change, on the disk before the first of them does.

A run that is killed leaves it behind. The next one then knows that each of these paths may show what it showed before
or what it should have shown, that both are dlm's, and which temporary names may lie beside them.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from itertools import islice

from dlm.model.digest import Digest
from dlm.model.frozen import dataclass, field
from dlm.model.plan import temporary_name
from dlm.state.pieces import Entries, pieces_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Journal", "beside", "is_inside", "journal_pieces", "read_digests", "read_journal"]

_VERSION = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """What is about to change.

    Attributes:
        token: the random part of the temporary names.
        digests: for each path, every sha256 that dlm put there or is about to, each once.
        folders: those that are about to be made.
        numbered: so many of the paths, the first ones, have a temporary name of their number beside them.
        others: what else may be left under a temporary name, relative and POSIX.
    """

    token: str
    digests: Mapping[str, Collection[str]] = field(default_factory=dict)
    folders: frozenset[str] = frozenset()
    numbered: int = 0
    others: tuple[str, ...] = ()

    @property
    def temporaries(self) -> tuple[str, ...]:
        """Every temporary file or folder that may be left, relative and POSIX."""
        paths = islice(self.digests, self.numbered)
        own = (beside(dest, temporary_name(self.token, number)) for number, dest in enumerate(paths))
        return (*self.others, *own)


def beside(dest: str, name: str) -> str:
    """The path of a name in the folder in which a path lies."""
    above, slash, _ = dest.rpartition("/")
    return above + slash + name


def journal_pieces(journal: Journal) -> Iterator[bytes]:
    """The journal as it is written down."""
    digests = journal.digests
    return pieces_of({
        "version": _VERSION,
        "token": journal.token,
        "changes": Entries((dest, sorted(found)) for dest, found in digests.items()),
        "folders": sorted(journal.folders),
        "numbered": journal.numbered,
        "temporaries": journal.others,
    })  # fmt: skip


def read_journal(data: bytes) -> Journal:
    """The journal from its bytes. Raises ValueError for anything that it would not have written."""
    found: Any = json.loads(data)
    if not isinstance(found, dict) or found.get("version") != _VERSION:
        raise ValueError("not a journal of this version")
    token, folders, others = found.get("token"), found.get("folders"), found.get("temporaries")
    numbered = found.get("numbered")
    if not isinstance(token, str) or not isinstance(folders, list) or not isinstance(others, list):
        raise ValueError("a part is missing")
    if type(numbered) is not int or numbered < 0:
        raise ValueError("no number")
    if not all(map(is_inside, (*folders, *others, token or "-"))) or "/" in token:
        raise ValueError("a path that is not in the project")
    return Journal(
        token=token,
        digests=read_digests(found.get("changes")),
        folders=frozenset(folders),
        numbered=numbered,
        others=tuple(others),
    )


def read_digests(found: object) -> dict[str, frozenset[str]]:
    """``{path: [sha256, …]}`` as sets. Raises ValueError."""
    if not isinstance(found, dict) or not all(map(is_inside, found)):
        raise ValueError("no paths of the project")
    result: dict[str, frozenset[str]] = {}
    for dest, digests in found.items():
        if not isinstance(digests, list) or not all(isinstance(digest, str) for digest in digests):
            raise ValueError("no digests")
        result[dest] = frozenset(Digest("sha256", digest).value for digest in digests)
    return result


def is_inside(path: object) -> bool:
    """Whether a path from a file can only mean something below the project."""
    return (
        isinstance(path, str)
        and bool(path)
        and not {"\\", ":", "\0"} & set(path)
        and not {"", ".", ".."} & set(path.split("/"))
    )
