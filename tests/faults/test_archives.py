"""Archives that attack: they are refused as a whole, and nothing of them is left anywhere."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

import pytest

from dlm.errors import ArchiveError, LocalError, PolicyError, gravest
from dlm.model.extract import Extract, Limits
from dlm.place.leftovers import remove_leftovers
from dlm.place.unpack import inspect
from tests.support.archives import Ground, TarItem, ZipItem, a_blob, gzip_zeros, pax, tar_bytes, zip_bytes
from tests.support.processes import run, start

HONEST = TarItem(name="pkg/good.txt", body=b"good")


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(tmp_path)


LEADS_OUT = [
    "../evil",
    "pkg/../../evil",
    "pkg/..",
    "..",
    "/etc/evil",
    "//server/share/evil",
    "C:/evil",
    "C:evil",
    "c:",
    "..\\evil",
    "pkg\\..\\..\\evil",
    "\\evil",
    "\\\\?\\C:\\evil",
    "pkg/.. /evil",
    "pkg/.../evil",
]


# A01


@pytest.mark.fault("A01")
@pytest.mark.promise(6)
@pytest.mark.parametrize("name", LEADS_OUT)
def test_a_name_that_leads_out_refuses_the_whole_tar(ground: Ground, name: str) -> None:
    for items in ((HONEST, TarItem(name=name, body=b"evil")), (TarItem(name=name, body=b"evil"), HONEST)):
        assert gravest(ground.refusal(tar_bytes(*items))) == 6
    for packed in (pax(path=name), TarItem(name="././@LongLink", kind=b"L", body=name.encode() + b"\0")):
        assert gravest(ground.refusal(tar_bytes(HONEST, packed, TarItem(name="innocent", body=b"evil")))) == 6


@pytest.mark.fault("A01")
@pytest.mark.parametrize("name", LEADS_OUT)
def test_a_name_that_leads_out_refuses_the_whole_zip(ground: Ground, name: str) -> None:
    data = zip_bytes(ZipItem(name="pkg/good.txt", body=b"good"), ZipItem(name=name, body=b"evil"))
    assert gravest(ground.refusal(data)) == 6


@pytest.mark.fault("A01")
@pytest.mark.promise(6)
@pytest.mark.parametrize(
    "name", [".git", ".git/hooks/pre-commit", "pkg/.git/config", "pkg/.GIT/x", "git~1/x", "pkg/.git", ".g\u200cit/x"]
)
def test_a_member_in_gits_own_folder_refuses_the_archive(ground: Ground, name: str) -> None:
    packed = pax(path=name) if not name.isascii() else TarItem(name=name, body=b"evil", mode=0o755)
    items = (packed, TarItem(name="innocent", body=b"evil")) if not name.isascii() else (packed,)
    for data in (tar_bytes(HONEST, *items), zip_bytes(ZipItem(name="pkg/good.txt"), ZipItem(name=name, body=b"evil"))):
        error = ground.refusal(data)
        assert gravest(error) == 6
        assert "lies in git's own folder" in str(error)
        assert error.hint == "leave it out with exclude: under extract:"


@pytest.mark.fault("A01")
@pytest.mark.parametrize("wish", [Extract(exclude=("pkg/.git/",)), Extract(include=("pkg/*",))])
def test_gits_own_folder_may_be_left_out(ground: Ground, wish: Extract) -> None:
    ground.unpack(tar_bytes(HONEST, TarItem(name="pkg/.git/config", body=b"x"), TarItem(name="pkg/.gitignore")), wish)
    assert set(ground.files()) == {"pkg", "pkg/good.txt", "pkg/.gitignore"}


@pytest.mark.fault("A01")
def test_a_link_into_gits_own_folder_refuses_the_archive(ground: Ground) -> None:
    error = ground.refusal(tar_bytes(HONEST, TarItem(name="pkg/hooks", kind=b"2", target="../.git/hooks")))
    assert gravest(error) == 6
    assert "leads into git's own folder" in str(error)


@pytest.mark.fault("A01")
@pytest.mark.parametrize("wish", [Extract(strip=1), Extract(include=("pkg/*",)), Extract(exclude=("**/evil",))])
def test_leaving_a_hostile_member_out_does_not_make_the_archive_honest(ground: Ground, wish: Extract) -> None:
    for name in ("pkg/a/../../../evil", "../evil"):
        assert isinstance(ground.refusal(tar_bytes(HONEST, TarItem(name=name, body=b"e")), wish), PolicyError)


@pytest.mark.fault("A01")
@pytest.mark.parametrize(
    "name", ["pkg/C:evil", "pkg/~", "pkg/nul", "pkg/a:b", "pkg/dot.", "pkg/esc\x1b[2J", "pkg/a\nb"]
)
def test_names_that_mean_something_else_somewhere_are_refused_after_strip(ground: Ground, name: str) -> None:
    wish = Extract(strip=1)
    archive = tar_bytes(HONEST, TarItem(name=name, body=b"x"))
    error = ground.refusal(archive, wish)
    assert isinstance(error, PolicyError)
    assert "\x1b" not in str(error)
    assert error.hint == "leave it out with exclude: under extract:"


@pytest.mark.fault("A01")
def test_what_only_some_platform_cannot_hold_may_be_left_out(ground: Ground) -> None:
    archive = tar_bytes(HONEST, TarItem(name="pkg/aux.c", body=b"x"), TarItem(name="pkg/GOOD.txt", body=b"x"))
    assert isinstance(ground.refusal(archive), PolicyError)
    assert ground.unpack(archive, Extract(exclude=("**/aux.c", "**/GOOD.txt"))).files == 1
    assert ground.files() == {"pkg": "/", "pkg/good.txt": b"good"}


@pytest.mark.fault("A01")
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("pkg/Readme", "pkg/README"),
        ("pkg/stra\u00dfe", "pkg/strasse"),
        ("pkg/caf\u00e9", "pkg/cafe\u0301"),
        ("Lib/x", "lib/y"),
        ("pkg/a", "pkg/A/b"),
    ],
)
def test_names_that_are_one_on_some_platform_are_refused(ground: Ground, one: str, other: str) -> None:
    error = ground.refusal(tar_bytes(TarItem(name=one, body=b"1"), TarItem(name=other, body=b"2")))
    assert isinstance(error, PolicyError)
    assert "one name on some platforms" in str(error) or "a file and a folder" in str(error)


# A02


def link(name: str, target: str, kind: bytes = b"2") -> TarItem:
    return TarItem(name=name, kind=kind, target=target)


@pytest.mark.fault("A02")
@pytest.mark.promise(6)
@pytest.mark.parametrize(
    "items",
    [
        [link("l", "../secret")],
        [link("l", "/etc/passwd")],
        [link("d/l", "../../secret")],
        [link("l", "C:\\x")],
        [link("l", "C:x")],
        [link("l", "\\\\server\\share")],
        [link("l", "d/../../secret")],
        [link("l", ".. /secret")],
        [link("l", "")],
        # A link that writes through an earlier one.
        [link("l", "."), TarItem(name="l/x", body=b"x")],
        [link("l", "sub"), TarItem(name="sub/y", body=b"y"), TarItem(name="l/x", body=b"x")],
        [TarItem(name="l/x", body=b"x"), link("l", "sub")],
        # In several steps: each link by itself is harmless, word by word.
        [TarItem(name="a/b/c/x", body=b"x"), link("up", "a/b/c"), link("out", "up/../../../../secret")],
        [TarItem(name="a/b/x", body=b"x"), link("a/s", "b/.."), link("t", "a/s/../../secret")],
        [link("x", "y/../../.."), link("y", "d/d"), TarItem(name="d/d/f", body=b"")],
        [link("one", "two/../.."), link("two", "three"), link("three", "d")],
        [link("D1", "d"), TarItem(name="d/f", body=b"x"), link("e", "d1/../../secret")],
        [link("loop", "loop")],
        [link("p", "q"), link("q", "p")],
        # Hard links
        [link("h", "../secret", b"1")],
        [link("h", "/etc/passwd", b"1")],
        [link("h", "later", b"1"), TarItem(name="later", body=b"x")],
        [link("h", "h", b"1")],
        [link("h", "nothing", b"1")],
        [link("s", "good"), TarItem(name="good", body=b"x"), link("h", "s", b"1")],
        [TarItem(name="d/", kind=b"5"), link("h", "d", b"1")],
        # A file over a link that came first
        [link("l", "good"), TarItem(name="l", body=b"x")],
        [TarItem(name="good", body=b"x"), link("l", "good", b"1"), TarItem(name="l", body=b"evil")],
    ],
)
def test_links_that_lead_out_or_astray_are_refused(ground: Ground, items: list[TarItem]) -> None:
    assert isinstance(ground.refusal(tar_bytes(HONEST, *items)), PolicyError)
    assert (ground.base / "secret").read_bytes() == b"not yours"


@pytest.mark.fault("A02")
def test_a_way_too_long_for_the_file_system_is_followed_all_the_same(ground: Ground) -> None:
    """The trick of CVE-2025-4517: links whose full way is longer than the system resolves hide the steps behind it."""
    part = "d" * 240
    items: list[TarItem] = []
    path = ""
    for letter in "abcdefghijklmnop":
        items.append(TarItem(name=f"{path}{letter}/", kind=b"5"))
        items.append(link(f"{path}{part}{letter}", letter))
        path += f"{letter}/"
    long_way = "/".join(f"{part}{letter}" for letter in "abcdefghijklmnop")
    items.append(pax(path=path + "l" * 254, linkpath="../" * 16))
    items.append(link("x", ""))
    for target in (f"{long_way}/{'l' * 254}/../secret", "a/" * 17 + "../" * 18 + "secret"):
        attack = [*items, pax(linkpath=target), link("escape", "")]
        assert isinstance(ground.refusal(tar_bytes(*attack)), PolicyError)
    assert (ground.base / "secret").read_bytes() == b"not yours"


@pytest.mark.fault("A02")
def test_links_of_a_zip_follow_the_same_rules(ground: Ground) -> None:
    for target in (b"../secret", b"/etc/passwd", b"", b"\xff\xfe", b"x\0y", b"x" * 5000):
        data = zip_bytes(ZipItem(name="good", body=b"x"), ZipItem(name="l", body=target, mode=0o120777))
        assert isinstance(ground.refusal(data), PolicyError)
    data = zip_bytes(ZipItem(name="l", body=b".", mode=0o120777), ZipItem(name="l/evil", body=b"through the link"))
    assert isinstance(ground.refusal(data), PolicyError)
    # Some makers say that they are MS-DOS, and mean Unix.
    assert isinstance(ground.refusal(zip_bytes(ZipItem(name="l", body=b"..", mode=0o120777, system=0))), PolicyError)


@pytest.mark.fault("A02")
def test_links_that_stay_inside_are_kept(ground: Ground) -> None:
    archive = tar_bytes(
        TarItem(name="pkg/lib/libx.so.1.2", body=b"lib", mode=0o755),
        link("pkg/lib/libx.so.1", "libx.so.1.2"),
        link("pkg/lib/libx.so", "libx.so.1"),
        link("pkg/lib64", "lib"),
        link("pkg/top", "."),
        link("pkg/bin/up", "../lib/libx.so"),
        link("pkg/dangling", "nowhere/../at/all"),
        link("pkg/lib/hard", "pkg/lib/libx.so.1.2", b"1"),
        link("pkg/lib/harder", "pkg/lib/hard", b"1"),
    )
    listing = ground.unpack(archive, Extract(strip=1))
    files = ground.files()
    assert files["lib/libx.so"] == "-> libx.so.1"
    assert files["lib64"] == "-> lib"
    assert files["lib/harder"] == b"lib"
    assert (ground.root / "out/bin/up").read_bytes() == b"lib"
    assert {entry.path: entry.kind for entry in listing.entries}["lib/harder"] == "x"
    assert listing.files == 9


@pytest.mark.fault("A02")
def test_a_hard_link_to_what_is_left_out_says_so(ground: Ground) -> None:
    archive = tar_bytes(TarItem(name="a", body=b"x"), link("b", "a", b"1"))
    error = ground.refusal(archive, Extract(include=("b",)))
    assert isinstance(error, ArchiveError)
    assert "which extract leaves out" in str(error)


# A03


@pytest.mark.fault("A03")
@pytest.mark.parametrize("kind", [b"3", b"4", b"6"])
def test_devices_and_fifos_of_a_tar_are_refused(ground: Ground, kind: bytes) -> None:
    assert isinstance(ground.refusal(tar_bytes(HONEST, TarItem(name="dev", kind=kind))), PolicyError)


@pytest.mark.fault("A03")
@pytest.mark.parametrize("kind", [stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK, 0o010000 | stat.S_IFCHR])
def test_devices_fifos_and_sockets_of_a_zip_are_refused(ground: Ground, kind: int) -> None:
    assert isinstance(ground.refusal(zip_bytes(ZipItem(name="dev", mode=kind | 0o666))), PolicyError)


# A04


@pytest.mark.fault("A04")
@pytest.mark.parametrize("umask", [0o022, 0o077, 0o000])
def test_modes_and_owners_are_not_the_archives(ground: Ground, umask: int) -> None:
    modes = {"suid": 0o6777, "world": 0o666, "nothing": 0, "sticky": 0o1755, "group": 0o070}
    tar = tar_bytes(
        TarItem(name="d/", kind=b"5", mode=0o7777),
        TarItem(name="closed/", kind=b"5", mode=0),
        TarItem(name="closed/in", body=b"x"),
        *(TarItem(name=f"d/{name}", body=b"x", mode=mode) for name, mode in modes.items()),
    )
    members = [ZipItem(name=f"d/{name}", body=b"x", mode=stat.S_IFREG | mode) for name, mode in modes.items()]
    packed = zip_bytes(*members, ZipItem(name="closed/", mode=stat.S_IFDIR), ZipItem(name="closed/in", body=b"x"))
    old = os.umask(umask)
    try:
        for number, data in enumerate((tar, packed)):
            ground.unpack(data, name=f"out{number}")
    finally:
        os.umask(old)
    for number in range(2):
        out = ground.root / f"out{number}"
        found = {path.name: path.stat() for path in out.rglob("*")}
        programs = {name for name, seen in found.items() if stat.S_IMODE(seen.st_mode) == 0o755 & ~umask}
        others = {name for name, seen in found.items() if stat.S_IMODE(seen.st_mode) == 0o644 & ~umask}
        assert {"suid", "sticky"} <= programs
        assert {"world", "nothing", "group", "in"} == others
        assert {stat.S_IMODE(path.stat().st_mode) for path in (out, out / "d", out / "closed")} == {0o777 & ~umask}
        assert {(seen.st_uid, seen.st_gid) for seen in found.values()} == {(os.geteuid(), os.getegid())}


# A05


@pytest.mark.fault("A05")
@pytest.mark.parametrize(
    "limits",
    [Limits(max_bytes=1000), Limits(free_bytes=1000, max_ratio=2)],
)
def test_too_much_is_refused_before_anything_is_written(ground: Ground, limits: Limits) -> None:
    body = bytes(100_000)
    for data in (
        gzip.compress(tar_bytes(TarItem(name="a", body=body))),
        zip_bytes(ZipItem(name="a", body=body)),
        zip_bytes(*(ZipItem(name=f"{n}", body=body[:500]) for n in range(1000)))
        if limits.max_bytes == 1000
        else lzma.compress(tar_bytes(TarItem(name="a", body=body))),
        tar_bytes(TarItem(name="a", size=2**40))
        if limits.max_bytes == 1000
        else bz2.compress(tar_bytes(TarItem(name="a", body=body))),
    ):
        error = ground.refusal(data, limits=limits)
        assert isinstance(error, PolicyError)
        assert "would come out of it" in str(error)


@pytest.mark.fault("A05")
def test_too_many_members_and_too_deep_folders_are_refused(ground: Ground) -> None:
    many = [TarItem(name=f"d{number}/", kind=b"5") for number in range(30)]
    flood = [pax(comment="x") for _ in range(200)]
    limits = Limits(max_members=20, max_depth=5)
    for data in (
        tar_bytes(*many),
        tar_bytes(*flood, HONEST),
        zip_bytes(*(ZipItem(name=f"{number}") for number in range(30))),
        tar_bytes(TarItem(name="a/" * 6 + "b", body=b"x")),
    ):
        assert isinstance(ground.refusal(data, limits=limits), PolicyError)


@pytest.mark.fault("A05")
def test_sparse_members_are_refused(ground: Ground) -> None:
    old = TarItem(name="s", kind=b"S", body=b"x")
    new = (pax(GNU_sparse_major="1", GNU_sparse_minor="0", GNU_sparse_realsize="1099511627776"), HONEST)
    for items in ((old,), new):
        error = ground.refusal(tar_bytes(*items))
        assert isinstance(error, PolicyError)
        assert "sparse" in str(error)


LITTLE = """
    import os, resource, sys
    from pathlib import Path
    from dlm.errors import DlmError
    from dlm.model.artifact import Blob
    from dlm.model.digest import Digests
    from dlm.model.extract import Extract
    from dlm.place.folders import make_folder
    from dlm.place.tree import Tree
    from dlm.place.unpack import inspect
    root, archive, memory, disk = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    blob = Blob.at(str(archive), digests=Digests.sha256_of(b""), size=os.path.getsize(archive))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (disk, disk))
    with Tree(str(root)) as tree:
        for attempt in (
            lambda: inspect(blob, Extract(), "a.tar.gz"),
            lambda: make_folder(blob, Extract(), tree.folder(""), "out", shown="out"),
        ):
            try:
                attempt()
            except DlmError as error:
                print(type(error).__name__, error)
    print([path.name for path in root.iterdir()])
