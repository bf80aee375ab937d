"""``dlm add --find-evidence``: look beside a file for what vouches for it, and propose to ask for that from now on."""

from __future__ import annotations

from dlm.errors import DlmError, RefusedError, UsageError
from dlm.model.artifact import Artifact
from dlm.model.events import Note
from dlm.model.evidence import LIMITS, Subject, siblings
from dlm.model.manifest import Resource
from dlm.resolve import direct
from dlm.verify.content import sidecar_at
from dlm.verify.discover import KINDS, Found, Proposal
from dlm.workflows.evidence import sidecar_artifact
from dlm.workflows.orders import gather
from dlm.workflows.run import Run

__all__ = ["find_evidence"]


def find_evidence(run: Run, resource: Resource, *, offline: str | None) -> Proposal:
    """What the manifest may ask for of ``resource``; the file itself is fetched for it, since all of it is checked.

    Raises:
        UsageError: it is not one file at one address.
        EvidenceError: something beside the file is about it and contradicts its bytes.
        DlmError: the file could not be had.
    """
    if resource.selector is not None:
        raise UsageError("--find-evidence goes with a URL", hint="what python.org has beside its files is used unasked")
    artifacts = direct.artifacts(resource)
    if len(artifacts) != 1:
        raise UsageError("--find-evidence goes with one file", hint="write evidence: into the manifest by hand")
    artifact = artifacts[0]
    where = [(kind, url) for kind in KINDS for url in siblings(artifact.url, kind)]
    orders: list[Artifact] = [artifact, *(sidecar_artifact(artifact, url) for _, url in where)]
    most = {place: LIMITS[kind] for place, (kind, _) in enumerate(where, start=1)}
    haul = gather(run, orders, offline=offline, most=most)
    if 0 in haul.errors:
        raise haul.errors[0]
    found = [
        Found(kind, url, sidecar_at(haul.arrived[place].blob.path))
        for place, (kind, url) in enumerate(where, start=1)
        if place in haul.arrived
    ]
    for place, error in haul.errors.items():
        _tell(run, where[place - 1][1], error)
    return run.verifiers().propose(Subject.of(artifact, haul.arrived[0].blob), found)


def _tell(run: Run, url: str, error: DlmError) -> None:
    """That nothing is there is what most addresses say; anything else may be worth knowing."""
    if not isinstance(error, RefusedError):
        run.reporter.emit(Note(f"{url}: {error.message}"))
