"""What must not happen: files of others changed, paths outside the project written, secrets kept, half a state left."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
from pathlib import Path

import pytest

from tests.support.cli import Desk
from tests.support.origin import Hold, Request, Response, Static
from tests.support.world import World

IRIS, WINE = b"iris\n" * 9, b"wine\n" * 9
SECRET = "s3cr3t-Value-4711"


def everything(desk: Desk) -> bytes:
    """Every byte that dlm keeps: cache, state, project, home; names too."""
    kept = bytearray()
    for path in desk.base.rglob("*"):
        kept += os.fsencode(path) + b"\n"
        if path.is_file() and path.name != "downloads.yaml":
            kept += path.read_bytes()
    return bytes(kept)


@pytest.mark.promise(7)
@pytest.mark.fault("S03")
@pytest.mark.fault("S04")
@pytest.mark.fault("S05")
@pytest.mark.fault("S06")
@pytest.mark.fault("S07")
@pytest.mark.parametrize("fails", [False, True], ids=["good", "refused"])
def test_secrets_are_nowhere(either: Desk, world: World, fails: bool) -> None:
    """A ``${}`` value in a header and in a query, a literal header, user info; also when the server echoes them."""

    def serve(request: Request) -> Response:
        echo = " ".join(f"{name}={value}" for name, value in request.headers) + request.target
        cookies = (("Set-Cookie", f"id={SECRET}"), ("X-Echo", SECRET), ("ETag", '"1"'))
        if fails:
            return Response(403, cookies, echo.encode())
        return Response(200, cookies, IRIS)

    for path in ("/header.csv", "/query.csv", "/literal.csv", "/login.csv", "/basic.csv"):
        world.route(path, serve)
    origin = world.url.removeprefix("https://")
    either.manifest(
        f"""version: 1
resources:
  - {{url: "{world.url}/header.csv", headers: {{Authorization: "Bearer ${{DLM_AUTH_X}}"}}}}
  - {{url: "{world.url}/query.csv?token=${{DLM_AUTH_X}}", dest: query.csv}}
  - {{url: "{world.url}/literal.csv", headers: {{X-Api-Key: "{SECRET}"}}}}
  - "https://somebody:{SECRET}@{origin}/login.csv"
  - "https://somebody:${{DLM_AUTH_X}}@{origin}/basic.csv"
