"""An archive becomes a folder or a file: ``inspect`` (only looks), ``unpack``, ``unpack_file``.

What a blob is, its bytes say: tar, plain or packed with gzip, bzip2, xz or zstd; zip; or one compressed file.

The archive is read twice. First every member is looked at and nothing is written; an archive that is hostile, or that
two programs would read in two ways, goes no further (see ``dlm.place.layout``). Then the members are written into a
folder that is empty and private, folders first and links last, so that nothing is ever written through a link; every
step is relative to an open folder and follows none. Modes are 0755 and 0644 under the umask, owners and times are not
the archive's. If anything fails, the folder is emptied.

Nothing inside an archive is unpacked in its turn.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Self

from dlm.errors import ArchiveError, LocalError, PolicyError
from dlm.model.extract import DEFAULT_LIMITS, Extracted
from dlm.model.frozen import dataclass
from dlm.model.listing import Entry, Listing
from dlm.place.flush import Flush
from dlm.place.layout import Layout
from dlm.place.member import damaged
from dlm.place.streams import BlobFile, Meter, compression_of, open_stream, unpacked
from dlm.place.tar_archive import TarArchive, is_tar
from dlm.place.tree import disk_error
from dlm.place.treedigest import remove_inside
from dlm.place.zip_archive import ZipArchive, ends_as_zip, is_zip

if TYPE_CHECKING:
    from dlm.model.artifact import Blob
    from dlm.model.extract import Extract, Limits
    from dlm.model.listing import Kind
    from dlm.place.layout import Spot
    from dlm.place.member import Archive, Member
    from dlm.place.streams import Compression
    from dlm.place.tree import Folder

__all__ = ["Inspected", "inspect", "unpack", "unpack_file"]

_HEAD = 512
#: Headers in front of a member of a tar file, such as long names, for each member that is allowed.
_HEADERS_EACH = 4
_NEW = (
    os.O_WRONLY
    | os.O_CREAT
    | os.O_EXCL
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_BINARY", 0)
)
_READ = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
_OPEN_FOLDERS = 32
#: How far the mtime of a new file lies back: more than a tick of the clock, so that a later edit leaves another one.
_BACK_NS = 20_000_000


@dataclass(frozen=True, slots=True)
class Inspected:
    """What is in an archive.

    Attributes:
        extracted: as the lockfile says it.
        listing: every name that would come out; None for one file.
    """

    extracted: Extracted
    listing: Listing | None = None


def inspect(blob: Blob, wish: Extract, filename: str, *, limits: Limits = DEFAULT_LIMITS) -> Inspected:
    """What ``wish`` would make of an archive, without writing anything; one pass over it.

    Args:
        filename: the artifact's; it tells a compressed file from an archive (see :meth:`Extract.shape`).

    Raises:
        PolicyError: the archive is refused.
        ArchiveError: it cannot be unpacked.
        LocalError: the blob cannot be read.
    """
    with _opened(blob) as file:
        if wish.member is None and wish.shape(filename) == "file":
            return Inspected(_summary(_hashed(_single(file, limits))))
        layout = Layout(wish, limits, blob.size)
        made = _Made()
        wanted: Spot | None = None
        for member, body in _archive(file, limits).members():
            spot = layout.add(member)
            if spot is not None:
                wanted = spot
                made.add(spot, _hashed(body) if member.kind == "file" else None)
        layout.finish()
        if wish.member is not None and wanted is not None:
            _only_a_file(wanted.member)
            return Inspected(made.one_file(wanted))
        listing = made.listing(layout)
        return Inspected(Extracted(files=listing.files, tree=listing.tree), listing)


def unpack(blob: Blob, wish: Extract, into: Folder, *, shown: str, limits: Limits = DEFAULT_LIMITS) -> Listing:
    """Unpack an archive into a folder; all of it is on the disk afterwards.

    Args:
        into: an empty folder that nobody else knows.
        shown: how messages call the folder that it becomes.

    Returns:
        everything that is in the folder now.

    Raises:
        PolicyError: the archive is refused; nothing was written, or nothing is left of it.
        ArchiveError: it cannot be unpacked; likewise.
        LocalError: the disk refuses, or the blob changed; likewise.
    """
    with _opened(blob) as file:
        layout, spots = _laid_out(file, blob.size, wish, limits)
        with _Writing(into, shown, Flush(len(spots))) as writing:
            try:
                for path in layout.folders:
                    writing.folder(path)
                for spot, body in _again(file, spots, limits):
                    writing.member(spot, body)
                writing.links()
                writing.settle(layout.folders)
            except OSError as error:
                writing.drop()
                raise disk_error("unpack into", writing.at, error) from error
            except BaseException:
                writing.drop()
                raise
            return writing.made.listing(layout)


def unpack_file(
    blob: Blob,
    wish: Extract,
    filename: str,
    folder: Folder,
    name: str,
    *,
    shown: str,
    flush: Flush,
    executable: bool = False,
    limits: Limits = DEFAULT_LIMITS,
) -> Extracted:
    """Make the file ``name``, which does not exist yet, from one member or from a single compressed file.

    Args:
        shown: how messages call the file that it becomes.
        executable: make it a program whatever the archive says.

    Raises:
        PolicyError, ArchiveError, LocalError: as :func:`unpack`; no file is left.
    """
    with _opened(blob) as file:
        if wish.member is None:
            return _file_of(_single(file, limits), folder, name, shown=shown, flush=flush, executable=executable)
        _, spots = _laid_out(file, blob.size, wish, limits)
        wanted = next(spot for spot in spots if spot is not None)
        _only_a_file(wanted.member)
        for spot, body in _again(file, spots, limits):
            if spot is wanted:
                program = executable or spot.member.executable
                made = _file_of(body, folder, name, shown=shown, flush=flush, executable=program)
                return Extracted(files=1, tree=made.tree, executable=spot.member.executable)
    raise LocalError(f"the cached blob {blob.path} changed while it was read")


# Opening


@contextlib.contextmanager
def _opened(blob: Blob) -> Iterator[BlobFile]:
    file = BlobFile(blob.path, blob.size)
    try:
        yield file
    finally:
        file.close()


def _archive(file: BlobFile, limits: Limits) -> Archive:
    """The archive in a blob, from its first byte. Raises ArchiveError where it is none."""
    head = file.read_at(0, _HEAD)
    meter = Meter(limits, file.size)
    if is_zip(head):
        return ZipArchive(file, meter)
    kind = compression_of(head)
    if kind is not None:
        inner = open_stream(file, kind, Meter(limits, file.size)).exactly(_HEAD)
        if not is_tar(inner):
            raise ArchiveError(
                f"it is a single {kind} file and no archive",
                hint="give the file a name that ends in its compression, such as .gz, or leave extract: out",
            )
    elif not is_tar(head):
        _refuse_polyglot(file)
        raise ArchiveError(
            "it is no archive that dlm knows: neither tar nor zip",
            hint="leave extract: out to place the file as it is",
        )
    _refuse_polyglot(file)
    return TarArchive(open_stream(file, kind, meter), limits.max_members * _HEADERS_EACH)


def _single(file: BlobFile, limits: Limits) -> Iterator[bytes]:
    """What a single compressed file holds."""
    kind: Compression | None = compression_of(file.read_at(0, _HEAD))
    if kind is None:
        raise ArchiveError(
            "it is not compressed with gzip, bzip2, xz or zstd, as its name says",
            hint="leave extract: out to place the file as it is",
        )
    _refuse_polyglot(file)
    return unpacked(file, 0, file.size, kind, Meter(limits, file.size))


def _refuse_polyglot(file: BlobFile) -> None:
    if ends_as_zip(file):
        raise PolicyError("the archive is refused: it ends as a zip file, and begins as something else")


def _laid_out(file: BlobFile, size: int, wish: Extract, limits: Limits) -> tuple[Layout, list[Spot | None]]:
    """The first pass: where everything goes."""
    layout = Layout(wish, limits, size)
    spots = [layout.add(member) for member, _ in _archive(file, limits).members()]
    layout.finish()
    return layout, spots


def _again(file: BlobFile, spots: list[Spot | None], limits: Limits) -> Iterator[tuple[Spot, Iterator[bytes]]]:
    """The second pass: the wanted members with their bytes, certainly the same ones."""
    count = 0
    for count, (member, body) in enumerate(_archive(file, limits).members(), start=1):
        if count > len(spots):
            break
        spot = spots[count - 1]
        if spot is None:
            continue
        if spot.member != member:
            count = -1
            break
        yield spot, body
    if count != len(spots):
        raise LocalError(
            f"the cached blob {file.path} changed while it was read", hint="run `dlm cache verify`, then this again"
        )


# What comes out


@dataclass(frozen=True, slots=True)
class _Content:
    sha256: str
    size: int


def _hashed(body: Iterator[bytes]) -> _Content:
    hasher = hashlib.sha256(usedforsecurity=False)
    size = 0
    for block in body:
        hasher.update(block)
        size += len(block)
    return _Content(hasher.hexdigest(), size)


def _summary(content: _Content) -> Extracted:
    return Extracted(files=1, tree=content.sha256)


def _only_a_file(member: Member) -> None:
    if member.kind == "file":
        return
    what = {"folder": "a folder", "symlink": f"a link to {member.target!r}", "hardlink": f"a link to {member.target!r}"}
    raise ArchiveError(f"{member.name!r} in the archive is {what[member.kind]}, no file", hint="name a file as member:")


class _Made:
    """The entries of the files and links that came out."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}

    def add(self, spot: Spot, content: _Content | None) -> None:
        """A member, with what its bytes are if it is a file."""
        path, member = spot.path, spot.member
        if member.kind == "symlink":
            self._entries[path] = Entry(path, "l", len(member.target.encode()), member.target)
        elif spot.source is not None:
            source = self._entries[spot.source]
            self._entries[path] = Entry(path, source.kind, source.size, source.value)
        elif content is not None:
            kind: Kind = "x" if member.executable else "f"
            self._entries[path] = Entry(path, kind, content.size, content.sha256)
            if content.size != member.size:
                raise damaged(f"{member.name!r} has not the size that it says")
        else:
            return  # a folder; the layout has those

    def one_file(self, spot: Spot) -> Extracted:
        """The one file that was asked for."""
        entry = self._entries[spot.path]
        return Extracted(files=1, tree=entry.value, executable=entry.kind == "x")

    def listing(self, layout: Layout) -> Listing:
        """Everything, the folders too."""
        return Listing([*self._entries.values(), *(Entry(path, "d") for path in layout.folders)])


