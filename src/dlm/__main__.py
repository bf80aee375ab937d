"""The console script and ``python -m dlm``."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line and leave with its exit code."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        # Asked by scripts again and again: the answer needs none of the command line's machinery.
        from dlm import __version__

        sys.stdout.write(f"dlm {__version__}\n")
        return
    from dlm.cli.main import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
