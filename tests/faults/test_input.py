"""Group Y of the catalogue, and what of I, L, S and C the documents and the grammar alone decide."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
import yaml

from dlm.documents import manifest_yaml
from dlm.documents.lockfile_json import read_lockfile, write_lockfile
from dlm.documents.manifest_yaml import read_manifest
from dlm.errors import LockfileError, ManifestError
from dlm.model.lockfile import Lockfile
from dlm.model.manifest import Manifest
from dlm.model.selector import Selector
from dlm.model.url import Url
from dlm.staleness import stale_entries
from tests.support.processes import run

HEX = hashlib.sha256(b"bytes").hexdigest()


def read(data: str | bytes, **options: Any) -> Manifest:
    text = data.encode() if isinstance(data, str) else data
    return read_manifest(text, "downloads.yaml", dlm_version="0.1.0", **options)


def problems(data: str | bytes, **options: Any) -> list[str]:
    with pytest.raises(ManifestError) as caught:
        read(data, **options)
    assert caught.value.code == 2
    lines = [str(problem) for problem in caught.value.problems]
    assert all(line.isprintable() for line in lines)
    return lines


def problem(resource: str) -> str:
    """The one thing wrong with a resource."""
    (one,) = problems(f"version: 1\nresources:\n- {resource}\n")
    return one


# --- Y03: wrong types, unknown and misspelt keys --------------------------------------------------------------------

_RESOURCE = "version: 1\nresources: [{url: https://example.org/a, %s}]"
VARIANTS = {
    "version: true\nresources: []": "downloads.yaml:1: version: expected a whole number, found true",
    "version: '1'\nresources: []": "version: expected a whole number, found the text '1' (write it without quotes)",
    "version: [1]\nresources: []": "version: expected a whole number, found a list",
    "version: 1\nresources: {}": "resources: expected a list, found a mapping",
    "version: 1\nresources: x": "resources: expected a list, found the text 'x'",
    "version: 1\nresources: [7]": "resources[0]: expected a URL, a selector or a mapping, found the number 7",
    "version: 1\nresources: [[]]": "resources[0]: expected a URL, a selector or a mapping, found a list",
    "version: 1\nresource: []\nresources: []": "resource: unknown key 'resource' (did you mean 'resources'?)",
    "version: 1\ndefaults: []\nresources: []": "defaults: expected a mapping, found a list",
    "version: 1\ndefaults: {dst: x}\nresources: []": "defaults.dst: unknown key 'dst' (did you mean 'dest'?)",
    "version: 1\nresources: [{uri: x}]": "resources[0].uri: unknown key 'uri' (did you mean 'url'?)",
    "version: 1\nresources: [{url: [x]}]": "resources[0].url: expected text, found a list",
    _RESOURCE % "size: true": "resources[0].size: expected a whole number, found true",
    _RESOURCE % "executable: 1": "resources[0].executable: expected true or false, found the number 1",
    _RESOURCE % "mirrors: {}": "resources[0].mirrors: expected a list, found a mapping",
    _RESOURCE % "headers: {A: 5}": 'headers.A: expected text, found the number 5 (write it in quotes: "5")',
    _RESOURCE % "shasum: x": "resources[0].shasum: unknown key 'shasum'",
}


@pytest.mark.fault("Y03")
@pytest.mark.parametrize("text", VARIANTS)
def test_each_wrong_type_and_key_has_its_one_line(text: str) -> None:
    (line,) = problems(text)
    assert VARIANTS[text] in line
    assert line.startswith("downloads.yaml:")


@pytest.mark.fault("Y03")
def test_there_are_seventeen_of_them_and_json_says_the_same() -> None:
    assert len(VARIANTS) == 17
    for text, words in VARIANTS.items():
        (line,) = problems(json.dumps(yaml.safe_load(text)))
        assert words.removeprefix("downloads.yaml:1: ") in line


# --- Y04: object tags -----------------------------------------------------------------------------------------------


@pytest.mark.fault("Y04")
@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:os.system ['touch PATH']",
        "version: 1\nresources: [!!python/object/apply:os.system ['touch PATH']]",
        "version: 1\nresources: [{url: !!python/object/apply:os.system ['touch PATH']}]",
        "version: 1\nresources: [{!!python/name:os.system url: https://example.org/a}]",
        "version: !!python/object/new:os.system [x]\nresources: []",
        "version: 1\nresources: [{url: !!binary aHR0cHM6Ly9l}]",
        "version: 1\nresources: [{url: !own https://example.org/a}]",
        "version: 1\nresources: !!set {https://example.org/a}",
    ],
)
def test_tags_make_no_objects(text: str, tmp_path: Path) -> None:
    path = tmp_path / "made"
    assert any("is not allowed" in line for line in problems(text.replace("PATH", str(path))))
    assert not path.exists()


# --- Y05: scalars of YAML 1.1 ---------------------------------------------------------------------------------------


@pytest.mark.fault("Y05")
@pytest.mark.parametrize(
    "word", ["no", "off", "Yes", "1:30", "0777", "0o17", "0x1F", "1e5", "1_000", "2024-01-31", "1.10", "=", "012"]
)
def test_what_is_text_stays_as_written(word: str) -> None:
    manifest = read(
        f"version: 1\nresources: [{{name: {word}, url: 'https://example.org/{{version}}', version: {word}, dest: x}}]"
    )
    assert manifest.resources[0].name == word
    assert manifest.resources[0].version == word


@pytest.mark.fault("Y05")
@pytest.mark.parametrize("digits", ["1" * 64, "1e" + "1" * 62, "0" * 64, "1." + "1" * 62])
def test_digests_that_look_like_numbers(digits: str) -> None:
    text = f"version: 1\nresources: [{{url: https://example.org/a, sha256: {digits}}}]"
    if set(digits) <= set("0123456789abcdef"):
        assert read(text).resources[0].digests.sha256 == digits
    else:
        assert "is written in hexadecimal digits" in problems(text)[0]


@pytest.mark.fault("Y05")
@pytest.mark.parametrize(("word", "shown"), [("3", "3"), ("true", "true"), ("-7", "-7"), ("2024", "2024")])
def test_what_is_no_text_is_to_be_quoted(word: str, shown: str) -> None:
    assert f'(write it in quotes: "{shown}")' in problem(f"{{url: https://example.org/a, version: {word}}}")


@pytest.mark.fault("Y05")
@pytest.mark.parametrize("word", ["", "~", "null", "NULL"])
def test_a_key_without_a_value(word: str) -> None:
    assert "no value stands here (give it one, or remove the line)" in problem(
        f"{{url: https://example.org/a, dest: {word}}}"
    )


# --- Y06: numbers ---------------------------------------------------------------------------------------------------


@pytest.mark.fault("Y06")
@pytest.mark.parametrize(
    "size", ["9" * 6000, "-1", "-" + "9" * 6000, "1.5", ".inf", ".nan", "1e3", "0x10", "9223372036854775808"]
)
@pytest.mark.parametrize("form", ["yaml", "json"])
def test_sizes_that_cannot_be(size: str, form: str) -> None:
    number = size if form == "yaml" or (size[0] in "-0123456789" and "x" not in size) else f'"{size}"'
    text = f'{{"version": 1, "resources": [{{"url": "https://example.org/a", "size": {number}}}]}}'
    (line,) = problems(text if form == "json" else text.replace('"', ""))
    assert "resources[0].size:" in line
    assert len(line) < 250


# --- Y07: many entries ----------------------------------------------------------------------------------------------


def many(count: int) -> bytes:
    lines = (
        f"  - {{name: n{number}, url: 'https://example.org/f{number}.bin', sha256: {number:064d}, dest: x/}}\n"
        for number in range(count)
    )
    return ("version: 1\nresources:\n" + "".join(lines)).encode()


@pytest.fixture
def parses(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The lengths of the texts that the YAML parser was given."""
    found: list[int] = []
    compose = manifest_yaml._compose

    def counted(text: str) -> yaml.Node | None:
        found.append(len(text))
        return compose(text)

    monkeypatch.setattr(manifest_yaml, "_compose", counted)
    return found


