"""Two manifests in one folder that ask for one path: neither removes or overwrites what is the other's, too."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from tests.functional.test_extract import NEWER, offer
from tests.support.cli import Desk
from tests.support.world import World

A, B = b"a" * 500, b"b" * 700


def ask(desk: Desk, manifest: str, *resources: str) -> None:
    """Have a manifest ask for these."""
    desk.manifest("".join(["version: 1\n", "resources:\n" if resources else "resources: []\n", *resources]), manifest)


def file(world: World, body: bytes = A, *, dest: str = "in/shared") -> str:
    url = world.file(f"/{body[:1].decode()}.csv", body)
    return f"- {{name: it, url: '{url}', dest: {dest}}}\n"


def folder(world: World) -> str:
    return f"- {{name: tool, url: '{offer(world)}', dest: vendor/tool, extract: true}}\n"


def sync(desk: Desk, manifest: str, *flags: str, code: int = 0) -> str:
    """What a sync by one manifest says."""
    run = desk.dlm("sync", "-f", manifest, *flags)
    assert run.code == code, str(run)
    return run.err


def placed(desk: Desk) -> dict[str, bytes]:
    """The tree without manifests and lockfiles."""
    return {path: body for path, body in desk.tree().items() if "/" in path}


@pytest.mark.promise(5)
@pytest.mark.parametrize("what", [file, folder])
@pytest.mark.parametrize("flags", [(), ("--force",)])
def test_what_another_manifest_asks_for_is_forgotten_and_not_removed(
    world: World, desk: Desk, what: Callable[[World], str], flags: tuple[str, ...]
) -> None:
    resource = what(world)
    for name in ("a.yaml", "b.yaml"):
        ask(desk, name, resource)
        sync(desk, name)
    tree = placed(desk)
    assert tree
    ask(desk, "a.yaml")
    dest = "in/shared" if what is file else "vendor/tool"
    said = f"{dest}: dlm placed it for b.lock, too, so it stays"
    assert said in sync(desk, "a.yaml", "--dry-run", *flags)
    run = sync(desk, "a.yaml", *flags)
    assert (said in run, "removed 0" in run or "in sync" in run.lower()) == (True, True), run
    assert placed(desk) == tree
    # It is b's alone by now, and a has nothing more to say of it.
    assert "b.lock" not in sync(desk, "a.yaml", *flags)
    assert placed(desk) == tree
    assert desk.dlm("sync", "-f", "b.yaml", "--check").code == 0
    ask(desk, "b.yaml")
    assert "removed 1" in sync(desk, "b.yaml")
    assert placed(desk) == {}


@pytest.mark.promise(5)
@pytest.mark.parametrize("what", [file, folder])
@pytest.mark.parametrize("flags", [(), ("--force",)])
def test_a_clean_leaves_what_another_manifest_asks_for_and_says_so(
    world: World, desk: Desk, what: Callable[[World], str], flags: tuple[str, ...]
) -> None:
    shared, own = what(world), file(world, B, dest="in/own")
    ask(desk, "a.yaml", shared)
    ask(desk, "b.yaml", shared, own.replace("name: it", "name: own"))
    sync(desk, "a.yaml")
    tree = placed(desk)
    sync(desk, "b.yaml")
    dest = "in/shared" if what is file else "vendor/tool"
    said = f"{dest}: dlm placed it for a.lock, too, so it stays\n"
    dry = desk.dlm("clean", "-f", "b.yaml", "--dry-run", *flags).ok().err
    assert (said in dry, "Would remove 1 file" in dry) == (True, True), dry
    run = desk.dlm("clean", "-f", "b.yaml", *flags).ok().err
    assert (said in run, "Removed 1 file" in run, "warning" in run) == (True, True, False), run
    assert placed(desk) == tree
    assert "a.lock" not in desk.dlm("clean", "-f", "b.yaml").ok().err
    desk.dlm("clean", "-f", "a.yaml").ok()
    assert placed(desk) == {}


@pytest.mark.promise(5)
def test_it_is_told_to_programs(world: World, desk: Desk) -> None:
    for name in ("a.yaml", "b.yaml"):
        ask(desk, name, file(world))
        sync(desk, name)
    found = desk.dlm("clean", "-f", "b.yaml", "--format", "json").ok().document
    assert found["result"]["left"] == [{"dest": "in/shared", "reason": "dlm placed it for a.lock, too"}]
    assert found["warnings"] == []


@pytest.mark.promise(5)
def test_an_edited_file_is_no_less_the_others(world: World, desk: Desk) -> None:
    for name in ("a.yaml", "b.yaml"):
        ask(desk, name, file(world))
        sync(desk, name)
    (desk.root / "in" / "shared").write_bytes(b"edited")
    ask(desk, "a.yaml")
    assert "dlm placed it for b.lock, too" in sync(desk, "a.yaml", "--force")
    assert placed(desk) == {"in/shared": b"edited"}


def test_a_manifest_that_is_gone_asks_for_nothing(world: World, desk: Desk) -> None:
    for name in ("a.yaml", "b.yaml"):
        ask(desk, name, file(world))
        sync(desk, name)
    ask(desk, "a.yaml")
    for name in ("b.yaml", "b.lock"):
        (desk.root / name).unlink()
    assert "removed 1" in sync(desk, "a.yaml")
    assert placed(desk) == {}


@pytest.mark.promise(5)
@pytest.mark.parametrize("gone", ["b.yaml", "b.lock"])
def test_one_document_is_enough_to_ask(world: World, desk: Desk, gone: str) -> None:
    for name in ("a.yaml", "b.yaml"):
        ask(desk, name, file(world))
        sync(desk, name)
    ask(desk, "a.yaml")
    (desk.root / gone).unlink()
    assert "dlm placed it for b.lock, too" in sync(desk, "a.yaml")
    assert placed(desk) == {"in/shared": A}


@pytest.mark.promise(5)
@pytest.mark.parametrize("both", [True, False])
def test_other_bytes_do_not_take_the_place_of_what_another_manifest_placed(
    world: World, desk: Desk, *, both: bool
) -> None:
    """Whether the path was this manifest's as well, with the same bytes, or not."""
    ask(desk, "a.yaml", file(world))
    sync(desk, "a.yaml")
    if both:
        ask(desk, "b.yaml", file(world))
        sync(desk, "b.yaml")
    ask(desk, "b.yaml", file(world, B))
    err = sync(desk, "b.yaml", code=1)
    assert "it: in/shared: dlm placed what stands there for a.lock\n" in err
    assert "give one of the two another dest, or run `dlm sync --force` to overwrite it" in err
    assert placed(desk) == {"in/shared": A}
    sync(desk, "b.yaml", "--force")
    assert placed(desk) == {"in/shared": B}
    assert "dlm placed what stands there for b.lock" in sync(desk, "a.yaml", code=1)


