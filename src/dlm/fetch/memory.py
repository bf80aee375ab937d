"""A body in memory, for small documents."""

from __future__ import annotations

from collections.abc import Sequence

from dlm.model.artifact import Validators

__all__ = ["MemoryBody"]


class MemoryBody:
    """Fills with one whole body, which is never resumed."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0
        self._validators = Validators()
        self._total: int | None = None

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
        """A body begins: drop what is at hand."""
        self.discard()
        self._validators, self._total = validators, total

    def write_pieces(self, pieces: Sequence[bytes], size: int, at: int) -> None:
        """Take the next pieces; those that begin earlier replace what is there."""
        if at != self._size:
            whole = self.content[:at]
            self._pieces, self._size = [whole], len(whole)
        self._pieces.extend(pieces)
        self._size += size

    @property
    def content(self) -> bytes:
        """All of it."""
        return b"".join(self._pieces)

    def lags(self) -> bool:
        """Nothing is computed behind the writer's back."""
        return False

    def note(self) -> bool:
        """Nothing is noted."""
        return False

    def suspend(self) -> None:
        """Nothing of a small document is worth keeping."""
        self.discard()

    def discard(self) -> None:
        """Drop it."""
        self._pieces, self._size = [], 0
