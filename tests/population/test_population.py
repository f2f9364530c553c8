"""A bulk export, decided patient by patient: the same answers as one by one, and nothing lost on the way."""

from __future__ import annotations

import gzip
import json
import signal
import subprocess
import sys
import time
from collections import defaultdict
from datetime import date, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
from typer.testing import CliRunner

from cds.cli.main import app
from cds.decide import Ruleset, decide
from cds.engine import explain
from cds.engine.evaluator import EvaluatorMode
from cds.population.cohort import cohort_in
from cds.population.export import ExportError, find_export
from cds.population.lines import LineUse, sort_line
from cds.population.omop import CohortTableError, cohort_table
from cds.population.row import DecisionRows, definition_column
from cds.population.run import RunOptions, RunProgress, RunSummary, rows_in, run_population
from cds.read_request import read_record
from cds.record.fhir import READ_TYPES
from cds.rulebook.format.cohort import ExportedType
from cds.settings import Settings
from tests.shipped import shipped_rules

ROOT = Path(__file__).parents[2]
TODAY = date(2026, 6, 1)
TRD = "is_treatment_resistant_depression"
Lines = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def rules() -> Ruleset:
    return shipped_rules(EvaluatorMode.DIRECT)


def lines_of(number: int = 1) -> Lines:
    """The resources of the shipped bundle, as patients p1 … pN of an export."""
    text = (ROOT / "fhir_examples" / "bundle.json").read_text()
    own = json.loads(text)["entry"]
    (patient,) = [entry["resource"]["id"] for entry in own if entry["resource"]["resourceType"] == "Patient"]
    found: Lines = defaultdict(list)
    for one in range(1, number + 1):
        for entry in json.loads(text.replace(f"Patient/{patient}", f"Patient/p{one}"))["entry"]:
            resource = entry["resource"]
            resource["id"] = f"p{one}" if resource["resourceType"] == "Patient" else f"{resource['id']}-{one}"
            found[resource["resourceType"]].append(resource)
    return found


def write(folder: Path, lines: Lines, packed: tuple[str, ...] = ()) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for kind, resources in lines.items():
        text = "".join(f"{json.dumps(resource)}\n" for resource in resources).encode()
        if kind in packed:
            (folder / f"{kind}.000.ndjson.gz").write_bytes(gzip.compress(text))
        else:
            (folder / f"{kind}.000.ndjson").write_bytes(text)
    return folder


def run(rules: Ruleset, export: Path, out: Path, **options: Any) -> tuple[RunSummary, dict[str, dict[str, Any]]]:
    chosen = RunOptions(options.pop("as_of", TODAY), TODAY, **{"jobs": 1} | options)
    summary = run_population(DecisionRows(rules, Settings()), export, out, chosen, RunProgress())
    return summary, {row["patient"]: row for row in rows_in(out)}


def test_each_patient_is_decided_as_alone(rules: Ruleset, tmp_path: Path) -> None:
    export = write(tmp_path / "export", lines_of(3))
    _, rows = run(rules, export, tmp_path / "out")

    with cohort_in(export) as cohort:
        bodies = [patient.body for patient in cohort.patients()]
    for body in bodies:
        record, _ = read_record(body, rules, Settings())
        alone = decide(rules, record, TODAY)
        row = rows[json.loads(body)["entry"][0]["resource"]["id"]]
        assert row["cards"] == [[c.name, c.indicator, c.rule.id, c.rule.version] for c in alone.cards]
        authors = {name for name in alone.truths if rules.program.heads[name].is_an_authors}
        assert {name: row[f"is_{name}"] for name in authors} == {name: alone.truths[name].value for name in authors}
    assert sorted(rows) == ["p1", "p2", "p3"]
    assert {row[TRD] for row in rows.values()} == {"true"}


@pytest.mark.seconds
def test_gzip_order_and_number_of_processes_change_no_byte(rules: Ruleset, tmp_path: Path) -> None:
    lines = lines_of(4)
    plain = write(tmp_path / "plain", lines)
    turned = {kind: resources[::-1] for kind, resources in lines.items()}
    packed = write(tmp_path / "packed", turned, packed=("Condition", "MedicationRequest"))

    run(rules, plain, tmp_path / "a")
    run(rules, packed, tmp_path / "b", jobs=2)

    def rows(out: Path) -> dict[str, bytes]:
        return {file.name: file.read_bytes() for file in (out / "rows").iterdir()}

    assert rows(tmp_path / "a") == rows(tmp_path / "b")