@pytest.mark.fault("Y07")
def test_many_entries_are_read_in_one_pass(parses: list[int]) -> None:
    manifest = read(many(20_000))
    assert len(manifest.resources) == 20_000
    assert len(parses) == 1


@pytest.mark.fault("Y07")
def test_each_entry_takes_a_bounded_piece_of_memory() -> None:
    count = 2_000
    data = many(count)
    read(many(10))  # what is loaded once counts for none of them
    tracemalloc.start()
    try:
        read(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak / count < 2**30 / 100_000  # a hundred thousand of them have to fit into one GiB


@pytest.mark.fault("Y07")
@pytest.mark.parametrize("form", ["yaml", "json"])
def test_many_mistakes_take_no_further_pass(parses: list[int], form: str) -> None:
    count = 500
    document = {"version": 1, "resources": [{"ulr": f"https://example.org/{number}"} for number in range(count)]}
    found = problems(json.dumps(document, indent=1) if form == "json" else yaml.safe_dump(document))
    assert len(found) == count
    assert len(parses) == 1
    assert len({line.split(":")[1] for line in found}) == count


@pytest.mark.fault("Y07")
def test_one_clash_among_many_destinations_is_found() -> None:
    data = many(2000) + b"  - {name: last, url: https://example.org/f7.bin, dest: X/}\n"
    assert any("last: 'X/f7.bin' and 'x/f7.bin' (of 'n7') cannot both exist" in one for one in read(data).warnings)
    clash = problems(data, fold_case=True)
    (line,) = clash
    assert line.startswith(
        "downloads.yaml:2003: resources[2000].dest: 'X/f7.bin' and 'x/f7.bin' (of 'n7') cannot both exist"
    )


@pytest.mark.fault("Y07")
@pytest.mark.parametrize(
    "text",
    [
        "[" * 200_000,
        "- " * 200_000 + "a",
        "version: 1\nresources: " + "{a: " * 200_000,
        '{"version": 1, "resources": ' + "[" * 200_000 + "]" * 200_000 + "}",
        "version: 1\nresources: &a [*a]",
        "version: &a {x: *a}\nresources: []",
        "version: 1\nresources: " + "[" * 40 + "]" * 40,
        "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
        + "".join(
            f"{two}: &{two} [{', '.join([f'*{one}'] * 9)}]\n" for one, two in zip("abcdefgh", "bcdefghi", strict=True)
        )
        + "version: 1\nresources: *i\n",
    ],
    ids=["flow", "block", "mappings", "json", "itself", "itself as mapping", "forty", "laughs"],
)
def test_depth_and_aliases_end_no_process(text: str) -> None:
    """In a process of its own: the C parser recurses, and what overflows its stack kills."""
    code = (
        "import sys\n"
        "from dlm.documents.manifest_yaml import read_manifest\n"
        "from dlm.errors import ManifestError\n"
        "try:\n"
        "    read_manifest(sys.stdin.buffer.read(), 'downloads.yaml', dlm_version='0.1.0')\n"
        "except ManifestError as error:\n"
        "    print(error.details[0][-60:])\n"
    )
    result = subprocess.run([sys.executable, "-c", code], input=text.encode(), capture_output=True, check=False)
    assert result.returncode == 0, result.stderr[-500:]
    said = result.stdout.decode()
    assert "nested too deeply" in said or "aliases unfold into too much" in said or "not YAML" in said


# --- Y08: encodings -------------------------------------------------------------------------------------------------

PLAIN = "version: 1\nresources:\n- https://example.org/é\n"


@pytest.mark.fault("Y08")
@pytest.mark.parametrize(
    "data",
    [
        PLAIN.encode("utf-8-sig"),
        PLAIN.replace("\n", "\r\n").encode(),
        PLAIN.replace("\n", "\r\n").encode("utf-8-sig"),
        PLAIN.rstrip("\n").encode(),
        b"--- # one document\n" + PLAIN.encode() + b"...\n",
        "# é\n\n".encode() + PLAIN.encode(),
        '\ufeff{"version": 1, "resources": ["https://example.org/é"]}'.encode(),
    ],
)
def test_marks_and_line_ends_that_editors_write(data: bytes) -> None:
    assert read(data).resources[0].name == "é"


@pytest.mark.fault("Y08")
@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"version: 1\nresources:\n- \xff\xfe\n", "downloads.yaml:3: not UTF-8 (save the file as UTF-8)"),
        (PLAIN.encode("utf-16"), "downloads.yaml:1: not UTF-8"),
        (PLAIN.encode("latin-1"), "downloads.yaml:3: not UTF-8"),
        (
            b"version: 1\nresources:\n\t- x\n",
            "downloads.yaml:3: not YAML: found character that cannot start any token (indent",
        ),
        (b"version: 1\nresources: []\n\0", "downloads.yaml:3: a NUL character"),
        (b"version: 1\nresources: []\n---\nversion: 1\n", "downloads.yaml:3: more than one document"),
        (b'version: 1\nresources: ["\\0"]\n', "a character that is none (a lone surrogate or NUL)"),
        (
            b'version: 1\nresources: ["\\ud800"]\n',
            "downloads.yaml:2: not YAML: found invalid Unicode character escape code",
        ),
        (b'{"version": 1, "resources": ["\\ud800"]}', "not YAML: found invalid Unicode character escape code"),
        (b"version: 1\nresources: [\x07]\n", "not YAML: unacceptable character"),
        (b"version: 1\nresources: [https://example.org/{a}]\n", "an address that holds braces stands in quotes"),
        (b"", "downloads.yaml:1: the manifest is empty (begin with `dlm init`"),
        (b" \n\n", "downloads.yaml:1: the manifest is empty"),
        (b"# only words\n", "downloads.yaml:1: the manifest is empty"),
        (b"---\n...\n", "downloads.yaml:1: the manifest is empty"),
        (b"\xef\xbb\xbf", "downloads.yaml:1: the manifest is empty"),
        (b"null", "downloads.yaml:1: the manifest is empty"),
        (b"just words", "downloads.yaml:1: a manifest is a mapping with the keys version and resources"),
    ],
)
def test_what_is_no_text_of_a_manifest(data: bytes, words: str) -> None:
    (line,) = problems(data)
    assert words in line


