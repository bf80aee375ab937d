"""Files of this machine as sources, which the user's rules put in the place of addresses, over both backends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dlm.errors import IntegrityError, NetworkError, SettingsError
from dlm.fetch.fetcher import HttpFetcher
from dlm.fetch.mirrors import sources
from dlm.model.events import SourceFailed
from dlm.model.rewrite import RewriteRule
from dlm.model.settings import Settings
from dlm.model.transfer import Arrived, Lost, Order
from tests.support.fetching import BACKENDS, BODY, VERSION, Kit, Values, kit, make_backend, order, sha256
from tests.support.origin import Close, Response, Static

LARGE = BODY * 60


@pytest.fixture(params=BACKENDS)
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kit]:
    """A kit whose settings have the rule that :func:`mirrored` follows."""
    (tmp_path / "mirror").mkdir()
    with kit(tmp_path, request.param, rewrite=(rule(tmp_path),), proxy="http://127.0.0.1:9") as one:
        yield one


def rule(folder: Path, origin: str = "last") -> RewriteRule:
    return RewriteRule.of("http://127.0.0.1*", (f"file://{folder}/mirror/{{path}}",), origin)  # type: ignore[arg-type]


def mirrored(made: Kit, one: Order, origin: str = "last") -> Order:
    return replace(one, sources=sources(one.artifact, Values(), rewrite=(rule(made.folder, origin),)))


def direct(made: Kit) -> Kit:
    """As the kit, past the proxy of its settings."""
    settings = replace(made.settings, proxy="")
    fetcher = HttpFetcher(settings, made.clock, made.heard, make_backend(made.backend, settings), version=VERSION)
    return replace(made, settings=settings, fetcher=fetcher)


def put(made: Kit, name: str, data: bytes) -> Path:
    path = made.folder / "mirror" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("data", [b"x", BODY, LARGE], ids=["small", "middle", "large"])
@pytest.mark.parametrize("pinned", [True, False])
def test_a_file_is_had_without_any_server(made: Kit, data: bytes, pinned: bool) -> None:
    path = put(made, "data/a b.bin", data)
    url = f"{made.origin.url}/data/a%20b.bin"
    asked = order(url, digests=sha256(data), size=len(data)) if pinned else order(url)
    found = made.arrive(mirrored(made, asked, "block"))
    assert made.bytes_of(found) == data
    assert found.receipt.source == f"file://{str(path).replace(' ', '%20')}"
    assert not found.receipt.from_origin
    assert found.receipt.headers == {}
    assert made.origin.requests == []


def test_many_small_ones_in_a_round(made: Kit) -> None:
    orders: list[Order] = []
    for number in range(50):
        data = BODY[number : number + 500]
        put(made, f"{number}.bin", data)
        orders.append(mirrored(made, order(f"{made.origin.url}/{number}.bin", digests=sha256(data), size=500), "block"))
    assert all(isinstance(one, Arrived) for one in made.fetcher.fetch(orders, made.store))


@pytest.mark.parametrize("there", ["nothing", "a folder", "a file above", "a pipe", "wrong bytes"])
def test_where_it_is_not_there_the_origin_is_asked(made: Kit, there: str) -> None:
    url = made.origin.route("/sub/a.bin", Static(BODY))
    path = made.folder / "mirror" / "sub" / "a.bin"
    if there == "a folder":
        path.mkdir(parents=True)
    elif there == "a file above":
        put(made, "sub", b"")
    elif there == "a pipe":
        path.parent.mkdir()
        os.mkfifo(path)
    elif there == "wrong bytes":
        put(made, "sub/a.bin", BODY[:-1] + b"?")
    one = direct(made)
    found = one.arrive(mirrored(one, order(url, digests=sha256(BODY))))
    assert found.receipt.from_origin
    assert [event.url for event in made.heard.events if isinstance(event, SourceFailed)] == [f"file://{path}"]


def test_nobody_else_left_is_an_error_that_names_the_file(made: Kit) -> None:
    error = made.lose(mirrored(made, order(f"{made.origin.url}/gone.bin", digests=sha256(BODY)), "block"))
    assert isinstance(error, NetworkError)
    assert f"file://{made.folder}/mirror/gone.bin" in "\n".join([error.message, *error.details])
    wrong = put(made, "wrong.bin", b"?" * len(BODY))
    error = made.lose(mirrored(made, order(f"{made.origin.url}/wrong.bin", digests=sha256(BODY)), "block"))
    assert isinstance(error, IntegrityError)
    assert wrong.exists()


def test_what_an_origin_had_sent_is_not_read_again(made: Kit) -> None:
    """The rest of a pinned file that broke off comes from wherever it is had."""
    half = Response(200, (("ETag", '"v"'),), (BODY[:150_000], Close()), length=len(BODY))
    url = made.origin.route("/a.bin", half, Response(500))
    one = direct(replace(made, settings=replace(made.settings, retries=0)))
    lost = one.outcome(mirrored(one, order(url, digests=sha256(BODY), size=len(BODY))))
    assert isinstance(lost, Lost)
    put(made, "a.bin", BODY)
    found = one.arrive(mirrored(one, order(url, digests=sha256(BODY), size=len(BODY)), "block"))
    assert made.bytes_of(found) == BODY


@pytest.mark.parametrize(
    "path",
    ["/..%2f..%2fetc/passwd", "/%2e%2e%2fsecret", "/a%5cb", "/..%5c..%5cx"],
)
def test_a_hostile_address_leads_to_no_file_elsewhere(made: Kit, path: str) -> None:
    (made.folder / "secret").write_bytes(BODY)
    with pytest.raises(SettingsError, match="rule 1 makes an address that cannot be used"):
        mirrored(made, order(f"{made.origin.url}{path}"), "block")


@pytest.mark.parametrize(
    ("template", "word"),
    [
        ("file:///{path}", "begins with a folder"),
        ("file://host/mirror/{path}", "followed by a path"),
        ("file:mirror/{path}", "followed by a path"),
        ("file:///mnt/../etc/{path}", "lead back up"),
        ("file:///mnt/${HOME}/{path}", "no \\${}"),
        ("file:///mnt/{name}", "no meaning"),
        ("ftp://host/{path}", "file:///"),
    ],
)
def test_a_rule_names_a_folder(template: str, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        RewriteRule.of("https://example.org/", (template,))


def test_a_redirect_leads_to_no_file(made: Kit) -> None:
    put(made, "a.bin", BODY)
    url = made.origin.route("/r.bin", Response(302, (("Location", f"file://{made.folder}/mirror/a.bin"),)))
    one = direct(made)
    assert isinstance(one.outcome(order(url, digests=sha256(BODY))), Lost)


def test_only_settings_with_such_a_rule_have_it() -> None:
    backend = make_backend("curl", Settings())
    rules = (RewriteRule.of("https://a.example/", ("https://b.example/{path}",)),)
    from dlm.fetch.files import with_files

    assert with_files(backend, Settings(rewrite=rules)) is backend
