"""Faults of this machine: kills, races, full disks, read-only folders."""

from __future__ import annotations

import contextlib
import errno
import gc
import json
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from dlm.errors import LocalError, NetworkError
from dlm.model.artifact import Blob, Validators
from dlm.model.digest import Digests
from dlm.model.events import LinkFellBack, Warned
from dlm.model.transfer import Arrived, Known, Lost
from dlm.store import settling
from dlm.store.flush import flush_files
from dlm.store.index import Index
from dlm.store.local import LocalStore
from tests.support.cli import console_script
from tests.support.fetching import BACKENDS, kit, order
from tests.support.origin import Close, Handler, Part, Request, Response, Static
from tests.support.processes import run, start
from tests.support.projects import Project
from tests.support.stores import WAYS, a_store, put
from tests.support.world import a_world

BODY = bytes(range(256)) * 12_000
PIN = Digests.sha256_of(BODY)
KEY = f"sha256:{PIN.sha256}"

FETCHER = """
    import sys
    from dlm.model.artifact import Blob, Validators
    from dlm.model.digest import Digests
    from tests.support.stores import a_store
    root, count = sys.argv[1], int(sys.argv[2])
    store = a_store(root)
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(count):
        body = b"%d " % number * 200_000
        pin = Digests.sha256_of(body)
        while store.get(pin) is None:
            claim = store.claim(str(number))
            if claim is None:
                continue
            with claim:
                if store.get(pin) is not None:
                    break
                writer = store.writer(str(number), pin, len(body))
                writer.begin(Validators(), len(body))
                for at in range(0, len(body), 100_000):
                    writer.write(body[at:at + 100_000], at)
                writer.commit(pin, len(body))
                print("wrote", number, flush=True)
    print("end", flush=True)
"""


@pytest.mark.promise(4)
def test_twenty_processes_write_each_artifact_once(tmp_path: Path) -> None:
    wrote: list[str] = []
    with ExitStack() as stack:
        programs = [stack.enter_context(start(FETCHER, tmp_path, "4")) for _ in range(20)]
        for program in programs:
            assert program.line() == "ready"
        for program in programs:
            program.tell("go")
        for program in programs:
            wrote += [line for line in program.end().splitlines() if line != "end"]
    assert sorted(wrote) == [f"wrote {number}" for number in range(4)]
    assert all(good for _, good in a_store(tmp_path).verify_all())
    assert os.listdir(tmp_path / "partial") == []
    assert os.listdir(tmp_path / "tmp") == []


WRITER = """
    import sys
    from dlm.model.artifact import Blob, Validators
    from dlm.model.digest import Digests
    from tests.support.stores import a_store
    store = a_store(sys.argv[1])
    number = int(sys.argv[2])
    print("ready", flush=True)
    while True:
        body = b"%d " % number * (600_000 if number % 3 else 10)
        pin = Digests.sha256_of(body)
        with store.claim(str(number)):
            writer = store.writer(str(number), pin, len(body))
            if not writer.offset:
                writer.begin(Validators('"v"'), len(body))
            for at in range(writer.offset, len(body), 300_000):
                writer.write(body[at:at + 300_000], at)
                print("piece", flush=True)
            writer.commit(pin, len(body))
            print("done", number, flush=True)
        number += 1
"""


@pytest.mark.promise(3)
@pytest.mark.promise(1)
def test_a_kill_at_any_moment_loses_no_blob_and_shows_no_half_one(tmp_path: Path) -> None:
    chance = random.Random(5)
    number, done = 0, []
    for _ in range(15):
        with start(WRITER, tmp_path, str(number)) as program:
            for _ in range(chance.randrange(1, 14)):
                said = program.line()
                if said.startswith("done"):
                    done.append(int(said.split()[1]))
            program.kill()
        number = max(done, default=0)
        number += bool(done)
        store = a_store(tmp_path)
        found = dict(store.verify_all())
        assert all(found.values())
        for one in done:
            body = b"%d " % one * (600_000 if one % 3 else 10)
            assert Digests.sha256_of(body).sha256 in found
    # The next process that writes is alone and needs no repair by hand; it sweeps what the killed ones left.
    run("import sys; from tests.support.stores import a_store, put; put(a_store(sys.argv[1]), b'last')", tmp_path)
    assert os.listdir(tmp_path / "tmp") == []


