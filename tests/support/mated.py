"""A process of its own that fetches a round, and may fork a second one for it: ``python -m tests.support.mated``.

The files of a round are ``BASE/0`` and so on, each with the bytes that :func:`body` says.
"""

from __future__ import annotations

import argparse
import json
import sys

from dlm.cli.clock import SystemClock
from dlm.fetch.fetcher import HttpFetcher
from dlm.fetch.round import Round
from dlm.model.artifact import Artifact
from dlm.model.digest import Digests
from dlm.model.events import Event
from dlm.model.settings import Settings
from dlm.model.transfer import Arrived, Carried, Order, Source
from dlm.model.url import Url
from dlm.ports import Clock, Orders
from dlm.store.local import LocalStore

AFTER = 20
"""So many files are fetched before the second process begins."""


def body(number: int) -> bytes:
    """What a file holds."""
    return b"%d " % number * (number % 700 + 1)


def order(base: str, number: int) -> Order:
    """The order for a file."""
    data = body(number)
    name = str(number)
    url = f"{base}/{number}"
    artifact = Artifact(
        resource=name, filename=name, url=url, dest=name, digests=Digests.sha256_of(data), size=len(data)
    )
    return Order(artifact=artifact, sources=(Source(url=Url.parse(url)),), bare=True)


class Eager:
    """Takes a second process as soon as there is something to share."""

    def __init__(self, clock: Clock, jobs: int) -> None:
        self._possible = jobs > 1

    def decide(self, fetched: int, orders: Orders) -> bool:
        return self._possible and fetched >= AFTER and orders.left > 0


class Quiet:
    """Hears nothing."""

    def emit(self, event: Event) -> None:
        pass


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("base")
    parser.add_argument("cache")
    parser.add_argument("count", type=int)
    parser.add_argument("--alone", action="store_true")
    parser.add_argument("--jobs", type=int, default=16)
    parser.add_argument("--retries", type=int, default=0)
    given = parser.parse_args()
    settings = Settings(retries=given.retries, retry_backoff=0.01, jobs=given.jobs, jobs_per_host=given.jobs)
    clock = SystemClock()
    store = LocalStore(given.cache, clock, Quiet())
    fetcher = HttpFetcher(settings, clock, Quiet(), version="0", mates=None if given.alone else Eager)
    numbers: dict[int, int] = {}

    def make(number: int) -> Order:
        one = order(given.base, number)
        numbers[id(one)] = number
        return one

    own: list[int] = []
    mates: list[int] = []
    lost: dict[int, str] = {}
    for outcome in fetcher.fetch_round(Round(given.count, make), store):
        if isinstance(outcome, Carried):
            assert outcome.blob.digests == Digests.sha256_of(body(outcome.number))
            mates.append(outcome.number)
        elif isinstance(outcome, Arrived):
            own.append(numbers[id(outcome.order)])
        else:
            lost[numbers[id(outcome.order)]] = f"{type(outcome.error).__name__}: {outcome.error.message}"
    store.close()
    json.dump({"own": own, "mates": mates, "lost": lost}, sys.stdout)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
