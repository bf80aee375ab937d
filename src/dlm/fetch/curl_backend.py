"""The backend on libcurl: one multi handle drives every exchange from one thread.

libcurl writes head lines and body pieces into plain lists, so no Python code runs inside of it: a signal that
arrives meanwhile is raised in our own code, where it belongs, and not swallowed by a callback.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import select
import time
from collections import deque

from dlm.fetch.head import MAX_FIELDS, REDIRECTS, HeadTooLarge, MalformedHead, check_size, parse_head
from dlm.fetch.libcurl import pycurl
from dlm.fetch.loop import STREAMS
from dlm.fetch.trust import ALERT, ca_bundle, load_client
from dlm.model.late import late
from dlm.model.wire import Ending, Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, ClassVar

    from dlm.model.hosts import ClientCertificate
    from dlm.model.settings import Settings
    from dlm.model.wire import Request
    from dlm.ports import Exchange, Lane, Relay, Track, Wire

__all__ = ["CurlBackend"]

#: Bytes that libcurl reads at once. Less costs more CPU; more, and it takes in megabytes of each body before any of it
#: is written and hashed, so that one core waits for the other.
_BUFFER = 256 * 1024
#: Bytes of memory that glibc keeps after they were used, instead of giving them back at once.
_KEPT_MEMORY = 16 * 1024 * 1024
#: Seconds to wait where libcurl has work but no socket to wait for, such as while a name is looked up.
_NAP = 0.005
#: CURLOPT_SUPPRESS_CONNECT_HEADERS, which pycurl has no name for: what a proxy says to CONNECT is no answer.
_SUPPRESS_CONNECT_HEADERS = 265

#: Exchanges that may end in one round, or be taken.
_ENDINGS = 16
#: Small answers, and their bytes, that may wait to be taken while others are asked for.
_WAITING = 64
_WAITING_BYTES = 4 * 1024 * 1024
#: What libcurl says once TLS has chosen HTTP/2 (RFC 7301, RFC 9113 3.2), in any of its versions.
_AGREED = late(rb"ALPN[:,] server accepted (?:to use )?h2\b")
#: Bytes of a body that are kept back at most.
_KEPT_BACK = 1024 * 1024
#: What libcurl calls HTTP/1.1; below are HTTP/1.0 and nothing at all.
_HTTP_1 = pycurl.CURL_HTTP_VERSION_1_1
_TWO_LOCATIONS = "Multiple Location headers"
_CLOSED_IN_HANDSHAKE = ("eof", "reset by peer", "ssl_error_syscall", "closed", "broken pipe")


class CurlBackend:
    """Speaks HTTP/1.1, and HTTP/2 over TLS, by libcurl."""

    name: ClassVar[str] = "curl"

    def __init__(self, settings: Settings) -> None:
        """Args:
        settings: timeouts, caps, certificates.

        Raises:
            SettingsError: ``ca_file`` or a client certificate cannot be used.
        """
        self._settings = settings
        self._ca_file = ca_bundle(settings)
        for entry in settings.hosts.values():
            if entry.client is not None:
                import ssl

                # libcurl would say the same only when a connection fails, and as if that were the server's fault.
                load_client(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), entry.client)

    def open(self) -> Wire:
        """A multi handle of its own."""
        # Pieces of bodies come and go by the half megabyte, and glibc would give the end of the heap back to the
        # system each time, to have it zeroed and mapped again at once: that cost as much as a quarter of a large
        # transfer. Letting go of one large block raises both of its thresholds above that (mallopt(3), "dynamic").
        bytes(_KEPT_MEMORY)
        return _CurlWire(self._settings, self._ca_file)


class _Slot:
    """An easy handle, used for one exchange after another, and the lists that libcurl fills."""

    __slots__ = (
        "answered", "chunks", "client", "exchange", "handle", "head_lines", "head_size", "kept", "lane", "lines",
        "loud", "seen", "shape", "waits", "words",
    )  # fmt: skip

    def __init__(self, handle: Any, client: ClientCertificate | None) -> None:
        self.handle = handle
        self.client = client
        self.lines: list[bytes] = []
        self.chunks: list[bytes] = []
        self.exchange: Exchange | None = None
        #: What it carries for a relay, in the place of an exchange.
        self.lane: Lane | None = None
        #: Of the last request, what the next one may have in common with it; the handle keeps that.
        self.shape: tuple[object, ...] | None = None
        #: Whether the handle waits for a connection that others use already.
        self.waits = False
        self.loud = False
        self.words: list[bytes] = []
        self.clear()

    @property
    def small(self) -> bool:
        """Whether it costs nothing to keep what has come."""
        return len(self.lines) <= MAX_FIELDS and sum(map(len, self.chunks)) <= _KEPT_BACK

    def hush(self) -> None:
        """Have libcurl say no more of what it does."""
        self.loud = False
        self.handle.setopt(pycurl.VERBOSE, 0)
        self.handle.unsetopt(pycurl.DEBUGFUNCTION)
        self.words.clear()

    def clear(self) -> None:
        self.lines.clear()
        self.chunks.clear()
        self.exchange = None
        self.lane = None
        self.answered = False
        #: Bytes of a complete body that waits to be taken.
        self.kept = 0
        self.seen = 0
        #: Of interim heads, which count for the whole.
        self.head_lines = 0
        self.head_size = 0


class _CurlWire:
    """A multi handle and its easy handles."""

    keeps_back: ClassVar[bool] = True

    def __init__(self, settings: Settings, ca_file: str) -> None:
        self._settings = settings
        self._ca_file = ca_file
        self._multi: Any = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_PIPELINING, pycurl.PIPE_MULTIPLEX)
        self._multi.setopt(pycurl.M_MAX_HOST_CONNECTIONS, max(1, settings.jobs_per_host))
        self._multi.setopt(pycurl.M_MAXCONNECTS, max(16, settings.jobs))
        self._multi.setopt(pycurl.M_MAX_CONCURRENT_STREAMS, STREAMS * max(1, settings.jobs_per_host))
        # By the certificate that they show, which cannot be taken off a handle again.
        self._free: dict[ClientCertificate | None, list[_Slot]] = {}
        self._running: dict[Any, _Slot] = {}
        self._slots: dict[Exchange, _Slot] = {}
        self._relay: Relay | None = None
        self._relayed: Request | None = None
        # Small answers that are complete. The next requests go out before these are taken, since taking one costs
        # time of the processor, and asking costs time of the network.
        self._whole: deque[_Slot] = deque()
        self._whole_bytes = 0
        # Whether an origin speaks HTTP/2 shows when the first connection to it stands: one exchange goes ahead, and
        # the others wait for that, so that they become streams where they can. libcurl's own way of waiting (PIPEWAIT)
        # is of use only where HTTP/2 is certain; elsewhere it waits for the end of the other exchange.
        self._scouts: dict[str, Exchange] = {}
        self._waiting: dict[str, list[Exchange]] = {}
        self._met: set[str] = set()
        self._multiplexed: set[str] = set()

    def start(self, exchange: Exchange) -> None:
        """Put an exchange on a free handle, or in line behind the first one to its origin."""
        origin = exchange.host
        if origin not in self._met and exchange.request.url.scheme == "https":
            if origin in self._scouts:
                self._waiting.setdefault(origin, []).append(exchange)
                return
            self._scouts[origin] = exchange
            self._begin(exchange)
            slot = self._slots[exchange]
            # libcurl says on which protocol the two sides agreed, long before the first answer does. A list's insert
            # takes what it says (its kind, 0 for words, and the text), so that again no Python code runs inside.
            slot.handle.setopt(pycurl.DEBUGFUNCTION, slot.words.insert)
            slot.handle.setopt(pycurl.VERBOSE, 1)
            slot.loud = True
            return
        self._begin(exchange)

    def cancel(self, exchange: Exchange) -> None:
        """Take an exchange off its handle."""
        slot = self._slots.get(exchange)
        if slot is not None:
            self._take_off(slot)
            return
        line = self._waiting.get(exchange.host, [])
        if exchange in line:
            line.remove(exchange)

    def foresee(self, count: int) -> None:
        """Make the handles."""
        free = self._free.setdefault(None, [])
        while len(free) < count:
            free.append(self._new_slot(None))

    def multiplexes(self, origin: str | None) -> bool:
        """Whether ``origin``, or any for None, speaks HTTP/2."""
        return bool(self._multiplexed) if origin is None else origin in self._multiplexed

    def turn(self, timeout: float) -> None:
        """Wait for sockets, let libcurl work, and hand over what it brought."""
        if self._perform():
            return
        self._wait(timeout)
        self._perform()

    # -- for a relay ---------------------------------------------------------------------------------------------

    def track(self) -> Track:
        """This wire is one."""
        return self

    def attend(self, relay: Relay | None, request: Request | None) -> None:
        """Send what a relay has, as ``request`` but for the address."""
        self._relay, self._relayed = relay, request
        self._relayed_origin = "" if request is None else request.url.origin

    def fill(self) -> None:
        """Send what the relay has now."""
        relay, request = self._relay, self._relayed
        if relay is None or request is None:
            return
        began = relay.begin()
        if not began:
            return
        free = self._free.setdefault(request.client, [])
        shape = (request.headers, request.proxy, request.public_only)
        waits = self._relayed_origin in self._multiplexed
        for lane, url in began:
            slot = free.pop() if free else self._new_slot(request.client)
            if slot.shape != shape:
                _aim(slot.handle, request)
                slot.shape = shape
            if slot.waits != waits:
                slot.waits = waits
                slot.handle.setopt(pycurl.PIPEWAIT, int(waits))
            slot.lane = lane
            handle = slot.handle
            handle.setopt(pycurl.URL, url)
            self._running[handle] = slot
            self._multi.add_handle(handle)

    def grow(self, lane: Lane) -> None:
        """Have a request of the relay's be an exchange."""
        for slot in self._running.values():
            if slot.lane is lane:
                self._grow(slot)
                return

    def _grow(self, slot: _Slot, *, arrived: bool = False) -> None:
        lane, slot.lane = slot.lane, None
        if lane is None:
            return
        exchange = None if self._relay is None else self._relay.carry_on(lane, arrived=arrived)
        if exchange is None:
            self._take_off(slot)
            return
        slot.exchange = exchange
        self._slots[exchange] = slot

    def _land(self, landed: list[_Slot]) -> None:
        """Have the complete answers to a relay's requests taken, when the next ones are out."""
        relay = self._relay
        if relay is None:
            return
        relay.arrived(len(landed))
        # One that is no success says something about those that would be asked next.
        if all(slot.lines and b" 200 " in slot.lines[0] for slot in landed):
            self.fill()
            while self._multi.perform()[0] == pycurl.E_CALL_MULTI_PERFORM:
                pass
        free = self._free[landed[0].client]
        taken = relay.take([(slot.lane, slot.lines, slot.chunks) for slot in landed if slot.lane is not None])
        for slot, whole in zip(landed, taken, strict=True):
            if whole:
                slot.lane = None
                slot.lines.clear()
                slot.chunks.clear()
                free.append(slot)
            else:
                self._grow(slot, arrived=True)
                self._end(slot, 0, "")

    # -- exchanges -----------------------------------------------------------------------------------------------

    def _begin(self, exchange: Exchange) -> None:
        client = exchange.request.client
        free = self._free.get(client)
        slot = free.pop() if free else self._new_slot(client)
        slot.clear()
        slot.exchange = exchange
        request = exchange.request
        shape = (request.headers, request.proxy, request.public_only) if request.method == "GET" else None
        if shape is None or shape != slot.shape:
            _aim(slot.handle, request)
            slot.shape = shape
        slot.handle.setopt(pycurl.URL, str(request.url))
        waits = exchange.host in self._multiplexed
        if slot.waits != waits:
            slot.waits = waits
            slot.handle.setopt(pycurl.PIPEWAIT, int(waits))
        self._running[slot.handle] = slot
        self._slots[exchange] = slot
        self._multi.add_handle(slot.handle)

    def _follow_scouts(self) -> bool:
        """Let those go that waited for a connection, once it stands or came to nothing; whether there is one more."""
        followed = False
        for origin, scout in list(self._scouts.items()):
            slot = self._slots.get(scout)
            if slot is None or slot.handle.getinfo(pycurl.APPCONNECT_TIME) > 0:
                followed = True
                if slot is not None:
                    if scout.request.proxy is None and any(map(_AGREED.search, slot.words)):
                        self._multiplexed.add(origin)
                    slot.hush()
                del self._scouts[origin]
                self._met.add(origin)
                for exchange in self._waiting.pop(origin, []):
                    self._begin(exchange)
        return followed

    def close(self) -> None:
        """Close handles and connections."""
        for slot in [*self._running.values(), *self._whole]:
            self._take_off(slot)
        for slot in itertools.chain.from_iterable(self._free.values()):
            slot.handle.close()
        self._free.clear()
        self._waiting.clear()
        self._multi.close()

    # -- libcurl -------------------------------------------------------------------------------------------------

    def _wait(self, timeout: float) -> None:
        patience: int = self._multi.timeout()
        if patience >= 0:
            timeout = min(timeout, patience / 1000)
        readable, writable, failing = self._multi.fdset()
        if readable or writable or failing:
            select.select(readable, writable, failing, timeout)
        elif timeout > 0:
            time.sleep(min(timeout, _NAP))

    def _perform(self) -> bool:
        """One round; whether anything came of it."""
        while self._multi.perform()[0] == pycurl.E_CALL_MULTI_PERFORM:
            pass
        moved = False
        if self._scouts:
            moved = self._follow_scouts()
        # A few at a time: others may begin in their places before the disk has taken all that came at once.
        ended = False
        waiting = len(self._whole)
        if waiting < _WAITING and self._whole_bytes < _WAITING_BYTES:
            _, done, failed = self._multi.info_read(_ENDINGS)
            if done:
                self._shut_soiled(done)
            landed: list[_Slot] = []
            for handle in done:
                slot = self._running.get(handle)
                if slot is not None and slot.lane is not None:
                    landed.append(slot)
                    self._multi.remove_handle(handle)
                    del self._running[handle]
                else:
                    self._finish(handle, 0, "")
            if landed:
                self._land(landed)
            for handle, code, text in failed:
                slot = self._running.get(handle)
                if slot is not None and slot.lane is not None:
                    self._grow(slot)
                self._finish(handle, code, text)
            ended = bool(done or failed)
        # As long as more of them come, others begin in their places; then the first are taken, whatever else ends.
        if self._whole and len(self._whole) <= waiting:
            ended = True
            for slot in list(itertools.islice(self._whole, _ENDINGS)):
                if slot in self._whole:  # what came of another may have cancelled it
                    self._offer(slot)
        moved = moved or ended
        for slot in [slot for slot in self._running.values() if slot.lines or slot.chunks]:
            if slot.lane is not None:
                if slot.small:
                    continue
                self._grow(slot)  # more has come than its file has
            # Handing over may cancel other exchanges, so each is looked at anew.
            exchange = slot.exchange
            if exchange is not None and not (exchange.patient and slot.small):
                self._hand_over(slot)
                moved = True
        return moved

    def _shut_soiled(self, done: Sequence[Any]) -> None:
        """See that no connection is used again over which more came than was asked for: a next answer, made up.

        libcurl reads no further than a body goes, and what is left it takes for what comes next. A connection that it
        finds shut it leaves alone, and opens another. What lies within the last record of TLS cannot be seen from here.
        """
        sockets = [one.getinfo(pycurl.ACTIVESOCKET) for one in done if one.getinfo(pycurl.INFO_HTTP_VERSION) <= _HTTP_1]
        kept = [descriptor for descriptor in sockets if descriptor >= 0]
        soiled = _readable(kept) if kept else []
        if not soiled:
            return
        # Another request may have been sent over one of them by now, and what came may be its answer.
        busy = {handle.getinfo(pycurl.ACTIVESOCKET) for handle in self._running if handle not in done}
        for descriptor in set(soiled) - busy:
            import _socket

            connection = _socket.socket(fileno=_socket.dup(descriptor))
            with contextlib.suppress(OSError):  # the server was faster
                connection.shutdown(_socket.SHUT_RDWR)
            connection.close()

    def _finish(self, handle: Any, code: int, text: str) -> None:
        slot = self._running.get(handle)
        if slot is None:
            return
        if code == pycurl.E_FTP_WEIRD_SERVER_REPLY and text == _TWO_LOCATIONS and _redirects(slot.lines):
            # libcurl stops before it hands over the second one; what it saw is for others to judge.
            slot.lines += [b"Location: ?\r\n", b"\r\n"]
        exchange = slot.exchange
        if code == 0 and exchange is not None and exchange.patient:
            if slot.lines and slot.lines[0].startswith(b"HTTP/2 "):
                self._multiplexed.add(exchange.host)
            # One that is no success says something about those that would be asked next.
            if exchange.light and slot.lines and b" 200 " in slot.lines[0]:
                self._whole.append(slot)
                self._stop_running(slot)
                slot.kept = sum(map(len, slot.chunks))
                self._whole_bytes += slot.kept
                exchange.arrived()
                return
            if exchange.whole(slot.lines, slot.chunks):
                self._take_off(slot)
                return
        self._end(slot, code, text)

    def _offer(self, slot: _Slot) -> None:
        """Have a complete answer taken, or tell it as any other."""
        exchange = slot.exchange
        if exchange is not None and exchange.whole(slot.lines, slot.chunks):
            self._take_off(slot)
        else:
            self._end(slot, 0, "")

    def _end(self, slot: _Slot, code: int, text: str) -> None:
        """Tell what there is to tell of an exchange that is over."""
        self._hand_over(slot)
        exchange = slot.exchange
        if exchange is None:
            return
        if code == 0 and slot.answered:
            ending = Ending()
        elif code == 0:
            # To libcurl, a head that ends before its empty line is one.
            ending = Ending(Failure.CLOSED, "the connection ended before the head of an answer did")
        else:
            ending = Ending(_failure(slot, exchange.request, code, text), text)
        self._take_off(slot)
        exchange.ended(ending)

    def _hand_over(self, slot: _Slot) -> None:
        """Pass on what came: the head once it is complete, then the body."""
        exchange = slot.exchange
        if exchange is None:
            return
        if not slot.answered:
            try:
                wanted = self._read_head(slot, exchange)
            except MalformedHead as error:
                self._stop(slot, Ending(Failure.PROTOCOL, str(error)))
                return
            except HeadTooLarge as error:
                self._stop(slot, Ending(Failure.HEAD_SIZE, str(error)))
                return
            if not wanted:
                if slot.exchange is exchange:
                    self._stop(slot, Ending(Failure.STOPPED))
                return
        else:
            # What comes behind the head is trailers, which decide nothing.
            slot.lines.clear()
        if slot.answered and slot.chunks and slot.exchange is exchange:
            # libcurl hands out 16 KiB at a time; many at once cost less on all of their way than one by one.
            pieces = slot.chunks.copy()
            slot.chunks.clear()
            if not exchange.body(pieces) and slot.exchange is exchange:
                self._stop(slot, Ending(Failure.STOPPED))

    def _read_head(self, slot: _Slot, exchange: Exchange) -> bool:
        """Look for the end of the head among the lines that came; False where the body is not wanted."""
        while True:
            lines = slot.lines
            for index in range(slot.seen, len(lines)):
                line = lines[index]
                slot.head_size += len(line)
                if line in {b"\r\n", b"\n"}:
                    break
                check_size(slot.head_lines + index + 1, slot.head_size)
            else:
                slot.seen = len(lines)
                return True
            block = lines[:index]
            del lines[: index + 1]
            slot.seen = 0
            slot.head_lines += index
            direct = exchange.request.proxy is None
            head = parse_head(block, (slot.handle.getinfo(pycurl.PRIMARY_IP) or None) if direct else None)
            if head.status >= 200:
                break
        if head.version == "2":
            self._multiplexed.add(exchange.host)
        slot.answered = True
        lines.clear()
        return exchange.head(head)

    def _stop(self, slot: _Slot, ending: Ending) -> None:
        exchange = slot.exchange
        self._take_off(slot)
        if exchange is not None:
            exchange.ended(ending)

    def _take_off(self, slot: _Slot) -> None:
        # An interrupt may come between any two of these, and then all of them are done once more.
        exchange = slot.exchange
        self._stop_running(slot)
        if slot in self._whole:
            self._whole.remove(slot)
            self._whole_bytes -= slot.kept
        if exchange is not None:
            self._slots.pop(exchange, None)
        if slot.loud:
            slot.hush()
        slot.clear()
        self._free.setdefault(slot.client, []).append(slot)

    def _stop_running(self, slot: _Slot) -> None:
        if slot.handle in self._running:
            with contextlib.suppress(pycurl.error):  # it is off already
                self._multi.remove_handle(slot.handle)
            self._running.pop(slot.handle, None)

    def _new_slot(self, client: ClientCertificate | None) -> _Slot:
        handle = pycurl.Curl()
        slot = _Slot(handle, client)
        handle.setopt(pycurl.HEADERFUNCTION, slot.lines.append)
        handle.setopt(pycurl.WRITEFUNCTION, slot.chunks.append)
        handle.setopt(pycurl.NOSIGNAL, 1)
        handle.setopt(pycurl.NOPROGRESS, 1)
        handle.setopt(pycurl.BUFFERSIZE, _BUFFER)
        handle.setopt(pycurl.FOLLOWLOCATION, 0)
        handle.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        handle.setopt(pycurl.NETRC, pycurl.NETRC_IGNORED)
        handle.setopt(pycurl.PATH_AS_IS, 1)
        handle.setopt(pycurl.HTTP_CONTENT_DECODING, 0)
        handle.setopt(_SUPPRESS_CONNECT_HEADERS, 1)
        handle.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_2TLS)
        handle.setopt(pycurl.CONNECTTIMEOUT_MS, max(1, round(self._settings.connect_timeout * 1000)))
        handle.setopt(pycurl.SSLVERSION, pycurl.SSLVERSION_TLSv1_2)
        handle.setopt(pycurl.SSL_VERIFYPEER, 1)
        handle.setopt(pycurl.SSL_VERIFYHOST, 2)
        handle.setopt(pycurl.CAINFO, self._ca_file)
        handle.setopt(pycurl.PROXY_CAINFO, self._ca_file)
        # libcurl reads no_proxy itself unless it is told; which proxy to take is decided elsewhere.
        handle.setopt(pycurl.NOPROXY, "")
        if client is not None:
            handle.setopt(pycurl.SSLCERT, client.certificate)
            handle.setopt(pycurl.SSLKEY, client.key or client.certificate)
        return slot


