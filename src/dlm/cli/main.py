"""The command line: which commands there are, loaded one by one."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from dlm import __version__

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

__all__ = ["COMMANDS", "cli", "run"]

#: name -> (module, attribute, one line). The lines stand here so that ``--help`` imports no command.
COMMANDS: dict[str, tuple[str, str, str]] = {
    "init": ("dlm.cli.init", "init", "Begin a manifest."),
    "add": ("dlm.cli.edit", "add", "Add resources to the manifest, and pin them."),
    "remove": ("dlm.cli.edit", "remove", "Take resources out of the manifest and the lockfile."),
    "lock": ("dlm.cli.lock", "lock", "Resolve, fetch into the cache, verify, write the lockfile."),
    "sync": ("dlm.cli.sync", "sync", "Make the tree what the manifest asks for."),
    "fetch": ("dlm.cli.fetch", "fetch", "Fill the cache, place nothing; or fetch one URL."),
    "verify": ("dlm.cli.verify", "verify", "Re-hash tree and cache against the lockfile."),
    "list": ("dlm.cli.look", "list_", "List what the project asks for and what is here."),
    "show": ("dlm.cli.look", "show", "Show one resource in full."),
    "path": ("dlm.cli.look", "path", "Print the verified path of a resource."),
    "outdated": ("dlm.cli.compare", "outdated_", "Say which pins are no longer the newest."),
    "diff": ("dlm.cli.compare", "diff", "Say what changed in the lockfile since a revision."),
    "why-stale": ("dlm.cli.compare", "why_stale_", "Say how manifest and lockfile differ."),
    "clean": ("dlm.cli.clean", "clean", "Remove all that dlm placed in this project."),
    "cache": ("dlm.cli.cache", "cache", "Look at the shared cache."),
    "python": ("dlm.cli.python", "python", "Look into the index of python.org, download from it."),
    "schema": ("dlm.cli.schema", "schema", "Print the JSON Schema of a document."),
    "doctor": ("dlm.cli.doctor", "doctor", "Show every setting and its source; look for trouble."),
    "completion": ("dlm.cli.completion", "completion", "Print the completion script of a shell."),
}


class _Commands(click.Group):
    """A group that imports a command when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        found = getattr(importlib.import_module(module), attribute)
        return found if isinstance(found, click.Command) else None

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The commands by their lines: click would import them all."""
        from click.shell_completion import CompletionItem

        named = [CompletionItem(name, help=line) for name, (_, _, line) in COMMANDS.items()]
        found = [item for item in named if item.value.startswith(incomplete)]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0] if args else ""
        if name and not name.startswith("-") and name not in COMMANDS:
            import difflib

            near = difflib.get_close_matches(name, COMMANDS, n=1)
            raise click.UsageError(f"no command {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""), ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, _, line) in COMMANDS.items()])


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Run `dlm COMMAND --help` for a command's options and examples.",
)
@click.version_option(__version__, "-V", "--version", message="dlm %(version)s")
def cli() -> None:
    """A lockfile for downloads: pin, check and share the files a project needs.

    \b
    Examples:
      dlm init                  begin downloads.yaml
      dlm lock                  resolve and pin everything in downloads.lock
      dlm sync                  fetch what is missing and place it
      dlm sync --locked         the same in CI: the lockfile must match
    """


def run(arguments: Sequence[str]) -> int:
    """Run a command line; the exit code comes back."""
    try:
        code = cli.main(args=list(arguments), prog_name="dlm", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except click.ClickException as error:
        return _refuse(error, arguments)
    except click.Abort:
        sys.stderr.write("error: interrupted\n")
        return 130


def _refuse(error: click.ClickException, arguments: Sequence[str]) -> int:
    """Say what is wrong with a command line, in the form in which every other error is said."""
    from dlm.cli.console import Console, error_document
    from dlm.errors import UsageError

    context = error.ctx if isinstance(error, click.UsageError) else None
    path = context.command_path if context is not None else "dlm"
    message = " ".join(error.format_message().split()).rstrip(".")
    variable = _variable(error, arguments)
    if variable is not None:
        message = message.replace(f"'--{variable.removeprefix('DLM_').lower().replace('_', '-')}'", variable, 1)
    failure = UsageError(f"{message[:1].lower()}{message[1:]}", hint=f"run `{path} --help`")
    console = Console(format=_format(arguments))
    console.error(failure)
    named = context is not None and not isinstance(context.command, click.Group)
    console.document(path.partition(" ")[2] if named else None, failure.code, None, error_document(failure))
    return failure.code


def _variable(error: click.ClickException, arguments: Sequence[str]) -> str | None:
    """The variable that holds a bad value, where none of the flags does."""
    if not isinstance(error, click.BadParameter) or not isinstance(error.param, click.Option):
        return None
    flags = (*error.param.opts, *error.param.secondary_opts)
    if any(word.partition("=")[0] in flags for word in arguments):
        return None
    return error.param.envvar if isinstance(error.param.envvar, str) else None


def _format(arguments: Sequence[str]) -> str:
    """``text``, or the form that a program reads, as far as a command line tells that cannot be understood."""
    given = os.environ.get("DLM_FORMAT", "")
    for word, after in zip(arguments, [*arguments[1:], ""], strict=True):
        if word == "--format":
            given = after
        elif word.startswith("--format="):
            given = word.partition("=")[2]
    return given if given in {"json", "ndjson"} else "text"
