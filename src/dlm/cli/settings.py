"""Settings: one table for flags, ``DLM_`` variables and ``config.yaml`` alike, and who may set them.

A flag beats a variable, a variable beats the user's file, that beats the system's; ``enforce:`` in the system's file
beats all. The manifest sets none: it comes with a repository that may be hostile.

``DLM_SYSTEM_CONFIG_FILE`` puts another file in the place of the system's, for an image or a test; but an environment is
whoever starts dlm, so what the machine's own file enforces, and the policy that it demands, count in any case and last.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping

from dlm.cli.places import machine_config, platform_folder, system_config, user_config
from dlm.errors import SettingsError, UsageError
from dlm.model.frozen import dataclass, replace
from dlm.model.policy import EvidencePolicy
from dlm.model.settings import Settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from dlm.model.evidence import SigstoreWish
    from dlm.model.hosts import ClientCertificate, HostSettings
    from dlm.model.rewrite import RewriteRule

__all__ = ["TABLE", "Environment", "Setting", "Value", "load_settings", "parse_age", "parse_size"]

Environment = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table.

    Attributes:
        field: the attribute of ``Settings``.
        key: where ``config.yaml`` has it, dotted.
        variable: its environment variable.
        parse: text or a plain value in, the value out; ValueError where it cannot be.
        doc: what it does, for help and the reference page.
        seen_from: for a value with paths, the same with the relative ones taken from a folder.
    """

    field: str
    key: str
    variable: str
    parse: Callable[[Any], Any]
    doc: str
    seen_from: Callable[[Any, str], Any] | None = None


@dataclass(frozen=True, slots=True)
class Value:
    """A setting's value and where it came from."""

    setting: Setting
    value: Any
    source: str


def _suggest(word: str, known: Iterable[str]) -> str:
    from dlm.model.suggest import suggest  # for what is misspelled alone

    return suggest(word, known)


def _integer(minimum: int) -> Callable[[Any], int]:
    def parse(value: Any) -> int:
        if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,9}", str(value)):
            raise ValueError("expected a whole number")
        number = int(value)
        if number < minimum:
            raise ValueError(f"expected at least {minimum}")
        return number

    return parse


def _seconds(minimum: float) -> Callable[[Any], float]:
    def parse(value: Any) -> float:
        if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", str(value)):
            raise ValueError("expected a number of seconds")
        number = float(value)
        if number < minimum:
            raise ValueError(f"expected at least {minimum:g} seconds")
        return number

    return parse


def _split(value: Any) -> str:
    """``auto``, ``off`` or a number."""
    word = "off" if value is False else str(value).lower()  # YAML reads off as false
    if word in {"auto", "off"}:
        return word
    try:
        number = _integer(1)(value)
    except ValueError:
        raise ValueError("expected auto, off or a number of connections") from None
    return "off" if number == 1 else str(number)


def _shared(value: Any) -> bool:
    """``group``, or a word for yes or no."""
    word = str(value).lower()
    if word in {"group", "true", "1", "yes", "on"}:
        return True
    if word in {"false", "0", "no", "off"}:
        return False
    raise ValueError("expected group or false")


_UNITS = {"": 1, "b": 1, "k": 10**3, "kb": 10**3, "kib": 2**10, "m": 10**6, "mb": 10**6, "mib": 2**20,
          "g": 10**9, "gb": 10**9, "gib": 2**30, "t": 10**12, "tb": 10**12, "tib": 2**40}  # fmt: skip


def _size(value: Any) -> int:
    match = re.fullmatch(r"([0-9]{1,18})\s*([A-Za-z]*)", str(value))
    if isinstance(value, bool) or match is None or match[2].lower() not in _UNITS:
        raise ValueError("expected a size such as 500MiB")
    return int(match[1]) * _UNITS[match[2].lower()]


def parse_size(flag: str, text: str) -> int:
    """Bytes, from a text such as ``20GiB``. Raises UsageError."""
    try:
        return _size(text)
    except ValueError as error:
        raise UsageError(f"{flag} {text[:60]!r}: {error}", hint=f"for instance {flag} 20GiB") from error


_AGES = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}


