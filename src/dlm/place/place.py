"""Blobs become files of the tree, and files of the tree go: ``carry_out``.

First every new file is made ready beside its destination, under a temporary name, and all data is flushed. Up to there
nothing that anybody sees has changed, and a full disk leaves everything as it was. Then each destination changes by one
rename, and each removal is one unlink, after a last look that what is replaced is still what the survey saw. At no
moment does a path show anything but its old or its new bytes. What has to go before another path can be shown, since it
stands above or below that one, goes between the two, and the state forgets it before anything is shown in its stead.

The caller has written the journal before, and notes in the state what comes back.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from dlm.errors import DlmError, IntegrityError, LocalError
from dlm.model.artifact import Placement
from dlm.model.events import LinkFellBack, Placed, Removed
from dlm.model.frozen import dataclass, field, replace
from dlm.model.plan import Conflict, aside_name, temporary_name
from dlm.place.flush import Flush
from dlm.place.link import Habits, Made, make_file
from dlm.place.survey import hash_name, same_file
from dlm.place.tree import NotAFolderError, Tree, disk_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dlm.model.extract import Extract, Limits
    from dlm.model.listing import Listing
    from dlm.model.plan import Found, Placing, Removal
    from dlm.place.beside import Beside
    from dlm.place.link import Look
    from dlm.place.tree import Folder
    from dlm.place.whole import Whole
    from dlm.ports import Clock, Reporter

__all__ = ["Done", "carry_out"]

#: Files that a second process is worth: it costs what some hundred of them do.
_MANY = 600
_EDITED = "it was changed while dlm was at work"
#: Windows refuses to replace a file that a program has open, such as a virus scanner, for a moment.
_REFUSES_OPEN_FILES = os.name == "nt"
_WAITS = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What became of the tree.

    Attributes:
        placements: the paths that show their blobs now.
        removed: the paths that are gone.
        left: the paths that were left alone, since they are not what the survey saw.
        folders: the folders that were made, relative and POSIX.
        folders_removed: those among dlm's folders that are gone.
        errors: what could not be done, each with its path.
        listings: what is in the folders among ``placements``.
    """

    placements: tuple[Placement, ...] = ()
    removed: tuple[str, ...] = ()
    left: tuple[Conflict, ...] = ()
    folders: tuple[str, ...] = ()
    folders_removed: tuple[str, ...] = ()
    errors: tuple[DlmError, ...] = ()
    listings: tuple[Listing, ...] = ()


@dataclass(slots=True)
class _Work:
    """What has come of it so far."""

    tree: Tree
    reporter: Reporter
    clock: Clock
    force: bool
    flush: Flush
    folders: set[str]
    placements: list[Placement] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    left: list[Conflict] = field(default_factory=list)
    folders_removed: list[str] = field(default_factory=list)
    errors: list[DlmError] = field(default_factory=list)
    fell_back: set[LinkFellBack] = field(default_factory=set)
    listings: list[Listing] = field(default_factory=list)
    heard: bool = True


@dataclass(frozen=True, slots=True)
class _Ready:
    """A new file or folder under its temporary name, and another such name for a folder that it takes the place of."""

    change: Placing
    temporary: str
    aside: str
    made: Made
    listing: Listing | None = None


