"""Artifacts and what becomes of them: the type is the status.

``Artifact`` (somewhere out there) -> ``Blob`` (in the store under its digest) -> ``Placement`` (a path shows it).
``Receipt`` is what the wire did on the way. A function that takes a ``Blob`` never asks whether it was downloaded.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from types import MappingProxyType

from dlm.model.digest import Digests
from dlm.model.frozen import dataclass, field
from dlm.model.request import RequestWish

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    from dlm.model.extract import Extract, Extracted

__all__ = [
    "KEPT_HEADERS",
    "LINK_MODES",
    "Artifact",
    "Blob",
    "LinkMode",
    "Placement",
    "Receipt",
    "Spare",
    "Validators",
    "kept_headers",
    "packed_look",
    "unpacked_look",
]

LinkMode: TypeAlias = "Literal['reflink', 'hardlink', 'symlink', 'copy']"
LINK_MODES: tuple[LinkMode, ...] = ("reflink", "hardlink", "symlink", "copy")

_NOTHING: Mapping[str, str] = MappingProxyType({})
#: mtime, ctime, inode.
_LOOK = struct.Struct("=qqQ")

#: The response headers that a lockfile may hold, in its order. All others may carry secrets or identify someone.
KEPT_HEADERS = (
    "etag",
    "last-modified",
    "content-type",
    "content-length",
    "content-disposition",
    "content-md5",
    "content-digest",
    "digest",
    "repr-digest",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """One downloadable file.

    Attributes:
        resource: the name of the resource that asked for it.
        filename: its name, the last segment of the URL's path.
        url: the canonical address; ``${NAME}`` in it stays as it is.
        dest: where the project shows it, relative and POSIX.
        version: what the resolver or the manifest calls it, if anything.
        platform: the platform it is for, None for all.
        mirrors: other addresses of the same bytes, in order of preference, behind the origin.
        digests: what its bytes must hash to; empty where nothing is known yet.
        size: its size in bytes, if known.
        headers: request headers, with ``${NAME}`` as written; they go to the origin of ``url`` alone.
        ask: method and body, where they are more than a plain GET; its query is part of ``url``.
        executable: whether the placed file may be run.
        sidecars: what to add to its name for the files beside it that vouch for it, where a listing told.
        extract: what becomes of it where it is an archive; None places it as it is.
        extracted: what comes out of it, as far as that is known.
    """

    resource: str
    filename: str
    url: str
    dest: str
    version: str | None = None
    platform: str | None = None
    mirrors: tuple[str, ...] = ()
    digests: Digests = field(default_factory=Digests)
    size: int | None = None
    headers: Mapping[str, str] = field(default_factory=lambda: _NOTHING, repr=False)
    ask: RequestWish = field(default_factory=RequestWish)
    executable: bool = False
    sidecars: tuple[str, ...] = ()
    extract: Extract | None = None
    extracted: Extracted | None = None

    @property
    def is_folder(self) -> bool:
        """Whether its destination is a folder, with all that comes out of it."""
        return self.extract is not None and self.extract.shape(self.filename) == "folder"

    @property
    def shown(self) -> str | None:
        """The digest of what its destination shows: of its bytes, or of what comes out of it; None if unknown."""
        if self.extract is None:
            return self.digests.sha256
        return None if self.extracted is None else self.extracted.tree

    @property
    def program(self) -> bool:
        """Whether the file at its destination may be run: by the manifest's word or the archive's."""
        return self.executable or (self.extracted is not None and self.extracted.executable)

    @property
    def label(self) -> str:
        """How messages call it: the resource's name, and the file's where that says more."""
        if self.filename in (self.resource, ""):
            return self.resource
        return f"{self.resource} ({self.filename})" if self.platform is None else f"{self.resource} ({self.platform})"


@dataclass(frozen=True, slots=True)
class Validators:
    """What tells two versions of a resource apart (RFC 9110 8.8)."""

    etag: str | None = None
    last_modified: str | None = None

    @property
    def strong(self) -> str | None:
        """The ETag, if it is a strong one: only such a one proves that two pieces are of one whole."""
        if self.etag and self.etag.startswith('"') and self.etag.endswith('"') and len(self.etag) >= 2:
            return self.etag
        return None

    def __bool__(self) -> bool:
        return bool(self.etag or self.last_modified)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What the wire did for one artifact.

    Attributes:
        source: the address that delivered, without user info and query.
        from_origin: whether that was the artifact's own URL rather than a mirror.
        final_url: where permanent redirects without a query led, else None.
        headers: the kept headers of the answer, empty unless the origin gave it.
        transferred: body bytes that came over the wire; 0 where the cache or a 304 answered.
        seconds: from the first request to the last byte.
        attempts: how many requests it took.
        complete: whether the answer said how long it would be, so that a cut could be seen.
        status: of the answer; 0 where none was asked for.
    """

    source: str
    from_origin: bool
    final_url: str | None = None
    headers: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    transferred: int = 0
    seconds: float = 0.0
    attempts: int = 1
    complete: bool = True
    status: int = 0


