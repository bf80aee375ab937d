"""``extract:`` as a user sees it: archives become folders that dlm owns, members become files."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import json
import lzma
import os
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
import zstandard

from tests.support.archives import TarItem, tar_bytes
from tests.support.cli import Desk, Ran
from tests.support.world import World

TOOL = {
    "tool-1.0/README": b"read me\n",
    "tool-1.0/bin/tool": b"#!/bin/sh\necho 1.0\n",
    "tool-1.0/bin/extra": b"#!/bin/sh\necho extra\n",
    "tool-1.0/share/data.txt": b"data 1.0\n",
}
NEWER = {**TOOL, "tool-1.0/bin/tool": b"#!/bin/sh\necho 2.0\n", "tool-1.0/share/more.txt": b"more\n"}


def tar(members: Mapping[str, bytes]) -> bytes:
    """A tar file; what lies in ``bin`` may be run."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, body in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(body)
            info.mode = 0o755 if "/bin/" in name else 0o644
            archive.addfile(info, io.BytesIO(body))
    return out.getvalue()


def zipped(members: Mapping[str, bytes]) -> bytes:
    """The same as a zip file."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in members.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = ((0o100755 if "/bin/" in name else 0o100644) & 0xFFFF) << 16
            archive.writestr(info, body)
    return out.getvalue()


PACKINGS = {
    "tar": tar(TOOL),
    "tar.gz": gzip.compress(tar(TOOL), mtime=0),
    "tar.bz2": bz2.compress(tar(TOOL)),
    "tar.xz": lzma.compress(tar(TOOL)),
    "tar.zst": zstandard.ZstdCompressor().compress(tar(TOOL)),
    "zip": zipped(TOOL),
}


def resource(url: str, extract: str = "{strip: 1}", dest: str = "vendor/tool/", *more: str) -> str:
    """A manifest with one archive."""
    lines = [f"  url: {url}", f"  dest: {dest}", f"  extract: {extract}", *(f"  {line}" for line in more)]
    return "version: 1\nresources:\n- name: tool\n" + "\n".join(lines) + "\n"


def stripped(members: Mapping[str, bytes]) -> dict[str, bytes]:
    """What comes out with ``strip: 1``, below the folder."""
    return {f"vendor/tool/{name.partition('/')[2]}": body for name, body in members.items()}


def leftovers(desk: Desk) -> list[str]:
    """Temporary names that lie about in the project."""
    return [str(path) for path in desk.root.rglob(".dlm-*")]


def offer(world: World, members: Mapping[str, bytes] = TOOL, path: str = "/tool-1.0.tar.gz") -> str:
    """Serve a tar.gz; its URL."""
    return world.file(path, gzip.compress(tar(members), mtime=0))


@pytest.fixture
def placed(world: World, desk: Desk) -> Desk:
    """A project whose archive is in place."""
    desk.manifest(resource(offer(world)))
    desk.dlm("sync").ok()
    assert desk.tree() == stripped(TOOL)
    return desk


def in_sync(desk: Desk) -> Ran:
    """A sync that has nothing to do, and says so."""
    run = desk.dlm("sync").ok()
    assert "In sync: 1 file in place." in run.err, str(run)
    return run


@pytest.mark.parametrize("packing", PACKINGS)
def test_every_packing_comes_out_the_same(world: World, desk: Desk, packing: str) -> None:
    url = world.file(f"/tool.{packing}", PACKINGS[packing])
    desk.manifest(resource(url))
    desk.dlm("sync").ok()
    assert desk.tree() == stripped(TOOL)
    assert stat.S_IMODE((desk.root / "vendor/tool/bin/tool").stat().st_mode) & stat.S_IXUSR
    assert not stat.S_IMODE((desk.root / "vendor/tool/README").stat().st_mode) & stat.S_IXUSR
    extracted = desk.entry("tool")["artifacts"][0]["extracted"]
    assert extracted["files"] == len(TOOL)
    other = desk.base / "other"
    # One tree digest, however it was packed.
    second = Desk(other, desk.variables)
    second.manifest(resource(offer(world)))
    second.dlm("lock").ok()
    assert second.entry("tool")["artifacts"][0]["extracted"] == extracted


def test_the_lockfile_says_what_comes_out(world: World, desk: Desk) -> None:
    desk.manifest(resource(offer(world), "{strip: 1, include: ['bin/*', README], exclude: [bin/extra]}"))
    desk.dlm("lock").ok()
    entry = desk.entry("tool")
    assert entry["request"]["extract"] == {"exclude": ["bin/extra"], "include": ["README", "bin/*"], "strip": 1}
    artifact = entry["artifacts"][0]
    assert artifact["dest"] == "vendor/tool"
    assert artifact["extracted"]["files"] == 2
    assert list(artifact)[:7] == ["filename", "url", "dest", "size", "digests", "extracted", "headers"]
    assert not (desk.root / "vendor").exists()
    desk.dlm("sync", "--locked").ok()
    wanted = stripped(TOOL)
    assert desk.tree() == {f"vendor/tool/{name}": wanted[f"vendor/tool/{name}"] for name in ("README", "bin/tool")}


def test_the_no_op_needs_neither_archive_nor_network(world: World, placed: Desk) -> None:
    shutil.rmtree(placed.cache)
    requests = world.count
    before = (placed.root / "vendor/tool/README").stat()
    in_sync(placed)
    placed.dlm("sync", "--frozen", "--offline").ok()
    assert placed.dlm("sync", "--check").code == 0
    assert placed.dlm("verify").code == 0
    assert world.count == requests
    after = (placed.root / "vendor/tool/README").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_a_new_archive_swaps_the_folder(world: World, placed: Desk) -> None:
    placed.manifest(resource(offer(world, NEWER, "/tool-2.0.tar.gz")))
    run = placed.dlm("sync").ok()
    assert " ~ vendor/tool" in run.err
    assert placed.tree() == stripped(NEWER)
    assert leftovers(placed) == []
    in_sync(placed)
    placed.manifest(resource(offer(world)))
    placed.dlm("sync").ok()
    assert placed.tree() == stripped(TOOL), "what the newer archive had more is gone"


def test_another_wish_is_locked_without_the_network(world: World, placed: Desk) -> None:
    requests = world.count
    placed.manifest(resource(f"{world.url}/tool-1.0.tar.gz", "{strip: 1, include: [README]}"))
    placed.dlm("sync", "--offline").ok()
    assert world.count == requests
    assert placed.tree() == {"vendor/tool/README": TOOL["tool-1.0/README"]}
    assert placed.entry("tool")["artifacts"][0]["extracted"]["files"] == 1


def test_another_wish_without_the_archive_is_settled_once_it_is_there(world: World, placed: Desk) -> None:
    shutil.rmtree(placed.cache)
    requests = world.count
    placed.manifest(resource(f"{world.url}/tool-1.0.tar.gz", "{strip: 1, include: [README]}"))
    placed.dlm("lock").ok()
    assert world.count == requests
    assert "extracted" not in placed.entry("tool")["artifacts"][0]
    placed.dlm("sync").ok()
    assert placed.tree() == {"vendor/tool/README": TOOL["tool-1.0/README"]}
    assert placed.entry("tool")["artifacts"][0]["extracted"]["files"] == 1
    in_sync(placed)


def test_a_folder_that_nobody_asks_for_goes(placed: Desk) -> None:
    placed.manifest("version: 1\nresources: []\n")
    run = placed.dlm("sync").ok()
    assert " - vendor/tool" in run.err
    assert not (placed.root / "vendor").exists()


def test_a_folder_that_moves_leaves_its_old_place(world: World, placed: Desk) -> None:
    placed.manifest(resource(f"{world.url}/tool-1.0.tar.gz", dest="elsewhere/tool"))
    placed.dlm("sync").ok()
    assert set(placed.tree()) == {name.replace("vendor", "elsewhere") for name in stripped(TOOL)}
    assert not (placed.root / "vendor").exists()


def test_clean_removes_it(placed: Desk) -> None:
    placed.dlm("clean").ok()
    assert not (placed.root / "vendor").exists()


@pytest.mark.promise(5)
def test_an_edited_folder_is_not_replaced(world: World, placed: Desk) -> None:
    edited = placed.root / "vendor/tool/share/data.txt"
    edited.write_bytes(b"mine\n")
    run = placed.dlm("sync")
    assert run.code == 1
    assert "share/data.txt was changed" in run.err
    placed.manifest(resource(offer(world, NEWER, "/tool-2.0.tar.gz")))
    run = placed.dlm("sync")
    assert run.code == 1
    assert "vendor/tool: the folder was edited since dlm unpacked it" in run.err
    assert "share/data.txt was changed" in run.err
    assert edited.read_bytes() == b"mine\n"
    placed.dlm("sync", "--force").ok()
    assert placed.tree() == stripped(NEWER)


@pytest.mark.promise(5)
def test_path_says_what_puts_an_edited_folder_right(placed: Desk) -> None:
    (placed.root / "vendor/tool/share/data.txt").write_bytes(b"mine\n")
    run = placed.dlm("path", "tool")
    assert run.code == 7
    assert "hint: move it away, or run `dlm sync --force` to overwrite it" in run.err
    assert placed.dlm("sync").code == 1
    placed.dlm("sync", "--force").ok()
    placed.dlm("path", "tool").ok()
    shutil.rmtree(placed.root / "vendor/tool")
    run = placed.dlm("path", "tool")
    assert run.code == 7
    assert "hint: run `dlm sync`" in run.err
    placed.dlm("sync").ok()
    placed.dlm("path", "tool").ok()


def test_an_edited_folder_that_nobody_asks_for_stays(placed: Desk) -> None:
    edited = placed.root / "vendor/tool/README"
    edited.write_bytes(b"mine\n")
    placed.manifest("version: 1\nresources: []\n")
    run = placed.dlm("sync").ok()
    assert "vendor/tool" in run.err
    assert "README was changed" in run.err
    assert edited.read_bytes() == b"mine\n"


@pytest.mark.promise(5)
def test_a_folder_of_somebody_else_is_not_replaced(world: World, desk: Desk) -> None:
    stranger = desk.root / "vendor/tool/mine.txt"
    stranger.parent.mkdir(parents=True)
    stranger.write_bytes(b"mine\n")
    desk.manifest(resource(offer(world)))
    run = desk.dlm("sync")
    assert run.code == 1
    assert "a folder stands there that dlm did not make" in run.err
    assert desk.tree() == {"vendor/tool/mine.txt": b"mine\n"}


def test_an_empty_folder_is_filled(world: World, desk: Desk) -> None:
    (desk.root / "vendor/tool").mkdir(parents=True)
    desk.manifest(resource(offer(world)))
    desk.dlm("sync").ok()
    assert desk.tree() == stripped(TOOL)


def test_a_folder_that_is_right_is_taken_over(world: World, placed: Desk) -> None:
    shutil.rmtree(placed.state)
    in_sync(placed)
    placed.manifest(resource(offer(world, NEWER, "/tool-2.0.tar.gz")))
    placed.dlm("sync").ok()
    assert placed.tree() == stripped(NEWER)


@pytest.mark.promise(5)
def test_what_somebody_adds_stays_and_is_said(placed: Desk) -> None:
    added = placed.root / "vendor/tool/share/cache.pyc"
    added.write_bytes(b"made by a program")
    for _ in range(2):
        run = placed.dlm("sync").ok()
        assert "share/cache.pyc was added" in run.err
    assert placed.dlm("path", "tool").ok().out.strip() == "…/project/vendor/tool"
    assert placed.dlm("verify").code == 7
    added.unlink()
    in_sync(placed)


def test_verify_says_what_differs_and_repairs_it(placed: Desk) -> None:
    (placed.root / "vendor/tool/README").unlink()
    (placed.root / "vendor/tool/bin/tool").write_bytes(b"broken")
    run = placed.dlm("verify")
    assert run.code == 7
    assert "README is missing" in run.err
    assert "bin/tool was changed" in run.err
    placed.dlm("verify", "--repair").ok()
    assert placed.tree() == stripped(TOOL)
    assert placed.dlm("verify").code == 0


def test_verify_reads_every_file(placed: Desk) -> None:
    """Same size, same mtime, other bytes: what no signature shows, a hash does."""
    path = placed.root / "vendor/tool/README"
    before = path.stat()
    path.write_bytes(b"READ ME\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert placed.dlm("verify").code == 7


def test_path_list_and_show(placed: Desk) -> None:
    assert placed.dlm("path", "tool").ok().out.strip() == "…/project/vendor/tool"
    assert "placed" in placed.dlm("list").ok().out
    shown = placed.dlm("show", "tool").ok().out
    assert "extracted: 4 files, tree " in shown
    document = placed.dlm("show", "tool", "--format", "json").ok().document
    assert json.dumps(placed.entry("tool")["artifacts"][0]["extracted"]) in json.dumps(document)
    shutil.rmtree(placed.root / "vendor")
    assert "missing" in placed.dlm("list").ok().out
    assert placed.dlm("path", "tool").code == 7


HOSTILE = {
    "up": tar_bytes(TarItem(name="top/../../evil", body=b"evil")),
    "absolute": tar_bytes(TarItem(name="/top/evil", body=b"evil")),
    "link": tar_bytes(TarItem(name="top/link", kind=b"2", target="../../../etc")),
}


@pytest.mark.promise(6)
@pytest.mark.parametrize("how", HOSTILE)
def test_a_hostile_archive_is_refused(world: World, desk: Desk, how: str) -> None:
    url = world.file("/evil.tar", HOSTILE[how])
    desk.manifest(resource(url, "true"))
    for verb in ("lock", "sync"):
        run = desk.dlm(verb)
        assert run.code == 6, str(run)
        assert "tool: the archive is refused" in run.err
    assert desk.tree() == {}
    assert not desk.lockfile.exists()


@pytest.mark.promise(6)
def test_a_hostile_archive_that_the_manifest_vouches_for_is_refused_at_sync(world: World, desk: Desk) -> None:
    body = HOSTILE["up"]
    url = world.file("/evil.tar", body)
    pin = (f"sha256: {hashlib.sha256(body).hexdigest()}", f"size: {len(body)}")
    desk.manifest(resource(url, "true", "vendor/tool/", *pin))
    desk.dlm("lock").ok()
    assert "extracted" not in desk.entry("tool")["artifacts"][0]
    locked = desk.lockfile.read_bytes()
    for arguments in (("sync",), ("sync", "--frozen")):
        run = desk.dlm(*arguments)
        assert run.code == 6, str(run)
    assert desk.tree() == {}
    assert desk.lockfile.read_bytes() == locked


def test_what_the_manifest_vouches_for_is_filled_in(world: World, desk: Desk) -> None:
    body = gzip.compress(tar(TOOL), mtime=0)
    url = world.file("/tool.tar.gz", body)
    pin = (f"sha256: {hashlib.sha256(body).hexdigest()}", f"size: {len(body)}")
    desk.manifest(resource(url, "{strip: 1}", "vendor/tool/", *pin))
    desk.dlm("lock").ok()
    assert world.count == 0
    desk.dlm("sync", "--frozen").ok()
    assert desk.tree() == stripped(TOOL)
    desk.dlm("sync").ok()
    artifact = desk.entry("tool")["artifacts"][0]
    assert artifact["extracted"]["files"] == len(TOOL)
    assert "verified" not in artifact


def test_a_damaged_archive_is_code_1(world: World, desk: Desk) -> None:
    desk.manifest(resource(world.file("/tool.tar.gz", gzip.compress(tar(TOOL), mtime=0)[:-20])))
    run = desk.dlm("sync")
    assert run.code == 1
    assert "tool: the archive is damaged" in run.err
    assert desk.tree() == {}


def test_something_else_than_the_lockfile_says_is_code_4(world: World, desk: Desk) -> None:
    desk.manifest(resource(offer(world)))
    desk.dlm("lock").ok()
    document = desk.lock()
    document["resources"]["tool"]["artifacts"][0]["extracted"]["tree"] = "0" * 64
    desk.lockfile.write_text(json.dumps(document))
    run = desk.dlm("sync", "--frozen")
    assert run.code == 4, str(run)
    assert "tool:" in run.err
    assert desk.tree() == {}
    assert leftovers(desk) == []


@pytest.mark.parametrize("dest", ["tools/", "tools/tool"])
def test_one_member_to_one_file(world: World, desk: Desk, dest: str) -> None:
    desk.manifest(resource(offer(world), "{member: tool-1.0/bin/tool}", dest))
    desk.dlm("sync").ok()
    assert desk.tree() == {"tools/tool": TOOL["tool-1.0/bin/tool"]}
    assert (desk.root / "tools/tool").stat().st_mode & stat.S_IXUSR
    artifact = desk.entry("tool")["artifacts"][0]
    tree = hashlib.sha256(TOOL["tool-1.0/bin/tool"]).hexdigest()
    assert artifact["extracted"] == {"files": 1, "tree": tree, "executable": True}
    shutil.rmtree(desk.cache)
    in_sync(desk)
    assert desk.dlm("verify").code == 0
    assert desk.dlm("path", "tool").ok().out.strip() == "…/project/tools/tool"


@pytest.mark.parametrize("packing", ["gz", "bz2", "xz", "zst"])
def test_a_single_compressed_file(world: World, desk: Desk, packing: str) -> None:
    body = b"a,b\n1,2\n" * 1000
    packed = {
        "gz": gzip.compress(body, mtime=0),
        "bz2": bz2.compress(body),
        "xz": lzma.compress(body),
        "zst": zstandard.ZstdCompressor().compress(body),
    }[packing]
    desk.manifest(resource(world.file(f"/iris.csv.{packing}", packed), "true", "data/"))
    desk.dlm("sync").ok()
    assert desk.tree() == {"data/iris.csv": body}
    in_sync(desk)
    edited = desk.root / "data/iris.csv"
    edited.write_bytes(b"mine")
    assert desk.dlm("verify").code == 7
    desk.dlm("verify", "--repair").ok()
    assert edited.read_bytes() == body


def test_from_file_to_folder_and_back(world: World, desk: Desk) -> None:
    url = offer(world)
    plain = f"version: 1\nresources:\n- name: tool\n  url: {url}\n  dest: vendor/tool\n"
    for _ in range(2):
        desk.manifest(plain)
        desk.dlm("sync").ok()
        assert list(desk.tree()) == ["vendor/tool"]
        desk.manifest(resource(url, dest="vendor/tool"))
        desk.dlm("sync").ok()
        assert desk.tree() == stripped(TOOL)
        assert leftovers(desk) == []


def test_a_dry_run_and_a_check_change_nothing(world: World, desk: Desk) -> None:
    desk.manifest(resource(offer(world)))
    desk.dlm("lock").ok()
    run = desk.dlm("sync", "--dry-run").ok()
    assert " + vendor/tool" in run.err
    assert desk.dlm("sync", "--check").code == 7
    assert desk.tree() == {}


WRONG = {
    "no folder": ("dest: ''\n  extract: true", "an archive becomes a folder of its own"),
    "unknown key": ("dest: x/\n  extract: {stripp: 1}", "unknown key 'stripp'"),
    "not so": ("dest: x/\n  extract: 'yes'", "expected true or false or a mapping"),
    "pattern": ("dest: x/\n  extract: {include: [/bin]}", "is no path of a member"),
    "nothing": ("dest: x/\n  extract: {include: []}", "nothing is included"),
    "both": ("dest: x/\n  extract: {member: a, strip: 1}", "member names one file by itself"),
    "link": ("dest: x/\n  extract: true\n  link: symlink", "nothing to link"),
    "program": ("dest: x/\n  extract: true\n  executable: true", "the archive says which"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_the_manifest_cannot_mean(desk: Desk, case: str) -> None:
    lines, words = WRONG[case]
    desk.manifest(f"version: 1\nresources:\n- url: https://example.org/a.tar.gz\n  {lines}\n")
    run = desk.dlm("lock", "--check")
    assert run.code == 2, str(run)
    assert words in run.err, str(run)


def test_nobody_else_has_a_place_in_the_folder(desk: Desk) -> None:
    desk.manifest(
        "version: 1\nresources:\n"
        "- {url: 'https://example.org/a.tar.gz', dest: vendor/a/, extract: true}\n"
        "- {url: 'https://example.org/b.txt', dest: vendor/a/}\n"
    )
    run = desk.dlm("lock", "--check")
    assert run.code == 2
    assert "cannot both exist" in run.err


MANY = {f"top/{number:03}": hashlib.sha256(b"%d" % number).digest() * 2048 for number in range(120)}


@pytest.mark.promise(2)
@pytest.mark.promise(3)
def test_killed_in_the_middle(world: World, desk: Desk) -> None:
    """Killed as soon as its journal is there, as soon as something is unpacked aside, and a little later."""
    old = {name: bytes(reversed(body)) for name, body in MANY.items()}
    urls = [offer(world, members, f"/many-{number}.tar.gz") for number, members in enumerate((old, MANY))]
    desk.manifest(resource(urls[1]))
    desk.dlm("lock").ok()
    desk.manifest(resource(urls[0]))
    desk.dlm("sync").ok()
    requests = world.count
    for aim in ("journal", "aside", "shown"):
        desk.manifest(resource(urls[1]))
        process = desk.start("sync")
        while process.poll() is None and not _reached(desk, aim):
            pass
        desk.kill(process)
        shown = {name: body for name, body in desk.tree().items() if "/.dlm-" not in name}
        assert shown in (stripped(old), stripped(MANY)), "neither the old folder nor the new one"
        run = desk.dlm("sync").ok()
        assert "edited" not in run.err
        assert desk.tree() == stripped(MANY)
        assert leftovers(desk) == []
        assert desk.dlm("verify").code == 0
        desk.manifest(resource(urls[0]))
        desk.dlm("sync").ok()
    assert all(request.get("if-none-match") for request in world.origin.requests[requests:])


def _reached(desk: Desk, aim: str) -> bool:
    if aim == "journal":
        return any(desk.state.rglob("journal.json"))
    if aim == "aside":
        return any((desk.root / "vendor").glob(".dlm-*/*"))
    path: Path = desk.root / "vendor/tool/000"
    return path.is_file() and path.read_bytes() == MANY["top/000"]
