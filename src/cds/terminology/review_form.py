"""What a clinician is asked in a review, and what each answer means: as the rules have it, ready to be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReviewAnswer:
    """
    One answer that may be chosen.

    Attributes:
        display: How it reads.
        fall: By how many percent symptoms fell, at the least and (excluded) at the most; None where it does not say.
        lost: The benefit was lost later.
        taken: Whether the drug was taken; None where it does not say.
        not_tolerated: It was stopped because it was not tolerated.
        as_prescribed: Whether it was taken as prescribed; None where it does not say.
    """

    display: str
    fall: tuple[float, float] | None = None
    lost: bool = False
    taken: bool | None = None
    not_tolerated: bool = False
    as_prescribed: bool | None = None


@dataclass(frozen=True, slots=True)
class ReviewQuestion:
    """One question about a trial: its words, its unit ("" for none), and the answers to choose from (none: a value)."""

    text: str
    unit: str = ""
    answers: Mapping[str, ReviewAnswer] | None = None


@dataclass(frozen=True, slots=True)
class PanelForm:
    """
    A form of the patient that is filled in while a score is missing.

    Attributes:
        id, title: Of ours.
        url: Canonical address of its Questionnaire.
        items: LOINC code → its words.
        answers: LOINC answer → its words and its number.
        total: LOINC code of the total, and its words.
        tells: Facts it tells.
        safety: The item whose answer is looked at at once.
        notice: Terms of its words.
    """

    id: str
    title: str
    url: str
    items: Mapping[str, str]
    answers: Mapping[str, tuple[str, float]]
    total: tuple[str, str]
    tells: tuple[str, ...]
    safety: str
    notice: str


@dataclass(frozen=True, slots=True)
class ReviewForm:
    """
    The questionnaire of a review.

    Attributes:
        url, version, title: Of the Questionnaire.
        codes: Code system of the answers.
        trials: The fact whose trials are asked about.
        trial: Words of the group that stands once for each trial.
        entries: Words of what names the entries of the record that a trial was read from.
        others: Whether there was any other trial; "" where that is not asked.
        questions: Role (drug, start, taken, dose, duration, outcome, stopped, prescribed) → what is asked of a trial.
        days_each: Days in one unit of a duration.
        statements: Fact → its question, answered yes or no.
        panels: Forms of the patient.
        source, verified: Where the wording comes from, and whether anybody has confirmed it.
    """

    url: str
    version: str
    title: str
    codes: str
    trials: str
    trial: str
    entries: str
    questions: Mapping[str, ReviewQuestion]
    days_each: int
    statements: Mapping[str, str]
    source: str
    verified: bool
    panels: tuple[PanelForm, ...] = ()
    others: str = ""
