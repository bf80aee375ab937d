"""Archives for tests, honest and hostile, made by hand so that every byte of them can lie."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

from dlm.errors import DlmError
from dlm.model.artifact import Blob
from dlm.model.digest import Digests
from dlm.model.extract import DEFAULT_LIMITS, Extract, Extracted, Limits
from dlm.model.listing import Listing
from dlm.place.folders import make_folder
from dlm.place.tree import Tree
from dlm.place.unpack import inspect

__all__ = [
    "Ground",
    "TarItem",
    "ZipItem",
    "a_blob",
    "gzip_zeros",
    "pax",
    "tar_bytes",
    "tar_header",
    "zip_bytes",
]

_UNIT = 512


def a_blob(folder: Path, data: bytes, name: str = "blob") -> Blob:
    """A file of these bytes, as the store would show it."""
    path = folder / name
    path.write_bytes(data)
    return Blob.at(str(path), digests=Digests.sha256_of(data), size=len(data))


class Ground:
    """A project folder between other folders, and what stands there."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.root = base / "project"
        self.root.mkdir()
        (base / "secret").write_bytes(b"not yours")

    def unpack(
        self,
        data: bytes,
        wish: Extract | None = None,
        *,
        name: str = "out",
        limits: Limits = DEFAULT_LIMITS,
        expected: Extracted | None = None,
    ) -> Listing:
        """Unpack an archive as ``name`` in the project."""
        blob = a_blob(self.base, data)
        with Tree(str(self.root)) as tree:
            return make_folder(
                blob, wish or Extract(), tree.folder(""), name, shown=name, limits=limits, expected=expected
            )

    def refusal(self, data: bytes, wish: Extract | None = None, *, limits: Limits = DEFAULT_LIMITS) -> DlmError:
        """The error that an archive ends in; the same one for looking and for unpacking, and nothing is left."""
        blob = a_blob(self.base, data)
        before = self.everything()
        errors: list[DlmError] = []
        for attempt in (
            lambda: inspect(blob, wish or Extract(), "a.tar.gz", limits=limits),
            lambda: self.unpack(data, wish, name="attempt", limits=limits),
        ):
            try:
                attempt()
            except DlmError as error:
                errors.append(error)
        assert len(errors) == 2, f"refused {len(errors)} times of 2: {[str(error) for error in errors]}"
        assert str(errors[0]) == str(errors[1])
        assert type(errors[0]) is type(errors[1])
        assert self.everything() == before
        assert str(errors[0]).isprintable()
        return errors[0]

    def everything(self) -> dict[str, bytes | str]:
        """Every name on the ground: files with their bytes, links with their targets."""
        found: dict[str, bytes | str] = {}
        for path in sorted(self.base.rglob("*")):
            name = path.relative_to(self.base).as_posix()
            if name == "blob":
                continue
            found[name] = f"-> {path.readlink()}" if path.is_symlink() else "/" if path.is_dir() else path.read_bytes()
        return found

    def files(self, name: str = "out") -> dict[str, bytes | str]:
        """Every name in one folder of the project."""
        inside = f"project/{name}/"
        return {path[len(inside) :]: value for path, value in self.everything().items() if path.startswith(inside)}


# tar


@dataclass(frozen=True, slots=True, kw_only=True)
class TarItem:
    """One header and what follows it."""

    name: str | bytes
    body: bytes = b""
    kind: bytes = b"0"
    target: str | bytes = ""
    mode: int = 0o644
    size: int | None = None
    prefix: str = ""
    ustar: bytes = b"ustar\x0000"


def tar_header(item: TarItem) -> bytes:
    """One block, its checksum right whatever it says."""
    size = len(item.body) if item.size is None else item.size
    field = b"%011o\0" % size if size <= 0o77777777777 else b"\x80" + size.to_bytes(11, "big")
    name = item.name.encode() if isinstance(item.name, str) else item.name
    target = item.target.encode() if isinstance(item.target, str) else item.target
    block = bytearray(_UNIT)
    block[: len(name[:100])] = name[:100]
    block[100:108] = b"%07o\0" % item.mode
    block[108:116] = block[116:124] = b"%07o\0" % 12345
    block[124:136] = field
    block[136:148] = b"%011o\0" % 1_000_000_000
    block[148:156] = b" " * 8
    block[156:157] = item.kind
    block[157 : 157 + len(target[:100])] = target[:100]
    block[257:265] = item.ustar
    block[345 : 345 + len(item.prefix)] = item.prefix.encode()
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def tar_bytes(*items: TarItem, end: bytes = bytes(2 * _UNIT)) -> bytes:
    """A tar file."""
    parts: list[bytes] = []
    for item in items:
        parts += [tar_header(item), item.body, bytes(-len(item.body) % _UNIT)]
    return b"".join(parts) + end


