"""Many small files are told as a sum, and that says what telling each of them would."""

from __future__ import annotations

import io
import json

import pytest

from dlm.cli.console import Console
from dlm.cli.progress import BarMeter, LineMeter
from dlm.fetch.workbench import Workbench
from dlm.model.events import Fetched, Fetching
from dlm.model.settings import Settings
from tests.support.stores import Heard, StillClock


def told(console: Console, sizes: list[int], *, every: int = 3) -> None:
    """What a fetcher tells of small files."""
    bench = Workbench(Settings(), StillClock(), console, "0")
    for number, size in enumerate(sizes, start=1):
        bench.tell("some", f"{number}.bin", size, f"http://127.0.0.1/{number}.bin", 0.1)
        if number % every == 0:
            bench.tell_sum()
    bench.tell_sum()
    bench.tell_sum()


def test_lines_count_what_is_summed() -> None:
    clock, err = StillClock(), io.StringIO()
    console = Console(meter=LineMeter(clock.monotonic, err), out=io.StringIO(), err=err)
    told(console, [1000] * 10)
    assert err.getvalue() == "Fetching …\n"
    clock.now += 31
    told(console, [1000] * 5)
    assert err.getvalue().splitlines()[1:] == ["… 13 fetched, 0 running, 12.7 KiB"]


def test_a_bar_moves_by_what_is_summed() -> None:
    meter = BarMeter()
    console = Console(meter=meter, out=io.StringIO(), err=io.StringIO())
    try:
        told(console, [1000] * 10)
        meter.show(Fetching("large", "large.bin", "http://127.0.0.1/large.bin", 5_000_000))
        meter.show(Fetched("large", "large.bin", 5_000_000, 1.0, 5_000_000, ""))
        assert meter._progress is not None
        [total] = [task for task in meter._progress.tasks if task.description == "total"]
        assert (total.completed, total.total) == (5_010_000, 5_010_000)
    finally:
        console.close()


@pytest.mark.parametrize("format_", ["text", "json"])
def test_who_shows_nothing_is_told_nothing(format_: str) -> None:
    out, err = io.StringIO(), io.StringIO()
    told(Console(format=format_, out=out, err=err), [1000] * 10)
    told(Console(format=format_, verbosity=-1, meter=LineMeter(StillClock().monotonic, err), out=out, err=err), [1])
    assert (out.getvalue(), err.getvalue()) == ("", "")


def test_programs_are_told_each() -> None:
    out = io.StringIO()
    told(Console(format="ndjson", out=out, err=io.StringIO()), [1000] * 4)
    found = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [one["event"] for one in found] == ["fetching", "fetched"] * 4
    assert [one["filename"] for one in found[1::2]] == ["1.bin", "2.bin", "3.bin", "4.bin"]


def test_who_takes_no_sums_is_told_each() -> None:
    heard = Heard()
    bench = Workbench(Settings(), StillClock(), heard, "0")
    bench.tell("some", "a.bin", 5, "http://127.0.0.1/a.bin", 0.1)
    bench.tell_sum()
    assert [type(event) for event in heard.events] == [Fetching, Fetched]


def test_a_file_that_is_worth_a_line_is_in_no_sum() -> None:
    err = io.StringIO()
    told(
        Console(meter=LineMeter(StillClock().monotonic, err), out=io.StringIO(), err=err),
        [1024 * 1024 - 1, 1024 * 1024],
    )
    assert [line.split()[:3] for line in err.getvalue().splitlines()[1:]] == [["some", "1.0", "MiB"]]
