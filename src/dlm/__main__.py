"""The console script and ``python -m dlm``.

Two questions are answered before anything is imported: the version, and whether a plain ``sync`` has anything to do.
"""

import errno
import os
import sys

from dlm import __version__

__all__ = ["main", "program"]

#: What a stream says that goes to a full disk, or to one that fails.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def program() -> None:
    """The console script: :func:`main` in a process of its own, which ends as soon as all is said and done.

    Before a process ends, Python takes apart every module and value that is left, one by one, and the system takes
    back their memory right after. That is two hundredths of a second for nothing, so it is passed over where no
    other thread is left to wait for. What asked to be called at the end (:mod:`atexit`) is called.
    """
    if sys.stdin is None or sys.stdout is None or sys.stderr is None:
        _open_closed()
    code: str | int | None = None
    try:
        main()
    except SystemExit as end:
        code = end.code
    except OSError as error:
        # Whatever else the system refuses has its words by now, and what has a name is none of the open streams.
        if error.filename is not None or error.errno not in _FULL:
            raise
        _lost(error)
        os._exit(1)
    threading = sys.modules.get("threading")
    if isinstance(code, str) or (threading is not None and threading.active_count() > 1):
        sys.exit(code)
    import atexit

    atexit._run_exitfuncs()
    os._exit((code or 0) if _written() else 1)


def _open_closed() -> None:
    """Have something behind each standard stream that was closed when the process began.

    What reads finds the end, what is said goes nowhere, and no file that is opened later gets a descriptor that others,
    a library or a child, take for the one to complain on.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    sys.stdin = sys.stdin or open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - open for as long as the process
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


def _written() -> bool:
    """Whether all that was said has left this process. If not, it says so, unless whoever read it has left."""
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except BrokenPipeError:
        return False
    except OSError as error:
        _lost(error)
        return False
    return True


def _lost(error: OSError) -> None:
    """Say that output is lost, if that can be said."""
    try:  # contextlib is not loaded by everything that comes here
        sys.stderr.write(f"error: the output cannot be written: {error.strerror}\nhint: send it elsewhere\n")
        sys.stderr.flush()
    except OSError:
        pass  # nobody can be told


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
    sys.exit(code)


def _plainly(arguments: list[str]) -> int | None:
    """The exit code of a plain ``sync``; None for anything else, of which nothing is done."""
    if not arguments or arguments[0] != "sync":
        return None
    from dlm.cli.plain import plain_sync

    return plain_sync(arguments, os.environ)


if __name__ == "__main__":
    program()
