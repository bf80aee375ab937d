"""A TCP connection to a host with several addresses, where the first may be one that never answers.

Rules: RFC 8305 (Happy Eyeballs): families take turns, and each attempt has a short head start before the next joins it.
"""

from __future__ import annotations

import errno
import selectors
import socket
import time
from collections.abc import Callable, Iterable, Iterator

from dlm.model.wire import Failure

__all__ = ["DialError", "dial"]

#: Seconds before the next address is tried beside those that have not answered.
_HEAD_START = 0.2
#: Seconds after which it is looked whether anybody still wants the connection.
_LOOK = 0.1
_IN_PROGRESS = frozenset({0, errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EALREADY, getattr(errno, "WSAEWOULDBLOCK", 0)})

Address = tuple[socket.AddressFamily, tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]]


class DialError(Exception):
    """No connection came about; ``failure`` says why in the words of the wire."""

    def __init__(self, failure: Failure, note: str) -> None:
        super().__init__(note)
        self.failure = failure
        self.note = note


def dial(host: str, port: int, timeout: float, wanted: Callable[[], bool]) -> socket.socket:
    """Connect to the first address of ``host`` that answers within ``timeout`` seconds.

    ``wanted`` is asked now and then; once it says no, the attempt ends.

    Raises:
        DialError: there is no address, or none answered.
    """
    addresses = _addresses(host, port)
    with selectors.DefaultSelector() as selector:
        race = _Race(selector)
        try:
            return race.run(addresses, time.monotonic() + timeout, wanted)
        finally:
            race.close()


def _addresses(host: str, port: int) -> list[Address]:
    """Where ``host`` is, in the order in which it is tried.

    Raises:
        DialError: nobody knows.
    """
    if _is_localhost(host):
        return [(socket.AF_INET6, ("::1", port, 0, 0)), (socket.AF_INET, ("127.0.0.1", port))]
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise DialError(Failure.DNS, error.strerror or str(error)) from None
    except UnicodeError:
        raise DialError(Failure.DNS, "the host name cannot be encoded") from None
    return _interleaved((entry[0], entry[4]) for entry in found)


def _is_localhost(host: str) -> bool:
    """Whether it is this machine by RFC 6761, whatever a file of hosts or a name server says: libcurl does so, too."""
    name = host.lower().removesuffix(".")
    return name == "localhost" or name.endswith(".localhost")


class _Race:
    """Connection attempts that run beside one another until one wins."""

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self._selector = selector
        self._running: set[socket.socket] = set()
        self._errors: list[int] = []

    def run(self, addresses: list[Address], deadline: float, wanted: Callable[[], bool]) -> socket.socket:
        left = iter(addresses)
        next_start = time.monotonic()
        more = True
        while wanted():
            now = time.monotonic()
            if now >= deadline:
                raise DialError(Failure.CONNECT_TIMEOUT, "no address answered in time")
            if more and (now >= next_start or not self._running):
                more = self._begin(left)
                next_start = now + _HEAD_START
            if not self._running and not more:
                raise self._verdict()
            if self._running:
                winner = self._wait(min(deadline, next_start if more else deadline, now + _LOOK) - now)
                if winner is not None:
                    return winner
        raise DialError(Failure.STOPPED, "nobody wants the connection any more")

    def close(self) -> None:
        for loser in self._running:
            loser.close()
        self._running.clear()

    def _begin(self, left: Iterator[Address]) -> bool:
        """Start the next attempt; False where there is none left."""
        entry = next(left, None)
        if entry is None:
            return False
        family, address = entry
        try:
            attempt = socket.socket(family, socket.SOCK_STREAM)
        except OSError as error:  # a machine without IPv6
            self._errors.append(error.errno or errno.EAFNOSUPPORT)
            return True
        attempt.setblocking(False)
        code = attempt.connect_ex(address)
        if code not in _IN_PROGRESS:
            attempt.close()
            self._errors.append(code)
            return True
        self._running.add(attempt)
        self._selector.register(attempt, selectors.EVENT_WRITE)
        return True

    def _wait(self, seconds: float) -> socket.socket | None:
        for key, _ in self._selector.select(max(0.0, seconds)):
            attempt = key.fileobj
            assert isinstance(attempt, socket.socket)
            self._selector.unregister(attempt)
            self._running.discard(attempt)
            code = attempt.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code == 0:
                return attempt
            attempt.close()
            self._errors.append(code)
        return None

    def _verdict(self) -> DialError:
        refused = errno.ECONNREFUSED in self._errors
        code = errno.ECONNREFUSED if refused else next(iter(self._errors), errno.EHOSTUNREACH)
        if code == errno.ETIMEDOUT:
            return DialError(Failure.CONNECT_TIMEOUT, errno.errorcode.get(code, str(code)))
        return DialError(Failure.REFUSED if refused else Failure.UNREACHABLE, errno.errorcode.get(code, str(code)))


def _interleaved(addresses: Iterable[Address]) -> list[Address]:
    """The families in turn, each in the order in which the system prefers its addresses."""
    families: dict[socket.AddressFamily, list[Address]] = {}
    for family, address in addresses:
        families.setdefault(family, []).append((family, address))
    ordered: list[Address] = []
    queues = list(families.values())
    while any(queues):
        ordered.extend(queue.pop(0) for queue in queues if queue)
    return ordered
