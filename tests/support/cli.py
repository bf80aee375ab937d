"""The installed command, run as a user runs it: a child process in a project of its own.

Each :class:`Desk` has its own project, cache, state folder and home below one temporary folder, and an environment
that holds nothing else. What differs from run to run (ports, waits, speeds, the temporary folder) is put into fixed
words before a test sees it.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.processes import give_up_privileges

__all__ = ["BACKENDS", "Desk", "Ran", "console_script"]

BACKENDS = ("curl", "requests")

_FILTERS = (
    (re.compile(r"https?://127\.0\.0\.1:[0-9]+"), "https://origin"),
    (re.compile(r"127\.0\.0\.1:[0-9]+"), "origin"),
    (re.compile(r"(?<= in )[0-9]+\.[0-9]+ s\b"), "… s"),
    (re.compile(r"[0-9.]+ [KMGT]?i?B/s"), "… B/s"),
)


def console_script() -> str:
    """The path of the installed ``dlm``."""
    return str(Path(sys.executable).with_name("dlm.exe" if os.name == "nt" else "dlm"))


def _become_plain() -> None:
    """Between fork and exec: have file modes count, also for root."""
    if sys.platform.startswith("linux") and os.geteuid() == 0:
        set_securebits, no_root = 28, 1  # PR_SET_SECUREBITS, SECBIT_NOROOT: exec gives root nothing back
        if ctypes.CDLL(None, use_errno=True).prctl(set_securebits, no_root, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl")
    give_up_privileges()


@dataclass(frozen=True)
class Ran:
    """What a command did: its code, and what it said, with volatile parts put into fixed words."""

    arguments: tuple[str, ...]
    code: int
    out: str
    err: str

    def __str__(self) -> str:
        lines = [f"$ dlm {' '.join(self.arguments)}".rstrip(), *self.out.splitlines()]
        lines += [f"! {line}".rstrip() for line in self.err.splitlines()]
        return "\n".join([*lines, f"[{self.code}]", ""])

    @property
    def document(self) -> dict[str, Any]:
        """The one document of ``--format json``."""
        found: dict[str, Any] = json.loads(self.out)
        return found

    def ok(self) -> Ran:
        """The same, if the command did not fail."""
        assert self.code == 0, str(self)
        return self


@dataclass
class Desk:
    """One user's machine with one project.

    Attributes:
        base: the folder that holds everything.
        variables: what the environment holds beyond the least.
    """

    base: Path
    variables: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for folder in (self.root, self.home):
            folder.mkdir(parents=True, exist_ok=True)

    @property
    def root(self) -> Path:
        """The project."""
        return self.base / "project"

    @property
    def cache(self) -> Path:
        """The cache."""
        return self.base / "cache"

    @property
    def state(self) -> Path:
        """The state folder."""
        return self.base / "state"

    @property
    def home(self) -> Path:
        """The user's home."""
        return self.base / "home"

    @property
    def lockfile(self) -> Path:
        """The project's lockfile."""
        return self.root / "downloads.lock"

    def environment(self) -> dict[str, str]:
        """The whole environment of a command."""
        return {
            "PATH": os.defpath,
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "PYTHONWARNINGS": "error",
            "DLM_NO_CONFIG": "1",
            "DLM_SYSTEM_CONFIG_FILE": str(self.home / "no-such-file"),
            "DLM_CACHE_DIR": str(self.cache),
            "DLM_STATE_DIR": str(self.state),
            "DLM_RETRY_BACKOFF": "0",
            **self.variables,
        }

    def manifest(self, text: str, name: str = "downloads.yaml") -> None:
        """Write the manifest."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def start(
        self,
        *arguments: str,
        cwd: Path | None = None,
        variables: Mapping[str, str] | None = None,
        program: Sequence[str] | None = None,
        plain_user: bool = False,
    ) -> subprocess.Popen[str]:
        """Begin a command."""
        return subprocess.Popen(
            [*(program or [console_script()]), *arguments],
            cwd=cwd or self.root,
            env={**self.environment(), **(variables or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            preexec_fn=_become_plain if plain_user else None,  # noqa: PLW1509 - a child with one thread
        )

    def end(self, process: subprocess.Popen[str], *arguments: str) -> Ran:
        """Wait for a command."""
        out, err = process.communicate(timeout=300)
        assert "Traceback (most recent call last)" not in (err or ""), err  # never, and never into a snapshot
        shown = tuple(map(self._filtered, arguments))
        return Ran(shown, process.returncode, self._filtered(out or ""), self._filtered(err or ""))

    def dlm(
        self,
        *arguments: str,
        cwd: Path | None = None,
        variables: Mapping[str, str] | None = None,
        program: Sequence[str] | None = None,
        plain_user: bool = False,
    ) -> Ran:
        """Run a command to its end.

        Args:
            arguments: behind ``dlm``.
            cwd: where; the project by default.
            variables: more of the environment.
            program: instead of the installed console script.
            plain_user: file modes count, even for root.
        """
        process = self.start(*arguments, cwd=cwd, variables=variables, program=program, plain_user=plain_user)
        return self.end(process, *arguments)

    def git(self, *arguments: str) -> None:
        """Run git in the project, whatever the machine's own configuration says."""
        found = shutil.which("git")
        assert found is not None
        environment = {**self.environment(), "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        identity = ("-c", "user.name=n", "-c", "user.email=n@example.org", "-c", "init.defaultBranch=main")
        subprocess.run([found, *identity, *arguments], cwd=self.root, env=environment, check=True, capture_output=True)

    def kill(self, process: subprocess.Popen[str]) -> None:
        """``kill -9``."""
        process.send_signal(signal.SIGKILL)
        process.communicate()

    def lock(self) -> dict[str, Any]:
        """The lockfile, read with nothing of dlm."""
        found: dict[str, Any] = json.loads(self.lockfile.read_bytes())
        return found

    def entry(self, name: str) -> dict[str, Any]:
        """One entry of the lockfile."""
        found: dict[str, Any] = self.lock()["resources"][name]
        return found

    def tree(self) -> dict[str, bytes]:
        """Every file of the project but manifest and lockfile, with its bytes."""
        return {
            path.relative_to(self.root).as_posix(): path.read_bytes()
            for path in sorted(self.root.rglob("*"))
            if path.is_file() and not path.name.startswith("downloads.")
        }

    def filtered_lockfile(self) -> str:
        """The lockfile's text with the origin's address in fixed words."""
        return self._filtered(self.lockfile.read_text(encoding="utf-8"))

    def _filtered(self, text: str) -> str:
        for folder in dict.fromkeys((self.base, self.base.resolve())):
            text = text.replace(str(folder), "…")
        for pattern, words in _FILTERS:
            text = pattern.sub(words, text)
        return text
