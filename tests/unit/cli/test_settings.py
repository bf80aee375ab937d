"""Settings: a flag beats a variable beats the user's file beats the system's, and ``enforce`` beats all."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from dlm.cli.places import configurations, machine_config, platform_folder, system_config, user_config
from dlm.cli.settings import TABLE, Value, load_settings
from dlm.errors import SettingsError
from dlm.model.settings import Settings


class World:
    """The environment and the two configuration files of one test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.system = folder / "system.yaml"
        self.machine = folder / "machine.yaml"
        self.environment = {
            "DLM_SYSTEM_CONFIG_FILE": str(self.system),
            "XDG_CONFIG_HOME": str(folder / "config"),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "XDG_STATE_HOME": str(folder / "state"),
        }

    def write_system(self, text: str) -> None:
        self.system.write_text(text, encoding="utf-8")

    def write_user(self, text: str) -> str:
        path = self.folder / "user.yaml"
        path.write_text(text, encoding="utf-8")
        self.environment["DLM_CONFIG_FILE"] = str(path)
        return str(path)

    def settings(
        self, flags: Mapping[str, Any] | None = None, /, **variables: str
    ) -> tuple[Settings, tuple[Value, ...]]:
        return load_settings({**self.environment, **variables}, flags or {}, machine=str(self.machine))

    def load(self, flags: Mapping[str, Any] | None = None, /, **variables: str) -> Settings:
        return self.settings(flags, **variables)[0]

    def source(self, field: str, flags: Mapping[str, Any] | None = None, /, **variables: str) -> str:
        listed = self.settings(flags, **variables)[1]
        return next(one.source for one in listed if one.setting.field == field)

    def refusal(self, flags: Mapping[str, Any] | None = None, /, **variables: str) -> SettingsError:
        with pytest.raises(SettingsError) as caught:
            self.load(flags, **variables)
        assert caught.value.code == 2
        return caught.value


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_without_anything_the_defaults_hold(world: World) -> None:
    settings = world.load()
    assert settings == Settings(
        cache_dir=str(world.folder / "cache" / "dlm"), state_dir=str(world.folder / "state" / "dlm")
    )
    _, listed = world.settings()
    assert {one.source for one in listed} == {"default"}
    assert [one.setting.field for one in listed] == [one.field for one in TABLE]


def test_each_source_beats_the_one_before(world: World) -> None:
    world.write_system("jobs: 2")
    assert (world.load().jobs, world.source("jobs")) == (2, str(world.system))
    user = world.write_user("jobs: 3")
    assert (world.load().jobs, world.source("jobs")) == (3, user)
    assert (world.load(DLM_JOBS="4").jobs, world.source("jobs", DLM_JOBS="4")) == (4, "DLM_JOBS")
    flags = {"jobs": "5"}
    assert (world.load(flags, DLM_JOBS="4").jobs, world.source("jobs", flags, DLM_JOBS="4")) == (5, "--jobs")
    world.write_system("jobs: 2\nenforce: {jobs: 6}")
    assert world.load(flags, DLM_JOBS="4").jobs == 6
    assert world.source("jobs", flags, DLM_JOBS="4") == f"{world.system} (enforced)"


def test_an_empty_variable_says_nothing(world: World) -> None:
    assert world.load(DLM_JOBS="").jobs == Settings().jobs


def test_only_the_system_enforces(world: World) -> None:
    path = world.write_user("enforce: {jobs: 1}")
    error = world.refusal()
    assert error.message == "enforce counts in the system configuration alone"
    assert error.hint == f"edit {path}"
    world.write_user("{}")
    world.write_system("enforce: yes please")
    assert world.refusal().message == "enforce in the system configuration is no mapping"


