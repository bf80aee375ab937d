"""What every transfer of a fetcher is made with.

The rules of :mod:`dlm.fetch.download` are loaded with the first order that needs them: small pinned files do not.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from functools import cached_property

from dlm.fetch.loop import Limits
from dlm.fetch.proxies import proxy_for
from dlm.fetch.retry import RetryPolicy
from dlm.fetch.sent import sent_headers
from dlm.fetch.trust import client_for
from dlm.model.events import Fetched, Fetching
from dlm.model.frozen import replace
from dlm.model.wire import Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dlm.fetch.download import Download, Limit
    from dlm.fetch.loop import Loop
    from dlm.fetch.split import SplitPolicy
    from dlm.fetch.transfer import Owner, Transfer
    from dlm.model.artifact import Artifact
    from dlm.model.events import Event
    from dlm.model.hosts import ClientCertificate
    from dlm.model.settings import Settings
    from dlm.model.transfer import Order, Source
    from dlm.model.url import Url
    from dlm.ports import Clock, Credentials, Reporter

__all__ = ["Workbench"]


#: Bytes of a file that is told of by itself.
_WORTH_A_WORD = 1024 * 1024


def _limit(size: int) -> Limit:
    from dlm.fetch.download import Limit

    return Limit(size)


class _Silence:
    """A reporter that says nothing."""

    def emit(self, event: Event) -> None:
        """Nothing is said."""


class Workbench:
    """Settings, clock and reporter, and what follows from them."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        reporter: Reporter,
        version: str,
        credentials: Credentials | None = None,
    ) -> None:
        self.settings = settings
        self.credentials = credentials
        self.clock = clock
        self.reporter = reporter
        # Thousands of small files are told one by one to whoever wants that alone.
        self._tally: Callable[[int, int], None] | None = getattr(reporter, "tally", None)
        self._count = self._volume = 0
        self.limits = Limits.of(settings)
        #: What the user allows an artifact to weigh.
        self.size_limit = None if settings.max_size is None else _limit(settings.max_size)
        self._policy = RetryPolicy.of(settings)
        # Neither the user nor the machine can be told from this.
        self._common = (("Accept", "*/*"), ("User-Agent", f"dlm/{version}"))
        # What follows from an origin, and from the headers of a source, is the same for thousands of files.
        self._ways: dict[str, tuple[Url | None, ClientCertificate | None]] = {}
        self._sent: dict[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]] = {}

    def quiet(self, limits: Limits, reporter: Reporter | None = None) -> Workbench:
        """The same with other limits, for a process that talks to nobody and tries everything once."""
        bench = object.__new__(type(self))
        bench.__dict__.update(self.__dict__)  # as ``copy.copy``, whose module nothing else needs
        bench.limits = limits
        bench.reporter = reporter or _Silence()
        bench._tally = None
        bench._policy = replace(self._policy, retries=0)
        return bench

    def prepare(self) -> None:
        """Load the rules, for two processes at once."""
        for name in ("download", "flight", "split", "transfer"):
            importlib.import_module(f"dlm.fetch.{name}")

    def tell(self, resource: str, filename: str, size: int, shown: str, seconds: float) -> None:
        """A small file came from the source that is ``shown`` so, all of it at once."""
        if self._tally is not None and size < _WORTH_A_WORD:
            self._count += 1
            self._volume += size
            return
        emit = self.reporter.emit
        emit(Fetching(resource, filename, shown, size))
        emit(Fetched(resource, filename, size, seconds, size, shown))

    def tell_all(self, files: Iterable[tuple[Artifact, float]]) -> None:
        """As :meth:`tell`, for files below :data:`dlm.fetch.parcel.LIGHT` from their own addresses, each with the
        seconds that it took."""
        if self._tally is not None:
            for artifact, _ in files:
                self._count += 1
                self._volume += artifact.size or 0
            return
        for artifact, seconds in files:
            self.tell(artifact.resource, artifact.filename, artifact.size or 0, artifact.url, seconds)

    def tell_sum(self) -> None:
        """Tell of what was only counted so far."""
        if self._count and self._tally is not None:
            self._tally(self._count, self._volume)
            self._count = self._volume = 0

    @cached_property
    def split(self) -> SplitPolicy:
        """When large files come over several connections."""
        from dlm.fetch.split import SplitPolicy

        return SplitPolicy.of(self.settings)

    def limit(self, size: int, what: str) -> Limit:
        """The most bytes that one order may bring; no setting raises it."""
        from dlm.fetch.download import Limit

        return Limit(size, what, None)

    def request(self, source: Source) -> Request:
        """The request for the whole of what ``source`` has.

        Raises:
            SettingsError: the address of the proxy is not one.
        """
        url = source.url
        way = self._ways.get(url.origin)
        if way is None:
            way = self._ways[url.origin] = (proxy_for(url, self.settings), client_for(url, self.settings))
        headers = self._sent.get(source.headers)
        if headers is None:
            headers = self._sent[source.headers] = sent_headers(self._common, source.headers, with_body=False)
        return Request(url=url, headers=headers, proxy=way[0], client=way[1])

    def machine(
        self, order: Order, limit: Limit | None, *, empty_allowed: bool = False, split: SplitPolicy | None = None
    ) -> Download:
        """The rules for one order."""
        from dlm.fetch.download import Download

        return Download(
            order,
            self._policy,
            random=self.clock.random,
            common=self._common,
            limit=limit,
            empty_allowed=empty_allowed,
            split=split,
        )

    def transfer(self, machine: Download, owner: Owner, artifact: Artifact, loop: Loop) -> Transfer:
        """A transfer by the rules of ``machine`` on ``loop``."""
        from dlm.fetch.transfer import Transfer

        return Transfer(
            machine,
            owner,
            artifact,
            loop=loop,
            clock=self.clock,
            reporter=self.reporter,
            settings=self.settings,
        )
