"""The quick way through the URL parser gives what the rules give, for whatever text."""

from __future__ import annotations

import ipaddress

from hypothesis import example, given
from hypothesis import strategies as st

from dlm.model.url import Url, has_userinfo

AUTHORITIES = (
    "example.org",
    "EXAMPLE.org.",
    "a_b-c.example:8443",
    "127.0.0.1:80",
    "127.1",
    "0x7f.1",
    "[2001:DB8::1]:443",
    "[::1",
    "::1",
    "-a.example",
    "a..b",
    "a:b",
    "a:99999",
    "a:",
    "",
    "u:p@h",
    "bücher.example",
)
PIECES = (
    "/",
    "//",
    ".",
    "..",
    "a",
    "B.bin",
    "~x",
    "%41",
    "%00",
    "${X}",
    "$",
    "{",
    "?",
    "#",
    "&",
    "=",
    "@",
    ":",
    " ",
    "é",
)

texts = st.one_of(
    st.builds(
        lambda scheme, authority, pieces: f"{scheme}://{authority}{''.join(pieces)}",
        st.sampled_from(("http", "https", "HTTPS", "ftp")),
        st.sampled_from(AUTHORITIES),
        st.lists(st.sampled_from(PIECES), max_size=8),
    ),
    st.text(max_size=30),
)
references = st.lists(st.sampled_from(PIECES), max_size=6).map("".join) | st.text(max_size=12)


def parsed(parse: object, text: str) -> object:
    """What comes of it: the address with all of its parts, or why there is none."""
    assert callable(parse)
    try:
        url = parse(text)
    except ValueError as error:
        return str(error)
    return url, url.userinfo


@given(texts)
@example("http://127.0.0.1:8099/b/000000.bin")
@example("https://example.org/a/.hidden/..")
@example("https://example.org/a\n")
def test_a_plain_address_is_read_as_any_other(text: str) -> None:
    assert parsed(Url.parse, text) == parsed(Url._parse_any, text)


@given(texts, references)
@example("https://user@example.org/b/?q", "c/d.bin")
def test_a_plain_reference_is_resolved_as_any_other(text: str, reference: str) -> None:
    try:
        base = Url.parse(text)
    except ValueError:
        return
    assert parsed(base.resolve, reference) == parsed(base._resolve_any, reference)


@given(texts)
def test_credentials_are_seen_without_reading_all_of_an_address(text: str) -> None:
    assert parsed_userinfo(text) == userinfo(text)


def userinfo(text: str) -> object:
    try:
        return Url._parse_any(text).userinfo is not None
    except ValueError as error:
        return str(error)


def parsed_userinfo(text: str) -> object:
    try:
        return has_userinfo(text)
    except ValueError as error:
        return str(error)


@given(
    st.lists(st.sampled_from(("0", "1", "9", "00", "01", "10", "99", "100", "199", "255", "256", "1000")), max_size=6)
)
@example(["127", "0", "0", "1"])
@example(["127", "0", "0", "1", ""])
def test_an_ipv4_address_is_what_the_library_takes_for_one(numbers: list[str]) -> None:
    host = ".".join(numbers)
    try:
        wanted: str | None = str(ipaddress.IPv4Address(host))
    except ValueError:
        wanted = None
    try:
        assert Url.parse(f"http://{host}/").host == wanted
    except ValueError:
        assert wanted is None
