"""Tiny literal helpers: exposures, scores and records for tests of facts."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from cds.facts.context import SortedRecord, sort_record
from cds.facts.drug_history import CompiledDrugHistory, IssueFinder, drug_history
from cds.facts.episode import CompiledEpisode, find_episode
from cds.facts.fact import Fact, Trial
from cds.facts.measurement import CompiledNumber, readings
from cds.facts.trials.definition import MeasuredBy, NoResponse
from cds.facts.trials.medication_trials import CompiledTrials
from cds.facts.trials.trials import TrialFinder
from cds.facts.trials.unrecognized import UnrecognizedMedication
from cds.record.model import (
    Delivery,
    DeliveryState,
    Exposure,
    ExposureKind,
    Measurement,
    Patient,
    PatientRecord,
    Sig,
    Span,
)
from cds.terminology.concepts import Coding, Concept
from cds.terminology.drugs import Drug, DrugTable, Product
from cds.terminology.index import TerminologyIndex
from cds.terminology.phrases import WordGroup, words_of
from cds.terminology.systems import ATC, LOINC, RXNORM
from cds.terminology.value_sets import ValueSet

TODAY = date(2026, 6, 1)
WHOLE = (Delivery(DeliveryState.WHOLE),)
KINDS = (
    "Condition", "Observation", "MedicationRequest", "MedicationStatement", "MedicationDispense",
    "MedicationAdministration", "Procedure", "AllergyIntolerance",
)  # fmt: skip
ALL_SENT = dict.fromkeys(KINDS, WHOLE)

MINIMA = {"alfadep": 50.0, "betadep": 150.0, "gammadep": 10.0}
"""Invented drugs: tests of Python assert no clinical number."""


def drug_table() -> DrugTable:
    drugs = {
        key: Drug(
            key,
            "SSRI" if key != "betadep" else "SNRI",
            "antidepressant",
            "any",
            {"minimum": minimum, "strict_minimum": 2 * minimum},
            molecule="alfadep" if key == "gammadep" else key,
        )
        for key, minimum in MINIMA.items()
    }
    drugs["patchdep"] = Drug("patchdep", "MAOI", "antidepressant", "transdermal", {"minimum": 6.0})
    drugs["nodosedep"] = Drug("nodosedep", "", "antidepressant", "any", {})
    drugs["boostin"] = Drug("boostin", "SGA", "augmentation", "never", {"minimum": 2.0})
    products = {
        "p-alfa-25": Product("alfadep", 25.0, "tablet", "tablet", (), True, ""),
        "p-alfa-week": Product("alfadep", 350.0, "capsule", "capsule", (), True, ""),
        "p-alfa-boost": Product("alfadep", 50.0, "capsule", "capsule", ("boostin",), True, ""),
        "p-beta-smoke": Product("betadep", 150.0, "tablet", "tablet", (), False, "smoking cessation"),
        "p-patch": Product("patchdep", 0.25, "hour", "transdermal", (), True, ""),
        "p-patch-tablet": Product("patchdep", 10.0, "tablet", "tablet", (), True, ""),
        "p-alfa-pack": Product("alfadep", None, "pack", "pack", (), True, ""),
    }
    names = {words_of(name): name for name in drugs} | {words_of("Alfabrand"): "alfadep"}
    codes = {(RXNORM, f"in-{key}"): key for key in drugs} | {(ATC, "N06AB99"): "gammadep"}
    return DrugTable(
        "antidepressants", drugs, products, codes, names, frozenset({"investigational", "unknown"}), ((ATC, "N06A"),)
    )


def codes() -> TerminologyIndex:
    def value_set(name: str, exact: dict[tuple[str, str], str], names: dict[str, str] | None = None) -> ValueSet:
        return ValueSet(name, name, exact, {}, {}, [WordGroup(tuple(names or {}))], {})

    return TerminologyIndex(
        {
            "score": value_set("score", {(LOINC, "1-1"): "a score"}),
            "scale": value_set("scale", {(LOINC, "2-2"): "another scale"}),
            "ineffective": value_set(
                "ineffective", {("x", "no-effect"): "no effect"}, {"no response": "", "ineffective": ""}
            ),
            "not-tolerated": value_set("not-tolerated", {("x", "side-effect"): "side effect"}, {"nausea": ""}),
            "depression": value_set("depression", {("x", "mdd"): "depression"}),
            "remission": value_set("remission", {("x", "remission"): "remission"}),
            "other-use": value_set("other-use", {("x", "pain"): "pain"}, {"pain": ""}),
        },
        {"antidepressants": drug_table()},
    )


def wanted(**changes: Any) -> CompiledTrials:
    response = {key: changes.pop(key) for key in list(changes) if key in NoResponse.__dataclass_fields__}
    no_response = replace(
        NoResponse(
            stopped_for=("ineffective",),
            not_tolerated=("not-tolerated",),
            measured_by=(MeasuredBy("score", "score", still_symptomatic=10, remission_below=5),),
            fall=50,
            fall_included=False,
            partial=(25, 50),
            baseline_before_days=28,
            baseline_after_days=7,
            end_before_days=14,
            end_after_days=28,
            switch_before_days=60,
            switch_after_days=28,
            augmentation_days=28,
            accepts_inferred=True,
            accepts_reviewed=True,
        ),
        **response,
    )
    return replace(
        CompiledTrials(
            name="trials",
            label="trials",
            look_back_days=None,
            drugs="antidepressants",
            episode="",
            joins_gaps_days=14,
            dose_column="minimum",
            adequate_days=42,
            implausible_times=10.0,
            no_response=no_response,
            undated_end_days=183,
            unconfirmed_days=None,
            not_for=("other-use",),
            unless_for=("depression",),
        ),
        **changes,
    )


SCORE = CompiledNumber(
    "score", "score", 90, ("score",), (), "{score}", "most_recent", (0.0, 27.0), whole=True, unit_may_be_missing=True,
    same_day="range", key="",
)  # fmt: skip


SCALE = replace(SCORE, name="scale", label="scale", coded=("scale",), plausible=(0.0, 60.0))
TWO_SCALES = (
    MeasuredBy("score", "score", still_symptomatic=10, remission_below=5),
    MeasuredBy("scale", "scale", still_symptomatic=20, remission_below=11),
)


def day(text: str) -> Span:
    exact = date.fromisoformat(text)
    return Span(exact, exact)


def month(year: int, number: int) -> Span:
    first = date(year, number, 1)
    after = date(year + number // 12, number % 12 + 1, 1)
    return Span(first, after - timedelta(days=1))


def daily(mg: float | None, unit: str = "mg", times: float | None = 1.0) -> tuple[Sig, ...]:
    return () if mg is None else (Sig(low=mg, high=mg, unit=unit, times_a_day_low=times, times_a_day_high=times),)


def taken(
    key: str,
    start: str,
    end: str | None,
    mg: float | None = None,
    *,
    stopped_for: str | Concept | None = None,
    source: str | None = None,
    **changes: Any,
) -> Exposure:
    """One order of an invented drug; without an end it is still being taken."""
    coding = Coding(RXNORM, key if key.startswith("p-") else f"in-{key}", key)
    reason = Concept((Coding("x", stopped_for),)) if isinstance(stopped_for, str) else stopped_for
    name = source or f"MedicationRequest/{key}-{start}"
    exposure = Exposure(
        source=name,
        identity=name,
        kind=ExposureKind.REQUEST,
        drug=Concept((coding,)),
        start=day(start),
        end=day(end) if end else None,
        open_ended=end is None,
        sigs=daily(mg),
        stopped_for=reason,
        status="active" if end is None else "stopped",
    )
    return replace(exposure, **changes)


def scored(value: float, when: str, **changes: Any) -> Measurement:
    measurement = Measurement(
        source=f"Observation/{when}", concept=Concept((Coding(LOINC, "1-1"),)), value=value, when=day(when)
    )
    return replace(measurement, **changes)


def on_scale(value: float, when: str) -> Measurement:
    return scored(value, when, source=f"Observation/scale-{when}", concept=Concept((Coding(LOINC, "2-2"),)))


def filled(start: str, days: float | None, key: str = "alfadep") -> Exposure:
    """One dispense of 50 mg a day."""
    return taken(
        key,
        start,
        None,
        50,
        source=f"MedicationDispense/{start}",
        kind=ExposureKind.DISPENSE,
        open_ended=False,
        supply_days=days,
        status="completed",
    )


def record(*entries: Exposure | Measurement, **changes: Any) -> PatientRecord:
    whole = PatientRecord(
        patient=Patient("Patient/1"),
        exposures=tuple(entry for entry in entries if isinstance(entry, Exposure)),
        measurements=tuple(entry for entry in entries if isinstance(entry, Measurement)),
        sent=dict(ALL_SENT),
    )
    return replace(whole, **changes)


def sort(patient: PatientRecord, today: date = TODAY) -> SortedRecord:
    return sort_record(patient, codes(), today)


def look(
    patient: PatientRecord, want: CompiledTrials | None = None, episode: Fact | None = None
) -> tuple[Fact, tuple[UnrecognizedMedication, ...]]:
    sorted_record = sort(patient)
    scores = {"score": readings(SCORE, sorted_record), "scale": readings(SCALE, sorted_record)}
    return TrialFinder(sorted_record, scores).find(want or wanted(), episode)


def trials(
    *entries: Exposure | Measurement, want: CompiledTrials | None = None, since: Span | None = None
) -> tuple[Trial, ...]:
    episode = Fact("episode", "episode", day=since) if since else None
    return look(record(*entries), want, episode)[0].trials


def episode_of(patient: PatientRecord, taking: CompiledDrugHistory | None = None, **changes: Any) -> Fact:
    sorted_record = sort(patient)
    want = replace(
        CompiledEpisode(
            "episode", "episode", None, ("depression",), frozenset({"active"}), ("remission",), "score", 5.0, 56, 1827
        ),
        **changes,
    )
    history = drug_history(taking, sorted_record, IssueFinder()) if taking else None
    return find_episode(want, sorted_record, readings(SCORE, sorted_record), history)
