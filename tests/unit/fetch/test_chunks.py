"""Chunks: what frames a body, and what only looks as if it did."""

from __future__ import annotations

import io
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlm.fetch.chunks import ChunkError, Chunks
from dlm.fetch.head import HeadTooLarge, MalformedHead

pytestmark = pytest.mark.fault("H02")


class _Pieces(io.RawIOBase):
    """A connection from which bytes come in these pieces."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = [piece for piece in pieces if piece]

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if not self._pieces:
            return 0
        piece = self._pieces.pop(0)
        count = min(len(piece), len(buffer))
        buffer[:count] = piece[:count]
        if piece[count:]:
            self._pieces.insert(0, piece[count:])
        return count


def read(*pieces: bytes, count: int = 65536) -> tuple[bytes, type[Exception] | None]:
    """What was read, and what ended it."""
    chunks = Chunks(io.BufferedReader(_Pieces(list(pieces))))
    found = b""
    try:
        while data := chunks.read1(count):
            assert len(data) <= count
            found += data
        assert chunks.read1(count) == b""
    except (ChunkError, MalformedHead, HeadTooLarge) as error:
        return found, type(error)
    return found, None


@pytest.mark.parametrize(
    "stream",
    [
        b"5\r\nhello\r\n0\r\n\r\n",
        b"2\r\nhe\r\n3\r\nllo\r\n00\r\n\r\n",
        b"0000000000000005\r\nhello\r\n0;last\r\n\r\n",
        b'5;a="b;c"\r\nhello\r\n0\r\n\r\n',
        b"5 \t; a = b\r\nhello\r\n0\r\n\r\n",
        b"5;" + b"x" * 200_000 + b"\r\nhello\r\n0\r\n\r\n",
        b"5\r\nhello\r\n0\r\nX: a\r\nX: b\r\n\r\n",
        b"5\nhello\n0\nX: a\n\n",
        b"5\r\nhello\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        b"5\r\nhello\r\n0\r\n" + b"X: a\r\n" * 5000 + b"\r\n",
    ],
    ids=lambda stream: repr(stream[:30]),
)
def test_a_whole_body(stream: bytes) -> None:
    assert read(stream) == (b"hello", None)


@pytest.mark.parametrize(
    "size",
    [
        b"-5", b"-1", b"-0", b"+5", b"x5", b"_5", b" 5", b"\t5", b"", b";a=b", b"zz", b"\xef\xbc\x95",
        b"000000000000000005", b"fffffffffffffffff", b"8000000000000000", b"ffffffffffffffff",
    ],
)  # fmt: skip
def test_what_is_no_size(size: bytes) -> None:
    assert read(size + b"\r\nhello\r\n0\r\n\r\n") == (b"", ChunkError)
    assert read(b"2\r\nab\r\n" + size + b"\r\nhello\r\n0\r\n\r\n") == (b"ab", ChunkError)


def test_a_size_ends_where_its_digits_do() -> None:
    assert read(b"5_0\r\nhello\r\n0\r\n\r\n") == (b"hello", None)
    assert read(b"0x5\r\nhello\r\n0\r\n\r\n") == (b"", MalformedHead)


@pytest.mark.parametrize("behind", [b"XX0\r\n\r\n", b"0\r\n\r\n", b"\rX0\r\n\r\n", b"o\r\n0\r\n\r\n"])
def test_a_chunk_that_is_longer_than_its_size(behind: bytes) -> None:
    assert read(b"5\r\nhello" + behind) == (b"hello", ChunkError)


@pytest.mark.parametrize(
    ("trailers", "error"),
    [
        (b"no colon\r\n\r\n", MalformedHead),
        (b" folded: x\r\n\r\n", None),
        (b"X: a\0b\r\n\r\n", MalformedHead),
        (b"X: a\rb\r\n\r\n", ChunkError),
        (b"X: " + b"a" * 4090 + b"\r\n\r\n", None),
        (b"X: " + b"a" * 4091 + b"\r\n\r\n", HeadTooLarge),
        (b"X: " + b"a" * 10**6, HeadTooLarge),
        (b"X: a\r\n" * 5001 + b"\r\n", HeadTooLarge),
        ((b"X: " + b"a" * 3000 + b"\r\n") * 110 + b"\r\n", HeadTooLarge),
    ],
    ids=["colon", "fold", "nul", "cr", "long", "longer", "endless", "many", "much"],
)
def test_trailers(trailers: bytes, error: type[Exception] | None) -> None:
    assert read(b"5\r\nhello\r\n0\r\n" + trailers) == (b"hello", error)


def chunked(chunks: list[bytes], extension: bytes, trailers: bytes) -> bytes:
    framed = b"".join(b"%X%s\r\n%s\r\n" % (len(chunk), extension, chunk) for chunk in chunks)
    return framed + b"0%s\r\n%s\r\n" % (extension, trailers)


streams = st.builds(
    lambda chunks, extension, trailers: (b"".join(chunks), chunked(chunks, extension, trailers)),
    st.lists(st.binary(min_size=1, max_size=40), max_size=5),
    st.sampled_from([b"", b";a", b' ; a="b\x00"']),
    st.sampled_from([b"", b"X: a\r\n", b"X: a\r\nY:\r\n"]),
)


def cut_up(data: bytes, at: list[int]) -> list[bytes]:
    places = [0, *sorted(place % (len(data) + 1) for place in at), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(places)]


@given(streams, st.lists(st.integers(0, 400), max_size=8), st.integers(1, 50))
def test_any_body_comes_out_however_its_stream_comes_in(stream: tuple[bytes, bytes], at: list[int], count: int) -> None:
    body, framed = stream
    assert read(*cut_up(framed, at), count=count) == (body, None)


@given(streams, st.integers(1, 400))
def test_no_beginning_of_a_stream_is_a_whole_body(stream: tuple[bytes, bytes], short: int) -> None:
    body, framed = stream
    found, error = read(framed[:-short])
    assert error is ChunkError
    assert body.startswith(found)


@given(st.binary(max_size=60), st.lists(st.integers(0, 60), max_size=5))
def test_however_anything_comes_in_its_end_is_the_same(stream: bytes, at: list[int]) -> None:
    assert read(*cut_up(stream, at)) == read(stream)
