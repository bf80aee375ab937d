"""What programs downloaded as they ran, with a record of each: ``Downloads``.

::

    <folder>/
      <key>/<version>/<name>   the file, a hard link to its blob or a copy
      <key>/<version>.json     its record; written after the file, so that a record never speaks of half a file

A key is a request, a version what it brought at some time. Each record is replaced atomically; whoever changes what a
key has holds the store's claim for it. A file that was changed or is gone is noticed, and put back from the store.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from typing import Any

from dlm.model.artifact import Blob
from dlm.model.digest import Digest, Digests
from dlm.model.download import FAILED, READY, Ask, Kept
from dlm.model.frozen import dataclass, replace
from dlm.ports import Clock, Store
from dlm.store.disk import disk_error
from dlm.store.flush import flush_files
from dlm.store.index import Signature
from dlm.store.reading import Contents, read_contents

__all__ = ["Downloads"]

_RECORD = re.compile(r"([1-9][0-9]{0,8})\.json\Z")
_KEY = re.compile(r"[0-9a-f]{40}\Z")
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class _Entry:
    """A record as it lies on the disk."""

    kept: Kept
    name: str
    signature: Signature | None


class Downloads:
    """The downloads of one cache folder. Every method raises LocalError where the disk refuses.

    Args:
        folder: theirs, absolute.
        store: holds the blobs.
    """

    def __init__(self, folder: str, store: Store, clock: Clock) -> None:
        self._folder = folder
        self._store = store
        self._clock = clock

    def find(self, ask: Ask, *, newer_than: float | None = None, older_than: float | None = None) -> Kept | None:
        """The newest version that is whole and lies within the bounds, in seconds since the epoch."""
        for entry in self._entries(ask.key):
            kept = entry.kept
            if kept.status != READY:
                continue
            if newer_than is not None and kept.checked <= newer_than:
                continue
            if older_than is not None and kept.date >= older_than:
                continue
            if self._sound(entry):
                return kept
        return None

    def read(self, kept: Kept) -> Kept:
        """Note that a version was handed out; not being able to is no error."""
        # Somebody else may have renewed the record since it was found.
        entry = self._load(kept.key, kept.version)
        if entry is None:
            return kept
        now = replace(entry.kept, last_read=self._now(), read_count=entry.kept.read_count + 1)
        with contextlib.suppress(OSError):
            self._write(replace(entry, kept=now))
        return now

    def keep(self, ask: Ask, blob: Blob, filename: str, attrs: Mapping[str, Any], *, keep_old: bool) -> Kept:
        """A blob becomes the newest version; where the newest has the same bytes, that one is renewed.

        Args:
            filename: how people know it, safe already.
            keep_old: whether older versions stay.
        """
        entries = list(self._entries(ask.key))
        same = next((one for one in entries if one.kept.status == READY), None)
        if same is not None and same.kept.sha256 != blob.sha256:
            same = None
        version = same.kept.version if same is not None else self._next(ask.key, entries)
        name = same.name if same is not None else ask.artifact.dest
        now = self._now()
        kept = Kept(
            key=ask.key,
            version=version,
            status=READY,
            path=os.path.join(self._place(ask.key, version), name),
            uri=ask.uri,
            filename=filename,
            date=now,
            checked=now,
            last_read=same.kept.last_read if same is not None else None,
            read_count=same.kept.read_count if same is not None else 0,
            sha256=blob.sha256,
            size=blob.size,
            attrs=attrs,
            params=ask.params,
        )
        try:
            if same is None or not self._sound(same):
                self._show(blob, kept.path)
            self._write(_Entry(kept, name, Signature.of(os.lstat(kept.path))))
            for one in entries:
                if one.kept.version != version and (one.kept.status == FAILED or not keep_old):
                    self._remove(one.kept)
        except OSError as error:
            raise disk_error("write", self._place(ask.key, version), error) from error
        return kept

    def confirm(self, kept: Kept, attrs: Mapping[str, Any]) -> Kept:
        """The server says that a version is still what it has."""
        entry = self._load(kept.key, kept.version)
        if entry is None:
            return kept
        renewed = replace(entry.kept, checked=self._now(), attrs={**entry.kept.attrs, **attrs})
        try:
            self._write(replace(entry, kept=renewed))
        except OSError as error:
            raise disk_error("write", kept.path, error) from error
        return renewed

    def fail(self, ask: Ask, attrs: Mapping[str, Any]) -> None:
        """Note that a request failed; the last failure alone is kept."""
        entries = list(self._entries(ask.key))
        version = self._next(ask.key, entries)
        now = self._now()
        kept = Kept(
            key=ask.key,
            version=version,
            status=FAILED,
            path="",
            uri=ask.uri,
            filename=ask.artifact.filename,
            date=now,
            checked=now,
            attrs=attrs,
            params=ask.params,
        )
        try:
            self._write(_Entry(kept, "", None))
            for one in entries:
                if one.kept.status == FAILED:
                    self._remove(one.kept)
        except OSError as error:
            raise disk_error("write", self._place(ask.key, version), error) from error

    def records(self) -> Iterator[Kept]:
        """All versions of all requests, by key, newest version first; files are not looked at."""
        for key in sorted(self._names(self._folder)):
            if _KEY.match(key):
                yield from (entry.kept for entry in self._entries(key))

    def _now(self) -> float:
        """Whole microseconds, as dates are shown: a bound that is taken from a record then is that record's own."""
        return round(self._clock.time(), 6)

    # Files

    def _sound(self, entry: _Entry) -> bool:
        """Whether a version's file has its bytes; put back from the store where it has not and that can be done."""
        kept = entry.kept
        try:
            if entry.signature is not None and Signature.of(os.lstat(kept.path)) == entry.signature:
                return True
        except OSError:
            pass  # gone: the store may have it
        contents = read_contents(kept.path, ("sha256",))
        if not isinstance(contents, Contents) or contents.digests.sha256 != kept.sha256:
            blob = self._store.get(Digests((Digest("sha256", kept.sha256 or ""),)))
            if blob is None:
                return False
            try:
                self._show(blob, kept.path)
            except OSError as error:
                raise disk_error("write", kept.path, error) from error
        # A cache that cannot be written is read all the same, a little slower.
        with contextlib.suppress(OSError):
            self._write(_Entry(kept, entry.name, Signature.of(os.lstat(kept.path))))
        return True

    def _show(self, blob: Blob, path: str) -> None:
        """Make ``path`` show a blob, atomically. Raises OSError."""
        folder = os.path.dirname(path)
        os.makedirs(folder, exist_ok=True)
        draft = os.path.join(os.path.dirname(folder), f".{os.urandom(8).hex()}")
        try:
            if not _linked(blob, draft):
                shutil.copyfile(blob.path, draft)
                failed = flush_files((draft,), ())
                if failed:
                    raise failed[draft]
            os.replace(draft, path)
        finally:
            with contextlib.suppress(OSError):
                os.unlink(draft)

    def _remove(self, kept: Kept) -> None:
        """Drop a version, its record first. Raises OSError."""
        place = self._place(kept.key, kept.version)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{place}.json")
        shutil.rmtree(place, ignore_errors=True)

    def _place(self, key: str, version: int) -> str:
        return os.path.join(self._folder, key, str(version))

    def _next(self, key: str, entries: list[_Entry]) -> int:
        """One more than any version, and never one whose folder is there already."""
        last = max((one.kept.version for one in entries), default=0)
        for name in self._names(os.path.join(self._folder, key)):
            last = max(last, int(name) if name.isascii() and name.isdigit() else 0)
        return last + 1

    # Records

    def _entries(self, key: str) -> Iterator[_Entry]:
        folder = os.path.join(self._folder, key)
        numbers = [int(match[1]) for name in self._names(folder) if (match := _RECORD.match(name))]
        for number in sorted(numbers, reverse=True):
            entry = self._load(key, number)
            if entry is not None:
                yield entry

    def _names(self, folder: str) -> list[str]:
        try:
            return os.listdir(folder)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise disk_error("read", folder, error) from error

    def _load(self, key: str, version: int) -> _Entry | None:
        """A record; None where it is gone or does not add up, which is as if nothing had been downloaded."""
        place = self._place(key, version)
        try:
            with open(f"{place}.json", "rb") as file:
                found = json.loads(file.read())
        except (FileNotFoundError, ValueError, RecursionError):
            return None
        except OSError as error:
            raise disk_error("read", f"{place}.json", error) from error
        try:
            name, stat = found["name"], found["stat"]
            if found["format"] != _FORMAT or os.path.basename(name) != name or name in {".", ".."}:
                return None
            kept = Kept(
                key=key,
                version=version,
                status=int(found["status"]),
                path=os.path.join(place, name) if name else "",
                uri=str(found["uri"]),
                filename=str(found["filename"]),
                date=float(found["date"]),
                checked=float(found["checked"]),
                last_read=None if found["last_read"] is None else float(found["last_read"]),
                read_count=int(found["read_count"]),
                sha256=found["sha256"],
                size=int(found["size"]),
                attrs=dict(found["attrs"]),
                params=dict(found["params"]),
            )
            if kept.status == READY and not name:
                return None
            if kept.status == READY:
                Digest("sha256", kept.sha256 or "")
            return _Entry(kept, name, None if stat is None else Signature(*map(int, stat)))
        except (KeyError, TypeError, ValueError):
            return None

    def _write(self, entry: _Entry) -> None:
        """Replace a record. Raises OSError."""
        kept = entry.kept
        document = {
            "format": _FORMAT,
            "status": kept.status,
            "uri": kept.uri,
            "name": entry.name,
            "filename": kept.filename,
            "date": kept.date,
            "checked": kept.checked,
            "last_read": kept.last_read,
            "read_count": kept.read_count,
            "sha256": kept.sha256,
            "size": kept.size,
            "stat": None if entry.signature is None else list(entry.signature),
            "attrs": dict(kept.attrs),
            "params": dict(kept.params),
        }
        place = self._place(kept.key, kept.version)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        draft = os.path.join(os.path.dirname(place), f".{os.urandom(8).hex()}")
        try:
            with open(draft, "x", encoding="utf-8") as file:
                json.dump(document, file, indent=1)
            os.replace(draft, f"{place}.json")
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(draft)
            raise


def _linked(blob: Blob, path: str) -> bool:
    """Whether a hard link could be made; none is made to a file of a read-only cache."""
    if blob.lower:
        return False
    try:
        os.link(blob.path, path)
    except OSError:
        return False
    return True
