"""
The reference workload: requests of one CDS Hooks `patient-view`, and the codes they hold.

Shaped like screening for resistant depression. Drug and contraindication codes and doses are invented for the
benchmark: this is not clinical content. The same arguments give the same bytes.

What is asked: an active diagnosis of depression, whose onset starts the episode; drugs taken in the episode at their
minimum dose for 42 days or more; the last PHQ-9 of 90 days; contraindications among the active conditions. One card.
"""

from __future__ import annotations

import json
import random
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

TODAY = date(2026, 6, 1)
AS_OF = datetime(2026, 6, 1, tzinfo=UTC)
OUTCOMES = ("trd", "trd-contra", "not-trd", "no-mdd")
SIZES = (50, 500, 5000)
SHARES = {"Observation": 0.45, "MedicationRequest": 0.20, "Condition": 0.15, "Encounter": 0.15, "Procedure": 0.05}
KEYS = {
    "Condition": "conditions",
    "MedicationRequest": "medicationRequests",
    "Observation": "observations",
    "Procedure": "procedures",
    "Encounter": "encounters",
}
DRUGS = 25
CODES_OF_A_DRUG = 12
CODES_OF_A_CONTRAINDICATION = 50
RULES = 20
ADEQUATE_DAYS = 42
SERVICE = "reference-workload"
SETS = "http://bench.example.org/ValueSet/"

ICD = "http://hl7.org/fhir/sid/icd-10-cm"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
INVENTED = "http://bench.example.org/codes"
DEPRESSION = [f"F32.{i}" for i in range(6)] + [
    "F33.0",
    "F33.1",
    "F33.2",
    "F33.3",
    "F33.40",
    "F33.41",
    "F33.42",
    "F33.8",
    "F33.9",
]
PHQ9 = "44261-6"

SUMMARIES = {
    "no-mdd": ("No active major depressive disorder", "info"),
    "not-trd": ("Treatment-resistant depression criteria not met", "info"),
    "trd": ("Treatment-resistant depression criteria met", "warning"),
    "trd-contra": ("Treatment-resistant depression criteria met; contraindications present", "critical"),
}


def drug_name(drug: int) -> str:
    return f"benchdrug{chr(ord('a') + drug)}"


def minimum_mg(drug: int) -> int:
    return (10, 20, 50, 75, 150)[drug % 5]


def drug_code(drug: int, number: int) -> str:
    return str(9_100_000 + drug * 100 + number)


def contraindication_code(rule: int, number: int) -> str:
    return str(910_000_000 + rule * 1000 + number)


# ---------------------------------------------------------------- requests


