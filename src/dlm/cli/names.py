"""Names that a shell completes: resources and groups, out of the lockfile alone and with next to nothing imported."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from dlm.errors import DlmError

if TYPE_CHECKING:
    import click
    from click.shell_completion import CompletionItem

__all__ = ["complete_groups", "complete_names"]


def complete_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of resources that begin with what stands there, without those that stand there already."""
    from click.shell_completion import CompletionItem

    given = ctx.params.get(param.name or "") or ()
    taken = {given} if isinstance(given, str) else set(given)
    return [
        CompletionItem(name, help=_version(entry))
        for name, entry in _resources(ctx)
        if name.startswith(incomplete) and name not in taken
    ]


def complete_groups(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of groups."""
    from click.shell_completion import CompletionItem

    groups = {group for _, entry in _resources(ctx) for group in _below(entry, "request").get("groups", ())}
    return [CompletionItem(group) for group in sorted(map(str, groups)) if group.startswith(incomplete)]


def _resources(ctx: click.Context) -> Iterator[tuple[str, dict[str, Any]]]:
    """The lockfile's entries. Where it cannot be read nothing is completed: the command itself will say why."""
    import json

    from dlm.cli.files import find_project

    directory = os.path.abspath(ctx.params.get("directory") or os.getcwd())
    try:
        data = find_project(directory, ctx.params.get("manifest"), need_manifest=False).read_lockfile()
        document = json.loads(data) if data is not None else None
    except (DlmError, ValueError, RecursionError):
        return
    for name, entry in _below(document, "resources").items():
        yield name, entry if isinstance(entry, dict) else {}


def _version(entry: dict[str, Any]) -> str | None:
    artifacts = entry.get("artifacts")
    versions = [one.get("version") for one in artifacts if isinstance(one, dict)] if isinstance(artifacts, list) else []
    return versions[-1] if versions and isinstance(versions[-1], str) else None


def _below(value: Any, key: str) -> dict[str, Any]:
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}
