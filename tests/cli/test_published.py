"""Published definitions: off until asked for, and then each with its truth and day."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cds.cli.main import app
from cds.rulebook.published import published_ids, with_definitions
from cds.yaml_source.problem import RulesError
from tests.shipped import shipped_book

ROOT = Path(__file__).parents[2]
REQUEST = ROOT / "fhir_examples" / "01-two-failed-trials" / "request.json"
IDS = {
    "ohdsi-1009", "fabbri-2021", "two-biobank-1", "two-biobank-2", "karolinska", "zhong-2022", "li-2019", "lo-2025",
    "fda-label", "eu-label", "payer-cigna", "payer-qualchoice", "payer-carefirst", "payer-medical-mutual",
    "payer-bcbsnd",
    *(f"bmc-2026-{n}-{route}" for n in (1, 2, 3) for route in ("switch", "augmentation", "between-class")),
}  # fmt: skip


def answer(*more: str) -> dict[str, object]:
    result = CliRunner().invoke(app, ["evaluate", str(REQUEST), "--today", "2026-06-01", "--json", *more])
    assert result.exit_code == 0, result.output
    loaded: dict[str, object] = json.loads(result.stdout)
    return loaded


@pytest.mark.seconds
def test_every_definition_has_its_truth_and_where_there_is_one_its_day() -> None:
    definitions = answer("--definitions", "all")["definitions"]

    assert isinstance(definitions, dict)
    shown = {name: one for name, one in definitions.items() if isinstance(one, dict)}
    assert shown.keys() == IDS == set(published_ids(shipped_book()))
    assert {one["is"] for one in shown.values()} <= {"true", "false", "unknown"}
    assert shown["two-biobank-1"] | {"is": "true", "index_day": "2025-05-10"} == shown["two-biobank-1"]
    assert shown["ohdsi-1009"]["index_day"] is None
    assert "index_day" not in shown["fda-label"]


@pytest.mark.seconds
def test_what_no_record_tells_leaves_a_policy_unknown_and_says_so() -> None:
    definitions = answer("--definitions", "payer-cigna")["definitions"]

    assert isinstance(definitions, dict)
    policy = definitions["payer-cigna"]
    assert policy["is"] == "unknown"
    assert all(criterion["is"] == "true" for criterion in policy["criteria"].values())
    assert "A psychiatrist prescribes" in policy["not_in_chart"]
    assert "confirm before use" in policy["confirm"]


@pytest.mark.seconds
def test_nothing_else_of_an_answer_changes() -> None:
    plain, shown = answer(), answer("--definitions", "all")

    assert plain["cards"] == shown["cards"]
    for key in ("conclusions", "facts", "definitions"):
        before, after = plain[key], shown[key]
        assert isinstance(before, dict)
        assert isinstance(after, dict)
        assert before.items() <= after.items()
        assert len(before) < len(after)


def test_without_being_asked_for_no_file_of_theirs_is_loaded() -> None:
    book = shipped_book()

    assert not {name for name, rule in with_definitions(book, ()).rules.items() if rule.model.published}
    questions = {name: rule for name, rule in book.rules.items() if rule.model.cohorts}
    assert with_definitions(book, ("all",)).rules == {n: r for n, r in book.rules.items() if n not in questions}
    assert with_definitions(book, ("all",), cohorts=True).rules == book.rules
    assert questions.keys() == {"population-questions"}


def test_a_file_whose_names_are_read_comes_along() -> None:
    book = shipped_book()

    kept = {name for name, rule in with_definitions(book, ("lo-2025",)).rules.items() if rule.model.published}
    assert kept == {"lo-2025", "two-biobank"}  # its history of antidepressants


@pytest.mark.seconds
def test_a_definition_that_does_not_exist_is_told() -> None:
    book = shipped_book()

    with pytest.raises(RulesError) as wrong:
        with_definitions(book, ("ohdsi-1010",))
    (problem,) = wrong.value.problems
    assert problem.check == "unknown-definition"
    result = CliRunner().invoke(app, ["evaluate", str(REQUEST), "--definitions", "ohdsi-1010"])
    assert result.exit_code == 1