"""
    )
    runs = [
        either.dlm(*arguments, "-v", variables={"DLM_AUTH_X": SECRET})
        for arguments in (
            ("lock",), ("lock", "--format", "json"), ("sync",), ("list",), ("list", "--format", "json"),
            ("show", "query.csv"), ("cache", "ls"), ("verify",),
        )
    ]  # fmt: skip
    assert runs[0].code == (1 if fails else 0), str(runs[0])
    values = {SECRET, SECRET[::-1], "c29tZWJvZHk6czNjcjN0LVZhbHVlLTQ3MTE="}  # user info as Basic sends it
    said = "".join(map(str, runs))
    kept = everything(either)
    for value in values:
        assert value not in said
        assert value.encode() not in kept
    # It did reach its origin, and nothing else that would tell of this machine.
    asked = {request.path: request for request in world.origin.requests}
    assert asked["/header.csv"].get("authorization") == f"Bearer {SECRET}"
    assert asked["/query.csv"].target.endswith(f"?token={SECRET}")
    assert asked["/literal.csv"].get("x-api-key") == SECRET
    assert str(asked["/login.csv"].get("authorization")).startswith("Basic ")
    for request in world.origin.requests:
        assert request.get("referer") is None
        assert str(request.get("user-agent")).startswith("dlm/")
        assert str(either.base) not in str(request.headers)
    if not fails:
        entry = either.entry("query.csv")
        assert entry["request"]["url"].endswith("?token=${DLM_AUTH_X}")
        assert "set-cookie" not in json.dumps(either.lock()).lower()
        assert either.entry("header.csv")["request"]["headers"] == ["authorization"]


@pytest.mark.promise(7)
def test_other_variables_are_not_for_manifests(desk: Desk, world: World) -> None:
    world.file("/iris.csv", IRIS)
    desk.manifest(f'version: 1\nresources: [{{url: "{world.url}/iris.csv?home=${{HOME}}", dest: iris.csv}}]\n')
    run = desk.dlm("lock")
    assert (run.code, world.count) == (6, 0)
    assert "only names that begin with DLM_AUTH_ are" in run.err
    desk.manifest(f'version: 1\nresources: [{{url: "{world.url}/iris.csv", headers: {{X-Key: "${{DLM_AUTH_NO}}"}}}}]\n')
    run = desk.dlm("lock")
    assert (run.code, world.count) == (2, 0)
    assert "export DLM_AUTH_NO=" in run.err


@pytest.mark.promise(7)
@pytest.mark.fault("S03")
def test_a_literal_token_in_a_query_is_refused(desk: Desk, world: World) -> None:
    desk.manifest(f"version: 1\nresources: ['{world.url}/x.csv?X-Amz-Signature={SECRET}']\n")
    run = desk.dlm("lock")
    assert (run.code, world.count) == (2, 0)
    assert SECRET not in run.err
    assert "${DLM_AUTH_" in run.err


@pytest.mark.promise(6)
@pytest.mark.parametrize("dest", ["../out.csv", "/etc/out.csv", "a/../../out.csv", "C:/out.csv", "~/../../out.csv/.."])
def test_a_hostile_manifest(desk: Desk, world: World, dest: str) -> None:
    world.file("/iris.csv", IRIS)
    desk.manifest(json.dumps({"version": 1, "resources": [{"url": f"{world.url}/iris.csv", "dest": dest}]}))
    run = desk.dlm("sync")
    assert run.code == 2, str(run)
    assert world.count == 0
    assert not (desk.base / "out.csv").exists()


@pytest.mark.promise(6)
@pytest.mark.parametrize("dest", ["../out.csv", "/out.csv", "data/../../out.csv", "data\\..\\..\\out.csv", "data/"])
def test_a_hostile_lockfile(desk: Desk, world: World, dest: str) -> None:
    url = world.file("/iris.csv", IRIS)
    desk.manifest(f"version: 1\nresources: ['{url}']\n")
    desk.dlm("lock").ok()
    document = desk.lock()
    document["resources"]["iris.csv"]["artifacts"][0]["dest"] = dest
    text = json.dumps(document)
    desk.lockfile.write_text(text)
    for arguments in (("sync",), ("sync", "--frozen"), ("verify",), ("fetch", "--frozen")):
        run = desk.dlm(*arguments)
        assert run.code == 2, str(run)
    assert desk.lockfile.read_text() == text
    assert desk.tree() == {}
    assert not (desk.base / "out.csv").exists()


@pytest.mark.promise(6)
def test_a_link_that_leads_out(desk: Desk, world: World) -> None:
    """Refused with code 6, unless the user's own configuration says that it may."""
    url = world.file("/iris.csv", IRIS)
    outside = desk.base / "outside"
    outside.mkdir()
    (desk.root / "data").symlink_to(outside)
    desk.manifest(f"version: 1\nresources: [{{url: '{url}', dest: data/}}]\n")
    for flags in ((), ("--force",)):
        run = desk.dlm("sync", *flags)
        assert run.code == 6, str(run)
        assert "allow_outside" in run.err
        assert list(outside.iterdir()) == []
    desk.dlm("sync", variables={"DLM_ALLOW_OUTSIDE": str(outside)}).ok()
    assert (outside / "iris.csv").read_bytes() == IRIS
    # A link as the destination itself: what it points to is never written through.
    victim = desk.base / "victim"
    victim.write_text("mine")
    (desk.root / "wine.csv").symlink_to(victim)
    wine = world.file("/wine.csv", WINE)
    desk.manifest(f"version: 1\nresources: ['{wine}']\n")
    assert desk.dlm("sync").code in {1, 6}
    desk.dlm("sync", "--force")
    assert victim.read_text() == "mine"


