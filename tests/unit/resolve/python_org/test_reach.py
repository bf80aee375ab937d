"""Every artifact that public records show is what some selector means."""

from __future__ import annotations

from collections import Counter

import pytest
from packaging.version import Version

from dlm.errors import ResolutionError
from dlm.model.candidate import Candidate
from dlm.model.selector import Selector
from dlm.resolve.choose import choose
from dlm.resolve.python_org.index import PythonOrg
from tests.support.python_org.ports import MemoryNotebook, SetClock, SitePages
from tests.support.python_org.site import PythonOrgSite

OPTIONS = {"embed", "embeddable", "freethreaded", "webinstall", "test", "debug", "pdb", "no_lto"}


@pytest.fixture(scope="module")
def batches() -> list[tuple[Candidate, ...]]:
    clock = SetClock()
    index = PythonOrg(SitePages(PythonOrgSite().respond), MemoryNotebook(clock), clock, listing_ttl=600)
    return list(index.list_all())


def by_its_properties(one: Candidate) -> str:
    flags = sorted(one.flags & OPTIONS)
    values = [f"{name}={value}" for name, value in one.values.items() if name != "date"]
    return ":".join([f"python:=={one.version}", one.type, one.format, *flags, *values])


def test_the_order_is_newest_first(batches: list[tuple[Candidate, ...]]) -> None:
    lowest = [min(Version(one.version) for one in batch) for batch in batches]
    highest = [max(Version(one.version) for one in batch) for batch in batches]
    assert all(low > high for low, high in zip(lowest, highest[1:], strict=False))


def test_every_artifact_is_reached(batches: list[tuple[Candidate, ...]]) -> None:
    by_name: list[str] = []
    count: Counter[str] = Counter()
    for batch in batches:
        for one in batch:
            count[one.type] += 1
            try:
                found = choose(Selector.parse(by_its_properties(one)), iter([batch])).chosen
            except ResolutionError:
                found = ()
            if found != (one,):
                by_name.append(one.filename)
                text = f"python:=={one.version}:{one.type}:file={one.filename}"
                assert choose(Selector.parse(text), iter([batch])).chosen == (one,)
    assert sum(count.values()) == 4136
    assert count == {
        "source-release": 440 + 492 + 19 + 53 + 2 - 0,
        "windows-release": 2523,
        "windows-support": 90,
        "macos-release": 469,
        "android-release": 42,
        "ios-release": 6,
    }
    # What python.org itself does not tell apart but by the name: two names of 1.6 that differ in case, second names of
    # two tarballs, and a package that was replaced.
    assert sorted(by_name) == [
        "Python-1.6.tar.gz",
        "py152.tgz",
        "pyth151.tgz",
        "python-1.6.tar.gz",
        "python-3.10.0-macos11.pkg_superceded",
    ]


def test_the_normal_form_means_the_same(batches: list[tuple[Candidate, ...]]) -> None:
    for batch in batches[::7]:
        for one in batch:
            selector = Selector.parse(by_its_properties(one))
            assert Selector.parse(str(selector)) == selector
