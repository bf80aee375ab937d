"""Regular expressions that are compiled when they are first used: ``late``.

Compiling one costs up to half a millisecond, and of those that stand in modules which every run loads, a plain run
uses few.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, AnyStr

__all__ = ["late"]


class _Late:
    """Stands for a compiled expression; each of its methods is looked up once, and then as quick as ever."""

    def __init__(self, pattern: Any, flags: int) -> None:
        self._make = (pattern, flags)

    def __getattr__(self, name: str) -> Any:
        # re keeps what it compiled, so asking for two methods compiles no second time.
        found = self.__dict__[name] = getattr(re.compile(*self._make), name)
        return found


def late(pattern: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """As ``re.compile``, but that a mistake in the pattern is found at its first use."""
    stands_for: Any = _Late(pattern, flags)
    return stands_for  # type: ignore[no-any-return]
