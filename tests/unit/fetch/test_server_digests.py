"""Digests that a server states beside a body."""

from __future__ import annotations

import base64
import hashlib

import pytest

from dlm.fetch.server_digests import disagreement, stated
from dlm.model.wire import Head

BODY = b"hello"
ACTUAL = {name: hashlib.new(name, BODY, usedforsecurity=False).hexdigest() for name in ("md5", "sha256", "sha512")}


def encoded(name: str, body: bytes = BODY) -> str:
    return base64.b64encode(hashlib.new(name, body, usedforsecurity=False).digest()).decode()


def head(name: str, value: str) -> Head:
    return Head(status=200, fields=((name, value),))


@pytest.mark.fault("I11")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("repr-digest", f"sha-256=:{encoded('sha256')}:"),
        ("repr-digest", f"sha-512=:{encoded('sha512')}:, sha-256=:{encoded('sha256')}:"),
        ("content-digest", f"sha-256=:{encoded('sha256')}:"),
        ("digest", f"SHA-256={encoded('sha256')}"),
        ("digest", f"md5={encoded('md5')},sha-512={encoded('sha512')}"),
        ("content-md5", encoded("md5")),
    ],
)
def test_what_agrees_and_what_does_not(name: str, value: str) -> None:
    assert disagreement(head(name, value), ACTUAL) is None
    assert stated(head(name, value))
    other = {name: hashlib.new(name, b"other", usedforsecurity=False).hexdigest() for name in ACTUAL}
    assert disagreement(head(name, value), other) == name


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("repr-digest", "sha-256=nonsense:"),
        ("repr-digest", "adler=:AAAA:"),
        ("digest", "sha-256=???"),
        ("content-md5", "AAAA"),
        ("content-md5", ""),
        ("digest", ","),
        ("etag", '"5d41402abc4b2a76b9719d911017c592"'),
    ],
)
def test_what_is_not_understood_says_nothing(name: str, value: str) -> None:
    assert disagreement(head(name, value), ACTUAL) is None


def test_what_was_not_computed_is_not_compared() -> None:
    assert disagreement(head("content-md5", encoded("md5", b"other")), {"sha256": ACTUAL["sha256"]}) is None
