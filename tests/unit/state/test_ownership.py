"""What dlm placed is known in the next run, after a kill, and not at all rather than wrongly."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from dlm.errors import LocalError
from dlm.model.artifact import Blob, Placement
from dlm.model.digest import Digests
from dlm.model.plan import ABSENT, Placing, Removal, Shared, temporary_name
from dlm.state.ownership import ProjectState, project_folder
from tests.support.stores import Heard

OLD, NEW = (Digests.sha256_of(text) for text in (b"old", b"new"))


def placement(dest: str, digests: Digests = OLD, size: int = 3) -> Placement:
    return Placement(
        dest=dest, sha256=str(digests.sha256), mode="copy", size=size, mtime_ns=1, inode=2, ctime_ns=3, executable=True
    )


def placing(dest: str, digests: Digests = NEW) -> Placing:
    blob = Blob.at("/blob", digests=digests, size=3)
    return Placing(dest=dest, blob=blob, resource="r", found=ABSENT)


@pytest.fixture
def heard() -> Heard:
    return Heard()


def a_state(folder: Path, heard: Heard) -> ProjectState:
    return ProjectState(str(folder / "state"), heard, "/a/project")


def test_each_lockfile_has_a_folder_of_its_own(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    (tmp_path / "link").symlink_to(real)
    one = project_folder("/state", str(real / "downloads.lock"))
    assert one == project_folder("/state", str(tmp_path / "link" / "downloads.lock"))
    assert one != project_folder("/state", str(real / "other.lock"))
    assert os.path.dirname(one) == "/state/projects"
    (real / "downloads.lock").symlink_to("elsewhere")
    assert one == project_folder("/state", str(real / "downloads.lock"))


def test_what_was_placed_is_known_by_the_next_run(tmp_path: Path, heard: Heard) -> None:
    state = a_state(tmp_path, heard)
    assert dict(state.owned()) == {}
    assert state.written_ns == 0
    assert not (tmp_path / "state").exists()
    state.begin([placing("d/a", OLD), placing("b", OLD)], [], ["d"])
    state.finish([placement("d/a"), placement("b")], folders=["d"])
    again = a_state(tmp_path, heard)
    assert {dest: owned.placement for dest, owned in again.owned().items()} == {
        "d/a": placement("d/a"),
        "b": placement("b"),
    }
    assert again.folders == {"d"}
    assert not again.interrupted
    assert again.written_ns > 0
    again.begin([], [Removal(dest="b", sha256=OLD.sha256)])
    again.finish([], ["b"])
    assert list(a_state(tmp_path, heard).owned()) == ["d/a"]
    assert heard.events == []


def test_where_nothing_is_new_nothing_is_written(tmp_path: Path, heard: Heard) -> None:
    state = a_state(tmp_path, heard)
    state.finish([placement("a")])
    before = os.stat(tmp_path / "state" / "ownership.json")
    a_state(tmp_path, heard).finish([placement("a")], ["never"])
    after = os.stat(tmp_path / "state" / "ownership.json")
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


@pytest.mark.promise(2)
@pytest.mark.promise(5)
def test_after_a_kill_old_and_new_bytes_are_dlms(tmp_path: Path, heard: Heard) -> None:
    state = a_state(tmp_path, heard)
    state.finish([placement("a"), placement("gone"), placement("same")])
    token = state.begin([placing("x/a"), placing("a")], [Removal(dest="gone", sha256=OLD.sha256)], ["x"])
    killed = a_state(tmp_path, heard)
    assert killed.interrupted
    assert {dest: owned.digests for dest, owned in killed.owned().items()} == {
        "a": {OLD.sha256, NEW.sha256},
        "x/a": {NEW.sha256},
        "gone": {OLD.sha256},
        "same": {OLD.sha256},
    }
    assert killed.folders == {"x"}
    assert killed.leftovers == (f"x/{temporary_name(token, 0)}", temporary_name(token, 1))


@pytest.mark.promise(3)
def test_a_run_that_does_not_finish_the_killed_ones_work_forgets_none_of_it(tmp_path: Path, heard: Heard) -> None:
    first = a_state(tmp_path, heard)
    first.begin([placing("a"), placing("b")], [])
    second = a_state(tmp_path, heard)
    left = second.leftovers
    second.begin([placing("c")], [])
    third = a_state(tmp_path, heard)
    assert set(third.leftovers) > set(left)
    assert set(third.owned()) == {"a", "b", "c"}
    third.begin([placing("c")], [])
    third.finish([placement("c", NEW)])
    last = a_state(tmp_path, heard)
    assert {dest: owned.placement is None for dest, owned in last.owned().items()} == {
        "a": True,
        "b": True,
        "c": False,
    }
    assert last.leftovers == ()
    last.finish([placement("a", NEW)], ["b"])
    assert {dest: owned.digests for dest, owned in a_state(tmp_path, heard).owned().items()} == {
        "a": {NEW.sha256},
        "c": {NEW.sha256},
    }


@pytest.mark.parametrize(
    "text",
    [
        "",
        "junk",
        "[]",
        '{"version": 1}',
        '{"version": "1"}',
        "[" * 100_000,
        json.dumps({"version": 1, "folders": ["../out"], "uncertain": {}, "placements": {}}),
        json.dumps({"version": 1, "folders": [], "uncertain": {"/etc/passwd": []}, "placements": {}}),
        json.dumps({"version": 1, "folders": [], "uncertain": {}, "placements": {"a/../../b": []}}),
        json.dumps({"version": 1, "folders": [], "uncertain": {}, "placements": {"a": ["x", "copy", 1, 1, 1, 1, 0]}}),
        json.dumps({"version": 1, "folders": [], "uncertain": {}, "placements": {"a": [1]}}),
        json.dumps({"version": 1, "folders": [], "uncertain": {"a": [5]}, "placements": {}}),
    ],
)
@pytest.mark.parametrize("name", ["ownership.json", "journal.json"])
def test_a_damaged_file_counts_as_empty_and_is_told(tmp_path: Path, heard: Heard, text: str, name: str) -> None:
    state = a_state(tmp_path, heard)
    state.finish([placement("a")])
    (tmp_path / "state" / name).write_text(text)
    state = a_state(tmp_path, heard)
    assert set(state.owned()) == (set() if name == "ownership.json" else {"a"})
    assert len(heard.warnings) == 1
    assert name in heard.warnings[0]
    state.begin([placing("b")], [])
    state.finish([placement("b", NEW)])
    assert "b" in a_state(tmp_path, heard).owned()
    assert len(heard.warnings) == 1


def test_a_state_of_a_later_dlm_is_refused_and_left_alone(tmp_path: Path, heard: Heard) -> None:
    (tmp_path / "state").mkdir()
    path = tmp_path / "state" / "ownership.json"
    path.write_text('{"version": 2}')
    with pytest.raises(LocalError, match="came later") as caught:
        a_state(tmp_path, heard).owned()
    assert "DLM_STATE_DIR" in str(caught.value.hint)
    assert path.read_text() == '{"version": 2}'


@pytest.mark.fault("L05")
def test_a_state_that_cannot_be_written_is_an_error_before_anything_changes(tmp_path: Path, heard: Heard) -> None:
    (tmp_path / "state").write_text("a file")
    state = a_state(tmp_path, heard)
    assert dict(state.owned()) == {}
    with pytest.raises(LocalError, match=r"journal\.json") as caught:
        state.begin([placing("a")], [])
    assert "DLM_STATE_DIR" in str(caught.value.hint)


def sibling(tmp_path: Path, heard: Heard, name: str) -> ProjectState:
    """The state of one of the lockfiles in a folder."""
    path = str(tmp_path / "project" / name)
    return ProjectState(project_folder(str(tmp_path / "state"), path), heard, path)


@pytest.mark.promise(5)
def test_what_was_placed_for_other_lockfiles_is_known_while_a_document_is_there(tmp_path: Path, heard: Heard) -> None:
    root = tmp_path / "project"
    root.mkdir()
    one, two, three = (sibling(tmp_path, heard, f"{name}.lock") for name in "abc")
    one.finish([placement("mine")])
    two.finish([placement("x"), placement("y")])
    three.begin([placing("x")], ())  # killed then
    assert one.shared() == {}, "their documents are gone"
    for name in ("a.yaml", "a.lock", "b.json", "c.lock", "d.yml"):
        (root / name).write_text("")
    (tmp_path / "link").symlink_to(root)
    for path in (root, tmp_path / "link"):
        found = ProjectState(one.folder, heard, str(path / "a.lock")).shared()
        assert set(found) == {"x", "y"}
        assert found["x"] == Shared(
            lockfiles=("b.lock", "c.lock"), digests=frozenset({str(OLD.sha256), str(NEW.sha256)})
        )
        assert found["y"] == Shared(lockfiles=("b.lock",), digests=frozenset({str(OLD.sha256)}))
    assert heard.warnings == []


def test_a_folder_that_is_gone_is_said(tmp_path: Path, heard: Heard) -> None:
    with pytest.raises(LocalError, match="nobody knows what other manifests in it ask for"):
        sibling(tmp_path, heard, "a.lock").shared()
