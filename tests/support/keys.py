"""Keys and signatures made for a test, and real ones that were kept for it."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pysequoia import SignatureMode, Tsk, sign

from dlm.model.digest import Digest, Digests
from dlm.model.evidence import SigstoreWish, Subject

__all__ = ["MinisignKey", "OpenPgpKey", "RealBundle", "gnupg", "real_bundles", "subject_of"]

_SIGSTORE = Path(__file__).parent / "sigstore"
_OPENPGP = Path(__file__).parent / "openpgp"


def subject_of(path: Path, *, filename: str | None = None, url: str | None = None) -> Subject:
    """A file as the subject of evidence, with its sha256."""
    return Subject(
        filename=filename or path.name, digests=Digests.sha256_of(path.read_bytes()), path=str(path), url=url
    )


@dataclass(frozen=True, slots=True)
class RealBundle:
    """A Sigstore bundle that python.org published, and what it signs."""

    filename: str
    sha256: str
    signer: SigstoreWish

    @property
    def version(self) -> str:
        """The release that the file belongs to."""
        return (
            self.filename.split("-")[1]
            .removesuffix(".exe")
            .removesuffix(".json")
            .removesuffix(".tgz")
            .removesuffix(".tar.xz")
        )

    @property
    def data(self) -> bytes:
        """The bundle itself."""
        return (_SIGSTORE / f"{self.filename}.sigstore").read_bytes()

    @property
    def subject(self) -> Subject:
        """The signed file: its digest is known, its bytes are nowhere."""
        return Subject(
            filename=self.filename, digests=Digests((Digest("sha256", self.sha256),)), path=f"/nowhere/{self.filename}"
        )


def real_bundles() -> tuple[RealBundle, ...]:
    """Every bundle at hand that is whole."""
    listed = json.loads((_SIGSTORE / "manifest.json").read_text(encoding="utf-8"))
    return tuple(RealBundle(one["file"], one["sha256"], SigstoreWish(one["identity"], one["issuer"])) for one in listed)


def bundle_without_checkpoint() -> bytes:
    """What python.org published for Python-3.12.5.tgz before it was replaced."""
    return (_SIGSTORE / "Python-3.12.5.tgz.sigstore.without-checkpoint").read_bytes()


class MinisignKey:
    """A minisign key pair, made from a seed of 32 bytes."""

    def __init__(self, seed: bytes = b"\1" * 32, key_id: bytes = b"\x01\x02\x03\x04\x05\x06\x07\x08") -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self._id = key_id

    @property
    def public(self) -> str:
        """What the owner publishes."""
        raw = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return base64.b64encode(b"Ed" + self._id + raw).decode()

    def sign(self, data: bytes, *, prehashed: bool = True, comment: bytes = b"timestamp:1700000000") -> bytes:
        """A signature file for ``data``."""
        signed = hashlib.blake2b(data, digest_size=64).digest() if prehashed else data
        signature = self._key.sign(signed)
        first = (b"ED" if prehashed else b"Ed") + self._id + signature
        lines = (
            b"untrusted comment: signature from a test",
            base64.b64encode(first),
            b"trusted comment: " + comment,
            base64.b64encode(self._key.sign(signature + comment)),
        )
        return b"\n".join(lines) + b"\n"


class OpenPgpKey:
    """An OpenPGP key with a signing subkey, made anew each time."""

    def __init__(self, user_id: str = "Releaser <releaser@example.org>") -> None:
        self._secret = Tsk.generate(user_id)
        self.certificate = self._secret.extract_certificate()

    @property
    def fingerprint(self) -> str:
        """Of the primary key, upper case."""
        return self.certificate.fingerprint.upper()

    @property
    def public(self) -> bytes:
        """The certificate, armoured."""
        return str(self.certificate).encode()

    @property
    def revoked(self) -> bytes:
        """The certificate after its owner revoked it."""
        return bytes(self.certificate) + bytes(self.certificate.revoke(certifier=self._secret.certifier()))

    def sign(self, data: bytes, mode: SignatureMode = SignatureMode.DETACHED) -> bytes:
        """An armoured signature over ``data``."""
        return sign(self._secret.signer(), data, mode=mode)


def gnupg(name: str) -> bytes:
    """A file that GnuPG made, or a real public key; see the README beside them."""
    return (_OPENPGP / name).read_bytes()


def gnupg_subject() -> Subject:
    """What the signatures of :func:`gnupg` sign."""
    return subject_of(_OPENPGP / "data.txt")


def damaged(data: bytes) -> Iterator[bytes]:
    """``data`` with one bit changed, at places all over it."""
    for position in range(0, len(data), max(1, len(data) // 40)):
        changed = bytearray(data)
        changed[position] ^= 1
        yield bytes(changed)