def test_of_an_exported_type_a_patient_without_one_has_none(rules: Ruleset, tmp_path: Path) -> None:
    lines = lines_of()
    without = write(tmp_path / "without", lines)
    (tmp_path / "with").mkdir()
    empty = write(tmp_path / "with", lines)
    (empty / "ServiceRequest.000.ndjson").write_text("")

    _, unknown = run(rules, without, tmp_path / "a")
    _, told = run(rules, without, tmp_path / "b", exported=("ServiceRequest",))
    _, none = run(rules, empty, tmp_path / "c")

    assert unknown["p1"]["is_referral_active"] == "unknown"
    assert told["p1"]["is_referral_active"] == none["p1"]["is_referral_active"] == "false"


def test_a_version_in_a_reference_and_an_absolute_one_name_the_same_patient(rules: Ruleset, tmp_path: Path) -> None:
    lines = lines_of()
    for number, order in enumerate(lines["MedicationRequest"]):
        order["subject"] = {
            "reference": ("Patient/p1/_history/2", "https://ehr.example/fhir/Patient/p1")[number % 2]
        }  # fmt: skip
    summary, rows = run(rules, write(tmp_path / "export", lines), tmp_path / "out")

    assert (summary.patients, rows["p1"][TRD]) == (1, "true")


def test_shared_medications_reach_the_orders_that_name_them(rules: Ruleset, tmp_path: Path) -> None:
    lines = lines_of()
    for number, order in enumerate(lines["MedicationRequest"]):
        concept = order.pop("medicationCodeableConcept")
        lines["Medication"].append({"resourceType": "Medication", "id": f"m{number}", "code": concept})
        order["medicationReference"] = {"reference": f"Medication/m{number}"}
    lines["Medication"].append({"resourceType": "Medication", "id": "not-named"})
    export = write(tmp_path / "export", lines)

    summary, rows = run(rules, export, tmp_path / "out")

    assert (summary.patients, summary.bad_lines, rows["p1"][TRD]) == (1, 0, "true")
    with cohort_in(export) as cohort:
        (patient,) = cohort.patients()
    assert b"not-named" not in patient.body


def test_a_manifest_and_a_log_are_no_patients(rules: Ruleset, tmp_path: Path) -> None:
    export = write(tmp_path / "export", lines_of(2))
    manifest = {
        "transactionTime": "2026-05-31T00:00:00Z",
        "request": "https://ehr.example/fhir/Group/g/$export?_type=Patient,Condition,Procedure",
        "output": [{"type": "AllergyIntolerance", "url": "https://files.example/1"}],
    }
    (export / "manifest.json").write_text(json.dumps(manifest))
    (export / "log.ndjson").write_text('{"eventId": "kickoff"}\n')
    (export / "other.json").write_text('{"some": "settings"}')

    found = find_export(export)
    summary, _ = run(rules, export, tmp_path / "out")

    assert (summary.patients, summary.bad_lines) == (2, 0)
    assert "AllergyIntolerance" in found.types
    assert "Procedure" not in found.types  # asked for, but without a file nothing says that it was exported
    assert "other.json: neither a Bundle nor a CDS Hooks request" in found.passed_over
    assert found.base == "https://ehr.example/fhir"


def test_an_export_of_changes_alone_is_refused(tmp_path: Path) -> None:
    export = write(tmp_path / "export", lines_of())
    manifest = {"transactionTime": "2026", "request": "https://e.example/$export?_since=2026-01-01", "output": []}
    (export / "manifest.json").write_text(json.dumps(manifest))

    with pytest.raises(ExportError, match="only what changed since 2026-01-01"):
        find_export(export)


def test_a_type_filter_makes_its_type_in_part(rules: Ruleset, tmp_path: Path) -> None:
    lines = lines_of()
    lines["Condition"] = []
    export = write(tmp_path / "export", lines)
    _, whole = run(rules, export, tmp_path / "a")
    asked = "https://ehr.example/fhir/$export?_typeFilter=Condition%3Fclinical-status%3Dactive"
    (export / "manifest.json").write_text(json.dumps({"transactionTime": "2026", "request": asked, "output": []}))
    _, narrowed = run(rules, export, tmp_path / "b")

    assert whole["p1"][TRD] == "false"
    assert narrowed["p1"][TRD] == "unknown"


