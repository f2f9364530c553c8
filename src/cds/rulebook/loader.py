"""Files under rules/ → Rulebook: every file as a model that remembers its lines, and every mistake of form."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from os.path import normpath
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from cds.rulebook.format.drug_table import DrugFile
from cds.rulebook.format.packet import PacketFile
from cds.rulebook.format.reading import ReadingFile
from cds.rulebook.format.review import ReviewFile
from cds.rulebook.format.rule_file import RuleFile, known_keys
from cds.rulebook.format.site import SiteFile
from cds.rulebook.format.value_set import ValueSetFile
from cds.rulebook.format.vocabulary import SiteVocabularyFile
from cds.rulebook.format.wording import WordingFile
from cds.rulebook.overlay import SiteOverride, overlaid, vocabulary_override
from cds.rulebook.overlay_tables import product_files, with_tables
from cds.rulebook.overlay_wording import worded
from cds.rulebook.patterns import fill_patterns
from cds.rulebook.shipped import SHIPPED, default_rules_folder
from cds.yaml_source.correction import Correction, did_you_mean, nearest
from cds.yaml_source.document import Path as YamlPath
from cds.yaml_source.document import YamlDocument, read_yaml
from cds.yaml_source.loaded import LoadedFile, Model
from cds.yaml_source.problem import Problem
from cds.yaml_source.source_file import DISK, SourceFiles, UnreadableSourceError

LOCK = "rules.lock"
READING = "reading"
REVIEW = "review"
SITE = "site.yaml"
VOCABULARY = "vocabulary.yaml"
WORDING = "wording"
PRODUCT_COLUMNS = ("rxcui", "name", "ingredient", "strength_mg", "per", "form", "with", "trial", "note", "source")


@dataclass(frozen=True, slots=True)
class ProductRow:
    """One line of a products table, as text."""

    file: str
    line: int
    values: dict[str, str]


@dataclass
class Rulebook:
    """
    Everything under a rules folder, as written.

    Attributes:
        root: The folder.
        rules: Rule files by about.id.
        sets: Value-set files; several may add to one set.
        tables: Drug tables by table.id.
        products: Table id → its product rows.
        reading: What says what an entry is beside value sets and tables; None for rules without it.
        reading_tables: Names of the files it points to → their lines.
        review: What a clinician is asked in a review; None for rules without one.
        packet: What an evidence packet lists; None for rules without one.
        problems: Mistakes of form found while reading; a file with any is not among the others.
        broken: Path → text of files that could not be used: what they define may be missed elsewhere.
        digest: Over the bytes of all files, in the order of their names.
        lock: Text of rules.lock; None where there is none, and for a site.
        base: The folder of rules a site's overlay is of; None for a folder without site.yaml.
        site: The overlay.
        vocabulary: What codes and texts of the site mean.
        wording: Other words, or translations, of rule files at the site.
        overrides: What is different at the site.
        files: Where its files come from.
    """

    root: Path
    rules: dict[str, LoadedFile[RuleFile]] = field(default_factory=dict)
    sets: list[LoadedFile[ValueSetFile]] = field(default_factory=list)
    tables: dict[str, LoadedFile[DrugFile]] = field(default_factory=dict)
    products: dict[str, list[ProductRow]] = field(default_factory=dict)
    reading: LoadedFile[ReadingFile] | None = None
    reading_tables: dict[str, tuple[str, ...]] = field(default_factory=dict)
    review: LoadedFile[ReviewFile] | None = None
    packet: LoadedFile[PacketFile] | None = None
    problems: list[Problem] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)
    digest: str = ""
    lock: str | None = None
    base: Path | None = None
    site: LoadedFile[SiteFile] | None = None
    vocabulary: LoadedFile[SiteVocabularyFile] | None = None
    wording: list[LoadedFile[WordingFile]] = field(default_factory=list)
    overrides: tuple[SiteOverride, ...] = ()
    files: SourceFiles = field(default=DISK, repr=False, compare=False)

    @property
    def folders(self) -> tuple[Path, ...]:
        """Where it is read from: its own folder and, for a site, that of the rules it is an overlay of."""
        return tuple(folder for folder in (self.root, self.base) if folder is not None and folder.is_dir())

    def own(self) -> Rulebook:
        """The rulebook with the rule files of its own folder only, without those a site's overlay is of."""
        mine = {name: rule for name, rule in self.rules.items() if Path(rule.file).is_relative_to(self.root)}
        return replace(self, rules=mine)


