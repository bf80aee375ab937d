"""Digests: an algorithm and a value, in one canonical form whatever notation they came in.

Accepted notations: ``HEX`` beside a named algorithm, ``sha256:HEX``, and SRI (``sha256-BASE64``,
https://www.w3.org/TR/SRI/). The canonical form is lower-case hexadecimal.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

from dlm.model.frozen import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

__all__ = ["EMPTY", "STRENGTH", "Digest", "Digests", "check_mappings", "checked_sha256", "new_hash"]

#: What may pin bytes, weakest first, with the length of the digest in bytes. MD5 and SHA-1 are broken
#: against collisions, so they pin nothing; anything shorter than 256 bits is left out for the same reason.
STRENGTH: Mapping[str, int] = {"sha256": 32, "sha384": 48, "sha512": 64}

_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_WEAK = frozenset({"md5", "sha1", "sha224", "md4", "crc32"})


if TYPE_CHECKING:

    class Hash(Protocol):
        """What ``hashlib`` gives."""

        def update(self, data: bytes | bytearray | memoryview, /) -> None: ...
        def hexdigest(self) -> str: ...


def new_hash(algorithm: str) -> Hash:
    """A fresh hash for one of the algorithms of :data:`STRENGTH`."""
    return hashlib.new(algorithm, usedforsecurity=False)


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """One digest: ``algorithm`` in lower case and ``value`` in lower-case hexadecimal.

    Raises:
        ValueError: the algorithm is unknown or too weak to pin bytes, or the value has the wrong form.
    """

    algorithm: str
    value: str

    def __post_init__(self) -> None:
        if self.algorithm == "sha256" and _SHA256.match(self.value) is not None:
            return
        algorithm = self.algorithm
        if algorithm not in STRENGTH:
            if algorithm.replace("-", "").replace("_", "") in _WEAK:
                raise ValueError(f"{algorithm} is too weak to pin bytes; use sha256")
            known = ", ".join(STRENGTH)
            raise ValueError(f"unknown digest algorithm {algorithm!r}; known are {known}")
        expected = 2 * STRENGTH[algorithm]
        if len(self.value) != expected:
            raise ValueError(f"a {algorithm} digest has {expected} hexadecimal digits, not {len(self.value)}")
        if set(self.value) - set("0123456789abcdef"):
            raise ValueError(f"a {algorithm} digest is written in hexadecimal digits")

    @classmethod
    def from_hex(cls, algorithm: str, value: str) -> Digest:
        """A digest from ``algorithm`` and hexadecimal of either case; ``sha256:`` before it may repeat the name."""
        name = algorithm.strip().lower()
        text = value.strip()
        prefix, colon, rest = text.partition(":")
        if colon:
            if prefix.lower() != name:
                raise ValueError(f"a {name} digest does not begin with {prefix!r}")
            text = rest
        return cls(name, text.lower())

    @classmethod
    def from_integrity(cls, text: str) -> Digest:
        """A digest from SRI notation, ``sha256-BASE64``."""
        name, dash, encoded = text.strip().partition("-")
        if not dash:
            raise ValueError("an integrity value looks like sha256-BASE64")
        encoded = encoded.partition("?")[0]
        if name.lower() in STRENGTH:
            import base64
            import binascii

            try:
                raw = base64.b64decode(encoded, validate=True)
            except (binascii.Error, ValueError):
                raise ValueError(f"the part behind {name}- is not base64") from None
            if base64.b64encode(raw).decode() != encoded:
                raise ValueError(f"the part behind {name}- is not canonical base64")
            return cls(name.lower(), raw.hex())
        return cls(name.lower(), "")

    @classmethod
    def parse(cls, text: str) -> Digest:
        """A digest from any notation that names its algorithm, or from 64 plain hexadecimal digits (sha256)."""
        stripped = text.strip()
        if ":" in stripped:
            algorithm, _, value = stripped.partition(":")
            return cls.from_hex(algorithm, value)
        if "-" in stripped:
            return cls.from_integrity(stripped)
        return cls.from_hex("sha256", stripped)

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.value}"

    @property
    def integrity(self) -> str:
        """The digest in SRI notation."""
        import base64

        return f"{self.algorithm}-{base64.b64encode(bytes.fromhex(self.value)).decode()}"


class Digests:
    """What is known of some bytes: at most one digest for each algorithm. Immutable.

    Mostly that is a sha256 and nothing else, of which a run on a hundred thousand files has as many: a value of its own
    for the one digest in each would take more memory than all the rest.

    Args:
        items: in any order.

    Attributes:
        sha256: in hexadecimal, or None where only others are known.

    Raises:
        ValueError: two of one algorithm.
    """

    __slots__ = ("_stronger", "sha256")
    __match_args__ = ("items",)
    sha256: str | None
    _stronger: tuple[Digest, ...]

    def __init__(self, items: tuple[Digest, ...] = ()) -> None:
        by_name = {digest.algorithm: digest for digest in items}
        if len(by_name) != len(items):
            raise ValueError("two digests of one algorithm")
        weakest = by_name.pop("sha256", None)
        _set(self, "sha256", None if weakest is None else weakest.value)
        _set(self, "_stronger", tuple(by_name[name] for name in STRENGTH if name in by_name) if by_name else ())

    @property
    def items(self) -> tuple[Digest, ...]:
        """Each by itself, weakest algorithm first."""
        sha256 = self.sha256
        return self._stronger if sha256 is None else (_sha256_digest(sha256), *self._stronger)

    @classmethod
    def of(cls, digests: Iterable[Digest]) -> Digests:
        """All of ``digests`` together; the same one twice is fine.

        Raises:
            ValueError: one algorithm with two values.
        """
        found: dict[str, Digest] = {}
        for digest in digests:
            if found.setdefault(digest.algorithm, digest) != digest:
                raise ValueError(f"two different {digest.algorithm} digests")
        return cls(tuple(found.values()))

    @classmethod
    def sha256_of(cls, data: bytes) -> Digests:
        """The sha256 of bytes in memory."""
        return cls((Digest("sha256", hashlib.sha256(data, usedforsecurity=False).hexdigest()),))

    @classmethod
    def of_sha256(cls, value: str) -> Digests:
        """The sha256 in lower-case hexadecimal, and nothing else; mostly the same object for the same value.

        Raises:
            ValueError: it is no sha256.
        """
        if _SHA256.match(value) is None:
            return cls((Digest("sha256", value),))  # which says what is wrong with it
        return checked_sha256(value)

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, str]) -> Digests:
        """From ``{algorithm: hex}``, as the lockfile has it."""
        if len(mapping) == 1:
            sha256 = mapping.get("sha256")
            if isinstance(sha256, str) and _SHA256.match(sha256) is not None:
                return checked_sha256(sha256)
        return cls(tuple(Digest.from_hex(name, value) for name, value in mapping.items()))

    def as_mapping(self) -> dict[str, str]:
        """``{algorithm: hex}``, weakest algorithm first."""
        return {digest.algorithm: digest.value for digest in self.items}

    def get(self, algorithm: str) -> str | None:
        """The value for ``algorithm`` in hexadecimal, or None."""
        if algorithm == "sha256":
            return self.sha256
        for digest in self._stronger:
            if digest.algorithm == algorithm:
                return digest.value
        return None

    @property
    def algorithms(self) -> tuple[str, ...]:
        """The names of the algorithms, weakest first."""
        return tuple(digest.algorithm for digest in self.items)

    def contradiction(self, other: Digests) -> tuple[Digest, Digest] | None:
        """The first pair (ours, theirs) of one algorithm with two values, or None where nothing disagrees."""
        if self == other:
            return None
        for digest in self.items:
            value = other.get(digest.algorithm)
            if value is not None and value != digest.value:
                return digest, Digest(digest.algorithm, value)
        return None

    def joined(self, other: Digests) -> Digests:
        """Both together; raises ValueError where they disagree."""
        return Digests.of((*self.items, *other.items))

    def __iter__(self) -> Iterator[Digest]:
        return iter(self.items)

    def __bool__(self) -> bool:
        return self.sha256 is not None or bool(self._stronger)

    def __len__(self) -> int:
        return (self.sha256 is not None) + len(self._stronger)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Digests):
            return NotImplemented
        return self.sha256 == other.sha256 and self._stronger == other._stronger

    def __hash__(self) -> int:
        return hash((self.sha256, self._stronger))

    def __repr__(self) -> str:
        return f"Digests(items={self.items!r})"

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"cannot assign to field {name!r}: digests are immutable")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"cannot delete field {name!r}: digests are immutable")

    def __reduce__(self) -> tuple[type[Digests], tuple[tuple[Digest, ...]]]:
        return Digests, (self.items,)


def check_mappings(mappings: Iterable[Mapping[str, str]]) -> None:
    """See that :meth:`Digests.from_mapping` can read each. Raises what that raises."""
    is_sha256 = _SHA256.match
    for mapping in mappings:
        sha256 = mapping.get("sha256")
        if len(mapping) != 1 or not isinstance(sha256, str) or is_sha256(sha256) is None:
            Digests.from_mapping(mapping)


@lru_cache(maxsize=1 << 14)
def checked_sha256(value: str) -> Digests:
    """A sha256 that is known to be 64 lower-case hexadecimal digits.

    A lockfile, its request and the index have each of them: one value is enough.

    Made without ``__init__``, which would look at it again: ten thousand files have ten thousand of these.
    """
    digests = object.__new__(Digests)
    _set(digests, "sha256", value)
    _set(digests, "_stronger", ())
    return digests


def _sha256_digest(value: str) -> Digest:
    """As ``Digest("sha256", value)``, of what was checked."""
    digest = object.__new__(Digest)
    _set(digest, "algorithm", "sha256")
    _set(digest, "value", value)
    return digest


_set = object.__setattr__


#: What no bytes at all hash to.
EMPTY = Digests.sha256_of(b"")
