"""Who signs which release line of CPython with Sigstore.

The identity belongs to the line, for all its files on every platform: the release manager signs them.
Sources: https://www.python.org/downloads/metadata/sigstore/, and python/release-tools, add_to_pydotorg.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from dlm.model.evidence import SigstoreWish

__all__ = ["KNOWN", "identity_for", "release_line"]

_GITHUB = "https://github.com/login/oauth"
_GOOGLE = "https://accounts.google.com"

#: Release line -> who signs it. The PEP of each line's schedule names the release manager.
KNOWN: Mapping[str, SigstoreWish] = {
    "3.7": SigstoreWish("nad@python.org", _GITHUB),  # PEP 537
    "3.8": SigstoreWish("lukasz@langa.pl", _GITHUB),  # PEP 569
    "3.9": SigstoreWish("lukasz@langa.pl", _GITHUB),  # PEP 596
    "3.10": SigstoreWish("pablogsal@python.org", _GOOGLE),  # PEP 619
    "3.11": SigstoreWish("pablogsal@python.org", _GOOGLE),  # PEP 664
    "3.12": SigstoreWish("thomas@python.org", _GOOGLE),  # PEP 693
    "3.13": SigstoreWish("thomas@python.org", _GOOGLE),  # PEP 719
    "3.14": SigstoreWish("hugo@python.org", _GITHUB),  # PEP 745
    "3.15": SigstoreWish("hugo@python.org", _GITHUB),  # PEP 790
    "3.16": SigstoreWish("savannah@python.org", _GITHUB),  # announced; no release of the line was seen yet
    "3.17": SigstoreWish("savannah@python.org", _GITHUB),  # likewise
}


def release_line(version: str) -> str | None:
    """The line of a release: ``3.14`` for ``3.14.0rc1``; None for what is no version."""
    match = re.match(r"(\d+)\.(\d+)(?![\d])", version)
    return f"{int(match[1])}.{int(match[2])}" if match is not None else None


def identity_for(version: str, overrides: Mapping[str, SigstoreWish] | None = None) -> SigstoreWish | None:
    """Who ought to have signed the files of ``version``; None where nothing says so.

    Args:
        overrides: release line -> who signs it, beats :data:`KNOWN`. It is the user's to say, never a manifest's.
    """
    line = release_line(version)
    if line is None:
        return None
    return (overrides or {}).get(line) or KNOWN.get(line)
