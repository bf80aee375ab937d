"""``dlm init``."""

from __future__ import annotations

import os
import sys

import click

from dlm.cli.command import Border, Result, command
from dlm.cli.files import write_atomically
from dlm.errors import UsageError

__all__ = ["init"]

_MANIFEST = """\
# What this project needs from elsewhere. `dlm lock` pins it in downloads.lock; `dlm sync` fetches and places it.
version: 1
resources: []
# `dlm add URL` adds to this list. By hand, write lines like these (the first takes the place of []):
#  - https://example.org/data/iris.csv        # a URL
#  - python:3.13.*:source-release:xz          # a selector: the newest CPython 3.13 source
#  - name: model                              # the long form
#    url: https://example.org/model.bin
#    sha256: …                                # optional: pin it yourself
#    dest: data/                              # a folder ends in /
"""
_IGNORED = ".dlm-*.tmp"


@command("init")
@click.option("--gitignore/--no-gitignore", default=None, help="Add dlm's lines to .gitignore, or do not ask.")
def init(border: Border, *, gitignore: bool | None) -> Result:
    """Begin a manifest: downloads.yaml in the current folder.

    Commit downloads.yaml and downloads.lock. What dlm places can be ignored by version control: the lockfile brings
    it back.

    \b
    Examples:
      dlm init
      dlm init -C sub/project
    """
    folder = border.directory
    path = os.path.join(folder, border.manifest or "downloads.yaml")
    for name in (path, os.path.join(folder, "downloads.yml")):
        if os.path.lexists(name):
            raise UsageError(
                f"{os.path.basename(name)} exists already", hint="add resources to it, then run `dlm lock`"
            )
    write_atomically(path, _MANIFEST.encode())
    border.console.say(f"Wrote {os.path.basename(path)}. Add what you need to it, then run `dlm lock` and `dlm sync`.")
    ignore = os.path.join(folder, ".gitignore")
    missing = not _holds(ignore, _IGNORED)
    if missing and gitignore is None and sys.stdin.isatty() and not border.console.json:
        gitignore = click.confirm("Add dlm's temporary files to .gitignore?", default=True, err=True)
    added = bool(missing and gitignore)
    if added:
        _append(ignore, _IGNORED)
        border.console.say("Added a line to .gitignore.")
    elif missing:
        border.console.say(f"For .gitignore: {_IGNORED} (an interrupted run's temporary files), and what you place.")
    return Result(document={"manifest": os.path.basename(path), "gitignore": added})


def _holds(path: str, line: str) -> bool:
    try:
        with open(path, encoding="utf-8") as file:
            return line in file.read().splitlines()
    except FileNotFoundError:
        return False


def _append(path: str, line: str) -> None:
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except FileNotFoundError:
        text = ""
    if text and not text.endswith("\n"):
        text += "\n"
    write_atomically(path, f"{text}{line}\n".encode())
