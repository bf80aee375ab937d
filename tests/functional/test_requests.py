"""Resources that are asked for with more than a GET, and selectors that mean many files."""

from __future__ import annotations

import hashlib
import json

import pytest

from tests.support.cli import Desk
from tests.support.origin import Close, Origin, Request, Response, redirect
from tests.support.world import World


def echo(request: Request) -> Response:
    """What was asked, as the file; the same question gives the same bytes."""
    headers = {name.lower(): value for name, value in request.headers}
    seen = {
        "method": request.method,
        "target": request.target,
        "type": headers.get("content-type"),
        "body": request.body.decode(),
        "range": headers.get("range"),
    }
    return Response(200, (("ETag", '"never-the-same"'),), json.dumps(seen, sort_keys=True).encode())


MANIFEST = """\
version: 1
resources:
  - {name: plain, url: '@/query', dest: in/plain}
  - {name: asked, url: '@/query?a=0', dest: in/asked, request: {query: {b: [1, 2], c: 'x y', d: true}}}
  - name: json
    url: '@/query'
    dest: in/json
    request: {json: {limit: 10, share: 0.5, none: null, key: '${DLM_AUTH_KEY}'}}
  - {name: form, url: '@/query', dest: in/form, request: {form: {q: 'a&b', key: '${DLM_AUTH_KEY}'}}}
  - {name: parts, url: '@/query', dest: in/parts, request: {multipart: {one: first, two: second}}}
"""


def test_queries_forms_json_and_multipart(world: World, either: Desk) -> None:
    world.route("/query", echo)
    either.variables["DLM_AUTH_KEY"] = "s3cr3t-of-the-user"
    either.manifest(MANIFEST.replace("@", world.url))
    either.dlm("sync").ok()
    got = {name.removeprefix("in/"): json.loads(body) for name, body in either.tree().items()}
    assert (got["plain"]["method"], got["plain"]["body"]) == ("GET", "")
    assert got["asked"]["target"] == "/query?a=0&b=1&b=2&c=x%20y&d=true"
    assert (got["json"]["method"], got["json"]["type"]) == ("POST", "application/json")
    assert json.loads(got["json"]["body"]) == {"key": "s3cr3t-of-the-user", "limit": 10, "none": None, "share": 0.5}
    assert got["form"]["type"] == "application/x-www-form-urlencoded"
    assert got["form"]["body"] == "q=a%26b&key=s3cr3t-of-the-user"
    assert got["parts"]["type"].startswith("multipart/form-data; boundary=")
    assert 'name="two"\r\n\r\nsecond\r\n' in got["parts"]["body"]
    # Five questions to one address are five artifacts, and none of the answers passed for another's.
    assert len({one["artifacts"][0]["digests"]["sha256"] for one in either.lock()["resources"].values()}) == 5
    assert "s3cr3t" not in either.lockfile.read_text()
    assert either.entry("form")["request"]["request"] == {"form": [["q", "a&b"], ["key", "${DLM_AUTH_KEY}"]]}

    before = world.count
    either.dlm("lock").ok()
    either.dlm("sync", "--locked", "--offline").ok()
    assert world.count == before, "a question that is locked is not asked again"

    either.dlm("clean").ok()
    either.dlm("cache", "clean").ok()
    either.dlm("sync", "--locked").ok()
    assert {name.removeprefix("in/"): json.loads(body) for name, body in either.tree().items()} == got


def test_another_question_is_another_artifact(world: World, desk: Desk) -> None:
    world.route("/query", echo)
    text = f"version: 1\nresources:\n  - {{name: q, url: '{world.url}/query', request: {{form: {{a: 1}}}}}}\n"
    desk.manifest(text)
    desk.dlm("lock").ok()
    first = desk.entry("q")["artifacts"][0]["digests"]["sha256"]
    desk.manifest(text.replace("a: 1", "a: 2"))
    stale = desk.dlm("lock", "--check")
    assert stale.code == 3
    assert "request" in stale.err
    desk.dlm("lock").ok()
    assert desk.entry("q")["artifacts"][0]["digests"]["sha256"] != first


