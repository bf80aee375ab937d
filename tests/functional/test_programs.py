"""For programs: every command in JSON and in JSON lines, over a matrix of outcomes, each held against its schema."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from dlm.cli.console import event_document
from dlm.cli.main import COMMANDS
from dlm.documents.output_schema import RESULTS, event_name, events_schema, output_schema
from dlm.model import events
from tests.support.archives import TarItem, tar_bytes
from tests.support.cli import Desk
from tests.support.world import World


def strict(shape: Any) -> Any:
    """A schema that knows every key: programs may meet others, dlm prints none that its schema does not name."""
    if isinstance(shape, list):
        return [strict(one) for one in shape]
    if not isinstance(shape, dict):
        return shape
    closed = {"additionalProperties": False} if shape.get("type") == "object" and "properties" in shape else {}
    return {**closed, **{key: strict(value) for key, value in shape.items()}}


OUTPUT = Draft202012Validator(strict(output_schema()))
LINES = Draft202012Validator(strict(events_schema()))

#: What is run in a project that is in order, and in one where something is wrong: arguments and the code of each.
HEALTHY: tuple[tuple[tuple[str, ...], int], ...] = (
    (("lock",), 0),
    (("lock", "--check"), 0),
    (("lock", "--dry-run", "-U"), 0),
    (("sync",), 0),
    (("sync", "--check"), 0),
    (("sync", "--locked"), 0),
    (("sync", "--frozen", "--offline"), 0),
    (("sync", "--dry-run"), 0),
    (("fetch",), 0),
    (("fetch", "--platform", "all"), 0),
    (("verify",), 0),
    (("verify", "--repair"), 0),
    (("verify", "--upstream"), 0),
    (("list",), 0),
    (("show", "data"), 0),
    (("path", "data"), 0),
    (("outdated",), 0),
    (("why-stale",), 0),
    (("cache", "dir"), 0),
    (("cache", "size"), 0),
    (("cache", "ls"), 0),
    (("cache", "prune", "--max-size", "1GiB"), 0),
    (("cache", "verify"), 0),
    (("python", "versions"), 0),
    (("python", "artifacts", "3.13.0"), 0),
    (("python", "latest", "3.12"), 0),
    (("schema",), 0),
    (("completion", "bash"), 0),
    (("clean", "--dry-run"), 0),
    (("clean",), 0),
    (("cache", "clean"), 0),
)

BROKEN: tuple[tuple[str, tuple[str, ...], int], ...] = (
    ("no: manifest", ("lock",), 2),
    ("no: manifest", ("sync",), 2),
    ("no: manifest", ("list",), 2),
    ("{}", ("show", "nothing"), 2),
    ("[{url: '@gone', name: gone}]", ("lock",), 1),
    ("[{url: '@gone', name: gone}]", ("sync",), 1),
    ("[{url: '@data', name: data}]", ("sync", "--locked"), 3),
    ("[{url: '@data', name: data}]", ("sync", "--frozen"), 3),
    ("[{url: '@data', name: data}]", ("lock", "--check"), 3),
    ("[{url: '@data', name: data}]", ("sync", "--offline"), 5),
    ("[{url: '@data', name: data}]", ("verify",), 3),
    ("[{url: '@data', name: data}]", ("path", "data"), 3),
    ("[{url: '@data', name: data}]", ("why-stale",), 7),
    ("[{url: '@data', name: data, sha256: 0000000000000000000000000000000000000000000000000000000000000000}]",
     ("sync",), 4),
    ("[{url: '@data?k=${HOME}', name: data, dest: d}]", ("lock",), 6),
    ("[]", ("add", "ftp://nowhere/"), 2),
    ("[]", ("remove", "nothing"), 2),
    ("[]", ("diff",), 2),
    ("['python:3.13.*:sorce']", ("lock",), 2),
    ("['python:9.9.*']", ("lock",), 1),
)  # fmt: skip


def document_of(text: str) -> dict[str, Any]:
    """The one document on stdout, checked."""
    found: dict[str, Any] = json.loads(text)
    OUTPUT.validate(found)
    return found


def lines_of(text: str) -> list[dict[str, Any]]:
    """The lines on stdout, each checked; the last one is the document."""
    found: list[dict[str, Any]] = [json.loads(line) for line in text.splitlines()]
    for line in found:
        LINES.validate(line)
    assert [line["event"] == "end" for line in found] == [*([False] * (len(found) - 1)), True]
    OUTPUT.validate({key: value for key, value in found[-1].items() if key != "event"})
    return found


def manifest(world: World) -> str:
    """A small project with one of each kind."""
    url = world.file("/data.csv", b"one,two\n")
    return (
        "version: 1\nresources:\n"
        f"  - {{name: data, url: '{url}', dest: in/}}\n"
        "  - {selector: 'python:3.12.*:source-release:xz', dest: in/}\n"
    )


def test_every_command_has_a_schema() -> None:
    groups = {"cache": ("dir", "size", "ls", "prune", "verify", "clean"),
              "python": ("versions", "artifacts", "latest", "download", "report")}  # fmt: skip
    names = {f"{name} {one}" for name, parts in groups.items() for one in parts}
    assert set(RESULTS) == names | (set(COMMANDS) - set(groups))


def test_every_event_has_a_schema_and_one_name() -> None:
    shapes = events_schema()["oneOf"]
    assert [one["properties"]["event"]["const"] for one in shapes] == [*map(event_name, events.Event.__args__), "end"]
    for kind in events.Event.__args__:
        names = set(kind.__dataclass_fields__)
        shape = next(one for one in shapes if one["properties"]["event"]["const"] == event_name(kind))
        assert set(shape["properties"]) == names | {"event"}
    assert event_document(events.LinkFellBack("a", "b", "c"))["event"] == event_name(events.LinkFellBack)


def test_a_healthy_project_in_json(world: World, desk: Desk) -> None:
    desk.manifest(manifest(world))
    for arguments, code in HEALTHY:
        ran = desk.dlm(*arguments, "--format", "json")
        document = document_of(ran.out)
        name = " ".join(arguments[: 2 if arguments[0] in {"cache", "python"} else 1])
        assert (ran.code, document["code"], document["command"]) == (code, code, name), str(ran)
        assert document["result"] is not None
        assert ran.err == ""


@pytest.mark.parametrize(("resources", "arguments", "code"), BROKEN)
def test_a_broken_project_in_json(
    world: World, desk: Desk, resources: str, arguments: tuple[str, ...], code: int
) -> None:
    data = world.file("/data.csv", b"one,two\n")
    text = resources.replace("@data", data).replace("@gone", f"{world.url}/gone")
    desk.manifest(f"version: 1\nresources: {text}\n" if not text.startswith("no:") else text)
    ran = desk.dlm(*arguments, "--format", "json")
    document = document_of(ran.out)
    assert (ran.code, document["code"]) == (code, code), str(ran)
    assert document["errors"] or code == 7
    assert ran.err == ""


#: Command lines that cannot be understood, and the command that they name.
MISTAKEN: tuple[tuple[tuple[str, ...], str | None], ...] = (
    (("sync", "--no-such-flag"), "sync"),
    (("cache", "prune", "--no-such-flag"), "cache prune"),
    (("add",), "add"),
    (("no-such-command",), None),
    (("cache", "no-such-command"), None),
    (("python", "--no-such-flag"), None),
)


@pytest.mark.parametrize(("arguments", "name"), MISTAKEN)
def test_usage_errors_are_documents_too(desk: Desk, arguments: tuple[str, ...], name: str | None) -> None:
    ran = desk.dlm(*arguments, "--format", "json")
    document = document_of(ran.out)
    assert (ran.code, document["code"], document["command"]) == (2, 2, name)
    assert document["errors"][0]["kind"] == "usage"
    asked = (
        desk.dlm(*arguments, "--format", "ndjson"),
        desk.dlm(*arguments, "--format=ndjson"),
        desk.dlm(*arguments, variables={"DLM_FORMAT": "ndjson"}),
    )
    for ran in asked:
        (end,) = lines_of(ran.out)
        assert (ran.code, end["command"], end["errors"][0]["kind"]) == (2, name, "usage")
        assert ran.err == ""


def test_events_as_lines(world: World, desk: Desk) -> None:
    desk.manifest(manifest(world))
    lines = lines_of(desk.dlm("sync", "--format", "ndjson").ok().out)
    assert {"resolving", "resolved", "fetching", "fetched", "placed", "end"} <= {line["event"] for line in lines}
    for arguments, code in HEALTHY:
        ran = desk.dlm(*arguments, "--format", "ndjson")
        assert (ran.code, lines_of(ran.out)[-1]["code"]) == (code, code), str(ran)


def test_every_command_says_what_its_schema_names(world: World, desk: Desk) -> None:
    """Outcomes that a project in order does not have: folders, drift, what is left alone, what goes, a history."""
    said: set[str] = set()

    def say(*arguments: str, code: int = 0) -> Any:
        ran = desk.dlm(*arguments, "--format", "json")
        document = document_of(ran.out)
        assert ran.code == code, str(ran)
        said.add(document["command"])
        return document["result"]

    data = world.file("/data.csv", b"one,two\n")
    members = (TarItem(name="pkg/run", body=b"run\n", mode=0o755), TarItem(name="pkg/read.me", body=b"read me\n"))
    archive = world.file("/pkg.tar.gz", gzip.compress(tar_bytes(*members)))
    desk.git("init", "-q")
    say("init")
    assert say("add", data, "--dest", "in/", "--name", "data")["changes"]
    desk.manifest(
        f"version: 1\nresources:\n  - {{name: data, url: '{data}', dest: in/}}\n"
        f"  - {{name: pkg, url: '{archive}', dest: pkg/, extract: {{strip: 1}}}}\n"
    )
    assert say("sync")["placed"]
    desk.git("add", "-A")
    desk.git("commit", "-qm", "one")
    (artifact,) = say("show", "pkg")["artifacts"]
    assert artifact["extracted"]["files"] == 2
    assert say("list")["resources"]
    (desk.root / "pkg" / "run").write_bytes(b"edited")
    (desk.root / "in" / "data.csv").write_bytes(b"edited")
    flaws = {flaw["resource"]: flaw for flaw in say("verify", code=7)["flaws"]}
    assert flaws["pkg"]["details"]
    assert say("sync", "--check", code=7)["differs"]
    say("sync", code=1)
    assert say("sync", "--force")["placed"]
    world.file("/data.csv", b"three\n")
    assert [one["standing"] for one in say("verify", "--upstream", code=7)["artifacts"]] != ["same", "same"]
    assert say("lock", "--accept-hash", "data")["changes"]
    assert say("diff")["entries"]
    assert say("remove", "pkg")["removed"]
    (desk.root / "pkg" / "run").write_bytes(b"edited")
    assert say("clean", "--dry-run")["left"]
    assert say("cache", "clean")["blobs"]
    (desk.root / "in" / "data.csv").unlink()
    assert say("sync", "--dry-run")["missing"]
    assert say("fetch", data, "-o", "alone.csv")["path"]
    assert say("cache", "ls")["blobs"]
    assert say("cache", "prune", "--max-size", "0", "--ignore-projects")["removed"]
    assert say("python", "download", "3.12.1", "-o", "py/")["files"]
    assert say("python", "report", "--final")["artifacts"]
    assert say("doctor")["checks"]
    assert say("completion", "zsh")["script"]
    others = {" ".join(arguments[: 2 if arguments[0] in {"cache", "python"} else 1]) for arguments, _ in HEALTHY}
    assert said | others == set(RESULTS)


def test_a_failure_ends_the_lines_as_well(world: World, desk: Desk) -> None:
    desk.manifest(f"version: 1\nresources: ['{world.url}/gone.bin']\n")
    ran = desk.dlm("lock", "--format", "ndjson")
    end = lines_of(ran.out)[-1]
    assert (ran.code, end["code"]) == (1, 1)


def test_github_is_told_where(world: World, desk: Desk) -> None:
    desk.manifest("version: 1\nresources:\n  - {url: 'https://h/x', foo: 1}\n")
    ran = desk.dlm("lock", variables={"GITHUB_ACTIONS": "true"})
    assert ran.code == 2
    assert "::error file=downloads.yaml,line=3::resources[0].foo: unknown key 'foo'" in ran.err
    assert "::error" not in desk.dlm("lock").err


def test_colours(world: World, desk: Desk) -> None:
    desk.manifest("version: 2\n")
    assert "\x1b[" not in desk.dlm("lock").err
    assert "\x1b[" in desk.dlm("lock", "--color", "always").err
    assert "\x1b[" in desk.dlm("lock", variables={"FORCE_COLOR": "1"}).err
    assert "\x1b[" not in desk.dlm("lock", variables={"FORCE_COLOR": "1", "NO_COLOR": "1"}).err
