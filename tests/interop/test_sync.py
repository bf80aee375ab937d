"""``dlm sync`` with ``cache: {format: cachedir}``, over the cache of programs that use dlmachine."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from tests.interop.conftest import Predecessor
from tests.support.cli import Desk
from tests.support.origin import Origin, Static

BODY = b"sepal_length\n5.1\n" * 1000
SHA256 = hashlib.sha256(BODY).hexdigest()
PLAIN: dict[str, Any] = {"dl_params": {"headers": []}}
WRITE, FAILED = 1, 2


@pytest.fixture
def url(origin: Origin) -> str:
    return origin.route("/data/iris.csv", Static(BODY))


def test_what_it_fetched_is_found(old: Predecessor, desk: Desk, origin: Origin, folder: Path, url: str) -> None:
    other = origin.route("/data/other.csv", Static(b"other"))
    desk.manifest(f"version: 1\nresources: ['{url}', '{other}']\n")
    desk.dlm("sync").ok()
    assert desk.tree() == {"iris.csv": BODY, "other.csv": b"other"}
    found = old.ask("best", folder, uri=url, params=PLAIN)
    assert found["right"]
    assert found["attrs"]["sha256"] == SHA256
    assert old.ask("search", folder, attrs={"download_method": "GET"}) == [url, other]
    paths = old.ask("download", folder, urls=[url, other], options={})
    assert [Path(path).read_bytes() for path in paths] == [BODY, b"other"]
    assert len(origin.requests) == 2
    assert {Path(path).name for path in paths} <= set(old.ask("clean", folder))
    desk.dlm("verify").ok()


def test_what_is_pinned_and_there_costs_no_request(
    old: Predecessor, desk: Desk, origin: Origin, folder: Path, url: str
) -> None:
    old.ask("download", folder, urls=[url], options={})
    desk.manifest(f"version: 1\nresources: [{{url: '{url}', sha256: {SHA256}}}]\n")
    desk.dlm("sync").ok()
    assert desk.tree() == {"iris.csv": BODY}
    assert len(origin.requests) == 1
    (desk.root / "iris.csv").unlink()
    desk.dlm("sync", "--frozen", "--offline").ok()
    assert desk.tree() == {"iris.csv": BODY}


def test_what_is_not_pinned_is_confirmed(old: Predecessor, desk: Desk, origin: Origin, folder: Path, url: str) -> None:
    """A new pin is what the origin has now: it is asked, and sends no body again."""
    old.ask("download", folder, urls=[url], options={})
    desk.manifest(f"version: 1\nresources: ['{url}']\n")
    desk.dlm("sync").ok()
    assert desk.tree() == {"iris.csv": BODY}
    assert [request.get("if-none-match") for request in origin.requests] == [None, '"v1"']
    assert old.ask("download", folder, urls=[url], options={}) != []
    assert len(origin.requests) == 2


def test_what_changed_is_fetched_anew(old: Predecessor, desk: Desk, origin: Origin, folder: Path, url: str) -> None:
    (path,) = old.ask("download", folder, urls=[url], options={})
    Path(path).write_bytes(b"x" * len(BODY))
    desk.manifest(f"version: 1\nresources: [{{url: '{url}', sha256: {SHA256}}}]\n")
    desk.dlm("sync").ok()
    assert desk.tree() == {"iris.csv": BODY}
    assert [request.get("if-none-match") for request in origin.requests] == [None, None]
    (mended,) = old.ask("download", folder, urls=[url], options={})
    assert Path(mended).read_bytes() == BODY
    assert len(origin.requests) == 2


@pytest.mark.parametrize("status", [WRITE, FAILED])
def test_what_is_not_ready_is_fetched_anew(
    old: Predecessor, desk: Desk, origin: Origin, folder: Path, url: str, *, status: int
) -> None:
    old.ask("download", folder, urls=[url], options={})
    old.ask("mark", folder, uri=url, params=PLAIN, status=status)
    desk.manifest(f"version: 1\nresources: [{{url: '{url}', sha256: {SHA256}}}]\n")
    desk.dlm("sync").ok()
    assert desk.tree() == {"iris.csv": BODY}
    assert len(origin.requests) == 2
    desk.dlm("verify").ok()
