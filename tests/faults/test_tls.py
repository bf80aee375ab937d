"""Faults of TLS, names, networks and proxies (group T), over both backends."""

from __future__ import annotations

import base64
import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest
import trustme

from dlm.cli.credentials import UserCredentials
from dlm.errors import DlmError, NetworkError, SettingsError
from dlm.fetch import dial as dialling
from dlm.fetch.fetcher import HttpFetcher, choose_backend
from dlm.fetch.mirrors import sources
from dlm.fetch.netrc_file import read_logins
from dlm.model.events import Note, Retrying
from dlm.model.hosts import HostSettings
from dlm.model.settings import Settings
from dlm.model.wire import Failure
from tests.support.fetching import BACKENDS, BODY, Kit, Values, kit, make_backend, order
from tests.support.origin import Hold, Origin, Raw, Response, Static, closed_port, redirect
from tests.support.proxy import Proxy
from tests.support.tls import NAMES, authority, showing, stranger


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def made(tmp_path: Path, backend: str) -> Iterator[Kit]:
    with kit(tmp_path, backend) as one:
        yield one


@pytest.fixture
def safe(tmp_path: Path, backend: str) -> Iterator[Kit]:
    with kit(tmp_path, backend, "https") as one:
        yield one


@pytest.mark.fault("T01")
class TestCertificates:
    def refused(self, made: Kit, origin: Origin) -> DlmError:
        with origin:
            url = origin.route("/a.bin", Static(BODY))
            error = made.lose(order(url))
            assert isinstance(error, NetworkError)
            assert "no trusted TLS connection" in error.message
            assert error.hint is not None
            assert "ca_file" in error.hint
            assert origin.requests == []
            assert origin.connections == 1
        assert made.events(Retrying) == []
        return error

    def test_expired(self, made: Kit) -> None:
        self.refused(made, Origin(tls=authority().server(expired=True)))
        assert any("expired" in event.message for event in made.heard.events if isinstance(event, Note))

    def test_for_another_host(self, made: Kit) -> None:
        self.refused(made, Origin(tls=authority().server("example.org")))

    def test_from_a_stranger(self, made: Kit) -> None:
        self.refused(made, Origin(tls=stranger().server()))

    def test_a_mirror_is_next(self, made: Kit) -> None:
        with Origin(tls=stranger().server()) as origin:
            mirror = made.origin.route("/m.bin", Static(BODY))
            made.arrive(order(origin.route("/a.bin", Static(BODY)), mirrors=(mirror,)))

    def test_a_server_that_speaks_no_tls(self, made: Kit) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:

            def answer_in_the_clear() -> None:
                with listener.accept()[0] as connection, suppress(ConnectionError):
                    connection.recv(1)
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
                    while connection.recv(65536):
                        pass

            thread = threading.Thread(target=answer_in_the_clear)
            thread.start()
            error = made.lose(order(f"https://127.0.0.1:{listener.getsockname()[1]}/a.bin"))
            thread.join()
        assert "no trusted TLS connection" in error.message
        assert made.events(Retrying) == []

    def test_no_variable_turns_trust_off(self, made: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", stranger().ca_file)
        monkeypatch.setenv("CURL_CA_BUNDLE", stranger().ca_file)
        monkeypatch.setenv("PYTHONHTTPSVERIFY", "0")
        self.refused(made.with_settings(), Origin(tls=stranger().server()))


@pytest.mark.fault("T02")
class TestCaFile:
    def test_the_file_of_the_settings_is_trusted(self, safe: Kit) -> None:
        safe.arrive(order(safe.origin.route("/a.bin", Static(BODY))))

    def test_without_it_the_same_server_is_not(self, safe: Kit) -> None:
        error = safe.with_settings(ca_file=None).lose(order(safe.origin.route("/a.bin", Static(BODY))))
        assert "no trusted TLS connection" in error.message

    def test_a_file_that_is_not_there_is_an_error(self, tmp_path: Path, backend: str) -> None:
        with pytest.raises(SettingsError, match=r"missing\.pem cannot be read"):
            choose_backend(Settings(backend=backend, ca_file=str(tmp_path / "missing.pem")))

    def test_a_file_without_a_certificate_is_an_error(self, tmp_path: Path, backend: str) -> None:
        (tmp_path / "ca.pem").write_text("nothing")
        with pytest.raises(SettingsError, match="holds no certificate"):
            choose_backend(Settings(backend=backend, ca_file=str(tmp_path / "ca.pem")))

    def test_a_file_with_a_broken_certificate_is_an_error(self, tmp_path: Path, backend: str) -> None:
        armour = "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n"
        (tmp_path / "ca.pem").write_text(Path(authority().ca_file).read_text() + armour.format("AAAA"))
        with pytest.raises(SettingsError, match=r"ca\.pem holds a certificate that cannot be read"):
            choose_backend(Settings(backend=backend, ca_file=str(tmp_path / "ca.pem")))


@pytest.mark.fault("T01")
class TestWhatIsTrusted:
    """Both backends draw the line at the same place."""

    def test_an_intermediate_in_the_file_is_enough(self, made: Kit, tmp_path: Path) -> None:
        between = authority().ca.create_child_ca()
        between.cert_pem.write_to_path(tmp_path / "ca.pem")
        self.accepted(made.with_settings(ca_file=str(tmp_path / "ca.pem")), showing(between.issue_cert(*NAMES)))

    def test_the_servers_own_certificate_in_the_file_is_enough(self, made: Kit, tmp_path: Path) -> None:
        leaf = authority().ca.issue_cert(*NAMES)
        leaf.cert_chain_pems[0].write_to_path(tmp_path / "ca.pem")
        self.accepted(made.with_settings(ca_file=str(tmp_path / "ca.pem")), showing(leaf))

    def test_a_common_name_counts_where_there_is_no_other_name(self, made: Kit) -> None:
        self.accepted(made, showing(authority().ca.issue_cert(common_name="localhost")), "localhost")

    @pytest.mark.parametrize("name", ["10.0.0.1", "example.org"])
    def test_a_common_name_does_not_count_beside_other_names(self, made: Kit, name: str) -> None:
        with Origin(tls=showing(authority().ca.issue_cert(name, common_name="localhost"))) as origin:
            url = origin.route("/a.bin", Static(BODY)).replace("127.0.0.1", "localhost")
            assert "no trusted TLS connection" in made.lose(order(url)).message
            assert origin.requests == []

    @pytest.mark.parametrize("cipher", ["AES128-GCM-SHA256", "ECDHE-RSA-AES128-SHA"])
    def test_old_ciphers_of_tls_1_2(self, made: Kit, cipher: str) -> None:
        context = showing(authority().ca.issue_cert(*NAMES, key_type=trustme.KeyType.RSA))
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(cipher)
        self.accepted(made, context)

    def accepted(self, made: Kit, context: ssl.SSLContext, host: str = "127.0.0.1") -> None:
        with Origin(tls=context) as origin:
            url = origin.route("/a.bin", Static(BODY)).replace("127.0.0.1", host)
            assert made.bytes_of(made.arrive(order(url))) == BODY


@pytest.mark.fault("T03")
def test_a_name_that_does_not_exist(made: Kit) -> None:
    error = made.lose(order("http://nowhere.invalid/a.bin"))
    assert isinstance(error, NetworkError)
    assert "nowhere.invalid" in error.message
    assert "no address is known" in error.message
    assert len(made.events(Retrying)) == 1


def _serving_at(host: str) -> Origin:
    try:
        return Origin(host=host)
    except OSError:
        pytest.skip(f"this machine has no {host}")


@pytest.mark.fault("T04")
class TestSeveralAddresses:
    def test_an_address_that_refuses_is_passed_by(self, made: Kit) -> None:
        # localhost has ::1 too on most machines, and nothing listens there.
        made.arrive(order(made.origin.route("/a.bin", Static(BODY)).replace("127.0.0.1", "localhost")))

    def test_ipv6_is_spoken(self, made: Kit) -> None:
        with Origin(host="::1") as origin:
            made.arrive(order(origin.route("/a.bin", Static(BODY))))

    @pytest.mark.parametrize("name", ["localhost", "LOCALHOST", "a.localhost"])
    @pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
    def test_localhost_is_both_loopbacks_whatever_the_system_says(self, made: Kit, name: str, host: str) -> None:
        with _serving_at(host) as origin:
            url = origin.route("/a.bin", Static(BODY))
            made.arrive(order(url.replace("127.0.0.1", name).replace("[::1]", name)))

    def test_a_family_that_the_machine_does_not_have_is_passed_by(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with closing(socket.create_server(("127.0.0.1", 0))) as good:
            there = good.getsockname()
            kinds = (socket.AF_UNSPEC, socket.AF_INET)  # no socket is of the first one
            found = [(kind, socket.SOCK_STREAM, 6, "", there) for kind in kinds]
            monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
            with dialling.dial("example.org", 80, 20.0, lambda: True) as connection:
                assert connection.getpeername() == there

    def test_an_address_that_never_answers_is_passed_by(self, monkeypatch: pytest.MonkeyPatch) -> None:
        # A listener whose queue is full drops what comes, as a broken route does.
        with closing(socket.socket()) as full, closing(socket.create_server(("127.0.0.1", 0))) as good:
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            fillers = [socket.socket() for _ in range(4)]
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(full.getsockname())
            entry = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
            found = [(*entry, full.getsockname()), (*entry, good.getsockname())]
            monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
            with dialling.dial("example.org", 80, 20.0, lambda: True) as connection:
                assert connection.getpeername() == good.getsockname()
            for filler in fillers:
                filler.close()

    def test_nobody_answers_in_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with closing(socket.socket()) as full:
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            fillers = [socket.socket() for _ in range(4)]
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(full.getsockname())
            with pytest.raises(dialling.DialError) as caught:
                dialling.dial("127.0.0.1", full.getsockname()[1], 0.1, lambda: True)
            assert caught.value.failure is Failure.CONNECT_TIMEOUT
            with pytest.raises(dialling.DialError) as caught:
                dialling.dial("127.0.0.1", full.getsockname()[1], 20.0, lambda: False)
            assert caught.value.failure is Failure.STOPPED
            for filler in fillers:
                filler.close()


@pytest.mark.fault("T05")
class TestProxies:
    def test_every_request_goes_through_the_proxy_of_the_settings(self, made: Kit) -> None:
        with Proxy() as proxy:
            through = made.with_settings(proxy=proxy.url)
            through.arrive(order(made.origin.route("/a.bin", Static(BODY))))
            assert proxy.heads[0].startswith(f"GET {made.origin.url}/a.bin HTTP/1.1")

    def test_https_goes_through_a_tunnel(self, safe: Kit) -> None:
        with Proxy() as proxy:
            through = safe.with_settings(proxies={"https": proxy.url})
            found = through.arrive(order(safe.origin.route("/a.bin", Static(BODY))))
            assert "x-proxy" not in found.receipt.headers
            assert proxy.heads[0].startswith(f"CONNECT {safe.origin.netloc} HTTP/1.")

    def test_no_proxy_is_kept(self, made: Kit) -> None:
        with Proxy() as proxy:
            through = made.with_settings(proxies={"http": proxy.url, "no_proxy": "example.org,127.0.0.0/8"})
            through.arrive(order(made.origin.route("/a.bin", Static(BODY))))
            assert proxy.heads == []

    def test_the_environment_is_read_at_the_border_alone(self, made: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{closed_port()}")
        made.with_settings().arrive(order(made.origin.route("/a.bin", Static(BODY))))

    def test_no_proxy_of_the_environment_does_not_beat_the_settings(
        self, made: Kit, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("no_proxy", "*")
        with Proxy() as proxy:
            made.with_settings(proxy=proxy.url).arrive(order(made.origin.route("/a.bin", Static(BODY))))
            assert len(proxy.heads) == 1

    @pytest.mark.parametrize("protocol", ["http", "https"])
    @pytest.mark.parametrize(
        ("userinfo", "login"),
        [
            ("user:p%25ss%20word", "user:p%ss word"),
            ("token", "token:"),
            (":password", ":password"),
            ("user:p%C3%A4ss", "user:päss"),
            ("%E2%82%AC:p:q", "€:p:q"),
            ("user:%E4", "user:\udce4"),
        ],
    )
    def test_credentials_go_to_the_proxy_alone(
        self, tmp_path: Path, backend: str, protocol: str, userinfo: str, login: str
    ) -> None:
        with Proxy(login=login) as proxy, kit(tmp_path, backend, protocol) as made:
            address = proxy.url.replace("//", f"//{userinfo}@")
            made.with_settings(proxy=address).arrive(order(made.origin.route("/a.bin", Static(BODY))))
            assert made.origin.requests[0].get("proxy-authorization") is None
            assert made.origin.requests[0].get("authorization") is None

    @pytest.mark.parametrize("protocol", ["http", "https"])
    @pytest.mark.parametrize(("status", "requests"), [(407, 1), (403, 1), (502, 2)])
    def test_a_proxy_that_refuses_is_named(
        self, tmp_path: Path, backend: str, protocol: str, status: int, requests: int
    ) -> None:
        with Proxy(refuse=status) as proxy, kit(tmp_path, backend, protocol, retries=1) as made:
            address = proxy.url.replace("//", "//user:proxypass@")
            error = made.with_settings(proxy=address).lose(order(f"{made.origin.url}/a.bin"))
            assert isinstance(error, NetworkError)
            if (protocol, status) != ("http", 403):
                # Nobody can tell a proxy's own 403 from one that it passes on.
                assert "proxy" in error.message
            if status == 407:
                assert "the proxy asks for credentials (407 Proxy Authentication Required)" in error.message
                assert error.hint is not None
                assert "http://user:password@host:port" in error.hint
            assert len(proxy.heads) == requests
            told = f"{error} {error.hint} {error.details} {made.heard.events}"
            assert "proxypass" not in told
            assert base64.b64encode(b"user:proxypass").decode() not in told

    def test_a_proxy_that_is_not_there_is_named(self, made: Kit) -> None:
        gone = made.with_settings(proxy=f"http://user:proxypass@127.0.0.1:{closed_port()}", retries=1)
        error = gone.lose(order(f"{made.origin.url}/a.bin"))
        assert "proxy" in error.message
        assert "proxypass" not in f"{error} {error.hint} {made.heard.events}"

    @pytest.mark.parametrize("protocol", ["http", "https"])
    @pytest.mark.parametrize("over_tls", [False, True])
    def test_a_proxy_that_listens_at_ipv6(self, tmp_path: Path, backend: str, protocol: str, over_tls: bool) -> None:
        tls = authority().server() if over_tls else None
        with _serving_at("::1"), Proxy(host="::1", tls=tls) as proxy, kit(tmp_path, backend, protocol) as made:
            made.with_settings(proxy=proxy.url).arrive(order(made.origin.route("/a.bin", Static(BODY))))
            assert len(proxy.heads) == 1

    def test_a_client_certificate_is_not_shown_to_the_proxy(self, tmp_path: Path, backend: str) -> None:
        curious = authority().server()
        curious.verify_mode = ssl.CERT_OPTIONAL
        curious.load_verify_locations(cafile=authority().ca_file)
        strict = authority().server()
        strict.verify_mode = ssl.CERT_REQUIRED
        strict.load_verify_locations(cafile=authority().ca_file)
        hosts = {"127.0.0.1": HostSettings(client=authority().client(tmp_path))}
        with (
            Proxy(tls=curious) as proxy,
            Origin(tls=strict) as origin,
            kit(tmp_path, backend, "https", proxy=proxy.url, hosts=hosts) as made,
        ):
            made.arrive(order(origin.route("/a.bin", Static(BODY))))
            assert proxy.shown == [None]

    def test_an_untrusted_server_behind_a_proxy_is_named(self, made: Kit) -> None:
        with Proxy() as proxy, Origin(tls=stranger().server()) as origin:
            error = made.with_settings(proxy=proxy.url).lose(order(origin.route("/a.bin", Static(BODY))))
            assert f"no trusted TLS connection to {origin.netloc}" in error.message
            assert "ca_file" in (error.hint or "")
            assert len(proxy.heads) == 1
        assert made.events(Retrying) == []

    @pytest.mark.parametrize("protocol", ["http", "https"])
    def test_an_untrusted_proxy_is_named(self, tmp_path: Path, backend: str, protocol: str) -> None:
        with Proxy(tls=stranger().server()) as proxy, kit(tmp_path, backend, protocol, proxy=proxy.url) as made:
            error = made.lose(order(made.origin.route("/a.bin", Static(BODY))))
            assert error.message.endswith("no trusted TLS connection to the proxy")
            assert "ca_file" in (error.hint or "")
            assert proxy.heads == []
            assert made.events(Retrying) == []

    @pytest.mark.parametrize("status", [b"201 Created", b"204 No Content"])
    def test_any_success_opens_a_tunnel(self, safe: Kit, status: bytes) -> None:
        with Proxy(opened=b"HTTP/1.1 %b\r\n\r\n" % status) as proxy:
            safe.with_settings(proxy=proxy.url).arrive(order(safe.origin.route("/a.bin", Static(BODY))))

    @pytest.mark.parametrize("only", [b"", b"HTTP/1.1 200 OK\r\n", b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 302 No\r\n\r\n"])
    def test_a_proxy_that_opens_no_tunnel_is_named(self, safe: Kit, only: bytes) -> None:
        with Proxy(only=only) as proxy:
            through = safe.with_settings(proxy=proxy.url, retries=1)
            error = through.lose(order(safe.origin.route("/a.bin", Static(BODY))))
            assert f"the proxy could not be reached, or did not connect to {safe.origin.netloc}" in error.message
            assert len(proxy.heads) == 2

    @pytest.mark.parametrize("scheme", ["http", "https"])
    def test_a_proxy_that_says_nothing_is_named(self, safe: Kit, scheme: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as mute:
            proxy = f"{scheme}://127.0.0.1:{mute.getsockname()[1]}"
            impatient = safe.with_settings(proxy=proxy, retries=0, connect_timeout=0.2)
            assert "the proxy could not be reached" in impatient.lose(order(f"{safe.origin.url}/a.bin")).message

    def test_a_server_that_hangs_up_in_a_tunnel_is_named(self, made: Kit) -> None:
        with Proxy(only=b"HTTP/1.1 200 OK\r\n\r\n") as proxy:
            through = made.with_settings(proxy=proxy.url, retries=0)
            assert "closed the connection without an answer" in through.lose(order("https://127.0.0.1/a.bin")).message

    def test_a_transfer_that_stalls_behind_the_tls_of_a_proxy_is_cut(self, safe: Kit) -> None:
        stuck = Response(200, (("ETag", '"v1"'),), [BODY[:5000], Hold(safe.origin.gate())], length=len(BODY))
        with Proxy(tls=authority().server()) as proxy:
            through = safe.with_settings(proxy=proxy.url, stall_timeout=0.3)
            through.arrive(order(safe.origin.route("/a.bin", stuck, Static(BODY))))

    def test_an_address_that_is_none_is_a_setting_to_mend(self, made: Kit) -> None:
        error = made.with_settings(proxy="socks5://u:proxypass@x").lose(order(f"{made.origin.url}/a.bin"))
        assert isinstance(error, SettingsError)
        assert "proxypass" not in str(error)

    def test_a_redirect_to_another_scheme_takes_that_schemes_proxy(self, tmp_path: Path, backend: str) -> None:
        with (
            Proxy(login="one:secret1") as first,
            Proxy(login="two:secret2") as second,
            kit(tmp_path / "a", backend) as plain,
            kit(tmp_path / "b", backend, "https") as safe,
        ):
            proxies = {
                "http": first.url.replace("//", "//one:secret1@"),
                "https": second.url.replace("//", "//two:secret2@"),
            }
            target = safe.origin.route("/b.bin", Static(BODY))
            url = plain.origin.route("/a.bin", redirect(target))
            plain.with_settings(proxies=proxies).arrive(order(url))
            assert len(first.heads) == len(second.heads) == 1
            assert base64.b64encode(b"one:secret1").decode() not in second.heads[0]


@pytest.mark.fault("T06")
class TestClosedPorts:
    def test_the_mirror_is_asked_without_a_wait(self, made: Kit) -> None:
        mirror = made.origin.route("/m.bin", Static(BODY))
        found = made.arrive(order(f"http://127.0.0.1:{closed_port()}/a.bin", mirrors=(mirror,)))
        assert found.receipt.source == mirror
        assert made.clock.slept == []
        assert made.events(Retrying) == []

    def test_alone_it_is_tried_as_often_as_any_other(self, made: Kit) -> None:
        error = made.lose(order(f"http://127.0.0.1:{closed_port()}/a.bin"))
        assert "refused the connection, 5 times" in error.message
        assert len(made.events(Retrying)) == 4

    def test_it_comes_up_again_behind_a_mirror_that_fails(self, made: Kit) -> None:
        mirror = made.origin.route("/m.bin", Response(404))
        error = made.lose(order(f"http://127.0.0.1:{closed_port()}/a.bin", mirrors=(mirror,)))
        assert len(error.details) == 2
        assert "refused the connection, 5 times" in error.details[0]
        assert "404" in error.details[1]


@pytest.mark.fault("T07")
class TestSilence:
    def test_a_connection_that_is_closed_at_once(self, made: Kit) -> None:
        url = made.origin.route("/a.bin", Raw([]), Static(BODY))
        made.arrive(order(url))
        assert len(made.origin.requests) == 2

    @pytest.mark.parametrize("heard", [False, True])
    def test_a_handshake_that_is_cut(self, made: Kit, heard: bool) -> None:
        impatient = made.with_settings(retries=1)
        came = 0
        with socket.create_server(("127.0.0.1", 0)) as listener:

            def hang_up() -> None:
                nonlocal came
                with contextlib.suppress(OSError):
                    while True:
                        with listener.accept()[0] as one:
                            came += 1
                            if heard:
                                one.recv(65536)

            thread = threading.Thread(target=hang_up)
            thread.start()
            error = impatient.lose(order(f"https://127.0.0.1:{listener.getsockname()[1]}/a.bin"))
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
        assert came == 2
        assert "closed the connection without an answer" in error.message

    def test_a_handshake_that_never_ends(self, made: Kit) -> None:
        impatient = made.with_settings(retries=0, connect_timeout=0.2)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            error = impatient.lose(order(f"https://127.0.0.1:{listener.getsockname()[1]}/a.bin"))
        assert "in time" in error.message


@pytest.mark.fault("T08")
class TestNetrc:
    def test_no_netrc_is_read_by_itself(self, made: Kit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password netrcpass\ndefault login x password y\n")
        (tmp_path / ".netrc").chmod(0o600)
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
        made.with_settings().arrive(order(made.origin.route("/a.bin", Static(BODY))))
        assert made.origin.requests[0].get("authorization") is None

    def test_a_configured_one_serves_its_host_and_no_redirect(self, made: Kit, tmp_path: Path) -> None:
        (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password netrcpass\ndefault login x password y\n")
        assert read_logins(str(tmp_path / "netrc")) == {"127.0.0.1": ("me", "netrcpass")}
        users = UserCredentials(Settings(netrc=str(tmp_path / "netrc")), {}, made.clock)
        with Origin() as other:
            target = other.route("/b.bin", Static(BODY))
            one = order(made.origin.route("/a.bin", redirect(target)))
            ready = sources(one.artifact, Values(), credentials=users)
            made.arrive(replace(one, sources=ready))
            assert made.origin.requests[0].get("authorization") == "Basic bWU6bmV0cmNwYXNz"
            assert other.requests[0].get("authorization") is None

    def test_it_never_beats_a_header_of_the_manifest(self, made: Kit, tmp_path: Path) -> None:
        (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password netrcpass\n")
        users = UserCredentials(Settings(netrc=str(tmp_path / "netrc")), {}, made.clock)
        one = order(made.origin.route("/a.bin", Static(BODY)), headers={"authorization": "Bearer literal-token"})
        [ready] = sources(one.artifact, Values(), credentials=users)
        assert dict(ready.headers) == {"authorization": "Bearer literal-token"}

    def test_a_file_that_cannot_be_read_is_named_without_its_words(self, tmp_path: Path) -> None:
        with pytest.raises(SettingsError, match="cannot be read"):
            read_logins(str(tmp_path / "missing"))
        (tmp_path / "netrc").write_text("machine x login y password z netrcpass\n")
        with pytest.raises(SettingsError, match="line 2 is not understood") as caught:
            read_logins(str(tmp_path / "netrc"))
        assert "netrcpass" not in str(caught.value)


def test_the_backend_of_the_settings_is_taken(backend: str) -> None:
    settings = Settings(backend=backend, ca_file=authority().ca_file)
    assert choose_backend(settings).name == backend
    assert make_backend(backend, settings).name == backend
    assert choose_backend(Settings(ca_file=authority().ca_file)).name == "curl"
    assert HttpFetcher.fetch is not None
    with pytest.raises(SettingsError, match="wget"):
        choose_backend(Settings(backend="wget"))
