"""Whatever servers do, a transfer ends, within its means, with the right bytes or one failure.

The world here is a model: a body is a list of versions, one for each byte, so that a file pieced together from two
versions shows. Servers may fail, lie about ranges and lengths, change their file and redirect; the one thing they do
not do is give two versions the same strong validator.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from dlm.errors import DlmError
from dlm.fetch.commands import Accept, Begin, Cancel, Command, Commit, Drop, Fail, Reuse, Start, Tell, Wait
from dlm.fetch.download import Download
from dlm.fetch.retry import RetryPolicy
from dlm.model.artifact import Artifact, Validators
from dlm.model.digest import Digest, Digests
from dlm.model.transfer import Known, Order, Source
from dlm.model.url import Url
from dlm.model.wire import Ending, Failure, Head

LENGTHS = {0: 20, 1: 20, 2: 35}
#: How far first byte, last byte and total of a Content-Range may be off. Each shows: a lie that agrees with itself
#: and with all that was said before, under the same strong validator, is one that nobody can see without a pin.
LIES = [(0, 0, 1), (0, 0, -1), (0, 1, 0), (0, -1, 0), (1, 0, 0), (-1, 0, 0), (7, 0, 7), (-7, 0, 0)]
PIN = Digests((Digest("sha256", "a" * 64),))
RETRIES = 3
BUDGET = 8.0
SECRET = ("X-Secret", "the-secret")


@dataclass(frozen=True)
class Fails:
    failure: Failure


@dataclass(frozen=True)
class Says:
    status: int
    fields: tuple[tuple[str, str], ...] = ()
    peer: str | None = "93.184.216.34"


@dataclass(frozen=True)
class Serves:
    """A file of version ``version``, of which ``sent`` bytes come; ``lie`` is how far a Content-Range is off."""

    version: int
    etag: str
    framing: str
    sent: int
    ranges: bool
    heeds_if_range: bool
    ending: Failure | None
    lie: tuple[int, ...] = (0, 0, 0)


Deed = Fails | Says | Serves

failures = st.sampled_from([one for one in Failure if one is not Failure.STOPPED])
statuses = st.sampled_from([200, 204, 206, 300, 304, 400, 401, 404, 408, 416, 429, 500, 502, 503, 505, 599])
odd_fields = st.lists(
    st.sampled_from([
        ("retry-after", "3"), ("retry-after", "-1"), ("retry-after", "99999999999"), ("content-length", "5"),
        ("content-length", "x"), ("content-range", "bytes */20"), ("content-range", "bytes 5-19/20"),
        ("transfer-encoding", "chunked"), ("etag", '"v0"'), ("location", "/elsewhere"),
    ]),
    max_size=3,
)  # fmt: skip
places = st.sampled_from([
    "/1", "/2", "/3", "?q", "https://other.example/x", "http://origin.example/x", "http://10.0.0.1/", "ftp://x/", "",
    "//[",
])  # fmt: skip
redirects = st.builds(
    lambda status, place: Says(status, (("location", place),)), st.sampled_from([301, 302, 303, 307, 308]), places
)
serves = st.builds(
    Serves,
    version=st.sampled_from([0, 0, 1, 2]),
    etag=st.sampled_from(["strong", "strong", "weak", "date", "none"]),
    framing=st.sampled_from(["length", "length", "chunked", "close"]),
    sent=st.sampled_from([99, 99, 99, 35, 34, 20, 19, 7, 1, 0]),
    ranges=st.sampled_from([True, True, False]),
    heeds_if_range=st.sampled_from([True, True, False]),
    ending=st.sampled_from([None, None, None, Failure.CUT, Failure.STALLED]),
    lie=st.sampled_from([*[(0, 0, 0)] * 6, *LIES]),
)
deeds = st.one_of(
    st.builds(Fails, failures), st.builds(Says, statuses, odd_fields.map(tuple)), redirects, *[serves] * 6
)
#: Servers with two versions of one length, and no care for If-Range: the shortest way to a file made of both.
temptations = st.builds(
    Serves,
    version=st.sampled_from([0, 1]),
    etag=st.sampled_from(["strong", "strong", "date", "weak", "none"]),
    framing=st.sampled_from(["length", "chunked"]),
    sent=st.sampled_from([1, 7, 19, 99]),
    ranges=st.just(True),
    heeds_if_range=st.booleans(),
    ending=st.none(),
    lie=st.sampled_from([*[(0, 0, 0)] * 6, *LIES]),
)


@dataclass
class World:
    """Servers that go through their script again and again, and a writer that knows each byte's version."""

    script: deque[Deed]
    machine: Download
    body: list[int] = field(default_factory=list)
    told: list[Command] = field(default_factory=list)
    asked: int = 0
    waited: float = 0.0
    end: str | None = None
    numbers: set[int] = field(default_factory=set)
    mirror: Deed | None = None

    def run(self, commands: list[Command]) -> None:
        waiting = deque(commands)
        for _ in range(2000):
            if not waiting:
                break
            command = waiting.popleft()
            assert self.end is None, command
            waiting.extend(self.do(command))
        assert self.end is not None
        assert not waiting

    def do(self, command: Command) -> list[Command]:
        match command:
            case Start():
                return self.serve(command)
            case Begin():
                self.body.clear()
            case Wait():
                assert command.seconds >= 0
                self.waited += command.seconds
                return self.machine.woke()
            case Commit():
                return self.commit(command)
            case Reuse():
                self.end = "reused"
            case Fail():
                self.end = "failed"
                assert isinstance(command.error, DlmError)
                assert "\n" not in command.error.message
                assert SECRET[1] not in f"{command.error} {command.error.details}"
            case Accept() | Drop() | Cancel() | Tell():
                self.told.append(command)
        return []

    def serve(self, start: Start) -> list[Command]:
        self.asked += 1
        assert start.attempt not in self.numbers
        self.numbers.add(start.attempt)
        headers = {name.lower(): value for name, value in start.headers}
        assert headers["accept-encoding"] == "identity"
        assert len(headers) == len(start.headers)
        assert (SECRET[0].lower() in headers) <= (start.url.origin == "https://origin.example")
        assert ("range" in headers) == (not start.span.whole)
        deed = self.script[0]
        self.script.rotate(-1)
        if self.mirror is not None and start.url.host.startswith("mirror"):
            deed = self.mirror
        match deed:
            case Fails():
                return self.machine.ended(start.attempt, Ending(deed.failure))
            case Says():
                head = Head(status=deed.status, fields=deed.fields, peer=deed.peer)
                return self.answer(start, head, [9] * 5, None)
            case Serves():
                return self.deliver(start, deed, headers)

    def deliver(self, start: Start, deed: Serves, headers: dict[str, str]) -> list[Command]:
        whole = [deed.version] * LENGTHS[deed.version]
        fields = list(_validators(deed))
        matching = headers.get("if-range") in {None, *(value for name, value in fields if name != "date")}
        matching = matching or not deed.heeds_if_range
        status, piece = 200, whole
        if deed.ranges and not start.span.whole and matching:
            if start.span.start >= len(whole):
                fields.append(("content-range", f"bytes */{len(whole)}"))
                return self.answer(start, Head(status=416, fields=tuple(fields)), [], None)
            status, piece = 206, whole[start.span.start :]
            first, last, total = start.span.start + deed.lie[0], len(whole) - 1 + deed.lie[1], len(whole) + deed.lie[2]
            fields.append(("content-range", f"bytes {first}-{last}/{total}"))
            if any(deed.lie):
                piece = [8] * max(0, last - first + 1)
        ending = deed.ending
        if deed.framing == "length":
            fields.append(("content-length", str(len(piece))))
            if deed.sent < len(piece):
                ending = ending or Failure.CUT
        elif deed.framing == "chunked":
            fields.append(("transfer-encoding", "chunked"))
            if deed.sent < len(piece):
                ending = ending or Failure.CUT
        return self.answer(start, Head(status=status, fields=tuple(fields)), piece[: deed.sent], ending)

    def answer(self, start: Start, head: Head, body: list[int], ending: Failure | None) -> list[Command]:
        commands = self.machine.answered(start.attempt, head, 1_000_000.0)
        accepted = next((one for one in commands if isinstance(one, Accept)), None)
        for command in commands:
            assert not isinstance(command, Start | Commit | Fail | Reuse | Wait)
            self.do(command)
        if accepted is None:
            return self.machine.ended(start.attempt, Ending(Failure.STOPPED))
        if accepted.limit is not None and len(body) > accepted.limit:
            body, ending = body[: accepted.limit], Failure.TOO_LONG
        assert accepted.at <= len(self.body)
        # Of bytes that are at hand already, the first ones stay, as in the store.
        self.body.extend(body[len(self.body) - accepted.at :])
        return self.machine.ended(start.attempt, Ending(ending), len(body))

    def commit(self, command: Commit) -> list[Command]:
        right = self.body == [0] * LENGTHS[0]
        if command.expected and not right:
            self.body.clear()
            return self.machine.rejected("the bytes differ")
        for told in self.machine.committed():
            assert isinstance(told, Tell)
        self.end = "committed"
        return []