@pytest.mark.fault("Y08")
@pytest.mark.parametrize(
    "text", ['{"version": 1, "version": 1, "resources": []}', "version: 1\nversion: 1\nresources: []"]
)
def test_a_key_twice(text: str) -> None:
    (line,) = problems(text)
    assert "version: the key stands here twice (remove one of them)" in line


# --- Y09, Y10, Y11, Y14 ---------------------------------------------------------------------------------------------


@pytest.mark.fault("Y09")
def test_no_resources_are_fine_and_no_key_is_not() -> None:
    assert read("version: 1\nresources: []").resources == ()
    assert problems("version: 1") == [
        "downloads.yaml:1: resources: the key 'resources' is missing (write resources: [] for none)"
    ]
    assert problems("resources: []") == ["downloads.yaml:1: version: the key 'version' is missing"]
    assert "no value stands here" in problems("version: 1\nresources:\n")[0]


@pytest.mark.fault("Y10")
@pytest.mark.parametrize("version", [0, 2, 99, -1])
def test_a_manifest_of_another_version(version: int) -> None:
    (line,) = problems(f"version: {version}\nresources: [5]\nnew-key: x")
    assert f"version {version} of the manifest is not known; this dlm reads version 1 (a newer dlm may read it)" in line


@pytest.mark.fault("Y11")
def test_a_lockfile_of_another_version() -> None:
    data = write_lockfile(Lockfile()).replace(b'"version": 1', b'"version": 2')
    with pytest.raises(LockfileError, match="has version 2, and this dlm reads version 1") as caught:
        read_lockfile(data, "downloads.lock")
    assert caught.value.hint == "upgrade dlm to read it; the file is left as it is"


