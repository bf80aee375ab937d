"""A second process begins where there is enough for two, and where one can be had."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Sequence

import pytest

from dlm.fetch.round import Round
from dlm.fetch.worth import is_worth_it

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a second process is forked on Linux alone")

MIB = 1024 * 1024


@pytest.fixture(autouse=True)
def two_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1})
    monkeypatch.setattr(threading, "active_count", lambda: 1)


def a_round(sizes: Sequence[int]) -> Round:
    return Round(len(sizes), lambda number: None, sizes=sizes)


@pytest.mark.parametrize(
    ("sizes", "worth"),
    [
        ([10_000] * 400, True),
        ([10_000] * 399, False),
        ([16 * MIB] * 4, True),
        ([100 * MIB] * 3, False),
        ([15 * MIB] * 4, False),
        ([MIB] * 100, False),
        ([0] * 400, True),
        ([], False),
    ],
)
def test_it_takes_many_files_or_some_large_ones(sizes: list[int], worth: bool) -> None:
    assert is_worth_it(a_round(sizes), 16) == worth


def test_who_allows_one_exchange_means_one() -> None:
    assert not is_worth_it(a_round([1] * 1000), 1)


def test_there_is_none_on_one_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3})
    assert not is_worth_it(a_round([1] * 1000), 16)


def test_there_is_none_beside_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "active_count", lambda: 2)
    assert not is_worth_it(a_round([1] * 1000), 16)
