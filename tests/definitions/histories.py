"""
Made-up prescription histories, for comparing definitions of resistance with other people's programs.

Only marginals come from published figures, never the share of people who are resistant:

- first switch within 90 days: 13.2 % of people (Lo 2025, medRxiv 2024.11.09.24316987);
- eras with a fill at the minimum dose: 59.6 % to 66.0 %, here 63 % (Fife 2018, PCC 18m02274);
- days of supply (28, 30, 56, 84, 90), the number of drugs and how long a drug is kept: assumptions, no source.

Every third person carries one trap on purpose: see TRAPS.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta

from tests.definitions.vocabulary import DRUGS

TODAY = date(2026, 6, 1)
SEED = 1009
FIRST_SWITCH_BY_90_DAYS = 0.132
ERAS_AT_DOSE = 0.63
LATER_FIRST_SWITCH = 0.16  # assumption: a first switch after 90 days
ANOTHER_SWITCH = 0.45  # assumption: the chance of one more drug after each switch
AUGMENTED = 0.08  # assumption
SUBSTANCE = 0.06  # assumption

# Milligrams a day: below and at the minimum of our table.
DOSES = {
    "amitriptyline": (25, 150), "bupropion": (150, 300), "citalopram": (10, 20), "clomipramine": (50, 150),
    "duloxetine": (30, 60), "escitalopram": (5, 10), "fluoxetine": (10, 20), "mirtazapine": (7.5, 30),
    "paroxetine": (10, 20), "sertraline": (25, 100), "trazodone": (50, 300), "venlafaxine": (75, 150),
    "opipramol": (50, 100), "tryptophan": (500, 1000), "viloxazine": (100, 200),
    "aripiprazole": (5, 10), "clozapine": (50, 100), "paliperidone": (3, 6), "quetiapine": (150, 300),
    "esketamine": (56, 84), "lithium": (600, 900),
}  # fmt: skip
FIRST_LINE = ("sertraline", "citalopram", "fluoxetine", "escitalopram", "paroxetine", "mirtazapine", "amitriptyline")
ANTIDEPRESSANTS = tuple(name for name in DRUGS if name in DOSES)[:15]
AUGMENTATION = ("aripiprazole", "clozapine", "lithium", "paliperidone", "quetiapine")


@dataclass(frozen=True, order=True)
class Issue:
    """One fill: the drug, its first day, the days it lasts and the milligrams of each day."""

    day: date
    drug: str
    supply: int
    mg: float


@dataclass
class History:
    """One made-up person: fills and diagnoses, each with its day, and the trap that was set, if any."""

    person: int
    born: date
    issues: list[Issue] = field(default_factory=list)
    diagnoses: list[tuple[date, str]] = field(default_factory=list)
    trap: str = ""

    def fill(self, drug: str, day: date, supply: int, *, at_dose: bool = True) -> None:
        """One more fill."""
        self.issues.append(Issue(day, drug, supply, DOSES[drug][at_dose]))

    def course(self, chance: random.Random, drug: str, first: date, days: int, *, supply: int, at_dose: bool) -> date:
        """Fills over so many days, none early or a little late; the day of the last of them."""
        day = first
        while True:
            self.fill(drug, day, supply, at_dose=at_dose)
            following = day + timedelta(supply + chance.choice((-3, -1, 0, 0, 0, 1, 2, 5, 12, 30, 31, 32)))
            if (following - first).days >= days or following >= TODAY:
                return day
            day = following


def histories(people: int, seed: int = SEED) -> list[History]:
    """So many people; the same for the same seed, and the first of more people are the same too."""
    chances = (random.Random(f"{seed}:{number}") for number in range(1, people + 1))  # noqa: S311 (made-up people)
    return [_person(number, chance) for number, chance in enumerate(chances, start=1)]


def _person(number: int, chance: random.Random) -> History:
    person = History(number, date(1935, 1, 1) + timedelta(chance.randrange(365 * 72)))
    start = date(2014, 1, 1) + timedelta(chance.randrange(365 * 9))
    _diagnose(person, start, chance)
    _treat(person, start, chance)
    if number % 3 == 0:
        traps = list(TRAPS)
        person.trap = traps[(number // 3) % len(traps)]
        TRAPS[person.trap](person, start, chance)
    person.issues = sorted(issue for issue in set(person.issues) if issue.day < TODAY)
    person.diagnoses = sorted(dated for dated in set(person.diagnoses) if dated[0] < TODAY)
    return person


def _diagnose(person: History, start: date, chance: random.Random) -> None:
    if chance.random() < 0.95:
        person.diagnoses.append((start - timedelta(chance.randrange(30)), "depression"))
    for _ in range(chance.choice((0, 1, 1, 2, 4))):
        person.diagnoses.append((start + timedelta(chance.randrange(1200)), "depression"))
    if chance.random() < SUBSTANCE:
        person.diagnoses.append((start + timedelta(chance.randrange(-800, 1500)), "alcohol abuse"))
    if chance.random() < 0.08:
        other = chance.choice(("bipolar", "mania", "dementia", "schizophrenia", "depressive psychosis",
                               "drug-induced psychosis", "atypical depression", "alcoholic dementia",
                               "depressive personality"))  # fmt: skip
        person.diagnoses.append((start + timedelta(chance.randrange(-1500, 2500)), other))


def _treat(person: History, start: date, chance: random.Random) -> None:
    drug, first = chance.choice(FIRST_LINE), start
    supply = chance.choice((28, 30, 30, 56, 84, 90))
    draw = chance.random()
    if draw < FIRST_SWITCH_BY_90_DAYS:
        days, switches = chance.randrange(14, 86), True
    elif draw < FIRST_SWITCH_BY_90_DAYS + LATER_FIRST_SWITCH:
        days, switches = chance.randrange(95, 500), True
    else:
        days, switches = int(chance.lognormvariate(5.2, 0.9)), False
    tried: list[str] = []
    while True:
        tried.append(drug)
        last = person.course(
            chance, drug, first, days, supply=min(supply, max(7, days)), at_dose=chance.random() < ERAS_AT_DOSE
        )
        if chance.random() < AUGMENTED:
            person.course(chance, chance.choice(AUGMENTATION), first + timedelta(chance.randrange(20, 90)),
                          chance.randrange(10, 300), supply=30, at_dose=True)  # fmt: skip
        if not switches:
            break
        if len(tried) == 1:
            first = start + timedelta(days)
        else:
            first = last + timedelta(chance.choice((0, 7, 14, 28, 30, 42, 56, 98, 99, 120, 200)))
        drug = chance.choice([name for name in ANTIDEPRESSANTS if name != drug])
        days, switches = int(chance.lognormvariate(4.6, 0.9)) + 1, chance.random() < ANOTHER_SWITCH
    if len(tried) > 1 and chance.random() < 0.04:
        person.fill("esketamine", last + timedelta(chance.randrange(0, 500)), chance.choice((1, 7, 14)))
    if chance.random() < 0.12:  # a second episode of the first drug
        person.course(chance, tried[0], last + timedelta(chance.choice((150, 181, 182, 183, 400))),
                      chance.randrange(30, 200), supply=28, at_dose=True)  # fmt: skip


# ---------------------------------------------------------------- traps


def _overlap(person: History, start: date, chance: random.Random) -> None:
    for offset in (0, 20, 40, 75, 100):
        person.fill("sertraline", start + timedelta(offset), 30)
        person.fill("venlafaxine", start + timedelta(offset + chance.choice((0, 5, 10))), 28)


def _one_issue(person: History, start: date, chance: random.Random) -> None:
    person.issues.clear()
    day = start
    for drug in ("sertraline", "venlafaxine", "mirtazapine", "fluoxetine"):
        person.fill(drug, day, 28)
        day += timedelta(chance.choice((41, 42, 43, 97, 98, 99)))


def _return_to_first(person: History, start: date, chance: random.Random) -> None:
    person.issues.clear()
    day = start
    for drug in ("citalopram", "venlafaxine", "citalopram", "mirtazapine", "citalopram"):
        day = person.course(chance, drug, day, chance.randrange(60, 240), supply=28, at_dose=True)
        day += timedelta(chance.choice((28, 56, 190)))


def _gaps_of_14_and_26_weeks(person: History, start: date, chance: random.Random) -> None:
    person.issues.clear()
    day = start
    for drug in ("fluoxetine", "sertraline", "duloxetine"):
        for gap in (chance.choice((21, 42)), chance.choice((21, 42)), chance.choice((181, 182, 183))):
            person.fill(drug, day, 28)
            day += timedelta(gap)
        person.fill(drug, day, 28)
        day += timedelta(chance.choice((97, 98, 99)))


def _gaps_of_30_and_31_days(person: History, start: date, chance: random.Random) -> None:
    person.issues.clear()
    for index, drug in enumerate(("sertraline", "bupropion", "paroxetine")):
        day = start + timedelta(index * 380)
        for _ in range(3):
            person.fill(drug, day, 10)
            day += timedelta(10 - 1 + chance.choice((30, 31)))


def _day_minus_365(person: History, start: date, chance: random.Random) -> None:
    person.issues.clear()
    person.diagnoses = [(start + timedelta(chance.choice((364, 365, 366, 0))), "depression")]
    person.fill("sertraline", start, 1)
    person.fill("venlafaxine", start + timedelta(chance.choice((0, 1))), 1)
    person.fill(chance.choice(("mirtazapine", "quetiapine", "esketamine")),
                start + timedelta(chance.choice((364, 365, 366, 367))), 30)  # fmt: skip


def _two_on_one_day(person: History, start: date, chance: random.Random) -> None:
    person.issues.clear()
    for offset in (0, 28, 56):
        person.fill("sertraline", start + timedelta(offset), 28)
    same = start + timedelta(84)
    person.fill("venlafaxine", same, 28)
    person.fill(chance.choice(("sertraline", "mirtazapine")), same, 28)
    for offset in (112, 140, 168):
        person.fill("venlafaxine", start + timedelta(offset), 28)
    person.fill(chance.choice(("duloxetine", "mirtazapine")), start + timedelta(210), 28)


def _antipsychotic_on_the_first_day(person: History, start: date, chance: random.Random) -> None:
    day = min((issue.day for issue in person.issues), default=start)
    person.fill(chance.choice(("aripiprazole", "clozapine", "paliperidone")),
                day + timedelta(chance.choice((-1, 0, 1))), 30)  # fmt: skip


def _excluded_on_the_day(person: History, start: date, chance: random.Random) -> None:
    person.issues.clear()
    person.diagnoses = [(start, "depression"), (start + timedelta(200), "depression")]
    for index, drug in enumerate(("sertraline", "venlafaxine", "mirtazapine")):
        person.fill(drug, start + timedelta(index * 60), 60)
    other = chance.choice(("mania", "dementia", "schizophrenia", "drug-induced psychosis", "alcohol abuse"))
    person.diagnoses.append((start + timedelta(chance.choice((119, 120, 121))), other))


def _only_supplements_between(person: History, start: date, chance: random.Random) -> None:
    person.issues.clear()
    day = start
    for drug in ("sertraline", "tryptophan", "venlafaxine", "viloxazine"):
        day = person.course(chance, drug, day, chance.randrange(60, 120), supply=28, at_dose=True) + timedelta(28)


TRAPS: dict[str, Callable[[History, date, random.Random], None]] = {
    "overlaps": _overlap,
    "one issue only": _one_issue,
    "return to the first drug": _return_to_first,
    "gaps of 14 and 26 weeks": _gaps_of_14_and_26_weeks,
    "gaps of 30 and 31 days": _gaps_of_30_and_31_days,
    "day -365": _day_minus_365,
    "two drugs on one day": _two_on_one_day,
    "antipsychotic on the first day": _antipsychotic_on_the_first_day,
    "excluded on the day": _excluded_on_the_day,
    "supplements": _only_supplements_between,
}
