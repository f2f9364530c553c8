"""Leaflets: general words on a treatment, for a patient to take home or for the clinician who refers."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, model_validator

from cds.rulebook.format.cards import FilledText
from cds.rulebook.format.value_set import Language
from cds.yaml_source.fields import Cites, Slug, Snake, Strict, Text

DOSE = re.compile(r"\d\s*(?:mg|mcg|µg|g|ml|milligrams?|miligramos?|micrograms?|sprays?|devices?)\b", re.IGNORECASE)
NO_DOSE = "a leaflet names no dose: leave it out"


class LeafletText(Strict):
    """A text of a leaflet, and the same in its other languages."""

    say: FilledText
    in_: Annotated[dict[Language, FilledText], Field(alias="in", description="Language → the same text.")] = {}

    @model_validator(mode="after")
    def _names_no_dose(self) -> LeafletText:
        if any(DOSE.search(text) for text in (self.say, *self.in_.values())):
            raise ValueError(NO_DOSE)
        return self


class LeafletPoint(LeafletText):
    """One statement of a leaflet, and why to believe it."""

    evidence: Annotated[list[Annotated[Slug, Cites()]], Field(min_length=1)]


class LeafletSection(Strict):
    """A heading, and what stands below it."""

    title: LeafletText
    points: Annotated[list[LeafletPoint], Field(min_length=1)]


class LeafletNotices(Strict):
    """What a reader is told of the leaflet itself."""

    unreviewed: Annotated[LeafletText, Field(description="Shown until a clinician has reviewed the file.")]
    unverified: Annotated[LeafletText, Field(description="Shown in a language that nobody who reads it has checked.")]
    general: Annotated[LeafletText, Field(description="What it is and is not; at its foot.")]


class LeafletLanguage(Strict):
    """Another language of a leaflet."""

    name: Annotated[Text, Field(description="In that language: español.")]
    source: Text
    verified: bool


class LeafletSpec(Strict):
    """General words on a treatment: the same for every patient, without a dose."""

    reader: Literal["patient", "clinician"]
    cards: Annotated[list[Snake], Field(min_length=1, description="Shown on the page behind these cards.")]
    name: Annotated[Text, Field(description="What the first language calls itself: English.")]
    language: Language = "en"
    languages: Annotated[
        dict[Language, LeafletLanguage], Field(description="Its other languages; each text has all of them.")
    ] = {}
    title: LeafletText
    notices: LeafletNotices
    sections: Annotated[list[LeafletSection], Field(min_length=1)]

    @model_validator(mode="after")
    def _every_text_in_every_language(self) -> LeafletSpec:
        notices = self.notices
        texts = [self.title, notices.unreviewed, notices.unverified, notices.general]
        texts += [one for section in self.sections for one in (section.title, *section.points)]
        for text in texts:
            if text.in_.keys() != self.languages.keys():
                listed = ", ".join(self.languages) or "none"
                raise ValueError(
                    f"“{text.say}” must stand `in` each of the leaflet's languages, and no other: {listed}"
                )
        return self
