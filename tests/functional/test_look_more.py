"""``outdated``, ``diff``, ``why-stale``, ``verify --upstream`` and ``cache clean``."""

from __future__ import annotations

import pytest

from tests.support.cli import Desk
from tests.support.origin import Request, Response, Static
from tests.support.world import World

IRIS = b"sepal_length,sepal_width\n5.1,3.5\n"
WINE = b"alcohol,malic_acid\n14.23,1.71\n"
SELECTED = "  - {selector: 'python:3.13.*', name: cpython}\n"


def project(world: World, desk: Desk, *lines: str) -> None:
    """A manifest with these resources, locked."""
    desk.manifest("version: 1\nresources:\n" + "".join(lines))
    desk.dlm("lock").ok()


# outdated


def test_outdated_says_what_an_upgrade_would_change(either: Desk, world: World) -> None:
    world.site.remove("3.13.15/")
    project(world, either, SELECTED, f"  - {world.file('/iris.csv', IRIS)}\n")
    assert either.dlm("outdated").ok().out == ""
    world.site.put("3.13.15/Python-3.13.15.tar.xz")
    before = either.lockfile.read_bytes()
    asked = world.count
    ran = either.dlm("outdated", "--refresh")
    assert ran.code == 7
    assert ran.out == "cpython  outdated   3.13.14 -> 3.13.15\n"
    assert "dlm lock -U" in ran.err
    assert not [path for path in world.paths[asked:] if path.endswith(".xz")]
    assert either.lockfile.read_bytes() == before
    document = either.dlm("outdated", "--refresh", "--format", "json").document
    assert document["code"] == 7
    assert document["result"] == {
        "outdated": True,
        "resources": [
            {"name": "cpython", "standing": "outdated", "locked": ["3.13.14"], "latest": ["3.13.15"]},
        ],
    }
    either.dlm("lock", "-U", "--refresh").ok()
    either.dlm("outdated").ok()


def test_outdated_and_frozen_is_held(desk: Desk, world: World) -> None:
    world.site.remove("3.13.15/")
    project(world, desk, "  - {selector: 'python:3.13.*', name: cpython, freeze: true}\n")
    world.site.put("3.13.15/Python-3.13.15.tar.xz")
    ran = desk.dlm("outdated", "--refresh").ok()
    assert ran.out == "cpython  held       3.13.14 -> 3.13.15\n"


def test_a_release_that_was_taken_back(desk: Desk, world: World) -> None:
    project(world, desk, SELECTED)
    world.site.remove("3.13.15/")
    ran = desk.dlm("outdated", "--refresh")
    assert ran.code == 7
    assert ran.out == "cpython  withdrawn  3.13.15 -> 3.13.14\n"


def test_outdated_asks_mutable_urls_without_their_bodies(either: Desk, world: World) -> None:
    url = world.file("/nightly.csv", IRIS, etag='"one"')
    still = world.file("/still.csv", IRIS, etag='"still"')
    project(world, either, f"  - {{url: '{url}', mutable: true}}\n  - {{url: '{still}', mutable: true}}\n")
    either.dlm("outdated").ok()
    world.file("/nightly.csv", WINE, etag='"two"')
    ran = either.dlm("outdated")
    assert ran.code == 7
    assert ran.out == "nightly.csv  outdated   nightly.csv -> other bytes\n"


def test_outdated_names_and_failures(desk: Desk, world: World) -> None:
    project(world, desk, SELECTED, f"  - {world.file('/iris.csv', IRIS)}\n")
    assert (
        desk.dlm("outdated", "iris.csv").ok().err == "Nothing here can be outdated: no selector, and no mutable URL.\n"
    )
    assert "did you mean 'cpython'" in desk.dlm("outdated", "cpyton").err
    desk.manifest("version: 1\nresources:\n" + SELECTED + "  - {selector: 'python:3.12.*:windows-release:dmg'}\n")
    assert desk.dlm("outdated").code == 2
    desk.manifest("version: 1\nresources:\n" + SELECTED + "  - {selector: 'python:9.9.*', name: future}\n")
    ran = desk.dlm("outdated")
    assert ran.code == 1
    assert "error: future: " in ran.err


# why-stale


