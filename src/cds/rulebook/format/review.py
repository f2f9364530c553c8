"""rules/review/review.yaml: what a clinician is asked about trials and about facts the record leaves open."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from cds.yaml_source.fields import Duration, Refers, Slug, Snake, Strict, Text

Percent = Annotated[float, Field(strict=False, ge=0, le=100)]


class ReviewHeader(Strict):
    """The questionnaire, and the trials it asks about."""

    title: Text
    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]
    url: Annotated[Text, Field(description="Canonical address of the Questionnaire.")]
    codes: Annotated[Text, Field(description="Address of the code system of the answers.")]
    trials: Annotated[
        Snake, Refers("trials"), Field(description="The medication_trials fact whose trials are asked about.")
    ]
    source: Text
    verified: bool


class OutcomeAnswer(Strict):
    """What a trial brought: by how many percent symptoms fell, and whether that was lost."""

    display: Text
    from_: Percent | None = Field(default=None, alias="from")
    below: Percent | None = None
    lost: bool = False


class TakenAnswer(Strict):
    """Whether the drug was taken."""

    display: Text
    taken: bool


class StopAnswer(Strict):
    """Why it was stopped."""

    display: Text
    not_tolerated: bool = False


class AdherenceAnswer(Strict):
    """Whether it was taken as prescribed; left out where that is not known."""

    display: Text
    as_prescribed: bool | None = None


class TakenQuestion(Strict):
    """Whether the drug was taken."""

    text: Text
    answers: Annotated[dict[Slug, TakenAnswer], Field(min_length=2)]


class OutcomeQuestion(Strict):
    """What the trial brought."""

    text: Text
    answers: Annotated[dict[Slug, OutcomeAnswer], Field(min_length=2)]


class StopQuestion(Strict):
    """Why it was stopped."""

    text: Text
    answers: Annotated[dict[Slug, StopAnswer], Field(min_length=2)]


class AdherenceQuestion(Strict):
    """Whether it was taken as prescribed."""

    text: Text
    answers: Annotated[dict[Slug, AdherenceAnswer], Field(min_length=2)]


class DoseQuestion(Strict):
    """The highest dose of a day, in milligrams."""

    text: Text
    unit: Annotated[Text, Field(description="UCUM code.")]


class DurationQuestion(Strict):
    """For how long it was taken."""

    text: Text
    unit: Annotated[Text, Field(description="UCUM code.")]
    lasts: Annotated[Duration, Field(description="What one of the unit lasts.")]


class TrialQuestions(Strict):
    """What is asked about each trial."""

    text: Text
    entries: Annotated[Text, Field(description="Words of what names the entries of the record it was read from.")]
    drug: Text
    start: Text
    taken: TakenQuestion
    dose: DoseQuestion
    duration: DurationQuestion
    outcome: OutcomeQuestion
    stopped: StopQuestion
    prescribed: AdherenceQuestion
    others: Annotated[
        Text | None,
        Field(description="Whether any other drug of the kind was taken; a “no” closes the list of trials."),
    ] = None


class PanelTotal(Strict):
    """The total of a panel, where every item was answered."""

    code: Annotated[Text, Field(description="LOINC code.")]
    text: Text


class ReviewPanel(Strict):
    """A form of the patient that is filled in on the page while a score is missing."""

    title: Text
    url: Annotated[Text, Field(description="Canonical address of its Questionnaire.")]
    items: Annotated[Slug, Field(description="Value set whose LOINC codes are its items, worded as they are there.")]
    answers: Annotated[dict[str, Text], Field(description="LOINC answer → its words; the value set says its number.")]
    total: PanelTotal
    tells: Annotated[list[Snake], Field(description="Facts that it tells; it is shown while one of them is unknown.")]
    safety: Annotated[Text, Field(description="The item whose answer is looked at at once.")]
    notice: Text
    verified: bool


class ReviewFile(Strict):
    """What a clinician is asked about trials and about facts the record leaves open."""

    review: ReviewHeader
    trial: TrialQuestions
    statements: Annotated[dict[Snake, Text], Field(description="Fact → the question, answered yes or no.")] = {}
    panels: Annotated[dict[Slug, ReviewPanel], Field(description="Forms of the patient, by id.")] = {}


SCHEMAS: dict[str, type[BaseModel]] = {"review.schema.json": ReviewFile}
