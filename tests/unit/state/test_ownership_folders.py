"""Folders in the state: their signature is kept, and the journal has every temporary name that they may leave."""

from __future__ import annotations

from pathlib import Path

from dlm.model.artifact import Blob, Placement
from dlm.model.digest import Digests
from dlm.model.extract import Extract, Extracted
from dlm.model.plan import ABSENT, Placing, Removal, aside_name, temporary_name
from dlm.state.ownership import ProjectState
from tests.support.stores import Heard

ARCHIVE, TREE, OLD = "a" * 64, "b" * 64, "c" * 64


def test_the_signature_is_read_back(tmp_path: Path) -> None:
    placed = Placement(dest="a/b", sha256=TREE, mode="copy", size=9, mtime_ns=1, inode=2, signature="d" * 64)
    plain = Placement(dest="c", sha256=OLD, mode="copy", size=9, mtime_ns=1, inode=2)
    ProjectState(str(tmp_path / "state"), Heard(), "/a/project").finish([placed, plain])
    owned = ProjectState(str(tmp_path / "state"), Heard(), "/a/project").owned()
    assert owned["a/b"].placement == placed
    assert owned["c"].placement == plain


def test_the_journal_knows_what_comes_out_and_every_temporary_name(tmp_path: Path) -> None:
    placing = Placing(
        dest="a/b",
        blob=Blob.at("/blob", digests=Digests.from_mapping({"sha256": ARCHIVE}), size=3),
        resource="r",
        found=ABSENT,
        filename="b.tar.gz",
        extract=Extract(),
        extracted=Extracted(files=1, tree=TREE),
    )
    removals = [Removal(dest="c/d", sha256=OLD, folder=True), Removal(dest="e", sha256=OLD)]
    token = ProjectState(str(tmp_path / "state"), Heard(), "/a/project").begin([placing], removals)
    after = ProjectState(str(tmp_path / "state"), Heard(), "/a/project")
    assert after.interrupted
    assert after.owned()["a/b"].digests == {TREE}
    assert set(after.leftovers) == {
        f"a/{temporary_name(token, 0)}",
        f"a/{aside_name(token, 1, 0)}",
        f"c/{aside_name(token, 1, 1)}",
    }
    assert len(set(after.leftovers)) == 3
