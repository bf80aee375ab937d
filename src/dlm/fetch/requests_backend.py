"""The backend on requests: a thread for each exchange under way, and one queue through which they report.

requests' adapter is used without its session, which would follow or read redirects, keep cookies, and ask the
environment for proxies, certificates and logins. Connections are our own kind where HTTP leaves a choice: they race
addresses, keep the raw head for :mod:`dlm.fetch.head`, and take a TLS connection that ends without close_notify
for cut.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import queue
import socket
import ssl
import threading
from collections.abc import Mapping
from typing import Any, ClassVar

import requests
import requests.adapters
import requests.structures
import urllib3
import urllib3.connection
import urllib3.exceptions
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util.ssl_ import is_ipaddress

from dlm.errors import LocalError
from dlm.fetch.answers import body_length, framed, is_public
from dlm.fetch.chunks import ChunkError, Chunks
from dlm.fetch.dial import DialError, dial
from dlm.fetch.head import MAX_LINE, REDIRECTS, HeadTooLarge, MalformedHead, check_size, parse_head
from dlm.fetch.proxies import authorization, blamed, refusal
from dlm.fetch.trust import ALERT, ca_bundle, load_client
from dlm.model.hosts import ClientCertificate
from dlm.model.settings import Settings
from dlm.model.url import Url
from dlm.model.wire import Ending, Failure, Head
from dlm.ports import Exchange, Wire

__all__ = ["RequestsBackend"]

#: Bytes that are read at once, at most.
_CHUNK = 512 * 1024

_current = threading.local()


class RequestsBackend:
    """Speaks HTTP/1.1 by requests."""

    name: ClassVar[str] = "requests"

    def __init__(self, settings: Settings) -> None:
        """Args:
        settings: timeouts, caps, certificates.

        Raises:
            SettingsError: ``ca_file`` or a client certificate cannot be used.
        """
        self._settings = settings
        ca_file = ca_bundle(settings)
        clients = {entry.client for entry in settings.hosts.values()}
        self._contexts = {client: _context(ca_file, client) for client in (None, *clients)}

    def open(self) -> Wire:
        """Threads and a pool of connections of its own."""
        return _RequestsWire(self._settings, self._contexts)


class _RequestsWire:
    """Threads that carry out exchanges, and the queue that brings their reports to whoever turns the wire."""

    keeps_back: ClassVar[bool] = False

    def __init__(self, settings: Settings, contexts: Mapping[ClientCertificate | None, ssl.SSLContext]) -> None:
        self._timeout = settings.connect_timeout
        # One for each certificate of ours: a connection that showed one must not serve who has to show another.
        self._adapters = {
            client: _Adapter(context, contexts[None], max(16, settings.jobs_per_host))
            for client, context in contexts.items()
        }
        self._todo: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._reports: queue.SimpleQueue[tuple[_Job, Head | Ending | BaseException]] = queue.SimpleQueue()
        self._jobs: dict[Exchange, _Job] = {}
        self._workers = 0
        self._busy = 0

    def start(self, exchange: Exchange) -> None:
        """Hand an exchange to a thread that has nothing to do, or to a new one."""
        # Where nobody waits for what the threads are at, one of them will soon have nothing to do.
        if self._busy >= self._workers and not self._hire() and self._jobs:
            exchange.postponed()
            return
        job = self._jobs[exchange] = _Job(
            exchange, self._adapters[exchange.request.client], self._timeout, self._reports
        )
        self._busy += 1
        self._todo.put(job)

    def _hire(self) -> bool:
        """One thread more; False where the system allows none beside those that there are.

        Raises:
            LocalError: it allows not even one.
        """
        # A daemon: a name that the system looks up for minutes must not keep an interrupted run from ending.
        thread = threading.Thread(target=_work, args=(self._todo,), daemon=True, name="dlm-requests")
        try:
            thread.start()
        except RuntimeError as error:
            if not self._workers:
                raise LocalError(
                    f"no thread can be started to download with: {error}",
                    hint="raise the limit of processes and threads, or use the backend curl, which needs none",
                ) from error
            return False
        self._workers += 1
        return True

    def cancel(self, exchange: Exchange) -> None:
        """Wake the exchange's thread and tell it to let go."""
        job = self._jobs.pop(exchange, None)
        if job is not None:
            job.cancel()

    def foresee(self, count: int) -> None:
        """There is nothing to make ready."""

    def track(self) -> None:
        """There is none: what comes here comes piece by piece."""

    def multiplexes(self, origin: str | None) -> bool:
        """Never."""
        return False

    def turn(self, timeout: float) -> None:
        """Pass on what the threads report."""
        try:
            job, report = self._reports.get(timeout=max(0.0, timeout))
            while True:
                self._pass_on(job, report)
                job, report = self._reports.get_nowait()
        except queue.Empty:
            return

    def close(self) -> None:
        """Cancel everything, and let threads and connections go."""
        for job in self._jobs.values():
            job.cancel()
        self._jobs.clear()
        for _ in range(self._workers):
            self._todo.put(None)
        self._workers = 0
        for adapter in self._adapters.values():
            adapter.close()

    def _pass_on(self, job: _Job, report: Head | Ending | BaseException) -> None:
        if not isinstance(report, Head):
            self._busy -= 1
        if job.cancelled:
            return
        if isinstance(report, Head):
            job.reply(job.exchange.head(report))
            return
        self._jobs.pop(job.exchange, None)
        if isinstance(report, Ending):
            job.exchange.ended(report)
        else:
            raise report


