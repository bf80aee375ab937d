"""JSON by pieces is the JSON that the library makes of the whole."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dlm.state import pieces
from dlm.state.pieces import Entries, pieces_of


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5, 9, 10])
def test_the_text_is_that_of_the_whole(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(pieces, "_PIECE", 4)
    entries: dict[str, Any] = {f"d/ü {number}": ["a" * number, number, None, True] for number in range(count)}
    document = {"version": 1, "entries": entries, "more": entries, "list": [1, {"a": "}"}], "": ""}
    given = {**document, "entries": Entries(entries.items()), "more": Entries(iter(entries.items()))}
    assert b"".join(pieces_of(given)) == json.dumps(document).encode()


def test_a_document_may_be_empty() -> None:
    assert b"".join(pieces_of({})) == b"{}"
