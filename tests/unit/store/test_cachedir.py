"""The layout of the package ``cachedir``: what it wrote is read, and what is written here is whole or not there."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from dlm.errors import LocalError
from dlm.store.cachedir import Cachedir, CachedirEntry, Value, cachedir_key
from tests.support.processes import run, start
from tests.support.stores import StillClock

URI = "https://example.org/data/iris.csv"
PLAIN: dict[str, Any] = {"dl_params": {"headers": []}}
QUERY = {"dl_params": {"query": {"a": "1", "b": "ü"}, "headers": ["Accept: text/csv", "X-Id: 7"]}}
BODY = b"sepal_length\n5.1\n"
#: Name -> the file that the package made, with the bytes that it put there.
FILES = {
    "0c92b98129b51b6330432fadd8df9ba8-1.csv": "plain",
    "442deca027eb33b62f81cf1d1c093666-1.csv": "query",
    "efd337fdd2be990bb1430f0af853c28c-1.w": "writing",
    "f276a096517f9303f179307731d71ee6-1.f": "failed",
    "41b2180170fff28701e940838406ba40-1.n": "without digest",
    "a5793d6a892ddb7f2ff19f5b62216f57-1": "no extension",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as cachedir 0.1.3 left it."""
    root = tmp_path / "old"
    root.mkdir()
    with sqlite3.connect(root / "cache.sqlite") as connection:
        connection.executescript(
            (Path(__file__).parents[2] / "data" / "cachedir" / "registry.sql").read_text(encoding="utf-8")
        )
    connection.close()
    for name, body in FILES.items():
        (root / name).write_bytes(BODY + body.encode())
    return root


def a_cachedir(folder: Path | str) -> Cachedir:
    return Cachedir(str(folder), StillClock())


def publish(cache: Cachedir, body: bytes, uri: str = URI, params: dict[str, Any] = PLAIN) -> CachedirEntry:
    source = cache.temporary()
    Path(source).write_bytes(body)
    attrs: dict[str, Value] = {
        "url": uri,
        "size": len(body),
        "resp_headers": {"Etag": '"it\'s"'},
        "download_method": "GET",
    }
    return cache.publish(source, uri, params, attrs, sha256=hashlib.sha256(body).hexdigest())


@pytest.mark.parametrize(
    ("uri", "params", "key"),
    [
        (URI, PLAIN, "0c92b98129b51b6330432fadd8df9ba8"),
        (URI, QUERY, "442deca027eb33b62f81cf1d1c093666"),
        ("https://example.org/plain", PLAIN, "a5793d6a892ddb7f2ff19f5b62216f57"),
    ],
)
def test_keys_are_those_of_the_package(uri: str, params: dict[str, Any], key: str) -> None:
    assert cachedir_key(uri, params) == key


def test_entries_that_are_ready_and_whose_digest_holds_are_used(folder: Path) -> None:
    cache = a_cachedir(folder)
    found = {
        name: cache.lookup(uri, params)
        for name, uri, params in (
            ("plain", URI, PLAIN),
            ("query", URI, QUERY),
            ("no extension", "https://example.org/plain", PLAIN),
            ("writing", f"{URI}.w", PLAIN),
            ("failed", f"{URI}.f", PLAIN),
            ("without digest", f"{URI}.n", PLAIN),
            ("never", f"{URI}.x", PLAIN),
        )
    }
    assert {name for name, entry in found.items() if entry is not None} == {"plain", "query", "no extension"}
    plain = found["plain"]
    assert plain is not None
    assert Path(plain.path).read_bytes() == BODY + b"plain"
    assert (plain.uri, plain.version, plain.file_name) == (URI, 1, "iris.csv")
    assert (plain.attrs["kind"], plain.attrs["size"], plain.attrs["etag"]) == ("test", 5, "v1")
    assert cache.find(str(plain.sha256)) is not None