# Writing


class _Writing:
    """A folder that is being filled."""

    def __init__(self, into: Folder, shown: str, flush: Flush) -> None:
        self._into = into
        self._shown = shown
        self._flush = flush
        self._open: dict[str, Folder] = {"": into}
        self._links: list[Spot] = []
        self.made = _Made()
        #: What is being written, for messages.
        self.at = shown

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._let_go()
        self._flush.drop()

    def folder(self, path: str) -> None:
        """Make a folder; the one that it lies in is there."""
        folder, name = self._parent(path)
        os.mkdir(folder.name(name), dir_fd=folder.descriptor)

    def member(self, spot: Spot, body: Iterator[bytes]) -> None:
        """Write a file; remember a link for later."""
        kind = spot.member.kind
        if kind == "file":
            folder, name = self._parent(spot.path)
            self.made.add(spot, _write(body, folder, name, self._flush, executable=spot.member.executable))
        elif kind == "hardlink" and spot.source is not None:
            self._second_name(spot.source, spot.path)
            self.made.add(spot, None)
        elif kind == "symlink":
            self._links.append(spot)

    def links(self) -> None:
        """Make the symbolic links."""
        for spot in self._links:
            folder, name = self._parent(spot.path)
            os.symlink(spot.member.target, folder.name(name), dir_fd=folder.descriptor)
            self.made.add(spot, None)

    def settle(self, folders: Iterable[str]) -> None:
        """Wait until everything is on the disk."""
        self._flush.names(self._into)
        for path in folders:
            self._flush.names(self._parent(f"{path}/.")[0])
        self.at = self._shown
        self._flush.data()

    def drop(self) -> None:
        """Remove everything that was written."""
        self._let_go()
        with contextlib.suppress(OSError):  # the journal has the folder's name; the next run tries again
            remove_inside(self._into)

    def _second_name(self, source: str, path: str) -> None:
        old_folder, old = self._parent(source)
        # Kept open by itself: the next look may close the least recently used one.
        old_folder = old_folder.enter(".") if old_folder.descriptor is not None else old_folder
        try:
            folder, name = self._parent(path)
            try:
                os.link(
                    old_folder.name(old),
                    folder.name(name),
                    src_dir_fd=old_folder.descriptor,
                    dst_dir_fd=folder.descriptor,
                    follow_symlinks=False,
                )
            except (OSError, NotImplementedError):
                self._copy(old_folder, old, folder, name)  # not every file system has hard links
        finally:
            old_folder.close()

    def _copy(self, old_folder: Folder, old: str, folder: Folder, name: str) -> None:
        source = os.open(old_folder.name(old), _READ, dir_fd=old_folder.descriptor)
        with open(source, "rb", buffering=0) as file:
            executable = bool(os.fstat(source).st_mode & stat.S_IXUSR)
            _write(iter(lambda: file.read(_HEAD * 2048), b""), folder, name, self._flush, executable=executable)

    def _parent(self, path: str) -> tuple[Folder, str]:
        above, _, name = path.rpartition("/")
        self.at = os.path.join(self._shown, *path.split("/"))
        known = self._open.pop(above, None)
        if known is None:
            known = self._walk(above)
        self._open[above] = known  # the most recently used one comes last
        while len(self._open) > _OPEN_FOLDERS:
            oldest = next(key for key in self._open if key not in {"", above})
            self._open.pop(oldest).close()
        return known, name

    def _walk(self, path: str) -> Folder:
        here = self._into
        for part in path.split("/"):
            try:
                step = here.enter(part)
            finally:
                if here is not self._into:
                    here.close()
            here = step
        return here

    def _let_go(self) -> None:
        for folder in self._open.values():
            if folder is not self._into:
                folder.close()
        self._open = {"": self._into}


