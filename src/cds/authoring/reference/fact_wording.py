"""A fact as its author wrote it → words: what is looked for, in what, since when; value sets by what is in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from cds.authoring.reference.wording import ConditionWording, NameMeanings
from cds.facts.kind import FactBase
from cds.locale.catalog import Catalog
from cds.locale.sentence import say
from cds.rulebook.format.value_set import ValueSetFile
from cds.rulebook.patterns import OWN
from cds.yaml_source.document import Path as YamlPath
from cds.yaml_source.fields import DrugTableName, DurationName, NumberName, OneOf, Refers, ValueSetName
from cds.yaml_source.marks import MarkedValue, marked

MOST_NAMED = 6  # entries of a value set; more are counted
LEFT_OUT = OWN | {"find", "prefetch", "unit"}  # said elsewhere, or no part of what is looked for
KINDS: Mapping[str, str] = {
    "adequate_day": say("The day on which a trial becomes adequate"),
    "age": say("The age of the patient"),
    "allergy": say("An allergy or intolerance"),
    "answer": say("A coded answer"),
    "augmentation": say("An augmentation of a trial"),
    "augmentation_count": say("How many trials were augmented"),
    "brief_switches": say("How often drugs were switched after a short time"),
    "condition": say("A diagnosis"),
    "count": say("How many trials or entries of a kind"),
    "course": say("The latest course of a treatment given in sessions"),
    "course_measured": say("A score during a course"),
    "course_phase": say("The phase of a course"),
    "course_response": say("The response to a course"),
    "course_sessions": say("The sessions of a course"),
    "course_without_response": say("A course that brought no response"),
    "deceased": say("Whether the patient has died"),
    "diagnosis_count": say("How often something was diagnosed"),
    "draft_order": say("An order being written"),
    "drug_history": say("What was ordered, dispensed or taken"),
    "encounter": say("A stay or visit"),
    "episode": say("The current episode"),
    "episode_length": say("The length of an episode"),
    "index_day": say("The day on which criteria are first met"),
    "medication": say("A medication"),
    "medication_trials": say("Trials of drugs"),
    "mention": say("Words in the name or answer of any observation"),
    "observation": say("A measured value"),
    "override": say("What was answered to an earlier card"),
    "place_of_order": say("The number of an order among the drugs of its kind"),
    "points": say("Points that are added up"),
    "procedure": say("A procedure"),
    "referral": say("A request for a service"),
    "rise": say("The rise of a score"),
    "score": say("The total of a scale"),
    "sessions": say("How many sessions were given"),
    "setting": say("A setting of these rules"),
    "sex": say("The sex of the patient"),
    "switches": say("How often drugs were switched"),
    "symptoms": say("Symptoms, by any of several scores"),
    "trace_of": say("Entries that may be what another fact looks for"),
    "treatment": say("A treatment that goes on or went on"),
}
"""`find`, or the key that tells the kind → what it looks for."""
KEYS: Mapping[str, str] = {
    "active_without_sign_for": say("taken for active without any sign for"),
    "adds": say("adds"),
    "adequate_when": say("adequate when"),
    "adherence": say("taken as prescribed"),
    "after": say("after"),
    "always": say("always counts"),
    "answered": say("answered with"),
    "answered_no": say("answered no with"),
    "answered_yes": say("answered yes with"),
    "apart": say("at least so far apart"),
    "asks_for": say("asks the EHR for"),
    "at_least": say("at least"),
    "augmentation_lasts_at_least": say("an augmentation lasts at least"),
    "accepts": say("accepts as evidence"),
    "bands": say("bands"),
    "baseline_within": say("score at the start, within"),
    "because": say("reason where none is found"),
    "before": say("before"),
    "begins": say("begins with"),
    "below": say("below"),
    "beside": say("at the same time as"),
    "by_dose": say("by dose"),
    "categories": say("categories"),
    "coded": say("one of"),
    "coded_except": say("but not"),
    "count": say("of"),
    "counts": say("counts"),
    "course": say("of the course"),
    "current": say("going on"),
    "dose_reaches": say("the dose reaches"),
    "diagnosed": say("diagnosed with"),
    "diagnosed_except": say("but not"),
    "diagnosed_within": say("diagnosed within"),
    "different": say("counted once for each"),
    "different_from": say("different from those of"),
    "drug_class": say("class of drug"),
    "drugs": say("drugs of"),
    "each": say("for each of"),
    "earliest": say("at the earliest"),
    "end_by_pause": say("ended by a pause"),
    "ended_before": say("ended before the last"),
    "ended_by_successor_within": say("ended by the next drug within"),
    "ended_within": say("ended within the last"),
    "episode": say("of the episode"),
    "falls_at_least": say("falls by at least"),
    "falls_at_most": say("falls by at most"),
    "falls_less_than": say("falls by less than"),
    "fewest": say("at least so many items"),
    "from": say("from"),
    "from_classes": say("from the classes"),
    "given_for": say("given for"),
    "highest_of": say("the highest of"),
    "history": say("history"),
    "if": say("where"),
    "if_none_found": say("where none is found"),
    "implausible_above": say("implausible above"),
    "in_episode": say("in the episode"),
    "induction_lasts": say("the induction lasts"),
    "is_one_of": say("is one of"),
    "issues_after": say("issued after"),
    "issues_before": say("issued before"),
    "issues_in_all": say("issued in all"),
    "items": say("items"),
    "joins_gaps_up_to": say("joins gaps of up to"),
    "label": say("called"),
    "last_score_within": say("last score, within"),
    "lasting_at_least": say("lasting at least"),
    "lasts_at_least": say("lasts at least"),
    "latest": say("at the latest"),
    "longer_than": say("longer than"),
    "look_back": say("within the last"),
    "lowest": say("at least"),
    "measured_by": say("measured by"),
    "merge_same_molecule": say("drugs of one molecule are one"),
    "name": say("name"),
    "named": say("drugs"),
    "never_before": say("never before"),
    "never_before_except": say("but not"),
    "new_episode_after": say("a new episode after"),
    "no_response_when": say("no response when"),
    "not_for": say("not given for"),
    "of": say("of"),
    "only": say("only of"),
    "or_lasts_at_least": say("or lasts at least"),
    "order": say("of the order"),
    "other_places": say("given elsewhere at"),
    "otherwise": say("otherwise"),
    "own_places": say("given at"),
    "parameter": say("setting"),
    "partial_response": say("partial response"),
    "perhaps": say("perhaps"),
    "phase": say("phase"),
    "plausible": say("plausible from and to"),
    "points": say("points"),
    "possibly_coded": say("possibly one of"),
    "read_elsewhere": say("read by other facts"),
    "reasons": say("reasons"),
    "relative_to": say("in relation to"),
    "remission_below": say("remission below"),
    "remission_by_score": say("remission by a score"),
    "remission_coded": say("remission coded as"),
    "repeated": say("so many sessions"),
    "roles": say("role of the drug"),
    "routes": say("ways"),
    "same_day": say("of several on a day"),
    "says": say("says"),
    "score": say("score"),
    "scores": say("scores"),
    "sessions_at_least": say("at least so many sessions"),
    "severity": say("severity"),
    "since": say("since"),
    "started": say("started"),
    "status": say("status"),
    "still_symptomatic_at": say("still with symptoms from"),
    "stopped_for": say("stopped for"),
    "switch_within": say("another drug, within"),
    "take": say("takes"),
    "that_are": say("that are"),
    "timeline": say("lane of the timeline"),
    "to_another_class": say("to another class"),
    "topic": say("subject of the card"),
    "trace_of": say("of the fact"),
    "treatment": say("of the treatment"),
    "treatments": say("treatments"),
    "undated": say("without a date"),
    "unless_for": say("unless for"),
    "unless_only": say("unless only of"),
    "unless_stopped_for": say("unless stopped for"),
    "value": say("value"),
    "visit_diagnosis_within": say("a diagnosis of a visit within"),
    "when_poor": say("where too little was taken"),
    "whole": say("whole"),
    "within": say("within"),
}
"""Key of a fact → how it reads before its value."""
WORDS: Mapping[str, str] = {
    "True": say("yes"), "False": say("no"), "unknown": say("unknown"), "any": say("any"), "counts": say("counts"),
    "active": say("active"), "completed": say("completed"), "on-hold": say("on hold"), "draft": say("draft"),
    "recurrence": say("recurrence"), "relapse": say("relapse"), "highest": say("the highest"), "mean": say("the mean"),
    "lowest": say("the lowest"), "latest": say("the latest"), "induction": say("induction"), "male": say("male"),
    "maintenance": say("maintenance"), "female": say("female"), "minimum": say("the minimum"),
    "ingredient": say("ingredient"), "upper_limit": say("the upper limit"), "lower_limit": say("the lower limit"),
    "drug_class": say("class of drug"), "no_response": say("without response"), "under_dosed": say("under-dosed"),
    "too_short": say("too short"), "poorly_taken": say("taken too little"), "response_lost": say("response lost"),
    "partial_response": say("partial response"), "drugs_left": say("drugs that were left"),
    "by_that_day": say("by that day"), "also_inferred": say("also inferred"), "adequate": say("adequate"),
    "antidepressant": say("antidepressant"), "flags": say("is told"), "vetoes": say("is not adequate"),
    "ignored": say("takes no part"), "inferred": say("inferred"), "ongoing": say("going on"),
    "intolerance": say("not tolerated"), "inadequate": say("not adequate"), "tolerated": say("tolerated"),
    "yes": say("yes"), "no": say("no"), "reviewed": say("reviewed"), "coded": say("coded"), "measured": say("measured"),
    "coded_or_measured": say("coded or measured"), "strict_minimum": say("strict minimum"),
    "directive": say("directive"), "factual": say("factual"),
}  # fmt: skip
"""Word of the format → how it reads."""


def fact_in_words(spec: FactBase, named: NameMeanings) -> ConditionWording:
    """
    A fact in words: its kind, and below it each key with its value.

    Names of value sets, facts, conclusions and parameters are said as what they stand for.
    """
    kind = str(getattr(spec, "find", spec.told_by))
    marks = {one.path: one for one in marked(spec)}
    return ConditionWording(named.words(KINDS.get(kind, kind)), tuple(_parts(spec, (), marks, named)))


def _parts(
    model: BaseModel, path: YamlPath, marks: Mapping[YamlPath, MarkedValue], named: NameMeanings
) -> Iterator[ConditionWording]:
    """Each key that is written, with its value; what has its default is left out."""
    for name, info in type(model).model_fields.items():
        key, value = info.alias or name, getattr(model, name)
        written = info.is_required() or value != info.get_default(call_default_factory=True)
        if value is not None and written and (path or key not in LEFT_OUT) and key != "evidence":
            yield from _keyed(key, value, (*path, key), marks, named)


def _keyed(
    key: str, value: Any, path: YamlPath, marks: Mapping[YamlPath, MarkedValue], named: NameMeanings
) -> Iterator[ConditionWording]:
    words = named.words(KEYS.get(key, key.replace("_", " ")))
    if isinstance(value, BaseModel):
        yield ConditionWording(words, tuple(_parts(value, path, marks, named)))
        return
    places = [(path, value)] if not isinstance(value, list) else [((*path, i), one) for i, one in enumerate(value)]
    told = tuple(_value(one, place, marks, named) for place, one in places)
    if isinstance(value, list) and any(
        one.parts or isinstance(of, BaseModel) for one, of in zip(told, value, strict=True)
    ):
        yield ConditionWording(words, told)
    elif said := ", ".join(one.text for one in told):
        yield ConditionWording(f"{words}: {said}", told[0].parts if len(told) == 1 else ())


def _value(value: Any, path: YamlPath, marks: Mapping[YamlPath, MarkedValue], named: NameMeanings) -> ConditionWording:
    if isinstance(value, BaseModel):
        parts = tuple(_parts(value, path, marks, named))
        if any(part.parts for part in parts):
            return ConditionWording(named.words(say("this")), parts)
        return ConditionWording("; ".join(part.text for part in parts))
    mark = marks.get(path)
    if mark is not None and mark.mark(ValueSetName) is not None and value in named.sets:
        return set_in_words(named.sets[value], named.words)
    if isinstance(value, float):
        return ConditionWording(f"{value:g}")
    text = str(value)
    if mark is not None and mark.mark(DrugTableName) is not None:
        return ConditionWording(named.tables.get(text, text))
    if mark is not None and _names(mark):
        if text in named.labels:
            return ConditionWording(named.labels[text])
        text = named.values.get(text, text)
    return ConditionWording(named.words(WORDS.get(text, text.replace("_", " "))))


def _names(value: MarkedValue) -> bool:
    return any(isinstance(one, Refers | DurationName | NumberName | OneOf) for one in value.marks)


def set_in_words(model: ValueSetFile, words: Catalog) -> ConditionWording:
    """A value set: its title, how much is in it, and the first of its displays."""
    groups = [one for one in (model.names if isinstance(model.names, list) else [model.names]) if one is not None]
    shown = [display for group in model.codes for display in (*group.exact.values(), *group.with_children.values())]
    shown += [one.display for group in model.codes for one in group.by_character]
    phrases = [f"“{word}”" for group in groups for word in (*group.words, *group.abbreviations)]
    phrases += [f"“{word}”" for full in model.full_names for word in full.called]
    counts = (
        words.counted("{number} code", "{number} codes", len(shown)) if shown else "",
        words.counted("{number} name", "{number} names", len(phrases)) if phrases else "",
    )
    listed = list(dict.fromkeys(shown or phrases))
    more = len(listed) - MOST_NAMED
    parts = [ConditionWording(one) for one in listed[:MOST_NAMED]]
    if more > 0:
        parts.append(ConditionWording(words.say("and {more} more", more=more)))
    said = ", ".join(filter(None, counts))
    return ConditionWording(f"{model.valueset.title} ({said})" if said else model.valueset.title, tuple(parts))