@pytest.mark.promise(5)
@pytest.mark.parametrize("verb", ["clean", "sync"])
def test_what_lies_beyond_a_link_is_still_dlms_while_the_link_is_not_permitted(
    desk: Desk, world: World, verb: str
) -> None:
    outside = desk.base / "outside"
    outside.mkdir()
    (desk.root / "data").symlink_to(outside)
    permitted = {"DLM_ALLOW_OUTSIDE": str(outside)}
    desk.manifest(f"version: 1\nresources: [{{url: '{world.file('/iris.csv', IRIS)}', dest: data/}}]\n")
    desk.dlm("sync", variables=permitted).ok()
    desk.manifest("version: 1\nresources: []\n")
    for _ in range(2):
        run = desk.dlm(verb).ok()
        assert "data/iris.csv: dlm placed it, and cannot get at it now" in run.err, str(run)
        assert "allow_outside" in run.err
        assert (outside / "iris.csv").read_bytes() == IRIS
    desk.dlm(verb, variables=permitted).ok()
    assert list(outside.iterdir()) == []
    assert "cannot get at it" not in desk.dlm(verb).ok().err


@pytest.mark.promise(5)
@pytest.mark.fault("L12")
def test_files_of_others_stay(desk: Desk, world: World) -> None:
    """State, journal, old and new lockfile tell what dlm placed; all else needs ``--force``."""
    url = world.file("/iris.csv", IRIS)
    desk.manifest(f"version: 1\nresources: [{{url: '{url}', dest: data/}}]\n")
    (desk.root / "data").mkdir()
    target = desk.root / "data" / "iris.csv"
    target.write_text("mine")
    run = desk.dlm("sync")
    assert run.code == 1
    assert "data/iris.csv: a file stands there that dlm did not place" in run.err
    assert "--force" in run.err.splitlines()[-1]
    assert target.read_text() == "mine"
    assert not desk.lockfile.exists()
    target.write_bytes(IRIS)
    desk.dlm("sync").ok()  # the right bytes, whoever put them there
    target.write_text("edited")
    run = desk.dlm("sync")
    assert run.code == 1
    assert "edited since dlm placed it" in run.err
    # The lockfile alone tells, too: a fresh clone whose state is not known replaces what an old lockfile pinned.
    target.write_bytes(IRIS)
    desk.dlm("sync").ok()
    shutil.rmtree(desk.state)
    world.file("/wine.csv", WINE)
    desk.manifest(f"version: 1\nresources: [{{url: '{world.url}/wine.csv', name: iris.csv, dest: data/iris.csv}}]\n")
    desk.dlm("sync").ok()
    assert target.read_bytes() == WINE


@pytest.mark.fault("L13")
def test_what_is_no_file_stays(desk: Desk, world: World) -> None:
    iris, wine, deep = world.file("/iris.csv", IRIS), world.file("/wine.csv", WINE), world.file("/deep.csv", WINE)
    (desk.root / "iris.csv").mkdir()
    os.mkfifo(desk.root / "wine.csv")
    (desk.root / "folder").write_text("a file")
    desk.manifest(f"version: 1\nresources: ['{iris}', '{wine}', {{url: '{deep}', dest: folder/}}]\n")
    for flags in ((), ("--force",)):
        run = desk.dlm("sync", *flags)
        assert run.code == 1, str(run)
        assert len([line for line in run.err.splitlines() if line.startswith("error:")]) == 3, str(run)
    assert (desk.root / "iris.csv").is_dir()
    assert stat.S_ISFIFO((desk.root / "wine.csv").stat().st_mode)
    assert (desk.root / "folder").read_text() == "a file"


