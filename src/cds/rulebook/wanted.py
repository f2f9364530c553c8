"""What to look for in a record: the facts of a rulebook with every parameter, window and value set in place."""

from __future__ import annotations

from dataclasses import dataclass

from cds.logic.truth import Truth


@dataclass(frozen=True, slots=True)
class Wanted:
    """
    One fact to look for.

    Attributes:
        name: As in the rule file.
        label: What a clinician reads.
        look_back_days: Older entries are too old to answer; None for no window.
    """

    name: str
    label: str
    look_back_days: int | None


@dataclass(frozen=True, slots=True)
class WantedAge(Wanted):
    """Age in completed years on the day of the answer."""


@dataclass(frozen=True, slots=True)
class WantedSex(Wanted):
    """Whether the administrative gender is one of those listed."""

    is_one_of: frozenset[str]


@dataclass(frozen=True, slots=True)
class WantedSetting(Wanted):
    """
    What a site or a definition chose; known before any patient.

    Attributes:
        parameter: Name of the parameter.
        value: Its value in force.
        truth: Whether that is one of those asked for.
    """

    parameter: str
    value: str
    truth: Truth


@dataclass(frozen=True, slots=True)
class WantedDeceased(Wanted):
    """Whether the record says that the patient has died."""


@dataclass(frozen=True, slots=True)
class WantedTrace(Wanted):
    """
    Whether some entry may be one of several facts that are not known for certain.

    Attributes:
        of: Names of the facts.
    """

    of: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WantedPresence(Wanted):
    """
    Whether something is recorded.

    Attributes:
        coded: Value sets that make it present.
        possibly_coded: Value sets that make it "possible, not confirmed".
        if_none_found: FALSE or UNKNOWN when the data were sent whole and hold no match.
        because: The author's reason for that.
    """

    coded: tuple[str, ...]
    possibly_coded: tuple[str, ...]
    if_none_found: Truth
    because: str


@dataclass(frozen=True, slots=True)
class WantedDiagnosis(WantedPresence):
    """
    A Condition.

    Attributes:
        statuses: clinicalStatus codes that count; None for any. A Condition without one counts as active.
        undated: What a match without a date is when there is a window: counts (TRUE) or UNKNOWN.
    """

    statuses: frozenset[str] | None
    undated: Truth


@dataclass(frozen=True, slots=True)
class WantedMedication(WantedPresence):
    """A medication by ingredient: taken now (`current`) or at any time in the window."""

    current: bool


@dataclass(frozen=True, slots=True)
class WantedProcedure(WantedPresence):
    """A Procedure that was done or is under way."""


@dataclass(frozen=True, slots=True)
class WantedAllergy(WantedPresence):
    """
    An AllergyIntolerance; a resolved one, or an `intolerance`, is possible rather than present.

    Attributes:
        unless_only: Value sets of effects; an intolerance of which nothing else is recorded does not count.
        only: Value sets of effects; nothing but such an intolerance counts. Empty for no such limit.
    """

    unless_only: tuple[str, ...] = ()
    only: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WantedReferral(WantedPresence):
    """A ServiceRequest with one of these statuses."""

    statuses: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class WantedDraftOrder(Wanted):
    """
    An order being written right now.

    Attributes:
        coded: Value sets that make it the wanted one.
        drugs: Drug table of whose antidepressants it is one, "" for none.
        different_from: Name of a trials fact: a drug that is among them is not new; "" for none.
        if_none_found: FALSE or UNKNOWN when the orders were sent and none is the wanted one.
        because: The author's reason for that.
    """

    coded: tuple[str, ...]
    drugs: str
    different_from: str
    if_none_found: Truth
    because: str


@dataclass(frozen=True, slots=True)
class WantedPlaceOfOrder(Wanted):
    """
    Which drug of the episode an order would be.

    Attributes:
        order: Name of the draft order fact.
        after: Name of the trials fact.
    """

    order: str
    after: str


@dataclass(frozen=True, slots=True)
class WantedTreatment(Wanted):
    """
    A treatment that has other uses, given or ordered in the window.

    Attributes:
        coded: Value sets of the drug and its sessions.
        always: Value sets of what has no other use.
        given_for: Value sets of reasons (reasonCode) for which it is the treatment; any other coded reason is not.
        own_places, other_places: Value sets of encounters in which it is the treatment, or another use.
        repeated: Sessions on so many days are the treatment, wherever they were; None for no such number.
        because: The author's reason for "not recorded".
    """

    coded: tuple[str, ...]
    always: tuple[str, ...]
    given_for: tuple[str, ...]
    own_places: tuple[str, ...]
    other_places: tuple[str, ...]
    repeated: int | None
    because: str


