"""JSON about many paths, a piece at a time: written with hardly more memory than one piece takes.

``json.dumps`` makes the whole text, and its caller the whole value before; of a hundred thousand paths that is fifty
megabytes for a moment in which everything else is in memory, too.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Entries", "pieces_of"]

_PIECE = 1000


class Entries:
    """The entries of a long object, made while they are written.

    Args:
        pairs: key and value, each key once.
    """

    def __init__(self, pairs: Iterable[tuple[str, Any]]) -> None:
        self._pairs = iter(pairs)

    def pieces(self) -> Iterator[str]:
        """The text between the braces."""
        separator = ""
        while piece := dict(islice(self._pairs, _PIECE)):
            yield separator + json.dumps(piece)[1:-1]
            separator = ", "


def pieces_of(document: Mapping[str, Any]) -> Iterator[bytes]:
    """What ``json.dumps(document)`` gives, as bytes. A value may be of :class:`Entries`."""
    separator = "{"
    for name, value in document.items():
        yield f"{separator}{json.dumps(name)}: ".encode()
        separator = ", "
        if isinstance(value, Entries):
            yield b"{"
            for piece in value.pieces():
                yield piece.encode()
            yield b"}"
        else:
            yield json.dumps(value).encode()
    yield b"}" if document else b"{}"