"""


@pytest.mark.fault("A05")
@pytest.mark.parametrize("form", ["tar", "tar-header", "zip", "zip-lie", "pax", "target"])
def test_ten_gigabytes_are_refused_in_little_memory_and_no_disk(tmp_path: Path, form: str) -> None:
    huge = 10 * 2**30
    zeros = gzip_zeros(huge)
    if form == "tar":
        data = gzip.compress(tar_bytes(*(TarItem(name=f"{n}", body=b"") for n in range(3)), end=b"")) + zeros
    elif form == "tar-header":
        data = gzip.compress(tar_bytes(TarItem(name="big", size=huge), end=b"")) + zeros
    elif form == "pax":
        data = gzip.compress(tar_bytes(TarItem(name="x", kind=b"x", size=huge), end=b"")) + zeros
    else:
        # Deflate's blocks may stand one behind the other again and again.
        compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
        piece = compressor.compress(bytes(64 * 2**20)) + compressor.flush(zlib.Z_FULL_FLUSH)
        packed = piece * 160 + b"\x03\x00"
        size = 2**32 - 2 if form == "zip" else 1000
        mode = 0o120777 if form == "target" else 0o100644
        data = zip_bytes(ZipItem(name="big", packed=packed, size=size, crc=0, mode=mode))
    blob = a_blob(tmp_path, data, "bomb")
    (tmp_path / "root").mkdir()
    said = run(LITTLE, tmp_path / "root", blob.path, str(500 * 2**20), str(300 * 2**20)).splitlines()
    assert len(said) == 3
    assert all(line.startswith("PolicyError the archive is refused: ") for line in said[:2])
    assert said[2] == "[]"


@pytest.mark.fault("A05")
def test_a_decoder_that_asks_for_much_memory_is_refused(ground: Ground) -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 2**20 * 64}]
    data = lzma.compress(tar_bytes(HONEST), filters=filters)
    assert isinstance(ground.refusal(data, limits=Limits(max_memory=2**20)), PolicyError)


@pytest.mark.fault("A05")
def test_an_archive_in_an_archive_stays_one(ground: Ground) -> None:
    inner = gzip.compress(tar_bytes(TarItem(name="../evil", body=b"x")))
    ground.unpack(tar_bytes(TarItem(name="inner.tar.gz", body=inner)))
    assert ground.files() == {"inner.tar.gz": inner}


# A06

GOOD = ZipItem(name="good", body=b"good" * 100)
EVIL = ZipItem(name="evil", body=b"evil" * 100)


def descriptor(item: ZipItem, *, signature: bool = True, wide: bool = False, crc: int | None = None) -> bytes:
    """What stands behind a member that was written as a stream."""
    packed = zlib.compressobj(6, zlib.DEFLATED, -15)
    size = len(packed.compress(item.body) + packed.flush())
    true = zlib.crc32(item.body) if crc is None else crc
    plain = struct.pack("<LQQ" if wide else "<LLL", true, size, len(item.body))
    return b"PK\x07\x08" + plain if signature else plain


def streamed(item: ZipItem, tail: bytes) -> ZipItem:
    """The member with zeros in front of it, and a descriptor behind."""
    return ZipItem(
        name=item.name, body=item.body, flags=0x0808, local_crc=0, local_size=0, local_packed_size=0, descriptor=tail
    )


AMBIGUOUS_ZIPS = {
    "two directories": zip_bytes(GOOD) + zip_bytes(EVIL),
    "two directories, offsets right": zip_bytes(GOOD) + zip_bytes(EVIL, shift=len(zip_bytes(GOOD))),
    "a second end in the comment": zip_bytes(GOOD, comment=zip_bytes(EVIL)),
    "an end sign in the comment": zip_bytes(GOOD, comment=b"see PK\x05\x06 here"),
    "bytes in front": zip_bytes(GOOD, front=b"#!/bin/sh\n"),
    "bytes in front, offsets not told": b"PK\x03\x04" + zip_bytes(GOOD),
    "bytes between": zip_bytes(GOOD, between=b"hidden"),
    "a hidden member": zip_bytes(GOOD, between=zip_bytes(EVIL)[:60]),
    "bytes behind": zip_bytes(GOOD, behind=b"trailing"),
    "zeros behind": zip_bytes(GOOD, behind=bytes(3)),
    "a gap between members": zip_bytes(GOOD, ZipItem(name="evil", before=b"gap")),
    "one name twice": zip_bytes(GOOD, ZipItem(name="good", body=b"other")),
    "one name twice, in other letters": zip_bytes(GOOD, ZipItem(name="GOOD", body=b"other")),
    "two members, one body": zip_bytes(GOOD, ZipItem(name="evil", body=GOOD.body, offset=0)),
    "another name in front": zip_bytes(ZipItem(name="good", local_name="evil", body=b"x")),
    "another method in front": zip_bytes(ZipItem(name="good", body=b"x" * 50, local_method=0)),
    "another size in front": zip_bytes(ZipItem(name="good", body=b"x" * 50, local_size=49)),
    "another packed size in front": zip_bytes(ZipItem(name="good", body=b"x" * 50, local_packed_size=1)),
    "another checksum in front": zip_bytes(ZipItem(name="good", body=b"x" * 50, local_crc=1)),
    "a descriptor that was not announced": zip_bytes(ZipItem(name="good", body=GOOD.body, descriptor=descriptor(GOOD))),
    "no descriptor though announced": zip_bytes(streamed(GOOD, b"")),
    "a descriptor with another checksum": zip_bytes(streamed(GOOD, descriptor(GOOD, crc=1))),
    "a descriptor of other sizes": zip_bytes(streamed(GOOD, descriptor(EVIL)[:8] + bytes(8))),
    "bytes behind the deflated data": zip_bytes(
        ZipItem(name="good", body=b"x", packed=b"\x4b\x07\x00" + b"hidden", method=8)
    ),
    "more members than counted": zip_bytes(GOOD, EVIL, count=1),
    "fewer members than counted": zip_bytes(GOOD, count=2),
    "a folder with bytes": zip_bytes(ZipItem(name="d/", body=b"x", mode=0o040755)),
    "a folder that is a file": zip_bytes(ZipItem(name="d/", mode=0o100644)),
    "a file that is a folder": zip_bytes(ZipItem(name="d", mode=0o040755)),
    "a file that is a folder of MS-DOS": zip_bytes(ZipItem(name="d", attributes=0x10)),
    "a second name in a field": zip_bytes(
        ZipItem(name="good", body=b"x", extra=struct.pack("<HHBL", 0x7075, 9, 1, zlib.crc32(b"good")) + b"evil")
    ),
    "a name with a NUL": zip_bytes(ZipItem(name=b"good\0.txt", body=b"x")),
    "no name": zip_bytes(ZipItem(name="", body=b"x")),
    "an end of zip64 that lies": zip_bytes(GOOD)[:-22]
    + struct.pack("<4sLQL", b"PK\x06\x07", 0, 0, 1)
    + zip_bytes(GOOD)[-22:],
    "a size of zip64 twice": zip_bytes(ZipItem(name="good", body=b"x", extra=struct.pack("<HHQHHQ", 1, 8, 1, 1, 8, 2))),
}


@pytest.mark.fault("A06")
@pytest.mark.parametrize("case", AMBIGUOUS_ZIPS)
def test_a_zip_that_can_be_read_in_two_ways_is_refused(ground: Ground, case: str) -> None:
    assert isinstance(ground.refusal(AMBIGUOUS_ZIPS[case]), PolicyError)


def hidden() -> bytes:
    """Headers that some programs take for data, and others for members."""
    return tar_bytes(TarItem(name="hidden", body=b"evil"), end=b"")


AMBIGUOUS_TARS = {
    "one name twice": tar_bytes(HONEST, TarItem(name="pkg/good.txt", body=b"evil")),
    "one name twice, written differently": tar_bytes(HONEST, TarItem(name="./pkg//good.txt", body=b"evil")),
    "a file that is a folder, too": tar_bytes(TarItem(name="a", body=b"x"), TarItem(name="a/b", body=b"y")),
    "a folder that is a file, too": tar_bytes(TarItem(name="a/b", body=b"y"), TarItem(name="a", body=b"x")),
    "members behind the end": tar_bytes(HONEST) + tar_bytes(TarItem(name="evil", body=b"x")),
    "bytes behind the end": tar_bytes(HONEST) + b"#!/bin/sh",
    "a pax size that contradicts": tar_bytes(pax(size="4"), TarItem(name="a", size=0), end=b"")
    + hidden()
    + bytes(1024),
    "a pax size that contradicts, larger": tar_bytes(pax(size="1024"), TarItem(name="a", body=b"1234")) + bytes(1024),
    "two pax names": tar_bytes(pax(path="a"), pax(path="b"), HONEST),
    "a pax name and a GNU name": tar_bytes(
        pax(path="a"), TarItem(name="@", kind=b"L", body=b"evil\0"), TarItem(name="x", body=b"x")
    ),
    "a name for all": tar_bytes(pax(b"g", path="evil"), HONEST),
    "a size for all": tar_bytes(pax(b"g", size="100"), HONEST),
    "a folder with bytes": tar_bytes(TarItem(name="d/", kind=b"5", body=hidden())),
    "a link with bytes": tar_bytes(TarItem(name="l", kind=b"2", target="x", body=hidden())),
    "a file with the name of a folder": tar_bytes(TarItem(name="d/", kind=b"0", body=b"x")),
    "no name": tar_bytes(TarItem(name="", body=b"x")),
    "a tar that ends as a zip": tar_bytes(HONEST, end=b"") + zip_bytes(EVIL),
    "a tar with a zip in its padding": tar_bytes(HONEST) + zip_bytes(EVIL, shift=2048),
    "a gzip that ends as a zip": gzip.compress(tar_bytes(HONEST)) + zip_bytes(EVIL),
    "a gzip with bytes behind": gzip.compress(tar_bytes(HONEST)) + b"MZ",
    "an xz with bytes behind": lzma.compress(tar_bytes(HONEST)) + b"\0\0\0\0evil",
    "a bzip2 with a gzip behind": bz2.compress(tar_bytes(HONEST)) + gzip.compress(b"x"),
    "a tar within a zip's comment": zip_bytes(GOOD, comment=tar_bytes(HONEST)[:500]) + bytes(500),
}


@pytest.mark.fault("A06")
@pytest.mark.parametrize("case", AMBIGUOUS_TARS)
def test_a_tar_that_can_be_read_in_two_ways_is_refused(ground: Ground, case: str) -> None:
    data = AMBIGUOUS_TARS[case]
    assert isinstance(ground.refusal(data), PolicyError)
    if data[257:262] == b"ustar":
        assert isinstance(ground.refusal(gzip.compress(data)), PolicyError | ArchiveError)


@pytest.mark.fault("A06")
def test_a_tar_that_wears_a_zip_as_its_last_bytes_is_refused(ground: Ground) -> None:
    """Both readings are whole: the tar's member is the zip, whose comment is what makes the tar end."""
    member = zip_bytes(EVIL, shift=512)
    rest = -len(member) % 512 + 1024
    padded = zip_bytes(EVIL, shift=512, comment=bytes(rest))
    data = tar_bytes(TarItem(name="good", body=padded[: len(member)]))
    assert len(data) == 512 + len(padded)
    data = data[:512] + padded
    with zipfile.ZipFile(io.BytesIO(data)) as read:
        assert read.namelist() == ["evil"]
    with tarfile.open(fileobj=io.BytesIO(data)) as other:
        assert other.getnames() == ["good"]
    error = ground.refusal(data)
    assert isinstance(error, PolicyError)
    assert "ends as a zip" in str(error)


