"""zip, read strictly (PKWARE's APPNOTE 6.3.10).

A zip file says everything twice, at each member and in the directory at its end, and programs differ in whom they
believe. So both have to say the same, and the file has to consist of members, directory and end alone, one right behind
the other: nothing in front, between and behind, no member within another, no second directory.
"""

from __future__ import annotations

import stat
import struct
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dlm.errors import ArchiveError
from dlm.model.frozen import dataclass
from dlm.place.member import Member, damaged, refused, shown
from dlm.place.streams import BLOCK, cut_short, inflated, unpacked

if TYPE_CHECKING:
    from dlm.errors import PolicyError
    from dlm.place.member import MemberKind
    from dlm.place.streams import BlobFile, Compression, Meter

__all__ = ["ZipArchive", "ends_as_zip", "is_zip"]

_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR = struct.Struct("<4sLQL")
_LOCAL_SIGN, _CENTRAL_SIGN, _END_SIGN = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_END64_SIGN, _LOCATOR_SIGN, _DESCRIPTOR_SIGN = b"PK\x06\x06", b"PK\x06\x07", b"PK\x07\x08"
_FULL16, _FULL32 = 0xFFFF, 0xFFFFFFFF

_ENCRYPTED = 0x0001 | 0x0040 | 0x2000
_DESCRIPTOR = 0x0008
_PATCH = 0x0020
_UTF8 = 0x0800
_ZIP64, _UNICODE_PATH = 0x0001, 0x7075
_MOST_COMMENT = 0xFFFF
_MOST_DIRECTORY = 2**28
_DOS_FOLDER = 0x10
_MOST_TARGET = 4096

_STORED, _DEFLATED = 0, 8
_PACKED: dict[int, Compression] = {12: "bzip2", 93: "zstd", 95: "xz"}
_METHODS = {1: "shrink", 6: "implode", 9: "deflate64", 14: "lzma", 19: "lz77", 96: "jpeg", 97: "wavpack", 98: "ppmd"}


@dataclass(frozen=True, slots=True)
class _Entry:
    """One member as the directory says it."""

    name: str
    raw: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    at: int
    attributes: int

    @property
    def mode(self) -> int:
        """Unix type and permissions; 0 where the archive was made without."""
        return self.attributes >> 16


@dataclass(frozen=True, slots=True)
class _Spot:
    """Where a member's bytes are."""

    entry: _Entry
    data: int


@dataclass(frozen=True, slots=True)
class _Directory:
    at: int
    size: int
    count: int


def is_zip(head: bytes) -> bool:
    """Whether a file that begins so is a zip file."""
    return head.startswith((_LOCAL_SIGN, _END_SIGN))


def ends_as_zip(file: BlobFile) -> bool:
    """Whether a program that looks for the end of a zip file finds one, whatever the file begins with."""
    tail, base = _tail(file)
    for at in _ends(tail):
        _, _, _, _, _, size, _, _ = _END.unpack_from(tail, at)
        if size != _FULL32 and file.read_at(base + at - size, 4) in {_CENTRAL_SIGN, _END_SIGN}:
            return True
        if tail[max(0, at - _LOCATOR.size) : at].startswith(_LOCATOR_SIGN):
            return True
    return False


