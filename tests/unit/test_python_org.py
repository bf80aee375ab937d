"""``PythonOrgDownloads``: the predecessor's calls, shape by shape, and what was wrong with them there."""

from __future__ import annotations

import copy
import inspect
import json
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from dlm.errors import DlmError, IntegrityError, LocalError, NetworkError, RefusedError, SettingsError
from dlm.python_org import (
    InvalidVersionStringError,
    NormalizedPythonVersion,
    PythonOrgArtifact,
    PythonOrgDownloads,
    ReleaseNotFound,
)
from dlm.resolve.python_org.names import ArtifactName, classify
from tests.support.cli import BACKENDS
from tests.support.origin import Close, Response
from tests.support.python_org.site import PythonOrgSite
from tests.support.tls import authority
from tests.support.world import World, a_world


@pytest.fixture(scope="module")
def still() -> Iterator[World]:
    """A site that no test changes."""
    with a_world() as world:
        yield world


@pytest.fixture
def moving() -> Iterator[World]:
    """A site of the test's own."""
    with a_world() as world:
        yield world


@pytest.fixture(autouse=True)
def machine(still: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user who has no configuration, and to whom the still site is python.org."""
    environment = {
        "DLM_NO_CONFIG": "1",
        "DLM_SYSTEM_CONFIG_FILE": str(tmp_path / "no-such-file"),
        "DLM_CACHE_DIR": str(tmp_path / "cache"),
        "DLM_STATE_DIR": str(tmp_path / "state"),
        "DLM_CA_FILE": authority().ca_file,
        "DLM_PYTHON_ORG_URL": f"{still.url}/ftp/python/",
        "DLM_RETRY_BACKOFF": "0",
        "DLM_RETRIES": "1",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


def at(world: World) -> PythonOrgDownloads:
    """The API with a base URL of its own."""
    return PythonOrgDownloads(f"{world.url}/ftp/python")


def only(world: World, *paths: str) -> None:
    """Make the site hold some files and nothing else."""
    world.site = PythonOrgSite([])
    for path in paths:
        world.site.put(path)


# -- the predecessor's README, call by call


def test_list_release_versions() -> None:
    versions = PythonOrgDownloads.list_release_versions()
    assert {len(version) for version in versions} == {3}
    assert versions == sorted(versions)
    assert versions[0] == (0, 9, 1)
    assert tuple(versions[-1]) == (3, 15, 0)
    assert {(1, 5, 2), (1, 6, 0), (2, 0, 0), (2, 7, 0), (2, 7, 18), (3, 9, 25), (3, 10, 0)} <= set(versions)
    assert (versions[-1].major, versions[-1].minor, versions[-1].micro) == (3, 15, 0)
    assert versions[-1].path == PurePosixPath("3.15.0")


def test_list_release_versions_with_those_that_have_pre_releases_alone() -> None:
    versions = PythonOrgDownloads.list_release_versions(final_only=False)
    assert all(len(version) == 3 for version in versions)
    assert versions == sorted(versions)
    assert set(versions) > set(PythonOrgDownloads.list_release_versions())


def test_list_version_artifacts() -> None:
    artifacts = PythonOrgDownloads.list_version_artifacts(3, 13, 2)
    assert artifacts == sorted(artifacts)
    source = artifacts[0]
    assert isinstance(source, PurePosixPath)
    assert (str(source), source.name) == ("3.13.2/Python-3.13.2.tar.xz", "Python-3.13.2.tar.xz")
    assert tuple(source.release_version) == (3, 13, 2, "final", 0)
    assert (source.release_version.releaselevel, source.release_version.serial) == ("final", 0)
    assert source.release_version.path == source
    assert (source.release_type, source.release_format) == ("source-release", {"format": "tarball_lzma"})
    assert source.is_final
    assert source.related == [".sigstore"]


def test_list_version_artifacts_of_a_version_with_pre_releases() -> None:
    finals = PythonOrgDownloads.list_version_artifacts(3, 14)
    everything = PythonOrgDownloads.list_version_artifacts(3, 14, 0, final_only=False)
    assert {artifact.release_version.releaselevel for artifact in finals} == {"final"}
    levels = {artifact.release_version.releaselevel for artifact in everything}
    assert levels == {"alpha", "beta", "candidate", "final"}
    assert set(finals) < set(everything)


def test_download_artifact(still: World, tmp_path: Path) -> None:
    (artifact, *_) = PythonOrgDownloads.list_version_artifacts(3, 13, 2)
    path = PythonOrgDownloads.download_artifact(artifact)
    assert path == Path("Python-3.13.2.tar.xz")
    assert path.read_bytes() == still.site.body(str(artifact))
    below = PythonOrgDownloads.download_artifact(artifact, 4096, tmp_path / "not" / "yet", True)
    assert below == tmp_path / "not" / "yet" / artifact.name
    assert below.read_bytes() == path.read_bytes()


def test_download_artifact_into_a_temporary_folder(
    still: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (artifact, *_) = PythonOrgDownloads.list_version_artifacts(3, 13, 2)
    first = PythonOrgDownloads.download_artifact(artifact, destination_dir=None)
    second = PythonOrgDownloads.download_artifact(artifact, destination_dir=None)
    assert first.parent != second.parent
    assert first.parent.parent == tmp_path
    assert first.read_bytes() == second.read_bytes() == still.site.body(str(artifact))


def test_download_artifact_returns_what_is_there_already(still: World) -> None:
    Path("Python-3.13.2.tar.xz").write_text("mine")
    before = still.count
    path = PythonOrgDownloads.download_artifact(PythonOrgArtifact("3.13.2/Python-3.13.2.tar.xz"))
    assert path.read_text() == "mine"
    assert still.count == before
    PythonOrgDownloads.download_artifact(PythonOrgArtifact("3.13.2/Python-3.13.2.tar.xz"), overwrite=True)
    assert path.read_bytes() == still.site.body("3.13.2/Python-3.13.2.tar.xz")


def test_download_release(still: World) -> None:
    assert PythonOrgDownloads.download_release(3, 13, 2) == Path("Python-3.13.2.tar.xz")
    assert PythonOrgDownloads.download_release(3, 14, releaselevel="candidate", serial=1) == Path(
        "Python-3.14.0rc1.tar.xz"
    )
    path = PythonOrgDownloads.download_release(
        3,
        13,
        2,
        artifact_type="windows-release",
        artifact_format={"format": "executable", "arch": "amd64"},
        destination_dir="windows",
        overwrite=True,
    )
    assert path == Path("windows/python-3.13.2-amd64.exe")
    assert path.read_bytes() == still.site.body("3.13.2/python-3.13.2-amd64.exe")


def test_latest_version() -> None:
    assert PythonOrgDownloads.latest_version() == (3, 15, 0)
    assert PythonOrgDownloads.latest_version(final_only=False) == (3, 15, 0, "final", 0)


@pytest.mark.parametrize(("final_only", "version"), [(True, (3, 13, 2)), (False, (3, 14, 0, "beta", 2))])
def test_latest_version_with_its_tarball(moving: World, final_only: bool, version: tuple[Any, ...]) -> None:
    only(
        moving,
        "3.13.2/Python-3.13.2.tar.xz",
        "3.13.2/Python-3.13.2.tgz",
        "3.14.0/Python-3.14.0b2.tar.xz",
        "3.14.0/Python-3.14.0b1.tar.xz",
    )
    found = at(moving).latest_version(final_only, download_tarball=True)
    name = "Python-3.13.2.tar.xz" if final_only else "Python-3.14.0b2.tar.xz"
    assert found == (version, Path(name))
    assert Path(name).is_file()


def test_list_all_release_artifacts() -> None:
    artifacts = PythonOrgDownloads.list_all_release_artifacts()
    assert len(artifacts) == 4136
    assert artifacts == sorted(artifacts)
    finals = PythonOrgDownloads.list_all_release_artifacts(final_only=True)
    assert finals == [artifact for artifact in artifacts if artifact.is_final]
    names = [str(artifact) for artifact in finals]
    assert names.index("3.9.0/Python-3.9.0.tgz") < names.index("3.10.0/Python-3.10.0.tgz")


def test_report_version_artifacts(capsys: pytest.CaptureFixture[str]) -> None:
    assert PythonOrgDownloads.report_version_artifacts(3, 13, micro=2) == ""
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "3.13.2\tsource-release\ttarball_lzma\t3.13.2/Python-3.13.2.tar.xz"
    assert "3.13.2\twindows-release\texecutable, arch=amd64\t3.13.2/python-3.13.2-amd64.exe" in lines


def test_report_all_release_artifacts(capsys: pytest.CaptureFixture[str]) -> None:
    assert PythonOrgDownloads.report_all_release_artifacts(final_only=True) == ""
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(PythonOrgDownloads.list_all_release_artifacts(final_only=True))
    assert lines[0] == "0.9.1\tsource-release\ttarball_deflate\tsrc/Python-0.9.1.tar.gz"


SIGNATURES = {
    "list_release_versions": "(final_only=True)",
    "list_version_artifacts": "(major, minor, micro=0, final_only=True)",
    "download_artifact": "(artifact, stream_chunk_size=1048576, destination_dir='.', overwrite=False)",
    "download_release": "(major, minor, micro=0, releaselevel='final', serial=0, artifact_type='source-release',"
    " artifact_format={'format': 'tarball_lzma'}, stream_chunk_size=1048576, destination_dir='.', overwrite=False)",
    "latest_version": "(final_only=True, download_tarball=False)",
    "list_all_release_artifacts": "(final_only=False)",
    "report_version_artifacts": "(major, minor, micro=0)",
    "report_all_release_artifacts": "(final_only=False)",
}


@pytest.mark.parametrize("name", SIGNATURES)
@pytest.mark.parametrize("where", [PythonOrgDownloads, PythonOrgDownloads()])
def test_arguments_and_defaults(where: Any, name: str) -> None:
    signature = inspect.signature(getattr(where, name))
    parameters = [
        parameter.replace(
            annotation=inspect.Parameter.empty,
            default=dict(parameter.default) if name == "download_release" and parameter.name == "artifact_format"
            else parameter.default,
        )
        for parameter in signature.parameters.values()
    ]  # fmt: skip
    plain = signature.replace(parameters=parameters, return_annotation=inspect.Signature.empty)
    assert str(plain) == SIGNATURES[name]
    assert getattr(where, name).__doc__


# -- artifacts


KINDS = [
    ("3.13.2/Python-3.13.2.tgz", "source-release", {"format": "tarball_deflate"}),
    ("2.7/Python-2.7.tar.bz2", "source-release", {"format": "tarball_bzip2"}),
    ("src/python1.0.1.tar.gz", "source-release", {"format": "tarball_deflate"}),
    ("src/py152.tgz", "source-release", {"format": "tarball_deflate", "alias": True}),
    ("2.0.1/Python-2.0.1-Debug.zip", "source-release", {"format": "archive_deflate", "debug": True}),
    ("3.9.1/python-3.9.1-macos11.0.pkg", "macos-release", {"format": "installer_package", "min_macos": "11.0"}),
    (
        "3.10.0/python-3.10.0post2-macos11.pkg",
        "macos-release",
        {"format": "installer_package", "min_macos": "11", "post_build": "post2"},
    ),
    (
        "3.10.0/python-3.10.0rc1-no-lto-macos11.pkg",
        "macos-release",
        {"format": "installer_package", "min_macos": "11", "options": "no-lto"},
    ),
    ("2.5.1/python-2.5.1-macosx.dmg", "macos-release", {"format": "disk_image"}),
    ("2.6.1/python-2.6.1-macosx2008-12-06.dmg", "macos-release", {"format": "disk_image", "date": "2008-12-06"}),
    ("3.13.2/python-3.13.2.exe", "windows-release", {"format": "executable", "arch": "win32"}),
    ("2.3.2/Python-2.3.2-1.exe", "windows-release", {"format": "executable", "arch": "win32", "post_build": "1"}),
    ("2.7.18/python-2.7.18.amd64.msi", "windows-release", {"format": "installation_packages", "arch": "amd64"}),
    (
        "3.9.0/python-3.9.0-amd64-webinstall.exe",
        "windows-release",
        {"format": "executable", "arch": "amd64", "webinstall": True},
    ),
    (
        "3.13.2/python-3.13.2-embed-arm64.zip",
        "windows-release",
        {"format": "archive_deflate", "arch": "arm64", "embed": True},
    ),
    (
        "3.13.2/python-3.13.2t-arm64.zip",
        "windows-release",
        {"format": "archive_deflate", "arch": "arm64", "free_threaded": True},
    ),
    (
        "3.13.2/python-3.13.2-test-win32.zip",
        "windows-release",
        {"format": "archive_deflate", "arch": "win32", "test": True},
    ),
    (
        "2.7.10/python-2.7.10.amd64-pdb.zip",
        "windows-support",
        {"format": "archive_deflate", "arch": "amd64", "pdb": "pdb"},
    ),
    (
        "3.14.0/python-3.14.0-aarch64-linux-android.tar.gz",
        "android-release",
        {"format": "tarball_deflate", "arch": "arm64"},
    ),
    ("3.15.0/python-3.15.0b1-iOS-XCframework.tar.gz", "ios-release", {"format": "tarball_deflate"}),
]


@pytest.mark.parametrize(("path", "kind", "form"), KINDS)
def test_type_and_format(path: str, kind: str, form: dict[str, object]) -> None:
    artifact = PythonOrgArtifact(path)
    assert (artifact.release_type, artifact.release_format) == (kind, form)
    folder, _, name = path.partition("/")
    assert PythonOrgArtifact(name, parent_path=folder) == artifact


def test_every_artifact_of_the_tree_is_listed_and_reached_by_its_type_and_format(still: World, tmp_path: Path) -> None:
    """What a list says of an artifact is enough for ``download_release`` to come back with it."""
    from dlm.python_org import _match

    artifacts = PythonOrgDownloads.list_all_release_artifacts()
    listed = {str(artifact) for artifact in artifacts}
    for path in still.site.paths():
        folder, _, name = path.rpartition("/")
        assert (path in listed) == ("/" not in folder and isinstance(classify(name, folder), ArtifactName)), path
    releases: dict[tuple[Any, ...], list[PythonOrgArtifact]] = {}
    for artifact in artifacts:
        releases.setdefault(tuple(artifact.release_version), []).append(artifact)
    unreached = [
        str(artifact)
        for release in releases.values()
        for artifact in release
        if _match(release, artifact.release_type, artifact.release_format) != artifact
    ]
    # Two names of one file that differ in case alone, and two further names of tarballs of 1.5.2.
    assert unreached == ["src/python-1.6.tar.gz", "src/pyth151.tgz"][: len(unreached)]


def test_paths_made_from_an_artifact_are_plain() -> None:
    artifact = PythonOrgArtifact("3.13.0/Python-3.13.0.tar.xz")
    made: dict[str, PurePosixPath] = {
        "3.13.0": artifact.parent,
        ".": artifact.parents[1],
        "3.13.0/Python-3.13.0.tar.xz/a": artifact / "a",
        "a/3.13.0/Python-3.13.0.tar.xz": "a" / artifact,
        "b/3.13.0/Python-3.13.0.tar.xz": PurePosixPath("b") / artifact,
        "3.13.0/Python-3.13.0.tar.xz/a/b": artifact.joinpath("a", "b"),
        "3.13.0/Python-3.13.0.tar.bz2": artifact.with_suffix(".bz2"),
        "3.13.0/README": artifact.with_name("README"),
        "3.13.0/x.xz": artifact.with_stem("x"),
        "Python-3.13.0.tar.xz": artifact.relative_to("3.13.0"),
    }
    assert [str(path) for path in made.values()] == list(made)
    assert {type(path) for path in made.values()} == {PurePosixPath}


@pytest.mark.parametrize(
    "again", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))], ids=["copy", "deepcopy", "pickle"]
)
def test_copies_are_whole(again: Callable[[Any], Any]) -> None:
    (artifact, *_) = PythonOrgDownloads.list_version_artifacts(3, 13, 2)
    made = again(artifact)
    assert type(made) is PythonOrgArtifact
    assert made == artifact
    assert hash(made) == hash(artifact)
    for name in ("release_version", "release_type", "release_format", "related", "size", "is_final"):
        assert getattr(made, name) == getattr(artifact, name)
    assert made.release_version.path == artifact
    short = again(artifact.release_version.rebuild_simplified())
    assert (short, short.path) == ((3, 13, 2), artifact)


def test_an_artifact_is_its_path() -> None:
    artifact = PythonOrgArtifact("3.13.0/Python-3.13.0.tar.xz")
    assert artifact == PurePosixPath("3.13.0/Python-3.13.0.tar.xz")
    assert {artifact: 1}[PurePosixPath("3.13.0/Python-3.13.0.tar.xz")] == 1  # type: ignore[index]
    assert artifact != PythonOrgArtifact("3.13.0/Python-3.13.0.tgz")


def test_artifacts_sort_by_version() -> None:
    names = [
        "3.9.0/Python-3.9.0.tgz",
        "3.10.0/Python-3.10.0rc1.tgz",
        "3.10.0/Python-3.10.0.tgz",
        "3.10.1/Python-3.10.1.tgz",
    ]
    artifacts = [PythonOrgArtifact(name) for name in names]
    assert [str(one) for one in sorted([*artifacts[2:], *artifacts[:2]])] == names
    assert artifacts[0] < artifacts[1] <= artifacts[2]
    assert artifacts[3] > artifacts[2] >= artifacts[2]


@pytest.mark.parametrize(
    "name",
    ["", "README", "3.13.0/Python-3.13.0.tar.xz.asc", "3.13.0/python-3.13.0-docs.zip", "3.12.0/Python-3.13.0.tgz"],
)
def test_what_is_no_artifact(name: str) -> None:
    with pytest.raises(InvalidVersionStringError) as caught:
        PythonOrgArtifact(name)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, DlmError)


def test_versions() -> None:
    version = NormalizedPythonVersion(3, 14, 0, "candidate", 1)
    assert (version.text, version.releaselevel, version.serial, version.path) == ("3.14.0rc1", "candidate", 1, None)
    assert NormalizedPythonVersion(3, 14) < version < NormalizedPythonVersion(3, 14, 0, "final", 0)
    assert NormalizedPythonVersion(3, 9) < NormalizedPythonVersion(3, 10)
    assert not hasattr(NormalizedPythonVersion(3, 14), "releaselevel")
    assert not hasattr(NormalizedPythonVersion(3, 14), "serial")
    for wrong in [(3, 14, 0, "gamma", 1), (3, 14, 0, "beta", None), (3, -1), ("three", 1), (True, 1)]:
        with pytest.raises(InvalidVersionStringError):
            NormalizedPythonVersion(*wrong)  # type: ignore[arg-type]


# -- without its defects


def test_a_folder_with_pre_releases_alone_is_no_final_release(moving: World) -> None:
    only(
        moving,
        "3.13.0/Python-3.13.0.tgz",
        "3.13.10/Python-3.13.10rc1.tgz",
        "3.13.11/Python-3.13.11.tgz",
        "3.14.0/Python-3.14.0a1.tgz",
    )
    api = at(moving)
    assert api.list_release_versions() == [(3, 13, 0), (3, 13, 11)]
    assert api.list_release_versions(final_only=False) == [(3, 13, 0), (3, 13, 10), (3, 13, 11), (3, 14, 0)]
    assert api.list_version_artifacts(3, 13, 10) == []
    assert api.latest_version() == (3, 13, 11)
    assert api.latest_version(final_only=False) == (3, 14, 0, "alpha", 1)


def test_all_versions_cost_two_requests(moving: World) -> None:
    at(moving).list_release_versions(final_only=False)
    assert moving.paths == ["/ftp/python/", "/ftp/python/src/"]


def test_the_second_list_asks_for_what_has_changed(moving: World) -> None:
    api = at(moving)
    api.list_all_release_artifacts()
    before = moving.count
    assert before == 269
    moving.site.put("3.13.15/python-3.13.15-test-arm64.zip", modified=moving.site.dated("3.13.15") + 1)
    found = api.list_all_release_artifacts()
    assert moving.paths[before:] == ["/ftp/python/", "/ftp/python/3.13.15/"]
    assert PurePosixPath("3.13.15/python-3.13.15-test-arm64.zip") in found


def test_an_empty_newest_folder_is_passed_over(moving: World) -> None:
    only(moving, "3.13.0/Python-3.13.0.tgz", "3.14.0/README")
    assert at(moving).latest_version() == (3, 13, 0)
    assert at(moving).latest_version(final_only=False) == (3, 13, 0, "final", 0)


def test_2_0_has_a_folder_and_a_source_elsewhere(moving: World) -> None:
    moving.site.put("2.0/BeOpen-Python-2.0.exe")
    moving.site.put("2.0/Python-2.0.tgz")
    found = at(moving).list_version_artifacts(2, 0, 0)
    assert [str(one) for one in found] == ["2.0/Python-2.0.tgz", "src/python-2.0.tar.gz"]


def test_unknown_names_spoil_nothing(moving: World) -> None:
    only(moving, "3.13.0/Python-3.13.0.tgz", "3.13.0/python-3.13.0-docs-html.zip", "3.13.0/python-3.13.0.whatever.zip")
    assert at(moving).list_version_artifacts(3, 13) == [PurePosixPath("3.13.0/Python-3.13.0.tgz")]


@pytest.mark.parametrize("numbers", [(3, 99), (1, 9), (0, 0, 7), (4, 0, 0)])
def test_a_version_that_is_not_there(numbers: tuple[int, ...]) -> None:
    calls: list[Callable[..., object]] = [
        PythonOrgDownloads.list_version_artifacts,
        PythonOrgDownloads.download_release,
    ]
    for call in calls:
        with pytest.raises(ReleaseNotFound) as caught:
            call(*numbers)
        assert isinstance(caught.value, ValueError)
        assert isinstance(caught.value, DlmError)


def test_a_folder_that_is_listed_and_gone_is_no_release(moving: World) -> None:
    moving.route("/ftp/python/3.13.2/", Response(404))
    with pytest.raises(ReleaseNotFound) as caught:
        at(moving).list_version_artifacts(3, 13, 2)
    assert any("3.13.2/" in detail for detail in caught.value.details)


@pytest.mark.parametrize(
    "call",
    [
        lambda api: api.list_release_versions(),
        lambda api: api.list_release_versions(final_only=False),
        lambda api: api.list_version_artifacts(3, 13, 2),
        lambda api: api.list_all_release_artifacts(),
        lambda api: api.latest_version(),
        lambda api: api.report_version_artifacts(3, 13, 2),
        lambda api: api.download_release(3, 13, 2),
    ],
)
def test_a_site_that_is_down_is_an_error(moving: World, call: Callable[[PythonOrgDownloads], object]) -> None:
    moving.origin.otherwise(Response(503))
    with pytest.raises(NetworkError):
        call(at(moving))


def test_a_tree_without_releases() -> None:
    with a_world() as world:
        only(world, "3.13.0/README")
        with pytest.raises(ReleaseNotFound):
            at(world).latest_version()
        assert at(world).list_all_release_artifacts() == []


def test_the_best_source_there_is() -> None:
    assert PythonOrgDownloads.download_release(2, 7) == Path("Python-2.7.tgz")
    assert PythonOrgDownloads.download_release(2, 0, 1) == Path("Python-2.0.1.tgz")
    assert PythonOrgDownloads.download_release(1, 6) == Path("Python-1.6.tar.gz")
    with pytest.raises(ReleaseNotFound, match="no source-release with tarball_lzma") as caught:
        PythonOrgDownloads.download_release(2, 7, artifact_format={"format": "tarball_lzma"})
    assert "Python-2.7.tgz: tarball_deflate" in " ".join(caught.value.details).replace("source-release, ", "")


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ({"format": "exe", "arch": "x64"}, "python-3.13.0-amd64.exe"),
        ({"format": "executable", "arch": "win32"}, "python-3.13.0.exe"),
        ({"format": "archive_deflate", "arch": "amd64"}, "python-3.13.0-amd64.zip"),
        ({"format": "archive_deflate", "arch": "amd64", "embed": True}, "python-3.13.0-embed-amd64.zip"),
        ({"arch": "amd64", "embed": True, "embeddable": True}, "python-3.13.0-embeddable-amd64.zip"),
        ({"arch": "amd64", "free_threaded": True, "test": False}, "python-3.13.0t-amd64.zip"),
    ],
)
def test_as_much_of_a_format_as_tells_a_file_from_the_others(wanted: dict[str, Any], name: str) -> None:
    found = PythonOrgDownloads.download_release(3, 13, artifact_type="windows", artifact_format=wanted)
    assert found == Path(name)


def test_a_format_that_means_several_files() -> None:
    with pytest.raises(ReleaseNotFound, match="has 3 files") as caught:
        PythonOrgDownloads.download_release(
            3, 13, artifact_type="windows-release", artifact_format={"format": "executable"}
        )
    assert "python-3.13.0-arm64.exe: executable, arch=arm64" in caught.value.details
    assert caught.value.hint


def test_plain_packages_before_those_that_were_packaged_again() -> None:
    path = PythonOrgDownloads.download_release(3, 10, artifact_type="macos-release", artifact_format={"format": "pkg"})
    assert path == Path("python-3.10.0-macos11.pkg")
    path = PythonOrgDownloads.download_release(
        3, 10, artifact_type="macos-release", artifact_format={"post_build": "post2"}
    )
    assert path == Path("python-3.10.0post2-macos11.pkg")


def test_numbers_may_come_as_text() -> None:
    found = PythonOrgDownloads.download_release("3", "14", "0", "rc", "3")  # type: ignore[arg-type]
    assert found == Path("Python-3.14.0rc3.tar.xz")
    with pytest.raises(ReleaseNotFound) as caught:
        PythonOrgDownloads.download_release(3, 14, 0, "candidate", 99)
    assert "there is 3.14.0rc3" in caught.value.details


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "answer",
    [
        Response(503),
        Response(404),
        Response(200, (), (b"short", Close()), length=5000),
        Response(200, (), b"<html>sign in</html>"),
    ],
    ids=["503", "404", "cut", "page"],
)
def test_a_failed_download_changes_nothing(
    moving: World, monkeypatch: pytest.MonkeyPatch, backend: str, answer: Response
) -> None:
    monkeypatch.setenv("DLM_BACKEND", backend)
    api = at(moving)
    (artifact, *_) = api.list_version_artifacts(3, 13, 2)
    moving.route(f"/ftp/python/{artifact}", answer)
    with pytest.raises((NetworkError, IntegrityError)):
        api.download_artifact(artifact, destination_dir="new")
    assert not Path("new", artifact.name).exists()
    Path(artifact.name).write_text("old")
    with pytest.raises((NetworkError, IntegrityError)):
        api.download_artifact(artifact, overwrite=True)
    assert [(path.name, path.read_text()) for path in Path().iterdir() if path.is_file()] == [(artifact.name, "old")]
    moving.route(f"/ftp/python/{artifact}", Response(200, (), moving.site.body(str(artifact))))
    assert api.download_artifact(artifact, overwrite=True).read_bytes() == moving.site.body(str(artifact))


def test_a_file_that_was_replaced_since_it_was_listed(moving: World) -> None:
    api = at(moving)
    (artifact, *_) = api.list_version_artifacts(3, 13, 2)
    moving.site.put(str(artifact), b"new bytes", modified=moving.site.dated("3.13.2"))  # the folder keeps its date
    assert api.download_artifact(artifact).read_bytes() == b"new bytes"
    assert api.list_version_artifacts(3, 13, 2)[0].size == len(b"new bytes")


def test_sidecars_are_downloaded_by_their_path(moving: World) -> None:
    api = at(moving)
    (artifact, *_) = api.list_version_artifacts(3, 13, 2)
    for suffix in artifact.related:
        path = api.download_artifact(artifact.with_name(artifact.name + suffix))
        assert path.read_bytes() == moving.site.body(f"{artifact}{suffix}")
    with pytest.raises(RefusedError):
        api.download_artifact(f"{artifact}.asc.sig")


@pytest.mark.parametrize("path", ["../etc/passwd", "/etc/passwd", "3.13.2/", "", "a\\b", "3.13.2/..", "x/\x00"])
def test_what_is_no_path_below_the_base_url(still: World, path: str) -> None:
    before = still.count
    with pytest.raises(InvalidVersionStringError):
        PythonOrgDownloads.download_artifact(path)
    assert still.count == before


def test_a_folder_in_the_way(still: World) -> None:
    Path("Python-3.13.2.tgz").mkdir()
    Path("file").write_text("")
    for overwrite in (False, True):
        with pytest.raises(LocalError):
            PythonOrgDownloads.download_artifact("3.13.2/Python-3.13.2.tgz", overwrite=overwrite)
    with pytest.raises(LocalError):
        PythonOrgDownloads.download_artifact("3.13.2/Python-3.13.2.tgz", destination_dir="file/below")


def test_a_second_download_is_a_question(moving: World) -> None:
    api = at(moving)
    (artifact, *_) = api.list_version_artifacts(3, 13, 2)
    api.download_artifact(artifact, destination_dir="a")
    moving.site.put(str(artifact), b"other", modified=1)
    assert api.download_artifact("3.13.2/Python-3.13.2.tar.xz", destination_dir="b").read_bytes() == b"other"


def test_tables_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "120")
    PythonOrgDownloads.report_version_artifacts(3, 13, 2)
    shown = capsys.readouterr().out
    assert "Version" in shown
    assert "3.13.2/python-3.13.2-amd64.exe" in shown
    assert "┃" in shown


# -- configuration


class Mirrored(PythonOrgDownloads):
    """A configuration as a subclass."""


def test_the_base_url_as_a_class_attribute(moving: World, monkeypatch: pytest.MonkeyPatch) -> None:
    only(moving, "3.1/Python-3.1.tgz")
    monkeypatch.setattr(Mirrored, "BASE_URL", f"{moving.url}/ftp/python/")
    assert Mirrored.list_release_versions() == [(3, 1, 0)]
    assert len(PythonOrgDownloads.list_release_versions()) > 200
    assert PythonOrgDownloads.BASE_URL == "https://www.python.org/ftp/python"


def test_objects_have_configurations_of_their_own(moving: World, tmp_path: Path) -> None:
    only(moving, "3.1/Python-3.1.tgz")
    mirrored = PythonOrgDownloads(f"{moving.url}/ftp/python", timeout=5, cache=tmp_path / "mine")
    assert mirrored.latest_version() == (3, 1, 0)
    assert (tmp_path / "mine").is_dir()
    assert not (tmp_path / "cache").exists()
    assert PythonOrgDownloads().latest_version() == (3, 15, 0)


def test_without_a_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    api = PythonOrgDownloads(cache=False)
    path = api.download_release(3, 13, 2)
    assert path.is_file()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["here"]


def test_a_timeout(moving: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DLM_RETRIES", "0")
    gate = moving.origin.gate()

    def wait(_: object) -> Response:
        gate.wait()
        return Response(503)

    moving.origin.otherwise(wait)
    with pytest.raises(NetworkError):
        PythonOrgDownloads(f"{moving.url}/ftp/python", timeout=0.2).latest_version()


@pytest.mark.parametrize("url", ["ftp://x.example/", "https://user:secret@x.example/", "nowhere"])
def test_a_base_url_that_cannot_be(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        PythonOrgDownloads(url).latest_version()
    assert "secret" not in str(caught.value)


# -- mirrors


def apache(path: str, names: list[str]) -> bytes:
    """A page as Apache's mod_autoindex makes it, with its fancy table."""
    rows = "".join(
        f'<tr><td valign="top"><img src="/icons/{"folder" if name[-1] == "/" else "compressed"}.gif" alt="[   ]"></td>'
        f'<td><a href="{name}">{name[:20]}</a></td><td align="right">2025-02-04 17:30  </td>'
        f'<td align="right">{"  - " if name[-1] == "/" else " 25M"}</td><td>&nbsp;</td></tr>\n'
        for name in names
    )
    return (
        '<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 3.2 Final//EN">\n<html>\n <head>\n'
        f"  <title>Index of {path}</title>\n </head>\n <body>\n<h1>Index of {path}</h1>\n  <table>\n"
        '   <tr><th valign="top"><img src="/icons/blank.gif" alt="[ICO]"></th><th><a href="?C=N;O=D">Name</a></th>'
        '<th><a href="?C=M;O=A">Last modified</a></th><th><a href="?C=S;O=A">Size</a></th>'
        '<th><a href="?C=D;O=A">Description</a></th></tr>\n   <tr><th colspan="5"><hr></th></tr>\n'
        '<tr><td valign="top"><img src="/icons/back.gif" alt="[PARENTDIR]"></td>'
        f'<td><a href="{path.rstrip("/").rpartition("/")[0]}/">Parent Directory</a></td><td>&nbsp;</td>'
        f'<td align="right">  - </td><td>&nbsp;</td></tr>\n{rows}'
        '   <tr><th colspan="5"><hr></th></tr>\n</table>\n'
        "<address>Apache/2.4.62 (Debian) Server</address>\n</body></html>\n"
    ).encode()


def npmmirror(path: str, names: list[str]) -> bytes:
    """A list as cnpm's binary mirror gives it: addresses beside the names lead to another host."""
    return json.dumps(
        [
            {
                "id": f"{number:024x}",
                "category": "python",
                "name": name,
                "date": "2025-02-04T17:30:00.000Z",
                "type": "dir" if name.endswith("/") else "file",
                **({} if name.endswith("/") else {"size": 11}),
                "url": f"https://elsewhere.example{path}{name}",
                "modified": "2025-02-04T17:31:00.000Z",
            }
            for number, name in enumerate(names)
        ]
    ).encode()


@pytest.mark.parametrize(("page", "kind"), [(apache, "text/html;charset=UTF-8"), (npmmirror, "application/json")])
def test_mirrors(moving: World, page: Callable[[str, list[str]], bytes], kind: str) -> None:
    base = "/-/binary/python"
    names = ["Python-3.13.2.tar.xz", "Python-3.13.2.tar.xz.sigstore", "python-3.13.2-amd64.exe"]
    for path, listed in {f"{base}/": ["3.13.2/", "doc/"], f"{base}/3.13.2/": names}.items():
        moving.route(path, Response(200, (("Content-Type", kind),), page(path, listed)))
    moving.route(f"{base}/3.13.2/{names[0]}", Response(200, (), b"hello there"))
    api = PythonOrgDownloads(f"{moving.url}{base}")
    assert api.list_release_versions() == [(3, 13, 2)]
    source, installer = api.list_version_artifacts(3, 13, 2)
    assert (source.related, installer.release_format["arch"]) == ([".sigstore"], "amd64")
    assert api.download_release(3, 13, 2).read_bytes() == b"hello there"
    assert {request.path for request in moving.origin.requests} <= {
        f"{base}/", f"{base}/3.13.2/", f"{base}/3.13.2/{names[0]}",
    }  # fmt: skip


# -- what loading costs


def test_importing_loads_nothing_heavy() -> None:
    code = (
        "import sys; before = set(sys.modules); from dlm.python_org import PythonOrgDownloads\n"
        "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before} - sys.stdlib_module_names))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.split() == ["dlm"]
