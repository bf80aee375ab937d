"""Several spans of one file at once: how many, which, and what happens to those that fail."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlm.fetch.commands import Span
from dlm.fetch.split import Claim, Split, SplitPolicy
from dlm.model.settings import Settings

MIB = 1024 * 1024
AUTO = SplitPolicy(most=8)
EAGER = SplitPolicy(most=4, at_once=True, least=4 * MIB)


class TestPolicy:
    @pytest.mark.parametrize(
        ("wish", "most", "at_once"),
        [
            (Settings(), 16, False),
            (Settings(jobs_per_host=6), 6, False),
            (Settings(split="off"), 1, False),
            (Settings(split="5"), 5, True),
            (Settings(split="50", jobs=20, jobs_per_host=30), 20, True),
        ],
    )
    def test_of_settings(self, wish: Settings, most: int, at_once: bool) -> None:
        policy = SplitPolicy.of(wish)
        assert (policy.most, policy.at_once) == (most, at_once)


class TestMeasuring:
    def run(self, split: Split, *rates: float) -> list[int]:
        """How many are under way after each second at these rates."""
        received, number, counts = 0.0, 100, []
        split.measure(0.0, 0)
        for second, rate in enumerate(rates, 1):
            received += rate
            split.measure(float(second), int(received))
            while (claim := split.claim()) is not None:
                split.began(number := number + 1, claim.span)
            counts.append(split.running)
        return counts

    def test_a_flat_rate_calls_for_a_second_and_a_gain_for_all(self) -> None:
        split = Split(AUTO, 0, 0, 1000 * MIB)
        assert self.run(split, 8e6, 8.1e6, 12e6, 16e6, 16e6) == [1, 2, 2, 2, 8]

    def test_a_rate_that_still_grows_is_left_alone(self) -> None:
        assert self.run(Split(AUTO, 0, 0, 1000 * MIB), 1e6, 2e6, 4e6, 8e6) == [1, 1, 1, 1]

    def test_a_second_one_that_brings_nothing_is_the_last(self) -> None:
        split = Split(AUTO, 0, 0, 1000 * MIB)
        assert self.run(split, 8e6, 8e6, 8e6, 8e6, 8e6, 8e6) == [1, 2, 2, 2, 2, 2]
        split.note({0: 16 * MIB})
        assert split.ended(0, 16 * MIB)
        assert split.claim() is None

    def test_a_pause_is_no_rate(self) -> None:
        assert self.run(Split(AUTO, 0, 0, 1000 * MIB), 0, 0, 0, 0) == [1, 1, 1, 1]


class TestSpans:
    def test_they_are_handed_out_from_the_front(self) -> None:
        split = Split(EAGER, 0, 0, 64 * MIB)
        first = split.claim()
        assert first is not None
        assert (first.victim, first.span) == (0, Span(8 * MIB, 16 * MIB))
        split.began(1, first.span)
        second = split.claim()
        assert second is not None
        assert (second.victim, second.span) == (None, Span(16 * MIB, 24 * MIB))

    def test_in_the_end_the_largest_rest_is_halved(self) -> None:
        split = Split(replace(EAGER, most=2), 0, 0, 20 * MIB)
        claim = split.claim()
        assert claim == Claim(Span(5 * MIB, 10 * MIB), 0)
        split.began(1, claim.span)
        for number in (2, 3):
            assert split.ended(number - 1, 5 * MIB)
            claim = split.claim()
            assert claim == Claim(Span(5 * number * MIB, 5 * (number + 1) * MIB))
            split.began(number, claim.span)
        assert split.ended(3, 5 * MIB)
        split.note({0: MIB})
        assert split.claim() == Claim(Span(3 * MIB, 5 * MIB), 0)

    def test_what_failed_comes_first_and_fewer_run(self) -> None:
        split = Split(EAGER, 0, 0, 64 * MIB)
        for number in (1, 2, 3):
            claim = split.claim()
            assert claim is not None
            split.began(number, claim.span)
        assert not split.ended(1, 100)
        assert split.running == 3
        assert split.claim() is None
        assert split.ended(2, 8 * MIB)
        claim = split.claim()
        assert claim is not None
        assert claim.span == Span(8 * MIB + 100, 16 * MIB)


@settings(deadline=None, max_examples=60)
@given(st.randoms(use_true_random=False), st.integers(4 * MIB, 40 * MIB), st.integers(0, MIB))
def test_whatever_happens_nothing_is_left_out(random: Random, total: int, at: int) -> None:
    split = Split(EAGER, 0, at, total)
    ends, taken = {0: (at, total)}, {0: 0}
    brought = [(0, at)]
    number = held = 0
    while not split.complete:
        while (claim := split.claim()) is not None:
            span = claim.span
            assert span.end is not None
            assert 0 <= span.start < span.end <= total
            if claim.victim is not None:
                ends[claim.victim] = (ends[claim.victim][0], span.start)
            number += 1
            split.began(number, span)
            ends[number], taken[number] = (span.start, span.end), 0
        assert split.held >= held
        held = split.held
        if not split.running:
            break
        one = random.choice(sorted(ends))
        start, end = ends[one]
        rest = end - start - taken[one]
        taken[one] += rest if random.random() < 0.3 else random.randint(0, rest)
        split.note(taken)
        if taken[one] == end - start or random.random() < 0.05:
            brought.append((start, start + taken[one]))
            assert split.ended(one, taken.pop(one)) == (brought[-1][1] >= end)
            del ends[one]
    brought += [(ends[one][0], ends[one][0] + count) for one, count in taken.items()]
    reached = 0
    for start, end in sorted(brought):
        if start <= reached:
            reached = max(reached, end)
    assert split.held == reached
