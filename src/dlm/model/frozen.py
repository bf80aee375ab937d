"""Dataclasses with slots that cost next to nothing to define, and frozen ones a third to make: ``dataclass``.

The library's decorator writes and compiles seven functions for each class, twice, when a module is loaded; with a
hundred classes that is half of what a short command takes. Here the functions that are alike for all classes are
written once. ``__init__`` is compiled for a class of which more than a few values are made; the first ones, and of
most classes there are no others, are filled by a loop. The library itself, which brings half a dozen modules with it,
is imported where something asks a class for what only the library knows.

A frozen dataclass sets each field by ``object.__setattr__``, past its own ``__setattr__`` that refuses. A run on ten
thousand files makes some hundred thousand values, and half of that time goes there. Here a new value has, while
``__init__`` runs, the class of a draft with the very same slots, whose fields are set as of any object, and then its
own. Nobody else sees it before.

What comes out is a dataclass to everyone: to ``dataclasses.fields``, ``replace`` and ``asdict``, to ``copy``,
``pickle`` and ``match``, to pydantic and to type checkers. What this does not know is left to the library.
"""

from __future__ import annotations

import sys
from operator import attrgetter
from reprlib import recursive_repr

# Named so that type checkers take the branch: typing is a library of its own.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import dataclass as dataclass  # noqa: PLC0414 - type checkers know what these do
    from dataclasses import field as field  # noqa: PLC0414
    from dataclasses import replace as replace  # noqa: PLC0414
    from typing import Any

__all__ = ["dataclass", "field", "replace"]

#: Values of a class that are filled by a loop before its ``__init__`` is compiled, which takes as long as thirty.
_FEW = 4
_ABSENT = object()


class _Field:
    """What ``field`` says of a field; as ``dataclasses.Field`` it is made when somebody asks."""

    __slots__ = ("compare", "default", "default_factory", "hash", "kw_only", "repr")

    def __init__(
        self,
        *,
        default: Any = _ABSENT,
        default_factory: Any = _ABSENT,
        repr: bool = True,  # noqa: A002 - the library's name
        compare: bool = True,
        hash: bool | None = None,  # noqa: A002 - the library's name
        kw_only: bool | None = None,
    ) -> None:
        self.default = default
        self.default_factory = default_factory
        self.repr = repr
        self.compare = compare
        self.hash = hash
        self.kw_only = kw_only

    def for_library(self) -> Any:
        """The same, as the library has it."""
        import dataclasses

        library: Any = dataclasses
        missing = library.MISSING
        return library.field(
            default=missing if self.default is _ABSENT else self.default,
            default_factory=missing if self.default_factory is _ABSENT else self.default_factory,
            repr=self.repr,
            compare=self.compare,
            hash=self.hash,
            kw_only=missing if self.kw_only is None else self.kw_only,
        )


if not TYPE_CHECKING:
    #: As ``dataclasses.field``, of which it has what is used here.
    field = _Field

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
            made = _made(cls, frozen=frozen, kw_only=kw_only, order=order) if slots and _switches(cls) else None
            if made is not None:
                return made
            import dataclasses

            for name, value in list(vars(cls).items()):
                if isinstance(value, _Field):
                    setattr(cls, name, value.for_library())
            return dataclasses.dataclass(cls, frozen=frozen, slots=slots, kw_only=kw_only, order=order)

        return make if cls is None else make(cls)

    def replace(value: Any, /, **changes: Any) -> Any:
        """As ``dataclasses.replace``."""
        cls = value.__class__
        shape = cls.__dict__.get("_shape")
        if shape is None:
            import dataclasses

            return dataclasses.replace(value, **changes)
        return cls(**{name: getattr(value, name) for name in shape.names if name not in changes}, **changes)


class _Shape:
    """What a class was made of.

    Attributes:
        names: its fields, in order.
        fields: what is said of each.
        kinds: the annotation of each.
    """

    __slots__ = ("fields", "frozen", "kinds", "names", "order")

    def __init__(self, fields: dict[str, _Field], kinds: dict[str, str], *, frozen: bool, order: bool) -> None:
        self.names = tuple(fields)
        self.fields = fields
        self.kinds = kinds
        self.frozen = frozen
        self.order = order


