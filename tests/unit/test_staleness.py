"""An entry is stale when its request differs from the manifest's, and for no other reason."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dlm.model.digest import Digests
from dlm.model.lockfile import LockEntry, Lockfile
from dlm.model.manifest import FileWish, Manifest, Resource, Variant
from dlm.staleness import differences, stale_entries

BASE = Resource(
    name="a", url="https://example.org/{version}/a", version="1", dest="x/", digests=Digests.sha256_of(b"a")
)


def entry(resource: Resource, **extra: Any) -> LockEntry:
    return LockEntry(name=resource.name, request=resource.request(), artifacts=(), extra=extra)


def test_nothing_else_makes_an_entry_stale() -> None:
    assert differences(BASE, entry(BASE, note="later")) is None
    assert differences(replace(BASE, freeze=True, link="copy"), entry(BASE)) is None
    # A header's value is stored nowhere, so it cannot make a difference.
    with_header = replace(BASE, headers={"X-A": "1"})
    assert differences(replace(BASE, headers={"x-a": "2"}), entry(with_header)) is None


@pytest.mark.parametrize(
    ("change", "kind", "fields"),
    [
        ({"version": "2"}, "identity", ("version",)),
        ({"url": "https://example.org/b"}, "identity", ("url",)),
        ({"vars": {"x": "y"}}, "identity", ("vars",)),
        ({"headers": {"X-A": "1"}}, "identity", ("headers",)),
        ({"platforms": (Variant(platform="linux"),)}, "identity", ("platforms",)),
        ({"url": None, "selector": "python:3.13.*"}, "identity", ("selector", "url")),
        (
            {"url": None, "base": "https://example.org/", "files": (FileWish(name="x"),)},
            "identity",
            ("base", "files", "url"),
        ),
        ({"digests": Digests.sha256_of(b"b")}, "pins", ("digests",)),
        ({"size": 5}, "pins", ("size",)),
        ({"size": 5, "dest": "y/"}, "pins", ("dest", "size")),
        ({"dest": "y/"}, "placement", ("dest",)),
        ({"groups": ("ci",)}, "placement", ("groups",)),
        ({"executable": True}, "placement", ("executable",)),
        ({"mirrors": ("https://mirror.example/a",)}, "placement", ("mirrors",)),
        ({"optional": True}, "placement", ("optional",)),
        ({"mutable": True}, "placement", ("mutable",)),
        ({"dest": "y/", "version": "2"}, "identity", ("dest", "version")),
    ],
)
def test_what_differs_decides_what_it_costs(change: dict[str, Any], kind: str, fields: tuple[str, ...]) -> None:
    changed = replace(BASE, **change)
    stale = differences(changed, entry(BASE))
    assert stale is not None
    assert (stale.kind, stale.fields) == (kind, fields)
    back = differences(BASE, entry(changed))
    assert back is not None
    assert (back.kind, back.fields) == (kind, fields)


def test_differences_in_words() -> None:
    stale = differences(replace(BASE, version="2", groups=("ci",)), entry(BASE))
    assert str(stale) == 'a: groups (none) -> ["ci"]; version 1 -> 2'
    long = differences(replace(BASE, url="https://example.org/" + "x" * 100), entry(BASE))
    assert long is not None
    assert long.details[0].endswith("x…")


def test_all_disagreements_by_name() -> None:
    manifest = Manifest(
        resources=(
            replace(BASE, name="z"),
            replace(BASE, name="new"),
            replace(BASE, name="moved", dest="y/"),
            replace(BASE, name="maybe", optional=True),
        )
    )
    old = [replace(BASE, name="z"), replace(BASE, name="moved"), replace(BASE, name="gone")]
    lockfile = Lockfile(entries={one.name: entry(one) for one in old})
    found = stale_entries(manifest, lockfile)
    assert [(one.name, one.kind) for one in found] == [("gone", "extra"), ("moved", "placement"), ("new", "missing")]
    assert [str(one) for one in found] == [
        "gone: not in the manifest any more",
        "moved: dest x/ -> y/",
        "new: not in the lockfile",
    ]


@pytest.mark.fault("Y14")
def test_an_optional_entry_that_is_there_is_judged_like_any_other() -> None:
    resource = replace(BASE, optional=True)
    manifest = Manifest(resources=(replace(resource, version="2"),))
    (stale,) = stale_entries(manifest, Lockfile(entries={"a": entry(resource)}))
    assert stale.kind == "identity"
