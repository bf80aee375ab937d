"""When a second process hashes large bodies: ``Hashing``."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dlm.store.hash_process import HashProcess

__all__ = ["Hashing"]

#: Bytes that have to come before a process is worth its beginning.
_ENOUGH = 8 * 1024 * 1024


class Hashing:
    """Has a process for the writers of one store as soon as there is enough to hash."""

    def __init__(self) -> None:
        self._expected = 0
        self._process: HashProcess | None = None
        self._pid = 0

    def expect(self, size: int) -> None:
        """So many bytes more are to come."""
        self._expected += size

    def process(self) -> HashProcess | None:
        """The process; None where it is not worth it, or cannot be had."""
        if self._process is None and self._expected >= _ENOUGH:
            from dlm.store.hash_process import HashProcess, can_fork

            if can_fork():
                try:
                    self._process = HashProcess()
                except OSError:
                    self._expected = 0  # a thread hashes what comes next, as everywhere else
                    return None
                self._pid = os.getpid()
        # A child that was forked for something else does not speak to it.
        return self._process if self._process is not None and self._pid == os.getpid() else None

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None and self._pid == os.getpid():
            process.close()
