"""The tenants file: every mistake is said, with its line, and nothing starts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from cds.app import create_app
from cds.auth.jwks import address_of
from cds.auth.smart import SmartClient
from cds.auth.tenants import KeysEntry, TenantEntry, TenantsError, read_tenants
from cds.fhir_client.allowlist import ServerAllowlist, base_url
from cds.settings import Settings
from cds.yaml_source.problem import RulesError
from tests.api.callers import BASE, ec_key, key_set
from tests.server import ROOT

ENCRYPTS = {"keys": [key_set(ec_key("south"))["keys"][0] | {"use": "enc"}]}
GOOD = f"""\
tenants:
  - name: north
    issuers: [https://north.example]
    keys:
      set: {json.dumps(key_set(ec_key("north")))}
    fhir_servers: [https://north.example/fhir]
    fhir_networks: [10.0.0.0/8]
  - name: south
    issuers: [https://south.example, https://south-test.example]
    keys: {{urls: [https://south.example/jwks.json]}}
    algorithms: [RS384]
"""


def read(folder: Path, text: str) -> Any:
    path = folder / "tenants.yaml"
    path.write_text(text)
    inherited = ServerAllowlist((base_url("https://shared.example/fhir"),))
    return read_tenants(path, inherited, ROOT / "rules", 600.0)


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(TenantsError) as wrong:
        read(folder, text)
    return [str(problem) for problem in wrong.value.problems]


def test_what_a_tenant_does_not_name_is_that_of_the_settings(tmp_path: Path) -> None:
    (north, south), clients = read(tmp_path, GOOD)

    assert north.algorithms == ("ES384", "RS384")
    assert [str(base) for base in north.servers.bases] == ["https://north.example/fhir"]
    assert [str(base) for base in south.servers.bases] == ["https://shared.example/fhir"]
    assert [str(network) for network in north.servers.networks] == ["10.0.0.0/8"]
    assert north.rules == south.rules == ROOT / "rules"
    assert len(clients) == 1


def test_an_empty_list_of_servers_means_none(tmp_path: Path) -> None:
    (north, _), _ = read(tmp_path, GOOD.replace("[https://north.example/fhir]", "[]"))

    assert north.servers.bases == ()


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("name: north", "nane: north", 2, "Did you mean `name`"),
        ("name: north", "name: North Wing", 2, "tenants.0.name"),
        ("name: south", "name: north", 8, "north stands twice"),
        ("https://south.example,", "https://north.example,", 9, "https://north.example stands twice"),
        ("https://south-test.example", "https://south.example", 9, "https://south.example stands twice"),
        ("    issuers: [https://north.example]\n", "", 2, "`tenants.0.issuers` is missing"),
        ("[https://north.example]", "[]", 3, "at least 1"),
        ("keys: {urls: [https://south.example/jwks.json]}", "keys: {}", 10, "exactly one of file, set and urls"),
        ("{urls: [https://south", "{file: a.json, urls: [https://south", 10, "exactly one of file, set and urls"),
        ("https://south.example/jwks.json", "http://south.example/jwks.json", 10, "over https"),
        ("https://south.example/jwks.json", "https://u:p@south.example/", 10, "user name"),
        ("{urls: [https://south.example/jwks.json]}", "{file: nowhere.json}", 10, "No such file"),
        ("{urls: [https://south.example/jwks.json]}", "{file: tenants.yaml}", 10, "not JSON"),
        ("{urls: [https://south.example/jwks.json]}", "{set: {keys: []}}", 10, "no RSA or EC key"),
        ("{urls: [https://south.example/jwks.json]}", f"{{set: {json.dumps(ENCRYPTS)}}}", 10, "no RSA or EC key"),
        ("{urls: [https://south.example/jwks.json]}", "{set: {keys: [{kty: oct, k: YQ}]}}", 10, "private or shared"),
        ("[RS384]", "[HS384]", 11, "tenants.1.algorithms.0"),
        ("[RS384]", "[none]", 11, "tenants.1.algorithms.0"),
        ("[RS384]", "[]", 11, "at least 1"),
        ("[RS384]", "[RS384]\n    rules: nowhere", 12, "no such folder"),
        ("[https://north.example/fhir]", "[ftp://north.example]", 6, "http(s)"),
        ("[10.0.0.0/8]", "[ten]", 7, "10.0.0.0/8"),
        ("algorithms: [RS384]", "key_networks: [ten]", 11, "10.0.0.0/8"),
        ("  - name: south", "  - nome: south\n    name: south", 8, "Did you mean"),
    ],
)
def test_a_mistake_is_said_with_its_line_and_what_to_write(
    tmp_path: Path, old: str, new: str, line: int, words: str
) -> None:
    assert old in GOOD

    found = problems(tmp_path, GOOD.replace(old, new, 1))

    assert any(f"tenants.yaml:{line}:" in problem and words in problem for problem in found), found


def test_all_mistakes_are_said_at_once(tmp_path: Path) -> None:
    text = GOOD.replace("[https://north.example/fhir]", "[ftp://x]").replace("https://south.example/", "http://s/")

    assert len(problems(tmp_path, text)) == 2


@pytest.mark.parametrize("text", ["", "tenants: [", "tenants: []", "- a", "tenants:\n  - a: 1\n    a: 2\n"])
def test_what_is_no_tenants_file_is_refused(tmp_path: Path, text: str) -> None:
    assert problems(tmp_path, text)


def test_a_file_that_is_not_there_or_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe")

    for name in ("nowhere.yaml", "bytes.yaml"):
        with pytest.raises(TenantsError, match="1 problem"):
            read_tenants(tmp_path / name, ServerAllowlist(), ROOT / "rules", 600.0)


@pytest.mark.seconds
def test_a_tenants_wrong_rules_keep_the_service_from_starting(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "rules", tmp_path / "own", ignore=shutil.ignore_patterns("*.test.yaml"))
    with (tmp_path / "own" / "ketamine" / "evaluation.yaml").open("a") as wrong:
        wrong.write("\nnonsense: 1\n")
    path = tmp_path / "tenants.yaml"
    path.write_text(GOOD + "    rules: own\n")

    with pytest.raises(RulesError) as refused:
        create_app(Settings(tenants=path, public_url=BASE))

    assert any("nonsense" in str(problem) for problem in refused.value.problems)


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        ("https://keys.example/jwks", True),
        ("https://keys.example/jwks?v=1", True),
        ("http://127.0.0.1:8080/jwks", True),
        ("http://[::1]/jwks", True),
        ("http://localhost/jwks", False),
        ("http://10.0.0.1/jwks", False),
        ("file:///etc/passwd", False),
        ("https:///jwks", False),
        ("https://keys.example/jwks#a", False),
        ("jwks.json", False),
    ],
)
def test_keys_are_read_over_https_or_on_this_machine(text: str, taken: bool) -> None:
    if taken:
        assert address_of(text) == text
    else:
        with pytest.raises(ValueError, match=r"\w"):
            address_of(text)


def test_the_documented_file_is_one(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "integrators" / "authentication.md").read_text()
    text = page.split("<!-- tenants:begin -->")[1].split("<!-- tenants:end -->")[0].strip().removeprefix("```yaml")
    (tmp_path / "south.jwks.json").write_text(json.dumps(key_set(ec_key("south"))))
    (tmp_path / "rules-of-south").mkdir()

    (north, south), _ = read(tmp_path, text.removesuffix("```"))

    assert north.algorithms == ("ES384", "RS384")
    assert (south.audiences, south.rules) == (("urn:thirdline",), tmp_path / "rules-of-south")


def test_the_documented_keys_are_all_of_them() -> None:
    page = (ROOT / "docs" / "integrators" / "authentication.md").read_text()

    for name in [*TenantEntry.model_fields, *KeysEntry.model_fields]:
        assert f"`{name}`" in page


SMART = GOOD.replace(
    "    fhir_networks:", "    smart: {client_id: north-app, client_secret_file: secret.txt}\n    fhir_networks:"
)


def test_a_tenant_may_be_known_to_its_ehr_by_a_name_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("of north\n")

    (north, south), _ = read(tmp_path, SMART)

    assert north.smart == SmartClient("north-app", "of north")
    assert south.smart is None


@pytest.mark.parametrize("content", [None, "", " \n"])
def test_a_secret_that_is_not_there_is_said(content: str | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "secret.txt").write_text(content)

    (problem,) = problems(tmp_path, SMART)

    assert "smart.client_secret_file" in problem
