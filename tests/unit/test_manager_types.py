"""What a type checker knows of a small program that uses the download manager."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

PROGRAM = """
import io
from pathlib import Path
from typing import BinaryIO, assert_type

import dlm

with dlm.DownloadManager(path=Path("cache"), backend="curl", config={"timeout": 5}) as manager:
    assert_type(manager.download("https://example.org/a", dest=False), io.BytesIO)
    assert_type(manager.download("https://example.org/a", dest="a"), str)
    assert_type(manager.download("https://example.org/a", Path("a"), query={"b": [1]}), str)
    assert_type(manager.download("https://example.org/a"), str | io.BytesIO)
    assert_type(manager.download(dlm.Descriptor("https://example.org/a"), dest=True, check_freshness=True,
                check_method="etag"), str | io.BytesIO)
    manager.download("https://example.org/a", check_method="tag")
    found = manager.get("https://example.org/a")
    assert_type(found, dlm.Download)
    assert_type(found.http_code, int)
assert_type(dlm.fetch("https://example.org/a", sha256="00"), Path)
dlm.fetch(["name"], ".").fetched + 1
assert_type(dlm.open("https://example.org/a"), BinaryIO)
assert_type(dlm.Locked("downloads.lock").path("iris"), Path)
for record in dlm.cache_records("cache", uri=None):
    record["path"]
"""


def test_a_small_program(tmp_path: Path) -> None:
    file = tmp_path / "program.py"
    file.write_text(PROGRAM)
    command = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--config-file", "", str(file)]
    result = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=tmp_path, env={"MYPYPATH": str(ROOT / "src")}
    )
    lines = [line for line in result.stdout.splitlines() if line.startswith("program.py") and ": error:" in line]
    # One call is wrong on purpose, so that it is seen that calls are looked at.
    assert len(lines) == 1, result.stdout + result.stderr
    assert PROGRAM.splitlines()[int(lines[0].split(":")[1]) - 1].strip().endswith('check_method="tag")')
