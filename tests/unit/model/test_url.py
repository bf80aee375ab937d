"""One parser for every address: canonical form, what is refused, references (RFC 3986, RFC 9110 4.2)."""

from __future__ import annotations

import pytest

from dlm.model.url import Url, secret_parameters


@pytest.mark.fault("Y16")
@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("HTTPS://Example.ORG/a", "https://example.org/a"),
        ("https://example.org", "https://example.org/"),
        ("https://example.org?x=1", "https://example.org/?x=1"),
        ("https://example.org:443/", "https://example.org/"),
        ("http://example.org:0080/", "http://example.org/"),
        ("http://example.org:443/", "http://example.org:443/"),
        ("https://example.org:/a", "https://example.org/a"),
        ("https://example.org/a/./b/../c", "https://example.org/a/c"),
        ("https://example.org/../../a", "https://example.org/a"),
        ("https://example.org/a/%2e%2E/b", "https://example.org/b"),
        ("https://example.org/a/..", "https://example.org/"),
        ("https://example.org//a//b/", "https://example.org//a//b/"),
        ("https://example.org/%41%7e%2f%c3%a9", "https://example.org/A~%2F%C3%A9"),
        ("https://example.org/é%", "https://example.org/%C3%A9%25"),
        ("https://example.org/a[1]{2}", "https://example.org/a%5B1%5D%7B2%7D"),
        ("https://example.org/a?b[]=c%20d&e=%zz", "https://example.org/a?b[]=c%20d&e=%25zz"),
        ("https://example.org/a#fragment?no", "https://example.org/a"),
        ("https://example.org#@evil.example/", "https://example.org/"),
        ("https://bücher.example/", "https://xn--bcher-kva.example/"),
        ("https://BÜCHER.example./", "https://xn--bcher-kva.example/"),
        ("https://\uff11\uff12\uff17\uff0e\uff10\uff0e\uff10\uff0e\uff11/", "https://127.0.0.1/"),
        ("https://[2001:DB8:0:0::1]:8443/", "https://[2001:db8::1]:8443/"),
        ("https://[::ffff:127.0.0.1]/", "https://[::ffff:7f00:1]/"),
        ("https://example.org/${DLM_AUTH_X}/a?t=${DLM_AUTH_T}", "https://example.org/${DLM_AUTH_X}/a?t=${DLM_AUTH_T}"),
        ("https://example.org/$%7BX%7D", "https://example.org/$%7BX%7D"),
        ("https://user:p%40ss@example.org/a", "https://example.org/a"),
    ],
)
def test_canonical_form(text: str, canonical: str) -> None:
    url = Url.parse(text)
    assert str(url) == canonical
    assert str(Url.parse(canonical)) == canonical


@pytest.mark.fault("Y16")
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "an empty URL"),
        ("example.org/a", "not an absolute URL"),
        ("//example.org/a", "not an absolute URL"),
        ("file:///etc/passwd", "only http and https are fetched, not file:"),
        ("ftp://example.org/", "not ftp:"),
        ("javascript:alert(1)", "not javascript:"),
        ("http:example.org", "is followed by two slashes and a host"),
        ("http:/example.org/", "two slashes"),
        ("https:///a", "the host is missing"),
        ("https://:443/", "the host is missing"),
        ("http://a@b@c/", "more than one @"),
        ("http://[", "an IPv6 address stands in brackets"),
        ("http://[::1", "in brackets"),
        ("http://[::1]x/", "in brackets"),
        ("http://::1/", "in brackets"),
        ("http://[::1%25eth0]/", "has no zone|is not an IPv6 address"),
        ("http://[1.2.3.4]/", "is not an IPv6 address"),
        ("https://example.org:0/", "the port is not a number"),
        ("https://example.org:65536/", "the port is not a number"),
        ("https://example.org:8o/", "the port is not a number"),
        ("https://example.org:\u0661/", "the port is not a number"),
        ("https://exa mple.org/", "no blanks"),
        ("https://example.org/a b", "no blanks and no control characters; write them as %20"),
        ("https://example.org/\x1b[2J", "no blanks and no control characters"),
        ("https://example.org/a\nb", "no blanks and no control characters"),
        ("https://example.org\\@evil.example/", r"does not hold the character '\\\\'"),
        ("https://example.org/\ud800", "does not hold the character"),
        ("https://example.org/%00", "does not hold %00"),
        ("https://example.org/?a=%0d%0aSet", "does not hold %0d"),
        ("https://${HOST}/", r"without escapes or \$\{NAME\}"),
        ("https://ex%61mple.org/", "without escapes"),
        ("https://-a.example/", "is not a host name"),
        ("https://a..example/", "is not a host name"),
        ("https://" + "a" * 64 + ".example/", "is not a host name"),
        ("https://" + "a." * 130 + "example/", "is not a host name"),
        ("http://0x7f.1/", "is not an IPv4 address of four decimal numbers"),
        ("http://2130706433/", "is not an IPv4 address"),
        ("http://010.0.0.1/", "is not an IPv4 address"),
        ("http://1.2.3.4./", "is not an IPv4 address"),
        ("https://\u200d.example/", "is not a host name"),
    ],
)
def test_what_two_libraries_could_read_differently_is_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Url.parse(text)


