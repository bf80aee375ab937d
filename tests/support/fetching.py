"""A fetcher over a real backend and a real store, against an origin on the loopback."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from dlm.errors import DlmError, PolicyError, UsageError
from dlm.fetch.curl_backend import CurlBackend
from dlm.fetch.fetcher import HttpFetcher
from dlm.fetch.mirrors import sources
from dlm.fetch.requests_backend import RequestsBackend
from dlm.model.artifact import Artifact, Validators
from dlm.model.digest import Digest, Digests
from dlm.model.events import Event
from dlm.model.settings import Settings
from dlm.model.transfer import Arrived, Known, Lost, Order, Outcome
from dlm.model.url import Url
from dlm.ports import Backend
from dlm.store.local import LocalStore
from tests.support.clocks import LeapClock
from tests.support.origin import Origin
from tests.support.stores import Heard
from tests.support.tls import authority

BACKENDS = ("curl", "requests")
#: Backend and protocol: everything that is promised holds for each.
WIRES = (("curl", "http"), ("curl", "https"), ("curl", "h2"), ("requests", "http"), ("requests", "https"))
#: Those on which an answer's bytes can be written by hand.
PLAIN = (("curl", "http"), ("requests", "http"))

BODY = bytes(range(256)) * 1200
VERSION = "0.0.test"


def sha256(data: bytes) -> Digests:
    """The pin of some bytes."""
    return Digests.sha256_of(data)


WRONG = Digests((Digest("sha256", "0" * 64),))


class Values:
    """Variables from a mapping; a name with another prefix than DLM_AUTH_ is not to be had."""

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        self._values = values or {}

    def value(self, name: str, url: Url) -> str:
        if not name.startswith("DLM_AUTH_"):
            raise PolicyError(f"{name} may not be used for {url.host}")
        if name not in self._values:
            raise UsageError(f"{name} is not set")
        return self._values[name]


def order(
    url: str,
    *,
    mirrors: tuple[str, ...] = (),
    digests: Digests | None = None,
    size: int | None = None,
    headers: Mapping[str, str] | None = None,
    values: Mapping[str, str] | None = None,
    known: Known | None = None,
    name: str = "thing",
    filename: str | None = None,
) -> Order:
    """An order as a workflow makes it."""
    parsed = Url.parse(url)
    artifact = Artifact(
        resource=name,
        filename=parsed.filename if filename is None else filename,
        url=url,
        dest=f"vendor/{parsed.filename or 'index'}",
        mirrors=mirrors,
        digests=digests or Digests(),
        size=size,
        headers=headers or {},
    )
    return Order(artifact=artifact, sources=sources(artifact, Values(values)), known=known)


def make_backend(name: str, settings: Settings) -> Backend:
    """A backend by its name."""
    return CurlBackend(settings) if name == "curl" else RequestsBackend(settings)


class Ear(Heard):
    """A reporter that one can wait at."""

    def __init__(self) -> None:
        super().__init__()
        self._changed = threading.Condition()

    def emit(self, event: Event) -> None:
        super().emit(event)
        with self._changed:
            self._changed.notify_all()

    def wait_for(self, kind: type[Event]) -> None:
        """Wait until an event of ``kind`` was told."""
        with self._changed:
            told = self._changed.wait_for(lambda: any(isinstance(one, kind) for one in self.events), timeout=30)
        assert told, self.events


@dataclass
class Kit:
    """One origin, one fetcher, one store."""

    origin: Origin
    fetcher: HttpFetcher
    store: LocalStore
    heard: Ear
    clock: LeapClock
    settings: Settings
    backend: str
    protocol: str
    folder: Path = field(repr=False)

    @property
    def http2(self) -> bool:
        return self.protocol == "h2"

    def outcome(self, one: Order) -> Outcome:
        """The outcome of a single order."""
        [found] = self.fetcher.fetch([one], self.store)
        return found

    def arrive(self, one: Order) -> Arrived:
        """Fetch what has to arrive."""
        found = self.outcome(one)
        assert isinstance(found, Arrived), found
        return found

    def lose(self, one: Order) -> DlmError:
        """Fetch what has to fail, and see that the error is fit to be shown."""
        found = self.outcome(one)
        assert isinstance(found, Lost), found
        error = found.error
        assert error.resource == one.artifact.resource
        assert "\n" not in error.message
        assert "Traceback" not in error.message
        return error

    def seed(self, one: Order, data: bytes, etag: str | None = '"v1"', total: int | None = None) -> None:
        """Leave behind what an interrupted run would have of ``one``."""
        claim = self.store.claim(one.key)
        assert claim is not None
        with claim:
            writer = self.store.writer(one.key, one.artifact.digests, one.artifact.size)
            writer.begin(Validators(etag), total)
            writer.write(data, 0)
            writer.suspend()

    def bytes_of(self, found: Arrived) -> bytes:
        """What lies in the store."""
        return Path(found.blob.path).read_bytes()

    def events(self, kind: type[Event]) -> list[Event]:
        """The events of one kind so far."""
        return [event for event in self.heard.events if isinstance(event, kind)]

    def with_settings(self, **changes: object) -> Kit:
        """The same origin and store with another fetcher."""
        settings = replace(self.settings, **changes)  # type: ignore[arg-type]
        fetcher = HttpFetcher(settings, self.clock, self.heard, make_backend(self.backend, settings), version=VERSION)
        return replace(self, fetcher=fetcher, settings=settings)


@contextmanager
def kit(folder: Path, backend: str = "curl", protocol: str = "http", **changes: object) -> Iterator[Kit]:
    """Everything for one test."""
    origin = Origin() if protocol == "http" else Origin.secure(http2=protocol == "h2")
    settings = Settings(ca_file=authority().ca_file, retry_backoff=0.01, connect_timeout=5.0, backend=backend)
    settings = replace(settings, **changes)  # type: ignore[arg-type]
    heard, clock = Ear(), LeapClock()
    store = LocalStore(str(folder / "cache"), clock, heard)
    with origin:
        fetcher = HttpFetcher(settings, clock, heard, make_backend(backend, settings), version=VERSION)
        made = Kit(origin, fetcher, store, heard, clock, settings, backend, protocol, folder)
        try:
            yield made
        finally:
            fetcher.close()
            store.close()
