"""A split file ends whole, or with one failure, whatever its connections do, and in whatever order they do it.

A body is a list of versions, one for each block of a file; several attempts are under way at once, and any of them goes
on, breaks off or is refused next.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlm.fetch.commands import Accept, Begin, Cancel, Command, Commit, Drop, Fail, Start, Tell, Trim, Wait
from dlm.fetch.download import Download
from dlm.fetch.retry import RetryPolicy
from dlm.fetch.split import SplitPolicy
from dlm.model.artifact import Artifact, Validators
from dlm.model.digest import Digest, Digests
from dlm.model.transfer import Order, Source
from dlm.model.url import Url
from dlm.model.wire import Ending, Failure, Head

MIB = 1024 * 1024
BLOCK = 64 * 1024
MIBS = 40
PIN = Digests((Digest("sha256", "a" * 64),))
URL = "https://origin.example/file"


@dataclass
class Flow:
    """One attempt under way."""

    start: Start
    at: int = 0
    end: int = 0
    taken: int = 0
    accepted: bool = False
    version: int = 0

    @property
    def position(self) -> int:
        return self.at + self.taken


@dataclass
class World:
    """A server that may refuse and break off, and may change its file once."""

    machine: Download
    chance: Random
    trouble: float
    changes: bool
    #: Whether the first answer is the only one that can be used.
    once: bool = False
    version: int = 0
    now: float = 0.0
    brought: int = 0
    asked: int = 0
    flows: dict[int, Flow] = field(default_factory=dict)
    body: dict[int, int] = field(default_factory=dict)
    end: str | None = None
    waits: int = 0

    def holds(self, *spans: tuple[int, int]) -> None:
        """Of the first version, from one MiB to another."""
        for start, end in spans:
            self.body |= dict.fromkeys(range(start * MIB // BLOCK, end * MIB // BLOCK), 0)

    def run(self, commands: list[Command]) -> None:
        self.obey(commands)
        for _ in range(4000):
            if self.end is not None:
                return
            if not self.flows:
                assert self.waits > 0, "nothing is under way and nothing is waited for"
                self.waits = 0
                self.obey(self.machine.woke())
                continue
            self.step(self.chance.choice(sorted(self.flows)))
        raise AssertionError("it never ends")

    def obey(self, commands: list[Command]) -> None:
        for command in commands:
            if self.end is not None:
                return
            match command:
                case Start():
                    assert command.attempt not in self.flows
                    self.asked += 1
                    self.flows[command.attempt] = Flow(command)
                case Accept():
                    flow = self.flows[command.attempt]
                    flow.at, flow.accepted = command.at, True
                    assert command.limit is not None
                    flow.end = command.at + command.limit
                case Trim():
                    flow = self.flows[command.attempt]
                    assert flow.accepted
                    assert flow.position <= command.end <= (flow.start.span.end or MIBS * MIB)
                    flow.end = command.end
                case Cancel():
                    self.flows.pop(command.attempt, None)
                case Begin():
                    self.body.clear()
                case Wait():
                    self.waits += 1
                case Commit():
                    self.commit()
                case Fail():
                    self.end = "failed"
                case Drop() | Tell():
                    pass
                case _:
                    raise AssertionError(command)

    def step(self, number: int) -> None:
        flow = self.flows[number]
        self.now += 0.05 / len(self.flows)
        if not flow.accepted:
            self.answer(number, flow)
            return
        if self.chance.random() < self.trouble:
            self.over(number, flow, Failure.CUT)
            return
        count = min(self.chance.choice([MIB, 4 * MIB]), flow.end - flow.position)
        assert flow.position % BLOCK == 0
        if count > 0:
            for block in range(flow.position // BLOCK, (flow.position + count) // BLOCK):
                self.body.setdefault(block, flow.version)
            flow.taken += count
            self.brought += count
        self.machine.noted({one: other.taken for one, other in self.flows.items() if other.accepted})
        if flow.position >= flow.end:
            self.over(number, flow, None if flow.end == (flow.start.span.end or MIBS * MIB) else Failure.STOPPED)
            return
        self.obey(self.machine.measured(self.now, self.brought))

    def answer(self, number: int, flow: Flow) -> None:
        if self.changes and self.chance.random() < 0.02:
            self.version, self.changes = 1, False
        if self.chance.random() < self.trouble:
            if self.chance.random() < 0.5:
                self.over(number, flow, self.chance.choice([Failure.REFUSED, Failure.CLOSED]))
                return
            self.obey(self.machine.answered(number, Head(status=self.chance.choice([503, 429, 500])), 0.0))
            self.over(number, flow, Failure.STOPPED)
            return
        if self.once and number:
            self.refuse(number, flow)
            return
        flow.version = self.version
        span, tag = flow.start.span, f'"v{self.version}"'
        condition = next((value for name, value in flow.start.headers if name == "If-Range"), tag)
        fields = [("etag", tag), ("accept-ranges", "bytes")]
        if span.whole or condition != tag:
            fields.append(("content-length", str(MIBS * MIB)))
            status = 200
        else:
            stop = MIBS * MIB if span.end is None else span.end
            fields.append(("content-range", f"bytes {span.start}-{stop - 1}/{MIBS * MIB}"))
            fields.append(("content-length", str(stop - span.start)))
            status = 206
        self.obey(self.machine.answered(number, Head(status=status, fields=tuple(fields)), 0.0))
        if self.end is None and number in self.flows and not self.flows[number].accepted:
            self.over(number, flow, Failure.STOPPED)

    def refuse(self, number: int, flow: Flow) -> None:
        """Answer anything but the span that was asked for, or nothing."""
        start, end, total = flow.start.span.start, flow.start.span.end or 0, MIBS * MIB
        tag = ("etag", '"v0"')
        head = self.chance.choice([
            None,
            *(Head(status=status) for status in (403, 404, 410, 416, 429, 503)),
            Head(status=302, fields=(("location", "/elsewhere"),)),
            Head(status=200, fields=(tag, ("content-length", str(total)))),
            Head(status=206, fields=(("etag", '"v1"'), ("content-range", f"bytes {start}-{end - 1}/{total}"))),
            Head(status=206, fields=(tag, ("content-range", f"bytes {start}-{end - 2}/{total}"))),
        ])  # fmt: skip
        if head is not None:
            self.obey(self.machine.answered(number, head, 0.0))
            assert not flow.accepted
        self.over(number, flow, Failure.CLOSED if head is None else Failure.STOPPED)

    def over(self, number: int, flow: Flow, failure: Failure | None) -> None:
        self.machine.noted({one: other.taken for one, other in self.flows.items() if other.accepted})
        del self.flows[number]
        self.obey(self.machine.ended(number, Ending(failure), flow.taken))

    def commit(self) -> None:
        assert not self.flows, "what is not needed any more was ended"
        assert sorted(self.body) == list(range(MIBS * MIB // BLOCK)), "bytes are missing"
        assert len(set(self.body.values())) == 1, "two versions in one file"
        self.machine.committed()
        self.end = "committed"


def machine(split: SplitPolicy, *, pinned: bool) -> Download:
    artifact = Artifact(
        resource="thing", filename="file", url=URL, dest="file", digests=PIN if pinned else Digests(), size=MIBS * MIB
    )
    order = Order(artifact=artifact, sources=(Source(url=Url.parse(URL), origin=True),))
    policy = RetryPolicy(retries=4, backoff=0.1, budget=60.0)
    return Download(order, policy, random=lambda: 0.5, split=split)


@settings(max_examples=150, deadline=None)
@given(
    chance=st.randoms(use_true_random=False),
    trouble=st.sampled_from([0.0, 0.0, 0.01, 0.1, 0.5]),
    most=st.sampled_from([1, 2, 4, 16]),
    at_once=st.booleans(),
    held=st.sampled_from([0, 0, 1, 5]),
    edges=st.lists(st.integers(6, MIBS), unique=True, max_size=8),
    changes=st.booleans(),
)
def test_it_ends_whole_or_with_one_failure(  # noqa: PLR0917 - drawn by name
    chance: Random, trouble: float, most: int, at_once: bool, held: int, edges: list[int], changes: bool
) -> None:
    edges.sort()
    ahead = list(zip(edges[::2], edges[1::2], strict=False)) if held else []
    rules = machine(SplitPolicy(most=most, at_once=at_once, least=4 * MIB), pinned=False)
    world = World(rules, chance, trouble, changes)
    world.holds((0, held), *ahead)
    missing = MIBS * MIB - len(world.body) * BLOCK
    spans = [(start * MIB, end * MIB) for start, end in ahead]
    world.run(rules.begin(held * MIB, Validators('"v0"') if held else None, MIBS * MIB if held else None, spans))
    if not trouble:
        assert world.end == "committed"
        if not changes:
            assert world.brought == missing, "each missing byte comes once"


@settings(max_examples=100, deadline=None)
@given(
    chance=st.randoms(use_true_random=False),
    most=st.sampled_from([2, 3, 4, 16]),
    at_once=st.booleans(),
    pinned=st.booleans(),
    held=st.sampled_from([0, 0, 3]),
)
def test_what_one_connection_would_bring_comes_whatever_others_are_told(
    chance: Random, most: int, at_once: bool, pinned: bool, held: int
) -> None:
    """Links that work once, quotas, servers that know nothing of ranges: splitting never makes it worse."""
    rules = machine(SplitPolicy(most=most, at_once=at_once, least=4 * MIB), pinned=pinned)
    world = World(rules, chance, 0.0, changes=False, once=True)
    world.holds((0, held))
    world.run(rules.begin(held * MIB, Validators('"v0"') if held else None, MIBS * MIB if held else None))
    assert world.end == "committed"
    assert world.brought == (MIBS - held) * MIB, "nothing comes twice"
    assert world.asked <= (most if at_once else 3), "whoever refuses is not asked again"


@pytest.mark.parametrize("most", [1, 16])
def test_what_is_at_hand_is_not_asked_for(most: int) -> None:
    rules = machine(SplitPolicy(most=most, at_once=True, least=4 * MIB), pinned=True)
    world = World(rules, Random(1), 0.0, changes=False)
    world.holds((0, 1), (10, 20), (30, 31))
    world.run(rules.begin(MIB, Validators('"v0"'), MIBS * MIB, [(10 * MIB, 20 * MIB), (30 * MIB, 31 * MIB)]))
    assert world.end == "committed"
    assert world.brought == (MIBS - 12) * MIB
