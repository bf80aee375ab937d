"""``DownloadManager`` over both backends and both layouts of its cache, against an origin on the loopback."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

from dlm.cli.clock import SystemClock
from dlm.descriptor import Descriptor
from dlm.errors import LocalError, NetworkError, RefusedError, SettingsError, UsageError
from dlm.manager import DownloadManager, cache_records
from dlm.model.events import Progress
from dlm.store.cachedir import Cachedir
from tests.support import processes
from tests.support.origin import Close, Handler, Hold, Origin, Raw, Request, Response, Static, redirect
from tests.support.proxy import Proxy
from tests.support.tls import authority, stranger

Make = Callable[..., DownloadManager]
BODY = bytes(range(256)) * 40
_FIELDS = {"key", "version", "status", "filename", "ext", "date", "last_read", "read_count", "attrs", "params", "path"}


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration and no proxy of whoever runs the tests."""
    for name in list(os.environ):
        if name.startswith("DLM_") or name.lower().endswith("_proxy") or name == "SSL_CERT_FILE":
            monkeypatch.delenv(name)
    monkeypatch.setenv("DLM_NO_CONFIG", "1")
    monkeypatch.setenv("DLM_SYSTEM_CONFIG_FILE", str(tmp_path / "none.yaml"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))


@pytest.fixture
def origin() -> Iterator[Origin]:
    with Origin() as running:
        running.route("/echo", echo)
        yield running


