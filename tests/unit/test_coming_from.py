"""The page for people who come from other tools: its snippets run, against a server on the loopback."""

from __future__ import annotations

import gc
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from dlm.documents.lockfile_json import write_lockfile
from dlm.model.digest import Digests
from dlm.model.lockfile import LockedArtifact, LockEntry, Lockfile
from tests.support.origin import Origin, Response, Static
from tests.support.world import World

PAGE = Path(__file__).resolve().parents[2] / "docs" / "coming-from.md"
SNIPPETS = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
BODY = b"sepal,petal\n5.1,1.4\n"


@pytest.fixture
def origin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Origin]:
    monkeypatch.chdir(tmp_path)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DLM_NO_CONFIG", "1")
    monkeypatch.setenv("DLM_SYSTEM_CONFIG_FILE", str(tmp_path / "none.yaml"))
    monkeypatch.setenv("DLM_CACHE_DIR", str(tmp_path / "shared"))
    monkeypatch.setenv("DLM_STATE_DIR", str(tmp_path / "state"))
    (tmp_path / "notes.txt").write_text("notes")
    with Origin() as running:
        World(running)  # it is python.org, too
        monkeypatch.setenv("DLM_PYTHON_ORG_URL", f"{running.url}/ftp/python/")
        url = running.route("/iris.csv", Static(BODY))
        running.route("/search", Response(200, body=b"found"))
        running.route("/upload", Response(201, body=b"taken"))
        locked = LockedArtifact(
            filename="iris.csv", url=url, dest="iris.csv", size=len(BODY), digests=Digests.sha256_of(BODY)
        )
        entry = LockEntry(name="iris.csv", request={"url": url}, artifacts=(locked,))
        (tmp_path / "downloads.lock").write_bytes(write_lockfile(Lockfile(entries={"iris.csv": entry})))
        yield running


@pytest.mark.parametrize("number", range(len(SNIPPETS)))
def test_its_snippets_run(origin: Origin, number: int, capsys: pytest.CaptureFixture[str]) -> None:
    names = {"ORIGIN": origin.url, "SHA256": hashlib.sha256(BODY).hexdigest()}
    exec(compile(SNIPPETS[number], f"{PAGE.name}, snippet {number + 1}", "exec"), names)
    names.clear()
    gc.collect()
    assert origin.requests
    printed = capsys.readouterr().out
    assert not printed or hashlib.sha256(BODY).hexdigest() in printed


def test_there_are_snippets() -> None:
    assert len(SNIPPETS) >= 8