def _vouched_for(cache: Path) -> int:
    """How many bytes of the one body that is being written a later run may take up; a note may be half written."""
    with contextlib.suppress(ValueError):
        (sidecar,) = cache.glob("partial/*.json")
        return int(json.loads(sidecar.read_bytes())["length"])
    return 0


@pytest.mark.promise(3)
def test_what_a_kill_cuts_off_goes_on_where_it_was(tmp_path: Path) -> None:
    code = """
        import sys
        from dlm.model.artifact import Blob, Validators
        from dlm.model.digest import Digests
        from tests.support.stores import a_store
        writer = a_store(sys.argv[1]).writer("url:a", Digests(), None)
        writer.begin(Validators('"v"'), 3_072_000)
        body = bytes(range(256)) * 12_000
        for at in range(0, 2_500_000, 100_000):
            writer.write(body[at:at + 100_000], at)
        writer.write(body[3_000_000:], 3_000_000)
        print("cut", flush=True)
        sys.stdin.readline()
    """
    with start(code, tmp_path) as program:
        assert program.line() == "cut"
        # Bytes are hashed on a second thread; once it has caught up, it says so.
        while _vouched_for(tmp_path) < 2_500_000:
            pass
        program.kill()
    writer = a_store(tmp_path).writer("url:a", Digests(), None)
    assert writer.offset == 2_500_000
    assert (writer.validators, writer.total) == (Validators('"v"'), len(BODY))
    writer.write(BODY[2_500_000:], 2_500_000)
    assert writer.commit(Digests(), None).digests == PIN


@pytest.mark.promise(3)
@pytest.mark.parametrize("call", ["link", "replace", "fchmod", "utime", "unlink"])
def test_a_kill_in_the_middle_of_publishing_keeps_all_bytes(tmp_path: Path, call: str) -> None:
    """Killed just before one of the calls that publish a blob, the next run has all of the bytes at hand."""
    code = """
        import os, signal, sys
        from dlm.model.artifact import Blob, Validators
        from dlm.model.digest import Digests
        from tests.support.stores import a_store
        store = a_store(sys.argv[1])
        store.claim("url:a")
        writer = store.writer("url:a", Digests(), None)
        body = bytes(range(256)) * 12_000
        writer.begin(Validators(), len(body))
        writer.write(body, 0)
        def die(*a, **k):
            os.kill(os.getpid(), signal.SIGKILL)
        supported = os.supports_fd | {die}
        os.supports_fd = supported
        setattr(os, sys.argv[2], die)
        writer.commit(Digests(), None)
    """
    with start(code, tmp_path, call) as program:
        assert program.line() == ""
    store = a_store(tmp_path)
    store.claim("url:a")
    blob = store.get(PIN)
    assert (blob is None) == (call != "unlink")
    if blob is None:
        writer = store.writer("url:a", PIN, len(BODY))
        assert writer.offset == len(BODY)
        blob = writer.commit(PIN, len(BODY))
    assert Path(blob.path).read_bytes() == BODY
    store.close()
    put(a_store(tmp_path), b"next")
    assert os.listdir(tmp_path / "partial") == []