@pytest.mark.promise(6)
@pytest.mark.parametrize(
    ("url", "keys"),
    [
        ("/tool", "dest: .git/hooks/pre-commit, executable: true"),
        ("/tool", "dest: .GIT/hooks/"),
        ("/tool", "dest: vendor/git~1/config"),
        ("/tool.tar.gz", "dest: .git/hooks/, extract: true"),
        ("/.git", "dest: vendor/"),
        ("/.git.gz", "dest: vendor/, extract: true"),
    ],
)
def test_a_manifest_has_no_way_into_gits_own_folder(desk: Desk, world: World, url: str, keys: str) -> None:
    desk.manifest(f"version: 1\nresources:\n  - {{name: tool, url: '{world.file(url, IRIS)}', {keys}}}\n")
    run = desk.dlm("sync")
    assert run.code == 2, str(run)
    assert "downloads.yaml:3: resources[0]." in run.err
    assert "git's own folder" in run.err
    assert world.count == 0
    assert not (desk.root / ".git").exists()


@pytest.mark.promise(6)
def test_a_file_of_many_has_no_way_into_gits_own_folder(desk: Desk, world: World) -> None:
    many = f"name: many, base: '{world.url}/', dest: vendor/"
    for keys in ("files: [a/.git/config]", "files: [a/.git.gz, b.gz], extract: true"):
        desk.manifest(f"version: 1\nresources: [{{{many}, {keys}}}]\n")
        run = desk.dlm("lock")
        assert run.code == 2, str(run)
        assert "resources[0].files" in run.err
        assert "'.git' is git's own folder" in run.err
    assert world.count == 0


@pytest.mark.promise(6)
@pytest.mark.parametrize("long", [False, True], ids=["short", "long"])
def test_an_edited_lockfile_has_no_way_into_gits_own_folder(desk: Desk, world: World, long: bool) -> None:
    names = [f"{index:04}.bin" for index in range(500 if long else 1)]
    for name in names:
        world.file(f"/{name}", IRIS)
    sha256 = hashlib.sha256(IRIS).hexdigest()
    desk.manifest(
        json.dumps(
            {
                "version": 1,
                "resources": [
                    {"url": f"{world.url}/{name}", "dest": "hooks/", "sha256": sha256, "size": len(IRIS)}
                    for name in names
                ],
            }
        )
    )
    desk.dlm("lock").ok()
    text = desk.lockfile.read_text()
    assert (len(text) > 200_000) == long, "long lockfiles are read in another way"
    desk.lockfile.write_text(text.replace('"dest": "hooks/0000.bin"', '"dest": ".git/hooks/0000.bin"'))
    for flags in (("--frozen",), ("--locked",), ()):
        run = desk.dlm("sync", *flags)
        assert run.code == 2, str(run)
        assert "downloads.lock cannot be read: an artifact of 0000.bin: '.git' is git's own folder" in run.err
    assert world.count == 0
    assert not (desk.root / ".git").exists()


@pytest.mark.promise(6)
def test_a_link_in_the_tree_is_no_way_into_gits_own_folder(desk: Desk, world: World) -> None:
    hooks = desk.root / ".git" / "hooks"
    hooks.mkdir(parents=True)
    (desk.root / "tools").symlink_to(".git/hooks")
    url = world.file("/pre-commit", IRIS)
    desk.manifest(f"version: 1\nresources: [{{url: '{url}', dest: tools/, executable: true}}]\n")
    for flags in ((), ("--force",)):
        run = desk.dlm("sync", *flags)
        assert run.code == 6, str(run)
        assert "is a link into git's own folder" in run.err
    assert list(hooks.iterdir()) == []


@pytest.mark.fault("L18")
@pytest.mark.parametrize(
    ("one", "other", "code"),
    [("x.csv", "x.csv", 2), ("./x.csv", "x.csv", 2), ("x", "x/y.csv", 2), ("X.csv", "x.csv", 0)],
)
def test_destinations_that_collide(desk: Desk, world: World, one: str, other: str, code: int) -> None:
    iris, wine = world.file("/iris.csv", IRIS), world.file("/wine.csv", WINE)
    desk.manifest(f"version: 1\nresources: [{{url: '{iris}', dest: {one}}}, {{url: '{wine}', dest: {other}}}]\n")
    run = desk.dlm("lock")
    assert run.code == code, str(run)
    if code:
        assert world.count == 0
    else:
        assert "warning:" in run.err


