"""Notes of what came out of archives."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlm.errors import LocalError
from dlm.model.listing import Entry, Listing
from dlm.state.trees import TreeNotes

ONE = Listing([Entry("a", "f", 1, "0" * 64)])
TWO = Listing([Entry("b", "d")])


def test_what_was_noted_is_read_until_it_is_forgotten(tmp_path: Path) -> None:
    notes = TreeNotes(str(tmp_path))
    assert notes.read(ONE.tree) is None
    notes.keep([])
    for listing in (ONE, TWO, ONE):
        notes.write(listing)
    assert TreeNotes(str(tmp_path)).read(ONE.tree) == ONE
    notes.keep([TWO.tree, "unknown"])
    assert notes.read(ONE.tree) is None
    assert notes.read(TWO.tree) == TWO


@pytest.mark.parametrize("data", [b"", b"rot", TWO.text(), ONE.text()[:-1]])
def test_a_note_that_is_damaged_is_none_and_is_mended(tmp_path: Path, data: bytes) -> None:
    notes = TreeNotes(str(tmp_path))
    notes.write(ONE)
    (tmp_path / "trees" / ONE.tree).write_bytes(data)
    assert notes.read(ONE.tree) is None
    notes.write(ONE)
    assert notes.read(ONE.tree) == ONE


def test_a_note_that_cannot_be_written_is_a_plain_error(tmp_path: Path) -> None:
    (tmp_path / "trees").write_bytes(b"in the way")
    with pytest.raises(LocalError, match="cannot write"):
        TreeNotes(str(tmp_path)).write(ONE)