@pytest.mark.fault("Y14")
def test_entries_that_are_missing_or_too_many_are_stale_and_no_damage() -> None:
    manifest = read("version: 1\nresources: [https://example.org/a]")
    url = "https://example.org/b"
    one = {"filename": "b", "url": url, "dest": "b", "size": 1, "digests": {"sha256": HEX}}
    document = {"version": 1, "revision": 0, "resources": {"b": {"request": {"url": url}, "artifacts": [one]}}}
    lockfile = read_lockfile(json.dumps(document).encode(), "downloads.lock").lockfile
    assert [(one.name, one.kind) for one in stale_entries(manifest, lockfile)] == [("a", "missing"), ("b", "extra")]


# --- Y16: variants of URLs ------------------------------------------------------------------------------------------


@pytest.mark.fault("Y16")
@pytest.mark.parametrize(
    "address",
    ["HTTPS://Example.ORG:443/a/../a?x=1#part", "https://example.org/./%61?x=1", "https://user:pw@example.org/a?x=1"],
)
def test_spellings_of_one_address_are_one_request(address: str) -> None:
    assert read(f"version: 1\nresources: ['{address}']").resources[0].request() == {"url": "https://example.org/a?x=1"}


@pytest.mark.fault("Y16")
@pytest.mark.parametrize(
    "address",
    [
        "http:example.org/a", "http:/example.org/a", "http://a@b@example.org/", "http://[", "file:///etc/passwd",
        "https://example.org\\\\@evil.example/", "https://exam ple.org/", "http://0x7f.0.0.1/", "ftp://example.org/a",
        "https://", "https:///a", "https://example.org:99999/", "javascript://example.org/%0aalert(1)",
    ],
)  # fmt: skip
def test_addresses_that_two_parsers_could_read_differently(address: str) -> None:
    assert "resources[0].url:" in problem(f"{{name: x, url: '{address}'}}")


