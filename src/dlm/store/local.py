"""The content-addressed store in a folder of this machine: ``LocalStore``.

::

    <cache folder>/
      CACHEDIR.TAG                    backup programs pass the folder by (https://bford.info/cachedir/)
      VERSION                         of this layout; dlm refuses a newer one
      .gitignore                      ``*``, for a cache inside a project
      cas/<2 hex>/<sha256>            the blobs, mode 0444; a name is only ever given to bytes that hash to it
      alias/<algorithm>/<2 hex>/<hex> the sha256 of the blob that has another digest; believed once that is computed
      origins/<2 hex>/<sha256 of key> what an origin answered for an address; see ``dlm.store.origins``
      partial/<sha256 of key>         bytes of a transfer that was cut
      partial/<sha256 of key>.json    what vouches for them: validators, total, length and sha256
      tmp/<random>                    private to one writer, also folders of spares and of small blobs that are made;
                                      after a kill, swept by the next process that is alone
      using/<random>                  what one running process uses; see ``dlm.store.using``
      quarantine/<sha256>.<sha256>    what was found under a name, and what it really hashes to
      notes/<sha256 of key>           the notebook
      layers/<hash>.sqlite            what is known of the blobs of a lower cache; see ``dlm.store.layers``
      locks/claims                    one byte for each key; see ``dlm.store.guard``
      index.sqlite                    how a blob looked when it was last known good; see ``dlm.store.index``
      index.recent                    the same of those that came lately; see ``dlm.store.recent``
      sizes                           how large each folder is; see ``dlm.store.sizes``

Blobs are the only thing that matters: all the rest may be damaged or deleted at any time and is made again. Nothing is
created before the first write. Reading needs no lock, and what it would write need not be written, so that a cache on a
read-only file system serves. ``docs/store.md`` says what is on the disk when.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import sys
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import partial

from dlm.errors import LocalError
from dlm.model.artifact import Blob, kept_headers
from dlm.model.digest import Digests
from dlm.model.events import Note, Warned
from dlm.model.frozen import replace
from dlm.model.late import late
from dlm.store.disk import disk_error
from dlm.store.flush import flushes_at_once
from dlm.store.guard import Claims
from dlm.store.hashing import Hashing
from dlm.store.index import BlobRow, Index, Signature
from dlm.store.layout import LAYOUT, Layout, key_name
from dlm.store.settling import Settling
from dlm.store.spare import Spares, remove_private
from dlm.store.tray import LocalTray, can_carry
from dlm.store.using import Uses, in_use

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import ClassVar

    from dlm.model.artifact import Spare
    from dlm.model.digest import Digest
    from dlm.model.transfer import Arrived, Known
    from dlm.ports import Claim, Clock, Reporter, Tray, Writer
    from dlm.store.index import Look
    from dlm.store.layers import Layer
    from dlm.store.prune import Pruned, StoredBlob
    from dlm.store.spare import SpareFile

__all__ = ["LocalStore"]

_TAG = (
    "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# This folder is a cache of dlm: everything in it can be fetched again.\n"
    "# What this file means: https://bford.info/cachedir/\n"
)
#: A name that shows as it is, as most do.
_PLAIN = re.compile(r"[\w.+-]{1,255}\Z", re.ASCII)
_TEMPORARY = late(r"[0-9a-f]{32}\Z")
#: A transfer that was cut so long ago is not taken up again by anybody.
_STALE_PARTIAL = 14 * 86_400.0
#: So many blobs may wait for their flush; then it comes at once, to bound what is kept in memory.
_MOST_UNSETTLED = 4096


class LocalStore:
    """A store for any number of threads and processes of one machine; also the notebook of listings.

    Args:
        root: the cache folder, absolute.
        layers: folders of lower caches, consulted first and in this order, never written.
        shared: whether every user of the folder's group may write.
        own_process: whether this process is dlm's alone, which may fork it then.

    Every method raises LocalError where the disk refuses, naming the path and the operation.
    """

    scatters: ClassVar[bool] = True

    def __init__(
        self,
        root: str,
        clock: Clock,
        reporter: Reporter,
        *,
        layers: Sequence[str] = (),
        shared: bool = False,
        own_process: bool = False,
    ) -> None:
        self._layout = Layout(os.path.abspath(root))
        self._clock = clock
        self._reporter = reporter
        self._shared = shared
        # What is made in a shared cache is the group's, which no process alone could append to.
        recent = None if shared else self._layout.at("index.recent")
        self._index = Index(self._layout.at("index.sqlite"), clock, recent)
        # Nothing that belongs to the store holds on to it, so that it is finished with as soon as it is let go of.
        self._claims = Claims(self._layout.at("locks", "claims"), partial(_warn_unlocked, reporter, self.root))
        self._uses = Uses(self._layout.at("using"), self._claims)
        notes = self._layout.at("layers")
        lower = dict.fromkeys(os.path.abspath(layer) for layer in layers)
        self._layers: list[Layer] = []
        if lower:
            from dlm.store.layers import Layer

            self._layers += [Layer(one, notes, clock, partial(_warn, reporter)) for one in lower if one != self.root]
        self._settling = Settling(self._index, [layer.index for layer in self._layers])
        self._lock = threading.Lock()
        self._read_version = False
        self._made = False
        self._spares = Spares()
        self._hashing = Hashing() if own_process else None
        self._beside = True
        self._told: Callable[[str, Signature], None] | None = None
        # A run that ends without close() still writes what its index holds back.
        self._finalizer = weakref.finalize(self, _finish, self._settling, self._uses, self._spares, self._hashing)

    @property
    def root(self) -> str:
        """The cache folder, absolute."""
        return self._layout.root

    def path_of(self, sha256: str) -> str:
        """Where the blob of that sha256 is, or would be."""
        path = self._layout.blob(sha256)
        if self._layers and not os.path.lexists(path):
            for layer in self._layers:
                if os.path.lexists(layer.path_of(sha256)):
                    return layer.path_of(sha256)
        return path

    def prepare(self, *, rows: bool) -> None:
        """See that the folders are there, before there is anything to write into them.

        Args:
            rows: open the index, too, or make it: that of many small blobs at once is a file that needs no opening.
        """
        self._make()
        if rows:
            self._index.prepare()

    def settle(self) -> None:
        """Wait until every blob of this process is on the disk, and note that they are good.

        Whoever writes down that blobs are there, in a lockfile or in a journal, calls this first.

        Raises:
            LocalError: the disk did not take one; that blob is gone again, and has to be fetched anew.
        """
        self._settling.settle()

    def close(self) -> None:
        """Settle, and let go of what is open. The store stays usable.

        Raises:
            LocalError: as :meth:`settle` does.
        """
        try:
            self.settle()
        finally:
            self._settling.close()
            self._uses.close()
            self._spares.remove()
            if self._hashing is not None:
                self._hashing.close()

    # Blobs

    def get(self, digests: Digests) -> Blob | None:
        """The blob that has all of ``digests``, or None.

        It is read and hashed again if its file is not as it was when that was last done, and where a digest is asked
        for that was not computed yet. A blob whose bytes are not what its name says goes to quarantine, with a
        warning; in a lower cache it is passed over. One whose sha256 is right and that differs in another digest is a
        good blob, but not the one asked for.

        Raises:
            LocalError: its file cannot be read. That says nothing about its bytes, so it stays.
        """
        self._check_version()
        for layer in self._layers:
            row = layer.find(digests)
            if row is not None:
                path = layer.path_of(row.sha256)
                return Blob.at(path, digests=row.digests, size=row.signature.size, lower=True)
        sha256 = digests.sha256 or self._alias(digests)
        if sha256 is None:
            return None
        self._say_used(sha256)
        row = self._checked(sha256, digests.algorithms)
        if row is None or row.digests.contradiction(digests) is not None:
            return None
        self._index.use(row)
        return self._blob(row.digests, row.signature.size)

    def get_many(self, wanted: Mapping[str, Digests]) -> dict[str, Blob]:
        """Those of many blobs that are here, by their sha256; as :meth:`get` each.

        Raises:
            LocalError: a file cannot be read.
        """
        if not self._layers:
            # What is not there costs one look at most; what is there is said and recalled together.
            folders = _names_in(self._layout.at("cas"))
            there = {
                sha256: one
                for sha256, one in wanted.items()
                if (folders is None or sha256[:2] in folders) and os.path.lexists(self._layout.blob(sha256))
            }
            self._say([sha256 for sha256 in there if not self._uses.said(sha256)])
            self._index.recall(there)
            wanted = there
        found = {sha256: self.get(digests) for sha256, digests in wanted.items()}
        return {sha256: blob for sha256, blob in found.items() if blob is not None}

    def claim(self, key: str) -> Claim | None:
        """The right to fetch what ``key`` names, against all threads and processes; None while another has it.

        Where the file system has no locks, that is said once and the claim excludes nobody.
        """
        self._make()
        try:
            return self._claims.claim(key)
        except OSError as error:
            raise disk_error("lock", self._layout.at("locks", "claims"), error) from error

    def spares(self, room: int = 0) -> str | None:
        """The folder in which writers and trays make spares; None where they make none.

        Args:
            room: bytes that small ones will take together; None also where there is not several times as much.
        """
        if self._shared or sys.platform != "linux":
            return None  # what is made in a shared cache is the group's
        if not self._can_make():
            return None
        folder = self._layout.at("tmp")
        if room:
            from dlm.store.space import free_space

            try:
                # The blobs come first: spares take only room that is left by them.
                if free_space(folder) <= 3 * room:
                    return None
            except OSError:
                return None
            self._spares.begin(folder)
        return folder

    def writer(self, key: str, expected: Digests, size: int | None, spare: int | None = None) -> Writer:
        """A writer for what ``key`` names, with what an earlier run left of it.

        The caller holds the claim on ``key``. The writer's ``offset`` may be all of the body already.

        Args:
            spare: permissions of a second file that is made of a large body as it comes, where :meth:`spares` names
                a folder; the blob tells its path, and whoever gets it may move that file away. It goes with the store.
        """
        from dlm.store.writer import FileWriter, Rooms

        self._make()
        name = key_name(key)
        # Without locks another process may write the same partial file at this moment: keep to private names.
        resumable = None if self._claims.unsupported else self._layout.at("partial", name)
        rooms = Rooms(
            temporary=self._layout.at("tmp"),
            partial=resumable,
            publish=self._publish,
            mode=0o660 if self._shared else 0o600,
            spare=None if spare is None or self._shared else partial(self._new_spare, spare),
            hashing=None if self._hashing is None else self._hashing.process,
            beside=self._beside,
        )
        if self._hashing is not None:
            self._hashing.expect(size or 0)
            if self._beside:
                # Now, and not when there is something to hash: by then a progress bar has a thread.
                self._hashing.process()
        writer = FileWriter(name, expected, rooms)
        if size is not None:
            writer.prepare(size)
        return writer

    def hash_beside(self, *, allowed: bool) -> None:
        """Whether writers from now on may have a thread or a process hash what they take."""
        self._beside = allowed

    def _new_spare(self, mode: int, size: int) -> SpareFile:
        from dlm.store.spare import SpareFile

        path = self._layout.at("tmp", os.urandom(16).hex())
        self._spares.add(path)
        return SpareFile(path, mode, size)

    def tray(self, told: Callable[[str, Signature], None] | None = None) -> Tray | None:
        """A short way for small bodies; None where private names are all that keeps processes apart, or where lower
        caches may hold what is asked for.

        Args:
            told: gets the sha256 and the signature of each blob, for :meth:`adopt` in another process; nothing is noted
                in this one.
        """
        self._told = told
        if self._layers or not self._can_make() or self._claims.unsupported or not can_carry():
            return None

        def tell(_path: str, digests: Digests, signature: Signature, _name: str) -> None:
            if told is not None:
                told(digests.sha256 or "", signature)

        def tell_all(blobs: Sequence[tuple[Digests, Look, str, Spare | None]]) -> list[Blob]:
            return []  # whoever hands these in tells of them

        note, note_all = (self._note_new, self._note_all) if told is None else (tell, tell_all)
        return LocalTray(
            self._layout,
            self._claims,
            self._uses,
            note=note,
            note_all=note_all,
            make=self._folder,
            spares=self._spares.prefix,
            group=self._shared,
        )

    def adopt(self, blobs: Sequence[tuple[Digests, tuple[int, int, int, int], str, Spare | None]]) -> list[Blob]:
        """Take note of what a child has stored: of each its digests, what it was told of it, a name, a spare.

        The child does not :meth:`leave` before.

        Raises:
            LocalError: the disk does not take the word that they are used.
        """
        try:
            self._uses.say(*(digests.sha256 or "" for digests, *_ in blobs))
        except OSError as error:
            raise disk_error("write to", self._layout.at("using"), error) from error
        # Where the child may have made folders.
        self._settling.add_folder(self._layout.at("cas"))
        large = any(spare is not None and spare.look is None for *_, spare in blobs)
        if not (large or any(flushes_at_once(look[0]) for _, look, _, _ in blobs)):
            return self._note_all(blobs)
        found: list[Blob] = []
        for digests, look, name, spare in blobs:
            blob = self._blob(digests, look[0], spare)
            if spare is not None:
                self._spares.add(spare.path)
            self._note_new(blob.path, blob.digests, Signature(*look), name)
            found.append(blob)
        return found

    def leave(self) -> None:
        """Use nothing any more, and write nothing: the end of a child that was forked with this store."""
        self._uses.close()

    def known(self, key: str) -> Known | None:
        """What was recorded for ``key``, as long as the blob it speaks of is there. The blob itself is not checked."""
        from dlm.store.origins import read_origin

        self._check_version()
        origin = read_origin(self._layout.origin(key))
        if origin is None or origin[0].digests.sha256 is None:
            return next((known for layer in self._layers if (known := layer.known(key)) is not None), None)
        known = origin[0]
        path = self.path_of(known.digests.sha256 or "")
        try:
            found = os.lstat(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise disk_error("read", path, error) from error
        return known if stat.S_ISREG(found.st_mode) and found.st_size == known.size else None

    def record(self, key: str, known: Known, name: str) -> None:
        """Remember an origin's answer; of its headers the kept ones, of its final address only one without a secret."""
        from dlm.store.origins import write_origin

        self._make()
        final_url = known.final_url
        if final_url is not None and ("?" in final_url or "@" in final_url or "#" in final_url):
            final_url = None
        kept = replace(known, headers=kept_headers(known.headers), final_url=final_url)
        path = self._layout.origin(key)
        shown = _shown(name)
        try:
            self._folder(os.path.dirname(path))
            write_origin(path, kept, shown, self._clock.time(), self._layout.at("tmp"), mode=self._mode)
        except OSError as error:
            raise disk_error("write to", path, error) from error
        if kept.digests.sha256 is not None:
            self._index.name(kept.digests.sha256, shown)

    def arrived(self, outcome: Arrived) -> Arrived:
        """Remember the name by which people know the blob."""
        if not outcome.blob.lower:
            self._index.name(outcome.blob.sha256, _shown(outcome.order.artifact.filename))
        return outcome

    # The notebook

    def read(self, key: str) -> tuple[str, float] | None:
        """The text noted under ``key`` and when, in seconds since the epoch; None where there is none."""
        from dlm.store.notes import read_note

        self._check_version()
        found = read_note(self._layout.note(key))
        if found is None:
            found = next((note for layer in self._layers if (note := layer.read(key)) is not None), None)
        return found

    def write(self, key: str, text: str) -> None:
        """Note a text; where that fails, it is only mentioned."""
        from dlm.store.notes import write_note

        try:
            self._make()
            write_note(self._layout.note(key), text, self._clock.time(), self._layout.at("tmp"), self._mode)
        except OSError as error:
            self._reporter.emit(Note(f"cannot note a listing in {self._layout.at('notes')}: {error.strerror}"))
        except LocalError as error:
            self._reporter.emit(Note(error.message))

    # The whole cache

    def blobs(self) -> Iterator[StoredBlob]:
        """Every blob of this cache, by sha256, with what is known of it. Lower caches are not listed."""
        from dlm.store.prune import StoredBlob

        self._check_version()
        rows = self._index.rows()
        names: dict[str, str] | None = None
        for sha256 in self._layout.names():
            try:
                found = os.lstat(self._layout.blob(sha256))
            except FileNotFoundError:
                continue
            row = rows.get(sha256)
            name = row.name if row else ""
            if not name:
                # The index is young or was lost: what origins answered says some names, too.
                names = self._names_of_origins() if names is None else names
                name = names.get(sha256, "")
            # A blob that the index does not know was used when it was written, at least.
            used = max(row.used if row else 0.0, found.st_mtime)
            yield StoredBlob(sha256=sha256, name=name, size=found.st_size, used=used)

    def size(self) -> int:
        """How many bytes the files of the cache have together, partial transfers included."""
        from dlm.store.sizes import total_size

        return total_size(self._layout)

    def verify_all(self, only: Iterable[str] | None = None) -> Iterator[tuple[str, bool]]:
        """Hash every blob anew; each sha256 with whether its bytes are right. Those that are not go to quarantine.

        Args:
            only: these blobs alone, where they are there, in this cache or in a lower one.
        """
        self._check_version()
        everything = [] if only is not None else [name for layer in self._layers for name in layer.names()]
        for sha256 in dict.fromkeys((*self._layout.names(), *everything)) if only is None else only:
            good = [
                layer.checked(sha256, (), anew=True) is not None
                for layer in self._layers
                if os.path.lexists(layer.path_of(sha256))
            ]
            if os.path.lexists(self._layout.blob(sha256)):
                row = self._index.blob(sha256)
                good.append(self._rehash(sha256, row.digests.algorithms if row is not None else ()) is not None)
            if good:
                yield sha256, all(good)

    def clean(self) -> tuple[int, int]:
        """Remove everything that dlm made in the cache folder, and nothing else.

        Returns:
            how many blobs there were, and how many bytes all files had.
        """
        self._settling.forget()
        self._uses.close()
        blobs = total = 0
        cas = self._layout.at("cas") + os.sep
        for path, size in self._layout.own_files():
            try:
                os.unlink(path)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise disk_error("remove", path, error) from error
            total += size
            blobs += path.startswith(cas)
        for folder in self._layout.own_folders():
            # Not empty: somebody else's file is in it, or another process writes at this moment.
            with contextlib.suppress(OSError):
                os.rmdir(folder)
        self._made = False
        return blobs, total

    def prune(
        self,
        locked: AbstractSet[str],
        *,
        max_size: int | None = None,
        max_age: float | None = None,
        dry_run: bool = False,
    ) -> Pruned:
        """Remove the blobs that were not used for longest, and what is left over from work that was cut.

        Args:
            locked: the sha256 of blobs that stay, since lockfiles name them.
            max_size: bytes that blobs may have together.
            max_age: seconds since its last use after which a blob goes. With neither limit, every blob goes that
                nobody keeps.
            dry_run: remove nothing.

        Raises:
            LocalError: the disk refuses, or it cannot be known what running processes use.
        """
        from dlm.store.prune import Pruned, victims

        if not os.path.isdir(self._layout.at("cas")):
            return Pruned(removed=(), freed=0, locked=0, used=0, left=0)
        self.close()
        self._make()
        now = self._clock.time()
        try:
            with self._claims.gate(alone=True) as held:
                if not held:
                    raise LocalError(
                        f"the file system of the cache {self.root} has no locks, so nobody can tell what is in use",
                        hint="when nothing else runs, `dlm cache clean` empties the cache",
                    )
                used = frozenset(in_use(self._layout.at("using"), sweep=not dry_run))
                blobs = list(self.blobs())
                going, kept = victims(blobs, locked | used, now=now, max_size=max_size, max_age=max_age)
                freed = sum(blob.size for blob in going)
                if not dry_run:
                    for blob in going:
                        self._unlink(self._layout.blob(blob.sha256))
                        self._index.forget(blob.sha256)
        except OSError as error:
            raise disk_error("prune", self.root, error) from error
        freed += self._prune_rest(now, max_age, dry_run=dry_run)
        return Pruned(
            removed=tuple(going),
            freed=freed,
            locked=sum(blob.sha256 in locked for blob in kept),
            used=sum(blob.sha256 in used and blob.sha256 not in locked for blob in kept),
            left=sum(blob.size for blob in blobs) - sum(blob.size for blob in going),
        )

    def _prune_rest(self, now: float, max_age: float | None, *, dry_run: bool) -> int:
        """Damaged blobs, transfers that nobody takes up any more, and what speaks of blobs that are gone."""
        from dlm.store.origins import read_origin

        freed = 0
        partial_age = _STALE_PARTIAL if max_age is None else min(max_age, _STALE_PARTIAL)
        for path, size in self._layout.files_in(self._layout.at("quarantine")):
            freed += size
            if not dry_run:
                self._unlink(path)
        for path, size in self._layout.files_in(self._layout.at("partial")):
            name = os.path.basename(path).removesuffix(".json")
            with contextlib.suppress(FileNotFoundError):
                if now - os.lstat(path).st_mtime <= partial_age:
                    continue
            claim = self._claims.claim_name(bytes.fromhex(name))
            if claim is None:
                continue  # somebody is at work on it
            with claim:
                freed += size
                if not dry_run:
                    self._unlink(path)
        for path in self._layout.origins():
            origin = read_origin(path)
            if not dry_run and (origin is None or not os.path.lexists(self.path_of(origin[0].digests.sha256 or ""))):
                self._unlink(path)
        return freed

    def _unlink(self, path: str) -> None:
        try:
            os.unlink(path)
        except FileNotFoundError:
            return
        except OSError as error:
            raise disk_error("remove", path, error) from error

    def _names_of_origins(self) -> dict[str, str]:
        from dlm.store.origins import read_origin

        found = (read_origin(path) for path in self._layout.origins())
        return {known.digests.sha256 or "": name for known, name in filter(None, found)}

    # Checking

    def _say_used(self, sha256: str) -> None:
        """Nobody shall prune a blob between its being asked for and its use."""
        if not self._uses.said(sha256) and os.path.lexists(self._layout.blob(sha256)):
            self._say([sha256])

    def _say(self, unsaid: Sequence[str]) -> None:
        if not unsaid:
            return
        try:
            self._make()
            self._uses.say(*unsaid)
        except (OSError, LocalError):
            return  # a cache that cannot be written is read all the same

    def _checked(self, sha256: str, wanted: tuple[str, ...]) -> BlobRow | None:
        """The row of a blob that is there and good, with at least the ``wanted`` digests computed."""
        path = self._layout.blob(sha256)
        try:
            found = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise disk_error("read", path, error) from error
        signature = Signature.of(found)
        for recall in (self._index.blob, self._index.fresh):
            row = recall(sha256)
            if row is not None and row.signature == signature and all(map(row.digests.get, wanted)):
                return row
        return self._rehash(sha256, wanted)

    def _rehash(self, sha256: str, wanted: tuple[str, ...]) -> BlobRow | None:
        from dlm.store.reading import Contents, read_contents

        path = self._layout.blob(sha256)
        known = self._index.blob(sha256)
        algorithms = dict.fromkeys(("sha256", *wanted, *(known.digests.algorithms if known else ())))
        contents = read_contents(path, tuple(algorithms))
        if contents is None:
            return None
        if not isinstance(contents, Contents):
            self._quarantine(sha256, "", contents.found)
            return None
        actual = contents.digests.sha256 or ""
        if actual != sha256:
            self._quarantine(sha256, actual, contents.found)
            return None
        row = BlobRow(
            digests=contents.digests, signature=Signature.of(contents.found), name=known.name if known else ""
        )
        if contents.signature is not None:
            self._index.set_blob(row)
            self._settling.add(sha256, path, ours=False)
        return row

    def _quarantine(self, sha256: str, actual: str, found: os.stat_result | None) -> None:
        """Take a file that is not what its name says out of the way."""
        path = self._layout.blob(sha256)
        self._index.forget(sha256)
        target = self._layout.at("quarantine", f"{sha256}.{actual or os.urandom(4).hex()}")
        says = f"its bytes have the sha256 {actual}" if actual else "it is no plain file"
        try:
            self._make()
            os.rename(path, target)
            moved = os.lstat(target)
            if found is not None and (moved.st_ino, moved.st_dev) != (found.st_ino, found.st_dev):
                os.rename(target, path)  # somebody has mended it in between: what was moved is the good one
                return
        except FileNotFoundError:
            return
        except (OSError, LocalError) as error:
            reason = error.message if isinstance(error, LocalError) else error.strerror
            self._warn(f"the cached blob {path} is damaged ({says}) and is not used; cannot move it away: {reason}")
        else:
            self._warn(f"the cached blob {sha256} was damaged ({says}); it was moved to {target} and is not used")

    def _publish(self, private: str, digests: Digests, size: int, leftovers: tuple[str, ...]) -> Blob:
        """Give a finished file its final name; a good blob that is there already stays, and the new file goes."""
        sha256 = digests.sha256
        assert sha256 is not None
        path = self._layout.blob(sha256)
        try:
            self._uses.say(sha256)
            there = self._checked(sha256, ()) if os.path.lexists(path) else None
            if there is not None:
                _remove((private, *leftovers))
                signature = there.signature
                digests = digests.joined(there.digests)
            else:
                self._rename(private, path)
                _remove(leftovers)  # now, since losing a name changes the ctime
                signature = Signature.of(os.lstat(path))
            for digest in digests:
                if digest.algorithm != "sha256":
                    self._write_alias(digest, sha256)
            if signature.size == size:
                self._note(BlobRow(digests=digests, signature=signature), path, new=there is None)
        except OSError as error:
            raise disk_error("write to", path, error) from error
        return self._blob(digests, size)

    def _note_new(self, path: str, digests: Digests, signature: Signature, name: str) -> None:
        """Note a blob that has its name since a moment ago, where nothing stood when it was claimed."""
        if flushes_at_once(signature.size):
            row = BlobRow(digests=digests, signature=signature, name=_shown(name), used=self._clock.time())
            self._note(row, path, new=True)
        else:
            sha256 = digests.sha256 or ""
            assert len(digests) == 1, "who says more goes the ordinary way"
            self._index.set_new(sha256, signature, _shown(name))
            self._unsettled(sha256, path)

    def _note_all(self, blobs: Sequence[tuple[Digests, Look, str, Spare | None]]) -> list[Blob]:
        """As :meth:`_note_new`, for many small blobs: the digests of each, the values of its signature, a name for
        people, its spare."""
        names = [digests.sha256 or "" for digests, _, _, _ in blobs]
        paths = list(map(self._layout.blob, names))
        self._index.set_all(
            [(sha256, look, _shown(name)) for sha256, (_, look, name, _) in zip(names, blobs, strict=True)]
        )
        self._settling.add_all(dict(zip(names, paths, strict=True)))
        if len(self._settling) >= _MOST_UNSETTLED:
            self.settle()
        return [self._blob(digests, look[0], spare) for digests, look, _, spare in blobs]

    def _blob(self, digests: Digests, size: int, spare: Spare | None = None) -> Blob:
        """One that lies at its place in this store. Of its path, nothing is its own."""
        sha256 = digests.sha256 or ""
        folder = self._layout.folder_of(sha256)
        return Blob(folder=folder, name=sha256, digests=digests, size=size, spare=spare)

    def _note(self, row: BlobRow, path: str, *, new: bool) -> None:
        """Note a good blob, at once where it is on the disk."""
        if self._told is not None:
            self._told(row.sha256, row.signature)
        elif not new:
            self._index.set_blob(row)
        elif flushes_at_once(row.signature.size):
            self._settling.flush_name(path)
            self._index.write_blob(row)
        else:
            self._index.set_blob(row)
            self._unsettled(row.sha256, path)

    def _unsettled(self, sha256: str, path: str) -> None:
        self._settling.add(sha256, path, ours=True)
        if len(self._settling) >= _MOST_UNSETTLED:
            self.settle()

    def _rename(self, private: str, path: str) -> None:
        try:
            os.replace(private, path)
        except FileNotFoundError:
            self._folder(os.path.dirname(path))
            os.replace(private, path)

    # Other digests

    def _alias(self, digests: Digests) -> str | None:
        """The sha256 that is said to belong to other digests; :meth:`get` computes whether it does."""
        from dlm.store.reading import read_alias

        aliases = (read_alias(self._layout.alias(digest)) for digest in reversed(digests.items))
        return next((sha256 for sha256 in aliases if sha256 is not None), None)

    def _write_alias(self, digest: Digest, sha256: str) -> None:
        path = self._layout.alias(digest)
        self._folder(os.path.dirname(path))
        self._write_file(path, sha256.encode())

    # The folder

    @property
    def _mode(self) -> int | None:
        """Of small files; None for what the umask says."""
        return 0o664 if self._shared else None

    def _check_version(self) -> None:
        if not self._read_version:
            self._layout.check_version()
            self._read_version = True

    def _make(self) -> None:
        """Make the folders before the first write of this process."""
        temporary = self._layout.at("tmp")
        if self._made and os.path.isdir(temporary):
            return
        self._check_version()
        with self._lock:
            try:
                self._folder(self.root)
                # In somebody's own folder the tag would keep their files out of backups, and the other out of git.
                foreign = any(map(self._layout.is_foreign, os.listdir(self.root)))
                for name in self._layout.folders:
                    self._folder(self._layout.at(name))
                if not os.access(temporary, os.W_OK):
                    # Said now, not when a body has come over the network for nothing.
                    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), temporary)
                if self._shared:
                    for path in (self._layout.at("locks", "claims"), self._layout.at("index.sqlite")):
                        self._open_up(path)
                # Before the first file of our own in tmp/, so that nobody sweeps it away.
                self._claims.enter(self._sweep)
                self._make_file("VERSION", f"{LAYOUT}\n")
                if not foreign:
                    self._make_file("CACHEDIR.TAG", _TAG)
                    self._make_file(".gitignore", "*\n")
            except OSError as error:
                raise disk_error("write to the cache folder", self.root, error) from error
            self._made = True

    def _can_make(self) -> bool:
        """Whether the folders are there, for what only makes things quicker: who goes on without it gets the error, and
        knows what they were wanted for."""
        try:
            self._make()
        except LocalError:
            return False
        return True

    def _folder(self, path: str) -> None:
        """Make a folder, and those above it; in a shared cache, the group's. Raises OSError."""
        try:
            os.mkdir(path)
        except FileExistsError:
            if not os.path.isdir(path):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path) from None
            if self._shared:
                _give_group(path, 0o2770)
            return
        except FileNotFoundError:
            above = os.path.dirname(path)
            if self._is_inside(above):
                self._folder(above)
            else:
                os.makedirs(above, exist_ok=True)
            self._folder(path)
            return
        if self._shared:
            _give_group(path, 0o2770)
        if self._is_inside(os.path.dirname(path)):
            self._settling.add_folder(os.path.dirname(path))

    def _is_inside(self, path: str) -> bool:
        return path == self.root or path.startswith(self.root + os.sep)

    def _open_up(self, path: str) -> None:
        """Make a file that all users of a shared cache write to, or open it up to the group. Raises OSError."""
        if os.path.lexists(path):
            _give_group(path, 0o660)
            return
        draft = self._layout.at("tmp", os.urandom(16).hex())
        try:
            with open(draft, "xb") as file:
                _give_group(file.fileno(), 0o660)
            with contextlib.suppress(FileExistsError):
                os.link(draft, path)
        finally:
            _remove((draft,))

    def _make_file(self, name: str, text: str) -> None:
        path = self._layout.at(name)
        with contextlib.suppress(FileNotFoundError, IsADirectoryError), open(path, "rb") as file:
            if file.read(len(text) + 1) == text.encode():
                return
        self._write_file(path, text.encode())

    def _write_file(self, path: str, data: bytes) -> None:
        draft = self._layout.at("tmp", os.urandom(16).hex())
        try:
            with open(draft, "xb") as file:
                file.write(data)
                if self._shared:
                    _give_group(file.fileno(), 0o660)
            os.replace(draft, path)
        except OSError:
            _remove((draft,))
            raise

    def _sweep(self) -> None:
        """Remove what killed writers left; called while no other process can write."""
        with os.scandir(self._layout.at("tmp")) as found:
            for entry in found:
                if _TEMPORARY.match(entry.name):
                    remove_private(entry.path)
        # A second name of a blob: its writer was killed when only this one was left to be removed. A second name in
        # tmp/ is gone by now, so what was not yet a blob has one name and is kept.
        for path, _ in self._layout.files_in(self._layout.at("partial")):
            with contextlib.suppress(OSError):
                if os.lstat(path).st_nlink > 1:
                    _remove((f"{path}.json", path))
        with contextlib.suppress(OSError):
            for _ in in_use(self._layout.at("using"), sweep=True):
                pass  # only for what ended processes left

    # Talk

    def _warn(self, message: str) -> None:
        _warn(self._reporter, message)


