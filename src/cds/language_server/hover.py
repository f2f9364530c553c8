"""What a name stands for, as Markdown: its words, its evidence, where it is used and which cases claim it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from cds.authoring.reference.wording import ConditionWording, NameMeanings, unit_words, words_of
from cds.authoring.testing.cases import Case
from cds.facts.kind import FactBase
from cds.language_server.documents import uri_of
from cds.language_server.index import (
    FolderIndex,
    NameDefinition,
    Namespace,
    Occurrence,
    Symbol,
)
from cds.rulebook.diff import written
from cds.rulebook.fingerprint import plain
from cds.rulebook.format.about import Evidence, Parameter
from cds.rulebook.format.cards import CardSpec, ServiceSpec
from cds.rulebook.format.drug_table import DrugFile, DrugRow
from cds.rulebook.format.rule_file import Conclusion, DefinitionSpec
from cds.rulebook.format.value_set import ValueSetFile
from cds.rulebook.loader import Rulebook
from cds.rulebook.patterns import OWN

FEW = 8
"""How many places, codes or cases a hover lists before it only counts them."""


def about(definition: NameDefinition, book: Rulebook, index: FolderIndex) -> str:
    """Everything a hover says of a name, as Markdown."""
    lines = [f"**{definition.symbol.name}** ({_kind(definition)})", "", *_of_spec(definition, book, index)]
    lines += _used(definition.symbol, index)
    lines += _claimed(cases_of(definition.symbol, index))
    return "\n".join(lines).strip() + "\n"


def _kind(definition: NameDefinition) -> str:
    match definition.spec:
        case FactBase():
            return "fact"
        case Conclusion():
            return "conclusion, locked" if definition.spec.locked else "conclusion"
        case Parameter():
            return "parameter"
        case DefinitionSpec():
            return "definition"
    return definition.symbol.namespace.value


def _of_spec(definition: NameDefinition, book: Rulebook, index: FolderIndex) -> Iterator[str]:
    spec, file = definition.spec, definition.loaded.file
    match spec:
        case Parameter():
            yield f"{spec.value} {unit_words(spec.unit)}".rstrip()
            yield from _range(spec)
            yield from ("", spec.note) if spec.note else ()
            yield from _evidence(spec.evidence, file, index)
        case FactBase():
            yield from _fact(spec)
        case Conclusion():
            yield from (spec.label, "", *_condition(words_of(spec.condition(), NameMeanings.of(book))))
            yield from _evidence(spec.evidence, file, index)
        case CardSpec():
            yield from (spec.summary, "", f"{spec.indicator}, of {spec.service}", "")
            yield from _condition(words_of(spec.show_when, NameMeanings.of(book)))
            yield from _evidence(spec.evidence, file, index)
        case DefinitionSpec():
            yield from (spec.label, "", spec.says)
            yield from _evidence(spec.evidence, file, index)
        case Evidence():
            yield from _cited(spec)
        case ServiceSpec():
            yield from (f"{spec.title} ({spec.hook})", "", spec.description)
        case ValueSetFile():
            yield from _value_set(definition.symbol.name, book)
        case DrugRow():
            yield from _drug(spec)
        case DrugFile():
            yield f"{spec.table.title}: {len(spec.drugs)} drugs"


def _fact(spec: FactBase) -> Iterator[str]:
    yield from (spec.label or "", "")
    if spec.like is not None:
        yield from (f"With the pattern `{spec.like}`, as a whole:", "")
    yield "```yaml"
    for key, value in plain(spec).items():
        if key not in OWN:
            yield f"{key}: {written(value)}"
    yield "```"


def _range(spec: Parameter) -> Iterator[str]:
    if isinstance(spec.site_may_set, list):
        low, high = spec.site_may_set
        yield f"A site may set it from {low} to {high}."
    elif spec.site_may_set:
        yield f"A site may set it to {', '.join(spec.one_of or ())}."
    else:
        yield "No site may set it."


def _condition(wording: ConditionWording, depth: int = 0) -> Iterator[str]:
    yield f"{'  ' * depth}- {wording.text}"
    for part in wording.parts:
        yield from _condition(part, depth + 1)


def _evidence(names: Iterable[str], file: str, index: FolderIndex) -> Iterator[str]:
    for name in names:
        found = index.one(Symbol(Namespace.EVIDENCE, name, file))
        if found is not None:
            yield from ("", *_cited(found.spec))


def _cited(entry: Evidence) -> Iterator[str]:
    read = "read by this project" if entry.verified else "not read by this project"
    yield f"Evidence ({read}): {entry.cite}"
    yield f"> {entry.says}"
    if address := f"https://doi.org/{entry.doi}" if entry.doi else str(entry.url or ""):
        yield from ("", f"<{address}>")


def _value_set(name: str, book: Rulebook) -> Iterator[str]:
    for one in book.sets:
        model = one.model
        if name not in (model.valueset.id, model.valueset.adds_to):
            continue
        yield model.valueset.title
        if model.valueset.limits:
            yield from ("", f"Not in it: {model.valueset.limits}")
        for group in model.codes:
            codes = group.exact | {f"{code} and below": text for code, text in group.with_children.items()}
            read = "verified" if group.verified else "not verified"
            yield from ("", f"{group.system}: {len(codes)} codes, {read} ({group.source})")
            yield from (f"- {code} {text}" for code, text in list(codes.items())[:FEW])
            yield from [f"- and {len(codes) - FEW} more"] if len(codes) > FEW else []
        if model.valueset.checked:
            yield from ("", f"Compared with {model.valueset.checked.release} on {model.valueset.checked.date}.")


def _drug(spec: DrugRow) -> Iterator[str]:
    for key, value in plain(spec).items():
        if key != "source":
            yield f"- {key}: {written(value)}"


def _used(symbol: Symbol, index: FolderIndex) -> Iterator[str]:
    """Where it is used, outside of test files."""
    places = [one for one in index.places(symbol) if not one.defines and not one.file.endswith(".test.yaml")]
    if symbol.namespace is Namespace.EVIDENCE:
        return
    yield from ("", f"Used in {len(places)} place(s):" if places else "Used nowhere.")
    names = dict.fromkeys(f"- {_home(one)} in {_link(one.file, _line(one, index))}" for one in places)
    yield from list(names)[:FEW]
    if len(names) > FEW:
        yield f"- and {len(names) - FEW} more"


def _home(occurrence: Occurrence) -> str:
    return ".".join(str(step) for step in occurrence.path[:2])


def _line(occurrence: Occurrence, index: FolderIndex) -> int:
    return int(index.files[occurrence.file].located.at(occurrence.path)[0])


def _link(file: str, line: int) -> str:
    return f"[{Path(file).name}:{line}]({uri_of(file)}#L{line})"


# ---------------------------------------------------------------- cases


def cases_of(symbol: Symbol, index: FolderIndex) -> list[Case]:
    """The cases that claim something of a name, or set it; of a card, those that claim that it is shown or not."""
    named: dict[tuple[str, int], None] = {}
    for one in index.places(symbol):
        if one.path[:1] == ("tests",) and len(one.path) > 1 and one.path[2:3] in (("then",), ("with",)):
            named[one.file, int(one.path[1])] = None
    found = []
    by_name = {(str(case.file), case.name): case for case in index.cases}
    for file, number in named:
        test = index.files[file].model.tests[number]
        if case := by_name.get((file, test.name)):
            found.append(case)
    return found


def _claimed(cases: list[Case]) -> Iterator[str]:
    if cases:
        yield from ("", f"{len(cases)} case(s) claim something of it:")
        yield from (f"- {case.name} {_link(str(case.file), case.line)}" for case in cases[:FEW])
        if len(cases) > FEW:
            yield f"- and {len(cases) - FEW} more"


# ---------------------------------------------------------------- codes and keys


def about_code(code: str, book: Rulebook) -> str:
    """The display of a code, and the value sets that list it; "" for a word that is no code of any."""
    found: dict[str, list[str]] = {}
    for one in book.sets:
        name = one.model.valueset.id or one.model.valueset.adds_to or ""
        for group in one.model.codes:
            for codes, how in ((group.exact, ""), (group.with_children, " and below"), (group.except_, ", left out")):
                if code in codes:
                    found.setdefault(f"{group.system}|{code} {codes[code]}", []).append(name + how)
    return "\n\n".join(f"**{display}**\n\nIn {', '.join(sets)}." for display, sets in found.items())
