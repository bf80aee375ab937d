"""A project with a store and a state: what a sync does, without manifest and network."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from dlm.model.artifact import Blob
from dlm.model.plan import Found, Owned, Placing, Removal
from dlm.place.leftovers import remove_leftovers
from dlm.place.place import Done, carry_out
from dlm.place.survey import look, missing_folders
from dlm.ports import Reporter
from dlm.state.ownership import ProjectState, project_folder
from tests.support.stores import Heard, StillClock, a_store, put

__all__ = ["Project"]


class Project:
    """A folder with a project, and beside it a cache and a state folder."""

    def __init__(self, base: Path | str, reporter: Reporter | None = None) -> None:
        base = Path(base)
        self.root = base / "project"
        self.root.mkdir(exist_ok=True)
        self.heard = Heard()
        self.reporter: Reporter = reporter or self.heard
        self.clock = StillClock()
        self.store = a_store(base / "cache", self.heard)
        folder = project_folder(str(base / "state"), str(self.root / "downloads.lock"))
        self.state = ProjectState(folder, self.reporter, str(self.root))
        self.allow: tuple[str, ...] = ()

    def blob(self, data: bytes) -> Blob:
        """The blob of some bytes, put into the store if need be."""
        return put(self.store, data)

    def look(self, *dests: str, rehash: bool = False) -> dict[str, Found]:
        """Survey some paths, and all that dlm owns."""
        owned: Mapping[str, Owned] = self.state.owned()
        return look(
            str(self.root),
            [*dict.fromkeys((*dests, *owned))],
            owned,
            written_ns=self.state.written_ns,
            blob_path=self.store.path_of,
            allow_outside=self.allow,
            rehash=rehash,
        )

    def sync(
        self,
        wanted: Mapping[str, bytes],
        *,
        link: str = "auto",
        executable: bool = False,
        force: bool = False,
        remove: Sequence[str] = (),
        forks: bool = False,
    ) -> Done:
        """Make the tree show ``wanted``, and drop ``remove``, in the order of a real run."""
        self.state.reload()
        remove_leftovers(str(self.root), self.state.leftovers, self.allow)
        found = self.look(*wanted, *remove)
        place = [
            Placing(dest=dest, blob=self.blob(data), resource=dest, found=found[dest], link=link, executable=executable)
            for dest, data in wanted.items()
        ]
        removals = [Removal(dest=dest, sha256=found[dest].sha256) for dest in remove]
        token = self.state.begin(place, removals, missing_folders(str(self.root), wanted))
        done = carry_out(
            str(self.root),
            place,
            removals,
            found,
            token=token,
            folders=self.state.folders,
            reporter=self.reporter,
            clock=self.clock,
            allow_outside=self.allow,
            force=force,
            forks=forks,
        )
        self.state.finish(done.placements, done.removed, folders=done.folders, folders_removed=done.folders_removed)
        return done

    def files(self) -> dict[str, bytes]:
        """Every file in the project with its bytes."""
        return {
            os.path.relpath(path, self.root).replace(os.sep, "/"): path.read_bytes()
            for path in self.root.rglob("*")
            if path.is_file()
        }
