"""The Protocols that a run is built from. Rooms know each other by these alone; ``dlm.cli.host`` hands in the real."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, Protocol, Self

if TYPE_CHECKING:
    from dlm.errors import DlmError
    from dlm.model.artifact import Artifact, Blob, Spare, Validators
    from dlm.model.candidate import Candidate
    from dlm.model.digest import Digests
    from dlm.model.events import Event
    from dlm.model.evidence import Piece, Subject, Wish
    from dlm.model.hosts import Login
    from dlm.model.selector import Selector
    from dlm.model.settings import Settings
    from dlm.model.transfer import Answered, Arrived, Carried, Known, Order, Outcome, Page
    from dlm.model.url import Url
    from dlm.model.wire import Ending, Head, Request

__all__ = [
    "Backend",
    "Cache",
    "Claim",
    "Clock",
    "Credentials",
    "Exchange",
    "Fetcher",
    "Lane",
    "Notebook",
    "Orders",
    "Pages",
    "ProjectFiles",
    "Relay",
    "Reporter",
    "Resolver",
    "ResolverPlugin",
    "Store",
    "Track",
    "Tray",
    "Variables",
    "Verifier",
    "Wire",
    "Writer",
]


class Clock(Protocol):
    """Time and chance, so that tests own both."""

    def monotonic(self) -> float:
        """Seconds that only grow; for timeouts and waits."""
        ...

    def time(self) -> float:
        """Seconds since the epoch; for records, never for timeouts."""
        ...

    def random(self) -> float:
        """A number from 0 to below 1, for jitter."""
        ...

    def sleep(self, seconds: float) -> None:
        """Let ``seconds`` pass."""
        ...


class Reporter(Protocol):
    """Shows what happens. Called from any thread."""

    def emit(self, event: Event) -> None: ...


class Variables(Protocol):
    """The values behind ``${NAME}``."""

    def value(self, name: str, url: Url) -> str:
        """The value of ``name`` for a request to ``url``.

        Raises:
            PolicyError: the name may not be used for that origin.
            UsageError: it is not set.
        """
        ...


class Credentials(Protocol):
    """What the user's own configuration sends to an origin."""

    def for_url(self, url: Url, *, authorized: bool) -> Login:
        """The headers for a request to ``url``, which are meant for its origin alone.

        Args:
            url: as it is asked for, after rewriting; a ``${NAME}`` in it is not filled in yet.
            authorized: the request brings an Authorization of its own, so that none is wanted.

        Raises:
            SettingsError: the configuration cannot be used for this origin.
            LocalError: a helper command failed.
        """
        ...


class Claim(Protocol):
    """The right to produce one thing, held against all other processes until closed."""

    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...


class Writer(Protocol):
    """One artifact's bytes on their way into the store: under a private name until they are checked."""

    @property
    def offset(self) -> int:
        """How many bytes from the beginning are at hand without a gap."""
        ...

    @property
    def ahead(self) -> tuple[tuple[int, int], ...]:
        """The spans behind that gap that are at hand, in order: first byte of each, and the byte behind its last."""
        ...

    @property
    def validators(self) -> Validators:
        """What the answer that these bytes came from said of itself."""
        ...

    @property
    def total(self) -> int | None:
        """The size that answer announced."""
        ...

    def begin(self, validators: Validators, total: int | None) -> None:
        """A whole body begins: drop what is at hand and remember what its pieces must match.

        Raises:
            LocalError: there is no room for ``total`` bytes.
        """
        ...

    def write_pieces(self, pieces: Sequence[bytes], size: int, at: int) -> None:
        """Take ``size`` bytes in pieces that follow one another from byte ``at``, as :meth:`write` takes one.

        Raises:
            LocalError: the disk refuses.
        """
        ...

    def write(self, data: bytes, at: int) -> None:
        """Take a piece of the body that belongs at byte ``at``.

        Raises:
            LocalError: the disk refuses.
        """
        ...

    def lags(self) -> bool:
        """Whether :meth:`commit` would have to wait at this moment, until what has come is hashed.

        Raises:
            LocalError: the disk refuses.
        """
        ...

    def note(self) -> bool:
        """See that what is known of the bytes by now is noted, for whoever comes after a kill.

        Returns:
            whether to ask again in a moment.

        Raises:
            LocalError: the disk refuses.
        """
        ...

    def commit(
        self, expected: Digests, size: int | None, announce: Callable[[Digests, int], None] | None = None
    ) -> Blob:
        """Check everything and give it its final name.

        Args:
            announce: told digests and size when all is checked, before the final name is given: what it notes is there
                whenever the blob is.

        Raises:
            IntegrityError: the bytes differ from ``expected`` or ``size``; they are dropped.
            LocalError: the disk refuses.
        """
        ...

    def suspend(self) -> None:
        """Keep what is at hand for a later run, and let go.

        Raises:
            LocalError: the disk does not take all of it, and has not said so before; what it has taken is kept.
        """
        ...

    def discard(self) -> None:
        """Drop what is at hand, and let go."""
        ...


