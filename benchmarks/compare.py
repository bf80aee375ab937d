"""All contestants of a workload, in turn, round after round, so that a busy machine is busy for all of them."""

from __future__ import annotations

import shlex
import shutil
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.arena import Arena
from benchmarks.files import check
from benchmarks.measure import Command, Cost, CostError, measured
from benchmarks.peers import PEERS, furnish
from benchmarks.subject import Subject
from benchmarks.workloads import Workload

__all__ = ["Comparison", "Record", "begin_peer", "compare"]


@dataclass(slots=True)
class Record:
    """What a contestant did: its costs by round, the most memory it ever had, or why it has none."""

    name: str
    shown: str = ""
    costs: dict[int, Cost] = field(default_factory=dict)
    memory: int = 0
    trouble: str = ""

    @property
    def wall(self) -> float:
        """Median."""
        return statistics.median(cost.wall for cost in self.costs.values())

    @property
    def least(self) -> float:
        """The fastest round."""
        return min(cost.wall for cost in self.costs.values())

    @property
    def processor(self) -> float:
        """Median."""
        return statistics.median(cost.processor for cost in self.costs.values())

    def ratio(self, other: Record) -> float | None:
        """The median, over the rounds that both ran in, of this one's wall clock over the other's."""
        rounds = self.costs.keys() & other.costs.keys()
        if not rounds:
            return None
        return statistics.median(self.costs[number].wall / other.costs[number].wall for number in rounds)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A workload's records; those of dlm come first."""

    workload: Workload
    rounds: int
    subjects: tuple[Record, ...]
    peers: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class _Contestant:
    record: Record
    rounds: int
    begin: Callable[[Path], Command]
    """Makes a fresh folder, and the command that is to run there."""
    files: str
    """Where below the folder the files come to lie."""


def begin_peer(arena: Arena, furnished: Path, line: str) -> Callable[[Path], Command]:
    """What makes a fresh folder out of a furnished one, and gives the command that is to run there."""

    def begin(folder: Path) -> Command:
        shutil.copytree(furnished, folder)
        shell = "=" in line.split(maxsplit=1)[0] or any(sign in line for sign in "&*")
        return Command(("sh", "-c", line) if shell else tuple(shlex.split(line)), folder, arena.environment(folder))

    return begin


def compare(
    arena: Arena, workload: Workload, names: tuple[str, ...], missing: frozenset[str], rounds: int
) -> Comparison:
    """Measure a workload against the peers of these names.

    Each contestant runs once before the clock counts: what it got is checked, and its memory watched. Where there is
    only one round, that happens there.

    Raises:
        CostError: dlm fails. A peer that does is left out, and its record says why.
        SystemExit: a contestant got something else than what is served.
    """
    served = arena.served(workload.way, workload.count, workload.size)
    documents = arena.documents(served, workload.count, workload.size)
    furnished = arena.folder / "furnished" / workload.name
    furnish(furnished, served)

    def begin_subject(subject: Subject) -> Callable[[Path], Command]:
        return lambda folder: subject.command(folder, documents)

    subjects = [
        _Contestant(Record(subject.name, "dlm sync --frozen"), rounds, begin_subject(subject), "project/files")
        for subject in arena.subjects
    ]
    absent: list[Record] = []
    peers: list[_Contestant] = []
    for name in names:
        lacking = [need for need in PEERS[name].needs if need in missing]
        if lacking:
            absent.append(Record(name, trouble=f"not measured: {', '.join(lacking)} missing"))
        else:
            line = PEERS[name].command(served)
            most = min(rounds, workload.few.get(name, rounds))
            peers.append(_Contestant(Record(name, line), most, begin_peer(arena, furnished, line), "files"))

    contestants = [*subjects, *peers]
    for number in range(0 if rounds > 1 else 1, rounds + 1):
        turn = number % len(contestants)
        for contestant in contestants[turn:] + contestants[:turn]:
            if number > contestant.rounds or contestant.record.trouble:
                continue
            first = number == 0 or rounds == 1
            with arena.fresh() as folder:
                try:
                    cost = measured(contestant.begin(folder), arena.notes(), watched=first)
                except CostError as error:
                    if contestant in subjects:
                        raise
                    contestant.record.trouble = f"failed: {error}"
                    print(f"{workload.name}: {contestant.record.name} {contestant.record.trouble}", file=sys.stderr)
                    continue
                if first:
                    check(folder / contestant.files, served)
            contestant.record.memory = max(contestant.record.memory, cost.memory)
            if number:
                contestant.record.costs[number] = cost
        print(f"{workload.name}: round {number} of {rounds}", file=sys.stderr, flush=True)
    shutil.rmtree(furnished)
    return Comparison(
        workload,
        rounds,
        tuple(each.record for each in subjects),
        (*(each.record for each in peers), *absent),
    )
