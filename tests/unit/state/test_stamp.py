"""The stamp of a no-op: it answers while nothing at all has changed, and says nothing else."""

from __future__ import annotations

import marshal
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dlm.state.stamp import compare, forget, signature, stamp_path, write

TEXT = "In sync: 2 files in place.\n"
ENVIRONMENT = {"HOME": "/home/u", "DLM_LINK": "auto", "DLM_AUTH_X": "hunter2", "DLM_PROXY": "hunter2", "PATH": "/bin"}


class Place:
    """A stamp over two files and an absent configuration."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.stamp = str(base / "state" / "stamps" / "one")
        self.files = [base / "downloads.yaml", base / "placed"]
        self.absent = [str(base / "config.yaml")]
        for path in self.files:
            path.write_text(path.name)
        self.write()

    def write(self, **more: Any) -> None:
        noted = [found for path in self.files if (found := signature(str(path))) is not None]
        arguments: dict[str, Any] = {
            "version": "1",
            "root": str(self.base),
            "environment": ENVIRONMENT,
            "noted": noted,
            "text": TEXT,
        }
        write(self.stamp, **(arguments | more))

    def answer(self, **more: Any) -> str | None:
        arguments: dict[str, Any] = {
            "version": "1",
            "root": str(self.base),
            "environment": ENVIRONMENT,
            "absent": self.absent,
        }
        return compare(self.stamp, **(arguments | more))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_it_answers_while_nothing_has_changed(place: Place) -> None:
    assert place.answer() == TEXT
    assert place.answer() == TEXT


def test_secrets_are_not_in_it_and_do_not_count(place: Place) -> None:
    assert b"hunter2" not in Path(place.stamp).read_bytes()
    assert place.answer(environment=ENVIRONMENT | {"DLM_AUTH_X": "other", "DLM_PROXY": "other", "PATH": "/"}) == TEXT


def _content(path: Path) -> None:
    path.write_text("x" * path.stat().st_size)


def _content_with_times_put_back(path: Path) -> None:
    seen = path.stat()
    _content(path)
    os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))


def _replaced(path: Path) -> None:
    seen = path.stat()
    other = path.with_name("other")
    other.write_bytes(path.read_bytes())
    os.utime(other, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    os.replace(other, path)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _link(path: Path) -> None:
    kept = path.with_name("kept")
    path.rename(kept)
    path.symlink_to(kept)


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize(
    "change",
    [
        _content,
        _content_with_times_put_back,
        _replaced,
        _folder,
        _link,
        Path.unlink,
        lambda path: os.utime(path, (1, 1)),
        lambda path: path.chmod(0o755),
        lambda path: os.truncate(path, 1),
    ],
    ids=["content", "times put back", "replaced", "folder", "link", "missing", "touched", "mode", "cut"],
)
def test_every_change_of_a_file_is_noticed(place: Place, which: int, change: Any) -> None:
    change(place.files[which])
    assert place.answer() is None


@pytest.mark.parametrize(
    "more",
    [
        {"version": "2"},
        {"root": "/elsewhere"},
        {"environment": ENVIRONMENT | {"DLM_LINK": "copy"}},
        {"environment": ENVIRONMENT | {"DLM_NEW": ""}},
        {"environment": ENVIRONMENT | {"HOME": "/home/other"}},
        {"environment": ENVIRONMENT | {"XDG_CONFIG_HOME": "/c"}},
        {"environment": {}},
    ],
)
def test_every_other_circumstance_is_noticed(place: Place, more: dict[str, Any]) -> None:
    assert place.answer(**more) is None


def test_a_configuration_that_appears_is_noticed(place: Place) -> None:
    Path(place.absent[0]).write_text("")
    assert place.answer() is None


def test_a_stamp_of_another_python_is_none(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "hexversion", 1)
    assert place.answer() is None


def test_the_ctime_of_a_hard_link_does_not_count(place: Place) -> None:
    linked = signature(str(place.files[1]), ctime=False)
    assert linked is not None
    place.write(noted=[linked])
    os.link(place.files[1], place.base / "another")
    assert place.answer() == TEXT


@pytest.mark.fault("I08")
@pytest.mark.parametrize("damage", ["gone", "empty", "cut", "flipped", "junk", "folder", "huge"])
def test_a_damaged_stamp_is_no_stamp(place: Place, damage: str) -> None:
    path = Path(place.stamp)
    data = path.read_bytes()
    if damage in {"gone", "folder"}:
        path.unlink()
        if damage == "folder":
            path.mkdir()
    else:
        middle = len(data) // 2
        path.write_bytes(
            {
                "empty": b"",
                "cut": data[:-1],
                "flipped": data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :],
                "junk": os.urandom(500),
                "huge": b"[\xff\xff\xff\x7f" * 100,
            }[damage]
        )
    assert place.answer() is None


@pytest.mark.parametrize(
    "document", [None, 1, [], (1,), ("dlm-stamp-1", 1, 2, 3, 4, 5), ("dlm-stamp-1", None, None, None, [5], "x")]
)
def test_what_another_program_wrote_is_no_stamp(place: Place, document: Any) -> None:
    from dlm.state import stamp

    data = marshal.dumps(document)
    Path(place.stamp).write_bytes(stamp._sum(data) + data)
    assert place.answer() is None


def test_forgetting(place: Place) -> None:
    forget(place.stamp)
    forget(place.stamp)
    assert place.answer() is None


def test_a_stamp_that_cannot_be_written_is_no_error(place: Place, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    place.stamp = str(tmp_path / "file" / "stamp")
    place.write()
    assert place.answer() is None


def test_two_projects_have_two_stamps() -> None:
    assert stamp_path("/s", "/a") != stamp_path("/s", "/b")
    assert stamp_path("/s", "/a").startswith(os.path.join("/s", "stamps"))


def test_importing_it_is_next_to_nothing() -> None:
    code = (
        "import os, sys; before = set(sys.modules); import dlm.cli.shortcut; print(sorted(set(sys.modules) - before))"
    )
    source = str(Path(__file__).resolve().parents[3] / "src")
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {source!r}); {code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(eval(done.stdout))
    assert {name for name in loaded if not name.startswith("dlm")} <= {"binascii", "marshal", "__future__"}
