"""*.test.yaml beside rules, and rules/patients/*.yaml → Casebook: every case ready to run, every mistake of form."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    ValidationError,
    model_validator,
)
from rapidfuzz import process

from cds.casebook import shorthand
from cds.casebook.shorthand import Key, Patient
from cds.refusal import Refusal
from cds.rulebook.format import Slug, Snake, Strict, Text, ValueSetFile
from cds.rulebook.problem import Problem
from cds.rulebook.read import Loaded, Rulebook, problems_of, read_rulebook
from cds.rulebook.yaml_text import Located, read_yaml
from cds.rulebook.yaml_text import Path as YamlPath

Model = TypeVar("Model", bound=BaseModel)

SEE = "See docs/rule-authors/tests.md."
ENDS = frozenset({"to", "for", "ongoing", "on"})
INSTEAD_OF = (
    ENDS,
    {"mg_a_day", "dose", "steps"},
    {"drug", "product", "coded", "code"},
    {"age", "birth_date"},
    {"times_a_day", "every"},
)
"""Keys of which a patient has one: a `but` that sets one takes the others away."""

DOSE_COLUMNS = ("minimum_mg_a_day", "strict_minimum_mg_a_day")
REFUSALS = {
    re.sub(r"(?<=[a-z])(?=[A-Z])", "-", kind.__name__).lower(): kind for kind in Refusal.__subclasses__()
}  # fmt: skip

# ---------------------------------------------------------------- the format


class Whole(Strict):
    """A whole request or bundle from a file, not a shorthand patient; the path starts beside the rules folder."""

    request: Text | None = None
    bundle: Text | None = None

    @model_validator(mode="after")
    def _one(self) -> Whole:
        if (self.request is None) == (self.bundle is None):
            raise ValueError("write `request:` or `bundle:`")
        return self


class Between(Strict):
    """A range: `{from: 1, to: 2}`; without `to`, no upper end is known."""

    from_: Annotated[int | float, Field(alias="from")]
    to: int | float | None = None


EXPECTED: dict[str, Any] = {
    "anyOf": [
        {"type": "boolean"},
        {"type": "number"},
        {"type": "string"},
        {
            "type": "object",
            "properties": {
                "from": {"type": "number"},
                "to": {"type": "number"},
                "not": {"type": ["boolean", "string"]},
            },
            "additionalProperties": False,
        },
    ]
}


class Then(BaseModel):
    """
    What must be so; what is left out is not claimed.

    Beside these keys stand facts and conclusions by name: true, false, unknown, {not: true}, a number,
    {from: 1, to: 2} or a day.

    Attributes:
        cards: Exactly these cards, in this order.
        no_cards: Nothing is shown.
        first_card: The card shown first.
        shows, shows_not: Cards that must, or must not, be among those shown.
        notes: Card → numbers of its notes that hold, from 1.
        says, says_not: Text that must, or must not, stand in a shown card.
        missing: Text that must stand in the list of what would settle the unknown conclusions named here.
        data_quality: Text that must stand among the remarks about the data.
        error: The request is refused: wrong-patient, no-patient, …
    """

    model_config = ConfigDict(extra="allow", frozen=True, json_schema_extra={"additionalProperties": EXPECTED})

    cards: list[Snake] | None = None
    no_cards: bool = False
    first_card: Snake | None = None
    shows: list[Snake] = []
    shows_not: list[Snake] = []
    notes: dict[Snake, list[Annotated[int, Field(ge=1)]]] = {}
    says: list[Text] = []
    says_not: list[Text] = []
    missing: list[Text] = []
    data_quality: list[Text] = []
    error: str | None = None

    @property
    def answers(self) -> Mapping[str, Any]:
        """Fact or conclusion → what it must be."""
        return self.__pydantic_extra__ or {}

    @model_validator(mode="after")
    def _claims_something(self) -> Then:
        if not self.model_fields_set and not self.answers:
            raise ValueError("say what must be so")
        if self.no_cards and (self.cards or self.first_card or self.shows or self.says or self.notes):
            raise ValueError("`no_cards` leaves nothing for cards, first_card, shows, says and notes")
        if self.error and len(self.model_fields_set) > 1:
            raise ValueError("a refused request has no answers: leave out everything but `error`")
        return self


class Test(Strict):
    """One case: a patient, what is different about them, and what must follow."""

    __test__ = False  # not a class of tests for pytest

    name: Annotated[str, StringConstraints(min_length=3, max_length=200, strip_whitespace=True, pattern=r"^[^\n]*$")]
    given: Annotated[
        Annotated[Key, Tag("name")] | Annotated[Whole, Tag("file")],
        Discriminator(lambda given: "name" if isinstance(given, str) else "file"),
        Field(description="A patient here or in patients/, or a whole file."),
    ]
    but: dict[str, Any] = Field(
        default_factory=dict, description="Path → value: took.venlafaxine.for: 5 weeks; null takes away; + appends."
    )
    with_: dict[str, int | float | str] = Field(
        default_factory=dict,
        alias="with",
        description="Parameter, or drug.minimum_mg_a_day → value, for this case only.",
    )
    service: Annotated[Slug | None, Field(description="Cards of this service; of all services without it.")] = None
    then: Then


class TestFile(Strict):
    """The cases of one rule file, beside it."""

    __test__ = False

    today: date
    patients: dict[Key, Patient] = Field(default_factory=dict)
    tests: Annotated[list[Test], Field(min_length=1)]


class PatientsFile(Strict):
    """Patients that several test files share: rules/patients/*.yaml."""

    patients: Annotated[dict[Key, Patient], Field(min_length=1)]


SCHEMAS: dict[str, type[BaseModel]] = {
    "casetest.schema.json": TestFile,
    "patients.schema.json": PatientsFile,
}

# ---------------------------------------------------------------- the casebook


@dataclass(frozen=True, slots=True)
class Case:
    """
    One case, ready to run.

    Attributes:
        name: Its sentence.
        file, line: Where it stands.
        today: The day it is decided for.
        patient: The shorthand patient, every `but` applied; None when a file is given.
        request, bundle: The file given instead.
        with_: Parameters and minimum doses that differ in this case.
        service: Whose cards are meant; "" for all.
        then: What must be so.
    """

    name: str
    file: Path
    line: int
    today: date
    patient: Patient | None
    request: Path | None
    bundle: Path | None
    with_: Mapping[str, float | str]
    service: str
    then: Then


@dataclass
class Casebook:
    """
    Every case under a rules folder.

    Attributes:
        root: The folder.
        cases: In the order of files and lines; a file with a mistake of form has none.
        problems: Every mistake, each at its line.
    """

    root: Path
    cases: list[Case] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def of(self, file: Path) -> list[Case]:
        """The cases of one file."""
        return [case for case in self.cases if case.file == file]

    def problems_in(self, file: Path) -> list[Problem]:
        """The problems of one file, and those of shared patients."""
        mine = {str(file), *(p.file for p in self.problems if not p.file.endswith(".test.yaml"))}
        return [problem for problem in self.problems if problem.file in mine]


@dataclass(frozen=True)
class Known:
    """
    Names a case may use.

    Attributes:
        sure: False when rule files hold mistakes: then nobody knows, and no name is called wrong.
        answers: Value set → numbers that have an answer code.
        notes: Card → how many notes it has.
    """

    sure: bool
    facts: frozenset[str]
    conclusions: frozenset[str]
    notes: Mapping[str, int]
    services: frozenset[str]
    parameters: frozenset[str]
    sets: frozenset[str]
    answers: Mapping[str, frozenset[float]]
    drugs: frozenset[str]


@dataclass(frozen=True)
class Described:
    """A patient as written, and where."""

    located: Located
    path: YamlPath
    raw: Mapping[str, Any]


def read_casebook(root: Path, book: Rulebook | None = None) -> Casebook:
    """Read every case under `root`. Raises nothing: what is wrong is in `problems`."""
    casebook = Casebook(root)
    known = names_of(book if book is not None else read_rulebook(root))
    shared: dict[str, Described] = {}
    for path in sorted((root / "patients").glob("*.yaml")):
        if read := _read(path, PatientsFile, casebook):
            _take_patients(read, shared, known, casebook)
    for path in sorted(root.rglob("*.test.yaml")):
        if tests := _read(path, TestFile, casebook):
            patients = dict(shared)
            _take_patients(tests, patients, known, casebook)
            _take_tests(path, tests, patients, known, casebook)
    casebook.problems = sorted(set(casebook.problems))
    return casebook


def names_of(book: Rulebook) -> Known:
    """Every name a case may use."""
    rules = [rule.model for rule in book.rules.values()]
    answers: dict[str, set[float]] = {}
    for loaded in book.sets:
        numbers = answers.setdefault(_set_name(loaded), set())
        for group in loaded.model.answers:
            numbers.update(map(float, group.values.values()))
    return Known(
        sure=not book.problems,
        facts=frozenset(name for rule in rules for name in rule.facts),
        conclusions=frozenset(name for rule in rules for name in rule.conclusions),
        notes={name: len(card.notes) for rule in rules for name, card in rule.cards.items()},
        services=frozenset(name for rule in rules for name in rule.services),
        parameters=frozenset(name for rule in rules for name in rule.parameters),
        sets=frozenset(answers),
        answers={name: frozenset(numbers) for name, numbers in answers.items()},
        drugs=frozenset(key for table in book.tables.values() for key in table.model.drugs),
    )


def _set_name(loaded: Loaded[ValueSetFile]) -> str:
    return loaded.model.valueset.id or loaded.model.valueset.adds_to or ""


def _read(path: Path, model: type[Model], casebook: Casebook) -> Loaded[Model] | None:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        casebook.problems.append(
            Problem(str(path), 0, 0, "unreadable", f"Cannot read this file: {error}.", "Save it as UTF-8 text.")
        )
        return None
    located = read_yaml(text, str(path))
    casebook.problems.extend(located.problems)
    if located.value is None:
        return None
    try:
        read = model.model_validate(located.value)
    except ValidationError as error:
        casebook.problems.extend(_in_test_words(error, located, model))
        return None
    return None if located.problems else Loaded(str(path), located, read, "")


def _in_test_words(error: ValidationError, located: Located, model: type[BaseModel]) -> Iterator[Problem]:
    close = {}
    for detail in error.errors(include_url=False):
        if detail["type"] == "extra_forbidden":
            key = str(detail["loc"][-1])
            close[f"`{key}` is not a key"] = did_you_mean(key, _keys_at(detail["loc"][:-1], model))
    for problem in problems_of(error, located, model):
        fix = next((fix for start, fix in close.items() if problem.what.startswith(start)), problem.fix)
        yield replace(problem, fix=fix.replace("docs/rule-authors/format.md", "docs/rule-authors/tests.md"))


def _keys_at(loc: tuple[int | str, ...], root: type[BaseModel]) -> frozenset[str]:
    """Keys that can stand at a place of a test file."""
    model = next((MODELS[step] for step in reversed(loc) if isinstance(step, str) and step in MODELS), root)
    return frozenset(info.alias or name for name, info in model.model_fields.items())


MODELS: dict[str, type[BaseModel]] = {
    "patients": Patient, "tests": Test, "given": Whole, "then": Then, "took": shorthand.Taking,
    "orders": shorthand.Order, "steps": shorthand.Step, "dose": shorthand.Dose, "dispenses": shorthand.Dispense,
    "reasons": shorthand.Reason, "stopped_for": shorthand.Reason, "answer": shorthand.Reason,
    "conditions": shorthand.Condition, "scores": shorthand.Score, "answers": shorthand.Answer,
    "blood_pressure": shorthand.BloodPressure, "observations": shorthand.Observation,
    "allergies": shorthand.Allergy, "procedures": shorthand.Procedure, "family_history": shorthand.Relative,
    "referrals": shorthand.Referral,
}  # fmt: skip


# ---------------------------------------------------------------- patients


def _take_patients(
    read: Loaded[TestFile] | Loaded[PatientsFile], into: dict[str, Described], known: Known, casebook: Casebook
) -> None:
    for name, patient in read.model.patients.items():
        path: YamlPath = ("patients", name)
        if name in into:
            there = into[name].located
            casebook.problems.append(
                read.problem(
                    path, "duplicate-name",
                    f"`{name}` is also a patient in {there.file}:{there.at(into[name].path)[0]}.",
                    "Give one another name, or use the shared one with `but`.",
                )
            )  # fmt: skip
            continue
        into[name] = Described(read.located, path, read.located.value["patients"][name] or {})
        for where, what, fix in wrong_names(patient, known):
            casebook.problems.append(read.problem((*path, *where), "unknown-name", what, fix))


def wrong_names(patient: Patient, known: Known) -> Iterator[tuple[YamlPath, str, str]]:
    """Value sets, drugs and answers a patient names that the rules folder does not have: where, what, and the fix."""
    if not known.sure:
        return
    for reference in patient.references():
        name = reference.name
        match reference.kind:
            case "value set" if name not in known.sets:
                yield reference.path, f"`{name}` is not a value set.", did_you_mean(name, known.sets)
            case "drug" if name not in known.drugs:
                fix = did_you_mean(name, known.drugs, "Name the drug with `product`, `code`, `coded` or `text`.")
                yield reference.path, f"`{name}` is not a drug of any table.", fix
            case "answer" if reference.number not in known.answers.get(name, ()):
                what = f"`{name}` has no answer code for {reference.number:g}."
                yield reference.path, what, "Add it to `answers` of the value set, or leave out `as: code`."


def did_you_mean(name: str, names: frozenset[str], otherwise: str = SEE) -> str:
    """The nearest name, or what else to do."""
    close = process.extractOne(name, sorted(names), score_cutoff=70)
    return f"Did you mean `{close[0]}`?" if close else otherwise


# ---------------------------------------------------------------- tests


def _take_tests(
    path: Path, read: Loaded[TestFile], patients: Mapping[str, Described], known: Known, casebook: Casebook
) -> None:
    seen: dict[str, int] = {}
    for index, test in enumerate(read.model.tests):
        here: YamlPath = ("tests", index)
        line = read.located.at((*here, "name"))[0]
        if test.name in seen:
            what = f"The test in line {seen[test.name]} has the same name."
            casebook.problems.append(read.problem((*here, "name"), "duplicate-name", what, "Say how this one differs."))
        seen.setdefault(test.name, line)
        problems = [read.problem((*here, *at), "unknown-name", what, fix) for at, what, fix in _names(test, known)]
        patient, request, bundle = None, None, None
        if isinstance(test.given, Whole):
            request, bundle = _file(test.given.request, casebook), _file(test.given.bundle, casebook)
            problems += _whole(test, request or bundle, read, here)
        elif test.given not in patients:
            fix = did_you_mean(test.given, frozenset(patients), "Describe the patient under `patients:`.")
            problems.append(read.problem((*here, "given"), "unknown-name", f"There is no patient `{test.given}`.", fix))
        else:
            patient, wrong = changed(patients[test.given], test.but, read.located, here, known)
            problems += wrong
        casebook.problems.extend(problems)
        if not problems:
            casebook.cases.append(
                Case(
                    name=test.name,
                    file=path,
                    line=line,
                    today=read.model.today,
                    patient=patient,
                    request=request,
                    bundle=bundle,
                    with_=test.with_,
                    service=test.service or "",
                    then=test.then,
                )
            )


def _file(name: str | None, casebook: Casebook) -> Path | None:
    return casebook.root.resolve().parent / name if name else None


def _whole(test: Test, file: Path | None, read: Loaded[TestFile], here: YamlPath) -> list[Problem]:
    problems = []
    if test.but:
        what = "`but` changes a described patient; this case gives a whole file."
        problems.append(read.problem((*here, "but"), "wrong-form", what, "Change the file, or describe a patient."))
    if file is not None and not file.is_file():
        what = f"There is no file {file.name} there."
        problems.append(
            read.problem((*here, "given"), "unknown-name", what, "The path starts beside the rules folder.")
        )
    return problems


def _names(test: Test, known: Known) -> Iterator[tuple[YamlPath, str, str]]:
    """Names in `then`, `with` and `service` that nothing has, and expectations of no legal form."""
    then = test.then
    if then.error and then.error not in REFUSALS:
        fix = did_you_mean(then.error, frozenset(REFUSALS), f"Write one of {', '.join(sorted(REFUSALS))}.")
        yield ("then", "error"), f"`{then.error}` is not a refusal.", fix
    for name, expected in then.answers.items():
        if wrong := _wrong_expectation(expected):
            yield ("then", name), f"`{name}: {expected}`: {wrong}.", SEE
    if not known.sure:
        return
    claimable = known.facts | known.conclusions
    for name in then.answers:
        if name not in claimable:
            fix = did_you_mean(name, claimable | frozenset(Then.model_fields))
            yield ("then", name), f"`{name}` is not a fact, a conclusion or a key of `then`.", fix
    cards = frozenset(known.notes)
    for key in ("cards", "shows", "shows_not"):
        for index, card in enumerate(getattr(then, key) or ()):
            if card not in cards:
                yield ("then", key, index), f"`{card}` is not a card.", did_you_mean(card, cards)
    if then.first_card and then.first_card not in cards:
        yield ("then", "first_card"), f"`{then.first_card}` is not a card.", did_you_mean(then.first_card, cards)
    for card, numbers in then.notes.items():
        if card not in cards:
            yield ("then", "notes", card), f"`{card}` is not a card.", did_you_mean(card, cards)
        elif too_high := [number for number in numbers if number > known.notes[card]]:
            what = f"`{card}` has {known.notes[card]} note(s); there is no note {too_high[0]}."
            yield ("then", "notes", card), what, "Notes are counted from 1, as they stand in the rule file."
    if test.service and test.service not in known.services:
        yield ("service",), f"`{test.service}` is not a service.", did_you_mean(test.service, known.services)
    for name in test.with_:
        drug, _, column = name.partition(".")
        if column not in DOSE_COLUMNS if drug in known.drugs else name not in known.parameters:
            doses = frozenset(f"{drug}.{dose}" for drug in known.drugs for dose in DOSE_COLUMNS)
            yield ("with", name), f"`{name}` is not a parameter.", did_you_mean(name, known.parameters | doses)


def _wrong_expectation(expected: Any) -> str:
    if isinstance(expected, bool | int | float | date) or expected == "unknown":
        return ""
    if isinstance(expected, str) and re.fullmatch(r"\d{4}(-\d\d)?", expected):
        return ""
    if isinstance(expected, dict):
        if set(expected) == {"not"}:
            return "" if expected["not"] in (True, False, "unknown") else "`not` is followed by true, false or unknown"
        try:
            Between.model_validate(expected)
        except ValidationError:
            return "a range is {from: 1, to: 2}"
        return ""
    return "write true, false, unknown, {not: true}, a number, {from: 1, to: 2} or a day"


# ---------------------------------------------------------------- but


def changed(
    given: Described, but: Mapping[str, Any], located: Located, here: YamlPath, known: Known
) -> tuple[Patient | None, list[Problem]]:
    """The patient with every `but` applied, and what is wrong with them, each at its line of the test file."""
    raw = copy.deepcopy(dict(given.raw))
    lines: dict[YamlPath, tuple[int, int]] = {(): located.at((*here, "but"))}
    problems: list[Problem] = []
    touched: list[YamlPath] = []
    for dotted, value in but.items():
        line, column = located.at((*here, "but", dotted))
        try:
            path = put(raw, dotted, copy.deepcopy(value), kept=frozenset(but))
        except LookupError as error:
            what, fix = error.args
            problems.append(Problem(located.file, line, column, "unknown-name", f"`{dotted}`: {what}", fix))
            continue
        start: YamlPath = (*here, "but", dotted)
        lines |= {(*path, *at[len(start) :]): place for at, place in located.lines.items() if at[: len(start)] == start}
        touched.append(path)
    if problems:
        return None, problems
    merged = Located(located.file, raw, lines)
    try:
        patient = Patient.model_validate(raw)
    except ValidationError as error:
        return None, list(_in_test_words(error, merged, Patient))
    for where, what, fix in wrong_names(patient, known):
        if any(where[: len(path)] == path for path in touched):
            line, column = merged.at(where)
            problems.append(Problem(located.file, line, column, "unknown-name", what, fix))
    return patient, problems


def put(raw: dict[str, Any], dotted: str, value: Any, kept: frozenset[str] = frozenset()) -> YamlPath:
    """
    Set one value of a patient by its path; null takes it away. Gives the path in the patient it set.

    Steps are keys, or places in a list from 0; `+` as the last step appends. Everything on the way must be there, so
    that a slip of the pen is found; the last key may be new. A key that stands instead of others takes those away
    (`for` replaces `to`, and so do `steps` that say how long), except those this case also sets (`kept`).

    Raises:
        LookupError: The path goes nowhere; args are what is wrong and what to do.
    """
    *way, last = dotted.split(".")
    holder: Any = raw
    path: list[str | int] = []
    for step in way:
        if not path and step not in holder and step in _sections(dict) | _sections(list):
            holder[step] = {} if step in _sections(dict) else []
        key = _step(holder, step, path)
        holder = holder[key]
        path.append(key)
    if isinstance(holder, list):
        if last == "+":
            holder.append(value)
            return (*path, len(holder) - 1)
        key = _step(holder, last, path)
        if value is None:
            del holder[int(key)]
        else:
            holder[int(key)] = value
        return (*path, key)
    if not isinstance(holder, dict):
        raise LookupError(f"`{'.'.join(map(str, path))}` is a single value.", "Shorten the path.")
    if value is None and not _may_be_null(last, path):
        if last not in holder:
            raise LookupError(
                f"there is no `{last}` to take away.", did_you_mean(last, frozenset(holder), "Leave this line out.")
            )
        del holder[last]
        return (*path, last)
    for group in INSTEAD_OF:
        if last in group:
            for other in group - {last}:
                if ".".join(map(str, (*path, other))) not in kept:
                    holder.pop(other, None)
    if last == "steps" and isinstance(value, list) and value and isinstance(value[-1], dict) and "for" in value[-1]:
        for other in ENDS:
            holder.pop(other, None)
    holder[last] = value
    return (*path, last)


def _step(holder: Any, step: str, path: list[str | int]) -> str | int:
    where = ".".join(map(str, path)) or "the patient"
    if isinstance(holder, list):
        if not step.isdigit():
            raise LookupError(
                f"`{where}` is a list.", f"Write a place in it, from 0: `{where}.0`, or `{where}.+` to add."
            )
        if int(step) >= len(holder):
            raise LookupError(
                f"`{where}` has only {len(holder)} item(s).", f"Count from 0, or write `{where}.+` to add."
            )
        return int(step)
    if not isinstance(holder, dict):
        raise LookupError(f"`{where}` is a single value.", "Shorten the path.")
    if step not in holder:
        names = frozenset(holder) if path else frozenset(Patient.model_fields)
        fix = did_you_mean(step, names, f"There are {', '.join(sorted(names)) or 'none'}.")
        raise LookupError(f"there is no `{step}` in {f'`{where}`' if path else where}.", fix)
    return step


def _sections(kind: type) -> set[str]:
    return {name for name, info in Patient.model_fields.items() if info.default_factory is kind}


def _may_be_null(last: str, path: list[str | int]) -> bool:
    """Whether null is a value here: the number of a score or answer that has none."""
    return len(path) == 2 and path[0] in {"scores", "answers"} and last not in {"at", "unit", "status", "as", "of"}
