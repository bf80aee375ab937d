"""Evidence: who vouches for some bytes, what a manifest asks for, and where the sidecars that prove it lie.

``EvidenceWish`` (what the manifest wants) -> ``Sidecar`` (what is fetched for it) -> ``Piece`` (what was checked) ->
``Provenance`` (all pieces of one artifact, as the lockfile holds them).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from dlm.model.frozen import dataclass, replace
from dlm.model.policy import Step
from dlm.model.url import Url

if TYPE_CHECKING:
    from dlm.model.artifact import Artifact, Blob
    from dlm.model.digest import Digests
    from dlm.model.evidence_wish import EvidenceWish

__all__ = [
    "LIMITS",
    "STEPS",
    "Absence",
    "AbsenceReason",
    "ChecksumsWish",
    "MinisignWish",
    "OpenPgpWish",
    "Piece",
    "Provenance",
    "Sidecar",
    "SigstoreWish",
    "SpdxWish",
    "Subject",
    "Wish",
    "python_sidecars",
    "siblings",
    "sidecars",
]


#: What each kind of evidence is worth.
STEPS: Mapping[str, Step] = MappingProxyType(
    {
        "transport-digest": Step.TRANSPORT_DIGEST,
        "manifest-digest": Step.MANIFEST_DIGEST,
        "checksums": Step.CHECKSUMS,
        "spdx": Step.CHECKSUMS,
        "minisign": Step.SIGNATURE,
        "openpgp": Step.SIGNATURE,
        "sigstore": Step.SIGNATURE,
    }
)
_ORDER = {kind: position for position, kind in enumerate(STEPS)}

#: The most bytes that a sidecar of each kind may have; no honest one comes near.
LIMITS: Mapping[str, int] = MappingProxyType(
    {
        "checksums": 16 << 20,
        "spdx": 32 << 20,
        "minisign": 16 << 10,
        "openpgp": 256 << 10,
        "sigstore": 1 << 20,
    }
)

# What a piece of each kind says: the first tuple always, the second where it is known.
_FIELDS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "transport-digest": (("source",), ()),
    "manifest-digest": ((), ()),
    "checksums": (("source",), ()),
    "spdx": ((), ("source",)),
    "minisign": (("key",), ()),
    "openpgp": (("fingerprint",), ()),
    "sigstore": (("identity", "issuer"), ()),
}
_SAID = ("identity", "issuer", "key", "fingerprint", "source")


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One thing that vouches for the bytes of an artifact, and was checked.

    Attributes:
        kind: one of :data:`STEPS`, or a plug-in's word.
        identity, issuer: who signed, and who says that it was them (Sigstore).
        key: the public key that the signature fits (minisign), as its makers publish it.
        fingerprint: of the certificate that the signature fits (OpenPGP), upper-case hexadecimal.
        source: where it was read: the address of a sidecar without user info and query, or the name of a header.

    Raises:
        ValueError: a known kind with more or less than it says.
    """

    kind: str
    identity: str | None = None
    issuer: str | None = None
    key: str | None = None
    fingerprint: str | None = None
    source: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in _FIELDS:
            return
        needed, allowed = _FIELDS[self.kind]
        for name in _SAID:
            value = getattr(self, name)
            if name in needed and not value:
                raise ValueError(f"evidence of the kind {self.kind} says {name}")
            if value is not None and name not in needed and name not in allowed:
                raise ValueError(f"evidence of the kind {self.kind} says nothing of {name}")

    @property
    def step(self) -> Step:
        """What it is worth; nothing where this dlm does not know the kind."""
        return STEPS.get(self.kind, Step.FIRST_USE)

    @property
    def shown(self) -> str:
        """How reports call it: the kind and who or what stands behind it."""
        who = self.identity or self.fingerprint or self.key or self.source
        return self.kind if who is None else f"{self.kind} ({who})"

    def as_document(self) -> dict[str, str]:
        """As the lockfile has it: the kind, then what it says."""
        said = {name: getattr(self, name) for name in _SAID}
        return {"kind": self.kind, **{name: value for name, value in said.items() if value is not None}}


