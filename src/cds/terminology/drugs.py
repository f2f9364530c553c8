"""Drug tables: which drug a medication is, by product code, ingredient code or name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cds.terminology.concepts import Coding, Concept
from cds.terminology.phrases import words_of
from cds.terminology.systems import ATC, NDC, RXNORM
from cds.terminology.words import words_in


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
        ndcs: National Drug Code, eleven digits → RxNorm code of the product.
    """

    name: str
    drugs: Mapping[str, Drug]
    products: Mapping[str, Product]
    ingredient_codes: Mapping[tuple[str, str], str]
    names: Mapping[tuple[str, ...], str]
    not_a_name: frozenset[str] = frozenset()
    class_codes: tuple[tuple[str, str], ...] = ()
    ndcs: Mapping[str, str] = field(default_factory=dict)
    _first_words: frozenset[str] = field(init=False, repr=False, compare=False)
    _systems: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_first_words", frozenset(name[0] for name in self.names if name))
        systems = {RXNORM, NDC, *(system for system, _ in (*self.ingredient_codes, *self.class_codes))}
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
            if (product := self._product(coding)) is not None:
                return Recognised(self.drugs[product.ingredient], product, by_name=False)
        for coding in concept.codings:
            if key := self.ingredient_codes.get((coding.system, coding.code)):
                return Recognised(self.drugs[key], None, by_name=False)
        return None

    def _product(self, coding: Coding) -> Product | None:
        if coding.system == RXNORM:
            return self.products.get(coding.code)
        return self.products.get(self.ndcs.get(coding.code, "")) if coding.system == NDC else None

    def _named(self, text: str) -> str | None:
        words = words_of(text)
        if self._first_words.isdisjoint(words):
            return None
        best: tuple[int, str] | None = None
        for start, first in enumerate(words):
            if first not in self._first_words:
                continue
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
        if self.is_of_a_class(concept):
            return True
        if any(coding.system == ATC and coding.code for coding in concept.codings):
            return False
        return not self._tells(words_in(concept.said))

    def is_of_a_class(self, concept: Concept) -> bool:
        """Whether a code of it is of a class of ours (ATC N06A…)."""
        return any(
            coding.system == system and coding.code.startswith(root)
            for coding in concept.codings
            for system, root in self.class_codes
        )

    def names_one(self, *said: str) -> bool:
        """Whether a text names one of these drugs."""
        return any(map(self._named, said))

    def codes_of_another(self, codings: tuple[Coding, ...]) -> bool:
        """Whether no code is of one of these drugs, or of a class of ours."""
        for coding in codings:
            if coding.system in self._systems and (
                self._product(coding) is not None
                or (coding.system, coding.code) in self.ingredient_codes
                or any(coding.system == system and coding.code.startswith(root) for system, root in self.class_codes)
            ):
                return False
        return True

    def _tells(self, words: list[str]) -> bool:
        return any([len(word) > 3 and word not in self.not_a_name for word in words])  # noqa: C419 (as above)
