"""The manifest as people write it: what its keys and types are checked against, and what its schema is made from."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from dlm.model.frozen import dataclass, field

__all__ = ["DefaultsForm", "EvidenceForm", "ExtractForm", "ManifestForm", "RequestForm", "ResourceForm"]

# Read by pydantic where a manifest is checked; nothing here imports it.
_STRICT: dict[str, Any] = {"strict": True, "extra": "forbid"}

LinkChoice = Literal["auto", "reflink", "hardlink", "symlink", "copy"]


Scalar = str | int | float | bool
Fields = dict[str, Scalar | list[Scalar]]
# What each kind of evidence may say is for the model to judge, which has better words for it.
EvidenceForm = dict[str, str | list[str] | dict[str, str | list[str]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestForm:
    """How a resource is asked for, where that is more than a GET; at most one of form, json and multipart."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    method: Literal["GET", "POST"] | None = None
    query: Fields | None = None
    form: Fields | None = None
    json: Any = None
    multipart: dict[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractForm:
    """How an archive is unpacked, where that is not all of it as it is."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    strip: int | None = None
    include: list[str] | None = None
    exclude: list[str] | None = None
    member: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceForm:
    """One resource in long form."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    name: str | None = None
    url: str | None = None
    selector: str | None = None
    base: str | None = None
    files: list[str] | dict[str, str] | None = None
    version: str | None = None
    vars: dict[str, str] | None = None
    platforms: list[str] | dict[str, dict[str, str | int | dict[str, str]]] | None = None
    sha256: str | None = None
    digests: dict[str, str] | None = None
    integrity: str | None = None
    size: int | None = None
    mirrors: list[str] | None = None
    headers: dict[str, str] | None = None
    request: RequestForm | None = None
    evidence: EvidenceForm | None = None
    dest: str | None = None
    extract: bool | ExtractForm | None = None
    executable: bool | None = None
    link: LinkChoice | None = None
    groups: list[str] | None = None
    optional: bool | None = None
    mutable: bool | None = None
    freeze: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DefaultsForm:
    """What holds for every resource that does not say otherwise; never headers, which would go to every host."""

    __pydantic_config__: ClassVar[dict[str, Any]] = _STRICT

    dest: str | None = None
    groups: list[str] | None = None
    link: LinkChoice | None = None
    executable: bool | None = None
    platforms: list[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestForm:
    """The whole file."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {
        **_STRICT,
        "alias_generator": lambda name: name.replace("_", "-"),
    }

    version: int
    resources: list[str | ResourceForm]
    requires_dlm: str | None = None
    defaults: DefaultsForm = field(default_factory=DefaultsForm)
    policy: dict[str, dict[str, str]] | None = None