def parse_age(flag: str, text: str) -> float:
    """Seconds, from a text such as ``30d``. Raises UsageError."""
    match = re.fullmatch(r"([0-9]{1,9})([smhdw])", text.strip().lower())
    if match is None:
        raise UsageError(f"{flag} {text[:60]!r}: expected an age", hint=f"for instance {flag} 30d, 12h or 90m")
    return float(int(match[1]) * _AGES[match[2]])


def _choice(*names: str) -> Callable[[Any], str]:
    def parse(value: Any) -> str:
        if value not in names:
            raise ValueError(f"expected {', '.join(names[:-1])} or {names[-1]}{_suggest(str(value), names)}")
        return str(value)

    return parse


def _path(value: Any) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError("expected a path")
    return os.path.expanduser(value)


def _paths(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        value = [part for part in value.split(os.pathsep) if part]
    if not isinstance(value, list):
        raise ValueError("expected a list of paths")
    return tuple(_path(part) for part in value)


def _path_from(value: str | None, folder: str) -> str | None:
    """A path that is taken from ``folder``; from the working directory where that is empty."""
    return None if value is None else os.path.abspath(os.path.join(folder, value))


def _paths_from(values: tuple[str, ...], folder: str) -> tuple[str, ...]:
    return tuple(os.path.abspath(os.path.join(folder, value)) for value in values)


def _hosts_from(hosts: Mapping[str, HostSettings], folder: str) -> Mapping[str, HostSettings]:
    """Client certificates, and helpers that are written as a path: a bare name is looked up in PATH."""
    return {host: _host_from(entry, folder) for host, entry in hosts.items()}


def _host_from(entry: HostSettings, folder: str) -> HostSettings:
    client, helper = entry.client, entry.helper
    if client is not None:
        files = (_path_from(client.certificate, folder) or "", _path_from(client.key, folder))
        client = replace(client, certificate=files[0], key=files[1])
    if helper and os.path.dirname(helper[0]):
        helper = (os.path.join(folder, os.path.expanduser(helper[0])), *helper[1:])
    return replace(entry, client=client, helper=helper)


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("expected text")
    return value


def _site(value: Any) -> str:
    from dlm.model.url import Url

    url = Url.parse(_text(value))
    if url.query is not None or url.userinfo is not None:
        raise ValueError("expected an address without credentials and without a query")
    return str(url) if url.path.endswith("/") else f"{url}/"


def _netrc(value: Any) -> str | None:
    """A path, or true for the usual file."""
    word = str(value).lower()
    if word in {"false", "0", "no", "off"}:
        return None
    return _path("~/.netrc" if word in {"true", "1", "yes", "on"} else value)


_HOST_KEYS = ("variables", "user", "password", "token", "headers", "client_cert", "client_key", "helper")


def _hosts(value: Any) -> Mapping[str, HostSettings]:
    """``hosts: {HOST: {variables: …, user: …, password: …, token: …, headers: …, client_cert: …, helper: …}}``."""
    if not isinstance(value, dict):
        raise ValueError("expected hosts with what is set for each")
    return {_host_key(str(host)): _host(str(host), given) for host, given in value.items()}


def _host_key(text: str) -> str:
    """``example.org``, ``example.org:8443``, ``http://example.org`` or ``*.example.org`` as it is looked up."""
    from dlm.model.url import Url

    star, bare = ("*.", text[2:]) if text.startswith("*.") else ("", text)
    if bare.count(":") > 1 and "[" not in bare and "//" not in bare:
        bare = f"[{bare}]"
    try:
        url = Url.parse(bare if "://" in bare else f"https://{bare}")
    except ValueError as error:
        raise ValueError(f"{text[:60]!r} is no host: {error}") from None
    if (url.path, url.query, url.userinfo) != ("/", None, None) or (star and ("://" in bare or url.port is not None)):
        raise ValueError(f"expected a host, with a port or scheme at most, in place of {url.netloc!r}")
    return star + (url.netloc if url.scheme == "https" else url.origin)


def _host(host: str, given: Any) -> HostSettings:
    if not isinstance(given, dict):
        raise ValueError(f"expected a mapping below {host}")
    unknown = [str(key) for key in given if key not in _HOST_KEYS]
    if unknown:
        raise ValueError(f"unknown key {unknown[0]!r} below {host}{_suggest(unknown[0], _HOST_KEYS)}")
    names = given.get("variables", [])
    if not isinstance(names, list) or not all(
        isinstance(name, str) and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) for name in names
    ):
        raise ValueError(f"expected a list of names below {host}.variables")
    headers = given.get("headers", {})
    if not isinstance(headers, dict) or not all(isinstance(one, str) for one in headers.values()):
        raise ValueError(f"expected names with texts below {host}.headers")
    if len({str(name).lower() for name in headers}) < len(headers):
        raise ValueError(f"expected each name once below {host}.headers: upper and lower case are one")
    texts = {key: _host_text(host, key, given) for key in ("user", "password", "token")}
    if texts["token"] is not None and texts["user"] is not None:
        raise ValueError(f"expected user or token below {host}, not both")
    if texts["password"] is not None and texts["user"] is None:
        raise ValueError(f"expected a user beside the password below {host}")
    if any(str(name).lower() == "authorization" for name in headers) and (texts["token"] or texts["user"]):
        raise ValueError(f"expected one Authorization below {host}: in headers, by token, or by user")
    from dlm.model.hosts import HostSettings

    return HostSettings(
        variables=tuple(names),
        user=texts["user"],
        password=texts["password"],
        token=texts["token"],
        headers={str(name): text for name, text in headers.items()},
        client=_client(host, given),
        helper=_helper(host, given.get("helper")),
    )


