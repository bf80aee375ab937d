"""The short way into the local store for small bodies that are complete in memory: ``LocalTray``.

What it gives up is what small bodies have no use for: resuming, and a file before the digest is known. What holds for
every blob holds here: one process at a time has the claim, the use is said before the blob is there, the file gets a
name that no other process can know and is renamed to its digest, and its row is written after its flush.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Sequence

from dlm.model.artifact import Blob, Spare, packed_look
from dlm.store.disk import BACK_NS, disk_error, write_all
from dlm.store.guard import Bundle
from dlm.store.index import Signature
from dlm.store.layout import pin_name
from dlm.store.spare import remove_private, stage_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dlm.model.digest import Digests
    from dlm.ports import Claim
    from dlm.store.guard import Claims
    from dlm.store.index import Look
    from dlm.store.layout import Layout
    from dlm.store.using import Uses

__all__ = ["LocalTray", "can_carry"]

#: Claims between two looks whether the lock file is still there.
_LOOK = 64
#: Files that share an mtime that lies back.
_SERVES = 64
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
_BLOB = 0o444
#: How far the mtime of a spare lies back: more than a tick of the clock. What is edited once it is in a tree shows it.
_SPARE_BACK_NS = 20_000_000
#: Characters of the name of a spare that lies by itself that are random; those behind them count.
_PREFIX = 24


def can_carry() -> bool:
    """Whether this system has what a tray needs: names relative to open folders, and times set on open files."""
    return {os.access, os.mkdir, os.open, os.rename, os.unlink} <= os.supports_dir_fd and os.utime in os.supports_fd


class LocalTray:
    """Small bodies on their way into the store whose parts these are; made for one run, and closed after it.

    Args:
        uses: told of every blob before it is there.
        note: told of every blob that has its name: its path, its digests, its signature, a name for people.
        note_all: told of many such: the digests of each, the values of its signature, a name for people, its spare.
        make: makes a folder that is missing.
        spares: how the names of spares begin; None where none are made.
        group: whether others of the folder's group may remove what a kill leaves.
    """

    def __init__(
        self,
        layout: Layout,
        claims: Claims,
        uses: Uses,
        *,
        note: Callable[[str, Digests, Signature, str], None],
        note_all: Callable[[Sequence[tuple[Digests, Look, str, Spare | None]]], list[Blob]],
        make: Callable[[str], None],
        spares: str | None = None,
        group: bool = False,
    ) -> None:
        self._layout = layout
        self._claims = claims
        self._uses = uses
        self._note = note
        self.note_all = note_all
        self._make = make
        self._bundle = Bundle(claims)
        # What was claimed since something was said. It is said together with the first of it that arrives, since one
        # word for many costs what a word for one does.
        self._unsaid: dict[str, None] = {}
        # Names are given relative to open folders: the way to each is walked once, not for every file. Blobs are made
        # in a folder of this tray's own: where several processes make and rename files in one, each waits for the
        # others at every one of them.
        self._temporary = layout.at("tmp")
        self._folder = self._own = self._blobs = -1
        # The folders that blobs lie in, as far as they are known to be there.
        self._pairs: set[str] = set()
        self._private = os.urandom(16).hex()
        self._group = group
        # Names of spares are random enough once; behind that they are counted.
        self._spares = None if spares is None else spares + self._private[: _PREFIX - len(spares)]
        # By folder of the tree.
        self._stages: dict[str, tuple[str, str]] = {}
        self._stem = spares or ""
        self._count = 0
        self._asked = 0
        self._back = 0
        # What earlier runs left of bodies that were cut is taken up the ordinary way.
        self._partial: frozenset[str] = frozenset()
        with contextlib.suppress(FileNotFoundError):
            self._partial = frozenset(os.listdir(layout.at("partial")))

    def claim(self, sha256: str) -> Claim | None:
        """The right to fetch a blob of which nothing is at hand; None where the ordinary way has to be taken.

        Raises:
            LocalError: the lock file cannot be opened.
        """
        name = pin_name(sha256)
        if self._partial and name.hex() in self._partial:
            return None
        try:
            self._asked += 1
            claim = self._claims.claim_name(name, look=self._asked % _LOOK == 1)
        except OSError as error:
            raise disk_error("lock", self._layout.at("locks", "claims"), error) from error
        if claim is None:
            return None
        path = self._layout.blob(sha256)
        try:
            os.lstat(path)
        except FileNotFoundError:
            self._unsaid[sha256] = None
            return claim
        except OSError as error:
            claim.close()
            raise disk_error("read", path, error) from error
        claim.close()
        return None

    def reserve(self, pins: Sequence[str]) -> list[bytes | None]:
        """As :meth:`claim`, for many at once: under which name each is reserved, None where that takes another way.

        Raises:
            LocalError: the lock file cannot be opened.
        """
        names = [pin_name(sha256) for sha256 in pins]
        try:
            if self._own < 0:
                self._open()
            got = self._bundle.take(names)
        except OSError as error:
            raise disk_error("lock", self._layout.at("locks", "claims"), error) from error
        found: list[bytes | None] = []
        for sha256, name, one in zip(pins, names, got, strict=True):
            # A link that leads to nothing is no blob; what is renamed over it is one.
            there = f"{sha256[:2]}{os.sep}{sha256}"
            if (
                not one
                or os.access(there, os.F_OK, dir_fd=self._blobs)
                or (self._partial and name.hex() in self._partial)
            ):
                found.append(None)
            else:
                found.append(name)
                continue
            if one:
                self._bundle.free((name,))
        return found

    def announce(self, pins: Iterable[str]) -> None:
        """Say together, before the first of them is there, that these blobs will be used.

        Raises:
            LocalError: the disk refuses.
        """
        self._unsaid.update(dict.fromkeys(pins))
        self._say()

    def release(self, names: Sequence[bytes]) -> None:
        """Let go of what was reserved."""
        self._bundle.free(names)

    def claimed(self, name: bytes) -> Claim:
        """What was reserved, as a claim of its own from now on."""
        return self._bundle.part(name)

    def put(self, digests: Digests, pieces: Sequence[bytes], size: int, name: str) -> Blob:
        """Publish ``size`` bytes that have ``digests``; the caller holds the claim.

        Raises:
            LocalError: the disk refuses.
        """
        sha256 = digests.sha256
        assert sha256 is not None, "what is claimed by a sha256 has one"
        path = self._layout.blob(sha256)
        signature = Signature(*self.keep(sha256, pieces[0] if len(pieces) == 1 else b"".join(pieces)))
        self._note(path, digests, signature, name)
        return Blob.at(path, digests=digests, size=size)

    def keep(self, sha256: str, data: bytes) -> Look:
        """Publish bytes that have a digest, which was reserved or claimed; whoever calls has it noted.

        Raises:
            LocalError: the disk refuses.
        """
        self._count += 1
        private = f"{self._count:x}"
        try:
            if self._own < 0:
                self._open()
            descriptor = os.open(private, _NEW, _BLOB, dir_fd=self._own)
            try:
                self._fill(descriptor, data)
                if sha256 in self._unsaid:
                    self._say()
                self._publish(private, sha256)
                found = os.fstat(descriptor)
                if found.st_mode & 0o777 != _BLOB:  # the umask took some of it
                    os.fchmod(descriptor, _BLOB)
                    found = os.fstat(descriptor)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(private, dir_fd=self._own)
                raise
            finally:
                os.close(descriptor)
        except OSError as error:
            raise disk_error("write to", self._layout.blob(sha256), error) from error
        return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino

    def lay_by(self, data: bytes, permissions: int, dest: str) -> Spare | None:
        """A second file with the bytes that were kept last; None where there is none to be had.

        Args:
            permissions: of which the umask takes its part.
            dest: where in a tree it will be, if the folder that it lies in there can be moved as a whole: all spares
                for such a folder lie together, under the names that they will have, and whoever moves it sees to their
                times. ``""`` for another one.
        """
        spares = self._spares
        if spares is None:
            return None
        above, _, own = dest.rpartition("/")
        if above:
            stage, folder = self._stages.get(above) or self._stage(above)
            name = f"{stage}{own}"
        else:
            name = dest = f"{spares}{self._count:08x}"
            folder = self._temporary
        try:
            descriptor = os.open(name, _NEW, permissions, dir_fd=self._folder)
        except OSError:
            self._spares = None  # a full disk, or a quota: the copy that is made in its place tells of it
            return None
        try:
            if os.write(descriptor, data) == len(data):
                found = os.fstat(descriptor)
                if not above:
                    back = found.st_mtime_ns - _SPARE_BACK_NS
                    os.utime(descriptor, ns=(back, back))
                    found = os.fstat(descriptor)
                look = packed_look(found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
                return Spare(folder, dest, permissions, look)
        except OSError:
            pass  # as above
        finally:
            os.close(descriptor)
        self._spares = None
        with contextlib.suppress(OSError):  # it goes with the store, at the latest
            os.unlink(name, dir_fd=self._folder)
        return None

    def close(self) -> None:
        """Let go of what is open, and of what is reserved."""
        self._bundle.close()
        if self._folder >= 0:
            remove_private(os.path.join(self._temporary, self._private))
        for descriptor in (self._folder, self._own, self._blobs):
            if descriptor >= 0:
                os.close(descriptor)
        self._folder = self._own = self._blobs = -1

    def _open(self) -> None:
        if self._blobs < 0:
            self._blobs = os.open(self._layout.at("cas"), _FOLDER)
        if self._folder < 0:
            self._folder = os.open(self._temporary, _FOLDER)
        with contextlib.suppress(FileExistsError):  # of an attempt that was interrupted
            os.mkdir(self._private, 0o700, dir_fd=self._folder)
        self._own = os.open(self._private, _FOLDER, dir_fd=self._folder)
        if self._group:
            os.fchmod(self._own, 0o2770)
        self._pairs = set(os.listdir(self._layout.at("cas")))

    def _stage(self, above: str) -> tuple[str, str]:
        """How the names of spares for one folder of a tree begin, and the folder that they lie in: whoever makes some
        for it comes to the same."""
        name = stage_name(self._stem, above)
        with contextlib.suppress(OSError):  # another process made it; or nothing can be made there, as will show
            os.mkdir(name, dir_fd=self._folder)
        self._stages[above] = found = f"{name}{os.sep}", f"{self._temporary}{os.sep}{name}"
        return found

    def _fill(self, descriptor: int, data: bytes) -> None:
        if os.write(descriptor, data) < len(data):
            write_all(descriptor, data, 0)
        if not self._back or self._count % _SERVES == 1:
            self._back = max(0, os.fstat(descriptor).st_mtime_ns - BACK_NS)
        os.utime(descriptor, ns=(self._back, self._back))

    def _publish(self, private: str, sha256: str) -> None:
        pair = sha256[:2]
        name = f"{pair}{os.sep}{sha256}"
        if pair not in self._pairs:
            self._make(os.path.dirname(self._layout.blob(sha256)))
            self._pairs.add(pair)
        try:
            os.rename(private, name, src_dir_fd=self._own, dst_dir_fd=self._blobs)
        except FileNotFoundError:
            self._make(os.path.dirname(self._layout.blob(sha256)))
            os.rename(private, name, src_dir_fd=self._own, dst_dir_fd=self._blobs)

    def _say(self) -> None:
        try:
            self._uses.say(*self._unsaid)
        except OSError as error:
            raise disk_error("write to", self._layout.at("using"), error) from error
        self._unsaid = {}
