"""Whatever stands in a document: it is read or refused in words, and what is written reads back to the byte."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dlm.documents.lockfile_json import read_lockfile, write_lockfile
from dlm.documents.manifest_yaml import read_manifest
from dlm.errors import LockfileError, ManifestError
from dlm.model.artifact import KEPT_HEADERS
from dlm.model.digest import STRENGTH, Digest, Digests
from dlm.model.lockfile import LockedArtifact, LockEntry, Lockfile
from dlm.model.manifest import NAME, Manifest, Resource
from dlm.model.paths import check_path, collision_key
from dlm.model.selector import ARCHITECTURES, FORMATS, PYTHON_TYPES, Selector
from dlm.model.url import Url

# The first example of a test may import what none before it did, which takes longer than any deadline.
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

# --- Addresses -----------------------------------------------------------------------------------------------------

PIECES = st.sampled_from(
    [
        "http",
        "https",
        "HTTPS",
        "://",
        ":",
        "//",
        "/",
        "@",
        "#",
        "?",
        "[",
        "]",
        "::1",
        "%",
        "%2e",
        "%00",
        "%41",
        "${A}",
        "${",
        "}",
        "..",
        ".",
        "\\",
        "example.org",
        "EXAMPLE",
        "xn--",
        "bücher",
        "ß",
        "\u3002",
        "127.0.0.1",
        "0x7f",
        "443",
        ":80",
        "65536",
        " ",
        "\t",
        "&",
        "=",
        "token",
        "user:pw",
        "\u202e",
        "\ud800",
        "é",
    ]
)
texts = st.text(max_size=40) | st.lists(PIECES, max_size=12).map("".join)
addresses = st.builds("{}{}".format, st.sampled_from(["https://h.example/", "http://", "https://a@"]), texts) | texts


@PATIENT
@given(addresses)
def test_an_address_is_refused_or_canonical(text: str) -> None:
    try:
        url = Url.parse(text)
    except ValueError:
        return
    plain = replace(url, userinfo=None)
    assert Url.parse(str(url)) == plain
    assert str(Url.parse(str(url))) == str(url)
    assert Url.parse(f"{url.scheme}://{url.userinfo}@{str(url).partition('://')[2]}") == url or url.userinfo is None
    assert str(url).isascii()
    assert str(url).isprintable()


@PATIENT
@given(texts)
def test_a_reference_is_refused_or_leads_to_a_canonical_address(text: str) -> None:
    try:
        url = Url.parse("https://user:pw@h.example/a/b?c").resolve(text)
    except ValueError:
        return
    assert Url.parse(str(url)) == replace(url, userinfo=None)


# --- Digests, paths and selectors -----------------------------------------------------------------------------------


@given(st.binary(max_size=50), st.sampled_from(sorted(STRENGTH)))
def test_all_notations_of_a_digest_agree(data: bytes, algorithm: str) -> None:
    raw = hashlib.new(algorithm, data).digest()
    digest = Digest(algorithm, raw.hex())
    written = f"{algorithm}-{base64.b64encode(raw).decode()}"
    assert digest.integrity == written
    for text in (str(digest), str(digest).upper(), written, f"{written}?x", f" {digest} "):
        assert Digest.parse(text) == digest
    assert Digest.from_hex(algorithm.upper(), raw.hex().upper()) == digest


@given(st.text(max_size=80) | st.lists(st.sampled_from(["sha256", "-", ":", "=", "0" * 64, "md5", "é"])).map("".join))
def test_a_digest_is_refused_or_has_one_form(text: str) -> None:
    with contextlib.suppress(ValueError):
        digest = Digest.parse(text)
        assert Digest.parse(str(digest)) == Digest.parse(digest.integrity) == digest


segments = st.sampled_from(
    ["a", "..", ".", "", "é", "e\u0301", "A", "nul", "x.", " ", "~", "C:", "\\", "\x1b", "a" * 256]
)


@given(st.text(max_size=30) | st.lists(segments, max_size=6).map("/".join))
def test_a_path_is_refused_or_canonical_and_inside(text: str) -> None:
    try:
        path = check_path(text)
    except ValueError:
        return
    assert check_path(path) == path
    assert not path.startswith("/")
    assert ".." not in path.split("/")
    assert collision_key(collision_key(path)) == collision_key(path)


WORDS = [
    *PYTHON_TYPES,
    *FORMATS,
    "embed",
    "all",
    "pre",
    "debug",
    "no-lto",
    "post=2",
    "build=1",
    "min_macos=11.0",
    "",
    "file=Python-3.13.0.tgz",
    *(f"arch={one}" for one in ARCHITECTURES),
    " arch = x64 ",
    "EMBED",
    "nonsense",
]
SPECS = [
    "3.13.*",
    "3.13",
    "3",
    "latest",
    "3.14.0rc1",
    "3.14c*",
    "3.14.0rc*",
    "==2.7",
    ">=3.12,<3.14",
    "<3.14 , >=3.12",
    "~=3.12.1",
    "!=3.13.0,>=3.13",
    "===3.12",
    "==3.*",
    ">=3,>=3.0",
    "2.0c1",
    "x",
    "3.013",
]


@PATIENT
@given(
    st.sampled_from(SPECS) | st.text(max_size=10), st.lists(st.sampled_from(WORDS) | st.text(max_size=5), max_size=4)
)
def test_a_selector_is_refused_or_normal(spec: str, parts: list[str]) -> None:
    try:
        selector = Selector.parse(":".join(["python", spec, *parts]))
    except ValueError:
        return
    assert Selector.parse(str(selector)) == selector
    assert str(Selector.parse(str(selector))) == str(selector)
    assert Selector.parse(str(selector)).slug == selector.slug
    assert NAME.match(selector.slug)


# --- Manifests ------------------------------------------------------------------------------------------------------


def read(data: bytes) -> None:
    """Read it; any error but the one that is meant for people fails the test."""
    refusal: ManifestError | None = None
    manifest = Manifest(resources=())
    try:
        manifest = read_manifest(data, "downloads.yaml", dlm_version="0.1.0")
    except ManifestError as error:
        refusal = error
    if refusal is not None:
        assert refusal.problems
        assert all(problem.line is None or problem.line >= 1 for problem in refusal.problems)
        assert all(line.isprintable() for line in refusal.details)
    names = [one.name for one in manifest.resources]
    assert len(set(names)) == len(names)
    for resource in manifest.resources:
        request = resource.request()
        again = Resource.from_request(resource.name, json.loads(json.dumps(request)))
        assert {**again.request(), "headers": None} == {**request, "headers": None}


@PATIENT
@given(st.binary(max_size=200))
def test_any_bytes_are_a_manifest_or_refused_in_words(data: bytes) -> None:
    read(data)


SNIPPETS = st.sampled_from(
    [
        "version: 1\n",
        "resources:\n",
        "- ",
        "  ",
        "\n",
        "\t",
        "url: ",
        "https://h.example/a",
        "name: ",
        "a",
        "{",
        "}",
        "[",
        "]",
        ",",
        ": ",
        "'",
        '"',
        "&a ",
        "*a",
        "<<: ",
        "!!python/object:x ",
        "!!int ",
        "? ",
        "|\n",
        ">\n",
        "---\n",
        "...\n",
        "%YAML 1.1\n",
        "\ufeff",
        "\u2028",
        "#",
        "null",
        "~",
        "true",
        "1e5",
        "0777",
        "1:30",
        "9" * 30,
        "platforms: ",
        "linux",
        "sha256: ",
        "digests: ",
        "defaults: ",
        "dest: ",
        "../",
        "python:3.13",
        "\\ud800",
        "\\u0000",
        "\x07",
        "base: ",
        "files: ",
        "size: ",
    ]
)


@PATIENT
@given(st.lists(SNIPPETS, max_size=30).map("".join))
def test_any_text_that_looks_like_one_is_a_manifest_or_refused_in_words(text: str) -> None:
    read(text.encode("utf-8", "surrogatepass"))


KEYS = [
    "name",
    "url",
    "selector",
    "base",
    "files",
    "version",
    "vars",
    "platforms",
    "sha256",
    "digests",
    "integrity",
    "size",
    "mirrors",
    "headers",
    "dest",
    "executable",
    "link",
    "groups",
    "optional",
    "mutable",
    "freeze",
    "urll",
    "str",
    "int",
    "list[str]",
    "dict[str,str]",
    "ResourceForm",
    "linux",
    "request",
    "form",
    "json",
    "query",
    "a\x1bb",
]
leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.sampled_from(
        [
            "https://h.example/{version}",
            "https://u:p@h.example/x?sig=1",
            "python:3.13.*",
            "0" * 64,
            "x/",
            "auto",
            "https://${DLM_AUTH_A}:b@h.example/",
            "linux-x86_64",
            "{os}",
            "a/../b",
            "\U0001f600",
        ]
    )
)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)
items = values | st.dictionaries(st.sampled_from(KEYS), values, max_size=5)
documents = st.fixed_dictionaries(
    {"version": st.just(1), "resources": st.lists(items, max_size=4)},
    optional={"defaults": values, "requires-dlm": values, "extra": values},
)


@PATIENT
@given(documents | values)
def test_any_value_is_a_manifest_or_refused_in_words_in_json_and_yaml_alike(value: Any) -> None:
    read(json.dumps(value).encode())
    read(json.dumps(value, ensure_ascii=False, indent="\t").encode("utf-8", "surrogatepass"))
    read(yaml.safe_dump(value, allow_unicode=True).encode("utf-8", "surrogatepass"))


# --- Lockfiles ------------------------------------------------------------------------------------------------------

words = st.text(
    st.characters(categories=["L", "N", "P", "S"], exclude_characters='<>:"|?*\\/.~'), min_size=1, max_size=8
).map(lambda word: f"x{word}")
digests = st.binary(max_size=4).map(Digests.sha256_of)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**18), 10**18)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)
extras = st.dictionaries(words.map(lambda word: f"x-{word}"), json_values, max_size=2)
artifacts = st.builds(
    LockedArtifact,
    filename=words,
    url=words.map(lambda word: f"https://h.example/{quote(word)}"),
    dest=words,
    size=st.integers(0, 2**62),
    digests=digests,
    platform=st.none() | st.sampled_from(["linux-x86_64", "macos-arm64"]),
    version=st.none() | st.sampled_from(["3.13.9", "3.13.10", "3.13.10rc1", "next"]),
    final_url=st.none() | st.just("https://cdn.example/"),
    verified=st.booleans(),
    headers=st.dictionaries(st.sampled_from(KEPT_HEADERS), words, max_size=2),
    evidence=st.lists(st.builds(lambda word: {"kind": word}, words), max_size=2).map(tuple),
    extra=extras,
)


@st.composite
def entries(draw: st.DrawFn, name: str, folder: int) -> LockEntry:
    request = draw(st.dictionaries(words, json_values, max_size=2))
    drawn = draw(st.lists(artifacts, min_size=1, max_size=2))
    apart = tuple(replace(one, dest=f"{folder}/{index}/{one.dest}") for index, one in enumerate(drawn))
    return LockEntry(name=name, request=request, artifacts=apart, extra=draw(extras))


@st.composite
def lockfiles(draw: st.DrawFn) -> Lockfile:
    names = draw(st.lists(words, max_size=3, unique=True))
    return Lockfile(
        entries={name: draw(entries(name, folder)) for folder, name in enumerate(names)},
        revision=draw(st.integers(0, 3)),
        extra=draw(extras),
    )


@PATIENT
@given(lockfiles())
def test_a_lockfile_is_read_and_written_again_to_the_byte(lockfile: Lockfile) -> None:
    data = write_lockfile(lockfile)
    assert data.decode() == json.dumps(json.loads(data), indent=2, ensure_ascii=False) + "\n"
    again = read_lockfile(data, "downloads.lock")
    assert write_lockfile(again.lockfile) == data
    assert not again.conflicted
    shuffled = replace(lockfile, entries=dict(reversed(list(lockfile.entries.items()))))
    assert write_lockfile(shuffled) == data


MARKS = st.sampled_from(
    [
        "<<<<<<< a\n",
        "|||||||\n",
        "=======\n",
        ">>>>>>> b\n",
        "<<<<<<<<<\n",
        '{"version": 1, "resources": {}}\n',
        "{",
        "}",
        '"version": 1',
        ",",
        '"resources": {',
        '"a": ',
        "1e400",
        "NaN",
        "9" * 30,
        "[",
        "\\ud800",
        "\n",
        "\r\n",
        "\x00",
        "é",
    ]
)


@PATIENT
@given(st.binary(max_size=100) | st.lists(MARKS, max_size=12).map(lambda parts: "".join(parts).encode()))
def test_any_bytes_are_a_lockfile_or_refused_in_words(data: bytes) -> None:
    with contextlib.suppress(LockfileError):
        read_lockfile(data, "downloads.lock")


NAMES = ("a", "b", "c")


def _locked(pins: dict[str, int]) -> Lockfile:
    return Lockfile(
        entries={
            name: LockEntry(
                name=name,
                request={"url": f"https://h.example/{name}"},
                artifacts=(
                    LockedArtifact(
                        filename=name,
                        url=f"https://h.example/{name}",
                        dest=name,
                        size=1,
                        digests=Digests.sha256_of(f"{name}{pin}".encode()),
                    ),
                ),
            )
            for name, pin in pins.items()
        }
    )


sides = st.dictionaries(st.sampled_from(NAMES), st.integers(1, 3), max_size=3)


def _merged(
    ours: dict[str, int], base: dict[str, int] | None, theirs: dict[str, int], wanted: set[str]
) -> Lockfile | None:
    """What joining gives; None for a conflict."""
    middle = b"" if base is None else b"||||||| base\n" + write_lockfile(_locked(base))
    data = b"<<<<<<< ours\n%b%b=======\n%b>>>>>>> theirs\n" % (
        write_lockfile(_locked(ours)),
        middle,
        write_lockfile(_locked(theirs)),
    )
    try:
        return read_lockfile(data, "downloads.lock", wanted=wanted.__contains__).lockfile
    except LockfileError:
        return None


@PATIENT
@given(sides, st.none() | sides, sides, st.sets(st.sampled_from(NAMES)))
def test_joining_is_the_same_from_either_side(
    ours: dict[str, int], base: dict[str, int] | None, theirs: dict[str, int], wanted: set[str]
) -> None:
    joined = _merged(ours, base, theirs, wanted)
    assert joined == _merged(theirs, base, ours, wanted)
    if joined is not None:
        known = _locked({**ours}).entries, _locked({**theirs}).entries
        assert all(any(side.get(name) == entry for side in known) for name, entry in joined.entries.items())


@PATIENT
@given(sides, sides)
def test_a_side_that_changed_nothing_has_no_say(base: dict[str, int], ours: dict[str, int]) -> None:
    assert _merged(ours, base, base, set(ours)) == _locked(dict(sorted(ours.items())))
    assert _merged(base, base, ours, set(ours)) == _locked(dict(sorted(ours.items())))
