"""The grammar of file names below python.org's ``/ftp/python/``: what a name is, by its letters alone.

``classify`` knows four kinds of names and passes over all others with None: artifacts that a selector can mean,
sidecars that vouch for another file, folders, and files that are known but are no releases (manuals, feeds, parts of
old distributions). The whole name has to fit one form; nothing is guessed from a name that merely begins like one.

Thirty years of names hold some surprises, and each has its line here: ``c1`` for ``rc1`` before 2.7, two components
for releases up to 3.2 (``2.7`` is 2.7.0), capital and small initials, dots or dashes before an architecture, dates
behind ``macosx``, 32-bit Windows files that do not say so, tarballs of Android and iOS that are not source.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Literal

from dlm.model.frozen import dataclass, field

__all__ = [
    "WITHDRAWN",
    "ArtifactName",
    "Directory",
    "DirectoryKind",
    "KnownOther",
    "KnownOtherKind",
    "Name",
    "Sidecar",
    "SidecarKind",
    "classify",
    "release_of",
]

SidecarKind = Literal["asc", "sig", "crt", "sigstore", "rekor", "spdx.json"]
DirectoryKind = Literal["release", "parts", "sources", "other"]
KnownOtherKind = Literal["documentation", "index", "library", "installer-manager"]

#: Releases that their makers recalled. 3.9.3 broke the ABI of 32-bit extension modules and was taken back within two
#: days; its files are still served.
WITHDRAWN = frozenset({"3.9.3"})

_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactName:
    """A file that a selector can mean.

    Attributes:
        name: the file's name.
        version: PEP 440 text with as many components as the name has: ``2.7`` stays ``2.7`` (which equals 2.7.0),
            ``2.4.3c1`` becomes ``2.4.3rc1``. What stands behind ``post`` is in ``values``: it counts packagings of
            one release, not releases.
        type: one of the types of ``dlm.model.selector.PYTHON_TYPES``.
        format: short form, as in ``dlm.model.selector.FORMATS``.
        flags: options without a value that set the file apart. ``alias`` and ``superseded`` are no options of a
            selector on purpose: such files are found by ``file=NAME`` alone.
        values: options with one: ``arch``, ``min_macos``, ``post``, ``build``; and ``date``, which no option names.
    """

    name: str
    version: str
    type: str
    format: str
    flags: frozenset[str] = frozenset()
    values: Mapping[str, str] = field(default_factory=lambda: _NOTHING, hash=False)


@dataclass(frozen=True, slots=True)
class Sidecar:
    """A file that says something about another one: a signature, its certificate, its log entry, or a parts list."""

    name: str
    of: str
    kind: SidecarKind


@dataclass(frozen=True, slots=True)
class Directory:
    """A folder, named without its final slash.

    ``kind`` is ``release`` for ``3.13.0`` and then ``version`` says which, ``sources`` for ``src``, ``parts`` for the
    pieces that the Windows web installer fetches (``amd64rc1``), ``other`` for what is not about releases.
    """

    name: str
    kind: DirectoryKind
    version: str | None = None


@dataclass(frozen=True, slots=True)
class KnownOther:
    """A file that is known and is nothing a selector means."""

    name: str
    kind: KnownOtherKind


Name = ArtifactName | Sidecar | Directory | KnownOther

# Three digits are plenty, and bound what a hostile listing can make of a number.
_N = r"(?:0|[1-9][0-9]{0,2})"
_RELEASE = rf"{_N}\.{_N}(?:\.{_N})?"
_VERSION = rf"(?P<release>{_RELEASE})(?P<pre>(?:a|b|rc|c){_N})?"
_MACOS = r"(?:10\.[0-9]{1,2}|1[1-9](?:\.[0-9]{1,2})?|[2-9][0-9](?:\.[0-9]{1,2})?)"
_DATE = r"(?:19|20)[0-9]{2}-[0-9]{2}-[0-9]{2}"

_LONGEST = 128
_LAST_IN_SRC = (2, 0, 0)


def classify(name: str, folder: str = "") -> Name | None:
    """What ``name`` is, or None where it is nothing known.

    Args:
        name: one segment of a path, unescaped; a folder's ends in a slash.
        folder: the folder it stands in, relative to the tree's root, such as ``3.13.0`` or ``src``; with or without a
            final slash. Empty for the root itself or where the folder does not matter. In a release's folder only
            that release's artifacts count.
    """
    if len(name) > _LONGEST or not name.isascii():
        return None
    place = folder.strip("/")
    if name.endswith("/"):
        return _directory(name[:-1], place)
    return _sidecar(name, place) or _file(name, place)


def release_of(version: str) -> tuple[int, int, int] | None:
    """The numbers of a version's release, ``2.7rc1`` -> (2, 7, 0); None for a form that python.org does not use."""
    match = _WHOLE_VERSION.fullmatch(version)
    return None if match is None else _triple(match["release"])