class Store(Protocol):
    """The content-addressed store. Every method may be called from any thread and any number of processes."""

    #: Whether its writers take pieces in any order.
    scatters: ClassVar[bool]

    def get(self, digests: Digests) -> Blob | None:
        """The blob that ``digests`` name, checked: re-hashed if its file changed since it was last known good.

        A blob that rotted is put into quarantine, and None is returned as if it had not been there.
        """
        ...

    def claim(self, key: str) -> Claim | None:
        """The right to fetch what ``key`` names, or None while another process has it."""
        ...

    def spares(self, room: int = 0) -> str | None:
        """The folder in which writers and trays make spares, absolute; None where they make none.

        Args:
            room: bytes that small ones will take together; None also where the disk has not several times as much.
        """
        ...

    def writer(self, key: str, expected: Digests, size: int | None, spare: int | None = None) -> Writer:
        """A writer for what ``key`` names, holding what an earlier run left of it. The caller holds the claim.

        Args:
            spare: permissions of a second file with the same bytes that the caller would like to have of a large
                body, to move it away; None for none. The blob has its path, where it came about.

        Raises:
            LocalError: the disk refuses, or has no room for what is missing of ``size`` bytes.
        """
        ...

    def known(self, key: str) -> Known | None:
        """What was recorded for the origin's answer under ``key``; None also where its blob is gone."""
        ...

    def record(self, key: str, known: Known, name: str) -> None:
        """Remember an origin's answer, and the name by which people know the blob."""
        ...

    def arrived(self, outcome: Arrived, /) -> Arrived:
        """Told of every artifact that has arrived; its blob may be kept under another path from now on."""
        ...

    def tray(self, told: Callable[[str, tuple[int, int, int, int]], None] | None = None) -> Tray | None:
        """A short way into the store for small bodies; None where all have to take the ordinary one.

        Args:
            told: in a child that shares its work with its parent: gets the sha256 of each blob, and how it looks; of
                those that come by a writer, too.
        """
        ...

    def adopt(self, blobs: Sequence[tuple[Digests, tuple[int, int, int, int], str, Spare | None]]) -> list[Blob]:
        """In the parent: take note of what a child has stored, by digests, look, a name for people, and spare.

        Raises:
            LocalError: the disk refuses.
        """
        ...

    def leave(self) -> None:
        """In the child, once the parent has adopted everything: use nothing any more."""
        ...

    def hash_beside(self, *, allowed: bool) -> None:
        """Whether large bodies may be hashed on a second processor; not while that has as much to do as this one."""
        ...

    def prepare(self, *, rows: bool) -> None:
        """Blobs will come soon: do what need not wait for them.

        Args:
            rows: whether others are among them than small ones that come the short way.
        """
        ...

    def settle(self) -> None:
        """Wait until every blob that was written is on the disk; to be called before anything is written down that
        relies on them.

        Raises:
            LocalError: the disk did not take one, which is gone again.
        """
        ...


