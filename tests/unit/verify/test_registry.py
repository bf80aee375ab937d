"""One entry for every kind of evidence."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from dlm.errors import EvidenceError
from dlm.model.evidence import LIMITS, STEPS, ChecksumsWish, MinisignWish, OpenPgpWish, Provenance, SpdxWish, Wish
from dlm.model.policy import Step
from dlm.ports import Verifier
from dlm.verify.checksums import ChecksumsVerifier
from dlm.verify.minisign import MinisignVerifier
from dlm.verify.openpgp import OpenPgpVerifier
from dlm.verify.registry import Verifiers, built_in
from dlm.verify.sigstore import SigstoreVerifier
from dlm.verify.spdx import SpdxVerifier
from tests.support.keys import MinisignKey, OpenPgpKey, real_bundles, subject_of

DATA = b"some bytes of an artifact\n" * 100
ALL: tuple[Verifier, ...] = (
    ChecksumsVerifier(),
    SpdxVerifier(),
    MinisignVerifier(),
    OpenPgpVerifier(),
    SigstoreVerifier(),
)


def test_every_kind_has_a_verifier_a_worth_and_a_limit() -> None:
    kinds = built_in().kinds
    assert set(kinds) == {verifier.kind for verifier in ALL} == set(LIMITS)
    assert set(kinds) < set(STEPS)
    assert all(built_in().missing_extra(kind) is None for kind in kinds), "the tests run with every extra"


def test_everything_that_vouches_for_one_file(tmp_path: Path) -> None:
    path = tmp_path / "tool.tar.gz"
    path.write_bytes(DATA)
    subject, sha256 = subject_of(path), hashlib.sha256(DATA).hexdigest()
    openpgp, minisign = OpenPgpKey(), MinisignKey()
    sbom = {
        "spdxVersion": "SPDX-2.3",
        "packages": [{"packageFileName": path.name, "checksums": [{"algorithm": "SHA256", "checksumValue": sha256}]}],
    }
    sidecars: list[tuple[Wish, bytes]] = [
        (OpenPgpWish((openpgp.fingerprint,)), openpgp.sign(DATA)),
        (MinisignWish(minisign.public), minisign.sign(DATA)),
        (SpdxWish(), json.dumps(sbom).encode()),
        (ChecksumsWish("https://example.org/SHA256SUMS"), f"{sha256}  {path.name}\n".encode()),
    ]
    verifiers = built_in(openpgp_keys=[openpgp.public])
    provenance = Provenance()
    for wish, sidecar in sidecars:
        provenance = provenance.with_(verifiers.verify(subject, sidecar, wish, source="https://example.org/x"))
        with pytest.raises(EvidenceError):
            verifiers.verify(subject, b"", wish)
    assert provenance.kinds == ("checksums", "spdx", "minisign", "openpgp")
    assert provenance.strongest is Step.SIGNATURE


def test_sigstore_goes_through_it_too() -> None:
    bundle = real_bundles()[0]
    assert Verifiers(ALL).verify(bundle.subject, bundle.data, bundle.signer).identity == bundle.signer.identity
