"""The packages ``cachedir`` and ``dlmachine``, asked line by line: run by an interpreter that has them installed.

Each line of standard input is a JSON object: ``do`` names a function below, ``folder`` the cache, the rest are the
function's arguments. Each answer is a line ``told {"answer": …}`` or ``told {"error": …}``; the packages print lines of
their own between them. See ``tests/interop/conftest.py``.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import sys
import traceback
from typing import Any

import cachedir  # type: ignore[import-not-found]
import dlmachine  # type: ignore[import-not-found]


def make(folder: str, *, uri: str, params: Any, body: str, status: int = 3, digest: bool = True) -> Any:
    """An entry as the package's downloader leaves it; its path and key."""
    cache = cachedir.Cache(folder)
    item = cache.best_or_new(uri=uri, params=params, attrs={"kind": "test"}, new_status=0)
    with open(item.path, "wb") as file:
        file.write(body.encode())
    item.status = status
    if digest:
        sha256 = hashlib.sha256(body.encode()).hexdigest()
        item.update(attrs={"sha256": sha256, "size": 5, "etag": "v1", "http_code": 200})
    return {"path": item.path, "key": item.key, "version": item.version}


def make_many(folder: str, uris: list[str], params: Any, body: str) -> Any:
    """Many entries, one after the other."""
    return [make(folder, uri=uri, params=json.loads(json.dumps(params)), body=body)["path"] for uri in uris]


def best(folder: str, uri: str, params: Any) -> Any:
    """What is found for a request."""
    item = cachedir.Cache(folder).best(uri=uri, params=params)
    if item is None:
        return None
    with open(item.path, "rb") as file:
        sha256 = hashlib.sha256(file.read()).hexdigest()
    return {
        "path": item.path,
        "version": item.version,
        "status": int(item.status),
        "name": item.filename,
        "right": sha256 == item.attrs.get("sha256"),
        "attrs": {key: value for key, value in item.attrs.items() if isinstance(value, str | int | dict)},
    }


def mark(folder: str, uri: str, params: Any, status: int) -> None:
    """Give what is found for a request another status."""
    cachedir.Cache(folder).best(uri=uri, params=params).status = status


def search(folder: str, attrs: Any) -> Any:
    """The addresses of all entries with these attributes."""
    return sorted(item.uri for item in cachedir.Cache(folder).search(attrs=attrs))


def clean(folder: str) -> Any:
    """Have it remove what it takes for rubbish in registry and folder; what is left in the folder."""
    cache = cachedir.Cache(folder)
    cache.clean_db()
    cache.clean_disk()
    cache.autoclean()
    return sorted(os.listdir(folder))


def check(folder: str) -> Any:
    """What SQLite says of the registry."""
    connection = sqlite3.connect(os.path.join(folder, "cache.sqlite"))
    try:
        return connection.execute("PRAGMA integrity_check").fetchone()[0]
    finally:
        connection.close()


def download(folder: str, urls: list[str], options: Any) -> Any:
    """Download addresses as a program does, one after the other; the files that it is given."""
    manager = dlmachine.DownloadManager(path=folder, backend="requests", progress=False)
    return [manager.download(url, **json.loads(json.dumps(options))) for url in urls]


def main() -> None:
    """Answer until nobody asks any more."""
    known = {one.__name__: one for one in (make, make_many, best, mark, search, clean, check, download)}
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            told = {"answer": known[asked.pop("do")](**asked)}
        except Exception:
            told = {"error": traceback.format_exc()}
        print("\ntold " + json.dumps(told), flush=True)


main()
