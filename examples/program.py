"""dlm from a program: the verbs of the command line as functions, typed, with errors that say what to do.

Run it in a project that has a manifest: ``python examples/program.py PROJECT``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import dlm
from dlm.errors import Failures, IntegrityError, StaleError


def prepare(project: Path) -> dict[str, Path]:
    """Bring a project's tree up to date, and say where each resource is."""
    try:
        report = dlm.sync(project, locked=True)
    except StaleError:
        # Somebody edited the manifest: pin what is new, and place it.
        dlm.lock(project)
        report = dlm.sync(project)
    for shown in report.placed:
        print(f"{shown.dest} ({shown.mode})")
    names = sorted({shown.resource for shown in report.placed})
    return {name: dlm.path(name, project) for name in names}


def main(arguments: list[str]) -> int:
    """Say what was prepared, or why it could not be."""
    project = Path(arguments[0] if arguments else ".")
    try:
        for name, path in prepare(project).items():
            print(f"{name}: {path}")
    except IntegrityError as error:
        print(f"wrong bytes: {error}", file=sys.stderr)
        return 4
    except dlm.DlmError as error:
        for one in error.errors if isinstance(error, Failures) else (error,):
            print(f"{one}; {one.hint or ''}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
