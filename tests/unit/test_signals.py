"""An interrupt that Python drops comes again, and nothing else does."""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from dlm.signals import Insisting

pytestmark = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="the system has no timers")


class Thing:
    """Something to refer to."""


class Loses:
    """An interrupt at its end."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)


def in_a_finalizer() -> None:
    Loses()


def in_a_callback() -> None:
    thing = Thing()
    kept = weakref.ref(thing, lambda _: signal.raise_signal(signal.SIGINT))
    del thing
    assert kept() is None


def in_the_collector() -> None:
    def interrupt(_phase: str, _info: dict[str, int]) -> None:
        gc.callbacks.remove(interrupt)
        signal.raise_signal(signal.SIGINT)

    gc.callbacks.append(interrupt)
    gc.collect()


def in_a_callback_of_libcurl() -> None:
    pycurl = pytest.importorskip("pycurl")
    handle = pycurl.Curl()
    with socket.create_server(("127.0.0.1", 0)) as server:
        handle.setopt(pycurl.URL, f"http://127.0.0.1:{server.getsockname()[1]}/")
        handle.setopt(pycurl.VERBOSE, 1)
        handle.setopt(pycurl.NOPROXY, "*")
        handle.setopt(pycurl.TIMEOUT_MS, 1)
        handle.setopt(pycurl.DEBUGFUNCTION, interrupting_once())
        with pytest.raises(pycurl.error):
            handle.perform()


def interrupting_once() -> Callable[[int, bytes], None]:
    left = [signal.SIGINT]

    def said(_kind: int, _text: bytes) -> None:
        if left:
            signal.raise_signal(left.pop())

    return said


def wait_for_ever() -> None:
    """For a descriptor on which nothing comes."""
    reading, writing = os.pipe()
    try:
        os.read(reading, 1)
    finally:
        os.close(reading)
        os.close(writing)


def insisted(lose: Callable[[], None]) -> None:
    """Lose an interrupt, and have nothing to do until it comes again."""
    with Insisting(KeyboardInterrupt):
        lose()
        wait_for_ever()


LOSSES = [in_a_finalizer, in_a_callback, in_the_collector, in_a_callback_of_libcurl]


@pytest.mark.parametrize("lose", LOSSES)
def test_what_python_drops_comes_again(lose: Callable[[], None], capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt):
        insisted(lose)
    assert capfd.readouterr() == ("", "")


def test_it_comes_until_it_is_not_lost() -> None:
    lost: list[int] = []

    class Stubborn:
        def __del__(self) -> None:
            lost.append(len(lost))
            wait_for_ever()

    def lose() -> None:
        in_a_finalizer()
        for _ in range(3):
            Stubborn()
        assert lost == [0, 1, 2]

    with pytest.raises(KeyboardInterrupt):
        insisted(lose)


def test_a_kind_of_interrupt_stays_what_it_is() -> None:
    class Terminated(KeyboardInterrupt):
        pass

    def terminate(_number: int, _frame: Any) -> None:
        raise Terminated

    before = signal.signal(signal.SIGINT, terminate)
    try:
        with pytest.raises(Terminated):
            insisted(in_a_finalizer)
    finally:
        signal.signal(signal.SIGINT, before)


def test_other_exceptions_are_told_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: heard.append(unraisable.exc_type))

    class Breaks:
        def __del__(self) -> None:
            raise ValueError

    with Insisting(KeyboardInterrupt):
        Breaks()
        assert signal.getitimer(signal.ITIMER_REAL)[0] == 0
    assert heard == [ValueError]


def test_everything_is_as_it_was_behind_it() -> None:
    before = (sys.unraisablehook, sys.excepthook, signal.getsignal(signal.SIGALRM))
    with pytest.raises(KeyboardInterrupt), Insisting(KeyboardInterrupt):
        raise KeyboardInterrupt
    assert (sys.unraisablehook, sys.excepthook, signal.getsignal(signal.SIGALRM)) == before
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0
