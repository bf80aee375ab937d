"""The verbs as functions, for programs: the same work and the same results as the commands.

Every function raises ``dlm.DlmError`` (or a subclass of it from ``dlm.errors``) where the command would fail; nothing
is printed. Settings come from the user's files and ``DLM_`` variables as on the command line; ``settings`` replaces
single ones by their names in ``dlm.Settings``.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dlm import __version__
from dlm.cli.files import find_project
from dlm.cli.host import build_run, target_platform
from dlm.cli.settings import load_settings
from dlm.model.digest import Digest
from dlm.model.events import Progress
from dlm.workflows.clean import clean as _clean
from dlm.workflows.fetch import fetch as _fetch
from dlm.workflows.lock import LockWish
from dlm.workflows.lock import lock as _lock
from dlm.workflows.look import locate
from dlm.workflows.settle import Modes
from dlm.workflows.sync import SyncWish
from dlm.workflows.sync import sync as _sync
from dlm.workflows.verify import verify as _verify

if TYPE_CHECKING:
    from dlm.model.events import Event
    from dlm.ports import Reporter
    from dlm.workflows.clean import CleanReport
    from dlm.workflows.fetch import FetchReport
    from dlm.workflows.lock import LockReport
    from dlm.workflows.run import Run
    from dlm.workflows.sync import SyncReport
    from dlm.workflows.verify import VerifyReport

__all__ = ["clean", "fetch", "lock", "path", "sync", "verify"]

StrPath = str | os.PathLike[str]


class LogReporter:
    """Events go to the logger ``dlm``, which the program configures or not."""

    def __init__(self) -> None:
        self._log = logging.getLogger("dlm")

    def emit(self, event: Event) -> None:
        """Log an event; progress is too much for a log."""
        if not isinstance(event, Progress):
            self._log.debug("%s", event)


def lock(
    directory: StrPath = ".",
    *,
    manifest: StrPath | None = None,
    upgrade: bool = False,
    upgrade_names: Sequence[str] = (),
    accept: Mapping[str, str | None] | None = None,
    allow_downgrade: bool = False,
    check: bool = False,
    dry_run: bool = False,
    offline: bool = False,
    settings: Mapping[str, object] | None = None,
    reporter: Reporter | None = None,
) -> LockReport:
    """Resolve, fetch into the cache, verify and write the lockfile of the project in ``directory``.

    Args:
        accept: names whose changed bytes are accepted, each with the digest they must have, or None.
    """
    wish = LockWish(
        upgrade=upgrade,
        names=tuple(upgrade_names),
        accept={name: Digest.parse(text) if text else None for name, text in (accept or {}).items()},
        allow_downgrade=allow_downgrade,
        offline="offline" if offline else None,
        dry_run=dry_run,
    )
    return _lock(_run(directory, manifest, settings, reporter), wish, check=check)


def sync(
    directory: StrPath = ".",
    *,
    manifest: StrPath | None = None,
    locked: bool = False,
    frozen: bool = False,
    offline: bool = False,
    groups: Sequence[str] = (),
    inexact: bool = False,
    force: bool = False,
    check: bool = False,
    dry_run: bool = False,
    keep_going: bool = False,
    settings: Mapping[str, object] | None = None,
    reporter: Reporter | None = None,
) -> SyncReport:
    """Make the tree of the project in ``directory`` what its manifest asks for."""
    wish = SyncWish(
        groups=tuple(groups), inexact=inexact, force=force, check=check, dry_run=dry_run, keep_going=keep_going
    )
    run = _run(directory, manifest, settings, reporter, need_manifest=not frozen)
    return _sync(run, _modes(locked=locked, frozen=frozen, offline=offline), wish)


def fetch(
    names: Sequence[str] = (),
    directory: StrPath = ".",
    *,
    manifest: StrPath | None = None,
    platform: str | None = None,
    locked: bool = False,
    frozen: bool = False,
    offline: bool = False,
    settings: Mapping[str, object] | None = None,
    reporter: Reporter | None = None,
) -> FetchReport:
    """Fill the cache with what ``names`` (everything, where none is given) need on ``platform``; place nothing.

    Args:
        platform: such as ``linux-x86_64``, or ``all``; this machine's by default.
    """
    run = _run(directory, manifest, settings, reporter, need_manifest=not frozen)
    modes = _modes(locked=locked, frozen=frozen, offline=offline)
    return _fetch(run, names, modes, platform=target_platform(platform))


def verify(
    directory: StrPath = ".",
    *,
    manifest: StrPath | None = None,
    repair: bool = False,
    offline: bool = False,
    settings: Mapping[str, object] | None = None,
    reporter: Reporter | None = None,
) -> VerifyReport:
    """Hash tree and cache anew and hold them against the lockfile."""
    run = _run(directory, manifest, settings, reporter, need_manifest=False)
    return _verify(run, _modes(offline=offline), repair=repair)


def clean(
    directory: StrPath = ".",
    *,
    manifest: StrPath | None = None,
    force: bool = False,
    dry_run: bool = False,
    settings: Mapping[str, object] | None = None,
    reporter: Reporter | None = None,
) -> CleanReport:
    """Remove all that dlm placed in the project."""
    run = _run(directory, manifest, settings, reporter, need_manifest=False)
    return _clean(run, force=force, dry_run=dry_run)


def path(
    name: str,
    directory: StrPath = ".",
    *,
    manifest: StrPath | None = None,
    settings: Mapping[str, object] | None = None,
) -> Path:
    """The path of a resource in the tree, checked against the lockfile; the first, where it has several files."""
    return Path(locate(_run(directory, manifest, settings, None, need_manifest=False), name)[0])


def _modes(*, locked: bool = False, frozen: bool = False, offline: bool = False) -> Modes:
    return Modes(
        locked="locked" if locked else None,
        frozen="frozen" if frozen else None,
        offline="offline" if offline else None,
    )


def _run(
    directory: StrPath,
    manifest: StrPath | None,
    settings: Mapping[str, object] | None,
    reporter: Reporter | None,
    *,
    need_manifest: bool = True,
) -> Run:
    environment = dict(os.environ)
    found, _ = load_settings(environment, dict(settings or {}))
    named = None if manifest is None else os.fspath(manifest)
    files = find_project(os.path.abspath(directory), named, need_manifest=need_manifest)
    return build_run(found, files, reporter or LogReporter(), environment, __version__)
