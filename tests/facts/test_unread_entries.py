"""
Kind of fact × kind of entry: whatever may be what is looked for, and was not read, is unknown, and never "no".

The table is made from the registry of kinds: a new kind has to say which entries it reads, or why it reads none.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from cds.decide import Ruleset
from cds.facts.allergy import AllergyFact
from cds.facts.context import sort_record
from cds.facts.course import CoursePhaseFact, CourseSessionsFact, LatestCourseFact
from cds.facts.diagnosis import ConditionFact
from cds.facts.diagnosis_count import DiagnosisCountFact
from cds.facts.draft_order import DraftOrderFact
from cds.facts.drug_history import DrugHistoryFact
from cds.facts.encounter import EncounterFact
from cds.facts.fact import Fact
from cds.facts.kind import EvaluationContext, FactBase
from cds.facts.kinds import KINDS
from cds.facts.medication import CompiledMedication, MedicationFact
from cds.facts.presence import CompiledPresence, presence
from cds.facts.procedure import ProcedureFact
from cds.facts.referral import ReferralFact
from cds.facts.sessions import SessionsFact
from cds.facts.treatment import CourseFact, TreatmentFact
from cds.facts.trials.augmentation import AugmentationCountFact, AugmentationFact
from cds.facts.trials.medication_trials import TrialsFact
from cds.logic.truth import Truth
from cds.read_request import read_record
from cds.rulebook.compile import compile_ruleset
from cds.rulebook.compiled_ruleset import CompiledRuleset
from cds.rulebook.loader import read_rulebook
from cds.settings import Settings
from tests.server import TODAY
from tests.test_reports import about, chart

JSON = dict[str, Any]
ROOT = Path(__file__).parents[2]

WORDS: dict[str, JSON] = {
    # Ways to say something nobody here can read.
    "in unknown words": {"text": "Xyzzy plugh"},
    "in another language": {"text": "Kérdés a beteg állapotáról"},
    "in a local code": {"coding": [{"system": "urn:oid:1.2.3.4", "code": "K-77"}]},
    "in a local code with words of another language": {
        "coding": [{"system": "urn:oid:1.2.3.4", "code": "K-77", "display": "Ismeretlen tétel"}]
    },
    "in a code without a system": {"coding": [{"code": "K-77"}]},
    "in a code of SNOMED CT that is in no list": {
        "coding": [{"system": "http://snomed.info/sct", "code": "999999991"}]
    },
    "in an abbreviation": {"text": "QXZ"},
    "without any words or code": {},
}


@dataclass(frozen=True)
class Asked:
    """
    A shipped fact of a kind, and entries that speak to it.

    Attributes:
        fact: Its name.
        entry: The entry, without what it is of.
        key: The element that says what it is of.
        coded: What it looks for; None where the kind of entry has neither a status nor a date that could be left out.
        left_out: Elements without which what it looks for may still be it.
        without: Entries of the chart that would answer it.
    """

    fact: str
    entry: JSON
    key: str
    coded: JSON | None = None
    left_out: tuple[str, ...] = ()
    without: tuple[str, ...] = ()


def snomed(code: str) -> JSON:
    return {"coding": [{"system": "http://snomed.info/sct", "code": code}]}


def rxnorm(code: str) -> JSON:
    return {"coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": code}]}


DAY, WEEKS = "2026-05-20", {"start": "2025-02-01", "end": "2025-05-15"}
ACTIVE = {"coding": [{"code": "active"}]}
CONDITION = about("Condition", "q", clinicalStatus=ACTIVE, recordedDate=DAY)
TAKEN = about("MedicationStatement", "q", status="active", effectivePeriod={"start": "2025-02-01"})
GIVEN = about("Procedure", "q", status="completed", performedDateTime=DAY)
LONG_AGO = about("Procedure", "q", status="completed", performedDateTime="2025-01-20")
ASKED_FOR = about("ServiceRequest", "q", status="active", intent="order", authoredOn=DAY)
DRUG = "medicationCodeableConcept"
STAYED = about("Encounter", "q", status="finished", period=WEEKS)
INPATIENT: JSON = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"}]}

TABLE: dict[type[FactBase], tuple[Asked, ...]] = {
    ConditionFact: (
        Asked("suicidal_ideation", CONDITION, "code", snomed("6471006"), ("clinicalStatus", "recordedDate")),
        Asked("bipolar_disorder", CONDITION, "code", snomed("13746004"), ("clinicalStatus", "recordedDate")),
    ),
    MedicationFact: (Asked("opioid", TAKEN, DRUG, rxnorm("7804"), ("status", "effectivePeriod")),),
    ProcedureFact: (Asked("vns", GIVEN, "code", snomed("445319001"), ("status", "performedDateTime")),),
    EncounterFact: (Asked("admissions", STAYED, "class", INPATIENT, ("status", "period")),),
    AllergyFact: (
        Asked(
            "ketamine_allergy",
            about("AllergyIntolerance", "q", clinicalStatus=ACTIVE),
            "code",
            rxnorm("6130"),
            ("clinicalStatus",),
            without=("nka",),
        ),
    ),
    ReferralFact: (
        Asked("referral_under_way", ASKED_FOR, "code", snomed("183524004"), ("status", "authoredOn", "intent")),
        Asked("referral_declined", ASKED_FOR | {"status": "revoked"}, "code", snomed("183524004"), ("status",)),
    ),
    DraftOrderFact: (
        Asked("ordered_therapy", about("MedicationRequest", "q", status="draft", intent="order"), DRUG),
        Asked("ordered_therapy", about("ServiceRequest", "q", status="draft", intent="order"), "code"),
    ),
    TreatmentFact: (
        Asked("ketamine_treatment", TAKEN, DRUG, rxnorm("2119365"), ("status", "effectivePeriod")),
        Asked("ketamine_treatment", GIVEN, "code"),
    ),
    LatestCourseFact: (
        Asked("latest_course", TAKEN, DRUG, rxnorm("2119365"), ("status", "effectivePeriod")),
        Asked("latest_course", GIVEN, "code"),
    ),
    CoursePhaseFact: (Asked("in_induction", GIVEN, "code"), Asked("in_maintenance", GIVEN, "code")),
    CourseSessionsFact: (Asked("course_session_days", GIVEN, "code"),),
    CourseFact: (
        Asked("course_without_benefit", LONG_AGO, "code"),
        Asked(
            "course_without_benefit", about("MedicationStatement", "q", status="completed", effectivePeriod=WEEKS), DRUG
        ),
    ),
    SessionsFact: (Asked("ect_sessions", GIVEN, "code", snomed("23835007"), ("status", "performedDateTime")),),
    AugmentationFact: (Asked("augmented", TAKEN, DRUG, rxnorm("89013"), ("status", "effectivePeriod")),),
    AugmentationCountFact: (Asked("augmentations", TAKEN, DRUG, rxnorm("89013"), ("status", "effectivePeriod")),),
    TrialsFact: (Asked("antidepressant_trials", TAKEN, DRUG),),
    DrugHistoryFact: (),
    DiagnosisCountFact: (),
}
"""Kind → what is asked of it; facts of an empty row are all those of the kind that are shipped."""

OTHERWISE = {
    "AnswerFact": "observations: tests/test_nothing_unread_is_no.py",
    "NumberFact": "observations: tests/test_nothing_unread_is_no.py",
    "EpisodeFact": "a diagnosis that was not read leaves the exclusions open, and with them the criteria",
    "IndexDayFact": "answered from the histories and counts of diagnoses, which are in the table",
}
"""Kinds that ask for data, and where else it is held that nothing unread is "no" for them."""


def that_says(asked: Asked, entry: JSON, concept: JSON) -> JSON:
    """The entry with what it is of; the class of an encounter as R5 writes it, since that can hold words alone."""
    return entry | {asked.key: [concept] if asked.key == "class" else concept}


@cache
def program() -> CompiledRuleset:
    return compile_ruleset(read_rulebook(ROOT / "rules"))


def facts_of(*entries: JSON, without: tuple[str, ...] = ()) -> dict[str, Fact]:
    no_reasoner: Any = None
    rules = Ruleset(program(), no_reasoner)
    record, _ = read_record(json.dumps(chart(*entries, without=without)).encode(), rules, Settings())
    context = EvaluationContext(
        sort_record(record, program().codes, TODAY), TODAY, {fact.name: fact for fact in program().wanted}
    )
    for fact in program().wanted:
        context.facts[fact.name] = fact.answer(context)
    return context.facts


def is_open(fact: Fact) -> bool:
    """Whether the answer is not "no", and says that it is not known for certain."""
    if fact.truth is not None:
        return fact.truth is not Truth.FALSE
    return fact.why_unknown is not None or fact.low != fact.high or fact.low is None


def shipped(kind: type[FactBase]) -> list[str]:
    rules = read_rulebook(ROOT / "rules").rules.values()
    return sorted({name for rule in rules for name, fact in rule.model.facts.items() if type(fact) is kind})


@pytest.mark.seconds
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_kind_that_asks_for_entries_is_in_the_table(kind: type[FactBase]) -> None:
    compiled = {fact.name: fact for fact in program().wanted}
    asks = any(compiled[name].data() for name in shipped(kind) if name in compiled)

    assert not asks or kind in TABLE or kind.__name__ in OTHERWISE


ROWS = [(asked, kind.__name__) for kind, row in TABLE.items() for asked in row]


@pytest.mark.parametrize("said", WORDS)
@pytest.mark.parametrize(("asked", "kind"), ROWS, ids=[f"{kind}-{asked.fact}" for asked, kind in ROWS])
def test_what_was_not_read_is_never_no(asked: Asked, kind: str, said: str) -> None:
    entry = that_says(asked, asked.entry, WORDS[said]) if WORDS[said] else asked.entry

    fact = facts_of(entry, without=asked.without)[asked.fact]

    assert is_open(fact), f"{kind}: {fact}"
    assert fact.because or fact.trials


LEFT_OUT = [(asked, element) for row in TABLE.values() for asked in row for element in asked.left_out]


@pytest.mark.parametrize(
    ("asked", "element"), LEFT_OUT, ids=[f"{asked.fact} without {element}" for asked, element in LEFT_OUT]
)
def test_what_is_looked_for_is_never_no_without_its_status_or_date(asked: Asked, element: str) -> None:
    assert asked.coded is not None
    entry = that_says(asked, {key: value for key, value in asked.entry.items() if key != element}, asked.coded)

    assert is_open(facts_of(entry, without=asked.without)[asked.fact])


def test_one_drug_that_was_not_read_augments_a_trial_once_however_often_it_was_recorded() -> None:
    once = facts_of(TAKEN | {DRUG: {"text": "Xyzzy"}})["augmentations"].high
    again = facts_of(TAKEN | {DRUG: {"text": "Xyzzy"}}, TAKEN | {"id": "r", DRUG: {"text": "Xyzzy"}})["augmentations"]
    other = facts_of(TAKEN | {DRUG: {"text": "Xyzzy"}}, TAKEN | {"id": "r", DRUG: {"text": "Plugh"}})["augmentations"]

    assert (once, again.high, other.high) == (2, 2, 4)


@pytest.mark.seconds
@pytest.mark.parametrize("said", WORDS)
def test_a_history_and_a_count_hold_what_was_not_read(said: str) -> None:
    concept = WORDS[said]
    entries = [
        CONDITION | ({"code": concept} if concept else {}),
        about("MedicationRequest", "r", status="completed", intent="order", authoredOn=DAY)
        | ({DRUG: concept} if concept else {}),
    ]
    facts = facts_of(*entries)

    for kind in (DrugHistoryFact, DiagnosisCountFact):
        closed = [name for name in shipped(kind) if name in facts and not is_open(facts[name])]
        assert closed == [], kind.__name__


@pytest.mark.parametrize("asked", [row[0] for kind, row in TABLE.items() if row and row[0].coded], ids=lambda a: a.fact)
def test_another_thing_is_no(asked: Asked) -> None:
    """Otherwise the table above would hold of a service that can tell nothing."""
    ambulatory: JSON = {"coding": [INPATIENT["coding"][0] | {"code": "AMB"}]}
    other: JSON = {"code": {"text": "Asthma"}, DRUG: {"text": "Amoxicillin 500 mg"}, "class": ambulatory}[asked.key]
    if asked.entry["resourceType"] in {"Procedure", "ServiceRequest"}:
        other = {"text": "Colonoscopy"}
    if asked.entry["resourceType"] == "AllergyIntolerance":
        other = {"text": "Peanut"}

    assert not is_open(facts_of(that_says(asked, asked.entry, other), without=asked.without)[asked.fact])


UNREAD = {"text": "Xyzzy plugh"}
ENTRIES: dict[str, tuple[JSON, ...]] = {
    "none": (),
    "an active one": (about("Condition", "c1", code=UNREAD, recordedDate="2026-05-25"),),
    "two, one of long ago": (
        about("Condition", "c1", code=UNREAD, recordedDate="2026-05-25"),
        about("Condition", "c2", code=UNREAD, recordedDate="2011-05-25"),
    ),
    "one that is over": (
        about("Condition", "c1", code=UNREAD, onsetDateTime="2020-01-01",
              clinicalStatus={"coding": [{"code": "resolved"}]}),
    ),
    "one that may be of some sets only": (
        about("Condition", "c1", code={"text": "SCAD"}, recordedDate="2026-05-25"),
        about("Condition", "c2", code=UNREAD, recordedDate="2026-05-25"),
    ),
    "one without any word": (about("Condition", "c1", code={}, recordedDate="2026-05-25"),),
    "an order of long ago": (
        about("MedicationRequest", "x2", status="stopped", intent="order", authoredOn="2019-05-25",
              medicationCodeableConcept=UNREAD),
    ),
    "orders": (
        about("MedicationRequest", "x1", status="active", intent="order", authoredOn="2026-05-25",
              medicationCodeableConcept=UNREAD),
        about("MedicationRequest", "x2", status="stopped", intent="order", authoredOn="2019-05-25",
              medicationCodeableConcept=UNREAD),
    ),
}  # fmt: skip


@pytest.mark.parametrize("entries", ENTRIES)
def test_facts_that_share_an_answer_answer_as_each_alone(entries: str) -> None:
    """What nobody could read is looked at once for all facts that look at it alike."""
    rules = Ruleset(program(), None)  # type: ignore[arg-type]  # reading asks the program, never the reasoner
    body = json.dumps(chart(*ENTRIES[entries])).encode()
    sorted_record = sort_record(read_record(body, rules, Settings())[0], program().codes, TODAY)
    looked_for = [fact for fact in program().wanted if isinstance(fact, CompiledPresence)]
    for fact in tuple(looked_for):
        if isinstance(fact, CompiledMedication):  # the shipped ones all ask for what is taken now
            looked_for += [replace(fact, current=False), replace(fact, current=False, look_back_days=100)]

    together = [presence(fact, sorted_record) for fact in looked_for]

    assert bool(sorted_record.answered_alike) is (entries not in {"none", "one that may be of some sets only"})
    for fact, answer in zip(looked_for, together, strict=True):
        sorted_record.answered_alike.clear()
        assert answer == presence(fact, sorted_record)
