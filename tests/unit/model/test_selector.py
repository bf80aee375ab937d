"""Selectors: one normal form for every spelling, and words for every mistake."""

from __future__ import annotations

import re

import pytest

from dlm.model.manifest import NAME
from dlm.model.selector import Selector


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("python:3.13.*", "python:3.13.*:source-release:xz"),
        ("python:3.13", "python:3.13.*:source-release:xz"),
        (" python:3.13 : source ", "python:3.13.*:source-release:xz"),
        ("python:3", "python:3.*:source-release:xz"),
        ("python:3.13.2", "python:3.13.2:source-release:xz"),
        ("python:latest:source:tgz", "python:latest:source-release:tgz"),
        ("python:3.13:source:tarball_deflate", "python:3.13.*:source-release:tgz"),
        ("python:3.13:source:tarball_lzma", "python:3.13.*:source-release:xz"),
        ("python:3.13:gz", "python:3.13.*:source-release:tgz"),
        ("python:3.14.0rc1", "python:3.14.0rc1:source-release:xz"),
        ("python:2.0c1", "python:2.0rc1:source-release:xz"),
        ("python:3.14.0rc*", "python:3.14.0rc*:source-release:xz"),
        ("python:==2.7", "python:==2.7:source-release:xz"),
        ("python:<3.14, >=3.12", "python:>=3.12,<3.14:source-release:xz"),
        ("python:~= 3.12.1", "python:~=3.12.1:source-release:xz"),
        ("python:3.12:windows:exe:arch=x64", "python:3.12.*:windows-release:exe:arch=amd64"),
        ("python:3.12:windows:exe:arch=x86_64", "python:3.12.*:windows-release:exe:arch=amd64"),
        ("python:3.12:macos:pkg:min_macos=11.0", "python:3.12.*:macos-release:pkg:min_macos=11"),
        ("python:3.12:macos:min-macos=10.9", "python:3.12.*:macos-release:min_macos=10.9"),
        ("python:3.14:android:arch=amd64", "python:3.14.*:android-release:arch=x86_64"),
        ("python:3.13:windows:zip:embed:arch=arm64", "python:3.13.*:windows-release:zip:arch=arm64:embed"),
        ("python:3.13:windows:embed:zip", None),  # the format stands before the options
        ("python:3.13:file=Python-3.13.0.tgz", "python:3.13.*:source-release:file=Python-3.13.0.tgz"),
        ("python:3.13:all:pre", "python:3.13.*:source-release:xz:all:pre"),
        ("python:3.13:pre:all:pre", "python:3.13.*:source-release:xz:all:pre"),
    ],
)
def test_normal_form(text: str, normal: str | None) -> None:
    if normal is None:
        with pytest.raises(ValueError, match="before all options"):
            Selector.parse(text)
        return
    selector = Selector.parse(text)
    assert str(selector) == normal
    assert Selector.parse(normal) == selector
    assert NAME.match(selector.slug)


@pytest.mark.fault("C07")
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("pyhton:3.13.*", "nothing resolves pyhton: selectors; did you mean 'python'?"),
        ("node:20", "nothing resolves node: selectors; known: python"),
        ("3.13.*", "'3.13.*' is neither a URL nor a selector like python:3.13.*"),
        ("", "is neither a URL nor a selector"),
        ("../x:y", "is neither a URL nor a selector"),
        ("python:", "the version is missing, as in python:3.13.*"),
        ("python:3.13.x", "'3.13.x' is no version"),
        ("python:v3.13", "'v3.13' is no version"),
        ("python:3.013", "is no version"),
        ("python:3.13.*.*", "is no version"),
        ("python:>=3.12,", "'' is no version clause"),
        ("python:>=x", "'>=x' is no version clause; write one like >=3.12 or ~=3.12.1"),
        ("python:~=3", "'~=3' is no version clause"),
        ("python:3.13:sorce", "unknown part 'sorce'; did you mean 'source'?"),
        ("python:3.13:source:rar", "unknown part 'rar'"),
        (
            "python:3.13:min_macos=11:macos",
            "'macos' is a type: there is one, right behind the version, as in python:3.13.*:macos",
        ),
        ("python:3.13:macos:windows", "'windows' is a type: there is one"),
        (
            "python:3.13:windows:arch=amd64:exe",
            "'exe' is a format: there is one, before all options, as in python:3.13.*:windows-release:exe",
        ),
        ("python:3.13:source:exe", "a source-release has no format exe; it comes as bz2, tgz, xz, zip"),
        ("python:3.13:macos:xz", "a macos-release has no format xz; it comes as dmg, pkg"),
        ("python:3.13:windows:exe:arch=amd46", "unknown architecture 'amd46'; did you mean 'amd64'?"),
        ("python:3.13:windows:exe:arch=", "the option arch needs a value"),
        ("python:3.13:windows:exe:arch=arm64:arch=amd64", "the option arch is given twice"),
        ("python:3.13:embed=1", "the option embed takes no value"),
        ("python:3.13:post=x", "the option post takes a number, not 'x'"),
        ("python:3.13:build=01", "takes a number"),
        ("python:3.13:min_macos=eleven", "takes a version like 11 or 10.9"),
        ("python:3.13:file=../x", "takes a file's name"),
    ],
)
def test_mistakes_are_named(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        Selector.parse(text)


@pytest.mark.fault("C06")
@pytest.mark.parametrize("version", ["9" * 22, "3." + "9" * 22, "3.13." + "1" * 5000, "99999999.1"])
def test_versions_of_a_length_that_none_has_are_refused_at_once(version: str) -> None:
    with pytest.raises(ValueError, match="is no version"):
        Selector.parse(f"python:{version}")


def test_a_plug_in_brings_its_own_grammar() -> None:
    def grammar(parts: tuple[str, ...]) -> Selector:
        if len(parts) != 2:
            raise ValueError("write tz:NAME:VERSION")
        return Selector("tz", parts[1], parts[0])

    selector = Selector.parse("tz:europe:2024a", {"tz": grammar})
    assert str(selector) == "tz:2024a:europe"
    with pytest.raises(ValueError, match="write tz:NAME:VERSION"):
        Selector.parse("tz:europe", {"tz": grammar})
    with pytest.raises(ValueError, match="did you mean 'tz'"):
        Selector.parse("tzz:europe:1", {"tz": grammar})


def test_slugs_are_names_of_files_too() -> None:
    assert Selector.parse("python:3.13.*").slug == "python-3.13.x-source-release-xz"
    assert Selector.parse("python:>=3.12,<3.14").slug == "python-ge3.12-lt3.14-source-release-xz"


def test_options() -> None:
    selector = Selector.parse("python:3.12:windows:zip:embed:arch=amd64")
    assert selector.option("arch") == "amd64"
    assert selector.option("embed") == ""
    assert selector.option("debug") is None
    assert selector.has("embed")
