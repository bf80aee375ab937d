"""How large the cache is: right after every change, and told without counting what did not change."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dlm.store.layout import Layout
from tests.support.stores import a_store, put


def counted(root: Path) -> int:
    return sum(path.lstat().st_size for path in root.rglob("*") if path.is_file())


def aged(root: Path) -> None:
    """As if nothing had changed for an hour."""
    for folder, _, _ in os.walk(root):
        seen = os.stat(folder)
        os.utime(folder, (seen.st_atime - 3600, seen.st_mtime - 3600))


def test_it_is_right_after_every_change(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    assert store.size() == 0
    path = ""
    for number in range(20):
        path = put(store, b"x" * (100 + number)).path
        if number % 3 == 0:
            aged(tmp_path)
        expected = counted(tmp_path)
        assert store.size() == expected
    os.unlink(path)
    expected = counted(tmp_path)
    assert store.size() == expected


def test_folders_that_did_not_change_are_not_counted_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = a_store(tmp_path)
    for number in range(50):
        put(store, b"%d" % number)
    store.close()
    aged(tmp_path)
    first = store.size()
    looked: list[str] = []
    real = Layout.files_in

    def noted(self: Layout, folder: str) -> object:
        looked.append(os.path.relpath(folder, self.root))
        return real(self, folder)

    monkeypatch.setattr(Layout, "files_in", noted)
    assert store.size() == first + (tmp_path / "sizes").stat().st_size
    assert not [folder for folder in looked if folder.startswith("cas/")]


@pytest.mark.fault("I08")
@pytest.mark.parametrize("junk", [b"", b"[", b"[1]", b'{"cas/ab": "x"}', b'{"cas/ab": [1]}', b"\xff" * 100])
def test_a_damaged_note_is_made_again(tmp_path: Path, junk: bytes) -> None:
    store = a_store(tmp_path)
    put(store, b"data")
    aged(tmp_path)
    (tmp_path / "sizes").write_bytes(junk)
    expected = counted(tmp_path)
    assert store.size() == expected
