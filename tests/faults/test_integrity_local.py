"""Damage in the cache: it never reaches a project, and never stops a run that can go on."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from dlm.model.artifact import Blob, Validators
from dlm.model.digest import Digests
from dlm.model.transfer import Known
from tests.support.fetching import BACKENDS, kit, order
from tests.support.origin import Static
from tests.support.processes import run
from tests.support.stores import Heard, a_store, put

BODY = b"0123456789" * 300
PIN = Digests.sha256_of(BODY)


def overwrite(blob: Blob, data: bytes) -> None:
    """Write into the blob's own file, as a program with a hard link to it would, and put its times back."""
    before = os.stat(blob.path)
    os.chmod(blob.path, 0o644)
    with open(blob.path, "r+b") as file:
        file.truncate(0)
        file.write(data)
    os.utime(blob.path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.fault("I07")
@pytest.mark.promise(9)
@pytest.mark.parametrize("data", [b"", BODY[:-1], BODY[:-1] + b"x", BODY + b"x"])
@pytest.mark.parametrize("fresh", [True, False])
def test_a_rotten_blob_is_never_handed_out(tmp_path: Path, data: bytes, fresh: bool) -> None:
    heard = Heard()
    store = a_store(tmp_path, heard)
    blob = put(store, BODY)
    overwrite(blob, data)
    if fresh:
        store.close()
        store = a_store(tmp_path, heard)
    assert store.get(PIN) is None
    assert len(heard.warnings) == 1
    assert str(PIN.sha256) in heard.warnings[0]
    assert not os.path.exists(blob.path)
    (moved,) = os.listdir(tmp_path / "quarantine")
    assert (tmp_path / "quarantine" / moved).read_bytes() == data
    mended = put(store, BODY)
    assert store.get(PIN) == mended
    assert Path(mended.path).read_bytes() == BODY


@pytest.mark.fault("I07")
def test_a_rotten_blob_does_not_stand_in_the_way_of_a_good_one(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    overwrite(put(store, BODY), b"rot")
    assert Path(put(store, BODY).path).read_bytes() == BODY
    assert store.get(PIN) is not None


@pytest.mark.fault("I07")
def test_a_link_in_the_place_of_a_blob_is_no_blob(tmp_path: Path) -> None:
    heard = Heard()
    store = a_store(tmp_path / "cache", heard)
    blob = put(store, BODY)
    outside = tmp_path / "outside"
    outside.write_bytes(BODY)
    os.unlink(blob.path)
    os.symlink(outside, blob.path)
    assert store.get(PIN) is None
    assert heard.warnings
    assert outside.read_bytes() == BODY


@pytest.mark.fault("I07")
def test_a_good_blob_is_not_read_again_and_a_touched_one_is(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    blob = put(store, BODY)
    os.utime(blob.path)
    assert store.get(PIN) == blob


@pytest.mark.fault("I08")
def test_everything_but_the_blobs_may_be_junk(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    blob = put(store, BODY)
    store.record("url:a", Known(digests=PIN, size=len(BODY), validators=Validators('"v"')), "a")
    store.write("page", "text")
    writer = store.writer("url:b", Digests(), None)
    writer.begin(Validators('"v"'), None)
    writer.write(b"half", 0)
    writer.suspend()
    store.close()
    for folder, _, files in os.walk(tmp_path):
        for name in files:
            path = Path(folder, name)
            if str(path) != blob.path:
                path.write_bytes(b"\x00junk" * 1000)
    heard = Heard()
    store = a_store(tmp_path, heard)
    assert store.get(PIN) == blob
    assert store.known("url:a") is None
    assert store.read("page") is None
    assert store.writer("url:b", Digests(), None).offset == 0
    store.record("url:a", Known(digests=PIN, size=len(BODY), validators=Validators('"w"')), "a")
    assert store.known("url:a") is not None
    assert (tmp_path / "VERSION").read_text() == "1\n"
    assert heard.warnings == []


@pytest.mark.fault("I08")
def test_everything_but_the_blobs_may_be_gone(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    blob = put(store, BODY)
    store.close()
    for entry in os.scandir(tmp_path):
        if entry.is_dir() and entry.name != "cas":
            shutil.rmtree(entry.path)
        elif entry.is_file():
            os.unlink(entry.path)
    assert a_store(tmp_path).get(PIN) == blob
    assert put(a_store(tmp_path), b"more").size == 4


@pytest.mark.fault("I08")
@pytest.mark.parametrize(
    "damage",
    [
        lambda data, side: side.write_bytes(side.read_bytes().replace(b'"v"', b'"w"')[:40]),
        lambda data, side: side.unlink(),
        lambda data, side: side.write_text("[" * 2000),
        lambda data, side: side.write_text('{"version": 1}'),
        lambda data, side: data.unlink(),
        lambda data, side: data.write_bytes(data.read_bytes()[:-1]),
        lambda data, side: data.write_bytes(bytes(len(data.read_bytes()))),
        lambda data, side: os.link(data, data.parent / "another-name"),
    ],
)
def test_a_partial_file_that_nothing_vouches_for_is_dropped(
    tmp_path: Path, damage: Callable[[Path, Path], object]
) -> None:
    store = a_store(tmp_path)
    writer = store.writer("url:b", Digests(), None)
    writer.begin(Validators('"v"'), None)
    writer.write(BODY, 0)
    writer.suspend()
    (data,) = (path for path in (tmp_path / "partial").iterdir() if path.suffix == "")
    damage(data, data.with_name(data.name + ".json"))
    writer = store.writer("url:b", Digests(), None)
    assert (writer.offset, writer.validators) == (0, Validators())
    writer.begin(Validators(), None)
    writer.write(BODY, 0)
    assert writer.commit(PIN, None).size == len(BODY)


@pytest.mark.fault("I08")
def test_an_alias_is_believed_only_when_it_was_computed(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    blob = put(store, BODY)
    wrong = Digests.from_mapping({"sha512": "ab" * 64})
    alias = tmp_path / "alias" / "sha512" / "ab"
    alias.mkdir(parents=True)
    (alias / ("ab" * 64)).write_text(blob.sha256)
    assert store.get(wrong) is None
    (alias / ("ab" * 64)).write_text("../../etc")
    assert store.get(wrong) is None
    assert store.get(PIN) is not None


@pytest.mark.fault("S04")
@pytest.mark.promise(7)
def test_no_file_of_the_cache_holds_an_address_or_a_secret(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    key = "url:https://user:hunter2@example.org/a?token=hunter2#authorization"
    writer = store.writer(key, Digests(), None)
    writer.begin(Validators('"v"'), None)
    writer.write(BODY, 0)
    writer.suspend()
    store.writer(key, Digests(), None).commit(PIN, None)
    store.record(
        key,
        Known(
            digests=PIN,
            size=len(BODY),
            validators=Validators('"v"'),
            headers={"Set-Cookie": "hunter2", "x-token": "hunter2", "etag": '"v"'},
            final_url="https://example.org/b?token=hunter2",
        ),
        "https://example.org/a?token=hunter2",
    )
    store.write(key, "text")
    other = store.writer(key + "2", Digests(), None)
    other.begin(Validators('"v"'), None)
    other.write(BODY, 0)
    other.suspend()
    store.close()
    seen = 0
    for folder, _, files in os.walk(tmp_path):
        for name in files:
            content = Path(folder, name).read_bytes()
            assert b"hunter2" not in content + name.encode()
            assert b"example.org" not in content
            seen += 1
    assert seen > 7
    assert dict(store.known(key).headers) == {"etag": '"v"'}  # type: ignore[union-attr]


def test_a_newer_layout_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "VERSION").write_text("2\n")
    code = """
        import sys
        from dlm.errors import LocalError
        from dlm.model.digest import EMPTY
        from tests.support.stores import a_store
        store = a_store(sys.argv[1])
        acts = [lambda: store.get(EMPTY), lambda: store.claim("a"), lambda: store.known("a")]
        for act in [*acts, lambda: list(store.blobs())]:
            try:
                act()
            except LocalError as error:
                assert "layout 2" in error.message and error.hint
                print("refused")
    """
    assert run(code, tmp_path).split() == ["refused"] * 4
    assert os.listdir(tmp_path) == ["VERSION"]


def test_verify_tells_the_good_from_the_bad(tmp_path: Path) -> None:
    heard = Heard()
    store = a_store(tmp_path, heard)
    good, bad = put(store, b"good"), put(store, b"bad")
    overwrite(bad, b"bat")
    assert dict(store.verify_all()) == {good.sha256: True, bad.sha256: False}
    assert len(heard.warnings) == 1
    assert dict(store.verify_all()) == {good.sha256: True}


@pytest.mark.fault("I08")
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("suffixes", [("",), (".json",), ("", ".json")])
def test_a_folder_in_the_place_of_a_partial_file_is_put_out_of_the_way(
    tmp_path: Path, backend: str, full: bool, suffixes: tuple[str, ...]
) -> None:
    body = BODY * 1000
    partial = tmp_path / "cache" / "partial"
    with kit(tmp_path, backend) as one:
        asked = order(one.origin.route("/file", Static(body)))
        one.seed(asked, body[:1_500_000], total=len(body))
        (sidecar,) = partial.glob("*.json")
        for suffix in suffixes:
            place = sidecar.with_suffix(suffix)
            place.unlink()
            place.mkdir()
            if full:
                (place / "deep").mkdir()
                (place / "deep" / "file").write_text("x")
        assert one.bytes_of(one.arrive(asked)) == body
        assert os.listdir(partial) == []
    assert os.listdir(tmp_path / "cache" / "tmp") == []


@pytest.mark.fault("I08")
@pytest.mark.fault("L05")
def test_a_folder_that_cannot_be_put_out_of_the_way_is_named(tmp_path: Path) -> None:
    code = """
        import os, sys
        from dlm.errors import LocalError
        from dlm.model.artifact import Validators
        from dlm.model.digest import Digests
        from dlm.store.layout import key_name
        from tests.support.processes import give_up_privileges
        from tests.support.stores import a_store
        store = a_store(sys.argv[1])
        store.claim("url:b").close()
        there = os.path.join(sys.argv[1], "partial", key_name("url:b"))
        os.mkdir(there)
        os.chmod(os.path.dirname(there), 0o555)
        give_up_privileges()
        writer = store.writer("url:b", Digests(), None)
        writer.begin(Validators(), None)
        try:
            writer.write(bytes(2_000_000), 0)
        except LocalError as error:
            assert there in error.message, error.message
            assert f"remove the folder {there}" in error.hint, error.hint
            print("refused")
        writer.suspend()
        os.chmod(os.path.dirname(there), 0o755)
    """
    assert run(code, tmp_path) == "refused\n"
