"""*.test.yaml beside rules, and rules/patients/*.yaml → RuleTests: every case ready to run, every mistake of form."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

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

from cds.authoring.testing import patient_format as shorthand
from cds.authoring.testing.names import SEE, KnownNames, names_of, wrong_names
from cds.authoring.testing.patch import patch
from cds.authoring.testing.patient_format import ExamplePatient, Key
from cds.authoring.testing.snapshot import Cards, CaseKey, read_snapshot
from cds.errors import RequestError
from cds.rulebook.loader import Rulebook, read_rulebook
from cds.rulebook.validation_problems import problems_of
from cds.yaml_source.correction import Correction, did_you_mean
from cds.yaml_source.document import Path as YamlPath
from cds.yaml_source.document import YamlDocument, read_yaml
from cds.yaml_source.fields import Slug, Snake, Strict, Text
from cds.yaml_source.loaded import LoadedFile
from cds.yaml_source.problem import Problem
from cds.yaml_source.source_file import UnreadableSourceError

Model = TypeVar("Model", bound=BaseModel)

DOSE_COLUMNS = ("minimum_mg_a_day", "strict_minimum_mg_a_day")
REFUSALS = {
    re.sub(r"(?<=[a-z])(?=[A-Z])", "-", kind.__name__.removesuffix("Error")).lower(): kind
    for kind in RequestError.__subclasses__()
}

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
        shows, does_not_show: Cards that must be among those shown, in this order, and cards that must not. The former
            name of the second is `shows_not`.
        first_card: The card shown first.
        cards: Exactly these cards, in this order; cards.snapshot holds that for every case.
        no_cards: Nothing is shown.
        notes: Card → numbers of its notes that hold, from 1.
        indicators: Card → the indicator it is shown with.
        says, says_not: Text that must, or must not, stand in a shown card.
        missing: Text that must stand in the list of what would settle the unknown conclusions named here.
        data_quality: Text that must stand among the remarks about the data.
        definitions: Definition → what the conclusion it defines must be under it.
        error: The request is refused: wrong-patient, no-patient, …
    """

    model_config = ConfigDict(extra="allow", frozen=True, json_schema_extra={"additionalProperties": EXPECTED})

    cards: list[Snake] | None = None
    no_cards: bool = False
    first_card: Snake | None = None
    shows: list[Snake] = []
    does_not_show: list[Snake] = []
    notes: dict[Snake, list[Annotated[int, Field(ge=1)]]] = {}
    indicators: dict[Snake, Literal["info", "warning", "critical"]] = {}
    says: list[Text] = []
    says_not: list[Text] = []
    missing: list[Text] = []
    data_quality: list[Text] = []
    definitions: dict[Slug, bool | Literal["unknown"]] = {}
    error: str | None = None

    @property
    def answers(self) -> Mapping[str, Any]:
        """Fact or conclusion → what it must be."""
        return self.__pydantic_extra__ or {}

    @model_validator(mode="before")
    @classmethod
    def _former_names(cls, raw: Any) -> Any:
        if isinstance(raw, dict) and "shows_not" in raw and "does_not_show" not in raw:
            return {"does_not_show" if key == "shows_not" else key: value for key, value in raw.items()}
        return raw

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


class Unnoticeable(Strict):
    """A change of a rule that no case can notice, and why (`cds test --changes`)."""

    change: Annotated[Text, Field(description="Its name, as --changes prints it; `*` stands for anything.")]
    because: Text


class TestFile(Strict):
    """The cases of one rule file, beside it."""

    __test__ = False

    today: date
    patients: dict[Key, ExamplePatient] = Field(default_factory=dict)
    tests: Annotated[list[Test], Field(min_length=1)]
    unnoticeable: list[Unnoticeable] = Field(default_factory=list)


class PatientsFile(Strict):
    """Patients that several test files share: rules/patients/*.yaml."""

    patients: Annotated[dict[Key, ExamplePatient], Field(min_length=1)]


SCHEMAS: dict[str, type[BaseModel]] = {
    "casetest.schema.json": TestFile,
    "patients.schema.json": PatientsFile,
}

