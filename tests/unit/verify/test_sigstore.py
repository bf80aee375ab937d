"""Sigstore bundles: real ones hold from the digest alone; with one thing changed, none does."""

from __future__ import annotations

import base64
import json
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dlm.errors import EvidenceError, LocalError, MissingExtraError
from dlm.model.digest import Digests
from dlm.model.evidence import LIMITS, MinisignWish, Piece, SigstoreWish
from dlm.verify.cpython_identities import KNOWN, identity_for, release_line
from dlm.verify.sigstore import SigstoreVerifier
from tests.support.keys import MinisignKey, RealBundle, bundle_without_checkpoint, real_bundles

REAL = real_bundles()
# One for each version of the bundle format that python.org's files come in.
V01 = next(one for one in REAL if one.filename == "Python-3.12.5.tgz")
V03 = next(one for one in REAL if one.filename == "Python-3.14.0.tgz")


@pytest.fixture(scope="module")
def verifier() -> SigstoreVerifier:
    return SigstoreVerifier()


@pytest.mark.parametrize("bundle", REAL, ids=lambda one: one.filename)
def test_every_real_bundle_holds(verifier: SigstoreVerifier, bundle: RealBundle) -> None:
    wish = identity_for(bundle.version)
    assert wish == bundle.signer
    assert verifier.verify(bundle.subject, bundle.data, wish) == Piece(
        kind="sigstore", identity=bundle.signer.identity, issuer=bundle.signer.issuer
    )


@pytest.mark.parametrize("bundle", REAL, ids=lambda one: one.filename)
def test_no_real_bundle_holds_for_other_bytes(verifier: SigstoreVerifier, bundle: RealBundle) -> None:
    other = replace(bundle.subject, digests=Digests.sha256_of(b"other bytes"))
    with pytest.raises(EvidenceError, match="is about other bytes") as caught:
        verifier.verify(other, bundle.data, bundle.signer)
    assert caught.value.why == "digest"
    assert caught.value.code == 4
    assert bundle.sha256 in caught.value.details[0]


@pytest.mark.parametrize("bundle", REAL, ids=lambda one: one.filename)
def test_no_real_bundle_holds_for_another_identity(verifier: SigstoreVerifier, bundle: RealBundle) -> None:
    with pytest.raises(EvidenceError, match="is not signed by mallory@python") as caught:
        verifier.verify(bundle.subject, bundle.data, replace(bundle.signer, identity="mallory@python.org"))
    assert caught.value.why == "identity"
    assert bundle.signer.identity in caught.value.details[0]


@pytest.mark.parametrize("bundle", REAL, ids=lambda one: one.filename)
def test_no_real_bundle_holds_for_another_issuer(verifier: SigstoreVerifier, bundle: RealBundle) -> None:
    with pytest.raises(EvidenceError, match="is not vouched for by https://issuer") as caught:
        verifier.verify(bundle.subject, bundle.data, replace(bundle.signer, issuer="https://issuer.example.org"))
    assert caught.value.why == "issuer"
    assert bundle.signer.issuer in caught.value.details[0]