def _host_text(host: str, key: str, given: Mapping[Any, Any]) -> str | None:
    text = given.get(key)
    if text is not None and (not isinstance(text, str) or not text):
        raise ValueError(f"expected text below {host}.{key}")
    return text


def _client(host: str, given: Mapping[Any, Any]) -> ClientCertificate | None:
    files = [_host_text(host, key, given) for key in ("client_cert", "client_key")]
    if files[0] is None:
        if files[1] is not None:
            raise ValueError(f"expected client_cert beside client_key below {host}")
        return None
    from dlm.model.hosts import ClientCertificate

    return ClientCertificate(_path(files[0]), None if files[1] is None else _path(files[1]))


def _helper(host: str, given: Any) -> tuple[str, ...]:
    """A command, as one text with blanks between its words, or as a list of words."""
    if given is None:
        return ()
    words = given
    if isinstance(given, str):
        try:
            import shlex

            words = shlex.split(given, posix=os.name != "nt")
        except ValueError as error:
            raise ValueError(f"{host}.helper: {error}") from None
    if (
        not isinstance(words, list)
        or not words
        or not all(isinstance(one, str) and one and "\0" not in one for one in words)
    ):
        raise ValueError(f"expected a command below {host}.helper")
    return tuple(words)


def _rewrite(value: Any) -> tuple[RewriteRule, ...]:
    """``rewrite: [{match: PATTERN, to: [TEMPLATE, …], origin: allow | last | block}, …]``."""
    if not isinstance(value, list):
        raise ValueError("expected a list of rules")
    return tuple(_rule(number, given) for number, given in enumerate(value, 1))


_RULE_KEYS = ("match", "to", "origin")


def _rule(number: int, given: Any) -> RewriteRule:
    if not isinstance(given, dict):
        raise ValueError(f"rule {number}: expected match, to and origin")
    unknown = [str(key) for key in given if key not in _RULE_KEYS]
    if unknown:
        raise ValueError(f"rule {number}: unknown key {unknown[0]!r}{_suggest(unknown[0], _RULE_KEYS)}")
    to = given.get("to", [])
    to = [to] if isinstance(to, str) else to
    if not isinstance(given.get("match"), str) or not given["match"]:
        raise ValueError(f"rule {number}: expected a pattern below match")
    if not isinstance(to, list) or not all(isinstance(one, str) and one for one in to):
        raise ValueError(f"rule {number}: expected a list of addresses below to")
    from dlm.model.rewrite import RewriteRule

    try:
        origin: Any = _choice("allow", "last", "block")(given.get("origin", "last"))
        return RewriteRule.of(given["match"], tuple(to), origin)
    except ValueError as error:
        raise ValueError(f"rule {number}: {error}") from None


