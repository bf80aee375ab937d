"""Faults of redirects (group R), over both backends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from dlm.errors import RefusedError
from dlm.fetch import loop
from dlm.model.url import Url
from dlm.model.wire import Ending, Failure, Head, Request
from tests.support.fetching import BACKENDS, BODY, WIRES, Kit, kit, make_backend, order, sha256
from tests.support.origin import Hold, Part, Response, Static, redirect


@pytest.fixture(params=WIRES, ids="-".join)
def wire(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kit]:
    backend, protocol = request.param
    with kit(tmp_path, backend, protocol) as made:
        yield made


class TestFollowing:
    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_every_kind_is_followed(self, wire: Kit, status: int) -> None:
        url = wire.origin.route("/old.bin", redirect("/new.bin", status))
        new = wire.origin.route("/new.bin", Static(BODY))
        found = wire.arrive(order(url))
        assert wire.bytes_of(found) == BODY
        assert found.receipt.attempts == 2
        assert found.receipt.source == url
        assert found.receipt.final_url == (new if status in {301, 308} else None)

    def test_one_passing_hop_makes_the_whole_way_a_passing_one(self, wire: Kit) -> None:
        url = wire.origin.route("/a.bin", redirect("/b.bin", 301))
        wire.origin.route("/b.bin", redirect("/c.bin", 302))
        wire.origin.route("/c.bin", redirect("/d.bin", 308))
        wire.origin.route("/d.bin", Static(BODY))
        assert wire.arrive(order(url)).receipt.final_url is None

    def test_a_final_address_with_a_query_is_not_kept(self, wire: Kit) -> None:
        url = wire.origin.route("/a.bin", redirect("/b.bin?signature=abc", 301))
        wire.origin.route("/b.bin", Static(BODY))
        found = wire.arrive(order(url))
        assert found.receipt.final_url is None
        assert "abc" not in f"{found.receipt} {wire.heard.events}"

    @pytest.mark.fault("L19")
    def test_an_endless_address_is_neither_followed_nor_shown(self, wire: Kit) -> None:
        for place in (f"/{'a' * 9000}", f"http://{'b' * 9000}/", f"{'c' * 9000}://example.org/"):
            url = wire.origin.route("/a.bin", redirect(place, 301))
            error = wire.lose(order(url))
            assert "an address of" in error.message
            assert len(error.message) < 1000

    def test_a_piece_is_asked_for_all_the_way(self, wire: Kit) -> None:
        url = wire.origin.route("/a.bin", redirect("/b.bin"))
        wire.origin.route("/b.bin", Static(BODY))
        wanted = order(url, digests=sha256(BODY))
        wire.seed(wanted, BODY[:1000])
        assert wire.bytes_of(wire.arrive(wanted)) == BODY
        assert [request.range for request in wire.origin.requests] == [(1000, None)] * 2

    def test_a_failure_behind_a_redirect_begins_at_the_front_again(self, wire: Kit) -> None:
        url = wire.origin.route("/a.bin", redirect("/b.bin"))
        wire.origin.route("/b.bin", Response(503), Static(BODY))
        wire.arrive(order(url))
        assert [request.path for request in wire.origin.requests] == ["/a.bin", "/b.bin"] * 2

    def test_a_refusal_behind_a_redirect_says_where(self, wire: Kit) -> None:
        url = wire.origin.route("/a.bin", redirect("/b.bin?token=x"))
        message = wire.lose(order(url)).message
        assert f"{url}: {wire.origin.url}/b.bin, where it redirects to, answered 404" in message


@pytest.mark.fault("R01")
class TestEndless:
    def test_a_loop_is_noticed_when_it_closes(self, wire: Kit) -> None:
        url = wire.origin.route("/a.bin", redirect("/b.bin"))
        wire.origin.route("/b.bin", redirect("/a.bin"))
        error = wire.lose(order(url))
        assert isinstance(error, RefusedError)
        assert "redirect" in error.message
        assert len(wire.origin.requests) == 2

    def test_a_redirect_to_itself(self, wire: Kit) -> None:
        error = wire.lose(order(wire.origin.route("/a.bin", redirect("a.bin"))))
        assert "circle" in error.message
        assert len(wire.origin.requests) == 1

    def test_a_long_chain_ends(self, wire: Kit) -> None:
        for number in range(40):
            wire.origin.route(f"/{number}", redirect(f"/{number + 1}"))
        error = wire.lose(order(f"{wire.origin.url}/0"))
        assert "redirect" in error.message
        assert len(wire.origin.requests) == 11

    def test_ten_are_followed(self, wire: Kit) -> None:
        for number in range(10):
            wire.origin.route(f"/{number}", redirect(f"/{number + 1}"))
        wire.origin.route("/10", Static(BODY))
        wire.arrive(order(f"{wire.origin.url}/0"))


@pytest.mark.fault("R02")
class TestReferences:
    @pytest.mark.parametrize(
        ("location", "target"),
        [
            ("c.bin", "/a/c.bin"),
            ("./c.bin", "/a/c.bin"),
            ("../c.bin", "/c.bin"),
            ("../../../../c.bin", "/c.bin"),
            ("/x/./y/../c.bin", "/x/c.bin"),
            ("?part=2", "/a/b.bin?part=2"),
            ("c.bin#fragment", "/a/c.bin"),
            ("//{netloc}/c.bin", "/c.bin"),
            ("{origin}/c.bin", "/c.bin"),
            ("{origin}", "/"),
            ("  c.bin  ", "/a/c.bin"),
            ("c d.bin", "/a/c%20d.bin"),
            ("c%20d.bin", "/a/c%20d.bin"),
            ("c%2fd.bin", "/a/c%2Fd.bin"),
            ("gr\u00f6\u00dfe.bin", "/a/gr%C3%B6%C3%9Fe.bin"),
            ("${DLM_AUTH_T}.bin", "/a/$%7BDLM_AUTH_T%7D.bin"),
        ],
    )
    def test_a_reference_is_resolved_as_rfc_3986_says(self, wire: Kit, location: str, target: str) -> None:
        place = location.format_map(_Fill(netloc=wire.origin.netloc, origin=wire.origin.url))
        # On the wire as UTF-8: the origin writes Latin-1, and HTTP/2 takes text as it is.
        sent = place if wire.http2 else place.encode().decode("latin-1")
        url = wire.origin.route("/a/b.bin", redirect(sent), Static(BODY))
        wire.origin.otherwise(Static(BODY))
        wire.arrive(order(url))
        assert wire.origin.requests[1].target == target

    def test_the_host_of_a_location_is_read_by_our_own_parser(self, wire: Kit) -> None:
        url = wire.origin.route("/a.bin", redirect(f"{wire.origin.url}\\@example.org/x"))
        assert isinstance(wire.lose(order(url)), RefusedError)
        assert len(wire.origin.requests) == 1


class _Fill(dict[str, str]):
    """Fills in what it knows, and leaves ``${NAME}`` alone."""

    def __missing__(self, key: str) -> str:
        return "{" + key + "}"


@pytest.mark.fault("R07")
class TestWithoutATarget:
    @pytest.mark.parametrize(
        "headers",
        [
            (),
            (("Location", ""),),
            (("Location", "/a"), ("Location", "/b")),
            (("Location", "ftp://example.org/x"),),
            (("Location", "file:///etc/hostname"),),
            (("Location", "javascript:alert(1)"),),
            (("Location", "http://"),),
            (("Location", "https://exa mple.org/"),),
            (("Location", "http://[::1"),),
            (("Location", "http://a@b@c/"),),
        ],
    )
    def test_it_is_refused(self, wire: Kit, headers: tuple[tuple[str, str], ...]) -> None:
        error = wire.lose(order(wire.origin.route("/a.bin", Response(302, headers))))
        assert isinstance(error, RefusedError)
        assert "redirect" in error.message
        assert len(wire.origin.requests) == 1

    def test_the_same_target_twice_is_one(self, wire: Kit) -> None:
        url = wire.origin.route("/a.bin", redirect("/b.bin", 302, ("Location", "/b.bin")))
        wire.origin.route("/b.bin", Static(BODY))
        wire.arrive(order(url))

    def test_a_mirror_is_next(self, wire: Kit) -> None:
        url = wire.origin.route("/a.bin", Response(302))
        mirror = wire.origin.route("/m.bin", Static(BODY))
        wire.arrive(order(url, mirrors=(mirror,)))

    def test_user_info_is_dropped(self, wire: Kit) -> None:
        place = wire.origin.url.replace("//", "//user:password@") + "/b.bin"
        url = wire.origin.route("/a.bin", redirect(place, 301))
        wire.origin.route("/b.bin", Static(BODY))
        found = wire.arrive(order(url))
        assert wire.origin.requests[1].get("authorization") is None
        assert "password" not in f"{found.receipt} {wire.heard.events}"


@pytest.mark.fault("R08")
class TestBodies:
    @pytest.mark.parametrize("length", [None, 10**12, "none"])
    def test_an_endless_body_of_a_redirect_is_not_read(self, wire: Kit, length: int | str | None) -> None:
        gate = wire.origin.gate()

        def flood() -> Iterator[bytes]:
            while not gate.is_set():
                yield b"x" * 65536

        if wire.http2 and length is None:
            length = "none"
        bomb = Response(
            302, (("Location", "/b.bin"), ("Content-Encoding", "gzip")), (), length=length, chunked=length is None
        )
        url = wire.origin.route("/a.bin", lambda _: _with_body(bomb, flood()))
        wire.origin.route("/b.bin", Static(BODY))
        assert wire.bytes_of(wire.arrive(order(url))) == BODY

    def test_a_body_that_never_comes_is_not_waited_for(self, wire: Kit) -> None:
        gate = wire.origin.gate()
        bomb = Response(302, (("Location", "/b.bin"),), [Hold(gate)], length=10**6)
        url = wire.origin.route("/a.bin", bomb)
        wire.origin.route("/b.bin", Static(BODY))
        assert wire.bytes_of(wire.arrive(order(url))) == BODY

    @pytest.mark.parametrize("status", [302, 404, 503])
    @pytest.mark.parametrize("came", [0, 50])
    def test_nor_is_a_small_one(self, wire: Kit, monkeypatch: pytest.MonkeyPatch, status: int, came: int) -> None:
        monkeypatch.setattr(loop, "_DRAINING", 0.02)
        patient = wire.with_settings(stall_timeout=600, jobs_per_host=1)
        parts: list[Part] = [BODY[:came], Hold(wire.origin.gate())]
        held = Response(status, (("Location", "/b.bin"),) if status == 302 else (), parts, length=100)
        url = wire.origin.route("/a.bin", held, Static(BODY))
        mirror = wire.origin.route("/b.bin", Static(BODY))
        assert wire.bytes_of(patient.arrive(order(url, mirrors=(mirror,)))) == BODY

    def test_a_small_body_keeps_the_connection(self, tmp_path: Path) -> None:
        for backend in BACKENDS:
            with kit(tmp_path / backend, backend) as made:
                small = Response(302, (("Location", "/b.bin"),), b"<html>moved</html>")
                url = made.origin.route("/a.bin", small)
                made.origin.route("/b.bin", Static(BODY))
                made.arrive(order(url))
                assert made.origin.connections == 1


def _with_body(response: Response, body: Iterator[bytes]) -> Response:
    return Response(response.status, response.headers, body, response.length, response.chunked)


class TestDowngrade:
    @pytest.mark.parametrize("backend", BACKENDS)
    def test_never_from_https_to_http(self, tmp_path: Path, backend: str) -> None:
        with kit(tmp_path / "a", backend, "https") as safe, kit(tmp_path / "b", backend) as plain:
            target = plain.origin.route("/x.bin", Static(BODY))
            error = safe.lose(order(safe.origin.route("/a.bin", redirect(target))))
            assert isinstance(error, RefusedError)
            assert "https to http" in error.message
            assert plain.origin.requests == []

    @pytest.mark.parametrize("backend", BACKENDS)
    def test_from_http_to_https_without_the_users_headers(self, tmp_path: Path, backend: str) -> None:
        with kit(tmp_path / "a", backend, "https") as safe, kit(tmp_path / "b", backend) as plain:
            target = safe.origin.route("/x.bin", Static(BODY))
            url = plain.origin.route("/a.bin", redirect(target))
            plain.arrive(order(url, headers={"X-Key": "literal-value"}))
            assert plain.origin.requests[0].get("x-key") == "literal-value"
            assert safe.origin.requests[0].get("x-key") is None

    def test_headers_stay_away_after_a_detour(self, wire: Kit) -> None:
        with kit(wire.folder / "other", wire.backend, wire.protocol) as other:
            back = wire.origin.route("/back.bin", Static(BODY))
            away = other.origin.route("/away.bin", redirect(back))
            url = wire.origin.route("/a.bin", redirect(away))
            wire.arrive(order(url, headers={"X-Key": "literal-value"}))
            assert wire.origin.of("/back.bin")[0].get("x-key") is None


class _Probe:
    """An exchange that only remembers."""

    patient = light = False

    def __init__(self, request: Request) -> None:
        self.request = request
        self.host = request.url.origin
        self.heads: list[Head] = []
        self.endings: list[Ending] = []

    def arrived(self) -> None:
        raise AssertionError("kept for one who does not wait")

    def whole(self, lines: Sequence[bytes], pieces: Sequence[bytes]) -> bool:
        raise AssertionError(f"offered to one who does not wait: {lines!r} {len(pieces)}")

    def head(self, head: Head) -> bool:
        self.heads.append(head)
        return True

    def body(self, pieces: Sequence[bytes]) -> bool:
        return bool(pieces)

    def ended(self, ending: Ending) -> None:
        self.endings.append(ending)

    def postponed(self) -> None:
        raise AssertionError("there is nobody else")


@pytest.mark.fault("R06")
class TestPrivateAddresses:
    """Which hops may not be private is decided without a wire; here is what a backend does about it."""

    def test_nothing_is_sent_to_an_address_that_is_not_public(self, wire: Kit) -> None:
        url = Url.parse(wire.origin.route("/a.bin", Static(BODY)))
        running = make_backend(wire.backend, wire.settings).open()
        probe = _Probe(Request(url=url, public_only=True))
        running.start(probe)
        while not probe.endings:
            running.turn(1.0)
        running.close()
        assert probe.endings[0].failure is Failure.PRIVATE
        assert probe.heads == []
        assert wire.origin.requests == []

    def test_nor_on_a_connection_that_is_open_already(self, wire: Kit) -> None:
        url = Url.parse(wire.origin.route("/a.bin", Static(BODY)))
        running = make_backend(wire.backend, wire.settings).open()
        endings = []
        for public_only in (False, True):
            probe = _Probe(Request(url=url, public_only=public_only))
            running.start(probe)
            while not probe.endings:
                running.turn(1.0)
            endings.append(probe.endings[0].failure)
        running.close()
        assert endings == [None, Failure.PRIVATE]
        assert len(wire.origin.requests) == 1

    def test_the_connected_address_is_told(self, wire: Kit) -> None:
        url = Url.parse(wire.origin.route("/a.bin", Static(BODY)))
        running = make_backend(wire.backend, wire.settings).open()
        probe = _Probe(Request(url=url))
        running.start(probe)
        while not probe.endings:
            running.turn(1.0)
        running.close()
        assert probe.heads[0].peer == "127.0.0.1"

    def test_an_address_of_the_users_own_may_be_private_and_lead_to_private_ones(self, wire: Kit) -> None:
        url = wire.origin.route("/a.bin", redirect("/b.bin"))
        wire.origin.route("/b.bin", Static(BODY))
        wire.arrive(order(url))
