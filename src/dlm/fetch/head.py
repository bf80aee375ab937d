"""The head of an answer, from the raw lines that a backend received: one parser for both, as strict as HTTP allows.

Libraries differ in what they let pass (NUL, bare CR, lines without a colon); reading the lines here makes both
backends refuse the same answers. Rules: RFC 9112 4 (status line), 5 (fields), RFC 9113 8.2.1 (HTTP/2).
"""

from __future__ import annotations

from collections.abc import Sequence

from dlm.model.late import late
from dlm.model.wire import Head

__all__ = [
    "MAX_BYTES",
    "MAX_FIELDS",
    "MAX_LINE",
    "REDIRECTS",
    "HeadTooLarge",
    "MalformedHead",
    "check_size",
    "parse_head",
]

#: The statuses that send on to another address (RFC 9110 15.4).
REDIRECTS = frozenset({301, 302, 303, 307, 308})
#: The most header fields of an answer, with those of interim answers before it; honest ones have some dozens.
MAX_FIELDS = 1000
#: The most bytes of a whole head, with those of interim answers before it.
MAX_BYTES = 256 * 1024
#: The most bytes of one line with its end: what libcurl takes, where nothing else can be set.
MAX_LINE = 100 * 1024 - 1

#: For HTTP/2 and 3 a library writes it, once both sides agreed on them; no server does.
_STATUS_LINE = late(rb"HTTP/(1\.[01]|2|3) ([1-5][0-9]{2})(?: [^\x00\r\n]*)?\Z")
_NAME = late(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")


class MalformedHead(ValueError):  # noqa: N818 - it says what came, not that an error happened here
    """What came is not the head of an HTTP answer."""


class HeadTooLarge(ValueError):  # noqa: N818
    """The head is larger than any honest one."""


def check_size(count: int, size: int) -> None:
    """Refuse what has come to ``count`` lines or ``size`` bytes, if no honest head does, while it is still coming.

    Raises:
        HeadTooLarge: it is.
    """
    if count > MAX_FIELDS + 1 or size > MAX_BYTES:
        raise HeadTooLarge("the head of the answer is too large")


def parse_head(lines: Sequence[bytes], peer: str | None = None) -> Head:
    """Read a status line and the field lines behind it, each with or without its line end, without the empty line.

    Raises:
        MalformedHead: a line is not what it should be.
    """
    if not lines:
        raise MalformedHead("no status line")
    match = _STATUS_LINE.match(_strip(lines[0]))
    if match is None:
        raise MalformedHead("not an HTTP status line")
    if match[2] == b"101":
        raise MalformedHead("a switch to another protocol, which nobody asked for")
    fields: list[tuple[str, str]] = []
    for raw in lines[1:]:
        line = _strip(raw)
        if b"\0" in line or b"\r" in line or b"\n" in line:
            raise MalformedHead("a header with a NUL or a bare line end")
        if line[:1] in {b" ", b"\t"}:
            # obs-fold: what follows belongs to the line before (RFC 9112 5.2).
            if not fields:
                raise MalformedHead("a continuation without a header before it")
            name, value = fields[-1]
            fields[-1] = (name, f"{value} {line.decode('latin-1').strip(_BLANK)}".strip(_BLANK))
            continue
        name_bytes, colon, value_bytes = line.partition(b":")
        if not colon:
            raise MalformedHead("a header line without a colon")
        if not _NAME.match(name_bytes):
            raise MalformedHead("a header name that is not one")
        fields.append((name_bytes.decode("ascii").lower(), value_bytes.decode("latin-1").strip(_BLANK)))
    return Head(status=int(match[2]), version=match[1].decode("ascii"), fields=tuple(fields), peer=peer)


_BLANK = " \t"


def _strip(line: bytes) -> bytes:
    if line.endswith(b"\r\n"):
        return line[:-2]
    return line[:-1] if line.endswith(b"\n") else line
