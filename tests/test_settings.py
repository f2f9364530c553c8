"""Environment → Settings."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from cds.settings import Settings, default_rules_folder


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CDS_PORT", "9000")
    monkeypatch.setenv("CDS_RULES", str(tmp_path))
    monkeypatch.setenv("CDS_ENGINE", "direct")
    monkeypatch.setenv("CDS_CORS_ORIGINS", "https://a.example, https://b.example,")

    settings = Settings()

    assert settings.port == 9000
    assert settings.rules == tmp_path
    assert settings.engine == "direct"
    assert settings.cors_origins == ("https://a.example", "https://b.example")


def test_the_defaults_serve_the_shipped_rules_to_this_machine_only() -> None:
    settings = Settings()

    assert settings.host == "127.0.0.1"
    assert settings.cors_origins == ()
    assert settings.rules == default_rules_folder()
    assert any(settings.rules.rglob("*.yaml"))


def test_settings_do_not_change() -> None:
    settings = Settings()

    with pytest.raises(ValidationError):
        settings.port = 1  # type: ignore[misc]


def test_fhir_servers_and_networks_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDS_FHIR_SERVERS", "https://FHIR.example/r4/, http://10.0.0.1:8080/fhir")
    monkeypatch.setenv("CDS_FHIR_NETWORKS", "10.0.0.0/8,fd00::/8")

    settings = Settings()

    assert settings.fhir_servers == ("https://fhir.example/r4", "http://10.0.0.1:8080/fhir")
    assert settings.servers.base_of("https://fhir.example/r4").host == "fhir.example"
    assert len(settings.servers.networks) == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("fhir_servers", "fhir.example"),
        ("fhir_servers", "https://me:word@fhir.example"),
        ("fhir_servers", "https://fhir.example/r4?x"),
        ("fhir_networks", "10.0.0.0/33"),
        ("fhir_networks", "10.0.0.1/8"),
        ("fhir_networks", "hospital"),
        ("fetch_seconds", "0"),
        ("fetch_seconds", "61"),
        ("fetch_pages", "0"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused(name: str, value: str) -> None:
    with pytest.raises(ValidationError, match=name):
        Settings.model_validate({name: value})
