"""``dlm fetch``: fill the store, place nothing."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dlm.errors import DlmError, LocalError, UsageError
from dlm.model.artifact import Artifact, Blob
from dlm.model.plan import Placing
from dlm.model.selector import suggest
from dlm.place.place import carry_out
from dlm.place.survey import look
from dlm.workflows.lock import Change, save
from dlm.workflows.orders import artifact_of, blobs, for_platform, gather
from dlm.workflows.run import Run, one_or_all
from dlm.workflows.settle import Modes, Settled, alone, settle

__all__ = ["FetchReport", "fetch", "fetch_alone", "put"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchReport:
    """What a fetch did.

    Attributes:
        present: how many artifacts were in the store already.
        fetched, transferred: how many came over the wire, and their bytes.
        changes: what locking changed first.
    """

    present: int
    fetched: int
    transferred: int
    changes: tuple[Change, ...] = ()


def fetch(run: Run, names: Sequence[str], modes: Modes, *, platform: str | None) -> FetchReport:
    """Fetch the artifacts of ``names`` (of everything, where none is given) for ``platform`` (None: for all).

    What the lockfile lacks is locked first, as by ``sync``.

    Raises:
        DlmError: something could not be had; what could is in the store.
    """
    with alone(run):
        settled = settle(run, modes)
        failure = one_or_all(settled.errors)
        if failure is not None:
            raise failure
        wanted = _wanted(settled, names, platform)
        held = blobs(run, wanted)
        missing = [artifact for artifact in wanted if artifact.digests.sha256 not in held]
        haul = gather(run, missing, offline=modes.offline)
        errors = list(haul.errors.values())
        failure = one_or_all(errors)
        if failure is not None:
            raise failure
        if settled.writable:
            save(run, settled.lockfile, settled.read)
        transferred = sum(one.receipt.transferred for one in haul.arrived.values())
        return FetchReport(
            present=len(wanted) - len(missing),
            fetched=settled.fetched + len(missing),
            transferred=settled.transferred + transferred,
            changes=settled.changes,
        )


def fetch_alone(run: Run, artifact: Artifact, modes: Modes) -> Blob:
    """Fetch one artifact that stands in no manifest.

    Raises:
        DlmError: it could not be had.
    """
    if artifact.digests:
        held = run.store.get(artifact.digests)
        if held is not None:
            return held
    haul = gather(run, [artifact], offline=modes.offline)
    failure: DlmError | None = one_or_all(haul.errors.values())
    if failure is not None:
        raise failure
    return haul.arrived[0].blob


def put(run: Run, blob: Blob, path: str) -> None:
    """Make a path of the user's choice show a blob, whatever file stood there; atomically.

    Raises:
        LocalError: the disk refuses, or something else than a file stands there.
    """
    folder, name = os.path.split(os.path.abspath(path))
    if not os.path.isdir(folder):
        raise LocalError(f"{folder} is no folder", hint="make it first")
    found = look(folder, [name], {})[name]
    if found.kind in {"directory", "other"}:
        raise LocalError(f"{path} is no plain file", hint="name a file with -o")
    placing = Placing(dest=name, blob=blob, resource=name, found=found)
    done = carry_out(
        folder,
        [placing],
        (),
        {},
        token=secrets.token_hex(6),
        folders=(),
        reporter=run.reporter,
        clock=run.clock,
        force=True,
    )
    failure = one_or_all(done.errors)
    if failure is not None:
        raise failure


def _wanted(settled: Settled, names: Sequence[str], platform: str | None) -> list[Artifact]:
    entries = settled.lockfile.entries
    _refuse_unknown(names, entries)
    chosen = [entries[name] for name in names] if names else entries.values()
    return [
        artifact_of(settled.resources[entry.name], locked)
        for entry in chosen
        for locked in for_platform(entry, platform)
    ]


def _refuse_unknown(names: Iterable[str], known: Iterable[str]) -> None:
    listed = list(known)
    for name in names:
        if name not in listed:
            raise UsageError(f"the lockfile has no resource {name!r}{suggest(name, listed)}", hint="run `dlm list`")
