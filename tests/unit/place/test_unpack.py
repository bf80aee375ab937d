"""What honest archives become: the same folder, however they were packed, and the same digest for it."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import struct
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from dlm.errors import ArchiveError, IntegrityError, LocalError, PolicyError
from dlm.model.digest import Digests
from dlm.model.extract import Extract, Extracted, Limits
from dlm.place.flush import Flush
from dlm.place.tree import Tree
from dlm.place.treedigest import tree_of
from dlm.place.unpack import inspect, unpack_file
from tests.support.archives import Ground, TarItem, ZipItem, a_blob, pax, tar_bytes, zip_bytes
from tests.support.processes import run

FILES = {
    "pkg-1.0/README": b"read me\n",
    "pkg-1.0/bin/tool": b"#!/bin/sh\n",
    "pkg-1.0/lib/data.bin": bytes(range(256)) * 5000,
    "pkg-1.0/lib/empty": b"",
    "pkg-1.0/caf\u00e9/\u540d\u524d": b"names",
}
PROGRAMS = {"pkg-1.0/bin/tool"}


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return Ground(tmp_path)


def made_by_tarfile(form: int, *, backwards: bool = False, folders: bool = True, mtime: int = 0) -> bytes:
    """The files, as the standard library packs them."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as tar:
        names = sorted(FILES, reverse=backwards)
        for folder in sorted({name.rpartition("/")[0] for name in names}) if folders else ():
            info = tarfile.TarInfo(folder)
            info.type, info.mode = tarfile.DIRTYPE, 0o700
            tar.addfile(info)
        for name in names:
            info = tarfile.TarInfo(name)
            info.size, info.mtime, info.uid, info.uname = len(FILES[name]), mtime, 77, "somebody"
            info.mode = 0o700 if name in PROGRAMS else 0o600
            tar.addfile(info, io.BytesIO(FILES[name]))
    return out.getvalue()


