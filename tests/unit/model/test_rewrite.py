"""Rewrite rules: what they match, and what they put in its place."""

from __future__ import annotations

import re

import pytest

from dlm.model.rewrite import RewriteRule, first_match
from dlm.model.url import Url

SHA256 = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("match", "url", "hit"),
    [
        ("https://example.org", "https://example.org/x", True),
        ("https://EXAMPLE.org/", "https://example.org/x", True),
        ("https://example.org", "https://example.org.evil.example/x", False),
        ("https://example.org", "http://example.org/x", False),
        ("*://example.org", "http://example.org/x", True),
        ("*", "http://example.org:8080/x", True),
        ("https://example.org/data/", "https://example.org/data/a/b", True),
        ("https://example.org/data/", "https://example.org/database", False),
        ("https://*.example.org/", "https://cdn.example.org/x", True),
        ("https://*.example.org/", "https://evil.example/?.example.org/", False),
        ("https://*.example.org/", "https://evil.example/.example.org/", False),
        ("https://example.org/*.zip", "https://example.org/a/b.zip", True),
        ("https://example.org/*.zip", "https://example.org/a/b.tar", False),
        (r"^https://(a|b)\.example/", "https://b.example/x", True),
        (r"^https://(a|b)\.example/", "https://c.example/x", False),
        (r"^/x", "https://c.example/x", False),
        # A rule is held against the canonical form of an address, however either is written.
        ("https://example.org./", "https://example.org/x", True),
        ("https://example.org/", "https://example.org./x", True),
        ("https://example.org:443/", "https://example.org/x", True),
        ("https://example.org:443/", "https://example.org:8443/x", False),
        ("http://example.org:443/", "http://example.org:443/x", True),
        ("https://example.org:8443", "https://example.org:8443/x", True),
        ("*://example.org:443/", "https://example.org/x", True),
        ("*://example.org:443/", "http://example.org:443/x", True),
        ("*://example.org:443/", "http://example.org/x", False),
        ("*://[::1]:80/", "http://[::1]/x", True),
        ("*://[::1]:80/", "https://[::1]/x", False),
        ("*://*.example.org:80/", "http://a.example.org/x", True),
        ("https://[0:0::1]/", "https://[::1]/x", True),
        ("http://127.0.0.1*", "http://127.0.0.1:8080/x", True),
        ("http://localhost:*/", "http://localhost:8080/x", True),
        ("https://bücher.example/", "https://xn--bcher-kva.example/x", True),
        ("https://*.bücher.example/", "https://a.bücher.example/x", True),
        ("https://example.org/dé/", "https://example.org/d%c3%a9/x", True),
        ("https://example.org/d%c3%a9/", "https://example.org/dé/x", True),
        ("https://example.org/%7Eme/", "https://example.org/~me/x", True),
        ("https://example.org/my dir/*", "https://example.org/my%20dir/x", True),
        ("https://example.org/?q=é*", "https://example.org/?q=%c3%a9&more", True),
        ("https://example.org/${X}/", "https://example.org/${X}/x", True),
    ],
)
def test_patterns(match: str, url: str, hit: bool) -> None:
    rule = RewriteRule.of(match, ("https://m.corp/",))
    assert bool(rule.sources(Url.parse(url), None)) == hit


@pytest.mark.parametrize(
    ("match", "words"),
    [
        ("https://user:pw@example.org/", "no credentials"),
        ("https://example.org/a/../b", "no . or .."),
        ("https://example.org/a#b", "no #"),
        ("https://exa mple.org/", "not a host name"),
        ("https://example.org/%00", "%00"),
        ("https://256.0.0.1/", "not an IPv4 address"),
    ],
)
def test_what_no_address_can_match_is_refused(match: str, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        RewriteRule.of(match, (), "block")


@pytest.mark.parametrize(
    ("match", "template", "filled"),
    [
        ("*", "https://m.corp/{host}/{path}", "https://m.corp/example.org/a/b%20c.zip?v=1"),
        ("*", "https://m.corp/{filename}", "https://m.corp/b%20c.zip"),
        ("*", "https://m.corp/{sha256:2}/{sha256}", f"https://m.corp/01/{SHA256}"),
        ("https://example.org/a/*", "https://m.corp/{1}", "https://m.corp/b%20c.zip?v=1"),
        ("^https://(ex)(am)?(no)?", "https://m.corp/{1}-{2}-{3}", "https://m.corp/ex-am-"),
        ("*", "https://${DLM_AUTH_X}.corp/", "https://${DLM_AUTH_X}.corp/"),
    ],
)
def test_templates(match: str, template: str, filled: str) -> None:
    rule = RewriteRule.of(match, (template,))
    assert rule.sources(Url.parse("https://example.org/a/b c.zip?v=1".replace(" ", "%20")), SHA256) == (filled,)


def test_an_address_that_names_the_digest_is_left_out_where_none_is_known() -> None:
    rule = RewriteRule.of("*", ("https://m.corp/{sha256}", "https://n.corp/{path}"))
    assert rule.sources(Url.parse("https://example.org/x"), None) == ("https://n.corp/x",)


@pytest.mark.promise(7)
def test_a_reference_of_the_address_is_carried_nowhere() -> None:
    rule = RewriteRule.of("*", ("https://m.corp/{path}", "https://m.corp/{1}"))
    assert rule.sources(Url.parse("https://example.org/x?t=${DLM_AUTH_T}"), None) == (
        "https://m.corp/example.org",
    ) or (rule.sources(Url.parse("https://example.org/x?t=${DLM_AUTH_T}"), None) == ())


def test_the_first_rule_that_has_something_to_offer_counts() -> None:
    url = Url.parse("https://example.org/x")
    cas = RewriteRule.of("https://example.org/", ("https://cas.corp/{sha256}",))
    near = RewriteRule.of("*", ("https://m.corp/{path}",))
    block = RewriteRule.of("*", ("https://cas.corp/{sha256}",), "block")
    assert first_match((cas, near), url, SHA256) == (cas, 1)
    assert first_match((cas, near), url, None) == (near, 2)
    assert first_match((block, near), url, None) == (block, 1)
    assert first_match((cas,), Url.parse("https://other.example/"), SHA256) is None


@pytest.mark.parametrize(
    ("match", "to", "words"),
    [
        ("example.org", ("https://m/",), "match begins with"),
        ("^(", ("https://m/",), "no regular expression"),
        ("*", ("https://m/{hots}",), "{hots} has no meaning"),
        ("*", ("https://m/{sha256:65}",), "has no meaning"),
        ("^x", ("https://m/{1}",), "has no meaning"),
        ("*", ("ftp://m/",), "begins with https://"),
        ("*", ("https://u:p@m/",), "without credentials"),
        ("*", (), "origin: block alone"),
    ],
)
def test_what_makes_no_sense(match: str, to: tuple[str, ...], words: str) -> None:
    with pytest.raises(ValueError, match=words.replace("{", r"\{")):
        RewriteRule.of(match, to)
