"""JSON Schemas of what commands print with ``--format json`` and ``ndjson``: one shape for each command and event.

The shapes are additive: a later dlm may add keys, and ``schema`` in the envelope changes when one is taken away.
Dialect: JSON Schema 2020-12.
"""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Mapping
from typing import Any

from dlm.model import events

__all__ = ["RESULTS", "event_name", "events_schema", "output_schema"]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_Schema = dict[str, Any]

_TEXT: _Schema = {"type": "string"}
_TEXT_OR_NULL: _Schema = {"type": ["string", "null"]}
_COUNT: _Schema = {"type": "integer", "minimum": 0}
_COUNT_OR_NULL: _Schema = {"type": ["integer", "null"], "minimum": 0}
_NUMBER: _Schema = {"type": "number"}
_FLAG: _Schema = {"type": "boolean"}
_SHA256: _Schema = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_ANY_OBJECT: _Schema = {"type": "object"}
_TEXTS: _Schema = {"type": "array", "items": _TEXT}
_TEXT_MAP: _Schema = {"type": "object", "additionalProperties": _TEXT}


def _object(properties: Mapping[str, _Schema], *optional: str) -> _Schema:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": [name for name in properties if name not in optional],
    }


def _list(items: _Schema) -> _Schema:
    return {"type": "array", "items": items}


def _one_of(*words: str) -> _Schema:
    return {"enum": list(words)}


_VOUCHED = _object({"filename": _TEXT, "platform": _TEXT_OR_NULL, "step": _TEXT, "pieces": _list(_ANY_OBJECT)})
_CHANGE = _object(
    {
        "name": _TEXT,
        "action": _one_of("added", "updated", "moved", "removed"),
        "details": _TEXTS,
        "evidence": _list(_VOUCHED),
    }
)
_LEFT = _object({"dest": _TEXT, "reason": _TEXT})
_LOCKED = _object(
    {
        "platform": _TEXT_OR_NULL,
        "filename": _TEXT,
        "version": _TEXT_OR_NULL,
        "url": _TEXT,
        "dest": _TEXT,
        "size": _COUNT,
        "digests": _TEXT_MAP,
        "verified": _FLAG,
        "extracted": _object({"files": _COUNT, "tree": _SHA256, "executable": _FLAG}, "executable"),
        "headers": _TEXT_MAP,
        "step": _TEXT,
        "evidence": _list(_ANY_OBJECT),
    },
    "extracted",
)
_RESOURCE = _object(
    {
        "name": _TEXT,
        "standing": _one_of("placed", "missing", "differs", "elsewhere", "unlocked", "stale", "orphaned"),
        "request": _ANY_OBJECT,
        "artifacts": _list(_LOCKED),
    }
)
_FILE = {
    "filename": _TEXT,
    "version": _TEXT,
    "type": _TEXT,
    "format": _TEXT,
    "flags": _TEXTS,
    "values": _TEXT_MAP,
    "url": _TEXT,
    "size": _COUNT_OR_NULL,
}
_BLOB = {"sha256": _SHA256, "size": _COUNT, "name": _TEXT}

