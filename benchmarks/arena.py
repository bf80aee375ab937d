"""Where everything runs: folders that are always fresh, a server, and what there is to run."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.files import Files, Served
from benchmarks.origin_nginx import Nginx
from benchmarks.relayed import Relay
from benchmarks.subject import Documents, Subject, locked
from benchmarks.workloads import Way

__all__ = ["Arena", "memory_folder", "touch_memory"]

_BLOCK = 8 * 1024 * 1024


@dataclass(slots=True)
class Arena:
    """``folder`` is fresh and this run's own; ``in_memory`` says of what kind it is."""

    folder: Path
    in_memory: bool
    origin: Nginx
    far: Relay
    files: Files
    subjects: tuple[Subject, ...]
    path: str
    """``PATH`` of the peers."""
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _documents: dict[tuple[int, int], Documents] = field(default_factory=dict)

    @contextmanager
    def fresh(self) -> Iterator[Path]:
        """A folder that does not exist yet.

        It goes afterwards if it is in memory. On a disk it stays until the end of all: ext4 passes over what was freed
        a short time ago, and files made soon after many were removed cost several times as much.
        """
        folder = self.folder / "runs" / f"{next(self._numbers):05}"
        try:
            yield folder
        finally:
            if self.in_memory:
                shutil.rmtree(folder, ignore_errors=True)

    def notes(self) -> Path:
        """A folder for what commands print and cost."""
        return self.folder / "notes"

    def base(self, way: Way, count: int, size: int) -> str:
        """The address of files."""
        scheme, port = {
            Way.PLAIN: ("http", self.origin.plain),
            Way.LIMITED: ("http", self.origin.limited),
            Way.SECURE: ("https", self.origin.secure),
            Way.FAR: ("https", self.far.port),
        }[way]
        return self.at(port, count, size, scheme=scheme)

    def at(self, port: int, count: int, size: int, *, scheme: str = "http") -> str:
        """The address of files at a port of the loopback."""
        return f"{scheme}://127.0.0.1:{port}/{self.files.place(count, size)}"

    def served(self, way: Way, count: int, size: int, *, folders: bool = False) -> Served:
        """Files, made if there are none yet."""
        sha256 = self.files.fill(count, size, folders=folders)
        authority = self.origin.authority if way in {Way.SECURE, Way.FAR} else None
        return Served(self.base(way, count, size), sha256, authority)

    def documents(self, served: Served, count: int, size: int) -> Documents:
        """Manifest and lockfile for files, locked once, at the unhindered port: only the address differs."""
        plain = self.base(Way.PLAIN, count, size)
        if (count, size) not in self._documents:
            with self.fresh() as folder:
                self._documents[count, size] = locked(self.subjects[0], folder, Served(plain, served.sha256))
        return self._documents[count, size].moved(plain, served.base, served.authority)

    def environment(self, folder: Path) -> dict[str, str]:
        """Of a peer: nothing of the user's own."""
        return {"PATH": self.path, "LANG": "C.UTF-8", "HOME": str(folder), "TMPDIR": str(folder)}


def touch_memory(folder: Path) -> None:
    """Have most of the memory that is free handed out once, by a file that goes again.

    A virtual machine gets a page of memory from its host when it first uses it, which takes several times as long as
    using it again. Whoever writes most would pay for that, round after round, until all pages have had their turn; and
    some minutes later again, where the host takes back what lies idle.
    """
    left = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES") // 4 * 3
    block = b"\xff" * _BLOCK
    path = folder / "touched"
    try:
        with path.open("wb", buffering=0) as out:
            while left > 0:
                left -= out.write(block)
    finally:
        path.unlink()


def memory_folder() -> str | None:
    """A folder in memory, where there is one."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