def _file_of(
    body: Iterator[bytes], folder: Folder, name: str, *, shown: str, flush: Flush, executable: bool
) -> Extracted:
    try:
        return _summary(_write(body, folder, name, flush, executable=executable))
    except BaseException as error:
        if not isinstance(error, FileExistsError):
            with contextlib.suppress(OSError):
                os.unlink(folder.name(name), dir_fd=folder.descriptor)
        if isinstance(error, OSError):
            raise disk_error("write", shown, error) from error
        raise


def _write(body: Iterator[bytes], folder: Folder, name: str, flush: Flush, *, executable: bool) -> _Content:
    """A new file with these bytes. Raises OSError."""
    hasher = hashlib.sha256(usedforsecurity=False)
    size = 0
    target = os.open(folder.name(name), _NEW, 0o755 if executable else 0o644, dir_fd=folder.descriptor)
    try:
        for block in body:
            hasher.update(block)
            size += len(block)
            rest = memoryview(block)
            while rest:
                rest = rest[os.write(target, rest) :]
        if os.utime in os.supports_fd:
            back = os.fstat(target).st_mtime_ns - _BACK_NS
            os.utime(target, ns=(back, back))
        flush.file(target)
    finally:
        os.close(target)
    return _Content(hasher.hexdigest(), size)
