"""The grammar of names, against everything that public records show and against what was told apart by hand."""

from __future__ import annotations

import re
from collections import Counter
from typing import get_args

import pytest

from dlm.model.selector import FORMATS, PYTHON_TYPES
from dlm.resolve.python_org.names import (
    ArtifactName,
    Directory,
    KnownOther,
    Sidecar,
    SidecarKind,
    classify,
    release_of,
)
from tests.support.python_org.records import records

# What a name is once its version is replaced by V: written down by reading the names, without the grammar's help.
# (type, format, flags, arch)
SHAPES: dict[str, tuple[str, str, set[str], str | None]] = {
    "Python-V.tgz": ("source-release", "tgz", set(), None),
    "Python-V.tar.xz": ("source-release", "xz", set(), None),
    "Python-V.tar.bz2": ("source-release", "bz2", set(), None),
    "Python-V.tar.gz": ("source-release", "tgz", set(), None),
    "python-V.tar.gz": ("source-release", "tgz", set(), None),
    "pythonV.tar.gz": ("source-release", "tgz", set(), None),
    "py152.tgz": ("source-release", "tgz", {"alias"}, None),
    "pyth151.tgz": ("source-release", "tgz", {"alias"}, None),
    "Python-V.exe": ("windows-release", "exe", set(), "win32"),
    "Python-V-1.exe": ("windows-release", "exe", set(), "win32"),
    "python-V.exe": ("windows-release", "exe", set(), "win32"),
    "python-V-amd64.exe": ("windows-release", "exe", set(), "amd64"),
    "python-V-arm64.exe": ("windows-release", "exe", set(), "arm64"),
    "python-V-webinstall.exe": ("windows-release", "exe", {"webinstall"}, "win32"),
    "python-V-amd64-webinstall.exe": ("windows-release", "exe", {"webinstall"}, "amd64"),
    "python-V-embed-amd64.exe": ("windows-release", "exe", {"embed"}, "amd64"),
    "python-V-embed-win32.exe": ("windows-release", "exe", {"embed"}, "win32"),
    "python-V.msi": ("windows-release", "msi", set(), "win32"),
    "python-V.amd64.msi": ("windows-release", "msi", set(), "amd64"),
    "python-V.post1-embed-amd64.zip": ("windows-release", "zip", {"embed"}, "amd64"),
    "python-V.post1-embed-win32.zip": ("windows-release", "zip", {"embed"}, "win32"),
    "python-V-pdb.zip": ("windows-support", "zip", {"pdb"}, "win32"),
    "python-V.amd64-pdb.zip": ("windows-support", "zip", {"pdb"}, "amd64"),
    "Python-V-Debug.zip": ("windows-support", "zip", {"debug"}, "win32"),
    "python-V-macosxV.pkg": ("macos-release", "pkg", set(), None),
    "python-V-macosV.pkg": ("macos-release", "pkg", set(), None),
    "python-V-macos11.pkg": ("macos-release", "pkg", set(), None),
    "python-V-no-lto-macos11.pkg": ("macos-release", "pkg", {"no_lto"}, None),
    "python-Vpost2-macos11.pkg": ("macos-release", "pkg", set(), None),
    "python-V-macos11.pkg_superceded": ("macos-release", "pkg", {"superseded"}, None),
    "python-V-macosxV.dmg": ("macos-release", "dmg", set(), None),
    "python-V_macosxV.dmg": ("macos-release", "dmg", set(), None),
    "python-V-macosxV-DATE.dmg": ("macos-release", "dmg", set(), None),
    "python-V-macosxDATE.dmg": ("macos-release", "dmg", set(), None),
    "python-V-macosx.dmg": ("macos-release", "dmg", set(), None),
    "python-V.dmg": ("macos-release", "dmg", set(), None),
    "python-V-aarch64-linux-android.tar.gz": ("android-release", "tgz", set(), "arm64"),
    "python-V-x86_64-linux-android.tar.gz": ("android-release", "tgz", set(), "x86_64"),
    "python-V-iOS-XCframework.tar.gz": ("ios-release", "tgz", set(), None),
    **{
        f"python-V{mark}-{arch}.zip": ("windows-release", "zip", flags, arch)
        for arch in ("amd64", "arm64", "win32")
        for mark, flags in (
            ("", set()),
            ("t", {"freethreaded"}),
            ("-embed", {"embed"}),
            ("-embeddable", {"embeddable"}),
            ("-test", {"test"}),
        )
    },
}

