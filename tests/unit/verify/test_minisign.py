"""minisign signatures, in both forms."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path

import pytest

from dlm.errors import EvidenceError, LocalError
from dlm.model.evidence import LIMITS, MinisignWish, Piece, SpdxWish, Subject
from dlm.verify.minisign import MinisignVerifier, parse
from tests.support.keys import MinisignKey, damaged, subject_of

DATA = b"\0\1 some bytes of an artifact\r\n" * 1000
KEY = MinisignKey()
WISH = MinisignWish(KEY.public)


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    path = tmp_path / "tool.tar.gz"
    path.write_bytes(DATA)
    return subject_of(path)


def refused(subject: Subject, sidecar: bytes, wish: MinisignWish = WISH) -> EvidenceError:
    with pytest.raises(EvidenceError) as caught:
        MinisignVerifier().verify(subject, sidecar, wish)
    assert caught.value.code == 4
    return caught.value


@pytest.mark.parametrize("prehashed", [True, False])
@pytest.mark.parametrize("ends", [b"\n", b"\r\n"])
def test_a_signature_holds(subject: Subject, prehashed: bool, ends: bytes) -> None:
    sidecar = KEY.sign(DATA, prehashed=prehashed).replace(b"\n", ends)
    assert MinisignVerifier().verify(subject, sidecar, WISH) == Piece(kind="minisign", key=KEY.public)


def test_a_signature_by_minisign_itself(tmp_path: Path) -> None:
    """In the old form, over the four letters "test"."""
    path = tmp_path / "test"
    path.write_bytes(b"test")
    sidecar = (
        b"untrusted comment: signature from minisign secret key\n"
        b"RWQf6LRCGA9i59SLOFxz6NxvASXDJeRtuZykwQepbDEGt87ig1BNpWaVWuNrm73YiIiJbq71Wi+dP9eKL8OC351vwIasSSbXxwA=\n"
        b"trusted comment: timestamp:1555779966\tfile:test\n"
        b"QtKMXWyYcwdpZAlPF7tE2ENJkRd1ujvKjlj1m9RtHTBnZPa5WKU5uWRs5GoP5M/VqE81QFuMKI5k/SfNQUaOAA==\n"
    )
    found = parse(sidecar)
    assert (found.prehashed, found.key_id) == (False, "E7620F1842B4E81F")
    assert found.comment == b"timestamp:1555779966\tfile:test"
    wish = MinisignWish("RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3")
    assert MinisignVerifier().verify(subject_of(path), sidecar, wish).key == wish.key
    path.write_bytes(b"Test")
    assert refused(subject_of(path), sidecar, wish).why == "signature"


@pytest.mark.parametrize("prehashed", [True, False])
def test_other_bytes(subject: Subject, prehashed: bool) -> None:
    error = refused(subject, KEY.sign(DATA + b"x", prehashed=prehashed))
    assert error.why == "signature"
    assert error.message == "the minisign signature of tool.tar.gz does not fit its bytes"


def test_one_form_is_not_taken_for_the_other(subject: Subject) -> None:
    lines = KEY.sign(DATA, prehashed=True).split(b"\n")
    lines[1] = base64.b64encode(b"Ed" + base64.b64decode(lines[1])[2:])
    assert refused(subject, b"\n".join(lines)).why == "signature"


def test_another_key(subject: Subject) -> None:
    other = MinisignKey(b"\2" * 32, b"\x11" * 8)
    error = refused(subject, other.sign(DATA))
    assert error.why == "key"
    assert error.message == "tool.tar.gz is signed by the minisign key 1111111111111111, not by 0807060504030201"


def test_another_key_with_the_same_id(subject: Subject) -> None:
    assert refused(subject, MinisignKey(b"\2" * 32).sign(DATA)).why == "signature"


def test_a_changed_trusted_comment(subject: Subject) -> None:
    error = refused(subject, KEY.sign(DATA).replace(b"timestamp:1700000000", b"timestamp:1800000000"))
    assert error.why == "signature"
    assert "trusted comment" in error.message


def test_the_untrusted_comment_is_free(subject: Subject) -> None:
    sidecar = KEY.sign(DATA).replace(b"signature from a test", b"whatever, \xff even this")
    assert MinisignVerifier().verify(subject, sidecar, WISH).key == KEY.public


def test_a_damaged_signature_never_holds(subject: Subject) -> None:
    first, *rest = KEY.sign(DATA).split(b"\n")
    for spoiled in damaged(b"\n".join(rest).rstrip()):
        assert refused(subject, first + b"\n" + spoiled).why in {"malformed", "signature", "key"}


@pytest.mark.parametrize(
    "sidecar",
    [
        b"",
        b"<html>Not Found</html>",
        b"\n\n\n",
        KEY.sign(DATA)[:80],
        b"\n".join(KEY.sign(DATA).split(b"\n")[:2]),
        KEY.sign(DATA) + b"more\n",
        KEY.sign(DATA).replace(b"trusted comment: t", b"trusted remark: t"),
        KEY.sign(DATA).replace(b"\nRU", b"\nXX", 1),
        KEY.sign(DATA).replace(b"\nRU", b"\n", 1),
    ],
    ids=["empty", "page", "blank", "cut", "two-lines", "five-lines", "remark", "algorithm", "short"],
)
def test_malformed(subject: Subject, sidecar: bytes) -> None:
    error = refused(subject, sidecar)
    assert error.why == "malformed"
    assert error.message.startswith("the minisign signature of tool.tar.gz cannot be read: ")


def test_too_large(subject: Subject) -> None:
    assert "larger than 16 KiB" in refused(subject, KEY.sign(DATA) + b"\n" * LIMITS["minisign"]).message


@pytest.mark.parametrize("key", ["", "RW", "x" * 56, KEY.public[:-4], KEY.public + "AAAA", "AAAA" + KEY.public[4:]])
def test_what_is_no_key(key: str) -> None:
    with pytest.raises(ValueError, match="56 characters"):
        MinisignWish(key)


def test_bytes_that_are_gone(subject: Subject) -> None:
    gone = replace(subject, path=subject.path + ".gone")
    for prehashed in (True, False):
        with pytest.raises(LocalError, match="cannot be read again"):
            MinisignVerifier().verify(gone, KEY.sign(DATA, prehashed=prehashed), WISH)


def test_wish_of_another_kind(subject: Subject) -> None:
    with pytest.raises(TypeError, match="cannot meet a wish for spdx"):
        MinisignVerifier().verify(subject, b"", SpdxWish())
