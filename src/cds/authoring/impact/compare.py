"""Old rules + new rules + patients → who gets another card or conclusion, and because of which change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property

from cds.authoring.impact.alone import ChangesAlone, worth_trying
from cds.authoring.testing.cases import Case
from cds.authoring.testing.resource_writer import FhirWriterError
from cds.authoring.testing.run import record_of, said
from cds.cards.card import Card
from cds.decide import Decision, Ruleset, decide
from cds.errors import RequestError
from cds.facts.fact import Fact
from cds.logic.conditions import Compare, names_in, walk
from cds.population.patient import CohortPatient
from cds.read_request import read_record
from cds.rulebook.compiled_ruleset import CompiledRuleset, CopyOf, HeadKind, card_head_of
from cds.rulebook.diff import RuleChange, RuleChangeKind, renamed
from cds.rulebook.lint.view import coded, tables_read
from cds.rulebook.loader import Rulebook
from cds.rulebook.references import NameReference, readings
from cds.settings import Settings

PLACING = {("rank",), ("most_cards",), ("service",), ("status",)}  # what moves cards without touching a condition


@dataclass(frozen=True, slots=True)
class OutcomeDifference:
    """
    One thing that came out differently: "card", "conclusion", "definition" or "fact", its name, before and after.

    `head` is what was concluded of a "definition": its name names the conclusion and the definition.
    """

    what: str
    name: str
    label: str
    before: str
    after: str
    head: str = ""


@dataclass(frozen=True, slots=True)
class AffectedPatient:
    """
    One patient for whom something comes out differently.

    Attributes:
        patient: Where the data stand.
        turns: Cards and conclusions that differ, and the facts that led there.
        because: The changes that bring some of it about alone; where none does, all that lead there.
        together: Whether it takes several of them.
        reworded: Cards shown before and after, in other words.
    """

    patient: str
    turns: tuple[OutcomeDifference, ...]
    because: tuple[RuleChange, ...]
    reworded: tuple[str, ...]
    together: bool = False


@dataclass
class Impact:
    """
    What a change of rules means for patients.

    Attributes:
        decided: How many were decided under both.
        affected: Those for whom something comes out differently.
        concluded: (new conclusion, its truth) → of how many; of conclusions that the old rules do not have.
    """

    decided: int = 0
    affected: list[AffectedPatient] = field(default_factory=list)
    concluded: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, other: Impact) -> None:
        """Take in what was found of other patients."""
        self.decided += other.decided
        self.affected += other.affected
        self.concluded += other.concluded


@dataclass(frozen=True)
class RulesetVersion:
    """One of the two rule sets."""

    book: Rulebook
    rules: Ruleset

    @cached_property
    def formerly(self) -> Mapping[str, str]:
        """Former name of a fact or conclusion → the one it has now."""
        return {was: now for rule in self.book.rules.values() for was, now in renamed(rule)}

    @cached_property
    def conclusions(self) -> Mapping[str, str]:
        """Every conclusion an author wrote → its label."""
        program = self.rules.program
        return {name: program.labels.get(name, name) for name, head in program.heads.items() if head.is_an_authors}

    @cached_property
    def reads(self) -> Mapping[str, frozenset[str]]:
        """Fact or head → the names it reads: facts, conclusions, parameters, value sets, drug tables."""
        found: dict[str, set[str]] = {}
        chosen_by: dict[str, str] = {}
        for rule in self.book.rules.values():
            for reading in readings(rule):
                if isinstance(reading, NameReference) and reading.path[0] == "facts":
                    found.setdefault(str(reading.path[1]), set()).add(reading.name)
            for name, path in coded(rule):
                found.setdefault(str(path[1]), set()).add(name)
            for name, fact in rule.model.facts.items():
                found.setdefault(name, set()).update(tables_read(fact))
            if spec := rule.model.definitions:
                chosen_by |= {name: spec.chosen_by for one in spec.are.values() for name in one.with_}
        for name, head in self.rules.program.heads.items():
            of = {part.parameter for part in walk(head.condition) if isinstance(part, Compare) and part.parameter}
            found.setdefault(name, set()).update(names_in(head.condition), of)
        for names in found.values():
            names |= {chosen_by[name] for name in names if name in chosen_by}
        return {name: frozenset(names) for name, names in found.items()}

    def decide(self, body: bytes, today: date, settings: Settings) -> Decision | RequestError:
        """What these rules say of a patient's Bundle or request."""
        try:
            record, service = read_record(body, self.rules, settings)
            return decide(self.rules, record, today, service)
        except RequestError as refusal:
            return refusal


ReplayedPatient = CohortPatient | Case


def decided(rules: Ruleset, patient: ReplayedPatient, today: date, settings: Settings) -> Decision | RequestError:
    """What rules say of a patient of a cohort; of that of a case, as of its own day and whatever it claims."""
    try:
        if isinstance(patient, Case):
            return decide(rules, record_of(patient, rules), patient.today, patient.service or None)
        record, service = read_record(patient.body, rules, settings)
        return decide(rules, record, today, service)
    except RequestError as refusal:
        return refusal


