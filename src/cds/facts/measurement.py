"""Measurements in a window → the most recent, highest or lowest, as a range."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Annotated, ClassVar, Literal

import msgspec
from pydantic import Field, model_validator

from cds.facts.chart_entry import ChartEntry
from cds.facts.context import SortedRecord, in_window
from cds.facts.data import AskedByCode, CodedQuery, DataQuery, asked_by_code, camel_case
from cds.facts.fact import Fact, FactSource, WhyUnknown
from cds.facts.kind import NUMBER, SCORE, CompiledFact, EvaluationContext, FactBase, Numbers
from cds.facts.measurements import ConvertedMeasurement, range_text
from cds.locale.sentence import counted, say
from cds.logic.truth import Truth
from cds.record.model import DeliveryState, Measurement, Span
from cds.record.units import factor
from cds.yaml_source.fields import (
    AddedUp,
    Cites,
    InUnit,
    LowestAndHighest,
    Names,
    NoMutant,
    NumberOrName,
    OwnUnit,
    Slug,
    Strict,
    Text,
    listed,
)


class SummedItems(Strict):
    """The items of an instrument whose answers add up to its total."""

    coded: Annotated[Names, AddedUp(), Field(description="Value sets with one code per item, and with `answers`.")]
    fewest: Annotated[
        NumberOrName,
        InUnit("items"),
        Field(description="With fewer items answered it is another form (a short one), and passed over."),
    ]


class SeverityBand(Strict):
    """What a score means from a value on."""

    from_: Annotated[float, Field(alias="from", strict=False)]
    says: Text


class SeverityBands(Strict):
    """The bands of severity of a scale, ascending, and where they are from."""

    evidence: Annotated[list[Annotated[Slug, Cites()]], Field(min_length=1)]
    bands: Annotated[list[SeverityBand], Field(min_length=2)]


class NumberFact(FactBase):
    """A measured number (Observation, component, questionnaire item)."""

    role: ClassVar[str] = NUMBER
    find: Annotated[Literal["observation", "score"], NoMutant()]
    coded: Names
    unit: Text
    take: Literal["most_recent", "highest", "lowest"] = "most_recent"
    plausible: Annotated[
        list[NumberOrName] | None,
        OwnUnit(),
        LowestAndHighest(),
        Field(min_length=2, max_length=2, description="Lowest and highest value that can be true."),
    ] = None
    whole: Annotated[bool, Field(description="Only whole numbers can be true.")] = False
    relative_to: Annotated[
        Literal["upper_limit", "lower_limit"] | None,
        Field(description="Times this end of the reference range the result was reported with; the unit is 1."),
    ] = None
    same_day: Annotated[
        Literal["range", "mean"], Field(description="What several values of the most recent day are.")
    ] = "range"
    items: Annotated[
        SummedItems | None,
        Field(description="Add up the answers of a QuestionnaireResponse that gives no total (`find: score` only)."),
    ] = None
    asks_for: Annotated[Names | None, NoMutant()] = None
    severity: Annotated[
        SeverityBands | None, NoMutant(), Field(description="Its bands of severity, for drawings; they decide nothing.")
    ] = None
    prefetch: Annotated[
        str | None, NoMutant(), Field(description="Name of the prefetch key, shared by facts of one query.")
    ] = None

    @model_validator(mode="after")
    def _items_of_scores(self) -> NumberFact:
        if self.items is not None and (self.find != "score" or self.plausible is None):
            raise ValueError("`items` goes with `find: score`, and needs `plausible`")
        return self

    @model_validator(mode="after")
    def _ratio_has_no_unit(self) -> NumberFact:
        if self.relative_to is not None and (self.find != "observation" or self.unit != "1"):
            raise ValueError('`relative_to` goes with `find: observation` and `unit: "1"`')
        return self

    def stands_as(self) -> frozenset[str]:
        """A number, and a score that other facts look at over time."""
        return frozenset({self.role, SCORE})

    def asked_by_code(self) -> AskedByCode:
        """What is measured, or what is asked for instead."""
        return asked_by_code(self.coded, self.asks_for, self.prefetch)

    def compile(self, name: str, numbers: Numbers) -> CompiledNumber:
        """The fact with every number in place."""
        low_high = [numbers.number(end) for end in self.plausible] if self.plausible else None
        return CompiledNumber(
            **self.common(name, numbers),
            coded=listed(self.coded),
            asks_for=listed(self.asks_for),
            unit=self.unit,
            take=self.take,
            plausible=(low_high[0], low_high[1]) if low_high else None,
            whole=self.whole,
            unit_may_be_missing=self.find == "score",
            same_day=self.same_day,
            relative_to=self.relative_to or "",
            items=(CompiledItems(listed(self.items.coded), numbers.number(self.items.fewest)) if self.items else None),
            key=self.prefetch or "",
            severity=tuple((band.from_, band.says) for band in self.severity.bands) if self.severity else (),
        )


@dataclass(frozen=True, slots=True)
class CompiledItems:
    """
    The items of an instrument whose answers add up to its total.

    Attributes:
        coded: Value sets with one code per item; the numbers of their answers give the range of an item.
        fewest: With fewer items answered it is another form, and says nothing of this total.
    """

    coded: tuple[str, ...]
    fewest: float


@dataclass(frozen=True, slots=True)
class CompiledNumber(CompiledFact):
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
        severity: Lowest value of each band of severity, and its word.
        absent: The answer where none was ever recorded: of most that rules ask for.
    """

    keeps_more: ClassVar[bool] = True
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
    items: CompiledItems | None = None
    severity: tuple[tuple[float, str], ...] = ()
    absent: Fact = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        days = self.look_back_days
        back = counted(" in the last {number} day", " in the last {number} days", days) if days is not None else ""
        absent = _unknown(self, WhyUnknown.NOT_FOUND, say("none recorded{back}", back=back), [])
        object.__setattr__(self, "absent", absent)

    def needs(self) -> tuple[str, ...]:
        """None."""
        return ()

    def data(self) -> tuple[DataQuery, ...]:
        """What is asked of the EHR."""
        return (
            CodedQuery(
                self.key or camel_case(self.name), self.coded, self.asks_for or self.coded, self.unit_may_be_missing
            ),
        )

    def entry(self) -> ChartEntry | None:
        """One measurement; None for a ratio, which needs a reference range as well."""
        return None if self.relative_to else ChartEntry("Observation", self.coded, self.unit)

    def answer(self, context: EvaluationContext) -> Fact:
        """As `number`; its final readings are kept for facts that look at their course."""
        read = self.course(context.sorted_record)
        perhaps = may_be_readings(self, context.sorted_record)
        context.scores[self.name] = final = [reading for reading in read if reading.final]
        if self.plausible is not None and (perhaps or any(reading.wrong and not reading.empty for reading in final)):
            context.scores_if_read[self.name] = _in_order(
                [*(one.as_anything(*self.plausible) for one in final), *perhaps]
            )
        return number(self, context.sorted_record, read, perhaps)

    def course(self, record: SortedRecord) -> list[ConvertedMeasurement]:
        """As `readings`."""
        return readings(self, record)

    def bands(self) -> tuple[tuple[float, str], ...]:
        """Its bands of severity."""
        return self.severity

    def scale(self) -> tuple[float, float] | None:
        """The lowest and highest value that can be true."""
        return self.plausible


