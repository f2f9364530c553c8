"""
All measurements of docs/developers/performance.md in one run.

    make bench              # everything, about ten minutes
    make bench-short        # about three
    .venv/bin/python -m benchmarks.bench --many     # and memory over 100,000 requests

Peers are installed into .bench/ by `make bench-peers`; what is not there is skipped with a line that says so.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import orjson

from benchmarks import as_cql
from benchmarks.as_rules import write_rules
from benchmarks.measure import ROOT, Load, cpu_ms, serving
from benchmarks.page import population_rows, write_page
from benchmarks.plain import Walk
from benchmarks.population import measure_cql, measure_population
from benchmarks.tail import LARGE, SMALL, Cell, Variant, measure
from benchmarks.workload import OUTCOMES, SERVICE, SETS, SIZES, SUMMARIES, TODAY, request, value_sets
from cds.api.messages import response_of
from cds.cards.render import write_cards
from cds.decide import Ruleset, decide
from cds.engine.evaluator import EvaluatorMode
from cds.facts.evaluate import evaluate_facts
from cds.read_request import read_request, record_of
from cds.record import units
from cds.record.model import PatientRecord
from cds.ruleset import load_rules

PEERS = ROOT / ".bench"
NODE_MODULES = PEERS / "node_modules"
HEALTHCHAIN = PEERS / "healthchain" / "bin" / "python"
SHIPPED_SERVICE = "ketamine-evaluation"


@dataclass
class Results:
    """What was measured, by section; `skipped` says what was not, and why."""

    machine: str
    rooms: dict[str, dict[str, tuple[float, float]]] = field(default_factory=dict)
    growth: dict[str, dict[str, float]] = field(default_factory=dict)
    cql: dict[str, dict[str, float]] = field(default_factory=dict)
    http: dict[str, dict[str, Any]] = field(default_factory=dict)
    memory: dict[str, float] = field(default_factory=dict)
    population: dict[str, float] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)

    def skip(self, what: str) -> None:
        print(f"skipped: {what}", flush=True)
        self.skipped.append(what)


class Ours:
    """One rulebook and one service of it, ready to answer."""

    def __init__(
        self,
        folder: Path,
        service: str,
        mode: EvaluatorMode = EvaluatorMode.BOTH,
        definitions: tuple[str, ...] = (),
    ) -> None:
        self.rules: Ruleset = load_rules(folder, mode, TODAY, definitions)
        self.service = self.rules.program.services[service]

    def read(self, body: bytes) -> PatientRecord:
        asked = read_request(body, self.service)
        bounds = {"most_entries": 50_000, "max_depth": 64, "sought": self.rules.program.sought}
        return record_of(asked, self.service.templates, bounds)

    def answer(self, body: bytes) -> bytes:
        """As the service does: bytes to bytes."""
        return msgspec.json.encode(response_of(decide(self.rules, self.read(body), TODAY, self.service.id).cards))

    def rooms(self, body: bytes, named: str) -> dict[str, Callable[[], object]]:
        program, reasoner = self.rules.program, self.rules.reasoner
        record = self.read(body)
        facts = evaluate_facts(program.wanted, program.codes, record, TODAY)
        truths = reasoner.conclude(facts)
        return {
            f"{named}: record": lambda: self.read(body),
            f"{named}: facts": lambda: evaluate_facts(program.wanted, program.codes, record, TODAY),
            f"{named}: reasoning": lambda: reasoner.conclude(facts),
            f"{named}: cards": lambda: write_cards(program, record, facts, truths, self.service.id),
            f"{named}: whole": lambda: self.answer(body),
        }


def check_answers(ours: Ours) -> None:
    """No time is reported of an engine that is wrong."""
    walk = Walk.of()
    for size in SIZES[:2]:
        for outcome in OUTCOMES:
            body = request(size, outcome)
            cards = json.loads(ours.answer(body))["cards"]
            assert [card["summary"] for card in cards] == [SUMMARIES[outcome][0]], (size, outcome, cards)
            assert walk.outcome(json.loads(body)["prefetch"]) == outcome


def in_process(results: Results, folder: Path, seconds: float) -> None:
    ours, alone = Ours(folder, SERVICE), Ours(folder, SERVICE, EvaluatorMode.DIRECT)
    shipped, shipped_alone = (
        Ours(ROOT / "rules", SHIPPED_SERVICE, mode) for mode in (EvaluatorMode.BOTH, EvaluatorMode.DIRECT)
    )
    check_answers(ours)
    settle()
    for size in SIZES:
        body = request(size)
        work: dict[str, Callable[[], object]] = {"orjson.loads": lambda body=body: orjson.loads(body)}  # type: ignore[misc]
        work |= ours.rooms(body, "workload")
        work["workload: reasoning, direct alone"] = alone.rooms(body, "")[": reasoning"]
        work |= shipped.rooms(body, "shipped")
        work["shipped: reasoning, direct alone"] = shipped_alone.rooms(body, "")[": reasoning"]
        results.rooms[str(size)] = cpu_ms(work, seconds)
        print(size, {name: round(best, 3) for name, (best, _) in results.rooms[str(size)].items()}, flush=True)


def growth(results: Results, folder: Path, seconds: float) -> None:
    """Rules the patient's facts do not reach, and trials."""
    body = request(500)
    made = {str(rules): Ours(write_rules(folder / f"r{rules}", rules), SERVICE) for rules in (20, 100, 500, 1000)}
    settle()
    work: dict[str, Callable[[], object]] = {
        rules: lambda ours=ours: ours.answer(body)  # type: ignore[misc]
        for rules, ours in made.items()
    }
    results.growth["rules"] = {rules: best for rules, (best, _) in cpu_ms(work, seconds).items()}
    program = made["20"].rules.program
    records = {str(count): made["20"].read(request(50, more_trials=count)) for count in (1, 10, 100, 1000)}
    trials: dict[str, Callable[[], object]] = {
        count: lambda record=record: evaluate_facts(program.wanted, program.codes, record, TODAY)  # type: ignore[misc]
        for count, record in records.items()
    }
    results.growth["trials"] = {count: best for count, (best, _) in cpu_ms(trials, seconds).items()}
    print(results.growth, flush=True)