@pytest.mark.parametrize("damage", ["cut", "text"])
def test_a_line_that_cannot_be_read_is_named_and_nobodys_no_rests_on_it(
    rules: Ruleset, tmp_path: Path, damage: str
) -> None:
    lines = lines_of(2)
    export = write(tmp_path / "export", lines)
    file = export / "Condition.000.ndjson"
    good = file.read_text().splitlines()
    bad = good[0][:-20] if damage == "cut" else '{"resourceType": "Condition", "note": "Jane Doe'
    file.write_text("\n".join([bad, *good[1:]]) + "\n")

    summary, rows = run(rules, export, tmp_path / "out")

    assert (summary.patients, summary.bad_lines) == (2, 1)
    assert summary.faults == ["Condition.000.ndjson:1 is not a FHIR resource in one line of JSON"]
    assert "Jane" not in (tmp_path / "out" / "summary.json").read_text()
    assert not summary.is_whole(0)
    assert summary.is_whole(1)
    assert rows["p1"][TRD] == "unknown"
    if damage == "cut":
        assert summary.in_part == []  # it says whose it was
    else:
        assert summary.in_part == ["Condition"]


@pytest.mark.parametrize(
    ("subject", "use", "owner"),
    [
        (b'{"reference": "Patient/p1", "display": "\xff"}', LineUse.PATIENT, "p1"),
        (b'{"reference": "Group/1"}', LineUse.NOBODY, ""),
        (b'{"reference": "https://ehr.example/Device/1/_history/2"}', LineUse.NOBODY, ""),
        (b'{"type": "Group", "display": "a clinic"}', LineUse.NOBODY, ""),
        (b'{"reference": "Patient/\xff"}', LineUse.FAULT, ""),
        (b'{"reference": "urn:uuid:6d1e9f7a-7f3c-4a5e-9d38-0b8f6f4f1c11"}', LineUse.FAULT, ""),
        (b'{"identifier": {"value": "17"}}', LineUse.FAULT, ""),
        (b'{"reference": 1}', LineUse.FAULT, ""),
        (b'"Patient/p1"', LineUse.FAULT, ""),
        (b"null", LineUse.FAULT, ""),
    ],
)
def test_a_subject_that_cannot_be_followed_may_be_anybody(subject: bytes, use: LineUse, owner: str) -> None:
    """It is a line that is lost, so that nobody is told "none"; what plainly is no patient costs nobody anything."""
    read = sort_line(b'{"resourceType": "Condition", "id": "c", "subject": ' + subject + b"}")

    assert (read.use, read.kind, read.owner) == (use, "Condition", owner)
    assert read.lost == (("Condition",) if use is LineUse.FAULT else ())


def test_what_was_deleted_is_not_seen(rules: Ruleset, tmp_path: Path) -> None:
    lines = lines_of()
    export = write(tmp_path / "export", lines)
    gone = [{"request": {"method": "DELETE", "url": f"Condition/{one['id']}"}} for one in lines["Condition"]]
    (export / "deleted").mkdir()
    (export / "deleted" / "Bundle.ndjson").write_text(json.dumps({"resourceType": "Bundle", "entry": gone}) + "\n")

    _, rows = run(rules, export, tmp_path / "out")

    assert rows["p1"][TRD] == "false"


def test_what_could_not_be_exported_is_known_in_part(rules: Ruleset, tmp_path: Path) -> None:
    export = write(tmp_path / "export", lines_of())
    (export / "error").mkdir()
    (export / "error" / "AllergyIntolerance.ndjson").write_text('{"resourceType": "OperationOutcome"}\n')

    summary, _ = run(rules, export, tmp_path / "out")

    assert summary.in_part == ["AllergyIntolerance"]


def test_what_was_charted_after_the_day_is_not_seen_as_of_it(rules: Ruleset, tmp_path: Path) -> None:
    lines = lines_of()
    for diagnosis in lines["Condition"]:
        diagnosis["recordedDate"] = "2026-05-30"
        diagnosis["onsetDateTime"] = "2025-01-01"
    export = write(tmp_path / "export", lines)

    _, now = run(rules, export, tmp_path / "now")
    _, then = run(rules, export, tmp_path / "then", as_of=date(2026, 5, 29))

    assert now["p1"][TRD] == "true"
    assert then["p1"][TRD] == "false"