def _policy(value: Any) -> EvidencePolicy:
    """``policy: {evidence: {HOST: STEP}}``."""
    if not isinstance(value, dict):
        raise ValueError("expected a mapping with evidence")
    unknown = [key for key in value if key != "evidence"]
    if unknown:
        raise ValueError(f"unknown key {unknown[0]!r}{_suggest(str(unknown[0]), ['evidence'])}")
    demanded = value.get("evidence", {})
    if not isinstance(demanded, dict):
        raise ValueError("expected hosts with a step for each below evidence")
    from dlm.model.evidence_wish import WishError

    try:
        return EvidencePolicy.from_mapping(demanded)
    except WishError as error:
        raise ValueError(f"evidence.{error}") from error


def _identities(value: Any) -> Mapping[str, SigstoreWish]:
    """``python_identities: {LINE: {identity: …, issuer: …}}``."""
    if not isinstance(value, dict):
        raise ValueError("expected release lines with who signs each")
    from dlm.model.evidence import SigstoreWish

    found: dict[str, SigstoreWish] = {}
    for line, given in value.items():
        if not re.fullmatch(r"[0-9]+\.[0-9]+", str(line)):
            raise ValueError(f"{str(line)!r} is no release line; write one in quotes, such as '3.17'")
        if not isinstance(given, dict) or set(given) != {"identity", "issuer"}:
            raise ValueError(f"expected identity and issuer below {line}")
        found[str(line)] = SigstoreWish(_text(given["identity"]), _text(given["issuer"]))
    return found


TABLE: tuple[Setting, ...] = (
    Setting("backend", "backend", "DLM_BACKEND", _choice("auto", "curl", "requests"),
            "What speaks HTTP: auto takes curl where pycurl imports, else requests."),
    Setting("jobs", "jobs", "DLM_JOBS", _integer(1),
            "Transfers at once; on a connection of HTTP/2, eight small files count as one."),
    Setting("jobs_per_host", "jobs_per_host", "DLM_JOBS_PER_HOST", _integer(1), "Of these, to one host."),
    Setting("connect_timeout", "connect_timeout", "DLM_CONNECT_TIMEOUT", _seconds(0.001),
            "Seconds to reach a server."),
    Setting("stall_timeout", "stall_timeout", "DLM_STALL_TIMEOUT", _seconds(0.001),
            "Seconds without enough progress after which a transfer is cut."),
    Setting("stall_rate", "stall_rate", "DLM_STALL_RATE", _integer(1),
            "Bytes per second below which a transfer counts as stalled."),
    Setting("retries", "retries", "DLM_RETRIES", _integer(0),
            "Further attempts per source for failures that may pass."),
    Setting("retry_backoff", "retry_backoff", "DLM_RETRY_BACKOFF", _seconds(0),
            "Seconds before the first further attempt; doubled for each after it."),
    Setting("retry_budget", "retry_budget", "DLM_RETRY_BUDGET", _seconds(0),
            "Most seconds spent waiting on one artifact."),
    Setting("split", "split", "DLM_SPLIT", _split,
            "Connections for one large file: auto (several where a server limits each), off, or how many."),
    Setting("max_size", "max_size", "DLM_MAX_SIZE", _size, "Most bytes that one artifact may have."),
    Setting("ca_file", "ca_file", "DLM_CA_FILE", _path,
            "Certificates to trust instead of the system's (PEM); SSL_CERT_FILE is taken too.", _path_from),
    Setting("proxy", "proxy", "DLM_PROXY", _text,
            "A proxy for all requests; without it HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY count."),
    Setting("netrc", "netrc", "DLM_NETRC", _netrc, "A netrc file to take credentials from; off unless set.",
            _path_from),
    Setting("python_org_url", "python_org_url", "DLM_PYTHON_ORG_URL", _site,
            "Where python.org's tree is read, for instance a mirror."),
    Setting("listing_ttl", "listing_ttl", "DLM_LISTING_TTL", _seconds(0),
            "Seconds for which python.org's root listing is taken as it was read."),
    Setting("cache_dir", "cache.dir", "DLM_CACHE_DIR", _path, "The folder of the shared cache.", _path_from),
    Setting("cache_read_only", "cache.read_only", "DLM_CACHE_READ_ONLY", _paths,
            "Folders of further caches, looked into first and never written: baked into an image, or on a share.",
            _paths_from),
    Setting("cache_shared", "cache.shared", "DLM_CACHE_SHARED", _shared,
            "group: every user of the cache folder's group may write to it."),
    Setting("cache_format", "cache.format", "DLM_CACHE_FORMAT", _choice("dlm", "cachedir"),
            "cachedir: the layout of the package cachedir 0.1, for a cache folder shared with programs that use it."),
    Setting("state_dir", "state_dir", "DLM_STATE_DIR", _path, "The folder that says which paths dlm placed.",
            _path_from),
    Setting("link", "link", "DLM_LINK", _choice("auto", "reflink", "hardlink", "symlink", "copy"),
            "How the cache's files get into projects: auto is reflink, else copy."),
    Setting("allow_outside", "allow_outside", "DLM_ALLOW_OUTSIDE", _paths,
            "Folders outside a project that a link in its tree may lead to.", _paths_from),
    Setting("policy", "policy", "", _policy,
            "evidence: {HOST: STEP}, the least that has to vouch for what comes from a host; a manifest may raise it."),
    Setting("openpgp_keys", "openpgp_keys", "DLM_OPENPGP_KEYS", _paths,
            "Files of public keys that OpenPGP signatures are checked by.", _paths_from),
    Setting("sigstore_trusted_root", "sigstore_trusted_root", "DLM_SIGSTORE_TRUSTED_ROOT", _path,
            "A file with another root of trust for Sigstore.", _path_from),
    Setting("python_identities", "python_identities", "", _identities,
            "Who signs which release line of CPython, beyond what dlm knows: LINE: {identity: …, issuer: …}."),
    Setting("hosts", "hosts", "", _hosts,
            "Per host: user and password or token, headers, client_cert and client_key, helper (a command), variables"
            " (names beyond DLM_AUTH_* that a manifest may use).", _hosts_from),
    Setting("rewrite", "rewrite", "", _rewrite,
            "Where to go instead: [{match: PATTERN, to: [ADDRESS, …], origin: allow | last | block}, …]."),
)  # fmt: skip