def test_no_variable_takes_the_machines_enforcement_away(world: World) -> None:
    world.machine.write_text(
        "jobs: 2\nretries: 2\nenforce: {jobs: 3, link: copy}\npolicy: {evidence: {a.example: checksums}}\n",
        encoding="utf-8",
    )
    world.write_user("jobs: 4")
    flags = {"jobs": "5"}
    for text in (None, "{}", "jobs: 6", "retries: 7\nenforce: {jobs: 8, link: symlink, retries: 9}\npolicy: {}"):
        if text is not None:
            world.write_system(text)
        found = world.load(flags, DLM_JOBS="9", DLM_LINK="hardlink", DLM_NO_CONFIG="1")
        assert (found.jobs, found.link) == (3, "copy")
        assert world.source("jobs", flags) == f"{world.machine} (enforced)"
        assert found.policy.demanded("a.example") > Settings().policy.demanded("a.example")
    # What the named file has to say counts as ever, where the machine's own enforces nothing; its defaults do not.
    assert world.load().retries == 9
    world.write_system("{}")
    assert world.load().retries == Settings().retries
    # Without the variable, or where it names that very file, the machine's file is the system's.
    for named in ("", str(world.machine)):
        assert world.load(DLM_SYSTEM_CONFIG_FILE=named).retries == 2
        assert world.load(DLM_SYSTEM_CONFIG_FILE=named).jobs == 3


@pytest.mark.parametrize("text", ["enforce: [jobs]", "enforce: {jobs: none}", "enforce: {jbos: 1}", "{", "[]"])
def test_enforcement_that_cannot_be_read_lets_nobody_through(world: World, text: str) -> None:
    world.machine.write_text(text, encoding="utf-8")
    error = world.refusal()
    assert str(world.machine) in f"{error.message} {error.hint}"


