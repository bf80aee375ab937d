"""A second process hashes what this one writes; whatever becomes of it, the blob is the body."""

from __future__ import annotations

import hashlib
import json
import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dlm.errors import IntegrityError, LocalError
from dlm.model.artifact import Blob, Validators
from dlm.model.digest import Digests
from dlm.store import hash_process
from dlm.store.hash_process import HashProcess, ProcessFollower
from dlm.store.local import LocalStore
from dlm.store.writer import FileWriter
from tests.support.stores import a_store, hashing_by

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a second process is forked on Linux alone")

BODY = bytes(range(256)) * 50_000  # 12.8 MB
PIN = Digests.sha256_of(BODY)
STEP = 600_000


@pytest.fixture(autouse=True)
def process() -> Iterator[None]:
    with hashing_by("process"):
        yield


def children() -> list[int]:
    """The processes of this one that are alive or not yet waited for."""
    text = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
    return [int(pid) for pid in text.split()]


def begun(store: LocalStore, spare: int | None = 0o644, pin: Digests = PIN, key: str = "key") -> FileWriter:
    writer = store.writer(key, pin, len(BODY), spare)
    assert isinstance(writer, FileWriter)
    writer.begin(Validators('"v"'), len(BODY))
    return writer


def fill(writer: FileWriter, start: int, end: int) -> None:
    for at in range(start, end, STEP):
        writer.write(BODY[at : min(end, at + STEP)], at)


def finish(writer: FileWriter, start: int) -> Blob:
    fill(writer, start, len(BODY))
    return writer.commit(PIN, len(BODY))


def check(blob: Blob, *, spare: bool) -> None:
    assert blob.digests == PIN
    assert Path(blob.path).read_bytes() == BODY
    assert (blob.spare is not None) == spare
    if blob.spare is not None:
        assert Path(blob.spare.path).read_bytes() == BODY


