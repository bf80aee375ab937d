"""Long lockfiles are read file by file, short ones value by value: nobody can tell which it was."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dlm.documents import lockfile_json, lockfile_plain
from dlm.documents.lockfile_json import read_lockfile, write_lockfile
from dlm.documents.lockfile_plain import PlainArtifacts
from dlm.errors import LockfileError
from dlm.model.artifact import KEPT_HEADERS
from dlm.model.digest import Digest, Digests
from dlm.model.frozen import replace
from dlm.model.lockfile import LockedArtifact, LockEntry, Lockfile

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=300)

names = st.sampled_from(
    ["a.tar.gz", "a-1.0.whl", "CON", "con.txt", "connect", "lpt1", "lpt10", ".x", "x.", "a b", "ü", "~", "a~b", "a+_=",
     "n" * 254, "n" * 255, ".git", "git~1", "_.git"]
)  # fmt: skip
folders = st.sampled_from(
    [
        "",
        "d/",
        "d/e/",
        "./",
        "../",
        "/",
        "d//",
        "con/",
        "é/",
        "a b/",
        " /",
        "d" * 255 + "/",
        "~/",
        ".git/",
        "d/.GIT/hooks/",
        "git~1/",
        ".github/",
    ]
)
hosts = st.sampled_from(
    ["https://h.example", "http://127.0.0.1:8080", "https://H.example:443", "https://u:p@h.example", "ftp://h.example",
     "https://[::1]:8", "https://h_.example:0", "https://-h", "HTTPS://h.example", "https://1.2.3"]
)  # fmt: skip
paths = st.sampled_from(
    ["", "/", "/a/b.tar.gz", "/a@b", "/a%20b", "/./a", "/a?b", "/a#b", "/a b", "/${A}", "/ä", "/%zz"]
)
urls = st.builds("{}{}".format, hosts, paths)
texts = st.sampled_from(["linux-x86_64", "1.0", "", " ", "ü", '"', "\\", "a\tb", "\x7f", "NaN", "x" * 30])
values = st.sampled_from(
    ['"6b026bfd-1000"', 'W/"a"', "4096", "", "ü", "a\\b", "\\", '"', '\\"', "a\x01", "NaN", "a: b"]
)
digests = st.sampled_from(
    [
        Digests.sha256_of(b"a"),
        Digests.sha256_of(b"b"),
        Digests((Digest("sha256", "0" * 64), Digest("sha512", "1" * 128))),
        Digests((Digest("sha512", "1" * 128),)),
    ]
)
evidence = st.sampled_from([{"kind": "manifest-digest"}, {}, {"kind": ["a", {"b": 1.5}]}, {"]": "\n    ]"}])
artifacts = st.builds(
    LockedArtifact,
    filename=names,
    url=urls,
    dest=st.builds("{}{}".format, folders, names),
    size=st.sampled_from([0, 1, 4096, 10**18, 10**19, 10**20]),
    digests=digests,
    platform=st.none() | texts,
    version=st.none() | texts,
    final_url=st.none() | urls,
    verified=st.booleans(),
    headers=st.dictionaries(st.sampled_from(KEPT_HEADERS), values, max_size=3),
    evidence=st.lists(evidence, max_size=2).map(tuple),
    extra=st.sampled_from([{}, {}, {}, {"new": 1}]),
)
plain = st.builds(
    LockedArtifact,
    filename=st.sampled_from(["a.bin", "b.bin"]),
    url=st.sampled_from(["https://h.example/a.bin", "http://127.0.0.1:8080/x/b.bin"]),
    dest=st.sampled_from(["a.bin", "d/b.bin", "d/e/c.bin"]),
    size=st.integers(0, 9999),
    digests=digests.filter(lambda found: len(found) == 1 and bool(found.sha256)),
    platform=st.none() | st.just("linux-x86_64"),
    version=st.none() | st.just("1.0"),
    final_url=st.none() | st.just("https://cdn.example/"),
    verified=st.booleans(),
    headers=st.dictionaries(st.sampled_from(KEPT_HEADERS), st.sampled_from(['"e"', "4096", "a: b"]), max_size=3),
    evidence=st.lists(st.just({"kind": "manifest-digest"}), max_size=2).map(tuple),
)
entries = st.builds(
    LockEntry,
    name=st.just(""),
    request=st.sampled_from([{}, {"url": "https://h.example/"}, {"body": {"artifacts": [1]}}, {"artifacts": []}]),
    artifacts=st.lists(plain, min_size=1, max_size=4).map(tuple)
    | st.lists(plain | artifacts, min_size=1, max_size=4).map(tuple),
    extra=st.sampled_from([{}, {}, {}, {"more": [{"artifacts": []}]}]),
)


def spread(entries: dict[str, LockEntry]) -> dict[str, LockEntry]:
    """The same, with a place of its own for each file, without which they are refused and nothing is compared."""
    seen: set[str] = set()
    found: dict[str, LockEntry] = {}
    for name, entry in entries.items():
        moved: list[LockedArtifact] = []
        for one in entry.artifacts:
            dest = f"p{len(seen)}/{one.dest}" if one.dest in seen else one.dest
            seen.add(dest)
            moved.append(replace(one, dest=dest))
        found[name] = replace(entry, artifacts=tuple(moved))
    return found


lockfiles = st.builds(
    lambda named, revision, apart: Lockfile(entries=spread(named) if apart else named, revision=revision),
    st.dictionaries(st.sampled_from(["one", "two", "Three", "con"]), entries, max_size=3),
    st.sampled_from([0, 0, 1]),
    st.sampled_from([True, True, True, False]),
)
SNIPPETS = st.sampled_from(
    ["", "NaN", "Infinity", '"', "\\", "\\ud800", "\n", "\r\n", " ", ",", "{", "}", "[", "]", ":", "null", "1e400", "é",
     '"artifacts": [', '\n      "artifacts": [\n', "\n      ]", "\n        }", ",\n        {\n", '"size": 1,', "-0",
     '          "dest": "other",\n', '            "etag": "again",\n', "\u2028", "\x00", "<<<<<<< a\n", "A", "0"]
)  # fmt: skip
Change = tuple[str, float, float, str]
changes = st.lists(
    st.tuples(
        st.sampled_from(["replace", "insert", "drop line", "repeat line", "swap lines", "unindent"]),
        st.floats(0, 1, exclude_max=True),
        st.floats(0, 1, exclude_max=True),
        SNIPPETS,
    ),
    max_size=2,
)


def changed(text: str, change: Change) -> str:
    """``text`` with one thing wrong, or only different."""
    kind, first, second, snippet = change
    place = int(len(text) * first)
    if kind == "insert":
        return text[:place] + snippet + text[place:]
    if kind == "replace":
        return text[:place] + snippet + text[place + 1 + int(6 * second) :]
    lines = text.splitlines(keepends=True)
    one, other = int(len(lines) * first), int(len(lines) * second)
    if kind == "drop line":
        del lines[one]
    elif kind == "repeat line":
        lines.insert(other, lines[one])
    elif kind == "swap lines":
        lines[one], lines[other] = lines[other], lines[one]
    else:
        lines[one] = lines[one].lstrip(" ")
    return "".join(lines)


def read(data: bytes, long: int) -> tuple[object, ...]:
    """What comes of reading ``data``, with its text written anew, which shows the order of keys."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lockfile_json, "_LONG", long)
        try:
            found = read_lockfile(data, "downloads.lock")
        except LockfileError as error:
            return str(error), error.hint, error.details
    return found, [type(entry.artifacts) for entry in found.lockfile.entries.values()], write_lockfile(found.lockfile)