# ---------------------------------------------------------------- rule tests


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
        snapshot: Its exact cards as cards.snapshot says; None where it does not say.
        written: What a `but` set in the patient → where in the file it is written.
    """

    name: str
    file: Path
    line: int
    today: date
    patient: ExamplePatient | None
    request: Path | None
    bundle: Path | None
    with_: Mapping[str, float | str]
    service: str
    then: Then
    snapshot: Cards | None = None
    written: Mapping[YamlPath, YamlPath] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EquivalentMutant:
    """
    Why no case can notice a change of a rule.

    Attributes:
        change: Name of the change, or of several: `*` stands for anything.
        because: The reason.
        file, line: Where it stands.
    """

    change: str
    because: str
    file: str
    line: int

    @property
    def pattern(self) -> str:
        """The name as fnmatch reads it: of its signs only `*` is one."""
        return re.sub(r"([?\[])", r"[\1]", self.change)


@dataclass
class RuleTests:
    """
    Every case under a rules folder.

    Attributes:
        root: The folder.
        cases: In the order of files and lines; a file with a mistake of form has none.
        explained: Changes that no case can notice.
        problems: Every mistake, each at its line.
        snapshot: Case → its exact cards, as cards.snapshot has them; None where there is no such file.
        files: Every file of patients and every file of tests that has no mistake of form, as written.
    """

    root: Path
    cases: list[Case] = field(default_factory=list)
    explained: list[EquivalentMutant] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    snapshot: Mapping[CaseKey, Cards] | None = None
    files: list[LoadedFile[TestFile] | LoadedFile[PatientsFile]] = field(default_factory=list)

    def key(self, case: Case) -> CaseKey:
        """What a case is called in the snapshot."""
        return case.file.relative_to(self.root).as_posix(), case.name

    def of(self, file: Path) -> list[Case]:
        """The cases of one file."""
        return [case for case in self.cases if case.file == file]

    def problems_in(self, file: Path) -> list[Problem]:
        """The problems of one file, and those of shared patients."""
        mine = {str(file), *(p.file for p in self.problems if not p.file.endswith(".test.yaml"))}
        return [problem for problem in self.problems if problem.file in mine]


@dataclass(frozen=True)
class PatientDescription:
    """A patient as written, and where."""

    located: YamlDocument
    path: YamlPath
    raw: Mapping[str, Any]


def read_rule_tests(root: Path, book: Rulebook | None = None) -> RuleTests:
    """Read every case under `root`. Raises nothing: what is wrong is in `problems`."""
    rule_tests = RuleTests(root, snapshot=read_snapshot(root))
    book = book if book is not None else read_rulebook(root)
    known = names_of(book)
    shared: dict[str, PatientDescription] = {}
    base = book.base
    folders = tuple(folder for folder in (base, root) if folder)
    for path in sorted(p for folder in folders for p in (folder / "patients").glob("*.yaml")):
        if read := _read(path, PatientsFile, rule_tests, folders, book):
            rule_tests.files.append(read)
            _take_patients(read, shared, known, rule_tests)
    for path in sorted(root.rglob("*.test.yaml")):
        if tests := _read(path, TestFile, rule_tests, folders, book):
            rule_tests.files.append(tests)
            patients = dict(shared)
            _take_patients(tests, patients, known, rule_tests)
            _take_tests(path, tests, patients, known, rule_tests)
            for index, one in enumerate(tests.model.unnoticeable):
                line, _ = tests.located.at(("unnoticeable", index, "change"))
                rule_tests.explained.append(EquivalentMutant(one.change, one.because, str(path), line))
    rule_tests.problems = sorted(set(rule_tests.problems))
    return rule_tests


def _read(
    path: Path, model: type[Model], rule_tests: RuleTests, folders: tuple[Path, ...], book: Rulebook
) -> LoadedFile[Model] | None:
    try:
        text = book.files.read(path, folders).decode("utf-8")
    except UnreadableSourceError as unreadable:
        rule_tests.problems.append(Problem(str(path), 0, 0, "unreadable", unreadable.what, unreadable.fix))
        return None
    except UnicodeDecodeError:
        what, fix = "This file is not UTF-8 text.", "Save it as UTF-8 text."
        rule_tests.problems.append(Problem(str(path), 0, 0, "unreadable", what, fix))
        return None
    read, found = book.files.made((str(path), model, text), lambda: _parsed(path, text, model))
    rule_tests.problems.extend(found)
    return read


def _parsed(path: Path, text: str, model: type[Model]) -> tuple[LoadedFile[Model] | None, tuple[Problem, ...]]:
    """A text as a model, and every mistake of its form; None for a text with one."""
    located = read_yaml(text, str(path))
    if located.value is None:
        return None, tuple(located.problems)
    try:
        read = model.model_validate(located.value)
    except ValidationError as error:
        return None, (*located.problems, *_in_test_words(error, located, model))
    return None if located.problems else LoadedFile(str(path), located, read, "", text), tuple(located.problems)


def _in_test_words(error: ValidationError, located: YamlDocument, model: type[BaseModel]) -> Iterator[Problem]:
    close = {}
    for detail in error.errors(include_url=False):
        if detail["type"] == "extra_forbidden":
            key = str(detail["loc"][-1])
            close[f"`{key}` is not a key"] = did_you_mean(key, _keys_at(detail["loc"][:-1], model), SEE)
    for problem in problems_of(error, located, model):
        fix = next((fix for start, fix in close.items() if problem.what.startswith(start)), problem.fix)
        if not isinstance(fix, Correction):
            fix = fix.replace("docs/rule-authors/format.md", "docs/rule-authors/tests.md")
        yield replace(problem, fix=fix)


def _keys_at(loc: tuple[int | str, ...], root: type[BaseModel]) -> frozenset[str]:
    """Keys that can stand at a place of a test file."""
    model = next((MODELS[step] for step in reversed(loc) if isinstance(step, str) and step in MODELS), root)
    return frozenset(info.alias or name for name, info in model.model_fields.items())


MODELS: dict[str, type[BaseModel]] = {
    "patients": ExamplePatient, "tests": Test, "unnoticeable": Unnoticeable, "given": Whole, "then": Then,
    "took": shorthand.MedicationCourse,
    "orders": shorthand.Order, "steps": shorthand.Step, "dose": shorthand.Dose, "dispenses": shorthand.Dispense,
    "reasons": shorthand.ReasonEntry, "stopped_for": shorthand.ReasonEntry, "answer": shorthand.ReasonEntry,
    "conditions": shorthand.ConditionEntry, "scores": shorthand.ScoreEntry, "answers": shorthand.AnswerEntry,
    "questionnaires": shorthand.Questionnaire, "blood_pressure": shorthand.BloodPressure,
    "observations": shorthand.ObservationEntry,
    "allergies": shorthand.AllergyEntry, "procedures": shorthand.ProcedureEntry, "family_history": shorthand.Relative,
    "referrals": shorthand.ReferralEntry, "encounters": shorthand.EncounterEntry, "overrides": shorthand.OverrideEntry,
}  # fmt: skip


# ---------------------------------------------------------------- patients


def _take_patients(
    read: LoadedFile[TestFile] | LoadedFile[PatientsFile],
    into: dict[str, PatientDescription],
    known: KnownNames,
    rule_tests: RuleTests,
) -> None:
    for name, patient in read.model.patients.items():
        path: YamlPath = ("patients", name)
        if name in into:
            there = into[name].located
            rule_tests.problems.append(
                read.problem(
                    path, "duplicate-name",
                    f"`{name}` is also a patient in {there.file}:{there.at(into[name].path)[0]}.",
                    "Give one another name, or use the shared one with `but`.",
                )
            )  # fmt: skip
            continue
        into[name] = PatientDescription(read.located, path, read.located.value["patients"][name] or {})
        for where, what, fix in wrong_names(patient, known):
            rule_tests.problems.append(read.problem((*path, *where), "unknown-name", what, fix))


# ---------------------------------------------------------------- tests


def _take_tests(
    path: Path,
    read: LoadedFile[TestFile],
    patients: Mapping[str, PatientDescription],
    known: KnownNames,
    rule_tests: RuleTests,
) -> None:
    seen: dict[str, int] = {}
    for index, test in enumerate(read.model.tests):
        here: YamlPath = ("tests", index)
        line = read.located.at((*here, "name"))[0]
        if test.name in seen:
            what = f"The test in line {seen[test.name]} has the same name."
            rule_tests.problems.append(
                read.problem((*here, "name"), "duplicate-name", what, "Say how this one differs.")
            )
        seen.setdefault(test.name, line)
        problems = [read.problem((*here, *at), "unknown-name", what, fix) for at, what, fix in _names(test, known)]
        patient, request, bundle = None, None, None
        written: Mapping[YamlPath, YamlPath] = {}
        if isinstance(test.given, Whole):
            request, bundle = _file(test.given.request, rule_tests), _file(test.given.bundle, rule_tests)
            problems += _whole(test, request or bundle, read, here)
        elif test.given not in patients:
            fix = did_you_mean(test.given, frozenset(patients), "Describe the patient under `patients:`.")
            problems.append(read.problem((*here, "given"), "unknown-name", f"There is no patient `{test.given}`.", fix))
        else:
            patient, wrong, written = changed(patients[test.given], test.but, read.located, here, known)
            problems += wrong
        rule_tests.problems.extend(problems)
        if not problems:
            rule_tests.cases.append(
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
                    snapshot=(rule_tests.snapshot or {}).get((path.relative_to(rule_tests.root).as_posix(), test.name)),
                    written=written,
                )
            )


def _file(name: str | None, rule_tests: RuleTests) -> Path | None:
    return rule_tests.root.resolve().parent / name if name else None


def _whole(test: Test, file: Path | None, read: LoadedFile[TestFile], here: YamlPath) -> list[Problem]:
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


def _names(test: Test, known: KnownNames) -> Iterator[tuple[YamlPath, str, str]]:
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
    for name in then.definitions:
        if name not in known.definitions:
            fix = did_you_mean(name, known.definitions, SEE)
            yield ("then", "definitions", name), f"`{name}` is not a definition.", fix
    claimable = known.facts | known.conclusions
    for name in then.answers:
        if name not in claimable:
            fix = did_you_mean(name, claimable | frozenset(Then.model_fields), SEE)
            yield ("then", name), f"`{name}` is not a fact, a conclusion or a key of `then`.", fix
    cards = frozenset(known.notes)
    for key in ("cards", "shows", "does_not_show"):
        for index, card in enumerate(getattr(then, key) or ()):
            if card not in cards:
                yield ("then", key, index), f"`{card}` is not a card.", did_you_mean(card, cards, SEE)
    if then.first_card and then.first_card not in cards:
        yield ("then", "first_card"), f"`{then.first_card}` is not a card.", did_you_mean(then.first_card, cards, SEE)
    for card in then.indicators:
        if card not in cards:
            yield ("then", "indicators", card), f"`{card}` is not a card.", did_you_mean(card, cards, SEE)
    for card, numbers in then.notes.items():
        if card not in cards:
            yield ("then", "notes", card), f"`{card}` is not a card.", did_you_mean(card, cards, SEE)
        elif too_high := [number for number in numbers if number > known.notes[card]]:
            what = f"`{card}` has {known.notes[card]} note(s); there is no note {too_high[0]}."
            yield ("then", "notes", card), what, "Notes are counted from 1, as they stand in the rule file."
    if test.service and test.service not in known.services:
        yield ("service",), f"`{test.service}` is not a service.", did_you_mean(test.service, known.services, SEE)
    for name in test.with_:
        drug, _, column = name.partition(".")
        if column not in DOSE_COLUMNS if drug in known.drugs else name not in known.parameters:
            doses = frozenset(f"{drug}.{dose}" for drug in known.drugs for dose in DOSE_COLUMNS)
            yield ("with", name), f"`{name}` is not a parameter.", did_you_mean(name, known.parameters | doses, SEE)


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
    given: PatientDescription, but: Mapping[str, Any], located: YamlDocument, here: YamlPath, known: KnownNames
) -> tuple[ExamplePatient | None, list[Problem], Mapping[YamlPath, YamlPath]]:
    """
    The patient with every `but` applied, what is wrong with them, each at its line of the test file, and what a `but`
    set in the patient → where it is written.
    """
    raw = _copy(dict(given.raw))
    problems: list[Problem] = []
    touched: dict[YamlPath, YamlPath] = {}  # where it is in the patient → where it is written
    for dotted, value in but.items():
        line, column = located.at((*here, "but", dotted))
        try:
            path = patch(raw, dotted, _copy(value), kept=frozenset(but))
        except LookupError as error:
            what, fix = error.args
            problems.append(Problem(located.file, line, column, "unknown-name", f"`{dotted}`: {what}", fix))
            continue
        touched[path] = (*here, "but", dotted)
    if problems:
        return None, problems, touched
    try:
        patient = ExamplePatient.model_validate(raw)
    except ValidationError as error:
        wrong = list(_in_test_words(error, _as_written(located, here, touched, raw), ExamplePatient))
        return None, wrong, touched
    for where, what, fix in wrong_names(patient, known):
        if any(where[: len(path)] == path for path in touched):
            line, column = _as_written(located, here, touched, raw).at(where)
            problems.append(Problem(located.file, line, column, "unknown-name", what, fix))
    return patient, problems, touched


def _copy(value: Any) -> Any:
    """What YAML holds, copied: dictionaries and lists; copy.deepcopy takes ten times as long."""
    if isinstance(value, dict):
        return {key: _copy(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_copy(member) for member in value]
    return value


def _as_written(
    located: YamlDocument, here: YamlPath, touched: Mapping[YamlPath, YamlPath], raw: Mapping[str, Any]
) -> YamlDocument:
    """A changed patient, of whom every value that a `but` gave has the line of that `but`."""
    lines: dict[YamlPath, tuple[int, int]] = {(): located.at((*here, "but"))}
    for path, start in touched.items():
        lines |= {(*path, *at[len(start) :]): place for at, place in located.lines.items() if at[: len(start)] == start}
    return YamlDocument(located.file, dict(raw), lines)
