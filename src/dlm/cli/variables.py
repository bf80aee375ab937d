"""The values behind ``${NAME}``: from the environment, and only where the user allows it."""

from __future__ import annotations

from collections.abc import Mapping

from dlm.errors import PolicyError, UsageError

__all__ = ["EnvironmentVariables"]

_PREFIX = "DLM_AUTH_"


class EnvironmentVariables:
    """``dlm.ports.Variables``. A manifest may come from a hostile repository: it gets no other variable."""

    def __init__(self, environment: Mapping[str, str], allowed: Mapping[str, tuple[str, ...]]) -> None:
        self._environment = environment
        self._allowed = allowed

    def value(self, name: str, host: str) -> str:
        """The value of ``name`` for a request to ``host``."""
        if not name.startswith(_PREFIX) and name not in self._names(host):
            raise PolicyError(
                f"${{{name}}} is not expanded for {host}: only names that begin with {_PREFIX} are",
                hint=f"rename it to {_PREFIX}{name}, or allow it: hosts: {{{host}: {{variables: [{name}]}}}} in"
                " your config.yaml",
            )
        value = self._environment.get(name)
        if not value:
            raise UsageError(
                f"the variable {name} is not set, and a request to {host} needs it", hint=f"export {name}=…"
            )
        return value

    def _names(self, host: str) -> tuple[str, ...]:
        """What the user allows for ``host``, by its own name or by ``*.`` and a domain above it."""
        labels = host.split(".")
        above = (f"*.{'.'.join(labels[index:])}" for index in range(1, len(labels)))
        return next((self._allowed[key] for key in (host, *above) if key in self._allowed), ())
