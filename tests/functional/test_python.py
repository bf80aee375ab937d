"""``dlm python``: the index of python.org by itself, as a user and as a program sees it."""

from __future__ import annotations

import hashlib
import os
import pty
import subprocess
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from tests.support.cli import Desk, console_script
from tests.support.origin import Response
from tests.support.python_org.site import PythonOrgSite
from tests.support.world import World

FILES = (
    "3.14.0/Python-3.14.0rc1.tar.xz",
    "3.13.2/Python-3.13.2.tar.xz",
    "3.13.2/Python-3.13.2.tar.xz.sigstore",
    "3.13.2/Python-3.13.2.tgz",
    "3.13.2/windows-3.13.2.json",
    "3.13.1/Python-3.13.1.tar.xz",
    "3.13.1/python-3.13.1-amd64.exe",
    "3.13.1/python-3.13.1-arm64.exe",
    "3.13.1/python-3.13.1-embed-amd64.zip",
    "3.9.3/Python-3.9.3.tgz",
    "3.9.2/Python-3.9.2.tgz",
    "2.7/Python-2.7.tgz",
    "src/python-1.6.tar.gz",
    "src/Python-1.6.tar.gz",
)


@pytest.fixture
def small(world: World) -> World:
    """A site with few files."""
    world.site = PythonOrgSite([])
    for path in FILES:
        world.site.put(path)
    return world


def test_versions(small: World, either: Desk, told: SnapshotAssertion) -> None:
    runs = [
        either.dlm("python", "versions"),
        either.dlm("python", "versions", "--pre"),
        either.dlm("python", "versions", "--all"),
        either.dlm("python", "versions", "--all", "--pre"),
        either.dlm("python", "versions", "--format", "json"),
    ]
    assert [run.code for run in runs] == [0] * 5
    assert [*map(str, runs)] == told
    assert [word for run in runs[:4] for word in run.out.split() if word.startswith("3.14")] == ["3.14.0rc1"] * 2


def test_the_newest_of_each_line_costs_one_folder_each(small: World, desk: Desk) -> None:
    desk.dlm("python", "versions").ok()
    asked = [path.removeprefix("/ftp/python/") for path in small.paths]
    # 3.14.0 holds a pre-release alone and 3.9.3 was recalled: what is older has to say.
    assert sorted(asked) == ["", "2.7/", "3.13.2/", "3.14.0/", "3.9.2/", "3.9.3/", "src/"]


def test_artifacts(small: World, either: Desk, told: SnapshotAssertion) -> None:
    runs = [
        either.dlm("python", "artifacts", "3.13.1"),
        either.dlm("python", "artifacts", "3.13"),
        either.dlm("python", "artifacts", "3.14.0rc1"),
        either.dlm("python", "artifacts", "3.14", "--pre"),
        either.dlm("python", "artifacts", "==1.6", "--format", "json"),
        either.dlm("python", "artifacts", "3.13.1", "--format", "json"),
        either.dlm("python", "artifacts", "3.14"),
        either.dlm("python", "artifacts", "3.99"),
        either.dlm("python", "artifacts", "3.13.1:windows"),
        either.dlm("python", "artifacts", "newest"),
    ]
    assert [run.code for run in runs] == [0, 0, 0, 0, 0, 0, 1, 1, 2, 2]
    assert [*map(str, runs)] == told


def test_each_selector_of_artifacts_means_its_file(small: World, desk: Desk) -> None:
    for version in ("3.13.1", "==1.6"):
        document = desk.dlm("python", "artifacts", version, "--format", "json").ok().document
        for one in document["result"]["artifacts"]:
            found = desk.dlm("python", "download", one["selector"], "-o", "out", "--force").ok()
            assert found.out == f"{Path('out', one['filename'])}\n"


def test_latest(small: World, either: Desk, told: SnapshotAssertion) -> None:
    runs = [
        either.dlm("python", "latest"),
        either.dlm("python", "latest", "--pre"),
        either.dlm("python", "latest", "3.9"),
        either.dlm("python", "latest", "==3.9.3"),
        either.dlm("python", "latest", "3.13:windows:exe:arch=amd64"),
        either.dlm("python", "latest", "3.13:windows:exe:arch=amd64", "--format", "json"),
        either.dlm("python", "latest", "<3"),
        either.dlm("python", "latest", "3.14"),
        either.dlm("python", "latest", "3.13:macos"),
        either.dlm("python", "latest", "3.13:what"),
    ]
    assert [run.code for run in runs] == [0, 0, 0, 0, 0, 0, 0, 1, 1, 2]
    assert [*map(str, runs)] == told


def test_latest_sees_what_was_released_a_minute_ago(small: World, desk: Desk) -> None:
    assert desk.dlm("python", "latest").ok().out == "3.13.2\n"
    small.site.put("3.13.3/Python-3.13.3.tar.xz")
    before = small.count
    assert desk.dlm("python", "latest").ok().out == "3.13.3\n"
    assert [path.removeprefix("/ftp/python/") for path in small.paths[before:]] == ["", "3.13.3/"]


