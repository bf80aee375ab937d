"""Credentials of the user's configuration, a helper's and a client certificate, over every backend."""

from __future__ import annotations

import json
import ssl
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dlm.cli.credentials import UserCredentials
from dlm.errors import LocalError, NetworkError, SettingsError
from dlm.fetch.fetcher import HttpFetcher
from dlm.fetch.mirrors import sources
from dlm.model.events import Retrying
from dlm.model.hosts import ClientCertificate, HostSettings
from dlm.model.settings import Settings
from dlm.model.transfer import Order, Page
from dlm.model.url import Url
from tests.support.cli import Desk
from tests.support.clocks import LeapClock
from tests.support.doorkeeper import Doorkeeper
from tests.support.fetching import BACKENDS, BODY, VERSION, WIRES, Kit, Values, kit, make_backend, order, sha256
from tests.support.origin import DATE, Origin, Reset, Response, Static, redirect
from tests.support.tls import authority

HERE = "127.0.0.1"


@pytest.fixture(params=WIRES, ids="-".join)
def wire(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kit]:
    with kit(tmp_path, *request.param) as made:
        yield made


@pytest.fixture(params=BACKENDS)
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kit]:
    with kit(tmp_path, request.param) as one:
        yield one


def with_users(one: Order, users: UserCredentials) -> Order:
    """The same order, with what the user's configuration sends."""
    return replace(one, sources=sources(one.artifact, Values(), credentials=users))


def users_of(entry: HostSettings, host: str = HERE, **environment: str) -> UserCredentials:
    return UserCredentials(Settings(hosts={host: entry}), environment, LeapClock())


class TestSending:
    @pytest.mark.promise(7)
    def test_a_token_reaches_its_origin_and_no_redirect(self, wire: Kit) -> None:
        users = users_of(HostSettings(token="${T}", headers={"X-Org": "me"}), T="hush-hush")
        with Origin() if wire.protocol == "http" else Origin.secure() as other:
            target = other.route("/b.bin", Static(BODY))
            url = wire.origin.route("/a.bin", redirect(target))
            found = wire.arrive(with_users(order(url), users))
            [asked], [led] = wire.origin.requests, other.requests
        assert (asked.get("authorization"), asked.get("x-org")) == ("Bearer hush-hush", "me")
        assert (led.get("authorization"), led.get("x-org")) == (None, None)
        assert "hush" not in str(wire.heard.events) + repr(found)

    def test_a_resumed_transfer_sends_it_again(self, made: Kit) -> None:
        url = made.origin.route(
            "/a.bin",
            Response(200, (("Date", DATE), ("ETag", '"v1"')), [BODY[:100_000], Reset()], length=len(BODY)),
            Static(BODY),
        )
        made.arrive(with_users(order(url), users_of(HostSettings(user="me", password="word"))))
        assert [one.get("authorization") for one in made.origin.requests] == ["Basic bWU6d29yZA=="] * 2

    @pytest.mark.promise(7)
    @pytest.mark.fault("S06")
    def test_a_refusal_does_not_show_it(self, made: Kit) -> None:
        url = made.origin.route("/a.bin", Response(403, body=b"you sent Bearer hush-hush"))
        error = made.lose(with_users(order(url), users_of(HostSettings(token="hush-hush"))))
        assert "hush" not in f"{error} {error.hint} {error.details} {made.heard.events}"

    @pytest.mark.fault("H12")
    def test_a_refusal_says_where_they_come_from(self, made: Kit) -> None:
        url = made.origin.route("/a.bin", Response(401))
        own = {"headers": {"Authorization": "Bearer ${DLM_AUTH_T}"}, "values": {"DLM_AUTH_T": "hush-hush"}}
        said = {
            "nothing": made.lose(order(url)).hint or "",
            "hosts": made.lose(with_users(order(url), users_of(HostSettings(token="hush-hush")))).hint or "",
            "manifest": made.lose(order(url, **own)).hint or "",  # type: ignore[arg-type]
            "mirror": made.lose(order(f"http://{HERE}:1/", mirrors=(url,))).hint or "",
        }
        assert "into the manifest as headers" in said["nothing"]
        assert "the variables in its headers" in said["manifest"]
        assert f"credentials for {made.origin.url}; look at hosts in your config.yaml, or netrc" in said["hosts"]
        assert f'hosts: {{"{made.origin.url}": {{token: …}}}}' in said["mirror"]

    @pytest.mark.promise(7)
    def test_what_a_server_writes_back_is_not_kept(self, made: Kit) -> None:
        fields = (("ETag", '"hush-hush"'), ("Content-Disposition", "attachment; filename=hush-hush"))
        url = made.origin.route("/a.bin", Response(200, (*fields, ("Content-Type", "text/plain")), b"abc"))
        wanted = with_users(order(url), users_of(HostSettings(token="hush-hush")))
        found = made.arrive(wanted)
        assert found.receipt.headers == {"content-type": "text/plain", "content-length": "3"}
        assert "hush" not in repr(found)
        held = [path for path in (made.folder / "cache").rglob("*") if path.is_file()]
        assert held
        assert not [path for path in held if b"hush" in path.read_bytes()]

    def test_pages_are_asked_for_with_them(self, made: Kit) -> None:
        users = users_of(HostSettings(token="for-pages"))
        fetcher = HttpFetcher(made.settings, made.clock, made.heard, make_backend(made.backend, made.settings),
                              version=VERSION, credentials=users)  # fmt: skip
        [page] = fetcher.read([made.origin.route("/index.html", Static(b"<a>"))])
        fetcher.close()
        assert isinstance(page, Page)
        assert made.origin.requests[0].get("authorization") == "Bearer for-pages"