def pax(kind: bytes = b"x", **records: str) -> TarItem:
    """A pax header; ``_`` in a key stands for a dot."""
    body = b""
    for key, value in records.items():
        line = f" {key.replace('_', '.')}={value}\n".encode()
        length = len(line) + 1
        while len(str(length)) + len(line) != length:
            length = len(str(length)) + len(line)
        body += str(length).encode() + line
    return TarItem(name="PaxHeaders/x", kind=kind, body=body)


def gzip_zeros(count: int) -> bytes:
    """A gzip file of many gigabytes of zeros, quickly: one member of 64 MiB again and again."""
    piece = 64 * 2**20
    compressor = zlib.compressobj(9, zlib.DEFLATED, 31)
    member = b"".join([*(compressor.compress(bytes(2**20)) for _ in range(64)), compressor.flush()])
    return member * -(-count // piece)


# zip


@dataclass(frozen=True, slots=True, kw_only=True)
class ZipItem:
    """One member. What is None is told truly in both places; ``local_`` is what the header in front of it says."""

    name: str | bytes
    body: bytes = b""
    method: int = 8
    packed: bytes | None = None
    flags: int = 0x0800
    mode: int = 0o100644
    system: int = 3
    crc: int | None = None
    size: int | None = None
    local_name: str | bytes | None = None
    local_flags: int | None = None
    local_method: int | None = None
    local_size: int | None = None
    local_crc: int | None = None
    local_packed_size: int | None = None
    extra: bytes = b""
    local_extra: bytes = b""
    descriptor: bytes = b""
    before: bytes = b""
    offset: int | None = None
    attributes: int = 0


def zip_bytes(
    *items: ZipItem,
    front: bytes = b"",
    between: bytes = b"",
    comment: bytes = b"",
    behind: bytes = b"",
    count: int | None = None,
    shift: int = 0,
) -> bytes:
    """A zip file.

    Args:
        between: bytes between the last member and the directory.
        count: how many members the end claims.
        shift: added to every offset, for archives behind other data.
    """
    out = bytearray(front)
    directory = bytearray()
    for item in items:
        out += item.before
        name = _raw(item.name)
        packed = _packed(item)
        crc = zlib.crc32(item.body) if item.crc is None else item.crc
        size = len(item.body) if item.size is None else item.size
        at = len(out) + shift if item.offset is None else item.offset
        local_name = name if item.local_name is None else _raw(item.local_name)
        out += struct.pack(
            "<4s5H3L2H",
            b"PK\x03\x04",
            20,
            _or(item.local_flags, item.flags),
            _or(item.local_method, item.method),
            0,
            0x21,
            _or(item.local_crc, crc),
            _or(item.local_packed_size, len(packed)),
            _or(item.local_size, size),
            len(local_name),
            len(item.local_extra),
        )
        out += local_name + item.local_extra + packed + item.descriptor
        directory += struct.pack(
            "<4s6H3L5H2L",
            b"PK\x01\x02",
            item.system << 8 | 20,
            20,
            item.flags,
            item.method,
            0,
            0x21,
            crc,
            len(packed),
            size,
            len(name),
            len(item.extra),
            0,
            0,
            0,
            item.mode << 16 | item.attributes,
            at,
        )
        directory += name + item.extra
    out += between
    number = len(items) if count is None else count
    where = len(out) + shift
    out += directory
    out += struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, number, number, len(directory), where, len(comment)) + comment
    return bytes(out + behind)


def _or(lie: int | None, truth: int) -> int:
    return truth if lie is None else lie


def _raw(name: str | bytes) -> bytes:
    return name.encode() if isinstance(name, str) else name


def _packed(item: ZipItem) -> bytes:
    if item.packed is not None:
        return item.packed
    if item.method == 0:
        return item.body
    compressor = zlib.compressobj(6, zlib.DEFLATED, -15)
    return compressor.compress(item.body) + compressor.flush()