AbsenceReason = Literal["missing", "not-checked", "unknown-signer"]
_REASONS: tuple[AbsenceReason, ...] = ("missing", "not-checked", "unknown-signer")


@dataclass(frozen=True, slots=True)
class Absence:
    """Evidence that was looked for and does not stand behind the bytes, where policy lets that pass.

    Attributes:
        reason: ``missing`` (the origin has no such sidecar), ``not-checked`` (the library for it is not installed) or
            ``unknown-signer`` (nothing says who ought to have signed).
    """

    kind: str
    reason: AbsenceReason

    def as_document(self) -> dict[str, str]:
        """As the lockfile has it."""
        return {"kind": self.kind, "absent": self.reason}


@dataclass(frozen=True, slots=True)
class Provenance:
    """All that vouches for one artifact, weakest step first, and what was looked for in vain.

    Attributes:
        unknown: entries of a lockfile that a later dlm or a plug-in wrote, kept as they are.
    """

    pieces: tuple[Piece, ...] = ()
    absences: tuple[Absence, ...] = ()
    unknown: tuple[Mapping[str, Any], ...] = ()

    def __post_init__(self) -> None:
        unique = dict.fromkeys(self.pieces)
        object.__setattr__(self, "pieces", tuple(sorted(unique, key=_rank)))
        absent = {one.kind: one for one in self.absences if one.kind not in {piece.kind for piece in unique}}
        object.__setattr__(self, "absences", tuple(sorted(absent.values(), key=lambda one: _position(one.kind))))

    @property
    def strongest(self) -> Step:
        """The highest step that was reached."""
        return max((piece.step for piece in self.pieces), default=Step.FIRST_USE)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of its pieces, each once, weakest first."""
        return tuple(dict.fromkeys(piece.kind for piece in self.pieces))

    def with_(self, *found: Piece | Absence) -> Provenance:
        """The same and more."""
        pieces = tuple(one for one in found if isinstance(one, Piece))
        absences = tuple(one for one in found if isinstance(one, Absence))
        return Provenance((*self.pieces, *pieces), (*self.absences, *absences), self.unknown)

    def dropped_by(self, newer: Provenance) -> tuple[Piece, ...]:
        """The pieces of a kind that ``newer`` has none of: what a later lock would lose. Who signed may change."""
        return tuple(piece for piece in self.pieces if piece.kind not in newer.kinds)

    def kept_by(self, newer: Provenance) -> Provenance:
        """All of ``newer``, and what of this it has no piece of: both are about the same bytes, so both hold."""
        return Provenance((*self.dropped_by(newer), *newer.pieces), newer.absences, (*self.unknown, *newer.unknown))

    def falls_to(self, newer: Provenance) -> bool:
        """Whether ``newer`` stands on a lower step of the ladder."""
        return newer.strongest < self.strongest

    def as_documents(self) -> tuple[dict[str, Any], ...]:
        """As the lockfile has it: pieces, then absences, then what this dlm does not know."""
        known = (*(one.as_document() for one in self.pieces), *(one.as_document() for one in self.absences))
        return (*known, *(dict(one) for one in self.unknown))

    @classmethod
    def from_documents(cls, documents: Iterable[Mapping[str, Any]]) -> Provenance:
        """What a lockfile says; entries that this dlm cannot read are kept and worth nothing."""
        pieces: list[Piece] = []
        absences: list[Absence] = []
        unknown: list[Mapping[str, Any]] = []
        for one in documents:
            found = _read(one)
            if isinstance(found, Piece):
                pieces.append(found)
            elif isinstance(found, Absence):
                absences.append(found)
            else:
                unknown.append(found)
        return cls(tuple(pieces), tuple(absences), tuple(unknown))

    def __bool__(self) -> bool:
        return bool(self.pieces)

    def __iter__(self) -> Iterator[Piece]:
        return iter(self.pieces)


def _position(kind: str) -> int:
    return _ORDER.get(kind, len(_ORDER))


def _rank(piece: Piece) -> tuple[int, int, tuple[str, ...]]:
    return piece.step, _position(piece.kind), (piece.kind, *(getattr(piece, name) or "" for name in _SAID))


def _read(document: Mapping[str, Any]) -> Piece | Absence | Mapping[str, Any]:
    kind = document.get("kind")
    rest = {key: value for key, value in document.items() if key != "kind"}
    if not isinstance(kind, str) or kind not in STEPS or not all(isinstance(value, str) for value in rest.values()):
        return document
    reason = rest.get("absent")
    if reason is not None:
        return next((Absence(kind, one) for one in _REASONS if one == reason and len(rest) == 1), document)
    if set(rest) - set(_SAID):
        return document
    try:
        return Piece(kind=kind, **rest)
    except ValueError:
        return document


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The bytes that evidence is about, after they came and before they are placed.

    Attributes:
        filename: what checksum files and SBOMs call them.
        digests: what they hash to; a sha256 always.
        path: the file that holds them; read only for what no digest at hand can settle.
        url: the canonical address, None where there is none.
        label: how messages call them.
    """

    filename: str
    digests: Digests
    path: str
    url: str | None = None
    label: str = ""

    @classmethod
    def of(cls, artifact: Artifact, blob: Blob) -> Subject:
        """An artifact whose bytes are in the store."""
        return cls(
            filename=artifact.filename, digests=blob.digests, path=blob.path, url=artifact.url, label=artifact.label
        )

    @property
    def sha256(self) -> str:
        """Their sha256 in hexadecimal."""
        value = self.digests.sha256
        if value is None:
            raise ValueError("the subject of evidence has a sha256")
        return value

    @property
    def shown(self) -> str:
        """How messages call them."""
        return self.label or self.filename


