"""Folders that archives became: seen unchanged without reading, changed at one moment, never mixed with the user's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dlm.errors import LocalError, PolicyError
from dlm.model.artifact import Placement
from dlm.model.extract import Extract
from dlm.model.listing import Listing
from dlm.model.plan import ABSENT, Found
from dlm.place import folders as folders_module
from dlm.place import survey, treedigest
from dlm.place.folders import (
    look_folder,
    make_folder,
    placement_of,
    remove_folder,
    still_as_found,
    swap_folder,
)
from dlm.place.leftovers import remove_leftovers
from dlm.place.tree import Folder, Tree
from dlm.place.treedigest import signature_of, tree_of
from tests.support.archives import Ground, TarItem, a_blob, tar_bytes
from tests.support.processes import run
from tests.support.stores import StillClock

READY, ASIDE = ".dlm-abc-0.tmp", ".dlm-abc-1.tmp"
LATER_NS = 4_000_000_000_000_000_000
ONE = tar_bytes(
    TarItem(name="d/a", body=b"one"),
    TarItem(name="d/p", body=b"#!", mode=0o755),
    TarItem(name="l", kind=b"2", target="d/a"),
)
TWO = tar_bytes(TarItem(name="d/a", body=b"two"), TarItem(name="e", body=b"new"))


class Owned(Ground):
    """A folder of dlm's in a project, and what dlm knows of it."""

    def __init__(self, base: Path) -> None:
        super().__init__(base)
        self.noted: dict[str, Listing] = {}
        self.placement: Placement | None = None

    def place(self, data: bytes, dest: str = "vendor/pkg", *, force: bool = True) -> None:
        """Unpack and swap, as a run does."""
        with Tree(str(self.root)) as tree:
            folder, name = tree.parent(dest, make=True)
            found = self.look(dest)
            listing = make_folder(a_blob(self.base, data), Extract(), folder, READY, shown=dest)
            placement = placement_of(folder, READY, dest, listing)
            assert force or still_as_found(folder, name, found)
            assert swap_folder(folder, READY, name, ASIDE, clock=StillClock()) is None
        self.noted[listing.tree] = listing
        self.placement = placement

    def look(self, dest: str = "vendor/pkg", *, written_ns: int = LATER_NS, rehash: bool = False) -> Found:
        """Survey it."""
        with Tree(str(self.root)) as tree:
            return look_folder(tree, dest, self.placement, written_ns=written_ns, noted=self.noted.get, rehash=rehash)

    @property
    def path(self) -> Path:
        return self.root / "vendor" / "pkg"


