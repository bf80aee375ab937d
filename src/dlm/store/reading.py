"""Reading a blob's file, in this cache or in a lower one: opened without following links, hashed in one pass."""

from __future__ import annotations

import errno
import os
import stat

from dlm.model.digest import Digest, Digests, new_hash
from dlm.model.frozen import dataclass
from dlm.store.disk import BLOCK, disk_error
from dlm.store.index import Signature

__all__ = ["Contents", "NotAFile", "read_alias", "read_contents"]

_READ = (
    os.O_RDONLY
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_BINARY", 0)
)
_QUIETLY = getattr(os, "O_NOATIME", 0)


@dataclass(frozen=True, slots=True)
class Contents:
    """What a file hashes to, and how it looked then.

    Attributes:
        signature: None where the file changed while it was read.
    """

    digests: Digests
    found: os.stat_result
    signature: Signature | None


@dataclass(frozen=True, slots=True)
class NotAFile:
    """Something else than a file is there; ``found`` says what, where that is known."""

    found: os.stat_result | None = None


def read_contents(path: str, algorithms: tuple[str, ...]) -> Contents | NotAFile | None:
    """Read and hash a file; None where there is none.

    Raises:
        LocalError: it cannot be read. That says nothing about its bytes.
    """
    try:
        descriptor = _open(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            return NotAFile()  # a link, which dlm never makes in a cache
        raise disk_error("read", path, error) from error
    try:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            return NotAFile(before)
        digests = _hash_file(descriptor, algorithms)
        after = os.fstat(descriptor)
    except OSError as error:
        raise disk_error("read", path, error) from error
    finally:
        os.close(descriptor)
    signature = Signature.of(after)
    return Contents(digests, after, signature if Signature.of(before) == signature else None)


def read_alias(path: str) -> str | None:
    """The sha256 that is said to belong to another digest."""
    try:
        with open(path, "rb") as file:
            found = file.read(65)
        return Digest("sha256", found.decode("ascii", "replace").strip()).value
    except (OSError, ValueError):
        return None


def _open(path: str) -> int:
    """Open a file to read it, without leaving an access time where that is allowed."""
    if _QUIETLY:
        try:
            return os.open(path, _READ | _QUIETLY)
        except PermissionError:
            pass  # the file is somebody else's
    return os.open(path, _READ)


def _hash_file(descriptor: int, algorithms: tuple[str, ...]) -> Digests:
    hashes = {name: new_hash(name) for name in algorithms}
    block = bytearray(BLOCK)
    view = memoryview(block)
    with open(descriptor, "rb", buffering=0, closefd=False) as file:
        while count := file.readinto(block):
            for hasher in hashes.values():
                hasher.update(view[:count])
    return Digests.from_mapping({name: hasher.hexdigest() for name, hasher in hashes.items()})
