"""What locking changed, said to people and to programs: any verb may lock first."""

from __future__ import annotations

from collections.abc import Iterable

from dlm.cli.console import human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dlm.cli.console import Console
    from dlm.model.lockfile import LockedArtifact
    from dlm.model.policy import Step
    from dlm.workflows.lock import Change

__all__ = ["change_document", "say_changes", "say_fetched", "step_of"]

_SHOWN = 50
_SIGNS = {"added": "+", "updated": "~", "moved": "~", "removed": "-"}


def say_fetched(console: Console, fetched: int, transferred: int) -> None:
    """One line about what came over the wire."""
    if fetched:
        console.say(f"Fetched {fetched} file{'s' if fetched != 1 else ''} ({human_size(transferred)}).")


def say_changes(console: Console, changes: tuple[Change, ...]) -> None:
    """One line for each entry that changed."""
    for change in changes[:_SHOWN]:
        details = f"  {', '.join(change.details)}" if change.details else ""
        console.say(f" {_SIGNS[change.action]} {change.name}{details}{_vouched(change)}")
    if len(changes) > _SHOWN:
        console.say(f" … and {len(changes) - _SHOWN} more")


def change_document(change: Change) -> dict[str, object]:
    """A change as a program reads it."""
    from dlm.model.evidence import Provenance

    return {
        "name": change.name,
        "action": change.action,
        "details": list(change.details),
        "evidence": [
            {
                "filename": one.filename,
                "platform": one.platform,
                "step": Provenance.from_documents(one.evidence).strongest.word,
                "pieces": [dict(piece) for piece in one.evidence],
            }
            for one in change.artifacts
        ],
    }


def step_of(artifacts: Iterable[LockedArtifact]) -> Step | None:
    """The step of the ladder that all of them have reached; None where there are none."""
    from dlm.model.evidence import Provenance

    return min((Provenance.from_documents(one.evidence).strongest for one in artifacts), default=None)


def _vouched(change: Change) -> str:
    """What vouches for all of it, where something does."""
    step = step_of(change.artifacts)
    return f"  [{step.word}]" if step else ""
