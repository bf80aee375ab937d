"""Relays in processes of their own."""

from __future__ import annotations

import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["Relay", "relayed"]


class Relay:
    """A relay that runs; see ``relay.py``."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.port = int(self._line().removeprefix("port "))

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the relay ended")
        return line.strip()

    def wait_for_mark(self, client: subprocess.Popen[bytes]) -> bool:
        """Wait until the mark is reached, or the client has ended: whether it is the mark."""
        assert self._process.stdout is not None
        while client.poll() is None:
            if select.select([self._process.stdout], [], [], 0.1)[0]:
                return self._line() == "mark"
        return False

    def end(self) -> int:
        """End it, if it runs; how many bytes went to clients."""
        assert self._process.stdout is not None
        self._process.terminate()
        try:
            said, _ = self._process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            said, _ = self._process.communicate()
        return next((int(line.split()[1]) for line in said.splitlines() if line.startswith("sent ")), 0)


@contextmanager
def relayed(to: int, *, trip: float = 0.0, cut: int = 0, mark: int = 0, port: int = 0) -> Iterator[Relay]:
    """A relay to a port of the loopback: round trips of ``trip`` seconds, cut or marked after so many bytes."""
    numbers = (port, to, trip, cut, mark)
    process = subprocess.Popen(
        [sys.executable, "-I", str(Path(__file__).with_name("relay.py")), *map(str, numbers)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Relay(process)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()
