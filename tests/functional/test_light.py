"""What a run from the lockfile does not load: an image that only syncs waits for no parser of manifests."""

from __future__ import annotations

import sys

import pytest

from tests.support.cli import Desk
from tests.support.origin import Origin, Static
from tests.support.world import World


def loaded(desk: Desk, *arguments: str) -> set[str]:
    """Every module that a command imports."""
    ran = desk.dlm(*arguments, program=[sys.executable, "-X", "importtime", "-m", "dlm"]).ok()
    return {line.rpartition("|")[2].strip() for line in ran.err.splitlines() if line.startswith("import time:")}


def test_a_frozen_sync_loads_neither_pydantic_nor_yaml(world: World, either: Desk) -> None:
    either.manifest(
        "version: 1\nresources:\n"
        f"  - {{name: data, url: '{world.file('/data.csv', b'one')}', dest: in/}}\n"
        "  - {selector: 'python:3.12.*:source-release:xz', dest: in/}\n"
    )
    either.dlm("lock").ok()
    either.dlm("cache", "clean").ok()
    (either.root / "downloads.yaml").unlink()
    fetched = loaded(either, "sync", "--frozen")
    assert either.tree()["in/data.csv"] == b"one"
    again = loaded(either, "sync", "--frozen", "--offline")
    for modules in (fetched, again):
        assert "dlm.workflows.sync" in modules, "the names are those of modules"
        assert not modules & {"pydantic", "pydantic_core", "yaml", "rich", "sigstore", "cryptography"}
    backends = {"curl": "dlm.fetch.libcurl", "requests": "requests"}
    assert fetched & {*backends.values(), "pycurl"} == {backends[either.variables["DLM_BACKEND"]]}, "one is enough"
    assert not again & {*backends.values(), "pycurl"}, "nothing is fetched"


#: What a frozen sync of plain files has no use for, though some other run has: each costs start-up time. The parts of
#: dlm stand for what they bring along.
IDLE = {
    "ast", "asyncio", "certifi", "concurrent.futures", "copy", "dataclasses", "difflib", "email", "gettext", "hmac",
    "http", "idna", "importlib.metadata", "inspect", "logging", "netrc", "packaging", "platform", "pycurl", "random",
    "requests", "secrets", "shlex", "shutil", "socket", "sqlite3", "ssl", "subprocess", "tarfile", "tempfile",
    "tokenize", "urllib3", "uuid", "zipfile", "zlib",
    "dlm.cli.credentials", "dlm.fetch.ask", "dlm.fetch.commands", "dlm.fetch.download", "dlm.fetch.files",
    "dlm.fetch.flight",
    "dlm.fetch.lanes", "dlm.fetch.page", "dlm.fetch.requests_backend", "dlm.fetch.server_digests", "dlm.fetch.split",
    "dlm.fetch.transfer", "dlm.model.body",
    "dlm.model.candidate", "dlm.model.evidence", "dlm.model.extract", "dlm.model.listing", "dlm.model.rewrite",
    "dlm.model.selector", "dlm.place.beside", "dlm.place.folders",
    "dlm.place.spares", "dlm.place.unpack", "dlm.place.whole", "dlm.resolve.choose",
    "dlm.staleness",
    "dlm.store.ahead", "dlm.store.follower", "dlm.store.layers", "dlm.store.notes", "dlm.store.origins",
    "dlm.store.prune", "dlm.store.reading", "dlm.store.single", "dlm.store.sizes", "dlm.store.writer",
    "dlm.workflows.evidence", "dlm.workflows.lock",
}  # fmt: skip


#: What looks at a file of certificates of the user's own before anything is asked; these tests trust by one.
OF_CA_FILE = {"socket", "ssl"}

#: What a parser of command lines brings along; a plain sync is read by hand.
CLICK = {"click", "gettext", "platform", "uuid"} | {"ast", "inspect", "tokenize"}


@pytest.mark.parametrize("command", ["sync", "fetch"])
def test_a_cold_frozen_run_loads_nothing_that_it_does_not_use(world: World, desk: Desk, command: str) -> None:
    pytest.importorskip("pycurl")
    desk.manifest(f"version: 1\nresources: ['{world.file('/data.csv', b'one')}']\n")
    desk.dlm("lock").ok()
    desk.dlm("cache", "clean").ok()
    modules = loaded(desk, command, "--frozen")
    assert "dlm.fetch.libcurl" in modules, "it was fetched, and by curl"
    assert modules & ((IDLE | CLICK) if command == "sync" else (IDLE - CLICK)) == OF_CA_FILE


@pytest.mark.parametrize("command", ["sync", "fetch"])
def test_without_a_ca_file_there_is_none_to_look_at(desk: Desk, command: str) -> None:
    pytest.importorskip("pycurl")
    del desk.variables["DLM_CA_FILE"]
    with Origin() as origin:
        desk.manifest(f"version: 1\nresources: ['{origin.route('/data.csv', Static(b'one'))}']\n")
        desk.dlm("lock").ok()
        desk.dlm("cache", "clean").ok()
        modules = loaded(desk, command, "--frozen")
    assert "dlm.fetch.libcurl" in modules, "it was fetched, and by curl"
    assert modules & OF_CA_FILE == set()


def test_a_warm_fetch_loads_no_parser_either(world: World, desk: Desk) -> None:
    desk.manifest(f"version: 1\nresources: ['{world.file('/data.csv', b'one')}']\n")
    desk.dlm("lock").ok()
    assert not loaded(desk, "fetch", "--frozen") & {"pydantic", "yaml", "pycurl", "dlm.fetch.libcurl", "requests"}
