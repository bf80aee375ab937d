"""What a result was measured on."""

from __future__ import annotations

import datetime as dt
import os
import platform
import subprocess
import sys
from pathlib import Path

from benchmarks.subject import Subject

__all__ = ["described", "revision", "wire"]


def described() -> str:
    """Cores, processor, memory, kernel, Python; in one line."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    load = os.getloadavg()[0]
    python = f"Python {platform.python_version()}{', of the system' if sys.base_prefix == '/usr' else ''}"
    system = f"{platform.system()} {platform.release()}, {platform.machine()}; {python}"
    when = f"load {load:.1f} when it began, {dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC"
    return f"{os.cpu_count()} cores ({_processor()}), {memory:.0f} GiB of memory, {system}; {when}"


def _processor() -> str:
    found = {"model name": "unknown", "flags": ""}
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition(":")
        found[key.strip()] = value.strip()
    instructions = ", SHA instructions" if "sha_ni" in found["flags"].split() else ""
    return f"{found['model name']}{instructions}"


def revision() -> str:
    """The commit of the working tree that this runs from, ``+`` where it is changed; empty where there is none."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty=+", "--exclude=*"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip()


def wire(subject: Subject) -> str:
    """dlm's version, and what it speaks HTTP with."""
    script = str(subject.script)
    environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "DLM_NO_CONFIG": "1"}
    version = subprocess.run([script, "--version"], env=environment, capture_output=True, text=True, check=True).stdout
    doctor = subprocess.run([script, "doctor"], env=environment, capture_output=True, text=True, check=False).stdout
    rows = dict(line.strip().split(": ", 1) for line in doctor.splitlines() if ": " in line)
    parts = [f"{name} {rows[name]}" for name in ("pycurl", "libcurl") if name in rows]
    return ", ".join([version.strip(), *parts])


def in_memory(folder: Path) -> bool:
    """Whether a folder is on a file system that lives in memory."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines()]
    places = {fields[1]: fields[2] for fields in mounts}
    for place in (folder, *folder.parents):
        if str(place) in places:
            return places[str(place)] in {"tmpfs", "ramfs"}
    return False
