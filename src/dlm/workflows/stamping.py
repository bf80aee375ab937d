"""When a sync may leave a stamp, and what goes into it; see ``dlm.state.stamp`` for what becomes of it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet

from dlm.errors import DlmError
from dlm.model.frozen import dataclass, field
from dlm.place.survey import same_file
from dlm.state.stamp import TICK_NS, forget, signature, write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dlm.model.artifact import Placement
    from dlm.model.plan import Wanted
    from dlm.ports import Clock

__all__ = ["Stamp", "no_op_text"]

_Signature = tuple[str, int, int, int, int, int]


def no_op_text(files: int, passed_over: Sequence[str]) -> str:
    """What a sync with nothing to do says."""
    lines = [f"{name}: nothing of it is meant for this platform; passed over.\n" for name in passed_over]
    return "".join(lines) + f"In sync: {files} file{'' if files == 1 else 's'} in place.\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """The stamp of one project, as the border hands it in.

    Attributes:
        path: where it is.
        documents: manifest and lockfile; only a project with both is stamped.
        configuration: where settings may stand.
        environment: the variables of this process.
    """

    path: str
    version: str
    root: str
    documents: tuple[str, str]
    configuration: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)

    def forget(self) -> None:
        """What it says is about to change."""
        forget(self.path)

    def before(self, clock: Clock) -> tuple[int, list[_Signature | None]]:
        """How the documents look before they are read, and when that was (ns)."""
        return _now(clock), [signature(one) for one in (*self.configuration, self.documents[0])]

    def leave(
        self,
        before: tuple[int, list[_Signature | None]],
        clock: Clock,
        *,
        lockfile: bytes,
        wanted: Iterable[Wanted],
        placements: Mapping[str, Placement],
        fresh: AbstractSet[str],
        text: str,
    ) -> None:
        """Leave a stamp, unless something may have changed unseen: then the next run tries again.

        Args:
            lockfile: what the lockfile must hold.
            placements: what the state knows of each path.
            fresh: the paths that this run placed itself.
        """
        then, seen = before
        if seen[-1] is None or any(one is not None and one[2] > then - TICK_NS for one in seen):
            return  # read in the same tick in which it was written: a second change could look the same
        noted: list[_Signature] = [one for one in seen if one is not None]
        if [signature(one) for one in (*self.configuration, self.documents[0])] != seen:
            return
        locked = self._settled_lockfile(clock, lockfile)
        if locked is None:
            return
        noted.append(locked)
        for want in wanted:
            dest = want.artifact.dest
            placed = self._placed(dest, placements.get(dest), _now(clock) if dest in fresh else then, clock)
            if placed is None:
                return
            noted.extend(placed)
        write(
            self.path,
            version=self.version,
            root=self.root,
            environment=self.environment,
            noted=noted,
            text=text,
        )

    def _settled_lockfile(self, clock: Clock, data: bytes) -> _Signature | None:
        """The lockfile's signature once its mtime is no longer that of this very moment."""
        path = self.documents[1]
        found = signature(path)
        if found is not None and found[2] > _now(clock) - TICK_NS:
            clock.sleep(TICK_NS / 1e9)
        found = signature(path)
        try:
            with open(path, "rb") as file:
                same = file.read() == data
        except OSError:
            return None
        return found if same and signature(path) == found else None

    def _placed(self, dest: str, placement: Placement | None, certain: int, clock: Clock) -> list[_Signature] | None:
        """The signatures of one placed path; None where it is not certain what it shows.

        Args:
            certain: when the path was known to show the right thing, ns since the epoch.
        """
        if placement is None:
            return None
        path = os.path.join(self.root, *dest.split("/"))
        if placement.signature:
            return self._unpacked(path, dest, placement, certain, clock)
        try:
            seen = os.lstat(path)
        except OSError:
            return None
        if not same_file(placement, seen) or placement.mtime_ns > certain - TICK_NS:
            return None
        found = [signature(path, ctime=placement.mode != "hardlink")]
        if placement.mode == "symlink":
            found.append(signature(os.path.realpath(path), ctime=False))
        return None if any(one is None for one in found) else [one for one in found if one is not None]

    def _unpacked(
        self, path: str, dest: str, placement: Placement, certain: int, clock: Clock
    ) -> list[_Signature] | None:
        """The signatures of a folder that an archive became, and of everything in it."""
        from dlm.place.tree import Tree
        from dlm.place.treedigest import signature_of

        if placement.mtime_ns > certain - TICK_NS:
            return None
        try:
            found = list(_everything(path))
            if max(seen[2] for seen in found if stat.S_ISDIR(seen[5])) > _now(clock) - TICK_NS:
                # Another name in such a folder might leave the mtime that it has.
                clock.sleep(TICK_NS / 1e9)
                found = list(_everything(path))
            with Tree(self.root) as tree:
                same = signature_of(tree.folder(dest)).value == placement.signature
        except (OSError, ValueError, DlmError):
            return None
        return found if same else None


def _everything(path: str) -> Iterator[_Signature]:
    """The signature of a folder, and of all below it. Raises OSError."""
    found = signature(path)
    if found is None:
        raise FileNotFoundError(path)
    yield found
    if stat.S_ISDIR(found[5]):
        for name in os.listdir(path):
            yield from _everything(os.path.join(path, name))


def _now(clock: Clock) -> int:
    return int(clock.time() * 1e9)
