"""What people and programs see: talk on stderr, data on stdout, one JSON document where it is asked for."""

from __future__ import annotations

import json
import re
import sys
import threading
from collections.abc import Mapping

from dlm.errors import Failures, ManifestError, gravest
from dlm.model import events

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol, TextIO

    from dlm.errors import DlmError, Problem

__all__ = ["Console", "error_document", "event_document", "human_size", "human_speed"]

#: What only programs hear of, one for each file.
_FOR_PROGRAMS = frozenset({events.Placed, events.Removed, events.Resolved})
#: What is shown as progress, and no line of its own.
_FOR_THE_METER = frozenset({events.Fetching, events.Fetched, events.Progress})
_STYLES = {"bold": "1", "red": "31;1", "yellow": "33;1", "green": "32", "cyan": "36", "dim": "2"}


if TYPE_CHECKING:

    class Meter(Protocol):
        """Shows transfers while they run."""

        def show(self, event: events.Event) -> None: ...
        def count(self, files: int, size: int) -> None: ...
        def close(self) -> None: ...


class Console:
    """The terminal, the pipe or the JSON document of one command; a ``dlm.ports.Reporter``.

    Args:
        format: ``text``; ``json`` for one document on stdout and nothing else there; ``ndjson`` for a line of JSON
            for each event, and the document as the last line.
        verbosity: -1 for ``-q``, 0, or 1 for ``-v``.
        color: whether stderr and stdout take ANSI styles.
        meter: shows transfers, or None.
        annotate: whether errors are told to GitHub's log viewer too.
    """

    def __init__(
        self,
        *,
        format: str = "text",  # noqa: A002 - the flag's name
        verbosity: int = 0,
        color: bool = False,
        meter: Meter | None = None,
        annotate: bool = False,
        out: TextIO | None = None,
        err: TextIO | None = None,
    ) -> None:
        self.format = format
        self.verbosity = verbosity
        self._color = color
        self._meter = meter
        self._annotate = annotate
        self._out = out or sys.stdout
        self._err = err or sys.stderr
        self._lock = threading.Lock()
        self._warnings: list[dict[str, str]] = []

    @property
    def json(self) -> bool:
        """Whether a program reads."""
        return self.format != "text"

    def data(self, line: str) -> None:
        """What was asked for, on stdout; not in JSON, where the document has it."""
        if not self.json:
            self._out.write(f"{line}\n")

    def say(self, line: str) -> None:
        """What is going on, on stderr."""
        if self.verbosity >= 0 and not self.json:
            self._write(line)

    def document(
        self, command: str | None, code: int, result: Mapping[str, Any] | None, errors: list[dict[str, Any]]
    ) -> None:
        """The one document of a command in JSON; ``command`` is None where a command line names none that there is."""
        if not self.json:
            return
        text: dict[str, Any] = {"event": "end"} if self.format == "ndjson" else {}
        text |= {
            "schema": 1,
            "command": command,
            "code": code,
            "result": result,
            "warnings": self._warnings,
            "errors": errors,
        }
        indent = None if self.format == "ndjson" else 2
        self._out.write(json.dumps(text, indent=indent, ensure_ascii=False) + "\n")
        self._out.flush()

    def warn(self, message: str, resource: str | None = None) -> None:
        """Something that the user should know."""
        self._warnings.append({"message": message, **({"resource": resource} if resource else {})})
        if self.verbosity >= 0 and not self.json:
            self._write(f"{self.style('warning:', 'yellow')} {_sentence(resource, message)}")

    def error(self, error: DlmError) -> None:
        """A failure, its facts and the next command; several one after the other."""
        if self.json:
            return
        for one in error.errors if isinstance(error, Failures) else (error,):
            self._write(f"{self.style('error:', 'red')} {_sentence(one.resource, one.message)}")
            for line in one.details:
                self._write(f"  {line}")
            if one.hint:
                self._write(f"{self.style('hint:', 'cyan')} {one.hint}")
            if self._annotate:
                for line in _annotations(one):
                    self._write(line)

    def style(self, text: str, name: str) -> str:
        """``text`` in a style, where the terminal has styles."""
        return f"\x1b[{_STYLES[name]}m{text}\x1b[0m" if self._color else text

    def close(self) -> None:
        """Leave the terminal as it was found."""
        if self._meter is not None:
            self._meter.close()

    @property
    def tally(self) -> Callable[[int, int], None] | None:
        """Takes how many small files came, and their bytes, where nobody wants them told one by one."""
        return None if self.format == "ndjson" else self._count

    @property
    def hears_placed(self) -> bool:
        """Whether anything becomes of the word that a path is placed, which thousands of paths are."""
        return self.format == "ndjson"

    def _count(self, files: int, size: int) -> None:
        if self._meter is not None and not self.json and self.verbosity >= 0:
            with self._lock:
                self._meter.count(files, size)

    def emit(self, event: events.Event) -> None:
        """``dlm.ports.Reporter``: called from any thread."""
        kind = type(event)
        if self.format != "ndjson":
            if kind in _FOR_PROGRAMS:
                return
            if kind in _FOR_THE_METER and self._meter is None:
                return
        with self._lock:
            if self.format == "ndjson":
                self._out.write(json.dumps(event_document(event), ensure_ascii=False) + "\n")
                self._out.flush()
            if self._meter is not None and not self.json and self.verbosity >= 0:
                self._meter.show(event)
            if kind in _FOR_THE_METER:
                return
            line = self._line(event)
            if line is not None:
                self.say(line)

    def _line(self, event: events.Event) -> str | None:
        """The line that an event is worth, if any."""
        match event:
            case events.Warned(message, resource):
                self.warn(message, resource)
            case events.SourceFailed(resource, url, reason):
                self.warn(f"{url}: {reason}; trying the next source", resource)
            case events.LinkFellBack(wanted, used, reason):
                self.warn(f"{wanted} is not to be had here ({reason}); {used} is used instead")
            case events.Waiting(what):
                return f"Waiting for another dlm: {what}"
            case events.Retrying(resource, filename, reason, wait, attempt):
                return f"{resource or filename}: {reason}; retry {attempt} in {wait:.1f} s"
            case events.Note(message) if self.verbosity > 0:
                return self.style(message, "dim")
            case _:
                pass
        return None

    def _write(self, line: str) -> None:
        self._err.write(f"{line}\n")
        self._err.flush()