_WHOLE_VERSION = re.compile(_VERSION)


@lru_cache(maxsize=1024)
def _triple(release: str) -> tuple[int, int, int]:
    numbers = [int(number) for number in release.split(".")]
    return numbers[0], numbers[1], numbers[2] if len(numbers) == 3 else 0


def _directory(name: str, place: str) -> Directory | None:
    if place == "":
        if re.fullmatch(_RELEASE, name):
            return Directory(name, "release", name)
        if name == "src":
            return Directory(name, "sources")
        if name in _OTHER_DIRECTORIES or re.fullmatch(r"binaries-1\.[1-5]|contrib-09-Dec-1999", name):
            return Directory(name, "other")
    if place == "" or re.fullmatch(_RELEASE, place):
        if re.fullmatch(rf"(?:amd64|arm64|win32)(?:(?:a|b|rc){_N})?", name):
            return Directory(name, "parts")
        if name in {"prev", "rpms"}:
            return Directory(name, "other")
    return None


# win32/ in the root is a museum of Windows 3.1 binaries; in a release's folder it holds the web installer's parts.
_OTHER_DIRECTORIES = frozenset({
    "contrib", "devtest", "doc", "mac", "mail", "misc", "nt", "parrotbench", "pc", "pymanager", "pythonwin", "vms",
    "win32", "wpy",
})  # fmt: skip

_SIDECAR_ENDS = (".asc", ".sig", ".crt", ".sigstore", ".rekor", ".spdx.json", ".asc_superceded")
_SIDECAR = re.compile(r"(?P<of>.+)\.(?P<kind>asc|sig|crt|sigstore|rekor|spdx\.json)")


def _sidecar(name: str, place: str) -> Sidecar | None:
    if not name.endswith(_SIDECAR_ENDS):
        return None
    replaced = re.fullmatch(r"(?P<of>.+)\.asc_superceded", name)
    if replaced:
        of, kind = replaced["of"] + "_superceded", "asc"
    else:
        match = _SIDECAR.fullmatch(name)
        if match is None:
            return None
        of, kind = match["of"], match["kind"]
    if _file(of, place) is None:
        return None
    return Sidecar(name, of, kind)  # type: ignore[arg-type]  # the pattern lists the kinds


# A file is asked about for itself and for each of its sidecars, and these stand next to it.
@lru_cache(maxsize=256)
def _file(name: str, place: str) -> ArtifactName | KnownOther | None:
    for pattern, read in _FORMS:
        match = pattern.fullmatch(name)
        if match is not None:
            artifact = read(name, match)
            return artifact if artifact is not None and _belongs(artifact, place) else None
    for pattern, kind, where in _OTHERS:
        if pattern.fullmatch(name) and (place == "" or where.fullmatch(place)):
            return KnownOther(name, kind)
    return None


def _belongs(artifact: ArtifactName, place: str) -> bool:
    if place == "":
        return True
    release = release_of(artifact.version)
    if place == "src":
        return artifact.type == "source-release" and release is not None and release <= _LAST_IN_SRC
    return _ANY_RELEASE.fullmatch(place) is not None and _triple(place) == release


