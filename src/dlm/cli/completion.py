"""``dlm completion``."""

from __future__ import annotations

import click

from dlm.cli.command import Border, Result, command

__all__ = ["SHELLS", "completion", "script"]

SHELLS = ("bash", "zsh", "fish")
#: What click reads to see that a shell asks, and not a person.
_VARIABLE = "_DLM_COMPLETE"


def script(shell: str) -> str:
    """The completion script of a shell; it asks ``dlm`` itself whenever somebody presses Tab."""
    from click.shell_completion import get_completion_class

    from dlm.cli.main import cli

    kind = get_completion_class(shell)
    assert kind is not None, "click knows the shells that are offered"
    made = kind(cli, {}, "dlm", _VARIABLE)
    # Not source(): for bash that runs bash to learn its version, and the script is often made on another machine.
    return made.source_template % made.source_vars()


@command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
def completion(border: Border, *, shell: str) -> Result:
    """Print the script that lets a shell complete commands, options and the names of resources.

    bash needs to be 4.4 or newer.

    \b
    Examples:
      dlm completion bash > ~/.local/share/bash-completion/completions/dlm
      dlm completion zsh > "${fpath[1]}/_dlm"
      dlm completion fish > ~/.config/fish/completions/dlm.fish
    """
    text = script(shell)
    border.console.data(text.strip("\n"))
    return Result(document={"shell": shell, "script": text})
