from __future__ import annotations

import re
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from cds.cards.template import TemplateValues, escape, fill, trials_list, why_list
from cds.engine.explain import Missing, ReasonKind, Why
from cds.facts.fact import Fact, Facts, FactSource, ResponseEvidence, Trial, WhyUnknown
from cds.facts.kind import ParameterValue
from cds.logic.truth import Truth
from cds.record.model import Span
from cds.rulebook.compiled_ruleset import CompiledDefinition
from tests.facts.builders import TODAY, day

RENDER = MarkdownIt("gfm-like", {"linkify": False})


def trial(**changes: object) -> Trial:
    given: dict[str, object] = {
        "ingredient": "alfadep", "name": "alfadep", "drug_class": "SSRI", "start": day("2025-02-01"),
        "end": day("2025-04-30"), "days": (89, 89), "days_at_dose": (89, 89), "highest_mg_a_day": (50.0, 50.0),
        "minimum_mg_a_day": 50.0, "dose_adequate": Truth.TRUE, "long_enough": Truth.TRUE, "held": Truth.TRUE,
        "adequate": Truth.TRUE, "no_response": Truth.TRUE, "evidence": ResponseEvidence.CODED,
        "outcome": "stopped as ineffective",
        "intolerance": False, "ongoing": False, "by_name_only": False,
    }  # fmt: skip
    return Trial(**(given | changes))  # type: ignore[arg-type]


def listed(*trials: Trial) -> Fact:
    return Fact("trials", "Trials", trials=trials)


FACTS = Facts(
    {
        "score": Fact("score", "Score", low=17, high=17, text="17", because="recorded", day=day("2026-05-20"),
                      found=(FactSource("Observation/1", "17", "2026-05-20"),)),
        "pressure": Fact("pressure", "Pressure", because="none recorded", why_unknown=WhyUnknown.NOT_FOUND),
        "illness": Fact("illness", "Illness", truth=Truth.TRUE, text="recorded",
                        found=(FactSource("Condition/1", "<b>bad</b> [x](http://evil)", "2025-01-10"),)),
        "trials": Fact("trials", "Trials", trials=(trial(),), because="since 2025"),
    },
    TODAY,
)  # fmt: skip


def values(notes: tuple[str, ...] = (), briefs: tuple[tuple[str, str], ...] = ()) -> TemplateValues:
    def why(name: str) -> Why:
        children = (
            Why("score", "Score", Truth.TRUE, ReasonKind.COMPARISON, "Score: 17, at least 10"),
            Why("illness", "Illness", Truth.TRUE, ReasonKind.FACT, "Illness"),
        )
        return Why(name, name, Truth.TRUE, ReasonKind.CONCLUSION, name, children=children)

    missing = (Missing("score", "Score", "alfadep dose", "dose not recorded", None, (Truth.TRUE,)),)
    definitions = (
        (CompiledDefinition("ours", "Ours | here", "As written.", "resistant", True, (), {}), why("resistant")),
        (
            CompiledDefinition("theirs", "Theirs", "Eight weeks.", "resistant__theirs", False, (), {"weeks": "8"}),
            Why("resistant__theirs", "Resistant", Truth.FALSE, ReasonKind.CONCLUSION, "", children=(
                Why("illness", "Illness", Truth.TRUE, ReasonKind.FACT, "Illness"),
                Why("trials", "T", Truth.FALSE, ReasonKind.COMPARISON, "Trials: 1 (at least 2)"),
            )),
        ),
    )  # fmt: skip
    return TemplateValues(
        facts=FACTS,
        parameters={"limit": ParameterValue("limit", 10.0, "{score}", "10")},
        why=why,
        missing=lambda name: missing,
        definitions=lambda name: definitions,
        notes=notes,
        briefs=briefs,
        patient_reference="Patient/1",
    )


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("{{ score }}", "17"),
        ("{{score}} of {{ limit }}", "17 of 10"),
        ("{{ pressure }}", "not recorded"),
        ("{{ when(score) }}", "2026-05-20"),
        ("{{ when(pressure) }}", "not recorded"),
        ("{{ because(pressure) }}", "none recorded"),
        ("{{ references(score) }}", "Observation/1"),
        ("{{ missing(x) }}", "- alfadep dose (dose not recorded)"),
        ("{{ patient.reference }}", "Patient/1"),
        ("no placeholder", "no placeholder"),
    ],
)
def test_holes_are_filled(text: str, filled: str) -> None:
    assert fill(text, values()) == filled


