"""The shorthand a case describes a patient in: one pydantic model of it (docs/rule-authors/tests.md)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BeforeValidator, Field, GetJsonSchemaHandler, StringConstraints, field_validator, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from cds.authoring.testing.days import NOT_RECORDED, Length, When, known_to_the_day
from cds.terminology.systems import ATC, ICD10CM, LOINC, RXNORM, SNOMED
from cds.yaml_source.fields import Slug, Strict, Text

SYSTEMS = {"icd10cm": ICD10CM, "snomed": SNOMED, "loinc": LOINC, "rxnorm": RXNORM, "atc": ATC}


def _worded(pattern: str, wanted: str) -> BeforeValidator:
    """A check of form that says in words what is wanted; the pattern itself is for editors."""

    def check(text: Any) -> Any:
        if isinstance(text, str) and not re.search(pattern, text):
            raise ValueError(f"`{text}` is not {wanted}")
        return text

    return BeforeValidator(check)


_SYSTEM = rf"^({'|'.join(SYSTEMS)}|(https?://|urn:)\S+)$"
_CODE = r"^\S+( \S+)*$"
_KEY = r"^[a-z][a-z0-9_-]*$"

System = Annotated[
    str,
    StringConstraints(pattern=_SYSTEM),
    _worded(_SYSTEM, f"a code system: write {', '.join(SYSTEMS)}, or its URI"),
    Field(description=f"{', '.join(SYSTEMS)}, or the URI of a code system."),
]
Code = Annotated[str, StringConstraints(pattern=_CODE), _worded(_CODE, "a code: no spaces at its ends")]
Key = Annotated[
    str,
    StringConstraints(pattern=_KEY),
    _worded(_KEY, "a name: lower-case letters, digits, `_` and `-`, a letter first"),
]
Number = int | float

Kind = Literal[
    "conditions", "medications", "medication_requests", "medication_statements", "medication_dispenses",
    "medication_administrations", "allergies", "procedures", "referrals", "observations", "family_history",
    "encounters", "overrides",
]  # fmt: skip


class PatientEntry(Strict):
    """
    What entries of all lists share: what it is, and whose.

    What it is: `coded` (a value set, standing for its first code), `code` with or without `system`, `text`, or a
    code and a text.
    """

    coded: Slug | None = None
    code: Code | None = None
    system: System | None = None
    display: Text | None = None
    text: Text | None = None
    of: Annotated[
        Literal["another_patient"] | None, Field(description="Whose it is, when it does not belong here.")
    ] = None

    @field_validator("code", "product", mode="before", check_fields=False)
    @classmethod
    def _codes_are_text(cls, value: object) -> object:
        if isinstance(value, int | float):
            raise ValueError("codes are text: put it in quotes")
        return value

    @model_validator(mode="after")
    def _says_what(self) -> PatientEntry:
        if self.coded and self.code:
            raise ValueError("write `coded` (a value set) or `code`, not both")
        if self.system and not self.code:
            raise ValueError("`system` goes with `code`")
        if self._must_say_what() and not (self.coded or self.code or self.text):
            raise ValueError("say what it is: `coded: value-set`, `code:` or `text:`")
        return self

    def _must_say_what(self) -> bool:
        return True


class NamedEntry(PatientEntry):
    """An entry that can be written as the name of a value set alone: `conditions: [bipolar-disorder]`."""

    @model_validator(mode="before")
    @classmethod
    def _name_alone(cls, value: Any) -> Any:
        return {"coded": value} if isinstance(value, str) else value

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"type": "string"}, handler(core)]}


class ReasonEntry(NamedEntry, title="Reason"):
    """A reason: `stopped_for: treatment-ineffective`, `{text: nausea}`, `{code: "266711005", system: snomed}`."""


class ConditionEntry(NamedEntry, title="Condition"):
    """A diagnosis; code system icd10cm unless said otherwise."""

    status: Slug | Literal["not_recorded"] = "active"
    verification: Slug | Literal["not_recorded"] = "confirmed"
    onset: When | None = None
    abated: When | None = None
    recorded: When | None = None
    category: Literal["problem_list", "encounter"] | None = None


class AllergyEntry(NamedEntry, title="Allergy"):
    """An allergy; code system rxnorm unless said otherwise."""

    status: Slug | Literal["not_recorded"] = "active"
    verification: Slug | Literal["not_recorded"] = "confirmed"
    type: Literal["allergy", "intolerance"] | None = None
    effects: Annotated[list[ReasonEntry], Field(description="What happened; snomed unless said otherwise.")] = Field(
        default_factory=list
    )


class ProcedureEntry(NamedEntry, title="Procedure"):
    """A procedure, once or on several days; code system snomed unless said otherwise."""

    status: Slug = "completed"
    during: Annotated[Slug | None, Field(description="Value set whose first code the encounter has.")] = None
    on: list[When] | When | None = None
    from_: Annotated[When | None, Field(alias="from")] = None
    to: When | None = None


class EncounterEntry(NamedEntry, title="Encounter"):
    """A visit or stay; `code` is its class, of v3-ActCode unless said otherwise, and `text` its type."""

    status: Slug | Literal["not_recorded"] = "finished"
    from_: Annotated[When | None, Field(alias="from")] = None
    to: When | None = None


class ReferralEntry(NamedEntry, title="Referral"):
    """A ServiceRequest that is already in the record; code system snomed unless said otherwise."""

    status: Slug = "active"
    on: When | None = None


class OverrideEntry(Strict, title="Overridden"):
    """A card on this subject that was put aside, as the journal keeps it; no FHIR."""

    topic: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{1,100}$")]
    reason: Slug | Literal[""] = ""
    on: When

    @model_validator(mode="after")
    def _a_day(self) -> OverrideEntry:
        if not known_to_the_day(self.on):
            raise ValueError("`on` needs a day: the journal knows it")
        return self


class Relative(NamedEntry):
    """A relative's diagnosis (FamilyMemberHistory); code system icd10cm unless said otherwise."""

    relationship: Text = "mother"


