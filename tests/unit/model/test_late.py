"""An expression that is compiled late is the same expression."""

from __future__ import annotations

import re

import pytest

from dlm.model.late import late


def test_it_does_what_a_compiled_one_does() -> None:
    one = late(r"(a+)b", re.IGNORECASE)
    for _ in range(2):
        found = one.match("AAb")
        assert found is not None
        assert found[1] == "AA"
        assert one.search("x") is None
        assert one.sub("-", "ab ab") == "- -"
        assert [match[0] for match in one.finditer("ab aab")] == ["ab", "aab"]
    assert one.pattern == "(a+)b"


def test_a_mistake_shows_at_first_use() -> None:
    wrong = late("(")
    with pytest.raises(re.error):
        wrong.match("")
