"""The cache as a user meets it: listed, pruned, verified, mended, layered, shared, in another layout, read-only."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest

from tests.support.cli import Desk
from tests.support.world import World

FILES = {f"f{number}.bin": hashlib.sha256(b"%d" % number).digest() * 40 for number in range(5)}


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def project(world: World, desk: Desk, names: list[str] | None = None) -> None:
    """A manifest that asks for some of the files."""
    lines = []
    for name in FILES if names is None else names:
        world.file(f"/{name}", FILES[name])
        lines.append(f"- {{url: '{world.url}/{name}', dest: data/}}\n")
    desk.manifest("version: 1\nresources:\n" + "".join(lines))


def blob(desk: Desk, name: str) -> Path:
    digest = sha256(FILES[name])
    return desk.cache / "cas" / digest[:2] / digest


def rot(path: Path) -> None:
    """Other bytes of the same length, and the times put back."""
    seen = path.stat()
    path.chmod(0o644)
    path.write_bytes(b"x" * seen.st_size)
    os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))


def test_ls_says_names(world: World, desk: Desk) -> None:
    project(world, desk)
    desk.dlm("sync").ok()
    listed = desk.dlm("cache", "ls").ok().out
    assert [line.split()[-1] for line in listed.splitlines()] == sorted(FILES)
    assert not any(sha256(body)[:16] in listed for body in FILES.values())
    os.unlink(desk.cache / "index.sqlite")
    shutil.rmtree(desk.cache / "origins")
    again = desk.dlm("cache", "ls", "--format", "json").ok().document["result"]["blobs"]
    assert {one["sha256"]: one["name"] for one in again} == {sha256(body): name for name, body in FILES.items()}


def test_size_is_that_of_the_files(world: World, desk: Desk) -> None:
    project(world, desk)
    desk.dlm("sync").ok()
    before = sum(path.lstat().st_size for path in desk.cache.rglob("*") if path.is_file())
    assert desk.dlm("cache", "size", "--format", "json").ok().document["result"]["bytes"] == before


def test_prune_keeps_what_projects_name(world: World, desk: Desk) -> None:
    project(world, desk)
    desk.dlm("sync").ok()
    project(world, desk, ["f0.bin", "f1.bin"])
    desk.dlm("sync").ok()
    dry = desk.dlm("cache", "prune", "--dry-run").ok()
    assert "Would remove 3 blobs" in dry.err
    assert blob(desk, "f4.bin").exists()
    run = desk.dlm("cache", "prune").ok()
    assert "Removed 3 blobs" in run.err
    assert "2 more stay because lockfiles name them" in run.err
    assert [name for name in FILES if blob(desk, name).exists()] == ["f0.bin", "f1.bin"]
    told = desk.dlm("cache", "prune", "--ignore-projects", "--format", "json").ok().document["result"]
    assert sorted(one["name"] for one in told["removed"]) == ["f0.bin", "f1.bin"]
    desk.dlm("sync", "--check").ok()
    desk.dlm("fetch").ok()
    assert blob(desk, "f0.bin").exists()


def test_prune_keeps_by_a_lockfile_that_is_named(world: World, desk: Desk, tmp_path: Path) -> None:
    project(world, desk)
    desk.dlm("lock").ok()
    kept = tmp_path / "elsewhere"
    kept.mkdir()
    shutil.copy(desk.lockfile, kept / "downloads.lock")
    desk.lockfile.unlink()
    for path in (kept, kept / "downloads.lock"):
        desk.dlm("cache", "prune", "--keep-locked", str(path)).ok()
        assert all(blob(desk, name).exists() for name in FILES)
    assert desk.dlm("cache", "prune", "--keep-locked", str(tmp_path / "none")).code == 2
    # The project's lockfile is gone, so it asks for nothing any more.
    desk.dlm("cache", "prune").ok()
    assert not any(blob(desk, name).exists() for name in FILES)


def test_prune_with_limits(world: World, desk: Desk) -> None:
    project(world, desk)
    desk.dlm("lock").ok()
    desk.lockfile.unlink()
    size = len(FILES["f0.bin"])
    for wrong in ("--max-size", "--max-age"):
        bad = desk.dlm("cache", "prune", wrong, "much")
        assert bad.code == 2
        assert wrong in bad.err
    desk.dlm("cache", "prune", "--max-age", "1d").ok()
    assert all(blob(desk, name).exists() for name in FILES)
    desk.dlm("cache", "prune", "--max-size", str(3 * size)).ok()
    assert sum(blob(desk, name).exists() for name in FILES) == 3
    desk.dlm("cache", "prune", "--max-age", "0s").ok()
    assert not any(blob(desk, name).exists() for name in FILES)


def test_prune_does_not_guess_what_an_unreadable_lockfile_needs(world: World, desk: Desk) -> None:
    project(world, desk)
    desk.dlm("lock").ok()
    desk.lockfile.chmod(0)
    run = desk.dlm("cache", "prune", plain_user=True)
    assert run.code == 1
    assert "--ignore-projects" in run.err
    assert all(blob(desk, name).exists() for name in FILES)


@pytest.mark.fault("I07")
def test_verify_finds_rot_and_repair_fetches_that_alone(world: World, desk: Desk) -> None:
    project(world, desk)
    desk.dlm("sync").ok()
    desk.dlm("cache", "verify").ok()
    rot(blob(desk, "f1.bin"))
    rot(desk.root / "data" / "f2.bin")
    (desk.root / "data" / "f3.bin").unlink()
    count = world.count
    found = desk.dlm("verify")
    assert found.code == 4
    assert ["f1.bin" in found.err, "f2.bin" in found.err, "f3.bin" in found.err] == [True] * 3
    rot_again = desk.dlm("cache", "verify").ok()
    assert "4 blobs" in rot_again.err
    assert world.count == count
    desk.dlm("verify", "--repair")
    assert {path.name: path.read_bytes() for path in (desk.root / "data").iterdir()} == FILES
    assert [path for path in world.paths[count:] if path != "/f1.bin"] == []
    desk.dlm("verify").ok()


def test_repair_asks_for_nothing_that_is_not_broken(world: World, desk: Desk) -> None:
    """What is optional and not there is no flaw, and is not fetched by the way."""
    project(world, desk, ["f0.bin", "f1.bin"])
    with (desk.root / "downloads.yaml").open("a") as file:
        file.write(f"- {{url: '{world.url}/f2.bin', dest: data/, optional: true}}\n")
    world.file("/f2.bin", FILES["f2.bin"])
    desk.dlm("sync").ok()
    for name in ("f0.bin", "f2.bin"):
        (desk.root / "data" / name).unlink()
        blob(desk, name).unlink()
    count = world.count
    desk.dlm("verify", "--repair").ok()
    assert world.paths[count:] == ["/f0.bin"]
    assert not (desk.root / "data" / "f2.bin").exists()


@pytest.mark.fault("I07")
def test_cache_verify_says_what_was_damaged(world: World, desk: Desk) -> None:
    project(world, desk)
    desk.dlm("lock").ok()
    rot(blob(desk, "f1.bin"))
    run = desk.dlm("cache", "verify")
    assert run.code == 4
    assert "damaged: f1.bin" in run.err
    assert not blob(desk, "f1.bin").exists()
    assert len(list((desk.cache / "quarantine").iterdir())) == 1
    desk.dlm("sync").ok()
    assert {path.name: path.read_bytes() for path in (desk.root / "data").iterdir()} == FILES


@pytest.mark.fault("I08")
@pytest.mark.parametrize("damage", ["gone", "cut", "scribbled"])
def test_the_index_may_be_lost_at_any_time(world: World, desk: Desk, damage: str) -> None:
    project(world, desk)
    desk.dlm("lock").ok()
    index = desk.cache / "index.sqlite"
    count = world.count
    for command in ("sync", "fetch", "lock"):
        if damage == "gone":
            index.unlink(missing_ok=True)
        elif damage == "cut":
            index.write_bytes(index.read_bytes()[:5000])
        else:
            data = bytearray(index.read_bytes())
            data[200:] = bytes(byte ^ 0x5A for byte in data[200:])
            index.write_bytes(data)
        run = desk.dlm(command).ok()
        assert "warning" not in run.err
    assert world.count == count, "what is verified is not fetched again"
    # Not even where no lockfile tells any more what was got: the origin is asked, and nothing comes over the wire.
    desk.lockfile.unlink()
    index.unlink(missing_ok=True)
    desk.dlm("lock").ok()
    assert all(request.get("if-none-match") for request in world.origin.requests[count:])


@pytest.mark.fault("L04")
def test_a_read_only_cache_serves_offline(world: World, desk: Desk) -> None:
    project(world, desk)
    desk.dlm("lock").ok()
    for folder, _, files in os.walk(desk.cache, topdown=False):
        for name in files:
            os.chmod(os.path.join(folder, name), 0o444)
        os.chmod(folder, 0o555)
    try:
        run = desk.dlm("sync", "--offline", "--frozen", plain_user=True).ok()
        assert "warning" not in run.err
        assert {path.name: path.read_bytes() for path in (desk.root / "data").iterdir()} == FILES
        for command in (["ls"], ["size"], ["verify"]):
            desk.dlm("cache", *command, plain_user=True).ok()
        refused = desk.dlm("cache", "prune", "--ignore-projects", plain_user=True)
        assert refused.code == 1
    finally:
        for folder, _, _ in os.walk(desk.cache):
            os.chmod(folder, 0o755)


@pytest.mark.fault("L04")
def test_a_cache_baked_into_an_image_is_asked_first(world: World, desk: Desk, tmp_path: Path) -> None:
    project(world, desk)
    desk.dlm("lock").ok()
    image = tmp_path / "image"
    desk.cache.rename(image)
    count = world.count
    variables = {"DLM_CACHE_READ_ONLY": str(image)}
    desk.dlm("sync", "--frozen", "--offline", variables=variables).ok()
    assert {path.name: path.read_bytes() for path in (desk.root / "data").iterdir()} == FILES
    desk.dlm("verify", variables=variables).ok()
    assert world.count == count
    assert list((desk.cache / "cas").glob("*/*")) == [] if desk.cache.exists() else True
    without = desk.dlm("fetch", "--frozen", "--offline")
    assert without.code == 5


def test_a_folder_of_cachedir(world: World, desk: Desk) -> None:
    project(world, desk)
    variables = {"DLM_CACHE_FORMAT": "cachedir"}
    desk.dlm("sync", variables=variables).ok()
    assert {path.name: path.read_bytes() for path in (desk.root / "data").iterdir()} == FILES
    entries = [path for path in desk.cache.iterdir() if path.suffix == ".bin"]
    assert sorted(sha256(path.read_bytes()) for path in entries) == sorted(map(sha256, FILES.values()))
    count = world.count
    shutil.rmtree(desk.root / "data")
    desk.dlm("sync", variables=variables).ok()
    desk.dlm("verify", variables=variables).ok()
    assert world.count == count
    refused = desk.dlm("cache", "prune", variables=variables)
    assert refused.code == 2
    assert "cachedir" in refused.err


@pytest.mark.fault("L11")
def test_a_clock_that_is_wrong_changes_nothing(world: World, desk: Desk) -> None:
    """Files from the future, files from 1970: what is right is found right, what is not is found out."""
    project(world, desk)
    desk.dlm("sync").ok()
    for seconds in (0, 4_000_000_000):
        for folder in (desk.root / "data", desk.cache / "cas", desk.state):
            for path in folder.rglob("*"):
                os.utime(path, (seconds, seconds))
        count = world.count
        assert "In sync: 5 files" in desk.dlm("sync").ok().err
        (desk.root / "data" / "f0.bin").write_bytes(b"y" * len(FILES["f0.bin"]))
        os.utime(desk.root / "data" / "f0.bin", (seconds, seconds))
        assert desk.dlm("sync", "--check").code == 7
        desk.dlm("sync", "--force").ok()
        rot(blob(desk, "f1.bin"))
        assert desk.dlm("cache", "verify").code == 4
        desk.dlm("fetch").ok()
        assert world.paths[count:] == ["/f1.bin"]


def test_known_projects_are_noted(world: World, desk: Desk) -> None:
    project(world, desk)
    desk.dlm("lock").ok()
    (noted,) = desk.state.rglob("project.json")
    assert json.loads(noted.read_bytes())["lockfile"] == str(desk.lockfile)