@pytest.mark.fault("A06")
@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("signature", [False, True])
def test_descriptors_that_tell_the_truth_are_read(ground: Ground, *, wide: bool, signature: bool) -> None:
    items = [streamed(item, descriptor(item, signature=signature, wide=wide)) for item in (GOOD, EVIL)]
    ground.unpack(zip_bytes(*items))
    assert ground.files() == {"good": GOOD.body, "evil": EVIL.body}


# A07

KILLED = """
    import sys
    from pathlib import Path
    from dlm.model.extract import Extract
    from dlm.place import unpack as module
    from dlm.place.folders import make_folder
    from dlm.place.tree import Tree
    from tests.support.archives import a_blob
    root, archive, at = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    real, count = module._write, 0

    def write(*arguments, **options):
        global count
        count += 1
        made = real(*arguments, **options)
        if count == at:
            print("there", flush=True)
            sys.stdin.readline()
        return made

    module._write = write
    blob = a_blob(archive.parent, archive.read_bytes(), archive.name)
    with Tree(str(root)) as tree:
        make_folder(blob, Extract(), tree.folder(""), ".dlm-abc123-0.tmp", shown="out")
"""


@pytest.mark.fault("A07")
@pytest.mark.promise(3)
@pytest.mark.parametrize("at", [1, 5, 9])
def test_a_kill_in_the_middle_leaves_nothing_in_view_and_nothing_for_long(ground: Ground, at: int) -> None:
    archive = tar_bytes(*(TarItem(name=f"d/{number}", body=b"x" * 1000) for number in range(10)), link("d/l", "1"))
    blob = a_blob(ground.base, archive)
    with start(KILLED, ground.root, blob.path, str(at)) as program:
        assert program.line() == "there"
        program.kill()
    temporary = ".dlm-abc123-0.tmp"
    assert os.listdir(ground.root) == [temporary]
    assert 0 < len(ground.files(f"{temporary}/d")) < 11
    # The next run takes the same name, or removes what the journal knows of.
    listing = ground.unpack(archive, name=temporary)
    assert listing.files == 11
    names = ["mine.tmp", temporary, ".dlm-abc123-1.tmp"]
    (ground.root / "mine.tmp").mkdir()
    assert remove_leftovers(str(ground.root), names) == (temporary,)
    assert os.listdir(ground.root) == ["mine.tmp"]