def _sentence(resource: str | None, message: str) -> str:
    """``message`` with its subject in front, unless it begins with it: a URL's resource has the name of its file."""
    if not resource or message.startswith((f"{resource}: ", f"{resource} ")):
        return message
    return f"{resource}: {message}"


def event_document(event: events.Event) -> dict[str, Any]:
    """An event as a line of ``ndjson``: its name and its fields."""
    from dataclasses import fields

    # As dlm.documents.output_schema.event_name has it, which a test holds together: that module needs more.
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", type(event).__name__).lower()
    return {"event": name, **{field.name: getattr(event, field.name) for field in fields(event)}}


def _annotations(error: DlmError) -> list[str]:
    """GitHub's workflow commands, which show an error beside the line of the file that it is about."""
    if isinstance(error, ManifestError) and error.problems:
        return [
            f"::error file={_escaped(one.file, ':,')},line={one.line or 1}::{_escaped(_problem_words(one))}"
            for one in error.problems
        ]
    return [f"::error title=dlm::{_escaped(str(error))}"]


def _problem_words(problem: Problem) -> str:
    return f"{problem.key}: {problem.message}" if problem.key else problem.message


def _escaped(text: str, further: str = "") -> str:
    for character in "%\r\n" + further:
        text = text.replace(character, f"%{ord(character):02X}")
    return text


def error_document(error: DlmError) -> list[dict[str, Any]]:
    """Every failure as a program reads it."""
    found = error.errors if isinstance(error, Failures) else (error,)
    return [
        {
            "code": gravest(one),
            "kind": one.kind,
            "resource": one.resource,
            "message": one.message,
            "details": list(one.details),
            "hint": one.hint,
        }
        for one in found
    ]


def human_size(size: float) -> str:
    """``1.2 MiB``: powers of 1024, at most one decimal."""
    if size < 1024:
        return f"{int(size)} B"
    for unit in ("KiB", "MiB", "GiB", "TiB"):
        size /= 1024
        if size < 1024 or unit == "TiB":
            return f"{size:.1f} {unit}"
    return ""


def human_speed(size: float, seconds: float) -> str:
    """``41.0 MiB/s``."""
    return f"{human_size(size / max(seconds, 1e-3))}/s"
