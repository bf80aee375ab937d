"""A walk through dlm in a temporary folder, against a stand-in for python.org on loopback.

The names and index pages are python.org's real ones; the bodies are small and made up. Nothing leaves this machine.
Run it with ``make demo``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MANIFEST = ROOT / "examples" / "cpython" / "downloads.yaml"


def main() -> int:
    """Show the four commands of every day, then what they made."""
    with tempfile.TemporaryDirectory(prefix="dlm-demo-") as folder, stand_in() as address:
        project = Path(folder, "project")
        project.mkdir()
        shutil.copy(MANIFEST, project)
        plain = {name: value for name, value in os.environ.items() if not name.startswith("DLM_") and name != "CI"}
        environment = plain | {
            "DLM_PYTHON_ORG_URL": address,
            "DLM_CACHE_DIR": str(Path(folder, "cache")),
            "DLM_STATE_DIR": str(Path(folder, "state")),
            "DLM_NO_CONFIG": "1",
        }
        print("The manifest, downloads.yaml:\n")
        print(MANIFEST.read_text(encoding="utf-8"))
        for command in ("lock", "sync", "verify", "sync"):
            print(f"$ dlm {command}", flush=True)
            subprocess.run([sys.executable, "-m", "dlm", command], cwd=project, env=environment, check=True)
            print(flush=True)
        print("The lockfile, downloads.lock:\n")
        print((project / "downloads.lock").read_text(encoding="utf-8"))
        print("The tree:\n")
        for path in sorted(project.rglob("*")):
            if path.is_file():
                print(f"  {path.relative_to(project).as_posix():<50} {path.stat().st_size:>8}")
    return 0


@contextmanager
def stand_in() -> Iterator[str]:
    """Serve the stand-in for python.org; its address, which is that of ``/ftp/python/``."""
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.support.python_org.serve"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        address = server.stdout.readline().strip() if server.stdout is not None else ""
        if not address:
            raise SystemExit("the stand-in site did not start")
        yield address
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    sys.exit(main())
