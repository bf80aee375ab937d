"""One question to an origin: does it still have what was got there? The body of its answer is never read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dlm.errors import DlmError, IntegrityError, RefusedError
from dlm.fetch.answers import opaque_tag
from dlm.model.artifact import Validators
from dlm.model.digest import Digests
from dlm.model.frozen import replace
from dlm.model.transfer import Answered

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dlm.fetch.download import Download
    from dlm.fetch.loop import Loop
    from dlm.fetch.workbench import Workbench
    from dlm.model.transfer import Known, Order, Standing

__all__ = ["Asking"]

_GONE = frozenset({404, 410})


class Asking:
    """Asks for one order, whose ``known`` says what was got; ``result`` is None until it is over.

    It owns a transfer like any other, so that redirects, retries, proxies and secrets go by the same rules, but the
    body that it lets the transfer fill takes nothing.
    """

    def __init__(self, bench: Workbench, loop: Loop, order: Order) -> None:
        self._bench = bench
        self._loop = loop
        self._asked = order
        # Without a digest: a pin would be asked for whole, and never whether it is still there.
        self._order = replace(order, artifact=replace(order.artifact, digests=Digests(), size=None))
        self._machine: Download | None = None
        self.result: Answered | None = None

    def start(self) -> None:
        """Begin."""
        self._machine = self._bench.machine(self._order, None, empty_allowed=True)
        self._bench.transfer(self._machine, self, self._order.artifact, self._loop).start()

    def open(self) -> _NoBody:
        """What the answer is told to."""
        return _NoBody()

    def commit(self, expected: Digests, size: int | None) -> None:
        """Never comes to pass: nothing was taken."""
        raise IntegrityError("a body came where none was asked for")

    def reuse(self) -> bool:
        """The origin says that nothing changed."""
        return True

    def finished(self) -> None:
        """The same as before, perhaps at another address."""
        self._answer("same", moved=self._machine.final_url if self._machine is not None else None)

    def failed(self, error: DlmError) -> None:
        """Another answer, or none."""
        if isinstance(error, _Begun):
            self._answer(_judge(self._order.known, error.validators, error.total), size=error.total)
        elif isinstance(error, RefusedError) and error.status in _GONE:
            self._answer("gone", error=error)
        else:
            self._answer("unknown", error=error)

    def _answer(
        self, standing: Standing, *, moved: str | None = None, error: DlmError | None = None, size: int | None = None
    ) -> None:
        self.result = Answered(order=self._asked, standing=standing, moved=moved, error=error, size=size)


class _Begun(DlmError):  # noqa: N818 - it ends what nobody wants more of
    """The origin began to send a whole body: that says enough."""

    def __init__(self, validators: Validators, total: int | None) -> None:
        super().__init__("the body is not wanted")
        self.validators = validators
        self.total = total


class _NoBody:
    """What a transfer fills where only the head of an answer is wanted."""

    offset = 0
    validators = Validators()
    total: int | None = None
    ahead: tuple[tuple[int, int], ...] = ()

    def begin(self, validators: Validators, total: int | None) -> None:
        """A whole body begins: refuse it, and remember what was said of it."""
        raise _Begun(validators, total)

    def write_pieces(self, pieces: Sequence[bytes], size: int, at: int) -> None:
        """Nothing is written."""

    def lags(self) -> bool:
        """There is nothing to wait for."""
        return False

    def note(self) -> bool:
        """Nothing is noted."""
        return False

    def suspend(self) -> None:
        """Nothing is kept."""

    def discard(self) -> None:
        """Nothing is there."""


def _judge(known: Known | None, now: Validators, total: int | None) -> Standing:
    """What a whole answer says about the bytes that were got. An origin may know nothing of conditions."""
    if known is None:
        return "unknown"
    if total is not None and total != known.size:
        return "changed"
    before = known.validators
    if before.etag and now.etag:
        return "same" if opaque_tag(before.etag) == opaque_tag(now.etag) else "changed"
    if before.last_modified and now.last_modified:
        return "same" if before.last_modified == now.last_modified and total is not None else "changed"
    return "unknown"