@dataclass(frozen=True, slots=True)
class Spare:
    """A second file with a blob's bytes, that whoever comes first may move away.

    Attributes:
        folder: absolute; where it lies, as many others do.
        dest: what it is called there, or a path of which that is the last part.
        permissions: those that it was made with, before the umask took its part.
        look: of a small one, which is complete: what :func:`packed_look` makes of how it looks, since there may be a
            hundred thousand of them.
    """

    folder: str
    dest: str
    permissions: int
    look: bytes | None = None

    @property
    def name(self) -> str:
        """What it is called where it lies."""
        return self.dest.rpartition("/")[2]

    @property
    def path(self) -> str:
        """The file, absolute."""
        return os.path.join(self.folder, self.name)


def packed_look(mtime_ns: int, ctime_ns: int, inode: int) -> bytes:
    """How a file looks, in a third of the memory."""
    return _LOOK.pack(mtime_ns, ctime_ns, inode)


def unpacked_look(look: bytes) -> tuple[int, int, int]:
    """The mtime and ctime in nanoseconds, and the inode."""
    mtime_ns, ctime_ns, inode = _LOOK.unpack(look)
    return mtime_ns, ctime_ns, inode


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """These bytes are in the store.

    Attributes:
        folder: where the file lies that holds them, absolute.
        name: what it is called there.
        digests: what they hash to; a sha256 always.
        size: in bytes.
        lower: whether the file lies in a read-only cache: no link is made to its very file, since that writes to it.
        spare: a second file with the same bytes; None for none.
    """

    folder: str
    name: str
    digests: Digests
    size: int
    lower: bool = False
    spare: Spare | None = None

    @classmethod
    def at(cls, path: str, *, digests: Digests, size: int, lower: bool = False) -> Blob:
        """The one in the file of that path."""
        folder, name = os.path.split(path)
        return cls(folder=folder, name=name, digests=digests, size=size, lower=lower)

    @property
    def path(self) -> str:
        """The file that holds them, absolute."""
        return os.path.join(self.folder, self.name)

    @property
    def sha256(self) -> str:
        """The name of the blob."""
        value = self.digests.sha256
        if value is None:
            raise ValueError("a blob has a sha256")
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """A path of the project now shows a blob.

    Attributes:
        dest: relative and POSIX.
        sha256: which blob.
        mode: the link mode that was really used.
        size, mtime_ns, inode: what ``stat`` said right afterwards; while it says the same, nobody touched the file.
        ctime_ns: likewise; 0 where it says nothing, as for hard links, whose ctime changes with every further link.
            Where it alone differs, the file is hashed again.
        signature: for the folder that an archive was unpacked into, what the stats of all that is in it hash to, ``""``
            for a file. ``sha256`` is then the tree digest, ``size`` that of all files together, and ``mtime_ns`` the
            newest of theirs.
    """

    dest: str
    sha256: str
    mode: LinkMode
    size: int
    mtime_ns: int
    inode: int
    executable: bool = False
    ctime_ns: int = 0
    signature: str = ""


def kept_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """What a lockfile may keep of an answer's headers: the allow-list, printable, at most 1,024 characters each."""
    kept: dict[str, str] = {}
    lowered = {name.lower(): value for name, value in headers.items()}
    for name in KEPT_HEADERS:
        value = lowered.get(name, "").strip()
        if value and len(value) <= 1024 and value.isprintable():
            kept[name] = value
    return kept