OTHERS = {
    "chm": r"[Pp]ython\d+[abrc\d]*\.chm",
    "feeds": r"windows-V\.json|index-windows(-recent|-legacy)?\.json|INDEX|README(\.html|\.ftp)?|index\.html",
    "libraries": r"libV\.tar\.gz|subsetV\.tar\.gz|X-extension\.tar\.gz|_tkinter\.c",
    "manager": r"pymanager-V\.msix",
}

ALL = [(record.path, record.folder, record.name) for record in records()]
SIDE = re.compile(r"\.(asc|sig|crt|sigstore|rekor|spdx\.json|asc_superceded)$")


def shape(name: str) -> str:
    dated = re.sub(r"\d{4}-\d\d-\d\d", "DATE", name)
    return re.sub(r"\d+(\.\d+)+((a|b|c|rc)\d+)?", "V", dated)


def files() -> list[tuple[str, str]]:
    return [(folder, name) for _, folder, name in ALL if not name.endswith("/") and not SIDE.search(name)]


def test_every_recorded_name_is_known() -> None:
    assert len(ALL) == 8642
    unknown = [path for path, folder, name in ALL if classify(name, folder) is None]
    assert unknown == []


def test_every_file_is_what_its_shape_says() -> None:
    for folder, name in files():
        found = classify(name, folder)
        if shape(name) in SHAPES:
            kind, form, flags, arch = SHAPES[shape(name)]
            assert isinstance(found, ArtifactName), name
            assert (found.type, found.format, set(found.flags), found.values.get("arch")) == (kind, form, flags, arch)
            assert found.name == name
        else:
            assert any(re.fullmatch(other, shape(name)) for other in OTHERS.values()), name
            assert isinstance(found, KnownOther), name


def test_the_counts_are_those_of_the_shapes() -> None:
    expected: Counter[tuple[str, str, str]] = Counter()
    found: Counter[tuple[str, str, str]] = Counter()
    for folder, name in files():
        if shape(name) in SHAPES:
            kind, form, flags, _ = SHAPES[shape(name)]
            expected[kind, form, "+".join(sorted(flags))] += 1
        artifact = classify(name, folder)
        if isinstance(artifact, ArtifactName):
            found[artifact.type, artifact.format, "+".join(sorted(artifact.flags))] += 1
    assert found == expected
    assert found["source-release", "xz", ""] == 440
    assert found["source-release", "tgz", ""] == 492 + 15 + 2 + 2
    assert found["windows-release", "msi", ""] == 117 + 112
    assert found["windows-support", "zip", "pdb"] == 54 + 35
    assert found["ios-release", "tgz", ""] == 6
    assert sum(found.values()) == 4136


def test_every_artifacts_version_is_its_folders_release() -> None:
    for folder, name in files():
        artifact = classify(name, folder)
        if isinstance(artifact, ArtifactName) and folder != "src":
            assert release_of(artifact.version) == release_of(folder), name


def test_the_folder_only_narrows() -> None:
    for _, folder, name in ALL:
        assert classify(name) is not None
        assert classify(name, f"{folder}/") == classify(name, folder)


def test_every_sidecar_vouches_for_a_known_file_beside_it() -> None:
    kinds: Counter[str] = Counter()
    for _, folder, name in ALL:
        match = SIDE.search(name)
        found = classify(name, folder)
        assert isinstance(found, Sidecar) == (match is not None)
        if isinstance(found, Sidecar) and match:
            kinds[found.kind] += 1
            expected = name[: match.start()] + ("_superceded" if match[1] == "asc_superceded" else "")
            assert found.of == expected
            assert classify(found.of, folder) is not None
    assert kinds == {"asc": 1672, "sig": 577, "crt": 577, "sigstore": 902, "rekor": 14, "spdx.json": 164}
    assert set(kinds) == set(get_args(SidecarKind))


