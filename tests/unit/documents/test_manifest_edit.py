"""Edits of a manifest's text: what is added and removed, and that the rest stays to the byte."""

from __future__ import annotations

import json

import pytest
import yaml

from dlm.documents.manifest_edit import Entry, add_resources, remove_resources
from dlm.errors import ManifestError

URL = "https://example.org/new.csv"
LONG: Entry = {"url": URL, "dest": "data/", "groups": ["docs", "ci"], "executable": True}

ADDED: dict[str, tuple[str, list[Entry], str]] = {
    "a list of lines": (
        "version: 1\nresources:\n  - https://a.example/x  # why\n  # about y\n  - https://a.example/y\n\n# end\n",
        [URL],
        (
            "version: 1\nresources:\n  - https://a.example/x  # why\n  # about y\n  - https://a.example/y\n"
            "  - https://example.org/new.csv\n\n# end\n"
        ),
    ),
    "no indentation": (
        "resources:\n- https://a.example/x\n# the version\nversion: 1\n",
        [URL, LONG],
        (
            "resources:\n- https://a.example/x\n- https://example.org/new.csv\n- url: https://example.org/new.csv\n"
            "  dest: data/\n  groups: [docs, ci]\n  executable: true\n# the version\nversion: 1\n"
        ),
    ),
    "wide dashes": (
        "version: 1\nresources:\n    -   url: https://a.example/x\n        dest: d/ # there\n",
        [LONG],
        (
            "version: 1\nresources:\n    -   url: https://a.example/x\n        dest: d/ # there\n"
            "    -   url: https://example.org/new.csv\n        dest: data/\n        groups: [docs, ci]\n"
            "        executable: true\n"
        ),
    ),
    "a comment inside the last": (
        "version: 1\nresources:\n  - url: https://a.example/x\n    # dest: d/\n  # - https://a.example/y\n",
        [URL],
        (
            "version: 1\nresources:\n  - url: https://a.example/x\n    # dest: d/\n  - https://example.org/new.csv\n"
            "  # - https://a.example/y\n"
        ),
    ),
    "empty lines between": (
        "version: 1\nresources:\n  - https://a.example/x\n\n  # y\n  - https://a.example/y\n",
        [URL],
        (
            "version: 1\nresources:\n  - https://a.example/x\n\n  # y\n  - https://a.example/y\n\n"
            "  - https://example.org/new.csv\n"
        ),
    ),
    "no final line end": (
        "version: 1\nresources:\n  - https://a.example/x",
        [URL],
        "version: 1\nresources:\n  - https://a.example/x\n  - https://example.org/new.csv",
    ),
    "Windows lines": (
        "version: 1\r\nresources:\r\n  - https://a.example/x\r\n\r\n# end\r\n",
        [LONG],
        (
            "version: 1\r\nresources:\r\n  - https://a.example/x\r\n  - url: https://example.org/new.csv\r\n"
            "    dest: data/\r\n    groups: [docs, ci]\r\n    executable: true\r\n\r\n# end\r\n"
        ),
    ),
    "a byte order mark": (
        "\ufeffversion: 1\nresources:\n- https://a.example/x\n",
        [URL],
        "\ufeffversion: 1\nresources:\n- https://a.example/x\n- https://example.org/new.csv\n",
    ),
    "double quotes": (
        'version: 1\nresources:\n  - "https://a.example/x"\n  - url: "https://a.example/y"\n',
        [URL],
        (
            'version: 1\nresources:\n  - "https://a.example/x"\n  - url: "https://a.example/y"\n'
            '  - "https://example.org/new.csv"\n'
        ),
    ),
    "single quotes": (
        "version: 1\nresources:\n  - 'https://a.example/x'\n",
        ["https://example.org/it's"],
        "version: 1\nresources:\n  - 'https://a.example/x'\n  - 'https://example.org/it''s'\n",
    ),
    "mappings in braces": (
        "version: 1\nresources:\n  - https://a.example/x\n  - {url: https://a.example/y, dest: d/}\n",
        [LONG],
        (
            "version: 1\nresources:\n  - https://a.example/x\n  - {url: https://a.example/y, dest: d/}\n"
            "  - {url: https://example.org/new.csv, dest: data/, groups: [docs, ci], executable: true}\n"
        ),
    ),
    "a literal block at the end": (
        "version: 1\nresources:\n  - url: https://a.example/x\n    dest: |-\n      d/\n\n# end\n",
        [URL],
        (
            "version: 1\nresources:\n  - url: https://a.example/x\n    dest: |-\n      d/\n"
            "  - https://example.org/new.csv\n\n# end\n"
        ),
    ),
    "an alias at the end": (
        "version: 1\ndefaults: {dest: &d vendor/}\nresources:\n  - url: https://a.example/x\n    dest: *d # all\n",
        [URL],
        (
            "version: 1\ndefaults: {dest: &d vendor/}\nresources:\n  - url: https://a.example/x\n    dest: *d # all\n"
            "  - https://example.org/new.csv\n"
        ),
    ),
    "none yet": (
        "version: 1\nresources: []   # below\n#  - https://a.example/x\n",
        [URL],
        "version: 1\nresources:   # below\n  - https://example.org/new.csv\n#  - https://a.example/x\n",
    ),
    "none yet, no line end": ("version: 1\nresources: []", [URL], f"version: 1\nresources:\n  - {URL}"),
    "brackets on one line": (
        "version: 1\nresources: [https://a.example/x, https://a.example/y]  # two\n",
        [URL],
        "version: 1\nresources: [https://a.example/x, https://a.example/y, https://example.org/new.csv]  # two\n",
    ),
    "brackets on one line, a comma at the end": (
        "version: 1\nresources: [https://a.example/x, ]\n",
        [URL],
        "version: 1\nresources: [https://a.example/x, https://example.org/new.csv, ]\n",
    ),
    "brackets on many lines": (
        "version: 1\nresources: [\n  https://a.example/x,  # x, first\n  https://a.example/y   # y\n]\n",
        [URL, LONG],
        (
            "version: 1\nresources: [\n  https://a.example/x,  # x, first\n  https://a.example/y,   # y\n"
            "  https://example.org/new.csv,\n"
            "  {url: https://example.org/new.csv, dest: data/, groups: [docs, ci], executable: true}\n]\n"
        ),
    ),
    "brackets on many lines, a comma at the end": (
        "version: 1\nresources: [\n  https://a.example/x,  # x\n]\n",
        [URL],
        "version: 1\nresources: [\n  https://a.example/x,  # x\n  https://example.org/new.csv,\n]\n",
    ),
    "all in braces": (
        "{version: 1, resources: []}  # short\n",
        ["python:>=3.12,<3.14"],
        '{version: 1, resources: ["python:>=3.12,<3.14"]}  # short\n',
    ),
    "JSON": (
        '{\n    "version": 1,\n    "resources": ["https://a.example/x"],\n    "defaults": {"groups": ["a"]}\n}\n',
        [URL],
        (
            '{\n    "version": 1,\n    "resources": ["https://a.example/x", "https://example.org/new.csv"],\n'
            '    "defaults": {"groups": ["a"]}\n}\n'
        ),
    ),
    "JSON on many lines": (
        '{\n\t"resources": [\n\t\t"https://a.example/x"\n\t],\n\t"version": 1\n}',
        [URL, {"url": URL, "dest": "é/"}],
        (
            '{\n\t"resources": [\n\t\t"https://a.example/x",\n\t\t"https://example.org/new.csv",\n'
            '\t\t{\n\t\t\t"url": "https://example.org/new.csv",\n\t\t\t"dest": "é/"\n\t\t}\n\t],\n\t"version": 1\n}'
        ),
    ),
    "JSON, none yet": (
        '{\n  "version": 1,\n  "resources": []\n}\n',
        [URL],
        '{\n  "version": 1,\n  "resources": [\n    "https://example.org/new.csv"\n  ]\n}\n',
    ),
    "JSON on one line": (
        '{"version": 1, "resources": []}',
        [URL, LONG],
        (
            '{"version": 1, "resources": ["https://example.org/new.csv", {"url": "https://example.org/new.csv", '
            '"dest": "data/", "groups": ["docs", "ci"], "executable": true}]}'
        ),
    ),
}


