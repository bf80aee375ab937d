"""From 100 to 100,000 artifacts: time has to grow with their number, and memory to stay in bounds."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from benchmarks.arena import Arena
from benchmarks.compare import Record
from benchmarks.files import check
from benchmarks.measure import measured
from benchmarks.workloads import GROWTH, GROWTH_SIZE, Way

__all__ = ["Grown", "grow"]


@dataclass(frozen=True, slots=True)
class Grown:
    """What so many artifacts cost; a record for each dlm."""

    count: int
    records: tuple[Record, ...]


def grow(arena: Arena, *, quick: bool) -> list[Grown]:
    """Each number of artifacts, from the least to the most; all dlm in turn.

    The first round is checked and counts as well: it comes after a ``dlm lock`` that warmed all that there is.

    Raises:
        CostError: dlm fails.
        SystemExit: a file is not what is served.
    """
    grown = []
    for growth in GROWTH:
        rounds = growth.quick_rounds if quick else growth.rounds
        if not rounds:
            continue
        served = arena.served(Way.PLAIN, growth.count, GROWTH_SIZE, folders=True)
        documents = arena.documents(served, growth.count, GROWTH_SIZE)
        records = [Record(subject.name) for subject in arena.subjects]
        for number in range(1, rounds + 1):
            pairs = list(zip(arena.subjects, records, strict=True))
            for subject, record in pairs if number % 2 else pairs[::-1]:
                with arena.fresh() as folder:
                    cost = measured(subject.command(folder, documents), arena.notes())
                    if number == 1:
                        check(folder / "project" / "files", served)
                record.costs[number] = cost
                record.memory = max(record.memory, cost.memory)
            print(f"growth: {growth.count:,}, round {number} of {rounds}", file=sys.stderr, flush=True)
        arena.files.drop(growth.count, GROWTH_SIZE)
        grown.append(Grown(growth.count, tuple(records)))
    return grown
