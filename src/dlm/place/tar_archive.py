"""tar, read strictly: v7, ustar and pax (POSIX.1-2017, pax), and GNU's long names.

The standard library's reader takes whatever can be taken, believes sizes before it looks, and follows links by asking
the file system. This one reads front to back in bounded memory, and refuses what two programs would read in two ways:
a size in a pax record that contradicts the header, names given twice, data behind the end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dlm.errors import ArchiveError
from dlm.model.frozen import dataclass, field
from dlm.place.member import Member, damaged, refused, shown
from dlm.place.streams import BLOCK, cut_short

if TYPE_CHECKING:
    from dlm.errors import PolicyError
    from dlm.place.streams import Stream

__all__ = ["TarArchive", "is_tar"]

_UNIT = 512
_END = bytes(_UNIT)
#: Long names, link targets and pax records are read as a whole.
_MOST_HEADER = 1024 * 1024
#: Far more than any tape's blocks are long.
_MOST_PADDING = 32 * 1024 * 1024
_LARGEST_OCTAL = 0o77777777777
_OWNER_MAY_RUN = 0o100
_RECORD = re.compile(rb"([1-9][0-9]{0,7}) ([^=\0]+)=")
_SPECIAL = {b"3": "a character device", b"4": "a block device", b"6": "a FIFO"}
_FILES = {b"0", b"\0", b"7"}
_META = {b"x", b"g", b"L", b"K"}


@dataclass(frozen=True, slots=True)
class _Header:
    """One block, decoded."""

    name: bytes
    mode: int
    size: int
    kind: bytes
    target: bytes


@dataclass(slots=True)
class _Ahead:
    """What blocks before a member say about it."""

    name: bytes | None = None
    target: bytes | None = None
    size: int | None = None
    seen: set[str] = field(default_factory=set)

    def once(self, what: str) -> None:
        if what in self.seen:
            raise refused(f"a member has more than one {what}")
        self.seen.add(what)


class TarArchive:
    """A tar file from front to back; one pass over it."""

    def __init__(self, stream: Stream, most_blocks: int) -> None:
        self._stream = stream
        self._left = most_blocks

    def members(self) -> Iterator[tuple[Member, Iterator[bytes]]]:
        """See :class:`dlm.place.member.Archive`."""
        ahead = _Ahead()
        while (header := self._header()) is not None:
            if header.kind in _META:
                self._meta(header, ahead)
                continue
            member = _member(header, ahead)
            ahead = _Ahead()
            body = _Body(self._stream, member.size)
            yield member, iter(body)
            body.finish()
        if ahead.seen:
            raise damaged("it ends where a member should come")

    def _header(self) -> _Header | None:
        block = self._stream.exactly(_UNIT)
        if block == _END or not block:
            self._only_zeros()
            return None
        self._left -= 1
        if self._left < 0:
            raise refused("it has more headers than members are allowed")
        header = _parse(block)
        if header is None:
            raise damaged("a member's header is none") if len(block) == _UNIT else cut_short()
        return header

    def _only_zeros(self) -> None:
        """Behind the end only padding may come: some programs would read on."""
        for _ in range(_MOST_PADDING // BLOCK):
            block = self._stream.exactly(BLOCK)
            if block.strip(b"\0"):
                break
            if not block:
                return
        raise refused("more data follows its end")

    def _meta(self, header: _Header, ahead: _Ahead) -> None:
        if header.size > _MOST_HEADER:
            raise refused("a name or a pax header is larger than a megabyte")
        data = self._stream.exactly(header.size)
        if len(data) < header.size:
            raise cut_short()
        self._stream.skip(-header.size % _UNIT)
        if header.kind == b"L":
            ahead.once("name")
            ahead.name = data.split(b"\0", 1)[0]
        elif header.kind == b"K":
            ahead.once("link target")
            ahead.target = data.split(b"\0", 1)[0]
        else:
            _pax(data, ahead, for_all=header.kind == b"g")


class _Body:
    """The bytes of one member; what was not taken is passed over at the end."""

    def __init__(self, stream: Stream, size: int) -> None:
        self._stream, self._left, self._padding = stream, size, -size % _UNIT

    def __iter__(self) -> Iterator[bytes]:
        while self._left:
            block = self._stream.exactly(min(BLOCK, self._left))
            if not block:
                raise cut_short()
            self._left -= len(block)
            yield block

    def finish(self) -> None:
        self._stream.skip(self._left + self._padding)
        self._left = self._padding = 0


def is_tar(block: bytes) -> bool:
    """Whether data that begins so is a tar file: the header's checksum tells, or the end of an empty one."""
    if block[:_UNIT] == _END:
        return True
    try:
        return _parse(block[:_UNIT]) is not None
    except ArchiveError:
        return True  # the checksum was right


