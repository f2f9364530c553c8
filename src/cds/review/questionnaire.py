"""The review form of a rule set → FHIR R4 Questionnaire, after Structured Data Capture (SDC)."""

from __future__ import annotations

from typing import Any

from cds.facts.reviews import OTHERS, STATEMENT, TRIAL
from cds.rulebook.compiled_ruleset import CompiledRuleset
from cds.terminology.drugs import DrugTable
from cds.terminology.review_form import ReviewForm, ReviewQuestion

Json = dict[str, Any]
BASE_PROFILE = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire"
UNIT = "http://hl7.org/fhir/StructureDefinition/questionnaire-unit"
UCUM = "http://unitsofmeasure.org"
DRUGS = "antidepressant"  # role of the drugs that a trial can be of
HIDDEN = "http://hl7.org/fhir/StructureDefinition/questionnaire-hidden"
ENTRIES = "entries"
TYPES = {"drug": "choice", "start": "date", "dose": "decimal", "duration": "decimal"}
"""FHIR type of the questions that are answered by a value; all others are a choice."""


def questionnaire(form: ReviewForm, drugs: DrugTable) -> Json:
    """
    The Questionnaire, with a canonical address and a version: the same for every patient.

    One group stands once for each trial; what is worth asking of a patient is for `cds.review.questions` to say.
    """
    return {
        "resourceType": "Questionnaire",
        "id": form.url.rpartition("/")[2],
        "meta": {"profile": [BASE_PROFILE]},
        "url": form.url,
        "version": form.version,
        "name": "".join(word.capitalize() for word in form.url.rpartition("/")[2].split("-")),
        "title": form.title,
        "status": "active" if form.verified else "draft",
        "experimental": not form.verified,
        "subjectType": ["Patient"],
        "description": form.source,
        "item": [
            {
                "linkId": TRIAL,
                "text": form.trial,
                "type": "group",
                "repeats": True,
                "item": [
                    *(_item(role, question, form, drugs) for role, question in form.questions.items()),
                    {
                        "extension": [{"url": HIDDEN, "valueBoolean": True}],
                        "linkId": f"{TRIAL}.{ENTRIES}",
                        "text": form.entries,
                        "type": "reference",
                        "repeats": True,
                    },
                ],
            },
            *([{"linkId": OTHERS, "text": form.others, "type": "boolean"}] if form.others else ()),
            *(
                {"linkId": f"{STATEMENT}{fact}", "text": text, "type": "boolean"}
                for fact, text in form.statements.items()
            ),
        ],
    }


def questionnaire_of(program: CompiledRuleset) -> Json | None:
    """The Questionnaire of a rule set; None where its rules ask for no review."""
    form, drugs = program.codes.review, drug_table(program)
    return None if form is None or drugs is None else questionnaire(form, drugs)


def drug_table(program: CompiledRuleset) -> DrugTable | None:
    """The drugs whose trials a review asks about; None where its rules ask for no review."""
    form = program.codes.review
    if form is None:
        return None
    name = next((getattr(fact, "drugs", "") for fact in program.wanted if fact.name == form.trials), "")
    return program.codes.drugs.get(name)


def trial_drugs(drugs: DrugTable) -> list[str]:
    """The drugs of a table that a trial can be of."""
    return sorted(key for key, drug in drugs.drugs.items() if drug.role == DRUGS and drug.counts_as_trial != "never")


def _item(role: str, question: ReviewQuestion, form: ReviewForm, drugs: DrugTable) -> Json:
    item: Json = {"linkId": f"{TRIAL}.{role}", "text": question.text, "type": TYPES.get(role, "choice")}
    if role == "drug":
        item |= {
            "required": True,
            "answerOption": [{"valueCoding": drug_coding(form, key)} for key in trial_drugs(drugs)],
        }
    elif question.answers is not None:
        item["answerOption"] = [{"valueCoding": answer_coding(form, role, code)} for code in question.answers]
    if question.unit:
        unit = {"system": UCUM, "code": question.unit, "display": question.unit}
        item["extension"] = [{"url": UNIT, "valueCoding": unit}]
    return item


def drug_coding(form: ReviewForm, key: str) -> Json:
    """A drug of the table, as an answer."""
    return {"system": f"{form.codes}-drugs", "code": key, "display": key}


def answer_coding(form: ReviewForm, role: str, code: str) -> Json:
    """One answer to a question of a trial."""
    answers = form.questions[role].answers or {}
    return {"system": form.codes, "code": code, "display": answers[code].display}
