"""However a body comes, in whatever pieces and runs, the blob is the body."""

from __future__ import annotations

import itertools
import json
import random
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlm.errors import IntegrityError, LocalError
from dlm.model.artifact import Validators
from dlm.model.digest import Digests
from dlm.store.local import LocalStore
from dlm.store.writer import FileWriter
from tests.support.stores import WAYS, a_store, hashing_by, put

_CUTS = st.lists(st.integers(0, 3_000_000), max_size=6)


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=40, deadline=None)
@given(
    size=st.integers(0, 3_000_000),
    cuts=_CUTS,
    seed=st.integers(0, 99),
    told=st.booleans(),
    stops=st.sets(st.integers(0, 6)),
)
def test_any_order_and_any_interruption_make_the_same_blob(
    way: str, size: int, cuts: list[int], seed: int, *, told: bool, stops: set[int]
) -> None:
    chance = random.Random(seed)
    body = chance.randbytes(size)
    pin = Digests.sha256_of(body)
    edges = sorted({0, size, *(cut for cut in cuts if cut < size)})
    pieces = list(itertools.pairwise(edges))
    chance.shuffle(pieces)
    with hashing_by(way), tempfile.TemporaryDirectory() as folder:
        store = a_store(folder)
        writer = store.writer("key", Digests(), None)
        writer.begin(Validators('"v"'), size if told else None)
        for number, (start, end) in enumerate(pieces):
            writer.write(body[start:end], start)
            if number in stops:
                offset, ahead = writer.offset, writer.ahead
                writer.suspend()
                writer = store.writer("key", Digests(), None)
                assert writer.offset == offset
                assert writer.ahead == (ahead if offset else ())
                assert writer.validators == Validators('"v"' if offset else None)
                if not offset:
                    writer.begin(Validators('"v"'), size if told else None)
        writer.write(body[writer.offset :], writer.offset)
        blob = writer.commit(Digests(), size)
        assert blob.digests == pin
        assert Path(blob.path).read_bytes() == body
        store.close()


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=20, deadline=None)
@given(size=st.integers(1, 2_000_000), at=st.integers(0, 2_000_000), resumed=st.booleans())
def test_one_wrong_byte_anywhere_is_noticed(way: str, size: int, at: int, resumed: bool) -> None:
    body = bytearray(size)
    pin = Digests.sha256_of(bytes(body))
    body[at % size] = 1
    with hashing_by(way), tempfile.TemporaryDirectory() as folder:
        store = a_store(folder)
        writer = store.writer("key", pin, size)
        writer.begin(Validators(), size)
        writer.write(bytes(body[: size // 2]), 0)
        if resumed and size > 1:
            writer.suspend()
            writer = store.writer("key", pin, size)
        writer.write(bytes(body[size // 2 :]), size // 2)
        with pytest.raises(IntegrityError):
            writer.commit(pin, size)
        assert store.get(pin) is None
        assert list(store.blobs()) == []


@pytest.mark.promise(4)
def test_many_threads_use_one_store(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for count in range(30):
                data = b"%d %d" % (number, count) * (60_000 if count % 10 == 0 else 1)
                blob = put(store, data)
                assert store.get(blob.digests) == blob
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    store.close()
    assert len(list(store.blobs())) == 240
    assert all(good for _, good in a_store(tmp_path).verify_all())


def _left(store: LocalStore, body: bytes, spans: list[tuple[int, int]], pin: Digests) -> Path:
    """What a run leaves that had these spans of ``body``; the data file."""
    writer = store.writer("key", pin, len(body))
    writer.begin(Validators('"v"'), len(body))
    for start, end in spans:
        writer.write(body[start:end], start)
    writer.suspend()
    [data] = [one for one in Path(store.root, "partial").iterdir() if one.suffix != ".json"]
    return data


_SPANS = [(0, 1000), (500_000, 700_000), (900_000, 1_100_000)]


@pytest.mark.promise(3)
def test_what_lay_behind_gaps_is_taken_up(tmp_path: Path) -> None:
    store, body = a_store(tmp_path), random.Random(5).randbytes(1_200_000)
    _left(store, body, _SPANS, Digests())
    writer = store.writer("key", Digests(), None)
    assert (writer.offset, writer.ahead) == (1000, tuple(_SPANS[1:]))
    writer.write(body[1000:500_000], 1000)
    assert writer.offset == 700_000
    writer.write(body[700_000:900_000], 700_000)
    writer.write(body[1_100_000:], 1_100_000)
    assert writer.commit(Digests(), len(body)).digests == Digests.sha256_of(body)
    store.close()


@pytest.mark.parametrize("pinned", [True, False])
@pytest.mark.parametrize("damage", ["flipped", "zeroes", "shorter"])
def test_a_span_that_rotted_is_missing_again(tmp_path: Path, damage: str, pinned: bool) -> None:
    store, body = a_store(tmp_path), random.Random(6).randbytes(1_200_000)
    pin = Digests.sha256_of(body) if pinned else Digests()
    data = _left(store, body, _SPANS, pin)
    with data.open("r+b") as file:
        if damage == "shorter":
            file.truncate(1_099_999)
        else:
            file.seek(1_000_000)
            file.write(bytes(4096) if damage == "zeroes" else bytes([body[1_000_000] ^ 1]))
    writer = store.writer("key", pin, len(body))
    assert (writer.offset, writer.ahead) == (1000, ((500_000, 700_000),))
    writer.write(body[1000:500_000], 1000)
    writer.write(body[700_000:], 700_000)
    assert writer.commit(pin, len(body)).digests == Digests.sha256_of(body)
    store.close()


def test_a_sidecar_that_lies_about_spans_vouches_for_nothing(tmp_path: Path) -> None:
    store, body = a_store(tmp_path), random.Random(8).randbytes(1_200_000)
    sidecar = _left(store, body, _SPANS, Digests())
    sidecar = sidecar.with_name(f"{sidecar.name}.json")
    note = json.loads(sidecar.read_bytes())
    for wrong in ([[0, 10, 0]], [[500_000, 5_000_000, 0]], "all", [[1, 2]]):
        sidecar.write_text(json.dumps(note | {"ahead": wrong}))
        writer = store.writer("key", Digests(), None)
        assert (writer.offset, writer.ahead) == (0, ())
    for wrong in ([[900, 2000, 0]], [[2000, 5000, 0]]):
        sidecar.write_text(json.dumps(note | {"ahead": wrong}))
        writer = store.writer("key", Digests(), None)
        assert (writer.offset, writer.ahead) == (1000, ())
    # As an older dlm wrote it.
    del note["ahead"]
    sidecar.write_text(json.dumps(note))
    writer = store.writer("key", Digests(), None)
    assert (writer.offset, writer.ahead) == (1000, ())
    store.close()


def test_of_bytes_that_come_twice_the_first_ones_stay(tmp_path: Path) -> None:
    store, body = a_store(tmp_path), random.Random(9).randbytes(1_200_000)
    writer = store.writer("key", Digests(), None)
    writer.begin(Validators(), len(body))
    writer.write(body[:10], 0)
    writer.write(body[500_000:600_000], 500_000)
    writer.write(bytes(200_000), 450_000)
    writer.write(body[10:450_000], 10)
    assert writer.offset == 650_000
    writer.write(body[650_000:], 650_000)
    path = writer.commit(Digests(), len(body)).path
    assert (
        Path(path).read_bytes()
        == body[:450_000] + bytes(50_000) + body[500_000:600_000] + bytes(50_000) + body[650_000:]
    )
    store.close()


@pytest.mark.promise(3)
@pytest.mark.parametrize("where", ["hash", "grow"])
def test_an_interrupt_while_a_piece_is_hashed_costs_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """What was at hand before it is taken up again, and what comes of it is right."""
    size = 3_000_000
    body = random.Random(11).randbytes(size)
    with hashing_by("itself"):
        store = a_store(tmp_path)
    writer = store.writer("key", Digests(), None)
    writer.begin(Validators('"v"'), size)
    writer.write(body[:1_100_000], 0)
    before = writer.offset
    name = f"_{where}"
    real = getattr(FileWriter, name)

    def interrupted(self: FileWriter, *given: object) -> None:
        real(self, *given)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(FileWriter, name, interrupted)
        with pytest.raises(KeyboardInterrupt):
            writer.write(body[before : before + 1_050_000], before)
    writer.suspend()
    again = store.writer("key", Digests(), None)
    assert again.offset >= before
    again.write(body[again.offset :], again.offset)
    assert again.commit(Digests(), size).digests == Digests.sha256_of(body)
    store.close()


@pytest.mark.fault("I08")
def test_only_a_size_that_somebody_states_now_may_find_no_room(tmp_path: Path) -> None:
    """What an earlier run noted of it says how much was to come then, or was scribbled over."""
    body = random.Random(13).randbytes(3_000_000)
    store = a_store(tmp_path)
    writer = store.writer("key", Digests(), None)
    writer.begin(Validators('"v"'), len(body))
    writer.write(body[:2_000_000], 0)
    writer.suspend()
    (sidecar,) = tmp_path.glob("partial/*.json")
    sidecar.write_text(json.dumps(json.loads(sidecar.read_text()) | {"total": 1 << 61}))
    with pytest.raises(LocalError, match="too little room"):
        store.writer("key", Digests(), 1 << 60)
    # An answer goes on with it, so the size is what the server announces.
    writer = store.writer("key", Digests(), None)
    assert (writer.offset, writer.total) == (2_000_000, 1 << 61)
    with pytest.raises(LocalError, match="too little room"):
        writer.write(body[2_000_000:], 2_000_000)
    writer.suspend()
    # Another answer does not.
    writer = store.writer("key", Digests(), None)
    assert writer.offset == 2_000_000
    writer.begin(Validators('"w"'), len(body))
    writer.write(body, 0)
    assert writer.commit(Digests(), None).digests == Digests.sha256_of(body)
