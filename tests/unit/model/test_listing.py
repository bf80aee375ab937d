"""The tree digest: what it is of, in bytes, and what it is not of."""

from __future__ import annotations

import hashlib
import itertools

import pytest

from dlm.model.listing import Difference, Entry, Listing, difference

SHA = hashlib.sha256(b"x").hexdigest()
ENTRIES = (
    Entry("bin", "d"),
    Entry("bin/tool", "x", 1, SHA),
    Entry("bin-x", "f", 1, SHA),
    Entry("link", "l", 8, "bin/tool"),
    Entry("caf\u00e9", "f", 1, SHA),
)


def test_the_digest_is_that_of_the_documented_text() -> None:
    text = (
        b"dlm tree 1\n"
        b"d 0 -\0bin\0"
        b"f 1 " + SHA.encode() + b"\0bin-x\0"
        b"x 1 " + SHA.encode() + b"\0bin/tool\0"
        b"f 1 " + SHA.encode() + b"\0caf\xc3\xa9\0"
        b"l 8 bin/tool\0link\0"
    )
    listing = Listing(ENTRIES)
    assert listing.text() == text
    assert listing.tree == hashlib.sha256(text).hexdigest()
    assert Listing.read(text) == listing
    assert hash(Listing.read(text)) == hash(listing)
    assert (listing.files, listing.size) == (4, 3)


def test_order_and_the_form_of_names_do_not_matter() -> None:
    for some in itertools.permutations(ENTRIES):
        assert Listing(some).tree == Listing(ENTRIES).tree
    decomposed = [*ENTRIES[:-1], Entry("cafe\u0301", "f", 1, SHA)]
    assert Listing(decomposed).tree == Listing(ENTRIES).tree


@pytest.mark.parametrize(
    "other",
    [
        Entry("bin/tool", "f", 1, SHA),
        Entry("bin/tool", "x", 2, SHA),
        Entry("bin/tool", "x", 1, "0" * 64),
        Entry("bin/too", "x", 1, SHA),
        Entry("bin/tool", "l", 1, SHA),
        Entry("bin/tool", "o"),
    ],
)
def test_everything_else_does(other: Entry) -> None:
    changed = [other if entry.path == "bin/tool" else entry for entry in ENTRIES]
    assert Listing(changed).tree != Listing(ENTRIES).tree


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"dlm tree 2\n",
        b"dlm tree 1\nd 0 -\0b\0d 0 -\0a\0",
        b"dlm tree 1\nd 00 -\0b\0",
        b"dlm tree 1\nd 0 -\0b",
        b"dlm tree 1\nq 0 -\0b\0",
        b"dlm tree 1\nd 0 -\0cafe\xcc\x81\0",
    ],
)
def test_a_text_that_dlm_did_not_write_is_none(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"no listing|no entry|canonical"):
        Listing.read(text)


def test_what_no_archive_brings_can_be_listed_all_the_same() -> None:
    odd = Listing([Entry("a\nb", "o"), Entry("\udcff", "f", 1, SHA), Entry("l", "l", 1, "\udcfe")])
    assert Listing.read(odd.text()) == odd


def test_a_difference_names_the_paths() -> None:
    before = Listing(ENTRIES)
    after = Listing(
        [
            Entry("bin", "d"),
            Entry("bin/tool", "f", 1, SHA),
            Entry("bin-x", "f", 1, SHA),
            Entry("new\nline", "f", 1, SHA),
            Entry("cafe\u0301", "f", 1, SHA),
        ]
    )
    found = difference(before, after)
    assert found == Difference(added=("'new\\nline'",), changed=("bin/tool",), missing=("link",))
    assert found.lines() == ("bin/tool was changed", "link is missing", "'new\\nline' was added")
    assert found.lines(most=1) == ("bin/tool was changed", "and 2 more")
    assert not found.only_added
    assert not difference(before, before)
    assert difference(before, Listing([*ENTRIES, Entry("more", "d")])).only_added
    assert "5 entries" in repr(before)
