"""What dlm placed in one project: ``ProjectState``.

A folder of its own for each lockfile, outside the project and outside the cache, so that neither ``cache clean`` nor a
fresh checkout changes what is known::

    <state folder>/projects/<hash of the lockfile's real path>/
      ownership.json   every path that dlm placed, how it looked then, and the folders that dlm made
      project.json     where the lockfile is; see ``dlm.state.projects``
      journal.json     while the tree changes, and after a kill; see ``dlm.state.journal``
      lock             held by whoever changes the project

A file that cannot be read counts as empty, which is said: then nothing in the tree is known to be dlm's but what old
and new lockfile tell.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Collection, Container, Iterable, Mapping, Sequence

from dlm.errors import LocalError
from dlm.model.artifact import LINK_MODES, Placement
from dlm.model.digest import Digest
from dlm.model.events import Warned
from dlm.model.frozen import dataclass, field, replace
from dlm.model.plan import Owned, Shared, aside_name, temporary_name
from dlm.state.journal import Journal, beside, is_inside, journal_pieces, read_digests, read_journal
from dlm.state.pieces import Entries, pieces_of
from dlm.state.projects import register
from dlm.state.replace import remove_file, replace_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from dlm.model.plan import Placing, Removal
    from dlm.ports import Reporter

__all__ = ["ProjectState", "project_folder"]

_VERSION = 1


def project_folder(state_dir: str, lockfile: str) -> str:
    """The folder of one project's state.

    Args:
        state_dir: the state folder of the user.
        lockfile: the path of the project's lockfile; two projects may share a folder, but not a lockfile.
    """
    folder, name = os.path.split(os.path.abspath(lockfile))
    # Of the folder and not of the file: a lockfile that is a link is still this project's.
    path = os.path.normcase(os.path.join(os.path.realpath(folder), name))
    identity = hashlib.sha256(os.fsencode(path), usedforsecurity=False).hexdigest()[:32]
    return os.path.join(state_dir, "projects", identity)


class _NewerError(Exception):
    """The file has a version that came later."""


@dataclass(slots=True)
class _Held:
    """What the two files say together."""

    placements: dict[str, Placement] = field(default_factory=dict)
    uncertain: dict[str, frozenset[str]] = field(default_factory=dict)
    folders: frozenset[str] = frozenset()
    journal: Journal | None = None
    written_ns: int = 0


class ProjectState:
    """What dlm placed in one project. Whoever changes it holds the lock of :attr:`lock_path`.

    The files are read at first need, and anew after :meth:`reload`.

    Args:
        folder: from :func:`project_folder`.
        project: the path of the project's lockfile, so that the cache knows what it is asked to keep.
    """

    def __init__(self, folder: str, reporter: Reporter, project: str = "") -> None:
        self._folder = folder
        self._reporter = reporter
        self._project = project
        self._held: _Held | None = None

    @property
    def folder(self) -> str:
        """Where the state is."""
        return self._folder

    @property
    def lock_path(self) -> str:
        """The file that a run holds while it works on the project."""
        return os.path.join(self._folder, "lock")

    @property
    def written_ns(self) -> int:
        """When the state was last written, by the file system's clock, in ns since the epoch; 0 for never."""
        return self._load().written_ns

    @property
    def interrupted(self) -> bool:
        """Whether a run was killed while it changed the tree."""
        return self._load().journal is not None

    @property
    def folders(self) -> frozenset[str]:
        """The folders that dlm made in the project, relative and POSIX."""
        held = self._load()
        return held.folders | (held.journal.folders if held.journal else frozenset())

    @property
    def leftovers(self) -> tuple[str, ...]:
        """The temporary files that a killed run may have left, relative and POSIX."""
        journal = self._load().journal
        return journal.temporaries if journal else ()

    def register(self) -> None:
        """Note which project this is, so that pruning keeps what its lockfile names; where that fails, it is said."""
        if not self._project:
            return
        try:
            register(self._folder, self._project)
        except LocalError as error:
            self._reporter.emit(Warned(f"{error.message}; pruning the cache may remove what this project needs"))

    def reload(self) -> None:
        """Forget what was read: another process may have written since, before this one got the lock."""
        self._held = None

    def owned(self) -> Mapping[str, Owned]:
        """Every path that dlm placed, or was about to when a run was killed."""
        held = self._load()
        owned = {dest: _owned(dest, placement) for dest, placement in held.placements.items()}
        changes = held.journal.digests if held.journal else {}
        for digests in (held.uncertain, changes):
            for dest, more in digests.items():
                known = owned.get(dest)
                owned[dest] = Owned(
                    dest=dest,
                    digests=frozenset(more) | (known.digests if known else frozenset()),
                    placement=known.placement if known else None,
                )
        return owned

    def shared(self) -> Mapping[str, Shared]:
        """Every path that dlm placed for other lockfiles of the project's folder, or was about to.

        Raises:
            LocalError: what there is cannot be read.
        """
        if not self._project:
            return {}
        from dlm.state.siblings import siblings

        found: dict[str, Shared] = {}
        state_dir = os.path.dirname(os.path.dirname(self._folder))
        for lockfile in siblings(self._project):
            folder, name = project_folder(state_dir, lockfile), os.path.basename(lockfile)
            if folder == self._folder or not os.path.isdir(folder):
                continue
            for dest, one in ProjectState(folder, self._reporter).owned().items():
                known = found.get(dest)
                found[dest] = Shared(
                    lockfiles=(name,) if known is None else (*known.lockfiles, name),
                    digests=one.digests if known is None else one.digests | known.digests,
                )
        return found

    def begin(self, place: Sequence[Placing], remove: Sequence[Removal], folders: Iterable[str] = ()) -> str:
        """Note what is about to change, on the disk; the tree must not change before this returns.

        Args:
            folders: those that will be made, relative and POSIX.

        Returns:
            the token of the temporary names: the ``n``-th of ``place`` is made ready under
            ``temporary_name(token, n)`` beside its ``beside``; a folder that goes may stand under ``aside_name``.

        Raises:
            LocalError: the disk refuses; then nothing may change.
        """
        self._fold()
        owned = self.owned()
        token = os.urandom(6).hex()
        # Of the thousands of paths that a first run places, each shows one thing: a set would be four times as big.
        digests: dict[str, Collection[str]] = {change.dest: (change.shown,) for change in place}
        for dest in owned.keys() & digests.keys() if owned else ():
            digests[dest] = owned[dest].digests | set(digests[dest])
        others = list(self.leftovers)
        simple = len(digests) == len(place)
        for number, change in enumerate(place):
            if change.instead is not None or not simple:
                others.append(beside(change.beside, temporary_name(token, number)))
            if change.swaps:
                others.append(beside(change.beside, aside_name(token, len(place), number)))
        for number, removal in enumerate(remove, start=len(place)):
            digests.setdefault(removal.dest, _digests(owned, removal.dest))
            if removal.folder:
                others.append(beside(removal.dest, aside_name(token, len(place), number)))
        journal = Journal(
            token=token,
            digests=digests,
            folders=frozenset(folders),
            numbered=len(place) if simple else 0,
            others=tuple(others),
        )
        replace_file(self._path("journal.json"), journal_pieces(journal))
        self._load().journal = journal
        return token

    def finish(
        self,
        placements: Iterable[Placement] = (),
        removed: Iterable[str] = (),
        *,
        folders: Iterable[str] = (),
        folders_removed: Iterable[str] = (),
    ) -> None:
        """Note how the tree is now, and close the journal. Where nothing is new, nothing is written.

        Args:
            placements: paths that show what dlm wants: placed, adopted, or found unchanged with another signature.
            removed: paths that are not dlm's any more: removed, or found gone.
            folders: those that were made.
            folders_removed: those that are gone.

        Raises:
            LocalError: the disk refuses; the journal stays.
        """
        held = self._load()
        before = (dict(held.placements), dict(held.uncertain), held.folders)
        placed = {placement.dest: placement for placement in placements}
        self._absorb_journal(held, certain=placed)
        held.placements.update(placed)
        for dest in placed.keys() & held.uncertain.keys():
            del held.uncertain[dest]
        for dest in removed:
            held.placements.pop(dest, None)
            held.uncertain.pop(dest, None)
        for dest, digests in list(held.uncertain.items()):
            known = held.placements.get(dest)
            if known is not None and digests <= {known.sha256}:
                del held.uncertain[dest]
        held.folders = (held.folders | frozenset(folders)) - frozenset(folders_removed)
        if before != (held.placements, held.uncertain, held.folders):
            self._write(held)
        remove_file(self._path("journal.json"))

    def forget(self, gone: Collection[str]) -> None:
        """Note, while the tree changes, that paths are gone, before others are shown in their stead.

        Else a run after a kill would take what stands above or below the new paths for these, and edited.

        Raises:
            LocalError: the disk refuses; the journal stays.
        """
        held = self._load()
        for dest in gone:
            held.placements.pop(dest, None)
            held.uncertain.pop(dest, None)
        self._write(held)
        if held.journal is not None:
            digests = {dest: known for dest, known in held.journal.digests.items() if dest not in gone}
            # Without those that are gone, the others have other numbers.
            others = held.journal.temporaries
            held.journal = replace(held.journal, digests=digests, numbered=0, others=others)
            replace_file(self._path("journal.json"), journal_pieces(held.journal))

    # The files

    def _fold(self) -> None:
        """Take an old journal into the ownership, so that the next one may replace it."""
        held = self._load()
        if held.journal is None:
            return
        temporaries = held.journal.temporaries
        self._absorb_journal(held)
        self._write(held)
        # The names of what may lie about are handed on until a run ends well.
        held.journal = Journal(token="", others=temporaries)

    def _absorb_journal(self, held: _Held, certain: Container[str] = ()) -> None:
        """Take over what the journal says, but for the paths of which more is known by now."""
        journal, held.journal = held.journal, None
        if journal is None:
            return
        for dest, digests in journal.digests.items():
            if dest in certain:
                continue
            held.uncertain[dest] = held.uncertain.get(dest, frozenset()).union(digests)
        # One that was not made after all is dropped by whoever finds it missing.
        held.folders |= journal.folders

    def _path(self, name: str) -> str:
        return os.path.join(self._folder, name)

    def _load(self) -> _Held:
        if self._held is None:
            held = _Held()
            self._read("ownership.json", lambda data, written_ns: _read_ownership(data, written_ns, held))
            self._read("journal.json", lambda data, _: _set_journal(data, held))
            self._held = held
        return self._held

    def _read(self, name: str, into: Callable[[bytes, int], None]) -> None:
        path = self._path(name)
        try:
            with open(path, "rb") as file:
                data = file.read()
                written_ns = os.fstat(file.fileno()).st_mtime_ns
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            self._warn(path, error.strerror or str(error))
            return
        try:
            into(data, written_ns)
        except _NewerError as error:
            raise LocalError(
                f"{path} was written by a dlm that came later ({error})",
                hint="upgrade dlm, or set DLM_STATE_DIR to another folder",
            ) from None
        except (ValueError, TypeError, KeyError, RecursionError):
            self._warn(path, "it is damaged")

    def _warn(self, path: str, reason: str) -> None:
        self._reporter.emit(
            Warned(f"cannot read {path}: {reason}; what dlm placed in this project is judged by the lockfile alone")
        )

    def _write(self, held: _Held) -> None:
        document = {
            "version": _VERSION,
            "project": self._project,
            "folders": sorted(held.folders),
            "uncertain": Entries((dest, sorted(held.uncertain[dest])) for dest in sorted(held.uncertain)),
            "placements": Entries((dest, _placement_out(held.placements[dest])) for dest in sorted(held.placements)),
        }
        held.written_ns = replace_file(self._path("ownership.json"), pieces_of(document))


