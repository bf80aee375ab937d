"""What the SPEC of a selector matches: versions by PEP 440, as ``packaging`` reads it.

Finals by default: a pre-release matches only where the SPEC names one (``3.14.0rc1``, ``3.14.0rc*``, ``>=3.14.0b1``) or
the option ``pre`` lets it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from dlm.model.frozen import dataclass

if TYPE_CHECKING:
    from dlm.model.selector import Selector

__all__ = ["Spec", "parse_version"]

_PRE_LINE = re.compile(r"([0-9]+(?:\.[0-9]+){1,2})(a|b|rc)\*")

# As early and as late as a pre-release of a release can be.
_FIRST, _LAST = "a0", "rc999999"


def parse_version(text: str) -> Version | None:
    """``text`` as a version, or None where it is none by PEP 440."""
    try:
        return Version(text)
    except InvalidVersion:
        return None


@dataclass(frozen=True, slots=True)
class Spec:
    """A SPEC that can be asked about versions.

    Attributes:
        versions: what it allows, pre-releases left out of account.
        stage: for ``3.14.0rc*`` the release and the letters that a version must have.
        pre: whether pre-releases may match.
        exact: the one version that it names, as in ``3.13.2`` and ``==3.13.2``, else None.
    """

    text: str
    versions: SpecifierSet
    stage: tuple[Version, str] | None
    pre: bool
    exact: Version | None

    @classmethod
    def of(cls, selector: Selector) -> Spec:
        """The SPEC of a normalised selector, with its option ``pre``.

        Raises:
            ValueError: it is no SPEC (``packaging`` calls that InvalidSpecifier).
        """
        text = selector.spec
        pre = selector.has("pre")
        if text == "latest":
            return cls(text, SpecifierSet(), None, pre, None)
        line = _PRE_LINE.fullmatch(text)
        if line is not None:
            return cls(text, SpecifierSet(), (Version(line[1]), line[2]), True, None)
        clauses = SpecifierSet(text if text[0] in "=!<>~" else f"=={text}")
        named = [(one.operator, parse_version(one.version)) for one in clauses]
        names_pre = any(
            operator != "!=" and version is not None and version.is_prerelease for operator, version in named
        )
        exact = next((version for operator, version in named if operator in {"==", "==="} and version), None)
        return cls(text, clauses, None, pre or names_pre, exact)

    def reason_against(self, version: Version) -> Literal["outside", "pre-release"] | None:
        """Why ``version`` does not match, or None where it does."""
        if self.stage is not None:
            release, letters = self.stage
            fits = version.pre is not None and version.pre[0] == letters
            return None if fits and Version(version.base_version) == release else "outside"
        if not self.versions.contains(version, prereleases=True):
            return "outside"
        if version.is_prerelease and not self.pre:
            return "pre-release"
        return None

    def may_match(self, release: Version) -> bool:
        """Whether ``release`` or a pre-release of it can match or come close; True wherever that is not sure.

        For folders, which are named by the release and hold its pre-releases too: nothing that matches is left out.
        """
        if self.stage is not None:
            return release == self.stage[0]
        if self.versions.contains(release, prereleases=True):
            return True
        if not self.pre:
            return False
        # A range begins and ends at versions that it names. Where none of these is of this release, it holds all of
        # the release's pre-releases or none.
        named = (parse_version(one.version.removesuffix(".*")) for one in self.versions)
        if any(version is not None and Version(version.base_version) == release for version in named):
            return True
        ends = (Version(f"{release.base_version}{end}") for end in (_FIRST, _LAST))
        return any(self.versions.contains(end, prereleases=True) for end in ends)
