"""``dlm add`` and ``dlm remove``."""

from __future__ import annotations

import click

from dlm.cli.changes import change_document, say_changes, say_fetched
from dlm.cli.command import Border, Result, command, network_options
from dlm.cli.names import complete_groups, complete_names
from dlm.errors import DlmError
from dlm.workflows.edit import AddWish
from dlm.workflows.edit import add as add_workflow
from dlm.workflows.edit import remove as remove_workflow

__all__ = ["add", "remove"]


@command("add")
@click.argument("words", nargs=-1, required=True, metavar="URL|SELECTOR...")
@click.option("--name", metavar="NAME", help="What to call it; without it the file's name, or the selector's.")
@click.option("--dest", metavar="PATH", help="Where to place it: a folder ends in /, else the file's own path.")
@click.option(
    "--group",
    "groups",
    multiple=True,
    metavar="G",
    shell_complete=complete_groups,
    help="Put it into group G; may be repeated.",
)
@click.option("--platform", "platforms", multiple=True, metavar="P", help="Get it for platform P; may be repeated.")
@click.option("--sha256", metavar="DIGEST", help="What its bytes must hash to.")
@click.option("--executable", is_flag=True, help="Place it as an executable file.")
@click.option("--optional", is_flag=True, help="Failing to get it is a warning.")
@click.option("--find-evidence", is_flag=True, help="Look beside each file for what vouches for it, and ask for it.")
@click.option("--no-lock", is_flag=True, help="Edit the manifest alone.")
@click.option("--offline", is_flag=True, envvar="DLM_OFFLINE", help="Open no socket. [DLM_OFFLINE]")
@network_options
def add(
    border: Border,
    *,
    words: tuple[str, ...],
    name: str | None,
    dest: str | None,
    groups: tuple[str, ...],
    platforms: tuple[str, ...],
    sha256: str | None,
    executable: bool,
    optional: bool,
    find_evidence: bool,
    no_lock: bool,
    offline: bool,
) -> Result:
    """Add resources to the manifest, and pin them in the lockfile.

    The manifest keeps its comments, its order and its style. If something fails, it is left as it was.

    \b
    Examples:
      dlm add https://example.org/data/iris.csv
      dlm add python:3.13.*:source-release:xz --dest vendor/
      dlm add https://example.org/a.csv https://example.org/b.csv --group docs
      dlm add https://example.org/tool-{os}-{arch} --name tool \\
          --platform linux-x86_64 --platform macos-arm64 --executable
    """
    wish = AddWish(
        words=words,
        name=name,
        dest=dest,
        groups=groups,
        platforms=platforms,
        sha256=sha256,
        executable=executable,
        optional=optional,
        find_evidence=find_evidence,
    )
    console = border.console
    run = border.run()
    try:
        report = add_workflow(run, wish, lock=not no_lock, offline=border.mode("offline"))
    except DlmError:
        console.say(f"Nothing was added: {run.files.manifest_name} is as it was.")
        raise
    say_fetched(console, report.fetched, report.transferred)
    console.say(f"Added {', '.join(report.names)} to {run.files.manifest_name}.")
    say_changes(console, report.changes)
    console.say("Run `dlm sync` to place it." if report.locked else "Run `dlm lock` to pin it.")
    return Result(
        document={
            "added": list(report.names),
            "locked": report.locked,
            "fetched": report.fetched,
            "transferred": report.transferred,
            "changes": [change_document(change) for change in report.changes],
        }
    )


@command("remove")
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=complete_names)
def remove(border: Border, *, names: tuple[str, ...]) -> Result:
    """Take resources out of the manifest and the lockfile. Uses no network.

    Files that were placed stay until the next `dlm sync`.

    \b
    Examples:
      dlm remove iris.csv
      dlm remove iris.csv wine.csv && dlm sync
    """
    run = border.run()
    report = remove_workflow(run, names)
    documents = run.files.manifest_name
    if report.unlocked:
        documents += f" and {run.files.lockfile_name}"
    border.console.say(f"Removed {', '.join(report.names)} from {documents}. Run `dlm sync` to remove its files.")
    return Result(document={"removed": list(report.names), "unlocked": list(report.unlocked)})
