"""Checks of value sets and their use."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePath

from rapidfuzz import fuzz, process

from cds.rulebook.format.value_set import ValueSetFile
from cds.rulebook.lint.view import RulebookView, coded, lists_marked, marked_with
from cds.rulebook.tables import names_groups
from cds.terminology.phrases import SHORTEST_PART, STAR, PhraseIndex, WordGroup, words_of
from cds.terminology.systems import (
    ATC,
    FORMS,
    ICD10CM,
    ICPC2,
    LOINC,
    NDC,
    RXNORM,
    SNOMED,
    canonical_code,
    canonical_system,
)
from cds.yaml_source.correction import Correction, did_you_mean
from cds.yaml_source.document import BOOLEAN, DATE, INTEGER, NUMBER, Path
from cds.yaml_source.fields import AddedUp, FhirCode, listed
from cds.yaml_source.loaded import LoadedFile
from cds.yaml_source.problem import Problem

Sets = LoadedFile[ValueSetFile]
FLAT = {LOINC: "LOINC", RXNORM: "RxNorm", SNOMED: "SNOMED CT"}
KNOWN_SYSTEMS = (
    ICD10CM, LOINC, RXNORM, SNOMED, ATC, "http://hl7.org/fhir/sid/icd-9-cm", "http://hl7.org/fhir/sid/icd-10-pcs",
    NDC, "http://hl7.org/fhir/sid/cvx", "http://id.who.int/icd/release/11/mms",
    "http://hl7.org/fhir/sid/icd-11", "http://hl7.org/fhir/sid/icd-10", "http://hl7.org/fhir/sid/icd-10-de",
    "http://hl7.org/fhir/sid/icd-10-nl", ICPC2,
)  # fmt: skip
NEARLY = 85  # per cent alike: a slip of the pen, not another system
ADDRESS = re.compile(r"(https?://|urn:)\S+\Z")
MOST_WORDS = 8  # a longer phrase is a sentence, which no two people write alike


def set_names(view: RulebookView) -> Mapping[str, list[Sets]]:
    """Name of a value set → the files with codes for it."""
    names: dict[str, list[Sets]] = {}
    for loaded in view.book.sets:
        names.setdefault(loaded.model.valueset.id or loaded.model.valueset.adds_to or "", []).append(loaded)
    return names


def unknown_valueset(view: RulebookView) -> Iterator[Problem]:
    """A value set that is read, or added to, exists."""
    ids = [loaded.model.valueset.id for loaded in view.book.sets if loaded.model.valueset.id]
    stems = {PurePath(loaded.file).stem for loaded in view.book.sets if loaded.model.valueset.id}  # id-is-file-name
    otherwise = "Write the id of a value set, or add the file under valuesets."
    for rule in view.rules:
        for name, path in coded(rule):
            if name not in ids and name not in stems and not view.may_be_defined(name):
                yield rule.problem(
                    path, "unknown-valueset", f"There is no value set `{name}`.", did_you_mean(name, ids, otherwise)
                )
    for loaded in view.book.sets:
        name = loaded.model.valueset.adds_to or ""
        if name and name not in ids and name not in stems and not view.may_be_defined(name):
            yield loaded.problem(
                ("valueset", "adds_to"), "unknown-valueset", f"There is no value set `{name}` to add to.",
                did_you_mean(name, ids, otherwise),
            )  # fmt: skip


def empty_valueset(view: RulebookView) -> Iterator[Problem]:
    """A value set can match something."""
    for files in set_names(view).values():
        if not any(_matches_something(loaded.model) for loaded in files):
            yield files[0].problem(
                ("valueset",), "empty-valueset", "This value set has no code, no name and no answer.",
                "Add some under `codes`, `names` or `answers`, or remove the file.",
                "What reads it would never find anything, which looks like “not present”.",
            )  # fmt: skip


def _matches_something(value_set: ValueSetFile) -> bool:
    return bool(
        any(group.exact or group.with_children or group.by_character for group in value_set.codes)
        or names_groups(value_set)
        or value_set.full_names
        or any(group.values for group in value_set.answers)
    )


def unused_valueset(view: RulebookView) -> Iterator[Problem]:
    """A value set is there because a fact reads it."""
    used = {name for rule in view.rules for name, _ in coded(rule)}
    if view.book.reading is not None:
        reading = view.book.reading.model
        used.update((*reading.says_nothing, *reading.none_known, reading.frequencies or ""))
    for name, files in set_names(view).items():
        if not {name, PurePath(files[0].file).stem} & used and not view.may_be_read(name):
            yield files[0].problem(
                ("valueset",), "unused-valueset", f"No fact reads the value set `{name}`.", "Use it, or remove it.",
                warning=True,
            )  # fmt: skip


def id_is_file_name(view: RulebookView) -> Iterator[Problem]:
    """A value set is found under its name."""
    for loaded in view.book.sets:
        name, stem = loaded.model.valueset.id, PurePath(loaded.file).stem
        if name is not None and name != stem:
            yield loaded.problem(
                ("valueset", "id"), "id-is-file-name", f"The id is `{name}`, the file `{stem}.yaml`.",
                f"Rename the file to {name}.yaml, or the id to `{stem}`.",
            )  # fmt: skip


def conflicting_code(view: RulebookView) -> Iterator[Problem]:
    """A code is in a value set or left out of it, not both; and what is left out would otherwise be in."""
    for name, files in set_names(view).items():
        exact = {
            (group.system, code) for loaded in files for group in loaded.model.codes for code in group.exact
        }  # fmt: skip
        roots = {
            (group.system, code) for loaded in files for group in loaded.model.codes for code in group.with_children
        }
        names = PhraseIndex(
            tuple(
                (name, WordGroup(tuple(group.words), tuple(group.abbreviations)))
                for loaded in files
                for group in names_groups(loaded.model)
            )
        )
        for loaded in files:
            for index, group in enumerate(loaded.model.codes):
                for code, display in group.except_.items():
                    path: Path = ("codes", index, "except", code)
                    if (group.system, code) in exact | roots:
                        yield loaded.problem(
                            path, "conflicting-code", f"`{code}` is both in this value set and left out of it.",
                            "Keep one of the two.",
                        )  # fmt: skip
                    elif not names.find(display) and not any(
                        group.system == system and code.startswith(root) for system, root in roots
                    ):
                        yield loaded.problem(
                            path, "needless-exception", f"`{code}` is left out, but nothing here would bring it in.",
                            "Remove it; or mend it, if another code was meant.", warning=True,
                        )  # fmt: skip


def codes_not_text(view: RulebookView) -> Iterator[Problem]:
    """A code that looks like a number is in quotes, for every tool that reads the file."""
    for loaded in view.book.sets:
        for path in sorted(loaded.located.plain_keys, key=loaded.located.at):
            code = str(path[-1])
            in_codes = path[0] in ("codes", "answers") and len(path) == 4  # codes, 0, exact, the code
            if in_codes and (code in BOOLEAN or any(form.match(code) for form in (INTEGER, NUMBER, DATE))):
                yield loaded.problem(
                    path, "codes-not-text", f"`{code}` stands without quotes.", f'Write "{code}".',
                    "Other tools would read a number, and drop a leading zero.",
                )  # fmt: skip


def snomed_in_own_file(view: RulebookView) -> Iterator[Problem]:
    """SNOMED CT needs a licence in some countries: its codes can be left out as one folder."""
    for loaded in view.book.sets:
        if view.place(loaded.file)[:2] == ("valuesets", "snomed"):
            continue
        for section in ("codes", "answers"):
            for index, group in enumerate(getattr(loaded.model, section)):
                if canonical_system(group.system) == SNOMED:
                    name = loaded.model.valueset.id or loaded.model.valueset.adds_to
                    yield loaded.problem(
                        (section, index, "system"), "snomed-in-own-file", "SNOMED CT codes stand in this file.",
                        f"Move them to valuesets/snomed/{name}.yaml with `adds_to: {name}`.",
                        "SNOMED CT needs a licence in some countries; its folder can be left out.",
                    )  # fmt: skip


def system_spelling(view: RulebookView) -> Iterator[Problem]:
    """A code system is written in its one canonical way, which records are brought to."""
    for loaded in view.book.sets:
        for section in ("codes", "answers"):
            for index, group in enumerate(getattr(loaded.model, section)):
                if problem := _unknown_system(loaded, (section, index, "system"), group.system):
                    yield problem
                elif (canonical := canonical_system(group.system)) != group.system:
                    yield loaded.problem(
                        (section, index, "system"), "system-spelling", f"{group.system} has another canonical name.",
                        Correction(f"Write {canonical}.", group.system, canonical),
                        "As it stands, no record would match.",
                    )  # fmt: skip


def _unknown_system(loaded: Sets, path: Path, system: str) -> Problem | None:
    """A system that is no address, or is all but one of ours: no record would ever match it."""
    why = "As it stands, no record would match, and what is recorded would read as not recorded."
    if canonical_system(system) in KNOWN_SYSTEMS:
        return None
    close = process.extractOne(system, KNOWN_SYSTEMS, scorer=fuzz.ratio, score_cutoff=NEARLY)
    if close:
        return loaded.problem(
            path,
            "system-spelling",
            f"{system} is no code system we know.",
            Correction(f"Did you mean {close[0]}?", system, close[0]),
            why,
        )
    if not ADDRESS.match(system):
        fix = f"Write its address, such as {ICD10CM}."
        return loaded.problem(path, "system-spelling", f"`{system}` is not the address of a code system.", fix, why)
    return None


def code_spelling(view: RulebookView) -> Iterator[Problem]:
    """A code is written as its system writes codes, which those of records are brought to."""
    for files in set_names(view).values():
        for loaded, path, system, code in codes_in(files):
            form = FORMS.get(system)
            if form is not None and not re.fullmatch(form, code):
                proper = canonical_code(system, code)
                better = f"; perhaps {proper}" if proper != code and re.fullmatch(form, proper) else ""
                yield loaded.problem(
                    path, "code-spelling", f"`{code}` is not written as a code of {system}.", f"Look it up{better}.",
                    "As it stands, no record would match.",
                )  # fmt: skip


def codes_in(files: list[Sets]) -> Iterator[tuple[Sets, Path, str, str]]:
    """Every code of a value set, left out ones and answers included: its file, place, canonical system and code."""
    for loaded in files:
        for index, group in enumerate(loaded.model.codes):
            for key in ("exact", "with_children", "except"):
                for code in getattr(group, "except_" if key == "except" else key):
                    yield loaded, ("codes", index, key, code), canonical_system(group.system), code
        for index, answers in enumerate(loaded.model.answers):
            for code in answers.values:
                yield loaded, ("answers", index, "values", code), canonical_system(answers.system), code


def code_twice(view: RulebookView) -> Iterator[Problem]:
    """A code is written once in a value set, whichever of its files holds it."""
    for name, files in set_names(view).items():
        if sum(loaded.model.valueset.id is not None for loaded in files) > 1:
            continue  # told as duplicate-name
        seen: set[tuple[str, str]] = set()
        for loaded, path, system, code in codes_in(files):
            if path[0] != "codes" or path[2] == "except":
                continue  # conflicting-code
            if (system, code) in seen:
                yield loaded.problem(
                    path, "code-twice", f"`{code}` is written more than once in `{name}`.", "Keep one of them.",
                    "Who corrects or removes one of them leaves the other as it was.", warning=True,
                )  # fmt: skip
            seen.add((system, code))


def word_twice(view: RulebookView) -> Iterator[Problem]:
    """A word is written once for each language of a value set."""
    for name, files in set_names(view).items():
        seen: dict[tuple[str, str], int] = {}
        for loaded in files:
            several = isinstance(loaded.model.names, list)
            for number, group in enumerate(names_groups(loaded.model)):
                place: Path = ("names", number) if several else ("names",)
                for index, word in enumerate(group.words):
                    before = seen.setdefault((group.language, word), id(group)) if group.certain else None
                    if group.words.index(word) < index or before not in (None, id(group)):
                        yield loaded.problem(
                            (*place, "words", index), "word-twice", f"“{word}” is written more than once in `{name}`.",
                            "Keep one of them.", "Who removes one of them leaves the other.", warning=True,
                        )  # fmt: skip


def children_of_flat_codes(view: RulebookView) -> Iterator[Problem]:
    """`with_children` is for systems whose children begin with the parent's code (ICD-10-CM, ATC)."""
    for loaded in view.book.sets:
        for index, group in enumerate(loaded.model.codes):
            if (group.with_children or group.by_character) and group.system in FLAT:
                key = "with_children" if group.with_children else "by_character"
                yield loaded.problem(
                    ("codes", index, key), "children-of-flat-codes",
                    f"{FLAT[group.system]} codes do not begin with the code of their parent.",
                    "List every code under `exact`.", "Unrelated codes that begin alike would match.",
                )  # fmt: skip


