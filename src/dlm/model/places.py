"""Who takes which place in the tree, on which platforms: ``Taken``."""

from __future__ import annotations

from typing import Generic, TypeVar

from dlm.model.platforms import canonical

__all__ = ["Taken"]

Owner = TypeVar("Owner")

#: Stand beside names of platforms, and are none: a claim on all platforms, and any claim at all.
_EVERYWHERE, _ANYWHERE = "", "*"


class Taken(Generic[Owner]):
    """Claims on places. Two of them meet where one machine would see both; of those that do, the first one counts."""

    def __init__(self) -> None:
        self._places: dict[str, dict[str, Owner]] = {}

    def by(self, place: str, platform: str | None) -> Owner | None:
        """Who took ``place`` on a machine that ``platform`` means; None for a platform means all of them."""
        known = self._places.get(place)
        if known is None:
            return None
        if platform is None:
            return known[_ANYWHERE]
        name = canonical(platform)
        os, dash, _ = name.partition("-")
        near = (_EVERYWHERE, os, name) if dash else (_EVERYWHERE, _any_of(os))
        return next((known[one] for one in near if one in known), None)

    def take(self, place: str, platform: str | None, owner: Owner) -> None:
        """Claim ``place``."""
        known = self._places.setdefault(place, {})
        known.setdefault(_ANYWHERE, owner)
        if platform is None:
            known.setdefault(_EVERYWHERE, owner)
            return
        name = canonical(platform)
        known.setdefault(name, owner)
        known.setdefault(_any_of(name.partition("-")[0]), owner)


def _any_of(os: str) -> str:
    return f"{os}-{_ANYWHERE}"
