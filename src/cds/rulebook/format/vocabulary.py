"""The format of a site's vocabulary: what its own codes and texts mean, or that they are nothing any rule looks for."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import Field, StringConstraints, model_validator

from cds.yaml_source.fields import Names, Slug, Strict, Text, listed

OTHER = "other"


class SiteVocabularyHeader(Strict):
    """Who decided what the entries mean, why, and when they must be looked at again."""

    because: Text
    by: Text
    review: date


class SiteVocabularyEntry(Strict):
    """One code or one whole text of the site, and what it means."""

    code: Annotated[
        str | None, StringConstraints(pattern=r"^\S+\|\S+$"), Field(description="system|code, as the EHR sends it.")
    ] = None
    text: Annotated[
        Text | None, Field(description="The whole text; case, accents, spaces and punctuation are not compared.")
    ] = None
    display: Annotated[Text | None, Field(description="What the site calls the code.")] = None
    means: Annotated[
        Names | None,
        Field(description=f"One or more value sets; or `{OTHER}` for what no rule looks for."),
    ] = None
    drug: Annotated[Slug | None, Field(description="The drug of a drug table it is.")] = None

    @model_validator(mode="after")
    def _one_of_each(self) -> SiteVocabularyEntry:
        if (self.code is None) == (self.text is None):
            raise ValueError("write `code` or `text`")
        if self.code is not None and self.display is None:
            raise ValueError("write `display`, so that a reader knows what the code is")
        if (self.means is None) == (self.drug is None):
            raise ValueError("write `means` or `drug`")
        if OTHER in listed(self.means) and len(listed(self.means)) > 1:
            raise ValueError(f"`{OTHER}` goes with no value set")
        return self

    @property
    def sets(self) -> tuple[str, ...]:
        """The value sets it is in; none for another thing."""
        return tuple(name for name in listed(self.means) if name != OTHER)

    @property
    def is_other(self) -> bool:
        """Whether no rule looks for it."""
        return listed(self.means) == (OTHER,)

    @property
    def system_and_code(self) -> tuple[str, str] | None:
        """The code as it is written; None for a text."""
        if self.code is None:
            return None
        system, _, code = self.code.rpartition("|")
        return system, code


class SiteVocabularyFile(Strict):
    """vocabulary.yaml: what codes and texts of one site mean."""

    vocabulary: SiteVocabularyHeader
    entries: Annotated[list[SiteVocabularyEntry], Field(min_length=1)]


SCHEMAS = {"vocabulary.schema.json": SiteVocabularyFile}
