"""``dlm completion``: what a shell is told when somebody presses Tab."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.cli import Desk, console_script

LOCKFILE = {
    "version": 1,
    "revision": 0,
    "resources": {
        name: {"request": {"groups": groups}, "artifacts": [{"version": "1.2"}]}
        for name, groups in {"iris.csv": ["docs"], "iris.json": ["data"], "wine.csv": []}.items()
    },
}


@pytest.fixture
def plain(tmp_path: Path) -> Desk:
    """A project with a lockfile, and a manifest that takes no part."""
    desk = Desk(tmp_path / "desk")
    desk.manifest("this is no manifest: [")
    desk.lockfile.write_text(json.dumps(LOCKFILE), encoding="utf-8")
    return desk


def bash(desk: Desk, *words: str, cwd: Path | None = None) -> list[str]:
    """What bash offers behind ``words``, the last of which is being written."""
    found = shutil.which("bash")
    assert found is not None
    command = """
        source <(dlm completion bash)
        declare -F _dlm_completion >/dev/null || exit 3
        complete -p dlm | grep -q _dlm_completion || exit 4
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
        compopt() { :; }
        _dlm_completion dlm
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    environment = {**desk.environment(), "PATH": f"{Path(console_script()).parent}:{desk.environment()['PATH']}"}
    ran = subprocess.run(
        [found, "--norc", "--noprofile", "-c", command, "bash", "dlm", *words],
        cwd=cwd or desk.root, env=environment, capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""
    return ran.stdout.split()


def test_bash_completes_commands(plain: Desk) -> None:
    assert bash(plain, "o") == ["outdated"]
    assert bash(plain, "cache", "cl") == ["clean"]
    assert {"add", "sync", "doctor", "why-stale"} <= set(bash(plain, ""))


def test_bash_completes_options_and_their_values(plain: Desk) -> None:
    assert bash(plain, "sync", "--lo") == ["--locked"]
    assert bash(plain, "sync", "--format", "j") == ["json"]
    assert bash(plain, "completion", "f") == ["fish"]


def test_bash_completes_names_of_resources(plain: Desk) -> None:
    assert bash(plain, "show", "") == ["iris.csv", "iris.json", "wine.csv"]
    assert bash(plain, "path", "iris") == ["iris.csv", "iris.json"]
    assert bash(plain, "remove", "iris.csv", "") == ["iris.json", "wine.csv"]
    assert bash(plain, "lock", "-P", "w") == ["wine.csv"]
    assert bash(plain, "lock", "--accept-hash", "w") == ["wine.csv"]
    assert bash(plain, "fetch", "w") == ["wine.csv"]
    assert bash(plain, "outdated", "w") == ["wine.csv"]
    assert bash(plain, "why-stale", "w") == ["wine.csv"]
    assert bash(plain, "sync", "--group", "d") == ["data", "docs"]


def test_names_come_from_the_project_that_is_meant(plain: Desk) -> None:
    inner = plain.root / "src"
    inner.mkdir()
    assert bash(plain, "show", "w", cwd=inner) == ["wine.csv"]
    assert bash(plain, "show", "-C", str(plain.root), "w", cwd=plain.home) == ["wine.csv"]
    assert bash(plain, "show", "w", cwd=plain.home) == []


@pytest.mark.parametrize("text", ["{", "[]", '{"resources": [1]}', '{"resources": {"a": 1, "wine": {"artifacts": 3}}}'])
def test_a_lockfile_that_is_none_says_nothing(plain: Desk, text: str) -> None:
    plain.lockfile.write_text(text, encoding="utf-8")
    assert bash(plain, "show", "wi") == (["wine"] if "wine" in text else [])
    plain.lockfile.unlink()
    assert bash(plain, "show", "wi") == []


@pytest.mark.parametrize(
    ("shell", "request_word", "answer"),
    [("zsh", "zsh_complete", "plain\nwine.csv\n1.2\n"), ("fish", "fish_complete", "plain\nwine.csv\t1.2\n")],
)
def test_other_shells_ask_the_same(plain: Desk, shell: str, request_word: str, answer: str) -> None:
    script = plain.dlm("completion", shell).ok().out
    assert f"_DLM_COMPLETE={request_word}" in script
    assert "dlm" in script.splitlines()[0] or "_dlm_completion" in script
    asked = {"_DLM_COMPLETE": request_word, "COMP_WORDS": "dlm show w", "COMP_CWORD": "w" if shell == "fish" else "2"}
    ran = plain.dlm(variables=asked)
    assert ran.out.replace("plain,", "plain\n") == answer or ran.out.split() == answer.split()


def test_completion_reads_no_manifest(plain: Desk) -> None:
    program = (
        "import os, sys\n"
        "os.environ.update(_DLM_COMPLETE='bash_complete', COMP_WORDS='dlm show w', COMP_CWORD='2')\n"
        "from dlm.cli.main import run\n"
        "try:\n    run([])\n"
        "finally:\n    print([one for one in ('pydantic', 'yaml', 'requests', 'pycurl') if one in sys.modules])\n"
    )
    ran = plain.dlm("-c", program, program=[str(Path(console_script()).with_name("python"))])
    assert ran.out == "plain,wine.csv\n[]\n"


def test_json_and_a_shell_that_is_none(plain: Desk) -> None:
    document = plain.dlm("completion", "bash", "--format", "json").ok().document
    assert "_dlm_completion" in document["result"]["script"]
    assert plain.dlm("completion", "tcsh").code == 2
