"""From an artifact to the addresses that may deliver it."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from dlm.cli.credentials import UserCredentials
from dlm.errors import PolicyError, SettingsError, UsageError
from dlm.fetch.mirrors import RESERVED_HEADERS, sources
from dlm.model.artifact import Artifact
from dlm.model.digest import Digest, Digests
from dlm.model.hosts import HostSettings
from dlm.model.rewrite import RewriteRule
from dlm.model.settings import Settings
from dlm.model.transfer import Source
from dlm.ports import Credentials
from tests.support.clocks import LeapClock
from tests.support.fetching import Values

OWN = "https://example.org/tool.zip"
PIN = Digests((Digest("sha256", "ab" * 32),))


def users_of(hosts: Mapping[str, HostSettings], **environment: str) -> UserCredentials:
    return UserCredentials(Settings(hosts=hosts), environment, LeapClock())


def made(
    url: str = OWN,
    *,
    mirrors: tuple[str, ...] = (),
    headers: dict[str, str] | None = None,
    preferred: tuple[str, ...] = (),
    credentials: Credentials | None = None,
    rewrite: tuple[RewriteRule, ...] = (),
    digests: Digests | None = None,
    **values: str,
) -> tuple[Source, ...]:
    artifact = Artifact(
        resource="tool",
        filename="tool.zip",
        url=url,
        dest="tool.zip",
        mirrors=mirrors,
        headers=headers or {},
        digests=digests or Digests(),
    )
    return sources(artifact, Values(values), preferred=preferred, rewrite=rewrite, credentials=credentials)


class TestOrder:
    def test_the_origin_first_then_its_mirrors(self) -> None:
        found = made(mirrors=("https://m1.example/t", "https://m2.example/t"))
        assert [str(source.url) for source in found] == [OWN, "https://m1.example/t", "https://m2.example/t"]
        assert [source.origin for source in found] == [True, False, False]

    def test_what_is_preferred_stands_before_it(self) -> None:
        found = made(preferred=("https://near.example/t",))
        assert [source.origin for source in found] == [False, True]

    def test_each_address_stands_once(self) -> None:
        found = made(mirrors=(OWN, "https://m.example/t", "https://m.example/t"), preferred=(OWN,))
        assert [str(source.url) for source in found] == [OWN, "https://m.example/t"]
        assert found[0].origin


class TestHeaders:
    @pytest.mark.promise(7)
    def test_they_go_to_the_origin_alone(self) -> None:
        found = made(
            headers={"Authorization": "Bearer ${DLM_AUTH_T}"},
            mirrors=("https://m.example/t", "http://example.org/t", "https://example.org/other"),
            DLM_AUTH_T="token-value",
        )
        assert [dict(source.headers) for source in found] == [
            {"Authorization": "Bearer token-value"},
            {},
            {},
            {"Authorization": "Bearer token-value"},
        ]

    @pytest.mark.parametrize("value", ["a\nb", "a\r\nX: y", "a\0b", "token\n", "\u20ac", "a\x1bb"])
    def test_a_value_that_no_header_may_hold(self, value: str) -> None:
        with pytest.raises(UsageError, match="X-Key") as caught:
            made(headers={"X-Key": "${DLM_AUTH_T}"}, DLM_AUTH_T=value)
        assert caught.value.resource == "tool"
        assert "DLM_AUTH_T" in str(caught.value.hint)
        assert value.strip() not in str(caught.value)

    def test_latin_1_will_do(self) -> None:
        assert made(headers={"X-Key": "gr\u00fc\u00df"})[0].headers == (("X-Key", "gr\u00fc\u00df"),)

    @pytest.mark.parametrize("name", [*sorted(RESERVED_HEADERS), "Range", "HOST"])
    def test_what_the_transfer_decides_is_not_the_users(self, name: str) -> None:
        with pytest.raises(UsageError, match="dlm's own"):
            made(headers={name: "x"})

    @pytest.mark.parametrize("name", ["a b", "", "a:b", "a\nb"])
    def test_what_is_no_name(self, name: str) -> None:
        with pytest.raises(UsageError, match="not the name of a header"):
            made(headers={name: "x"})

    def test_a_variable_that_is_not_set_or_not_allowed(self) -> None:
        with pytest.raises(UsageError, match="DLM_AUTH_T"):
            made(headers={"X-Key": "${DLM_AUTH_T}"})
        with pytest.raises(PolicyError, match="HOME"):
            made(headers={"X-Key": "${HOME}"})


class TestAddresses:
    @pytest.mark.parametrize(
        ("url", "value", "filled"),
        [
            ("https://example.org/${DLM_AUTH_T}/x", "plain", "https://example.org/plain/x"),
            ("https://example.org/${DLM_AUTH_T}/x", "a/b c", "https://example.org/a%2Fb%20c/x"),
            ("https://example.org/${DLM_AUTH_T}/x", "a?b#c%", "https://example.org/a%3Fb%23c%25/x"),
            ("https://example.org/x?key=${DLM_AUTH_T}", "a&b=c+d", "https://example.org/x?key=a%26b%3Dc%2Bd"),
            ("https://example.org/x?${DLM_AUTH_T}", "sig=a%2Bb&se=1", "https://example.org/x?sig=a%2Bb&se=1"),
            ("https://example.org/x?a=1&${DLM_AUTH_T}", "sig=a%2Bb", "https://example.org/x?a=1&sig=a%2Bb"),
            ("https://example.org/x?key=${DLM_AUTH_T}", "gr\u00fc\u00df", "https://example.org/x?key=gr%C3%BC%C3%9F"),
        ],
    )
    def test_values_are_escaped_as_their_place_asks(self, url: str, value: str, filled: str) -> None:
        [source] = made(url, DLM_AUTH_T=value)
        assert str(source.url) == filled
        assert value in source.secrets

    def test_a_value_cannot_lead_to_another_host(self) -> None:
        [source] = made("https://example.org/${DLM_AUTH_T}", DLM_AUTH_T="@evil.example/\\..//x")
        assert source.url.host == "example.org"

    def test_an_address_that_is_none(self) -> None:
        with pytest.raises(UsageError, match="cannot be used"):
            made("ftp://example.org/x")


class TestLogins:
    @pytest.mark.parametrize(
        ("userinfo", "token"),
        [
            ("user:pass", "dXNlcjpwYXNz"),
            ("user", "dXNlcjo="),
            ("us%40er:p%3Aa%2Fss", "dXNAZXI6cDphL3Nz"),
            ("user:${DLM_AUTH_T}", "dXNlcjpzZSU0MGNyZXQ="),
        ],
    )
    def test_user_info_becomes_a_header(self, userinfo: str, token: str) -> None:
        [source] = made(f"https://{userinfo}@example.org/x", DLM_AUTH_T="se%40cret")
        assert source.headers == (("Authorization", f"Basic {token}"),)
        assert source.url.userinfo is None
        assert token in source.secrets
        assert "user" not in repr(source)

    def test_that_of_a_mirror_goes_to_the_mirror(self) -> None:
        found = made(mirrors=("https://me:pw12@m.example/x",))
        assert found[0].headers == ()
        assert found[1].headers == (("Authorization", "Basic bWU6cHcxMg=="),)

    def test_a_header_of_the_manifest_beats_user_info(self) -> None:
        [source] = made("https://user:pass@example.org/x", headers={"AUTHORIZATION": "Bearer token"})
        assert source.headers == (("AUTHORIZATION", "Bearer token"),)

    @pytest.mark.fault("T08")
    def test_configured_logins_serve_hosts_without_credentials(self) -> None:
        users = users_of(
            {
                "example.org": HostSettings(user="me", password="word"),
                "m.example": HostSettings(user="you", password="else"),
            }
        )
        found = made(mirrors=("https://a:b@m.example/x",), credentials=users)
        assert found[0].headers == (("Authorization", "Basic bWU6d29yZA=="),)
        assert found[1].headers == (("Authorization", "Basic YTpi"),)
        [own] = made(headers={"authorization": "Bearer x"}, credentials=users)
        assert own.headers == (("authorization", "Bearer x"),)

    def test_a_colon_in_a_user_is_refused(self) -> None:
        with pytest.raises(UsageError, match="colon"):
            made("https://a%3Ab:c@example.org/x")


class TestSecrets:
    @pytest.mark.promise(7)
    def test_every_spelling_is_known(self) -> None:
        [source] = made(
            "https://example.org/x?key=${DLM_AUTH_T}",
            headers={"Authorization": "Bearer ${DLM_AUTH_U}"},
            DLM_AUTH_T="to ken",
            DLM_AUTH_U="0123456789",
        )
        assert {"to ken", "to%20ken", "0123456789", "Bearer 0123456789"} <= set(source.secrets)

    def test_nothing_of_it_shows(self) -> None:
        [source] = made("https://u:pass@example.org/x?key=${DLM_AUTH_T}", DLM_AUTH_T="token-value")
        for text in (repr(source), source.shown):
            assert "token-value" not in text
            assert "pass" not in text


class TestConfiguredCredentials:
    def test_headers_of_one_name_come_from_the_nearest(self) -> None:
        users = users_of({"example.org": HostSettings(token="conf-token", headers={"X-A": "conf", "X-B": "conf"})})
        [source] = made("https://u:p@example.org/x", headers={"x-a": "own"}, credentials=users)
        assert source.headers == (("x-a", "own"), ("Authorization", "Basic dTpw"), ("X-B", "conf"))

    @pytest.mark.promise(7)
    def test_every_value_is_known_as_a_secret(self) -> None:
        users = users_of({"example.org": HostSettings(token="${ANY_NAME}", headers={"X-A": "a ${OTHER}"})},
                         ANY_NAME="s3cret", OTHER="0ther")  # fmt: skip
        [source] = made(credentials=users)
        assert dict(source.headers) == {"Authorization": "Bearer s3cret", "X-A": "a 0ther"}
        assert {"s3cret", "0ther", "Bearer s3cret"} <= set(source.secrets)
        assert "s3cret" not in repr(source)

    @pytest.mark.promise(7)
    @pytest.mark.parametrize("url", ["http://example.org/x", "https://example.org:8443/x", "https://sub.example.org/x"])
    def test_another_origin_gets_none(self, url: str) -> None:
        [source] = made(url, credentials=users_of({"example.org": HostSettings(token="conf-token")}))
        assert source.headers == ()

    @pytest.mark.parametrize("headers", [{"Range": "x"}, {"a b": "x"}, {"X-A": "a\nb"}])
    def test_what_cannot_be_sent_is_a_setting_to_mend(self, headers: dict[str, str]) -> None:
        with pytest.raises(SettingsError, match=r"the credentials for example\.org"):
            made(credentials=users_of({"example.org": HostSettings(headers=headers)}))

    def test_a_variable_that_is_not_set(self) -> None:
        with pytest.raises(SettingsError, match="GONE is not set"):
            made(credentials=users_of({"example.org": HostSettings(token="${GONE}")}))


class TestRewriting:
    def rules(self, origin: str = "last", *to: str) -> tuple[RewriteRule, ...]:
        return (RewriteRule.of("https://example.org/", to or ("https://m.corp/{host}/{path}",), origin),)  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("origin", "order"),
        [
            ("allow", ["https://m.corp/example.org/tool.zip", OWN, "https://other.example/t"]),
            ("last", ["https://m.corp/example.org/tool.zip", "https://other.example/t", OWN]),
            ("block", ["https://m.corp/example.org/tool.zip", "https://other.example/t"]),
        ],
    )
    def test_the_origins_place(self, origin: str, order: list[str]) -> None:
        found = made(rewrite=self.rules(origin), mirrors=("https://other.example/t",))
        assert [str(source.url) for source in found] == order
        assert [source.origin for source in found] == [url == OWN for url in order]

    def test_mirrors_are_rewritten_too(self) -> None:
        rules = (RewriteRule.of("https://m1.example/", ("https://m.corp/{path}",), "block"),)
        found = made(rewrite=rules, mirrors=("https://m1.example/t",))
        assert [str(source.url) for source in found] == [OWN, "https://m.corp/t"]

    def test_nothing_left_to_ask(self) -> None:
        rules = (RewriteRule.of("https://example.org/", (), "block"),)
        with pytest.raises(PolicyError, match=r"leave no address to ask for https://example\.org/tool\.zip") as caught:
            made(rewrite=rules)
        assert caught.value.code == 6

    def test_what_needs_a_digest_waits_for_one(self) -> None:
        rules = self.rules("last", "https://cas.corp/{sha256:2}/{sha256}")
        assert [str(one.url) for one in made(rewrite=rules)] == [OWN]
        found = made(rewrite=rules, digests=PIN)
        assert [str(one.url) for one in found] == [f"https://cas.corp/ab/{'ab' * 32}", OWN]
        with pytest.raises(PolicyError):
            made(rewrite=self.rules("block", "https://cas.corp/{sha256}"))

    @pytest.mark.promise(7)
    def test_the_manifests_headers_stay_at_home_and_the_mirror_gets_its_own(self) -> None:
        users = users_of({"m.corp": HostSettings(token="mirror-token"), "example.org": HostSettings(token="own-token")})
        found = made(rewrite=self.rules(), headers={"X-Key": "x"}, credentials=users)
        assert found[0].headers == (("Authorization", "Bearer mirror-token"),)
        assert found[1].headers == (("X-Key", "x"), ("Authorization", "Bearer own-token"))

    @pytest.mark.promise(7)
    def test_a_value_of_the_environment_goes_to_no_mirror(self) -> None:
        rules = (
            RewriteRule.of("https://example.org/", ("https://m.corp/{path}", "https://n.corp/{filename}"), "last"),
        )
        found = made("https://example.org/${DLM_AUTH_T}/x", rewrite=rules, DLM_AUTH_T="token-value")
        assert [str(one.url) for one in found] == ["https://n.corp/x", "https://example.org/token-value/x"]

    def test_a_rule_that_makes_no_address(self) -> None:
        with pytest.raises(SettingsError, match="rule 1 makes an address that cannot be used"):
            made(rewrite=self.rules("last", "https://{filename}:port/x"))
