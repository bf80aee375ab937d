"""Destinations: relative, inside the project, and such that every platform can hold them."""

from __future__ import annotations

import pytest

from dlm.model.paths import check_filename, check_path, collision_key, names_file


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("a", "a"), ("./a", "a"), ("a//b", "a/b"), ("a/./b", "a/b"), ("a/", "a/"), ("a/.", "a/"), (".", ""), ("./", ""),
        ("", ""), ("a b/c", "a b/c"), ("é", "é"), ("...a", "...a"), (".hidden", ".hidden"), ("com10", "com10"),
        ("console.txt", "console.txt"), ("a/b.tar.gz", "a/b.tar.gz"), ("x" * 255, "x" * 255),
        ("~x", "~x"), ("./~x", "~x"), ("a/~", "a/~"),
    ],
)  # fmt: skip
def test_canonical_form(text: str, canonical: str) -> None:
    assert check_path(text) == canonical
    assert check_path(canonical) == canonical


@pytest.mark.promise(6)
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("/etc/passwd", "is absolute"),
        ("//host/share", "is absolute"),
        ("..", "leads out of the project"),
        ("a/../../b", "leads out of the project"),
        ("a/..", "leads out of the project"),
        ("~/x", "begins with ~"),
        ("~root/x", "begins with ~"),
        ("~root/", "begins with ~"),
        ("~", "begins with ~"),
        ("./~/x", "begins with ~"),
        ("C:/x", "names a drive"),
    ],
)
def test_nothing_leads_out(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check_path(text)


@pytest.mark.fault("L20")
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("NUL", "is a reserved name on Windows"),
        ("a/con.txt", "is a reserved name"),
        ("Aux.tar.gz/b", "is a reserved name"),
        ("COM1", "is a reserved name"),
        ("lpt³.x", "is a reserved name"),
        ("conin$", "is a reserved name"),
        ("a:b", "names a drive|holds ':'"),
        ("ab:stream", "holds ':'"),
        ("C:x", "names a drive"),
        ("a.", "ends in a dot"),
        ("a ", "ends in a blank"),
        ("a /b", "ends in a blank"),
        (" a", "begins or ends in a blank"),
        ("a\\b", "holds a backslash"),
        ("a?", r"holds '\?'"),
        ('a"', "holds '\"'"),
    ],
)
def test_what_windows_cannot_hold_is_refused_everywhere(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check_path(text)


@pytest.mark.promise(6)
@pytest.mark.parametrize(
    "name",
    [
        ".git", ".GIT", ".gIt", "git~1", "GIT~1", ".git.", ".git . ", ".git::$INDEX_ALLOCATION", "git~1 ", ".git :x",
        ".g\u200cit", "\ufeff.git", ".gi\u206at\u202e",
    ],
)  # fmt: skip
@pytest.mark.parametrize("around", ["{}", "{}/hooks/pre-commit", "vendor/{}", "vendor/{}/config", "{}/", "./{}/x"])
def test_what_git_takes_for_its_own_folder_is_no_destination(name: str, around: str) -> None:
    path = around.format(name)
    with pytest.raises(ValueError, match="is git's own folder, in which no download has a place") as caught:
        check_path(path)
    assert str(caught.value).isprintable()
    if not path.endswith("/"):
        with pytest.raises(ValueError, match=r"is git's own folder"):
            names_file(path)


@pytest.mark.parametrize(
    "name",
    [".gitignore", ".github", ".gitattributes", ".gitmodules", "git", "git~2", "git~10", "x.git", ".git-x", "_.git"],
)
def test_names_that_only_begin_like_gits_folder_are_plain_names(name: str) -> None:
    assert check_filename(name) == name
    assert check_path(f"{name}/x") == f"{name}/x"
    assert names_file(f"vendor/{name}")


@pytest.mark.fault("L19")
@pytest.mark.parametrize(
    "text", ["a\x1b[2J", "a\nb", "a\x00", "a\x7f", "a\x85", "a\u202ecod.exe", "a\u200b", "a\ud800"]
)
def test_control_characters_are_refused_and_shown_escaped(text: str) -> None:
    with pytest.raises(ValueError, match="holds the control character") as caught:
        check_path(text)
    assert str(caught.value).isprintable()


@pytest.mark.fault("L21")
def test_lengths() -> None:
    with pytest.raises(ValueError, match="has 256 bytes; file systems hold 255"):
        check_path("x" * 256)
    with pytest.raises(ValueError, match="has 256 bytes"):
        check_path("é" * 128)
    with pytest.raises(ValueError, match="at most 1024 are portable"):
        check_path("/".join(["x" * 200] * 6))


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\\b"])
def test_file_names_are_one_component(name: str) -> None:
    with pytest.raises(ValueError, match=r"no file name|holds a slash"):
        check_filename(name)


def test_collision_keys() -> None:
    assert collision_key("Readme") == collision_key("README")
    assert collision_key("caf\u00e9") == collision_key("cafe\u0301")
    assert collision_key("straße") == collision_key("STRASSE")
    assert collision_key("a") != collision_key("b")
