"""Ways into the project's tree that never lead out of it: ``Tree``.

A destination is walked component by component from the project's real folder. A link on the way is followed only if it
leads to a folder inside the project, or inside one that the user's configuration allows. Where the system can open
names relative to an open folder, every step is such an opening that follows no link: a component that is swapped for a
link between a look and a write then makes the write fail, not land elsewhere. Where it cannot (Windows), every
component is looked at right before it is used.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterable
from types import TracebackType

from dlm.errors import TOO_MANY_OPEN, LocalError, PolicyError
from dlm.model.frozen import dataclass
from dlm.model.paths import names_git

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

__all__ = ["Folder", "NotAFolderError", "Tree", "disk_error"]

_RELATIVE = os.open in os.supports_dir_fd and hasattr(os, "O_NOFOLLOW") and hasattr(os, "O_DIRECTORY")
#: Folders that stay open: the most, the fewest, and as a part of all files that this process may have open.
_OPEN_FOLDERS, _FEW_FOLDERS, _PART = 64, 8, 8
_NO_NAMES = frozenset({"", ".", ".."})

_HINTS = {
    errno.ENAMETOOLONG: "give it a shorter dest",
    errno.ENOSPC: "make room on the disk",
    errno.EDQUOT: "make room in your quota",
    errno.EROFS: "the file system is mounted read-only",
    errno.EACCES: "check the permissions of the folder",
    errno.EPERM: "check the permissions of the folder",
    errno.EMFILE: TOO_MANY_OPEN,
    errno.ENFILE: TOO_MANY_OPEN,
}


def disk_error(operation: str, path: str, error: OSError) -> LocalError:
    """The error for a failed operation on a path of the project."""
    return LocalError(
        f"cannot {operation} {path}: {error.strerror or error}",
        hint=_HINTS.get(error.errno or 0, "see what stands there, and run the command again"),
    )


def _open_folders() -> int:
    try:
        limit = os.sysconf("SC_OPEN_MAX")
    except (AttributeError, ValueError, OSError):  # no such limit on this system
        limit = -1
    return _OPEN_FOLDERS if limit < 0 else min(_OPEN_FOLDERS, max(_FEW_FOLDERS, limit // _PART))


class NotAFolderError(LocalError):
    """A file, or something else that is no folder, stands where a folder has to be."""


@dataclass(frozen=True, slots=True)
class Folder:
    """An open folder of the tree.

    Attributes:
        path: its real path.
        descriptor: what names are relative to; None where this system only knows paths.
    """

    path: str
    descriptor: int | None = None

    def name(self, name: str) -> str:
        """How functions of ``os`` call a name in this folder, together with ``dir_fd=descriptor``."""
        return name if self.descriptor is not None else os.path.join(self.path, name)

    def stat(self, name: str) -> os.stat_result | None:
        """What stands at a name, without following it; None for nothing. Raises OSError."""
        try:
            return os.stat(self.name(name), dir_fd=self.descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def enter(self, name: str) -> Folder:
        """The open folder of a name in this one, to be closed. Raises OSError, also where it is a link."""
        return _open_inside(self, name)

    def close(self) -> None:
        """Let go of the folder."""
        _close(self)


class Tree:
    """One project's tree, for one thread, as a context manager.

    Args:
        root: the project's folder.
        allow_outside: folders elsewhere that links in the project may lead to.
    """

    def __init__(self, root: str, allow_outside: Iterable[str] = ()) -> None:
        self._root = os.path.realpath(root)
        self._bases = (self._root, *(os.path.realpath(folder) for folder in allow_outside))
        self._folders: dict[str, Folder] = {}
        self._most = _open_folders()
        #: The folders that were made, relative and POSIX, outer ones first.
        self.made: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        for path in list(self._folders):
            self.forget(path)

    def shown(self, dest: str) -> str:
        """How messages call a destination: its whole path."""
        return os.path.join(self._root, *dest.split("/"))

    def parent(self, dest: str, *, make: bool = False) -> tuple[Folder, str]:
        """The open folder that a destination lies in, and its name there.

        Args:
            make: make folders that are missing.

        Raises:
            FileNotFoundError: a folder is missing, and ``make`` is not set.
            NotAFolderError: something else stands in the place of a folder.
            PolicyError: a link leads out of the project.
            LocalError: the disk refuses.
        """
        above, _, name = dest.rpartition("/")
        known = self._folders.get(above)
        if known is not None and name not in _NO_NAMES and dest[0] != "/":
            return known, name
        if name in {"", ".", ".."} or os.path.isabs(dest):
            raise PolicyError(f"{dest!r} is no path inside a project")
        return self.folder(above, make=make), name

    def folder(self, path: str, *, make: bool = False) -> Folder:
        """The open folder at a path, relative and POSIX, ``""`` for the project; see :meth:`parent`."""
        known = self._folders.get(path)
        if known is None:
            while len(self._folders) >= self._most:
                self.forget(next(iter(self._folders)))
            known = self._folders[path] = self._walk(path, make=make)
        return known

    def forget(self, path: str) -> None:
        """Close the folder at a path, so that it is looked for again."""
        known = self._folders.pop(path, None)
        if known is not None:
            _close(known)

    def forget_below(self, path: str) -> None:
        """Close the folder at a path and all below it, since something else may come to stand there."""
        for known in [one for one in self._folders if one == path or one.startswith(f"{path}/")]:
            self.forget(known)

    def link_problem(self, folder: Folder, name: str, dest: str) -> str | None:
        """Why a destination that is a link must not be touched: it leads out of the project. Else None."""
        target = os.path.realpath(os.path.join(folder.path, name))
        if any(_within(target, base) for base in self._bases):
            return None
        return f"{self.shown(dest)} is a link that leads out of the project, to {target}"

    # The walk

    def _walk(self, path: str, *, make: bool) -> Folder:
        parts = path.split("/") if path else []
        if {"", ".", ".."} & set(parts):
            raise PolicyError(f"{path!r} is no path inside a project")
        here = self._base(self._root)
        for count, part in enumerate(parts, start=1):
            so_far = "/".join(parts[:count])
            try:
                step = self._step(here, part, so_far, make=make)
            except FileNotFoundError:
                raise
            except OSError as error:
                raise disk_error("open the folder", self.shown(so_far), error) from error
            finally:
                _close(here)
            here = step
        return here

    def _step(self, here: Folder, part: str, so_far: str, *, make: bool) -> Folder:
        found = here.stat(part)
        if found is None:
            if not make:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self.shown(so_far))
            self._make(here, part, so_far)
        elif stat.S_ISLNK(found.st_mode) or _is_junction(here, part):
            return self._follow(here, part, so_far)
        elif not stat.S_ISDIR(found.st_mode):
            raise NotAFolderError(
                f"{self.shown(so_far)} is not a folder", hint="move it away, or give the resource another dest"
            )
        return _open_inside(here, part)

    def _make(self, here: Folder, part: str, so_far: str) -> None:
        try:
            os.mkdir(here.name(part), dir_fd=here.descriptor)
        except FileExistsError:
            return  # by somebody else, just now
        except OSError as error:
            raise disk_error("make the folder", self.shown(so_far), error) from error
        self.made.append(so_far)

    def _follow(self, here: Folder, part: str, so_far: str) -> Folder:
        target = os.path.realpath(os.path.join(here.path, part))
        base = next((base for base in self._bases if _within(target, base)), None)
        if base is None:
            raise PolicyError(
                f"{self.shown(so_far)} is a link that leads out of the project, to {target}",
                hint=f"to allow it, name {target} under allow_outside in your configuration",
            )
        rest = os.path.relpath(target, base)
        steps = [] if rest == os.curdir else rest.split(os.sep)
        if any(map(names_git, steps)):
            raise PolicyError(
                f"{self.shown(so_far)} is a link into git's own folder, to {target}",
                hint="remove the link, or give the resource another dest",
            )
        folder = self._base(base)
        for step in steps:
            try:
                inner = _open_inside(folder, step)
            except FileNotFoundError:
                raise NotAFolderError(
                    f"{self.shown(so_far)} is a link that leads to nothing", hint="remove it, or make its target"
                ) from None
            except NotADirectoryError:
                raise NotAFolderError(
                    f"{self.shown(so_far)} is a link to a file, not to a folder", hint="give the resource another dest"
                ) from None
            finally:
                _close(folder)
            folder = inner
        return folder

    def _base(self, path: str) -> Folder:
        try:
            return Folder(path, os.open(path, _FOLDER_FLAGS) if _RELATIVE else None)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise disk_error("open the folder", path, error) from error


_FOLDER_FLAGS = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)


def _open_inside(here: Folder, part: str) -> Folder:
    """Open a folder that is a real entry of ``here``. Raises OSError, also where it is a link by now."""
    path = os.path.join(here.path, part)
    if here.descriptor is not None:
        return Folder(path, os.open(part, _FOLDER_FLAGS, dir_fd=here.descriptor))
    found = os.lstat(path)
    if not stat.S_ISDIR(found.st_mode) or _is_junction(here, part):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
    return Folder(path)


def _is_junction(here: Folder, part: str) -> bool:
    """Whether a name is one of Windows' mount points, which ``lstat`` takes for plain folders."""
    if os.name != "nt":
        return False
    path = os.path.join(here.path, part)
    return os.path.normcase(os.path.realpath(path)) != os.path.normcase(path)


def _within(path: str, base: str) -> bool:
    path, base = os.path.normcase(path), os.path.normcase(base)
    return path == base or path.startswith(base.rstrip(os.sep) + os.sep)


def _close(folder: Folder) -> None:
    if folder.descriptor is not None:
        with contextlib.suppress(OSError):  # it was only read
            os.close(folder.descriptor)
