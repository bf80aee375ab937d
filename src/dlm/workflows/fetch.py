"""``dlm fetch``: fill the store, place nothing."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, BinaryIO

from dlm.errors import IntegrityError, LocalError, OfflineError, UsageError
from dlm.model.events import Warned
from dlm.model.frozen import dataclass
from dlm.model.plan import Placing
from dlm.model.transfer import Arrived, Order
from dlm.workflows.orders import artifacts_of, blobs, for_platform, gather, sources_of
from dlm.workflows.policy import meets, policy_of, refusals
from dlm.workflows.run import one_or_all
from dlm.workflows.settle import alone, settle

if TYPE_CHECKING:
    from dlm.errors import DlmError
    from dlm.model.artifact import Artifact, Blob
    from dlm.model.plan import Found
    from dlm.workflows.lock import Change
    from dlm.workflows.orders import Haul
    from dlm.workflows.run import Run
    from dlm.workflows.settle import Modes, Settled

__all__ = ["FetchReport", "fetch", "fetch_alone", "fetch_past_cache", "put", "refuse_unfit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchReport:
    """What a fetch did.

    Attributes:
        present: how many artifacts were in the store already.
        fetched, transferred: how many came over the wire, and their bytes.
        passed_over: resources that do not know the platform.
        changes: what locking changed first.
    """

    present: int
    fetched: int
    transferred: int
    passed_over: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()


def fetch(run: Run, names: Sequence[str], modes: Modes, *, platform: str | None) -> FetchReport:
    """Fetch the artifacts of ``names`` (of everything, where none is given) for ``platform`` (None: for all).

    What the lockfile lacks is locked first, as by ``sync``.

    Raises:
        DlmError: something could not be had; what could is in the store.
    """
    with alone(run):
        settled = settle(run, modes)
        _refuse_unknown_platform(platform, settled)
        wanted, passed_over, refused = _wanted(run, settled, names, platform)
        held = blobs(run, wanted)
        missing = [artifact for artifact in wanted if artifact.digests.sha256 not in held]
        haul = gather(run, missing, offline=modes.offline, bare=True)
        wrong = _wrong_sizes(run, settled, wanted, held)
        failure = one_or_all([*settled.errors, *refused, *wrong, *_grave(run, settled, missing, haul)])
        if failure is not None:
            raise failure
        if settled.writable:
            from dlm.workflows.lock import save

            save(run, settled.lockfile, settled.read)
        return FetchReport(
            present=len(wanted) - len(missing),
            fetched=settled.fetched + haul.count,
            transferred=settled.transferred + haul.transferred,
            passed_over=passed_over,
            changes=settled.changes,
        )


def fetch_alone(run: Run, artifact: Artifact, modes: Modes) -> Blob:
    """Fetch one artifact that stands in no manifest.

    Raises:
        DlmError: it could not be had.
    """
    if artifact.digests:
        held = run.store.get(artifact.digests)
        if held is not None and artifact.size not in {None, held.size}:
            raise _of_alone(
                IntegrityError(
                    f"a size of {artifact.size} bytes was expected, the bytes with this digest are {held.size}",
                    resource=artifact.resource,
                )
            )
        if held is not None:
            return held
    # Whoever sends something asks a program, which may well say 201, or nothing at all.
    haul = gather(run, [artifact], offline=modes.offline, lenient=artifact.ask.body is not None)
    failure: DlmError | None = one_or_all(haul.errors.values())
    if isinstance(failure, OfflineError):
        failure.hint = "run it once without --offline" if artifact.digests else "give its --sha256, too"
    if failure is not None:
        raise _of_alone(failure)
    return haul.arrived[0].blob


def fetch_past_cache(run: Run, artifact: Artifact, file: BinaryIO, path: str, modes: Modes) -> Blob:
    """Fetch one artifact that stands in no manifest into ``file``, and neither ask nor fill the store.

    Args:
        path: where the file lies, ``""`` for memory.

    Raises:
        DlmError: it could not be had.
    """
    if modes.offline is not None:
        raise OfflineError(
            f"{artifact.filename} is to come past the cache, and {modes.offline} forbids the network",
            resource=artifact.resource,
            hint="leave one of them out",
        )
    from dlm.store.single import SingleStore

    order = Order(artifact=artifact, sources=sources_of(run, artifact), lenient=artifact.ask.body is not None)
    for outcome in run.fetcher().fetch([order], SingleStore(file, path)):
        if isinstance(outcome, Arrived):
            return outcome.blob
        raise _of_alone(outcome.error)
    raise UsageError("nothing was asked for")


def _of_alone(error: DlmError) -> DlmError:
    """The error of a fetch that no manifest asked for, with the next step there."""
    if isinstance(error, IntegrityError):
        error.hint = "make sure of the address and of the digest that --sha256 gives"
    return error


def refuse_unfit(path: str) -> Found:
    """What stands at a path of the user's choice; to be asked before anything is fetched for it.

    Args:
        path: absolute.

    Raises:
        LocalError: no file can stand there.
    """
    from dlm.place.survey import look

    folder, name = os.path.split(path)
    if not os.path.isdir(folder):
        raise LocalError(f"{folder} is no folder", hint="make it first")
    found = look(folder, [name], {})[name] if name not in {"", ".", ".."} else None
    if found is None or found.kind in {"directory", "other"}:
        raise LocalError(f"{path} is no plain file", hint="name a file with -o")
    return found


def put(run: Run, blob: Blob, path: str) -> None:
    """Make a path of the user's choice show a blob, whatever file stood there; atomically.

    Raises:
        LocalError: the disk refuses, or something else than a file stands there.
    """
    folder, name = os.path.split(path)
    found = refuse_unfit(path)
    placing = Placing(dest=name, blob=blob, resource=name, found=found)
    from dlm.place.place import carry_out

    done = carry_out(
        folder,
        [placing],
        (),
        {},
        token=os.urandom(6).hex(),
        folders=(),
        reporter=run.reporter,
        clock=run.clock,
        force=True,
    )
    failure = one_or_all(done.errors)
    if failure is not None:
        raise failure


def _wanted(
    run: Run, settled: Settled, names: Sequence[str], platform: str | None
) -> tuple[list[Artifact], tuple[str, ...], list[DlmError]]:
    """The artifacts, the names of resources that have none for ``platform``, and what policy refuses."""
    entries = settled.lockfile.entries
    _refuse_unknown(names, {**settled.resources, **entries})
    chosen = [entries[name] for name in names if name in entries] if names else list(entries.values())
    wanted: list[Artifact] = []
    passed_over: list[str] = []
    refused: list[DlmError] = []
    policy = policy_of(run, settled.manifest)
    for entry in chosen:
        here = for_platform(entry, platform)
        if not here:
            passed_over.append(entry.name)
        refused.extend(refusals(policy, ((entry, one) for one in here), run.files.lockfile_name))
        wanted.extend(artifacts_of(settled.resources[entry.name], [one for one in here if meets(policy, one)]))
    return wanted, tuple(passed_over), refused


def _refuse_unknown_platform(platform: str | None, settled: Settled) -> None:
    """A name that is nobody's: nothing would be meant for it, and that would look like success. Raises UsageError."""
    from dlm.model.platforms import is_known, matches

    if platform is None or is_known(platform):
        return
    meant = {one.platform for _, one in settled.lockfile.artifacts() if one.platform is not None}
    if not any(matches(one, platform) for one in meant):
        raise UsageError(
            f"--platform: nothing is meant for {platform!r}, and no system and machine are called so",
            hint="write one like linux-x86_64 or macos-arm64, one of the manifest's own, or all",
        )