def test_why_stale_says_what_differs_and_what_it_costs(desk: Desk, world: World) -> None:
    project(world, desk, f"  - {world.file('/iris.csv', IRIS)}\n", f"  - {world.file('/wine.csv', WINE)}\n")
    asked = world.count
    assert desk.dlm("why-stale").ok().out == ""
    desk.manifest(
        f"version: 1\nresources:\n  - {{url: '{world.url}/iris.csv', dest: data/}}\n  - {world.url}/new.csv\n"
    )
    ran = desk.dlm("why-stale")
    assert ran.code == 7
    assert ran.out == (
        "iris.csv: dest (none) -> data/\nnew.csv: not in the lockfile\nwine.csv: not in the manifest any more\n"
    )
    assert "without the network" in ran.err
    one = desk.dlm("why-stale", "iris.csv", "--format", "json")
    assert one.code == 7
    assert one.document["result"] == {
        "stale": [{"name": "iris.csv", "kind": "placement", "fields": ["dest"], "details": ["dest (none) -> data/"]}]
    }
    assert desk.dlm("why-stale", "nothing").code == 2
    assert world.count == asked


# diff


def test_diff_with_a_revision(desk: Desk, world: World) -> None:
    world.site.remove("3.13.15/")
    project(world, desk, SELECTED, f"  - {world.file('/iris.csv', IRIS)}\n")
    desk.git("init")
    desk.git("add", "-A")
    desk.git("commit", "-m", "first")
    desk.git("tag", "v1")
    assert desk.dlm("diff").ok().out == ""
    world.site.put("3.13.15/Python-3.13.15.tar.xz")
    desk.manifest(f"version: 1\nresources:\n{SELECTED}  - {world.file('/wine.csv', WINE)}\n")
    desk.dlm("lock", "-U", "--refresh").ok()
    lines = desk.dlm("diff").ok().out.splitlines()
    assert lines[0] == "~ cpython  3.13.14 -> 3.13.15"
    assert [line for line in lines if line[0] != " "] == ["~ cpython  3.13.14 -> 3.13.15", "- iris.csv", "+ wine.csv"]
    (address,) = [line.split(": ", 1)[1] for line in lines if line.startswith("      url: ") and "3.13" in line]
    old, new = address.split(" -> ")
    assert old.endswith("/3.13.14/Python-3.13.14.tar.xz")
    assert new.endswith("/3.13.15/Python-3.13.15.tar.xz")
    desk.git("commit", "-am", "second")
    assert desk.dlm("diff").ok().out == ""
    document = desk.dlm("diff", "v1", "--format", "json").ok().document
    entries = document["result"]["entries"]
    assert [(one["name"], one["action"]) for one in entries] == [
        ("cpython", "changed"), ("iris.csv", "removed"), ("wine.csv", "added"),
    ]  # fmt: skip
    assert entries[0]["files"][0]["fields"]["version"] == {"old": "3.13.14", "new": "3.13.15"}
    assert len(document["result"]["revision"]) == 40


def test_diff_where_the_lockfile_was_not_there_yet(desk: Desk, world: World) -> None:
    desk.git("init")
    desk.manifest("version: 1\nresources: []\n")
    assert "commit the lockfile first" in desk.dlm("diff").err
    desk.git("add", "-A")
    desk.git("commit", "-m", "first")
    project(world, desk, f"  - {world.file('/iris.csv', IRIS)}\n")
    ran = desk.dlm("diff").ok()
    assert ran.out.startswith("+ iris.csv\n")
    assert "HEAD has no downloads.lock." in ran.err
    nested = desk.root / "sub"
    nested.mkdir()
    assert desk.dlm("diff", cwd=nested).ok().out == ran.out


@pytest.mark.parametrize("revision", ["nowhere", "--output=x", "HEAD:downloads.lock", ""])
def test_diff_with_what_is_no_revision(desk: Desk, revision: str) -> None:
    desk.git("init")
    desk.manifest("version: 1\nresources: []\n")
    desk.git("add", "-A")
    desk.git("commit", "-m", "first")
    ran = desk.dlm("diff", "--", revision)
    assert ran.code == 2
    assert "git knows no revision" in ran.err
    assert sorted(path.name for path in desk.root.iterdir()) == [".git", "downloads.yaml"]


def test_diff_outside_of_a_repository_and_without_git(desk: Desk, world: World) -> None:
    project(world, desk, f"  - {world.file('/iris.csv', IRIS)}\n")
    outside = desk.dlm("diff", variables={"GIT_CEILING_DIRECTORIES": str(desk.base.parent)})
    assert outside.code == 2
    assert "is in no git repository" in outside.err
    without = desk.dlm("diff", variables={"PATH": str(desk.home)})
    assert without.code == 1
    assert "git cannot be run" in without.err


