"""Where settings come from, which of several counts, and one line for each that is wrong."""

from __future__ import annotations

import json
import os
import re
import ssl
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from cds.cli.main import app as cli
from cds.configuration import RENAMED, SettingsError, configure, variable_of
from cds.settings import Settings
from tests.certificates import self_signed

SECRET = "a secret that must never be shown anywhere"  # noqa: S105 (it is none)


def wrong(**environment: str) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as refused:
        configure({}, environment)
    return refused.value.lines


def test_an_option_comes_before_a_variable_a_secret_and_the_file(tmp_path: Path) -> None:
    file, folder = tmp_path / "thirdline.toml", tmp_path / "secrets"
    folder.mkdir()
    file.write_text('port = 1\nworkers = 2\nhost = "127.0.0.2"\nlog_level = "error"\nfetch_pages = 5\n')
    (folder / "cds_workers").write_text("3\n")
    (folder / "cds_host").write_text("127.0.0.3")
    (folder / "cds_log_level").write_text("warning")
    environment = {
        "CDS_SETTINGS": str(file), "CDS_SECRETS_DIR": str(folder), "CDS_HOST": "127.0.0.4", "CDS_LOG_LEVEL": "debug",
    }  # fmt: skip

    found = configure({"log_level": "critical", "port": None}, environment)

    assert (found.settings.fetch_pages, found.origins["fetch_pages"]) == (5, str(file))
    assert (found.settings.port, found.origins["port"]) == (1, str(file))
    assert (found.settings.workers, found.origins["workers"]) == (3, str(folder / "cds_workers"))
    assert (found.settings.host, found.origins["host"]) == ("127.0.0.4", "environment")
    assert (found.settings.log_level, found.origins["log_level"]) == ("critical", "option")
    assert found.origins["console"] == "default"


def test_a_file_takes_lists_and_plain_values(tmp_path: Path) -> None:
    file = tmp_path / "thirdline.toml"
    file.write_text('fhir_servers = ["https://a.example/r4", "https://b.example/r4"]\nwatch = true\nlink_hours = 2\n')

    settings = configure({}, {"CDS_SETTINGS": str(file)}).settings

    assert settings.fhir_servers == ("https://a.example/r4", "https://b.example/r4")
    assert (settings.watch, settings.link_hours) == (True, 2.0)


@pytest.mark.parametrize(
    ("variables", "lines"),
    [
        (
            {"CDS_PORT": "http"},
            ["CDS_PORT (environment): 'http' is not a whole number from 0 to 65535. Port to listen on;"],
        ),
        ({"CDS_WATCH": "perhaps"}, ["CDS_WATCH (environment): 'perhaps' is not true or false."]),
        ({"CDS_ENGINE": "neither"}, ["CDS_ENGINE (environment): 'neither' is not one of both, direct."]),
        ({"CDS_LINK_HOURS": "0"}, ["CDS_LINK_HOURS (environment): '0' is not a number above 0 to 744."]),
        ({"CDS_JOURNAL_KEY": "short"}, ["CDS_JOURNAL_KEY (environment): what is there is not a text of at least 32"]),
        ({"CDS_FHIR_SERVERS": "ftp://a"}, ["CDS_FHIR_SERVERS (environment): "]),
        ({"CDS_PROT": "1"}, ["CDS_PROT (environment) is no setting. Did you mean CDS_PORT?"]),
        ({"CDS_ZZZ": "1"}, ["CDS_ZZZ (environment) is no setting. `cds config` lists those there are."]),
        ({"CDS_TLS_KEY": "key.pem"}, ["CDS_TLS_CERTIFICATE and CDS_TLS_KEY need each other"]),
        ({"CDS_SETTINGS": "/nowhere.toml"}, ["CDS_SETTINGS: /nowhere.toml cannot be read: No such file or directory."]),
        ({"CDS_SECRETS_DIR": "/nowhere"}, ["CDS_SECRETS_DIR: /nowhere cannot be read: No such file or directory."]),
        ({"CDS_PORT": "x", "CDS_WORKERS": "99"}, ["CDS_PORT (", "CDS_WORKERS ("]),
    ],
)
def test_each_wrong_one_is_one_line_that_says_what_is_asked_for(variables: dict[str, str], lines: list[str]) -> None:
    told = wrong(**variables)

    assert len(told) == len(lines)
    for line, start in zip(told, lines, strict=True):
        assert line.startswith(start)
        assert "\n" not in line


