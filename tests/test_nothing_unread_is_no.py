"""
Any one entry, garbled, abbreviated, translated or in a code system nobody knows: no conclusion becomes more permissive.

Asked of every entry of every example; of the public charts where they are beside the repository.
"""

from __future__ import annotations

import copy
import gzip
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cds.decide import Decision
from cds.errors import RequestError
from cds.logic.truth import Truth
from tests.server import ROOT
from tests.test_reports import decided

pytestmark = pytest.mark.slow

JSON = dict[str, Any]
EXAMPLES = sorted((ROOT / "fhir_examples").glob("*/request.json"))
CHARTS = ROOT.parent / "shared" / "data"
NEVER_TO_FALSE = (
    # What must not turn from true or unknown to false: a contraindication, an exclusion, a caution, a sign.
    "ketamine_contraindicated", "ketamine_hypersensitivity", "serious_pressure_hazard", "outside_criteria",
    "another_disorder", "psychotic_depression", "strong_caution", "not_recommended", "suicide_risk_critical",
    "suicide_risk_ask", "treatment_resistant_depression",
)  # fmt: skip
NEVER_TO_TRUE = ("treatment_resistant_depression", "ketamine_candidate", "sterilised")
WORDS = {"Condition": "code", "Procedure": "code", "AllergyIntolerance": "code"} | dict.fromkeys(
    ("MedicationRequest", "MedicationStatement", "MedicationDispense", "MedicationAdministration"),
    "medicationCodeableConcept",
)


def garbled(text: str) -> str:
    """Each longer word with two letters exchanged and one lost."""
    return " ".join(f"{word[0]}q{word[2:-1]}x" if len(word) > 3 else word for word in text.split())


def abbreviated(text: str) -> str:
    return "".join(word[0] for word in text.split() if word[0].isalpha()).upper() + "q"


def translated(text: str) -> str:
    """Words of a language nobody here reads, as long as they were."""
    return " ".join("őűšžč"[: max(2, len(word) % 6)] + "ų" for word in text.split())


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
    "garbled": in_words(garbled),
    "abbreviated": in_words(abbreviated),
    "translated": in_words(translated),
    "recoded": recoded,
    "recoded, without words": without_words,
    "recoded, with words of another language": with_foreign_words,
}


def entries(body: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], str]]:
    """Where the resources whose words or codes can be changed stand, drafts aside: they are no entries of the chart."""
    if isinstance(body, dict):
        kind = body.get("resourceType")
        if kind in WORDS and isinstance(body.get(WORDS[kind]), dict) and body.get("status") != "draft":
            yield path, WORDS[kind]
        for key, value in body.items():
            if key != "context":
                yield from entries(value, (*path, key))
    elif isinstance(body, list):
        for index, value in enumerate(body):
            yield from entries(value, (*path, index))


def changed(body: Any, path: tuple[Any, ...], key: str, change: Callable[[JSON], JSON]) -> Any:
    other = copy.deepcopy(body)
    resource = other
    for step in path:
        resource = resource[step]
    resource[key] = change(resource[key])
    return other


def more_permissive(before: Decision, after: Decision) -> list[str]:
    """What the changed chart allows that the chart itself did not."""
    found = [
        f"{name}: {before.truths[name].value} → false"
        for name in NEVER_TO_FALSE
        if name in before.truths and before.truths[name] is not Truth.FALSE and after.truths[name] is Truth.FALSE
    ]
    return found + [
        f"{name}: {before.truths[name].value} → true"
        for name in NEVER_TO_TRUE
        if name in before.truths and before.truths[name] is not Truth.TRUE and after.truths[name] is Truth.TRUE
    ]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.parent.name)
def test_no_entry_of_an_example_that_is_not_read_allows_more(example: Any, change: str) -> None:
    body = json.loads(example.read_text())
    before = decided(body)

    worse = {
        "/".join(map(str, path)): found
        for path, key in entries(body)
        if (found := more_permissive(before, decided(changed(body, path, key, CHANGES[change]))))
    }

    assert worse == {}


@pytest.mark.skipif(not CHARTS.is_dir(), reason="the public charts are not here")
@pytest.mark.parametrize("change", CHANGES)
def test_no_entry_of_a_public_chart_that_is_not_read_allows_more(change: str) -> None:
    files = sorted((*CHARTS.glob("ecqm-qicore-*/**/*.json"), *CHARTS.glob("synthea-*/**/*.json.gz")))
    drawn = random.Random(change).sample(files, min(12, len(files)))  # noqa: S311 (a sample)
    worse = {}
    for file in drawn:
        body = json.loads(gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes())
        try:
            before = decided(body)
        except RequestError:
            continue
        places = list(entries(body))
        for path, key in random.Random(change).sample(places, min(4, len(places))):  # noqa: S311 (a sample)
            if found := more_permissive(before, decided(changed(body, path, key, CHANGES[change]))):
                worse[f"{file.name} {'/'.join(map(str, path))}"] = found

    assert worse == {}
