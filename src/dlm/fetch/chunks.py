"""A body in chunks (RFC 9112 7.1), read as libcurl reads it, so that both backends end at the same byte.

http.client reads the size of a chunk with ``int(text, 16)``, which knows signs, underscores and ``0x``, and takes no
notice of what stands behind a chunk's bytes or of an end in the midst of the trailers. Here a body is complete
where its last chunk and the empty line behind its trailers came, and nowhere else. What libcurl lets pass does no
harm and passes here, too: a bare LF for CRLF, and anything between a size and the end of its line.
"""

from __future__ import annotations

import re
from typing import Protocol

from dlm.fetch.head import MAX_LINE, HeadTooLarge, MalformedHead

__all__ = ["ChunkError", "Chunks", "Reader"]

#: As many digits as libcurl reads, and what follows them; a size has to fit into 63 bits.
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,17})(?![0-9A-Fa-f])")
_MAX_SIZE = 2**63 - 1
_LINE_ENDS = frozenset({b"\r\n", b"\n"})
_TRAILER = re.compile(rb"[^\0:]*:[^\0]*\Z")
#: libcurl's limits for one trailer with its end, and for all of them.
_MAX_TRAILER = 4095
_MAX_TRAILERS = 5000
_MAX_TRAILERS_SIZE = 300 * 1024


class ChunkError(ValueError):
    """The chunks are malformed, or end too soon."""


class Reader(Protocol):
    """A buffered stream of bytes; an empty answer is its end."""

    def readline(self, limit: int, /) -> bytes: ...
    def read1(self, count: int, /) -> bytes: ...


class Chunks:
    """The bytes that chunks frame."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        #: Bytes of this chunk that did not come yet; None before the first, and at the end.
        self._left: int | None = None
        self._over = False

    def read1(self, count: int) -> bytes:
        """Some bytes, ``count`` at most; none at the end of the whole body.

        Raises:
            ChunkError: the chunks are not what they should be, or the stream ended before they did.
            MalformedHead: a trailer is not a field.
            HeadTooLarge: the trailers are longer than any honest ones.
        """
        if not self._left:
            self._next_chunk()
        if self._over or self._left is None:
            return b""
        data = self._reader.read1(min(count, self._left))
        if not data:
            raise ChunkError("the end came within a chunk")
        self._left -= len(data)
        return data

    def _next_chunk(self) -> None:
        if self._over:
            return
        if self._left is not None and self._reader.readline(MAX_LINE).lstrip(b"\r") != b"\n":
            raise ChunkError("a chunk is longer than its size")
        line = self._reader.readline(MAX_LINE)
        size = _SIZE.match(line)
        if size is None or int(size[1], 16) > _MAX_SIZE:
            raise ChunkError("the size of a chunk is not one")
        while not line.endswith(b"\n"):
            line = self._reader.readline(MAX_LINE)
            if not line:
                raise ChunkError("the end came within the size of a chunk")
        self._left = int(size[1], 16)
        if self._left == 0:
            self._read_trailers()
            self._over = True

    def _read_trailers(self) -> None:
        """They decide nothing, but have to be there as a whole."""
        count = size = 0
        while (line := self._reader.readline(_MAX_TRAILER + 1)) not in _LINE_ENDS:
            count += 1
            size += len(line)
            if len(line) > _MAX_TRAILER or count > _MAX_TRAILERS or size > _MAX_TRAILERS_SIZE:
                raise HeadTooLarge("the trailers of the answer are too large")
            if not line.endswith(b"\n") or b"\r" in line[:-2]:
                raise ChunkError("the end came within the trailers")
            if not _TRAILER.match(line):
                raise MalformedHead("a trailer that is no header")
