"""Selectors: wishes that need a resolver, such as ``python:3.13.*:source-release:xz``.

``Selector.parse`` checks the grammar and brings a selector to its one normal form, so that two spellings of one
wish have one name and one lock entry. What a selector matches is the resolver's and the chooser's business.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from dlm.model.frozen import dataclass
from dlm.model.suggest import suggest

__all__ = ["ARCHITECTURES", "FORMATS", "PYTHON_TYPES", "Grammar", "Selector"]

#: The types of a python.org artifact, with the short names that a selector may use.
PYTHON_TYPES: Mapping[str, str] = MappingProxyType({
    "source-release": "source-release", "source": "source-release",
    "macos-release": "macos-release", "macos": "macos-release",
    "windows-release": "windows-release", "windows": "windows-release",
    "windows-support": "windows-support",
    "android-release": "android-release", "android": "android-release",
    "ios-release": "ios-release", "ios": "ios-release",
})  # fmt: skip

#: Every spelling of a format, with the short form that a normalised selector uses. The long names are those of
#: the python.org index reader that came before.
FORMATS: Mapping[str, str] = MappingProxyType({
    "xz": "xz", "tar.xz": "xz", "tarball_lzma": "xz",
    "tgz": "tgz", "gz": "tgz", "tar.gz": "tgz", "tarball_deflate": "tgz",
    "bz2": "bz2", "tar.bz2": "bz2", "tarball_bzip2": "bz2",
    "zip": "zip", "archive_deflate": "zip",
    "pkg": "pkg", "installer_package": "pkg",
    "dmg": "dmg", "disk_image": "dmg",
    "exe": "exe", "executable": "exe",
    "msi": "msi", "installation_packages": "msi",
})  # fmt: skip

_TYPE_FORMATS: Mapping[str, frozenset[str]] = MappingProxyType({
    "source-release": frozenset({"xz", "tgz", "bz2", "zip"}),
    "macos-release": frozenset({"pkg", "dmg"}),
    "windows-release": frozenset({"exe", "msi", "zip"}),
    "windows-support": frozenset({"exe", "msi", "zip"}),
    "android-release": frozenset({"tgz"}),
    "ios-release": frozenset({"tgz"}),
})  # fmt: skip

_DEFAULT_FORMATS: Mapping[str, str] = MappingProxyType({"source-release": "xz"})

_FLAGS = ("all", "debug", "embed", "embeddable", "freethreaded", "no_lto", "pdb", "pre", "test", "webinstall")
_VALUED = ("arch", "build", "file", "min_macos", "post")

#: Spellings of processor architectures, with the name that python.org's files or the predecessor use.
ARCHITECTURES: Mapping[str, str] = MappingProxyType({
    "amd64": "amd64", "x86_64": "x86_64", "x64": "amd64",
    "arm64": "arm64", "aarch64": "arm64",
    "win32": "win32", "x86": "win32", "i386": "win32", "i686": "win32",
    "ia64": "ia64",
})  # fmt: skip

_NUMBER = r"(?:0|[1-9][0-9]{0,5})"
_LINE = re.compile(rf"{_NUMBER}(?:\.{_NUMBER})?(?:\.\*)?\Z")
_EXACT = re.compile(rf"{_NUMBER}\.{_NUMBER}(?:\.{_NUMBER})?(?:(?:a|b|rc|c){_NUMBER})?\Z")
_PRE_LINE = re.compile(rf"({_NUMBER}\.{_NUMBER}(?:\.{_NUMBER})?)(a|b|rc|c)\*\Z")
_CLAUSE = re.compile(r"(===|==|!=|~=|<=|>=|<|>)\s*([0-9][0-9A-Za-z.*+!_-]{0,40})\Z")
_SCHEME = re.compile(r"[a-z][a-z0-9_-]*\Z")

#: How a scheme reads what stands behind its colon: the parts in, a normalised selector out, ValueError for a bad one.
Grammar = Callable[[tuple[str, ...]], "Selector"]


@dataclass(frozen=True, slots=True)
class Selector:
    """A normalised selector.

    ``options`` are sorted; a flag has the value ``""``. ``str(selector)`` is the normal form, ``slug`` the default
    name of its resource.
    """

    scheme: str
    spec: str
    type: str = ""
    format: str = ""
    options: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, text: str, grammars: Mapping[str, Grammar] | None = None) -> Selector:
        """Read ``scheme:…``.

        Args:
            text: the selector as written.
            grammars: further schemes by name, from plug-ins.

        Raises:
            ValueError: the scheme is unknown, or the rest breaks the scheme's grammar; the message says how.
        """
        scheme, colon, rest = text.strip().partition(":")
        if not colon or not _SCHEME.match(scheme):
            raise ValueError(f"{text!r} is neither a URL nor a selector like python:3.13.*")
        parts = tuple(part.strip() for part in rest.split(":"))
        if scheme == "python":
            return _python(parts)
        grammar = (grammars or {}).get(scheme)
        if grammar is None:
            raise ValueError(f"nothing resolves {scheme}: selectors{suggest(scheme, ['python', *(grammars or ())])}")
        return grammar(parts)

    def option(self, name: str) -> str | None:
        """The value of an option, ``""`` for a flag that is given, None for one that is not."""
        return next((value for key, value in self.options if key == name), None)

    def has(self, name: str) -> bool:
        """Whether an option is given."""
        return self.option(name) is not None

    def __str__(self) -> str:
        parts = [self.scheme, self.spec]
        if self.type:
            parts.append(self.type)
        if self.format:
            parts.append(self.format)
        parts.extend(f"{name}={value}" if value else name for name, value in self.options)
        return ":".join(parts)

    @property
    def slug(self) -> str:
        """The whole normal form as a name of letters, digits, dots and dashes."""
        text = str(self).lower()
        for sign, word in _SIGNS:
            text = text.replace(sign, word)
        return re.sub(r"-{2,}", "-", re.sub(r"[^a-z0-9._-]", "-", text)).strip("-")


_SIGNS = (("===", "is"), ("==", "eq"), ("!=", "ne"), ("~=", "compat"), ("<=", "le"), (">=", "ge"), ("<", "lt"),
          (">", "gt"), ("*", "x"))  # fmt: skip


def _python(parts: tuple[str, ...]) -> Selector:
    spec = _python_spec(parts[0])
    rest = list(parts[1:])
    kind = "source-release"
    if rest and rest[0].lower() in PYTHON_TYPES:
        kind = PYTHON_TYPES[rest.pop(0).lower()]
    form = ""
    if rest and rest[0].lower() in FORMATS:
        form = FORMATS[rest.pop(0).lower()]
        if form not in _TYPE_FORMATS[kind]:
            allowed = ", ".join(sorted(_TYPE_FORMATS[kind]))
            raise ValueError(f"a {kind} has no format {form}; it comes as {allowed}")
    options: dict[str, str] = {}
    for part in rest:
        name, value = _python_option(part, kind)
        if options.setdefault(name, value) != value:
            raise ValueError(f"the option {name} is given twice")
    if not form and "file" not in options:
        form = _DEFAULT_FORMATS.get(kind, "")
    return Selector("python", spec, kind, form, tuple(sorted(options.items())))


def _python_option(part: str, kind: str) -> tuple[str, str]:
    name, equals, value = part.partition("=")
    name = name.strip().lower().replace("-", "_")
    value = value.strip()
    if name in _FLAGS:
        if equals:
            raise ValueError(f"the option {name} takes no value")
        return name, ""
    if name not in _VALUED:
        if part.lower() in PYTHON_TYPES:
            raise ValueError(f"{part!r} is a type: there is one, right behind the version, as in python:3.13.*:{part}")
        if part.lower() in FORMATS:
            raise ValueError(
                f"{part!r} is a format: there is one, before all options, as in python:3.13.*:{kind}:{part}"
            )
        words = [*PYTHON_TYPES, *FORMATS, *_FLAGS, *(f"{one}=" for one in _VALUED)]
        import difflib

        near = difflib.get_close_matches(part, words, n=1, cutoff=0.6)
        if near:
            raise ValueError(f"unknown part {part!r}; did you mean {near[0]!r}?")
        raise ValueError(f"unknown part {part!r}; options are {', '.join((*_FLAGS, *(f'{one}=…' for one in _VALUED)))}")
    if not value:
        raise ValueError(f"the option {name} needs a value, as in {name}=…")
    if name == "arch":
        arch = ARCHITECTURES.get(value.lower())
        if arch is None:
            raise ValueError(f"unknown architecture {value!r}{suggest(value, ARCHITECTURES)}")
        if arch in {"amd64", "x86_64"}:  # one machine, two names: Windows' and everybody else's
            arch = "amd64" if kind.startswith("windows") else "x86_64"
        return name, arch
    if name in {"post", "build"} and not re.fullmatch(_NUMBER, value):
        raise ValueError(f"the option {name} takes a number, not {value!r}")
    if name == "min_macos" and not re.fullmatch(r"[0-9]+(?:\.[0-9]+)?", value):
        raise ValueError(f"the option min_macos takes a version like 11 or 10.9, not {value!r}")
    if name == "min_macos" and not value.startswith("10."):
        value = value.removesuffix(".0")  # from macOS 11 on, 11.0 and 11 are one system
    if name == "file" and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+-]*", value):
        raise ValueError(f"the option file takes a file's name, not {value!r}")
    return name, value


def _python_spec(text: str) -> str:
    spec = text.strip()
    if spec == "latest":
        return spec
    if not spec:
        raise ValueError("the version is missing, as in python:3.13.*")
    pre_line = _PRE_LINE.match(spec)
    if pre_line:
        return f"{pre_line[1]}{_candidate(pre_line[2])}*"
    if _LINE.match(spec):
        return spec if spec.endswith(".*") else f"{spec}.*"
    if _EXACT.match(spec):
        return re.sub(r"(?<=[0-9])c(?=[0-9])", "rc", spec)
    if spec[0] in "=!<>~":
        return _python_clauses(spec)
    raise ValueError(f"{spec!r} is no version: write 3.13.*, 3.13, 3.13.2, 3.14.0rc1, >=3.12,<3.14 or latest")


def _python_clauses(spec: str) -> str:
    from packaging.specifiers import InvalidSpecifier, Specifier

    clauses: dict[str, Specifier] = {}
    for clause in spec.split(","):
        match = _CLAUSE.match(clause.strip())
        try:
            if match is None:
                raise InvalidSpecifier(clause)
            specifier = Specifier(f"{match[1]}{match[2]}")
        except InvalidSpecifier:
            raise ValueError(f"{clause.strip()!r} is no version clause; write one like >=3.12 or ~=3.12.1") from None
        clauses[str(specifier)] = specifier
    order = ("===", "==", "~=", ">=", ">", "!=", "<=", "<")
    ranked = sorted(clauses.values(), key=lambda one: (order.index(one.operator), one.version))
    return ",".join(str(one) for one in ranked)


def _candidate(word: str) -> str:
    return "rc" if word == "c" else word