#: What ``result`` holds, by command; null where the command failed before it had one.
RESULTS: Mapping[str, _Schema] = {
    "init": _object({"manifest": _TEXT, "gitignore": _FLAG}),
    "add": _object(
        {"added": _TEXTS, "locked": _FLAG, "fetched": _COUNT, "transferred": _COUNT, "changes": _list(_CHANGE)}
    ),
    "remove": _object({"removed": _TEXTS, "unlocked": _TEXTS}),
    "lock": _object(
        {
            "dry_run": _FLAG,
            "entries": _COUNT,
            "written": _FLAG,
            "fetched": _COUNT,
            "transferred": _COUNT,
            "changes": _list(_CHANGE),
        }
    ),
    "sync": _object(
        {
            "dry_run": _FLAG,
            "changes": _list(_CHANGE),
            "fetched": _COUNT,
            "transferred": _COUNT,
            "missing": _list(_object({"resource": _TEXT, "filename": _TEXT, "url": _TEXT, "size": _COUNT_OR_NULL})),
            "placed": _list(_object({"resource": _TEXT, "dest": _TEXT, "mode": _TEXT, "replaced": _FLAG})),
            "removed": _TEXTS,
            "left": _list(_LEFT),
            "differs": _list(_object({"resource": _TEXT_OR_NULL, "dest": _TEXT, "reason": _TEXT})),
            "kept": _COUNT,
            "passed_over": _TEXTS,
            "lockfile_written": _FLAG,
            "lockfile_unwritten": _TEXT,
        },
        "lockfile_unwritten",
    ),
    "fetch": {
        "anyOf": [
            _object(
                {
                    "present": _COUNT,
                    "fetched": _COUNT,
                    "transferred": _COUNT,
                    "passed_over": _TEXTS,
                    "changes": _list(_CHANGE),
                }
            ),
            _object({"path": _TEXT_OR_NULL, "size": _COUNT, "sha256": _SHA256}),
        ]
    },
    "verify": {
        "anyOf": [
            _object(
                {
                    "tree": _COUNT,
                    "cache": _COUNT,
                    "repaired": _FLAG,
                    "flaws": _list(
                        _object(
                            {
                                "resource": _TEXT,
                                "where": _one_of("tree", "cache"),
                                "what": _one_of("missing", "differs", "rotted"),
                                "subject": _TEXT,
                                "expected": _TEXT,
                                "actual": _TEXT_OR_NULL,
                                "details": _TEXTS,
                            },
                            "details",
                        )
                    ),
                }
            ),
            _object(
                {
                    "artifacts": _list(
                        _object(
                            {
                                "resource": _TEXT,
                                "filename": _TEXT,
                                "platform": _TEXT_OR_NULL,
                                "url": _TEXT,
                                "standing": _TEXT,
                                "detail": _TEXT_OR_NULL,
                            }
                        )
                    )
                }
            ),
        ]
    },
    "list": _object({"resources": _list(_RESOURCE)}),
    "show": _RESOURCE,
    "path": _object({"paths": _TEXTS}),
    "outdated": _object(
        {
            "outdated": _FLAG,
            "resources": _list(_object({"name": _TEXT, "standing": _TEXT, "locked": _TEXTS, "latest": _TEXTS})),
        }
    ),
    "why-stale": _object(
        {"stale": _list(_object({"name": _TEXT, "kind": _TEXT, "fields": _TEXTS, "details": _TEXTS}))}
    ),
    "diff": _object(
        {
            "revision": _TEXT,
            "entries": _list(
                _object(
                    {
                        "name": _TEXT,
                        "action": _one_of("added", "removed", "changed"),
                        "request": _TEXTS,
                        "files": _list(
                            _object(
                                {
                                    "filename": _TEXT,
                                    "platform": _TEXT_OR_NULL,
                                    "action": _one_of("added", "removed", "changed"),
                                    "fields": _ANY_OBJECT,
                                }
                            )
                        ),
                    }
                )
            ),
        }
    ),
    "clean": _object({"dry_run": _FLAG, "removed": _TEXTS, "left": _list(_LEFT)}),
    "cache dir": _object({"dir": _TEXT}),
    "cache size": _object({"bytes": _COUNT}),
    "cache ls": _object({"blobs": _list(_object({**_BLOB, "used": _NUMBER}))}),
    "cache prune": _object(
        {
            "removed": _list(_object(_BLOB)),
            "freed": _COUNT,
            "left": _COUNT,
            "kept": _object({"locked": _COUNT, "in_use": _COUNT}),
            "dry_run": _FLAG,
        }
    ),
    "cache verify": _object({"blobs": _COUNT, "damaged": _list(_object({"sha256": _SHA256, "name": _TEXT}))}),
    "cache clean": _object({"dir": _TEXT, "blobs": _COUNT, "bytes": _COUNT}),
    "python versions": _object(
        {
            "versions": _list(
                _object({"version": _TEXT, "final": _FLAG, "withdrawn": _FLAG, "types": _TEXTS, "files": _COUNT})
            )
        }
    ),
    "python artifacts": _object(
        {
            "version": _TEXT,
            "final": _FLAG,
            "withdrawn": _FLAG,
            "artifacts": _list(_object({**_FILE, "related": _TEXTS, "selector": _TEXT})),
        }
    ),
    "python latest": _object({"version": _TEXT, "passed_over": _TEXTS}),
    "python download": _object(
        {
            "selector": _TEXT,
            "files": _list(_object({**_FILE, "path": _TEXT, "sha256": _SHA256, "unchanged": _FLAG})),
            "passed_over": _TEXTS,
        }
    ),
    "python report": _object({"artifacts": _list(_object({**_FILE, "related": _TEXTS}))}),
    "schema": _object({"name": _TEXT, "schema": _ANY_OBJECT}),
    "doctor": _object(
        {
            "versions": _ANY_OBJECT,
            "settings": _list(_object({"key": _TEXT, "value": {}, "source": _TEXT})),
            "proxies": _ANY_OBJECT,
            "checks": _list(_object({"name": _TEXT, "state": _TEXT, "message": _TEXT, "hint": _TEXT_OR_NULL})),
        }
    ),
    "completion": _object({"shell": _TEXT, "script": _TEXT}),
}

