"""cds vocabulary: what of charts was not read, by what it leaves open; and the commands of its page."""

from __future__ import annotations

import json
import re
import shlex
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cds.authoring.vocabulary.unread import unread_terms
from cds.cli.main import app
from cds.engine.evaluator import EvaluatorMode
from cds.rulebook.loader import read_rulebook
from cds.settings import Settings
from cds.terminology.vocabulary import EntryKind
from tests.shipped import shipped_rules

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[3] / "docs" / "rule-authors" / "vocabulary.md"
TODAY = date(2026, 6, 1)
SITE = "site: {id: st-elsewhere, name: St. Elsewhere, uses: [evaluation >=1.0 <99.0]}\n"
ANEURYSM = '  - {code: "urn:st-elsewhere:dx|4712", display: Aneurysm, means: aneurysmal-vascular-disease}\n'
CASE = """\
today: 2026-06-01
patients:
  somebody: {age: 46, sex: female}
tests:
  - name: A code of our catalog is an aneurysm
    given: somebody
    but: {conditions: [{code: "4712", system: "urn:st-elsewhere:dx", onset: 2026-05-20}]}
    then: {ketamine_contraindicated: true}
"""


def chart(number: int, *codes: dict[str, Any]) -> bytes:
    subject = {"reference": f"Patient/p{number}"}
    patient = {"resourceType": "Patient", "id": f"p{number}", "gender": "female", "birthDate": "1980-01-01"}
    conditions = [
        {
            "resourceType": "Condition",
            "id": f"c{place}",
            "subject": subject,
            "code": code,
            "onsetDateTime": "2026-05-01",
        }
        for place, code in enumerate(codes)
    ]
    entries = [{"resource": one} for one in (patient, *conditions)]
    return json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}).encode()


LOCAL = {"coding": [{"system": "urn:here:dx", "code": "4711", "display": "Hirn-Aneurysmen xq"}]}
WORDS = {"text": "Verstauchter Knöxel"}
KNOWN = {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "J45.909", "display": "Asthma"}]}
CHARTS = (chart(1, KNOWN, LOCAL, WORDS), chart(2, KNOWN, LOCAL), chart(3, KNOWN), chart(4, LOCAL, LOCAL))


def test_terms_are_counted_by_chart_and_by_what_each_alone_leaves_open() -> None:
    rules = shipped_rules(EvaluatorMode.DIRECT)

    terms, charts = unread_terms(rules, CHARTS, TODAY, Settings())

    assert charts == 4
    assert [(one.code, one.text, one.times, one.patients, one.kind) for one in terms] == [
        ("", "Verstauchter Knöxel", 1, 1, EntryKind.CONDITION),
        ("urn:here:dx|4711", "Hirn-Aneurysmen xq", 4, 3, EntryKind.CONDITION),
    ]  # what is read in part leaves less open
    # In the first chart both leave the same open: neither hides the other.
    assert all(one.leaves_open.total() > 0 for one in terms)
    assert terms[1].leaves_open.most_common(1)[0][1] == 3


def run(tmp_path: Path, *arguments: str) -> tuple[int, str]:
    shown = CliRunner().invoke(app, ["vocabulary", *arguments, "--today", "2026-06-01"])
    return shown.exit_code, " ".join(shown.output.split())


@pytest.fixture
def charts(tmp_path: Path) -> Path:
    folder = tmp_path / "charts"
    folder.mkdir()
    for number, body in enumerate(CHARTS):
        (folder / f"{number}.json").write_bytes(body)
    return folder


def test_the_command_names_terms_with_what_they_may_mean(tmp_path: Path, charts: Path) -> None:
    code, said = run(tmp_path, str(charts))

    assert code == 1
    assert "4 × in 3 chart(s), condition: urn:here:dx|4711 “Hirn-Aneurysmen xq” leaves open: " in said
    assert "perhaps means: aneurysmal-vascular-disease (like " in said
    assert said.endswith("4 charts: 5 entries not read, 2 codes and texts")


