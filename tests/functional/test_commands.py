"""Each command as a user sees it, success and failure: one snapshot for both backends."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from tests.support.cli import Desk
from tests.support.origin import Response, Static
from tests.support.world import World

IRIS = b"sepal_length,sepal_width\n5.1,3.5\n"
WINE = b"alcohol,malic_acid\n14.23,1.71\n"


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def small(world: World, desk: Desk) -> None:
    """A project with a URL and a selector."""
    world.file("/data/iris.csv", IRIS)
    desk.manifest(
        f"version: 1\nresources:\n  - {world.url}/data/iris.csv\n"
        "  - selector: python:3.13.*:source-release:xz\n    name: cpython\n    dest: vendor/\n    groups: [source]\n"
    )


def test_init(desk: Desk, told: SnapshotAssertion) -> None:
    first = desk.dlm("init")
    text = (desk.root / "downloads.yaml").read_text(encoding="utf-8")
    again = desk.dlm("init")
    locked = desk.dlm("lock")
    listed = desk.dlm("list")
    assert [str(first), text, str(again), str(locked), str(listed)] == told


def test_init_writes_gitignore_when_asked(desk: Desk, told: SnapshotAssertion) -> None:
    (desk.root / ".gitignore").write_text("*.pyc")
    told_first = desk.dlm("init", "--gitignore", "--format", "json").ok()
    assert [str(told_first), (desk.root / ".gitignore").read_text()] == told


def test_lock(either: Desk, world: World, told: SnapshotAssertion) -> None:
    small(world, either)
    runs = [
        either.dlm("lock", "--check"),
        either.dlm("lock", "--dry-run"),
        either.dlm("lock", "--offline"),
        either.dlm("lock"),
        either.dlm("lock"),
        either.dlm("lock", "--check"),
        either.dlm("lock", "-v"),
        either.dlm("lock", "-q"),
    ]
    assert [*map(str, runs), either.filtered_lockfile()] == told


def test_lock_in_json(either: Desk, world: World, told: SnapshotAssertion) -> None:
    small(world, either)
    runs = [
        either.dlm("lock", "--check", "--format", "json"),
        either.dlm("lock", "--dry-run", "--format", "json"),
        either.dlm("lock", "--format", "json"),
        either.dlm("lock", "--format", "json"),
    ]
    assert [run.code for run in runs] == [3, 0, 0, 0]
    assert [str(run) for run in runs] == told


def test_lock_upgrades_what_it_is_told_to(either: Desk, world: World, told: SnapshotAssertion) -> None:
    world.site.remove("3.13.15/")
    small(world, either)
    before = either.dlm("lock")
    world.site.put("3.13.15/Python-3.13.15.tar.xz")
    world.site.put("3.13.15/Python-3.13.15.tgz")
    runs = [
        either.dlm("lock", "--refresh"),
        either.dlm("lock", "-P", "iris.csv"),
        either.dlm("lock", "-P", "cpyton"),
        either.dlm("lock", "-P", "cpython", "--dry-run"),
        either.dlm("lock", "-P", "cpython"),
        either.dlm("lock", "-U"),
    ]
    world.site.remove("3.13.15/")
    runs += [
        either.dlm("lock", "-U"),
        either.dlm("lock", "-U", "--allow-downgrade"),
    ]
    assert [str(run) for run in (before, *runs)] == told


def test_lock_accepts_other_bytes_when_told_to(either: Desk, world: World, told: SnapshotAssertion) -> None:
    small(world, either)
    either.dlm("lock").ok()
    changed = WINE
    world.file("/data/iris.csv", changed)
    runs = [
        either.dlm("lock", "-U"),
        either.dlm("lock", "--accept-hash", f"iris.csv={sha256(IRIS)}"),
        either.dlm("lock", "--accept-hash", "iris.csv=md5:00"),
        either.dlm("lock", "--accept-hash", "wine.csv"),
        either.dlm("lock", "--accept-hash", f"iris.csv={sha256(changed)}"),
    ]
    assert either.entry("iris.csv")["artifacts"][0]["digests"]["sha256"] == sha256(changed)
    assert [str(run) for run in runs] == told


def test_lock_reports_every_failure(either: Desk, world: World, told: SnapshotAssertion) -> None:
    world.file("/good.csv", IRIS)
    world.route("/gone.csv", Response(404))
    world.route("/secret.csv", Response(401))
    world.route("/broken.csv", Response(503))
    world.file("/wrong.csv", WINE)
    world.file("/long.csv", WINE)
    either.manifest(
        f"""version: 1