@pytest.mark.fault("L18")
def test_all_that_collides_is_said_at_once(desk: Desk, world: World) -> None:
    upper, lower, below = (world.file(path, IRIS) for path in ("/X/X", "/x/x", "/z/z"))
    desk.manifest(
        f"version: 1\nresources:\n- {upper}\n- {lower}\n- {{url: '{below}', dest: x/y}}\n"
        f"- {{name: again, url: '{below}', dest: x}}\n"
    )
    run = desk.dlm("lock")
    assert run.code == 2, str(run)
    assert "downloads.yaml:5: resources[2].dest: 'x/y' and 'x' (of 'x') cannot both exist" in run.err
    assert "downloads.yaml:6: resources[3].dest: 'x' is the destination of 'x' too" in run.err
    assert world.count == 0


@pytest.mark.fault("L18")
@pytest.mark.parametrize("name", ["downloads.yaml", "other.yaml"])
def test_a_resource_over_a_document_of_the_project(desk: Desk, world: World, name: str) -> None:
    lock = name.replace(".yaml", ".lock")
    url = world.file("/f", IRIS)
    for dest in (name, lock, lock.upper(), f"{lock}/x"):
        text = f"version: 1\nresources:\n  - {{url: '{url}', dest: {dest}}}\n"
        desk.manifest(text, name)
        for verb in ("lock", "sync"):
            run = desk.dlm(verb, "-f", name)
            assert run.code == 2, str(run)
            assert f"{name}:3: resources[0].dest: '{dest}' would take the place of" in run.err
        assert (desk.root / name).read_text() == text
    desk.manifest("version: 1\nresources: []\n", name)
    run = desk.dlm("add", "-f", name, url, "--dest", lock)
    assert run.code == 2, str(run)
    assert "would take the place of" in run.err
    assert world.count == 0
    assert [path.name for path in desk.root.iterdir()] == [name]


def locked(desk: Desk, world: World, count: int) -> str:
    """Lock many files by what the manifest says of them; the lockfile's text."""
    sha256 = hashlib.sha256(IRIS).hexdigest()
    resources = [
        {"url": world.file(f"/{index:04}.bin", IRIS), "dest": "in/", "sha256": sha256, "size": len(IRIS)}
        for index in range(count)
    ]
    desk.manifest(json.dumps({"version": 1, "resources": resources}))
    desk.dlm("lock").ok()
    return desk.lockfile.read_text()


@pytest.mark.fault("L10")
@pytest.mark.parametrize("count", [2, 600], ids=["short", "long"])
@pytest.mark.parametrize(
    ("dest", "words"),
    [
        ("downloads.lock", "0001.bin: 'downloads.lock' would take the place of downloads.lock"),
        ("DOWNLOADS.yaml", "0001.bin: 'DOWNLOADS.yaml' would take the place of downloads.yaml"),
        ("downloads.lock/x", "0001.bin: 'downloads.lock/x' would take the place of downloads.lock"),
        ("in/0000.bin", "0001.bin: 'in/0000.bin' is the place of a file of '0000.bin' too"),
    ],
)
def test_a_place_in_a_lockfile_that_is_not_free(desk: Desk, world: World, count: int, dest: str, words: str) -> None:
    text = locked(desk, world, count)
    assert (len(text) > 200_000) == (count > 2), "long lockfiles are read in another way"
    desk.lockfile.write_text(text.replace('"dest": "in/0001.bin"', f'"dest": "{dest}"'))
    for arguments in (("sync", "--frozen"), ("sync", "--locked"), ("lock", "--check"), ("verify",), ("lock",)):
        run = desk.dlm(*arguments)
        assert run.code == 2, str(run)
        assert f"downloads.lock cannot be read: {words}" in run.err
        assert "take the entry of 0001.bin out of downloads.lock and run `dlm lock`" in run.err
    assert world.count == 0
    document = json.loads(text)
    del document["resources"]["0001.bin"]
    desk.lockfile.write_text(json.dumps(document))
    desk.dlm("lock").ok()
    assert desk.lockfile.read_text() == text, "the hint helps"


