"""One download that a program asks for as it runs: into its cache, into a file of its own, or into memory."""

from __future__ import annotations

import contextlib
import io
import os
import secrets
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, BinaryIO, Protocol

from dlm.errors import DlmError, LocalError, NetworkError, UsageError
from dlm.fetch.mirrors import sources
from dlm.model.artifact import Blob, Receipt, Validators
from dlm.model.digest import Digest, Digests
from dlm.model.disposition import disposition_name, safe_name
from dlm.model.download import Ask, CheckMethod, Kept, shown_url
from dlm.model.frozen import dataclass
from dlm.model.rewrite import RewriteRule
from dlm.model.transfer import Arrived, Known, Order
from dlm.model.url import Url
from dlm.ports import Cache, Claim, Clock, Credentials, Fetcher, Store, Variables
from dlm.store.single import SingleStore

__all__ = ["Brought", "Line", "Means", "Shelf", "ToCache", "obtain", "replacing", "to_file", "to_memory"]

#: Seconds between two looks at a claim that another thread or process has.
_FIRST_LOOK, _LONGEST_LOOK = 0.02, 0.5
#: How often a blob may be carried off by somebody else who wanted the same bytes.
_TRIES = 3


class Shelf(Protocol):
    """Where versions of downloads are kept."""

    def find(self, ask: Ask, *, newer_than: float | None = None, older_than: float | None = None) -> Kept | None: ...
    def read(self, kept: Kept) -> Kept: ...
    def keep(self, ask: Ask, blob: Blob, filename: str, attrs: Mapping[str, Any], *, keep_old: bool) -> Kept: ...
    def confirm(self, kept: Kept, attrs: Mapping[str, Any]) -> Kept: ...
    def fail(self, ask: Ask, attrs: Mapping[str, Any]) -> None: ...
    def records(self) -> Iterator[Kept]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """The way to servers.

    Attributes:
        rewrite, credentials: what the user's configuration puts in place of addresses, and sends to origins.
    """

    fetcher: Fetcher
    clock: Clock
    rewrite: tuple[RewriteRule, ...] = ()
    credentials: Credentials | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What a request is answered with where there is a cache."""

    shelf: Shelf
    store: Cache
    line: Line


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """What a download came to.

    Attributes:
        kept: the version in the cache, None where there is none.
        receipt: what the wire did, None where the cache answered.
        sha256, size: of the bytes.
        filename: as the server or the address says, made safe.
        attrs: what is known of it, as records have it.
    """

    kept: Kept | None
    receipt: Receipt | None
    sha256: str
    size: int
    filename: str
    attrs: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToCache:
    """How a request is answered where there is a cache.

    Attributes:
        newer_than, older_than: bounds for versions that will do, seconds since the epoch.
        check: ask the server whether the version at hand is still what it has, and how; None takes it as it is.
        force: fetch anew whatever is at hand.
        keep_old: whether older versions stay beside a new one.
    """

    newer_than: float | None = None
    older_than: float | None = None
    check: CheckMethod | None = None
    force: bool = False
    keep_old: bool = True


@dataclass(frozen=True, slots=True)
class _Verbatim:
    """A program's texts are sent as they are: what looks like ``${NAME}`` in them is none."""

    def value(self, name: str, url: Url) -> str:
        return f"${{{name}}}"


_VERBATIM: Variables = _Verbatim()


def obtain(ask: Ask, wish: ToCache, means: Means) -> Brought:
    """A version of what ``ask`` asks for, from the cache where that will do, else from the server.

    Raises:
        DlmError: it could not be had; what was kept before is untouched.
    """
    shelf, plain = means.shelf, wish.check is None and not wish.force
    found = shelf.find(ask, newer_than=wish.newer_than, older_than=wish.older_than) if plain else None
    if found is None:
        with _claimed(means.store, f"download:{ask.key}", means.line.clock):
            # Somebody else may have fetched it while this one waited.
            found = shelf.find(ask, newer_than=wish.newer_than, older_than=wish.older_than)
            if not plain or found is None:
                return _obtain(ask, wish, found, means)
    found = shelf.read(found)
    return _brought(found, None)


