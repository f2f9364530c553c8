"""
What is fuzzed: bytes in, nothing out; whatever is raised is a fault.

tests/fuzz/run.py has a coverage-guided fuzzer find inputs, tests/fuzz/test_corpus.py tries those that were kept.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from cds.api.messages import response_of
from cds.decide import Decision, Ruleset, decide
from cds.engine.evaluator import EvaluatorMode
from cds.errors import RequestError
from cds.read_request import limits, read_request, record_of
from cds.record.bundle import read_bundle
from cds.record.dates import read_date, shifted
from cds.rulebook.lint.lint import check
from cds.rulebook.loader import read_rulebook
from cds.ruleset import rules_of
from cds.settings import Settings
from cds.yaml_source.document import read_yaml
from tests.api.wire import flaws_in_response
from tests.record.fhir import JSON, bundle, order, patient
from tests.shipped import TODAY, shipped_book

CORPUS = Path(__file__).parent / "corpus"
PIECES = 4  # of the text of an order, with a sign between them that no chart has
BETWEEN = "\x1f"


@cache
def rules() -> Ruleset:
    """The shipped rules with the evaluator in Python alone: a fuzzer sees nothing of the other one."""
    from cds.rulebook.published import with_definitions

    return rules_of(with_definitions(shipped_book(), ()), EvaluatorMode.DIRECT)


def request(data: bytes) -> None:
    """A CDS Hooks request: the first byte says to which service."""
    services = list(rules().program.services.values())
    service = services[data[0] % len(services)] if data else services[0]
    bounds = limits(Settings(), rules())
    try:
        asked = read_request(data[1:], service)
        record = record_of(asked, service.templates, bounds)
    except RequestError as refusal:
        assert refusal.what
        return
    sound(decide(rules(), record, TODAY, service.id))


def evaluation(data: bytes) -> None:
    """A FHIR Bundle for /evaluate."""
    try:
        record = read_bundle(data, **limits(Settings(), rules()))
    except RequestError as refusal:
        assert refusal.what
        return
    sound(decide(rules(), record, TODAY))


def dose(data: bytes) -> None:
    """An order of a drug: its name, its instruction, its unit and its amount, all in words."""
    name, words, unit, amount, *_ = (data.decode("utf-8", errors="replace").split(BETWEEN) + [""] * PIECES)[:PIECES]
    dosage: JSON = {"text": words, "timing": {"code": {"text": words}}}
    try:
        dosage["doseAndRate"] = [{"doseQuantity": {"value": float(amount), "unit": unit}}]
    except ValueError:
        dosage["doseAndRate"] = [{"doseQuantity": {"unit": unit}}]
    said = order(medicationCodeableConcept={"text": name}, dosageInstruction=[dosage])
    evaluation(json.dumps(bundle(patient(), said)).encode())


def day(data: bytes) -> None:
    """A date, as its text stands in a resource."""
    span, flaw = read_date(data.decode("utf-8", errors="replace"))
    assert span is not None or flaw
    if span is None:
        return
    assert date(1, 1, 1) <= span.earliest <= span.latest
    assert span.latest - span.earliest < timedelta(days=367)
    for days in (0, 1, 400_000, -400_000, 10**7):
        moved = shifted(span, days)
        assert moved is None or moved.earliest <= moved.latest


def yaml(data: bytes) -> None:
    """A rule file: as YAML, and as rules."""
    text = data.decode("utf-8", errors="replace")
    read_yaml(text, "fuzzed.yaml")
    with TemporaryDirectory(prefix="thirdline-fuzz-") as folder:
        (Path(folder) / "fuzzed.yaml").write_bytes(data)
        book = read_rulebook(Path(folder))
        for problem in (*book.problems, *check(book, today=TODAY)):
            assert problem.what
            assert problem.fix


def sound(decision: Decision) -> None:
    """An answer is one that may be sent: CDS Hooks' own rules hold."""
    assert flaws_in_response(response_of(decision.cards)) == []


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    "request": request,
    "evaluation": evaluation,
    "dose": dose,
    "day": day,
    "yaml": yaml,
}