class ZipArchive:
    """An open zip file, every structure of it checked."""

    def __init__(self, file: BlobFile, meter: Meter) -> None:
        self._file = file
        self._meter = meter
        directory = _find_directory(file)
        if directory.count > meter.limits.max_members:
            raise refused(f"it has more than {meter.limits.max_members} members")
        self._spots = _check(file, directory)

    def members(self) -> Iterator[tuple[Member, Iterator[bytes]]]:
        """See :class:`dlm.place.member.Archive`."""
        for spot in self._spots:
            yield self._member(spot), self._body(spot)

    def _member(self, spot: _Spot) -> Member:
        entry = spot.entry
        kind = _kind(entry)
        if kind == "folder":
            return Member(name=entry.name, kind=kind)
        if kind == "symlink":
            return Member(name=entry.name, kind=kind, target=self._target(spot))
        return Member(name=entry.name, kind="file", size=entry.size, executable=bool(entry.mode & stat.S_IXUSR))

    def _target(self, spot: _Spot) -> str:
        if spot.entry.size > _MOST_TARGET:
            raise refused(f"the link {shown(spot.entry.name)} has an endless target")
        try:
            return b"".join(self._body(spot)).decode("utf-8")
        except UnicodeDecodeError:
            raise refused(f"the target of the link {shown(spot.entry.name)} is not in UTF-8") from None

    def _body(self, spot: _Spot) -> Iterator[bytes]:
        """The member's bytes; what the directory says of them is checked as they pass."""
        entry = spot.entry
        crc = count = 0
        for block in self._blocks(spot):
            crc = zlib.crc32(block, crc)
            count += len(block)
            if count > entry.size:
                raise refused(f"{shown(entry.name)} is larger than the archive says")
            yield block
        if count != entry.size:
            raise damaged(f"{shown(entry.name)} has {count} bytes, and the archive says {entry.size}")
        if crc != entry.crc:
            raise damaged(f"{shown(entry.name)} has not the checksum that the archive says")

    def _blocks(self, spot: _Spot) -> Iterator[bytes]:
        entry = spot.entry
        if entry.method == _STORED:
            return self._stored(spot)
        if entry.method == _DEFLATED:
            return inflated(self._file, spot.data, entry.packed, self._meter)
        if entry.method in _PACKED:
            return unpacked(self._file, spot.data, entry.packed, _PACKED[entry.method], self._meter)
        name = _METHODS.get(entry.method, "an unknown one")
        raise ArchiveError(
            f"{shown(entry.name)} is packed by method {entry.method} ({name}), which dlm does not know",
            hint="ask the makers of the archive for one that is packed with deflate",
        )

    def _stored(self, spot: _Spot) -> Iterator[bytes]:
        at, end = spot.data, spot.data + spot.entry.packed
        while at < end:
            block = self._file.read_at(at, min(BLOCK, end - at))
            if not block:
                raise cut_short()
            self._meter.take(len(block))
            at += len(block)
            yield block


# The end and the directory


def _tail(file: BlobFile) -> tuple[bytes, int]:
    base = max(0, file.size - _END.size - _MOST_COMMENT)
    return file.read_at(base, file.size - base), base


def _ends(tail: bytes) -> list[int]:
    """Everywhere in the last bytes of a file that an end record stands whose comment goes to the end of the file."""
    found: list[int] = []
    at = tail.find(_END_SIGN)
    while at >= 0:
        if at + _END.size <= len(tail):
            comment = _END.unpack_from(tail, at)[-1]
            if at + _END.size + comment == len(tail):
                found.append(at)
        at = tail.find(_END_SIGN, at + 1)
    return found


def _find_directory(file: BlobFile) -> _Directory:
    tail, base = _tail(file)
    ends = _ends(tail)
    if not ends:
        raise refused("more bytes follow its end") if _END_SIGN in tail else cut_short()
    if len(ends) > 1 or _END_SIGN in tail[ends[0] + 4 :]:
        raise refused("it has more than one end, and so more than one directory")
    at = ends[0]
    _, disk, first_disk, here, count, size, offset, _ = _END.unpack_from(tail, at)
    end = base + at
    locator = file.read_at(end - _LOCATOR.size, _LOCATOR.size) if end >= _LOCATOR.size else b""
    if locator.startswith(_LOCATOR_SIGN):
        return _directory64(file, locator, end - _LOCATOR.size, (disk, first_disk, here, count, size, offset))
    if disk or first_disk or here != count:
        raise ArchiveError("the archive is one of several parts", hint="ask its makers for one that is whole")
    if offset + size != end:
        raise refused("there are bytes in front of it, or between its directory and its end")
    return _Directory(offset, size, count)


def _directory64(file: BlobFile, locator: bytes, locator_at: int, short: tuple[int, ...]) -> _Directory:
    """The zip64 end record; each number of the short one must be the same or say "see there"."""
    _, first_disk, at, disks = _LOCATOR.unpack(locator)
    record = file.read_at(at, _END64.size)
    if first_disk or disks > 1 or at + _END64.size != locator_at or len(record) < _END64.size:
        raise refused("its zip64 end is not where it says")
    sign, length, _, _, disk, disk_of, here, count, size, offset = _END64.unpack(record)
    if sign != _END64_SIGN or length != _END64.size - 12 or disk or disk_of or here != count:
        raise refused("its zip64 end is none")
    long = (disk, disk_of, here, count, size, offset)
    fulls = (_FULL16, _FULL16, _FULL16, _FULL16, _FULL32, _FULL32)
    if any(a not in {b, full} for a, b, full in zip(short, long, fulls, strict=True)):
        raise refused("its two ends contradict each other")
    if offset + size != at:
        raise refused("there are bytes in front of it, or between its directory and its end")
    return _Directory(offset, size, count)


