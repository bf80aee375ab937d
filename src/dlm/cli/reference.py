"""The reference pages of docs/, made from what the commands go by: ``python -m dlm.cli.reference docs``."""

from __future__ import annotations

import os
import sys

import click

from dlm.cli.files import write_atomically
from dlm.cli.settings import TABLE
from dlm.model.settings import Settings

__all__ = ["PAGES", "commands_page", "settings_page", "write_pages"]

_SETTINGS_HEAD = """\
# Settings

Each setting is a key of `config.yaml`, a `DLM_` variable and, where it makes sense, a flag. A flag beats a variable,
a variable beats the user's file, and that beats the system's; what stands under `enforce:` in the system's file beats
all of them. The manifest sets none: it comes with a repository that may not be yours. `dlm doctor` shows each value
and where it comes from.

The flags are `--cache-dir` for every command, `--link` for `sync`, and for every command that may use the network
`--backend`, `--jobs`, `--jobs-per-host`, `--retries`, `--connect-timeout`, `--stall-timeout`, `--split` and
`--max-size`: what may differ from one run to the next. What holds for a machine, such as certificates and mirrors, has
a variable. `hosts`, `rewrite`, `policy` and `python_identities` stand in files alone: they are mappings and lists, for
which a flag and a variable have no room, and a credential on a command line would be in every list of processes.

- The user's file is `config.yaml` in the platform's configuration folder (`~/.config/dlm` on Linux), or what
  `DLM_CONFIG_FILE` names. `DLM_NO_CONFIG=1` reads none.
- The system's file is `/etc/dlm/config.yaml` on Linux, `/Library/Application Support/dlm/config.yaml` on macOS,
  `C:\\ProgramData\\dlm\\config.yaml` on Windows (wherever the registry has that folder), or what
  `DLM_SYSTEM_CONFIG_FILE` names.

`DLM_SYSTEM_CONFIG_FILE` puts a file with other defaults in the place of the system's: for an image, a job of CI, or a
test. It takes nothing away: `enforce:` and `policy` of the file in the platform's own place count beside it, and what
that file enforces counts last. An environment belongs to whoever starts dlm, as flags and the user's file do; a rule
that a variable could lift would be a request. If that file is there and cannot be read, dlm ends with code 2 and does
nothing. What is enforced binds this program: who may write to the disk may run another one.

A relative path in a file begins at the folder of that file (so does a helper that is written as a path; a bare name is
looked up in `PATH`), one in a flag or a variable at the working directory. `~` is the user's home.

A dotted key is a mapping: `cache.dir` is written as

```yaml
cache:
  dir: /var/cache/dlm
```

| key | variable | default | what it does |
|---|---|---|---|
"""
_PLATFORM_DEFAULT = {"cache_dir": "the platform's cache folder", "state_dir": "the platform's state folder"}
_COMMANDS_HEAD = """\
# Commands

What `dlm COMMAND --help` prints.

Every command takes `-f FILE`, `-C DIR`, `--format text|json`, `-q`, `-v`, `--color` and `--progress`.
"""
_WIDTH = 100


def settings_page() -> str:
    """``docs/settings.md``: a row for each row of the table."""
    defaults = Settings()
    rows = []
    for setting in TABLE:
        default = _PLATFORM_DEFAULT.get(setting.field) or _words(getattr(defaults, setting.field))
        variable = f"`{setting.variable}`" if setting.variable else "none"
        rows.append(f"| `{setting.key}` | {variable} | {default} | {_cell(setting.doc)} |\n")
    return _SETTINGS_HEAD + "".join(rows)


def commands_page() -> str:
    """``docs/commands.md``: the help of each command."""
    from dlm.cli.main import COMMANDS, cli

    context = click.Context(cli, info_name="dlm", **cli.context_settings)
    parts = [_COMMANDS_HEAD]
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None, "every name has a command"
        parts += _sections(command, context, f"dlm {name}")
    return "\n".join(parts)


def _sections(command: click.Command, above: click.Context, title: str) -> list[str]:
    context = click.Context(command, parent=above, info_name=title.rpartition(" ")[2], terminal_width=_WIDTH)
    parts = [f"## {title}\n\n```text\n{command.get_help(context).rstrip()}\n```\n"]
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None, "every name has a command"
            parts += _sections(inner, context, f"{title} {name}")
    return parts


def _words(value: object) -> str:
    if value is None or (hasattr(value, "__len__") and not value):
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("${NAME}", "`${NAME}`").replace("DLM_AUTH_*", "`DLM_AUTH_*`")


#: What each page is made by.
PAGES = {"settings.md": settings_page, "commands.md": commands_page}


def write_pages(folder: str) -> None:
    """Write every page into a folder.

    Raises:
        LocalError: the disk refuses.
    """
    for name, make in PAGES.items():
        write_atomically(os.path.join(folder, name), make().encode())


if __name__ == "__main__":
    write_pages(sys.argv[1])
