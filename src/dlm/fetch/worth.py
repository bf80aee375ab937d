"""Whether a second process is worth what it costs: :func:`is_worth_it`."""

from __future__ import annotations

import os
import sys
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dlm.ports import Orders

__all__ = ["is_worth_it"]

#: Files that have to be missing. A process costs what some fifty of them do; on a slow network, where one would do, a
#: second one does no harm, and by the time that a fast one is known for one, much of what is missing has come.
_ENOUGH = 400
#: Or large files, and bytes of these together.
_LARGE, _VOLUME = 4, 64 * 1024 * 1024


def is_worth_it(orders: Orders, jobs: int) -> bool:
    """Whether a second process shall take part in a round from its beginning.

    Args:
        jobs: exchanges with one host that are allowed at once.
    """
    if jobs < 2 or sys.platform != "linux" or len(os.sched_getaffinity(0)) < 2:
        return False
    if threading.active_count() > 1:
        return False  # a child has this thread alone, and may wait for ever for what another one holds
    large, volume = orders.large
    return orders.left >= _ENOUGH or (large >= _LARGE and volume >= _VOLUME)
