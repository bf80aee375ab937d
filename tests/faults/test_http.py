"""Faults of HTTP (group H), over both backends."""

from __future__ import annotations

import gzip
import socket
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from dlm.errors import IntegrityError, LocalError, NetworkError, RefusedError
from dlm.model.digest import Digests
from dlm.model.events import Retrying, Warned
from dlm.model.transfer import Arrived, Lost
from tests.support.fetching import BODY, PLAIN, WIRES, WRONG, Kit, kit, order, sha256
from tests.support.origin import (
    DATE,
    Close,
    GoAway,
    Hold,
    Raw,
    Request,
    Reset,
    ResetStream,
    Response,
    Static,
    imf_date,
    sequence,
)

HTTPS = [pair for pair in WIRES if pair[1] == "https"]
H1 = [pair for pair in WIRES if pair[1] != "h2"]


@pytest.fixture(params=WIRES, ids="-".join)
def wire(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kit]:
    """Any backend and protocol."""
    backend, protocol = request.param
    with kit(tmp_path, backend, protocol) as made:
        yield made


@pytest.fixture(params=PLAIN, ids="-".join)
def plain(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kit]:
    """Any backend, where the bytes of an answer can be written by hand. One retry is enough here."""
    backend, protocol = request.param
    with kit(tmp_path, backend, protocol, retries=1) as made:
        yield made


def raw(*lines: str, body: bytes = b"", keep: bool = False) -> Raw:
    """An answer as it goes over the wire."""
    return Raw(["\r\n".join([*lines, "", ""]).encode("latin-1") + body], keep=keep)


def lost_after(made: Kit, answer: Raw | Response, requests: int = 2) -> str:
    """Nothing arrives, and that is said after so many requests."""
    url = made.origin.route("/data.bin", answer)
    error = made.lose(order(url))
    assert isinstance(error, NetworkError)
    assert len(made.origin.requests) == requests
    assert made.store.known(order(url).key) is None
    return error.message


@pytest.mark.fault("H02")
class TestChunks:
    def test_the_last_chunk_is_missing(self, plain: Kit) -> None:
        message = lost_after(plain, raw("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", body=b"5\r\nhello\r\n"))
        assert "broke off after 5 bytes" in message

    def test_a_chunk_size_is_no_number(self, plain: Kit) -> None:
        message = lost_after(plain, raw("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", body=b"5\r\nhello\r\nzz\r\n"))
        assert "broke off after 5 bytes" in message

    @pytest.mark.parametrize(
        "framed",
        [
            *(size + b"\r\nhello\r\n0\r\n\r\n" for size in (b"-5", b"+5", b" 5", b"_5", b"0" * 17 + b"5", b"f" * 16)),
            b"5\r\nhelloXX0\r\n\r\n",
            b"5\r\nhello0\r\n\r\n",
            b"5\r\nhello\r\n0\r\n",
            b"5\r\nhello\r\n0",
            b"5\r\nhello\r\n0\r\nX-Trailer: a",
        ],
    )
    def test_what_only_looks_like_chunks_is_no_body(self, plain: Kit, framed: bytes) -> None:
        message = lost_after(plain, raw("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", body=framed))
        assert f"broke off after {5 if framed.startswith(b'5') else 0} bytes" in message

    @pytest.mark.parametrize(
        ("trailer", "said"),
        [
            (b"no colon", "not valid HTTP"),
            (b"X: a\0b", "not valid HTTP"),
            (b"X: " + b"a" * 4096, "too large a header"),
            (b"X: a\r\n" * 60_000, "too large a header"),
        ],
        ids=["colon", "nul", "long", "many"],
    )
    def test_trailers_that_are_none(self, plain: Kit, trailer: bytes, said: str) -> None:
        framed = b"5\r\nhello\r\n0\r\n%s\r\n\r\n" % trailer
        assert said in lost_after(plain, raw("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", body=framed))

    @pytest.mark.parametrize(
        "framed",
        [
            b'5 ;a="b;c"\r\nhello\r\n0;d\r\n\r\n',
            b"5;" + b"x" * 100_000 + b"\r\nhello\r\n0\r\n\r\n",
            b"0" * 15 + b"5\r\nhello\r\n000\r\n\r\n",
            b"5\nhello\n0\n\n",
        ],
        ids=["extension", "long extension", "zeros", "lf"],
    )
    def test_what_is_odd_and_harmless_is_a_body(self, plain: Kit, framed: bytes) -> None:
        url = plain.origin.route("/data.bin", raw("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", body=framed))
        assert plain.bytes_of(plain.arrive(order(url))) == b"hello"

    @pytest.mark.parametrize(
        "field",
        [
            "Transfer-Encoding: chunked ",
            "Transfer-Encoding: chunked\t",
            "Transfer-Encoding:\tCHUNKED",
            "Transfer-Encoding:\r\n chunked",
            "transfer-encoding: \r\n\tchunked\r\n ",
        ],
    )
    def test_however_it_is_written_it_frames_the_body(self, plain: Kit, field: str) -> None:
        answer = raw("HTTP/1.1 200 OK", field, body=b"5\r\nhello\r\n0\r\n\r\n", keep=True)
        url = plain.origin.route("/data.bin", answer)
        for number in range(2):
            wanted = order(f"{url}?{number}", digests=sha256(b"hello") if number else None)
            assert plain.bytes_of(plain.arrive(wanted)) == b"hello"
        assert plain.heard.warnings == []

    @pytest.mark.parametrize("size", [b"-5", b"-1", b"0x2000", b"+1000", b"8" + b"0" * 15])
    def test_what_frames_a_body_is_never_kept_as_a_part_of_it(self, plain: Kit, size: bytes) -> None:
        framed = b"%s\r\n%s\r\n5\r\n" % (size, BODY[:100])
        lines = ("HTTP/1.1 200 OK", 'ETag: "v1"', "Transfer-Encoding: chunked")
        url = plain.origin.route("/data.bin", raw(*lines, body=framed), Static(BODY))
        assert plain.bytes_of(plain.arrive(order(url))) == BODY

    def test_a_whole_body_comes_at_the_second_try(self, plain: Kit) -> None:
        cut = raw("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", body=b"5\r\nhello\r\n")
        url = plain.origin.route("/data.bin", cut, Static(BODY))
        assert plain.bytes_of(plain.arrive(order(url))) == BODY