@PATIENT
@given(lockfiles, changes, st.sampled_from([1, 5, 30, 400, 100_000]))
def test_a_long_lockfile_is_read_as_a_short_one(lockfile: Lockfile, made: list[Change], block: int) -> None:
    text = write_lockfile(lockfile).decode()
    for change in made:
        text = changed(text, change) if text else text
    data = text.encode("utf-8", "surrogatepass")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lockfile_plain, "_BLOCK", block)  # wherever one ends, and what comes next begins
        found = read(data, 0)
    assert found == read(data, len(data) + 1)


@PATIENT
@given(st.lists(plain, min_size=1, max_size=4))
def test_what_dlm_writes_of_ordinary_files_is_read_at_a_glance(found: list[LockedArtifact]) -> None:
    lockfile = Lockfile(entries={"one": LockEntry(name="one", request={"url": "u"}, artifacts=tuple(found))})

    def other(text: str) -> LockedArtifact:
        raise AssertionError(f"not understood: {text}")

    read_ones = PlainArtifacts(io.BytesIO(write_lockfile(lockfile)), other, lambda _: ({"kind": "manifest-digest"},))
    (artifacts,) = read_ones.lists
    assert sorted(one.dest for one in artifacts) == sorted(one.dest for one in found)
    assert re.search(r'"artifacts": NaN\n', read_ones.rest)


def test_the_example_is_read_alike() -> None:
    data = (Path(__file__).parents[2] / "downloads.lock.example").read_bytes()
    assert read(data, 0) == read(data, len(data) + 1)


@pytest.mark.parametrize(
    "odd",
    [
        '"a": "\\ud800"', '"a": "\\ud83d\\ude00"', '"a": NaN', '"a": -Infinity', '"a": "NaN"', '"a": "<<<<<<< "',
        '"a": 1', '"artifacts": NaN', '"artifacts": []', '"a": ' + "[" * 2000 + "]" * 2000,
        '"a": 1e400', '"a": {"a": 1, "a": 2}',
    ],
)  # fmt: skip
@pytest.mark.parametrize("place", ['"version": 1', '"url": "u"', '"evidence": []', '"size": 1', '"revision": 0'])
def test_what_is_odd_about_a_long_lockfile_is_found(odd: str, place: str) -> None:
    one = {"filename": "a", "url": "https://h.example/a", "dest": "a", "size": 1, "digests": {"sha256": "0" * 64}}
    entry = {"request": {"url": "u"}, "artifacts": [one, {**one, "dest": "b", "evidence": []}]}
    other = {"request": {"url": "u"}, "artifacts": [{**one, "dest": "c"}, {**one, "dest": "d", "evidence": []}]}
    text = json.dumps({"version": 1, "revision": 0, "resources": {"one": entry, "two": other}}, indent=2)
    data = text.replace(place, f"{place}, {odd}")
    assert read(data.encode(), 0) == read(data.encode(), len(data) + 1)
