"""``--locked``, ``--frozen``, ``--offline``, ``--check``: as flags, as variables, and in CI."""

from __future__ import annotations

import hashlib
import shutil

import pytest

from dlm.cli.host import host_platform
from tests.support.cli import Desk
from tests.support.world import World

IRIS, WINE, CARS = b"iris\n" * 3, b"wine\n" * 4, b"cars\n" * 5


def three(world: World, desk: Desk) -> None:
    """Three files, of which one is in a group."""
    iris, wine, cars = (
        world.file(f"/{name}.csv", body) for name, body in (("iris", IRIS), ("wine", WINE), ("cars", CARS))
    )
    desk.manifest(f"version: 1\nresources:\n  - {iris}\n  - {wine}\n  - {{url: '{cars}', groups: [ci]}}\n")


def two(world: World, desk: Desk) -> None:
    """The same with one of them gone from the manifest: the lockfile is stale."""
    desk.manifest(f"version: 1\nresources:\n  - {world.url}/iris.csv\n  - {world.url}/wine.csv\n")


@pytest.mark.fault("C01")
@pytest.mark.parametrize("how", ["--locked", "DLM_LOCKED", "CI", "--check"])
def test_the_lockfile_must_match(desk: Desk, world: World, how: str) -> None:
    three(world, desk)
    desk.dlm("sync").ok()
    text, tree, begun = desk.lockfile.read_bytes(), desk.tree(), world.count
    two(world, desk)
    flags = (how,) if how.startswith("--") else ()
    run = desk.dlm("sync", *flags, variables={} if flags else {how: "1"})
    assert run.code == 3, str(run)
    error = next(line for line in run.err.splitlines() if line.startswith("error:"))
    assert how in error
    assert "cars.csv: not in the manifest any more" in run.err
    assert "run `dlm lock`" in run.err.splitlines()[-1]
    assert (desk.lockfile.read_bytes(), desk.tree(), world.count) == (text, tree, begun)


@pytest.mark.fault("C01")
def test_the_lock_alone_counts(desk: Desk, world: World) -> None:
    three(world, desk)
    desk.dlm("lock").ok()
    text = desk.lockfile.read_bytes()
    for broken in ("version: 1\nresources: [nonsense", None):
        if broken is None:
            (desk.root / "downloads.yaml").unlink()
        else:
            desk.manifest(broken)
        desk.dlm("sync", "--frozen").ok()
        assert desk.tree() == {"iris.csv": IRIS, "wine.csv": WINE, "cars.csv": CARS}
        desk.dlm("clean").ok()
    shutil.rmtree(desk.cache)
    desk.dlm("fetch", variables={"DLM_FROZEN": "yes"}).ok()
    desk.dlm("sync", "--frozen", "--offline", "--group", "ci").ok()
    assert desk.tree() == {"cars.csv": CARS}
    assert desk.dlm("path", "cars.csv").ok().out.strip().endswith("/project/cars.csv")
    desk.dlm("verify", "--repair").ok()
    assert sorted(desk.tree()) == ["cars.csv", "iris.csv", "wine.csv"]
    assert desk.lockfile.read_bytes() == text
    desk.lockfile.unlink()
    desk.manifest("version: 1\nresources: []\n")
    for flag in ("--locked", "--frozen"):
        assert desk.dlm("sync", flag).code == 3


@pytest.mark.parametrize("how", ["--offline", "DLM_OFFLINE"])
def test_offline_lists_all_that_is_missing_at_once(desk: Desk, world: World, how: str) -> None:
    three(world, desk)
    desk.dlm("lock").ok()
    shutil.rmtree(desk.cache)
    begun = world.count
    flags = (how,) if how.startswith("--") else ()
    for verb in ("sync", "fetch"):
        run = desk.dlm(verb, *flags, variables={} if flags else {how: "1"})
        assert run.code == 5, str(run)
        errors = [line for line in run.err.splitlines() if line.startswith("error:")]
        assert len(errors) == 3
        for name, error in zip(("cars.csv", "iris.csv", "wine.csv"), errors, strict=True):
            assert error == f"error: {name} is not in the cache, and {how} forbids the network"
        assert run.err.splitlines()[-1].startswith("hint: run `dlm fetch")
    document = desk.dlm("sync", "--offline", "--format", "json").document
    assert [error["resource"] for error in document["errors"]] == ["cars.csv", "iris.csv", "wine.csv"]
    assert {error["kind"] for error in document["errors"]} == {"offline"}
    assert world.count == begun
    assert desk.tree() == {}