def _version(match: re.Match[str]) -> str:
    pre = match["pre"] or ""
    return match["release"] + (pre.replace("c", "rc", 1) if pre.startswith("c") else pre)


def _source(name: str, match: re.Match[str]) -> ArtifactName | None:
    # Only the oldest sources begin with a small letter; a later python-3.13.0.tar.gz would be no file of python.org's.
    if name[0] == "p" and _triple(match["release"]) > _LAST_IN_SRC:
        return None
    form = {"tar.xz": "xz", "tar.bz2": "bz2", "tgz": "tgz", "tar.gz": "tgz"}[match["ext"]]
    return ArtifactName(name=name, version=_version(match), type="source-release", format=form)


def _source_alias(name: str, match: re.Match[str]) -> ArtifactName:
    return ArtifactName(
        name=name,
        version=".".join(match["digits"]),
        type="source-release",
        format="tgz",
        flags=frozenset({"alias"}),
    )


def _debug(name: str, match: re.Match[str]) -> ArtifactName:
    # Debug builds of the Windows libraries, to go with the installer of the same release.
    return ArtifactName(
        name=name,
        version=_version(match),
        type="windows-support",
        format="zip",
        flags=frozenset({"debug"}),
        values=_values(arch="win32"),
    )


def _symbols(name: str, match: re.Match[str]) -> ArtifactName:
    return ArtifactName(
        name=name,
        version=_version(match),
        type="windows-support",
        format=match["ext"],
        flags=frozenset({"pdb"}),
        values=_values(arch=_windows_arch(match["arch"])),
    )


def _windows(name: str, match: re.Match[str]) -> ArtifactName | None:
    groups = match.groupdict()
    flavour, form = groups.get("flavour"), match["ext"]
    if form == "zip" and groups.get("arch") is None:
        return None  # no zip for Windows leaves its architecture out
    if flavour in {"embeddable", "test"} and form != "zip":
        return None
    flags = {flavour} if flavour else set()
    if groups.get("free"):
        flags.add("freethreaded")
    if groups.get("web"):
        flags.add("webinstall")
    return ArtifactName(
        name=name,
        version=_version(match),
        type="windows-release",
        format=form,
        flags=frozenset(flags),
        values=_values(arch=_windows_arch(groups.get("arch")), post=groups.get("post"), build=groups.get("build")),
    )


def _windows_arch(text: str | None) -> str:
    return "win32" if text in {None, "x86"} else str(text)


def _macos(name: str, match: re.Match[str]) -> ArtifactName:
    groups = match.groupdict()
    flags = set()
    if groups.get("nolto"):
        flags.add("no_lto")
    if groups.get("old"):
        flags.add("superseded")
    least = groups.get("least")
    if least is not None and not least.startswith("10."):
        least = least.removesuffix(".0")  # macos11.0 and macos11 ask for the same system
    return ArtifactName(
        name=name,
        version=_version(match),
        type="macos-release",
        format=match["ext"],
        flags=frozenset(flags),
        values=_values(min_macos=least, post=groups.get("post"), build=groups.get("build"), date=groups.get("date")),
    )


def _android(name: str, match: re.Match[str]) -> ArtifactName:
    arch = "arm64" if match["arch"] == "aarch64" else match["arch"]
    return ArtifactName(
        name=name, version=_version(match), type="android-release", format="tgz", values=_values(arch=arch)
    )


def _ios(name: str, match: re.Match[str]) -> ArtifactName:
    return ArtifactName(name=name, version=_version(match), type="ios-release", format="tgz")


def _values(**values: str | None) -> Mapping[str, str]:
    return MappingProxyType({key: value for key, value in values.items() if value is not None})


_ARCH = r"(?P<arch>amd64|arm64|win32|x86)"