class Tray(Protocol):
    """Takes small bodies into a store whole, each under the sha256 that it was checked against. One thread uses it."""

    def claim(self, sha256: str) -> Claim | None:
        """The right to fetch a blob that the store has nothing of; None where it may have some, or another process the
        claim: then the ordinary way finds out what is to be done.

        Raises:
            LocalError: the disk refuses.
        """
        ...

    def reserve(self, pins: Sequence[str]) -> list[bytes | None]:
        """As :meth:`claim`, for many at once: a name for each sha256 that is reserved, else None.

        Raises:
            LocalError: the disk refuses.
        """
        ...

    def announce(self, pins: Iterable[str]) -> None:
        """Say that these blobs will be used; comes before they are reserved, of many at once.

        Raises:
            LocalError: the disk refuses.
        """
        ...

    def release(self, names: Sequence[bytes]) -> None:
        """Let go of what was reserved."""
        ...

    def claimed(self, name: bytes) -> Claim:
        """What was reserved, as a claim of its own from now on."""
        ...

    def keep(self, sha256: str, data: bytes) -> tuple[int, int, int, int]:
        """Publish bytes that have ``sha256``, which was reserved; how the file looks, to be noted by ``note_all``.

        Raises:
            LocalError: the disk refuses.
        """
        ...

    @property
    def note_all(self) -> Callable[[Sequence[tuple[Digests, Any, str, Spare | None]]], list[Blob]]:
        """Takes note of what was kept: the digests of each, its look, a name for people, its spare."""
        ...

    def lay_by(self, data: bytes, permissions: int, dest: str) -> Spare | None:
        """A spare of what was kept, together with others of its folder for a ``dest`` that is not ``""``; None where
        there is none to be had."""
        ...

    def put(self, digests: Digests, pieces: Sequence[bytes], size: int, name: str) -> Blob:
        """Publish ``size`` bytes that have ``digests``; the caller holds the claim.

        Args:
            name: by which people know the blob.

        Raises:
            LocalError: the disk refuses.
        """
        ...

    def close(self) -> None:
        """Let go of what is open."""
        ...


class Notebook(Protocol):
    """Small texts that are dear to get and cheap to lose, such as listings."""

    def read(self, key: str) -> tuple[str, float] | None:
        """The text and when it was noted (seconds since the epoch), or None."""
        ...

    def write(self, key: str, text: str) -> None:
        """Note a text; failing to is no error."""
        ...


class Cache(Store, Notebook, Protocol):
    """The store and notebook of a machine, with what workflows ask of it as a whole."""

    def get_many(self, wanted: Mapping[str, Digests]) -> dict[str, Blob]:
        """Those of many blobs that are here, by their sha256; as :meth:`get` each, and cheaper.

        Args:
            wanted: by sha256.
        """
        ...

    def path_of(self, sha256: str) -> str:
        """Where the blob of that sha256 is, or would be, absolute."""
        ...

    def verify_all(self, only: Iterable[str] | None = None) -> Iterator[tuple[str, bool]]:
        """Hash blobs anew; each sha256 with whether its bytes are right. Those that are not are not used again."""
        ...

    def close(self) -> None:
        """Settle, and let go of what is open.

        Raises:
            LocalError: as :meth:`Store.settle` does.
        """
        ...


class Pages(Protocol):
    """Reads small documents."""

    def read(self, urls: Sequence[str]) -> list[Page | DlmError]:
        """Each document, or why it could not be had, in the order of ``urls``; read at once, capped per host."""
        ...


class Fetcher(Pages, Protocol):
    """Fetches artifacts into a store, many at once."""

    def fetch(self, orders: Iterable[Order], store: Store) -> Iterator[Outcome]:
        """The outcome of each order, as they come. Orders with the same key are fetched once."""
        ...

    def fetch_round(
        self, orders: Orders, store: Store, meanwhile: Callable[[], None] | None = None
    ) -> Iterator[Outcome | Carried]:
        """As :meth:`fetch`, where nobody asks what the wire did for an order; a second process may help.

        Args:
            meanwhile: called, if there is a while to wait for the first answer.
        """
        ...

    def ask(self, orders: Sequence[Order]) -> list[Answered]:
        """For each order whether its first source still has what ``order.known`` says was got; no body is read."""
        ...


