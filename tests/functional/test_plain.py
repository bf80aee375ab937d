"""A plain sync is read by hand: it says and does what the ordinary way says and does, or leaves it to that."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest

from dlm.cli import plain
from dlm.cli.main import run
from dlm.cli.plain import plain_sync
from dlm.cli.sync import sync
from tests.support.cli import Desk
from tests.support.world import World, a_world

A, B = b"a" * 5000, b"b" * 3000

FLAGS: tuple[tuple[str, ...], ...] = (
    (),
    ("--frozen",),
    ("--locked",),
    ("--offline",),
    ("--locked", "--offline"),
    ("--frozen", "--frozen", "-q"),
    ("--frozen", "--locked"),
    ("--check",),
    ("--check", "--frozen", "--verbose"),
    ("--dry-run", "--group", "few"),
    ("--force", "--inexact", "-v"),
    ("--keep-going", "--quiet"),
    ("--group", "few", "--group", "all", "--frozen"),
    ("--group", "none"),
    ("--group", ""),
)
VARIABLES: tuple[dict[str, str], ...] = (
    {},
    {"CI": "1"},
    {"CI": "1", "GITHUB_ACTIONS": "true", "NO_COLOR": "1"},
    {"FORCE_COLOR": "1"},
    {"DLM_JOBS": "many"},
    {"DLM_LINK": "symlink", "DLM_AUTH_X": "y"},
)


def nothing_yet(desk: Desk) -> None:
    """Everything is locked, and nothing is here."""
    shutil.rmtree(desk.cache)


def stale(desk: Desk) -> None:
    """The manifest asks for less than is locked."""
    text = (desk.root / "downloads.yaml").read_text()
    desk.manifest(text[: text.rindex("-")])


def in_place(desk: Desk) -> None:
    """Everything is in place, and one file was edited."""
    desk.dlm("sync").ok()
    (desk.root / "d" / "a.bin").write_bytes(b"mine")


def lost(desk: Desk) -> None:
    """There is no lockfile."""
    desk.lockfile.unlink()


def nowhere(desk: Desk) -> None:
    """There is no project."""
    desk.lockfile.unlink()
    (desk.root / "downloads.yaml").unlink()


SITUATIONS: tuple[Callable[[Desk], None], ...] = (nothing_yet, stale, in_place, lost, nowhere)


@pytest.fixture(scope="module")
def origin() -> Iterator[World]:
    """One origin for all of them: nothing is changed there."""
    with a_world() as one:
        one.file("/a.bin", A)
        one.file("/b.bin", B)
        yield one


@pytest.fixture(scope="module", params=SITUATIONS, ids=lambda one: one.__name__)
def prepared(request: pytest.FixtureRequest, origin: World, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """A machine on which everything is ready for a sync, and a copy of it to come back to."""
    desk = origin.desk(tmp_path_factory.mktemp("plain") / "desk")
    desk.manifest(
        "version: 1\nresources:\n"
        f"- {{url: '{origin.url}/a.bin', dest: d/, groups: [all, few]}}\n"
        f"- {{url: '{origin.url}/b.bin', dest: d/, groups: [all]}}\n"
    )
    desk.dlm("lock").ok()
    request.param(desk)
    shutil.copytree(desk.base, f"{desk.base}.kept", symlinks=True)
    return desk


@pytest.mark.parametrize("variables", VARIABLES, ids=lambda one: ",".join(one) or "none")
def test_both_ways_say_and_do_the_same(
    prepared: Desk, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in os.environ:
        monkeypatch.delenv(name)
    for name, value in {**prepared.environment(), **variables}.items():
        monkeypatch.setenv(name, value)

    def outcome(way: Callable[[list[str]], int | None], flags: tuple[str, ...]) -> object:
        monkeypatch.chdir("/")
        shutil.rmtree(prepared.base)
        shutil.copytree(f"{prepared.base}.kept", prepared.base, symlinks=True)
        monkeypatch.chdir(prepared.root)
        capfd.readouterr()
        code = way(["sync", *flags])
        said = capfd.readouterr()
        documents = {path.name: path.read_bytes() for path in prepared.root.glob("downloads.*")}
        return code, said.out, said.err, prepared.tree(), documents, files_below(prepared.cache)

    for flags in FLAGS:
        plainly = outcome(lambda arguments: plain_sync(arguments, os.environ), flags)
        assert plainly == outcome(run, flags), flags


def files_below(folder: Path) -> dict[str, int]:
    """Every blob with its size; the index has times in it."""
    return {path.name: path.stat().st_size for path in folder.rglob("*") if path.is_file() and len(path.name) == 64}


@pytest.mark.parametrize(
    "arguments",
    [
        ["sync", "--format", "json"], ["sync", "--frozen=1"], ["sync", "-C", "."], ["sync", "--help"], ["sync", "-qv"],
        ["sync", "--group"], ["sync", "--group", "--frozen"], ["sync", "--group=few"], ["sync", "--froze"],
        ["sync", "--nonsense"], ["sync", "--"], ["sync", "few"], ["sync", "-j", "2"], ["fetch"], ["--frozen", "sync"],
        ["sync", "--split", "4"], ["sync", ""], [""], [],
    ],
    ids=" ".join,
)  # fmt: skip
def test_all_else_is_left_to_the_ordinary_way(arguments: list[str], tmp_path: Path) -> None:
    assert plain_sync(arguments, {}) is None


def test_variables_that_stand_for_options_are_left_to_the_ordinary_way() -> None:
    variables = {one.envvar for one in sync.params if isinstance(one.envvar, str)}
    assert {*plain._ELSEWHERE} == variables | {"_DLM_COMPLETE"}
    for name in plain._ELSEWHERE:
        assert plain_sync(["sync"], {name: ""}) is None


def test_flags_have_the_names_that_the_ordinary_way_has() -> None:
    options = {flag: one for one in sync.params if isinstance(one, click.Option) for flag in one.opts}
    for flag, name in plain._FLAGS.items():
        assert (options[flag].name, options[flag].is_flag) == (name, True)
    assert options[plain._GROUP].multiple
    switches = {flag for flag, one in options.items() if one.is_flag}
    assert switches - {"--help", "-h"} == set(plain._FLAGS)


def test_the_command_takes_it(desk: Desk, world: World) -> None:
    desk.manifest(f"version: 1\nresources: ['{world.file('/a.bin', A)}']\n")
    desk.dlm("lock").ok()
    told = desk.dlm("sync", program=[sys.executable, "-X", "importtime", "-m", "dlm"]).ok()
    assert "click" not in told.err
    assert desk.tree() == {"a.bin": A}


def test_a_frozen_sync_loads_nothing_large(desk: Desk, world: World) -> None:
    """What takes longer to load than such a run needs it for."""
    desk.manifest(f"version: 1\nresources: ['{world.file('/a.bin', A)}']\n")
    desk.dlm("lock").ok()
    desk.dlm("cache", "clean").ok()
    told = desk.dlm("sync", "--frozen", program=[sys.executable, "-X", "importtime", "-m", "dlm"]).ok()
    loaded = {line.rpartition("|")[2].strip() for line in told.err.splitlines() if line.startswith("import time:")}
    assert "dlm.place.place" in loaded
    assert loaded & {"click", "pydantic", "yaml", "requests", "dataclasses", "inspect", "typing", "sqlite3"} == set()
    assert desk.tree() == {"a.bin": A}


@pytest.mark.parametrize("broken", ["stderr", "stdout"])
def test_a_reader_that_left_ends_it_as_ever(desk: Desk, world: World, broken: str) -> None:
    desk.manifest(f"version: 1\nresources: ['{world.file('/a.bin', A)}']\n")
    desk.dlm("lock").ok()
    codes = []
    for more in ([], ["-C", "."]):  # which only the ordinary way knows
        desk.dlm("clean").ok()
        hear, tell = os.pipe()
        os.close(hear)
        ended = subprocess.run(
            [sys.executable, "-m", "dlm", "sync", "--locked", *more],
            cwd=desk.root,
            env=desk.environment(),
            check=False,
            stdout=tell if broken == "stdout" else subprocess.PIPE,
            stderr=tell if broken == "stderr" else subprocess.PIPE,
        )
        os.close(tell)
        codes.append((ended.returncode, ended.stdout, ended.stderr))
    assert codes[0] == codes[1]
