"""The ladder, provenance as the lockfile holds it, and what a manifest may ask for."""

from __future__ import annotations

from typing import Any

import pytest

from dlm.model.evidence import (
    Absence,
    ChecksumsWish,
    MinisignWish,
    OpenPgpWish,
    Piece,
    Provenance,
    SigstoreWish,
    SpdxWish,
    python_sidecars,
    siblings,
    sidecars,
)
from dlm.model.evidence_wish import EvidenceWish, WishError
from dlm.model.policy import EvidencePolicy, Step

KEY = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3"
PRINT = "7169605F62C751356D054A26A821E680E5FA6305"
URL = "https://example.org/tool/1.4/tool-1.4.tar.gz"
SIGSTORE = Piece(kind="sigstore", identity="a@example.org", issuer="https://issuer.example.org")
SUMS = Piece(kind="checksums", source="https://example.org/SHA256SUMS")
MANIFEST = Piece(kind="manifest-digest")
HEADER = Piece(kind="transport-digest", source="repr-digest")


def test_the_ladder() -> None:
    words = ["first-use", "transport-digest", "manifest-digest", "checksums", "signature"]
    assert [step.word for step in sorted(Step)] == words
    assert [Step.parse(word) for word in words] == sorted(Step)
    assert Step.FIRST_USE < Step.TRANSPORT_DIGEST < Step.MANIFEST_DIGEST < Step.CHECKSUMS < Step.SIGNATURE
    with pytest.raises(ValueError, match="'signed' is no step of evidence; known are first-use, transport-digest"):
        Step.parse("signed")


def test_provenance_climbs() -> None:
    provenance = Provenance()
    assert not provenance
    assert provenance.strongest is Step.FIRST_USE
    provenance = provenance.with_(SIGSTORE).with_(HEADER, SUMS, SIGSTORE).with_(MANIFEST)
    assert list(provenance) == [HEADER, MANIFEST, SUMS, SIGSTORE]
    assert provenance.kinds == ("transport-digest", "manifest-digest", "checksums", "sigstore")
    assert provenance.strongest is Step.SIGNATURE
    assert [piece.shown for piece in provenance] == [
        "transport-digest (repr-digest)",
        "manifest-digest",
        "checksums (https://example.org/SHA256SUMS)",
        "sigstore (a@example.org)",
    ]


def test_an_order_of_its_own() -> None:
    assert Provenance((SIGSTORE, SUMS)) == Provenance((SUMS, SIGSTORE, SUMS))


def test_what_a_later_lock_would_drop() -> None:
    old = Provenance((MANIFEST, SUMS, SIGSTORE))
    other = Piece(kind="sigstore", identity="b@example.org", issuer="https://issuer.example.org")
    assert old.dropped_by(Provenance((MANIFEST, SUMS, other))) == ()
    assert old.dropped_by(Provenance((SIGSTORE,))) == (MANIFEST, SUMS)
    assert not old.falls_to(Provenance((SIGSTORE,)))
    assert old.dropped_by(Provenance((MANIFEST, SUMS))) == (SIGSTORE,)
    assert old.falls_to(Provenance((MANIFEST, SUMS)))
    assert not Provenance().falls_to(Provenance())


def test_documents_of_the_lockfile() -> None:
    documents = [
        {"kind": "transport-digest", "source": "repr-digest"},
        {"kind": "manifest-digest"},
        {"kind": "checksums", "source": "https://example.org/SHA256SUMS"},
        {"kind": "spdx", "source": f"{URL}.spdx.json"},
        {"kind": "minisign", "key": KEY},
        {"kind": "openpgp", "fingerprint": PRINT},
        {"kind": "sigstore", "identity": "a@example.org", "issuer": "https://issuer.example.org"},
    ]
    provenance = Provenance.from_documents(reversed(documents))
    assert list(provenance.as_documents()) == documents
    assert [list(one) for one in provenance.as_documents()] == [list(one) for one in documents], "order of keys"


def test_absences() -> None:
    provenance = Provenance((SUMS,)).with_(Absence("sigstore", "not-checked"), Absence("openpgp", "missing"))
    documents = (
        {"kind": "checksums", "source": "https://example.org/SHA256SUMS"},
        {"kind": "openpgp", "absent": "missing"},
        {"kind": "sigstore", "absent": "not-checked"},
    )
    assert provenance.as_documents() == documents
    assert Provenance.from_documents(documents) == provenance
    assert provenance.strongest is Step.CHECKSUMS
    assert provenance.with_(SIGSTORE).absences == (Absence("openpgp", "missing"),), "what was found is not absent"