class Orders(Protocol):
    """The orders of one round, by their numbers: made when there is room for them, and handed out once each."""

    @property
    def left(self) -> int:
        """How many were not handed out yet; before :meth:`share`."""
        ...

    @property
    def large(self) -> tuple[int, int]:
        """How many of them are too large to be kept in memory, and how many bytes those have together."""
        ...

    def next(self) -> Order | None:
        """One more order; None where there is none left, for now."""
        ...

    @property
    def over(self) -> bool:
        """Whether nothing was left when somebody asked; not behind a :meth:`reclaim` that brought something."""
        ...

    def make(self, number: int) -> Order | None:
        """The order of a number that was handed out."""
        ...

    def artifact(self, number: int) -> Artifact:
        """What the order of a number is for, where :meth:`quick` hands it out."""
        ...

    def spare(self, artifact: Artifact) -> tuple[int, str] | None:
        """For one that :meth:`quick` hands out, what ``Tray.lay_by`` has to know; None where no spare is wanted."""
        ...

    @property
    def has_quick(self) -> bool:
        """Whether :meth:`quick` may hand out any."""
        ...

    def quick(self, origin: str, most: int, fits: Callable[[Artifact], bool]) -> list[tuple[int, Artifact]]:
        """The next ones that are small, pinned and asked for plainly at ``origin``, up to the first that is not."""
        ...

    def slow(self) -> Order | None:
        """The order for that one; None where all were quick."""
        ...

    def pass_over(self, number: int) -> None:
        """One that was handed out quickly is to be an order."""
        ...

    def share(self) -> None:
        """From now on a child that is forked takes part."""
        ...

    def reclaim(self, done: Container[int]) -> int:
        """The child is gone: take back what it took and what is not ``done``; how much that is."""
        ...

    def close(self) -> None:
        """Hand out nothing more."""
        ...


class Exchange(Protocol):
    """One request and what becomes of it, as a backend sees it."""

    @property
    def request(self) -> Request: ...

    @property
    def host(self) -> str:
        """The origin that the request goes to."""
        ...

    @property
    def patient(self) -> bool:
        """Whether the answer may be kept back until it is complete, to be offered to :meth:`whole` then."""
        ...

    @property
    def light(self) -> bool:
        """Whether the answer is expected to be so small that it can be kept when it is complete."""
        ...

    def arrived(self) -> None:
        """The answer is complete, and will be offered to :meth:`whole` soon: its place is free for another."""
        ...

    def whole(self, lines: Sequence[bytes], pieces: Sequence[bytes]) -> bool:
        """The complete answer: the raw lines of its head or heads, and its body.

        True: it was taken, and nothing else is told of the exchange. False: tell it as of any other.
        """
        ...

    def head(self, head: Head) -> bool:
        """The head of the answer is here. False: the body is not wanted, end the exchange."""
        ...

    def body(self, pieces: Sequence[bytes]) -> bool:
        """The next pieces of the body, as transferred. False: no more is wanted, end the exchange.

        The only one of these that may be called on another thread than that of :meth:`Wire.turn`.
        """
        ...

    def ended(self, ending: Ending) -> None:
        """The exchange is over; nothing is called afterwards."""
        ...

    def postponed(self) -> None:
        """Nothing was sent, since no more exchanges than there are can be under way: it is started again later."""
        ...


#: A request without an exchange: the number of a file in its round, the file, what it is reserved by in the store,
#: and when it began.
Lane = tuple[int, "Artifact", bytes, float]


class Relay(Protocol):
    """Has requests sent that need no exchange, as long as their answers are ordinary."""

    def begin(self) -> list[tuple[Lane, str]]:
        """Those that begin now, each with its address."""
        ...

    def take(self, answers: Sequence[tuple[Lane, Sequence[bytes], Sequence[bytes]]]) -> list[bool]:
        """Some complete answers, each with the raw lines of its head, and its body; which of them were taken."""
        ...

    def arrived(self, count: int) -> None:
        """So many requests have complete answers, which :meth:`take` gets when others have begun in their places."""
        ...

    def carry_on(self, lane: Lane, *, arrived: bool = False) -> Exchange | None:
        """The exchange that goes on with a request; None where nobody wants it any more.

        Args:
            arrived: its answer is complete, and was not taken.
        """
        ...


class Track(Protocol):
    """The part of a wire that carries requests without exchanges, beside all others, during :meth:`Wire.turn`."""

    def attend(self, relay: Relay | None, request: Request | None) -> None:
        """From now on send what ``relay`` has; None for nothing more.

        Args:
            request: as all of them are asked for, but for their addresses.
        """
        ...

    def fill(self) -> None:
        """Send what the relay has now."""
        ...

    def grow(self, lane: Lane) -> None:
        """Have a request of the relay's be an exchange, which is told of all that comes."""
        ...


