"""The bytes of a blob, and what gzip, bzip2, xz and zstd made of others: bounded, strict to the last byte.

A stream that is cut, damaged or followed by anything but zeros is refused: what one program takes for the end, another
reads on behind. However little a compressed byte may stand for a gigabyte, no step makes more than a few megabytes.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, BinaryIO, Literal, Protocol

from dlm.errors import ArchiveError, LocalError, PolicyError
from dlm.place.tree import disk_error

if TYPE_CHECKING:
    from dlm.model.extract import Limits

__all__ = [
    "BLOCK",
    "BlobFile",
    "Compression",
    "Meter",
    "Stream",
    "compression_of",
    "cut_short",
    "inflated",
    "open_stream",
    "unpacked",
]

Compression = Literal["gzip", "bzip2", "xz", "zstd"]

#: How much is read or made at once.
BLOCK = 1024 * 1024
_CHUNK = 64 * 1024
#: zstd has no bound on what a step makes; 4 bytes of it are at most one block of 128 KiB (RFC 8878 3.1.1.2).
_ZSTD_CHUNK = 1024
_MAGIC = 6
_STARTS: tuple[tuple[bytes, Compression], ...] = (
    (b"\x1f\x8b\x08", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\0", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
)


def compression_of(head: bytes) -> Compression | None:
    """What the first bytes of a file say about its compression."""
    if len(head) >= 4 and 0x50 <= head[0] <= 0x5F and head[1:4] == b"\x2a\x4d\x18":
        return "zstd"  # a skippable frame
    return next((kind for start, kind in _STARTS if head.startswith(start)), None)


class BlobFile:
    """A blob, open for reading at any place. Raises LocalError where it cannot be read."""

    def __init__(self, path: str, size: int) -> None:
        self.path = path
        self.size = size
        try:
            self._file: BinaryIO = open(path, "rb", buffering=0)  # noqa: SIM115 - closed by close()
            real = self._file.seek(0, 2)
        except OSError as error:
            raise disk_error("read", path, error) from error
        if real != size:
            self._file.close()
            raise LocalError(
                f"the cached blob {path} has not the size it had a moment ago",
                hint="run the command again; it will be fetched anew",
            )

    def read_at(self, at: int, count: int) -> bytes:
        """Up to ``count`` bytes from ``at``; fewer only at the end."""
        parts: list[bytes] = []
        try:
            self._file.seek(at)
            while count > 0 and (part := self._file.read(count)):
                parts.append(part)
                count -= len(part)
        except OSError as error:
            raise disk_error("read", self.path, error) from error
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def close(self) -> None:
        """Let go of it."""
        self._file.close()


class Meter:
    """Counts what comes out of one archive, and refuses too much."""

    def __init__(self, limits: Limits, packed: int) -> None:
        self.limits = limits
        self._packed = packed
        self._count = 0

    def take(self, count: int) -> None:
        """So many more bytes, seen or announced. Raises PolicyError."""
        self._count += count
        problem = self.limits.problem(self._count, self._packed)
        if problem is not None:
            raise PolicyError(
                f"the archive is refused: {problem}",
                hint="unpack it yourself: leave extract: out to place the archive as it is",
            )


class Stream(Protocol):
    """Bytes from front to back."""

    def exactly(self, count: int) -> bytes:
        """The next ``count`` bytes; fewer only at the end. They are all held in memory."""
        ...

    def skip(self, count: int) -> None:
        """Pass over ``count`` bytes. Raises ArchiveError where there are fewer."""
        ...


class PlainStream:
    """A blob as it is."""

    def __init__(self, file: BlobFile) -> None:
        self._file = file
        self._at = 0

    def exactly(self, count: int) -> bytes:
        data = self._file.read_at(self._at, count)
        self._at += len(data)
        return data

    def skip(self, count: int) -> None:
        self._at += count
        if self._at > self._file.size:
            raise cut_short()


class PackedStream:
    """What a blob's compression holds."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._rest = memoryview(b"")

    def exactly(self, count: int) -> bytes:
        parts: list[memoryview] = []
        while count > 0 and (part := self._some(count)):
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def skip(self, count: int) -> None:
        while count > 0:
            part = self._some(count)
            if not part:
                raise cut_short()
            count -= len(part)

    def _some(self, most: int) -> memoryview:
        if not self._rest:
            self._rest = memoryview(next(self._blocks, b""))
        part, self._rest = self._rest[:most], self._rest[most:]
        return part


def open_stream(file: BlobFile, kind: Compression | None, meter: Meter) -> Stream:
    """The bytes of a blob, unpacked where ``kind`` says so."""
    if kind is None:
        return PlainStream(file)
    return PackedStream(unpacked(file, 0, file.size, kind, meter))


