"""Several spans of one file at once: how many, which, and what happens to those that fail."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlm.fetch.commands import Span
from dlm.fetch.split import Split, SplitPolicy
from dlm.model.settings import Settings

MIB = 1024 * 1024
AUTO = SplitPolicy(most=8)
EAGER = SplitPolicy(most=4, at_once=True, least=4 * MIB)


def claimed(split: Split, number: int) -> Span:
    """The next span, which attempt ``number`` asks for."""
    span = split.claim()
    assert span is not None
    split.began(number, span)
    return span


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
                split.began(number, claim)
                assert split.answered(number)
                if number <= 2:
                    assert split.limits() == [(0, claim.start)]
                    assert claim.start >= 1000 * MIB
                if number == 3:
                    assert split.limits() == [(0, claim.start)]
                    assert claim.start < 32 * MIB
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
                split.began(number, claim)
                assert split.answered(number)
            received += 8 * MIB // 20
            split.note(dict.fromkeys(range(number + 1), received // (number + 1)))
        assert number == 2
        [(_, alone)] = split.limits()
        for one in (1, 2):
            assert split.ended(one, 8 * MIB)
            assert split.claim() is None
        assert split.limits() == []
        assert alone > 1000 * MIB


class TestSpans:
    def test_they_are_handed_out_from_the_front(self) -> None:
        split = Split(EAGER, 0, 0, 64 * MIB)
        assert claimed(split, 1) == Span(8 * MIB, 16 * MIB)
        assert claimed(split, 2) == Span(16 * MIB, 24 * MIB)

    def test_smaller_ones_as_less_is_left(self) -> None:
        split = Split(replace(EAGER, most=2), 0, 0, 64 * MIB)
        number, sizes = 0, []
        while (claim := split.claim()) is not None:
            assert claim.end is not None
            sizes.append(claim.end - claim.start)
            number += 1
            split.began(number, claim)
            assert split.ended(number, sizes[-1])
        assert sizes[:2] == [16 * MIB, 12 * MIB]
        assert sizes == sorted(sizes, reverse=True)
        assert min(sizes) >= MIB

    def test_in_the_end_the_largest_rest_is_halved(self) -> None:
        split = Split(replace(EAGER, most=2), 0, 0, 8 * MIB)
        assert claimed(split, 1) == Span(2 * MIB, 4 * MIB)
        split.note({0: 2 * MIB - 1})
        assert split.ended(1, 2 * MIB)
        claim = split.claim()
        assert claim is not None
        assert claim.start == 4 * MIB
        split.began(2, Span(4 * MIB, 8 * MIB))
        assert split.answered(2)
        split.note({2: MIB})
        split._free.clear()
        assert split.ended(0, 2 * MIB)
        claim = claimed(split, 3)
        assert claim.start in {6 * MIB, 6 * MIB + MIB // 2}
        assert split.answered(3)
        assert (2, claim.start) in split.limits()

    def test_what_is_at_hand_is_not_asked_for(self) -> None:
        split = Split(EAGER, 0, MIB, 64 * MIB, [(8 * MIB, 20 * MIB), (30 * MIB, 62 * MIB)])
        assert split.held == MIB
        assert split.ahead == ((8 * MIB, 20 * MIB), (30 * MIB, 62 * MIB))
        asked = [claimed(split, number) for number in (1, 2, 3)]
        assert asked[0].start == 20 * MIB
        assert all(one.start >= 20 * MIB and (one.end or 0) <= 30 * MIB for one in asked)
        assert split.rest == 19 * MIB

    def test_what_failed_comes_first_and_fewer_run(self) -> None:
        split = Split(EAGER, 0, 0, 64 * MIB)
        for number in (1, 2, 3):
            claimed(split, number)
        split.note({0: 8 * MIB})
        assert split.ended(0, 8 * MIB)
        claimed(split, 4)
        assert not split.ended(1, 100)
        assert split.running == 3
        assert split.claim() is None
        assert split.ended(2, 8 * MIB)
        assert claimed(split, 5).start == 8 * MIB + 100

    def test_one_that_was_cut_on_its_way_is_no_reason_for_fewer(self) -> None:
        split = Split(EAGER, 0, 0, 64 * MIB)
        for number in (1, 2, 3):
            claimed(split, number)
        assert not split.ended(1, 2 * MIB)
        assert claimed(split, 4) == Span(10 * MIB, 16 * MIB)


class TestWhatIsOnTheWay:
    """An attempt that a span was taken from still brings it, unless another one does."""

    def test_who_had_a_span_taken_away_ends_when_another_is_answered(self) -> None:
        split = Split(EAGER, 0, 0, 64 * MIB)
        claimed(split, 1)
        assert split.limits() == []
        assert split.answered(1)
        assert split.limits() == [(0, 8 * MIB)]
        assert split.limits() == []

    @pytest.mark.parametrize("received", [0, 100])
    def test_what_another_one_failed_to_bring_is_its_own_again(self, received: int) -> None:
        split = Split(EAGER, 0, 0, 64 * MIB)
        claimed(split, 1)
        claimed(split, 2)
        assert split.answered(1)
        assert split.answered(2)
        assert split.limits() == [(0, 8 * MIB)]
        split._free.clear()
        assert not split.ended(1, received)
        assert split.limits() == [(0, 16 * MIB)]

    def test_who_is_overtaken_is_too_late(self) -> None:
        split = Split(EAGER, 0, 0, 64 * MIB)
        claimed(split, 1)
        split.note({0: 9 * MIB})
        assert not split.answered(1)
        assert split.ended(1, 0), "it did not fail"
        assert split.limits() == []
        assert claimed(split, 2).start == 9 * MIB

    @pytest.mark.parametrize("received", [6 * MIB, 40 * MIB])
    def test_who_was_overtaken_by_one_that_is_gone_is_too_late(self, received: int) -> None:
        split = Split(EAGER, 0, 0, 40 * MIB)
        claimed(split, 1)  # from 5 MiB
        split.note({0: received})
        split.ended(0, received)
        assert not split.answered(1)
        assert split.ended(1, 0)
        assert split.complete == (received == 40 * MIB)
        if not split.complete:
            assert claimed(split, 2).start == received

    def test_after_a_refusal_it_brings_all_that_is_left(self) -> None:
        split = Split(EAGER, 0, 0, 64 * MIB)
        for number in (1, 2, 3):
            claimed(split, number)
        assert split.answered(1)
        assert split.limits() == [(0, 8 * MIB)]
        assert not split.ended(2, 0, refused=True)
        assert split.limits() == [(0, 64 * MIB)], "through what another one brings, which is less than what is left"
        assert split.answered(3)
        assert split.limits() == []
        assert split.ended(3, 8 * MIB)
        assert split.ended(1, 8 * MIB)
        assert split.claim() is None

    def test_and_others_take_from_it_again_what_none_has(self) -> None:
        split = Split(EAGER, 0, 0, 64 * MIB)
        for number in (1, 2, 3):
            claimed(split, number)
        assert split.answered(1)
        assert split.answered(3)
        assert split.limits() == [(0, 8 * MIB)]
        assert not split.ended(2, 0)
        assert split.limits() == [(0, 64 * MIB)]
        assert split.ended(1, 8 * MIB)
        assert claimed(split, 4) == Span(16 * MIB, 24 * MIB)
        assert split.limits() == [(0, 24 * MIB)]
        assert not split.ended(4, 0)
        assert split.limits() == [(0, 64 * MIB)]

    def test_but_not_through_much_that_others_bring(self) -> None:
        split = Split(EAGER, 0, 0, 64 * MIB)
        for number in (1, 2, 3):
            claimed(split, number)
            assert split.answered(number)
        split._free.clear()
        assert not split.ended(3, 0, refused=True)
        assert split.limits() == [(0, 8 * MIB)]


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
    starts, taken, limits = {0: at}, {0: 0}, {0: ahead[0][0] if ahead else total}
    asked: dict[int, Span] = {}
    brought = [(0, at), *ahead]
    begun = 0
    number = held = 0
    while not split.complete:
        while (span := split.claim()) is not None:
            assert span.end is not None
            assert 0 <= span.start < span.end <= total
            assert all(span.end <= start or end <= span.start for start, end in ahead), "it is at hand"
            begun += 1
            assert begun < 2000, "it has to end"
            number += 1
            split.began(number, span)
            asked[number] = span
        assert split.held >= held
        held = split.held
        if not split.running:
            break
        one = random.choice(sorted([*starts, *asked]))
        if one in asked:
            span = asked.pop(one)
            if random.random() < 0.2:
                assert not split.ended(one, 0, refused=random.random() < 0.3)
            elif split.answered(one):
                assert span.end is not None
                starts[one], taken[one], limits[one] = span.start, 0, span.end
            else:
                assert split.ended(one, 0)
        else:
            rest = limits[one] - starts[one] - taken[one]
            assert rest >= 0
            taken[one] += rest if random.random() < 0.3 else random.randint(0, rest)
            split.note(taken)
            if taken[one] == limits[one] - starts[one] or random.random() < 0.05:
                brought.append((starts[one], starts[one] + taken[one]))
                split.ended(one, taken.pop(one))
                del starts[one]
        for changed, limit in split.limits():
            assert starts[changed] + taken[changed] <= limit
            limits[changed] = limit
    brought += [(start, start + taken[one]) for one, start in starts.items()]
    reached = 0
    for start, end in sorted(brought):
        if start <= reached:
            reached = max(reached, end)
    assert split.held == reached
    assert split.complete, "whoever failed, another one was asked"