def carry_out(
    root: str,
    place: Sequence[Placing],
    remove: Sequence[Removal],
    found: Mapping[str, Found],
    *,
    token: str,
    folders: Iterable[str],
    reporter: Reporter,
    clock: Clock,
    allow_outside: Iterable[str] = (),
    force: bool = False,
    limits: Limits | None = None,
    forget: Callable[[Collection[str]], None] = lambda _: None,
    forks: bool = False,
) -> Done:
    """Place and remove. What fails for one path alone is in ``errors``, and the others go on.

    Args:
        root: the project's folder.
        found: what the survey saw at the paths to remove.
        token: of the temporary names, from the journal.
        folders: those that dlm made; they go when they become empty.
        force: replace and remove also what is not what the survey saw.
        limits: how much may come out of one archive; None for what is usual.
        forget: notes that paths are gone, before others are shown in their stead; may raise LocalError.
        forks: whether a second process may help; only where this one is dlm's own.

    Raises:
        LocalError: a file cannot be made ready; then no destination has changed. Or ``forget`` failed, and the journal
            tells what has.
        PolicyError: a link leads out of the project, or an archive is refused; likewise.
        ArchiveError, IntegrityError: an archive cannot be unpacked, or to something else than expected; likewise.
    """
    with Tree(root, allow_outside) as tree:
        work = _Work(tree, reporter, clock, force, Flush(len(place) + len(remove)), set(folders))
        work.heard = getattr(reporter, "hears_placed", True)
        try:
            ready, wholes = _make_ready(work, place, token, limits, forks=forks)
            first = {path for change in place if change.instead for path in change.instead}
            leaving = [
                (removal, aside_name(token, len(place), number)) for number, removal in enumerate(remove, len(place))
            ]
            for removal, aside in leaving:
                if removal.dest in first:
                    _remove(work, removal, found.get(removal.dest), aside)
                    work.tree.forget_below(removal.dest)
            if any(change.instead is not None for change in place):
                ready = _make_way(work, ready, {removal.dest for removal in remove} - set(work.removed))
                forget((first - {removal.dest for removal in remove}) | set(work.removed))
            for whole in wholes:
                _show_whole(work, whole, place, token)
            for one in ready:
                _show(work, one)
            if wholes and ready:
                order = {change.dest: number for number, change in enumerate(place)}
                work.placements.sort(key=lambda one: order[one.dest])
            for removal, aside in leaving:
                if removal.dest not in first:
                    _remove(work, removal, found.get(removal.dest), aside)
            changed = [change.dest for change in place] + [removal.dest for removal in remove]
            _flush_names(work, [*changed, *tree.made])
        finally:
            _close(work)
        gone = [path for path in sorted(work.folders) if not os.path.lexists(tree.shown(path))]
        return Done(
            placements=tuple(work.placements),
            removed=tuple(work.removed),
            left=tuple(work.left),
            folders=tuple(path for path in tree.made if path not in work.folders_removed),
            folders_removed=tuple(dict.fromkeys((*work.folders_removed, *gone))),
            errors=tuple(work.errors),
            listings=tuple(work.listings),
        )


# Making ready


def _make_ready(
    work: _Work, place: Sequence[Placing], token: str, limits: Limits | None, *, forks: bool
) -> tuple[list[_Ready], list[Whole]]:
    """All new files under temporary names, and folders that come whole; their data is on the disk. None of them if one
    cannot be had."""
    ready: list[_Ready] = []
    wholes: dict[str, Whole] = {}
    single = list(enumerate(place))
    dest = ""
    habits = Habits()
    beside: Beside | None = None

    def make(number: int) -> Made:
        """A file that shows a blob, under its temporary name."""
        change = place[number]
        return make_file(
            change.blob,
            work.tree.parent(change.beside)[0],
            temporary_name(token, number),
            change.link,
            executable=change.executable,
            flush=work.flush,
            habits=habits,
            direct=change.instead is None and not change.swaps,
        )

    try:
        if work.flush.together and any(change.blob.spare is not None for change in place):
            from dlm.place.whole import find_wholes

            wholes = find_wholes(work.tree, place, habits, work.flush)
            taken = set[int]().union(*(whole.files for whole in wholes.values()))
            single = [one for one in single if one[0] not in taken] if taken else single
        if forks and len(single) >= _MANY:
            from dlm.place.beside import Beside

            for _, change in single:  # before there are two who would make them
                dest = change.dest
                work.tree.parent(change.beside, make=True)
            beside = Beside.of(single, make, _MANY)
        there: dict[int, Made] | None = None
        for number, change in single:
            dest = change.dest
            temporary = temporary_name(token, number)
            aside = aside_name(token, len(place), number) if change.swaps else ""
            folder, name = work.tree.parent(change.beside, make=True)
            # Said before a long body is copied for nothing, and before anything goes for it.
            if change.instead is not None:
                name = max(dest.split("/"), key=len)
            if len(name) > 63 and len(os.fsencode(name)) > 255:
                raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
            if change.extract is not None:
                listing = _unpack(work, change, change.extract, folder, temporary, limits=limits)
                ready.append(_Ready(change, temporary, aside, Made("copy"), listing))
                continue
            if beside is not None and there is None and number >= beside.first:
                there = beside.made()
            made = None if there is None else there.get(number)
            if made is None:
                made = make(number)
            else:
                work.flush.folder(folder)
            ready.append(_Ready(change, temporary, aside, made))
        work.flush.data()
    except (OSError, DlmError) as error:
        if beside is not None:
            beside.end()
            left = single[len(ready) :]
            ready += [_Ready(change, temporary_name(token, number), "", Made("copy")) for number, change in left]
        for one in ready:
            _drop(work, one)
        for made_folder in reversed(work.tree.made):
            _remove_folder(work, made_folder)
        if isinstance(error, OSError):
            raise disk_error("write", work.tree.shown(dest), error) from error
        raise
    finally:
        if beside is not None:
            beside.end()
    return ready, list(wholes.values())


