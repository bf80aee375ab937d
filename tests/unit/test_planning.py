"""(what is wanted, what is there) -> what to do, for every case that promise 5 tells apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from dlm.model.artifact import Artifact, Blob, Placement
from dlm.model.digest import Digests
from dlm.model.plan import Found, FoundKind, Owned, Plan, Shared, Survey, Wanted
from dlm.planning import make_plan

NEW, OLD, EDITED = (Digests.sha256_of(text).sha256 or "" for text in (b"new", b"old", b"edited"))


def wanted(dest: str = "a", sha256: str = NEW, *, link: str = "auto", executable: bool = False) -> Wanted:
    digests = Digests.from_mapping({"sha256": sha256})
    url = f"https://example.org/{dest}"
    artifact = Artifact(resource="r", filename=dest, url=url, dest=dest, digests=digests, executable=executable)
    return Wanted(artifact=artifact, link=link)


def found(dest: str = "a", kind: FoundKind = "file", sha256: str | None = None, **more: Any) -> tuple[str, Found]:
    return dest, Found(kind=kind, sha256=sha256, **more)


def placement(sha256: str, mode: Any = "symlink") -> Placement:
    return Placement(dest="a", sha256=sha256, mode=mode, size=3, mtime_ns=1, inode=1)


def plan(
    wants: Sequence[Wanted],
    there: Sequence[tuple[str, Found]],
    *,
    owned: Mapping[str, str] | None = None,
    pinned: Mapping[str, str] | None = None,
    held: Sequence[str] = (NEW,),
    asked: Sequence[str] | None = None,
    shared: Mapping[str, str] | None = None,
    **options: Any,
) -> Plan:
    survey = Survey(
        blobs={one: Blob.at(f"/{one}", digests=Digests.from_mapping({"sha256": one}), size=3) for one in held},
        found=dict(there),
        owned={dest: Owned(dest=dest, digests=frozenset({sha256})) for dest, sha256 in (owned or {}).items()},
        shared={
            dest: Shared(lockfiles=("b.lock",), digests=frozenset({sha256})) for dest, sha256 in (shared or {}).items()
        },
    )
    return make_plan(
        wants,
        survey,
        asked=[one.artifact.dest for one in wants] if asked is None else asked,
        pinned={dest: frozenset({sha256}) for dest, sha256 in (pinned or {}).items()},
        **options,
    )


def test_what_is_right_is_kept() -> None:
    want = wanted()
    result = plan([want], [found(sha256=NEW)], owned={"a": NEW}, held=())
    assert result == Plan(keep=(want,))
    assert not result.changes


def test_what_is_right_and_not_dlms_is_kept_and_from_now_on_dlms() -> None:
    want = wanted()
    assert plan([want], [found(sha256=NEW)]) == Plan(keep=(want,), adopt=(want,))


def test_what_is_absent_is_placed_and_fetched_only_if_the_store_lacks_it() -> None:
    want = wanted()
    assert plan([want], [found(kind="absent")]) == Plan(place=(want,))
    assert plan([want], [found(kind="absent")], held=()) == Plan(place=(want,), fetch=(want.artifact,))


def test_two_places_of_one_blob_fetch_it_once() -> None:
    one, two = wanted("a"), wanted("b")
    result = plan([one, two], [found("a", "absent"), found("b", "absent")], held=())
    assert result.place == (one, two)
    assert result.fetch == (one.artifact,)


@pytest.mark.promise(5)
@pytest.mark.parametrize("source", ["owned", "pinned"])
def test_what_dlm_put_there_may_change(source: str) -> None:
    want = wanted()
    known: Any = {source: {"a": OLD}}
    assert plan([want], [found(sha256=OLD)], **known) == Plan(place=(want,))


@pytest.mark.promise(5)
@pytest.mark.fault("L12")
@pytest.mark.parametrize(
    ("owned", "reason"),
    [({"a": OLD}, "the file was edited since dlm placed it"), ({}, "a file stands there that dlm did not place")],
)
def test_what_is_not_dlms_is_in_the_way_unless_forced(owned: Mapping[str, str], reason: str) -> None:
    want = wanted()
    (conflict,) = plan([want], [found(sha256=EDITED)], owned=owned).conflicts
    assert (conflict.dest, conflict.resource, conflict.reason, conflict.forcible) == ("a", "r", reason, True)
    assert plan([want], [found(sha256=EDITED)], owned=owned, force=True) == Plan(place=(want,))


@pytest.mark.promise(5)
def test_a_link_to_somewhere_else_is_not_dlms() -> None:
    (conflict,) = plan([wanted()], [found(kind="symlink")], owned={"a": OLD}).conflicts
    assert conflict.forcible


@pytest.mark.fault("L13")
@pytest.mark.parametrize(
    ("kind", "reason"),
    [("directory", "a folder stands there"), ("other", "a device, a FIFO or a socket stands there")],
)
@pytest.mark.parametrize("force", [False, True])
def test_what_is_no_file_stays_whatever_is_forced(kind: FoundKind, reason: str, force: bool) -> None:
    (conflict,) = plan([wanted()], [found(kind=kind)], force=force).conflicts
    assert conflict.reason == reason
    assert not conflict.forcible


@pytest.mark.promise(6)
@pytest.mark.parametrize("force", [False, True])
def test_a_way_out_of_the_project_is_a_matter_of_policy(force: bool) -> None:
    there = found(kind="absent", problem="leads out of the project", policy=True)
    (conflict,) = plan([wanted()], [there], force=force).conflicts
    assert (conflict.reason, conflict.policy, conflict.forcible) == ("leads out of the project", True, False)
    right = found(sha256=NEW, problem="leads out of the project", policy=True)
    assert plan([wanted()], [right]).conflicts


@pytest.mark.parametrize(
    ("link", "there", "keeps"),
    [
        ("auto", found(sha256=NEW), True),
        ("copy", found(sha256=NEW), True),
        ("symlink", found(sha256=NEW), False),
        ("symlink", found(kind="symlink", sha256=NEW, placement=placement(NEW)), True),
        ("auto", found(kind="symlink", sha256=NEW, placement=placement(NEW)), True),
        ("copy", found(kind="symlink", sha256=NEW, placement=placement(NEW)), False),
        ("auto", found(kind="symlink", sha256=NEW), False),
    ],
)
def test_the_link_mode_is_part_of_what_is_wanted(link: str, there: tuple[str, Found], keeps: bool) -> None:
    result = plan([wanted(link=link)], [there], owned={"a": NEW})
    assert bool(result.keep) is keeps
    assert bool(result.place) is not keeps


def test_so_is_whether_the_file_may_be_run() -> None:
    want = wanted(executable=True)
    assert plan([want], [found(sha256=NEW)], owned={"a": NEW}).place == (want,)
    assert plan([want], [found(sha256=NEW, executable=True)], owned={"a": NEW}).keep == (want,)


def test_what_nothing_asks_for_any_more_goes() -> None:
    there = [found("gone", sha256=OLD), found("kept", sha256=OLD), found("absent", "absent")]
    owned = {"gone": OLD, "kept": OLD, "absent": OLD}
    result = plan([], there, owned=owned, asked=["kept"])
    assert [(one.dest, one.sha256) for one in result.remove] == [("gone", OLD)]
    assert result.changes
    assert plan([], there, owned=owned, asked=["kept"], prune=False) == Plan()


@pytest.mark.promise(5)
def test_what_was_edited_or_never_dlms_stays() -> None:
    there = [found("edited", sha256=EDITED), found("foreign", sha256=EDITED), found("folder", "directory")]
    result = plan([], there, owned={"edited": OLD, "folder": OLD})
    assert [(one.dest, one.reason) for one in result.left] == [("edited", "it was edited since dlm placed it")]
    assert result.remove == ()
    forced = plan([], there, owned={"edited": OLD, "folder": OLD}, force=True)
    assert [one.dest for one in forced.remove] == ["edited"]
    assert forced.left == ()


def test_a_path_that_leads_out_is_not_removed() -> None:
    there = [found("gone", sha256=OLD, problem="leads out of the project", policy=True)]
    assert plan([], there, owned={"gone": OLD}, force=True) == Plan()


def test_a_narrow_run_judges_removal_against_the_whole_manifest() -> None:
    there = [found("a", "absent"), found("other", sha256=OLD)]
    result = plan([wanted()], there, owned={"other": OLD}, asked=["a", "other"])
    assert result.remove == ()


@pytest.mark.promise(5)
@pytest.mark.parametrize("force", [True, False])
@pytest.mark.parametrize("kind", ["file", "directory"])
@pytest.mark.parametrize("there", [OLD, EDITED])
def test_what_is_another_lockfiles_too_is_left(kind: FoundKind, there: str, *, force: bool) -> None:
    result = plan([], [found(kind=kind, sha256=there)], owned={"a": OLD}, shared={"a": OLD}, force=force)
    (left,) = result.left
    assert (result.remove, left.reason, left.shared) == ((), "dlm placed it for b.lock, too", True)


@pytest.mark.promise(5)
def test_a_folder_with_a_file_of_another_lockfile_in_it_is_left_though_forced() -> None:
    there, owned = [found(kind="directory", sha256=EDITED)], {"a": OLD}
    result = plan([], there, owned=owned, shared={"a/x": NEW, "ab": NEW}, force=True)
    assert ([one.reason for one in result.left], result.remove) == (["dlm placed a/x in it for b.lock"], ())
    assert [one.dest for one in plan([], there, owned=owned, shared={"ab": NEW}, force=True).remove] == ["a"]


def test_what_is_another_lockfiles_alone_is_none_of_this_plans_business() -> None:
    assert plan([], [found(sha256=OLD)], shared={"a": OLD}) == Plan()
    assert plan([], [found(kind="absent")], owned={"a": OLD}, shared={"a": OLD}) == Plan()


@pytest.mark.promise(5)
@pytest.mark.parametrize("known", [{"owned": {"a": OLD}}, {"pinned": {"a": OLD}}, {}])
def test_bytes_that_another_lockfile_has_there_are_in_the_way_unless_forced(known: Any) -> None:
    want = wanted()
    (conflict,) = plan([want], [found(sha256=OLD)], shared={"a": OLD}, **known).conflicts
    assert (conflict.reason, conflict.forcible) == ("dlm placed what stands there for b.lock", True)
    assert plan([want], [found(sha256=OLD)], shared={"a": OLD}, force=True, **known) == Plan(place=(want,))


def test_bytes_that_another_lockfile_has_lost_there_already_are_not() -> None:
    want = wanted()
    assert plan([want], [found(sha256=OLD)], owned={"a": OLD}, shared={"a": EDITED}) == Plan(place=(want,))
    assert plan([wanted(executable=True)], [found(sha256=NEW)], owned={"a": NEW}, shared={"a": NEW}).conflicts == ()


def test_what_is_in_the_way_is_not_left_as_well() -> None:
    result = plan([wanted("a/b")], [found(sha256=EDITED), found("a/b", "absent")], owned={"a": OLD})
    assert ([one.dest for one in result.conflicts], result.left) == (["a"], ())
