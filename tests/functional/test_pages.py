"""A page for people under the name of another file: locked, and said."""

from __future__ import annotations

import hashlib

import pytest

from tests.support.cli import Desk
from tests.support.origin import Static, redirect
from tests.support.world import World

PAGE = b"<!doctype html><title>Log in</title>"
WARNING = "the server answered with an HTML page"


def page(world: World, path: str, kind: str = "text/html; charset=utf-8") -> str:
    """Serve a page; its URL."""
    return world.route(path, Static(PAGE, content_type=kind))


@pytest.mark.parametrize("kind", ["text/html", "Text/HTML;charset=UTF-8", "application/xhtml+xml"])
def test_a_page_under_the_name_of_a_file_is_said_once(world: World, either: Desk, kind: str) -> None:
    either.manifest(f"version: 1\nresources: ['{page(world, '/data/x.csv', kind)}']\n")
    run = either.dlm("lock").ok()
    assert [line for line in run.err.splitlines() if "warning" in line] == [
        f"warning: x.csv: {WARNING}; look whether that is the file"
    ]
    assert either.entry("x.csv")["artifacts"][0]["size"] == len(PAGE)
    assert WARNING not in either.dlm("sync").ok().err, "it is locked, and nothing new is pinned"
    assert either.tree()["x.csv"] == PAGE


def test_a_sync_that_locks_says_it_too(world: World, either: Desk) -> None:
    page(world, "/login")
    url = world.route("/x.zip", redirect("/login"))
    either.manifest(f"version: 1\nresources: ['{url}']\n")
    (warning,) = either.dlm("sync", "--format", "json").ok().document["warnings"]
    assert warning == {"resource": "x.zip", "message": f"{WARNING}; look whether that is the file"}
    # Where the cache has it already, the origin's answer is the same page.
    either.lockfile.unlink()
    assert either.dlm("lock").ok().err.count(WARNING) == 1


def test_many_files_of_one_entry_are_one_warning(world: World, either: Desk) -> None:
    names = [f"{number}.csv" for number in range(5)]
    for name in names:
        page(world, f"/many/{name}")
    world.file("/many/good.csv", b"a,b\n")
    files = ", ".join([*names, "good.csv"])
    either.manifest(f"version: 1\nresources:\n- {{name: many, base: '{world.url}/many/', files: [{files}]}}\n")
    err = either.dlm("lock").ok().err
    said = "for 0.csv, 1.csv, 2.csv and 2 more; look whether these are the files"
    assert f"warning: many: {WARNING} {said}" in err
    assert err.count(WARNING) == 1


@pytest.mark.parametrize("name", ["index.html", "a.HTM", "a.xhtml", "about", "release-1.2"])
def test_a_name_that_may_be_that_of_a_page_is_no_wonder(world: World, either: Desk, name: str) -> None:
    either.manifest(f"version: 1\nresources: ['{page(world, f'/{name}')}']\n")
    assert "warning" not in either.dlm("lock").ok().err


def test_what_the_manifest_vouches_for_is_no_wonder(world: World, either: Desk) -> None:
    url, sha256 = page(world, "/x.csv"), hashlib.sha256(PAGE).hexdigest()
    either.manifest(f"version: 1\nresources: [{{url: '{url}', sha256: {sha256}}}]\n")
    assert "warning" not in either.dlm("lock").ok().err
