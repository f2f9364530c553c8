"""Every value set and drug table of a rulebook, in one index."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

from cds.terminology.concepts import Coding, Concept, bare
from cds.terminology.drugs import DrugTable
from cds.terminology.phrases import FoundPhrase, PhraseIndex, WordGroup, words_of
from cds.terminology.review_form import ReviewForm
from cds.terminology.statements import NOT_THIS_PATIENTS, Clauses, Cues, Meant
from cds.terminology.unknown_words import LikeWords, UnknownWords
from cds.terminology.value_sets import CodeRange, ValueSet
from cds.terminology.vocabulary import EntryKind, Reading, Vocabulary
from cds.terminology.words import CLAUSE_ENDS, CONTRASTS, NEGATIONS, NEGATIONS_OF_A_REASON, has_a_name

PLAIN_CUES = Cues({Meant.NEGATED: frozenset((word,) for word in NEGATIONS)})
WORDS_BESIDE_NONE = 2
"""Words that may stand beside those that say there is none: "No known allergies (situation)" (project decision)."""


@dataclass(frozen=True)
class TerminologyIndex:
    """Every value set and drug table of a rulebook, in one index: looking a code up costs the same for any number."""

    sets: Mapping[str, ValueSet]
    drugs: Mapping[str, DrugTable]
    vocabulary: Vocabulary | None = None
    review: ReviewForm | None = None
    _bare: dict[tuple[str, ...], frozenset[str]] = field(init=False, repr=False, compare=False, default_factory=dict)
    _unknown: dict[EntryKind, UnknownWords] = field(init=False, repr=False, compare=False, default_factory=dict)
    _exact: dict[tuple[str, str], tuple[str, ...]] = field(init=False, repr=False)
    _roots: dict[tuple[str, str], tuple[str, ...]] = field(init=False, repr=False)
    phrases: PhraseIndex = field(init=False, repr=False, compare=False)
    _full_names: dict[str, tuple[str, ...]] = field(init=False, repr=False)
    _texts: dict[str, tuple[str, ...]] = field(init=False, repr=False)
    _excepted: dict[tuple[str, str], frozenset[str]] = field(init=False, repr=False)
    _longest_root: dict[str, int] = field(init=False, repr=False)
    _ranges: dict[str, tuple[tuple[CodeRange, str], ...]] = field(init=False, repr=False)
    _systems: dict[str, frozenset[str]] = field(init=False, repr=False)
    _systems_of: dict[frozenset[str], frozenset[str]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        exact: dict[tuple[str, str], list[str]] = {}
        roots: dict[tuple[str, str], list[str]] = {}
        full_names: dict[str, list[str]] = {}
        texts: dict[str, list[str]] = {}
        excepted: dict[tuple[str, str], set[str]] = {}
        for code_set in self.sets.values():
            for key in code_set.codes:
                exact.setdefault(key, []).append(code_set.name)
            for key in code_set.roots:
                roots.setdefault(key, []).append(code_set.name)
            for key in code_set.excepted:
                excepted.setdefault(key, set()).add(code_set.name)
            for name in code_set.full_names:
                full_names.setdefault(name, []).append(code_set.name)
            for text in code_set.texts:
                texts.setdefault(text, []).append(code_set.name)
        object.__setattr__(self, "_texts", {text: tuple(found) for text, found in texts.items()})
        object.__setattr__(self, "_full_names", {name: tuple(found) for name, found in full_names.items()})
        object.__setattr__(self, "_exact", {key: tuple(found) for key, found in exact.items()})
        object.__setattr__(self, "_roots", {key: tuple(found) for key, found in roots.items()})
        groups = tuple((code_set.name, group) for code_set in self.sets.values() for group in code_set.names)
        object.__setattr__(self, "phrases", PhraseIndex(groups))
        longest: dict[str, int] = {}
        for system, code in roots:
            longest[system] = max(longest.get(system, 0), len(code))
        object.__setattr__(self, "_longest_root", longest)
        ranges: dict[str, list[tuple[CodeRange, str]]] = {}
        for code_set in self.sets.values():
            for part in code_set.ranges:
                ranges.setdefault(part.system, []).append((part, code_set.name))
        object.__setattr__(self, "_ranges", {system: tuple(found) for system, found in ranges.items()})
        object.__setattr__(
            self,
            "_systems",
            {
                code_set.name: frozenset(
                    [system for system, _ in (*code_set.codes, *code_set.roots, *code_set.excepted)]
                    + [part.system for part in code_set.ranges]
                )
                for code_set in self.sets.values()
            },
        )
        object.__setattr__(self, "_systems_of", {})
        object.__setattr__(self, "_excepted", {key: frozenset(found) for key, found in excepted.items()})

    def sets_with(self, coding: Coding) -> tuple[str, ...]:
        """Names of the value sets that hold a code, itself or as the child of a root."""
        system, code = coding.system, coding.code
        found = self._exact.get((system, code), ())
        longest = self._longest_root.get(system)
        if longest is not None:
            excepted = self._excepted.get((system, code), frozenset())
            for end in range(min(len(code), longest), 0, -1):
                hit = self._roots.get((system, code[:end]))
                if hit is not None:
                    found += tuple(name for name in hit if name not in excepted)
        ranges = self._ranges.get(system)
        return found if ranges is None else found + tuple(name for part, name in ranges if part.holds(coding))

    def words_for(self, concept: Concept) -> str:
        """
        What to call a concept: the sender's words; else our display of its code, with a code below ours in brackets.

        The bare code where neither the sender nor a value set has words for it.
        """
        if concept.text or any(coding.display for coding in concept.codings):
            return concept.words
        for coding in concept.codings:
            for name in self.sets_with(coding):
                value_set = self.sets[name]
                if display := value_set.codes.get((coding.system, coding.code)):
                    return display
                roots = [
                    (len(code), words)
                    for (system, code), words in value_set.roots.items()
                    if system == coding.system and coding.code.startswith(code)
                ]
                if roots:
                    return f"{max(roots)[1]} ({coding.code})"
        return concept.words

    def sets_without(self, coding: Coding) -> frozenset[str]:
        """Names of the value sets that leave a code out by name."""
        return self._excepted.get((coding.system, coding.code), frozenset())

    def sets_of_words_or_codes(self, concept: Concept) -> frozenset[str]:
        """Names of the value sets a concept is in, by whatever evidence."""
        return self.sets_of(concept) | self.sets_named(concept)

    def systems_of(self, sets: frozenset[str]) -> frozenset[str]:
        """The code systems in which some value set has codes."""
        found = self._systems_of.get(sets)  # the same few sets are asked for with each entry
        if found is None:
            found = self._systems_of[sets] = frozenset(system for name in sets for system in self._systems[name])
        return found

    def sets_of(self, concept: Concept) -> frozenset[str]:
        """Names of the value sets some coding of the concept is in, or a whole text by the word of a site."""
        found = frozenset(name for coding in concept.codings for name in self.sets_with(coding))
        return found | self._mapped(concept.said) if self._texts else found

    def _mapped(self, said: Iterable[str]) -> frozenset[str]:
        """Names of the value sets a site says that whole texts are in."""
        return frozenset(name for text in said for name in self._texts.get(bare(text), ()))

    def sets_called(self, concept: Concept) -> frozenset[str]:
        """Names of the value sets that have the concept's text, or a display, as a whole name."""
        return frozenset(name for text in concept.said for name in self._full_names.get(bare(text), ()))

    def sets_named(self, concept: Concept) -> frozenset[str]:
        """Names of the value sets whose words stand in the concept's text or displays (weaker evidence than a code)."""
        return frozenset(one.value_set for one in self._named(concept.said))

    def sets_said(self, concept: Concept) -> frozenset[str]:
        """Value sets of `sets_named` whose words say so, and do not only suggest it."""
        return frozenset(one.value_set for one in self._named(concept.said) if one.group.certain)

    def sets_mentioned(self, texts: Iterable[str]) -> frozenset[str]:
        """
        Names of the value sets that texts speak of: `certain` words, not denied and not said of somebody else.

        Those that are suspected or of the past are among them; abbreviations are not, since in observations they
        commonly stand for something else ("SI", "IMV").
        """
        found: set[str] = set()
        for text in texts:
            places = {one.place for one in self._spelled_out(text)}
            if places:
                found.update(one.value_set for one in self._named_in(text) if one.place in places)
        return frozenset(found)

    def sets_denied(self, text: str) -> frozenset[str]:
        """Names of the value sets of which a text of one clause only says that they are not so; none of any other."""
        clauses = Clauses.of(text)
        if len(set(clauses.clause)) != 1 or self._named_in(text):
            return frozenset()
        return self.sets_negated((text,))

    def sets_negated(self, texts: Iterable[str]) -> frozenset[str]:
        """Names of the value sets of which texts say somewhere that they are not so, of this patient."""
        found: set[str] = set()
        for text in texts:
            spelled_out = self._spelled_out(text)
            if spelled_out:
                clauses = Clauses.of(text)
                places = {at for one in spelled_out for at in range(one.start, one.end)}
                found.update(
                    one.value_set
                    for one in spelled_out
                    if not self._denies_itself(one, clauses)
                    and self._cues.meant(clauses, one.start, one.end, places) is Meant.NEGATED
                )
        return frozenset(found)

    def codes_among(self, codings: tuple[Coding, ...], sets: frozenset[str]) -> bool:
        """Whether a code is in one of some value sets."""
        systems = self.systems_of(sets)
        for one in codings:  # noqa: SIM110 (a generator takes twice as long)
            if one.system in systems and not sets.isdisjoint(self.sets_with(one)):
                return True
        return False

    def may_mention(self, text: str, sets: frozenset[str]) -> bool:
        """Whether a text is the name of one of some value sets, or has a word of one, however it is meant."""
        concept = Concept(text=text)
        if not sets.isdisjoint(self.sets_of(concept)) or not sets.isdisjoint(self.sets_called(concept)):
            return True
        return any(one.value_set in sets for one in self._found_in(text)[0])

    def _spelled_out(self, text: str) -> list[FoundPhrase]:
        """The phrases in a text whose words say so, without abbreviations."""
        words = words_of(text)
        return [
            one
            for one in self._found_in(text)[0]
            if one.group.certain
            and not (one.end - one.start == 1 and words[one.start].upper() in one.group.abbreviations)
        ]

    def _named(self, said: tuple[str, ...]) -> Iterator[FoundPhrase]:
        """Phrases of value sets in texts that are said of this patient, with what only suggests them marked so."""
        return chain.from_iterable(map(self._named_in, said))

    def _named_in(self, text: str) -> Sequence[FoundPhrase]:
        """As `_named`, in one text."""
        titled = self.vocabulary.titled(text) if self.vocabulary is not None else ()
        if titled:  # it says what its code says, and its words no more than that
            return list(self._named_by_title(text, titled))
        found, _ = self._found_in(text)
        if not found:
            return ()
        clauses = Clauses.of(text)
        cues = self._cues
        places = {at for one in found for at in range(one.start, one.end)}
        named = []
        for one in found:
            meant = (
                cues.meant(clauses, one.start, one.end, places) if not self._denies_itself(one, clauses) else Meant.SAID
            )
            if meant is Meant.SAID:
                named.append(one)
            elif meant not in NOT_THIS_PATIENTS:
                named.append(replace(one, group=replace(one.group, certain=False)))
        return named

    @property
    def _cues(self) -> Cues:
        return self.vocabulary.cues if self.vocabulary is not None else PLAIN_CUES

    def _found_in(self, text: str) -> tuple[list[FoundPhrase], frozenset[int]]:
        """As `PhraseIndex.find_with_exceptions`."""
        return self.phrases.find_with_exceptions(text)

    def _named_by_title(self, text: str, codings: Iterable[Coding]) -> Iterator[FoundPhrase]:
        length = len(words_of(text))
        for name in dict.fromkeys(name for coding in codings for name in self.sets_with(coding)):
            yield FoundPhrase(0, length, name, WordGroup((text,)))

    @staticmethod
    def _denies_itself(one: FoundPhrase, clauses: Clauses) -> bool:
        """Whether the phrase begins with a word that denies, so that no other one speaks of it ("no response")."""
        return clauses.words[one.start] in NEGATIONS

    def read(self, concept: Concept, kind: EntryKind) -> Reading:
        """
        Whether it can be told what an entry is: by its codes, or by all of its words.

        Where the rules bring no vocabulary, a legible name is enough.
        """
        vocabulary = self.vocabulary
        if vocabulary is None:
            return Reading.READ if has_a_name(concept) else Reading.SILENT
        sets = self.sets_of(concept)
        sets = frozenset(name for name in sets if vocabulary.says_what(name, kind))
        if sets - vocabulary.says_nothing or vocabulary.places_codes(concept.codings, kind):
            return Reading.READ
        if kind is EntryKind.MEDICATION and any(
            not table.codes_of_another(concept.codings) for table in self.drugs.values()
        ):
            return Reading.READ
        found = {self._read(text, vocabulary, kind) for text in concept.said}
        if kind is EntryKind.MEDICATION and Reading.READ in found:  # the others say its class, its maker, its form
            return Reading.READ
        if Reading.NOT_READ in found:
            return Reading.NOT_READ
        return Reading.READ if Reading.READ in found else Reading.SILENT

    def _read(self, text: str, vocabulary: Vocabulary, kind: EntryKind) -> Reading:
        if vocabulary.places_text(text) or (kind is EntryKind.CONDITION and vocabulary.titled(text)):
            return Reading.READ
        words = words_of(text)
        found, excepted = self._found_in(text)
        covered: set[int] = set(excepted)
        silent: set[int] = set()
        for one in found:
            if one.value_set in vocabulary.none_known and len(words) - (one.end - one.start) <= WORDS_BESIDE_NONE:
                return Reading.READ
            if one.value_set in vocabulary.says_nothing:
                silent.update(range(one.start, one.end))
            elif vocabulary.says_what(one.value_set, kind):
                covered.update(range(one.start, one.end))
        if kind is EntryKind.MEDICATION and any(table.names_one(text) for table in self.drugs.values()):
            return Reading.READ
        if silent and not covered:
            words = tuple(word for at, word in enumerate(words) if at not in silent)
        if kind is not EntryKind.MEDICATION and (
            vocabulary.stands_for_several(text, kind) or (not covered and vocabulary.is_unknown_abbreviation(text))
        ):
            return Reading.NOT_READ
        read = vocabulary.places_words(words, covered, kind)
        if read is Reading.NOT_READ and covered and self._may_be(text, vocabulary, kind) == frozenset():
            return Reading.READ
        return read

    def may_be(self, concept: Concept, kind: EntryKind) -> frozenset[str] | None:
        """Of an entry that was not read: the value sets it may be of; None for any that is looked for."""
        if self.vocabulary is None or kind is EntryKind.MEDICATION:
            return None
        found: set[str] = set()
        for text in concept.said:
            if self._read(text, self.vocabulary, kind) is Reading.NOT_READ:
                some = self._may_be(text, self.vocabulary, kind)
                if some is None:
                    return None
                found |= some
        return frozenset(found)

    def _may_be(self, text: str, vocabulary: Vocabulary, kind: EntryKind) -> frozenset[str] | None:
        if several := vocabulary.stands_for_several(text, kind):
            return several
        found, excepted = self._found_in(text)
        covered: dict[int, set[str]] = {at: set() for at in excepted}
        for one in found:
            if one.value_set not in vocabulary.says_nothing and vocabulary.says_what(one.value_set, kind):
                for at in range(one.start, one.end):
                    covered.setdefault(at, set()).add(one.value_set)
        said = Clauses.of(text)
        unknown = vocabulary.unknown(said.words, covered, kind)
        return self._unknown_words(vocabulary, kind).may_be(said, unknown, covered) if unknown else None

    def _unknown_words(self, vocabulary: Vocabulary, kind: EntryKind) -> UnknownWords:
        found = self._unknown.get(kind)
        if found is None:
            every = vocabulary.looked_for.get(kind, frozenset(self.sets))
            words = {name: self.sets[name].words for name in every if name in self.sets}
            nothing = vocabulary.ignored | vocabulary.articles | vocabulary.joining
            found = self._unknown[kind] = UnknownWords(
                every,
                vocabulary.suspicious.get(kind, ()),
                vocabulary.articles,
                vocabulary.joining,
                LikeWords(words, nothing, vocabulary.near_match),
            )
        return found

    def unrecognisable(self, table: DrugTable, concept: Concept) -> bool:
        """Whether a medication that no row of a table is may be one of the table all the same."""
        if self.vocabulary is None:
            return table.unrecognisable(concept)
        if table.is_of_a_class(concept):
            return True
        return self.read(concept, EntryKind.MEDICATION) is not Reading.READ

    def codes_of_another(self, codings: tuple[Coding, ...]) -> bool:
        """Whether no code is in a value set."""
        return not any(map(self.sets_with, codings))

    def codes_of_another_drug(self, codings: tuple[Coding, ...]) -> bool:
        """Whether no code is in a value set or a drug table."""
        return self.codes_of_another(codings) and all(table.codes_of_another(codings) for table in self.drugs.values())

    def places_code(self, codings: tuple[Coding, ...], kind: EntryKind) -> bool:
        """Whether a code says by itself what an entry is."""
        return self.vocabulary is not None and self.vocabulary.places_codes(codings, kind)

    def places_observation(self, concept: Concept) -> bool:
        """
        Whether the code or the name of an observation says that it is another than those that are in value sets.

        Every word of a name must be known, and one of them must name a thing: single words of a value set do not say
        what is measured. Where the rules bring no vocabulary, any name says it.
        """
        vocabulary = self.vocabulary
        if vocabulary is None or vocabulary.places_codes(concept.codings, EntryKind.OBSERVATION):
            return True
        kind, found = EntryKind.OBSERVATION, Reading.SILENT
        for text in concept.said:
            if vocabulary.places_text(text):
                return True
            read = vocabulary.places_words(words_of(text), (), kind)
            if read is Reading.NOT_READ or vocabulary.is_unknown_abbreviation(text):
                return False
            found = read if read is Reading.READ else found
        return found is Reading.READ

    def words_of_another(self, said: tuple[str, ...], kind: EntryKind, *, placed: bool) -> bool:
        """Whether it can be told from texts what an entry is (where no code `placed` it), and it is in no value set."""
        if self._texts and self._mapped(said):
            return False
        concept = Concept(text="") if not said else Concept(tuple(Coding("", "", text) for text in said))
        if not placed and self.read(concept, kind) is not Reading.READ:
            return False
        if kind is EntryKind.MEDICATION and any(table.names_one(*said) for table in self.drugs.values()):
            return False
        if kind is EntryKind.MEDICATION and self.vocabulary is None:
            return not any(True for _ in self._named(said)) and not any(
                table.unrecognisable(concept) for table in self.drugs.values()
            )
        return not any(True for _ in self._named(said))

    def places_elsewhere(self, place: tuple[Concept, ...], sets: frozenset[str]) -> bool:
        """
        Whether class and types of an encounter say that it is of none of some value sets.

        One of them must say so, and none be theirs.
        """
        said = [self.elsewhere(concept, sets) for concept in place]
        return True in said and False not in said

    def elsewhere(self, place: Concept, sets: frozenset[str]) -> bool | None:
        """
        Whether a class or type of an encounter says that it is of none of some value sets; None: it says nothing.

        A code of a system in which they have codes says so, where no code and no word is of theirs.
        """
        if not sets.isdisjoint(self.sets_of_words_or_codes(place)):
            return False
        systems = self.systems_of(sets)
        return True if any([one.system in systems and one.code for one in place.codings]) else None  # noqa: C419 (as above)

    def sets_claimed(self, concept: Concept) -> frozenset[str]:
        """
        Names of the value sets whose words the concept's text or displays claim to be so.

        As `sets_named`, but a "no" or "not" anywhere before the words in their clause, or after them up to a comma,
        takes the claim back ("not because of side effects or lack of efficacy"). For reasons: here a claim that is
        missed is asked for, one that was never made would count.
        """
        found: set[str] = set()
        for text in (concept.text, *(coding.display for coding in concept.codings)):
            if not text or not self._found_in(text)[0]:
                continue
            for clause in CLAUSE_ENDS.split(text):
                found.update(self._claimed(clause))
        return frozenset(found)

    def _claimed(self, clause: str) -> set[str]:
        found: set[str] = set()
        negated = False
        for part in clause.split(","):
            words = words_of(part)
            phrases = [one for one in self._found_in(part)[0] if one.group.certain]
            own = {at for one in phrases if words[one.start] in NEGATIONS for at in range(one.start, one.end)}
            before = [negated] * (len(words) + 1)
            for at, word in enumerate(words):
                negates = word in NEGATIONS_OF_A_REASON and at not in own
                before[at + 1] = word not in CONTRASTS and (before[at] or negates)
            after = [False] * (len(words) + 1)
            for at in range(len(words) - 1, -1, -1):
                negates = words[at] in NEGATIONS_OF_A_REASON and at not in own
                after[at] = words[at] not in CONTRASTS and (after[at + 1] or negates)
            for one in phrases:
                if not before[one.start] and not after[one.end]:
                    found.add(one.value_set)
            negated = before[-1]
        return found

    def times_a_day(self, concept: Concept) -> float | None:
        """How many times a day a code, or a whole text, says; None where the rules know none."""
        known = self._frequencies()
        if known is None:
            return None
        for coding in concept.codings:
            if (times := known.answers.get((coding.system, coding.code))) is not None:
                return times
        return next(
            (known.answers_in_words[bare(one)] for one in concept.said if bare(one) in known.answers_in_words), None
        )

    def times_a_day_in(self, text: str) -> frozenset[float]:
        """Every number of times a day that stands in a text (see `bare`); of words in longer ones, the longer."""
        known = self._frequencies()
        said = [words for words in known.answers_in_words if words in text] if known is not None else []
        longest = [words for words in said if not any(words != other and words in other for other in said)]
        return frozenset(known.answers_in_words[words] for words in longest) if known is not None else frozenset()

    def _frequencies(self) -> ValueSet | None:
        return self.sets.get(self.vocabulary.frequencies) if self.vocabulary is not None else None

    def bare_codes(self, sets: tuple[str, ...]) -> frozenset[str]:
        """The codes of some value sets without their systems, as a query that asks for them names them."""
        found = self._bare.get(sets)
        if found is None:
            found = self._bare[sets] = frozenset(code for name in sets for _, code in self.sets[name].codes)
        return found

    def for_one_record(self) -> RecordTerminologyIndex:
        """The same index with a memory, for one record."""
        return RecordTerminologyIndex(self)

    def answer(self, concept: Concept, sets: Iterable[str]) -> float | None:
        """The number a coded answer stands for in one of the sets; None if in none."""
        for name in sets:
            for coding in concept.codings:
                value = self.sets[name].answers.get((coding.system, coding.code))
                if value is not None:
                    return value
        return None


