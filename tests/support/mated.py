"""A process of its own that fetches a round, and may fork a second one for it: ``python -m tests.support.mated``.

The files of a round are ``BASE/0`` and so on, each with the bytes that :func:`body` says.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from pathlib import Path

from dlm.cli.clock import SystemClock
from dlm.fetch.fetcher import HttpFetcher
from dlm.fetch.round import Round
from dlm.model.artifact import Artifact, Blob
from dlm.model.digest import Digests
from dlm.model.events import Event, Fetched, Fetching, Warned
from dlm.model.settings import Settings
from dlm.model.transfer import Carried, Lost, Order, Source
from dlm.model.url import Url
from dlm.ports import Orders
from dlm.signals import Insisting
from dlm.store.local import LocalStore

LARGE = 1_500_000
"""Bytes of a large file, more or less."""


def body(number: int, *, large: bool = False) -> bytes:
    """What a file holds."""
    if large:
        return b"%6d\n" % number * (LARGE // 7 + number * 1000)
    return b"%d " % number * (number % 700 + 1)


def an_order(base: str, number: int, *, large: bool = False) -> Order:
    """The order for a file."""
    data = body(number, large=large)
    name = str(number)
    url = f"{base}/{number}"
    artifact = Artifact(
        resource=name, filename=name, url=url, dest=name, digests=Digests.sha256_of(data), size=len(data)
    )
    return Order(
        artifact=artifact,
        sources=(Source(url=Url.parse(url)),),
        bare=True,
        spare=0o644 if large else None,
        number=number,
    )


def eager(orders: Orders, jobs: int) -> bool:
    """Takes a second process wherever there is something to share."""
    return jobs > 1 and orders.left > 0


class Last:
    """Interrupts this process when it goes, where Python can only say that it ignores an exception."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)


class Ear:
    """Remembers what was said of which file."""

    def __init__(self, *, losing: bool = False) -> None:
        self.heard: dict[str, list[str]] = {}
        self._losing = losing

    def emit(self, event: Event) -> None:
        if self._losing and isinstance(event, Fetching):
            self._losing = False
            Last()
        if isinstance(event, Fetching | Fetched | Warned):
            self.heard.setdefault(type(event).__name__, []).append(event.resource or "")


def interrupt_behind_forks() -> None:
    """Interrupt this process while it forks, and holds interrupts back."""
    fork = os.fork

    def interrupted() -> int:
        pid = fork()
        if pid:
            os.kill(os.getpid(), signal.SIGINT)
        return pid

    os.fork = interrupted


def is_spare(blob: Blob) -> bool:
    """Whether a blob has a spare, with the same bytes."""
    if blob.spare is None:
        return False
    assert Path(blob.spare.path).read_bytes() == Path(blob.path).read_bytes()
    return True


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("base")
    parser.add_argument("cache")
    parser.add_argument("count", type=int)
    parser.add_argument("--alone", action="store_true")
    parser.add_argument("--jobs", type=int, default=16)
    parser.add_argument("--retries", type=int, default=0)
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--interrupted", action="store_true", help="by a signal that waits until the fork is over")
    parser.add_argument("--orders", action="store_true", help="no file takes a lane")
    parser.add_argument("--losing", action="store_true", help="interrupted where no exception gets out")
    given = parser.parse_args()
    ear = Ear(losing=given.losing)
    settings = Settings(
        retries=given.retries, retry_backoff=0.01, backend=given.backend, jobs=given.jobs, jobs_per_host=given.jobs
    )
    clock = SystemClock()
    store = LocalStore(given.cache, clock, ear, own_process=not given.alone)
    fetcher = HttpFetcher(settings, clock, ear, version="0", mates=None if given.alone else eager)
    if given.interrupted:
        interrupt_behind_forks()
    made: set[int] = set()

    def make(number: int) -> Order:
        made.add(number)  # of what a child makes, this process hears nothing
        return an_order(given.base, number, large=given.large)

    own: list[int] = []
    mates: list[int] = []
    lost: dict[int, str] = {}
    spares = transferred = 0
    sizes = [len(body(number, large=True)) for number in range(given.count)] if given.large else []
    artifacts = [an_order(given.base, number, large=given.large).artifact for number in range(given.count)]

    def plain(artifact: Artifact, origin: str) -> bool:
        made.add(int(artifact.filename))
        return not given.large and not given.orders and artifact.url.startswith(f"{origin}/")

    round_ = Round(given.count, make, sizes=sizes, artifacts=artifacts, plain=plain)
    for outcome in fetcher.fetch_round(round_, store):
        if isinstance(outcome, Lost):
            lost[outcome.order.number] = f"{type(outcome.error).__name__}: {outcome.error.message}"
            continue
        if isinstance(outcome, Carried):
            transferred += outcome.transferred
            arrived = list(zip(outcome.numbers, outcome.blobs, strict=True))
        else:
            transferred += outcome.receipt.transferred
            arrived = [(outcome.order.number, outcome.blob)]
        for number, blob in arrived:
            assert blob.digests == Digests.sha256_of(body(number, large=given.large))
            spares += is_spare(blob)
            (own if number in made else mates).append(number)
    store.close()
    found = {"own": own, "mates": mates, "lost": lost, "spares": spares, "transferred": transferred, "heard": ear.heard}
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    try:
        with Insisting(KeyboardInterrupt):
            main()
    except KeyboardInterrupt:
        sys.exit(130)