def _readable(sockets: list[int]) -> list[int]:
    """Those of some sockets on which something has come."""
    if not hasattr(select, "poll"):
        return select.select(sockets, (), (), 0)[0]
    poll = select.poll()  # which, other than select, takes a number of any size
    for one in sockets:
        poll.register(one, select.POLLIN)
    return [one for one, _ in poll.poll(0)]


def _aim(handle: Any, request: Request) -> None:
    """Set on a handle what a request has beside its address."""
    lines = [_line(name, value) for name, value in request.headers]
    # What libcurl sends over a connection that is used again, it sends twice where that breaks off early.
    handle.setopt(pycurl.FRESH_CONNECT, int(request.method != "GET"))
    if request.method == "GET":
        handle.setopt(pycurl.HTTPGET, 1)
    else:
        handle.setopt(pycurl.POST, 1)
        handle.setopt(pycurl.POSTFIELDSIZE_LARGE, len(request.body or b""))
        handle.setopt(pycurl.POSTFIELDS, request.body or b"")
        # libcurl would ask first and wait; and it would name a type of its own.
        lines.append(b"Expect:")
        if not any(name.lower() == "content-type" for name, _ in request.headers):
            lines.append(b"Content-Type:")
    handle.setopt(pycurl.HTTPHEADER, lines)
    if request.proxy is None:
        handle.setopt(pycurl.PROXY, "")
        handle.unsetopt(pycurl.PROXYUSERPWD)
    else:
        handle.setopt(pycurl.PROXY, request.proxy.origin)
        if request.proxy.userinfo is None:
            handle.unsetopt(pycurl.PROXYUSERPWD)
        else:
            # Escaped as in a URL, which is how libcurl takes it here.
            handle.setopt(pycurl.PROXYUSERPWD, request.proxy.userinfo)
    if request.public_only:
        handle.setopt(pycurl.PREREQFUNCTION, _refuse_private)
    else:
        handle.unsetopt(pycurl.PREREQFUNCTION)


