"""``dlm add`` and ``dlm remove``: the manifest keeps its comments, order and style, and the lockfile follows."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tests.support.cli import Desk
from tests.support.origin import Response
from tests.support.world import World

IRIS = b"sepal_length,sepal_width\n5.1,3.5\n"
SHA256 = hashlib.sha256(IRIS).hexdigest()


def written(world: World, desk: Desk) -> str:
    """A manifest with a style of its own, locked."""
    world.file("/wine.csv", b"alcohol\n14.23\n")
    text = (
        "# what we need\nversion: 1\n\nresources:\n"
        f'-   "{world.url}/wine.csv"   # red and white\n\n# placed last\ndefaults: {{dest: data/}}\n'
    )
    desk.manifest(text)
    desk.dlm("lock").ok()
    return text


def manifest(desk: Desk) -> str:
    """What stands in the manifest."""
    return (desk.root / "downloads.yaml").read_bytes().decode()


def test_add_pins_on_the_way_and_keeps_every_other_byte(either: Desk, world: World) -> None:
    before = written(world, either)
    world.file("/iris.csv", IRIS)
    ran = either.dlm("add", f"{world.url}/iris.csv").ok()
    line = f'-   "{world.url}/wine.csv"   # red and white\n'
    assert manifest(either) == before.replace(line, f'{line}-   "{world.url}/iris.csv"\n')
    (artifact,) = either.entry("iris.csv")["artifacts"]
    assert (artifact["digests"], artifact["dest"]) == ({"sha256": SHA256}, "data/iris.csv")
    assert "Added iris.csv to downloads.yaml." in ran.err
    assert "Run `dlm sync` to place it." in ran.err
    assert ran.out == ""
    either.dlm("lock", "--check").ok()
    assert not (either.root / "data").exists()
    either.dlm("remove", "iris.csv").ok()
    assert manifest(either) == before


def test_add_after_init(desk: Desk, world: World) -> None:
    desk.dlm("init").ok()
    empty = manifest(desk)
    url = world.file("/iris.csv", IRIS)
    desk.dlm("add", url).ok()
    assert manifest(desk) == empty.replace("resources: []\n", f"resources:\n  - {url}\n")
    desk.dlm("sync", "--locked").ok()
    assert desk.tree() == {"iris.csv": IRIS}
    desk.dlm("remove", "iris.csv").ok()
    assert manifest(desk) == empty
    assert desk.lock()["resources"] == {}
    desk.dlm("sync").ok()
    assert desk.tree() == {}


def test_add_several_with_all_that_can_be_said(desk: Desk, world: World) -> None:
    desk.manifest("version: 1\nresources: []\n")
    world.file("/iris.csv", IRIS)
    ran = desk.dlm(
        "add", f"{world.url}/iris.csv", "python:3.13.*", "--dest", "vendor/", "--group", "a", "--group", "b",
        "--optional", "--executable", "--format", "json",
    ).ok()  # fmt: skip
    rest = "    dest: vendor/\n    groups: [a, b]\n    executable: true\n    optional: true\n"
    assert manifest(desk) == (
        f"version: 1\nresources:\n  - url: {world.url}/iris.csv\n{rest}  - selector: python:3.13.*\n{rest}"
    )
    result = ran.document["result"]
    assert result["added"] == ["iris.csv", "python-3.13.x-source-release-xz"]
    assert result["locked"] is True
    assert [change["action"] for change in result["changes"]] == ["added", "added"]
    assert desk.entry("iris.csv")["request"]["groups"] == ["a", "b"]


def test_add_with_name_platforms_and_digest(desk: Desk, world: World) -> None:
    desk.manifest('{\n  "version": 1,\n  "resources": []\n}\n')
    for name in ("linux", "macos"):
        world.file(f"/tool-{name}", IRIS)
    address = f"{world.url}/tool-{{os}}"
    words = ("--name", "tool", "--platform", "linux-x86_64", "--platform", "macos-arm64")
    refused = desk.dlm("add", address, "--sha256", SHA256, *words)
    assert "each platform has its own bytes" in refused.err
    desk.dlm("add", address, *words).ok()
    assert [one["platform"] for one in desk.entry("tool")["artifacts"]] == ["linux-x86_64", "macos-arm64"]
    assert manifest(desk).startswith('{\n  "version": 1,\n  "resources": [\n    {\n      "name": "tool",\n')


def test_add_with_a_digest(desk: Desk, world: World) -> None:
    desk.manifest("version: 1\nresources: []\n")
    desk.dlm("add", world.file("/iris.csv", IRIS), "--sha256", f"sha256:{SHA256.upper()}").ok()
    assert f"    sha256: {SHA256}\n" in manifest(desk)


def test_add_without_locking(desk: Desk, world: World) -> None:
    desk.manifest("version: 1\nresources: []\n")
    ran = desk.dlm("add", "--no-lock", f"{world.url}/iris.csv").ok()
    assert not desk.lockfile.exists()
    assert world.count == 0
    assert "Run `dlm lock` to pin it." in ran.err


def test_what_cannot_be_locked_changes_nothing(either: Desk, world: World) -> None:
    before, locked = written(world, either), either.lockfile.read_bytes()
    world.route("/gone.csv", Response(404))
    gone = either.dlm("add", f"{world.url}/gone.csv")
    assert gone.code == 1
    assert "Nothing was added: downloads.yaml is as it was." in gone.err
    assert "gone.csv" in gone.err
    wrong = either.dlm("add", world.file("/iris.csv", IRIS), "--sha256", "0" * 64)
    assert wrong.code == 4
    offline = either.dlm("add", f"{world.url}/iris.csv", "--offline")
    assert offline.code == 5
    assert "--offline" in offline.err
    assert (manifest(either), either.lockfile.read_bytes()) == (before, locked)


def test_what_makes_no_sense_is_refused_before_anything_is_written(desk: Desk, world: World) -> None:
    before = written(world, desk)
    asked = world.count
    for words, said in {
        ("ftp://example.org/x",): "only http and https are fetched",
        ("nonsense",): "neither a URL nor a selector",
        ("python:3.13.*:windows-release:xz",): "a windows-release has no format xz",
        (f"{world.url}/wine.csv",): "a resource called 'wine.csv' is there already in line 5 of downloads.yaml",
        (f"{world.url}/a/x.csv", f"{world.url}/b/x.csv"): "a resource called 'x.csv' is given twice",
        (f"{world.url}/x.csv", "--name", "x", "--dest", "data/wine.csv"): "is the destination of 'wine.csv' too",
        (f"{world.url}/x.csv", "--dest", "../x.csv"): "x.csv",
        (f"{world.url}/x.csv", f"{world.url}/y.csv", "--name", "z"): "--name goes with one resource",
        (f"{world.url}/x.csv", "--sha256", "abc"): "--sha256: ",
        (f"{world.url}/x.csv", "--sha256", f"sha512:{'0' * 128}"): "--sha256 takes a sha256",
        ("python:3.13.*", "--platform", "linux-x86_64"): "platforms does not go with a selector",
    }.items():
        ran = desk.dlm("add", *words)
        assert ran.code == 2, str(ran)
        assert said in ran.err, str(ran)
    secret = desk.dlm("add", f"https://me:{'hush'}@example.org/x?token=quiet")
    assert secret.code == 2
    assert "hush" not in secret.err
    assert "quiet" not in secret.err
    assert "DLM_AUTH_TOKEN" in secret.err
    assert manifest(desk) == before
    assert world.count == asked


def test_a_wrong_manifest_is_not_edited(desk: Desk, world: World) -> None:
    desk.manifest("version: 1\nresource: []\n")
    ran = desk.dlm("add", f"{world.url}/x.csv")
    assert ran.code == 2
    assert "downloads.yaml:2" in ran.err
    assert desk.dlm("remove", "x.csv").code == 2
    (desk.root / "downloads.yaml").unlink()
    assert "dlm init" in desk.dlm("add", f"{world.url}/x.csv").err


def test_remove_uses_no_network(desk: Desk, world: World) -> None:
    written(world, desk)
    desk.dlm("add", "--no-lock", f"{world.url}/other.csv").ok()
    asked = world.count
    ran = desk.dlm("remove", "wine.csv", "--format", "json").ok()
    assert ran.document["result"] == {"removed": ["wine.csv"], "unlocked": ["wine.csv"]}
    assert desk.lock()["resources"] == {}
    assert f'"{world.url}/other.csv"' in manifest(desk)
    assert world.count == asked


def test_remove_of_what_is_not_there(desk: Desk, world: World) -> None:
    before = written(world, desk)
    ran = desk.dlm("remove", "wine.cvs")
    assert ran.code == 2
    assert "did you mean 'wine.csv'?" in ran.err
    assert manifest(desk) == before


def test_the_manifest_s_mode_and_link_stay(desk: Desk, world: World, tmp_path: Path) -> None:
    real = tmp_path / "kept.yaml"
    real.write_text("version: 1\nresources: []\n", encoding="utf-8")
    real.chmod(0o640)
    (desk.root / "downloads.yaml").symlink_to(real)
    desk.dlm("add", "--no-lock", f"{world.url}/x.csv").ok()
    assert (desk.root / "downloads.yaml").is_symlink()
    assert f"- {world.url}/x.csv" in real.read_text(encoding="utf-8")
    assert real.stat().st_mode & 0o777 == 0o640


def test_two_at_once_lose_nothing(desk: Desk, world: World) -> None:
    desk.manifest("version: 1\nresources: []\n")
    names = [f"{number}.csv" for number in range(4)]
    for name in names:
        world.file(f"/{name}", name.encode())
    running = [(name, desk.start("add", f"{world.url}/{name}")) for name in names]
    for name, process in running:
        desk.end(process, name).ok()
    assert sorted(desk.lock()["resources"]) == names
    desk.dlm("lock", "--check").ok()