@pytest.mark.fault("H03")
class TestCloseDelimited:
    def test_a_cut_shows_in_the_digest(self, plain: Kit) -> None:
        url = plain.origin.route("/data.bin", Response(200, (), [BODY[:1000], Close()], length="none"))
        error = plain.lose(order(url, digests=sha256(BODY)))
        assert isinstance(error, IntegrityError)

    def test_without_a_pin_it_arrives_with_a_warning(self, plain: Kit) -> None:
        url = plain.origin.route("/data.bin", Response(200, (), [BODY, Close()], length="none"))
        assert not plain.arrive(order(url)).receipt.complete
        [warning] = plain.heard.warnings
        assert "size or sha256" in warning

    @pytest.mark.parametrize("wire", HTTPS, ids="-".join, indirect=True)
    def test_tls_without_close_notify_is_a_cut(self, wire: Kit) -> None:
        url = wire.origin.route(
            "/data.bin",
            Response(200, (), [BODY, Reset()], length="none"),
            Response(200, (), [BODY, Close()], length="none"),
        )
        assert wire.bytes_of(wire.arrive(order(url))) == BODY
        assert len(wire.origin.requests) == 2
        assert len(wire.events(Retrying)) == 1


class TestSlowServers:
    @pytest.mark.fault("H06")
    @pytest.mark.parametrize("wire", H1, ids="-".join, indirect=True)
    def test_a_head_that_drips(self, wire: Kit) -> None:
        slow = wire.with_settings(connect_timeout=0.2, retries=1)
        gate = wire.origin.gate()

        def drip(_: Request) -> Raw:
            def letters() -> Iterator[bytes]:
                yield b"HTTP/1.1 200 OK\r\nX-Slow: "
                while not gate.wait(0.02):
                    yield b"a"

            return Raw(letters())  # type: ignore[arg-type]

        error = slow.lose(order(wire.origin.route("/data.bin", drip)))
        assert isinstance(error, NetworkError)
        assert "no answer in time" in error.message
        assert len(wire.origin.requests) == 2

    @pytest.mark.fault("H07")
    def test_a_body_that_drips(self, wire: Kit) -> None:
        slow = wire.with_settings(stall_timeout=0.3, retries=1)
        gate = wire.origin.gate()

        def drip() -> Iterator[bytes]:
            while not gate.wait(0.02):
                yield b"a"

        error = slow.lose(order(wire.origin.route("/data.bin", lambda _: Response(200, (), drip(), length=10**6))))
        assert isinstance(error, NetworkError)
        assert "stalled after" in error.message
        assert len(wire.origin.requests) == 2

    @pytest.mark.fault("H07")
    def test_a_body_that_stops(self, wire: Kit) -> None:
        slow = wire.with_settings(stall_timeout=0.3)
        stuck = Response(200, (("ETag", '"v1"'),), [BODY[:5000], Hold(wire.origin.gate())], length=len(BODY))
        url = wire.origin.route("/data.bin", stuck, Static(BODY))
        assert wire.bytes_of(slow.arrive(order(url))) == BODY
        assert wire.origin.requests[1].range == (5000, None)

    def test_a_body_that_is_slow_but_steady_arrives(self, wire: Kit) -> None:
        patient = wire.with_settings(stall_timeout=0.3, stall_rate=100)
        pace = wire.origin.gate()

        def steadily() -> Iterator[bytes]:
            for _ in range(40):
                pace.wait(0.02)
                yield b"x" * 50

        url = wire.origin.route("/data.bin", lambda _: Response(200, (), steadily(), length=2000))
        assert patient.arrive(order(url)).receipt.attempts == 1