def _warn(reporter: Reporter, message: str) -> None:
    reporter.emit(Warned(message))


def _warn_unlocked(reporter: Reporter, root: str, reason: str) -> None:
    reporter.emit(
        Warned(
            f"the file system of the cache {root} has no locks ({reason}); "
            "processes that run at the same time may fetch a file twice"
        )
    )


def _finish(settling: Settling, uses: Uses, spares: Spares, hashing: Hashing | None) -> None:
    """What happens when a store is let go of without a word."""
    spares.remove()
    if hashing is not None:
        hashing.close()
    # A blob that could not be flushed is not noted as good: whoever asks for it next reads it first.
    with contextlib.suppress(LocalError):
        settling.settle()
    settling.close()
    uses.close()


def _names_in(folder: str) -> frozenset[str] | None:
    """What a folder holds; None where that cannot be known, which says nothing about any one name."""
    try:
        return frozenset(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return frozenset()
    except OSError:
        return None


def _give_group(path: str | int, mode: int) -> None:
    """Let the group do what the owner may, if it is ours to say. Raises OSError."""
    found = os.stat(path)
    wanted = stat.S_IMODE(found.st_mode) | mode
    if hasattr(os, "geteuid") and found.st_uid == os.geteuid() and stat.S_IMODE(found.st_mode) != wanted:
        os.chmod(path, wanted)


def _shown(name: str) -> str:
    """A name for people: the last segment, without anything that could be a query."""
    if _PLAIN.match(name):
        return name
    last = name.split("?", 1)[0].split("#", 1)[0].replace("\\", "/").rstrip("/").rsplit("/", 1)[-1][:255]
    return last if last.isprintable() else ""


def _remove(paths: tuple[str, ...]) -> None:
    """Remove files that are of no use any more; what stays is dropped by the next writer or sweep."""
    for path in paths:
        with contextlib.suppress(OSError):
            os.unlink(path)
