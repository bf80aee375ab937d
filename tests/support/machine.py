"""A machine whose administrator enforces something: a mount namespace with an ``/etc`` of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest

__all__ = ["administered"]

_SCRIPT = (
    'mount -t tmpfs none /etc && mkdir /etc/dlm && cp "$0" /etc/dlm/config.yaml && chmod 644 /etc/dlm/config.yaml'
    ' && exec "$@"'
)


def administered(file: Path, program: Sequence[str]) -> list[str]:
    """``program`` where ``file`` is the machine's own configuration; skips the test where that cannot be had."""
    space = _namespace()
    if not space:
        pytest.skip("this machine gives no mount namespace")
    return [*space, "sh", "-c", _SCRIPT, str(file), *program]


@cache
def _namespace() -> tuple[str, ...]:
    found = shutil.which("unshare")
    if found is None or sys.platform != "linux":
        return ()
    space = (found, "-m") if os.geteuid() == 0 else (found, "-r", "-m")
    tried = subprocess.run([*space, "mount", "-t", "tmpfs", "none", "/etc"], check=False, capture_output=True)
    return space if tried.returncode == 0 else ()