def _work(todo: queue.SimpleQueue[_Job | None]) -> None:
    while (job := todo.get()) is not None:
        job.run()


class _PrivatePeerError(Exception):
    """The connected address is not a public one."""


class _Job:
    """One exchange on a thread."""

    def __init__(
        self,
        exchange: Exchange,
        adapter: _Adapter,
        timeout: float,
        reports: queue.SimpleQueue[tuple[_Job, Head | Ending | BaseException]],
    ) -> None:
        self.exchange = exchange
        self.cancelled = False
        self.head: Head | None = None
        self._adapter = adapter
        self._timeout = timeout
        self._reports = reports
        self._answer: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self.peer: str | None = None
        self._beyond = exchange.request.proxy is None
        #: Whether to use no connection that served others: what is asked once alone is not to get lost on one.
        self._fresh = exchange.request.method != "GET"
        self._reused = self._begun = False
        self._answered = False

    # -- on the thread of the loop -------------------------------------------------------------------------------

    def reply(self, wanted: bool) -> None:
        """Whether the body is wanted."""
        self._answer.put(wanted)

    def cancel(self) -> None:
        """Let go: when this returns, no piece of the body is passed on any more."""
        with self._lock:
            self.cancelled = True
            if self._socket is not None:
                _wake(self._socket)
        self._answer.put(False)

    # -- on the thread of the job --------------------------------------------------------------------------------

    def run(self) -> None:
        """Carry the exchange out, and report how it ended."""
        _current.job = self
        try:
            ending = Ending(Failure.STOPPED) if self.cancelled else self._exchange()
        except BaseException as error:  # noqa: BLE001 - raised again on the thread of the loop
            self._reports.put((self, error))
            return
        finally:
            self._socket = None
            _current.job = None
        self._reports.put((self, ending))

    def connected(self, connection: socket.socket) -> None:
        """The connection that this exchange uses is there, and nothing was sent on it yet."""
        with self._lock:
            self._socket = connection
            if self.cancelled:
                _wake(connection)
        self.led_on()
        request = self.exchange.request
        if request.proxy is None:
            self.peer = _address(connection)
            if request.public_only and not is_public(self.peer):
                raise _PrivatePeerError

    def given(self, connection: http.client.HTTPConnection) -> None:
        """What the pool has for this exchange: perhaps a connection that served others."""
        if connection.sock is not None and self._fresh:
            connection.close()
        self._reused = connection.sock is not None

    def look_behind(self, reader: io.BufferedReader) -> None:
        """Where anything lies behind a body, see that the pool finds the connection ended."""
        connection = self._socket
        if connection is None:
            return
        patience = connection.gettimeout()
        try:
            connection.settimeout(0)
            if reader.peek(1):
                _wake(connection)
        except OSError:
            pass  # nothing, or the end
        finally:
            with contextlib.suppress(OSError):  # where it is closed by now
                connection.settimeout(patience)

    def led_on(self) -> None:
        """The proxy, if there is one, has done what it has to do: what fails from now on is the server's doing."""
        self._beyond = True

    def wanted(self) -> bool:
        """Whether anybody still waits for this."""
        return not self.cancelled

    def _exchange(self) -> Ending:
        ending = self._try()
        if ending.failure is Failure.CLOSED and self._reused and not self._answered and not self._begun:
            # The server closed a connection that was kept, when it was asked again: nothing failed (RFC 9112 9.3.1).
            # libcurl does likewise.
            self._fresh = True
            ending = self._try()
        return ending

    def _try(self) -> Ending:
        try:
            response = self._send()
        except DialError as error:
            return self._ending(error.failure, error.note)
        except _PrivatePeerError:
            return Ending(Failure.PRIVATE, str(self.peer))
        except MalformedHead as error:
            return self._ending(Failure.PROTOCOL, str(error))
        except HeadTooLarge as error:
            return self._ending(Failure.HEAD_SIZE, str(error))
        except (OSError, http.client.HTTPException, urllib3.exceptions.HTTPError) as error:
            return self._failed(error)
        with contextlib.closing(response):
            return self._receive(response.raw)

    def _send(self) -> requests.Response:
        request = self.exchange.request
        prepared = requests.PreparedRequest()
        prepared.method = request.method
        prepared.url = str(request.url)
        prepared.headers = requests.structures.CaseInsensitiveDict(request.headers)
        if request.method != "GET":
            prepared.body = request.body or b""
            prepared.headers["Content-Length"] = str(len(prepared.body))
        # Reading waits as long as the loop does, which measures rates and not pauses.
        return self._adapter.send(prepared, stream=True, timeout=(self._timeout, None), proxies=_proxies(request.proxy))

    def _receive(self, raw: urllib3.HTTPResponse) -> Ending:
        assert self.head is not None, "an answer begins with its head"
        self._answered = True
        self._reports.put((self, self.head))
        if not self._answer.get():
            return Ending(Failure.STOPPED)
        while True:
            try:
                data = raw.read1(_CHUNK, decode_content=False)
            except MalformedHead as error:  # of trailers
                return Ending(Failure.PROTOCOL, str(error))
            except HeadTooLarge as error:
                return Ending(Failure.HEAD_SIZE, str(error))
            except (OSError, ChunkError, http.client.HTTPException, urllib3.exceptions.HTTPError) as error:
                return self._failed(error)
            if not data:
                return Ending()
            with self._lock:
                if self.cancelled or not self.exchange.body((data,)):
                    return Ending(Failure.STOPPED)

    def _failed(self, error: Exception) -> Ending:
        note = f"{type(error).__name__}: {error}"
        if self._answered:
            return Ending(Failure.CUT, note)
        causes = _causes(error)
        self._begun = any(isinstance(cause, _HeadCutError) for cause in causes)
        return self._ending(_failure(causes, sent=self._socket is not None), note)

    def _ending(self, failure: Failure, note: str) -> Ending:
        return Ending(blamed(failure, self.exchange.request, beyond=self._beyond), note)