def test_a_password_cut_short_by_a_slash_is_not_repeated() -> None:
    with pytest.raises(ValueError, match="port") as caught:
        Url.parse("https://user:hun/ter2@example.org/")
    assert "hun" not in str(caught.value)


@pytest.mark.promise(7)
def test_user_info_and_query_stay_out_of_what_is_shown() -> None:
    url = Url.parse("https://user:hunter2@example.org/a?token=hunter3")
    assert url.userinfo == "user:hunter2"
    assert "hunter2" not in repr(url) + str(url)
    assert url.redacted == "https://example.org/a"
    assert url.origin == "https://example.org"


def test_ports() -> None:
    assert Url.parse("https://example.org").effective_port == 443
    assert Url.parse("http://example.org:8080").effective_port == 8080
    assert Url.parse("http://[::1]:8080/").netloc == "[::1]:8080"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("https://example.org/a/b.tar.gz?x=y/z", "b.tar.gz"),
        ("https://example.org/a/", ""),
        ("https://example.org", ""),
        ("https://example.org/a%20b%C3%A9", "a bé"),
        ("https://example.org/a%2Fb", "a/b"),
        ("https://example.org/%FF", "%FF"),
        ("https://example.org/a+b", "a+b"),
    ],
)
def test_the_file_name_is_the_last_segment(text: str, name: str) -> None:
    assert Url.parse(text).filename == name


# RFC 3986 5.4, without the cases whose scheme is not http, on the base given there.
REFERENCES = {
    "g": "http://a/b/c/g", "./g": "http://a/b/c/g", "g/": "http://a/b/c/g/", "/g": "http://a/g", "//g": "http://g/",
    "?y": "http://a/b/c/d;p?y", "g?y": "http://a/b/c/g?y", "#s": "http://a/b/c/d;p?q", "g#s": "http://a/b/c/g",
    "g?y#s": "http://a/b/c/g?y", ";x": "http://a/b/c/;x", "g;x": "http://a/b/c/g;x", "": "http://a/b/c/d;p?q",
    ".": "http://a/b/c/", "./": "http://a/b/c/", "..": "http://a/b/", "../": "http://a/b/", "../g": "http://a/b/g",
    "../..": "http://a/", "../../g": "http://a/g", "../../../g": "http://a/g", "/./g": "http://a/g",
    "/../g": "http://a/g", "g.": "http://a/b/c/g.", ".g": "http://a/b/c/.g", "g..": "http://a/b/c/g..",
    "./../g": "http://a/b/g", "./g/.": "http://a/b/c/g/", "g/./h": "http://a/b/c/g/h", "g/../h": "http://a/b/c/h",
    "g;x=1/./y": "http://a/b/c/g;x=1/y", "g?y/../x": "http://a/b/c/g?y/../x",
    " g h ": "http://a/b/c/g%20h", "é": "http://a/b/c/%C3%A9", "https://b/x": "https://b/x", "g?": "http://a/b/c/g?",
}  # fmt: skip


@pytest.mark.fault("R02")
@pytest.mark.parametrize(("reference", "target"), REFERENCES.items())
def test_references_resolve_by_the_rfc(reference: str, target: str) -> None:
    assert str(Url.parse("http://user:password@a/b/c/d;p?q").resolve(reference)) == target


@pytest.mark.parametrize("reference", ["javascript:x", "file:///x", "///x", "http:x", "a\x00b", "\\\\evil", "%00"])
def test_references_that_lead_nowhere(reference: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Url.parse("https://example.org/a/").resolve(reference)


def test_credentials_are_not_inherited_by_a_reference() -> None:
    assert Url.parse("https://user:pw@example.org/a").resolve("b").userinfo is None


@pytest.mark.fault("S03")
@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("token=abc", ("token",)),
        ("X-Amz-Signature=abc&x=1&X-Amz-Credential=d", ("X-Amz-Signature", "X-Amz-Credential")),
        ("sv=2022&sig=abc%3D", ("sig",)),
        ("token=${DLM_AUTH_T}", ()),
        ("token=abc${DLM_AUTH_T}", ("token",)),
        ("token=", ()),
        ("page=2&tokens=3", ()),
        (None, ()),
    ],
)
def test_secrets_in_queries_are_known_by_name(query: str | None, names: tuple[str, ...]) -> None:
    assert secret_parameters(query) == names
