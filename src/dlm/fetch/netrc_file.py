"""Logins from a netrc file that the user named; no other netrc file is ever read."""

from __future__ import annotations

import netrc
from collections.abc import Mapping

from dlm.errors import SettingsError

__all__ = ["read_logins"]


def read_logins(path: str) -> Mapping[str, tuple[str, str]]:
    """User and password by host. A ``default`` entry is left out: it would go to every host there is.

    Raises:
        SettingsError: the file cannot be read.
    """
    hint = "the setting netrc names the file"
    try:
        entries = netrc.netrc(path).hosts
    except OSError as error:
        raise SettingsError(f"netrc {path} cannot be read: {error.strerror}", hint=hint) from None
    except netrc.NetrcParseError as error:
        # The parser's own words may quote a password.
        raise SettingsError(f"netrc {path}: line {error.lineno} is not understood", hint=hint) from None
    except UnicodeDecodeError:
        raise SettingsError(f"netrc {path} is not UTF-8 text", hint=hint) from None
    return {
        host.lower(): (login or account or "", password or "")
        for host, (login, account, password) in entries.items()
        if host != "default" and (login or account or password)
    }
