"""One artifact's bytes on their way into the store: ``Writer``.

Pieces that follow one another are collected in memory, and hashed behind what goes to the disk, on a second thread; a
body that fits into the first buffer goes there in one piece, when its digest is already known. Pieces out of order are
written where they belong, and hashed when the gap before them closes.

What a run leaves behind is a data file and a sidecar of JSON. The sidecar holds the validators, the announced total,
and a checkpoint: a length, and the sha256 of that many bytes; and of each span behind that its place and its CRC-32
(:mod:`dlm.store.ahead`). Only what the checkpoint vouches for is taken up again; so neither a gap, nor a tail that a
power cut left as zeroes, nor a sidecar of another file can get into a blob, not even into one that no pin protects. The
sidecar names the key by its sha256 and holds no address and no header.

A blob is published in two steps: the file gets a private name that no other process can know, and that is renamed to
the digest; ``dlm.store.flush`` says when it is on the disk. The private name matters where claims fail to exclude
others (a file system without locks, a cache that was cleaned while in use): what gets the final name is always the very
file that was hashed. A file that was on the disk keeps its old name until the blob has its own, so that a kill in
between loses nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from dlm.errors import IntegrityError, LocalError
from dlm.model.artifact import Validators
from dlm.model.digest import Digest, Digests, new_hash
from dlm.model.frozen import dataclass, replace
from dlm.store.ahead import Ahead, read_noted
from dlm.store.disk import BACK_NS, BLOCK, disk_error, read_at, write_all, write_pieces
from dlm.store.flush import flush_file, flushes_at_once
from dlm.store.follower import Follower, GoneError, can_follow
from dlm.store.space import require_space

if TYPE_CHECKING:
    from dlm.model.artifact import Blob
    from dlm.model.digest import Hash
    from dlm.store.ahead import Noted
    from dlm.store.follower import Follows
    from dlm.store.hash_process import HashProcess
    from dlm.store.spare import SpareFile

__all__ = ["FileWriter", "Rooms", "write_whole"]

_PIECE = 512 * 1024
_SIDECAR_SIZE = 4096
#: Bytes that may wait to be hashed.
_BEHIND = 8 * 1024 * 1024
#: Bytes that a kill may cost: behind a gap, or where there is none within a moment.
_UNNOTED = 4 * 1024 * 1024
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_OLD = (
    os.O_RDWR
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_BINARY", 0)
)


@dataclass(frozen=True, slots=True)
class Rooms:
    """Where a writer keeps its files.

    Attributes:
        partial: the data file that a later run can take up, None where no claim protects it.
        temporary: the folder of private names.
        publish: gives a finished file (its path, its digests, its size) its final name, then removes other names
            of it and what goes with them.
        mode: of files that another run may take up.
        spare: makes room for a second file with as many bytes; None where nobody wants one.
        beside: whether a thread or a process may hash what comes.
        hashing: gives a process that hashes large bodies, if one can be had; None where a thread does in any case.
    """

    partial: str | None
    temporary: str
    publish: Callable[[str, Digests, int, tuple[str, ...]], Blob]
    mode: int = 0o600
    spare: Callable[[int], SpareFile] | None = None
    beside: bool = True
    hashing: Callable[[], HashProcess | None] | None = None


class FileWriter:
    """A writer of the local store; not to be shared by threads.

    Args:
        key: the sha256 of the key.
        expected: what the bytes should hash to; says which digests are computed beside sha256.
    """

    def __init__(self, key: str, expected: Digests, rooms: Rooms) -> None:
        self._key = key
        self._rooms = rooms
        self._algorithms = tuple(dict.fromkeys(("sha256", *expected.algorithms)))
        self._validators = Validators()
        self._total: int | None = None
        self._descriptor: int | None = None
        self._sidecar: int | None = None
        self._path = ""
        self._open = True
        self._pieces: list[bytes] = []
        self._buffered = 0
        self._written = 0
        # How far the sidecar's checkpoint reaches.
        self._noted = 0
        #: Whether all that is known of the size is what an earlier run noted.
        self._unproven = False
        self._follower: Follows | None = None
        self._spare: SpareFile | None = None
        self._ahead = Ahead()
        self._unnoted = 0
        self._noted_ahead: list[Noted] = []
        self._noting = threading.Lock()
        self._hashes: dict[str, Hash] = {}
        #: The digests of all that is at hand, where somebody else has computed them.
        self._hashed: dict[str, str] | None = None
        #: Whether the hashes may be ahead of what counts as written.
        self._unsure = False
        self._limit = BLOCK
        self._forget()
        if rooms.partial is not None:
            self._take_up(rooms.partial)

    @property
    def offset(self) -> int:
        """How many bytes from the beginning are at hand without a gap."""
        return self._written + self._buffered

    @property
    def ahead(self) -> tuple[tuple[int, int], ...]:
        """The spans behind :attr:`offset` that are at hand: first byte of each, and the byte behind its last."""
        return self._ahead.spans

    @property
    def validators(self) -> Validators:
        """What the answer that these bytes came from said of itself."""
        return self._validators

    @property
    def total(self) -> int | None:
        """The size that answer announced."""
        return self._total

    def begin(self, validators: Validators, total: int | None) -> None:
        """Drop what is at hand; a whole body begins, with these validators and this size.

        Raises:
            LocalError: there is no room for that much.
        """
        self._live()
        self._unfollow()
        self._forget()
        self._validators = validators
        self._total = total
        self._limit = _limit(total)
        if self._descriptor is not None:
            self._drop_sidecar()
            try:
                os.ftruncate(self._descriptor, 0)
            except OSError as error:
                raise disk_error("write to", self._path, error) from error
        if total is not None:
            require_space(self._rooms.temporary, total)

    def prepare(self, size: int) -> None:
        """See that the rest of a body of ``size`` bytes finds room.

        Raises:
            LocalError: it does not; what is at hand stays for a later run.
        """
        try:
            require_space(self._rooms.temporary, size - self.offset - self._ahead.size)
        except LocalError:
            self.suspend()
            raise

    def write(self, data: bytes, at: int) -> None:
        """Take a piece that belongs at byte ``at``. Of bytes that are at hand already, the first ones stay."""
        self._live()
        if at < 0:
            raise ValueError("a piece has no place before the beginning")
        end = self.offset
        if at < end:
            data, at = data[end - at :], end
        if not data:
            return
        if at == end:
            self._pieces.append(data)
            self._grown(len(data))
        else:
            self._scatter((data,), len(data), at)

    def write_pieces(self, pieces: Sequence[bytes], size: int, at: int) -> None:
        """Take pieces of ``size`` bytes together, the first of which belongs at byte ``at``, as :meth:`write` does."""
        if at == self.offset and self._open:
            self._pieces.extend(pieces)
            self._grown(size)
            return
        if at > self.offset and self._open:
            self._scatter(pieces, size, at)
            return
        for piece in pieces:
            self.write(piece, at)
            at += len(piece)

    def _grown(self, size: int) -> None:
        self._buffered += size
        if self._buffered >= self._limit:
            self._drain()
        if self._ahead:
            self._join()

    def lags(self) -> bool:
        """Whether :meth:`commit` would have to wait at this moment, until what has come is hashed.

        Raises:
            LocalError: the disk refuses.
        """
        if self._follower is None or not self._open:
            return False
        self._drain()
        try:
            return self._follower.behind
        except GoneError:
            self._follow_here()
            return True

    def note(self) -> bool:
        """See that what is hashed by now is noted, for whoever comes after a kill; whether to ask again in a moment.

        Raises:
            LocalError: the disk refuses.
        """
        follower = self._follower
        if not self._open or not self._ticks or isinstance(follower, Follower):
            return False  # a thread notes by itself that it has caught up
        if follower is not None:
            length, sha256 = follower.mark
            if length > self._noted:
                self._checkpoint(length, sha256)
        elif self._written > self._noted:
            self._checkpoint(self._written, self._digests["sha256"])
        return True

    def commit(
        self, expected: Digests, size: int | None, announce: Callable[[Digests, int], None] | None = None
    ) -> Blob:
        """Check the bytes against ``expected`` and ``size``, and publish them.

        Args:
            announce: told digests and size when all is checked, before anything is published.

        Raises:
            IntegrityError: they differ; they are dropped.
            LocalError: the disk refuses; what is on it stays for a later run.
        """
        self._live()
        if self._descriptor is not None:
            self._drain()
            if self._follower is not None:
                self._catch_up()
                if not self._ticks or self._written - self._noted > _UNNOTED:
                    # A kill from here on loses nothing.
                    self._checkpoint(self._written, self._digests["sha256"])
        if self._descriptor is None:
            self._hash(self._pieces)
        digests = self._digests
        for algorithm in expected.algorithms:
            if algorithm not in digests:
                digests[algorithm] = self._compute(algorithm)
        found = Digests.from_mapping(digests)
        try:
            self._check(found, expected, size)
        except IntegrityError:
            self.discard()
            raise
        if announce is not None:
            announce(found, self.offset)
        return self._publish(found)

    def suspend(self) -> None:
        """Keep what is at hand for a later run, and let go.

        Raises:
            LocalError: the disk does not take all of it, and has not said so before; what it has taken is kept.
        """
        if not self._open:
            return
        if self._rooms.partial is None or not self.offset:
            self.discard()
            return
        try:
            try:
                if self._unsure:
                    self._hash_again()
                try:
                    self._drain()
                finally:
                    self._catch_up()
                    self._keep()
            finally:
                if self._noted:
                    self._let_go()
                else:
                    self.discard()  # nobody could take it up
        except OSError as error:
            raise disk_error("write to", self._path, error) from error

    def _keep(self) -> None:
        """Vouch for all that is on the disk. Raises OSError, LocalError."""
        if self._descriptor is None:
            return
        # First what gives room back, where it is room that is missing: a second file, and the end of a failed write.
        self._drop_spare()
        os.ftruncate(self._descriptor, max(self._written, self._ahead.reach))
        if self._written > self._noted or self._unnoted:
            self._checkpoint(self._written, self._digests["sha256"])

    def discard(self) -> None:
        """Drop what is at hand, and let go."""
        if not self._open:
            return
        opened = self._descriptor is not None
        with contextlib.suppress(OSError):  # what becomes of bytes that are dropped does not matter
            self._let_go()
        if opened:
            for leftover in (self._path + ".json", self._path):
                with contextlib.suppress(OSError):
                    os.unlink(leftover)
        self._forget()

    # What is at hand

    def _forget(self) -> None:
        self._pieces = []
        self._buffered = 0
        self._written = 0
        self._noted = 0
        self._unproven = False
        self._ahead = Ahead()
        self._unnoted = 0
        self._drop_spare()
        self._hashes = {name: new_hash(name) for name in self._algorithms}
        self._hashed = None

    @property
    def _digests(self) -> dict[str, str]:
        """Of all that is hashed, by algorithm."""
        if self._hashed is not None:
            return dict(self._hashed)
        return {name: one.hexdigest() for name, one in self._hashes.items()}

    @property
    def _ticks(self) -> bool:
        """Whether it is by :meth:`note` that progress is noted, in time, and not by what comes."""
        return self._limit == _PIECE and (self._rooms.hashing is not None or not self._rooms.beside)

    def _live(self) -> None:
        if not self._open:
            raise ValueError("this writer was closed")

    def _let_go(self) -> None:
        self._open = False
        self._unfollow()
        self._drop_spare()
        descriptor, self._descriptor = self._descriptor, None
        try:
            if descriptor is not None:
                os.close(descriptor)
        finally:
            self._close_sidecar()

    def _drain(self) -> None:
        """Put what was collected on the disk, see that it is hashed, and move the checkpoint."""
        if not self._pieces:
            return
        pieces, size = self._pieces, self._buffered
        try:
            self._put(pieces, self._written)
        except LocalError:
            # Whoever keeps what is on the disk shall not fail on them once more; a later run asks for them again.
            self._pieces, self._buffered = [], 0
            raise
        if self._follower is None and self._limit == _PIECE:
            if self._rooms.spare is not None and self._total is not None and self._written == 0:
                self._spare = self._rooms.spare(self._total)
            if self._rooms.beside and can_follow():
                assert self._descriptor is not None, "put opens it"
                if not self._ticks:
                    self._checkpoint(self._written, self._digests["sha256"])
                try:
                    self._follower = self._follow(self._descriptor)
                except RuntimeError:  # the system allows no thread more
                    self._rooms = replace(self._rooms, beside=False)
        if self._follower is None:
            self._unsure = True
            self._hash(pieces)
            if self._spare is not None:
                self._spare.write_pieces(pieces, size, self._written)
        self._pieces, self._buffered = [], 0
        self._grow(self._written + size)
        self._unsure = False

    def _grow(self, end: int) -> None:
        """The file has ``end`` bytes without a gap, and they are hashed, or will be."""
        self._written = end
        if self._follower is None:
            if not self._ticks or end - self._noted > _UNNOTED:
                self._checkpoint(end, self._digests["sha256"])
            return
        self._follower.advance(end)
        length, sha256 = self._follower.mark
        if end - length > _BEHIND:
            # A kill costs what is not hashed, and the end would have to be waited for in any case.
            self._wait_for(self._follower, _BEHIND // 2)
            length, sha256 = self._follower.mark
        if length - self._noted >= (_UNNOTED if self._ticks else BLOCK):
            self._checkpoint(length, sha256)

    def _catch_up(self) -> None:
        """Wait until everything on the disk is hashed; from then on it is done as bytes come. Raises LocalError."""
        follower = self._follower
        if follower is None:
            return
        # An interrupt leaves the follower in its place, for whoever keeps what is at hand.
        self._wait_for(follower, 0)
        assert self._follower is not None, "who waits for a follower has one"
        self._hashed = self._follower.digests
        self._unfollow()

    def _follow(self, descriptor: int) -> Follows:
        """Who hashes the file from here on."""
        process = None
        if self._rooms.hashing is not None and self._written == 0:  # it knows nothing of what came before
            process = self._rooms.hashing()
        follower = None if process is None else process.follow(descriptor, self._algorithms, self._spare)
        if follower is not None:
            return follower
        return Follower(
            descriptor, self._hashes, self._written, self._caught_up, None if self._spare is None else self._spare.write
        )

    def _follow_here(self) -> Follower:
        """Hash in this process what another one was to hash, all of it anew."""
        assert self._descriptor is not None, "who follows has something to follow"
        self._unfollow()
        self._drop_spare()
        follower = self._follower = Follower(self._descriptor, self._hashes, 0, self._caught_up)
        follower.advance(self._written)
        return follower

    def _wait_for(self, follower: Follows, within: int) -> None:
        try:
            try:
                follower.catch_up(within)
            except GoneError:
                self._follow_here().catch_up(within)
        except OSError as error:
            raise disk_error("read", self._path, error) from error

    def _unfollow(self) -> None:
        follower, self._follower = self._follower, None
        if follower is not None:
            follower.stop()

    def _drop_spare(self) -> None:
        spare, self._spare = self._spare, None
        if spare is not None:
            spare.drop()

    def _scatter(self, pieces: Sequence[bytes], size: int, at: int) -> None:
        """Put what belongs behind a gap where it belongs, and now and then note that it is there."""
        self._drain()
        if self._ahead.covers(at, at + size):
            # Of bytes that are at hand already, the first ones stay.
            for piece, place in list(self._ahead.missing(b"".join(pieces), at)):
                self._put([piece], place)
                self._ahead.add((piece,), len(piece), place)
        else:
            self._put(list(pieces), at)
            self._ahead.add(pieces, size, at)
        self._unnoted += size
        if self._unnoted >= _UNNOTED:
            follower = self._follower
            mark = (self._written, self._digests["sha256"]) if follower is None else follower.mark
            self._checkpoint(*mark)

    def _join(self) -> None:
        """Take in pieces that lay ahead and have no gap before them any more."""
        self._drain()
        while (end := self._ahead.take(self._written)) is not None:
            if end > self._written:
                if self._follower is None:
                    self._read_in(end)
                self._grow(end)

    def _hash_again(self) -> None:
        """Hash all that is on the disk anew: an interrupt came while some of it was hashed."""
        self._drop_spare()
        self._hashes = {name: new_hash(name) for name in self._algorithms}
        end, self._written = self._written, 0
        self._read_in(end)
        self._unsure = False

    def _read_in(self, end: int) -> None:
        """Hash what the disk holds from where hashing stopped up to ``end``."""
        while self._written < end:
            block = self._read(self._written, min(BLOCK, end - self._written))
            self._hash((block,))
            if self._spare is not None:
                self._spare.write_pieces((block,), len(block), self._written)
            self._written += len(block)

    def _compute(self, algorithm: str) -> str:
        """One more digest of all that is at hand."""
        hasher = new_hash(algorithm)
        for piece in self._pieces:
            hasher.update(piece)
        at = 0
        while at < self._written:
            block = self._read(at, min(BLOCK, self._written - at))
            hasher.update(block)
            at += len(block)
        return hasher.hexdigest()

    def _hash(self, pieces: Iterable[bytes]) -> None:
        for hasher in self._hashes.values():
            for piece in pieces:
                hasher.update(piece)

    # The disk

    def _put(self, pieces: list[bytes], at: int) -> None:
        if self._descriptor is None:
            self._create()
        elif self._unproven:
            # Who goes on with what an earlier run left has an answer that gives the size which was noted then.
            self._unproven = False
            if self._total is not None:
                require_space(self._rooms.temporary, self._total - self._written - self._ahead.size)
        descriptor = self._descriptor
        assert descriptor is not None
        try:
            write_pieces(descriptor, pieces, at)
        except OSError as error:
            raise disk_error("write to", self._path, error) from error

    def _read(self, at: int, size: int) -> bytes:
        descriptor = self._descriptor
        assert descriptor is not None
        try:
            block = read_at(descriptor, size, at)
        except OSError as error:
            raise disk_error("read", self._path, error) from error
        if not block:
            raise LocalError(f"cannot read {self._path}: it became shorter while it was written")
        return block

    def _create(self) -> None:
        path = self._rooms.partial or self._private()
        self._clear(path)  # of what nobody vouches for
        try:
            self._descriptor = os.open(path, _NEW, 0o600)
            self._open_up(self._descriptor)
        except OSError as error:
            raise disk_error("create", path, error) from error
        self._path = path

    def _open_up(self, descriptor: int) -> None:
        if self._rooms.mode != 0o600 and hasattr(os, "fchmod"):
            os.fchmod(descriptor, self._rooms.mode)

    def _clear(self, path: str) -> None:
        """See that nothing lies at ``path``, whatever somebody put there."""
        try:
            os.unlink(path)
        except FileNotFoundError:
            return
        except OSError as error:
            if not os.path.isdir(path):
                raise disk_error("remove", path, error) from error
            self._move_away(path)

    def _move_away(self, folder: str) -> None:
        import shutil  # for what hardly ever happens

        private = self._private()
        try:
            os.rename(folder, private)
        except OSError as error:
            raise LocalError(
                f"cannot remove {folder}: {error.strerror or error}",
                hint=f"remove the folder {folder}; a file of dlm's belongs there",
            ) from error
        shutil.rmtree(private, ignore_errors=True)  # it is out of the way, whatever is in it

    def _private(self) -> str:
        return os.path.join(self._rooms.temporary, os.urandom(16).hex())

    # The sidecar

    def _take_up(self, path: str) -> None:
        """Open what an earlier run left, as far as its checkpoint vouches for it; drop what nothing vouches for."""
        note = _read_sidecar(path + ".json", self._key)
        if note is None:
            return  # whatever lies there is dropped when the first bytes are written
        self._path = path
        self._descriptor = descriptor = _open_old(path)
        if descriptor is not None and not _is_ours(descriptor):
            self._descriptor = descriptor = self._own_copy(descriptor, note.reach)
        good = descriptor is not None
        if descriptor is not None:
            found = os.fstat(descriptor)
            # A second name means that the file is a blob already: it is never written to again.
            good = stat.S_ISREG(found.st_mode) and found.st_nlink == 1 and found.st_size >= note.length
            try:
                if good:
                    self._read_in(note.length)
                    good = self._hashes["sha256"].hexdigest() == note.sha256
            except LocalError:
                good = False
        if not good:
            self.discard()
            self._drop_sidecar()
            self._open = True
            return
        self._validators, self._total, self._limit = note.validators, note.total, _limit(note.total)
        self._noted = note.length
        self._unproven = True
        self._ahead = Ahead([one for one in note.ahead if self._holds(*one)])
        self._join()

    def _holds(self, start: int, end: int, crc: int) -> bool:
        """Whether the disk holds from ``start`` to ``end`` what it did when ``crc`` was noted."""
        from zlib import crc32  # only a file that came in several pieces at the same time needs it

        found = 0
        try:
            while start < end:
                block = self._read(start, min(BLOCK, end - start))
                found = crc32(block, found)
                start += len(block)
        except LocalError:
            return False
        return found == crc

    def _own_copy(self, foreign: int, length: int) -> int | None:
        """A file of our own in the place of another user's, whose mode and times are not ours to set."""
        private = self._private()
        try:
            own = os.open(private, _NEW, 0o600)
            self._open_up(own)
            at = 0
            while at < length and (block := read_at(foreign, min(BLOCK, length - at), at)):
                write_all(own, block, at)
                at += len(block)
            os.replace(private, self._path)
        except OSError as error:
            raise disk_error("write to", self._path, error) from error
        finally:
            os.close(foreign)
        return own

    def _checkpoint(self, length: int, sha256: str) -> None:
        """Vouch for the first ``length`` bytes, and for what lies ahead."""
        if self._rooms.partial is None:
            return
        with self._noting:
            self._unnoted = 0
            self._noted_ahead = self._ahead.noted(length)
            self._write_note(length, sha256)

    def _caught_up(self, length: int, sha256: str) -> None:
        """Vouch for the first ``length`` bytes, on the second thread, where nothing has come for a moment."""
        if self._rooms.partial is None:
            return
        with self._noting:
            if length > self._noted:
                # What was noted of what lies ahead is true as long as the file is there.
                self._noted_ahead = [span for span in self._noted_ahead if span[1] > length]
                self._write_note(length, sha256)

    def _write_note(self, length: int, sha256: str) -> None:
        note = {
            "version": 1,
            "key": self._key,
            "etag": self._validators.etag,
            "last-modified": self._validators.last_modified,
            "total": self._total,
            "length": length,
            "sha256": sha256,
            "ahead": self._noted_ahead,
        }
        text = json.dumps(note).encode()
        if len(text) > _SIDECAR_SIZE:
            text = json.dumps(note | {"ahead": []}).encode()
        if len(text) > _SIDECAR_SIZE:
            self._drop_sidecar()  # validators that long are no use to anyone
            return
        path = self._path + ".json"
        try:
            if self._sidecar is None:
                self._clear(path)
                self._sidecar = os.open(path, _NEW, 0o600)
                self._open_up(self._sidecar)
            # One write of one page in place: the kernel does not tear that in two, and it costs next to nothing.
            write_all(self._sidecar, text.ljust(_SIDECAR_SIZE), 0)
        except OSError as error:
            raise disk_error("write to", path, error) from error
        self._noted = length

    def _drop_sidecar(self) -> None:
        self._close_sidecar()
        self._clear(self._path + ".json")

    def _close_sidecar(self) -> None:
        sidecar, self._sidecar = self._sidecar, None
        if sidecar is not None:
            os.close(sidecar)

    # The end

    def _check(self, found: Digests, expected: Digests, size: int | None) -> None:
        length = self.offset
        if self._ahead:
            first = self._ahead.first
            raise IntegrityError(
                f"bytes {length} to {first - 1} are missing",
                details=[f"{length} bytes from the beginning are at hand"],
            )
        problems: list[str] = []
        if size is not None and length != size:
            problems.append(f"size: expected {size} bytes, got {length}")
        problems += [
            f"{digest.algorithm}: expected {digest.value}, got {found.get(digest.algorithm)}"
            for digest in expected
            if found.get(digest.algorithm) != digest.value
        ]
        if problems:
            raise IntegrityError("the bytes differ from what is pinned; " + "; ".join(problems), details=problems)

    def _publish(self, found: Digests) -> Blob:
        size = self.offset
        private = self._private()
        self._open = False
        leftovers: tuple[str, ...] = ()
        if self._descriptor is None:
            # A body that is still in memory, with its digest known.
            write_whole(private, self._pieces, self._buffered)
            self._pieces = []
        else:
            leftovers = (self._path + ".json", self._path)
            self._seal(private)
        try:
            blob = self._rooms.publish(private, found, size, leftovers)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(private)
            self._drop_spare()
            raise
        spare, self._spare = self._spare, None
        return blob if spare is None else replace(blob, spare=spare.finish())

    def _seal(self, private: str) -> None:
        """The file on the disk becomes final, and gets a name that only this writer knows."""
        descriptor, self._descriptor = self._descriptor, None
        assert descriptor is not None
        try:
            try:
                ours = os.fstat(descriptor)
                os.ftruncate(descriptor, self._written)
                _finish(descriptor, self._written)
            finally:
                os.close(descriptor)
                self._close_sidecar()
            _also_name(self._path, private)
            named = os.lstat(private)
        except OSError as error:
            raise disk_error("write to", self._path, error) from error
        if (named.st_dev, named.st_ino) != (ours.st_dev, ours.st_ino):
            with contextlib.suppress(OSError):
                os.unlink(private)
            raise LocalError(
                f"cannot finish {self._path}: another process put a file of its own there",
                hint="was the cache cleaned while dlm ran? Run the command again",
            )


