"""Locks between threads, between processes, and after a death."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import threading
from pathlib import Path

import pytest

from dlm.errors import LocalError
from dlm.store.guard import Bundle, Claims, NullClaim, hold
from tests.support.processes import start

CLAIMER = """
    import sys
    from dlm.store.guard import Claims
    claims = Claims(sys.argv[1], print)
    claim = claims.claim(sys.argv[2])
    print("mine" if claim else "taken", flush=True)
    sys.stdin.readline()
"""


def refuse(reason: str) -> None:
    raise AssertionError(reason)


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "claims")


@pytest.mark.promise(4)
def test_two_threads_and_two_stores_exclude_each_other(path: str) -> None:
    first, second = Claims(path, refuse), Claims(path, refuse)
    got: list[bool] = []
    claim = first.claim("key")
    assert claim is not None

    def try_it() -> None:
        got.append(second.claim("key") is not None)

    thread = threading.Thread(target=try_it)
    thread.start()
    thread.join()
    assert got == [False]
    claim.close()
    assert second.claim("key") is not None


@pytest.mark.promise(4)
def test_two_processes_exclude_each_other(path: str) -> None:
    claims = Claims(path, refuse)
    claim = claims.claim("key")
    assert claim is not None
    with start(CLAIMER, path, "key") as other:
        assert other.line() == "taken"
    with start(CLAIMER, path, "another key") as other:
        assert other.line() == "mine"
        assert claims.claim("another key") is None
    claim.close()
    with start(CLAIMER, path, "key") as other:
        assert other.line() == "mine"


def test_a_store_that_goes_does_not_take_the_claims_of_another_with_it(path: str) -> None:
    first, second = Claims(path, refuse), Claims(path, refuse)
    kept = first.claim("kept")
    gone = second.claim("gone")
    assert kept is not None
    assert gone is not None
    gone.close()
    del second
    with start(CLAIMER, path, "kept") as other:
        assert other.line() == "taken"


@pytest.mark.fault("L10")
@pytest.mark.promise(3)
def test_a_store_that_is_collected_amid_the_claim_of_another(path: str) -> None:
    # The collector comes by after each number of allocations in turn, so it meets every place where it can.
    code = """
        import gc, os, sys
        from dlm.store.guard import Claims

        class Used:
            def __init__(self):
                self.circle = self
                self.claims = Claims(sys.argv[1], print)
                self.claims.claim("a").close()

        collected = []
        gc.callbacks.append(lambda phase, facts: collected.append(facts["collected"]))
        amid = 0
        for allocations in range(1, 100):
            claims = Claims(sys.argv[1], print)
            gc.collect()
            gc.set_threshold(0)
            Used()
            collected.clear()
            gc.set_threshold(gc.get_count()[0] + allocations)
            claim = claims.claim("b")
            gc.set_threshold(0)
            amid += sum(collected) > 0
            child = os.fork()
            if child == 0:
                os._exit(Claims(sys.argv[1], print).claim("b") is not None)
            if os.waitpid(child, 0)[1]:
                print("shared after", allocations)
            claim.close()
        print("amid" if 0 < amid < 99 else f"not tried: {amid}")
    """
    with start(code, path) as other:
        assert other.end().splitlines() == ["amid"]


@pytest.mark.fault("L10")
def test_what_a_lock_file_holds_does_not_matter_and_stays(path: str) -> None:
    Path(path).write_text("1\nnot a lock\n")
    with Claims(path, refuse).claim("key") or pytest.fail("nobody holds it"):
        pass
    with hold(path, lambda: None):
        pass
    assert Path(path).read_text() == "1\nnot a lock\n"


@pytest.mark.fault("L10")
def test_a_link_is_no_lock_file(tmp_path: Path, path: str) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    os.symlink(victim, path)
    with pytest.raises(OSError):
        Claims(path, refuse).claim("key")
    with pytest.raises(LocalError, match="claims"), hold(path, lambda: None):
        pass
    assert victim.read_text() == "precious"


@pytest.mark.fault("L10")
def test_a_lock_file_that_was_removed_is_made_again(path: str) -> None:
    claims = Claims(path, refuse)
    held = claims.claim("key")
    os.unlink(path)
    assert claims.claim("other") is not None
    assert os.path.exists(path)
    assert held is not None
    held.close()


@pytest.mark.fault("L10")
@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOTSUP])
def test_without_locks_it_is_said_once_and_work_goes_on(path: str, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "lockf", no_locks)
    monkeypatch.setattr(fcntl, "flock", no_locks)
    said: list[str] = []
    claims = Claims(path, said.append)
    assert isinstance(claims.claim("key"), NullClaim)
    assert isinstance(claims.claim("key"), NullClaim)
    claims.enter(lambda: refuse("nobody knows whether we are alone"))
    assert said == [os.strerror(code)]
    assert claims.unsupported
    with hold(path, lambda: refuse("nothing to wait for"), said.append):
        assert len(said) == 2


def test_only_who_is_alone_sweeps(path: str) -> None:
    swept: list[str] = []
    first, second = Claims(path, refuse), Claims(path, refuse)
    first.enter(lambda: swept.append("first"))
    second.enter(lambda: swept.append("second"))
    code = """
        import sys
        from dlm.store.guard import Claims
        Claims(sys.argv[1], print).enter(lambda: print("swept"))
        print("end")
    """
    with start(code, path) as other:
        assert other.end() == "end\n"
    assert swept == ["first"]
    del first, second
    with start(code, path) as other:
        assert other.end() == "swept\nend\n"


@pytest.mark.fault("L08")
def test_who_waits_says_so_once_and_then_goes_on(tmp_path: Path) -> None:
    path = str(tmp_path / "new" / "folder" / "lock")
    waiting, entered = threading.Event(), threading.Event()

    def second() -> None:
        with hold(path, waiting.set):
            entered.set()

    thread = threading.Thread(target=second)
    with hold(path, lambda: refuse("it is free")):
        thread.start()
        waiting.wait()
        assert not entered.is_set()
    thread.join()
    assert entered.is_set()


@pytest.mark.fault("L08")
def test_a_killed_holder_lets_go(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    code = """
        import sys
        from dlm.store.guard import hold
        with hold(sys.argv[1], lambda: None):
            print("held", flush=True)
            sys.stdin.readline()
    """
    with start(code, path) as other:
        assert other.line() == "held"
        with hold(path, other.kill):
            pass


@pytest.mark.promise(4)
def test_a_forked_child_has_no_claims_of_its_parent(path: str) -> None:
    code = """
        import os, sys
        from dlm.store.guard import Claims
        claims = Claims(sys.argv[1], print)
        claim = claims.claim("key")
        child = os.fork()
        if child == 0:
            print("child", claims.claim("key") is None, flush=True)
            claim.close()
            print("still", Claims(sys.argv[1], print).claim("key") is None, flush=True)
            os._exit(0)
        os.waitpid(child, 0)
        print("parent", Claims(sys.argv[1], print).claim("key") is None, flush=True)
    """
    with start(code, path) as other:
        assert other.end().splitlines() == ["child True", "still True", "parent True"]


def named(*texts: str) -> list[bytes]:
    """The names of some keys."""
    return [hashlib.sha256(text.encode()).digest() for text in texts]


class TestBundle:
    def test_it_holds_what_nobody_else_does(self, path: str) -> None:
        claims = Claims(path, refuse)
        bundle, other = Bundle(claims), Bundle(Claims(path, refuse))
        single = claims.claim("c")
        assert single is not None
        assert bundle.take(named("a", "b", "c", "a")) == [True, True, False, False]
        assert other.take(named("a", "b", "d")) == [False, False, True]
        assert claims.claim("a") is None
        assert claims.claim("d") is None
        with start(CLAIMER, path, "b") as process:
            assert process.line() == "taken"
        other.free(named("a", "b"))  # which are not its own
        assert claims.claim("a") is None
        bundle.free(named("a", "c"))
        assert claims.claim("c") is None
        with start(CLAIMER, path, "a") as process:
            assert process.line() == "mine"
        bundle.close()
        bundle.close()
        with start(CLAIMER, path, "b") as process:
            assert process.line() == "mine"
        with start(CLAIMER, path, "d") as process:
            assert process.line() == "taken"
        with start(CLAIMER, path, "c") as process:
            assert process.line() == "taken"
        other.close()
        single.close()

    def test_another_process_has_its_own(self, path: str) -> None:
        with start(CLAIMER, path, "theirs") as process:
            assert process.line() == "mine"
            bundle = Bundle(Claims(path, refuse))
            assert bundle.take(named("ours", "theirs")) == [True, False]
            bundle.close()

    def test_what_is_taken_out_stays_when_the_rest_goes(self, path: str) -> None:
        bundle = Bundle(Claims(path, refuse))
        assert bundle.take(named("a", "b")) == [True, True]
        part = bundle.part(named("a")[0])
        bundle.free(named("a", "b"))
        bundle.close()
        del bundle
        with start(CLAIMER, path, "a") as process:
            assert process.line() == "taken"
        with start(CLAIMER, path, "b") as process:
            assert process.line() == "mine"
        part.close()
        with start(CLAIMER, path, "a") as process:
            assert process.line() == "mine"

    @pytest.mark.fault("L10")
    def test_what_is_held_below_a_lock_file_that_was_removed_is_let_go_of(self, path: str) -> None:
        claims = Claims(path, refuse)
        bundle = Bundle(claims)
        before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
        assert bundle.take(named("a", "b")) == [True, True]
        os.unlink(path)
        assert bundle.take(named("c")) == [True]
        part = bundle.part(named("a")[0])
        part.close()
        bundle.free(named("b", "c"))
        assert bundle.take(named("a", "b", "c")) == [True, True, True]
        with start(CLAIMER, path, "b") as process:
            assert process.line() == "taken"
        bundle.close()
        with start(CLAIMER, path, "b") as process:
            assert process.line() == "mine"
        del claims, bundle
        if before:
            assert len(os.listdir("/proc/self/fd")) == before

    def test_a_forked_child_lets_go_of_nothing(self, path: str) -> None:
        claims = Claims(path, refuse)
        bundle = Bundle(claims)
        assert bundle.take(named("a")) == [True]
        pid = os.fork()
        if pid == 0:
            bundle.free(named("a"))
            bundle.close()
            own = Bundle(claims)
            os._exit(int(own.take(named("a", "b")) != [False, True]))
        assert os.waitpid(pid, 0)[1] == 0
        with start(CLAIMER, path, "a") as process:
            assert process.line() == "taken"
        bundle.close()

    @pytest.mark.fault("L10")
    @pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOTSUP])
    def test_without_locks_it_gets_nothing_and_that_is_said(
        self, path: str, code: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fail_locks(monkeypatch, code, behind=0)
        said: list[str] = []
        bundle = Bundle(Claims(path, said.append))
        assert bundle.take(named("a", "b")) == [False, False]
        assert bundle.take(named("c")) == [False]
        bundle.close()
        assert said == [os.strerror(code)]

    def test_a_lock_that_fails_leaves_what_was_held(self, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
        bundle = Bundle(Claims(path, refuse))
        assert bundle.take(named("a")) == [True]
        with monkeypatch.context() as patched:
            fail_locks(patched, errno.EIO, behind=1)
            with pytest.raises(OSError):
                bundle.take(named("a", "b", "c"))
        with start(CLAIMER, path, "a") as process:
            assert process.line() == "taken"
        with start(CLAIMER, path, "b") as process:
            assert process.line() == "mine"
        bundle.part(named("a")[0]).close()
        bundle.close()


def fail_locks(monkeypatch: pytest.MonkeyPatch, code: int, *, behind: int) -> None:
    """Let the system refuse every lock behind the first ones."""
    lockf, left = fcntl.lockf, [behind]

    def refused(descriptor: int, kind: int, *rest: int) -> None:
        if kind & fcntl.LOCK_EX:
            left[0] -= 1
            if left[0] < 0:
                raise OSError(code, os.strerror(code))
        lockf(descriptor, kind, *rest)

    monkeypatch.setattr(fcntl, "lockf", refused)
