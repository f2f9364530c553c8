"""Files under rules/ → Rulebook: every file as a model that remembers its lines, and every mistake of form."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from os.path import normpath
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cds.locale.catalog import ENGLISH, ENGLISH_CATALOG, Catalog
from cds.rulebook.drug_rows import NDC_COLUMNS, PRODUCT_COLUMNS, DrugTableRow, read_rows
from cds.rulebook.format.drug_table import DrugFile
from cds.rulebook.format.packet import PacketFile
from cds.rulebook.format.reading import ReadingFile
from cds.rulebook.format.review import ReviewFile
from cds.rulebook.format.rule_file import RuleFile
from cds.rulebook.format.site import SiteFile
from cds.rulebook.format.value_set import ValueSetFile
from cds.rulebook.format.vocabulary import SiteVocabularyFile
from cds.rulebook.format.wording import WordingFile
from cds.rulebook.locale_file import locale_path, no_translation, read_translations, wrong_placeholders
from cds.rulebook.overlay import SiteOverride, overlaid, vocabulary_override
from cds.rulebook.overlay_tables import with_tables
from cds.rulebook.overlay_wording import (
    CHECK,
    WordedFile,
    Wording,
    packet_places,
    review_places,
    set_key,
    set_places,
    text_places,
    told_of,
    with_wording,
)
from cds.rulebook.patterns import fill_patterns
from cds.rulebook.shipped import SHIPPED, default_rules_folder
from cds.rulebook.validation_problems import problems_of
from cds.yaml_source.correction import did_you_mean
from cds.yaml_source.document import Path as YamlPath
from cds.yaml_source.document import YamlDocument, read_yaml
from cds.yaml_source.loaded import LoadedFile, Model
from cds.yaml_source.problem import Problem
from cds.yaml_source.source_file import DISK, SourceFiles, UnreadableSourceError

LOCK = "rules.lock"
READING = "reading"
REVIEW = "review"
PACKET = "packet"
VALUESETS = "valuesets"
SITE = "site.yaml"
VOCABULARY = "vocabulary.yaml"
WORDING = "wording"


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
        ndcs: Table id → its rows of National Drug Codes; none without such a file.
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
        words: What the program itself writes, in the language of the site.
        locale: Digest of the site's translation of that; "" for none.
        files: Where its files come from.
    """

    root: Path
    rules: dict[str, LoadedFile[RuleFile]] = field(default_factory=dict)
    sets: list[LoadedFile[ValueSetFile]] = field(default_factory=list)
    tables: dict[str, LoadedFile[DrugFile]] = field(default_factory=dict)
    products: dict[str, list[DrugTableRow]] = field(default_factory=dict)
    ndcs: dict[str, list[DrugTableRow]] = field(default_factory=dict)
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
    words: Catalog = ENGLISH_CATALOG
    locale: str = ""
    files: SourceFiles = field(default=DISK, repr=False, compare=False)

    @property
    def folders(self) -> tuple[Path, ...]:
        """Where it is read from: its own folder and, for a site, that of the rules it is an overlay of."""
        return tuple(folder for folder in (self.root, self.base) if folder is not None and folder.is_dir())

    def own(self) -> Rulebook:
        """The rulebook with the rule files of its own folder only, without those a site's overlay is of."""
        mine = {name: rule for name, rule in self.rules.items() if Path(rule.file).is_relative_to(self.root)}
        return replace(self, rules=mine)

    def own_cards(self) -> frozenset[str]:
        """The cards that its own folder writes, and those of the rules a site stands on that the site changes."""
        changed = {str(override.path[1]) for override in self.overrides if override.path[:1] == ("cards",)}
        changed |= {str(path[1]) for rule in self.rules.values() for path in rule.overlaid if path[0] == "cards"}
        return frozenset(changed | {name for rule in self.own().rules.values() for name in rule.model.cards})


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


