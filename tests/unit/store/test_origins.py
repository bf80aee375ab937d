"""What origins answered: remembered without the index, and believed only where it adds up."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from dlm.model.artifact import Validators
from dlm.model.digest import Digests
from dlm.model.transfer import Known
from dlm.store.notes import write_note
from dlm.store.origins import read_origin, write_origin
from tests.support.stores import a_store, put

KNOWN = Known(
    digests=Digests.sha256_of(b"data"),
    size=4,
    validators=Validators('"quo\'ted"', None),
    headers={"etag": "é"},
    final_url="https://example.org/moved",
)


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "origin")


def write(path: str, now: float = 1.0) -> int:
    write_origin(path, KNOWN, "data.txt", now, os.path.dirname(path), mode=None)
    found = read_origin(path)
    assert found is not None
    return found[0].serial


def test_it_comes_back_as_it_was(path: str) -> None:
    serial = write(path)
    found = read_origin(path)
    assert found is not None
    known, name = found
    assert name == "data.txt"
    assert (known.digests, known.size, known.validators) == (KNOWN.digests, 4, KNOWN.validators)
    assert (dict(known.headers), known.final_url, known.serial) == ({"etag": "é"}, KNOWN.final_url, serial)


def test_serials_grow_even_when_the_file_was_lost(path: str) -> None:
    serials = [write(path), write(path), write(path)]
    os.unlink(path)
    serials.append(write(path, now=2.0))
    assert serials == sorted(set(serials))


@pytest.mark.fault("I08")
@pytest.mark.parametrize(
    "change",
    [
        {"size": "4"},
        {"serial": True},
        {"headers": []},
        {"etag": 1},
        {"digests": {"sha256": "abc"}},
        {"digests": []},
        {"name": None},
        {"final-url": {}},
    ],
)
def test_what_does_not_add_up_is_not_there(path: str, change: dict[str, object]) -> None:
    write(path)
    document = json.loads(Path(path).read_bytes().partition(b"\n")[2])
    write_note(path, json.dumps(document | change), 1.0, os.path.dirname(path))
    assert read_origin(path) is None
    for junk in (b"", b"junk", Path(path).read_bytes()[:-1]):
        Path(path).write_bytes(junk)
        assert read_origin(path) is None


@pytest.mark.fault("I08")
def test_an_index_that_is_lost_loses_no_answer_and_no_name(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    blob = put(store, b"data")
    store.record("url:a", KNOWN, "https://example.org/data.txt?x=1")
    store.close()
    os.unlink(tmp_path / "index.sqlite")
    again = a_store(tmp_path)
    known = again.known("url:a")
    assert known is not None
    assert known.validators == KNOWN.validators
    assert again.get(known.digests) == blob
    assert [one.name for one in again.blobs()] == ["data.txt"]
