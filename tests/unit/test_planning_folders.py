"""Folders that archives become: what is kept, replaced, removed, and what is somebody else's."""

from __future__ import annotations

from typing import Any

from dlm.model.artifact import Artifact, Blob, Placement
from dlm.model.digest import Digests
from dlm.model.extract import Extract, Extracted
from dlm.model.plan import Found, FoundKind, Owned, Plan, Survey, Wanted
from dlm.planning import make_plan

ARCHIVE, NEW, OLD, EDITED = ("".join(one * 64) for one in "abcd")
EDITS = ("bin/tool was changed",)


def want(*, extracted: bool = True, extract: Extract | None = Extract()) -> Wanted:  # noqa: B008 - frozen
    artifact = Artifact(
        resource="r",
        filename="a.tar.gz",
        url="https://example.org/a.tar.gz",
        dest="a",
        digests=Digests.from_mapping({"sha256": ARCHIVE}),
        extract=extract,
        extracted=Extracted(files=1, tree=NEW) if extracted and extract is not None else None,
    )
    return Wanted(artifact=artifact, link="copy")


def there(kind: FoundKind = "directory", sha256: str | None = None, **more: Any) -> Found:
    return Found(kind=kind, sha256=sha256, **more)


def plan(wanted: Wanted | None, found: Found, *, owned: str | None = None, held: bool = True, **options: Any) -> Plan:
    blob = Blob.at("/blob", digests=Digests.from_mapping({"sha256": ARCHIVE}), size=3)
    placed = Placement(dest="a", sha256=owned or "", mode="copy", size=1, mtime_ns=1, inode=1, signature="s")
    known = {"a": Owned(dest="a", digests=frozenset({owned}), placement=placed)} if owned is not None else {}
    survey = Survey(blobs={ARCHIVE: blob} if held else {}, found={"a": found}, owned=known)
    wants = [] if wanted is None else [wanted]
    return make_plan(wants, survey, asked=["a"] if wants else [], pinned={}, **options)


def test_a_folder_that_is_right_needs_no_archive() -> None:
    wanted = want()
    assert plan(wanted, there(sha256=NEW), owned=NEW, held=False) == Plan(keep=(wanted,))
    assert plan(wanted, there(sha256=NEW), held=False) == Plan(keep=(wanted,), adopt=(wanted,))


def test_an_archive_is_fetched_where_its_folder_is_not_right() -> None:
    wanted = want()
    assert plan(wanted, there("absent"), held=False) == Plan(place=(wanted,), fetch=(wanted.artifact,))


def test_what_comes_out_is_not_known_so_it_is_placed() -> None:
    wanted = want(extracted=False)
    assert plan(wanted, there(sha256=OLD), owned=OLD).place == (wanted,)


def test_an_old_or_empty_folder_is_replaced() -> None:
    wanted = want()
    assert plan(wanted, there(sha256=OLD), owned=OLD) == Plan(place=(wanted,))
    assert plan(wanted, there(empty=True)) == Plan(place=(wanted,))


def test_an_edited_folder_is_a_conflict_that_names_the_edits() -> None:
    (conflict,) = plan(want(), there(sha256=EDITED, edits=EDITS), owned=OLD).conflicts
    assert (conflict.forcible, conflict.details) == (True, EDITS)
    assert plan(want(), there(sha256=EDITED, edits=EDITS), owned=OLD, force=True).place


def test_what_stands_in_the_way_of_a_folder() -> None:
    assert plan(want(), there(sha256=EDITED)).conflicts[0].forcible
    assert plan(want(), there("symlink")).conflicts[0].forcible
    assert plan(want(), there("file", sha256=EDITED)).conflicts[0].forcible
    assert not plan(want(), there("other")).conflicts[0].forcible


def test_what_others_added_stays() -> None:
    wanted = want()
    grown = there(sha256=EDITED, edits=("x was added",), only_added=True)
    assert plan(wanted, grown, owned=NEW) == Plan(keep=(wanted,), grown=(wanted,))
    assert plan(wanted, grown, owned=NEW, force=True).place == (wanted,)
    assert plan(wanted, grown, owned=OLD).conflicts, "an update would take it away"


def test_a_folder_gives_way_to_a_file_only_if_it_is_as_placed() -> None:
    wanted = want(extract=None)
    assert plan(wanted, there(sha256=OLD), owned=OLD).place == (wanted,)
    assert plan(wanted, there(sha256=EDITED, edits=EDITS), owned=OLD).conflicts[0].forcible
    assert not plan(wanted, there(), force=True).conflicts[0].forcible, "nobody looked into it"


def test_removals() -> None:
    (removal,) = plan(None, there(sha256=OLD), owned=OLD).remove
    assert removal.folder
    (left,) = plan(None, there(sha256=EDITED, edits=EDITS), owned=OLD).left
    assert left.details == EDITS
    assert plan(None, there(sha256=EDITED), owned=OLD, force=True).remove
    assert plan(None, there(), owned=OLD, force=True) == Plan(), "a folder of somebody else's"
