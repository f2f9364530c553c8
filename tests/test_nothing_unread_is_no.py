"""
Any one entry, garbled, abbreviated, translated or in a code system nobody knows: no conclusion becomes more permissive,
and what becomes unknown by it says so: a fact cites the entry that was not read.

Hypothesis draws a chart (of our examples, or of the public ones where they are beside the repository), one of its
entries, and a change of its words or codes. `--hypothesis-profile=thorough` draws 2,000 of each.
"""

from __future__ import annotations

import copy
import gzip
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, note, settings
from hypothesis import strategies as st

from cds.authoring.testing.cases import Case
from cds.authoring.testing.fhir_writer import request_of
from cds.authoring.testing.resource_writer import FhirWriterError
from cds.decide import Decision, decide
from cds.errors import RequestError
from cds.logic.truth import Truth
from cds.read_request import read_record
from cds.settings import Settings
from tests.server import ROOT, TODAY
from tests.shipped import shipped_cases
from tests.test_reports import TRD, rules

JSON = dict[str, Any]
EXAMPLES = tuple(sorted((ROOT / "fhir_examples").glob("*/request.json")))
SHARED = ROOT.parent / "shared" / "data"
WRONG = "wrong-version"  # charts that are not FHIR R4, and not as it wants them
PUBLIC = tuple(
    sorted(file for ending in ("json", "json.gz") for file in SHARED.rglob(f"*.{ending}") if WRONG not in file.parts)
)
LARGEST_CHART = 60_000
"""Bytes of a public chart above which it is left out: what is asked of an entry does not depend on its chart's size."""

NEVER_TO_FALSE = (
    # What must not turn from true or unknown to false: a contraindication, an exclusion, a caution, a sign.
    "ketamine_contraindicated", "ketamine_hypersensitivity", "serious_pressure_hazard", "outside_criteria",
    "another_disorder", "psychotic_depression", "strong_caution", "other_caution", "not_recommended",
    "blood_pressure_urgent", "blood_pressure_high", "misuse_risk", "sedating_medication", "severe_liver_disease",
    "suicide_risk_critical", "suicide_risk_ask", "treatment_resistant_depression",
)  # fmt: skip
NEVER_TO_TRUE = ("treatment_resistant_depression", "ketamine_candidate", "sterilised", "pregnancy_excluded")
DRUGS = ("MedicationRequest", "MedicationStatement", "MedicationDispense", "MedicationAdministration")

CONCEPTS: dict[str, tuple[str, ...]] = {
    # FHIR type → the elements that say what an entry is, or why; a list of concepts is changed in each of its members.
    "Condition": ("code",),
    "Procedure": ("code", "reasonCode"),
    "AllergyIntolerance": ("code",),
    **dict.fromkeys(DRUGS, ("medicationCodeableConcept", "reasonCode", "statusReason")),
    "Medication": ("code",),
    "ServiceRequest": ("code",),
    "Encounter": ("type",),
    "Observation": ("code", "valueCodeableConcept"),
}
DATE = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass(frozen=True)
class Chart:
    """A request, the day it is asked about, and what is answered."""

    name: str
    body: Any
    today: date
    places: tuple[tuple[Any, ...], ...]
    answer: Decision


def decided(body: Any, today: date) -> Decision:
    record, service = read_record(json.dumps(body).encode(), rules(), Settings())
    return decide(rules(), record, today, service)


# ---------------------------------------------------------------- changes of words and codes


def garbled(text: str) -> str:
    """Each longer word with two letters exchanged and one lost."""
    return " ".join(f"{word[0]}q{word[2:-1]}x" if len(word) > 3 else word for word in text.split())


def abbreviated(text: str) -> str:
    return "".join(word[0] for word in text.split() if word[0].isalpha()).upper() + "q"


def translated(text: str) -> str:
    """Words of a language nobody here reads, as long as they were."""
    return " ".join("őűšžč"[: max(2, len(word) % 6)] + "ų" for word in text.split())


IN_WORDS: dict[str, Callable[[str], str]] = {
    "garbled": garbled,
    "abbreviated": abbreviated,
    "translated": translated,
}


def in_words(change: Callable[[str], str]) -> Callable[[JSON], JSON]:
    def changed(concept: JSON) -> JSON:
        said = concept.get("text") or next(
            (one["display"] for one in concept.get("coding", ()) if "display" in one), ""
        )
        return {"text": change(said or "something")}

    return changed


