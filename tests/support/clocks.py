"""A clock that runs as the real one does, and jumps over every pause that nobody else fills."""

from __future__ import annotations

import threading
import time


class LeapClock:
    """Timeouts are real, pauses are not: ``sleep`` moves the clock instead of waiting."""

    def __init__(self) -> None:
        self._leapt = 0.0
        self._lock = threading.Lock()
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return time.monotonic() + self._leapt

    def time(self) -> float:
        return 1_795_262_400.0 + self._leapt

    def random(self) -> float:
        return 0.5

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self._leapt += seconds
            self.slept.append(seconds)
