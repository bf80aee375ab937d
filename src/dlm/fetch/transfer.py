"""One transfer at work: the rules of :mod:`dlm.fetch.download`, a body to fill, and a loop to run on."""

from __future__ import annotations

import hashlib
import threading
from typing import TYPE_CHECKING, Protocol

from dlm.errors import DlmError, IntegrityError
from dlm.fetch.commands import Accept, Begin, Cancel, Commit, Drop, Fail, Reuse, Start, Tell, Trim, Wait
from dlm.fetch.loop import Exchange
from dlm.fetch.proxies import proxy_for
from dlm.fetch.trust import client_for
from dlm.model.events import Note, Progress, Warned
from dlm.model.wire import Ending, Failure, Request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dlm.fetch.commands import Command
    from dlm.fetch.download import Download
    from dlm.fetch.loop import Loop, Sink
    from dlm.model.artifact import Artifact, Validators
    from dlm.model.digest import Digests, Hash
    from dlm.model.settings import Settings
    from dlm.model.wire import Head
    from dlm.ports import Clock, Reporter

__all__ = ["Body", "Owner", "Transfer"]

#: Seconds between two reports of how far a transfer is.
_PROGRESS = 0.1
#: Seconds until a body that is not hashed completely is looked at again.
_MOMENT = 0.001
#: Bytes of an unwanted body that are read at most to keep its connection.
_DRAIN = 16 * 1024
#: Seconds between two looks at how much of a body is vouched for.
_LOOK = 0.05
#: Seconds between two measurements of the rate of what comes over several connections.
_MEASURE = 0.05


class Body(Protocol):
    """What a transfer fills: the part of a ``Writer`` that it needs."""

    @property
    def offset(self) -> int: ...
    @property
    def validators(self) -> Validators: ...
    @property
    def total(self) -> int | None: ...
    @property
    def ahead(self) -> tuple[tuple[int, int], ...]: ...
    def begin(self, validators: Validators, total: int | None) -> None: ...
    def write_pieces(self, pieces: Sequence[bytes], size: int, at: int) -> None: ...
    def lags(self) -> bool: ...
    def note(self) -> bool: ...
    def suspend(self) -> None: ...
    def discard(self) -> None: ...


class Owner(Protocol):
    """Whom a transfer works for."""

    def open(self) -> Body:
        """What to fill, at the beginning and again after bytes were rejected.

        Raises:
            LocalError: the disk refuses.
        """
        ...

    def commit(self, expected: Digests, size: int | None) -> None:
        """Check the body and take it.

        Raises:
            IntegrityError: it is not what was expected.
            LocalError: the disk refuses.
        """
        ...

    def reuse(self) -> bool:
        """Take the blob that the order knew; False where it is gone.

        Raises:
            LocalError: it cannot be read.
        """
        ...

    def finished(self) -> None:
        """The body was taken, or the known blob is used again."""
        ...

    def failed(self, error: DlmError) -> None:
        """No source delivered."""
        ...


