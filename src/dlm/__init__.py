"""dlm: a lockfile for downloads.

Importing this loads almost nothing: each name below is imported when it is first used.
"""

# Named so that type checkers take the branch; importing typing would cost more than a whole no-op sync.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from dlm.api import clean, fetch, lock, path, sync, verify
    from dlm.errors import DlmError
    from dlm.model.artifact import Artifact, Blob, Placement, Receipt
    from dlm.model.digest import Digest, Digests
    from dlm.model.lockfile import LockedArtifact, LockEntry, Lockfile
    from dlm.model.manifest import Manifest, Resource
    from dlm.model.selector import Selector
    from dlm.model.settings import Settings
    from dlm.model.url import Url

__version__ = "0.1.0"

__all__ = [
    "Artifact",
    "Blob",
    "Digest",
    "Digests",
    "DlmError",
    "LockEntry",
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
    "clean",
    "fetch",
    "lock",
    "path",
    "sync",
    "verify",
]

_HOMES = {
    "clean": "dlm.api",
    "fetch": "dlm.api",
    "lock": "dlm.api",
    "path": "dlm.api",
    "sync": "dlm.api",
    "verify": "dlm.api",
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