class TestComingBack:
    @pytest.mark.fault("H08")
    @pytest.mark.parametrize("status", [429, 503])
    def test_retry_after_in_seconds(self, wire: Kit, status: int) -> None:
        busy = Response(status, (("Retry-After", "2"),))
        url = wire.origin.route("/data.bin", busy, busy, Static(BODY))
        wire.arrive(order(url))
        assert [slept for slept in wire.clock.slept if slept > 1] == pytest.approx([2, 2], abs=0.5)
        told = [event for event in wire.heard.events if isinstance(event, Retrying)]
        assert [event.wait for event in told] == [2.0, 2.0]
        assert str(status) in told[0].reason

    @pytest.mark.fault("H08")
    def test_retry_after_beyond_all_patience(self, wire: Kit) -> None:
        url = wire.origin.route("/data.bin", Response(503, (("Retry-After", "100000"),)))
        error = wire.lose(order(url))
        assert "100000 s" in error.message
        assert "retry_budget" in error.message
        assert len(wire.origin.requests) == 1

    @pytest.mark.fault("H09")
    @pytest.mark.parametrize(("ahead", "wait"), [(7, 7.0), (-3600, 0.0)])
    @pytest.mark.parametrize("skew", [0, 10**8])
    def test_retry_after_as_a_date(self, wire: Kit, ahead: int, wait: float, skew: int) -> None:
        now = 1_700_000_000 + skew
        busy = Response(503, (("Date", imf_date(now)), ("Retry-After", imf_date(now + ahead))))
        url = wire.origin.route("/data.bin", busy, Static(BODY))
        wire.arrive(order(url))
        [told] = wire.events(Retrying)
        assert isinstance(told, Retrying)
        assert told.wait == wait

    @pytest.mark.fault("H11")
    @pytest.mark.parametrize("status", [500, 502, 504, 408, 425])
    def test_passing_errors_back_off(self, wire: Kit, status: int) -> None:
        url = wire.origin.route("/data.bin", Response(status), Response(status), Static(BODY))
        wire.arrive(order(url))
        waits = [event.wait for event in wire.heard.events if isinstance(event, Retrying)]
        assert waits == [0.0075, 0.015]

    @pytest.mark.fault("H11")
    def test_a_host_that_is_too_busy_for_one_is_left_alone_by_all(self, wire: Kit) -> None:
        one_at_a_time = wire.with_settings(jobs=1)
        asked: list[float] = []

        def clocked(request: Request) -> Response:
            asked.append(wire.clock.monotonic())
            first = len(asked) == 1
            return Response(503, (("Retry-After", "30"),)) if first else Response(200, (), b"x")

        wire.origin.otherwise(clocked)
        orders = [order(f"{wire.origin.url}/{number}.bin") for number in range(4)]
        found = list(one_at_a_time.fetcher.fetch(orders, wire.store))
        assert all(isinstance(one, Arrived) for one in found)
        assert all(later - asked[0] >= 30 for later in asked[1:])

    @pytest.mark.fault("H18")
    @pytest.mark.parametrize("wire", H1, ids="-".join, indirect=True)
    def test_several_faults_in_a_row(self, wire: Kit) -> None:
        head = (("ETag", '"v1"'),)
        url = wire.origin.route(
            "/data.bin",
            Raw([Reset()]),
            Response(200, head, [BODY[:100_000], Reset()], length=len(BODY)),
            Response(503),
            Response(200, head, [BODY[:50_000], Reset()], length=len(BODY)),
            Static(BODY),
        )
        assert wire.bytes_of(wire.arrive(order(url))) == BODY
        assert len(wire.origin.requests) == 5

    @pytest.mark.fault("H18")
    def test_one_budget_for_all_of_them(self, wire: Kit) -> None:
        url = wire.origin.route("/data.bin", sequence(*(Response(500 + 3 * (number % 2)) for number in range(9))))
        error = wire.lose(order(url))
        assert "5 times" in error.message
        assert len(wire.origin.requests) == 5


@pytest.mark.fault("H12")
class TestRefusals:
    @pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 410, 451])
    def test_exactly_one_request(self, wire: Kit, status: int) -> None:
        url = wire.origin.route("/data.bin", Response(status, (), b"page"))
        error = wire.lose(order(url + "?token=abc"))
        assert isinstance(error, RefusedError)
        assert f"{url}: it answered {status}" in error.message
        assert "token" not in error.message
        assert len(wire.origin.requests) == 1

    def test_the_mirror_is_next(self, wire: Kit) -> None:
        url = wire.origin.route("/data.bin", Response(404))
        mirror = wire.origin.route("/mirror.bin", Static(BODY))
        wire.arrive(order(url, mirrors=(mirror,)))
        assert len(wire.origin.requests) == 2

    @pytest.mark.parametrize("status", [201, 202, 203, 204, 205, 206, 300, 305, 501, 505])
    def test_other_statuses_are_no_answer_either(self, wire: Kit, status: int) -> None:
        url = wire.origin.route("/data.bin", Response(status, (), b"" if status in {204, 205} else BODY))
        error = wire.lose(order(url))
        assert isinstance(error, NetworkError)
        assert str(status) in error.message
        assert len(wire.origin.requests) == 1

    def test_what_the_server_says_besides_is_not_shown(self, wire: Kit) -> None:
        url = wire.origin.route("/data.bin", Response(404, (("X-Why", "\x1b[31m"),), b"\x1b[31mred alert"))
        error = wire.lose(order(url))
        assert "red alert" not in f"{error} {error.details}"
        assert str(error).isprintable()


