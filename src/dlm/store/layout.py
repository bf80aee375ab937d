"""Which file of a cache lies where: ``Layout``. Paths and names only; ``dlm.store.local`` has the picture."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator

from dlm.errors import LocalError
from dlm.model.digest import STRENGTH
from dlm.model.late import late
from dlm.store.disk import disk_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dlm.model.digest import Digest

__all__ = ["LAYOUT", "Layout", "key_name", "pin_name"]

#: The version of the layout that this dlm reads and writes.
LAYOUT = 1

_FILES = ("CACHEDIR.TAG", "VERSION", ".gitignore", "index.sqlite", "index.sqlite-journal", "index.recent", "sizes")
_HEX = late(r"[0-9a-f]{64}\Z")
_PAIR = late(r"[0-9a-f]{2}\Z")
_TEMPORARY = late(r"[0-9a-f]{32}\Z")
#: Each folder of the layout with the names that dlm gives in it; those of _SPREAD have folders of two digits first.
_FOLDERS = {
    "cas": _HEX,
    "alias": late(r"[0-9a-f]{96,128}\Z"),
    "origins": _HEX,
    "partial": late(r"[0-9a-f]{64}(?:\.json)?\Z"),
    "tmp": _TEMPORARY,
    "using": _TEMPORARY,
    "quarantine": late(r"[0-9a-f]{64}\.[0-9a-f]{1,64}\Z"),
    "notes": _HEX,
    "layers": late(r"[0-9a-f]{32}\.sqlite(?:-journal)?\Z"),
    "locks": late(r"claims\Z"),
}
_SPREAD = ("cas", "origins")


def key_name(key: str) -> str:
    """The name of what belongs to a key: its sha256, since keys may hold addresses."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()


def pin_name(sha256: str) -> bytes:
    """The name of what belongs to a pinned blob, as :func:`key_name` has it of ``Order.key``, in binary."""
    return hashlib.sha256(b"sha256:" + sha256.encode("ascii"), usedforsecurity=False).digest()


class Layout:
    """The paths of one cache.

    Args:
        root: the cache folder, absolute.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self._cas = os.path.join(root, "cas", "")
        self._folders: dict[str, str] = {}

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders right below the root, by name."""
        return tuple(_FOLDERS)

    def at(self, *parts: str) -> str:
        """A path below the root."""
        return os.path.join(self.root, *parts)

    def blob(self, sha256: str) -> str:
        """Where the blob of that sha256 is, or would be."""
        return f"{self._cas}{sha256[:2]}{os.sep}{sha256}"

    def folder_of(self, sha256: str) -> str:
        """The folder of :meth:`blob`; the same object for all that are in one."""
        pair = sha256[:2]
        return self._folders.get(pair) or self._folders.setdefault(pair, f"{self._cas}{pair}")

    def alias(self, digest: Digest) -> str:
        """Where the sha256 of the blob with another digest is noted."""
        return self.at("alias", digest.algorithm, digest.value[:2], digest.value)

    def origin(self, key: str) -> str:
        """Where an origin's answer is noted."""
        name = key_name(key)
        return self.at("origins", name[:2], name)

    def note(self, key: str) -> str:
        """Where a small text is noted."""
        return self.at("notes", key_name(key))

    def is_foreign(self, name: str) -> bool:
        """Whether something right below the root is not dlm's."""
        return name not in _FILES and name not in _FOLDERS

    def check_version(self) -> None:
        """Refuse a layout that came later. Junk in the file counts as none: it is no blob.

        Raises:
            LocalError: it came later, or cannot be read.
        """
        path = self.at("VERSION")
        try:
            with open(path, "rb") as file:
                text = file.read(32).strip()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return
        except OSError as error:
            raise disk_error("read", path, error) from error
        if text.isdigit() and int(text) > LAYOUT:
            raise LocalError(
                f"the cache {self.root} has layout {int(text)}, of a dlm that came later; this one knows {LAYOUT}",
                hint="upgrade dlm, or set DLM_CACHE_DIR to another folder",
            )

    def names(self) -> Iterator[str]:
        """The sha256 of every blob, in order."""
        for folder in self.pairs("cas"):
            for name in sorted(entries(self.at("cas", folder))):
                if _HEX.match(name) and name.startswith(folder):
                    yield name

    def origins(self) -> Iterator[str]:
        """The path of every note of an origin's answer."""
        for folder in self.pairs("origins"):
            for name in entries(self.at("origins", folder)):
                if _HEX.match(name):
                    yield self.at("origins", folder, name)

    def pairs(self, top: str) -> list[str]:
        """The folders of two digits in one that has them, in order."""
        return sorted(name for name in entries(self.at(top)) if _PAIR.match(name))

    def own_folders(self) -> Iterator[str]:
        """Every folder of the layout, inner ones first, the cache folder last; none that is a link."""
        for top in _FOLDERS:
            if top == "alias":
                for algorithm in STRENGTH:
                    yield from (self.at(top, algorithm, name) for name in entries(self.at(top, algorithm)))
                    yield self.at(top, algorithm)
            elif top in _SPREAD:
                yield from (self.at(top, name) for name in self.pairs(top))
            elif top == "tmp":
                for name in entries(self.at(top)):
                    path = self.at(top, name)
                    if _TEMPORARY.match(name) and os.path.isdir(path) and not os.path.islink(path):
                        yield path
            yield self.at(top)
        yield self.root

    def files_in(self, folder: str) -> Iterator[tuple[str, int]]:
        """The files with a place in the layout that lie right in one of its folders, with their sizes."""
        top, _, inner = os.path.relpath(folder, self.root).partition(os.sep)
        # What is made ready for a folder of a tree has the names that it will have there.
        pattern = None if top == "tmp" and inner else _FOLDERS.get(top)
        for name in _FILES if folder == self.root else entries(folder):
            if pattern is None or pattern.match(name):
                path = os.path.join(folder, name)
                try:
                    found = os.lstat(path)
                except (FileNotFoundError, NotADirectoryError):
                    continue
                if not stat.S_ISDIR(found.st_mode):
                    yield path, found.st_size

    def own_files(self) -> Iterator[tuple[str, int]]:
        """Every file that has a place in the layout, with its size."""
        for folder in self.own_folders():
            yield from self.files_in(folder)


def entries(path: str) -> list[str]:
    """The names in a folder; none if it is not there or is a link.

    Raises:
        LocalError: it cannot be listed.
    """
    try:
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            return []
        return os.listdir(path)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise disk_error("list", path, error) from error
