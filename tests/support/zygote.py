"""Real processes that die at a chosen moment: a parent that has everything imported, forking a child for each command.

A child counts the calls that it makes, Python's and C's alike, in every thread, and kills itself with SIGKILL at the
n-th: so a moment between a write and the rename behind it is as likely as any other, and no clock decides.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from tests.support.cli import Desk
from tests.support.processes import Program, start

__all__ = ["Ended", "Zygote", "zygote"]

_CODE = """
    import itertools, json, os, signal, sys, threading, traceback
    import dlm.cli.cache, dlm.cli.fetch, dlm.cli.lock, dlm.cli.sync, dlm.cli.host, dlm.workflows.prune
    import dlm.documents.manifest_yaml, dlm.fetch.fetcher, dlm.fetch.curl_backend, dlm.store.local, sqlite3
    from dlm.cli.main import run

    def child(order, tell):
        os.environ.clear()
        os.environ.update(order["environment"])
        os.chdir(order["cwd"])
        into = os.open(order["said"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(into, 1)
        os.dup2(into, 2)
        calls, limit, me = itertools.count(1), order["kill_at"] or 0, os.getpid()
        def count(frame, event, argument):
            if event in ("call", "c_call") and next(calls) == limit:
                os.kill(me, signal.SIGKILL)
        threading.setprofile(count)
        sys.setprofile(count)
        code = run(order["arguments"])
        sys.setprofile(None)
        sys.stdout.flush(); sys.stderr.flush()
        os.write(tell, b"%d %d" % (code, next(calls)))

    for line in sys.stdin:
        hear, tell = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                child(json.loads(line), tell)
            except BaseException:
                traceback.print_exc()
                sys.stderr.flush()
            finally:
                os._exit(0)
        os.close(tell)
        told = os.read(hear, 100).split()
        os.close(hear)
        _, status = os.waitpid(pid, 0)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        print(json.dumps([killed, *map(int, told or (-1, 0))]), flush=True)
"""


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes:
        killed: whether it was; else ``code`` is its exit code.
        calls: how many calls it made, if it was not killed.
        said: what it printed.
    """

    killed: bool
    code: int
    calls: int
    said: str


class Zygote:
    """The parent."""

    def __init__(self, program: Program, desk: Desk) -> None:
        self._program = program
        self._desk = desk

    def run(self, arguments: Sequence[str], *, kill_at: int | None = None) -> Ended:
        """Run a command in the desk's project, to its end or to the n-th call that it makes."""
        said = self._desk.base / "said"
        order = {
            "arguments": list(arguments),
            "environment": self._desk.environment(),
            "cwd": str(self._desk.root),
            "said": str(said),
            "kill_at": kill_at,
        }
        self._program.tell(json.dumps(order))
        killed, code, calls = json.loads(self._program.line())
        return Ended(killed, code, calls, said.read_text(encoding="utf-8"))


@contextmanager
def zygote(desk: Desk) -> Iterator[Zygote]:
    """A parent for the commands of one desk."""
    with start(_CODE) as program:
        yield Zygote(program, desk)