class TestPieces:
    def part(self, at: int = 100_000) -> Response:
        return Response(200, (("ETag", '"v1"'),), [BODY[:at], Reset()], length=len(BODY))

    @pytest.mark.fault("H13")
    @pytest.mark.parametrize("pinned", [True, False], ids=["pinned", "unpinned"])
    @pytest.mark.parametrize("whole", [f"bytes */{len(BODY)}", "bytes */5", "bytes */100000", None])
    def test_416_is_never_a_success_by_itself(self, wire: Kit, pinned: bool, whole: str | None) -> None:
        headers = () if whole is None else (("Content-Range", whole),)
        url = wire.origin.route("/data.bin", Response(416, headers), Static(BODY))
        wanted = order(url, digests=sha256(BODY) if pinned else None)
        wire.seed(wanted, BODY[:100_000], total=len(BODY))
        assert wire.bytes_of(wire.arrive(wanted)) == BODY
        assert [request.range for request in wire.origin.requests] == [(100_000, None), None]

    @pytest.mark.fault("H13")
    def test_416_for_a_part_that_is_all_of_it(self, wire: Kit) -> None:
        url = wire.origin.route("/data.bin", Static(BODY))
        wanted = order(url, digests=sha256(BODY))
        wire.seed(wanted, BODY)
        assert wire.bytes_of(wire.arrive(wanted)) == BODY
        assert [request.range for request in wire.origin.requests] == [(len(BODY), None)]

    @pytest.mark.fault("H13")
    def test_416_for_a_part_with_the_right_length_and_wrong_bytes(self, wire: Kit) -> None:
        url = wire.origin.route("/data.bin", Static(BODY))
        wanted = order(url, digests=sha256(BODY))
        wire.seed(wanted, bytes(reversed(BODY)))
        assert wire.bytes_of(wire.arrive(wanted)) == BODY
        assert [request.range for request in wire.origin.requests] == [(len(BODY), None), None]

    @pytest.mark.fault("H13")
    def test_a_part_without_a_pin_is_not_taken_at_its_word(self, wire: Kit) -> None:
        url = wire.origin.route("/data.bin", Static(BODY))
        wire.seed(order(url), BODY, total=len(BODY))
        assert wire.bytes_of(wire.arrive(order(url))) == BODY
        [asked] = wire.origin.requests
        assert asked.range == (len(BODY) - 1, None)
        assert asked.get("if-range") == '"v1"'

    def test_a_part_with_a_pin_that_is_all_of_it_costs_no_request(self, wire: Kit) -> None:
        wanted = order(f"{wire.origin.url}/data.bin", digests=sha256(BODY), size=len(BODY))
        wire.seed(wanted, BODY)
        assert wire.bytes_of(wire.arrive(wanted)) == BODY
        assert wire.origin.requests == []

    @pytest.mark.fault("H15")
    @pytest.mark.parametrize("pinned", [True, False], ids=["pinned", "unpinned"])
    @pytest.mark.parametrize(
        "fields",
        [
            (),
            (("Content-Range", f"bytes 0-{len(BODY) - 1}/{len(BODY)}"),),
            (("Content-Range", f"bytes 99999-{len(BODY) - 1}/{len(BODY)}"),),
            (("Content-Range", f"bytes 100000-{len(BODY) - 1}/{len(BODY) + 1}"),),
            (("Content-Range", f"bytes 100000-{len(BODY)}/{len(BODY) + 1}"),),
            (("Content-Range", f"bytes 100000-200000/{len(BODY)}"),),
            (("Content-Range", "bytes 100000-199999/*"),),
            (("Content-Range", f"items 100000-{len(BODY) - 1}/{len(BODY)}"),),
            (("Content-Type", "multipart/byteranges; boundary=x"),),
        ],
    )
    def test_a_piece_that_is_not_what_was_asked_for(
        self, wire: Kit, fields: tuple[tuple[str, str], ...], pinned: bool
    ) -> None:
        liar = Response(206, (("ETag", '"v1"'), *fields), BODY[100_000:])
        url = wire.origin.route("/data.bin", liar, Static(BODY))
        wanted = order(url, digests=sha256(BODY) if pinned else None)
        wire.seed(wanted, BODY[:100_000], total=len(BODY))
        assert wire.bytes_of(wire.arrive(wanted)) == BODY
        assert [request.range for request in wire.origin.requests] == [(100_000, None), None]

    @pytest.mark.fault("H15")
    def test_a_piece_of_another_version(self, wire: Kit) -> None:
        span = f"bytes 100000-{len(BODY) - 1}/{len(BODY)}"
        liar = Response(206, (("ETag", '"v2"'), ("Content-Range", span)), bytes(len(BODY) - 100_000))
        url = wire.origin.route("/data.bin", liar, Static(BODY, etag='"v2"'))
        wire.seed(order(url), BODY[:100_000], total=len(BODY))
        assert wire.bytes_of(wire.arrive(order(url))) == BODY
        assert [request.range for request in wire.origin.requests] == [(100_000, None), None]

    @pytest.mark.fault("H15")
    @pytest.mark.parametrize("pinned", [True, False], ids=["pinned", "unpinned"])
    def test_a_piece_that_is_too_long(self, plain: Kit, pinned: bool) -> None:
        rest = BODY[100_000:] + b"more"
        span = f"Content-Range: bytes 100000-{len(BODY) - 1}/{len(BODY)}"
        chunk = b"%x\r\n%b\r\n0\r\n\r\n" % (len(rest), rest)
        lines = ("HTTP/1.1 206 Partial Content", 'ETag: "v1"', span, "Transfer-Encoding: chunked")
        url = plain.origin.route("/data.bin", raw(*lines, body=chunk), Static(BODY))
        wanted = order(url, digests=sha256(BODY) if pinned else None)
        plain.seed(wanted, BODY[:100_000], total=len(BODY))
        assert plain.bytes_of(plain.arrive(wanted)) == BODY
        assert [request.range for request in plain.origin.requests] == [(100_000, None), None]

    @pytest.mark.fault("H32")
    def test_validators_of_another_century_decide_nothing(self, wire: Kit) -> None:
        for year in ("1970", "2099"):
            date = f"Thu, 01 Jan {year} 00:00:00 GMT"
            far = Static(BODY, last_modified=date, date=date)
            url = wire.origin.route(f"/{year}.bin", self.part(), far)
            assert wire.bytes_of(wire.arrive(order(url))) == BODY

    def test_a_last_modified_that_is_strong_serves_as_validator(self, wire: Kit) -> None:
        old = "Sat, 01 Aug 2026 00:00:00 GMT"
        head = (("Date", DATE), ("Last-Modified", old))
        cut = Response(200, head, [BODY[:100_000], Reset()], length=len(BODY))
        url = wire.origin.route("/data.bin", cut, Static(BODY, etag=None, last_modified=old))
        assert wire.bytes_of(wire.arrive(order(url))) == BODY
        assert wire.origin.requests[1].get("if-range") == old

    def test_a_last_modified_of_a_moment_ago_does_not(self, wire: Kit) -> None:
        head = (("Date", DATE), ("Last-Modified", DATE))
        cut = Response(200, head, [BODY[:100_000], Reset()], length=len(BODY))
        url = wire.origin.route("/data.bin", cut, Static(BODY, etag=None, last_modified=DATE))
        assert wire.bytes_of(wire.arrive(order(url))) == BODY
        assert wire.origin.requests[1].range is None


