"""Bytes that are not what they are pinned to: what is said of their size, and what the next step is."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dlm.errors import EvidenceError, IntegrityError

if TYPE_CHECKING:
    from dlm.errors import DlmError
    from dlm.model.manifest import Resource, Variant
    from dlm.model.plan import Found
    from dlm.workflows.run import Run

__all__ = ["explain", "size_here", "wrong_size"]


def wrong_size(run: Run, resource: Resource, expected: int, found: int) -> IntegrityError:
    """The error for bytes that have the pinned digest and are ``found`` bytes long where ``expected`` are pinned."""
    error = IntegrityError(
        f"a size of {expected} bytes was expected, the bytes with this digest are {found}",
        resource=resource.name,
        hint=f"if the new bytes are wanted: dlm lock --accept-hash {resource.name}",
    )
    explain(run, resource, error)
    return error


def explain(run: Run, resource: Resource, error: DlmError) -> None:
    """Put right the next step of an error where the manifest itself says what the bytes must be.

    No flag makes others acceptable then. What is wrong with a mirror stays wrong with the mirror.
    """
    if not isinstance(error, IntegrityError) or isinstance(error, EvidenceError) or not _pinned_by_hand(resource):
        return
    if error.hint is None or "--accept-hash" in error.hint:
        error.hint = f"if the new bytes are right, correct the digest or size in {run.files.manifest_name}"


def size_here(run: Run, sha256: str, found: Found) -> int | None:
    """How many bytes a blob has that a path shows, or that is behind what it shows; None where nothing here tells.

    Only a link or what came out of an archive costs a look into the store.
    """
    if found.kind == "file" and found.placement is not None and found.sha256 == sha256:
        return found.placement.size
    try:
        return os.stat(run.store.path_of(sha256)).st_size
    except OSError:
        return None


def _pinned_by_hand(resource: Resource) -> bool:
    parts: tuple[Resource | Variant, ...] = (resource, *resource.platforms)
    return any(one.digests or one.size is not None for one in parts) or any(one.digests for one in resource.files)
