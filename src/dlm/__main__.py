"""The console script and ``python -m dlm``.

Two questions are answered before anything is imported: the version, and whether a plain ``sync`` has anything to do.
"""

import os
import sys

from dlm import __version__

__all__ = ["main"]


def main() -> None:
    """Run the command line and leave with its exit code."""
    arguments = sys.argv[1:]
    if arguments in (["--version"], ["-V"]):
        sys.stdout.write(f"dlm {__version__}\n")
        return
    if arguments and arguments[0] == "sync":
        from dlm.cli.shortcut import in_sync

        text = in_sync(arguments, os.environ, __version__)
        if text is not None:
            sys.stderr.write(text)
            return
    from dlm.cli.main import run

    sys.exit(run(arguments))


if __name__ == "__main__":
    main()
