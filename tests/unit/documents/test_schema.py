"""The JSON Schemas: in step with the models, and of one mind with the readers."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from dlm.documents.lockfile_json import read_lockfile, write_lockfile
from dlm.documents.manifest_yaml import read_manifest
from dlm.documents.schema import SCHEMAS, write_schema
from dlm.errors import LockfileError, ManifestError
from dlm.model.digest import Digests
from dlm.model.lockfile import LockedArtifact, LockEntry, Lockfile
from dlm.model.written import ResourceForm

FOLDER = Path(__file__).resolve().parents[3] / "schemas"
FILES = {
    "manifest": "downloads.schema.json",
    "lockfile": "downloads.lock.schema.json",
    "output": "output.schema.json",
    "events": "events.schema.json",
}
HEX = "0" * 64

GOOD = {
    "empty": "version: 1\nresources: []",
    "short": "version: 1\nresources: [https://example.org/a, 'python:3.13.*:source-release:xz']",
    "example": f"""
version: 1
requires-dlm: ">=0.1"
defaults: {{dest: vendor/, groups: [a], link: auto, executable: false, platforms: [linux-x86_64]}}
resources:
  - https://example.org/data/iris.csv
  - python:3.13.*:source-release:xz
  - name: tool
    url: "https://example.org/tool/{{version}}/tool-{{os}}-{{arch}}.{{ext}}"
    version: "1.4.2"
    platforms:
      linux-x86_64: {{ext: tar.gz, sha256: "{HEX}", size: 12, digests: {{sha512: "{HEX}{HEX}"}}}}
      macos-arm64: {{os: darwin, ext: zip, url: "https://example.org/mac.{{ext}}"}}
    mirrors: ["https://mirror.example.net/tool/{{version}}/tool-{{os}}-{{arch}}.{{ext}}"]
    headers: {{Authorization: "Bearer ${{DLM_AUTH_TOOL}}"}}
    dest: tools/
    executable: true
    link: copy
    groups: [ci]
    freeze: false
    mutable: false
    optional: false
  - name: digits
    base: https://example.org/digits/
    files: {{train.npz: "sha256:{HEX}"}}
    dest: data/digits/
  - {{name: more, base: https://example.org/more/, files: [a, b]}}
  - {{url: https://example.org/d, vars: {{x: y}}, size: 0}}
""",
}
BAD = {
    "no version": "resources: []",
    "no resources": "version: 1",
    "another version": "version: 2\nresources: []",
    "version as text": "version: '1'\nresources: []",
    "a list": "[]",
    "unknown key": "version: 1\nresorces: []\nresources: []",
    "resources no list": "version: 1\nresources: {a: b}",
    "a number": "version: 1\nresources: [5]",
    "misspelt": "version: 1\nresources: [{ulr: https://example.org/a}]",
    "nothing wanted": "version: 1\nresources: [{name: a}]",
    "two things wanted": "version: 1\nresources: [{url: https://example.org/a, selector: 'python:3'}]",
    "size as text": "version: 1\nresources: [{url: https://example.org/a, size: '5'}]",
    "negative size": "version: 1\nresources: [{url: https://example.org/a, size: -5}]",
    "huge size": "version: 1\nresources: [{url: https://example.org/a, size: 9223372036854775808}]",
    "version as number": "version: 1\nresources: [{url: https://example.org/a, version: 3}]",
    "link": "version: 1\nresources: [{url: https://example.org/a, link: hard}]",
    "groups": "version: 1\nresources: [{url: https://example.org/a, groups: ci}]",
    "executable": "version: 1\nresources: [{url: https://example.org/a, executable: 1}]",
    "headers by default": "version: 1\ndefaults: {headers: {A: b}}\nresources: []",
    "header number": "version: 1\nresources: [{url: https://example.org/a, headers: {A: 5}}]",
}


def accepts(name: str, document: Any) -> bool:
    return bool(Draft202012Validator(SCHEMAS[name]()).is_valid(document))


def reads(text: str) -> bool:
    try:
        read_manifest(text.encode(), "downloads.yaml", dlm_version="0.1.0")
    except ManifestError:
        return False
    return True


@pytest.mark.parametrize("name", FILES)
def test_the_files_are_what_the_models_say(name: str) -> None:
    text = (FOLDER / FILES[name]).read_text(encoding="utf-8")
    assert text == write_schema(name), "run `make schemas`"


@pytest.mark.parametrize("name", SCHEMAS)
def test_they_are_schemas(name: str) -> None:
    Draft202012Validator.check_schema(SCHEMAS[name]())


@pytest.mark.parametrize("name", GOOD)
def test_the_schema_accepts_what_the_reader_accepts(name: str) -> None:
    assert reads(GOOD[name])
    assert accepts("manifest", yaml.safe_load(GOOD[name]))


@pytest.mark.parametrize("name", BAD)
def test_the_schema_refuses_what_the_reader_refuses(name: str) -> None:
    assert not reads(BAD[name])
    assert not accepts("manifest", yaml.safe_load(BAD[name]))


def test_every_key_is_explained() -> None:
    properties = SCHEMAS["manifest"]()["$defs"]["ResourceForm"]["properties"]
    assert set(properties) == {field.name for field in fields(ResourceForm)}
    assert [key for key, one in properties.items() if "description" not in one and "$ref" not in one] == []


LOCKED = LockedArtifact(
    platform="linux-x86_64",
    filename="a",
    version="1",
    url="https://example.org/a",
    final_url="https://cdn.example.org/a",
    dest="x/a",
    size=0,
    digests=Digests.sha256_of(b""),
    verified=False,
    headers={"etag": '"x"', "last-modified": "today"},
    evidence=({"kind": "sigstore", "identity": "x"},),
)
LOCKFILE = Lockfile(entries={"a": LockEntry(name="a", request={"url": "https://example.org/a"}, artifacts=(LOCKED,))})


@pytest.mark.parametrize("value", [LOCKFILE, Lockfile(), Lockfile(revision=7, extra={"more": 1})])
def test_the_schema_accepts_every_lockfile_that_is_written(value: Lockfile) -> None:
    assert accepts("lockfile", json.loads(write_lockfile(value)))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("url", "file:///etc/passwd"),
        ("size", -1),
        ("size", "5"),
        ("digests", {}),
        ("digests", {"md5": "0" * 32}),
        ("digests", {"sha256": "0" * 63}),
        ("dest", ""),
        ("filename", 5),
        ("evidence", {}),
        ("headers", {"etag": 5}),
        ("final-url", "javascript:x"),
    ],
)
def test_the_schema_refuses_what_no_lockfile_holds(key: str, value: Any) -> None:
    document = json.loads(write_lockfile(LOCKFILE))
    document["resources"]["a"]["artifacts"][0][key] = value
    assert not accepts("lockfile", document)
    with pytest.raises(LockfileError):
        read_lockfile(json.dumps(document).encode(), "downloads.lock")


@pytest.mark.parametrize(
    "document", [{}, {"version": 2, "revision": 0, "resources": {}}, [], {"version": 1, "resources": 5}]
)
def test_the_schema_refuses_other_documents(document: Any) -> None:
    assert not accepts("lockfile", document)
