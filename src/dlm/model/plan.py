"""What is here already (``Survey``) and what is to be done about the rest (``Plan``)."""

from __future__ import annotations

from collections.abc import Mapping

from dlm.model.frozen import dataclass, field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    from dlm.model.artifact import Artifact, Blob, Placement
    from dlm.model.extract import Extract, Extracted

__all__ = [
    "ABSENT",
    "Conflict",
    "Found",
    "Owned",
    "Placing",
    "Plan",
    "Removal",
    "Shared",
    "Survey",
    "Wanted",
    "aside_name",
    "temporary_name",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Owned:
    """A path that dlm placed, or may have placed when a run was interrupted.

    Attributes:
        dest: relative and POSIX.
        digests: every sha256 that dlm put or was about to put there.
        placement: what was placed last, with the stat signature of that moment; None where only the journal tells.
    """

    dest: str
    digests: frozenset[str]
    placement: Placement | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """A path that dlm placed for other lockfiles of the same folder.

    Attributes:
        lockfiles: their names.
        digests: every sha256 that dlm put or was about to put there for them.
    """

    lockfiles: tuple[str, ...]
    digests: frozenset[str]

    def __str__(self) -> str:
        return " and ".join(self.lockfiles)


FoundKind: TypeAlias = "Literal['absent', 'file', 'symlink', 'directory', 'other']"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What stands at a path of the project right now; mostly :data:`ABSENT`.

    Attributes:
        kind: ``other`` is a device, a FIFO or a socket.
        sha256: what the file hashes to; None where that was not needed or it is no file.
        placement: how it looks, for a file that shows ``sha256``, or for a symbolic link into the store.
        executable: whether the file may be run.
        problem: why nothing can be placed there (a parent that is a file, a link that leads out), else None.
        barred: that nobody can tell what stands there, since the way to it is not permitted or cannot be read.
        empty: for a folder, that nothing is in it.
        edits: for a folder that dlm unpacked and that was edited since, what differs, one line each.
        only_added: likewise, that all that dlm put there is as it was, and other files came in.
        strangers: for a folder in whose place something else is wanted, some of what dlm did not put there; None where
            nobody looked.
    """

    kind: FoundKind
    sha256: str | None = None
    placement: Placement | None = None
    executable: bool = False
    problem: str | None = None
    policy: bool = False
    barred: bool = False
    empty: bool = False
    edits: tuple[str, ...] = ()
    only_added: bool = False
    strangers: tuple[str, ...] | None = None


#: Nothing stands there, and nothing speaks against making something. One for all: it may be so of a hundred thousand.
ABSENT = Found(kind="absent")


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What is here already, taken once per run.

    Attributes:
        blobs: what the store holds, by sha256.
        found: what stands at each path that this run may touch.
        owned: what dlm placed, by path.
        shared: what it placed for other lockfiles of the same folder, by path.
    """

    blobs: Mapping[str, Blob]
    found: Mapping[str, Found]
    owned: Mapping[str, Owned]
    shared: Mapping[str, Shared] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One path that the run wants to show one artifact."""

    artifact: Artifact
    link: str = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """A path that dlm placed and nothing asks for any more. ``folder``: an archive was unpacked there."""

    dest: str
    sha256: str | None
    folder: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """A path that is not dlm's to change.

    Attributes:
        policy: because it leads out of the project.
        forcible: ``--force`` would change it all the same.
        barred: nobody could tell what stands there, so it is still known as dlm's.
        shared: dlm placed it for another lockfile of the same folder.
        details: for a folder, what was edited in it, one line each.
    """

    dest: str
    resource: str | None
    reason: str
    policy: bool = False
    forcible: bool = False
    barred: bool = False
    shared: bool = False
    details: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a sync does: the same value that ``--dry-run`` prints and the run then carries out.

    Attributes:
        keep: paths that already show what they should.
        adopt: those among them that dlm did not place, and from now on owns.
        grown: folders among them that files of others came into; all that dlm put there is as it was.
        place: paths to change, in order.
        fetch: artifacts whose bytes are not in the store.
        remove: paths to remove.
        left: paths that nothing asks for any more and that stay, since they were edited, cannot be got at, or are
            another lockfile's, too; but for those that stand in the way.
        conflicts: paths that stand in the way; with any of them, nothing is done.
        instead: for each path to change that comes in the stead of others, which dlm placed above or below it: those.
            They go first. None of them for a folder that a killed run has emptied already.
    """

    keep: tuple[Wanted, ...] = ()
    adopt: tuple[Wanted, ...] = ()
    grown: tuple[Wanted, ...] = ()
    place: tuple[Wanted, ...] = ()
    fetch: tuple[Artifact, ...] = ()
    remove: tuple[Removal, ...] = ()
    left: tuple[Conflict, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    instead: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def changes(self) -> bool:
        """Whether the tree would change."""
        return bool(self.place or self.remove)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placing:
    """One path that is about to show a blob.

    Attributes:
        resource: who asked for it.
        link: how, or ``auto``.
        found: what the survey saw there; if it is not that any more, the path is left alone.
        filename: the artifact's, which tells what becomes of an archive.
        extract: what becomes of the blob where it is an archive; None shows it as it is.
        extracted: what comes out of it; always known where it is one.
        instead: the paths in whose stead it comes, above or below it, which go first; None where there are none, an
            empty one where folders that hold nothing are all that is left of them.
    """

    dest: str
    blob: Blob
    resource: str
    found: Found
    link: str = "auto"
    executable: bool = False
    filename: str = ""
    extract: Extract | None = None
    extracted: Extracted | None = None
    instead: tuple[str, ...] | None = None

    @property
    def beside(self) -> str:
        """The path beside which it is made ready: its own, or that of a file or folder which has to go before the
        folder that it lies in can be made."""
        if not self.instead:
            return self.dest
        above = next((path for path in self.instead if self.dest.startswith(f"{path}/")), None)
        return self.dest if above is None else above

    @property
    def is_folder(self) -> bool:
        """Whether the path becomes a folder."""
        return self.extract is not None and self.extract.shape(self.filename) == "folder"

    @property
    def swaps(self) -> bool:
        """Whether a folder stands there before or afterwards, so that no single rename replaces it everywhere."""
        looked_into = self.found.empty or self.found.sha256 is not None
        return self.is_folder or (self.found.kind == "directory" and looked_into)

    @property
    def shown(self) -> str:
        """The digest of what the path will show."""
        return self.blob.sha256 if self.extracted is None else self.extracted.tree


def temporary_name(token: str, number: int) -> str:
    """The name beside a destination under which its new file is made ready.

    Short whatever the destination is called, so that it is never what makes a path too long. The journal knows the
    token and how many there are, so the next run removes what a killed one left, and nothing else.
    """
    return f".dlm-{token}-{number}.tmp"


def aside_name(token: str, placed: int, number: int) -> str:
    """Another such name, for a folder that goes: of the ``number``-th change, counted over ``placed`` paths to show
    and the paths to remove behind them."""
    return temporary_name(token, placed + number)
