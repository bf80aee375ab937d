"""The manifest as people write it -> resources in normal form; and each mistake with its line and key."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest

from dlm.documents.manifest_yaml import read_manifest
from dlm.errors import ManifestError
from dlm.model.manifest import Manifest, Resource
from dlm.model.selector import Selector

HEX = hashlib.sha256(b"bytes").hexdigest()
OTHER = hashlib.sha256(b"other").hexdigest()


def read(text: str, **options: Any) -> Manifest:
    return read_manifest(text.encode(), "downloads.yaml", dlm_version="0.1.0", **options)


def resources(text: str) -> tuple[Resource, ...]:
    return read(f"version: 1\nresources:\n{text}").resources


def only(text: str) -> Resource:
    (one,) = resources(text)
    return one


def mistakes(text: str) -> list[str]:
    with pytest.raises(ManifestError) as caught:
        read(text)
    assert caught.value.code == 2
    return [str(problem) for problem in caught.value.problems]


def wrong(text: str) -> str:
    """The one mistake of a resource."""
    (one,) = mistakes(f"version: 1\nresources:\n{text}")
    return one


EXAMPLE = f"""\
version: 1
requires-dlm: ">=0.1"                      # optional
defaults: {{dest: vendor/}}
resources:
  - https://example.org/data/iris.csv      # short form: a URL
  - python:3.13.*:source-release:xz        # short form: a selector
  - name: tool
    url: "https://example.org/tool/{{version}}/tool-{{os}}-{{arch}}.{{ext}}"
    version: "1.4.2"
    platforms:
      linux-x86_64: {{ext: tar.gz, sha256: {HEX}}}
      macos-arm64: {{os: darwin, ext: zip, sha256: {OTHER}, size: 12}}
    mirrors: ["https://mirror.example.net/tool/{{version}}/tool-{{os}}-{{arch}}.{{ext}}"]
    headers: {{Authorization: "Bearer ${{DLM_AUTH_TOOL}}"}}
    dest: tools/
    executable: true
    link: auto
    groups: [ci]
    freeze: false
    mutable: false
    optional: false
  - name: digits
    base: https://example.org/digits/
    files: {{train.npz: sha256:{HEX}, test.npz: {OTHER}}}
    dest: data/digits/
