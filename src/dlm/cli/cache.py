"""``dlm cache``: the shared cache."""

from __future__ import annotations

import click

from dlm.cli.command import Border, Result, command
from dlm.cli.console import human_size

__all__ = ["cache"]


@click.group("cache")
def cache() -> None:
    """Look at the shared cache. It is safe to delete at any time: everything in it can be fetched again.

    \b
    Examples:
      dlm cache dir
      dlm cache size
      dlm cache ls
    """


@command("dir")
def dir_(border: Border) -> Result:
    """Print where the cache is.

    \b
    Example:
      du -sh "$(dlm cache dir)"
    """
    folder = border.settings.cache_dir
    border.console.data(folder)
    return Result(document={"dir": folder})


@command("size")
def size(border: Border) -> Result:
    """Print how many bytes the cache takes.

    \b
    Example:
      dlm cache size
    """
    from dlm.cli.host import build_store

    total = build_store(border.settings, border.console).size()
    border.console.data(human_size(total))
    return Result(document={"bytes": total})


@command("ls")
def ls(border: Border) -> Result:
    """List the blobs of the cache by the names people know them by.

    \b
    Example:
      dlm cache ls
    """
    from dlm.cli.host import build_store

    blobs = sorted(build_store(border.settings, border.console).blobs(), key=lambda blob: (blob.name, blob.sha256))
    for blob in blobs:
        border.console.data(f"{blob.sha256[:16]}  {human_size(blob.size):>10}  {blob.name or '(unnamed)'}")
    if not blobs:
        border.console.say("The cache is empty.")
    return Result(
        document={
            "blobs": [
                {"sha256": blob.sha256, "size": blob.size, "name": blob.name, "used": blob.used} for blob in blobs
            ]
        }
    )


for _command in (dir_, size, ls):
    cache.add_command(_command)
