"""The logic of the workload as plain Python."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from benchmarks.workload import ADEQUATE_DAYS, AS_OF, KEYS, RULES, minimum_mg, value_sets


@dataclass(frozen=True)
class Walk:
    """The logic written by hand over decoded JSON, every code in one index: what HealthChain is given to run."""

    named: dict[tuple[str, str], str]

    @classmethod
    def of(cls, rules: int = RULES) -> Walk:
        return cls({code: name for name, codes in value_sets(rules).items() for code in codes})

    def outcome(self, prefetch: dict[str, Any]) -> str:
        starts, contraindicated = [], False
        for row in self._rows(prefetch, "Condition"):
            name = self._name(row["code"])
            if not name or row["clinicalStatus"]["coding"][0]["code"] not in {"active", "recurrence", "relapse"}:
                continue
            if row["verificationStatus"]["coding"][0]["code"] in {"refuted", "entered-in-error"}:
                continue
            if name == "mdd":
                starts.append(datetime.fromisoformat(row["onsetDateTime"]))
            contraindicated |= name.startswith("ci-")
        if not starts:
            return "no-mdd"
        days: dict[str, float] = {}
        for row in self._rows(prefetch, "MedicationRequest"):
            name = self._name(row["medicationCodeableConcept"])
            if not name or row["status"] not in {"active", "completed", "stopped"}:
                continue
            dosage = row["dosageInstruction"][0]
            repeat = dosage["timing"]["repeat"]
            mg = dosage["doseAndRate"][0]["doseQuantity"]["value"] * repeat["frequency"] / repeat["period"]
            if mg >= minimum_mg(int(name[3:])) and min(starts) <= datetime.fromisoformat(row["authoredOn"]) <= AS_OF:
                days[name] = days.get(name, 0) + row["dispenseRequest"]["expectedSupplyDuration"]["value"]
        latest: tuple[datetime, float] | None = None
        for row in self._rows(prefetch, "Observation"):
            if not self._name(row["code"]) or row["status"] not in {"final", "amended", "corrected"}:
                continue
            at = datetime.fromisoformat(row["effectiveDateTime"])
            if AS_OF - timedelta(days=90) <= at <= AS_OF and (latest is None or at > latest[0]):
                latest = at, row["valueQuantity"]["value"]
        trials = sum(total >= ADEQUATE_DAYS for total in days.values())
        if trials < 2 or latest is None or latest[1] < 10:
            return "not-trd"
        return "trd-contra" if contraindicated else "trd"

    def _rows(self, prefetch: dict[str, Any], kind: str) -> list[dict[str, Any]]:
        return [entry["resource"] for entry in prefetch[KEYS[kind]]["entry"]]

    def _name(self, concept: dict[str, Any]) -> str:
        for coding in concept["coding"]:
            if name := self.named.get((coding["system"], coding["code"])):
                return name
        return ""
