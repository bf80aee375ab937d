"""A sync with nothing to do: answered without an import, and whatever has changed is noticed."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.archives import TarItem, tar_bytes
from tests.support.cli import Desk, Ran, console_script
from tests.support.machine import administered
from tests.support.origin import Static
from tests.support.world import World

A, B = b"a" * 5000, b"b" * 3000


@pytest.fixture
def synced(world: World, desk: Desk) -> Desk:
    """A project in sync, with its stamp."""
    world.file("/a.bin", A)
    world.file("/b.bin", B)
    world.route("/c.bin", Static(b"c"))
    write_manifest(world, desk, "a.bin", "b.bin")
    desk.dlm("sync").ok()
    assert is_quick(sync(desk)), "the first sync leaves a stamp"
    return desk


def write_manifest(world: World, desk: Desk, *names: str) -> None:
    desk.manifest(
        "version: 1\nresources:\n" + "".join(f"- {{url: '{world.url}/{name}', dest: d/}}\n" for name in names)
    )


def sync(desk: Desk, *flags: str, variables: dict[str, str] | None = None, cwd: Path | None = None) -> Ran:
    """A sync that tells which modules it loads."""
    program = [sys.executable, "-X", "importtime", console_script()]
    return desk.dlm("sync", *flags, program=program, variables=variables, cwd=cwd)


def loaded(run: Ran) -> set[str]:
    return {line.rsplit("|", 1)[1].strip() for line in run.err.splitlines() if line.startswith("import time:")}


def is_quick(run: Ran) -> bool:
    """Whether the stamp answered."""
    return run.code == 0 and "dlm.workflows.sync" not in loaded(run) and "In sync: 2 files in place." in run.err


def test_a_no_op_loads_next_to_nothing(synced: Desk) -> None:
    run = sync(synced)
    own = {name for name in loaded(run) if name.startswith("dlm")}
    assert own == {
        "dlm",
        "dlm.__main__",
        "dlm.cli",
        "dlm.cli.shortcut",
        "dlm.cli.places",
        "dlm.state",
        "dlm.state.stamp",
    }
    heavy = {"click", "pydantic", "yaml", "json", "dataclasses", "typing", "re", "pycurl", "requests", "sqlite3"}
    if "import re\n" in Path(console_script()).read_text(encoding="utf-8"):
        heavy.discard("re")  # an older pip writes launchers that import it themselves
    assert not heavy & loaded(run)


@pytest.mark.parametrize("flags", [(), ("--locked",), ("--frozen",), ("--offline",), ("--locked", "--offline")])
def test_flags_that_change_nothing_are_answered_too(synced: Desk, flags: tuple[str, ...]) -> None:
    assert is_quick(sync(synced, *flags))


@pytest.mark.parametrize(
    "flags", [("-v",), ("-q",), ("--force",), ("--check",), ("--dry-run",), ("--inexact",), ("--format", "json")]
)
def test_other_flags_go_the_ordinary_way(synced: Desk, flags: tuple[str, ...]) -> None:
    run = sync(synced, *flags)
    assert run.code == 0
    assert "dlm.workflows.sync" in loaded(run)


def test_it_is_found_from_a_folder_below(synced: Desk) -> None:
    assert is_quick(sync(synced, cwd=synced.root / "d"))


def _same_size(path: Path) -> None:
    seen = path.stat()
    path.chmod(0o644)
    path.write_bytes(b"x" * seen.st_size)
    os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))


def _truncated(path: Path) -> None:
    os.truncate(path, 10)


EDITS: dict[str, Callable[[Path], None]] = {"same size and times": _same_size, "cut": _truncated}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_an_edited_file_is_noticed(synced: Desk, edit: Callable[[Path], None]) -> None:
    edit(synced.root / "d" / "a.bin")
    run = sync(synced)
    assert run.code == 1
    assert "d/a.bin" in run.err
    assert not is_quick(sync(synced))
    synced.dlm("sync", "--force").ok()
    assert (synced.root / "d" / "a.bin").read_bytes() == A
    synced.dlm("sync").ok()
    assert is_quick(sync(synced))


def test_a_missing_file_is_noticed(synced: Desk) -> None:
    (synced.root / "d" / "a.bin").unlink()
    run = sync(synced)
    assert "dlm.workflows.sync" in loaded(run)
    assert (synced.root / "d" / "a.bin").read_bytes() == A
    assert is_quick(sync(synced))


@pytest.mark.parametrize("which", ["d/a.bin", "downloads.yaml", "downloads.lock"])
def test_a_touched_file_is_looked_at_once(synced: Desk, which: str) -> None:
    os.utime(synced.root / which, (1_000_000_000, 1_000_000_000))
    run = sync(synced)
    assert run.code == 0
    assert "dlm.workflows.sync" in loaded(run)
    assert is_quick(sync(synced))


def test_a_file_that_another_took_the_place_of_is_noticed(synced: Desk) -> None:
    path = synced.root / "d" / "a.bin"
    seen = path.stat()
    other = synced.root / "other"
    other.write_bytes(b"x" * len(A))
    other.chmod(seen.st_mode)
    os.utime(other, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    os.replace(other, path)
    assert sync(synced).code == 1


def test_a_folder_that_became_a_link_is_noticed(synced: Desk, tmp_path: Path) -> None:
    shutil.copytree(synced.root / "d", tmp_path / "outside")
    shutil.rmtree(synced.root / "d")
    (synced.root / "d").symlink_to(tmp_path / "outside")
    assert sync(synced).code == 6


def test_an_edited_manifest_is_noticed(world: World, synced: Desk) -> None:
    write_manifest(world, synced, "a.bin", "c.bin")
    run = sync(synced)
    assert "dlm.workflows.sync" in loaded(run)
    assert synced.tree() == {"d/a.bin": A, "d/c.bin": b"c"}
    assert is_quick(sync(synced))


def test_an_edited_lockfile_is_noticed(synced: Desk) -> None:
    before = synced.lockfile.read_text()
    synced.lockfile.write_text(before.replace('"size": 5000', '"size": 5001'))
    assert "dlm.workflows.sync" in loaded(sync(synced))
    synced.lockfile.unlink()
    sync(synced)
    assert synced.lockfile.read_text() == before


def test_a_second_manifest_is_noticed(synced: Desk) -> None:
    shutil.copy(synced.root / "downloads.yaml", synced.root / "downloads.yml")
    assert sync(synced).code == 2


@pytest.mark.parametrize(
    "variables",
    [{"DLM_LINK": "copy"}, {"DLM_JOBS": "3"}, {"DLM_CACHE_DIR": "elsewhere"}, {"CI": "1"}, {"DLM_QUIET": "1"}],
)
def test_a_changed_variable_is_noticed(synced: Desk, variables: dict[str, str]) -> None:
    run = sync(synced, variables=variables)
    assert run.code == 0
    assert "dlm.workflows.sync" in loaded(run)


def test_a_changed_setting_is_noticed(synced: Desk, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("link: auto\n")
    synced.variables |= {"DLM_NO_CONFIG": "", "DLM_CONFIG_FILE": str(config)}
    synced.dlm("sync").ok()
    assert is_quick(sync(synced))
    config.write_text("link: copy\n")
    assert "dlm.workflows.sync" in loaded(sync(synced))
    assert is_quick(sync(synced))
    config.write_text("lonk: copy\n")
    assert sync(synced).code == 2


def test_a_configuration_of_the_system_that_appears_is_noticed(synced: Desk) -> None:
    Path(synced.environment()["DLM_SYSTEM_CONFIG_FILE"]).write_text("enforce: {link: copy}\n")
    assert "dlm.workflows.sync" in loaded(sync(synced))
    assert is_quick(sync(synced))


def test_what_the_machine_enforces_is_noticed_whatever_the_environment_says(synced: Desk) -> None:
    file = synced.home / "machine.yaml"
    file.write_text("enforce: {link: symlink}\n")
    program = administered(file, [sys.executable, "-X", "importtime", console_script()])
    run = synced.dlm("sync", program=program).ok()
    assert "dlm.workflows.sync" in loaded(run)
    (synced.root / "d" / "a.bin").unlink()
    synced.dlm("sync", "--link", "copy", program=program).ok()
    assert (synced.root / "d" / "a.bin").is_symlink()
    # Gone again, it is noticed too.
    assert "dlm.workflows.sync" in loaded(sync(synced))


@pytest.mark.parametrize("which", ["downloads.yaml", "d/a.bin"])
def test_a_racily_fresh_mtime_is_not_trusted(synced: Desk, which: str) -> None:
    """A file that carries the very time of the look, or a later one, may change again and look the same."""
    path = synced.root / which
    os.utime(path, (4_000_000_000, 4_000_000_000))
    for _ in range(2):
        run = sync(synced)
        assert run.code == 0
        assert "dlm.workflows.sync" in loaded(run)
    os.utime(path, (1_000_000_000, 1_000_000_000))
    synced.dlm("sync").ok()
    assert is_quick(sync(synced))


@pytest.mark.fault("I08")
@pytest.mark.parametrize("damage", ["gone", "empty", "cut", "junk", "all of them"])
def test_a_stamp_that_is_gone_or_damaged_is_made_again(synced: Desk, damage: str) -> None:
    (stamp,) = (synced.state / "stamps").iterdir()
    data = stamp.read_bytes()
    if damage == "all of them":
        shutil.rmtree(synced.state / "stamps")
    elif damage == "gone":
        stamp.unlink()
    else:
        stamp.write_bytes({"empty": b"", "cut": data[:-5], "junk": b"\x00junk" * 50}[damage])
    run = sync(synced)
    assert run.code == 0
    assert "dlm.workflows.sync" in loaded(run)
    assert "In sync: 2 files in place." in run.err
    assert is_quick(sync(synced))


@pytest.mark.parametrize("link", ["hardlink", "symlink", "copy"])
def test_every_way_of_placing_has_a_stamp(world: World, desk: Desk, link: str) -> None:
    world.file("/a.bin", A)
    world.file("/b.bin", B)
    write_manifest(world, desk, "a.bin", "b.bin")
    desk.variables["DLM_LINK"] = link
    desk.dlm("sync").ok()
    assert is_quick(sync(desk))
    os.utime(next(path for path in (desk.cache / "cas").glob("*/*") if path.stat().st_size == len(A)))
    assert is_quick(sync(desk)) == (link == "copy")
    assert sync(desk).code == 0


@pytest.fixture
def unpacked(world: World, desk: Desk) -> Desk:
    """A project in sync with a file, and with a folder that came out of an archive; with its stamp."""
    tool = tar_bytes(
        TarItem(name="tool/bin/run", body=b"#!/bin/sh\n", mode=0o755),
        TarItem(name="tool/share/a/data", body=A),
        TarItem(name="tool/README", body=B),
    )
    world.file("/tool.tar", tool)
    world.file("/a.bin", A)
    desk.manifest(
        "version: 1\nresources:\n"
        f"- {{url: '{world.url}/a.bin', dest: d/}}\n"
        f"- {{url: '{world.url}/tool.tar', dest: tool/, extract: {{strip: 1}}}}\n"
    )
    desk.dlm("sync").ok()
    assert is_quick(sync(desk)), "what an archive became is noted, too"
    return desk


TOUCHES: dict[str, Callable[[Path], object]] = {
    "edited": lambda folder: _same_size(folder / "share" / "a" / "data"),
    "added": lambda folder: (folder / "share" / "more").write_bytes(b"more"),
    "added below": lambda folder: (folder / "share" / "a" / "more").mkdir(),
    "removed": lambda folder: (folder / "README").unlink(),
    "not to be run": lambda folder: (folder / "bin" / "run").chmod(0o644),
    "gone": shutil.rmtree,
}


@pytest.mark.parametrize("touch", TOUCHES.values(), ids=TOUCHES)
def test_whatever_changes_in_an_unpacked_folder_is_noticed(unpacked: Desk, touch: Callable[[Path], object]) -> None:
    touch(unpacked.root / "tool")
    run = sync(unpacked)
    assert "dlm.workflows.sync" in loaded(run)
    unpacked.dlm("sync", "--force").ok()
    assert (unpacked.root / "tool" / "README").read_bytes() == B
    assert (unpacked.root / "tool" / "share" / "a" / "data").read_bytes() == A
    assert not (unpacked.root / "tool" / "share" / "more").exists()
    assert not (unpacked.root / "tool" / "share" / "a" / "more").exists()
    assert os.access(unpacked.root / "tool" / "bin" / "run", os.X_OK)
    unpacked.dlm("sync").ok()
    assert is_quick(sync(unpacked))
