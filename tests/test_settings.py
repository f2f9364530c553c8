"""Environment → Settings."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from cds.rulebook.shipped import default_rules_folder
from cds.settings import Settings


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


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),  # noqa: S104 (asked about, not listened on)
        ("::", False),
        ("", False),
        ("10.0.0.7", False),
        ("cds.example", False),
        ("localhost.example", False),
    ],
)
def test_only_a_loopback_address_is_for_this_machine(host: str, ours: bool) -> None:
    assert Settings(host=host).for_this_machine is ours


def test_tenants_need_the_address_that_tokens_name(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="CDS_PUBLIC_URL"):
        Settings(tenants=tmp_path)


@pytest.mark.parametrize("address", ["cds.example", "ftp://cds.example", "https://u:p@cds.example", "https://a?b=c"])
def test_a_public_address_is_a_base_url(address: str) -> None:
    with pytest.raises(ValidationError):
        Settings(public_url=address)


def test_the_slash_at_the_end_of_the_public_address_is_nothing() -> None:
    assert Settings(public_url="https://cds.example/").public_url == "https://cds.example"


def test_a_key_too_short_to_be_a_secret_is_refused_and_none_is_shown() -> None:
    with pytest.raises(ValidationError, match="journal_key"):
        Settings(journal_key="k" * 31)

    assert "k" * 32 not in repr(Settings(journal_key="k" * 32))