#: What OpenSSL 3 calls a connection that ended without a word.
_ENDED = "UNEXPECTED_EOF_WHILE_READING"


def _failure(causes: list[BaseException], *, sent: bool) -> Failure:
    """What went wrong before there was a head, in the words of the wire."""
    for cause in causes:
        if isinstance(cause, (ssl.SSLEOFError, ssl.SSLZeroReturnError, ConnectionError)):
            return Failure.CLOSED
        if isinstance(cause, ssl.SSLError):
            if ALERT in str(cause):
                return Failure.TLS_REFUSED
            # An end in the midst of a handshake; early builds of Python 3.11 and 3.12 have no class of its own for it.
            return Failure.CLOSED if getattr(cause, "reason", None) == _ENDED else Failure.TLS
        if isinstance(cause, TimeoutError):
            return Failure.HEAD_TIMEOUT if sent else Failure.CONNECT_TIMEOUT
        if isinstance(cause, http.client.RemoteDisconnected):
            return Failure.CLOSED
        if isinstance(cause, (http.client.HTTPException, urllib3.exceptions.InvalidHeader)):
            return Failure.PROTOCOL
    return Failure.CLOSED


def _causes(error: BaseException) -> list[BaseException]:
    """An exception and what it was raised from or wraps, innermost first."""
    found: list[BaseException] = []
    waiting: list[BaseException] = [error]
    while waiting:
        one = waiting.pop(0)
        if one in found:
            continue
        found.append(one)
        inner = [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]
        waiting.extend(cause for cause in inner if isinstance(cause, BaseException))
    return found[::-1]


