"""Which certificates both backends trust: the user's file, else the system's, else those of certifi."""

from __future__ import annotations

import os

from dlm.errors import SettingsError
from dlm.model.settings import Settings

__all__ = ["ca_bundle"]

# Where distributions keep the bundle of their trust store; macOS has the last but one.
_SYSTEM = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/ssl/cert.pem",
    "/usr/local/share/certs/ca-root-nss.crt",
)


def ca_bundle(settings: Settings) -> str:
    """The PEM file with the certificates to trust.

    Raises:
        SettingsError: the file that was asked for is not there or holds no certificate. Falling back to another
            one would trust whom the user did not mean to trust.
    """
    if settings.ca_file is not None:
        return _checked(settings.ca_file)
    for path in _SYSTEM:
        if os.path.isfile(path):
            return path
    import certifi  # only where the system has no bundle of its own

    return certifi.where()


def _checked(path: str) -> str:
    hint = "ca_file names a PEM file with the certificates to trust"
    try:
        with open(path, "rb") as file:
            held = file.read()
    except OSError as error:
        raise SettingsError(f"ca_file {path} cannot be read: {error.strerror}", hint=hint) from None
    if b"-----BEGIN CERTIFICATE-----" not in held and b"-----BEGIN TRUSTED CERTIFICATE-----" not in held:
        raise SettingsError(f"ca_file {path} holds no certificate", hint=hint)
    return path
