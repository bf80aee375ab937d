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
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
