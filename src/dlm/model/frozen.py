"""Frozen dataclasses with slots that cost next to nothing to define, and a third to make: ``dataclass``.

The library's decorator writes and compiles seven functions for each class, twice, when a module is loaded; with a
hundred classes that is half of what a short command takes. Here the functions that are alike for all classes are
written once, and ``__init__`` is compiled when the first value is made, which of most classes never happens.

A frozen dataclass sets each field by ``object.__setattr__``, past its own ``__setattr__`` that refuses. A run on ten
thousand files makes some hundred thousand values, and half of that time goes there. Here a new value has, while
``__init__`` runs, the class of a draft with the very same slots, whose fields are set as of any object, and then its
own. Nobody else sees it before.

What comes out is a dataclass to everyone: to ``dataclasses.fields``, ``replace`` and ``asdict``, to ``copy``,
``pickle`` and ``match``, to pydantic and to type checkers. What this does not know is left to the library.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from operator import attrgetter
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any

__all__ = ["dataclass"]

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass  # noqa: PLC0414 - type checkers know what it does
else:

    def dataclass(
        cls: type | None = None,
        /,
        *,
        frozen: bool = False,
        slots: bool = False,
        kw_only: bool = False,
        order: bool = False,
    ) -> Any:
        """As ``dataclasses.dataclass``."""

        def make(cls: type) -> type:
            made = _made(cls, kw_only=kw_only) if frozen and slots and not order and _switches(cls) else None
            if made is not None:
                return made
            return dataclasses.dataclass(cls, frozen=frozen, slots=slots, kw_only=kw_only, order=order)

        return make if cls is None else make(cls)


#: As the library marks an ordinary field; its own name for that is private.
_FIELD: Any = next(iter(vars(dataclasses.make_dataclass("_Any", ["a"]))["__dataclass_fields__"].values()))._field_type
_PARAMS: Any = vars(dataclasses.make_dataclass("_Any", [], frozen=True))["__dataclass_params__"]
_FACTORY = object()


def _made(cls: type, *, kw_only: bool) -> type | None:
    """The class with slots for its fields; None where it has something that is not known here."""
    fields: dict[str, Any] = {}
    namespace = dict(cls.__dict__)
    for name, kind in getattr(cls, "__annotations__", {}).items():
        if not isinstance(kind, str) or kind.startswith(("InitVar", "KW_ONLY", "dataclasses.")):
            return None
        if kind.startswith("ClassVar"):
            continue
        default = namespace.pop(name, dataclasses.MISSING)
        one: Any = default if isinstance(default, dataclasses.Field) else dataclasses.field(default=default)
        if not one.init or type(one.default).__hash__ is None:
            return None
        one.name, one.type, one._field_type = name, kind, _FIELD
        if one.kw_only is dataclasses.MISSING:
            one.kw_only = kw_only
        fields[name] = one
    for name in ("__dict__", "__weakref__"):
        namespace.pop(name, None)
    own_hash = namespace.get("__hash__") is not None
    compared = tuple(name for name, one in fields.items() if one.compare)
    namespace |= {
        "__slots__": tuple(fields),
        "__dataclass_fields__": fields,
        "__dataclass_params__": _PARAMS,
        "__match_args__": tuple(name for name, one in fields.items() if not one.kw_only),
        "__setattr__": _refuse_to_set,
        "__delattr__": _refuse_to_delete,
        "__getstate__": _state,
        "__setstate__": _restore,
        "_compared": staticmethod(_getter(compared)),
    }
    namespace.setdefault("__repr__", _shown)
    namespace.setdefault("__eq__", _equal)
    if not own_hash:
        namespace["__hash__"] = _hashed
    made: Any = type(cls.__name__, cls.__bases__, namespace)
    made.__qualname__ = cls.__qualname__

    def compile_first(self: Any, /, *arguments: Any, **named: Any) -> None:
        if made.__init__ is compile_first:
            made.__init__ = _init(made)
        made.__init__(self, *arguments, **named)

    made.__init__ = compile_first
    return made  # type: ignore[no-any-return]


def _getter(names: tuple[str, ...]) -> Callable[[Any], Any]:
    if len(names) > 1:
        return attrgetter(*names)
    return lambda value: tuple(getattr(value, name) for name in names)


def _init(cls: Any) -> Any:
    """``__init__`` for a class, with the signature that the library gives it."""
    draft = type(cls.__name__, cls.__bases__, {"__slots__": cls.__slots__})
    known: dict[str, Any] = {"_cls": cls, "_draft": draft, "_factory": _FACTORY, "_set": object.__setattr__}
    known["_become"] = object.__dict__["__class__"].__set__
    positional: list[str] = []
    named: list[str] = []
    made: list[str] = []
    names = list(cls.__dataclass_fields__)
    for name, field in cls.__dataclass_fields__.items():
        text = name
        if field.default is not dataclasses.MISSING:
            known[f"_default_{name}"] = field.default
            text += f"=_default_{name}"
        elif field.default_factory is not dataclasses.MISSING:
            known[f"_make_{name}"] = field.default_factory
            text += "=_factory"
            made.append(f"if {name} is _factory: {name} = _make_{name}()")
        (named if field.kw_only else positional).append(text)
    parameters = ", ".join(["self", *positional, *(["*", *named] if named else [])])
    check = ["self.__post_init__()"] if hasattr(cls, "__post_init__") else []
    lines = [
        f"def __init__({parameters}):",
        *made,
        "if self.__class__ is not _cls:",  # of a class below it, which may have more slots
        *(f"    _set(self, {name!r}, {name})" for name in names),
        *(f"    {line}" for line in check),
        "    return",
        "_become(self, _draft)",
        *(f"self.{name} = {name}" for name in names),
        "self.__class__ = _cls",
        *check,
    ]
    exec("\n    ".join(lines), known)  # noqa: S102 - as dataclasses does; all of it is written in this program
    init = known["__init__"]
    init.__qualname__ = f"{cls.__qualname__}.__init__"
    init.__module__ = cls.__module__
    init.__annotations__ = {name: field.type for name, field in cls.__dataclass_fields__.items()} | {"return": None}
    return init


def _switches(cls: type[Any]) -> bool:
    """Whether objects of a class can take another one for a moment: CPython with its lock, one plain class."""
    gil = getattr(sys, "_is_gil_enabled", None)
    return (
        sys.implementation.name == "cpython"
        and (gil is None or gil())  # without it, a change of class stops all threads
        and cls.__bases__ == (object,)
    )


# -- what all of these classes have in common -------------------------------------------------------------------------


@recursive_repr()
def _shown(self: Any) -> str:
    shown = ", ".join(
        f"{name}={getattr(self, name)!r}" for name, field in self.__dataclass_fields__.items() if field.repr
    )
    return f"{self.__class__.__qualname__}({shown})"


def _equal(self: Any, other: Any) -> Any:
    if other.__class__ is not self.__class__:
        return NotImplemented
    return self._compared(self) == self._compared(other)


def _hashed(self: Any) -> int:
    return hash(self._compared(self))


def _refuse_to_set(self: Any, name: str, value: Any) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_to_delete(self: Any, name: str) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")


def _state(self: Any) -> list[Any]:
    return [getattr(self, name) for name in self.__dataclass_fields__]


def _restore(self: Any, state: list[Any]) -> None:
    for name, value in zip(self.__dataclass_fields__, state, strict=True):
        object.__setattr__(self, name, value)