def readings(wanted: CompiledNumber, sorted_record: SortedRecord) -> list[ConvertedMeasurement]:
    """
    Every measurement of the wanted kind up to today, oldest first; unreadable and not final ones among them.

    With `items`, also the sums of questionnaires, unless a total of the same day was given.
    """
    if wanted.items is None and sorted_record.measurements.keys().isdisjoint(wanted.coded):
        return []
    found = []
    seen: set[int] = set()
    for name in wanted.coded:
        for hit in sorted_record.measurements.get(name, ()):
            entry = hit.entry
            assert isinstance(entry, Measurement)  # noqa: S101 (sorted by kind)
            if id(entry) not in seen:
                seen.add(id(entry))
                if entry.when is None or entry.when.earliest <= sorted_record.today:
                    read = _read(entry, wanted, sorted_record)
                    found.append(read if entry.final else msgspec.structs.replace(read, final=False))
    if wanted.items is not None:
        given = {reading.when for reading in found if reading.final}
        found.extend(sum_ for sum_ in _sums(wanted, wanted.items, sorted_record) if sum_.when not in given)
    return _in_order(found)


def _in_order(found: Iterable[ConvertedMeasurement]) -> list[ConvertedMeasurement]:
    return sorted(found, key=lambda r: (r.when.earliest if r.when else date.min, r.source, r.low or 0.0))


