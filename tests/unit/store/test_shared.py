"""A cache that every user of a group may write to."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from dlm.model.artifact import Validators
from dlm.model.digest import Digests
from dlm.store.local import LocalStore
from tests.support.processes import run
from tests.support.stores import Heard, StillClock, put

GROUP = 54_321

USER = """
    import json, os, sqlite3, sys
    from dlm.model.artifact import Validators
    from dlm.model.digest import Digests
    from dlm.model.transfer import Known
    import dlm.store.local, ctypes, urllib.parse
    from tests.support.stores import Heard, StillClock, put
    from tests.unit.store.test_shared import BODY, a_shared_store, become
    root, user, what = sys.argv[1:]
    become(int(user))
    os.umask(0o077)
    heard = Heard()
    store = a_shared_store(root, heard)
    if what == "write":
        blob = put(store, b"of user " + user.encode())
        store.record("url:a", Known(digests=blob.digests, size=blob.size, validators=Validators(user)), "a")
        store.write("page", user)
        held = put(store, BODY, expected=Digests.from_mapping({}))
        print(os.stat(held.path).st_uid)
    elif what == "begin":
        writer = store.writer("url:large", Digests(), None)
        writer.begin(Validators('"v"'), len(BODY) * 1000)
        writer.write(BODY * 600, 0)
        writer.suspend()
    elif what == "go on":
        with store.claim("url:large"):
            writer = store.writer("url:large", Digests(), None)
            print(writer.offset == len(BODY) * 600)
            writer.write(BODY * 400, writer.offset)
            blob = writer.commit(Digests.sha256_of(BODY * 1000), None)
    elif what == "rot":
        print(store.get(Digests.sha256_of(BODY)))
    elif what == "die":
        tray = store.tray()
        tray.reserve(["ab" * 32])
        tray.announce(["ab" * 32])
        os.rename = lambda *_, **__: os._exit(0)
        tray.keep("ab" * 32, b"half")
    elif what == "prune":
        print(len(store.prune(set()).removed))
    store.close()
    print(heard.warnings)
"""
BODY = b"shared " * 300


def a_shared_store(root: str | Path, heard: Heard | None = None) -> LocalStore:
    return LocalStore(str(root), StillClock(), heard or Heard(), shared=True)


def become(user: int) -> None:
    """Be another user of the common group; where that takes root, and nobody is, everyone is the same user."""
    if os.geteuid() == 0:
        os.setgroups([GROUP])
        os.setgid(GROUP)
        os.setuid(user)


@pytest.fixture
def root() -> Iterator[Path]:
    """A folder of the group that any user can come to."""
    with tempfile.TemporaryDirectory() as base:
        os.chmod(base, 0o755)
        folder = Path(base, "cache")
        folder.mkdir()
        if os.geteuid() == 0:
            os.chown(folder, 0, GROUP)
        os.chmod(folder, 0o2775)
        yield folder


def test_two_users_write_in_turn(root: Path) -> None:
    first = run(USER, root, "50001", "write").splitlines()
    second = run(USER, root, "50002", "write").splitlines()
    assert first[0] == second[0], "the blob that is there already stays"
    assert first[1] == second[1] == "[]"
    assert (root / "index.sqlite").stat().st_mode & 0o660 == 0o660
    for folder, names, files in os.walk(root):
        for name in names:
            mode = stat.S_IMODE(os.stat(os.path.join(folder, name)).st_mode)
            assert mode & 0o2770 == 0o2770, f"{name}: {mode:o}"
        for name in files:
            mode = stat.S_IMODE(os.stat(os.path.join(folder, name)).st_mode)
            assert mode & 0o440 == 0o440, f"{name}: {mode:o}"


def test_one_user_goes_on_where_another_stopped(root: Path) -> None:
    run(USER, root, "50001", "begin")
    assert run(USER, root, "50002", "go on").splitlines() == ["True", "[]"]
    store = a_shared_store(root)
    blob = store.get(Digests.sha256_of(BODY * 1000))
    assert blob is not None
    assert stat.S_IMODE(os.stat(blob.path).st_mode) == 0o444
    assert os.listdir(root / "partial") == []


@pytest.mark.fault("I07")
def test_one_user_sets_aside_what_rotted_of_another(root: Path) -> None:
    run(USER, root, "50001", "write")
    path = Path(a_shared_store(root).path_of(str(Digests.sha256_of(BODY).sha256)))
    path.chmod(0o644)
    path.write_bytes(b"rot")
    said = run(USER, root, "50002", "rot").splitlines()
    assert said[0] == "None"
    assert "was damaged" in said[1]
    assert not path.exists()
    run(USER, root, "50002", "write")
    assert path.read_bytes() == BODY


def test_one_user_prunes_what_another_wrote(root: Path) -> None:
    run(USER, root, "50001", "write")
    assert run(USER, root, "50002", "prune").splitlines()[0] == "2"


def test_one_user_sweeps_away_what_another_left_half_made(root: Path) -> None:
    run(USER, root, "50001", "die")
    [left] = [path for path in (root / "tmp").rglob("*") if path.is_file()]
    assert left.read_bytes() == b"half"
    run(USER, root, "50002", "write")
    assert os.listdir(root / "tmp") == []


def test_a_cache_that_was_one_users_can_be_opened_up(root: Path) -> None:
    private = LocalStore(str(root), StillClock(), Heard())
    put(private, b"before")
    private.close()
    put(a_shared_store(root), b"opened up")
    assert run(USER, root, "50002", "write").splitlines()[1] == "[]"


def test_what_is_not_shared_stays_private(tmp_path: Path) -> None:
    store = LocalStore(str(tmp_path), StillClock(), Heard())
    writer = store.writer("url:a", Digests(), None)
    writer.begin(Validators('"v"'), None)
    writer.write(b"secret", 0)
    writer.suspend()
    for path in (tmp_path / "partial").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