def _unpack(
    work: _Work, change: Placing, wish: Extract, folder: Folder, temporary: str, *, limits: Limits | None
) -> Listing | None:
    """What comes out of an archive, under a temporary name; None for one file."""
    from dlm.model.extract import DEFAULT_LIMITS
    from dlm.place.folders import make_folder
    from dlm.place.unpack import unpack_file

    limits = limits or DEFAULT_LIMITS
    shown = work.tree.shown(change.dest)
    try:
        if change.is_folder:
            return make_folder(
                change.blob, wish, folder, temporary, shown=shown, expected=change.extracted, limits=limits
            )
        made = unpack_file(
            change.blob,
            wish,
            change.filename,
            folder,
            temporary,
            shown=shown,
            flush=work.flush,
            executable=change.executable,
            limits=limits,
        )
        if made.tree != change.shown:
            with contextlib.suppress(OSError):  # the journal has the name; the next run tries again
                os.unlink(folder.name(temporary), dir_fd=folder.descriptor)
            raise IntegrityError(
                "another file came out of the archive than the lockfile says",
                hint="lock it anew: dlm lock --accept-hash NAME",
                details=[f"expected sha256 {change.shown}", f"unpacked sha256 {made.tree}"],
            )
    except DlmError as error:
        error.resource = error.resource or change.resource
        raise
    return None


def _drop(work: _Work, ready: _Ready) -> None:
    if ready.made.spare is not None:
        return  # it goes with the store
    with contextlib.suppress(OSError, DlmError):  # the journal has the name; the next run tries again
        folder, _ = work.tree.parent(ready.change.beside)
        if ready.listing is not None:
            from dlm.place.folders import drop_folder

            drop_folder(folder, ready.temporary)
            return
        os.unlink(folder.name(ready.temporary), dir_fd=folder.descriptor)


# The change


def _make_way(work: _Work, ready: Iterable[_Ready], stay: Collection[str]) -> list[_Ready]:
    """Take away the folders that stand empty where something else will be; what can be shown then.

    Args:
        stay: paths that should have gone, and did not, or go later.
    """
    free: list[_Ready] = []
    for one in ready:
        change = one.change
        blocked = next((path for path in change.instead or () if path in stay), None)
        if blocked is not None:
            _drop(work, one)
            reason = f"{blocked} has to go first, and stays"
            work.left.append(Conflict(dest=change.dest, resource=change.resource, reason=reason))
        elif change.instead is None or change.beside != change.dest or _cleared(work, change):
            free.append(one)
        else:
            _drop(work, one)
            work.left.append(_left(change.dest, change.resource))
    return free


def _cleared(work: _Work, change: Placing) -> bool:
    """Whether no folder with anything in it stands in the way of a path, other than one that is forced to go."""
    from dlm.place.making_way import remove_empty

    work.tree.forget_below(change.dest)
    try:
        folder, name = work.tree.parent(change.dest)
        remove_empty(folder, name)
    except (OSError, DlmError):
        return work.force and change.is_folder
    inside = f"{change.dest}/"
    work.folders_removed.extend(path for path in work.folders if path == change.dest or path.startswith(inside))
    return True


def _show_whole(work: _Work, whole: Whole, place: Sequence[Placing], token: str) -> None:
    """A folder comes, by one rename; file by file where it cannot."""
    there = whole.move(work.tree)
    if there is None:
        with contextlib.suppress(OSError, DlmError):  # which each of them will tell
            work.tree.folder(whole.path, make=True)
    start = len(whole.path) + 1
    for number in sorted(whole.files):  # some of them came into it last
        change = place[number]
        if there is not None and change.dest[start:] in there:
            work.placements.append(whole.placement(number, change))
            if work.heard:
                work.reporter.emit(Placed(change.resource, change.dest, "copy", change.blob.size))
        else:
            _show(work, _Ready(change, temporary_name(token, number), "", whole.made(number, change)))


