from __future__ import annotations

import re
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from cds.cards.template import TemplateValues, escape, fill, trials_table, why_list
from cds.engine.explain import Missing, ReasonKind, Why
from cds.facts.fact import Fact, Facts, FactSource, ResponseEvidence, Trial, WhyUnknown
from cds.logic.truth import Truth
from cds.record.model import Span
from cds.rulebook.program import CompiledDefinition, ParameterValue
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


def values(notes: tuple[str, ...] = ()) -> TemplateValues:
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
        ("no hole", "no hole"),
    ],
)
def test_holes_are_filled(text: str, filled: str) -> None:
    assert fill(text, values()) == filled


def test_notes_are_a_list_and_none_leave_no_gap() -> None:
    assert fill("a\n\n{{ notes }}\n\nb", values(("one", "two"))) == "a\n\n- one\n- two\n\nb"
    assert fill("a\n\n{{ notes }}\n\nb", values()) == "a\n\nb"


def test_reasons_name_the_entries_they_rest_on_and_escape_them() -> None:
    text = fill("{{ why(x) }}", values())

    assert "Score: 17, at least 10: **yes** — 17, 2026-05-20, Observation/1" in text
    assert "<b>" not in text
    assert "](" not in text


def test_trials_are_a_table_that_a_markdown_renderer_shows_as_one() -> None:
    html = RENDER.render(trials_table(listed(trial(), trial(name="beta|dep", highest_mg_a_day=(None, None)))))

    assert html.count("<tr>") == 3
    assert "beta|dep" in html
    assert "not recorded" in html


@pytest.mark.parametrize(
    ("changes", "cell"),
    [
        ({"days_at_dose": (0, 61)}, "0 to 61"),
        ({"ongoing": True, "end": None}, "ongoing"),
        ({"highest_mg_a_day": (50.0, None)}, "at least 50"),
        ({"start": Span(TODAY.replace(month=5, day=1), TODAY.replace(month=5, day=31))}, "2026-05"),
        ({"adequate": Truth.UNKNOWN}, "cannot tell"),
    ],
)
def test_what_is_known_in_part_reads_so_in_the_table(changes: dict[str, object], cell: str) -> None:
    assert f"| {cell}" in trials_table(listed(trial(**changes)))


def test_no_trial_is_said_in_words_and_so_is_that_it_cannot_be_told() -> None:
    assert trials_table(listed()) == "No trial found in this record."
    unknown = msgspec.structs.replace(
        listed(), why_unknown=WhyUnknown.NOT_SENT, because="the EHR could not read orders"
    )
    assert trials_table(unknown) == "Trials cannot be told from what was sent (the EHR could not read orders)."


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


def test_definitions_stand_side_by_side_with_what_decides_against() -> None:
    rows = fill("{{ definitions(resistant) }}", values()).splitlines()

    assert rows == [
        "| Definition | Met | What decides |",
        "| --- | --- | --- |",
        r"| Ours \| here (in use) | yes | As written. |",
        "| Theirs | no | Trials: 1 (at least 2) |",
    ]


def test_a_conclusion_that_is_denied_is_shown_with_its_own_answer() -> None:
    denied = Why("bad", "Something bad", Truth.TRUE, ReasonKind.CONCLUSION, "Something bad", negated=True)

    assert (
        why_list(Why("x", "X", Truth.TRUE, ReasonKind.ALL, "all of", children=(denied,)), FACTS)
        == "- Something bad: **no**"
    )


def test_a_label_that_begins_with_not_cannot_turn_a_card_around() -> None:
    named_so = Why("bad", "not: seen by a doctor", Truth.TRUE, ReasonKind.CONCLUSION, "not: seen by a doctor")

    (line,) = why_list(Why("x", "X", Truth.TRUE, ReasonKind.ALL, "all of", children=(named_so,)), FACTS).splitlines()
    assert line.endswith("**yes**")
    (line,) = why_list(
        Why("x", "X", Truth.TRUE, ReasonKind.ALL, "all of", children=(replace(named_so, negated=True),)), FACTS
    ).splitlines()
    assert line.endswith("**no**")


def test_a_label_that_reads_like_a_group_hides_none_of_its_parts() -> None:
    parts = (
        Why("a", "This", Truth.TRUE, ReasonKind.CONCLUSION, "This"),
        Why("b", "That", Truth.FALSE, ReasonKind.CONCLUSION, "That"),
    )

    assert "That" in why_list(Why("x", "any of", Truth.TRUE, ReasonKind.CONCLUSION, "any of", children=parts), FACTS)


def test_of_parts_one_of_which_is_enough_only_those_that_hold_are_shown() -> None:
    parts = (
        Why("a", "This", Truth.TRUE, ReasonKind.CONCLUSION, "This"),
        Why("b", "That", Truth.FALSE, ReasonKind.CONCLUSION, "That"),
    )
    group = Why("", "", Truth.TRUE, ReasonKind.ANY, "any of", children=parts)

    assert why_list(Why("x", "X", Truth.TRUE, ReasonKind.ALL, "all of", children=(group,)), FACTS) == "- This: **yes**"
    open_ = replace(group, truth=Truth.UNKNOWN)
    assert "That" in why_list(Why("x", "X", Truth.UNKNOWN, ReasonKind.ALL, "all of", children=(open_,)), FACTS)
