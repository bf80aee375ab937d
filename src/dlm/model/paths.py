"""Paths in a project: relative, POSIX, inside the project, and such that every platform can hold them.

Rules: a component is at most 255 bytes; Windows' reserved names, characters and trailing dots are refused
everywhere, since a lockfile made here is used there. So is what git takes for its own folder: a file there can be a
program that git runs.
"""

from __future__ import annotations

import re
from functools import lru_cache

from dlm.model.late import late

__all__ = ["check_filename", "check_path", "collision_key", "names_file", "names_git"]

_RESERVED = late(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(?:\..*)?\Z", re.IGNORECASE)
# A name that every rule below lets pass; most are such.
_PLAIN = re.compile(
    r"(?!(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|\Z))[a-z0-9_+=-][a-z0-9_.+=-]{0,253}(?<!\.)\Z",
    re.IGNORECASE | re.ASCII,
)
_FORBIDDEN = frozenset('<>:"|?*')
# Git's folder, and what Windows calls it for short.
_GIT = frozenset({".git", "git~1"})
# What HFS+ passes over when it compares names, as git's is_hfs_dotgit has it.
_UNSEEN = dict.fromkeys([*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF])


def check_filename(name: str) -> str:
    """``name``, if every platform can hold a file of that name.

    Raises:
        ValueError: it cannot be a file's name; the message says why.
    """
    if _PLAIN.match(name) is not None:
        return name
    return _check_any_filename(name)


def _check_any_filename(name: str) -> str:
    """Any name, by all of the rules."""
    if not name or name in {".", ".."}:
        raise ValueError("no file name")
    if "/" in name or "\\" in name:
        raise ValueError(f"the name {name!r} holds a slash")
    if names_git(name):
        raise ValueError(f"{name!r} is git's own folder, in which no download has a place")
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


def names_git(name: str) -> bool:
    """Whether git, on some platform, takes a component of a path for its own folder ``.git``.

    Letter case does not count anywhere; NTFS passes over dots and blanks at the end and has streams behind a colon;
    HFS+ passes over code points that nobody sees.
    """
    if not name.isascii():
        name = name.translate(_UNSEEN)
    return name.partition(":")[0].rstrip(". ").lower() in _GIT


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


def names_file(text: str) -> bool:
    """Whether ``text`` is a file's path in canonical form: what :func:`check_path` gives back as it is.

    Raises:
        ValueError: as :func:`check_path` does.
    """
    above, slash, name = text.rpartition("/")
    if len(text) <= 256 and _PLAIN.match(name) is not None and (not slash or _is_folder(above + slash)):
        return True  # of any characters at most 1024 bytes
    return bool(text) and not text.endswith("/") and check_path(text) == text


@lru_cache(maxsize=256)
def _is_folder(text: str) -> bool:
    try:
        return check_path(text) == text
    except ValueError:
        return False  # and whoever asks finds out why


def collision_key(path: str) -> str:
    """What two paths share when some platform cannot keep them apart (letter case, Unicode composition)."""
    if path.isascii():
        return path.lower()
    import unicodedata

    return unicodedata.normalize("NFC", path).casefold()