@pytest.mark.parametrize("case", ADDED)
def test_adds_in_the_style_of_the_file(case: str) -> None:
    before, entries, after = ADDED[case]
    assert add_resources(before, entries) == after


@pytest.mark.parametrize("case", ADDED)
def test_removing_what_was_added_gives_the_bytes_from_before(case: str) -> None:
    before, entries, after = ADDED[case]
    count = len(yaml.safe_load(after.replace("\t", " ").removeprefix("\ufeff"))["resources"])
    back = remove_resources(after, range(count - len(entries), count))
    if "JSON, none yet" in case:
        assert json.loads(back) == json.loads(before)
    else:
        assert back == before


@pytest.mark.parametrize(
    ("text", "place", "left"),
    [
        (
            "version: 1\nresources:\n  # about x\n  - https://a.example/x  # x\n  - https://a.example/y\n",
            0,
            "version: 1\nresources:\n  # about x\n  - https://a.example/y\n",
        ),
        (
            (
                "resources:\n- https://a.example/x\n\n- url: https://a.example/y\n  # inside\n  dest: d/\n\n"
                "- https://a.example/z\nversion: 1\n"
            ),
            1,
            "resources:\n- https://a.example/x\n\n- https://a.example/z\nversion: 1\n",
        ),
        (
            "resources:\n- https://a.example/x\n\n- https://a.example/y\nversion: 1\n",
            0,
            "resources:\n- https://a.example/y\nversion: 1\n",
        ),
        (
            "resources:\n- https://a.example/x\n\n# two more\n- https://a.example/y\n- a:z\nversion: 1\n",
            1,
            "resources:\n- https://a.example/x\n\n# two more\n- a:z\nversion: 1\n",
        ),
        (
            "version: 1\nresources:\n  -\n    url: https://a.example/x\n  - https://a.example/y\n",
            0,
            "version: 1\nresources:\n  - https://a.example/y\n",
        ),
        (
            "version: 1\nresources: # all\n  # about x\n  - https://a.example/x\n",
            0,
            "version: 1\nresources: [] # all\n  # about x\n",
        ),
        (
            "resources: [https://a.example/x, https://a.example/y]\nversion: 1",
            0,
            "resources: [https://a.example/y]\nversion: 1",
        ),
        (
            "resources: [https://a.example/x, https://a.example/y]\nversion: 1",
            1,
            "resources: [https://a.example/x]\nversion: 1",
        ),
        (
            "resources: [\n  https://a.example/x,  # x\n  https://a.example/y   # y, last\n]\nversion: 1",
            1,
            "resources: [\n  https://a.example/x  # x\n]\nversion: 1",
        ),
        (
            "resources: [\n  https://a.example/x,  # x\n  https://a.example/y   # y, last\n]\nversion: 1",
            0,
            "resources: [\n  https://a.example/y   # y, last\n]\nversion: 1",
        ),
        ("{resources: [{url: https://a.example/x}], version: 1}", 0, "{resources: [], version: 1}"),
    ],
)
def test_removes_one(text: str, place: int, left: str) -> None:
    assert remove_resources(text, [place]) == left