@pytest.mark.parametrize("gone", [True, False])
def test_two_that_come_to_ask_for_the_same_new_bytes_agree(world: World, desk: Desk, *, gone: bool) -> None:
    """Both are locked anew, and then one after the other is synced; or the one has no use for the path any more."""
    for name in ("a.yaml", "b.yaml"):
        ask(desk, name, file(world))
        sync(desk, name)
    ask(desk, "a.yaml", file(world, B))
    ask(desk, "b.yaml", *(() if gone else [file(world, B)]))
    assert "dlm placed what stands there for b.lock" in sync(desk, "a.yaml", code=1), "it is not locked yet"
    desk.dlm("lock", "-f", "b.yaml").ok()
    sync(desk, "a.yaml")
    assert placed(desk) == {"in/shared": B}
    sync(desk, "b.yaml")
    assert placed(desk) == {"in/shared": B}
    for name in ("a.yaml", "b.yaml"):
        assert desk.dlm("sync", "-f", name, "--check").code == 0


@pytest.mark.promise(5)
@pytest.mark.parametrize("text", [None, "{"])
def test_a_lockfile_that_says_nothing_agrees_to_nothing(world: World, desk: Desk, text: str | None) -> None:
    for name in ("a.yaml", "b.yaml"):
        ask(desk, name, file(world))
        sync(desk, name)
    (desk.root / "b.lock").unlink()
    if text is not None:
        (desk.root / "b.lock").write_text(text)
    ask(desk, "a.yaml", file(world, B))
    assert "dlm placed what stands there for b.lock" in sync(desk, "a.yaml", code=1)