@dataclass(frozen=True, slots=True)
class ChecksumsWish:
    """A checksum file has to list the artifact. ``url`` may hold ``{name}`` and ``${NAME}``."""

    kind: ClassVar[str] = "checksums"
    url: str


@dataclass(frozen=True, slots=True)
class SpdxWish:
    """An SBOM (SPDX 2.3, JSON) has to state the artifact's digest."""

    kind: ClassVar[str] = "spdx"


@dataclass(frozen=True, slots=True)
class SigstoreWish:
    """A Sigstore bundle has to show that ``identity`` signed, vouched for by the OpenID Connect issuer ``issuer``.

    ``bundle`` is its address where that is not a sibling's.
    """

    kind: ClassVar[str] = "sigstore"
    identity: str
    issuer: str
    bundle: str | None = None

    def __post_init__(self) -> None:
        if not self.identity.strip() or not self.issuer.strip():
            raise ValueError("Sigstore needs both an identity and its issuer")

    def __str__(self) -> str:
        return f"{self.identity} ({self.issuer})"


@dataclass(frozen=True, slots=True)
class MinisignWish:
    """A minisign signature has to fit ``key``: the 56 characters that its owner publishes."""

    kind: ClassVar[str] = "minisign"
    key: str
    signature: str | None = None

    def __post_init__(self) -> None:
        # The algorithm "Ed", a key id of 8 bytes, a key of 32 (https://jedisct1.github.io/minisign/).
        try:
            raw = base64.b64decode(self.key, validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        if len(raw) != 42 or not raw.startswith(b"Ed"):
            raise ValueError("a minisign public key has 56 characters and begins with RW, as in its .pub file")


_FINGERPRINT = re.compile(r"[0-9A-F]{40}|[0-9A-F]{64}")


@dataclass(frozen=True, slots=True)
class OpenPgpWish:
    """A detached OpenPGP signature has to fit the certificate of one of ``fingerprints``.

    No fingerprints: any of the certificates that the user handed in. ``key`` is the address of the certificate; since
    the fingerprint says which one is meant, it may come from anywhere.
    """

    kind: ClassVar[str] = "openpgp"
    fingerprints: tuple[str, ...] = ()
    key: str | None = None
    signature: str | None = None

    def __post_init__(self) -> None:
        plain = tuple(re.sub(r"[\s:]|^0[xX]", "", one).upper() for one in self.fingerprints)
        for one in plain:
            if not _FINGERPRINT.fullmatch(one):
                raise ValueError(
                    "an OpenPGP fingerprint has 40 (or 64) hexadecimal digits; a shorter key id can be forged"
                )
        object.__setattr__(self, "fingerprints", tuple(sorted(set(plain))))


Wish = ChecksumsWish | SpdxWish | SigstoreWish | MinisignWish | OpenPgpWish


@dataclass(frozen=True, slots=True)
class Sidecar:
    """A file that proves something about an artifact.

    Attributes:
        wish: what has to be checked with it.
        urls: where it may lie, in the order in which they are tried; the first that is there counts.
    """

    wish: Wish
    urls: tuple[str, ...]

    @property
    def limit(self) -> int:
        """The most bytes that it may have."""
        return LIMITS[self.wish.kind]


# Suffixes of siblings, in the order in which they are tried.
_SUFFIXES: Mapping[str, tuple[str, ...]] = {
    "sigstore": (".sigstore.json", ".sigstore"),
    "minisign": (".minisig",),
    "openpgp": (".asc", ".sig", ".gpg", ".sign"),
    "checksums": (".sha256", ".sha256sum", ".sha256.txt", ".sha512", ".sha512sum"),
    "spdx": (".spdx.json",),
}
# Names of checksum files for a whole folder.
_LISTS = (
    "SHA256SUMS",
    "SHA256SUMS.txt",
    "sha256sums.txt",
    "sha256sum.txt",
    "SHASUMS256.txt",
    "checksums.txt",
    "checksums.sha256",
    "CHECKSUMS",
    "SHA512SUMS",
    "SHA512SUMS.txt",
)


def siblings(url: str, kind: str) -> tuple[str, ...]:
    """Where a sidecar of ``kind`` may lie beside the artifact at ``url``, likeliest first; without query.

    Raises:
        ValueError: ``url`` is none.
    """
    address = replace(Url.parse(url), query=None, userinfo=None)
    beside = [str(replace(address, path=address.path + suffix)) for suffix in _SUFFIXES[kind]]
    if kind == "checksums":
        folder = address.path[: address.path.rindex("/") + 1]
        beside += [str(replace(address, path=folder + name)) for name in _LISTS]
    return tuple(beside)


def sidecars(url: str, wish: EvidenceWish) -> tuple[Sidecar, ...]:
    """What has to be fetched for the artifact at ``url`` to meet ``wish``, weakest step first; addresses filled in."""
    given = {"checksums": "url", "sigstore": "bundle", "minisign": "signature", "openpgp": "signature"}
    found: list[Sidecar] = []
    for one in wish.wishes:
        address = getattr(one, given[one.kind])
        found.append(Sidecar(one, (address,) if address is not None else siblings(url, one.kind)))
    return tuple(found)


def python_sidecars(url: str, signer: SigstoreWish | None, keys: OpenPgpWish | None) -> tuple[Sidecar, ...]:
    """The sidecars that python.org may have beside a file, weakest step first.

    Its ``.sig`` holds a bare Sigstore signature, no OpenPGP one, so only ``.asc`` is asked for.

    Args:
        signer: who ought to sign the file's release line; None where nothing says so.
        keys: which OpenPGP certificates the user trusts; None where none were given.
    """
    found = [Sidecar(SpdxWish(), (_beside(url, ".spdx.json"),))]
    if keys is not None:
        found.append(Sidecar(keys, (_beside(url, ".asc"),)))
    if signer is not None:
        found.append(Sidecar(signer, (_beside(url, ".sigstore"),)))
    return tuple(found)


def _beside(url: str, suffix: str) -> str:
    address = Url.parse(url)
    return str(replace(address, path=address.path + suffix, query=None, userinfo=None))
