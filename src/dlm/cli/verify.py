"""``dlm verify``."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import click

from dlm.cli.command import Result, command, network_options
from dlm.errors import Failures, OfflineError, UsageError, gravest
from dlm.workflows.settle import Modes
from dlm.workflows.verify import verify as verify_workflow

if TYPE_CHECKING:
    from dlm.cli.command import Border
    from dlm.workflows.verify import VerifyReport

__all__ = ["verify"]


@command("verify")
@click.option("--repair", is_flag=True, help="Fetch and place anew what is missing or wrong, and nothing else.")
@click.option("--upstream", is_flag=True, help="Ask the origins, without bodies, for what moved or changed.")
@click.option("--offline", is_flag=True, envvar="DLM_OFFLINE", help="Repair from the cache alone. [DLM_OFFLINE]")
@network_options
def verify(border: Border, *, repair: bool, upstream: bool, offline: bool) -> Result:
    """Re-hash every placed file and every cached blob, and hold them against the lockfile.

    With --upstream nothing here is hashed; the origins are asked instead whether they still have what is locked.
    Exit code 7 if the tree or an origin differs, 4 if the cache held wrong bytes (they are set aside) or a locked
    size is not that of the bytes; 0 if all is well or was repaired.

    \b
    Examples:
      dlm verify
      dlm verify --repair
      dlm verify --upstream
    """
    if upstream:
        return _verify_upstream(border, repair=repair)
    run = border.run(need_manifest=False)
    report = verify_workflow(run, Modes(offline=border.mode("offline")), repair=repair)
    console = border.console
    for flaw in report.flaws:
        console.say(f"{console.style('wrong:', 'red')} {flaw}")
    code = 0
    if report.repaired is not None:
        placed = len(report.repaired.placed)
        console.say(f"Repaired: fetched {report.repaired.fetched + report.refilled}, placed {placed}.")
    elif report.flaws:
        code = 4 if report.rotted else 7
        console.say(f"{console.style('hint:', 'cyan')} run `dlm verify --repair`")
    elif not report.errors:
        console.say(f"All well: {report.tree} files in the tree and {report.cache} in the cache are as locked.")
    if report.errors:
        code = 4 if report.rotted else gravest(Failures(report.errors))
    return Result(code=code, document=_document(report), errors=report.errors)


def _verify_upstream(border: Border, *, repair: bool) -> Result:
    from dlm.workflows.upstream import ask_all

    if repair:
        raise UsageError("--upstream and --repair exclude each other", hint="give one of them")
    offline = border.mode("offline")
    if offline is not None:
        raise OfflineError(f"{offline} forbids to ask the origins", hint="run `dlm verify` without --upstream")
    found = ask_all(border.run())
    console = border.console
    for one in found:
        if one.standing != "same":
            console.data(str(one))
    counts = Counter(one.standing for one in found)
    summary = ", ".join(f"{count} {standing}" for standing, count in counts.items()) or "nothing is locked"
    console.say(f"Asked the origins: {summary}.")
    if any(one.differs for one in found):
        console.say(f"{console.style('hint:', 'cyan')} what is locked is fetched no more once the cache is gone;"
                    " see `dlm lock --accept-hash NAME`")  # fmt: skip
    document = {
        "artifacts": [
            {
                "resource": one.resource,
                "filename": one.artifact.filename,
                "platform": one.artifact.platform,
                "url": one.artifact.url,
                "standing": one.standing,
                "detail": one.detail,
            }
            for one in found
        ]
    }
    return Result(code=7 if any(one.differs for one in found) else 0, document=document)


def _document(report: VerifyReport) -> dict[str, object]:
    return {
        "tree": report.tree,
        "cache": report.cache,
        "repaired": report.repaired is not None,
        "flaws": [
            {
                "resource": flaw.resource,
                "where": flaw.where,
                "what": flaw.what,
                "subject": flaw.subject,
                "expected": flaw.expected,
                "actual": flaw.actual,
                **({"details": list(flaw.details)} if flaw.details else {}),
            }
            for flaw in report.flaws
        ],
    }