def _validators(deed: Serves) -> list[tuple[str, str]]:
    match deed.etag:
        case "strong":
            return [("etag", f'"v{deed.version}"')]
        case "weak":
            return [("etag", 'W/"v"')]
        case "date":
            day = f"Thu, 0{deed.version + 1} Jan 1970 00:00:00 GMT"
            return [("last-modified", day), ("date", "Thu, 12 Feb 1970 00:00:00 GMT")]
        case _:
            return []


def machine(*, pinned: bool, mirrors: int, size: bool, known: bool) -> Download:
    urls = ["https://origin.example/file", *(f"https://mirror{number}.example/file" for number in range(mirrors))]
    sources = tuple(
        Source(
            url=Url.parse(url),
            origin=number == 0,
            headers=(SECRET,) if number == 0 else (),
            secrets=(SECRET[1],),
        )
        for number, url in enumerate(urls)
    )
    artifact = Artifact(
        resource="thing",
        filename="file",
        url=urls[0],
        dest="file",
        digests=PIN if pinned else Digests(),
        size=LENGTHS[0] if size else None,
    )
    remembered = Known(digests=PIN, size=20, validators=Validators('"v0"')) if known else None
    order = Order(artifact=artifact, sources=sources, known=remembered)
    policy = RetryPolicy(retries=RETRIES, backoff=1.0, budget=BUDGET)
    return Download(order, policy, random=lambda: 0.5, common=(("Accept", "*/*"),))