def _made(cls: type, *, frozen: bool, kw_only: bool, order: bool) -> type | None:
    """The class with slots for its fields; None where it has something that is not known here."""
    fields: dict[str, _Field] = {}
    kinds: dict[str, str] = {}
    namespace = dict(cls.__dict__)
    for name, kind in getattr(cls, "__annotations__", {}).items():
        if not isinstance(kind, str) or kind.startswith(("InitVar", "KW_ONLY", "dataclasses.")):
            return None
        if kind.startswith("ClassVar"):
            continue
        one = _field_of(namespace.pop(name, _ABSENT))
        if one is None or type(one.default).__hash__ is None:
            return None
        if one.kw_only is None:
            one.kw_only = kw_only
        fields[name] = one
        kinds[name] = kind
    for name in ("__dict__", "__weakref__"):
        namespace.pop(name, None)
    own_hash = namespace.get("__hash__") is not None
    namespace |= {
        "__slots__": tuple(fields),
        "__dataclass_fields__": _Asked(_library_fields),
        "__dataclass_params__": _Asked(_library_params),
        "__match_args__": tuple(name for name, one in fields.items() if not one.kw_only),
        "__signature__": _Asked(_signature),
        "_shape": _Shape(fields, kinds, frozen=frozen, order=order),
        "_compared": staticmethod(_getter(tuple(name for name, one in fields.items() if one.compare))),
    }
    if frozen:
        namespace |= _FROZEN
    if order:
        namespace |= _ORDERED
    namespace.setdefault("__repr__", _shown)
    namespace.setdefault("__eq__", _equal)
    if not own_hash:
        namespace["__hash__"] = _hash_of(fields) if frozen else None
    made: Any = type(cls.__name__, cls.__bases__, namespace)
    made.__qualname__ = cls.__qualname__
    made.__init__ = _first_init(made)
    return made  # type: ignore[no-any-return]


def _field_of(default: Any) -> _Field | None:
    """What stands behind a name in the body of a class; None where it is not known here."""
    if isinstance(default, _Field):
        return default
    library = sys.modules.get("dataclasses")
    if library is None or not isinstance(default, library.Field):
        return _Field(default=default)
    if not default.init or default.metadata:
        return None
    missing = library.MISSING
    return _Field(
        default=_ABSENT if default.default is missing else default.default,
        default_factory=_ABSENT if default.default_factory is missing else default.default_factory,
        repr=default.repr,
        compare=default.compare,
        hash=default.hash,
        kw_only=None if default.kw_only is missing else default.kw_only,
    )


def _getter(names: tuple[str, ...]) -> Callable[[Any], Any]:
    if len(names) > 1:
        return attrgetter(*names)
    return lambda value: tuple(getattr(value, name) for name in names)


# -- making values ----------------------------------------------------------------------------------------------------


def _first_init(cls: Any) -> Any:
    """``__init__`` of a class of which there are no values yet: it fills the first few, then has its own compiled."""
    positional = cls.__match_args__
    left = _FEW
    check = hasattr(cls, "__post_init__")

    def __init__(self: Any, /, *arguments: Any, **named: Any) -> None:  # noqa: N807
        nonlocal left
        left -= 1
        if left >= 0 and self.__class__ is cls:
            values = _values(cls, positional, arguments, named)
            if values is not None:
                for name, value in values.items():
                    _set(self, name, value)
                if check:
                    self.__post_init__()
                return
        if cls.__init__ is __init__:
            cls.__init__ = _init(cls)
        cls.__init__(self, *arguments, **named)

    return __init__


def _values(
    cls: Any, positional: tuple[str, ...], arguments: tuple[Any, ...], named: dict[str, Any]
) -> dict[str, Any] | None:
    """The value of each field; None where the arguments do not fit, which the compiled ``__init__`` has words for."""
    if len(arguments) > len(positional):
        return None
    given = dict(zip(positional, arguments, strict=False))
    if named:
        if not given.keys().isdisjoint(named):
            return None
        given |= named
    values: dict[str, Any] = {}
    for name, one in cls._shape.fields.items():
        if name in given:
            values[name] = given.pop(name)
        elif one.default is not _ABSENT:
            values[name] = one.default
        elif one.default_factory is not _ABSENT:
            values[name] = one.default_factory()
        else:
            return None
    return None if given else values


def _init(cls: Any) -> Any:
    """``__init__`` for a class, with the signature that the library gives it."""
    known: dict[str, Any] = {"_cls": cls, "_factory": _ABSENT, "_fill": _fill}
    positional: list[str] = []
    named: list[str] = []
    lines: list[str] = []
    for name, one in cls._shape.fields.items():
        text = name
        if one.default is not _ABSENT:
            known[f"_default_{name}"] = one.default
            text += f"=_default_{name}"
        elif one.default_factory is not _ABSENT:
            known[f"_make_{name}"] = one.default_factory
            text += "=_factory"
            lines.append(f"if {name} is _factory: {name} = _make_{name}()")
        (named if one.kw_only else positional).append(text)
    parameters = ", ".join(["self", *positional, *(["*", *named] if named else [])])
    check = ["self.__post_init__()"] if hasattr(cls, "__post_init__") else []
    settings = [f"self.{name} = {name}" for name in cls._shape.names]
    if cls._shape.frozen:
        known["_become"] = object.__dict__["__class__"].__set__
        known["_draft"] = type(cls.__name__, cls.__bases__, {"__slots__": cls.__slots__})
        # A class below this one may have more slots, and no draft fits it.
        every = "".join(f"{name}, " for name in cls._shape.names)
        lines.append(f"if self.__class__ is not _cls: return _fill(_cls, self, ({every}))")
        lines += ["_become(self, _draft)", *settings, "self.__class__ = _cls"]
    else:
        lines += settings
    text = "\n    ".join([f"def __init__({parameters}):", *lines, *check, "pass"])
    exec(text, known)  # noqa: S102 - as dataclasses does; all of it is written in this program
    init = known["__init__"]
    init.__qualname__ = f"{cls.__qualname__}.__init__"
    init.__module__ = cls.__module__
    init.__annotations__ = {**cls._shape.kinds, "return": None}
    return init