def is_rule_file(path: Path, root: Path) -> bool:
    """Whether a YAML file is a rule file: not a test, not a shared patient, not a value set or table."""
    return not path.name.endswith(".test.yaml") and path.relative_to(root).parts[0] not in {
        "patients",
        "valuesets",
        "tables",
        READING,
        REVIEW,
        VOCABULARY,
        WORDING,
    }


def read_rulebook(root: Path, files: SourceFiles = DISK) -> Rulebook:
    """
    Read every file under `root`; with a site.yaml there, the rules it is an overlay of, too, with the overlay in place.

    `files` may hold texts that are read in place of what is on disk.

    Raises nothing: what cannot be read is in `problems`.
    """
    book = Rulebook(root, files=files)
    if not root.is_dir():
        book.problems.append(
            Problem(str(root), 0, 0, "no-rules", "There is no such folder.", "Name a folder that holds rule files.")
        )
        return book
    total = hashlib.sha256()
    if (root / SITE).is_file():
        _read_site(book, total)
    else:
        _read_folder(root, book, total)
        if (root / LOCK).is_file():
            book.lock = _text(root / LOCK, book)
    if not book.rules and not book.problems:
        book.problems.append(
            Problem(str(root), 0, 0, "no-rules", "This folder holds no rule file.", "Name the folder of a rule set.")
        )
    book.digest = total.hexdigest()
    return book


def _read_site(book: Rulebook, total: Any) -> None:
    text = _text(book.root / SITE, book)
    site = _read(book.root / SITE, text, SiteFile, book) if text is not None else None
    if text is None or site is None:
        return
    named = site.model.site.rules
    shipped = named in (None, SHIPPED)
    book.base, book.site = (default_rules_folder() if shipped else Path(normpath(book.root / str(named)))), site
    if not book.base.is_dir() or (book.base / SITE).is_file():
        what = f"`{named}` is no folder of rules."
        fix = f"Name one, seen from this file, or write `{SHIPPED}`; overlays have no overlays."
        book.problems.append(site.problem(("site", "rules"), "wrong-value", what, fix))
        return
    total.update(text.encode())
    _read_folder(book.base, book, total)
    _read_wording(book, total)
    book.rules, book.sets, found, problems = overlaid(book.rules, book.sets, site)
    book.tables, of_tables, wrong = with_tables(book.tables, site)
    book.overrides += (*found, *of_tables)
    book.problems += problems + wrong
    for name, file in product_files(site).items():
        book.products[name] = [*book.products.get(name, []), *_products(book.root / file, book, total)]
    _read_folder(book.root, book, total)
    if book.vocabulary is not None:
        book.overrides += (vocabulary_override(book.vocabulary),)


def _read_wording(book: Rulebook, total: Any) -> None:
    """Words come before all else a site changes: they take the place of those in the files, not of the site's."""
    seen: dict[str, str] = {}
    for path in sorted((book.root / WORDING).glob("*.yaml")):
        text = _text(path, book)
        wording = _read(path, text, WordingFile, book) if text is not None else None
        if text is None or wording is None:
            continue
        total.update(text.encode())
        of = wording.model.wording.of
        if of in seen:
            what, fix = f"{seen[of]} holds other words for `{of}` already.", "Keep one file for each rule file."
            book.problems.append(wording.problem(("wording", "of"), "duplicate-id", what, fix))
            continue
        seen[of] = path.name
        book.wording.append(wording)
        book.rules, overrides, problems = worded(book.rules, wording)
        book.overrides += tuple(overrides)
        book.problems += problems