@pytest.mark.fault("L10")
@pytest.mark.promise(5)
@pytest.mark.parametrize("count", [2, 600], ids=["short", "long"])
def test_an_entry_without_artifacts_takes_nothing_away(desk: Desk, world: World, count: int) -> None:
    document = json.loads(locked(desk, world, count))
    desk.dlm("sync").ok()
    document["resources"]["0001.bin"]["artifacts"] = []
    text = json.dumps(document, indent=2) + "\n"
    desk.lockfile.write_text(text)
    for arguments in (("lock", "--check"), ("sync", "--locked"), ("sync", "--frozen"), ("verify",), ("lock",)):
        run = desk.dlm(*arguments)
        assert run.code == 2, str(run)
        assert "downloads.lock cannot be read: 0001.bin has no artifacts" in run.err
    assert (desk.root / "in" / "0001.bin").read_bytes() == IRIS
    assert desk.lockfile.read_text() == text


@pytest.mark.fault("L18")
def test_a_selector_may_collide_only_once_it_is_resolved(desk: Desk, world: World) -> None:
    url = f"{world.url}/ftp/python/3.13.15/Python-3.13.15.tar.xz"
    desk.manifest(f"version: 1\nresources: ['{url}', 'python:3.13.*']\n")
    run = desk.dlm("lock")
    assert run.code == 2
    assert "Python-3.13.15.tar.xz" in run.err
    assert not desk.lockfile.exists()


@pytest.mark.fault("L05")
def test_what_may_not_be_written_or_read(desk: Desk, world: World) -> None:
    url = world.file("/iris.csv", IRIS)
    desk.manifest(f"version: 1\nresources: [{{url: '{url}', dest: data/}}]\n")
    (desk.root / "data").mkdir()
    (desk.root / "data").chmod(0o555)
    run = desk.dlm("sync", plain_user=True)
    assert run.code == 1
    assert "Traceback" not in run.err
    assert "data" in run.err
    assert not desk.lockfile.exists()
    (desk.root / "data").chmod(0o755)
    desk.dlm("sync", plain_user=True).ok()
    desk.root.chmod(0o555)
    desk.lockfile.unlink()
    locked = desk.dlm("lock", plain_user=True)
    desk.root.chmod(0o755)
    assert locked.code == 1
    assert "downloads.lock" in locked.err
    (desk.root / "downloads.yaml").chmod(0o000)
    run = desk.dlm("lock", plain_user=True)
    assert run.code == 1
    assert "downloads.yaml cannot be read" in run.err
    (desk.root / "downloads.yaml").chmod(0o644)
    sealed = desk.base / "sealed"
    sealed.mkdir(mode=0o555)
    run = desk.dlm("lock", plain_user=True, variables={"DLM_CACHE_DIR": str(sealed / "cache")})
    assert run.code == 1
    assert "sealed" in run.err
    assert "Traceback" not in run.err


@pytest.mark.fault("L08")
@pytest.mark.promise(4)
def test_two_runs_on_one_project(desk: Desk, world: World) -> None:
    """The second says what it waits for, and then finds everything done."""
    gate = world.origin.gate()
    world.route("/iris.csv", Response(200, (("ETag", '"1"'),), [IRIS[:5], Hold(gate), IRIS[5:]], length=len(IRIS)))
    desk.manifest(f"version: 1\nresources: ['{world.url}/iris.csv']\n")
    first = desk.start("sync")
    world.origin.wait_for(1)
    second = desk.start("sync")
    assert second.stderr is not None
    waiting = second.stderr.readline()
    assert waiting.startswith("Waiting for another dlm")
    gate.set()
    assert desk.end(first, "sync").code == 0
    run = desk.end(second, "sync")
    assert run.code == 0
    assert "In sync: 1 file" in run.err
    assert len(world.origin.requests) == 1


