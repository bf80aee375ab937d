"""Resources: the request that the lockfile stores, templates, and back again."""

from __future__ import annotations

import json

import pytest

from dlm.model.digest import Digests
from dlm.model.manifest import IDENTITY, PLACEMENT, FileWish, Manifest, Resource, Variant, fill, holes, implied_vars

PIN = Digests.sha256_of(b"bytes")

FULL = Resource(
    name="tool",
    url="https://example.org/{version}/tool-{os}.{ext}",
    version="1.4.2",
    vars={"z": "1", "ext": "gz"},
    platforms=(
        Variant(platform="macos-arm64", vars={"os": "darwin", "arch": "arm64"}, digests=PIN, size=5),
        Variant(platform="linux-x86_64", vars=implied_vars("linux-x86_64"), url="https://example.org/l"),
    ),
    mirrors=("https://mirror.example/{version}",),
    headers={"X-B": "secret", "Authorization": "Bearer ${DLM_AUTH_X}"},
    userinfo="user:hunter2",
    dest="tools/",
    executable=True,
    link="copy",
    groups=("b", "a", "b"),
    optional=True,
    mutable=True,
    freeze=True,
)


def test_the_request_is_sorted_without_defaults_names_and_secrets() -> None:
    request = FULL.request()
    assert request == {
        "dest": "tools/",
        "executable": True,
        "groups": ["a", "b"],
        "headers": ["authorization", "x-b"],
        "mirrors": ["https://mirror.example/{version}"],
        "mutable": True,
        "optional": True,
        "platforms": {
            "linux-x86_64": {"url": "https://example.org/l"},
            "macos-arm64": {"digests": PIN.as_mapping(), "size": 5, "vars": {"os": "darwin"}},
        },
        "url": "https://example.org/{version}/tool-{os}.{ext}",
        "vars": {"ext": "gz", "z": "1"},
        "version": "1.4.2",
    }
    text = json.dumps(request)
    assert list(request) == sorted(request)
    assert list(request["platforms"]) == ["linux-x86_64", "macos-arm64"]
    assert "secret" not in text
    assert "hunter2" not in text


def test_the_smallest_request() -> None:
    assert Resource(name="a", url="https://example.org/a").request() == {"url": "https://example.org/a"}
    assert Resource(name="a", selector="python:3.13.*").request() == {"selector": "python:3.13.*"}


def test_the_order_of_writing_changes_no_request() -> None:
    one = Resource(
        name="a",
        base="https://example.org/",
        files=(FileWish(name="x", digests=PIN), FileWish(name="b")),
        groups=("y", "x"),
    )
    other = Resource(
        name="a",
        base="https://example.org/",
        files=(FileWish(name="b"), FileWish(name="x", digests=PIN)),
        groups=("x", "y"),
    )
    assert json.dumps(one.request()) == json.dumps(other.request())


@pytest.mark.parametrize(
    "resource",
    [
        FULL,
        Resource(name="a", selector="python:3.13.*", dest="x"),
        Resource(name="a", base="https://example.org/", files=(FileWish(name="b"), FileWish(name="x", digests=PIN))),
        Resource(name="a", url="https://example.org/a", digests=PIN, size=0),
    ],
)
def test_a_request_says_all_that_a_frozen_sync_needs(resource: Resource) -> None:
    again = Resource.from_request(resource.name, resource.request())
    expected = resource.request()
    expected.pop("headers", None)  # values are stored nowhere, so the names alone come back to nothing
    assert again.request() == expected


@pytest.mark.parametrize("request_", [{"platforms": []}, {"platforms": {"linux": 5}}, {"vars": 5}, {"files": ["a"]}])
def test_a_request_of_another_form_is_refused(request_: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"has an unknown form|is not|dictionary|object"):
        Resource.from_request("a", request_)


def test_every_part_of_a_request_is_judged_somewhere() -> None:
    assert not IDENTITY & PLACEMENT
    parts = set(FULL.request()) | {"selector", "base", "files", "digests", "size"}
    assert parts - IDENTITY - PLACEMENT == {"digests", "size"}


def test_templates() -> None:
    assert holes("{a}/${B}/{c-d}{a}") == ("a", "c-d", "a")
    assert fill("{a}/${B}", {"a": "1"}) == "1/${B}"
    with pytest.raises(ValueError, match=r"\{x\} has no value; known here: a, b"):
        fill("{x}", {"b": "", "a": ""})
    with pytest.raises(ValueError, match="known here: none"):
        fill("{x}", {})
    for text in ("{", "}", "{}", "{1}", "{a b}", "$}"):
        with pytest.raises(ValueError, match="a brace that belongs to no"):
            fill(text, {})


def test_a_value_is_not_filled_again() -> None:
    with pytest.raises(ValueError, match="a brace"):
        fill("{a}", {"a": "{b}", "b": "x"})


def test_a_manifest_finds_by_name() -> None:
    manifest = Manifest(resources=(FULL,))
    assert manifest.get("tool") is FULL
    assert manifest.get("other") is None


@pytest.mark.promise(7)
def test_secrets_are_not_in_the_representation() -> None:
    assert "hunter2" not in repr(FULL)
    assert "secret" not in repr(FULL)
