"""A program's downloads in the layout of the package ``cachedir``: ``CachedirDownloads``.

What the package's downloader would find for a request is found, and what is kept is found by it. Values that may be
secret are part of the key, as there, but stand in no record.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from dlm.model.artifact import Blob
from dlm.model.download import READY, Ask, Kept
from dlm.store.cachedir import Cachedir, CachedirEntry, cachedir_key
from dlm.store.disk import disk_error

__all__ = ["CachedirDownloads"]

#: The attribute that tells requests apart whose keys there are the same: types, the order of lists, and what separates
#: fields are lost in those, and of an uploaded file nothing but its name counts.
_OWN_KEY = "dlm_key"


class CachedirDownloads:
    """Does for such a folder what ``dlm.store.downloads.Downloads`` does for dlm's own."""

    def __init__(self, cache: Cachedir) -> None:
        self._cache = cache

    def find(self, ask: Ask, *, newer_than: float | None = None, older_than: float | None = None) -> Kept | None:
        """The newest version that is whole and lies within the bounds; dates there are whole seconds of local time."""
        for entry in self._versions(ask):
            date = _seconds(entry.date)
            if newer_than is not None and date <= newer_than:
                continue
            if older_than is not None and date >= older_than:
                continue
            if self._cache.is_good(entry):
                return _kept(entry)
        return None

    def _versions(self, ask: Ask) -> Iterator[CachedirEntry]:
        """The versions of a request, newest first, without those of another request that has the same key there."""
        for entry in self._cache.by_key(cachedir_key(ask.legacy_uri, ask.legacy_params)):
            if entry.attrs.get(_OWN_KEY) in {None, ask.key}:
                yield entry

    def read(self, kept: Kept) -> Kept:
        """Count a reading, where that can be done."""
        for entry in self._cache.by_key(kept.key):
            if entry.row == kept.row:
                self._cache.read(entry)
        return kept

    def keep(self, ask: Ask, blob: Blob, filename: str, attrs: Mapping[str, Any], *, keep_old: bool) -> Kept:
        """A blob becomes the newest version; where the newest has the same bytes, that one stays."""
        same = self.find(ask)
        if same is not None and same.sha256 == blob.sha256:
            return same
        source = blob.path
        if os.path.dirname(source) == self._cache.folder:
            # It belongs to another request already.
            source = self._cache.temporary()
            try:
                shutil.copyfile(blob.path, source)
            except OSError as error:
                raise disk_error("write", source, error) from error
        entry = self._cache.publish(
            source,
            ask.legacy_uri,
            ask.legacy_params,
            {**attrs, _OWN_KEY: ask.key},
            sha256=blob.sha256,
            file_name=ask.artifact.dest,
            shown=_shown(ask),
        )
        if not keep_old:
            for older in list(self._versions(ask)):
                if older.row != entry.row:
                    self._cache.trash(older)
        return _kept(entry)

    def confirm(self, kept: Kept, attrs: Mapping[str, Any]) -> Kept:
        """The layout has no place for when something was last checked."""
        return kept

    def fail(self, ask: Ask, attrs: Mapping[str, Any]) -> None:
        """Note that a request failed."""
        self._cache.note_failure(
            ask.legacy_uri, ask.legacy_params, attrs, file_name=ask.artifact.filename, shown=_shown(ask)
        )

    def records(self) -> Iterator[Kept]:
        """All versions of all items."""
        return map(_kept, self._cache.everything())


def _shown(ask: Ask) -> Mapping[str, Any]:
    return {"dl_params": dict(ask.params), "_uri": ask.uri}


def _seconds(text: str) -> float:
    try:
        return datetime.fromisoformat(text).astimezone().timestamp()
    except ValueError:
        return 0.0


def _kept(entry: CachedirEntry) -> Kept:
    date = _seconds(entry.date)
    inner = entry.params.get("dl_params")
    try:
        size = os.stat(entry.path).st_size if entry.path else 0
    except OSError:
        size = 0
    return Kept(
        key=entry.key,
        version=entry.version,
        status=entry.status,
        path=entry.path if entry.status == READY else "",
        uri=entry.uri or str(entry.params.get("_uri", "")),
        filename=str(entry.attrs.get("file_name") or entry.file_name),
        date=date,
        checked=date,
        last_read=_seconds(entry.last_read) or None,
        read_count=entry.read_count,
        sha256=entry.sha256,
        size=size,
        attrs=entry.attrs,
        params=inner if isinstance(inner, Mapping) else entry.params,
        row=entry.row,
    )