def _wake(connection: socket.socket) -> None:
    """End whatever a thread waits for on a connection. Not SSLSocket's own way, which would go on in plain text."""
    with contextlib.suppress(OSError):
        # urllib3's TLS within the TLS of a proxy is no socket, but holds one.
        socket.socket.shutdown(getattr(connection, "socket", connection), socket.SHUT_RDWR)


def _address(connection: socket.socket) -> str | None:
    try:
        return str(connection.getpeername()[0])
    except OSError:
        return None


def _proxies(proxy: Url | None) -> dict[str, str]:
    """What requests is told of a proxy; the login is sent by ourselves."""
    return {} if proxy is None else {"http": proxy.origin, "https": proxy.origin}


# -- connections ---------------------------------------------------------------------------------------------------


class _StrictContext(ssl.SSLContext):
    """Takes a connection that ends without close_notify for cut, since anyone on the way could have cut it."""

    def wrap_socket(  # noqa: PLR0917 - the standard library's order
        self,
        sock: socket.socket,
        server_side: bool = False,
        do_handshake_on_connect: bool = True,
        suppress_ragged_eofs: bool = True,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLSocket:
        return super().wrap_socket(sock, server_side, do_handshake_on_connect, False, server_hostname, session)


class _Socket(ssl.SSLSocket):
    def do_handshake(self, block: bool = False) -> None:
        super().do_handshake(block)
        _check_names(self)


class _Object(ssl.SSLObject):
    """The same within the TLS of a proxy."""

    def do_handshake(self) -> None:
        super().do_handshake()
        _check_names(self)


def _check_names(connection: ssl.SSLSocket | ssl.SSLObject) -> None:
    """Refuse a host that a certificate has as its subject's common name alone, where the names that it has are all
    addresses, as libcurl does: for OpenSSL a common name counts unless there are names of hosts.

    Raises:
        ssl.SSLCertVerificationError: it does not name the host.
    """
    names: Any = (connection.getpeercert() or {}).get("subjectAltName", ())
    kinds = {kind for kind, _ in names}
    host = connection.server_hostname or ""
    if "IP Address" in kinds and "DNS" not in kinds and not is_ipaddress(host):
        raise ssl.SSLCertVerificationError(f"the certificate has addresses alone, and does not name {host}")


#: What libcurl offers by default, which is what OpenSSL 3.2 does; Python leaves out what has no forward secrecy, or
#: SHA-1 as a message's code, and some old servers have nothing else.
_CIPHERS = "DEFAULT:@SECLEVEL=2"


def _context(ca_file: str, client: ClientCertificate | None) -> ssl.SSLContext:
    """A context that trusts whom libcurl would trust, and speaks what it would speak."""
    context = _StrictContext(ssl.PROTOCOL_TLS_CLIENT)
    context.sslsocket_class, context.sslobject_class = _Socket, _Object
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.load_verify_locations(cafile=ca_file)
    # What the user's file holds is trusted, also where it is no authority's own certificate.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.set_alpn_protocols(["http/1.1"])
    if client is not None:
        load_client(context, client)
    if hasattr(ssl, "OP_IGNORE_UNEXPECTED_EOF"):
        context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    return context


class _Lines:
    """A reader of lines that are here already."""

    def __init__(self, lines: list[bytes]) -> None:
        self._lines = lines[::-1]

    def readline(self, limit: int = -1) -> bytes:
        return self._lines.pop() if self._lines else b""

    def close(self) -> None:
        """Nothing is open."""


class _Response(http.client.HTTPResponse):
    """An answer whose head and chunks are read here; http.client sees of it only what concerns the connection."""

    _chunks: Chunks | None = None

    def begin(self) -> None:
        job: _Job | None = getattr(_current, "job", None)
        reader = self.fp
        if job is None or reader is None:
            super().begin()
            return
        job.head = _read_head(reader, job.peer)
        self.fp = _Lines(_framing(job.head))  # type: ignore[assignment]
        try:
            super().begin()
        finally:
            if self.fp is not None:
                self.fp = reader
        if self.chunked:
            self._chunks = Chunks(reader)

    def _close_conn(self) -> None:
        # More than was asked for is no beginning of the next answer (RFC 9112 6.3): the connection is not used again.
        job: _Job | None = getattr(_current, "job", None)
        reader: object = self.fp
        if job is not None and isinstance(reader, io.BufferedReader) and not self.will_close:
            job.look_behind(reader)
        super()._close_conn()  # type: ignore[misc]

    def read1(self, n: int = -1) -> bytes:
        # The only way in which a body is read.
        return super().read1(n) if self._chunks is None else self._chunks.read1(n)


class _HeadCutError(http.client.RemoteDisconnected):
    """Something of a head had come."""


def _framing(head: Head) -> list[bytes]:
    """What http.client needs of a head, in the one spelling that it reads as it is meant."""
    lines = [f"HTTP/{head.version} {head.status} "]
    if not framed(head):
        lines.append("Connection: close")
    elif head.status not in {204, 304}:  # which have no body, whatever they say
        if head.all("transfer-encoding"):
            lines.append("Transfer-Encoding: chunked")
        elif (length := body_length(head)) is not None:
            lines.append(f"Content-Length: {length}")
    lines += [f"{name}: {head.get(name) or ''}" for name in ("connection", "keep-alive", "proxy-connection")]
    return [f"{line}\r\n".encode("latin-1") for line in (*lines, "")]


#: How an answer begins.
_HTTP = b"HTTP/"


def _read_head(reader: Any, peer: str | None) -> Head:
    """The first head that is not an interim one (1xx). What libcurl refuses is refused, and in the same words."""
    count = size = 0
    targets: set[str] = set()
    while True:
        if not _HTTP.startswith(reader.peek(1)[: len(_HTTP)]):
            raise MalformedHead("not an HTTP status line")
        lines: list[bytes] = []
        width = 0
        while (line := reader.readline(MAX_LINE + 1)) not in {b"\r\n", b"\n"}:
            if not line:
                raise _too_soon(lines)
            folded = line[:1] in {b" ", b"\t"}
            width = len(line) + (width if folded else 0)
            if width > MAX_LINE:
                raise HeadTooLarge("a header of the answer is too long")
            lines.append(line)
            count += not folded
            size += len(line)
            check_size(count, size)
        head = parse_head(lines, peer)
        named = set(filter(None, head.all("location")))
        targets |= named
        # A redirect with two targets is for others to judge; libcurl goes no further wherever else it sees two.
        if len(targets) > 1 and not (head.status in REDIRECTS and len(named) > 1):
            raise MalformedHead("more than one Location")
        if not 100 <= head.status < 200:
            return head


def _too_soon(lines: list[bytes]) -> Exception:
    """What to call a head that ended with these lines, the last of which may go on where it came to an end."""
    if len(lines) > 1 or (lines and lines[0].endswith(b"\n")):
        parse_head(lines[:-1] or lines)
        return _HeadCutError("the connection ended within the head of an answer")
    elif lines and not _HTTP.startswith(lines[0][: len(_HTTP)]):
        return MalformedHead("not an HTTP status line")
    return http.client.RemoteDisconnected("the connection ended before there was an answer")


class _Connection(urllib3.connection.HTTPConnection):
    response_class = _Response

    def _new_conn(self) -> socket.socket:
        return _dialled(self)

    def connect(self) -> None:
        super().connect()
        _connected(self.sock)

    def putrequest(self, method: str, url: str, skip_host: bool = False, skip_accept_encoding: bool = False) -> None:
        _connected(self.sock)
        super().putrequest(method, url, skip_host, skip_accept_encoding)

    def send(self, data: Any) -> None:
        try:
            super().send(data)
        except ssl.SSLEOFError as error:
            # What the server said before it hung up tells why, and urllib3 reads it after this error alone.
            raise BrokenPipeError from error


class _SecureConnection(_Connection, urllib3.connection.HTTPSConnection):
    """The same over TLS: what it adds stands between the two."""

    def _tunnel(self) -> None:
        """Ask the proxy for a tunnel. http.client takes 200 alone for one (RFC 9110 9.3.6: any 2xx is)."""
        job: _Job = _current.job
        request = job.exchange.request
        target = request.url.netloc if request.url.port else f"{request.url.netloc}:{request.url.effective_port}"
        login = None if request.proxy is None else authorization(request.proxy)
        lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
        if login is not None:
            lines.append(f"Proxy-Authorization: {login}")
        self.sock.sendall("\r\n".join([*lines, "", ""]).encode("ascii"))
        # A byte at a time, and not one of what follows: that belongs to the tunnel.
        with self.sock.makefile("rb", buffering=1) as reader:
            status = _read_head(reader, None).status
        if not 200 <= status < 300:
            raise DialError(refusal(status), f"the proxy answered CONNECT with {status}")
        job.led_on()


def _dialled(connection: urllib3.connection.HTTPConnection) -> socket.socket:
    job: _Job = _current.job
    timeout = connection.timeout if isinstance(connection.timeout, (int, float)) else 10.0
    # urllib3 leaves a proxy's address of IPv6 in its brackets.
    connected = dial(connection._dns_host.strip("[]"), connection.port, timeout, job.wanted)
    connected.settimeout(timeout)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connected


def _connected(connection: socket.socket | None) -> None:
    job: _Job | None = getattr(_current, "job", None)
    if job is not None and connection is not None:
        job.connected(connection)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection

    def _get_conn(self, timeout: float | None = None) -> Any:
        connection = super()._get_conn(timeout)
        _current.job.given(connection)
        return connection


class _SecurePool(_Pool, HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class _Adapter(requests.adapters.HTTPAdapter):
    """requests' adapter with one TLS context, our own connections, and nothing from the environment."""

    def __init__(self, context: ssl.SSLContext, proxy_context: ssl.SSLContext, size: int) -> None:
        self._context = context
        self._proxy_context = proxy_context
        self._size = size
        super().__init__(pool_connections=size, pool_maxsize=size, max_retries=0)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **pool_kwargs: Any) -> None:
        self.poolmanager = urllib3.PoolManager(
            num_pools=connections, maxsize=maxsize, block=block, ssl_context=self._context
        )
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}

    def get_connection_with_tls_context(
        self, request: requests.PreparedRequest, verify: Any, proxies: Any = None, cert: Any = None
    ) -> Any:
        job: _Job = _current.job
        proxy = job.exchange.request.proxy
        manager = self.poolmanager if proxy is None else self._manager(proxy)
        return manager.connection_from_url(str(request.url))

    def _manager(self, proxy: Url) -> Any:
        manager = self.proxy_manager.get(proxy)
        if manager is None:
            login = authorization(proxy)
            manager = self.proxy_manager[proxy] = urllib3.ProxyManager(
                proxy.origin,
                proxy_headers={} if login is None else {"Proxy-Authorization": login},
                maxsize=self._size,
                ssl_context=self._context,
                # A client certificate is for its host: the proxy is not shown who asks.
                proxy_ssl_context=self._proxy_context,
            )
            manager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
        return manager

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """The context verifies; there is nothing to set on a single connection."""
