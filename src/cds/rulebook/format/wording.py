"""The format of a site's wording: other words, or a translation, for the texts of one rule file."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from cds.locale.catalog import ENGLISH
from cds.rulebook.format.value_set import Language
from cds.yaml_source.fields import Slug, Strict, Text


class WordingHeader(Strict):
    """Whose texts they are, of which version, and who answers for the words."""

    of: Annotated[Slug, Field(description="Id of the rule file whose texts these are; or review, packet or valuesets.")]
    version: Annotated[
        str | None,
        StringConstraints(pattern=r"^\d+\.\d+\.\d+$"),
        Field(description="The version they were written from; value sets have none."),
    ] = None
    language: Language = ENGLISH
    because: Text
    by: Text
    review: date


class WordingFile(Strict):
    """wording/ID.yaml: texts in place of those of a file, at the same keys; lists by number, from 1."""

    wording: WordingHeader
    texts: Annotated[
        dict[str, Any],
        Field(
            min_length=1,
            description="As in the file; a part of a list by its number. Value sets: below the id of each.",
        ),
    ]


SCHEMAS = {"wording.schema.json": WordingFile}
