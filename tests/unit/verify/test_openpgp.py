"""Detached OpenPGP signatures: by keys made here, by GnuPG's, and by whom not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pysequoia import SignatureMode
from pysequoia.packet import PacketPile, Tag

from dlm.errors import EvidenceError, LocalError, UsageError
from dlm.model.evidence import LIMITS, OpenPgpWish, Piece, SpdxWish, Subject
from dlm.verify.openpgp import OpenPgpVerifier, fingerprints_in
from tests.support.keys import OpenPgpKey, damaged, gnupg, gnupg_subject, subject_of

DATA = b"\0\1 some bytes of an artifact\r\n" * 1000
THOMAS = "7169605F62C751356D054A26A821E680E5FA6305"
PABLO = "A035C8C19219BA821ECEA86B64E628F8D684696D"


@pytest.fixture(scope="module")
def key() -> OpenPgpKey:
    return OpenPgpKey()


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    path = tmp_path / "tool.tar.gz"
    path.write_bytes(DATA)
    return subject_of(path)


def refused(verifier: OpenPgpVerifier, subject: Subject, sidecar: bytes, wish: OpenPgpWish) -> EvidenceError:
    with pytest.raises(EvidenceError) as caught:
        verifier.verify(subject, sidecar, wish)
    assert caught.value.code == 4
    return caught.value


def test_a_signature_holds(key: OpenPgpKey, subject: Subject) -> None:
    wish = OpenPgpWish((key.fingerprint,))
    piece = Piece(kind="openpgp", fingerprint=key.fingerprint)
    signature = key.sign(DATA)
    assert OpenPgpVerifier([key.public]).verify(subject, signature, wish) == piece
    assert OpenPgpVerifier().with_keys(bytes(key.certificate)).verify(subject, signature, wish) == piece
    assert OpenPgpVerifier([key.public]).verify(subject, signature, OpenPgpWish()) == piece


def test_the_fingerprint_of_a_subkey_names_it_too(key: OpenPgpKey, subject: Subject) -> None:
    verifier = OpenPgpVerifier([key.public])
    signature = key.sign(DATA)
    subkey = verifier.signer(subject, signature)
    assert subkey != key.fingerprint
    assert verifier.verify(subject, signature, OpenPgpWish((subkey,))).fingerprint == key.fingerprint


def test_among_several_keys_the_one_that_signed_counts(key: OpenPgpKey, subject: Subject) -> None:
    other = OpenPgpKey("Other <other@example.org>")
    joined = other.public + b"\nsome words between\n" + key.public
    assert fingerprints_in(joined) == (other.fingerprint, key.fingerprint)
    verifier = OpenPgpVerifier([joined])
    assert verifier.verify(subject, key.sign(DATA), OpenPgpWish()).fingerprint == key.fingerprint
    assert verifier.verify(subject, other.sign(DATA), OpenPgpWish()).fingerprint == other.fingerprint
    wish = OpenPgpWish((other.fingerprint,))
    error = refused(verifier, subject, key.sign(DATA), wish)
    assert error.why == "key"
    assert "none of those asked for" in error.message


def test_other_bytes(key: OpenPgpKey, subject: Subject) -> None:
    error = refused(OpenPgpVerifier([key.public]), subject, key.sign(DATA + b"x"), OpenPgpWish((key.fingerprint,)))
    assert error.why == "signature"
    assert error.message == "the OpenPGP signature of tool.tar.gz does not fit its bytes"
    assert not any("\n" in one or "backtrace" in one for one in error.details)


def test_a_damaged_signature(key: OpenPgpKey, subject: Subject) -> None:
    """Cut short it is refused; a changed bit is refused too, unless it lies in what no signature covers."""
    verifier, wish = OpenPgpVerifier([key.public]), OpenPgpWish((key.fingerprint,))
    whole = key.sign(DATA).strip().splitlines()
    for cut in range(1, len(whole)):
        refused(verifier, subject, b"\n".join(whole[:cut]), wish)
    reasons = [
        reason(verifier, subject, b"\n".join((*whole[:2], spoiled, whole[-1])), wish)
        for spoiled in damaged(b"\n".join(whole[2:-1]))
    ]
    assert set(reasons) <= {"", "malformed", "signature", "key", "weak"}
    assert reasons.count("") <= 8, "the armour's checksum and the part that is not hashed are small"


def reason(verifier: OpenPgpVerifier, subject: Subject, sidecar: bytes, wish: OpenPgpWish) -> str:
    try:
        verifier.verify(subject, sidecar, wish)
    except EvidenceError as error:
        return error.why
    return ""


@pytest.mark.parametrize(
    "sidecar",
    [
        b"",
        b"junk",
        b"<html>Not Found</html>",
        b"\x88\x75\x04",
        b"\xff" * 100,
        b"-----BEGIN PGP SIGNATURE-----\n\nAAAA\n-----END PGP SIGNATURE-----\n",
        b"MEUCIQDx7bL8Zc2O0m0m0000==",  # what python.org's .sig holds
    ],
    ids=["empty", "words", "page", "cut", "noise", "armoured-noise", "base64"],
)
def test_malformed(key: OpenPgpKey, subject: Subject, sidecar: bytes) -> None:
    error = refused(OpenPgpVerifier([key.public]), subject, sidecar, OpenPgpWish((key.fingerprint,)))
    assert error.why == "malformed"
    assert error.message.startswith("the OpenPGP signature of tool.tar.gz cannot be read: ")


def test_other_kinds_of_openpgp_data_are_no_signature(key: OpenPgpKey, subject: Subject) -> None:
    verifier, wish = OpenPgpVerifier([key.public]), OpenPgpWish((key.fingerprint,))
    for sidecar in (
        key.public,
        bytes(key.certificate),
        key.sign(DATA, SignatureMode.INLINE),
        gnupg("clear.asc"),
        key.sign(DATA) + key.sign(DATA),
    ):
        assert refused(verifier, subject, sidecar, wish).why == "malformed"


def test_too_large(key: OpenPgpKey, subject: Subject) -> None:
    sidecar = key.sign(DATA) + b"\n" * LIMITS["openpgp"]
    assert "larger than" in refused(OpenPgpVerifier([key.public]), subject, sidecar, OpenPgpWish()).message


def test_a_revoked_key(key: OpenPgpKey, subject: Subject) -> None:
    error = refused(OpenPgpVerifier([key.revoked]), subject, key.sign(DATA), OpenPgpWish((key.fingerprint,)))
    assert error.why == "revoked"
    assert error.message == f"the OpenPGP key {key.fingerprint}, which signed tool.tar.gz, is revoked"


def test_a_key_that_expired_later_still_vouches() -> None:
    verifier = OpenPgpVerifier([gnupg("old.pub.asc")])
    (fingerprint,) = fingerprints_in(gnupg("old.pub.asc"))
    assert verifier.verify(gnupg_subject(), gnupg("before.asc"), OpenPgpWish((fingerprint,))) == Piece(
        kind="openpgp", fingerprint=fingerprint
    )


def test_a_key_that_had_expired_does_not() -> None:
    verifier = OpenPgpVerifier([gnupg("late.pub.asc")])
    error = refused(verifier, gnupg_subject(), gnupg("late.asc"), OpenPgpWish())
    assert error.why == "expired"
    assert "had expired when it signed data.txt" in error.message
    assert error.details == ("it expired on 2020-03-01",)


@pytest.mark.parametrize(
    ("name", "says"), [("sha1.asc", "a broken hash"), ("text.asc", "not one of these exact bytes")]
)
def test_weak_signatures(name: str, says: str) -> None:
    error = refused(OpenPgpVerifier([gnupg("old.pub.asc")]), gnupg_subject(), gnupg(name), OpenPgpWish())
    assert error.why == "weak"
    assert says in error.message


def test_a_binary_signature_by_a_subkey_of_gnupg() -> None:
    verifier = OpenPgpVerifier([gnupg("sub.pub.asc")])
    (fingerprint,) = fingerprints_in(gnupg("sub.pub.asc"))
    assert verifier.verify(gnupg_subject(), gnupg("sub.sig"), OpenPgpWish((fingerprint,))).fingerprint == fingerprint


def test_real_release_managers_keys(key: OpenPgpKey, subject: Subject) -> None:
    files = [gnupg("cpython-pubkey-310-311.txt"), gnupg("cpython-pubkey-312-313.txt")]
    assert [fingerprints_in(file) for file in files] == [(PABLO,), (THOMAS,)]
    error = refused(OpenPgpVerifier(files), subject, key.sign(DATA), OpenPgpWish())
    assert error.why == "key"
    assert error.details == (f"asked for {PABLO}", f"asked for {THOMAS}")


def test_a_key_that_was_not_given(key: OpenPgpKey, subject: Subject) -> None:
    verifier = OpenPgpVerifier([gnupg("cpython-pubkey-312-313.txt")])
    with pytest.raises(UsageError, match=f"needs the public key of {key.fingerprint}, which was not given"):
        verifier.verify(subject, key.sign(DATA), OpenPgpWish((key.fingerprint,)))
    with pytest.raises(UsageError, match="needs the public key of any key"):
        OpenPgpVerifier().verify(subject, key.sign(DATA), OpenPgpWish())


@pytest.mark.parametrize("file", [b"", b"junk", b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA"])
def test_a_file_without_keys(key: OpenPgpKey, subject: Subject, file: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        fingerprints_in(file)
    with pytest.raises(UsageError, match="cannot be read"):
        OpenPgpVerifier([file]).verify(subject, key.sign(DATA), OpenPgpWish())


def test_somebody_who_borrows_anothers_fingerprint(key: OpenPgpKey, subject: Subject) -> None:
    """A certificate that carries the asked-for key as a stranger's subkey vouches for nothing in its name."""
    thief = OpenPgpKey("Thief <thief@example.org>")
    joined = bytes(thief.certificate) + bytes(key.certificate)
    error = refused(OpenPgpVerifier([joined]), subject, thief.sign(DATA), OpenPgpWish((key.fingerprint,)))
    assert error.why == "key"