def test_folders() -> None:
    kinds = Counter(found.kind for _, folder, name in ALL if isinstance(found := classify(name, folder), Directory))
    assert kinds == {"release": 267, "parts": 34, "sources": 1, "other": 22}
    assert classify("3.7.3/") == Directory("3.7.3", "release", "3.7.3")
    assert classify("2.7/") == Directory("2.7", "release", "2.7")
    assert classify("amd64rc1/", "3.7.3") == Directory("amd64rc1", "parts")
    assert classify("src/") == Directory("src", "sources")
    assert classify("src/", "3.7.3") is None
    assert classify("3.7.3/", "src") is None


def test_types_and_formats_are_those_of_selectors() -> None:
    for folder, name in files():
        artifact = classify(name, folder)
        if isinstance(artifact, ArtifactName):
            assert artifact.type in PYTHON_TYPES.values()
            assert FORMATS[artifact.format] == artifact.format


SURPRISES: list[tuple[str, str, str, str, str, str, dict[str, str]]] = [
    # 1: a pre-release in the final's folder
    ("3.15.0", "Python-3.15.0rc2.tar.xz", "3.15.0rc2", "source-release", "xz", "", {}),
    # 2: two components
    ("2.7", "Python-2.7.tgz", "2.7", "source-release", "tgz", "", {}),
    ("3.1", "python-3.1.msi", "3.1", "windows-release", "msi", "", {"arch": "win32"}),
    ("3.0", "Python-3.0rc1.tgz", "3.0rc1", "source-release", "tgz", "", {}),
    # 3: c1 is rc1
    ("2.4.3", "python-2.4.3c1.msi", "2.4.3rc1", "windows-release", "msi", "", {"arch": "win32"}),
    ("2.5.3", "python-2.5.3c1.amd64.msi", "2.5.3rc1", "windows-release", "msi", "", {"arch": "amd64"}),
    ("src", "python-2.0c1.tar.gz", "2.0rc1", "source-release", "tgz", "", {}),
    # 4: src/
    ("src", "python-1.5.2.tar.gz", "1.5.2", "source-release", "tgz", "", {}),
    ("src", "python1.1.tar.gz", "1.1", "source-release", "tgz", "", {}),
    ("src", "python1.0.1.tar.gz", "1.0.1", "source-release", "tgz", "", {}),
    ("src", "Python-0.9.1.tar.gz", "0.9.1", "source-release", "tgz", "", {}),
    ("src", "Python-1.6.tar.gz", "1.6", "source-release", "tgz", "", {}),
    ("src", "python-1.6.tar.gz", "1.6", "source-release", "tgz", "", {}),
    ("src", "py152.tgz", "1.5.2", "source-release", "tgz", "alias", {}),
    ("src", "pyth151.tgz", "1.5.1", "source-release", "tgz", "alias", {}),
    # 5: formats of source
    ("2.3.2", "Python-2.3.2.tar.bz2", "2.3.2", "source-release", "bz2", "", {}),
    ("2.6.9", "Python-2.6.9.tar.xz", "2.6.9", "source-release", "xz", "", {}),
    # 6: Windows
    ("2.3.5", "Python-2.3.5.exe", "2.3.5", "windows-release", "exe", "", {"arch": "win32"}),
    ("2.3.2", "Python-2.3.2-1.exe", "2.3.2", "windows-release", "exe", "", {"arch": "win32", "build": "1"}),
    ("2.7.18", "python-2.7.18.amd64.msi", "2.7.18", "windows-release", "msi", "", {"arch": "amd64"}),
    ("3.9.9", "python-3.9.9.exe", "3.9.9", "windows-release", "exe", "", {"arch": "win32"}),
    ("3.5.0", "python-3.5.0a4-embed-amd64.exe", "3.5.0a4", "windows-release", "exe", "embed", {"arch": "amd64"}),
    ("3.11.0", "python-3.11.0a5-arm64.exe", "3.11.0a5", "windows-release", "exe", "", {"arch": "arm64"}),
    ("3.9.7", "python-3.9.7-embed-arm64.zip", "3.9.7", "windows-release", "zip", "embed", {"arch": "arm64"}),
    # 7: packaged again
    (
        "3.7.2",
        "python-3.7.2.post1-embed-amd64.zip",
        "3.7.2",
        "windows-release",
        "zip",
        "embed",
        {"arch": "amd64", "post": "1"},
    ),
    (
        "3.10.0",
        "python-3.10.0post2-macos11.pkg",
        "3.10.0",
        "macos-release",
        "pkg",
        "",
        {"min_macos": "11", "post": "2"},
    ),
    (
        "3.10.0",
        "python-3.10.0-macos11.pkg_superceded",
        "3.10.0",
        "macos-release",
        "pkg",
        "superseded",
        {"min_macos": "11"},
    ),
    # 8: zips
    ("3.13.0", "python-3.13.0t-amd64.zip", "3.13.0", "windows-release", "zip", "freethreaded", {"arch": "amd64"}),
    ("3.14.0", "python-3.14.0b1t-win32.zip", "3.14.0b1", "windows-release", "zip", "freethreaded", {"arch": "win32"}),
    ("3.13.0", "python-3.13.0-test-arm64.zip", "3.13.0", "windows-release", "zip", "test", {"arch": "arm64"}),
    # 10: macOS
    ("2.6.4", "python-2.6.4_macosx10.3.dmg", "2.6.4", "macos-release", "dmg", "", {"min_macos": "10.3"}),
    (
        "2.6.5",
        "python-2.6.5-macosx10.3-2010-03-24.dmg",
        "2.6.5",
        "macos-release",
        "dmg",
        "",
        {"min_macos": "10.3", "date": "2010-03-24"},
    ),
    ("2.4.4", "python-2.4.4-macosx2006-10-18.dmg", "2.4.4", "macos-release", "dmg", "", {"date": "2006-10-18"}),
    ("2.5.1", "python-2.5.1-macosx.dmg", "2.5.1", "macos-release", "dmg", "", {}),
    ("3.1", "python-3.1.dmg", "3.1", "macos-release", "dmg", "", {}),
    ("3.9.1", "python-3.9.1-macos11.0.pkg", "3.9.1", "macos-release", "pkg", "", {"min_macos": "11"}),
    ("3.8.10", "python-3.8.10-macosx10.9.pkg", "3.8.10", "macos-release", "pkg", "", {"min_macos": "10.9"}),
    (
        "3.13.0",
        "python-3.13.0rc1-no-lto-macos11.pkg",
        "3.13.0rc1",
        "macos-release",
        "pkg",
        "no_lto",
        {"min_macos": "11"},
    ),
    # 11: tarballs that are no source
    ("3.14.0", "python-3.14.0-aarch64-linux-android.tar.gz", "3.14.0", "android-release", "tgz", "", {"arch": "arm64"}),
    ("3.15.0", "python-3.15.0b1-iOS-XCframework.tar.gz", "3.15.0b1", "ios-release", "tgz", "", {}),
]


