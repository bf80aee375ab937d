"""The HTTP/2 half of the origin: every stream has a thread of its own, so that one may wait while others go on."""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Iterable
from dataclasses import replace

import h2.config
import h2.connection
import h2.events
import h2.exceptions
from hyperframe.frame import GoAwayFrame

from tests.support.origin import Close, GoAway, Hold, Origin, Part, Raw, Request, Reset, ResetStream, Response


class _OverError(Exception):
    """The stream or the connection is over."""


class _Connection:
    def __init__(self, origin: Origin, connection: ssl.SSLSocket, number: int) -> None:
        self._origin = origin
        self._socket = connection
        self._number = number
        config = h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
        self._h2 = h2.connection.H2Connection(config)
        self._changed = threading.Condition()
        self._over = False
        self._asked: dict[int, tuple[Request, bytearray]] = {}

    def serve(self) -> None:
        with self._changed:
            self._h2.initiate_connection()
            self._flush()
        try:
            while data := self._socket.recv(65536):
                self._take(data)
        finally:
            with self._changed:
                self._over = True
                self._changed.notify_all()

    def _take(self, data: bytes) -> None:
        with self._changed:
            for event in self._h2.receive_data(data):
                if isinstance(event, h2.events.RequestReceived):
                    self._asked[event.stream_id] = (self._request(event), bytearray())
                elif isinstance(event, h2.events.DataReceived):
                    self._asked[event.stream_id][1].extend(event.data)
                    self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, h2.events.StreamEnded):
                    request, body = self._asked.pop(event.stream_id)
                    self._origin.spawn(self._stream, event.stream_id, replace(request, body=bytes(body)))
            self._flush()
            self._changed.notify_all()

    def _request(self, event: h2.events.RequestReceived) -> Request:
        fields = [(str(name), str(value)) for name, value in event.headers]
        pseudo = dict(fields)
        return Request(
            method=pseudo[":method"],
            target=pseudo[":path"],
            headers=tuple((name, value) for name, value in fields if not name.startswith(":")),
            connection=self._number,
            tls=True,
            http2=True,
        )

    def _stream(self, stream: int, request: Request) -> None:
        with contextlib.suppress(OSError, _OverError, h2.exceptions.ProtocolError):
            answer = self._origin.answer(request)
            assert not isinstance(answer, Raw), "raw bytes are for HTTP/1.1"
            self._answer(stream, answer)

    def _answer(self, stream: int, answer: Response) -> None:
        for part in answer.before:
            self._part(stream, part)
        whole = answer.body if isinstance(answer.body, bytes) else None
        length = len(whole) if answer.length is None and whole is not None else answer.length
        fields = [(":status", str(answer.status)), *((name.lower(), value) for name, value in answer.headers)]
        if isinstance(length, int) and not answer.chunked and answer.status not in {204, 304}:
            fields.append(("content-length", str(length)))
        with self._changed:
            self._h2.send_headers(stream, fields)
            self._flush()
        parts: Iterable[Part] = [answer.body] if isinstance(answer.body, bytes) else answer.body
        for piece in parts:
            self._part(stream, piece)
        with self._changed:
            self._h2.end_stream(stream)
            self._flush()

    def _part(self, stream: int, part: Part) -> None:
        match part:
            case bytes():
                self._data(stream, part)
            case Hold():
                part.gate.wait()
                if self._origin.closing:
                    raise _OverError
            case ResetStream():
                with self._changed:
                    self._h2.reset_stream(stream, part.code)
                    self._flush()
                raise _OverError
            case GoAway():
                frame = GoAwayFrame(0)
                frame.last_stream_id = stream if part.last is None else part.last
                frame.error_code = part.code
                with self._changed:
                    self._socket.sendall(frame.serialize())
            case Close() | Reset():
                with contextlib.suppress(OSError):
                    self._socket.shutdown(2)
                raise _OverError

    def _data(self, stream: int, data: bytes) -> None:
        view = memoryview(data)
        while view:
            with self._changed:
                self._changed.wait_for(lambda: self._over or self._window(stream) > 0, timeout=30)
                if self._over:
                    raise _OverError
                count = min(len(view), self._window(stream), self._h2.max_outbound_frame_size)
                self._h2.send_data(stream, bytes(view[:count]))
                self._flush()
            view = view[count:]

    def _window(self, stream: int) -> int:
        return int(self._h2.local_flow_control_window(stream))

    def _flush(self) -> None:
        pending = self._h2.data_to_send()
        if pending:
            self._socket.sendall(pending)


def serve_h2(origin: Origin, connection: ssl.SSLSocket, number: int) -> None:
    """Serve one connection until it is closed."""
    _Connection(origin, connection, number).serve()
