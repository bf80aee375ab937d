"""What the user's configuration sends to an origin: ``hosts``, else a helper command, else a netrc file.

A helper speaks the protocol of https://github.com/EngFlow/credential-helper-spec, as for Bazel and uv: ``COMMAND get``
reads ``{"uri": …}`` from its standard input and writes ``{"headers": {NAME: [VALUE, …]}, "expires": TIME}``.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dlm.errors import LocalError, SettingsError
from dlm.fetch.netrc_file import read_logins
from dlm.fetch.proxies import proxy_for
from dlm.model.basic import basic
from dlm.model.hosts import HostSettings, Login, entry_for, is_safe
from dlm.model.url import REFERENCE

if TYPE_CHECKING:
    from dlm.model.settings import Settings
    from dlm.model.url import Url
    from dlm.ports import Clock

__all__ = ["UserCredentials"]

#: Seconds that a helper may take; it may have to ask a person.
_PATIENCE = 60.0

_NOTHING = Login()

_Headers = tuple[tuple[str, str], ...]


class UserCredentials:
    """``dlm.ports.Credentials``, for any thread; a helper is asked once per origin, and again when its answer expires.

    Args:
        settings: ``hosts`` and ``netrc``.
        environment: the values behind ``${NAME}`` in ``hosts``. The configuration is the user's own: it may use any.
        clock: tells when what a helper said has expired.
        patience: seconds that a helper may take.
    """

    def __init__(
        self, settings: Settings, environment: Mapping[str, str], clock: Clock, *, patience: float = _PATIENCE
    ) -> None:
        self._settings = settings
        self._environment = environment
        self._clock = clock
        self._patience = patience
        self._lock = threading.Lock()
        self._answers: dict[str, tuple[_Headers, float | None]] = {}
        self._failures: dict[str, LocalError] = {}

    def for_url(self, url: Url, *, authorized: bool) -> Login:
        """The headers for a request to ``url``."""
        if not self._settings.hosts and not self._logins:
            return _NOTHING
        proxy = proxy_for(url, self._settings)
        entry = entry_for(url, self._settings.hosts, proxy) or HostSettings()
        secrets: list[str] = []
        headers = [(name, self._filled(text, url, secrets)) for name, text in entry.headers.items()]
        headers += self._own(entry, url, secrets)
        if not authorized and not _authorizes(headers):
            taken = {name.lower() for name, _ in headers}
            helped = self._helped(entry.helper, url) if entry.helper else ()
            headers += [(name, value) for name, value in helped if name.lower() not in taken]
        if not authorized and not _authorizes(headers):
            headers += self._netrc(url, proxy, secrets)
        if authorized:
            headers = [(name, value) for name, value in headers if name.lower() != "authorization"]
        return Login(tuple(headers), tuple(secrets))

    def _own(self, entry: HostSettings, url: Url, secrets: list[str]) -> Iterator[tuple[str, str]]:
        """Authorization, from user and password or a token."""
        if entry.token is not None:
            yield "Authorization", f"Bearer {self._filled(entry.token, url, secrets)}"
        elif entry.user is not None:
            user = self._filled(entry.user, url, secrets)
            password = self._filled(entry.password or "", url, secrets)
            secrets.extend((user, password))
            try:
                yield "Authorization", basic(user, password)
            except ValueError as error:
                raise SettingsError(f"hosts: the user for {url.netloc} {error}", hint="edit your config.yaml") from None

    def _filled(self, text: str, url: Url, secrets: list[str]) -> str:
        for name in {match[1] for match in REFERENCE.finditer(text)}:
            value = self._environment.get(name)
            if not value:
                raise SettingsError(
                    f"hosts: the variable {name} is not set, and a request to {url.netloc} needs it",
                    hint=f"export {name}=…",
                )
            secrets.append(value)
        filled = REFERENCE.sub(lambda match: self._environment[match[1]], text)
        if filled:
            secrets.append(filled)
        return filled

    # -- netrc ---------------------------------------------------------------------------------------------------

    @cached_property
    def _logins(self) -> Mapping[str, tuple[str, str]]:
        return {} if self._settings.netrc is None else read_logins(self._settings.netrc)

    def _netrc(self, url: Url, proxy: Url | None, secrets: list[str]) -> Iterator[tuple[str, str]]:
        # The file knows hosts and no schemes: what it holds is not sent where others can read along.
        login = self._logins.get(url.host) if is_safe(url, proxy) else None
        if login is None:
            return
        secrets.extend(login)
        try:
            yield "Authorization", basic(*login)
        except ValueError as error:
            raise SettingsError(f"netrc: the login for {url.host} {error}", hint="edit the netrc file") from None

    # -- helpers -------------------------------------------------------------------------------------------------

    def _helped(self, command: tuple[str, ...], url: Url) -> _Headers:
        with self._lock:
            failure = self._failures.get(url.origin)
            if failure is not None:
                raise LocalError(failure.message, hint=failure.hint)
            headers, expires = self._answers.get(url.origin, ((), 0.0))
            if expires is not None and expires <= self._clock.time():
                try:
                    headers, expires = self._ask(command, url)
                except LocalError as error:
                    self._failures[url.origin] = error
                    raise
                self._answers[url.origin] = (headers, expires)
            return headers

    def _ask(self, command: tuple[str, ...], url: Url) -> tuple[_Headers, float | None]:
        request = json.dumps({"uri": url.redacted}).encode()
        try:
            with (
                subprocess.Popen(  # noqa: S603 - the user's own configuration names it; no shell is involved
                    [os.path.expanduser(command[0]), *command[1:], "get"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,  # whatever it says may hold what it is there to keep
                    env=dict(self._environment),
                ) as process
            ):
                try:
                    output, _ = process.communicate(request, timeout=self._patience)
                except BaseException:
                    process.kill()
                    raise
        except subprocess.TimeoutExpired:
            raise self._failed(command, url, f"gave no answer in {self._patience:g} seconds") from None
        except OSError as error:
            raise self._failed(command, url, f"could not be run: {error.strerror}") from None
        if process.returncode != 0:
            raise self._failed(command, url, f"failed with code {process.returncode}")
        try:
            return _read_answer(output)
        except ValueError as error:
            raise self._failed(command, url, str(error)) from None

    def _failed(self, command: tuple[str, ...], url: Url, what: str) -> LocalError:
        name = command[0]
        return LocalError(
            f"the credential helper {name} for {url.netloc} {what}",
            hint=f"""run it by hand to see what it says: echo '{{"uri": "{url.origin}/"}}' | {name} get""",
        )


def _authorizes(headers: list[tuple[str, str]]) -> bool:
    return any(name.lower() == "authorization" for name, _ in headers)


def _read_answer(output: bytes) -> tuple[_Headers, float | None]:
    """Headers, and when they expire (seconds since the epoch). ValueError, without any of its words."""
    try:
        found: Any = json.loads(output)
    except (ValueError, RecursionError):
        raise ValueError("wrote no JSON") from None
    headers = found.get("headers", {}) if isinstance(found, dict) else None
    if not isinstance(headers, dict) or not all(
        isinstance(values, list) and all(isinstance(value, str) for value in values) for values in headers.values()
    ):
        raise ValueError("wrote no object with headers, each a list of texts")
    if len({name.lower() for name in headers}) < len(headers):
        raise ValueError("wrote a header twice: in names, upper and lower case are one")
    expires = found.get("expires")
    # As one line each (RFC 9110 5.3): not every library sends a name twice.
    flat = tuple((str(name), ", ".join(values)) for name, values in headers.items() if values)
    return flat, None if expires is None else _moment(expires)


def _moment(text: Any) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise ValueError("wrote an expires that is no time (RFC 3339)") from None
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