@pytest.mark.parametrize("case", SURPRISES, ids=lambda case: case[1])
def test_surprising_artifacts(case: tuple[str, str, str, str, str, str, dict[str, str]]) -> None:
    folder, name, version, kind, form, flag, values = case
    found = classify(name, folder)
    assert isinstance(found, ArtifactName)
    assert (found.version, found.type, found.format) == (version, kind, form)
    assert set(found.flags) == ({flag} if flag else set())
    assert dict(found.values) == values


@pytest.mark.parametrize(
    ("folder", "name", "kind"),
    [
        ("3.14.0", "windows-3.14.0.json", "index"),  # 9
        ("", "index-windows-legacy.json", "index"),
        ("3.7.3", "python373.chm", "documentation"),  # 14
        ("2.5.1", "Python25.chm", "documentation"),
        ("3.2.4", "python324.chm", "documentation"),
        ("src", "lib1.4.tar.gz", "library"),  # 4
        ("pymanager", "pymanager-25.0.msix", "installer-manager"),  # 17
    ],
)
def test_surprising_others(folder: str, name: str, kind: str) -> None:
    assert classify(name, folder) == KnownOther(name, kind)  # type: ignore[arg-type]  # the table holds kinds


@pytest.mark.parametrize(
    ("name", "of", "kind"),
    [
        ("Python-3.13.0.tgz.asc", "Python-3.13.0.tgz", "asc"),  # 15
        ("python-3.12.4-amd64.exe.spdx.json", "python-3.12.4-amd64.exe", "spdx.json"),
        ("Python-3.10.10.tgz.rekor", "Python-3.10.10.tgz", "rekor"),
        ("python-3.10.0-macos11.pkg.asc_superceded", "python-3.10.0-macos11.pkg_superceded", "asc"),  # 7
        ("windows-3.14.0rc1.json.sigstore", "windows-3.14.0rc1.json", "sigstore"),
    ],
)
def test_surprising_sidecars(name: str, of: str, kind: SidecarKind) -> None:
    assert classify(name) == Sidecar(name, of, kind)


