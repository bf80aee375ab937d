"""What is kept of an answer, and what messages call a file."""

from __future__ import annotations

import os

import pytest

from dlm.model.artifact import Artifact, Blob, Spare, Validators, kept_headers, packed_look, unpacked_look
from dlm.model.digest import Digest, Digests


@pytest.mark.fault("S05")
def test_only_headers_of_the_list_are_kept() -> None:
    kept = kept_headers(
        {
            "ETag": '"abc"',
            "Last-Modified": "Tue, 15 Nov 1994 12:45:26 GMT",
            "Set-Cookie": "session=secret",
            "X-Request-Id": "1",
            "Date": "today",
            "CONTENT-TYPE": " text/plain ",
            "Server": "x",
        }
    )
    assert kept == {"etag": '"abc"', "last-modified": "Tue, 15 Nov 1994 12:45:26 GMT", "content-type": "text/plain"}


@pytest.mark.fault("H27")
@pytest.mark.parametrize("value", ["", "  ", "a\x1b[2Jb", "a\x00", "a\nb", "x" * 1025, "a\u202eb"])
def test_values_that_could_forge_a_line_are_not_kept(value: str) -> None:
    assert kept_headers({"ETag": value}) == {}


def test_labels_say_no_more_than_needed() -> None:
    def label(resource: str, filename: str, platform: str | None = None) -> str:
        url = f"https://example.org/{filename}"
        return Artifact(resource=resource, filename=filename, url=url, dest="x", platform=platform).label

    assert label("a.txt", "a.txt") == "a.txt"
    assert label("tool", "a.txt") == "tool (a.txt)"
    assert label("tool", "a.txt", "linux-x86_64") == "tool (linux-x86_64)"


def test_only_a_strong_validator_proves_that_two_pieces_are_of_one_whole() -> None:
    assert Validators('"a"', None).strong == '"a"'
    assert Validators('W/"a"', "yesterday").strong is None
    assert Validators("a", None).strong is None
    assert Validators('"', None).strong is None
    assert Validators(None, "yesterday")
    assert not Validators()


def test_a_blob_has_a_name() -> None:
    with pytest.raises(ValueError, match="a blob has a sha256"):
        _ = Blob.at("/x", digests=Digests((Digest("sha512", "0" * 128),)), size=0).sha256
    assert Blob.at("/x", digests=Digests.sha256_of(b""), size=0).sha256 == Digests.sha256_of(b"").sha256


@pytest.mark.parametrize("look", [(0, 0, 0), (1_700_000_000_123_456_789, -1, 2**64 - 1)])
def test_how_a_file_looks_is_packed_and_unpacked(look: tuple[int, int, int]) -> None:
    assert unpacked_look(packed_look(*look)) == look


@pytest.mark.parametrize("dest", ["one", "a/b/one"])
def test_where_a_spare_lies(dest: str) -> None:
    spare = Spare(os.path.join(os.sep, "store", "tmp"), dest, 0o644)
    assert spare.name == "one"
    assert spare.path == os.path.join(os.sep, "store", "tmp", "one")


def test_where_a_blob_lies() -> None:
    path = os.path.join(os.sep, "store", "cas", "ab", "abc")
    blob = Blob.at(path, digests=Digests.sha256_of(b""), size=0)
    assert blob.path == path
    assert (blob.folder, blob.name) == os.path.split(path)
