"""What to look for in a record: the facts of a rulebook with every parameter, window and value set in place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from cds.logic.truth import Truth
from cds.terminology.phrases import FoundPhrase, PhraseIndex, words_of
from cds.terminology.value_sets import ATC, RXNORM, CodeRange, CodeSet, Coding, Concept, bare

NEGATIONS = frozenset({"no", "not", "without", "denies", "denied", "never"})
# In a stop reason also the halves of "wasn't" and "rather than"; and words of a contrast, after which no "not" reaches.
NEGATIONS_OF_A_REASON = NEGATIONS | {
    "nor", "neither", "none", "cannot", "rather", "unrelated", "excluded",
    "isn", "wasn", "weren", "aren", "didn", "doesn",
}  # fmt: skip
CONTRASTS = frozenset({"but", "however", "although", "though", "yet"})
CLAUSE_ENDS = re.compile(r"[.;:!?()\[\]|\n]|\s[-\u2010-\u2015]+\s")
LETTERS_OF_A_CODE = 1  # "I71.4" has one letter beside its digits; "MI" is a word


def has_a_name(concept: Concept) -> bool:
    """Whether there is a word in it; a letter or two of a code are none."""
    return _is_a_name(_words_in(concept.said))


def _words_in(said: tuple[str, ...]) -> list[str]:
    return [word for text in said for word in words_of(text)]


def _is_a_name(words: list[str]) -> bool:
    return any([len(word) > LETTERS_OF_A_CODE for word in words])  # noqa: C419 (a generator takes twice as long)


@dataclass(frozen=True, slots=True)
class Product:
    """
    One clinical or branded drug of a drug table.

    Attributes:
        ingredient: Key of the drug it counts as.
        strength_mg: Milligrams of that ingredient per unit; None for packs of several strengths.
        per: The unit: tablet, capsule, mL, hour (patch), pack.
        form: tablet, capsule, liquid, transdermal, pack.
        beside: Other ingredients in the same product.
        trial: False for products that are never an antidepressant trial (smoking cessation, weight, insomnia).
        note: Why not.
    """

    ingredient: str
    strength_mg: float | None
    per: str
    form: str
    beside: tuple[str, ...]
    trial: bool
    note: str


@dataclass(frozen=True, slots=True)
class Drug:
    """
    One row of a drug table.

    Attributes:
        key: Its name in the table, the ingredient.
        drug_class: SSRI, SNRI, …; "" if none.
        molecule: The same for drugs of one molecule (an enantiomer, a metabolite); the key where there is no other.
        role: antidepressant, augmentation, target or none.
        counts_as_trial: any, transdermal or never.
        minimum_mg_a_day: Column name (minimum, strict_minimum) → milligrams a day; a missing column is unknown.
    """

    key: str
    drug_class: str
    role: str
    counts_as_trial: str
    minimum_mg_a_day: Mapping[str, float]
    molecule: str = ""


@dataclass(frozen=True, slots=True)
class Recognised:
    """
    What a medication was recognised as.

    Attributes:
        drug: The row of the table.
        product: The product, if its code was known.
        by_name: Recognised by words, not by a code: weaker evidence.
    """

    drug: Drug
    product: Product | None
    by_name: bool


@dataclass(frozen=True, slots=True)
class DrugTable:
    """
    Drugs by code and by name.

    Attributes:
        name: File stem under rules/tables.
        drugs: Key → row.
        products: RxNorm code of a clinical or branded drug → product.
        ingredient_codes: (system, code) → key.
        names: Lower-case words of an ingredient or brand → key.
        not_a_name: Words that say nothing about which drug it is ("investigational"); with them, or without any
            word at all, a medication stays unrecognised.
        class_codes: (system, code) roots whose members are such drugs although no row is known (ATC N06A).
    """

    name: str
    drugs: Mapping[str, Drug]
    products: Mapping[str, Product]
    ingredient_codes: Mapping[tuple[str, str], str]
    names: Mapping[tuple[str, ...], str]
    not_a_name: frozenset[str] = frozenset()
    class_codes: tuple[tuple[str, str], ...] = ()
    _first_words: frozenset[str] = field(init=False, repr=False, compare=False)
    _systems: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_first_words", frozenset(name[0] for name in self.names if name))
        systems = {RXNORM, *(system for system, _ in (*self.ingredient_codes, *self.class_codes))}
        object.__setattr__(self, "_systems", frozenset(systems))

    def recognise(self, concept: Concept) -> Recognised | None:
        """The drug a medication is: by product code, then ingredient code, then name; None if it is none of ours."""
        if (coded := self._coded(concept)) is not None:
            return coded
        for text in concept.said:
            if key := self._named(text):
                return Recognised(self.drugs[key], None, by_name=True)
        return None

    def _coded(self, concept: Concept) -> Recognised | None:
        for coding in concept.codings:
            if coding.system == RXNORM and (product := self.products.get(coding.code)):
                return Recognised(self.drugs[product.ingredient], product, by_name=False)
        for coding in concept.codings:
            if key := self.ingredient_codes.get((coding.system, coding.code)):
                return Recognised(self.drugs[key], None, by_name=False)
        return None

    def _named(self, text: str) -> str | None:
        words = words_of(text)
        if self._first_words.isdisjoint(words):
            return None
        best: tuple[int, str] | None = None
        for start in range(len(words)):
            for length in (3, 2, 1):
                key = self.names.get(words[start : start + length])
                if key is not None and (best is None or length > best[0]):
                    best = (length, key)
        return best[1] if best else None

    def unrecognisable(self, concept: Concept) -> bool:
        """
        Whether nobody could tell from this concept which drug it is, so that it may be one of ours.

        True without any name in words, with a name that names nothing, or with a code of a class of ours
        (ATC N06A…) that no row knows. A medication with a legible name that is none of ours is simply another drug.
        """
        for coding in concept.codings:
            for system, root in self.class_codes:
                if coding.system == system and coding.code.startswith(root):
                    return True
            if coding.system == ATC and coding.code:
                return False
        return not self._tells(_words_in(concept.said))

    def codes_of_another(self, codings: tuple[Coding, ...]) -> bool:
        """Whether no code is of one of these drugs, or of a class of ours."""
        for coding in codings:
            if coding.system in self._systems and (
                coding.code in self.products
                or (coding.system, coding.code) in self.ingredient_codes
                or any(coding.system == system and coding.code.startswith(root) for system, root in self.class_codes)
            ):
                return False
        return True

    def words_of_another(self, said: tuple[str, ...], words: list[str]) -> bool:
        """Whether texts, and the words in them, tell which drug it is, and it is none of ours."""
        return self._tells(words) and (self._first_words.isdisjoint(words) or not any(map(self._named, said)))

    def _tells(self, words: list[str]) -> bool:
        return any([len(word) > 3 and word not in self.not_a_name for word in words])  # noqa: C419 (as above)


@dataclass(frozen=True)
class Codes:
    """Every value set and drug table of a rulebook, in one index: looking a code up costs the same for any number."""

    sets: Mapping[str, CodeSet]
    drugs: Mapping[str, DrugTable]
    _bare: dict[tuple[str, ...], frozenset[str]] = field(init=False, repr=False, compare=False, default_factory=dict)
    _exact: dict[tuple[str, str], tuple[str, ...]] = field(init=False, repr=False)
    _roots: dict[tuple[str, str], tuple[str, ...]] = field(init=False, repr=False)
    phrases: PhraseIndex = field(init=False, repr=False, compare=False)
    _full_names: dict[str, tuple[str, ...]] = field(init=False, repr=False)
    _excepted: dict[tuple[str, str], frozenset[str]] = field(init=False, repr=False)
    _longest_root: dict[str, int] = field(init=False, repr=False)
    _ranges: dict[str, tuple[tuple[CodeRange, str], ...]] = field(init=False, repr=False)
    _systems: dict[str, frozenset[str]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        exact: dict[tuple[str, str], list[str]] = {}
        roots: dict[tuple[str, str], list[str]] = {}
        full_names: dict[str, list[str]] = {}
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

    def sets_without(self, coding: Coding) -> frozenset[str]:
        """Names of the value sets that leave a code out by name."""
        return self._excepted.get((coding.system, coding.code), frozenset())

    def sets_of_words_or_codes(self, concept: Concept) -> frozenset[str]:
        """Names of the value sets a concept is in, by whatever evidence."""
        return self.sets_of(concept) | self.sets_named(concept)

    def systems_of(self, sets: Iterable[str]) -> frozenset[str]:
        """The code systems in which some value set has codes."""
        return frozenset(system for name in sets for system in self._systems[name])

    def sets_of(self, concept: Concept) -> frozenset[str]:
        """Names of the value sets some coding of the concept is in."""
        return frozenset(name for coding in concept.codings for name in self.sets_with(coding))

    def sets_called(self, concept: Concept) -> frozenset[str]:
        """Names of the value sets that have the concept's text, or a display, as a whole name."""
        return frozenset(name for text in concept.said for name in self._full_names.get(bare(text), ()))

    def sets_named(self, concept: Concept) -> frozenset[str]:
        """Names of the value sets whose words stand in the concept's text or displays (weaker evidence than a code)."""
        return frozenset(one.value_set for one in self._named(concept.said))

    def sets_said(self, concept: Concept) -> frozenset[str]:
        """Those of `sets_named` whose words say so, and do not only suggest it."""
        return frozenset(one.value_set for one in self._named(concept.said) if one.group.certain)

    def _named(self, said: tuple[str, ...]) -> Iterator[FoundPhrase]:
        for text in said:
            words: tuple[str, ...] = ()
            for one in self.phrases.find(text):
                words = words or words_of(text)
                if words[one.start] in NEGATIONS or not set(words[max(0, one.start - 2) : one.start]) & NEGATIONS:
                    yield one

    def sets_claimed(self, concept: Concept) -> frozenset[str]:
        """
        Names of the value sets whose words the concept's text or displays claim to be so.

        As `sets_named`, but a "no" or "not" anywhere before the words in their clause, or after them up to a comma,
        takes the claim back ("not because of side effects or lack of efficacy"). For reasons: here a claim that is
        missed is asked for, one that was never made would count.
        """
        found: set[str] = set()
        for text in (concept.text, *(coding.display for coding in concept.codings)):
            if not text or not self.phrases.find(text):
                continue
            for clause in CLAUSE_ENDS.split(text):
                found.update(self._claimed(clause))
        return frozenset(found)

    def _claimed(self, clause: str) -> set[str]:
        found: set[str] = set()
        negated = False
        for part in clause.split(","):
            words = words_of(part)
            phrases = [one for one in self.phrases.find(part) if one.group.certain]
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

    def codes_of_another(self, codings: tuple[Coding, ...]) -> bool:
        """Whether no code is in a value set."""
        return not any(map(self.sets_with, codings))

    def words_of_another(self, said: tuple[str, ...]) -> bool:
        """Whether texts tell what something is, and it is in no value set: what bears no name may be anything."""
        return self._words_of_another(said, _words_in(said))

    def codes_of_another_drug(self, codings: tuple[Coding, ...]) -> bool:
        """Whether no code is in a value set or a drug table."""
        return self.codes_of_another(codings) and all(table.codes_of_another(codings) for table in self.drugs.values())

    def words_of_another_drug(self, said: tuple[str, ...]) -> bool:
        """Whether texts tell which drug it is, and it is in no value set and no drug table."""
        words = _words_in(said)
        return self._words_of_another(said, words) and all(
            table.words_of_another(said, words) for table in self.drugs.values()
        )

    def _words_of_another(self, said: tuple[str, ...], words: list[str]) -> bool:
        return _is_a_name(words) and not any(True for _ in self._named(said))

    def bare_codes(self, sets: tuple[str, ...]) -> frozenset[str]:
        """The codes of some value sets without their systems, as a query that asks for them names them."""
        found = self._bare.get(sets)
        if found is None:
            found = self._bare[sets] = frozenset(code for name in sets for _, code in self.sets[name].codes)
        return found

    def answer(self, concept: Concept, sets: Iterable[str]) -> float | None:
        """The number a coded answer stands for in one of the sets; None if in none."""
        for name in sets:
            for coding in concept.codings:
                value = self.sets[name].answers.get((coding.system, coding.code))
                if value is not None:
                    return value
        return None


