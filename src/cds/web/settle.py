"""The panel “Settle it”: answers to open questions, as a review of the decision the page is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from cds.decide import Decision
from cds.review.questions import OpenQuestion, review_of
from cds.review.response import as_text, questionnaire_response
from cds.terminology.review_form import ReviewForm
from cds.web.what_if import WhatIfInputError, number_in

AUTHOR = "author"
"""Field of who answers."""
MOST_AUTHOR = 100  # characters


@dataclass(frozen=True, slots=True)
class FilledReview:
    """A review as it was filled in on a page: the FHIR resource, the same as JSON text, and as text for the note."""

    resource: Mapping[str, Any]
    json: str
    note: str


def filled_review(
    questions: Sequence[OpenQuestion], typed: Mapping[str, str], was: Decision, form: ReviewForm | None
) -> FilledReview | None:
    """
    What was answered, as a review of this decision; None where no question was.

    Raises:
        WhatIfInputError: An answer is none of those that can be chosen, or no number above zero.
    """
    trials: dict[int, dict[str, str | float]] = {}
    statements: dict[str, bool] = {}
    for question in questions:
        text = typed.get(question.name)
        if text is None:
            continue
        if question.trial is None:
            statements[question.role] = _chosen(question, text) == "yes"
        else:
            value = _amount(text) if question.unit else _chosen(question, text)
            trials.setdefault(question.trial, {})[question.role] = value
    if form is None or not (trials or statements):
        return None
    said = review_of(was, trials, statements, form, author=typed.get(AUTHOR, "")[:MOST_AUTHOR])
    made = questionnaire_response(form, said)
    return FilledReview(made, msgspec.json.format(msgspec.json.encode(made), indent=2).decode(), as_text(form, said))


def choices(question: OpenQuestion) -> Mapping[str, str]:
    """What can be chosen: the value of the field → how it reads; empty where a number is typed."""
    if question.unit:
        return {}
    if question.trial is None:
        return {"yes" if one.value else "no": one.words for one in question.answers}
    return {str(one.value): one.words for one in question.answers}


def _chosen(question: OpenQuestion, text: str) -> str:
    if text not in choices(question):
        raise WhatIfInputError("This form does not fit the data any more: load the page again")
    return text


def _amount(text: str) -> float:
    value = float(number_in(text))
    if value <= 0:
        raise WhatIfInputError(f"“{text[:40]}” is not above zero")
    return value