# --- I10: digests ---------------------------------------------------------------------------------------------------


@pytest.mark.fault("I10")
def test_all_notations_of_a_digest_lock_the_same() -> None:
    sri = "sha256-" + base64.b64encode(bytes.fromhex(HEX)).decode()
    written = [HEX, HEX.upper(), f"sha256:{HEX}", f"SHA256:{HEX.upper()}", sri]
    requests = [
        read(f"version: 1\nresources: [{{url: https://example.org/a, sha256: '{one}'}}]").resources[0].request()
        for one in written
    ]
    assert all(one == {"digests": {"sha256": HEX}, "url": "https://example.org/a"} for one in requests)


@pytest.mark.fault("I10")
@pytest.mark.parametrize(
    "pin",
    [
        "sha256: d41d8cd98f00b204e9800998ecf8427e",
        f"sha256: {HEX[:16]}",
        "sha256: md5:d41d8cd98f00b204e9800998ecf8427e",
        "digests: {sha1: da39a3ee5e6b4b0d3255bfef95601890afd80709}",
        "integrity: md5-1B2M2Y8AsgTpgAmY7PhCfg==",
        f"digests: {{sha512: {HEX}}}",
        f"digests: {{crc32: '{HEX[:8]}'}}",
        "sha256: ''",
        f"sha256: {HEX}\n  integrity: x",
    ],
)
def test_weak_and_short_digests_pin_nothing(pin: str) -> None:
    assert problems(f"version: 1\nresources:\n- url: https://example.org/a\n  {pin}\n")


# --- L18 to L21: names and destinations -----------------------------------------------------------------------------


def pair(one: str, other: str) -> str:
    entries = [
        {"name": str(index), "url": "https://example.org/f", "dest": dest} for index, dest in enumerate((one, other))
    ]
    return json.dumps({"version": 1, "resources": entries})


