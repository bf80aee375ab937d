"""minisign signatures (https://jedisct1.github.io/minisign/, "Signature format"): Ed25519 by one known key.

A signature file has four lines: an untrusted comment; base64 of algorithm, key id and signature; a trusted comment;
base64 of a signature over the first signature and that comment. ``ED`` signs the BLAKE2b-512 of the content, the older
``Ed`` the content itself.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from importlib.util import find_spec
from typing import ClassVar

from dlm.errors import EvidenceError, MissingExtraError
from dlm.model.evidence import MinisignWish, Piece, Subject, Wish
from dlm.model.frozen import dataclass
from dlm.verify.content import refuse_large, stream, whole

__all__ = ["MinisignVerifier", "Signature", "key_id_of", "parse"]

#: What the older form can sign, as in minisign itself: it has to be in memory at once.
_LARGEST_LEGACY = 1 << 30


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature file, taken apart.

    Attributes:
        prehashed: whether it signs the BLAKE2b-512 of the content.
        key_id: which key made it, as people write it.
        comment: the trusted comment, without its prefix.
    """

    prehashed: bool
    key_id: str
    signature: bytes
    comment: bytes
    comment_signature: bytes


def parse(data: bytes) -> Signature:
    """Take a signature file apart.

    Raises:
        ValueError: it is none.
    """
    lines = data.replace(b"\r\n", b"\n").rstrip(b"\n").split(b"\n")
    if (
        len(lines) != 4
        or not lines[0].startswith(b"untrusted comment:")
        or not lines[2].startswith(b"trusted comment: ")
    ):
        raise ValueError("it does not have the four lines of one")
    first, last = _raw(lines[1], 74), _raw(lines[3], 64)
    if first[:2] not in {b"Ed", b"ED"}:
        raise ValueError("it names an unknown algorithm")
    return Signature(
        prehashed=first[:2] == b"ED",
        key_id=_written(first[2:10]),
        signature=first[10:],
        comment=lines[2].removeprefix(b"trusted comment: "),
        comment_signature=last,
    )


def _raw(line: bytes, length: int) -> bytes:
    try:
        raw = base64.b64decode(line, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("a line of it is not base64") from None
    if len(raw) != length:
        raise ValueError("a line of it has the wrong length")
    return raw


def _written(key_id: bytes) -> str:
    # minisign prints the id as a little-endian number.
    return key_id[::-1].hex().upper()


class MinisignVerifier:
    """Checks an artifact's minisign signature against the key that the manifest names."""

    kind: ClassVar[str] = "minisign"

    def missing_extra(self) -> str | None:
        """``minisign``, where the library for Ed25519 is not installed."""
        return None if find_spec("cryptography") is not None else "minisign"

    def verify(self, subject: Subject, sidecar: bytes, wish: Wish, /, *, source: str | None = None) -> Piece:
        """That the key of ``wish`` signed ``subject``.

        Raises:
            EvidenceError: ``malformed``, ``key`` (another key signed), ``signature`` (it does not fit these bytes, or
                its trusted comment was changed).
            MissingExtraError: the library is not installed.
            LocalError: the file cannot be read.
            TypeError: ``wish`` is of another kind.
        """
        if not isinstance(wish, MinisignWish):
            raise TypeError(f"a minisign signature cannot meet a wish for {wish.kind}")
        extra = self.missing_extra()
        if extra is not None:
            raise MissingExtraError(extra, f"the minisign signature of {subject.shown}")
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        found = _read(subject, sidecar)
        raw = base64.b64decode(wish.key)
        wanted = _written(raw[2:10])
        if found.key_id != wanted:
            raise EvidenceError(
                f"{subject.shown} is signed by the minisign key {found.key_id}, not by {wanted}", why="key"
            )
        key = Ed25519PublicKey.from_public_bytes(raw[10:])
        try:
            key.verify(found.signature, _signed(subject, prehashed=found.prehashed))
        except InvalidSignature:
            raise EvidenceError(
                f"the minisign signature of {subject.shown} does not fit its bytes", why="signature"
            ) from None
        try:
            key.verify(found.comment_signature, found.signature + found.comment)
        except InvalidSignature:
            raise EvidenceError(
                f"the trusted comment of the minisign signature of {subject.shown} was changed", why="signature"
            ) from None
        return Piece(kind=self.kind, key=wish.key)


def key_id_of(subject: Subject, sidecar: bytes) -> str:
    """The id of the key that says to have signed; unchecked, for finding the key.

    Raises:
        EvidenceError: ``malformed``.
    """
    return _read(subject, sidecar).key_id


def _read(subject: Subject, sidecar: bytes) -> Signature:
    refuse_large("minisign", sidecar, subject)
    try:
        return parse(sidecar)
    except ValueError as error:
        raise EvidenceError(
            f"the minisign signature of {subject.shown} cannot be read: {error}", why="malformed"
        ) from error


def _signed(subject: Subject, *, prehashed: bool) -> bytes:
    if prehashed:
        hashing = hashlib.blake2b(digest_size=64)
        stream(subject, hashing)
        return hashing.digest()
    data = whole(subject, _LARGEST_LEGACY)
    if data is None:
        raise EvidenceError(
            f"the minisign signature of {subject.shown} is of the old form, which cannot sign more than 1 GiB",
            why="malformed",
        )
    return data