def may_be_readings(wanted: CompiledNumber, sorted_record: SortedRecord) -> list[ConvertedMeasurement]:
    """
    What was measured under a code and name nobody here knows, up to today, and would be a reading of this kind.

    That is, in its unit, and as much as can be true.
    """
    unread = sorted_record.unread_measurements
    read = [_read(entry, wanted, sorted_record) for entry in unread] if unread else []
    return [
        one for one in read if one.low is not None and one.when is not None and one.when.earliest <= sorted_record.today
    ]


def _sums(wanted: CompiledNumber, items: CompiledItems, sorted_record: SortedRecord) -> Iterator[ConvertedMeasurement]:
    """
    The total of each QuestionnaireResponse up to today, from the answers to its items.

    Every item answered once gives the total; an item without an answer may have had any, so the total is a range. An
    answer that cannot be read, or two to one item, make the total unreadable.
    """
    sets = [sorted_record.codes.sets[name] for name in items.coded]
    all_items = {key for code_set in sets for key in code_set.codes}
    points = [number for code_set in sets for number in code_set.answers.values()]
    one = replace(wanted, coded=items.coded, plausible=(min(points), max(points)), items=None)
    responses: dict[str, dict[int, Measurement]] = {}
    for name in items.coded:
        for hit in sorted_record.measurements.get(name, ()):
            entry = hit.entry
            if isinstance(entry, Measurement) and entry.source.startswith("QuestionnaireResponse/"):
                responses.setdefault(entry.source, {})[id(entry)] = entry
    for source, answers in responses.items():
        read: dict[tuple[str, str], list[ConvertedMeasurement]] = {}
        for entry in answers.values():
            (key,) = {(c.system, c.code) for c in entry.concept.codings} & all_items
            read.setdefault(key, []).append(_read(entry, one, sorted_record))
        when = next(iter(answers.values())).when
        if len(read) >= items.fewest and (when is None or when.earliest <= sorted_record.today):
            total = _sum(list(read.values()), len(all_items) - len(read), wanted, one, when, source)
            yield msgspec.structs.replace(total, final=all(entry.final for entry in answers.values()))


def _sum(
    items: list[list[ConvertedMeasurement]],
    not_answered: int,
    wanted: CompiledNumber,
    one: CompiledNumber,
    when: Span | None,
    source: str,
) -> ConvertedMeasurement:
    if any(len(answers) > 1 for answers in items):
        return ConvertedMeasurement(when, None, None, source, say("an item is answered more than once"))
    wrong = next((answer.wrong for (answer,) in items if answer.wrong), "")
    if wrong:
        return ConvertedMeasurement(
            when, None, None, source, say("the answer to an item cannot be read: {wrong}", wrong=wrong)
        )
    least, most = one.plausible or (0.0, 0.0)
    low = sum(answer.low for (answer,) in items if answer.low is not None) + not_answered * least
    high = sum(answer.high for (answer,) in items if answer.high is not None) + not_answered * most
    lowest, highest = wanted.plausible or (-math.inf, math.inf)
    if not lowest <= low <= high <= highest:
        ends = {"lowest": f"{lowest:g}", "highest": f"{highest:g}"}
        wrong = say("its items add up to more or less than {lowest} to {highest}", **ends)
        return ConvertedMeasurement(when, None, None, source, wrong)
    return ConvertedMeasurement(when, low, high, source)


