"""Settings as ``config.yaml`` writes them: plain values that JSON can say, with the secrets left out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from dlm.model.evidence import SigstoreWish
from dlm.model.hosts import HostSettings
from dlm.model.policy import EvidencePolicy
from dlm.model.rewrite import RewriteRule
from dlm.model.url import secret_parameters

__all__ = ["HIDDEN", "masked", "written"]

#: What stands in the place of a secret.
HIDDEN = "***"

_USERINFO = re.compile(r"(?<=//)[^/?#@\s]*(?=@)")
_BARE_USERINFO = re.compile(r"\A[^/?#@\s]*(?=@)")


def written(value: Any, *, bare: bool = False) -> Any:
    """A setting's value as texts, numbers, lists and mappings.

    Args:
        value: what the table's ``parse`` made of it.
        bare: an address may stand there without its scheme.

    Returns:
        The value in the form of ``config.yaml``; a policy as a list of such, one for each file that has a say in it.
    """
    match value:
        case str():
            return masked(value, bare=bare)
        case list() | tuple():
            return [written(one) for one in value]
        case HostSettings():
            return _host(value)
        case RewriteRule():
            return {"match": masked(value.match), "to": [masked(one) for one in value.to], "origin": value.origin}
        case EvidencePolicy():
            return [{"evidence": {host: step.word for host, step in layer.items()}} for layer in value.layers]
        case SigstoreWish():
            return {"identity": value.identity, "issuer": value.issuer}
        case Mapping():
            return {str(key): written(one) for key, one in value.items()}
        case _:
            return value


def masked(text: str, *, bare: bool = False) -> str:
    """A text without the login and without the secret parameters of the address in it.

    Args:
        bare: an address may stand there without its scheme.
    """
    found = _USERINFO.sub(HIDDEN, text)
    if bare and "//" not in found:
        found = _BARE_USERINFO.sub(HIDDEN, found)
    address, _, query = found.partition("?")
    return f"{address}?{HIDDEN}" if secret_parameters(query) else found


def _host(entry: HostSettings) -> dict[str, Any]:
    """What is set for a host. Of logins and headers only that they are there; of a helper only the program."""
    client = entry.client
    found: dict[str, Any] = {
        "variables": list(entry.variables),
        "user": entry.user and HIDDEN,
        "password": entry.password and HIDDEN,
        "token": entry.token and HIDDEN,
        "headers": dict.fromkeys(entry.headers, HIDDEN),
        "client_cert": client and client.certificate,
        "client_key": client and client.key,
        "helper": [*entry.helper[:1], *(HIDDEN for _ in entry.helper[1:])],
    }
    return {key: one for key, one in found.items() if one}