@pytest.mark.fault("H20")
class TestCodings:
    bomb = gzip.compress(bytes(10_000_000))

    @pytest.mark.parametrize(
        ("coding", "body"),
        [
            ("gzip", bomb),
            ("gzip", bomb[:100]),
            ("gzip, gzip", gzip.compress(gzip.compress(BODY))),
            ("deflate", zlib.compress(BODY)),
            ("br", b"anything"),
            ("x-unknown", b"anything"),
            (", ".join(["gzip"] * 50), b"anything"),
        ],
        ids=lambda value: value[:12] if isinstance(value, str) else "",
    )
    def test_bytes_stay_as_transferred(self, wire: Kit, coding: str, body: bytes) -> None:
        url = wire.origin.route("/data.bin", Response(200, (("Content-Encoding", coding),), body))
        found = wire.arrive(order(url, digests=sha256(body)))
        assert wire.bytes_of(found) == body
        assert wire.origin.requests[0].get("accept-encoding") == "identity"

    def test_a_digest_that_differs_for_that_reason_says_so(self, wire: Kit) -> None:
        url = wire.origin.route("/data.bin", Response(200, (("Content-Encoding", "gzip"),), gzip.compress(BODY)))
        assert "another coding" in wire.lose(order(url, digests=sha256(BODY))).message


@pytest.mark.fault("H21")
class TestLengths:
    @pytest.mark.parametrize(
        "lengths",
        [
            ("-5",),
            ("12monkeys",),
            ("5, 6",),
            ("5", "6"),
            (str(2**63),),
            ("9" * 400,),
            ("",),
            ("5.0",),
            ("+5",),
            ("0x5",),
        ],
        ids="/".join,
    )
    def test_a_length_that_is_none(self, plain: Kit, lengths: tuple[str, ...]) -> None:
        fields = [f"Content-Length: {length}" for length in lengths]
        message = lost_after(plain, raw("HTTP/1.1 200 OK", *fields, body=b"hello"))
        assert "not valid HTTP" in message

    def test_together_with_chunks(self, plain: Kit) -> None:
        answer = raw(
            "HTTP/1.1 200 OK", "Content-Length: 5", "Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0\r\n\r\n"
        )
        assert "not valid HTTP" in lost_after(plain, answer)

    def test_in_a_coding_that_nobody_asked_for(self, plain: Kit) -> None:
        answer = raw("HTTP/1.1 200 OK", "Transfer-Encoding: gzip, chunked", body=b"5\r\nhello\r\n0\r\n\r\n")
        assert "not valid HTTP" in lost_after(plain, answer)

    def test_the_same_length_twice_is_one(self, plain: Kit) -> None:
        answer = raw("HTTP/1.1 200 OK", "Content-Length: 5", "Content-Length: 5", body=b"hello")
        url = plain.origin.route("/data.bin", answer)
        assert plain.bytes_of(plain.arrive(order(url))) == b"hello"

    @pytest.mark.parametrize("field", ["Content-Length:\r\n 5", "Content-Length: 5\r\n \t", "Content-Length: 5, 5"])
    def test_however_it_is_written_it_ends_the_body(self, plain: Kit, field: str) -> None:
        patient = plain.with_settings(stall_timeout=600)
        url = plain.origin.route("/data.bin", raw("HTTP/1.1 200 OK", field, body=b"hello", keep=True))
        found = patient.arrive(order(url))
        assert plain.bytes_of(found) == b"hello"
        assert found.receipt.complete

    def test_larger_than_the_body(self, plain: Kit) -> None:
        message = lost_after(plain, raw("HTTP/1.1 200 OK", "Content-Length: 50", body=b"hello"))
        assert "broke off after 5 of 50 bytes" in message

    def test_the_largest_there_is_overflows_nothing(self, plain: Kit) -> None:
        url = plain.origin.route("/a.bin", raw("HTTP/1.1 200 OK", f"Content-Length: {2**63 - 1}", body=b"hello"))
        error = plain.lose(order(url))
        assert isinstance(error, LocalError)
        assert "8.0 EiB are needed" in error.message

    def test_what_comes_beyond_it_is_no_second_answer(self, plain: Kit) -> None:
        poison = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
        first = plain.origin.route(
            "/a.bin", raw("HTTP/1.1 200 OK", "Content-Length: 3", body=b"abc" + poison, keep=True)
        )
        second = plain.origin.route("/b.bin", Static(b"good"))
        one = plain.with_settings(jobs=1)
        assert [plain.bytes_of(one.arrive(order(url))) for url in (first, second)] == [b"abc", b"good"]

    @pytest.mark.parametrize(
        "how", [("Content-Length: 2000003",), ("Transfer-Encoding: chunked",)], ids=["length", "chunks"]
    )
    def test_nor_where_it_comes_with_the_end_of_a_long_body(self, plain: Kit, how: tuple[str, ...]) -> None:
        body = bytes(2_000_000) + b"end"  # more than a library reads at once: it knows where to stop before it is there
        sent = body if "Length" in how[0] else b"1E8483\r\n" + body + b"\r\n0\r\n\r\n"
        poison = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
        first = plain.origin.route("/a.bin", raw("HTTP/1.1 200 OK", *how, body=sent + poison, keep=True))
        second = plain.origin.route("/b.bin", Static(b"good"))
        one = plain.with_settings(jobs=1, jobs_per_host=1)
        found = list(one.fetcher.fetch([order(first), order(second)], plain.store))
        assert all(isinstance(outcome, Arrived) for outcome in found), found
        assert [plain.bytes_of(outcome) for outcome in found if isinstance(outcome, Arrived)] == [body, b"good"]


