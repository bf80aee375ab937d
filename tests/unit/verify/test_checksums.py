"""Checksum files in every form that people write, and what they do not prove."""

from __future__ import annotations

import hashlib
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pysequoia import SignatureMode

from dlm.errors import EvidenceError, LocalError
from dlm.model.evidence import LIMITS, ChecksumsWish, Piece, SpdxWish, Subject
from dlm.verify.checksums import ChecksumsVerifier, parse, stated_for
from tests.support.keys import OpenPgpKey, subject_of

DATA = b"some bytes of an artifact\n" * 100
NAME = "tool-1.4.tar.gz"
SUMS = "https://example.org/tool/1.4/SHA256SUMS"
URL = f"https://example.org/tool/1.4/{NAME}"
SHA256, SHA384, SHA512 = (hashlib.new(name, DATA).hexdigest() for name in ("sha256", "sha384", "sha512"))
MD5, SHA1 = (hashlib.new(name, DATA).hexdigest() for name in ("md5", "sha1"))
OTHER = hashlib.sha256(b"other").hexdigest()


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    path = tmp_path / "blob"
    path.write_bytes(DATA)
    return subject_of(path, filename=NAME, url=URL)


def verify(subject: Subject, text: str | bytes, url: str = SUMS) -> Piece:
    sidecar = text if isinstance(text, bytes) else text.encode()
    return ChecksumsVerifier().verify(subject, sidecar, ChecksumsWish(url))


def refused(subject: Subject, text: str | bytes, url: str = SUMS) -> EvidenceError:
    with pytest.raises(EvidenceError) as caught:
        verify(subject, text, url)
    assert caught.value.code == 4
    return caught.value


LISTED = {
    "gnu-text": f"{SHA256}  {NAME}\n",
    "gnu-binary": f"{SHA256} *{NAME}\n",
    "gnu-among-others": f"{OTHER}  other.zip\n{SHA256}  {NAME}\n{OTHER}  {NAME}.asc\n",
    "no-final-newline": f"{SHA256}  {NAME}",
    "crlf": f"{OTHER}  other.zip\r\n{SHA256}  {NAME}\r\n",
    "bom": f"\ufeff{SHA256}  {NAME}\n",
    "upper-case": f"{SHA256.upper()}  {NAME}\n",
    "tab": f"{SHA256}\t{NAME}\n",
    "one-blank": f"{SHA256} {NAME}\n",
    "dot": f"{SHA256}  ./{NAME}\n",
    "folder": f"{SHA256}  dist/release/{NAME}\n",
    "absolute": f"{SHA256}  /home/me/dist/{NAME}\n",
    "windows-folder": f"{SHA256} *dist\\{NAME}\n",
    "comments": f"# made by hand\n; and so\n\n{SHA256}  {NAME}\n",
    "prose": f"Checksums of release 1.4:\n\n    {SHA256}  {NAME}\n\nEnjoy!\n",
    "sha512": f"{SHA512}  {NAME}\n",
    "sha384": f"{SHA384}  {NAME}\n",
    "bsd": f"SHA256 ({NAME}) = {SHA256}\n",
    "bsd-512": f"SHA512 ({NAME}) = {SHA512}\n",
    "openssl": f"SHA256({NAME})= {SHA256}\n",
    "openssl-3": f"SHA2-256({NAME})= {SHA256}\n",
    "bsd-several": f"MD5 ({NAME}) = {MD5}\nSHA256 ({NAME}) = {SHA256}\nSHA512 ({NAME}) = {SHA512}\n",
    "with-weaker": f"{MD5}  {NAME}\n{SHA1}  {NAME}\n{SHA256}  {NAME}\n",
    "twice": f"{SHA256}  {NAME}\n{SHA256.upper()} *./{NAME}\n",
    "bare": f"{SHA256}\n",
    "bare-512": f"{SHA512}",
    "bare-tagged": f"sha256:{SHA256}\n",
    "from-a-pipe": f"{SHA256}  -\n",
}


@pytest.mark.parametrize("text", LISTED.values(), ids=LISTED.keys())
def test_listed(subject: Subject, text: str) -> None:
    assert verify(subject, text) == Piece(kind="checksums", source=SUMS)


@pytest.mark.parametrize("text", LISTED.values(), ids=LISTED.keys())
def test_listed_with_another_digest(subject: Subject, text: str) -> None:
    def other(value: str) -> str:
        return ("0" if value[0] != "0" else "1") + value[1:]

    for value in (SHA256, SHA256.upper(), SHA384, SHA512):
        text = text.replace(value, other(value))
    error = refused(subject, text)
    assert error.why == "digest"
    assert error.message.startswith(f"{SUMS} lists another sha")
    assert error.details[0].startswith("listed ")
    assert error.details[1].startswith("got    ")


def test_all_algorithms_have_to_agree(subject: Subject) -> None:
    bad = hashlib.sha512(b"other").hexdigest()
    assert refused(subject, f"SHA256 ({NAME}) = {SHA256}\nSHA512 ({NAME}) = {bad}\n").why == "digest"


def test_a_cleartext_wrapper(subject: Subject) -> None:
    signed = OpenPgpKey().sign(f"{SHA256}  {NAME}\n- {OTHER}  dashed\n".encode(), SignatureMode.CLEAR)
    assert signed.startswith(b"-----BEGIN PGP SIGNED MESSAGE-----")
    assert verify(subject, signed).source == SUMS
    assert verify(subject, signed.replace(b"\n", b"\r\n")).source == SUMS
    assert [line.name for line in parse(signed)] == [NAME]


