"""What a rule file is, the evidence it cites, and its parameters."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from cds.yaml_source.fields import NUMBER_AND_UNIT, Day, Slug, Snake, Strict, Text, Url


class Checked(Strict):
    """When a list of codes was last compared with a release, and with which."""

    date: Day
    release: Annotated[Text, Field(description="ICD-10-CM 2026, RxNorm 2026-11-02, …")]


class Review(Strict, title="Reviewed"):
    """Who looked at the file last, and when it must be looked at again."""

    date: Day
    by: Text
    next: Day


class Retirement(Strict, title="Retired"):
    """Why a rule is no longer used."""

    date: Day
    because: Text
    replaced_by: Slug | None = None


class Uses(Strict):
    """
    What data about the person a file uses, and what for: 45 CFR 170.315(b)(11)(iv)(A)(5) to (13), in its order.

    Each names data as USCDI does. `sex` is what FHIR's Patient.gender says.
    """

    race: Text | None = None
    ethnicity: Text | None = None
    language: Text | None = None
    sexual_orientation: Text | None = None
    gender_identity: Text | None = None
    sex: Text | None = None
    date_of_birth: Text | None = None
    social_determinants: Text | None = None
    health_status_assessments: Text | None = None


Attribute = Literal[
    "race", "ethnicity", "language", "sexual_orientation", "gender_identity", "sex", "date_of_birth",
    "social_determinants", "health_status_assessments",
]  # fmt: skip


class About(Strict):
    """What a file is, who answers for it, and what it does not cover."""

    id: Slug
    title: Text
    version: Annotated[str, StringConstraints(pattern=r"^\d+\.\d+\.\d+$")]
    status: Literal["draft", "silent", "active", "retired"]
    purpose: Text
    limits: Text
    owners: Annotated[list[Text], Field(min_length=1)]
    safety: Annotated[
        bool, Field(description="Patients may come to harm when it is wrong: no change of it may pass its tests.")
    ] = False
    reviewed: Review
    developer: Annotated[Text | None, Field(description="Who made a rule of the research or guideline.")] = None
    funding: Annotated[Text | None, Field(description="Who paid for writing it down and for its program.")] = None
    released: Annotated[Day | None, Field(description="The first day a server could have used it.")] = None
    revised: Annotated[Day | None, Field(description="The day of this version, if it is not the first.")] = None
    uses: Annotated[Uses, Field(description="What it uses of the person, and what for.")] = Uses()
    does_not_use: Annotated[list[Attribute], Field(description="What it does not use.")] = []
    retired: Retirement | None = None


class Evidence(Strict):
    """Why one should believe it."""

    cite: Text
    doi: str | None = None
    url: Url | None = None
    says: Text
    verified: Annotated[
        bool, Field(description="Whether someone of this project read the source; false is listed for a reviewer.")
    ]


class Parameter(Strict):
    """A number or word that could be argued about."""

    value: int | float | str
    unit: str | None = None
    one_of: list[str] | None = None
    site_may_set: list[int | float] | Literal[True] | None = None
    evidence: list[Slug] = []
    note: str | None = None
    formerly: list[Snake] = []

    @model_validator(mode="after")
    def _number_needs_unit(self) -> Parameter:
        if isinstance(self.value, str):
            if not self.one_of or self.value not in self.one_of:
                if found := NUMBER_AND_UNIT.fullmatch(self.value):
                    number, unit = found.groups()
                    raise ValueError(
                        f"`{self.value}` is a number and its unit in one: write `value: {number}, unit: {unit}`"
                    )
                raise ValueError("a word needs `one_of`, and must stand in it")
        elif not self.unit:
            raise ValueError("a number needs a `unit`")
        if isinstance(self.site_may_set, list) and len(self.site_may_set) != 2:
            raise ValueError("`site_may_set` is [lowest, highest], or true for a word with `one_of`")
        return self
