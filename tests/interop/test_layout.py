"""The layout of cachedir, entry by entry: ``dlm.store.cachedir`` against the package."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from dlm.store.cachedir import Cachedir, CachedirEntry, Value, cachedir_key
from tests.interop.conftest import Predecessor
from tests.support.stores import StillClock

URI = "https://example.org/data/iris.csv"
PLAIN: dict[str, Any] = {"dl_params": {"headers": []}}
QUERY: dict[str, Any] = {"dl_params": {"query": {"a": "1", "b": "ü"}, "headers": ["Accept: text/csv", "X-Id: 7"]}}
FORM: dict[str, Any] = {"dl_params": {"query": {"n": 1, "x": [1.5, None, True]}, "post": True, "headers": []}}
REQUESTS = [
    pytest.param(URI, PLAIN, id="plain"),
    pytest.param(URI, QUERY, id="query"),
    pytest.param(URI, FORM, id="form"),
    pytest.param("https://example.org/plain", PLAIN, id="no-extension"),
    pytest.param("https://example.org/a%20b.tar.gz?x=it's", PLAIN, id="odd-characters"),
]
BODY = "sepal_length\n5.1\n"
WRITE, FAILED, READY = 1, 2, 3


@pytest.fixture
def cache(folder: Path) -> Cachedir:
    return Cachedir(str(folder), StillClock())


def publish(cache: Cachedir, uri: str, params: dict[str, Any]) -> CachedirEntry:
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
    return cache.publish(source, uri, params, attrs, sha256=hashlib.sha256(body).hexdigest())


@pytest.mark.parametrize(("uri", "params"), REQUESTS)
def test_what_it_made_is_used(
    old: Predecessor, cache: Cachedir, folder: Path, uri: str, params: dict[str, Any]
) -> None:
    made = old.ask("make", folder, uri=uri, params=params, body=BODY)
    assert cachedir_key(uri, params) == made["key"]
    entry = cache.lookup(uri, params)
    assert entry is not None
    assert entry.path == made["path"]
    assert entry.attrs["kind"] == "test"
    found = cache.find(hashlib.sha256(BODY.encode()).hexdigest())
    assert found is not None
    assert found.path == made["path"]


@pytest.mark.parametrize("status", [WRITE, FAILED])
def test_what_is_not_ready_is_not_used(old: Predecessor, cache: Cachedir, folder: Path, status: int) -> None:
    old.ask("make", folder, uri=URI, params=PLAIN, body=BODY, status=status)
    assert cache.lookup(URI, PLAIN) is None
    assert cache.find(hashlib.sha256(BODY.encode()).hexdigest()) is None


def test_what_has_no_digest_is_not_used(old: Predecessor, cache: Cachedir, folder: Path) -> None:
    old.ask("make", folder, uri=URI, params=PLAIN, body=BODY, digest=False)
    assert cache.lookup(URI, PLAIN) is None


def test_what_changed_is_not_used(old: Predecessor, cache: Cachedir, folder: Path) -> None:
    made = old.ask("make", folder, uri=URI, params=PLAIN, body=BODY)
    assert cache.lookup(URI, PLAIN) is not None
    Path(made["path"]).write_text(BODY + "more", encoding="utf-8")
    assert cache.lookup(URI, PLAIN) is None


@pytest.mark.parametrize(("uri", "params"), REQUESTS)
def test_it_finds_what_dlm_made(
    old: Predecessor, cache: Cachedir, folder: Path, uri: str, params: dict[str, Any]
) -> None:
    entry = publish(cache, uri, params)
    found = old.ask("best", folder, uri=uri, params=params)
    assert (found["path"], found["version"], found["status"], found["right"]) == (entry.path, 1, READY, True)
    assert found["name"] == os.path.basename(uri.partition("?")[0])
    assert found["attrs"]["resp_headers"] == {"Etag": '"it\'s"', "Content-Type": {"0": "text/csv"}}
    assert old.ask("search", folder, attrs={"download_method": "GET"}) == [uri]


def test_versions_follow_one_another(old: Predecessor, cache: Cachedir, folder: Path) -> None:
    assert old.ask("make", folder, uri=URI, params=PLAIN, body=BODY)["version"] == 1
    second = publish(cache, URI, PLAIN)
    assert second.version == 2
    assert old.ask("best", folder, uri=URI, params=PLAIN)["path"] == second.path
    old.ask("mark", folder, uri=URI, params=PLAIN, status=FAILED)
    first = cache.lookup(URI, PLAIN)
    assert first is not None
    assert first.version == 1
    assert publish(cache, URI, PLAIN).version == 3


def test_its_cleaning_leaves_what_dlm_made(old: Predecessor, cache: Cachedir, folder: Path) -> None:
    """The newest of each, that is: older versions are what it cleans away."""
    publish(cache, URI, PLAIN)
    kept = [publish(cache, URI, PLAIN).path, publish(cache, URI, QUERY).path]
    (folder / ".dlm").mkdir()
    (folder / ".dlm" / "tmp").write_bytes(b"on its way")
    coming = cache.temporary()
    Path(coming).write_bytes(b"on its way")
    left = set(old.ask("clean", folder))
    assert left >= {*map(os.path.basename, kept), ".dlm", os.path.basename(coming), "cache.sqlite"}
    assert [entry.path for entry in cache.records() if cache.is_good(entry)] == kept


def test_what_dlm_threw_away_is_found_by_nobody(old: Predecessor, cache: Cachedir, folder: Path) -> None:
    cache.trash(publish(cache, URI, PLAIN))
    assert old.ask("best", folder, uri=URI, params=PLAIN) is None
    cache.fail(publish(cache, URI, PLAIN))
    assert old.ask("best", folder, uri=URI, params=PLAIN) is None
