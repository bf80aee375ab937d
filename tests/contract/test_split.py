"""One file over several connections, with every backend, from origins that are more and less helpful."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dlm.errors import IntegrityError, NetworkError
from dlm.model.artifact import Validators
from dlm.model.digest import Digests
from dlm.model.transfer import Order
from tests.support.fetching import BACKENDS, WRONG, Kit, kit, order, sha256
from tests.support.origin import Handler, Hold, Raw, Request, Reset, Response, Static

BODY = bytes(range(256)) * 4096 * 8  # 8 MiB


@pytest.fixture(params=BACKENDS)
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kit]:
    with kit(tmp_path, request.param, split="4") as one:
        yield one


def beside(request: Request) -> bool:
    """Whether a request asks for a span that another attempt does not reach."""
    return request.range is not None and request.range[1] is not None


def shared(made: Kit, answer: Handler, spans: int) -> Handler:
    """As ``answer``, but for whole files, of which most is held back until as many ``spans`` were asked for beside."""
    gate = made.origin.gate()
    left = [spans]
    lock = threading.Lock()

    def handle(request: Request) -> Response | Raw:
        given = answer(request)
        with lock:
            left[0] -= beside(request)
            if left[0] <= 0:
                gate.set()
        if request.range is not None or isinstance(given, Raw) or not isinstance(given.body, bytes):
            return given
        return replace(given, body=[given.body[:256_000], Hold(gate), given.body[256_000:]], length=len(given.body))

    return handle


def some_fail(answer: Handler | Response | Raw, times: int) -> Handler:
    """An honest file, but for the first ``times`` spans that are asked for beside others."""
    honest = Static(BODY)
    left = [times]
    lock = threading.Lock()

    def handle(request: Request) -> Response | Raw:
        with lock:
            fails = beside(request) and left[0] > 0
            left[0] -= fails
        if not fails:
            return honest(request)
        return answer(request) if callable(answer) else answer

    return handle


@pytest.mark.parametrize("pinned", [True, False])
def test_it_arrives_over_several(made: Kit, pinned: bool) -> None:
    url = made.origin.route("/big.bin", shared(made, Static(BODY), 4))
    found = made.arrive(order(url, digests=sha256(BODY) if pinned else None))
    assert made.bytes_of(found) == BODY
    assert found.receipt.headers["etag"] == '"v1"'
    assert found.receipt.headers["content-length"] == str(len(BODY))
    whole, *spans = made.origin.requests
    assert whole.range is None
    assert len(spans) >= 3
    assert {one.get("if-range") for one in spans} == {'"v1"'}
    assert all(one.range is not None and one.range[1] is not None for one in spans)


@pytest.mark.parametrize(
    "handler",
    [
        Static(BODY, etag=None),
        Static(BODY, etag='W/"v1"'),
        Static(BODY, ranges=False),
        Static(BODY[: 2 * 1024 * 1024]),
    ],
    ids=["no-etag", "weak-etag", "no-ranges", "small"],
)
def test_without_what_it_takes_one_request_is_all(made: Kit, handler: Static) -> None:
    url = made.origin.route("/big.bin", handler)
    assert made.bytes_of(made.arrive(order(url))) == handler.body
    assert len(made.origin.requests) == 1


@pytest.mark.parametrize("split", ["off", "auto"])
def test_by_itself_only_what_is_large_and_slow(made: Kit, split: str) -> None:
    url = made.origin.route("/big.bin", Static(BODY))
    made.with_settings(split=split).arrive(order(url))
    assert len(made.origin.requests) == 1


def test_streams_of_one_connection_are_no_gain(tmp_path: Path) -> None:
    with kit(tmp_path, "curl", "h2", split="4") as one:
        assert one.bytes_of(one.arrive(order(one.origin.route("/big.bin", Static(BODY))))) == BODY
        assert len(one.origin.requests) == 1


def _other_span(request: Request) -> Response:
    assert request.range is not None
    start = request.range[0] + 1
    headers = (("ETag", '"v1"'), ("Content-Range", f"bytes {start}-{start + 9}/{len(BODY)}"))
    return Response(206, headers, BODY[start : start + 10])


def _cut_span(request: Request) -> Response:
    answer = Static(BODY)(request)
    assert isinstance(answer.body, bytes)
    return replace(answer, body=[answer.body[:300_000], Reset()], length=len(answer.body))


@pytest.mark.fault("H15")
@pytest.mark.fault("H18")
@pytest.mark.parametrize("times", [1, 3, 50])
@pytest.mark.parametrize(
    "answer",
    [
        Response(503, (("Retry-After", "0"),)),
        Response(404),
        Raw([Reset()]),
        Static(b"x" * len(BODY), etag='"v2"'),
        _other_span,
        _cut_span,
    ],
    ids=["503", "404", "reset", "changed", "other-span", "cut"],
)
def test_spans_that_fail_are_brought_by_others(made: Kit, answer: Handler | Response | Raw, times: int) -> None:
    url = made.origin.route("/big.bin", shared(made, some_fail(answer, times), 3))
    found = made.arrive(order(url))
    # One version or the other, where that is what the server says in the end; never something of both.
    assert made.bytes_of(found) in ({BODY, answer.body} if isinstance(answer, Static) and times > 5 else {BODY})


def _other_version(request: Request) -> Response:
    return Static(BODY[::-1], etag='"v2"')(replace(request, headers=tuple(_without_condition(request))))


def _without_condition(request: Request) -> Iterator[tuple[str, str]]:
    return (header for header in request.headers if header[0].lower() != "if-range")


def _other_total(request: Request) -> Response:
    answer = Static(BODY + b"x")(request)
    return replace(answer, body=Static(BODY)(request).body)


REFUSALS: dict[str, Handler | Response | Raw] = {
    "403": Response(403),
    "404": Response(404),
    "410": Response(410),
    "429": Response(429, (("Retry-After", "60"),)),
    "503": Response(503),
    "302": Response(302, (("Location", "/elsewhere"),)),
    "closed": Raw([Reset()]),
    "whole": Static(BODY, ranges=False),
    "other-version": _other_version,
    "other-total": _other_total,
    "other-span": _other_span,
}


@pytest.mark.fault("H15")
@pytest.mark.fault("H18")
@pytest.mark.parametrize("answer", REFUSALS.values(), ids=REFUSALS.keys())
def test_what_one_connection_brings_needs_no_other(made: Kit, answer: Handler | Response | Raw) -> None:
    """A link that works once, a quota of requests, a server that knows nothing of ranges: as if nothing was split."""
    url = made.origin.route("/big.bin", shared(made, some_fail(answer, 99), 3))
    found = made.with_settings(retries=0).arrive(order(url))
    assert made.bytes_of(found) == BODY
    assert found.receipt.transferred == len(BODY)
    assert sorted(beside(request) for request in made.origin.requests) == [False, True, True, True]


def _longer_span(request: Request) -> Response:
    answer = Static(BODY)(request)
    assert isinstance(answer.body, bytes)
    headers = tuple(header for header in answer.headers if header[0].lower() != "content-length")
    return replace(answer, headers=headers, body=b"1" + answer.body, chunked=True)


@pytest.mark.fault("H15")
def test_a_span_with_more_than_was_announced_vouches_for_nothing(made: Kit) -> None:
    """Bytes that are shifted by one, which no digest tells from the right ones where nothing is pinned."""
    first = Response(
        200,
        (("ETag", '"v1"'), ("Accept-Ranges", "bytes")),
        [BODY[:256_000], Hold(made.origin.gate())],
        length=len(BODY),
    )
    spans = some_fail(_longer_span, 99)
    wholes = iter([first])

    def handle(request: Request) -> Response | Raw:
        return spans(request) if beside(request) else next(wholes, None) or Static(BODY)(request)

    found = made.arrive(order(made.origin.route("/big.bin", handle)))
    assert made.bytes_of(found) == BODY
    assert made.origin.requests[-1].range is None


@pytest.mark.fault("H15")
@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("429", "429 Too Many Requests"),
        ("302", "302 Found to a request for a piece"),
        ("404", "404 Not Found to a request for a piece"),
        ("closed", "without an answer"),
        ("whole", "200 OK to a request for a piece"),
        ("other-version", "a piece of another version of the file"),
        ("other-total", "another piece than was asked for"),
        ("other-span", "another piece than was asked for"),
    ],
)
def test_why_spans_are_not_given_is_said(made: Kit, answer: str, said: str) -> None:
    """Where the first connection breaks, and no other one is of any use."""
    first = Response(200, (("ETag", '"v1"'), ("Accept-Ranges", "bytes")), [BODY[:300_000], Reset()], length=len(BODY))
    failing = some_fail(REFUSALS[answer], 99)
    url = made.origin.route("/big.bin", lambda request: failing(request) if beside(request) else first)
    error = made.with_settings(retries=0).lose(order(url))
    assert said in error.message


@pytest.mark.promise(3)
def test_a_later_run_goes_on_where_one_that_failed_has_no_gap(made: Kit) -> None:
    impatient = made.with_settings(retries=0)
    first = Response(
        200,
        (("ETag", '"v1"'), ("Accept-Ranges", "bytes")),
        [BODY[: 512 * 1024], Reset()],
        length=len(BODY),
    )
    url = made.origin.route("/big.bin", some_fail(Response(404), 99))
    made.origin.route("/big.bin", lambda request: Response(404) if beside(request) else first)
    assert isinstance(impatient.lose(order(url)), NetworkError)
    before = len(made.origin.requests)
    made.origin.route("/big.bin", Static(BODY))
    found = made.arrive(order(url))
    assert made.bytes_of(found) == BODY
    resumed = made.origin.requests[before]
    assert resumed.range is not None
    assert 0 < resumed.range[0] <= 512 * 1024
    assert found.receipt.transferred < len(BODY)


def stopped_midway(made: Kit, digests: Digests | None = None) -> Order:
    """What a run leaves of which one span came whole and the others not, at an origin that is well again."""
    one = order(made.origin.route("/big.bin", Static(BODY)), digests=digests)
    claim = made.store.claim(one.key)
    assert claim is not None
    with claim:
        writer = made.store.writer(one.key, one.artifact.digests, None)
        writer.begin(Validators('"v1"'), len(BODY))
        writer.write(BODY[:300_000], 0)
        writer.write(BODY[2_000_000:4_500_000], 2_000_000)
        writer.write(BODY[5_000_000:8_000_000], 5_000_000)
        writer.suspend()
    return one


MISSING = len(BODY) - 300_000 - 2_500_000 - 3_000_000


@pytest.mark.promise(3)
@pytest.mark.parametrize("pinned", [True, False])
@pytest.mark.parametrize("split", ["2", "off"])
def test_a_later_run_asks_for_gaps_only(made: Kit, pinned: bool, split: str) -> None:
    one = stopped_midway(made, sha256(BODY) if pinned else None)
    found = made.with_settings(split=split).arrive(one)
    assert made.bytes_of(found) == BODY
    assert found.receipt.transferred == MISSING
    asked = sorted(request.range for request in made.origin.requests if request.range is not None)
    assert asked == [(300_000, 2_000_000), (4_500_000, 5_000_000), (8_000_000, None)]


@pytest.mark.fault("H18")
@pytest.mark.parametrize("pinned", [True, False])
def test_what_lies_behind_gaps_of_another_version_is_dropped(made: Kit, pinned: bool) -> None:
    other = BODY[::-1]
    one = stopped_midway(made, sha256(other) if pinned else None)
    made.origin.route("/big.bin", Static(other, etag='"v2"'))
    found = made.arrive(one)
    assert made.bytes_of(found) == other


@pytest.mark.fault("I01")
def test_wrong_bytes_behind_a_gap_cost_one_more_transfer(made: Kit) -> None:
    """Bytes that a pin contradicts, whatever vouched for them, are dropped, and the whole is fetched once."""
    one = order(made.origin.route("/big.bin", Static(BODY)), digests=sha256(BODY))
    claim = made.store.claim(one.key)
    assert claim is not None
    with claim:
        writer = made.store.writer(one.key, one.artifact.digests, None)
        writer.begin(Validators('"v1"'), len(BODY))
        writer.write(BODY[:300_000], 0)
        writer.write(bytes(2_500_000), 2_000_000)
        writer.suspend()
    found = made.arrive(one)
    assert made.bytes_of(found) == BODY
    wholes = [request for request in made.origin.requests if request.range is None]
    assert len(wholes) == 1


def test_who_gives_no_piece_up_to_a_gap_may_give_all_the_rest(made: Kit) -> None:
    one = stopped_midway(made)
    honest = Static(BODY)
    made.origin.route("/big.bin", lambda request: Response(404) if beside(request) else honest(request))
    found = made.arrive(one)
    assert made.bytes_of(found) == BODY


@pytest.mark.fault("I01")
def test_the_whole_is_held_against_its_pin(made: Kit) -> None:
    url = made.origin.route("/big.bin", shared(made, Static(BODY), 4))
    error = made.lose(order(url, digests=WRONG))
    assert isinstance(error, IntegrityError)
    assert str(sha256(BODY).sha256) in error.message
    assert made.origin.requests[-1].range is None
