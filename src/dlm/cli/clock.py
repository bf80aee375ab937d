"""The real clock."""

from __future__ import annotations

import time

__all__ = ["SystemClock"]


class SystemClock:
    """``dlm.ports.Clock`` from the operating system."""

    def monotonic(self) -> float:
        """Seconds that only grow."""
        return time.monotonic()

    def time(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def random(self) -> float:
        """From 0 to below 1; jitter needs no cryptography."""
        import random  # only where something is tried again: it brings hashes and distributions with it

        return random.random()  # noqa: S311

    def sleep(self, seconds: float) -> None:
        """Let ``seconds`` pass."""
        time.sleep(seconds)
