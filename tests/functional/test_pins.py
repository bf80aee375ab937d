"""What is pinned by size as well as by digest is held to both, wherever the bytes come from."""

from __future__ import annotations

import hashlib
import io
import shutil
import tarfile

import pytest

from tests.support.cli import Desk
from tests.support.world import World

TEN = b"0123456789"
WRONG = "a.bin: a size of 11 bytes was expected, the bytes with this digest are 10"
ACCEPT = "if the new bytes are wanted: dlm lock --accept-hash a.bin"


def _with_other_size(desk: Desk, old: int, new: int) -> None:
    text = desk.lockfile.read_text(encoding="utf-8")
    assert f'"size": {old}' in text
    desk.lockfile.write_text(text.replace(f'"size": {old}', f'"size": {new}'), encoding="utf-8")


def _locked_with_eleven(desk: Desk, world: World, more: str = "") -> None:
    """A project whose lockfile says eleven where the cache has ten bytes."""
    url = world.file("/a.bin", TEN)
    desk.manifest(f"version: 1\nresources: [{{url: '{url}'{more}}}]\n")
    desk.dlm("lock").ok()
    _with_other_size(desk, 10, 11)


@pytest.mark.parametrize("arguments", [("sync", "--locked"), ("sync", "--frozen"), ("sync",), ("fetch",), ("verify",)])
def test_a_locked_size_is_held_against_the_cache(desk: Desk, world: World, arguments: tuple[str, ...]) -> None:
    _locked_with_eleven(desk, world)
    begun = world.count
    for _ in range(2):
        run = desk.dlm(*arguments)
        assert run.code == 4, str(run)
        assert WRONG in run.err
        assert ACCEPT in run.err
        assert "a.bin" not in desk.tree()
    assert world.count == begun, "the same bytes would come again"
    assert desk.dlm(*arguments, "--format", "json").document["errors"][0]["kind"] == "integrity"


@pytest.mark.parametrize("link", ["copy", "hardlink", "symlink"])
def test_a_locked_size_is_held_against_the_tree(desk: Desk, world: World, link: str) -> None:
    url = world.file("/a.bin", TEN)
    desk.manifest(f"version: 1\nresources: [{{url: '{url}', link: {link}}}]\n")
    desk.dlm("sync").ok()
    desk.dlm("sync").ok()
    _with_other_size(desk, 10, 11)
    begun = world.count
    for arguments in (("sync",), ("sync", "--locked"), ("sync", "--check"), ("sync", "--dry-run"), ("path", "a.bin")):
        run = desk.dlm(*arguments)
        assert run.code == 4, str(run)
        assert WRONG in run.err
    if link == "copy":
        shutil.rmtree(desk.cache)
        for arguments in (("sync", "--locked"), ("verify",), ("path", "a.bin")):
            run = desk.dlm(*arguments)
            assert run.code == 4, str(run)
            assert WRONG in run.err
    assert world.count == begun
    assert (desk.root / "a.bin").read_bytes() == TEN, "nothing is taken away for it"


def test_the_hint_puts_it_right(desk: Desk, world: World) -> None:
    _locked_with_eleven(desk, world)
    desk.dlm("lock", "--accept-hash", "a.bin").ok()
    desk.dlm("sync", "--locked").ok()
    desk.dlm("verify").ok()
    assert desk.entry("a.bin")["artifacts"][0]["size"] == 10


def test_the_size_of_an_archive_counts_when_its_folder_stands(desk: Desk, world: World) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        member = tarfile.TarInfo("one.txt")
        member.size = len(TEN)
        archive.addfile(member, io.BytesIO(TEN))
    url = world.file("/a.tar", buffer.getvalue())
    desk.manifest(f"version: 1\nresources: [{{url: '{url}', dest: out, extract: true}}]\n")
    desk.dlm("sync").ok()
    _with_other_size(desk, len(buffer.getvalue()), 11)
    assert desk.dlm("sync").code == 4
    assert desk.dlm("path", "a.tar").code == 4


def test_one_of_two_pins_of_the_same_bytes_is_wrong(desk: Desk, world: World) -> None:
    """The bytes come for the right one; that makes the wrong one no better."""
    one, two = world.file("/a.bin", TEN), world.file("/b.bin", TEN)
    desk.manifest(f"version: 1\nresources: [{one}, {two}]\n")
    desk.dlm("lock").ok()
    text = desk.lockfile.read_text(encoding="utf-8")
    before, last = text.rsplit('"size": 10', 1)
    desk.lockfile.write_text(f'{before}"size": 11{last}', encoding="utf-8")
    shutil.rmtree(desk.cache)
    run = desk.dlm("sync", "--locked")
    assert run.code == 4, str(run)
    assert "b.bin: a size of 11 bytes was expected" in run.err
    assert desk.tree() == {}
    run = desk.dlm("sync", "--locked", "--keep-going")
    assert run.code == 4
    assert list(desk.tree()) == ["a.bin"]


def test_what_is_optional_and_has_another_size_is_a_warning(desk: Desk, world: World) -> None:
    _locked_with_eleven(desk, world, ", optional: true")
    for arguments in (("sync", "--locked"), ("fetch",)):
        run = desk.dlm(*arguments).ok()
        assert "optional, and could not be had: a size of 11 bytes was expected" in run.err
        assert desk.tree() == {}


@pytest.mark.parametrize("verb", ["sync", "fetch"])
def test_a_digest_of_the_manifest_is_corrected_in_the_manifest(either: Desk, world: World, verb: str) -> None:
    """No flag makes other bytes acceptable where the manifest says what they must be."""
    url = world.file("/a.bin", TEN)
    wrong = hashlib.sha256(b"other").hexdigest()
    either.manifest(f"version: 1\nresources: [{{url: '{url}', size: 10, sha256: {wrong}}}]\n")
    either.dlm("lock").ok()
    for arguments in ((verb,), (verb, "--locked")):
        run = either.dlm(*arguments)
        assert run.code == 4, str(run)
        assert "hint: if the new bytes are right, correct the digest or size in downloads.yaml" in run.err
        assert "--accept-hash" not in run.err


def test_a_file_of_many_that_the_manifest_pins_is_to_be_put_right_there(world: World, desk: Desk) -> None:
    """From the lockfile alone, too, which keeps of many files no more than that."""
    base = world.file("/many/a.bin", TEN).removesuffix("a.bin")
    pin = hashlib.sha256(TEN).hexdigest()
    desk.manifest(f"version: 1\nresources: [{{name: many, base: '{base}', files: {{a.bin: 'sha256:{pin}'}}}}]\n")
    desk.dlm("lock").ok()
    desk.dlm("cache", "clean").ok()
    world.file("/many/a.bin", b"9876543210")
    for mode in ("--locked", "--frozen"):
        run = desk.dlm("sync", mode)
        assert run.code == 4
        assert "hint: if the new bytes are right, correct the digest or size in downloads.yaml" in run.err