def test_a_post_is_not_sent_twice(world: World, either: Desk) -> None:
    world.route("/query", Response(500, (), b""), Response(200, (), b"late"))
    either.manifest(f"version: 1\nresources:\n  - {{name: q, url: '{world.url}/query', request: {{form: {{a: 1}}}}}}\n")
    ran = either.dlm("lock")
    assert ran.code == 1
    assert "a POST is not sent twice" in ran.err
    assert world.count == 1


def test_a_post_is_not_sent_twice_over_a_kept_connection(either: Desk) -> None:
    with Origin() as origin:  # HTTP/1.1, where a connection that is used again may be closed at any moment
        origin.route("/one", Response(200, (), b"one"))
        origin.route("/two", Response(before=(Close(),)), Response(200, (), b"late"))
        either.manifest(
            "version: 1\nresources:\n"
            f"  - {{name: one, url: '{origin.url}/one'}}\n"
            f"  - {{name: two, url: '{origin.url}/two', request: {{form: {{a: 1}}}}}}\n"
        )
        ran = either.dlm("lock", "--jobs", "1")
        assert ran.code == 1
        assert "a POST is not sent twice" in ran.err
        assert [request.path for request in origin.requests] == ["/one", "/two"]


def test_a_post_is_not_sent_twice_when_its_answer_lies_elsewhere(world: World, either: Desk) -> None:
    world.route("/query", redirect("/answer", 303), Response(200, (), b"done twice"))
    world.route("/answer", Response(503), Response(200, (), b"late"))
    either.manifest(f"version: 1\nresources:\n  - {{name: q, url: '{world.url}/query', request: {{form: {{a: 1}}}}}}\n")
    ran = either.dlm("lock")
    assert ran.code == 1
    assert "a POST is not sent twice" in ran.err
    assert world.count == 2


@pytest.mark.parametrize(
    ("request_", "word"),
    [
        ("{form: {a: 1}, json: {}}", "one body"),
        ("{method: GET, form: {a: 1}}", "a GET sends no body"),
        ("{method: PUT}", "expected 'GET' or 'POST'"),
        ("{query: {token: abcdef}}", "${DLM_AUTH_TOKEN}"),
        ("{quary: {a: 1}}", "quary"),
    ],
)
def test_requests_that_make_no_sense(world: World, desk: Desk, request_: str, word: str) -> None:
    desk.manifest(f"version: 1\nresources:\n  - {{name: q, url: '{world.url}/query', request: {request_}}}\n")
    ran = desk.dlm("lock")
    assert (ran.code, world.count) == (2, 0)
    assert word in ran.err


def test_all_releases_in_one_entry(world: World, desk: Desk) -> None:
    desk.manifest("version: 1\nresources:\n  - {name: every, selector: 'python:3.9.*:source:tgz:all', dest: src/}\n")
    desk.dlm("sync").ok()
    versions = [one["version"] for one in desk.entry("every")["artifacts"]]
    assert len(versions) > 15
    assert versions == sorted(versions, key=lambda text: tuple(map(int, text.split("."))))
    assert "3.9.3" not in versions, "it was recalled"
    for one in desk.entry("every")["artifacts"]:
        data = (desk.root / one["dest"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == one["digests"]["sha256"]


def test_every_platform_is_locked_and_fetched_from_any_host(world: World, desk: Desk) -> None:
    for name in ("linux-x86_64", "linux-arm64", "macos-arm64", "windows-x86_64"):
        world.file(f"/1.2/tool-{name}.bin", name.encode())
    desk.manifest(
        "version: 1\nresources:\n"
        "  - name: tool\n"
        f"    url: '{world.url}/{{version}}/tool-{{os}}-{{arch}}.bin'\n"
        "    version: '1.2'\n"
        "    platforms: [linux-x86_64, linux-arm64, macos-arm64, windows-x86_64]\n"
        "    dest: bin/tool\n"
    )
    desk.dlm("lock").ok()
    platforms = [one["platform"] for one in desk.entry("tool")["artifacts"]]
    assert platforms == ["linux-arm64", "linux-x86_64", "macos-arm64", "windows-x86_64"]
    desk.dlm("cache", "clean").ok()
    before = world.count
    desk.dlm("fetch", "--platform", "macos-arm64").ok()
    assert world.paths[before:] == ["/1.2/tool-macos-arm64.bin"]
    desk.dlm("fetch", "--platform", "all").ok()
    assert world.count == before + 4
