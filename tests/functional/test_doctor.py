"""``dlm doctor``: each setting with its source, who beats whom, and what is broken, each with a hint."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from dlm.cli.settings import TABLE
from tests.support.cli import Desk, Ran, console_script
from tests.support.machine import administered


def settings(ran: Ran) -> dict[str, tuple[Any, str]]:
    """Value and source by key."""
    return {one["key"]: (one["value"], one["source"]) for one in ran.document["result"]["settings"]}


def check(ran: Ran, name: str) -> dict[str, str]:
    """What was found about one thing."""
    (found,) = [one for one in ran.document["result"]["checks"] if one["name"] == name]
    return dict(found)


def configured(desk: Desk, system: str = "", user: str = "") -> tuple[Path, Path]:
    """Both configuration files."""
    paths = desk.home / "system.yaml", desk.home / "user.yaml"
    for path, text in zip(paths, (system, user), strict=True):
        path.write_text(text, encoding="utf-8")
    desk.variables |= {"DLM_NO_CONFIG": "", "DLM_SYSTEM_CONFIG_FILE": str(paths[0]), "DLM_CONFIG_FILE": str(paths[1])}
    return paths


@pytest.fixture
def plain(tmp_path: Path) -> Desk:
    """A machine without an origin."""
    return Desk(tmp_path / "desk")


def test_shows_each_setting_with_its_source(plain: Desk) -> None:
    ran = plain.dlm("doctor", "--format", "json", "--cache-dir", str(plain.base / "other")).ok()
    found = settings(ran)
    assert list(found) == [setting.key for setting in TABLE]
    assert found["jobs"] == (16, "default")
    assert found["retry_backoff"] == (0.0, "DLM_RETRY_BACKOFF")
    assert found["cache.dir"] == ("…/other", "--cache-dir")
    text = plain.dlm("doctor").ok().out
    assert all(f"  {setting.key} " in text for setting in TABLE)
    assert ran.document["result"]["versions"]["libcurl"] is not None


def test_the_machine_enforces_whatever_the_environment_says(plain: Desk) -> None:
    configured(plain, "jobs: 7\nenforce: {retries: 7}\n", "jobs_per_host: 8\n")
    machine = plain.home / "machine.yaml"
    machine.write_text("connect_timeout: 9\nenforce: {retries: 9, jobs_per_host: 9}\n")
    run = plain.dlm("doctor", "--format", "json", program=administered(machine, [console_script()]))
    found = settings(run)
    assert (found["jobs"][0], found["connect_timeout"]) == (7, (10.0, "default"))
    assert found["retries"] == found["jobs_per_host"] == (9, "/etc/dlm/config.yaml (enforced)")
    assert "/etc/dlm/config.yaml enforces counts, too" in check(run, "system configuration")["message"]
    plain.variables["DLM_SYSTEM_CONFIG_FILE"] = ""
    found = settings(plain.dlm("doctor", "--format", "json", program=administered(machine, [console_script()])))
    assert found["connect_timeout"] == (9.0, "/etc/dlm/config.yaml")


def test_who_beats_whom(plain: Desk) -> None:
    system, user = configured(
        plain,
        "jobs: 2\njobs_per_host: 2\nretries: 2\nconnect_timeout: 2\n"
        "enforce: {stall_timeout: 2, cache: {dir: /enforced}}\n",
        "jobs_per_host: 3\nretries: 3\nconnect_timeout: 3\nstall_timeout: 3\n",
    )
    plain.variables |= {"DLM_RETRIES": "4", "DLM_STALL_TIMEOUT": "4", "DLM_CACHE_DIR": "/variable"}
    found = settings(plain.dlm("doctor", "--format", "json", "--cache-dir", "/flag"))
    words = {str(system).replace(str(plain.base), "…"): "system", str(user).replace(str(plain.base), "…"): "user"}
    told = {key: (value, words.get(source, source.replace("…/home/system.yaml", "system")))
            for key, (value, source) in found.items()}  # fmt: skip
    assert told["jobs"] == (2, "system")
    assert told["jobs_per_host"] == (3, "user")
    assert told["retries"] == (4, "DLM_RETRIES")
    assert told["connect_timeout"] == (3.0, "user")
    assert told["stall_timeout"] == (2.0, "system (enforced)")
    assert told["cache.dir"] == ("/enforced", "system (enforced)")


def test_shows_no_password(plain: Desk) -> None:
    plain.variables |= {"DLM_PROXY": "me:hush@proxy.example:3128", "https_proxy": "http://you:quiet@other.example:8080"}
    for form in ("text", "json"):
        ran = plain.dlm("doctor", "--format", form)
        assert "proxy.example:3128" in ran.out
        assert "other.example:8080" in ran.out
        for secret in ("hush", "quiet"):
            assert secret not in ran.out + ran.err


def test_shows_hosts_rules_and_policies_as_the_files_write_them(plain: Desk) -> None:
    system, _ = configured(
        plain,
        "policy: {evidence: {www.python.org: signature}}\n",
        "hosts:\n"
        "  a.example: {user: hush-me, password: hush-pass, headers: {X-Key: hush-key}, client_cert: /c.pem}\n"
        "  '*.b.example': {token: '${HUSH}', variables: [HUSH], helper: [/bin/helper, --with, hush-word]}\n"
        "rewrite:\n"
        "  - {match: 'https://c.example/', to: ['https://m.example/{path}?token=hush-query'], origin: block}\n"
        "policy: {evidence: {'*.b.example': checksums}}\n"
        "python_identities: {'3.17': {identity: me@example.org, issuer: 'https://i.example'}}\n",
    )
    ran = plain.dlm("doctor", "--format", "json")
    found = settings(ran)
    assert found["hosts"][0] == {
        "a.example": {
            "user": "***",
            "password": "***",
            "headers": {"X-Key": "***"},
            "client_cert": os.path.abspath("/c.pem"),
        },
        "*.b.example": {"variables": ["HUSH"], "token": "***", "helper": ["/bin/helper", "***", "***"]},
    }
    assert found["rewrite"][0] == [
        {"match": "https://c.example/", "to": ["https://m.example/{path}?***"], "origin": "block"}
    ]
    assert found["policy"][0] == [
        {"evidence": {"www.python.org": "signature"}},
        {"evidence": {"*.b.example": "checksums"}},
    ]
    assert found["python_identities"][0] == {"3.17": {"identity": "me@example.org", "issuer": "https://i.example"}}
    text = plain.dlm("doctor").out
    assert '"https://m.example/{path}?***"' in text
    assert system.name in text
    for said in (ran.out, text):
        assert "hush-" not in said
        assert "HostSettings" not in said
        assert "RewriteRule" not in said


def test_a_setting_that_cannot_be(plain: Desk) -> None:
    plain.variables["DLM_JOBS"] = "many"
    ran = plain.dlm("doctor", "--format", "json")
    assert ran.code == 1
    found = check(ran, "settings")
    assert found["state"] == "broken"
    assert "DLM_JOBS" in found["message"]
    _, user = configured(plain, user="jbos: 3\n")
    del plain.variables["DLM_JOBS"]
    ran = plain.dlm("doctor")
    assert ran.code == 1
    assert "unknown key 'jbos'; did you mean 'jobs'?" in ran.out
    assert user.name in ran.out


def test_what_is_broken_has_a_hint(plain: Desk) -> None:
    blocked = plain.base / "file"
    blocked.write_text("")
    plain.variables |= {"DLM_CACHE_DIR": str(blocked / "cache"), "DLM_CA_FILE": str(plain.base / "none.pem")}
    ran = plain.dlm("doctor", "--format", "json")
    assert ran.code == 1
    for name in ("cache folder", "certificates", "backend"):
        found = check(ran, name)
        assert found["state"] == "broken", found
        assert found["hint"], found
    assert check(ran, "state folder")["state"] == "ok"


def test_a_folder_that_may_not_be_written_to(plain: Desk) -> None:
    plain.state.mkdir()
    plain.state.chmod(0o500)
    ran = plain.dlm("doctor", "--format", "json", plain_user=True)
    assert check(ran, "state folder")["state"] == "broken"
    assert ran.code == 1


def test_tells_of_the_project(plain: Desk) -> None:
    ran = plain.dlm("doctor", "--format", "json").ok()
    assert check(ran, "project")["state"] == "note"
    plain.manifest("version: 1\nresources: []\n")
    assert check(plain.dlm("doctor", "--format", "json").ok(), "lockfile")["message"] == "missing"
    plain.dlm("lock").ok()
    plain.lockfile.write_text('{"version": 1, "revision": 0, "resources": {}}\n')
    assert check(plain.dlm("doctor", "--format", "json").ok(), "lockfile")["state"] == "ok"
    plain.manifest("version: 1\nresources: [https://example.org/x.csv]\n")
    assert check(plain.dlm("doctor", "--format", "json").ok(), "lockfile")["hint"] == "run `dlm why-stale`"
    plain.manifest("version: 1\nresource: []\n")
    broken = plain.dlm("doctor", "--format", "json")
    assert broken.code == 1
    assert check(broken, "manifest")["state"] == "broken"
    plain.manifest("version: 1\nresources: []\n")
    plain.lockfile.write_text("{")
    assert check(plain.dlm("doctor", "--format", "json"), "lockfile")["state"] == "broken"


def test_leaves_nothing_behind(plain: Desk) -> None:
    plain.dlm("doctor").ok()
    assert list(plain.root.iterdir()) == []
    assert sorted(path.name for path in plain.base.iterdir()) == ["home", "project"]
