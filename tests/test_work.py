"""How much is done for an answer, counted: what would make it slow shows here, whatever the machine is doing."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from benchmarks.as_rules import write_rules
from benchmarks.workload import OUTCOMES, SERVICE, SUMMARIES, TODAY, request
from cds.decide import Ruleset, decide
from cds.engine import durable as engine
from cds.engine.evaluator import EvaluatorMode
from cds.facts import drug_history
from cds.facts.trials import response
from cds.read_request import read_request, record_of
from cds.record import bundle_parts, collect
from cds.record.model import PatientRecord
from cds.ruleset import load_rules
from cds.terminology.index import TerminologyIndex
from cds.terminology.phrases import PhraseIndex
from tests.shipped import shipped_rules

both = pytest.mark.skipif(not engine.available(), reason="durable-rules does not run on this Python")


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Ruleset:
    return load_rules(write_rules(tmp_path_factory.mktemp("few"), 20), None, TODAY)


def read(rules: Ruleset, body: bytes, service_id: str = SERVICE) -> PatientRecord:
    service = rules.program.services[service_id]
    asked = read_request(body, service)
    bounds = {"most_entries": 50_000, "max_depth": 64, "sought": rules.program.sought}
    return record_of(asked, service.templates, bounds)


class Counting:
    """Calls through to another object and counts, by the name that is called."""

    def __init__(self, real: Any) -> None:
        self.real = real
        self.calls: dict[str, int] = {}
        self.sent: list[str] = []

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.real, name)
        if not callable(found) or isinstance(found, type):
            return found

        def called(*arguments: Any) -> Any:
            self.calls[name] = self.calls.get(name, 0) + 1
            self.sent += [argument for argument in arguments if isinstance(argument, str)]
            return found(*arguments)

        return called


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_the_workload_of_the_benchmark_is_decided_rightly(few: Ruleset, outcome: str) -> None:
    cards = decide(few, read(few, request(50, outcome)), TODAY, SERVICE).cards
    assert [card.summary for card in cards] == [SUMMARIES[outcome][0]]


def test_each_resource_is_decoded_once_and_nothing_twice(few: Ruleset, monkeypatch: pytest.MonkeyPatch) -> None:
    resource, lenient = Counting(collect.RESOURCE), Counting(collect.LENIENT)
    monkeypatch.setattr(collect, "RESOURCE", resource)
    monkeypatch.setattr(collect, "LENIENT", lenient)

    record = read(few, request(50))

    assert record.resources == 51  # and the patient
    assert resource.calls == {"decode": record.resources}
    assert lenient.calls == {}


def test_observations_no_rule_wants_make_no_values(few: Ruleset) -> None:
    body = request(500)
    record = read(few, body)
    assert body.count(b'"resourceType":"Observation"') > 200
    assert len(record.measurements) == body.count(b'"code":"44261-6"') - 1  # one was entered in error


def test_entries_no_rule_wants_make_no_values(few: Ruleset) -> None:
    body = request(500)
    record = read(few, body)
    entries = [*record.diagnoses, *record.exposures, *record.interventions, *record.referrals]
    assert body.count(b'"resourceType":"Condition"') + body.count(b'"resourceType":"MedicationRequest"') > 150
    assert len(entries) < 20


def test_a_prefetch_value_is_parsed_once(few: Ruleset, monkeypatch: pytest.MonkeyPatch) -> None:
    bundles, envelopes = Counting(bundle_parts.BUNDLE), Counting(bundle_parts.ENVELOPE)
    for module in (bundle_parts, collect):
        monkeypatch.setattr(module, "BUNDLE", bundles)
        monkeypatch.setattr(module, "ENVELOPE", envelopes)

    read(few, request(50))

    assert bundles.calls == {"decode": 6}
    assert envelopes.calls == {"decode": 1}  # the patient, who is in no Bundle


@both
def test_a_ruleset_is_asked_once_and_only_if_it_is_told_anything(few: Ruleset, monkeypatch: pytest.MonkeyPatch) -> None:
    record = read(few, request(50))
    counting = Counting(vars(engine)["durable"])
    monkeypatch.setattr(engine, "durable", counting)

    decide(few, record, TODAY, SERVICE)

    batches = [text for text in counting.sent if engine.SENTINEL in text]
    assert len(batches) == counting.calls["assert_facts"] == counting.calls["delete_state"] < len(few.program.strata)
    for batch in batches:
        assert batch.count('"id"') <= 3  # the first, what is sure, what is open


@both
def test_more_resources_are_no_more_work_for_the_engine(few: Ruleset, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = []
    for resources in (50, 500):
        record = read(few, request(resources))
        counting = Counting(vars(engine)["durable"])
        with monkeypatch.context() as patched:
            patched.setattr(engine, "durable", counting)
            decide(few, record, TODAY, SERVICE)
        counts.append(counting.calls["complete_and_start_action"])
    assert counts[1] <= counts[0] + 4  # the same rules; other scores and trials may fire another few


@pytest.mark.seconds
@both
def test_rules_that_are_not_reached_cost_the_engine_nothing(
    few: Ruleset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = load_rules(write_rules(tmp_path, 200), None, TODAY)
    calls = []
    for rules in (few, many):
        record = read(rules, request(50))
        counting = Counting(vars(engine)["durable"])
        with monkeypatch.context() as patched:
            patched.setattr(engine, "durable", counting)
            decide(rules, record, TODAY, SERVICE)
        calls.append(counting.calls)
    assert calls[1] == calls[0]


@both
def test_of_the_shipped_rules_the_engine_fires_a_fraction(monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = shipped_rules()
    record = read(shipped, request(50), "ketamine-evaluation")
    counting = Counting(vars(engine)["durable"])
    monkeypatch.setattr(engine, "durable", counting)

    truths = decide(shipped, record, TODAY, "ketamine-evaluation").truths

    assert counting.calls["complete_and_start_action"] < len(truths)
    assert counting.calls["assert_facts"] < len(truths) / 10


@pytest.mark.seconds
@pytest.mark.parametrize("example", ["01-two-failed-trials", "16-drugs-in-words-only", "38-ect-and-four-drugs"])
def test_a_text_is_searched_once_for_the_record_and_once_for_all_facts(
    example: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched: Counter[str] = Counter()
    search = PhraseIndex.find_with_exceptions

    def searching(index: PhraseIndex, text: str) -> Any:
        searched[text] += 1
        return search(index, text)

    folder = Path(__file__).parents[1]
    rules = load_rules(folder / "rules", EvaluatorMode.DIRECT, TODAY)
    body = (folder / "fhir_examples" / example / "request.json").read_bytes()
    monkeypatch.setattr(PhraseIndex, "find_with_exceptions", searching)
    record = read(rules, body, "ketamine-evaluation")
    assert set(searched.values()) <= {1}
    decide(rules, record, TODAY)
    assert searched
    assert set(searched.values()) <= {1, 2}


@pytest.mark.seconds
def test_rules_are_indexed_once_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    index = TerminologyIndex.__post_init__

    def indexing(codes: TerminologyIndex) -> None:
        made.append(codes)
        index(codes)

    monkeypatch.setattr(TerminologyIndex, "__post_init__", indexing)
    load_rules(Path(__file__).parents[1] / "rules", EvaluatorMode.DIRECT, TODAY)
    assert len(made) == 1


@pytest.mark.seconds
def test_what_published_definitions_ask_alike_is_worked_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    gone_through, said = [], []
    kept, by_scores = drug_history._issues, response._said_by_scores

    def reading(names: tuple[str, ...], *rest: Any) -> Any:
        gone_through.append(names)
        return kept(names, *rest)

    def saying(*arguments: Any) -> Any:
        said.append(arguments)
        return by_scores(*arguments)

    monkeypatch.setattr(drug_history, "_issues", reading)
    monkeypatch.setattr(response, "_said_by_scores", saying)
    folder = Path(__file__).parents[1]
    body = (folder / "fhir_examples" / "01-two-failed-trials" / "request.json").read_bytes()
    for definitions in ((), ("all",)):
        rules = load_rules(folder / "rules", EvaluatorMode.DIRECT, TODAY, definitions)
        decision = decide(rules, read(rules, body, "ketamine-evaluation"), TODAY)
        trials = [fact for fact in decision.facts.by_name.values() if fact.trials]
    assert len(gone_through) == len(set(gone_through)) == 2  # our table alone, and with the drugs of definitions
    assert len(said) < sum(len(fact.trials) for fact in trials) / 2