def to_file(ask: Ask, path: str, line: Line) -> Brought:
    """Fetch anew into the file ``path`` (absolute), which is replaced atomically; its folders are made.

    Raises:
        LocalError: something else than a file stands there, or the disk refuses.
        DlmError: it could not be had; a file that was there is untouched.
    """
    with replacing(path) as (file, draft):
        return _single(ask, file, draft, line)


@contextlib.contextmanager
def replacing(path: str) -> Iterator[tuple[BinaryIO, str]]:
    """A new file under a private name, and that name; it takes the place of ``path`` (absolute) if all goes well.

    Raises:
        LocalError: something else than a file stands there, or the disk refuses.
    """
    target = os.path.realpath(path)
    if os.path.lexists(target) and not os.path.isfile(target):
        raise LocalError(f"{path} is no plain file", hint="give the path of a file")
    folder, name = os.path.split(target)
    draft = os.path.join(folder, f".{name[:80]}.{secrets.token_hex(6)}.part")
    try:
        os.makedirs(folder, exist_ok=True)
        with open(draft, "x+b") as file:
            yield file, draft
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, target)
        _flush_folder(folder)
    except OSError as error:
        raise LocalError(
            f"cannot write {path}: {error.strerror or error}", hint="check the folder and its space"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            os.unlink(draft)


def to_memory(ask: Ask, line: Line) -> tuple[io.BytesIO, Brought]:
    """Fetch anew into memory; the buffer stands at its beginning.

    Raises:
        DlmError: it could not be had.
    """
    buffer = io.BytesIO()
    brought = _single(ask, buffer, "", line)
    buffer.seek(0)
    return buffer, brought


def _single(ask: Ask, file: BinaryIO, path: str, line: Line) -> Brought:
    begun = line.clock.time()
    arrived = _fetch(_order(ask, line), SingleStore(file, path), line.fetcher)
    filename = _filename(ask, arrived.receipt)
    return Brought(
        kept=None,
        receipt=arrived.receipt,
        sha256=arrived.blob.sha256,
        size=arrived.blob.size,
        filename=filename,
        attrs=_attrs(ask, arrived, filename, begun, line.clock.time()),
    )


@contextlib.contextmanager
def _claimed(store: Store, key: str, clock: Clock) -> Iterator[None]:
    """Alone with a request, against all threads and processes."""
    look = _FIRST_LOOK
    claim: Claim | None
    while (claim := store.claim(key)) is None:
        clock.sleep(look)
        look = min(2 * look, _LONGEST_LOOK)
    with claim:
        yield


def _obtain(ask: Ask, wish: ToCache, found: Kept | None, means: Means) -> Brought:
    shelf, store, line = means.shelf, means.store, means.line
    fetcher, clock = line.fetcher, line.clock
    begun = clock.time()
    try:
        known = None if wish.force else found or shelf.find(ask)
        if known is not None and wish.check == "size" and ask.repeatable and _same_size(ask, known, line):
            return _brought(_confirm(shelf, known, begun), None)
        for left in reversed(range(_TRIES)):
            arrived = _fetch(_order(ask, line, _condition(ask, known, wish.check)), store, fetcher)
            store.settle()
            if known is not None and arrived.receipt.status == 304 and arrived.blob.sha256 == known.sha256:
                return _brought(_confirm(shelf, known, begun), arrived.receipt)
            filename = _filename(ask, arrived.receipt)
            attrs = _attrs(ask, arrived, filename, begun, clock.time())
            try:
                kept = shelf.keep(ask, arrived.blob, filename, attrs, keep_old=wish.keep_old)
            except LocalError:
                if left and not os.path.lexists(arrived.blob.path):
                    continue  # carried off by another request that brought the same bytes
                raise
            return _brought(shelf.read(kept), arrived.receipt)
    except DlmError as error:
        status = error.status if isinstance(error, NetworkError) else None
        attrs = {
            "url": _shown(ask),
            "download_method": ask.artifact.ask.method,
            "http_code": status,
            "error": error.message,
            "download_started": _stamp(begun),
            "download_finished": _stamp(clock.time()),
        }
        # What went wrong is worth more than a note of it.
        with contextlib.suppress(LocalError):
            shelf.fail(ask, {name: value for name, value in attrs.items() if value is not None})
        raise
    raise LocalError(f"{ask.uri} was carried off by others each time it arrived", hint="try again")


def _confirm(shelf: Shelf, known: Kept, begun: float) -> Kept:
    return shelf.read(shelf.confirm(known, {"last_checked": _stamp(begun)}))


def _order(ask: Ask, line: Line, known: Known | None = None) -> Order:
    found = sources(ask.artifact, _VERBATIM, rewrite=line.rewrite, credentials=line.credentials)
    return Order(artifact=ask.artifact, sources=found, known=known, lenient=True, variant=ask.key)


def _fetch(order: Order, store: Store, fetcher: Fetcher) -> Arrived:
    """Fetch what no cache of dlm's own is asked for first."""
    for outcome in fetcher.fetch([order], store):
        if isinstance(outcome, Arrived):
            return outcome
        raise outcome.error
    raise UsageError("nothing was asked for")


def _condition(ask: Ask, known: Kept | None, check: CheckMethod | None) -> Known | None:
    """What a conditional request asks about; None for a request without a condition."""
    if known is None or known.sha256 is None or not ask.repeatable or check in {"size", "hash"}:
        return None
    etag, modified = known.attrs.get("etag"), known.attrs.get("last_modified")
    validators = Validators(
        str(etag) if etag and check != "modified" else None,
        str(modified) if modified and check != "etag" else None,
    )
    if not validators:
        return None
    return Known(digests=Digests((Digest("sha256", known.sha256),)), size=known.size, validators=validators)


def _same_size(ask: Ask, known: Kept, line: Line) -> bool:
    """Whether the server has as many bytes as are at hand; False also where it does not tell."""
    [answer] = line.fetcher.ask([_order(ask, line)])
    if answer.error is not None:
        raise answer.error
    return answer.size == known.size


def _filename(ask: Ask, receipt: Receipt) -> str:
    """What the server calls the file, or the address; fit to be a file's name, and never made one."""
    said = disposition_name(receipt.headers.get("content-disposition", ""))
    return safe_name(said, ask.artifact.dest) if said else ask.artifact.dest


def _attrs(ask: Ask, arrived: Arrived, filename: str, begun: float, ended: float) -> dict[str, Any]:
    artifact, receipt = ask.artifact, arrived.receipt
    attrs: dict[str, Any] = {
        "url": _shown(ask),
        "download_method": artifact.ask.method,
        "http_code": receipt.status or 200,
        "resp_headers": {name.title(): value for name, value in receipt.headers.items()},
        "etag": receipt.headers.get("etag"),
        "last_modified": receipt.headers.get("last-modified"),
        "sha256": arrived.blob.sha256,
        "size": arrived.blob.size,
        "file_name": filename,
        "ext": os.path.splitext(artifact.dest)[1][1:],
        "download_started": _stamp(begun),
        "download_finished": _stamp(ended),
    }
    query = ask.params.get("query")
    if isinstance(query, Mapping) and query:
        attrs["query_params" if artifact.ask.method == "GET" else "post_data"] = dict(query)
    return {name: value for name, value in attrs.items() if value not in (None, "", {})}


def _shown(ask: Ask) -> str:
    return shown_url(Url.parse(ask.artifact.url))


def _stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(sep=" ", timespec="microseconds")


def _brought(kept: Kept, receipt: Receipt | None) -> Brought:
    return Brought(
        kept=kept,
        receipt=receipt,
        sha256=kept.sha256 or "",
        size=kept.size,
        filename=kept.filename,
        attrs=kept.attrs,
    )


def _flush_folder(folder: str) -> None:
    """The new name reaches the disk, where folders can be flushed."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
