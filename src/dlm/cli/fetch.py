"""``dlm fetch``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from dlm.cli.changes import change_document, say_changes, say_fetched
from dlm.cli.command import Result, command, network_options
from dlm.cli.host import target_platform
from dlm.cli.names import complete_names
from dlm.cli.syncing import modes_in_force
from dlm.errors import UsageError
from dlm.model.frozen import dataclass
from dlm.workflows.fetch import fetch as fetch_workflow

if TYPE_CHECKING:
    from dlm.cli.command import Border

__all__ = ["UrlWish", "fetch"]

_HELP = "run `dlm fetch --help`"


@dataclass(frozen=True, slots=True)
class UrlWish:
    """What the flags say of a URL."""

    sha256: str | None = None
    output: str | None = None
    header: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    json_body: str | None = None
    form: tuple[str, ...] = ()
    no_cache: bool = False

    def flags(self) -> dict[str, bool]:
        """Which flags are given."""
        return {
            "--sha256": self.sha256 is not None,
            "-o": self.output is not None,
            "--header": bool(self.header),
            "--data": bool(self.data),
            "--json-body": self.json_body is not None,
            "--form": bool(self.form),
            "--no-cache": self.no_cache,
        }


@command("fetch")
@click.argument("what", nargs=-1, metavar="[NAME|URL]...", shell_complete=complete_names)
@click.option("--platform", metavar="P", help="A platform like linux-x86_64, or all; default: this machine's.")
@click.option("--sha256", metavar="DIGEST", help="With a URL: what its bytes must hash to.")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help="With a URL: put the file there, replaced atomically; FOLDER/ keeps its name; - is stdout.",
)
@click.option("--header", multiple=True, metavar="'NAME: VALUE'", help="With a URL: send a header to its origin.")
@click.option("--data", multiple=True, metavar="NAME=VALUE", help="With a URL: post a form with such fields.")
@click.option("--json-body", metavar="JSON", help="With a URL: post a JSON document.")
@click.option(
    "--form", multiple=True, metavar="NAME=VALUE|NAME=@FILE", help="With a URL: post fields and files (multipart)."
)
@click.option("--no-cache", is_flag=True, help="With a URL and -o: neither look into the cache nor fill it.")
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
    header: tuple[str, ...],
    data: tuple[str, ...],
    json_body: str | None,
    form: tuple[str, ...],
    no_cache: bool,
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
      dlm fetch https://example.org/api -o - --json-body '{"q": "iris"}' --header 'Accept: text/csv'
    """
    wish = UrlWish(sha256, output, header, data, json_body, form, no_cache)
    urls = [word for word in what if re.match(r"https?:|[a-z][a-z0-9+.-]*://", word, re.IGNORECASE)]
    if urls:
        if len(what) != 1:
            raise UsageError("a URL is fetched alone", hint="put several into a manifest; `dlm init` begins one")
        from dlm.cli.fetch_url import fetch_url

        return fetch_url(border, urls[0], wish)
    for flag, given in wish.flags().items():
        if given:
            raise UsageError(f"{flag} goes with a URL", hint=_HELP)
    modes = modes_in_force(border)
    run = border.run(need_manifest=modes.frozen is None)
    target = target_platform(platform)
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