class _Patient:
    def __init__(self, resources: int, outcome: str, seed: int, more_trials: int) -> None:
        self.random = random.Random(f"{resources}/{outcome}/{seed}")  # noqa: S311 (no secret)
        self.resources, self.outcome, self.more_trials = resources, outcome, more_trials
        self.id = f"bench-{self.random.randrange(10**9):09d}"
        self.numbered = 0
        self.episode = AS_OF - timedelta(days=self.random.randint(500, 700))

    def ago(self, least: int, most: int) -> datetime:
        chosen = self.random.randint(least, most)
        return AS_OF - timedelta(days=chosen, seconds=self.random.randint(60, 80_000))

    def said(self, when: datetime) -> str:
        """With an offset from UTC now and then: instants must be compared, not texts."""
        if self.random.random() < 0.15:
            return when.astimezone(timezone(timedelta(hours=self.random.choice((-5, -4, 1, 2))))).isoformat()
        return when.strftime("%Y-%m-%dT%H:%M:%SZ")

    def resource(self, kind: str, **members: Any) -> dict[str, Any]:
        self.numbered += 1
        name = f"{self.random.getrandbits(64):016x}-{self.numbered:06d}"
        return {
            "resourceType": kind,
            "id": name,
            "meta": {
                "versionId": "1",
                "lastUpdated": self.said(self.ago(0, 900)),
                "profile": [f"http://hl7.org/fhir/us/core/StructureDefinition/us-core-{kind.lower()}"],
            },
            "identifier": [{"use": "official", "system": "urn:oid:2.16.840.1.113883.19.5.1", "value": name[:16]}],
            "subject": {"reference": f"Patient/{self.id}", "display": "Bench Patient"},
            "encounter": {"reference": f"Encounter/{self.random.getrandbits(64):016x}"},
            **members,
        }

    def who(self) -> dict[str, str]:
        number = self.random.randint(1, 40)
        return {"reference": f"Practitioner/p-{number:04d}", "display": f"Dr. Bench Person{number}"}

    def condition(self, code: str, system: str, words: str, onset: datetime, *said: str) -> dict[str, Any]:
        clinical, verification = (*said, "active", "confirmed")[:2] if len(said) != 1 else (said[0], "confirmed")
        return self.resource(
            "Condition",
            clinicalStatus=_concept("http://terminology.hl7.org/CodeSystem/condition-clinical", clinical),
            verificationStatus=_concept("http://terminology.hl7.org/CodeSystem/condition-ver-status", verification),
            category=[
                _concept(
                    "http://terminology.hl7.org/CodeSystem/condition-category", "problem-list-item", "Problem List Item"
                )
            ],
            code=_concept(system, code, words),
            onsetDateTime=self.said(onset),
            recordedDate=self.said(onset + timedelta(hours=2)),
            recorder=self.who(),
        )

    def order(self, code: str, words: str, first: datetime, mg: float, days: int) -> dict[str, Any]:
        times = self.random.choice((1, 1, 1, 2))
        ucum = {"system": "http://unitsofmeasure.org"}
        return self.resource(
            "MedicationRequest",
            status=self.random.choice(("completed", "stopped")),
            intent="order",
            medicationCodeableConcept=_concept(RXNORM, code, words),
            authoredOn=self.said(first),
            requester=self.who(),
            dosageInstruction=[
                {
                    "sequence": 1,
                    "text": f"{mg / times:g} mg {times} time(s) daily",
                    "timing": {"repeat": {"frequency": times, "period": 1, "periodUnit": "d"}},
                    "route": _concept(SNOMED, "26643006", "Oral route"),
                    "doseAndRate": [{"doseQuantity": {"value": mg / times, "unit": "mg", "code": "mg"} | ucum}],
                }
            ],
            dispenseRequest={
                "numberOfRepeatsAllowed": 0,
                "quantity": {"value": days * times, "unit": "tablet"},
                "expectedSupplyDuration": {"value": days, "unit": "days", "code": "d"} | ucum,
            },
        )

    def drug(self, drug: int, first: datetime, days: int, dose: float = 1.0) -> dict[str, Any]:
        mg = minimum_mg(drug) * dose
        code = drug_code(drug, self.random.randrange(CODES_OF_A_DRUG))
        return self.order(code, f"{drug_name(drug)} {mg:g} MG Oral Tablet", first, mg, days)

    def measured(self, code: str, words: str, value: float, unit: str, when: datetime, status: str) -> dict[str, Any]:
        return self.resource(
            "Observation",
            status=status,
            category=[_concept("http://terminology.hl7.org/CodeSystem/observation-category", "survey", "Survey")],
            code=_concept(LOINC, code, words),
            effectiveDateTime=self.said(when),
            issued=self.said(when + timedelta(minutes=5)),
            performer=[self.who()],
            valueQuantity={"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit},
        )

    def phq9(self, value: int, when: datetime, status: str = "final") -> dict[str, Any]:
        return self.measured(PHQ9, "PHQ-9 total score", value, "{score}", when, status)

    def depression(self, onset: datetime, *said: str) -> dict[str, Any]:
        return self.condition(self.random.choice(DEPRESSION), ICD, "Major depressive disorder", onset, *said)

    def contraindication(self, rule: int, *said: str) -> dict[str, Any]:
        code = contraindication_code(rule, self.random.randrange(CODES_OF_A_CONTRAINDICATION))
        return self.condition(code, INVENTED, f"Benchmark entry {rule}", self.ago(10, 2000), *said)

    def conditions(self) -> list[dict[str, Any]]:
        """The diagnosis, and what looks like it: one resolved, one refuted; a contraindication that has passed."""
        found = [] if self.outcome == "no-mdd" else [self.depression(self.episode)]
        found.append(self.depression(self.episode - timedelta(days=900), "resolved"))
        found.append(self.depression(self.episode - timedelta(days=50), "active", "refuted"))
        if self.outcome == "trd-contra":
            found += [self.contraindication(rule) for rule in self.random.sample(range(RULES), 2)]
        found.append(self.contraindication(self.random.randrange(RULES), "resolved"))
        return found

    def medications(self) -> list[dict[str, Any]]:
        """Trials one after another, adequate by two orders each; and too short, under-dosed, and before the episode."""
        drugs = self.random.sample(range(DRUGS), 6)
        adequate = self.random.choice((2, 3)) if self.outcome.startswith("trd") else self.random.choice((0, 1))
        found = []
        day = self.episode + timedelta(days=self.random.randint(5, 20), seconds=3600)
        for drug in drugs[:adequate]:
            dose = self.random.choice((1.0, 1.5, 2.0))
            found += [self.drug(drug, day, 30, dose), self.drug(drug, day + timedelta(days=30), 30, dose)]
            day += timedelta(days=75)
        found.append(self.drug(drugs[5], day, self.random.choice((14, 28))))
        found.append(self.drug(drugs[3], self.ago(60, 400), 90, 0.5))
        found.append(self.drug(drugs[4], self.episode - timedelta(days=self.random.randint(200, 900)), 90))
        # Short ones of every drug in turn, far apart, so that each is a trial of its own.
        days = (
            self.episode + timedelta(days=index * 490 / max(1, self.more_trials)) for index in range(self.more_trials)
        )
        return found + [self.drug(index % DRUGS, day, 5) for index, day in enumerate(days)]

    def observations(self) -> list[dict[str, Any]]:
        """The last score decides; a newer one is an error, an older one differs."""
        resistant = self.outcome.startswith("trd")
        return [
            self.phq9(self.random.randint(12, 26) if resistant else self.random.randint(0, 26), self.ago(5, 40)),
            self.phq9(0, self.ago(1, 3), "entered-in-error"),
            self.phq9(self.random.randint(0, 27), self.ago(50, 88)),
        ]

    def filler(self, kind: str) -> dict[str, Any]:
        pick, at = self.random, self.ago(10, 3000)
        match kind:
            case "Condition":
                code = str(380_000_000 + pick.randint(0, 999_999))
                said = pick.choice(("active", "resolved", "inactive"))
                return self.condition(code, SNOMED, "Background condition", at, said)
            case "MedicationRequest":
                code = str(8_000_000 + pick.randint(0, 99_999))
                mg = float(pick.choice((5, 10, 25, 100)))
                return self.order(code, "metformin 500 MG Oral Tablet", at, mg, pick.choice((30, 90)))
            case "Observation" if pick.random() < 0.04:
                return self.phq9(pick.randint(0, 27), self.ago(800, 2000))
            case "Observation":
                code = f"{pick.randint(50_000, 99_999)}-{pick.randint(0, 9)}"
                value = round(pick.uniform(0, 200), 1)
                return self.measured(code, "Background observation", value, "mg/dL", at, "final")
            case "Procedure":
                code = str(430_000_000 + pick.randint(0, 99_999))
                period = {"start": self.said(at), "end": self.said(at + timedelta(minutes=45))}
                return self.resource(
                    kind,
                    status="completed",
                    code=_concept(SNOMED, code, "Background work"),
                    performedPeriod=period,
                    performer=[{"actor": self.who()}],
                )
        period = {"start": self.said(at), "end": self.said(at + timedelta(minutes=30))}
        return self.resource(
            "Encounter",
            status="finished",
            period=period,
            type=[_concept(SNOMED, str(308_000_000 + pick.randint(0, 99_999)), "Encounter for problem")],
            participant=[{"individual": self.who()}],
            serviceProvider={"reference": "Organization/bench-org-01", "display": "Bench Medical Center"},
            **{"class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"}},
        )

    def request(self) -> dict[str, Any]:
        told = {
            "Condition": self.conditions(),
            "MedicationRequest": self.medications(),
            "Observation": self.observations(),
            "Procedure": [],
            "Encounter": [],
        }
        prefetch: dict[str, Any] = {
            "patient": {
                "resourceType": "Patient",
                "id": self.id,
                "name": [{"family": "Bench", "given": ["Patient"]}],
                "gender": self.random.choice(("female", "male")),
                "birthDate": f"{self.random.randint(1950, 2000)}-0{self.random.randint(1, 9)}-15",
            }
        }
        for kind, own in told.items():
            rows = own + [self.filler(kind) for _ in range(max(0, round(self.resources * SHARES[kind]) - len(own)))]
            self.random.shuffle(rows)
            prefetch[KEYS[kind]] = {
                "resourceType": "Bundle",
                "type": "searchset",
                "total": len(rows),
                "entry": [
                    {
                        "fullUrl": f"http://ehr.example.org/fhir/{kind}/{row['id']}",
                        "resource": row,
                        "search": {"mode": "match"},
                    }
                    for row in rows
                ],
            }
        return {
            "hook": "patient-view",
            "hookInstance": f"00000000-0000-4000-8000-{self.random.getrandbits(48):012x}",
            "context": {"userId": "Practitioner/p-0001", "patientId": self.id},
            "prefetch": prefetch,
        }


