"""dlm and the packages ``cachedir`` and ``dlmachine`` themselves, over the same cache: ``make interop``.

The packages stand in an environment of their own (``requirements/interop.txt``), and are asked through
``predecessor.py``. Without ``--predecessor PYTHON`` nothing here is collected: the test suite needs no such
environment, ``tests/unit/store/test_cachedir.py`` has what the package wrote once.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import pytest

from dlm import DownloadManager
from tests.support.cli import Desk
from tests.support.origin import Origin
from tests.support.world import World


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """Nothing, where nobody says which interpreter has the packages."""
    return None if config.getoption("predecessor") else True


def pytest_report_header(config: pytest.Config) -> str | None:
    """Seen only where this folder is named by itself."""
    return None if config.getoption("predecessor") else "tests/interop: nothing without --predecessor (make interop)"


class Predecessor:
    """A process that has the packages."""

    def __init__(self, python: str, scratch: Path) -> None:
        # It writes a folder of logs wherever it is imported.
        self._process = subprocess.Popen(
            [python, "-I", str(Path(__file__).with_name("predecessor.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=scratch,
            env={"PATH": os.defpath, "HOME": str(scratch), "LANG": "C.UTF-8"},
        )

    def ask(self, do: str, folder: Path, **given: Any) -> Any:
        """Have it do something and wait for what it says."""
        self.begin(do, folder, **given)
        return self.end()

    def begin(self, do: str, folder: Path, **given: Any) -> None:
        """Have it do something."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, "folder": str(folder), **given}) + "\n")
        self._process.stdin.flush()

    def end(self) -> Any:
        """What it says of the last thing that it was to do."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("told "):
                told = json.loads(line.removeprefix("told "))
                assert "error" not in told, told["error"]
                return told["answer"]
        raise AssertionError(f"the predecessor ended with {self._process.wait()}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


Start = Callable[[], Predecessor]


@pytest.fixture(scope="session")
def start(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Further processes that have the packages, ended after the last test."""
    python = os.path.abspath(str(pytestconfig.getoption("predecessor")))
    with contextlib.ExitStack() as stack:
        yield lambda: stack.enter_context(Predecessor(python, tmp_path_factory.mktemp("predecessor")))


@pytest.fixture(scope="session")
def old(start: Start) -> Predecessor:
    """The predecessor."""
    return start()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The cache that both use."""
    path = tmp_path / "cache"
    path.mkdir()
    return path


@pytest.fixture
def origin() -> Iterator[Origin]:
    """An origin without TLS."""
    with Origin() as running:
        yield running


@pytest.fixture
def desk(origin: Origin, folder: Path, tmp_path: Path) -> Desk:
    """A machine whose configuration says that the cache is one of the predecessor's."""
    desk = World(origin).desk(tmp_path / "desk")
    config = desk.home / "config.yaml"
    config.write_text(f"cache:\n  dir: {folder}\n  format: cachedir\n", encoding="utf-8")
    desk.variables |= {"DLM_NO_CONFIG": "", "DLM_CONFIG_FILE": str(config), "DLM_CACHE_DIR": ""}
    return desk


@pytest.fixture
def manager(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DownloadManager]:
    """A program's downloads in such a cache."""
    for name in list(os.environ):
        if name.startswith("DLM_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("DLM_NO_CONFIG", "1")
    monkeypatch.setenv("DLM_SYSTEM_CONFIG_FILE", str(tmp_path / "none.yaml"))
    with DownloadManager(path=folder, cache="cachedir", progress=False, retry_backoff=0) as one:
        yield one
