"""Changes of value sets and drug tables: a code or name taken away, a minimum dose moved."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cds.authoring.mutation.mutant import Mutant, MutantKind, MutationSite, Removal, moved
from cds.rulebook.format.drug_table import DrugFile
from cds.rulebook.format.value_set import ValueSetFile
from cds.yaml_source.document import Path
from cds.yaml_source.loaded import LoadedFile

DOSES = ("minimum_mg_a_day", "strict_minimum_mg_a_day")
HELD = ("exact", "with_children", "except")


def mutants_of_codes(loaded: LoadedFile[ValueSetFile], safety: bool, *, every: bool = False) -> Iterator[Mutant]:
    """
    One code taken away of each list of a value set, each name group and each list of answers; `every`: any code.

    Codes of one list are looked up in the same way: the first stands for the others.
    """
    raw = loaded.located.value
    name = raw["valueset"].get("id") or raw["valueset"]["adds_to"]
    place = MutationSite(loaded, name, safety)
    for index, group in enumerate(raw.get("codes", [])):
        for held in HELD:
            codes = list(group.get(held, {}))
            for code in codes if every else codes[:1]:
                yield _gone(place, ("codes", index, held, code), group["system"], code, group[held][code])
        for at, part in enumerate(group.get("by_character", [])):
            span = f"{part['from']} to {part['to']}"
            yield _gone(place, ("codes", index, "by_character", at), group["system"], span, part["display"])
    for path, words in _words(raw):
        for at, word in enumerate(words):
            if every or at == 0:
                instead = Removal.GONE if len(words) > 1 else "(none)"  # a list of words must not be empty
                yield place.change(
                    MutantKind.CODE, (*path, at), instead, what=f"without the word “{word}”",
                    patient=f"A patient of whom the chart only says “{word}” would no longer be found by `{name}`.",
                )  # fmt: skip
    for index, answers in enumerate(raw.get("answers", [])):
        for at, (code, number) in enumerate(answers["values"].items()):
            if every or at == 0:
                yield _gone(place, ("answers", index, "values", code), answers["system"], code, f"the answer {number}")


def _gone(place: MutationSite, path: Path, system: str, code: str, display: Any) -> Mutant:
    was = "left out" if "except" in path else "found"
    return place.change(
        MutantKind.CODE, path, Removal.GONE, what=f"without {system.rpartition('/')[2]} {code}",
        patient=f"A patient in whose chart {code} ({display}) stands would no longer be {was} by `{place.target}`.",
    )  # fmt: skip


def _words(raw: Any) -> Iterator[tuple[Path, list[str]]]:
    names = raw.get("names")
    if isinstance(names, dict):
        yield ("names", "words"), names["words"]
    elif isinstance(names, list):
        for index, group in enumerate(names):
            yield ("names", index, "words"), group["words"]


def mutants_of_doses(loaded: LoadedFile[DrugFile], safety: bool) -> Iterator[Mutant]:
    """Every minimum dose of a drug table one step up and down."""
    for drug, row in loaded.model.drugs.items():
        place = MutationSite(loaded, drug, safety)
        for column in DOSES:
            dose = getattr(row, column)
            for word, other in moved(dose.value) if dose is not None else ():
                at = dose.value if word == "up" else other
                yield place.change(
                    MutantKind.THRESHOLD, ("drugs", drug, column, "value"), other,
                    what=f"`{column}` {other:g} for {dose.value:g}",
                    patient=f"A patient who took {at:g} mg of {drug} a day would be on the other side of the minimum.",
                )  # fmt: skip