def _wrong_sizes(
    run: Run, settled: Settled, wanted: Sequence[Artifact], held: Mapping[str, Blob]
) -> Iterator[DlmError]:
    """An error for each artifact whose bytes are in the store and have another size than its pin says."""
    for artifact in wanted:
        blob = held.get(artifact.digests.sha256 or "")
        if blob is None or artifact.size is None or blob.size == artifact.size:
            continue
        from dlm.workflows.pins import wrong_size

        resource = settled.resources[artifact.resource]
        error = wrong_size(run, resource, artifact.size, blob.size)
        if resource.optional:
            run.reporter.emit(Warned(f"optional, and could not be had: {error.message}", resource.name))
        else:
            yield error


def _grave(run: Run, settled: Settled, missing: Sequence[Artifact], haul: Haul) -> list[DlmError]:
    """The failures that count: failing to get what is optional is a warning."""
    errors: list[DlmError] = []
    for index, error in haul.errors.items():
        from dlm.workflows.pins import explain

        name = missing[index].resource
        explain(run, settled.resources[name], error)
        if settled.resources[name].optional:
            run.reporter.emit(Warned(f"optional, and could not be had: {error.message}", name))
        else:
            errors.append(error)
    return errors


def _refuse_unknown(names: Iterable[str], known: Iterable[str]) -> None:
    listed = list(known)
    for name in names:
        if name not in listed:
            from dlm.model.suggest import suggest

            raise UsageError(f"the lockfile has no resource {name!r}{suggest(name, listed)}", hint="run `dlm list`")
