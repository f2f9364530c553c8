"""What a clinician answered → FHIR R4 QuestionnaireResponse, and the same as text for the note."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cds.facts.reviews import OTHERS, STATEMENT, TRIAL
from cds.review.questionnaire import ENTRIES, TYPES, answer_coding, drug_coding
from cds.terminology.review_form import PanelForm, ReviewForm
from cds.terminology.systems import LOINC

Json = dict[str, Any]
IDENTIFIER = "/review"  # after the address of the code system: the system of a review's own number


@dataclass(frozen=True, slots=True)
class TrialAnswers:
    """
    What was answered about one trial.

    Attributes:
        drug: Key of the drug table.
        answers: Role (start, taken, dose, duration, outcome, stopped, prescribed) → a day as FHIR writes it, a number,
            or the code of an answer. What was not answered is not among them.
        sources: FHIR references of the entries it is about; none for a trial elsewhere.
    """

    drug: str
    answers: Mapping[str, str | float]
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReviewAnswers:
    """
    A whole review.

    Attributes:
        patient: "Patient/id".
        author: Who answers, in words; "" where that is not known.
        author_reference: FHIR reference of who answers ("Practitioner/7"); "" where that is not known.
        authored: When, with its time zone.
        trials: What was answered about trials.
        statements: Fact → yes or no.
        number: Of the form it was filled in on: the same again when that is sent again; "" where there is none.
        others: Whether any other drug was taken than those of the trials; None where that was not answered.
    """

    patient: str
    author: str
    author_reference: str
    authored: datetime
    trials: Sequence[TrialAnswers]
    statements: Mapping[str, bool]
    number: str = ""
    others: bool | None = None


def questionnaire_response(form: ReviewForm, said: ReviewAnswers) -> Json:
    """
    The review as FHIR.

    Its identifier is made of what was answered by whom about whom, and of the number of the form or, without one, of
    when: the same review sent twice has the same.
    """
    author = {key: value for key, value in (("reference", said.author_reference), ("display", said.author)) if value}
    made: Json = {
        "resourceType": "QuestionnaireResponse",
        "questionnaire": f"{form.url}|{form.version}",
        "status": "completed",
        "subject": {"reference": said.patient},
        "authored": said.authored.isoformat(timespec="seconds"),
        **({"author": author} if author else {}),
        "item": [
            *({"linkId": TRIAL, "text": form.trial, "item": _trial(form, trial)} for trial in said.trials),
            *(
                [{"linkId": OTHERS, "text": form.others, "answer": [{"valueBoolean": said.others}]}]
                if said.others is not None
                else ()
            ),
            *(
                {
                    "linkId": f"{STATEMENT}{fact}",
                    "text": form.statements[fact],
                    "answer": [{"valueBoolean": answer}],
                }
                for fact, answer in said.statements.items()
            ),
        ],
    }
    return made | {"identifier": _identifier(form, said, made)}


def _trial(form: ReviewForm, trial: TrialAnswers) -> list[Json]:
    items: list[Json] = [
        {
            "linkId": f"{TRIAL}.drug",
            "text": form.questions["drug"].text,
            "answer": [{"valueCoding": drug_coding(form, trial.drug)}],
        }
    ]
    for role, question in form.questions.items():
        if role not in trial.answers or role == "drug":
            continue
        value, kind = trial.answers[role], TYPES.get(role, "choice")
        answer: Json = (
            {"valueDate": value}
            if kind == "date"
            else {"valueDecimal": value}
            if kind == "decimal"
            else {"valueCoding": answer_coding(form, role, str(value))}
        )
        items.append({"linkId": f"{TRIAL}.{role}", "text": question.text, "answer": [answer]})
    if trial.sources:
        references = [{"valueReference": {"reference": source}} for source in trial.sources]
        items.append({"linkId": f"{TRIAL}.{ENTRIES}", "text": form.entries, "answer": references})
    return items


def as_text(form: ReviewForm, said: ReviewAnswers) -> str:
    """The same in plain lines, to be pasted into a note."""
    lines = [f"{form.title}, {said.authored.date()}" + (f", {said.author}" if said.author else "")]
    for trial in said.trials:
        lines.append(f"{form.trial}: {trial.drug}")
        for role, value in trial.answers.items():
            question = form.questions[role]
            number = f"{value:g}" if isinstance(value, float) else value
            words = question.answers[str(value)].display if question.answers else f"{number} {question.unit}".strip()
            lines.append(f"  {question.text}: {words}")
    if said.others is not None:
        lines.append(f"{form.others}: {'yes' if said.others else 'no'}")
    lines += [f"{form.statements[fact]}: {'yes' if answer else 'no'}" for fact, answer in said.statements.items()]
    return "\n".join(lines)


def panel_response(form: ReviewForm, panel: PanelForm, answers: Mapping[str, str], said: ReviewAnswers) -> Json:
    """
    A panel as FHIR: the patient's answers, as somebody filled them in, with the total once every item is answered.

    Args:
        form: The questionnaire of the review it goes along with.
        panel: The panel.
        answers: Item → answer, by their LOINC codes.
        said: Who filled it in, about whom and when; its trials and statements are not looked at.
    """
    author = {key: value for key, value in (("reference", said.author_reference), ("display", said.author)) if value}
    items: list[Json] = [
        {
            "linkId": f"/{code}",
            "text": text,
            "answer": [
                {"valueCoding": {"system": LOINC, "code": answers[code], "display": panel.answers[answers[code]][0]}}
            ],
        }
        for code, text in panel.items.items()
        if code in answers
    ]
    if len(items) == len(panel.items):
        code, text = panel.total
        total = sum(panel.answers[answer][1] for answer in answers.values())
        items.append({"linkId": f"/{code}", "text": text, "answer": [{"valueDecimal": total}]})
    made: Json = {
        "resourceType": "QuestionnaireResponse",
        "questionnaire": panel.url,
        "status": "completed",
        "subject": {"reference": said.patient},
        "authored": said.authored.isoformat(timespec="seconds"),
        **({"author": author} if author else {}),
        "source": {"reference": said.patient},
        "item": items,
    }
    return made | {"identifier": _identifier(form, said, made)}


def _identifier(form: ReviewForm, said: ReviewAnswers, made: Json) -> Json:
    same = made | ({"authored": said.number} if said.number else {})
    number = hashlib.sha256(json.dumps(same, sort_keys=True).encode()).hexdigest()[:32]
    return {"system": f"{form.codes}{IDENTIFIER}", "value": number}


def panel_as_text(panel: PanelForm, answers: Mapping[str, str]) -> str:
    """The same in plain lines."""
    lines = [panel.title]
    lines += [f"  {text}: {panel.answers[answers[code]][0]}" for code, text in panel.items.items() if code in answers]
    if len(answers) == len(panel.items):
        lines.append(f"  {panel.total[1]}: {sum(panel.answers[answer][1] for answer in answers.values()):g}")
    return "\n".join(lines)