@pytest.mark.promise(5)
def test_a_folder_with_other_content_does_not_either(world: World, desk: Desk) -> None:
    old = folder(world)
    new = old.replace("/tool-1", "/tool-2").replace(offer(world), offer(world, NEWER, "/tool-2.0.tar.gz"))
    for name in ("a.yaml", "b.yaml"):
        ask(desk, name, old)
        sync(desk, name)
    tree = placed(desk)
    ask(desk, "b.yaml", new)
    assert "vendor/tool: dlm placed what stands there for a.lock" in sync(desk, "b.yaml", code=1)
    assert placed(desk) == tree
    # The same archive is not enough: what comes out of it has to be the same.
    ask(desk, "a.yaml", new.replace("extract: true", "extract: {strip: 1}"))
    desk.dlm("lock", "-f", "a.yaml").ok()
    assert "vendor/tool: dlm placed what stands there for a.lock" in sync(desk, "b.yaml", code=1)
    ask(desk, "a.yaml", new)
    desk.dlm("lock", "-f", "a.yaml").ok()
    sync(desk, "b.yaml")
    sync(desk, "a.yaml")
    assert placed(desk).keys() != tree.keys()


@pytest.mark.promise(5)
def test_nor_does_it_make_way(world: World, desk: Desk) -> None:
    for name in ("a.yaml", "b.yaml"):
        ask(desk, name, file(world))
        sync(desk, name)
    ask(desk, "a.yaml", file(world, dest="in/shared/"))
    for flags in ((), ("--force",)):
        err = sync(desk, "a.yaml", *flags, code=1)
        assert "in/shared: dlm placed it for b.lock, too, and in/shared/a.csv needs its place" in err
        assert "hint: give one of the two another dest\n" in err
        assert placed(desk) == {"in/shared": A}


def test_what_is_wanted_in_another_way_may_change_though_two_ask_for_it(world: World, desk: Desk) -> None:
    """The bytes are what the other one asks for."""
    for name in ("a.yaml", "b.yaml"):
        ask(desk, name, file(world))
        sync(desk, name)
    sync(desk, "a.yaml", "--link", "hardlink")
    ask(desk, "a.yaml", file(world).replace("dest:", "executable: true, dest:"))
    sync(desk, "a.yaml")
    assert placed(desk) == {"in/shared": A}


#: Says when the project is listed, and when the state's record of one is read.
LISTED = """
import os, sys
sys.path.remove("")  # the project: Python lists it, too
def hook(event, args):
    if event == "os.listdir" and os.path.basename(args[0]) == "project":
        print("listed", file=sys.stderr)
    if event == "open" and args[1] and "r" in args[1] and os.path.basename(args[0]) == "ownership.json":
        print("read", file=sys.stderr)
sys.addaudithook(hook)
from dlm.__main__ import main
sys.exit(main())
"""


def test_nobody_looks_for_other_manifests_before_something_may_go(world: World, desk: Desk) -> None:
    def looked() -> tuple[int, int]:
        err = desk.dlm("sync", "--frozen", program=[sys.executable, "-c", LISTED]).ok().err
        return err.count("listed\n"), err.count("read\n")

    lockfiles: list[bytes] = []
    for body in (A, B):
        ask(desk, "downloads.yaml", file(world, body))
        desk.dlm("lock").ok()
        lockfiles.append(desk.lockfile.read_bytes())
    (desk.root / "b.lock").write_bytes(lockfiles[0])
    desk.lockfile.write_bytes(lockfiles[0])
    assert looked() == (0, 1), "all is new"
    assert looked() == (0, 1), "all is there"
    desk.lockfile.write_bytes(lockfiles[1])
    assert looked() == (1, 1), "its own record, though there is another lockfile that nothing was placed for"
    assert placed(desk) == {"in/shared": B}
