"""Our frozen dataclasses are those of the library, but for the time that it takes to define and to make one."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pydantic
import pytest

from dlm.model.frozen import dataclass as quick
from dlm.model.frozen import field as own_field
from dlm.model.frozen import replace as own_replace


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


def test_the_library_knows_all_of_it() -> None:
    twin = dataclass(frozen=True, slots=True, kw_only=True)(Twin)
    for mine, theirs in ((Quick, Plain), (Compared, twin)):
        ours: Any = mine
        library: Any = theirs
        assert dataclasses.is_dataclass(mine)
        for one, other in zip(dataclasses.fields(ours), dataclasses.fields(library), strict=True):
            for said in ("name", "type", "default", "init", "repr", "hash", "compare", "kw_only"):
                assert getattr(one, said) == getattr(other, said), said
        assert ours.__dataclass_params__.frozen == library.__dataclass_params__.frozen


class Twin:
    """As ``Compared``."""

    name: str
    note: str = field(default="", compare=False, repr=False)
    count: ClassVar[int] = 3


def test_a_field_of_our_own_says_what_the_librarys_says() -> None:
    @quick(frozen=True, slots=True)
    class Mixed:
        name: str
        parts: Mapping[str, int] = own_field(default_factory=dict, hash=False)
        note: str = own_field(default="-", repr=False, compare=False)

    one = Mixed("a", {"b": 1})
    assert hash(one) == hash(Mixed("a", {}))
    assert one != Mixed("a")
    assert one == Mixed("a", {"b": 1}, "other")
    assert repr(one).endswith("Mixed(name='a', parts={'b': 1})")
    assert [(known.name, known.hash) for known in dataclasses.fields(Mixed)] == [
        ("name", None), ("parts", False), ("note", None)
    ]  # fmt: skip
    assert own_replace(one, name="c") == dataclasses.replace(one, name="c") == Mixed("c", {"b": 1})
    with pytest.raises(TypeError):
        own_replace(one, other=1)  # type: ignore[call-arg]


def test_the_first_values_and_the_later_ones_are_alike() -> None:
    @quick(frozen=True, slots=True, kw_only=True)
    class Many:
        value: int
        twice: int = 2
        parts: list[int] = own_field(default_factory=list)

        def __post_init__(self) -> None:
            if self.value < 0:
                raise ValueError("negative")

    made = [Many(value=1, twice=3) for _ in range(9)]
    assert all(one == made[0] for one in made)
    assert len({id(one.parts) for one in made}) == len(made)


@pytest.mark.parametrize("before", [0, 9])
def test_a_wrong_call_is_refused_in_the_same_words(before: int) -> None:
    @quick(frozen=True, slots=True)
    class Many:
        value: int
        twice: int = 2

    for _ in range(before):
        Many(1)
    said = []
    for arguments, named in (((), {}), ((1, 2, 3), {}), ((1,), {"value": 1}), ((1,), {"other": 1})):
        with pytest.raises(TypeError) as error:
            Many(*arguments, **named)
        said.append(str(error.value).rpartition(".")[2])
    assert said == [
        "__init__() missing 1 required positional argument: 'value'",
        "__init__() takes from 2 to 3 positional arguments but 4 were given",
        "__init__() got multiple values for argument 'value'",
        "__init__() got an unexpected keyword argument 'other'",
    ]


def test_one_that_is_not_frozen_changes_and_has_no_hash() -> None:
    @quick(slots=True)
    class Open:
        value: int
        parts: list[int] = own_field(default_factory=list)

    for _ in range(9):
        changed = Open(1)
        changed.value = 2
        assert (changed.value, changed.parts, changed == Open(2)) == (2, [], True)
    one = Open(3)
    assert copy.copy(one) == copy.deepcopy(one) == one
    with pytest.raises(TypeError):
        hash(one)
    with pytest.raises(AttributeError):
        one.other = 2  # type: ignore[attr-defined]


def test_order_goes_by_the_fields_and_by_one_class_alone() -> None:
    @quick(frozen=True, slots=True, order=True)
    class Ranked:
        first: int
        second: str

    low, high = Ranked(1, "b"), Ranked(2, "a")
    assert low < high
    assert low <= high
    assert high > low
    assert high >= low
    assert sorted([high, low]) == [low, high]
    with pytest.raises(TypeError):
        low < 1  # type: ignore[operator]  # noqa: B015


def test_it_is_pydantics_too() -> None:
    reader = pydantic.TypeAdapter(Quick)
    assert reader.validate_python({"first": "3"}) == Quick(3)
    assert list(reader.json_schema()["properties"]) == ["first", "second", "third"]
    with pytest.raises(pydantic.ValidationError):
        reader.validate_python({"second": "x"})
