"""A checked rulebook becomes a program: everything in place, nothing asked for that no card reads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cds.facts.diagnosis import CompiledDiagnosis
from cds.facts.kind import CompiledFact
from cds.facts.kinds import in_order
from cds.facts.trials.medication_trials import CompiledTrials
from cds.logic import conditions as c
from cds.logic.truth import Truth
from cds.rulebook.compile import compile_ruleset
from cds.rulebook.compiled_ruleset import CompiledRuleset
from cds.terminology.systems import ICD10CM, SNOMED
from tests.rulebook.small_rules import ANOTHER_FILE, GOOD, OTHER, RULE, SCORE_SET, book_of, changed, check_rules

SET_OF_MORE = changed(GOOD[SCORE_SET], "id: score-codes", "id: more-codes").replace("44261-6", "1234-5")


def program(folder: Path, files: dict[str, str | bytes] | None = None, *changes: tuple[str, str]) -> CompiledRuleset:
    """The program of the good rules with changes to their rule file, and more files."""
    text = GOOD[RULE]
    for old, new in changes:
        text = changed(text, old, new)
    book = book_of(folder, {**GOOD, RULE: text, **(files or {})})
    assert book.problems == []
    return compile_ruleset(book)


def fact(made: CompiledRuleset, name: str) -> CompiledFact:
    return next(fact for fact in made.wanted if fact.name == name)


# ---------------------------------------------------------------- conditions


def test_a_parameter_is_put_in_place_with_its_name_and_unit(tmp_path: Path) -> None:
    condition = program(tmp_path).heads["resistant"].condition

    assert condition == c.All(
        (
            c.Name("depression"),
            c.Compare("age", c.Comparison.AT_LEAST, 18.0, "adult_age", "years"),
            c.Compare("failed_trials", c.Comparison.AT_LEAST, 2.0, "trials_required", "trials"),
        )
    )


@pytest.mark.parametrize("how", list(c.Comparison))
def test_every_comparison_keeps_its_word(tmp_path: Path, how: c.Comparison) -> None:
    made = program(tmp_path, None, ("score: {at_least: high_score}", f"score: {{{how.value}: high_score}}"))

    assert made.heads["symptomatic"].condition == c.Compare("score", how, 10.0, "high_score", "{score}")


def test_between_includes_both_ends(tmp_path: Path) -> None:
    made = program(tmp_path, None, ("score: {at_least: high_score}", "score: {between: [low_score, high_score]}"))

    assert made.heads["symptomatic"].condition == c.All(
        (
            c.Compare("score", c.Comparison.AT_LEAST, 5.0, "low_score", "{score}"),
            c.Compare("score", c.Comparison.AT_MOST, 10.0, "high_score", "{score}"),
        )
    )


@pytest.mark.parametrize(
    ("written", "compiled"),
    [
        ("when: depression", c.Name("depression")),
        ("not: depression", c.Not(c.Name("depression"))),
        ("any: [depression, {not: resistant}]", c.Any((c.Name("depression"), c.Not(c.Name("resistant"))))),
        (
            "at_least: 2\n    of: [depression, resistant, symptomatic]",
            c.AtLeast(2, (c.Name("depression"), c.Name("resistant"), c.Name("symptomatic"))),
        ),
        ("when: {unknown: resistant}", c.Unknown(c.Name("resistant"))),
        ("when: {possibly: {all: [resistant]}}", c.Possibly(c.All((c.Name("resistant"),)))),
    ],
)
def test_every_form_of_condition_is_compiled(tmp_path: Path, written: str, compiled: c.Condition) -> None:
    more = f"conclusions:\n  other_one:\n    label: Other\n    {written}\n"

    assert program(tmp_path, {OTHER: ANOTHER_FILE + more}).heads["other_one"].condition == compiled


def test_cards_and_notes_are_heads_like_any_other(tmp_path: Path) -> None:
    made = program(tmp_path)

    assert list(made.heads) == ["resistant", "symptomatic", "resistant__theirs", "card:suggest", "note:suggest:1"]
    assert made.heads["note:suggest:1"].condition == c.Unknown(c.Name("symptomatic"))
    assert [note.head for note in made.cards["suggest"].notes] == ["note:suggest:1"]
    assert made.cards["suggest"].head == "card:suggest"


# ---------------------------------------------------------------- facts


@pytest.mark.parametrize(
    ("written", "days"),
    [
        ("1 day", 1),
        ("14 days", 14),
        ("6 weeks", 42),
        ("1 month", 31),
        ("12 months", 366),
        ("1 year", 366),
        ("5 years", 1827),
    ],
)
def test_durations_are_days_rounded_up(tmp_path: Path, written: str, days: int) -> None:
    made = program(tmp_path, None, ("look_back: 60 days", f"look_back: {written}"))

    assert fact(made, "score").look_back_days == days


def test_a_duration_may_be_a_parameter(tmp_path: Path) -> None:
    trials = fact(program(tmp_path), "trials")

    assert isinstance(trials, CompiledTrials)
    assert trials.adequate_days == 42
    assert trials.no_response.switch_before_days == 60


def test_a_word_may_be_a_parameter(tmp_path: Path) -> None:
    trials = fact(program(tmp_path), "trials")

    assert isinstance(trials, CompiledTrials)
    assert trials.no_response.accepts_inferred
    coded = fact(program(tmp_path / "coded", None, ("{value: also_inferred,", "{value: coded_or_measured,")), "trials")
    assert isinstance(coded, CompiledTrials)
    assert not coded.no_response.accepts_inferred


def test_none_found_is_what_the_author_says(tmp_path: Path) -> None:
    depression = fact(program(tmp_path), "depression")
    assert isinstance(depression, CompiledDiagnosis)
    assert depression.if_none_found is Truth.FALSE

    unsure = fact(program(tmp_path / "unsure", None, ("if_none_found: false", "if_none_found: unknown")), "depression")
    assert isinstance(unsure, CompiledDiagnosis)
    assert unsure.if_none_found is Truth.UNKNOWN


def test_what_a_fact_is_computed_from_stands_before_it(tmp_path: Path) -> None:
    names = [fact.name for fact in program(tmp_path).wanted]

    assert sorted(names) == [
        "age", "depression", "episode", "failed_trials", "failed_trials__theirs", "score", "trials", "trials__theirs",
    ]  # fmt: skip
    assert names.index("score") < names.index("episode") < names.index("trials") < names.index("failed_trials")


def test_the_order_of_facts_does_not_depend_on_the_order_of_files(tmp_path: Path) -> None:
    wanted = program(tmp_path).wanted

    assert in_order(reversed(wanted)) == wanted


def test_a_value_set_has_the_codes_of_all_its_files(tmp_path: Path) -> None:
    codes = program(tmp_path).codes.sets["depression-codes"]

    assert set(codes.codes) == {(ICD10CM, "F32.0"), (SNOMED, "370143000")}
    assert set(codes.roots) == {(ICD10CM, "F33")}
    assert set(codes.excepted) == {(ICD10CM, "F33.8")}
    assert codes.title == "Depression"


# ---------------------------------------------------------------- prefetch

# CDS Hooks 2.0.1, "Prefetch query restrictions": read by id, or a search of one type by reference to the patient, token
# parameters (with commas for OR), _count, _sort=-date; nothing else.
READ = re.compile(r"Patient/\{\{context\.patientId\}\}")
SEARCH = re.compile(
    r"[A-Z][A-Za-z]+\?patient=\{\{context\.patientId\}\}(&code=[^,&\s|]+\|[^,&\s|]+(,[^,&\s|]+\|[^,&\s|]+)*)?(&_sort=-date)?"
)


def test_prefetch_stays_within_what_cds_hooks_2_0_1_allows(tmp_path: Path) -> None:
    queries = program(tmp_path).services["small-service"].prefetch

    assert {query.key: query.query for query in queries} == {
        "conditions": "Condition?patient={{context.patientId}}",
        "medicationAdministrations": "MedicationAdministration?patient={{context.patientId}}",
        "medicationDispenses": "MedicationDispense?patient={{context.patientId}}",
        "medicationRequests": "MedicationRequest?patient={{context.patientId}}",
        "medicationStatements": "MedicationStatement?patient={{context.patientId}}",
        "patient": "Patient/{{context.patientId}}",
        "questionnaireResponses": "QuestionnaireResponse?patient={{context.patientId}}",
        "score": "Observation?patient={{context.patientId}}&code=http://loinc.org|44261-6&_sort=-date",
    }
    assert all(READ.fullmatch(query.query) or SEARCH.fullmatch(query.query) for query in queries)


def test_what_a_service_requires_is_marked(tmp_path: Path) -> None:
    queries = program(tmp_path).services["small-service"].prefetch

    assert [query.key for query in queries if query.required] == ["conditions", "patient"]


def test_facts_of_one_prefetch_key_are_asked_for_together(tmp_path: Path) -> None:
    other = """\
  other_score:
    find: score
    coded: more-codes
    unit: "{score}"
    prefetch: score
