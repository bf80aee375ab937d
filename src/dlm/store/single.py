"""One body on its way into one file, or into memory: ``SingleStore``, for downloads that no cache keeps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, BinaryIO, ClassVar

from dlm.errors import IntegrityError
from dlm.model.artifact import Blob, Spare, Validators
from dlm.model.digest import Digest, Digests, new_hash
from dlm.model.transfer import Arrived, Known
from dlm.store.disk import disk_error
from dlm.store.guard import NullClaim

if TYPE_CHECKING:
    from dlm.model.digest import Hash

__all__ = ["SingleStore"]

_BLOCK = 1024 * 1024


class SingleStore:
    """A ``ports.Store`` that knows nothing beforehand and takes one body.

    Args:
        file: empty, open for reading and writing; it belongs to the caller.
        path: where it lies, for messages and for the blob; ``""`` for memory.
    """

    scatters: ClassVar[bool] = False

    def __init__(self, file: BinaryIO, path: str = "") -> None:
        self._file = file
        self._path = path

    def get(self, digests: Digests) -> Blob | None:
        """Nothing is known."""
        return None

    def claim(self, key: str) -> NullClaim:
        """Nobody else can want it."""
        return NullClaim()

    def tray(self, told: Callable[[str, tuple[int, int, int, int]], None] | None = None) -> None:
        """There is no short way."""

    def adopt(self, blobs: Sequence[tuple[Digests, tuple[int, int, int, int], str, Spare | None]]) -> list[Blob]:
        """No other process stores anything here."""
        return []

    def hash_beside(self, *, allowed: bool) -> None:
        """Nothing is."""

    def leave(self) -> None:
        """Nothing is in use."""

    def spares(self, room: int = 0) -> None:
        """There are none."""

    def writer(self, key: str, expected: Digests, size: int | None, spare: int | None = None) -> SingleWriter:
        """A writer into the file."""
        return SingleWriter(self._file, self._path)

    def known(self, key: str) -> Known | None:
        """Nothing is known."""
        return None

    def record(self, key: str, known: Known, name: str) -> None:
        """Nothing is noted."""

    def arrived(self, outcome: Arrived) -> Arrived:
        """The body is where it is."""
        return outcome

    def prepare(self, *, rows: bool) -> None:
        """There is nothing to prepare."""

    def settle(self) -> None:
        """Flushing is for who gives the file its name."""


class SingleWriter:
    """Fills the file."""

    def __init__(self, file: BinaryIO, path: str) -> None:
        self._file = file
        self._path = path
        self._size = 0
        self._validators = Validators()
        self._total: int | None = None
        self._hash: Hash | None = new_hash("sha256")

    @property
    def offset(self) -> int:
        """Bytes at hand."""
        return self._size

    @property
    def ahead(self) -> tuple[tuple[int, int], ...]:
        """None: bytes are taken in order only."""
        return ()

    @property
    def validators(self) -> Validators:
        """Those of the answer that is being read."""
        return self._validators

    @property
    def total(self) -> int | None:
        """The size that it announced."""
        return self._total

    def begin(self, validators: Validators, total: int | None) -> None:
        """A whole body begins: drop what is at hand."""
        self.discard()
        self._validators, self._total = validators, total

    def write_pieces(self, pieces: Sequence[bytes], size: int, at: int) -> None:
        """Take the next pieces, as :meth:`write` takes one."""
        self.write(pieces[0] if len(pieces) == 1 else b"".join(pieces), at)

    def write(self, data: bytes, at: int) -> None:
        """Take the next piece; one that begins earlier replaces what is there."""
        try:
            if at != self._size:
                self._file.seek(at)
                self._file.truncate()
                self._hash = None
            self._file.write(data)
        except OSError as error:
            raise disk_error("write", self._path, error) from error
        self._size = at + len(data)
        if self._hash is not None:
            self._hash.update(data)

    def commit(
        self, expected: Digests, size: int | None, announce: Callable[[Digests, int], None] | None = None
    ) -> Blob:
        """Check the body."""
        digests = self._digests(expected)
        wrong = digests.contradiction(expected)
        if wrong is not None:
            self.discard()
            raise IntegrityError(f"{wrong[1]} was expected, the bytes have {wrong[0]}")
        if size is not None and size != self._size:
            self.discard()
            raise IntegrityError(f"a size of {size} bytes was expected, {self._size} bytes came")
        if announce is not None:
            announce(digests, self._size)
        return Blob.at(self._path, digests=digests, size=self._size)

    def lags(self) -> bool:
        """Nothing is computed behind the writer's back."""
        return False

    def note(self) -> bool:
        """Nothing is noted."""
        return False

    def suspend(self) -> None:
        """Nothing is kept for a later run."""
        self.discard()

    def discard(self) -> None:
        """Drop what is at hand."""
        try:
            self._file.seek(0)
            self._file.truncate()
        except OSError as error:
            raise disk_error("write", self._path, error) from error
        self._size = 0
        self._hash = new_hash("sha256")

    def _digests(self, expected: Digests) -> Digests:
        more = [one for one in expected.algorithms if one != "sha256"]
        if self._hash is not None and not more:
            return Digests((Digest("sha256", self._hash.hexdigest()),))
        hashes = {name: new_hash(name) for name in dict.fromkeys(("sha256", *more))}
        try:
            self._file.seek(0)
            while piece := self._file.read(_BLOCK):
                for one in hashes.values():
                    one.update(piece)
        except OSError as error:
            raise disk_error("read", self._path, error) from error
        return Digests.of(Digest(name, one.hexdigest()) for name, one in hashes.items())