def _read_folder(root: Path, book: Rulebook, total: Any) -> None:
    book.problems.extend(
        Problem(str(path), 0, 0, "file-ending", "Only files ending in .yaml are read.", f"Rename it {path.stem}.yaml.")
        for path in sorted(root.rglob("*.yml"))
    )
    for path in sorted(root.rglob("*.yaml")):
        place = path.relative_to(root).parts
        text = _text(path, book) if place != (SITE,) else None
        if text is None:
            continue
        if is_rule_file(path, root):
            if rule := _read(path, text, RuleFile, book):
                _keep(book.rules, rule.model.about.id, rule, ("about", "id"), book)
        elif place[0] == "valuesets":
            if value_set := _read(path, text, ValueSetFile, book):
                book.sets.append(value_set)
        elif place[0] == "tables":
            if table := _read(path, text, DrugFile, book):
                _keep(book.tables, table.model.table.id, table, ("table", "id"), book)
                book.products[table.model.table.id] = _products_of(path, table, book, total)
        elif place == (VOCABULARY,):
            if book.site is None:
                what, fix = (
                    f"{VOCABULARY} is read beside a {SITE} only, and there is none here.",
                    f"Add a {SITE}.",
                )
                book.problems.append(Problem(str(path), 0, 0, "vocabulary-entry", what, fix))
            else:
                book.vocabulary = _read(path, text, SiteVocabularyFile, book)
        elif place[0] == WORDING:
            if book.site is None:
                what, fix = f"{WORDING} is read next to a {SITE} only, and there is none here.", f"Add a {SITE}."
                book.problems.append(Problem(str(path), 0, 0, "site-wording", what, fix))
            continue
        elif place == (READING, f"{READING}.yaml"):
            if reading := _read(path, text, ReadingFile, book):
                book.reading = reading
                _read_tables(path.parent, reading, book, total)
        elif place == (REVIEW, f"{REVIEW}.yaml"):
            book.review = _read(path, text, ReviewFile, book)
        elif place == (REVIEW, "packet.yaml"):
            book.packet = _read(path, text, PacketFile, book)
        else:
            continue
        total.update(f"{'/'.join(place)}\n".encode())
        total.update(text.encode())


def _read_tables(folder: Path, reading: LoadedFile[ReadingFile], book: Rulebook, total: Any) -> None:
    header = reading.model.reading
    for name in (header.condition_words, header.drug_words, header.categories, header.titles):
        text = _text(folder / name, book)
        if text is not None:
            total.update(text.encode())
            book.reading_tables[name] = tuple(text.splitlines())


def _text(path: Path, book: Rulebook) -> str | None:
    try:
        raw = book.files.read(path, book.folders)
    except UnreadableSourceError as unreadable:
        book.broken[str(path)] = ""
        book.problems.append(Problem(str(path), 0, 0, "unreadable", unreadable.what, unreadable.fix))
        return None
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        book.broken[str(path)] = raw.decode("utf-8", errors="replace")
        book.problems.append(
            Problem(
                str(path), raw.count(b"\n", 0, error.start) + 1, 1, "unreadable", "This file is not UTF-8 text.",
                "Save it as UTF-8; most editors offer it under “Save with encoding”.",
            )
        )  # fmt: skip
        return None


def _read(path: Path, text: str, model: type[Model], book: Rulebook) -> LoadedFile[Model] | None:
    read, found = book.files.made((str(path), model, text), lambda: _parsed(path, text, model))
    book.problems.extend(found)
    if read is None:
        book.broken[str(path)] = text
    return read