class TestNetrc:
    @pytest.mark.fault("T08")
    def test_hosts_beat_it_and_it_is_not_sent_in_the_clear(self, tmp_path: Path) -> None:
        (tmp_path / "netrc").write_text(
            f"machine {HERE} login me password word\nmachine example.org login a password b\n"
        )
        settings = Settings(netrc=str(tmp_path / "netrc"), hosts={"example.org": HostSettings(token="t")})
        users = UserCredentials(settings, {}, LeapClock())

        def sent(url: str) -> dict[str, str]:
            return dict(users.for_url(Url.parse(url), authorized=False).headers)

        assert sent(f"http://{HERE}:80/") == {"Authorization": "Basic bWU6d29yZA=="}
        assert sent("https://example.org/") == {"Authorization": "Bearer t"}
        assert sent("https://example.org:8443/") == {"Authorization": "Basic YTpi"}
        assert sent("http://example.org/") == {}
        assert users.for_url(Url.parse("https://example.org/"), authorized=True).headers == ()

    def test_an_entry_without_a_login_sends_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "netrc").write_text("machine example.org\nmachine example.net login a password b\n")
        users = UserCredentials(Settings(netrc=str(tmp_path / "netrc")), {}, LeapClock())
        assert users.for_url(Url.parse("https://example.org/"), authorized=False).headers == ()

    @pytest.mark.promise(7)
    def test_what_is_for_this_machine_does_not_go_through_another(self, tmp_path: Path) -> None:
        (tmp_path / "netrc").write_text(f"machine {HERE} login me password word\n")
        hosts = {"localhost": HostSettings(token="t"), "http://localhost:81": HostSettings(token="written out")}
        for proxy, through in (("http://127.0.0.1:3128", True), ("http://proxy.example:3128", False)):
            users = UserCredentials(Settings(netrc=str(tmp_path / "netrc"), hosts=hosts, proxy=proxy), {}, LeapClock())
            for url in (f"http://{HERE}/", "http://localhost/"):
                assert bool(users.for_url(Url.parse(url), authorized=False).headers) == through
            assert users.for_url(Url.parse("http://localhost:81/"), authorized=False).headers


Helper = Callable[[str], tuple[str, ...]]


@pytest.fixture
def helper(tmp_path: Path) -> Helper:
    """A helper command from the lines of a program that knows ``uri`` and notes each call in ``calls``."""

    def make(lines: str) -> tuple[str, ...]:
        script = tmp_path / "helper.py"
        script.write_text(
            "import json, sys\n"
            "assert sys.argv[1:] == ['get']\n"
            "uri = json.load(sys.stdin)['uri']\n"
            f"open({str(tmp_path / 'calls')!r}, 'a').write(uri + chr(10))\n" + lines,
            encoding="utf-8",
        )
        return (sys.executable, str(script))

    return make


def calls(folder: Path) -> list[str]:
    return (folder / "calls").read_text(encoding="utf-8").split()


ANSWER = "print(json.dumps({'headers': {'Authorization': ['Bearer from-helper'], 'X-Two': ['a', 'b']}, 'more': 1}))"