_BY_KEY = {setting.key: setting for setting in TABLE}


def load_settings(
    environment: Environment, flags: Mapping[str, Any], *, machine: str | None = None
) -> tuple[Settings, tuple[Value, ...]]:
    """All settings with their sources.

    Args:
        environment: the process's environment.
        flags: values from the command line by field, None where a flag was not given.
        machine: the machine's own file; None for the one in the platform's place.

    Raises:
        SettingsError: a value cannot be, or a file holds an unknown key.
    """
    system = _system_files(environment, machine or machine_config())
    user_file = _user_file(environment)
    user = _read_file(user_file, "user configuration")
    values: dict[str, Value] = {}
    if "enforce" in user:
        raise SettingsError("enforce counts in the system configuration alone", hint=f"edit {user_file}")
    for one in system:
        _take_document(one.defaults, one.path, values)
    if user_file is not None:
        _take_document(user, user_file, values)
    for setting in TABLE:
        text = environment.get(setting.variable, "") if setting.variable else ""
        if text:
            values[setting.field] = _value(setting, text, setting.variable)
    if "ca_file" not in values and environment.get("SSL_CERT_FILE"):
        values["ca_file"] = _value(_BY_KEY["ca_file"], environment["SSL_CERT_FILE"], "SSL_CERT_FILE")
    for setting in TABLE:
        given = flags.get(setting.field)
        if given is not None:
            values[setting.field] = _value(setting, given, f"--{setting.field.replace('_', '-')}")
    for one in system:
        _take_document(one.enforced, one.path, values, remark=" (enforced)")
    for field, folder in (("cache_dir", "cache"), ("state_dir", "state")):
        if field not in values:
            setting = next(one for one in TABLE if one.field == field)
            values[field] = Value(setting, platform_folder(folder, environment), "default")
    settings = Settings(
        **{field: one.value for field, one in values.items()},
        proxies=_proxies(environment),
    )
    listed = tuple(
        values.get(setting.field, Value(setting, getattr(settings, setting.field), "default")) for setting in TABLE
    )
    return settings, listed


@dataclass(frozen=True, slots=True)
class _SystemFile:
    """What one of the system's files says: what anybody may set otherwise, and what nobody may."""

    path: str
    defaults: Mapping[str, Any]
    enforced: Mapping[str, Any]


