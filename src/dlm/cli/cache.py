"""``dlm cache``: the shared cache."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from dlm.cli.command import Border, Result, command
from dlm.cli.console import human_size
from dlm.errors import UsageError
from dlm.model.events import Note
from dlm.model.frozen import replace

if TYPE_CHECKING:
    from dlm.store.local import LocalStore

__all__ = ["cache"]


@click.group("cache")
def cache() -> None:
    """Look at the shared cache. It is safe to delete at any time: everything in it can be fetched again.

    \b
    Examples:
      dlm cache dir
      dlm cache size
      dlm cache ls
      dlm cache prune --max-size 20GiB
      dlm cache verify
      dlm cache clean
    """


def _store(border: Border) -> LocalStore:
    """The cache in dlm's own format."""
    if border.settings.cache_format != "dlm":
        raise UsageError(
            f"{border.settings.cache_dir} has the layout of cachedir, which its own tool looks after",
            hint="without DLM_CACHE_FORMAT and cache.format, this command is about dlm's own cache",
        )
    from dlm.cli.host import build_store

    return build_store(border.settings, border.console)


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
    total = _store(border).size()
    border.console.data(human_size(total))
    return Result(document={"bytes": total})


@command("ls")
def ls(border: Border) -> Result:
    """List what is in the cache by the names of the artifacts; digests are in --format json.

    \b
    Example:
      dlm cache ls
    """
    from dlm.workflows.prune import blob_names

    blobs = list(_store(border).blobs())
    if any(not blob.name for blob in blobs):
        # The index was lost, or an older dlm wrote them: lockfiles know the names, too.
        names = blob_names(border.settings.state_dir)
        blobs = [blob if blob.name else replace(blob, name=names.get(blob.sha256, "")) for blob in blobs]
    blobs.sort(key=lambda blob: (blob.name, blob.sha256))
    for blob in blobs:
        border.console.data(f"{human_size(blob.size):>10}  {blob.name or '(unnamed)'}")
    if not blobs:
        border.console.say("The cache is empty.")
    return Result(
        document={
            "blobs": [
                {"sha256": blob.sha256, "size": blob.size, "name": blob.name, "used": blob.used} for blob in blobs
            ]
        }
    )


@command("prune")
@click.option(
    "--max-size", "size_limit", metavar="SIZE", help="Remove as much as it takes for the rest to fit, such as 20GiB."
)
@click.option("--max-age", "age_limit", metavar="AGE", help="Remove what was not used for so long, such as 30d.")
@click.option(
    "--keep-locked",
    metavar="PATH",
    multiple=True,
    help="Keep what this lockfile names, or that of this folder. May be given several times.",
)
@click.option("--ignore-projects", is_flag=True, help="Do not keep what the lockfiles of known projects name.")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
def prune(
    border: Border,
    *,
    size_limit: str | None,
    age_limit: str | None,
    keep_locked: tuple[str, ...],
    ignore_projects: bool,
    dry_run: bool,
) -> Result:
    """Remove what was not used for longest. Without a limit, everything that nothing names any more.

    What the lockfile of a project that was used on this machine names stays, and so does what a running dlm uses.

    \b
    Examples:
      dlm cache prune
      dlm cache prune --max-size 20GiB
      dlm cache prune --max-age 30d --keep-locked ../other-machine/downloads.lock
    """
    from dlm.cli.settings import parse_age, parse_size
    from dlm.workflows.prune import PruneWish
    from dlm.workflows.prune import prune as prune_workflow

    wish = PruneWish(
        max_size=None if size_limit is None else parse_size("--max-size", size_limit),
        max_age=None if age_limit is None else parse_age("--max-age", age_limit),
        keep=tuple(os.path.join(border.directory, path) for path in keep_locked),
        ignore_projects=ignore_projects,
        dry_run=dry_run,
    )
    console = border.console
    done = prune_workflow(_store(border), border.settings.state_dir, wish)
    for blob in done.removed:
        console.emit(Note(f"{'would remove' if dry_run else 'removed'} {blob.name or blob.sha256}"))
    count = f"{len(done.removed)} blob{'' if len(done.removed) == 1 else 's'}"
    verb = "Would remove" if dry_run else "Removed"
    console.say(f"{verb} {count}, {human_size(done.freed)}; {human_size(done.left)} stay.")
    if done.locked:
        console.say(f"{done.locked} more stay because lockfiles name them; --ignore-projects does not ask those.")
    if done.used:
        console.say(f"{done.used} more stay because another dlm uses them now.")
    return Result(
        document={
            "removed": [{"sha256": blob.sha256, "size": blob.size, "name": blob.name} for blob in done.removed],
            "freed": done.freed,
            "left": done.left,
            "kept": {"locked": done.locked, "in_use": done.used},
            "dry_run": dry_run,
        }
    )


@command("verify")
def verify(border: Border) -> Result:
    """Hash everything in the cache anew, read-only caches included.

    What is damaged is set aside, and fetched again by whoever needs it. Exit code 4 if there was any.

    \b
    Example:
      dlm cache verify
    """
    store = _store(border)
    names = {blob.sha256: blob.name for blob in store.blobs()}
    found = dict(store.verify_all())
    store.close()
    bad = [sha256 for sha256, good in found.items() if not good]
    console = border.console
    for sha256 in bad:
        console.say(f"{console.style('damaged:', 'red')} {names.get(sha256) or sha256}")
    if bad:
        console.say(f"{console.style('hint:', 'cyan')} run `dlm verify --repair` in the projects that need them")
    else:
        console.say(f"All well: {len(found)} blob{'' if len(found) == 1 else 's'} hash to their names.")
    document = {"blobs": len(found), "damaged": [{"sha256": one, "name": names.get(one, "")} for one in bad]}
    return Result(code=4 if bad else 0, document=document)


@command("clean")
def clean(border: Border) -> Result:
    """Remove everything that dlm has put into the cache. It can all be fetched again.

    Files in projects stay, but for those that were placed as symbolic links into the cache.

    \b
    Example:
      dlm cache clean
    """
    blobs, total = _store(border).clean()
    if blobs or total:
        count = f"{blobs} blob{'' if blobs == 1 else 's'}"
        border.console.say(
            f"Removed {count} and what belongs to them, {human_size(total)}, from {border.settings.cache_dir}."
        )
    else:
        border.console.say("The cache is empty.")
    return Result(document={"dir": border.settings.cache_dir, "blobs": blobs, "bytes": total})


for _command in (dir_, size, ls, prune, verify, clean):
    cache.add_command(_command)