@pytest.mark.parametrize(
    "text",
    ["", "\n\n", "<html><body>404 Not Found</body></html>", "# only a comment\n", f"{SHA256[:-1]}  {NAME}", "\0" * 64],
    ids=["empty", "blank", "page", "comment", "odd-length", "nul"],
)
def test_malformed(subject: Subject, text: str) -> None:
    error = refused(subject, text)
    assert error.message.startswith(f"{SUMS} is no checksum file") or error.why == "weak"
    assert error.why in {"malformed", "weak"}


def test_binary_noise(subject: Subject) -> None:
    assert refused(subject, b"\xff\xfe\x00").why == "malformed"


def test_not_listed(subject: Subject) -> None:
    error = refused(
        subject, f"{SHA256}  other.zip\n{SHA256}  {NAME}.asc\n{SHA256}  x{NAME}\n{SHA256}  {NAME.upper()}\n"
    )
    assert error.why == "not-listed"
    assert error.message == f"{SUMS} does not list {NAME}"
    assert error.details[0] == "it lists other.zip"


def test_a_digest_without_a_name_counts_only_alone(subject: Subject) -> None:
    assert refused(subject, f"{SHA256}\n{OTHER}  other.zip\n").why == "not-listed"
    assert refused(subject, f"{SHA256}\n{OTHER}\n").why == "ambiguous"


def test_two_digests_for_one_name(subject: Subject) -> None:
    error = refused(subject, f"{SHA256}  {NAME}\n{OTHER}  {NAME}\n")
    assert error.why == "ambiguous"
    assert error.message == f"{SUMS} lists two different sha256 digests for {NAME}"
    assert refused(subject, f"{SHA256}  a/{NAME}\n{OTHER}  b/{NAME}\n").why == "ambiguous"


def test_the_path_from_the_checksum_file_settles_it(subject: Subject) -> None:
    text = f"{OTHER}  1.3/{NAME}\n{SHA256}  1.4/{NAME}\n{OTHER}  {NAME}\n"
    above = "https://example.org/tool/SHA256SUMS"
    assert verify(subject, text, above).source == above
    # From elsewhere no path tells them apart, and the plain name counts.
    assert refused(subject, text, "https://elsewhere.example.org/tool/SHA256SUMS").why == "digest"


@pytest.mark.parametrize("text", [f"{MD5}  {NAME}", f"{SHA1}  {NAME}", f"MD5 ({NAME}) = {MD5}", f"{MD5}", f"{SHA1}  -"])
def test_broken_algorithms_prove_nothing(subject: Subject, text: str) -> None:
    error = refused(subject, text)
    assert error.why == "weak"
    assert "weaker digests prove nothing" in error.message


@pytest.mark.parametrize("tag", ["BLAKE2b", "SHA3-256", "SHA512/256", "RMD160"])
def test_unknown_algorithms_prove_nothing(subject: Subject, tag: str) -> None:
    assert refused(subject, f"{tag} ({NAME}) = {SHA256}\n").why == "weak"


def test_a_tag_that_does_not_fit_its_digest(subject: Subject) -> None:
    assert refused(subject, f"SHA512 ({NAME}) = {SHA256}\n").why == "malformed"
    assert refused(subject, f"sha512:{SHA256}\n").why == "weak"


def test_too_large(subject: Subject) -> None:
    assert refused(subject, f"{SHA256}  {NAME}\n".encode() + b"\n" * LIMITS["checksums"]).why == "malformed"


def test_an_endless_line(subject: Subject) -> None:
    text = f"{SHA256}  {'x' * 1_000_000}\nSHA256 ({'(' * 1_000_000}\n{SHA256}  {NAME}\n"
    assert verify(subject, text).source == SUMS


def test_the_source_is_shown_without_secrets(subject: Subject) -> None:
    piece = verify(subject, f"{SHA256}  {NAME}", "https://me:word@example.org/S?token=secret")
    assert piece.source == "https://example.org/S"


def test_bytes_that_are_gone(subject: Subject) -> None:
    gone = replace(subject, path=subject.path + ".gone")
    assert verify(gone, f"{SHA256}  {NAME}").source == SUMS, "the digest at hand is enough"
    with pytest.raises(LocalError, match="cannot be read again"):
        verify(gone, f"{SHA512}  {NAME}")


def test_wish_of_another_kind(subject: Subject) -> None:
    with pytest.raises(TypeError, match="cannot meet a wish for spdx"):
        ChecksumsVerifier().verify(subject, b"", SpdxWish())


@pytest.mark.parametrize("name", ["plain", "two words", "back\\slash", "new\nline", "(paren) = x", "*star", "ä"])
@pytest.mark.parametrize("options", [[], ["--tag"], ["--binary"]])
def test_what_coreutils_writes_is_read(tmp_path: Path, name: str, options: list[str]) -> None:
    (tmp_path / name).write_bytes(DATA)
    written = subprocess.run(["sha256sum", *options, "--", name], cwd=tmp_path, capture_output=True, check=True).stdout
    (line,) = parse(written)
    assert (line.name, line.algorithm, line.value) == (name, "sha256", SHA256)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        lines = parse(data)
    except ValueError:
        return
    stated_for(lines, "f", "a/f")


@given(
    st.lists(
        st.tuples(
            st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=20), st.binary(max_size=4)
        ),
        unique_by=lambda one: one[0],
    )
)
def test_a_list_is_read_back(files: list[tuple[str, bytes]]) -> None:
    written = {name: hashlib.sha256(data).hexdigest() for name, data in files}
    text = "".join(f"{value}  {name}\n" for name, value in written.items() if name != "-")
    assert {line.name: line.value for line in parse(text.encode())} == {
        name: value for name, value in written.items() if name != "-"
    }
