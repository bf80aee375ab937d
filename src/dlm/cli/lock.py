"""``dlm lock``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dlm.cli.changes import change_document, say_changes, say_fetched
from dlm.cli.command import Result, command, network_options
from dlm.cli.names import complete_names
from dlm.errors import UsageError
from dlm.model.digest import Digest
from dlm.workflows.lock import LockWish
from dlm.workflows.lock import lock as lock_workflow

if TYPE_CHECKING:
    from dlm.cli.command import Border
    from dlm.workflows.lock import LockReport

__all__ = ["lock"]


@command("lock")
@click.option("-U", "--upgrade", is_flag=True, help="Look selectors and mutable URLs up anew.")
@click.option(
    "-P",
    "--upgrade-name",
    "names",
    multiple=True,
    metavar="NAME",
    shell_complete=complete_names,
    help="The same for NAME alone.",
)
@click.option("--check", is_flag=True, help="Only say whether the lockfile matches; no network. Exit code 3 if not.")
@click.option("--dry-run", is_flag=True, help="Say what would change; fetch and write nothing.")
@click.option(
    "--accept-hash",
    "accept",
    multiple=True,
    metavar="NAME[=DIGEST]",
    shell_complete=complete_names,
    help="Accept changed bytes at NAME's locked URL, if they have DIGEST.",
)
@click.option("--allow-downgrade", is_flag=True, help="Let a selector come back to an older version.")
@click.option(
    "--allow-weaker-evidence",
    "allow_weaker",
    is_flag=True,
    help="Let files be vouched for by less than those whose place they take.",
)
@click.option("--refresh", is_flag=True, help="Read listings anew, whatever their age.")
@click.option("--offline", is_flag=True, envvar="DLM_OFFLINE", help="Open no socket. [DLM_OFFLINE]")
@network_options
def lock(
    border: Border,
    *,
    upgrade: bool,
    names: tuple[str, ...],
    check: bool,
    dry_run: bool,
    accept: tuple[str, ...],
    allow_downgrade: bool,
    allow_weaker: bool,
    refresh: bool,
    offline: bool,
) -> Result:
    """Resolve, fetch into the cache, verify, and write downloads.lock.

    Entries that still match the manifest stay as they are and cost no request. Pins stay until something asks:
    -U, -P, --accept-hash, or an edit of the manifest.

    \b
    Examples:
      dlm lock                          pin what is new or changed in the manifest
      dlm lock -U                       take the newest release for every selector
      dlm lock -P python-3.13.x-source-release-xz
      dlm lock --check                  in CI: is the lockfile up to date?
      dlm lock --accept-hash iris.csv   the file at this URL was replaced, and that is fine
    """  # fmt: skip
    wish = LockWish(
        upgrade=upgrade,
        names=names,
        accept=_accepted(accept),
        allow_downgrade=allow_downgrade,
        allow_weaker=allow_weaker,
        offline=border.mode("offline"),
        dry_run=dry_run,
        refresh=refresh,
    )
    run = border.run()
    report = lock_workflow(run, wish, check=check)
    console = border.console
    if check:
        console.say(f"{run.files.lockfile_name} matches {run.files.manifest_name}: {_entries(report.entries)}.")
    elif not report.changes and not report.written:
        console.say(f"Nothing to lock: {_entries(report.entries)} in {run.files.lockfile_name}, all up to date.")
    else:
        say_fetched(console, report.fetched, report.transferred)
        verb = "Would lock" if dry_run else "Locked"
        console.say(f"{verb} {_entries(report.entries)} in {run.files.lockfile_name}.")
        say_changes(console, report.changes)
    return Result(document=_document(report, dry_run=dry_run))


def _accepted(words: tuple[str, ...]) -> dict[str, Digest | None]:
    found: dict[str, Digest | None] = {}
    for word in words:
        name, equals, digest = word.partition("=")
        try:
            found[name] = Digest.parse(digest) if equals else None
        except ValueError as error:
            raise UsageError(f"--accept-hash {name}: {error}") from error
    return found


def _entries(count: int) -> str:
    return f"{count} entr{'y' if count == 1 else 'ies'}"


def _document(report: LockReport, *, dry_run: bool) -> dict[str, object]:
    return {
        "dry_run": dry_run,
        "entries": report.entries,
        "written": report.written,
        "fetched": report.fetched,
        "transferred": report.transferred,
        "changes": [change_document(change) for change in report.changes],
    }