class RecordTerminologyIndex(TerminologyIndex):
    """
    An index for as long as one record is read: what a text or a concept says is worked out once.

    A service forgets it with the record, since nothing a chart says outlives its request; see `CohortTerminologyIndex`.
    """

    _readings: dict[tuple[Concept, EntryKind], Reading]
    _text_readings: dict[tuple[str, EntryKind], Reading]
    _coded: dict[Concept, frozenset[str]]
    _claimed_by: dict[Concept, frozenset[str]]
    _found: dict[str, tuple[list[FoundPhrase], frozenset[int]]]
    _said: dict[str, Sequence[FoundPhrase]]

    def __init__(self, codes: TerminologyIndex) -> None:
        self.__dict__.update(
            vars(codes), _readings={}, _text_readings={}, _coded={}, _claimed_by={}, _found={}, _said={}
        )

    def read(self, concept: Concept, kind: EntryKind) -> Reading:
        """As for any record; each concept once."""
        found = self._readings.get((concept, kind))
        if found is None:
            found = self._readings[concept, kind] = super().read(concept, kind)
        return found

    def sets_of(self, concept: Concept) -> frozenset[str]:
        """As for any record; each concept once."""
        found = self._coded.get(concept)
        if found is None:
            found = self._coded[concept] = super().sets_of(concept)
        return found

    def sets_claimed(self, concept: Concept) -> frozenset[str]:
        """As for any record; each concept once."""
        found = self._claimed_by.get(concept)
        if found is None:
            found = self._claimed_by[concept] = super().sets_claimed(concept)
        return found

    def _found_in(self, text: str) -> tuple[list[FoundPhrase], frozenset[int]]:
        found = self._found.get(text)
        if found is None:
            found = self._found[text] = super()._found_in(text)
        return found

    def _named_in(self, text: str) -> Sequence[FoundPhrase]:
        found = self._said.get(text)
        if found is None:
            found = self._said[text] = super()._named_in(text)
        return found

    def _read(self, text: str, vocabulary: Vocabulary, kind: EntryKind) -> Reading:
        found = self._text_readings.get((text, kind))
        if found is None:
            found = self._text_readings[text, kind] = super()._read(text, vocabulary, kind)
        return found
