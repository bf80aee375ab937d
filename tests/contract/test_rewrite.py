"""Rewrite rules at work: over every backend, and through the command, whose lockfile does not know of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dlm.cli.credentials import UserCredentials
from dlm.errors import IntegrityError
from dlm.fetch.fetcher import HttpFetcher
from dlm.fetch.mirrors import sources
from dlm.model.events import SourceFailed
from dlm.model.hosts import HostSettings
from dlm.model.rewrite import RewriteRule
from dlm.model.settings import Settings
from dlm.model.transfer import Order, Page
from tests.support.cli import Desk
from tests.support.fetching import BACKENDS, BODY, VERSION, WIRES, Kit, Values, kit, make_backend, order, sha256
from tests.support.origin import Origin, Response, Static

HEX = str(sha256(BODY).sha256)


@pytest.fixture(params=WIRES, ids="-".join)
def wire(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kit]:
    with kit(tmp_path, *request.param) as made:
        yield made


@pytest.fixture(params=BACKENDS)
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kit]:
    with kit(tmp_path, request.param) as one:
        yield one


def rewritten(one: Order, *rules: RewriteRule, users: UserCredentials | None = None) -> Order:
    """The same order by the user's rules."""
    return replace(one, sources=sources(one.artifact, Values(), rewrite=rules, credentials=users))


class TestSources:
    def test_the_mirror_answers_and_the_origin_is_not_asked(self, wire: Kit) -> None:
        url = wire.origin.route("/data/a.bin", Static(BODY))
        at = wire.origin.route("/cas/data/a.bin", Static(BODY))
        rule = RewriteRule.of(f"{wire.origin.url}/data/", (f"{wire.origin.url}/cas/{{path}}",))
        found = wire.arrive(rewritten(order(url), rule))
        assert found.receipt.source == at
        assert not found.receipt.from_origin
        assert found.receipt.headers == {}
        assert [one.path for one in wire.origin.requests] == ["/cas/data/a.bin"]

    @pytest.mark.fault("I03")
    @pytest.mark.fault("I01")
    def test_wrong_bytes_are_reported_and_passed_over(self, wire: Kit) -> None:
        url = wire.origin.route("/a.bin", Static(BODY))
        bad = wire.origin.route("/m/a.bin", Static(b"other bytes"))
        rule = RewriteRule.of(f"{wire.origin.url}/", (f"{wire.origin.url}/m/{{filename}}",))
        assert wire.arrive(rewritten(order(url, digests=sha256(BODY)), rule)).receipt.source == url
        [told] = [event for event in wire.heard.events if isinstance(event, SourceFailed)]
        assert told.url == bad
        assert str(sha256(b"other bytes").sha256) in told.reason

    def test_what_is_blocked_is_not_asked_even_where_all_else_fails(self, made: Kit) -> None:
        url = made.origin.route("/a.bin", Static(BODY))
        made.origin.route("/m/a.bin", Static(b"other bytes"))
        rule = RewriteRule.of(f"{made.origin.url}/", (f"{made.origin.url}/m/{{filename}}",), "block")
        error = made.lose(rewritten(order(url, digests=sha256(BODY)), rule))
        assert isinstance(error, IntegrityError)
        assert error.hint is not None
        assert "rewrite" in error.hint
        assert made.origin.of("/a.bin") == []

    @pytest.mark.promise(7)
    def test_credentials_are_those_of_the_address_that_is_asked(self, made: Kit) -> None:
        with Origin() as mirror:
            url = made.origin.route("/a.bin", Static(BODY))
            mirror.route(f"/{HEX[:2]}/{HEX}", Response(503), Response(404))
            hosts = {
                mirror.url: HostSettings(token="mirror-token"),
                made.origin.url: HostSettings(token="origin-token"),
            }
            users = UserCredentials(Settings(hosts=hosts), {}, made.clock)
            rule = RewriteRule.of(f"{made.origin.url}/", (mirror.url + "/{sha256:2}/{sha256}",))
            one = order(url, digests=sha256(BODY), headers={"X-Key": "manifest-key"})
            made.arrive(rewritten(one, rule, users=users))
            assert [seen.get("authorization") for seen in mirror.requests] == ["Bearer mirror-token"] * 2
            assert [seen.get("x-key") for seen in mirror.requests] == [None] * 2
            [own] = made.origin.requests
            assert (own.get("authorization"), own.get("x-key")) == ("Bearer origin-token", "manifest-key")

    def test_pages_follow_the_rules(self, made: Kit) -> None:
        made.origin.route("/m/index.html", Static(b"<a>"))
        rule = RewriteRule.of(f"{made.origin.url}/index", (f"{made.origin.url}/m/{{path}}",), "block")
        settings = replace(made.settings, rewrite=(rule,))
        fetcher = HttpFetcher(settings, made.clock, made.heard, make_backend(made.backend, settings), version=VERSION)
        [page] = fetcher.read([f"{made.origin.url}/index.html"])
        fetcher.close()
        assert isinstance(page, Page)
        assert [one.path for one in made.origin.requests] == ["/m/index.html"]


def desk_with(folder: Path, backend: str, rules: Sequence[dict[str, Any]]) -> Desk:
    desk = Desk(folder, {"DLM_BACKEND": backend, "DLM_NO_CONFIG": ""})
    (desk.home / "config.yaml").write_text(json.dumps({"rewrite": list(rules)}))
    desk.variables["DLM_CONFIG_FILE"] = str(desk.home / "config.yaml")
    return desk


@pytest.mark.parametrize("backend", BACKENDS)
class TestTheCommand:
    def test_the_lockfile_is_the_same(self, tmp_path: Path, backend: str) -> None:
        with Origin() as origin, Origin() as mirror:
            url = origin.route("/a.bin", Static(BODY))
            mirror.route("/a.bin", Static(BODY))
            mirror.route(f"/{HEX}", Static(BODY))
            text = f"version: 1\nresources:\n  - {{url: '{url}', sha256: {HEX}}}\n"
            locks = []
            for name, rules in (
                ("by-path", [{"match": "*", "to": mirror.url + "/{path}", "origin": "block"}]),
                ("by-digest", [{"match": origin.url, "to": [mirror.url + "/{sha256}"]}]),
            ):
                desk = desk_with(tmp_path / name, backend, rules)
                desk.manifest(text)
                desk.dlm("sync").ok()
                assert desk.tree() == {"a.bin": BODY}
                locks.append(desk.lockfile.read_bytes())
            assert origin.requests == []
            assert locks[0] == locks[1]
            assert mirror.url.encode() not in locks[0]
            entry = json.loads(locks[0])["resources"]["a.bin"]["artifacts"][0]
            assert (entry["url"], entry["digests"]["sha256"]) == (url, HEX)

    def test_nothing_left_to_ask_is_policy(self, tmp_path: Path, backend: str) -> None:
        with Origin() as origin:
            url = origin.route("/a.bin", Static(BODY))
            desk = desk_with(tmp_path, backend, [{"match": origin.url, "origin": "block"}])
            desk.manifest(f"version: 1\nresources:\n  - {url}\n")
            ran = desk.dlm("lock")
            assert ran.code == 6, str(ran)
            assert "rewrite rules leave no address" in ran.err
            assert origin.requests == []
