"""Archives in the verbs: what stands where they are unpacked, and what comes out of those in the store."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from dlm.errors import DlmError, LockfileError
from dlm.model.frozen import replace
from dlm.place.survey import look
from dlm.place.tree import Tree
from dlm.state.trees import TreeNotes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dlm.model.artifact import Blob
    from dlm.model.extract import Extract, Extracted
    from dlm.model.lockfile import LockedArtifact, LockEntry
    from dlm.model.plan import Found, Owned
    from dlm.workflows.run import Run

__all__ = ["Inspector", "is_folder", "look_in_the_way", "notes", "shows_locked", "survey", "wish_of"]


class Inspector:
    """What comes out of archives that the store holds. Each is read once in a run, and nothing is unpacked."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, Extract, str], Extracted] = {}

    def look(self, blob: Blob, wish: Extract, *, filename: str, resource: str) -> Extracted:
        """What ``wish`` makes of an archive.

        Args:
            filename: the artifact's, which tells a compressed file from an archive.

        Raises:
            PolicyError: the archive is refused.
            ArchiveError: it cannot be unpacked.
            LocalError: the blob cannot be read.
        """
        known = self.known(blob.sha256, wish, filename)
        if known is not None:
            return known
        from dlm.place.unpack import inspect

        try:
            found = inspect(blob, wish, filename).extracted
        except DlmError as error:
            error.resource = error.resource or resource
            raise
        self._seen[blob.sha256, wish, wish.shape(filename)] = found
        return found

    def known(self, sha256: str, wish: Extract, filename: str) -> Extracted | None:
        """What was seen already, if anything."""
        return self._seen.get((sha256, wish, wish.shape(filename)))


def wish_of(entry: LockEntry) -> Extract | None:
    """What becomes of the artifacts of a lock entry. Raises LockfileError."""
    written = entry.request.get("extract")
    if written is None:
        return None
    from dlm.model.extract import Extract

    try:
        return Extract.from_request(written)
    except (ValueError, TypeError) as error:
        raise LockfileError(f"the request of {entry.name}: {error}", hint="run `dlm lock`") from error


def is_folder(entry: LockEntry, one: LockedArtifact) -> bool:
    """Whether the destination of a locked artifact is a folder. Raises LockfileError."""
    wish = wish_of(entry)
    return wish is not None and wish.shape(one.filename) == "folder"


def notes(run: Run) -> TreeNotes:
    """What came out of archives in this project."""
    return TreeNotes(run.state.folder)


def survey(
    run: Run, dests: Iterable[str], owned: Mapping[str, Owned], *, folders: Collection[str], rehash: bool = False
) -> dict[str, Found]:
    """What stands at each of ``dests``; a folder is looked into only where dlm has or will have one.

    Args:
        owned: what dlm placed, from the state.
        folders: those among ``dests`` where an archive is unpacked, by the manifest or a lockfile.
        rehash: read every file, whatever its signature says.
    """
    root, outside, written_ns = run.files.root, run.settings.allow_outside, run.state.written_ns
    found = look(
        root,
        dests,
        owned,
        written_ns=written_ns,
        blob_path=run.store.path_of,
        allow_outside=outside,
        rehash=rehash,
    )
    noted = notes(run).read
    with Tree(root, outside) as tree:
        for dest, one in found.items():
            if one.kind != "directory" or one.problem is not None:
                continue
            known = owned.get(dest)
            placed = known.placement if known is not None else None
            # Where only the journal tells, a killed run may have put a folder there.
            may_be = dest in folders or (known is not None and (placed is None or bool(placed.signature)))
            if may_be:
                from dlm.place.folders import look_folder

                found[dest] = look_folder(tree, dest, placed, written_ns=written_ns, noted=noted, rehash=rehash)
    return found


def look_in_the_way(
    run: Run, dests: Iterable[str], found: dict[str, Found], others: Mapping[str, tuple[str, ...]]
) -> None:
    """Complete what was found at ``dests``: where a folder of dlm's stands in the way, whether only dlm's is in it.

    Args:
        others: what of dlm's lies above or below each of them, from :func:`dlm.planning.nested`.
    """
    made = run.state.folders
    way = [dest for dest in dests if found[dest].kind == "directory" and (dest in made or dest in others)]
    if not way:
        return
    from dlm.place.making_way import strangers

    with Tree(run.files.root, run.settings.allow_outside) as tree:
        for dest in way:
            below = [other for other in others.get(dest, ()) if other.startswith(f"{dest}/")]
            if below or dest in made:
                found[dest] = replace(found[dest], strangers=strangers(tree, dest, set(below), made))


def shows_locked(entry: LockEntry, one: LockedArtifact, found: Found, owned: Mapping[str, Owned]) -> bool:
    """Whether a destination shows what is locked.

    Where the lockfile does not say yet what comes out of an archive, the state says what came out.
    """
    if found.sha256 is None:
        return False
    if wish_of(entry) is None:
        return found.sha256 == one.sha256
    if one.extracted is not None:
        return found.sha256 == one.extracted.tree
    known = owned.get(one.dest)
    return known is not None and found.sha256 in known.digests