def _system_files(environment: Environment, machine: str) -> list[_SystemFile]:
    """The system's file; behind one that a variable names, what the machine's own has to say all the same."""
    named = system_config(environment, machine)
    own = _system_file(machine)
    if os.path.abspath(named) == os.path.abspath(machine):
        return [own]
    # Policies add up, since nobody lowers what another demands; that is as good as enforced.
    kept = {key: value for key, value in own.defaults.items() if key == "policy"}
    return [_system_file(named), replace(own, defaults=kept)]


def _system_file(path: str) -> _SystemFile:
    document = _read_file(path, "system configuration")
    enforced = document.pop("enforce", {})
    if not isinstance(enforced, dict):
        raise SettingsError("enforce in the system configuration is no mapping", hint=f"edit {path}")
    return _SystemFile(path, document, enforced)


def _take_document(document: Mapping[str, Any], path: str, values: dict[str, Value], *, remark: str = "") -> None:
    """What a file says. Its relative paths are taken from its own folder, wherever a run begins: the working directory
    may be anybody's repository."""
    source, folder = f"{path}{remark}", os.path.dirname(os.path.abspath(path))
    for key, given in _flat(document):
        setting = _BY_KEY.get(key)
        if setting is None:
            raise SettingsError(f"{source}: unknown key {key!r}{_suggest(key, _BY_KEY)}", hint=f"edit {source}")
        values[setting.field] = _joined(values.get(setting.field), _value(setting, given, source, folder))


def _joined(before: Value | None, value: Value) -> Value:
    """The later value; of a policy both, since nobody lowers what another demands; of hosts the entries of both."""
    if before is None:
        return value
    if value.setting.field == "hosts":
        return Value(value.setting, {**before.value, **value.value}, f"{before.source} and {value.source}")
    if not isinstance(value.value, EvidencePolicy):
        return value
    return Value(value.setting, before.value.joined(value.value), f"{before.source} and {value.source}")


def _flat(document: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Dotted keys; ``hosts`` stays whole, since its keys are the user's."""
    found: list[tuple[str, Any]] = []
    for key, value in document.items():
        if isinstance(value, dict) and key not in _BY_KEY:
            found.extend((f"{key}.{inner}", one) for inner, one in value.items())
        else:
            found.append((str(key), value))
    return found


def _value(setting: Setting, given: Any, source: str, folder: str = "") -> Value:
    """A setting as a source has it.

    Args:
        folder: where its relative paths begin; empty for the working directory.
    """
    try:
        value = setting.parse(given)
        return Value(setting, value if setting.seen_from is None else setting.seen_from(value, folder), source)
    except ValueError as error:
        # An address may hold a password, and what is wrong with it may be just that.
        shown = "" if setting.field in {"proxy", "python_org_url", "hosts", "rewrite"} else f" {str(given)[:60]!r}"
        raise SettingsError(f"{source}: {setting.key}{shown}: {error}", hint="run `dlm --help`") from error


def _read_file(path: str | None, what: str) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SettingsError(f"the {what} {path} cannot be read: {error.strerror}") from error
    from dlm.documents.options_file import NotReadable, yaml_or_json

    try:
        document = yaml_or_json(data)
    except NotReadable as error:
        raise SettingsError(f"the {what} {path} cannot be read: {error}", hint=error.hint) from error
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise SettingsError(f"the {what} {path} is no mapping")
    return document


def _user_file(environment: Environment) -> str | None:
    path = user_config(environment)
    if path is not None and environment.get("DLM_CONFIG_FILE") and not os.path.exists(path):
        raise SettingsError(f"DLM_CONFIG_FILE names {path}, which does not exist")
    return path


def _proxies(environment: Environment) -> dict[str, str]:
    """The proxy variables, lower case first; not HTTP_PROXY under CGI, where a request sets it (CVE-2016-5385)."""
    found: dict[str, str] = {}
    for name in ("http", "https", "all", "no"):
        value = environment.get(f"{name}_proxy") or ""
        if not value and not (name == "http" and "REQUEST_METHOD" in environment):
            value = environment.get(f"{name.upper()}_PROXY") or ""
        if value:
            found[f"{name}_proxy" if name == "no" else name] = value
    return found
