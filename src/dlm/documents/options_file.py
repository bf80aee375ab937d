"""Files of a user's own, in YAML or JSON: what they say, and the options of a program in one."""

from __future__ import annotations

import json
from typing import Any

from dlm.errors import SettingsError

__all__ = ["read_options", "yaml_or_json"]


def read_options(data: bytes, file: str) -> dict[str, Any]:
    """Read a program's options, a mapping; an empty file has none.

    Args:
        file: its name, for messages.

    Raises:
        SettingsError: it is no mapping with names as keys, or neither YAML nor JSON.
    """
    try:
        document = yaml_or_json(data)
    except ValueError as error:
        raise SettingsError(f"{file} cannot be read: {error}", hint="write it in YAML or JSON") from error
    if document is None:
        return {}
    if not isinstance(document, dict) or not all(isinstance(name, str) for name in document):
        raise SettingsError(f"{file} is no mapping of options", hint="write it as NAME: VALUE, one on each line")
    return document


def yaml_or_json(data: bytes) -> Any:
    """What a file says; None for an empty one. What begins as a JSON object is read as JSON, without loading yaml.

    Raises:
        ValueError: it is neither; in one line.
    """
    try:
        text = data.decode("utf-8-sig")
        return json.loads(text) if text.lstrip().startswith("{") else _yaml(text)
    except (ValueError, RecursionError) as error:
        raise ValueError((str(error).splitlines() or ["it cannot be read"])[0]) from error


def _yaml(text: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
