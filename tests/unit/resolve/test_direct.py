"""Resources that say themselves where their bytes are."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from dlm.errors import ResolutionError
from dlm.model.digest import Digests
from dlm.model.manifest import FileWish, Resource, Variant, implied_vars
from dlm.resolve.direct import artifacts

PIN = Digests.sha256_of(b"bytes")


def one(**fields: Any) -> Any:
    (found,) = artifacts(Resource(name="r", **fields))
    return found


@pytest.mark.parametrize(
    ("url", "dest", "filename", "place"),
    [
        ("https://example.org/a/b.txt", "", "b.txt", "b.txt"),
        ("https://example.org/a/b.txt", "x/", "b.txt", "x/b.txt"),
        ("https://example.org/a/b.txt", "x/y", "b.txt", "x/y"),
        ("https://example.org/", "x/y", "y", "x/y"),
        ("https://example.org/a%20b", "", "a b", "a b"),
        ("https://example.org/a%2Fb", "x/y", "y", "x/y"),
        ("https://example.org/a%1B%5B2J", "x/y", "y", "x/y"),
        ("https://example.org/NUL", "x/y", "y", "x/y"),
    ],
)
def test_the_name_of_the_file_and_its_place(url: str, dest: str, filename: str, place: str) -> None:
    found = one(url=url, dest=dest)
    assert (found.filename, found.dest) == (filename, place)


def test_a_plain_address() -> None:
    found = one(
        url="https://example.org/{version}/a.{ext}?k=${DLM_AUTH_K}", version="1.2", vars={"ext": "gz"}, digests=PIN,
        size=5, mirrors=("https://mirror.example/{version}.{ext}",), headers={"X-A": "${DLM_AUTH_A}"}, executable=True,
    )  # fmt: skip
    assert found.url == "https://example.org/1.2/a.gz?k=${DLM_AUTH_K}"
    assert found.mirrors == ("https://mirror.example/1.2.gz",)
    assert (found.version, found.platform, found.size, found.digests) == ("1.2", None, 5, PIN)
    assert found.headers == {"X-A": "${DLM_AUTH_A}"}
    assert found.executable


def test_each_platform_has_what_differs() -> None:
    other = Digests.sha256_of(b"other")
    linux = Variant(platform="linux-x86_64", vars=implied_vars("linux-x86_64"), digests=PIN, size=1)
    macos = Variant(platform="macos-arm64", vars={"os": "darwin", "arch": "arm64"}, digests=other)
    own = Variant(platform="windows", vars=implied_vars("windows"), url="https://example.org/win-{version}.zip")
    found = artifacts(
        Resource(
            name="tool", url="https://example.org/tool-{os}-{arch}", version="3", dest="bin/", size=9,
            platforms=(linux, macos, own), mirrors=("https://mirror.example/{os}",),
        )
    )  # fmt: skip
    assert [(a.platform, a.url, a.dest, a.size) for a in found] == [
        ("linux-x86_64", "https://example.org/tool-linux-x86_64", "bin/tool-linux-x86_64", 1),
        ("macos-arm64", "https://example.org/tool-darwin-arm64", "bin/tool-darwin-arm64", 9),
        ("windows", "https://example.org/win-3.zip", "bin/win-3.zip", 9),
    ]
    assert [a.digests for a in found] == [PIN, other, Digests()]
    assert found[1].mirrors == ("https://mirror.example/darwin",)


def test_many_files_below_one_address() -> None:
    names = ("a.txt", "sub/b c.txt", "100%.txt", "a+b#c.txt", "é")
    found = artifacts(
        Resource(
            name="many", base="https://example.org/d/{version}/", version="1", dest="x/",
            files=tuple(FileWish(name=name, digests=PIN) for name in names), mirrors=("https://mirror.example/m/",),
        )
    )  # fmt: skip
    assert [a.url for a in found] == [
        "https://example.org/d/1/a.txt",
        "https://example.org/d/1/sub/b%20c.txt",
        "https://example.org/d/1/100%25.txt",
        "https://example.org/d/1/a+b%23c.txt",
        "https://example.org/d/1/%C3%A9",
    ]
    assert [a.dest for a in found] == [f"x/{name}" for name in names]
    assert [a.filename for a in found] == ["a.txt", "b c.txt", "100%.txt", "a+b#c.txt", "é"]
    assert found[1].mirrors == ("https://mirror.example/m/sub/b%20c.txt",)
    assert {a.digests for a in found} == {PIN}


@pytest.mark.promise(7)
def test_literal_credentials_become_a_header_and_leave_the_address() -> None:
    found = one(url="https://example.org/a", userinfo="us%40er:p%3Ass")
    assert found.url == "https://example.org/a"
    assert found.headers == {"Authorization": "Basic " + base64.b64encode(b"us@er:p:ss").decode()}
    assert "p:ss" not in repr(found)
    own = one(url="https://example.org/a", userinfo="user:pw", headers={"authorization": "Bearer x"})
    assert own.headers == {"authorization": "Bearer x"}


def test_credentials_of_the_environment_stay_as_written() -> None:
    text = "https://${DLM_AUTH_U}:${DLM_AUTH_P}@example.org/a"
    assert one(url=text).url == text
    (below,) = artifacts(Resource(name="r", base=text.removesuffix("a"), files=(FileWish(name="x"),)))
    assert below.url == "https://${DLM_AUTH_U}:${DLM_AUTH_P}@example.org/x"


def test_what_a_lockfile_may_hold_and_no_manifest() -> None:
    with pytest.raises(ResolutionError, match=r"r: \{x\} has no value") as caught:
        one(url="https://example.org/{x}")
    assert caught.value.hint == "edit the resource in the manifest"