def _show(work: _Work, ready: _Ready) -> None:
    """One destination changes, by one rename, or by an exchange where a folder comes or goes."""
    change = ready.change
    try:
        elsewhere = change.beside != change.dest
        if elsewhere:
            work.tree.forget(change.dest.rpartition("/")[0])  # opened last, it is not closed by opening the other one
        folder, name = work.tree.parent(change.dest, make=elsewhere)
        source = work.tree.parent(change.beside)[0] if elsewhere else folder
        seen = folder.stat(name)
        if seen is not None and not (change.swaps and stat.S_ISDIR(seen.st_mode)):
            _refuse_others(seen, work.tree.shown(change.dest))
        if not work.force and not _unchanged(change.found, folder, name, seen):
            _drop(work, ready)
            work.left.append(_left(change.dest, change.resource))
            return
        look = _look(ready, source)
        if change.is_folder and elsewhere:
            from dlm.place.folders import move_folder

            move_folder(source, ready.temporary, folder, name, clock=work.clock)
        elif change.swaps:
            from dlm.place.folders import swap_folder

            problem = swap_folder(folder, ready.temporary, name, ready.aside, clock=work.clock)
            if problem is not None:
                work.errors.append(_of_resource(problem, change))
        else:
            try:
                _replace(work, source, ready, folder, name)
            except OSError:
                if ready.made.spare is None:
                    raise
                # The cache was emptied meanwhile, or another folder is there now; or a copy will tell what is wrong.
                ready = _copied(ready, source)
                look = _look(ready, source)
                _replace(work, source, ready, folder, name)
        if ready.listing is not None:
            work.listings.append(ready.listing)
        work.placements.append(_placement(ready, look, folder.stat(name)))
    except OSError as error:
        _drop(work, ready)
        work.errors.append(
            _of_resource(
                disk_error("replace" if change.found.sha256 else "create", work.tree.shown(change.dest), error), change
            )
        )
        return
    except DlmError as error:
        _drop(work, ready)
        work.errors.append(error)
        return
    _tell(work, ready)


def _copied(ready: _Ready, folder: Folder) -> _Ready:
    """A copy of its own for a path whose spare cannot be had. Raises OSError, LocalError."""
    change = ready.change
    blob = replace(change.blob, spare=None)
    made = make_file(
        blob, folder, ready.temporary, change.link, executable=change.executable, flush=Flush(1), habits=Habits()
    )
    return replace(ready, made=made)


