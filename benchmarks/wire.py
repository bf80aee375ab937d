"""How fast dlm downloads, beside others: ``python -m benchmarks.wire``, from the repository's root; or ``make bench``.

An nginx on the loopback serves random files over HTTP/1.1, TLS and HTTP/2, at full speed, at 8 MiB/s a connection, and
through a relay that makes round trips 40 ms long. dlm is the installed ``dlm sync --frozen`` with default settings, an
empty cache and an empty tree, so digests are checked and all is flushed as always; others are called with what makes
each fastest, and their files are hashed too where the yardstick says so. All take turns, round after round, each time
in a fresh folder, in memory where there is one; before anything counts, free memory was used once, since a virtual
machine gets it from its host only then (and gives back what has lain idle), every one has run once, and its files were
compared with what is served.

A complete run writes ``benchmarks/RESULTS.md``. One that measures a part, or another dlm, prints the same instead.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks import machine, table, tools
from benchmarks.arena import Arena, memory_folder, touch_memory
from benchmarks.compare import Comparison, compare
from benchmarks.cut import Cut, cut
from benchmarks.files import Files
from benchmarks.growth import Grown, grow
from benchmarks.measure import CostError
from benchmarks.origin_nginx import Nginx
from benchmarks.peers import PEERS
from benchmarks.relayed import relayed
from benchmarks.subject import Subject
from benchmarks.workloads import WORKLOADS, Workload

_ROUND_TRIP = 0.04
_NEEDED_SPACE = 5 * 1024**3
_RESULTS = Path(__file__).with_name("RESULTS.md")
_NOTES = """\
Medians of whole processes, from their start to their end, each in a fresh folder {where}. "dlm : it" is the median over
rounds of dlm's wall clock over that of the other in the same round, against the same server. CPU is user and system
time of a process and all that it started. Peak memory is that of the largest process, or of all at once where that is
more; the largest of all rounds, never less than the {floor} MiB of what starts them. Whoever downloads, nginx and the
relay share the machine; nginx has half of its cores.
"""


def _subjects(given: Sequence[str]) -> tuple[Subject, ...]:
    """From ``NAME=SCRIPT`` or ``SCRIPT``.

    Raises:
        SystemExit: there is no such script.
    """
    subjects: list[Subject] = []
    for each in given or [str(Path(sys.executable).with_name("dlm"))]:
        name, _, path = each.rpartition("=")
        script = Path(path).absolute()
        if not script.is_file():
            raise SystemExit(f"{path}: there is no such program; install dlm, or name one with --dlm")
        subjects.append(Subject(name or f"dlm{f' {len(subjects) + 1}' if subjects else ''}", script))
    return tuple(subjects)


@contextmanager
def _arena(subjects: tuple[Subject, ...], folder: str | None) -> Iterator[Arena]:
    chosen = folder or memory_folder()
    base = Path(tempfile.mkdtemp(prefix="dlm-bench-", dir=chosen))
    try:
        if shutil.disk_usage(base).free < _NEEDED_SPACE:
            raise SystemExit(f"{base}: less than 5 GiB are free; name another place with --folder")
        path = tools.search_path()
        programs = {name: shutil.which(name, path=path) for name in tools.NEEDED}
        for name, program in programs.items():
            if program is None:
                raise SystemExit(f"{name} is missing, and nothing can be measured without it")
        documents = base / "documents"
        documents.mkdir()
        with (
            Nginx(str(programs["nginx"]), str(programs["openssl"]), base / "nginx", documents) as origin,
            relayed(origin.secure, trip=_ROUND_TRIP) as far,
        ):
            yield Arena(base, machine.in_memory(base), origin, far, Files(documents), subjects, path)
    finally:
        shutil.rmtree(base, ignore_errors=True)


def _report(
    arena: Arena, began: str, comparisons: Sequence[Comparison], cuts: Sequence[Cut], grown: Sequence[Grown]
) -> str:
    versions = [machine.wire(arena.subjects[0]), *(f"{name}: {text}" for name, text in tools.versions().items())]
    where = "in memory" if arena.in_memory else "on a disk"
    notes = _NOTES.format(where=where, floor=10)
    parts = [
        "# dlm on the wire\n\n",
        f"`make bench` wrote this; `python -m benchmarks.wire --help` says how it measures. {began}.\n\n",
        "".join(f"- {line}\n" for line in versions),
        f"\n{notes}\n",
    ]
    if comparisons or cuts:
        parts.append(f"## Required and met\n\n{table.summary(comparisons, cuts)}\n")
    parts += [f"{table.comparison(each)}\n" for each in comparisons]
    if cuts:
        parts.append(f"{table.cuts(cuts)}\n")
    if grown:
        parts.append(f"{table.growth(grown)}\n")
    return "".join(parts).rstrip("\n") + "\n"


def _peers(workload: Workload, chosen: set[str] | None, *, quick: bool) -> tuple[str, ...]:
    """Who else runs: all, or those chosen; without a choice, no slow ones in a hurry."""
    if chosen is not None:
        return tuple(name for name in workload.peers if name in chosen)
    return tuple(name for name in workload.peers if not (quick and name in workload.few))


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    names = [workload.name for workload in WORKLOADS]
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.wire", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="few rounds, no slow peers, at most 10,000 artifacts")
    parser.add_argument(
        "--only",
        metavar="NAME",
        action="append",
        choices=[*names, "cut", "growth"],
        help=f"a part alone; may be repeated: {', '.join(names)}, cut, growth",
    )
    parser.add_argument("--rounds", type=int, help="for every workload, instead of its own number")
    parser.add_argument(
        "--dlm",
        metavar="[NAME=]SCRIPT",
        action="append",
        default=[],
        help="the dlm to measure, instead of the one beside this Python; with several, all take turns, and ratios are "
        "those of the first",
    )
    parser.add_argument("--peers", metavar="NAME,…", help=f"no others than these, or none; {', '.join(PEERS)}")
    parser.add_argument("--folder", help="where to measure, instead of in memory")
    parser.add_argument("--install", action="store_true", help="install missing programs (apt-get, as root)")
    parser.add_argument("--out", type=Path, help="where to write the results")
    options = parser.parse_args(arguments)
    options.peers = None if options.peers is None else set(options.peers.split(",")) - {"none"}
    if options.peers is not None and not options.peers <= PEERS.keys():
        parser.error(f"no such peers: {', '.join(options.peers - PEERS.keys())}")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and write or print what came out."""
    options = _arguments(arguments)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # servers end, and folders go
    if options.install:
        tools.install()
    missing = tools.missing()
    wanted = set(options.only or [*(workload.name for workload in WORKLOADS), "cut", "growth"])
    complete = not (options.only or options.dlm or options.quick or options.rounds or options.peers is not None)
    began, start = machine.described(), time.monotonic()
    comparisons: list[Comparison] = []
    try:
        with _arena(_subjects(options.dlm), options.folder) as arena:
            for workload in WORKLOADS:
                if workload.name in wanted:
                    names = _peers(workload, options.peers, quick=options.quick)
                    rounds = options.rounds or (workload.quick_rounds if options.quick else workload.rounds)
                    if arena.in_memory:
                        touch_memory(arena.folder)
                    comparisons.append(compare(arena, workload, names, missing, rounds))
                    print(table.line(comparisons[-1]), file=sys.stderr, flush=True)
            cuts = cut(arena) if "cut" in wanted else []
            grown = grow(arena, missing, quick=options.quick) if "growth" in wanted else []
            report = _report(arena, began, comparisons, cuts, grown)
    except CostError as error:
        print(error, file=sys.stderr)
        return 1
    out = options.out or (_RESULTS if complete else None)
    if out is None:
        print(report, end="")
    else:
        out.write_text(report, encoding="utf-8")
    print(f"took {(time.monotonic() - start) / 60:.1f} minutes", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