@pytest.fixture(params=["curl", "requests"])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["dlm", "cachedir"])
def layout(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def make(backend: str) -> Iterator[Make]:
    """Managers of one backend, closed at the end."""
    with contextlib.ExitStack() as stack:

        def made(**options: Any) -> DownloadManager:
            given = {"backend": backend, "retry_backoff": 0, **options}
            return stack.enter_context(DownloadManager(**given))

        yield made


@pytest.fixture
def cached(make: Make, tmp_path: Path, layout: str) -> DownloadManager:
    """A manager with a cache, in either layout."""
    return make(path=tmp_path / "cache", cache=layout)


def echo(request: Request) -> Response:
    """What came, as JSON."""
    told = {
        "method": request.method,
        "target": request.target,
        "headers": request.headers,
        "body": request.body.decode("latin-1"),
    }
    return Response(200, (("Content-Type", "application/json"),), json.dumps(told).encode())


def echoed(buffer: str | io.BytesIO) -> dict[str, Any]:
    assert isinstance(buffer, io.BytesIO)
    told: dict[str, Any] = json.loads(buffer.read())
    told["headers"] = {name.lower(): value for name, value in told["headers"]}
    return told


def content(found: str | io.BytesIO) -> bytes:
    return Path(found).read_bytes() if isinstance(found, str) else found.getvalue()


def as_given(**given: Any) -> dict[str, Any]:
    return given


def file_of(found: str | io.BytesIO) -> Path:
    assert isinstance(found, str)
    return Path(found)


class TestWhereItGoes:
    def test_a_path_is_a_file_fetched_anew(self, make: Make, origin: Origin, tmp_path: Path) -> None:
        url = origin.route("/a", Response(200, body=b"one"), Response(200, body=b"two"))
        manager = make(path=tmp_path / "cache")
        dest = tmp_path / "new" / "folder" / "a.txt"
        assert manager.download(url, dest=str(dest)) == str(dest)
        assert dest.read_bytes() == b"one"
        assert manager.download(url, dest=dest) == str(dest)
        assert dest.read_bytes() == b"two"
        assert len(origin.requests) == 2
        assert [one.name for one in dest.parent.iterdir()] == ["a.txt"]

    @pytest.mark.parametrize(
        "answer", [Response(404, body=b"no such page"), Response(500), Response(200, (), (b"ab", Close()), length=5)]
    )
    def test_a_failure_leaves_the_old_file(self, make: Make, origin: Origin, tmp_path: Path, answer: Response) -> None:
        dest = tmp_path / "a.txt"
        dest.write_bytes(b"good")
        with pytest.raises(NetworkError):
            make(retries=2).download(origin.route("/a", answer), dest=dest)
        assert dest.read_bytes() == b"good"
        assert [one.name for one in tmp_path.iterdir() if one.is_file()] == ["a.txt"]

    def test_a_failure_makes_no_file(self, make: Make, origin: Origin, tmp_path: Path) -> None:
        with pytest.raises(RefusedError) as raised:
            make().download(origin.url + "/none", dest=tmp_path / "a.txt")
        assert raised.value.status == 404
        assert list(tmp_path.iterdir()) == []

    def test_a_folder_is_no_dest(self, make: Make, origin: Origin, tmp_path: Path) -> None:
        with pytest.raises(LocalError):
            make().download(origin.url + "/echo", dest=tmp_path)
        assert origin.requests == []

    def test_without_a_cache_it_goes_to_memory(self, make: Make, origin: Origin) -> None:
        manager = make()
        url = origin.route("/a", Response(200, body=BODY))
        for dest in (None, True, False):
            found = manager.download(url, dest=dest)
            assert isinstance(found, io.BytesIO)
            assert found.tell() == 0
            assert found.read() == BODY
        assert manager.cache_dir is None
        assert manager.records() == []

    def test_false_is_memory_even_with_a_cache(self, cached: DownloadManager, origin: Origin) -> None:
        url = origin.route("/a", Response(200, body=BODY))
        assert cached.download(url, dest=False).read() == BODY
        assert cached.records() == []

    def test_an_error_is_no_data(self, make: Make, origin: Origin) -> None:
        with pytest.raises(RefusedError):
            make().download(origin.route("/a", Response(404, body=b"sorry")), dest=False)

    def test_a_short_body_is_an_error(self, cached: DownloadManager, origin: Origin) -> None:
        url = origin.route("/a", Response(200, (), (b"ab", Close()), length=5))
        with pytest.raises(NetworkError):
            cached.download(url, retries=1)
        assert [one["status"] for one in cached.records()] == [2]

    def test_what_a_short_body_lacks_is_fetched(self, make: Make, origin: Origin) -> None:
        url = origin.route("/a", Response(200, (), (BODY[:100], Close()), length=len(BODY)), Static(BODY))
        assert make(retries=3).download(url, dest=False).read() == BODY

    def test_an_empty_answer_is_a_file(self, cached: DownloadManager, origin: Origin) -> None:
        url = origin.route("/a", Response(200))
        path = file_of(cached.download(url))
        assert path.read_bytes() == b""
        assert cached.download(url) == str(path)
        assert len(origin.requests) == 1
        assert cached.records()[0]["attrs"]["size"] == 0

    @pytest.mark.parametrize("status", [201, 203])
    def test_other_whole_answers_are_files(self, make: Make, origin: Origin, status: int) -> None:
        found = make().get(origin.route("/a", Response(status, body=b"x")), dest=False)
        assert (found.http_code, found.size) == (status, 1)

    def test_files_of_this_machine_are_none_of_the_nets(self, make: Make) -> None:
        with pytest.raises(UsageError, match="only http and https"):
            make().download("file:///etc/hostname", dest=False)

    def test_a_redirect_to_a_file_is_refused(self, make: Make, origin: Origin) -> None:
        with pytest.raises(NetworkError):
            make().download(origin.route("/a", redirect("file:///etc/hostname")), dest=False)


class TestCache:
    def test_it_is_asked_for_once(self, cached: DownloadManager, origin: Origin) -> None:
        url = origin.route("/a/iris.csv", Static(BODY))
        path = file_of(cached.download(url))
        assert path.is_file()
        assert path.suffix == ".csv"
        assert path.read_bytes() == BODY
        assert cached.download(url, dest=True) == str(path)
        assert len(origin.requests) == 1

    def test_another_manager_finds_it(self, make: Make, origin: Origin, tmp_path: Path, layout: str) -> None:
        url = origin.route("/a", Static(BODY))
        first = make(path=tmp_path / "c", cache=layout).download(url)
        assert make(path=tmp_path / "c", cache=layout).download(url) == first
        assert len(origin.requests) == 1

    def test_other_parameters_are_another_download(self, cached: DownloadManager, origin: Origin) -> None:
        url = origin.url + "/echo"
        asked: list[dict[str, Any]] = [
            {},
            {"query": {"a": "1"}},
            {"query": {"a": "1,b=2"}},
            {"query": {"a": "1", "b": "2"}},
            {"query": {"a": ["1", "2"]}},
            {"query": {"a": ["2", "1"]}},
            {"query": {"a": "1"}, "post": True},
            {"query": {"a": "1"}, "json": True},
            {"query": {"a": 1}, "json": True},
            {"query": {"a": None}, "json": True},
            {"multipart": {"a": "1"}},
            {"multipart": {"a": b"1"}},
            {"multipart": {"a": b"2"}},
            {"headers": {"Accept": "text/html"}},
            {"headers": {"X-Key": "one"}},
            {"headers": {"X-Key": "two"}},
        ]
        paths = [cached.download(url, **one) for one in asked]
        assert len(set(paths)) == len(paths) == len(origin.requests)
        assert [cached.download(url, **one) for one in asked] == paths
        assert len(origin.requests) == len(paths)

    def test_a_changed_file_is_noticed(self, cached: DownloadManager, origin: Origin) -> None:
        url = origin.route("/a", Static(BODY))
        path = file_of(cached.download(url))
        path.chmod(0o644)
        with path.open("ab") as file:
            file.write(b"more")
        assert content(cached.download(url)) == BODY

    def test_a_lost_file_is_got_again(self, cached: DownloadManager, origin: Origin) -> None:
        url = origin.route("/a", Static(BODY))
        file_of(cached.download(url)).unlink()
        assert content(cached.download(url)) == BODY

    def test_a_file_that_was_touched_is_the_same(self, cached: DownloadManager, origin: Origin) -> None:
        url = origin.route("/a", Static(BODY))
        path = file_of(cached.download(url))
        os.utime(path, (1, 1))
        assert cached.download(url) == str(path)
        assert len(origin.requests) == 1

    def test_force_download(self, cached: DownloadManager, origin: Origin) -> None:
        url = origin.route("/a", Static(b"one"), Static(b"one"), Static(b"two"), Response(500))
        first = cached.download(url)
        assert cached.download(url, force_download=True) == first
        assert len(cached.records()) == 1
        second = cached.download(url, force_download=True)
        assert second != first
        assert content(first) == b"one"
        assert content(second) == b"two"
        with pytest.raises(NetworkError):
            cached.download(url, force_download=True, retries=1)
        assert cached.download(url) == second
        assert content(second) == b"two"
        assert [request.get("if-none-match") for request in origin.requests] == [None] * 4

    def test_a_server_that_names_a_file_does_not_move_it(self, cached: DownloadManager, origin: Origin) -> None:
        named = (("Content-Disposition", 'attachment; filename="../../evil.sh"'),)
        url = origin.route("/a/data.csv", Response(200, named, b"x"))
        found = cached.get(url)
        assert found.filename == "evil.sh"
        assert Path(str(found.path)).suffix == ".csv"
        assert found.ext == "csv"
        assert cached.download(url) == found.path
        record = cached.records()[0]
        assert (record["ext"], record["filename"]) == ("csv", "evil.sh")
        assert len(origin.requests) == 1

    @pytest.mark.parametrize(
        ("header", "name"),
        [
            ("attachment; filename=x.json", "x.json"),
            ('attachment; filename="a;b.json"', "a;b.json"),
            ('attachment; filename="a=b.json"', "a=b.json"),
            ("attachment; filename=\"plain.txt\"; filename*=UTF-8''na%C3%AFve.txt", "naïve.txt"),
            ("inline", "data.csv"),
        ],
    )
    def test_names_by_rfc_6266(self, make: Make, origin: Origin, header: str, name: str) -> None:
        url = origin.route("/data.csv", Response(200, (("Content-Disposition", header),), b"x"))
        assert make().get(url, dest=False).filename == name

    def test_folders(self, make: Make, tmp_path: Path) -> None:
        assert make(path=tmp_path / "a.b").cache_dir == str(tmp_path / "a.b")
        assert make(pkg="my-program").cache_dir == str(tmp_path / "caches" / "my-program")
        assert make(path=tmp_path / "x", pkg="y").cache_dir == str(tmp_path / "x")

    def test_a_folder_with_a_dot_is_a_folder(self, make: Make, origin: Origin, tmp_path: Path) -> None:
        path = file_of(make(path=tmp_path / "a.b").download(origin.route("/x", Static(BODY))))
        assert path.is_relative_to(tmp_path / "a.b")

    def test_one_blob_for_two_addresses(self, cached: DownloadManager, origin: Origin) -> None:
        first = cached.download(origin.route("/a", Static(BODY)))
        second = cached.download(origin.route("/b", Static(BODY)))
        assert first != second
        assert content(first) == content(second) == BODY


def test_what_the_predecessor_kept_is_used(make: Make, origin: Origin, tmp_path: Path) -> None:
    url = origin.url + "/table"
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "arriving").write_bytes(BODY)
    there = Cachedir(str(tmp_path / "c"), SystemClock())
    params = {"dl_params": {"query": {"q": "x"}, "headers": ["Accept: text/csv"]}}
    noted: dict[str, str | int] = {"etag": '"v1"', "http_code": 200}
    digest = hashlib.sha256(BODY).hexdigest()
    entry = there.publish(str(tmp_path / "c" / "arriving"), url, params, noted, sha256=digest)
    manager = make(path=tmp_path / "c", cache="cachedir")
    given = as_given(query={"q": "x"}, headers={"Accept": "text/csv"})
    assert manager.download(url, **given) == entry.path
    assert origin.requests == []
    origin.route("/table", Static(BODY))
    assert manager.download(url, check_freshness=True, **given) == entry.path
    assert origin.requests[0].get("if-none-match") == '"v1"'


