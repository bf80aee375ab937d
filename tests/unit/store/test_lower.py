"""Read-only caches below the one that is written: asked first, and left exactly as they are."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from pathlib import Path

import pytest

from dlm.model.artifact import Validators
from dlm.model.digest import Digests
from dlm.model.transfer import Known
from dlm.store.local import LocalStore
from tests.support.processes import run
from tests.support.projects import Project
from tests.support.stores import Heard, StillClock, a_store, put

BODY = b"0123456789" * 500
PIN = Digests.sha256_of(BODY)
SHA512 = Digests.from_mapping({"sha512": hashlib.sha512(BODY).hexdigest()})


def over(root: Path, *layers: Path, heard: Heard | None = None) -> LocalStore:
    return LocalStore(str(root), StillClock(), heard or Heard(), layers=[str(layer) for layer in layers])


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A cache as it is baked into an image."""
    root = tmp_path / "image"
    store = a_store(root)
    put(store, BODY, expected=SHA512)
    store.record("url:a", Known(digests=PIN, size=len(BODY), validators=Validators('"v"')), "a")
    store.write("page", "text")
    store.close()
    return root


def looks(root: Path) -> list[tuple[object, ...]]:
    """Everything that stat says of everything in a folder, times of access included."""
    found: list[tuple[object, ...]] = []
    for path in sorted([root, *root.rglob("*")]):
        seen = path.lstat()
        found.append((str(path), seen.st_mode, seen.st_ino, seen.st_nlink, seen.st_size, *_times(path, seen)))
    return found


def _times(path: Path, seen: os.stat_result) -> tuple[int, ...]:
    # Looking for files to compare reads folders, too; of blobs, reading leaves no trace.
    blob = "cas" in path.parts and path.is_file()
    return (seen.st_mtime_ns, seen.st_ctime_ns, *((seen.st_atime_ns,) if blob else ()))


def test_a_lower_cache_serves_and_is_not_touched(tmp_path: Path, image: Path) -> None:
    before = looks(image)
    store = over(tmp_path / "cache", image)
    for digests in (PIN, SHA512, PIN.joined(SHA512)):
        blob = store.get(digests)
        assert blob is not None
        assert blob.lower
        assert blob.path.startswith(str(image))
        assert Path(store.path_of(blob.sha256)) == Path(blob.path)
    known = store.known("url:a")
    assert known is not None
    assert known.validators == Validators('"v"')
    assert store.read("page") == ("text", 1_800_000_000.0)
    assert store.get(Digests.sha256_of(b"missing")) is None
    assert dict(store.verify_all()) == {PIN.sha256: True}
    assert dict(store.verify_all([str(PIN.sha256)])) == {PIN.sha256: True}
    store.close()
    assert looks(image) == before


def test_what_is_written_goes_into_the_upper_cache(tmp_path: Path, image: Path) -> None:
    before = looks(image)
    store = over(tmp_path / "cache", image)
    blob = put(store, b"new")
    assert Path(blob.path).is_relative_to(tmp_path / "cache")
    assert store.get(blob.digests) == blob
    store.record("url:a", Known(digests=blob.digests, size=3, validators=Validators('"w"')), "a")
    known = store.known("url:a")
    assert known is not None
    assert known.digests == blob.digests
    store.clean()
    assert store.get(PIN) is not None
    assert looks(image) == before


@pytest.mark.parametrize("link", ["auto", "copy", "reflink", "hardlink", "symlink"])
def test_placing_from_a_lower_cache_leaves_it_as_it_is(tmp_path: Path, image: Path, link: str) -> None:
    before = looks(image)
    project = Project(tmp_path)
    project.store = over(tmp_path / "cache", image, heard=project.heard)
    blob = project.store.get(PIN)
    assert blob is not None
    project.blob = lambda data: blob  # type: ignore[method-assign]
    done = project.sync({"a": BODY}, link=link)
    assert done.placements[0].mode == ("symlink" if link == "symlink" else "copy")
    assert project.look("a")["a"].sha256 == PIN.sha256
    assert looks(image) == before
    assert project.files() == {"a": BODY}


@pytest.mark.fault("I07")
def test_a_rotten_blob_below_is_passed_over_with_one_warning(tmp_path: Path, image: Path) -> None:
    path = Path(over(tmp_path / "cache", image).path_of(str(PIN.sha256)))
    path.chmod(0o644)
    path.write_bytes(b"rot")
    before = looks(image)
    heard = Heard()
    store = over(tmp_path / "cache", image, heard=heard)
    assert store.get(PIN) is None
    assert store.get(PIN) is None
    assert len(heard.warnings) == 1
    assert "read-only cache" in heard.warnings[0]
    mended = put(store, BODY)
    assert store.get(PIN) == mended
    assert not mended.lower
    assert dict(store.verify_all([str(PIN.sha256)])) == {PIN.sha256: False}
    assert looks(image) == before


def test_a_blob_below_is_hashed_once(tmp_path: Path, image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = over(tmp_path / "cache", image)
    put(store, b"makes the folders")
    assert store.get(PIN) is not None
    store.close()

    def read(*_: object) -> None:
        raise AssertionError("it was read")

    monkeypatch.setattr("dlm.store.reading._hash_file", read)
    assert over(tmp_path / "cache", image).get(PIN) is not None


def test_layers_are_asked_in_order_and_the_missing_are_passed_over(tmp_path: Path, image: Path) -> None:
    second = tmp_path / "second"
    shutil.copytree(image, second)
    heard = Heard()
    store = over(tmp_path / "cache", tmp_path / "gone", second, image, heard=heard)
    blob = store.get(PIN)
    assert blob is not None
    assert blob.path.startswith(str(second))
    assert len(heard.warnings) == 1
    assert "gone is not there" in heard.warnings[0]
    (second / "VERSION").write_text("9\n")
    heard = Heard()
    blob = over(tmp_path / "cache", second, image, heard=heard).get(PIN)
    assert blob is not None
    assert blob.path.startswith(str(image))
    assert "layout 9" in heard.warnings[0]


@pytest.mark.fault("L04")
@pytest.mark.fault("L05")
def test_a_blob_below_that_cannot_be_read_is_passed_over(tmp_path: Path, image: Path) -> None:
    code = """
        import os, sys
        from pathlib import Path
        from tests.support.processes import give_up_privileges
        from tests.unit.store.test_lower import PIN, over
        from tests.support.stores import Heard
        cache, image = map(Path, sys.argv[1:])
        heard = Heard()
        store = over(cache, image, heard=heard)
        os.chmod(store.path_of(PIN.sha256), 0)
        give_up_privileges()
        print(store.get(PIN), len(heard.warnings))
    """
    assert run(code, tmp_path / "cache", image) == "None 1\n"


def test_the_cache_itself_is_no_layer_of_its_own(tmp_path: Path, image: Path) -> None:
    blob = over(image, image).get(PIN)
    assert blob is not None
    assert not blob.lower
    assert stat.S_IMODE(os.stat(blob.path).st_mode) == 0o444
