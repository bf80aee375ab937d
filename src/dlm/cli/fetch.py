"""``dlm fetch``."""

from __future__ import annotations

import os
import re

import click

from dlm.cli.command import Border, Result, command, mode, network_options
from dlm.cli.host import host_platform
from dlm.cli.lock import change_document, say_changes, say_fetched
from dlm.cli.names import complete_names
from dlm.cli.sync import modes_in_force
from dlm.errors import UsageError
from dlm.model.artifact import Artifact
from dlm.model.digest import Digest, Digests
from dlm.model.platforms import check_platform
from dlm.model.url import Url
from dlm.workflows.fetch import fetch as fetch_workflow
from dlm.workflows.fetch import fetch_alone, put, refuse_unfit
from dlm.workflows.settle import Modes

__all__ = ["fetch"]

_HELP = "run `dlm fetch --help`"


@command("fetch")
@click.argument("what", nargs=-1, metavar="[NAME|URL]...", shell_complete=complete_names)
@click.option("--platform", metavar="P", help="A platform like linux-x86_64, or all; default: this machine's.")
@click.option("--sha256", metavar="DIGEST", help="With a URL: what its bytes must hash to.")
@click.option("-o", "--output", metavar="FILE", help="With a URL: put the file there; it is replaced atomically.")
@click.option("--locked", is_flag=True, envvar="DLM_LOCKED", help="The lockfile must match; write none. [DLM_LOCKED]")
@click.option("--frozen", is_flag=True, envvar="DLM_FROZEN", help="Go by the lockfile alone. [DLM_FROZEN]")
@click.option("--offline", is_flag=True, envvar="DLM_OFFLINE", help="Open no socket. [DLM_OFFLINE]")
@network_options
def fetch(
    border: Border,
    *,
    what: tuple[str, ...],
    platform: str | None,
    sha256: str | None,
    output: str | None,
    locked: bool,
    frozen: bool,
    offline: bool,
) -> Result:
    """Fill the cache and place nothing: for warming caches and building images. Or fetch a bare URL alone.

    \b
    Examples:
      dlm fetch                        everything this platform needs
      dlm fetch --platform all         everything every platform needs
      dlm fetch --frozen               with nothing but downloads.lock at hand
      dlm fetch https://example.org/iris.csv -o iris.csv --sha256 9f86…
    """
    urls = [word for word in what if re.match(r"https?:|[a-z][a-z0-9+.-]*://", word, re.IGNORECASE)]
    if urls:
        if len(what) != 1:
            raise UsageError("a URL is fetched alone", hint="put several into a manifest; `dlm init` begins one")
        return _fetch_url(border, urls[0], sha256, output)
    if sha256 is not None or output is not None:
        raise UsageError("--sha256 and -o go with a URL", hint=_HELP)
    modes = modes_in_force(border)
    run = border.run(need_manifest=modes.frozen is None)
    target = _target(platform)
    report = fetch_workflow(run, what, modes, platform=target)
    console = border.console
    say_fetched(console, report.fetched, report.transferred)
    if report.changes:
        say_changes(console, report.changes)
    for name in report.passed_over:
        console.say(f"{name}: nothing of it is meant for {target}; passed over.")
    if not report.fetched:
        console.say(f"Nothing to fetch: {report.present} file{'' if report.present == 1 else 's'} in the cache.")
    return Result(
        document={
            "present": report.present,
            "fetched": report.fetched,
            "transferred": report.transferred,
            "passed_over": list(report.passed_over),
            "changes": [change_document(change) for change in report.changes],
        }
    )


def _target(platform: str | None) -> str | None:
    """The platform to fetch for; None for all."""
    if platform is None:
        return host_platform()
    try:
        return None if platform == "all" else check_platform(platform)
    except ValueError as error:
        raise UsageError(f"--platform: {error}", hint="or give --platform all") from error


def _fetch_url(border: Border, text: str, sha256: str | None, output: str | None) -> Result:
    from dlm import __version__
    from dlm.cli.files import DocumentFiles
    from dlm.cli.host import build_run

    try:
        url = Url.parse(text)
        digests = Digests((Digest.parse(sha256),)) if sha256 is not None else Digests()
    except ValueError as error:
        raise UsageError(f"{'--sha256: ' if 'digest' in str(error) else ''}{error}", hint=_HELP) from error
    files = DocumentFiles(border.directory, None, os.path.join(border.directory, "downloads.lock"))
    run = build_run(border.settings, files, border.console, border.environment, __version__)
    artifact = Artifact(
        resource=url.filename or url.host, filename=url.filename or url.host, url=text, dest="", digests=digests
    )
    target = os.path.normpath(os.path.join(border.directory, output)) if output is not None else None
    if target is not None:
        refuse_unfit(target)
    blob = fetch_alone(run, artifact, Modes(offline=mode("offline")))
    if target is None:
        border.console.data(blob.path)
    else:
        put(run, blob, target)
        border.console.say(f"{output}: {blob.size} bytes, sha256 {blob.sha256}")
    return Result(document={"path": output or blob.path, "size": blob.size, "sha256": blob.sha256})
