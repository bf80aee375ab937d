"""A relay that makes a server on the loopback far away, or cuts it off: ``python -I relay.py PORT TO RTT CUT MARK``.

Listens on ``PORT`` of 127.0.0.1 (0: any), and relays to port ``TO``.

* ``RTT``: seconds of a round trip. Every byte is passed on half of it after it came, in both directions. A client's
  first bytes wait for one more whole trip: that is the handshake that the kernel here had done for the relay at once.
  How fast a connection may start (slow start) is not part of it.
* ``CUT``: once so many bytes have gone to clients, over all connections, every connection is closed in good order and
  no other is accepted. 0 for never.
* ``MARK``: once so many have gone, it prints ``mark``, and all goes on. 0 for never.

Prints ``port N`` when it listens, and on SIGTERM ``sent N``: how many bytes went to
clients.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import Sequence

_CONNECTIONS_WAITING = 512


class _Relay:
    """What all connections have in common."""

    def __init__(self, to: int, trip: float, cut: int, mark: int) -> None:
        self.loop = asyncio.get_running_loop()
        self.to = to
        self.trip = trip
        self.sent = 0
        self.open: set[_Side] = set()
        self.server: asyncio.Server | None = None
        self._cut = cut
        self._mark = mark

    def allowance(self, size: int) -> int:
        """How many of so many bytes may still go to a client."""
        return min(size, self._cut - self.sent) if self._cut else size

    def count(self, size: int) -> None:
        """So many bytes have gone to a client."""
        self.sent += size
        if self._mark and self.sent >= self._mark:
            self._mark = 0
            print("mark", flush=True)
        if self._cut and self.sent >= self._cut and self.server is not None:
            self.server.close()
            self.server = None
            for side in tuple(self.open):
                side.close()


class _Side(asyncio.Protocol):
    """One end of a connection; hands on to its ``peer`` what it hears, in order, when its time has come."""

    transport: asyncio.Transport
    peer: _Side

    def __init__(self, relay: _Relay) -> None:
        self.relay = relay
        self._not_before = 0.0
        self._last = 0.0
        self._pending: list[bytes] | None = None  # before there is a peer to hand on to

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.relay.open.add(self)

    def data_received(self, data: bytes) -> None:
        if self._pending is not None:
            self._pending.append(data)
        elif self.relay.trip:
            self.relay.loop.call_at(self._due(), self.peer.deliver, data)
        else:
            self.peer.deliver(data)

    def _due(self) -> float:
        """When something that comes now has to go on: after all that came before."""
        due = max(self.relay.loop.time(), self._not_before) + self.relay.trip / 2
        self._last = max(due, self._last + 1e-6)
        return self._last

    def deliver(self, data: bytes) -> None:
        """Something that the other end heard."""
        self.transport.write(data)

    def eof_received(self) -> bool:
        if self._pending is None:
            self.relay.loop.call_at(self._due(), self.peer.close)
        return True

    def connection_lost(self, error: Exception | None) -> None:
        self.relay.open.discard(self)
        if self._pending is None:
            self.relay.loop.call_at(self._due(), self.peer.close)

    def pause_writing(self) -> None:
        self.peer.transport.pause_reading()

    def resume_writing(self) -> None:
        self.peer.transport.resume_reading()

    def close(self) -> None:
        """After what is still to be written."""
        self.transport.close()


class _Client(_Side):
    """The end that the client speaks to."""

    def __init__(self, relay: _Relay) -> None:
        super().__init__(relay)
        self._pending = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._not_before = self.relay.loop.time() + self.relay.trip
        self._connecting = self.relay.loop.create_task(self._connect())

    async def _connect(self) -> None:
        try:
            _, server = await self.relay.loop.create_connection(lambda: _Side(self.relay), "127.0.0.1", self.relay.to)
        except OSError:
            self.close()
            return
        self.peer, server.peer = server, self
        pending, self._pending = self._pending or [], None
        for data in pending:
            self.data_received(data)

    def deliver(self, data: bytes) -> None:
        allowed = self.relay.allowance(len(data))
        self.transport.write(data[:allowed] if allowed < len(data) else data)
        self.relay.count(allowed)


async def _serve(port: int, to: int, trip: float, cut: int, mark: int) -> None:
    relay = _Relay(to, trip, cut, mark)
    ended = asyncio.Event()
    relay.loop.add_signal_handler(signal.SIGTERM, ended.set)
    relay.server = await relay.loop.create_server(
        lambda: _Client(relay), "127.0.0.1", port, backlog=_CONNECTIONS_WAITING
    )
    print("port", relay.server.sockets[0].getsockname()[1], flush=True)
    await ended.wait()
    print("sent", relay.sent, flush=True)


def main(arguments: Sequence[str]) -> int:
    """Relay until SIGTERM."""
    port, to, trip, cut, mark = arguments
    asyncio.run(_serve(int(port), int(to), float(trip), int(cut), int(mark)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