def _refuse_others(seen: os.stat_result, path: str) -> None:
    """Folders, devices, FIFOs and sockets stay, whoever asks."""
    if stat.S_ISREG(seen.st_mode) or stat.S_ISLNK(seen.st_mode):
        return
    if stat.S_ISDIR(seen.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    raise LocalError(f"{path} is a device, a FIFO or a socket", hint="move it away, or give the resource another dest")


def _replace(work: _Work, source: Folder, ready: _Ready, folder: Folder, name: str) -> None:
    temporary = ready.temporary
    waits = list(_WAITS) if _REFUSES_OPEN_FILES else []
    while True:
        try:
            if ready.made.spare is not None:
                os.replace(ready.made.spare, folder.name(name), dst_dir_fd=folder.descriptor)
            else:
                os.replace(
                    source.name(temporary),
                    folder.name(name),
                    src_dir_fd=source.descriptor,
                    dst_dir_fd=folder.descriptor,
                )
        except PermissionError:
            if not waits:
                raise
            work.clock.sleep(waits.pop(0))
        else:
            break
    if ready.made.mode == "hardlink":
        # Renaming one of two names of a file to the other does nothing, and leaves both (POSIX rename).
        with contextlib.suppress(FileNotFoundError):
            os.unlink(source.name(temporary), dir_fd=source.descriptor)


def _look(ready: _Ready, folder: Folder) -> os.stat_result | Look | Placement:
    """How the new file or folder looks. Taken before the rename: what somebody writes afterwards is not ours."""
    if ready.listing is not None:
        from dlm.place.folders import placement_of

        return placement_of(folder, ready.temporary, ready.change.dest, ready.listing)
    if ready.made.seen is not None:
        return ready.made.seen
    return os.stat(folder.name(ready.temporary), dir_fd=folder.descriptor, follow_symlinks=False)


def _placement(ready: _Ready, look: os.stat_result | Look | Placement, seen: os.stat_result | None) -> Placement:
    """The path as it is now, with the ctime that the rename gave a file, for the modes in which it means something.

    Args:
        seen: how the path looks after the rename.
    """
    if isinstance(look, Placement):
        return look
    ctime_ns = 0
    if seen is not None and ready.made.mode in {"copy", "reflink"} and _same(look, seen):
        ctime_ns = seen.st_ctime_ns
    return Placement(
        dest=ready.change.dest,
        sha256=ready.change.shown,
        mode=ready.made.mode,
        size=look.st_size,
        mtime_ns=look.st_mtime_ns,
        inode=look.st_ino,
        executable=ready.change.executable,
        ctime_ns=ctime_ns,
    )


def _same(look: os.stat_result | Look, seen: os.stat_result) -> bool:
    return (
        look.st_size == seen.st_size
        and look.st_mtime_ns == seen.st_mtime_ns
        and look.st_ino == seen.st_ino
        and not stat.S_ISLNK(seen.st_mode)
    )


def _tell(work: _Work, ready: _Ready) -> None:
    change, made = ready.change, ready.made
    if made.reason is not None:
        event = LinkFellBack(change.link, made.mode, made.reason)
        if event not in work.fell_back:
            work.fell_back.add(event)
            work.reporter.emit(event)
    if work.heard:
        work.reporter.emit(Placed(change.resource, change.dest, made.mode, change.blob.size))


def _remove(work: _Work, removal: Removal, found: Found | None, aside: str) -> None:
    """One file or folder goes, if it is still what dlm placed; and the folders that dlm made for it, if they
    are empty now."""
    dest = removal.dest
    path = work.tree.shown(dest)
    try:
        folder, name = work.tree.parent(dest)
        seen = folder.stat(name)
        if seen is not None:
            folder_goes = removal.folder and stat.S_ISDIR(seen.st_mode)
            if not folder_goes:
                _refuse_others(seen, path)
            if not work.force and not _removable(removal, found, folder, name, seen):
                work.left.append(_left(dest, None))
                return
            if folder_goes:
                from dlm.place.folders import remove_folder

                problem = remove_folder(folder, name, aside, clock=work.clock)
                if problem is not None:
                    work.errors.append(problem)
            else:
                os.unlink(folder.name(name), dir_fd=folder.descriptor)
            work.reporter.emit(Removed(dest))
    except FileNotFoundError:
        pass  # gone already, which is all that was asked
    except OSError as error:
        work.errors.append(disk_error("remove", path, error))
        return
    except DlmError as error:
        work.errors.append(error)
        return
    work.removed.append(dest)
    above = dest.rpartition("/")[0]
    while above and (above in work.folders or above in work.tree.made) and _remove_folder(work, above):
        work.folders_removed.append(above)
        above = above.rpartition("/")[0]


def _removable(removal: Removal, found: Found | None, folder: Folder, name: str, seen: os.stat_result) -> bool:
    if found is not None and _unchanged(found, folder, name, seen):
        return True
    return stat.S_ISREG(seen.st_mode) and hash_name(folder, name) == removal.sha256


def _remove_folder(work: _Work, path: str) -> bool:
    work.tree.forget(path)
    try:
        folder, name = work.tree.parent(path)
        os.rmdir(folder.name(name), dir_fd=folder.descriptor)
    except (OSError, DlmError):
        return False  # not empty: somebody put something of their own there
    return True


def _unchanged(found: Found, folder: Folder, name: str, seen: os.stat_result | None) -> bool:
    """Whether a path still is what the survey saw there, whatever that is."""
    if found.kind == "directory":
        from dlm.place.folders import still_as_found

        return still_as_found(folder, name, found)
    return _as_found(found, seen)


def _as_found(found: Found, seen: os.stat_result | None) -> bool:
    """Whether a path still is what the survey saw there."""
    if seen is None:
        return found.kind == "absent"
    if found.placement is not None:
        return same_file(found.placement, seen)
    return found.kind == "symlink" and stat.S_ISLNK(seen.st_mode)


def _left(dest: str, resource: str | None) -> Conflict:
    return Conflict(dest=dest, resource=resource, reason=_EDITED, forcible=True)


def _of_resource(error: LocalError, change: Placing) -> LocalError:
    error.resource = change.resource
    return error


# The end


def _flush_names(work: _Work, dests: Iterable[str]) -> None:
    for above in dict.fromkeys(dest.rpartition("/")[0] for dest in dests):
        try:
            work.flush.names(work.tree.folder(above))
        except (FileNotFoundError, NotAFolderError):
            continue  # it was removed, or made way
        except OSError as error:
            work.errors.append(disk_error("flush the folder", work.tree.shown(above), error))
        except DlmError as error:
            work.errors.append(error)


def _close(work: _Work) -> None:
    try:
        work.flush.close()
    except OSError as error:
        work.errors.append(disk_error("flush", work.tree.shown(""), error))