def test_notes_are_a_list_and_none_leave_no_gap() -> None:
    assert fill("a\n\n{{ notes }}\n\nb", values(("one", "two"))) == "a\n\n- one\n- two\n\nb"
    assert fill("a\n\n{{ notes }}\n\nb", values()) == "a\n\nb"


def test_brief_notes_are_a_line_for_each_kind_and_none_leave_no_gap() -> None:
    briefs = (("recorded", "one"), ("unknown", "two"), ("recorded", "three"))

    assert fill("a\n\n{{ brief_notes }}\n\nb", values((), briefs)) == (
        "a\n\n**Also recorded:** one; three.\n\n**Unknown:** two.\n\nb"
    )
    assert fill("a\n\n{{ brief_notes }}\n\nb", values()) == "a\n\nb"


def test_reasons_name_words_and_day_of_their_entries_escape_them_and_name_no_fhir_id() -> None:
    text = fill("{{ why(x) }}", values())

    assert "Score: 17, at least 10: met, 17, 2026-05-20" in text
    assert "Observation/1" not in text
    assert "<b>" not in text
    assert "](" not in text


def test_trials_are_a_list_in_which_chart_text_is_escaped() -> None:
    html = RENDER.render(trials_list(listed(trial(), trial(name="beta<b>dep", highest_mg_a_day=(None, None)))))

    assert html.count("<li>") == 2
    assert "beta&lt;b&gt;dep</strong> dose not recorded" in html


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "50 mg/day, 2025-02-01 – 2025-04-30, 89 days: adequate, stopped as ineffective"),
        ({"days_at_dose": (0, 61)}, "0 to 61 days"),
        ({"ongoing": True, "end": None}, "since 2025-02-01"),
        ({"end": None}, "– an end not recorded"),
        ({"highest_mg_a_day": (50.0, None)}, "at least 50 mg/day"),
        ({"start": Span(TODAY.replace(month=5, day=1), TODAY.replace(month=5, day=31))}, "2026-05 –"),
        ({"adequate": Truth.UNKNOWN}, "adequacy unknown"),
        ({"adequate": Truth.FALSE}, "50 mg/day (minimum 50)"),
        ({"adequate": Truth.FALSE}, "not adequate"),
    ],
)
def test_what_is_known_in_part_reads_so_in_the_list(changes: dict[str, object], said: str) -> None:
    assert said in trials_list(listed(trial(**changes)))


def test_of_many_trials_those_without_response_are_listed_first() -> None:
    worked = [trial(name=f"worked{n}", no_response=Truth.FALSE) for n in range(4)]

    text = trials_list(listed(trial(name="failed"), *worked))

    assert text.count("\n") == 3
    assert "**failed**" in text
    assert text.endswith("- and 2 more")


def test_no_trial_is_said_in_words_and_so_is_that_they_are_unknown() -> None:
    assert trials_list(listed()) == "- No trial in this record"
    unknown = msgspec.structs.replace(
        listed(), why_unknown=WhyUnknown.NOT_SENT, because="the EHR could not read orders"
    )
    assert trials_list(unknown) == "- Trials unknown (the EHR could not read orders)"


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[click](javascript:alert(1))",
        "![x](http://evil.example/x.png)",
        "**bold** _em_ `code` ~~gone~~",
        "http://evil.example www.evil.example me@evil.example",
        "a | b\n| - | - |\n# heading\n- item\n> quote",
        "&lt;script&gt;",
        "\\*not bold\\*",
    ],
)
def test_chart_text_is_shown_as_it_is(hostile: str) -> None:
    html = RENDER.render(f"- {escape(hostile)}")

    inner = html.removeprefix("<ul>\n<li>").removesuffix("</li>\n</ul>\n")
    assert "<" not in inner
    shown = inner.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"').replace("&amp;", "&")
    assert shown == re.sub(r"\s+", " ", hostile)


@given(st.text(max_size=80))
def test_no_chart_text_makes_markup(text: str) -> None:
    html = RENDER.render(f"x {escape(text)} x")

    assert re.fullmatch(r"<p>[^<>]*</p>\n", html), html


def test_long_chart_text_is_cut() -> None:
    assert len(escape("a" * 1000)) == 200


@pytest.mark.parametrize(
    "character", ["\x85", "\x9b", "\u2028", "\u2029", "\u200b", "\u200f", "\u202e", "\u2066", "\ufeff", "\x00", "\n"]
)
def test_no_character_of_the_chart_ends_the_line_or_turns_it_round(character: str) -> None:
    assert escape(f"one{character}two") == "one two"