class TestHelper:
    def test_what_it_says_is_sent_and_it_is_asked_once(self, made: Kit, helper: Helper, tmp_path: Path) -> None:
        users = users_of(HostSettings(helper=helper(ANSWER)))
        urls = [made.origin.route(f"/{number}.bin", Static(b"x")) + "?sig=x" for number in range(3)]
        for url in urls:
            made.arrive(with_users(order(url), users))
        for seen in made.origin.requests:
            assert seen.get("authorization") == "Bearer from-helper"
            assert seen.get("x-two") == "a, b"
        assert calls(tmp_path) == [urls[0].partition("?")[0]]

    def test_it_is_asked_anew_when_its_answer_expires(self, helper: Helper, tmp_path: Path) -> None:
        clock = LeapClock()
        users = UserCredentials(
            Settings(hosts={HERE: HostSettings(
                helper=helper("print(json.dumps({'headers': {'A': ['1']}, 'expires': '2001-09-09T01:46:40Z'}))")
            )}), {}, clock
        )  # fmt: skip
        url = Url.parse(f"http://{HERE}/")
        assert clock.time() > 1_000_000_000
        for _ in range(2):
            assert users.for_url(url, authorized=False).headers == (("A", "1"),)
        assert len(calls(tmp_path)) == 2

    def test_it_is_not_asked_where_something_nearer_answers(self, helper: Helper, tmp_path: Path) -> None:
        command = helper(ANSWER)
        url = Url.parse(f"http://{HERE}/")
        assert users_of(HostSettings(token="t", helper=command)).for_url(url, authorized=False).headers == (
            ("Authorization", "Bearer t"),
        )
        assert users_of(HostSettings(helper=command)).for_url(url, authorized=True).headers == ()
        assert not (tmp_path / "calls").exists()

    def test_its_failure_counts_where_its_address_is_asked(self, made: Kit, helper: Helper) -> None:
        users = users_of(HostSettings(helper=helper("sys.exit(3)")), host="mirror.example")
        url, mirrors = made.origin.route("/a.bin", Static(BODY), Response(404)), ("https://mirror.example/a.bin",)
        assert made.bytes_of(made.arrive(with_users(order(url, mirrors=mirrors), users))) == BODY
        error = made.lose(with_users(order(url, mirrors=mirrors, name="again"), users))
        assert "none of 2 sources" in error.message
        assert any("failed with code 3" in line for line in error.details)
        with pytest.raises(LocalError, match="failed with code 3"):
            with_users(order(mirrors[0], mirrors=(url,)), users)

    @pytest.mark.promise(7)
    @pytest.mark.parametrize(
        ("lines", "words"),
        [
            ("print('hush'); sys.stderr.write('hush'); sys.exit(3)", "failed with code 3"),
            ("print('hush')", "wrote no JSON"),
            ("print(json.dumps({'headers': {'A': ['hush'], 'a': ['hush']}}))", "wrote a header twice"),
            ("print(json.dumps(['hush']))", "no object with headers"),
            ("print(json.dumps({'headers': {'A': 'hush'}}))", "no object with headers"),
            ("print(json.dumps({'headers': {}, 'expires': 'hush'}))", "expires that is no time"),
        ],
    )
    def test_what_goes_wrong_is_told_without_its_words(
        self, helper: Helper, tmp_path: Path, lines: str, words: str, capfd: pytest.CaptureFixture[str]
    ) -> None:
        users = users_of(HostSettings(helper=helper(lines)))
        for _ in range(2):
            with pytest.raises(LocalError, match=words) as caught:
                users.for_url(Url.parse(f"http://{HERE}:81/"), authorized=False)
            assert f"{HERE}:81" in caught.value.message
            assert sys.executable in caught.value.message
            assert "hush" not in f"{caught.value} {caught.value.hint}"
        assert len(calls(tmp_path)) == 1
        assert "hush" not in str(capfd.readouterr())

    def test_one_that_is_not_there(self) -> None:
        with pytest.raises(LocalError, match=r"/no/such/helper for .* could not be run"):
            users_of(HostSettings(helper=("/no/such/helper",))).for_url(Url.parse(f"http://{HERE}/"), authorized=False)

    def test_one_that_never_answers_is_ended(self, helper: Helper, tmp_path: Path) -> None:
        command = helper("import threading\nthreading.Event().wait()")
        settings = Settings(hosts={HERE: HostSettings(helper=command)})
        users = UserCredentials(settings, {}, LeapClock(), patience=0.1)
        with pytest.raises(LocalError, match=r"gave no answer in 0\.1 seconds"):
            users.for_url(Url.parse(f"http://{HERE}/"), authorized=False)

    def test_a_header_that_cannot_be_sent(self, helper: Helper) -> None:
        users = users_of(HostSettings(helper=helper("print(json.dumps({'headers': {'A': ['b\\nC: d']}}))")))
        with pytest.raises(SettingsError, match="the header A, which cannot be sent"):
            with_users(order(f"http://{HERE}/x"), users)