@pytest.mark.parametrize(
    "document",
    [
        {"kind": "seal", "of": "approval"},
        {"kind": "sigstore", "identity": "a@example.org"},
        {"kind": "sigstore", "identity": "a@example.org", "issuer": "x", "since": "0.9"},
        {"kind": "manifest-digest", "source": "x"},
        {"kind": "openpgp", "fingerprint": 7},
        {"kind": "openpgp", "absent": "stolen"},
        {"kind": ["openpgp"]},
        {},
    ],
    ids=str,
)
def test_what_this_dlm_does_not_know_is_kept_and_worth_nothing(document: dict[str, Any]) -> None:
    provenance = Provenance.from_documents([document, SUMS.as_document()])
    assert provenance.pieces == (SUMS,)
    assert provenance.as_documents() == (SUMS.as_document(), document)


@pytest.mark.parametrize(
    ("kind", "fields"), [("sigstore", {}), ("checksums", {"key": "x"}), ("manifest-digest", {"source": "x"})]
)
def test_half_a_piece(kind: str, fields: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=f"evidence of the kind {kind} says"):
        Piece(kind=kind, **fields)


def test_a_plug_ins_piece() -> None:
    assert Piece(kind="seal", source="x").step is Step.FIRST_USE


SHORT: dict[str, Any] = {
    "checksums": "https://example.org/{version}/SHA256SUMS",
    "sigstore": {"identity": "a@example.org", "issuer": "https://issuer.example.org"},
    "minisign": KEY,
    "openpgp": PRINT,
}
LONG: dict[str, Any] = {
    "checksums": {"url": "https://example.org/SHA256SUMS"},
    "sigstore": {
        "identity": "a@example.org",
        "issuer": "https://issuer.example.org",
        "bundle": "https://example.org/b",
    },
    "minisign": {"key": KEY, "signature": "https://example.org/m"},
    "openpgp": {
        "fingerprint": [PRINT.lower(), "A035 C8C1 9219 BA82 1ECE  A86B 64E6 28F8 D684 696D"],
        "key": "https://example.org/key.asc",
        "signature": "https://example.org/o",
    },
}


def test_a_wish_in_short_form() -> None:
    wish = EvidenceWish.from_mapping(SHORT)
    assert wish.wishes == (
        ChecksumsWish("https://example.org/{version}/SHA256SUMS"),
        MinisignWish(KEY),
        OpenPgpWish((PRINT,)),
        SigstoreWish("a@example.org", "https://issuer.example.org"),
    )
    assert wish.request() == SHORT
    assert list(wish.request()) == sorted(SHORT)


def test_a_wish_in_long_form_and_its_normal_form() -> None:
    wish = EvidenceWish.from_mapping(LONG)
    normal = {
        "checksums": "https://example.org/SHA256SUMS",
        "minisign": {"key": KEY, "signature": "https://example.org/m"},
        "openpgp": {
            "fingerprint": [PRINT, "A035C8C19219BA821ECEA86B64E628F8D684696D"],
            "key": "https://example.org/key.asc",
            "signature": "https://example.org/o",
        },
        "sigstore": LONG["sigstore"],
    }
    assert wish.request() == normal
    assert EvidenceWish.from_mapping(normal) == wish
    assert wish.templates == (
        "https://example.org/SHA256SUMS",
        "https://example.org/m",
        "https://example.org/key.asc",
        "https://example.org/o",
        "https://example.org/b",
    )


def test_addresses_are_filled_in() -> None:
    wish = EvidenceWish.from_mapping({**LONG, "checksums": "https://example.org/{version}/SUMS"})
    filled = wish.with_addresses(
        {
            "https://example.org/{version}/SUMS": "https://example.org/1.4/SUMS",
            "https://example.org/key.asc": "https://example.org/key-1.asc",
        }
    )
    assert filled.checksums == ChecksumsWish("https://example.org/1.4/SUMS")
    assert filled.openpgp is not None
    assert filled.openpgp.key == "https://example.org/key-1.asc"
    assert filled.sigstore == wish.sigstore
    assert filled.minisign == wish.minisign


@pytest.mark.parametrize(
    ("mapping", "problems"),
    [
        ({}, [("", "names no evidence; leave it out instead")]),
        ({"gpg": "x"}, [("gpg", "unknown; known are checksums, minisign, openpgp, sigstore")]),
        ({"checksums": "SHA256SUMS"}, [("checksums.url", "is no http or https address")]),
        ({"checksums": 7}, [("checksums", "wants the url as text, or a mapping with url")]),
        ({"checksums": {}}, [("checksums.url", "is missing")]),
        ({"sigstore": "a@example.org"}, [("sigstore", "wants a mapping with bundle, identity, issuer")]),
        ({"sigstore": {"identity": "a"}}, [("sigstore.issuer", "is missing")]),
        ({"sigstore": {"identity": 1, "issuer": "x", "bundle": "ftp://x/y"}}, None),
        ({"minisign": "RWS"}, None),
        ({"openpgp": "E5FA6305"}, None),
        ({"openpgp": []}, [("openpgp", "wants a fingerprint, or a list of them")]),
        ({"openpgp": [PRINT, 7]}, [("openpgp", "wants a fingerprint, or a list of them")]),
        (
            {"openpgp": {"fingerprint": PRINT, "keys": "x"}},
            [("openpgp.keys", "unknown; known are fingerprint, key, signature")],
        ),
    ],
    ids=str,
)  # fmt: skip
def test_a_wish_that_cannot_be_meant(mapping: dict[str, Any], problems: list[tuple[str, str]] | None) -> None:
    with pytest.raises(WishError) as caught:
        EvidenceWish.from_mapping(mapping)
    if problems is not None:
        assert list(caught.value.problems) == problems
    assert str(caught.value)


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(WishError) as caught:
        EvidenceWish.from_mapping({"checksums": 7, "sigstore": {}, "minisign": "x", "openpgp": "1234", "seal": 1})
    assert [key for key, _ in caught.value.problems] == [
        "checksums", "minisign", "openpgp", "sigstore.identity", "sigstore.issuer", "seal",
    ]  # fmt: skip


