"""Filled-in reviews → what a clinician stated: yes or no to a fact, and what became of a trial."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date

import msgspec

from cds.facts.context import SortedRecord
from cds.facts.fact import Fact, FactSource, WhyUnknown
from cds.locale.sentence import join_texts, say
from cds.logic.truth import Truth
from cds.record.model import DeliveryState, FilledForm, FormAnswer, FormItem, Span
from cds.terminology.review_form import ReviewAnswer, ReviewForm

TRIAL, STATEMENT, OTHERS = "trial", "statement.", "others"
"""
linkIds: of the group of a trial, whose questions are `trial.outcome` …; before the name of a fact; and of whether there
were other trials.
"""


@dataclass(frozen=True, slots=True)
class ReviewedTrial:
    """
    What a clinician stated of one trial.

    Attributes:
        drug: Key of the drug table.
        start: First day, as far as it was given.
        on: Day of the review: what was entered later is not covered.
        by: Who, and when: "reviewed by Dr. Doe on 2026-06-01".
        source: "QuestionnaireResponse/id".
        taken, as_prescribed: None where it was not said.
        dose: Milligrams of a day; None where it was not said.
        days: For how long; None where it was not said.
        outcome, stopped: The answer that was chosen; None where none was.
    """

    drug: str
    start: Span | None
    on: date
    by: str
    source: str
    taken: bool | None
    dose: float | None
    days: float | None
    outcome: ReviewAnswer | None
    stopped: ReviewAnswer | None
    as_prescribed: bool | None


def reviewed_trials(sorted_record: SortedRecord, drugs: str) -> Iterator[ReviewedTrial]:
    """What was stated of trials of a drug table, oldest review first; nothing of a review without a sure day."""
    form, table = sorted_record.codes.review, sorted_record.codes.drugs[drugs]
    if form is None:
        return
    for filled, on in _reviews(sorted_record, form):
        for group in filled.items:
            said = {item.link: item.answers[0] for item in group.items if item.answers}
            named = said.get(f"{TRIAL}.drug")
            found = table.recognise(named.coded) if group.link == TRIAL and named and named.coded else None
            if found is not None:
                yield _trial(found.drug.key, said, form, filled, on)


def _reviews(sorted_record: SortedRecord, form: ReviewForm) -> Iterator[tuple[FilledForm, date]]:
    for filled in sorted_record.record.forms:
        when = filled.authored.as_of(sorted_record.today) if filled.authored is not None else None
        if filled.questionnaire == form.url and when is not None and when.latest <= sorted_record.today:
            yield filled, when.earliest


def _by(filled: FilledForm, on: date) -> str:
    return (
        say("reviewed by {author} on {on}", author=filled.author, on=on)
        if filled.author
        else say("reviewed on {on}, by whom is not recorded", on=on)
    )


def _trial(drug: str, said: dict[str, FormAnswer], form: ReviewForm, filled: FilledForm, on: date) -> ReviewedTrial:
    def chosen(role: str) -> ReviewAnswer | None:
        answer = said.get(f"{TRIAL}.{role}")
        codings = answer.coded.codings if answer is not None and answer.coded is not None else ()
        answers = form.questions[role].answers or {}
        return next((answers[c.code] for c in codings if c.system == form.codes and c.code in answers), None)

    def number(role: str) -> float | None:
        answer = said.get(f"{TRIAL}.{role}")
        if answer is None or answer.number is None or answer.unit not in ("", form.questions[role].unit):
            return None
        return answer.number if answer.number > 0 else None

    start, duration = said.get(f"{TRIAL}.start"), number("duration")
    taken, prescribed = chosen("taken"), chosen("prescribed")
    return ReviewedTrial(
        drug=drug,
        start=start.day if start is not None else None,
        on=on,
        by=_by(filled, on),
        source=filled.source,
        taken=taken.taken if taken is not None else None,
        dose=number("dose"),
        days=None if duration is None else duration * form.days_each,
        outcome=chosen("outcome"),
        stopped=chosen("stopped"),
        as_prescribed=prescribed.as_prescribed if prescribed is not None else None,
    )


@dataclass(frozen=True, slots=True)
class Statement:
    """A clinician's yes or no to a fact: on which day, by whom, and where it stands."""

    said: bool
    on: date
    by: str
    source: str


def stated_others(sorted_record: SortedRecord) -> Statement | None:
    """
    Whether any other drug was taken than those of the trials, as it was last stated.

    None where no review says so, or reviews of one day do not agree.
    """
    form = sorted_record.codes.review
    said = [
        Statement(answer.said, on, _by(filled, on), filled.source)
        for filled, on in (_reviews(sorted_record, form) if form is not None else ())
        for item in filled.items
        if item.link == OTHERS
        for answer in item.answers
        if answer.said is not None
    ]
    last = [one for one in said if one.on == said[-1].on]
    return last[-1] if len({one.said for one in last}) == 1 else None