def test_it_hashes_and_goes_with_the_store(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    before = children()
    writer = begun(store)
    fill(writer, 0, 2_000_000)
    [child] = set(children()) - set(before)
    check(finish(writer, 2_000_000), spare=True)
    # The standard ones, its end of the pair, the body, the spare: nothing of what its parent has open. Only what has
    # answered is known to have let go of that.
    assert len(os.listdir(f"/proc/{child}/fd")) <= 6
    store.close()
    assert children() == before
    assert not Path(f"/proc/{child}").exists()


def test_one_process_serves_many_files_and_digests(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    before = children()
    pin = Digests.from_mapping({"sha512": hashlib.sha512(BODY).hexdigest()}).joined(PIN)
    writers = [begun(store, key=str(number), pin=pin) for number in range(5)]
    for at in range(0, len(BODY), STEP):
        for writer in writers:
            writer.write(BODY[at : at + STEP], at)
    assert len(set(children()) - set(before)) == 1
    blobs = [writer.commit(pin, len(BODY)) for writer in writers]
    assert all(blob.digests.get("sha512") == pin.get("sha512") for blob in blobs)
    for blob in blobs:
        assert blob.spare is not None
        assert Path(blob.spare.path).read_bytes() == BODY
    store.close()


@pytest.mark.parametrize("at", [2_000_000, 9_000_000, len(BODY)])
def test_one_that_is_killed_is_done_without(tmp_path: Path, at: int) -> None:
    store = a_store(tmp_path)
    before = children()
    writer = begun(store)
    fill(writer, 0, at)
    [child] = set(children()) - set(before)
    os.kill(child, signal.SIGKILL)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    check(finish(writer, at), spare=False)
    # The next one has a process again, or a thread, and is right in any case.
    other = begun(store, key="other")
    fill(other, 0, len(BODY))
    assert other.commit(PIN, len(BODY)).digests == PIN
    store.close()
    assert children() == before


def test_what_it_cannot_read_is_read_here(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    before = children()
    writer = begun(store)
    fill(writer, 0, 1)
    [child] = set(children()) - set(before)
    os.kill(child, signal.SIGSTOP)
    os.waitid(os.P_PID, child, os.WSTOPPED)
    fill(writer, 1, 3_000_000)
    [data] = [one for one in (tmp_path / "partial").iterdir() if one.suffix != ".json"]
    os.truncate(data, 0)
    os.kill(child, signal.SIGCONT)
    with pytest.raises((LocalError, IntegrityError), match=r"it became shorter|differ from what is pinned"):
        finish(writer, 3_000_000)
    assert store.get(PIN) is None
    store.close()


def test_a_body_that_begins_anew_is_hashed_anew(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    writer = begun(store)
    for at in range(0, 5_000_000, STEP):
        writer.write(bytes(STEP), at)
    writer.begin(Validators('"w"'), len(BODY))
    check(finish(writer, 0), spare=True)
    assert len(list((tmp_path / "tmp").iterdir())) == 1
    store.close()
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.promise(3)
def test_what_is_hashed_is_noted_in_time_for_a_kill(tmp_path: Path) -> None:
    """A look now and then is enough for the next run to take up nearly all."""
    store = a_store(tmp_path)
    writer = begun(store)
    fill(writer, 0, 11_000_000)
    while writer.lags():
        pass
    assert writer.note()
    [sidecar] = (tmp_path / "partial").glob("*.json")
    assert json.loads(sidecar.read_bytes())["length"] == writer.offset
    # Nobody says that it was killed: another store takes up what lies there.
    other = LocalStore(str(tmp_path), store._clock, store._reporter)
    again = other.writer("key", PIN, len(BODY))
    assert again.offset == writer.offset
    again.discard()
    writer.discard()
    store.close()


def test_a_resumed_body_is_hashed_by_a_thread(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    writer = begun(store)
    fill(writer, 0, 4_000_000)
    writer.suspend()
    writer = begun_again(store)
    assert writer.offset == 4_000_000
    check(finish(writer, 4_000_000), spare=False)
    store.close()


def begun_again(store: LocalStore) -> FileWriter:
    writer = store.writer("key", PIN, len(BODY), 0o644)
    assert isinstance(writer, FileWriter)
    return writer


def test_without_a_further_process_a_thread_does_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", refuse)
    store = a_store(tmp_path)
    writer = begun(store)
    check(finish(writer, 0), spare=True)
    store.close()


def test_little_is_not_worth_a_process(tmp_path: Path) -> None:
    from dlm.store import hashing

    hashing._ENOUGH = len(BODY) + 1  # the fixture takes it back
    store = a_store(tmp_path)
    before = children()
    writer = begun(store)
    fill(writer, 0, len(BODY))
    assert children() == before
    assert writer.commit(PIN, len(BODY)).digests == PIN
    store.close()


@pytest.mark.parametrize("full", [True, False])
def test_a_message_finds_room_or_waits(tmp_path: Path, full: bool) -> None:
    """Many files at once, of which the parent asks for nothing until all is written."""
    count = 400 if full else 3
    process = HashProcess()
    block = os.urandom(4096)
    followers = []
    with (tmp_path / "data").open("wb+") as file:
        file.write(block * 2)
        file.flush()
        for _ in range(count):
            follower = process.follow(file.fileno(), ("sha256",), None)
            assert follower is not None
            follower.advance(4096)
            followers.append(follower)
        for follower in followers:
            follower.advance(8192)
        for follower in followers:
            follower.catch_up()
            assert follower.mark == (8192, Digests.sha256_of(block * 2).sha256)
            follower.stop()
    process.close()


def test_an_interrupt_is_its_parents_business(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    before = children()
    writer = begun(store)
    fill(writer, 0, 2_000_000)
    [child] = set(children()) - set(before)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(child, number)
    check(finish(writer, 2_000_000), spare=True)
    store.close()


def test_a_child_for_something_else_does_not_speak_to_it(tmp_path: Path) -> None:
    store = a_store(tmp_path)
    writer = begun(store)
    fill(writer, 0, 2_000_000)
    hashing = store._hashing
    assert hashing is not None
    assert hashing.process() is not None
    pid = os.fork()
    if pid == 0:
        os._exit(0 if hashing.process() is None else 1)
    assert os.waitpid(pid, 0)[1] == 0
    check(finish(writer, 2_000_000), spare=True)
    store.close()


def test_with_one_processor_or_threads_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    real: Callable[[], bool] = REAL
    monkeypatch.setattr(threading, "active_count", lambda: 1)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1})
    assert real()
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0})
    assert not real()
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1})
    monkeypatch.setattr(threading, "active_count", lambda: 2)
    assert not real()