@settings(max_examples=1500, deadline=None)
@given(
    script=st.lists(deeds, min_size=1, max_size=5),
    pinned=st.booleans(),
    mirrors=st.integers(min_value=0, max_value=2),
    size=st.booleans(),
    known=st.booleans(),
    held=st.sampled_from([0, 0, 0, 5, 19, 20, 30]),
)
def test_a_transfer_ends_well_or_with_one_failure(  # noqa: PLR0917 - drawn by name
    script: list[Deed], pinned: bool, mirrors: int, size: bool, known: bool, held: int
) -> None:
    rules = machine(pinned=pinned, mirrors=mirrors, size=size, known=known)
    world = World(deque(script), rules)
    world.body = [0] * held
    world.run(rules.begin(held, Validators('"v0"') if held else None, 20 if 0 < held <= 20 else None))
    assert world.waited <= BUDGET
    # Per source: its tries, one restart, refused streams; each with all its redirects; and one without a condition.
    assert world.asked <= (1 + mirrors) * (1 + RETRIES + 3 + 10) * 11 + 1
    assert rules.attempts == world.asked
    if world.end == "committed":
        assert world.body, "no bytes at all were taken for a file"
        assert len(set(world.body)) == 1, "two versions in one file"
        version = world.body[0]
        if pinned:
            assert world.body == [0] * LENGTHS[0]
        if size:
            assert len(world.body) == LENGTHS[0]
        if version in LENGTHS and rules.complete:
            assert len(world.body) == LENGTHS[version], "a cut file was taken for a whole one"
    if world.end == "reused":
        assert known
        assert not pinned


@settings(max_examples=400, deadline=None)
@given(
    script=st.lists(temptations, min_size=1, max_size=5),
    held=st.sampled_from([0, 5, 19, 20]),
    mirrors=st.integers(0, 1),
)
def test_two_versions_never_make_one_file(script: list[Deed], held: int, mirrors: int) -> None:
    rules = machine(pinned=False, mirrors=mirrors, size=False, known=False)
    world = World(deque(script), rules)
    world.body = [0] * held
    world.run(rules.begin(held, Validators('"v0"') if held else None, 20 if held else None))
    if world.end == "committed":
        assert world.body in ([0] * 20, [1] * 20)


@settings(max_examples=200, deadline=None)
@given(script=st.lists(st.builds(Fails, failures) | st.builds(Says, statuses), min_size=1, max_size=10))
def test_an_honest_mirror_is_found_behind_a_broken_origin(script: list[Deed]) -> None:
    """Whatever the origin does, a good mirror delivers as long as patience lasts."""
    good = Serves(version=0, etag="strong", framing="length", sent=99, ranges=True, heeds_if_range=True, ending=None)
    rules = machine(pinned=True, mirrors=1, size=True, known=False)
    world = World(deque(script), rules, mirror=good)
    world.run(rules.begin())
    assert world.end == "committed"
