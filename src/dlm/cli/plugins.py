"""Resolvers that other packages bring, found by entry point when a selector's scheme is not built in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib import import_module

from dlm.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from dlm.model.selector import Grammar
    from dlm.ports import ResolverPlugin

__all__ = ["ResolverPlugins"]

_GROUP = "dlm.resolvers"


class ResolverPlugins(Mapping[str, "Grammar"]):
    """Grammars by scheme. The entry points are read when the first unknown scheme turns up."""

    @cached_property
    def _entries(self) -> dict[str, EntryPoint]:
        found = import_module("importlib.metadata").entry_points(group=_GROUP)
        return {entry.name: entry for entry in found}

    def resolver(self, scheme: str) -> ResolverPlugin:
        """The plug-in of a scheme.

        Raises:
            UsageError: none has it, or it cannot be loaded.
        """
        try:
            plugin: ResolverPlugin = self._entries[scheme].load()
        except KeyError:
            raise UsageError(f"nothing resolves {scheme}: selectors", hint="install the plug-in that does") from None
        except (ImportError, AttributeError) as error:
            raise UsageError(f"the plug-in for {scheme}: selectors cannot be loaded: {error}") from error
        return plugin

    def __getitem__(self, scheme: str) -> Grammar:
        if scheme not in self._entries:
            raise KeyError(scheme)
        return self.resolver(scheme).grammar

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)
