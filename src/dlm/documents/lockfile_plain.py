"""Long lockfiles as dlm writes them, read without taking them apart: the quick half of ``lockfile_json``.

A lockfile of ten thousand files is ten thousand times the same few lines. One expression, matched against the text of
an artifact, checks all that the careful reader checks and finds the values, for a quarter of the time and without a
dict for each object. It knows the one hand in which dlm writes the format and accepts less than the format allows:
whatever it does not match is left to the careful reader, which says what is wrong with it, if anything.

The file is read piece by piece, and only what is looked at becomes text: a lockfile of a hundred thousand files has
eighty megabytes, half of what the whole run takes.

This stands in a file of its own because compiling the expression takes longer than reading a short lockfile.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator, Mapping
from sys import intern
from types import MappingProxyType

from dlm.model.digest import checked_sha256
from dlm.model.lockfile import LockedArtifact
from dlm.model.paths import names_file
from dlm.model.url import has_userinfo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO

__all__ = ["PlainArtifacts"]

_NOTHING: Mapping[str, Any] = MappingProxyType({})

# The list of artifacts of one resource, at the depth where dlm writes it, up to its first artifact. JSON holds no raw
# line end within a text, so what follows one is never part of a text.
_LIST = b'\n      "artifacts": [\n'
_LIST_END = b"\n      ]"
_NEXT = b",\n"
_ARTIFACT_END = b"\n        }"
_TEXT_NEXT = _NEXT.decode()
_TEXT_END = _ARTIFACT_END.decode()
#: Bytes that are read, and become text, at once.
_BLOCK = 128 * 1024

# A name that ``paths.names_file`` and ``check_filename`` let pass by their quick rule.
_NAME = r'(?!(?i:con|prn|aux|nul|com[0-9]|lpt[0-9])[."])[A-Za-z0-9_+=-][A-Za-z0-9_.+=-]{0,253}(?<!\.)'
# What stands between quotes without an escape, in printable ASCII.
_TEXT = r"[ !#-\[\]-~]"
# As ``Url.parse`` reads an address at once; its first group is what ``has_userinfo`` has to judge.
_URL = r"(https?://[A-Za-z0-9.:_\[\]-]+)/[A-Za-z0-9\-._~!$&'()*+,;=:@/]*"

_ARTIFACT = re.compile(
    r" {8}\{\n"
    rf'(?: {{10}}"platform": "({_TEXT}+)",\n)?'
    rf' {{10}}"filename": "({_NAME})",\n'
    rf'(?: {{10}}"version": "({_TEXT}+)",\n)?'
    rf' {{10}}"url": "({_URL})",\n'
    rf'(?: {{10}}"final-url": "({_URL})",\n)?'
    rf' {{10}}"dest": "((?:({_TEXT}*/))?{_NAME})",\n'
    r' {10}"size": (0|[1-9][0-9]{0,18}),\n'
    r' {10}"digests": \{\n {12}"sha256": "([0-9a-f]{64})"\n {10}\}'
    r'(,\n {10}"verified": false)?'
    r'(?:,\n {10}"headers": \{\n((?: {12}".*\n)+) {10}\})?'
    r'(?:,\n {10}"evidence": \[\n((?: {12}.*\n)+) {10}\])?'
    r"\n {8}\}"
)
# One header, and that another one follows wherever a comma says so.
_HEADERS = re.compile(rf' {{12}}"([a-z0-9-]+)": "({_TEXT}*(?:\\"{_TEXT}*)*)"(?:,\n(?= )|\n\Z)')
#: So many different blocks of lines are remembered, since thousands of artifacts may share one.
_REMEMBERED = 256
#: What stands outside of its document may be nested a little less deeply than the whole may be.
_DEEP = 100


class PlainArtifacts:
    """The lists of artifacts in one lockfile.

    Args:
        file: it is read to its end.
        artifact: reads the text of one artifact that is written otherwise.
        evidence: reads the text of a list of evidence.

    Attributes:
        rest: the text of the file with ``NaN`` in the place of each list that was read: JSON as dlm writes it has no
            such word, and whoever reads it asks :meth:`list_for` what it stands for.
        lists: what was read, in the order of the text.

    Raises:
        ValueError: something has to be looked at with more care.
        DlmError: as ``artifact`` and ``evidence`` do.
        OSError: the file cannot be read.
    """

    def __init__(
        self,
        file: BinaryIO,
        artifact: Callable[[str], LockedArtifact],
        evidence: Callable[[str], tuple[Mapping[str, Any], ...]],
    ) -> None:
        self._file = file
        self._other = artifact
        self._read_evidence = evidence
        self._folders: set[str | None] = {None}
        self._authorities: set[str | None] = {None}
        self._headers: dict[str | None, Mapping[str, str]] = {None: _NOTHING}
        self._evidence: dict[str | None, tuple[Mapping[str, Any], ...]] = {None: ()}
        self.lists: list[tuple[LockedArtifact, ...]] = []
        self._given = 0
        # What was read last, and how much of it was used.
        self._data = b""
        self._at = 0
        rest: list[bytes] = []
        while True:
            start = self._data.find(_LIST, self._at)
            if start >= 0:
                rest += self._data[self._at : start], b'\n      "artifacts": NaN'
                self._at = start + len(_LIST)
                self.lists.append(tuple(self._read()))
                continue
            # The end may be the beginning of one.
            used = max(self._at, len(self._data) - len(_LIST) + 1)
            rest.append(self._data[self._at : used])
            self._at = used
            if not self._more():
                break
        rest.append(self._data[self._at :])
        self._data = b""
        self.rest = b"".join(rest).removeprefix(codecs.BOM_UTF8).decode()

    def list_for(self, word: str) -> tuple[LockedArtifact, ...]:
        """What stands for the next word in the rest that is no JSON.

        Raises:
            ValueError: it is not one of those that were put there.
        """
        if word != "NaN" or self._given == len(self.lists):
            raise ValueError("no number")
        self._given += 1
        return self.lists[self._given - 1]

    def _more(self) -> bool:
        """Read on; whether there was anything."""
        block = self._file.read(_BLOCK)
        self._data = self._data[self._at :] + block
        self._at = 0
        return bool(block)

    def _follows(self, mark: bytes) -> bool:
        """Whether a mark comes next, and pass it."""
        while len(self._data) - self._at < len(mark) and self._more():
            pass
        if not self._data.startswith(mark, self._at):
            return False
        self._at += len(mark)
        return True

    def _read(self) -> Iterator[LockedArtifact]:
        """The artifacts from where the reader stands up to the end of their list."""
        match = _ARTIFACT.match
        while True:
            end = self._data.rfind(_ARTIFACT_END, self._at)
            if end < 0:
                if self._more():
                    continue
                break
            # Many become text at once: each by itself would take as long as reading it.
            text = self._data[self._at : end + len(_ARTIFACT_END)].decode()
            position = 0
            while True:
                found = match(text, position)
                if found is not None:
                    position = found.end()
                    yield self._plain(found)
                else:
                    start, position = position, text.index(_TEXT_END, position) + len(_TEXT_END)
                    yield self._other(text[start:position])
                if not text.startswith(_TEXT_NEXT, position):
                    break
                position += len(_TEXT_NEXT)
            self._at += position if text.isascii() else len(text[:position].encode())
            if not self._follows(_NEXT):
                if self._follows(_LIST_END):
                    return
                break
        raise ValueError("something else than another artifact")

    def _plain(self, found: re.Match[str]) -> LockedArtifact:
        (
            platform, filename, version, url, authority, final_url, final_authority,
            dest, folder, size, sha256, unverified, headers, evidence,
        ) = found.groups()  # fmt: skip
        # What many artifacts share is looked at once.
        if authority not in self._authorities:
            self._check_address(authority, url)
        if final_authority not in self._authorities:
            self._check_address(final_authority, final_url)
        if folder not in self._folders or len(dest) > 256:
            self._check_dest(folder, dest)
        return LockedArtifact(
            filename=filename,
            url=url,
            dest=dest,
            size=int(size),
            digests=checked_sha256(sha256),
            platform=None if platform is None else intern(platform),
            version=None if version is None else intern(version),
            final_url=final_url,
            verified=unverified is None,
            headers=self._headers[headers] if headers in self._headers else self._headers_of(headers),
            evidence=self._evidence[evidence] if evidence in self._evidence else self._evidence_of(evidence),
        )

    def _check_address(self, authority: str, url: str) -> None:
        if has_userinfo(url):
            raise ValueError("credentials")
        self._authorities.add(authority)

    def _check_dest(self, folder: str | None, dest: str) -> None:
        if not names_file(dest):
            raise ValueError("no dest")
        if folder is not None and names_file(f"{folder}x"):
            self._folders.add(folder)

    def _headers_of(self, block: str) -> Mapping[str, str]:
        """The headers on some lines."""
        position = 0
        headers: dict[str, str] = {}
        count = 0
        while (found := _HEADERS.match(block, position)) is not None:
            name, value = found.groups()
            # Only an ETag is a file's own; dates, types and even lengths come again and again.
            headers[intern(name)] = value.replace('\\"', '"') if "\\" in value else intern(value)
            position = found.end()
            count += 1
        if position != len(block) or len(headers) != count:
            raise ValueError("other headers")
        if len(self._headers) < _REMEMBERED:
            self._headers[block] = headers
        return headers

    def _evidence_of(self, block: str) -> tuple[Mapping[str, Any], ...]:
        """The evidence on some lines."""
        if block.count("[") + block.count("{") > _DEEP:
            raise ValueError("perhaps nested too deeply")
        evidence = self._read_evidence(f"[{block}]")
        if len(self._evidence) < _REMEMBERED:
            self._evidence[block] = evidence
        return evidence
