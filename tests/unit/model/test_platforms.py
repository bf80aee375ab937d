"""Names of platforms."""

from __future__ import annotations

import pytest

from dlm.model.platforms import canonical, check_platform, matches


@pytest.mark.parametrize("name", ["linux", "linux-x86_64", "macos-arm64", "linux-armv7-musl", "windows-x86_64"])
def test_names(name: str) -> None:
    assert check_platform(name) == name


@pytest.mark.parametrize(
    "name", ["", "Linux", "linux_x86", "-x", "linux-", "a-b-c-d-e", "linux x", "linux/x", "lin\nux"]
)
def test_no_names(name: str) -> None:
    with pytest.raises(ValueError, match="write one like linux-x86_64 or macos-arm64"):
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
