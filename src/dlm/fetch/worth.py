"""Whether a second process is worth what it costs: ``Worth``."""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dlm.ports import Clock

__all__ = ["Worth"]

#: Files that have to be fetched before there is a judgement, and then twice as many each time.
_FIRST = 200
#: Files that have to be left.
_ENOUGH = 400
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

    def decide(self, fetched: int, left: int) -> bool:
        """Whether to begin, after ``fetched`` files, with ``left`` to go."""
        if not self._possible or fetched < self._next:
            return False
        self._next *= 2
        if left < _ENOUGH or threading.active_count() > 1:
            return False
        took = self._clock.monotonic() - self._begun
        return time.process_time() - self._worked >= _BUSY * took