def _read(entry: Measurement, wanted: CompiledNumber, sorted_record: SortedRecord) -> ConvertedMeasurement:
    value = entry.value
    if value is None and entry.answer is not None:
        value = sorted_record.codes.answer(entry.answer, wanted.coded)
        if value is None:
            return ConvertedMeasurement(
                entry.when, None, None, entry.source, say("the answer is not one this rule knows")
            )
    if value is None:
        empty = entry.said is None and not entry.words
        return ConvertedMeasurement(
            entry.when, None, None, entry.source, entry.why_no_value or say("it has no value"), empty
        )
    if wanted.relative_to:
        return _ratio(entry, value, wanted)
    if entry.answer is None and entry.unit != wanted.unit:
        bare = wanted.unit_may_be_missing and not entry.unit
        times = 1.0 if bare else factor(entry.unit, wanted.unit)
        if times is None:
            what = (
                say("it has no unit")
                if not entry.unit
                else say("its unit cannot be converted to {unit}", unit=wanted.unit)
            )
            return ConvertedMeasurement(entry.when, None, None, entry.source, what)
        value *= times
    return _within(entry, (value, value), wanted)


def _ratio(entry: Measurement, value: float, wanted: CompiledNumber) -> ConvertedMeasurement:
    """How many times the end of its own reference range; a range of that when there are several such ranges."""
    ratios = []
    for normal in entry.normal:
        end = normal.high if wanted.relative_to == "upper_limit" else normal.low
        times = factor(normal.unit, entry.unit) if normal.unit and normal.unit != entry.unit else 1.0
        if end is not None and end > 0 and times:
            ratios.append(value / (end * times))
    if not ratios:
        return ConvertedMeasurement(
            entry.when, None, None, entry.source, say("it has no reference range to compare with")
        )
    return _within(entry, (min(ratios), max(ratios)), wanted)


def _within(entry: Measurement, value: tuple[float, float], wanted: CompiledNumber) -> ConvertedMeasurement:
    least, most = value
    if wanted.whole and least != int(least):
        return ConvertedMeasurement(entry.when, None, None, entry.source, say("it is not a whole number"))
    lowest, highest = wanted.plausible or (-math.inf, math.inf)
    if not lowest <= least <= most <= highest:
        return ConvertedMeasurement(
            entry.when,
            None,
            None,
            entry.source,
            say("it is outside {lowest} to {highest}", lowest=f"{lowest:g}", highest=f"{highest:g}"),
        )
    match entry.comparator:
        case "<" | "<=":
            return ConvertedMeasurement(entry.when, lowest, most, entry.source)
        case ">" | ">=":
            return ConvertedMeasurement(entry.when, least, highest, entry.source)
    return ConvertedMeasurement(entry.when, least, most, entry.source)


Readings = list[ConvertedMeasurement]
MOST_NAMED = 20  # of the observations that were not read
TAKEN = {"most_recent": say("most recent"), "highest": say("highest"), "lowest": say("lowest")}


