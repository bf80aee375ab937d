"""What the pages tell people to type: every command and option there is, and what comes from other tools runs."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from dlm.cli.main import cli
from tests.support.cli import Desk
from tests.support.world import World

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*(ROOT / "docs").glob("*.md"), *(ROOT / name for name in ("README.md", "CHANGELOG.md"))])
COMING_FROM = (ROOT / "docs" / "coming-from.md").read_text(encoding="utf-8")
#: How a page writes a command: between backticks, behind a prompt, or indented in a help text.
_WRITTEN = re.compile(r"`(dlm [^`]+)`|^\$ (dlm .*)$|^ {4}(dlm .*)$", re.MULTILINE)


def commands(text: str) -> Iterator[list[str]]:
    """The words behind ``dlm`` of each command on a page, without remarks, pipes and the brackets of a usage line."""
    for found in _WRITTEN.finditer(text):
        line = re.split(r" {2}| # | \| ", next(group for group in found.groups() if group))[0]
        yield [word.strip("[]…") for word in line.split()[1:]]


def mistakes(words: list[str]) -> Iterator[str]:
    """What a command line has that the command does not know."""
    command: click.Command = cli
    context = click.Context(cli)
    left = list(words)
    while isinstance(command, click.Group) and left and not left[0].startswith("-"):
        names = left.pop(0).replace("\\", "").split("|")  # `python versions|latest` names two
        found = {name: command.get_command(context, name) for name in names}
        yield from (f"no command {name!r}" for name, one in found.items() if one is None and name != "COMMAND")
        inner = found[names[0]]
        if len(names) > 1 or inner is None:
            return
        command = inner
    options = {
        name: one
        for one in command.params
        if isinstance(one, click.Option)
        for name in (*one.opts, *one.secondary_opts)
    }
    takes_words = any(isinstance(one, click.Argument) for one in command.params)
    while left:
        word, equals, _ = left.pop(0).partition("=")
        if word in {"-h", "--help", "-", ""}:
            continue
        option = options.get(word)
        if word.startswith("-") and option is None:
            yield f"no option {word}"
        elif option is not None and not option.is_flag and not equals and left:
            left.pop(0)
        elif option is None and not takes_words:
            yield f"no arguments, so no {word!r}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_of_the_pages_are_there(page: Path) -> None:
    found = {" ".join(words): [*mistakes(words)] for words in commands(page.read_text(encoding="utf-8"))}
    assert {line: wrong for line, wrong in found.items() if wrong} == {}


def test_a_wrong_command_would_be_seen() -> None:
    wrong = "`dlm init https://example.org/a` `dlm snyc` `dlm cache prun` `dlm sync --bogus`\n$ dlm lock --group a b\n"
    assert all([*mistakes(words)] for words in commands(wrong))
    assert len([*commands(wrong)]) == 5


def test_what_people_from_other_tools_type(world: World, desk: Desk) -> None:
    body = b"sepal,petal\n"
    url = world.file("/iris.csv", body)
    typed = re.findall(r"^\$ dlm (.*)$", COMING_FROM, re.MULTILINE)
    assert len(typed) >= 9
    for line in typed:
        words = shlex.split(line.replace("https://example.org/iris.csv", url))
        words = [hashlib.sha256(body).hexdigest() if word.endswith("…") else word for word in words]
        desk.dlm(*words).ok()
    assert (desk.root / "iris.csv").read_bytes() == (desk.root / "data" / "iris.csv").read_bytes() == body
    assert (desk.root / "dist" / "python-3.13.2-amd64.exe").exists()