def cql_execution(results: Results, folder: Path, seconds: float) -> None:
    node = shutil.which("node")
    if node is None or not (NODE_MODULES / "cql-execution").is_dir():
        results.skip("cql-execution (needs node and `make bench-peers`)")
        return
    for style in ("idiomatic", "tuned"):
        (folder / f"{style}.cql").write_text(as_cql.cql(style))
    (folder / "FHIRHelpers.cql").write_text(as_cql.FHIR_HELPERS)
    (folder / "valuesets.json").write_bytes(orjson.dumps({SETS + name: codes for name, codes in value_sets().items()}))
    scripts = Path(__file__).parent / "cql"
    translating: list[str | Path] = [
        node,
        scripts / "translate.mjs",
        NODE_MODULES,
        folder,
        "FHIRHelpers",
        "tuned",
        "idiomatic",
    ]
    subprocess.run(translating, check=True, stdout=subprocess.DEVNULL)  # noqa: S603
    for style in ("tuned", "idiomatic"):
        results.cql[style] = {}
        for size in SIZES:
            bodies = []
            for outcome in ("trd", "no-mdd"):
                bodies.append(folder / f"{size}-{outcome}.json")
                bodies[-1].write_bytes(request(size, outcome))
            running: list[str | Path] = [node, scripts / "run.mjs", NODE_MODULES, folder, style, str(seconds), *bodies]
            ended = subprocess.run(running, check=True, capture_output=True, text=True)  # noqa: S603
            said = [json.loads(line) for line in ended.stdout.splitlines()]
            assert [one["outcome"] for one in said] == ["trd", "no-mdd"], said
            results.cql[style][str(size)] = said[0]["best"]
    print(results.cql, flush=True)


def population(results: Results, folder: Path, rules: Path, cql: Path) -> None:
    """A population run by the workload's rules and the shipped ones; after `cql_execution`, whose CQL it takes."""
    folder.mkdir()
    results.population = measure_population(folder, rules, ROOT / "rules")
    if results.cql:
        results.population |= measure_cql(cql, NODE_MODULES)
    print({name: round(value, 3) for name, value in results.population.items()}, flush=True)


