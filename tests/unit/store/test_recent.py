"""Rows that came lately: appended as one record, believed by its seal, taken over when they are many."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from dlm.model.digest import Digests
from dlm.store import recent as module
from dlm.store.index import BlobRow, Index, Signature
from dlm.store.recent import RecentRows, Row
from tests.support.processes import run
from tests.support.stores import StillClock


def pin(number: int) -> str:
    return Digests.sha256_of(b"%d" % number).sha256 or ""


def row(number: int, name: str = "") -> Row:
    return (number, -number, number + 1, 2**64 - 1 - number), name or f"{number}.bin", number + 0.5


def many(first: int, count: int) -> list[tuple[str, Row]]:
    return [(pin(number), row(number)) for number in range(first, first + count)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "index.recent"


def test_what_was_appended_is_found_by_whoever_asks(path: Path) -> None:
    assert RecentRows(str(path)).append(many(0, 50))
    assert RecentRows(str(path)).append(many(50, 1))
    rows = RecentRows(str(path))
    assert rows.all() == dict(many(0, 51))
    assert rows.find([pin(7), pin(50), pin(99)]) == dict([*many(7, 1), *many(50, 1)])
    asked = {pin(number) for number in range(10, 200)}
    assert rows.find(asked) == dict(many(10, 41))


def test_reading_makes_no_file(path: Path) -> None:
    rows = RecentRows(str(path))
    assert rows.all() == rows.find([pin(1)]) == {}
    rows.remove()
    assert not path.exists()


@pytest.mark.parametrize("name", ["", "ü 名", "a" * 255, "dlm rows", "\udc80"])
def test_names_of_every_kind(path: Path, name: str) -> None:
    RecentRows(str(path)).append([(pin(1), (row(1)[0], "first", 1.0)), (pin(2), (row(2)[0], name, 2.0)), *many(3, 1)])
    rows = RecentRows(str(path))
    found = rows.find([pin(2)])[pin(2)]
    assert found == rows.all()[pin(2)]
    assert found[1] == (name if name.isprintable() else "\ufffd" * 3)
    assert rows.find([pin(3)]) == dict(many(3, 1))


def test_the_last_word_counts(path: Path) -> None:
    rows = RecentRows(str(path))
    rows.append([(pin(1), row(1, "old")), (pin(1), row(2, "newer"))])
    assert rows.find([pin(1)]) == rows.all() == {pin(1): row(2, "newer")}
    rows.append([(pin(1), row(3, "newest"))])
    assert rows.find([pin(1)]) == rows.all() == {pin(1): row(3, "newest")}


def test_a_digest_within_other_values_is_no_row(path: Path) -> None:
    """Those of a name, or of two rows together, which no honest blob has."""
    digest = bytes.fromhex(pin(1))
    RecentRows(str(path)).append([*many(2, 2), (pin(4), (row(4)[0], digest.decode("latin-1"), 1.0))])
    assert RecentRows(str(path)).find([pin(1)]) == {}
    data = path.read_bytes()
    unaligned = data[40:72].hex()
    assert RecentRows(str(path)).find([unaligned]) == {}


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def _zeros(path: Path) -> None:
    size = path.stat().st_size
    data = bytearray(path.read_bytes())
    data[-500:] = bytes(500)
    path.write_bytes(bytes(data))
    assert path.stat().st_size == size


def _flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(bytes(data))


def _boasting(path: Path) -> None:
    """The last record says that it has more rows than there are bytes."""
    data = bytearray(path.read_bytes())
    at = data.rfind(b"dlm rows")
    data[at + 8 : at + 12] = b"\xff" * 4
    path.write_bytes(bytes(data))


@pytest.mark.fault("I08")
@pytest.mark.parametrize("damage", [_cut, _zeros, _flipped, _boasting])
def test_a_damaged_record_is_none_and_those_around_it_count(path: Path, damage: Callable[[Path], None]) -> None:
    RecentRows(str(path)).append(many(0, 20))
    RecentRows(str(path)).append(many(20, 20))
    damage(path)
    assert RecentRows(str(path)).all() == dict(many(0, 20))
    rows = RecentRows(str(path))
    assert rows.append(many(40, 20))
    assert rows.all() == dict([*many(0, 20), *many(40, 20)])


@pytest.mark.fault("I08")
@pytest.mark.parametrize("junk", [b"", b"dlm rows", b"dlm rows" * 9, b"\0" * 5000])
def test_junk_in_its_place_is_nothing(path: Path, junk: bytes) -> None:
    path.write_bytes(junk)
    rows = RecentRows(str(path))
    assert rows.all() == {}
    assert rows.append(many(1, 3))
    assert rows.all() == dict(many(1, 3))


@pytest.mark.fault("I08")
def test_something_else_in_its_place_takes_no_rows(path: Path) -> None:
    path.mkdir()
    rows = RecentRows(str(path))
    assert not rows.append(many(1, 1))
    assert rows.all() == {}
    path.rmdir()
    path.symlink_to(path.with_name("elsewhere"))
    assert not rows.append(many(1, 1))
    assert not path.with_name("elsewhere").exists()


def test_it_goes_only_with_the_rows_that_were_seen(path: Path) -> None:
    rows = RecentRows(str(path))
    rows.append(many(0, 2))
    rows.all()
    RecentRows(str(path)).append(many(2, 1))
    rows.remove()
    assert path.exists()
    assert rows.all() == dict(many(0, 3))
    rows.remove()
    assert not path.exists()


@pytest.mark.promise(4)
def test_processes_append_to_it_together(path: Path) -> None:
    code = """
        import os, sys
        from dlm.store.recent import RecentRows
        from tests.unit.store.test_recent import many
        children = []
        for child in range(4):
            pid = os.fork()
            if pid == 0:
                for first in range(child * 250, child * 250 + 250, 10):
                    RecentRows(sys.argv[1]).append(many(first, 10))
                os._exit(0)
            children.append(pid)
        for pid in children:
            os.waitpid(pid, 0)
    """
    run(code, path)
    assert RecentRows(str(path)).all() == dict(many(0, 1000))


# In the index


@pytest.fixture
def index_path(tmp_path: Path) -> Path:
    return tmp_path / "index.sqlite"


def an_index(index_path: Path) -> Index:
    return Index(str(index_path), StillClock(), str(index_path.with_name("index.recent")))


def young(index: Index, numbers: range) -> None:
    index.set_all([(pin(number), Signature(*row(number)[0]), f"{number}.bin") for number in numbers])
    index.flush(index.waiting())


def blob_row(number: int, used: float) -> BlobRow:
    return BlobRow(
        digests=Digests.of_sha256(pin(number)), signature=Signature(*row(number)[0]), name="known", used=used
    )


def in_database(index_path: Path) -> set[str]:
    if not index_path.exists():
        return set()
    connection = sqlite3.connect(index_path)
    try:
        return {sha256 for (sha256,) in connection.execute("SELECT sha256 FROM blobs")}
    finally:
        connection.close()


def test_what_came_at_once_needs_no_database(index_path: Path) -> None:
    index = an_index(index_path)
    young(index, range(100))
    index.close()
    again = an_index(index_path)
    found = again.blob(pin(5))
    assert found is not None
    assert (found.signature, found.name, found.used) == (row(5)[0], "5.bin", StillClock().time())
    again.recall([pin(number) for number in range(50, 150)])
    assert again.blob(pin(70)) is not None
    assert again.blob(pin(120)) is None
    assert set(again.rows()) == {pin(number) for number in range(100)}
    assert not index_path.exists()


def test_of_two_rows_the_later_one_counts(index_path: Path) -> None:
    index = an_index(index_path)
    young(index, range(3))
    now = StillClock().time()
    later, earlier = blob_row(0, now + 9), blob_row(1, now - 9)
    for one in (later, earlier):
        index.set_blob(one)
        index.flush([one.sha256])
    index.close()
    for ask in (lambda index: index.recall([pin(0), pin(1)]), lambda index: index.rows(), lambda _: None):
        again = an_index(index_path)
        ask(again)
        rows = [again.blob(pin(number)) for number in range(3)]
        assert [one and one.name for one in rows] == ["known", "1.bin", "2.bin"]
        assert [one.name for one in (again.rows()[pin(number)] for number in range(3))] == ["known", "1.bin", "2.bin"]


def test_what_is_forgotten_stays_forgotten(index_path: Path) -> None:
    index = an_index(index_path)
    young(index, range(3))
    index.forget(pin(1))
    index.close()
    again = an_index(index_path)
    assert again.blob(pin(1)) is None
    assert set(again.rows()) == {pin(0), pin(2)}


def test_many_rows_are_taken_over(index_path: Path) -> None:
    """Rows that the database knows as well stay as they are there."""
    index = an_index(index_path)
    better = blob_row(7, 0.0)
    index.write_blob(better)
    count = 2 * module._LARGE // (3 * module._ROW.size)
    young(index, range(count))
    assert in_database(index_path) == {pin(7)}
    young(index, range(count, 2 * count))
    assert len(in_database(index_path)) == 2 * count
    assert not index_path.with_name("index.recent").exists()
    index.close()
    again = an_index(index_path)
    assert again.blob(pin(7)) is not None
    assert [again.rows()[pin(number)].name for number in (7, 8)] == ["known", "8.bin"]


def test_so_are_the_rows_of_many_runs(index_path: Path) -> None:
    for number in range(module._MANY + 2):
        index = an_index(index_path)
        index.blob(pin(number))
        young(index, range(number, number + 1))
        index.close()
    assert len(in_database(index_path)) > module._MANY
    assert set(an_index(index_path).rows()) == {pin(number) for number in range(module._MANY + 2)}


@pytest.mark.fault("L04")
def test_where_nothing_can_be_appended_the_database_takes_the_rows(index_path: Path) -> None:
    index_path.with_name("index.recent").mkdir()
    index = an_index(index_path)
    young(index, range(5))
    assert len(in_database(index_path)) == 5
    os.rmdir(index_path.with_name("index.recent"))
    index.close()
    assert set(an_index(index_path).rows()) == {pin(number) for number in range(5)}