def test_what_is_wrong_in_a_file_names_the_file(tmp_path: Path) -> None:
    file = tmp_path / "thirdline.toml"
    file.write_text('prot = 1\nworkers = "many"\n[serve]\nport = 2\n')
    told = wrong(CDS_SETTINGS=str(file))

    assert any(line == f"prot ({file}) is no setting. Did you mean port?" for line in told)
    assert any(line.startswith(f"CDS_WORKERS ({file}): 'many' is not a whole number") for line in told)
    assert any(line.startswith(f"serve ({file}) is a table.") for line in told)

    file.write_text("port = \n")
    assert "line 1" in wrong(CDS_SETTINGS=str(file))[0]
    os.mkfifo(tmp_path / "pipe")
    assert "is not a file" in wrong(CDS_SETTINGS=str(tmp_path / "pipe"))[0]


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_a_former_name_still_works_and_says_the_new_one(old: str, new: str) -> None:
    assert old not in Settings.model_fields
    found = configure({}, {variable_of(old): "40"})

    assert getattr(found.settings, new) == 40
    assert found.notices == (
        f"{variable_of(old)} (environment) is now called {variable_of(new)}; the old name goes in version 0.4.",
    )
    both = configure({}, {variable_of(old): "40", variable_of(new): "50"})
    assert getattr(both.settings, new) == 50


def test_an_empty_variable_is_not_set() -> None:
    assert configure({}, {"CDS_TENANTS": "", "CDS_PORT": ""}).origins["tenants"] == "default"


def test_config_shows_what_is_in_force_and_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDS_JOURNAL_KEY", SECRET)
    monkeypatch.setenv("CDS_JOURNAL", f"postgresql://ann:{SECRET.replace(' ', '-')}@db/thirdline")
    monkeypatch.setenv("CDS_WORKERS", "3")
    shown = CliRunner().invoke(cli, ["config", "--json"])
    found = json.loads(shown.stdout)

    assert set(found) == {variable_of(name) for name in Settings.model_fields}
    assert found["CDS_WORKERS"] == {"value": "3", "from": "environment"}
    assert found["CDS_JOURNAL_KEY"]["value"] == "set"
    assert found["CDS_JOURNAL"]["value"] == "postgresql://ann:***@db/thirdline"
    assert found["CDS_OIDC_CLIENT_SECRET"]["value"] == "not set"
    assert "secret" not in shown.stdout.lower().replace("client_secret", "")

    monkeypatch.delenv("CDS_JOURNAL")
    changed = CliRunner().invoke(cli, ["config", "--changed"])
    assert "CDS_WORKERS" in changed.stdout
    assert "CDS_PORT" not in changed.stdout


@pytest.mark.processes
@pytest.mark.parametrize("command", [["serve"], ["config"], ["check"], ["journal", "stats"]])
def test_no_command_answers_wrong_settings_with_a_traceback(command: list[str]) -> None:
    ended = subprocess.run(
        [Path(sys.executable).parent / "cds", *command],
        env=os.environ | {"CDS_PORT": "http", "CDS_PROT": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 2


def test_an_option_is_held_to_what_a_variable_is_held_to() -> None:
    ended = CliRunner().invoke(cli, ["serve", "--port", "70000"])

    assert ended.exit_code == 2
    assert "CDS_PORT (option): 70000 is not a whole number from 0 to 65535" in ended.stderr


def test_the_version_is_that_of_the_package() -> None:
    from cds import __version__

    assert CliRunner().invoke(cli, ["--version"]).stdout.split() == ["thirdline", __version__]


@pytest.mark.processes
def test_https_is_answered_to_those_whose_certificate_is_of_the_authority(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path, "localhost")
    tls = {"CDS_TLS_CERTIFICATE": str(certificate), "CDS_TLS_KEY": str(key), "CDS_TLS_CLIENT_CA": str(certificate)}
    environment = os.environ | tls | {"CDS_PORT": "0", "CDS_ENGINE": "direct", "CDS_HOST": "localhost"}
    command = [str(Path(sys.executable).parent / "cds"), "serve"]
    trusting = ssl.create_default_context(cafile=str(certificate))
    known = ssl.create_default_context(cafile=str(certificate))
    known.load_cert_chain(certificate, key)
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as running:
        try:
            assert running.stderr is not None
            port = next(found[1] for line in running.stderr if (found := re.search(r"on https://\S+:(\d+)", line)))
            answer = httpx.get(f"https://localhost:{port}/cds-services", verify=known)
            with pytest.raises(httpx.TransportError):
                httpx.get(f"https://localhost:{port}/cds-services", verify=trusting)
        finally:
            running.kill()

    assert answer.json()["services"]
