"""Transfers while they run: bars on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable

from dlm.cli.console import human_size, human_speed
from dlm.model import events

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

    from rich.progress import Progress, TaskID

__all__ = ["BarMeter", "LineMeter"]

_TICK = 30.0
_SHOWN = 8
_WORTH_A_BAR = 1 << 20


class LineMeter:
    """For pipes and CI logs: a line when fetching begins, one each 30 seconds, one for each large file at its end."""

    def __init__(self, monotonic: Callable[[], float], out: TextIO | None = None) -> None:
        self._monotonic = monotonic
        self._out = out or sys.stderr
        self._begun = False
        self._last = 0.0
        self._done = 0
        self._bytes = 0
        self._running: dict[tuple[str, str], int] = {}

    def show(self, event: events.Event) -> None:
        """Take note, and speak where it is time to."""
        # In the order of how many there are, and by attribute: ``match`` takes three times as long for each.
        if isinstance(event, events.Fetched):
            self._running.pop((event.resource, event.filename), None)
            self._done += 1
            self._bytes += event.transferred
            if event.transferred >= _WORTH_A_BAR:
                speed = human_speed(event.transferred, event.seconds)
                self._write(f"  {event.resource}  {human_size(event.size)}  {speed}")
            self._tick()
        elif isinstance(event, events.Fetching):
            if not event.resource:
                return  # a listing, which is read in a moment
            self._running[event.resource, event.filename] = event.offset
            self._begin()
        elif isinstance(event, events.Progress):
            if event.resource:
                self._running[event.resource, event.filename] = event.received
                self._tick()
        elif isinstance(event, events.Resolving):
            self._write(f"Resolving {event.count} selector{'' if event.count == 1 else 's'} …")

    def count(self, files: int, size: int) -> None:
        """So many small files came, with so many bytes together."""
        self._done += files
        self._bytes += size
        self._begin()
        self._tick()

    def close(self) -> None:
        """Nothing is left behind."""

    def _begin(self) -> None:
        if not self._begun:
            self._begun, self._last = True, self._monotonic()
            self._write("Fetching …")

    def _tick(self) -> None:
        if not self._begun:
            return  # the cache or a 304 answered for everything so far
        now = self._monotonic()
        if now - self._last >= _TICK:
            self._last = now
            received = self._bytes + sum(self._running.values())
            self._write(f"… {self._done} fetched, {len(self._running)} running, {human_size(received)}")

    def _write(self, line: str) -> None:
        self._out.write(f"{line}\n")
        self._out.flush()


class BarMeter:
    """For a terminal: a total, and a bar for each of the largest transfers that run."""

    def __init__(self) -> None:
        self._progress: Progress | None = None
        self._total: TaskID | None = None
        self._bars: dict[tuple[str, str], TaskID] = {}
        self._received: dict[tuple[str, str], int] = {}
        self._sizes: dict[tuple[str, str], int] = {}
        self._sum_received = 0
        self._sum_sizes = 0

    def show(self, event: events.Event) -> None:
        """Move the bars."""
        match event:
            case events.Fetching("") | events.Progress(""):
                pass  # a listing, which is read in a moment
            case events.Fetching(resource, filename, _, size, offset):
                self._open()
                key = (resource, filename)
                self._count(key, offset, size)
                if size is not None and size >= _WORTH_A_BAR and len(self._bars) < _SHOWN and self._progress:
                    self._bars[key] = self._progress.add_task(resource, total=size, completed=offset)
            case events.Progress(resource, filename, received, size):
                key = (resource, filename)
                self._count(key, received, size)
                if key in self._bars and self._progress:
                    self._progress.update(self._bars[key], completed=received, total=size)
            case events.Fetched(resource, filename, size, _, _, _):
                key = (resource, filename)
                self._count(key, size, size)
                if key in self._bars and self._progress:
                    self._progress.remove_task(self._bars.pop(key))
            case _:
                pass

    def count(self, files: int, size: int) -> None:
        """So many small files came, with so many bytes together."""
        self._open()
        self._sum_received += size
        self._sum_sizes += size
        self._move_total()

    def close(self) -> None:
        """Take the bars away; a cut run leaves the terminal clean."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None
            self._bars.clear()

    def _open(self) -> None:
        if self._progress is not None:
            return
        from rich.console import Console as RichConsole
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(binary_units=True),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=RichConsole(stderr=True),
            transient=True,
        )
        self._progress.start()
        self._total = self._progress.add_task("total", total=None)

    def _count(self, key: tuple[str, str], received: int, size: int | None) -> None:
        self._sum_received += received - self._received.get(key, 0)
        self._received[key] = received
        if size is not None:
            self._sum_sizes += size - self._sizes.get(key, 0)
            self._sizes[key] = size
        self._move_total()

    def _move_total(self) -> None:
        if self._progress is not None and self._total is not None:
            self._progress.update(self._total, completed=self._sum_received, total=self._sum_sizes or None)
