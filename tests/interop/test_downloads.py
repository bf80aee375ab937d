"""Programs that use dlmachine and programs that use ``dlm.DownloadManager``, over one cache, against a real origin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dlm import DownloadManager, cache_records
from tests.interop.conftest import Predecessor
from tests.support.origin import Origin, Static

BODY = b"sepal_length\n5.1\n" * 1000
PLAIN: dict[str, Any] = {"dl_params": {"headers": []}}
WRITE, FAILED = 1, 2
#: The keyword arguments of a download, which are the same for both.
WAYS = [
    pytest.param({}, id="plain"),
    pytest.param({"query": {"a": "1", "b": "ü ü"}}, id="query"),
    pytest.param({"query": {"a": 1, "b": 2.5}}, id="numbers"),
    pytest.param({"headers": {"Accept": "text/csv", "X-Token": "secret"}}, id="headers"),
    pytest.param({"headers": ["Accept: text/csv"]}, id="header-list"),
    pytest.param({"post": True, "query": {"a": "1"}}, id="form"),
    pytest.param({"json": True, "query": {"a": [1, None, {"b": True}]}}, id="json"),
    pytest.param({"multipart": {"a": "1", "b": "two"}}, id="multipart"),
]


@pytest.mark.parametrize("options", WAYS)
def test_what_dlm_downloaded_is_not_asked_for_again(
    old: Predecessor, manager: DownloadManager, origin: Origin, folder: Path, options: dict[str, Any]
) -> None:
    url = origin.route("/data/iris.csv", Static(BODY))
    path = manager.download(url, **options)
    assert isinstance(path, str)
    assert old.ask("download", folder, urls=[url], options=options) == [path]
    assert len(origin.requests) == 1
    assert Path(path).read_bytes() == BODY


@pytest.mark.parametrize("options", WAYS)
def test_what_it_downloaded_is_not_asked_for_again(
    old: Predecessor, manager: DownloadManager, origin: Origin, folder: Path, options: dict[str, Any]
) -> None:
    url = origin.route("/data/iris.csv", Static(BODY))
    (path,) = old.ask("download", folder, urls=[url], options=options)
    assert Path(path).read_bytes() == BODY
    assert manager.download(url, **options) == path
    assert len(origin.requests) == 1
    (record,) = cache_records(folder)
    assert (record["uri"], record["status"], record["attrs"]["http_code"]) == (url, 3, 200)


def test_other_requests_are_told_apart(
    old: Predecessor, manager: DownloadManager, origin: Origin, folder: Path
) -> None:
    url = origin.route("/data/iris.csv", Static(BODY))
    seen = set()
    for number, options in enumerate(way.values[0] for way in WAYS):
        assert isinstance(options, dict)
        ask = options if number % 2 else {**options, "query": {**options.get("query", {}), "n": str(number)}}
        (path,) = old.ask("download", folder, urls=[url], options=ask)
        assert manager.download(url, **ask) == path
        seen.add(path)
    assert len(seen) == len(origin.requests) == len(WAYS)


def test_what_changed_is_fetched_anew(old: Predecessor, manager: DownloadManager, origin: Origin, folder: Path) -> None:
    url = origin.route("/data/iris.csv", Static(BODY))
    (path,) = old.ask("download", folder, urls=[url], options={})
    Path(path).write_bytes(b"x" * len(BODY))
    mended = manager.download(url)
    assert isinstance(mended, str)
    assert Path(mended).read_bytes() == BODY
    assert len(origin.requests) == 2
    assert old.ask("download", folder, urls=[url], options={}) == [mended]
    assert len(origin.requests) == 2


@pytest.mark.parametrize("status", [WRITE, FAILED])
def test_what_is_not_ready_is_fetched_anew(
    old: Predecessor, manager: DownloadManager, origin: Origin, folder: Path, status: int
) -> None:
    url = origin.route("/data/iris.csv", Static(BODY))
    (path,) = old.ask("download", folder, urls=[url], options={})
    old.ask("mark", folder, uri=url, params=PLAIN, status=status)
    other = manager.download(url)
    assert isinstance(other, str)
    assert other != path
    assert Path(other).read_bytes() == BODY
    assert len(origin.requests) == 2


def test_both_ask_whether_it_changed(old: Predecessor, manager: DownloadManager, origin: Origin, folder: Path) -> None:
    """Each by what the other noted: the predecessor by a HEAD, dlm by a conditional GET."""
    url = origin.route("/data/iris.csv", Static(BODY))
    path = manager.download(url)
    assert old.ask("download", folder, urls=[url], options={"check_freshness": True}) == [path]
    assert [request.method for request in origin.requests] == ["GET", "HEAD"]
    other = origin.route("/data/other.csv", Static(BODY, '"o"'))
    (theirs,) = old.ask("download", folder, urls=[other], options={})
    assert manager.download(other, check_freshness=True) == theirs
    assert [request.get("if-none-match") for request in origin.of("/data/other.csv")] == [None, '"o"']


def test_a_newer_version_is_taken_by_both(
    old: Predecessor, manager: DownloadManager, origin: Origin, folder: Path
) -> None:
    url = origin.route("/data/iris.csv", Static(b"one", '"1"'), Static(b"two", '"2"'))
    (first,) = old.ask("download", folder, urls=[url], options={})
    second = manager.download(url, check_freshness=True)
    assert isinstance(second, str)
    assert (Path(first).read_bytes(), Path(second).read_bytes()) == (b"one", b"two")
    assert old.ask("download", folder, urls=[url], options={}) == [second]
    assert len(origin.requests) == 2


def test_what_only_failed_is_asked_for_by_both(
    old: Predecessor, manager: DownloadManager, origin: Origin, folder: Path
) -> None:
    from dlm import DlmError
    from tests.support.origin import Response

    url = origin.route("/data/iris.csv", Response(404), Static(BODY))
    with pytest.raises(DlmError):
        manager.download(url)
    (path,) = old.ask("download", folder, urls=[url], options={})
    assert Path(path).read_bytes() == BODY
    assert manager.download(url) == path
    assert len(origin.requests) == 2