def number(
    wanted: CompiledNumber,
    sorted_record: SortedRecord,
    all_readings: Sequence[ConvertedMeasurement],
    may_be: Sequence[ConvertedMeasurement] = (),
) -> Fact:
    """
    The most recent (or highest, lowest) value of the window, in the wanted unit, from its readings.

    When the most recent day holds several values, or days are known too imprecisely to tell which came last, the
    range of them, or their mean if the rule asks for it. Unknown when nothing in the window can be read, when the
    most recent one cannot be read, or when the data did not come.

    The highest is at least the highest that can be read: one beside it that cannot be read, is not final or may not
    be of the window leaves the range open above, as far as a value can be true; the lowest likewise below.

    What `may_be` one of them, under a code and name that was not read, counts with and without it; where none is read
    for certain, it is named.
    """
    today, back = sorted_record.today, wanted.look_back_days
    windowed = [(reading, in_window(reading.when, today, back)) for reading in all_readings]
    inside = [reading for reading, where in windowed if where is Truth.TRUE and reading.final]
    not_final = [reading for reading, where in windowed if where is not Truth.FALSE and not reading.final]
    doubtful = [reading for reading, where in windowed if where is Truth.UNKNOWN and reading.final]
    undated = [reading for reading, where in windowed if where is None and reading.final]
    if wanted.take == "most_recent":
        if inside:
            last_start = max(reading.when.earliest for reading in inside if reading.when)
            inside = [reading for reading in inside + doubtful if reading.when and reading.when.latest >= last_start]
        beside = [reading for reading in inside if reading.low is None]
        sure = [] if beside else inside
    else:
        sure = [reading for reading in inside if reading.low is not None]
        beside = [reading for reading in inside if reading.low is None] + doubtful + undated + not_final
    if not sure:
        none = _none_found(wanted, sorted_record, all_readings, (inside, doubtful, undated, not_final))
        return _with_unread(none, [one for one in may_be if in_window(one.when, today, back) is not Truth.FALSE])
    low, high = _take(wanted, _values(sure))
    many = len(sure) > 1
    because = say("{which} of {number}", which=TAKEN[wanted.take], number=len(sure)) if many else say("recorded")
    if beside and wanted.take != "most_recent":
        low, high = _opened(wanted, (low, high), beside)
        because += say("; beside it {why_not}", why_not=_why_not(beside[0])) if low != high else ""
    (low, high), others = _with_others(wanted, sorted_record, sure, (low, high), may_be)
    because += _not_read(others)
    newest = max(sure, key=lambda reading: reading.when.latest if reading.when else date.min)
    return Fact(
        name=wanted.name,
        label=wanted.label,
        low=low,
        high=high,
        unit=wanted.unit,
        text=range_text(low, high),
        because=because,
        why_unknown=None if low == high else WhyUnknown.IMPRECISE,
        day=newest.when,
        found=tuple(_found(reading) for reading in (*sure, *(beside if low != high else ()), *others)),
        trace=low != high and any(_speaks(reading, wanted) for reading in beside),
    )


def _with_others(
    wanted: CompiledNumber,
    sorted_record: SortedRecord,
    sure: Readings,
    known: tuple[float, float],
    may_be: Sequence[ConvertedMeasurement],
) -> tuple[tuple[float, float], Readings]:
    """The range with and without what may be one of the readings, and those of them that make a difference."""
    days = [reading.when.earliest for reading in sure if reading.when]
    first = max(days) if wanted.take == "most_recent" and days else date.min
    low, high = known
    others = []
    for one in may_be:
        if one.when is None or one.low is None or one.high is None or one.when.latest < first:
            continue
        if in_window(one.when, sorted_record.today, wanted.look_back_days) is Truth.FALSE:
            continue
        least = low if wanted.take == "highest" else min(low, one.low)
        most = high if wanted.take == "lowest" else max(high, one.high)
        if (least, most) != (low, high):
            low, high = least, most
            others.append(one)
    return (low, high), others


def _values(readings_: Sequence[ConvertedMeasurement]) -> list[tuple[float, float]]:
    return [(one.low, one.high) for one in readings_ if one.low is not None and one.high is not None]


def _opened(
    wanted: CompiledNumber, known: tuple[float, float], beside: Sequence[ConvertedMeasurement]
) -> tuple[float, float]:
    """The range of the highest or lowest when some that may belong to the window are not known."""
    lowest, highest = wanted.plausible or (-math.inf, math.inf)
    values = [*_values(beside), *((lowest, highest) for one in beside if one.low is None and not one.empty)]
    if wanted.take == "highest":
        return known[0], max(known[1], *(high for _, high in values), -math.inf)
    return min(known[0], *(low for low, _ in values), math.inf), known[1]


def _why_not(reading: ConvertedMeasurement) -> str:
    if reading.low is None:
        return say("one cannot be read: {wrong}", wrong=reading.wrong)
    if not reading.final:
        return say("one is not final")
    return (
        say("one is recorded without a date") if reading.when is None else say("the date of one is not precise enough")
    )