@pytest.mark.fault("A07")
def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    body = os.urandom(100_000)
    data = gzip.compress(tar_bytes(TarItem(name="d/small", body=b"x"), TarItem(name="d/big", body=body)))
    (tmp_path / "archive").write_bytes(data)
    (tmp_path / "root").mkdir()
    said = run(LITTLE, tmp_path / "root", tmp_path / "archive", str(2**30), "50000").splitlines()
    assert said == [f"LocalError cannot unpack into {os.path.join('out', 'd', 'big')}: File too large", "[]"]


@pytest.mark.fault("A07")
@pytest.mark.promise(1)
def test_an_archive_that_turns_out_damaged_halfway_leaves_nothing(ground: Ground) -> None:
    whole = [ZipItem(name=f"{number}", body=os.urandom(1000)) for number in range(5)]
    broken = ZipItem(name="last", body=b"x" * 1000, crc=1)
    error = ground.refusal(zip_bytes(*whole, broken))
    assert isinstance(error, ArchiveError)
    assert gravest(error) == 1


@pytest.mark.fault("A07")
def test_a_blob_that_changes_while_it_is_read_is_noticed(ground: Ground) -> None:
    blob = a_blob(ground.base, tar_bytes(HONEST))
    Path(blob.path).write_bytes(b"short")
    with pytest.raises(LocalError, match="has not the size"):
        inspect(blob, Extract(), "a.tar")