def name_never_matches(view: RulebookView) -> Iterator[Problem]:
    """A name can be found in text: it has letters, not too many words, and a star only where one can stand."""
    for loaded in view.book.sets:
        several = isinstance(loaded.model.names, list)
        for number, group in enumerate(names_groups(loaded.model)):
            place: Path = ("names", number) if several else ("names",)
            for key in ("words", "abbreviations", "unless"):
                for index, words in enumerate(getattr(group, key)):
                    if fix := _cannot_be_found(words, key):
                        yield loaded.problem(
                            (*place, key, index), "name-never-matches", f"“{words}” can never be found.", fix
                        )


def _cannot_be_found(text: str, key: str) -> str:
    """How to write words that no text can hold; "" for those that some can."""
    words = words_of(text)
    if not 1 <= len(words) <= MOST_WORDS:
        return f"Write one to {MOST_WORDS} words; digits and punctuation are not compared."
    if key == "abbreviations" and (len(words) > 1 or text != text.strip() or text.islower() or not text.isalpha()):
        return "Write one word of letters, with capitals, as the text writes it; or move it to `words`."
    if STAR in text:
        bare_part = text.removesuffix(STAR) if text.endswith(STAR) else text.removeprefix(STAR)
        if key != "words" or len(words) > 1 or STAR in bare_part or len(words[0]) < SHORTEST_PART:
            return f"A star stands at one end of a single word of at least {SHORTEST_PART} letters."
    return ""


