"""Ctrl-C in the middle of transfers, in a process of its own, over both backends."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dlm.store.local import LocalStore
from tests.support.clocks import LeapClock
from tests.support.fetching import BACKENDS, BODY, kit, order
from tests.support.origin import Hold, Response, Static
from tests.support.stores import Heard

ROOT = Path(__file__).resolve().parents[2]

CHILD = """
import sys
from dlm.fetch.fetcher import HttpFetcher
from dlm.model.settings import Settings
from dlm.store.local import LocalStore
from tests.support.clocks import LeapClock
from tests.support.fetching import Ear, make_backend, order

backend, cache, *urls = sys.argv[1:]
settings = Settings(backend=backend, stall_timeout=600.0, connect_timeout=600.0)
heard = Ear()
store = LocalStore(cache, LeapClock(), heard)
fetcher = HttpFetcher(settings, LeapClock(), heard, make_backend(backend, settings), version="0")
try:
    for outcome in fetcher.fetch([order(url) for url in urls], store):
        print(outcome)
except KeyboardInterrupt:
    store.close()
    print("interrupted", flush=True)
"""


def start(backend: str, cache: Path, *urls: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, backend, str(cache), *urls],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "PATH": "/usr/bin:/bin"},
    )


@pytest.mark.parametrize("backend", BACKENDS)
class TestInterrupts:
    def test_what_has_arrived_serves_the_next_run(self, tmp_path: Path, backend: str) -> None:
        with kit(tmp_path, backend) as made:
            gate = made.origin.gate()
            head = (("ETag", '"v1"'),)
            stuck = Response(200, head, [BODY * 5, Hold(gate)], length=len(BODY) * 6)
            url = made.origin.route("/data.bin", stuck, Static(BODY * 6))
            silent = made.origin.route("/silent.bin", Response(200, before=(Hold(gate),)))
            child = start(backend, tmp_path / "cache", url, silent)
            made.origin.wait_for(2)
            # Bytes are on the disk once there is something that vouches for them.
            partial = tmp_path / "cache" / "partial"
            while not list(partial.glob("*.json")):
                assert child.poll() is None, child.communicate()
            child.send_signal(signal.SIGINT)
            said, complained = child.communicate(timeout=60)
            assert (said, complained, child.returncode) == ("interrupted\n", "", 0)
            found = made.arrive(order(url))
            assert made.bytes_of(found) == BODY * 6
            asked = made.origin.of("/data.bin")[1].range
            assert asked is not None
            assert asked[0] > 0

    def test_before_any_answer(self, tmp_path: Path, backend: str) -> None:
        with kit(tmp_path, backend) as made:
            silent = made.origin.route("/silent.bin", Response(200, before=(Hold(made.origin.gate()),)))
            child = start(backend, tmp_path / "cache", silent)
            made.origin.wait_for(1)
            child.send_signal(signal.SIGINT)
            said, complained = child.communicate(timeout=60)
            assert (said, complained, child.returncode) == ("interrupted\n", "", 0)

    def test_nothing_stays_claimed(self, tmp_path: Path, backend: str) -> None:
        with kit(tmp_path, backend) as made:
            silent = made.origin.route("/silent.bin", Response(200, before=(Hold(made.origin.gate()),)))
            child = start(backend, tmp_path / "cache", silent)
            made.origin.wait_for(1)
            child.send_signal(signal.SIGINT)
            child.communicate(timeout=60)
            store = LocalStore(str(tmp_path / "cache"), LeapClock(), Heard())
            claim = store.claim(order(silent).key)
            assert claim is not None
            claim.close()
            store.close()
