"""Exposures → trials: one ingredient over one stretch of time, rated for dose, duration and response."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from types import MappingProxyType

import msgspec

from cds.facts.context import SortedRecord
from cds.facts.fact import Fact, ResponseEvidence, Trial, WhyUnknown
from cds.facts.instructions import understood
from cds.facts.measurements import ConvertedMeasurement
from cds.facts.reviews import Statement, stated_others
from cds.facts.trials.adherence import days_covered
from cds.facts.trials.definition import TrialDefinition
from cds.facts.trials.doses import DailyDose, dosings
from cds.facts.trials.exposure_periods import ExposurePeriod, Successors, day_by_day, exposure_periods
from cds.facts.trials.response import DrugStarts, OtherStart, ScoreHistory, UnratedTrial, rate_response
from cds.facts.trials.reviewed import stated_of, with_others, with_reviews
from cds.facts.trials.treatment_episodes import (
    TreatmentEpisode,
    bounds,
    day_reached,
    joined,
    reaches,
    stop_reasons,
    treatment_episodes,
)
from cds.facts.trials.unrecognized import Periods, UnrecognizedMedication, open_questions, periods_by_drug
from cds.locale.sentence import join_texts, say
from cds.logic.truth import Truth
from cds.record.model import DeliveryState, Exposure, Span
from cds.record.units import plain_unit
from cds.terminology.drugs import DrugTable, Recognised
from cds.terminology.phrases import words_of
from cds.terminology.vocabulary import EntryKind, Reading

SCORED = ("Observation/", "QuestionnaireResponse/")
PATCH_WORDS = frozenset({"patch", "patches", "transdermal"})


@dataclass(frozen=True, slots=True)
class RecognizedExposures:
    """
    What the record says was taken, by what it was recognised as.

    Attributes:
        by_drug: Key of a drug that can be a trial → its exposures.
        augmentations: Exposures to augmentation agents, with their key.
        unrecognised: What nobody can tell.
        not_trials: Key and reason of exposures to drugs of the table that are never a trial.
    """

    by_drug: Mapping[str, list[tuple[Exposure, Recognised]]]
    augmentations: list[tuple[Exposure, Recognised]]
    unrecognised: list[Exposure]
    not_trials: list[tuple[str, str, str]]


@dataclass(frozen=True, slots=True)
class Timeline:
    """
    What was taken, laid out in time.

    Attributes:
        taken: By what it was recognised as.
        begins: When the episode began.
        spells, earlier: Of the episode, and before it.
        starts: Of drugs that show that what came before did not work.
        unrecognised: Of drugs that nobody can tell.
    """

    taken: RecognizedExposures
    begins: Span
    spells: tuple[TreatmentEpisode, ...]
    earlier: tuple[TreatmentEpisode, ...]
    starts: DrugStarts
    unrecognised: Periods


class TrialFinder:
    """
    Finds trials in one record.

    Several facts ask for trials under different definitions; what they ask alike (what was taken, its doses, the days
    it was taken on) is worked out once.

    Attributes:
        laid_out: How often it was worked out.
    """

    def __init__(
        self,
        sorted_record: SortedRecord,
        scores: Mapping[str, Sequence[ConvertedMeasurement]],
        scores_if_read: Mapping[str, Sequence[ConvertedMeasurement]] = MappingProxyType({}),
    ) -> None:
        self.laid_out = 0
        self._record = sorted_record
        if_read = ScoreHistory({**scores, **scores_if_read}) if scores_if_read else None
        self._courses = ScoreHistory(scores, if_read)
        self._laid: dict[object, Timeline] = {}

    def find(self, wanted: TrialDefinition, episode: Fact | None) -> tuple[Fact, tuple[UnrecognizedMedication, ...]]:
        """
        The trials of the drugs of a table in the current episode, oldest first, each rated.

        The answer does not depend on the order of resources, on how one prescription is split into consecutive ones,
        or on a resource arriving twice. With them: medications that could not be recognised, which may be further
        trials.
        """
        laid = self.timeline(wanted, episode)
        others: Statement | None = None
        trials = [_rate(spell, wanted, self._record, self._courses, laid.starts) for spell in laid.spells]
        if wanted.no_response.accepts_reviewed:
            trials = with_reviews(trials, laid.spells, laid.earlier, laid.begins, wanted, self._record)
            others = stated_others(self._record)
        trials = _one_score_for_one(_no_separate_evidence(sorted(trials, key=_order)))
        fact = _fact(wanted, trials, laid.taken, laid.earlier, episode, self._record)
        fact = msgspec.structs.replace(fact, stated_by=stated_of(trials, wanted, self._record))
        today, unrecognised = self._record.today.toordinal(), laid.unrecognised
        if others is not None:
            fact, left = with_others(fact, laid.taken.unrecognised, others, wanted, self._record)
            unrecognised = periods_by_drug(left, today, laid.begins)
        return fact, open_questions(wanted, unrecognised, trials, today)

    def timeline(self, wanted: TrialDefinition, episode: Fact | None) -> Timeline:
        """What was taken, laid out in time; the same object for facts that ask alike."""
        begins = _episode_start(episode, self._record.today)
        # Everything of `wanted` that `_laid_out` reads.
        asked = (
            begins,
            wanted.drugs,
            wanted.joins_gaps_days,
            wanted.dose_column,
            wanted.implausible_times,
            wanted.undated_end_days,
            wanted.unconfirmed_days,
            wanted.not_for,
            wanted.unless_for,
            wanted.no_response.augmentation_days,
        )
        if asked not in self._laid:
            self.laid_out += 1
            self._laid[asked] = _laid_out(wanted, self._record, begins)
        return self._laid[asked]


def _laid_out(wanted: TrialDefinition, sorted_record: SortedRecord, begins: Span) -> Timeline:
    table = sorted_record.codes.drugs[wanted.drugs]
    today = sorted_record.today.toordinal()
    taken = recognise(wanted, sorted_record, table)
    first_days = _first_days(taken, wanted, table)
    spells: list[TreatmentEpisode] = []
    earlier: list[TreatmentEpisode] = []
    for key, exposures in sorted(taken.by_drug.items()):
        others = sorted(day for other, days in first_days.items() if other != key for day in days)
        successors = Successors(tuple(others), wanted.undated_end_days, wanted.unconfirmed_days)
        found = _plausible(
            exposure_periods(exposures, today, begins.earliest.toordinal(), successors), wanted, table, key
        )
        by_name = {id(exposure) for exposure, recognised in exposures if recognised.by_name}
        for spell in treatment_episodes(table, key, found, wanted, begins, by_name):
            (spells if spell.runs else earlier).append(spell)
    starts = _other_starts(spells, taken, wanted, table, today, begins)
    unrecognised = periods_by_drug(taken.unrecognised, today, begins)
    return Timeline(taken, begins, tuple(spells), tuple(earlier), starts, unrecognised)


def _first_days(
    taken: RecognizedExposures, wanted: TrialDefinition, table: DrugTable
) -> dict[str, set[tuple[int, int]]]:
    """
    First days of drugs that can be a successor, by drug: those some order of which surely reaches the minimum dose.

    What may not have been taken at all, or is taken as needed, takes no drug's place.
    """
    found: dict[str, set[tuple[int, int]]] = {}
    for key, exposures in taken.by_drug.items():
        sure = [(e, r) for e, r in exposures if e.start is not None and not e.doubtful]
        minimum = table.drugs[key].minimum_mg_a_day.get(wanted.dose_column)
        doses = (dosing.dose.low for exposure, recognised in sure for dosing in dosings(exposure, recognised.product))
        if any(low is not None and reaches(low, minimum) for low in doses):
            found[key] = {(e.start.earliest.toordinal(), e.start.latest.toordinal()) for e, _ in sure if e.start}
    return found


def _plausible(
    found: list[ExposurePeriod], wanted: TrialDefinition, table: DrugTable, key: str
) -> list[ExposurePeriod]:
    """The same stretches; a dose too high to be true (150 g for 150 mg) is not known, rather than adequate."""
    minimum = table.drugs[key].minimum_mg_a_day.get(wanted.dose_column)
    if minimum is None or wanted.implausible_times is None:
        return found
    highest = minimum * wanted.implausible_times
    unknown = DailyDose(None, None, say("dose too high to be true"))
    return [
        msgspec.structs.replace(s, dose=unknown) if s.dose.high is not None and s.dose.high > highest else s
        for s in found
    ]


def recognise(wanted: TrialDefinition, sorted_record: SortedRecord, table: DrugTable) -> RecognizedExposures:
    """Sort the exposures by what they are; each medication is looked up once."""
    by_drug: dict[str, list[tuple[Exposure, Recognised]]] = {}
    augmentations: list[tuple[Exposure, Recognised]] = []
    unrecognised: list[Exposure] = []
    not_trials: list[tuple[str, str, str]] = []
    for written in sorted_record.record.exposures:
        found, exposure = table.recognise(written.drug), written
        if found is None:
            if sorted_record.codes.unrecognisable(table, exposure.drug):
                unrecognised.append(exposure)
            continue
        exposure = understood(written, sorted_record.codes)
        reason = _never_a_trial(found, exposure, wanted, sorted_record)
        if found.drug.role == "augmentation":
            augmentations.append((exposure, found))
        elif reason:
            not_trials.append((found.drug.key, reason, exposure.source))
        elif found.drug.role == "antidepressant":
            if _may_be_for_another_reason(exposure, wanted, sorted_record):
                exposure = replace(exposure, doubtful=True)
            by_drug.setdefault(found.drug.key, []).append((exposure, found))
        for other in found.product.beside if found.product else ():
            beside = table.drugs.get(other)
            if beside is not None and beside.role == "augmentation":
                augmentations.append((exposure, Recognised(beside, None, found.by_name)))
    return RecognizedExposures(by_drug, augmentations, unrecognised, not_trials)


def _never_a_trial(found: Recognised, exposure: Exposure, wanted: TrialDefinition, sorted_record: SortedRecord) -> str:
    if found.product is not None and not found.product.trial:
        return found.product.note or say("this product is not used for depression")
    if found.drug.counts_as_trial == "never":
        return say("never counts as a trial")
    if found.drug.counts_as_trial == "transdermal" and not _is_patch(found, exposure):
        return say("counts only as a patch")
    codes = sorted_record.codes
    reasons = [codes.sets_of(reason) | codes.sets_claimed(reason) for reason in exposure.reasons]
    not_for, unless_for = set(wanted.not_for), set(wanted.unless_for)
    if reasons and all(sets & not_for and not sets & unless_for for sets in reasons):
        return say("given for another reason")
    return ""


def _may_be_for_another_reason(exposure: Exposure, wanted: TrialDefinition, sorted_record: SortedRecord) -> bool:
    """Whether all its reasons are ones for which it is no trial, or could not be read and may be such ones."""
    codes = sorted_record.codes
    if not wanted.not_for or not exposure.reasons:
        return False
    for reason in exposure.reasons:
        sets = codes.sets_of(reason) | codes.sets_claimed(reason)
        if not sets.isdisjoint(wanted.unless_for):
            return False
        read = codes.read(reason, EntryKind.CONDITION)
        says_nothing = read is Reading.SILENT and not any(coding.code for coding in reason.codings)
        if sets.isdisjoint(wanted.not_for) and (read is Reading.READ or says_nothing):
            return False
    return True


def _is_patch(found: Recognised, exposure: Exposure) -> bool:
    if found.product is not None:
        return found.product.per == "hour"
    said = {
        word for text in (exposure.drug.text, *(c.display for c in exposure.drug.codings)) for word in words_of(text)
    }
    return bool(said & PATCH_WORDS) or any(plain_unit(sig.unit) == "{patch}" for sig in exposure.sigs)


def _episode_start(episode: Fact | None, today: date) -> Span:
    if episode is None or episode.day is None:
        return Span(date.min, date.min)
    latest = min(episode.day.latest, today)
    return Span(min(episode.day.earliest, latest), latest)


def _other_starts(
    spells: list[TreatmentEpisode],
    taken: RecognizedExposures,
    wanted: TrialDefinition,
    table: DrugTable,
    today: int,
    begins: Span,
) -> DrugStarts:
    """
    Starts of drugs that show that what came before did not work: another antidepressant, or an augmentation.

    One that is only possibly taken, or not surely at its minimum dose (as needed, for sleep), shows nothing.
    """
    starts = [
        OtherStart(spell.key, spell.runs[0].first, "antidepressant")
        for spell in spells
        if spell.runs[0].sure and spell.sure_at_dose > 0
    ]
    by_key: dict[str, list[tuple[Exposure, Recognised]]] = {}
    for exposure, recognised in taken.augmentations:
        by_key.setdefault(recognised.drug.key, []).append((exposure, recognised))
    for key, exposures in sorted(by_key.items()):
        minimum = table.drugs[key].minimum_mg_a_day.get("minimum")
        if minimum is None:
            continue  # no dose at which it is an augmentation: nothing is inferred from it
        runs = day_by_day(exposure_periods(exposures, today, begins.earliest.toordinal()))
        for group in joined(runs, wanted.joins_gaps_days):
            lasted = sum(run.count for run in group if run.sure and reaches(run.low, minimum))
            if lasted >= wanted.no_response.augmentation_days and group[0].sure:
                starts.append(OtherStart(key, group[0].first, "augmentation"))
    return DrugStarts(starts)


# ---------------------------------------------------------------- rating


def _rate(
    spell: TreatmentEpisode,
    wanted: TrialDefinition,
    sorted_record: SortedRecord,
    courses: ScoreHistory,
    starts: DrugStarts,
) -> Trial:
    today = sorted_record.today.toordinal()
    table = sorted_record.codes.drugs[wanted.drugs]
    adequate = held = _at_least(spell.sure_at_dose, spell.possible_at_dose, wanted.adequate_days)
    start, end, ongoing = bounds(spell, today)
    poorly_taken, about_fills = _adherence(spell, wanted, sorted_record)
    if poorly_taken is Truth.TRUE and wanted.adherence is not None and wanted.adherence.when_poor == "vetoes":
        adequate = Truth.FALSE
    ended = UnratedTrial(
        key=spell.key,
        start=start,
        end=end,
        today=sorted_record.today,
        adequate=adequate,
        adequate_from=day_reached(spell.parts, spell.minimum, wanted.adequate_days),
        stopped_for=stop_reasons(spell, wanted.joins_gaps_days),
        unconfirmed=any(s.unconfirmed and s.possible[1] == spell.runs[-1].last for s in spell.stretches)
        and end.earliest < end.latest,
    )
    outcome = rate_response(wanted.no_response, ended, sorted_record, courses, starts)
    drug = table.drugs[spell.key]
    lows = [run.low for run in spell.runs if run.sure and run.recorded]
    highs = [run.high for run in spell.runs]
    notes, missing = _remarks(spell, adequate, wanted)
    notes += about_fills
    if spell.by_name_only:
        notes.append(say("recognized by its name only, not by a code"))
    return Trial(
        ingredient=spell.key,
        name=spell.key,
        drug_class=drug.drug_class,
        start=start,
        end=None if ongoing else end,
        days=(spell.sure_days, spell.possible_days),
        days_at_dose=(spell.sure_at_dose, spell.possible_at_dose),
        highest_mg_a_day=(
            max(lows) if lows else None,
            None if None in highs else max(h for h in highs if h is not None),
        ),
        minimum_mg_a_day=spell.minimum,
        dose_adequate=_at_least(spell.sure_at_dose, spell.possible_at_dose, 1),
        long_enough=_at_least(spell.sure_days, spell.possible_days, wanted.adequate_days),
        adequate=adequate,
        no_response=outcome.no_response,
        evidence=outcome.evidence,
        outcome=outcome.words,
        intolerance=outcome.intolerance,
        ongoing=ongoing,
        by_name_only=spell.by_name_only,
        held=held,
        molecule=drug.molecule or drug.key,
        poorly_taken=poorly_taken,
        partial_response=_partial(outcome.fall, wanted),
        response_lost=outcome.lost,
        contradictory=outcome.contradictory,
        notes=tuple(notes + list(outcome.notes)),
        missing=tuple(missing) + (outcome.missing if adequate is not Truth.FALSE else ()),
        sources=tuple(sorted({s.exposure.source for s in spell.stretches} | set(outcome.sources))),
    )


def _adherence(
    spell: TreatmentEpisode, wanted: TrialDefinition, sorted_record: SortedRecord
) -> tuple[Truth, list[str]]:
    """
    Whether fills cover too few days, and what to say of it.

    Unknown where nobody asks, without fills, when some may be missing, and when the days of the trial are known too
    imprecisely to tell.
    """
    covered = days_covered(spell.stretches, spell.runs[0].first, spell.runs[-1].last)
    sure = [run for run in spell.runs if run.sure]
    asked = wanted.adherence
    if asked is None or asked.when_poor == "ignored" or covered is None or not sure:
        return Truth.UNKNOWN, []
    fewest, most = sure[-1].last - sure[0].first + 1, spell.runs[-1].last - spell.runs[0].first + 1
    if covered * 100 >= asked.at_least * most:
        return Truth.FALSE, []
    whole = sorted_record.record.how_sent("MedicationDispense").state is DeliveryState.WHOLE
    poor = whole and covered * 100 < asked.at_least * fewest
    days = say("{covered} of {most} days ({percent}%)", covered=covered, most=most, percent=covered * 100 // most)
    if fewest != most:
        days = say("{covered} of {fewest} to {most} days", covered=covered, fewest=fewest, most=most)
    note = say("fills cover {days}", days=days) + ("" if whole else say(", not all fills were sent"))
    return Truth.TRUE if poor else Truth.UNKNOWN, [note]


def _partial(fall: tuple[float, float] | None, wanted: TrialDefinition) -> Truth:
    """Whether a score fell by what is a partial response; unknown where no fall was measured."""
    if fall is None or wanted.no_response.partial is None:
        return Truth.UNKNOWN
    (least, most), (first, below) = fall, wanted.no_response.partial
    if first <= least and most < below:
        return Truth.TRUE
    return Truth.FALSE if most < first or least >= below else Truth.UNKNOWN


def _at_least(sure: int, possible: int, needed: int) -> Truth:
    if sure >= needed:
        return Truth.TRUE
    return Truth.UNKNOWN if possible >= needed else Truth.FALSE


def _remarks(spell: TreatmentEpisode, adequate: Truth, wanted: TrialDefinition) -> tuple[list[str], list[str]]:
    notes: list[str] = []
    missing: list[str] = []
    reasons = sorted({s.dose.why for s in spell.stretches if s.dose.low is None and s.dose.why})
    no_dose = any(run.high is None for run in spell.runs)
    if no_dose:
        notes.extend(reasons)
    if adequate is Truth.UNKNOWN:
        if no_dose:
            missing.append(say("{key} dose", key=spell.key))
        if spell.minimum is None:
            missing.append(say("minimum adequate dose of {key} in the drug table", key=spell.key))
        if spell.sure_days < wanted.adequate_days <= spell.possible_days:
            missing.append(say("{key} start and end dates", key=spell.key))
        if not missing:
            missing.append(say("{key} dose over time", key=spell.key))
    if any(s.dose.from_words for s in spell.stretches):
        notes.append(say("strength read from the drug's name"))
    return notes, missing


def _no_separate_evidence(trials: list[Trial]) -> list[Trial]:
    """
    Drugs started on one day and stopped on one day (or never) give no separate evidence (docs/developers/decisions.md).

    At most one of them counts, unless each has a stop reason of its own; the others' response is unknown.
    """
    own = {ResponseEvidence.CODED, ResponseEvidence.WORDS, ResponseEvidence.REVIEWED}
    groups: dict[tuple[Span | None, Span | None], list[int]] = {}
    for index, trial in enumerate(trials):
        if trial.adequate is not Truth.FALSE:
            groups.setdefault((trial.start, trial.end), []).append(index)
    rated = list(trials)
    for indexes in groups.values():
        failed = [i for i in indexes if trials[i].no_response is Truth.TRUE]
        if len(indexes) < 2 or not failed:
            continue
        said = [i for i in failed if trials[i].evidence in own]
        keep = set(said) or {failed[0]}
        for i in failed:
            if i not in keep:
                others = join_texts(", ", (trials[j].name for j in indexes if j != i))
                rated[i] = msgspec.structs.replace(
                    trials[i],
                    no_response=Truth.UNKNOWN,
                    evidence=ResponseEvidence.NONE,
                    outcome=say("same days as {others}, no separate evidence", others=others),
                    missing=(*trials[i].missing, say("response to {trial}", trial=trials[i].name)),
                )
    return rated


def _one_score_for_one(trials: list[Trial]) -> list[Trial]:
    """
    One score without a baseline cannot show that two drugs failed: it counts for the one that began first.

    The others' response is unknown.
    """
    shown_by: dict[str, str] = {}
    rated = []
    for trial in trials:
        scores = [source for source in trial.sources if source.startswith(SCORED)]
        alone = trial.adequate is not Truth.FALSE and trial.no_response is Truth.TRUE
        if alone and trial.evidence is ResponseEvidence.STILL_SYMPTOMATIC and scores:
            other = next((shown_by[source] for source in scores if source in shown_by), "")
            if other:
                trial = msgspec.structs.replace(  # noqa: PLW2901 (the same, rated again)
                    trial,
                    no_response=Truth.UNKNOWN,
                    evidence=ResponseEvidence.NONE,
                    outcome=say(
                        "{outcome}: the same score cannot show that {other} failed, too",
                        outcome=trial.outcome,
                        other=other,
                    ),
                    missing=(*trial.missing, say("response to {trial}", trial=trial.name)),
                )
            else:
                shown_by.update(dict.fromkeys(scores, trial.name))
        rated.append(trial)
    return rated


def _order(trial: Trial) -> tuple[int, str]:
    return (trial.start.earliest.toordinal() if trial.start else 0, trial.ingredient)


def _fact(
    wanted: TrialDefinition,
    trials: list[Trial],
    taken: RecognizedExposures,
    earlier: Sequence[TreatmentEpisode],
    episode: Fact | None,
    sorted_record: SortedRecord,
) -> Fact:
    sent = sorted_record.medications_sent
    said = []
    if episode is not None and episode.because:
        said.append(episode.because)
    if earlier:
        said.append(
            say(
                "before the current episode and not counted: {key}",
                key=join_texts(", ", sorted({spell.key for spell in earlier})),
            )
        )
    said.extend(
        sorted({say("{key} not counted: {reason}", key=key, reason=reason) for key, reason, _ in taken.not_trials})
    )
    names = sorted({found.drug.key for _, found in taken.augmentations})
    if names:
        said.append(say("augmentation, not counted as a trial: {names}", names=join_texts(", ", names)))
    whole = sent.state is DeliveryState.WHOLE
    return Fact(
        name=wanted.name,
        label=wanted.label,
        text=say("{trials} found", trials=len(trials)),
        because=join_texts("; ", [*said, *([] if whole else [sent.because])]),
        why_unknown=None
        if whole
        else WhyUnknown.NOT_SENT
        if sent.state is DeliveryState.NOT_SENT
        else WhyUnknown.UNREADABLE,
        missing=() if whole else (say("medications"),),
        trials=tuple(trials),
    )
