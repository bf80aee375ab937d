"""Small texts that are dear to get and cheap to lose: ``Notes``, the store's notebook.

One file for each, named by the sha256 of its key: a first line with the time and the sha256 of the text, then the
text. What does not add up is not there. Keys are not written down: they may hold addresses.
"""

from __future__ import annotations

import contextlib
import hashlib
import os

__all__ = ["read_note", "write_note"]

_MARK = b"dlm-note-1"


def read_note(path: str) -> tuple[str, float] | None:
    """The text and the time it was noted, in seconds since the epoch; None where there is none that adds up."""
    try:
        with open(path, "rb") as file:
            head, _, body = file.read().partition(b"\n")
        mark, noted, digest = head.split(b" ")
        if mark != _MARK or digest.decode("ascii") != _sha256(body):
            return None
        return body.decode("utf-8"), float(noted)
    except (OSError, ValueError):
        return None


def write_note(path: str, text: str, noted: float, temporary: str, mode: int | None = None) -> None:
    """Note a text. Raises OSError.

    Args:
        temporary: a folder on the same file system for the file that is renamed to ``path``.
        mode: of the file, whatever the umask says; None leaves it to that.
    """
    body = text.encode("utf-8", "replace")
    draft = os.path.join(temporary, os.urandom(16).hex())
    try:
        with open(draft, "xb") as file:
            file.write(b"%s %.6f %s\n" % (_MARK, noted, _sha256(body).encode()))
            file.write(body)
            if mode is not None and hasattr(os, "fchmod"):
                os.fchmod(file.fileno(), mode)
        os.replace(draft, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(draft)
        raise


def _sha256(body: bytes) -> str:
    return hashlib.sha256(body, usedforsecurity=False).hexdigest()
