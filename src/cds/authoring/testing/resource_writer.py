"""Entries of a made-up patient → FHIR R4 resources, each as an EHR would write it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from cds.authoring.testing import patient_format as s
from cds.authoring.testing.days import NOT_RECORDED, fhir_date, full_day, last_day
from cds.errors import CdsError
from cds.terminology.index import TerminologyIndex
from cds.terminology.systems import ATC, ICD10CM, LOINC, RXNORM, SNOMED

Json = dict[str, Any]

HL7 = "http://terminology.hl7.org/CodeSystem/"

ACT_CODE = f"{HL7}v3-ActCode"


BASE = "https://ehr.example.org/fhir"


PATIENT_ID = "example"


SOMEONE_ELSE = "someone-else"


UCUM = "http://unitsofmeasure.org"


RELATIONSHIP = {"mother": "MTH", "father": "FTH", "sister": "SIS", "brother": "BRO", "child": "CHILD"}


UNITS = {"mg", "g", "ug", "mL", "mg/mL", "mm[Hg]", "d", "1", "%", "kg", "cm", "ms"}


SYSTOLIC = ("8480-6", "Systolic blood pressure")


DIASTOLIC = ("8462-4", "Diastolic blood pressure")


BLOOD_PRESSURE = ("85354-9", "Blood pressure panel with all children optional")


class FhirWriterError(CdsError):
    """The rules folder lacks what the shorthand needs, such as a code in a value set that is named."""


@dataclass(frozen=True)
class DosePeriod:
    """One dose held from a first to a last day, each as precise as it was written."""

    start: str | None
    end: str | None
    mg_a_day: float | str | None
    dose: s.Dose | None


class ResourceWriter:
    """Writes resources for one day, with the codes of one rules folder."""

    def __init__(self, today: date, codes: TerminologyIndex, patient_id: str = PATIENT_ID) -> None:
        self.today = today
        self.codes = codes
        self.patient_id = patient_id

    def day(self, text: str | None) -> str | None:
        """The FHIR date a case's day stands for."""
        return fhir_date(text, self.today)

    def subject(self, entry: s.PatientEntry | s.BloodPressure) -> Json:
        """Whose it is."""
        return {"reference": f"Patient/{SOMEONE_ELSE if entry.of else self.patient_id}"}

    # ------------------------------------------------------------ codes

    def first_code(self, name: str) -> Json:
        """The first code of a value set, or its first name or words when it has no code."""
        found = self.codes.sets.get(name)
        if found is None:
            raise FhirWriterError(f"there is no value set `{name}`")
        for (system, code), display in (found.codes or found.roots).items():
            return {"coding": [{"system": system, "code": code, "display": display}]}
        for words in (*found.full_names.values(), *found.words):
            return {"text": words}
        raise FhirWriterError(f"the value set `{name}` is empty")

    def concept(self, entry: s.PatientEntry, system: str) -> Json:
        """What an entry is, as a CodeableConcept."""
        concept: Json = {}
        if entry.coded:
            concept = self.first_code(entry.coded)
        elif entry.code:
            uri = s.SYSTEMS.get(entry.system, entry.system) if entry.system else system
            coding = {"system": uri, "code": entry.code}
            set_elements(coding, display=entry.display)
            concept = {"coding": [coding]}
        if entry.text:
            concept["text"] = entry.text
        return concept

    def drug(self, key: str, drug: s.DrugEntry, *, product: str | None = None, strength: str | None = None) -> Json:
        """Which drug: a product's code, an ingredient's RxNorm or else ATC code with its name, any code, or words."""
        if product or drug.product:
            concept: Json = {"coding": [{"system": RXNORM, "code": product or drug.product}]}
        elif ingredient := drug.ingredient(key):
            concept = self.ingredient(ingredient)
        else:
            concept = self.concept(drug, RXNORM)
        if drug.text:
            concept["text"] = drug.text
        if strength:
            concept["text"] = f"{concept.get('text') or key} {strength}"
        return concept

    def ingredient(self, name: str) -> Json:
        """An ingredient of a drug table by its RxNorm code, else its ATC code, else its name."""
        codings: dict[str, str] = {}
        known = False
        for table in self.codes.drugs.values():
            known = known or name in table.drugs
            for (system, code), key in table.ingredient_codes.items():
                if key == name:
                    codings.setdefault(system, code)
        if not known:
            raise FhirWriterError(f"`{name}` is not a drug of any table")
        for system in (RXNORM, ATC):
            if system in codings:
                return {"coding": [{"system": system, "code": codings[system], "display": name}], "text": name}
        return {"text": name}

    def reasons(self, drug: s.DrugEntry) -> list[Json]:
        """Why a drug was given."""
        return [self.concept(reason, ICD10CM) for reason in drug.reasons]

    # ------------------------------------------------------------ one resource per entry

    def condition(self, entry: s.ConditionEntry) -> Json:
        """Condition. FHIR forbids a clinicalStatus on one entered in error (con-5)."""
        resource: Json = {"resourceType": "Condition", "stem": _stem(entry.coded)}
        status = None if entry.verification == "entered-in-error" else entry.status
        set_elements(
            resource,
            clinicalStatus=_status("condition-clinical", status),
            verificationStatus=_status("condition-ver-status", entry.verification),
            category=[_coding("condition-category", _CATEGORIES[entry.category])] if entry.category else None,
            code=self.concept(entry, ICD10CM),
            subject=self.subject(entry),
            onsetDateTime=self.day(entry.onset),
            abatementDateTime=self.day(entry.abated),
            recordedDate=self.day(entry.recorded),
        )
        return resource

    def allergy(self, entry: s.AllergyEntry) -> Json:
        """AllergyIntolerance. FHIR forbids a clinicalStatus on one entered in error (ait-2)."""
        resource: Json = {"resourceType": "AllergyIntolerance", "stem": _stem(entry.coded)}
        status = None if entry.verification == "entered-in-error" else entry.status
        set_elements(
            resource,
            clinicalStatus=_status("allergyintolerance-clinical", status),
            verificationStatus=_status("allergyintolerance-verification", entry.verification),
            type=entry.type,
            code=self.concept(entry, RXNORM),
            patient=self.subject(entry),
            reaction=[{"manifestation": [self.concept(effect, SNOMED) for effect in entry.effects]}]
            if entry.effects
            else None,
        )
        return resource

    def procedure(self, entry: s.ProcedureEntry) -> Iterator[Json]:
        """Procedure, one for each day it was done."""
        for day in entry.on if isinstance(entry.on, list) else [entry.on]:
            resource: Json = {
                "resourceType": "Procedure",
                "stem": _stem(entry.coded),
                "status": entry.status,
                "code": self.concept(entry, SNOMED),
                "subject": self.subject(entry),
            }
            set_elements(resource, performedDateTime=self.day(day), encounter=_encounter(entry.during))
            if entry.from_ or entry.to:
                resource["performedPeriod"] = self.period(self.day(entry.from_), self.day(entry.to))
            yield resource

    def referral(self, entry: s.ReferralEntry) -> Json:
        """ServiceRequest."""
        resource: Json = {
            "resourceType": "ServiceRequest",
            "stem": _stem(entry.coded),
            "status": entry.status,
            "intent": "order",
            "code": self.concept(entry, SNOMED),
            "subject": self.subject(entry),
        }
        set_elements(resource, authoredOn=self.day(entry.on))
        return resource

    def encounter(self, entry: s.EncounterEntry) -> Json:
        """Encounter: its class is the first code, its type the words."""
        concept = self.concept(entry, ACT_CODE)
        resource: Json = {"resourceType": "Encounter", "stem": _stem(entry.coded)}
        set_elements(resource, status=None if entry.status == NOT_RECORDED else entry.status)
        if concept.get("coding"):
            resource["class"] = concept["coding"][0]
        if concept.get("text"):
            resource["type"] = [{"text": concept["text"]}]
        if entry.from_ or entry.to:
            resource["period"] = self.period(self.day(entry.from_), self.day(entry.to))
        return resource | {"subject": self.subject(entry)}

    def place(self, name: str) -> Json:
        """The encounter that `during` names: its class is the first code of the value set, or its type the words."""
        concept = self.first_code(name)
        coding = concept.get("coding")
        resource: Json = {"resourceType": "Encounter", "stem": name, "status": "finished"}
        resource |= {"class": coding[0]} if coding else {"type": [concept]}
        return resource | {"subject": {"reference": f"Patient/{self.patient_id}"}}

    def relative(self, entry: s.Relative) -> Json:
        """FamilyMemberHistory: about a relative, never about the patient."""
        relationship: Json = {"text": entry.relationship}
        if code := RELATIONSHIP.get(entry.relationship):
            relationship["coding"] = [{"system": f"{HL7}v3-RoleCode", "code": code}]
        return {
            "resourceType": "FamilyMemberHistory",
            "stem": "relative",
            "status": "completed",
            "patient": self.subject(entry),
            "relationship": relationship,
            "condition": [{"code": self.concept(entry, ICD10CM)}],
        }

    # ------------------------------------------------------------ observations

    def _observation(self, entry: Any, code: Json, stem: str) -> Json:
        resource: Json = {
            "resourceType": "Observation",
            "stem": stem,
            "status": entry.status,
            "code": code,
            "subject": self.subject(entry),
        }
        set_elements(resource, effectiveDateTime=self.day(entry.at))
        return resource

    def score(self, entry: s.ScoreEntry) -> Json:
        """Observation with the total as a quantity, or as an integer when it has no unit."""
        resource = self._observation(entry, self.concept(entry, LOINC), _stem(entry.coded))
        resource.update(_value(entry.value, entry.unit))
        return resource

    def answer(self, entry: s.AnswerEntry) -> Json:
        """Observation with the answer as a number, as its answer code, or as true or false."""
        resource = self._observation(entry, self.concept(entry, LOINC), _stem(entry.coded))
        if isinstance(entry.value, bool):
            resource["valueBoolean"] = entry.value
        elif isinstance(entry.value, str):
            resource["valueCodeableConcept"] = {"coding": [{"system": LOINC, "code": entry.value}]}
        elif entry.as_ == "code" and entry.value is not None:
            resource["valueCodeableConcept"] = {"coding": [self.answer_code(entry.coded or "", float(entry.value))]}
        else:
            resource.update(_value(entry.value, "{score}" if entry.as_ == "quantity" else "none"))
        return resource

    def answer_code(self, name: str, number: float) -> Json:
        """The code of a value set's answer that stands for a number."""
        found = self.codes.sets.get(name)
        for (system, code), value in found.answers.items() if found else ():
            if value == number:
                return {"system": system, "code": code}
        raise FhirWriterError(f"`{name}` has no answer code for {number:g}")

    def questionnaire(self, entry: s.Questionnaire) -> Json:
        """QuestionnaireResponse whose linkIds are the codes of the items, in the order of their value set."""
        found = self.codes.sets.get(entry.coded or "")
        if found is None or len(found.codes) < len(entry.answers):
            raise FhirWriterError(f"`{entry.coded}` is no value set of so many items")
        items = []
        for (_, code), number in zip(found.codes, entry.answers, strict=False):
            if number is None:
                continue
            coded = entry.as_ == "code"
            value = {"valueCoding": self.answer_code(found.name, float(number))} if coded else {"valueInteger": number}
            items.append({"linkId": code, "answer": [value]})
        for name, number in entry.total.items():
            coding = self.concept(s.ReasonEntry(coded=name), LOINC)["coding"][0]
            items.append({"linkId": coding["code"], "answer": [{"valueInteger": number}]})
        resource: Json = {
            "resourceType": "QuestionnaireResponse",
            "stem": _stem(entry.coded),
            "status": entry.status,
            "subject": self.subject(entry),
            "item": items,
        }
        set_elements(resource, authored=self.day(entry.at))
        return resource

    def observation(self, entry: s.ObservationEntry) -> Json:
        """Observation, as general as the shorthand gets."""
        resource = self._observation(entry, self.concept(entry, LOINC), _stem(entry.coded))
        if entry.answer is not None:
            resource["valueCodeableConcept"] = self.concept(entry.answer, LOINC)
        elif isinstance(entry.value, str):
            resource["valueString"] = entry.value
        else:
            resource.update(_value(entry.value, entry.unit or "none", entry.comparator, entry.why_no_value))
        if entry.normal:
            ends = zip(("low", "high"), entry.normal, strict=True)
            resource["referenceRange"] = [
                {end: _quantity(value, entry.unit) for end, value in ends if value is not None}
            ]
        return resource

    def blood_pressure(self, entry: s.BloodPressure) -> Iterator[Json]:
        """A panel whose components carry the two values (FHIR vital signs profile), or two observations."""
        parts = [(SYSTOLIC, entry.systolic), (DIASTOLIC, entry.diastolic)]
        if entry.as_ == "two_observations":
            for code, value in parts:
                resource = self._observation(entry, _loinc(code), "blood-pressure")
                yield resource | _value(value, entry.unit)
            return
        resource = self._observation(entry, _loinc(BLOOD_PRESSURE), "blood-pressure")
        resource["category"] = [_coding("observation-category", "vital-signs")]
        resource["component"] = [{"code": _loinc(code), **_value(value, entry.unit)} for code, value in parts]
        yield resource

    # ------------------------------------------------------------ medications

    def taking(self, key: str, taking: s.MedicationCourse) -> Iterator[Json]:
        """One taking in each kind of resource that shows it, and its dispenses."""
        stretches = self.stretches(taking)
        stem = key.replace("_", "-")
        for kind in taking.shown_as:
            match kind:
                case "request":
                    yield self.request(key, taking, stretches) | {"stem": stem}
                case "statement":
                    yield self.statement(key, taking, stretches) | {"stem": stem}
                case "administration":
                    for resource in self.administrations(key, taking, stretches):
                        yield resource | {"stem": stem}
                case "dispense" if not taking.dispenses:
                    for stretch in stretches:
                        yield self.dispense_of(key, taking, stretch) | {"stem": stem}
        for dispense in taking.dispenses:
            yield self.dispense(key, taking, dispense, stretches) | {"stem": stem}

    def stretches(self, taking: s.MedicationCourse) -> list[DosePeriod]:
        """The doses one after the other, each with its first and last day."""
        start, end = self.day(taking.from_), self.day(taking.to)
        first = full_day(start)
        if taking.for_ and first:
            end = last_day(first, taking.for_).isoformat()
        if not taking.steps:
            return [DosePeriod(start, end, taking.mg_a_day, taking.dose)]
        stretches = []
        for step in taking.steps:
            last = last_day(first, step.for_) if step.for_ and first else None
            stretches.append(DosePeriod(start, last.isoformat() if last else end, step.mg_a_day, step.dose))
            if last:
                first = date.fromordinal(last.toordinal() + 1)
                start = first.isoformat()
        return stretches

    def medication(self, kind: str, key: str, taking: s.MedicationCourse, status: str) -> Json:
        """What the four resources share."""
        resource: Json = {"resourceType": kind}
        set_elements(resource, status=_recorded(status))
        resource |= {"medicationCodeableConcept": self.drug(key, taking), "subject": self.subject(taking)}
        if kind != "MedicationDispense":  # R4 gives it no reasonCode
            set_elements(resource, reasonCode=self.reasons(taking))
        return resource

    def stop_reason(self, taking: s.MedicationCourse) -> Json | None:
        """Why it was stopped."""
        return self.concept(taking.stopped_for, SNOMED) if taking.stopped_for else None

    def request(self, key: str, taking: s.MedicationCourse, stretches: list[DosePeriod]) -> Json:
        """MedicationRequest: active while it goes on, stopped with a reason or without an end, completed otherwise."""
        resource = self.medication("MedicationRequest", key, taking, taking.status or _status_of(taking))
        set_elements(
            resource,
            identifier=[{"system": f"{BASE}/order", "value": taking.number}] if taking.number else None,
            intent=_recorded(taking.intent),
            statusReason=self.stop_reason(taking),
            authoredOn=self.day(taking.authored) or stretches[0].start,
            dosageInstruction=self.dosages(stretches, taking),
        )
        return resource

    def statement(self, key: str, taking: s.MedicationCourse, stretches: list[DosePeriod]) -> Json:
        """MedicationStatement."""
        resource = self.medication("MedicationStatement", key, taking, taking.status or _status_of(taking))
        stop = self.stop_reason(taking)
        set_elements(
            resource,
            statusReason=[stop] if stop else None,
            effectivePeriod=self.period(stretches[0].start, stretches[-1].end),
            dosage=self.dosages(stretches, taking),
        )
        return resource

    def administrations(self, key: str, taking: s.MedicationCourse, stretches: list[DosePeriod]) -> Iterator[Json]:
        """MedicationAdministration: one per day named by `on`, or one per stretch."""
        for day in taking.on or ():
            resource = self.medication("MedicationAdministration", key, taking, taking.status or "completed")
            set_elements(resource, context=_encounter(taking.during))
            set_elements(resource, effectiveDateTime=self.day(day), dosage=_given(taking.mg_a_day, taking.dose))
            yield resource
        if taking.on is None:
            running = _status_of(taking).replace("active", "in-progress")
            for stretch in stretches:
                resource = self.medication("MedicationAdministration", key, taking, taking.status or running)
                resource["effectivePeriod"] = self.period(stretch.start, stretch.end) or {}
                set_elements(resource, dosage=_given(stretch.mg_a_day, stretch.dose))
                yield resource

    def dispense_of(self, key: str, taking: s.MedicationCourse, stretch: DosePeriod) -> Json:
        """One MedicationDispense that covers a stretch."""
        resource = self.medication("MedicationDispense", key, taking, taking.status or "completed")
        if resource.get("status") in {"active", "draft"}:
            resource["status"] = "completed"
        first, last = full_day(stretch.start), full_day(stretch.end)
        if first and (last or taking.ongoing):
            days = ((last or self.today) - first).days + 1
            resource["daysSupply"] = _quantity(days, "d")
        set_elements(resource, whenHandedOver=stretch.start, dosageInstruction=self.dosages([stretch], taking))
        return resource

    def dispense(self, key: str, taking: s.MedicationCourse, dispense: s.Dispense, stretches: list[DosePeriod]) -> Json:
        """One MedicationDispense as written."""
        resource = self.medication("MedicationDispense", key, taking, dispense.status)
        resource["medicationCodeableConcept"] = self.drug(
            key, taking, product=dispense.product, strength=dispense.strength
        )
        if dispense.quantity is not None:
            resource["quantity"] = _quantity(dispense.quantity, dispense.unit)
        if dispense.days_supply is not None:
            resource["daysSupply"] = _quantity(dispense.days_supply, "d")
        on = self.day(dispense.on)
        sig = next((x for x in stretches if x.start and on and x.start <= on <= (x.end or "9999")), stretches[0])
        without_bounds = DosePeriod(None, None, sig.mg_a_day, sig.dose)
        set_elements(resource, whenHandedOver=on, dosageInstruction=self.dosages([without_bounds], taking))
        return resource

    def dosages(self, stretches: list[DosePeriod], drug: s.DrugEntry) -> list[Json]:
        """Dosage per stretch, numbered when there are several, with its bounds."""
        dosages = []
        for number, stretch in enumerate(stretches, start=1):
            dosage: Json = {"sequence": number} if len(stretches) > 1 else {}
            repeat = _rhythm(stretch)
            set_elements(repeat, boundsPeriod=self.period(stretch.start, stretch.end))
            if repeat:
                dosage["timing"] = {"repeat": repeat}
            if drug.as_needed:
                dosage["asNeededBoolean"] = True
            if amount := _amount(stretch.mg_a_day, stretch.dose):
                dosage["doseAndRate"] = [{"doseQuantity": amount}]
            if dosage:
                dosages.append(dosage)
        return dosages

    def period(self, start: str | None, end: str | None) -> Json | None:
        """A FHIR Period, None without either end."""
        period: Json = {}
        set_elements(period, start=start, end=end)
        return period or None


