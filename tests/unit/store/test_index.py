"""The index may be damaged, deleted, locked or of another time, and nothing comes of it but work."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from dlm.model.digest import Digests
from dlm.store.index import BlobRow, Index, Signature
from tests.support.processes import run
from tests.support.stores import StillClock

DIGESTS = Digests.sha256_of(b"data")
OTHER = BlobRow(digests=Digests.sha256_of(b"other"), signature=Signature(5, 1, 2, 3))
ROW = BlobRow(digests=DIGESTS, signature=Signature(4, 10, 20, 2**64 - 1), name="data.txt")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "index.sqlite"


def an_index(path: Path) -> Index:
    return Index(str(path), StillClock())


def filled(path: Path) -> None:
    index = an_index(path)
    store(index)
    index.close()


def store(index: Index, row: BlobRow = ROW) -> None:
    index.set_blob(row)
    index.flush([row.sha256])


def test_rows_outlive_the_process(path: Path) -> None:
    filled(path)
    index = an_index(path)
    row = index.blob(ROW.sha256)
    assert row is not None
    assert (row.signature, row.digests, row.name) == (ROW.signature, ROW.digests, "data.txt")
    assert list(index.rows()) == [ROW.sha256]


@pytest.mark.parametrize("name", ["a b", "50%", "%41", "what?", "C#", "ü", "?mode=ro", "a&b=c"])
def test_a_folder_may_be_called_anything(tmp_path: Path, name: str) -> None:
    path = tmp_path / name / "index.sqlite"
    path.parent.mkdir()
    filled(path)
    assert path.is_file()
    assert an_index(path).blob(ROW.sha256) is not None


def test_reading_makes_no_file(path: Path) -> None:
    index = an_index(path)
    assert index.blob(ROW.sha256) is None
    index.forget(ROW.sha256)
    index.close()
    assert not path.exists()


def _junk(path: Path) -> None:
    path.write_bytes(b"junk " * 3000)


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def _scribbled(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4096:] = bytes(byte ^ 0x5A for byte in data[4096:])
    path.write_bytes(bytes(data))


def _other_schema(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()


def _without_tables(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.executescript("DROP TABLE blobs; CREATE TABLE blobs (x);")
    connection.close()


@pytest.mark.fault("I08")
@pytest.mark.parametrize("damage", [_junk, _empty, _truncated, _scribbled, _other_schema, _without_tables, Path.unlink])
def test_a_damaged_index_is_made_anew(path: Path, damage: object) -> None:
    filled(path)
    assert callable(damage)
    damage(path)
    index = an_index(path)
    assert index.blob(ROW.sha256) in {None, ROW}
    store(index)
    index.close()
    assert an_index(path).blob(ROW.sha256) is not None


@pytest.mark.fault("I08")
def test_a_row_that_was_changed_is_no_row(path: Path) -> None:
    filled(path)
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("UPDATE blobs SET size = 5")
    connection.close()
    index = an_index(path)
    assert index.blob(ROW.sha256) is None
    assert index.rows() == {}


@pytest.mark.fault("I08")
def test_an_index_that_goes_while_it_is_open_is_made_anew(path: Path) -> None:
    index = an_index(path)
    store(index, OTHER)
    path.unlink()
    store(index)
    index.close()
    again = an_index(path)
    assert again.blob(ROW.sha256) is not None
    assert again.blob(OTHER.sha256) is None


def test_a_row_waits_until_its_blob_is_on_the_disk(path: Path) -> None:
    index = an_index(path)
    index.set_blob(ROW)
    index.set_blob(OTHER)
    assert set(index.waiting()) == {ROW.sha256, OTHER.sha256}
    index.flush([OTHER.sha256])
    assert index.waiting() == (ROW.sha256,)
    index.close()
    again = an_index(path)
    assert again.blob(ROW.sha256) is None
    assert again.blob(OTHER.sha256) is not None


def test_the_first_name_of_a_blob_stays(path: Path) -> None:
    index = an_index(path)
    index.set_blob(OTHER)
    index.name(OTHER.sha256, "first")
    index.name(OTHER.sha256, "second")
    index.name("0" * 64, "of nothing")
    assert [row.name for row in index.rows().values()] == ["first"]


@pytest.mark.promise(4)
def test_processes_share_it(path: Path) -> None:
    filled(path)
    code = """
        import sys
        from pathlib import Path
        from tests.unit.store.test_index import OTHER, ROW, an_index, store
        index = an_index(Path(sys.argv[1]))
        print(index.blob(ROW.sha256).name)
        store(index, OTHER)
    """
    index = an_index(path)
    assert index.blob(OTHER.sha256) is None
    assert run(code, path) == "data.txt\n"
    assert index.blob(OTHER.sha256) is not None


@pytest.mark.fault("L04")
def test_an_index_that_cannot_be_written_is_read(path: Path) -> None:
    filled(path)
    code = """
        import os, sys
        from pathlib import Path
        from tests.support.processes import give_up_privileges
        from tests.unit.store.test_index import OTHER, ROW, an_index, store
        path = Path(sys.argv[1])
        path.chmod(0o444); path.parent.chmod(0o555)
        give_up_privileges()
        index = an_index(path)
        assert index.blob(ROW.sha256) is not None
        store(index, OTHER); index.forget("x"); index.close()
        assert index.blob(ROW.sha256) is not None
        path.parent.chmod(0o755)
        print(sorted(os.listdir(path.parent)))
    """
    assert run(code, path) == "['index.sqlite']\n"


def test_a_row_that_is_young_is_a_row_like_any_other(path: Path) -> None:
    """However it is asked for, and whenever: before it is written, and after."""
    index = an_index(path)
    sha256 = ROW.sha256
    index.set_new(sha256, ROW.signature, "data.txt")
    assert index.waiting() == (sha256,)
    index.recall([sha256])
    asked = index.blob(sha256)
    assert asked == BlobRow(digests=DIGESTS, signature=ROW.signature, name="data.txt", used=StillClock().time())
    assert index.waiting() == (sha256,)
    assert index.rows() == {sha256: asked}
    index.flush([sha256])
    assert index.waiting() == ()
    index.close()
    assert an_index(path).blob(sha256) == asked


def test_a_young_row_is_written_as_it_came(path: Path) -> None:
    index = an_index(path)
    young = Digests.sha256_of(b"young").sha256 or ""
    index.set_new(young, OTHER.signature, "young.txt")
    store(index)
    assert index.waiting() == (young,)
    index.flush([young, ROW.sha256])
    index.close()
    again = an_index(path)
    found = again.blob(young)
    assert found is not None
    assert (found.signature, found.name, found.digests.sha256) == (OTHER.signature, "young.txt", young)
    assert set(again.rows()) == {young, ROW.sha256}


def test_a_young_row_gives_way_to_what_is_known_later(path: Path) -> None:
    index = an_index(path)
    index.set_new(ROW.sha256, OTHER.signature, "")
    index.name(ROW.sha256, "named")
    named = index.blob(ROW.sha256)
    assert named is not None
    assert named.name == "named"
    index.set_new(ROW.sha256, OTHER.signature, "")
    store(index)
    index.close()
    found = an_index(path).blob(ROW.sha256)
    assert found is not None
    assert found.signature == ROW.signature
    index = an_index(path)
    index.set_new(OTHER.sha256, OTHER.signature, "")
    index.forget(OTHER.sha256)
    assert index.blob(OTHER.sha256) is None
    assert index.waiting() == ()
    index.set_new(OTHER.sha256, OTHER.signature, "")
    index.write_blob(ROW)
    index.flush(index.waiting())
    assert set(index.rows()) == {ROW.sha256, OTHER.sha256}
