"""The panel “Settle it”: answers to open questions, as a review of the decision the page is about."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import msgspec

from cds.decide import Decision, Ruleset
from cds.facts.reviews import OTHERS
from cds.locale.sentence import say
from cds.review.questionnaire import TYPES, drug_table, trial_drugs
from cds.review.questions import OpenQuestion, open_questions, review_of, undecided
from cds.review.response import TrialAnswers, as_text, panel_as_text, panel_response, questionnaire_response
from cds.terminology.review_form import PanelForm, ReviewForm
from cds.web.what_if import WhatIfInputError, number_in

AUTHOR, NUMBER = "author", "number"
"""Fields of who answers, and of the form itself: what is sent twice has one number."""
NUMBERED = re.compile(r"[A-Za-z0-9_-]{16}")
MOST_AUTHOR = 100  # characters
ELSEWHERE = 2  # trials elsewhere that can be added at once
ASKED_ELSEWHERE = ("drug", "start", "dose", "duration", "outcome", "stopped", "prescribed")
DOES_NOT_FIT = say("This form does not fit the data any more: load the page again")


@dataclass(frozen=True, slots=True)
class SettleField:
    """
    One field of the panel.

    Attributes:
        name: Of the field.
        text: What is asked.
        kind: choice, number or date.
        unit: UCUM unit of a number; "" for none.
        choices: Value → how it reads; empty for what is typed.
        value: What it holds at first.
        recorded: What the chart says; "" for nothing.
        at_once: What its answer changes is shown as soon as it is given.
    """

    name: str
    text: str
    kind: str
    unit: str
    choices: Mapping[str, str]
    value: str = ""
    recorded: str = ""
    at_once: bool = False


@dataclass(frozen=True, slots=True)
class SettleGroup:
    """Fields about one trial or one fact."""

    title: str
    fields: tuple[SettleField, ...]


@dataclass(frozen=True, slots=True)
class SettlePanel:
    """
    What the panel asks.

    Attributes:
        questions: What is open, first what changes most.
        groups: The same as fields, by trial.
        elsewhere: Fields of trials that can be added; empty where nothing is open.
        panels: Forms of the patient of which a score is unknown, with their fields.
    """

    questions: tuple[OpenQuestion, ...]
    groups: tuple[SettleGroup, ...]
    elsewhere: tuple[SettleGroup, ...]
    panels: tuple[tuple[PanelForm, SettleGroup], ...] = ()

    @property
    def fields(self) -> Mapping[str, str]:
        """Every field, with what it holds at first."""
        return {field.name: field.value for group in self.all_groups for field in group.fields}

    @property
    def all_groups(self) -> Iterator[SettleGroup]:
        """Every group of fields."""
        yield from (*self.groups, *self.elsewhere, *(group for _, group in self.panels))

    def tells_of_elsewhere(self, typed: Mapping[str, str]) -> bool:
        """Whether something was typed about a trial elsewhere."""
        return any(field.name in typed for group in self.elsewhere for field in group.fields)

    @staticmethod
    def is_number(text: str) -> bool:
        """Whether this can be the number of a form; a form that was sent without one has none."""
        return not text or NUMBERED.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class FilledReview:
    """
    A review as it was filled in on a page.

    Attributes:
        resources: As FHIR: the review, and each panel, as far as anything was answered.
        json: The same as text.
        note: As text for the note.
        author: Who answers; "" where that was left out.
    """

    resources: tuple[Mapping[str, Any], ...]
    json: str
    note: str
    author: str


def new_number() -> str:
    """The number of a form that is shown now."""
    return secrets.token_urlsafe(12)


def without_signature(typed: Mapping[str, str]) -> dict[str, str]:
    """What was typed, without who answers and the number of the form, which change no answer."""
    return {name: text for name, text in typed.items() if name not in (AUTHOR, NUMBER)}


def settling_of(rules: Ruleset, decision: Decision, service: str) -> SettlePanel:
    """What is asked of this decision; trials elsewhere can be added while something is open."""
    questions = open_questions(rules, decision, service)
    grouped: dict[tuple[str, int | None], list[SettleField]] = {}
    for question in questions:
        where = (question.about, question.trial) if question.trial is not None else (question.name, None)
        grouped.setdefault(where, []).append(_field(question))
    groups = tuple(SettleGroup(title if trial is not None else "", tuple(of)) for (title, trial), of in grouped.items())
    form, drugs = rules.program.codes.review, drug_table(rules.program)
    panels = tuple(_panels(form, decision)) if form is not None else ()
    if form is None or drugs is None or not (questions or undecided(rules, decision)):
        return SettlePanel(questions, groups, (), panels)
    named = {key: key for key in trial_drugs(drugs)}
    elsewhere = tuple(SettleGroup("", tuple(_elsewhere_fields(form, named, number))) for number in range(ELSEWHERE))
    return SettlePanel(questions, groups, elsewhere, panels)


def _panels(form: ReviewForm, decision: Decision) -> Iterator[tuple[PanelForm, SettleGroup]]:
    """The forms that tell a number nothing in the record tells now."""
    for panel in form.panels:
        facts = [decision.facts.by_name[name] for name in panel.tells if name in decision.facts.by_name]
        if any(fact.truth is None and fact.low is None and fact.high is None for fact in facts):
            listed = {code: words for code, (words, _) in panel.answers.items()}
            fields = (
                SettleField(f"panel.{panel.id}.{code}", text, "choice", "", listed, at_once=code == panel.safety)
                for code, text in panel.items.items()
            )
            yield panel, SettleGroup(panel.title, tuple(fields))


def _field(question: OpenQuestion) -> SettleField:
    kind = "number" if question.unit else "choice"
    return SettleField(
        question.name, question.text, kind, question.unit, choices(question), question.prefilled, question.recorded
    )


def _elsewhere_fields(form: ReviewForm, drugs: Mapping[str, str], number: int) -> Iterator[SettleField]:
    kinds = {"date": "date", "decimal": "number"}
    for role in ASKED_ELSEWHERE:
        question = form.questions[role]
        listed = drugs if role == "drug" else {code: one.display for code, one in (question.answers or {}).items()}
        kind = kinds.get(TYPES.get(role, "choice"), "choice")
        yield SettleField(f"elsewhere.{number}.{role}", question.text, kind, question.unit, listed)


def filled_review(
    panel: SettlePanel,
    typed: Mapping[str, str],
    was: Decision,
    form: ReviewForm | None,
    authored: datetime | None = None,
) -> FilledReview | None:
    """
    What was answered, as a review of this decision; None where no question was.

    Args:
        panel: What was asked.
        typed: Field → what was typed. What a field held at first counts once another of its trial is answered.
        was: The decision.
        form: The questionnaire; None for rules without one.
        authored: When; None for the day of the decision.

    Raises:
        WhatIfInputError: An answer is none of those that can be chosen, or no number above zero.
    """
    trials: dict[int, dict[str, str | float]] = {}
    statements: dict[str, bool] = {}
    others: bool | None = None
    answered = {
        one.trial for one in panel.questions if one.name in typed and typed[one.name] != one.prefilled
    }  # of statements, None
    for question in panel.questions:
        text = typed.get(question.name)
        if text is None or question.trial not in answered:
            continue
        if question.role == OTHERS:
            others = _chosen(choices(question), text) == "yes"
        elif question.trial is None:
            statements[question.role] = _chosen(choices(question), text) == "yes"
        else:
            value = _amount(text) if question.unit else _chosen(choices(question), text)
            trials.setdefault(question.trial, {})[question.role] = value
    elsewhere = [one for group in panel.elsewhere if (one := _trial_elsewhere(group, typed)) is not None]
    answers = {one.id: _panel_answers(group, typed) for one, group in panel.panels}
    reviewed = bool(trials or statements or elsewhere) or others is not None
    if form is None or not (reviewed or any(answers.values())):
        return None
    author = typed.get(AUTHOR, "")[:MOST_AUTHOR]
    said = review_of(
        was,
        trials,
        statements,
        form,
        author=author,
        authored=authored,
        elsewhere=elsewhere,
        number=typed.get(NUMBER, ""),
        others=others,
    )
    filled = [(one, answers[one.id]) for one, _ in panel.panels if answers[one.id]]
    resources = [questionnaire_response(form, said)] if reviewed else []
    resources += [panel_response(form, one, given, said) for one, given in filled]
    notes = [as_text(form, said), *(panel_as_text(one, given) for one, given in filled)]
    text = "\n".join(msgspec.json.format(msgspec.json.encode(one), indent=2).decode() for one in resources)
    return FilledReview(tuple(resources), text, "\n".join(notes), author)


def _panel_answers(group: SettleGroup, typed: Mapping[str, str]) -> dict[str, str]:
    given = ((field, typed[field.name]) for field in group.fields if field.name in typed)
    return {field.name.rpartition(".")[2]: _chosen(field.choices, text) for field, text in given}


def _trial_elsewhere(group: SettleGroup, typed: Mapping[str, str]) -> TrialAnswers | None:
    answers: dict[str, str | float] = {}
    for field in group.fields:
        text = typed.get(field.name)
        if text is None:
            continue
        role = field.name.rpartition(".")[2]
        if field.kind == "number":
            answers[role] = _amount(text)
        else:
            answers[role] = _day(text) if field.kind == "date" else _chosen(field.choices, text)
    if not answers:
        return None
    if "drug" not in answers:
        raise WhatIfInputError(say("Say which antidepressant the trial elsewhere was of"))
    return TrialAnswers(str(answers.pop("drug")), answers)


def choices(question: OpenQuestion) -> Mapping[str, str]:
    """What can be chosen: the value of the field → how it reads; empty where a number is typed."""
    if question.unit:
        return {}
    if question.trial is None:
        return {"yes" if one.value else "no": one.words for one in question.answers}
    return {str(one.value): one.words for one in question.answers}


def _chosen(listed: Mapping[str, str], text: str) -> str:
    if text not in listed:
        raise WhatIfInputError(DOES_NOT_FIT)
    return text


def _amount(text: str) -> float:
    value = float(number_in(text))
    if value <= 0:
        raise WhatIfInputError(say("“{text}” is not above zero", text=text[:40]))
    return value


def _day(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise WhatIfInputError(say("“{text}” is no day: write it as 2026-06-01", text=text[:40])) from None
