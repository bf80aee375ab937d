"""The content-addressed store in a folder of this machine: ``LocalStore``.

::

    <cache folder>/
      CACHEDIR.TAG                    backup programs pass the folder by (https://bford.info/cachedir/)
      VERSION                         of this layout; dlm refuses a newer one
      .gitignore                      ``*``, for a cache inside a project
      cas/<2 hex>/<sha256>            the blobs, mode 0444; a name is only ever given to bytes that hash to it
      alias/<algorithm>/<2 hex>/<hex> the sha256 of the blob that has another digest; believed once that is computed
      partial/<sha256 of key>         bytes of a transfer that was cut
      partial/<sha256 of key>.json    what vouches for them: validators, total, length and sha256
      tmp/<random>                    private to one writer; after a kill, swept by the next process that is alone
      quarantine/<sha256>.<sha256>    what was found under a name, and what it really hashes to
      notes/<sha256 of key>           the notebook
      locks/claims                    one byte for each key; see ``dlm.store.guard``
      index.sqlite                    when a blob was last known good, what origins said; see ``dlm.store.index``

Blobs are the only thing that matters: all the rest may be damaged or deleted at any time and is made again. Nothing is
created before the first write. Reading needs no lock, and what it would write need not be written, so that a cache on a
read-only file system serves.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import secrets
import stat
import threading
import weakref
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from dlm.errors import LocalError
from dlm.model.artifact import Blob, kept_headers
from dlm.model.digest import STRENGTH, Digest, Digests, new_hash
from dlm.model.events import Note, Warned
from dlm.model.transfer import Known
from dlm.ports import Claim, Clock, Reporter, Writer
from dlm.store.flush import flush_folder
from dlm.store.guard import Claims
from dlm.store.index import BlobRow, Index, Signature
from dlm.store.notes import read_note, write_note
from dlm.store.writer import BLOCK, FileWriter, Rooms, disk_error

__all__ = ["LAYOUT", "LocalStore", "StoredBlob"]

#: The version of the layout that this dlm reads and writes.
LAYOUT = 1

_TAG = (
    "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# This folder is a cache of dlm: everything in it can be fetched again.\n"
    "# What this file means: https://bford.info/cachedir/\n"
)
_FILES = ("CACHEDIR.TAG", "VERSION", ".gitignore", "index.sqlite", "index.sqlite-journal")
_HEX = re.compile(r"[0-9a-f]{64}\Z")
_PAIR = re.compile(r"[0-9a-f]{2}\Z")
#: Each folder of the layout with the names that dlm gives in it; the first level of ``cas`` and ``alias`` has folders.
_FOLDERS = {
    "cas": _HEX,
    "alias": re.compile(r"[0-9a-f]{96,128}\Z"),
    "partial": re.compile(r"[0-9a-f]{64}(?:\.json)?\Z"),
    "tmp": re.compile(r"[0-9a-f]{32}\Z"),
    "quarantine": re.compile(r"[0-9a-f]{64}\.[0-9a-f]{1,64}\Z"),
    "notes": _HEX,
    "locks": re.compile(r"claims\Z"),
}
_READ = (
    os.O_RDONLY
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_BINARY", 0)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredBlob:
    """A blob as listings show it, not checked.

    Attributes:
        name: how people know it, ``""`` where nobody said.
        size: in bytes.
        used: when it was last asked for or written, seconds since the epoch; 0 where that is not known.
    """

    sha256: str
    name: str
    size: int
    used: float


class LocalStore:
    """A store for any number of threads and processes of one machine; also the notebook of listings.

    Args:
        root: the cache folder, absolute.

    Every method raises LocalError where the disk refuses, naming the path and the operation.
    """

    def __init__(self, root: str, clock: Clock, reporter: Reporter) -> None:
        self._root = os.path.abspath(root)
        self._clock = clock
        self._reporter = reporter
        self._index = Index(self._at("index.sqlite"), clock)
        # Nothing that belongs to the store holds on to it, so that it is finished with as soon as it is let go of.
        self._claims = Claims(self._at("locks", "claims"), partial(_warn_unlocked, reporter, self._root))
        self._cas = self._at("cas")
        self._lock = threading.Lock()
        self._read_version = False
        self._made = False
        # A run that ends without close() still writes what its index holds back.
        self._finalizer = weakref.finalize(self, self._index.close)

    @property
    def root(self) -> str:
        """The cache folder, absolute."""
        return self._root

    def path_of(self, sha256: str) -> str:
        """Where the blob of that sha256 is, or would be."""
        return os.path.join(self._cas, sha256[:2], sha256)

    def close(self) -> None:
        """Write what the index holds back and close it. The store stays usable."""
        self._index.close()

    # Blobs

    def get(self, digests: Digests) -> Blob | None:
        """The blob that has all of ``digests``, or None.

        It is read and hashed again if its file is not as it was when that was last done, and where a digest is asked
        for that was not computed yet. A blob whose bytes are not what its name says goes to quarantine, with a
        warning. One whose sha256 is right and that differs in another digest is a good blob, but not the one asked for.

        Raises:
            LocalError: its file cannot be read. That says nothing about its bytes, so it stays.
        """
        self._check_version()
        sha256 = digests.sha256 or self._alias(digests)
        if sha256 is None:
            return None
        row = self._checked(sha256, digests.algorithms)
        if row is None or row.digests.contradiction(digests) is not None:
            return None
        self._index.use(row)
        return self._blob(row)

    def claim(self, key: str) -> Claim | None:
        """The right to fetch what ``key`` names, against all threads and processes; None while another has it.

        Where the file system has no locks, that is said once and the claim excludes nobody.
        """
        self._make()
        try:
            return self._claims.claim(key)
        except OSError as error:
            raise disk_error("lock", self._at("locks", "claims"), error) from error

    def writer(self, key: str, expected: Digests, size: int | None) -> Writer:
        """A writer for what ``key`` names, with what an earlier run left of it.

        The caller holds the claim on ``key``. The writer's ``offset`` may be all of the body already.
        """
        self._make()
        name = _key(key)
        # Without locks another process may write the same partial file at this moment: keep to private names.
        resumable = None if self._claims.unsupported else self._at("partial", name)
        rooms = Rooms(temporary=self._at("tmp"), partial=resumable, publish=self._publish)
        return FileWriter(name, expected, rooms)

    def known(self, key: str) -> Known | None:
        """What was recorded for ``key``, as long as the blob it speaks of is there. The blob itself is not checked."""
        self._check_version()
        known = self._index.origin(_key(key))
        if known is None or known.digests.sha256 is None:
            return None
        try:
            found = os.lstat(self.path_of(known.digests.sha256))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise disk_error("read", self.path_of(known.digests.sha256), error) from error
        return known if stat.S_ISREG(found.st_mode) and found.st_size == known.size else None

    def record(self, key: str, known: Known, name: str) -> None:
        """Remember an origin's answer; of its headers the kept ones, of its final address only one without a secret."""
        self._make()
        final_url = known.final_url
        if final_url is not None and ("?" in final_url or "@" in final_url or "#" in final_url):
            final_url = None
        kept = replace(known, headers=kept_headers(known.headers), final_url=final_url)
        self._index.set_origin(_key(key), kept, _shown(name))

    # The notebook

    def read(self, key: str) -> tuple[str, float] | None:
        """The text noted under ``key`` and when, in seconds since the epoch; None where there is none."""
        self._check_version()
        return read_note(self._at("notes", _key(key)))

    def write(self, key: str, text: str) -> None:
        """Note a text; where that fails, it is only mentioned."""
        try:
            self._make()
            write_note(self._at("notes", _key(key)), text, self._clock.time(), self._at("tmp"))
        except OSError as error:
            self._reporter.emit(Note(f"cannot note a listing in {self._at('notes')}: {error.strerror}"))
        except LocalError as error:
            self._reporter.emit(Note(error.message))

    # The whole cache

    def blobs(self) -> Iterator[StoredBlob]:
        """Every blob there is, by sha256, with what the index knows of it."""
        self._check_version()
        rows = self._index.rows()
        for sha256 in self._names():
            try:
                found = os.lstat(self.path_of(sha256))
            except FileNotFoundError:
                continue
            row = rows.get(sha256)
            yield StoredBlob(
                sha256=sha256, name=row.name if row else "", size=found.st_size, used=row.used if row else 0.0
            )

    def size(self) -> int:
        """How many bytes the files of the cache have together, partial transfers included."""
        return sum(size for _, size in self._own_files())

    def verify_all(self, only: Iterable[str] | None = None) -> Iterator[tuple[str, bool]]:
        """Hash every blob anew; each sha256 with whether its bytes are right. Those that are not go to quarantine.

        Args:
            only: these blobs alone, where they are there.
        """
        self._check_version()
        for sha256 in self._names() if only is None else only:
            row = self._index.blob(sha256)
            wanted = row.digests.algorithms if row is not None else ()
            if os.path.lexists(self.path_of(sha256)):
                yield sha256, self._rehash(sha256, wanted) is not None
        self._index.flush()

    def clean(self) -> tuple[int, int]:
        """Remove everything that dlm made in the cache folder, and nothing else.

        Returns:
            how many blobs there were, and how many bytes all files had.
        """
        self._index.close()
        blobs = total = 0
        cas = self._at("cas") + os.sep
        for path, size in self._own_files():
            try:
                os.unlink(path)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise disk_error("remove", path, error) from error
            total += size
            blobs += path.startswith(cas)
        for folder in self._own_folders():
            # Not empty: somebody else's file is in it, or another process writes at this moment.
            with contextlib.suppress(OSError):
                os.rmdir(folder)
        self._made = False
        return blobs, total

    # Checking

    def _checked(self, sha256: str, wanted: tuple[str, ...]) -> BlobRow | None:
        """The row of a blob that is there and good, with at least the ``wanted`` digests computed."""
        path = self.path_of(sha256)
        try:
            found = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise disk_error("read", path, error) from error
        signature = Signature.of(found)
        for recall in (self._index.blob, self._index.fresh):
            row = recall(sha256)
            if row is not None and row.signature == signature and all(map(row.digests.get, wanted)):
                return row
        return self._rehash(sha256, wanted)

    def _rehash(self, sha256: str, wanted: tuple[str, ...]) -> BlobRow | None:
        path = self.path_of(sha256)
        try:
            descriptor = os.open(path, _READ)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno == errno.ELOOP:
                self._quarantine(sha256, "", None)  # a link, which dlm never makes here
                return None
            raise disk_error("read", path, error) from error
        try:
            before = os.fstat(descriptor)
            if not stat.S_ISREG(before.st_mode):
                self._quarantine(sha256, "", before)
                return None
            known = self._index.blob(sha256)
            algorithms = dict.fromkeys(("sha256", *wanted, *(known.digests.algorithms if known else ())))
            digests = _hash_file(descriptor, tuple(algorithms))
            after = os.fstat(descriptor)
        except OSError as error:
            raise disk_error("read", path, error) from error
        finally:
            os.close(descriptor)
        actual = digests.sha256 or ""
        if actual != sha256:
            self._quarantine(sha256, actual, after)
            return None
        row = BlobRow(digests=digests, signature=Signature.of(after), name=known.name if known else "")
        if Signature.of(before) == row.signature:
            self._index.set_blob(row)
        return row

    def _quarantine(self, sha256: str, actual: str, found: os.stat_result | None) -> None:
        """Take a file that is not what its name says out of the way."""
        path = self.path_of(sha256)
        self._index.forget(sha256)
        target = self._at("quarantine", f"{sha256}.{actual or secrets.token_hex(4)}")
        says = f"its bytes have the sha256 {actual}" if actual else "it is no plain file"
        try:
            self._make()
            os.rename(path, target)
            moved = os.lstat(target)
            if found is not None and (moved.st_ino, moved.st_dev) != (found.st_ino, found.st_dev):
                os.rename(target, path)  # somebody has mended it in between: what was moved is the good one
                return
        except FileNotFoundError:
            return
        except (OSError, LocalError) as error:
            reason = error.message if isinstance(error, LocalError) else error.strerror
            self._warn(f"the cached blob {path} is damaged ({says}) and is not used; cannot move it away: {reason}")
        else:
            self._warn(f"the cached blob {sha256} was damaged ({says}); it was moved to {target} and is not used")

    def _publish(self, private: str, digests: Digests, size: int, leftovers: tuple[str, ...]) -> Blob:
        """Give a finished file its final name; a good blob that is there already stays, and the new file goes."""
        sha256 = digests.sha256
        assert sha256 is not None
        path = self.path_of(sha256)
        there = self._checked(sha256, ()) if os.path.lexists(path) else None
        try:
            if there is not None:
                _remove((private, *leftovers))
                signature = there.signature
                digests = digests.joined(there.digests)
            else:
                self._rename(private, path)
                flush_folder(os.path.dirname(path))
                _remove(leftovers)  # now, since losing a name changes the ctime
                signature = Signature.of(os.lstat(path))
            for digest in digests:
                if digest.algorithm != "sha256":
                    self._write_alias(digest, sha256)
        except OSError as error:
            raise disk_error("write to", path, error) from error
        row = BlobRow(digests=digests, signature=signature)
        if signature.size == size:
            self._index.set_blob(row)
        return Blob(path=path, digests=digests, size=size)

    def _rename(self, private: str, path: str) -> None:
        try:
            os.replace(private, path)
        except FileNotFoundError:
            folder = os.path.dirname(path)
            os.makedirs(folder, exist_ok=True)
            flush_folder(os.path.dirname(folder))
            os.replace(private, path)

    def _blob(self, row: BlobRow) -> Blob:
        return Blob(path=self.path_of(row.sha256), digests=row.digests, size=row.signature.size)

    # Other digests

    def _alias_path(self, digest: Digest) -> str:
        return self._at("alias", digest.algorithm, digest.value[:2], digest.value)

    def _alias(self, digests: Digests) -> str | None:
        """The sha256 that is said to belong to other digests; :meth:`get` computes whether it does."""
        for digest in reversed(digests.items):
            try:
                with open(self._alias_path(digest), "rb") as file:
                    found = file.read(65)
            except OSError:
                continue
            with contextlib.suppress(ValueError):
                return Digest("sha256", found.decode("ascii", "replace").strip()).value
        return None

    def _write_alias(self, digest: Digest, sha256: str) -> None:
        path = self._alias_path(digest)
        draft = self._at("tmp", secrets.token_hex(16))
        with open(draft, "xb") as file:
            file.write(sha256.encode())
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.replace(draft, path)

    # The folder

    def _at(self, *parts: str) -> str:
        return os.path.join(self._root, *parts)

    def _check_version(self) -> None:
        """Refuse a layout that came later. Junk in the file counts as none: it is no blob."""
        if self._read_version:
            return
        try:
            with open(self._at("VERSION"), "rb") as file:
                text = file.read(32).strip()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            text = b""
        except OSError as error:
            raise disk_error("read", self._at("VERSION"), error) from error
        if text.isdigit() and int(text) > LAYOUT:
            raise LocalError(
                f"the cache {self._root} has layout {int(text)}, of a dlm that came later; this one knows {LAYOUT}",
                hint="upgrade dlm, or set DLM_CACHE_DIR to another folder",
            )
        self._read_version = True

    def _make(self) -> None:
        """Make the folders before the first write of this process."""
        if self._made and os.path.isdir(self._at("tmp")):
            return
        self._check_version()
        with self._lock:
            try:
                os.makedirs(self._root, exist_ok=True)
                # In somebody's own folder the tag would keep their files out of backups, and the other out of git.
                foreign = set(os.listdir(self._root)) - {*_FILES, *_FOLDERS}
                for folder in _FOLDERS:
                    os.makedirs(self._at(folder), exist_ok=True)
                if not os.access(self._at("tmp"), os.W_OK):
                    # Said now, not when a body has come over the network for nothing.
                    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), self._at("tmp"))
                # Before the first file of our own in tmp/, so that nobody sweeps it away.
                self._claims.enter(self._sweep)
                self._make_file("VERSION", f"{LAYOUT}\n")
                if not foreign:
                    self._make_file("CACHEDIR.TAG", _TAG)
                    self._make_file(".gitignore", "*\n")
            except OSError as error:
                raise disk_error("write to the cache folder", self._root, error) from error
            self._made = True

    def _make_file(self, name: str, text: str) -> None:
        path = self._at(name)
        with contextlib.suppress(FileNotFoundError, IsADirectoryError), open(path, "rb") as file:
            if file.read(len(text) + 1) == text.encode():
                return
        draft = self._at("tmp", secrets.token_hex(16))
        with open(draft, "xb") as file:
            file.write(text.encode())
        os.replace(draft, path)

    def _sweep(self) -> None:
        """Remove what killed writers left; called while no other process can write."""
        with os.scandir(self._at("tmp")) as entries:
            for entry in entries:
                if _FOLDERS["tmp"].match(entry.name):
                    with contextlib.suppress(OSError):
                        os.unlink(entry.path)

    def _names(self) -> Iterator[str]:
        """The sha256 of every blob, in order."""
        for folder in sorted(_entries(self._at("cas"))):
            if _PAIR.match(folder):
                for name in sorted(_entries(self._at("cas", folder))):
                    if _HEX.match(name) and name.startswith(folder):
                        yield name

    def _own_folders(self) -> Iterator[str]:
        """Every folder of the layout, inner ones first, the cache folder last; none that is a link."""
        for top in _FOLDERS:
            path = self._at(top)
            if top == "alias":
                for algorithm in STRENGTH:
                    yield from (self._at(top, algorithm, name) for name in _entries(self._at(top, algorithm)))
                    yield self._at(top, algorithm)
            elif top == "cas":
                yield from (self._at(top, name) for name in _entries(path) if _PAIR.match(name))
            yield path
        yield self._root

    def _own_files(self) -> Iterator[tuple[str, int]]:
        """Every file that has a place in the layout, with its size."""
        for folder in self._own_folders():
            inside = os.path.relpath(folder, self._root).split(os.sep)
            pattern = _FOLDERS.get(inside[0])
            for name in _FILES if folder == self._root else _entries(folder):
                if pattern is None or pattern.match(name):
                    path = os.path.join(folder, name)
                    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                        found = os.lstat(path)
                        if not stat.S_ISDIR(found.st_mode):
                            yield path, found.st_size

    # Talk

    def _warn(self, message: str) -> None:
        self._reporter.emit(Warned(message))


