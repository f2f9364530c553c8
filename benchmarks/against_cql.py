"""
Charts answered by cql-execution and by our rules, with the same logic: every difference, and why.

    make bench-peers && PYTHONPATH=. .venv/bin/python -m benchmarks.against_cql [--patients 12]

The reference workload (benchmarks/workload.py) gives clean charts, of which both answer the same. Here each kind of
defect that real charts have is put into such charts, so many of each. Prints a table in Markdown; exits with 1 for a
difference that EXPLAINED does not have.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from benchmarks import as_cql
from benchmarks.as_rules import write_rules
from benchmarks.bench import NODE_MODULES, Ours
from benchmarks.workload import DEPRESSION, OUTCOMES, PHQ9, SERVICE, SETS, SUMMARIES, TODAY, request, value_sets
from cds.decide import decide
from cds.engine.explain import missing

NO_CARD = "no card"
RESOURCES = 40
Chart = dict[str, Any]  # prefetch of a request


def _of(chart: Chart, key: str) -> list[dict[str, Any]]:
    return [entry["resource"] for entry in chart[key]["entry"]]


def _code(resource: dict[str, Any]) -> str:
    concept = resource.get("code") or resource.get("medicationCodeableConcept") or {}
    return str((concept.get("coding") or [{}])[0].get("code", ""))


def _diagnoses(chart: Chart) -> Iterator[dict[str, Any]]:
    for one in _of(chart, "conditions"):
        if _code(one) in DEPRESSION and _status(one) == "active" and _verification(one) == "confirmed":
            yield one


def _contraindications(chart: Chart) -> Iterator[dict[str, Any]]:
    for one in _of(chart, "conditions"):
        if _code(one).startswith("9100") and _status(one) == "active":
            yield one


def _status(one: dict[str, Any]) -> str:
    return str(one["clinicalStatus"]["coding"][0]["code"])


def _verification(one: dict[str, Any]) -> str:
    return str(one["verificationStatus"]["coding"][0]["code"])


def _orders(chart: Chart) -> Iterator[dict[str, Any]]:
    """Orders of the drugs that count."""
    for one in _of(chart, "medicationRequests"):
        if _code(one).startswith("91"):
            yield one


def _scores(chart: Chart) -> Iterator[dict[str, Any]]:
    for one in _of(chart, "observations"):
        if _code(one) == PHQ9 and one["status"] == "final":
            yield one


def _each(find: Callable[[Chart], Iterator[dict[str, Any]]], change: Callable[[dict[str, Any]], None]) -> Any:
    def altered(chart: Chart) -> None:
        for one in find(chart):
            change(one)

    return altered


def _without(*members: str) -> Callable[[dict[str, Any]], None]:
    def change(one: dict[str, Any]) -> None:
        for member in members:
            one.pop(member, None)

    return change


def _no_dose(one: dict[str, Any]) -> None:
    one["dosageInstruction"] = []


def _dose_in_words(one: dict[str, Any]) -> None:
    one["dosageInstruction"] = [{"text": one["dosageInstruction"][0]["text"]}]


def _no_timing(one: dict[str, Any]) -> None:
    del one["dosageInstruction"][0]["timing"]
    del one["dosageInstruction"][0]["text"]


def _grams(one: dict[str, Any]) -> None:
    dose = one["dosageInstruction"][0]["doseAndRate"][0]["doseQuantity"]
    dose |= {"value": dose["value"] / 1000, "unit": "g", "code": "g"}


def _no_supply(one: dict[str, Any]) -> None:
    del one["dispenseRequest"]


def _late(chart: Chart) -> None:
    """The second supply of each drug begins four weeks after the first ended."""
    seen = set()
    for one in sorted(_orders(chart), key=lambda order: str(order["authoredOn"])):
        drug = _code(one)[:5]
        if drug in seen:
            moved = datetime.fromisoformat(one["authoredOn"]) + timedelta(days=28)
            one["authoredOn"] = moved.isoformat()
        seen.add(drug)


def _said_only(one: dict[str, Any]) -> None:
    del one["code"]["coding"]


def _refuted(one: dict[str, Any]) -> None:
    one["verificationStatus"]["coding"][0]["code"] = "unconfirmed"


def _score_as_text(one: dict[str, Any]) -> None:
    one["valueString"] = str(one.pop("valueQuantity")["value"])


def _to_the_month(one: dict[str, Any]) -> None:
    one["onsetDateTime"] = one["onsetDateTime"][:7]


def _not_sent(key: str) -> Callable[[Chart], None]:
    def altered(chart: Chart) -> None:
        del chart[key]

    return altered


def _unread(chart: Chart) -> None:
    """A diagnosis in a code system that no list has."""
    subject = {"reference": f"Patient/{chart['patient']['id']}"}
    chart["conditions"]["entry"].append(
        {
            "resource": {
                "resourceType": "Condition", "id": "local", "subject": subject,
                "code": {"coding": [{"system": "urn:oid:1.2.3.4", "code": "X17"}]},
                "clinicalStatus": {"coding": [{"code": "active"}]},
            }
        }
    )  # fmt: skip


ALTERATIONS: dict[str, Callable[[Chart], None]] = {
    "none": lambda _: None,
    "dose not recorded": _each(_orders, _no_dose),
    "dose in words only": _each(_orders, _dose_in_words),
    "times a day not recorded": _each(_orders, _no_timing),
    "dose in grams": _each(_orders, _grams),
    "days of supply not recorded": _each(_orders, _no_supply),
    "orders without a date": _each(_orders, _without("authoredOn")),
    "four weeks between supplies": _late,
    "drug in words only": _each(_orders, lambda one: one["medicationCodeableConcept"].pop("coding")),
    "score as text": _each(_scores, _score_as_text),
    "score without a date": _each(_scores, _without("effectiveDateTime", "issued")),
    "diagnosis without a status": _each(_diagnoses, _without("clinicalStatus")),
    "diagnosis in words only": _each(_diagnoses, _said_only),
    "onset not recorded": _each(_diagnoses, _without("onsetDateTime")),
    "onset to the month": _each(_diagnoses, _to_the_month),
    "contraindication in words only": _each(_contraindications, _said_only),
    "contraindication unconfirmed": _each(_contraindications, _refuted),
    "contraindication without a status": _each(_contraindications, _without("clinicalStatus")),
    "a diagnosis in a local code": _unread,
    "conditions not sent": _not_sent("conditions"),
    "orders not sent": _not_sent("medicationRequests"),
    "observations not sent": _not_sent("observations"),
}
EXPLAINED = {
    "dose not recorded": "ours reckons a dose from tablets, their strength and days of supply; CQL has null",
    "dose in words only": "as above",
    "times a day not recorded": "as above",
    "dose in grams": "ours converts units; the CQL compares bare numbers",
    "four weeks between supplies": (
        "the CQL adds up days of supply, whatever lies between; for ours a gap above 14 days leaves open whether the "
        "drug was taken for 42 days on end, so that the criteria are unknown and not met"
    ),
    "drug in words only": "ours knows drugs by their names as well, and says so",
    "score as text": "ours reads a number that was sent as text",
    "diagnosis without a status": "ours takes a listed diagnosis without a status as active; CQL finds no status",
    "onset not recorded": "ours looks back over five years, as its rule says; CQL compares every order with null",
    "onset to the month": "ours takes any day of that month; CQL cannot compare the days of that month and has null",
    "contraindication unconfirmed": "ours cannot tell whether there is one: no card of this workload; CQL has it",
    "contraindication without a status": "as for a diagnosis without a status",
    "a diagnosis in a local code": (
        "an entry that nobody here can read may be a contraindication, or the depression: unknown, and no card of this "
        "workload; CQL passes over it"
    ),
    "conditions not sent": "what was not asked for is unknown, and no card of this workload; for CQL there is none",
}


def charts(patients: int) -> Iterator[tuple[str, bytes]]:
    """So many charts of each alteration, all outcomes in turn: the alteration, and a request."""
    for place, (name, alter) in enumerate(ALTERATIONS.items()):
        for number in range(patients):
            asked = json.loads(request(RESOURCES, OUTCOMES[number % len(OUTCOMES)], 1000 * place + number))
            alter(asked["prefetch"])
            yield name, orjson.dumps(asked)


def answers_of_cql(folder: Path, bodies: list[bytes], modules: Path) -> list[str]:
    """What cql-execution says of each request."""
    node, style = shutil.which("node") or "node", "tuned"
    scripts = Path(__file__).parent / "cql"
    (folder / f"{style}.cql").write_text(as_cql.cql(style))
    (folder / "FHIRHelpers.cql").write_text(as_cql.FHIR_HELPERS)
    (folder / "valuesets.json").write_bytes(orjson.dumps({SETS + name: codes for name, codes in value_sets().items()}))
    translating: list[str | Path] = [node, scripts / "translate.mjs", modules, folder, "FHIRHelpers", style]
    subprocess.run(translating, check=True, stdout=subprocess.DEVNULL)  # noqa: S603
    files = []
    for number, body in enumerate(bodies):
        files.append(folder / f"{number}.json")
        files[-1].write_bytes(body)
    running: list[str | Path] = [node, scripts / "run.mjs", modules, folder, style, "0", *files]
    ended = subprocess.run(running, check=True, capture_output=True, text=True)  # noqa: S603
    return [json.loads(line)["outcome"] for line in ended.stdout.splitlines()]


def answer_of_ours(ours: Ours, body: bytes) -> tuple[str, list[str]]:
    """Our outcome, and what is missing where the rules cannot tell."""
    decision = decide(ours.rules, ours.read(body), TODAY, SERVICE)
    by_summary = {summary: outcome for outcome, (summary, _) in SUMMARIES.items()}
    heads = ours.rules.program.heads
    lacking = sorted(
        {
            item.fact.rstrip("0123456789").rstrip("_")
            for name in ("resistant", "contraindicated")
            for item in missing(name, heads, decision.facts, decision.truths)
        }
    )
    return (by_summary[decision.cards[0].summary] if decision.cards else NO_CARD), lacking


def compare(patients: int, modules: Path) -> tuple[list[str], bool]:
    """Lines of a table in Markdown, and whether every difference is explained."""
    made = list(charts(patients))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        ours = Ours(write_rules(folder / "rules"), SERVICE)
        told = answers_of_cql(folder, [body for _, body in made], modules)
    differences: defaultdict[str, Counter[tuple[str, str, str]]] = defaultdict(Counter)
    alike: Counter[str] = Counter()
    unknown: Counter[str] = Counter()
    for (name, body), said in zip(made, told, strict=True):
        own, lacking = answer_of_ours(ours, body)
        if said == own:
            alike[name] += 1
            unknown[name] += bool(lacking) and own == "not-trd"
        else:
            differences[name][said, own, ", ".join(lacking)] += 1
    lines = [
        "| defect | charts | the same card | of these unknown to ours | cql-execution → ours (what ours lacks) | why |",
        "| --- | --: | --: | --: | --- | --- |",
    ]
    for name in ALTERATIONS:
        told_of = "; ".join(
            f"{count} × {said} → {own}{f' ({lacking})' if lacking else ''}"
            for (said, own, lacking), count in sorted(differences[name].items())
        )
        lines.append(
            f"| {name} | {patients} | {alike[name]} | {unknown[name]} | {told_of} | {EXPLAINED.get(name, '')} |"
        )
    return lines, {name for name, many in differences.items() if many} <= EXPLAINED.keys()


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--patients", type=int, default=12, help="charts of each kind")
    lines, explained = compare(arguments.parse_args().patients, NODE_MODULES)
    print("\n".join(lines))
    return 0 if explained else 1


if __name__ == "__main__":
    sys.exit(main())
