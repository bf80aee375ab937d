"""Lower caches: ``Layer``. A cache baked into an image, or one on a network share, consulted first and never written.

Nothing is created, changed, locked or moved there, and no access time is left where the system allows that. How a
blob's file looked when it was last known good is noted in the cache above, in an index of its own for each layer. A
blob with wrong bytes is passed over with a warning: it is not ours to move.
"""

from __future__ import annotations

import hashlib
import os
import stat
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from dlm.errors import LocalError
from dlm.store.index import BlobRow, Index, Signature
from dlm.store.layout import Layout
from dlm.store.notes import read_note
from dlm.store.origins import read_origin
from dlm.store.reading import Contents, read_alias, read_contents

if TYPE_CHECKING:
    from dlm.model.digest import Digests
    from dlm.model.transfer import Known
    from dlm.ports import Clock

__all__ = ["Layer"]


class Layer:
    """One lower cache, for any number of threads.

    Args:
        root: its folder, absolute.
        notes: the ``layers`` folder of the cache above.
        warn: told what is wrong with it, each thing once.
    """

    def __init__(self, root: str, notes: str, clock: Clock, warn: Callable[[str], None]) -> None:
        self._layout = Layout(root)
        name = hashlib.sha256(os.fsencode(root), usedforsecurity=False).hexdigest()[:32]
        self.index = Index(os.path.join(notes, f"{name}.sqlite"), clock)
        self._warn_of = warn
        self._usable: bool | None = None
        self._bad: dict[str, Signature] = {}
        self._said: set[str] = set()
        self._lock = threading.Lock()

    @property
    def root(self) -> str:
        """Its folder."""
        return self._layout.root

    def path_of(self, sha256: str) -> str:
        """Where the blob of that sha256 is, or would be."""
        return self._layout.blob(sha256)

    def find(self, digests: Digests) -> BlobRow | None:
        """The row of the blob that has all of ``digests`` and is good; None also where it cannot be read."""
        if not self._is_usable():
            return None
        sha256 = digests.sha256 or next(
            (found for one in reversed(digests.items) if (found := read_alias(self._layout.alias(one)))), None
        )
        if sha256 is None:
            return None
        row = self.checked(sha256, digests.algorithms)
        return None if row is None or row.digests.contradiction(digests) is not None else row

    def checked(self, sha256: str, wanted: tuple[str, ...], *, anew: bool = False) -> BlobRow | None:
        """The row of a blob that is there and good, with at least the ``wanted`` digests computed.

        Args:
            anew: read it whatever the index says.
        """
        path = self.path_of(sha256)
        try:
            found = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            self._warn(f"the read-only cache {self.root} cannot be read: {error.strerror}")
            return None
        signature = Signature.of(found)
        row = self.index.blob(sha256)
        if not anew and row is not None and row.signature == signature and all(map(row.digests.get, wanted)):
            return row
        if not anew and self._bad.get(sha256) == signature:
            return None
        try:
            contents = read_contents(path, tuple(dict.fromkeys(("sha256", *wanted))))
        except LocalError as error:
            self._warn(f"{error.message}; the read-only cache is passed over for it")
            return None
        if contents is None:
            return None
        if not isinstance(contents, Contents) or contents.digests.sha256 != sha256:
            says = "it is no plain file"
            if isinstance(contents, Contents):
                says = f"its bytes have the sha256 {contents.digests.sha256}"
            self._bad[sha256] = signature
            self._warn(f"the blob {path} in a read-only cache is damaged ({says}); it is passed over")
            return None
        made = BlobRow(digests=contents.digests, signature=signature, name=row.name if row else "")
        if contents.signature == signature:
            self.index.set_blob(made)
        return made

    def known(self, key: str) -> Known | None:
        """What was recorded there for ``key``, as long as the blob it speaks of is there."""
        if not self._is_usable():
            return None
        origin = read_origin(self._layout.origin(key))
        if origin is None or origin[0].digests.sha256 is None:
            return None
        try:
            found = os.lstat(self.path_of(origin[0].digests.sha256))
        except OSError:
            return None
        return origin[0] if stat.S_ISREG(found.st_mode) and found.st_size == origin[0].size else None

    def read(self, key: str) -> tuple[str, float] | None:
        """The text noted there under ``key``."""
        return read_note(self._layout.note(key)) if self._is_usable() else None

    def names(self) -> Iterator[str]:
        """The sha256 of every blob there."""
        if self._is_usable():
            yield from self._layout.names()

    def _is_usable(self) -> bool:
        if self._usable is None:
            self._usable = self._look()
        return self._usable

    def _look(self) -> bool:
        if not os.path.isdir(self.root):
            self._warn(f"the read-only cache {self.root} is not there; it is passed over")
            return False
        try:
            self._layout.check_version()
        except LocalError as error:
            self._warn(f"{error.message}; it is passed over")
            return False
        return True

    def _warn(self, message: str) -> None:
        with self._lock:
            first = message not in self._said
            self._said.add(message)
        if first:
            self._warn_of(message)
