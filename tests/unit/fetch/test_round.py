"""Every order of a round is handed out once, to whichever process asks, however small a pipe the system gives."""

from __future__ import annotations

import os
import sys

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
