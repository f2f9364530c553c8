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