"""


def test_the_example_of_the_documentation() -> None:
    manifest = read(EXAMPLE)
    iris, python, tool, digits = manifest.resources
    assert (iris.name, iris.url, iris.dest) == ("iris.csv", "https://example.org/data/iris.csv", "vendor/")
    assert (python.name, python.selector) == ("python-3.13.x-source-release-xz", "python:3.13.*:source-release:xz")
    assert python.dest == "vendor/"
    assert tool.url == "https://example.org/tool/{version}/tool-{os}-{arch}.{ext}"
    assert [one.platform for one in tool.platforms] == ["linux-x86_64", "macos-arm64"]
    assert tool.platforms[0].vars == {"os": "linux", "arch": "x86_64", "ext": "tar.gz"}
    assert tool.platforms[1].vars == {"os": "darwin", "arch": "arm64", "ext": "zip"}
    assert tool.platforms[1].digests.sha256 == OTHER
    assert tool.platforms[1].size == 12
    assert tool.headers == {"Authorization": "Bearer ${DLM_AUTH_TOOL}"}
    assert tool.executable
    assert (tool.link, tool.groups, tool.dest) == ("auto", ("ci",), "tools/")
    assert digits.base == "https://example.org/digits/"
    assert [(one.name, one.digests.sha256) for one in digits.files] == [("train.npz", HEX), ("test.npz", OTHER)]
    assert manifest.requires_dlm == ">=0.1"
    assert manifest.warnings == ()
    assert manifest.lines["tool"] == 7
    assert manifest.get("digits") is digits


def test_json_is_read_by_the_json_parser_and_means_the_same() -> None:
    document = {
        "version": 1,
        "defaults": {"dest": "x/"},
        "resources": ["https://example.org/a", {"name": "tool", "url": "https://example.org/b", "sha256": HEX}],
    }
    yaml = f"version: 1\ndefaults: {{dest: x/}}\nresources: [https://example.org/a, {{name: tool, url: https://example.org/b, sha256: {HEX}}}]"  # noqa: E501
    assert read(json.dumps(document)).resources == read(yaml).resources
    indented = json.dumps(document, indent="\t")
    assert read(indented).resources == read(yaml).resources
    assert read(indented).lines == {"a": 7, "tool": 8}


def test_defaults_hold_where_a_resource_says_nothing() -> None:
    manifest = read(
        "version: 1\ndefaults: {dest: vendor/, groups: [b, a], link: copy, executable: true, platforms: [linux]}\n"
        "resources:\n- https://example.org/a\n"
        "- {url: https://example.org/b, dest: x, groups: [], link: auto, executable: false, platforms: [macos]}\n"
    )
    a, b = manifest.resources
    assert (a.dest, a.groups, a.link, a.executable) == ("vendor/", ("a", "b"), "copy", True)
    assert [one.platform for one in a.platforms] == ["linux"]
    assert (b.dest, b.groups, b.link, b.executable) == ("x", (), "auto", False)
    assert [one.platform for one in b.platforms] == ["macos"]


def test_a_mistake_in_the_defaults_is_said_once_and_there() -> None:
    text = "version: 1\ndefaults:\n  dest: ../x\n  groups: ['a b']\n  platforms: [X_Y]\nresources: [https://example.org/a, https://example.org/b]\n"  # noqa: E501
    assert mistakes(text) == [
        "downloads.yaml:3: defaults.dest: '../x' leads out of the project",
        "downloads.yaml:4: defaults.groups: 'a b' is no group name; use letters, digits, dots and dashes",
        "downloads.yaml:5: defaults.platforms: 'X_Y' is no platform; write one like linux-x86_64 or macos-arm64",
    ]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("- https://example.org/a/b.tar.gz?x=1", "b.tar.gz"),
        ("- {url: https://example.org/, dest: x/y.txt}", "y.txt"),
        ("- python:latest", "python-latest-source-release-xz"),
        ("- {url: 'https://example.org/a%20b.txt'}", "a b.txt"),
        ("- {name: Mein Name, url: https://example.org/x}", "Mein Name"),
        ("- {name: no, url: https://example.org/x}", "no"),
    ],
)
def test_names(text: str, name: str) -> None:
    assert only(text).name == name


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- {base: https://example.org/, files: [a]}", "many files below one address need a name"),
        ("- {url: https://example.org/}", "ends in no file name, so the resource needs a name and a dest"),
        ("- {name: x, url: https://example.org/}", "so dest must name the file (dest: NAME)"),
        ("- {name: x, url: https://example.org/, dest: a/}", "so dest must name the file (dest: a/NAME)"),
        ("- {name: x, url: https://example.org/NUL.txt}", "reserved name on Windows (name the file with dest: NAME)"),
        ("- {name: x, url: 'https://example.org/a%2Fb'}", "holds a slash"),
        ("- {name: a/b, url: https://example.org/x}", "is no name: no blanks at its start, no slash"),
        ("- {name: -x, url: https://example.org/x}", "is no name"),
        ("- {name: '', url: https://example.org/x}", "is no name"),
        (f"- {{name: {'x' * 201}, url: https://example.org/x}}", "is no name"),
        (
            "- {url: 'https://example.org/{os}', platforms: [linux, macos]}",
            "the platforms' files have different names, so the resource needs one",
        ),
        (
            "- {url: https://example.org/a, platforms: {linux: {}, macos: {url: https://example.org/b}}}",
            "the platforms' files have different names",
        ),
        ("- python:" + ",".join(f"!=3.{minor}" for minor in range(60)), "too long to name the resource (add name: …)"),
    ],
)
def test_names_that_cannot_be(text: str, words: str) -> None:
    assert words in wrong(text)


def test_one_name_for_two_resources() -> None:
    assert mistakes("version: 1\nresources:\n- https://example.org/a\n- https://example.net/a\n") == [
        "downloads.yaml:4: resources[1]: the name 'a' is taken by the resource in line 3 (give one of them a name)"
    ]


@pytest.mark.parametrize(
    "pin",
    [
        f"sha256: {HEX}",
        f"sha256: {HEX.upper()}",
        f"sha256: sha256:{HEX}",
        f"digests: {{sha256: {HEX}}}",
        f"integrity: sha256-{base64.b64encode(bytes.fromhex(HEX)).decode()}",
        f"digests: {{SHA256: {HEX}}}\n  sha256: {HEX}",
    ],
)
def test_a_digest_has_one_form_however_it_is_written(pin: str) -> None:
    assert only(f"- url: https://example.org/a\n  {pin}\n").request() == {
        "digests": {"sha256": HEX},
        "url": "https://example.org/a",
    }


def test_digests_are_kept_weakest_first_and_integrity_may_name_several() -> None:
    strong = "sha512-" + base64.b64encode(hashlib.sha512(b"bytes").digest()).decode()
    weak = "sha256-" + base64.b64encode(hashlib.sha256(b"bytes").digest()).decode()
    resource = only(f"- url: https://example.org/a\n  integrity: {strong} {weak}\n")
    assert resource.digests.algorithms == ("sha256", "sha512")


@pytest.mark.parametrize(
    ("pin", "key", "words"),
    [
        (f"sha256: {HEX}\n  digests: {{sha256: {OTHER}}}", "resources[0]:", "two different sha256 digests"),
        ("digests: {md5: d41d8cd98f00b204e9800998ecf8427e}", "resources[0].digests.md5:", "md5 is too weak"),
        ("integrity: sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=", "resources[0].integrity:", "sha1 is too weak"),
        ("integrity: ''", "resources[0].integrity:", "empty (write sha256-BASE64)"),
        (f"sha256: {HEX[:-1]}", "resources[0].sha256:", "has 64 hexadecimal digits, not 63"),
        (f"sha256: sha512:{HEX}{HEX}", "resources[0].sha256:", "a sha512 digest; write it under digests:"),
        ("size: 9223372036854775808", "resources[0].size:", "from 0 to 2^63 - 1"),
    ],
)
def test_pins_that_cannot_be(pin: str, key: str, words: str) -> None:
    found = wrong(f"- url: https://example.org/a\n  {pin}\n")
    assert key in found
    assert words in found


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("file:///etc/passwd", "only http and https are fetched, not file: (a local file needs no lockfile; file:"),
        ("ftp://example.org/a", "not ftp:"),
        ("www.example.org/a", "not an absolute URL; it begins with https:// or http:// (did you mean https://www."),
        ("example.org/a", "(did you mean https://example.org/a?)"),
        ("'https://example.org/{x}'", "{x} has no value; known here: none"),
        ("'https://example.org/}'", "a brace that belongs to no {name} and no ${NAME}"),
        ("https://user:${DLM_AUTH_P}@exa mple.org/a", "no blanks"),
        ("'https://${HOST}/a'", "the host is written plainly"),
    ],
)
def test_addresses_that_cannot_be(address: str, words: str) -> None:
    assert words in wrong(f"- url: {address}\n  name: x\n")


def test_the_short_form_knows_an_address_without_its_scheme() -> None:
    assert "did you mean https://example.org/a?" in wrong("- example.org/a")


def test_templates_stay_as_written_and_are_checked_for_every_platform() -> None:
    found = wrong(
        "- name: t\n  url: 'https://example.org/{os}.{ext}'\n  platforms: {linux-x86_64: {ext: gz}, macos-arm64: {}}\n"
    )
    assert "{ext} has no value; known here: arch, os" in found
    one = only(
        "- name: t\n  url: 'https://example.org/{stem}.{ext}'\n  vars: {stem: s}\n"
        "  platforms: {linux-x86_64: {ext: gz}, macos-arm64: {url: 'https://example.org/mac.zip'}}\n"
    )
    assert one.platforms[1].url == "https://example.org/mac.zip"
    assert one.request()["platforms"] == {
        "linux-x86_64": {"vars": {"ext": "gz"}},
        "macos-arm64": {"url": "https://example.org/mac.zip"},
    }


def test_a_misspelt_platform_is_the_only_mistake() -> None:
    for url in ("https://example.org/{os}/a", "https://example.org/a"):
        text = f"version: 1\nresources:\n- name: t\n  url: '{url}'\n  platforms:\n  - mac\n"
        [mistake] = mistakes(text)
        assert mistake.startswith("downloads.yaml:6: resources[0].platforms.mac: 'mac' is no platform")
        assert mistake.endswith("did you mean 'macos'?")


def test_a_misspelt_key_of_a_platform_is_no_variable() -> None:
    found = wrong(f"- {{url: https://example.org/a, platforms: {{linux: {{sha265: {HEX}}}}}}}")
    assert "resources[0].platforms.linux.sha265: 'sha265' fills nothing" in found
    assert "did you mean 'sha256'?" in found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("url: https://example.org/a, selector: 'python:3'", "exactly one of url, selector and base"),
        ("name: x", "exactly one of url, selector and base says what is wanted; none given"),
        ("selector: 'python:3', version: '1'", "version does not go with a selector"),
        ("selector: 'python:3', size: 1", "size does not go with a selector"),
        ("selector: 'python:3', platforms: [linux]", "platforms does not go with a selector"),
        ("name: x, base: 'https://example.org/'", "base needs files"),
        ("name: x, base: 'https://example.org/', files: []", "base needs files"),
        ("name: x, base: 'https://example.org/x', files: [a]", "ends in a slash (https://example.org/x/)"),
        ("name: x, base: 'https://example.org/?a=b', files: [a]", "has no query"),
        ("name: x, base: 'https://example.org/', files: [a], dest: y", "many files need a folder (y/)"),
        ("name: x, base: 'https://example.org/', files: [a, a]", "a file is named twice"),
        ("name: x, base: 'https://example.org/', files: [../a]", "leads out of the project"),
        ("name: x, base: 'https://example.org/', files: [a/]", "names no file"),
        ("name: x, base: 'https://example.org/', files: {a: 'md5:00'}", "md5 is too weak"),
        ("url: https://example.org/a, files: [a]", "files goes with base, not with url"),
        ("url: https://example.org/a, platforms: []", "no platform is named"),
        ("url: https://example.org/a, platforms: [linux, linux]", "a platform is named twice"),
        ("url: https://example.org/a, platforms: [Linux]", "'Linux' is no platform"),
        ("name: x, url: 'https://example.org/{os}', platforms: [linux], size: 1", "each platform has its own bytes"),
        ("url: https://example.org/a, vars: {'a b': c}", "'a b' is no name of a variable"),
        ("url: https://example.org/a, platforms: {linux: {size: x}}", "expected a whole number of bytes"),
        ("url: https://example.org/a, platforms: {linux: {size: -1}}", "not -1"),
        ("url: https://example.org/a, platforms: {linux: {sha256: {a: b}}}", "expected text"),
        ("url: https://example.org/a, platforms: {linux: {digests: x}}", "expected algorithm: digest"),
        (
            "url: https://example.org/a, platforms: {linux: {sha256: [x]}}",
            "expected text or a whole number or a mapping",
        ),
        ("url: https://example.org/a, platforms: 5", "expected a list or a mapping, found the number 5"),
        ("url: https://example.org/a, link: hard", "(did you mean 'hardlink'?)"),
        ("url: https://example.org/a, executable: yes", "expected true or false, found the text 'yes' (write true)"),
        ("url: https://example.org/a, groups: ['']", "'' is no group name"),
    ],
)
def test_what_does_not_go_together(text: str, words: str) -> None:
    assert words in wrong(f"- {{{text}}}")


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ("Range: x", "dlm sends Range itself"),
        ("content-type: x", "dlm sends content-type itself"),
        ("'a b': x", "'a b' is no header name"),
        ("'X\\r\\nY': x", "is no header name"),
        ('X: "a\\r\\nSet-Cookie: b"', "no line breaks, no control characters"),
        ('X: "\\u2026"', "no letters beyond Latin-1"),
        ("X: a, x: b", "x is given twice"),
    ],
)
def test_headers_that_cannot_be(headers: str, words: str) -> None:
    assert words in wrong(f"- {{url: https://example.org/a, headers: {{{headers}}}}}")


@pytest.mark.promise(7)
def test_literal_credentials_are_used_warned_about_and_stored_nowhere() -> None:
    manifest = read(
        "version: 1\nresources:\n"
        "- {url: 'https://user:hunter2@example.org/a', headers: {Authorization: Bearer hunter3, X-Api-Key: hunter4}}\n"
        "- {name: b, url: 'https://user:hunter5@example.org/{version}/b', version: '1'}\n"
        "- {url: 'https://example.org/c', headers: {Authorization: 'Bearer ${DLM_AUTH_C}', Accept: text/plain}}\n"
    )
    a, b, c = manifest.resources
    assert a.userinfo == "user:hunter2"
    assert b.userinfo == "user:hunter5"
    assert "hunter" not in json.dumps([one.request() for one in manifest.resources]) + repr(manifest.resources)
    assert b.url == "https://example.org/{version}/b"
    assert c.request()["headers"] == ["accept", "authorization"]
    assert manifest.warnings == (
        "a: the URL holds credentials; they are used but stored nowhere; write ${DLM_AUTH_…} instead",
        "a: the header Authorization holds a literal; it is used but stored nowhere; write ${DLM_AUTH_…} instead",
        "a: the header X-Api-Key holds a literal; it is used but stored nowhere; write ${DLM_AUTH_…} instead",
        "b: the URL holds credentials; they are used but stored nowhere; write ${DLM_AUTH_…} instead",
    )


def test_credentials_from_the_environment_stay_in_the_address() -> None:
    text = "https://${DLM_AUTH_USER}:${DLM_AUTH_PASSWORD}@example.org/a"
    assert only(f"- {text}").url == text
    assert only(f"- {text}").userinfo is None


@pytest.mark.promise(7)
@pytest.mark.parametrize(
    "text",
    [
        "url: 'https://${DLM_AUTH_USER}:hunter2@example.org/a'",
        "url: https://example.org/a, mirrors: ['https://user:hunter2@example.org/a']",
        "url: https://example.org/a, platforms: {linux: {url: 'https://user:hunter2@example.org/a'}}",
    ],
)
def test_credentials_that_would_end_in_the_lockfile_or_nowhere_are_refused(text: str) -> None:
    found = wrong(f"- {{{text}}}")
    assert "https://${DLM_AUTH_USER}:${DLM_AUTH_PASSWORD}@host/" in found
    assert "hunter2" not in found


@pytest.mark.fault("C10")
@pytest.mark.parametrize(
    ("text", "warned"),
    [
        ("url: http://example.org/a", True),
        (f"url: http://example.org/a, sha256: {HEX}", False),
        ("url: https://example.org/a", False),
        ("url: http://127.0.0.1:8000/a", False),
        ("name: x, base: http://example.org/, files: [a]", True),
        (f"name: x, base: http://example.org/, files: {{a: {HEX}}}", False),
        (f"url: http://example.org/a, platforms: {{linux: {{sha256: {HEX}}}, macos: {{}}}}", True),
    ],
)
def test_plain_http_without_a_pin_is_warned_about(text: str, warned: bool) -> None:
    warnings = read(f"version: 1\nresources:\n- {{{text}}}").warnings
    assert any("plain http and no digest" in one for one in warnings) is warned


def test_the_version_of_dlm_that_a_project_needs() -> None:
    assert read('version: 1\nrequires-dlm: ">=0.1,<2"\nresources: []').requires_dlm == ">=0.1,<2"
    assert mistakes('version: 1\nrequires-dlm: ">=3"\nresources: []') == [
        "downloads.yaml:2: requires-dlm: this project needs dlm >=3, and this is dlm 0.1.0 (upgrade dlm)"
    ]
    assert "'new' is no version range" in mistakes("version: 1\nrequires-dlm: new\nresources: []")[0]


def test_selectors_of_plug_ins() -> None:
    def grammar(parts: tuple[str, ...]) -> Selector:
        return Selector("tz", parts[0].lower())

    manifest = read("version: 1\nresources: ['tz:2024A']", grammars={"tz": grammar})
    assert manifest.resources[0].selector == "tz:2024a"


@pytest.mark.promise(7)
@pytest.mark.parametrize("key", ["settings", "cache", "backend", "jobs", "proxy"])
def test_a_manifest_sets_no_settings(key: str) -> None:
    (found,) = mistakes(f"version: 1\n{key}: x\nresources: []")
    assert "settings stand in the user's configuration, never in the manifest" in found


def test_headers_are_no_default() -> None:
    (found,) = mistakes("version: 1\ndefaults: {headers: {A: b}}\nresources: []")
    assert "headers go to one host, so they stand with a resource, never under defaults" in found


MANY = f"""\
version: 1
requires-dlm: 0.1.x
defaults: {{dest: ../out, executable: 1}}
resorces: []
resources:
  - ftp://example.org/a
  - pyhton:3.13.*
  - python:3.13.*:sorce
  - 42
  - name: one
    ulr: https://example.org/one
  - name: two
    url: https://example.org/two
    sha265: {HEX}
    size: "12"
    groups: ci
  - name: three
    url: https://example.org/three
    digests: {{md5: d41d8cd98f00b204e9800998ecf8427e}}
    headers: {{Range: bytes=0-1}}
    dest: /etc/passwd
    link: hard
  - name: three
    url: https://example.org/again
    url: https://example.org/twice
  - url: https://example.org/signed?X-Amz-Signature=abc
    optional: no
  - url: https://example.org/five
    dest: shared
  - url: https://example.org/six
    dest: shared