class Transfer:
    """Carries out the commands of one :class:`Download`."""

    def __init__(
        self,
        machine: Download,
        owner: Owner,
        artifact: Artifact,
        *,
        loop: Loop,
        clock: Clock,
        reporter: Reporter,
        settings: Settings,
    ) -> None:
        self._machine = machine
        self._owner = owner
        self._artifact = artifact
        self._loop = loop
        self._clock = clock
        self._reporter = reporter
        self._settings = settings
        self._body: Body | None = None
        self._live: dict[int, Exchange] = {}
        self._under_way: Exchange | None = None
        self._sinks: dict[int, _Intake | _Drain] = {}
        self._begun = clock.monotonic()
        self._over = False
        self._measuring = False
        self._looking = False
        self._latency = 0.0
        self._offset = 0
        #: Held while a piece is taken: a backend may have a thread for each attempt.
        self.taking = threading.Lock()
        self._md5: Hash | None = None
        self._reported = self._begun
        self.transferred = 0

    @property
    def seconds(self) -> float:
        """Since the transfer began."""
        return self._clock.monotonic() - self._begun

    @property
    def md5(self) -> str | None:
        """The MD5 of the body, where the server stated one and all of it came in one piece."""
        return None if self._md5 is None else self._md5.hexdigest()

    def start(self) -> None:
        """Begin: look at what is at hand, and ask for the rest."""
        try:
            body = self._body = self._owner.open()
        except DlmError as error:
            self._obey(self._machine.broke(error))
            return
        self._obey(self._machine.begin(body.offset, body.validators, body.total, body.ahead))

    def carry_on(self, exchange: Exchange, begun: float) -> Transfer | None:
        """As :meth:`start`, and with ``exchange``, which began at ``begun``, if it asks for what is asked for first.

        Returns:
            itself, where it does.
        """
        self._begun = begun
        self._under_way = exchange
        self.start()
        return self if exchange in self._live.values() else None

    def abandon(self) -> None:
        """Stop at once, and keep what is at hand for a later run."""
        if self._over:
            return
        self._over = True
        for exchange in self._live.values():
            self._loop.cancel(exchange)
        self._live.clear()
        if self._body is not None:
            self._body.suspend()

    def part(self) -> None:
        """All is over, or never began: hold nobody any more. Whom it works for holds it, and what two hold of one
        another waits for the collector, which comes when ten thousand more have gone the same way."""
        self._over = True
        self._body = None
        self._sinks.clear()
        del self._owner

    # -- what the loop tells -------------------------------------------------------------------------------------

    def answered(self, number: int, head: Head) -> Sink | None:
        """The head of an attempt came."""
        if head.get("content-md5") is not None and head.status == 200:
            self._md5 = hashlib.new("md5", usedforsecurity=False)
        self._note()
        self._obey(self._machine.answered(number, head, self._clock.time()))
        if self._machine.splitting and not self._measuring:
            self._measuring = True
            exchange = self._live.get(number)
            self._latency = 0.0 if exchange is None else self._clock.monotonic() - exchange.begun
            self._measure()
        return self._sinks.get(number)

    def ended(self, number: int, ending: Ending) -> None:
        """An attempt is over."""
        self._live.pop(number, None)
        if self._over:
            return
        self._note()
        sink = self._sinks.pop(number, None)
        if ending.failure is not None and ending.note:
            self._reporter.emit(Note(self._machine.clean(f"{self._artifact.label}: {ending.failure}: {ending.note}")))
        received = 0
        if isinstance(sink, _Intake):
            received = sink.taken
            if sink.error is not None:
                self._obey(self._machine.broke(sink.error))
                return
            if sink.overrun:
                ending = Ending(Failure.TOO_LONG)
        self._obey(self._machine.ended(number, ending, received))

    def took(self, pieces: Sequence[bytes], size: int, received: int) -> None:
        """``size`` bytes went into the body, which has ``received`` bytes from its beginning now."""
        self.transferred += size
        if self._machine.splitting:
            # What comes twice, since who had it taken away came there first, is there once.
            received = min(self._offset + self.transferred, self._machine.total or received)
        if self._md5 is not None:
            for piece in pieces:
                self._md5.update(piece)
        now = self._clock.monotonic()
        if now - self._reported >= _PROGRESS:
            self._reported = now
            artifact = self._artifact
            self._reporter.emit(Progress(artifact.resource, artifact.filename, received, self._machine.total))

    # -- commands ------------------------------------------------------------------------------------------------

    def _obey(self, commands: list[Command]) -> None:
        for command in commands:
            if self._over:
                return
            match command:
                case Start():
                    self._send(command)
                case Accept():
                    self._accept(command)
                case Trim():
                    sink = self._sinks.get(command.attempt)
                    if isinstance(sink, _Intake):
                        sink.trim(command.end)
                case Drop():
                    exchange = self._live.get(command.attempt)
                    if command.small and exchange is not None:
                        self._sinks[command.attempt] = _Drain()
                        self._loop.drain(exchange)
                case Begin():
                    self._begin(command)
                case Wait():
                    if command.host is not None:
                        self._loop.hold(command.host, command.seconds)
                    self._loop.after(command.seconds, self._wake)
                case Tell():
                    self._reporter.emit(command.event)
                case Cancel():
                    exchange = self._live.pop(command.attempt, None)
                    if exchange is not None:
                        self._loop.cancel(exchange)
                case Commit():
                    self._commit(command)
                case Reuse():
                    self._reuse()
                case Fail():
                    self._fail(command)

    def _send(self, command: Start) -> None:
        try:
            proxy = proxy_for(command.url, self._settings)
        except DlmError as error:
            self._obey(self._machine.broke(error))
            return
        request = Request(
            url=command.url,
            headers=command.headers,
            method=command.method,
            body=command.body,
            proxy=proxy,
            public_only=command.public_only and proxy is None,
            client=client_for(command.url, self._settings),
        )
        begun, self._under_way = self._under_way, None
        if begun is not None and begun.request == request:
            begun.hand_to(self, command.attempt)
            self._live[command.attempt] = begun
            return
        if begun is not None:
            self._loop.cancel(begun)
        exchange = Exchange(self._loop, self, command.attempt, request)
        self._live[command.attempt] = exchange
        self._loop.start(exchange)

    def _begin(self, command: Begin) -> None:
        assert self._body is not None, "begin comes after start"
        try:
            self._body.begin(command.validators, command.total)
        except DlmError as error:
            self._obey(self._machine.broke(error))

    def _accept(self, command: Accept) -> None:
        assert self._body is not None, "accept comes after start"
        if command.at:
            self._md5 = None
        if not any(isinstance(sink, _Intake) for sink in self._sinks.values()):
            self._offset = command.at + sum(end - start for start, end in self._body.ahead) - self.transferred
        self._sinks[command.attempt] = _Intake(self, self._body, command.at, command.limit)
        if not self._looking:
            self._look()

    def _note(self) -> None:
        if self._machine.splitting:
            taken = {number: sink.taken for number, sink in self._sinks.items() if isinstance(sink, _Intake)}
            self._machine.noted(taken)

    def _look(self) -> None:
        """Have what is hashed noted, also while nothing comes."""
        self._looking = False
        if self._over or self._body is None:
            return
        try:
            with self.taking:
                self._looking = self._body.note()
        except DlmError as error:
            self._obey(self._machine.broke(error))
            return
        if self._looking:
            self._loop.after(_LOOK, self._look)

    def _measure(self) -> None:
        if self._over or not self._machine.splitting:
            self._measuring = False
            return
        self._note()
        # Other files on the same server are what its connections are for in the first place.
        if len(self._live) > 1 or any(self._loop.idle(one.host) for one in self._live.values()):
            self._obey(self._machine.measured(self._clock.monotonic(), self.transferred, self._latency))
        self._loop.after(_MEASURE, self._measure)

    def _wake(self) -> None:
        if not self._over:
            self._obey(self._machine.woke())

    def _commit(self, command: Commit) -> None:
        """Have the body checked and taken; a moment later, where it is still being hashed and others can go on."""
        if self._over:
            return
        assert self._body is not None, "commit comes after start"
        try:
            if not self._live and self._loop.busy and self._body.lags():
                self._loop.after(_MOMENT, lambda: self._commit(command))
                return
            self._owner.commit(command.expected, command.size)
        except IntegrityError as error:
            self._rejected(error)
            return
        except DlmError as error:
            self._obey(self._machine.broke(error))
            return
        self._obey(self._machine.committed())
        self._over = True
        self._owner.finished()

    def _rejected(self, error: IntegrityError) -> None:
        commands = self._machine.rejected(error.message)
        try:
            self._body = self._owner.open()
        except DlmError as refusal:
            commands = self._machine.broke(refusal)
        self._obey(commands)

    def _reuse(self) -> None:
        try:
            if not self._owner.reuse():
                self._obey(self._machine.missing())
                return
            if self._body is not None:
                self._body.discard()
        except DlmError as error:
            self._obey(self._machine.broke(error))
            return
        self._over = True
        self._owner.finished()

    def _fail(self, command: Fail) -> None:
        self._over = True
        try:
            if self._body is not None:
                if command.keep:
                    self._body.suspend()
                else:
                    self._body.discard()
        except DlmError as error:
            # It failed for a better reason than this one.
            self._reporter.emit(Warned(error.message, self._artifact.resource))
        self._owner.failed(command.error)


