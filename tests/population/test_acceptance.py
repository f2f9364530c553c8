"""What a run over a population promises: the answers of the service, and the same bytes whatever the way."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest

from cds.decide import Ruleset
from cds.engine.evaluator import EvaluatorMode
from cds.population.cohort import cohort_in
from cds.population.export import opened
from tests.population.runs import TODAY, WHOLE, answers, bytes_of, run, write_population
from tests.server import serving
from tests.shipped import shipped_rules

FEW = 60
MANY = pytest.param(1_000, marks=pytest.mark.slow)


@pytest.fixture(scope="module")
def plain() -> Ruleset:
    """The rules a service answers with: without questions to a population."""
    return shipped_rules(EvaluatorMode.DIRECT)


@pytest.fixture(scope="module")
def service(plain: Ruleset) -> Iterator[httpx.Client]:
    with serving(plain, today=TODAY) as running:
        yield running


@pytest.mark.processes
@pytest.mark.parametrize("patients", [FEW, MANY])
def test_rows_are_what_the_service_answers_at_both_addresses(
    plain: Ruleset, service: httpx.Client, tmp_path: Path, patients: int
) -> None:
    export = write_population(tmp_path / "export", patients, seed=6, size=25)
    rows = {row["patient"]: row for row in run(plain, export, tmp_path / "out", exported=WHOLE)[1]}
    services = [one["id"] for one in service.get("/cds-services").json()["services"] if one["hook"] == "patient-view"]

    with cohort_in(export, WHOLE) as cohort:
        for patient in cohort.patients():
            row = rows.pop(patient.id)
            answer = service.post(
                "/evaluate", content=patient.body, headers={"Content-Type": "application/json"}
            ).json()
            truths = {name.removeprefix("is_"): told for name, told in row.items() if name.startswith("is_")}
            assert answer["conclusions"] == {name: told for name, told in truths.items() if "__" not in name}
            assert [_card(card) for card in answer["cards"]] == row["cards"]
            missing = [(one["conclusion"], one["fact"], one["because"]) for one in answer["missing"]]
            assert missing == [tuple(one[:3]) for one in row["missing"]]
            own = {name for one in services for name in plain.program.services[one].cards}
            hooks = [card for one in services for card in _cards_of_hook(service, one, patient.id, patient.body)]
            assert {tuple(card) for card in hooks} == {tuple(card) for card in row["cards"] if card[0] in own}
    assert rows == {}


def _card(card: dict[str, Any]) -> list[str]:
    told = card.get("extension", {}).get("org.thirdline.card") or card
    rule = told.get("rule")
    return [told["name"], card["indicator"], rule["id"] if isinstance(rule, dict) else rule, str(
        rule["version"] if isinstance(rule, dict) else told["version"]
    )]  # fmt: skip


def _cards_of_hook(service: httpx.Client, name: str, patient: str, body: bytes) -> list[list[str]]:
    """What the CDS Hooks address answers to a prefetch of the same resources, each key with all of its type."""
    entries = [entry["resource"] for entry in json.loads(body)["entry"]]
    searches = [one for one in entries if one["resourceType"] == "Bundle" and one["link"]]
    searched = {one["link"][0]["url"].partition("?")[0]: one for one in searches}
    (told,) = [one for one in service.get("/cds-services").json()["services"] if one["id"] == name]
    prefetch: dict[str, Any] = {}
    for key, template in told["prefetch"].items():
        kind = template.partition("?")[0].partition("/")[0]
        if kind == "Patient":
            prefetch[key] = next(one for one in entries if one["resourceType"] == "Patient")
        elif kind in searched:
            prefetch[key] = searched[kind]
    context = {"userId": "Practitioner/1", "patientId": patient}
    request = {"hook": "patient-view", "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea"}
    answer = service.post(f"/cds-services/{name}", json=request | {"context": context, "prefetch": prefetch})
    assert answer.status_code == 200, answer.text
    return [_card(card) for card in answer.json()["cards"]]


@pytest.mark.seconds
def test_order_files_compression_and_processes_change_no_byte(asking: Ruleset, tmp_path: Path) -> None:
    export = write_population(tmp_path / "export", FEW, seed=7, size=25, files=1)
    split = tmp_path / "split"
    split.mkdir()
    drawn = random.Random(1)  # noqa: S311
    for number, file in enumerate(sorted(export.iterdir())):
        kind = file.name.partition(".")[0]
        with cohort_in(export) as cohort:
            one = next((one for one in cohort.export.files if one.path == file), None)
        if one is None:
            shutil.copy(file, split)
            continue
        with opened(one) as reading:
            lines = reading.read().splitlines()
        drawn.shuffle(lines)
        for part in range(26):
            (split / f"{(number * 7 + part) % 26}.{kind}.{part:03}.ndjson").write_bytes(b"\n".join(lines[part::26]))

    run(asking, export, tmp_path / "a", exported=WHOLE)
    run(asking, split, tmp_path / "b", exported=WHOLE, jobs=2, memory=50_000)

    assert bytes_of(tmp_path / "a") == bytes_of(tmp_path / "b")


@pytest.mark.seconds
def test_of_broken_lines_each_is_counted_or_used_and_no_no_rests_on_one(asking: Ruleset, tmp_path: Path) -> None:
    """Eight ways a line is broken; whoever lost one is never told "no" where the whole chart says otherwise."""
    export = write_population(tmp_path / "export", FEW, seed=8, size=12, files=1)
    _, whole = run(asking, export, tmp_path / "whole", exported=WHOLE)
    file = export / "MedicationRequest.000.ndjson"
    lines = file.read_bytes().splitlines()
    broken = {
        3: lines[3][:-30],  # cut
        5: b"\xef\xbb\xbf" + lines[5],  # byte order mark: used
        9: lines[9].replace(b'"status"', b'"note": [{"text": "\xff\xfe"}], "status"', 1),  # no UTF-8
        13: b"",  # empty: nothing is lost, the line comes again below
        17: json.dumps({"resourceType": "MedicationRequest", "id": "x", "status": "active"}).encode(),  # of nobody
        21: lines[21].replace(b"Patient/", b"Group/"),
        25: lines[25].replace(b'"Patient/', b'"Patient/', 1).replace(b'"}', b'/_history/3"}', 1),
        29: lines[29].replace(b'"Patient/', b'"https://ehr.example/fhir/Patient/', 1),
    }
    file.write_bytes(
        b"\n".join([*(broken.get(number, line) for number, line in enumerate(lines)), lines[13], lines[17], lines[21]])
    )

    summary, rows = run(asking, export, tmp_path / "out", exported=WHOLE)

    assert [one.split()[0] for one in summary.faults] == [f"{file.name}:4", f"{file.name}:18"]
    assert (summary.bad_lines, summary.patients, summary.in_part) == (2, FEW, ["MedicationRequest"])
    assert any(one == "MedicationRequest: 1 line(s) of no patient" for one in summary.passed_over)
    before, after = answers(whole), answers(rows)
    lost = [
        (who, name)
        for who, told in after.items()
        for name, truth in told.items()
        if name.startswith("is_treatment_resistant_depression") and truth == "false" and before[who][name] == "true"
    ]  # fmt: skip
    assert lost == []


@pytest.mark.seconds
def test_types_that_no_rule_reads_are_not_opened_and_change_no_row(asking: Ruleset, tmp_path: Path) -> None:
    export = write_population(tmp_path / "export", 20, seed=9, size=20, files=1)
    without, _ = run(asking, export, tmp_path / "a", exported=WHOLE)
    for kind in ("ImagingStudy", "DocumentReference"):
        (export / f"{kind}.000.ndjson").write_text("neither JSON nor ever read\n")
    mixed = "".join(
        json.dumps({"resourceType": "ImagingStudy", "id": f"c{one}", "subject": {"reference": f"Patient/p{one}"}})
        + "\n"
        for one in range(1, 21)
    )
    (export / "mixed.ndjson").write_text(mixed)

    with_images, _ = run(asking, export, tmp_path / "b", exported=WHOLE)

    assert bytes_of(tmp_path / "a") == bytes_of(tmp_path / "b")
    assert without.bad_lines == with_images.bad_lines == 0
    assert "ImagingStudy.000.ndjson: no rule reads ImagingStudy" in with_images.passed_over


@pytest.mark.seconds
@pytest.mark.parametrize("patients", [FEW, MANY])
def test_as_of_a_day_a_whole_chart_is_a_chart_cut_by_what_was_charted_and_had_happened(
    asking: Ruleset, tmp_path: Path, patients: int
) -> None:
    day = date(2026, 2, 1)
    export = write_population(tmp_path / "export", patients, seed=10, size=20, files=1)
    cut = tmp_path / "cut"
    cut.mkdir()
    charted = ("recordedDate", "issued", "authoredOn", "dateAsserted", "authored", "created")
    dated = (*charted, "effectiveDateTime", "onsetDateTime", "performedDateTime", "whenHandedOver")
    kept = left_out = 0
    with cohort_in(export) as cohort:
        for file in cohort.export.files:
            with opened(file) as reading, (cut / file.name.removesuffix(".gz")).open("wb") as writing:
                for line in reading:
                    resource = json.loads(line)
                    if max((resource.get(name, "")[:10] for name in dated), default="") > day.isoformat():
                        left_out += 1
                    else:
                        kept += 1
                        writing.write(line)

    _, whole = run(asking, export, tmp_path / "a", as_of=day, exported=WHOLE)
    _, then = run(asking, cut, tmp_path / "b", as_of=day, exported=WHOLE)
    _, now = run(asking, export, tmp_path / "c", exported=WHOLE)

    assert min(kept, left_out) > patients
    assert answers(whole) == answers(then)
    assert [one["cards"] for one in whole] != [one["cards"] for one in now]
