"""Sigstore bundles, checked from the digest alone and without the network.

The root of trust is the one that ships with the ``sigstore`` library, read where it lies: the library's offline mode
takes whatever stands in the user's cache folder, unchecked, and has to write there.
"""

from __future__ import annotations

import base64
import binascii
import json
import threading
from importlib.util import find_spec
from typing import TYPE_CHECKING, ClassVar, cast

from dlm.errors import EvidenceError, LocalError, MissingExtraError
from dlm.model.evidence import Piece, SigstoreWish, Subject, Wish
from dlm.verify.content import refuse_large

if TYPE_CHECKING:
    from cryptography.x509 import Certificate
    from sigstore.models import Bundle
    from sigstore.verify import Verifier as Library

__all__ = ["SigstoreVerifier"]

# Where the library keeps what it ships for Sigstore's public instance.
_SHIPPED = ("https%3A%2F%2Ftuf-repo-cdn.sigstore.dev", "trusted_root.json")
# https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md: Issuer, as plain text, and its successor.
_ISSUER = "1.3.6.1.4.1.57264.1.1"


class SigstoreVerifier:
    """Checks Sigstore bundles. May be used from any thread; the root of trust is read once.

    Args:
        trusted_root: a file with another root of trust; None for the one that ships with the library.
    """

    kind: ClassVar[str] = "sigstore"

    def __init__(self, trusted_root: str | None = None) -> None:
        self._trusted_root = trusted_root
        self._library: Library | None = None
        self._lock = threading.Lock()

    def missing_extra(self) -> str | None:
        """``sigstore``, where the library is not installed."""
        return None if find_spec("sigstore") is not None else "sigstore"

    def verify(self, subject: Subject, sidecar: bytes, wish: Wish, /, *, source: str | None = None) -> Piece:
        """That the identity of ``wish`` signed the bytes of ``subject``, by their sha256.

        Raises:
            EvidenceError: ``malformed``, ``digest`` (the bundle is about other bytes), ``issuer``, ``identity``,
                ``certificate`` (not issued by Sigstore, or not valid when it was used), ``transparency-log`` (the entry
                is forged or about something else), ``signature``.
            MissingExtraError: the library is not installed.
            LocalError: the root of trust cannot be read.
            TypeError: ``wish`` is of another kind.
        """
        if not isinstance(wish, SigstoreWish):
            raise TypeError(f"a Sigstore bundle cannot meet a wish for {wish.kind}")
        bundle = self._bundle(subject, sidecar)
        self._check(subject, bundle, _Signer(subject, wish))
        return Piece(kind=self.kind, identity=wish.identity, issuer=wish.issuer)

    def signer(self, subject: Subject, sidecar: bytes) -> SigstoreWish:
        """Who signed ``subject``, whoever that is, for a user who wants to ask for them from now on.

        Raises:
            EvidenceError, MissingExtraError, LocalError: as for :meth:`verify`.
        """
        bundle = self._bundle(subject, sidecar)
        identities, issuer = _said(bundle.signing_certificate)
        if len(identities) != 1 or issuer is None:
            raise EvidenceError(f"the Sigstore bundle of {subject.shown} names no single signer", why="identity")
        wish = SigstoreWish(identities[0], issuer)
        self._check(subject, bundle, _Signer(subject, wish))
        return wish

    def _bundle(self, subject: Subject, sidecar: bytes) -> Bundle:
        extra = self.missing_extra()
        if extra is not None:
            raise MissingExtraError(extra, f"the Sigstore bundle of {subject.shown}")
        from sigstore.errors import Error
        from sigstore.models import Bundle

        refuse_large(self.kind, sidecar, subject)
        signed = _signed_digest(sidecar)
        if signed is not None and signed != subject.sha256:
            raise EvidenceError(
                f"the Sigstore bundle of {subject.shown} is about other bytes",
                why="digest",
                details=[f"signed {signed}", f"got    {subject.sha256}"],
            )
        try:
            return Bundle.from_json(sidecar)
        except (Error, ValueError, RecursionError) as error:
            raise EvidenceError(
                f"the Sigstore bundle of {subject.shown} cannot be read", why="malformed", details=_lines(error)
            ) from error

    def _check(self, subject: Subject, bundle: Bundle, signer: _Signer) -> None:
        from sigstore.errors import CertValidationError, Error
        from sigstore.hashes import Hashed
        from sigstore_models.common.v1 import HashAlgorithm

        library = self._root()
        hashed = Hashed(algorithm=HashAlgorithm.SHA2_256, digest=bytes.fromhex(subject.sha256))
        try:
            library.verify_artifact(hashed, bundle, signer)
        except CertValidationError as error:
            raise EvidenceError(
                f"the certificate in the Sigstore bundle of {subject.shown} was not issued by Sigstore",
                why="certificate",
                details=_lines(error),
            ) from error
        except (Error, ValueError, TypeError) as error:
            # The library has one class for the rest, and lets some of its parsers' own errors through.
            raise self._reason(subject, bundle, error) from error

    def _reason(self, subject: Subject, bundle: Bundle, error: Exception) -> EvidenceError:
        if not _signature_fits(bundle, bytes.fromhex(subject.sha256)):
            message, why = (
                f"the signature in the Sigstore bundle of {subject.shown} does not fit its bytes",
                "signature",
            )
        elif not str(error).startswith("failed to verify SCT"):
            message = f"the transparency log's entry in the Sigstore bundle of {subject.shown} does not hold"
            why = "transparency-log"
        else:
            message = f"the certificate in the Sigstore bundle of {subject.shown} was never made public by Sigstore"
            why = "certificate"
        return EvidenceError(message, why=why, details=_lines(error))

    def _root(self) -> Library:
        from importlib import resources

        from sigstore.errors import Error
        from sigstore.models import TrustedRoot
        from sigstore.verify import Verifier as Library

        with self._lock:
            if self._library is None:
                try:
                    if self._trusted_root is not None:
                        root = TrustedRoot.from_file(self._trusted_root)
                    else:
                        with resources.as_file(resources.files("sigstore._store").joinpath(*_SHIPPED)) as path:
                            root = TrustedRoot.from_file(str(path))
                    self._library = Library(trusted_root=root)
                except (Error, OSError, ValueError, ModuleNotFoundError) as error:
                    where = self._trusted_root or "that ships with the library sigstore"
                    raise LocalError(
                        f"the root of trust for Sigstore cannot be read: {where}",
                        hint="give a file with a trusted root, or install `dlm[sigstore]` anew",
                        details=_lines(error),
                    ) from error
            return self._library


