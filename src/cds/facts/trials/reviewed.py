"""Rated trials + what a clinician stated of them → trials of which what was unknown or inferred is settled."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import msgspec

from cds.facts.context import SortedRecord
from cds.facts.fact import Fact, FactSource, ResponseEvidence, Trial, WhyUnknown
from cds.facts.reviews import ReviewedTrial, Statement, reviewed_trials
from cds.facts.trials.definition import TrialDefinition
from cds.facts.trials.treatment_episodes import TreatmentEpisode, reaches
from cds.locale.sentence import counted, join_texts, say
from cds.logic.truth import Truth, every
from cds.record.model import Exposure, ExposureKind, Span

RECORDED = frozenset({ResponseEvidence.CODED, ResponseEvidence.WORDS, ResponseEvidence.MEASURED})
WEAKER = frozenset({ResponseEvidence.STILL_SYMPTOMATIC, ResponseEvidence.INFERRED})
ORDERED = frozenset({ExposureKind.REQUEST, ExposureKind.STATEMENT})


def with_reviews(
    trials: Sequence[Trial],
    spells: Sequence[TreatmentEpisode],
    earlier: Sequence[TreatmentEpisode],
    begins: Span,
    wanted: TrialDefinition,
    sorted_record: SortedRecord,
) -> list[Trial]:
    """
    The trials with what clinicians stated of them, and those that only they tell of.

    Args:
        trials: As rated from the record, one for each of `spells`.
        spells, earlier: What was taken in the episode, and before it.
        begins: The first day that counts.
        wanted: The definition; it takes reviews.
        sorted_record: Holds the reviews. Of several that speak of one trial the newest counts.
    """
    reviewed = list(reviewed_trials(sorted_record, wanted.drugs))
    if not reviewed:
        return list(trials)
    settled = []
    used: set[int] = set()
    for trial, spell in zip(trials, spells, strict=True):
        mine = [one for one in reviewed if _is_about(one, spell, wanted)]
        used.update(map(id, mine))
        settled.append(_settled(trial, spell, mine, wanted) if mine else trial)
    for spell in earlier:  # no trial of the episode, whatever is said of it
        used.update(id(one) for one in reviewed if _is_about_days(one, spell, wanted))
    newest: dict[tuple[str, Span | None], ReviewedTrial] = {
        (one.drug, one.start): one for one in reviewed if id(one) not in used
    }
    added = [_elsewhere(one, begins, wanted, sorted_record) for one in newest.values()]
    return [*settled, *(trial for trial in added if trial is not None)]


def stated_of(trials: Sequence[Trial], wanted: TrialDefinition, sorted_record: SortedRecord) -> str:
    """
    Which of the trials a clinician stated something of, who and when; "" for none.

    Said once, for the trials that the form asks about: other definitions count the same ones.
    """
    form = sorted_record.codes.review
    if form is None or wanted.name != form.trials or not wanted.no_response.accepts_reviewed:
        return ""
    by_source = {one.source: one.by for one in reviewed_trials(sorted_record, wanted.drugs)}
    said: dict[str, list[str]] = {}
    for trial in trials:
        for source in trial.sources:
            if source in by_source and trial.name not in said.setdefault(by_source[source], []):
                said[by_source[source]].append(trial.name)
    return join_texts("; ", (join_texts(", ", [*names, by]) for by, names in said.items()))


def with_others(
    fact: Fact,
    unrecognised: Sequence[Exposure],
    said: Statement,
    wanted: TrialDefinition,
    sorted_record: SortedRecord,
) -> tuple[Fact, Sequence[Exposure]]:
    """
    The trials with what a clinician stated of others, and the medications that may still be more of them.

    A "no" covers the medications that could not be recognized, if their day is known and not after the review. Where
    medications did not come whole, it closes the list for as long as a drug begun since then could not be an adequate
    trial. A "yes" leaves the list open.
    """
    form = sorted_record.codes.review
    covers = said.said or (sorted_record.today - said.on).days < wanted.adequate_days
    since = "" if covers else say("; a trial since then is not known of")
    words = (
        join_texts(", ", [say("there was another trial") if said.said else say("there was no other trial"), said.by])
        + since
    )
    stated = words if form is not None and wanted.name == form.trials else ""
    fact = msgspec.structs.replace(
        fact,
        because=join_texts("; ", filter(None, (fact.because, words))),
        found=(*fact.found, FactSource(said.source, words, said.on.isoformat())),
        stated_by=join_texts("; ", filter(None, (fact.stated_by, stated))),
    )
    if said.said:
        lacking = say("which other trial there was ({by})", by=said.by)
        why = fact.why_unknown or WhyUnknown.NOT_FOUND
        return msgspec.structs.replace(fact, why_unknown=why, missing=(*fact.missing, lacking)), unrecognised
    if covers:
        fact = msgspec.structs.replace(fact, why_unknown=None, missing=())
    return fact, [exposure for exposure in unrecognised if not _known_by(exposure, said.on)]


def _known_by(exposure: Exposure, on: date) -> bool:
    """Whether an entry was surely there on a day."""
    days = [day for day in (exposure.authored, exposure.start) if day is not None]
    return bool(days) and all(day.latest <= on for day in days)


def _is_about(said: ReviewedTrial, spell: TreatmentEpisode, wanted: TrialDefinition) -> bool:
    first = spell.runs[0].first
    if said.drug != spell.key or first > said.on.toordinal():
        return False
    if said.start is None:
        return True
    before, last = said.start.latest.toordinal() + wanted.joins_gaps_days, spell.runs[-1].last
    return before >= first and said.start.earliest.toordinal() <= last


def _is_about_days(said: ReviewedTrial, spell: TreatmentEpisode, wanted: TrialDefinition) -> bool:
    if said.drug != spell.key or said.start is None:
        return False
    days = [stretch.possible for stretch in spell.stretches]
    gap = wanted.joins_gaps_days
    return any(
        said.start.latest.toordinal() + gap >= first and said.start.earliest.toordinal() <= last for first, last in days
    )


def _entered_later(spell: TreatmentEpisode, on: date) -> bool:
    """Whether something was ordered, stated or stopped with a reason after the review."""
    for stretch in spell.stretches:
        exposure = stretch.exposure
        days = [exposure.authored, exposure.start] if exposure.kind in ORDERED else []
        if exposure.stopped_for is not None:
            days.append(exposure.end)
        if any(day is not None and day.latest > on for day in days):
            return True
    return False


def _settled(trial: Trial, spell: TreatmentEpisode, said: Sequence[ReviewedTrial], wanted: TrialDefinition) -> Trial:
    last = [one for one in said if one.on == said[-1].on]
    review = last[-1]
    sources = tuple(sorted({*trial.sources, *(one.source for one in last)}))
    trial = msgspec.structs.replace(trial, sources=sources)
    if len({_meaning(one) for one in last}) > 1:
        note = say("what was {by} contradicts another review of that day, and neither counts", by=review.by)
        return msgspec.structs.replace(trial, notes=(*trial.notes, note))
    if _entered_later(spell, review.on):
        note = say("entries after it was {by}; what was stated then does not cover them", by=review.by)
        return msgspec.structs.replace(trial, notes=(*trial.notes, note))
    trial = _how_taken(trial, spell, review, wanted)
    if review.stopped is not None and not trial.ongoing:
        intolerance = trial.intolerance or (review.stopped.not_tolerated and trial.adequate is not Truth.TRUE)
        note = say(
            "stopped: {reason} ({by})",
            reason=review.stopped.display[:1].lower() + review.stopped.display[1:],
            by=review.by,
        )
        trial = msgspec.structs.replace(trial, intolerance=intolerance, notes=(*trial.notes, note))
    return _response(trial, review, wanted)


def _meaning(said: ReviewedTrial) -> tuple[object, ...]:
    outcome = said.outcome.display if said.outcome is not None else None
    return said.taken, said.dose, said.days, outcome, said.as_prescribed


# ---------------------------------------------------------------- dose and duration


def _how_taken(trial: Trial, spell: TreatmentEpisode, said: ReviewedTrial, wanted: TrialDefinition) -> Trial:
    dose, long_enough = _dose(said, trial.minimum_mg_a_day, wanted), _duration(said, wanted)
    goes_on = spell.runs[-1].last > said.on.toordinal()
    if goes_on and long_enough is Truth.FALSE:
        long_enough = Truth.UNKNOWN  # it was too short on the day of the review
    held = every((dose, long_enough))
    poorly = Truth.UNKNOWN if said.as_prescribed is None else Truth.of(not said.as_prescribed)
    if said.taken is False:
        dose = long_enough = held = Truth.FALSE
    notes: list[str] = []
    found = {
        "dose_adequate": _one(trial.dose_adequate, dose, say("dose"), said, notes),
        "long_enough": _one(trial.long_enough, long_enough, say("duration"), said, notes),
        "held": _one(trial.held, held, "", said, notes),
        "poorly_taken": _one(trial.poorly_taken, poorly, say("how regularly it was taken"), said, notes),
    }
    adequate = found["held"]
    vetoed = wanted.adherence is not None and wanted.adherence.when_poor == "vetoes"
    if vetoed and found["poorly_taken"] is Truth.TRUE:
        adequate = Truth.FALSE
    elif vetoed and found["poorly_taken"] is Truth.UNKNOWN and trial.poorly_taken is not Truth.UNKNOWN:
        adequate = every((adequate, Truth.UNKNOWN))
    missing = trial.missing
    if adequate is not Truth.UNKNOWN:
        missing = tuple(what for what in missing if what.startswith("response to"))
    elif trial.adequate is not Truth.UNKNOWN:
        missing = (*missing, say("{trial} dose over time", trial=trial.name))
    if said.dose is not None or said.days is not None:
        parts = [
            say("{dose} mg a day", dose=f"{said.dose:g}") if said.dose else "",
            counted("{number} day", "{number} days", said.days) if said.days else "",
        ]
        notes.append(join_texts(", ", [join_texts(say(" for "), filter(None, parts)), said.by]))
    return msgspec.structs.replace(
        trial, **found, adequate=adequate, missing=missing, notes=(*trial.notes, *dict.fromkeys(notes))
    )


def _dose(said: ReviewedTrial, minimum: float | None, wanted: TrialDefinition) -> Truth:
    if said.dose is None or minimum is None:
        return Truth.UNKNOWN
    if wanted.implausible_times is not None and said.dose > minimum * wanted.implausible_times:
        return Truth.UNKNOWN
    return Truth.of(reaches(said.dose, minimum))


def _duration(said: ReviewedTrial, wanted: TrialDefinition) -> Truth:
    return Truth.UNKNOWN if said.days is None else Truth.of(said.days >= wanted.adequate_days)


def _one(recorded: Truth, stated: Truth, what: str, said: ReviewedTrial, notes: list[str]) -> Truth:
    """What was unknown is as stated; what the record says otherwise is unknown, and noted."""
    if stated is Truth.UNKNOWN or recorded is stated:
        return recorded
    if recorded is Truth.UNKNOWN:
        return stated
    if what:
        notes.append(say("{what}: the record and what was {by} contradict each other", what=what, by=said.by))
    return Truth.UNKNOWN


# ---------------------------------------------------------------- response


def _no_response(said: ReviewedTrial, wanted: TrialDefinition) -> Truth:
    """Whether the stated fall is below what is a response; unknown where its band lies across that."""
    if said.outcome is None or said.outcome.fall is None or said.taken is False:
        return Truth.UNKNOWN
    least, below = said.outcome.fall
    if below <= wanted.no_response.fall:
        return Truth.TRUE
    return Truth.FALSE if wanted.no_response.is_response(least) else Truth.UNKNOWN


def _partial(said: ReviewedTrial, wanted: TrialDefinition) -> Truth:
    partial = wanted.no_response.partial
    if said.outcome is None or said.outcome.fall is None or partial is None:
        return Truth.UNKNOWN
    (least, below), (first, end) = said.outcome.fall, partial
    if first <= least and below <= end:
        return Truth.TRUE
    return Truth.FALSE if below <= first or least >= end else Truth.UNKNOWN


def _response(trial: Trial, said: ReviewedTrial, wanted: TrialDefinition) -> Trial:
    stated = _no_response(said, wanted)
    if stated is Truth.UNKNOWN or said.outcome is None:
        return trial
    words = say("{answer} ({by})", answer=said.outcome.display.lower(), by=said.by)
    lost_by_now = said.outcome.lost and trial.evidence is ResponseEvidence.STILL_SYMPTOMATIC  # both can be so
    recorded = trial.evidence in RECORDED | {ResponseEvidence.STILL_SYMPTOMATIC} and not lost_by_now
    against = trial.contradictory or (recorded and trial.no_response is not stated)
    if against:
        missing = trial.missing if _asks(trial) else (*trial.missing, say("response to {trial}", trial=trial.name))
        return msgspec.structs.replace(
            trial,
            no_response=Truth.UNKNOWN,
            evidence=ResponseEvidence.NONE,
            outcome=say("{outcome}, but stated: {words}", outcome=trial.outcome, words=words),
            contradictory=True,
            missing=missing,
        )
    if trial.evidence in RECORDED:
        return msgspec.structs.replace(trial, notes=(*trial.notes, say("also stated: {words}", words=words)))
    outcome = (
        say("{outcome}; stated: {words}", outcome=trial.outcome, words=words)
        if trial.evidence in WEAKER
        else say("stated: {words}", words=words)
    )
    return msgspec.structs.replace(
        trial,
        no_response=stated,
        evidence=ResponseEvidence.REVIEWED,
        outcome=outcome,
        partial_response=_partial(said, wanted),
        response_lost=said.outcome.lost,
        missing=tuple(what for what in trial.missing if not what.startswith("response to")),
    )


def _asks(trial: Trial) -> bool:
    return any(what.startswith("response to") for what in trial.missing)


# ---------------------------------------------------------------- trials that only a review tells of


def _elsewhere(said: ReviewedTrial, begins: Span, wanted: TrialDefinition, sorted_record: SortedRecord) -> Trial | None:
    """A trial nothing else in the record shows; None if it was not taken, or surely before the episode."""
    if said.taken is False or (said.start is not None and said.start.latest < begins.earliest):
        return None
    drug = sorted_record.codes.drugs[wanted.drugs].drugs[said.drug]
    if drug.role != "antidepressant" or drug.counts_as_trial == "never":
        return None
    minimum = drug.minimum_mg_a_day.get(wanted.dose_column)
    dose, long_enough = _dose(said, minimum, wanted), _duration(said, wanted)
    inside = Truth.of(True) if said.start is not None and said.start.earliest >= begins.latest else Truth.UNKNOWN
    held = every((dose, long_enough, inside))
    days = int(said.days) if said.days is not None else 0
    missing = [say("{drug} dose", drug=said.drug)] if dose is Truth.UNKNOWN else []
    if long_enough is Truth.UNKNOWN or inside is Truth.UNKNOWN:
        missing.append(say("{drug} start and end dates", drug=said.drug))
    poorly = Truth.UNKNOWN if said.as_prescribed is None else Truth.of(not said.as_prescribed)
    vetoed = wanted.adherence is not None and wanted.adherence.when_poor == "vetoes" and poorly is Truth.TRUE
    trial = Trial(
        ingredient=said.drug,
        name=said.drug,
        drug_class=drug.drug_class,
        start=said.start,
        end=_end(said, days, sorted_record.today),
        days=(days, days),
        days_at_dose=(days if dose is Truth.TRUE else 0, days),
        highest_mg_a_day=(said.dose, said.dose),
        minimum_mg_a_day=minimum,
        dose_adequate=dose,
        long_enough=long_enough,
        adequate=Truth.FALSE if vetoed else held,
        no_response=Truth.UNKNOWN,
        evidence=ResponseEvidence.NONE,
        outcome=say("response not recorded"),
        intolerance=bool(said.stopped and said.stopped.not_tolerated) and held is not Truth.TRUE,
        ongoing=False,
        by_name_only=False,
        held=held,
        molecule=drug.molecule or drug.key,
        poorly_taken=poorly,
        notes=(say("no other entry shows it; {by}", by=said.by),),
        missing=(*missing, say("response to {drug}", drug=said.drug)),
        sources=(said.source,),
    )
    return _response(trial, said, wanted)


def _end(said: ReviewedTrial, days: int, today: date) -> Span:
    """Its last day, as far as start and duration tell."""
    first = said.start if said.start is not None else Span(date.min, said.on)
    last = [min(day + timedelta(days=max(0, days - 1)), today) for day in (first.earliest, first.latest)]
    return Span(last[0], max(last)) if days else Span(first.earliest, said.on)
