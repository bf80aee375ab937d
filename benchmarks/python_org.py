"""How long it takes to list all of python.org: ``python -m benchmarks.python_org``, from the repository's root.

Three ways, in turn, several times over, against the stand-in of the tests (268 folders, 8,318 files, the real names)
behind a relay that makes every round trip 40 ms long:

* walk: one folder after the other, each with a connection of its own and the redirect that an address without a final
  slash costs, nothing kept, as python-org-downloads 1.0.0 does it. The walk here is written for this comparison and
  does less than that package: it reads the links of each page and looks no further at them. With ``--predecessor
  PYTHON``, an interpreter that has the package installed, the package itself walks instead; names that it does not
  know, on which it would end, are passed over.
* cold: ``PythonOrgDownloads.list_all_release_artifacts()`` with an empty cache.
* warm: the same call again, with what the cold one noted.

Servers run in processes of their own. Start-up and imports count for none of the three.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from html.parser import HTMLParser
from pathlib import Path

import requests

from dlm.python_org import PythonOrgDownloads

_PACKAGE = """
import sys, time
from python_org_downloads import InvalidVersionStringError, PythonOrgArtifact, PythonOrgDownloads

detect = PythonOrgArtifact.detect_format

def detect_or_pass_over(extra):
    try:
        return detect(extra)
    except ValueError as error:
        raise InvalidVersionStringError(str(error))

PythonOrgArtifact.detect_format = staticmethod(detect_or_pass_over)
PythonOrgDownloads.BASE_URL = sys.argv[1]
began = time.perf_counter()
count = len(PythonOrgDownloads.list_all_release_artifacts())
print(time.perf_counter() - began, count)
"""


class _Links(HTMLParser):
    """The links of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.found.extend(value for name, value in attrs if name == "href" and value)


def walk(base: str) -> int:
    """Every folder of a release, one after the other; how many links they hold."""
    root = _Links(requests.get(base, timeout=60).text).found
    folders = [link.rstrip("/") for link in root if link[0].isdigit()]
    pages = [requests.get(f"{base}/{folder}", timeout=60) for folder in ("src/", *folders)]
    return sum(len(_Links(page.text).found) for page in pages)


def timed(work: Callable[[], int]) -> float:
    """Seconds of a piece of work that finds something."""
    began = time.perf_counter()
    found = work()
    seconds = time.perf_counter() - began
    assert found > 4000, found
    return seconds


def package(python: str, base: str) -> float:
    """Seconds that the predecessor itself takes."""
    out = subprocess.run([python, "-c", _PACKAGE, base], check=True, capture_output=True, text=True).stdout
    seconds, count = out.split()
    assert int(count) > 4000, count
    return float(seconds)


@contextmanager
def started(folder: Path, module: str, *arguments: str) -> Iterator[int]:
    """A server of the tests in a process of its own; its port."""
    port_file = folder / f"{module}.port"
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments, "--port-file", str(port_file)], stdout=subprocess.DEVNULL
    )
    try:
        while not port_file.exists():
            if process.poll() is not None:
                raise RuntimeError(f"{module} ended with {process.returncode}")
            time.sleep(0.02)
        yield int(port_file.read_text(encoding="ascii"))
    finally:
        process.terminate()
        process.wait(timeout=30)


def measure(base: str, folder: Path, rounds: int, python: str | None) -> dict[str, list[float]]:
    """Seconds of each way, once a round."""
    seconds: dict[str, list[float]] = {"walk": [], "cold": [], "warm": []}
    for number in range(rounds):
        seconds["walk"].append(timed(lambda: walk(base)) if python is None else package(python, base))
        there = PythonOrgDownloads(base, cache=folder / f"cache-{number}")
        for way in ("cold", "warm"):
            seconds[way].append(timed(lambda there=there: len(there.list_all_release_artifacts())))  # type: ignore[misc]
        print(
            f"round {number + 1}: " + ", ".join(f"{way} {seconds[way][-1]:.2f} s" for way in seconds), file=sys.stderr
        )
    return seconds


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print a table in Markdown."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.python_org", description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--delay", type=float, default=0.04, help="seconds of a round trip")
    parser.add_argument("--jobs-per-host", type=int, help="dlm's setting; its default otherwise")
    parser.add_argument("--backend", choices=("curl", "requests"), help="dlm's setting; its default otherwise")
    parser.add_argument("--predecessor", metavar="PYTHON", help="an interpreter with python-org-downloads installed")
    options = parser.parse_args(arguments)
    os.environ["DLM_NO_CONFIG"] = "1"
    if options.jobs_per_host is not None:
        os.environ["DLM_JOBS_PER_HOST"] = os.environ["DLM_JOBS"] = str(options.jobs_per_host)
    if options.backend is not None:
        os.environ["DLM_BACKEND"] = options.backend
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        site = stack.enter_context(started(folder, "tests.support.python_org.serve"))
        port = stack.enter_context(
            started(folder, "tests.support.slow", "--to", str(site), "--seconds", str(options.delay))
        )
        base = f"http://127.0.0.1:{port}/ftp/python"
        PythonOrgDownloads(base, cache=False).list_all_release_artifacts()  # the server has made its pages now
        seconds = measure(base, folder, options.rounds, options.predecessor)
    medians = {way: statistics.median(seconds[way]) for way in seconds}
    names = {
        "walk": "one after the other" if options.predecessor is None else "python-org-downloads 1.0.0",
        "cold": "dlm, empty cache",
        "warm": "dlm, again",
    }
    print("| all of python.org | median s | least s | most s | times as fast |")
    print("|---|---:|---:|---:|---:|")
    for way, name in names.items():
        print(
            f"| {name} | {medians[way]:.2f} | {min(seconds[way]):.2f} | {max(seconds[way]):.2f}"
            f" | {medians['walk'] / medians[way]:.1f} |"
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