@pytest.fixture
def ground(tmp_path: Path) -> Owned:
    return Owned(tmp_path)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every file that is hashed."""
    names: list[str] = []
    real = survey.hash_name

    def hash_name(folder: Folder, name: str) -> str:
        names.append(name)
        return real(folder, name)

    monkeypatch.setattr(treedigest, "hash_name", hash_name)
    return names


@pytest.mark.parametrize("exchanges", [True, False])
@pytest.mark.promise(2)
def test_a_folder_comes_changes_and_goes(ground: Owned, monkeypatch: pytest.MonkeyPatch, *, exchanges: bool) -> None:
    if not exchanges:
        monkeypatch.setattr(folders_module, "_exchange", lambda *_: False)
    ground.place(ONE)
    assert ground.files("vendor") == {
        "pkg": "/",
        "pkg/d": "/",
        "pkg/d/a": b"one",
        "pkg/d/p": b"#!",
        "pkg/l": "-> d/a",
    }
    ground.place(TWO)
    assert ground.files("vendor") == {"pkg": "/", "pkg/d": "/", "pkg/d/a": b"two", "pkg/e": b"new"}
    with Tree(str(ground.root)) as tree:
        folder, name = tree.parent("vendor/pkg")
        assert remove_folder(folder, name, ASIDE, clock=StillClock()) is None
    assert ground.files("vendor") == {}


def test_this_system_exchanges_two_names_at_once(ground: Owned) -> None:
    (ground.root / "a").mkdir()
    (ground.root / "b").write_bytes(b"")
    with Tree(str(ground.root)) as tree:
        folder = tree.folder("")
        done = folders_module._exchange(folder, "a", "b")
        assert done == (ground.root / "b").is_dir()
        if done:
            with pytest.raises(OSError, match="No such file"):
                folders_module._exchange(folder, "a", "nothing")


def test_a_folder_that_cannot_be_shown_leaves_the_old_one(ground: Owned, monkeypatch: pytest.MonkeyPatch) -> None:
    ground.place(ONE)
    before = ground.everything()
    monkeypatch.setattr(folders_module, "_exchange", lambda *_: False)
    with Tree(str(ground.root)) as tree:
        folder, name = tree.parent("vendor/pkg")
        with pytest.raises(FileNotFoundError):
            swap_folder(folder, READY, name, ASIDE, clock=StillClock())
    assert ground.everything() == before


def test_an_untouched_folder_is_known_without_reading(ground: Owned, read: list[str]) -> None:
    ground.place(ONE)
    read.clear()
    found = ground.look()
    assert (found.kind, found.sha256, found.placement) == ("directory", next(iter(ground.noted)), ground.placement)
    assert read == []
    assert ground.look(rehash=True).sha256 == found.sha256
    assert sorted(read) == ["a", "p"]


def test_a_racily_fresh_folder_is_read(ground: Owned, read: list[str]) -> None:
    ground.place(ONE)
    assert ground.placement is not None
    found = ground.look(written_ns=ground.placement.mtime_ns)
    assert sorted(read) == ["a", "p"]
    assert found.edits == ()
    assert found.sha256 == ground.placement.sha256


def test_a_touch_is_no_edit(ground: Owned) -> None:
    ground.place(ONE)
    os.utime(ground.path / "d" / "a")
    (ground.path / "d").chmod(0o700)
    found = ground.look()
    assert ground.placement is not None
    assert found.sha256 == ground.placement.sha256
    assert found.edits == ()
    assert found.placement is not None
    assert found.placement.signature != ground.placement.signature


@pytest.mark.promise(5)
@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda path: (path / "d/a").write_bytes(b"eno"), ("d/a was changed",)),
        (lambda path: (path / "d/a").unlink(), ("d/a is missing",)),
        (lambda path: (path / "d/a").chmod(0o755), ("d/a was changed",)),
        (lambda path: (path / "mine").write_bytes(b""), ("mine was added",)),
        (lambda path: (path / "empty").mkdir(), ("empty was added",)),
        (lambda path: os.mkfifo(path / "pipe"), ("pipe was added",)),
        (lambda path: ((path / "l").unlink(), (path / "l").symlink_to("/etc")), ("l was changed",)),
        (lambda path: ((path / "d/a").unlink(), (path / "d/a").mkdir()), ("d/a was changed",)),
    ],
)
def test_an_edit_is_seen_and_named(ground: Owned, edit: object, said: tuple[str, ...]) -> None:
    ground.place(ONE)
    assert callable(edit)
    edit(ground.path)
    found = ground.look()
    assert ground.placement is not None
    assert found.sha256 not in {None, ground.placement.sha256}
    assert found.edits == said
    assert found.only_added == said[0].endswith("added")
    ground.noted.clear()
    assert ground.look().edits == ("it is not what dlm unpacked there; what that was is not known any more",)


def test_what_stands_there_is_told_apart(ground: Owned) -> None:
    root = ground.root
    assert ground.look("absent").kind == "absent"
    assert ground.look("no/such/folder").kind == "absent"
    (root / "file").write_bytes(b"")
    assert ground.look("file").kind == "file"
    below = ground.look("file/x")
    assert below.problem is not None
    assert "is not a folder" in below.problem
    os.mkfifo(root / "fifo")
    assert ground.look("fifo").kind == "other"
    (root / "empty").mkdir()
    assert (ground.look("empty").kind, ground.look("empty").empty) == ("directory", True)
    (root / "inside").symlink_to("empty")
    assert (ground.look("inside").kind, ground.look("inside").problem) == ("symlink", None)
    (root / "outside").symlink_to(ground.base)
    assert ground.look("outside").policy
    assert ground.look("outside/x").policy
    (root / "mine").mkdir()
    (root / "mine" / "notes").write_bytes(b"n")
    found = ground.look("mine")
    assert found.kind == "directory"
    assert not found.empty
    assert found.edits == ()


@pytest.mark.promise(6)
def test_a_folder_of_the_users_that_leads_out_is_not_unpacked_through(ground: Owned) -> None:
    (ground.root / "vendor").symlink_to(ground.base)
    with pytest.raises(PolicyError, match="leads out of the project"):
        ground.place(ONE)
    assert not (ground.base / "pkg").exists()


@pytest.mark.promise(5)
def test_what_changed_since_the_look_is_noticed_before_the_swap(ground: Owned) -> None:
    ground.place(ONE)
    found = ground.look()
    with Tree(str(ground.root)) as tree:
        folder, name = tree.parent("vendor/pkg")
        assert still_as_found(folder, name, found)
        (ground.path / "late").write_bytes(b"")
        assert not still_as_found(folder, name, found)
        assert not still_as_found(folder, "nothing", found)
        assert still_as_found(folder, "nothing", ABSENT)
        assert not still_as_found(folder, name, ABSENT)
        (ground.root / "vendor" / "empty").mkdir()
        empty = Found(kind="directory", empty=True)
        assert still_as_found(folder, "empty", empty)
        assert not still_as_found(folder, name, empty)
        (ground.root / "vendor" / "l").symlink_to("pkg")
        assert still_as_found(folder, "l", Found(kind="symlink"))
        assert not still_as_found(folder, "l", found)


def test_links_below_a_folder_are_removed_and_not_followed(ground: Owned) -> None:
    ground.place(ONE)
    (ground.path / "away").symlink_to(ground.base)
    closed = ground.path / "closed"
    closed.mkdir()
    (closed / "in").write_bytes(b"")
    closed.chmod(0)
    with Tree(str(ground.root)) as tree:
        folder, name = tree.parent("vendor/pkg")
        assert remove_folder(folder, name, ASIDE, clock=StillClock()) is None
    assert (ground.base / "secret").read_bytes() == b"not yours"
    assert ground.files("vendor") == {}


def test_leftovers_go_by_their_names_alone(ground: Owned) -> None:
    for name in (READY, "d/" + ASIDE, "mine", "d/.dlm-xyz-1.tmp"):
        (ground.root / name).mkdir(parents=True)
        (ground.root / name / "in").write_bytes(b"x")
    (ground.root / ".dlm-abc-7.tmp").write_bytes(b"a file")
    names = [READY, "d/" + ASIDE, "mine", "d/.dlm-xyz-1.tmp", ".dlm-abc-7.tmp", "gone/" + READY]
    assert remove_leftovers(str(ground.root), names) == (READY, "d/" + ASIDE, ".dlm-abc-7.tmp")
    assert {path.name for path in ground.root.iterdir()} == {"d", "mine"}
    assert [path.name for path in (ground.root / "d").iterdir()] == [".dlm-xyz-1.tmp"]


CLOSED = """
    import os, sys
    from dlm.place.folders import look_folder, swap_folder
    from dlm.place.tree import Tree
    from tests.support.processes import give_up_privileges
    from tests.support.stores import StillClock
    give_up_privileges()
    with Tree(sys.argv[1]) as tree:
        print(look_folder(tree, "vendor", None).problem.replace(sys.argv[1], "."))
        print(swap_folder(tree.folder(""), ".dlm-abc-0.tmp", "old", ".dlm-abc-1.tmp", clock=StillClock()) is None)
        os.chmod(sys.argv[1], 0o555)
        try:
            swap_folder(tree.folder(""), "old", "new", ".dlm-abc-1.tmp", clock=StillClock())
        except OSError as error:
            print(error.strerror)
        os.chmod(sys.argv[1], 0o755)
