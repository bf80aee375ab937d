"""The manifest as values: what someone wants, after defaults and in one normal form.

``Resource.request`` is what the lockfile stores of it; an entry is stale when that differs, and for no other reason.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from dlm.model.digest import Digests, check_mappings
from dlm.model.evidence_wish import EvidenceWish
from dlm.model.frozen import dataclass, field
from dlm.model.late import late
from dlm.model.policy import EvidencePolicy
from dlm.model.request import RequestWish
from dlm.model.url import REFERENCE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from dlm.model.extract import Extract

__all__ = [
    "IDENTITY",
    "NAME",
    "PLACEMENT",
    "FileWish",
    "Manifest",
    "Resource",
    "Variant",
    "fill",
    "holes",
]

_NOTHING: Mapping[str, str] = MappingProxyType({})

#: The parts of a request that say which bytes are meant: a change resolves the entry anew.
IDENTITY = frozenset(
    {"base", "evidence", "files", "headers", "platforms", "request", "selector", "url", "vars", "version"}
)
#: The parts that say what is done with them: a change rewrites the entry without the network.
PLACEMENT = frozenset({"dest", "executable", "extract", "groups", "mirrors", "mutable", "optional"})

#: What a resource may be called.
NAME = re.compile(r"[^\s\x00-\x1f\x7f/\\-][^\x00-\x1f\x7f/\\]{0,199}\Z")

# ``{name}``, but not the braces of ``${NAME}``.
_HOLE = late(r"(?<!\$)\{([A-Za-z_][A-Za-z0-9_-]*)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """What differs for one platform. ``vars`` hold ``os`` and ``arch`` too, unless the manifest names its own."""

    platform: str
    vars: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    url: str | None = None
    digests: Digests = field(default_factory=Digests)
    size: int | None = None

    def request(self) -> dict[str, Any]:
        """The normal form for the lockfile, defaults dropped."""
        implied = implied_vars(self.platform)
        own = {key: value for key, value in self.vars.items() if implied.get(key) != value}
        out: dict[str, Any] = {}
        if self.digests:
            out["digests"] = self.digests.as_mapping()
        if self.size is not None:
            out["size"] = self.size
        if self.url is not None:
            out["url"] = self.url
        if own:
            out["vars"] = dict(sorted(own.items()))
        return out


@dataclass(frozen=True, slots=True, kw_only=True)
class FileWish:
    """One of many files below one address."""

    name: str
    digests: Digests = field(default_factory=Digests)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One thing that the manifest lists: exactly one of ``url``, ``selector`` and ``base`` is set.

    Attributes:
        url: an address, with ``{name}`` and ``${NAME}`` as written, without literal credentials.
        selector: the normal form of a selector.
        base, files: an address that ends in a slash, and the files below it.
        version, vars: values for ``{version}`` and further ``{name}``.
        platforms: what differs per platform; empty for a resource that is the same everywhere.
        headers: request headers as written.
        ask: method, query and body, where they are more than a plain GET.
        evidence: what has to vouch for its bytes; addresses in it are templates as ``url`` is.
        userinfo: literal credentials of the URL; used, and stored nowhere.
        dest: a folder with a final slash, ``""`` for the manifest's, or the file's own path. Where an archive is
            unpacked into a folder, that very folder, with a final slash or without.
        extract: what becomes of the artifacts where they are archives; None places them as they are.
        link: a link mode, or None for the user's setting.
    """

    name: str
    url: str | None = None
    selector: str | None = None
    base: str | None = None
    files: tuple[FileWish, ...] = ()
    version: str | None = None
    vars: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    platforms: tuple[Variant, ...] = ()
    digests: Digests = field(default_factory=Digests)
    size: int | None = None
    mirrors: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=lambda: _NOTHING, repr=False)
    ask: RequestWish = field(default_factory=RequestWish)
    evidence: EvidenceWish = field(default_factory=EvidenceWish)
    userinfo: str | None = field(default=None, repr=False)
    dest: str = ""
    extract: Extract | None = None
    executable: bool = False
    link: str | None = None
    groups: tuple[str, ...] = ()
    optional: bool = False
    mutable: bool = False
    freeze: bool = False

    def destination(self, filename: str) -> str:
        """Where an artifact of that name goes, relative and POSIX; ``""`` for the manifest's own folder.

        Args:
            filename: its name; for a file below ``base`` its path there.
        """
        if self.extract is not None:
            above, slash, last = filename.rpartition("/")
            if self.extract.shape(last) == "folder":
                return self.dest.removesuffix("/")
            filename = above + slash + self.extract.file_name(last)
        return self.dest + filename if self.dest == "" or self.dest.endswith("/") else self.dest

    def request(self) -> dict[str, Any]:
        """What the lockfile stores: normalised, sorted, defaults dropped, of headers the names alone."""
        out: dict[str, Any] = {}
        if self.base is not None:
            out["base"] = self.base
            out["files"] = {one.name: one.digests.as_mapping() for one in sorted(self.files, key=lambda one: one.name)}
        if self.dest:
            out["dest"] = self.dest
        if self.digests:
            out["digests"] = self.digests.as_mapping()
        if self.evidence:
            out["evidence"] = self.evidence.request()
        if self.executable:
            out["executable"] = True
        if self.extract is not None:
            out["extract"] = self.extract.request()
        if self.groups:
            out["groups"] = sorted(set(self.groups))
        if self.headers:
            out["headers"] = sorted({name.lower() for name in self.headers})
        if self.mirrors:
            out["mirrors"] = list(self.mirrors)
        if self.mutable:
            out["mutable"] = True
        if self.optional:
            out["optional"] = True
        if self.platforms:
            out["platforms"] = {
                one.platform: one.request() for one in sorted(self.platforms, key=lambda one: one.platform)
            }
        if self.ask != RequestWish():
            out["request"] = self.ask.request()
        if self.selector is not None:
            out["selector"] = self.selector
        if self.size is not None:
            out["size"] = self.size
        if self.url is not None:
            out["url"] = self.url
        if self.vars:
            out["vars"] = dict(sorted(self.vars.items()))
        if self.version is not None:
            out["version"] = self.version
        return dict(sorted(out.items()))

    @classmethod
    def from_request(cls, name: str, request: Mapping[str, Any], *, bare: bool = False) -> Resource:
        """The resource that a lock entry was made from, as far as the lockfile tells (no header values).

        Args:
            bare: of the files below its ``base``, which may be many, only one that is pinned, if any is, though all are
                checked: that is what is asked of a resource whose files are locked.

        Raises:
            ValueError: the request does not have the form that ``request`` gives it.
        """
        try:
            platforms = tuple(
                Variant(
                    platform=platform,
                    vars={**implied_vars(platform), **one.get("vars", {})},
                    url=one.get("url"),
                    digests=Digests.from_mapping(one.get("digests", {})),
                    size=one.get("size"),
                )
                for platform, one in request.get("platforms", {}).items()
            )
            listed = request.get("files", {})
            if bare:
                check_mappings(listed.values())
                listed = next(({file: digests} for file, digests in listed.items() if digests), {})
            files = tuple(
                FileWish(name=file, digests=Digests.from_mapping(digests)) for file, digests in listed.items()
            )
            return cls(
                name=name,
                url=request.get("url"),
                selector=request.get("selector"),
                base=request.get("base"),
                files=files,
                version=request.get("version"),
                vars=dict(request.get("vars", {})),
                platforms=platforms,
                digests=Digests.from_mapping(request.get("digests", {})),
                size=request.get("size"),
                mirrors=tuple(request.get("mirrors", ())),
                ask=RequestWish.from_request(request.get("request", {})),
                evidence=_evidence(request.get("evidence")),
                dest=request.get("dest", ""),
                executable=request.get("executable", False),
                extract=_extract(request["extract"]) if "extract" in request else None,
                groups=tuple(request.get("groups", ())),
                optional=request.get("optional", False),
                mutable=request.get("mutable", False),
            )
        except (AttributeError, TypeError) as error:
            raise ValueError(f"the request of {name} has an unknown form") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """All that one project wants.

    Attributes:
        policy: the evidence that it demands; it adds to what the configuration demands and lowers nothing.
        warnings: what the user should know about it and what stops nothing.
        lines: where each resource stands in the file, for messages.
    """

    resources: tuple[Resource, ...]
    version: int = 1
    requires_dlm: str | None = None
    policy: EvidencePolicy = field(default_factory=EvidencePolicy)
    warnings: tuple[str, ...] = ()
    lines: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))

    def get(self, name: str) -> Resource | None:
        """The resource of that name."""
        return next((one for one in self.resources if one.name == name), None)


def _evidence(written: Any) -> EvidenceWish:
    return EvidenceWish() if written is None else EvidenceWish.from_mapping(written)


def _extract(written: Any) -> Extract:
    from dlm.model.extract import Extract

    return Extract.from_request(written)


def implied_vars(platform: str) -> dict[str, str]:
    """``{os}`` and ``{arch}`` of a platform name such as ``linux-x86_64``."""
    os, dash, arch = platform.partition("-")
    return {"os": os, "arch": arch} if dash else {"os": os}


def holes(template: str) -> tuple[str, ...]:
    """The names that stand in a template as ``{name}``."""
    return tuple(match[1] for match in _HOLE.finditer(template))


def fill(template: str, values: Mapping[str, str]) -> str:
    """``template`` with each ``{name}`` replaced.

    Raises:
        ValueError: a name has no value, or a brace stands alone.
    """

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name not in values:
            known = ", ".join(sorted(values)) or "none"
            raise ValueError(f"{{{name}}} has no value; known here: {known}")
        return values[name]

    filled = _HOLE.sub(value, template)
    rest = REFERENCE.sub("", filled)
    if "{" in rest or "}" in rest:
        raise ValueError("a brace that belongs to no {name} and no ${NAME}")
    return filled
