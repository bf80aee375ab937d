"""Index pages: real ones of python.org, those of other servers, and hostile ones."""

from __future__ import annotations

import calendar
import json
import re

import pytest

from dlm.model.url import Url
from dlm.resolve.python_org.listing import MOST_CHARACTERS, MOST_ENTRIES, Entry, Listing, parse_listing
from dlm.resolve.python_org.names import classify
from tests.support.python_org.records import listing_page
from tests.support.python_org.site import index_page

ROOT = Url.parse("https://www.python.org/ftp/python/")
FOLDER = Url.parse("https://www.python.org/ftp/python/3.13.0/")


def minutes(*when: int) -> int:
    return calendar.timegm((*when, 0)) // 60


def names(text: str, url: Url = FOLDER) -> list[str]:
    return [entry.name for entry in parse_listing(text, url).entries]


@pytest.mark.parametrize(
    ("page", "below", "count", "first", "last"),
    [
        (
            "root-2019-01",
            "",
            133,
            Entry("2.0", True, minutes(2001, 8, 23, 14, 13), None),
            Entry("README.html", False, minutes(2001, 8, 6, 12, 34), 2378),
        ),
        (
            "root-2022-10",
            "",
            199,
            Entry("2.0", True, minutes(2019, 2, 14, 14, 53), None),
            Entry("README.html", False, minutes(2001, 8, 6, 12, 34), 2378),
        ),
        (
            "src-2022-10",
            "src/",
            30,
            Entry("Python-0.9.1.tar.gz", False, minutes(2015, 1, 12, 4, 15), 387150),
            Entry("subset1.2.tar.gz", False, minutes(2001, 6, 14, 1, 27), 939491),
        ),
        (
            "3.7.3-2022-10",
            "3.7.3/",
            48,
            Entry("amd64", True, minutes(2019, 3, 25, 23, 3), None),
            Entry("python373rc1.chm.asc", False, minutes(2019, 3, 12, 23, 12), 836),
        ),
    ],
)
def test_real_pages(page: str, below: str, count: int, first: Entry, last: Entry) -> None:
    text = listing_page(page)
    listing = parse_listing(text, ROOT.resolve(below))
    assert listing.complete
    assert len(listing.entries) == count == text.count("<a href=") - 1
    assert (listing.entries[0], listing.entries[-1]) == (first, last)
    assert all(entry.modified is not None for entry in listing.entries)
    assert all(entry.is_directory == (entry.size is None) for entry in listing.entries)
    assert all(classify(f"{entry.name}{'/' if entry.is_directory else ''}", below) for entry in listing.entries)


@pytest.mark.parametrize("page", ["root-2022-10", "3.7.3-2022-10", "src-2022-10"])
def test_the_stand_in_writes_the_same_page(page: str) -> None:
    text = listing_page(page)
    path = re.findall(r"Index of (\S+)</h1>", text)[0]
    entries = parse_listing(text, ROOT.resolve(path)).entries
    rows = [(entry.name + "/" * entry.is_directory, entry.modified or 0, entry.size) for entry in entries]
    # Two of the four pages were kept with line ends of their own.
    assert index_page(path, rows).splitlines() == text.splitlines()
    if page == "root-2022-10":
        assert index_page(path, rows) == text


def test_a_cut_text_does_not_matter() -> None:
    name = "python-3.14.0b3-x86_64-linux-android.tar.gz.sigstore"
    page = index_page("/ftp/python/3.14.0/", [(name, 29_000_000, 5)])
    assert "..&gt;</a> " in page
    assert parse_listing(page, ROOT.resolve("3.14.0/")).entries == (Entry(name, False, 29_000_000, 5),)


def test_apache_pages() -> None:
    page = """<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 3.2 Final//EN"><html><head><title>Index of /x</title></head><body>
    <table><tr><th><a href="?C=N;O=D">Name</a></th><th><a href="?C=M;O=A">Last modified</a></th></tr>
    <tr><td><img src="/icons/back.gif"></td><td><a href="/ftp/python/">Parent Directory</a></td><td>&nbsp;</td></tr>
    <tr><td><a href="amd64/">amd64/</a></td><td align="right">2024-10-07 15:31  </td><td align="right">  - </td></tr>
    <tr><td><a href="Python-3.13.0.tgz">Python-3.13..&gt;</a></td><td>2024-10-07 15:30  </td><td> 28M</td></tr>
    <tr><td><a href="Python-3.13.0.tgz.asc">…</a></td><td>2024-10-07 15:29  </td><td>833 </td></tr></table>"""
    assert parse_listing(page, FOLDER).entries == (
        Entry("amd64", True, minutes(2024, 10, 7, 15, 31), None),
        Entry("Python-3.13.0.tgz", False, minutes(2024, 10, 7, 15, 30), None),
        Entry("Python-3.13.0.tgz.asc", False, minutes(2024, 10, 7, 15, 29), 833),
    )


def test_json_lists_of_cnpm_mirrors() -> None:
    rows = [
        {"name": "3.13.0/", "type": "dir", "date": "2024-10-07T15:31:22Z", "size": "-", "url": "https://m.example/x/"},
        {"name": "a.tgz", "type": "file", "modified": "2024-10-07T15:30:00.000Z", "size": 17, "url": "//evil.example/"},
        {"name": "b.tgz", "type": "file", "size": True},
        {"name": "../c.tgz", "type": "file"},
        {"name": "d\x1b[2J", "type": "file"},
        {"name": 5},
        "e",
    ]
    expected = (
        Entry("3.13.0", True, minutes(2024, 10, 7, 15, 31), None),
        Entry("a.tgz", False, minutes(2024, 10, 7, 15, 30), 17),
        Entry("b.tgz", False, None, None),
    )
    assert parse_listing(json.dumps(rows), ROOT).entries == expected
    assert parse_listing(json.dumps(rows)[:-3], ROOT) == Listing(())
    assert parse_listing("[" * 100_000, ROOT) == Listing(())


