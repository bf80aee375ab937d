"""A cache folder in the layout of the package ``cachedir``: ``CachedirStore``, for ``cache: {format: cachedir}``.

What is on its way, the locks and the notebook are those of a ``LocalStore`` in the folder ``.dlm`` below. A blob that
has arrived becomes an entry of the registry under its address, where programs that use the package find it. One that
was asked for with headers of its own stays below: the package would note them in clear.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import ClassVar

from dlm.errors import LocalError
from dlm.model.artifact import Blob, Spare, Validators
from dlm.model.digest import Digest, Digests
from dlm.model.events import Warned
from dlm.model.frozen import replace
from dlm.model.transfer import Arrived, Known
from dlm.ports import Claim, Clock, Reporter, Writer
from dlm.store.cachedir import Cachedir, CachedirEntry, Value, local_stamp
from dlm.store.disk import disk_error
from dlm.store.local import LocalStore
from dlm.store.reading import Contents, read_contents

__all__ = ["CachedirStore"]


class CachedirStore:
    """A ``ports.Cache`` over a folder of ``cachedir``.

    Args:
        root: the folder, absolute.
        layers: folders of lower caches, in dlm's own format.
    """

    scatters: ClassVar[bool] = True

    def __init__(self, root: str, clock: Clock, reporter: Reporter, *, layers: Sequence[str] = ()) -> None:
        self._entries = Cachedir(root, clock)
        self._below = LocalStore(os.path.join(self._entries.folder, ".dlm"), clock, reporter, layers=layers)
        self._clock = clock
        self._reporter = reporter

    @property
    def root(self) -> str:
        """The folder, absolute."""
        return self._entries.folder

    def get(self, digests: Digests) -> Blob | None:
        """The blob that has all of ``digests``, from whatever entry has it; an entry is READY and its bytes hold."""
        blob = self._below.get(digests)
        if blob is not None or digests.sha256 is None:
            return blob
        entry = self._entries.find(digests.sha256)
        return None if entry is None else _blob(entry, digests)

    def get_many(self, wanted: Mapping[str, Digests]) -> dict[str, Blob]:
        """As :meth:`get` each."""
        found = {sha256: self.get(digests) for sha256, digests in wanted.items()}
        return {sha256: blob for sha256, blob in found.items() if blob is not None}

    def claim(self, key: str) -> Claim | None:
        """As :meth:`LocalStore.claim`."""
        return self._below.claim(key)

    def tray(self, told: Callable[[str, tuple[int, int, int, int]], None] | None = None) -> None:
        """There is no short way."""

    def adopt(self, blobs: Sequence[tuple[Digests, tuple[int, int, int, int], str, Spare | None]]) -> list[Blob]:
        """As :meth:`LocalStore.adopt`; without a tray there is nothing to adopt."""
        return self._below.adopt(blobs)

    def hash_beside(self, *, allowed: bool) -> None:
        """As :meth:`LocalStore.hash_beside`."""
        self._below.hash_beside(allowed=allowed)

    def leave(self) -> None:
        """As :meth:`LocalStore.leave`."""
        self._below.leave()

    def spares(self, room: int = 0) -> str | None:
        """As :meth:`LocalStore.spares`."""
        return self._below.spares(room)

    def writer(self, key: str, expected: Digests, size: int | None, spare: int | None = None) -> Writer:
        """As :meth:`LocalStore.writer`."""
        return self._below.writer(key, expected, size, spare)

    def known(self, key: str) -> Known | None:
        """What an origin answered: as noted here, or as an entry of the registry says."""
        known = self._below.known(key)
        uri = _plain_address(key)
        if known is not None or uri is None:
            return known
        entry = self._entries.lookup(uri, _PARAMS)
        if entry is None or entry.sha256 is None:
            return None
        etag, modified = entry.attrs.get("etag"), entry.attrs.get("last_modified")
        headers = {name: value for name, value in (("etag", etag), ("last-modified", modified)) if value}
        return Known(
            digests=Digests((Digest("sha256", entry.sha256),)),
            size=os.stat(entry.path).st_size,
            validators=Validators(etag if etag else None, modified if modified else None),
            headers={name: str(value) for name, value in headers.items()},
            serial=entry.row,
        )

    def record(self, key: str, known: Known, name: str) -> None:
        """Noted below until the blob becomes an entry, which says it then."""
        self._below.record(key, known, name)

    def arrived(self, outcome: Arrived) -> Arrived:
        """The blob becomes an entry, unless it is one already or was asked for with headers of its own."""
        artifact, blob, receipt = outcome.order.artifact, outcome.blob, outcome.receipt
        inside = os.path.dirname(blob.path) != self.root
        if artifact.headers or artifact.ask.key() or blob.lower or not inside:
            return self._below.arrived(outcome)
        headers = {name.title(): value for name, value in receipt.headers.items()}
        finished = self._clock.time()
        attrs: dict[str, Value | None] = {
            "resp_headers": headers,
            "url": artifact.url,
            "download_method": "GET",
            "size": blob.size,
            "http_code": 200,
            "etag": receipt.headers.get("etag"),
            "last_modified": receipt.headers.get("last-modified"),
            "download_started": local_stamp(finished - receipt.seconds),
            "download_finished": local_stamp(finished),
        }
        held = {name: value for name, value in attrs.items() if value is not None}
        entry = self._entries.publish(
            blob.path, artifact.url, _PARAMS, held, sha256=blob.sha256, file_name=artifact.filename
        )
        return replace(outcome, blob=Blob.at(entry.path, digests=blob.digests, size=blob.size))

    def prepare(self, *, rows: bool) -> None:
        """As :meth:`LocalStore.prepare`."""
        self._below.prepare(rows=rows)

    def settle(self) -> None:
        """Entries are on the disk when they appear; the rest as in :meth:`LocalStore.settle`."""
        self._below.settle()

    def close(self) -> None:
        """As :meth:`LocalStore.close`."""
        self._below.close()

    def read(self, key: str) -> tuple[str, float] | None:
        """As :meth:`LocalStore.read`."""
        return self._below.read(key)

    def write(self, key: str, text: str) -> None:
        """As :meth:`LocalStore.write`."""
        self._below.write(key, text)

    def path_of(self, sha256: str) -> str:
        """Where the blob of that sha256 is, or would be below."""
        path = self._below.path_of(sha256)
        if os.path.lexists(path):
            return path
        entry = self._entries.find(sha256)
        return path if entry is None else entry.path

    def verify_all(self, only: Iterable[str] | None = None) -> Iterator[tuple[str, bool]]:
        """Hash entries anew; one whose bytes are wrong is noted as failed, which takes it out of use."""
        wanted = None if only is None else list(only)
        found = dict(self._below.verify_all(wanted))
        for entry in list(self._entries.records()):
            if entry.sha256 is None or (wanted is not None and entry.sha256 not in wanted):
                continue
            good = self._entries.is_good(entry, anew=True)
            if not good:
                self._entries.fail(entry)
                self._reporter.emit(Warned(f"the cached file {entry.path} was damaged; it is not used any more"))
            found[entry.sha256] = good and found.get(entry.sha256, True)
        yield from found.items()


#: What the package's downloader notes of a plain GET.
_PARAMS: Mapping[str, Mapping[str, Sequence[str]]] = {"dl_params": {"headers": []}}


def _plain_address(key: str) -> str | None:
    """The address in an order's key, where it was asked for without headers of its own."""
    if not key.startswith("url:") or not key.endswith("#"):
        return None
    return key.removeprefix("url:").removesuffix("#")


def _blob(entry: CachedirEntry, digests: Digests) -> Blob | None:
    """The blob of an entry, with every digest that is asked for computed."""
    try:
        size = os.stat(entry.path).st_size
    except OSError as error:
        raise disk_error("read", entry.path, error) from error
    if entry.sha256 is None:
        raise LocalError(f"{entry.path} has no digest")
    have = Digests((Digest("sha256", entry.sha256),))
    if set(digests.algorithms) > {"sha256"}:
        contents = read_contents(entry.path, tuple(dict.fromkeys(("sha256", *digests.algorithms))))
        if not isinstance(contents, Contents):
            return None
        have = contents.digests
    if have.contradiction(digests) is not None:
        return None
    return Blob.at(entry.path, digests=have, size=size)
