"""The lockfile's text: one for each value, strict on the way in, joined where a merge left markers."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dlm.documents.lockfile_json import ReadLockfile, read_lockfile, sorted_artifacts, write_lockfile
from dlm.errors import LockfileError
from dlm.model.digest import Digest, Digests
from dlm.model.lockfile import LockedArtifact, LockEntry, Lockfile


def artifact(name: str, version: str | None = None, **fields: Any) -> LockedArtifact:
    given: dict[str, Any] = {
        "filename": name,
        "url": f"https://example.org/{name}",
        "dest": name,
        "size": 5,
        "digests": Digests.sha256_of(f"{name} {version}".encode()),
        **fields,
    }
    return LockedArtifact(version=version, **given)


def entry(name: str, version: str | None = None, **request: Any) -> LockEntry:
    wish = {"url": f"https://example.org/{name}", **request}
    return LockEntry(name=name, request=dict(sorted(wish.items())), artifacts=(artifact(name, version),))


def lockfile(*entries: LockEntry) -> Lockfile:
    return Lockfile(entries={one.name: one for one in entries})


def read(data: bytes, **options: Any) -> ReadLockfile:
    return read_lockfile(data, "downloads.lock", **options)


def refusal(data: bytes | str) -> LockfileError:
    with pytest.raises(LockfileError) as caught:
        read(data if isinstance(data, bytes) else data.encode("utf-8", "surrogatepass"))
    assert caught.value.code == 2
    assert caught.value.hint
    assert caught.value.message.isprintable()
    return caught.value


FULL = Lockfile(
    entries={
        "tool": LockEntry(
            name="tool",
            request={"selector": "python:3.13.*:source-release:xz", "dest": "vendor/"},
            artifacts=(
                LockedArtifact(
                    platform="linux-x86_64",
                    filename="a.tar.xz",
                    version="3.13.15",
                    url="https://example.org/a.tar.xz",
                    final_url="https://cdn.example.org/a.tar.xz",
                    dest="vendor/é a.tar.xz",
                    size=23160540,
                    digests=Digests((Digest("sha512", "1" * 128), Digest("sha256", "0" * 64))),
                    verified=False,
                    headers={"content-type": "text/plain", "etag": '"x"', "set-cookie": "no"},
                    evidence=({"kind": "sigstore", "identity": "someone"},),
                    extra={"zeta": 1, "alpha": [True, None]},
                ),
            ),
            extra={"note": "kept"},
        ),
        "a": entry("a"),
    },
    revision=3,
    extra={"origin": "later"},
)
TEXT = """\
{
  "version": 1,
  "revision": 3,
  "resources": {
    "a": {
      "request": {
        "url": "https://example.org/a"
      },
      "artifacts": [
        {
          "filename": "a",
          "url": "https://example.org/a",
          "dest": "a",
          "size": 5,
          "digests": {
            "sha256": "DIGEST"
          }
        }
      ]
    },
    "tool": {
      "request": {
        "selector": "python:3.13.*:source-release:xz",
        "dest": "vendor/"
      },
      "artifacts": [
        {
          "platform": "linux-x86_64",
          "filename": "a.tar.xz",
          "version": "3.13.15",
          "url": "https://example.org/a.tar.xz",
          "final-url": "https://cdn.example.org/a.tar.xz",
          "dest": "vendor/é a.tar.xz",
          "size": 23160540,
          "digests": {
            "sha256": "ZEROS",
            "sha512": "ONES"
          },
          "verified": false,
          "headers": {
            "etag": "\\"x\\"",
            "content-type": "text/plain"
          },
          "evidence": [
            {
              "kind": "sigstore",
              "identity": "someone"
            }
          ],
          "alpha": [
            true,
            null
          ],
          "zeta": 1
        }
      ],
      "note": "kept"
    }
  },
  "origin": "later"
}
"""


@pytest.mark.fault("C09")
def test_the_one_text_of_a_lockfile() -> None:
    text = TEXT.replace("ZEROS", "0" * 64).replace("ONES", "1" * 128)
    text = text.replace("DIGEST", Digests.sha256_of(b"a None").sha256 or "")
    assert write_lockfile(FULL).decode() == text
    again = read(text.encode())
    assert write_lockfile(again.lockfile).decode() == text
    assert again.warnings == ()  # a later revision may know more keys than this dlm
    assert not again.conflicted


def test_the_empty_lockfile() -> None:
    data = write_lockfile(Lockfile())
    assert data == b'{\n  "version": 1,\n  "revision": 0,\n  "resources": {}\n}\n'
    assert read(data).lockfile == Lockfile(entries={})


@pytest.mark.fault("C05")
def test_artifacts_stand_by_platform_version_and_name() -> None:
    order = [
        artifact("z", "3.13.9"), artifact("y", "3.13.10rc1"), artifact("x", "3.13.10"), artifact("w", "3.13.10"),
        artifact("a", "3.1", platform="linux-x86_64"), artifact("a", "not a version", platform="linux-x86_64"),
    ]  # fmt: skip
    names = [(one.platform, one.version, one.filename) for one in sorted_artifacts(order)]
    assert names == [
        (None, "3.13.9", "z"),
        (None, "3.13.10rc1", "y"),
        (None, "3.13.10", "w"),
        (None, "3.13.10", "x"),
        ("linux-x86_64", "not a version", "a"),
        ("linux-x86_64", "3.1", "a"),
    ]
    assert sorted_artifacts(order[::-1]) == sorted_artifacts(order)


@pytest.mark.parametrize("change", [lambda data: b"\xef\xbb\xbf" + data, lambda data: data.replace(b"\n", b"\r\n")])
def test_what_editors_do_to_a_file_does_no_harm(change: Callable[[bytes], bytes]) -> None:
    data = write_lockfile(FULL)
    assert write_lockfile(read(change(data)).lockfile) == data


@pytest.mark.fault("Y14")
def test_unknown_keys_are_kept_with_a_warning() -> None:
    data = write_lockfile(replace(FULL, revision=0))
    found = read(data)
    assert found.warnings == (
        "downloads.lock: unknown key origin; ignored and kept",
        "downloads.lock: tool: unknown key alpha, zeta; ignored and kept",
        "downloads.lock: tool: unknown key note; ignored and kept",
    )
    assert write_lockfile(found.lockfile) == data


@pytest.mark.fault("Y11")
def test_a_later_version_is_refused_clearly() -> None:
    error = refusal('{"version": 2, "anything": NULL}'.replace("NULL", "null"))
    assert error.message == "downloads.lock has version 2, and this dlm reads version 1"
    assert error.hint == "upgrade dlm to read it; the file is left as it is"


@pytest.mark.fault("Y14")
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "line 1: Expecting value"),
        ("[]", "it is no JSON object"),
        ("{}", "no version"),
        ('{"version": true}', "no version"),
        ('{"version": 0}', "no version"),
        ('{"version": 1}', "no resources"),
        ('{"version": 1, "resources": []}', "no resources"),
        ('{"version": 1, "revision": -1, "resources": {}}', "the revision is no whole number"),
        ('{"version": 1, "version": 1, "resources": {}}', "the key 'version' stands twice in one object"),
        ('{"version": 1, "resources": {"a": 1, "a": 2}}', "the key 'a' stands twice"),
        ('{"version": NaN}', "NaN is no number that a lockfile holds"),
        ('{"version": -Infinity}', "-Infinity is no number"),
        ('{"version": 1e400}', "1e400 is no number"),
        ('{"version": 1.0}', "no version"),
        ('{"version": ' + "9" * 6000 + "}", "9 is no number"),
        ('{"version": 1, "resources": {}, "x": "\\ud800"}', "it holds a lone surrogate"),
        ('{"version": 1, "resources": {}, "x": "\ud800"}', "not UTF-8"),
        ('{"version": 1, "resources": {"x": ' + "[" * 100_000, "it is nested too deeply"),
        ('{"version": 1, "resources": {"a": 5}}', "a is no object"),
        ('{"version": 1, "resources": {"a": {"request": {}}}}', "a lacks request or artifacts"),
        ('{"version": 1, "resources": {"a": {"request": {}, "artifacts": []}}}', "a has no artifacts"),
        ('{"version": 1, "resources": {"a": {"request": {}, "artifacts": [5]}}}', "an artifact of a is no object"),
        ('{"version": 1, "resources": {"a\\u001b[2J": {}}}', "is no name of a resource"),
        ('{"version": 1, "resources": {"../a": {}}}', "is no name of a resource"),
        ('{"version": 1,\n "resources": {"a"}}', "line 2: Expecting ':' delimiter"),
    ],
)
def test_what_no_dlm_wrote_is_refused(text: str, words: str) -> None:
    assert words in refusal(text).message


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"filename": None}, "no filename"),
        ({"filename": ""}, "no filename"),
        ({"filename": "../../x"}, "holds a slash"),
        ({"filename": "a\x1b[2J"}, "the filename holds control characters"),
        ({"url": "file:///etc/passwd"}, "only http and https are fetched"),
        ({"url": "https://user:pw@example.org/"}, "holds credentials, which no lockfile does"),
        ({"final-url": "javascript:x"}, "only http and https"),
        ({"dest": "../x"}, "leads out of the project"),
        ({"dest": "/etc/passwd"}, "is absolute"),
        ({"dest": "a/"}, "names no file of the project"),
        ({"dest": "./a"}, "names no file of the project"),
        ({"dest": "."}, "names no file of the project"),
        ({"dest": "NUL"}, "is a reserved name"),
        ({"size": -1}, "no size"),
        ({"size": "5"}, "no size"),
        ({"size": True}, "no size"),
        ({"digests": {}}, "no sha256"),
        ({"digests": {"md5": "d41d8cd98f00b204e9800998ecf8427e"}}, "md5 is too weak"),
        ({"digests": {"sha512": "0" * 128}}, "no sha256"),
        ({"digests": {"sha256": "00"}}, "has 64 hexadecimal digits"),
        ({"digests": {"sha256": 5}}, "digests is no object of printable texts"),
        ({"digests": []}, "digests is no object"),
        ({"verified": 0}, "verified is neither true nor false"),
        ({"headers": {"etag": "a\nb"}}, "headers is no object of printable texts"),
        ({"evidence": ["x"]}, "evidence is no list of objects"),
        ({"version": 3}, "no version"),
        ({"platform": ""}, "no platform"),
    ],
)
def test_artifacts_are_checked_like_those_of_a_manifest(change: dict[str, Any], words: str) -> None:
    document = json.loads(write_lockfile(lockfile(entry("a"))))
    one = document["resources"]["a"]["artifacts"][0]
    one.update(change)
    error = refusal(json.dumps({**document}))
    assert words in error.message
    assert "an artifact of a" in error.message


@pytest.mark.fault("L10")
@pytest.mark.parametrize(
    ("one", "other", "clash"),
    [
        ("linux-x86_64", "macos-arm64", False),
        ("linux-x86_64", "linux-amd64", True),
        ("linux", "linux-arm64", True),
        ("linux", None, True),
        (None, None, True),
    ],
)
def test_a_place_is_taken_once_on_a_machine(one: str | None, other: str | None, clash: bool) -> None:
    first = artifact("a", platform=one) if one else artifact("a")
    second = artifact("b", platform=other, dest="a") if other else artifact("b", dest="a")
    alone = lockfile(LockEntry(name="x", request={}, artifacts=(first, second)))
    both = lockfile(*(LockEntry(name=one.filename, request={}, artifacts=(one,)) for one in (first, second)))
    if not clash:
        assert len(read(write_lockfile(alone)).lockfile.artifacts()) == 2
        assert len(read(write_lockfile(both)).lockfile.artifacts()) == 2
        return
    assert "x: 'a' is the place of two of its files" in refusal(write_lockfile(alone)).message
    assert "b: 'a' is the place of a file of 'a' too" in refusal(write_lockfile(both)).message


@pytest.mark.fault("L10")
@pytest.mark.parametrize("dest", ["downloads.lock", "Downloads.YAML", "downloads.yaml/x", "downloads.lock/x/y"])
def test_no_file_takes_the_place_of_a_document(dest: str) -> None:
    documents = ("downloads.yaml", "downloads.lock")
    data = write_lockfile(lockfile(entry("a"), replace(entry("b"), artifacts=(artifact("b", dest=dest),))))
    with pytest.raises(LockfileError, match=r"b: .* would take the place of downloads") as caught:
        read(data, documents=documents)
    assert caught.value.hint == "take the entry of b out of downloads.lock and run `dlm lock`"
    assert read(data).lockfile.entries.keys() == {"a", "b"}, "one that a program ships lies beside no manifest"
    fine = entry("b").artifacts[0]
    for free in (f"in/{dest}", f"{dest.partition('/')[0]}.d/x", f"x{dest}"):
        data = write_lockfile(lockfile(entry("a"), replace(entry("b"), artifacts=(replace(fine, dest=free),))))
        assert len(read(data, documents=documents).lockfile.entries) == 2


@pytest.mark.fault("L10")
def test_both_sides_of_a_merge_took_one_place() -> None:
    other = replace(entry("b"), artifacts=(artifact("b", dest="a"),))
    data = conflict(lockfile(entry("a")), lockfile(other))
    assert "b: 'a' is the place of a file of 'a' too" in refusal(data).message
    found = read(data, wanted={"a", "b"}.__contains__)
    assert set(found.lockfile.entries) == {"a", "b"}, "the manifest says by now where each of them goes"


def test_the_hint_can_be_the_callers() -> None:
    with pytest.raises(LockfileError) as caught:
        read(b"", hint="run this")
    assert caught.value.hint == "run this"


def git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    plain = {"GIT_CONFIG_GLOBAL": str(folder / "none"), "GIT_CONFIG_NOSYSTEM": "1", "HOME": str(folder)}
    names = {f"GIT_{who}_{what}": "x@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    return subprocess.run(
        ["git", "-c", "core.autocrlf=false", *arguments],
        cwd=folder,
        env={**plain, **names, "PATH": os.environ.get("PATH", os.defpath)},
        capture_output=True,
        check=False,
    )


def merged(folder: Path, base: Lockfile, ours: Lockfile, theirs: Lockfile, *, style: str) -> bytes:
    """What ``git merge`` leaves of three lockfiles; it must have met a conflict."""
    path = folder / "downloads.lock"

    def commit(value: Lockfile) -> None:
        path.write_bytes(write_lockfile(value))
        assert git(folder, "add", "downloads.lock").returncode == 0
        assert git(folder, "commit", "-q", "-m", "x").returncode == 0

    assert git(folder, "init", "-q", "-b", "ours").returncode == 0
    commit(base)
    assert git(folder, "checkout", "-q", "-b", "theirs").returncode == 0
    commit(theirs)
    assert git(folder, "checkout", "-q", "ours").returncode == 0
    commit(ours)
    result = git(folder, "-c", f"merge.conflictStyle={style}", "merge", "theirs")
    assert result.returncode == 1, result.stdout
    data = path.read_bytes()
    assert b"<<<<<<<" in data
    return data


STYLES = pytest.mark.parametrize("style", ["merge", "diff3", "zdiff3"])


@STYLES
def test_both_sides_of_a_merge_added_something(tmp_path: Path, style: str) -> None:
    base = lockfile(entry("a"), entry("z"))
    ours, theirs = lockfile(entry("a"), entry("b"), entry("z")), lockfile(entry("a"), entry("c"), entry("z"))
    found = read(merged(tmp_path, base, ours, theirs, style=style))
    assert found.conflicted
    assert found.warnings == ("downloads.lock held a merge conflict; both sides are joined",)
    assert found.lockfile == lockfile(entry("a"), entry("b"), entry("c"), entry("z"))


@STYLES
def test_both_sides_of_a_merge_pinned_one_name(tmp_path: Path, style: str) -> None:
    data = merged(
        tmp_path, lockfile(entry("a", "1")), lockfile(entry("a", "2")), lockfile(entry("a", "3")), style=style
    )
    error = refusal(data)
    assert error.message == "downloads.lock holds a merge conflict in which a is pinned to two different things"
    assert error.details == ("a",)
    assert "keep one side of a" in (error.hint or "")


@STYLES
def test_both_sides_of_a_merge_pinned_the_same_and_differ_elsewhere(tmp_path: Path, style: str) -> None:
    base = lockfile(entry("a", "1"))
    ours, theirs = lockfile(entry("a", "1", groups=["x"])), lockfile(entry("a", "1", groups=["y"]))
    found = read(merged(tmp_path, base, ours, theirs, style=style)).lockfile
    # The pin stands; whichever request is kept, the manifest has the last word on it.
    assert found.entries["a"].artifacts == ours.entries["a"].artifacts


def test_the_common_ancestor_tells_a_deletion_from_an_addition() -> None:
    base = lockfile(entry("a"), entry("b"), entry("c"))
    ours, theirs = lockfile(entry("a"), entry("c", "2")), lockfile(entry("a"), entry("b"), entry("c"), entry("d"))
    assert read(conflict(ours, theirs, base)).lockfile == lockfile(entry("a"), entry("c", "2"), entry("d"))


@pytest.mark.parametrize("style", ["diff3", "zdiff3"])
def test_one_side_of_a_merge_deleted_what_stands_where_the_other_added(tmp_path: Path, style: str) -> None:
    base = lockfile(entry("a"), entry("b"), entry("d"))
    ours, theirs = lockfile(entry("a"), entry("d")), lockfile(entry("a"), entry("b"), entry("c"), entry("d"))
    found = read(merged(tmp_path, base, ours, theirs, style=style))
    assert found.lockfile == lockfile(entry("a"), entry("c"), entry("d"))


def conflict(ours: Lockfile, theirs: Lockfile, base: Lockfile | None = None) -> bytes:
    """Three whole texts as one conflict, as it is left where hardly a line is common."""
    middle = b"||||||| base\n" + write_lockfile(base) if base is not None else b""
    return b"<<<<<<< ours\n%b%b=======\n%b>>>>>>> theirs\n" % (write_lockfile(ours), middle, write_lockfile(theirs))


def test_without_an_ancestor_the_manifest_judges_what_one_side_alone_has() -> None:
    data = conflict(lockfile(entry("a"), entry("old")), lockfile(entry("a"), entry("new")))
    assert set(read(data).lockfile.entries) == {"a", "old", "new"}
    assert set(read(data, wanted={"a", "new"}.__contains__).lockfile.entries) == {"a", "new"}


def test_what_one_side_deleted_and_the_other_changed_is_the_manifests_to_judge() -> None:
    data = conflict(lockfile(), lockfile(entry("a", "2")), lockfile(entry("a", "1")))
    assert set(read(data, wanted=lambda name: True).lockfile.entries) == {"a"}
    assert not read(data, wanted=lambda name: False).lockfile.entries


def test_one_side_of_a_merge_alone_changed_an_entry() -> None:
    old, new = lockfile(entry("a", "1")), lockfile(entry("a", "2"))
    assert read(conflict(new, old, old)).lockfile == new
    assert read(conflict(old, new, old)).lockfile == new


def test_of_two_equal_pins_the_one_whose_bytes_were_seen_is_kept() -> None:
    seen = entry("a")
    unseen = replace(seen, artifacts=(replace(seen.artifacts[0], verified=False),))
    for data in (conflict(lockfile(seen), lockfile(unseen)), conflict(lockfile(unseen), lockfile(seen))):
        assert read(data).lockfile == lockfile(seen)


def test_an_ancestor_that_holds_conflicts_itself_is_no_ancestor() -> None:
    data = conflict(lockfile(entry("a")), lockfile(entry("b")), lockfile())
    inner = b"<<<<<<<<< one\n{\n|||||||||\n=========\n}\n>>>>>>>>> two\n"
    data = data.replace(b"||||||| base\n", b"||||||| base\n" + inner)
    assert set(read(data).lockfile.entries) == {"a", "b"}


def test_what_a_merge_brought_in_twice_is_taken_once_and_two_different_ones_are_not() -> None:
    ours = write_lockfile(lockfile(entry("a"))).decode()
    twice = ours.replace('"resources": {', '"resources": {' + ours.split('"resources": {')[1].rsplit("}", 3)[0] + "},")
    data = f"<<<<<<< ours\n{twice}=======\n{ours}>>>>>>> theirs\n"
    assert read(data.encode()).lockfile == lockfile(entry("a"))
    assert "stands twice" in refusal(twice).message
    assert "stands twice" in refusal(data.replace('"size": 5', '"size": 6', 1)).message


@pytest.mark.parametrize("end", [b"", b"=======\n", b"||||||| x\n"])
def test_markers_that_do_not_pair(end: bytes) -> None:
    text = b"<<<<<<< ours\n" + write_lockfile(Lockfile()) + end
    assert "a merge conflict whose markers do not pair" in refusal(text).message


def test_carriage_returns_behind_the_markers() -> None:
    data = conflict(lockfile(entry("a")), lockfile(entry("b"))).replace(b"\n", b"\r\n")
    assert set(read(data).lockfile.entries) == {"a", "b"}


def test_markers_inside_a_text_are_text() -> None:
    value = lockfile(entry("a", note="<<<<<<< not a conflict\u2028<<<<<<< nor this"))
    assert read(write_lockfile(value)) == ReadLockfile(value)
