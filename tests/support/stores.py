"""A store with everything a run would hand in: a clock that stands still, and a reporter that remembers."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

from dlm.model.artifact import Blob, Validators
from dlm.model.digest import Digests
from dlm.model.events import Event, Warned
from dlm.store import hash_process, hashing
from dlm.store.local import LocalStore

__all__ = ["WAYS", "Heard", "StillClock", "a_store", "hashing_by", "put"]

WAYS = ("thread", "process", "itself")
"""Who hashes large bodies."""

_way = "thread"


@contextlib.contextmanager
def hashing_by(way: str) -> Iterator[None]:
    """Have the stores that are made meanwhile hash large bodies in one of :data:`WAYS`, however small they are."""
    global _way  # noqa: PLW0603 - for as long as the context lasts
    before = _way, hash_process.can_fork, hashing._ENOUGH
    _way = way
    # Test runners have threads, of which a child that only hashes needs nothing.
    hash_process.can_fork = lambda: True
    hashing._ENOUGH = 0
    try:
        yield
    finally:
        _way, hash_process.can_fork, hashing._ENOUGH = before


class StillClock:
    """A clock that only its owner moves."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now

    def random(self) -> float:
        return 0.5

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class Heard:
    """A reporter that keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._lock = threading.Lock()

    def emit(self, event: Event) -> None:
        with self._lock:
            self.events.append(event)

    @property
    def warnings(self) -> list[str]:
        """The messages of all warnings so far."""
        return [event.message for event in self.events if isinstance(event, Warned)]


def a_store(root: Path | str, heard: Heard | None = None, clock: StillClock | None = None) -> LocalStore:
    """A store in ``root``."""
    store = LocalStore(str(root), clock or StillClock(), heard or Heard(), own_process=_way == "process")
    store.hash_beside(allowed=_way != "itself")
    return store


def put(store: LocalStore, data: bytes, key: str | None = None, expected: Digests | None = None) -> Blob:
    """Put bytes into a store as a transfer would."""
    pin = expected if expected is not None else Digests.sha256_of(data)
    name = key or f"sha256:{Digests.sha256_of(data).sha256}"
    claim = store.claim(name)
    assert claim is not None
    with claim:
        writer = store.writer(name, pin, len(data))
        writer.begin(Validators(), len(data))
        writer.write(data, 0)
        return writer.commit(pin, len(data))
