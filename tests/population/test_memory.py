"""How much is held in memory: buckets are divided by patient, and a patient who is too large is a row, no crash."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cds.cli.main import app
from cds.decide import Ruleset
from cds.population import shuffle as shuffling
from cds.population.cohort import cohort_in
from cds.population.lines import sort_line
from cds.population.shuffle import ReadLimits, patients_of
from tests.population.runs import bytes_of, run, write_population

MANY = 700


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty patients, of whom p7 has many resources."""
    folder = write_population(tmp_path_factory.mktemp("memory") / "export", 20, seed=2, size=30)
    with (folder / "Observation.giant.ndjson").open("w") as writing:
        for number in range(MANY):
            resource = {
                "resourceType": "Observation", "id": f"giant-{number}", "status": "final",
                "subject": {"reference": "Patient/p7"}, "effectiveDateTime": "2020-01-01", "code": {"text": "Weight"},
            }  # fmt: skip
            writing.write(json.dumps(resource) + "\n")
    return folder


@pytest.mark.seconds
def test_a_patient_with_too_many_resources_is_a_row_and_the_others_are_unchanged(
    asking: Ruleset, export: Path, tmp_path: Path
) -> None:
    whole, rows = run(asking, export, tmp_path / "whole")
    summary, limited = run(asking, export, tmp_path / "limited", most_resources=500)

    others = [row for row in rows if row["patient"] != "p7"]
    assert [row for row in limited if row["patient"] != "p7"] == others
    (refused,) = [row for row in limited if row["patient"] == "p7"]
    assert (refused["outcome"], refused["why"]) == ("refused", "too large: There are more than 500 entries")
    assert (summary.too_large, summary.outcomes) == (1, {"decided": 19, "refused": 1})
    assert (whole.too_large, whole.outcomes) == (0, {"decided": 20})
    assert summary.identity != whole.identity


@pytest.mark.seconds
@pytest.mark.parametrize("memory", [1, 20_000, 200_000])
def test_however_little_memory_there_is_rows_have_the_same_bytes(
    asking: Ruleset, export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, memory: int
) -> None:
    monkeypatch.setattr(shuffling, "BUCKETS", 2)
    run(asking, export, tmp_path / "whole")
    run(asking, export, tmp_path / "divided", memory=memory)

    assert bytes_of(tmp_path / "divided") == bytes_of(tmp_path / "whole")


def test_no_more_than_the_limit_is_held_at_once_unless_one_patient_has_more(
    export: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shuffling, "BUCKETS", 1)
    held: list[int] = []
    reading = shuffling._patients_in

    def measured(*given: object) -> object:
        found = reading(*given)  # type: ignore[arg-type]
        held.append(sum(len(line) for one in found for lines in one.by_type.values() for line in lines))
        return found

    monkeypatch.setattr(shuffling, "_patients_in", measured)
    with cohort_in(export) as cohort:
        everybody = [one.id for one in patients_of(cohort.found, 0, ReadLimits())]
        (all_at_once,) = held
        held.clear()
        divided = [one.id for one in patients_of(cohort.found, 0, ReadLimits(40_000, 500))]

    assert divided == everybody
    assert len(held) > 5
    assert max(held) <= 40_000 < all_at_once
    assert sum(held) < all_at_once  # the lines of p7 were never kept


@pytest.mark.seconds
def test_the_command_says_who_is_too_large_by_number_alone(
    export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CDS_MOST_ENTRIES", "500")
    asked = ["population", "run", str(export), str(tmp_path / "out"), "--jobs", "1", "--today", "2026-06-01"]
    wrong = CliRunner().invoke(app, [*asked, "--memory", "much"])
    assert (wrong.exit_code, "much is no amount" in wrong.stderr) == (2, True)

    told = CliRunner().invoke(app, [*asked, "--memory", "1MB"])

    assert told.exit_code == 0, told.output
    assert "1 row(s) refused: too large" in told.stderr
    assert "p7" not in told.output
    report = CliRunner().invoke(app, ["population", "report", str(tmp_path / "out")]).stdout
    assert "Some patients have too many resources" in "\n".join(report.splitlines()[:5])


def test_a_line_is_sorted_without_its_text() -> None:
    assert (
        sort_line(b'{"resourceType": "Observation", "note": "Jane').fault
        == "is not a FHIR resource in one line of JSON"
    )
