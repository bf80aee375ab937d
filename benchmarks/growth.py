"""From 100 to 100,000 artifacts: time has to grow with their number, and memory to stay in bounds."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass

from benchmarks.arena import Arena
from benchmarks.compare import Record, begin_peer
from benchmarks.files import Served, check
from benchmarks.measure import CostError, measured
from benchmarks.peers import PEERS, furnish
from benchmarks.workloads import GROWTH, GROWTH_PEERS, GROWTH_SIZE, Way

__all__ = ["Grown", "grow"]


@dataclass(frozen=True, slots=True)
class Grown:
    """What so many artifacts cost: a record for each dlm, and behind those one for each peer."""

    count: int
    records: tuple[Record, ...]


def grow(arena: Arena, missing: frozenset[str], *, quick: bool) -> list[Grown]:
    """Each number of artifacts, from the least to the most; all dlm in turn, and each peer once.

    Before the clock counts, all run once; what they got is checked, and the memory of all their processes watched.

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
        for number in range(rounds + 1):
            pairs = list(zip(arena.subjects, records, strict=True))
            for subject, record in pairs if number % 2 else pairs[::-1]:
                with arena.fresh() as folder:
                    cost = measured(subject.command(folder, documents), arena.notes(), watched=not number)
                    if number == 0:
                        check(folder / "project" / "files", served)
                if number:
                    record.costs[number] = cost
                record.memory = max(record.memory, cost.memory)
            print(f"growth: {growth.count:,}, round {number} of {rounds}", file=sys.stderr, flush=True)
        records += _peers(arena, served, missing)
        arena.files.drop(growth.count, GROWTH_SIZE)
        grown.append(Grown(growth.count, tuple(records)))
    return grown


def _peers(arena: Arena, served: Served, missing: frozenset[str]) -> list[Record]:
    """What the same files cost others."""
    furnished = arena.folder / "furnished" / "growth"
    furnish(furnished, served)
    records: list[Record] = []
    for name in GROWTH_PEERS:
        if missing.intersection(PEERS[name].needs):
            continue
        record = Record(name, PEERS[name].command(served))
        with arena.fresh() as folder:
            try:
                record.costs[1] = cost = measured(begin_peer(arena, furnished, record.shown)(folder), arena.notes())
            except CostError as error:
                print(f"growth: {name} failed: {error}", file=sys.stderr)
                continue
            check(folder / "files", served)
        record.memory = cost.memory
        records.append(record)
    shutil.rmtree(furnished)
    return records