class TestClientCertificates:
    @pytest.fixture(params=BACKENDS)
    def backend(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    @pytest.fixture
    def strict(self) -> Iterator[Origin]:
        """An origin that wants to know who asks."""
        context = authority().server()
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cafile=authority().ca_file)
        with Origin(tls=context) as origin:
            yield origin

    def test_it_is_shown_to_its_host_alone(self, tmp_path: Path, backend: str, strict: Origin) -> None:
        with kit(tmp_path, backend, "https", retries=0) as made:
            url = strict.route("/a.bin", Static(BODY))
            asked = HostSettings(client=authority().client(tmp_path))
            assert isinstance(made.lose(order(url)), NetworkError)
            other = made.with_settings(hosts={"localhost": asked})
            assert isinstance(other.lose(order(url)), NetworkError)
            right = made.with_settings(hosts={HERE: asked, "localhost": asked})
            assert right.bytes_of(right.arrive(order(url))) == BODY
            for one in (other, right):
                one.fetcher.close()

    def test_one_file_may_hold_both(self, tmp_path: Path, backend: str, strict: Origin) -> None:
        files = authority().client(tmp_path)
        assert files.key is not None
        both = tmp_path / "both.pem"
        both.write_bytes(Path(files.key).read_bytes() + Path(files.certificate).read_bytes())
        hosts = {HERE: HostSettings(client=ClientCertificate(str(both)))}
        with kit(tmp_path, backend, "https", hosts=hosts) as made:
            made.arrive(order(strict.route("/a.bin", Static(BODY)), digests=sha256(BODY)))

    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
    @pytest.mark.parametrize("http2", [False, True])
    @pytest.mark.parametrize("shown", [False, True])
    def test_a_server_that_does_not_accept_it_is_asked_once(
        self, tmp_path: Path, backend: str, version: ssl.TLSVersion, http2: bool, shown: bool
    ) -> None:
        hosts = {HERE: HostSettings(client=authority().client(tmp_path))} if shown else {}
        with Doorkeeper(version=version, http2=http2) as strict, kit(tmp_path, backend, hosts=hosts) as made:
            error = made.lose(order(f"{strict.url}/a.bin"))
            assert isinstance(error, NetworkError)
            assert "refused the TLS connection" in error.message
            assert "client_cert" in (error.hint or "")
            assert strict.callers == 1
            assert made.events(Retrying) == []

    def test_what_cannot_be_used_is_a_setting_to_mend(self, tmp_path: Path, backend: str) -> None:
        (tmp_path / "not.pem").write_text("x")
        for path, words in ((tmp_path / "gone.pem", "is not there"), (tmp_path / "not.pem", "cannot be used")):
            entry = HostSettings(client=ClientCertificate(str(path)))
            with pytest.raises(SettingsError, match=words):
                make_backend(backend, Settings(ca_file=authority().ca_file, hosts={"example.org": entry}))


@pytest.mark.promise(7)
@pytest.mark.parametrize("backend", BACKENDS)
def test_the_command_sends_them_and_writes_them_nowhere(tmp_path: Path, backend: str, helper: Helper) -> None:
    command = helper(ANSWER)
    with Origin() as origin:
        url = origin.route("/a.bin", Static(BODY))
        desk = Desk(tmp_path / "desk", {"DLM_BACKEND": backend, "DLM_NO_CONFIG": ""})
        (desk.home / "config.yaml").write_text(json.dumps({"hosts": {HERE: {"helper": list(command)}}}))
        desk.variables["DLM_CONFIG_FILE"] = str(desk.home / "config.yaml")
        desk.manifest(f"version: 1\nresources:\n  - {url}\n")
        ran = desk.dlm("sync", "-v").ok()
        assert {one.get("authorization") for one in origin.requests} == {"Bearer from-helper"}
        assert "from-helper" not in ran.out + ran.err + desk.lockfile.read_text()
        held = [path for folder in (desk.cache, desk.state) for path in folder.rglob("*") if path.is_file()]
        assert not [path for path in held if b"from-helper" in path.read_bytes()]
