"""``dlm verify``."""

from __future__ import annotations

import click

from dlm.cli.command import Border, Result, command, mode, network_options
from dlm.errors import Failures, gravest
from dlm.workflows.settle import Modes
from dlm.workflows.verify import VerifyReport
from dlm.workflows.verify import verify as verify_workflow

__all__ = ["verify"]


@command("verify")
@click.option("--repair", is_flag=True, help="Fetch and place anew what is missing or wrong, and nothing else.")
@click.option("--offline", is_flag=True, envvar="DLM_OFFLINE", help="Repair from the cache alone. [DLM_OFFLINE]")
@network_options
def verify(border: Border, *, repair: bool, offline: bool) -> Result:
    """Hash every placed file and every cached blob anew, and hold them against the lockfile.

    Exit code 7 if the tree differs, 4 if the cache held wrong bytes (they are set aside); 0 if all is well or was
    repaired.

    \b
    Examples:
      dlm verify
      dlm verify --repair
    """
    run = border.run(need_manifest=False)
    report = verify_workflow(run, Modes(offline=mode("offline")), repair=repair)
    console = border.console
    for flaw in report.flaws:
        console.say(f"{console.style('wrong:', 'red')} {flaw}")
    code = 0
    if report.repaired is not None:
        placed = len(report.repaired.placed)
        console.say(f"Repaired: fetched {report.repaired.fetched + report.refilled}, placed {placed}.")
        if report.errors:
            code = 4 if report.rotted else gravest(Failures(report.errors))
    elif report.flaws:
        code = 4 if report.rotted else 7
        console.say(f"{console.style('hint:', 'cyan')} run `dlm verify --repair`")
    else:
        console.say(f"All well: {report.tree} files in the tree and {report.cache} in the cache are as locked.")
    return Result(code=code, document=_document(report), errors=report.errors)


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
            }
            for flaw in report.flaws
        ],
    }
