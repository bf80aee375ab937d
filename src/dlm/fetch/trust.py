"""Which certificates both backends trust (the user's file, else the system's, else those of certifi), and show."""

from __future__ import annotations

import os

from dlm.errors import SettingsError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl

    from dlm.model.hosts import ClientCertificate
    from dlm.model.settings import Settings
    from dlm.model.url import Url

__all__ = ["ALERT", "ca_bundle", "client_for", "load_client"]

#: What OpenSSL's words for it hold where the other side ended TLS with an alert.
ALERT = " alert "

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


def client_for(url: Url, settings: Settings) -> ClientCertificate | None:
    """What to show to the server of ``url``, None where nothing is set."""
    if not settings.hosts or url.scheme == "file":
        return None
    from dlm.model.hosts import client_certificate  # few configurations say anything of single hosts

    return client_certificate(url, settings.hosts)


def _checked(path: str) -> str:
    hint = "ca_file names a PEM file with the certificates to trust"
    try:
        with open(path, "rb") as file:
            held = file.read()
    except OSError as error:
        raise SettingsError(f"ca_file {path} cannot be read: {error.strerror}", hint=hint) from None
    if b"-----BEGIN CERTIFICATE-----" not in held and b"-----BEGIN TRUSTED CERTIFICATE-----" not in held:
        raise SettingsError(f"ca_file {path} holds no certificate", hint=hint)
    import ssl  # only where the user has a file of their own, since to load it takes some 15 ms

    try:
        # Both backends read it with OpenSSL, but either would find it broken too late, and in words of its own.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except ssl.SSLError:
        raise SettingsError(f"ca_file {path} holds a certificate that cannot be read", hint=hint) from None
    return path


def load_client(context: ssl.SSLContext, client: ClientCertificate) -> None:
    """Have ``context`` show ``client`` to servers that ask for a certificate.

    Raises:
        SettingsError: its files cannot be used; a key behind a passphrase is one of these, since nobody can be asked.
    """
    hint = "look at client_cert and client_key below hosts: PEM files, the key without a passphrase"
    for path in filter(None, (client.certificate, client.key)):
        if not os.path.isfile(path):
            raise SettingsError(f"the client certificate {path} is not there", hint=hint)
    try:
        # A passphrase is not asked for: that would wait for a terminal which may not be there.
        context.load_cert_chain(client.certificate, client.key, password=bytes)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise SettingsError(
            f"the client certificate {client.certificate} cannot be used: {reason or 'not a certificate with its key'}",
            hint=hint,
        ) from None
