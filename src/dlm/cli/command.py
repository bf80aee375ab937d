"""What every command shares: its options, its console, its project, and the way it ends."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from dlm import __version__
from dlm.cli.clock import SystemClock
from dlm.cli.console import Console, error_document
from dlm.cli.files import find_project
from dlm.cli.settings import load_settings
from dlm.errors import DlmError, Interrupted, UsageError, gravest
from dlm.model.frozen import dataclass, field

if TYPE_CHECKING:
    from dlm.cli.console import Meter
    from dlm.cli.files import DocumentFiles
    from dlm.cli.settings import Value
    from dlm.model.settings import Settings
    from dlm.workflows.run import Run

__all__ = ["Border", "Result", "Terminated", "command", "mode", "network_options"]


class Terminated(KeyboardInterrupt):
    """SIGTERM, on the same way out as Ctrl-C."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How a command ended.

    Attributes:
        code: the exit code.
        document: what ``--format json`` shows.
        errors: failures that did not keep the rest from being done.
    """

    code: int = 0
    document: Mapping[str, Any] = field(default_factory=dict)
    errors: tuple[DlmError, ...] = ()


@dataclass(slots=True, kw_only=True)
class Border:
    """The world around one command."""

    console: Console
    environment: Mapping[str, str]
    directory: str
    manifest: str | None
    flags: Mapping[str, Any]
    _settings: tuple[Settings, tuple[Value, ...]] | None = None

    @property
    def settings(self) -> Settings:
        """All settings."""
        return self.sources[0]

    @property
    def sources(self) -> tuple[Settings, tuple[Value, ...]]:
        """All settings, and where each came from."""
        if self._settings is None:
            self._settings = load_settings(self.environment, self.flags)
        return self._settings

    def files(self, *, need_manifest: bool = True) -> DocumentFiles:
        """The project's two documents."""
        return find_project(self.directory, self.manifest, need_manifest=need_manifest)

    def run(self, *, need_manifest: bool = True) -> Run:
        """Everything that a verb on the project needs."""
        from dlm.cli.host import build_run

        files = self.files(need_manifest=need_manifest)
        return build_run(self.settings, files, self.console, self.environment, __version__)


def mode(name: str) -> str | None:
    """How a mode came to be in force: ``--offline`` or ``DLM_OFFLINE``; None where it is not."""
    context = click.get_current_context()
    if not context.params.get(name):
        return None
    source = context.get_parameter_source(name)
    if source is click.core.ParameterSource.ENVIRONMENT:
        return f"DLM_{name.upper()}"
    return f"--{name.replace('_', '-')}"


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
    click.option("--max-size", metavar="SIZE", help="Most bytes of one artifact. [DLM_MAX_SIZE]"),
)
_NETWORK_FIELDS = ("backend", "jobs", "jobs_per_host", "retries", "connect_timeout", "stall_timeout", "max_size")


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
            border = _border(options)
            _finish(border, lambda: function(border, **options))

        decorated: _Function = call
        for option in reversed(_COMMON):
            decorated = option(decorated)
        return click.command(name)(decorated)

    return decorate


def _border(options: dict[str, Any]) -> Border:
    """Take the common options out and make the border of them."""
    environment = dict(os.environ)
    form = options.pop("format_")
    quiet, verbose = options.pop("quiet"), options.pop("verbose")
    color, progress = options.pop("color"), options.pop("progress")
    directory = os.path.abspath(options.pop("directory") or os.getcwd())
    flags = {field: options.pop(field, None) for field in ("cache_dir", *_NETWORK_FIELDS)}
    if "link" in options:
        flags["link"] = options.pop("link")
    console = Console(
        format=form,
        verbosity=-1 if quiet else 1 if verbose else 0,
        color=_wants_color(color, environment),
        meter=None if quiet or form != "text" else _meter(progress, environment),
        annotate=environment.get("GITHUB_ACTIONS") == "true",
    )
    return Border(
        console=console,
        environment=environment,
        directory=directory,
        manifest=options.pop("manifest"),
        flags=flags,
    )


def _wants_color(choice: str, environment: Mapping[str, str]) -> bool:
    if choice != "auto":
        return choice == "always"
    if environment.get("NO_COLOR"):
        return False
    if environment.get("FORCE_COLOR") or environment.get("CLICOLOR_FORCE"):
        return True
    return sys.stderr.isatty() and environment.get("TERM") != "dumb"


def _meter(choice: str, environment: Mapping[str, str]) -> Meter | None:
    if choice == "never":
        return None
    from dlm.cli.progress import BarMeter, LineMeter

    if choice == "always" or (sys.stderr.isatty() and environment.get("TERM") != "dumb" and not environment.get("CI")):
        return BarMeter()
    return LineMeter(SystemClock().monotonic)


def _finish(border: Border, work: Callable[[], Result]) -> None:
    """Carry out a command and leave with its code; every error in words, none as a traceback but a bug's."""
    console = border.console
    name = click.get_current_context().command_path.partition(" ")[2]
    previous = signal.signal(signal.SIGTERM, _terminate)
    try:
        result = work()
        console.close()
        failure = [document for error in result.errors for document in error_document(error)]
        for error in result.errors:
            console.error(error)
        console.document(name, result.code, result.document, failure)
        code = result.code
    except DlmError as error:
        console.close()
        code = gravest(error)
        console.error(error)
        console.document(name, code, None, error_document(error))
    except KeyboardInterrupt as error:
        console.close()
        interrupted = Interrupted(signal.SIGTERM if isinstance(error, Terminated) else signal.SIGINT)
        console.error(interrupted)
        console.document(name, interrupted.exit_code, None, error_document(interrupted))
        code = interrupted.exit_code
    except BrokenPipeError:
        # Whoever read the output has left. Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    finally:
        console.close()
        signal.signal(signal.SIGTERM, previous)
    if code:
        click.get_current_context().exit(code)


def _terminate(number: int, frame: Any) -> None:
    raise Terminated


def refuse_both(first: str, second: str) -> tuple[bool, bool]:
    """Two modes that exclude each other: a flag overrides the other one's variable; two flags are an error."""
    context = click.get_current_context()
    one, other = bool(context.params.get(first)), bool(context.params.get(second))
    if not (one and other):
        return one, other
    environment = click.core.ParameterSource.ENVIRONMENT
    one_set, other_set = context.get_parameter_source(first), context.get_parameter_source(second)
    if one_set is environment and other_set is not environment:
        return False, True
    if other_set is environment and one_set is not environment:
        return True, False
    raise UsageError(f"{mode(first)} and {mode(second)} exclude each other", hint="give one of them")
