"""Artifacts -> orders for the fetcher, and what came of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from dlm.errors import DlmError, IntegrityError, OfflineError
from dlm.fetch.mirrors import sources
from dlm.model.artifact import Artifact
from dlm.model.platforms import matches
from dlm.model.request import RequestWish
from dlm.model.settings import DEFAULT_PYTHON_ORG
from dlm.model.transfer import Arrived, Order
from dlm.model.url import Url
from dlm.resolve import direct

if TYPE_CHECKING:
    from dlm.model.artifact import Blob
    from dlm.model.lockfile import LockedArtifact, LockEntry
    from dlm.model.manifest import Resource
    from dlm.model.transfer import Source
    from dlm.workflows.run import Run

__all__ = ["Haul", "artifact_of", "artifacts_of", "for_platform", "gather", "sources_of"]


_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


@dataclass(slots=True)
class Haul:
    """What a round of fetching brought.

    Attributes:
        arrived: by the artifact's place in the round.
        errors: by the same.
    """

    arrived: dict[int, Arrived] = field(default_factory=dict)
    errors: dict[int, DlmError] = field(default_factory=dict)


def gather(
    run: Run,
    artifacts: Sequence[Artifact],
    *,
    offline: str | None = None,
    most: Mapping[int, int] | None = None,
    lenient: bool = False,
) -> Haul:
    """Fetch every artifact that the store does not hold.

    Args:
        most: the most bytes that some of them may have, by their place; the user's setting holds for the others.
        offline: the flag or variable that forbids the network, or None.
        lenient: whether any whole answer will do, as in ``Order.lenient``.
    """
    haul = Haul()
    if offline is not None:
        for index, artifact in enumerate(artifacts):
            haul.errors[index] = OfflineError(
                f"{artifact.filename} is not in the cache, and {offline} forbids the network",
                resource=artifact.resource,
                hint=f"run `dlm fetch {artifact.resource}` once with the network",
            )
        return haul
    orders: list[Order] = []
    where: dict[int, int] = {}
    for index, artifact in enumerate(artifacts):
        try:
            order = _order(run, artifact, None if most is None else most.get(index), lenient=lenient)
        except DlmError as error:
            error.resource = error.resource or artifact.resource
            haul.errors[index] = error
            continue
        where[id(order)] = index
        orders.append(order)
    if not orders:
        return haul
    for outcome in run.fetcher().fetch(orders, run.store):
        index = where[id(outcome.order)]
        if isinstance(outcome, Arrived):
            haul.arrived[index] = run.store.arrived(outcome)
        else:
            haul.errors[index] = _explained(run, artifacts[index], outcome.error)
    # What comes next writes down that these blobs are there.
    run.store.settle()
    return haul


def _explained(run: Run, artifact: Artifact, error: DlmError) -> DlmError:
    """The error, with a next step that knows of the site in python.org's place: it is no mirror of the manifest's."""
    if isinstance(error, IntegrityError) and _replaced(run, artifact):
        error.hint = (
            f"python_org_url is set to {run.settings.python_org_url}; if its bytes are right: dlm lock --accept-hash"
            f" {artifact.resource}"
        )
    return error


def _replaced(run: Run, artifact: Artifact) -> bool:
    site = run.settings.python_org_url
    return site != DEFAULT_PYTHON_ORG and artifact.url.startswith(DEFAULT_PYTHON_ORG)


def _order(run: Run, artifact: Artifact, most: int | None, *, lenient: bool) -> Order:
    order = Order(artifact=artifact, sources=sources_of(run, artifact), most=most, lenient=lenient)
    if artifact.digests:
        return order
    known = run.store.known(order.key)
    return replace(order, known=known, seen=0 if known is None else known.serial)


def sources_of(run: Run, artifact: Artifact) -> tuple[Source, ...]:
    """Where an artifact is asked for. A site that the user set in python.org's place takes all of its requests."""
    if not _replaced(run, artifact):
        return _sources(run, artifact)
    there = replace(artifact, url=run.settings.python_org_url + artifact.url.removeprefix(DEFAULT_PYTHON_ORG))
    return tuple(replace(source, origin=False) for source in _sources(run, there))


def _sources(run: Run, artifact: Artifact) -> tuple[Source, ...]:
    return sources(artifact, run.variables, rewrite=run.settings.rewrite, credentials=run.credentials)


def artifact_of(resource: Resource, locked: LockedArtifact) -> Artifact:
    """A locked artifact as something to fetch and place; for many of one resource see :func:`artifacts_of`."""
    return artifacts_of(resource, (locked,))[0]


def artifacts_of(resource: Resource, locked: Iterable[LockedArtifact]) -> list[Artifact]:
    """Locked artifacts as something to fetch and place: pins from the lockfile, the rest from the resource."""
    written: dict[tuple[str | None, str], Artifact] = {}
    if resource.selector is None and not direct.adds_nothing(resource):
        written = {(one.platform, str(Url.parse(one.url))): one for one in direct.artifacts(resource)}
    plain = RequestWish()
    found: list[Artifact] = []
    for one in locked:
        own = written.get((one.platform, one.url)) if written else None
        found.append(
            Artifact(
                resource=resource.name,
                filename=one.filename,
                url=one.url if own is None else own.url,
                dest=one.dest,
                version=one.version,
                platform=one.platform,
                mirrors=() if own is None else own.mirrors,
                digests=one.digests,
                size=one.size,
                headers=_NO_HEADERS if own is None else own.headers,
                ask=plain if own is None else own.ask,
                executable=resource.executable,
                extract=resource.extract,
                extracted=one.extracted if resource.extract is not None else None,
            )
        )
    return found


def for_platform(entry: LockEntry, platform: str | None) -> tuple[LockedArtifact, ...]:
    """The artifacts of an entry that are meant for ``platform``; all of them for None."""
    return tuple(
        one for one in entry.artifacts if platform is None or one.platform is None or matches(one.platform, platform)
    )


def blobs(run: Run, artifacts: Iterable[Artifact]) -> dict[str, Blob]:
    """What the store holds of ``artifacts``, by sha256."""
    held: dict[str, Blob] = {}
    for artifact in artifacts:
        sha256 = artifact.digests.sha256
        if sha256 is not None and sha256 not in held:
            blob = run.store.get(artifact.digests)
            if blob is not None:
                held[sha256] = blob
    return held
