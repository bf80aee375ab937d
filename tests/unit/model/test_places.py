"""Who takes which place: claims meet where one machine would see both."""

from __future__ import annotations

from itertools import product

import pytest

from dlm.model.places import Taken
from dlm.model.platforms import matches

PLATFORMS = (None, "linux", "linux-x86_64", "linux-amd64", "linux-arm64", "linux-x86_64-musl", "macos", "darwin-arm64")


@pytest.mark.fault("L18")
@pytest.mark.parametrize(("one", "other"), [*product(PLATFORMS, PLATFORMS)])
def test_claims_meet_where_one_platform_means_the_other(one: str | None, other: str | None) -> None:
    taken: Taken[str] = Taken()
    taken.take("x", one, "first")
    meet = one is None or other is None or matches(one, other) or matches(other, one)
    assert taken.by("x", other) == ("first" if meet else None)
    assert taken.by("y", other) is None


def test_the_first_of_several_counts() -> None:
    taken: Taken[str] = Taken()
    for owner, platform in (("a", "linux-x86_64"), ("b", "macos-arm64"), ("c", None), ("d", "linux-x86_64")):
        taken.take("x", platform, owner)
    assert taken.by("x", None) == "a"
    assert taken.by("x", "macos-x86_64") == "c"
    assert taken.by("x", "macos") == "c"
