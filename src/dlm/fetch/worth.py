"""Whether a second process is worth what it costs: ``Worth``."""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dlm.ports import Clock, Orders

__all__ = ["Worth"]

#: Files that have to be fetched before there is a judgement, and then twice as many each time.
_FIRST = 200
#: Files that have to be left.
_ENOUGH = 400
#: Large files, and bytes of these together, that are worth it from the beginning: on a slow network a second process
#: does no harm, and when a fast one is known for one, much of them is here.
_LARGE, _VOLUME = 4, 64 * 1024 * 1024
#: The share of the time that this process was at work itself.
_BUSY = 0.7


class Worth:
    """Judges whether a mate is worth its cost.

    Args:
        jobs: exchanges that are allowed at once.
    """

    def __init__(self, clock: Clock, jobs: int) -> None:
        self._clock = clock
        self._possible = (
            jobs > 1
            and sys.platform == "linux"
            and len(os.sched_getaffinity(0)) > 1
            # A child has this thread alone, and may wait for ever for what another one holds.
            and threading.active_count() == 1
        )
        self._next = _FIRST
        self._begun = clock.monotonic()
        self._worked = time.process_time()

    def decide(self, fetched: int, orders: Orders) -> bool:
        """Whether to begin, after ``fetched`` files of ``orders``."""
        if not self._possible or (fetched and fetched < self._next):
            return False
        large, volume = orders.large
        if not fetched:
            return large >= _LARGE and volume >= _VOLUME
        left = orders.left
        self._next *= 2
        if left < _ENOUGH or threading.active_count() > 1:
            return False
        took = self._clock.monotonic() - self._begun
        return time.process_time() - self._worked >= _BUSY * took
