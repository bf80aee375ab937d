"""The chooser's rules, over candidates of no site in particular."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dlm.errors import NetworkError, ResolutionError
from dlm.model.candidate import Candidate
from dlm.model.selector import Selector
from dlm.resolve.choose import Batches, Choice, choose


def source(version: str, form: str = "xz", *, withdrawn: bool = False) -> Candidate:
    name = f"Python-{version}.tar.{form}"
    return Candidate(
        url=f"https://x.example/{name}",
        filename=name,
        version=version,
        type="source-release",
        format=form,
        withdrawn=withdrawn,
    )


def windows(version: str, form: str, *flags: str, **values: str) -> Candidate:
    name = "-".join([f"python-{version}", *flags, *values.values()]) + f".{form}"
    return Candidate(
        url=f"https://x.example/{name}",
        filename=name,
        version=version,
        type="windows-release",
        format=form,
        flags=frozenset(flags),
        values=values,
    )


def mac(version: str, **values: str) -> Candidate:
    name = "-".join([f"python-{version}", *values.values()]) + ".pkg"
    return Candidate(
        url=f"https://x.example/{name}",
        filename=name,
        version=version,
        type="macos-release",
        format="pkg",
        values=values,
    )


def ask(text: str, *batches: tuple[Candidate, ...]) -> Choice:
    return choose(Selector.parse(text), iter(batches))


def chosen(text: str, *batches: tuple[Candidate, ...]) -> list[str]:
    return [candidate.filename for candidate in ask(text, *batches).chosen]


def refused(text: str, *batches: tuple[Candidate, ...]) -> ResolutionError:
    with pytest.raises(ResolutionError) as caught:
        ask(text, *batches)
    return caught.value


class Taken:
    """Batches that know how many of them were taken."""

    def __init__(self, *batches: tuple[Candidate, ...]) -> None:
        self.count = 0
        self._batches = batches

    def __iter__(self) -> Iterator[tuple[Candidate, ...]]:
        for batch in self._batches:
            self.count += 1
            yield batch


@pytest.mark.fault("C05")
def test_versions_are_ordered_as_numbers() -> None:
    assert chosen("python:3.13.*", (source("3.13.9"), source("3.13.10"), source("3.13.2"))) == ["Python-3.13.10.tar.xz"]


@pytest.mark.fault("C05")
@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("3.13.*", "3.13.9"),
        ("3.13", "3.13.9"),
        ("latest", "3.14.0"),
        ("latest:pre", "3.15.0b1"),
        (">=3.12,<3.14", "3.13.9"),
        ("~=3.12.1", "3.12.4"),
        ("==3.13.9", "3.13.9"),
        ("3.14.0rc1", "3.14.0rc1"),
        ("3.14.0rc*", "3.14.0rc2"),
        ("3.14.0b*", "3.14.0b3"),
        ("3.14.0c1", "3.14.0rc1"),
        ("3.14.*:pre", "3.14.0"),
        ("3.13.*:pre", "3.13.10rc1"),
        (">=3.15.0a1", "3.15.0b1"),
        (">=3.12,!=3.15.0b1", "3.14.0"),
        ("<3.14", "3.13.9"),
        ("2.7", "2.7"),
        ("==2.7.0", "2.7"),
        ("<3", "2.7"),
    ],
)
def test_specs(spec: str, expected: str) -> None:
    batches = [
        (source("3.15.0a1"), source("3.15.0b1")),
        (source("3.14.0b3"), source("3.14.0rc1"), source("3.14.0rc2"), source("3.14.0")),
        (source("3.13.10rc1"),),
        (source("3.13.9"),),
        (source("3.12.4"),),
        (source("3.12.0"),),
        (source("2.7"),),
    ]
    spec, _, option = spec.partition(":")
    assert chosen(f"python:{spec}:source:xz{':' + option if option else ''}", *batches) == [f"Python-{expected}.tar.xz"]


def test_the_newest_that_has_the_file() -> None:
    choice = ask(
        "python:3.12.*:windows:exe",
        (source("3.12.12"),),
        (source("3.12.11"),),
        (source("3.12.10"), windows("3.12.10", "exe", arch="amd64")),
        (windows("3.12.9", "exe", arch="amd64"),),
    )
    assert [candidate.version for candidate in choice.chosen] == ["3.12.10"]
    assert [(one.version, one.reason) for one in choice.passed_over] == [
        ("3.12.12", "is source only"),
        ("3.12.11", "is source only"),
    ]
    assert choice.sentences() == ("3.12.11 to 3.12.12 are source only",)


def test_no_batch_is_taken_after_the_one_that_settles_it() -> None:
    batches = Taken((source("3.13.2"),), (source("3.13.1"),))
    choose(Selector.parse("python:3.13.*"), iter(batches))
    assert batches.count == 1
    choose(
        Selector.parse("python:3.13.*:source:xz:all"), iter(again := Taken((source("3.13.2"),), (source("3.13.1"),)))
    )
    assert again.count == 2


def test_all_takes_one_of_each_release() -> None:
    batches = (
        (source("3.13.2"), source("3.13.2", "bz2"), source("3.13.2rc1")),
        (source("3.12.1"),),
        (source("3.11.0"),),
    )
    assert chosen("python:>=3.12:source:xz:all", *batches) == ["Python-3.13.2.tar.xz", "Python-3.12.1.tar.xz"]
    assert len(chosen("python:>=3.12:source:xz:all:pre", *batches)) == 3
    error = refused(
        "python:3.*:macos:all", (mac("3.9.1", min_macos="11"),), (mac("3.8.1", min_macos="10"), mac("3.8.1"))
    )
    assert "2 files of 3.8.1" in error.message


def test_a_flag_that_is_not_named_means_a_file_without_it() -> None:
    batch = (
        windows("3.9.0", "exe", arch="amd64"),
        windows("3.9.0", "exe", "webinstall", arch="amd64"),
        windows("3.9.0", "zip", "embed", arch="amd64"),
        windows("3.9.0", "zip", "embeddable", arch="amd64"),
        windows("3.9.0", "zip", "freethreaded", "test", arch="amd64"),
    )
    assert chosen("python:3.9.0:windows", batch) == ["python-3.9.0-amd64.exe"]
    assert chosen("python:3.9.0:windows:webinstall", batch) == ["python-3.9.0-webinstall-amd64.exe"]
    assert chosen("python:3.9.0:windows:embed", batch) == ["python-3.9.0-embed-amd64.zip"]
    assert chosen("python:3.9.0:windows:test:freethreaded", batch) == ["python-3.9.0-freethreaded-test-amd64.zip"]
    assert (
        "3.9.0 has zip with embed, embeddable or freethreaded+test only"
        in refused("python:3.9.0:windows:zip", batch).message
    )
    assert "3.9.0 has no zip with debug and test" in refused("python:3.9.0:windows:zip:test:debug", batch).message


def test_symbols_are_what_support_files_are() -> None:
    symbols = Candidate(
        url="https://x.example/python-2.7.1-pdb.zip",
        filename="python-2.7.1-pdb.zip",
        version="2.7.1",
        type="windows-support",
        format="zip",
        flags=frozenset({"pdb"}),
    )
    assert chosen("python:2.7.1:windows-support", (symbols,)) == ["python-2.7.1-pdb.zip"]
    assert chosen("python:2.7.1:windows-support:pdb", (symbols,)) == ["python-2.7.1-pdb.zip"]
    refused("python:2.7.1:windows-support:debug", (symbols,))


def test_an_architecture_that_is_not_named() -> None:
    batch = (
        windows("3.13.1", "exe", arch="amd64"),
        windows("3.13.1", "exe", arch="arm64"),
        windows("3.13.1", "exe", arch="win32"),
    )
    error = refused("python:3.13.*:windows:exe", batch)
    assert error.message == (
        "python:3.13.*:windows-release:exe matches 3 files of 3.13.1; "
        "they differ by arch=amd64, arch=arm64 or arch=win32"
    )
    assert error.details == (
        "python-3.13.1-amd64.exe: arch=amd64",
        "python-3.13.1-arm64.exe: arch=arm64",
        "python-3.13.1-win32.exe: arch=win32",
    )
    assert error.hint == "name one, as in python:3.13.*:windows-release:exe:arch=amd64"
    assert error.code == 1
    assert chosen("python:3.13.*:windows:exe:arch=x64", batch) == ["python-3.13.1-amd64.exe"]
    assert chosen("python:3.13.*:windows:exe", batch[:1]) == ["python-3.13.1-amd64.exe"]


def test_a_system_that_is_not_named() -> None:
    batch = (mac("3.9.1", min_macos="10.9"), mac("3.9.1", min_macos="11"))
    assert "min_macos=10.9 or min_macos=11" in refused("python:3.9:macos", batch).message
    assert chosen("python:3.9:macos:min_macos=11.0", batch) == ["python-3.9.1-11.pkg"]
    mixed = (mac("2.7.1", min_macos="10.5"), mac("2.7.1"))
    error = refused("python:2.7:macos", mixed)
    assert error.details == ("python-2.7.1-10.5.pkg: min_macos=10.5", "python-2.7.1.pkg: file=python-2.7.1.pkg")


def test_a_format_that_is_not_named() -> None:
    batch = (windows("3.11.1", "exe", arch="amd64"), windows("3.11.1", "zip", arch="amd64"))
    error = refused("python:3.11:windows:arch=amd64", batch)
    assert "they differ by exe or zip" in error.message
    assert error.hint == "name one, as in python:3.11.*:windows-release:exe:arch=amd64"
    assert chosen("python:3.11:windows:zip", batch) == ["python-3.11.1-amd64.zip"]
    three = (*batch, windows("3.11.1", "exe", arch="win32"))
    assert refused("python:3.11:windows", three).details == (
        "python-3.11.1-amd64.exe: exe:arch=amd64",
        "python-3.11.1-amd64.zip: zip",
        "python-3.11.1-win32.exe: exe:arch=win32",
    )


def test_what_no_option_tells_apart_is_named_by_file() -> None:
    upper, lower = source("1.6"), source("1.6")
    lower = Candidate(
        url=upper.url.lower(), filename=upper.filename.lower(), version="1.6", type="source-release", format="xz"
    )
    error = refused("python:1.6", (upper, lower))
    assert error.details == (
        "Python-1.6.tar.xz: file=Python-1.6.tar.xz",
        "python-1.6.tar.xz: file=python-1.6.tar.xz",
    )
    assert error.hint == "name one, as in python:1.6.*:source-release:file=Python-1.6.tar.xz"
    assert chosen("python:1.6:file=python-1.6.tar.xz", (upper, lower)) == ["python-1.6.tar.xz"]


def test_a_file_is_found_by_its_name_alone() -> None:
    odd = windows("3.9.1", "exe", "superseded", arch="amd64")
    assert chosen(f"python:3.9.1:file={odd.filename}", (source("3.9.1"), odd)) == [odd.filename]
    assert chosen(f"python:3.9.1:windows:file={odd.filename}", (source("3.9.1"), odd)) == [odd.filename]
    refused(f"python:3.9.1:macos:file={odd.filename}", (source("3.9.1"), odd))
    assert "3.9.1 has no file x.exe" in refused("python:3.9.1:file=x.exe", (source("3.9.1"),)).message


def test_what_was_packaged_again_gives_way_to_the_plain_file() -> None:
    plain, again = mac("3.10.0", min_macos="11"), mac("3.10.0", min_macos="11", post="2")
    assert chosen("python:3.10.0:macos", (again, plain)) == ["python-3.10.0-11.pkg"]
    assert chosen("python:3.10.0:macos:post=2", (again, plain)) == ["python-3.10.0-11-2.pkg"]
    assert chosen("python:3.10.0:macos", (again,)) == ["python-3.10.0-11-2.pkg"]
    third = mac("3.10.0", min_macos="11", post="3")
    assert "post=2 or post=3" in refused("python:3.10.0:macos", (again, third)).message
    other = mac("3.10.0", min_macos="12", post="2")
    assert "min_macos=11 or min_macos=12" in refused("python:3.10.0:macos", (plain, again, other)).message


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("source:xz", "which has the format tgz and not xz"),
        ("macos", "which is a source-release and no macos-release"),
        ("freethreaded", "which is not freethreaded"),
        ("arch=arm64", "which does not have arch=arm64"),
    ],
)
def test_a_file_that_is_there_and_something_else_that_is_not(options: str, words: str) -> None:
    tarball = source("3.13.1", "tgz")
    error = refused(
        f"python:3.13.*:{options}:file={tarball.filename}",
        (source("3.13.2"),),
        (tarball, source("3.13.1")),
        (source("3.13.0"),),
    )
    assert error.message.endswith(f": 3.13.1 has the file {tarball.filename}, {words}"), error.message
    assert error.hint == f"its name says it all, as in python:3.13.*:file={tarball.filename}"
    assert chosen((error.hint or "").rpartition(" ")[2], (tarball, source("3.13.1"))) == [tarball.filename]
    odd = windows("3.9.1", "exe", arch="amd64")
    error = refused(f"python:3.9.1:windows:arch=win32:file={odd.filename}", (odd,))
    assert "which has arch=amd64 and not arch=win32" in error.message


@pytest.mark.fault("C04")
def test_a_withdrawn_release_is_taken_only_where_it_is_named() -> None:
    batches = ((source("3.9.3", withdrawn=True),), (source("3.9.2"),))
    assert chosen("python:3.9.*", *batches) == ["Python-3.9.2.tar.xz"]
    assert ask("python:3.9.*", *batches).sentences() == ("3.9.3 was withdrawn",)
    assert chosen("python:3.9.*:source:xz:all", *batches) == ["Python-3.9.2.tar.xz"]
    for text in ("python:3.9.3", "python:==3.9.3", "python:3.9.*:file=Python-3.9.3.tar.xz"):
        assert chosen(text, *batches) == ["Python-3.9.3.tar.xz"]
    error = refused("python:>=3.9.3,<3.9.4", *batches)
    assert "3.9.3 was withdrawn" in error.message
    assert error.hint is not None
    assert "python:==3.9.3:source-release:xz" in error.hint


@pytest.mark.fault("C05")
def test_where_only_pre_releases_are() -> None:
    error = refused("python:3.15.*", (source("3.15.0a1"), source("3.15.0b1")))
    assert error.message == "nothing matches python:3.15.*:source-release:xz: 3.15.0a1 to 3.15.0b1 are pre-releases"
    assert error.hint == "let pre-releases count, as in python:3.15.*:source-release:xz:pre"


def test_no_match_says_what_came_closest() -> None:
    line: list[tuple[Candidate, ...]] = [(source(f"3.12.{micro}"),) for micro in (14, 13, 12, 11)]
    line += [(source(f"3.12.{micro}"), windows(f"3.12.{micro}", "exe", arch="amd64")) for micro in (10, 9)]
    asked: list[str] = []

    def nearby(selector: Selector) -> Batches:
        asked.append(str(selector))
        return iter(line)

    with pytest.raises(ResolutionError) as caught:
        choose(Selector.parse("python:>=3.12.11,<3.13:windows:exe"), iter(line[:4]), nearby=nearby)
    assert caught.value.message == (
        "nothing matches python:>=3.12.11,<3.13:windows-release:exe: "
        "newest 3.12 with an exe is 3.12.10; 3.12.11 to 3.12.14 are source only"
    )
    assert caught.value.details == ("looked at: 4 from 3.12.11 to 3.12.14",)
    assert caught.value.hint == "ask for one that has it, as in python:3.12.*:windows-release:exe"
    assert asked == ["python:3.12.*:windows-release:exe"]
    with pytest.raises(
        ResolutionError, match=r"newest 3\.12 with an exe is 3\.12\.10; 3\.12\.11 to 3\.12\.14 are source"
    ):
        choose(Selector.parse("python:3.12.13:windows:exe"), iter(line[1:2]), nearby=nearby)
    with pytest.raises(ResolutionError, match=r"there is no such release; newest 3\.12 with an exe is 3\.12\.10"):
        choose(Selector.parse("python:3.12.99:windows:exe"), iter(()), nearby=nearby)
    with pytest.raises(ResolutionError, match=r"there is no such release; the newest release is 3\.12\.14"):
        choose(Selector.parse("python:4.*:macos"), iter(()), nearby=nearby)


def test_each_thing_that_is_missing_has_its_words() -> None:
    exe = windows("3.12.1", "exe", arch="amd64")
    assert "3.12.1 is source only" in refused("python:3.12:windows", (source("3.12.1"),)).message
    assert (
        "3.12.1 has no macos-release (source-release, windows-release)"
        in refused("python:3.12:macos", (source("3.12.1"), exe)).message
    )
    assert "3.12.1 comes as exe only" in refused("python:3.12:windows:msi", (source("3.12.1"), exe)).message
    assert "3.12.1 has no exe with arch=arm64 (amd64)" in refused("python:3.12:windows:exe:arch=arm64", (exe,)).message
    assert "there is no such release" in refused("python:3.99:windows").message
    formats = refused("python:3.0", (source("3.0", "bz2"), source("3.0", "tgz")))
    assert formats.hint == "name a format that there is (bz2 and tgz), as in python:3.0.*:source-release:tgz"


def test_a_failure_to_look_further_does_not_hide_the_answer() -> None:
    def nearby(_: Selector) -> Batches:
        raise NetworkError("the server is gone")

    with pytest.raises(ResolutionError) as caught:
        choose(
            Selector.parse("python:3.12.1:windows"),
            iter([(source("3.12.1"),)]),
            nearby=nearby,
            remarks=lambda: ("3.12.2/ is not there",),
        )
    assert "3.12.1 is source only" in caught.value.message
    assert caught.value.details == (
        "looked at: 3.12.1",
        "looking further failed: the server is gone",
        "3.12.2/ is not there",
    )


def test_a_failure_while_choosing_is_no_choice() -> None:
    def batches() -> Batches:
        yield (source("3.13.1", "bz2"),)
        raise NetworkError("the server is gone")

    with pytest.raises(NetworkError, match="the server is gone"):
        choose(Selector.parse("python:3.13"), batches())


@pytest.mark.fault("L19")
def test_messages_hold_no_control_characters() -> None:
    odd = [
        Candidate(
            url="https://x.example/", filename=f"x\x1b[2J{n}", version="1.0.0", type="source-release", format="xz"
        )
        for n in range(30)
    ]
    error = refused("python:1.0", tuple(odd))
    assert all(line.isprintable() for line in (error.message, *error.details))
    assert error.details[-1] == "and 10 more"


def test_a_version_that_cannot_be_compared_is_passed_over() -> None:
    assert chosen("python:latest", (source("tomorrow"), source("3.1.4"))) == ["Python-3.1.4.tar.xz"]