def _redirects(lines: list[bytes]) -> bool:
    """Whether the last of the heads that came is a redirect that names its target."""
    ends = [index for index, line in enumerate(lines) if line in {b"\r\n", b"\n"}]
    with contextlib.suppress(MalformedHead):
        head = parse_head(lines[ends[-1] + 1 if ends else 0 :])
        return head.status in REDIRECTS and bool(head.get("location"))
    return False


def _line(name: str, value: str) -> bytes:
    # "Name;" is how libcurl is told to send a header without a value; "Name:" would remove it.
    return (f"{name}: {value}" if value else f"{name};").encode("latin-1")


def _refuse_private(remote: str, _local: str, _remote_port: int, _local_port: int) -> int:
    """Called between the connection and the request."""
    from dlm.fetch.answers import is_public

    return int(pycurl.PREREQFUNC_OK if is_public(remote) else pycurl.PREREQFUNC_ABORT)


_PLAIN_FAILURES = {
    pycurl.E_COULDNT_RESOLVE_HOST: Failure.DNS,
    pycurl.E_COULDNT_RESOLVE_PROXY: Failure.PROXY,
    pycurl.E_OPERATION_TIMEDOUT: Failure.CONNECT_TIMEOUT,
    pycurl.E_ABORTED_BY_CALLBACK: Failure.PRIVATE,
    pycurl.E_PEER_FAILED_VERIFICATION: Failure.TLS,
    pycurl.E_SSL_CERTPROBLEM: Failure.TLS,
    pycurl.E_SSL_CIPHER: Failure.TLS,
    pycurl.E_SSL_CACERT_BADFILE: Failure.TLS,
    pycurl.E_SSL_ISSUER_ERROR: Failure.TLS,
    pycurl.E_SSL_INVALIDCERTSTATUS: Failure.TLS,
    pycurl.E_UNSUPPORTED_PROTOCOL: Failure.PROTOCOL,
    pycurl.E_FTP_WEIRD_SERVER_REPLY: Failure.PROTOCOL,
    pycurl.E_FILESIZE_EXCEEDED: Failure.PROTOCOL,
    pycurl.E_BAD_CONTENT_ENCODING: Failure.PROTOCOL,
}
_CONNECTING = frozenset({pycurl.E_COULDNT_CONNECT, pycurl.E_OPERATION_TIMEDOUT, pycurl.E_SSL_CONNECT_ERROR})
_OVER_TLS = frozenset({pycurl.E_SSL_CONNECT_ERROR, pycurl.E_RECV_ERROR, pycurl.E_SEND_ERROR})
_TOO_LARGE = 100