def test_removes_several() -> None:
    text = "version: 1\nresources:\n" + "".join(f"  - https://a.example/{name}  # {name}\n" for name in "abcde")
    assert remove_resources(text, [3, 0, 1]) == (
        "version: 1\nresources:\n  - https://a.example/c  # c\n  - https://a.example/e  # e\n"
    )


@pytest.mark.parametrize(
    "word",
    ["1.10", "123", "no", "null", "~", "a: b", "a #b", "- a", "it's", "*x", "&x", "{a}", "[a]", "a, b", "!t", "%a",
     "@a", "", " a", "a:", "é", "x\ty", 'say "x"', "2024-01-01", "0x1f", "https://e.example/{v},x?a=[1]&b=#c"],
)  # fmt: skip
def test_text_stays_text(word: str) -> None:
    entry: Entry = {"url": URL, "dest": word, "groups": [word]}
    for text in (
        "version: 1\nresources:\n- x:y\n",
        "version: 1\nresources: [x:y]\n",
        '{"version": 1, "resources": []}',
    ):
        for one in (entry, word):
            changed = add_resources(text, [one])
            assert yaml.safe_load(changed)["resources"][-1] == one


@pytest.mark.parametrize(
    "text",
    [
        "version: 1\nall: &all [a:b]\nresources: *all\n",
        "version: 1\nresources: [ # none\n]\n",
        "version: 1\nother: []\n",
        "- a\n",
        "version: 1\nresources: [\n",
        '{"version": 1, "resources": 3}',
    ],
)
def test_refuses_what_it_cannot_edit(text: str) -> None:
    with pytest.raises(ManifestError, match="the list of resources cannot be"):
        add_resources(text, [URL])


def test_refuses_to_take_away_what_something_else_refers_to() -> None:
    text = "version: 1\nresources:\n- url: https://a.example/x\n  dest: &d v/\n- url: https://a.example/y\n  dest: *d\n"
    with pytest.raises(ManifestError, match="cannot be"):
        remove_resources(text, [0])
    assert remove_resources(text, [1]) == "version: 1\nresources:\n- url: https://a.example/x\n  dest: &d v/\n"
