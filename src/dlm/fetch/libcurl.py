"""pycurl without what it brings for asyncio: ``pycurl``.

Of late the package ``pycurl`` is an extension module, which has all of libcurl, and a class for asyncio beside it. On
import it loads that too, and with it a dozen modules of the standard library: half of what libcurl itself costs. Here
the extension is loaded alone, under its own name. Whoever imports ``pycurl`` later has the whole package, around the
same extension.
"""

from __future__ import annotations

import importlib.util
import sys
from importlib.machinery import PathFinder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["pycurl"]

_EXTENSION = "pycurl._pycurl"


def _load() -> Any:
    """The extension module of a package ``pycurl``; the module ``pycurl`` where it is one, or is loaded already.

    Raises:
        ImportError: it is not installed, or cannot be loaded.
    """
    loaded = sys.modules.get("pycurl") or sys.modules.get(_EXTENSION)
    if loaded is not None:
        return loaded
    package = importlib.util.find_spec("pycurl")
    inside = package.submodule_search_locations if package is not None else None
    spec = PathFinder.find_spec(_EXTENSION, inside) if inside else None
    if spec is None or spec.loader is None:
        import pycurl

        return pycurl
    extension = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(extension)
    # Another thread may have imported the package meanwhile; it is complete either way.
    return sys.modules.setdefault(_EXTENSION, extension)


pycurl = _load()
