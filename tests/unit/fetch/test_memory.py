"""A body in memory."""

from __future__ import annotations

from dlm.fetch.memory import MemoryBody
from dlm.model.artifact import Validators


def test_it_fills_in_order_and_begins_anew() -> None:
    body = MemoryBody()
    body.begin(Validators('"a"'), 6)
    body.write_pieces((b"abc",), len(b"abc"), 0)
    body.write_pieces((b"def",), len(b"def"), 3)
    assert (body.content, body.offset, body.total, body.validators) == (b"abcdef", 6, 6, Validators('"a"'))
    body.write_pieces((b"xyz",), len(b"xyz"), 3)
    assert body.content == b"abcxyz"
    body.begin(Validators(), None)
    assert (body.content, body.offset, body.total) == (b"", 0, None)


def test_nothing_of_it_is_kept() -> None:
    for end in (MemoryBody.suspend, MemoryBody.discard):
        body = MemoryBody()
        body.write_pieces((b"abc",), len(b"abc"), 0)
        end(body)
        assert body.offset == 0
