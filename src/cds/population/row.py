"""One patient's bytes on one day → one row. Pure: knows no file, no process, no clock."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from datetime import date
from typing import Any

from cds.decide import Decision, Ruleset, decide, index_day, truth_of
from cds.engine.evaluator import DisagreementError
from cds.engine.explain import Missing, missing
from cds.errors import RequestError
from cds.logic.truth import Truth
from cds.population.demographics import demographics_of
from cds.read_request import read_record
from cds.rulebook.program import CohortQuestion
from cds.settings import Settings


def row_of(
    rules: Ruleset, settings: Settings, patient: str, body: bytes, day: date, with_race: bool = False
) -> dict[str, Any]:
    """
    What the rules say of one patient as of one day, as plain values; never a reason tree.

    `outcome` is decided, refused (the data cannot be answered; `why` says so) or failed (a fault of ours). `is_NAME`
    is the truth of each conclusion, under a definition `is_NAME__DEFINITION`; `missing` lists what would settle the
    unknown ones. `definition_ID` is the truth of each published definition that was asked for, `index_day_ID` its day
    where the algorithm has one, None while it is not met. `cohort_ID` is the answer to each
    question of the rules. `age_at_least` and `age_at_most` are whole years on the day, None where the birth is not
    recorded; they differ where it is known to the year only. `sex` is the administrative gender. `with_race`: `race`
    and `ethnicity` besides, which no rule reads. The same bytes, rules and day give the same row.
    """
    row: dict[str, Any] = {
        "patient": patient,
        "as_of": day.isoformat(),
        "rules": rules.program.version,
        "input": hashlib.sha256(body).hexdigest()[:16],
    }
    try:
        record, service = read_record(body, rules, settings)
        decision = decide(rules, record, day, service)
    except RequestError as refused:
        return row | {"outcome": "refused", "why": refused.what}
    except DisagreementError:
        return row | {"outcome": "failed", "why": "the two evaluators disagree"}
    except Exception as fault:  # noqa: BLE001 (one patient's fault is a row of the run, never a missing one)
        return row | {"outcome": "failed", "why": type(fault).__name__}
    return row | {"outcome": "decided"} | demographics_of(decision, body, with_race) | _answers(rules, decision)


def _answers(rules: Ruleset, decision: Decision) -> dict[str, Any]:
    program = rules.program
    truths = {name: truth for name, truth in decision.truths.items() if program.heads[name].is_an_authors}
    defined = {
        f"is_{of}__{one.id}": decision.truths[one.head].value
        for of, many in program.definitions.items()
        for one in many
    }
    lacking = {
        name: missing(name, program.heads, decision.facts, decision.truths)
        for name, truth in truths.items()
        if truth is Truth.UNKNOWN
    }
    return {
        "resources": decision.record.resources,
        "newest": decision.record.newest.isoformat() if decision.record.newest else None,
        **{f"is_{name}": truth.value for name, truth in truths.items()},
        **defined,
        **_published(rules, decision),
        **{cohort_column(one.id): _cohort(one, decision, lacking.get(one.lacks, ())).value for one in program.cohorts},
        "missing": [
            [name, item.fact, item.because, item.why_unknown.value if item.why_unknown else ""]
            for name, items in lacking.items()
            for item in items
        ],
        "cards": [[card.name, card.indicator, card.rule.id, card.rule.version] for card in decision.cards],
        "issues": dict(sorted(Counter(issue.kind.value for issue in decision.record.issues).items())),
    }


def _cohort(question: CohortQuestion, decision: Decision, lacking: Sequence[Missing]) -> Truth:
    """The answer for one patient; a settled conclusion lacks nothing, so a question about what it lacks is then no."""
    truth = decision.truths[question.head]
    few = not question.lacks or 0 < len(lacking) <= question.most_lacking
    return truth if few else Truth.FALSE


def _published(rules: Ruleset, decision: Decision) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for published in rules.program.published:
        row[definition_column(published.id)] = truth_of(published, decision).value
        if published.index_days:
            day = index_day(published, decision)
            row[index_day_column(published.id)] = day.isoformat() if day else None
    return row


def cohort_column(question: str) -> str:
    """The column with the answer to a question of the rules."""
    return f"cohort_{question}"


def definition_column(published: str) -> str:
    """The column with the truth of a published definition."""
    return f"definition_{published}"


def index_day_column(published: str) -> str:
    """The column with the first day a published definition is met, as YYYY-MM-DD."""
    return f"index_day_{published}"
