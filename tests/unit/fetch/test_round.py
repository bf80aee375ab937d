"""Every order of a round is handed out once, to whichever process asks, however small a pipe the system gives."""

from __future__ import annotations

import os
import sys
from dataclasses import replace

import pytest

from dlm.fetch.round import Round
from dlm.model.artifact import Artifact
from dlm.model.digest import Digests
from dlm.model.transfer import Order, Source
from dlm.model.url import Url

COUNT = 5000


def order(number: int) -> Order:
    url = f"http://127.0.0.1/{number}"
    artifact = Artifact(
        resource="r", filename=str(number), url=url, dest=str(number), digests=Digests.sha256_of(b"%d" % number), size=1
    )
    return Order(artifact=artifact, sources=(Source(url=Url.parse(url)),), number=number)


def taken(round_: Round) -> list[int]:
    found: list[int] = []
    while (one := round_.next()) is not None:
        found.append(one.number)
    return found


@pytest.mark.parametrize("large", [False, True])
def test_what_is_shared_is_handed_out_once(large: bool) -> None:
    round_ = Round(COUNT, order, sizes=[2_000_000 if large else 1_000] * COUNT)
    first = round_.next()
    assert first is not None
    assert first.number == 0
    round_.share()
    assert sorted(taken(round_)) == list(range(1, COUNT))
    assert round_.reclaim(set()) == 0
    round_.close()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a pipe be made smaller")
def test_a_small_pipe_takes_larger_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has many pipes open gets pages where others get sixteen; nobody may wait for a reader there."""
    import fcntl

    made = os.pipe

    def small() -> tuple[int, int]:
        reading, writing = made()
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
        return reading, writing

    monkeypatch.setattr(os, "pipe", small)
    before = len(os.listdir("/proc/self/fd"))
    round_ = Round(COUNT, order, sizes=[2_000_000] * COUNT)
    round_.share()
    assert sorted(taken(round_)) == list(range(COUNT))
    round_.close()
    assert len(os.listdir("/proc/self/fd")) == before


class Mixed:
    """A round in which some files are no quick ones, and which of its orders were made."""

    def __init__(
        self, count: int, slow: set[int], missing: set[int] | None = None, *, again: int | None = None
    ) -> None:
        self.orders = [order(number) for number in range(count)]
        if again is not None:  # a file that is the first one once more
            self.orders[again] = replace(self.orders[again], artifact=self.orders[0].artifact)
        self._slow = {f"http://127.0.0.1/{number}" for number in slow}
        self._missing = missing or set()
        self.round = Round(
            count, self._make, artifacts=[one.artifact for one in self.orders], plain=self._plain, sizes=[1] * count
        )

    def _make(self, number: int) -> Order | None:
        return None if number in self._missing else self.orders[number]

    def _plain(self, artifact: Artifact, origin: str) -> bool:
        return artifact.url.startswith(f"{origin}/") and artifact.url not in self._slow

    def over(self) -> bool:
        return self.round.over

    def quick(self, most: int = 64) -> list[int]:
        return [number for number, _ in self.round.quick("http://127.0.0.1", most, lambda _: True)]

    def slow(self) -> int | None:
        made = self.round.slow()
        return None if made is None else made.number


def test_quick_ones_go_up_to_the_first_that_has_to_be_an_order() -> None:
    mixed = Mixed(10, {3, 4})
    assert mixed.round.has_quick
    assert mixed.quick(2) == [0, 1]
    assert mixed.quick() == [2]
    assert mixed.quick() == []  # nobody goes before that one
    assert mixed.slow() == 3
    assert mixed.slow() is None
    assert mixed.quick() == []
    assert mixed.slow() == 4
    assert mixed.quick() == [5, 6, 7, 8, 9]
    assert mixed.over()
    assert mixed.quick() == []
    assert mixed.round.next() is None


def test_one_digest_is_quick_once_at_a_time() -> None:
    mixed = Mixed(4, set(), again=2)
    assert mixed.quick() == [0, 1]
    assert mixed.slow() == 2
    assert mixed.quick() == [3]


def test_what_does_not_fit_is_an_order() -> None:
    mixed = Mixed(3, set())
    assert mixed.round.quick("http://127.0.0.1", 64, lambda _: False) == []
    assert mixed.slow() == 0
    assert mixed.round.quick("http://other.example", 64, lambda _: True) == []
    assert mixed.slow() == 1


def test_what_was_passed_over_is_an_order_and_comes_before_others() -> None:
    mixed = Mixed(6, set(), {1})
    assert mixed.quick(3) == [0, 1, 2]
    assert not mixed.over()
    for number in (0, 1, 2):
        mixed.round.pass_over(number)
    assert mixed.quick() == []
    assert taken(mixed.round) == [0, 2, 3, 4, 5]  # there is none for that one
    assert mixed.over()


def test_an_order_that_is_made_already_comes_first() -> None:
    orders = [order(number) for number in range(3)]
    artifacts = [one.artifact for one in orders]
    round_ = Round(3, orders.__getitem__, orders[0], 1, artifacts=artifacts, plain=lambda *_: True)
    assert round_.quick("http://127.0.0.1", 64, lambda _: True) == []
    assert taken(round_) == [0, 1, 2]


def test_quick_ones_are_shared_and_come_back() -> None:
    mixed = Mixed(COUNT, {COUNT - 1})
    mixed.round.share()
    mine = mixed.quick(100)
    mixed.round.pass_over(mine[-1])
    pid = os.fork()
    if pid == 0:  # takes all of the rest, and says nothing of it
        while mixed.quick() or mixed.slow() is not None:
            pass
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    assert mixed.slow() == mine[-1]
    rest = mixed.quick(COUNT)  # of the batch that this process had begun
    assert mixed.over()
    done = set(range(1000, 2000)) - {*mine, *rest}
    assert mixed.round.reclaim(done) == COUNT - len({*mine, *rest} | done)
    assert not mixed.over()
    found = mixed.quick(COUNT)
    assert mixed.slow() == COUNT - 1
    assert sorted([*mine, *rest, *done, *found]) == list(range(COUNT - 1))
    assert mixed.quick() == []
    assert mixed.over()
    mixed.round.close()
