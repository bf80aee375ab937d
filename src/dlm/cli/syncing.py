"""What ``dlm sync`` does and says, however its options were read."""

from __future__ import annotations

from dlm.cli.border import Border, Result
from dlm.cli.changes import change_document, say_changes, say_fetched
from dlm.cli.console import Console, human_size
from dlm.errors import Failures, gravest
from dlm.model.plan import Conflict
from dlm.workflows.settle import Modes
from dlm.workflows.stamping import no_op_text
from dlm.workflows.sync import SyncReport, SyncWish
from dlm.workflows.sync import sync as sync_workflow

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dlm.model.artifact import Artifact
    from dlm.workflows.lock import Change

__all__ = ["modes_in_force", "sync"]

_SHOWN = 50


def sync(border: Border, wish: SyncWish) -> Result:
    """Carry out ``dlm sync`` and say what was done.

    Raises:
        DlmError: as the workflow does.
    """
    modes = modes_in_force(border)
    run = border.run(need_manifest=modes.frozen is None)
    report = sync_workflow(run, modes, wish)
    dry = wish.dry_run or wish.check
    _say(border.console, report, run.files.lockfile_name, dry=dry)
    code = 7 if wish.check and report.drift else 0
    if report.errors:
        code = gravest(Failures(report.errors))
    return Result(code=code, document=_document(report, dry=dry), errors=report.errors)


def modes_in_force(border: Border) -> Modes:
    """The modes as flags, variables and CI have them."""
    locked, frozen = border.refuse_both("locked", "frozen")
    return Modes(
        locked=border.mode("locked") if locked else _ci(border) if not frozen else None,
        frozen=border.mode("frozen") if frozen else None,
        offline=border.mode("offline"),
    )


def _ci(border: Border) -> str | None:
    """``CI`` where it makes a run behave as with ``--locked``: set, and a lockfile is there."""
    if border.environment.get("CI", "").lower() in {"", "0", "false", "no"}:
        return None
    locked = border.switch("locked")
    if not locked.on and locked.by is not None:
        return None  # DLM_LOCKED=0 says otherwise
    with border.files().open_lockfile() as file:
        if file is None:
            return None
    border.console.say("CI is set, so the lockfile must match the manifest, as with --locked.")
    return "CI"


def _say(console: Console, report: SyncReport, lockfile: str, *, dry: bool) -> None:
    if report.left:
        from dlm.cli.left import left_text

        for left in report.left:
            (console.say if left.shared else console.warn)(left_text(left, "sync"))
            for line in left.details:
                console.say(f"  {line}")
    if not (report.placed or report.removed or report.changes or report.fetched or report.errors or report.differs):
        console.say(no_op_text(report.kept, report.passed_over).rstrip("\n"))
        return
    for name in report.passed_over:
        console.say(f"{name}: nothing of it is meant for this platform; passed over.")
    say_fetched(console, report.fetched, report.transferred)
    if report.unwritten is not None:
        console.say(f"{lockfile} was not written, since {report.unwritten}; else: {_counted(report.changes)}.")
        say_changes(console, report.changes)
    elif report.changes:
        console.say(f"{'Would lock' if dry else 'Locked'}: {_counted(report.changes)}.")
        say_changes(console, report.changes)
    if dry and report.missing:
        console.say(f"Would fetch {_files(len(report.missing))} ({_size(report.missing)}).")
    verb = ("Would place", "would remove") if dry else ("Placed", "removed")
    console.say(f"{verb[0]} {_files(len(report.placed))}, {verb[1]} {len(report.removed)}, kept {report.kept}.")
    lines = [f" {'~' if one.replaced else '+'} {one.dest}" for one in report.placed]
    lines += [f" - {dest}" for dest in report.removed]
    said = {error.message for error in report.errors}
    differs = (one for one in report.differs if f"{one.dest}: {one.reason}" not in said)
    lines += [f" ! {one.dest}: {one.reason}{_edits(one)}" for one in differs]
    for line in lines[:_SHOWN]:
        console.say(line)
    if len(lines) > _SHOWN:
        console.say(f" … and {len(lines) - _SHOWN} more")


def _edits(one: Conflict) -> str:
    return f" ({', '.join(one.details)})" if one.details else ""


def _counted(changes: tuple[Change, ...]) -> str:
    """``1 added, 2 removed``."""
    words = {"added": "added", "updated": "updated", "moved": "changed", "removed": "removed"}
    counts = {word: sum(change.action == action for change in changes) for action, word in words.items()}
    return ", ".join(f"{count} {word}" for word, count in counts.items() if count)


def _size(artifacts: tuple[Artifact, ...]) -> str:
    """``1.2 MiB``, and how many have a size that nobody knows yet."""
    sizes = [one.size for one in artifacts if one.size is not None]
    unknown = len(artifacts) - len(sizes)
    if not sizes:
        return "of unknown size"
    return human_size(sum(sizes)) + (f" and {unknown} of unknown size" if unknown else "")


def _files(count: int) -> str:
    return f"{count} file{'' if count == 1 else 's'}"


def _document(report: SyncReport, *, dry: bool) -> dict[str, object]:
    return {
        "dry_run": dry,
        "changes": [change_document(change) for change in report.changes],
        "fetched": report.fetched,
        "transferred": report.transferred,
        "missing": [
            {"resource": one.resource, "filename": one.filename, "url": one.url, "size": one.size}
            for one in report.missing
        ],
        "placed": [
            {"resource": one.resource, "dest": one.dest, "mode": one.mode, "replaced": one.replaced}
            for one in report.placed
        ],
        "removed": list(report.removed),
        "left": [{"dest": one.dest, "reason": one.reason} for one in report.left],
        "differs": [{"resource": one.resource, "dest": one.dest, "reason": one.reason} for one in report.differs],
        "kept": report.kept,
        "passed_over": list(report.passed_over),
        "lockfile_written": report.written,
        **({} if report.unwritten is None else {"lockfile_unwritten": report.unwritten}),
    }