@dataclass(frozen=True, slots=True)
class WantedCourse(Wanted):
    """
    Whether the latest course of a treatment that is over brought no response.

    Attributes:
        treatment: Name of the treatment fact.
        ended_before_days: A course is over when its last day is longer ago; courses so far apart are two.
        sessions, lasts_days: So many sessions, or so long, make a course.
        stopped_for: Value sets of stop reasons that say it was ineffective.
        score: Name of the number fact that shows response.
        falls_less_than: Percent; a smaller fall is no response.
        baseline_before_days: Window of the first score before the first day.
        end_before_days, end_after_days: Window of the last score around the last day.
    """

    treatment: str
    ended_before_days: int
    sessions: int
    lasts_days: int
    stopped_for: tuple[str, ...]
    score: str
    falls_less_than: float
    baseline_before_days: int
    end_before_days: int
    end_after_days: int


@dataclass(frozen=True, slots=True)
class WantedSymptoms(Wanted):
    """Whether any instrument says that there are symptoms now; `measured_by`: its score, and from where on it does."""

    measured_by: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class WantedRise(Wanted):
    """
    By how much a score rose since the day of the latest of some facts.

    Attributes:
        score: Name of the number fact.
        since: Names of facts that have a day.
        unit: The score's unit.
    """

    score: str
    since: tuple[str, ...]
    unit: str


@dataclass(frozen=True, slots=True)
class WantedOverride(Wanted):
    """
    An answer to an earlier card.

    Attributes:
        topic: Code of the card's topic.
        reasons: Codes of override reasons.
    """

    topic: str
    reasons: frozenset[str]


@dataclass(frozen=True, slots=True)
class WantedAnswer(WantedPresence):
    """
    An Observation or questionnaire item whose value is coded: present when the answer is in `answered`.

    Attributes:
        answered: Value sets of answers that make it present, as the plain answer true does.
        answered_no: Value sets of answers that make it absent, as the plain answer false does; any other answer is
            unknown.
        asks_for: Value sets to query for instead, "" for the coded ones.
        key: Prefetch key, "" for one made of the name.
    """

    answered: tuple[str, ...]
    answered_no: tuple[str, ...]
    asks_for: tuple[str, ...]
    key: str


@dataclass(frozen=True, slots=True)
class SummedItems:
    """
    The items of an instrument whose answers add up to its total.

    Attributes:
        coded: Value sets with one code per item; the numbers of their answers give the range of an item.
        fewest: With fewer items answered it is another form, and says nothing of this total.
    """

    coded: tuple[str, ...]
    fewest: float


@dataclass(frozen=True, slots=True)
class WantedNumber(Wanted):
    """
    A measured number.

    Attributes:
        coded: Value sets of what is measured.
        asks_for: Value sets to query for instead, when the value is a component (blood pressure panel).
        unit: UCUM unit it is wanted in.
        take: most_recent, highest or lowest of the window.
        plausible: Lowest and highest value that can be true; beyond is unreadable, not extreme.
        whole: Only whole numbers can be true.
        unit_may_be_missing: A bare number (integer, no unit) is in the wanted unit; true of scores.
        same_day: What several values of the most recent day are: their range, or their mean.
        key: Prefetch key, "" for one made of the name.
        relative_to: upper_limit or lower_limit: the number is a ratio to that end of the result's own reference range;
            "" for the number itself.
        items: What adds up to it where a questionnaire gives no total; None if nothing does.
    """

    coded: tuple[str, ...]
    asks_for: tuple[str, ...]
    unit: str
    take: str
    plausible: tuple[float, float] | None
    whole: bool
    unit_may_be_missing: bool
    same_day: str
    key: str
    relative_to: str = ""
    items: SummedItems | None = None


@dataclass(frozen=True, slots=True)
class WantedEpisode(Wanted):
    """
    When the current episode began.

    Attributes:
        of: Value sets of the illness; its active entry's onset is the start.
        statuses: clinicalStatus codes of the current episode.
        remission_coded: Value sets that record a remission.
        remission_score: Name of the number fact of a score, "" for none.
        remission_below: A score below this is remission.
        remission_apart_days: Two such scores at least this far apart end an episode.
        otherwise_days: How far back to look when no start is recorded.
    """

    of: tuple[str, ...]
    statuses: frozenset[str]
    remission_coded: tuple[str, ...]
    remission_score: str
    remission_below: float
    remission_apart_days: int
    otherwise_days: int


@dataclass(frozen=True, slots=True)
class WantedEpisodeLength(Wanted):
    """How many days the current episode has lasted; `episode` is the name of the episode fact."""

    episode: str


@dataclass(frozen=True, slots=True)
class WantedSessions(Wanted):
    """
    On how many days a treatment was given.

    Attributes:
        coded: Value sets of the treatment.
        procedures, administrations: Which resources show it.
    """

    coded: tuple[str, ...]
    procedures: bool
    administrations: bool


