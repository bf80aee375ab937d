"""Evidence: who vouches for some bytes, what a manifest asks for, and where the sidecars that prove it lie.

``EvidenceWish`` (what the manifest wants) -> ``Sidecar`` (what is fetched for it) -> ``Piece`` (what was checked) ->
``Provenance`` (all pieces of one artifact, as the lockfile holds them).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from dlm.model.url import Url

if TYPE_CHECKING:
    from dlm.model.artifact import Artifact, Blob
    from dlm.model.digest import Digests

__all__ = [
    "LIMITS",
    "STEPS",
    "Absence",
    "AbsenceReason",
    "ChecksumsWish",
    "EvidencePolicy",
    "EvidenceWish",
    "MinisignWish",
    "OpenPgpWish",
    "Piece",
    "Provenance",
    "Sidecar",
    "SigstoreWish",
    "SpdxWish",
    "Step",
    "Subject",
    "Wish",
    "WishError",
    "python_sidecars",
    "siblings",
    "sidecars",
]


class Step(IntEnum):
    """The ladder: how well the bytes of an artifact are vouched for. Each step is worth more than those below it."""

    #: Nothing but that they came first.
    FIRST_USE = 0
    #: The server that sent them stated their digest.
    TRANSPORT_DIGEST = 1
    #: The manifest states it, so somebody reviewed it.
    MANIFEST_DIGEST = 2
    #: A list that their makers publish states it.
    CHECKSUMS = 3
    #: Somebody signed them.
    SIGNATURE = 4

    @property
    def word(self) -> str:
        """How documents, settings and reports call it: ``first-use``, ``transport-digest``, …"""
        return self.name.lower().replace("_", "-")

    @classmethod
    def parse(cls, word: str) -> Step:
        """The step that ``word`` names.

        Raises:
            ValueError: no step is called so.
        """
        found = next((step for step in cls if step.word == word), None)
        if found is None:
            raise ValueError(f"{word!r} is no step of evidence; known are {', '.join(step.word for step in cls)}")
        return found


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
class EvidencePolicy:
    """The least that has to vouch for what comes from each host.

    Attributes:
        layers: host -> step, one mapping for each who may demand (system, user, manifest). Within a layer the closest
            host counts: ``example.org``, then ``*.example.org``, then ``*``. Of all layers the highest step counts, so
            that none can lower what another demands.
    """

    layers: tuple[Mapping[str, Step], ...] = ()

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> EvidencePolicy:
        """One layer, from ``{host: word}``.

        Raises:
            WishError: with every host or step that is none.
        """
        problems: list[tuple[str, str]] = []
        layer: dict[str, Step] = {}
        for host, word in mapping.items():
            plain = str(host).lower().removeprefix("*.")
            if plain != "*" and (not plain or set(plain) & set("*/:@?# ")):
                problems.append((str(host), "is no host; write example.org, *.example.org or *"))
                continue
            try:
                layer[str(host).lower()] = Step.parse(str(word))
            except ValueError as error:
                problems.append((str(host), str(error)))
        if problems:
            raise WishError(problems)
        return cls((layer,) if layer else ())

    def joined(self, other: EvidencePolicy) -> EvidencePolicy:
        """Both together."""
        return EvidencePolicy((*self.layers, *other.layers))

    def demanded(self, host: str) -> Step:
        """The step that artifacts from ``host`` have to reach."""
        return max((_closest(layer, host.lower()) for layer in self.layers), default=Step.FIRST_USE)

    def __bool__(self) -> bool:
        return bool(self.layers)

    def __str__(self) -> str:
        said = [f"{host}: {step.word}" for layer in self.layers for host, step in sorted(layer.items())]
        return ", ".join(said) or "nothing is demanded"

    def refusal(self, host: str, provenance: Provenance) -> str | None:
        """Why an artifact from ``host`` with this provenance may not be placed, or None where it may."""
        demanded = self.demanded(host)
        if provenance.strongest >= demanded:
            return None
        return f"policy demands {demanded.word} for {host}, and it has {provenance.strongest.word} only"


def _closest(layer: Mapping[str, Step], host: str) -> Step:
    labels = host.split(".")
    names = [host, *("*." + ".".join(labels[start:]) for start in range(1, len(labels))), "*"]
    return next((layer[name] for name in names if name in layer), Step.FIRST_USE)


class WishError(ValueError):
    """What stands under ``evidence:`` cannot be meant: every problem as (key, message), keys as ``sigstore.issuer``."""

    def __init__(self, problems: Sequence[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{key}: {message}" if key else message for key, message in problems))
        self.problems = tuple(problems)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceWish:
    """All that the manifest asks for under ``evidence:`` of one resource."""

    checksums: ChecksumsWish | None = None
    sigstore: SigstoreWish | None = None
    minisign: MinisignWish | None = None
    openpgp: OpenPgpWish | None = None

    @property
    def wishes(self) -> tuple[Wish, ...]:
        """Each wish, weakest step first. All have to be met."""
        return tuple(one for one in (self.checksums, self.minisign, self.openpgp, self.sigstore) if one is not None)

    def __bool__(self) -> bool:
        return bool(self.wishes)

    def request(self) -> dict[str, Any]:
        """The normal form for the lockfile: keys sorted, the short form wherever it says all."""
        out: dict[str, Any] = {}
        if self.checksums is not None:
            out["checksums"] = self.checksums.url
        if self.minisign is not None:
            out["minisign"] = _short("key", self.minisign.key, signature=self.minisign.signature)
        if self.openpgp is not None:
            prints: Any = list(self.openpgp.fingerprints)
            prints = prints[0] if len(prints) == 1 else prints
            out["openpgp"] = _short("fingerprint", prints, key=self.openpgp.key, signature=self.openpgp.signature)
        if self.sigstore is not None:
            one = self.sigstore
            said = {"bundle": one.bundle, "identity": one.identity, "issuer": one.issuer}
            out["sigstore"] = {key: value for key, value in said.items() if value is not None}
        return out

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> EvidenceWish:
        """From what a manifest or a lockfile's request says, in short or long form.

        Raises:
            WishError: with everything that is wrong with it.
        """
        reading = _Reading(mapping)
        wish = cls(
            checksums=reading.checksums(),
            minisign=reading.minisign(),
            openpgp=reading.openpgp(),
            sigstore=reading.sigstore(),
        )
        reading.finish(bool(wish))
        return wish

    @property
    def addresses(self) -> tuple[tuple[str, str, str], ...]:
        """Every address in it: the kind of evidence, the key below that, and the address as written."""
        return tuple((one.kind, name, value) for one in self.wishes for name, value in _addresses(one))

    @property
    def templates(self) -> tuple[str, ...]:
        """Every address in it, as written."""
        return tuple(value for _, _, value in self.addresses)

    def with_addresses(self, fill: Mapping[str, str]) -> EvidenceWish:
        """The same with each address replaced by what ``fill`` has for it; others stay."""

        def filled(one: Any) -> Any:
            if one is None:
                return None
            return replace(one, **{name: fill.get(value, value) for name, value in _addresses(one)})

        return EvidenceWish(
            checksums=filled(self.checksums),
            sigstore=filled(self.sigstore),
            minisign=filled(self.minisign),
            openpgp=filled(self.openpgp),
        )


def _addresses(wish: Wish) -> list[tuple[str, str]]:
    names = {"checksums": ("url",), "sigstore": ("bundle",), "minisign": ("signature",)}
    fields = names.get(wish.kind, ("key", "signature") if wish.kind == "openpgp" else ())
    return [(name, value) for name in fields if (value := getattr(wish, name)) is not None]


def _short(name: str, value: Any, **further: str | None) -> Any:
    rest = {key: one for key, one in further.items() if one is not None}
    return dict(sorted({name: value, **rest}.items())) if rest else value


class _Reading:
    """Reads the mapping under ``evidence:`` key by key and keeps all that is wrong with it."""

    def __init__(self, mapping: Mapping[str, Any]) -> None:
        self._mapping = mapping
        self._problems: list[tuple[str, str]] = []

    def checksums(self) -> ChecksumsWish | None:
        found = self._form("checksums", "url", {"url"})
        url = self._address("checksums", found, "url", short=True) if found is not None else None
        return ChecksumsWish(url) if url is not None else None

    def minisign(self) -> MinisignWish | None:
        found = self._form("minisign", "key", {"key", "signature"})
        if found is None:
            return None
        key, signature = self._text("minisign", found, "key"), self._address("minisign", found, "signature")
        try:
            return MinisignWish(key.strip(), signature) if key is not None else None
        except ValueError as error:
            self._problems.append(("minisign", str(error)))
            return None

    def openpgp(self) -> OpenPgpWish | None:
        found = self._form("openpgp", "fingerprint", {"fingerprint", "key", "signature"})
        if found is None:
            return None
        prints = found.get("fingerprint")
        given = prints if isinstance(prints, list) else [prints]
        listed = [one for one in given if isinstance(one, str)]
        if not listed or len(listed) != len(given):
            self._problems.append(("openpgp", "wants a fingerprint, or a list of them"))
            return None
        key, signature = (self._address("openpgp", found, name) for name in ("key", "signature"))
        try:
            return OpenPgpWish(tuple(listed), key, signature)
        except ValueError as error:
            self._problems.append(("openpgp", str(error)))
            return None

    def sigstore(self) -> SigstoreWish | None:
        found = self._form("sigstore", None, {"identity", "issuer", "bundle"})
        if found is None:
            return None
        identity, issuer = (self._text("sigstore", found, name) for name in ("identity", "issuer"))
        bundle = self._address("sigstore", found, "bundle")
        return SigstoreWish(identity, issuer, bundle) if identity is not None and issuer is not None else None

    def finish(self, anything: bool) -> None:
        known = {"checksums", "minisign", "openpgp", "sigstore"}
        for key in self._mapping:
            if key not in known:
                self._problems.append((str(key), f"unknown; known are {', '.join(sorted(known))}"))
        if not anything and not self._problems:
            self._problems.append(("", "names no evidence; leave it out instead"))
        if self._problems:
            raise WishError(self._problems)

    def _form(self, key: str, short: str | None, known: set[str]) -> dict[str, Any] | None:
        if key not in self._mapping:
            return None
        value = self._mapping[key]
        if short is not None and isinstance(value, str | list):
            return {short: value}
        if not isinstance(value, Mapping):
            either = f"the {short} as text, or " if short is not None else ""
            self._problems.append((key, f"wants {either}a mapping with {', '.join(sorted(known))}"))
            return None
        for name in value:
            if name not in known:
                self._problems.append((f"{key}.{name}", f"unknown; known are {', '.join(sorted(known))}"))
        return dict(value)

    def _text(self, key: str, found: Mapping[str, Any], name: str) -> str | None:
        value = found.get(name)
        if isinstance(value, str) and value.strip():
            return value
        self._problems.append((f"{key}.{name}", "is missing" if value is None else "is no text"))
        return None

    def _address(self, key: str, found: Mapping[str, Any], name: str, *, short: bool = False) -> str | None:
        if name not in found and not short:
            return None
        value = self._text(key, found, name)
        if value is None:
            return None
        if not re.match(r"https?://", value, re.IGNORECASE):
            self._problems.append((f"{key}.{name}", "is no http or https address"))
            return None
        return value


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
