"""The evidence packet: every line is walked to the entry that shows it, and nothing is claimed that none shows."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

import httpx
import pytest
from playwright.sync_api import Browser

from cds.authoring.strict_fhir import strict_fhir
from cds.decide import Decision, decide
from cds.explanation.packet import Claim, EvidencePacket, packet, packet_as_json, payers_of
from cds.explanation.packet_document import packet_as_document
from cds.locale.catalog import ENGLISH_CATALOG
from cds.logic.truth import Truth
from cds.read_request import read_record
from cds.review.response import ReviewAnswers, TrialAnswers, questionnaire_response
from cds.rulebook.packet_form import PacketForm
from cds.settings import Settings
from cds.terminology.review_form import ReviewForm
from tests.server import ROOT, TODAY
from tests.shipped import shipped_rules
from tests.web.serving_pages import keeping, page_of

JSON = dict[str, Any]
PAYERS = ("payer-cigna", "payer-medical-mutual")
EXAMPLES = ("01-two-failed-trials", "10-repaired-aneurysm")
RULES = shipped_rules(None, PAYERS)
FORM = cast("PacketForm", RULES.program.packet)
WORDS = FORM.words
RESTS_ON_ENTRIES = (WORDS["recorded"], WORDS["recorded_absent"])


def request_of(name: str) -> JSON:
    read: JSON = json.loads((ROOT / "fhir_examples" / name / "request.json").read_text())
    return read


def decided(request: JSON) -> Decision:
    record, service = read_record(json.dumps(request).encode(), RULES, Settings())
    return decide(RULES, record, TODAY, service)


def made_for(request: JSON, payer: str = "") -> EvidencePacket:
    chosen = {one.id: one for one in payers_of(RULES)}
    return packet(RULES, decided(request), FORM, chosen[payer] if payer else None)


def resources(request: JSON) -> dict[str, JSON]:
    found = {}
    for value in request["prefetch"].values():
        for one in [entry["resource"] for entry in value.get("entry", [])] if "entry" in value else [value]:
            found[f"{one['resourceType']}/{one.get('id', '')}"] = one
    return found


def section(made: EvidencePacket, name: str) -> tuple[Claim, ...]:
    return next(one.claims for one in made.sections if one.name == name)


CASES = [(example, payer) for example in EXAMPLES for payer in (*PAYERS, "")]


TITLES: dict[str, set[str]] = {}  # code → its titles in the value sets
for file in (ROOT / "rules" / "valuesets").glob("*.yaml"):
    for code, title in re.findall(r'^ +"?([A-Z0-9.]+)"?: "?(.+?)"?$', file.read_text(encoding="utf-8"), re.MULTILINE):
        TITLES.setdefault(code, set()).add(title)


def is_shown(claim: Claim, held: JSON) -> bool:
    """Whether the entries a line names say all it says: words, days, codes, and the titles of these in our lists."""
    text = json.dumps([held[reference] for reference in claim.references], ensure_ascii=False)
    codes = re.findall(r'"code": "([^"]+)"', text)
    listed = [title for code in codes for title in TITLES.get(code, ())]
    said = claim.says
    for shown in (*sorted(listed, key=len, reverse=True), *re.findall(r': "([^"]+)"', text)):
        said = said.replace(shown, "")
    return not said.strip(" ,;()")


def unsupported(made: EvidencePacket, request: JSON) -> list[str]:
    """What lines of a packet claim and no entry of the chart shows."""
    held, facts, found = resources(request), decided(request).facts.by_name, []

    def need(shown: bool, claim: Claim, what: str) -> None:
        if not shown:
            found.append(f"{claim.about}: {what}")

    for one in made.sections:
        for claim in one.claims:
            if not set(claim.references) <= held.keys():
                found.append(f"{claim.about}: no such entry")
                continue
            if claim.status in RESTS_ON_ENTRIES or one.name in ("trials", "scores"):
                need(bool(claim.references), claim, "no entry")
            if claim.status == WORDS["recorded"] and one.name in ("contraindications", "diagnosis"):
                age = next(iter(held[ref].get("birthDate", "") for ref in claim.references), "")
                need(bool(age) or is_shown(claim, held), claim, "other words than those of the entry")
            if claim.status == WORDS["met"]:
                need(bool(claim.references) or WORDS["not_found"] in claim.says, claim, "met by nothing")
            if claim.status == WORDS["not_found"]:
                fact = next((one for one in facts.values() if one.label == claim.about), None)
                looked = fact is not None and (fact.truth, fact.found) == (Truth.FALSE, ())
                need(looked and not claim.references, claim, "found, or not looked for")
    for claim in section(made, "trials"):
        orders = [held[reference] for reference in claim.references if reference in held]
        text = json.dumps(orders).lower()
        need(claim.cells["drug"] in text, claim, "another drug")
        need(all(day in text for day in claim.cells["dates"].split(" to ")), claim, "other days")
        doses = [d["doseAndRate"][0]["doseQuantity"]["value"] for o in orders for d in o.get("dosageInstruction", ())]
        need(claim.cells["dose"] in {f"{dose:g} mg" for dose in doses}, claim, "another dose")
        coded = any("statusReason" in order for order in orders)
        need(claim.cells["known_by"] != "coded stop reason" or coded, claim, "no stop reason")
        need(claim.cells["response"] != "stopped as ineffective" or coded, claim, "no stop reason")
    for claim in section(made, "scores"):
        values = [held[ref].get("valueQuantity", {}).get("value") for ref in claim.references if ref in held]
        values += [held[ref].get("valueInteger") for ref in claim.references if ref in held]
        need(
            claim.says.split(",")[0] in {f"{value:g}" for value in values if value is not None}, claim, "another value"
        )
    return found


@pytest.mark.parametrize(("example", "payer"), CASES)
def test_every_claim_is_walked_to_its_entry(example: str, payer: str) -> None:
    assert unsupported(made_for(request_of(example), payer), request_of(example)) == []


ORDER, SCORE, CONDITION = "MedicationRequest/sertraline-1", "Observation/phq-9-total-1", "Condition/condition-1"
INVENTED: tuple[tuple[str, int, JSON, str], ...] = (
    # Section, line, what is claimed instead, what the walk says.
    ("diagnosis", 0, {"references": ("Condition/none",)}, "no such entry"),
    ("diagnosis", 0, {"references": ()}, "no entry"),
    ("diagnosis", 0, {"says": "Bipolar disorder, 2025-01-10"}, "other words"),
    ("diagnosis", 0, {"references": (ORDER,)}, "other words"),
    ("trials", 0, {"dose": "300 mg"}, "another dose"),
    ("trials", 0, {"drug": "fluoxetine"}, "another drug"),
    ("trials", 0, {"dates": "2020-01-01 to 2020-06-01"}, "other days"),
    ("trials", 0, {"references": (SCORE,)}, "another drug"),
    ("scores", 0, {"says": "27, 2026-05-20"}, "another value"),
    ("contraindications", 0, {"about": "Anything else, ever"}, "not looked for"),
    ("contraindications", 0, {"status": WORDS["recorded"]}, "no entry"),
    ("contraindications", 0, {"references": (CONDITION,)}, "not looked for"),
    ("criteria", 0, {"status": WORDS["met"], "references": (), "says": "it is so"}, "met by nothing"),
)


@pytest.mark.parametrize(("name", "line", "claimed", "told"), INVENTED, ids=[f"{n}-{t}" for n, _, _, t in INVENTED])
def test_an_invented_claim_does_not_pass_the_walk(name: str, line: int, claimed: JSON, told: str) -> None:
    made = made_for(request_of(EXAMPLES[0]))
    was = section(made, name)
    cells = dict(was[line].cells) | {key: text for key, text in claimed.items() if key in was[line].cells}
    said = replace(was[line], cells=cells, **{key: text for key, text in claimed.items() if key not in cells})
    claims = (*was[:line], said, *was[line + 1 :])
    sections = tuple(replace(one, claims=claims) if one.name == name else one for one in made.sections)

    found = unsupported(replace(made, sections=sections), request_of(EXAMPLES[0]))

    assert any(told in one for one in found), found


def test_for_a_payer_its_criteria_are_listed_and_what_no_record_tells_is_not_known() -> None:
    made = made_for(request_of(EXAMPLES[0]), "payer-cigna")
    criteria = {claim.about: claim for claim in section(made, "criteria")}
    payer = {one.id: one for one in payers_of(RULES)}["payer-cigna"]

    assert [claim.about for claim in criteria.values()] == [
        *(RULES.program.heads[name].label for name in payer.criteria), *payer.not_in_chart,
    ]  # fmt: skip
    for words in payer.not_in_chart:
        assert (criteria[words].status, criteria[words].says) == (WORDS["unknown"], WORDS["no_entry"])
    assert payer.confirm in made.notes


@pytest.mark.parametrize("example", ["05-dose-not-recorded", "12-allergies-not-sent"])
def test_what_is_not_known_is_said_to_be_and_why(example: str) -> None:
    made = made_for(request_of(example), "payer-medical-mutual")
    open_lines = [claim for one in made.sections for claim in one.claims if claim.status == WORDS["unknown"]]

    assert open_lines
    assert all(claim.says for claim in open_lines)
    assert WORDS["met"] not in {claim.status for claim in open_lines}


def test_what_a_clinician_stated_is_said_to_be_stated() -> None:
    request = request_of("05-dose-not-recorded")
    form = cast("ReviewForm", RULES.program.codes.review)
    trial = TrialAnswers("venlafaxine", {"start": "2025-05-10", "dose": 150.0, "duration": 12.0})
    when = datetime(TODAY.year, TODAY.month, TODAY.day, 9, tzinfo=UTC)
    said = ReviewAnswers("Patient/example", "Dr. <Doe>", "", when, [trial], {"aneurysm": False})
    reviews = {"resourceType": "Bundle", "entry": [{"resource": questionnaire_response(form, said) | {"id": "r"}}]}
    request["prefetch"]["questionnaireResponses"] = reviews

    made = made_for(request, "payer-cigna")

    stated = [claim for one in made.sections for claim in one.claims if "QuestionnaireResponse/r" in claim.references]
    assert {"venlafaxine", "Aneurysmal vascular disease, ever"} <= {claim.about for claim in stated}
    assert all(claim.stated for claim in stated)
    (aneurysm,) = [claim for claim in stated if claim.about.startswith("Aneurysmal")]
    assert (aneurysm.status, "Dr. <Doe>" in aneurysm.stated) == (WORDS["stated"], True)
    document = packet_as_document(made, FORM, ENGLISH_CATALOG, json.dumps(request).encode(), when)
    assert strict_fhir(json.dumps(document).encode()) == []
    assert "Dr. &lt;Doe&gt;" in json.dumps(document)
    assert any(entry["resource"]["resourceType"] == "QuestionnaireResponse" for entry in document["entry"])


@pytest.mark.parametrize(("example", "payer"), CASES)
def test_the_document_is_valid_fhir_and_holds_what_it_names(example: str, payer: str) -> None:
    request = request_of(example)
    made = made_for(request, payer)
    document = packet_as_document(
        made, FORM, ENGLISH_CATALOG, json.dumps(request).encode(), datetime(2026, 6, 1, 9, tzinfo=UTC)
    )

    assert strict_fhir(json.dumps(document).encode()) == []
    assert document["entry"][0]["resource"]["resourceType"] == "Composition"
    urls = [entry["fullUrl"] for entry in document["entry"]]
    assert len(urls) == len(set(urls))
    composition = document["entry"][0]["resource"]
    named = {one["reference"] for part in composition["section"] for one in part.get("entry", ())}
    assert named | {composition["subject"]["reference"]} == set(urls[1:])


def test_words_are_those_of_the_rules() -> None:
    for one in made_for(request_of(EXAMPLES[0]), "payer-cigna").sections:
        assert {claim.status for claim in one.claims} <= {"", *WORDS.values()}
        assert one.title in FORM.titles.values()


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    file = str(ROOT / "fhir_examples" / EXAMPLES[0] / "request.json")
    command = ["packet", file, "--today", str(TODAY), *arguments]
    script = [sys.executable, "-c", "from cds.cli.main import main; main()", *command]
    return subprocess.run(script, capture_output=True, text=True, check=False, cwd=ROOT)


@pytest.mark.seconds
def test_the_command_writes_each_format_and_says_which_payers_there_are() -> None:
    made = made_for(request_of(EXAMPLES[0]), "payer-cigna")
    as_json = json.loads(run("--payer", "payer-cigna", "--format", "json").stdout)
    assert as_json["sections"] == packet_as_json(made, ENGLISH_CATALOG)["sections"]
    assert strict_fhir(run("--format", "fhir").stdout.encode()) == []
    page = run().stdout
    assert "<style>" in page
    assert FORM.letter in page
    wrong = run("--payer", "payer-nobody")
    assert wrong.returncode != 0
    assert "payer-nobody" in wrong.stderr + wrong.stdout


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with keeping(tmp_path_factory.mktemp("journal"), show_definitions=PAYERS) as running:
        yield running


@pytest.mark.seconds
def test_behind_a_card_it_is_a_page_json_or_a_document_for_who_has_the_link(client: httpx.Client) -> None:
    address = page_of(client, request_of(EXAMPLES[0])).replace("?key", "/packet?key")

    page = client.get(address)
    assert FORM.letter in page.text
    assert "payer=payer-cigna" in page.text
    assert "no-store" in page.headers["cache-control"]
    assert "/packet?key" in client.get(address.replace("/packet", "")).text
    assert client.get(f"{address}&payer=payer-cigna&format=json").json()["payer"] == "payer-cigna"
    assert strict_fhir(client.get(f"{address}&format=fhir").content) == []
    assert client.get(f"{address}&payer=payer-nobody").status_code == 404
    assert client.get(f"{address}&format=pdf").status_code == 404
    assert client.get(address[:-3] + "abc").status_code == 404


@pytest.mark.parametrize("payer", ["", *PAYERS])
def test_it_prints_on_two_pages(payer: str, client: httpx.Client, browser: Browser) -> None:
    address = page_of(client, request_of(EXAMPLES[0])).replace("?key", "/packet?key")
    page = browser.new_page()
    page.goto(f"{address}&payer={payer}")
    printed = page.pdf(format="Letter")
    page.close()

    assert 1 <= len(re.findall(rb"/Type\s*/Page\b", printed)) <= 2
