"""What was found beside an artifact -> what its manifest may ask for from now on. Trust begins here, on first use."""

from __future__ import annotations

from collections.abc import Iterable

from dlm.errors import EvidenceError, MissingExtraError, UsageError
from dlm.model.evidence import ChecksumsWish, OpenPgpWish, SigstoreWish, Subject
from dlm.model.evidence_wish import EvidenceWish
from dlm.model.frozen import dataclass
from dlm.verify.checksums import ChecksumsVerifier
from dlm.verify.minisign import key_id_of
from dlm.verify.openpgp import OpenPgpVerifier
from dlm.verify.sigstore import SigstoreVerifier

__all__ = ["KINDS", "Found", "Proposal", "propose"]

#: What is looked for, strongest first; where it may lie says :func:`dlm.model.evidence.siblings`.
KINDS = ("sigstore", "minisign", "openpgp", "checksums")


@dataclass(frozen=True, slots=True)
class Found:
    """A sidecar that was there."""

    kind: str
    url: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a manifest may ask for.

    Attributes:
        wish: everything in it was checked and holds.
        notes: what was found and cannot be asked for without the user, a sentence each.
    """

    wish: EvidenceWish
    notes: tuple[str, ...] = ()


def propose(
    subject: Subject, found: Iterable[Found], *, sigstore: SigstoreVerifier, openpgp: OpenPgpVerifier
) -> Proposal:
    """The evidence that ``found`` gives for ``subject``; of each kind the first that holds.

    Raises:
        EvidenceError: something of it is about this file and contradicts its bytes.
        LocalError: the bytes of ``subject`` or the root of trust cannot be read.
    """
    checksums: ChecksumsWish | None = None
    signer: SigstoreWish | None = None
    certificate: OpenPgpWish | None = None
    notes: list[str] = []
    for one in found:
        try:
            if one.kind == "checksums" and checksums is None:
                wish = ChecksumsWish(one.url)
                ChecksumsVerifier().verify(subject, one.data, wish, source=one.url)
                checksums = wish
            elif one.kind == "sigstore" and signer is None:
                signer = sigstore.signer(subject, one.data)
            elif one.kind == "openpgp" and certificate is None:
                certificate = _certificate(subject, one, openpgp, notes)
            elif one.kind == "minisign":
                key_id = key_id_of(subject, one.data)
                notes.append(
                    f"it is signed by the minisign key {key_id}; ask for it with its public key: `minisign: RW…`"
                )
        except EvidenceError as error:
            # A page that merely looks like a sidecar is passed over; one that vouches for other bytes is not.
            if error.why not in {"malformed", "not-listed", "weak"}:
                raise
        except MissingExtraError as error:
            notes.append(error.message)
    return Proposal(EvidenceWish(checksums=checksums, sigstore=signer, openpgp=certificate), tuple(notes))


def _certificate(subject: Subject, one: Found, openpgp: OpenPgpVerifier, notes: list[str]) -> OpenPgpWish | None:
    maker = openpgp.signer(subject, one.data)
    try:
        fingerprint = openpgp.verify(subject, one.data, OpenPgpWish()).fingerprint
    except UsageError as error:
        if isinstance(error, MissingExtraError):
            raise
        fingerprint = None
    except EvidenceError as error:
        if error.why != "key":
            raise
        fingerprint = None
    if fingerprint is None:
        notes.append(f"it is signed by the OpenPGP key {maker}; ask for it once you have its public key: `openpgp: …`")
        return None
    return OpenPgpWish((fingerprint,))
