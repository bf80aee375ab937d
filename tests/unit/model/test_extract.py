"""The wish: what its patterns mean, what it refuses, and its normal form."""

from __future__ import annotations

from typing import Any

import pytest

from dlm.model.extract import Extract, Extracted, Limits, single_name


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("bin/*", ["bin/a", "bin/.hidden"], ["bin", "bin/a/b", "x/bin/a", "Bin/a"]),
        ("bin/", ["bin/a", "bin/a/b"], ["bin", "binary/a"]),
        ("bin/**", ["bin/a", "bin/a/b", "bin"], ["x/bin/a"]),
        ("**/bin/*", ["bin/a", "x/y/bin/a"], ["bin/a/b"]),
        ("a/**/z", ["a/z", "a/b/z", "a/b/c/z"], ["a/b", "z", "b/a/z"]),
        ("**/a/**/b/**/c", ["a/b/c", "x/a/x/x/b/x/c", "a/a/b/b/c"], ["b/a/c", "a/c/b"]),
        ("**", ["a", "a/b"], []),
        ("*.py", ["a.py"], ["x/a.py", "a.pyc", "a_py"]),
        ("a?[xy][!z]", ["abxa", "a.yb"], ["abxz", "abzb", "abx", "a/xb"]),
        ("[a-c]", ["a", "b"], ["d", "B"]),
        ("a.b+c$", ["a.b+c$"], ["aXb+c$"]),
    ],
)
def test_patterns_mean_what_is_documented(pattern: str, yes: list[str], no: list[str]) -> None:
    wish = Extract(include=(pattern,))
    assert [path for path in yes if not wish.takes(path)] == []
    assert [path for path in no if wish.takes(path)] == []
    other = Extract(exclude=(pattern,))
    assert [path for path in yes if other.takes(path)] == []


def test_exclude_beats_include() -> None:
    wish = Extract(include=("bin/", "lib/*.so"), exclude=("**/*.debug",))
    assert wish.takes("bin/a")
    assert wish.takes("lib/x.so")
    assert not wish.takes("bin/a.debug")
    assert not wish.takes("README")


def test_no_pattern_takes_for_ever() -> None:
    path = "/".join(["a" * 200] * 100)
    assert not Extract(include=("**/" * 40 + "*a" * 50 + "b",)).takes(path)


@pytest.mark.parametrize(
    "wish",
    [
        {"strip": -1},
        {"strip": 65},
        {"strip": True},
        {"include": ("",)},
        {"include": ("/bin",)},
        {"include": ("a//b",)},
        {"exclude": ("../x",)},
        {"exclude": ("./x",)},
        {"include": ("a\\b",)},
        {"include": ("a**",)},
        {"include": ("/",)},
        {"member": ""},
        {"member": "a/"},
        {"member": "../a"},
        {"member": "/a"},
        {"member": "a", "strip": 1},
        {"member": "a", "include": ("a",)},
    ],
)
def test_a_wish_that_cannot_be_meant_is_refused(wish: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r".{20}"):
        Extract(**wish)


@pytest.mark.parametrize(
    ("wish", "request_"),
    [
        (Extract(), {}),
        (Extract(strip=1, include=("b", "a", "b")), {"include": ["a", "b"], "strip": 1}),
        (Extract(exclude=("docs/",)), {"exclude": ["docs/"]}),
        (Extract(member="./bin//tool"), {"member": "bin/tool"}),
    ],
)
def test_the_normal_form_is_sorted_and_short(wish: Extract, request_: dict[str, Any]) -> None:
    assert wish.request() == request_
    assert Extract.from_request(request_).request() == request_


@pytest.mark.parametrize(
    "found", [[], "x", {"strap": 1}, {"strip": "1"}, {"include": "a"}, {"member": 1}, {"include": [""]}]
)
def test_a_request_of_another_form_is_refused(found: object) -> None:
    with pytest.raises(ValueError, match=r".{10}"):
        Extract.from_request(found)


@pytest.mark.parametrize(
    ("name", "inner"),
    [
        ("iris.csv.gz", "iris.csv"),
        ("a.BZ2", "a"),
        ("tar.xz", "tar"),
        ("model.bin.zst", "model.bin"),
        ("pkg.tar.gz", None),
        ("PKG.TAR.ZST", None),
        ("pkg.tgz", None),
        ("pkg.zip", None),
        ("pkg", None),
        (".gz", None),
    ],
)
def test_the_name_tells_a_compressed_file(name: str, inner: str | None) -> None:
    assert single_name(name) == inner
    assert Extract().shape(name) == ("folder" if inner is None else "file")
    if inner is None:
        with pytest.raises(ValueError, match="no single compressed file"):
            Extract().file_name(name)
    else:
        assert Extract().file_name(name) == inner


def test_a_member_is_a_file_whatever_the_artifact_is_called() -> None:
    wish = Extract(member="pkg/bin/tool")
    assert wish.shape("pkg.zip") == "file"
    assert wish.file_name("pkg.zip") == "tool"


def test_what_came_out_is_written_and_read() -> None:
    for one in (Extracted(files=3, tree="a" * 64), Extracted(files=1, tree="b" * 64, executable=True)):
        assert Extracted.from_mapping(one.as_mapping()) == one
    assert Extracted(files=3, tree="a" * 64).as_mapping() == {"files": 3, "tree": "a" * 64}


@pytest.mark.parametrize(
    "found",
    [
        {},
        [],
        {"files": 1},
        {"files": "1", "tree": "a" * 64},
        {"files": -1, "tree": "a" * 64},
        {"files": True, "tree": "a" * 64},
        {"files": 1, "tree": "a"},
        {"files": 1, "tree": 5},
        {"files": 1, "tree": "a" * 64, "executable": 1},
        {"files": 1, "tree": "a" * 64, "more": 1},
    ],
)
def test_what_came_out_of_another_form_is_refused(found: object) -> None:
    with pytest.raises(ValueError, match=r".{10}"):
        Extracted.from_mapping(found)


def test_limits_say_what_is_wrong() -> None:
    limits = Limits(max_bytes=1000, max_ratio=10, free_bytes=100)
    assert limits.problem(100, 1) is None
    assert limits.problem(101, 1) == "more than 10 times its own size would come out of it"
    assert limits.problem(101, 11) is None
    assert limits.problem(1001, 1000) == "more than 1000 bytes would come out of it"
