"""What every ``Store`` does, told by the one there is; a new kind of store joins the list of makers."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dlm.errors import IntegrityError
from dlm.model.artifact import Artifact, Blob, Receipt, Validators
from dlm.model.digest import EMPTY, Digest, Digests
from dlm.model.transfer import Arrived, Known, Order
from dlm.ports import Notebook, Store
from dlm.store.cachedir_store import CachedirStore
from dlm.store.local import LocalStore
from tests.support.stores import Heard, StillClock, a_store, put

BODY = bytes(range(256)) * 5000
PIN = Digests.sha256_of(BODY)
KEY = f"sha256:{PIN.sha256}"


def sha512(data: bytes) -> Digest:
    return Digest("sha512", hashlib.sha512(data).hexdigest())


Maker = Callable[[Path], Store]


def over_another(root: Path) -> LocalStore:
    """A store with a read-only cache below that has nothing of what is asked for."""
    lower = root.with_name("lower")
    put(a_store(lower), b"something else")
    return LocalStore(str(root), StillClock(), Heard(), layers=[str(lower)])


def of_a_group(root: Path) -> LocalStore:
    return LocalStore(str(root), StillClock(), Heard(), shared=True)


def of_cachedir(root: Path) -> CachedirStore:
    return CachedirStore(str(root), StillClock(), Heard())


MAKERS = [a_store, over_another, of_a_group, of_cachedir]


@pytest.fixture(params=MAKERS, ids=["local", "layered", "shared", "cachedir"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    maker: Maker = request.param
    return maker(tmp_path / "cache")


def test_an_empty_store_has_nothing_and_makes_nothing(store: Store, tmp_path: Path) -> None:
    assert store.get(PIN) is None
    assert store.known(KEY) is None
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("step", [1000, 65_536, 700_001, len(BODY)])
def test_what_was_written_is_there(store: Store, step: int) -> None:
    writer = store.writer(KEY, PIN, len(BODY))
    writer.begin(Validators(), len(BODY))
    for at in range(0, len(BODY), step):
        assert writer.offset == at
        writer.write(BODY[at : at + step], at)
    blob = writer.commit(PIN, len(BODY))
    assert Path(blob.path).read_bytes() == BODY
    assert os.path.isabs(blob.path)
    assert blob.size == len(BODY)
    assert store.get(PIN) == blob


@pytest.mark.fault("H24")
def test_an_empty_body_is_a_blob_like_any_other(store: Store) -> None:
    writer = store.writer("url:empty", Digests(), None)
    writer.begin(Validators(), 0)
    blob = writer.commit(Digests(), 0)
    assert blob.digests == EMPTY
    assert blob.size == 0
    assert store.get(EMPTY) == blob


def test_pieces_in_any_order_make_the_same_blob(store: Store) -> None:
    step = 100_000
    starts = list(range(0, len(BODY), step))
    order = starts[3:5] + starts[:2] + starts[7:] + starts[2:3] + starts[5:7]
    writer = store.writer(KEY, PIN, len(BODY))
    writer.begin(Validators(), len(BODY))
    for at in order:
        writer.write(BODY[at : at + step], at)
    assert writer.offset == len(BODY)
    assert writer.commit(PIN, len(BODY)).digests == PIN


def test_bytes_that_are_at_hand_are_not_taken_again(store: Store) -> None:
    writer = store.writer(KEY, PIN, len(BODY))
    writer.begin(Validators(), len(BODY))
    writer.write(BODY[:500_000], 0)
    writer.write(b"x" * 1000, 100)
    writer.write(b"x" * 1000 + BODY[500_000:], 499_000)
    assert writer.commit(PIN, len(BODY)).digests == PIN


@pytest.mark.fault("I01")
@pytest.mark.promise(1)
@pytest.mark.parametrize("size", [100, len(BODY) * 2])
def test_other_bytes_are_refused_with_both_digests_whole(store: Store, size: int) -> None:
    wrong = b"x" * size
    writer = store.writer(KEY, PIN, None)
    writer.begin(Validators(), None)
    writer.write(wrong, 0)
    with pytest.raises(IntegrityError) as caught:
        writer.commit(PIN, None)
    assert str(PIN.sha256) in caught.value.message
    assert str(Digests.sha256_of(wrong).sha256) in caught.value.message
    assert store.get(PIN) is None
    assert store.get(Digests.sha256_of(wrong)) is None
    assert store.writer(KEY, PIN, None).offset == 0


@pytest.mark.fault("I01")
def test_another_size_is_refused_with_both_sizes(store: Store) -> None:
    writer = store.writer("url:a", Digests(), 5)
    writer.begin(Validators(), None)
    writer.write(b"four", 0)
    with pytest.raises(IntegrityError, match="expected 5 bytes, got 4"):
        writer.commit(Digests(), 5)


def test_a_gap_is_no_blob(store: Store) -> None:
    writer = store.writer(KEY, PIN, len(BODY))
    writer.begin(Validators(), len(BODY))
    writer.write(BODY[:10], 0)
    writer.write(BODY[20:], 20)
    with pytest.raises(IntegrityError, match="bytes 10 to 19 are missing"):
        writer.commit(PIN, len(BODY))


@pytest.mark.parametrize("cut", [1, 70_000, 1_200_000])
def test_a_suspended_transfer_goes_on_where_it_stopped(store: Store, cut: int) -> None:
    validators = Validators('"v1"', "Mon, 01 Jan 2024 00:00:00 GMT")
    writer = store.writer("url:a", Digests(), None)
    writer.begin(validators, len(BODY))
    writer.write(BODY[:cut], 0)
    writer.suspend()
    again = store.writer("url:a", Digests(), None)
    assert (again.offset, again.validators, again.total) == (cut, validators, len(BODY))
    again.write(BODY[cut:], cut)
    assert again.commit(Digests(), None).digests == PIN


def test_what_lies_behind_a_gap_is_taken_up_where_the_store_says_so(store: Store) -> None:
    writer = store.writer(KEY, PIN, len(BODY))
    writer.begin(Validators(), len(BODY))
    writer.write(BODY[:100], 0)
    writer.write(BODY[5000:9000], 5000)
    writer.suspend()
    again = store.writer(KEY, PIN, len(BODY))
    assert again.offset == 100
    at = 100
    for start, end in (*again.ahead, (len(BODY), len(BODY))):
        again.write(BODY[at:start], at)
        at = end
    assert again.commit(PIN, len(BODY)).size == len(BODY)


def test_a_new_body_forgets_the_old_one(store: Store) -> None:
    writer = store.writer(KEY, PIN, len(BODY))
    writer.begin(Validators('"old"'), 9)
    writer.write(b"x" * 2_000_000, 0)
    writer.begin(Validators('"new"'), len(BODY))
    assert (writer.offset, writer.validators, writer.total) == (0, Validators('"new"'), len(BODY))
    writer.write(BODY, 0)
    assert writer.commit(PIN, len(BODY)).digests == PIN


def test_a_discarded_transfer_leaves_nothing(store: Store) -> None:
    writer = store.writer(KEY, PIN, len(BODY))
    writer.begin(Validators('"v"'), len(BODY))
    writer.write(BODY, 0)
    writer.discard()
    again = store.writer(KEY, PIN, len(BODY))
    assert (again.offset, again.validators) == (0, Validators())


def test_a_blob_is_found_by_any_of_its_digests(store: Store) -> None:
    strong = Digests.of([sha512(BODY)])
    writer = store.writer("url:a", strong, None)
    writer.begin(Validators(), None)
    writer.write(BODY, 0)
    blob = writer.commit(strong, None)
    assert blob.sha256 == PIN.sha256
    assert blob.digests.get("sha512") == sha512(BODY).value
    found = store.get(strong)
    assert found is not None
    assert found.path == blob.path


@pytest.mark.fault("I01")
def test_a_second_pin_counts_as_much_as_the_first(store: Store) -> None:
    writer = store.writer(KEY, PIN, None)
    writer.begin(Validators(), None)
    writer.write(BODY, 0)
    writer.commit(PIN, None)
    right = store.get(PIN.joined(Digests.of([sha512(BODY)])))
    assert right is not None
    assert right.digests.get("sha512") == sha512(BODY).value
    assert store.get(PIN.joined(Digests.of([sha512(b"other")]))) is None
    assert store.get(PIN) is not None


def test_a_pin_that_comes_late_is_checked_too(store: Store) -> None:
    writer = store.writer("url:a", Digests(), None)
    writer.begin(Validators(), None)
    writer.write(BODY, 0)
    with pytest.raises(IntegrityError, match="sha512"):
        writer.commit(Digests.of([sha512(b"other")]), None)


def test_one_claim_for_each_key(store: Store) -> None:
    first = store.claim("a")
    assert first is not None
    assert store.claim("a") is None
    other = store.claim("b")
    assert other is not None
    first.close()
    first.close()
    with store.claim("a") or pytest.fail("the claim was let go of"):
        assert store.claim("a") is None
    other.close()


def test_an_origins_answer_is_remembered_with_a_serial_that_grows(store: Store) -> None:
    writer = store.writer("url:a", Digests(), None)
    writer.begin(Validators(), None)
    writer.write(BODY, 0)
    writer.commit(Digests(), None)
    known = Known(
        digests=PIN,
        size=len(BODY),
        validators=Validators('"v"', "yesterday"),
        headers={"etag": '"v"', "content-type": "text/plain"},
        final_url="https://example.org/moved",
    )
    store.record("url:a", known, "a.txt")
    first = store.known("url:a")
    assert first is not None
    assert (first.digests, first.validators, dict(first.headers)) == (PIN, known.validators, dict(known.headers))
    assert first.final_url == "https://example.org/moved"
    store.record("url:a", known, "a.txt")
    second = store.known("url:a")
    assert second is not None
    assert second.serial > first.serial
    os.unlink(writer_path(store))
    assert store.known("url:a") is None


def writer_path(store: Store) -> str:
    blob = store.get(PIN)
    assert blob is not None
    return blob.path


def test_what_is_settled_is_there_for_the_next_process(store: Store, tmp_path: Path) -> None:
    writer = store.writer(KEY, PIN, len(BODY))
    writer.begin(Validators(), len(BODY))
    writer.write(BODY, 0)
    told: list[tuple[Digests, int]] = []
    blob = writer.commit(PIN, len(BODY), lambda digests, size: told.append((digests, size)))
    assert told == [(PIN, len(BODY))]
    store.settle()
    store.settle()
    assert store.get(PIN) == blob


def test_nothing_is_announced_of_what_is_not_right(store: Store) -> None:
    writer = store.writer(KEY, PIN, None)
    writer.begin(Validators(), None)
    writer.write(b"wrong", 0)
    with pytest.raises(IntegrityError):
        writer.commit(PIN, None, lambda *_: pytest.fail("it was announced"))


def arrived(name: str, blob: Blob) -> Arrived:
    artifact = Artifact(resource=name, filename=name, url=f"https://example.org/{name}", dest=name)
    receipt = Receipt(source="https://example.org", from_origin=True, headers={"etag": '"v"'})
    return Arrived(order=Order(artifact=artifact, sources=()), blob=blob, receipt=receipt)


def test_what_has_arrived_is_still_there(store: Store) -> None:
    writer = store.writer("url:https://example.org/a.bin#", Digests(), None)
    writer.begin(Validators(), None)
    writer.write(BODY, 0)
    outcome = store.arrived(arrived("a.bin", writer.commit(Digests(), None)))
    store.settle()
    assert Path(outcome.blob.path).read_bytes() == BODY
    assert store.get(PIN) == outcome.blob
    assert store.arrived(outcome).blob == outcome.blob


@pytest.mark.promise(1)
def test_a_folder_of_cachedir_serves_what_it_holds(tmp_path: Path) -> None:
    first = of_cachedir(tmp_path)
    writer = first.writer("url:https://example.org/a.bin#", Digests(), None)
    writer.begin(Validators(), None)
    writer.write(BODY, 0)
    path = first.arrived(arrived("a.bin", writer.commit(Digests(), None))).blob.path
    first.close()
    assert os.path.dirname(path) == str(tmp_path)
    assert path.endswith("-1.bin")
    second = of_cachedir(tmp_path)
    known = second.known("url:https://example.org/a.bin#")
    assert known is not None
    assert (known.digests, known.validators.etag, known.size) == (PIN, '"v"', len(BODY))
    blob = second.get(PIN.joined(Digests.of([sha512(BODY)])))
    assert blob is not None
    assert blob.path == path == second.path_of(blob.sha256)
    assert second.get(PIN.joined(Digests.of([sha512(b"other")]))) is None
    with open(path, "r+b") as file:
        file.write(b"rot")
    assert dict(second.verify_all()) == {blob.sha256: False}
    assert second.get(PIN) is None
    assert second.known("url:https://example.org/a.bin#") is None


@pytest.mark.promise(7)
def test_a_folder_of_cachedir_never_learns_of_headers(tmp_path: Path) -> None:
    store = of_cachedir(tmp_path)
    key = "url:https://example.org/a.bin#authorization"
    writer = store.writer(key, Digests(), None)
    writer.begin(Validators(), None)
    writer.write(BODY, 0)
    outcome = arrived("a.bin", writer.commit(Digests(), None))
    artifact = replace(outcome.order.artifact, headers={"Authorization": "Bearer ${DLM_AUTH_A}"})
    told = store.arrived(replace(outcome, order=replace(outcome.order, artifact=artifact)))
    assert ".dlm" in told.blob.path
    assert not (tmp_path / "cache.sqlite").exists()
    assert store.get(PIN) is not None


@pytest.fixture(params=MAKERS, ids=["local", "layered", "shared", "cachedir"])
def notebook(request: pytest.FixtureRequest, tmp_path: Path) -> Notebook:
    made: Notebook = request.param(tmp_path / "cache")
    return made


def test_a_notebook_gives_back_text_and_time(notebook: Notebook) -> None:
    assert notebook.read("page") is None
    notebook.write("page", "first\nline — ü")
    assert notebook.read("page") == ("first\nline — ü", 1_800_000_000.0)
    notebook.write("page", "")
    assert notebook.read("page") == ("", 1_800_000_000.0)
