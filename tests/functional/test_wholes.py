"""Many small files from a lockfile: their folders come whole, as if each file had been placed by itself."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.archives import TarItem, tar_bytes
from tests.support.cli import Desk, Ran, console_script
from tests.support.origin import Hold, Origin, Request, Response, Static, redirect
from tests.support.world import World

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="folders come whole on Linux alone")

#: Tells of every folder that is made for spares, and of every file that takes its place by itself.
TOLD = """
import os, re, sys
told = os.open(sys.argv.pop(1), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
def hook(event, args):
    # A process makes its blobs in a folder that is nobody else's.
    if event == "os.mkdir" and re.fullmatch("[0-9a-f]{32}", str(args[0])) and args[1] != 0o700:
        os.write(told, b"stage\\n")
    elif event == "os.rename" and str(args[1]).endswith(".bin"):
        os.write(told, b"file\\n")
sys.addaudithook(hook)
from dlm.__main__ import main
sys.exit(main())
"""


@pytest.fixture
def world() -> Iterator[World]:
    """An origin whose files take lanes."""
    with Origin() as origin:
        yield World(origin)


def body(name: str) -> bytes:
    return b"%s\n" % name.encode() * (len(name) + 3)


FLAT = [f"flat/{number}.bin" for number in range(200)]
NESTED = [f"a/{inner}/{number}.bin" for inner in ("x", "b/y", "b/z") for number in range(60)]
OUTER = ["a/1.bin", "a/b/2.bin", "top.bin"]


def manifest(world: World, names: Iterable[str], *, more: str = "", rest: str = "") -> str:
    """One resource with all of some files."""
    listed = "".join(f"    - {name}\n" for name in names)
    return f"version: 1\nresources:\n- name: many\n  base: {world.url}/\n{more}  files:\n{listed}{rest}"


def serve(world: World, names: Iterable[str]) -> dict[str, bytes]:
    for name in names:
        world.file(f"/{name}", body(name))
    return {name: body(name) for name in names}


def forget(desk: Desk) -> None:
    """Leave a project as somebody has it who gets manifest and lockfile from a colleague."""
    shutil.rmtree(desk.cache, ignore_errors=True)
    shutil.rmtree(desk.state, ignore_errors=True)
    for path in desk.root.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif not path.name.startswith("downloads."):
            path.unlink()


def prepared(world: World, desk: Desk, names: Iterable[str], *, more: str = "", rest: str = "") -> dict[str, bytes]:
    """A lockfile for some files that are served, and nothing else."""
    names = list(names)
    wanted = serve(world, names)
    desk.manifest(manifest(world, names, more=more, rest=rest))
    desk.dlm("lock").ok()
    forget(desk)
    return wanted


def told(desk: Desk, *arguments: str) -> tuple[Ran, int, int]:
    """Run a command in one process; how many folders it made for spares, and how many files came by themselves."""
    path = desk.base / "told"
    path.unlink(missing_ok=True)
    ran = desk.dlm(str(path), *arguments, "--jobs", "1", program=[sys.executable, "-c", TOLD])
    lines = path.read_text().split()
    return ran, lines.count("stage"), lines.count("file")


def check(desk: Desk, wanted: Mapping[str, bytes]) -> None:
    """All is there, known, and nothing is left over."""
    assert desk.tree() == wanted
    assert list(desk.root.rglob(".dlm-*")) == []
    assert list((desk.cache / "tmp").iterdir()) == []
    assert "In sync" in desk.dlm("sync").ok().err
    assert desk.dlm("sync", "--check").code == 0
    assert desk.dlm("verify").code == 0


@pytest.mark.parametrize("how", [(), ("--frozen",), ("--locked",)])
def test_missing_folders_come_whole(world: World, desk: Desk, how: tuple[str, ...]) -> None:
    wanted = prepared(world, desk, [*FLAT, *NESTED, *OUTER])
    ran, stages, files = told(desk, "sync", *how)
    ran.ok()
    # The first few come another way, and with them all of what some folder holds.
    assert 4 <= stages <= 6
    assert files == len(OUTER)
    check(desk, wanted)


def test_they_are_told_in_the_order_of_the_lockfile(world: World, desk: Desk) -> None:
    """However they came, and in whatever order."""
    names = sorted(FLAT)
    prepared(world, desk, names)
    for name in names[::7]:
        world.route(f"/{name}", redirect(world.file(f"/elsewhere/{name}", body(name))))  # which ends on no lane
    ran = desk.dlm("sync", "--format", "json").ok()
    assert [one["dest"] for one in json.loads(ran.out)["result"]["placed"]] == names


def test_they_look_like_files_that_came_by_themselves(world: World, desk: Desk) -> None:
    """Modes of files and folders are those that a plain copy has."""
    old = os.umask(0o027)
    try:
        wanted = prepared(world, desk, FLAT)
        assert told(desk, "sync")[1] == 1
        check(desk, wanted)
        whole = modes(desk.root / "flat")
        shutil.rmtree(desk.root / "flat")
        desk.dlm("sync").ok()  # from the cache
        check(desk, wanted)
        assert modes(desk.root / "flat") == whole == {0o750, 0o640}
    finally:
        os.umask(old)


def modes(folder: Path) -> set[int]:
    return {stat.S_IMODE(path.stat().st_mode) for path in [folder, *folder.iterdir()]}


@pytest.mark.parametrize("link", ["copy", "hardlink", "symlink", "reflink"])
def test_each_link_mode_is_kept(world: World, desk: Desk, link: str) -> None:
    wanted = prepared(world, desk, FLAT, more=f"  link: {link}\n")
    ran, stages, _ = told(desk, "sync")
    ran.ok()
    assert stages == (link == "copy")
    check(desk, wanted)
    assert (desk.root / "flat" / "3.bin").is_symlink() == (link == "symlink")


def test_programs_may_be_run(world: World, desk: Desk) -> None:
    wanted = prepared(world, desk, FLAT, more="  executable: true\n")
    desk.dlm("sync").ok()
    check(desk, wanted)
    assert all(os.access(desk.root / name, os.X_OK) for name in FLAT)


@pytest.mark.promise(4)
def test_an_edit_is_seen_and_stays(world: World, desk: Desk) -> None:
    wanted = prepared(world, desk, FLAT)
    desk.dlm("sync").ok()
    edited = desk.root / FLAT[3]
    edited.write_bytes(bytes(len(wanted[FLAT[3]])))
    assert desk.dlm("sync", "--check").code != 0
    assert desk.dlm("verify").code != 0
    assert desk.dlm("sync").code != 0
    assert edited.read_bytes() == bytes(len(wanted[FLAT[3]]))
    desk.dlm("sync", "--force").ok()
    check(desk, wanted)


def test_the_folders_go_when_nothing_is_wanted_in_them(world: World, desk: Desk) -> None:
    prepared(world, desk, [*FLAT, *NESTED])
    desk.dlm("sync").ok()
    (desk.root / "a" / "b" / "mine.txt").write_text("mine")
    desk.manifest(manifest(world, FLAT[:1]))
    desk.dlm("sync").ok()
    assert desk.tree() == {FLAT[0]: body(FLAT[0]), "a/b/mine.txt": b"mine"}
    assert sorted(path.name for path in (desk.root / "a").rglob("*")) == ["b", "mine.txt"]


def test_the_same_bytes_at_several_places(world: World, desk: Desk) -> None:
    twice = {name: body(name.rpartition("/")[2]) for name in (f.replace("flat", t) for f in FLAT for t in ("u", "v"))}
    twice["u/again.bin"] = twice["u/3.bin"]
    twice["top.bin"] = twice["u/4.bin"]
    for name, data in twice.items():
        world.file(f"/{name}", data)
    desk.manifest(manifest(world, twice))
    desk.dlm("lock").ok()
    forget(desk)
    desk.dlm("sync").ok()
    check(desk, twice)


def test_beside_what_was_at_hand(world: World, desk: Desk) -> None:
    """Half of a folder is in the cache already, and a large file comes another way."""
    large = hashlib.sha256(b"large").digest() * 70_000
    world.file("/flat/large.bin", large)
    wanted = {**serve(world, [*FLAT, *NESTED]), "flat/large.bin": large}
    desk.manifest(manifest(world, wanted))
    desk.dlm("sync").ok()
    shutil.rmtree(desk.root / "flat")
    for name in FLAT[::2]:
        sha256 = hashlib.sha256(body(name)).hexdigest()
        (desk.cache / "cas" / sha256[:2] / sha256).unlink()
    desk.dlm("sync").ok()
    check(desk, wanted)
    forget(desk)
    desk.dlm("sync").ok()
    check(desk, wanted)


def test_beside_an_archive(world: World, desk: Desk) -> None:
    archive = gzip.compress(tar_bytes(TarItem(name="inside.txt", body=b"inside")), mtime=0)
    world.file("/tool.tar.gz", archive)
    rest = f"- {{url: '{world.url}/tool.tar.gz', dest: flat/tool, extract: true}}\n"
    wanted = prepared(world, desk, FLAT, rest=rest)
    desk.dlm("sync").ok()
    check(desk, {**wanted, "flat/tool/inside.txt": b"inside"})


def test_groups_come_one_after_the_other(world: World, desk: Desk) -> None:
    wanted = serve(world, [*FLAT, *NESTED])
    listed = "".join(f"    - {name}\n" for name in FLAT)
    other = "".join(f"    - {name}\n" for name in NESTED)
    desk.manifest(
        f"version: 1\nresources:\n- name: flat\n  base: {world.url}/\n  files:\n{listed}"
        f"- name: nested\n  groups: [extra]\n  base: {world.url}/\n  files:\n{other}"
    )
    desk.dlm("lock").ok()
    forget(desk)
    desk.dlm("sync", "--group", "extra").ok()
    assert desk.tree() == {name: body(name) for name in NESTED}
    desk.dlm("sync").ok()
    check(desk, wanted)


def test_one_that_cannot_be_had_leaves_the_tree_as_it_was(world: World, desk: Desk) -> None:
    wanted = prepared(world, desk, FLAT)
    world.route(f"/{FLAT[5]}", Response(404))
    ran = desk.dlm("sync")
    assert ran.code != 0
    assert desk.tree() == {}
    assert [path.name for path in desk.root.iterdir() if path.is_dir()] == []
    assert list((desk.cache / "tmp").iterdir()) == []
    ran = desk.dlm("sync", "--keep-going")
    assert ran.code != 0
    assert desk.tree() == {name: data for name, data in wanted.items() if name != FLAT[5]}
    world.file(f"/{FLAT[5]}", wanted[FLAT[5]])
    desk.dlm("sync").ok()
    check(desk, wanted)


def test_what_could_be_had_comes_whole(world: World, desk: Desk) -> None:
    wanted = prepared(world, desk, FLAT)
    world.route(f"/{FLAT[5]}", Response(404))
    ran, stages, files = told(desk, "sync", "--keep-going")
    assert ran.code != 0
    assert (stages, files) == (1, 0)
    assert desk.tree() == {name: data for name, data in wanted.items() if name != FLAT[5]}


@pytest.mark.promise(4)
@pytest.mark.parametrize("made", ["folder", "file", "stranger", "empty", "link"])
def test_what_somebody_makes_while_it_fetches_stays(world: World, desk: Desk, made: str) -> None:
    wanted = prepared(world, desk, [*FLAT, *NESTED])
    place = desk.root / "flat"

    def meddle(request: Request) -> Response:
        if not os.path.lexists(place):
            if made == "file":
                place.write_bytes(b"mine")
            elif made == "link":
                (desk.root / "real").mkdir()
                place.symlink_to("real")
            else:
                place.mkdir()
                if made != "empty":
                    (place / ("7.bin" if made == "folder" else "mine.txt")).write_bytes(b"mine")
        return Static(body(FLAT[9]))(request)

    world.route(f"/{FLAT[9]}", meddle)
    ran = desk.dlm("sync")
    shown = desk.tree()
    if made == "folder":
        assert ran.code != 0
        assert shown == {**wanted, "flat/7.bin": b"mine"}
        return
    if made == "file":
        assert ran.code != 0
        assert shown == {"flat": b"mine"}, "nothing has changed"
        return
    ran.ok()
    if made == "link":
        wanted = {name.replace("flat", "real"): data for name, data in wanted.items()}
    assert shown == {**wanted, **({"flat/mine.txt": b"mine"} if made == "stranger" else {})}
    check(desk, shown)


def test_a_cache_that_is_emptied_while_it_fetches(world: World, desk: Desk) -> None:
    """Another process cleans the cache: the run may fail, and the next one completes it."""
    wanted = prepared(world, desk, FLAT)
    gate = world.origin.gate()
    world.route(f"/{FLAT[60]}", Response(body=[Hold(gate), body(FLAT[60])], length=len(body(FLAT[60]))))
    process = desk.start("sync")
    world.origin.wait_for(2 * len(FLAT))
    desk.dlm("cache", "clean").ok()
    gate.set()
    desk.end(process, "sync")
    for name, data in desk.tree().items():
        assert data == wanted[name]
    world.file(f"/{FLAT[60]}", body(FLAT[60]))
    desk.dlm("sync").ok()
    check(desk, wanted)


@pytest.mark.promise(3)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_stopped_while_it_fetches(world: World, desk: Desk, number: signal.Signals) -> None:
    """What is complete in the store is not asked for again; spares go, at the latest with the next run."""
    wanted = prepared(world, desk, FLAT)
    before = world.count
    gate = world.origin.gate()
    held = Response(body=[Hold(gate), body(FLAT[60])], length=len(body(FLAT[60])))
    world.route(f"/{FLAT[60]}", held)
    process = desk.start("sync")
    world.origin.wait_for(before + len(FLAT))
    temporary = desk.cache / "tmp"
    while process.poll() is None and len(list(temporary.glob("*/*.bin"))) < 20:
        pass
    assert process.poll() is None
    process.send_signal(number)
    process.communicate()
    assert desk.tree() == {}
    assert [path for path in desk.root.iterdir() if path.is_dir()] == []
    if number == signal.SIGKILL:
        [stage] = [path for path in folders_in(temporary) if path.stat().st_mode & 0o077]
        assert len(list(stage.iterdir())) >= 20
    else:
        # A second process is killed at whatever it is doing, so one file that was no blob yet may be there.
        assert folders_in(temporary) == []
        assert len(list(temporary.iterdir())) <= 1
    gate.set()
    world.file(f"/{FLAT[60]}", body(FLAT[60]))
    again = world.count
    desk.dlm("sync").ok()
    assert world.count - again < len(FLAT) - 20
    check(desk, wanted)


def folders_in(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []


def test_cleaning_takes_what_a_killed_run_left(world: World, desk: Desk) -> None:
    prepared(world, desk, FLAT)
    ran = desk.dlm("0", "sync", program=[sys.executable, "-c", KILLED])
    assert ran.code == -signal.SIGKILL, str(ran)
    assert folders_in(desk.cache / "tmp")
    desk.dlm("cache", "clean").ok()
    assert not desk.cache.exists()


#: Dies at the n-th thing that is done to names from the moment on when the journal is there, or right after a folder
#: has moved, when what is in it is listed.
KILLED = """
import os, signal, sys
left = int(sys.argv.pop(1))
begun = False
def hook(event, args):
    global left, begun
    if event in ("os.mkdir", "os.listdir", "os.rename", "os.remove", "os.rmdir"):
        if begun:
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
        elif event == "os.rename" and str(args[1]).endswith("journal.json"):
            begun = True
sys.addaudithook(hook)
from dlm.__main__ import main
sys.exit(main())
"""


@pytest.mark.promise(2)
@pytest.mark.promise(3)
def test_killed_at_every_step_of_placing(world: World, desk: Desk) -> None:
    """Whatever a kill leaves, every file shows its bytes or is not there, and the next run completes it."""
    wanted = prepared(world, desk, [*FLAT, *(name for name in NESTED if "/b/" in name), *OUTER])
    seen: set[int] = set()
    for step in range(100):
        forget(desk)
        ran = desk.dlm(str(step), "sync", "--jobs", "1", program=[sys.executable, "-c", KILLED])
        if ran.code == 0:
            break
        assert ran.code == -signal.SIGKILL, str(ran)
        shown = {name: data for name, data in desk.tree().items() if "/.dlm-" not in f"/{name}"}
        assert shown.items() <= wanted.items()
        seen.add(len(shown))
        desk.dlm("sync").ok()
        assert desk.tree() == wanted
        assert list(desk.root.rglob(".dlm-*")) == []
        # A run that has nothing to do does not write to the cache, and leaves the rest to one that does.
        left = list((desk.cache / "tmp").iterdir())
        assert not left or shown == wanted
    else:
        raise AssertionError("it never came to its end")
    assert {0, len(wanted)} <= seen
    check(desk, wanted)
    desk.manifest("version: 1\nresources: []\n")
    desk.dlm("sync").ok()
    assert [path for path in desk.root.iterdir() if path.is_dir()] == []


#: Dies at the next thing that is done to names when so many of some folders are there.
KILLED_AT = """
import os, signal, sys
folders, enough = sys.argv.pop(1).split(":"), int(sys.argv.pop(1))
def hook(event, args):
    if event in ("os.mkdir", "os.listdir", "os.rename", "os.remove", "os.rmdir"):
        if sum(map(os.path.isdir, folders)) == enough:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
from dlm.__main__ import main
sys.exit(main())
"""


@pytest.mark.promise(2)
@pytest.mark.promise(3)
@pytest.mark.parametrize(("moved", "files"), [(1, 60), (2, 120), (3, 320)])
def test_killed_between_two_folders(world: World, desk: Desk, moved: int, files: int) -> None:
    wanted = prepared(world, desk, [*FLAT, *(name for name in NESTED if "/b/" in name), *OUTER])
    program = [sys.executable, "-c", KILLED_AT, "a/b/y:a/b/z:flat"]
    ran = desk.dlm(str(moved), "sync", "--jobs", "1", program=program)
    assert ran.code == -signal.SIGKILL, str(ran)
    shown = {name: data for name, data in desk.tree().items() if "/.dlm-" not in f"/{name}"}
    assert len(shown) == files
    assert shown.items() <= wanted.items()
    desk.dlm("sync").ok()
    assert desk.tree() == wanted
    assert list(desk.root.rglob(".dlm-*")) == []
    desk.manifest("version: 1\nresources: []\n")
    desk.dlm("sync").ok()
    assert [path for path in desk.root.iterdir() if path.is_dir()] == []


def test_a_folder_handed_down_its_group(world: World, desk: Desk) -> None:
    wanted = prepared(world, desk, [*NESTED, *FLAT])
    (desk.root / "a").mkdir()
    (desk.root / "a").chmod(0o2755)
    desk.dlm("sync").ok()
    check(desk, wanted)
    assert (desk.root / "a" / "b" / "y").stat().st_mode & stat.S_ISGID


def test_between_two_mounts_of_one_file_system(world: World, desk: Desk) -> None:
    """Both are one device, and yet nothing is renamed from one to the other."""
    wanted = prepared(world, desk, [*FLAT, *NESTED])
    script = 'mount --bind "$1" "$1" && cd "$1" && shift && exec "$@"'
    program = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-ec", script, "sh"]
    try:
        subprocess.run([*program, str(desk.root), "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("nothing can be mounted here")
    ran = desk.dlm("sync", program=[*program, str(desk.root), console_script()])
    ran.ok()
    check(desk, wanted)
    forget(desk)
    (desk.root / "a").mkdir()
    ran = desk.dlm("sync", program=[*program, str(desk.root / "a"), "env", "-C", str(desk.root), console_script()])
    ran.ok()
    check(desk, wanted)
