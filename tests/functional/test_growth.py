"""How much memory a sync takes for each further file: a piece that is bounded, whatever the lockfile's length."""

from __future__ import annotations

import io
import shutil
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from dlm.documents.lockfile_json import read_lockfile, write_lockfile
from dlm.model.digest import Digests
from dlm.model.lockfile import LockedArtifact, LockEntry, Lockfile
from tests.support.cli import BACKENDS, Desk
from tests.support.origin import Origin
from tests.support.world import World

FEW, MORE = 250, 850
#: Bytes that a further file may take at the most, which has 10,000 itself: of a lock, and of a sync.
MOST = {"curl": (2000, 1500), "requests": (5000, 3000)}

#: Runs the command line and notes the most memory that Python had given out at once.
TRACED = """
import sys, tracemalloc
told = sys.argv.pop(1)
tracemalloc.start()
from dlm.__main__ import main
try:
    main()
finally:
    with open(told, "w") as file:
        file.write(str(tracemalloc.get_traced_memory()[1]))
"""


@pytest.fixture
def world() -> Iterator[World]:
    """An origin whose files take lanes."""
    with Origin() as origin:
        yield World(origin)


def project(world: World, desk: Desk, count: int) -> None:
    """A manifest with so many files."""
    names = [f"{number:06}.bin" for number in range(count)]
    for name in names:
        world.file(f"/{name}", name.encode() * 1000)
    listed = "".join(f"    - {name}\n" for name in names)
    desk.manifest(f"version: 1\nresources:\n- name: many\n  base: {world.url}/\n  dest: files/\n  files:\n{listed}")


def peak(desk: Desk, *arguments: str) -> int:
    """The most bytes that a command had at once."""
    told = desk.base / "told"
    desk.dlm(str(told), *arguments, program=[sys.executable, "-c", TRACED]).ok()
    return int(told.read_text())


@pytest.mark.fault("Y07")
@pytest.mark.parametrize("jobs", ["1", "16"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_each_further_file_takes_a_bounded_piece_of_memory(
    world: World, tmp_path: Path, backend: str, jobs: str
) -> None:
    locking: list[int] = []
    syncing: list[int] = []
    for count in (FEW, MORE):
        desk = Desk(tmp_path / str(count))
        project(world, desk, count)
        locking.append(peak(desk, "lock", "--backend", backend, "--jobs", jobs))
        for folder in (desk.cache, desk.state):
            shutil.rmtree(folder)
        syncing.append(peak(desk, "sync", "--frozen", "--backend", backend, "--jobs", jobs))
        assert len(list((desk.root / "files").iterdir())) == count
    most = MOST[backend]
    assert (locking[1] - locking[0]) / (MORE - FEW) <= most[0]
    assert (syncing[1] - syncing[0]) / (MORE - FEW) <= most[1]


@pytest.mark.fault("Y07")
def test_the_text_of_a_long_lockfile_is_not_in_memory_as_a_whole() -> None:
    artifacts = tuple(
        LockedArtifact(
            filename=f"{number:06}.bin",
            url=f"https://example.org/files/{number:06}.bin",
            dest=f"files/{number:06}.bin",
            size=number,
            digests=Digests.sha256_of(b"%d" % number),
            headers={"etag": '"one"', "content-type": "application/octet-stream"},
        )
        for number in range(5000)
    )
    entry = LockEntry(name="many", request={"base": "https://example.org/files/"}, artifacts=artifacts)
    data = write_lockfile(Lockfile(entries={"many": entry}))
    read_lockfile(io.BytesIO(data), "downloads.lock")  # what is loaded once counts for nothing
    file = io.BytesIO(data)
    tracemalloc.start()
    try:
        read = read_lockfile(file, "downloads.lock")
        kept, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert read.lockfile.entries["many"].artifacts == artifacts
    assert most - kept < len(data) / 2
