"""The quick way through the rules for paths gives what the rules give, for whatever text."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import example, given
from hypothesis import strategies as st

from dlm.model.paths import _check_any_filename, check_filename, check_path, names_file

PIECES = (
    "/",
    "a",
    "B.bin",
    ".",
    "..",
    "~",
    "con",
    "NUL.txt",
    ".git",
    ".GIT",
    "git~1",
    "com1",
    "com",
    "x" * 130,
    "é",
    " ",
    ":",
    "\\",
    "_",
    "$",
    "\n",
)
texts = st.lists(st.sampled_from(PIECES), max_size=9).map("".join) | st.text(max_size=12)


def answer(ask: Callable[[str], object], text: str) -> object:
    try:
        return ask(text)
    except ValueError as error:
        return f"error: {error}"


@given(texts)
@example("a" * 255)
@example("com\u00b9")
@example("\u017f")
def test_a_plain_name_is_checked_as_any_other(text: str) -> None:
    assert answer(check_filename, text) == answer(_check_any_filename, text)


@given(texts)
@example("data/000000.bin")
@example("~x/a")
def test_a_files_path_is_one_that_stays_as_it_is(text: str) -> None:
    def canonical(text: str) -> bool:
        return bool(text) and not text.endswith("/") and check_path(text) == text

    assert answer(names_file, text) == answer(canonical, text)
