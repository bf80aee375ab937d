"""One small document on its way into memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlm.errors import DlmError, UsageError
from dlm.fetch.download import Limit
from dlm.fetch.memory import MemoryBody
from dlm.fetch.mirrors import sources
from dlm.model.artifact import Artifact
from dlm.model.frozen import replace
from dlm.model.transfer import Order, Page
from dlm.model.url import Url

if TYPE_CHECKING:
    from dlm.fetch.download import Download
    from dlm.fetch.loop import Loop
    from dlm.fetch.workbench import Workbench
    from dlm.model.digest import Digests

__all__ = ["PAGE_LIMIT", "Reading"]

#: The most bytes of a small document.
PAGE_LIMIT = 16 * 1024 * 1024


class Reading:
    """Reads one document; ``result`` is None until it is over."""

    def __init__(self, bench: Workbench, loop: Loop, url: str) -> None:
        self._bench = bench
        self._loop = loop
        self._url = url
        self._body = MemoryBody()
        self._machine: Download | None = None
        self.result: Page | DlmError | None = None

    def start(self) -> None:
        """Begin."""
        try:
            url = Url.parse(self._url)
            artifact = Artifact(resource="", filename=url.redacted, url=self._url, dest="")
            order = Order(
                artifact=artifact,
                sources=sources(
                    artifact, _NoVariables(), rewrite=self._bench.settings.rewrite, credentials=self._bench.credentials
                ),
            )
        except ValueError as error:
            self.result = UsageError(f"an address cannot be read: {error}")
            return
        except DlmError as error:
            self.result = error
            return
        limit = Limit(PAGE_LIMIT, "the limit for a page", None)
        self._machine = self._bench.machine(order, limit, empty_allowed=True)
        self._bench.transfer(self._machine, self, artifact, self._loop).start()

    def open(self) -> MemoryBody:
        """A fresh body."""
        self._body = MemoryBody()
        return self._body

    def commit(self, expected: Digests, size: int | None) -> None:
        """Nothing pins a page."""

    def reuse(self) -> bool:
        """Nothing is known of a page."""
        return False

    def finished(self) -> None:
        """All of it is here."""
        machine = self._machine
        assert machine is not None, "finished comes after start"
        assert machine.head is not None, "a page came with a head"
        assert machine.address is not None, "a page came from somewhere"
        headers: dict[str, str] = {}
        for name, value in machine.head.fields:
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        text = self._body.content.decode("utf-8", "replace")
        self.result = Page(url=replace(machine.address, userinfo=None), text=text, headers=headers)

    def failed(self, error: DlmError) -> None:
        """It is not to be had."""
        self.result = error


class _NoVariables:
    """A small document's address comes from settings or from a resolver, and holds no ``${NAME}``."""

    def value(self, name: str, url: Url) -> str:
        raise UsageError(f"${{{name}}} stands in an address of {url.host} where nothing is filled in")
