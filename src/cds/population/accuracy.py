"""Reviewed charts → sensitivity, specificity and predictive values for the whole population, with intervals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cds.logic.truth import Truth
from cds.population.linked import LinkedSum, suppress_linked
from cds.population.statistics import Estimate, ReviewedStratum, share, weighted_share

YES, NO, UNKNOWN = Truth.TRUE.value, Truth.FALSE.value, Truth.UNKNOWN.value
CASE, NOT_A_CASE, CANNOT_TELL, NOT_RETURNED = "yes", "no", "cannot tell", "not returned"
LABELS = (CASE, NOT_A_CASE, CANNOT_TELL)


@dataclass(frozen=True, slots=True)
class ReviewedAnswer:
    """
    Charts reviewed of one answer.

    Attributes:
        answer: true, false or unknown, as the rules said.
        patients: With this answer in the population.
        drawn: Charts in the sample.
        labels: yes, no, cannot tell, not returned → charts. All None where suppressed.
    """

    answer: str
    patients: int | None
    drawn: int | None
    labels: Mapping[str, int | None]


@dataclass(frozen=True, slots=True)
class AccuracyMeasure:
    """
    One measure of agreement with reviewers, with its interval.

    Attributes:
        name: "sensitivity".
        says: What it is the share of, in words.
        estimate: None where `why_not` says why.
    """

    name: str
    says: str
    estimate: Estimate | None
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class Accuracy:
    """What the review of charts says of a definition."""

    reviewed: tuple[ReviewedAnswer, ...]
    measures: tuple[AccuracyMeasure, ...]


def accuracy_of(patients: Mapping[str, int | None], drawn: Mapping[str, Mapping[str, int]], smallest: int) -> Accuracy:
    """
    Weigh the labels of a stratified sample by how many patients each chart stands for.

    `patients` are those of each answer, None where the report hides them; `drawn` has the labels of each answer's
    charts. A chart whose reviewer cannot tell, or that was not returned, is taken to be like the others of its answer.
    A measure is told only if every count that it rests on is. How many charts are not back is always told.
    """
    reviewed = tuple(
        _reviewed(answer, patients[answer], drawn.get(answer, {}), smallest) for answer in (YES, NO, UNKNOWN)
    )
    return Accuracy(reviewed, tuple(_measures(reviewed)))


def _reviewed(answer: str, patients: int | None, labels: Mapping[str, int], smallest: int) -> ReviewedAnswer:
    counts: dict[tuple[str, ...], int] = {(label,): labels.get(label, 0) for label in (*LABELS, NOT_RETURNED)}
    total = sum(counts.values())
    sums = [LinkedSum(("drawn",), tuple(counts))]
    # A stratum that was taken whole tells how many it has.
    is_told = patients is not None and (total == 0 or total >= smallest)
    if not is_told:
        return ReviewedAnswer(answer, patients, None, dict.fromkeys((*LABELS, NOT_RETURNED)))
    known: dict[tuple[str, ...], int | None] = {("drawn",): total, (NOT_RETURNED,): counts[NOT_RETURNED,]}
    shown = suppress_linked(counts | {("drawn",): total}, sums, known, smallest)
    return ReviewedAnswer(answer, patients, total, {label: shown[label,] for label in (*LABELS, NOT_RETURNED)})


Shares = Sequence[Any]  # of cases among the answers yes, no, unknown: numbers, or arrays of draws


def _measures(reviewed: Sequence[ReviewedAnswer]) -> list[AccuracyMeasure]:
    yes, no, unknown = range(3)

    def number(answer: int) -> int:
        return reviewed[answer].patients or 0

    def cases(shares: Shares, *answers: int) -> Any:
        return sum(number(answer) * shares[answer] for answer in answers)

    def others(shares: Shares, *answers: int) -> Any:
        return sum(number(answer) * (1 - shares[answer]) for answer in answers)

    every, answered = (yes, no, unknown), (yes, no)
    weighted: list[tuple[str, str, tuple[int, ...], Callable[[Shares], tuple[Any, Any]]]] = [
        (
            "sensitivity",
            "Of patients who meet it by review, the rules said yes; unknown counts as not found.",
            every,
            lambda p: (cases(p, yes), cases(p, *every)),
        ),
        (
            "specificity",
            "Of patients who do not meet it by review, the rules said no; unknown counts as not ruled out.",
            every,
            lambda p: (others(p, no), others(p, *every)),
        ),
        (
            "sensitivity where answered",
            "Of patients who meet it by review and have an answer, the rules said yes.",
            answered,
            lambda p: (cases(p, yes), cases(p, *answered)),
        ),
        (
            "specificity where answered",
            "Of patients who do not meet it by review and have an answer, the rules said no.",
            answered,
            lambda p: (others(p, no), others(p, *answered)),
        ),
        (
            "prevalence by review",
            "Of all patients, those who meet it by review.",
            every,
            lambda p: (cases(p, *every), sum(number(answer) for answer in every)),
        ),
    ]
    found = [_simple("positive predictive value", "Of patients with the answer yes, those who meet it by review.",
                     reviewed[yes], CASE)]  # fmt: skip
    found.append(_simple("negative predictive value", "Of patients with the answer no, those who do not meet it by "
                         "review.", reviewed[no], NOT_A_CASE))  # fmt: skip
    found.append(_simple("cases among unknown", "Of patients without an answer, those who meet it by review.",
                         reviewed[unknown], CASE))  # fmt: skip
    many = [_weighted(name, says, reviewed, answers, measure) for name, says, answers, measure in weighted]
    return [*many[:2], *found[:2], *many[2:], found[2]]


SUPPRESSED, NO_REVIEW, NOBODY = "suppressed", "no chart of an answer was reviewed", "nobody is in the denominator"


def _why_not(one: ReviewedAnswer) -> str:
    if one.patients is None or one.labels[CASE] is None or one.labels[NOT_A_CASE] is None:
        return SUPPRESSED
    return "" if one.labels[CASE] or one.labels[NOT_A_CASE] or not one.patients else NO_REVIEW


def _simple(name: str, says: str, one: ReviewedAnswer, hit: str) -> AccuracyMeasure:
    if why_not := _why_not(one):
        return AccuracyMeasure(name, says, None, why_not)
    estimate = share(one.labels[hit] or 0, (one.labels[CASE] or 0) + (one.labels[NOT_A_CASE] or 0))
    return AccuracyMeasure(name, says, estimate, "" if estimate else NOBODY)


def _weighted(
    name: str,
    says: str,
    reviewed: Sequence[ReviewedAnswer],
    answers: Sequence[int],
    measure: Callable[[Shares], tuple[Any, Any]],
) -> AccuracyMeasure:
    why_not = next(filter(None, (_why_not(reviewed[answer]) for answer in answers)), "")
    if why_not:
        return AccuracyMeasure(name, says, None, why_not)
    strata = [
        ReviewedStratum(one.patients or 0, one.labels[CASE] or 0, one.labels[NOT_A_CASE] or 0) for one in reviewed
    ]
    estimate = weighted_share(strata, measure)
    return AccuracyMeasure(name, says, estimate, "" if estimate else NOBODY)


def labels_by_answer(answers: Mapping[int, str], labels: Mapping[int, str]) -> dict[str, Counter[str]]:
    """Answer → label → charts, for a sample (number → answer) and what came back (number → label)."""
    found: dict[str, Counter[str]] = {}
    for number, answer in answers.items():
        found.setdefault(answer, Counter())[labels.get(number) or NOT_RETURNED] += 1
    return found