@pytest.mark.fault("L18")
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x", "x"),
        ("x", "./x"),
        ("x", ".//x"),
        ("x", "x/y"),
        ("x/y", "x"),
        ("a/b/c", "a/b"),
        ("x", "x/"),
        ("", "f"),
        ("./", ""),
    ],
)
def test_two_destinations_that_are_one_or_stand_in_each_others_way(one: str, other: str) -> None:
    (line,) = problems(pair(one, other))
    assert "resources[1].dest" in line


@pytest.mark.fault("L18")
@pytest.mark.parametrize(
    ("one", "other"), [("X", "x"), ("caf\u00e9", "cafe\u0301"), ("X", "x/y"), ("straße", "STRASSE"), ("A/b", "a/B")]
)
def test_destinations_that_some_platforms_cannot_keep_apart(one: str, other: str) -> None:
    assert any("cannot both exist where letter case does not count" in line for line in read(pair(one, other)).warnings)
    assert "cannot both exist" in problems(pair(one, other), fold_case=True)[0]


@pytest.mark.fault("L18")
@pytest.mark.parametrize(
    "dests", [["X", "x", "x/y"], ["x/y", "X/y", "x"], ["X/a", "x/a", "x/b/c", "x/b"], ["X", "x", "\u0078"]]
)
@pytest.mark.parametrize("fold_case", [False, True])
def test_a_collision_in_letter_case_hides_no_other(dests: list[str], fold_case: bool) -> None:
    entries = [{"name": str(index), "url": "https://example.org/f", "dest": dest} for index, dest in enumerate(dests)]
    lines = problems(json.dumps({"version": 1, "resources": entries}), fold_case=fold_case)
    last = len(dests) - 1
    assert any(f"resources[{last}].dest" in line for line in lines), lines
    assert fold_case or len(lines) == 1


@pytest.mark.fault("L18")
@pytest.mark.parametrize(
    ("keys", "document"),
    [
        ("url: https://example.org/f, dest: downloads.yaml", "downloads.yaml, this very manifest"),
        ("url: https://example.org/f, dest: ./downloads.lock", "downloads.lock, this project's lockfile"),
        ("url: https://example.org/f, dest: Downloads.LOCK", "downloads.lock, this project's lockfile"),
        ("url: https://example.org/f, dest: downloads.lock/x", "downloads.lock, this project's lockfile"),
        ("url: https://example.org/f, dest: downloads.lock/", "downloads.lock, this project's lockfile"),
        ("url: https://example.org/f.tar, dest: downloads.yaml/, extract: true", "downloads.yaml, this very manifest"),
        ("url: https://example.org/downloads.lock", "downloads.lock, this project's lockfile"),
        ("url: https://example.org/downloads.lock.gz, extract: true", "downloads.lock, this project's lockfile"),
        ("base: https://example.org/, files: [a, DOWNLOADS.lock/b]", "downloads.lock, this project's lockfile"),
        ("selector: python:3.13.*, dest: downloads.lock/", "downloads.lock, this project's lockfile"),
        (
            "url: https://example.org/f, platforms: [linux], dest: downloads.lock",
            "downloads.lock, this project's lockfile",
        ),
    ],
)
def test_no_resource_takes_the_place_of_a_document(keys: str, document: str) -> None:
    text = f"version: 1\nresources:\n  - {{name: a, {keys}}}\n"
    (line,) = problems(text, lockfile="downloads.lock")
    assert "downloads.yaml:3: resources[0].dest: " in line
    assert f"would take the place of {document} (change the dest)" in line


@pytest.mark.fault("L18")
def test_names_of_documents_are_free_below_a_folder_and_where_documents_are_called_otherwise() -> None:
    text = pair("in/downloads.lock", "downloads.lock.d/x")
    assert len(read(text, lockfile="downloads.lock").resources) == 2
    assert len(read(pair("other.lock", "other.yaml"), lockfile="downloads.lock").resources) == 2


@pytest.mark.fault("L18")
def test_what_differs_only_below_the_folder_is_no_clash() -> None:
    assert read(pair("x/a", "x/b"), fold_case=True).warnings == ()


