"""Value sets against a terminology server in a process of its own, and against files."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cds.authoring.terminology.expansion import ExpansionSource, compare_published
from cds.authoring.terminology.proposal import Proposal
from cds.authoring.terminology.source import TerminologySourceError
from cds.cli.main import app
from cds.rulebook.loader import read_rulebook
from tests.authoring.terminology.expanding_server import ICD, KNOWN
from tests.rulebook.small_rules import GOOD, SET, write_rules

TODAY = date(2026, 11, 29)
FOLLOWS = f"""\
valueset:
  id: depression-codes
  title: Depression   # as in the registry
  canonical: "{KNOWN}"
  version: "2025"
# The list as the committee passed it.
codes:
  - system: {ICD}
    source: Invented
    verified: false
    exact:
      F33.0: Depression F33.0   # mild
      F99: Not in the registry
    with_children:
      F32: Depression, single episode
    except:
      F33.3: Depression F33.3
names:
  source: Invented
  verified: false
  words:
    [depression, low mood,
     sadness]
"""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    module = "tests.authoring.terminology.expanding_server"
    with subprocess.Popen([sys.executable, "-m", module], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}/fhir"
        process.terminate()


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    return write_rules(tmp_path / "rules", {**GOOD, SET: FOLLOWS})


def compared(rules: Path, place: str, *, newest: bool = True) -> Proposal:
    return compare_published(read_rulebook(rules).sets, ExpansionSource(place, newest=newest), TODAY)


def kinds(proposal: Proposal) -> list[tuple[str, str]]:
    return [(one.kind, one.code) for one in proposal.findings]


EXPECTED = [
    ("left-out", "F33.3"), ("new-code", "F33.1"), ("new-code", "F33.2"), ("not-in-expansion", "F99"),
    ("other-version", ""),
]  # fmt: skip


def test_an_expansion_over_http_is_read_to_its_last_page(rules: Path, server: str) -> None:
    assert kinds(compared(rules, server)) == EXPECTED


def test_the_version_a_list_names_can_be_asked_for(rules: Path, server: str) -> None:
    proposal = compared(rules, server, newest=False)

    assert [kind for kind, _ in kinds(proposal)] == ["new-code", "new-code", "not-in-expansion"]


def test_what_is_proposed_keeps_comments_and_layout(rules: Path, server: str) -> None:
    proposal = compared(rules, server)

    (edit,) = proposal.edits
    lines = [line for line in edit.diff.splitlines() if line[:1] in "+-" and line[:3] not in {"+++", "---"}]
    assert lines == [
        f'+  checked: {{date: 2026-11-29, release: "{KNOWN}|2026"}}',
        '-  version: "2025"',
        '+  version: "2026"',
        f"+  - system: {ICD}",
        f'+    source: "{KNOWN}|2026"',
        "+    verified: true",
        "+    exact:",
        '+      F33.1: "Depression F33.1"',
        '+      F33.2: "Depression F33.2"',
    ]


def test_once_written_nothing_is_new(rules: Path, server: str) -> None:
    compared(rules, server).write()

    assert kinds(compared(rules, server)) == [("left-out", "F33.3"), ("not-in-expansion", "F99")]
    shown = CliRunner().invoke(app, ["check", str(rules), "--today", "2025-06-01"])
    assert "0 error(s)" in shown.output


@pytest.mark.parametrize(
    ("url", "says"),
    [
        (
            "http://example.org/ValueSet/unknown",
            "answered 404 for http://example.org/ValueSet/unknown: Unknown ValueSet",
        ),
        ("http://example.org/ValueSet/not-whole", "is not whole"),
        ("http://example.org/ValueSet/stops", "gave 0 of 9 codes"),
        ("http://example.org/ValueSet/garbage", "did not answer with a ValueSet"),
    ],
)
def test_what_a_server_does_wrong_is_one_line(rules: Path, server: str, url: str, says: str) -> None:
    (rules / SET).write_text(FOLLOWS.replace(KNOWN, url), encoding="utf-8")

    with pytest.raises(TerminologySourceError) as wrong:
        compared(rules, server)

    assert says in str(wrong.value)
    assert "\n" not in str(wrong.value)


def test_a_server_that_is_not_there_and_a_wrong_address_are_one_line(rules: Path, server: str) -> None:
    with pytest.raises(TerminologySourceError, match="cannot be reached: ConnectError"):
        compared(rules, "http://127.0.0.1:1/fhir")
    with pytest.raises(TerminologySourceError, match="answered 404"):
        compared(rules, f"{server}/elsewhere")


# ---------------------------------------------------------------- files


def published(**more: object) -> dict[str, object]:
    return {"resourceType": "ValueSet", "url": KNOWN, "version": "2026", **more}


WHOLE = published(
    expansion={
        "total": 6,
        "contains": [
            {"system": "urn:oid:2.16.840.1.113883.6.90", "code": code, "display": f"Depression {code}"}
            for code in ("F33.0", "F33.1", "f332", "F33.3", "F32.0", "F32.1")
        ],
    }
)


def test_a_file_says_the_same_as_the_server(rules: Path, tmp_path: Path) -> None:
    file = tmp_path / "export.json"
    file.write_text(json.dumps(WHOLE), encoding="utf-8")

    assert kinds(compared(rules, str(file))) == EXPECTED
    bundle = {"resourceType": "Bundle", "entry": [{"resource": WHOLE}]}
    (tmp_path / "exports").mkdir()
    (tmp_path / "exports" / "all.json").write_text(json.dumps(bundle), encoding="utf-8")
    assert kinds(compared(rules, str(tmp_path / "exports"))) == EXPECTED


def test_a_definition_that_lists_its_codes_is_read(rules: Path, tmp_path: Path) -> None:
    concepts = [
        {"code": code, "display": f"Depression {code}"} for code in ("F33.0", "F33.1", "F33.2", "F33.3", "F32.1")
    ]
    file = tmp_path / "definition.json"
    file.write_text(
        json.dumps(published(compose={"include": [{"system": ICD, "concept": concepts}]})), encoding="utf-8"
    )

    assert kinds(compared(rules, str(file))) == EXPECTED


def test_codes_not_in_use_are_not_proposed(rules: Path, tmp_path: Path) -> None:
    contains = [
        {"system": ICD, "code": "F33.0", "display": "x"},
        {"system": ICD, "code": "F34.1", "inactive": True},
        {
            "system": ICD,
            "code": "F33",
            "abstract": True,
            "contains": [{"system": ICD, "code": "F33.9", "display": "y"}],
        },
    ]
    file = tmp_path / "export.json"
    file.write_text(json.dumps(published(expansion={"contains": contains})), encoding="utf-8")

    assert [code for kind, code in kinds(compared(rules, str(file))) if kind == "new-code"] == ["F33.9"]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"<html>", "is no JSON"),
        (b'{"resourceType": "Patient"}', "holds no ValueSet"),
        (b'{"resourceType": "ValueSet"}', "has no url"),
        (json.dumps(published(expansion={"total": 7, "contains": []})).encode(), "holds 0 of 7 codes"),
        (json.dumps(published(compose={"include": [{"system": ICD}]})).encode(), "without the codes themselves"),
        (json.dumps(published(compose={"include": [], "exclude": [{"system": ICD}]})).encode(), "with `exclude`"),
        (json.dumps({**published(), "url": "http://example.org/other"}).encode(), "holds no ValueSet http"),
    ],
)
def test_a_file_that_cannot_be_compared_with_is_one_line(rules: Path, tmp_path: Path, body: bytes, says: str) -> None:
    file = tmp_path / "export.json"
    file.write_bytes(body)

    shown = CliRunner().invoke(app, ["terminology", "diff", "valueset", str(file), "--rules", str(rules)])

    assert shown.exit_code == 1
    assert says in " ".join(shown.output.split())


def test_a_missing_file_and_rules_that_follow_nothing_are_told(rules: Path, tmp_path: Path) -> None:
    with pytest.raises(TerminologySourceError, match="does not exist"):
        compared(rules, str(tmp_path / "nothing.json"))
    with pytest.raises(TerminologySourceError, match="No value set names a `canonical`"):
        compare_published((), ExpansionSource("http://127.0.0.1:1"), TODAY)