@dataclass(frozen=True, slots=True)
class Wanted:
    """
    One fact to look for.

    Attributes:
        name: As in the rule file.
        label: What a clinician reads.
        look_back_days: Older entries are too old to answer; None for no window.
    """

    name: str
    label: str
    look_back_days: int | None


@dataclass(frozen=True, slots=True)
class WantedAge(Wanted):
    """Age in completed years on the day of the answer."""


@dataclass(frozen=True, slots=True)
class WantedSex(Wanted):
    """Whether the administrative gender is one of those listed."""

    is_one_of: frozenset[str]


@dataclass(frozen=True, slots=True)
class WantedSetting(Wanted):
    """
    What a site or a definition chose; known before any patient.

    Attributes:
        parameter: Name of the parameter.
        value: Its value in force.
        truth: Whether that is one of those asked for.
    """

    parameter: str
    value: str
    truth: Truth


@dataclass(frozen=True, slots=True)
class WantedDeceased(Wanted):
    """Whether the record says that the patient has died."""


@dataclass(frozen=True, slots=True)
class WantedTrace(Wanted):
    """
    Whether some entry may be one of several facts that are not known for certain.

    Attributes:
        of: Names of the facts.
    """

    of: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WantedPresence(Wanted):
    """
    Whether something is recorded.

    Attributes:
        coded: Value sets that make it present.
        possibly_coded: Value sets that make it "possible, not confirmed".
        if_none_found: FALSE or UNKNOWN when the data were sent whole and hold no match.
        because: The author's reason for that.
    """

    coded: tuple[str, ...]
    possibly_coded: tuple[str, ...]
    if_none_found: Truth
    because: str


