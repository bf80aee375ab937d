"""One URL in one line, and a lockfile that a program ships: ``fetch``, ``open``, ``Locked``."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import dlm
from dlm.documents.lockfile_json import write_lockfile
from dlm.errors import (
    IntegrityError,
    LocalError,
    LockfileError,
    OfflineError,
    RefusedError,
    ResolutionError,
    UsageError,
)
from dlm.model.digest import Digests
from dlm.model.lockfile import LockedArtifact, LockEntry, Lockfile
from tests.support.origin import Origin, Response, Static

BODY = b"sepal,petal\n"
SHA256 = hashlib.sha256(BODY).hexdigest()


@pytest.fixture(params=["curl", "requests"])
def origin(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Origin]:
    for name in list(os.environ):
        if name.startswith("DLM_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("DLM_NO_CONFIG", "1")
    monkeypatch.setenv("DLM_SYSTEM_CONFIG_FILE", str(tmp_path / "none.yaml"))
    monkeypatch.setenv("DLM_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("DLM_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("DLM_BACKEND", str(request.param))
    monkeypatch.setenv("DLM_RETRY_BACKOFF", "0")
    with Origin() as running:
        running.route("/iris.csv", Static(BODY))
        yield running


class TestFetch:
    def test_a_pinned_url_is_asked_for_once(self, origin: Origin) -> None:
        url = origin.url + "/iris.csv"
        path = dlm.fetch(url, sha256=SHA256)
        assert isinstance(path, Path)
        assert path.read_bytes() == BODY
        assert dlm.fetch(url, sha256=f"sha256:{SHA256}") == path
        assert dlm.fetch(url, sha256=SHA256, offline=True) == path
        assert len(origin.requests) == 1

    def test_without_a_pin_the_server_is_asked(self, origin: Origin) -> None:
        url = origin.url + "/iris.csv"
        assert dlm.fetch(url) == dlm.fetch(url)
        assert [request.get("if-none-match") for request in origin.requests] == [None, '"v1"']

    def test_other_bytes_are_an_error(self, origin: Origin) -> None:
        with pytest.raises(IntegrityError):
            dlm.fetch(origin.url + "/iris.csv", sha256="0" * 64)

    def test_what_is_not_there(self, origin: Origin) -> None:
        with pytest.raises(RefusedError):
            dlm.fetch(origin.url + "/none")
        with pytest.raises(OfflineError):
            dlm.fetch(origin.url + "/iris.csv", offline=True)

    def test_headers(self, origin: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DLM_AUTH_X", "key")
        dlm.fetch(origin.url + "/iris.csv", headers={"X-Key": "${DLM_AUTH_X}"})
        assert origin.requests[0].get("x-key") == "key"

    def test_settings(self, origin: Origin, tmp_path: Path) -> None:
        path = dlm.fetch(origin.url + "/iris.csv", settings={"cache_dir": str(tmp_path / "other")})
        assert path.is_relative_to(tmp_path / "other")

    @pytest.mark.parametrize("url", ["file:///etc/hostname", "iris.csv", ""])
    def test_what_is_no_url(self, origin: Origin, url: str) -> None:
        with pytest.raises(UsageError):
            dlm.fetch(url)

    def test_a_url_belongs_to_no_project(self, origin: Origin) -> None:
        with pytest.raises(UsageError):
            dlm.fetch(origin.url + "/iris.csv", frozen=True)
        with pytest.raises(UsageError):
            dlm.fetch(["iris"], sha256=SHA256)  # type: ignore[call-overload]
        with pytest.raises(UsageError):
            dlm.fetch(origin.url + "/iris.csv", sha256="12")

    def test_names_fetch_for_a_project(self, origin: Origin, tmp_path: Path) -> None:
        (tmp_path / "downloads.yaml").write_text(f"version: 1\nresources: [{origin.url}/iris.csv]\n")
        assert dlm.fetch(["iris.csv"], tmp_path).fetched == 1
        assert dlm.fetch((), tmp_path).present == 1

    def test_open(self, origin: Origin) -> None:
        with dlm.open(origin.url + "/iris.csv", sha256=SHA256) as file:
            assert file.read() == BODY


def lockfile(origin: Origin) -> bytes:
    def one(path: str, body: bytes, platform: str | None = None, name: str | None = None) -> LockedArtifact:
        filename = name or path.rsplit("/", 1)[-1]
        return LockedArtifact(
            filename=filename,
            url=origin.url + path,
            dest=filename,
            size=len(body),
            digests=Digests.sha256_of(body),
            platform=platform,
        )

    both = {"url": f"{origin.url}/{{os}}", "platforms": {"linux-x86_64": {"os": "a"}, "macos-arm64": {"os": "b"}}}
    entries = [
        LockEntry(name="iris", request={"url": f"{origin.url}/iris.csv"}, artifacts=(one("/iris.csv", BODY),)),
        LockEntry(
            name="mirrored",
            request={"url": f"{origin.url}/gone.csv", "mirrors": [f"{origin.url}/iris.csv"]},
            artifacts=(one("/gone.csv", BODY),),
        ),
        LockEntry(
            name="tool",
            request=both,
            artifacts=(one("/a", b"linux", "linux-x86_64"), one("/b", b"macos", "macos-arm64")),
        ),
        LockEntry(
            name="set",
            request={"base": f"{origin.url}/", "files": {"x": {}, "y": {}}},
            artifacts=(one("/x", b"x"), one("/y", b"y")),
        ),
    ]
    for path, body in (("/a", b"linux"), ("/b", b"macos"), ("/x", b"x"), ("/y", b"y")):
        origin.route(path, Static(body))
    return write_lockfile(Lockfile(entries={entry.name: entry for entry in entries}))


class TestLocked:
    def test_files_come_when_asked_for(self, origin: Origin, tmp_path: Path) -> None:
        file = tmp_path / "downloads.lock"
        file.write_bytes(lockfile(origin))
        before = file.read_bytes()
        locked = dlm.Locked(file)
        assert origin.requests == []
        assert sorted(locked) == ["iris", "mirrored", "set", "tool"]
        assert len(locked) == 4
        assert "iris" in locked
        path = locked.path("iris")
        assert path.read_bytes() == BODY
        assert dlm.Locked(str(file), offline=True).path("iris") == path
        with locked.open("iris") as opened:
            assert opened.read() == BODY
        assert len(origin.requests) == 1
        assert file.read_bytes() == before

    def test_bytes_and_mirrors_and_platforms(self, origin: Origin) -> None:
        locked = dlm.Locked(lockfile(origin))
        assert locked.path("mirrored").read_bytes() == BODY
        assert locked.path("tool", platform="macos-arm64").read_bytes() == b"macos"
        assert locked.path("tool", platform="linux-x86_64").read_bytes() == b"linux"
        assert locked.path("set", filename="y").read_bytes() == b"y"
        found = locked.paths(["iris", "mirrored"])
        assert [one.read_bytes() for one in found.values()] == [BODY, BODY]

    def test_what_it_does_not_have(self, origin: Origin) -> None:
        locked = dlm.Locked(lockfile(origin))
        with pytest.raises(ResolutionError, match="iris"):
            locked.path("iriss")
        with pytest.raises(ResolutionError, match="several"):
            locked.path("set")
        with pytest.raises(ResolutionError):
            locked.path("set", filename="z")
        with pytest.raises(ResolutionError):
            locked.path("tool", platform="windows-x86_64")

    def test_other_bytes_are_an_error(self, origin: Origin) -> None:
        data = lockfile(origin)
        origin.route("/iris.csv", Response(200, body=b"SEPAL,petal\n"))
        with pytest.raises(IntegrityError):
            dlm.Locked(data).path("iris")
        with pytest.raises(OfflineError):
            dlm.Locked(data, offline=True).path("iris")

    def test_the_size_counts_where_the_bytes_are_here_already(self, origin: Origin) -> None:
        data = lockfile(origin)
        dlm.Locked(data).path("iris")
        wrong = data.replace(b'"size": %d' % len(BODY), b'"size": %d' % (len(BODY) + 1))
        assert wrong != data
        with pytest.raises(IntegrityError, match="the bytes with this digest are"):
            dlm.Locked(wrong).path("iris")

    def test_what_is_no_lockfile(self, origin: Origin, tmp_path: Path) -> None:
        with pytest.raises(LocalError):
            dlm.Locked(tmp_path / "none.lock")
        with pytest.raises(LockfileError):
            dlm.Locked(b"{}")
