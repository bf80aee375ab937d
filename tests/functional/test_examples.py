"""The examples as they stand in the repository: each locks and syncs, at its real addresses, on the loopback.

``downloads.lock.example`` at the top is what ``dlm lock`` writes for ``examples/data``. To write it anew: ``make
example-lock``, which runs this file with ``DLM_WRITE_EXAMPLE_LOCK=1``.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli import BACKENDS, Desk
from tests.support.connect_proxy import ConnectProxy
from tests.support.origin import Origin, Request, Response, Static
from tests.support.tls import authority
from tests.support.world import World

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE_LOCK = ROOT / "downloads.lock.example"
HOSTS = ("www.python.org", "example.org", "mirror.example.net")

IRIS = b"sepal_length,sepal_width,petal_length,petal_width,species\n5.1,3.5,1.4,0.2,setosa\n"


@pytest.fixture
def net(world: World, tmp_path: Path) -> Iterator[Desk]:
    """A machine whose proxy leads the examples' hosts, with good certificates, to the stand-in and made-up files."""
    origin = Origin(tls=authority().server(*HOSTS, http2=True), http2=True)

    def serve(request: Request) -> Response:
        if request.path.startswith("/ftp/python/"):
            return world.respond(request)
        body = IRIS if request.path.endswith(".csv") else hashlib.sha256(request.path.encode()).digest() * 8
        kind = "text/csv" if request.path.endswith(".csv") else "application/octet-stream"
        etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        return Static(body, etag=etag, last_modified="Tue, 03 Nov 2026 08:30:00 GMT", content_type=kind)(request)

    origin.otherwise(serve)
    with origin, ConnectProxy(origin.port) as proxy:
        desk = world.desk(tmp_path / "desk")
        del desk.variables["DLM_PYTHON_ORG_URL"]
        desk.variables["DLM_PROXY"] = proxy.url
        yield desk
        assert {target.partition(":")[0] for target in proxy.targets} <= set(HOSTS)


@pytest.mark.parametrize("example", sorted(path.name for path in (ROOT / "examples").iterdir() if path.is_dir()))
def test_each_example_locks_and_syncs(net: Desk, example: str) -> None:
    shutil.copytree(ROOT / "examples" / example, net.root, dirs_exist_ok=True)
    texts = []
    for backend in BACKENDS:
        variables = {"DLM_BACKEND": backend, "DLM_CACHE_DIR": str(net.base / f"cache-{backend}")}
        net.lockfile.unlink(missing_ok=True)
        net.dlm("lock", variables=variables).ok()
        texts.append(net.lockfile.read_bytes())
        net.dlm("sync", "--locked", variables=variables).ok()
        net.dlm("verify", variables=variables).ok()
        net.dlm("fetch", "--platform", "all", "--offline", variables=variables).ok()
        net.dlm("clean", variables=variables).ok()
    assert texts[0] == texts[1]
    headers = [one.get("headers") for entry in net.lock()["resources"].values() for one in entry["artifacts"]]
    assert all(headers), "the origin itself answered, so its headers are kept"


@pytest.mark.fault("C09")
def test_the_example_lockfile(net: Desk) -> None:
    shutil.copy(ROOT / "examples" / "data" / "downloads.yaml", net.root)
    net.dlm("lock").ok()
    text = net.lockfile.read_bytes()
    if os.environ.get("DLM_WRITE_EXAMPLE_LOCK"):
        EXAMPLE_LOCK.write_bytes(text)
    assert EXAMPLE_LOCK.read_bytes() == text, "run `make example-lock` if that is what it should be"
    iris = json.loads(text)["resources"]["iris.csv"]["artifacts"][0]
    assert list(iris["headers"]) == ["etag", "last-modified", "content-type", "content-length"]
    assert iris["digests"]["sha256"] == hashlib.sha256(IRIS).hexdigest()
