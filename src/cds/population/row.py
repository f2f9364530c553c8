"""One patient's bytes and days → a row each. Pure: knows no file, no process, no clock."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from cds.cards.render import due_cards
from cds.decide import Conclusions, Ruleset, conclude, index_day, truth_of
from cds.engine.evaluator import DisagreementError
from cds.engine.explain import Lacking, lacking
from cds.errors import RequestError, TooLargeError
from cds.logic.truth import Truth
from cds.population.columns import Column, ColumnKind
from cds.population.demographics import demographics_of
from cds.population.patient import CohortPatient
from cds.read_request import read_record
from cds.record.model import PatientRecord
from cds.rulebook.compiled_ruleset import CohortQuestion
from cds.settings import Settings

_LackingOf = Mapping[str, Sequence[Lacking]]
TOO_LARGE = "too large"  # how the reason of a row begins, where a patient has more than is read


@dataclass(frozen=True, slots=True)
class DecisionRows:
    """
    What the rules say of one patient as of some days, as plain values; never a reason tree.

    `outcome` is decided, refused (the data cannot be answered; `why` says so) or failed (a fault of ours). `is_NAME`
    is the truth of each conclusion, under a definition `is_NAME__DEFINITION`; `missing` lists what would settle the
    unknown ones. `definition_ID` is the truth of each published definition that was asked for, `index_day_ID` its day
    where the algorithm has one, None while it is not met. `cohort_ID` is the answer to each question of the rules.
    `age_at_least` and `age_at_most` are whole years on the day, None where the birth is not recorded; they differ where
    it is known to the year only. `sex` is the administrative gender. The same bytes, rules and day give the same row.

    Attributes:
        rules, settings: What is decided by.
        with_race: Rows hold `race` and `ethnicity` besides, which no rule reads.
    """

    rules: Ruleset
    settings: Settings
    with_race: bool = False

    @property
    def version(self) -> str:
        """The version of the rules."""
        return self.rules.program.version

    @property
    def columns(self) -> tuple[Column, ...]:
        """What a row may hold, in its order."""
        program = self.rules.program
        truths = [
            *(f"is_{name}" for name, head in program.heads.items() if head.is_an_authors),
            *(f"is_{of}__{one.id}" for of, many in program.definitions.items() for one in many),
        ]
        published = [
            column
            for one in program.published
            for column in (
                Column(definition_column(one.id), ColumnKind.TRUTH),
                *([Column(index_day_column(one.id), ColumnKind.DAY)] if one.index_days else []),
            )
        ]
        return (
            Column("patient", ColumnKind.TEXT),
            Column("as_of", ColumnKind.DAY),
            *(Column(name, ColumnKind.TEXT) for name in ("rules", "input", "outcome", "why")),
            *(Column(name, ColumnKind.NUMBER) for name in ("age_at_least", "age_at_most")),
            Column("sex", ColumnKind.TEXT),
            *(Column(name, ColumnKind.TEXT) for name in ("race", "ethnicity") if self.with_race),
            Column("resources", ColumnKind.NUMBER),
            Column("newest", ColumnKind.DAY),
            *(Column(name, ColumnKind.TRUTH) for name in truths),
            *published,
            *(Column(cohort_column(one.id), ColumnKind.TRUTH) for one in program.cohorts),
            Column("missing", ColumnKind.RECORDS, ("conclusion", "fact", "because", "kind")),
            Column("cards", ColumnKind.RECORDS, ("name", "indicator", "rule", "version")),
            Column("issues", ColumnKind.COUNTS),
        )

    def rows_of(self, patient: CohortPatient, days: Iterable[date], today: date) -> Iterator[dict[str, Any]]:
        """A row for each day; what was charted later is not seen. Days that see the same share one reading of it."""
        read: tuple[bytes, PatientRecord, str | None] | None = None
        for day in days:
            row: dict[str, Any] = {"patient": patient.id, "as_of": day.isoformat(), "rules": self.version, "input": ""}
            try:
                body = patient.body_as_of(day, today)
                row["input"] = hashlib.sha256(body).hexdigest()[:16]
                if read is None or read[0] != body:
                    read = (body, *read_record(body, self.rules, self.settings))
                decision = conclude(self.rules, read[1], day)
                who = demographics_of(decision, body, self.with_race)
                yield row | {"outcome": "decided"} | who | _answers(self.rules, decision, read[2])
            except TooLargeError as refused:
                yield row | {"outcome": "refused", "why": f"{TOO_LARGE}: {refused.what}"}
            except RequestError as refused:
                yield row | {"outcome": "refused", "why": str(refused.what)}
            except DisagreementError:
                yield row | {"outcome": "failed", "why": "the two evaluators disagree"}
            except Exception as fault:  # noqa: BLE001 (one patient's fault is a row of the run, never a missing one)
                yield row | {"outcome": "failed", "why": type(fault).__name__}


def _answers(rules: Ruleset, decision: Conclusions, service: str | None) -> dict[str, Any]:
    program = rules.program
    truths = {name: truth for name, truth in decision.truths.items() if program.heads[name].is_an_authors}
    defined = {
        f"is_{of}__{one.id}": decision.truths[one.head].value
        for of, many in program.definitions.items()
        for one in many
    }
    lacks = lacking(truths, program.heads, decision.facts, decision.truths)
    return {
        "resources": decision.record.resources,
        "newest": decision.record.newest.isoformat() if decision.record.newest else None,
        **{f"is_{name}": truth.value for name, truth in truths.items()},
        **defined,
        **_published(rules, decision),
        **{cohort_column(name): truth.value for name, truth in answers_to_questions(rules, decision, lacks).items()},
        "missing": [
            [name, fact.name, str(fact.because), fact.why_unknown.value if fact.why_unknown else ""]
            for name, many in lacks.items()
            for fact, _ in many
        ],
        "cards": [
            [due.text.name, due.indicator, due.text.rule.id, due.text.rule.version]
            for due in due_cards(program, decision.truths, service)
        ],
        "issues": dict(sorted(Counter(str(issue.kind.value) for issue in decision.record.issues).items())),
    }


def answers_to_questions(rules: Ruleset, decision: Conclusions, lacks: _LackingOf | None = None) -> dict[str, Truth]:
    """Question of the rules → its answer for one patient; `lacks` is what each unknown conclusion lacks, if known."""
    program = rules.program
    if lacks is None:
        lacks = lacking({one.lacks for one in program.cohorts}, program.heads, decision.facts, decision.truths)
    return {one.id: _cohort(one, decision, lacks.get(one.lacks, ())) for one in program.cohorts}


def _cohort(question: CohortQuestion, decision: Conclusions, lacks: Sequence[Lacking]) -> Truth:
    """The answer for one patient; a settled conclusion lacks nothing, so a question about what it lacks is then no."""
    truth = decision.truths[question.head]
    few = not question.lacks or 0 < len(lacks) <= question.most_lacking
    return truth if few else Truth.FALSE


def _published(rules: Ruleset, decision: Conclusions) -> dict[str, Any]:
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
