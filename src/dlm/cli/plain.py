"""A plain ``dlm sync``: read by hand, since a parser of command lines costs a quarter of the start.

Only what it knows in full is read here; anything else, and every mistake, is left to the ordinary way, which leads to
the same ``dlm.cli.syncing.sync``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

__all__ = ["plain_sync"]

#: The flags that are read here, with the names that the ordinary way has for them.
_FLAGS = {
    "--locked": "locked",
    "--frozen": "frozen",
    "--offline": "offline",
    "--inexact": "inexact",
    "--force": "force",
    "--check": "check",
    "--dry-run": "dry_run",
    "--keep-going": "keep_going",
    "-q": "quiet",
    "--quiet": "quiet",
    "-v": "verbose",
    "--verbose": "verbose",
}
_GROUP = "--group"
#: Variables that stand for options, and the one by which a shell asks for completions: the ordinary way reads them.
_ELSEWHERE = (
    "DLM_COLOR",
    "DLM_FORMAT",
    "DLM_FROZEN",
    "DLM_INEXACT",
    "DLM_KEEP_GOING",
    "DLM_LOCKED",
    "DLM_MANIFEST",
    "DLM_OFFLINE",
    "DLM_PROGRESS",
    "DLM_QUIET",
    "DLM_VERBOSE",
    "_DLM_COMPLETE",
)


def plain_sync(arguments: Sequence[str], environment: Mapping[str, str]) -> int | None:
    """Carry out a ``dlm sync`` whose options are all known here.

    Args:
        arguments: the command line behind ``dlm``.
        environment: the process's environment.

    Returns:
        The exit code; None where the ordinary way has to read the command line, and nothing was done.
    """
    read = _read(arguments)
    if read is None or any(name in environment for name in _ELSEWHERE):
        return None
    given, groups = read
    try:
        return _sync(given, groups)
    except (EOFError, KeyboardInterrupt):
        # Before or after the work, which has its own words for it.
        sys.stderr.write("\nerror: interrupted\n")
        return 130
    except BrokenPipeError:
        # Whoever read what is said has left, and Python would complain again when it flushes at exit.
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except BrokenPipeError:
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return 1


def _read(arguments: Sequence[str]) -> tuple[frozenset[str], tuple[str, ...]] | None:
    """The flags by name and the groups that a command line has; None where it has anything else."""
    if not arguments or arguments[0] != "sync":
        return None
    given: set[str] = set()
    groups: list[str] = []
    words = iter(arguments[1:])
    for word in words:
        if word == _GROUP:
            group = next(words, "-")
            if group.startswith("-"):
                return None
            groups.append(group)
        elif word in _FLAGS:
            given.add(_FLAGS[word])
        else:
            return None
    return frozenset(given), tuple(groups)


def _sync(given: frozenset[str], groups: tuple[str, ...]) -> int:
    from dlm.cli.border import Border, Common, Switch, finish
    from dlm.cli.syncing import sync
    from dlm.workflows.sync import SyncWish

    switches = {name: Switch(True, f"--{name.replace('_', '-')}") for name in given}
    border = Border.around("sync", Common(quiet="quiet" in given, verbose="verbose" in given, switches=switches))
    wish = SyncWish(
        groups=groups,
        inexact="inexact" in given,
        force="force" in given,
        check="check" in given,
        dry_run="dry_run" in given,
        keep_going="keep_going" in given,
    )
    return finish(border, lambda: sync(border, wish))
