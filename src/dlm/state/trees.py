"""What came out of archives, by tree digest: ``TreeNotes``.

The digest of an unpacked folder says that something in it was edited; these notes say what. They are of no other use:
where one is missing or damaged, an edited folder is still seen to be edited.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from dlm.state.replace import remove_file, replace_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dlm.model.listing import Listing

__all__ = ["TreeNotes"]


class TreeNotes:
    """The notes of one project. Whoever writes holds the project's lock.

    Args:
        folder: the project's state folder; the notes are in ``trees`` below it, each named by its digest.
    """

    def __init__(self, folder: str) -> None:
        self._folder = os.path.join(folder, "trees")

    def read(self, tree: str) -> Listing | None:
        """What a tree digest stands for, if that was noted and the note is whole."""
        from dlm.model.listing import Listing

        try:
            with open(os.path.join(self._folder, tree), "rb") as file:
                listing = Listing.read(file.read())
        except (OSError, ValueError):
            return None
        return listing if listing.tree == tree else None

    def write(self, listing: Listing) -> None:
        """Note a listing. Raises LocalError."""
        if self.read(listing.tree) is None:
            replace_file(os.path.join(self._folder, listing.tree), [listing.text()])

    def keep(self, trees: Iterable[str]) -> None:
        """Forget all but these. Raises LocalError."""
        try:
            names = os.listdir(self._folder)
        except OSError:
            return  # nothing was ever noted
        for name in set(names) - set(trees):
            remove_file(os.path.join(self._folder, name))