_CATEGORIES = {"problem_list": "problem-list-item", "encounter": "encounter-diagnosis"}


def set_elements(resource: Json, **elements: Any) -> None:
    """Set elements that have a value: FHIR has neither null nor empty lists."""
    resource.update({name: value for name, value in elements.items() if value not in (None, [], {})})


def _recorded(word: str | None) -> str | None:
    return None if word == NOT_RECORDED else word


def _stem(coded: str | None) -> str:
    return (coded or "")[:50]


def _status(system: str, code: str | None) -> Json | None:
    return _coding(system, code) if code and code != NOT_RECORDED else None


def _coding(system: str, code: str) -> Json:
    return {"coding": [{"system": HL7 + system, "code": code}]}


def _loinc(code: tuple[str, str]) -> Json:
    return {"coding": [{"system": LOINC, "code": code[0], "display": code[1]}]}


def _quantity(value: float, unit: str | None, comparator: str | None = None) -> Json:
    quantity: Json = {"value": value}
    set_elements(quantity, comparator=comparator)
    if unit:
        ucum = unit in UNITS or not unit.isalpha()
        quantity |= {"unit": "day" if unit == "d" else unit, "system": UCUM, "code": unit if ucum else f"{{{unit}}}"}
    return quantity


def _value(value: float | None, unit: str, comparator: str | None = None, why_not: str = "unknown") -> Json:
    if value is None:
        return {"dataAbsentReason": _coding("data-absent-reason", why_not)}
    if unit == "none" and isinstance(value, int) and not comparator:
        return {"valueInteger": value}
    return {"valueQuantity": _quantity(value, None if unit == "none" else unit, comparator)}