def _check(file: BlobFile, directory: _Directory) -> list[_Spot]:
    """Every member, in the directory's order, with both its headers compared and no byte unaccounted for."""
    entries = _read_directory(file, directory)
    spots: dict[int, _Spot] = {}
    at = 0
    for entry in sorted(entries, key=lambda entry: entry.at):
        if entry.at != at:
            raise refused(
                f"{shown(entry.name)} begins within another member"
                if entry.at < at
                else f"there are bytes in front of {shown(entry.name)} that belong to no member"
            )
        data, descriptor = _read_local(file, entry)
        end = data + entry.packed
        at = end + (_read_descriptor(file, entry, end) if descriptor else 0)
        spots[entry.at] = _Spot(entry, data)
    if at != directory.at:
        raise refused("there are bytes in front of its directory that belong to no member")
    return [spots[entry.at] for entry in entries]


def _read_directory(file: BlobFile, directory: _Directory) -> list[_Entry]:
    # A member takes at least this much, so a count that lies is seen before a list is built.
    if directory.size > _MOST_DIRECTORY or directory.count * _CENTRAL.size > directory.size:
        raise refused("its directory has not the size it says")
    data = file.read_at(directory.at, directory.size)
    entries: list[_Entry] = []
    at = 0
    while at < len(data):
        if at + _CENTRAL.size > len(data):
            raise cut_short()
        entry, at = _read_central(data, at)
        entries.append(entry)
    if len(entries) != directory.count or at != directory.size:
        raise refused("its directory has another number of members than it says")
    return entries


def _read_central(data: bytes, at: int) -> tuple[_Entry, int]:
    (sign, _, _, flags, method, _, _, crc, packed, size, name_size, extra_size, comment_size, disk, _, attributes,
     offset) = _CENTRAL.unpack_from(data, at)  # fmt: skip
    if sign != _CENTRAL_SIGN:
        raise damaged("its directory holds something that is no member")
    at += _CENTRAL.size
    raw = data[at : at + name_size]
    extra = _extra(data[at + name_size : at + name_size + extra_size])
    at += name_size + extra_size + comment_size
    if at > len(data):
        raise cut_short()
    name = _name(raw, flags, extra)
    size, packed, offset, disk = _zip64(
        extra.get(_ZIP64), ((size, 8, _FULL32), (packed, 8, _FULL32), (offset, 8, _FULL32), (disk, 4, _FULL16)), name
    )
    if disk:
        raise ArchiveError("the archive is one of several parts", hint="ask its makers for one that is whole")
    _refuse_flags(flags, name)
    return _Entry(name, raw, flags, method, crc, packed, size, offset, attributes), at


def _read_local(file: BlobFile, entry: _Entry) -> tuple[int, bool]:
    """Where the member's bytes begin, and whether a descriptor follows them."""
    head = file.read_at(entry.at, _LOCAL.size)
    if len(head) < _LOCAL.size or not head.startswith(_LOCAL_SIGN):
        raise refused(f"{shown(entry.name)} is not where its directory says")
    _, _, flags, method, _, _, crc, packed, size, name_size, extra_size = _LOCAL.unpack(head)
    rest = file.read_at(entry.at + _LOCAL.size, name_size + extra_size)
    if len(rest) < name_size + extra_size:
        raise cut_short()
    raw, extra = rest[:name_size], _extra(rest[name_size:])
    _refuse_flags(flags, entry.name)
    if raw != entry.raw or _name(raw, flags, extra) != entry.name:
        raise refused(f"{shown(entry.name)} has another name in front of its data")
    if _ZIP64 in extra and _FULL32 in {size, packed}:
        size, packed = _zip64(extra[_ZIP64], ((size, 8, _FULL32), (packed, 8, _FULL32)), entry.name)
    descriptor = bool(flags & _DESCRIPTOR)
    said, meant = (method, crc, packed, size), (entry.method, entry.crc, entry.packed, entry.size)
    later = (None, 0, 0, 0) if descriptor else (None,) * 4
    if any(one not in {other, zero} for one, other, zero in zip(said, meant, later, strict=True)):
        raise refused(f"{shown(entry.name)} is described in two ways")
    return entry.at + _LOCAL.size + name_size + extra_size, descriptor


