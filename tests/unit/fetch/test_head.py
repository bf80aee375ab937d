"""Heads of answers, line by line."""

from __future__ import annotations

import pytest

from dlm.fetch.head import MAX_BYTES, MAX_FIELDS, HeadTooLarge, MalformedHead, check_size, parse_head


def test_a_plain_head() -> None:
    head = parse_head([b"HTTP/1.1 200 OK\r\n", b"Content-Type:  text/plain \r\n", b"X-A: 1\r\n", b"x-a: 2\r\n"], "::1")
    assert head.status == 200
    assert head.version == "1.1"
    assert head.fields == (("content-type", "text/plain"), ("x-a", "1"), ("x-a", "2"))
    assert head.peer == "::1"
    assert head.get("x-a") == "1, 2"
    assert head.all("x-a") == ("1", "2")
    assert head.get("missing") is None


@pytest.mark.parametrize(
    ("line", "version", "status"),
    [
        (b"HTTP/1.1 204\r\n", "1.1", 204),
        (b"HTTP/1.0 200 Fine by me\n", "1.0", 200),
        (b"HTTP/2 503 \r\n", "2", 503),
        (b"HTTP/3 404 ", "3", 404),
        (b"HTTP/1.1 200 Gr\xf6\xdfe\r\n", "1.1", 200),
    ],
)
def test_status_lines(line: bytes, version: str, status: int) -> None:
    head = parse_head([line])
    assert (head.version, head.status) == (version, status)


@pytest.mark.fault("H28")
@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"HTTP/1.1",
        b"HTTP/1.1 20",
        b"HTTP/1.1 2000 OK",
        b"HTTP/1.1 099 X",
        b"HTTP/1.1 600 X",
        b"HTTP/0.9 200 OK",
        b"HTTP/1.2 200 OK",
        b"HTTP/1.1.0 200 OK",
        b"HTTP/2.0 200 OK",
        b"HTTP/1.1 101 Switching Protocols",
        b"HTTP/1.1  200 OK",
        b"http/1.1 200 OK",
        b"ICY 200 OK",
        b"HTTP/1.1 200 a\0b",
        b"HTTP/1.1 200 a\rb",
        b"hello",
    ],
)
def test_what_is_no_status_line(line: bytes) -> None:
    with pytest.raises(MalformedHead):
        parse_head([line])


def test_nothing_is_no_head() -> None:
    with pytest.raises(MalformedHead):
        parse_head([])


@pytest.mark.fault("H27")
@pytest.mark.parametrize(
    "line", [b"no colon", b"a b: c", b": c", b"a: \0", b"a: b\rc: d", b"a\0: b", b"a : b", b"\x80: b", b"a: b\nc: d"]
)
def test_what_is_no_header(line: bytes) -> None:
    with pytest.raises(MalformedHead):
        parse_head([b"HTTP/1.1 200 OK", line])


def test_folded_lines_are_joined() -> None:
    head = parse_head([b"HTTP/1.1 200 OK", b"a: b\r\n", b" c\r\n", b"\t d\r\n"])
    assert head.fields == (("a", "b c d"),)
    with pytest.raises(MalformedHead):
        parse_head([b"HTTP/1.1 200 OK", b" folded onto nothing"])


@pytest.mark.fault("H26")
def test_size_is_bounded() -> None:
    check_size(MAX_FIELDS + 1, MAX_BYTES)
    for count, size in ((MAX_FIELDS + 2, 0), (0, MAX_BYTES + 1)):
        with pytest.raises(HeadTooLarge):
            check_size(count, size)
