"""What is left out of a record before anything is made of it: nothing that could change an answer."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from cds.decide import Ruleset, decide
from cds.errors import RequestError
from cds.read_request import read_request
from cds.record.bundle import read_bundle, read_prefetch
from cds.record.collect import MAX_NAME_CHARACTERS
from cds.record.model import PatientRecord
from cds.serialize import answer_of
from cds.terminology.concepts import Coding, Concept
from cds.terminology.index import TerminologyIndex
from cds.terminology.phrases import WordGroup
from cds.terminology.value_sets import ObservationFilter, RelevanceCriteria, ValueSet
from cds.terminology.vocabulary import EntryKind
from tests.api.hostile import bodies
from tests.facts.builders import drug_table
from tests.record.fhir import JSON, LIMITS, about, bundle, coded, order, patient
from tests.server import TODAY
from tests.shipped import shipped_rules

SOUGHT = RelevanceCriteria(
    ObservationFilter(frozenset({"44261-6"})),
    TerminologyIndex(
        {
            "illness": ValueSet(
                "illness", "Illness", {("urn:x", "ill"): ""}, {}, {}, [WordGroup(("wanted illness",))], {}
            )
        },
        {"drugs": drug_table()},
    ),
)
OTHER = coded("urn:x", "other", "Another thing")
OTHER_DRUG = {"medicationCodeableConcept": coded("urn:x", "other", "Another thing")}
DAILY = {"frequency": 2, "period": 1, "periodUnit": "d"}


def filtered(*resources: JSON, sought: RelevanceCriteria | None = SOUGHT) -> PatientRecord:
    return read_bundle(json.dumps(bundle(patient(), *resources)).encode(), sought=sought, **LIMITS)


def entries(record: PatientRecord) -> list[str]:
    kinds = (record.diagnoses, record.exposures, record.interventions, record.referrals, record.measurements)
    return [entry.source for kind in kinds for entry in kind]


LEFT_OUT = [
    about("Condition", "x", code=OTHER, recordedDate="2026-05-20"),
    about("Condition", "x", code=OTHER, onsetDateTime="2026-05-20T10:00:00+02:00"),
    about("Procedure", "x", code=OTHER, status="completed", performedDateTime="2026-05-20"),
    about("Procedure", "x", code=OTHER, status="completed", performedPeriod={"end": "2026-05-20"}),
    about("ServiceRequest", "x", code=OTHER, status="active", authoredOn="2026-05-20"),
    about("MedicationDispense", "x", **OTHER_DRUG, status="completed", whenHandedOver="2026-05-20"),
    about("MedicationStatement", "x", **OTHER_DRUG, status="active", effectivePeriod={"start": "2026-05-20"}),
    about("MedicationAdministration", "x", **OTHER_DRUG, status="completed", effectiveDateTime="2026-05-20"),
    order("x", **OTHER_DRUG, authoredOn="2026-05-20T08:00:00Z"),
    order(
        "x", **OTHER_DRUG, authoredOn="2026-05-20",
        dosageInstruction=[{"timing": {"repeat": DAILY}}],
    ),
]  # fmt: skip


@pytest.mark.parametrize("resource", LEFT_OUT, ids=lambda resource: resource["resourceType"])
def test_what_says_that_it_is_another_thing_makes_no_value_and_its_day_still_counts(resource: JSON) -> None:
    record, whole = filtered(resource), filtered(resource, sought=None)

    assert entries(record) == []
    assert len(entries(whole)) == 1
    assert record.newest == whole.newest == date(2026, 5, 20)


@pytest.mark.parametrize(
    "changes",
    [
        {"code": {"text": "wanted illness"}},
        {"code": coded("urn:x", "ill", "Another thing")},
        {"code": coded("urn:x", "other")},
        {"code": {"text": "I71.4"}},
        {"code": None},
    ],
    ids=["by its name", "by its code", "without a name", "a code for a name", "nothing at all"],
)
def test_what_is_wanted_and_what_nobody_can_recognise_stays(changes: JSON) -> None:
    assert entries(filtered(about("Condition", "x", **({"code": OTHER} | changes)))) == ["Condition/x"]


@pytest.mark.parametrize(
    "named",
    [
        {"text": "alfadep"},
        {"text": "investigational 7"},
        {"text": "x 5"},
        {},
        coded("http://www.whocc.no/atc", "N06AX99"),
    ],
    ids=["one of the table", "names nothing", "no word", "empty", "a class of ours"],
)
def test_a_drug_of_the_table_and_one_nobody_can_recognise_stay(named: JSON) -> None:
    assert entries(filtered(order("x", medicationCodeableConcept=named))) == ["MedicationRequest/x"]


@pytest.mark.parametrize(
    "resource",
    [
        about("Condition", "x", code=OTHER, recordedDate="2026-02-30"),
        about("Condition", "x", code=OTHER, onsetDateTime="1980-1-5"),
        about("Procedure", "x", code=OTHER, performedPeriod={"start": "2026-05-02", "end": "2026-05-01"}),
        about("ServiceRequest", "x", code=OTHER, authoredOn="yesterday"),
        about("MedicationDispense", "x", **OTHER_DRUG, daysSupply={"value": -3}),
        order("x", **OTHER_DRUG, authoredOn="2026-05-20T10:00:00"),
        order("x", **OTHER_DRUG, dosageInstruction=[{"timing": {"repeat": DAILY | {"frequency": 99}}}]),
        order("x", **OTHER_DRUG, dosageInstruction=[{"timing": {"repeat": {"boundsPeriod": {"start": "soon"}}}}]),
        order("x", **OTHER_DRUG, dispenseRequest={"expectedSupplyDuration": {"value": 9, "unit": "moons"}}),
    ],
    ids=lambda resource: resource["resourceType"],
)  # fmt: skip
def test_what_is_wrong_with_an_unwanted_entry_is_still_remarked(resource: JSON) -> None:
    issues = filtered(resource).issues
    assert issues == filtered(resource, sought=None).issues
    assert issues


def test_an_unwanted_illness_for_which_a_wanted_drug_was_given_is_known_as_its_reason() -> None:
    illness = about("Condition", "why", code=OTHER, recordedDate="2026-05-20")
    given_for = order(
        "x", medicationCodeableConcept={"text": "alfadep"}, reasonReference=[{"reference": "Condition/why"}]
    )

    (exposure,) = filtered(illness, given_for).exposures

    assert [reason.words for reason in exposure.reasons] == ["Another thing"]


def test_an_unwanted_entry_about_another_patient_refuses_the_request() -> None:
    with pytest.raises(RequestError):
        filtered(about("Condition", "x", code=OTHER) | {"subject": {"reference": "Patient/other"}})


@pytest.fixture(scope="module")
def shipped() -> Ruleset:
    return shipped_rules()


class Nothing:
    """An index of which nothing is known to be another thing."""

    def for_one_record(self) -> Nothing:
        return self

    def codes_of_another(self, codings: tuple[Coding, ...]) -> bool:
        return False

    def places_code(self, codings: tuple[Coding, ...], kind: EntryKind) -> bool:
        return False

    def codes_among(self, codings: tuple[Coding, ...], sets: frozenset[str]) -> bool:
        return True

    def may_mention(self, text: str, sets: frozenset[str]) -> bool:
        return True

    def words_of_another(self, said: tuple[str, ...], kind: EntryKind, *, placed: bool) -> bool:
        return False

    def places_observation(self, concept: Concept) -> bool:
        return False

    def elsewhere(self, place: Concept, sets: frozenset[str]) -> bool | None:
        return False

    codes_of_another_drug = codes_of_another


def answer(rules: Ruleset, hook: str, body: bytes, sought: RelevanceCriteria) -> Any:
    try:
        if hook:
            service = next(one for one in rules.program.services.values() if one.hook == hook)
            asked = read_request(body, service)
            record = read_prefetch(
                asked.prefetch,
                templates={prefetch.key: prefetch.query for prefetch in service.prefetch},
                patient_id=asked.patient_id,
                orders=asked.orders,
                sought=sought,
                **LIMITS,
            )
        else:
            record = read_bundle(body, sought=sought, **LIMITS)
    except RequestError as refusal:
        return type(refusal), str(refusal)
    return answer_of(rules, decide(rules, record, TODAY))


MENTIONED = RelevanceCriteria(SOUGHT.observed, SOUGHT.index, frozenset({"illness"}))
ILLNESS, RESULT = {"text": "Has the wanted illness"}, coded("urn:x", "other", "Another result")
OF_INTEREST: dict[str, JSON] = {
    "by its name": {"code": ILLNESS, "valueInteger": 1},
    "by its answer in words": {"code": RESULT, "valueString": "has the wanted illness"},
    "by its coded answer": {"code": RESULT, "valueCodeableConcept": coded("urn:x", "ill")},
    "by its code": {"code": coded("urn:x", "ill"), "valueInteger": 1},
    "by the name of a component": {"code": RESULT, "component": [{"code": ILLNESS, "valueInteger": 1}]},
    "by the answer of a component": {
        "code": RESULT,
        "component": [{"code": RESULT, "valueString": "has the wanted illness"}],
    },
}


@pytest.mark.parametrize("said", OF_INTEREST.values(), ids=OF_INTEREST)
def test_an_observation_that_mentions_something_is_read_where_a_fact_asks_for_that(said: JSON) -> None:
    observed = about("Observation", "x", status="final", effectiveDateTime="2026-05-20", **said)

    assert "Observation/x" in entries(filtered(observed, sought=MENTIONED))
    assert entries(filtered(observed)) == []


def test_an_observation_of_something_else_is_left_out_where_a_fact_asks_for_words() -> None:
    other = about("Observation", "x", status="final", code=RESULT, valueString="Another thing")

    assert entries(filtered(other, sought=MENTIONED)) == []


def test_an_answer_beyond_what_is_searched_is_read() -> None:
    long = about("Observation", "a", status="final", code=RESULT, valueString="x" * (MAX_NAME_CHARACTERS + 1))
    later = about("Observation", "x", status="final", code=RESULT, valueString="Another thing")

    assert entries(filtered(long, later, sought=MENTIONED)) == ["Observation/a", "Observation/x"]


@pytest.mark.slow
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(bodies())
def test_whatever_is_sent_the_answer_is_that_of_the_whole_record(shipped: Ruleset, sent: tuple[str, bytes]) -> None:
    hook, body = sent
    observations_alone = RelevanceCriteria(
        shipped.program.observed, Nothing(), shipped.program.mentioned, shipped.program.visited
    )
    assert answer(shipped, hook, body, shipped.program.sought) == answer(shipped, hook, body, observations_alone)


VISITED = RelevanceCriteria(SOUGHT.observed, SOUGHT.index, visited=frozenset({"illness"}))


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ({"class": {"system": "urn:x", "code": "ill"}}, True),
        ({"class": {"system": "urn:x", "code": "other"}}, False),
        ({"class": {"system": "urn:x", "code": "other"}, "type": [{"text": "wanted illness"}]}, True),
        ({"class": {"system": "urn:local", "code": "4"}}, True),
        ({}, True),
    ],
)
def test_an_encounter_is_read_where_its_class_or_type_may_be_asked_for(said: JSON, kept: bool) -> None:
    encounter = about("Encounter", "x", period={"start": "2026-05-01", "end": "2026-05-04"}, **said)

    assert [visit.source for visit in filtered(encounter, sought=VISITED).visits] == ["Encounter/x"] * kept
    assert filtered(encounter).visits == ()


ILL = coded("urn:x", "ill", "Another thing")


@pytest.mark.parametrize(("older", "newer", "expected"), [(OTHER, ILL, ["Condition/x"]), (ILL, OTHER, [])])
def test_of_two_copies_the_newer_counts_whichever_of_them_is_wanted(
    older: JSON, newer: JSON, expected: list[str]
) -> None:
    copies = [
        about("Condition", "x", code=code, recordedDate=day, meta={"lastUpdated": f"{day}T08:00:00Z"})
        for code, day in ((newer, "2026-05-20"), (older, "2026-04-20"))
    ]
    for listed in (copies, copies[::-1]):
        record = filtered(*listed)
        assert entries(record) == expected
        assert record.newest == date(2026, 5, 20)


def test_the_day_of_an_unwanted_entry_that_was_deleted_does_not_count() -> None:
    there = about("Condition", "x", code=OTHER, recordedDate="2026-05-20")
    sent = bundle(patient(), there)
    deletes = {"entry": [{"request": {"method": "DELETE", "url": "Condition/x"}}]}
    history = json.dumps(sent | {"type": "history", "entry": [*sent["entry"], *deletes["entry"]]}).encode()

    assert read_bundle(json.dumps(sent).encode(), sought=SOUGHT, **LIMITS).newest == date(2026, 5, 20)
    assert read_bundle(history, sought=SOUGHT, **LIMITS).newest is None


def test_an_unwanted_entry_that_names_the_patient_by_an_address_is_left_out_too() -> None:
    there = about("Condition", "x", code=OTHER, recordedDate="2026-05-20")
    named = there["subject"]["reference"]
    record = filtered(there | {"subject": {"reference": f"https://ehr.example.org/fhir/{named}"}})

    assert entries(record) == []
    assert record.newest == date(2026, 5, 20)
    assert record.issues == ()


def test_an_unwanted_entry_about_no_patient_is_remarked_and_its_day_does_not_count() -> None:
    there = about("Condition", "x", code=OTHER, recordedDate="2026-05-20") | {"subject": {"reference": "Group/g"}}
    record, whole = filtered(there), filtered(there, sought=None)

    assert record.issues == whole.issues != ()
    assert record.newest is whole.newest is None
