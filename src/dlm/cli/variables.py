"""The values behind ``${NAME}``: from the environment, and only where the user allows it."""

from __future__ import annotations

from collections.abc import Mapping

from dlm.errors import PolicyError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dlm.model.settings import Settings
    from dlm.model.url import Url

__all__ = ["EnvironmentVariables"]

_PREFIX = "DLM_AUTH_"


class EnvironmentVariables:
    """``dlm.ports.Variables``. A manifest may come from a hostile repository: it gets no other variable."""

    def __init__(self, environment: Mapping[str, str], settings: Settings) -> None:
        self._environment = environment
        self._settings = settings

    def value(self, name: str, url: Url) -> str:
        """The value of ``name`` for a request to ``url``."""
        if not name.startswith(_PREFIX) and name not in self._allowed(url):
            key = url.netloc if url.scheme == "https" else url.origin
            raise PolicyError(
                f"${{{name}}} is not expanded for {key}: only names that begin with {_PREFIX} are",
                hint=f"rename it to {_PREFIX}{name}, or allow it: hosts: {{{_quoted(key)}: {{variables: [{name}]}}}} in"
                " your config.yaml",
            )
        value = self._environment.get(name)
        if not value:
            raise UsageError(
                f"the variable {name} is not set, and a request to {url.host} needs it", hint=f"export {name}=…"
            )
        return value

    def _allowed(self, url: Url) -> tuple[str, ...]:
        """What the user allows for ``url``: such a value is a credential, and bound to an origin like any other."""
        from dlm.fetch.proxies import proxy_for
        from dlm.model.hosts import entry_for

        if not self._settings.hosts:
            return ()
        entry = entry_for(url, self._settings.hosts, proxy_for(url, self._settings))
        return () if entry is None else entry.variables


def _quoted(key: str) -> str:
    """As YAML reads it: a colon within braces ends a key."""
    return f'"{key}"' if ":" in key else key
