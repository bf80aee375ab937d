"""JSON Schemas of both documents, for editors and programs: made from the models that the readers use.

Dialect: JSON Schema 2020-12.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter

from dlm.documents.output_schema import events_schema, output_schema
from dlm.model.artifact import KEPT_HEADERS
from dlm.model.digest import STRENGTH
from dlm.model.lockfile import VERSION
from dlm.model.policy import Step
from dlm.model.written import ManifestForm

__all__ = ["SCHEMAS", "lockfile_schema", "manifest_schema", "write_schema"]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"

_DESCRIPTIONS: Mapping[str, str] = {
    "name": "What messages and the lockfile call it; defaults to the file's name or to a slug of the selector.",
    "url": "An http or https address; {name} is filled from version, vars and the platform, ${NAME} from the "
    "environment when the request is made.",
    "selector": "A wish that needs a resolver, such as python:3.13.*:source-release:xz.",
    "base": "The address, ending in a slash, below which the files lie.",
    "files": "The files below base: names, or names with their digests.",
    "version": "Fills {version}.",
    "vars": "Values for further {name}.",
    "platforms": "The platforms it differs for: a list, or for each what differs there (variables, url, sha256, size).",
    "sha256": "What the file must hash to, in hexadecimal.",
    "digests": "The same for other algorithms: sha256, sha384, sha512.",
    "integrity": "The same in SRI notation, sha256-BASE64.",
    "size": "The file's size in bytes.",
    "mirrors": "Other addresses of the same bytes, tried in this order behind the first.",
    "headers": "Request headers for the origin of the URL alone.",
    "dest": "A folder ending in a slash, or the file's own path, relative to the manifest's folder.",
    "request": "How it is asked for, where that is more than a GET.",
    "evidence": "Who has to vouch for the bytes, beyond the digest; all of it has to hold.",
    "policy": "What the manifest demands on top of the user's configuration; it can lower nothing.",
    "extract": "What comes out of an archive: true for all of it, into the folder that dest names.",
    "strip": "How many leading folders the members' paths lose.",
    "include": "Patterns of the members to take, such as bin/*; all without.",
    "exclude": "Patterns of the members to leave out of these.",
    "member": "The one file to take, by its whole path in the archive.",
    "executable": "Whether the placed file may be run.",
    "link": "How the cache's file gets into the project.",
    "groups": "Names by which a sync can be narrowed.",
    "optional": "Whether failing to get it is only a warning.",
    "mutable": "Whether `dlm lock -U` may accept new bytes at this URL.",
    "freeze": "Whether upgrades pass it by.",
    "resources": "What the project needs.",
    "defaults": "What holds for every resource that does not say otherwise.",
    "requires-dlm": "The versions of dlm that may be used, such as >=0.1.",
}


def manifest_schema() -> dict[str, Any]:
    """The schema of ``downloads.yaml``."""
    schema = TypeAdapter(ManifestForm).json_schema(by_alias=True, ref_template="#/$defs/{model}")
    tidy = _tidy(schema)
    if not isinstance(tidy, dict):
        raise TypeError("a schema is an object")
    tidy["properties"]["version"] = {"const": 1, "description": "The version of the manifest's format."}
    resource = tidy["$defs"]["ResourceForm"]
    resource["properties"]["evidence"].update(_evidence_schema())
    tidy["properties"]["policy"].update(_policy_schema())
    resource["properties"]["size"].update(minimum=0, maximum=2**63 - 1)
    resource["oneOf"] = [{"required": [kind]} for kind in ("url", "selector", "base")]
    return {"$schema": _DIALECT, "title": "downloads.yaml: the manifest of dlm", **tidy}


def _evidence_schema() -> dict[str, Any]:
    """What the model checks itself, since a type cannot say it."""
    text, address = {"type": "string", "minLength": 1}, {"type": "string", "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://"}

    def form(needed: Sequence[str], **properties: Any) -> dict[str, Any]:
        return {
            "type": "object",
            "required": list(needed),
            "properties": properties,
            "additionalProperties": False,
        }

    prints = {"anyOf": [text, {"type": "array", "items": text, "minItems": 1}]}
    return {
        "properties": {
            "checksums": {
                "description": "A checksum file that lists it.",
                "anyOf": [address, form(["url"], url=address)],
            },
            "minisign": {
                "description": "The public key that signed it.",
                "anyOf": [text, form(["key"], key=text, signature=address)],
            },
            "openpgp": {
                "description": "The fingerprint of the certificate that signed it, or several.",
                "anyOf": [*prints["anyOf"], form(["fingerprint"], fingerprint=prints, key=address, signature=address)],
            },
            "sigstore": {
                "description": "Who signed it, and who vouches for that.",
                **form(["identity", "issuer"], identity=text, issuer=text, bundle=address),
            },
        },
        "additionalProperties": False,
        "minProperties": 1,
    }


def _policy_schema() -> dict[str, Any]:
    steps = {"enum": [step.word for step in Step]}
    hosts = {"type": "object", "description": "For each host the least step.", "additionalProperties": steps}
    return {"properties": {"evidence": hosts}, "additionalProperties": False}


def lockfile_schema() -> dict[str, Any]:
    """The schema of ``downloads.lock``."""
    text = {"type": "string", "minLength": 1}
    digests = {
        "type": "object",
        "required": ["sha256"],
        "properties": {
            name: {"type": "string", "pattern": f"^[0-9a-f]{{{2 * size}}}$"} for name, size in STRENGTH.items()
        },
        "additionalProperties": False,
    }
    artifact = {
        "type": "object",
        "required": ["filename", "url", "dest", "size", "digests"],
        "properties": {
            "platform": text,
            "filename": text,
            "version": text,
            "url": {"type": "string", "pattern": "^https?://"},
            "final-url": {"type": "string", "pattern": "^https?://"},
            "dest": text,
            "size": {"type": "integer", "minimum": 0},
            "digests": digests,
            "verified": {"const": False, "description": "No byte was seen yet; the manifest alone vouches."},
            "extracted": {
                "type": "object",
                "description": "What comes out of it.",
                "required": ["files", "tree"],
                "properties": {
                    "files": {"type": "integer", "minimum": 0},
                    "tree": {
                        "type": "string",
                        "pattern": "^[0-9a-f]{64}$",
                        "description": "The digest of the folder with all that is in it, or the one file's sha256.",
                    },
                    "executable": {"const": True, "description": "The archive calls the one file a program."},
                },
                "additionalProperties": False,
            },
            "headers": {
                "type": "object",
                "properties": dict.fromkeys(KEPT_HEADERS, text),
                "additionalProperties": False,
            },
            "evidence": {"type": "array", "items": {"type": "object", "required": ["kind"]}},
        },
    }
    entry = {
        "type": "object",
        "required": ["request", "artifacts"],
        "properties": {
            "request": {"type": "object", "description": "The resource as the manifest had it, normalised."},
            "artifacts": {"type": "array", "minItems": 1, "items": artifact},
        },
    }
    return {
        "$schema": _DIALECT,
        "title": "downloads.lock: the lockfile of dlm",
        "description": "Written by dlm alone. A newer revision may add keys; a newer version needs a newer dlm.",
        "type": "object",
        "required": ["version", "revision", "resources"],
        "properties": {
            "version": {"const": VERSION},
            "revision": {"type": "integer", "minimum": 0},
            "resources": {"type": "object", "additionalProperties": entry},
        },
    }


#: Every schema by the name that ``dlm schema`` and ``schemas/`` know it by.
SCHEMAS = {
    "manifest": manifest_schema,
    "lockfile": lockfile_schema,
    "output": output_schema,
    "events": events_schema,
}


def write_schema(name: str) -> str:
    """The text of a schema, as it stands in ``schemas/``."""
    return json.dumps(SCHEMAS[name](), indent=2, ensure_ascii=False) + "\n"


def _tidy(node: Any, key: str = "") -> Any:
    """Without generated titles, without the null that only means "not given", and with words for people."""
    if isinstance(node, list):
        return [_tidy(one) for one in node]
    if not isinstance(node, dict):
        return node
    out = {name: _tidy(value, name) for name, value in node.items() if name not in {"title", "default"}}
    choices = out.get("anyOf")
    if isinstance(choices, list):
        kept = [one for one in choices if one != {"type": "null"}]
        del out["anyOf"]
        out = {**out, **kept[0]} if len(kept) == 1 else {**out, "anyOf": kept}
    if key == "properties":
        for name, one in out.items():
            if name in _DESCRIPTIONS and isinstance(one, dict):
                out[name] = {"description": _DESCRIPTIONS[name], **{k: v for k, v in one.items() if k != "description"}}
    return out
