"""A quick dataclass is the dataclass that it was, but for the time that it takes to make one."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from dlm.model.quick import quick


@dataclass(frozen=True, slots=True)
class Plain:
    first: int
    second: str = "two"
    third: Mapping[str, str] = field(default_factory=dict, repr=False, kw_only=True)

    def __post_init__(self) -> None:
        if self.first < 0:
            raise ValueError("negative")
        object.__setattr__(self, "second", self.second.upper())


@quick
@dataclass(frozen=True, slots=True)
class Quick:
    first: int
    second: str = "two"
    third: Mapping[str, str] = field(default_factory=dict, repr=False, kw_only=True)

    def __post_init__(self) -> None:
        if self.first < 0:
            raise ValueError("negative")
        object.__setattr__(self, "second", self.second.upper())


class Below(Quick):
    """Has a ``__dict__``, so that no draft fits."""


def test_it_holds_what_the_plain_one_holds() -> None:
    for arguments, named in (((1,), {}), ((1, "x"), {}), ((1,), {"second": "y", "third": {"a": "b"}})):
        slow, fast = Plain(*arguments, **named), Quick(*arguments, **named)  # type: ignore[arg-type]
        assert dataclasses.asdict(slow) == dataclasses.asdict(fast)
        assert repr(slow).replace("Plain", "Quick") == repr(fast)
        assert type(fast) is Quick


def test_defaults_are_made_anew() -> None:
    assert Quick(1).third is not Quick(1).third


def test_it_is_frozen_and_has_no_further_fields() -> None:
    one = Quick(1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.first = 2  # type: ignore[misc]
    with pytest.raises((AttributeError, TypeError)):
        one.other = 2  # type: ignore[attr-defined]


def test_it_is_checked_at_birth() -> None:
    with pytest.raises(ValueError, match="negative"):
        Quick(-1)
    with pytest.raises(TypeError):
        Quick()  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        Quick(1, "two", {})  # type: ignore[call-arg]


def test_copies_equality_and_signature() -> None:
    one = Quick(1, third={"a": "b"})
    assert copy.copy(one) == pickle.loads(pickle.dumps(one)) == dataclasses.replace(one) == one
    assert dataclasses.replace(one, first=3) == Quick(3, third={"a": "b"})
    assert list(inspect.signature(Quick).parameters) == list(inspect.signature(Plain).parameters)


def test_a_class_below_it_is_made_the_plain_way() -> None:
    one = Below(1)
    assert (type(one), one.second) == (Below, "TWO")
