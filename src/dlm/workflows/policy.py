"""Whether what is locked may be placed: the evidence in the lockfile against what policy demands of its host."""

from __future__ import annotations

from collections.abc import Iterable

from dlm.errors import PolicyError
from dlm.model.url import Url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dlm.errors import DlmError
    from dlm.model.lockfile import LockedArtifact, LockEntry
    from dlm.model.manifest import Manifest
    from dlm.model.policy import EvidencePolicy
    from dlm.workflows.run import Run

__all__ = ["host_of", "meets", "policy_of", "refusals"]


def policy_of(run: Run, manifest: Manifest | None) -> EvidencePolicy:
    """What the configuration demands, and what the manifest demands on top of it."""
    own = run.settings.policy
    return own if manifest is None else own.joined(manifest.policy)


def host_of(url: str) -> str:
    """The host that policies know an artifact by: that of its canonical address, whichever mirror delivered."""
    return Url.parse(url).host


def meets(policy: EvidencePolicy, locked: LockedArtifact) -> bool:
    """Whether a locked artifact may be placed."""
    if not policy:
        return True
    from dlm.model.evidence import Provenance

    return policy.refusal(host_of(locked.url), Provenance.from_documents(locked.evidence)) is None


def refusals(
    policy: EvidencePolicy, wanted: Iterable[tuple[LockEntry, LockedArtifact]], lockfile: str
) -> list[DlmError]:
    """An error for each locked artifact that lacks the evidence that policy demands.

    Args:
        lockfile: how messages call the lockfile.
    """
    if not policy:
        return []
    from dlm.model.evidence import Provenance

    found: list[DlmError] = []
    for entry, locked in wanted:
        provenance = Provenance.from_documents(locked.evidence)
        reason = policy.refusal(host_of(locked.url), provenance)
        if reason is not None:
            found.append(
                PolicyError(
                    f"{locked.filename}: {reason}",
                    resource=entry.name,
                    hint=_next_step(entry),
                    details=[f"{lockfile} has {one.shown} for it" for one in provenance],
                )
            )
    return found


def _next_step(entry: LockEntry) -> str:
    if entry.request.get("selector") is not None or entry.request.get("mutable"):
        return f"run `dlm lock -P {entry.name}` to look for evidence anew"
    return "ask for what its makers publish under `evidence:` in the manifest, then run `dlm lock`"
