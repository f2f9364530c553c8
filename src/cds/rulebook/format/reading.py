"""rules/reading/reading.yaml: how an entry is read that no code of a value set names."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from cds.rulebook.format.value_set import Language
from cds.yaml_source.fields import Names, Slug, Strict, Text, ValueSetName

ValueSetSlug = Annotated[Slug, ValueSetName()]
Kind = Literal["condition", "procedure", "medication", "allergy", "referral", "observation"]


class ReadingHeader(Strict):
    """The tables beside the file."""

    title: Text
    condition_words: Annotated[str, Field(description="File of words of conditions, one a line.")]
    drug_words: Annotated[str, Field(description="File of names of drugs, one a line.")]
    categories: Annotated[str, Field(description="CSV of the categories of ICD-10-CM: code and title.")]
    near_match: Annotated[
        int,
        Field(
            ge=50,
            le=100,
            description="Of 100: how alike an unknown word must be to one of a value set to be of it.",
        ),
    ]
    titles: Annotated[str, Field(description="CSV of titles of ICD-10-CM that are read as their code: code and title.")]


class ClosedSystems(Strict):
    """Code systems whose codes say by themselves what an entry of some kinds is."""

    for_: Annotated[list[Kind], Field(alias="for", min_length=1)]
    systems: Annotated[list[Text], Field(min_length=1)]


class WithoutCodes(Strict):
    """Value sets that have no code of a system, and why."""

    sets: Annotated[Names, ValueSetName()]
    because: Text


class SystemMap(Strict):
    """A code system that value sets with codes of another have codes of, too, unless it says why not."""

    system: Text
    of: Annotated[Text, Field(description="The system whose value sets have codes of this one.")]
    read: Annotated[Text, Field(description="What was read to find them.")]
    without: list[WithoutCodes] = []


class WordList(Strict):
    """Words of one source; blanks stand between them."""

    source: Text
    words: str


class WordsOfKinds(WordList):
    """Words that stand for something in entries of some kinds only."""

    for_: Annotated[
        list[Kind] | None, Field(alias="for", min_length=1, description="Only in entries of these kinds.")
    ] = None


class SuspiciousWords(WordList):
    """Words that may stand for something a rule looks for among some kinds of entries."""

    for_: Annotated[list[Kind], Field(alias="for", min_length=1)]
    never_of: Annotated[
        list[ValueSetSlug],
        Field(description="Value sets that none of them stands for by itself; without, they may be of any."),
    ] = []


class WholeNames(Strict):
    """Whole names of one source."""

    source: Text
    names: list[Text] = []
    never_beside: Annotated[
        list[Text], Field(description="Words in a text that make such a name say something else.")
    ] = []


class CueWords(Strict):
    """Words that change what is said, by where they stand."""

    before: list[Text] = []
    after: list[Text] = []


class AmbiguousAbbreviations(Strict):
    """Abbreviations that stand for several things."""

    source: Text
    means: Annotated[
        dict[Text, list[ValueSetSlug]],
        Field(description="Abbreviation, in capitals → value sets it may be of besides those that list it."),
    ]


class LanguageCues(Strict):
    """Words of one language that say that something is not so, of somebody else, of the past, or only suspected."""

    language: Language
    source: Text
    verified: bool
    negated: CueWords = CueWords()
    family: CueWords = CueWords()
    history: CueWords = CueWords()
    uncertain: CueWords = CueWords()
    unless: Annotated[list[Text], Field(description="Phrases in which such a word says something else.")] = []
    between: Annotated[
        list[Text], Field(description="Words behind a denial that let it speak of something else: no growth of.")
    ] = []
    denials: Annotated[
        list[Text], Field(description="Those of `negated` that another negation denies: does not deny, ontkent … niet.")
    ] = []
    contrasts: Annotated[list[Text], Field(description="Words that end the scope of such words: but.")] = []


class ReadingFile(Strict):
    """What says what an entry is, beside the codes and words of value sets and drug tables."""

    reading: ReadingHeader
    closed_systems: list[ClosedSystems] = []
    maps: Annotated[
        list[SystemMap], Field(description="Systems that value sets have codes of, and why some have none.")
    ] = []
    says_nothing: Annotated[
        list[ValueSetSlug], Field(description="Value sets of codes and words that say nothing.")
    ] = []
    none_known: Annotated[
        list[ValueSetSlug], Field(description="Value sets of codes and words that say there is none.")
    ] = []
    frequencies: Annotated[ValueSetSlug | None, Field(description="Value set of how often a medicine is taken.")] = None
    counts: Annotated[list[WordList], Field(description="Words that count: two, half.")] = []
    ignored: Annotated[list[WordsOfKinds], Field(description="Words that say nothing of what an entry is.")] = []
    articles: Annotated[list[WordList], Field(description="Words of other languages that add nothing.")] = []
    joining: Annotated[
        list[WordList], Field(description="Words after which a second thing may follow: and, with.")
    ] = []
    suspicious: list[SuspiciousWords] = []
    plain: Annotated[
        list[WordsOfKinds],
        Field(description="Words of other things; without `for`, of all entries but medications."),
    ] = []
    plain_drugs: list[WordList] = []
    others: list[WholeNames] = []
    ambiguous: list[AmbiguousAbbreviations] = []
    cues: list[LanguageCues] = []


SCHEMAS: dict[str, type[BaseModel]] = {"reading.schema.json": ReadingFile}