def test_no_variable_moves_the_machines_file(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    place = machine_config()
    assert os.path.isabs(place)
    for name in (
        "PROGRAMDATA",
        "XDG_CONFIG_DIRS",
        "XDG_CONFIG_HOME",
        "HOME",
        "DLM_SYSTEM_CONFIG_FILE",
        "DLM_CONFIG_FILE",
    ):
        monkeypatch.setenv(name, str(world.folder))
    assert machine_config() == place
    named = {"DLM_SYSTEM_CONFIG_FILE": "/s", "DLM_CONFIG_FILE": "/u"}
    assert configurations(named) == (place, "/s", "/u")
    assert configurations({"DLM_NO_CONFIG": "1"}) == (place,)


def test_nested_keys(world: World) -> None:
    world.write_user(
        f"cache: {{dir: {world.folder}/elsewhere}}\n"
        "hosts:\n  Example.ORG: {variables: [NETRC_TOKEN, OTHER]}\n  example.net: {}\n"
    )
    settings = world.load()
    assert settings.cache_dir == f"{world.folder}/elsewhere"
    assert {name: entry.variables for name, entry in settings.hosts.items()} == {
        "example.org": ("NETRC_TOKEN", "OTHER"),
        "example.net": (),
    }


def test_a_file_may_be_json_and_begin_with_a_mark(world: World) -> None:
    world.write_user("\ufeff" + json.dumps({"jobs": 7, "cache": {"dir": str(world.folder)}}))
    assert (world.load().jobs, world.load().cache_dir) == (7, str(world.folder))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("jbos: 3", "unknown key 'jbos'; did you mean 'jobs'?"),
        ("cache: {dri: x}", "unknown key 'cache.dri'; did you mean 'cache.dir'?"),
        ("cache: x", "unknown key 'cache'"),
        ("5: x", "unknown key '5'"),
        ("hosts: {example.org: {vars: [A]}}", "unknown key 'vars' below example.org"),
        ("hosts: {example.org: 5}", "expected a mapping below example.org"),
        ("hosts: {example.org: {tokn: a}}", "unknown key 'tokn' below example.org; did you mean 'token'?"),
        ("hosts: {example.org: {user: a, token: b}}", "user or token below example.org, not both"),
        ("hosts: {example.org: {password: b}}", "a user beside the password"),
        ("hosts: {example.org: {token: 5}}", "expected text below example.org.token"),
        ("hosts: {example.org: {client_key: k}}", "client_cert beside client_key"),
        ("hosts: {example.org: {headers: [a]}}", "expected names with texts below example.org.headers"),
        ("hosts: {example.org: {token: a, headers: {authorization: b}}}", "one Authorization below example.org"),
        ('hosts: {example.org: {helper: "a \'"}}', "example.org.helper"),
        ("hosts: {example.org: {helper: []}}", "expected a command"),
        ('hosts: {example.org: {helper: ["a\\0b"]}}', "expected a command"),
        ("hosts: {example.org: {headers: {X-A: b, x-a: c}}}", "expected each name once below example.org.headers"),
        ("rewrite: [{match: 'https://me:pw@example.org/', to: https://m/}]", "rule 1: match holds no credentials"),
        ("hosts: {https://example.org/path: {}}", "expected a host, with a port or scheme at most"),
        ("hosts: {'*.example.org:80': {}}", "expected a host, with a port or scheme at most"),
        ("hosts: {'a b': {}}", "'a b' is no host"),
        ("rewrite: {match: x}", "expected a list of rules"),
        ("rewrite: [x]", "rule 1: expected match, to and origin"),
        ('rewrite: [{match: "*", to: "https://m/{hots}"}]', "rule 1: {hots} has no meaning"),
        ("rewrite: [{match: '*', too: https://m/}]", "rule 1: unknown key 'too'; did you mean 'to'?"),
        ("rewrite: [{match: '*', to: https://m/, origin: first}]", "rule 1: expected allow, last or block"),
        ("rewrite: [{to: https://m/}]", "rule 1: expected a pattern below match"),
        ("rewrite: [{match: '*', to: {}}]", "rule 1: expected a list of addresses below to"),
        ("hosts: {example.org: {variables: A}}", "expected a list of names below example.org.variables"),
        ("hosts: {example.org: {variables: ['A B']}}", "expected a list of names"),
        ("hosts: x", "expected hosts with what is set for each"),
        ("jobs: 0", "jobs '0': expected at least 1"),
        ("jobs: true", "expected a whole number"),
        ("jobs: -1", "expected a whole number"),
        ("jobs: 1.5", "expected a whole number"),
        ("jobs: null", "expected a whole number"),
        ("jobs: [1]", "expected a whole number"),
        ("connect_timeout: soon", "expected a number of seconds"),
        ("connect_timeout: 0", "expected at least 0.001 seconds"),
        ("connect_timeout: .inf", "expected a number of seconds"),
        ("max_size: much", "expected a size such as 500MiB"),
        ("backend: wget", "expected auto, curl or requests; known: auto, curl, requests"),
        ("backend: curll", "did you mean 'curl'?"),
        ("backend: [curl]", "expected auto, curl or requests"),
        ("link: no", "expected auto, reflink, hardlink, symlink or copy"),
        ("ca_file: ''", "expected a path"),
        ("netrc: []", "expected a path"),
        ("allow_outside: {a: b}", "expected a list of paths"),
        ("python_org_url: ftp://example.org/", "only http and https"),
        ("python_org_url: https://example.org/?x=1", "without credentials and without a query"),
        ("proxy: 5", "expected text"),
        ("[]", "is no mapping"),
        ("jobs: [", "cannot be read"),
        ("{", "cannot be read"),
        ("jobs: 2024-99-99", "cannot be read|expected a whole number"),
        ("!!python/object/apply:os.system [x]", "cannot be read"),
        ("{" * 3000, "cannot be read"),
        ('{"jobs": ' + "[" * 100_000, "cannot be read"),
    ],
)
def test_what_cannot_be_is_an_error_that_names_the_file(world: World, text: str, words: str) -> None:
    path = world.write_user(text)
    error = world.refusal()
    assert path in error.message
    assert any(one in error.message for one in words.split("|")), error.message


