"""What a resolver finds: ``Candidate``, from which the chooser makes an ``Artifact``."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from dlm.model.frozen import dataclass, field

__all__ = ["Candidate"]

_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A file that a resolver found and the chooser may take.

    Attributes:
        version: PEP 440 text; pre-releases as there (``3.14.0rc1``).
        type: what it is, in the resolver's words (``source-release``).
        format: how it is packed (``xz``).
        flags: what sets it apart without a value (``embed``, ``freethreaded``), as options of a selector.
        values: what sets it apart with one (``arch``, ``min_macos``).
        size: in bytes, where the listing tells.
        withdrawn: recalled by its makers: found when named exactly, never chosen otherwise.
        sidecars: what to add to its name for the files beside it that vouch for it (``.asc``, ``.sigstore``).
    """

    url: str
    filename: str
    version: str
    type: str
    format: str
    flags: frozenset[str] = frozenset()
    values: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    size: int | None = None
    withdrawn: bool = False
    sidecars: tuple[str, ...] = ()
