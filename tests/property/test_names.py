"""Whatever a server sends: names and pages are read without an error, and nothing leads out of a page's folder."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dlm.model.url import Url
from dlm.resolve.python_org.listing import parse_listing
from dlm.resolve.python_org.names import ArtifactName, Sidecar, classify, release_of
from tests.support.python_org.records import records

NAMES = [record.name for record in records()]
PAGE = Url.parse("https://mirror.example.org/ftp/python/3.13.0/")

folders = st.sampled_from(["", "src", "3.13.0", "2.7", "pymanager", "3.14.0/amd64rc1"]) | st.text(max_size=20)
HREFS = (
    "../",
    "//evil/",
    "https://evil.example/",
    "javascript:x",
    "%2e%2e%2f",
    "%00",
    "%2F",
    "\\",
    "/ftp/python/",
    "?C=M",
)
MARKUP = (
    "<a href=",
    '"',
    "'",
    ">",
    "</a>",
    "<!--",
    "-->",
    "<script>",
    "</script>",
    "<base href='//evil/'>",
    "&#47;",
    "#",
)
REST = ("25-Mar-2019 20:59", "99-Mar-2019 99:99", "2019-02-31 00:00", " 17 ", "-", "[", "]", '{"name":', ",", "\x1b[2J")
bits = st.sampled_from((*HREFS, *MARKUP, *REST)) | st.sampled_from(NAMES)


@given(name=st.text(max_size=80) | st.sampled_from(NAMES), folder=folders)
def test_a_name_is_something_or_nothing(name: str, folder: str) -> None:
    found = classify(name, folder)
    if isinstance(found, ArtifactName):
        assert found.name == name
        assert release_of(found.version) is not None
    elif isinstance(found, Sidecar):
        assert name.startswith(found.of.removesuffix("_superceded"))


@given(name=st.sampled_from(NAMES), at=st.integers(0, 60), odd=st.text(min_size=1, max_size=3))
def test_a_name_with_something_in_it_is_read_whole(name: str, at: int, odd: str) -> None:
    changed = name[:at] + odd + name[at:]
    found = classify(changed)
    if found is not None:
        assert changed in {found.name, f"{found.name}/"}


@given(text=st.text(max_size=400) | st.lists(bits, max_size=60).map("".join))
def test_no_page_raises_or_leads_out(text: str) -> None:
    for entry in parse_listing(text, PAGE).entries:
        assert entry.name not in {"", ".", ".."}
        assert not set(entry.name) & set("/\\\x00\x1b\n")
        assert entry.size is None or entry.size >= 0


@given(names=st.lists(st.sampled_from(NAMES), unique=True, max_size=30), noise=st.lists(bits, max_size=5))
def test_links_stand_out_from_noise_behind_them(names: list[str], noise: list[str]) -> None:
    rows = "".join(f'<a href="{name}">x</a>  01-Jan-2020 10:00  5\r\n' for name in names)
    found = {entry.name for entry in parse_listing(rows + "".join(noise), PAGE).entries}
    assert {name.rstrip("/") for name in names} <= found