def over_http(results: Results, folder: Path, seconds: float, short: bool) -> None:
    bodies = {size: [request(size, outcome) for outcome in OUTCOMES] for size in SIZES}
    first = bodies[50][0]
    here = f"/cds-services/{SERVICE}"
    state = folder / "journal"
    environment = {"CDS_RULES": str(folder), "CDS_QUEUE_SIZE": "128", "CDS_JOURNAL": str(state), "CDS_ENGINE": "both"}

    def take(name: str, server: Any, size: int, connections: int) -> None:
        load: Load = server.load(bodies[size], connections, seconds)
        results.http.setdefault(name, {})[f"{size}/{connections}"] = asdict(load)
        print(name, size, connections, {key: round(value, 2) for key, value in asdict(load).items()}, flush=True)

    with serving("benchmarks.servers:transport", here, first) as server:
        for size in SIZES:
            take("transport", server, size, 1)
    for workers in (1, 2):
        name = "service" if workers == 1 else "service, 2 workers"
        with (
            serving("benchmarks.servers:constant", here, first) as floor,
            serving("benchmarks.servers:ours", here, first, workers=workers, env=environment) as server,
        ):
            from benchmarks.measure import mb_of, tree  # noqa: PLC0415

            if workers == 1:
                results.memory["first answer, seconds"] = server.first_answer
                results.memory["idle, MB"] = mb_of(tree(server.pid))
            for size in SIZES:
                for connections in (1, 8, 64):
                    if workers == 1 and connections < 64:
                        take("FastAPI, constant card", floor, size, connections)
                    if workers == 1 or connections > 1:
                        take(name, server, size, connections)
            if workers == 1:
                results.memory["after 5,000 resources on 64 connections, MB"] = mb_of(tree(server.pid))
    shipped_and_mixed(results, folder, seconds)
    if HEALTHCHAIN.exists():
        there = f"/cds{here}"
        with serving("benchmarks.healthchain_app:app", there, first, python=str(HEALTHCHAIN), factory=False) as server:
            for size in SIZES if not short else SIZES[:2]:
                for connections in (1, 8):
                    take("HealthChain", server, size, connections)
    else:
        results.skip("HealthChain (needs `make bench-peers`)")


def shipped_and_mixed(results: Results, folder: Path, seconds: float) -> None:
    """The shipped rules over HTTP, and small requests while some are large."""
    cells = [Cell(True, str(size), connections) for size in SIZES[:2] for connections in (1, 8)]
    cells += [Cell(False, "mixed", connections) for connections in (8, 64)]
    for row, loads in measure([Variant("service")], folder / "tail", seconds, 3, cells).items():
        what, connections, _ = row.split("/")
        rules, sent = what.split(", ")
        server = "service, shipped rules" if rules == "shipped" else f"service, {sent}"
        size = {SMALL: "50", LARGE: "5000"}.get(sent, sent)
        results.http.setdefault(server, {})[f"{size}/{connections}"] = asdict(loads["service"])


def many(results: Results, folder: Path, requests: int) -> None:
    """Memory over many requests, in tenths."""
    from benchmarks.measure import mb_of, tree  # noqa: PLC0415

    environment = {"CDS_RULES": str(folder), "CDS_JOURNAL": str(folder / "many"), "CDS_QUEUE_SIZE": "128"}
    body = request(50)
    with serving("benchmarks.servers:ours", f"/cds-services/{SERVICE}", body, env=environment) as server:
        done = tenth = 0
        while done < requests:
            done += server.load([body], 8, 5).requests
            if done >= requests * (tenth + 1) / 10:
                tenth += 1
                results.memory[f"after {done} requests, MB"] = mb_of(tree(server.pid))
    print(results.memory, flush=True)


def settle() -> None:
    units.warm()
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000)


def machine() -> str:
    model = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), "")
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=ROOT, check=False  # noqa: S607
    ).stdout.strip()  # fmt: skip
    load = os.getloadavg()[0]
    return (
        f"commit {commit}, Python {sys.version.split()[0]}, {os.cpu_count()} × {model.split(':')[-1].strip()} "
        f"({platform.machine()}), load of the machine at the start {load:.1f}"
    )


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--short", action="store_true", help="a few minutes: shorter rounds, fewer cells")
    arguments.add_argument("--many", action="store_true", help="and memory over 100,000 requests")
    arguments.add_argument("--population", action="store_true", help="the population rows alone")
    arguments.add_argument("--page", action="store_true", help="write docs/developers/performance.* anew")
    chosen = arguments.parse_args()
    seconds = 0.15 if chosen.short else 0.5
    results = Results(machine())
    print(results.machine, flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = write_rules(Path(temporary) / "rules")
        if chosen.population:
            (cql := Path(temporary) / "cql").mkdir()
            cql_execution(results, cql, 0)
            population(results, Path(temporary) / "population", folder, cql)
            print("\n".join(map(" | ".join, population_rows(results.population))))
            return
        in_process(results, folder, seconds)
        growth(results, Path(temporary) / "growth", seconds)
        cql = Path(temporary) / "cql"
        cql.mkdir()
        cql_execution(results, cql, 1 if chosen.short else 5)
        population(results, Path(temporary) / "population", folder, cql)
        over_http(results, folder, 1 if chosen.short else 3, chosen.short)
        if chosen.many:
            many(results, folder, 100_000)
    PEERS.mkdir(exist_ok=True)
    (PEERS / "results.json").write_bytes(orjson.dumps(asdict(results), option=orjson.OPT_INDENT_2))
    write_page(asdict(results), ROOT / "docs" / "developers" if chosen.page else None)


if __name__ == "__main__":
    main()