resources:
  - {world.url}/good.csv
  - {world.url}/gone.csv
  - {world.url}/secret.csv
  - {world.url}/broken.csv
  - {{url: "{world.url}/wrong.csv", sha256: {sha256(IRIS)}}}
  - {{url: "{world.url}/long.csv", size: 7}}
  - python:9.9.*:windows-release:exe
  - python:3.12.*:source-release:bz2
"""
    )
    text = either.dlm("lock", "--retries", "1", "--progress", "never")
    document = either.dlm("lock", "--retries", "1", "--progress", "never", "--format", "json")
    assert not either.lockfile.exists()
    assert [str(text), str(document)] == told


def test_sync(either: Desk, world: World, told: SnapshotAssertion) -> None:
    small(world, either)
    runs = [
        either.dlm("sync", "--locked"),
        either.dlm("sync", "--frozen"),
        either.dlm("sync", "--check"),
        either.dlm("sync", "--dry-run"),
        either.dlm("sync", "--offline"),
        either.dlm("sync"),
        either.dlm("sync"),
        either.dlm("sync", "--check"),
        either.dlm("sync", "--locked"),
        either.dlm("sync", "--frozen"),
        either.dlm("sync", "--offline"),
        either.dlm("sync", "-q"),
        either.dlm("sync", "--locked", "--frozen"),
    ]
    assert sorted(either.tree()) == ["iris.csv", "vendor/Python-3.13.15.tar.xz"]
    assert [str(run) for run in runs] == told


def test_sync_in_json(either: Desk, world: World, told: SnapshotAssertion) -> None:
    small(world, either)
    runs = [
        either.dlm("sync", "--dry-run", "--format", "json"),
        either.dlm("sync", "--format", "json"),
        either.dlm("sync", "--check", "--format", "json"),
    ]
    (either.root / "iris.csv").write_text("mine")
    runs += [
        either.dlm("sync", "--check", "--format", "json"),
        either.dlm("sync", "--format", "json"),
    ]
    assert [run.code for run in runs] == [0, 0, 0, 7, 1]
    assert [str(run) for run in runs] == told


def test_sync_takes_what_is_asked(either: Desk, world: World, told: SnapshotAssertion) -> None:
    small(world, either)
    either.dlm("lock").ok()
    runs = [either.dlm("sync", "--group", "source"), either.dlm("sync", "--group", "nowhere"), either.dlm("sync")]
    world.file("/data/wine.csv", WINE)
    either.manifest(f"version: 1\nresources: ['{world.url}/data/wine.csv']\n")
    runs += [
        either.dlm("sync", "--dry-run"),
        either.dlm("sync", "--inexact"),
        either.dlm("sync", "--check"),
        either.dlm("sync"),
    ]
    assert sorted(either.tree()) == ["wine.csv"]
    assert [str(run) for run in runs] == told


def test_sync_leaves_what_is_not_its_own(either: Desk, world: World, told: SnapshotAssertion) -> None:
    small(world, either)
    (either.root / "iris.csv").write_text("mine")
    runs = [either.dlm("sync", "--dry-run"), either.dlm("sync"), either.dlm("sync", "--keep-going")]
    assert (either.root / "iris.csv").read_text() == "mine"
    runs += [either.dlm("sync", "--force")]
    assert (either.root / "iris.csv").read_bytes() == IRIS
    (either.root / "iris.csv").write_text("edited")
    either.manifest("version: 1\nresources: []\n")
    runs += [either.dlm("sync"), either.dlm("sync"), either.dlm("clean")]
    assert (either.root / "iris.csv").read_text() == "edited"
    assert [str(run) for run in runs] == told


def test_sync_keeps_going(either: Desk, world: World, told: SnapshotAssertion) -> None:
    world.file("/good.csv", IRIS)
    world.file("/gone.csv", WINE)
    either.manifest(f"version: 1\nresources:\n  - {world.url}/good.csv\n  - {world.url}/gone.csv\n")
    either.dlm("lock").ok()
    either.dlm("clean").ok()
    for one in (either.cache / "blobs").rglob("*") if (either.cache / "blobs").exists() else either.cache.rglob("*"):
        if one.is_file() and one.read_bytes() == WINE:
            one.unlink()
    world.route("/gone.csv", Response(410))
    runs = [either.dlm("sync")]
    assert either.tree() == {}
    runs += [either.dlm("sync", "--keep-going")]
    assert either.tree() == {"good.csv": IRIS}
    assert [run.code for run in runs] == [1, 1]
    assert [str(run) for run in runs] == told


def test_fetch(either: Desk, world: World, told: SnapshotAssertion) -> None:
    small(world, either)
    runs = [either.dlm("fetch", "--frozen"), either.dlm("fetch"), either.dlm("fetch"), either.dlm("fetch", "cpython")]
    runs += [either.dlm("fetch", "cpyton"), either.dlm("fetch", "--sha256", "00"), either.dlm("fetch", "--locked")]
    runs += [either.dlm("fetch", "--format", "json")]
    assert either.tree() == {}
    assert [str(run) for run in runs] == told


def test_fetch_for_other_platforms(either: Desk, world: World, told: SnapshotAssertion) -> None:
    world.file("/tool-plan9-mips.tgz", IRIS)
    world.file("/tool-inferno-vax.tgz", WINE)
    either.manifest(
        f"version: 1\nresources:\n  - name: tool\n    url: {world.url}/tool-{{os}}-{{arch}}.tgz\n"
        "    platforms: [plan9-mips, inferno-vax]\n"
    )
    runs = [either.dlm("lock"), either.dlm("sync")]
    either.dlm("sync").ok()
    runs += [either.dlm("fetch"), either.dlm("fetch", "--platform", "plan9-mips", "--offline")]
    runs += [either.dlm("fetch", "--platform", "all"), either.dlm("fetch", "--platform", "Plan 9")]
    runs += [either.dlm("list"), either.dlm("path", "tool")]
    assert [str(run) for run in runs] == told


def test_fetch_of_a_bare_url(either: Desk, world: World, told: SnapshotAssertion) -> None:
    url = world.file("/data/iris.csv", IRIS)
    runs = [
        either.dlm("fetch", url, "-o", "here.csv"),
        either.dlm("fetch", url, "-o", "here.csv", "--sha256", sha256(IRIS)),
        either.dlm("fetch", url, "-o", "here.csv", "--sha256", sha256(WINE)),
        either.dlm("fetch", url, "-o", "here.csv", "--sha256", "9f86"),
        either.dlm("fetch", url, "-o", "here.csv", "--sha256", sha256(IRIS), "--offline"),
        either.dlm("fetch", url, "-o", "no/such/folder/here.csv"),
        either.dlm("fetch", url, "-o", "."),
        either.dlm("fetch", url, url),
        either.dlm("fetch", f"{world.url}/missing.csv"),
        either.dlm("fetch", "ftp://example.org/x"),
        either.dlm("fetch", url, "--offline"),
        either.dlm("fetch", "http://[/x"),
    ]
    assert (either.root / "here.csv").read_bytes() == IRIS
    printed = either.dlm("fetch", url).ok()
    assert printed.out.strip().startswith("…/cache/")
    as_json = either.dlm("fetch", url, "--format", "json").ok().document["result"]
    assert as_json == {"path": printed.out.strip(), "size": len(IRIS), "sha256": sha256(IRIS)}
    assert [str(run) for run in runs] == told


def test_verify(either: Desk, world: World, told: SnapshotAssertion) -> None:
    small(world, either)
    runs = [either.dlm("verify")]
    either.dlm("sync").ok()
    runs += [either.dlm("verify"), either.dlm("verify", "--format", "json")]
    (either.root / "iris.csv").write_text("edited")
    (either.root / "vendor" / "Python-3.13.15.tar.xz").unlink()
    runs += [either.dlm("verify"), either.dlm("verify", "--format", "json")]
    runs += [either.dlm("verify", "--repair", "--offline"), either.dlm("verify")]
    assert (either.root / "iris.csv").read_bytes() == IRIS
    assert [run.code for run in runs] == [3, 0, 0, 7, 7, 0, 0]
    assert [str(run) for run in runs] == told


def test_verify_finds_rot_in_the_cache(either: Desk, world: World, told: SnapshotAssertion) -> None:
    small(world, either)
    either.dlm("sync").ok()
    blob = rot(either, IRIS)
    runs = [either.dlm("verify")]
    assert not blob.exists()
    runs += [either.dlm("verify", "--repair"), either.dlm("fetch")]
    rot(either, IRIS)
    runs += [either.dlm("verify", "--repair", "--format", "json"), either.dlm("verify")]
    rot(either, IRIS)
    runs += [either.dlm("verify", "--repair", "--offline")]
    assert [run.code for run in runs] == [4, 0, 0, 0, 0, 4]
    assert [str(run) for run in runs] == told


def rot(desk: Desk, body: bytes) -> Path:
    """Turn one byte of a blob."""
    for path in desk.cache.rglob("*"):
        if path.is_file() and path.read_bytes() == body:
            path.chmod(0o644)
            path.write_bytes(body[:-1] + b"!")
            return path
    raise AssertionError("no such blob")


def test_look(desk: Desk, world: World, told: SnapshotAssertion) -> None:
    small(world, desk)
    runs = [desk.dlm("list"), desk.dlm("show", "cpython"), desk.dlm("path", "cpython")]
    desk.dlm("lock").ok()
    runs += [desk.dlm("list"), desk.dlm("show", "cpython"), desk.dlm("path", "cpython")]
    desk.dlm("sync").ok()
    runs += [desk.dlm("list"), desk.dlm("show", "iris.csv"), desk.dlm("path", "cpython")]
    runs += [desk.dlm("list", "--format", "json"), desk.dlm("show", "cpython", "--format", "json")]
    runs += [desk.dlm("path", "cpython", "--format", "json"), desk.dlm("show", "nothing")]
    (desk.root / "iris.csv").write_text("edited")
    runs += [desk.dlm("list"), desk.dlm("path", "iris.csv"), desk.dlm("path", "nothing")]
    desk.manifest(f"version: 1\nresources: [{{url: '{world.url}/data/iris.csv', dest: sub/}}]\n")
    runs += [desk.dlm("list")]
    assert [str(run) for run in runs] == told


def test_clean(desk: Desk, world: World, told: SnapshotAssertion) -> None:
    small(world, desk)
    runs = [desk.dlm("clean")]
    assert runs[0].code == 0
    desk.dlm("sync").ok()
    runs += [desk.dlm("clean", "--dry-run"), desk.dlm("clean", "--dry-run", "--format", "json")]
    (desk.root / "vendor" / "notes.txt").write_text("mine")
    (desk.root / "iris.csv").write_text("edited")
    runs += [desk.dlm("clean"), desk.dlm("clean")]
    assert sorted(desk.tree()) == ["iris.csv", "vendor/notes.txt"]
    runs += [desk.dlm("sync", "--force"), desk.dlm("clean", "--format", "json")]
    assert sorted(desk.tree()) == ["vendor/notes.txt"]
    assert [str(run) for run in runs] == told


def test_cache(either: Desk, world: World, told: SnapshotAssertion) -> None:
    runs = [either.dlm("cache", "dir"), either.dlm("cache", "ls"), either.dlm("cache", "size")]
    small(world, either)
    either.dlm("lock").ok()
    runs += [either.dlm("cache", "ls"), either.dlm("cache", "dir", "--format", "json"), either.dlm("cache", "nix")]
    listed = either.dlm("cache", "ls", "--format", "json").ok().document["result"]["blobs"]
    whole = len(IRIS) + len(world.site.body("3.13.15/Python-3.13.15.tar.xz"))
    assert sum(blob["size"] for blob in listed) == whole
    assert either.dlm("cache", "size", "--format", "json").document["result"]["bytes"] >= whole
    assert [str(run) for run in runs] == told


def test_usage(desk: Desk, told: SnapshotAssertion) -> None:
    bare = desk.base / "bare"
    bare.mkdir()
    desk.manifest("version: 1\nresources: []\n")
    runs = [
        desk.dlm("lock", cwd=bare),
        desk.dlm("sync", "--frozen", cwd=bare),
        desk.dlm("lock", "--format", "json", cwd=bare),
        desk.dlm("snyc"),
        desk.dlm("sync", "--fozen"),
        desk.dlm("lock", "--format", "xml"),
        desk.dlm("lock", "-f", "other.yaml"),
        desk.dlm("lock", "-C", "nowhere"),
        desk.dlm("show"),
        desk.dlm("sync", "--group", "nowhere"),
        desk.dlm("lock", "--jobs", "many"),
        desk.dlm("lock", "--max-size", "big"),
        desk.dlm("lock", variables={"DLM_BACKEND": "curll"}),
        desk.dlm("sync", variables={"DLM_LOCKED": "maybe"}),
        desk.dlm("snyc", "--format", "json"),
        desk.dlm("sync", "--fozen", "--format=json"),
        desk.dlm("sync", "--fozen", variables={"DLM_FORMAT": "json"}),
    ]
    assert {run.code for run in runs} == {2}
    assert [str(run) for run in runs] == told


def test_a_bad_manifest(desk: Desk, told: SnapshotAssertion) -> None:
    desk.manifest(
        """version: 1