# verify --upstream


def test_verify_upstream_asks_without_bodies(either: Desk, world: World) -> None:
    names = ("same", "changed", "gone", "moved", "mute", "shrunk", "broken")
    urls = {name: world.file(f"/{name}.csv", IRIS, etag=f'"{name}"') for name in names}
    urls["mute"] = world.route("/mute.csv", Response(200, (), IRIS))
    urls["shrunk"] = world.route("/shrunk.csv", Response(200, (), IRIS))
    project(world, either, *(f"  - {url}\n" for url in urls.values()))
    first = either.dlm("verify", "--upstream").ok()
    assert first.out == "mute.csv: mute.csv: unknown\nshrunk.csv: shrunk.csv: unknown\n"
    before = either.lockfile.read_bytes()
    world.file("/changed.csv", WINE[: len(IRIS)].ljust(len(IRIS)), etag='"other"')
    world.route("/gone.csv", Response(410))
    world.file("/new/moved.csv", IRIS, etag='"moved"')
    world.route("/moved.csv", Response(301, (("Location", "/new/moved.csv"),)))
    world.route("/shrunk.csv", Response(200, (), IRIS[:-1]))
    world.route("/broken.csv", Response(503))
    ran = either.dlm("verify", "--upstream", "--retries", "0")
    assert ran.code == 7
    told = dict(line.split(": ", 1) for line in ran.out.splitlines())
    assert told.keys() == {"changed.csv", "gone.csv", "moved.csv", "mute.csv", "shrunk.csv", "broken.csv"}
    assert told["changed.csv"] == "changed.csv: changed"
    assert told["shrunk.csv"] == "shrunk.csv: changed"
    assert told["moved.csv"] == "moved.csv: moved: now at https://origin/new/moved.csv"
    assert told["gone.csv"].startswith("gone.csv: gone: ")
    assert told["broken.csv"].startswith("broken.csv: unknown: ")
    assert either.lockfile.read_bytes() == before
    document = either.dlm("verify", "--upstream", "--retries", "0", "--format", "json").document
    standings = {one["resource"].split(".")[0]: one["standing"] for one in document["result"]["artifacts"]}
    assert standings == {
        "same": "same", "changed": "changed", "gone": "gone", "moved": "moved", "mute": "unknown",
        "shrunk": "changed", "broken": "unknown",
    }  # fmt: skip


def test_verify_upstream_sends_headers_and_keeps_secrets(desk: Desk, world: World) -> None:
    seen: list[str | None] = []

    def guarded(request: Request) -> Response:
        seen.append(dict(request.headers).get("authorization"))
        return Static(IRIS, etag='"a"')(request) if seen[-1] == "Bearer hush" else Response(401)

    url = world.route("/iris.csv", guarded)
    desk.variables["DLM_AUTH_IRIS"] = "hush"
    project(world, desk, f"  - {{url: '{url}', headers: {{Authorization: 'Bearer ${{DLM_AUTH_IRIS}}'}}}}\n")
    desk.dlm("verify", "--upstream").ok()
    assert seen[-1] == "Bearer hush"
    del desk.variables["DLM_AUTH_IRIS"]
    ran = desk.dlm("verify", "--upstream").ok()
    assert "iris.csv: iris.csv: unknown: the variable DLM_AUTH_IRIS is not set" in ran.out


def test_verify_upstream_goes_with_neither_offline_nor_repair(desk: Desk, world: World) -> None:
    project(world, desk, f"  - {world.file('/iris.csv', IRIS)}\n")
    assert desk.dlm("verify", "--upstream", "--offline").code == 5
    assert desk.dlm("verify", "--upstream", "--repair").code == 2


# cache clean


def test_cache_clean(desk: Desk, world: World) -> None:
    project(world, desk, f"  - {world.file('/iris.csv', IRIS)}\n")
    desk.dlm("sync").ok()
    ran = desk.dlm("cache", "clean", "--format", "json").ok()
    assert ran.document["result"]["blobs"] == 1
    assert ran.document["result"]["bytes"] >= len(IRIS)
    assert desk.dlm("cache", "ls").ok().out == ""
    assert desk.tree() == {"iris.csv": IRIS}
    assert desk.dlm("cache", "clean").ok().err == "The cache is empty.\n"
    desk.dlm("sync").ok()
