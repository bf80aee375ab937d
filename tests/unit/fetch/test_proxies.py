"""Which proxy a request goes through."""

from __future__ import annotations

import pytest

from dlm.errors import SettingsError
from dlm.fetch.proxies import proxy_for
from dlm.model.settings import Settings
from dlm.model.url import Url

PLAIN, SAFE = Url.parse("http://example.org/x"), Url.parse("https://www.example.org/x")


def chosen(url: Url, **proxies: str) -> str | None:
    found = proxy_for(url, Settings(proxies=proxies))
    return None if found is None else found.origin


def test_none_by_itself() -> None:
    assert proxy_for(PLAIN, Settings()) is None


def test_the_setting_serves_all_and_beats_the_environment() -> None:
    settings = Settings(proxy="http://p:1", proxies={"http": "http://q:2", "no_proxy": "*"})
    for url in (PLAIN, SAFE):
        found = proxy_for(url, settings)
        assert found is not None
        assert found.origin == "http://p:1"
    assert proxy_for(PLAIN, Settings(proxy="", proxies={"http": "http://q:2"})) is None


@pytest.mark.fault("T05")
def test_each_scheme_has_its_own() -> None:
    both = {"http": "http://p:1", "https": "http://q:2"}
    assert chosen(PLAIN, **both) == "http://p:1"
    assert chosen(SAFE, **both) == "http://q:2"
    assert chosen(SAFE, http="http://p:1") is None
    assert chosen(SAFE, http="http://p:1", all="http://r:3") == "http://r:3"
    assert chosen(PLAIN, http="p:1") == "http://p:1"


def test_what_is_wrong_is_said_of_the_variable_that_is() -> None:
    for proxies, name in (({"http": "socks5://p"}, "http_proxy"), ({"all": "socks5://p"}, "all_proxy")):
        with pytest.raises(SettingsError, match=name):
            proxy_for(PLAIN, Settings(proxies=proxies))


@pytest.mark.fault("T05")
@pytest.mark.parametrize(
    ("url", "no_proxy", "passed"),
    [
        ("http://example.org/", "example.org", True),
        ("http://example.org/", "EXAMPLE.ORG", True),
        ("http://example.org/", f"example.org:{'8' * 5000}", False),
        ("http://www.example.org/", "example.org", True),
        ("http://www.example.org/", ".example.org", True),
        ("http://www.example.org/", "*.example.org", True),
        ("http://badexample.org/", "example.org", False),
        ("http://example.org.evil/", "example.org", False),
        ("http://example.org/", "other, example.org", True),
        ("http://example.org/", "other example.org", True),
        ("http://example.org/", "*", True),
        ("http://example.org/", "", False),
        ("http://example.org/", ".", False),
        ("http://example.org:8080/", "example.org:8080", True),
        ("http://example.org/", "example.org:8080", False),
        ("http://example.org/", "example.org:80", True),
        ("http://127.0.0.1/", "127.0.0.1", True),
        ("http://127.0.0.1/", "127.0.0.0/8", True),
        ("http://10.0.0.1/", "127.0.0.0/8", False),
        ("http://[::1]/", "::1", True),
        ("http://[::1]:80/", "[::1]:80", True),
        ("http://[::1]/", "::/0", True),
        ("http://127.0.0.1/", "example.org", False),
    ],
)
def test_no_proxy(url: str, no_proxy: str, passed: bool) -> None:
    assert (chosen(Url.parse(url), all="http://p:1", no_proxy=no_proxy) is None) == passed


@pytest.mark.parametrize(
    "address", ["socks5://user:secret@p", "http://user:secret@", "http://user:se cret@p", "http://us%3aer:secret@p"]
)
def test_an_address_that_is_none_is_said_without_its_secrets(address: str) -> None:
    with pytest.raises(SettingsError) as caught:
        proxy_for(PLAIN, Settings(proxy=address))
    assert "secret" not in str(caught.value)
    assert "cret" not in str(caught.value)
