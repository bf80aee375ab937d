"""Paths in a project: relative, POSIX, inside the project, and such that every platform can hold them.

Rules: a component is at most 255 bytes; Windows' reserved names, characters and trailing dots are refused
everywhere, since a lockfile made here is used there.
"""

from __future__ import annotations

import re

__all__ = ["check_filename", "check_path", "collision_key"]

_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(?:\..*)?\Z", re.IGNORECASE)
_FORBIDDEN = frozenset('<>:"|?*')


def check_filename(name: str) -> str:
    """``name``, if every platform can hold a file of that name.

    Raises:
        ValueError: it cannot be a file's name; the message says why.
    """
    if not name or name in {".", ".."}:
        raise ValueError("no file name")
    if "/" in name or "\\" in name:
        raise ValueError(f"the name {name!r} holds a slash")
    if not (name.isascii() and name.isprintable()):
        _refuse_control_characters(name)
    odd = sorted(_FORBIDDEN & set(name))
    if odd:
        raise ValueError(f"the name {name!r} holds {odd[0]!r}, which Windows does not allow")
    if name[-1] in {".", " "} or name[0] == " ":
        raise ValueError(f"the name {name!r} begins or ends in a blank or ends in a dot, which Windows does not allow")
    if _RESERVED.match(name):
        raise ValueError(f"{name!r} is a reserved name on Windows")
    if len(name.encode()) > 255:
        raise ValueError(f"the name {name[:40]!r}… has {len(name.encode())} bytes; file systems hold 255")
    return name


def _refuse_control_characters(name: str) -> None:
    import unicodedata

    for character in name:
        if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"}:
            raise ValueError(f"the name {name!r} holds the control character {character!r}")


def check_path(text: str) -> str:
    """A project-relative POSIX path in canonical form; a folder keeps its final slash, the project itself is ``""``.

    Raises:
        ValueError: it is absolute, leads out of the project, or cannot exist on every platform.
    """
    if "\\" in text:
        raise ValueError(f"{text!r} holds a backslash; write folders with /")
    if text.startswith("/"):
        raise ValueError(f"{text!r} is absolute; a destination is relative to the manifest's folder")
    if re.match(r"[A-Za-z]:", text):
        raise ValueError(f"{text!r} names a drive; a destination is relative to the manifest's folder")
    folder = text.rsplit("/", 1)[-1] in {"", "."}
    parts: list[str] = []
    for part in text.split("/"):
        if part in {"", "."}:
            continue
        if part == "..":
            raise ValueError(f"{text!r} leads out of the project")
        parts.append(check_filename(part))
    if not parts:
        return ""
    # A shell would have put a home there; a file may well be called ~x.
    if parts[0].startswith("~") and (len(parts) > 1 or folder or parts[0] == "~"):
        raise ValueError(f"{text!r} begins with ~; a destination is relative to the manifest's folder")
    joined = "/".join(parts)
    if len(joined.encode()) > 1024:
        raise ValueError(f"the path has {len(joined.encode())} bytes; at most 1024 are portable")
    return joined + "/" if folder else joined


def collision_key(path: str) -> str:
    """What two paths share when some platform cannot keep them apart (letter case, Unicode composition)."""
    import unicodedata

    return unicodedata.normalize("NFC", path).casefold()
