"""How many transfers at once the system's limit of open files allows: ``within_limit``."""

from __future__ import annotations

import os

from dlm.model.frozen import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dlm.model.settings import Settings

__all__ = ["within_limit"]

#: A transfer has a socket, a file, what is noted of that file, and perhaps the tree's copy of it.
_EACH = 4
#: What a process has open beside them, modules that are loaded in between, and folders of the tree where there is room.
_BASE, _FOLDERS = 32, 64
#: The highest limit that is asked for.
_MOST = 4096


def within_limit(settings: Settings) -> Settings:
    """As ``settings``, with fewer jobs where these would have more files open than this process may.

    Its limit is raised before, as far as the system allows and the jobs need.
    """
    try:
        limit = os.sysconf("SC_OPEN_MAX")
    except (AttributeError, ValueError, OSError):  # no such limit on this system
        return settings
    needed = min(_BASE + _FOLDERS + _EACH * settings.jobs, _MOST)
    if not 0 < limit < needed:
        return settings
    jobs = max(1, (_raised(limit, needed) - _BASE) // _EACH)
    return settings if jobs >= settings.jobs else replace(settings, jobs=jobs)


def _raised(limit: int, needed: int) -> int:
    """The limit as it is after an attempt to raise it."""
    import resource  # only where the limit is low

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (ValueError, OSError):
        return limit
    return wanted