def _parsed(path: Path, text: str, model: type[Model]) -> tuple[LoadedFile[Model] | None, tuple[Problem, ...]]:
    """A text as a model, and every mistake of its form; None for a text with one."""
    located = read_yaml(text, str(path))
    found = [*located.problems, *(fill_patterns(located) if model is RuleFile else ())]
    read = None
    if located.value is not None:
        empty = list(_empty_values(located))
        found += empty
        try:
            read = model.model_validate(located.value)
        except ValidationError as error:
            told = {(problem.line, problem.column) for problem in empty}
            found += [p for p in problems_of(error, located, model) if (p.line, p.column) not in told]
    if read is None or found:
        return None, tuple(found)
    return LoadedFile(str(path), located, read, hashlib.sha256(text.encode()).hexdigest(), text), ()


def _empty_values(located: YamlDocument) -> Iterator[Problem]:
    """A key with nothing after it is a thing forgotten, never a way to say "none"."""
    for path, (line, column) in located.lines.items():
        if path and located.value_at(path) is None:
            yield Problem(
                located.file,
                line,
                column,
                "empty-value",
                f"`{path[-1]}` has no value.",
                "Write one, or remove the key.",
            )


def _keep(
    into: dict[str, LoadedFile[Model]], name: str, loaded: LoadedFile[Model], path: YamlPath, book: Rulebook
) -> None:
    stem = Path(loaded.file).stem
    if name != stem:
        book.problems.append(
            loaded.problem(path, "id-is-file-name", f"The id is `{name}`, the file `{stem}.yaml`.", f"Write `{stem}`.")
        )
    if name in into:
        book.problems.append(
            loaded.problem(path, "duplicate-id", f"`{name}` is also the id of {into[name].file}.", "Give one a new id.")
        )
        book.broken[loaded.file] = loaded.text
        return
    into[name] = loaded


def problems_of(error: ValidationError, located: YamlDocument, model: type[BaseModel]) -> list[Problem]:
    """What pydantic found, in our words, each at its line; one mistake is one problem."""
    by_path: dict[YamlPath, list[ErrorDetails]] = {}
    for detail in error.errors(include_url=False):
        path = located.written(_yaml_path(detail, located))
        if detail["type"] == "missing":
            path = (*path, detail["loc"][-1])
        if detail["type"] == "union_tag_invalid" and located.value_at((*path, "find")) is not None:
            path = (*path, "find")
        by_path.setdefault(path, []).append(detail)
    misspelt = {
        (*path[:-1], nearest(path[-1], known_keys(details[0]["loc"][:-1], model), by_letter=True))
        for path, details in by_path.items()
        if details[0]["type"] == "extra_forbidden"
    }
    problems = []
    for path, details in by_path.items():
        if details[0]["type"] == "missing" and path in misspelt:
            continue
        # A union says for each of its forms why it does not fit; what was found further inside is the mistake.
        deeper = any(len(other) > len(path) and other[: len(path)] == path for other in by_path)
        if deeper and all(detail["type"] in OF_A_UNION and detail["loc"][-1:] != (KEY,) for detail in details):
            continue
        line, column = located.at(path)
        what, fix = _in_words(details, path, located, model)
        problems.append(Problem(located.file, line, column, _check_name(details[0]["type"]), what, fix))
    return sorted(set(problems))


def _yaml_path(detail: ErrorDetails, located: YamlDocument) -> YamlPath:
    """
    Where in the file a mistake is.

    pydantic names union members on the way (`count`, `at_least`), and a key of the file may be called the same;
    of all ways to read its path, the one that explains most of it is right.
    """
    steps = detail["loc"]
    missing = detail["type"] == "missing"

    def ways(value: Any, at: int, path: YamlPath) -> Iterator[tuple[bool, int, YamlPath]]:
        if at == len(steps) - missing:
            fits = isinstance(value, dict) and steps[-1] not in value if missing else True
            yield fits, len(path), path
            return
        step: Any = steps[at]
        if (isinstance(value, dict) and step in value) or (
            isinstance(value, list) and isinstance(step, int) and step < len(value)
        ):
            last = missing or at == len(steps) - 1
            for fits, length, whole in ways(value[step], at + 1, (*path, step)):
                yield fits, length + last, whole
        yield from ways(value, at + 1, path)

    return max(ways(located.value, 0, ()))[2]