@pytest.mark.fault("L04")
def test_a_cache_that_is_wholly_read_only_serves(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    store = a_store(cache)
    blob = put(store, BODY)
    put(store, b"unknown to the index")
    store.close()
    code = """
        import os, sys
        from dlm.errors import LocalError
        from dlm.model.digest import Digests
        from tests.support.processes import give_up_privileges
        from tests.support.stores import Heard, a_store
        root = sys.argv[1]
        if sys.argv[2] == "without an index":
            os.unlink(os.path.join(root, "index.sqlite"))
        folders = [folder for folder, _, _ in os.walk(root)]
        def seen():
            return sorted((f, s, tuple(n)) for f, s, n in os.walk(root))
        before = seen()
        for folder in folders:
            os.chmod(folder, 0o555)
        give_up_privileges()
        heard = Heard()
        store = a_store(root, heard)
        for body in (bytes(range(256)) * 12_000, b"unknown to the index"):
            assert store.get(Digests.sha256_of(body)).size == len(body)
        assert store.get(Digests.sha256_of(b"missing")) is None
        assert store.known("url:a") is None
        assert store.read("page") is None
        store.write("page", "text")
        assert len(list(store.blobs())) == 2
        assert all(good for _, good in store.verify_all())
        assert heard.warnings == []
        try:
            store.claim("a")
        except LocalError as error:
            assert root in error.message and error.hint, error.message
            print("refused")
        store.close()
        assert seen() == before
        for folder in folders:
            os.chmod(folder, 0o755)
    """
    assert run(code, cache, "with an index") == "refused\n"
    assert run(code, cache, "without an index") == "refused\n"
    assert Path(blob.path).read_bytes() == BODY


@pytest.mark.fault("L02")
@pytest.mark.fault("L05")
def test_a_blob_that_cannot_be_read_is_not_called_damaged(tmp_path: Path) -> None:
    blob = put(a_store(tmp_path), BODY)
    code = """
        import os, sys
        from dlm.errors import LocalError
        from dlm.model.digest import Digests
        from tests.support.processes import give_up_privileges
        from tests.support.stores import a_store
        root, path = sys.argv[1:]
        os.chmod(path, 0)
        give_up_privileges()
        try:
            a_store(root).get(Digests.sha256_of(bytes(range(256)) * 12_000))
        except LocalError as error:
            print(error.message)
    """
    assert run(code, tmp_path, blob.path) == f"cannot read {blob.path}: Permission denied\n"
    assert os.path.exists(blob.path)
    assert os.listdir(tmp_path / "quarantine") == []


@pytest.mark.fault("L02")
def test_a_read_error_leaves_the_blob_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = a_store(tmp_path)
    blob = put(store, BODY)
    os.utime(blob.path)
    real = os.fstat
    seen: list[int] = []

    def failing(descriptor: int) -> os.stat_result:
        seen.append(descriptor)
        if len(seen) == 2:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fstat", failing)
        with pytest.raises(LocalError, match="Input/output error"):
            store.get(PIN)
    assert store.get(PIN) == blob


_DISK = [errno.EIO, errno.EDQUOT, errno.ENOSPC]


def failing(real: Callable[[int], None], code: int) -> Callable[[int], None]:
    """A call on a descriptor that is done, and fails all the same."""

    def fail(descriptor: int) -> None:
        real(descriptor)
        raise OSError(code, os.strerror(code))

    return fail


def refused(caught: pytest.ExceptionInfo[LocalError], root: Path, code: int) -> None:
    """The error names the place and the reason, and says what to do."""
    assert str(root) in caught.value.message
    assert os.strerror(code) in caught.value.message
    assert "DLM_CACHE_DIR" in str(caught.value.hint)


def settled(store: LocalStore, body: bytes) -> Blob:
    """Put a blob into a store, and onto the disk."""
    blob = put(store, body)
    store.settle()
    return blob


@pytest.mark.fault("L02")
@pytest.mark.parametrize("code", _DISK)
@pytest.mark.parametrize("size", [1000, len(BODY)])
def test_a_failing_close_is_a_failed_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, size: int
) -> None:
    store = a_store(tmp_path)
    put(store, b"makes the folders")
    body = BODY[:size]
    pin = Digests.sha256_of(body)
    writer = store.writer("url:a", pin, size)
    writer.begin(Validators(), size)
    writer.write(body, 0)
    gc.collect()  # what others left behind closes now, and not in between
    with monkeypatch.context() as patch:
        patch.setattr(os, "close", failing(os.close, code))
        with pytest.raises(LocalError) as caught:
            writer.commit(pin, size)
    refused(caught, tmp_path, code)
    assert store.get(pin) is None
    assert os.listdir(tmp_path / "tmp") == []
    blob = put(store, body, key="url:a")
    assert Path(blob.path).read_bytes() == body


@pytest.mark.fault("L02")
@pytest.mark.fault("L03")
@pytest.mark.parametrize("code", _DISK)
@pytest.mark.parametrize("size", [1000, 9_000_000])
def test_a_failing_flush_is_a_failed_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, size: int
) -> None:
    """Small blobs are flushed when the store is settled, large ones at once: none counts as there if that fails."""
    store = a_store(tmp_path)
    kept = put(store, b"settled before")
    store.settle()
    body = (BODY * 3)[:size]
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", failing(os.fsync, code))
        with pytest.raises(LocalError) as caught:
            settled(store, body)
    refused(caught, tmp_path, code)
    assert store.get(Digests.sha256_of(body)) is None
    store.settle()
    assert store.get(kept.digests) == kept
    assert Path(put(store, body).path).read_bytes() == body
    store.settle()


