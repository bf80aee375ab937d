"""The cache folder: what is in it, what is said of it, and what cleaning takes away."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from dlm.errors import LocalError
from dlm.model.artifact import Validators
from dlm.model.digest import Digests
from dlm.model.transfer import Known
from dlm.store.prune import StoredBlob
from tests.support.stores import Heard, StillClock, a_store, put


def test_the_layout_is_what_its_picture_says(tmp_path: Path) -> None:
    root = tmp_path / "cache"
    store = a_store(root)
    blob = put(store, b"data", expected=Digests())
    assert Path(blob.path) == root / "cas" / blob.sha256[:2] / blob.sha256
    assert stat.S_IMODE(os.stat(blob.path).st_mode) == 0o444
    assert (root / "CACHEDIR.TAG").read_text().startswith("Signature: 8a477f597d28d172789f06886806bc55\n")
    assert (root / "VERSION").read_text() == "1\n"
    assert (root / ".gitignore").read_text() == "*\n"
    assert store.path_of(blob.sha256) == blob.path


def test_somebody_elses_folder_is_not_marked_as_a_cache(tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("dear")
    put(a_store(tmp_path), b"data")
    assert not (tmp_path / "CACHEDIR.TAG").exists()
    assert not (tmp_path / ".gitignore").exists()
    assert (tmp_path / "VERSION").exists()


def test_cleaning_takes_what_dlm_made_and_nothing_else(tmp_path: Path) -> None:
    root = tmp_path / "cache"
    store = a_store(root)
    put(store, b"one")
    put(store, b"three", expected=Digests.from_mapping({}))
    store.write("page", "text")
    writer = store.writer("url:a", Digests(), None)
    writer.begin(Validators(), None)
    writer.write(b"half", 0)
    writer.suspend()
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / ("a" * 64)).write_text("precious")
    (root / "cas" / "aa").symlink_to(outside)
    mine = [root / "mine.txt", root / "cas" / "mine.txt", root / "partial" / "mine", root / "notes.txt"]
    for path in mine:
        path.write_text("mine")
    assert store.size() > 8
    blobs, size = store.clean()
    assert blobs == 2
    assert size > 8
    left = sorted(path for path in root.rglob("*") if path.is_file() and "outside" not in str(path.resolve()))
    assert left == sorted(mine)
    assert (outside / ("a" * 64)).read_text() == "precious"
    assert put(store, b"again").size == 5


def test_cleaning_an_untouched_cache_removes_the_folder(tmp_path: Path) -> None:
    root = tmp_path / "cache"
    store = a_store(root)
    assert store.clean() == (0, 0)
    put(store, b"one")
    store.clean()
    assert not root.exists()
    assert store.get(Digests.sha256_of(b"one")) is None


def test_the_list_of_blobs_has_names_sizes_and_times(tmp_path: Path) -> None:
    clock = StillClock()
    store = a_store(tmp_path, clock=clock)
    blob = put(store, b"one")
    store.record("url:a", Known(digests=blob.digests, size=3, validators=Validators()), "https://x/one.txt?t=1")
    clock.now += 86_400
    assert store.get(blob.digests) is not None
    store.close()
    assert list(a_store(tmp_path).blobs()) == [
        StoredBlob(sha256=blob.sha256, name="one.txt", size=3, used=clock.now),
    ]


@pytest.mark.fault("L05")
def test_a_cache_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    root = tmp_path / "file" / "cache"
    store = a_store(root)
    assert store.get(Digests.sha256_of(b"")) is None
    with pytest.raises(LocalError, match="file/cache: Not a directory") as caught:
        store.claim("key")
    assert "DLM_CACHE_DIR" in str(caught.value.hint)
    heard = Heard()
    a_store(root, heard).write("page", "text")
    assert len(heard.events) == 1


def test_a_blob_that_comes_twice_keeps_its_file(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    first = os.stat(put(store, b"data").path)
    second = os.stat(put(store, b"data", key="another").path)
    assert first.st_ino == second.st_ino


@pytest.mark.parametrize("size", [10, 3_000_000])
def test_a_blob_that_was_just_written_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    blob = put(a_store(tmp_path), b"x" * size)

    def read(*_: object) -> None:
        raise AssertionError("it was read")

    monkeypatch.setattr("dlm.store.reading._hash_file", read)
    assert a_store(tmp_path).get(blob.digests) == blob


def test_importing_the_store_is_light() -> None:
    code = (
        "import sys, dlm.store.local; print([n for n in ('sqlite3', 'requests', 'yaml', 'ctypes') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=_environment())
    assert done.stdout == "[]\n"


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3] / "src")}
