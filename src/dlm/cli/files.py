"""Finding a project's two documents, reading them, and replacing the lockfile atomically."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator

from dlm.cli.places import LOCKFILE, MANIFESTS, upwards
from dlm.errors import LocalError, UsageError
from dlm.store.guard import try_whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

__all__ = ["DocumentFiles", "find_project", "write_atomically"]

_DRAFT, _DIGITS, _END = ".dlm-draft-", 12, ".tmp"
_OLD = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)


class DocumentFiles:
    """The manifest and the lockfile of one project, by path."""

    def __init__(self, root: str, manifest: str | None, lockfile: str) -> None:
        self.root = root
        self.manifest_path = manifest
        self.lockfile_path = lockfile

    @property
    def manifest_name(self) -> str:
        """The manifest's file name."""
        return os.path.basename(self.manifest_path) if self.manifest_path else MANIFESTS[0]

    @property
    def lockfile_name(self) -> str:
        """The lockfile's file name."""
        return os.path.basename(self.lockfile_path)

    def read_manifest(self) -> bytes:
        """The manifest's bytes."""
        if self.manifest_path is None:
            raise _no_manifest(self.root)
        data = _read(self.manifest_path)
        if data is None:
            raise UsageError(f"{self.manifest_path} does not exist", hint="run `dlm init`")
        return data

    def write_manifest(self, data: bytes) -> None:
        """Replace the manifest."""
        if self.manifest_path is None:
            raise _no_manifest(self.root)
        write_atomically(self.manifest_path, data)

    @contextlib.contextmanager
    def open_lockfile(self) -> Iterator[BinaryIO | None]:
        """The lockfile to read from, or None."""
        path = self.lockfile_path
        try:
            file = open(path, "rb")  # noqa: SIM115 - closed below
        except FileNotFoundError:
            yield None
            return
        except OSError as error:
            raise _unreadable(path, error) from error
        with file:
            try:
                yield file
            except OSError as error:
                raise _unreadable(path, error) from error

    def read_lockfile(self) -> bytes | None:
        """The lockfile's bytes, or None."""
        with self.open_lockfile() as file:
            return None if file is None else file.read()

    def write_lockfile(self, data: bytes) -> None:
        """Replace the lockfile."""
        write_atomically(self.lockfile_path, data)


def find_project(directory: str, manifest: str | None, *, need_manifest: bool = True) -> DocumentFiles:
    """The project that ``directory`` lies in, or that of the manifest named.

    Args:
        directory: where to begin, absolute.
        manifest: a manifest's path as the user gave it, relative to ``directory``, or None to look for one.
        need_manifest: whether a lockfile alone is not enough.

    Raises:
        UsageError: there is none, or there are two.
    """
    if not os.path.isdir(directory):
        raise UsageError(f"{directory} is no folder", hint="name one that is there with -C")
    if manifest is not None:
        path = os.path.join(directory, manifest)
        if not os.path.lexists(path) and need_manifest:
            raise UsageError(f"{manifest} does not exist", hint="name a manifest with -f, or run `dlm init`")
        stem = os.path.splitext(os.path.basename(path))[0]
        root = os.path.dirname(os.path.abspath(path))
        return DocumentFiles(root, os.path.abspath(path), os.path.join(root, f"{stem}.lock"))
    for folder in upwards(directory):
        found = [name for name in MANIFESTS if os.path.lexists(os.path.join(folder, name))]
        if len(found) > 1:
            raise UsageError(f"{folder} holds both {' and '.join(found)}", hint="remove one of them")
        if found:
            path = os.path.join(folder, found[0])
            return DocumentFiles(folder, path, os.path.join(folder, LOCKFILE))
        if not need_manifest and os.path.lexists(os.path.join(folder, LOCKFILE)):
            return DocumentFiles(folder, None, os.path.join(folder, LOCKFILE))
    raise _no_manifest(directory)


def _no_manifest(directory: str) -> UsageError:
    return UsageError(
        f"no {MANIFESTS[0]} in {directory} or above it", hint="run `dlm init` to begin one, or name one with -f"
    )


