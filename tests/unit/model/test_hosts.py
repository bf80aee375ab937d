"""Which entry of ``hosts`` serves a URL: a credential is bound to its origin."""

from __future__ import annotations

import pytest

from dlm.model.hosts import ClientCertificate, HostSettings, client_certificate, entry_for, is_safe
from dlm.model.url import Url


@pytest.mark.promise(7)
@pytest.mark.parametrize(
    ("key", "url", "hit"),
    [
        ("example.org", "https://example.org/", True),
        ("example.org", "https://example.org:443/", True),
        ("example.org", "http://example.org/", False),
        ("example.org", "https://example.org:8443/", False),
        ("example.org", "https://sub.example.org/", False),
        ("example.org:8443", "https://example.org:8443/", True),
        ("example.org:8443", "http://example.org:8443/", False),
        ("http://example.org", "http://example.org/", True),
        ("http://example.org:8080", "http://example.org:8080/", True),
        ("http://example.org", "https://example.org/", False),
        ("*.example.org", "https://a.b.example.org/", True),
        ("*.example.org", "https://example.org/", False),
        ("*.example.org", "http://a.example.org/", False),
        ("*.example.org", "https://a.example.org:8443/", False),
        ("127.0.0.1", "http://127.0.0.1:8080/", True),
        ("127.0.0.1", "http://127.0.0.2:8080/", False),
        ("localhost", "https://localhost:8443/", True),
        ("[::1]", "http://[::1]:8080/", True),
        ("127.evil.example.org", "http://127.evil.example.org/", False),
    ],
)
def test_what_an_entry_is_for(key: str, url: str, hit: bool) -> None:
    assert (entry_for(Url.parse(url), {key: HostSettings()}) is not None) == hit


def test_the_most_specific_entry_counts() -> None:
    keys = ("https://h.example.org", "h.example.org", "*.example.org", "*.org")
    hosts = {key: HostSettings(user=key) for key in keys}
    for key in keys:
        found = entry_for(Url.parse("https://h.example.org/"), hosts)
        assert found == HostSettings(user=key)
        del hosts[key]


def test_a_certificate_is_shown_over_tls_alone() -> None:
    client = ClientCertificate("c.pem")
    hosts = {"localhost": HostSettings(client=client)}
    assert client_certificate(Url.parse("https://localhost/"), hosts) == client
    assert client_certificate(Url.parse("http://localhost/"), hosts) is None


def test_where_nobody_reads_along() -> None:
    assert is_safe(Url.parse("https://example.org/"))
    assert is_safe(Url.parse("http://127.0.0.1/"))
    assert not is_safe(Url.parse("http://example.org/"))


def test_no_secret_shows() -> None:
    entry = HostSettings(
        user="s3cret", password="s3cret", token="s3cret", headers={"a": "s3cret"}, helper=("x", "s3cret")
    )
    assert "s3cret" not in repr(entry)