def test_offline_tells_of_what_is_not_locked_and_of_what_is_not_cached(desk: Desk, world: World) -> None:
    three(world, desk)
    desk.dlm("lock").ok()
    shutil.rmtree(desk.cache)
    desk.manifest((desk.root / "downloads.yaml").read_text() + "  - python:3.13.*\n")
    run = desk.dlm("sync", "--offline")
    assert run.code == 5
    assert len([line for line in run.err.splitlines() if line.startswith("error:")]) == 4


def test_ci_is_locked_and_says_so(desk: Desk, world: World) -> None:
    three(world, desk)
    ci = {"CI": "true"}
    first = desk.dlm("sync", variables=ci).ok()
    assert "as with --locked" not in first.err, "there was no lockfile to go by"
    assert desk.lockfile.exists()
    again = desk.dlm("sync", variables=ci).ok()
    assert again.err.splitlines()[0] == "CI is set, so the lockfile must match the manifest, as with --locked."
    two(world, desk)
    assert desk.dlm("sync", variables=ci).code == 3
    assert desk.dlm("sync", variables={"CI": "false"}).code == 0
    three(world, desk)
    assert desk.dlm("sync", variables={"CI": "1", "DLM_LOCKED": "0"}).code == 0, "the variable says otherwise"


def test_flags_beat_variables(desk: Desk, world: World) -> None:
    three(world, desk)
    desk.dlm("sync").ok()
    two(world, desk)
    both = desk.dlm("sync", variables={"DLM_LOCKED": "1", "DLM_FROZEN": "1"})
    assert both.code == 2
    assert "DLM_LOCKED and DLM_FROZEN exclude each other" in both.err
    assert desk.dlm("sync", "--locked", "--frozen").code == 2
    frozen = desk.dlm("sync", "--frozen", variables={"DLM_LOCKED": "1"})
    assert frozen.code == 0, "the flag overrides the other one's variable"
    locked = desk.dlm("sync", "--locked", variables={"DLM_FROZEN": "1"})
    assert locked.code == 3
    assert "--locked" in locked.err


def test_a_locked_environment_does_not_block_an_explicit_lock(desk: Desk, world: World) -> None:
    three(world, desk)
    desk.dlm("lock", variables={"DLM_LOCKED": "1", "DLM_FROZEN": "1", "CI": "1"}).ok()
    two(world, desk)
    desk.dlm("lock", variables={"DLM_LOCKED": "1"}).ok()
    assert sorted(desk.lock()["resources"]) == ["iris.csv", "wine.csv"]


def test_check_of_the_lock_uses_no_network(desk: Desk, world: World) -> None:
    three(world, desk)
    run = desk.dlm("lock", "--check")
    assert (run.code, world.count) == (3, 0)
    desk.dlm("lock").ok()
    begun = world.count
    desk.dlm("lock", "--check").ok()
    two(world, desk)
    run = desk.dlm("lock", "--check", "--format", "json")
    assert run.code == 3
    assert run.document["errors"][0]["details"] == ["cars.csv: not in the manifest any more"]
    assert world.count == begun


def test_a_sync_that_cannot_lock_all_says_that_nothing_is_locked(desk: Desk, world: World) -> None:
    """The lockfile is written whole or not at all, however far the run goes on."""
    world.file("/iris.csv", IRIS)
    desk.manifest(f"version: 1\nresources: [{world.url}/iris.csv, {world.url}/gone.csv]\n")
    run = desk.dlm("sync", "--keep-going")
    assert run.code == 1
    assert "downloads.lock was not written, since gone.csv could not be locked; else: 1 added." in run.err
    assert "Locked" not in run.err
    assert desk.tree() == {"iris.csv": IRIS}
    assert not desk.lockfile.exists()
    result = desk.dlm("sync", "--keep-going", "--format", "json").document["result"]
    assert not result["lockfile_written"]
    assert result["lockfile_unwritten"] == "gone.csv could not be locked"
    world.file("/gone.csv", WINE)
    result = desk.dlm("sync", "--keep-going", "--format", "json").ok().document["result"]
    assert result["lockfile_written"]
    assert "lockfile_unwritten" not in result


@pytest.mark.fault("C08")
def test_locking_keeps_what_need_not_change(either: Desk, world: World) -> None:
    """Bytes that changed at a locked URL are an error; a change of placement costs no request."""
    three(world, either)
    either.dlm("lock").ok()
    old = either.lock()
    begun = world.count
    either.manifest(
        f"version: 1\ndefaults: {{dest: data/}}\nresources:\n  - {world.url}/iris.csv\n  - {world.url}/wine.csv\n"
        f"  - {{url: '{world.url}/cars.csv', executable: true, groups: [x]}}\n"
    )
    either.dlm("lock").ok()
    assert world.count == begun
    new = either.lock()
    for name, entry in new["resources"].items():
        assert entry["artifacts"][0]["digests"] == old["resources"][name]["artifacts"][0]["digests"]
        assert entry["artifacts"][0]["dest"] == f"data/{name}"
    # Other bytes now stand there; whoever needs them anew learns of it, and the pins hold.
    text = either.lockfile.read_bytes()
    shutil.rmtree(either.cache)
    world.file("/iris.csv", WINE)
    run = either.dlm("sync")
    assert run.code == 4
    assert either.tree() == {}
    assert "dlm lock --accept-hash iris.csv" in run.err
    assert either.lockfile.read_bytes() == text
    # A new name for the same address does not bring the new bytes in by the back door.
    either.manifest(f"version: 1\nresources: [{{url: '{world.url}/iris.csv', name: flowers}}]\n")
    either.dlm("lock").ok()
    assert either.entry("flowers")["artifacts"][0]["digests"]["sha256"] == hashlib.sha256(IRIS).hexdigest()