"""


def test_all_that_is_wrong_at_once() -> None:
    assert "\n".join(mistakes(MANY)) == (
        "downloads.yaml:2: requires-dlm: '0.1.x' is no version range (write one like \">=0.1\")\n"
        "downloads.yaml:3: defaults.executable: expected true or false, found the number 1\n"
        "downloads.yaml:4: resorces: unknown key 'resorces' (did you mean 'resources'?)\n"
        "downloads.yaml:6: resources[0]: only http and https are fetched, not ftp:\n"
        "downloads.yaml:7: resources[1]: nothing resolves pyhton: selectors; did you mean 'python'?\n"
        "downloads.yaml:8: resources[2]: unknown part 'sorce'; did you mean 'source'?\n"
        "downloads.yaml:9: resources[3]: expected a URL, a selector or a mapping, found the number 42\n"
        "downloads.yaml:11: resources[4].ulr: unknown key 'ulr' (did you mean 'url'?)\n"
        "downloads.yaml:14: resources[5].sha265: unknown key 'sha265' (did you mean 'sha256'?)\n"
        "downloads.yaml:15: resources[5].size: expected a whole number, found the text '12' (write it without quotes)\n"
        "downloads.yaml:16: resources[5].groups: expected a list, found the text 'ci' (write [ci])\n"
        "downloads.yaml:19: resources[6].digests.md5: md5 is too weak to pin bytes; use sha256\n"
        "downloads.yaml:20: resources[6].headers.Range: dlm sends Range itself\n"
        "downloads.yaml:21: resources[6].dest: '/etc/passwd' is absolute; a destination is relative to the manifest's"
        " folder\n"
        "downloads.yaml:22: resources[6].link: expected 'auto', 'reflink', 'hardlink', 'symlink' or 'copy', found the"
        " text 'hard' (did you mean 'hardlink'?)\n"
        "downloads.yaml:25: resources[7].url: the key stands here twice (remove one of them)\n"
        "downloads.yaml:26: resources[8].url: the query holds a literal secret (X-Amz-Signature), which would end in"
        " the lockfile (put it into the environment and write X-Amz-Signature=${DLM_AUTH_X_AMZ_SIGNATURE})\n"
        "downloads.yaml:27: resources[8].optional: expected true or false, found the text 'no' (write false)\n"
        "downloads.yaml:31: resources[10].dest: 'shared' is the destination of 'five' too (change the dest of one of"
        " them)"
    )


def test_the_error_counts_and_points_to_the_schema() -> None:
    with pytest.raises(ManifestError) as caught:
        read(MANY)
    assert caught.value.message == "downloads.yaml: 19 problems"
    assert caught.value.hint == "edit downloads.yaml; `dlm schema` prints a JSON Schema for editors"
    assert caught.value.details == tuple(str(problem) for problem in caught.value.problems)


def test_lines_of_json_are_told_too() -> None:
    text = '{"version": 1,\n "resources": [\n  {"ulr": "https://example.org/\\ud83d\\ude00"}\n]}'
    assert mistakes(text) == ["downloads.yaml:3: resources[0].ulr: unknown key 'ulr' (did you mean 'url'?)"]
