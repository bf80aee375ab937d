"""Both directions against the real package: ``python -m tests.interop.with_cachedir``, from the repository's root.

Makes a virtual environment of its own, installs ``cachedir`` 0.1.3 into it with all that it needs (some 180 MB), and
throws it away again; with ``--predecessor PYTHON``, an interpreter that has the package is used instead. It is no part
of the test suite, which needs no network: ``tests/unit/store/test_cachedir.py`` has what the package wrote once.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from dlm.store.cachedir import Cachedir, Value, cachedir_key
from tests.support.stores import StillClock

URI = "https://example.org/data/iris.csv"
QUERY = {"dl_params": {"query": {"a": "1", "b": "ü"}, "headers": ["Accept: text/csv", "X-Id: 7"]}}
PLAIN: dict[str, Any] = {"dl_params": {"headers": []}}
REQUESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "plain": (URI, PLAIN),
    "query": (URI, QUERY),
    "writing": (f"{URI}.w", PLAIN),
    "failed": (f"{URI}.f", PLAIN),
    "without digest": (f"{URI}.n", PLAIN),
    "no extension": ("https://example.org/plain", PLAIN),
}
REUSED = {"plain", "query", "no extension"}


def ask(python: str, what: str, folder: Path) -> dict[str, Any]:
    """What the package says."""
    script = Path(__file__).with_name("predecessor.py")
    with tempfile.TemporaryDirectory() as scratch:  # it writes a folder of logs wherever it is imported
        done = subprocess.run(
            [python, str(script), what, str(folder)], capture_output=True, text=True, check=False, cwd=scratch
        )
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("told "))
    told: dict[str, Any] = json.loads(line.removeprefix("told "))
    return told


def read_what_it_made(python: str, folder: Path) -> None:
    """Entries of the package: READY ones with a digest that holds are used, no others."""
    made = ask(python, "make", folder)
    cache = Cachedir(str(folder), StillClock())
    for name, (uri, params) in REQUESTS.items():
        assert cachedir_key(uri, params) == made[name]["key"], name
        entry = cache.lookup(uri, params)
        assert (entry is not None) == (name in REUSED), name
        if entry is not None:
            assert entry.path == made[name]["path"], name
            assert cache.find(entry.sha256 or "") is not None
    path = Path(made["plain"]["path"])
    path.write_bytes(path.read_bytes() + b"more")
    assert cache.lookup(URI, PLAIN) is None, "its digest does not hold any more"


def be_read_by_it(python: str, folder: Path) -> None:
    """Entries of dlm: the package finds them as the newest version, and its cleaning leaves them."""
    cache = Cachedir(str(folder), StillClock())
    expected: dict[str, str] = {}
    for name, uri, params in (
        ("plain", f"{URI}.dlm.csv", PLAIN),
        ("query", f"{URI}.dlm.csv", QUERY),
        ("over", URI, PLAIN),
    ):
        body = os.urandom(100)
        source = cache.temporary()
        Path(source).write_bytes(body)
        attrs: dict[str, Value] = {
            "resp_headers": {"Etag": '"it\'s"', "Content-Type": {"0": "text/csv"}},
            "url": uri,
            "download_method": "GET",
            "size": 100,
            "http_code": 200,
        }
        sha256 = hashlib.sha256(body).hexdigest()
        expected[name] = cache.publish(source, uri, params, attrs, sha256=sha256).path
    found = ask(python, "find", folder)
    for name, path in expected.items():
        told = found[name]
        assert told["path"] == path, name
        assert told["status"] == 3, name
        assert told["right"], name
        assert told["headers"]["Etag"] == '"it\'s"', name
        assert os.path.basename(path) in found["left"], "its cleaning took a file of ours"
    assert found["over"]["version"] == 2
    assert found["searched"] == 3


def main() -> None:
    """Carry it out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--predecessor", metavar="PYTHON", help="an interpreter that has cachedir 0.1.3")
    python = parser.parse_args().predecessor
    with tempfile.TemporaryDirectory() as base:
        if python is None:
            python = os.path.join(base, "venv", "bin", "python")
            subprocess.run([sys.executable, "-m", "venv", os.path.join(base, "venv")], check=True)
            subprocess.run([python, "-m", "pip", "install", "--quiet", "cachedir==0.1.3"], check=True)
        folder = Path(base, "cache")
        folder.mkdir()
        read_what_it_made(python, folder)
        be_read_by_it(python, folder)
    print("dlm and cachedir 0.1.3 read each other's entries")


if __name__ == "__main__":
    main()