def read_rulebook(root: Path, files: SourceFiles = DISK, base: Path | None = None) -> Rulebook:
    """
    Read every file under `root`; with a site.yaml there, the rules it is an overlay of, too, with the overlay in place.

    `files` may hold texts that are read in place of what is on disk; `base` is a folder of rules that is read in place
    of the one that site.yaml names.

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
        _read_site(book, total, base)
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


def _read_site(book: Rulebook, total: Any, base: Path | None) -> None:
    text = _text(book.root / SITE, book)
    site = _read(book.root / SITE, text, SiteFile, book) if text is not None else None
    if text is None or site is None:
        return
    named = site.model.site.rules
    of = default_rules_folder() if named in (None, SHIPPED) else Path(normpath(book.root / str(named)))
    book.base, book.site = base or of, site
    if not book.base.is_dir() or (book.base / SITE).is_file():
        what = f"`{named}` is no folder of rules."
        fix = f"Name one, seen from this file, or write `{SHIPPED}`; overlays have no overlays."
        book.problems.append(site.problem(("site", "rules"), "wrong-value", what, fix))
        return
    total.update(text.encode())
    _read_folder(book.base, book, total)
    _read_wording(book, total)
    _read_locale(book, site, total)
    book.rules, book.sets, found, problems = overlaid(book.rules, book.sets, site)
    book.tables, of_tables, wrong = with_tables(book.tables, site)
    book.overrides += (*found, *of_tables)
    book.problems += problems + wrong
    for name, change in site.model.tables.items():
        _add_rows(name, book.root, change.products, change.ndcs, book, total)
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
        _put_wording(wording, book)


def _put_wording(wording: Wording, book: Rulebook) -> None:
    """Put the texts of a wording into the files it is of, unless something is wrong with it."""
    of = wording.model.wording.of
    files: list[WordedFile[Any]] = []
    version: str | None = None
    if of in book.rules:
        files = [rule := with_wording(book.rules[of], text_places, wording)]
        book.rules = book.rules | {of: rule.file}
        version = rule.file.model.about.version
    elif of == REVIEW and book.review is not None:
        files = [review := with_wording(book.review, review_places, wording)]
        book.review, version = review.file, review.file.model.review.version
    elif of == PACKET and book.packet is not None:
        files = [packet := with_wording(book.packet, packet_places, wording)]
        book.packet, version = packet.file, packet.file.model.packet.version
    elif of == VALUESETS:
        named = {set_key(loaded): index for index, loaded in enumerate(book.sets)}
        sets = list(book.sets)
        for name in wording.model.texts:
            if name not in named:
                fix = did_you_mean(name, named, "Name a value set.")
                book.problems.append(wording.problem(("texts", name), CHECK, f"There is no value set `{name}`.", fix))
                continue
            files.append(one := with_wording(sets[named[name]], set_places, wording, ("texts", name)))
            sets[named[name]] = one.file
        book.sets = sets
    else:
        fix = did_you_mean(of, (*book.rules, REVIEW, PACKET, VALUESETS), "Name a rule file.")
        book.problems.append(wording.problem(("wording", "of"), CHECK, f"There is no rule file `{of}`.", fix))
        return
    wrong = [problem for one in files for problem in one.problems]
    if wrong:
        book.problems += wrong
        return
    override, behind = told_of(wording, files, version)
    book.overrides += (override,)
    book.problems += behind


def _read_locale(book: Rulebook, site: LoadedFile[SiteFile], total: Any) -> None:
    """The language of the site, and its translation of what the program itself writes."""
    of_wording = {one.model.wording.language for one in book.wording}
    language = site.model.site.language or (of_wording.pop() if len(of_wording) == 1 else ENGLISH)
    path = locale_path(book.root, language)
    total.update(language.encode())
    if not path.is_file():
        book.words = Catalog(language)
        if language.split("-")[0] != ENGLISH:
            place = ("site", "language") if site.model.site.language else ("site",)
            book.problems.append(no_translation(site, place, language))
        return
    try:
        raw = book.files.read(path, book.folders)
        translations = read_translations(raw)
    except UnreadableSourceError as unreadable:
        book.problems.append(Problem(str(path), 0, 0, "unreadable", unreadable.what, unreadable.fix))
        return
    total.update(raw)
    book.problems.extend(wrong_placeholders(translations, str(path)))
    book.words, book.locale = Catalog(language, translations), hashlib.sha256(raw).hexdigest()


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
                header = table.model.table
                _add_rows(header.id, path.parent, header.products, header.ndcs, book, total)
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
        elif place == (REVIEW, f"{PACKET}.yaml"):
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


def _add_rows(table: str, folder: Path, products: str | None, ndcs: str | None, book: Rulebook, total: Any) -> None:
    """Add the lines of the CSV files that are named to those of a drug table."""
    for named, columns, into in ((products, PRODUCT_COLUMNS, book.products), (ndcs, NDC_COLUMNS, book.ndcs)):
        more = _rows_of(folder / named, columns, book, total) if named is not None else []
        into[table] = [*into.get(table, []), *more]


def _rows_of(path: Path, columns: tuple[str, ...], book: Rulebook, total: Any) -> list[DrugTableRow]:
    text = _text(path, book)
    if text is None:
        return []
    total.update(text.encode())
    rows, problems = read_rows(str(path), text, columns)
    book.problems.extend(problems)
    return rows
