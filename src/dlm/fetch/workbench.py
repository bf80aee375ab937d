"""What every transfer of a fetcher is made with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlm.fetch.download import Download, Limit
from dlm.fetch.loop import Limits
from dlm.fetch.retry import RetryPolicy
from dlm.fetch.split import SplitPolicy
from dlm.fetch.transfer import Transfer

if TYPE_CHECKING:
    from dlm.fetch.loop import Loop
    from dlm.fetch.transfer import Owner
    from dlm.model.artifact import Artifact
    from dlm.model.settings import Settings
    from dlm.model.transfer import Order
    from dlm.ports import Clock, Credentials, Reporter

__all__ = ["Workbench"]


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
        self.limits = Limits.of(settings)
        #: What the user allows an artifact to weigh.
        self.size_limit = None if settings.max_size is None else Limit(settings.max_size)
        self._policy = RetryPolicy.of(settings)
        self.split = SplitPolicy.of(settings)
        # Neither the user nor the machine can be told from this.
        self._common = (("Accept", "*/*"), ("User-Agent", f"dlm/{version}"))

    def machine(
        self, order: Order, limit: Limit | None, *, empty_allowed: bool = False, split: SplitPolicy | None = None
    ) -> Download:
        """The rules for one order."""
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
        return Transfer(
            machine,
            owner,
            artifact,
            loop=loop,
            clock=self.clock,
            reporter=self.reporter,
            settings=self.settings,
        )
