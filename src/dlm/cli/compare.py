"""``dlm outdated``, ``dlm diff`` and ``dlm why-stale``."""

from __future__ import annotations

import click

from dlm.cli.command import Border, Result, command, network_options
from dlm.cli.console import Console
from dlm.cli.names import complete_names
from dlm.errors import Failures, gravest
from dlm.workflows.compare import Difference, compare, why_stale
from dlm.workflows.outdated import OutdatedReport, outdated

__all__ = ["diff", "outdated_", "why_stale_"]

_SIGNS = {"added": "+", "removed": "-", "changed": "~"}
_COSTS = {
    "missing": "`dlm lock` resolves it",
    "extra": "`dlm lock` removes it",
    "identity": "other bytes are meant: `dlm lock` resolves it anew",
    "pins": "another digest or size is asked for: `dlm lock` checks it",
    "placement": "the same bytes, elsewhere: `dlm lock` rewrites it without the network",
}


@command("outdated")
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=complete_names)
@click.option("--refresh", is_flag=True, help="Read listings anew, whatever their age.")
@network_options
def outdated_(border: Border, *, names: tuple[str, ...], refresh: bool) -> Result:
    """Say what `dlm lock -U` would change, without fetching any of it.

    Selectors are looked up; of URLs those that are `mutable` are asked whether they changed. What is frozen is shown
    as held. Exit code 7 if something is outdated.

    \b
    Examples:
      dlm outdated
      dlm outdated --format json
    """
    report = outdated(border.run(), names, refresh=refresh)
    _say_outdated(border.console, report)
    code = gravest(Failures(report.errors)) if report.errors else 7 if report.outdated else 0
    document = {
        "outdated": report.outdated,
        "resources": [
            {"name": one.name, "standing": one.standing, "locked": list(one.locked), "latest": list(one.latest)}
            for one in report.found
        ],
    }
    return Result(code=code, document=document, errors=report.errors)


def _say_outdated(console: Console, report: OutdatedReport) -> None:
    shown = [one for one in report.found if one.standing != "current"]
    width = max((len(one.name) for one in shown), default=0)
    for one in shown:
        sides = f"{', '.join(one.locked) or '(none)'} -> {', '.join(one.latest)}" if one.latest else ""
        console.data(f"{one.name:<{width}}  {one.standing:<9}  {sides}".rstrip())
    if not report.found and not report.errors:
        console.say("Nothing here can be outdated: no selector, and no mutable URL.")
    elif not shown and not report.errors:
        console.say(
            f"Up to date: {len(report.found)} selector{'s' if len(report.found) != 1 else ''} and mutable URLs."
        )
    if any(one.standing == "withdrawn" for one in shown):
        console.say(
            "What is withdrawn is locked at a newer version than the site offers now; `dlm lock -U` refuses it."
        )
    if any(one.standing == "unlocked" for one in shown):
        console.say("What is unlocked is pinned by `dlm lock`.")
    if any(one.standing == "outdated" for one in shown):
        console.say(f"{console.style('hint:', 'cyan')} run `dlm lock -U`, or `dlm lock -P NAME` for one of them")


@command("why-stale")
@click.argument("names", nargs=-1, metavar="[NAME]...", shell_complete=complete_names)
def why_stale_(border: Border, *, names: tuple[str, ...]) -> Result:
    """Say how manifest and lockfile differ, and what `dlm lock` will make of it. Uses no network.

    Exit code 7 if they differ.

    \b
    Examples:
      dlm why-stale
      dlm why-stale iris.csv
    """
    found = why_stale(border.run(), names)
    console = border.console
    for one in found:
        console.data(str(one))
        console.say(f"  {_COSTS[one.kind]}")
    if not found:
        console.say("Nothing is stale: the lockfile says what the manifest asks for.")
    document = {
        "stale": [
            {"name": one.name, "kind": one.kind, "fields": list(one.fields), "details": list(one.details)}
            for one in found
        ]
    }
    return Result(code=7 if found else 0, document=document)


@command("diff")
@click.argument("revision", default="HEAD", metavar="[REV]")
def diff(border: Border, *, revision: str) -> Result:
    """Say what changed in the lockfile since a git revision, HEAD by default.

    \b
    Examples:
      dlm diff
      dlm diff main
      dlm diff v1.2 --format json
    """
    from dlm.cli.git import file_at
    from dlm.documents.lockfile_json import read_lockfile
    from dlm.model.lockfile import Lockfile

    files = border.files(need_manifest=False)
    commit, before = file_at(revision, files.lockfile_path)
    after = files.read_lockfile()
    old, new = (
        read_lockfile(data, name).lockfile if data is not None else Lockfile()
        for data, name in ((before, f"{files.lockfile_name} of {revision}"), (after, files.lockfile_name))
    )
    console = border.console
    if before is None:
        console.say(f"{revision} has no {files.lockfile_name}.")
    if after is None:
        console.say(f"There is no {files.lockfile_name} any more.")
    found = compare(old, new)
    for one in found:
        _say_difference(console, one)
    if not found:
        console.say(f"No entry of {files.lockfile_name} has changed since {revision}.")
    return Result(document={"revision": commit, "entries": [_document(one) for one in found]})


def _say_difference(console: Console, one: Difference) -> None:
    old, new = one.versions
    versions = f"{old or '(none)'} -> {new or '(none)'}" if old and new and old != new else new or old
    request = f"  (asked for otherwise: {', '.join(one.request)})" if one.request else ""
    console.data(f"{_SIGNS[one.action]} {one.name}  {versions}".rstrip() + request)
    for change in one.files:
        if one.action == "changed":
            sign = "~" if change.old and change.new else "+" if change.new else "-"
            file = change.new or change.old
            if file is not None:
                console.data(f"  {sign} {file.filename}" + (f" ({file.platform})" if file.platform else ""))
        for name, before, after in change.fields:
            if one.action == "changed" and change.old and change.new:
                console.data(f"      {name}: {before or '(none)'} -> {after or '(none)'}")
            elif name in {"url", "sha256"}:
                console.data(f"      {name}: {after or before}")


def _document(one: Difference) -> dict[str, object]:
    return {
        "name": one.name,
        "action": one.action,
        "request": list(one.request),
        "files": [
            {
                "filename": file.filename,
                "platform": file.platform,
                "action": "changed" if change.old and change.new else "added" if change.new else "removed",
                "fields": {name: {"old": before, "new": after} for name, before, after in change.fields},
            }
            for change in one.files
            if (file := change.new or change.old) is not None
        ],
    }