@dataclass(frozen=True, slots=True)
class WantedDiagnosis(WantedPresence):
    """
    A Condition.

    Attributes:
        statuses: clinicalStatus codes that count; None for any. A Condition without one counts as active.
        undated: What a match without a date is when there is a window: counts (TRUE) or UNKNOWN.
    """

    statuses: frozenset[str] | None
    undated: Truth


@dataclass(frozen=True, slots=True)
class WantedMedication(WantedPresence):
    """A medication by ingredient: taken now (`current`) or at any time in the window."""

    current: bool


@dataclass(frozen=True, slots=True)
class WantedProcedure(WantedPresence):
    """A Procedure that was done or is under way."""


@dataclass(frozen=True, slots=True)
class WantedAllergy(WantedPresence):
    """
    An AllergyIntolerance; a resolved one, or an `intolerance`, is possible rather than present.

    Attributes:
        unless_only: Value sets of effects; an intolerance of which nothing else is recorded does not count.
        only: Value sets of effects; nothing but such an intolerance counts. Empty for no such limit.
    """

    unless_only: tuple[str, ...] = ()
    only: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WantedReferral(WantedPresence):
    """A ServiceRequest with one of these statuses."""

    statuses: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class WantedDraftOrder(Wanted):
    """
    An order being written right now.

    Attributes:
        coded: Value sets that make it the wanted one.
        drugs: Drug table of whose antidepressants it is one, "" for none.
        different_from: Name of a trials fact: a drug that is among them is not new; "" for none.
        if_none_found: FALSE or UNKNOWN when the orders were sent and none is the wanted one.
        because: The author's reason for that.
    """

    coded: tuple[str, ...]
    drugs: str
    different_from: str
    if_none_found: Truth
    because: str


