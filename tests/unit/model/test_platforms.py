"""Names of platforms."""

from __future__ import annotations

import pytest

from dlm.model.platforms import canonical, check_platform, is_known, matches


@pytest.mark.parametrize("name", ["linux", "linux-x86_64", "macos-arm64", "linux-armv7-musl", "windows-x86_64"])
def test_names(name: str) -> None:
    assert check_platform(name) == name


@pytest.mark.parametrize(
    "name", ["", "Linux", "linux_x86", "-x", "linux-", "a-b-c-d-e", "linux x", "linux/x", "lin\nux"]
)
def test_no_names(name: str) -> None:
    with pytest.raises(ValueError, match=r"is no platform; (write one like linux-x86_64 or macos-arm64|did you mean)"):
        check_platform(name)


@pytest.mark.parametrize(
    ("declared", "host", "fits"),
    [
        ("linux-x86_64", "linux-x86_64", True),
        ("linux-amd64", "linux-x86_64", True),
        ("darwin-aarch64", "macos-arm64", True),
        ("win32-x64", "windows-x86_64", True),
        ("linux", "linux-arm64", True),
        ("darwin", "macos-arm64", True),
        ("linux-x86_64", "linux-arm64", False),
        ("linux-x86_64", "linux", False),
        ("linux-x86_64-musl", "linux-x86_64", False),
        ("windows", "linux-x86_64", False),
    ],
)
def test_one_machine_has_many_names(declared: str, host: str, fits: bool) -> None:
    assert matches(declared, host) is fits


def test_canonical_names_are_canonical() -> None:
    assert canonical("osx-aarch64-debug") == canonical(canonical("osx-aarch64-debug")) == "macos-arm64-debug"


@pytest.mark.parametrize(
    "name",
    [
        *("linux", "linux-x86_64", "linux-amd64", "linux-i686", "linux-armv7l-gnueabihf", "linux-x86_64-gnu-cuda12"),
        *("macos-arm64", "darwin-arm64", "win32", "win-amd64", "windows-arm64", "freebsd14-amd64", "sunos5-sparc64"),
        *("plan9-mips", "android-arm64", "linux-x86_64_v3", "linux-arm64v8", "linux-any"),
        *("board7", "esp32-c3", "tizen-armv9", "nonsense"),  # anybody's own
    ],
)
def test_what_there_is(name: str) -> None:
    assert check_platform(name) == name


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("linxu-x86_64", "no system is called 'linxu'; did you mean 'linux-x86_64'?"),
        ("mac", "no system is called 'mac'; did you mean 'macos'?"),
        ("macos11-arm64", "no system is called 'macos11'; did you mean 'macos-arm64'?"),
        ("linux-x8664", "no machine is called 'x8664'; did you mean 'linux-x86_64'?"),
        ("linux-x86-64", "is no platform; did you mean 'linux-x86_64'?"),
        ("Linux-x86_64", "is no platform; did you mean 'linux-x86_64'?"),
        ("linux64", "no system is called 'linux64'; did you mean 'linux"),
        ("linux-arm46", "no machine is called 'arm46'; did you mean 'linux-arm64'?"),
    ],
)
def test_what_there_is_not(name: str, words: str) -> None:
    with pytest.raises(ValueError) as caught:
        check_platform(name)
    assert str(caught.value).startswith(f"{name!r} is no platform")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("linux", True),
        ("linux-amd64-musl", True),
        ("freebsd14-amd64", True),
        ("linux-any", False),
        ("board7", False),
        ("Linux", False),
    ],
)
def test_words_that_others_use(name: str, known: bool) -> None:
    assert is_known(name) is known
