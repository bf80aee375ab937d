"""The console script and ``python -m dlm``.

Two questions are answered before anything is imported: the version, and whether a plain ``sync`` has anything to do.
"""

import os
import sys

from dlm import __version__

__all__ = ["main", "program"]


def program() -> None:
    """The console script: :func:`main` in a process of its own, which ends as soon as all is said and done.

    Before a process ends, Python takes apart every module and value that is left, one by one, and the system takes
    back their memory right after. That is two hundredths of a second for nothing, so it is passed over where no
    other thread is left to wait for. What asked to be called at the end (:mod:`atexit`) is called.
    """
    code: str | int | None = None
    try:
        main()
    except SystemExit as end:
        code = end.code
    threading = sys.modules.get("threading")
    if not isinstance(code, str) and (threading is None or threading.active_count() == 1):
        _leave(code or 0)
    sys.exit(code)


def _leave(code: int) -> None:
    """End this process at once. Returns where output cannot be written, which Python has words and a code for."""
    import atexit

    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            return
    os._exit(code)


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
    import gc

    # A command lives for moments and makes next to no cycles. By default the collector would walk all that is alive
    # every few hundred objects, while modules load and again while thousands of artifacts are read; now a cycle that
    # does come about is still found among each four hundred thousand new objects.
    gc.set_threshold(400_000, 50, 50)
    code = _plainly(arguments)
    if code is None:
        from dlm.cli.main import run

        code = run(arguments)
    gc.freeze()  # the process ends, and with it all memory: nothing of it need be walked once more
    sys.exit(code)


def _plainly(arguments: list[str]) -> int | None:
    """The exit code of a plain ``sync``; None for anything else, of which nothing is done."""
    if not arguments or arguments[0] != "sync":
        return None
    from dlm.cli.plain import plain_sync

    return plain_sync(arguments, os.environ)


if __name__ == "__main__":
    program()
