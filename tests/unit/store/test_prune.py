"""What pruning takes, in which order, and what it never takes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dlm.model.artifact import Blob, Validators
from dlm.model.digest import Digests
from dlm.model.transfer import Known
from dlm.store.local import LocalStore
from dlm.store.prune import StoredBlob, victims
from tests.support.processes import start
from tests.support.stores import StillClock, a_store, put

DAY = 86_400.0


def blob(name: str, size: int, used: float) -> StoredBlob:
    return StoredBlob(sha256=name * 64, name=name, size=size, used=used)


BLOBS = [blob("a", 10, 300.0), blob("b", 20, 100.0), blob("c", 30, 200.0), blob("d", 40, 400.0)]


@pytest.mark.parametrize(
    ("keep", "max_size", "max_age", "going", "kept"),
    [
        ("", None, None, "bcad", ""),
        ("a", None, None, "bcd", "a"),
        ("", 100, None, "", ""),
        ("", 99, None, "b", ""),
        ("", 79, None, "bc", ""),
        ("b", 79, None, "c", "b"),
        ("bc", 79, None, "ad", "bc"),
        ("", 0, None, "bcad", ""),
        ("", None, 1000.0, "", ""),
        ("", None, 750.0, "bc", ""),
        ("c", None, 750.0, "b", "c"),
        ("", 60, 850.0, "bc", ""),
    ],
)
def test_the_least_recently_used_go_first(
    keep: str, max_size: int | None, max_age: float | None, going: str, kept: str
) -> None:
    found = victims(BLOBS, {name * 64 for name in keep}, now=1000.0, max_size=max_size, max_age=max_age)
    assert ["".join(one.name for one in part) for part in found] == [going, kept]


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
def store(tmp_path: Path, clock: StillClock) -> LocalStore:
    return a_store(tmp_path, clock=clock)


def filled(store: LocalStore, clock: StillClock) -> list[Blob]:
    """Five blobs of 100 bytes, each a day younger than the one before."""
    made: list[Blob] = []
    for number in range(5):
        made.append(put(store, b"%d" % number * 100))
        clock.now += DAY
    store.close()
    return made


def left(store: LocalStore, blobs: list[Blob]) -> list[int]:
    return [number for number, one in enumerate(blobs) if os.path.exists(one.path)]


def test_use_counts_and_not_age_alone(store: LocalStore, clock: StillClock) -> None:
    blobs = filled(store, clock)
    assert store.get(blobs[0].digests) is not None
    done = store.prune(set(), max_size=300)
    assert left(store, blobs) == [0, 3, 4]
    assert [one.sha256 for one in done.removed] == [blobs[1].sha256, blobs[2].sha256]
    assert (done.freed, done.left, done.locked, done.used) == (200, 300, 0, 0)
    assert store.get(blobs[1].digests) is None
    assert put(store, b"1" * 100).path == blobs[1].path


def test_what_lockfiles_name_stays(store: LocalStore, clock: StillClock) -> None:
    blobs = filled(store, clock)
    done = store.prune({blobs[1].sha256})
    assert left(store, blobs) == [1]
    assert done.locked == 1


def test_a_dry_run_changes_nothing(store: LocalStore, clock: StillClock, tmp_path: Path) -> None:
    blobs = filled(store, clock)
    done = store.prune(set(), max_age=2.5 * DAY, dry_run=True)
    assert left(store, blobs) == [0, 1, 2, 3, 4]
    assert [one.sha256 for one in done.removed] == [one.sha256 for one in blobs[:3]]
    assert store.prune(set(), max_age=2.5 * DAY).removed == done.removed
    assert left(store, blobs) == [3, 4]


USER = """
    import sys
    from dlm.model.digest import Digests
    from tests.support.stores import a_store, put
    store = a_store(sys.argv[1])
    got = store.get(Digests.sha256_of(b"0" * 100))
    put(store, b"made by it")
    print("got", got is not None, flush=True)
    sys.stdin.readline()
"""


def test_what_a_running_process_uses_stays_until_it_ends(store: LocalStore, clock: StillClock, tmp_path: Path) -> None:
    blobs = filled(store, clock)
    with start(USER, tmp_path) as user:
        assert user.line() == "got True"
        done = store.prune(set())
        assert left(store, blobs) == [0]
        assert done.used == 2
        user.kill()
    assert len(store.prune(set()).removed) == 2
    assert left(store, blobs) == []
    assert os.listdir(tmp_path / "using") == []


def test_what_a_killed_process_said_is_swept(tmp_path: Path) -> None:
    with start(USER, tmp_path) as user:
        assert user.line() == "got False"
        user.kill()
    assert len(os.listdir(tmp_path / "using")) == 1
    with start(USER, tmp_path) as user:
        assert user.line() == "got False"
        assert len(os.listdir(tmp_path / "using")) == 1


def test_two_stores_of_one_process_are_two_users(store: LocalStore, clock: StillClock, tmp_path: Path) -> None:
    blobs = filled(store, clock)
    other = a_store(tmp_path)
    assert other.get(blobs[2].digests) is not None
    store.prune(set())
    assert left(store, blobs) == [2]
    other.close()
    store.prune(set())
    assert left(store, blobs) == []


def test_what_was_cut_goes_when_it_is_old(store: LocalStore, clock: StillClock, tmp_path: Path) -> None:
    for key in ("url:old", "url:held", "url:young"):
        writer = store.writer(key, Digests(), None)
        writer.begin(Validators('"v"'), None)
        writer.write(b"x" * 1000, 0)
        writer.suspend()
    (tmp_path / "quarantine" / ("0" * 64 + ".ab")).write_bytes(b"rot")
    for path in (tmp_path / "partial").iterdir():
        os.utime(path, (clock.now, clock.now))
    young = a_store(tmp_path).writer("url:young", Digests(), None)
    names = {path.name for path in (tmp_path / "partial").iterdir()}
    clock.now += 20 * DAY
    young.suspend()
    for path in (tmp_path / "partial").iterdir():
        if path.name.startswith(_name("url:young")):
            os.utime(path, (clock.now, clock.now))
    with a_store(tmp_path).claim("url:held") or pytest.fail("nobody has it"):
        store.prune(set())
    rest = {path.name for path in (tmp_path / "partial").iterdir()}
    assert names - rest == {_name("url:old"), _name("url:old") + ".json"}
    assert os.listdir(tmp_path / "quarantine") == []


def _name(key: str) -> str:
    from dlm.store.layout import key_name

    return key_name(key)


def test_what_origins_said_of_blobs_that_are_gone_goes_too(
    store: LocalStore, clock: StillClock, tmp_path: Path
) -> None:
    blobs = filled(store, clock)
    for number in (0, 1):
        known = Known(digests=blobs[number].digests, size=100, validators=Validators())
        store.record(f"url:{number}", known, "name")
    store.prune({blobs[1].sha256})
    assert store.known("url:1") is not None
    assert len(list((tmp_path / "origins").glob("*/*"))) == 1


def test_an_index_that_is_lost_makes_the_oldest_file_go_first(
    store: LocalStore, clock: StillClock, tmp_path: Path
) -> None:
    blobs = filled(store, clock)
    os.unlink(tmp_path / "index.sqlite")
    for number, one in enumerate(blobs):
        os.utime(one.path, (number * DAY, number * DAY))
    a_store(tmp_path).prune(set(), max_size=200)
    assert left(store, blobs) == [3, 4]


def test_an_untouched_cache_stays_untouched(tmp_path: Path) -> None:
    assert a_store(tmp_path / "none").prune(set()).removed == ()
    assert not (tmp_path / "none").exists()
