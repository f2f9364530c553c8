"""A decision → what is worth asking the clinician, ranked by what each answer would change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time

import msgspec

from cds.decide import Decision, Ruleset, decide
from cds.explanation.flips import NO_CHANGES, DecisionChanges, flips
from cds.facts.fact import ResponseEvidence, Trial
from cds.facts.trials.definition import TrialDefinition, trial_definitions
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
        name: Of its field: "trial.0.outcome", "statement.FACT".
        text: What is asked.
        about: The trial, in words; "" for a statement.
        role: Which question of a trial; the fact for a statement.
        trial: Number of the trial among those of the fact; None for a statement.
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
    )


def _with_start(trial: Trial, answers: Mapping[str, str | float]) -> Mapping[str, str | float]:
    if trial.start is None or "start" in answers:
        return answers
    return {"start": trial.start.latest.isoformat()} | dict(answers)


def open_questions(rules: Ruleset, decision: Decision, service: str | None = None) -> tuple[OpenQuestion, ...]:
    """
    What is worth asking, first what changes most; empty where the rules ask for no review.

    A trial is asked about while its dose, duration or response is unknown or only inferred; a fact while it is unknown
    and some answer would change a card or a conclusion. What the record says surely is not asked.
    """
    form = rules.program.codes.review
    if form is None or form.trials not in decision.facts.by_name:
        return ()
    asked = [*_of_trials(rules, decision, form, service), *_of_facts(rules, decision, form, service)]
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
                about=f"{trial.name}, {trial.start.text if trial.start else 'start not recorded'} to "
                f"{trial.end.text if trial.end else 'now'}",
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
    return "; ".join(trial.notes) or "not known surely"


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


def _of_facts(rules: Ruleset, decision: Decision, form: ReviewForm, service: str | None) -> Iterator[OpenQuestion]:
    for name, text in form.statements.items():
        fact = decision.facts.by_name.get(name)
        if fact is None or fact.truth is not Truth.UNKNOWN:
            continue
        answers = tuple(
            PossibleAnswer(value, words, _changes(rules, decision, form, service, {}, {name: value}))
            for value, words in ((False, "No"), (True, "Yes"))
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
    return flips(rules, decision, decide(rules, assumed(decision.record, form, said), decision.today, service))


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


def answers_needed(rules: Ruleset, decision: Decision, service: str | None = None, most: int = 12) -> int | None:
    """
    How many answers settle what is unknown, if each is the one that changes most and questions are taken as ranked.

    None if they do not. A trial whose questions change nothing alone is answered in the order of the form.
    """
    form = rules.program.codes.review
    given: dict[int, dict[str, str | float]] = {}
    stated: dict[str, bool] = {}
    now, count = decision, 0
    while undecided(rules, now):
        left = [
            question
            for question in open_questions(rules, now, service)
            if question.role not in ROUNDING_OFF
            and (
                question.role not in given.get(question.trial, {})
                if question.trial is not None
                else question.role not in stated
            )
        ]
        if form is None or not left or count >= most:
            return None
        question = left[0]
        best = max(
            question.answers, key=lambda one: (len(one.changes.come), len(one.changes.conclusions), not one.value)
        )
        if question.trial is None:
            stated[question.role] = bool(best.value)
        else:
            value = question.answers[-1].value if question.unit else best.value
            given.setdefault(question.trial, {})[question.role] = value
        count += 1
        said = review_of(decision, given, stated, form)
        now = decide(rules, assumed(decision.record, form, said), decision.today, service)
    return count
