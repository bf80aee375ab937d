"""One artifact's whole life as a state machine without I/O, clock or threads.

Events go in (what a writer holds, the head of attempt *k*, how attempt *k* ended, a wait is over, the commit was
rejected), lists of commands come out (start attempt *k* on a span of the file, take its body, drop it, wait, commit,
fail). Body bytes never pass through here, so one machine serves every backend, and tests need no wire at all.

It alone decides which source is asked, which answers count, what a redirect may do, when pieces belong together,
how long to wait and when to give up. Rules: RFC 9110 (semantics), RFC 9112 (framing), RFC 7538 (308).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from dlm.errors import IntegrityError, NetworkError, PolicyError, RefusedError
from dlm.fetch.answers import (
    as_utf8,
    body_length,
    content_range,
    ends_clearly,
    framed,
    is_public,
    opaque_tag,
    phrase,
    resumable,
)
from dlm.fetch.commands import Accept, Begin, Cancel, Commit, Drop, Fail, Reuse, Span, Start, Tell, Trim, Wait
from dlm.fetch.head import REDIRECTS
from dlm.fetch.retry import passing_failure, passing_status, retry_after
from dlm.fetch.scrub import Scrubber
from dlm.fetch.sent import sent_headers
from dlm.fetch.split import Split, SplitPolicy
from dlm.model.artifact import Validators, kept_headers
from dlm.model.digest import new_hash
from dlm.model.events import Fetching, Retrying, SourceFailed, Warned
from dlm.model.frozen import dataclass, replace
from dlm.model.url import Url
from dlm.model.wire import Ending, Failure

if TYPE_CHECKING:
    from dlm.errors import DlmError
    from dlm.fetch.commands import Command
    from dlm.fetch.retry import RetryPolicy
    from dlm.model.digest import Digests
    from dlm.model.transfer import Order, Source
    from dlm.model.wire import Head

__all__ = ["MAX_REDIRECTS", "Download", "Limit"]

#: Redirects that are followed from one address.
MAX_REDIRECTS = 10
#: A body that is not wanted and no longer than this may be read, since that costs less than a new connection.
_SMALL = 16 * 1024
#: Streams that a server may refuse before that counts as a failed attempt.
_FREE_REFUSALS = 10

_PERMANENT = frozenset({301, 308})
#: Characters of an address that a server names, at most (RFC 9110 4.1 asks for as many).
_LONGEST = 8000
#: Kept headers in which a server writes what it likes, perhaps what it was sent.
_FREE_TEXTS = frozenset({"etag", "content-disposition"})
#: Failures before anything of a request was sent.
_NOT_SENT = frozenset({
    Failure.REFUSED, Failure.UNREACHABLE, Failure.DNS, Failure.CONNECT_TIMEOUT, Failure.STREAM_REFUSED,
    Failure.PROXY,
})  # fmt: skip
_ELSEWHERE = frozenset({Failure.REFUSED, Failure.UNREACHABLE, Failure.DNS, Failure.CONNECT_TIMEOUT})

_SENTENCES = {
    Failure.DNS: "no address is known for the host {host}",
    Failure.REFUSED: "{host} refused the connection",
    Failure.UNREACHABLE: "{host} cannot be reached",
    Failure.CONNECT_TIMEOUT: "{host} could not be connected to in time",
    Failure.TLS: "no trusted TLS connection to {host}",
    Failure.TLS_REFUSED: "{host} refused the TLS connection",
    Failure.PROXY: "the proxy could not be reached, or did not connect to {host}",
    Failure.PROXY_TLS: "no trusted TLS connection to the proxy",
    Failure.PROXY_DENIED: "the proxy refuses to connect to {host}",
    Failure.PROXY_LOGIN: "the proxy asks for credentials (407 Proxy Authentication Required)",
    Failure.HEAD_TIMEOUT: "{host} gave no answer in time",
    Failure.CLOSED: "{host} closed the connection without an answer",
    Failure.CUT: "the connection to {host} broke off {where}",
    Failure.STALLED: "{host} stalled {where}",
    Failure.PROTOCOL: "{host} sent an answer that is not valid HTTP",
    Failure.HEAD_SIZE: "{host} sent too large a header",
    Failure.STREAM_REFUSED: "{host} refused the stream",
    Failure.PRIVATE: "a redirect leads from a public host to {host}, whose address is not public",
    Failure.TOO_LONG: "{host} sent more than it announced",
    Failure.STOPPED: "the transfer was stopped",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Verdict:
    """What an answer means whose body is not wanted."""

    means: Literal["redirect", "again", "restart", "unbounded", "unconditional", "commit", "reuse", "lost"]
    reason: str = ""
    kind: _Kind = "refused"
    url: Url | None = None
    status: int = 0
    after: float | None = None
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class Limit:
    """The most bytes that one transfer may bring: ``what`` sets it, ``hint`` says how to raise it."""

    size: int
    what: str = "max_size"
    hint: str | None = "raise the setting max_size if the file is meant to be that large"


_Kind = Literal["integrity", "policy", "refused", "network"]


@dataclass(frozen=True, slots=True)
class _Reason:
    """Why a source was given up."""

    shown: str
    text: str
    kind: _Kind
    hint: str | None = None
    status: int | None = None


@dataclass(slots=True)
class _Attempt:
    """One request and what is known of it so far."""

    number: int
    source: int
    url: Url
    span: Span
    hops: tuple[int, ...] = ()
    trail: tuple[Url, ...] = ()
    own: bool = True
    conditional: bool = False
    public_only: bool = False
    method: str = "GET"
    body: bytes | None = None
    verdict: _Verdict | None = None
    head: Head | None = None
    at: int = 0
    length: int | None = None
    beside: bool = False


class Download:
    """The rules of one transfer.

    Call :meth:`begin` once, then tell events as they come and carry out every command of each answer in its order.
    After :class:`Commit` say :meth:`committed` or :meth:`rejected`, after :class:`Reuse` that it worked by nothing
    at all or that it did not by :meth:`missing`. :class:`Fail` is the last command there is.
    """

    def __init__(
        self,
        order: Order,
        policy: RetryPolicy,
        *,
        random: Callable[[], float],
        common: Sequence[tuple[str, str]] = (),
        limit: Limit | None = None,
        empty_allowed: bool = False,
        split: SplitPolicy | None = None,
    ) -> None:
        """Args:
        order: what to fetch, and from where.
        policy: how often and how patiently to try.
        random: a number from 0 to below 1, for jitter.
        common: headers of every request, unless the user has one of the same name.
        limit: most bytes that are accepted.
        empty_allowed: whether no bytes at all are a fine answer even where nothing pins them.
        split: when several spans may be asked for at the same time; None where the writer takes them in order only.
        """
        if not order.sources:
            raise ValueError("an order without a source")
        self._order = order
        self._artifact = order.artifact
        self._sources = order.sources
        self._policy = policy
        self._random = random
        self._common = tuple(common)
        self._most = limit
        self._empty_allowed = empty_allowed or order.artifact.size == 0 or _pins_nothing(order.artifact.digests)
        self._pinned = bool(order.artifact.digests)
        self._queue: deque[int] = deque(range(len(order.sources)))
        self._tries = [0] * len(order.sources)
        self._refusals = [0] * len(order.sources)
        self._last = [""] * len(order.sources)
        self._reasons: dict[int, _Reason] = {}
        #: Takes every secret of the sources out of a text.
        self.clean = Scrubber(secret for source in order.sources for secret in source.secrets)
        self._waited = 0.0
        self._asked = 0
        self._live: dict[int, _Attempt] = {}
        self._split_policy = split or SplitPolicy()
        self._split: Split | None = None
        self._lead: _Attempt | None = None
        self._over = False
        self._announced = False
        # Sources that contradicted themselves about a piece: asked for the whole file only from then on.
        self._whole_only: set[int] = set()
        self._unconditional = False
        # What the writer holds: the first bytes of one representation, and spans behind them where several were asked
        # for at once; from which source, validated by what.
        self._held = 0
        self._ahead: tuple[tuple[int, int], ...] = ()
        # Whether to ask for no more than what lies before such a span; who fails to give that may give all the rest.
        self._bounded = True
        self._from: int | None = None
        self._validators = Validators()
        self._total: int | None = None
        self._pieced = False
        self._delivered: _Attempt | None = None
        self._kept: dict[str, str] = {}
        self._complete = True

    # -- what the glue asks afterwards ---------------------------------------------------------------------------

    @property
    def attempts(self) -> int:
        """How many requests were sent."""
        return self._asked

    @property
    def total(self) -> int | None:
        """The size of the file, as far as it is known."""
        return self._total if self._total is not None else self._artifact.size

    @property
    def splitting(self) -> bool:
        """Whether several spans are under way or may be: :meth:`measured` is to be told now and then."""
        return self._split is not None

    @property
    def complete(self) -> bool:
        """Whether the answer said how long it would be, so that a cut could be seen."""
        return self._complete

    @property
    def source(self) -> Source | None:
        """Who delivered or confirmed, None where no request was needed."""
        return None if self._delivered is None else self._sources[self._delivered.source]

    @property
    def shown(self) -> str | None:
        """The source that delivered, for messages and receipts."""
        return None if self.source is None else self.clean(self.source.shown)

    @property
    def address(self) -> Url | None:
        """The address that answered in the end."""
        return None if self._delivered is None else self._delivered.url

    @property
    def head(self) -> Head | None:
        """The head of the last answer that counted."""
        return None if self._delivered is None else self._delivered.head

    @property
    def validators(self) -> Validators:
        """ETag and Last-Modified as the answer that counted gave them."""
        head = self.head
        if head is None:
            return Validators()
        etag, modified = head.get("etag"), head.get("last-modified")
        etag = etag or self._kept.get("etag")
        return Validators(etag if self._may_be_kept(etag) else None, modified or self._kept.get("last-modified"))

    @property
    def kept(self) -> dict[str, str]:
        """The headers worth keeping of a whole answer; of a file in pieces, those of the whole."""
        return {
            name: value for name, value in self._kept.items() if name not in _FREE_TEXTS or self._may_be_kept(value)
        }

    def _may_be_kept(self, text: str | None) -> bool:
        """Whether a text of the server's choice holds nothing that was sent to it in confidence."""
        return text is None or self.clean(text) == text

    @property
    def final_url(self) -> str | None:
        """Where redirects led that are all permanent and name no query, from the artifact's own address."""
        attempt = self._delivered
        if attempt is None or not attempt.hops or not self._sources[attempt.source].origin:
            return None
        moved = (*attempt.trail[1:], attempt.url)
        if not set(attempt.hops) <= _PERMANENT or any(url.query is not None for url in moved):
            return None
        address = str(attempt.url)
        return address if len(address) <= _LONGEST and self._may_be_kept(address) else None

    # -- events --------------------------------------------------------------------------------------------------

    def begin(
        self,
        offset: int = 0,
        validators: Validators | None = None,
        total: int | None = None,
        ahead: Sequence[tuple[int, int]] = (),
    ) -> list[Command]:
        """The writer is open and holds ``offset`` bytes of a file of ``total`` that ``validators`` belong to.

        What it holds ``ahead`` (start and end of each span, in order) counts where that does, and not alone.
        """
        self._held = offset
        self._ahead = tuple(ahead) if offset and total is not None and all(end <= total for _, end in ahead) else ()
        self._validators = validators or Validators()
        self._total = total if offset else None
        self._pieced = offset > 0
        # Bytes without a pin are kept for another run only when the origin gave them, see _begin().
        self._from = self._origin_index() if offset else None
        size = self._artifact.size
        if offset and size is not None and (offset > size or total not in {None, size}):
            self._forget()
        elif self._pinned and offset and offset == (size if size is not None else total):
            return self._commit()
        return self._ask()

    def answered(self, number: int, head: Head, now: float) -> list[Command]:
        """The head of attempt ``number`` came; ``now`` in seconds since the epoch."""
        attempt = self._live.get(number)
        if attempt is None or attempt.head is not None or head.status < 200:
            return []
        attempt.head = head
        judged = self._judge_beside(attempt, head, now) if attempt.beside else self._judge(attempt, head, now)
        if not isinstance(judged, _Verdict):
            return judged
        attempt.verdict = judged
        rest = body_length(head)
        return [Drop(number, small=rest is not None and rest <= _SMALL)]

    def ended(self, number: int, ending: Ending, received: int = 0) -> list[Command]:
        """Attempt ``number`` is over; ``received`` bytes of its body went into the writer."""
        attempt = self._live.pop(number, None)
        if attempt is None or self._over:
            return []
        if attempt.verdict is not None and not attempt.beside:
            return self._act(attempt, attempt.verdict)
        if self._split is not None and number in self._split:
            return self._span_ended(self._split, attempt, ending, received)
        if attempt.head is None:
            return self._unanswered(attempt, ending.failure or Failure.CLOSED)
        self._held = attempt.at + received
        self._take_in()
        if ending.failure is None and attempt.length is not None and received != attempt.length:
            ending = Ending(Failure.CUT if received < attempt.length else Failure.TOO_LONG)
        if ending.failure is None and attempt.span.end is not None and self._held < (self._total or 0):
            # Only what lay before a span that is at hand was asked for.
            return self._ask()
        if ending.failure is None:
            return self._arrived(attempt)
        if ending.failure is Failure.TOO_LONG:
            if attempt.head.status == 206:
                return self._act(attempt, _Verdict(means="restart"))
            self._forget()
            return self._give_up(attempt.source, *self._excess())
        if self._total is not None and self._held >= self._total:
            # Every byte that was announced is here; how the connection ended then is no matter.
            return self._arrived(attempt)
        return self._again(attempt, self._sentence(attempt, ending.failure), failure=ending.failure)

    def noted(self, taken: Mapping[int, int]) -> None:
        """How many bytes each attempt has brought so far; tells where spans may be cut."""
        if self._split is not None:
            self._split.note(taken)
            self._held = self._split.held

    def measured(self, now: float, received: int, latency: float = 0.0) -> list[Command]:
        """All attempts together have brought ``received`` bytes until ``now`` (monotonic seconds).

        Args:
            latency: seconds from the first request until its answer.
        """
        if self._split is None or self._over:
            return []
        self._split.measure(now, received, latency)
        return self._spread(self._split)

    def woke(self) -> list[Command]:
        """A wait is over."""
        return [] if self._over or self._live else self._ask()

    def committed(self) -> list[Command]:
        """The bytes are checked and in the store."""
        self._over = True
        if self._complete or self._pinned or self._artifact.size is not None:
            return []
        return [
            Tell(
                Warned(
                    f"{self._shown(self._delivered)} did not say how long the file is; "
                    "whether it is complete could not be checked (size or sha256 in the manifest would tell)",
                    self._artifact.resource,
                )
            )
        ]

    def rejected(self, message: str) -> list[Command]:
        """The bytes differ from what they have to be, as ``message`` says, and were dropped."""
        pieced, attempt = self._pieced, self._delivered
        self._forget()
        if attempt is None:
            # What an earlier run left was wrong, whoever it came from.
            return self._ask()
        if pieced and attempt.source not in self._whole_only:
            # Perhaps two pieces did not belong together, which is no fault of this source's whole file.
            self._whole_only.add(attempt.source)
            return self._ask()
        return self._give_up(attempt.source, message + self._oddities(attempt), "integrity", self._pin_hint(attempt))

    def missing(self) -> list[Command]:
        """The blob that was to be used again is gone."""
        self._unconditional = True
        return self._ask()

    def broke(self, error: DlmError) -> list[Command]:
        """Something on this machine stands in the way; no source can mend it."""
        self._over = True
        # Of a body that is under way nobody has told yet how much of it there is.
        coming = any(one.head is not None and one.verdict is None for one in self._live.values())
        cancelled: list[Command] = [Cancel(number) for number in self._live]
        self._live.clear()
        return [*cancelled, Fail(error, keep=(coming or self._held > 0) and self._usable())]

    # -- asking --------------------------------------------------------------------------------------------------

    def _ask(self) -> list[Command]:
        index = self._queue[0]
        source = self._sources[index]
        if source.problem is not None:
            return self._give_up(index, source.problem.message, "refused", source.problem.hint)
        conditional = self._conditional(source)
        attempt = _Attempt(
            number=self._asked,
            source=index,
            url=source.url,
            span=self._span(index),
            trail=(source.url,),
            conditional=conditional,
            method=source.method,
            body=source.body,
        )
        return [self._start(attempt)]

    def _start(self, attempt: _Attempt) -> Start:
        attempt.number = self._asked
        self._asked += 1
        self._live[attempt.number] = attempt
        return Start(
            attempt.number,
            attempt.url,
            self._headers(attempt),
            attempt.span,
            attempt.public_only,
            attempt.method,
            attempt.body,
        )

    def _headers(self, attempt: _Attempt) -> tuple[tuple[str, str], ...]:
        users = self._sources[attempt.source].headers if attempt.own else ()
        sent = list(sent_headers(self._common, users, with_body=attempt.body is not None))
        if attempt.conditional and self._order.known is not None:
            validators = self._order.known.validators
            if validators.etag:
                sent.append(("If-None-Match", validators.etag))
            elif validators.last_modified:
                sent.append(("If-Modified-Since", validators.last_modified))
        if not attempt.span.whole:
            sent.append(("Range", attempt.span.header))
            condition = self._if_range(attempt.source)
            if condition is not None:
                sent.append(("If-Range", condition))
        return tuple(sent)

    def _conditional(self, source: Source) -> bool:
        known = self._order.known
        return (
            known is not None
            and bool(known.validators)
            and source.origin
            and source.method == "GET"
            and not self._pinned
            and not self._unconditional
        )

    def _span(self, index: int) -> Span:
        """What to ask a source for: what is missing, where its answer can be proven to belong to what is held."""
        if not self._held or index in self._whole_only or self._sources[index].method != "GET":
            return Span()
        missing = Span(self._held, self._ahead[0][0] if self._ahead and self._bounded else None)
        if self._pinned:
            # The digest proves it in the end, so a piece from anywhere is worth a try.
            return missing
        if self._from != index or self._if_range(index) is None:
            return Span()
        if self._total is not None and self._held >= self._total:
            # Nothing is missing, but nothing says that it is still so: the last byte again, with the answer's word.
            return Span(self._total - 1) if self._total > 1 else Span()
        return missing

    def _if_range(self, index: int) -> str | None:
        """The validator that makes a server send a piece only of the same representation (RFC 9110 13.1.5)."""
        if self._from != index:
            return None
        return self._validators.strong or self._validators.last_modified

    # -- judging an answer ---------------------------------------------------------------------------------------

    def _judge(self, attempt: _Attempt, head: Head, now: float) -> _Verdict | list[Command]:
        if not framed(head):
            return _Verdict(means="again", reason=self._sentence(attempt, Failure.PROTOCOL))
        status = head.status
        if status in REDIRECTS:
            return self._redirect(attempt, head)
        if status == 200 or (self._order.lenient and status in {201, 203}):
            return self._whole_answer(attempt, head)
        if status == 206 and not attempt.span.whole:
            return self._piece(attempt, head)
        if status == 304 and attempt.conditional:
            return self._confirmed(attempt, head)
        if status == 416 and not attempt.span.whole:
            return self._out_of_range(head)
        said = f"{self._who(attempt)} answered {phrase(status)}"
        if head.peer is None:
            said += " (through the proxy)" if status in {502, 503, 504} else ""
        if status == 407:
            return _Verdict(means="lost", reason=self._sentence(attempt, Failure.PROXY_LOGIN), kind="network",
                            hint=_FAILURE_HINTS[Failure.PROXY_LOGIN])  # fmt: skip
        if passing_status(status):
            return _Verdict(means="again", reason=said, status=status, after=retry_after(head, now))
        if attempt.span.end is not None and 400 <= status < 500:
            return _Verdict(means="unbounded")
        if status in {401, 403}:
            return _Verdict(means="lost", reason=said, status=status, hint=self._credentials(attempt))
        if 200 <= status < 400:
            return _Verdict(means="lost", reason=f"{said}, which is no answer to a plain request", kind="network")
        return _Verdict(means="lost", reason=said, status=status)

    def _redirect(self, attempt: _Attempt, head: Head) -> _Verdict:
        said = f"a redirect ({head.status}) of {attempt.url.redacted}"
        places = set(head.all("location"))
        if len(places) != 1 or "" in places:
            missing = "names no target" if not places - {""} else "names two targets"
            return _Verdict(means="lost", reason=f"{said} {missing}")
        try:
            # What looks like ${NAME} in a server's words is none.
            place = as_utf8(places.pop()).replace("{", "%7B").replace("}", "%7D")
            if len(place) > _LONGEST:
                raise ValueError(f"an address of {len(place)} characters")
            target = replace(attempt.url.resolve(place), userinfo=None)
        except ValueError as error:
            return _Verdict(means="lost", reason=f"{said} leads to what cannot be fetched: {error}")
        if attempt.url.scheme == "https" and target.scheme != "https":
            return _Verdict(means="lost", reason=f"{said} leads from https to http, {target.redacted}")
        if len(attempt.hops) >= MAX_REDIRECTS:
            return _Verdict(means="lost", reason=f"{said} is one of more than {MAX_REDIRECTS} in a row")
        if target in attempt.trail or target == attempt.url:
            return _Verdict(means="lost", reason=f"{said} leads round in a circle, to {target.redacted}")
        if attempt.body is not None and head.status in {307, 308} and target.origin != attempt.url.origin:
            return _Verdict(
                means="lost", reason=f"{said} leads to {target.origin}, which the request's body is not for"
            )
        return _Verdict(means="redirect", url=target, status=head.status)

    def _whole_answer(self, attempt: _Attempt, head: Head) -> _Verdict | list[Command]:
        total = body_length(head)
        size = self._artifact.size
        if total is not None:
            if size is not None and total != size:
                return _Verdict(means="lost", reason=f"a size of {size} bytes was expected, {total} bytes are offered"
                                + self._oddities(attempt), kind="integrity", hint=self._pin_hint(attempt))  # fmt: skip
            if self._most is not None and total > self._most.size:
                return self._too_large(total, self._most)
            if total == 0 and not self._empty_allowed:
                return _Verdict(means="lost", reason=_EMPTY, kind="integrity", hint=_EMPTY_HINT)
        self._held = 0
        self._ahead = ()
        self._pieced = False
        self._from = attempt.source
        self._total = total
        self._validators = resumable(head)
        self._complete = total is not None or ends_clearly(head)
        self._kept = kept_headers(dict(head.fields))
        attempt.at, attempt.length = 0, total
        # Only validators of the origin are written down: what a later run finds has no other mark of its maker.
        noted = self._validators if self._sources[attempt.source].origin else Validators()
        accepted = self._accept(attempt, self._limit(total))
        return [Begin(noted, total), *accepted, *self._consider_split(attempt, head, ranges=False)]

    def _piece(self, attempt: _Attempt, head: Head) -> _Verdict | list[Command]:
        """Take a 206 only where it is what was asked for, of what the first answer announced."""
        restart = _Verdict(means="restart", reason=f"{self._who(attempt)} sent another piece than was asked for")
        found = content_range(head)
        if found is None:
            return restart
        start, end, total = found
        length = body_length(head)
        wanted_end = total if attempt.span.end is None else min(attempt.span.end, total)
        known = self.total
        if start != attempt.span.start or end != wanted_end or (known is not None and total != known):
            return restart
        if (length is not None and length != end - start) or not self._same(attempt.source, head):
            return restart
        if self._most is not None and total > self._most.size:
            return self._too_large(total, self._most)
        self._total = total
        self._pieced = True
        self._complete = True
        # The headers of a piece are those of the whole but for its length (RFC 9110 15.3.7).
        piece = kept_headers(dict(head.fields)) | {"content-length": str(total)}
        piece.pop("content-digest", None)
        piece.pop("content-md5", None)
        self._kept = piece | self._kept
        attempt.at, attempt.length = start, end - start
        return [*self._accept(attempt, end - start), *self._consider_split(attempt, head, ranges=True)]

    def _accept(self, attempt: _Attempt, limit: int | None) -> list[Command]:
        accept = Accept(attempt.number, attempt.at, limit)
        if self._announced:
            return [accept]
        self._announced = True
        artifact, shown = self._artifact, self.clean(self._sources[attempt.source].shown)
        return [Tell(Fetching(artifact.resource, artifact.filename, shown, self.total, attempt.at)), accept]

    def _same(self, index: int, head: Head) -> bool:
        """Whether a piece says that it is of the representation that is held."""
        if self._from != index:
            return self._pinned
        etag, modified = head.get("etag"), head.get("last-modified")
        strong = self._validators.strong
        if strong is not None:
            return etag == strong or (etag is None and self._pinned)
        if self._validators.last_modified is not None:
            return modified == self._validators.last_modified or (modified is None and self._pinned)
        return self._pinned

    def _confirmed(self, attempt: _Attempt, head: Head) -> _Verdict:
        known = self._order.known
        etag = head.get("etag")
        if known is None or (etag and known.validators.etag and opaque_tag(etag) != opaque_tag(known.validators.etag)):
            return _Verdict(means="unconditional")
        self._delivered = attempt
        self._kept = dict(known.headers)
        return _Verdict(means="reuse")

    def _out_of_range(self, head: Head) -> _Verdict:
        """416 says that nothing is left to send, or that what is held has nothing to do with what is there."""
        whole = (head.get("content-range") or "").strip().lower()
        expected = self._artifact.size if self._artifact.size is not None else self._total
        if self._pinned and whole == f"bytes */{self._held}" and expected in {None, self._held}:
            return _Verdict(means="commit")
        return _Verdict(means="restart", reason="the server has no such piece of the file")

    # -- several spans at once -----------------------------------------------------------------------------------

    def _consider_split(self, attempt: _Attempt, head: Head, *, ranges: bool) -> list[Command]:
        """Whether the rest of what ``attempt`` brings may come over further connections too."""
        policy, total = self._split_policy, self._total
        offered = ranges or (head.get("accept-ranges") or "").strip().lower() == "bytes"
        if (
            policy.most < 2
            or total is None
            or total - attempt.at - sum(end - start for start, end in self._ahead) < policy.least
            or not offered
            or head.version != "1.1"  # streams of one HTTP/2 connection share what it gets
            or attempt.method != "GET"
            or attempt.source in self._whole_only
            or self._validators.strong is None
            or (attempt.span.end is None if self._ahead else attempt.span.end not in {None, total})
        ):
            return []
        self._split, self._lead = Split(policy, attempt.number, attempt.at, total, self._ahead), attempt
        return self._spread(self._split)

    def _spread(self, split: Split) -> list[Command]:
        """Attempts for the spans that are to run beside those that do."""
        lead = self._lead
        assert lead is not None, "a split has a first attempt"
        commands: list[Command] = []
        while (span := split.claim()) is not None:
            # Where redirects led, which is where the validator is from.
            attempt = replace(lead, span=span, head=None, verdict=None, conditional=False, beside=True)
            commands.append(self._start(attempt))
            split.began(attempt.number, span)
        return commands

    def _judge_beside(self, attempt: _Attempt, head: Head, now: float) -> _Verdict | list[Command]:
        """Exactly the span that was asked for, of exactly the same representation, or nothing."""
        split, span, length = self._split, attempt.span, body_length(head)
        assert split is not None, "who is beside others is so in a split"
        who = self._who(attempt)
        if not framed(head):
            return _Verdict(means="again", reason=self._sentence(attempt, Failure.PROTOCOL))
        if passing_status(head.status):
            reason = f"{who} answered {phrase(head.status)}"
            return _Verdict(means="again", reason=reason, status=head.status, after=retry_after(head, now))
        if head.status != 206:
            return _Verdict(means="again", reason=f"{who} answered {phrase(head.status)} to a request for a piece")
        found = content_range(head)
        if found != (span.start, span.end, self._total) or length not in {None, found[1] - found[0]}:
            return _Verdict(means="again", reason=f"{who} sent another piece than was asked for")
        if head.get("etag") != self._validators.strong:
            return _Verdict(means="again", reason=f"{who} sent a piece of another version of the file")
        if not split.answered(attempt.number):
            return _Verdict(means="again")
        self._pieced = True
        attempt.at, attempt.length = found[0], found[1] - found[0]
        return [*self._accept(attempt, attempt.length), *self._trimmed(split)]

    def _trimmed(self, split: Split) -> list[Command]:
        return [Trim(number, end) for number, end in split.limits()]

    def _span_ended(self, split: Split, attempt: _Attempt, ending: Ending, received: int) -> list[Command]:
        lead, verdict = self._lead, attempt.verdict
        assert lead is not None, "a split has a first attempt"
        if ending.failure is Failure.TOO_LONG and not self._pinned:
            # Who can tell which of its bytes are those of the span? Nothing will, where nothing is pinned.
            cancelled = self._unsplit()
            self._forget()
            if not attempt.beside:
                return [*cancelled, *self._give_up(attempt.source, *self._excess())]
            self._whole_only.add(attempt.source)
            return [*cancelled, *self._ask()]
        refused = verdict is not None and not verdict.status
        fine = split.ended(attempt.number, received, refused=refused)
        self._held = split.held
        if split.complete:
            cancelled = self._unsplit()
            self._held = self._total or 0
            return [*cancelled, *self._arrived(lead)]
        more = self._spread(split) if fine or split.running else []
        if split.running:
            return [*more, *self._trimmed(split)]
        # Nobody is left who works: on with what is missing, one request at a time and as patiently as ever.
        self._unsplit()
        if split.shared:
            self._split_policy = SplitPolicy()
        whole = replace(lead, span=Span())
        if verdict is not None:
            return self._again(whole, verdict.reason, after=verdict.after, status=verdict.status)
        failure = ending.failure or Failure.CUT
        return self._again(whole, self._sentence(lead, failure), failure=failure)

    def _unsplit(self) -> list[Command]:
        cancelled: list[Command] = [Cancel(number) for number in self._live]
        self._live.clear()
        if self._split is not None:
            self._held, self._ahead = self._split.held, self._split.ahead
        self._split = None
        return cancelled

    def _take_in(self) -> None:
        """What lay ahead and has no gap before it any more is held like the rest."""
        while self._ahead and self._ahead[0][0] <= self._held:
            self._held = max(self._held, self._ahead[0][1])
            self._ahead = self._ahead[1:]

    # -- acting on a verdict -------------------------------------------------------------------------------------

    def _act(self, attempt: _Attempt, verdict: _Verdict) -> list[Command]:
        match verdict.means:
            case "redirect":
                return [self._start(self._followed(attempt, verdict))]
            case "reuse":
                return [Reuse()]
            case "unbounded":
                self._bounded = False
                return self._ask()
            case "unconditional":
                self._unconditional = True
                return self._ask()
            case "commit":
                self._delivered = attempt
                return self._commit()
            case "restart":
                self._forget()
                self._whole_only.add(attempt.source)
                return self._ask()
            case "again":
                return self._again(attempt, verdict.reason, after=verdict.after, status=verdict.status)
            case _:
                return self._give_up(attempt.source, verdict.reason, verdict.kind, verdict.hint, verdict.status)

    def _followed(self, attempt: _Attempt, verdict: _Verdict) -> _Attempt:
        target = verdict.url
        assert target is not None, "a redirect has a target"
        peer = attempt.head.peer if attempt.head is not None else None
        # Only 307 and 308 ask for the same request again (RFC 9110 15.4); the others name where the answer is.
        again = verdict.status in {307, 308}
        return _Attempt(
            number=-1,
            source=attempt.source,
            url=target,
            span=attempt.span,
            hops=(*attempt.hops, verdict.status),
            trail=(*attempt.trail, target),
            # Once another origin had a say in where to go, the user's headers stay at home.
            own=attempt.own and target.origin == self._sources[attempt.source].url.origin,
            conditional=attempt.conditional,
            public_only=attempt.public_only or (not attempt.hops and is_public(peer)),
            method=attempt.method if again else "GET",
            body=attempt.body if again else None,
        )

    def _unanswered(self, attempt: _Attempt, failure: Failure) -> list[Command]:
        reason = self._sentence(attempt, failure)
        if failure is Failure.PRIVATE:
            return self._give_up(attempt.source, reason, "policy")
        if not passing_failure(failure):
            return self._give_up(attempt.source, reason, "network", _FAILURE_HINTS.get(failure))
        return self._again(attempt, reason, failure=failure)

    def _arrived(self, attempt: _Attempt) -> list[Command]:
        size = self._artifact.size
        if self._held == 0 and not self._empty_allowed:
            self._forget()
            return self._give_up(attempt.source, _EMPTY, "integrity", _EMPTY_HINT)
        self._delivered = attempt
        if self._total is None:
            self._total = self._held
        if size is not None and self._held < size:
            reason = f"a size of {size} bytes was expected, {self._held} bytes came{self._oddities(attempt)}"
            self._forget()
            return self._give_up(attempt.source, reason, "integrity", self._pin_hint(attempt))
        return self._commit()

    def _commit(self) -> list[Command]:
        return [Commit(self._artifact.digests, self._artifact.size)]

    # -- trying again --------------------------------------------------------------------------------------------

    def _again(
        self,
        attempt: _Attempt,
        reason: str,
        *,
        failure: Failure | None = None,
        after: float | None = None,
        status: int = 0,
    ) -> list[Command]:
        """The attempt failed in a way that may pass: the next one here, or elsewhere, or none."""
        index = attempt.source
        if attempt.span.end is not None and not attempt.beside:
            self._bounded = False
        if failure is Failure.STREAM_REFUSED and self._refusals[index] < _FREE_REFUSALS:
            # The server did not look at the request (RFC 9113 8.7), so nothing was tried yet.
            self._refusals[index] += 1
            return self._ask()
        method = self._sources[index].method
        done = attempt.method == "GET" or (failure not in _NOT_SENT and status not in {429, 503})
        if method != "GET" and done:
            # Nobody knows whether the server did what was asked, or it has said so and where to find what came of it;
            # to ask twice may do it twice (RFC 9110 9.2.2).
            return self._give_up(index, f"{reason}; a {method} is not sent twice", "network", status=status)
        self._tries[index] += 1
        self._last[index] = reason
        # A name that does not exist rarely begins to: one more try, whatever the settings say.
        allowed = min(1, self._policy.retries) if failure is Failure.DNS else self._policy.retries
        if self._tries[index] > allowed:
            many = f", {self._tries[index]} times" if self._tries[index] > 1 else ""
            return self._give_up(index, reason + many, "network", status=status)
        if failure in _ELSEWHERE and len(self._queue) > 1:
            # Another source may answer right now; this one comes up again behind it.
            self._queue.rotate(-1)
            return [self._failed(index, reason), *self._next()]
        return self._pause(after, attempt.url.origin if status else None)

    def _next(self) -> list[Command]:
        """Go on with the source at the head of the queue, which may have been asked before."""
        return self._pause(None, None) if self._tries[self._queue[0]] else self._ask()

    def _pause(self, after: float | None, host: str | None) -> list[Command]:
        index = self._queue[0]
        tries, reason = self._tries[index], self._last[index]
        wait = self._policy.wait(tries, self._random) if after is None else after
        if self._waited + wait > self._policy.budget:
            asked = "it asks to wait" if after is not None else "the next try is in"
            left = max(0.0, self._policy.budget - self._waited)
            return self._give_up(
                index, f"{reason}; {asked} {wait:.0f} s, and retry_budget leaves {left:.0f} s", "network"
            )
        self._waited += wait
        told = Retrying(self._artifact.resource, self._artifact.filename, self.clean(reason), wait, tries)
        return [Tell(told), Wait(wait, host)]

    def _give_up(self, index: int, reason: str, kind: _Kind, hint: str | None = None, status: int = 0) -> list[Command]:
        shown = self.clean(self._sources[index].shown)
        self._reasons[index] = _Reason(shown, self.clean(reason), kind, hint, status or None)
        self._queue.remove(index)
        if not self._queue:
            self._over = True
            return [Fail(self._error(), keep=self._held > 0 and self._usable())]
        return [self._failed(index, reason), *self._next()]

    def _failed(self, index: int, reason: str) -> Tell:
        shown = self.clean(self._sources[index].shown)
        return Tell(SourceFailed(self._artifact.resource, shown, self.clean(reason)))

    # -- words ---------------------------------------------------------------------------------------------------

    def _error(self) -> DlmError:
        reasons = [self._reasons[index] for index in sorted(self._reasons)]
        gravest = min(reasons, key=lambda reason: _GRAVITY.index(reason.kind))
        refused = all(reason.kind == "refused" for reason in reasons)
        kind = _ERRORS[gravest.kind] if gravest.kind != "refused" else (RefusedError if refused else NetworkError)
        hint = gravest.hint or next((reason.hint for reason in reasons if reason.hint), None) or _HINTS[gravest.kind]
        if len(reasons) == 1 and issubclass(kind, NetworkError):
            return kind(
                f"{gravest.shown}: {gravest.text}",
                resource=self._artifact.resource or None,
                hint=hint,
                status=gravest.status,
            )
        if len(reasons) == 1:
            return kind(f"{gravest.shown}: {gravest.text}", resource=self._artifact.resource or None, hint=hint)
        return kind(
            f"none of {len(reasons)} sources delivered it; {gravest.shown}: {gravest.text}",
            resource=self._artifact.resource or None,
            hint=hint,
            details=[f"{reason.shown}: {reason.text}" for reason in reasons],
        )

    def _sentence(self, attempt: _Attempt, failure: Failure) -> str:
        where = f"after {self._held} bytes" if self._total is None else f"after {self._held} of {self._total} bytes"
        return _SENTENCES[failure].format(host=attempt.url.netloc, where=where)

    def _who(self, attempt: _Attempt) -> str:
        """Who answered, behind the address of the source."""
        return "it" if not attempt.hops else f"{attempt.url.redacted}, where it redirects to,"

    def _excess(self) -> tuple[str, _Kind, str | None]:
        """Why a body that went on beyond its limit was cut."""
        size = self._artifact.size
        if size is not None:
            return f"a size of {size} bytes was expected, more came", "integrity", None
        if self._most is not None:
            return f"it is larger than {self._most.what} allows ({self._most.size} bytes)", "policy", self._most.hint
        return "more bytes came than were announced", "network", None

    def _too_large(self, total: int, most: Limit) -> _Verdict:
        reason = f"it has {total} bytes, and {most.what} allows {most.size}"
        return _Verdict(means="lost", reason=reason, kind="policy", hint=most.hint)

    def _oddities(self, attempt: _Attempt) -> str:
        """What about an answer with wrong bytes may explain them."""
        head = attempt.head
        if head is None:
            return ""
        said = ""
        if (head.get("content-type") or "").strip().lower().startswith("text/html") and not (
            self._artifact.filename.lower().endswith((".html", ".htm"))
        ):
            said += "; it sent an HTML page, perhaps a login or error page"
        coding = (head.get("content-encoding") or "identity").strip().lower()
        if coding != "identity":
            said += "; it sent the bytes in another coding than asked for"
        return said

    def _pin_hint(self, attempt: _Attempt) -> str:
        if self._sources[attempt.source].origin:
            return f"if the new bytes are wanted: dlm lock --accept-hash {self._artifact.resource}"
        return "the mirror has other bytes than the origin; remove it from mirrors, or from rewrite in your config.yaml"

    def _credentials(self, attempt: _Attempt) -> str:
        if not attempt.own:
            return "credentials are not sent to where a redirect leads; use the address it leads to"
        source, own = self._sources[attempt.source], Url.parse(self._artifact.url)
        in_manifest = source.url.origin == own.origin
        if source.headers and in_manifest and (self._artifact.headers or own.userinfo is not None):
            return "the server does not accept the credentials of this resource; look at the variables in its headers"
        place = source.url.netloc if source.url.scheme == "https" else source.url.origin
        if source.headers:
            return (
                f"the server does not accept the credentials for {place}; look at hosts in your config.yaml, or netrc"
            )
        if not in_manifest:
            return f'credentials for {place} go into your config.yaml as hosts: {{"{place}": {{token: …}}}}'
        return 'credentials go into the manifest as headers: {Authorization: "Bearer ${DLM_AUTH_NAME}"}'

    # -- small questions -----------------------------------------------------------------------------------------

    def _limit(self, total: int | None) -> int | None:
        if total is not None:
            return total
        most = None if self._most is None else self._most.size
        bounds = [bound for bound in (self._artifact.size, most) if bound is not None]
        return min(bounds) if bounds else None

    def _origin_index(self) -> int | None:
        return next((index for index, source in enumerate(self._sources) if source.origin), None)

    def _forget(self) -> None:
        self._held = 0
        self._ahead = ()
        self._from = None
        self._total = None
        self._validators = Validators()
        self._pieced = False
        self._kept = {}
        self._split = None

    def _usable(self) -> bool:
        """Whether a later run can make use of what is held: with a pin always, else only what the origin sent."""
        return self._pinned or (self._from is not None and self._sources[self._from].origin)

    def _shown(self, attempt: _Attempt | None) -> str:
        return "the server" if attempt is None else self.clean(attempt.url.redacted)