def test_mutable_and_freeze(desk: Desk, world: World) -> None:
    iris, wine = world.file("/iris.csv", IRIS, etag='"1"'), world.file("/wine.csv", WINE, etag='"1"')
    world.site.remove("3.13.15/")
    desk.manifest(
        f"version: 1\nresources:\n  - {{url: '{iris}', mutable: true}}\n  - {wine}\n"
        "  - {selector: 'python:3.13.*', name: cpython, freeze: true, dest: v/}\n"
    )
    desk.dlm("lock").ok()
    world.file("/iris.csv", CARS, etag='"2"')
    world.file("/wine.csv", CARS, etag='"2"')
    world.site.put("3.13.15/Python-3.13.15.tar.xz")
    desk.dlm("lock").ok()
    assert _digest(desk, "iris.csv") == hashlib.sha256(IRIS).hexdigest()
    desk.dlm("lock", "-U").ok()
    assert _digest(desk, "iris.csv") == hashlib.sha256(CARS).hexdigest()
    assert _digest(desk, "wine.csv") == hashlib.sha256(WINE).hexdigest()
    assert desk.entry("cpython")["artifacts"][0]["version"] == "3.13.14"
    assert "freeze" not in desk.entry("cpython")["request"]
    desk.dlm("lock", "-P", "cpython").ok()
    assert desk.entry("cpython")["artifacts"][0]["version"] == "3.13.15"


def _digest(desk: Desk, name: str) -> str:
    found: str = desk.entry(name)["artifacts"][0]["digests"]["sha256"]
    return found


@pytest.mark.fault("C03")
def test_a_listing_that_lost_its_newest_release(desk: Desk, world: World) -> None:
    desk.manifest("version: 1\nresources: [{selector: 'python:3.13.*', name: cpython}]\n")
    desk.dlm("lock").ok()
    text = desk.lockfile.read_bytes()
    world.site.remove("3.13.15/")
    desk.dlm("lock").ok()
    run = desk.dlm("lock", "-U", "--refresh")
    assert run.code == 6
    assert "3.13.15 is locked" in run.err
    assert "--allow-downgrade" in run.err.splitlines()[-1]
    assert desk.lockfile.read_bytes() == text
    desk.dlm("lock", "-U", "--allow-downgrade").ok()
    assert desk.entry("cpython")["artifacts"][0]["version"] == "3.13.14"


@pytest.mark.fault("C07")
def test_an_unknown_scheme_is_no_guess_by_network(desk: Desk, world: World) -> None:
    desk.manifest("version: 1\nresources: ['pyton:3.13.*']\n")
    run = desk.dlm("lock")
    assert (run.code, world.count) == (2, 0)
    assert "did you mean 'python'" in run.err


@pytest.mark.fault("C10")
def test_plain_http_without_a_pin_warns(desk: Desk) -> None:
    desk.manifest(
        "version: 1\nresources:\n  - http://data.invalid/iris.csv\n"
        f"  - {{url: 'http://data.invalid/wine.csv', sha256: {hashlib.sha256(WINE).hexdigest()}}}\n"
    )
    run = desk.dlm("list").ok()
    warnings = [line for line in run.err.splitlines() if line.startswith("warning:")]
    assert len(warnings) == 1
    assert "iris.csv" in warnings[0]
    assert "sha256" in warnings[0]


@pytest.mark.fault("H12")
def test_one_failure_hides_no_other(either: Desk, world: World) -> None:
    from tests.support.origin import Response

    three(world, either)
    either.dlm("lock").ok()
    text = either.lockfile.read_bytes()
    shutil.rmtree(either.cache)
    world.route("/iris.csv", Response(404))
    begun = world.count
    either.manifest((either.root / "downloads.yaml").read_text() + f"  - {world.url}/new.csv\n")
    run = either.dlm("sync")
    assert run.code == 1
    assert "new.csv: it answered 404" in run.err
    assert "iris.csv: it answered 404" in run.err
    assert either.lockfile.read_bytes() == text
    assert either.tree() == {}
    asked = [request.path for request in world.origin.requests[begun:]]
    assert sorted(asked) == ["/cars.csv", "/iris.csv", "/new.csv", "/wine.csv"], "one GET each, and all are tried"
    # What could be had is kept.
    begun = world.count
    either.dlm("sync", "--keep-going")
    assert sorted(either.tree()) == ["cars.csv", "wine.csv"]
    assert sorted(request.path for request in world.origin.requests[begun:]) == ["/iris.csv", "/new.csv"]
    assert either.lockfile.read_bytes() == text