def _placement_out(one: Placement) -> list[Any]:
    values = [one.sha256, one.mode, one.size, one.mtime_ns, one.ctime_ns, one.inode, one.executable]
    return [*values, one.signature] if one.signature else values


def _owned(dest: str, placement: Placement) -> Owned:
    return Owned(dest=dest, digests=frozenset({placement.sha256}), placement=placement)


def _digests(owned: Mapping[str, Owned], dest: str) -> frozenset[str]:
    known = owned.get(dest)
    return known.digests if known else frozenset()


def _set_journal(data: bytes, held: _Held) -> None:
    held.journal = read_journal(data)


def _read_ownership(data: bytes, written_ns: int, held: _Held) -> None:
    found: Any = json.loads(data)
    if not isinstance(found, dict) or type(found.get("version")) is not int:
        raise ValueError("no version")
    if found["version"] > _VERSION:
        raise _NewerError(f"version {found['version']}")
    folders = found["folders"]
    if not isinstance(folders, list) or not all(map(is_inside, (*folders, *found["placements"]))):
        raise ValueError("a path that is not in the project")
    placements = {dest: _read_placement(dest, values) for dest, values in found["placements"].items()}
    uncertain = read_digests(found["uncertain"])
    held.placements, held.uncertain, held.folders = placements, uncertain, frozenset(folders)
    held.written_ns = written_ns


def _read_placement(dest: str, values: list[Any]) -> Placement:
    sha256, mode, size, mtime_ns, ctime_ns, inode, executable, *rest = values
    if len(rest) > 1 or not all(isinstance(one, str) for one in rest):
        raise ValueError("no placement")
    known = next((one for one in LINK_MODES if one == mode), None)
    if known is None or not all(type(number) is int for number in (size, mtime_ns, ctime_ns, inode)):
        raise ValueError("no placement")
    return Placement(
        dest=dest,
        sha256=Digest("sha256", sha256).value,
        mode=known,
        size=size,
        mtime_ns=mtime_ns,
        ctime_ns=ctime_ns,
        inode=inode,
        executable=bool(executable),
        signature=rest[0] if rest else "",
    )