def made_by_zipfile(compression: int) -> bytes:
    """Likewise, as a zip."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as packed:
        for name, body in FILES.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (0o100755 if name in PROGRAMS else 0o100644) << 16
            packed.writestr(info, body, compress_type=compression)
    return out.getvalue()


def zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


PLAIN = made_by_tarfile(tarfile.PAX_FORMAT)
MANY_FORMS: dict[str, bytes] = {
    "tar": PLAIN,
    "ustar": made_by_tarfile(tarfile.USTAR_FORMAT),
    "gnu": made_by_tarfile(tarfile.GNU_FORMAT, backwards=True),
    "no folders": made_by_tarfile(tarfile.PAX_FORMAT, folders=False, mtime=1_600_000_000),
    "tar.gz": gzip.compress(PLAIN),
    "tar.gz of two members": gzip.compress(PLAIN[:2000]) + gzip.compress(PLAIN[2000:]),
    "tar.gz with zeros behind": gzip.compress(PLAIN) + bytes(5000),
    "tar.bz2": bz2.compress(PLAIN),
    "tar.bz2 of two streams": bz2.compress(PLAIN[:700]) + bz2.compress(PLAIN[700:]),
    "tar.xz": lzma.compress(PLAIN),
    "tar.xz of two streams": lzma.compress(PLAIN[:700]) + lzma.compress(PLAIN[700:]) + bytes(8),
    "tar.zst": zstd(PLAIN),
    "tar.zst of two frames": zstd(PLAIN[:700]) + b"\x50\x2a\x4d\x18\x03\0\0\0abc" + zstd(PLAIN[700:]),
    "zip": made_by_zipfile(zipfile.ZIP_DEFLATED),
    "zip, stored": made_by_zipfile(zipfile.ZIP_STORED),
    "zip, bzip2": made_by_zipfile(zipfile.ZIP_BZIP2),
    "zip, zstd": zip_bytes(
        *(
            ZipItem(name=name, body=body, method=93, packed=zstd(body), mode=0o100755 if name in PROGRAMS else 0o100644)
            for name, body in FILES.items()
        )
    ),
    "zip, xz": zip_bytes(
        *(
            ZipItem(
                name=name, body=body, method=95, packed=lzma.compress(body), mode=0o100700 if name in PROGRAMS else 0
            )
            for name, body in FILES.items()
        )
    ),
    "no end of a tar": PLAIN.rstrip(b"\0") + bytes(-len(PLAIN.rstrip(b"\0")) % 512),
}
#: Of these files behind strip: 1; a change of it would make every lockfile wrong.
TREE = "21521184dd01cedd8f9d41b293dd1b7628033e25279026b2e206d10ffe334001"


@pytest.mark.parametrize("form", MANY_FORMS)
def test_the_same_folder_comes_out_of_every_form(ground: Ground, form: str) -> None:
    data = MANY_FORMS[form]
    listing = ground.unpack(data, Extract(strip=1))
    found = inspect(a_blob(ground.base, data), Extract(strip=1), "pkg.tar.gz")
    assert found.listing == listing
    assert found.extracted == Extracted(files=5, tree=TREE)
    assert {path: body for path, body in ground.files().items() if body != "/"} == {
        name.partition("/")[2]: body for name, body in FILES.items()
    }
    for path in (ground.root / "out").rglob("*"):
        name = f"pkg-1.0/{path.relative_to(ground.root / 'out').as_posix()}"
        assert path.is_dir() or os.access(path, os.X_OK) == (name in PROGRAMS)
    with Tree(str(ground.root)) as tree:
        assert tree_of(tree.folder("out")).tree == TREE


def test_long_names_in_every_way_of_writing_them(ground: Ground) -> None:
    long = "/".join(["d" * 60] * 5) + "/" + "n" * 200
    prefix = "p" * 100 + "/" + "q" * 40
    archive = tar_bytes(
        TarItem(name="././@LongLink", kind=b"L", body=long.encode() + b"\0"),
        TarItem(name="cut short", body=b"gnu"),
        pax(path=long + "2", mtime="1.5", comment="none of our business"),
        TarItem(name="cut short", body=b"pax"),
        TarItem(name="r", prefix=prefix, body=b"ustar"),
        pax(b"g", comment="git archive says a commit here"),
        TarItem(name="././@LongLink", kind=b"K", body=b"n" * 150 + b"\0"),
        TarItem(name="l", kind=b"2", target="cut"),
    )
    ground.unpack(archive)
    files = ground.files()
    assert files[long] == b"gnu"
    assert files[long + "2"] == b"pax"
    assert files[prefix + "/r"] == b"ustar"
    assert files["l"] == "-> " + "n" * 150


def test_a_folder_of_a_jar_may_have_a_muddled_type(ground: Ground) -> None:
    ground.unpack(zip_bytes(ZipItem(name="META-INF/", mode=0o140755), ZipItem(name="META-INF/x", body=b"x")))
    assert ground.files() == {"META-INF": "/", "META-INF/x": b"x"}
    assert isinstance(ground.refusal(zip_bytes(ZipItem(name="socket", mode=0o140755))), PolicyError)


@pytest.mark.parametrize("length", [256, 300])
def test_names_that_no_file_system_holds_are_refused_plainly(ground: Ground, length: int) -> None:
    error = ground.refusal(tar_bytes(pax(path="a/" + "n" * length), TarItem(name="x", body=b"x")))
    assert isinstance(error, PolicyError)
    assert "file systems hold 255" in error.details[0]
    assert len(str(error)) < 300


def test_old_tars_say_a_folder_by_a_slash(ground: Ground) -> None:
    archive = tar_bytes(
        TarItem(name="d/", kind=b"\0", ustar=bytes(8)), TarItem(name="d/f", kind=b"\0", ustar=bytes(8), body=b"v7")
    )
    ground.unpack(archive)
    assert ground.files() == {"d": "/", "d/f": b"v7"}


@pytest.mark.parametrize(
    "data",
    [bytes(10240), gzip.compress(bytes(10240)), zip_bytes(), tar_bytes(TarItem(name="./", kind=b"5"))],
    ids=["tar", "tar.gz", "zip", "the top folder"],
)
def test_an_empty_archive_is_an_error_that_says_so(ground: Ground, data: bytes) -> None:
    error = ground.refusal(data)
    assert isinstance(error, ArchiveError)
    assert str(error) == "the archive holds nothing"


def test_folders_alone_are_something(ground: Ground) -> None:
    for data in (
        tar_bytes(TarItem(name="a/", kind=b"5"), TarItem(name="a/b", kind=b"5"), TarItem(name="a", kind=b"5")),
        zip_bytes(ZipItem(name="a/", mode=0o040755), ZipItem(name="a/b/", mode=0)),
    ):
        found = inspect(a_blob(ground.base, data), Extract(), "a.zip")
        assert found.extracted.files == 0
        assert ground.unpack(data, name="out") == found.listing
        assert ground.files() == {"a": "/", "a/b": "/"}


def test_strip_include_and_exclude_choose(ground: Ground) -> None:
    data = MANY_FORMS["tar.gz"]
    for wish, names in (
        (Extract(strip=1, include=("bin/*",)), {"bin/tool"}),
        (Extract(strip=2), {"tool", "data.bin", "empty", "\u540d\u524d"}),
        (Extract(include=("**/bin/",)), {"pkg-1.0/bin/tool"}),
        (Extract(strip=1, exclude=("lib/", "caf*/**")), {"README", "bin/tool"}),
        (Extract(strip=1, include=("lib/*",), exclude=("**/empty",)), {"lib/data.bin"}),
    ):
        ground.unpack(data, wish)
        assert {path for path, body in ground.files().items() if body != "/"} == names


def test_a_wish_that_meets_nothing_says_what_there_is(ground: Ground) -> None:
    error = ground.refusal(PLAIN, Extract(include=("nothing/*",)))
    assert isinstance(error, ArchiveError)
    assert str(error) == "the archive has no member that extract asks for"
    assert "it has 'pkg-1.0/README'" in error.details
    error = ground.refusal(PLAIN, Extract(strip=9))
    assert str(error) == "the archive has no member that extract asks for"


def test_zip64_is_read(ground: Ground) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed, packed.open("big", "w", force_zip64=True) as file:
        file.write(b"x" * 100)
    assert ground.unpack(out.getvalue()).files == 1

    class _Unseekable(io.BytesIO):
        def seek(self, *_: object) -> int:
            raise OSError("a pipe")

        def tell(self) -> int:
            raise OSError("a pipe")

    stream = _Unseekable()
    with (
        zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as packed,
        packed.open("big", "w", force_zip64=True) as file,
    ):
        file.write(b"x" * 100)
    assert ground.unpack(stream.getvalue()).files == 1
    # The sizes, and the end, told by zip64 alone.
    body = b"x" * 100
    long = struct.pack("<HHQQ", 1, 16, len(body), len(body))
    item = ZipItem(name="big", body=body, method=0, extra=long, local_extra=long)
    data = bytearray(zip_bytes(item))
    central = data.index(b"PK\x01\x02")
    for at in (18, central + 20):
        data[at : at + 8] = b"\xff" * 8
    end = len(data) - 22
    size, where = end - central, central
    record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, size, where)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, end, 1)
    short = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    whole = bytes(data[:end]) + record + locator + short
    with zipfile.ZipFile(io.BytesIO(whole)) as other:
        assert other.read("big") == body
    assert ground.unpack(whole).files == 1
    lie = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 2, 2, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    assert isinstance(ground.refusal(bytes(data[:end]) + record + locator + lie), PolicyError)


def test_names_of_a_zip_are_read_in_one_way(ground: Ground) -> None:
    field = struct.pack("<HHBL", 0x7075, 5 + len("\u00e9".encode()), 1, zlib.crc32(b"\x82")) + "\u00e9".encode()
    data = zip_bytes(
        ZipItem(name="\u00fc", body=b"flagged"),
        ZipItem(name="\u00f6".encode(), body=b"not flagged", flags=0),
        ZipItem(name=b"\x84", body=b"the first PCs", flags=0),
        ZipItem(name=b"\x82", body=b"both", flags=0, extra=field, local_extra=field),
    )
    ground.unpack(data)
    assert set(ground.files()) == {"\u00fc", "\u00f6", "\u00e4", "\u00e9"}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (zip_bytes(ZipItem(name="a", body=b"x", flags=0x0801)), "'a' is encrypted"),
        (zip_bytes(ZipItem(name="a", body=b"x", flags=0x0841)), "'a' is encrypted"),
        (zip_bytes(ZipItem(name="a", body=b"x", method=9)), "method 9 (deflate64)"),
        (zip_bytes(ZipItem(name="a", body=b"x", method=14)), "method 14 (lzma)"),
        (zip_bytes(ZipItem(name="a", body=b"x", method=77)), "method 77 (an unknown one)"),
        (tar_bytes(TarItem(name="a", kind=b"M", body=b"x")), "of a type that dlm does not know ('M')"),
        (tar_bytes(TarItem(name=b"caf\xe9", body=b"x")), "is not in UTF-8"),
        (b"<html>not found</html>", "no archive that dlm knows"),
        (b"", "no archive that dlm knows"),
        (gzip.compress(b"just text"), "a single gzip file and no archive"),
        (gzip.compress(PLAIN)[:-9], "ends in the middle"),
        (gzip.compress(PLAIN)[:-8] + bytes(8), "gzip data cannot be read"),
        (PLAIN[:1500], "ends in the middle"),
        (PLAIN[:100], "no archive that dlm knows"),
        (PLAIN[:512] + b"x" * 512 + PLAIN[1024:], "a member's header is none"),
        (MANY_FORMS["zip"][:-30], "ends in the middle"),
        (lzma.compress(PLAIN)[:-40], "ends in the middle"),
        (zstd(PLAIN)[:-1], "ends in the middle"),
        (zstd(PLAIN)[:-4] + bytes(4), "zstd data cannot be read"),
    ],
    ids=lambda value: value if isinstance(value, str) else "data",
)
def test_what_cannot_be_unpacked_says_why(ground: Ground, data: bytes, said: str) -> None:
    error = ground.refusal(data)
    assert isinstance(error, ArchiveError)
    assert error.code == 1
    assert said in str(error)


def test_without_zstd_the_error_names_the_extra(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    error = ground.refusal(zstd(PLAIN))
    assert isinstance(error, ArchiveError)
    assert error.hint == 'install it: pip install "dlm[zstd]"'


def test_what_came_out_must_be_what_is_locked(ground: Ground) -> None:
    locked = inspect(a_blob(ground.base, PLAIN), Extract(), "a.tar").extracted
    assert ground.unpack(PLAIN, expected=locked).tree == locked.tree
    other = Extracted(files=locked.files, tree="0" * 64)
    with pytest.raises(IntegrityError, match="are not the 5 of the lockfile") as caught:
        ground.unpack(PLAIN, name="other", expected=other)
    assert caught.value.code == 4
    assert [path.name for path in ground.root.iterdir()] == ["out"]


def test_a_folder_that_cannot_be_written_is_a_plain_error(tmp_path: Path) -> None:
    (tmp_path / "archive").write_bytes(PLAIN)
    (tmp_path / "project").mkdir(mode=0o555)
    said = run(READ_ONLY, tmp_path / "archive", tmp_path / "project")
    assert said == "cannot make the folder vendor: Permission denied / check the permissions of the folder\n"


READ_ONLY = """
    import sys
    from pathlib import Path
    from dlm.errors import LocalError
    from dlm.model.artifact import Blob
    from dlm.model.digest import Digests
    from dlm.model.extract import Extract
    from dlm.place.folders import make_folder
    from dlm.place.tree import Tree
    from tests.support.processes import give_up_privileges
    data = Path(sys.argv[1]).read_bytes()
    blob = Blob.at(sys.argv[1], digests=Digests.sha256_of(data), size=len(data))
    give_up_privileges()
    with Tree(sys.argv[2]) as tree:
        try:
            make_folder(blob, Extract(), tree.folder(""), ".dlm-1-0.tmp", shown="vendor")
        except LocalError as error:
            print(error, "/", error.hint)