def test_optional_resources(either: Desk, world: World) -> None:
    world.file("/iris.csv", IRIS)
    either.manifest(
        f"version: 1\nresources:\n  - {world.url}/iris.csv\n  - {{url: '{world.url}/gone.csv', optional: true}}\n"
    )
    for verb in ("lock", "sync", "fetch"):
        run = either.dlm(verb).ok()
        assert "warning: gone.csv: optional, and could not be had" in run.err
    assert sorted(either.lock()["resources"]) == ["iris.csv"]
    assert either.tree() == {"iris.csv": IRIS}
    either.dlm("sync", "--locked").ok()
    either.dlm("lock", "--check").ok()
    world.file("/gone.csv", WINE)
    either.dlm("sync").ok()
    assert sorted(either.tree()) == ["gone.csv", "iris.csv"]


def test_a_merge_conflict_is_joined(desk: Desk, world: World) -> None:
    three(world, desk)
    desk.dlm("lock").ok()
    three_locked = desk.lockfile.read_text()
    two(world, desk)
    desk.dlm("lock").ok()
    two_locked = desk.lockfile.read_text()
    three(world, desk)
    desk.lockfile.write_text(f"<<<<<<< ours\n{two_locked}=======\n{three_locked}>>>>>>> theirs\n")
    begun = world.count
    for run in (desk.dlm("lock", "--check"), desk.dlm("sync", "--locked")):
        assert run.code == 3
        assert "merge conflict" in run.err
    desk.dlm("lock").ok()
    assert desk.lockfile.read_text() == three_locked
    assert world.count == begun
    other = three_locked.replace(hashlib.sha256(IRIS).hexdigest(), "ab" * 32)
    conflict = f"<<<<<<< ours\n{three_locked}=======\n{other}>>>>>>> theirs\n"
    desk.lockfile.write_text(conflict)
    run = desk.dlm("lock")
    assert run.code == 2
    assert "iris.csv" in run.err
    assert desk.lockfile.read_text() == conflict


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nonsense", "write one like linux-x86_64 or macos-arm64, one of the manifest's own, or all"),
        ("linux-x86-64", "did you mean 'linux-x86_64'?"),
        ("mac", "did you mean 'macos'?"),
    ],
)
def test_a_platform_that_nobody_has_is_refused(desk: Desk, world: World, name: str, words: str) -> None:
    """Nothing would be meant for it, and that would look like success."""
    desk.manifest(f"version: 1\nresources: [{world.file('/iris.csv', IRIS)}]\n")
    run = desk.dlm("fetch", "--platform", name)
    assert run.code == 2
    assert "--platform: " in run.err
    assert repr(name) in run.err
    assert words in run.err
    desk.dlm("fetch", "--platform", "freebsd14-amd64").ok()


def test_a_platform_may_be_the_manifests_own(desk: Desk, world: World) -> None:
    url = world.file("/iris.csv", IRIS)
    desk.manifest(f"version: 1\nresources:\n  - url: {url}\n    platforms: [board7]\n")
    desk.dlm("lock").ok()
    desk.dlm("cache", "clean").ok()
    assert "Fetched 1 file" in desk.dlm("fetch", "--platform", "board7").ok().err
    assert desk.dlm("fetch", "--platform", "board8").code == 2


def test_a_slip_in_a_platform_of_the_manifest_takes_nothing_away(desk: Desk, world: World) -> None:
    url = world.file("/iris.csv", IRIS)
    desk.manifest(f"version: 1\nresources:\n  - url: {url}\n    platforms:\n      - {host_platform()}\n")
    desk.dlm("sync").ok()
    for written in ("platforms:\n      - linxu-x86_64", "platforms:\n      linxu-x86_64: {}"):
        desk.manifest(f"version: 1\nresources:\n  - url: {url}\n    {written}\n")
        for verb in ("lock", "sync"):
            run = desk.dlm(verb)
            assert run.code == 2
            assert "downloads.yaml:5: resources[0].platforms" in run.err, str(run)
            assert "no system is called 'linxu'; did you mean 'linux-x86_64'?" in run.err
    assert desk.tree() == {"iris.csv": IRIS}
