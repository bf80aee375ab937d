"""A mirror in a folder of this machine, which only the user's own settings can name."""

from __future__ import annotations

import json

from tests.support.cli import Desk
from tests.support.world import World


def configure(desk: Desk, *rules: dict[str, str]) -> None:
    path = desk.home / "config.yaml"
    path.write_text(json.dumps({"rewrite": rules}))
    desk.variables.update(DLM_CONFIG_FILE=str(path), DLM_NO_CONFIG="")


def test_no_manifest_names_a_file(desk: Desk) -> None:
    desk.manifest(f"version: 1\nresources: ['file://{desk.root}/a.bin']\n")
    ran = desk.dlm("lock")
    assert ran.code == 2
    assert "only http and https" in ran.err


def test_a_project_is_synced_from_a_folder(world: World, either: Desk) -> None:
    url = world.file("/data/one.csv", b"one")
    either.manifest(f"version: 1\nresources: [{{url: '{url}', dest: in/}}]\n")
    either.dlm("lock").ok()
    before = (either.root / "downloads.lock").read_bytes()
    either.dlm("cache", "clean").ok()
    mirror = either.home / "mirror"
    (mirror / "data").mkdir(parents=True)
    (mirror / "data" / "one.csv").write_bytes(b"one")
    configure(either, {"match": f"{world.url}/", "to": f"file://{mirror}/{{path}}", "origin": "block"})
    asked = world.count
    either.dlm("sync", "--locked").ok()
    assert either.tree()["in/one.csv"] == b"one"
    assert world.count == asked
    assert (either.root / "downloads.lock").read_bytes() == before
    # What it is not is not taken for it.
    (mirror / "data" / "one.csv").write_bytes(b"two")
    either.dlm("cache", "clean").ok()
    ran = either.dlm("sync", "--locked", "--force")
    assert ran.code == 0, "the tree is right"
    (either.root / "in" / "one.csv").unlink()
    assert either.dlm("sync", "--locked").code == 4


def test_settings_say_what_is_wrong(desk: Desk) -> None:
    configure(desk, {"match": "https://a.example/", "to": "file:///{path}"})
    ran = desk.dlm("doctor")
    assert ran.code == 1
    assert "begins with a folder" in ran.out
