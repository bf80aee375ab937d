"""``dlm doctor``: every setting with its source, what this machine has, and what stands in the way."""

from __future__ import annotations

import errno
import json
import os
import platform
import secrets
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Any, Literal

from dlm import __version__
from dlm.cli.command import Border, Result, command
from dlm.cli.places import machine_config, system_config, user_config
from dlm.cli.settings import Value
from dlm.cli.written import masked, written
from dlm.errors import DlmError, SettingsError
from dlm.model.frozen import dataclass
from dlm.model.settings import Settings

__all__ = ["doctor"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Check:
    """One thing that was looked at.

    Attributes:
        state: ``ok``, ``note`` (it works, and could be better) or ``broken``.
        hint: what to do about it.
    """

    name: str
    state: Literal["ok", "note", "broken"]
    message: str
    hint: str | None = None


@command("doctor")
def doctor(border: Border) -> Result:
    """Show every setting with its value and its source, and look for what is broken. Uses no network.

    Exit code 1 if something is broken. Passwords are not shown.

    \b
    Examples:
      dlm doctor
      dlm doctor --format json
    """
    checks: list[_Check] = []
    values: tuple[Value, ...] = ()
    settings: Settings | None = None
    try:
        settings, values = border.sources
    except SettingsError as error:
        checks.append(_Check(name="settings", state="broken", message=error.message, hint=error.hint))
    checks += _configuration(border.environment)
    versions = _versions()
    if settings is not None:
        checks += _backend(settings)
        checks += _certificates(settings)
        checks += _folders(settings)
        checks += _links(settings, border.directory)
    checks += _project(border, readable=settings is not None)
    proxies = dict(settings.proxies) if settings is not None else {}
    _say(border, versions, values, proxies, checks)
    return Result(
        code=1 if any(one.state == "broken" for one in checks) else 0,
        document={
            "versions": versions,
            "settings": [{"key": one.setting.key, "value": _value(one), "source": one.source} for one in values],
            "proxies": {name: masked(address, bare=name != "no_proxy") for name, address in proxies.items()},
            "checks": [
                {"name": one.name, "state": one.state, "message": one.message, "hint": one.hint} for one in checks
            ],
        },
    )


def _value(one: Value) -> Any:
    return written(one.value, bare=one.setting.field == "proxy")


def _shown(value: Any) -> str:
    if value is None:
        return "(none)"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _say(
    border: Border,
    versions: Mapping[str, str | None],
    values: tuple[Value, ...],
    proxies: Mapping[str, str],
    checks: list[_Check],
) -> None:
    data, style = border.console.data, border.console.style
    data(style("Versions", "bold"))
    for name, version in versions.items():
        data(f"  {name}: {version or 'not installed'}")
    data(style("Settings", "bold"))
    width = max((len(one.setting.key) for one in values), default=0)
    for one in values:
        data(f"  {one.setting.key:<{width}}  {_shown(_value(one))}"
             f"  [{one.source}]")  # fmt: skip
    for name, address in proxies.items():
        data(f"  proxy of the environment, {name}: {masked(address, bare=name != 'no_proxy')}")
    data(style("Checks", "bold"))
    colors = {"ok": "green", "note": "yellow", "broken": "red"}
    for check in checks:
        data(f"  {style(f'{check.state}:', colors[check.state])} {check.name}: {check.message}")
        if check.hint and check.state != "ok":
            data(f"    hint: {check.hint}")


def _versions() -> dict[str, str | None]:
    """What is installed; None for what is not."""

    def version(module: str, read: Callable[[Any], Any]) -> str | None:
        try:
            return str(read(import_module(module)))
        except ImportError:
            return None

    return {
        "dlm": __version__,
        "python": f"{platform.python_version()} ({sys.platform}, {platform.machine()})",
        "pycurl": version("pycurl", lambda module: module.version.split()[0].removeprefix("PycURL/")),
        "libcurl": version("pycurl", lambda module: module.version_info()[1]),
        "requests": version("requests", lambda module: module.__version__),
    }


def _configuration(environment: Mapping[str, str]) -> Iterator[_Check]:
    system, machine = system_config(environment), machine_config()
    for name, path in (("user configuration", user_config(environment)), ("system configuration", system)):
        if path is None:
            yield _Check(name=name, state="ok", message="not read: DLM_NO_CONFIG is set")
        else:
            found = "" if os.path.exists(path) else " does not exist, which is fine"
            also = ""
            if path == system != machine and os.path.exists(machine):
                also = f"; what {machine} enforces counts, too"
            yield _Check(name=name, state="ok", message=f"{path}{found}{also}")


def _backend(settings: Settings) -> Iterator[_Check]:
    from dlm.fetch.fetcher import choose_backend

    try:
        chosen = choose_backend(settings)
    except (DlmError, ImportError) as error:
        hint = error.hint if isinstance(error, DlmError) else None
        if settings.backend != "requests" and isinstance(error, ImportError):
            hint = "install pycurl anew, or set DLM_BACKEND=requests"
        yield _Check(name="backend", state="broken", message=str(error), hint=hint)
        return
    if settings.backend == "auto" and chosen.name != "curl":
        yield _Check(
            name="backend", state="note", message=f"{chosen.name}, since pycurl is not installed",
            hint="install pycurl: it is faster and speaks HTTP/2",
        )  # fmt: skip
    else:
        yield _Check(name="backend", state="ok", message=chosen.name)


def _certificates(settings: Settings) -> Iterator[_Check]:
    from dlm.fetch.trust import ca_bundle

    try:
        yield _Check(name="certificates", state="ok", message=ca_bundle(settings))
    except DlmError as error:
        yield _Check(name="certificates", state="broken", message=error.message, hint=error.hint)


def _folders(settings: Settings) -> Iterator[_Check]:
    for name, path, variable in (("cache folder", settings.cache_dir, "DLM_CACHE_DIR"),
                                 ("state folder", settings.state_dir, "DLM_STATE_DIR")):  # fmt: skip
        problem = _unwritable(path)
        if problem is None:
            yield _Check(name=name, state="ok", message=f"{path} can be written to")
        else:
            yield _Check(
                name=name, state="broken", message=f"{path} cannot be written to: {problem}",
                hint=f"check its permissions, or set {variable} to another folder",
            )  # fmt: skip


def _unwritable(path: str) -> str | None:
    """Why nothing can be written below ``path``, or None; found out by writing to it or to what is above it."""
    folder = _existing(path)
    if not os.path.isdir(folder):
        return f"{folder} is no folder"
    probe = os.path.join(folder, f".dlm-{secrets.token_hex(6)}.tmp")
    try:
        os.close(os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        os.unlink(probe)
    except OSError as error:
        return error.strerror or str(error)
    return None


def _existing(path: str) -> str:
    """The nearest of ``path`` and the folders above it that is there."""
    while not os.path.lexists(path) and os.path.dirname(path) != path:
        path = os.path.dirname(path)
    return path


def _links(settings: Settings, directory: str) -> Iterator[_Check]:
    """Whether the cache's files can get into this folder without being copied; found out by doing it."""
    there = _existing(settings.cache_dir)
    if _unwritable(there) is not None or _unwritable(directory) is not None:
        return
    source = os.path.join(there, f".dlm-{secrets.token_hex(6)}.tmp")
    target = os.path.join(directory, f".dlm-{secrets.token_hex(6)}.tmp")
    try:
        with open(source, "xb") as file:
            file.write(b"dlm")
        found = {"reflink": _reflink(source, target), "hardlink": _hardlink(source, target)}
    except OSError as error:
        yield _Check(name="link modes", state="note", message=f"could not be tried: {error.strerror}")
        return
    finally:
        _unlink(source)
    modes = [mode for mode, reason in found.items() if reason is None]
    between = f"between the cache and {directory}"
    if settings.link in found and found[settings.link] is not None:
        yield _Check(
            name="link modes", state="note", message=f"no {settings.link} {between}: {found[settings.link]}",
            hint="files are copied instead; put the cache on the project's file system, or set link to auto",
        )  # fmt: skip
    elif modes:
        yield _Check(name="link modes", state="ok", message=f"{' and '.join(modes)} {between}")
    else:
        yield _Check(
            name="link modes", state="note", message=f"neither reflink nor hardlink {between}: {found['hardlink']}",
            hint="files are copied; on one file system with the project the cache could share its bytes",
        )  # fmt: skip


def _reflink(source: str, target: str) -> str | None:
    from dlm.place.link import share

    try:
        with open(source, "rb") as old, open(target, "xb") as new:
            return share(old.fileno(), new.fileno())[0]
    finally:
        _unlink(target)


def _hardlink(source: str, target: str) -> str | None:
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno == errno.EXDEV:
            return "they are on different file systems"
        return f"the file system says: {error.strerror}"
    _unlink(target)
    return None


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


def _project(border: Border, *, readable: bool) -> Iterator[_Check]:
    try:
        files = border.files(need_manifest=False)
    except DlmError as error:
        missing = error.message.startswith("no ")
        yield _Check(name="project", state="note" if missing else "broken", message=error.message, hint=error.hint)
        return
    yield _Check(name="project", state="ok", message=files.manifest_path or files.root)
    if not readable:
        return
    from dlm.workflows.compare import why_stale

    run = border.run(need_manifest=False)
    try:
        if files.manifest_path is None:
            yield _Check(name="manifest", state="note", message="none; `dlm sync --frozen` goes by the lockfile alone")
            run.lockfile()
            yield _Check(name="lockfile", state="ok", message=files.lockfile_path)
            return
        manifest = run.manifest()
        yield _Check(name="manifest", state="ok", message=f"{len(manifest.resources)} resources")
        if run.files.read_lockfile() is None:
            yield _Check(name="lockfile", state="note", message="missing", hint="run `dlm lock`")
            return
        stale = why_stale(run)
    except DlmError as error:
        name = "lockfile" if error.kind == "lockfile" else "manifest"
        details = f" ({error.details[0]})" if error.details else ""
        yield _Check(name=name, state="broken", message=f"{error.message}{details}", hint=error.hint)
        return
    if stale:
        count = f"{len(stale)} entr{'y' if len(stale) == 1 else 'ies'}"
        yield _Check(name="lockfile", state="note", message=f"{count} stale", hint="run `dlm why-stale`")
    else:
        yield _Check(name="lockfile", state="ok", message="says what the manifest asks for")
