"""``dlm clean``."""

from __future__ import annotations

import click

from dlm.cli.command import Border, Result, command
from dlm.cli.left import left_text
from dlm.workflows.clean import clean as clean_workflow

__all__ = ["clean"]


@command("clean")
@click.option("--dry-run", is_flag=True, help="Say what would be removed; remove nothing.")
@click.option("--force", is_flag=True, help="Remove files that were edited, too.")
def clean(border: Border, *, dry_run: bool, force: bool) -> Result:
    """Remove all that dlm placed in this project. The lockfile and the cache stay, so `dlm sync` brings it back.

    What dlm placed for another manifest in the same folder, too, stays.

    \b
    Examples:
      dlm clean --dry-run
      dlm clean
    """
    report = clean_workflow(border.run(need_manifest=False), force=force, dry_run=dry_run)
    console = border.console
    for conflict in report.left:
        (console.say if conflict.shared else console.warn)(left_text(conflict, "clean"))
    count = len(report.removed)
    if not count:
        console.say("Nothing to remove.")
    else:
        console.say(f"{'Would remove' if dry_run else 'Removed'} {count} file{'' if count == 1 else 's'}.")
        for dest in report.removed[:50]:
            console.say(f" - {dest}")
    return Result(
        document={
            "dry_run": dry_run,
            "removed": list(report.removed),
            "left": [{"dest": one.dest, "reason": one.reason} for one in report.left],
        }
    )