class TestVersions:
    def test_bounds(self, cached: DownloadManager, origin: Origin) -> None:
        url = origin.route("/a", Static(b"one", '"1"'), Static(b"two", '"2"'))
        now = datetime.now().astimezone()
        first = cached.download(url)
        assert cached.download(url, newer_than=now - timedelta(days=1)) == first
        assert cached.download(url, newer_than=str(now - timedelta(days=1))) == first
        assert cached.download(url, older_than=now + timedelta(days=1)) == first
        assert len(origin.requests) == 1
        second = cached.download(url, newer_than=now + timedelta(days=1))
        assert content(second) == b"two"
        assert len(origin.requests) == 2
        # Nothing can be newer; what the server confirms is no new version.
        assert cached.download(url, newer_than=(now + timedelta(days=1)).isoformat()) == second
        assert len([one for one in cached.records() if one["status"] == 3]) == 2

    def test_an_older_version_is_chosen(self, make: Make, origin: Origin, tmp_path: Path) -> None:
        manager = make(path=tmp_path / "c")
        url = origin.route("/a", Static(b"one", '"1"'), Static(b"two", '"2"'))
        first = manager.download(url)
        second = manager.download(url, check_freshness=True)
        [new, old] = manager.records()
        assert (new["version"], old["version"]) == (2, 1)
        assert manager.download(url, older_than=new["date"]) == first
        assert manager.download(url, newer_than=old["date"]) == second
        assert len(origin.requests) == 2

    def test_a_date_that_is_none(self, cached: DownloadManager) -> None:
        with pytest.raises(UsageError):
            cached.download("http://127.0.0.1:1/", newer_than="yesterday")

    def test_keep_old(self, cached: DownloadManager, origin: Origin) -> None:
        url = origin.route("/a", *(Static(str(number).encode(), f'"{number}"') for number in range(3)))
        first = file_of(cached.download(url))
        second = file_of(cached.download(url, check_freshness=True))
        assert [one["path"] for one in cached.records()] == [str(second), str(first)]
        third = file_of(cached.download(url, check_freshness=True, keep_old=False))
        assert third.read_bytes() == b"2"
        assert not first.exists()
        assert not second.exists()
        assert [one["path"] for one in cached.records() if one["status"] == 3] == [str(third)]


