"""The short way into the local store for small bodies that are complete in memory: ``LocalTray``.

What it gives up is what small bodies have no use for: resuming, and a file before the digest is known. What holds for
every blob holds here: one process at a time has the claim, the use is said before the blob is there, the file gets a
name that no other process can know and is renamed to its digest, and its row is written after its flush.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from dlm.store.layout import pin_name
from dlm.store.writer import disk_error, write_whole

if TYPE_CHECKING:
    from dlm.model.artifact import Blob
    from dlm.model.digest import Digests
    from dlm.ports import Claim
    from dlm.store.guard import Claims
    from dlm.store.layout import Layout
    from dlm.store.using import Uses

__all__ = ["LocalTray"]

#: Claims between two looks whether the lock file is still there.
_LOOK = 64


class LocalTray:
    """Small bodies on their way into the store whose parts these are; made for one run.

    Args:
        uses: told of every blob before it is there.
        publish: gives a finished file (its path, its digests, its size, a name for people) its final name.
    """

    def __init__(
        self, layout: Layout, claims: Claims, uses: Uses, publish: Callable[[str, Digests, int, str], Blob]
    ) -> None:
        self._layout = layout
        self._claims = claims
        self._uses = uses
        self._publish = publish
        # What was claimed since something was said. It is said together with the first of it that arrives, since one
        # word for many costs what a word for one does.
        self._unsaid: dict[str, None] = {}
        self._temporary = layout.at("tmp") + os.sep
        # Private names are random enough once; behind that they are counted.
        self._prefix = os.urandom(12).hex()
        self._count = 0
        self._asked = 0
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

    def put(self, digests: Digests, pieces: Sequence[bytes], size: int, name: str) -> Blob:
        """Publish ``size`` bytes that have ``digests``; the caller holds the claim.

        Raises:
            LocalError: the disk refuses.
        """
        sha256 = digests.sha256
        assert sha256 is not None, "what is claimed by a sha256 has one"
        self._count += 1
        private = f"{self._temporary}{self._prefix}{self._count:08x}"
        write_whole(private, pieces, size)
        try:
            if sha256 in self._unsaid:
                self._say()
            return self._publish(private, digests, size, name)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(private)
            raise

    def _say(self) -> None:
        unsaid, self._unsaid = self._unsaid, {}
        try:
            self._uses.say(*unsaid)
        except OSError as error:
            raise disk_error("write to", self._layout.at("using"), error) from error
