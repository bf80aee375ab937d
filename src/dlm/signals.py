"""Exceptions that signal handlers raise, and that Python would lose: ``Insisting``.

A handler's exception appears wherever the program happens to be. Where that is the callback of a weak reference, a
finalizer or another place whose errors nobody can catch, Python writes "Exception ignored" and goes on
(``sys.unraisablehook``), and in a library's callback the library may print it and go on (``sys.excepthook``): the user
pressed Ctrl-C, and the program waits for a server that never answers.
"""

from __future__ import annotations

import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Insisting"]

#: Seconds until a lost exception is raised again: where it was lost is left by then.
_AGAIN = 0.01


class Insisting:
    """While this is entered, an exception that was lost is raised again in the main thread, until it is not lost.

    Args:
        kind: what handlers raise; other exceptions, and other threads' own business, stay as they are.
    """

    def __init__(self, kind: type[BaseException]) -> None:
        self._kind = kind
        self._lost: type[BaseException] = kind
        self._hooks: tuple[Any, Any] = (sys.unraisablehook, sys.excepthook)
        self._handler: Any = None

    def __enter__(self) -> None:
        self._hooks = (sys.unraisablehook, sys.excepthook)
        if hasattr(signal, "setitimer"):
            self._handler = signal.signal(signal.SIGALRM, self._raise)
        sys.unraisablehook = self._ignored
        sys.excepthook = self._printed

    def __exit__(self, *_: object) -> None:
        sys.unraisablehook, sys.excepthook = self._hooks
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self._handler or signal.SIG_DFL)

    def _ignored(self, unraisable: Any) -> None:
        if issubclass(unraisable.exc_type, self._kind):
            self._again(unraisable.exc_type)
        else:
            self._hooks[0](unraisable)

    def _printed(self, kind: type[BaseException], error: BaseException, traceback: Any) -> None:
        if issubclass(kind, self._kind):
            self._again(kind)
        else:
            self._hooks[1](kind, error, traceback)

    def _again(self, kind: type[BaseException]) -> None:
        if hasattr(signal, "setitimer"):
            # A timer of the system's: it also ends a wait for a descriptor, which another thread could not.
            self._lost = kind
            signal.setitimer(signal.ITIMER_REAL, _AGAIN)
        else:
            import _thread
            import threading

            # Whichever signal it was, the way out is that of an interrupt.
            threading.Timer(_AGAIN, _thread.interrupt_main).start()

    def _raise(self, number: int, frame: Any) -> None:
        raise self._lost
