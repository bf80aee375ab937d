"""The programs that the comparisons need: found, and where root is at hand installed from the system's packages."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys

__all__ = ["NEEDED", "install", "missing", "search_path", "versions"]

NEEDED = ("nginx", "openssl")
"""Without these nothing can be measured."""

_PACKAGES = {
    "nginx": "nginx",
    "openssl": "openssl",
    "curl": "curl",
    "aria2c": "aria2",
    "wget2": "wget2",
    "sha256sum": "coreutils",
}
_LIBRARIES = ("requests", "pooch")
_VERSION = {
    "nginx": ("nginx", "-v"),
    "openssl": ("openssl", "version"),
    "curl": ("curl", "--version"),
    "aria2c": ("aria2c", "--version"),
    "wget2": ("wget2", "--version"),
    "sha256sum": ("sha256sum", "--version"),
}


def search_path() -> str:
    """``PATH`` of servers and peers: this interpreter first, and where systems put servers last."""
    own = os.path.dirname(sys.executable)
    return os.pathsep.join((own, os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"))


def missing() -> frozenset[str]:
    """What is not there: names of programs, and ``python:NAME`` for libraries."""
    path = search_path()
    programs = {name for name in _PACKAGES if shutil.which(name, path=path) is None}
    libraries = {f"python:{name}" for name in _LIBRARIES if importlib.util.find_spec(name) is None}
    return frozenset(programs | libraries)


def install() -> None:
    """Install missing programs with apt-get, if this is root and there is one; else say what is missing."""
    packages = sorted(_PACKAGES[name] for name in missing() if name in _PACKAGES)
    if not packages:
        return
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        print(f"missing, and not installed for want of root or apt-get: {', '.join(packages)}", file=sys.stderr)
        return
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run([apt, "update", "--quiet"], env=environment, check=False, stdout=sys.stderr)
    for package in packages:  # one by one: not every system has all of them
        subprocess.run(
            [apt, "install", "--quiet", "--yes", "--no-install-recommends", package],
            env=environment,
            check=False,
            stdout=sys.stderr,
        )


def versions() -> dict[str, str]:
    """What each program says of itself, in one line."""
    found = {}
    for name, command in _VERSION.items():
        program = shutil.which(command[0], path=search_path())
        if program is None:
            found[name] = "not there"
            continue
        done = subprocess.run([program, *command[1:]], capture_output=True, text=True, check=False)
        found[name] = (done.stdout or done.stderr).partition("\n")[0].strip()
    for name in _LIBRARIES:
        there = importlib.util.find_spec(name) is not None
        found[name] = importlib.metadata.version(name) if there else "not there"
    return found