def test_download(small: World, either: Desk, told: SnapshotAssertion) -> None:
    runs = [
        either.dlm("python", "download", "3.13", "-o", "dist/deep"),
        either.dlm("python", "download", "3.13", "-o", "dist/deep"),
        either.dlm("python", "download", "python:3.13.*:windows:exe:arch=arm64", "--format", "json"),
        either.dlm("python", "download", "3.13:windows:exe"),
        either.dlm("python", "download", "3.14"),
        either.dlm("python", "download", "3.14", "--pre"),
    ]
    assert [run.code for run in runs] == [0, 0, 0, 1, 1, 0]
    assert [*map(str, runs)] == told
    assert either.tree() == {
        "dist/deep/Python-3.13.2.tar.xz": small.site.body("3.13.2/Python-3.13.2.tar.xz"),
        "python-3.13.1-arm64.exe": small.site.body("3.13.1/python-3.13.1-arm64.exe"),
        "Python-3.14.0rc1.tar.xz": small.site.body("3.14.0/Python-3.14.0rc1.tar.xz"),
    }
    (file,) = runs[2].document["result"]["files"]
    assert file["sha256"] == hashlib.sha256(small.site.body("3.13.1/python-3.13.1-arm64.exe")).hexdigest()


def test_a_selector_that_contradicts_itself_is_told_what_there_is(small: World, desk: Desk) -> None:
    ran = desk.dlm("python", "download", "3.13:source:xz:file=Python-3.13.2.tgz")
    assert ran.code == 1
    assert "3.13.2 has the file Python-3.13.2.tgz, which has the format tgz and not xz" in ran.err
    assert desk.dlm("python", "download", ran.err.split()[-1]).code == 0
    ran = desk.dlm("python", "download", "3.13:min_macos=11:macos")
    assert ran.code == 2
    assert "'macos' is a type: there is one, right behind the version, as in python:3.13.*:macos" in ran.err


def test_download_of_every_release(small: World, desk: Desk) -> None:
    run = desk.dlm("python", "download", "3.*:source:xz:all", "-o", "mirror").ok()
    assert run.out.split() == [str(Path("mirror", name)) for name in ("Python-3.13.2.tar.xz", "Python-3.13.1.tar.xz")]
    assert len(desk.tree()) == 2


def test_download_replaces_no_other_file_unasked(small: World, desk: Desk) -> None:
    mine = desk.root / "Python-3.13.2.tar.xz"
    mine.write_text("mine")
    refused = desk.dlm("python", "download", "3.13")
    assert refused.code == 1
    assert "--force" in refused.err
    assert mine.read_text() == "mine"
    small.route("/ftp/python/3.13.2/Python-3.13.2.tar.xz", Response(404))
    lost = desk.dlm("python", "download", "3.13", "--force", "--cache-dir", str(desk.base / "another"))
    assert lost.code == 1
    assert mine.read_text() == "mine"
    assert desk.dlm("python", "download", "3.13:source:tgz", "--force").ok().out == "Python-3.13.2.tgz\n"


@pytest.mark.parametrize("body", [b"short", b""])
def test_a_file_that_is_not_as_long_as_listed_is_not_placed(small: World, desk: Desk, body: bytes) -> None:
    small.route("/ftp/python/3.13.2/Python-3.13.2.tar.xz", Response(200, (), body))
    run = desk.dlm("python", "download", "3.13")
    assert run.code == 4, str(run)
    assert desk.tree() == {}


def test_report(small: World, either: Desk, told: SnapshotAssertion) -> None:
    runs = [
        either.dlm("python", "report"),
        either.dlm("python", "report", "--final"),
        either.dlm("python", "report", "--final", "--format", "json"),
    ]
    assert [run.code for run in runs] == [0] * 3
    assert [*map(str, runs)] == told


def test_report_of_the_whole_tree(world: World, desk: Desk) -> None:
    lines = desk.dlm("python", "report").ok().out.splitlines()
    assert len(lines) == 4136
    assert {line.count("\t") for line in lines} == {4}
    again = world.count
    assert desk.dlm("python", "report").ok().out.splitlines() == lines
    assert world.paths[again:] == ["/ftp/python/"]
    assert desk.dlm("python", "report", "--refresh").ok().out.splitlines() == lines
    assert world.count == again + 1 + 269


def test_a_site_that_is_down(small: World, either: Desk) -> None:
    small.origin.otherwise(Response(503))
    for command in (["versions"], ["artifacts", "3.13"], ["latest"], ["download", "3.13"], ["report"]):
        run = either.dlm("python", *command, "--retries", "0")
        assert (run.code, run.out) == (1, "")
        assert "503" in run.err
        assert "hint:" in run.err


def test_no_project_is_needed_and_none_is_made(small: World, desk: Desk) -> None:
    (desk.root / "downloads.yaml").write_text("nonsense: [")
    desk.dlm("python", "latest").ok()
    assert [path.name for path in desk.root.iterdir()] == ["downloads.yaml"]
    assert not desk.state.exists()


def test_tables_on_a_terminal(small: World, desk: Desk) -> None:
    near, far = pty.openpty()
    with subprocess.Popen(
        [console_script(), "python", "artifacts", "3.13.1"],
        cwd=desk.root,
        env={**desk.environment(), "COLUMNS": "120", "TERM": "xterm", "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        stdout=far,
        stderr=subprocess.PIPE,
    ) as process:
        os.close(far)
        shown = _all(near)
        _, complaints = process.communicate(timeout=60)
    assert process.returncode == 0, complaints
    lines = shown.decode().splitlines()
    assert "Options" in lines[1]
    assert any("python-3.13.1-amd64.exe" in line and "arch=amd64" in line for line in lines)


def _all(terminal: int) -> bytes:
    """What was written to a terminal until its other end was closed, which Linux tells by an error."""
    read = b""
    try:
        while piece := os.read(terminal, 65536):
            read += piece
    except OSError:
        pass
    finally:
        os.close(terminal)
    return read
