"""The files of the comparisons: random bytes in a folder that nginx serves, and what a client is told of them."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Files", "Served", "check"]

_BLOCK = 16 * 1024 * 1024
_IN_ONE_FOLDER = 1_000


@dataclass(frozen=True, slots=True)
class Served:
    """Files below an address; ``authority`` vouches for the server where that has TLS."""

    base: str
    sha256: Mapping[str, str]
    authority: Path | None = None


class Files:
    """The folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._made: dict[tuple[int, int], dict[str, str]] = {}

    @staticmethod
    def place(count: int, size: int) -> str:
        """Where below the root so many files of that size lie."""
        return f"{count}x{size}/"

    def fill(self, count: int, size: int, *, folders: bool = False) -> Mapping[str, str]:
        """The digests of files, by name; made when first asked for. With ``folders``, 1,000 in each."""
        if (count, size) in self._made:
            return self._made[count, size]
        root = self.folder / self.place(count, size)
        root.mkdir(parents=True)
        made: dict[str, str] = {}
        for number in range(count):
            name = f"{number:06}.bin"
            if folders:
                name = f"{number // _IN_ONE_FOLDER:03}/{name}"
                if number % _IN_ONE_FOLDER == 0:
                    (root / name).parent.mkdir()
            made[name] = _write(root / name, size)
        self._made[count, size] = made
        return made

    def drop(self, count: int, size: int) -> None:
        """Files are needed no longer."""
        del self._made[count, size]
        shutil.rmtree(self.folder / self.place(count, size))


def _write(path: Path, size: int) -> str:
    hashed = hashlib.sha256()
    with path.open("wb") as out:
        for at in range(0, size, _BLOCK):
            block = os.urandom(min(_BLOCK, size - at))
            hashed.update(block)
            out.write(block)
    return hashed.hexdigest()


def check(folder: Path, served: Served) -> None:
    """A contestant got all files, and right.

    Raises:
        SystemExit: it did not.
    """
    for name, sha256 in served.sha256.items():
        try:
            with (folder / name).open("rb") as body:
                found = hashlib.file_digest(body, "sha256").hexdigest()
        except OSError as error:
            raise SystemExit(f"{folder / name}: {error}") from error
        if found != sha256:
            raise SystemExit(f"{folder / name}: is not what was served")
