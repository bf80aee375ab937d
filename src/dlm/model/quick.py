"""Frozen dataclasses that cost a third to make: ``quick``.

A frozen dataclass sets each field by ``object.__setattr__``, past its own ``__setattr__`` that refuses. A run on ten
thousand files makes some hundred thousand values, and half of that time goes there. Here a new value has, while
``__init__`` runs, the class of a draft with the very same slots, whose fields are set as of any object, and then its
own. Nobody else sees it before.
"""

from __future__ import annotations

import dataclasses
import sys
from typing import Any, TypeVar

__all__ = ["quick"]

T = TypeVar("T")

_FACTORY = object()


def quick(cls: type[T]) -> type[T]:
    """The frozen dataclass with slots that was given, with an ``__init__`` of the same signature that is faster.

    Everything else of it stays as it is. Where the interpreter cannot change the class of an object cheaply, nothing
    changes at all.
    """
    if not _switches(cls):
        return cls
    draft = type(cls.__name__, cls.__bases__, {"__slots__": cls.__dict__["__slots__"]})
    known: dict[str, Any] = {"_cls": cls, "_draft": draft, "_factory": _FACTORY, "_plain": cls.__init__}
    known["_become"] = object.__dict__["__class__"].__set__
    positional: list[str] = []
    named: list[str] = []
    passed: list[str] = []
    body: list[str] = []
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]
        name, text = field.name, field.name
        if field.default is not dataclasses.MISSING:
            known[f"_default_{name}"] = field.default
            text += f"=_default_{name}"
        elif field.default_factory is not dataclasses.MISSING:
            known[f"_make_{name}"] = field.default_factory
            text += "=_factory"
            body.append(f"if {name} is _factory: {name} = _make_{name}()")
        (named if field.kw_only else positional).append(text)
        passed.append(f"{name}={name}")
    parameters = ", ".join(["self", *positional, *(["*", *named] if named else [])])
    lines = [
        f"def __init__({parameters}):",
        *body,
        "if self.__class__ is not _cls:",  # of a class below it, which may have more slots
        f"    return _plain(self, {', '.join(passed)})",
        "_become(self, _draft)",
        *(f"self.{field.name} = {field.name}" for field in dataclasses.fields(cls)),  # type: ignore[arg-type]
        "self.__class__ = _cls",
        *(["self.__post_init__()"] if hasattr(cls, "__post_init__") else []),
    ]
    exec("\n    ".join(lines), known)  # noqa: S102 - as dataclasses does; all of it is written in this program
    init = known["__init__"]
    init.__qualname__ = f"{cls.__qualname__}.__init__"
    init.__module__ = cls.__module__
    init.__annotations__ = cls.__init__.__annotations__
    cls.__init__ = init  # type: ignore[method-assign]
    return cls


def _switches(cls: type[Any]) -> bool:
    """Whether objects of a class can take another one for a moment: CPython with its lock, one plain class."""
    gil = getattr(sys, "_is_gil_enabled", None)
    return (
        sys.implementation.name == "cpython"
        and (gil is None or gil())  # without it, a change of class stops all threads
        and cls.__bases__ == (object,)
        and all(field.init for field in dataclasses.fields(cls))
    )
