"""Do the origins still have what is locked? Asked without bodies, by what the lockfile knows of their answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from dlm.errors import DlmError, StaleError
from dlm.model.artifact import Artifact, Validators
from dlm.model.frozen import dataclass
from dlm.model.lockfile import LockedArtifact
from dlm.model.manifest import Resource
from dlm.model.transfer import Answered, Known, Order
from dlm.workflows.orders import artifacts_of, sources_of
from dlm.workflows.run import Run

__all__ = ["Upstream", "UpstreamStanding", "ask", "ask_all"]

UpstreamStanding = Literal["same", "moved", "changed", "gone", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """What an origin has at a locked address.

    Attributes:
        standing: ``moved`` is the same behind a permanent redirect that is not in the lockfile; ``unknown`` where
            the origin does not tell, or could not be asked.
        detail: the new address, or why it is gone or unknown.
    """

    resource: str
    artifact: LockedArtifact
    standing: UpstreamStanding
    detail: str | None = None

    @property
    def differs(self) -> bool:
        """Whether the origin has something else than what is locked, or has it elsewhere."""
        return self.standing in {"moved", "changed", "gone"}

    def __str__(self) -> str:
        detail = f": {self.detail}" if self.detail else ""
        return f"{self.resource}: {self.artifact.filename}: {_WORDS[self.standing]}{detail}"


_WORDS = {
    "same": "as locked",
    "moved": "moved",
    "changed": "changed",
    "gone": "gone",
    "unknown": "unknown",
}


def ask_all(run: Run) -> tuple[Upstream, ...]:
    """Ask for every artifact of the lockfile.

    Raises:
        StaleError: there is no lockfile.
    """
    read = run.lockfile()
    if read is None:
        raise StaleError(f"{run.files.lockfile_name} is missing, so there is nothing to ask for", hint="run `dlm lock`")
    # Header values stand in the manifest alone; an entry that it has no resource for is asked for without.
    resources = {resource.name: resource for resource in run.manifest().resources}
    pairs = [
        (resources.get(entry.name) or Resource.from_request(entry.name, entry.request), one)
        for entry, one in read.lockfile.artifacts()
    ]
    return ask(run, pairs)


def ask(run: Run, pairs: Sequence[tuple[Resource, LockedArtifact]]) -> tuple[Upstream, ...]:
    """Ask for locked artifacts, all at the same time."""
    found: dict[int, Upstream] = {}
    orders: list[Order] = []
    where: list[int] = []
    artifacts = _artifacts(pairs)
    for number, (resource, locked) in enumerate(pairs):
        try:
            orders.append(_order(run, artifacts[number], locked))
            where.append(number)
        except DlmError as error:
            found[number] = Upstream(resource=resource.name, artifact=locked, standing="unknown", detail=error.message)
    for number, answer in zip(where, run.fetcher().ask(orders) if orders else (), strict=True):
        resource, locked = pairs[number]
        found[number] = _upstream(resource, locked, answer)
    return tuple(found[number] for number in range(len(pairs)))


def _artifacts(pairs: Sequence[tuple[Resource, LockedArtifact]]) -> dict[int, Artifact]:
    """The artifact of each pair; those of one resource are made together."""
    together: dict[str, list[int]] = {}
    for number, (resource, _) in enumerate(pairs):
        together.setdefault(resource.name, []).append(number)
    return {
        number: artifact
        for numbers in together.values()
        for number, artifact in zip(
            numbers, artifacts_of(pairs[numbers[0]][0], [pairs[one][1] for one in numbers]), strict=True
        )
    }


def _order(run: Run, artifact: Artifact, locked: LockedArtifact) -> Order:
    known = Known(
        digests=locked.digests,
        size=locked.size,
        validators=Validators(locked.headers.get("etag"), locked.headers.get("last-modified")),
        headers=locked.headers,
        final_url=locked.final_url,
    )
    own = [source for source in sources_of(run, artifact) if source.origin] or list(sources_of(run, artifact))[:1]
    return Order(artifact=artifact, sources=tuple(own), known=known)


def _upstream(resource: Resource, locked: LockedArtifact, answer: Answered) -> Upstream:
    standing: UpstreamStanding = answer.standing
    detail = answer.error.message if answer.error is not None else None
    if standing == "same" and answer.moved is not None and answer.moved != locked.final_url:
        standing, detail = "moved", f"now at {answer.moved}"
    return Upstream(resource=resource.name, artifact=locked, standing=standing, detail=detail)