FEW_KEYS = 8  # that a message can list
KEY = "[key]"  # pydantic's last step for a key that is not as it should be
OF_A_UNION = frozenset(
    {
        "string_type", "int_type", "float_type", "bool_type", "list_type", "dict_type", "model_type", "literal_error",
        "string_pattern_mismatch", "model_attributes_type",
    }
)  # fmt: skip
EXPECTED = {
    "string_type": "a word",
    "int_type": "a number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "`true` or `false`",
    "list_type": "a list",
    "dict_type": "keys with values",
    "model_type": "keys with values",
    "model_attributes_type": "keys with values",
    "date_type": "a date like 2025-03-10, without quotes",
    "is_instance_of": "another form",
    "string_too_short": "some text",
}
PATTERNS = {
    # Said for the patterns of cds.rulebook.format.rule_file.
    r"^[a-z][a-z0-9_]*$": "a name: lower-case letters, digits and `_`, a letter first",
    r"^[a-z][a-z0-9-]*$": "a name: lower-case letters, digits and `-`, a letter first",
    r"^\d+\.\d+\.\d+$": "a version like 1.0.0",
    r"^https?://\S+$": "an address that begins with https://",
    r"^[A-Za-z0-9]{1,100}$": "up to 100 letters and digits, nothing else",
}
DURATION = "a duration like 14 days, 6 weeks or 5 years, or a parameter that is one"
DURATION_KEYS = frozenset(
    {
        "look_back", "lasts_at_least", "joins_gaps_up_to", "otherwise", "apart", "before", "after",
        "augmentation_lasts_at_least",
    }
)  # fmt: skip
CONDITION_WORDS = ("all", "any", "not", "at_least", "unknown", "possibly")


def _check_name(kind: str) -> str:
    return {
        "missing": "missing-key",
        "extra_forbidden": "unknown-key",
        "union_tag_invalid": "unknown-kind",
        "union_tag_not_found": "unknown-kind",
        "value_error": "wrong-form",
        "codes_not_text": "codes-not-text",
    }.get(kind, "wrong-value")