def _amount(mg_a_day: float | str | None, dose: s.Dose | None) -> Json | None:
    if dose:
        return _quantity(dose.value, dose.unit)
    return _quantity(mg_a_day, "mg") if isinstance(mg_a_day, int | float) else None


def _given(mg_a_day: float | str | None, dose: s.Dose | None) -> Json | None:
    amount = _amount(mg_a_day, dose)
    return {"dose": amount} if amount else None


def _encounter(name: str | None) -> Json | None:
    return {"reference": f"Encounter/{name}-1"} if name else None


def _rhythm(stretch: DosePeriod) -> Json:
    """Timing.repeat without bounds: mg_a_day is one dose a day."""
    dose = stretch.dose
    if dose is None:
        once_a_day = isinstance(stretch.mg_a_day, int | float)
        return {"frequency": 1, "period": 1, "periodUnit": "d"} if once_a_day else {}
    if dose.every:
        count, unit = dose.every.split()
        return {"frequency": 1, "period": int(count), "periodUnit": _PERIODS[unit.removesuffix("s")]}
    if dose.times_a_day is None:
        return {}
    if dose.times_a_day == int(dose.times_a_day):
        return {"frequency": int(dose.times_a_day), "period": 1, "periodUnit": "d"}
    return {"frequency": 1, "period": round(1 / dose.times_a_day, 6), "periodUnit": "d"}


_PERIODS = {"day": "d", "week": "wk", "month": "mo", "year": "a"}


def _status_of(taking: s.MedicationCourse) -> str:
    if taking.ongoing:
        return "active"
    return "stopped" if taking.stopped_for or taking.to == NOT_RECORDED else "completed"
