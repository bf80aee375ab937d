"""Names of platforms: ``os-arch``, open-ended, with the spellings of one machine taken as one."""

from __future__ import annotations

from functools import lru_cache

from dlm.model.late import late

__all__ = ["canonical", "check_platform", "matches"]

_NAME = late(r"[a-z][a-z0-9]*(?:-[a-z0-9_.]+){0,3}\Z")
_OS = {"darwin": "macos", "macosx": "macos", "osx": "macos", "win": "windows", "win32": "windows"}
_ARCH = {"amd64": "x86_64", "x64": "x86_64", "aarch64": "arm64", "i386": "x86", "i686": "x86"}


def check_platform(name: str) -> str:
    """``name``, if it can be a platform's.

    Raises:
        ValueError: it has another form.
    """
    if not _NAME.match(name):
        raise ValueError(f"{name!r} is no platform; write one like linux-x86_64 or macos-arm64")
    return name


@lru_cache(maxsize=64)
def canonical(name: str) -> str:
    """One spelling for all that mean the same machine."""
    os, dash, rest = name.partition("-")
    os = _OS.get(os, os)
    if not dash:
        return os
    arch, dash, variant = rest.partition("-")
    return f"{os}-{_ARCH.get(arch, arch)}{dash}{variant}"


def matches(declared: str, host: str) -> bool:
    """Whether something declared for ``declared`` is meant for ``host``; an ``os`` alone means all of its machines."""
    wanted, here = canonical(declared), canonical(host)
    return wanted == here or ("-" not in wanted and here.partition("-")[0] == wanted)
