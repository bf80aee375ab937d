"""Secrets out of texts: the last step before any text of a transfer is shown or kept."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["Scrubber"]

#: A shorter value guards nothing, and taking it out would only garble what is said.
_SHORTEST = 4


class Scrubber:
    """Replaces every secret in a text by ``***``."""

    __slots__ = ("_secrets",)

    def __init__(self, secrets: Iterable[str]) -> None:
        """Args:
        secrets: the values, in every spelling in which they may occur.
        """
        self._secrets = sorted({secret for secret in secrets if len(secret) >= _SHORTEST}, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text