@pytest.mark.fault("L02")
@pytest.mark.fault("L03")
def test_of_many_blobs_the_one_that_the_disk_does_not_take_is_gone_and_the_others_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = a_store(tmp_path)
    blobs = [put(store, b"%d" % number) for number in range(40)]
    real = os.fsync

    def picky(descriptor: int) -> None:
        real(descriptor)
        if os.fstat(descriptor).st_ino == os.stat(blobs[7].path).st_ino:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    def none_of_it(folders: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr("dlm.store.flush._flush_systems", none_of_it)
        patch.setattr(os, "fsync", picky)
        with pytest.raises(LocalError, match="cannot flush"):
            store.settle()
    assert [store.get(blob.digests) is not None for blob in blobs] == [number != 7 for number in range(40)]
    assert put(store, b"7").path == blobs[7].path


@pytest.mark.fault("L03")
def test_nothing_calls_a_blob_good_before_it_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a power cut leaves of a blob that was not flushed yet is read before it is used."""
    gc.collect()  # stores of other tests are finished with now, not in the middle of this one
    events: list[str] = []
    store = a_store(tmp_path)
    flush, insert = flush_files, Index._insert

    def flushed(paths: Iterable[str], folders: Iterable[str]) -> dict[str, OSError]:
        events.append("flush")
        return flush(paths, folders)

    def written(index: Index, values: list[tuple[object, ...]]) -> bool:
        events.append("row")
        return insert(index, values)

    with monkeypatch.context() as patch:
        patch.setattr(settling, "flush_files", flushed)
        patch.setattr(Index, "_insert", written)
        blobs = [put(store, b"%d" % number) for number in range(20)]
        assert events == []
        store.settle()
    assert events == ["flush", "row"]
    # The power goes before the next ones are settled: a name, and none of its bytes.
    late = put(store, b"late")
    del store
    cut = a_store(tmp_path)
    os.truncate(late.path, 0)
    assert cut.get(late.digests) is None
    assert all(cut.get(blob.digests) == blob for blob in blobs)


@pytest.mark.fault("L02")
@pytest.mark.promise(3)
@pytest.mark.parametrize("size", ["unknown", "known"])
@pytest.mark.parametrize("way", WAYS)
def test_a_disk_that_fills_up_is_said_with_what_to_do_and_keeps_what_it_took(
    tmp_path: Path, way: str, size: str
) -> None:
    code = """
        import errno, os, resource, signal, sys
        from dlm.errors import LocalError
        from dlm.model.artifact import Blob, Validators
        from dlm.model.digest import Digests
        from tests.support.stores import a_store, hashing_by
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        with hashing_by(sys.argv[2]):
            store = a_store(sys.argv[1])
        claim = store.claim("url:a")
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, 1_500_000))
        writer = store.writer("url:a", Digests(), None)
        writer.begin(Validators('"v"'), None if sys.argv[3] == "unknown" else 3_000_000)
        try:
            for at in range(0, 3_000_000, 100_000):
                writer.write(b"x" * 100_000, at)
        except LocalError as error:
            assert sys.argv[1] in error.message and "write" in error.message, error.message
            assert "DLM_CACHE_DIR" in error.hint
            print("refused")
        writer.suspend()
        claim.close()
        store.close()
    """
    assert run(code, tmp_path, way, size) == "refused\n"
    store = a_store(tmp_path)
    assert list(store.blobs()) == []
    writer = store.writer("url:a", Digests(), None)
    assert writer.offset == {"unknown": 1_100_000, "known": 1_200_000}[size]
    writer.write(b"x" * (3_000_000 - writer.offset), writer.offset)
    assert writer.commit(Digests(), 3_000_000).digests == Digests.sha256_of(b"x" * 3_000_000)
    put(store, BODY)


def _below(limit: int) -> list[str]:
    """dlm where no file may grow beyond ``limit`` bytes."""
    code = f"import os, resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}));"
    return [sys.executable, "-c", code + "os.execv(sys.argv[1], sys.argv[1:])", console_script()]


#: A module's bytecode that such a limit cuts off would stay, and be believed.
_PLAIN = {"PYTHONDONTWRITEBYTECODE": "1", "DLM_RETRY_BACKOFF": "0.01"}


def _cut(body: bytes, at: int) -> Handler:
    """An answer that breaks off."""
    return lambda _: Response(headers=(("ETag", '"v1"'),), body=[body[:at], Close()], length=len(body))


@pytest.mark.fault("L02")
@pytest.mark.promise(3)
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("when", ["first", "first, pinned", "resumed", "retried"])
def test_a_disk_that_refuses_the_rest_of_one_file_hides_no_other(tmp_path: Path, backend: str, when: str) -> None:
    first = when.startswith("first")
    pin, etag = (f", sha256: '{PIN.sha256}'", None) if "pinned" in when else ("", '"v1"')
    small = [random.Random(number).randbytes(1_200_000) for number in range(4)]
    with a_world(http2=False) as world:
        desk = world.desk(tmp_path / "desk", backend)
        wishes = [f"- {{name: big, url: '{world.url}/big', dest: v/big{pin}}}\n"]
        world.route("/big", *[_cut(BODY, 1_500_000)] * (not first), Static(BODY, etag))
        if when == "resumed":
            desk.manifest("version: 1\nresources:\n" + wishes[0])
            assert desk.dlm("sync", "--retries", "0").code == 1
        for number, body in enumerate(small):
            wishes.append(f"- {{name: f{number}, url: '{world.file(f'/{number}', body)}', dest: v/{number}}}\n")
        desk.manifest("version: 1\nresources:\n" + "".join(wishes))
        run = desk.dlm("sync", program=_below(2_000_000), variables=_PLAIN)
        assert run.code == 1, str(run)
        errors = [line for line in run.err.splitlines() if line.startswith("error: ")]
        assert len(errors) == 1, str(run)
        assert errors[0].startswith("error: big: cannot write to"), str(run)
        assert not run.err.count("warning")
        stored = {path.name for path in (desk.cache / "cas").rglob("*") if path.is_file()}
        assert stored == {Digests.sha256_of(body).sha256 for body in small}
        desk.dlm("sync").ok()
        again = world.origin.of("/big")[-1].range
        assert again is not None
        assert again[0] >= (1_000_000 if first else 1_500_000)
        assert desk.tree()["v/big"] == BODY


@pytest.mark.fault("L05")
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_blob_that_cannot_be_read_when_it_is_confirmed_hides_no_other(tmp_path: Path, backend: str) -> None:
    with kit(tmp_path, backend) as one:
        url = one.origin.route("/same", Static(b"same"))
        blob = one.arrive(order(url)).blob
        one.store.settle()
        known = Known(digests=blob.digests, size=blob.size, validators=Validators('"v1"'))

        def confirm(request: Request) -> Response:
            folder = os.path.dirname(blob.path)
            shutil.rmtree(folder)
            os.symlink(folder, folder)  # which leads nowhere
            return Static(b"same")(request)

        one.origin.route("/same", confirm)
        orders = [
            order(url, name="same", known=known),
            order(one.origin.route("/other", Static(b"other")), name="other"),
        ]
        found = {outcome.order.artifact.resource: outcome for outcome in one.fetcher.fetch(orders, one.store)}
        assert isinstance(found["other"], Arrived)
        assert isinstance(found["same"], Lost)
        assert isinstance(found["same"].error, LocalError)
        assert found["same"].error.resource == "same"


@pytest.mark.fault("L02")
@pytest.mark.parametrize("count", [3, 200])
def test_without_any_room_both_backends_say_the_same_of_each_file(tmp_path: Path, count: int) -> None:
    """The cache folder itself cannot be made."""
    said: list[list[str]] = []
    with a_world() as world:
        wishes = ""
        for number in range(count):
            body = b"body %03d" % number
            url, pin = world.file(f"/{number}", body), Digests.sha256_of(body).sha256
            wishes += f"- {{name: f{number}, url: '{url}', dest: v/{number}, sha256: '{pin}', size: {len(body)}}}\n"
        for backend in BACKENDS:
            desk = world.desk(tmp_path / backend, backend)
            desk.manifest("version: 1\nresources:\n" + wishes)
            desk.dlm("lock").ok()
            run = desk.dlm("sync", "--frozen", program=_below(1), variables=_PLAIN)
            assert run.code == 1, str(run)
            assert world.count == 0
            said.append(run.err.splitlines())
            assert os.listdir(desk.cache / "tmp") == []
    assert sorted(said[0]) == sorted(said[1])
    errors = {line for line in said[0] if line.startswith("error: ")}
    assert len(errors) == count
    assert errors == {f"error: f{n}: cannot write to the cache folder …/cache: File too large" for n in range(count)}


@pytest.mark.fault("I08")
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("etag", ['"v1"', '"v2"'])
@pytest.mark.parametrize("pin", [Digests(), PIN])
def test_what_an_earlier_run_noted_of_the_size_blocks_no_later_one(
    tmp_path: Path, backend: str, etag: str, pin: Digests
) -> None:
    with kit(tmp_path, backend) as one:
        asked = order(one.origin.route("/file", Static(BODY, etag)), digests=pin)
        one.seed(asked, BODY[:2_000_000], total=len(BODY))
        (sidecar,) = (tmp_path / "cache" / "partial").glob("*.json")
        sidecar.write_text(json.dumps(json.loads(sidecar.read_text()) | {"total": 1 << 61}))
        assert one.bytes_of(one.arrive(asked)) == BODY


@pytest.mark.fault("L05")
@pytest.mark.parametrize("backend", BACKENDS)
def test_what_cannot_be_kept_of_a_transfer_that_failed_hides_no_other(tmp_path: Path, backend: str) -> None:
    """Somebody removes the folder for it, and then the server breaks off."""
    with kit(tmp_path, backend, retries=0) as one:

        def cut(_: Request) -> Response:
            def body() -> Iterator[Part]:
                yield BODY[:100_000]
                shutil.rmtree(tmp_path / "cache" / "partial")
                yield Close()

            return Response(headers=(("ETag", '"v1"'),), body=body(), length=len(BODY))

        orders = [
            order(one.origin.route("/cut", cut), name="cut"),
            order(one.origin.route("/other", Static(b"other")), name="other"),
        ]
        found = {outcome.order.artifact.resource: outcome for outcome in one.fetcher.fetch(orders, one.store)}
        assert isinstance(found["other"], Arrived)
        assert isinstance(found["cut"], Lost)
        assert isinstance(found["cut"].error, NetworkError)
        (warned,) = one.events(Warned)
        assert isinstance(warned, Warned)
        assert warned.resource == "cut"
        assert "partial" in warned.message


@pytest.mark.fault("L10")
def test_without_locks_two_writers_of_one_key_cannot_harm_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "lockf", no_locks)
    first, second = a_store(tmp_path), a_store(tmp_path)
    writers = []
    for store in (first, second):
        assert store.claim("url:a") is not None
        writer = store.writer("url:a", PIN, None)
        writer.begin(Validators(), None)
        writers.append(writer)
    for at in range(0, len(BODY), 500_000):
        for writer in writers:
            writer.write(BODY[at : at + 500_000], at)
    blobs = [writer.commit(PIN, None) for writer in writers]
    assert blobs[0] == blobs[1]
    assert Path(blobs[0].path).read_bytes() == BODY
    assert os.listdir(tmp_path / "tmp") == []


@pytest.mark.promise(1)
def test_a_cache_cleaned_in_use_never_gets_a_half_written_blob(tmp_path: Path) -> None:
    first, second = a_store(tmp_path), a_store(tmp_path)
    writer = first.writer("url:a", PIN, None)
    writer.begin(Validators(), None)
    writer.write(BODY, 0)
    first.clean()
    other = second.writer("url:a", PIN, None)
    other.begin(Validators(), None)
    other.write(BODY[:2_000_000], 0)
    with pytest.raises(LocalError):
        writer.commit(PIN, None)
    assert second.get(PIN) is None
    other.write(BODY[2_000_000:], 2_000_000)
    assert Path(other.commit(PIN, None).path).read_bytes() == BODY


SYNCER = """
    import sys
    from dlm.model.events import Placed, Removed
    from tests.support.projects import Project

    class Teller:
        def emit(self, event):
            if isinstance(event, (Placed, Removed)):
                print(event.dest, flush=True)

    project = Project(sys.argv[1], Teller())
    version = sys.argv[2].encode()
    wanted = {f"d{n % 3}/{n}": b"%d of %s" % (n, version) for n in range(12)}
    for data in wanted.values():
        project.blob(data)
    print("begin", flush=True)
    project.sync(wanted, remove=[dest for dest in project.state.owned() if dest not in wanted])
    print("end", flush=True)
