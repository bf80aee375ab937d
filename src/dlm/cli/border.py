"""The world around one command: its console, its settings, its project, and the way it ends."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Callable, Mapping

from dlm import __version__
from dlm.cli.clock import SystemClock
from dlm.cli.console import Console, error_document
from dlm.cli.files import find_project
from dlm.cli.settings import load_settings
from dlm.errors import TOO_MANY_OPEN, DlmError, Interrupted, LocalError, UsageError, gravest
from dlm.model.frozen import dataclass, field
from dlm.signals import Insisting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from dlm.cli.console import Meter
    from dlm.cli.files import DocumentFiles
    from dlm.cli.settings import Value
    from dlm.model.settings import Settings
    from dlm.workflows.run import Run

__all__ = ["Border", "Common", "Result", "Switch", "Terminated", "finish"]


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


@dataclass(frozen=True, slots=True)
class Switch:
    """A yes or no of the command line.

    Attributes:
        on: which of both.
        by: the flag or the variable that says so; None where neither is given.
    """

    on: bool
    by: str | None

    @property
    def by_variable(self) -> bool:
        """Whether the environment says so."""
        return self.by is not None and self.by.startswith("DLM_")


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """What every command may be told.

    Attributes:
        manifest, directory: as given, None where not.
        format: ``text``, ``json`` or ``ndjson``.
        quiet, verbose: how much is said.
        color, progress: ``auto``, ``always`` or ``never``.
        flags: settings by field, None where a flag was not given.
        switches: the command's yes and no, by name.
    """

    manifest: str | None = None
    directory: str | None = None
    format: str = "text"
    quiet: bool = False
    verbose: bool = False
    color: str = "auto"
    progress: str = "auto"
    flags: Mapping[str, Any] = field(default_factory=dict)
    switches: Mapping[str, Switch] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Border:
    """The world around one command."""

    command: str
    console: Console
    environment: Mapping[str, str]
    directory: str
    manifest: str | None
    flags: Mapping[str, Any]
    switches: Mapping[str, Switch]
    _settings: tuple[Settings, tuple[Value, ...]] | None = None

    @classmethod
    def around(cls, command: str, common: Common) -> Border:
        """The border of a command: this process's environment, terminal and folder."""
        environment = dict(os.environ)
        directory = os.path.abspath(common.directory or os.getcwd())
        silent = common.quiet or common.format != "text"
        console = Console(
            format=common.format,
            verbosity=-1 if common.quiet else 1 if common.verbose else 0,
            color=_wants_color(common.color, environment),
            meter=None if silent else _meter(common.progress, environment),
            annotate=environment.get("GITHUB_ACTIONS") == "true",
        )
        return cls(
            command=command,
            console=console,
            environment=environment,
            directory=directory,
            manifest=common.manifest,
            flags=common.flags,
            switches=common.switches,
        )

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
        return build_run(self.settings, files, self.console, self.environment, __version__, own_process=True)

    def switch(self, name: str) -> Switch:
        """A yes or no; off where the command has none of that name."""
        return self.switches.get(name) or Switch(False, None)

    def mode(self, name: str) -> str | None:
        """How a mode came to be in force: ``--offline`` or ``DLM_OFFLINE``; None where it is not."""
        switch = self.switch(name)
        return switch.by if switch.on else None

    def refuse_both(self, first: str, second: str) -> tuple[bool, bool]:
        """Two modes that exclude each other: a flag overrides the other one's variable; two flags are an error."""
        one, other = self.switch(first), self.switch(second)
        if not (one.on and other.on):
            return one.on, other.on
        if one.by_variable != other.by_variable:
            return other.by_variable, one.by_variable
        raise UsageError(f"{one.by} and {other.by} exclude each other", hint="give one of them")


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


def finish(border: Border, work: Callable[[], Result]) -> int:
    """Carry out a command; its exit code. Every error comes in words, none as a traceback but a bug's."""
    console = border.console
    name = border.command
    previous = signal.signal(signal.SIGTERM, _terminate)
    try:
        with Insisting(KeyboardInterrupt):
            result = _done(work)
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
    return code


def _done(work: Callable[[], Result]) -> Result:
    """Do it, and say it in words where a file, perhaps a module, could not be opened beside so many others."""
    try:
        return work()
    except OSError as error:
        if error.errno not in {errno.EMFILE, errno.ENFILE}:
            raise
        raise LocalError(f"a file could not be opened: {error.strerror}", hint=TOO_MANY_OPEN) from error


def _terminate(number: int, frame: Any) -> None:
    raise Terminated