@pytest.mark.promise(4)
def test_one_download_for_all(desk: Desk, world: World, tmp_path: Path) -> None:
    """Four projects ask for one file at the same time; it is fetched once."""
    gate = world.origin.gate()
    world.route("/iris.csv", Response(200, (("ETag", '"1"'),), [IRIS[:5], Hold(gate), IRIS[5:]], length=len(IRIS)))
    desks = [world.desk(tmp_path / f"desk-{number}") for number in range(4)]
    for one in desks:
        one.variables["DLM_CACHE_DIR"] = str(desk.cache)
        one.manifest(
            f"version: 1\nresources: [{{url: '{world.url}/iris.csv', sha256: {hashlib.sha256(IRIS).hexdigest()}}}]\n"
        )
    running = [one.start("sync") for one in desks]
    world.origin.wait_for(1)
    waiting = 0
    for process in running:  # each says either that it fetches or that it waits
        assert process.stderr is not None
        waiting += process.stderr.readline().startswith("Waiting for another dlm")
    assert waiting == 3
    gate.set()
    for one, process in zip(desks, running, strict=True):
        assert one.end(process, "sync").code == 0
        assert one.tree() == {"iris.csv": IRIS}
    assert world.count == 1


@pytest.mark.promise(9)
@pytest.mark.parametrize("link", ["auto", "copy", "hardlink", "symlink"])
def test_harm_to_a_placed_file(desk: Desk, world: World, link: str) -> None:
    """A copy harms no cache; a harmed hard link is noticed before the blob is used again."""
    url = world.file("/iris.csv", IRIS)
    desk.manifest(f"version: 1\nresources: ['{url}']\n")
    desk.dlm("sync", "--link", link).ok()
    placed = desk.root / "iris.csv"
    placed.chmod(0o644)
    with placed.open("r+b") as file:
        file.write(b"HARM")
    placed.unlink()
    run = desk.dlm("sync", "--offline", "--link", "copy")
    if link in {"auto", "copy"}:
        assert run.code == 0
        assert placed.read_bytes() == IRIS
    else:
        assert run.code == 5
        assert "was damaged" in run.err
        assert not placed.exists()
        desk.dlm("sync").ok()
        assert placed.read_bytes() == IRIS


@pytest.mark.fault("L24")
@pytest.mark.promise(2)
def test_cache_and_project_on_two_file_systems(desk: Desk, world: World) -> None:
    """The new file is made beside its destination: the last step is one rename on one file system."""
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == desk.base.stat().st_dev:
        other = desk.base  # one file system only: the rest holds there, too
    cache = other / f"dlm-test-{os.getpid()}-{id(desk):x}"
    try:
        url = world.file("/iris.csv", IRIS)
        desk.manifest(f"version: 1\nresources: ['{url}']\n")
        desk.dlm("sync", "--link", "hardlink", variables={"DLM_CACHE_DIR": str(cache)}).ok()
        assert desk.tree() == {"iris.csv": IRIS}
    finally:
        shutil.rmtree(cache, ignore_errors=True)


@pytest.mark.promise(2)
def test_the_tree_changes_only_when_all_is_fetched(desk: Desk, world: World) -> None:
    iris, wine = world.file("/iris.csv", IRIS), world.file("/wine.csv", WINE)
    desk.manifest(f"version: 1\nresources: ['{iris}', '{wine}']\n")
    desk.dlm("sync").ok()
    text = desk.lockfile.read_bytes()
    new = world.file("/new.csv", WINE + IRIS)
    world.route("/cut.csv", Response(200, (), [b"half"], length=1000))
    desk.manifest(f"version: 1\nresources: [{{url: '{new}', dest: iris.csv}}, '{world.url}/cut.csv']\n")
    run = desk.dlm("sync", "--retries", "0")
    assert run.code == 1
    assert desk.tree() == {"iris.csv": IRIS, "wine.csv": WINE}
    assert desk.lockfile.read_bytes() == text
    world.route("/cut.csv", Static(b"whole"))
    desk.dlm("sync").ok()
    assert desk.tree() == {"cut.csv": b"whole", "iris.csv": WINE + IRIS}
