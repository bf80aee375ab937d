"""From an artifact to the addresses that may deliver it."""

from __future__ import annotations

import pytest

from dlm.errors import PolicyError, UsageError
from dlm.fetch.mirrors import RESERVED_HEADERS, sources
from dlm.model.artifact import Artifact
from dlm.model.transfer import Source
from tests.support.fetching import Values

OWN = "https://example.org/tool.zip"


def made(
    url: str = OWN,
    *,
    mirrors: tuple[str, ...] = (),
    headers: dict[str, str] | None = None,
    preferred: tuple[str, ...] = (),
    logins: dict[str, tuple[str, str]] | None = None,
    **values: str,
) -> tuple[Source, ...]:
    artifact = Artifact(
        resource="tool", filename="tool.zip", url=url, dest="tool.zip", mirrors=mirrors, headers=headers or {}
    )
    return sources(artifact, Values(values), preferred=preferred, logins=logins or {})


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
        logins = {"example.org": ("me", "word"), "m.example": ("you", "else")}
        found = made(mirrors=("https://a:b@m.example/x",), logins=logins)
        assert found[0].headers == (("Authorization", "Basic bWU6d29yZA=="),)
        assert found[1].headers == (("Authorization", "Basic YTpi"),)
        [own] = made(headers={"authorization": "Bearer x"}, logins=logins)
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
