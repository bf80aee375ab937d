"""A process of its own that places many files, and may fork a second one for it: ``python -m tests.support.placed``.

What it places is the same each time, as :func:`wanted` says; it prints what came of it.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable

from dlm.errors import DlmError
from dlm.signals import Insisting
from tests.support.projects import Project

COUNT = 700
#: One of those that a second process makes.
LATE = 690


def name_of(number: int) -> str:
    """Where a file is placed."""
    return f"data/{number % 7}/{'deep/' * (number % 3)}{number}.bin"


def body_of(number: int) -> bytes:
    """What a file holds; some are large, one is empty."""
    return b"%d\n" % number * (number * (300 if number % 100 == 50 else 1))


def wanted() -> dict[str, bytes]:
    """All that is placed."""
    return {name_of(number): body_of(number) for number in range(COUNT)}


def behind_forks(act: Callable[[int], None]) -> list[int]:
    """Have something done in the parent behind each fork; the children come into the list."""
    fork, children = os.fork, list[int]()

    def forked() -> int:
        pid = fork()
        if pid:
            children.append(pid)
            act(pid)
        return pid

    os.fork = forked
    return children


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("base")
    parser.add_argument("--alone", action="store_true")
    parser.add_argument("--link", default="auto")
    parser.add_argument("--then", default="", help="what becomes of whom behind the fork: child, parent, interrupt")
    parser.add_argument("--without", type=int, default=-1, help="the number of a file whose blob is gone")
    given = parser.parse_args()
    project = Project(given.base)
    if given.without >= 0:
        put = project.blob

        def lose(data: bytes) -> object:
            blob = put(data)
            if data == body_of(given.without):
                os.unlink(blob.path)
            return blob

        project.blob = lose  # type: ignore[method-assign, assignment]

    def act(pid: int) -> None:
        if given.then == "child":
            os.kill(pid, signal.SIGKILL)
        elif given.then == "parent":
            os.kill(os.getpid(), signal.SIGKILL)
        elif given.then == "interrupt":
            os.kill(os.getpid(), signal.SIGINT)

    children = behind_forks(act)
    found: dict[str, object] = {"error": None, "placements": []}
    try:
        done = project.sync(wanted(), link=given.link, executable=False, forks=not given.alone)
        found["placements"] = [[one.dest, one.sha256, one.mode, one.size] for one in done.placements]
        found["looks"] = all(
            (one.mtime_ns, one.inode) == ((seen := os.lstat(project.root / one.dest)).st_mtime_ns, seen.st_ino)
            for one in done.placements
        )
        found["folders"] = list(done.folders)
        found["errors"] = [error.message for error in done.errors]
    except DlmError as error:
        found["error"] = error.message
    project.store.close()
    found["children"] = len(children)
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    try:
        with Insisting(KeyboardInterrupt):
            main()
    except KeyboardInterrupt:
        sys.exit(130)