"""
    made = program(
        tmp_path,
        {"valuesets/more-codes.yaml": SET_OF_MORE},
        ("conclusions:\n", other + "conclusions:\n"),
        ("No score: {{ because(score) }}.", "No score: {{ because(other_score) }}."),
    )

    (query,) = (query.query for query in made.services["small-service"].prefetch if query.key == "score")
    assert query.count("http://loinc.org|1234-5,http://loinc.org|44261-6") == 1


def test_what_no_card_reads_is_not_asked_for(tmp_path: Path) -> None:
    unread = """\
  allergy:
    find: allergy
    coded: depression-codes
    if_none_found: unknown
    because: Invented.
"""
    made = program(tmp_path, None, ("conclusions:\n", unread + "conclusions:\n"))

    assert "allergies" not in {query.key for query in made.services["small-service"].prefetch}


@pytest.mark.parametrize(
    "change",
    [
        ("{{ trials(trials) }}", "{{ when(allergy) }}"),
        ('say: "No score: {{ because(score) }}."', 'say: "{{ allergy }}"'),
        ("{{ references(depression) }}", "{{ references(allergy) }}"),
        ("{unknown: symptomatic}", "allergy"),
    ],
)
def test_what_a_text_a_note_or_a_resource_reads_is_asked_for(tmp_path: Path, change: tuple[str, str]) -> None:
    read = "  allergy: {find: allergy, coded: depression-codes, if_none_found: unknown, because: Invented.}\n"
    made = program(tmp_path, None, ("conclusions:\n", read + "conclusions:\n"), change)

    assert "allergies" in {query.key for query in made.services["small-service"].prefetch}


# ---------------------------------------------------------------- life of a file


@pytest.mark.parametrize("status", ["draft", "retired"])
def test_what_is_not_in_use_is_left_out(tmp_path: Path, status: str) -> None:
    made = program(tmp_path, None, ("status: active", f"status: {status}"))

    assert (made.wanted, made.heads, made.services, made.cards) == ((), {}, {}, {})


def test_a_draft_beside_an_active_file_changes_nothing_but_the_digest(tmp_path: Path) -> None:
    more = "conclusions:\n  new_one: {label: New, when: resistant}\n"
    draft = changed(ANOTHER_FILE, "status: active", "status: draft") + more

    with_draft, without = program(tmp_path / "with", {OTHER: draft}), program(tmp_path / "without")
    assert (with_draft.heads, with_draft.wanted, with_draft.services) == (
        without.heads,
        without.wanted,
        without.services,
    )
    assert with_draft.version != without.version


def test_a_silent_card_is_concluded_and_what_it_reads_asked_for_but_it_is_not_sent(tmp_path: Path) -> None:
    active = program(tmp_path / "active")
    silent = program(tmp_path / "silent", None, ("status: active", "status: silent"))

    assert "card:suggest" in silent.heads
    assert silent.services["small-service"].cards == ()
    assert active.services["small-service"].cards == ("suggest",)
    assert silent.services["small-service"].prefetch == active.services["small-service"].prefetch


def test_cards_stand_by_rank_then_by_name(tmp_path: Path) -> None:
    start = GOOD[RULE].index("  suggest:\n")
    card = GOOD[RULE][start:].replace("  suggest:\n", "  {name}:\n    rank: {rank}\n").split("    suggestions:")[0]
    more = "cards:\n" + "".join(
        card.replace("{name}", name).replace("{rank}", rank)
        for name, rank in (("zz", "10"), ("bb", "20"), ("aa", "20"))
    )

    assert program(tmp_path, {OTHER: ANOTHER_FILE + more}).services["small-service"].cards == (
        "zz",
        "aa",
        "bb",
        "suggest",
    )


def test_where_a_thing_stands_is_kept_for_the_card(tmp_path: Path) -> None:
    made = program(tmp_path)

    assert made.cards["suggest"].rule == made.rules["depression"]
    assert (made.rules["depression"].version, made.rules["depression"].reviewed) == ("1.0.0", None)
    assert [cited.id for cited in made.heads["resistant"].evidence] == ["book"]


def test_the_good_rules_are_good(tmp_path: Path) -> None:
    assert check_rules(tmp_path, GOOD) == []