def named(patient: ReplayedPatient) -> str:
    """Where the data of a patient are: a file, or a case with its file."""
    return f"{patient.file.name}: {patient.name}" if isinstance(patient, Case) else patient.name


def impact_of(
    old: RulesetVersion,
    new: RulesetVersion,
    changes: Iterable[RuleChange],
    patients: Iterable[ReplayedPatient],
    today: date,
    settings: Settings,
) -> Impact:
    """Each patient under both rule sets, and which change alone is behind what differs."""
    impact = Impact()
    told, alone = tuple(changes), ChangesAlone(old.book, new.book)
    for patient in patients:
        try:
            before, after = (decided(side.rules, patient, today, settings) for side in (old, new))
        except FhirWriterError:  # one of the two lacks a code that the case names
            continue
        impact.decided += 1
        if isinstance(before, RequestError) or isinstance(after, RequestError):
            words = [f"refused: {one.what}" if isinstance(one, RequestError) else "answered" for one in (before, after)]
            turn = OutcomeDifference("answer", "answer", "the request", *words)
            impact.affected += [AffectedPatient(named(patient), (turn,), (), ())] if words[0] != words[1] else []
            continue
        impact.concluded.update(
            (name, after.truths[name].value) for name in new.conclusions if name not in old.conclusions
        )
        if (one := difference(named(patient), old, new, told, before, after)) is not None:
            impact.affected.append(_with_causes(one, patient, alone, today, settings))
    return impact


def _with_causes(
    affected: AffectedPatient,
    patient: ReplayedPatient,
    alone: ChangesAlone,
    today: date,
    settings: Settings,
) -> AffectedPatient:
    """The same, with only those changes as causes that bring about some of it when they alone are made."""
    if not worth_trying(affected.because):
        return affected
    shown = {(turn.name, turn.after) for turn in affected.turns if turn.what == "card"}
    concluded = {(turn.name, turn.after) for turn in affected.turns if turn.what == "conclusion"}
    did_it: list[RuleChange] = []
    for change in affected.because:
        rules = alone.rules(change)
        if rules is None:
            continue
        then = decided(rules, patient, today, settings)
        if isinstance(then, RequestError):
            continue
        cards = {(name, after) for name, after in shown if _as_shown(after, name, then) == after}
        truths = {(name, then.truths[name].value) for name, _ in concluded if name in then.truths}
        if cards or truths & concluded:
            did_it.append(change)
    return replace(affected, because=tuple(did_it)) if did_it else replace(affected, together=True)


def _as_shown(turn_after: str, card: str, decision: Decision) -> str:
    """How a card comes out, in the words of a turn: shown or not, or its indicator where that is what differs."""
    found = next((one for one in decision.cards if one.name == card), None)
    if turn_after in ("shown", "not shown"):
        return "shown" if found else "not shown"
    return found.indicator if found else "not shown"


def difference(
    patient: str,
    old: RulesetVersion,
    new: RulesetVersion,
    changes: tuple[RuleChange, ...],
    before: Decision,
    after: Decision,
) -> AffectedPatient | None:
    """What comes out differently for a patient called so, and because of which changes; None where nothing does."""
    values = [{new.formerly.get(name, name): said for name, said in _values(before).items()}, _values(after)]
    differ = {name for name in values[0].keys() | values[1].keys() if values[0].get(name) != values[1].get(name)}
    was, now = cards_by_name(before, new), cards_by_name(after, new)
    turns = [
        *_cards(was, now),
        *(_turn("conclusion", name, new, old, values) for name in _of_both(old, new) if name in differ),
        *_definitions(old, new, before, after),
    ]
    reworded = tuple(name for name, card in was.items() if name in now and _words(card) != _words(now[name]))
    if not turns and not reworded:
        return None
    reads = {
        name: old.reads.get(name, frozenset()) | new.reads.get(name, frozenset()) for name in {**old.reads, **new.reads}
    }
    names = _Names(old.rules.program, new.rules.program)
    reached = _reached([names.head_of(turn) for turn in turns], reads, differ, names)
    facts = [name for name in reached if name in after.facts.by_name or name in before.facts.by_name]
    own = sorted(name for name in facts if name in differ and names.plain(name) == name)
    because = tuple(change for change in changes if any(_touches(change, name, reads, names) for name in reached))
    if turns and not because:
        because = tuple(change for change in changes if change.path[-1:] in PLACING or not change.path)
    turns += [_turn("fact", name, new, old, values) for name in own]
    return AffectedPatient(patient, tuple(turns), because, reworded)


def _values(decision: Decision) -> dict[str, str]:
    found = {name: truth.value for name, truth in decision.truths.items()}
    return found | {name: _said(fact) for name, fact in decision.facts.by_name.items()}


def _said(fact: Fact) -> str:
    """A fact's value; of trials what was made of each, as their number alone may be the same."""
    return said(fact) if not fact.trials else "; ".join(
        f"{trial.name} {trial.start.text if trial.start else ''}: adequate {trial.adequate.value}, "
        f"no response {trial.no_response.value}"
        for trial in fact.trials
    )  # fmt: skip


