"""``dlm schema``."""

from __future__ import annotations

import json

import click

from dlm.cli.command import Border, Result, command

__all__ = ["schema"]


@command("schema")
@click.argument("document", type=click.Choice(["manifest", "lockfile", "output", "events"]), default="manifest")
def schema(border: Border, *, document: str) -> Result:
    """Print a JSON Schema: of the manifest, the lockfile, or what --format json and ndjson print.

    \b
    Examples:
      dlm schema > downloads.schema.json
      dlm schema lockfile
    """
    from dlm.documents.schema import write_schema

    text = write_schema(document)
    border.console.data(text.rstrip("\n"))
    return Result(document={"name": document, "schema": json.loads(text)})
