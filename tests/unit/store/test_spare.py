"""A spare is a second file with the very bytes of a large blob, or it is not there."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dlm.errors import IntegrityError
from dlm.model.artifact import Blob, Validators
from dlm.model.digest import Digests
from dlm.store.local import LocalStore
from dlm.store.spare import SpareFile
from tests.support.stores import WAYS, a_store, hashing_by
from tests.unit.store.test_shared import a_shared_store

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="spares are made on Linux alone")


@pytest.fixture(params=WAYS, autouse=True)
def way(request: pytest.FixtureRequest) -> Iterator[str]:
    with hashing_by(request.param):
        yield request.param


BODY = bytes(range(256)) * 12_000  # 3 MB
PIN = Digests.sha256_of(BODY)


def temporary(store: LocalStore) -> list[Path]:
    return [path for path in (Path(store.root) / "tmp").iterdir() if path.is_file()]


def arrive(store: LocalStore, spare: int | None = 0o644, *, step: int = 400_000, body: bytes = BODY) -> Blob:
    writer = store.writer("key", PIN, len(BODY), spare)
    writer.begin(Validators(), len(BODY))
    for at in range(0, len(body), step):
        writer.write(body[at : at + step], at)
    return writer.commit(PIN, len(BODY))


@pytest.mark.parametrize("mode", [0o644, 0o755])
@pytest.mark.parametrize("step", [7_000, 400_000, len(BODY)])
def test_it_has_the_bytes_and_the_permissions_of_a_new_file(tmp_path: Path, mode: int, step: int) -> None:
    store = a_store(tmp_path)
    old = os.umask(0o027)
    try:
        blob = arrive(store, mode, step=step)
    finally:
        os.umask(old)
    assert blob.spare is not None
    spare = Path(blob.spare.path)
    assert spare.read_bytes() == Path(blob.path).read_bytes() == BODY
    assert not spare.samefile(blob.path)
    assert stat.S_IMODE(spare.stat().st_mode) == mode & ~0o027
    assert spare.parent == Path(store.spares() or "")


def test_one_that_nobody_moved_goes_with_the_store(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    assert arrive(store).spare is not None
    store.close()
    assert temporary(store) == []


def test_one_that_was_moved_stays_where_it_is(tmp_path: Path) -> None:
    store = a_store(tmp_path / "cache")
    blob = arrive(store)
    assert blob.spare is not None
    os.rename(blob.spare.path, tmp_path / "mine")
    store.close()
    assert (tmp_path / "mine").read_bytes() == BODY


def test_nobody_asked_for_one(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    assert arrive(store, None).spare is None
    assert temporary(store) == []


def test_a_body_out_of_order_has_one_too(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    writer = store.writer("key", PIN, len(BODY), 0o644)
    writer.begin(Validators(), len(BODY))
    third = len(BODY) // 3
    writer.write(BODY[:600_000], 0)
    writer.write(BODY[2 * third :], 2 * third)
    writer.write(BODY[600_000 : 2 * third], 600_000)
    blob = writer.commit(PIN, len(BODY))
    assert blob.spare is not None
    assert Path(blob.spare.path).read_bytes() == BODY


def test_a_body_that_is_taken_up_again_has_none(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    writer = store.writer("key", PIN, len(BODY), 0o644)
    writer.begin(Validators('"v"'), len(BODY))
    writer.write(BODY[:2_000_000], 0)
    writer.suspend()
    assert temporary(store) == []
    writer = store.writer("key", PIN, len(BODY), 0o644)
    assert writer.offset == 2_000_000
    writer.write(BODY[2_000_000:], 2_000_000)
    assert writer.commit(PIN, len(BODY)).spare is None
    assert temporary(store) == []


def test_a_body_that_begins_anew_has_one_of_the_new_bytes(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    writer = store.writer("key", PIN, len(BODY), 0o644)
    writer.begin(Validators(), len(BODY))
    writer.write(bytes(2_000_000), 0)
    writer.begin(Validators(), len(BODY))
    writer.write(BODY[:2_000_000], 0)
    writer.write(BODY[2_000_000:], 2_000_000)
    blob = writer.commit(PIN, len(BODY))
    assert blob.spare is not None
    assert Path(blob.spare.path).read_bytes() == BODY
    assert temporary(store) == [Path(blob.spare.path)]


@pytest.mark.parametrize("body", [BODY[:-1] + b"?", BODY[:-1]])
def test_wrong_bytes_leave_none(tmp_path: Path, body: bytes) -> None:
    store = a_store(tmp_path)
    with pytest.raises(IntegrityError):
        arrive(store, body=body)
    assert temporary(store) == []


def test_a_shared_cache_makes_none(tmp_path: Path) -> None:
    store = a_shared_store(tmp_path)
    assert store.spares() is None
    assert arrive(store).spare is None


def test_a_killed_run_leaves_none_for_long(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    pid = os.fork()
    if pid == 0:
        mine = a_store(tmp_path)
        assert arrive(mine).spare is not None
        os.kill(os.getpid(), 9)
    os.waitpid(pid, 0)
    assert len(temporary(store)) == 1
    arrive(store, None)
    assert temporary(store) == []


def test_a_gap_or_a_short_end_is_no_spare(tmp_path: Path) -> None:
    path = tmp_path / "spare"
    spare = SpareFile(str(path), 0o644, 10)
    spare.write(memoryview(b"12345"), 0)
    spare.write(memoryview(b"890"), 7)
    assert not path.exists()
    assert not spare.finish()
    spare = SpareFile(str(path), 0o644, 10)
    spare.write(memoryview(b"12345"), 0)
    assert not spare.finish()
    assert not path.exists()


def test_what_stands_there_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "spare"
    path.write_bytes(b"mine")
    spare = SpareFile(str(path), 0o644, 4)
    spare.write(memoryview(b"1234"), 0)
    assert not spare.finish()
    spare.drop()
    assert path.read_bytes() == b"mine"


def test_without_room_for_more_than_the_body_there_is_none(tmp_path: Path) -> None:
    spare = SpareFile(str(tmp_path / "spare"), 0o644, 1 << 60)
    spare.write(memoryview(b"1234"), 0)
    assert not spare.finish()
    assert list(tmp_path.iterdir()) == []