@dataclass(frozen=True, slots=True)
class WantedPlaceOfOrder(Wanted):
    """
    Which drug of the episode an order would be.

    Attributes:
        order: Name of the draft order fact.
        after: Name of the trials fact.
    """

    order: str
    after: str


@dataclass(frozen=True, slots=True)
class WantedTreatment(Wanted):
    """
    A treatment that has other uses, given or ordered in the window.

    Attributes:
        coded: Value sets of the drug and its sessions.
        always: Value sets of what has no other use.
        given_for: Value sets of reasons (reasonCode) for which it is the treatment; any other coded reason is not.
        own_places, other_places: Value sets of encounters in which it is the treatment, or another use.
        repeated: Sessions on so many days are the treatment, wherever they were; None for no such number.
        because: The author's reason for "not recorded".
    """

    coded: tuple[str, ...]
    always: tuple[str, ...]
    given_for: tuple[str, ...]
    own_places: tuple[str, ...]
    other_places: tuple[str, ...]
    repeated: int | None
    because: str


@dataclass(frozen=True, slots=True)
class WantedCourse(Wanted):
    """
    Whether the latest course of a treatment that is over brought no response.

    Attributes:
        treatment: Name of the treatment fact.
        ended_before_days: A course is over when its last day is longer ago; courses so far apart are two.
        sessions, lasts_days: So many sessions, or so long, make a course.
        stopped_for: Value sets of stop reasons that say it was ineffective.
        score: Name of the number fact that shows response.
        falls_less_than: Percent; a smaller fall is no response.
        baseline_before_days: Window of the first score before the first day.
        end_before_days, end_after_days: Window of the last score around the last day.
    """

    treatment: str
    ended_before_days: int
    sessions: int
    lasts_days: int
    stopped_for: tuple[str, ...]
    score: str
    falls_less_than: float
    baseline_before_days: int
    end_before_days: int
    end_after_days: int