@pytest.mark.parametrize(
    ("text", "words", "hint"),
    [
        ("jobs: 2\nhosts:\n  a.example: {token: ${TT}}\n",
         "line 3, column 23: not YAML: expected ',' or '}', but got '{'", 'as in token: "${NAME}"'),
        ("jobs: @2\n", "line 1, column 7: not YAML: found character '@' that cannot start any token", "quote values"),
        ("cache:\n\tdir: /x\n", r"line 2, column 1: not YAML: found character '\t' that cannot start any token",
         "never with tabs"),
        ("jobs: 2\nretries: !secret x\n", "line 2, column 10: could not determine a constructor for the tag '!secret'",
         "remove the tag"),
        ("jobs: 2\nproxy: a\0b\n", "line 2: not YAML: unacceptable character #x0000", "remove that character"),
        ('{\n  "jobs": 2,\n  retries: 3\n}', "line 3, column 3: not JSON: Expecting property name", "double quotes"),
        ("{" * 3000, "line 1, column 2: not JSON: ", "double quotes"),
        ('{"jobs": ' + "[" * 100_000, "nested too deeply", "YAML or JSON"),
        ("jobs: 2024-99-99", "month must be in 1..12", "put texts in quotes"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_says_where_why_and_what_to_write(
    world: World, text: str, words: str, hint: str
) -> None:
    path = world.write_user(text)
    error = world.refusal()
    assert error.message.startswith(f"the user configuration {path} cannot be read: {words}"), error.message
    assert "\n" not in error.message
    assert hint in (error.hint or "")


def test_a_file_that_is_no_text_says_where(world: World) -> None:
    path = Path(world.write_user(""))
    path.write_bytes(b"jobs: 2\nproxy: \xff\n")
    error = world.refusal()
    assert error.message == f"the user configuration {path} cannot be read: line 2: not UTF-8"
    assert error.hint == "save the file as UTF-8"


@pytest.mark.parametrize(
    ("variable", "value", "field", "read"),
    [
        ("DLM_BACKEND", "requests", "backend", "requests"),
        ("DLM_RETRIES", "0", "retries", 0),
        ("DLM_STALL_TIMEOUT", "2.5", "stall_timeout", 2.5),
        ("DLM_MAX_SIZE", "500MiB", "max_size", 500 * 2**20),
        ("DLM_MAX_SIZE", "3 gb", "max_size", 3 * 10**9),
        ("DLM_PYTHON_ORG_URL", "https://mirror.example/python", "python_org_url", "https://mirror.example/python/"),
        ("DLM_ALLOW_OUTSIDE", "/a:/b", "allow_outside", ("/a", "/b")),
        ("DLM_NETRC", "no", "netrc", None),
        ("DLM_NETRC", "/x/netrc", "netrc", "/x/netrc"),
        ("DLM_LINK", "symlink", "link", "symlink"),
        ("DLM_PROXY", "http://proxy.example:3128", "proxy", "http://proxy.example:3128"),
        ("SSL_CERT_FILE", "/x/ca.pem", "ca_file", "/x/ca.pem"),
    ],
)
def test_variables(world: World, variable: str, value: str, field: str, read: Any) -> None:
    assert getattr(world.load(**{variable: value}), field) == read


def test_dlms_own_variable_for_certificates_beats_the_common_one(world: World) -> None:
    assert world.load(DLM_CA_FILE="/own.pem", SSL_CERT_FILE="/common.pem").ca_file == "/own.pem"
    assert world.source("ca_file", SSL_CERT_FILE="/common.pem") == "SSL_CERT_FILE"


@pytest.mark.promise(7)
def test_a_password_in_an_address_is_not_shown_when_it_is_wrong(world: World) -> None:
    assert "hunter2" not in world.refusal(DLM_PYTHON_ORG_URL="https://user:hunter2@example.org/").message
    assert "hunter2" not in repr(world.load(DLM_PROXY="http://user:hunter2@proxy.example"))


@pytest.mark.fault("T05")
def test_proxy_variables(world: World) -> None:
    given = {
        "http_proxy": "http://a",
        "HTTPS_PROXY": "http://b",
        "https_proxy": "http://c",
        "NO_PROXY": "x",
        "ALL_PROXY": "d",
    }
    assert world.load(**given).proxies == {"http": "http://a", "https": "http://c", "no_proxy": "x", "all": "d"}
    assert world.load(HTTP_PROXY="http://a").proxies == {"http": "http://a"}
    # Under CGI a request header becomes HTTP_PROXY (CVE-2016-5385).
    assert world.load(HTTP_PROXY="http://a", REQUEST_METHOD="GET").proxies == {}


def test_the_users_file_can_be_named_moved_and_switched_off(world: World) -> None:
    assert user_config(world.environment) == str(world.folder / "config" / "dlm" / "config.yaml")
    (world.folder / "config" / "dlm").mkdir(parents=True)
    (world.folder / "config" / "dlm" / "config.yaml").write_text("jobs: 9", encoding="utf-8")
    assert world.load().jobs == 9
    assert world.load(DLM_NO_CONFIG="1").jobs == Settings().jobs
    missing = str(world.folder / "missing.yaml")
    assert world.refusal(DLM_CONFIG_FILE=missing).message == f"DLM_CONFIG_FILE names {missing}, which does not exist"


def test_a_folder_in_place_of_the_file_is_named(world: World) -> None:
    assert str(world.folder) in world.refusal(DLM_CONFIG_FILE=str(world.folder)).message


def test_the_systems_file_has_a_place_of_its_own(world: World) -> None:
    assert system_config(world.environment) == str(world.system)
    assert (system_config({}) or "").endswith("config.yaml")


def test_relative_base_directories_do_not_count(world: World) -> None:
    # The XDG specification says so; and a relative one would be the project's.
    assert not platform_folder("cache", {"XDG_CACHE_HOME": "cache"}).startswith("cache")


@pytest.mark.promise(7)
def test_a_hostile_project_sets_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    project = world.folder / "project"
    for place in (".", ".dlm", ".config/dlm", "dlm"):
        (project / place).mkdir(parents=True, exist_ok=True)
        for name in ("config.yaml", ".dlm.yaml", "dlm.yaml", "downloads.yaml", ".env"):
            (project / place / name).write_text("jobs: 1\nenforce: {jobs: 1}\nDLM_JOBS=1\n", encoding="utf-8")
    monkeypatch.chdir(project)
    assert world.load() == Settings(
        cache_dir=str(world.folder / "cache" / "dlm"), state_dir=str(world.folder / "state" / "dlm")
    )


RELATIVE = """
cache: {dir: c, read_only: [lower, ../share, /abs]}
state_dir: ./s
ca_file: ca.pem
netrc: secrets/netrc
allow_outside: [out]
openpgp_keys: [keys/a.asc]
sigstore_trusted_root: root.json
hosts:
  example.org: {client_cert: me.pem, client_key: ~/me.key, helper: ./tool --ask ./this}
  example.net: {client_cert: /abs.pem, helper: tool ./this}
  example.com: {helper: [~/bin/tool]}
"""


@pytest.mark.parametrize("written", ["user", "system", "enforced", "named"])
def test_relative_paths_in_a_file_begin_at_its_folder(
    world: World, written: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = world.folder / "elsewhere"
    elsewhere.mkdir()
    if written == "enforced":
        world.write_system("enforce:" + RELATIVE.replace("\n", "\n  "))
    elif written == "system":
        world.write_system(RELATIVE)
    else:
        world.write_user(RELATIVE)
    if written == "named":
        world.environment["DLM_CONFIG_FILE"] = "../user.yaml"
    monkeypatch.chdir(elsewhere)
    found, at = world.load(), str(world.folder)
    assert (found.cache_dir, found.state_dir, found.ca_file) == (f"{at}/c", f"{at}/s", f"{at}/ca.pem")
    assert found.cache_read_only == (f"{at}/lower", f"{os.path.dirname(at)}/share", "/abs")
    assert (found.netrc, found.allow_outside) == (f"{at}/secrets/netrc", (f"{at}/out",))
    assert (found.openpgp_keys, found.sigstore_trusted_root) == ((f"{at}/keys/a.asc",), f"{at}/root.json")
    hosts, home = found.hosts, os.path.expanduser("~")
    assert [one.client and (one.client.certificate, one.client.key) for one in hosts.values()] == [
        (f"{at}/me.pem", f"{home}/me.key"), ("/abs.pem", None), None,
    ]  # fmt: skip
    assert hosts["example.org"].helper == (f"{at}/./tool", "--ask", "./this")
    assert hosts["example.net"].helper == ("tool", "./this")
    assert hosts["example.com"].helper == (f"{home}/bin/tool",)


def test_relative_paths_elsewhere_begin_at_the_working_directory(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.write_user("cache: {dir: c, read_only: [lower]}")
    elsewhere = world.folder / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert world.load(DLM_CACHE_DIR="mine").cache_dir == str(elsewhere / "mine")
    assert world.load(DLM_CACHE_READ_ONLY="a:/b").cache_read_only == (str(elsewhere / "a"), "/b")
    assert world.load({"cache_dir": "mine"}).cache_dir == str(elsewhere / "mine")
    assert world.load(SSL_CERT_FILE="ca.pem").ca_file == str(elsewhere / "ca.pem")
    assert world.load(DLM_CACHE_DIR="~/c").cache_dir == os.path.expanduser("~/c")


def test_the_table_speaks_of_every_setting_once() -> None:
    fields = [one.field for one in TABLE]
    assert sorted(fields) == sorted(set(fields))
    assert set(fields) | {"proxies"} == set(Settings.__dataclass_fields__)
    assert all(one.doc.endswith(".") for one in TABLE)
    variables = [one.variable for one in TABLE if one.variable]
    assert sorted(variables) == sorted(set(variables))
    assert all(one.startswith("DLM_") for one in variables)


def test_what_is_set_for_hosts(world: World) -> None:
    world.write_user(
        "hosts:\n"
        "  Example.org: {user: me, password: '${P}', headers: {X-A: b}, helper: 'tool --flag', client_cert: ~/c.pem}\n"
        "  http://example.org:80: {token: t}\n"
        "  '*.Example.net': {helper: [a b, c]}\n"
        "  ::1: {token: u}\n"
    )
    hosts = world.load().hosts
    assert set(hosts) == {"example.org", "http://example.org", "*.example.net", "[::1]"}
    entry = hosts["example.org"]
    assert (entry.user, entry.password, entry.helper) == ("me", "${P}", ("tool", "--flag"))
    assert entry.client is not None
    assert (entry.client.certificate, entry.client.key) == (os.path.expanduser("~/c.pem"), None)
    assert hosts["*.example.net"].helper == ("a b", "c")


def test_the_hosts_of_two_files_count_together(world: World) -> None:
    world.write_system(
        "hosts: {a.example: {token: s}, b.example: {token: s}}\nenforce: {hosts: {c.example: {token: e}}}"
    )
    world.write_user("hosts: {b.example: {token: u}, c.example: {token: u}}")
    found = {host: entry.token for host, entry in world.load().hosts.items()}
    assert found == {"a.example": "s", "b.example": "u", "c.example": "e"}


def test_no_error_shows_what_hosts_hold(world: World) -> None:
    world.write_user("hosts: {example.org: {password: hunter2}}")
    assert "hunter2" not in str(world.refusal())


def test_rules_keep_their_order(world: World) -> None:
    world.write_user(
        "rewrite:\n"
        "  - {match: 'https://example.org/', to: 'https://m.corp/{path}', origin: block}\n"
        "  - {match: '*', to: ['https://n.corp/{sha256:2}/{sha256}', 'https://o.corp/{host}/{path}']}\n"
    )
    assert [(rule.match, len(rule.to), rule.origin) for rule in world.load().rewrite] == [
        ("https://example.org/", 1, "block"),
        ("*", 2, "last"),
    ]
