"""Artifacts -> orders for the fetcher, and what came of them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

from dlm.errors import DlmError, IntegrityError, OfflineError
from dlm.fetch.mirrors import sources
from dlm.fetch.parcel import LIGHT, SMALL
from dlm.fetch.round import Round
from dlm.model.artifact import Artifact
from dlm.model.frozen import dataclass, field, replace
from dlm.model.platforms import matches
from dlm.model.request import RequestWish
from dlm.model.settings import DEFAULT_PYTHON_ORG
from dlm.model.transfer import Arrived, Carried, Order
from dlm.model.url import Url, is_plain
from dlm.resolve import direct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dlm.model.artifact import Blob, Receipt
    from dlm.model.lockfile import LockedArtifact, LockEntry
    from dlm.model.manifest import Resource
    from dlm.model.transfer import Outcome, Source
    from dlm.workflows.run import Run

__all__ = ["Delivery", "Haul", "artifact_of", "artifacts_of", "for_platform", "gather", "sources_of"]


_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Delivery:
    """What came of an order that went well."""

    blob: Blob
    receipt: Receipt


@dataclass(slots=True)
class Haul:
    """What a round of fetching brought.

    Attributes:
        arrived: by the artifact's place in the round; none of a bare round, of which nobody asks what the wire did.
        errors: by the same.
        bare: the blobs of a bare round.
        transferred: the bytes that came over the wire.
    """

    arrived: dict[int, Delivery] = field(default_factory=dict)
    errors: dict[int, DlmError] = field(default_factory=dict)
    bare: list[Blob] = field(default_factory=list)
    transferred: int = 0

    @property
    def count(self) -> int:
        """How many came."""
        return len(self.bare) + len(self.arrived)

    def blobs(self) -> Iterator[Blob]:
        """All that came."""
        yield from self.bare
        for one in self.arrived.values():
            yield one.blob


def gather(
    run: Run,
    artifacts: Sequence[Artifact],
    *,
    offline: str | None = None,
    most: Mapping[int, int] | None = None,
    lenient: bool = False,
    bare: bool = False,
    spare: Callable[[Artifact], tuple[int, str] | None] = lambda _: None,
    meanwhile: Callable[[], None] | None = None,
) -> Haul:
    """Fetch every artifact that the store does not hold.

    Args:
        most: the most bytes that some of them may have, by their place; the user's setting holds for the others.
        offline: the flag or variable that forbids the network, or None.
        lenient, bare: as in ``Order``.
        spare: says of each with which permissions a spare of it is wanted, and of a small one for which place in a
            folder that is to be moved as a whole.
        meanwhile: called while the first answer is waited for, if the artifacts are ``bare``.
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

    def order(index: int) -> Order | None:
        # Made when there is room for it, so that many artifacts do not all stand in memory as orders.
        artifact = artifacts[index]
        wish = spare(artifact) if (artifact.size or 0) > SMALL else None
        try:
            made = _order(
                run,
                artifact,
                None if most is None else most.get(index),
                lenient=lenient,
                bare=bare,
                spare=None if wish is None else wish[0],
                number=index,
            )
        except DlmError as error:
            error.resource = error.resource or artifact.resource
            haul.errors[index] = error
            return None
        return made

    first = next(filter(None, map(order, range(len(artifacts)))), None)
    if first is None:
        return haul
    behind = first.number + 1
    outcomes: Iterable[Outcome | Carried]
    round_: Round | None = None
    if bare:
        round_ = Round(
            len(artifacts),
            order,
            first,
            behind,
            sizes=[one.size or 0 for one in artifacts],
            artifacts=artifacts,
            plain=None if most else _plain(run),
            spare=spare,
        )
        outcomes = run.fetcher().fetch_round(round_, run.store, meanwhile)
    else:
        waiting = filter(None, map(order, range(behind, len(artifacts))))
        outcomes = run.fetcher().fetch(itertools.chain((first,), waiting), run.store)
    for outcome in outcomes:
        if isinstance(outcome, Carried):
            haul.transferred += outcome.transferred
            haul.bare.extend(outcome.blobs)
            continue
        index = outcome.order.number
        if isinstance(outcome, Arrived):
            arrived = run.store.arrived(outcome)
            haul.transferred += arrived.receipt.transferred
            if bare:
                haul.bare.append(arrived.blob)
            else:
                haul.arrived[index] = Delivery(arrived.blob, arrived.receipt)
        else:
            haul.errors[index] = _explained(run, artifacts[index], outcome.error)
    if round_ is not None:
        round_.forget()
    # What comes next writes down that these blobs are there.
    run.store.settle()
    return haul


def _plain(run: Run) -> Callable[[Artifact, str], bool] | None:
    """Says of an artifact whether it is small and pinned, and asked for at its own address below an origin, as that
    stands there. None where the user's rules have a word in it."""
    if run.settings.rewrite:
        return None
    replaced = run.settings.python_org_url != DEFAULT_PYTHON_ORG

    def plain(artifact: Artifact, origin: str) -> bool:
        size, ask, url = artifact.size, artifact.ask, artifact.url
        return (
            size is not None
            and 0 < size <= LIGHT
            and len(artifact.digests) == 1
            and not artifact.mirrors
            and not artifact.headers
            and ask.body is None
            and ask.method == "GET"
            and is_plain(url, origin)
            and not (replaced and url.startswith(DEFAULT_PYTHON_ORG))
        )

    return plain


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


def _order(
    run: Run, artifact: Artifact, most: int | None, *, lenient: bool, bare: bool, spare: int | None, number: int
) -> Order:
    order = Order(
        artifact=artifact,
        sources=sources_of(run, artifact),
        most=most,
        lenient=lenient,
        bare=bare,
        spare=spare,
        number=number,
    )
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
    if platform is None or all(one.platform is None for one in entry.artifacts):
        return entry.artifacts
    return tuple(one for one in entry.artifacts if one.platform is None or matches(one.platform, platform))


def blobs(run: Run, artifacts: Iterable[Artifact]) -> dict[str, Blob]:
    """What the store holds of ``artifacts``, by sha256."""
    wanted = {sha256: one.digests for one in artifacts if (sha256 := one.digests.sha256) is not None}
    return run.store.get_many(wanted)
