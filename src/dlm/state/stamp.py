"""What the last successful sync left, in a form that costs almost nothing to compare: the no-op sync's short cut.

A stamp lists everything that the answer "in sync" depends on: the manifest, the lockfile, the configuration files, the
variables, and every placed file, each by size, mtime, ctime, inode and mode. While all of it is as noted, a plain ``dlm
sync`` would say again what the last one said, and nothing need be parsed or imported. It is a cache and nothing more:
gone, damaged or from another dlm, a run goes the ordinary way and makes a new one.

This module imports next to nothing, since it stands before everything else.
"""

import binascii
import marshal
import os
import sys

# Named so that type checkers take the branch; importing typing would cost more than a whole no-op.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Noted = tuple[str, int, int, int, int, int]

__all__ = ["TICK_NS", "compare", "forget", "signature", "stamp_path", "write"]

_FORMAT = "dlm-stamp-1"
_SUM = 8
#: How many files stand before the placed ones at most: three of configuration, the manifest, the lockfile.
_DOCUMENTS = 5
#: Two changes closer than this may leave one mtime: a tick of the clocks that file systems take their time from.
TICK_NS = 20_000_000

_PLACES = ("HOME", "USERPROFILE", "LOCALAPPDATA", "APPDATA", "SSL_CERT_FILE")


def stamp_path(state_dir: str, root: str) -> str:
    """The stamp of the project in ``root``. Two projects may share a name; the stamp says whose it is."""
    name = os.fsencode(root)
    return os.path.join(state_dir, "stamps", f"{binascii.crc32(name):08x}{binascii.crc32(name[::-1]):08x}")


def compare(
    path: str, *, version: str, root: str, environment: "Mapping[str, str]", absent: "Iterable[str]"
) -> "str | None":
    """What a no-op prints, if everything is as the stamp says; None where that is not certain.

    Args:
        absent: configuration files; each must be noted, or not exist.
    """
    try:
        with open(path, "rb") as file:
            sum_, data = file.read(_SUM), file.read()
        if sum_ != _sum(data):
            return None  # marshal may not be shown bytes that nobody wrote: it may take them for any size of anything
        form, by, where, variables, noted, text = marshal.loads(data)  # noqa: S302 - the user's own file
        if (form, by, where) != (_FORMAT, _maker(version), root) or variables != _variables(environment):
            return None
        lstat = os.lstat
        for name, size, mtime, ctime, inode, mode in noted:
            seen = lstat(name)
            if (
                seen.st_mtime_ns != mtime
                or seen.st_size != size
                or seen.st_ino != inode
                or seen.st_mode != mode
                or (ctime and seen.st_ctime_ns != ctime)
            ):
                return None
        known = {one[0] for one in noted[:_DOCUMENTS]}
        if any(name not in known and os.path.lexists(name) for name in absent):
            return None
    except (OSError, ValueError, EOFError, TypeError):
        return None  # gone, damaged, or something it lists is gone: the ordinary way finds out
    return str(text)


def write(
    path: str, *, version: str, root: str, environment: "Mapping[str, str]", noted: "Iterable[Noted]", text: str
) -> None:
    """Note that all is in sync. That it cannot be noted is no error: the next run goes the ordinary way.

    Args:
        noted: the signature of each file; the configuration files and the two documents first.
        text: what a no-op prints.
    """
    data = marshal.dumps((_FORMAT, _maker(version), root, _variables(environment), list(noted), text))
    private = f"{path}.{os.getpid()}"
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(private, "wb") as file:
            file.write(_sum(data) + data)
        os.replace(private, path)
    except OSError:
        forget(private)


def forget(path: str) -> None:
    """Take a stamp away: what it says is about to change."""
    try:
        os.unlink(path)
    except OSError:
        pass  # it was not there; or it cannot be removed, and then its folder cannot be written either


def signature(path: str, *, ctime: bool = True) -> "Noted | None":
    """How a file looks now, with its path in front; None where there is none.

    Args:
        ctime: whether its ctime counts; that of a hard link changes with every further link.
    """
    try:
        seen = os.lstat(path)
    except OSError:
        return None
    return path, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns if ctime else 0, seen.st_ino, seen.st_mode


def _variables(environment: "Mapping[str, str]") -> "list[tuple[str, str]]":
    """The variables that a run depends on, but for those that hold secrets, which change no tree."""
    return sorted(
        (name, value)
        for name, value in environment.items()
        if (name.startswith("DLM_") and not name.startswith("DLM_AUTH_") and name != "DLM_PROXY")
        or name in _PLACES
        or name.startswith("XDG_")
    )


def _sum(data: bytes) -> bytes:
    return b"%08x" % binascii.crc32(data)


def _maker(version: str) -> str:
    return f"{version} {sys.hexversion:x}"
