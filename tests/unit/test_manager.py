"""``DownloadManager`` and ``Descriptor`` without a network: options, files of options, descriptors, imports."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import dlm
from dlm.descriptor import Descriptor
from dlm.errors import SettingsError, UsageError
from dlm.manager import DownloadManager
from dlm.model.disposition import disposition_name, safe_name

ROOT = Path(__file__).resolve().parents[2]
URL = "https://example.org/a/data.csv"


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("DLM_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("DLM_NO_CONFIG", "1")
    monkeypatch.setenv("DLM_SYSTEM_CONFIG_FILE", str(tmp_path / "none.yaml"))


class TestImport:
    def test_it_prints_and_writes_nothing(self, tmp_path: Path) -> None:
        code = (
            "import logging, sys\n"
            "before = logging.getLogger().handlers[:]\n"
            "import dlm\n"
            "assert 'dlm.manager' not in sys.modules\n"
            "dlm.DownloadManager, dlm.Descriptor, dlm.cache_records, dlm.open, dlm.fetch, dlm.Locked\n"
            "assert logging.getLogger().handlers == before\n"
            "heavy = ('requests', 'pycurl', 'yaml', 'sqlite3', 'rich', 'pydantic')\n"
            "assert not [one for one in heavy if one in sys.modules]\n"
        )
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
        result = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path, env=environment
        )
        assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
        assert list(tmp_path.iterdir()) == []

    def test_making_one_writes_nothing(self, tmp_path: Path) -> None:
        with DownloadManager(path=tmp_path / "cache"):
            pass
        assert list(tmp_path.iterdir()) == []

    def test_a_star_takes_nobodys_open(self) -> None:
        assert "open" not in dlm.__all__
        assert callable(dlm.open)


class TestOptions:
    def test_a_mapping_stays_as_it_is(self) -> None:
        config = {"timeout": 5, "backend": "requests"}
        with DownloadManager(config=config, backend="curl") as manager:
            assert config == {"timeout": 5, "backend": "requests"}
            assert dict(manager.config) == {"timeout": 5, "backend": "curl"}

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("o.yaml", "timeout: 5\npath: {}\n"),
            ("o.json", '{{"timeout": 5, "path": "{}"}}'),
            ("o", "timeout: 5\npath: {}"),
        ],
    )
    def test_a_file(self, tmp_path: Path, name: str, text: str) -> None:
        (tmp_path / name).write_text(text.format(tmp_path / "cache"))
        for config in (tmp_path / name, str(tmp_path / name)):
            with DownloadManager(config=config) as manager:
                assert manager._settings.stall_timeout == 5.0
                assert manager.cache_dir == str(tmp_path / "cache")

    @pytest.mark.parametrize("text", ["- a\n", "a: [\n", "1: 2\n", "timeot: 3\n", "{"])
    def test_a_file_that_cannot_be_used(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "o.yaml").write_text(text)
        with pytest.raises(SettingsError):
            DownloadManager(config=tmp_path / "o.yaml")

    def test_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(SettingsError, match="cannot be read"):
            DownloadManager(config=str(tmp_path / "none.yaml"))

    @pytest.mark.parametrize(
        "options",
        [
            {"backnd": "curl"},
            {"backend": "wget"},
            {"cache": "sqlite"},
            {"progress": "bar"},
            {"retries": -1},
            {"retries": True},
            {"timeout": "soon"},
            {"ssl_verifypeer": False},
            {"followlocation": False},
            {"http_version": 2},
        ],
    )
    def test_what_is_not_known_is_refused(self, options: dict[str, Any]) -> None:
        with pytest.raises(SettingsError):
            DownloadManager(**options)

    def test_a_name_that_was_meant(self) -> None:
        with pytest.raises(SettingsError, match="backend"):
            DownloadManager(backnd="curl")

    def test_attempts_in_all(self) -> None:
        for given, after in ((1, 0), (0, 0), (4, 3)):
            with DownloadManager(retries=given) as manager:
                assert manager._settings.retries == after

    def test_the_users_settings_count(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DLM_STALL_TIMEOUT", "9")
        with DownloadManager() as manager:
            assert manager._settings.stall_timeout == 9.0
        with DownloadManager(timeout=4) as manager:
            assert manager._settings.stall_timeout == 4.0


class TestDescriptor:
    def test_it_is_a_mapping(self) -> None:
        desc = Descriptor(URL, query={"a": ["1", "2"]}, headers={"X-A": "1"}, timeout=3)
        assert desc["url"] == URL + "?a=1&a=2"
        assert desc["baseurl"] == URL
        assert desc["qs"] == "a=1&a=2"
        assert desc["headers"] == ["X-A: 1"]
        assert desc.headers_dict == {"X-A": "1"}
        assert desc["timeout"] == 3
        assert desc["nothing"] is None
        assert desc["post"] is None
        assert "qs" in desc
        assert "json" not in desc
        assert len(desc) == len(list(desc)) == len(dict(desc))

    def test_json_and_multipart_are_posts(self) -> None:
        desc = Descriptor(URL, query={"a": 1}, json=True)
        assert desc["post"] is True
        assert desc["url"] == URL
        assert desc["headers"] == ["Content-Type: application/json"]
        upload = Descriptor(URL, multipart={"a": "text", "b": b"bytes"})
        assert upload["post"] is True
        assert upload["multipart"] == {"data": {"a": "text"}, "files": {"b": "b"}}

    def test_made_of_anothers_items(self) -> None:
        desc = Descriptor(URL + "?x=1", query={"a": 1}, headers=["A: b"], cainfo="ca.pem")
        again = Descriptor(**desc)
        assert dict(again) == dict(desc)
        assert again.ask().key == desc.ask().key

    def test_a_file(self, tmp_path: Path) -> None:
        file = tmp_path / "d.yaml"
        file.write_text(f"url: {URL}\nquery: {{a: 1}}\npost: true\nheaders:\n  - 'A: b'\n")
        desc = Descriptor.from_file(file)
        assert (desc["url"], desc["post"], desc["headers"]) == (URL, True, ["A: b"])
        assert Descriptor(fname=file, post=False)["url"] == URL + "?a=1"

    def test_a_url_that_is_a_file_is_a_url(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "d.yaml").write_text(f"url: {URL}\n")
        with pytest.raises(UsageError):
            Descriptor("d.yaml")

    def test_changes(self) -> None:
        desc = Descriptor(URL, query={"a": 1}, headers={"A": "b"})
        assert desc.with_changes(query={"c": 2})["url"] == URL + "?c=2"
        assert desc.with_changes(headers=None)["headers"] == []
        assert desc.with_changes(url="https://example.org/b")["url"] == "https://example.org/b?a=1"
        assert desc["url"] == URL + "?a=1"
        upload = Descriptor(URL, multipart={"b": b"bytes"}).with_changes(timeout=3)
        assert upload["multipart"] == {"data": {}, "files": {"b": "b"}}
        assert upload.ask().artifact.ask.body is not None

    @pytest.mark.parametrize(
        "given",
        [
            {},
            {"url": ""},
            {"url": "ftp://example.org/a"},
            {"url": URL, "query": "a=1"},
            {"url": URL, "query": {"a": object()}},
            {"url": URL, "query": {"a": float("nan")}, "json": True},
            {"url": URL, "headers": ["no colon"]},
            {"url": URL, "multipart": ["a"]},
            {"url": URL, "multipart": {"a": Path("none")}},
            {"url": URL, "multipart": {"a": object()}},
        ],
    )
    def test_what_cannot_be_asked(self, given: dict[str, Any]) -> None:
        with pytest.raises(UsageError):
            Descriptor(**given).ask()

    @pytest.mark.parametrize("given", [{"quary": {}}, {"tcp_keepalive": 1}, {"timeout": "x"}, {"followlocation": 0}])
    def test_parameters_that_are_refused(self, given: dict[str, Any]) -> None:
        with pytest.raises(SettingsError):
            Descriptor(URL, **given)

    def test_it_shows_no_secrets(self) -> None:
        desc = Descriptor("https://me:pass@example.org/a?token=secret")
        assert repr(desc) == "Descriptor('https://example.org/a?token=***')"

    def test_a_record_that_withholds_something(self) -> None:
        record = {"uri": URL, "params": {"headers": ["X-Key: ***"]}, "attrs": {}}
        with pytest.raises(UsageError, match="withholds"):
            Descriptor.from_record(record)

    def test_keys(self) -> None:
        asked: list[dict[str, Any]] = [
            {},
            {"query": {"a": "1"}},
            {"query": {"a": "1,b=2"}},
            {"query": {"a": "1", "b": "2"}},
            {"query": {"a": 1}, "json": True},
            {"query": {"a": "1"}, "json": True},
            {"query": {"a": None}, "json": True},
            {"query": {"a": "None"}, "json": True},
            {"headers": {"A": "1"}},
            {"headers": {"A": "2"}},
        ]
        keys = [Descriptor(URL, **one).ask().key for one in asked]
        assert len(set(keys)) == len(keys)
        assert Descriptor(URL, headers={"a": "1", "B": "2"}).ask().key == (
            Descriptor(URL, headers=["B: 2", "A: 1"]).ask().key
        )


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("", None),
        ("attachment", None),
        ("attachment; filename=x.json", "x.json"),
        ('attachment; filename="x.json"', "x.json"),
        ('attachment; filename="a;b.json"', "a;b.json"),
        ('attachment; filename="a=b.json"', "a=b.json"),
        (r'attachment; filename="a\"b.txt"', 'a"b.txt'),
        ("ATTACHMENT; FileName=x", "x"),
        ('filename="x"', "x"),
        ("attachment; filename*=UTF-8''%e2%82%ac%20rates", "€ rates"),
        ("attachment; filename=\"EURO rates\"; filename*=utf-8''%e2%82%ac%20rates", "€ rates"),
        ("attachment; filename*=ISO-8859-1''na%efve", "naïve"),
        ("attachment; filename=plain; filename*=utf-8''%ff", "plain"),
        ("attachment; filename=plain; filename*=klingon''x", "plain"),
        ('attachment; filename="na\u00c3\u00afve"', "naïve"),
        ('attachment; filename="../../evil.sh"', "../../evil.sh"),
        ('attachment; filename=""', None),
    ],
)
def test_content_disposition(header: str, name: str | None) -> None:
    assert disposition_name(header) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("../../evil.sh", "evil.sh"),
        ("C:\\x\\evil.exe", "evil.exe"),
        ("a;b.json", "a;b.json"),
        ("a:b?.txt", "a_b_.txt"),
        ("tab\tname\0", "tab_name_"),
        ("..", "download"),
        ("", "download"),
        ("x/", "download"),
        ("con", "_con"),
        ("NUL.txt", "_NUL.txt"),
        ("name. . ", "name"),
        (".bashrc", ".bashrc"),
        ("é" * 300 + ".csv", "é" * 98 + ".csv"),
        ("x" * 300, "x" * 199),
    ],
)
def test_safe_names(text: str, name: str) -> None:
    assert safe_name(text) == name