def unpacked(file: BlobFile, at: int, size: int, kind: Compression, meter: Meter) -> Iterator[bytes]:
    """What the compressed bytes from ``at`` to ``at + size`` hold, block by block, counted.

    Raises:
        ArchiveError: they are damaged or cut, or zstd is not installed.
        PolicyError: too much would come out, the decoder asks for too much memory, or other bytes follow.
        LocalError: the blob cannot be read.
    """
    reader = _Reader(file, at, size)
    for block in _decoded(reader.read, kind, meter.limits.max_memory):
        meter.take(len(block))
        yield block


def inflated(file: BlobFile, at: int, size: int, meter: Meter) -> Iterator[bytes]:
    """Likewise for one bare deflate stream (RFC 1951), as zip has it."""
    reader = _Reader(file, at, size)
    decoder = _Zlib(-zlib.MAX_WBITS)
    for block in _one(decoder, reader.read, b"", "deflate"):
        meter.take(len(block))
        yield block
    if decoder.unused_data or reader.read():
        raise PolicyError("the archive is refused: a member's data goes on behind its end")


def cut_short() -> ArchiveError:
    """The error for an archive that ends too early."""
    return ArchiveError("the archive is damaged: it ends in the middle", hint="ask its makers; the bytes are as locked")


class _Reader:
    def __init__(self, file: BlobFile, at: int, size: int) -> None:
        self._file, self._at, self._end = file, at, at + size

    def read(self) -> bytes:
        data = self._file.read_at(self._at, min(_CHUNK, self._end - self._at))
        self._at += len(data)
        return data


# The decoders, as bz2 and lzma show them


class _Decoder(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _Zlib:
    def __init__(self, window_bits: int) -> None:
        self._zlib = zlib.decompressobj(window_bits)
        self._full = False

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def needs_input(self) -> bool:
        return not self._zlib.unconsumed_tail and not self._full

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        out = self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)
        # A full block may leave more in the decoder though all input is gone.
        self._full = len(out) == max_length
        return out


class _Zstd:
    def __init__(self, max_memory: int) -> None:
        try:
            import zstandard
        except ImportError:
            raise ArchiveError(
                "the archive is packed with zstd, which needs an extra", hint='install it: pip install "dlm[zstd]"'
            ) from None
        self._zstd = zstandard.ZstdDecompressor(max_window_size=max_memory).decompressobj()
        self._failure = zstandard.ZstdError
        self._rest = b""

    @property
    def eof(self) -> bool:
        return self._zstd.eof

    @property
    def needs_input(self) -> bool:
        return not self._rest

    @property
    def unused_data(self) -> bytes:
        return self._zstd.unused_data + self._rest

    def decompress(self, data: bytes, max_length: int) -> bytes:
        del max_length
        data = self._rest + data if self._rest else data
        self._rest = data[_ZSTD_CHUNK:]
        try:
            return self._zstd.decompress(data[:_ZSTD_CHUNK])
        except self._failure as error:
            raise ValueError(str(error)) from None


def _decoder(kind: Compression, max_memory: int) -> _Decoder:
    if kind == "gzip":
        return _Zlib(16 + zlib.MAX_WBITS)
    if kind == "bzip2":
        return bz2.BZ2Decompressor()
    if kind == "xz":
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=max_memory)
    return _Zstd(max_memory)


def _decoded(read: Callable[[], bytes], kind: Compression, max_memory: int) -> Iterator[bytes]:
    """One stream (gzip calls it member, zstd frame) after another, and zeros at the end at most."""
    data = read()
    first, padded = True, False
    while data:
        while len(data) < _MAGIC and (more := read()):
            data += more
        if not first and not data.strip(b"\0"):
            padded = True
            data = read()
            continue
        if padded or compression_of(data) != kind:
            raise PolicyError(f"the archive is refused: other bytes follow the end of its {kind} data")
        decoder = _decoder(kind, max_memory)
        yield from _one(decoder, read, data, kind)
        data = decoder.unused_data or read()
        first = False


def _one(decoder: _Decoder, read: Callable[[], bytes], data: bytes, what: str) -> Iterator[bytes]:
    while not decoder.eof:
        if not data and decoder.needs_input:
            data = read()
            if not data:
                raise cut_short()
        try:
            block = decoder.decompress(data, BLOCK)
        except (zlib.error, lzma.LZMAError, OSError, ValueError, EOFError, MemoryError) as error:
            if "memory" in str(error).lower() or isinstance(error, MemoryError):
                raise PolicyError(
                    f"the archive is refused: its {what} data asks for more memory than is allowed"
                ) from None
            raise ArchiveError(
                f"the archive is damaged: its {what} data cannot be read ({error})",
                hint="ask its makers; the bytes are as locked",
            ) from None
        data = b""
        if block:
            yield block