_CHMODS = hasattr(os, "fchmod")
_SETS_TIMES = os.utime in os.supports_fd


def _finish(descriptor: int, size: int) -> None:
    """Last steps on a file before its name becomes final."""
    if _CHMODS:
        os.fchmod(descriptor, 0o444)
    if _SETS_TIMES:
        back = max(0, os.fstat(descriptor).st_mtime_ns - BACK_NS)
        os.utime(descriptor, ns=(back, back))
    if flushes_at_once(size):
        flush_file(descriptor)


def write_whole(path: str, pieces: Sequence[bytes], size: int) -> None:
    """A new file with these ``size`` bytes, which are known to be right, ready to become a blob.

    Raises:
        LocalError: the disk refuses; no file is left.
    """
    try:
        descriptor = os.open(path, _NEW, 0o600)
    except OSError as error:
        raise disk_error("create", path, error) from error
    try:
        try:
            data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            if os.write(descriptor, data) < size:
                write_all(descriptor, data, 0)
            _finish(descriptor, size)
        finally:
            os.close(descriptor)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(path)
        raise disk_error("write to", path, error) from error


def _limit(total: int | None) -> int:
    """How much to collect: all of a small body, and a piece of one that goes to the disk in any case."""
    return BLOCK if total is None or total <= BLOCK else _PIECE


