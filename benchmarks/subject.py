"""dlm itself, as a user runs it: ``dlm sync --frozen`` in a project that has a lockfile, with an empty cache."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from benchmarks.files import Served
from benchmarks.measure import Command

__all__ = ["Documents", "Subject", "environment", "locked"]

_DEST = "files/"


@dataclass(frozen=True, slots=True)
class Documents:
    """What a project has before its first ``sync``; ``authority`` vouches for the server where that has TLS."""

    manifest: str
    lockfile: str
    authority: Path | None = None

    def moved(self, old: str, new: str, authority: Path | None) -> Documents:
        """The same for the same files at another address, where nothing but the address differs."""
        return Documents(self.manifest.replace(old, new), self.lockfile.replace(old, new), authority)


@dataclass(frozen=True, slots=True)
class Subject:
    """An installed console script, and what it is called in tables."""

    name: str
    script: Path

    def command(self, folder: Path, documents: Documents) -> Command:
        """A project below a fresh folder, and what makes it whole; files come into ``folder/project/files``."""
        project = folder / "project"
        project.mkdir(parents=True)
        (project / "downloads.yaml").write_text(documents.manifest, encoding="ascii")
        (project / "downloads.lock").write_text(documents.lockfile, encoding="utf-8")
        return Command((str(self.script), "sync", "--frozen"), project, environment(folder, documents.authority))


def environment(folder: Path, authority: Path | None) -> dict[str, str]:
    """Nothing of the user's own; the cache and all else below a fresh folder."""
    variables = {
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "HOME": str(folder),
        "DLM_NO_CONFIG": "1",
        "DLM_CACHE_DIR": str(folder / "cache"),
        "DLM_STATE_DIR": str(folder / "state"),
    }
    if authority is not None:
        variables["DLM_CA_FILE"] = str(authority)
    return variables


def locked(subject: Subject, folder: Path, served: Served) -> Documents:
    """A manifest for files below one address, and the lockfile that ``dlm lock`` writes for it.

    Raises:
        SystemExit: it fails.
    """
    project = folder / "project"
    project.mkdir(parents=True)
    files = {name: f"sha256:{sha256}" for name, sha256 in served.sha256.items()}
    wish = {"name": "all", "base": served.base, "dest": _DEST, "files": files}
    manifest = json.dumps({"version": 1, "resources": [wish]}, indent=1)
    (project / "downloads.yaml").write_text(manifest, encoding="ascii")
    done = subprocess.run(
        [str(subject.script), "lock"],
        cwd=project,
        env=environment(folder, served.authority),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f"{subject.script} lock failed: {done.stdout[-400:]}{done.stderr[-1000:]}")
    return Documents(manifest, (project / "downloads.lock").read_text(encoding="utf-8"), served.authority)
