"""SBOMs that state the digest of what they describe, in the form that python.org publishes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from dlm.errors import EvidenceError
from dlm.model.evidence import LIMITS, ChecksumsWish, Piece, SpdxWish, Subject
from dlm.verify.spdx import SpdxVerifier
from tests.support.keys import subject_of

DATA = b"some bytes of an artifact\n" * 100
NAME = "Python-3.13.0.tgz"
SHA256, SHA512 = (hashlib.new(name, DATA).hexdigest() for name in ("sha256", "sha512"))
OTHER = hashlib.sha256(b"other").hexdigest()


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    path = tmp_path / "blob"
    path.write_bytes(DATA)
    return subject_of(path, filename=NAME)


def checksum(value: str, algorithm: str = "SHA256") -> dict[str, str]:
    return {"algorithm": algorithm, "checksumValue": value}


def document(**main: Any) -> dict[str, Any]:
    cpython: dict[str, Any] = {
        "SPDXID": "SPDXRef-PACKAGE-cpython",
        "name": "CPython",
        "versionInfo": "3.13.0",
        "packageFileName": NAME,
        "downloadLocation": f"https://www.python.org/ftp/python/3.13.0/{NAME}",
        "checksums": [checksum(SHA256)],
        "primaryPackagePurpose": "SOURCE",
    }
    expat = {
        "SPDXID": "SPDXRef-PACKAGE-expat",
        "name": "expat",
        "versionInfo": "2.6.3",
        "downloadLocation": "https://github.com/libexpat/libexpat/releases/download/R_2_6_3/expat-2.6.3.tar.gz",
        "checksums": [checksum(OTHER)],
    }
    return {
        "SPDXID": "SPDXRef-DOCUMENT",
        "spdxVersion": "SPDX-2.3",
        "files": [{"SPDXID": "SPDXRef-FILE-a", "fileName": "Modules/expat/expat.h", "checksums": [checksum(OTHER)]}],
        "packages": [expat, {**cpython, **main}],
        "relationships": [],
    }


def verify(subject: Subject, found: object) -> Piece:
    sidecar = found if isinstance(found, bytes) else json.dumps(found).encode()
    return SpdxVerifier().verify(
        subject, sidecar, SpdxWish(), source=f"https://www.python.org/ftp/{NAME}.spdx.json?x=1"
    )


def refused(subject: Subject, found: object) -> EvidenceError:
    with pytest.raises(EvidenceError) as caught:
        verify(subject, found)
    assert caught.value.code == 4
    return caught.value


PIECE = Piece(kind="spdx", source=f"https://www.python.org/ftp/{NAME}.spdx.json")


@pytest.mark.parametrize(
    "main",
    [
        {},
        {"packageFileName": None},
        {"downloadLocation": "NOASSERTION"},
        {"checksums": [checksum(SHA256.upper())]},
        {"checksums": [checksum(SHA512, "SHA512"), checksum(SHA256), checksum("0" * 32, "MD5")]},
    ],
    ids=["as-published", "by-location", "by-name", "upper-case", "several"],
)
def test_stated(subject: Subject, main: dict[str, Any]) -> None:
    assert verify(subject, document(**main)) == PIECE


def test_stated_as_a_file(subject: Subject) -> None:
    found = document(packageFileName="other", downloadLocation="NOASSERTION")
    found["files"].append({"fileName": f"./{NAME}", "checksums": [checksum(SHA256)]})
    assert verify(subject, found) == PIECE


def test_another_digest(subject: Subject) -> None:
    error = refused(subject, document(checksums=[checksum(OTHER)]))
    assert error.why == "digest"
    assert error.message == f"the SBOM of {NAME} states another sha256"
    assert refused(subject, document(checksums=[checksum(SHA256), checksum("0" * 128, "SHA512")])).why == "digest"


def test_two_digests(subject: Subject) -> None:
    assert refused(subject, document(checksums=[checksum(SHA256), checksum(OTHER)])).why == "ambiguous"


@pytest.mark.parametrize(
    "main",
    [{"packageFileName": "x", "downloadLocation": "x"}, {"checksums": []}, {"checksums": [checksum("0" * 40, "SHA1")]}],
    ids=["elsewhere", "none", "weak"],
)
def test_not_stated(subject: Subject, main: dict[str, Any]) -> None:
    assert refused(subject, document(**main)).why == "not-listed"


@pytest.mark.parametrize(
    "found",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b"\xff",
        b"[" * 100_000,
        json.dumps(document()).encode()[:-10],
        {"spdxVersion": "SPDX-3.0"},
        {"spdxVersion": "SPDX-2.3", "packages": {}},
        {"spdxVersion": "SPDX-2.3", "packages": ["x"]},
        document(checksums="x"),
        document(checksums=[checksum("short")]),
        document(checksums=[{"algorithm": "SHA256"}]),
    ],
    ids=str,
)
def test_malformed(subject: Subject, found: object) -> None:
    error = refused(subject, found)
    assert error.why == "malformed"
    assert error.message.startswith(f"the SBOM of {NAME} cannot be read: ")


def test_too_large(subject: Subject) -> None:
    assert refused(subject, b" " * (LIMITS["spdx"] + 1)).why == "malformed"


def test_wish_of_another_kind(subject: Subject) -> None:
    with pytest.raises(TypeError, match="cannot meet a wish for checksums"):
        SpdxVerifier().verify(subject, b"", ChecksumsWish("https://example.org/S"))
