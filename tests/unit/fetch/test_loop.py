"""Caps, timers and the watch on slow servers, over a wire that does what the test says."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from dlm.fetch.loop import STREAMS, Exchange, Limits, Loop, Sink, Taker
from dlm.model.settings import Settings
from dlm.model.url import Url
from dlm.model.wire import Ending, Failure, Head, Request
from dlm.ports import Exchange as PortExchange
from tests.support.stores import StillClock


class ScriptedWire:
    """A wire on which a turn takes as long as it may, and nothing happens but what a test does."""

    keeps_back = True

    def __init__(self, clock: StillClock) -> None:
        self.streaming: set[str] = set()
        self.running: list[PortExchange] = []
        self.cancelled: list[PortExchange] = []
        self.turns: list[float] = []
        self.foreseen: list[int] = []
        self.during: Callable[[], None] = lambda: None
        self.places = 1000
        self._clock = clock

    def start(self, exchange: PortExchange) -> None:
        if len(self.running) == self.places:
            exchange.postponed()
        else:
            self.running.append(exchange)

    def foresee(self, count: int) -> None:
        self.foreseen.append(count)

    def multiplexes(self, origin: str | None) -> bool:
        return bool(self.streaming) if origin is None else origin in self.streaming

    def cancel(self, exchange: PortExchange) -> None:
        self.cancelled.append(exchange)
        self.running.remove(exchange)

    def turn(self, timeout: float) -> None:
        self.turns.append(timeout)
        self._clock.now += timeout
        self.during()

    def close(self) -> None:
        self.running.clear()

    def finish(self, exchange: PortExchange) -> None:
        self.running.remove(exchange)
        exchange.ended(Ending())


class Quiet:
    """Takes everything and remembers how it ended."""

    def __init__(self) -> None:
        self.endings: list[tuple[int, Failure | None]] = []

    def answered(self, number: int, head: Head) -> Sink | None:
        return bool

    def ended(self, number: int, ending: Ending) -> None:
        self.endings.append((number, ending.failure))


class Bench:
    def __init__(self, **limits: float) -> None:
        self.clock = StillClock()
        self.wire = ScriptedWire(self.clock)
        self.handler = Quiet()
        self.loop = Loop(self.wire, self.clock, Limits(**limits))  # type: ignore[arg-type]
        self.count = 0

    def start(self, host: str = "a.example", taker: Taker | None = None, *, light: bool = False) -> Exchange:
        request = Request(url=Url.parse(f"https://{host}/x"))
        exchange = Exchange(self.loop, self.handler, self.count, request, taker, light=light)
        self.count += 1
        self.loop.start(exchange)
        return exchange

    def receive(self, exchange: Exchange, count: int) -> None:
        assert exchange.body((b"x" * count,))

    def room(self) -> bool:
        return self.loop.room

    def hosts(self) -> list[str]:
        return [exchange.request.url.host for exchange in self.wire.running]


class TestCaps:
    def test_each_host_has_its_share_and_all_have_theirs(self) -> None:
        bench = Bench(jobs=5, jobs_per_host=2)
        for host in ("a", "a", "a", "a", "b", "b", "c", "c"):
            bench.start(f"{host}.example")
        bench.loop.turn()
        assert sorted(bench.hosts()) == ["a.example", "a.example", "b.example", "b.example", "c.example"]

    def test_who_waits_for_a_place_comes_first(self) -> None:
        bench = Bench(jobs=4, jobs_per_host=2)
        assert bench.loop.idle("https://a.example")
        first, _ = bench.start("a.example"), bench.start("a.example")
        assert not bench.loop.idle("https://a.example")
        assert bench.loop.idle("https://b.example")
        bench.loop.turn()
        bench.start("b.example")
        waiting = bench.start("a.example")
        assert not bench.loop.idle("https://b.example")
        bench.wire.finish(first)
        bench.loop.turn()
        assert waiting in bench.wire.running
        assert not bench.loop.idle("https://a.example")

    def test_what_began_before_it_was_known_that_it_shares_counts_no_more_than_others(self) -> None:
        bench = Bench(jobs=2, jobs_per_host=2)
        small = [bench.start(light=True) for _ in range(2)]
        bench.loop.turn()
        assert bench.wire.running == small
        large = bench.start("b.example")
        bench.wire.during = lambda: bench.wire.streaming.add("https://a.example")
        bench.loop.turn()
        more = [bench.start(light=True) for _ in range(STREAMS)]
        bench.loop.turn()
        assert bench.wire.running == [*small, large, *more[: STREAMS - 2]]
        for one in small:
            bench.wire.finish(one)
        bench.loop.turn()
        assert bench.wire.running == [large, *more]

    def test_limits_that_shrink_leave_what_is_under_way(self) -> None:
        bench = Bench(jobs=4, jobs_per_host=4)
        running = [bench.start() for _ in range(4)]
        waiting = bench.start()
        bench.loop.turn()
        bench.loop.narrow(Limits(jobs=2, jobs_per_host=2))
        for one in running[:2]:
            bench.wire.finish(one)
            bench.loop.turn()
            assert waiting not in bench.wire.running
        bench.loop.turn()
        assert waiting not in bench.wire.running
        bench.wire.finish(running[2])
        bench.loop.turn()
        assert waiting in bench.wire.running

    def test_what_the_wire_has_no_place_for_waits_and_none_of_its_time_runs(self) -> None:
        bench = Bench(jobs=8, jobs_per_host=8, head_timeout=10, stall_timeout=1000)
        bench.wire.places = 2
        orders = [bench.start(host) for host in ("a.example", "b.example", "a.example", "b.example")]
        bench.loop.turn()
        assert bench.wire.running == orders[:2]
        for one in orders[:2]:
            one.head(Head(status=200))
        for _ in range(50):
            bench.loop.turn()
        assert bench.clock.now > 10
        for one in orders[:2]:
            bench.wire.finish(one)
            bench.loop.turn()
        assert set(bench.wire.running) == set(orders[2:])
        assert bench.handler.endings == [(0, None), (1, None)]

    def test_what_ends_makes_room(self) -> None:
        bench = Bench(jobs=2, jobs_per_host=1)
        first, second, other = bench.start(), bench.start(), bench.start("b.example")
        assert not bench.loop.room
        bench.loop.turn()
        assert bench.wire.running == [first, other]
        bench.wire.finish(first)
        bench.loop.turn()
        assert bench.wire.running == [other, second]
        bench.wire.finish(other)
        assert bench.loop.room

    def test_what_is_cancelled_makes_room_and_is_told_nothing(self) -> None:
        bench = Bench(jobs=1)
        running, waiting, last = bench.start(), bench.start(), bench.start()
        bench.loop.turn()
        bench.loop.cancel(waiting)
        bench.loop.cancel(running)
        bench.loop.turn()
        assert bench.wire.cancelled == [running]
        assert bench.wire.running == [last]
        assert bench.handler.endings == []

    @pytest.mark.parametrize(("jobs", "begun"), [(2, 2 * STREAMS), (1, 1)])
    def test_small_files_share_a_connection_where_they_can(self, jobs: int, begun: int) -> None:
        bench = Bench(jobs=jobs, jobs_per_host=jobs)
        bench.wire.streaming.add("https://a.example")
        for _ in range(3 * STREAMS):
            bench.start(light=True)
        bench.loop.turn()
        assert len(bench.wire.running) == begun

    def test_large_ones_and_other_hosts_do_not(self) -> None:
        bench = Bench(jobs=4, jobs_per_host=2)
        bench.wire.streaming.add("https://a.example")
        for _ in range(5):
            bench.start("a.example")
            bench.start("b.example", light=True)
        bench.loop.turn()
        assert sorted(bench.hosts()) == ["a.example", "a.example", "b.example", "b.example"]

    def test_a_large_one_is_not_kept_waiting_by_small_ones_that_need_less(self) -> None:
        bench = Bench(jobs=2, jobs_per_host=2)
        bench.wire.streaming.add("https://a.example")
        small = [bench.start(light=True) for _ in range(2 * STREAMS + 5)]
        bench.loop.turn()
        assert bench.wire.running == small[: 2 * STREAMS]
        large = bench.start("b.example")
        assert not bench.room()
        # The first place that becomes free is for a small one, which came before; then it is the large one's turn.
        for one in small[:STREAMS]:
            bench.wire.finish(one)
            bench.loop.turn()
        assert large not in bench.wire.running
        assert small[2 * STREAMS] in bench.wire.running
        bench.wire.finish(small[STREAMS])
        bench.loop.turn()
        assert large in bench.wire.running

    def test_there_is_room_while_parts_of_a_job_are_left(self) -> None:
        bench = Bench(jobs=2, jobs_per_host=2)
        bench.wire.streaming.add("https://a.example")
        large = bench.start()
        small = [bench.start(light=True) for _ in range(STREAMS - 1)]
        assert bench.room()
        small.append(bench.start(light=True))
        assert not bench.room()
        bench.loop.cancel(small[0])
        assert bench.room()
        bench.loop.turn()
        bench.wire.finish(large)
        bench.loop.turn()
        assert len(bench.wire.running) == STREAMS - 1
        assert bench.room()

    @pytest.mark.fault("H11")
    def test_a_host_that_is_held_is_left_alone(self) -> None:
        bench = Bench()
        bench.loop.hold("https://a.example", 5.0)
        bench.loop.hold("https://a.example", 2.0)
        bench.start()
        bench.loop.turn()
        assert bench.clock.slept == [5.0]
        assert bench.hosts() == ["a.example"]

    def test_others_go_on_meanwhile(self) -> None:
        bench = Bench()
        bench.loop.hold("https://a.example", 5.0)
        bench.start()
        bench.start("b.example")
        bench.loop.turn()
        assert bench.hosts() == ["b.example"]
        assert bench.clock.slept == []


class TestTimers:
    def test_they_are_called_in_order_when_they_are_due(self) -> None:
        bench = Bench()
        called: list[str] = []
        bench.loop.after(3.0, lambda: called.append("late"))
        bench.loop.after(1.0, lambda: called.append("early"))
        bench.loop.turn()
        assert called == ["early"]
        bench.loop.turn()
        assert called == ["early", "late"]
        assert bench.clock.slept == [1.0, 2.0]

    def test_a_turn_with_exchanges_waits_no_longer_than_the_next_of_them(self) -> None:
        bench = Bench()
        bench.start()
        bench.loop.after(0.25, lambda: None)
        bench.loop.turn()
        assert bench.wire.turns == [0.25]


class TestSlowness:
    @pytest.mark.fault("H06")
    def test_a_head_has_its_time(self) -> None:
        bench = Bench(head_timeout=3.0)
        bench.start()
        for _ in range(3):
            assert bench.handler.endings == []
            bench.loop.turn()
        assert bench.handler.endings == [(0, Failure.HEAD_TIMEOUT)]
        assert bench.wire.running == []

    @pytest.mark.fault("H07")
    def test_a_body_has_its_rate(self) -> None:
        bench = Bench(stall_timeout=4.0, stall_rate=10)
        exchange = bench.start()
        bench.loop.turn()
        exchange.head(Head(status=200))
        bench.wire.during = lambda: bench.receive(exchange, 10)
        for _ in range(8):
            bench.loop.turn()
        assert bench.handler.endings == []
        bench.wire.during = lambda: bench.receive(exchange, 9)
        for _ in range(4):
            bench.loop.turn()
        assert bench.handler.endings == [(0, Failure.STALLED)]

    def test_time_in_the_queue_is_nobodys_fault(self) -> None:
        bench = Bench(jobs=1, head_timeout=3.0)
        first = bench.start()
        bench.start()
        bench.loop.turn()
        bench.loop.turn()
        bench.wire.finish(first)
        bench.loop.turn()
        bench.loop.turn()
        assert bench.handler.endings == [(0, None)]

    def test_our_own_pauses_are_not_the_servers(self) -> None:
        bench = Bench(head_timeout=3.0)
        bench.start()
        bench.loop.turn()
        bench.clock.now += 1000.0
        bench.loop.turn()
        assert bench.handler.endings == []

    def test_limits_come_from_the_settings(self) -> None:
        limits = Limits.of(Settings(jobs=0, jobs_per_host=3, connect_timeout=4.0, stall_timeout=5.0, stall_rate=6))
        assert limits == Limits(jobs=1, jobs_per_host=3, head_timeout=8.0, stall_timeout=5.0, stall_rate=6)


class TestPatience:
    def test_an_answer_is_kept_back_for_a_moment_only(self) -> None:
        bench = Bench(head_timeout=20.0)
        exchange = bench.start(taker=lambda _lines, _pieces: False)
        patient: list[bool] = []
        bench.wire.during = lambda: patient.append(exchange.patient)
        bench.loop.turn()
        bench.loop.turn()
        assert patient == [True, False]
        assert bench.handler.endings == []

    def test_its_head_has_no_more_time_for_that(self) -> None:
        bench = Bench(head_timeout=3.0)
        bench.start(taker=lambda _lines, _pieces: False)
        while not bench.handler.endings:
            bench.loop.turn()
        assert bench.clock.now == Bench().clock.now + 3.0
        assert bench.handler.endings == [(0, Failure.HEAD_TIMEOUT)]

    def test_what_is_taken_whole_makes_room_and_is_told_nothing(self) -> None:
        bench = Bench(jobs=1)
        told: list[tuple[Sequence[bytes], Sequence[bytes]]] = []

        def take(lines: Sequence[bytes], pieces: Sequence[bytes]) -> bool:
            told.append((lines, pieces))
            return True

        exchange = bench.start(taker=take)
        taken: list[bool] = []
        bench.wire.during = lambda: taken.append(exchange.whole([b"head"], [b"body"]))
        bench.loop.turn()
        assert taken == [True]
        assert told == [([b"head"], [b"body"])]
        assert bench.loop.room
        assert bench.handler.endings == []

    def test_it_is_offered_once(self) -> None:
        bench = Bench()
        offers: list[int] = []

        def refuse(lines: Sequence[bytes], _pieces: Sequence[bytes]) -> bool:
            offers.append(len(lines))
            return False

        exchange = bench.start(taker=refuse)
        taken: list[bool] = []

        def offer() -> None:
            taken.extend(exchange.whole([b"a"], []) for _ in range(2))

        bench.wire.during = offer
        bench.loop.turn()
        assert taken == [False, False]
        assert offers == [1]


class TestLanes:
    HOST = "https://a.example"

    def test_they_keep_to_both_caps(self) -> None:
        bench = Bench(jobs=5, jobs_per_host=3)
        assert bench.loop.lend(self.HOST, 64) == 3
        assert bench.loop.lend(self.HOST, 64) == 0
        assert bench.room()
        others = [bench.start("b.example") for _ in range(3)]
        bench.loop.turn()
        assert bench.wire.running == others[:2]
        bench.loop.repay(self.HOST, 3)
        bench.loop.turn()
        assert bench.wire.running == others
        assert bench.loop.lend(self.HOST, 1) == 1
        assert bench.loop.lend(self.HOST, 64) == 1

    def test_what_waits_keeps_its_place_and_no_other(self) -> None:
        bench = Bench(jobs=4, jobs_per_host=2)
        for _ in range(3):
            bench.start("b.example")
        bench.loop.turn()
        # Two are under way, and the third has to wait for them.
        assert bench.loop.lend(self.HOST, 64) == 1

    def test_what_waits_for_its_own_host_keeps_its_place(self) -> None:
        bench = Bench(jobs=8, jobs_per_host=2)
        waiting = bench.start("a.example")
        assert bench.loop.lend(self.HOST, 64) == 1
        bench.loop.turn()
        assert bench.wire.running == [waiting]

    def test_one_of_a_host_that_is_held_keeps_nobody_else_waiting(self) -> None:
        bench = Bench(jobs=4, jobs_per_host=4)
        bench.loop.hold("https://b.example", 60)
        bench.start("b.example")
        assert bench.loop.lend("https://b.example", 64) == 0
        assert bench.loop.lend(self.HOST, 64) == 3

    def test_a_host_that_is_held_gets_none_until_then(self) -> None:
        bench = Bench(jobs=2, jobs_per_host=2)
        bench.loop.hold(self.HOST, 10)
        assert bench.loop.holds(self.HOST)
        assert bench.loop.lend(self.HOST, 64) == 0
        bench.clock.now += 10
        assert not bench.loop.holds(self.HOST)
        assert bench.loop.lend(self.HOST, 64) == 2

    def test_one_that_becomes_an_exchange_keeps_its_place_and_its_time(self) -> None:
        bench = Bench(jobs=2, jobs_per_host=2, head_timeout=5)
        assert bench.loop.lend(self.HOST, 2) == 2
        began = bench.clock.monotonic()
        exchange = Exchange(bench.loop, bench.handler, 7, Request(url=Url.parse(f"{self.HOST}/x")), light=True)

        def grow() -> None:
            bench.wire.during = lambda: None
            bench.loop.adopt(exchange, began)
            bench.wire.running.append(exchange)

        bench.wire.during = grow
        bench.loop.turn()
        assert bench.loop.lend(self.HOST, 2) == 0
        bench.loop.repay(self.HOST, 1)
        assert bench.loop.lend(self.HOST, 2) == 1
        while not bench.handler.endings:
            bench.loop.turn()
        assert bench.clock.monotonic() == began + 5
        assert bench.handler.endings == [(7, Failure.HEAD_TIMEOUT)]
        bench.loop.repay(self.HOST, 1)
        assert not bench.loop.busy
        assert bench.loop.lend(self.HOST, 64) == 2

    def test_they_weigh_less_as_soon_as_they_share_a_connection(self) -> None:
        bench = Bench(jobs=2, jobs_per_host=2)
        assert bench.loop.lend(self.HOST, 64) == 2
        bench.wire.streaming.add(self.HOST)
        assert bench.loop.lend(self.HOST, 64) == 2 * STREAMS - 2
        bench.loop.repay(self.HOST, 2 * STREAMS)
        assert bench.loop.lend(self.HOST, 64) == 2 * STREAMS

    def test_limits_that_change_leave_what_is_lent(self) -> None:
        bench = Bench(jobs=4, jobs_per_host=4)
        bench.wire.streaming.add(self.HOST)
        assert bench.loop.lend(self.HOST, 20) == 20
        bench.loop.narrow(Limits(jobs=1, jobs_per_host=1))
        assert bench.loop.lend(self.HOST, 64) == 0
        assert not bench.room()
        bench.loop.narrow(Limits(jobs=4, jobs_per_host=4))
        assert bench.loop.lend(self.HOST, 64) == 4 * STREAMS - 20
        bench.loop.repay(self.HOST, 4 * STREAMS)
        assert not bench.loop.busy
        assert bench.loop.lend(self.HOST, 64) == 4 * STREAMS

    def test_a_turn_with_nothing_else_is_the_wires(self) -> None:
        bench = Bench(jobs=1, jobs_per_host=1)
        assert bench.loop.lend(self.HOST, 1) == 1
        assert bench.loop.busy
        bench.loop.turn()
        assert len(bench.wire.turns) == 1
        assert 0 < bench.wire.turns[0] <= 1