def test_a_certificate_whose_own_signatures_do_not_hold(key: OpenPgpKey, subject: Subject) -> None:
    packets = list(PacketPile.from_bytes(bytes(key.certificate)))
    bare = bytes(packets[0]) + b"".join(bytes(one) for one in packets if one.tag == Tag.UserID)
    bare += b"".join(bytes(one) for one in packets[1:] if one.tag == Tag.PublicSubkey)
    other = OpenPgpKey("Other <other@example.org>")
    verifier = OpenPgpVerifier([bare, other.public])
    with pytest.raises(
        UsageError, match=f"the OpenPGP key {key.fingerprint}, which signed tool.tar.gz, cannot be used"
    ):
        verifier.verify(subject, key.sign(DATA), OpenPgpWish())
    assert verifier.verify(subject, other.sign(DATA), OpenPgpWish()).fingerprint == other.fingerprint


def test_bytes_that_are_gone(key: OpenPgpKey, subject: Subject) -> None:
    gone = replace(subject, path=subject.path + ".gone")
    with pytest.raises(LocalError, match="cannot be read again"):
        OpenPgpVerifier([key.public]).verify(gone, key.sign(DATA), OpenPgpWish())


def test_wish_of_another_kind(subject: Subject) -> None:
    with pytest.raises(TypeError, match="cannot meet a wish for spdx"):
        OpenPgpVerifier().verify(subject, b"", SpdxWish())