def _warn_unlocked(reporter: Reporter, root: str, reason: str) -> None:
    reporter.emit(
        Warned(
            f"the file system of the cache {root} has no locks ({reason}); "
            "processes that run at the same time may fetch a file twice"
        )
    )


def _key(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()


def _shown(name: str) -> str:
    """A name for people: the last segment, without anything that could be a query."""
    last = name.split("?", 1)[0].split("#", 1)[0].replace("\\", "/").rstrip("/").rsplit("/", 1)[-1][:255]
    return last if last.isprintable() else ""


def _entries(path: str) -> list[str]:
    """The names in a folder; none if it is not there or is a link."""
    try:
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            return []
        return os.listdir(path)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise disk_error("list", path, error) from error


def _remove(paths: tuple[str, ...]) -> None:
    """Remove files that are of no use any more; what stays is dropped by the next writer or sweep."""
    for path in paths:
        with contextlib.suppress(OSError):
            os.unlink(path)


def _hash_file(descriptor: int, algorithms: tuple[str, ...]) -> Digests:
    hashes = {name: new_hash(name) for name in algorithms}
    block = bytearray(BLOCK)
    view = memoryview(block)
    with open(descriptor, "rb", buffering=0, closefd=False) as file:
        while count := file.readinto(block):
            for hasher in hashes.values():
                hasher.update(view[:count])
    return Digests.from_mapping({name: hasher.hexdigest() for name, hasher in hashes.items()})
