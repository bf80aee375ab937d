"""The installed command itself: its help, its versions, its project, its configuration."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from dlm import __version__
from dlm.cli.main import COMMANDS
from tests.support.cli import Desk, console_script
from tests.support.origin import Origin, Static, redirect
from tests.support.world import World

IRIS, WINE = b"iris\n" * 9, b"wine\n" * 9
FILES = (("/iris.csv", IRIS), ("/large.bin", IRIS * 100_000))
MODULE = (sys.executable, "-m", "dlm")


def test_the_module_is_the_command(desk: Desk, world: World) -> None:
    for arguments in (("--version",), ("-V",), ("--help",), ("lock", "--help"), ("nonsense",)):
        script, module = desk.dlm(*arguments), desk.dlm(*arguments, program=MODULE)
        assert str(script) == str(module)
    assert desk.dlm("--version").out == f"dlm {__version__}\n"
    desk.manifest(f"version: 1\nresources: ['{world.file('/iris.csv', IRIS)}']\n")
    desk.dlm("sync", program=MODULE).ok()
    assert desk.tree() == {"iris.csv": IRIS}


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_explains_itself_by_example(desk: Desk, command: str) -> None:
    """Its own help begins as its line in the overview does, and shows how it is used."""
    summary = COMMANDS[command][2]
    overview = desk.dlm("--help").ok().out
    assert re.search(rf"^  {command} +\S", overview, re.MULTILINE)
    run = desk.dlm(command, "--help").ok()
    assert run.err == ""
    assert "Example" in run.out
    words = run.out.split("\n\n", 1)[1].split()
    assert words[0] == summary.split()[0], f"{command}: {' '.join(words[:8])}"
    assert all(len(line) <= 100 for line in run.out.splitlines())
    for below in _below(run.out):
        assert "Example" in desk.dlm(command, below, "--help").ok().out
    assert desk.dlm(command, "-h").out == run.out


def _below(text: str) -> list[str]:
    """The commands of a group, from its help."""
    _, found, listed = text.partition("\nCommands:\n")
    return re.findall(r"^  ([a-z-]+) ", listed, re.MULTILINE) if found else []


def test_the_project_is_found_upwards_to_the_root_of_the_repository(desk: Desk, world: World) -> None:
    desk.manifest(f"version: 1\nresources: ['{world.file('/iris.csv', IRIS)}']\n")
    deep = desk.root / "src" / "deep"
    deep.mkdir(parents=True)
    desk.dlm("sync", cwd=deep).ok()
    assert desk.tree() == {"iris.csv": IRIS}
    assert desk.lockfile.exists()
    (desk.root / "src" / ".git").mkdir()
    run = desk.dlm("sync", cwd=deep)
    assert run.code == 2
    assert "dlm init" in run.err
    desk.dlm("sync", "-C", str(desk.root), cwd=deep).ok()
    desk.dlm("sync", "--directory", "../..", cwd=deep).ok()
    assert desk.dlm("path", "iris.csv", "-C", "../..", cwd=deep).ok().out == "…/project/iris.csv\n"


def test_two_manifests_are_one_too_many(desk: Desk) -> None:
    desk.manifest("version: 1\nresources: []\n")
    desk.manifest("version: 1\nresources: []\n", "downloads.yml")
    for verb in ("lock", "sync", "list", "init"):
        run = desk.dlm(verb)
        assert run.code == 2
    assert "downloads.yaml and downloads.yml" in desk.dlm("lock").err
    (desk.root / "downloads.yaml").unlink()
    desk.dlm("lock").ok()
    assert desk.lockfile.exists()


def test_a_manifest_of_another_name_has_a_lockfile_of_its_own(desk: Desk, world: World) -> None:
    iris, wine = world.file("/iris.csv", IRIS), world.file("/wine.csv", WINE)
    desk.manifest(f"version: 1\nresources: ['{iris}']\n")
    desk.manifest(f"version: 1\nresources: ['{wine}']\n", "other.yaml")
    desk.dlm("sync").ok()
    desk.dlm("sync", "-f", "other.yaml").ok()
    desk.dlm("sync", variables={"DLM_MANIFEST": "other.yaml"}).ok()
    assert list(json.loads((desk.root / "other.lock").read_bytes())["resources"]) == ["wine.csv"]
    assert list(desk.lock()["resources"]) == ["iris.csv"]
    assert sorted(path for path in desk.tree() if path.endswith(".csv")) == ["iris.csv", "wine.csv"]
    # Each removes its own only.
    desk.dlm("clean", "-f", "other.yaml").ok()
    assert (desk.root / "iris.csv").exists()
    assert not (desk.root / "wine.csv").exists()
    (desk.root / "other.yaml").unlink()
    desk.dlm("sync", "--frozen", "-f", "other.yaml").ok()
    assert (desk.root / "wine.csv").exists()


def test_a_manifest_in_json(desk: Desk, world: World) -> None:
    url = world.file("/iris.csv", IRIS)
    document = {"version": 1, "resources": [url, {"selector": "python:3.13.*", "name": "cpython"}]}
    desk.manifest(json.dumps(document, indent=1))
    desk.dlm("lock").ok()
    as_json = desk.lockfile.read_bytes()
    desk.manifest(f"version: 1\nresources:\n- {url}\n- {{selector: 'python:3.13.*', name: cpython}}\n")
    desk.dlm("lock", "--check").ok()
    desk.lockfile.unlink()
    desk.dlm("lock").ok()
    assert desk.lockfile.read_bytes() == as_json
    desk.manifest('{"version": 1,\n "resources": [\n  {"url": "https://example.org/x", "sha265": ""}]}')
    run = desk.dlm("lock")
    assert run.code == 2
    assert "downloads.yaml:3: resources[0].sha265" in run.err
    desk.manifest('{"version": 1, "resources": [], "resources": []}')
    assert desk.dlm("lock").code == 2


@pytest.mark.fault("L19")
def test_control_characters_never_reach_the_terminal(either: Desk, world: World) -> None:
    from tests.support.origin import Response

    for key, value in (("name", "a\x1b[31mb"), ("dest", "a\nb"), ("url", f"{world.url}/a\x1b[2Jb")):
        resource = {"url": f"{world.url}/x.csv", key: value}
        either.manifest(json.dumps({"version": 1, "resources": [resource]}))
        run = either.dlm("lock")
        assert run.code == 2
        assert "\x1b" not in run.err
    world.route("/bad.csv", Response(500, (("X-Note", "n"),), b"\x1b[31mno\x1b]0;title\x07"))
    either.manifest(f"version: 1\nresources: ['{world.url}/bad.csv']\n")
    run = either.dlm("lock", "-v", "--retries", "0")
    assert run.code == 1
    assert "\x1b" not in run.err
    assert "title" not in run.err


def test_configuration(desk: Desk, world: World, tmp_path: Path) -> None:
    """A flag beats a variable, that beats the user's file, that the system's; ``enforce:`` beats all."""
    del desk.variables["DLM_BACKEND"]
    desk.manifest("version: 1\nresources: []\n")
    user, system = tmp_path / "user.yaml", tmp_path / "system.yaml"
    files = {"DLM_NO_CONFIG": "", "DLM_CONFIG_FILE": str(user), "DLM_SYSTEM_CONFIG_FILE": str(system)}
    user.write_text(f"cache: {{dir: {tmp_path / 'by-user'}}}\n")
    system.write_text(f"cache: {{dir: {tmp_path / 'by-system'}}}\n")
    variable = {**files, "DLM_CACHE_DIR": ""}

    def where(*flags: str, variables: dict[str, str] = variable) -> str:
        return Path(desk.dlm("cache", "dir", *flags, variables=variables).ok().out.strip()).name

    assert where() == "by-user"
    assert where(variables={**files, "DLM_CACHE_DIR": str(tmp_path / "by-variable")}) == "by-variable"
    assert where("--cache-dir", str(tmp_path / "by-flag")) == "by-flag"
    user.write_text("jobs: 3\n")
    assert where() == "by-system"
    system.write_text(f"enforce: {{cache: {{dir: {tmp_path / 'enforced'}}}}}\n")
    assert where("--cache-dir", str(tmp_path / "by-flag")) == "enforced"
    user.write_text("jbos: 3\n")
    run = desk.dlm("cache", "dir", variables=variable)
    assert run.code == 2
    assert "did you mean 'jobs'" in run.err
    user.write_text("enforce: {jobs: 3}\n")
    assert desk.dlm("cache", "dir", variables=variable).code == 2


@pytest.mark.promise(7)
def test_the_users_configuration_allows_further_variables(desk: Desk, world: World, tmp_path: Path) -> None:
    user = tmp_path / "user.yaml"
    user.write_text("hosts: {127.0.0.1: {variables: [MY_TOKEN]}}\n")
    world.file("/iris.csv", IRIS)
    desk.manifest(f'version: 1\nresources: [{{url: "{world.url}/iris.csv", headers: {{X-Key: "${{MY_TOKEN}}"}}}}]\n')
    assert desk.dlm("lock", variables={"MY_TOKEN": "t0k"}).code == 6
    desk.dlm("lock", variables={"MY_TOKEN": "t0k", "DLM_NO_CONFIG": "", "DLM_CONFIG_FILE": str(user)}).ok()
    assert world.origin.requests[-1].get("x-key") == "t0k"


@pytest.mark.promise(7)
def test_a_redirect_takes_no_secret_along(either: Desk, world: World) -> None:
    with Origin.secure() as elsewhere:
        target = elsewhere.route("/iris.csv", Static(IRIS))
        world.route("/iris.csv", redirect(target))
        either.manifest(
            f'version: 1\nresources: [{{url: "{world.url}/iris.csv", headers: {{Authorization: "Bearer ${{DLM_AUTH_X}}"'
            ', Cookie: "a=${DLM_AUTH_X}", X-Key: "${DLM_AUTH_X}"}}]\n'
        )
        either.dlm("sync", variables={"DLM_AUTH_X": "t0p-s3cr3t"}).ok()
        assert world.origin.requests[-1].get("authorization") == "Bearer t0p-s3cr3t"
        assert len(elsewhere.requests) == 1
        assert "t0p-s3cr3t" not in str(elsewhere.requests[0])


def test_no_colour_and_no_bars_where_nobody_looks(desk: Desk, world: World) -> None:
    desk.manifest(f"version: 1\nresources: ['{world.file('/iris.csv', IRIS)}', '{world.url}/gone']\n")
    run = desk.dlm("lock")
    assert "\x1b" not in run.out + run.err
    forced = desk.dlm("lock", "--color", "always")
    assert "\x1b[31;1merror:" in forced.err
    assert "\x1b" not in desk.dlm("lock", variables={"NO_COLOR": "1"}).err
    quiet = desk.dlm("lock", "-q")
    assert [line.partition(":")[0] for line in quiet.err.splitlines()] == ["error", "hint"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device here is always full")
@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["sync", "--help"], ["schema", "output"], ["list"]])
def test_output_that_cannot_be_written_is_an_error(desk: Desk, arguments: list[str]) -> None:
    """Whatever of it is small enough to wait for the end, and whatever is not."""
    desk.manifest("version: 1\nresources:\n  - https://example.org/iris.csv\n")
    with open("/dev/full", "wb") as full:
        run = subprocess.run(
            [console_script(), *arguments],
            check=False,
            cwd=desk.root,
            env=desk.environment(),
            stdout=full,
            stderr=subprocess.PIPE,
        )
    told = os.strerror(errno.ENOSPC)
    assert run.stderr.decode() == f"error: the output cannot be written: {told}\nhint: send it elsewhere\n"
    assert run.returncode == 1


def test_a_reader_that_left_before_the_end_is_no_error_to_tell(desk: Desk) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        run = subprocess.run(
            [console_script(), "--version"], check=False, env=desk.environment(), stdout=writing, stderr=subprocess.PIPE
        )
    finally:
        os.close(writing)
    assert (run.returncode, run.stderr) == (1, b"")


@pytest.mark.skipif(sys.platform == "win32", reason="a shell closes the descriptors")
@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams_keep_nothing_from_being_done(either: Desk, world: World, closed: str) -> None:
    """And nothing that would have been said gets into a file that was opened in the place of a stream."""
    either.manifest(
        "version: 1\nresources:\n"
        + "".join(f"  - {{url: '{world.file(path, body)}', dest: {path[1:]}}}\n" for path, body in FILES)
    )

    def dlm(*arguments: str) -> tuple[int, bytes]:
        run = subprocess.run(
            ["/bin/sh", "-c", f'exec "$0" "$@" {closed}', console_script(), *arguments],
            check=False,
            cwd=either.root,
            env=either.environment(),
            capture_output=True,
        )
        return run.returncode, run.stdout + run.stderr

    assert dlm("lock", "-v")[0] == 0
    code, said = dlm("list")
    assert (code, b"iris" in said) == (0, closed == "2>&-")
    code, said = dlm("sync", "-v", "--frozen", "--format", "json")
    assert (code, b"{" in said) == (0, closed == "2>&-")
    assert dlm("sync", "--frozen")[0] == 0
    assert dlm("sync", "--nonsense")[0] == 2
    assert dlm("sync", "--group", "nobody")[0] == 2
    assert dlm("init")[0] != 0
    assert either.tree() == {path[1:]: body for path, body in FILES}
    assert dlm("cache", "verify")[0] == 0


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit")
def test_few_open_files_are_enough(either: Desk, world: World) -> None:
    bodies = {f"d{number}/large.bin": bytes([number]) * 1_200_000 for number in range(24)}
    either.manifest(
        "version: 1\nresources:\n"
        + "".join(f"  - {{name: r{path[1:3].strip('/')}, url: '{world.file(f'/{path}', body)}', dest: {path}}}\n"
                  for path, body in bodies.items())
    )  # fmt: skip
    limited = ("/bin/sh", "-c", 'ulimit -n 48; exec "$0" "$@"', console_script())
    either.dlm("lock").ok()
    either.dlm("cache", "clean").ok()
    either.dlm("sync", "--frozen", program=limited).ok()
    assert either.tree() == bodies


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit")
def test_too_few_open_files_are_an_error_in_words(either: Desk, world: World) -> None:
    either.manifest(f"version: 1\nresources:\n  - {{url: '{world.file('/iris.csv', IRIS)}', dest: iris.csv}}\n")
    either.dlm("lock").ok()
    either.dlm("cache", "clean").ok()
    for limit in (10, 14):
        limited = ("/bin/sh", "-c", f'ulimit -n {limit}; exec "$0" "$@"', console_script())
        run = either.dlm("sync", "--frozen", program=limited)
        assert run.code in {0, 1}
        assert run.code == 0 or "error: " in run.err
        assert "Traceback" not in run.err


PROGRAM = """
import atexit, sys, threading
from dlm.__main__ import program
sys.argv = ["dlm", "--version"]
def late():
    threading.main_thread().join()
    print("thread")
if {thread}:
    threading.Thread(target=late).start()
atexit.register(print, "at exit")
program()
"""


@pytest.mark.parametrize("thread", [False, True])
def test_the_end_of_the_process_waits_for_all_that_is_to_be_done(thread: bool) -> None:
    """What asked to be called at exit is called, other threads come to their end, and nothing of the output is lost."""
    program = PROGRAM.format(thread=thread)
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)
    assert run.stdout.splitlines()[1:] == (["thread"] if thread else []) + ["at exit"]


def test_a_closed_pipe_is_no_traceback(desk: Desk, world: World) -> None:
    desk.manifest("version: 1\nresources:\n" + "".join(f"  - https://example.org/{n}\n" for n in range(3000)))
    process = desk.start("list")
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    run = desk.end(process, "list")
    assert "Traceback" not in run.err
    assert "BrokenPipe" not in run.err
