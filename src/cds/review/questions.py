"""A decision → what is worth asking the clinician, ranked by what each answer would change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time

import msgspec

from cds.decide import Decision, Ruleset, decide
from cds.explanation.flips import NO_CHANGES, DecisionChanges, flips
from cds.facts.fact import Facts, ResponseEvidence, Trial
from cds.facts.reviews import OTHERS
from cds.facts.trials.definition import TrialDefinition, trial_definitions
from cds.locale.sentence import join_texts, say
from cds.logic.truth import Truth
from cds.record.forms import with_responses
from cds.record.model import PatientRecord
from cds.review.response import ReviewAnswers, TrialAnswers, questionnaire_response
from cds.terminology.review_form import ReviewForm

MOST_TRIALS = 8  # that are asked about, the newest ones: a page is not a chart review
ROUNDING_OFF = {"taken": "not-taken", "stopped": "not-tolerated", "prescribed": "often-missed"}
"""Questions of a trial that is asked about anyhow → the one answer of theirs that can change anything."""
ASSUMED = "assumed"
"""Id of a review that is only tried out."""


@dataclass(frozen=True, slots=True)
class PossibleAnswer:
    """One answer, how it reads, and what it alone would change; `value` as `TrialAnswers` has it, or yes or no."""

    value: str | float | bool
    words: str
    changes: DecisionChanges


@dataclass(frozen=True, slots=True)
class OpenQuestion:
    """
    One question whose answer the record does not hold surely.

    Attributes:
        name: Of its field: "trial.0.outcome", "statement.FACT", "others".
        text: What is asked.
        about: The trial, in words; "" for a statement.
        role: Which question of a trial; the fact for a statement; "others" for whether there were more trials.
        trial: Number of the trial among those of the fact; None for what is about no one trial.
        unit: UCUM unit of a value; "" for a choice.
        recorded: What the record says so far.
        answers: What can be answered; of a value, one below and one at what the rules ask for.
        decides: Whether some answer alone settles what is unknown.
        prefilled: What a field holds at first, from the record: it counts once another of the trial is answered.
    """

    name: str
    text: str
    about: str
    role: str
    trial: int | None
    unit: str
    recorded: str
    answers: tuple[PossibleAnswer, ...]
    decides: bool
    prefilled: str = ""

    @property
    def weight(self) -> tuple[bool, bool, int]:
        """How much its answers change, for ranking: what rounds a trial off last; then cards, then conclusions."""
        cards = max((len(one.changes.gone) + len(one.changes.come) for one in self.answers), default=0)
        conclusions = max((len(one.changes.conclusions) for one in self.answers), default=0)
        return self.role not in ROUNDING_OFF, self.decides, 100 * cards + conclusions


def assumed(record: PatientRecord, form: ReviewForm, said: ReviewAnswers) -> PatientRecord:
    """The record as it would be with a review: read from the very QuestionnaireResponse that would be saved."""
    return with_responses(record, [(ASSUMED, msgspec.json.encode(questionnaire_response(form, said)))])


def review_of(
    decision: Decision,
    trials: Mapping[int, Mapping[str, str | float]],
    statements: Mapping[str, bool],
    form: ReviewForm,
    *,
    author: str = "",
    author_reference: str = "",
    authored: datetime | None = None,
    elsewhere: Sequence[TrialAnswers] = (),
    number: str = "",
    others: bool | None = None,
) -> ReviewAnswers:
    """
    A review of a decision's own trials, by their number; each carries its start and its references.

    Without `authored` it is of the day of the decision.
    """
    found = decision.facts[form.trials].trials
    return ReviewAnswers(
        patient=decision.record.patient.reference,
        author=author,
        author_reference=author_reference,
        authored=authored or datetime.combine(decision.today, time(12), UTC),
        trials=(
            *(
                TrialAnswers(found[number].ingredient, _with_start(found[number], answers), found[number].sources)
                for number, answers in sorted(trials.items())
            ),
            *elsewhere,
        ),
        statements=statements,
        number=number,
        others=others,
    )


def _with_start(trial: Trial, answers: Mapping[str, str | float]) -> Mapping[str, str | float]:
    if trial.start is None or "start" in answers:
        return answers
    return {"start": trial.start.latest.isoformat()} | dict(answers)


def open_questions(rules: Ruleset, decision: Decision, service: str | None = None) -> tuple[OpenQuestion, ...]:
    """
    What is worth asking, first what changes most; empty where the rules ask for no review.

    A trial is asked about while its dose, duration or response is unknown or only inferred; whether there were others,
    while more may exist than the record shows; a fact while it is unknown and some answer would change a card or a
    conclusion. What the record says surely is not asked.
    """
    form = rules.program.codes.review
    if form is None or form.trials not in decision.facts.by_name:
        return ()
    asked = [
        *_of_trials(rules, decision, form, service),
        *_of_others(rules, decision, form, service),
        *_of_facts(rules, decision, form, service),
    ]
    return tuple(sorted(asked, key=lambda question: question.weight, reverse=True))


def _of_trials(rules: Ruleset, decision: Decision, form: ReviewForm, service: str | None) -> Iterator[OpenQuestion]:
    wanted = next((fact for fact in trial_definitions(rules.program.wanted) if fact.name == form.trials), None)
    if wanted is None:
        return
    trials = decision.facts[form.trials].trials
    unsure = [number for number, trial in enumerate(trials) if _worth_asking(trial, form, wanted)]
    for number in unsure[-MOST_TRIALS:]:
        trial = trials[number]
        for role, values in _worth_asking(trial, form, wanted).items():
            question = form.questions[role]
            answers = tuple(
                PossibleAnswer(
                    value,
                    question.answers[str(value)].display if question.answers else f"{value:g}",
                    _changes(rules, decision, form, service, {number: {role: value}}, {})
                    if ROUNDING_OFF.get(role, value) == value
                    else NO_CHANGES,
                )
                for value in values
            )
            yield OpenQuestion(
                name=f"trial.{number}.{role}",
                text=question.text,
                about=say(
                    "{trial}, {start} to {end}",
                    trial=trial.name,
                    start=trial.start.text if trial.start else say("start not recorded"),
                    end=trial.end.text if trial.end else say("now"),
                ),
                role=role,
                trial=number,
                unit=question.unit,
                recorded=_recorded(trial, role),
                answers=answers,
                decides=_decides(rules, answers),
                prefilled=_prefilled(trial, role, form),
            )


def _recorded(trial: Trial, role: str) -> str:
    if role == "outcome":
        return trial.outcome
    if role in ROUNDING_OFF:
        return ""
    return join_texts("; ", trial.notes) or say("not known surely")


def _prefilled(trial: Trial, role: str, form: ReviewForm) -> str:
    low, high = trial.highest_mg_a_day if role == "dose" else trial.days_at_dose
    if role not in ("dose", "duration") or low is None or low != high or not low:
        return ""
    return f"{low:g}" if role == "dose" else f"{low / form.days_each:.3g}"


def _worth_asking(trial: Trial, form: ReviewForm, wanted: TrialDefinition) -> dict[str, tuple[str | float, ...]]:
    asked: dict[str, tuple[str | float, ...]] = {}
    if trial.adequate is Truth.FALSE:
        return asked
    unsure = trial.no_response is Truth.UNKNOWN or trial.evidence is ResponseEvidence.INFERRED
    if unsure and not trial.contradictory:
        asked["outcome"] = tuple(form.questions["outcome"].answers or ())
    minimum = trial.minimum_mg_a_day
    if trial.adequate is Truth.UNKNOWN and minimum is not None:
        asked["dose"] = (minimum / 2, minimum)
        units = -(-wanted.adequate_days // form.days_each)
        asked["duration"] = (max(1, units // 2), units)
    if asked:
        asked |= {role: tuple(form.questions[role].answers or ()) for role in _rounding_off(trial)}
    return asked


def _rounding_off(trial: Trial) -> Iterator[str]:
    """What else is asked of a trial, as far as the record does not say it."""
    yield "taken"
    known = trial.evidence in (ResponseEvidence.CODED, ResponseEvidence.WORDS) or trial.intolerance
    if not trial.ongoing and not known:
        yield "stopped"
    if trial.poorly_taken is Truth.UNKNOWN:
        yield "prescribed"


def _of_others(rules: Ruleset, decision: Decision, form: ReviewForm, service: str | None) -> Iterator[OpenQuestion]:
    """Whether there were other trials: asked while a "no" would narrow a number that something undecided rests on."""
    if not form.others:
        return
    none_other = _decided(rules, decision, service, review_of(decision, {}, {}, form, others=False), form)
    changes = flips(rules, decision, none_other)
    narrows = undecided(rules, decision) and _numbers(decision.facts) != _numbers(none_other.facts)
    if narrows or changes.gone or changes.come or changes.conclusions:
        answers = (PossibleAnswer(False, say("No"), changes), PossibleAnswer(True, say("Yes"), NO_CHANGES))
        yield OpenQuestion(
            name=OTHERS, text=form.others, about="", role=OTHERS, trial=None, unit="",
            recorded=decision.facts[form.trials].because, answers=answers, decides=_decides(rules, answers),
        )  # fmt: skip


def _numbers(facts: Facts) -> list[tuple[float | None, float | None]]:
    return [(fact.low, fact.high) for fact in facts.by_name.values()]


def _of_facts(rules: Ruleset, decision: Decision, form: ReviewForm, service: str | None) -> Iterator[OpenQuestion]:
    for name, text in form.statements.items():
        fact = decision.facts.by_name.get(name)
        if fact is None or fact.truth is not Truth.UNKNOWN:
            continue
        answers = tuple(
            PossibleAnswer(value, words, _changes(rules, decision, form, service, {}, {name: value}))
            for value, words in ((False, say("No")), (True, say("Yes")))
        )
        if any(one.changes.gone or one.changes.come or one.changes.conclusions for one in answers):
            yield OpenQuestion(
                name=f"statement.{name}", text=text, about="", role=name, trial=None, unit="",
                recorded=fact.because, answers=answers, decides=_decides(rules, answers),
            )  # fmt: skip


def _changes(
    rules: Ruleset,
    decision: Decision,
    form: ReviewForm,
    service: str | None,
    trials: Mapping[int, Mapping[str, str | float]],
    statements: Mapping[str, bool],
) -> DecisionChanges:
    said = review_of(decision, trials, statements, form)
    return flips(rules, decision, _decided(rules, decision, service, said, form))


def _decided(
    rules: Ruleset, decision: Decision, service: str | None, said: ReviewAnswers, form: ReviewForm
) -> Decision:
    return decide(rules, assumed(decision.record, form, said), decision.today, service)


def _decides(rules: Ruleset, answers: Sequence[PossibleAnswer]) -> bool:
    """Whether an answer alone settles a conclusion that is decided under several definitions."""
    labels = {rules.program.heads[name].label for name in rules.program.definitions}
    return any(
        change.label in labels and not change.definition and change.was is Truth.UNKNOWN
        for answer in answers
        for change in answer.changes.conclusions
    )


def undecided(rules: Ruleset, decision: Decision) -> bool:
    """Whether a conclusion that is decided under several definitions is unknown."""
    return any(decision.truths[name] is Truth.UNKNOWN for name in rules.program.definitions)


@dataclass(frozen=True, slots=True)
class AnswersNeeded:
    """
    How many answers settle what is unknown; None where they do not.

    Attributes:
        least: If each answer settles as much as it can.
        most: If each answer leaves it open for as long as it can.
    """

    least: int | None
    most: int | None


def answers_needed(rules: Ruleset, decision: Decision, service: str | None = None, limit: int = 12) -> AnswersNeeded:
    """
    How many answers settle what is unknown, at the least and at the most.

    Questions are taken as they are ranked; each is answered, not by "not known" and not against the chart. That there
    were other trials counts as no answer: until these are described, it settles nothing.
    """
    return AnswersNeeded(
        _count(rules, decision, service, limit, keep_open=False),
        _count(rules, decision, service, limit, keep_open=True),
    )


def _count(rules: Ruleset, decision: Decision, service: str | None, limit: int, *, keep_open: bool) -> int | None:
    form = rules.program.codes.review
    given: dict[int, dict[str, str | float]] = {}
    stated: dict[str, bool] = {}
    now, count = decision, 0
    while undecided(rules, now):
        left = [
            question
            for question in open_questions(rules, now, service)
            if question.role not in ROUNDING_OFF
            and question.role not in (stated if question.trial is None else given.get(question.trial, {}))
        ]
        if form is None or not left or count >= limit:
            return None
        question, count = left[0], count + 1
        found: list[tuple[bool, int, Decision, dict[int, dict[str, str | float]], dict[str, bool]]] = []
        for answer in _meant(question, form):
            trials = {number: dict(said) for number, said in given.items()}
            facts = dict(stated)
            if question.trial is None:
                facts[question.role] = bool(answer.value)
            else:
                trials.setdefault(question.trial, {})[question.role] = answer.value
            said = review_of(
                decision, trials, {k: v for k, v in facts.items() if k != OTHERS}, form, others=facts.get(OTHERS)
            )
            after = _decided(rules, decision, service, said, form)
            if _contradictions(after, form) > _contradictions(now, form):
                continue
            found.append((undecided(rules, after), -len(answer.changes.conclusions), after, trials, facts))
        if not found:
            return None
        best = max if keep_open else min
        _, _, now, given, stated = best(found, key=lambda one: one[:2])
    return count


def _contradictions(decision: Decision, form: ReviewForm) -> int:
    return sum(trial.contradictory for trial in decision.facts[form.trials].trials)


def _meant(question: OpenQuestion, form: ReviewForm) -> Iterator[PossibleAnswer]:
    """The answers that say something."""
    said = form.questions[question.role].answers if question.trial is not None else None
    for answer in question.answers:
        if question.role == OTHERS and answer.value:
            continue
        if said is None or question.role != "outcome" or said[str(answer.value)].fall is not None:
            yield answer