@pytest.mark.parametrize(
    "href",
    [
        "a.tgz",
        "./a.tgz",
        "/ftp/python/3.13.0/a.tgz",
        "//www.python.org/ftp/python/3.13.0/a.tgz",
        "https://www.python.org/ftp/python/3.13.0/a.tgz",
        "https://WWW.python.org:443/ftp/python/3.13.0/a.tgz",
        "../3.13.0/a.tgz",
        "%61.tgz",
        "a&#46;tgz",
        "a.tgz#top",
        " a.tgz ",
    ],
)
def test_many_ways_to_write_one_link(href: str) -> None:
    assert names(f'<a href="{href}">a</a>') == ["a.tgz"]


@pytest.mark.fault("C06")
@pytest.mark.parametrize(
    "href",
    [
        "",
        "#top",
        "?C=M;O=A",
        "a.tgz?C=M",
        "../",
        "../a.tgz",
        "./",
        "/",
        "/a.tgz",
        "/ftp/python/3.13.1/a.tgz",
        "/ftp/python/3.13.0/amd64/a.tgz",
        "amd64/a.tgz",
        "..%2fa.tgz",
        "x%2fa.tgz",
        "x%5Ca.tgz",
        "%2e%2e/a.tgz",
        "%2e%2e%2fa.tgz",
        "a.tgz%00.txt",
        "%1b%5B2Ja.tgz",
        "a%0d%0a.tgz",
        "a%ff.tgz",
        "a%3A.tgz",
        "nul",
        "a.tgz%20",
        "//evil.example/ftp/python/3.13.0/a.tgz",
        "https://evil.example/ftp/python/3.13.0/a.tgz",
        "https://www.python.org.evil.example/ftp/python/3.13.0/a.tgz",
        "https://www.python.org@evil.example/ftp/python/3.13.0/a.tgz",
        "https://www.python.org:444/ftp/python/3.13.0/a.tgz",
        "http://www.python.org/ftp/python/3.13.0/a.tgz",
        "ftp://www.python.org/ftp/python/3.13.0/a.tgz",
        "file:///ftp/python/3.13.0/a.tgz",
        "javascript:a.tgz",
        "data:text/html,a.tgz",
        "mailto:a.tgz",
        "\\\\evil\\a.tgz",
        "a\tb.tgz",
    ],
)
def test_links_that_do_not_count(href: str) -> None:
    assert names(f'<a href="{href}">a.tgz</a> 01-Jan-2024 10:00 5') == []


@pytest.mark.fault("C06")
def test_base_is_not_obeyed() -> None:
    page = '<head><base href="https://evil.example/"></head><a href="a.tgz">a</a><a href="https://evil.example/b.tgz">b</a>'
    assert names(page) == ["a.tgz"]


def test_what_only_looks_like_a_link() -> None:
    assert names('<!-- <a href="a">a</a> --><a href="b">b</a>') == ["b"]
    assert names('<script>var x = "<a href=a>";</script><a href="b">b</a>') == ["b"]
    assert names("<title><a href='a'></title><a data-href='c' href=b>b</a>") == ["b"]
    assert names('<a name="x">a</a><A HREF=\'b\'>b</A> < 5 <a\nhref="c">') == ["b", "c"]
    assert names('<abbr href="a">a</abbr>') == []


def test_the_first_of_one_name_counts() -> None:
    page = '<a href="a">a</a> 01-Jan-2024 10:00 5\n<a href="a/">a</a> 01-Jan-2025 10:00 -'
    assert parse_listing(page, FOLDER).entries == (Entry("a", False, minutes(2024, 1, 1, 10, 0), 5),)


@pytest.mark.parametrize(
    "date", ["31-Feb-2024 10:00", "01-Jan-2024 24:00", "01-Xyz-2024 10:00", "00-Jan-2024 10:00", ""]
)
def test_no_date_is_none(date: str) -> None:
    assert parse_listing(f'<a href="a">a</a> {date}', FOLDER).entries[0].modified is None


@pytest.mark.fault("C06")
def test_a_huge_page_is_bounded() -> None:
    many = "".join(f'<a href="f{number}">f</a>\n' for number in range(MOST_ENTRIES + 5))
    listing = parse_listing(many, FOLDER)
    assert (len(listing.entries), listing.complete) == (MOST_ENTRIES, False)
    outside = parse_listing('<a href="//evil.example/">x</a>' * (MOST_ENTRIES + 5) + '<a href="a">', FOLDER)
    assert outside == Listing((), complete=False)
    long = parse_listing('<a href="a">a</a>' + " " * MOST_CHARACTERS + '<a href="b">b</a>', FOLDER)
    assert ([entry.name for entry in long.entries], long.complete) == (["a"], False)


@pytest.mark.fault("C06")
@pytest.mark.parametrize(
    "piece", ['<a "', "<a '", "<", "<!--", "<script>", "<a href=", "<a href='", "<b", "</", "<a>", "&lt;", '<a href="&']
)
def test_repetition_ends(piece: str) -> None:
    assert parse_listing('<a href="a">a</a>' + piece * 100_000, FOLDER).entries[0].name == "a"