def recoded(concept: JSON) -> JSON:
    """The same codes and words in a system nobody knows."""
    codings = [one | {"system": "urn:unknown", "code": f"x{one.get('code', '')}"} for one in concept.get("coding", ())]
    return concept | {"coding": codings or [{"system": "urn:unknown", "code": "x1"}]}


def without_words(concept: JSON) -> JSON:
    return {"coding": [{"system": "urn:unknown", "code": "x1"} for _ in concept.get("coding") or (0,)]}


def with_foreign_words(concept: JSON) -> JSON:
    return {"coding": [{"system": "urn:unknown", "code": "x1", "display": translated("an entry of some kind")}]}


CHANGES: dict[str, Callable[[JSON], JSON]] = {
    **{name: in_words(change) for name, change in IN_WORDS.items()},
    "recoded": recoded,
    "recoded, without words": without_words,
    "recoded, with words of another language": with_foreign_words,
}


def changed_item(item: JSON, change: str) -> JSON:
    """An item of a form, under a link id and a text that nobody knows."""
    text = CHANGES[change]({"text": item["text"]}).get("text", "") if item.get("text") else ""
    kept = {key: value for key, value in item.items() if key not in {"definition", "text"}}
    return kept | {"linkId": "x1"} | ({"text": text} if text else {})


def changed_coding(coding: JSON, change: str) -> JSON:
    concept = CHANGES[change]({"coding": [coding]})
    return concept["coding"][0] if concept.get("coding") else {"display": concept["text"]}


def changed_value(said: Any, element: str, change: str) -> Any:
    match element:
        case "valueCoding":
            return changed_coding(said, change)
        case "valueString":
            return IN_WORDS[change](said) if change in IN_WORDS else f"{translated(said)} ų"
    return [CHANGES[change](one) for one in said] if isinstance(said, list) else CHANGES[change](said)


def changed(body: Any, place: tuple[Any, ...], change: str) -> Any:
    *path, element = place
    other = copy.deepcopy(body)
    owner = other
    for step in path:
        owner = owner[step]
    if element == "item":
        item = changed_item(owner, change)
        owner.clear()
        owner.update(item)
    else:
        owner[element] = changed_value(owner[element], element, change)
    return other


# ---------------------------------------------------------------- charts and their entries