def _read(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: str, error: OSError) -> LocalError:
    return LocalError(f"{path} cannot be read: {error.strerror}", hint="check its permissions")


def write_atomically(path: str, data: bytes) -> None:
    """Give ``path`` the bytes ``data``: written beside it, flushed, renamed, the folder flushed.

    A link is followed, so that a lockfile kept elsewhere stays there; one that leads to nothing, or to a device, is
    not, since it may have come with the repository. The mode of an old file is kept. Whoever writes holds a lock on
    what is not renamed yet, and first removes what nobody holds any more: the drafts of runs that were killed.

    Raises:
        LocalError: the disk refuses; the old file is whole.
    """
    target = os.path.realpath(path)
    if os.path.islink(path) and not os.path.exists(target):
        raise LocalError(f"{path} is a link to {target}, which does not exist", hint="remove the link")
    if os.path.exists(target) and not os.path.isfile(target):
        raise LocalError(f"{path} is no file and is left as it is", hint="move it out of the way")
    folder = os.path.dirname(target)
    try:
        try:
            mode = os.stat(target).st_mode & 0o777
        except FileNotFoundError:
            mode = 0o666
        _remove_drafts(folder)
        draft, descriptor = _new_draft(folder, mode)
        try:
            try:
                view = memoryview(data)
                while view:
                    view = view[os.write(descriptor, view) :]
                os.fsync(descriptor)
                if os.name == "nt":  # where no open file is renamed
                    os.close(descriptor)
                    descriptor = -1
                os.replace(draft, target)
            finally:
                if descriptor >= 0:
                    os.close(descriptor)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(draft)
            raise
    except OSError as error:
        raise LocalError(f"{path} cannot be written: {error.strerror}", hint="check permissions and space") from error
    _flush_folder(folder)


def _new_draft(folder: str, mode: int) -> tuple[str, int]:
    """A new file, open and locked, and its path. Raises OSError."""
    while True:
        draft = os.path.join(folder, f"{_DRAFT}{os.urandom(_DIGITS // 2).hex()}{_END}")
        descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)
        try:
            mine = try_whole(descriptor) and os.fstat(descriptor).st_nlink > 0
        except OSError:
            return draft, descriptor  # without locks nobody removes what they find
        if mine:
            return draft, descriptor
        os.close(descriptor)  # between the two calls somebody took it for one that nobody holds


def _remove_drafts(folder: str) -> None:
    """Remove the drafts of runs that were killed. What may be another's, or cannot be removed, stays."""
    try:
        names = os.listdir(folder)
    except OSError:
        return  # missing, which whoever writes will see; or one may write here and not look
    for name in filter(_is_draft, names):
        path = os.path.join(folder, name)
        with contextlib.suppress(OSError):
            descriptor = _open_draft(path)
            try:
                dead = stat.S_ISREG(os.fstat(descriptor).st_mode) and try_whole(descriptor)
                if dead and os.name != "nt":  # where no open file is removed
                    os.unlink(path)
            finally:
                os.close(descriptor)
            if dead and os.name == "nt":
                os.unlink(path)


def _is_draft(name: str) -> bool:
    digits = name.removeprefix(_DRAFT).removesuffix(_END)
    return name == f"{_DRAFT}{digits}{_END}" and len(digits) == _DIGITS and set(digits) <= set("0123456789abcdef")


def _open_draft(path: str) -> int:
    """Raises OSError, also where it is a link."""
    try:
        return os.open(path, os.O_RDWR | _OLD)
    except PermissionError:
        return os.open(path, os.O_RDONLY | _OLD)  # as the file is whose place it was to take


def _flush_folder(folder: str) -> None:
    if os.name == "nt":
        return  # folders cannot be opened there; NTFS journals renames
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return  # readable only by others: the rename is done, and only a power cut could tell the difference
    try:
        os.fsync(descriptor)
    except OSError as error:
        raise LocalError(f"{folder} cannot be flushed: {error.strerror}") from error
    finally:
        os.close(descriptor)
