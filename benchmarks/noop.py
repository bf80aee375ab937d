"""What it costs when nothing has changed: ``python -m benchmarks.noop``, from the repository's root.

Whole processes of the installed console script in projects in sync, from 1 to 100,000 files of 4 KiB, beside

* ``python -I -S -c pass``: what any program in Python costs;
* ``sha256sum -c``: all files hashed by a program in C;
* ``pooch.fetch`` of all files: what a Python program does that has no lockfile (in a virtual environment of its own,
  made for this and thrown away; or ``--pooch PYTHON``, an interpreter that has it).

All take turns, round after round, so that a busy machine is busy for all of them; the table has the fastest and the
median of each, and the ratios of the medians. Projects and cache lie in a fresh folder, in memory where there is one.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from dlm.cli.clock import SystemClock
from dlm.model.artifact import Validators
from dlm.model.digest import Digests
from dlm.model.events import Event
from dlm.store.local import LocalStore

SIZES = (1, 10, 100, 1_000, 10_000, 100_000)
_BODY = 4096
_IN_ONE_FOLDER = 1_000
_POOCH = """
import sys
import pooch
registry = dict(line.split("  ", 1)[::-1] for line in open(sys.argv[2]).read().splitlines())
files = pooch.create(path=sys.argv[1], base_url="https://example.org/", registry=registry)
for name in registry:
    files.fetch(name)
"""


class _Silent:
    """Nobody listens."""

    def emit(self, event: Event) -> None:
        """Nothing."""


class Project:
    """A project in sync with ``count`` files."""

    def __init__(self, base: Path, count: int) -> None:
        self.count = count
        self.root = base / "project"
        self.sums = base / "SHA256SUMS"
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(base),
            "DLM_NO_CONFIG": "1",
            "DLM_CACHE_DIR": str(base / "cache"),
            "DLM_STATE_DIR": str(base / "state"),
        }
        self.root.mkdir(parents=True)
        (self.root / ".git").mkdir()
        names = self._fill()
        self._write_manifest(names)
        self.sums.write_text("".join(f"{sha256}  data/{name}\n" for name, sha256 in names.items()), encoding="ascii")
        subprocess.run([script(), "sync"], cwd=self.root, env=self.environment, check=True, capture_output=True)
        said = subprocess.run(
            [sys.executable, "-X", "importtime", script(), "sync"],
            cwd=self.root,
            env=self.environment,
            check=True,
            capture_output=True,
            text=True,
        ).stderr
        if "dlm.workflows.sync" in said:
            raise SystemExit("the stamp does not answer, so there is nothing to measure")

    def _fill(self) -> dict[str, str]:
        """Blobs in the cache, so that nothing comes over a network; their names with their digests."""
        store = LocalStore(self.environment["DLM_CACHE_DIR"], SystemClock(), _Silent())
        names: dict[str, str] = {}
        for number in range(self.count):
            body = hashlib.sha256(b"%d" % number).digest() * (_BODY // 32)
            sha256 = hashlib.sha256(body).hexdigest()
            writer = store.writer(f"sha256:{sha256}", Digests.sha256_of(body), len(body))
            writer.begin(Validators(), len(body))
            writer.write(body, 0)
            writer.commit(Digests.sha256_of(body), len(body))
            names[f"{number // _IN_ONE_FOLDER:03}/{number:06}.bin"] = sha256
        store.close()
        return names

    def _write_manifest(self, names: Mapping[str, str]) -> None:
        lines = ["version: 1\nresources:\n- name: all\n  base: https://example.org/\n  dest: data/\n  files:\n"]
        lines += [f"    {name}: 'sha256:{sha256}'\n" for name, sha256 in names.items()]
        (self.root / "downloads.yaml").write_text("".join(lines), encoding="ascii")


def script() -> str:
    """The installed console script."""
    return str(Path(sys.executable).with_name("dlm"))


def seconds(command: Sequence[str], cwd: Path, environment: Mapping[str, str]) -> float:
    """How long a process takes, from its start to its end."""
    began = time.perf_counter()
    done = subprocess.run(command, cwd=cwd, env=dict(environment), capture_output=True, check=False)
    taken = time.perf_counter() - began
    if done.returncode:
        raise SystemExit(f"{command[0]} failed: {done.stderr.decode()}")
    return taken


def measure(project: Project, pooch: str | None, rounds: int) -> dict[str, list[float]]:
    """Seconds of each way, once a round."""
    ways: dict[str, list[str]] = {
        "python": [sys.executable, "-I", "-S", "-c", "pass"],
        "version": [script(), "--version"],
        "dlm": [script(), "sync"],
        "sha256sum": ["sha256sum", "--check", "--quiet", str(project.sums)],
    }
    if pooch is not None:
        # Names in the sums begin with data/, as files do below the project.
        ways["pooch"] = [pooch, "-c", _POOCH, str(project.root), str(project.sums)]
    found: dict[str, list[float]] = {way: [] for way in ways}
    for number in range(rounds + 1):
        for way, command in ways.items():
            taken = seconds(command, project.root, project.environment)
            if number:  # the first round warms every cache
                found[way].append(taken)
    return found


def row(count: int, found: Mapping[str, list[float]]) -> str:
    """One line of the table."""
    middle = {way: statistics.median(times) for way, times in found.items()}
    cells = [f"{count:,}"]
    cells += [f"{min(times) * 1000:.1f} / {middle[way] * 1000:.1f}" for way, times in found.items()]
    cells += [f"{middle['dlm'] / middle[way]:.2f}" for way in found if way in {"python", "sha256sum", "pooch"}]
    cells.append(f"{middle['version'] / middle['python']:.2f}")
    return f"| {' | '.join(cells)} |"


def installed_pooch(base: Path) -> str:
    """An interpreter with pooch, in an environment of its own."""
    python = base / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", str(base / "venv")], check=True)
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", "pooch==1.9.0"], check=True)
    return str(python)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print a table in Markdown."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.noop", description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--most", type=int, default=10_000, help="the largest project, of 1, 10, … 100,000 files")
    parser.add_argument("--pooch", metavar="PYTHON", help="an interpreter with pooch installed")
    parser.add_argument("--without-pooch", action="store_true")
    options = parser.parse_args(arguments)
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    base = Path(tempfile.mkdtemp(dir=memory))
    try:
        pooch = None if options.without_pooch else options.pooch or installed_pooch(base)
        ways = ["python -I -S", "dlm --version", "dlm sync", "sha256sum -c", *(["pooch"] if pooch else [])]
        ratios = ["dlm : python", "dlm : sha256sum", *(["dlm : pooch"] if pooch else []), "version : python"]
        head = ["files", *(f"{way}, ms" for way in ways), *ratios]
        print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}", flush=True)
        for count in (size for size in SIZES if size <= options.most):
            project = Project(base / str(count), count)
            # pooch hashes with Python and is slow; a few rounds of it are enough for many files.
            rounds = options.rounds if count <= 10_000 else max(3, options.rounds // 3)
            print(row(count, measure(project, pooch, rounds)), flush=True)
    finally:
        shutil.rmtree(base, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
