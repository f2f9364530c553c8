"""Every kind of fact, in the order of the JSON Schema. A new kind is a file beside this one, and a line here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, Discriminator, Tag

from cds.facts.allergy import AllergyFact
from cds.facts.answer import AnswerFact
from cds.facts.course import (
    CourseMeasuredFact,
    CoursePhaseFact,
    CourseResponseFact,
    CourseSessionsFact,
    LatestCourseFact,
)
from cds.facts.demographics import AgeFact, DeceasedFact, SettingFact, SexFact
from cds.facts.diagnosis import ConditionFact
from cds.facts.diagnosis_count import DiagnosisCountFact
from cds.facts.draft_order import DraftOrderFact, PlaceOfOrderFact
from cds.facts.drug_history import DrugHistoryFact
from cds.facts.encounter import EncounterFact
from cds.facts.episode import EpisodeFact, EpisodeLengthFact
from cds.facts.index_day import IndexDayFact
from cds.facts.kind import CompiledFact, FactBase
from cds.facts.measurement import NumberFact
from cds.facts.medication import MedicationFact
from cds.facts.mention import MentionFact
from cds.facts.override import OverrideFact
from cds.facts.procedure import ProcedureFact
from cds.facts.rating_scale import PointsFact
from cds.facts.referral import ReferralFact
from cds.facts.score_change import RiseFact
from cds.facts.sessions import SessionsFact
from cds.facts.switch_count import BriefSwitchesFact, SwitchesFact
from cds.facts.symptoms import SymptomsFact
from cds.facts.trace import TraceFact
from cds.facts.treatment import CourseFact, TreatmentFact
from cds.facts.trials.adequate_day import AdequateDayFact
from cds.facts.trials.augmentation import AugmentationCountFact, AugmentationFact
from cds.facts.trials.count import CountFact
from cds.facts.trials.medication_trials import TrialsFact

KINDS: tuple[type[FactBase], ...] = (
    AgeFact,
    SexFact,
    DeceasedFact,
    SettingFact,
    ConditionFact,
    MedicationFact,
    ProcedureFact,
    EncounterFact,
    AllergyFact,
    ReferralFact,
    DraftOrderFact,
    PlaceOfOrderFact,
    TreatmentFact,
    CourseFact,
    LatestCourseFact,
    CoursePhaseFact,
    CourseSessionsFact,
    CourseResponseFact,
    CourseMeasuredFact,
    RiseFact,
    SymptomsFact,
    OverrideFact,
    AnswerFact,
    MentionFact,
    NumberFact,
    EpisodeFact,
    EpisodeLengthFact,
    TrialsFact,
    SessionsFact,
    AugmentationFact,
    AugmentationCountFact,
    AdequateDayFact,
    PointsFact,
    DrugHistoryFact,
    SwitchesFact,
    BriefSwitchesFact,
    IndexDayFact,
    DiagnosisCountFact,
    CountFact,
    TraceFact,
)


def tags_of(kind: type[FactBase]) -> tuple[str, ...]:
    """How a kind is told: the words of its `find`, or the key that only it has."""
    find = kind.model_fields.get("find")
    if find is None or get_origin(find.annotation) is not Literal:
        return (kind.told_by,)
    return get_args(find.annotation)


BY_TAG = {tag: kind for kind in KINDS for tag in tags_of(kind)}
KEYS = tuple(kind.told_by for kind in KINDS if kind.told_by)


def _kind_of_fact(value: Any) -> str:
    if isinstance(value, BaseModel):
        return getattr(value, "told_by", "") or str(getattr(value, "find", ""))
    if isinstance(value, dict):
        found = [key for key in KEYS if key in value and "find" not in value]
        return found[0] if found else str(value.get("find", ""))
    return ""


if TYPE_CHECKING:
    FactSpec = FactBase
else:
    FactSpec = Annotated[
        Union[tuple(Annotated[kind, Tag(tag)] for tag, kind in BY_TAG.items())],  # noqa: UP007 (made from a list)
        Discriminator(_kind_of_fact),
    ]


def in_order(facts: Iterable[CompiledFact]) -> tuple[CompiledFact, ...]:
    """Facts so that what one is computed from stands before it; otherwise by name."""
    left = {fact.name: fact for fact in sorted(facts, key=lambda fact: fact.name)}
    ordered: list[CompiledFact] = []

    def place(fact: CompiledFact) -> None:
        for name in fact.needs():
            if name in left:
                place(left.pop(name))
        ordered.append(fact)

    while left:
        place(left.pop(next(iter(left))))
    return tuple(ordered)