def _parse(block: bytes) -> _Header | None:
    if len(block) < _UNIT:
        return None
    try:
        checksum = _octal(block[148:156])
    except ArchiveError:
        return None
    blanked = block[:148] + b" " * 8 + block[156:]
    # Some old programs summed signed characters.
    signed = sum(byte - 256 if byte > 127 else byte for byte in blanked)
    if checksum not in {sum(blanked), signed}:
        return None
    name = block[:100].split(b"\0", 1)[0]
    # GNU's own format has other fields where ustar keeps the front of a long name.
    if block[257:263] == b"ustar\0" and (prefix := block[345:500].split(b"\0", 1)[0]):
        name = prefix + b"/" + name
    return _Header(
        name=name,
        mode=_number(block[100:108]),
        size=_number(block[124:136]),
        kind=block[156:157],
        target=block[157:257].split(b"\0", 1)[0],
    )


def _number(text: bytes) -> int:
    """Octal digits, or GNU's base 256."""
    if text[0] == 0x80:
        return int.from_bytes(text[1:], "big")
    if text[0] & 0x80:
        raise damaged("a number in a header is negative")
    return _octal(text)


def _octal(text: bytes) -> int:
    digits = text.split(b"\0", 1)[0].strip(b" ")
    if not digits:
        return 0
    if not re.fullmatch(rb"[0-7]+", digits):
        raise damaged("a number in a header is none")
    return int(digits, 8)


def _pax(data: bytes, ahead: _Ahead, *, for_all: bool) -> None:
    """The records of a pax header that matter here; times, owners and comments do not."""
    at = 0
    while at < len(data):
        match = _RECORD.match(data, at)
        if match is None:
            raise damaged("a pax record is none")
        end = at + int(match[1])
        value = data[match.end() : end - 1]
        if end > len(data) or end <= match.end() or data[end - 1 : end] != b"\n":
            raise damaged("a pax record has not the length it says")
        at = end
        key = match[2].decode("utf-8", "replace")
        if key.startswith("GNU.sparse."):
            raise _sparse()
        if key not in {"path", "linkpath", "size"}:
            continue
        if for_all:
            raise refused(f"a global pax header gives every member the same {key}")
        if b"\0" in value:
            raise refused(f"a pax {key} holds a NUL")
        _set(ahead, key, value)


def _set(ahead: _Ahead, key: str, value: bytes) -> None:
    if key == "path":
        ahead.once("name")
        ahead.name = value
    elif key == "linkpath":
        ahead.once("link target")
        ahead.target = value
    else:
        ahead.once("size")
        if not re.fullmatch(rb"[0-9]{1,19}", value):
            raise damaged("a pax size is no number")
        ahead.size = int(value)


def _member(header: _Header, ahead: _Ahead) -> Member:
    raw = header.name if ahead.name is None else ahead.name
    name = _text(raw)
    size = header.size
    if ahead.size is not None and ahead.size != size:
        if ahead.size <= _LARGEST_OCTAL:
            # The header had room for it. Programs that do not know pax would read other members here.
            raise refused(f"two sizes are given for {shown(name)}")
        size = ahead.size
    kind = header.kind
    target = _text(header.target if ahead.target is None else ahead.target)
    if kind in _SPECIAL:
        raise refused(f"{shown(name)} is {_SPECIAL[kind]}")
    if kind == b"S":
        raise _sparse()
    if kind in _FILES and name.endswith("/") and kind != b"\0":
        raise refused(f"{shown(name)} is a file with the name of a folder")
    if kind in _FILES and not name.endswith("/"):
        return Member(name=name, kind="file", size=size, executable=bool(header.mode & _OWNER_MAY_RUN))
    if kind not in {b"\0", b"0", b"5", b"1", b"2"}:
        raise ArchiveError(
            f"{shown(name)} is of a type that dlm does not know ({shown(kind.decode('latin-1'))})",
            hint="ask the makers of the archive for a plain one",
        )
    if size:
        # Some programs pass over as many bytes here, others over none.
        raise refused(f"{shown(name)} is no file and has {size} bytes all the same")
    if kind == b"2":
        return Member(name=name, kind="symlink", target=target)
    if kind == b"1":
        return Member(name=name, kind="hardlink", target=target)
    return Member(name=name, kind="folder")


def _sparse() -> PolicyError:
    return refused("it holds a sparse file, which says it is larger than its data")


def _text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise ArchiveError(
            f"the name {shown(raw.decode('utf-8', 'backslashreplace'))} in the archive is not in UTF-8",
            hint="ask the makers of the archive for one with portable names",
        ) from None
