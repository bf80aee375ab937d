"""Files of a user's own, in YAML or JSON: what they say, and the options of a program in one."""

from __future__ import annotations

import json
from typing import Any

from dlm.errors import SettingsError

__all__ = ["NotReadable", "read_options", "yaml_or_json"]


class NotReadable(ValueError):  # noqa: N818 - what the file is
    """A text that is neither YAML nor JSON; its words are one line, with the place in front where that is known.

    Attributes:
        hint: what to write instead.
    """

    def __init__(self, reason: str, hint: str, line: int | None = None, column: int | None = None) -> None:
        """Args:
        line, column: counted from 1; None where they are not known.
        """
        place = "" if line is None else f"line {line}: " if column is None else f"line {line}, column {column}: "
        super().__init__(place + reason)
        self.hint = hint


def read_options(data: bytes, file: str) -> dict[str, Any]:
    """Read a program's options, a mapping; an empty file has none.

    Args:
        file: its name, for messages.

    Raises:
        SettingsError: it is no mapping with names as keys, or neither YAML nor JSON.
    """
    try:
        document = yaml_or_json(data)
    except NotReadable as error:
        raise SettingsError(f"{file} cannot be read: {error}", hint=error.hint) from error
    if document is None:
        return {}
    if not isinstance(document, dict) or not all(isinstance(name, str) for name in document):
        raise SettingsError(f"{file} is no mapping of options", hint="write it as NAME: VALUE, one on each line")
    return document


def yaml_or_json(data: bytes) -> Any:
    """What a file says; None for an empty one. What begins as a JSON object is read as JSON, without loading yaml.

    Raises:
        NotReadable: it is neither.
    """
    try:
        text = data.decode("utf-8-sig")
        return json.loads(text) if text.lstrip().startswith("{") else _yaml(text)
    except NotReadable:
        raise
    except UnicodeDecodeError as error:
        raise NotReadable("not UTF-8", "save the file as UTF-8", data[: error.start].count(b"\n") + 1) from error
    except json.JSONDecodeError as error:
        hint = "what begins with { is read as JSON, where names and texts stand in double quotes"
        raise NotReadable(f"not JSON: {error.msg}", hint, error.lineno, error.colno) from error
    except RecursionError as error:
        raise NotReadable("nested too deeply", _OTHERWISE) from error
    except ValueError as error:  # a date or a number that there is not
        raise NotReadable((str(error).splitlines() or ["a value cannot be read"])[0], "put texts in quotes") from error


_OTHERWISE = "write it in YAML or JSON"


def _yaml(text: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        reason = error.problem or error.context or "it cannot be read"
        place = error.problem_mark or error.context_mark
        if not isinstance(error, yaml.constructor.ConstructorError):
            reason = f"not YAML: {reason}"
        line, column = (None, None) if place is None else (place.line + 1, place.column + 1)
        raise NotReadable(reason, _hint(reason), line, column) from error
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1
        raise NotReadable(f"not YAML: {str(error).splitlines()[0]}", "remove that character", line) from error
    except yaml.YAMLError as error:
        raise NotReadable(f"not YAML: {str(error).splitlines()[0]}", _OTHERWISE) from error


def _hint(reason: str) -> str:
    """What to write instead of what PyYAML gives ``reason`` for."""
    if "'\\t'" in reason:
        return "indent with blanks, never with tabs"
    if "tag" in reason:
        return "remove the tag, or put a text that begins with ! in quotes"
    return 'quote values that begin with $ or another sign, or that hold braces, as in token: "${NAME}"'
