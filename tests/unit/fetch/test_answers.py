"""What the head of an answer says, read strictly."""

from __future__ import annotations

import pytest

from dlm.fetch.answers import as_utf8, body_length, content_range, framed, is_public, phrase, resumable
from dlm.model.artifact import Validators
from dlm.model.wire import Head


def head(*fields: tuple[str, str], version: str = "1.1") -> Head:
    return Head(status=200, fields=fields, version=version)


@pytest.mark.fault("H21")
@pytest.mark.parametrize(
    ("fields", "valid", "length"),
    [
        ([], True, None),
        ([("content-length", "5")], True, 5),
        ([("content-length", "0")], True, 0),
        ([("content-length", "05")], True, 5),
        ([("content-length", "5"), ("content-length", "5")], True, 5),
        ([("content-length", "5, 5")], True, 5),
        ([("content-length", "5, 6")], False, None),
        ([("content-length", "5"), ("content-length", "6")], False, None),
        ([("content-length", "-5")], False, None),
        ([("content-length", "+5")], False, None),
        ([("content-length", "5 5")], False, None),
        ([("content-length", "")], False, None),
        ([("content-length", "\u0665")], False, None),
        ([("content-length", str(2**63 - 1))], True, 2**63 - 1),
        ([("content-length", str(2**63))], False, None),
        ([("content-length", "9" * 5000)], False, None),
        ([("transfer-encoding", "chunked")], True, None),
        ([("transfer-encoding", "Chunked")], True, None),
        ([("transfer-encoding", "gzip, chunked")], False, None),
        ([("transfer-encoding", "identity")], False, None),
        ([("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")], False, None),
        ([("transfer-encoding", "chunked"), ("content-length", "5")], False, 5),
    ],
)
def test_framing(fields: list[tuple[str, str]], valid: bool, length: int | None) -> None:
    assert framed(head(*fields)) == valid
    assert body_length(head(*fields)) == length


def test_http2_knows_no_transfer_encoding() -> None:
    assert not framed(head(("transfer-encoding", "chunked"), version="2"))


@pytest.mark.fault("H15")
@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("bytes 0-9/10", (0, 10, 10)),
        ("bytes 5-9/10", (5, 10, 10)),
        ("Bytes  5-6/10", (5, 7, 10)),
        ("bytes 9-5/10", None),
        ("bytes 5-10/10", None),
        ("bytes 5-9/*", None),
        ("bytes */10", None),
        ("bytes -5/10", None),
        ("bytes 5-/10", None),
        ("5-9/10", None),
        ("octets 5-9/10", None),
        ("bytes=5-9/10", None),
        (f"bytes 0-{2**63}/{2**63 + 1}", None),
        ("bytes 5-9/10, bytes 5-9/10", None),
    ],
)
def test_content_range(text: str, found: tuple[int, int, int] | None) -> None:
    assert content_range(head(("content-range", text))) == found
    assert content_range(head(("content-range", text), ("content-range", text))) is None


def test_a_last_modified_resumes_only_where_it_is_strong() -> None:
    modified, etag = "Sun, 06 Nov 1994 08:49:37 GMT", 'W/"x"'
    old = head(("last-modified", modified), ("date", "Sun, 06 Nov 1994 08:50:37 GMT"), ("etag", etag))
    fresh = head(("last-modified", modified), ("date", "Sun, 06 Nov 1994 08:50:36 GMT"), ("etag", etag))
    assert resumable(old) == Validators(etag, modified)
    assert resumable(fresh) == Validators(etag, None)
    assert resumable(head(("last-modified", modified))) == Validators(None, None)


@pytest.mark.fault("R06")
@pytest.mark.parametrize(
    ("peer", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1:248:1893:25c8:1946", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:169.254.169.254", False),
        ("::ffff:93.184.216.34", True),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::5db8:d822", True),
        ("2002:7f00:1::", False),
        ("2001:0:7f00:1::", False),
        ("255.255.255.255", False),
        ("240.0.0.1", False),
        ("224.0.0.1", False),
        ("ff02::1", False),
        ("what", False),
        (None, False),
    ],
)
def test_public_addresses(peer: str | None, public: bool) -> None:
    assert is_public(peer) == public


def test_words() -> None:
    assert phrase(404) == "404 Not Found"
    assert phrase(599) == "599"
    assert as_utf8("gr\u00c3\u00b6\u00c3\u009fe") == "größe"
    assert as_utf8("gr\u00f6\u00dfe") == "größe"