def nothing_to_ask_for(view: RulebookView) -> Iterator[Problem]:
    """What is asked of the EHR by code has codes to ask for."""
    names = set_names(view)
    for rule in view.rules:
        for name, fact in rule.model.facts.items():
            asked = fact.asked_by_code()
            if asked is None:
                continue
            sets = [names.get(set_name) for set_name in asked.sets]
            if not all(files and any(_matches_something(loaded.model) for loaded in files) for files in sets):
                continue  # told as unknown-valueset or empty-valueset
            models = [loaded.model for files in sets for loaded in files or ()]
            if not any(model.full_names or any(group.exact for group in model.codes) for model in models):
                yield rule.problem(
                    ("facts", name, asked.field), "nothing-to-ask-for",
                    f"The value sets of `{name}` list no code to ask for.",
                    "Add codes under `exact`, or whole names under `full_names`.",
                    "Observations are asked of the EHR code by code, or among all surveys for those known by name.",
                )  # fmt: skip


def items_without_answers(view: RulebookView) -> Iterator[Problem]:
    """Items that add up to a total are single codes, and their answers have numbers."""
    names = set_names(view)
    for rule in view.rules:
        for sets, path in lists_marked(rule, AddedUp):
            files = [loaded for set_name in sets for loaded in names.get(set_name) or ()]
            if not files:
                continue  # told as unknown-valueset
            items = any(group.exact for loaded in files for group in loaded.model.codes)
            roots = any(group.with_children for loaded in files for group in loaded.model.codes)
            answers = any(group.values for loaded in files for group in loaded.model.answers)
            if not items or roots or not answers:
                yield rule.problem(
                    path, "items-without-answers",
                    f"The items of `{path[1]}` cannot be added up.",
                    "List each item under `exact`, none under `with_children`, and the numbers under `answers`.",
                    "The codes say which items there are, the answers what each can add to the total.",
                )  # fmt: skip