@pytest.mark.fault("H18")
@pytest.mark.parametrize("end", [Reset(), Close()], ids=["reset", "closed"])
def test_a_kept_connection_that_ends_costs_no_try(plain: Kit, end: Reset | Close) -> None:
    first = plain.origin.route("/a.bin", Static(b"one"))
    second = plain.origin.route("/b.bin", Response(before=(end,)), Static(b"two"))
    one = plain.with_settings(jobs=1, jobs_per_host=1, retries=0)
    found = list(one.fetcher.fetch([order(first), order(second)], plain.store))
    assert all(isinstance(outcome, Arrived) for outcome in found), found
    assert plain.origin.connections == 2
    assert [request.path for request in plain.origin.requests] == ["/a.bin", "/b.bin", "/b.bin"]


@pytest.mark.fault("H18")
def test_a_new_connection_that_ends_is_a_failure(plain: Kit) -> None:
    url = plain.origin.route("/a.bin", Response(before=(Close(),)), Static(b"late"))
    error = plain.with_settings(retries=0).lose(order(url))
    assert "closed the connection without an answer" in error.message
    assert len(plain.origin.requests) == 1


@pytest.mark.fault("H22")
def test_nothing_depends_on_head(wire: Kit) -> None:
    url = wire.origin.route(
        "/data.bin", lambda request: Response(405) if request.method == "HEAD" else Response(200, (), BODY)
    )
    wire.arrive(order(url))
    assert {request.method for request in wire.origin.requests} == {"GET"}


@pytest.mark.fault("H26")
class TestHeaderBombs:
    def test_very_many(self, plain: Kit) -> None:
        fields = [f"X-{number}: y" for number in range(400_000)]
        message = lost_after(plain, raw("HTTP/1.1 200 OK", *fields))
        assert "too large a header" in message
        assert len(message) < 300

    def test_a_thousand_and_one(self, plain: Kit) -> None:
        fields = [f"X-{number}: y" for number in range(1001)]
        assert "too large a header" in lost_after(plain, raw("HTTP/1.1 200 OK", *fields))

    def test_a_thousand_are_not_honest_but_harmless(self, plain: Kit) -> None:
        fields = ["Content-Length: 5", *(f"X-{number}: y" for number in range(999))]
        url = plain.origin.route("/data.bin", raw("HTTP/1.1 200 OK", *fields, body=b"hello"))
        plain.arrive(order(url))

    def test_a_very_long_one(self, plain: Kit) -> None:
        assert "too large a header" in lost_after(plain, raw("HTTP/1.1 200 OK", "X-Long: " + "y" * 50_000_000))

    @pytest.mark.parametrize(("length", "fits"), [(70_000, True), (102_399, True), (102_400, False)])
    @pytest.mark.parametrize("line", ["HTTP/1.1 200 ", "X-Long: "])
    def test_one_line_may_have_a_hundred_kilobytes(self, plain: Kit, line: str, length: int, fits: bool) -> None:
        long = line.ljust(length - len("\r\n"), "y")
        lines = [long] if line.startswith("HTTP") else ["HTTP/1.1 200 OK", long]
        answer = raw(*lines, "Content-Length: 5", body=b"hello")
        if fits:
            assert plain.bytes_of(plain.arrive(order(plain.origin.route("/data.bin", answer)))) == b"hello"
        else:
            assert "too large a header" in lost_after(plain, answer)

    def test_folded_lines_are_one(self, plain: Kit) -> None:
        folded = ["X-Folded: a", *[" b"] * 2000]
        url = plain.origin.route("/data.bin", raw("HTTP/1.1 200 OK", *folded, "Content-Length: 5", body=b"hello"))
        plain.arrive(order(url))

    def test_folded_lines_are_as_long_as_one(self, plain: Kit) -> None:
        endless = raw("HTTP/1.1 200 OK", "X-Folded: a", *[" " + "b" * 1000] * 200, body=b"hello")
        assert "too large a header" in lost_after(plain, endless)

    def test_without_end(self, plain: Kit) -> None:
        def forever(_: Request) -> Raw:
            def lines() -> Iterator[bytes]:
                yield b"HTTP/1.1 200 OK\r\n"
                while True:
                    yield b"X: " + b"y" * 1000 + b"\r\n"

            return Raw(lines())  # type: ignore[arg-type]

        url = plain.origin.route("/data.bin", forever)
        assert "too large a header" in plain.lose(order(url)).message


