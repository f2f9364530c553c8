"""Sessions: days on which a treatment was given, surely and possibly."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from math import inf

import pytest

from cds.facts.fact import Fact, WhyUnknown
from cds.facts.sessions import CompiledSessions, sessions
from cds.record.model import Delivery, DeliveryState, ExposureKind, Intervention, Span
from cds.terminology.concepts import Coding, Concept
from tests.facts.builders import ALL_SENT, TODAY, day, record, sort, taken

WANTED = CompiledSessions("sessions", "Sessions", None, ("other-use",), procedures=True, administrations=False)
SHOCK = Concept((Coding("x", "pain", "Shock"),), "Shock")


def done(when: Span | None, source: str, status: str = "completed", concept: Concept = SHOCK) -> Intervention:
    return Intervention(source, concept, when, status)


def counted(*entries: Intervention, wanted: CompiledSessions = WANTED) -> Fact:
    return sessions(wanted, sort(record(interventions=entries)))


def bounds(fact: Fact) -> tuple[float | None, float | None]:
    return fact.low, fact.high


def test_each_day_is_one_session_however_many_entries_it_has() -> None:
    fact = counted(done(day("2026-01-01"), "P/1"), done(day("2026-01-03"), "P/2"), done(day("2026-01-03"), "P/3"))

    assert bounds(fact) == (2, 2)
    assert fact.why_unknown is None


def test_none_recorded_is_none_when_procedures_were_sent_whole() -> None:
    assert bounds(counted()) == (0, 0)


def test_procedures_that_did_not_come_leave_the_number_open() -> None:
    sent = ALL_SENT | {"Procedure": (Delivery(DeliveryState.NOT_SENT, "procedures were not sent"),)}
    fact = sessions(WANTED, sort(record(interventions=(done(day("2026-01-01"), "P/1"),), sent=sent)))

    assert bounds(fact) == (1, inf)
    assert (fact.why_unknown, fact.because) == (WhyUnknown.NOT_SENT, "procedures were not sent")


@pytest.mark.parametrize(
    "entry",
    [
        done(None, "P/1"),
        done(day("2026-01-01"), "P/1", status="on-hold"),
        done(day("2026-01-01"), "P/1", concept=Concept((), "no response")),
    ],
    ids=["no date", "status not known", "words only"],
)
def test_a_doubtful_entry_is_none_or_one(entry: Intervention) -> None:
    named = replace(WANTED, coded=("other-use", "ineffective"))
    fact = counted(entry, wanted=named)

    assert bounds(fact) == (0, 1)
    assert fact.missing == ("Sessions",)


def test_a_course_written_once_is_one_to_all_of_its_days() -> None:
    assert bounds(counted(done(Span(day("2026-01-01").earliest, day("2026-01-20").latest), "P/1"))) == (1, 20)


def test_an_old_one_is_outside_the_window_and_the_edge_is_inside() -> None:
    wanted = replace(WANTED, look_back_days=90)

    assert bounds(counted(done(day((TODAY - timedelta(days=90)).isoformat()), "P/1"), wanted=wanted)) == (1, 1)
    assert bounds(counted(done(day((TODAY - timedelta(days=91)).isoformat()), "P/1"), wanted=wanted)) == (0, 0)


def test_administrations_count_only_where_they_are_asked_for() -> None:
    given = taken("alfadep", "2026-01-01", "2026-01-01", drug=SHOCK, kind=ExposureKind.ADMINISTRATION)
    order = replace(given, kind=ExposureKind.REQUEST, source="MedicationRequest/2")
    patient = sort(record(given, order, interventions=(done(day("2026-01-03"), "P/1"),)))

    assert bounds(sessions(WANTED, patient)) == (1, 1)
    assert bounds(sessions(replace(WANTED, administrations=True), patient)) == (2, 2)
    assert bounds(sessions(replace(WANTED, administrations=True, procedures=False), patient)) == (1, 1)