class _Signer:
    """The library's notion of a policy: looks at a certificate that is already known to come from Sigstore."""

    def __init__(self, subject: Subject, wish: SigstoreWish) -> None:
        self._subject = subject
        self._wish = wish

    def verify(self, cert: Certificate) -> None:
        from sigstore.errors import VerificationError
        from sigstore.verify.policy import Identity, OIDCIssuer, OIDCIssuerV2

        identities, issuer = _said(cert)
        found = f"it is signed by {', '.join(identities) or 'nobody'}, vouched for by {issuer or 'nobody'}"
        shown, wish = self._subject.shown, self._wish
        try:
            OIDCIssuer(wish.issuer).verify(cert)
        except VerificationError:
            try:
                OIDCIssuerV2(wish.issuer).verify(cert)
            except VerificationError:
                raise EvidenceError(
                    f"the signer of {shown} is not vouched for by {wish.issuer}", why="issuer", details=[found]
                ) from None
        try:
            Identity(identity=wish.identity).verify(cert)
        except VerificationError:
            raise EvidenceError(f"{shown} is not signed by {wish.identity}", why="identity", details=[found]) from None


def _said(cert: Certificate) -> tuple[tuple[str, ...], str | None]:
    """The identities in a certificate, and the issuer that vouched for them; for messages and proposals."""
    from cryptography import x509

    try:
        names = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        identities = (
            *names.get_values_for_type(x509.RFC822Name),
            *names.get_values_for_type(x509.UniformResourceIdentifier),
        )
    except (x509.ExtensionNotFound, ValueError):
        identities = ()
    try:
        extension = cert.extensions.get_extension_for_oid(x509.ObjectIdentifier(_ISSUER))
        issuer = cast("x509.UnrecognizedExtension", extension.value).value.decode()
    except (x509.ExtensionNotFound, ValueError):
        issuer = None
    return identities, issuer


def _signed_digest(sidecar: bytes) -> str | None:
    """The sha256 that a bundle says it signs; only a hint, for a better message. None where it does not say."""
    try:
        digest = json.loads(sidecar)["messageSignature"]["messageDigest"]
        if digest["algorithm"] != "SHA2_256":
            return None
        return base64.b64decode(digest["digest"], validate=True).hex()
    except (ValueError, KeyError, TypeError, RecursionError, binascii.Error):
        return None


def _signature_fits(bundle: Bundle, digest: bytes) -> bool:
    """Whether the signature alone, by the certificate's own key, fits a sha256; tells one failure from another."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
    from cryptography.hazmat.primitives.hashes import SHA256

    key = bundle.signing_certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        return False
    try:
        key.verify(bundle.signature, digest, ec.ECDSA(Prehashed(SHA256())))
    except InvalidSignature:
        return False
    return True


def _lines(error: Exception) -> list[str]:
    """What the library said, in short."""
    return [line for line in str(error).splitlines() if line.strip()][:3]
