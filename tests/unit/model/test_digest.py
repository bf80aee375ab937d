"""Digests: every notation, one form; whatever is too weak or too short pins nothing."""

from __future__ import annotations

import base64
import copy
import hashlib
import pickle

import pytest

from dlm.model.digest import EMPTY, STRENGTH, Digest, Digests, new_hash

HEX = hashlib.sha256(b"bytes").hexdigest()
SRI = "sha256-" + base64.b64encode(hashlib.sha256(b"bytes").digest()).decode()


@pytest.mark.parametrize(
    "text", [HEX, HEX.upper(), f"sha256:{HEX}", f"SHA256:{HEX.upper()}", f"  {HEX}\n", SRI, f"{SRI}?option"]
)
def test_every_notation_means_one_digest(text: str) -> None:
    assert Digest.parse(text) == Digest("sha256", HEX)


@pytest.mark.parametrize("algorithm", STRENGTH)
def test_each_algorithm_comes_back_from_both_notations(algorithm: str) -> None:
    digest = Digest(algorithm, hashlib.new(algorithm, b"bytes").hexdigest())
    assert Digest.parse(str(digest)) == digest
    assert Digest.from_integrity(digest.integrity) == digest


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("md5:d41d8cd98f00b204e9800998ecf8427e", "md5 is too weak to pin bytes; use sha256"),
        ("sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=", "sha1 is too weak"),
        ("SHA-1:00", "unknown digest algorithm|too weak"),
        (f"blake3:{HEX}", "unknown digest algorithm 'blake3'; known are sha256, sha384, sha512"),
        (HEX[:-1], "has 64 hexadecimal digits, not 63"),
        (HEX[:32], "has 64 hexadecimal digits, not 32"),
        (f"{HEX}0", "not 65"),
        (f"{HEX[:-1]}g", "is written in hexadecimal digits"),
        (f"{HEX[:-1]}\uff11", "is written in hexadecimal digits"),  # FULLWIDTH DIGIT ONE
        ("", "not 0"),
        ("sha256-", "not 0"),
        ("sha256-!!!!", "is not base64"),
        (f"{SRI[:-2]}X=", "is not canonical base64|is not base64"),
        (SRI.rstrip("="), "is not base64"),
        (f"sha512:{HEX}", "has 128 hexadecimal digits, not 64"),
    ],
)
def test_what_cannot_pin_is_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Digest.parse(text)


def test_the_name_may_be_repeated_before_the_value_but_not_another_one() -> None:
    assert Digest.from_hex("sha256", f"sha256:{HEX}").value == HEX
    with pytest.raises(ValueError, match="does not begin with 'sha512'"):
        Digest.from_hex("sha256", f"sha512:{HEX}")


def test_integrity_needs_its_algorithm() -> None:
    with pytest.raises(ValueError, match="looks like sha256-BASE64"):
        Digest.from_integrity(HEX)


def test_several_are_kept_weakest_first_and_one_for_each_algorithm() -> None:
    strong = Digest("sha512", hashlib.sha512(b"bytes").hexdigest())
    weak = Digest("sha256", HEX)
    both = Digests((strong, weak))
    assert both.algorithms == ("sha256", "sha512")
    assert Digests.from_mapping(both.as_mapping()) == both == Digests.of([weak, strong, weak])
    assert both.sha256 == HEX
    assert Digests((strong,)).sha256 is None
    with pytest.raises(ValueError, match="two digests of one algorithm"):
        Digests((weak, weak))
    with pytest.raises(ValueError, match="two different sha256 digests"):
        Digests.of([weak, Digest("sha256", "0" * 64)])


def test_comparing_and_joining() -> None:
    ours, theirs = Digests.sha256_of(b"ours"), Digests.sha256_of(b"theirs")
    other = Digests((Digest("sha512", "0" * 128),))
    assert ours.contradiction(theirs) == (ours.items[0], theirs.items[0])
    assert ours.contradiction(ours) is None
    assert ours.contradiction(other) is None
    assert ours.joined(other).algorithms == ("sha256", "sha512")
    with pytest.raises(ValueError, match="two different"):
        ours.joined(theirs)
    assert not Digests()
    assert len(ours) == 1


def test_the_digest_of_nothing() -> None:
    assert EMPTY.sha256 == new_hash("sha256").hexdigest()


def test_digests_are_values() -> None:
    weak, strong = Digest("sha256", "a" * 64), Digest("sha512", "b" * 128)
    both = Digests((strong, weak))
    assert both == Digests((weak, strong))
    assert hash(both) == hash(Digests((weak, strong)))
    assert both not in {Digests((weak,)), Digests((strong,)), Digests()}
    assert Digests((weak,)) == Digests.of_sha256("a" * 64)
    assert repr(both) == f"Digests(items=({weak!r}, {strong!r}))"
    for copied in (copy.copy(both), copy.deepcopy(both), pickle.loads(pickle.dumps(both))):
        assert copied == both
        assert copied.items == (weak, strong)
    match both:
        case Digests((first, second)):
            assert (first, second) == (weak, strong)
        case _:
            pytest.fail("no match")


@pytest.mark.parametrize("name", ["sha256", "items", "other"])
def test_digests_do_not_change(name: str) -> None:
    digests = Digests((Digest("sha256", "a" * 64),))
    with pytest.raises(AttributeError):
        setattr(digests, name, "b" * 64)
    with pytest.raises(AttributeError):
        delattr(digests, name)
    assert digests.sha256 == "a" * 64
