"""What a run left where it stands, though nothing asks for it any more: why, and what can be done."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dlm.model.plan import Conflict

__all__ = ["left_text"]


def left_text(left: Conflict, verb: str) -> str:
    """One path that stays, and the ways out, where it should not.

    Args:
        verb: the command that left it.
    """
    if left.shared:
        return f"{left.dest}: {left.reason}, so it stays"
    if left.policy:
        way = f"permit it with allow_outside in your config.yaml, and run `dlm {verb}` again"
    elif left.barred:
        way = f"see to that, and run `dlm {verb}` again"
    else:
        way = f"remove it yourself, or run `dlm {verb} --force`"
    return f"{left.dest}: {left.reason}, so it stays; {way}"