def _speaks(reading: ConvertedMeasurement, wanted: CompiledNumber) -> bool:
    """Whether something was said, and something else than the lowest value that can be true."""
    if reading.high is None:
        return not reading.empty
    return wanted.plausible is None or reading.high > wanted.plausible[0]


def _take(wanted: CompiledNumber, values: list[tuple[float, float]]) -> tuple[float, float]:
    match wanted.take:
        case "highest":
            return max(low for low, _ in values), max(high for _, high in values)
        case "lowest":
            return min(low for low, _ in values), min(high for _, high in values)
    if wanted.same_day == "mean":
        count = len(values)
        return sum(low for low, _ in values) / count, sum(high for _, high in values) / count
    return min(low for low, _ in values), max(high for _, high in values)


def _none_found(
    wanted: CompiledNumber,
    sorted_record: SortedRecord,
    all_readings: Sequence[ConvertedMeasurement],
    unsure: tuple[Readings, Readings, Readings, Readings],
) -> Fact:
    """Unknown, and why: `unsure` are those of the window that cannot be read, of doubtful date, undated, not final."""
    unreadable, doubtful, undated, not_final = unsure
    if unreadable:
        seen = [reading for reading in unreadable if reading.low is None]
        last = say("most recent") if wanted.take == "most_recent" else say("only")
        because = say("the {last} one cannot be read: {wrong}", last=last, wrong=seen[0].wrong)
        return _unknown(wanted, WhyUnknown.UNREADABLE, because, seen + not_final)
    for seen, why, because in (
        (doubtful, WhyUnknown.IMPRECISE, say("its date is not precise enough")),
        (undated, WhyUnknown.UNDATED, say("recorded without a date")),
        (not_final, WhyUnknown.POSSIBLE, say("not final")),
    ):
        if seen:
            return _unknown(wanted, why, because, doubtful + undated + not_final)
    sent = sorted_record.how_sent("Observation", wanted.asks_for or wanted.coded)
    if sent.state is not DeliveryState.WHOLE:
        state = WhyUnknown.NOT_SENT if sent.state is DeliveryState.NOT_SENT else WhyUnknown.UNREADABLE
        return _unknown(wanted, state, sent.because, [])
    final = [reading for reading in all_readings if reading.final]
    if final:
        newest = final[-1]
        day = newest.when.text if newest.when else ""
        because = counted(
            "the last one is of {day}, older than {number} day", "the last one is of {day}, older than {number} days",
            wanted.look_back_days or 0, day=day,
        )  # fmt: skip
        return msgspec.structs.replace(_unknown(wanted, WhyUnknown.TOO_OLD, because, [newest]), trace=False)
    return wanted.absent


def _with_unread(none: Fact, others: Readings) -> Fact:
    """What is said where no reading is certain, with the newest of what was not read and may be one."""
    if not others:
        return none
    why = WhyUnknown.UNREADABLE if none.why_unknown is WhyUnknown.NOT_FOUND else none.why_unknown
    found = (*none.found, *(_found(reading) for reading in others[-MOST_NAMED:]))
    return msgspec.structs.replace(none, because=none.because + _not_read(others), why_unknown=why, found=found)


def _not_read(others: Sequence[ConvertedMeasurement]) -> str:
    if not others:
        return ""
    return counted("; {number} observation not read, may be it", "; {number} observations not read, may be it",
                   len(others))  # fmt: skip


def _unknown(wanted: CompiledNumber, why: WhyUnknown, because: str, seen: Readings) -> Fact:
    return Fact(
        name=wanted.name,
        label=wanted.label,
        unit=wanted.unit,
        because=because,
        why_unknown=why,
        missing=(wanted.label,),
        found=tuple(_found(reading) for reading in seen),
        trace=any(_speaks(reading, wanted) for reading in seen),
    )


def _found(reading: ConvertedMeasurement) -> FactSource:
    words = reading.wrong if reading.low is None else range_text(reading.low, reading.high)
    return FactSource(reading.source, words, reading.when.text if reading.when else "")