def _also_name(path: str, name: str) -> None:
    """Give a file a second name, or where file systems do not know that, another name."""
    try:
        os.link(path, name, follow_symlinks=False)
    except FileNotFoundError:
        raise
    except (OSError, NotImplementedError):
        os.rename(path, name)


def _open_old(path: str) -> int | None:
    """Open what an earlier run left; None if it cannot be."""
    for _ in range(2):
        try:
            return os.open(path, _OLD)
        except PermissionError:
            # Killed when all was there and only the name missing, a run leaves a file that may not be written to.
            with contextlib.suppress(OSError):
                if stat.S_ISREG(os.lstat(path).st_mode):
                    os.chmod(path, 0o600)
        except OSError:
            return None
    return None


def _is_ours(descriptor: int) -> bool:
    return not hasattr(os, "geteuid") or os.fstat(descriptor).st_uid == os.geteuid()


@dataclass(frozen=True, slots=True)
class _Note:
    """What a sidecar says."""

    validators: Validators
    total: int | None
    length: int
    sha256: str
    ahead: tuple[Noted, ...] = ()

    @property
    def reach(self) -> int:
        """The byte behind the last one that is vouched for."""
        return max([self.length, *(end for _, end, _ in self.ahead)])


def _read_sidecar(path: str, key: str) -> _Note | None:
    """What the sidecar says, or None where it says nothing that can be relied on."""
    try:
        descriptor = os.open(path, (_OLD & ~os.O_RDWR) | os.O_RDONLY)
    except OSError:
        return None
    try:
        raw = os.read(descriptor, _SIDECAR_SIZE)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    try:
        found = json.loads(raw)
        if not isinstance(found, dict) or found.get("version") != 1 or found.get("key") != key:
            return None
        total, length = found["total"], found["length"]
        texts = (found["etag"], found["last-modified"])
        if not all(text is None or isinstance(text, str) for text in texts):
            return None
        numbers = [length] if total is None else [length, total]
        if not all(type(number) is int and number >= 0 for number in numbers):
            return None
        digest = Digest("sha256", found["sha256"])
        ahead = read_noted(found.get("ahead", []), length, total)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return _Note(Validators(*texts), total, length, digest.value, ahead)
