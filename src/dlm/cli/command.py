"""What every command shares on the command line: its options, and how they become the border around it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from dlm.cli.border import Border, Common, Result, Switch, finish

__all__ = ["Border", "Result", "command", "network_options"]

_Function = Callable[..., Result]

_COMMON = (
    click.option("-f", "--manifest", metavar="FILE", envvar="DLM_MANIFEST",
                 help="The manifest, if not downloads.yaml."),
    click.option("-C", "--directory", metavar="DIR", help="Begin in DIR instead of the current folder."),
    click.option("--format", "format_", type=click.Choice(["text", "json", "ndjson"]), default="text",
                 envvar="DLM_FORMAT", help="Lines for people, one JSON document, or JSON lines of events and that."),
    click.option("-q", "--quiet", is_flag=True, envvar="DLM_QUIET", help="Show errors only."),
    click.option("-v", "--verbose", is_flag=True, envvar="DLM_VERBOSE", help="Show every decision."),
    click.option("--color", type=click.Choice(["auto", "always", "never"]), default="auto", envvar="DLM_COLOR",
                 help="Colours; auto is yes on a terminal."),
    click.option("--progress", type=click.Choice(["auto", "always", "never"]), default="auto", envvar="DLM_PROGRESS",
                 help="Progress of transfers; auto is bars on a terminal, lines elsewhere."),
    click.option("--cache-dir", metavar="DIR", help="The folder of the shared cache. [DLM_CACHE_DIR]"),
)  # fmt: skip

_NETWORK = (
    click.option("--backend", type=click.Choice(["auto", "curl", "requests"]), help="What speaks HTTP. [DLM_BACKEND]"),
    click.option("-j", "--jobs", metavar="N", help="Transfers at once. [DLM_JOBS]"),
    click.option("--jobs-per-host", metavar="N", help="Of these, to one host. [DLM_JOBS_PER_HOST]"),
    click.option("--retries", metavar="N", help="Further attempts per source. [DLM_RETRIES]"),
    click.option("--connect-timeout", metavar="SECONDS", help="Time to reach a server. [DLM_CONNECT_TIMEOUT]"),
    click.option("--stall-timeout", metavar="SECONDS", help="Time without progress. [DLM_STALL_TIMEOUT]"),
    click.option("--split", metavar="auto|off|N", help="Connections for one large file. [DLM_SPLIT]"),
    click.option("--max-size", metavar="SIZE", help="Most bytes of one artifact. [DLM_MAX_SIZE]"),
)
_NETWORK_FIELDS = (
    "backend", "jobs", "jobs_per_host", "retries", "connect_timeout", "stall_timeout", "split", "max_size",
)  # fmt: skip


def network_options(function: _Function) -> _Function:
    """The settings of a command that uses the network, as flags."""
    for option in reversed(_NETWORK):
        function = option(function)
    return function


def command(name: str) -> Callable[[_Function], click.Command]:
    """Make a command of a function that takes a ``Border`` and the command's own options."""

    def decorate(function: _Function) -> click.Command:
        @wraps(function)
        def call(*_: Any, **options: Any) -> Any:
            context = click.get_current_context()
            border = Border.around(context.command_path.partition(" ")[2], _common(context, options))
            code = finish(border, lambda: function(border, **options))
            if code:
                context.exit(code)

        decorated: _Function = call
        for option in reversed(_COMMON):
            decorated = option(decorated)
        return click.command(name)(decorated)

    return decorate


def _common(context: click.Context, options: dict[str, Any]) -> Common:
    """Take the common options out of a command's."""
    flags = {field: options.pop(field, None) for field in ("cache_dir", *_NETWORK_FIELDS)}
    if "link" in options:
        flags["link"] = options.pop("link")
    return Common(
        manifest=options.pop("manifest"),
        directory=options.pop("directory"),
        format=options.pop("format_"),
        quiet=options.pop("quiet"),
        verbose=options.pop("verbose"),
        color=options.pop("color"),
        progress=options.pop("progress"),
        flags=flags,
        switches={
            name: Switch(value, _source(context, name))
            for name, value in context.params.items()
            if isinstance(value, bool)
        },
    )


def _source(context: click.Context, name: str) -> str | None:
    """The flag or the variable that an option's value comes from; None for its default."""
    source = context.get_parameter_source(name)
    if source is click.core.ParameterSource.ENVIRONMENT:
        return f"DLM_{name.upper()}"
    return None if source is click.core.ParameterSource.DEFAULT else f"--{name.replace('_', '-')}"