@dataclass(frozen=True, slots=True)
class WantedSymptoms(Wanted):
    """Whether any instrument says that there are symptoms now; `measured_by`: its score, and from where on it does."""

    measured_by: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class WantedRise(Wanted):
    """
    By how much a score rose since the day of the latest of some facts.

    Attributes:
        score: Name of the number fact.
        since: Names of facts that have a day.
        unit: The score's unit.
    """

    score: str
    since: tuple[str, ...]
    unit: str


@dataclass(frozen=True, slots=True)
class WantedOverride(Wanted):
    """
    An answer to an earlier card.

    Attributes:
        topic: Code of the card's topic.
        reasons: Codes of override reasons.
    """

    topic: str
    reasons: frozenset[str]


@dataclass(frozen=True, slots=True)
class WantedAnswer(WantedPresence):
    """
    An Observation or questionnaire item whose value is coded: present when the answer is in `answered`.

    Attributes:
        answered: Value sets of answers that make it present, as the plain answer true does.
        answered_no: Value sets of answers that make it absent, as the plain answer false does; any other answer is
            unknown.
        asks_for: Value sets to query for instead, "" for the coded ones.
        key: Prefetch key, "" for one made of the name.
    """

    answered: tuple[str, ...]
    answered_no: tuple[str, ...]
    asks_for: tuple[str, ...]
    key: str


@dataclass(frozen=True, slots=True)
class SummedItems:
    """
    The items of an instrument whose answers add up to its total.

    Attributes:
        coded: Value sets with one code per item; the numbers of their answers give the range of an item.
        fewest: With fewer items answered it is another form, and says nothing of this total.
    """

    coded: tuple[str, ...]
    fewest: float


@dataclass(frozen=True, slots=True)
class WantedNumber(Wanted):
    """
    A measured number.

    Attributes:
        coded: Value sets of what is measured.
        asks_for: Value sets to query for instead, when the value is a component (blood pressure panel).
        unit: UCUM unit it is wanted in.
        take: most_recent, highest or lowest of the window.
        plausible: Lowest and highest value that can be true; beyond is unreadable, not extreme.
        whole: Only whole numbers can be true.
        unit_may_be_missing: A bare number (integer, no unit) is in the wanted unit; true of scores.
        same_day: What several values of the most recent day are: their range, or their mean.
        key: Prefetch key, "" for one made of the name.
        relative_to: upper_limit or lower_limit: the number is a ratio to that end of the result's own reference range;
            "" for the number itself.
        items: What adds up to it where a questionnaire gives no total; None if nothing does.
    """

    coded: tuple[str, ...]
    asks_for: tuple[str, ...]
    unit: str
    take: str
    plausible: tuple[float, float] | None
    whole: bool
    unit_may_be_missing: bool
    same_day: str
    key: str
    relative_to: str = ""
    items: SummedItems | None = None


@dataclass(frozen=True, slots=True)
class WantedEpisode(Wanted):
    """
    When the current episode began.

    Attributes:
        of: Value sets of the illness; its active entry's onset is the start.
        statuses: clinicalStatus codes of the current episode.
        remission_coded: Value sets that record a remission.
        remission_score: Name of the number fact of a score, "" for none.
        remission_below: A score below this is remission.
        remission_apart_days: Two such scores at least this far apart end an episode.
        otherwise_days: How far back to look when no start is recorded.
    """

    of: tuple[str, ...]
    statuses: frozenset[str]
    remission_coded: tuple[str, ...]
    remission_score: str
    remission_below: float
    remission_apart_days: int
    otherwise_days: int


@dataclass(frozen=True, slots=True)
class WantedEpisodeLength(Wanted):
    """How many days the current episode has lasted; `episode` is the name of the episode fact."""

    episode: str


@dataclass(frozen=True, slots=True)
class WantedSessions(Wanted):
    """
    On how many days a treatment was given.

    Attributes:
        coded: Value sets of the treatment.
        procedures, administrations: Which resources show it.
    """

    coded: tuple[str, ...]
    procedures: bool
    administrations: bool


@dataclass(frozen=True, slots=True)
class WantedAugmentation(Wanted):
    """
    Whether a drug that augments was taken together with a trial.

    Attributes:
        drugs: Name of the drug table.
        trials: Name of the trials fact.
        days: For at least so many days of one trial.
    """

    drugs: str
    trials: str
    days: int


@dataclass(frozen=True, slots=True)
class ByBand:
    """Points by where a number fact lies: ascending (from, points); below the first nothing can be scored."""

    fact: str
    bands: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class ForEach:
    """Points for each of what a number fact counts; `perhaps`: for none to all of them."""

    fact: str
    points: float
    perhaps: bool