class TestFreshness:
    def test_a_conditional_request(self, cached: DownloadManager, origin: Origin) -> None:
        url = origin.route("/a", Static(BODY, '"1"', "Sat, 21 Nov 2020 12:00:00 GMT"))
        first = cached.download(url, headers={"X-Key": "k"})
        assert cached.download(url, headers={"X-Key": "k"}, check_freshness=True) == first
        asked = origin.requests[-1]
        assert asked.method == "GET"
        assert asked.get("if-none-match") == '"1"'
        assert asked.get("x-key") == "k"

    @pytest.mark.parametrize(
        ("method", "tag", "since"),
        [("etag", '"1"', None), ("modified", None, "Sat, 21 Nov 2020 12:00:00 GMT")],
    )
    def test_by_one_validator(  # noqa: PLR0917
        self, make: Make, origin: Origin, tmp_path: Path, method: str, tag: str | None, since: str | None
    ) -> None:
        manager = make(path=tmp_path / "c")
        url = origin.route("/a", Static(BODY, '"1"', "Sat, 21 Nov 2020 12:00:00 GMT"))
        first = manager.get(url)
        again = manager.get(url, check_freshness=True, check_method=method)  # type: ignore[arg-type]
        assert again.dest == first.dest
        assert again.from_cache
        asked = origin.requests[-1]
        assert (asked.get("if-none-match"), asked.get("if-modified-since")) == (tag, since)

    @pytest.mark.parametrize("method", ["auto", "etag", "modified", "size", "hash"])
    def test_what_changed_comes(self, cached: DownloadManager, origin: Origin, method: Any) -> None:
        url = origin.route(
            "/a",
            Static(b"one", '"1"', "Sat, 21 Nov 2020 12:00:00 GMT"),
            *[Static(b"three", '"2"', "Sun, 22 Nov 2020 12:00:00 GMT")] * 3,
        )
        first = cached.download(url)
        second = cached.download(url, check_freshness=True, check_method=method)
        assert (content(first), content(second)) == (b"one", b"three")

    @pytest.mark.parametrize("method", ["auto", "etag", "modified", "size", "hash"])
    def test_what_is_the_same_is_no_new_version(self, cached: DownloadManager, origin: Origin, method: Any) -> None:
        url = origin.route("/a", Static(BODY, None))
        first = cached.download(url)
        assert cached.download(url, check_freshness=True, check_method=method) == first
        assert len(cached.records()) == 1

    def test_a_failing_check_is_an_error(self, cached: DownloadManager, origin: Origin) -> None:
        url = origin.route("/a", Static(BODY), Response(500, body=b"a page"))
        first = cached.download(url)
        for method in ("auto", "size", "hash"):
            with pytest.raises(NetworkError):
                cached.download(url, check_freshness=True, check_method=method, retries=1)
        assert cached.download(url) == first
        assert content(first) == BODY

    def test_a_post_is_made_again(self, cached: DownloadManager, origin: Origin) -> None:
        url = origin.route("/a", Static(BODY))
        first = cached.download(url, query={"a": 1}, post=True)
        assert cached.download(url, query={"a": 1}, post=True, check_freshness=True) == first
        assert [request.get("if-none-match") for request in origin.requests] == [None, None]

    def test_a_method_that_is_none(self, cached: DownloadManager) -> None:
        with pytest.raises(SettingsError, match="etag"):
            cached.download("http://127.0.0.1:1/", check_freshness=True, check_method="etags")  # type: ignore[call-overload]


