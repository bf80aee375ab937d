"""What a command costs, measured from outside: wall clock, processor time and peak memory of its whole process tree."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Command", "Cost", "CostError", "measured"]

_LAUNCH = str(Path(__file__).with_name("launch.py"))
_BETWEEN_SAMPLES = 0.01
_MOST_SECONDS = 900.0


class CostError(Exception):
    """A command failed, or took too long; the message has what it said."""


@dataclass(frozen=True, slots=True)
class Command:
    """Something to run in a folder."""

    words: tuple[str, ...]
    folder: Path
    environment: Mapping[str, str]

    @property
    def shown(self) -> str:
        """As a user would type it."""
        return self.words[2] if self.words[:2] == ("sh", "-c") else " ".join(self.words)


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run took.

    ``memory`` is in bytes. It is that of the largest process, by the system's own count; where the run was ``watched``
    and several were there at once, it is the most that all had together, each page counted once, if that is more.
    """

    wall: float
    processor: float
    memory: int


def measured(command: Command, notes: Path, *, watched: bool = False) -> Cost:
    """Run a command and wait for it.

    ``notes`` is a folder for what it prints and what it cost. Watching looks at its processes a hundred times a second,
    which costs the time that it measures: for memory only.

    Raises:
        CostError: it ended with another code than 0, or ran for more than 15 minutes.
    """
    notes.mkdir(parents=True, exist_ok=True)
    result, said = notes / "cost", notes / "said"
    result.unlink(missing_ok=True)
    with said.open("wb") as out:
        launcher = subprocess.Popen(
            [sys.executable, "-I", "-S", _LAUNCH, str(result), *command.words],
            cwd=command.folder,
            env=dict(command.environment),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        together = 0
        try:
            if watched:
                together = _watch(launcher)
            launcher.wait(timeout=_MOST_SECONDS)
        except subprocess.TimeoutExpired:
            raise CostError(f"{command.shown}: not done after {_MOST_SECONDS:.0f} s") from None
        finally:
            _end(launcher)
    if not result.exists():
        raise CostError(f"{command.shown}: could not be run: {_last(said)}")
    wall, processor, kibibytes, code = result.read_text(encoding="ascii").split()
    if int(code):
        raise CostError(f"{command.shown}: ended with {code}: {_last(said)}")
    return Cost(float(wall), float(processor), max(int(kibibytes) * 1024, together))


def _end(launcher: subprocess.Popen[bytes]) -> None:
    """Nothing that was started here goes on: all of it is in one session."""
    if launcher.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(launcher.pid, signal.SIGKILL)
        launcher.wait()


def _last(said: Path) -> str:
    return said.read_bytes()[-600:].decode(errors="replace").strip()


def _watch(launcher: subprocess.Popen[bytes]) -> int:
    """The most memory that several processes below the launcher had at once; 0 where there was never more than one."""
    most = 0
    until = time.monotonic() + _MOST_SECONDS
    while launcher.poll() is None:
        if time.monotonic() > until:
            raise subprocess.TimeoutExpired(_LAUNCH, _MOST_SECONDS)
        processes = list(_below(launcher.pid))
        if len(processes) > 1:
            most = max(most, sum(_share(process) for process in processes))
        time.sleep(_BETWEEN_SAMPLES)
    return most


def _below(process: int) -> Iterator[int]:
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{process}/task"):
            children: Sequence[str] = ()
            with contextlib.suppress(OSError):
                children = Path(f"/proc/{process}/task/{task}/children").read_text(encoding="ascii").split()
            for child in map(int, children):
                yield child
                yield from _below(child)


def _share(process: int) -> int:
    """What a process has in memory, a page that several have being shared out among them."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0
