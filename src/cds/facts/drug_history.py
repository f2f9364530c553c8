"""PatientRecord → which drugs were ordered, dispensed or taken, and when; and how many different ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import msgspec
from pydantic import Field

from cds.facts.context import SortedRecord
from cds.facts.data import MEDICATIONS, PROCEDURES, DataQuery
from cds.facts.fact import Fact, FactSource, WhyUnknown
from cds.facts.history.eras import DrugIssue
from cds.facts.kind import HISTORY, NUMBER, CompiledFact, EvaluationContext, FactBase, Numbers
from cds.facts.presence import could_be_anything
from cds.facts.trials.doses import dosings
from cds.locale.sentence import join_texts, say
from cds.record.model import Delivery, DeliveryState, Exposure, ExposureKind, Intervention
from cds.terminology.drugs import DrugTable, Recognised
from cds.yaml_source.fields import DrugName, DrugTableName, Names, Slug, listed


class DrugHistoryFact(FactBase):
    """
    Which drugs were ordered, dispensed or taken, and when: how many different ones, and what other facts look at.

    No dose, length or response is asked for. `roles` and `named` choose among the drugs of the tables; treatments count
    as if each value set were one more drug.
    """

    role: ClassVar[str] = NUMBER
    no_window: ClassVar[str] = "What looks at the history has its own windows: remove it."
    find: Literal["drug_history"]
    drugs: Annotated[list[Slug] | Slug, Field(description="One or more drug tables."), DrugTableName()]
    roles: Annotated[
        list[Literal["antidepressant", "augmentation", "target", "none"]] | None,
        Field(min_length=1, description="Only drugs of these roles of the tables."),
    ] = None
    named: Annotated[
        list[Slug] | None, DrugName("drugs"), Field(min_length=1, description="Only these drugs of the tables.")
    ] = None
    treatments: Names | None = None
    unit: Literal["drugs"]

    def stands_as(self) -> frozenset[str]:
        """A number, and a history of drugs that other facts look at."""
        return frozenset({self.role, HISTORY})

    def compile(self, name: str, numbers: Numbers) -> CompiledDrugHistory:
        """The fact with every number in place."""
        return CompiledDrugHistory(
            **self.common(name, numbers),
            tables=listed(self.drugs),
            roles=frozenset(self.roles) if self.roles else None,
            named=frozenset(self.named) if self.named else None,
            treatments=listed(self.treatments),
        )


@dataclass(frozen=True, slots=True)
class CompiledDrugHistory(CompiledFact):
    """
    Which drugs were ordered, dispensed or taken, and when.

    Attributes:
        tables: Drug tables.
        roles, named: Only drugs of these roles, and of these keys; None for all.
        treatments: Value sets of procedures that count like a drug.
    """

    tables: tuple[str, ...]
    roles: frozenset[str] | None
    named: frozenset[str] | None
    treatments: tuple[str, ...]

    def needs(self) -> tuple[str, ...]:
        """None."""
        return ()

    def data(self) -> tuple[DataQuery, ...]:
        """What is asked of the EHR."""
        return (*MEDICATIONS, *((PROCEDURES,) if self.treatments else ()))

    def entry(self) -> None:
        """None."""

    def answer(self, context: EvaluationContext) -> Fact:
        """As `drug_history`."""
        return drug_history(self, context.sorted_record, context.kept(IssueFinder, IssueFinder))


ISSUED = frozenset({ExposureKind.REQUEST, ExposureKind.DISPENSE})
SUPPLIED_BY = ("MedicationRequest", "MedicationDispense", "MedicationStatement")
UNKNOWN_DRUG = "?"  # before a number or source: each entry that was not read may be another drug


class IssueFinder:
    """
    Every issue of the drugs of some tables in one record, with its role; read once for all histories of these tables.

    Attributes:
        read: How often medications were gone through.
    """

    def __init__(self) -> None:
        self.read = 0
        self._found: dict[tuple[str, ...], tuple[tuple[DrugIssue, str | None], ...]] = {}

    def issues(self, tables: tuple[str, ...], sorted_record: SortedRecord) -> tuple[tuple[DrugIssue, str | None], ...]:
        """Issue and role in the tables, in the order of the record; None as the role of what nobody could read."""
        if tables not in self._found:
            self.read += 1
            self._found[tables] = tuple(_issues(tables, sorted_record))
        return self._found[tables]


def drug_history(wanted: CompiledDrugHistory, sorted_record: SortedRecord, finder: IssueFinder) -> Fact:
    """
    How many different drugs the record shows, with every issue of them.

    The count is a range: from the drugs that were surely given to those that possibly were, each medication nobody
    could read counted as one more. Where medications did not come whole, there may be any number.
    """
    issues = tuple(sorted(_wanted_of(wanted, sorted_record, finder), key=lambda i: (i.first, i.drug, i.source)))
    sure = {issue.drug for issue in issues if issue.sure}
    possible = {issue.drug for issue in issues}
    sent = history_sent(sorted_record)
    whole = sent.state is DeliveryState.WHOLE
    names = join_texts(", ", sorted(drug for drug in possible if not drug.startswith(UNKNOWN_DRUG))) or say(
        "none of these drugs"
    )
    return Fact(
        name=wanted.name,
        label=wanted.label,
        low=float(len(sure)),
        high=float(len(possible)) if whole else float("inf"),
        unit="drugs",
        text=str(len(sure)) if whole and len(sure) == len(possible) else say("at least {sure}", sure=len(sure)),
        because=say("found: {names}", names=names)
        if whole
        else say("found: {names}; {because}", names=names, because=sent.because),
        why_unknown=None if whole and sure == possible else _why(sent),
        missing=() if whole and sure == possible else (wanted.label,),
        found=tuple(FactSource(issue.source, issue.drug) for issue in issues),
        issues=issues,
    )


def _why(sent: Delivery) -> WhyUnknown:
    return {
        DeliveryState.WHOLE: WhyUnknown.POSSIBLE,
        DeliveryState.PART: WhyUnknown.UNREADABLE,
        DeliveryState.NOT_SENT: WhyUnknown.NOT_SENT,
    }[sent.state]


def history_sent(sorted_record: SortedRecord) -> Delivery:
    """
    How much of what was ordered or dispensed arrived.

    Published definitions read one source, orders or fills: either of them is whole by itself. A kind that came in part
    leaves the whole in part.
    """
    record = sorted_record.record
    of_kind = [record.how_sent(kind) for kind in SUPPLIED_BY]
    for kind in (*SUPPLIED_BY, "MedicationAdministration"):
        for sent in record.sent.get(kind, ()):
            if sent.state is DeliveryState.PART or sent.failed:
                return Delivery(DeliveryState.PART, sent.because)
    return next((sent for sent in of_kind if sent.state is DeliveryState.WHOLE), of_kind[0])


def _wanted_of(wanted: CompiledDrugHistory, sorted_record: SortedRecord, finder: IssueFinder) -> Iterator[DrugIssue]:
    for issue, role in finder.issues(wanted.tables, sorted_record):
        if role is None or (
            (wanted.roles is None or role in wanted.roles) and (wanted.named is None or issue.drug in wanted.named)
        ):
            yield issue
    today = sorted_record.today.toordinal()
    for name in wanted.treatments:
        for hit in sorted_record.interventions.get(name, ()):
            if isinstance(hit.entry, Intervention):
                yield from _session(hit.entry, name, today)
    if wanted.treatments:
        for entry, _ in could_be_anything(wanted.treatments, sorted_record, Intervention, sorted_record.interventions):
            for issue in _session(entry, f"{UNKNOWN_DRUG}{entry.source}", today):
                yield msgspec.structs.replace(issue, sure=False)


def _issues(names: tuple[str, ...], sorted_record: SortedRecord) -> Iterator[tuple[DrugIssue, str | None]]:
    tables = [sorted_record.codes.drugs[name] for name in names]
    today = sorted_record.today.toordinal()
    unreadable = 0
    for exposure in sorted_record.record.exposures:
        found = next(filter(None, (table.recognise(exposure.drug) for table in tables)), None)
        if found is None:
            if any(sorted_record.codes.unrecognisable(table, exposure.drug) for table in tables):
                unreadable += 1
                for issue in _issue(exposure, f"{UNKNOWN_DRUG}{unreadable}", "", None, today):
                    yield issue, None
            continue
        for drug, drug_class, role in _ingredients(found, tables):
            for issue in _issue(exposure, drug, drug_class, found, today):
                yield issue, role


def _ingredients(found: Recognised, tables: Iterable[DrugTable]) -> Iterator[tuple[str, str, str]]:
    """The drug it is, and those in the same product that a table knows: key, class, role."""
    yield found.drug.key, found.drug.drug_class, found.drug.role
    for key in found.product.beside if found.product else ():
        drug = next(filter(None, (table.drugs.get(key) for table in tables)), None)
        if drug is not None:
            yield drug.key, drug.drug_class, drug.role


def _issue(exposure: Exposure, drug: str, drug_class: str, found: Recognised | None, today: int) -> Iterator[DrugIssue]:
    start = exposure.start
    first = (start.earliest.toordinal(), min(start.latest.toordinal(), today)) if start else (1, today)
    if first[0] > today:
        return
    mg = None
    if found is not None and drug == found.drug.key:
        doses = {dosing.dose.low for dosing in dosings(exposure, found.product) if dosing.dose.low == dosing.dose.high}
        mg = doses.pop() if len(doses) == 1 else None
    yield DrugIssue(
        drug=drug,
        drug_class=drug_class,
        first=first,
        last=_last(exposure, first, today),
        mg_a_day=mg,
        sure=found is not None and not exposure.doubtful and start is not None,
        issued=exposure.kind in ISSUED,
        source=exposure.source,
        order=exposure.kind is ExposureKind.REQUEST,
        refills=exposure.kind is ExposureKind.REQUEST and exposure.fills > 1,
    )


def _last(exposure: Exposure, first: tuple[int, int], today: int) -> tuple[int, int]:
    """
    The last day that is sure and the last that is possible, by the convention of OMOP CDM 5.4.

    What names its end ends then; else a supply lasts its days, the first of them included; refills that were only
    authorised are possible. What still runs and names no supply runs until today, and what does neither is sure for
    its first day alone. Days to come count as far as the supply reaches, as in OMOP.
    """
    if exposure.end is not None:
        return max(exposure.end.earliest.toordinal(), first[1]), max(exposure.end.latest.toordinal(), first[1])
    if exposure.supply_days:
        days = max(int(exposure.supply_days), 1)
        return first[1] + days - 1, first[1] + days * exposure.fills - 1
    return (today, today) if exposure.open_ended else (first[1], today)


def _session(entry: Intervention, name: str, today: int) -> Iterator[DrugIssue]:
    when = entry.when
    first = (when.earliest.toordinal(), min(when.latest.toordinal(), today)) if when else (1, today)
    if first[0] <= today:
        sure = when is not None and entry.status in {"completed", "in-progress"}
        yield DrugIssue(name, "", first, (first[1], first[1]), None, sure, False, entry.source, procedure=True)