"""


def test_rights_that_are_missing_are_plain_errors(tmp_path: Path) -> None:
    root = tmp_path / "p"
    (root / "vendor" / "closed").mkdir(parents=True)
    (root / "vendor" / "closed").chmod(0)
    (root / READY).mkdir()
    (root / "old" / "closed" / "deep").mkdir(parents=True)
    (root / "old" / "closed").chmod(0o555)
    said = run(CLOSED, root).splitlines()
    assert said == ["cannot read ./vendor/closed: Permission denied", "True", "Permission denied"]
    (root / "vendor" / "closed").chmod(0o755)


def test_a_folder_that_goes_deeper_than_anything_is_not_read(ground: Owned) -> None:
    ground.place(ONE)
    here = os.open(ground.path, os.O_RDONLY)
    for _ in range(210):
        os.mkdir("d" * 30, dir_fd=here)
        inner = os.open("d" * 30, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    problem = ground.look().problem
    assert problem is not None
    assert "deeper than anything that dlm made" in problem


def test_the_signature_sees_every_change_and_nothing_else(ground: Owned) -> None:
    ground.place(ONE)
    with Tree(str(ground.root)) as tree:
        folder = tree.folder("vendor/pkg")
        first = signature_of(folder)
        assert first == signature_of(folder)
        assert first.size == 5
        tree_of(folder)
        assert first == signature_of(folder)
        (ground.path / "d").rename(ground.path / "D")
        assert first.value != signature_of(folder).value
        (ground.path / "D").rename(ground.path / "d")
        assert first == signature_of(folder)
        (ground.path / "l").unlink()
        assert first.value != signature_of(folder).value


def test_a_name_that_is_no_text_is_listed(ground: Owned) -> None:
    ground.place(ONE)
    (ground.path / os.fsdecode(b"\xff\n")).write_bytes(b"")
    found = ground.look()
    assert len(found.edits) == 1
    assert found.edits[0].isprintable()


def test_errors_name_the_file(ground: Owned) -> None:
    with Tree(str(ground.root)) as tree, pytest.raises(LocalError, match=r"cannot make the folder out: .*long"):
        make_folder(a_blob(ground.base, ONE), Extract(), tree.folder(""), "n" * 300, shown="out")
