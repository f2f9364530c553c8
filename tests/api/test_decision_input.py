"""What the journal keeps of a call gives the record it was decided from, to the last remark."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cds.api.decision_input import record_from_input
from cds.api.decision_records import call_of
from cds.api.overrides import NOT_ASKED, OverrideLookup
from cds.decide import decide
from cds.engine.evaluator import EvaluatorMode
from cds.journal.decision_records import decision_record_of, packed
from cds.read_request import read_request, record_of
from cds.record.bundle import FetchedValue
from cds.record.model import Override
from cds.rulebook.compiled_ruleset import Service
from tests.server import ROOT, TODAY
from tests.shipped import shipped_rules

RULES = shipped_rules(EvaluatorMode.DIRECT)
EXAMPLES = sorted(path.parent.name for path in (ROOT / "fhir_examples").glob("*/request.json"))
LIMITS: dict[str, Any] = {"most_entries": 1000, "max_depth": 64, "sought": RULES.program.sought}


def service_for(hook: str) -> Service:
    return next(service for service in RULES.program.services.values() if service.hook == hook)


def both(request: dict[str, Any], fetched: dict[str, FetchedValue], earlier: OverrideLookup) -> tuple[Any, Any]:
    """The record of a call, and the one made again from what is kept of it."""
    service = service_for(request["hook"])
    asked = read_request(msgspec.json.encode(request), service)
    record = record_of(asked, service.templates, LIMITS, fetched)
    kept = gzip.decompress(packed(call_of("", service, asked, fetched, earlier)))
    return earlier.onto(record), record_from_input(kept, service, LIMITS)


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_is_read_again_as_it_was(name: str) -> None:
    request = json.loads(Path(ROOT / "fhir_examples" / name / "request.json").read_text())

    first, again = both(request, {}, NOT_ASKED)

    assert again == first


EMPTY = msgspec.Raw(b'{"resourceType":"Bundle","type":"searchset","total":0}')


@pytest.mark.parametrize(
    "fetched",
    [
        {"allergies": FetchedValue(EMPTY)},
        {"allergies": FetchedValue(EMPTY, "pages are missing")},
        {"allergies": FetchedValue(None, "the server answered with an error")},
        {"allergies": FetchedValue(None, "the server keeps no such data", failed=False)},
        {"Medication": FetchedValue(EMPTY, "one could not be read")},
    ],
)
@pytest.mark.parametrize("sent", ["absent", None, "as it was"])
def test_what_was_fetched_is_told_from_what_was_sent(fetched: dict[str, FetchedValue], sent: str | None) -> None:
    request = json.loads(Path(ROOT / "fhir_examples" / EXAMPLES[0] / "request.json").read_text())
    if sent == "absent":
        del request["prefetch"]["allergies"]
    elif sent is None:
        request["prefetch"]["allergies"] = None

    first, again = both(request, fetched, NOT_ASKED)

    assert again == first


@pytest.mark.parametrize(
    "earlier",
    [
        NOT_ASKED,
        OverrideLookup(failed=True),
        OverrideLookup(()),
        OverrideLookup(reviews_failed=True),
        OverrideLookup((Override("topic", "reason", date(2026, 5, 1)), Override("other", "", date(2026, 4, 1)))),
    ],
)
def test_answers_to_earlier_cards_are_kept_as_they_were_found(earlier: OverrideLookup) -> None:
    request = json.loads(Path(ROOT / "fhir_examples" / EXAMPLES[0] / "request.json").read_text())

    first, again = both(request, {}, earlier)

    assert again == first
    assert again.overrides == first.overrides


def test_remarks_of_a_receipt_are_our_words_and_hold_nothing_of_the_chart() -> None:
    request = json.loads(Path(ROOT / "fhir_examples" / EXAMPLES[0] / "request.json").read_text())
    del request["prefetch"]["allergies"]
    request["prefetch"]["conditions"]["entry"].append(
        {"resource": {"resourceType": "Condition", "code": "Anna Secret"}}
    )
    service = service_for(request["hook"])
    asked = read_request(msgspec.json.encode(request), service)
    fetched = {"phq9": FetchedValue(None, "the server answered with an error")}
    record = record_of(asked, service.templates, LIMITS, fetched)

    found = decision_record_of(
        RULES,
        decide(RULES, record, TODAY, service.id),
        call_of("", service, asked, fetched, NOT_ASKED),
        [],
        {},
        id="1",
        decided_at=datetime.now(UTC),
        keep_input=False,
    )

    said = {(kind, type_) for kind, type_, _ in found.remarks}
    assert {("not sent", "AllergyIntolerance"), ("not sent", "Observation"), ("unreadable", "Condition")} <= said
    assert "Secret" not in str(found.remarks)
    assert found.unknown
    assert not found.unknown.keys() & RULES.program.copies
