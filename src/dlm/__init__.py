"""dlm: a lockfile for downloads.

Importing this loads almost nothing: each name below is imported when it is first used.
"""

import sys

# Named so that type checkers take the branch; importing typing would cost more than a whole no-op sync.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from dlm.api import clean, lock, path, sync, verify
    from dlm.descriptor import Descriptor
    from dlm.errors import DlmError
    from dlm.manager import Download, DownloadManager, cache_records
    from dlm.model.artifact import Artifact, Blob, Placement, Receipt
    from dlm.model.digest import Digest, Digests
    from dlm.model.lockfile import LockedArtifact, LockEntry, Lockfile
    from dlm.model.manifest import Manifest, Resource
    from dlm.model.selector import Selector
    from dlm.model.settings import Settings
    from dlm.model.url import Url
    from dlm.single import Locked, fetch
    from dlm.single import open as open  # noqa: A004 - dlm.open; see the list below

__version__ = "0.1.0"

# Not "open": `from dlm import *` takes nobody's own.
__all__ = [
    "Artifact",
    "Blob",
    "Descriptor",
    "Digest",
    "Digests",
    "DlmError",
    "Download",
    "DownloadManager",
    "LockEntry",
    "Locked",
    "LockedArtifact",
    "Lockfile",
    "Manifest",
    "Placement",
    "Receipt",
    "Resource",
    "Selector",
    "Settings",
    "Url",
    "__version__",
    "cache_records",
    "clean",
    "fetch",
    "lock",
    "path",
    "sync",
    "verify",
]

_HOMES = {
    "clean": "dlm.api",
    "lock": "dlm.api",
    "path": "dlm.api",
    "sync": "dlm.api",
    "verify": "dlm.api",
    "Locked": "dlm.single",
    "fetch": "dlm.single",
    "open": "dlm.single",
    "Download": "dlm.manager",
    "DownloadManager": "dlm.manager",
    "cache_records": "dlm.manager",
    "Descriptor": "dlm.descriptor",
    "DlmError": "dlm.errors",
    "Artifact": "dlm.model.artifact",
    "Blob": "dlm.model.artifact",
    "Placement": "dlm.model.artifact",
    "Receipt": "dlm.model.artifact",
    "Digest": "dlm.model.digest",
    "Digests": "dlm.model.digest",
    "LockEntry": "dlm.model.lockfile",
    "LockedArtifact": "dlm.model.lockfile",
    "Lockfile": "dlm.model.lockfile",
    "Manifest": "dlm.model.manifest",
    "Resource": "dlm.model.manifest",
    "Selector": "dlm.model.selector",
    "Settings": "dlm.model.settings",
    "Url": "dlm.model.url",
}


def __getattr__(name: str) -> "Any":
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'dlm' has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> "list[str]":
    return sorted(__all__)


class _Package(type(sys)):  # type: ignore[misc]
    """This package. Two rooms, ``dlm.fetch`` and ``dlm.verify``, have the names of verbs: the names mean the verbs.

    Importing a room would bind its module to its name here; it is found by ``from dlm.fetch.… import …`` all the same.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if name not in ("fetch", "verify") or not isinstance(value, type(sys)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