@pytest.mark.fault("L18")
@pytest.mark.parametrize(
    ("one", "other", "clash"),
    [
        ("linux-x86_64", "macos-arm64", False),
        ("linux-x86_64", "linux-amd64", True),
        ("darwin-aarch64", "macos-arm64", True),
        ("linux", "linux-arm64", True),
        ("windows", "linux", False),
    ],
)
def test_destinations_meet_where_one_machine_wants_both(one: str, other: str, clash: bool) -> None:
    text = (
        "version: 1\nresources:\n"
        f"- {{name: a, url: https://example.org/f, platforms: [{one}]}}\n"
        f"- {{name: b, url: https://example.org/f, platforms: [{other}]}}\n"
    )
    if clash:
        assert "'f' is the destination of 'a' too" in problems(text)[0]
    else:
        assert len(read(text).resources) == 2


@pytest.mark.fault("L18")
def test_files_of_one_entry_clash_too() -> None:
    (line,) = problems("version: 1\nresources: [{name: m, base: https://example.org/, files: [a, a/b]}]")
    assert "cannot both exist" in line


@pytest.mark.fault("L19")
@pytest.mark.parametrize(
    "resource",
    [
        '{name: "a\\e[2Jb", url: https://example.org/a}',
        '{url: https://example.org/a, dest: "a\\nb"}',
        '{url: https://example.org/a, dest: "a\\u202eb"}',
        '{url: "https://example.org/a\\e[2J"}',
        '{url: "https://example.org/a%1b%5b2J"}',
        '{url: https://example.org/a, groups: ["a\\e"]}',
        '{url: https://example.org/a, headers: {"X\\e": b}}',
        '{url: https://example.org/a, headers: {X: "b\\e"}}',
        '{url: https://example.org/a, "ke\\ey": b}',
        '{url: https://example.org/a, vars: {"ke\\ey": b}}',
        '{url: https://example.org/a, platforms: ["lin\\eux"]}',
        '{name: n, base: https://example.org/, files: ["a\\e"]}',
        '"python:3.13\\e"',
        '"py\\ethon:3.13"',
        '{url: https://example.org/a, version: "1", digests: {"sha\\e": x}}',
    ],
)
def test_control_characters_are_refused_and_reach_no_terminal(resource: str) -> None:
    assert problem(resource).isprintable()


@pytest.mark.fault("L20")
@pytest.mark.parametrize(
    "dest", ["NUL", "con.txt", "a:b", "x.", "x ", "C:x", "a/aux/b", "COM1", "a|b", "a\\\\b", "\\\\\\\\h\\\\s"]
)
def test_names_that_windows_cannot_hold(dest: str) -> None:
    assert "resources[0].dest:" in problem(f'{{url: https://example.org/a, dest: "{dest}"}}')


@pytest.mark.fault("L20")
def test_so_are_those_that_come_from_a_url() -> None:
    assert "'con.txt' is a reserved name on Windows (name the file with dest: NAME)" in problem(
        "https://example.org/con.txt"
    )
    assert "which Windows does not allow" in problem("'https://example.org/a%3Ab'")


@pytest.mark.fault("L21")
def test_names_and_paths_that_are_too_long() -> None:
    assert "has 300 bytes; file systems hold 255" in problem(f"{{url: https://example.org/a, dest: {'x' * 300}}}")
    assert "at most 1024 are portable" in problem(f"{{url: https://example.org/a, dest: {'/'.join(['x' * 250] * 5)}}}")
    # What only the folder and the name together make too long would be a lockfile that nobody can read.
    folder = "/".join(["x" * 200] * 5)
    assert "at most 1024" in problem(f"{{name: n, url: https://example.org/{'y' * 100}, dest: {folder}/}}")
    assert "at most 1024" in problem(f"{{name: n, base: https://example.org/, files: [{'y' * 100}], dest: {folder}/}}")
    assert "begins with ~" in problem("{name: n, url: https://example.org/~}")
    assert "has 300 bytes" in problem(f"{{name: n, url: https://example.org/{'x' * 300}}}")


