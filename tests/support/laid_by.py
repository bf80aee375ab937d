"""A project whose blobs came over a tray that laid a spare of each by, as a sync of many small files has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from dlm.model.artifact import Blob
from dlm.model.digest import Digests
from dlm.place.link import permissions
from dlm.place.survey import missing_folders
from tests.support.projects import Project

__all__ = ["LaidBy", "many"]


def many(folder: str, count: int = 20) -> dict[str, bytes]:
    """So many files in a folder that they are placed as many are."""
    return {f"{folder}/{number}.bin": f"{folder} {number}".encode() for number in range(count)}


class LaidBy(Project):
    """As a project; of what was fetched with :meth:`fetch` the blobs have spares."""

    def __init__(self, base: Path | str) -> None:
        super().__init__(base)
        self.laid_by: dict[bytes, Blob] = {}

    @property
    def temporary(self) -> Path:
        """Where spares lie."""
        return Path(self.store.root) / "tmp"

    @property
    def stages(self) -> list[Path]:
        """The folders of spares."""
        return [path for path in self.temporary.iterdir() if path.is_dir()]

    def fetch(self, files: Mapping[str, bytes], *, executable: Iterable[str] = ()) -> dict[str, Blob]:
        """Store some files that are not in the store yet, each with a spare; the blobs by their destinations."""
        assert self.store.spares(sum(map(len, files.values()))) is not None
        missing = missing_folders(str(self.root), files)
        programs = set(executable)
        tray = self.store.tray()
        assert tray is not None
        pins = [Digests.sha256_of(data) for data in files.values()]
        names = tray.reserve([pin.sha256 or "" for pin in pins])
        tray.announce([pin.sha256 or "" for pin in pins])
        kept = []
        for pin, (dest, data) in zip(pins, files.items(), strict=True):
            look = tray.keep(pin.sha256 or "", data)
            place = dest if dest.rpartition("/")[0] in missing else ""
            kept.append((pin, look, dest, tray.lay_by(data, permissions(executable=dest in programs), place)))
        blobs = tray.note_all(kept)
        tray.release([name for name in names if name is not None])
        tray.close()
        self.store.settle()
        self.laid_by.update(zip(files.values(), blobs, strict=True))
        return dict(zip(files, blobs, strict=True))

    def blob(self, data: bytes) -> Blob:
        """The blob of some bytes, with its spare if it has one."""
        return self.laid_by.get(data) or super().blob(data)
