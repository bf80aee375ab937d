"""The short cut of a no-op ``dlm sync``: recognised by hand, answered from the stamp, nothing imported."""

import os

from dlm.cli.places import MANIFESTS, configurations, platform_folder, upwards
from dlm.state.stamp import compare, stamp_path

# Named so that type checkers take the branch; importing typing would cost more than a whole no-op.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["in_sync", "stamp_of"]

_FLAGS = ("--locked", "--frozen", "--offline")
# Each of these changes what is printed, or which project is meant: the ordinary way knows how.
_ELSEWHERE = (
    "CI",
    "DLM_FORMAT",
    "DLM_FROZEN",
    "DLM_INEXACT",
    "DLM_KEEP_GOING",
    "DLM_LOCKED",
    "DLM_MANIFEST",
    "DLM_OFFLINE",
    "DLM_QUIET",
    "DLM_VERBOSE",
)


def in_sync(arguments: "Sequence[str]", environment: "Mapping[str, str]", version: str) -> "str | None":
    """What a plain ``dlm sync`` with nothing to do prints, where the stamp is certain of it; else None."""
    flags = arguments[1:]
    if arguments[0] != "sync" or len(set(flags)) != len(flags) or any(flag not in _FLAGS for flag in flags):
        return None
    if ("--locked" in flags and "--frozen" in flags) or any(environment.get(name) for name in _ELSEWHERE):
        return None
    try:
        folders = upwards(os.getcwd())
    except OSError:
        return None
    for folder in folders:
        found = [name for name in MANIFESTS if os.path.lexists(os.path.join(folder, name))]
        if len(found) > 1:
            return None
        if found:
            return compare(
                stamp_of(folder, environment),
                version=version,
                root=folder,
                environment=environment,
                absent=configurations(environment),
            )
    return None


def stamp_of(root: str, environment: "Mapping[str, str]") -> str:
    """Where the stamp of a project is, by the environment alone: no configuration has been read yet."""
    state = environment.get("DLM_STATE_DIR") or platform_folder("state", environment)
    return stamp_path(os.path.abspath(os.path.expanduser(state)), root)