# --- S03: secrets in queries ----------------------------------------------------------------------------------------

SIGNED = [
    "https://example.org/a?X-Amz-Algorithm=AWS4&X-Amz-Signature=hunter2",
    "https://example.org/a?sv=2022&sig=hunter2%3D",
    "https://example.org/a?TOKEN=hunter2",
    "https://example.org/a?x=1&%74oken=hunter2",
    "https://example.org/a?access_token=${DLM_AUTH_A}hunter2",
    "https://example.org/a?Key-Pair-Id=hunter2",
]


@pytest.mark.fault("S03")
@pytest.mark.promise(7)
@pytest.mark.parametrize("address", SIGNED)
@pytest.mark.parametrize(
    "place",
    [
        "'{}'",
        "{{name: n, url: '{}'}}",
        "{{url: https://example.org/b, mirrors: ['{}']}}",
        "{{url: https://example.org/b, platforms: {{linux: {{url: '{}'}}}}}}",
    ],
)
def test_a_literal_secret_in_a_query_is_refused_and_not_repeated(address: str, place: str) -> None:
    line = problem(place.format(address))
    assert "the query holds a literal secret" in line
    assert "put it into the environment and write" in line
    assert "${DLM_AUTH_" in line
    assert "hunter2" not in line


@pytest.mark.fault("S03")
def test_a_secret_filled_in_from_a_variable_is_literal_too() -> None:
    line = problem("{url: 'https://example.org/a?token={t}', vars: {t: hunter2}}")
    assert "the query holds a literal secret (token)" in line


@pytest.mark.fault("S03")
def test_the_way_that_is_shown_works_and_is_kept_unexpanded() -> None:
    address = "https://example.org/a?X-Amz-Signature=${DLM_AUTH_X_AMZ_SIGNATURE}&x=1"
    assert read(f"version: 1\nresources: ['{address}']").resources[0].request() == {"url": address}


# --- C06 and C07: what the grammar decides --------------------------------------------------------------------------


@pytest.mark.fault("C06")
@pytest.mark.parametrize(
    "href", ["//evil.example/x", "https://evil.example/x", "javascript:x", "file:///x", "%00", "../../../x"]
)
def test_what_a_listing_links_to_is_judged_by_the_one_parser(href: str) -> None:
    page = Url.parse("https://www.python.org/ftp/python/3.13.0/")
    try:
        target = page.resolve(href)
    except ValueError:
        return
    assert target.origin != page.origin or not target.path.startswith(page.path)


@pytest.mark.fault("C07")
@pytest.mark.parametrize(
    ("selector", "words"),
    [
        ("pyhton:3.13.*", "did you mean 'python'?"),
        ("pypi:requests", "known: python"),
        ("python:3.13.*:windos-release", "did you mean 'windows-release'?"),
        ("python:3.13.*:source:tarball_lzmaa", "did you mean 'tarball_lzma'?"),
    ],
)
def test_unknown_selectors_are_errors_with_a_suggestion(selector: str, words: str) -> None:
    with pytest.raises(ValueError, match=".") as caught:  # noqa: RUF043
        Selector.parse(selector)
    assert words in str(caught.value)
    assert words in problem(f"'{selector}'")


@pytest.mark.fault("C07")
def test_reading_a_manifest_opens_no_socket() -> None:
    code = """
        import sys

        def refuse(event, arguments):
            if event.startswith("socket."):
                raise SystemExit(f"a document opened a socket: {event}")

        sys.addaudithook(refuse)
        from dlm.documents.manifest_yaml import read_manifest
        from dlm.errors import ManifestError

        try:
            read_manifest(b"version: 1\\nresources: ['node:20', 'https://example.org/a']", "x", dlm_version="0.1.0")
        except ManifestError as error:
            print(error.details[0])
    """
    assert "nothing resolves node: selectors" in run(code)