class _Drain:
    """Reads a small body that is not wanted, so that its connection can be used again."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = _DRAIN

    def __call__(self, pieces: Sequence[bytes]) -> bool:
        self._left -= sum(map(len, pieces))
        return self._left >= 0


class _Intake:
    """Takes the body of one attempt into the transfer's body at its place."""

    __slots__ = ("_announced", "_at", "_body", "_limit", "_transfer", "error", "overrun", "taken")

    def __init__(self, transfer: Transfer, body: Body, at: int, limit: int | None) -> None:
        self._transfer = transfer
        self._body = body
        self._at = at
        #: What the answer may have, and what is wanted of it.
        self._announced = self._limit = limit
        self.taken = 0
        self.overrun = False
        self.error: DlmError | None = None

    def trim(self, end: int) -> None:
        """Take no more than comes before byte ``end`` of the file."""
        with self._transfer.taking:
            self._limit = end - self._at

    def __call__(self, pieces: Sequence[bytes]) -> bool:
        with self._transfer.taking:
            return self._take(pieces, sum(map(len, pieces)))

    def _take(self, pieces: Sequence[bytes], count: int) -> bool:
        trimmed = self._limit != self._announced
        if self._limit is not None and self.taken + count > self._limit:
            if not trimmed:
                self.overrun = True
                return False
            data = b"".join(pieces)[: max(0, self._limit - self.taken)]
            pieces, count = (data,), len(data)
        try:
            self._body.write_pieces(pieces, count, self._at + self.taken)
        except DlmError as error:
            self.error = error
            return False
        self.taken += count
        self._transfer.took(pieces, count, self._at + self.taken)
        return not (trimmed and self._limit is not None and self.taken >= self._limit)