REAL = hash_process.can_fork


def test_bodies_on_several_threads_have_their_own_digests(tmp_path: Path) -> None:
    """One process serves them all, and a report may be read by any of them."""
    store = a_store(tmp_path)
    wrong: list[str] = []

    def bring(number: int) -> None:
        for turn in range(6):
            body = bytes([number, turn]) * 900_000
            writer = store.writer(f"{number} {turn}", Digests(), len(body))
            writer.begin(Validators(), len(body))
            for at in range(0, len(body), 100_000):
                writer.write(body[at : at + 100_000], at)
            if writer.commit(Digests(), len(body)).digests != Digests.sha256_of(body):
                wrong.append(f"{number} {turn}")

    assert store._hashing is not None
    begun(store, key="first").discard()  # the process is there before the threads are
    threads = [threading.Thread(target=bring, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    store.close()


def test_each_of_many_threads_follows_a_file_of_its_own(tmp_path: Path) -> None:
    """Threads that begin at the same moment, and give way to one another after each step."""
    store = a_store(tmp_path)
    assert store._hashing is not None
    begun(store).discard()
    process = store._hashing.process()
    assert process is not None
    at_once = threading.Barrier(8)
    followers: list[ProcessFollower | None] = []

    def follow() -> None:
        at_once.wait()
        followers.extend(process.follow(descriptor, ("sha256",), None) for _ in range(20))

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with (tmp_path / "file").open("w+b") as file:
            descriptor = file.fileno()
            threads = [threading.Thread(target=follow) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert len(process._followers) == len(followers) == 160
    for one in followers:
        assert one is not None
        assert process._followers[one._number] is one
        one.stop()
    store.close()


@pytest.mark.promise(3)
def test_an_interrupt_while_the_end_is_waited_for_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = a_store(tmp_path)
    writer = begun(store)
    fill(writer, 0, len(BODY))

    def interrupted(follower: ProcessFollower, within: int = 0) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ProcessFollower, "catch_up", interrupted)
        with pytest.raises(KeyboardInterrupt):
            writer.commit(PIN, len(BODY))
    writer.suspend()
    again = begun_again(store)
    assert again.offset == len(BODY)
    check(again.commit(PIN, len(BODY)), spare=False)
    store.close()


def test_a_message_that_an_interrupt_swallowed_is_said_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    process = HashProcess()
    block = os.urandom(4096)
    with (tmp_path / "data").open("wb+") as file:
        file.write(block)
        file.flush()
        follower = process.follow(file.fileno(), ("sha256",), None)
        assert follower is not None
        with monkeypatch.context() as patch:
            patch.setattr(HashProcess, "send", lambda *_: None)
            follower.advance(4096)
        follower.catch_up()
        assert follower.mark == (4096, Digests.sha256_of(block).sha256)
        file.write(block)
        file.flush()
        follower.advance(8192)
        select.select([process._socket], [], [])
        assert process._socket.recv(4096), "an answer that nobody took note of"
        follower.catch_up()
        assert follower.mark == (8192, Digests.sha256_of(block * 2).sha256)
    process.close()


def test_it_ends_where_there_is_no_proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = os.listdir

    def nothing(path: str) -> list[str]:
        if path.startswith("/proc"):
            raise FileNotFoundError(path)
        return listed(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "listdir", nothing)
        process = HashProcess()
    process.close()  # waits for it


def test_it_has_nothing_to_say_to_anybody(tmp_path: Path) -> None:
    before = children()
    process = HashProcess()
    [child] = set(children()) - set(before)
    with (tmp_path / "data").open("wb+") as file:
        file.write(b"data")
        file.flush()
        follower = process.follow(file.fileno(), ("sha256",), None)
        assert follower is not None
        follower.advance(4)
        follower.catch_up()
    assert {os.readlink(f"/proc/{child}/fd/{number}") for number in range(3)} == {os.devnull}
    process.close()


def test_where_ended_children_are_ignored_it_ends_all_the_same() -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        HashProcess().close()
    finally:
        signal.signal(signal.SIGCHLD, before)
