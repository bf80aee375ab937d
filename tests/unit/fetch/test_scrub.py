"""Secrets out of texts."""

from __future__ import annotations

import pytest

from dlm.fetch.scrub import Scrubber


@pytest.mark.promise(7)
def test_every_secret_goes_the_longest_first() -> None:
    clean = Scrubber(["token", "token-longer", "token"])
    assert clean("a token-longer b token c") == "a *** b *** c"


def test_a_value_too_short_to_guard_anything_stays() -> None:
    assert Scrubber(["1", "", "abc"])("1 abc") == "1 abc"
