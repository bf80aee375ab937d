"""The main job on real input: CPython from the tarballs of 1.x to 3.15, locked, synced and synced again.

The names are python.org's own; the bodies are the stand-in's. The lockfile is read here with json and hashlib alone.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import BACKENDS, Desk
from tests.support.world import World

PYTHON_ORG = "https://www.python.org/ftp/python/"

#: Selector -> the path below python.org's tree that it means.
SELECTORS = {
    "python:1.2:source:gz": "src/python-1.2.tar.gz",
    "python:1.5.2:source:gz": "src/python-1.5.2.tar.gz",
    "python:1.6:source:gz:file=Python-1.6.tar.gz": "src/Python-1.6.tar.gz",
    "python:2.0.1:source:tgz": "2.0.1/Python-2.0.1.tgz",
    "python:2.1.*:source:tgz": "2.1.3/Python-2.1.3.tgz",
    "python:2.1.3:windows:exe": "2.1.3/Python-2.1.3.exe",
    "python:2.2.*:source:tgz": "2.2.3/Python-2.2.3.tgz",
    "python:2.3.*:source:bz2": "2.3.7/Python-2.3.7.tar.bz2",
    "python:2.4.*:source:bz2": "2.4.6/Python-2.4.6.tar.bz2",
    "python:2.5.*:source:tgz": "2.5.6/Python-2.5.6.tgz",
    "python:2.6.*:source": "2.6.9/Python-2.6.9.tar.xz",
    "python:==2.7:source:tgz": "2.7/Python-2.7.tgz",
    "python:2.7.*:source": "2.7.18/Python-2.7.18.tar.xz",
    "python:2.7.*:windows:msi:arch=amd64": "2.7.18/python-2.7.18.amd64.msi",
    "python:==3.1:windows:msi:arch=amd64": "3.1/python-3.1.amd64.msi",
    "python:3.2.*:source": "3.2.6/Python-3.2.6.tar.xz",
    "python:==3.2:windows-support:zip:pdb": "3.2/python-3.2-pdb.zip",
    "python:3.3.*:source:xz": "3.3.7/Python-3.3.7.tar.xz",
    "python:3.4.*:source:xz": "3.4.10/Python-3.4.10.tar.xz",
    "python:3.5.8rc2:source:xz": "3.5.8/Python-3.5.8rc2.tar.xz",
    "python:~=3.5.0:source:xz": "3.5.10/Python-3.5.10.tar.xz",
    "python:3.6.*:source:xz": "3.6.15/Python-3.6.15.tar.xz",
    "python:3.7.9:windows:exe:arch=amd64": "3.7.9/python-3.7.9-amd64.exe",
    "python:3.7.9:windows:zip:embed:arch=amd64": "3.7.9/python-3.7.9-embed-amd64.zip",
    "python:3.7.9:windows:exe:webinstall:arch=amd64": "3.7.9/python-3.7.9-amd64-webinstall.exe",
    "python:3.7.9:macos:pkg:min_macos=10.9": "3.7.9/python-3.7.9-macosx10.9.pkg",
    "python:3.8.*:source:xz": "3.8.20/Python-3.8.20.tar.xz",
    "python:3.9.*:source:xz": "3.9.25/Python-3.9.25.tar.xz",
    "python:>=3.10,<3.11:source:xz": "3.10.21/Python-3.10.21.tar.xz",
    "python:3.11.*:source:tgz": "3.11.15/Python-3.11.15.tgz",
    "python:3.12.*:windows:exe:arch=amd64": "3.12.10/python-3.12.10-amd64.exe",
    "python:3.13.*": "3.13.15/Python-3.13.15.tar.xz",
    "python:3.14.0rc*:source:xz": "3.14.0/Python-3.14.0rc3.tar.xz",
    "python:3.14.*:android:tgz:arch=aarch64": "3.14.7/python-3.14.7-aarch64-linux-android.tar.gz",
    "python:3.15.*:source:tgz": "3.15.0/Python-3.15.0.tgz",
}
#: Twenty addresses on the same site, some of which selectors cannot name.
FILES = (
    "src/README", "src/_tkinter.c", "src/lib1.4.tar.gz", "src/python1.0.1.tar.gz", "src/subset1.2.tar.gz",
    "2.0.1/Python-2.0.1.exe", "2.2.3/index.html", "2.3/Python-2.3.tgz", "2.4.4/python24.chm", "2.5/Python25.chm",
    "2.6/python-2.6-macosx2008-10-01.dmg", "2.7/python27.chm", "2.7.9/python279.chm", "3.0/python-3.0rc3.msi",
    "3.1/python-3.1.dmg", "3.2/python32.chm", "3.6.8/python368.chm", "3.9.0/Python-3.9.0.tgz",
    "3.14.0/python-3.14.0-aarch64-linux-android.tar.gz.sigstore", "3.15.0/windows-3.15.0a1.json",
)  # fmt: skip


def history(world: World) -> str:
    """The manifest."""
    lines = ["version: 1", "resources:"]
    for selector in SELECTORS:
        lines += [f"  - selector: {json.dumps(selector)}", "    dest: releases/"]
    for number, path in enumerate(FILES):
        lines += [f"  - url: {world.url}/ftp/python/{path}", f"    name: file-{number:02}", "    dest: files/"]
    return "\n".join([*lines, ""])


def check_lockfile(data: bytes, world: World, root: Path | None) -> dict[str, dict[str, Any]]:
    """Everything that a lockfile promises, without a line of dlm; its artifacts by destination."""
    assert data.endswith(b"}\n")
    assert b"\r" not in data
    document = json.loads(data)
    assert list(document) == ["version", "revision", "resources"]
    assert json.dumps(document, indent=2, ensure_ascii=False).encode() + b"\n" == data
    assert list(document["resources"]) == sorted(document["resources"])
    found: dict[str, dict[str, Any]] = {}
    for entry in document["resources"].values():
        assert list(entry) == ["request", "artifacts"]
        assert list(entry["request"]) == sorted(entry["request"])
        for one in entry["artifacts"]:
            path = re.sub(r"^https://[^/]+/ftp/python/", "", one["url"])
            body = world.site.body(path)
            assert one["size"] == len(body)
            assert one["digests"] == {"sha256": hashlib.sha256(body).hexdigest()}
            if root is not None:
                assert (root / one["dest"]).read_bytes() == body
            found[one["dest"]] = one
    return found


@pytest.mark.promise(1)
@pytest.mark.promise(8)
def test_the_history_of_cpython(world: World, tmp_path: Path) -> None:
    assert len(SELECTORS) >= 30
    assert len(FILES) == 20
    texts: list[bytes] = []
    trees: list[dict[str, bytes]] = []
    for backend in BACKENDS:
        desk = world.desk(tmp_path / backend, backend)
        desk.manifest(history(world))
        begun = world.count
        desk.dlm("lock").ok()
        asked = [request.path for request in world.origin.requests[begun:]]
        assert len(asked) == len(set(asked)), "nothing was asked for twice"
        if backend == "curl":
            assert all(request.http2 for request in world.origin.requests)
        text = desk.lockfile.read_bytes()
        locked = check_lockfile(text, world, None)
        for path in SELECTORS.values():
            name = path.rpartition("/")[2]
            assert locked[f"releases/{name}"]["url"] == PYTHON_ORG + path
        begun = world.count
        desk.dlm("sync").ok()
        assert desk.lockfile.read_bytes() == text
        check_lockfile(text, world, desk.root)
        tree = desk.tree()
        assert sorted(tree) == sorted(locked)
        for folder in ("releases", "files"):
            shutil.rmtree(desk.root / folder)
        desk.dlm("sync", "--locked", "--offline").ok()
        assert world.count == begun, "the cache had everything"
        assert desk.tree() == tree
        assert desk.lockfile.read_bytes() == text
        texts.append(text)
        trees.append(tree)
    assert texts[0] == texts[1]
    assert trees[0] == trees[1]


@pytest.mark.promise(1)
@pytest.mark.fault("I01")
def test_one_byte_changed_at_the_origin_is_refused(either: Desk, world: World) -> None:
    path = "3.9.0/Python-3.9.0.tgz"
    either.manifest(f"version: 1\nresources:\n  - {world.url}/ftp/python/{path}\n  - python:==3.9.1:source:xz\n")
    either.dlm("lock").ok()
    text = either.lockfile.read_bytes()
    for victim in (path, "3.9.1/Python-3.9.1.tar.xz"):
        shutil.rmtree(either.cache)
        body = bytearray(world.site.body(victim))
        good = bytes(body)
        body[len(body) // 2] ^= 1
        world.site.put(victim, bytes(body))
        run = either.dlm("sync")
        assert run.code == 4, str(run)
        assert hashlib.sha256(good).hexdigest() in run.err
        assert hashlib.sha256(body).hexdigest() in run.err
        assert "dlm lock --accept-hash" in run.err
        assert either.tree() == {}
        assert either.lockfile.read_bytes() == text
        held = [one for one in either.cache.rglob("*") if one.is_file() and one.read_bytes() == bytes(body)]
        assert held == []
        world.site.put(victim, good)
    assert either.dlm("sync").ok().code == 0


@pytest.mark.fault("C09")
def test_what_is_locked_costs_no_request(either: Desk, world: World) -> None:
    either.manifest(history(world))
    either.dlm("lock").ok()
    text = either.lockfile.read_bytes()
    begun = world.count
    again = either.dlm("lock").ok()
    assert world.count == begun
    assert either.lockfile.read_bytes() == text
    assert len(again.err.splitlines()) == 1
    # An empty cache changes nothing: what is not stale is not asked for.
    shutil.rmtree(either.cache)
    either.dlm("lock").ok()
    assert world.count == begun
    either.dlm("sync").ok()
    begun = world.count
    for flags in ((), ("--locked",), ("--frozen",), ("--offline",)):
        run = either.dlm("sync", *flags).ok()
        assert run.out == ""
        assert len(run.err.splitlines()) == 1
        assert run.err.startswith("In sync: 55 files")
    assert world.count == begun
    # A lockfile made from nothing is the same again: nothing in it depends on the run.
    either.lockfile.unlink()
    either.dlm("lock").ok()
    assert either.lockfile.read_bytes() == text


@pytest.mark.fault("C04")
@pytest.mark.fault("C05")
def test_the_newest_that_has_the_artifact(desk: Desk, world: World) -> None:
    """Pre-releases only when asked for; versions by number; a wildcard means the newest release with the file."""
    for version in ("3.99.9", "3.99.10", "3.99.11"):
        world.site.put(f"{version}/Python-{version}.tgz")
    world.site.put("3.99.9/Python-3.99.9.tar.xz")
    world.site.put("3.99.11/Python-3.99.11rc1.tar.xz")
    world.site.put("3.99.12/Python-3.99.12a1.tgz")
    desk.manifest(
        "version: 1\nresources:\n"
        "  - {selector: 'python:3.99.*:source:tgz', name: newest, dest: a/}\n"
        "  - {selector: 'python:3.99.*:source:xz', name: newest-with-xz, dest: b/}\n"
        "  - {selector: 'python:3.99.*:source:xz:pre', name: pre, dest: c/}\n"
        "  - {selector: 'python:3.99.12a1:source:tgz', name: named, dest: d/}\n"
    )
    desk.dlm("lock").ok()
    versions = {name: entry["artifacts"][0]["version"] for name, entry in desk.lock()["resources"].items()}
    assert versions == {"newest": "3.99.11", "newest-with-xz": "3.99.9", "pre": "3.99.11rc1", "named": "3.99.12a1"}


def test_all_releases_in_one_entry(desk: Desk) -> None:
    desk.manifest("version: 1\nresources: [{selector: 'python:3.8.*:source:xz:all', name: all, dest: all/}]\n")
    desk.dlm("sync").ok()
    artifacts = desk.entry("all")["artifacts"]
    assert len(artifacts) > 15
    assert [one["version"] for one in artifacts][-2:] == ["3.8.19", "3.8.20"]
    assert len(desk.tree()) == len(artifacts)
    one = desk.root / "single"
    desk.manifest("version: 1\nresources: [{selector: 'python:3.8.*:source:xz:all', name: all, dest: single}]\n")
    run = desk.dlm("sync")
    assert run.code == 2
    assert "dest: single/" in run.err
    assert not one.exists()


def test_an_upgrade_of_many_files_that_changes_nothing_says_so(desk: Desk) -> None:
    """The site lists the newest first, and the lockfile the oldest: that alone is no change."""
    desk.manifest("version: 1\nresources: [{selector: 'python:~=3.13.10:source:tgz:all', name: all, dest: all/}]\n")
    desk.dlm("lock").ok()
    assert len(desk.entry("all")["artifacts"]) > 1
    text = desk.lockfile.read_bytes()
    for flags in (("-U",), ("-U", "--dry-run"), ("-P", "all")):
        run = desk.dlm("lock", *flags).ok()
        assert run.err.endswith("Nothing to lock: 1 entry in downloads.lock, all up to date.\n"), str(run)
        assert desk.dlm("lock", *flags, "--format", "json").ok().document["result"]["changes"] == []
    assert desk.lockfile.read_bytes() == text
