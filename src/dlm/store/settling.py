"""What has a name and is not on the disk yet, and the moment when it is: ``Settling``.

The order is what matters: the blobs, then their names, then the rows that call them good.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Container, Mapping, Sequence

from dlm.store.disk import disk_error
from dlm.store.flush import flush_files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dlm.store.index import Index

__all__ = ["Settling"]


class Settling:
    """The flushes of one store, for any number of threads.

    Args:
        index: of the store.
        others: indexes whose blobs are not ours to flush.
    """

    def __init__(self, index: Index, others: Sequence[Index]) -> None:
        self._index = index
        self._others = tuple(others)
        self._waiting: dict[str, str] = {}  # the path of each blob, by sha256
        self._found: set[str] = set()  # those among them that another process gave their name
        self._folders: set[str] = set()
        self._pid = os.getpid()
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, sha256: str, path: str, *, ours: bool) -> None:
        """A blob shall be on the disk after :meth:`settle`.

        Args:
            ours: whether this process gave it its name.
        """
        with self._lock:
            if ours:
                self._found.discard(sha256)
            elif sha256 not in self._waiting:
                self._found.add(sha256)
            self._waiting[sha256] = path

    def add_all(self, paths: Mapping[str, str]) -> None:
        """As :meth:`add`, for many blobs that this process gave their names: the path of each, by sha256."""
        with self._lock:
            self._found.difference_update(paths)
            self._waiting.update(paths)

    def add_folder(self, path: str) -> None:
        """The names in a folder shall be on the disk after :meth:`settle`."""
        with self._lock:
            self._folders.add(path)

    def flush_name(self, path: str) -> None:
        """Flush the name of a file whose bytes are on the disk. Raises OSError."""
        with self._lock:
            folders, self._folders = self._folders, set()
        failed = flush_files((), (*folders, os.path.dirname(path)))
        if failed:
            raise next(iter(failed.values()))

    def settle(self) -> None:
        """Flush what waits, then write down which blobs are good.

        Raises:
            LocalError: the disk did not take something. A blob that this process wrote is removed then: what is read
                from memory now may not be what is on the disk later.
        """
        with self._lock:
            if self._pid != os.getpid():
                return  # a child; what the parent wrote is the parent's to flush
            waiting, self._waiting = self._waiting, {}
            others, self._found = self._found, set()
            folders, self._folders = self._folders, set()
            above = dict.fromkeys((*folders, *(path.rpartition(os.sep)[0] for path in waiting.values())))
            failed = flush_files(waiting.values(), above) if above else {}
            lost = _lost(waiting, failed) if failed else set()
            for sha256 in lost:
                if sha256 not in others:
                    with contextlib.suppress(OSError):
                        os.unlink(waiting[sha256])
                self._index.forget(sha256)
            self._index.flush(one for one in self._index.waiting() if one not in lost)
            for other in self._others:
                other.flush(other.waiting())
        for path, error in failed.items():
            raise disk_error("flush", path, error) from error

    def forget(self) -> None:
        """Flush nothing and write nothing: all of it is about to be removed."""
        with self._lock:
            self._waiting, self._found, self._folders = {}, set(), set()
            for sha256 in self._index.waiting():
                self._index.forget(sha256)
        self.close()

    def close(self) -> None:
        """Let go of the indexes."""
        for index in (self._index, *self._others):
            index.close()


def _lost(waiting: Mapping[str, str], failed: Container[str]) -> set[str]:
    """The blobs that are not on the disk for certain: they, or the folder with their names, could not be flushed."""
    return {sha256 for sha256, path in waiting.items() if path in failed or os.path.dirname(path) in failed}