def unknown_status(view: RulebookView) -> Iterator[Problem]:
    """A status is one FHIR R4 knows."""
    for rule in view.rules:
        for one, known in marked_with(rule, FhirCode):
            if one.value not in known.codes:
                yield rule.problem(
                    one.path, "unknown-status", f"FHIR has no status `{one.value}` here.",
                    did_you_mean(one.value, known.codes, f"Write some of {', '.join(sorted(known.codes))}."),
                )  # fmt: skip


def maps(view: RulebookView) -> Iterator[Problem]:
    """A value set that should have codes of a system has some, or a reason; not both."""
    reading = view.book.reading
    if reading is None or view.book.site is not None:
        return  # a site's own sets need no maps
    names = set_names(view)
    systems = {
        name: {canonical_system(group.system) for loaded in files for group in loaded.model.codes}
        for name, files in names.items()
    }
    missing: dict[str, list[str]] = {}
    for at, one in enumerate(reading.model.maps):
        system, of = canonical_system(one.system), canonical_system(one.of)
        said: set[str] = set()
        for index, without in enumerate(one.without):
            for name in listed(without.sets):
                said.add(name)
                if of not in systems.get(name, ()) or system in systems[name]:
                    what = f"`{name}` has codes of {one.system}, or none of {one.of}."
                    if name not in systems:
                        what = f"There is no value set `{name}`."
                    path: Path = ("maps", at, "without", index, "sets")
                    why = "A reader would look for a gap that is none."
                    yield reading.problem(path, "map-without-codes", what, "Remove it here.", why, warning=True)
        for name, held in systems.items():
            if of in held and system not in held and name not in said:
                missing.setdefault(name, []).append(one.system)
    for name, without_codes in missing.items():
        yield names[name][0].problem(
            ("codes",), "map-without-codes", f"`{name}` has no codes of {', '.join(without_codes)}.",
            "Add some, or the reason why not under `maps` of reading.yaml.",
            "A diagnosis in such a code is not read.", warning=True,
        )  # fmt: skip


CHECKS = (
    maps,
    unknown_valueset,
    empty_valueset,
    unused_valueset,
    id_is_file_name,
    conflicting_code,
    codes_not_text,
    snomed_in_own_file,
    code_spelling,
    code_twice,
    word_twice,
    system_spelling,
    children_of_flat_codes,
    name_never_matches,
    nothing_to_ask_for,
    items_without_answers,
    unknown_status,
)
