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
    def test_a_trial_takes_from_the_end_and_all_that_follow_from_the_front(self) -> None:
        split = Split(AUTO, 0, 0, 1024 * MIB)
        number, received, counts = 0, 0, []
        for tick in range(12):
            split.measure(tick * 0.05, received)
            while (claim := split.claim()) is not None:
                number += 1
                split.began(number, claim.span)
                if number <= 2:
                    assert (claim.victim, claim.span.start) == (0, split.end_of(0))
                    assert claim.span.start >= 1000 * MIB
                if number == 3:
                    assert (claim.victim, claim.span.start) == (0, split.end_of(0))
                    assert claim.span.start < 32 * MIB
            received += (number + 1) * 8 * MIB // 20
            split.note(dict.fromkeys(range(number + 1), (tick + 1) * 8 * MIB // 20))
            counts.append(split.running)
        assert counts[:4] == [1, 1, 1, 1]
        assert counts[5] == 3
        assert counts[-1] == 8

    def test_after_a_trial_that_brought_nothing_one_goes_on_alone(self) -> None:
        split = Split(AUTO, 0, 0, 1024 * MIB)
        number, received = 0, 0
        for tick in range(40):
            split.measure(tick * 0.05, received)
            while (claim := split.claim()) is not None:
                number += 1
                split.began(number, claim.span)
            received += 8 * MIB // 20
            split.note(dict.fromkeys(range(number + 1), received // (number + 1)))
        assert number == 2
        alone = split.end_of(0)
        for one in (1, 2):
            assert split.ended(one, 8 * MIB)
            assert split.claim() is None
        assert split.end_of(0) == alone > 1000 * MIB


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

    def test_smaller_ones_as_less_is_left(self) -> None:
        split = Split(replace(EAGER, most=2), 0, 0, 64 * MIB)
        number, sizes = 0, []
        while (claim := split.claim()) is not None:
            assert claim.span.end is not None
            sizes.append(claim.span.end - claim.span.start)
            number += 1
            split.began(number, claim.span)
            assert split.ended(number, sizes[-1])
        assert sizes[:2] == [16 * MIB, 12 * MIB]
        assert sizes == sorted(sizes, reverse=True)
        assert min(sizes) >= MIB

    def test_in_the_end_the_largest_rest_is_halved(self) -> None:
        split = Split(replace(EAGER, most=2), 0, 0, 8 * MIB)
        claim = split.claim()
        assert claim == Claim(Span(2 * MIB, 4 * MIB), 0)
        split.began(1, claim.span)
        split.note({0: 2 * MIB - 1})
        assert split.ended(1, 2 * MIB)
        claim = split.claim()
        assert claim is not None
        assert claim.span.start == 4 * MIB
        split.began(2, Span(4 * MIB, 8 * MIB))
        split.note({2: MIB})
        split._free.clear()
        assert split.ended(0, 2 * MIB)
        claim = split.claim()
        assert claim is not None
        assert claim.victim == 2
        assert claim.span.start in {6 * MIB, 6 * MIB + MIB // 2}

    def test_what_is_at_hand_is_not_asked_for(self) -> None:
        split = Split(EAGER, 0, MIB, 64 * MIB, [(8 * MIB, 20 * MIB), (30 * MIB, 62 * MIB)])
        assert split.held == MIB
        assert split.ahead == ((8 * MIB, 20 * MIB), (30 * MIB, 62 * MIB))
        assert split.end_of(0) == 8 * MIB
        asked = []
        for number in (1, 2, 3):
            claim = split.claim()
            assert claim is not None
            asked.append(claim.span)
            split.began(number, claim.span)
        assert asked[0].start == 20 * MIB
        assert all(one.start >= 20 * MIB and (one.end or 0) <= 30 * MIB for one in asked)
        assert split.rest == 19 * MIB

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
        assert claim.span.start == 8 * MIB + 100

    def test_one_that_was_cut_on_its_way_is_no_reason_for_fewer(self) -> None:
        split = Split(EAGER, 0, 0, 64 * MIB)
        for number in (1, 2, 3):
            claim = split.claim()
            assert claim is not None
            split.began(number, claim.span)
        assert not split.ended(1, 2 * MIB)
        claim = split.claim()
        assert claim is not None
        assert claim.span == Span(10 * MIB, 16 * MIB)


@settings(deadline=None, max_examples=60)
@given(
    st.randoms(use_true_random=False),
    st.integers(4 * MIB, 40 * MIB),
    st.integers(0, MIB),
    st.lists(st.integers(MIB + 1, 4 * MIB), unique=True, max_size=6),
)
def test_whatever_happens_nothing_is_left_out(random: Random, total: int, at: int, edges: list[int]) -> None:
    edges.sort()
    ahead = list(zip(edges[::2], edges[1::2], strict=False))
    split = Split(EAGER, 0, at, total, ahead)
    ends, taken = {0: (at, split.end_of(0))}, {0: 0}
    brought = [(0, at), *ahead]
    begun = 0
    number = held = 0
    while not split.complete:
        while (claim := split.claim()) is not None:
            span = claim.span
            assert span.end is not None
            assert 0 <= span.start < span.end <= total
            assert all(span.end <= start or end <= span.start for start, end in ahead), "it is at hand"
            begun += 1
            assert begun < 2000, "it has to end"
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
    assert split.rest >= total - split.held - sum(end - start for start, end in split.ahead)
