"""How many connections a file gets from servers and links of many kinds, in a model of time."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlm.fetch.ramp import Ramp

MIB = 1024 * 1024
STEP = 0.01
#: Bytes that a server has sent on a connection of some age, where the link lets it.
Sent = Callable[[float], float]


def bursts(size: float, period: float) -> Sent:
    """``size`` bytes at once, then silence until the ``period`` is over, as nginx does."""
    return lambda age: size * (1 + math.floor(age / period))


def smooth(rate: float) -> Sent:
    return lambda age: rate * age


def bucket(saved: float, rate: float) -> Sent:
    """What was saved at once, the rest evenly."""
    return lambda age: saved + rate * age


def unlimited(age: float) -> float:
    return math.inf if age >= 0 else 0


def starting(rtt: float) -> Sent:
    """A connection that doubles with each round trip, from ten segments on."""
    return lambda age: sum(14_600 * 2**trip for trip in range(min(40, 1 + int(age / rtt))))


@dataclass
class Model:
    """Connections over one link, of which as many run as the ramp wants."""

    sent: Sent
    link: Callable[[float], float]
    total: int
    latency: float = 0.002
    most: int = 16
    now: float = 0.0
    ramp: Ramp = field(init=False)
    ages: list[float] = field(default_factory=list)
    brought: list[float] = field(default_factory=list)
    began: int = 0
    counts: dict[float, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ramp = Ramp(self.most)

    def run(self, seconds: float) -> Model:
        while self.now < seconds and sum(self.brought) < self.total:
            if round(self.now / STEP) % 5 == 0:
                received = int(sum(self.brought))
                running = max(1, len(self.ages))
                silent = sum(not one for one in self.brought[-len(self.ages) :]) if self.ages else 1
                self.ramp.measure(self.now, received, self.total - received, running, silent, self.latency)
            wanted = self.ramp.wanted
            while len(self.ages) < wanted:
                self.ages.append(-self.latency)
                self.brought.append(0.0)
                self.began += 1
            if len(self.ages) > wanted:  # those that are too many end with their spans
                del self.ages[wanted:]
                self.brought[wanted:] = [sum(self.brought[wanted:])]
                self.brought = [*self.brought[1 : wanted + 1], self.brought[0]]
                self.brought = [self.brought[-1], *self.brought[:-1]]
            self.step()
            self.counts[round(self.now, 3)] = wanted
        return self

    def step(self) -> None:
        room = self.link(self.now) * STEP
        alive = len(self.ages)
        others = len(self.brought) - alive
        wishes = [
            max(0.0, self.sent(age) - self.brought[others + index]) if age >= 0 else 0.0
            for index, age in enumerate(self.ages)
        ]
        for index in sorted(range(alive), key=lambda one: wishes[one]):
            left = sum(1 for one in range(alive) if wishes[one] >= wishes[index]) or 1
            share = min(wishes[index], room / left)
            self.brought[others + index] += share
            room -= share
        self.ages = [age + STEP for age in self.ages]
        self.now += STEP

    def first_with(self, wanted: int) -> float:
        """When so many were wanted first."""
        return min((time for time, count in self.counts.items() if count >= wanted), default=math.inf)


def steady(rate: float) -> Callable[[float], float]:
    return lambda _now: rate


LIMITERS = {
    "nginx": bursts(2 * MIB, 0.25),
    "nginx without sendfile_max_chunk": bursts(5 * MIB, 0.625),
    "nginx before the second": bursts(8 * MIB, 1.0),
    "smooth": smooth(8 * MIB),
    "bucket": bucket(8 * MIB, 8 * MIB),
    "slow": bursts(256 * 1024, 1.0),
}


@pytest.mark.parametrize("sent", LIMITERS.values(), ids=LIMITERS)
def test_a_limit_on_each_connection_is_found_soon(sent: Sent) -> None:
    made = Model(sent, steady(1000 * MIB), 1024 * MIB).run(3.0)
    assert made.ramp.wanted == 16
    assert made.first_with(16) <= 0.6


@pytest.mark.parametrize("latency", [0.05, 0.2, 0.8])
def test_also_far_away(latency: float) -> None:
    made = Model(smooth(2 * MIB), steady(100 * MIB), 1024 * MIB, latency=latency).run(6.0)
    assert made.ramp.wanted == 16
    assert made.first_with(16) <= 0.4 + 4 * latency


@pytest.mark.parametrize("rate", [1.0, 12.5, 100.0])
def test_a_full_link_sees_two_more_and_no_others(rate: float) -> None:
    made = Model(unlimited, steady(rate * MIB), 4096 * MIB).run(20.0)
    assert made.began <= 3
    assert made.ramp.wanted == 1


@pytest.mark.parametrize("rate", [140.0, 500.0, 1000.0])
def test_what_is_fast_is_left_alone(rate: float) -> None:
    assert Model(unlimited, steady(rate * MIB), 1024 * MIB).run(20.0).began == 1


def test_what_is_nearly_done_is_left_alone() -> None:
    assert Model(smooth(40 * MIB), steady(1000 * MIB), 64 * MIB).run(20.0).began == 1


@pytest.mark.parametrize("seed", range(20))
def test_a_shaky_link_is_not_split_for_long(seed: int) -> None:
    chance = Random(seed)
    rates = [chance.uniform(0.6, 1.4) * 5 * MIB for _ in range(400)]
    made = Model(unlimited, lambda now: rates[int(now / 0.05)], 4096 * MIB).run(19.0)
    assert made.ramp.wanted <= 3
    assert made.began <= 3


def test_a_link_that_gets_no_faster_with_all_goes_back_to_few() -> None:
    """Two more were a gain, and sixteen are none over three."""
    made = Model(smooth(30 * MIB), steady(95 * MIB), 8192 * MIB).run(5.0)
    assert made.first_with(16) < 1.0
    assert made.ramp.wanted == 3


@pytest.mark.parametrize("rtt", [0.02, 0.1, 0.3])
def test_a_connection_that_still_gets_faster_is_left_alone(rtt: float) -> None:
    made = Model(starting(rtt), steady(1000 * MIB), 64 * 1024 * MIB, latency=2 * rtt).run(12 * rtt)
    assert made.began == 1


def test_a_limit_behind_the_first_megabytes_is_found_when_it_bites() -> None:
    made = Model(lambda age: 64 * MIB + 8 * MIB * age, steady(100 * MIB), 4096 * MIB).run(10.0)
    assert made.ramp.wanted == 16


def test_a_trial_is_repeated_only_where_the_rate_fell_and_not_for_ever() -> None:
    made = Model(unlimited, lambda now: 100 * MIB / (1 + int(now / 6)), 64 * 1024 * MIB).run(60.0)
    assert made.began <= 1 + 3 * 2
    assert made.ramp.wanted == 1


def test_a_pause_is_no_rate() -> None:
    ramp = Ramp(16)
    for tick in range(100):
        ramp.measure(tick * 0.05, 0, 1024 * MIB, 1, 1)
    assert ramp.wanted == 1


def test_refused_ones_are_not_asked_for_again() -> None:
    ramp = Ramp(16, at_once=True)
    for running in (15, 14, 3):
        ramp.failed(running)
    assert (ramp.wanted, ramp.settled) == (3, True)
    ramp.failed(0)
    assert ramp.wanted == 1


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0, 3), st.integers(0, 64 * MIB), st.integers(0, 16), st.integers(0, 16)), max_size=200
    ),
    st.integers(1, 16),
    st.floats(0, 10),
)
def test_whatever_is_measured_as_many_run_as_may(
    measured: list[tuple[float, int, int, int]], most: int, latency: float
) -> None:
    ramp = Ramp(most)
    now, received = 0.0, 0
    for seconds, count, running, silent in measured:
        now, received = now + seconds, received + count
        ramp.measure(now, received, max(0, 1024 * MIB - received), running, min(silent, running), latency)
        assert 1 <= ramp.wanted <= most
        assert ramp.pace >= 0
