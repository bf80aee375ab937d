"""``dlm list``, ``dlm show``, ``dlm path``."""

from __future__ import annotations

import json

import click

from dlm.cli.changes import step_of
from dlm.cli.command import Border, Result, command
from dlm.cli.console import human_size
from dlm.cli.names import complete_names
from dlm.model.evidence import Provenance
from dlm.model.lockfile import LockedArtifact
from dlm.workflows.look import Listed, list_resources, locate, one_resource

__all__ = ["list_", "path", "show"]

_ABSENT = {
    "missing": "there was none",
    "not-checked": "what checks it was not installed",
    "unknown-signer": "nothing says who ought to have signed",
}


@command("list")
def list_(border: Border) -> Result:
    """List what the project asks for, what is locked and what is in place.

    \b
    Examples:
      dlm list
      dlm list --format json
    """
    found = list_resources(border.run())
    width = max((len(one.name) for one in found), default=0)
    steps = max((len(step.word) for one in found if (step := step_of(one.artifacts)) is not None), default=0)
    for one in found:
        size = sum(artifact.size for artifact in one.artifacts)
        version = next((artifact.version for artifact in one.artifacts if artifact.version), "")
        step = step_of(one.artifacts)
        word = step.word if step is not None else ""
        row = f"{one.name:<{width}}  {one.standing:<9}  {human_size(size):>10}  {word:<{steps}}  {version}"
        border.console.data(row.rstrip())
    if not found:
        border.console.say("The manifest asks for nothing yet. Add resources to it, then run `dlm lock`.")
    return Result(document={"resources": [_document(one) for one in found]})


@command("show")
@click.argument("name", shell_complete=complete_names)
def show(border: Border, *, name: str) -> Result:
    """Show one resource in full: what was asked for, and what it was pinned to.

    \b
    Example:
      dlm show python-3.13.x-source-release-xz
    """
    found = one_resource(border.run(), name)
    data = border.console.data
    data(f"{found.name}: {found.standing}")
    for key, value in found.request.items():
        data(f"  {key}: {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}")
    for artifact in found.artifacts:
        data(f"  {artifact.filename}" + (f" ({artifact.platform})" if artifact.platform else ""))
        rows = {
            "version": artifact.version,
            "url": artifact.url,
            "dest": artifact.dest,
            "size": f"{artifact.size} ({human_size(artifact.size)})",
            **artifact.digests.as_mapping(),
            **artifact.headers,
            "extracted": _extracted(artifact),
        }
        for key, text in rows.items():
            if text:
                data(f"    {key}: {text}")
        provenance = Provenance.from_documents(artifact.evidence)
        data(f"    evidence: {provenance.strongest.word}")
        for piece in provenance:
            data(f"      {piece.shown}")
        for absence in provenance.absences:
            data(f"      no {absence.kind}: {_ABSENT[absence.reason]}")
        if not artifact.verified:
            data("    not fetched yet: the manifest alone vouches for size and digest")
    return Result(document=_document(found))


@command("path")
@click.argument("name", shell_complete=complete_names)
def path(border: Border, *, name: str) -> Result:
    """Print the path of a resource in the tree, checked against the lockfile; for scripts.

    \b
    Example:
      tar -xf "$(dlm path python-3.13.x-source-release-xz)"
    """
    found = locate(border.run(need_manifest=False), name)
    for one in found:
        border.console.data(one)
    return Result(document={"paths": list(found)})


def _extracted(artifact: LockedArtifact) -> str:
    found = artifact.extracted
    return "" if found is None else f"{found.files} file{'' if found.files == 1 else 's'}, tree {found.tree}"


def _document(one: Listed) -> dict[str, object]:
    return {
        "name": one.name,
        "standing": one.standing,
        "request": one.request,
        "artifacts": [
            {
                "platform": artifact.platform,
                "filename": artifact.filename,
                "version": artifact.version,
                "url": artifact.url,
                "dest": artifact.dest,
                "size": artifact.size,
                "digests": artifact.digests.as_mapping(),
                "verified": artifact.verified,
                **({} if artifact.extracted is None else {"extracted": artifact.extracted.as_mapping()}),
                "headers": dict(artifact.headers),
                "step": Provenance.from_documents(artifact.evidence).strongest.word,
                "evidence": [dict(step) for step in artifact.evidence],
            }
            for artifact in one.artifacts
        ],
    }