def _failure(slot: _Slot, request: Request, code: int, text: str) -> Failure:
    """libcurl's code in the words of :class:`Failure`."""
    failure = _cause(slot, code, text)
    if request.proxy is None or slot.answered:
        return failure
    from dlm.fetch.proxies import blamed, refusal

    told = slot.handle.getinfo
    tunnel = told(pycurl.HTTP_CONNECTCODE)
    if tunnel and not 200 <= tunnel < 300:
        return refusal(tunnel)
    if tunnel:
        # A proxy may have said yes and have stopped in the midst of it.
        beyond = "CONNECT" not in text
    else:
        # By plain http, or through a tunnel that was there already.
        reused = request.url.scheme == "http" or told(pycurl.NUM_CONNECTS) == 0
        beyond = reused and code not in _CONNECTING
    return blamed(failure, request, beyond=beyond)


def _cause(slot: _Slot, code: int, text: str) -> Failure:
    """The same, whoever is the other side."""
    said = text.lower()
    if "too large response headers" in said or "too many response headers" in said or code == _TOO_LARGE:
        return Failure.HEAD_SIZE
    if "refused_stream" in said:
        return Failure.STREAM_REFUSED
    if code == pycurl.E_COULDNT_CONNECT:
        refused = slot.handle.getinfo(pycurl.OS_ERRNO) == errno.ECONNREFUSED
        return Failure.REFUSED if refused else Failure.UNREACHABLE
    if code in _OVER_TLS and ALERT in said and not slot.answered:
        # In TLS 1.3 a server looks at the client's certificate after the client has taken TLS for agreed upon.
        return Failure.TLS_REFUSED
    if code == pycurl.E_SSL_CONNECT_ERROR:
        return Failure.CLOSED if any(word in said for word in _CLOSED_IN_HANDSHAKE) else Failure.TLS
    if code in _PLAIN_FAILURES:
        return _PLAIN_FAILURES[code]
    if not slot.answered:
        return Failure.CLOSED
    return Failure.CUT