def _concept(system: str, code: str, words: str = "") -> dict[str, Any]:
    if not words:
        return {"coding": [{"system": system, "code": code}]}
    return {"coding": [{"system": system, "code": code, "display": words}], "text": words}


def request(resources: int, outcome: str = "trd", seed: int = 1, more_trials: int = 0) -> bytes:
    """One request, as it goes over the wire; `more_trials` of a few days each come on top."""
    return json.dumps(_Patient(resources, outcome, seed, more_trials).request(), separators=(",", ":")).encode()


def value_sets(rules: int = RULES) -> dict[str, list[tuple[str, str]]]:
    """Name → (system, code), for the peers; the same codes as in `write_rules`."""
    sets = {"mdd": [(ICD, code) for code in DEPRESSION], "phq9": [(LOINC, PHQ9)]}
    for drug in range(DRUGS):
        sets[f"ad-{drug:02d}"] = [(RXNORM, drug_code(drug, n)) for n in range(CODES_OF_A_DRUG)]
    for rule in range(rules):
        sets[f"ci-{rule:02d}"] = [
            (INVENTED, contraindication_code(rule, n)) for n in range(CODES_OF_A_CONTRAINDICATION)
        ]
    return sets


def card(outcome: str) -> dict[str, Any]:
    summary, indicator = SUMMARIES[outcome]
    return {"cards": [{"summary": summary, "indicator": indicator, "source": {"label": "Benchmark"}}]}