@dataclass(frozen=True, slots=True)
class Whether:
    """Points when a statement is true."""

    fact: str
    points: float


@dataclass(frozen=True, slots=True)
class Highest:
    """The highest of several items."""

    of: tuple[Item, ...]


Item = ByBand | ForEach | Whether | Highest


@dataclass(frozen=True, slots=True)
class WantedPoints(Wanted):
    """
    The total of an instrument that adds points up.

    Attributes:
        items: What is added.
        categories: Ascending (from, name): what a total is called.
    """

    items: tuple[Item, ...]
    categories: tuple[tuple[float, str], ...]


@dataclass(frozen=True, slots=True)
class MeasuredBy:
    """
    A score that can show response.

    Attributes:
        score: Name of the number fact.
        label: What a clinician calls it.
        still_symptomatic: At or above this, without a baseline, the trial has not worked.
        remission_below: Below this, it has.
    """

    score: str
    label: str
    still_symptomatic: float
    remission_below: float


@dataclass(frozen=True, slots=True)
class NoResponse:
    """
    What counts as evidence that a trial brought no adequate response.

    Attributes:
        stopped_for: Value sets of stop reasons that say so.
        not_tolerated: Value sets of stop reasons that say it was not tolerated.
        measured_by: Scores, in order of preference.
        falls_less_than: Percent; a smaller fall from the baseline is no response.
        partial: Percent; a fall from the first and below the second is a partial response; None where nothing asks.
        baseline_before_days, baseline_after_days: Window of the baseline around the trial's start.
        end_before_days, end_after_days: Window of the last score around the trial's end.
        switch_before_days, switch_after_days: Window around the trial's end in which starting another drug, or an
            augmentation, lets us infer it.
        augmentation_days: An augmentation must last so long to show anything.
        accepts_inferred: Whether such an inference counts.
    """

    stopped_for: tuple[str, ...]
    not_tolerated: tuple[str, ...]
    measured_by: tuple[MeasuredBy, ...]
    falls_less_than: float
    partial: tuple[float, float] | None
    baseline_before_days: int
    baseline_after_days: int
    end_before_days: int
    end_after_days: int
    switch_before_days: int
    switch_after_days: int
    augmentation_days: int
    accepts_inferred: bool


@dataclass(frozen=True, slots=True)
class Adherence:
    """
    When fills cover too few of the days of a trial.

    Attributes:
        at_least: Percent of days that fills must cover.
        when_poor: flags (a note), vetoes (the trial is not adequate), ignored.
    """

    at_least: float
    when_poor: str


@dataclass(frozen=True, slots=True)
class WantedTrials(Wanted):
    """
    Medication trials of the drugs of a table.

    Attributes:
        drugs: Name of the drug table.
        episode: Name of the episode fact whose start bounds the trials, "" for none.
        joins_gaps_days: Gaps up to this many days are part of one trial.
        dose_column: Column of the table a dose must reach.
        adequate_days: Days at dose that make a trial adequate.
        implausible_times: More than so many times the dose to reach is not a dose, but a mistake; None for no bound.
        no_response: What counts as evidence of no response.
        undated_end_days: A stopped order that names no end surely lasted until another drug of the table was started,
            if that was within so many days; 0 for never.
        not_for: Value sets of reasons for which a prescription is no such trial, unless one is in `unless_for` too.
        unless_for: Value sets of reasons for which it is one, whatever else it was given for.
        adherence: What follows from fills that cover too little; None when nobody asks.
    """

    drugs: str
    episode: str
    joins_gaps_days: int
    dose_column: str
    adequate_days: int
    implausible_times: float | None
    no_response: NoResponse
    undated_end_days: int
    not_for: tuple[str, ...]
    unless_for: tuple[str, ...]
    adherence: Adherence | None = None


@dataclass(frozen=True, slots=True)
class WantedCount(Wanted):
    """
    How many trials are …, as a range.

    Attributes:
        trials: Name of the trials fact.
        that_are: Trial properties that must all hold (names of cds.facts.trials.count.PROPERTIES).
        different: "ingredient" or "drug_class": count each only once; "" counts trials.
        classes: Only drugs of these classes; None for all.
        merge_same_molecule: Ingredients of one molecule are one.
    """

    trials: str
    that_are: tuple[str, ...]
    different: str
    classes: frozenset[str] | None = None
    merge_same_molecule: bool = False