class Statements:
    """What clinicians stated of facts, by the name of the fact."""

    def __init__(self, sorted_record: SortedRecord) -> None:
        form = sorted_record.codes.review
        self._today = sorted_record.today
        self._by_fact: dict[str, list[Statement]] = {}
        sent = sorted_record.record.reviews_sent
        self._lost = sent.because if sent.state is not DeliveryState.WHOLE else ""
        self._asked = frozenset(form.statements) if form is not None else frozenset()
        for filled, on in _reviews(sorted_record, form) if form is not None else ():
            for item in _all(filled.items):
                name = item.link.removeprefix(STATEMENT)
                if item.link.startswith(STATEMENT) and form is not None and name in form.statements:
                    said = {answer.said for answer in item.answers if answer.said is not None}
                    self._by_fact.setdefault(name, []).extend(
                        Statement(one, on, _by(filled, on), filled.source) for one in sorted(said)
                    )

    @property
    def change_nothing(self) -> bool:
        """Whether every fact stays as the record answers it."""
        return not self._by_fact and not (self._lost and self._asked)

    def onto(self, fact: Fact, look_back_days: int | None) -> Fact:
        """
        A fact with what was last stated of it.

        Args:
            fact: As the record answers it.
            look_back_days: How far back entries answer it; None for however far. A statement older than that says
                nothing, and a "no" of an earlier day nothing of the days since, where the record does not tell of them.

        A statement settles what is unknown, or only not recorded. Against an entry that says otherwise it leaves the
        fact unknown, with both. An entry that is newer than the review, or has no sure day, is not covered by it: a
        "no" then changes nothing. Where reviews could not be looked up, what is not recorded is unknown.
        """
        if self._lost and fact.name in self._asked and fact.truth is Truth.FALSE:
            return msgspec.structs.replace(
                fact,
                truth=Truth.UNKNOWN,
                text="",
                because=self._lost,
                why_unknown=WhyUnknown.NOT_SENT,
                missing=(*fact.missing, fact.label) if fact.label not in fact.missing else fact.missing,
            )
        listed = [
            one
            for one in self._by_fact.get(fact.name, ())
            if look_back_days is None or (self._today - one.on).days <= look_back_days
        ]
        if not listed or fact.truth is None:
            return fact
        last = [one for one in listed if one.on == listed[-1].on]
        if len({one.said for one in last}) > 1:
            return _both(fact, last, say("reviews of one day do not agree"))
        said = last[-1]
        stated = join_texts(", ", [say("yes") if said.said else say("no"), said.by])
        unseen = look_back_days is not None and fact.truth is Truth.UNKNOWN and not fact.found
        if not said.said and unseen and said.on < self._today:
            return msgspec.structs.replace(
                fact, stated_by=say("{stated}; the days since then are not known", stated=stated)
            )
        if not said.said and not _covered(fact, said.on):
            return msgspec.structs.replace(
                fact,
                because=join_texts(
                    "; ",
                    filter(None, (fact.because, say("a “no” was {by}, which may not cover this entry", by=said.by))),
                ),
                stated_by=say("{stated}; an entry is newer or has no day, and this does not cover it", stated=stated),
            )
        truth, source = Truth.of(said.said), FactSource(said.source, stated, said.on.isoformat())
        if fact.truth is truth:
            return msgspec.structs.replace(fact, found=(*fact.found, source), stated_by=stated)
        if fact.truth is Truth.UNKNOWN or (said.said and not fact.found):
            return msgspec.structs.replace(
                fact,
                truth=truth,
                text=stated,
                because=stated,
                why_unknown=None,
                missing=(),
                found=(*fact.found, source),
                trace=False,
                stated_by=stated,
            )
        return _both(
            fact,
            [said],
            say(
                "recorded as {what}, but stated: {stated}",
                what=say("yes") if fact.truth is Truth.TRUE else say("no"),
                stated=stated,
            ),
        )


def _both(fact: Fact, said: list[Statement], because: str) -> Fact:
    stated = join_texts("; ", (join_texts(", ", [say("yes") if one.said else say("no"), one.by]) for one in said))
    return msgspec.structs.replace(
        fact,
        truth=Truth.UNKNOWN,
        text="",
        because=because,
        why_unknown=WhyUnknown.CONFLICT,
        missing=(*fact.missing, fact.label) if fact.label not in fact.missing else fact.missing,
        found=(*fact.found, *(FactSource(one.source, stated, one.on.isoformat()) for one in said)),
        trace=True,
        stated_by=stated,
    )


def _covered(fact: Fact, on: date) -> bool:
    """Whether every entry a fact rests on was surely there on the day of the review."""
    return all(len(found.when) == len("2026-01-01") and found.when <= on.isoformat() for found in fact.found)


def _all(items: Iterable[FormItem]) -> Iterator[FormItem]:
    for item in items:
        yield item
        yield from _all(item.items)