@pytest.mark.fault("I07")
def test_an_entry_whose_bytes_changed_is_not_used(folder: Path) -> None:
    cache = a_cachedir(folder)
    entry = cache.lookup(URI, PLAIN)
    assert entry is not None
    seen = os.stat(entry.path)
    Path(entry.path).write_bytes(b"x" * seen.st_size)
    os.utime(entry.path, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    assert cache.lookup(URI, PLAIN) is None
    assert cache.find(str(entry.sha256)) is None
    os.unlink(entry.path)
    assert a_cachedir(folder).lookup(URI, PLAIN) is None


def test_a_file_whose_extension_was_renamed_in_the_registry_is_found(folder: Path) -> None:
    """The package notes the extension that a server gave, and leaves the file as it was."""
    with sqlite3.connect(folder / "cache.sqlite") as connection:
        connection.execute("UPDATE main SET ext = 'tsv' WHERE id = 1")
    connection.close()
    entry = a_cachedir(folder).lookup(URI, PLAIN)
    assert entry is not None
    assert entry.path.endswith("-1.csv")


def test_dates_bound_what_is_found(folder: Path) -> None:
    cache = a_cachedir(folder)
    assert cache.lookup(URI, PLAIN, newer_than="2026-11-01 00:00:00") is not None
    assert cache.lookup(URI, PLAIN, newer_than="2027-01-01 00:00:00") is None
    assert cache.lookup(URI, PLAIN, older_than="2026-11-01 00:00:00") is None


def test_a_new_version_stands_above_the_old_one(folder: Path) -> None:
    cache = a_cachedir(folder)
    entry = publish(cache, b"new")
    assert (entry.version, os.path.basename(entry.path)) == (2, "0c92b98129b51b6330432fadd8df9ba8-2.csv")
    found = a_cachedir(folder).lookup(URI, PLAIN)
    assert found is not None
    assert (found.path, found.attrs["resp_headers"]) == (entry.path, {"Etag": '"it\'s"'})
    assert [name for name in os.listdir(folder) if name.startswith(".dlm")] == []
    os.unlink(entry.path)
    again = a_cachedir(folder).lookup(URI, PLAIN)
    assert again is not None
    assert again.version == 1


def test_a_file_that_nobody_knows_keeps_its_name(folder: Path) -> None:
    (folder / "0c92b98129b51b6330432fadd8df9ba8-2.csv").write_bytes(b"somebody's")
    assert publish(a_cachedir(folder), b"new").version == 3
    assert (folder / "0c92b98129b51b6330432fadd8df9ba8-2.csv").read_bytes() == b"somebody's"


@pytest.mark.promise(3)
@pytest.mark.parametrize("call", ["replace", "chmod", "fsync"])
def test_a_kill_leaves_no_entry_without_its_bytes(folder: Path, call: str) -> None:
    code = """
        import os, signal, sys
        from tests.unit.store.test_cachedir import a_cachedir, publish
        cache = a_cachedir(sys.argv[1])
        setattr(os, sys.argv[2], lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL))
        publish(cache, b"new")
    """
    with start(code, folder, call) as program:
        assert program.line() == ""
    cache = a_cachedir(folder)
    entry = cache.lookup(URI, PLAIN)
    assert entry is not None
    assert entry.version == 1
    assert publish(cache, b"new").version == 2


WRITER = """
    import sys
    from tests.unit.store.test_cachedir import a_cachedir, publish
    cache = a_cachedir(sys.argv[1])
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(10):
        print(publish(cache, b"%d of %s" % (number, sys.argv[2].encode())).version, flush=True)
"""


@pytest.mark.promise(4)
def test_processes_never_give_out_a_version_twice(tmp_path: Path) -> None:
    from contextlib import ExitStack

    with ExitStack() as stack:
        programs = [stack.enter_context(start(WRITER, tmp_path, str(number))) for number in range(6)]
        for program in programs:
            assert program.line() == "ready"
        for program in programs:
            program.tell("go")
        versions = [int(line) for program in programs for line in program.end().split()]
    assert sorted(versions) == list(range(1, 61))
    cache = a_cachedir(tmp_path)
    assert sum(cache.is_good(entry) for entry in cache.records()) == 60


@pytest.mark.fault("I08")
@pytest.mark.parametrize("junk", [b"junk" * 1000, b"SQLite format 3\x00" + b"\xff" * 5000])
def test_a_damaged_registry_is_named(folder: Path, junk: bytes) -> None:
    (folder / "cache.sqlite").write_bytes(junk)
    with pytest.raises(LocalError, match=r"cache\.sqlite cannot be read") as caught:
        a_cachedir(folder).lookup(URI, PLAIN)
    assert "move it away" in str(caught.value.hint)


@pytest.mark.fault("I08")
def test_an_empty_registry_is_an_empty_cache(folder: Path) -> None:
    (folder / "cache.sqlite").write_bytes(b"")
    cache = a_cachedir(folder)
    assert cache.lookup(URI, PLAIN) is None
    # The old files are there, and their names are not given out again.
    assert publish(cache, b"new").version == 2


@pytest.mark.fault("L04")
def test_a_cache_that_cannot_be_written_is_read(folder: Path) -> None:
    code = """
        import os, sys
        from tests.support.processes import give_up_privileges
        from tests.unit.store.test_cachedir import PLAIN, URI, a_cachedir
        root = sys.argv[1]
        for name in os.listdir(root):
            os.chmod(os.path.join(root, name), 0o444)
        os.chmod(root, 0o555)
        give_up_privileges()
        print(a_cachedir(root).lookup(URI, PLAIN) is not None)
        os.chmod(root, 0o755)
    """
    assert run(code, folder) == "True\n"