def test_a_patient_who_cannot_be_decided_for_is_a_row(rules: Ruleset, tmp_path: Path) -> None:
    (tmp_path / "export").mkdir()
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [
        {"resource": {"resourceType": "Patient", "id": one}} for one in ("a", "b")
    ]}  # fmt: skip
    (tmp_path / "export" / "two.json").write_text(json.dumps(bundle))

    summary, rows = run(rules, tmp_path / "export", tmp_path / "out")

    assert summary.outcomes == {"refused": 1}
    assert rows["two.json"]["why"]


def test_another_run_in_the_same_folder_is_refused(rules: Ruleset, tmp_path: Path) -> None:
    export = write(tmp_path / "export", lines_of())
    run(rules, export, tmp_path / "out")
    run(rules, export, tmp_path / "out")  # the same one: nothing to do
    (export / "Procedure.000.ndjson").write_text("")

    with pytest.raises(ExportError, match="holds another run"):
        run(rules, export, tmp_path / "out")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("x")
    with pytest.raises(ExportError, match="is not empty"):
        run(rules, export, tmp_path / "full")


def test_rows_cost_no_look_at_what_a_missing_fact_could_change(
    rules: Ruleset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row names what is missing; what each could make of the answer is for cards, whose texts are in no row."""
    lines = lines_of()
    for order in lines["MedicationRequest"]:
        order["dosageInstruction"] = []
    asked: list[str] = []
    asking = explain._Could.__init__

    def counted(could: explain._Could, name: str, *rest: Any) -> None:
        asked.append(name)
        asking(could, name, *rest)

    monkeypatch.setattr(explain._Could, "__init__", counted)
    export = write(tmp_path / "export", lines)
    with cohort_in(export) as cohort:
        (body,) = [patient.body for patient in cohort.patients()]
    decide(rules, read_record(body, rules, Settings())[0], TODAY)
    by_its_cards, asked[:] = list(asked), []

    _, rows = run(rules, export, tmp_path / "out")

    assert rows["p1"]["missing"]
    assert by_its_cards
    assert not asked


@pytest.mark.processes
@pytest.mark.slow
def test_a_run_that_was_killed_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    export = write(tmp_path / "export", lines_of(300))
    command = [sys.executable, "-c", "from cds.cli.main import main; main()", "population", "run", str(export)]
    options = ["--jobs", "1", "--today", "2026-06-01"]
    subprocess.run([*command, str(tmp_path / "whole"), *options], check=True, capture_output=True)
    killed = tmp_path / "killed"
    running = subprocess.Popen([*command, str(killed), *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while len(list(killed.glob("rows/*.ndjson"))) < 3:
        assert running.poll() is None, "it ended before it was killed"
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    running.wait()
    done = {file.name: file.stat().st_mtime_ns for file in killed.glob("rows/*.ndjson")}
    assert not (killed / "summary.json").exists()

    subprocess.run([*command, str(killed), *options], check=True, capture_output=True)

    for file in (tmp_path / "whole").rglob("*"):
        if file.is_file():
            assert (killed / file.relative_to(tmp_path / "whole")).read_bytes() == file.read_bytes()
    assert not list(killed.rglob(".*"))
    assert all((killed / "rows" / name).stat().st_mtime_ns == when for name, when in done.items())
    assert len(list(rows_in(killed))) == 300


def test_bundles_and_requests_of_a_folder_are_patients_named_by_their_place(tmp_path: Path) -> None:
    line = json.dumps(json.loads((ROOT / "fhir_examples" / "bundle.json").read_text()))
    (tmp_path / "cohort.ndjson").write_text(f"\ufeff{line}\n\n{line}\n")
    (tmp_path / "one.json").write_text(line)

    with cohort_in(tmp_path) as cohort:
        patients = list(cohort.patients())

    assert [patient.name for patient in patients] == ["cohort.ndjson:1", "cohort.ndjson:3", "one.json"]
    assert [json.loads(patient.body.decode("utf-8-sig")) for patient in patients] == [json.loads(line)] * 3


@pytest.mark.seconds
def test_a_published_definition_comes_out_as_the_cohort_table_of_omop(tmp_path: Path) -> None:
    """The day of entry is the index day; a person_id comes from the id, or from a file of both."""
    drugs = [("36437", "sertraline", 10), ("39786", "venlafaxine", 100), ("15996", "mirtazapine", 190)]
    lines: Lines = defaultdict(list)
    for person, taken in (("11", 3), ("12", 2)):
        subject = {"reference": f"Patient/{person}"}
        lines["Patient"].append(
            {"resourceType": "Patient", "id": person, "birthDate": "1980-01-01", "gender": "female"}
        )
        lines["Condition"].append(
            {
                "resourceType": "Condition", "id": f"c{person}", "subject": subject, "onsetDateTime": "2025-01-05",
                "code": {"coding": [{"system": "http://snomed.info/sct", "code": "35489007"}]},
            }
        )  # fmt: skip
        for code, name, after in drugs[:taken]:
            day = date(2025, 1, 1) + timedelta(after)
            lines["MedicationRequest"].append(
                {
                    "resourceType": "MedicationRequest", "id": f"{name}-{person}", "status": "completed",
                    "intent": "order", "subject": subject, "authoredOn": day.isoformat(),
                    "medicationCodeableConcept": {
                        "coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": code}],
                        "text": name,
                    },
                    "dispenseRequest": {
                        "validityPeriod": {
                            "start": day.isoformat(), "end": (day + timedelta(59)).isoformat(),
                        },
                        "expectedSupplyDuration": {"value": 60, "unit": "d"},
                    },
                }
            )  # fmt: skip
    export = write(tmp_path / "export", lines)
    loaded = shipped_rules(EvaluatorMode.DIRECT, ("ohdsi-1009",))
    _, rows = run(loaded, export, tmp_path / "out")
    column = definition_column("ohdsi-1009")
    assert [rows[person][column] for person in ("11", "12")] == ["true", "false"]

    asked = ["population", "omop", str(tmp_path / "out"), "--definition", "ohdsi-1009", "--cohort-id", "1009"]
    assert CliRunner().invoke(app, asked).stdout.splitlines() == [
        "cohort_definition_id,subject_id,cohort_start_date,cohort_end_date",
        "1009,11,2025-07-10,2026-06-01",
    ]

    named = [{"patient": "a-1", "outcome": "decided", "as_of": "2026-06-01", column: "true"}]
    assert [line.subject_id for line in cohort_table(named, "ohdsi-1009", 1, {"a-1": 77})] == [77]
    with pytest.raises(CohortTableError, match="--persons"):
        list(cohort_table(named, "ohdsi-1009", 1, None))
    with pytest.raises(CohortTableError, match="--definitions fabbri-2021"):
        list(cohort_table(named, "fabbri-2021", 1, {"a-1": 77}))
    unknown = [named[0] | {column: "unknown"}]
    assert list(cohort_table(unknown, "ohdsi-1009", 1, {"a-1": 77})) == []


@pytest.mark.seconds
def test_questions_are_answered_in_each_row_and_in_no_other_decision(rules: Ruleset, tmp_path: Path) -> None:
    lines = lines_of(2)
    for order in lines["MedicationRequest"]:
        if order["id"].endswith("-2"):
            order["dosageInstruction"] = []
    export = write(tmp_path / "export", lines)
    whole = tuple(READ_TYPES)
    asking = shipped_rules(EvaluatorMode.DIRECT, cohorts=True)
    _, plain = run(rules, export, tmp_path / "plain", exported=whole)
    _, rows = run(asking, export, tmp_path / "out", exported=whole)

    answers = {name: (rows["p1"][name], rows["p2"][name]) for name in rows["p1"] if name.startswith("cohort_")}
    assert answers == {
        "cohort_met-and-never-evaluated": ("true", "unknown"),
        "cohort_met-and-contraindicated": ("false", "false"),
        "cohort_open-for-one-thing": ("false", "false"),  # two doses are missing
        "cohort_treated-without-a-score": ("false", "false"),
    }
    assert {name for name in plain["p1"] if name.startswith("cohort_")} == set()
    assert {name: rows["p1"][name] for name in plain["p1"] if name != "missing"} == {
        name: value for name, value in plain["p1"].items() if name != "missing"
    }


def test_a_question_may_need_each_type_that_is_read_of_a_patient() -> None:
    assert set(get_args(ExportedType)) == READ_TYPES.keys() - {"Patient", "Medication"}


def test_a_question_about_one_missing_thing_is_not_asked_of_who_lacks_two(tmp_path: Path) -> None:
    lines = lines_of(1)
    first = next(order for order in lines["MedicationRequest"] if order["dosageInstruction"])
    first["dosageInstruction"] = []
    asking = shipped_rules(EvaluatorMode.DIRECT, cohorts=True)
    _, rows = run(asking, write(tmp_path / "export", lines), tmp_path / "out")

    assert len([one for one in rows["p1"]["missing"] if one[0] == "treatment_resistant_depression"]) == 1
    assert rows["p1"]["cohort_open-for-one-thing"] == "true"