_GRAVITY: tuple[_Kind, ...] = ("integrity", "policy", "network", "refused")
_ERRORS: dict[_Kind, type[DlmError]] = {
    "integrity": IntegrityError,
    "policy": PolicyError,
    "network": NetworkError,
}
_HINTS: dict[_Kind, str | None] = {
    "integrity": None,
    "policy": None,
    "network": "try again later, or give the resource mirrors",
    "refused": "check the address; the file may have moved",
}
_EMPTY = "it sent an empty body"
_EMPTY_HINT = "if the file is meant to be empty, say size: 0 in the manifest"
_TLS_HINT = "if the certificate comes from your own authority, name its file in the setting ca_file; -v tells more"
_FAILURE_HINTS = {
    Failure.TLS: _TLS_HINT,
    Failure.TLS_REFUSED: "it may ask for a client certificate, or not accept the one it was shown; "
    "look at client_cert below hosts in your config.yaml; -v tells more",
    Failure.PROXY_TLS: _TLS_HINT,
    Failure.PROXY_LOGIN: "the address of the proxy may hold them: http://user:password@host:port",
}


def _pins_nothing(digests: Digests) -> bool:
    """Whether ``digests`` are those of no bytes at all."""
    return bool(digests) and all(new_hash(digest.algorithm).hexdigest() == digest.value for digest in digests)
