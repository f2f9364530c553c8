"""
Writes the tables under rules/reading: words of known conditions, names of known drugs, categories of ICD-10-CM.

Run it with the packages simple-icd-10-cm (titles of ICD-10-CM, public domain, CMS and NCHS) and
drug-named-entity-recognition (names from DrugBank's open vocabulary, MedlinePlus, MeSH and the NHS) installed; neither
is needed by the service. The words of both are taken as they are; what must not be in them stands in
rules/reading/reading.yaml under `suspicious`.
"""

from __future__ import annotations

import bz2
import csv
import importlib.resources
import io
import pickle
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import simple_icd_10_cm as icd  # type: ignore[import-not-found]
from rapidfuzz import fuzz, process

from cds.engine.evaluator import EvaluatorMode
from cds.rulebook.shipped import default_rules_folder
from cds.ruleset import load_rules
from cds.terminology.concepts import Coding
from cds.terminology.phrases import words_of
from cds.terminology.systems import ICD10CM
from cds.terminology.vocabulary import EntryKind

EXTERNAL_CAUSES = "VWXY"  # falls, assaults, self-harm: their words say how, not what
INJURIES = "ST"  # too many, and few of them stand in problem lists in just these words
LONGEST_CODE = 6  # characters; longer ones say which side, or which encounter
LONGEST_TITLE = 12  # words
SHORTEST = 3  # letters
SHORTEST_DRUG = 5
LIKE_OURS = 86  # of 100: a name so like one of our drugs may be a spelling of it
SALTS_AND_FORMS = frozenset(
    words_of(
        "acetate anhydrous base besylate bitartrate bromide calcium carbonate chloride citrate dihydrate disodium "
        "fumarate gluconate hemihydrate hydrate hydrobromide hydrochloride iodide lactate magnesium maleate mesilate "
        "mesylate monohydrate nitrate oxide phosphate potassium sodium succinate sulfate sulphate tartrate tosylate "
        "trihydrate tablet tablets capsule capsules extended release retard solution injection cream ointment "
        "antidepressant antidepressants serotonin norepinephrine dopamine hydroxide compound complex generic forte "
        "extract vitamin depot"
    )
)


class PlainValues(pickle.Unpickler):
    """Reads dicts, lists, sets, texts and numbers; a pickle that names anything else is refused."""

    def find_class(self, module: str, name: str) -> Any:
        """Give set and frozenset; refuse the rest."""
        if module == "builtins" and name in {"set", "frozenset"}:
            return {"set": set, "frozenset": frozenset}[name]
        raise pickle.UnpicklingError(f"{module}.{name}")


def condition_words() -> set[str]:
    """Words of titles and inclusion terms of ICD-10-CM, without external causes."""
    found: set[str] = set()
    for code in icd.get_all_codes():
        if icd.is_chapter(code) or icd.is_block(code) or code[0] in EXTERNAL_CAUSES:
            continue
        for text in (icd.get_description(code), *icd.get_inclusion_term(code)):
            found.update(word for word in words_of(text) if len(word) >= SHORTEST)
    return found


def titles() -> Iterator[tuple[str, str]]:
    """Titles and inclusion terms of ICD-10-CM that hold a suspicious word, or whose code is in a value set of ours."""
    folder = default_rules_folder()
    codes = load_rules(folder, EvaluatorMode.DIRECT, datetime.now(UTC).date()).program.codes
    assert codes.vocabulary is not None  # noqa: S101 (the shipped rules bring one)
    ours = {code for one in codes.sets.values() for system, code in (*one.codes, *one.roots) if system == ICD10CM}
    known = codes.vocabulary.words[EntryKind.CONDITION] | codes.vocabulary.ignored
    for code in icd.get_all_codes():
        if (
            icd.is_chapter(code)
            or icd.is_block(code)
            or code[0] in EXTERNAL_CAUSES + INJURIES
            or len(code) > LONGEST_CODE
        ):
            continue
        wanted = bool(codes.sets_with(Coding(ICD10CM, code)))
        # What stands above a code of ours may be it: its title places nothing.
        above_ours = not wanted and any(one.startswith(code) for one in ours)
        for text in dict.fromkeys((icd.get_description(code), *icd.get_inclusion_term(code))):
            words = words_of(text)
            if words and len(words) <= LONGEST_TITLE and not above_ours and (wanted or not known.issuperset(words)):
                yield code, text


def categories() -> Iterator[tuple[str, str]]:
    """Categories of ICD-10-CM with their titles."""
    for code in icd.get_all_codes():
        if icd.is_category(code):
            yield code, icd.get_description(code)


def drug_words() -> set[str]:
    """Names of drugs of one word that some public source knows."""
    packed = importlib.resources.files("drug_named_entity_recognition") / "drug_ner_dictionary.pkl.bz2"
    table = PlainValues(io.BytesIO(bz2.decompress(packed.read_bytes()))).load()
    known = {
        name
        for name, said in table["drug_canonical_to_data"].items()
        if (said.keys() & {"drugbank_id", "medline_plus_id", "nhs_url"} and "mesh_id" in said)
        or "medline_plus_id" in said
    }
    found = set()
    for variant, names in table["drug_variant_to_canonical"].items():
        words = words_of(variant)
        if len(words) == 1 and len(words[0]) >= SHORTEST_DRUG and known.intersection(names):
            found.add(words[0])
    return found - SALTS_AND_FORMS


def main() -> None:
    """Write the three tables."""
    folder = default_rules_folder()
    codes = load_rules(folder, EvaluatorMode.DIRECT, datetime.now(UTC).date()).program.codes
    ours = {word for table in codes.drugs.values() for name in table.names for word in name if len(word) >= SHORTEST}
    ours |= {word for one in codes.sets.values() for text in one.words for word in words_of(text)}
    drugs = {
        word for word in drug_words() if not process.extractOne(word, ours, scorer=fuzz.ratio, score_cutoff=LIKE_OURS)
    }
    into = folder / "reading"
    (into / "condition-words.txt").write_text("".join(f"{word}\n" for word in sorted(condition_words())))
    (into / "drug-words.txt").write_text("".join(f"{word}\n" for word in sorted(drugs)))
    with (into / "icd-10-cm-categories.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("code", "title"))
        writer.writerows(categories())
    with (into / "icd-10-cm-titles.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("code", "title"))
        writer.writerows(titles())
    sys.stdout.write(f"{len(drugs)} drugs\n")


if __name__ == "__main__":
    main()