def _fill(cls: Any, value: Any, values: tuple[Any, ...]) -> None:
    """Set the fields that a class has, of a value of a class below it."""
    for name, one in zip(cls._shape.names, values, strict=True):
        _set(value, name, one)
    if hasattr(cls, "__post_init__"):
        value.__post_init__()


def _switches(cls: type[Any]) -> bool:
    """Whether objects of a class can take another one for a moment: CPython with its lock, one plain class."""
    gil = getattr(sys, "_is_gil_enabled", None)
    return (
        sys.implementation.name == "cpython"
        and (gil is None or gil())  # without it, a change of class stops all threads
        and cls.__bases__ == (object,)
    )


_set = object.__setattr__


# -- what the library asks for ----------------------------------------------------------------------------------------


class _Asked:
    """An attribute of a class that is made when it is first asked for."""

    def __init__(self, make: Callable[[Any], Any]) -> None:
        self._make = make
        self._owner: Any = None
        self._name = ""

    def __set_name__(self, owner: Any, name: str) -> None:
        self._owner, self._name = owner, name

    def __get__(self, value: Any, cls: Any) -> Any:
        made = self._make(self._owner)
        setattr(self._owner, self._name, made)
        return made


def _library_fields(cls: Any) -> dict[str, Any]:
    """The fields of a class as ``dataclasses.fields`` finds them."""
    import dataclasses

    # As the library marks an ordinary field; its own name for that is private.
    ordinary: Any = dataclasses.fields(dataclasses.make_dataclass("_Any", ["a"]))[0]
    found: dict[str, Any] = {}
    for name, one in cls._shape.fields.items():
        known = found[name] = one.for_library()
        known.name, known.type, known._field_type = name, cls._shape.kinds[name], ordinary._field_type
    return found


def _library_params(cls: Any) -> Any:
    """What the library was told of a class."""
    import dataclasses

    like: Any = dataclasses.make_dataclass("_Any", [], frozen=cls._shape.frozen, order=cls._shape.order)
    return like.__dataclass_params__


def _signature(cls: Any) -> Any:
    """How a value is made."""
    import inspect

    whole = inspect.signature(_init(cls))
    return whole.replace(parameters=list(whole.parameters.values())[1:], return_annotation=inspect.Signature.empty)


# -- what all of these classes have in common -------------------------------------------------------------------------


@recursive_repr()
def _shown(self: Any) -> str:
    shown = ", ".join(f"{name}={getattr(self, name)!r}" for name, field in self._shape.fields.items() if field.repr)
    return f"{self.__class__.__qualname__}({shown})"


def _equal(self: Any, other: Any) -> Any:
    if other.__class__ is not self.__class__:
        return NotImplemented
    return self._compared(self) == self._compared(other)


def _hashed(self: Any) -> int:
    return hash(self._compared(self))


def _hash_of(fields: dict[str, _Field]) -> Callable[[Any], int]:
    """``__hash__``: of all that is compared, but for fields that say otherwise."""
    if all(one.hash is None for one in fields.values()):
        return _hashed
    hashed = _getter(tuple(name for name, one in fields.items() if (one.compare if one.hash is None else one.hash)))
    return lambda value: hash(hashed(value))


def _refuse_to_set(self: Any, name: str, value: Any) -> None:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_to_delete(self: Any, name: str) -> None:
    from dataclasses import FrozenInstanceError

    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _state(self: Any) -> list[Any]:
    return [getattr(self, name) for name in self._shape.names]


def _restore(self: Any, state: list[Any]) -> None:
    for name, value in zip(self._shape.names, state, strict=True):
        _set(self, name, value)


def _less(self: Any, other: Any) -> Any:
    return self._compared(self) < self._compared(other) if other.__class__ is self.__class__ else NotImplemented


def _at_most(self: Any, other: Any) -> Any:
    return self._compared(self) <= self._compared(other) if other.__class__ is self.__class__ else NotImplemented


def _more(self: Any, other: Any) -> Any:
    return self._compared(self) > self._compared(other) if other.__class__ is self.__class__ else NotImplemented


def _at_least(self: Any, other: Any) -> Any:
    return self._compared(self) >= self._compared(other) if other.__class__ is self.__class__ else NotImplemented


_FROZEN = {
    "__setattr__": _refuse_to_set,
    "__delattr__": _refuse_to_delete,
    "__getstate__": _state,
    "__setstate__": _restore,
}
_ORDERED = {"__lt__": _less, "__le__": _at_most, "__gt__": _more, "__ge__": _at_least}