resources:
  - htps://example.org/a
  - {url: "https://example.org/b", sha265: abc}
  - {url: "https://example.org/c?token=s3cr3t"}
  - {url: "https://example.org/d", dest: ../d}
  - {url: "https://example.org/e", md5: abc}
  - {url: "https://example.org/f", digests: {md5: d41d8cd98f00b204e9800998ecf8427e}}
  - pyton:3.13.*
  - python:3.13.*:source-release:rar
"""
    )
    runs = [desk.dlm(verb) for verb in ("lock", "sync", "fetch", "list")]
    assert "s3cr3t" not in "".join(map(str, runs))
    assert {run.code for run in runs} == {2}
    assert [str(runs[0]), str(desk.dlm("lock", "--format", "json"))] == told


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", 2),
        ('{"version": 2, "resources": {}}', 2),
        ('{"version": 1, "revision": 9, "resources": {}, "later": true}', 0),
        ('{"version": 1, "revision": 0, "resources": {}, "odd": true}', 0),
        ("<<<<<<< ours\n", 2),
    ],
    ids=["damaged", "later-version", "later-revision", "unknown-key", "half-a-conflict"],
)
def test_a_lockfile_of_another_kind(desk: Desk, told: SnapshotAssertion, text: str, code: int) -> None:
    desk.manifest("version: 1\nresources: []\n")
    desk.lockfile.write_text(text)
    run = desk.dlm("lock")
    assert desk.lockfile.read_text() == text
    assert run.code == code
    assert str(run) == told


def test_schema(desk: Desk) -> None:
    for word in ("manifest", "lockfile"):
        text = desk.dlm("schema", word).ok()
        document = desk.dlm("schema", word, "--format", "json").ok().document
        assert document["result"]["name"] == word
        assert str(document["result"]["schema"]["$schema"]) in text.out
    assert desk.dlm("schema", "poem").code == 2


def test_transfers_tell_what_happens(either: Desk, world: World, told: SnapshotAssertion) -> None:
    body = bytes(range(256)) * 8192
    world.route("/big.bin", Response(503), Static(body))
    world.route("/moved.csv", Response(301, (("Location", "/data/iris.csv"),)))
    world.file("/data/iris.csv", IRIS)
    mirrored = world.file("/mirror/wine.csv", WINE)
    either.manifest(
        f"version: 1\nresources:\n  - {world.url}/big.bin\n  - {world.url}/moved.csv\n"
        f"  - {{url: '{world.url}/gone/wine.csv', mirrors: ['{mirrored}']}}\n"
    )
    run = either.dlm("lock", "--jobs", "1", "--progress", "never")
    assert [str(run), either.filtered_lockfile()] == told
