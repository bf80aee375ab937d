"""``dlm fetch URL`` with all that a request may need."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli import BACKENDS, Desk, console_script
from tests.support.origin import Origin, Request, Response, Static

BODY = bytes(range(256)) * 9
SHA256 = hashlib.sha256(BODY).hexdigest()


def echo(request: Request) -> Response:
    """What came, as JSON."""
    told = {
        "method": request.method,
        "headers": {name.lower(): value for name, value in request.headers},
        "body": request.body.decode("latin-1"),
    }
    return Response(201, body=json.dumps(told).encode())


@pytest.fixture
def origin() -> Iterator[Origin]:
    with Origin() as running:
        running.route("/file.bin", Static(BODY))
        running.route("/echo", echo)
        yield running


@pytest.fixture(params=BACKENDS)
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Desk:
    return Desk(tmp_path, {"DLM_BACKEND": str(request.param)})


def blobs(tmp_path: Path) -> list[Path]:
    return [one for one in tmp_path.rglob("cas/*/*") if one.is_file()]


def test_stdout(desk: Desk, origin: Origin) -> None:
    for more in ((), ("--no-cache",), ("--sha256", SHA256)):
        command = [console_script(), "fetch", origin.url + "/file.bin", "-o", "-", *more]
        ran = subprocess.run(command, capture_output=True, check=False, env=desk.environment(), cwd=desk.root)
        assert (ran.returncode, ran.stdout) == (0, BODY), ran.stderr


def test_wrong_bytes_are_not_printed(desk: Desk, origin: Origin) -> None:
    for more in ((), ("--no-cache",)):
        ran = desk.dlm("fetch", origin.url + "/file.bin", "-o", "-", "--sha256", "0" * 64, *more)
        assert (ran.code, ran.out) == (4, "")


@pytest.mark.parametrize("more", [(), ("--no-cache",)])
def test_a_folder_keeps_the_name(desk: Desk, origin: Origin, more: tuple[str, ...]) -> None:
    """What ends in a slash is a folder, as in the manifest's ``dest``; it is made where it is missing."""
    ran = desk.dlm("fetch", origin.url + "/file.bin?a=b", "-o", "new/deep/", *more).ok()
    assert "new/deep/file.bin: 2304 bytes" in ran.err
    assert desk.tree() == {"new/deep/file.bin": BODY}
    ran = desk.dlm("fetch", origin.url + "/file.bin", "-o", "new/", "--format", "json", *more).ok()
    assert ran.document["result"]["path"] == "new/file.bin"
    assert desk.tree() == {"new/deep/file.bin": BODY, "new/file.bin": BODY}


def test_what_is_no_folder_stays(desk: Desk, origin: Origin) -> None:
    (desk.root / "plain").write_bytes(b"mine")
    begun = len(origin.requests)
    for more in ((), ("--no-cache",)):
        ran = desk.dlm("fetch", origin.url + "/file.bin", "-o", "plain/", *more)
        assert ran.code == 1
        assert "plain is no folder" in ran.err
        ran = desk.dlm("fetch", origin.url, "-o", "new/", *more)
        assert ran.code == 2
        assert "-o new/ is a folder, and the address names no file" in ran.err
    assert len(origin.requests) == begun
    assert desk.dlm("fetch", origin.url + "/none", "-o", "new/").code == 1
    assert desk.tree() == {"plain": b"mine"}
    assert not (desk.root / "new").exists(), "a folder is made for a file that is here"


def test_past_the_cache(desk: Desk, origin: Origin, tmp_path: Path) -> None:
    desk.dlm("fetch", origin.url + "/file.bin", "-o", "here.bin", "--no-cache", "--sha256", SHA256).ok()
    assert (desk.root / "here.bin").read_bytes() == BODY
    assert blobs(tmp_path) == []
    assert desk.dlm("fetch", origin.url + "/file.bin", "-o", "here.bin", "--no-cache", "--sha256", "0" * 64).code == 4
    assert (desk.root / "here.bin").read_bytes() == BODY
    assert desk.dlm("fetch", origin.url + "/none", "-o", "here.bin", "--no-cache").code == 1
    assert (desk.root / "here.bin").read_bytes() == BODY
    assert [one.name for one in desk.root.iterdir() if one.name.startswith(".here")] == []


def test_bodies_and_headers(desk: Desk, origin: Origin) -> None:
    url = origin.url + "/echo"
    (desk.root / "up.txt").write_text("from a file")

    def told(*flags: str) -> dict[str, object]:
        found: dict[str, object] = json.loads(desk.dlm("fetch", url, "-o", "-", *flags).ok().out)
        return found

    form = told("--data", "a=1", "--data", "b=x y")
    assert (form["method"], form["body"]) == ("POST", "a=1&b=x+y")
    document = told("--json-body", '{"a": [1, null]}', "--header", "X-A: b")
    assert document["body"] == '{"a":[1,null]}'
    assert isinstance(document["headers"], dict)
    assert document["headers"]["x-a"] == "b"
    assert document["headers"]["content-type"] == "application/json"
    upload = told("--form", "note=text", "--form", f"file=@{desk.root / 'up.txt'}")
    assert "from a file" in str(upload["body"])
    assert 'filename="up.txt"' in str(upload["body"])


@pytest.mark.parametrize(
    "flags",
    [
        ("--no-cache",),
        ("--data", "a=1", "--json-body", "1"),
        ("--data", "a"),
        ("--form", "a"),
        ("--form", "a=@none"),
        ("--json-body", "{"),
        ("--header", "no colon"),
        ("-o", "-", "--format", "json"),
    ],
)
def test_flags_that_make_no_request(desk: Desk, origin: Origin, flags: tuple[str, ...]) -> None:
    assert desk.dlm("fetch", origin.url + "/echo", *flags).code == 2
    assert origin.requests == []


@pytest.mark.parametrize("flag", ["--header=A: b", "--data=a=1", "--json-body=1", "--form=a=1", "--no-cache"])
def test_flags_of_a_url_go_with_one(desk: Desk, flag: str) -> None:
    ran = desk.dlm("fetch", flag)
    assert ran.code == 2
    assert "goes with a URL" in ran.err
