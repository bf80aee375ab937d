"""What a manifest asks for under ``evidence:`` of one resource; each kind of evidence is in ``dlm.model.evidence``.

Every resource has such a wish and most are empty, so the kinds are loaded where one is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from dlm.model.frozen import dataclass, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from dlm.model.evidence import ChecksumsWish, MinisignWish, OpenPgpWish, SigstoreWish, Wish

__all__ = ["EvidenceWish", "WishError"]


class WishError(ValueError):
    """What stands under ``evidence:`` cannot be meant: every problem as (key, message), keys as ``sigstore.issuer``."""

    def __init__(self, problems: Sequence[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{key}: {message}" if key else message for key, message in problems))
        self.problems = tuple(problems)


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
        if url is None:
            return None
        from dlm.model.evidence import ChecksumsWish

        return ChecksumsWish(url)

    def minisign(self) -> MinisignWish | None:
        found = self._form("minisign", "key", {"key", "signature"})
        if found is None:
            return None
        from dlm.model.evidence import MinisignWish

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
        from dlm.model.evidence import OpenPgpWish

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
        from dlm.model.evidence import SigstoreWish

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
