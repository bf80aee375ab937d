"""What every backend does, over HTTP/1.1, TLS and HTTP/2: one suite, so that nobody can tell them apart."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from dlm.errors import DlmError, IntegrityError, LocalError, NetworkError, PolicyError, RefusedError
from dlm.model.artifact import Validators
from dlm.model.digest import EMPTY
from dlm.model.events import Fetched, Fetching, Progress, Retrying, SourceFailed, Waiting, Warned
from dlm.model.transfer import Arrived, Known, Lost, Order, Page
from tests.support.fetching import BACKENDS, BODY, WIRES, WRONG, Kit, kit, order, sha256
from tests.support.origin import DATE, Close, Hold, Request, Reset, Response, Static, closed_port, redirect, sequence

#: HTTP/2 always says where a body ends.
H1 = [pair for pair in WIRES if pair[1] != "h2"]


@pytest.fixture(params=WIRES, ids="-".join)
def wire(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kit]:
    backend, protocol = request.param
    with kit(tmp_path, backend, protocol) as made:
        yield made


class TestFetching:
    def test_a_file_arrives_with_its_digest(self, wire: Kit) -> None:
        url = wire.origin.route("/data.bin", Static(BODY))
        found = wire.arrive(order(url))
        assert wire.bytes_of(found) == BODY
        assert found.blob.digests == sha256(BODY)
        assert found.blob.size == len(BODY)
        assert found.receipt.transferred == len(BODY)
        assert found.receipt.attempts == 1
        assert found.receipt.complete
        assert found.receipt.from_origin
        assert found.receipt.source == url
        assert found.receipt.final_url is None

    def test_the_receipt_keeps_the_allowed_headers(self, wire: Kit) -> None:
        more = (("Set-Cookie", "session=secret"), ("Content-Disposition", 'attachment; filename="x"'))
        url = wire.origin.route("/data.bin", Static(BODY, last_modified="Sat, 01 Aug 2026 00:00:00 GMT", headers=more))
        found = wire.arrive(order(url))
        assert found.receipt.headers == {
            "etag": '"v1"',
            "last-modified": "Sat, 01 Aug 2026 00:00:00 GMT",
            "content-type": "application/octet-stream",
            "content-length": str(len(BODY)),
            "content-disposition": 'attachment; filename="x"',
        }

    def test_every_request_says_the_same_of_itself(self, wire: Kit) -> None:
        url = wire.origin.route("/data.bin", Static(BODY))
        wire.arrive(order(url))
        [seen] = wire.origin.requests
        sent = {name.lower(): value for name, value in seen.headers}
        sent.pop("host", None)
        assert sent == {"accept": "*/*", "accept-encoding": "identity", "user-agent": "dlm/0.0.test"}
        assert seen.http2 == wire.http2

    def test_a_body_in_chunks_is_complete_at_its_last_chunk(self, wire: Kit) -> None:
        url = wire.origin.route("/data.bin", Response(200, (), [BODY[:1000], BODY[1000:]], chunked=True))
        found = wire.arrive(order(url))
        assert wire.bytes_of(found) == BODY
        assert found.receipt.complete

    @pytest.mark.fault("H20")
    def test_a_content_coding_is_not_decoded(self, wire: Kit) -> None:
        url = wire.origin.route("/data.gz", Response(200, (("Content-Encoding", "gzip"),), b"\x1f\x8bnot really"))
        assert wire.bytes_of(wire.arrive(order(url))) == b"\x1f\x8bnot really"

    @pytest.mark.fault("H24")
    def test_an_empty_body_is_refused(self, wire: Kit) -> None:
        url = wire.origin.route("/data.bin", Response(200))
        error = wire.lose(order(url))
        assert isinstance(error, IntegrityError)
        assert "empty" in error.message
        assert error.hint is not None
        assert "size: 0" in error.hint
        assert len(wire.origin.requests) == 1

    @pytest.mark.fault("H24")
    def test_an_empty_body_in_chunks_is_refused(self, wire: Kit) -> None:
        url = wire.origin.route("/data.bin", Response(200, chunked=True))
        assert isinstance(wire.lose(order(url)), IntegrityError)

    @pytest.mark.fault("H24")
    @pytest.mark.parametrize("pin", [{"size": 0}, {"digests": EMPTY}], ids=["size", "digest"])
    def test_an_empty_body_that_is_meant_arrives(self, wire: Kit, pin: dict[str, object]) -> None:
        url = wire.origin.route("/data.bin", Response(200))
        assert wire.arrive(order(url, **pin)).blob.size == 0  # type: ignore[arg-type]

    @pytest.mark.promise(1)
    @pytest.mark.fault("I01")
    def test_wrong_bytes_are_an_error_with_both_digests(self, wire: Kit) -> None:
        url = wire.origin.route("/data.bin", Static(BODY))
        error = wire.lose(order(url, digests=WRONG))
        assert isinstance(error, IntegrityError)
        assert WRONG.sha256 is not None
        assert WRONG.sha256 in error.message
        assert str(sha256(BODY).sha256) in error.message
        assert url in error.message
        assert error.hint is not None
        assert "dlm lock --accept-hash thing" in error.hint
        assert wire.store.get(sha256(BODY)) is None
        assert len(wire.origin.requests) == 1

    @pytest.mark.fault("I01")
    def test_a_wrong_size_is_seen_before_the_body(self, wire: Kit) -> None:
        url = wire.origin.route("/data.bin", Static(BODY))
        error = wire.lose(order(url, digests=sha256(BODY), size=5))
        assert isinstance(error, IntegrityError)
        assert "5 bytes" in error.message
        assert str(len(BODY)) in error.message

    @pytest.mark.fault("I01")
    def test_a_wrong_size_is_seen_at_the_end_of_a_body_in_chunks(self, wire: Kit) -> None:
        url = wire.origin.route("/data.bin", Response(200, (), [b"abc"], chunked=True))
        for size in (2, 4):
            error = wire.lose(order(url, size=size))
            assert isinstance(error, IntegrityError)
            assert f"{size} bytes" in error.message

    def test_max_size_is_kept_before_and_during_the_body(self, wire: Kit) -> None:
        small = wire.with_settings(max_size=1000)
        told = wire.origin.route("/told.bin", Static(BODY))
        untold = wire.origin.route("/untold.bin", Response(200, (), [BODY, BODY], chunked=True))
        for url in (told, untold):
            error = small.lose(order(url))
            assert isinstance(error, PolicyError)
            assert "max_size" in error.message
        assert len(wire.origin.requests) == 2

    def test_an_html_page_in_place_of_the_file_is_named(self, wire: Kit) -> None:
        url = wire.origin.route("/data.bin", Static(b"<html>log in</html>", content_type="text/html; charset=utf-8"))
        assert "HTML" in wire.lose(order(url, digests=sha256(BODY))).message


class TestManyAtOnce:
    @pytest.mark.parametrize("backend", BACKENDS)
    def test_all_arrive_and_the_host_is_not_overrun(self, tmp_path: Path, backend: str) -> None:
        with kit(tmp_path, backend, jobs=8, jobs_per_host=3) as made:
            gate = made.origin.gate()
            lock = threading.Lock()
            running: set[str] = set()
            counts: list[int] = []

            def count(request: Request) -> Response:
                with lock:
                    running.add(request.path)
                    counts.append(len(running))
                    if len(running) == 3:
                        gate.set()
                gate.wait()
                with lock:
                    running.discard(request.path)
                return Response(200, (), request.path.encode())

            made.origin.otherwise(count)
            orders = [order(f"{made.origin.url}/{number}.bin") for number in range(12)]
            found = list(made.fetcher.fetch(orders, made.store))
            assert all(isinstance(one, Arrived) for one in found)
            assert max(counts) == 3

    def test_a_long_transfer_keeps_no_other_waiting(self, wire: Kit) -> None:
        gate = wire.origin.gate()
        long = wire.origin.route("/long.bin", Response(200, (), [BODY, Hold(gate), BODY], length=2 * len(BODY)))
        short = [wire.origin.route(f"/{number}.bin", Static(BODY)) for number in range(5)]
        running = wire.fetcher.fetch([order(url) for url in (long, *short)], wire.store)
        first = [next(running).order.artifact.url for _ in short]
        assert sorted(first) == short
        gate.set()
        assert [one.order.artifact.url for one in running] == [long]

    def test_a_host_that_cannot_be_reached_fails_for_all_who_wait(self, wire: Kit) -> None:
        quick = wire.with_settings(retries=0)
        address = f"{wire.origin.url.partition(':')[0]}://127.0.0.1:{closed_port()}"
        found = list(quick.fetcher.fetch([order(f"{address}/{number}.bin") for number in range(5)], wire.store))
        assert [type(one) for one in found] == [Lost] * 5

    @pytest.mark.promise(4)
    def test_the_same_file_asked_for_twice_is_fetched_once(self, wire: Kit) -> None:
        url = wire.origin.route("/data.bin", Static(BODY))
        twice = [order(url, digests=sha256(BODY), name="one"), order(url, digests=sha256(BODY), name="two")]
        found = list(wire.fetcher.fetch([*twice, order(url, digests=sha256(BODY), name="three")], wire.store))
        assert {one.order.artifact.resource for one in found} == {"one", "two", "three"}
        assert all(isinstance(one, Arrived) for one in found)
        assert len(wire.origin.requests) == 1

    def test_a_failure_that_two_share_names_each(self, wire: Kit) -> None:
        url = wire.origin.route("/data.bin", Response(404))
        found = list(wire.fetcher.fetch([order(url, name="one"), order(url, name="two")], wire.store))
        assert {one.error.resource for one in found if isinstance(one, Lost)} == {"one", "two"}
        assert len(wire.origin.requests) == 1

    def test_another_source_of_the_same_bytes_is_asked_where_the_first_fails(self, wire: Kit) -> None:
        bad = wire.origin.route("/bad.bin", Response(404))
        good = wire.origin.route("/good.bin", Static(BODY))
        pin = sha256(BODY)
        found = list(
            wire.fetcher.fetch([order(bad, digests=pin, name="one"), order(good, digests=pin, name="two")], wire.store)
        )
        assert [type(one) for one in sorted(found, key=lambda one: one.order.artifact.resource)] == [Lost, Arrived]

    def test_one_failure_hides_no_other(self, wire: Kit) -> None:
        paths: dict[str, Response | Static] = {"/a.bin": Response(404), "/b.bin": Static(BODY), "/c.bin": Response(403)}
        orders = [order(wire.origin.route(path, handler), name=path) for path, handler in paths.items()]
        found = {one.order.artifact.resource: one for one in wire.fetcher.fetch(orders, wire.store)}
        assert isinstance(found["/a.bin"], Lost)
        assert isinstance(found["/b.bin"], Arrived)
        assert isinstance(found["/c.bin"], Lost)

    def test_orders_are_taken_as_there_is_room(self, tmp_path: Path) -> None:
        with kit(tmp_path, jobs=2, jobs_per_host=2) as made:
            gate = made.origin.gate()
            made.origin.otherwise(Response(200, (), b"x", before=(Hold(gate),)))
            taken = 0

            def orders() -> Iterator[Order]:
                nonlocal taken
                for number in range(50):
                    taken += 1
                    yield order(f"{made.origin.url}/{number}.bin")

            def open_gate() -> None:
                made.origin.wait_for(2)
                gate.set()

            opener = threading.Thread(target=open_gate)
            opener.start()
            running = made.fetcher.fetch(orders(), made.store)
            next(running)
            assert taken < 20
            running.close()
            opener.join()

    def test_what_is_in_the_store_costs_no_request(self, wire: Kit) -> None:
        url = wire.origin.route("/data.bin", Static(BODY))
        wire.arrive(order(url))
        again = wire.arrive(order(url, digests=sha256(BODY)))
        assert again.receipt.transferred == 0
        assert again.receipt.attempts == 0
        assert len(wire.origin.requests) == 1

    def test_a_consumer_may_read_pages_between_two_outcomes(self, wire: Kit) -> None:
        page = wire.origin.route("/index.html", Static(b"<a href=x>", content_type="text/html"))
        orders = [order(wire.origin.route(f"/{number}.bin", Static(BODY))) for number in range(3)]
        for one in wire.fetcher.fetch(orders, wire.store):
            assert isinstance(one, Arrived)
            assert isinstance(wire.fetcher.read([page])[0], Page)


class TestFewThreads:
    """What a container with a limit of processes does, which root cannot have for itself."""

    @pytest.fixture(params=BACKENDS)
    def backend(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    def allow(self, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
        start = threading.Thread.start
        left = [count]

        def limited(thread: threading.Thread) -> None:
            if thread.name.startswith("dlm-"):
                left[0] -= 1
                if left[0] < 0:
                    raise RuntimeError("can't start new thread")
            start(thread)

        monkeypatch.setattr(threading.Thread, "start", limited)

    @pytest.mark.parametrize("count", [1, 2, 5])
    def test_they_do_all_of_the_work(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: str, count: int
    ) -> None:
        with kit(tmp_path, backend, jobs=8, jobs_per_host=8) as made:
            self.allow(monkeypatch, count)
            made.origin.otherwise(Response(200, (), BODY * 5))
            orders = [order(f"{made.origin.url}/{number}.bin") for number in range(8)]
            found = list(made.fetcher.fetch(orders, made.store))
            assert [type(one) for one in found] == [Arrived] * 8
            assert made.events(Retrying) == []
            assert len(made.origin.requests) == 8
            assert made.origin.connections <= (count if backend == "requests" else 8)

    def test_without_any_the_other_backend_is_named(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with kit(tmp_path, "requests") as made:
            self.allow(monkeypatch, 0)
            url = made.origin.route("/data.bin", Static(BODY))
            with pytest.raises(LocalError, match="no thread") as caught:
                list(made.fetcher.fetch([order(url)], made.store))
            assert caught.value.hint is not None
            assert "curl" in caught.value.hint


class TestSources:
    def test_a_mirror_stands_in_for_an_origin_that_refuses(self, wire: Kit) -> None:
        bad = wire.origin.route("/gone.bin", Response(404))
        mirror = wire.origin.route("/mirror.bin", Static(BODY))
        found = wire.arrive(order(bad, mirrors=(mirror,)))
        assert found.receipt.source == mirror
        assert not found.receipt.from_origin
        assert found.receipt.headers == {}
        assert len(wire.origin.of("/gone.bin")) == 1
        assert [event.reason for event in wire.heard.events if isinstance(event, SourceFailed)] == [
            "it answered 404 Not Found"
        ]

    @pytest.mark.fault("I03")
    def test_every_source_is_listed_with_its_own_reason(self, wire: Kit) -> None:
        origin = wire.origin.route("/gone.bin", Response(404))
        stale = wire.origin.route("/stale.bin", Static(b"other bytes"))
        error = wire.lose(order(origin, mirrors=(stale,), digests=sha256(BODY)))
        assert isinstance(error, IntegrityError)
        assert len(error.details) == 2
        assert "404" in error.details[0]
        assert origin in error.details[0]
        assert str(sha256(b"other bytes").sha256) in error.details[1]
        assert stale in error.details[1]

    @pytest.mark.fault("I01")
    def test_wrong_bytes_from_one_source_are_right_from_the_next(self, wire: Kit) -> None:
        stale = wire.origin.route("/stale.bin", Static(b"other bytes"))
        good = wire.origin.route("/good.bin", Static(BODY))
        assert wire.arrive(order(stale, mirrors=(good,), digests=sha256(BODY))).receipt.source == good


class TestRoom:
    #: More than any disk has.
    HUGE = 2**60

    def test_what_does_not_fit_is_refused_at_its_head(self, wire: Kit) -> None:
        gate = wire.origin.gate()
        url = wire.origin.route("/data.bin", Response(200, (), [BODY[:1000], Hold(gate)], length=self.HUGE))
        error = wire.lose(order(url, mirrors=(url + "?again",)))
        gate.set()
        assert isinstance(error, LocalError)
        assert "1.0 EiB are needed" in error.message
        assert " free" in error.message
        assert len(wire.origin.requests) == 1

    def test_what_is_pinned_to_be_too_large_is_not_even_asked_for(self, wire: Kit) -> None:
        url = wire.origin.route("/data.bin", Static(BODY))
        error = wire.lose(order(url, digests=WRONG, size=self.HUGE))
        assert isinstance(error, LocalError)
        assert wire.origin.requests == []

    def test_what_is_at_hand_outlasts_it(self, wire: Kit) -> None:
        one = order(f"{wire.origin.url}/data.bin", digests=WRONG, size=self.HUGE)
        wire.seed(order(one.artifact.url, digests=WRONG), BODY)
        assert isinstance(wire.lose(one), LocalError)
        claim = wire.store.claim(one.key)
        assert claim is not None
        with claim:
            writer = wire.store.writer(one.key, one.artifact.digests, len(BODY))
            assert writer.offset == len(BODY)
            writer.discard()


class TestResuming:
    def cut(self, at: int = 100_000, etag: str | None = '"v1"') -> Response:
        headers = (("Date", DATE), *((("ETag", etag),) if etag else ()))
        return Response(200, headers, [BODY[:at], Reset()], length=len(BODY))

    def test_a_cut_body_goes_on_where_it_ended(self, wire: Kit) -> None:
        url = wire.origin.route("/data.bin", self.cut(), Static(BODY))
        found = wire.arrive(order(url))
        assert wire.bytes_of(found) == BODY
        again = wire.origin.of("/data.bin")[1]
        assert again.range is not None
        assert 0 < again.range[0] <= 100_000
        assert again.range[1] is None
        assert again.get("if-range") == '"v1"'
        assert found.receipt.headers["content-length"] == str(len(BODY))
        assert found.receipt.transferred == len(BODY)

    def test_a_file_that_changed_meanwhile_is_read_anew(self, wire: Kit) -> None:
        other = b"new" + BODY
        url = wire.origin.route("/data.bin", self.cut(), Static(other, etag='"v2"'))
        assert wire.bytes_of(wire.arrive(order(url))) == other

    def test_without_a_strong_validator_and_a_pin_nothing_is_pieced_together(self, wire: Kit) -> None:
        for number, etag in enumerate((None, 'W/"v1"')):
            url = wire.origin.route(f"/{number}.bin", self.cut(etag=etag), Static(BODY, etag=etag))
            assert wire.bytes_of(wire.arrive(order(url))) == BODY
            assert [request.range for request in wire.origin.of(f"/{number}.bin")] == [None, None]

    def test_with_a_pin_a_piece_from_a_mirror_will_do(self, wire: Kit) -> None:
        wire = wire.with_settings(retries=0)
        url = wire.origin.route("/data.bin", self.cut(etag=None))
        mirror = wire.origin.route("/mirror.bin", Static(BODY, etag='"mirror"'))
        found = wire.arrive(order(url, mirrors=(mirror,), digests=sha256(BODY)))
        assert wire.bytes_of(found) == BODY
        [asked] = wire.origin.of("/mirror.bin")
        assert asked.range is not None
        assert asked.get("if-range") is None

    def test_a_later_run_goes_on_where_an_earlier_one_failed(self, wire: Kit) -> None:
        impatient = wire.with_settings(retries=0)
        url = wire.origin.route("/data.bin", self.cut(), Static(BODY))
        assert isinstance(impatient.lose(order(url)), NetworkError)
        found = wire.arrive(order(url))
        assert wire.bytes_of(found) == BODY
        assert wire.origin.of("/data.bin")[1].range is not None
        assert found.receipt.transferred < len(BODY)

    def test_pieces_that_do_not_fit_are_fetched_whole_once(self, wire: Kit) -> None:
        mixed = b"x" * 100_000 + BODY[100_000:]
        cut = Response(200, (("ETag", '"v1"'),), [mixed[:100_000], Reset()], length=len(BODY))
        url = wire.origin.route("/data.bin", cut, Static(BODY))
        found = wire.arrive(order(url, digests=sha256(BODY)))
        assert wire.bytes_of(found) == BODY
        assert [request.range is None for request in wire.origin.of("/data.bin")] == [True, False, True]

    def test_a_server_without_ranges_is_asked_from_the_start(self, wire: Kit) -> None:
        url = wire.origin.route("/data.bin", self.cut(), Static(BODY, ranges=False))
        assert wire.bytes_of(wire.arrive(order(url))) == BODY


class TestConditional:
    def known(self, wire: Kit, url: str) -> Known:
        wire.arrive(order(url))
        known = wire.store.known(order(url).key)
        assert known is not None
        return known

    def test_what_is_recorded_serves_the_next_question(self, wire: Kit) -> None:
        url = wire.origin.route("/data.bin", Static(BODY))
        known = self.known(wire, url)
        assert known.validators == Validators('"v1"', None)
        found = wire.arrive(order(url, known=known))
        assert found.blob.digests == sha256(BODY)
        assert found.receipt.transferred == 0
        assert found.receipt.headers == known.headers
        assert wire.origin.requests[-1].get("if-none-match") == '"v1"'

    def test_last_modified_serves_where_there_is_no_etag(self, wire: Kit) -> None:
        date = "Sat, 01 Aug 2026 00:00:00 GMT"
        url = wire.origin.route("/data.bin", Static(BODY, etag=None, last_modified=date))
        wire.arrive(order(url, known=self.known(wire, url)))
        assert wire.origin.requests[-1].get("if-modified-since") == date

    def test_a_changed_file_comes_anew(self, wire: Kit) -> None:
        url = wire.origin.route("/data.bin", Static(b"old"), Static(BODY, etag='"v2"'))
        found = wire.arrive(order(url, known=self.known(wire, url)))
        assert wire.bytes_of(found) == BODY

    def test_a_blob_that_is_gone_is_fetched_without_a_condition(self, wire: Kit) -> None:
        url = wire.origin.route("/data.bin", Static(BODY))
        known = self.known(wire, url)
        wire.store.clean()
        assert wire.bytes_of(wire.arrive(order(url, known=known))) == BODY

    def test_a_pin_asks_without_a_condition(self, wire: Kit) -> None:
        url = wire.origin.route("/data.bin", Static(BODY))
        known = self.known(wire, url)
        wire.store.clean()
        wire.arrive(order(url, digests=sha256(BODY), known=known))
        assert wire.origin.requests[-1].get("if-none-match") is None

    def test_a_304_that_nobody_asked_for_is_no_answer(self, wire: Kit) -> None:
        url = wire.origin.route("/data.bin", Response(304))
        assert "304" in wire.lose(order(url)).message


class TestSecrets:
    SECRET = "s3cr3t-value"

    @pytest.mark.promise(7)
    def test_headers_go_to_their_own_origin_alone(self, wire: Kit) -> None:
        with kit(wire.folder / "other", wire.backend, wire.protocol) as other:
            there = other.origin.route("/there.bin", Static(BODY))
            url = wire.origin.route("/data.bin", redirect("/second"))
            wire.origin.route("/second", redirect(there))
            headers = {"Authorization": "Bearer ${DLM_AUTH_T}", "X-Key": "${DLM_AUTH_T}"}
            wire.arrive(order(url, headers=headers, values={"DLM_AUTH_T": self.SECRET}))
            for request in wire.origin.requests:
                assert request.get("authorization") == f"Bearer {self.SECRET}"
                assert request.get("x-key") == self.SECRET
            [reached] = other.origin.requests
            assert self.SECRET not in str(reached)

    @pytest.mark.promise(7)
    def test_user_info_is_sent_as_a_header_and_shown_nowhere(self, wire: Kit) -> None:
        wire.origin.route("/data.bin", sequence(Response(503), Response(401)))
        url = f"{wire.origin.url.replace('//', '//user:${DLM_AUTH_T}@')}/data.bin?key=${{DLM_AUTH_T}}"
        error = wire.lose(order(url, values={"DLM_AUTH_T": self.SECRET}))
        assert wire.origin.requests[0].get("authorization") == "Basic dXNlcjpzM2NyM3QtdmFsdWU="
        assert wire.origin.requests[0].target == f"/data.bin?key={self.SECRET}"
        told = f"{error} {error.hint} {error.details} {wire.heard.events}"
        assert self.SECRET not in told
        assert "dXNlcjp" not in told

    @pytest.mark.promise(7)
    def test_a_secret_in_the_path_is_shown_nowhere(self, wire: Kit) -> None:
        wire.origin.otherwise(Response(404))
        error = wire.lose(order(f"{wire.origin.url}/${{DLM_AUTH_T}}/data.bin", values={"DLM_AUTH_T": self.SECRET}))
        assert wire.origin.requests[0].target == f"/{self.SECRET}/data.bin"
        assert self.SECRET not in f"{error} {error.hint} {error.details} {wire.heard.events}"

    @pytest.mark.fault("H12")
    @pytest.mark.parametrize("status", [401, 403])
    def test_a_refusal_says_how_credentials_are_given(self, wire: Kit, status: int) -> None:
        url = wire.origin.route("/data.bin", Response(status))
        error = wire.lose(order(url))
        assert isinstance(error, RefusedError)
        assert error.hint is not None
        assert "DLM_AUTH_" in error.hint
        assert len(wire.origin.requests) == 1


class TestPages:
    def test_pages_come_in_the_order_in_which_they_were_asked_for(self, wire: Kit) -> None:
        urls = [wire.origin.route(f"/{number}/", Static(b"page %d" % number)) for number in range(20)]
        pages = wire.fetcher.read(urls)
        assert [page.text for page in pages if isinstance(page, Page)] == [f"page {number}" for number in range(20)]

    def test_a_page_knows_where_it_came_from(self, wire: Kit) -> None:
        url = wire.origin.route("/old", redirect("/new/"))
        wire.origin.route("/new/", Static(b"\xff\xfetext", content_type="text/html"))
        [page] = wire.fetcher.read([url])
        assert isinstance(page, Page)
        assert page.url.path == "/new/"
        assert page.headers["content-type"] == "text/html"
        assert page.text.endswith("text")

    def test_an_empty_page_is_a_page(self, wire: Kit) -> None:
        [page] = wire.fetcher.read([wire.origin.route("/", Response(200))])
        assert isinstance(page, Page)
        assert page.text == ""

    def test_a_page_that_is_not_there_is_an_error_beside_the_others(self, wire: Kit) -> None:
        good = wire.origin.route("/good", Response(200, (), b"x"))
        first, second, third = wire.fetcher.read([f"{wire.origin.url}/bad", good, "ftp://example.org/"])
        assert isinstance(first, RefusedError)
        assert isinstance(second, Page)
        assert isinstance(third, DlmError)

    def test_a_page_is_retried(self, wire: Kit) -> None:
        url = wire.origin.route("/", Response(503), Response(200, (), b"x"))
        assert isinstance(wire.fetcher.read([url])[0], Page)

    def test_a_page_without_end_is_cut(self, wire: Kit) -> None:
        def flood() -> Iterator[bytes]:
            while True:
                yield b"x" * 65536

        url = wire.origin.route("/", lambda _: Response(200, (), flood(), chunked=True))
        [error] = wire.fetcher.read([url])
        assert isinstance(error, PolicyError)

    def test_threads_may_read_at_the_same_time(self, wire: Kit) -> None:
        url = wire.origin.route("/", Response(200, (), b"x"))
        found: list[object] = []
        threads = [threading.Thread(target=lambda: found.extend(wire.fetcher.read([url]))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [type(one) for one in found] == [Page] * 4


class TestTelling:
    def test_a_transfer_is_told_from_beginning_to_end(self, wire: Kit) -> None:
        gate = wire.origin.gate()
        gate.set()
        url = wire.origin.route("/data.bin", Response(503), Static(BODY))
        wire.arrive(order(url))
        kinds = [type(event) for event in wire.heard.events if not isinstance(event, Progress)]
        assert kinds == [Retrying, Fetching, Fetched]
        [began] = wire.events(Fetching)
        assert isinstance(began, Fetching)
        assert (began.url, began.size, began.offset) == (url, len(BODY), 0)
        [done] = wire.events(Fetched)
        assert isinstance(done, Fetched)
        assert (done.size, done.transferred, done.source) == (len(BODY), len(BODY), url)

    @pytest.mark.fault("I11")
    @pytest.mark.parametrize(
        ("header", "value"),
        [
            ("Repr-Digest", "sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:"),
            ("Digest", "SHA-256=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
            ("Content-MD5", "AAAAAAAAAAAAAAAAAAAAAA=="),
        ],
    )
    def test_a_digest_of_the_servers_own_that_disagrees_is_told(self, wire: Kit, header: str, value: str) -> None:
        url = wire.origin.route("/data.bin", Static(BODY, headers=((header, value),)))
        wire.arrive(order(url))
        [warning] = wire.heard.warnings
        assert header.lower() in warning

    @pytest.mark.fault("H03")
    @pytest.mark.parametrize("wire", H1, ids="-".join, indirect=True)
    def test_a_length_that_nobody_told_is_told(self, wire: Kit) -> None:
        url = wire.origin.route("/data.bin", Response(200, (), [BODY, Close()], length="none"))
        found = wire.arrive(order(url))
        assert not found.receipt.complete
        assert any("complete" in warning for warning in wire.heard.warnings)
        pinned = wire.origin.route("/pinned.bin", Response(200, (), [b"pinned", Close()], length="none"))
        wire.heard.events.clear()
        wire.arrive(order(pinned, digests=sha256(b"pinned")))
        assert wire.events(Warned) == []


class TestClaims:
    @pytest.mark.promise(4)
    def test_what_another_process_fetches_is_waited_for(self, wire: Kit) -> None:
        url = wire.origin.route("/data.bin", Static(BODY))
        wanted = order(url, digests=sha256(BODY))
        claim = wire.store.claim(wanted.key)
        assert claim is not None
        writer = wire.store.writer(wanted.key, wanted.artifact.digests, None)

        def deliver() -> None:
            wire.heard.wait_for(Waiting)
            writer.write(BODY, 0)
            writer.commit(wanted.artifact.digests, None)
            claim.close()

        thread = threading.Thread(target=deliver)
        thread.start()
        found = wire.arrive(wanted)
        thread.join()
        assert found.blob.digests == sha256(BODY)
        assert found.receipt.transferred == 0
        assert wire.origin.requests == []
        assert len(wire.events(Waiting)) == 1

    @pytest.mark.promise(4)
    def test_what_another_process_learned_of_an_unpinned_file_is_taken(self, wire: Kit) -> None:
        url = wire.origin.route("/data.bin", Static(BODY))
        first = wire.arrive(order(url))
        known = wire.store.known(order(url).key)
        assert known is not None
        claim = wire.store.claim(order(url).key)
        assert claim is not None

        def deliver() -> None:
            wire.heard.wait_for(Waiting)
            wire.store.record(order(url).key, known, "data.bin")
            claim.close()

        thread = threading.Thread(target=deliver)
        thread.start()
        found = wire.arrive(order(url, known=known))
        thread.join()
        assert found.blob == first.blob
        assert found.receipt.headers == first.receipt.headers
        assert found.receipt.from_origin
        assert len(wire.origin.requests) == 1

    def test_a_claim_that_comes_to_nothing_is_taken_over(self, wire: Kit) -> None:
        url = wire.origin.route("/data.bin", Static(BODY))
        claim = wire.store.claim(order(url).key)
        assert claim is not None

        def let_go() -> None:
            wire.heard.wait_for(Waiting)
            claim.close()

        thread = threading.Thread(target=let_go)
        thread.start()
        found = wire.arrive(order(url))
        thread.join()
        assert wire.bytes_of(found) == BODY


class TestInterrupts:
    def hold(self, wire: Kit) -> str:
        gate = wire.origin.gate()
        # More than the store buffers before it writes a checkpoint.
        head = (("ETag", '"v1"'),)
        return wire.origin.route(
            "/data.bin", Response(200, head, [BODY * 5, Hold(gate)], length=len(BODY) * 6), Static(BODY * 6)
        )

    def test_an_iteration_that_is_given_up_keeps_what_arrived(self, wire: Kit) -> None:
        url = self.hold(wire)
        quick = wire.origin.route("/quick.bin", Response(200, (), b"quick"))

        running = wire.fetcher.fetch([order(url), order(quick)], wire.store)
        next(running)
        running.close()
        # Nothing is claimed any more, and the connection is gone.
        claim = wire.store.claim(order(url).key)
        assert claim is not None
        claim.close()
        found = wire.arrive(order(url))
        assert wire.bytes_of(found) == BODY * 6
