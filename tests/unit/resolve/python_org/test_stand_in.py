"""The stand-in for python.org answers as the server does, and by itself over a socket."""

from __future__ import annotations

import http.client
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.python_org.records import records
from tests.support.python_org.serve import SiteServer
from tests.support.python_org.site import PythonOrgSite

TARBALL = "/ftp/python/3.13.15/Python-3.13.15.tar.xz"


def test_every_recorded_file_has_bytes_of_its_own() -> None:
    site = PythonOrgSite()
    paths = site.paths()
    assert len(paths) == sum(not record.is_directory for record in records()) == 8318
    bodies = [site.body(path) for path in paths]
    assert len(set(bodies)) == len(bodies)
    assert all(1024 <= len(body) < 41 * 1024 for body in bodies)


def test_a_file() -> None:
    answer = PythonOrgSite().respond(TARBALL)
    assert answer.status == 200
    assert answer.headers["Content-Length"] == str(len(answer.body))
    assert answer.headers["ETag"].endswith(f'-{len(answer.body):x}"')
    assert answer.headers["Last-Modified"].endswith(":00 GMT")
    assert not answer.chunked


def test_a_listing_carries_no_validators() -> None:
    answer = PythonOrgSite().respond("/ftp/python/3.13.15/")
    assert set(answer.headers) == {"Server", "Content-Type"}
    assert answer.chunked
    assert b'<a href="Python-3.13.15.tar.xz">' in answer.body


def test_redirects_and_gaps() -> None:
    site = PythonOrgSite()
    for path in ("/ftp/python", "/ftp/python/3.13.15"):
        answer = site.respond(path)
        assert (answer.status, answer.headers["Location"]) == (301, f"{path}/")
    for path in ("/", "/ftp/python/9.9.9/", f"{TARBALL}/", "/ftp/python/3.13.15/x"):
        assert site.respond(path).status == 404


def test_conditions_and_ranges() -> None:
    site = PythonOrgSite()
    whole = site.respond(TARBALL)
    etag, date = whole.headers["ETag"], whole.headers["Last-Modified"]
    assert site.respond(TARBALL, {"If-None-Match": f'"x", {etag}'}).status == 304
    assert site.respond(TARBALL, {"If-None-Match": '"x"', "If-Modified-Since": date}).status == 200
    assert site.respond(TARBALL, {"If-Modified-Since": date}).status == 304
    part = site.respond(TARBALL, {"Range": "bytes=100-199", "If-Range": etag})
    assert (part.status, part.body) == (206, whole.body[100:200])
    assert part.headers["Content-Range"] == f"bytes 100-199/{len(whole.body)}"
    assert site.respond(TARBALL, {"Range": "bytes=100-"}).body == whole.body[100:]
    assert site.respond(TARBALL, {"Range": "bytes=-5"}).body == whole.body[-5:]
    assert site.respond(TARBALL, {"Range": "bytes=100-", "If-Range": '"x"'}).status == 200
    assert site.respond(TARBALL, {"Range": "bytes=0-1,4-5"}).status == 200
    assert site.respond(TARBALL, {"Range": f"bytes={len(whole.body)}-"}).status == 416


def test_it_can_be_changed() -> None:
    site = PythonOrgSite()
    before = site.respond(TARBALL)
    path = TARBALL.removeprefix(site.prefix)
    site.put(path, b"other bytes")
    after = site.respond(TARBALL)
    assert after.body == b"other bytes"
    assert after.headers["ETag"] != before.headers["ETag"]
    site.remove(path)
    assert site.respond(TARBALL).status == 404
    site.put("3.99.0/Python-3.99.0.tgz", modified=29_000_000)
    assert b'<a href="3.99.0/">' in site.respond(site.prefix).body
    assert site.dated("3.99.0") == 29_000_000
    site.remove("3.99.0/")
    assert b"3.99.0" not in site.respond(site.prefix).body


@pytest.fixture
def connection() -> Iterator[http.client.HTTPConnection]:
    with SiteServer(PythonOrgSite()) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        client = http.client.HTTPConnection("127.0.0.1", server.server_port)
        try:
            yield client
        finally:
            client.close()
            server.shutdown()
            thread.join()


def test_over_a_socket(connection: http.client.HTTPConnection) -> None:
    site = PythonOrgSite()
    for path in (TARBALL, "/ftp/python/", "/ftp/python/9.9.9/", "/ftp/python/3.13.15"):
        expected = site.respond(path)
        connection.request("GET", path)
        response = connection.getresponse()
        assert (response.status, response.read()) == (expected.status, expected.body)
        assert (response.headers.get("Transfer-Encoding") == "chunked") == expected.chunked
        connection.request("HEAD", path)
        head = connection.getresponse()
        assert (head.status, head.read()) == (expected.status, b"")
        assert head.headers.get("Content-Length") == expected.headers.get("Content-Length")


def test_as_a_program(tmp_path: Path) -> None:
    root = Path(__file__).parents[4]
    port_file = tmp_path / "port"
    command = [sys.executable, "-m", "tests.support.python_org.serve", "--port-file", str(port_file)]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        port = int(port_file.read_text())
        assert url == f"http://127.0.0.1:{port}/ftp/python/"
        client = http.client.HTTPConnection("127.0.0.1", port)
        client.request("GET", TARBALL)
        assert client.getresponse().read() == PythonOrgSite().body("3.13.15/Python-3.13.15.tar.xz")
        client.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 0