def test_a_short_key_id_is_no_fingerprint() -> None:
    with pytest.raises(ValueError, match="can be forged"):
        OpenPgpWish(("A821E680E5FA6305",))


def test_siblings() -> None:
    address = "https://me@example.org/tool/1.4/tool-1.4.tar.gz?token=x"
    assert siblings(address, "sigstore") == (f"{URL}.sigstore.json", f"{URL}.sigstore")
    assert siblings(address, "minisign") == (f"{URL}.minisig",)
    assert siblings(address, "openpgp")[:2] == (f"{URL}.asc", f"{URL}.sig")
    found = siblings(address, "checksums")
    assert found[0] == f"{URL}.sha256"
    assert "https://example.org/tool/1.4/SHA256SUMS" in found
    assert len(set(found)) == len(found)


def test_sidecars_of_a_wish() -> None:
    short = sidecars(URL, EvidenceWish.from_mapping({"minisign": KEY, "openpgp": PRINT}))
    assert [one.urls for one in short] == [siblings(URL, "minisign"), siblings(URL, "openpgp")]
    long = sidecars(URL, EvidenceWish.from_mapping(LONG))
    assert [one.urls for one in long] == [
        ("https://example.org/SHA256SUMS",),
        ("https://example.org/m",),
        ("https://example.org/o",),
        ("https://example.org/b",),
    ]
    assert all(one.limit > 0 for one in long)
    assert sidecars(URL, EvidenceWish()) == ()


def test_sidecars_of_python_org() -> None:
    url = "https://www.python.org/ftp/python/3.13.0/Python-3.13.0.tgz"
    signer = SigstoreWish("thomas@python.org", "https://accounts.google.com")
    keys = OpenPgpWish()
    assert [(one.wish, one.urls) for one in python_sidecars(url, signer, keys)] == [
        (SpdxWish(), (f"{url}.spdx.json",)),
        (keys, (f"{url}.asc",)),
        (signer, (f"{url}.sigstore",)),
    ]
    assert [one.wish for one in python_sidecars(url, None, None)] == [SpdxWish()]


def test_a_policy_demands_by_the_closest_host() -> None:
    policy = EvidencePolicy.from_mapping(
        {"*": "manifest-digest", "*.Example.org": "checksums", "python.org": "signature", "intranet": "first-use"}
    )
    assert policy.demanded("elsewhere.net") is Step.MANIFEST_DIGEST
    assert policy.demanded("a.b.example.org") is Step.CHECKSUMS
    assert policy.demanded("EXAMPLE.ORG") is Step.MANIFEST_DIGEST
    assert policy.demanded("python.org") is Step.SIGNATURE
    assert policy.demanded("intranet") is Step.FIRST_USE
    assert EvidencePolicy().demanded("python.org") is Step.FIRST_USE


def test_a_manifest_raises_and_never_lowers() -> None:
    user = EvidencePolicy.from_mapping({"*": "checksums"})
    for manifest, expected in (({"a.org": "signature"}, Step.SIGNATURE), ({"a.org": "first-use"}, Step.CHECKSUMS)):
        for joined in (
            user.joined(EvidencePolicy.from_mapping(manifest)),
            EvidencePolicy.from_mapping(manifest).joined(user),
        ):
            assert joined.demanded("a.org") is expected


def test_a_refusal_names_both_steps() -> None:
    policy = EvidencePolicy.from_mapping({"example.org": "signature"})
    assert policy.refusal("example.org", Provenance((SUMS, SIGSTORE))) is None
    assert policy.refusal("example.org", Provenance((SUMS,))) == (
        "policy demands signature for example.org, and it has checksums only"
    )
    assert policy.refusal("example.net", Provenance()) is None


def test_a_policy_that_cannot_be_meant() -> None:
    with pytest.raises(WishError) as caught:
        EvidencePolicy.from_mapping(
            {"https://example.org": "checksums", "a.*": "signature", "b.org": "signed", "": "x"}
        )
    assert [key for key, _ in caught.value.problems] == ["https://example.org", "a.*", "b.org", ""]
