"""What lies beside an artifact, and what may be asked for because of it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from dlm.errors import EvidenceError
from dlm.model.evidence import ChecksumsWish, OpenPgpWish, Subject, siblings
from dlm.model.evidence_wish import EvidenceWish
from dlm.verify.discover import KINDS, Found, Proposal, propose
from dlm.verify.openpgp import OpenPgpVerifier
from dlm.verify.sigstore import SigstoreVerifier
from tests.support.keys import MinisignKey, OpenPgpKey, real_bundles, subject_of

DATA = b"some bytes of an artifact\n" * 100
SHA256 = hashlib.sha256(DATA).hexdigest()
OTHER = hashlib.sha256(b"other").hexdigest()
SUMS = "https://example.org/SHA256SUMS"


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    path = tmp_path / "tool.tar.gz"
    path.write_bytes(DATA)
    return subject_of(path, url="https://example.org/tool.tar.gz")


def proposed(subject: Subject, *found: Found, keys: tuple[bytes, ...] = ()) -> Proposal:
    return propose(subject, found, sigstore=SigstoreVerifier(), openpgp=OpenPgpVerifier(keys))


def test_every_kind_has_places_to_look() -> None:
    assert all(siblings("https://example.org/f", kind) for kind in KINDS)


def test_a_checksum_file(subject: Subject) -> None:
    page = Found("checksums", "https://example.org/tool.tar.gz.sha256", b"<html>Not here</html>")
    others = Found("checksums", "https://example.org/checksums.txt", f"{OTHER}  other\n".encode())
    sums = Found("checksums", SUMS, f"{SHA256}  tool.tar.gz\n".encode())
    later = Found("checksums", "https://example.org/SHA256SUMS.txt", sums.data)
    assert proposed(subject, page, others, sums, later) == Proposal(EvidenceWish(checksums=ChecksumsWish(SUMS)))


def test_a_checksum_file_that_contradicts_the_bytes(subject: Subject) -> None:
    with pytest.raises(EvidenceError, match="lists another sha256"):
        proposed(subject, Found("checksums", SUMS, f"{OTHER}  tool.tar.gz\n".encode()))


def test_a_sigstore_bundle() -> None:
    bundle = real_bundles()[0]
    found = Found("sigstore", "https://example.org/x.sigstore", bundle.data)
    assert proposed(bundle.subject, found) == Proposal(EvidenceWish(sigstore=bundle.signer))


def test_somebody_elses_sigstore_bundle(subject: Subject) -> None:
    with pytest.raises(EvidenceError, match="is about other bytes"):
        proposed(subject, Found("sigstore", "https://example.org/x.sigstore", real_bundles()[0].data))


def test_an_openpgp_signature(subject: Subject) -> None:
    key, other = OpenPgpKey(), OpenPgpKey("Other <other@example.org>")
    found = Found("openpgp", "https://example.org/tool.tar.gz.asc", key.sign(DATA))
    assert proposed(subject, found, keys=(key.public,)) == Proposal(
        EvidenceWish(openpgp=OpenPgpWish((key.fingerprint,)))
    )
    for keys in ((), (other.public,)):
        result = proposed(subject, found, keys=keys)
        assert not result.wish
        (note,) = result.notes
        assert note.startswith("it is signed by the OpenPGP key ")
    with pytest.raises(EvidenceError, match="does not fit its bytes"):
        proposed(subject, Found("openpgp", found.url, key.sign(b"other")), keys=(key.public,))


def test_a_minisign_signature(subject: Subject) -> None:
    found = Found("minisign", "https://example.org/tool.tar.gz.minisig", MinisignKey().sign(DATA))
    result = proposed(subject, found)
    assert not result.wish
    assert result.notes == (
        "it is signed by the minisign key 0807060504030201; ask for it with its public key: `minisign: RW…`",
    )
    assert proposed(subject, Found("minisign", found.url, b"<html>")) == Proposal(EvidenceWish())
