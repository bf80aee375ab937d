"""The reference pages are what the commands go by."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlm.cli.main import COMMANDS
from dlm.cli.reference import PAGES, write_pages
from dlm.cli.settings import TABLE

DOCS = Path(__file__).parents[3] / "docs"


@pytest.mark.parametrize("page", PAGES)
def test_pages_are_up_to_date(page: str) -> None:
    assert (DOCS / page).read_text(encoding="utf-8") == PAGES[page](), "run `make docs`"


def test_pages_tell_of_everything(tmp_path: Path) -> None:
    write_pages(str(tmp_path))
    settings, commands = ((tmp_path / name).read_text(encoding="utf-8") for name in ("settings.md", "commands.md"))
    for setting in TABLE:
        assert f"| `{setting.key}` | " in settings
    for name in COMMANDS:
        assert f"\n## dlm {name}\n" in commands
    assert "\n## dlm cache clean\n" in commands
