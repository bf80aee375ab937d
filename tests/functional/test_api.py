"""The verbs as functions: the same work, the same results and the same errors as the commands."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import dlm
from dlm.errors import DriftError, Failures, IntegrityError, OfflineError, StaleError, UsageError
from tests.support.cli import Desk
from tests.support.world import World

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def project(world: World, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose settings this process has."""
    for name, value in desk.environment().items():
        if name.startswith("DLM_"):
            monkeypatch.setenv(name, value)
    desk.manifest(
        "version: 1\nresources:\n"
        f"  - {{name: data, url: '{world.file('/data.csv', b'one')}', dest: in/}}\n"
        f"  - {{name: more, url: '{world.file('/more.csv', b'two')}', dest: in/, groups: [extra]}}\n"
    )
    return desk.root


def test_a_round(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(StaleError):
        dlm.sync(project, locked=True)
    locked = dlm.lock(project)
    assert (locked.entries, locked.fetched, locked.written) == (2, 2, True)
    fetched = dlm.fetch(["data"], project, offline=True)
    assert (fetched.present, fetched.fetched) == (1, 0)
    synced = dlm.sync(project, frozen=True, offline=True)
    assert sorted(one.dest for one in synced.placed) == ["in/data.csv", "in/more.csv"]
    assert dlm.path("data", project).read_bytes() == b"one"
    assert dlm.verify(project).flaws == ()
    (project / "in" / "data.csv").write_bytes(b"edited")
    with pytest.raises(DriftError):
        dlm.path("data", project)
    assert [flaw.subject for flaw in dlm.verify(project).flaws] == ["in/data.csv"]
    assert dlm.verify(project, repair=True).repaired is not None
    assert dlm.path("data", project).read_bytes() == b"one"
    assert sorted(dlm.clean(project).removed) == ["in/data.csv", "in/more.csv"]
    assert capfd.readouterr() == ("", ""), "a library prints nothing"


def test_errors_are_those_of_the_commands(world: World, project: Path, desk: Desk) -> None:
    with pytest.raises(Failures) as offline:
        dlm.sync(project, offline=True)
    assert [type(one) for one in offline.value.errors] == [OfflineError, OfflineError]
    with pytest.raises(UsageError):
        dlm.lock(project, upgrade_names=["nothing"])
    dlm.lock(project)
    desk.dlm("cache", "clean").ok()
    world.file("/data.csv", b"other")
    with pytest.raises(IntegrityError) as wrong:
        dlm.sync(project)
    assert wrong.value.resource == "data"
    assert dlm.lock(project, accept={"data": None}).changes[0].name == "data"


def test_the_program_of_the_examples(world: World, desk: Desk, project: Path) -> None:
    ran = desk.dlm(program=[sys.executable, str(ROOT / "examples" / "program.py"), str(project)])
    assert ran.code == 0, str(ran)
    assert "in/data.csv (copy)" in ran.out or "in/data.csv (reflink)" in ran.out
    assert f"data: {'…'}/project/in/data.csv" in ran.out
    again = desk.dlm(program=[sys.executable, str(ROOT / "examples" / "program.py"), str(project / "nowhere")])
    assert (again.code, again.out) == (1, "")


def test_a_user_s_program_is_typed(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import dlm\n"
        "from pathlib import Path\n"
        "report = dlm.sync('.')\n"
        "placed: list[str] = [one.dest for one in report.placed]\n"
        "where: Path = dlm.path('data')\n"
        "dlm.sync('.', lockd=True)\n"
        "wrong: int = dlm.path('data')\n",
        encoding="utf-8",
    )
    ran = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-incremental", str(program)],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    lines = [line.partition(":")[2].partition(":")[0] for line in ran.stdout.splitlines() if ": error:" in line]
    assert lines == ["6", "7"], ran.stdout + ran.stderr