# No name fits two of them; those that most names fit come first.
_FORMS: tuple[tuple[re.Pattern[str], Callable[[str, re.Match[str]], ArtifactName | None]], ...] = (
    (
        re.compile(
            rf"python-{_VERSION}(?P<free>t)?(?:\.?post(?P<post>{_N}))?(?:-(?P<flavour>embed|embeddable|test))?"
            rf"(?:-{_ARCH})?\.(?P<ext>exe|zip)"
        ),
        _windows,
    ),
    (re.compile(rf"Python-{_VERSION}\.(?P<ext>tar\.xz|tgz|tar\.bz2|tar\.gz)"), _source),
    (re.compile(rf"python-?{_VERSION}\.(?P<ext>tar\.gz)"), _source),
    (re.compile(r"py(?:th)?(?P<digits>1[0-9]{1,2})\.tgz"), _source_alias),
    (re.compile(rf"Python-{_VERSION}-Debug\.zip"), _debug),
    (re.compile(rf"python-{_VERSION}(?:[.-](?P<arch>amd64|arm64|win32|x86|ia64))?-pdb\.(?P<ext>zip)"), _symbols),
    (re.compile(rf"Python-{_VERSION}(?:-(?P<build>{_N}))?\.(?P<ext>exe)"), _windows),
    (re.compile(rf"python-{_VERSION}(?:\.(?P<arch>amd64|arm64|ia64))?\.(?P<ext>msi)"), _windows),
    (
        re.compile(rf"python-{_VERSION}(?:\.?post(?P<post>{_N}))?(?:-{_ARCH})?-(?P<web>webinstall)\.(?P<ext>exe)"),
        _windows,
    ),
    (
        re.compile(
            rf"python-{_VERSION}(?:\.?post(?P<post>{_N}))?(?P<nolto>-no-lto)?"
            rf"(?:[-_]macosx?(?P<least>{_MACOS})?(?:-?(?P<date>{_DATE}))?)(?:_rev(?P<build>{_N}))?"
            rf"\.(?P<ext>pkg|dmg)(?P<old>_superceded)?"
        ),
        _macos,
    ),
    # The plainest name of a disk image; no pkg was ever called so.
    (re.compile(rf"python-{_VERSION}(?:_rev(?P<build>{_N}))?\.(?P<ext>dmg)"), _macos),
    (re.compile(rf"python-{_VERSION}-(?P<arch>aarch64|x86_64)-linux-android\.(?P<ext>tar\.gz)"), _android),
    (re.compile(rf"python-{_VERSION}-iOS-XC[Ff]ramework\.(?P<ext>tar\.gz)"), _ios),
)

_ANY_RELEASE = re.compile(_RELEASE)
_SRC = re.compile("src")
_NO_FOLDER = re.compile(r"(?!)")

_OTHERS: tuple[tuple[re.Pattern[str], KnownOtherKind, re.Pattern[str]], ...] = (
    (re.compile(r"[Pp]ython[1-9][0-9]{1,4}(?:(?:a|b|rc|c)[0-9]{1,2})?\.chm"), "documentation", _ANY_RELEASE),
    (re.compile(rf"windows-{_VERSION}\.json"), "index", _ANY_RELEASE),
    (re.compile(r"index-windows(?:-recent|-legacy)?\.json|INDEX|README(?:\.html)?"), "index", _NO_FOLDER),
    (re.compile(r"index\.html"), "index", _ANY_RELEASE),
    (re.compile(r"README(?:\.ftp)?"), "index", _SRC),
    # Parts of old distributions: the standard library alone, the smallest useful set, an X11 extension.
    (re.compile(rf"(?:lib|subset){_N}\.{_N}\.tar\.gz|X-extension\.tar\.gz|_tkinter\.c"), "library", _SRC),
    (
        re.compile(rf"(?:pymanager|python-manager)-{_N}(?:\.{_N}){{1,3}}(?:(?:a|b|rc){_N})?\.(?:msix|msi)"),
        "installer-manager",
        re.compile("pymanager"),
    ),
)
