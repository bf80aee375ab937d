"""A relay that makes a server on the loopback far away: ``python -m tests.support.slow --to PORT --seconds 0.04``.

What a client sends arrives the given time later; answers come back at once, so that the time is that of a whole round
trip. Setting up a connection costs nothing: for a client that makes many, the real distance would be greater.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import socket
from collections.abc import Sequence
from pathlib import Path

__all__ = ["Relay", "main"]

_BLOCK = 256 * 1024


class Relay:
    """Relays connections to a port of 127.0.0.1; lives in one event loop."""

    def __init__(self, to: int, seconds: float) -> None:
        self._to = to
        self._seconds = seconds

    async def listen(self) -> asyncio.Server:
        """Listen on a free port of 127.0.0.1."""
        return await asyncio.start_server(self._relay, "127.0.0.1", 0, backlog=256)

    async def _relay(self, near_reader: asyncio.StreamReader, near_writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._to)
        for writer in (near_writer, far_writer):
            writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.gather(_pass_on(near_reader, far_writer, self._seconds), _pass_on(far_reader, near_writer, 0.0))


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
    """Everything from one side to the other, ``seconds`` after it came."""
    loop = asyncio.get_running_loop()
    waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def send() -> None:
        while True:
            due, data = await waiting.get()
            await asyncio.sleep(due - loop.time())
            if not data:
                break
            writer.write(data)
            await writer.drain()

    sender = asyncio.create_task(send())
    with contextlib.suppress(ConnectionError):
        while True:
            data = await reader.read(_BLOCK)
            waiting.put_nowait((loop.time() + seconds, data))
            if not data:
                break
    if not sender.done():
        waiting.put_nowait((loop.time() + seconds, b""))
    with contextlib.suppress(ConnectionError):
        await sender
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def _serve(to: int, seconds: float, port_file: Path) -> None:
    server = await Relay(to, seconds).listen()
    partial = port_file.with_name(f"{port_file.name}.{os.getpid()}")
    partial.write_text(f"{server.sockets[0].getsockname()[1]}\n", encoding="ascii")
    partial.replace(port_file)
    async with server:
        await server.serve_forever()


def main(arguments: Sequence[str] | None = None) -> int:
    """Relay until a signal comes."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.slow", description=__doc__)
    parser.add_argument("--to", type=int, required=True, help="the server's port")
    parser.add_argument("--seconds", type=float, required=True, help="how long a round trip takes")
    parser.add_argument("--port-file", type=Path, required=True, help="where to write the port once the relay listens")
    options = parser.parse_args(arguments)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(options.to, options.seconds, options.port_file))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
