"""Names of platforms: ``os``, ``os-arch`` or ``os-arch-variant``, with the spellings of one machine taken as one.

A name may be anybody's own, such as that of a board; but one that differs little from a known word is a slip of the
pen, and would be a platform that nobody has: what is meant for it would be passed over, and removed where it was
placed.
"""

from __future__ import annotations

from functools import lru_cache

from dlm.model.late import late

__all__ = ["canonical", "check_platform", "is_known", "matches"]

_NAME = late(r"([a-z][a-z0-9]*)(?:-([a-z0-9_.]+)(?:-[a-z][a-z0-9_.]*){0,2})?\Z")
_OS = {"darwin": "macos", "macosx": "macos", "osx": "macos", "win": "windows", "win32": "windows"}
_ARCH = {"amd64": "x86_64", "x64": "x86_64", "aarch64": "arm64", "i386": "x86", "i686": "x86"}
# What Python, Go and Rust run on, as texts: next to no run asks, and each would make the sets.
_SYSTEMS = (
    " aix android dragonfly emscripten freebsd fuchsia haiku hurd illumos inferno ios linux macos netbsd openbsd"
    " plan9 qnx redox solaris sunos tvos visionos wasi watchos windows zos "
)
#: Those that Python names with their release (``freebsd14``).
_NUMBERED = late(r"(?:aix|dragonfly|freebsd|haiku|netbsd|openbsd|sunos)[0-9]+\Z")
_MACHINES = (
    " alpha arc arm arm32v6 arm32v7 arm64 arm64_32 arm64e arm64v8 armel armhf armv5 armv5l armv5te armv5tejl"
    " armv5tel armv6 armv6hf armv6l"
    " armv7 armv7a armv7hf armv7l armv7s armv8 armv8l e2k hppa i486 i586 ia64 loong64 loongarch64 m68k mips mips64"
    " mips64el mips64le mipsel mipsle parisc parisc64 powerpc powerpc64 powerpc64le ppc ppc64 ppc64el ppc64le riscv32"
    " riscv64 riscv64gc s390 s390x sh4 sparc sparc64 sparcv9 vax wasm32 wasm64 x32 x86 x86_64 x86_64_v2 x86_64_v3"
    " x86_64_v4 xtensa "
)
#: What a slip of the pen is held against, and how alike (as difflib has it) it has to be.
_NEAR_SYSTEMS = ("linux", "macos", "windows", "darwin", "osx", "win32", "freebsd", "android")
_NEAR_MACHINES = ("x86_64", "arm64", "amd64", "aarch64")
_ALIKE_SYSTEMS, _ALIKE_MACHINES = 0.75, 0.8
#: What most people mean, for suggestions.
_USUAL = ("linux", "linux-x86_64", "linux-arm64", "macos", "macos-arm64", "macos-x86_64", "windows", "windows-x86_64")


def check_platform(name: str) -> str:
    """``name``, if it can be a platform's.

    Raises:
        ValueError: it has another form, or looks like another name, written wrongly.
    """
    found = _NAME.match(name)
    if found is None:
        raise ValueError(f"{name!r} is no platform{_meant(name)}")
    system, machine = found.group(1), found.group(2)
    if not _knows_system(system) and _slipped(system, _NEAR_SYSTEMS, _ALIKE_SYSTEMS):
        raise ValueError(f"{name!r} is no platform, since no system is called {system!r}{_meant(name)}")
    if machine is not None and not _knows_machine(machine) and _slipped(machine, _NEAR_MACHINES, _ALIKE_MACHINES):
        raise ValueError(f"{name!r} is no platform, since no machine is called {machine!r}{_meant(name)}")
    return name


def is_known(name: str) -> bool:
    """Whether system and machine are words that others use, too."""
    found = _NAME.match(name)
    if found is None:
        return False
    system, machine = found.group(1), found.group(2)
    return _knows_system(system) and (machine is None or _knows_machine(machine))


def _knows_system(word: str) -> bool:
    return f" {word} " in _SYSTEMS or word in _OS or _NUMBERED.match(word) is not None


def _knows_machine(word: str) -> bool:
    return f" {word} " in _MACHINES or word in _ARCH


def _slipped(word: str, known: tuple[str, ...], alike: float) -> bool:
    import difflib

    return bool(difflib.get_close_matches(word, known, n=1, cutoff=alike))


def _meant(name: str) -> str:
    from dlm.model.suggest import suggest

    near = suggest(name.lower(), _USUAL)
    return near if near.startswith("; did you mean") else "; write one like linux-x86_64 or macos-arm64"


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
