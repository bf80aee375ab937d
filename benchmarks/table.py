"""Results as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.compare import Comparison, Record
from benchmarks.cut import Cut
from benchmarks.growth import Grown
from benchmarks.origin_nginx import RATE
from benchmarks.workloads import CUT_AT, CUT_REQUIRED, GROWTH_SIZE, MIB, Goal, Ideal, Memory, Ratio

__all__ = ["comparison", "cuts", "growth", "line", "summary"]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _verdict(found: float, required: float, aim: float | None) -> str:
    if aim is not None and found <= aim:
        return "aim"
    return "yes" if found <= required else "**no**"


def _goal(goal: Goal, measured: Comparison) -> tuple[str, str, str, str, str]:
    """Yardstick, what was found, what is required, what is aimed at, and whether it is met."""
    own = measured.subjects[0]
    if isinstance(goal, Memory):
        aim = f"{goal.aim / MIB:.0f} MiB" if goal.aim else ""
        verdict = _verdict(own.memory, goal.required, goal.aim)
        return "own peak memory", f"{own.memory / MIB:.0f} MiB", f"{goal.required / MIB:.0f} MiB", aim, verdict
    if isinstance(goal, Ideal):
        seconds = measured.workload.total / (goal.connections * RATE)
        name = f"size / ({goal.connections} x rate) = {seconds:.2f} s"
        ratio: float | None = own.wall / seconds
    else:
        name = goal.peer
        ratio = next((own.ratio(peer) for peer in measured.peers if peer.name == goal.peer), None)
    aim = f"{goal.aim}x" if goal.aim else ""
    if ratio is None:
        return name, "not measured", f"{goal.required}x", aim, ""
    return name, f"{ratio:.2f}x", f"{goal.required}x", aim, _verdict(ratio, goal.required, goal.aim)


def summary(comparisons: Sequence[Comparison], cut: Sequence[Cut]) -> str:
    """Everything that is required, in one table."""
    rows = [[each.workload.title, *_goal(goal, each)] for each in comparisons for goal in each.workload.goals]
    for each in cut:
        if not each.killed and each.subject == cut[0].subject:
            found = (f"{each.second:.2%}", f"{CUT_REQUIRED:.1%}", "", _verdict(each.second, CUT_REQUIRED, None))
            rows.append([f"1 GiB cut at {CUT_AT:.0%}, run again", "bytes fetched the second time", *found])
    head = ["workload", "yardstick", "dlm : yardstick", "required, at most", "aim", "met"]
    return _table(head, rows)


def comparison(measured: Comparison) -> str:
    """A section for one workload."""
    own = measured.subjects[0]
    goals = {goal.peer: _goal(goal, measured) for goal in measured.workload.goals if isinstance(goal, Ratio)}
    rows = [list(_row(own, None, ("", "", "")))]
    for record in (*measured.subjects[1:], *measured.peers):
        _, _, *judged = goals.get(record.name, ("", "", "", "", ""))
        rows.append(list(_row(record, own, judged)))
    for goal in measured.workload.goals:
        if not isinstance(goal, Ratio):
            name, found, *judged = _goal(goal, measured)
            rows.append([name, "", found, *judged, "", ""])
    head = ["contestant", "wall, s: median (least)", "dlm : it", "required", "aim", "met", "CPU, s", "peak, MiB"]
    rounds = f"{measured.rounds} rounds" if measured.rounds > 1 else "one round"
    lines = [
        f"## {measured.workload.title}\n\n",
        f"{measured.workload.way.value}; {rounds}{_fewer(measured)}.\n\n",
        _table(head, rows),
        "\n",
    ]
    shown = [f"- {each.name}: `{each.shown}`\n" for each in measured.peers if each.shown]
    return "".join([*lines, *shown])


def line(measured: Comparison) -> str:
    """A workload in one line, for whoever waits."""
    own = measured.subjects[0]
    others = ((each.name, own.ratio(each)) for each in (*measured.subjects[1:], *measured.peers))
    ratios = ", ".join(f"{ratio:.2f} x {name}" for name, ratio in others if ratio is not None)
    return f"{measured.workload.name}: {own.name} {own.wall:.3f} s, {own.memory / MIB:.0f} MiB; {ratios}"


def _fewer(measured: Comparison) -> str:
    few = [f"{each.name} {len(each.costs)}" for each in measured.peers if 0 < len(each.costs) < measured.rounds]
    return f" ({', '.join(few)})" if few else ""


def _row(record: Record, own: Record | None, judged: Sequence[str]) -> Iterator[str]:
    yield record.name
    if not record.costs or record.trouble:
        yield record.trouble or "not measured"
        yield from [""] * 6
        return
    yield f"{record.wall:.3f} ({record.least:.3f})"
    ratio = own.ratio(record) if own else None
    yield f"{ratio:.2f}" if ratio is not None else ""
    yield from judged
    yield f"{record.processor:.2f}"
    yield f"{record.memory / MIB:.0f}"


def growth(grown: Sequence[Grown]) -> str:
    """A section on how cost grows with the number of artifacts."""
    rows = []
    names = dict.fromkeys(record.name for each in grown for record in each.records)
    for name in names:
        before: tuple[int, Record] | None = None
        for each in grown:
            own = next((record for record in each.records if record.name == name), None)
            if own is None:
                continue
            further = ("", "")
            if before is not None:
                count = each.count - before[0]
                more = (own.wall - before[1].wall) / count * 1e6, (own.memory - before[1].memory) / count
                further = f"{more[0]:.0f}", f"{more[1]:,.0f}"
            before = each.count, own
            rows.append(
                [
                    f"{each.count:,}",
                    name,
                    f"{own.wall:.2f} ({own.least:.2f})",
                    f"{own.wall / each.count * 1e6:.0f}",
                    further[0],
                    f"{own.processor:.2f}",
                    f"{own.memory / MIB:.0f}",
                    further[1],
                ]
            )
    head = [
        "artifacts",
        "",
        "wall, s: median (least)",
        "µs each",
        "µs each further one",
        "CPU, s",
        "peak, MiB",
        "bytes each further one",
    ]
    return (
        f"## Growth\n\nFiles of {GROWTH_SIZE // 1024} KiB, HTTP/1.1, an empty cache and tree; the others once each.\n\n"
        f"{_table(head, rows)}"
    )


def cuts(cut: Sequence[Cut]) -> str:
    """A section on what an interrupted download costs."""
    rows = [[each.subject, each.how, f"{each.first:.2%}", f"{each.second:.2%}"] for each in cut]
    head = ["", "what happened", "went to the client before", "in the second run"]
    return (
        f"## 1 GiB cut at {CUT_AT:.0%}, run again\n\nShares of the file's size, heads of answers included, over all "
        f"connections. What is killed loses also what the kernel still held for it.\n\n{_table(head, rows)}"
    )
