"""The format of a site's wording: other words, or a translation, for the texts of one rule file."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from cds.rulebook.format.value_set import Language
from cds.yaml_source.fields import Slug, Strict, Text

ENGLISH = "en"  # the language the shipped rules are written in


class WordingHeader(Strict):
    """Whose texts they are, of which version, and who answers for the words."""

    of: Annotated[Slug, Field(description="Id of the rule file whose texts these are.")]
    version: Annotated[
        str, StringConstraints(pattern=r"^\d+\.\d+\.\d+$"), Field(description="The version they were written from.")
    ]
    language: Language = ENGLISH
    because: Text
    by: Text
    review: date


class WordingFile(Strict):
    """wording/ID.yaml: texts in place of those of a rule file, at the same keys; lists by number, from 1."""

    wording: WordingHeader
    texts: Annotated[
        dict[str, Any], Field(min_length=1, description="As in the rule file; a part of a list by its number.")
    ]


SCHEMAS = {"wording.schema.json": WordingFile}
