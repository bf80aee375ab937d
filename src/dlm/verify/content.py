"""The bytes of a subject, read only for what no digest at hand can settle, and how a sidecar's address is shown."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from dlm.errors import EvidenceError, LocalError
from dlm.model.digest import new_hash
from dlm.model.evidence import LIMITS
from dlm.model.url import Url

if TYPE_CHECKING:
    from dlm.model.evidence import Subject

__all__ = ["address", "digest_of", "refuse_large", "sidecar_at", "stream", "whole"]

_CHUNK = 1 << 20


class _Update(Protocol):
    def update(self, data: bytes, /) -> None: ...


@contextmanager
def _reading(subject: Subject) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LocalError(
            f"the bytes of {subject.shown} cannot be read again: {error.strerror or error}",
            hint="run the command again",
        ) from error


def digest_of(subject: Subject, algorithm: str) -> str:
    """The digest of ``subject`` by ``algorithm`` in hexadecimal: the one at hand, else of its file.

    Raises:
        LocalError: the file cannot be read.
    """
    known = subject.digests.get(algorithm)
    if known is not None:
        return known
    hashing = new_hash(algorithm)
    stream(subject, hashing)
    return hashing.hexdigest()


def stream(subject: Subject, into: _Update) -> None:
    """Hand all bytes of ``subject`` to ``into``, a piece at a time.

    Raises:
        LocalError: the file cannot be read.
    """
    with _reading(subject), open(subject.path, "rb") as file:
        while piece := file.read(_CHUNK):
            into.update(piece)


def whole(subject: Subject, limit: int) -> bytes | None:
    """All bytes of ``subject`` at once, or None where there are more than ``limit``.

    Raises:
        LocalError: the file cannot be read.
    """
    with _reading(subject), open(subject.path, "rb") as file:
        data = file.read(limit + 1)
    return data if len(data) <= limit else None


def sidecar_at(path: str) -> bytes:
    """A sidecar that was fetched into the store.

    Raises:
        LocalError: the file cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise LocalError(
            f"a file that vouches for others cannot be read again: {error.strerror or error}",
            hint="run the command again",
        ) from error


def refuse_large(kind: str, sidecar: bytes, subject: Subject) -> None:
    """Raise EvidenceError where a sidecar is larger than any honest one of its kind."""
    if len(sidecar) > LIMITS[kind]:
        raise EvidenceError(
            f"the {kind} sidecar of {subject.shown} is larger than {LIMITS[kind] >> 10} KiB and is not read",
            why="malformed",
        )


def address(source: str) -> str:
    """The address of a sidecar as documents and messages may show it: without user info and query."""
    try:
        return Url.parse(source).redacted
    except ValueError:
        return source.partition("?")[0]  # a name given by a caller of the API, no address