def conclusions_of(old: RulesetVersion, new: RulesetVersion) -> list[str]:
    """Every conclusion of an author, of the new rules first; one that was renamed is there under both names."""
    return list(dict.fromkeys((*new.conclusions, *old.conclusions)))


def _of_both(old: RulesetVersion, new: RulesetVersion) -> list[str]:
    """Conclusions of both: one that only one of the two has is told of all patients together, or as a change."""
    return [name for name in new.conclusions if name in old.conclusions or name in new.formerly.values()]


def _turn(
    what: str, name: str, new: RulesetVersion, old: RulesetVersion, values: list[dict[str, str]]
) -> OutcomeDifference:
    label = new.rules.program.labels.get(name) or old.rules.program.labels.get(name, name)
    return OutcomeDifference(what, name, label, *(side.get(name, "not there") for side in values))


def _cards(was: Mapping[str, Card], now: Mapping[str, Card]) -> Iterator[OutcomeDifference]:
    for name in dict.fromkeys((*was, *now)):
        a, b = was.get(name), now.get(name)
        if a is None or b is None:
            shown = b or a
            label = shown.summary if shown else ""
            yield OutcomeDifference("card", name, label, "shown" if a else "not shown", "shown" if b else "not shown")
        elif a.indicator != b.indicator:
            yield OutcomeDifference("card", name, b.summary, a.indicator, b.indicator)


def _definitions(
    old: RulesetVersion, new: RulesetVersion, before: Decision, after: Decision
) -> Iterator[OutcomeDifference]:
    was = {one.id: before.truths[one.head].value for many in old.rules.program.definitions.values() for one in many}
    for of, many in new.rules.program.definitions.items():
        for one in many:
            now = after.truths[one.head].value
            if not one.in_use and was.get(one.id, now) != now:
                yield OutcomeDifference("definition", f"{of} under {one.id}", one.label, was[one.id], now, one.head)


def cards_by_name(decision: Decision, new: RulesetVersion) -> dict[str, Card]:
    """The cards shown, by the names they have in the new rules."""
    found: dict[str, Card] = {}
    for card in decision.cards:
        called = new.rules.program.card_called(card.name)
        found[called.name if called else card.name] = card
    return found


def _words(card: Card) -> tuple[object, ...]:
    """What a clinician reads and can click, without the line that names rule and version."""
    detail = [line for line in card.detail.splitlines() if not line.startswith("*Rule ")]
    return card.summary, detail, card.suggestions, card.links, card.override_reasons


class _Names:
    """How authors know the facts and heads of two programs, and which copies stand for what under a definition."""

    def __init__(self, *programs: CompiledRuleset) -> None:
        self._programs = programs
        self._copies = {copy: of for program in programs for copy, of in program.copies.items()}
        self._under = {of: copy for copy, of in self._copies.items()}

    def head_of(self, turn: OutcomeDifference) -> str:
        """The head whose reasons explain what came out differently."""
        return card_head_of(turn.name) if turn.what == "card" else turn.head or turn.name

    def plain(self, name: str) -> str:
        """The name as its author wrote it: without "card:", and without the definition it is a copy for."""
        return next((known for one in self._programs if (known := one.known_as(name)) != name), name)

    def is_a_card(self, name: str) -> bool:
        """Whether it is the head of a card."""
        return any(name in one.heads and one.heads[name].kind is HeadKind.CARD for one in self._programs)

    def with_copies(self, read: Iterable[str], by: str) -> set[str]:
        """What a head or fact reads, and what stands for that under the definition it is a copy for."""
        names = set(read)
        if (copy := self._copies.get(by)) is not None:
            names |= {self._under.get(CopyOf(name, copy.definition), name) for name in names}
        return names


def _reached(heads: Iterable[str], reads: Mapping[str, frozenset[str]], differ: set[str], names: _Names) -> list[str]:
    """The heads, and what they read that differs, down to where it began."""
    seen: dict[str, None] = {}
    to_do = list(heads)
    while to_do:
        name = to_do.pop()
        if name not in seen:
            seen[name] = None
            of = reads.get(name, frozenset()) | reads.get(names.plain(name), frozenset())
            to_do.extend(sorted(names.with_copies(of, name) & differ))
    return list(seen)


def _touches(change: RuleChange, name: str, reads: Mapping[str, frozenset[str]], names: _Names) -> bool:
    plain = names.plain(name)
    if names.is_a_card(name):
        own = change.kind is RuleChangeKind.CLAUSE and plain in change.names
        return own or bool(change.names & _limits(name, reads, names))
    of = plain in change.names and change.kind not in {
        RuleChangeKind.LIFE,
        RuleChangeKind.EVIDENCE,
        RuleChangeKind.CARD,
    }
    return of or bool(change.names & _limits(name, reads, names) and change.kind is not RuleChangeKind.EVIDENCE)


def _limits(name: str, reads: Mapping[str, frozenset[str]], names: _Names) -> frozenset[str]:
    """Parameters, value sets and tables a name reads itself: what has no value of its own for a patient."""
    own = reads.get(name, frozenset()) | reads.get(names.plain(name), frozenset())
    return frozenset(read for read in own if read not in reads)