class TestRequests:
    def test_a_query(self, make: Make, origin: Origin) -> None:
        fields = {"ä": "ö & ü", "n": 1, "list": ["1", "2"], "yes": True}
        told = echoed(make().download(origin.url + "/echo", dest=False, query=fields))
        asked = parse_qsl(told["target"].partition("?")[2])
        assert asked == [("ä", "ö & ü"), ("n", "1"), ("list", "1"), ("list", "2"), ("yes", "true")]
        assert told["method"] == "GET"

    def test_a_query_beside_another(self, make: Make, origin: Origin) -> None:
        told = echoed(make().download(origin.url + "/echo?a=1", dest=False, query={"b": "2"}))
        assert told["target"] == "/echo?a=1&b=2"

    def test_what_looks_like_a_reference_is_none(self, make: Make, origin: Origin) -> None:
        given = {"a": "${HOME}"}
        told = echoed(make().download(origin.url + "/echo", dest=False, query=given, json=True))
        assert json.loads(told["body"]) == given
        told = echoed(make().download(origin.url + "/echo", dest=False, query=given))
        assert parse_qsl(told["target"].partition("?")[2]) == [("a", "${HOME}")]

    def test_a_form(self, make: Make, origin: Origin) -> None:
        told = echoed(make().download(origin.url + "/echo", dest=False, query={"a": "ö", "b": [1, 2]}, post=True))
        assert told["method"] == "POST"
        assert parse_qsl(told["body"]) == [("a", "ö"), ("b", "1"), ("b", "2")]
        assert told["headers"]["content-type"] == "application/x-www-form-urlencoded"

    def test_a_form_without_fields(self, make: Make, origin: Origin) -> None:
        told = echoed(make().download(origin.url + "/echo", dest=False, post=True))
        assert (told["method"], told["body"]) == ("POST", "")

    def test_json(self, make: Make, origin: Origin) -> None:
        given: Any = {"a": [1, None, True], "b": {"c": "ö"}}
        told = echoed(make().download(origin.url + "/echo", dest=False, query=given, json=True))
        assert told["method"] == "POST"
        assert json.loads(told["body"].encode("latin-1")) == given
        assert told["headers"]["content-type"] == "application/json"

    def test_a_content_type_of_the_callers_own(self, make: Make, origin: Origin) -> None:
        kind = {"content-type": "application/vnd.api+json"}
        buffer = make().download(origin.url + "/echo", dest=False, query={"a": 1}, json=True, headers=kind)
        sent = [value for name, value in json.loads(buffer.read())["headers"] if name.lower() == "content-type"]
        assert sent == ["application/vnd.api+json"]

    def test_multipart(self, make: Make, origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        file = tmp_path / "up.txt"
        file.write_bytes(b"from a file")
        with file.open("rb") as opened:
            parts = {"one": file, "two": str(file), "three": b"bytes", "four": opened, "text": "up.txt", "n": 3}
            told = echoed(make().download(origin.url + "/echo", dest=False, multipart=parts))
        assert told["method"] == "POST"
        assert told["headers"]["content-type"].startswith("multipart/form-data; boundary=")
        assert told["body"].count("from a file") == 3
        assert told["body"].count('filename="up.txt"') == 3
        assert '\r\nContent-Disposition: form-data; name="text"\r\n\r\nup.txt\r\n' in told["body"]
        assert 'name="three"; filename="three"' in told["body"]

    def test_headers(self, make: Make, origin: Origin) -> None:
        manager = make()
        told = echoed(manager.download(origin.url + "/echo", dest=False, headers={"X-A": "1", "X-N": 7, "X-L": "é"}))
        assert (told["headers"]["x-a"], told["headers"]["x-n"], told["headers"]["x-l"]) == ("1", "7", "é")
        told = echoed(manager.download(origin.url + "/echo", dest=False, headers=["X-A: 1", "X-A: 2", "X-B:3"]))
        assert (told["headers"]["x-a"], told["headers"]["x-b"]) == ("1, 2", "3")

    @pytest.mark.parametrize("headers", [{"X": "a\r\nY: b"}, {"Host": "x"}, ["no colon"], {"X": "☃"}])
    def test_headers_that_cannot_be_sent(self, make: Make, origin: Origin, headers: Any) -> None:
        with pytest.raises(UsageError):
            make().download(origin.url + "/echo", dest=False, headers=headers)
        assert origin.requests == []

    def test_what_is_sent_unasked(self, make: Make, origin: Origin, tmp_path: Path, monkeypatch: Any) -> None:
        (tmp_path / ".netrc").write_text("machine 127.0.0.1 login someone password secret\n")
        monkeypatch.setenv("HOME", str(tmp_path))
        told = echoed(make().download(origin.url + "/echo", dest=False))
        assert set(told["headers"]) <= {"host", "accept", "accept-encoding", "user-agent", "connection"}
        assert told["headers"]["user-agent"].startswith("dlm/")
        assert told["headers"]["accept-encoding"] == "identity"

    def test_user_info(self, make: Make, origin: Origin) -> None:
        address = origin.url.replace("http://", "http://me:pass@") + "/echo"
        told = echoed(make().download(address, dest=False))
        assert told["headers"]["authorization"] == "Basic bWU6cGFzcw=="

    def test_a_netrc_that_is_named(self, make: Make, origin: Origin, tmp_path: Path) -> None:
        (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password pass\n")
        manager = make(netrc=tmp_path / "netrc")
        told = echoed(manager.download(origin.url + "/echo", dest=False))
        assert told["headers"]["authorization"] == "Basic bWU6cGFzcw=="
        own = {"Authorization": "Bearer own"}
        told = echoed(manager.download(origin.url + "/echo", dest=False, headers=own))
        assert told["headers"]["authorization"] == "Bearer own"

    def test_redirects(self, cached: DownloadManager, origin: Origin) -> None:
        origin.route("/end", Response(200, (("ETag", '"end"'),), b"x"))
        found = cached.get(origin.route("/a", redirect("/end", 302, ("ETag", '"hop"'), ("X-Hop", "1"))))
        assert found.resp_headers["Etag"] == '"end"'
        assert found.http_code == 200
        assert "X-Hop" not in found.resp_headers
        assert found.record is not None
        assert found.record["attrs"]["etag"] == '"end"'

    def test_a_proxy(self, make: Make, origin: Origin) -> None:
        with Proxy() as proxy:
            assert make(proxy=proxy.url).download(origin.url + "/echo", dest=False).read()
            assert len(proxy.heads) == 1

    def test_a_proxy_of_the_environment(self, make: Make, origin: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
        with Proxy() as proxy:
            monkeypatch.setenv("http_proxy", proxy.url)
            assert make().download(origin.url + "/echo", dest=False).read()
            assert len(proxy.heads) == 1


class TestTls:
    def test_cainfo(self, make: Make) -> None:
        with Origin.secure() as origin:
            url = origin.route("/a", Response(200, body=b"x"))
            assert make(cainfo=authority().ca_file).download(url, dest=False).read() == b"x"
            assert make().download(url, dest=False, cainfo=Path(authority().ca_file)).read() == b"x"
            manager = make()
            for trusted in (None, stranger().ca_file):
                with pytest.raises(NetworkError, match="no trusted TLS"):
                    manager.download(url, dest=False, cainfo=trusted, retries=1)

    @pytest.mark.parametrize("name", ["ssl_verifypeer", "ssl_verifyhost"])
    def test_verification_stays(self, make: Make, name: str) -> None:
        with pytest.raises(SettingsError) as raised:
            make().download("https://127.0.0.1:1/", dest=False, **as_given(**{name: False}))
        assert "cainfo" in str(raised.value.hint)
        with pytest.raises(SettingsError):
            make(**{name: 0})
        assert make(**{name: True}).config[name] is True

    @pytest.mark.parametrize("name", ["tcp_keepalive", "http_version", "ignore_content_length"])
    def test_what_only_one_library_knows(self, make: Make, name: str) -> None:
        with pytest.raises(SettingsError, match="one HTTP library"):
            make().download("https://127.0.0.1:1/", dest=False, **as_given(**{name: 1}))


class TestTries:
    @pytest.mark.parametrize("dest", [None, False, "file"])
    def test_retries_are_attempts_in_all(
        self, cached: DownloadManager, origin: Origin, tmp_path: Path, dest: Any
    ) -> None:
        dest = tmp_path / "f" if dest == "file" else dest
        url = origin.route("/a", Response(503), Response(503), Response(200, body=b"x"))
        with pytest.raises(NetworkError) as raised:
            cached.download(url, dest=dest, retries=2)
        assert raised.value.status == 503
        assert len(origin.requests) == 2
        assert content(cached.download(url, dest=dest, retries=3)) == b"x"

    def test_broken_connections_are_tried_again(self, make: Make, origin: Origin) -> None:
        url = origin.route("/a", Raw([Close()]), Response(200, body=b"x"))
        assert make(retries=2).download(url, dest=False).read() == b"x"

    def test_what_is_not_there_is_asked_for_once(self, make: Make, origin: Origin) -> None:
        with pytest.raises(RefusedError):
            make(retries=5).download(origin.url + "/none", dest=False)
        assert len(origin.requests) == 1

    def test_a_server_that_says_nothing_is_given_up(self, make: Make, origin: Origin) -> None:
        url = origin.route("/a", Response(200, body=b"x", before=(Hold(origin.gate()),)))
        with pytest.raises(NetworkError):
            make(timeout=0.2, connecttimeout=0.2).download(url, dest=False, retries=1)

    def test_timeouts_have_defaults(self, make: Make) -> None:
        settings = make()._settings
        assert (settings.connect_timeout, settings.stall_timeout) == (10.0, 30.0)
        chosen = make(config={"timeout": 7, "connecttimeout": 3})._settings
        assert (chosen.connect_timeout, chosen.stall_timeout) == (3.0, 7.0)

    def test_no_server(self, make: Make, origin: Origin) -> None:
        with Origin() as gone:
            url = gone.url
        with pytest.raises(NetworkError):
            make(retries=1).download(url + "/a", dest=False)


class TestRecords:
    def test_all_that_is_known(self, make: Make, origin: Origin, tmp_path: Path, layout: str) -> None:
        manager = make(path=tmp_path / "c", cache=layout)
        headers = (("ETag", '"e"'), ("Last-Modified", "Sat, 21 Nov 2020 12:00:00 GMT"), ("Set-Cookie", "id=1"))
        url = origin.route("/a/x.tar.gz", Response(200, headers, BODY))
        path = manager.download(url, query={"q": "two  blanks"})
        manager.download(url, query={"q": "two  blanks"})
        [record] = cache_records(tmp_path / "c")
        assert set(record) >= _FIELDS
        assert record["path"] == path
        assert (record["version"], record["status"], record["read_count"]) == (1, 3, 2)
        assert (record["filename"], record["ext"]) == ("x.tar.gz", "gz")
        assert record["uri"] == url
        assert datetime.fromisoformat(record["date"]).tzinfo is not None
        assert datetime.fromisoformat(record["last_read"]) >= datetime.fromisoformat(record["date"])
        attrs = record["attrs"]
        assert attrs["url"] == url + "?q=two%20%20blanks"
        assert (attrs["http_code"], attrs["size"], attrs["download_method"]) == (200, len(BODY), "GET")
        assert attrs["sha256"] == hashlib.sha256(BODY).hexdigest()
        assert (attrs["etag"], attrs["last_modified"]) == ('"e"', "Sat, 21 Nov 2020 12:00:00 GMT")
        assert attrs["resp_headers"]["Content-Length"] == str(len(BODY))
        assert "Set-Cookie" not in attrs["resp_headers"]
        assert attrs["query_params"] == {"q": "two  blanks"}
        assert record["params"]["query"] == {"q": "two  blanks"}
        begun, ended = (datetime.fromisoformat(attrs[f"download_{name}"]) for name in ("started", "finished"))
        assert begun <= ended
        assert begun.tzinfo is not None

    def test_of_one_address(self, cached: DownloadManager, origin: Origin) -> None:
        first, second = origin.route("/a", Static(b"a")), origin.route("/b?x=1", Static(b"b"))
        origin.route("/b", Static(b"b"))
        cached.download(first)
        cached.download(second)
        assert [one["uri"] for one in cached.records(first)] == [first]
        assert [one["uri"] for one in cached.records(second)] == [second]
        assert cached.records(origin.url + "/c") == []

    def test_a_failure_has_one(self, cached: DownloadManager, origin: Origin) -> None:
        url = origin.route("/a", Response(404), Response(200, body=b"x"))
        with pytest.raises(RefusedError):
            cached.download(url)
        [record] = cached.records()
        assert (record["status"], record["path"], record["attrs"]["http_code"]) == (2, None, 404)
        assert content(cached.download(url)) == b"x"
        assert cached.records()[0]["status"] == 3

    def test_nothing_secret_is_written(self, make: Make, origin: Origin, tmp_path: Path, layout: str) -> None:
        manager = make(path=tmp_path / "c", cache=layout)
        address = origin.url.replace("http://", "http://user:hunter2@") + "/echo"
        url = origin.url + "/file?token=hunter3"
        origin.route("/file", Static(b"x"))
        manager.download(address, headers={"X-Key": "hunter4", "Accept": "text/plain"})
        manager.download(url, query={"password": "hunter5", "n": 1})
        manager.download(origin.route("/p", Static(b"x")), query={"login": "hunter6"}, post=True)
        manager.download(origin.route("/m", Static(b"x")), multipart={"login": "hunter7", "b": b"hunter8"})
        with pytest.raises(RefusedError):
            manager.download(origin.url + "/none?sig=hunter9", headers={"Authorization": "Bearer hunter10"})
        for file in (tmp_path / "c").rglob("*"):
            if file.is_file():
                data = file.read_bytes()
                assert b"hunter" not in data or data.startswith(b'{"method"'), file
        assert "Accept: text/plain" in str(cache_records(tmp_path / "c"))

    def test_a_descriptor_of_a_record(self, cached: DownloadManager, origin: Origin) -> None:
        first = cached.download(origin.url + "/echo", query={"a": "1"}, headers={"Accept": "text/plain"})
        [record] = cached.records()
        desc = Descriptor.from_record(record)
        assert cached.download(desc) == first
        assert len(origin.requests) == 1

    def test_a_record_that_is_damaged_counts_for_nothing(self, make: Make, origin: Origin, tmp_path: Path) -> None:
        manager = make(path=tmp_path / "c")
        url = origin.route("/a", Static(BODY))
        manager.download(url)
        [file] = (tmp_path / "c" / "downloads").rglob("*.json")
        for junk in (b"", b"{", b"[]", b'{"format": 1}', b'{"format": 2}', b"\xff"):
            file.write_bytes(junk)
            assert manager.records() == []
            assert content(manager.download(url)) == BODY
            for one in (tmp_path / "c" / "downloads").rglob("*.json"):
                if one != file:
                    one.unlink()

    def test_no_cache_no_records(self, tmp_path: Path) -> None:
        assert cache_records(tmp_path) == []


class TestTogether:
    def test_threads_share_a_manager(self, cached: DownloadManager, origin: Origin) -> None:
        shared = origin.route("/shared", Static(BODY))
        urls = [origin.route(f"/{number}", Static(str(number).encode() * 99)) for number in range(8)]
        with ThreadPoolExecutor(8) as pool:
            same = list(pool.map(lambda _: content(cached.download(shared)), range(16)))
            own = list(pool.map(lambda url: content(cached.download(url)), urls))
        assert set(same) == {BODY}
        assert own == [str(number).encode() * 99 for number in range(8)]
        assert len(origin.of("/shared")) == 1

    def test_processes_share_a_cache(self, origin: Origin, tmp_path: Path, backend: str, layout: str) -> None:
        gate = origin.gate()
        url = origin.route("/a", Response(200, (), (BODY[:99], Hold(gate), BODY[99:]), length=len(BODY)))
        with contextlib.ExitStack() as stack:
            running = [
                stack.enter_context(processes.start(_CHILD, str(tmp_path / "c"), url, backend, layout))
                for _ in range(3)
            ]
            origin.wait_for(1)
            gate.set()
            assert [one.end().split()[-1] for one in running] == [hashlib.sha256(BODY).hexdigest()] * 3
        assert len(origin.requests) == 1

    def test_a_killed_download_leaves_nothing(
        self, make: Make, origin: Origin, tmp_path: Path, backend: str, layout: str
    ) -> None:
        held = Response(200, (), (BODY[:99], Hold(origin.gate())), length=len(BODY))
        url = origin.route("/a", held, Static(BODY))
        with processes.start(_CHILD, str(tmp_path / "c"), url, backend, layout) as child:
            origin.wait_for(1)
            child.kill()
        assert cache_records(tmp_path / "c") == []
        assert content(make(path=tmp_path / "c", cache=layout).download(url)) == BODY

    def test_progress_is_told(self, make: Make, origin: Origin) -> None:
        told: list[Progress] = []
        url = origin.route("/a/iris.csv", Static(BODY))
        make(progress=told.append).download(url, dest=False)
        assert told[-1] == Progress("iris.csv", "iris.csv", len(BODY), len(BODY))

    @pytest.mark.parametrize("progress", [True, False])
    def test_nothing_is_printed(
        self, make: Make, origin: Origin, capfd: pytest.CaptureFixture[str], progress: bool
    ) -> None:
        make(progress=progress).download(origin.url + "/echo", dest=False)
        assert capfd.readouterr() == ("", "")

    def test_two_values_of_a_header_at_once(self, cached: DownloadManager, origin: Origin) -> None:
        arrived = threading.Barrier(2, timeout=30)

        def each(request: Request) -> Response:
            arrived.wait()
            return Response(200, body=(request.get("x-user") or "").encode())

        handler: Handler = each
        url = origin.route("/a", handler)
        with ThreadPoolExecutor(2) as pool:
            found = list(pool.map(lambda user: content(cached.download(url, headers={"X-User": user})), ["a", "b"]))
        assert found == [b"a", b"b"]


_CHILD = """
import hashlib, sys
from pathlib import Path
from dlm import DownloadManager
path, url, backend, layout = sys.argv[1:]
with DownloadManager(path=path, backend=backend, cache=layout) as manager:
    print(hashlib.sha256(Path(manager.download(url)).read_bytes()).hexdigest())
"""


def test_the_result_tells_all(make: Make, origin: Origin, tmp_path: Path) -> None:
    url = origin.route("/x.csv", Static(BODY))
    manager = make(path=tmp_path / "c")
    found = manager.get(url)
    assert found.ok
    assert found.success
    assert (found.http_code, found.size, found.filename, found.ext) == (200, len(BODY), "x.csv", "csv")
    assert found.sha256 == found.checksum() == hashlib.sha256(BODY).hexdigest()
    assert found.checksum("md5") == hashlib.md5(BODY).hexdigest()
    assert found.path_exists
    assert not found.is_empty
    assert not found.to_buffer
    assert found.path == found.dest
    assert found.resp_headers["Etag"] == '"v1"'
    with found.open() as file:
        assert file.read() == BODY
    assert not found.from_cache
    assert manager.get(url).from_cache
    memory = manager.get(url, dest=False)
    assert memory.to_buffer
    assert memory.path is None
    with memory.open() as file:
        assert file.read() == BODY
    with pytest.raises(UsageError):
        found.checksum("crc")
