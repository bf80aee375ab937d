"""Spans behind a gap: which bytes they are, and what proves them."""

from __future__ import annotations

import itertools
import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlm.store.ahead import MOST_NOTED, Ahead, joined_crc, read_noted

BODY = random.Random(7).randbytes(4096)


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_the_checksum_of_two_pieces_is_that_of_both_together(first: bytes, second: bytes) -> None:
    assert joined_crc(zlib.crc32(first), zlib.crc32(second), len(second)) == zlib.crc32(first + second)


@given(st.lists(st.tuples(st.integers(0, 4095), st.integers(1, 700)), max_size=40))
def test_any_pieces_in_any_order(pieces: list[tuple[int, int]]) -> None:
    ahead, disk, here = Ahead(), bytearray(4096), set[int]()
    for at, length in pieces:
        data = BODY[at : at + length]
        for piece, place in ahead.missing(data, at):
            assert not here & set(range(place, place + len(piece))), "no byte is written twice"
            disk[place : place + len(piece)] = piece
            ahead.add([piece[:5], piece[5:]], len(piece), place)
            here |= set(range(place, place + len(piece)))
        assert {byte for start, end in ahead.spans for byte in range(start, end)} == here
        assert set(range(at, at + len(data))) <= here
    assert ahead.size == len(here)
    assert ahead.reach == max(here, default=-1) + 1
    for start, end, crc in ahead.noted(0):
        assert crc == zlib.crc32(disk[start:end]) == zlib.crc32(BODY[start:end])
    spans = ahead.spans
    assert all(one[1] < other[0] for one, other in itertools.pairwise(spans))


def test_those_without_a_gap_before_them_are_taken() -> None:
    ahead = Ahead([(10, 20, 0), (20, 30, 0), (40, 50, 0)])
    assert ahead.spans == ((10, 30), (40, 50))
    assert ahead.take(9) is None
    assert ahead.take(10) == 30
    assert ahead.take(45) == 50
    assert ahead.take(99) is None
    assert not ahead
    # Until what vouches for the beginning reaches so far, they have to be vouched for themselves.
    assert [span[:2] for span in ahead.noted(29)] == [(10, 30), (40, 50)]
    assert [span[:2] for span in ahead.noted(30)] == [(40, 50)]
    assert ahead.noted(50) == []


def test_of_too_many_the_longest_are_noted() -> None:
    ahead = Ahead([(100 * number, 100 * number + 1 + number % 90, 0) for number in range(1, 2 * MOST_NOTED)])
    noted = ahead.noted(0)
    assert len(noted) == MOST_NOTED
    assert noted == sorted(noted)
    assert min(end - start for start, end, _ in noted) >= sorted(end - start for start, end in ahead.spans)[-MOST_NOTED]


@pytest.mark.parametrize(
    "found",
    [
        None, {}, "x", [1], [[1, 2]], [[12, 15, 0, 0]], [["12", 15, 0]], [[12, 15, True]], [[12.0, 15, 0]],
        [[9, 10, 0]], [[-1, 15, 0]], [[15, 15, 0]], [[15, 12, 0]], [[12, 101, 0]], [[12, 15, -1]], [[12, 15, 1 << 32]],
        [[20, 30, 0], [12, 15, 0]], [[12, 20, 0], [15, 30, 0]],
    ],
)  # fmt: skip
def test_a_note_that_makes_no_sense_is_none(found: object) -> None:
    with pytest.raises(ValueError, match="span"):
        read_noted(found, 10, 100)


def test_a_note_that_does() -> None:
    assert read_noted([[10, 20, 5], [30, 100, 0]], 10, 100) == ((10, 20, 5), (30, 100, 0))
    assert read_noted([[10, 2000, 5]], 10, None) == ((10, 2000, 5),)
    assert read_noted([[0, 11, 5]], 10, None) == ((0, 11, 5),)
    assert read_noted([], 10, 100) == ()