@pytest.mark.fault("H27")
class TestMalformedHeaders:
    @pytest.mark.parametrize(
        "line",
        ["X-Nul: a\0b", "X-Cr: a\rContent-Length: 1", "no colon here", "Bad Name: x", ": no name"],
        ids=["nul", "cr", "colon", "name", "empty"],
    )
    def test_is_no_answer(self, plain: Kit, line: str) -> None:
        answer = raw("HTTP/1.1 200 OK", line, "Content-Length: 5", body=b"hello")
        assert "not valid HTTP" in lost_after(plain, answer)

    @pytest.mark.fault("R07")
    @pytest.mark.parametrize(
        "heads",
        [
            ("HTTP/1.1 200 OK\r\nLocation: /a\r\nLocation: /b",),
            ("HTTP/1.1 404 Not Found\r\nLocation: /a\r\nLocation: /b",),
            ("HTTP/1.1 103 Early Hints\r\nLocation: /a\r\nLocation: /b", "HTTP/1.1 200 OK"),
            ("HTTP/1.1 103 Early Hints\r\nLocation: /a", "HTTP/1.1 302 Found\r\nLocation: /b"),
        ],
    )
    def test_two_locations_that_lead_nowhere(self, plain: Kit, heads: tuple[str, ...]) -> None:
        answer = Raw([f"{head}\r\nContent-Length: 0\r\n\r\n".encode() for head in heads])
        assert "not valid HTTP" in lost_after(plain, answer)

    def test_a_folded_value_is_one_value(self, plain: Kit) -> None:
        answer = raw("HTTP/1.1 200 OK", "Content-Type: text/plain;", "  charset=x", "Content-Length: 5", body=b"hello")
        url = plain.origin.route("/data.bin", answer)
        assert plain.arrive(order(url)).receipt.headers["content-type"] == "text/plain; charset=x"

    def test_control_sequences_are_neither_kept_nor_shown(self, plain: Kit) -> None:
        answer = raw("HTTP/1.1 200 OK", 'ETag: "\x1b[31m"', "Content-Length: 5", body=b"hello")
        url = plain.origin.route("/data.bin", answer)
        assert "etag" not in plain.arrive(order(url)).receipt.headers

    def test_what_is_not_ascii_does_no_harm(self, plain: Kit) -> None:
        answer = raw("HTTP/1.1 200 Größe", "X-Name: ü\xff", "Content-Length: 5", body=b"hello")
        url = plain.origin.route("/data.bin", answer)
        assert plain.bytes_of(plain.arrive(order(url))) == b"hello"


@pytest.mark.fault("H28")
@pytest.mark.parametrize(
    "answer",
    [
        b"hello, this is HTTP/0.9\n",
        b"<html>hello</html>",
        b"HTTP/1.1\r\n\r\nhello",
        b"HTTP/1.1 20\r\n\r\nhello",
        b"HTTP/1.1 2000 OK\r\n\r\nhello",
        b"HTTP/1.1 abc OK\r\n\r\nhello",
        b"HTTP/7.3 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.2 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.0.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/2 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/2.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/3 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"X",
        b"ICY 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"\r\n\r\nhello",
        b"\0\1\2\3\r\n\r\n",
    ],
)
def test_what_is_no_status_line(plain: Kit, answer: bytes) -> None:
    assert "not valid HTTP" in lost_after(plain, Raw([answer]))


@pytest.mark.fault("H28")
def test_what_will_be_no_status_line_is_not_waited_for(plain: Kit) -> None:
    patient = plain.with_settings(connect_timeout=600, retries=0)
    url = plain.origin.route("/data.bin", Raw([b"\x16\x03\x01", Hold(plain.origin.gate())]))
    assert "not valid HTTP" in patient.lose(order(url)).message


@pytest.mark.fault("T07")
@pytest.mark.parametrize(
    "beginning",
    [
        b"HT",
        b"HTTP/1.1 2",
        b"HTTP/1.1 200 OK",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r",
        b"HTTP/1.1 103 Early Hints\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n",
    ],
)
def test_a_head_that_breaks_off_is_no_answer(plain: Kit, beginning: bytes) -> None:
    assert "closed the connection without an answer" in lost_after(plain, Raw([beginning]))


