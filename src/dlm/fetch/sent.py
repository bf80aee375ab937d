"""The headers of a request that asks for a whole file."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["sent_headers"]


def sent_headers(
    common: Sequence[tuple[str, str]], users: Sequence[tuple[str, str]], *, with_body: bool
) -> tuple[tuple[str, str], ...]:
    """What every request has, unless the user has a header of the same name, and what the user has.

    Args:
        common, users: names with values.
        with_body: whether the request has a body, which a type may be said of.
    """
    if not with_body:
        users = [(name, value) for name, value in users if name.lower() != "content-type"]
    taken = {name.lower() for name, _ in users}
    sent = [(name, value) for name, value in common if name.lower() not in taken]
    return (*sent, ("Accept-Encoding", "identity"), *users)
