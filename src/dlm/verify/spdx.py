"""SBOMs in SPDX 2.3 as JSON, which state the digest of the artifact that they describe (python.org: ``.spdx.json``).

Rules: https://spdx.github.io/spdx-spec/v2.3/, 7.4 (packageFileName), 7.10 and 8.4 (checksums).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from dlm.errors import EvidenceError
from dlm.model.digest import STRENGTH, Digest
from dlm.model.evidence import Piece, SpdxWish, Subject, Wish
from dlm.verify.content import address, digest_of, refuse_large

__all__ = ["SpdxVerifier", "stated_in"]


def stated_in(document: Mapping[str, Any], filename: str) -> tuple[Digest, ...]:
    """The digests that an SBOM states for the artifact ``filename`` itself, not for what is inside it.

    A package says by ``packageFileName`` which file it is, else by the end of ``downloadLocation``; else a file of that
    name counts.

    Raises:
        ValueError: the document has another form.
    """
    packages = list(_objects(document, "packages"))
    files = list(_objects(document, "files"))
    tries = (
        [one for one in packages if one.get("packageFileName") == filename],
        [one for one in packages if _end(one.get("downloadLocation")) == filename],
        [one for one in files if str(one.get("fileName", "")).removeprefix("./") == filename],
    )
    found = next((group for group in tries if group), [])
    return tuple(dict.fromkeys(digest for one in found for digest in _digests(one)))


def _objects(document: Mapping[str, Any], key: str) -> Iterator[Mapping[str, Any]]:
    listed = document.get(key, [])
    if not isinstance(listed, list) or not all(isinstance(one, Mapping) for one in listed):
        raise ValueError(f"its {key} are no list of objects")
    yield from listed


def _end(location: object) -> str | None:
    return location.partition("?")[0].rpartition("/")[2] if isinstance(location, str) else None


def _digests(one: Mapping[str, Any]) -> Iterator[Digest]:
    for checksum in _objects(one, "checksums"):
        algorithm = str(checksum.get("algorithm", "")).lower()
        if algorithm in STRENGTH:
            yield Digest.from_hex(algorithm, str(checksum.get("checksumValue", "")))


class SpdxVerifier:
    """Checks an artifact against the SBOM that its makers publish beside it."""

    kind: ClassVar[str] = "spdx"

    def missing_extra(self) -> str | None:
        """Nothing is needed."""
        return None

    def verify(self, subject: Subject, sidecar: bytes, wish: Wish, /, *, source: str | None = None) -> Piece:
        """That an SBOM states the digests that ``subject`` has.

        Raises:
            EvidenceError: ``malformed``, ``not-listed``, ``ambiguous`` or ``digest``, as for a checksum file.
            LocalError: a digest that is not at hand has to be computed, and the file cannot be read.
            TypeError: ``wish`` is of another kind.
        """
        if not isinstance(wish, SpdxWish):
            raise TypeError(f"an SBOM cannot meet a wish for {wish.kind}")
        refuse_large(self.kind, sidecar, subject)
        try:
            document = json.loads(sidecar)
            if not isinstance(document, dict) or not str(document.get("spdxVersion", "")).startswith("SPDX-2."):
                raise ValueError("it does not begin as one of SPDX 2")
            stated = stated_in(document, subject.filename)
        except (ValueError, RecursionError) as error:
            raise EvidenceError(f"the SBOM of {subject.shown} cannot be read: {error}", why="malformed") from error
        if not stated:
            raise EvidenceError(f"the SBOM of {subject.shown} states no digest of {subject.filename}", why="not-listed")
        algorithms = [digest.algorithm for digest in stated]
        if len(set(algorithms)) != len(algorithms):
            raise EvidenceError(f"the SBOM of {subject.shown} states two digests for it", why="ambiguous")
        for digest in stated:
            actual = digest_of(subject, digest.algorithm)
            if actual != digest.value:
                raise EvidenceError(
                    f"the SBOM of {subject.shown} states another {digest.algorithm}",
                    why="digest",
                    details=[f"stated {digest.value}", f"got    {actual}"],
                )
        return Piece(kind=self.kind, source=None if source is None else address(source))