_ERROR = _object(
    {
        "code": {"enum": [1, 2, 3, 4, 5, 6, 7, 130, 143]},
        "kind": _TEXT,
        "resource": _TEXT_OR_NULL,
        "message": _TEXT,
        "details": _TEXTS,
        "hint": _TEXT_OR_NULL,
    }
)


def output_schema() -> _Schema:
    """The schema of the one document that a command prints with ``--format json``, also where it fails."""
    return {
        "$schema": _DIALECT,
        "title": "What dlm prints with --format json",
        "description": "With ndjson, the same document is the last line, with the key event and the value end.",
        **_document({}),
        "$defs": _results(),
    }


def events_schema() -> _Schema:
    """The schema of each line that a command prints with ``--format ndjson``: the events, and the document at the end.

    Nothing but the last line is called ``end``.
    """
    end = {"description": "The last line: the document of --format json.", **_document({"event": {"const": "end"}})}
    return {
        "$schema": _DIALECT,
        "title": "A line of --format ndjson: an event of dlm, or as the last one the document",
        "oneOf": [*(_event(kind) for kind in typing.get_args(events.Event)), end],
        "$defs": _results(),
    }


def _document(first: Mapping[str, _Schema]) -> _Schema:
    """The envelope with the keys of ``first`` in front, and for each command the shape of its result.

    The shapes are looked up below ``$defs`` of the schema that it becomes a part of.
    """
    envelope = _object(
        {
            **first,
            "schema": {"const": 1},
            "command": {
                "enum": [*RESULTS, None],
                "description": "null where the command line names none that there is",
            },
            "code": {"enum": [0, 1, 2, 3, 4, 5, 6, 7, 130, 143]},
            "result": {"type": ["object", "null"]},
            "warnings": _list(_object({"message": _TEXT, "resource": _TEXT}, "resource")),
            "errors": _list(_ERROR),
        }
    )
    branches = [
        {
            "if": {"properties": {"command": {"const": name}, "result": {"type": "object"}}},
            "then": {"properties": {"result": {"$ref": f"#/$defs/{name.replace(' ', '-')}"}}},
        }
        for name in RESULTS
    ]
    return {**envelope, "allOf": branches}


def _results() -> _Schema:
    return {name.replace(" ", "-"): shape for name, shape in RESULTS.items()}


def event_name(kind: type) -> str:
    """How ``ndjson`` calls an event: the class's words, in lower case, with dashes."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", kind.__name__).lower()


def _event(kind: type) -> _Schema:
    hints = typing.get_type_hints(kind)
    properties: dict[str, _Schema] = {"event": {"const": event_name(kind)}}
    for field in dataclasses.fields(kind):
        properties[field.name] = _shape(hints[field.name])
    words = (kind.__doc__ or "").strip().splitlines()
    return {"description": words[0] if words else "", **_object(properties)}


_PLAIN: Mapping[Any, str] = {str: "string", int: "integer", float: "number", bool: "boolean", types.NoneType: "null"}


def _shape(hint: Any) -> _Schema:
    names = [_PLAIN[one] for one in typing.get_args(hint) or (hint,)]
    return {"type": names[0] if len(names) == 1 else names}
