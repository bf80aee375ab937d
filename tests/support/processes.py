"""Real processes for races and kills: small programs that say lines, and take ``kill -9``.

Nothing here waits for a clock. A program says a line when it has come somewhere; the test reads the line and goes on.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

__all__ = ["Program", "give_up_privileges", "run", "start"]

_ROOT = Path(__file__).resolve().parents[2]


class Program:
    """A Python program that runs now."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def line(self) -> str:
        """The next line that it says, without its end; ``""`` when it says no more."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().rstrip("\n")

    def tell(self, text: str) -> None:
        """Say a line to it."""
        assert self._process.stdin is not None
        self._process.stdin.write(text + "\n")
        self._process.stdin.flush()

    def kill(self) -> None:
        """``kill -9``, and wait for the end."""
        self._process.kill()
        self.close()

    def end(self) -> str:
        """What else it says until its end, which must be a good one."""
        rest, _ = self._process.communicate()
        assert self._process.returncode == 0, f"the program ended with {self._process.returncode}"
        return rest

    def close(self) -> None:
        """Make sure that it is gone."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
        with contextlib.suppress(ValueError):  # communicate() has closed the pipes already
            self._process.communicate()


@contextlib.contextmanager
def start(code: str, *arguments: str | Path) -> Iterator[Program]:
    """Run a program as ``python -c``; ``sys.argv[1:]`` are the arguments. It can import dlm and tests."""
    environment = dict(os.environ)
    environment["PYTHONPATH"] = os.pathsep.join([str(_ROOT), str(_ROOT / "src")])
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        text=True,
    )
    program = Program(process)
    try:
        yield program
    finally:
        program.close()


def run(code: str, *arguments: str | Path) -> str:
    """Run a program to its good end; what it said."""
    with start(code, *arguments) as program:
        return program.end()


def give_up_privileges() -> None:
    """Make file modes count for root as they do for everybody else; to be called by a program that ends soon.

    On Linux root passes modes by through capabilities, which a process can drop. Elsewhere tests are not run as root.
    """
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        return
    version, words = 0x20080522, 6  # _LINUX_CAPABILITY_VERSION_3: two sets of effective, permitted, inheritable
    header = (ctypes.c_uint32 * 2)(version, 0)
    nothing = (ctypes.c_uint32 * words)()
    if ctypes.CDLL(None, use_errno=True).capset(header, nothing) != 0:
        raise OSError(ctypes.get_errno(), "capset")
