"""One file of a git revision, by the git command."""

from __future__ import annotations

import os
import subprocess

from dlm.errors import LocalError, UsageError

__all__ = ["file_at"]


def file_at(revision: str, path: str) -> tuple[str, bytes | None]:
    """The bytes of ``path`` at a revision, and that revision's full name; None where it was not there then.

    Raises:
        UsageError: ``path`` is in no git repository, or the revision is none of it.
        LocalError: git cannot be run.
    """
    folder, name = os.path.split(path)
    commit = _git(folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if commit.returncode:
        if _git(folder, "rev-parse", "--git-dir").returncode:
            raise UsageError(f"{folder} is in no git repository, so there is no revision to compare with")
        hint = "name a commit, a branch or a tag" if revision != "HEAD" else "commit the lockfile first"
        raise UsageError(f"git knows no revision {revision!r} here", hint=hint)
    full = commit.stdout.decode("ascii", "replace").strip()
    # The file as it is committed: `git show` would run filters that the repository's configuration names.
    found = _git(folder, "cat-file", "blob", f"{full}:./{name}")
    return full, None if found.returncode else found.stdout


def _git(folder: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(  # noqa: S603 - no shell, and what the user names stands behind --end-of-options
            ["git", "-C", folder, *arguments],  # noqa: S607 - git is wherever the user has it
            capture_output=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except OSError as error:
        raise LocalError(f"git cannot be run: {error.strerror}", hint="install git") from error
