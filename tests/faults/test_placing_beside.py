"""Two processes make files of the tree ready: the same files, by the same rules, whichever of them ends too soon."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.placed import COUNT, LATE, wanted

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a second process is forked on Linux alone")


def run(base: Path, *more: str, code: int = 0) -> dict[str, Any]:
    base.mkdir(exist_ok=True)
    ran = subprocess.run(
        [sys.executable, "-m", "tests.support.placed", str(base), *more],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ran.returncode == code, ran.stderr
    return json.loads(ran.stdout) if ran.stdout else {}


def tree(base: Path) -> dict[str, bytes]:
    root = base / "project"
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("link", ["auto", "copy", "hardlink"])
def test_both_make_what_one_would(tmp_path: Path, link: str) -> None:
    together = run(tmp_path / "together", "--link", link)
    alone = run(tmp_path / "alone", "--link", link, "--alone")
    assert (together.pop("children"), alone.pop("children")) == (0 if link == "hardlink" else 1, 0)
    assert together == alone
    assert together["looks"]
    assert len(together["placements"]) == COUNT
    assert tree(tmp_path / "together") == wanted()
    for path in (tmp_path / "together" / "project").rglob("*.bin"):
        twin = tmp_path / "alone" / path.relative_to(tmp_path / "together")
        assert path.stat().st_mode == twin.stat().st_mode


def test_what_was_placed_so_is_known_and_stays(tmp_path: Path) -> None:
    run(tmp_path)
    before = {path: path.stat().st_ino for path in (tmp_path / "project").rglob("*.bin")}
    assert len(before) == COUNT
    again = run(tmp_path)
    assert again["error"] is None
    assert tree(tmp_path) == wanted()


def test_a_child_that_is_killed_is_done_without(tmp_path: Path) -> None:
    found = run(tmp_path, "--then", "child")
    assert found["children"] == 1
    assert found["error"] is None
    assert len(found["placements"]) == COUNT
    assert found["looks"]
    assert tree(tmp_path) == wanted()


@pytest.mark.promise(3)
@pytest.mark.parametrize(("then", "code"), [("parent", -signal.SIGKILL), ("interrupt", 130)])
def test_the_end_of_the_parent_leaves_what_the_next_run_completes(tmp_path: Path, then: str, code: int) -> None:
    run(tmp_path, "--then", then, code=code)  # waits for both: they share what they write to
    assert not [name for name in tree(tmp_path) if not name.rpartition("/")[2].startswith(".dlm-")]
    found = run(tmp_path)
    assert found["error"] is None
    assert tree(tmp_path) == wanted()


@pytest.mark.promise(2)
@pytest.mark.parametrize("number", [5, LATE])
def test_what_cannot_be_made_ready_leaves_everything_as_it_was(tmp_path: Path, number: int) -> None:
    together = run(tmp_path / "together", "--without", str(number))
    alone = run(tmp_path / "alone", "--without", str(number), "--alone")
    assert together["children"] == 1
    assert together["error"].replace("together", "alone") == alone["error"]
    assert "cannot read" in together["error"]
    assert tree(tmp_path / "together") == tree(tmp_path / "alone") == {}
    # With the blob there again, all is placed.
    assert run(tmp_path / "together")["error"] is None
    assert tree(tmp_path / "together") == wanted()
