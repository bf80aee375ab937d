"""The short way into a store: what is reserved, said, kept and let go of."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dlm.errors import LocalError
from dlm.model.artifact import Validators
from dlm.model.digest import Digests
from dlm.ports import Tray
from dlm.store.local import LocalStore
from tests.support.stores import a_store, put


def pin(data: bytes) -> str:
    return Digests.sha256_of(data).sha256 or ""


def a_tray(store: LocalStore) -> Tray:
    tray = store.tray()
    assert tray is not None
    return tray


def said(root: Path) -> bytes:
    """What the processes that use a store have said that they use."""
    return b"".join(path.read_bytes() for path in sorted((root / "using").iterdir()))


def test_what_is_reserved_can_be_kept_and_is_believed(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    tray = a_tray(store)
    datas = [b"one", b"two", b"three"]
    pins = [pin(data) for data in datas]
    tray.announce(pins)
    assert all(bytes.fromhex(one) in said(tmp_path) for one in pins)
    names = tray.reserve(pins)
    assert None not in names
    assert tray.reserve(pins[:1]) == [None]
    assert tray.claim(pins[1]) is None
    kept = [
        (Digests.of_sha256(sha256), tray.keep(sha256, data), data.decode(), None)
        for sha256, data in zip(pins, datas, strict=True)
    ]
    blobs = tray.note_all(kept)
    assert [blob.size for blob in blobs] == [3, 3, 5]
    assert [Path(blob.path).read_bytes() for blob in blobs] == datas
    tray.release([name for name in names if name is not None])
    assert [store.get(blob.digests) for blob in blobs] == blobs
    assert tray.reserve(pins) == [None] * 3  # they are there
    tray.close()
    for sha256 in pins:
        claim = store.claim(f"sha256:{sha256}")
        assert claim is not None
        claim.close()
    assert os.listdir(tmp_path / "tmp") == []
    store.close()
    assert {blob.name for blob in a_store(tmp_path).blobs()} == {"one", "two", "three"}


def test_what_is_not_at_hand_alone_is_not_reserved(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    put(store, b"there")
    claim = store.claim(f"sha256:{pin(b'claimed')}")
    assert claim is not None
    partial = store.claim(f"sha256:{pin(b'begun')}")
    assert partial is not None
    with partial:
        writer = store.writer(f"sha256:{pin(b'begun')}", Digests.sha256_of(b"begun"), 5)
        writer.begin(Validators('"v1"'), 5)
        writer.write(b"be", 0)
        writer.suspend()
    tray = a_tray(store)
    names = tray.reserve([pin(data) for data in (b"there", b"claimed", b"begun", b"free")])
    assert [name is not None for name in names] == [False, False, False, True]
    # What was not reserved is free for others.
    for data in (b"there", b"begun"):
        again = store.claim(f"sha256:{pin(data)}")
        assert again is not None
        again.close()
    claim.close()
    tray.close()
    store.close()


def test_one_that_is_taken_out_outlives_the_rest(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    tray = a_tray(store)
    [name] = tray.reserve([pin(b"x")])
    assert name is not None
    claim = tray.claimed(name)
    tray.release((name,))
    tray.close()
    assert store.claim(f"sha256:{pin(b'x')}") is None
    claim.close()
    again = store.claim(f"sha256:{pin(b'x')}")
    assert again is not None
    again.close()
    store.close()


def test_a_use_that_could_not_be_said_is_said_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = a_store(tmp_path)
    put(store, b"first")  # opens the file that the uses are said in
    tray = a_tray(store)
    claim = tray.claim(pin(b"claimed"))
    assert claim is not None
    write = os.write

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        with pytest.raises(LocalError):
            tray.announce([pin(b"announced")])
    assert os.write is write
    tray.put(Digests.sha256_of(b"claimed"), (b"claimed",), 7, "claimed")
    assert bytes.fromhex(pin(b"claimed")) in said(tmp_path)
    claim.close()
    tray.close()
    store.close()


def test_a_disk_that_refuses_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = a_store(tmp_path)
    tray = a_tray(store)
    [name] = tray.reserve([pin(b"x")])
    assert name is not None
    tray.announce([pin(b"x")])

    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "rename", refused)
        with pytest.raises(LocalError):
            tray.keep(pin(b"x"), b"x")
    assert [one for one in (tmp_path / "tmp").rglob("*") if one.is_file()] == []
    tray.keep(pin(b"x"), b"x")
    tray.close()
    assert os.listdir(tmp_path / "tmp") == []
    store.close()


def test_what_is_half_made_goes_with_the_tray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupt may come between any two steps, and a disk may refuse even to remove a file."""
    store = a_store(tmp_path)
    tray = a_tray(store)
    tray.reserve([pin(b"x")])
    tray.announce([pin(b"x")])

    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patched:
        patched.setattr(os, "rename", refused)
        patched.setattr(os, "unlink", refused)
        with pytest.raises(LocalError):
            tray.keep(pin(b"x"), b"x")
    [draft] = [one for one in (tmp_path / "tmp").rglob("*") if one.is_file()]
    assert draft.parent.parent == tmp_path / "tmp"
    tray.close()
    assert os.listdir(tmp_path / "tmp") == []
    store.close()


#: Has something half made in a store, says so, and dies.
HALF = """
import os, signal, sys
from tests.support.stores import a_store
tray = a_store(sys.argv[1]).tray()
pin = "ab" * 32
tray.reserve([pin])
tray.announce([pin])
os.rename = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
tray.keep(pin, b"half")
"""


@pytest.mark.promise(3)
def test_what_a_killed_process_left_half_made_is_swept_away(tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", HALF, str(tmp_path)], check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    [left] = [one for one in (tmp_path / "tmp").rglob("*") if one.is_file()]
    assert left.read_bytes() == b"half"
    store = a_store(tmp_path)
    tray = a_tray(store)
    tray.reserve([pin(b"x")])
    assert not left.exists()
    tray.close()
    assert os.listdir(tmp_path / "tmp") == []
    store.close()
