"""What the package ``cachedir`` 0.1.3 says of one of its folders: run by an interpreter that has it installed.

``predecessor.py make FOLDER`` makes entries with the package, ``predecessor.py find FOLDER`` tells as JSON what it
finds of those made by dlm. See ``tests/interop/with_cachedir.py``.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from typing import Any

URI = "https://example.org/data/iris.csv"
QUERY = {"dl_params": {"query": {"a": "1", "b": "ü"}, "headers": ["Accept: text/csv", "X-Id: 7"]}}
PLAIN: dict[str, dict[str, list[str]]] = {"dl_params": {"headers": []}}
BODY = b"sepal_length\n5.1\n"


def make(cache: Any, uri: str, params: Any, body: bytes, *, status: int, attrs: bool) -> Any:
    """An entry as the package's downloader leaves it."""
    item = cache.best_or_new(uri=uri, params=params, attrs={"kind": "test"})
    with open(item.path, "wb") as file:
        file.write(body)
    item.status = status
    if attrs:
        item.update(attrs={"sha256": hashlib.sha256(body).hexdigest(), "size": 5, "etag": "v1", "http_code": 200})
    return item


def main() -> None:
    """Do what the arguments say."""
    import cachedir  # type: ignore[import-not-found]

    what, folder = sys.argv[1:]
    cache = cachedir.Cache(folder)
    told: dict[str, object] = {}
    if what == "make":
        for name, uri, params, status, attrs in (
            ("plain", URI, PLAIN, 3, True),
            ("query", URI, QUERY, 3, True),
            ("writing", URI + ".w", PLAIN, 1, True),
            ("failed", URI + ".f", PLAIN, 2, True),
            ("without digest", URI + ".n", PLAIN, 3, False),
            ("no extension", "https://example.org/plain", PLAIN, 3, True),
        ):
            item = make(cache, uri, json.loads(json.dumps(params)), BODY + name.encode(), status=status, attrs=attrs)
            told[name] = {"path": item.path, "key": item.key}
    else:
        for name, uri, params in (
            ("plain", URI + ".dlm.csv", PLAIN),
            ("query", URI + ".dlm.csv", QUERY),
            ("over", URI, PLAIN),
        ):
            item = cache.best(uri=uri, params=json.loads(json.dumps(params)))
            if item is None:
                told[name] = None
                continue
            with open(item.path, "rb") as file:
                body = file.read()
            told[name] = {
                "path": item.path,
                "version": item.version,
                "status": int(item.status),
                "name": item.filename,
                "right": hashlib.sha256(body).hexdigest() == item.attrs.get("sha256"),
                "attrs": {key: value for key, value in item.attrs.items() if isinstance(value, str | int)},
                "headers": item.attrs.get("resp_headers"),
            }
        told["searched"] = len(cache.search(attrs={"download_method": "GET"}))
        cache.clean_disk()
        told["left"] = sorted(name for name in os.listdir(folder) if "cache.sqlite" not in name)
    print("told " + json.dumps(told))


main()