class ObservationEntry(PatientEntry, title="Observation"):
    """Something observed; code system loinc unless said otherwise."""

    value: Number | Text | None = None
    unit: Annotated[str | None, Field(description="UCUM; `none` sends a bare number.")] = None
    at: When
    status: Slug = "final"
    comparator: Literal["<", "<=", ">=", ">"] | None = None
    why_no_value: Annotated[Slug, Field(description="FHIR data-absent-reason, when there is no value.")] = "unknown"
    normal: Annotated[
        list[Number | None] | None,
        Field(min_length=2, max_length=2, description="The reference range it was reported with: [low, high]."),
    ] = None
    answer: Annotated[
        ReasonEntry | None, Field(description="A coded value; code system loinc unless said otherwise.")
    ] = None


class ValuedByName(PatientEntry):
    """An entry whose value stands under the name of its value set: `{phq-9-total: 17, at: 10 days ago}`."""

    @model_validator(mode="before")
    @classmethod
    def _value_under_its_name(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        keys = {info.alias or name for name, info in cls.model_fields.items()}
        names = [key for key in value if key not in keys]
        if len(names) == 1 and not {"coded", "code", "text", "value"} & set(value):
            (name,) = names
            return {"coded": name, "value": value[name]} | {key: value[key] for key in value if key != name}
        if len(names) > 1:
            raise ValueError(
                f"only one of {', '.join(f'`{name}`' for name in names)} can be the value set; "
                f"beside it stand {', '.join(sorted(keys - {'coded', 'code', 'system', 'text', 'value'}))}"
            )
        return value

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler(core)
        inside = handler.resolve_ref_schema(schema)
        inside["additionalProperties"] = {"type": ["number", "string", "boolean", "null"]}
        inside["required"] = [name for name in inside.get("required", ()) if name != "value"]
        return schema


class ScoreEntry(ValuedByName, title="Score"):
    """A total score; sent as a quantity in {score}, or in another unit, or as a bare number (`unit: none`)."""

    value: Number | None
    unit: str = "{score}"
    at: When
    status: Slug = "final"


class AnswerEntry(ValuedByName, title="Answer"):
    """An answer to one item: a number (sent as integer, quantity or its answer code), an answer code, true or false."""

    value: bool | Number | Code | None
    as_: Annotated[Literal["integer", "quantity", "code"], Field(alias="as")] = "integer"
    at: When
    status: Slug = "final"


class Questionnaire(PatientEntry):
    """A QuestionnaireResponse: `coded` the items (a value set), and an answer to each, in the order of the set."""

    answers: Annotated[list[Number | None], Field(min_length=1, description="null: the item was left out.")]
    as_: Annotated[Literal["integer", "code"], Field(alias="as")] = "integer"
    total: Annotated[
        dict[Slug, Number], Field(default_factory=dict, description="{phq-9-total: 17}: the total, as one more item.")
    ]
    at: When
    status: Slug = "completed"


class BloodPressure(Strict):
    """One blood pressure, sent as a panel with components, or as two observations."""

    systolic: Number | None = None
    diastolic: Number | None = None
    unit: str = "mm[Hg]"
    at: When
    status: Slug = "final"
    as_: Annotated[Literal["panel", "two_observations"], Field(alias="as")] = "panel"
    of: Literal["another_patient"] | None = None


class Dose(Strict):
    """One dosing instruction: so much each time, so often."""

    value: Number
    unit: Annotated[str | None, Field(description="mg, g, tablet, capsule, patch, mL …; leave out to send none.")] = (
        None
    )
    times_a_day: Number | None = None
    every: Annotated[Length | None, Field(description="`every: 1 week`: once in that time.")] = None

    @model_validator(mode="after")
    def _one_rhythm(self) -> Dose:
        if self.times_a_day is not None and self.every:
            raise ValueError("write `times_a_day` or `every`, not both")
        return self


class Step(Strict):
    """One stretch of a trial at one dose."""

    mg_a_day: Number | Literal["unknown"] | None = None
    dose: Dose | None = None
    for_: Annotated[Length | None, Field(alias="for")] = None

    @model_validator(mode="after")
    def _one_dose(self) -> Step:
        if (self.mg_a_day is None) == (self.dose is None):
            raise ValueError("write `mg_a_day` or `dose`")
        return self


class Dispense(Strict):
    """One dispense: when, for how many days, how much of what."""

    on: When
    days_supply: Number | None = None
    quantity: Number | None = None
    unit: str = "tablet"
    product: Code | None = None
    strength: Annotated[Text | None, Field(description='Added to the drug\'s name: "150 mg".')] = None
    status: Slug = "completed"

    @field_validator("product", mode="before")
    @classmethod
    def _codes_are_text(cls, value: object) -> object:
        if isinstance(value, int | float):
            raise ValueError("codes are text: put it in quotes")
        return value


class DrugEntry(PatientEntry):
    """Which drug, by which code: an ingredient of a drug table (the key it stands under), a product, or words."""

    drug: Annotated[Slug | None, Field(description="Ingredient; without it, the key this stands under.")] = None
    product: Annotated[Code | None, Field(description="RxNorm code of a clinical or branded drug.")] = None
    mg_a_day: Number | Literal["unknown"] | None = None
    dose: Dose | None = None
    as_needed: bool = False
    reasons: list[ReasonEntry] = Field(default_factory=list)

    def _must_say_what(self) -> bool:
        return False

    def ingredient(self, key: str) -> str | None:
        """The ingredient meant, None when a code or words say which drug it is."""
        if self.product or self.code or self.coded or (self.text and not self.drug):
            return None
        return self.drug or key

    @model_validator(mode="after")
    def _one_drug_one_dose(self) -> DrugEntry:
        if sum(map(bool, (self.drug, self.product, self.code, self.coded))) > 1:
            raise ValueError("say which drug in one way: `drug`, `product`, `coded` or `code`")
        if self.mg_a_day is not None and self.dose:
            raise ValueError("write `mg_a_day` or `dose`, not both")
        return self


class Order(DrugEntry):
    """An order being written right now (draftOrders of order-select and order-sign)."""

    status: Annotated[Slug, Field(description="active when an order is signed again.")] = "draft"
    picked: Annotated[bool, Field(description="false: nobody has said yet which drug.")] = True
    as_: Annotated[Literal["medication", "service"], Field(alias="as")] = "medication"

    def ingredient(self, key: str) -> str | None:
        """The ingredient meant, None when a code or words say which drug it is, or nothing does."""
        return super().ingredient(key) if self.picked and self.as_ == "medication" else None


ShownAs = Literal["request", "dispense", "statement", "administration"]


class MedicationCourse(DrugEntry, title="Taking"):
    """One drug taken over one stretch of time. Both end days count: `for: 42 days` ends on the 42nd day."""

    steps: Annotated[list[Step], Field(default_factory=list, description="Doses one after the other.")]
    from_: Annotated[When | None, Field(alias="from")] = None
    to: When | None = None
    for_: Annotated[Length | None, Field(alias="for")] = None
    ongoing: bool = False
    on: Annotated[list[When] | None, Field(description="Given on these single days (administrations).")] = None
    stopped_for: ReasonEntry | None = None
    status: Slug | Literal["not_recorded"] | None = None
    intent: Slug | Literal["not_recorded"] = "order"
    during: Annotated[Slug | None, Field(description="Value set whose first code the encounter has.")] = None
    authored: Annotated[When | None, Field(description="When it was ordered; `from` unless said otherwise.")] = None
    number: Annotated[
        Code | None, Field(description="The order's own number, which tells it from another like it.")
    ] = None
    as_: Annotated[list[ShownAs] | ShownAs, Field(alias="as")] = "request"
    dispenses: list[Dispense] = Field(default_factory=list)

    @property
    def shown_as(self) -> tuple[ShownAs, ...]:
        """The kinds of resource that show it."""
        return (self.as_,) if isinstance(self.as_, str) else tuple(self.as_)

    @model_validator(mode="after")
    def _a_clear_time(self) -> MedicationCourse:
        if self.on is not None:
            if self.from_ or self.to or self.for_ or self.ongoing or self.steps:
                raise ValueError("`on` names single days: leave out from, to, for, ongoing and steps")
            if self.shown_as != ("administration",):
                raise ValueError("`on` names single days a drug was given: add `as: administration`")
            return self
        if self.from_ is None:
            raise ValueError(f"`from` is missing: write the first day, or {NOT_RECORDED}")
        ends = [word for word, given in (("to", self.to), ("for", self.for_), ("ongoing", self.ongoing)) if given]
        steps_end = bool(self.steps) and self.steps[-1].for_ is not None
        if len(ends) + steps_end != 1:
            raise ValueError(f"say once how long: `to`, `for` or `ongoing: true` (`to: {NOT_RECORDED}` for no end)")
        if any(step.for_ is None for step in self.steps[:-1]):
            raise ValueError("every step but the last needs `for`")
        if (self.for_ or any(step.for_ for step in self.steps)) and not known_to_the_day(self.from_):
            raise ValueError("`for` needs a first day known to the day")
        return self

    @model_validator(mode="after")
    def _steps_are_the_dose(self) -> MedicationCourse:
        if self.steps and (self.mg_a_day is not None or self.dose):
            raise ValueError("the doses stand in `steps`: leave out `mg_a_day` and `dose`")
        if self.for_ and self.steps:
            raise ValueError("write `for` in each step")
        return self


class PatientNameReference(NamedTuple):
    """A name a patient uses: where it stands, what it should be (value set, drug, answer), and the name."""

    path: tuple[str | int, ...]
    kind: Literal["value set", "drug", "answer"]
    name: str
    number: float = 0.0


class ExamplePatient(Strict, title="Patient"):
    """
    One invented patient. What is not listed is not recorded, and everything was sent whole.

    Attributes:
        age: Completed years; born on this day so many years ago.
        overrides: Earlier cards that were put aside; None where no journal is kept.
        not_sent: Kinds of data the EHR did not send.
        failed: Kinds it answered with an error.
        truncated: Kinds of which only the first page came.
    """

    age: Annotated[int | None, Field(ge=0, le=130)] = None
    birth_date: When | None = None
    sex: Literal["male", "female", "other", "unknown"] | None = None
    died: bool | When = False
    conditions: list[ConditionEntry] = Field(default_factory=list)
    scores: list[ScoreEntry] = Field(default_factory=list)
    answers: list[AnswerEntry] = Field(default_factory=list)
    questionnaires: list[Questionnaire] = Field(default_factory=list)
    blood_pressure: list[BloodPressure] = Field(default_factory=list)
    observations: list[ObservationEntry] = Field(default_factory=list)
    took: dict[Key, MedicationCourse] = Field(default_factory=dict)
    orders: dict[Key, Order] = Field(default_factory=dict)
    allergies: list[AllergyEntry] = Field(default_factory=list)
    procedures: list[ProcedureEntry] = Field(default_factory=list)
    family_history: list[Relative] = Field(default_factory=list)
    referrals: list[ReferralEntry] = Field(default_factory=list)
    encounters: list[EncounterEntry] = Field(default_factory=list)
    overrides: list[OverrideEntry] | None = None
    not_sent: list[Kind] = Field(default_factory=list)
    failed: list[Kind] = Field(default_factory=list)
    truncated: list[Kind] = Field(default_factory=list)

    @model_validator(mode="after")
    def _one_birth(self) -> ExamplePatient:
        if self.age is not None and self.birth_date is not None:
            raise ValueError("write `age` or `birth_date`, not both")
        return self

    def places(self) -> list[str]:
        """Every value set that `during` names, once."""
        named = [*(done.during for done in self.procedures), *(taking.during for taking in self.took.values())]
        return sorted({name for name in named if name})

    def references(self) -> Iterator[PatientNameReference]:
        """Every value set, drug and coded answer this patient names."""
        for section in (
            "conditions", "scores", "answers", "questionnaires", "observations", "allergies", "procedures",
            "family_history", "referrals", "encounters",
        ):  # fmt: skip
            for index, entry in enumerate(getattr(self, section)):
                yield from _of_entry((section, index), entry)
        for section in ("took", "orders"):
            for key, drug in getattr(self, section).items():
                yield from _of_drug((section, key), key, drug)


def _of_entry(path: tuple[str | int, ...], entry: PatientEntry) -> Iterator[PatientNameReference]:
    if entry.coded:
        last = entry.coded if isinstance(entry, ValuedByName) else "coded"
        yield PatientNameReference((*path, last), "value set", entry.coded)
    if isinstance(entry, ProcedureEntry) and entry.during:
        yield PatientNameReference((*path, "during"), "value set", entry.during)
    if isinstance(entry, ObservationEntry) and entry.answer is not None and entry.answer.coded:
        yield PatientNameReference((*path, "answer"), "value set", entry.answer.coded)
    if isinstance(entry, Questionnaire):
        for name in entry.total:
            yield PatientNameReference((*path, "total", name), "value set", name)
        for index, number in enumerate(entry.answers):
            if entry.coded and entry.as_ == "code" and number is not None:
                yield PatientNameReference((*path, "answers", index), "answer", entry.coded, float(number))
    if isinstance(entry, AnswerEntry) and entry.coded and entry.as_ == "code" and isinstance(entry.value, int | float):
        yield PatientNameReference((*path, entry.coded), "answer", entry.coded, float(entry.value))


def _of_drug(path: tuple[str | int, ...], key: str, drug: DrugEntry) -> Iterator[PatientNameReference]:
    if ingredient := drug.ingredient(key):
        yield PatientNameReference((*path, "drug") if drug.drug else path, "drug", ingredient)
    if drug.coded:
        yield PatientNameReference((*path, "coded"), "value set", drug.coded)
    for index, reason in enumerate(drug.reasons):
        if reason.coded:
            yield PatientNameReference((*path, "reasons", index), "value set", reason.coded)
    if isinstance(drug, MedicationCourse) and drug.during:
        yield PatientNameReference((*path, "during"), "value set", drug.during)
    if isinstance(drug, MedicationCourse) and drug.stopped_for is not None and drug.stopped_for.coded:
        yield PatientNameReference((*path, "stopped_for"), "value set", drug.stopped_for.coded)
