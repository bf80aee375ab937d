"""Our frozen dataclasses are those of the library, but for the time that it takes to define and to make one."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import ClassVar

import pytest

from dlm.model.frozen import dataclass as quick


@dataclass(frozen=True, slots=True)
class Plain:
    first: int
    second: str = "two"
    third: Mapping[str, str] = field(default_factory=dict, repr=False, kw_only=True)

    def __post_init__(self) -> None:
        if self.first < 0:
            raise ValueError("negative")
        object.__setattr__(self, "second", self.second.upper())


@quick(frozen=True, slots=True)
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


@quick(frozen=True, slots=True, kw_only=True)
class Compared:
    name: str
    note: str = field(default="", compare=False, repr=False)
    count: ClassVar[int] = 3


@quick(frozen=True, slots=True)
class Empty:
    pass


@quick(frozen=True, slots=True)
class Own:
    value: int

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Own) and other.value % 2 == self.value % 2

    def __hash__(self) -> int:
        return self.value % 2

    def __repr__(self) -> str:
        return "own"


def test_what_is_compared_hashed_and_shown() -> None:
    one, other = Compared(name="a", note="x"), Compared(name="a", note="y")
    assert one == other
    assert len({one, other, Compared(name="b")}) == 2
    assert repr(one).endswith("Compared(name='a')")
    assert one.__eq__(("a",)) is NotImplemented
    assert Compared.count == 3
    assert [known.name for known in dataclasses.fields(Compared)] == ["name", "note"]
    assert Empty() == Empty()
    assert hash(Empty()) == hash(Empty())


def test_what_a_class_says_itself_stays() -> None:
    assert Own(1) == Own(3)
    assert hash(Own(1)) == hash(Own(3))
    assert repr(Own(1)) == "own"


def test_a_pattern_takes_it_apart() -> None:
    match Quick(1, "b"):
        case Quick(first, second):
            assert (first, second) == (1, "B")
        case _:
            pytest.fail("it matches")


def test_a_value_is_never_changed_by_deleting() -> None:
    one = Quick(1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        del one.first


def test_what_is_not_known_is_left_to_the_library() -> None:
    @quick(frozen=True, slots=True, order=True)
    class Ordered:
        value: int

    @quick(slots=True)
    class Open:
        value: int
        twice: int = field(init=False)

        def __post_init__(self) -> None:
            self.twice = 2 * self.value

    assert Ordered(1) < Ordered(2)
    two = Open(2)
    two.value = 3
    assert (two.value, two.twice) == (3, 4)


def test_the_first_values_may_be_made_on_many_threads() -> None:
    @quick(frozen=True, slots=True)
    class Late:
        value: int

    with ThreadPoolExecutor(8) as pool:
        assert {one.value for one in pool.map(Late, range(500))} == set(range(500))
