"""What the API of python-org-downloads calls an artifact: its five-part version, its type, and its format as a mapping.

The shapes are that package's, values included (``executable``, ``tarball_lzma``, ``no-lto``), so that a program written
for it finds what it looks for. Where its own answers were wrong, these differ: a date is no oldest macOS, support files
for Windows have a format like all others, and what it could not tell apart has a key of its own (``embeddable``,
``alias``, ``superseded``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from dlm.model.candidate import Candidate
from dlm.model.selector import ARCHITECTURES, FORMATS
from dlm.resolve.python_org.names import ArtifactName, release_of

__all__ = ["REPACKAGED", "Format", "Version", "agrees", "shape", "version_parts"]

Format = dict[str, str | bool]
Version = tuple[int, int, int, str, int]

#: Keys of a file that stands in for a plainer one; without being asked for, such a file is not what is meant.
REPACKAGED = frozenset({"alias", "post_build", "revision", "superseded", "embeddable"})

_FORMATS: Mapping[str, str] = {
    "xz": "tarball_lzma",
    "tgz": "tarball_deflate",
    "bz2": "tarball_bzip2",
    "zip": "archive_deflate",
    "pkg": "installer_package",
    "dmg": "disk_image",
    "exe": "executable",
    "msi": "installation_packages",
}
_FLAGS: Mapping[str, Format] = {
    "alias": {"alias": True},
    "debug": {"debug": True},
    "embed": {"embed": True},
    "embeddable": {"embed": True, "embeddable": True},
    "freethreaded": {"free_threaded": True},
    "no_lto": {"options": "no-lto"},
    "pdb": {"pdb": "pdb"},
    "superseded": {"superseded": True},
    "test": {"test": True},
    "webinstall": {"webinstall": True},
}
_STAGES: Mapping[str, str] = {"a": "alpha", "b": "beta", "rc": "candidate", "": "final"}


@lru_cache(maxsize=1024)
def version_parts(text: str) -> Version:
    """``3.14.0rc1`` -> ``(3, 14, 0, "candidate", 1)``; a final has the serial 0."""
    release = release_of(text)
    match = re.search(r"(a|b|rc)([0-9]+)\Z", text)
    if release is None:
        raise ValueError(f"{text!r} is no version of Python")
    return (*release, _STAGES[match[1] if match else ""], int(match[2]) if match else 0)


def shape(name: ArtifactName | Candidate) -> tuple[str, Format]:
    """The type and the format of an artifact."""
    form: Format = {"format": _FORMATS[name.format]}
    values = dict(name.values)
    if "debug" in name.flags:  # python-org-downloads counts these zips as sources
        return "source-release", {**form, "debug": True}
    if "arch" in values:
        form["arch"] = values["arch"]
    if "min_macos" in values:
        filename = name.name if isinstance(name, ArtifactName) else name.filename
        written = re.search(r"macosx?([0-9.]+[0-9])", filename)  # macos11.0 keeps its zero here
        form["min_macos"] = written[1] if written else values["min_macos"]
    if "date" in values:
        form["date"] = values["date"]
    if "build" in values and name.type == "macos-release":
        form["revision"] = f"rev{values['build']}"
    elif "build" in values:
        form["post_build"] = values["build"]
    if "post" in values:
        form["post_build"] = f"post{values['post']}"
    for flag in sorted(name.flags):
        form |= _FLAGS[flag]
    return name.type, form


def agrees(wanted: Mapping[str, object], form: Mapping[str, object]) -> bool:
    """Whether a format has all that is wanted: short and long names are one, False and None mean "without"."""
    return all(_plain(key, value) == _plain(key, form.get(key)) for key, value in wanted.items())


def _plain(key: str, value: object) -> object:
    """A value in the one spelling that it is compared in."""
    if value is None or value is False:
        return None
    text = str(value)
    if key == "format":
        return FORMATS.get(text.lower().lstrip("."), text)
    if key == "arch":  # one machine, two names: amd64 on Windows, x86_64 elsewhere
        return "x86_64" if (arch := ARCHITECTURES.get(text.lower(), text)) == "amd64" else arch
    if key == "min_macos":
        return text if text.startswith("10.") else text.removesuffix(".0")
    if key in {"post_build", "revision"}:
        return text.removeprefix("post").removeprefix("rev")
    return True if key == "pdb" else value
