"""HTTP Basic: a user and a password as a header's value (RFC 7617)."""

from __future__ import annotations

import base64

__all__ = ["basic"]


def basic(user: str, password: str) -> str:
    """An Authorization value by RFC 7617, in UTF-8.

    Raises:
        ValueError: the user cannot be sent; the message says what about it.
    """
    if ":" in user:
        raise ValueError("holds a colon, which HTTP cannot send")
    # What is not UTF-8, in a variable of the environment or an escape, is sent as it is.
    return "Basic " + base64.b64encode(f"{user}:{password}".encode(errors="surrogateescape")).decode("ascii")