def flip(text: str) -> str:
    raw = bytearray(base64.b64decode(text))
    raw[len(raw) // 2] ^= 1
    return base64.b64encode(bytes(raw)).decode()


def changed(bundle: RealBundle, change: Callable[[dict[str, Any]], None]) -> bytes:
    document = json.loads(bundle.data)
    change(document)
    return json.dumps(document).encode()


def leaf(document: dict[str, Any]) -> dict[str, Any]:
    material = document["verificationMaterial"]
    found = (
        material["certificate"] if "certificate" in material else material["x509CertificateChain"]["certificates"][0]
    )
    assert isinstance(found, dict)
    return found


def entry(document: dict[str, Any]) -> dict[str, Any]:
    found = document["verificationMaterial"]["tlogEntries"][0]
    assert isinstance(found, dict)
    return found


def spoil_signature(document: dict[str, Any]) -> None:
    signature = bytearray(base64.b64decode(document["messageSignature"]["signature"]))
    signature[-1] ^= 1  # within the number s, so that it stays well-formed
    document["messageSignature"]["signature"] = base64.b64encode(bytes(signature)).decode()


def spoil_certificate(document: dict[str, Any]) -> None:
    certificate = bytearray(base64.b64decode(leaf(document)["rawBytes"]))
    certificate[-1] ^= 1  # within the signature of Sigstore's authority
    leaf(document)["rawBytes"] = base64.b64encode(bytes(certificate)).decode()


def spoil_entry(document: dict[str, Any]) -> None:
    entry(document)["canonicalizedBody"] = flip(entry(document)["canonicalizedBody"])


def spoil_proof(document: dict[str, Any]) -> None:
    proof = entry(document)["inclusionProof"]
    proof["hashes"][0] = flip(proof["hashes"][0])


def spoil_promise(document: dict[str, Any]) -> None:
    promise = entry(document)["inclusionPromise"]
    promise["signedEntryTimestamp"] = flip(promise["signedEntryTimestamp"])


def backdate(document: dict[str, Any]) -> None:
    entry(document)["integratedTime"] = str(int(entry(document)["integratedTime"]) - 10 * 86400)


@pytest.mark.parametrize("bundle", [V01, V03], ids=["0.1", "0.3"])
@pytest.mark.parametrize(
    ("change", "why", "says"),
    [
        (spoil_signature, "signature", "does not fit its bytes"),
        (spoil_certificate, "certificate", "was not issued by Sigstore"),
        (backdate, "certificate", "was not issued by Sigstore"),
        (spoil_entry, "transparency-log", "the transparency log's entry"),
        (spoil_proof, "transparency-log", "the transparency log's entry"),
        (spoil_promise, "transparency-log", "the transparency log's entry"),
    ],
)
def test_one_thing_changed(
    verifier: SigstoreVerifier, bundle: RealBundle, change: Callable[[dict[str, Any]], None], why: str, says: str
) -> None:
    with pytest.raises(EvidenceError, match=says) as caught:
        verifier.verify(bundle.subject, changed(bundle, change), bundle.signer)
    assert caught.value.why == why
    assert caught.value.details, "what the library said stands in the details"


@pytest.mark.parametrize("part", ["messageSignature", "verificationMaterial"])
@pytest.mark.parametrize("donor", [one for one in REAL if one.version == V03.version and one != V03], ids=str)
def test_parts_of_another_bundle(verifier: SigstoreVerifier, part: str, donor: RealBundle) -> None:
    def swap(document: dict[str, Any]) -> None:
        document[part] = json.loads(donor.data)[part]

    with pytest.raises(EvidenceError) as caught:
        verifier.verify(V03.subject, changed(V03, swap), V03.signer)
    assert caught.value.why in {"digest", "signature"}


def parts(document: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    items = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, value in items:
        yield (*path, key)
        yield from parts(value, (*path, key))


# What older forms of a bundle leave out, and what only repeats what is proven elsewhere.
OPTIONAL = {"messageDigest", "algorithm", "digest", "timestampVerificationData", "rfc3161Timestamps", "logIndex"}


@pytest.mark.parametrize("bundle", [V01, V03], ids=["0.1", "0.3"])
@pytest.mark.parametrize("instead", [None, "", 1, [], {}])
def test_any_part_replaced(verifier: SigstoreVerifier, bundle: RealBundle, instead: object) -> None:
    for path in parts(json.loads(bundle.data)):
        if OPTIONAL.intersection(str(one) for one in path):
            continue
        document = json.loads(bundle.data)
        target = document
        for key in path[:-1]:
            target = target[key]
        if target[path[-1]] == instead:
            continue
        target[path[-1]] = instead
        if path[-1] == "inclusionPromise" and instead in (None, {}):
            continue  # a signed time stamp may stand for it
        with pytest.raises(EvidenceError):
            verifier.verify(bundle.subject, json.dumps(document).encode(), bundle.signer)


@pytest.mark.parametrize(
    "sidecar",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"<html>Not Found</html>",
        b"\xff\xfe",
        b"[" * 100_000,
        V03.data[: len(V03.data) // 2],
        V03.data[:-2],
        bundle_without_checkpoint(),
    ],
    ids=["empty", "no-keys", "list", "null", "page", "binary", "deep", "half", "cut", "without-checkpoint"],
)
def test_malformed(verifier: SigstoreVerifier, sidecar: bytes) -> None:
    subject = V01 if sidecar == bundle_without_checkpoint() else V03
    with pytest.raises(EvidenceError, match=r"the Sigstore bundle of Python-.* cannot be read") as caught:
        verifier.verify(subject.subject, sidecar, subject.signer)
    assert caught.value.why == "malformed"


def test_too_large(verifier: SigstoreVerifier) -> None:
    with pytest.raises(EvidenceError, match="larger than 1024 KiB") as caught:
        verifier.verify(V03.subject, V03.data + b" " * LIMITS["sigstore"], V03.signer)
    assert caught.value.why == "malformed"


def test_says_who_signed(verifier: SigstoreVerifier) -> None:
    assert verifier.signer(V03.subject, V03.data) == V03.signer
    with pytest.raises(EvidenceError, match="does not fit its bytes"):
        verifier.signer(V03.subject, changed(V03, spoil_signature))


@pytest.mark.parametrize(
    "content", [None, b"", b"{}", b'{"mediaType": "x"}'], ids=["missing", "empty", "bare", "other"]
)
def test_unreadable_root_of_trust(tmp_path: Path, content: bytes | None) -> None:
    root = tmp_path / "root.json"
    if content is not None:
        root.write_bytes(content)
    with pytest.raises(LocalError, match=r"the root of trust for Sigstore cannot be read: .*root\.json") as caught:
        SigstoreVerifier(str(root)).verify(V03.subject, V03.data, V03.signer)
    assert caught.value.hint


def test_wish_of_another_kind(verifier: SigstoreVerifier) -> None:
    with pytest.raises(TypeError, match="cannot meet a wish for minisign"):
        verifier.verify(V03.subject, V03.data, MinisignWish(MinisignKey().public))


def test_writes_nothing_says_nothing_and_needs_no_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(tmp_path))

    def refuse(*_: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    with caplog.at_level(logging.INFO):
        SigstoreVerifier().verify(V03.subject, V03.data, V03.signer)
    assert not list(tmp_path.iterdir())
    assert not caplog.records


def test_without_the_library() -> None:
    """In a process whose import of the library fails, it is asked for by the name of the extra."""
    script = """
import sys
for name in ("sigstore", "cryptography", "pysequoia"):
    sys.modules[name] = None
import importlib.util
real = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if sys.modules.get(name, 0) is None else real(name, package)
from dlm.errors import MissingExtraError
from dlm.model.evidence import *
from dlm.model.digest import Digests
from dlm.verify.registry import built_in
verifiers = built_in()
print(",".join(str(verifiers.missing_extra(kind)) for kind in verifiers.kinds))
subject = Subject(filename="f", digests=Digests.sha256_of(b""), path="/nowhere/f")
wishes = (SigstoreWish("a@example.org", "https://issuer.example.org"), OpenPgpWish(), MinisignWish("RWQ" + "A" * 53))
for wish in wishes:
    try:
        verifiers.verify(subject, b"", wish)
    except MissingExtraError as error:
        print(error.extra, error.code, error, error.hint, sep=" | ")
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=_environment()
    )
    assert done.stdout.splitlines() == [
        "None,None,minisign,openpgp,sigstore",
        *(
            f"{extra} | 2 | the {what} of f cannot be checked: the libraries of dlm[{extra}] are not installed"
            f" | install them with `pip install 'dlm[{extra}]'`"
            for extra, what in (
                ("sigstore", "Sigstore bundle"),
                ("openpgp", "OpenPGP signature"),
                ("minisign", "minisign signature"),
            )
        ),
    ]


def test_importing_the_room_loads_no_library() -> None:
    script = (
        "import sys, dlm.verify.cpython_identities; from dlm.verify.registry import built_in; built_in();"
        "print([n for n in ('sigstore', 'cryptography', 'pysequoia', 'pydantic', 'requests') if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=_environment()
    )
    assert done.stdout.strip() == "[]"


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def test_missing_extra_is_an_error_of_its_own() -> None:
    error = MissingExtraError("sigstore", "the Sigstore bundle of f")
    assert (error.kind, error.code) == ("missing-extra", 2)


@pytest.mark.parametrize(
    ("version", "line"),
    [("3.14.0", "3.14"), ("3.14.0rc1", "3.14"), ("3.9.19", "3.9"), ("3.10", "3.10"), ("latest", None), ("", None)],
)
def test_release_lines(version: str, line: str | None) -> None:
    assert release_line(version) == line
    assert identity_for(version) == (KNOWN[line] if line else None)


def test_identities_of_lines_to_come_and_of_lines_that_changed_hands() -> None:
    someone = SigstoreWish("someone@python.org", "https://github.com/login/oauth")
    assert identity_for("3.30.0") is None
    assert identity_for("3.30.0", {"3.30": someone}) == someone
    assert identity_for("3.14.0", {"3.14": someone}) == someone
    assert identity_for("3.13.0", {"3.14": someone}) == KNOWN["3.13"]
    assert identity_for("2.7.18") is None