def _read_descriptor(file: BlobFile, entry: _Entry, at: int) -> int:
    """How long the descriptor behind a member is. It may have a signature or none, and short sizes or long ones."""
    found = file.read_at(at, 24)
    for sizes in ("2L", "2Q"):
        plain = struct.pack(f"<L{sizes}", entry.crc, entry.packed, entry.size) if _fits(entry, sizes) else None
        for form in (_DESCRIPTOR_SIGN + plain, plain) if plain is not None else ():
            following = file.read_at(at + len(form), 4)
            if found.startswith(form) and following in {_LOCAL_SIGN, _CENTRAL_SIGN}:
                return len(form)
    raise refused(f"what follows the data of {shown(entry.name)} contradicts the archive's directory")


def _fits(entry: _Entry, sizes: str) -> bool:
    return sizes == "2Q" or max(entry.packed, entry.size) <= _FULL32


# Parts of a member


def _refuse_flags(flags: int, name: str) -> None:
    if flags & _ENCRYPTED:
        raise ArchiveError(f"{shown(name)} is encrypted", hint="ask the makers of the archive for an open one")
    if flags & _PATCH:
        raise ArchiveError(f"{shown(name)} is a patch, no file", hint="ask the makers of the archive for a whole one")


def _extra(data: bytes) -> dict[int, bytes]:
    """The extra fields by their numbers. Some programs leave a few bytes behind the last one."""
    fields: dict[int, bytes] = {}
    at = 0
    while at + 4 <= len(data):
        number, size = struct.unpack_from("<2H", data, at)
        if at + 4 + size > len(data):
            raise damaged("an extra field goes beyond its end")
        if number in fields and number in {_ZIP64, _UNICODE_PATH}:
            raise refused("a member has one extra field twice")
        fields[number] = data[at + 4 : at + 4 + size]
        at += 4 + size
    return fields


def _zip64(field: bytes | None, numbers: tuple[tuple[int, int, int], ...], name: str) -> list[int]:
    """The numbers of a header, those that are full taken from the zip64 field, in its order."""
    out: list[int] = []
    at = 0
    for number, width, full in numbers:
        if number != full or field is None:
            out.append(number)
            continue
        part = field[at : at + width]
        if len(part) < width:
            raise refused(f"the zip64 field of {shown(name)} is too short")
        out.append(int.from_bytes(part, "little"))
        at += width
    return out


def _name(raw: bytes, flags: int, extra: dict[int, bytes]) -> str:
    """The member's name: UTF-8 where it says so or is it, else the code page of the first PCs."""
    if b"\0" in raw:
        raise refused("a name holds a NUL")
    if flags & _UTF8:
        name = _utf8(raw)
    else:
        try:
            name = raw.decode("utf-8")
        except UnicodeDecodeError:
            name = raw.decode("cp437")
    field = extra.get(_UNICODE_PATH)
    if field is None:
        return name
    if len(field) < 5 or field[0] != 1:
        raise refused(f"{shown(name)} has a second name of an unknown form")
    second = _utf8(field[5:])
    # APPNOTE 4.6.9: the field counts only while the header's name is the one that it was made for.
    if int.from_bytes(field[1:5], "little") != zlib.crc32(raw) or (second != name and (raw.isascii() or flags & _UTF8)):
        raise refused(f"{shown(name)} has two names")
    return second


def _utf8(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise damaged("a name that should be in UTF-8 is not") from None


def _kind(entry: _Entry) -> MemberKind:
    """What a member is. Its name and its Unix mode must not contradict each other."""
    folder = entry.name.endswith("/")
    kind = stat.S_IFMT(entry.mode)
    if folder and kind == stat.S_IFDIR | stat.S_IFREG:
        kind = stat.S_IFDIR  # a mistake of some packers for Java; by itself it would mean a socket
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK}:
        raise refused(f"{shown(entry.name)} is {_SPECIAL.get(kind, 'of a type that no archive may bring')}")
    says_folder = kind == stat.S_IFDIR or bool(entry.attributes & _DOS_FOLDER)
    if (says_folder and not folder) or (folder and kind in {stat.S_IFREG, stat.S_IFLNK}):
        raise _unclear(entry)
    if kind == stat.S_IFLNK:
        return "symlink"
    if not folder:
        return "file"
    if entry.size or entry.crc:
        raise _unclear(entry)
    return "folder"


def _unclear(entry: _Entry) -> PolicyError:
    return refused(f"{shown(entry.name)} is a file for some programs, and a folder for others")


_SPECIAL = {
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
}
