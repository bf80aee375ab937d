"""However a body comes, in whatever pieces and runs, the blob is the body."""

from __future__ import annotations

import itertools
import random
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlm.errors import IntegrityError
from dlm.model.artifact import Validators
from dlm.model.digest import Digests
from tests.support.stores import a_store, put

_CUTS = st.lists(st.integers(0, 3_000_000), max_size=6)


@settings(max_examples=40, deadline=None)
@given(
    size=st.integers(0, 3_000_000),
    cuts=_CUTS,
    seed=st.integers(0, 99),
    told=st.booleans(),
    stops=st.sets(st.integers(0, 6)),
)
def test_any_order_and_any_interruption_make_the_same_blob(
    size: int, cuts: list[int], seed: int, told: bool, stops: set[int]
) -> None:
    chance = random.Random(seed)
    body = chance.randbytes(size)
    pin = Digests.sha256_of(body)
    edges = sorted({0, size, *(cut for cut in cuts if cut < size)})
    pieces = list(itertools.pairwise(edges))
    chance.shuffle(pieces)
    with tempfile.TemporaryDirectory() as folder:
        store = a_store(folder)
        writer = store.writer("key", Digests(), None)
        writer.begin(Validators('"v"'), size if told else None)
        for number, (start, end) in enumerate(pieces):
            writer.write(body[start:end], start)
            if number in stops:
                offset = writer.offset
                writer.suspend()
                writer = store.writer("key", Digests(), None)
                assert writer.offset == offset
                assert writer.validators == Validators('"v"' if offset else None)
                if not offset:
                    writer.begin(Validators('"v"'), size if told else None)
        writer.write(body[writer.offset :], writer.offset)
        blob = writer.commit(Digests(), size)
        assert blob.digests == pin
        assert Path(blob.path).read_bytes() == body
        store.close()


@settings(max_examples=20, deadline=None)
@given(size=st.integers(1, 2_000_000), at=st.integers(0, 2_000_000), resumed=st.booleans())
def test_one_wrong_byte_anywhere_is_noticed(size: int, at: int, resumed: bool) -> None:
    body = bytearray(size)
    pin = Digests.sha256_of(bytes(body))
    body[at % size] = 1
    with tempfile.TemporaryDirectory() as folder:
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