class TestInterim:
    @pytest.mark.fault("H28")
    @pytest.mark.parametrize("upgrade", ["websocket", "h2c"])
    def test_nobody_asked_for_another_protocol(self, plain: Kit, upgrade: str) -> None:
        switch = raw("HTTP/1.1 101 Switching Protocols", f"Upgrade: {upgrade}", "Connection: Upgrade")
        whole = raw("HTTP/1.1 200 OK", "Content-Length: 5", body=b"hello")
        assert "not valid HTTP" in lost_after(plain, Raw([*switch.parts, *whole.parts]))

    @pytest.mark.fault("H26")
    @pytest.mark.parametrize(
        ("lines", "times"),
        [(["Link: <" + "x" * 4000 + ">"], 80), (["X: y"] * 600, 2), ([], 12_000)],
        ids=["bytes", "fields", "heads"],
    )
    def test_all_of_them_count_for_the_head(self, plain: Kit, lines: list[str], times: int) -> None:
        interim = raw("HTTP/1.1 103 Early Hints", *lines)
        whole = raw("HTTP/1.1 200 OK", "Content-Length: 5", body=b"hello")
        assert "too large a header" in lost_after(plain, Raw([*interim.parts] * times + [*whole.parts]))

    def test_interim_answers_are_passed_by(self, plain: Kit) -> None:
        interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
        answer = Raw([interim.encode() + b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"])
        url = plain.origin.route("/data.bin", answer)
        assert plain.bytes_of(plain.arrive(order(url))) == b"hello"

    def test_trailers_decide_nothing(self, plain: Kit) -> None:
        body = b'5\r\nhello\r\n0\r\nContent-Length: 99\r\nETag: "x"\r\n\r\n'
        url = plain.origin.route("/data.bin", raw("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", body=body))
        found = plain.arrive(order(url))
        assert plain.bytes_of(found) == b"hello"
        assert found.receipt.headers == {}


@pytest.mark.fault("H29")
class TestHttp2:
    @pytest.fixture
    def h2(self, tmp_path: Path) -> Iterator[Kit]:
        with kit(tmp_path, "curl", "h2") as made:
            yield made

    def test_http2_is_spoken(self, h2: Kit) -> None:
        orders = [order(h2.origin.route(f"/{number}", Static(BODY)), filename="x") for number in range(20)]
        assert all(isinstance(one, Arrived) for one in h2.fetcher.fetch(orders, h2.store))
        assert all(request.http2 for request in h2.origin.requests)
        assert h2.origin.connections <= 2

    def test_goaway_before_the_answer(self, h2: Kit) -> None:
        away = Response(200, (), [Close()], before=(GoAway(last=0), Close()))
        url = h2.origin.route("/data.bin", away, Static(BODY))
        assert h2.bytes_of(h2.arrive(order(url))) == BODY

    def test_goaway_in_the_middle_of_the_body(self, h2: Kit) -> None:
        head = (("ETag", '"v1"'),)
        away = Response(200, head, [BODY[:100_000], GoAway(code=2), Close()], length=len(BODY))
        url = h2.origin.route("/data.bin", away, Static(BODY))
        assert h2.bytes_of(h2.arrive(order(url))) == BODY

    @pytest.mark.parametrize("code", [1, 2, 5, 8, 11])
    def test_a_stream_that_is_reset(self, h2: Kit, code: int) -> None:
        head = (("ETag", '"v1"'),)
        cut = Response(200, head, [BODY[:100_000], ResetStream(code)], length=len(BODY))
        url = h2.origin.route("/data.bin", cut, Static(BODY))
        assert h2.bytes_of(h2.arrive(order(url))) == BODY

    def test_refused_streams_use_up_no_retry(self, h2: Kit) -> None:
        stubborn = h2.with_settings(retries=0)
        refused = Response(200, before=(ResetStream(7),))
        url = h2.origin.route("/data.bin", refused, refused, refused, Static(BODY))
        assert h2.bytes_of(stubborn.arrive(order(url))) == BODY

    def test_streams_that_are_refused_for_ever(self, h2: Kit) -> None:
        url = h2.origin.route("/data.bin", Response(200, before=(ResetStream(7),)))
        error = h2.lose(order(url))
        assert isinstance(error, NetworkError)

    def test_a_body_that_ends_before_its_length(self, h2: Kit) -> None:
        short = Response(200, (("ETag", '"v1"'),), BODY[:1000], length=len(BODY))
        url = h2.origin.route("/data.bin", short, Static(BODY))
        assert h2.bytes_of(h2.arrive(order(url))) == BODY

    def test_a_stream_that_stalls(self, h2: Kit) -> None:
        quick = h2.with_settings(stall_timeout=0.3)
        stuck = Response(200, (("ETag", '"v1"'),), [BODY[:1000], Hold(h2.origin.gate())], length=len(BODY))
        url = h2.origin.route("/data.bin", stuck, Static(BODY))
        assert h2.bytes_of(quick.arrive(order(url))) == BODY

    def test_a_stalled_stream_harms_no_other(self, h2: Kit) -> None:
        quick = h2.with_settings(stall_timeout=0.3, retries=0)
        stuck = Response(200, (), [BODY[:1000], Hold(h2.origin.gate())], length=len(BODY))
        orders = [order(h2.origin.route("/stuck.bin", stuck), name="stuck")]
        orders += [order(h2.origin.route(f"/{number}.bin", Static(BODY)), name=str(number)) for number in range(10)]
        found = {one.order.artifact.resource: one for one in quick.fetcher.fetch(orders, h2.store)}
        assert isinstance(found.pop("stuck"), Lost)
        assert all(isinstance(one, Arrived) for one in found.values())


@pytest.mark.fault("H24")
def test_an_empty_body_does_not_go_where_bytes_were_pinned(wire: Kit) -> None:
    url = wire.origin.route("/data.bin", Response(200))
    mirror = wire.origin.route("/mirror.bin", Static(BODY))
    assert wire.bytes_of(wire.arrive(order(url, mirrors=(mirror,), digests=sha256(BODY)))) == BODY


@pytest.mark.fault("I10")
def test_a_stronger_digest_is_checked_beside_sha256(wire: Kit) -> None:
    url = wire.origin.route("/data.bin", Static(BODY))
    both = Digests.from_mapping({"sha256": str(sha256(BODY).sha256), "sha512": "0" * 128})
    error = wire.lose(order(url, digests=both))
    assert isinstance(error, IntegrityError)
    assert "sha512" in error.message
    assert WRONG.sha256 is not None


def test_a_close_before_the_answer_is_told_from_silence(plain: Kit) -> None:
    closed = plain.origin.route("/closed.bin", Raw([]))
    assert "closed the connection without an answer" in plain.lose(order(closed)).message
    silent = plain.with_settings(connect_timeout=0.2)
    gate = plain.origin.gate()
    held = plain.origin.route("/held.bin", Raw([Hold(gate)]))
    assert "no answer in time" in silent.lose(order(held)).message


@pytest.mark.fault("T07")
def test_a_port_that_accepts_and_says_nothing(tmp_path: Path) -> None:
    for backend in ("curl", "requests"):
        with (
            kit(tmp_path / backend, backend, connect_timeout=0.2, retries=0) as made,
            socket.create_server(("127.0.0.1", 0)) as mute,
        ):
            error = made.lose(order(f"http://127.0.0.1:{mute.getsockname()[1]}/data.bin"))
            assert "no answer in time" in error.message
            assert made.events(Warned) == []
