"""A file of patients and days: a row for each, from what was charted by then."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cds.cli.main import app
from cds.decide import Ruleset
from cds.population.export import ExportError
from cds.population.index_days import read_index_days
from cds.population.omop import cohort_table
from cds.population.patient import body_known_on
from cds.read_request import read_record
from tests.population.runs import TODAY, run, write_population
from tests.population.test_population import TRD, lines_of, write
from tests.server import ROOT

DAYS = ["2025-09-01", "2026-05-29", "2026-06-01"]


def index(folder: Path, *lines: str) -> Path:
    file = folder / "index.csv"
    file.write_text("\n".join(("patient,day", *lines)) + "\n", encoding="utf-8-sig")
    return file


@pytest.mark.seconds
def test_each_patient_is_decided_for_on_each_of_their_days_as_on_that_day_alone(
    asking: Ruleset, tmp_path: Path
) -> None:
    export = write_population(tmp_path / "export", 12, seed=3, size=30)
    file = index(
        tmp_path, *(f"p{one},{day}" for one in range(1, 11) for day in DAYS), "p3,2026-05-29", "nobody,2026-01-01"
    )

    summary, rows = run(asking, export, tmp_path / "out", as_of=read_index_days(file))

    alone = [(one["patient"], one["as_of"], one) for day in DAYS for one in run(
        asking, export, tmp_path / day, as_of=date.fromisoformat(day)
    )[1] if one["patient"] not in {"p11", "p12"}]  # fmt: skip
    assert sorted((one["patient"], one["as_of"]) for one in rows) == sorted(one[:2] for one in alone)
    assert {(one["patient"], one["as_of"]): one for one in rows} == {one[:2]: one[2] for one in alone}
    assert (summary.patients, summary.outcomes, summary.without_day) == (10, {"decided": 30}, 2)
    assert (summary.days_not_found, summary.lines_not_found) == (1, [33])
    assert (summary.first_day, summary.as_of) == (DAYS[0], DAYS[-1])
    assert summary.has_several_days
    assert not summary.is_whole(0)


def test_a_record_is_read_once_for_days_on_which_the_same_was_charted(
    asking: Ruleset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = lines_of(1)
    for diagnosis in lines["Condition"]:
        diagnosis["recordedDate"] = "2026-03-01"
    export = write(tmp_path / "export", lines)
    file = index(tmp_path, *(f"p1,2026-0{month}-15" for month in range(1, 6)))
    read = []

    def counted(body: bytes, *rest: Any) -> Any:
        read.append(body)
        return read_record(body, *rest)

    monkeypatch.setattr("cds.population.row.read_record", counted)
    _, rows = run(asking, export, tmp_path / "out", as_of=read_index_days(file))

    assert [one["as_of"] for one in rows] == [f"2026-0{month}-15" for month in range(1, 6)]
    assert [one[TRD] for one in rows[:2]] == ["false", "false"]
    assert len({one["input"] for one in rows}) == len(read)
    assert len(read) < len(rows)


def test_bundles_and_requests_are_cut_to_the_day_and_have_days_by_their_place(asking: Ruleset, tmp_path: Path) -> None:
    bundle = json.loads((ROOT / "fhir_examples" / "bundle.json").read_text())
    for entry in bundle["entry"]:
        if entry["resource"]["resourceType"] == "Condition":
            entry["resource"]["recordedDate"] = "2026-05-30T10:00:00Z"
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "some.ndjson").write_text(f"{json.dumps(bundle)}\n" * 2)
    file = index(tmp_path, "some.ndjson:1,2026-05-29", "some.ndjson:1,2026-06-01", "some.ndjson:3,2026-06-01")

    summary, rows = run(asking, tmp_path / "export", tmp_path / "out", as_of=read_index_days(file))

    assert [(one["patient"], one[TRD]) for one in rows] == [("some.ndjson:1", "unknown"), ("some.ndjson:1", "true")]
    assert (summary.patients, summary.without_day, summary.lines_not_found) == (1, 1, [4])


def test_what_was_charted_later_is_left_out_of_searches_inside_a_request() -> None:
    def order(day: str) -> dict[str, Any]:
        return {"resource": {"resourceType": "MedicationRequest", "authoredOn": day}}

    days = ["2026-05-31", "2026-06", "2026-06-02", "2026-07", "2026", "2027"]
    search = {"resourceType": "Bundle", "type": "searchset", "total": 6, "entry": [order(day) for day in days]}
    sent = {
        "hook": "patient-view",
        "prefetch": {"orders": search, "patient": {"resourceType": "Patient"}, "none": None},
    }

    cut = json.loads(body_known_on(json.dumps(sent).encode(), "2026-06-01"))["prefetch"]["orders"]

    assert [one["resource"]["authoredOn"] for one in cut["entry"]] == ["2026-05-31", "2026-06", "2026"]
    assert cut["total"] == 3
    assert body_known_on(b"no JSON", "2026-06-01") == b"no JSON"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("id,day\np1,2026-06-01\n", "index.csv:1: its first line must name the columns patient and day"),
        ("patient,day\np1,2026-06-01\np1,June\n", "index.csv:3: `day` is no day; write it as 2026-06-01"),
        ("patient,day\n,2026-06-01\n", "index.csv:2: no patient; write the id"),
        ("patient,day\np1\n", "index.csv:2: `day` is no day"),
        ("patient,day\n", "index.csv: it names no patient"),
        ("patient,day\np\xe9,2026-06-01\n", "index.csv: this is no CSV in UTF-8"),
    ],
)
def test_a_wrong_line_is_named_with_what_to_write(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "index.csv").write_bytes(text.encode("latin-1"))

    with pytest.raises(ExportError, match="^" + told.replace("(", r"\(")) as wrong:
        read_index_days(tmp_path / "index.csv")
    assert "June" not in str(wrong.value)


@pytest.mark.seconds
def test_the_command_takes_the_file_and_show_its_days(tmp_path: Path) -> None:
    lines = lines_of(2)
    for diagnosis in lines["Condition"]:
        diagnosis["recordedDate"] = "2026-05-30"
        diagnosis["onsetDateTime"] = "2025-01-01"
    export = str(write(tmp_path / "export", lines))
    file = str(index(tmp_path, "p1,2026-05-29", "p1,2026-06-01", "p9,2026-06-01"))
    asked = ["population", "run", export, str(tmp_path / "out"), "--jobs", "1", "--today", TODAY.isoformat()]

    told = CliRunner().invoke(app, [*asked, "--as-of", file])
    assert told.exit_code == 1, told.output
    assert "1 patient(s) of the export have no index day, and no row" in told.stderr
    assert "1 line(s) of --as-of name no patient of the export: 4" in told.stderr
    assert "p9" not in told.output
    assert (
        CliRunner()
        .invoke(app, ["population", "report", str(tmp_path / "out")])
        .stderr.startswith(f"{tmp_path / 'out'}: it has several days of a patient")
    )
    show = ["population", "show", export, "p1", "--today", TODAY.isoformat(), "--as-of"]
    shown = [CliRunner().invoke(app, [*show, day]).stdout for day in ("2026-05-29", "2026-06-01")]
    assert shown[0] != shown[1]
    wrong = CliRunner().invoke(app, [*asked, "--as-of", "absent.csv"])
    assert (wrong.exit_code, "absent.csv does not exist" in wrong.stderr) == (2, True)


def test_of_several_days_of_a_patient_a_cohort_table_takes_the_last() -> None:
    days = [
        ("11", "2026-01-01", "true"),
        ("11", "2026-02-01", "true"),
        ("12", "2026-01-01", "true"),
        ("12", "2026-02-01", "false"),
    ]
    rows = [{"patient": who, "as_of": day, "outcome": "decided", "definition_x": truth} for who, day, truth in days]

    assert [(one.subject_id, one.cohort_end_date) for one in cohort_table(rows, "x", 1, None)] == [
        (11, date(2026, 2, 1))
    ]