@dataclass(frozen=True, slots=True)
class WantedAugmentation(Wanted):
    """
    Whether a drug that augments was taken together with a trial.

    Attributes:
        drugs: Name of the drug table.
        trials: Name of the trials fact.
        days: For at least so many days of one trial.
    """

    drugs: str
    trials: str
    days: int


@dataclass(frozen=True, slots=True)
class ByBand:
    """Points by where a number fact lies: ascending (from, points); below the first nothing can be scored."""

    fact: str
    bands: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class ForEach:
    """Points for each of what a number fact counts; `perhaps`: for none to all of them."""

    fact: str
    points: float
    perhaps: bool


@dataclass(frozen=True, slots=True)
class Whether:
    """Points when a statement is true."""

    fact: str
    points: float


@dataclass(frozen=True, slots=True)
class Highest:
    """The highest of several items."""

    of: tuple[Item, ...]


Item = ByBand | ForEach | Whether | Highest


@dataclass(frozen=True, slots=True)
class WantedPoints(Wanted):
    """
    The total of an instrument that adds points up.

    Attributes:
        items: What is added.
        categories: Ascending (from, name): what a total is called.
    """

    items: tuple[Item, ...]
    categories: tuple[tuple[float, str], ...]


@dataclass(frozen=True, slots=True)
class MeasuredBy:
    """
    A score that can show response.

    Attributes:
        score: Name of the number fact.
        label: What a clinician calls it.
        still_symptomatic: At or above this, without a baseline, the trial has not worked.
        remission_below: Below this, it has.
    """

    score: str
    label: str
    still_symptomatic: float
    remission_below: float


@dataclass(frozen=True, slots=True)
class NoResponse:
    """
    What counts as evidence that a trial brought no adequate response.

    Attributes:
        stopped_for: Value sets of stop reasons that say so.
        not_tolerated: Value sets of stop reasons that say it was not tolerated.
        measured_by: Scores, in order of preference.
        falls_less_than: Percent; a smaller fall from the baseline is no response.
        partial: Percent; a fall from the first and below the second is a partial response; None where nothing asks.
        baseline_before_days, baseline_after_days: Window of the baseline around the trial's start.
        end_before_days, end_after_days: Window of the last score around the trial's end.
        switch_before_days, switch_after_days: Window around the trial's end in which starting another drug, or an
            augmentation, lets us infer it.
        augmentation_days: An augmentation must last so long to show anything.
        accepts_inferred: Whether such an inference counts.
    """

    stopped_for: tuple[str, ...]
    not_tolerated: tuple[str, ...]
    measured_by: tuple[MeasuredBy, ...]
    falls_less_than: float
    partial: tuple[float, float] | None
    baseline_before_days: int
    baseline_after_days: int
    end_before_days: int
    end_after_days: int
    switch_before_days: int
    switch_after_days: int
    augmentation_days: int
    accepts_inferred: bool


@dataclass(frozen=True, slots=True)
class Adherence:
    """
    When fills cover too few of the days of a trial.

    Attributes:
        at_least: Percent of days that fills must cover.
        when_poor: flags (a note), vetoes (the trial is not adequate), ignored.
    """

    at_least: float
    when_poor: str


@dataclass(frozen=True, slots=True)
class WantedTrials(Wanted):
    """
    Medication trials of the drugs of a table.

    Attributes:
        drugs: Name of the drug table.
        episode: Name of the episode fact whose start bounds the trials, "" for none.
        joins_gaps_days: Gaps up to this many days are part of one trial.
        dose_column: Column of the table a dose must reach.
        adequate_days: Days at dose that make a trial adequate.
        implausible_times: More than so many times the dose to reach is not a dose, but a mistake; None for no bound.
        no_response: What counts as evidence of no response.
        undated_end_days: A stopped order that names no end surely lasted until another drug of the table was started,
            if that was within so many days; 0 for never.
        not_for: Value sets of reasons for which a prescription is no such trial, unless one is in `unless_for` too.
        unless_for: Value sets of reasons for which it is one, whatever else it was given for.
        adherence: What follows from fills that cover too little; None when nobody asks.
    """

    drugs: str
    episode: str
    joins_gaps_days: int
    dose_column: str
    adequate_days: int
    implausible_times: float | None
    no_response: NoResponse
    undated_end_days: int
    not_for: tuple[str, ...]
    unless_for: tuple[str, ...]
    adherence: Adherence | None = None


@dataclass(frozen=True, slots=True)
class WantedCount(Wanted):
    """
    How many trials are …, as a range.

    Attributes:
        trials: Name of the trials fact.
        that_are: Trial properties that must all hold (names of cds.facts.trials.count.PROPERTIES).
        different: "ingredient" or "drug_class": count each only once; "" counts trials.
        classes: Only drugs of these classes; None for all.
        merge_same_molecule: Ingredients of one molecule are one.
    """

    trials: str
    that_are: tuple[str, ...]
    different: str
    classes: frozenset[str] | None = None
    merge_same_molecule: bool = False
