"""All verifiers of a run by kind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from dlm.model.evidence import Piece, Subject, Wish
from dlm.ports import Verifier
from dlm.verify.checksums import ChecksumsVerifier
from dlm.verify.discover import Found, Proposal, propose
from dlm.verify.minisign import MinisignVerifier
from dlm.verify.openpgp import OpenPgpVerifier
from dlm.verify.sigstore import SigstoreVerifier
from dlm.verify.spdx import SpdxVerifier

__all__ = ["Verifiers", "built_in"]


class Verifiers:
    """Hands each wish to the verifier for its kind."""

    def __init__(self, verifiers: Iterable[Verifier]) -> None:
        self._by_kind: Mapping[str, Verifier] = MappingProxyType({one.kind: one for one in verifiers})

    @property
    def kinds(self) -> tuple[str, ...]:
        """What can be checked."""
        return tuple(self._by_kind)

    def missing_extra(self, kind: str) -> str | None:
        """The extra that would have to be installed to check ``kind``, None where nothing is missing."""
        return self._by_kind[kind].missing_extra()

    def with_openpgp_keys(self, *keys: bytes) -> Verifiers:
        """The same, with further files of public keys."""
        return Verifiers(
            one.with_keys(*keys) if isinstance(one, OpenPgpVerifier) else one for one in self._by_kind.values()
        )

    def propose(self, subject: Subject, found: Iterable[Found]) -> Proposal:
        """What a manifest may ask for of ``subject``; see :func:`dlm.verify.discover.propose`."""
        signers = [one for one in self._by_kind.values() if isinstance(one, SigstoreVerifier)]
        keys = [one for one in self._by_kind.values() if isinstance(one, OpenPgpVerifier)]
        return propose(
            subject,
            found,
            sigstore=signers[0] if signers else SigstoreVerifier(),
            openpgp=keys[0] if keys else OpenPgpVerifier(),
        )

    def verify(self, subject: Subject, sidecar: bytes, wish: Wish, *, source: str | None = None) -> Piece:
        """What ``sidecar`` proves about ``subject``; raises what :meth:`dlm.ports.Verifier.verify` does."""
        return self._by_kind[wish.kind].verify(subject, sidecar, wish, source=source)


def built_in(*, trusted_root: str | None = None, openpgp_keys: Iterable[bytes] = ()) -> Verifiers:
    """The verifiers that come with dlm; building them imports no library.

    Args:
        trusted_root: a file with another root of trust for Sigstore.
        openpgp_keys: contents of files of public keys.
    """
    return Verifiers(
        (
            ChecksumsVerifier(),
            SpdxVerifier(),
            MinisignVerifier(),
            OpenPgpVerifier(openpgp_keys),
            SigstoreVerifier(trusted_root),
        )
    )
