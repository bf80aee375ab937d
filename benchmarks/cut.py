"""A large file cut off at nine tenths: how many bytes come over the wire when the same command is given again?"""

from __future__ import annotations

import os
import signal
import subprocess
from dataclasses import dataclass

from benchmarks.arena import Arena
from benchmarks.files import Served, check
from benchmarks.measure import Command, CostError, measured
from benchmarks.relayed import Relay, relayed
from benchmarks.subject import Subject
from benchmarks.workloads import CUT_AT, CUT_SIZE, Way

__all__ = ["Cut", "cut"]

_MOST_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Cut:
    """Shares of the file's size that went to the client, in the first run and in the second."""

    subject: str
    killed: bool
    first: float
    second: float

    @property
    def how(self) -> str:
        """What happened to the first run."""
        return "dlm killed (SIGKILL)" if self.killed else "connection cut, and the server gone"


def cut(arena: Arena) -> list[Cut]:
    """Both ways to be cut off, for each dlm.

    * The server closes every connection in good order, and is gone: dlm gives up.
    * dlm is killed while the bytes go on coming: what the kernel held for it is lost too.

    Raises:
        CostError: the second run fails, or the first one does not.
        SystemExit: the file is not what is served.
    """
    return [_cut(arena, subject, killed=killed) for subject in arena.subjects for killed in (False, True)]


def _cut(arena: Arena, subject: Subject, *, killed: bool) -> Cut:
    served = arena.served(Way.PLAIN, 1, CUT_SIZE)
    documents = arena.documents(served, 1, CUT_SIZE)
    limit = int(CUT_SIZE * CUT_AT)
    with arena.fresh() as folder:
        with relayed(arena.origin.plain, cut=0 if killed else limit, mark=limit if killed else 0) as relay:
            base = arena.at(relay.port, 1, CUT_SIZE)
            command = subject.command(folder, documents.moved(served.base, base, None))
            _run_into_the_cut(command, relay if killed else None)
            first = relay.end()
            port = relay.port
        with relayed(arena.origin.plain, port=port) as relay:
            measured(command, arena.notes())
            second = relay.end()
        check(folder / "project" / "files", Served(base, served.sha256))
    return Cut(subject.name, killed, first / CUT_SIZE, second / CUT_SIZE)


def _run_into_the_cut(command: Command, marked: Relay | None) -> None:
    """Run until the server is gone, or with a relay that makes a mark until that."""
    process = subprocess.Popen(
        command.words,
        cwd=command.folder,
        env=dict(command.environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        if marked is not None:
            if not marked.wait_for_mark(process):
                raise CostError(f"{command.shown}: ended before it could be killed")
        elif process.wait(timeout=_MOST_SECONDS) == 0:
            raise CostError(f"{command.shown}: succeeded though it was cut off")
    except subprocess.TimeoutExpired:
        raise CostError(f"{command.shown}: does not give up") from None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