@pytest.mark.fault("C06")
@pytest.mark.parametrize(
    "name",
    [
        "Python-3.13.1111111111111111111111.tar.xz",
        "Python-1111111111111111111111.0.0.tgz",
        "Python-03.13.0.tgz",
        "Python-3.13.0.tar.xz ",
        "Python-3.13.0.tar.xz\n",
        " Python-3.13.0.tar.xz",
        "Python-3.13.0.tar.xz.exe",
        "Python-3.13.0.tar.xz\x00.tgz",
        "Python-3.13.0.tar",
        "Python-3.13.tar.xz.sigstore.sigstore",
        "Pyth\u043en-3.13.0.tar.xz",  # a Cyrillic o
        "Python-\uff13.13.0.tar.xz",
        "Python-3.13.0.tar.xz.asc.asc",
        "Pyth0n-3.13.0.tar.xz",
        "PYTHON-3.13.0.tar.xz",
        "python-3.13.0.tar.xz",
        "python-3.13.0.tar.gz",
        "Python-3.13.0-evil.tar.xz",
        "python-3.13.0-amd64.exe.exe",
        "python-3.13.0.zip",
        "python-3.13.0-embeddable-amd64.exe",
        "python-3.13.0-macos11.pkg.pkg",
        "python-3.13.0-macosx10.9.exe",
        "python-3.13.0.pkg",
        "../Python-3.13.0.tar.xz",
        "x/Python-3.13.0.tar.xz",
        "Python-3.13.0.tar.xz/",
        "3.13.1111111111111111111111/",
        "../",
        "/",
        "",
        ".asc",
        "evil.asc",
        "Python-" + "3" * 200 + ".tgz",
    ],
)
def test_what_only_looks_alike_is_passed_over(name: str) -> None:
    assert classify(name) is None
    assert classify(name, "3.13.0") is None


@pytest.mark.fault("C06")
def test_in_a_releases_folder_only_its_own_artifacts_count() -> None:
    assert classify("Python-3.13.1.tar.xz", "3.13.0") is None
    assert classify("Python-3.13.1.tar.xz.asc", "3.13.0") is None
    assert classify("Python-3.13.1.tar.xz", "src") is None
    assert classify("Python-2.0.tgz", "doc") is None
    assert classify("python-1.5.2.tar.gz", "3.13.0") is None
    assert classify("Python-3.13.0.tar.xz", "3.13.0/amd64") is None
    assert classify("Python-2.7.0.tgz", "2.7") is not None


def test_releases() -> None:
    assert release_of("2.7rc1") == (2, 7, 0)
    assert release_of("3.13.11") == (3, 13, 11)
    assert release_of("3") is None
    assert release_of("3.13.0.post1") is None