def test_what_it_prints_as_yaml_is_refused_until_it_is_decided_and_then_quiet(tmp_path: Path, charts: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "site.yaml").write_text(SITE, encoding="utf-8")
    shown = CliRunner().invoke(app, ["vocabulary", str(charts), "--yaml", "--today", "2026-06-01"])
    (site / "vocabulary.yaml").write_text(shown.stdout, encoding="utf-8")
    assert [one for one in read_rulebook(site).problems if not one.warning]

    decided = re.sub(r'code: (.*) means: "TODO: decide"', r"code: \1 means: aneurysmal-vascular-disease", shown.stdout)
    decided = re.sub(r'text: (.*) means: "TODO: decide"', r"text: \1 means: other", decided)
    decided = re.sub(r'"TODO: [^"]*"', "Decided", decided).replace("2000-01-01", "2027-01-01")
    (site / "vocabulary.yaml").write_text(decided, encoding="utf-8")

    assert "0 error(s)" in CliRunner().invoke(app, ["check", str(site), "--today", "2026-06-01"]).output
    assert run(tmp_path, str(charts), "--rules", str(site)) == (0, "4 charts: 0 entries not read, 0 codes and texts")


def test_a_file_that_is_no_chart_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "wrong.json").write_text("{", encoding="utf-8")
    (tmp_path / "wrong.ndjson").write_text("{\n", encoding="utf-8")

    assert run(tmp_path, str(tmp_path / "wrong.json"))[0] == 1
    code, said = run(tmp_path, str(tmp_path / "wrong.ndjson"))
    assert code == 1 and "wrong.ndjson:1 is not a FHIR resource" in said
    assert run(tmp_path, str(tmp_path / "nothing.json"))[0] == 2
    assert run(tmp_path)[0] == 2


def test_the_commands_of_the_page_run(tmp_path: Path, charts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = PAGE.read_text(encoding="utf-8")
    site = tmp_path / "site"
    site.mkdir()
    (site / "site.yaml").write_text(SITE, encoding="utf-8")
    (example,) = (block for block in re.findall(r"^```yaml\n(.*?)^```", text, re.DOTALL | re.MULTILINE))
    (site / "vocabulary.yaml").write_text(example + ANEURYSM, encoding="utf-8")
    (site / "ours.test.yaml").write_text(CASE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CDS_JOURNAL", f"{tmp_path}/journal.sqlite3")

    commands = re.findall(r"^\$ cds (.*)$", text, re.MULTILINE)

    assert len(commands) >= 4
    for command in commands:
        shown = CliRunner().invoke(app, shlex.split(command))
        assert shown.exit_code in {0, 1}, (command, shown.output)
        assert not isinstance(shown.exception, Exception) or isinstance(shown.exception, SystemExit), command
        if command.startswith(("check", "test")):
            assert shown.exit_code == 0, (command, shown.output)


def test_a_result_under_a_name_nobody_reads_is_listed_until_the_site_says_what_it_is(tmp_path: Path) -> None:
    def observed(number: int, day: str, coding: dict[str, str]) -> dict[str, Any]:
        return {
            "resourceType": "Observation", "id": f"o{number}", "status": "final", "code": {"coding": [coding]},
            "subject": {"reference": "Patient/p1"}, "effectiveDateTime": day, "valueInteger": 18 - 15 * number,
        }  # fmt: skip

    body = json.loads(chart(1, KNOWN))
    scores = (
        observed(0, "2026-05-10", {"system": "http://loinc.org", "code": "44261-6"}),
        observed(1, "2026-05-20", {"system": "urn:here:flow", "code": "77"}),
    )
    body["entry"] += [{"resource": one} for one in scores]
    (tmp_path / "chart.json").write_text(json.dumps(body))
    site = tmp_path / "site"
    site.mkdir()
    (site / "site.yaml").write_text(SITE)
    asked = ["vocabulary", str(tmp_path / "chart.json"), "--rules", str(site), "--today", "2026-06-01"]

    before = CliRunner().invoke(app, asked)
    (site / "vocabulary.yaml").write_text(
        "vocabulary: {because: Our flowsheet, by: us, review: 2027-01-01}\n"
        'entries:\n  - {code: "urn:here:flow|77", display: Pain, means: other}\n'
    )
    after = CliRunner().invoke(app, asked)

    assert "observation: urn:here:flow|77" in before.output
    assert "leaves open: Currently symptomatic" in before.output
    assert (before.exit_code, after.exit_code) == (1, 0)
    assert "0 entries not read" in after.output