"""


@pytest.mark.promise(2)
@pytest.mark.promise(3)
def test_a_run_that_is_killed_while_the_tree_changes_is_completed_by_the_next(tmp_path: Path) -> None:
    chance = random.Random(7)
    project = Project(tmp_path)
    project.sync({f"extra/{number}": b"x" for number in range(3)})
    said: set[str] = set()
    for version in range(1, 16):
        with start(SYNCER, tmp_path, str(version)) as program:
            assert program.line() == "begin"
            for _ in range(chance.randrange(0, 12)):
                said.add(program.line())
            program.kill()
        # Whatever stands in the tree is whole, and dlm's.
        project.state.reload()
        for dest, found in project.look().items():
            owned = project.state.owned()[dest]
            assert found.kind == "absent" or found.sha256 in owned.digests, dest
        everything = {path for path in project.files() if "/.dlm-" not in f"/{path}"}
        assert everything <= set(project.state.owned())
    with start(SYNCER, tmp_path, "last") as program:
        assert program.end().splitlines()[-1] == "end"
    assert project.files() == {f"d{n % 3}/{n}": b"%d of last" % n for n in range(12)}
    assert sorted(os.listdir(project.root)) == ["d0", "d1", "d2"]
    project.state.reload()
    assert not project.state.interrupted
    assert set(project.state.owned()) == set(project.files())
    assert len(said) > 5


@pytest.mark.fault("L05")
@pytest.mark.parametrize("what", ["folder", "file"])
def test_a_tree_that_cannot_be_written_is_named_with_the_operation(tmp_path: Path, what: str) -> None:
    code = """
        import os, sys
        from dlm.errors import LocalError
        from tests.support.processes import give_up_privileges
        from tests.support.projects import Project
        project = Project(sys.argv[1])
        project.sync({"data/a": b"1"})
        os.chmod(project.root / "data", 0o555)
        if sys.argv[2] == "file":
            os.chmod(project.root / "data" / "a", 0)
            os.chmod(project.root / "data", 0o755)
        project.blob(b"2")
        give_up_privileges()
        if sys.argv[2] == "file":
            os.utime(project.root / "data" / "a")
            print(project.look()["data/a"].problem)
        else:
            try:
                project.sync({"data/a": b"2"})
            except LocalError as error:
                assert error.hint
                print(error.message)
    """
    said = run(code, tmp_path, what)
    path = tmp_path / "project" / "data"
    if what == "file":
        assert said == f"cannot read {path / 'a'}: Permission denied\n"
    else:
        assert said == f"cannot write {path / 'a'}: Permission denied\n"


@pytest.mark.fault("L24")
def test_a_cache_on_another_file_system_makes_no_difference(tmp_path: Path, other_file_system: Path) -> None:
    project = Project(tmp_path)
    project.store = a_store(other_file_system / "cache", project.heard)
    for link, mode in (("auto", "copy"), ("reflink", "copy"), ("hardlink", "copy"), ("symlink", "symlink")):
        done = project.sync({"a": b"1 " + link.encode()}, link=link)
        assert [placement.mode for placement in done.placements] == [mode]
        assert project.files() == {"a": b"1 " + link.encode()}
    fell_back = [event for event in project.heard.events if isinstance(event, LinkFellBack)]
    assert {event.wanted for event in fell_back} == {"reflink", "hardlink"}
    assert "the cache is on another file system" in {event.reason for event in fell_back}


@pytest.fixture
def other_file_system(tmp_path: Path) -> Iterator[Path]:
    """A folder on another file system than ``tmp_path``: shared memory, which every Linux has."""
    shared = Path("/dev/shm")
    assert shared.stat().st_dev != tmp_path.stat().st_dev
    with tempfile.TemporaryDirectory(dir=shared) as folder:
        yield Path(folder)