"""


# One file


def one_file(ground: Ground, data: bytes, wish: Extract, filename: str, *, executable: bool = False) -> Extracted:
    blob = a_blob(ground.base, data)
    with Tree(str(ground.root)) as tree:
        made = unpack_file(
            blob, wish, filename, tree.folder(""), "one", shown="one", flush=Flush(1), executable=executable
        )
    assert inspect(blob, wish, filename).extracted == made
    return made


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstd,
}


@pytest.mark.parametrize("ending", PACKERS)
@pytest.mark.parametrize("body", [b"", b"1,2,3\n" * 100_000, PLAIN], ids=["empty", "text", "a tar"])
def test_a_single_compressed_file_becomes_that_file(ground: Ground, ending: str, body: bytes) -> None:
    wish = Extract()
    filename = f"iris.csv.{ending}"
    assert wish.shape(filename) == "file"
    made = one_file(ground, PACKERS[ending](body), wish, filename)
    assert made == Extracted(files=1, tree=Digests.sha256_of(body).sha256 or "")
    assert (ground.root / "one").read_bytes() == body
    assert not os.access(ground.root / "one", os.X_OK)


@pytest.mark.parametrize("form", MANY_FORMS)
def test_one_member_becomes_one_file(ground: Ground, form: str) -> None:
    wish = Extract(member="pkg-1.0/bin/tool")
    made = one_file(ground, MANY_FORMS[form], wish, "pkg.tar.gz")
    body = FILES["pkg-1.0/bin/tool"]
    assert made == Extracted(files=1, tree=Digests.sha256_of(body).sha256 or "", executable=True)
    assert (ground.root / "one").read_bytes() == body
    assert os.access(ground.root / "one", os.X_OK)


def test_executable_beats_the_archive(ground: Ground) -> None:
    wish = Extract(member="pkg-1.0/README")
    made = one_file(ground, PLAIN, wish, "pkg.tar", executable=True)
    assert not made.executable
    assert os.access(ground.root / "one", os.X_OK)


@pytest.mark.parametrize(
    ("data", "member", "said"),
    [
        (PLAIN, "pkg-1.0/nothing", "no member 'pkg-1.0/nothing'"),
        (PLAIN, "pkg-1.0/lib", "is a folder, no file"),
        (tar_bytes(TarItem(name="a", body=b"x"), TarItem(name="l", kind=b"2", target="a")), "l", "is a link to 'a'"),
        (tar_bytes(TarItem(name="a", body=b"x"), TarItem(name="../b", body=b"x")), "a", "leads out"),
    ],
    ids=lambda value: value if isinstance(value, str) else "data",
)
def test_a_member_that_cannot_be_had_says_why(ground: Ground, data: bytes, member: str, said: str) -> None:
    before = ground.everything()
    for attempt in (
        lambda: one_file(ground, data, Extract(member=member), "a.tar"),
        lambda: inspect(a_blob(ground.base, data), Extract(member=member), "a.tar"),
    ):
        with pytest.raises((ArchiveError, PolicyError)) as caught:
            attempt()
        assert said in str(caught.value)
    assert ground.everything() == before


@pytest.mark.parametrize(
    ("data", "said"),
    [(b"plain text", "is not compressed"), (gzip.compress(b"x" * 10_000)[:-3], "ends in the middle")],
    ids=["text", "cut"],
)
def test_a_single_file_that_is_none_leaves_nothing(ground: Ground, data: bytes, said: str) -> None:
    with pytest.raises(ArchiveError, match=said):
        one_file(ground, data, Extract(), "a.gz")
    assert list(ground.root.iterdir()) == []


@pytest.mark.fault("A05")
def test_a_single_file_has_limits(ground: Ground) -> None:
    blob = a_blob(ground.base, gzip.compress(bytes(10**6)))
    with Tree(str(ground.root)) as tree, pytest.raises(PolicyError, match="would come out"):
        unpack_file(
            blob,
            Extract(),
            "a.gz",
            tree.folder(""),
            "one",
            shown="one",
            flush=Flush(1),
            limits=Limits(max_bytes=10**6 - 1),
        )
    assert list(ground.root.iterdir()) == []


def test_a_file_that_stands_there_is_not_written_to(ground: Ground) -> None:
    (ground.root / "one").write_bytes(b"mine")
    blob = a_blob(ground.base, gzip.compress(b"x"))
    with Tree(str(ground.root)) as tree, pytest.raises(LocalError, match="File exists"):
        unpack_file(blob, Extract(), "a.gz", tree.folder(""), "one", shown="one", flush=Flush(1))
    assert (ground.root / "one").read_bytes() == b"mine"