def test_definitions_are_one_sentence_and_a_shorter_one_where_all_agree() -> None:
    assert fill("{{ definitions(resistant) }}", values()) == "Definitions: met by “Ours | here”; not met by “Theirs”."
    ours = values().definitions("resistant")[:1]
    assert fill("{{ definitions(resistant) }}", replace(values(), definitions=lambda name: ours)) == (
        "Meets the 1 definition compared."
    )


def test_things_missing_for_one_reason_are_one_line() -> None:
    missing = tuple(Missing(what, what, what, "not sent", None, (Truth.TRUE,)) for what in ("a", "b"))

    assert fill("{{ missing(x) }}", replace(values(), missing=lambda name: missing)) == "- a; b (not sent)"


def test_what_is_not_recorded_is_one_line() -> None:
    absent = {name: Fact(name, name.title(), truth=Truth.FALSE, text="not recorded") for name in ("this", "that")}
    children = tuple(
        Why(name, name.title(), Truth.TRUE, ReasonKind.FACT, name.title(), negated=True) for name in absent
    )

    text = why_list(Why("x", "X", Truth.TRUE, ReasonKind.ALL, "all of", children=children), Facts(absent, TODAY))

    assert text == "- Not recorded: This; That"


def test_a_conclusion_that_is_denied_takes_no_line_and_one_that_is_unknown_does() -> None:
    denied = Why("bad", "Something bad", Truth.TRUE, ReasonKind.CONCLUSION, "Something bad", negated=True)
    unknown = Why("odd", "Something odd", Truth.UNKNOWN, ReasonKind.CONCLUSION, "Something odd", negated=True)

    text = why_list(Why("x", "X", Truth.TRUE, ReasonKind.ALL, "all of", children=(denied, unknown)), FACTS)
    assert text == "- Something odd: unknown"


def test_a_label_that_begins_with_not_cannot_turn_a_card_around() -> None:
    named_so = Why("bad", "not: seen by a doctor", Truth.TRUE, ReasonKind.CONCLUSION, "not: seen by a doctor")

    (line,) = why_list(Why("x", "X", Truth.TRUE, ReasonKind.ALL, "all of", children=(named_so,)), FACTS).splitlines()
    assert line == "- not: seen by a doctor: yes"
    group = Why("x", "X", Truth.TRUE, ReasonKind.ALL, "all of", children=(replace(named_so, negated=True),))
    assert why_list(group, FACTS) == ""


def test_a_label_that_reads_like_a_group_hides_none_of_its_parts() -> None:
    parts = (
        Why("a", "This", Truth.TRUE, ReasonKind.CONCLUSION, "This"),
        Why("b", "That", Truth.UNKNOWN, ReasonKind.CONCLUSION, "That"),
    )

    assert "That" in why_list(Why("x", "any of", Truth.TRUE, ReasonKind.CONCLUSION, "any of", children=parts), FACTS)


def test_of_parts_one_of_which_is_enough_only_those_that_hold_are_shown() -> None:
    parts = (
        Why("a", "This", Truth.TRUE, ReasonKind.CONCLUSION, "This"),
        Why("b", "That", Truth.FALSE, ReasonKind.CONCLUSION, "That"),
    )
    group = Why("", "", Truth.TRUE, ReasonKind.ANY, "any of", children=parts)

    assert why_list(Why("x", "X", Truth.TRUE, ReasonKind.ALL, "all of", children=(group,)), FACTS) == "- This: yes"
    open_ = replace(group, truth=Truth.UNKNOWN, children=(parts[0], replace(parts[1], truth=Truth.UNKNOWN)))
    assert "That: unknown" in why_list(Why("x", "X", Truth.UNKNOWN, ReasonKind.ALL, "all of", children=(open_,)), FACTS)


@pytest.mark.parametrize(
    ("low", "high", "text", "said"),
    [
        (1.0, 1.0, "1", "1 trial was short."),
        (2.0, 2.0, "2", "2 trials were short."),
        (1.0, 2.0, "1 to 2", "1 to 2 trials were short."),
        (None, None, "", "not recorded trials were short."),
    ],
)
def test_a_number_has_the_words_that_go_with_it(low: float | None, high: float | None, text: str, said: str) -> None:
    found = Facts({"short": Fact("short", "Short", low=low, high=high, text=text)}, TODAY)
    counted = "{{ short | one: # trial was | other: # trials were }} short."
    assert fill(counted, replace(values(), facts=found)) == said
