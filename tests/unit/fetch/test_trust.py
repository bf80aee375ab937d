"""Which certificates are trusted."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlm.errors import SettingsError
from dlm.fetch.trust import ca_bundle
from dlm.model.settings import Settings
from tests.support.tls import authority


@pytest.mark.fault("T02")
class TestTrust:
    def test_the_users_file_is_taken(self) -> None:
        assert ca_bundle(Settings(ca_file=authority().ca_file)) == authority().ca_file

    def test_by_itself_there_is_one_with_certificates(self) -> None:
        assert b"BEGIN CERTIFICATE" in Path(ca_bundle(Settings())).read_bytes()

    def test_the_environment_is_none_of_its_business(self, monkeypatch: pytest.MonkeyPatch) -> None:
        usual = ca_bundle(Settings())
        for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
            monkeypatch.setenv(name, authority().ca_file)
        assert ca_bundle(Settings()) == usual

    @pytest.mark.parametrize("content", [None, b"", b"not a certificate", b"-----BEGIN PRIVATE KEY-----"])
    def test_a_file_that_will_not_do_is_an_error(self, tmp_path: Path, content: bytes | None) -> None:
        path = tmp_path / "ca.pem"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(SettingsError, match=r"ca\.pem"):
            ca_bundle(Settings(ca_file=str(path)))

    def test_a_certificate_that_is_cut_is_an_error(self, tmp_path: Path) -> None:
        whole = Path(authority().ca_file).read_bytes()
        path = tmp_path / "ca.pem"
        path.write_bytes(whole + whole[:-30])
        with pytest.raises(SettingsError, match=r"ca\.pem holds a certificate that cannot be read"):
            ca_bundle(Settings(ca_file=str(path)))
