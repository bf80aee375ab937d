"""One order on its way into a store: the claim, what is at hand already, the transfer, the record of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from dlm.errors import DlmError, IntegrityError
from dlm.fetch.server_digests import disagreement
from dlm.model.artifact import Receipt
from dlm.model.events import Fetched, Waiting, Warned
from dlm.model.transfer import Arrived, Known, Lost

if TYPE_CHECKING:
    from dlm.fetch.loop import Exchange, Handler, Loop
    from dlm.fetch.workbench import Workbench
    from dlm.model.artifact import Blob
    from dlm.model.digest import Digests
    from dlm.model.transfer import Order, Outcome
    from dlm.ports import Claim, Store, Writer

__all__ = ["Flight"]

#: Seconds between two looks at a claim that another process has: short at first, never long.
_FIRST_LOOK, _LONGEST_LOOK = 0.02, 0.5


class Flight:
    """Carries one order to its outcome, and tells it once."""

    def __init__(
        self, bench: Workbench, loop: Loop, store: Store, order: Order, done: Callable[[Outcome], None]
    ) -> None:
        self._bench = bench
        self._loop = loop
        self._store = store
        self._order = order
        self._done = done
        self._claim: Claim | None = None
        self._writer: Writer | None = None
        self._blob: Blob | None = None
        self._seen = order.seen
        self._look = _FIRST_LOOK
        self._waited = False
        self._recorded = False
        self._over = False
        limit = bench.size_limit if order.most is None else bench.limit(order.most, "the limit for such a file")
        self._machine = bench.machine(
            order, limit, empty_allowed=order.lenient, split=bench.split if store.scatters else None
        )
        self._transfer = bench.transfer(self._machine, self, order.artifact, loop)

    def launch(self) -> None:
        """Begin, or wait for the process that has begun already."""
        try:
            if not self._order.artifact.digests and self._seen is None:
                known = self._store.known(self._order.key)
                self._seen = known.serial if known is not None else 0
            self._try_claim()
        except DlmError as error:
            self.failed(error)

    def carry_on(self, claim: Claim, exchange: Exchange, begun: float) -> Handler | None:
        """Take over the claim and the exchange of somebody who began at ``begun`` (monotonic seconds) to fetch this.

        Returns:
            who handles the exchange from now on; None where it is of no use, and may end.
        """
        self._claim = claim
        return self._transfer.carry_on(exchange, begun)

    def abandon(self) -> None:
        """Stop, and keep what has arrived."""
        self._over = True
        try:
            self._transfer.abandon()
        except DlmError as error:
            # The run ends for a better reason than this one.
            self._bench.reporter.emit(Warned(error.message, self._order.artifact.resource))
        self._release()

    def _try_claim(self) -> None:
        self._claim = self._store.claim(self._order.key)
        if self._claim is None:
            if not self._waited:
                self._waited = True
                self._bench.reporter.emit(Waiting(f"another dlm is fetching {self._order.artifact.label}"))
            self._loop.after(self._look, self._look_again)
            self._look = min(2 * self._look, _LONGEST_LOOK)
            return
        if not self._at_hand():
            self._transfer.start()

    def _look_again(self) -> None:
        if self._over:
            return
        try:
            self._try_claim()
        except DlmError as error:
            self.failed(error)

    def _at_hand(self) -> bool:
        """Whether the store holds it already, or since another process held the claim."""
        artifact = self._order.artifact
        if artifact.digests:
            blob = self._store.get(artifact.digests)
            if blob is None:
                return False
            if artifact.size is not None and artifact.size != blob.size:
                raise IntegrityError(
                    f"a size of {artifact.size} bytes was expected, the bytes with this digest are {blob.size}",
                    resource=artifact.resource,
                    hint=f"if the new bytes are wanted: dlm lock --accept-hash {artifact.resource}",
                )
            self._finish(blob, Receipt(source=self._order.sources[0].shown, from_origin=False, attempts=0))
            return True
        now = self._store.known(self._order.key)
        if now is None or now.serial == self._seen:
            return False
        blob = self._store.get(now.digests)
        if blob is None:
            return False
        self._finish(blob, self._known_receipt(now))
        return True

    def _known_receipt(self, known: Known) -> Receipt:
        """The receipt of what another process got from the origin a moment ago."""
        origin = next((source for source in self._order.sources if source.origin), self._order.sources[0])
        return Receipt(
            source=self._machine.clean(origin.shown),
            from_origin=True,
            final_url=known.final_url,
            headers=known.headers,
            attempts=0,
        )

    # -- what the transfer asks ----------------------------------------------------------------------------------

    def open(self) -> Writer:
        """A writer, with what an earlier run left."""
        artifact = self._order.artifact
        self._writer = self._store.writer(self._order.key, artifact.digests, artifact.size, self._order.spare)
        return self._writer

    def commit(self, expected: Digests, size: int | None) -> None:
        """Into the store."""
        assert self._writer is not None, "commit comes after open"
        self._blob = self._writer.commit(expected, size, self._record)

    def reuse(self) -> bool:
        """The blob that the order knew, if it is still there."""
        known = self._order.known
        self._blob = None if known is None else self._store.get(known.digests)
        return self._blob is not None

    def finished(self) -> None:
        """Write down what the origin said, and hand the blob over."""
        blob = self._blob
        assert blob is not None, "finished comes after commit or reuse"
        machine, transfer = self._machine, self._transfer
        from_origin = self._from_origin()
        receipt = Receipt(
            source=machine.shown or self._order.sources[0].shown,
            from_origin=from_origin,
            final_url=machine.final_url,
            headers=machine.kept if from_origin else {},
            transferred=transfer.transferred,
            seconds=transfer.seconds,
            attempts=machine.attempts,
            complete=machine.complete,
            status=machine.head.status if machine.head is not None else 0,
        )
        self._compare(blob)
        try:
            if not self._recorded:
                self._record(blob.digests, blob.size)
        except DlmError as error:
            self.failed(error)
            return
        self._finish(blob, receipt)

    def failed(self, error: DlmError) -> None:
        """No source delivered, or this machine stands in the way."""
        if error.resource is None:
            error.resource = self._order.artifact.resource
        self._over = True
        self._release()
        self._transfer.part()
        self._done(Lost(order=self._order, error=error))

    def _from_origin(self) -> bool:
        source = self._machine.source
        return source is not None and source.origin

    def _record(self, digests: Digests, size: int) -> None:
        """Note what the origin answered. Before the blob is there: a run that is killed in between fetches again what
        it had not finished, and never what it had."""
        if not self._from_origin() or self._order.artifact.digests:
            return
        machine = self._machine
        known = Known(
            digests=digests,
            size=size,
            validators=machine.validators,
            headers=machine.kept,
            final_url=machine.final_url,
        )
        self._store.record(self._order.key, known, self._order.artifact.filename)
        self._recorded = True

    def _compare(self, blob: Blob) -> None:
        """Say so where the server's own digest of the body is another one."""
        head = self._machine.head
        if head is None or head.status != 200:
            return
        actual = blob.digests.as_mapping()
        if self._transfer.md5 is not None:
            actual["md5"] = self._transfer.md5
        header = disagreement(head, actual)
        if header is not None:
            message = f"{self._machine.shown} states a {header} that its own bytes do not have"
            self._bench.reporter.emit(Warned(message, self._order.artifact.resource))

    def _finish(self, blob: Blob, receipt: Receipt) -> None:
        self._over = True
        self._release()
        self._transfer.part()
        artifact = self._order.artifact
        if receipt.attempts or self._waited:
            self._bench.reporter.emit(
                Fetched(
                    artifact.resource,
                    artifact.filename,
                    blob.size,
                    receipt.seconds,
                    receipt.transferred,
                    receipt.source,
                )
            )
        self._done(Arrived(order=self._order, blob=blob, receipt=receipt))

    def _release(self) -> None:
        claim, self._claim = self._claim, None
        if claim is not None:
            claim.close()