def entries(body: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where the words or codes stand that can be changed, drafts aside: they are no entries of the chart."""
    if isinstance(body, list):
        for index, value in enumerate(body):
            yield from entries(value, (*path, index))
    if not isinstance(body, dict):
        return
    kind = str(body.get("resourceType"))
    if body.get("status") != "draft":
        yield from ((*path, element) for element in CONCEPTS.get(kind, ()) if body.get(element))
    if kind == "Observation":
        yield from spoken(body, path)
        for index, part in enumerate(body.get("component", ())):
            here = (*path, "component", index)
            yield from ((*here, element) for element in ("code", "valueCodeableConcept") if part.get(element))
            yield from spoken(part, here)
    if kind == "QuestionnaireResponse":
        yield from items(body, path)
    for key, value in body.items():
        if key != "context":
            yield from entries(value, (*path, key))


def spoken(said: JSON, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    if said.get("valueString", "").strip():
        yield (*path, "valueString")


def items(owner: JSON, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    for index, item in enumerate(owner.get("item", ())):
        here = (*path, "item", index)
        if item.get("answer"):
            yield (*here, "item")
        for at, answer in enumerate(item.get("answer", ())):
            if answer.get("valueCoding"):
                yield (*here, "answer", at, "valueCoding")
            yield from spoken(answer, (*here, "answer", at))
            yield from items(answer, (*here, "answer", at))
        yield from items(item, here)


def of_example(file: Path) -> tuple[Any, date]:
    return json.loads(file.read_text()), TODAY


def of_case(case: Case) -> tuple[Any, date]:
    """A case beside the rules, written as a request."""
    assert case.patient is not None
    hook = "order-sign" if case.patient.orders else "patient-view"
    return json.loads(json.dumps(request_of(case.patient, case.today, rules().program.codes, hook))), case.today


def of_public_chart(file: Path) -> tuple[Any, date]:
    """A chart, asked about on its newest day."""
    body = json.loads(gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes())
    days = [day for day in DATE.findall(json.dumps(body)) if "1900" < day <= TODAY.isoformat()]
    return body, date.fromisoformat(max(days, default=TODAY.isoformat()))


@lru_cache(maxsize=256)
def chart(source: str, at: int) -> Chart | None:
    """One of the charts of a source; None for a file that is no request for an answer, or holds no entry."""
    one = charts(source)[at]
    try:
        body, today = SOURCES[source](one)
        places = tuple(entries(body))
        name = one.name if isinstance(one, Case) else str(one)
        return Chart(name, body, today, places, decided(body, today)) if places else None
    except (RequestError, ValueError, FhirWriterError):
        return None


SOURCES: dict[str, Callable[[Any], tuple[Any, date]]] = {
    "examples": of_example, "rule tests": of_case, "public charts": of_public_chart,
}  # fmt: skip


@cache
def charts(source: str) -> tuple[Any, ...]:
    match source:
        case "examples":
            return EXAMPLES
        case "rule tests":
            return tuple(case for case in shipped_cases().cases if case.patient is not None)
    return tuple(file for file in PUBLIC if file.stat().st_size < LARGEST_CHART)


def told(decision: Decision, name: str) -> Truth:
    truth = decision.truths[name] if name in decision.truths else decision.facts[name].truth
    assert truth is not None
    return truth


def more_permissive(before: Decision, after: Decision) -> list[str]:
    """What the changed chart allows that the chart itself did not."""
    return [
        f"{name}: {told(before, name).value} → {worse.value}"
        for names, worse in ((NEVER_TO_FALSE, Truth.FALSE), (NEVER_TO_TRUE, Truth.TRUE))
        for name in names
        if told(before, name) is not worse and told(after, name) is worse
        if not (name == TRD and worse is Truth.TRUE and symptoms_became_unknown(before, after))
    ]


# ---------------------------------------------------------------- what is not read is named


def resource_of(body: Any, place: tuple[Any, ...]) -> JSON:
    """The resource that holds the words or codes of a place; a contained one is part of the one that holds it."""
    found: JSON = {}
    here = body
    for step in place[:-1]:
        here = here[step]
        if isinstance(here, dict) and "resourceType" in here and here["resourceType"] != "Bundle" and not found:
            found = here
    return found


def not_named(read: Chart, place: tuple[Any, ...], after: Decision) -> list[str]:
    """
    What became unknown without a fact of another answer that cites the changed entry, and without an issue of it.

    A Medication is cited by the orders that refer to it.
    """
    names = (*NEVER_TO_FALSE, *NEVER_TO_TRUE)
    opened = [name for name in names if told(after, name) is Truth.UNKNOWN is not told(read.answer, name)]
    resource = resource_of(read.body, place)
    kinds = DRUGS if resource["resourceType"] == "Medication" else (resource["resourceType"],)
    others = [fact for name, fact in after.facts.by_name.items() if fact != read.answer.facts.by_name[name]]
    cited = {source.reference for fact in others for source in fact.found}
    cited |= {source for fact in others for trial in fact.trials for source in trial.sources}
    cited |= {issue.reference for issue in after.record.issues}
    mine = f"{resource['resourceType']}/{resource['id']}" if kinds != DRUGS and "id" in resource else ""
    named = any(
        one == mine if mine else one.startswith(tuple(f"{kind}{sign}" for kind in kinds for sign in "/#"))
        for one in cited
    )
    return [] if named else opened


def symptoms_became_unknown(before: Decision, after: Decision) -> bool:
    """
    Whether a low score of these days is not known any more, and nobody becomes a candidate by that.

    A score that is missing does not undo the history of trials (docs/developers/decisions.md): the card asks for one.
    """
    lost = told(before, "symptomatic") is Truth.FALSE and told(after, "symptomatic") is Truth.UNKNOWN
    return lost and told(after, "ketamine_candidate") is not Truth.TRUE


@pytest.mark.slow
@pytest.mark.parametrize("source", SOURCES)
@given(data=st.data())
@settings(suppress_health_check=list(HealthCheck))
def test_no_entry_that_is_not_read_allows_more(source: str, data: st.DataObject) -> None:
    if not charts(source):
        pytest.skip("the public charts are not here")
    read = chart(source, data.draw(st.integers(0, len(charts(source)) - 1)))
    assume(read is not None)
    assert read is not None
    place = data.draw(st.sampled_from(read.places))
    change = data.draw(st.sampled_from(sorted(CHANGES)))
    note(f"{read.name} {'/'.join(map(str, place))} {change}")

    after = decided(changed(read.body, place, change), read.today)

    assert more_permissive(read.answer, after) == []
    assert not_named(read, place, after) == []