class Wire(Protocol):
    """A running backend: connections, and the exchanges on them. One thread uses it."""

    @property
    def keeps_back(self) -> bool:
        """Whether it offers complete answers to patient exchanges."""
        ...

    def start(self, exchange: Exchange) -> None:
        """Send the request of ``exchange``; what comes of it is told during :meth:`turn`."""
        ...

    def cancel(self, exchange: Exchange) -> None:
        """End an exchange at once; nothing of it is told any more."""
        ...

    def foresee(self, count: int) -> None:
        """So many exchanges more may soon begin all at once: whatever can be made ready for that is, now."""
        ...

    def multiplexes(self, origin: str | None) -> bool:
        """Whether ``origin``, or for None any, was seen to answer many requests at once on one connection."""
        ...

    def track(self) -> Track | None:
        """Where requests go that need no exchanges; None where it has no such thing."""
        ...

    def turn(self, timeout: float) -> None:
        """Let all exchanges go on, and wait at most ``timeout`` seconds for something to happen."""
        ...

    def close(self) -> None:
        """Drop every exchange and close every connection."""
        ...


class Backend(Protocol):
    """Speaks HTTP. Redirects, retries, decoding and the environment are none of its business."""

    name: ClassVar[str]

    def open(self) -> Wire:
        """A wire of its own, with no connection yet. May be called on any thread."""
        ...


class Resolver(Protocol):
    """Lists what a scheme's selectors may mean, and never chooses."""

    scheme: ClassVar[str]

    def candidates(self, selector: Selector) -> Iterator[tuple[Candidate, ...]]:
        """Candidates in batches, newest version first, read lazily: a batch costs requests only when it is taken.

        All candidates of one version come in one batch.

        Raises:
            NetworkError: the site cannot be read.
        """
        ...

    def canonical_url(self, candidate: Candidate) -> str:
        """The address that a lockfile holds for ``candidate``, whichever mirror listed it."""
        ...

    def remarks(self) -> Sequence[str]:
        """What was met on the way and may explain why something is not there."""
        ...


class ResolverPlugin(Protocol):
    """What an entry point of the group ``dlm.resolvers`` names, under its scheme: how selectors read, and who lists."""

    def grammar(self, parts: tuple[str, ...], /) -> Selector:
        """A normalised selector from what stands between the colons behind the scheme.

        Raises:
            ValueError: the selector is wrong; the message says how.
        """
        ...

    def build(
        self, pages: Pages, notebook: Notebook, clock: Clock, settings: Settings, /, *, refresh: bool
    ) -> Resolver:
        """The resolver of one run."""
        ...


class Verifier(Protocol):
    """Checks one kind of evidence. It has no network: sidecars are fetched like any artifact and handed in."""

    kind: ClassVar[str]

    def missing_extra(self) -> str | None:
        """The extra of dlm that brings the library for it, where that is not installed; None where all is there."""
        ...

    def verify(self, subject: Subject, sidecar: bytes, wish: Wish, /, *, source: str | None = None) -> Piece:
        """What ``sidecar``, read from the address ``source``, proves about ``subject``.

        Raises:
            EvidenceError: it proves nothing, or not what ``wish`` asks for.
            MissingExtraError: the library for it is not installed.
            LocalError: the bytes of ``subject`` or the root of trust cannot be read.
            UsageError: the public key that ``wish`` names was not handed in.
            TypeError: ``wish`` is of another kind.
        """
        ...


class ProjectFiles(Protocol):
    """The two documents of one project."""

    @property
    def root(self) -> str:
        """The folder that destinations are relative to, absolute."""
        ...

    @property
    def manifest_name(self) -> str:
        """How messages call the manifest."""
        ...

    @property
    def lockfile_name(self) -> str:
        """How messages call the lockfile."""
        ...

    def read_manifest(self) -> bytes:
        """The manifest's bytes.

        Raises:
            UsageError: there is none.
            LocalError: it cannot be read.
        """
        ...

    def write_manifest(self, data: bytes) -> None:
        """Replace the manifest atomically, flushed to the disk.

        Raises:
            UsageError: there is none.
            LocalError: the disk refuses.
        """
        ...

    def open_lockfile(self) -> AbstractContextManager[BinaryIO | None]:
        """The lockfile to read from, or None where there is none.

        Raises:
            LocalError: it cannot be read; also from within.
        """
        ...

    def read_lockfile(self) -> bytes | None:
        """The lockfile's bytes, or None where there is none.

        Raises:
            LocalError: it cannot be read.
        """
        ...

    def write_lockfile(self, data: bytes) -> None:
        """Replace the lockfile atomically, flushed to the disk.

        Raises:
            LocalError: the disk refuses.
        """
        ...
