"""Options of a program, from a file of its own: a mapping in YAML or JSON."""

from __future__ import annotations

import json
from typing import Any

from dlm.errors import SettingsError

__all__ = ["read_options"]


def read_options(data: bytes, file: str) -> dict[str, Any]:
    """Read such a file; an empty one has no options.

    Args:
        file: its name, for messages.

    Raises:
        SettingsError: it is no mapping with names as keys, or neither YAML nor JSON.
    """
    try:
        text = data.decode("utf-8-sig")
        document = json.loads(text) if text.lstrip().startswith("{") else _yaml(text)
    except (ValueError, RecursionError) as error:
        why = (str(error).splitlines() or ["it cannot be read"])[0]
        raise SettingsError(f"{file} cannot be read: {why}", hint="write it in YAML or JSON") from error
    if document is None:
        return {}
    if not isinstance(document, dict) or not all(isinstance(name, str) for name in document):
        raise SettingsError(f"{file} is no mapping of options", hint="write it as NAME: VALUE, one on each line")
    return document


def _yaml(text: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
