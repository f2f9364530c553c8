"""Every example in the pages for rule authors is read and checked: together they are one rule folder."""

from __future__ import annotations

import re
from collections import defaultdict
from datetime import date
from pathlib import Path

from cds.rulebook.compile import compile_ruleset
from cds.rulebook.lint.lint import check
from cds.rulebook.lint.view import coded
from cds.rulebook.loader import Rulebook, read_rulebook
from tests.rulebook.small_rules import write_rules

DOCS = Path(__file__).parents[2] / "docs" / "rule-authors"
BLOCK = re.compile(r"^```(yaml|csv)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ID = re.compile(r"^  (?:id|adds_to): ([a-z0-9-]+)", re.MULTILINE)
TOP = re.compile(r"^(\w+):\n", re.MULTILINE)
STUB = """\
valueset: {{id: {name}, title: For this test}}
codes: [{{system: "http://loinc.org", source: Invented, verified: false, exact: {{"{number}-0": Invented}}}}]
"""


def blocks() -> list[tuple[str, str]]:
    return [
        (kind, text)
        for page in ("format.md", "names.md")
        for kind, text in BLOCK.findall((DOCS / page).read_text(encoding="utf-8"))
    ]


def folder_of_docs() -> dict[str, str]:
    """The examples as files: pieces of the rule file joined section by section, value sets and tables as they are."""
    sections: defaultdict[str, str] = defaultdict(str)
    files: dict[str, str] = {}
    for kind, text in blocks():
        name = ID.search(text)
        if kind == "csv":
            files["tables/antidepressant-products.csv"] = text
        elif text.startswith("valueset:"):
            assert name
            files[f"valuesets/{'snomed/' if 'snomed' in text else ''}{name[1]}.yaml"] = text
        elif text.startswith("table:"):
            assert name
            files[f"tables/{name[1]}.yaml"] = text
        else:
            _, *parts = TOP.split(text)
            for section, body in zip(parts[::2], parts[1::2], strict=True):
                sections[section] += body
    files["example/example.yaml"] = "".join(f"{section}:\n{body}" for section, body in sections.items())
    return files


def book_of_docs(folder: Path) -> Rulebook:
    """The examples, read, with invented value sets for those the pages only name."""
    book = read_rulebook(write_rules(folder, folder_of_docs()))
    ids = {loaded.model.valueset.id for loaded in book.sets}
    names = {name for rule in book.rules.values() for name, _ in coded(rule)} - ids
    stubs = {
        f"valuesets/{name}.yaml": STUB.format(name=name, number=number)
        for number, name in enumerate(sorted(names), 9000)
    }
    return read_rulebook(write_rules(folder, stubs))


def test_every_example_is_read_and_checked(tmp_path: Path) -> None:
    assert len(blocks()) > 10

    assert check(book_of_docs(tmp_path), today=date(2025, 6, 1)) == []


def test_the_examples_become_a_program(tmp_path: Path) -> None:
    made = compile_ruleset(book_of_docs(tmp_path))

    assert made.services["example-service"].cards == ("suggest_evaluation", "ask_for_missing")
    assert len(made.wanted) > 10


def test_every_kind_of_fact_has_an_example(tmp_path: Path) -> None:
    text = (DOCS / "format.md").read_text(encoding="utf-8")
    facts = book_of_docs(tmp_path).rules["example"].model.facts.values()
    kinds = {getattr(spec, "find", "trace_of" if hasattr(spec, "trace_of") else "count") for spec in facts}

    assert kinds == {
        "age", "sex", "setting", "condition", "medication", "procedure", "allergy", "referral", "answer", "observation",
        "score", "episode", "episode_length", "sessions", "augmentation", "points", "medication_trials", "count",
        "draft_order", "place_of_order",
        "trace_of", "deceased",
        "treatment", "course_without_response", "course", "course_phase", "course_sessions", "course_response",
        "course_measured", "rise", "override", "symptoms",
        "drug_history", "switches", "brief_switches", "index_day", "diagnosis_count",
        "mention",
    }  # fmt: skip
    assert all(f"`find: {kind}`" in text for kind in kinds - {"count", "trace_of"})


def test_links_between_the_pages_lead_somewhere() -> None:
    for page in (*(DOCS / name for name in ("format.md", "names.md", "checks.md")), *(DOCS / "checks").iterdir()):
        text = page.read_text(encoding="utf-8")
        for target, anchor in re.findall(r"\]\(([a-z./-]*)(?:#([a-z-]+))?\)", text):
            other = ((page.parent / target) if target else page).read_text(encoding="utf-8")
            headings = {heading.lower().replace(" ", "-") for heading in re.findall(r"^#+ (.+)$", other, re.MULTILINE)}
            assert not anchor or anchor in headings, f"{page}: {target}#{anchor}"
