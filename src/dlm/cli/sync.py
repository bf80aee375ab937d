"""The command ``dlm sync``, with all its options."""

from __future__ import annotations

import click

from dlm.cli.command import Border, Result, command, network_options
from dlm.cli.names import complete_groups
from dlm.cli.syncing import sync as sync_project
from dlm.workflows.sync import SyncWish

__all__ = ["sync"]


@command("sync")
@click.option("--locked", is_flag=True, envvar="DLM_LOCKED", help="The lockfile must match; write none. [DLM_LOCKED]")
@click.option("--frozen", is_flag=True, envvar="DLM_FROZEN", help="Go by the lockfile alone. [DLM_FROZEN]")
@click.option("--offline", is_flag=True, envvar="DLM_OFFLINE", help="Open no socket. [DLM_OFFLINE]")
@click.option(
    "--group",
    "groups",
    multiple=True,
    metavar="G",
    shell_complete=complete_groups,
    help="Place only what is in group G; may be repeated.",
)
@click.option("--inexact", is_flag=True, envvar="DLM_INEXACT", help="Remove nothing.")
@click.option("--force", is_flag=True, help="Overwrite and remove files that dlm did not place or that were edited.")
@click.option("--check", is_flag=True, help="Only say whether the tree is in sync. Exit code 7 if not, 3 if stale.")
@click.option(
    "--dry-run", is_flag=True, help="Look up what is not locked and say what would be done; fetch and write nothing."
)
@click.option("--keep-going", is_flag=True, envvar="DLM_KEEP_GOING", help="Place what could be had, though not all.")
@click.option("--link", metavar="MODE", help="auto, reflink, hardlink, symlink or copy. [DLM_LINK]")
@network_options
def sync(
    border: Border,
    *,
    locked: bool,
    frozen: bool,
    offline: bool,
    groups: tuple[str, ...],
    inexact: bool,
    force: bool,
    check: bool,
    dry_run: bool,
    keep_going: bool,
) -> Result:
    """Make the tree what the manifest asks for.

    Locks what is missing or stale first (never a newer release), fetches what the cache lacks, checks every byte,
    places the files, and removes those that dlm once placed and nothing asks for any more.

    \b
    Examples:
      dlm sync
      dlm sync --locked         in CI: fail if the lockfile does not match the manifest
      dlm sync --frozen         in images: the lockfile alone counts
      dlm sync --offline        from the cache only
      dlm sync --group docs     only what is in the group docs
    """
    wish = SyncWish(groups=groups, inexact=inexact, force=force, check=check, dry_run=dry_run, keep_going=keep_going)
    return sync_project(border, wish)
