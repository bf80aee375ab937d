"""Detached OpenPGP signatures (RFC 9580 10.4), checked by certificates that the user or the manifest names.

There is no web of trust: a signature counts where its maker's certificate has a fingerprint that was asked for. A
certificate that expired after it signed still vouches, since archived releases outlive keys; one that expired before,
or that was revoked at any time, does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING, ClassVar

from dlm.errors import EvidenceError, LocalError, MissingExtraError, UsageError
from dlm.model.evidence import OpenPgpWish, Piece, Subject, Wish
from dlm.model.frozen import dataclass
from dlm.verify.content import refuse_large

if TYPE_CHECKING:
    from pysequoia import Cert, Sig

__all__ = ["OpenPgpVerifier", "fingerprints_in"]

_ARMOR = b"-----BEGIN PGP SIGNATURE-----"
#: A certificate with many user ids and certifications is large, but not without end.
_LARGEST_KEYS = 16 << 20


@dataclass(frozen=True, slots=True)
class _Made:
    """A signature, with what it says of itself; nothing of it is proven yet."""

    sig: Sig
    fingerprint: str | None
    key_id: str | None
    created: datetime | None
    weak_hash: bool
    binary: bool

    @property
    def maker(self) -> str:
        return self.fingerprint or self.key_id or "that names nobody"


@dataclass(frozen=True, slots=True)
class _Key:
    """A certificate with the fingerprints of all its keys, the primary one first.

    ``flaw`` says why it proves nothing, where its owner's own signatures on it do not hold.
    """

    cert: Cert
    fingerprints: tuple[str, ...]
    expires: datetime | None = None
    revoked: bool = False
    flaw: str | None = None

    @property
    def fingerprint(self) -> str:
        return self.fingerprints[0]

    def made(self, made: _Made) -> bool:
        """Whether a signature says that one of its keys made it."""
        if made.fingerprint is not None:
            return made.fingerprint in self.fingerprints
        return any(_key_id(one) == made.key_id for one in self.fingerprints)


def _key_id(fingerprint: str) -> str:
    """RFC 9580 5.5.4: the last eight octets of a version 4 fingerprint, the first eight of a later one."""
    return fingerprint[-16:] if len(fingerprint) == 40 else fingerprint[:16]


def fingerprints_in(keys: bytes) -> tuple[str, ...]:
    """The fingerprints of the certificates in a file of public keys, upper-case hexadecimal.

    Raises:
        MissingExtraError: the library is not installed.
        ValueError: there is none in it.
    """
    if find_spec("pysequoia") is None:
        raise MissingExtraError("openpgp", "an OpenPGP certificate")
    return tuple(key.fingerprint for key in _certificates(keys))


def _certificates(keys: bytes) -> tuple[_Key, ...]:
    from pysequoia import Cert
    from pysequoia.packet import PacketPile

    if len(keys) > _LARGEST_KEYS:
        raise ValueError("it is too large for a file of public keys")
    found: list[_Key] = []
    for block in _blocks(keys):
        try:
            for cert in Cert.split_bytes(block):
                packets = PacketPile.from_bytes(bytes(cert))
                prints = [one.fingerprint.upper() for one in packets if one.fingerprint is not None]
                found.append(_key(cert, tuple(dict.fromkeys((cert.fingerprint.upper(), *prints)))))
        except RuntimeError as error:
            raise ValueError(_said(error)) from None
    if not found:
        raise ValueError("it holds no public key")
    return tuple(found)


def _key(cert: Cert, fingerprints: tuple[str, ...]) -> _Key:
    try:
        return _Key(cert, fingerprints, expires=cert.expiration, revoked=cert.is_revoked)
    except RuntimeError as error:
        # One bad certificate among many, such as an old one that is bound by SHA-1 alone, spoils no other.
        return _Key(cert, fingerprints, flaw=_said(error))


def _blocks(keys: bytes) -> Iterator[bytes]:
    """Each armoured block of a file, since people join such files with ``cat``; binary data as it is."""
    begin, end = b"-----BEGIN PGP PUBLIC KEY BLOCK-----", b"-----END PGP PUBLIC KEY BLOCK-----"
    if begin not in keys:
        yield keys
        return
    for part in keys.split(begin)[1:]:
        inside, mark, _ = part.partition(end)
        if not mark:
            raise ValueError("its armour is cut short")
        yield begin + inside + end + b"\n"


class OpenPgpVerifier:
    """Checks detached OpenPGP signatures.

    Args:
        keys: files of public keys, armoured or binary, that wishes may name by fingerprint; a wish without fingerprints
            trusts them all.
    """

    kind: ClassVar[str] = "openpgp"

    def __init__(self, keys: Iterable[bytes] = ()) -> None:
        self._files = tuple(keys)

    def missing_extra(self) -> str | None:
        """``openpgp``, where the library is not installed."""
        return None if find_spec("pysequoia") is not None else "openpgp"

    def with_keys(self, *keys: bytes) -> OpenPgpVerifier:
        """The same with further files of public keys, such as one that was fetched because a wish names its address."""
        return OpenPgpVerifier((*self._files, *keys))

    def verify(self, subject: Subject, sidecar: bytes, wish: Wish, /, *, source: str | None = None) -> Piece:
        """That one of the certificates that ``wish`` names signed ``subject``.

        Raises:
            EvidenceError: ``malformed``, ``key`` (somebody else signed), ``expired`` (before it signed), ``revoked``,
                ``weak`` (a broken hash, or a signature of text that fits other bytes too), ``signature`` (it does not
                fit these bytes).
            MissingExtraError: the library is not installed.
            UsageError: the public key for the fingerprints was not handed in, or cannot be read.
            LocalError: the file cannot be read.
            TypeError: ``wish`` is of another kind.
        """
        if not isinstance(wish, OpenPgpWish):
            raise TypeError(f"an OpenPGP signature cannot meet a wish for {wish.kind}")
        extra = self.missing_extra()
        if extra is not None:
            raise MissingExtraError(extra, f"the OpenPGP signature of {subject.shown}")
        refuse_large(self.kind, sidecar, subject)
        trusted = self._trusted(subject, wish)
        made = _signature(subject, sidecar)
        signer = next((key for key in trusted if key.made(made)), None)
        if signer is None:
            raise EvidenceError(
                f"{subject.shown} is signed by the OpenPGP key {made.maker}, which is none of those asked for",
                why="key",
                details=[f"asked for {key.fingerprint}" for key in trusted],
            )
        _refuse_unfit(subject, made, signer)
        _check(subject, made, signer, wish)
        return Piece(kind=self.kind, fingerprint=signer.fingerprint)

    def signer(self, subject: Subject, sidecar: bytes) -> str:
        """The fingerprint or key id of the key that says to have signed; unchecked, for finding the right certificate.

        Raises:
            EvidenceError: ``malformed``.
            MissingExtraError: the library is not installed.
        """
        extra = self.missing_extra()
        if extra is not None:
            raise MissingExtraError(extra, f"the OpenPGP signature of {subject.shown}")
        refuse_large(self.kind, sidecar, subject)
        return _signature(subject, sidecar).maker

    def _trusted(self, subject: Subject, wish: OpenPgpWish) -> tuple[_Key, ...]:
        keys: list[_Key] = []
        for file in self._files:
            try:
                keys += _certificates(file)
            except ValueError as error:
                raise UsageError(
                    f"an OpenPGP public key for {subject.shown} cannot be read: {error}",
                    hint="export it anew, as `gpg --armor --export FINGERPRINT` does",
                ) from error
        asked = set(wish.fingerprints)
        found = tuple(key for key in keys if not asked or asked.intersection(key.fingerprints))
        if not found:
            named = ", ".join(wish.fingerprints) or "any key"
            raise UsageError(
                f"the OpenPGP signature of {subject.shown} needs the public key of {named}, which was not given",
                hint="give its certificate: `key:` beside the fingerprint, or a file in the configuration",
            )
        return found


def _signature(subject: Subject, sidecar: bytes) -> _Made:
    from pysequoia import Sig
    from pysequoia.packet import HashAlgorithm, PacketPile, SignatureType, Tag

    def malformed(reason: str) -> EvidenceError:
        return EvidenceError(f"the OpenPGP signature of {subject.shown} cannot be read: {reason}", why="malformed")

    # An armoured sidecar holds nothing but one signature: a cleartext message or a key is none.
    text = sidecar.lstrip()
    if text.startswith(b"-----") and not text.startswith(_ARMOR):
        raise malformed("it is armour of another kind")
    if text.count(_ARMOR) > 1:
        raise malformed("it holds more than one signature")
    if text.isascii() and not text.startswith(b"-----"):
        raise malformed("it is no OpenPGP data")
    try:
        packets = list(PacketPile.from_bytes(sidecar))
        if len(packets) != 1 or packets[0].tag != Tag.Signature:
            raise malformed("it holds more than one signature" if len(packets) > 1 else "it holds no signature")
        sig = Sig.from_bytes(sidecar)
        return _Made(
            sig=sig,
            fingerprint=_upper(sig.issuer_fingerprint),
            key_id=_upper(sig.issuer_key_id),
            created=sig.created,
            weak_hash=sig.hash_algorithm in (HashAlgorithm.MD5, HashAlgorithm.SHA1, HashAlgorithm.RipeMD),
            binary=sig.signature_type == SignatureType.Binary,
        )
    except RuntimeError as error:
        raise malformed(_said(error)) from None


def _refuse_unfit(subject: Subject, made: _Made, signer: _Key) -> None:
    """What makes a signature worthless before its mathematics is looked at."""
    if signer.flaw is not None:
        raise UsageError(
            f"the OpenPGP key {signer.fingerprint}, which signed {subject.shown}, cannot be used: {signer.flaw}",
            hint="ask its owner for a fresh copy of the public key",
        )
    if signer.revoked:
        raise EvidenceError(
            f"the OpenPGP key {signer.fingerprint}, which signed {subject.shown}, is revoked", why="revoked"
        )
    expired = signer.expires
    if expired is not None and (made.created is None or made.created >= expired):
        raise EvidenceError(
            f"the OpenPGP key {signer.fingerprint} had expired when it signed {subject.shown}",
            why="expired",
            hint="ask its owner for a fresh copy of the public key",
            details=[f"it expired on {expired:%Y-%m-%d}"],
        )
    if made.weak_hash:
        raise EvidenceError(f"the OpenPGP signature of {subject.shown} goes by a broken hash", why="weak")
    # RFC 9580 5.2.1.2: a text signature fits whatever differs in line endings alone.
    if not made.binary:
        raise EvidenceError(
            f"the OpenPGP signature of {subject.shown} is not one of these exact bytes, but of text or of a key",
            why="weak",
        )


def _check(subject: Subject, made: _Made, signer: _Key, wish: OpenPgpWish) -> None:
    from pysequoia import verify

    try:
        with open(subject.path, "rb"):
            pass  # the library has one error for everything
    except OSError as error:
        raise LocalError(f"the bytes of {subject.shown} cannot be read again: {error.strerror or error}") from error
    try:
        found = verify(file=subject.path, store=lambda _: [signer.cert], signature=made.sig)
    except RuntimeError as error:
        raise EvidenceError(
            f"the OpenPGP signature of {subject.shown} does not fit its bytes", why="signature", details=[_said(error)]
        ) from None
    used = {fingerprint.upper() for one in found.valid_sigs for fingerprint in (one.certificate, one.signing_key)}
    if wish.fingerprints and not used.intersection(wish.fingerprints):
        raise EvidenceError(
            f"{subject.shown} is signed by another key of the OpenPGP certificate {signer.fingerprint}", why="key"
        )


def _upper(text: str | None) -> str | None:
    return None if text is None else text.upper()


def _said(error: RuntimeError) -> str:
    # Behind the first line the library prints where in its own code it was.
    return str(error).partition("\n")[0].strip()