def _in_words(
    details: list[ErrorDetails], path: YamlPath, located: YamlDocument, model: type[BaseModel]
) -> tuple[str, str]:
    detail = details[0]
    kind = detail["type"]
    here = ".".join(str(step) for step in path) or "the file"
    above = ".".join(str(step) for step in path[:-1])
    place = f"`{above}`" if above else "the file"
    if kind == "missing":
        return f"`{path[-1]}` is missing in {place}.", f"Add `{path[-1]}:`."
    if kind == "extra_forbidden":
        keys = known_keys(detail["loc"][:-1], model)
        listed = f"Write one of {', '.join(keys)}, or remove it."
        if len(keys) > FEW_KEYS:
            listed = "Remove it, or see docs/rule-authors/format.md for the keys."
        hint = did_you_mean(path[-1], keys, listed, by_letter=True)
        if path[-1] in CONDITION_WORDS and any(key in CONDITION_WORDS for key in keys):
            return f"`{path[-1]}` stands beside another condition in {place}.", "Put both into the list of one `all:`."
        return f"`{path[-1]}` is not a key that can stand in {place}.", hint
    if kind == "union_tag_invalid":
        tag = detail["ctx"]["tag"]
        expected = detail["ctx"]["expected_tags"].replace("'", "").split(", ")
        if not tag:
            return f"`{here}` does not say what to look for.", f"Add `find:` with one of {', '.join(expected)}."
        hint = did_you_mean(tag, expected, f"Write one of {', '.join(expected)}.", by_letter=True)
        return f"`{tag}` is not a kind of fact this format knows.", hint
    if kind == "codes_not_text":
        return f"`{here}` is a number; {detail['msg']}.", _in_quotes(located.value_at(path))
    if kind == "value_error":
        message = detail["msg"].removeprefix("Value error, ")
        return f"`{here}`: {message}.", "See docs/rule-authors/format.md."
    if any(detail.get("ctx", {}).get("class_name") == "Limits" for detail in details):
        otherwise = f"Write `{path[-1]}: {{at_least: …}}`, or a name alone."
        hint = did_you_mean(path[-1], CONDITION_WORDS, otherwise, by_letter=True)
        return f"`{path[-1]}` is no word of a condition, and as a comparison it has no limit.", hint
    if detail["loc"][-1:] == (KEY,):
        return f"`{path[-1]}` cannot be a name in {place}.", f"Write {_wanted([detail])}."
    if detail["loc"][-1:] == ("compare",):
        return f"`{here}` is not a condition.", f"Write a name, a comparison, or {', '.join(CONDITION_WORDS)}."
    wanted = DURATION if path[-1:] and path[-1] in DURATION_KEYS else _wanted(details)
    if path[-1:] == ("version",):
        wanted = PATTERNS[r"^\d+\.\d+\.\d+$"]
    return f"`{here}` cannot be {_shown(located.value_at(path))}.", f"Write {wanted}."


def _in_quotes(value: object) -> Correction:
    return Correction(f'Write "{value}".', str(value), f'"{value}"')


def _wanted(details: list[ErrorDetails]) -> str:
    forms: list[str] = []
    for detail in details:
        context = detail.get("ctx", {})
        match detail["type"]:
            case "literal_error":
                forms.append(str(context["expected"]).replace("'", "`").replace("False", "`false`"))
            case "string_pattern_mismatch":
                forms.append(PATTERNS.get(context["pattern"], DURATION))
            case "too_short":
                forms.append(f"a list of {context['min_length']} or more")
            case "too_long":
                forms.append(f"a list of {context['max_length']} at most")
            case kind:
                forms.append(EXPECTED.get(kind, f"what this asks for: {detail['msg'].lower()}"))
    return ", or ".join(dict.fromkeys(forms))


def _shown(value: object) -> str:
    match value:
        case dict():
            return "keys with values"
        case list():
            return "a list" if value else "an empty list"
        case bool():
            return f"`{str(value).lower()}`"
    return f"`{value}`"


def _products_of(path: Path, table: LoadedFile[DrugFile], book: Rulebook, total: Any) -> list[ProductRow]:
    named = table.model.table.products
    return _products(path.parent / named, book, total) if named is not None else []


def _products(products: Path, book: Rulebook, total: Any) -> list[ProductRow]:
    text = _text(products, book)
    if text is None:
        return []
    total.update(text.encode())
    reader = csv.reader(io.StringIO(text))
    header = next(reader, [])
    if tuple(header) != PRODUCT_COLUMNS:
        book.problems.append(
            Problem(
                str(products), 1, 1, "product-columns", f"The first line is {','.join(header)}.",
                f"Write {','.join(PRODUCT_COLUMNS)}.",
            )
        )  # fmt: skip
        return []
    rows = []
    for values in reader:
        if len(values) != len(PRODUCT_COLUMNS):
            book.problems.append(
                Problem(
                    str(products), reader.line_num, 1, "product-columns",
                    f"This line has {len(values)} values, the first line names {len(PRODUCT_COLUMNS)}.",
                    "Put values that hold a comma in double quotes.",
                )
            )  # fmt: skip
            continue
        rows.append(ProductRow(str(products), reader.line_num, dict(zip(PRODUCT_COLUMNS, values, strict=True))))
    return rows
