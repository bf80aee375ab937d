"""Whatever an archive says: nothing gets out, nothing is left of what was refused, and every error is dlm's."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import tempfile
import zipfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dlm.errors import DlmError
from dlm.model.extract import Extract, Limits
from dlm.place.tree import Tree
from dlm.place.treedigest import tree_of
from dlm.place.unpack import inspect
from tests.support.archives import Ground, TarItem, ZipItem, a_blob, tar_bytes, zip_bytes

LIMITS = Limits(max_bytes=2**22, max_members=200, max_memory=2**24)
PARTS = st.sampled_from(["a", "b", "A", "..", ".", "", "c ", "aux", "d\\e", "C:", "\u00e9", "e\u0301", "~", "x" * 60])
PATHS = st.lists(PARTS, min_size=1, max_size=4).map("/".join)
KINDS = st.sampled_from([b"0", b"5", b"2", b"1", b"\0", b"7", b"3", b"6", b"S", b"L", b"K", b"x", b"g", b"?"])
TAR_ITEMS = st.builds(
    TarItem,
    name=PATHS.map(lambda path: path.encode()[:100]),
    body=st.binary(max_size=40),
    kind=KINDS,
    target=PATHS.map(lambda path: path.encode()[:100]),
    mode=st.integers(0, 0o7777),
    size=st.none() | st.sampled_from([0, 1, 512, 2**33]),
)
HONEST = st.builds(
    TarItem,
    name=PATHS.map(lambda path: path.encode()[:100]),
    body=st.binary(max_size=40),
    kind=st.sampled_from([b"0", b"2", b"2", b"1"]),
    target=PATHS.map(lambda path: path.encode()[:100]),
).map(lambda item: item if item.kind == b"0" else TarItem(name=item.name, kind=item.kind, target=item.target))
ZIP_ITEMS = st.builds(
    ZipItem,
    name=PATHS,
    body=st.binary(max_size=40),
    method=st.sampled_from([0, 8, 12, 93]),
    flags=st.sampled_from([0, 0x800, 0x808, 1]),
    mode=st.sampled_from([0o100644, 0o120777, 0o040755, 0, 0o010644]),
    size=st.none() | st.integers(0, 100),
    offset=st.none() | st.integers(0, 200),
)
WISHES = st.builds(Extract, strip=st.integers(0, 2), include=st.sampled_from([(), ("**/a",), ("b/",)]))
FUZZ = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])


def try_out(data: bytes, wish: Extract) -> None:
    """Unpack, and look around."""
    with tempfile.TemporaryDirectory() as folder:
        ground = Ground(Path(folder))
        before = ground.everything()
        blob = a_blob(ground.base, data)
        try:
            listing = ground.unpack(data, wish, limits=LIMITS)
        except DlmError as error:
            said = str(error)
            listing = None
        else:
            said = ""
        if listing is None:
            assert said.isprintable()
            assert ground.everything() == before
            return
        after = ground.everything()
        assert {name for name in after if not name.startswith("project/out")} == set(before)
        assert {name: after[name] for name in before} == before
        root = os.path.realpath(ground.root / "out")
        for path in (ground.root / "out").rglob("*"):
            assert os.path.commonpath([root, os.path.realpath(path)]) == root
        with Tree(str(ground.root)) as tree:
            assert tree_of(tree.folder("out")) == listing
        assert inspect(blob, wish, "a.tar", limits=LIMITS).listing == listing


@given(st.lists(TAR_ITEMS, max_size=6), WISHES, st.booleans())
@FUZZ
def test_any_tar(items: list[TarItem], wish: Extract, packed: bool) -> None:
    data = tar_bytes(*items)
    try_out(gzip.compress(data) if packed else data, wish)


@given(st.lists(HONEST, max_size=8), WISHES)
@FUZZ
def test_any_tar_of_files_and_links(items: list[TarItem], wish: Extract) -> None:
    try_out(tar_bytes(*items), wish)


@given(st.lists(ZIP_ITEMS, max_size=5), WISHES)
@FUZZ
def test_any_zip(items: list[ZipItem], wish: Extract) -> None:
    try_out(zip_bytes(*items), wish)


def whole_archives() -> list[bytes]:
    tar, packed = io.BytesIO(), io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.PAX_FORMAT) as out:
        for name in ("a/b", "caf\u00e9", "n" * 120):
            info = tarfile.TarInfo(name)
            info.size = 30
            out.addfile(info, io.BytesIO(bytes(30)))
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/b", b"x" * 100)
        archive.writestr("c", b"")
    return [tar.getvalue(), packed.getvalue(), gzip.compress(tar.getvalue())]


WHOLE = whole_archives()


@given(st.sampled_from(WHOLE), st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=4))
@FUZZ
def test_any_few_bytes_changed(data: bytes, changes: list[tuple[int, int]]) -> None:
    changed = bytearray(data)
    for at, value in changes:
        changed[at % len(changed)] = value
    try_out(bytes(changed), Extract())


@given(
    st.sampled_from([b"", b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b\x08", b"BZh9", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd"]),
    st.binary(max_size=800),
)
@FUZZ
def test_any_bytes(start: bytes, rest: bytes) -> None:
    try_out(start + rest, Extract())
